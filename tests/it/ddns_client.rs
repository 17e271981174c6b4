//! The update client, transactions, discovery and preflight against a real BIND on loopback, and against servers that
//! misbehave.
//!
//! With BIND they need root, network namespaces, `named` and `dig`; the others loopback alone.

use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ddns::reconcile::Outcome;
use ddns::settings::{Auth, ReverseGuard};
use ddns::transaction::{Ending, Plan, Step, Transaction};
use ddns::wanted::{Held, RowKey, Want};
use dns::wire::verify_request;
use dns::{Change, Fqdn, HostIdentity, Prerequisite, Rcode, Rdata, RecordType, TsigAlgorithm, TsigKey, Update};
use hickory_proto::op::{Message, OpCode, ResponseCode};
use leasehold::ddns_client::discover::{DiscoverError, Preflight, PreflightReport, preflight, zone_cut};
use leasehold::ddns_client::{Timing, UpdateClient, WallClock};

use crate::dig::{KEY_NAME, KEY_SECRET};
use crate::netns::{Host, Lab};
use crate::process::{Running, finish, wait_for};

const PATIENCE: Duration = Duration::from_secs(20);
const OTHER_SECRET: &str = "b3RoZXIgYnl0ZXMgdGhhbiB0aGUgc2VydmVyIGhhcyE=";

pub(crate) fn name(text: &str) -> Fqdn {
    text.parse().unwrap()
}

pub(crate) fn key(key_name: &str, secret: &str) -> TsigKey {
    TsigKey::from_base64(name(key_name), TsigAlgorithm::HmacSha256, secret).unwrap()
}

pub(crate) fn wall_secs() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

fn quick() -> Timing {
    Timing { waits: vec![Duration::from_millis(150); 3], tcp: Duration::from_secs(2) }
}

fn client() -> UpdateClient {
    UpdateClient::new(Arc::new(wall_secs), Timing::default())
}

fn wait<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

fn add(owner: &str, last: u8) -> Change {
    Change::Add { name: name(owner), rtype: RecordType::A, ttl: 60, rdata: Rdata::a(Ipv4Addr::new(10, 0, 0, last)) }
}

fn update(zone: &str, changes: Vec<Change>) -> Update {
    Update { zone: name(zone), prerequisites: vec![], changes }
}

/// BIND on a host of its own, with `forward.example` and `10.in-addr.arpa` for the key, `policy.example` for the key by
/// name, and `closed.example` for nobody.
pub(crate) struct Bind {
    pub(crate) address: SocketAddr,
    running: Mutex<Running>,
    host: Host,
    _lab: Lab,
}

impl Bind {
    pub(crate) fn start() -> Self {
        let lab = Lab::new();
        let host = lab.host("dns");
        let mut text = format!(
            "options {{ directory \"/var/cache/bind\"; pid-file none; session-keyfile none; recursion no; notify no;\n\
             listen-on {{ 127.0.0.1; }}; listen-on-v6 {{ none; }}; dnssec-validation no; }};\n\
             controls {{ }};\n\
             key {KEY_NAME} {{ algorithm hmac-sha256; secret \"{KEY_SECRET}\"; }};\n"
        );
        for (zone, policy) in [
            ("forward.example", format!("allow-update {{ key {KEY_NAME}; }};")),
            ("10.in-addr.arpa", format!("allow-update {{ key {KEY_NAME}; }};")),
            ("policy.example", format!("update-policy {{ grant {KEY_NAME} subdomain policy.example. A DHCID; }};")),
            ("closed.example", String::new()),
        ] {
            let soa = "@ SOA ns.tests.example. admin.tests.example. 7 3600 600 86400 60";
            host.write(&format!("/var/lib/bind/{zone}"), &format!("$TTL 300\n{soa}\n@ NS ns.tests.example.\n"));
            writeln!(text, "zone \"{zone}\" {{ type primary; file \"/var/lib/bind/{zone}\"; {policy} }};").unwrap();
        }
        host.write("/etc/bind/named.conf", &text);
        let running = Mutex::new(Self::run_on(&host));
        Self { address: SocketAddr::from(([127, 0, 0, 1], 53)), running, host, _lab: lab }
    }

    fn run_on(host: &Host) -> Running {
        let mut running = host.start("named", &["-g", "-n", "1", "-c", "/etc/bind/named.conf"]);
        running.wait_log("all zones loaded", 1, PATIENCE);
        running
    }

    pub(crate) fn stop(&self) {
        self.running.lock().unwrap().stop(PATIENCE);
    }

    /// Starts it again, with the zones as they were.
    pub(crate) fn resume(&self) {
        *self.running.lock().unwrap() = Self::run_on(&self.host);
    }

    pub(crate) fn dig(&self, words: &[&str]) -> String {
        let mut command = self.host.tool("dig");
        command.args(["@127.0.0.1", "+short", "+time=2", "+nocookie"]).args(words);
        String::from_utf8(finish(&mut command).stdout).unwrap().trim().to_owned()
    }

    /// Every record of a zone, one a line.
    pub(crate) fn transfer(&self, zone: &str) -> String {
        let mut command = self.host.tool("dig");
        command.args(["@127.0.0.1", zone, "AXFR", "+noall", "+answer", "+onesoa"]);
        String::from_utf8(finish(&mut command).stdout).unwrap()
    }

    /// Awaits on the server's host.
    pub(crate) fn beside<T: Send>(&self, work: impl AsyncFnOnce() -> T + Send) -> T {
        self.host.inside(|| wait(work()))
    }

    fn send(&self, key: Option<&TsigKey>, update: &Update) -> Outcome {
        self.beside(async || client().send(self.address, key, update).await)
    }

    /// Runs a transaction to its end.
    fn bring_about(&self, plan: Plan) -> Ending {
        let key = key(KEY_NAME, KEY_SECRET);
        let (mut transaction, mut step) = Transaction::start(plan);
        loop {
            match step {
                Step::Finished(ending) => return ending,
                Step::Send(update) => match self.send(Some(&key), &update) {
                    Outcome::Answer(code) => step = transaction.next(code),
                    other => panic!("{other:?} for {update:?}"),
                },
            }
        }
    }
}

fn want(who: u8, addresses: &[IpAddr]) -> Want {
    Want {
        name: name("pc.forward.example"),
        identity: HostIdentity::from_hardware(1, &[2, 0, 0, 0, 0, who]),
        addresses: addresses.to_vec(),
        ttl_secs: 600,
        after_forward: false,
        guard: dns::ConflictGuard::default(),
    }
}

fn held(who: u8, addresses: &[IpAddr]) -> Held {
    want(who, addresses).held()
}

fn forward(want: Option<Want>, former: Vec<Held>) -> Plan {
    let key = RowKey::Forward(name("pc.forward.example"));
    Plan { zone: name("forward.example"), key, want, former, held: false, guard: ReverseGuard::Dhcid }
}

fn reverse(address: IpAddr, want: Option<Want>, former: Vec<Held>) -> Plan {
    let key = RowKey::Reverse(address);
    Plan { zone: name("10.in-addr.arpa"), key, want, former, held: false, guard: ReverseGuard::Dhcid }
}

/// Sections 5.3.1, 5.3.2, 5.4 and 5.5 as BIND understands them.
#[test]
fn rfc4703_transactions_end_with_bind_as_they_should() {
    let bind = Bind::start();
    let [one, two, v6] = ["10.0.0.1", "10.0.0.2", "2001:db8::1"].map(|text| text.parse::<IpAddr>().unwrap());
    assert_eq!(bind.bring_about(forward(Some(want(1, &[one])), vec![])), Ending::Done);
    assert_eq!(bind.bring_about(reverse(one, Some(want(1, &[one])), vec![])), Ending::Done);
    assert_eq!(bind.dig(&["pc.forward.example", "A"]), "10.0.0.1");
    assert_eq!(bind.dig(&["-x", "10.0.0.1"]), "pc.forward.example.");
    assert!(bind.dig(&["pc.forward.example", "DHCID"]).starts_with("AAAB"));
    // The same again, as after a lost answer; then another host; then the other family.
    assert_eq!(bind.bring_about(forward(Some(want(1, &[one, two])), vec![])), Ending::Done);
    assert_eq!(bind.bring_about(reverse(one, Some(want(1, &[one])), vec![])), Ending::Done);
    assert_eq!(bind.bring_about(forward(Some(want(2, &[two])), vec![])), Ending::Conflict);
    assert_eq!(bind.bring_about(reverse(one, Some(want(2, &[one])), vec![])), Ending::Conflict);
    assert_eq!(bind.bring_about(forward(Some(want(1, &[v6])), vec![])), Ending::Done);
    let mut addresses: Vec<String> = bind.dig(&["pc.forward.example", "A"]).lines().map(str::to_owned).collect();
    addresses.sort();
    assert_eq!(addresses, ["10.0.0.1", "10.0.0.2"]);
    // One family goes, then the rest.
    assert_eq!(bind.bring_about(forward(None, vec![held(1, &[one, two])])), Ending::Done);
    assert_eq!(bind.dig(&["pc.forward.example", "AAAA"]), "2001:db8::1");
    assert_eq!(bind.bring_about(forward(None, vec![held(1, &[v6])])), Ending::Done);
    assert_eq!(bind.dig(&["pc.forward.example", "DHCID"]), "");
    assert_eq!(bind.bring_about(reverse(one, Some(want(2, &[one])), vec![held(1, &[one])])), Ending::Done);
    assert_eq!(bind.bring_about(reverse(one, None, vec![held(2, &[one])])), Ending::Done);
    assert_eq!(bind.dig(&["-x", "10.0.0.1"]), "");
}

/// "BADSIG, BADKEY, BADTIME, REFUSED, NOTZONE, NOTAUTH": each is told apart.
#[test]
fn each_refusal_of_bind_is_told_apart() {
    let bind = Bind::start();
    let good = key(KEY_NAME, KEY_SECRET);
    let one = update("forward.example", vec![add("a.forward.example", 1)]);
    assert_eq!(bind.send(Some(&good), &one), Outcome::Answer(Rcode::NO_ERROR));
    assert_eq!(bind.dig(&["a.forward.example"]), "10.0.0.1");

    let unknown = key("nobodys-key", KEY_SECRET);
    assert_eq!(bind.send(Some(&unknown), &one), Outcome::TsigError(Rcode::BAD_KEY));
    let wrong = key(KEY_NAME, OTHER_SECRET);
    assert_eq!(bind.send(Some(&wrong), &one), Outcome::TsigError(Rcode::BAD_SIG));
    let other_algorithm = TsigKey { algorithm: TsigAlgorithm::HmacSha512, ..good.clone() };
    assert_eq!(bind.send(Some(&other_algorithm), &one), Outcome::TsigError(Rcode::BAD_KEY));
    let late: WallClock = Arc::new(|| wall_secs() - 1_000);
    let slow = UpdateClient::new(late, Timing::default());
    let told = bind.beside(async || slow.send(bind.address, Some(&good), &one).await);
    assert_eq!(told, Outcome::TsigError(Rcode::BAD_TIME));

    assert_eq!(bind.send(None, &one), Outcome::Answer(Rcode::REFUSED));
    let closed = update("closed.example", vec![add("a.closed.example", 1)]);
    assert_eq!(bind.send(Some(&good), &closed), Outcome::Answer(Rcode::REFUSED));
    let elsewhere = update("elsewhere.example", vec![add("a.elsewhere.example", 1)]);
    assert_eq!(bind.send(Some(&good), &elsewhere), Outcome::Answer(Rcode::NOT_AUTH));
    let outside = update("forward.example", vec![add("a.policy.example", 1)]);
    assert_eq!(bind.send(Some(&good), &outside), Outcome::Answer(Rcode::NOT_ZONE));
    let taken = Update { prerequisites: vec![Prerequisite::NameNotInUse(name("a.forward.example"))], ..one };
    assert_eq!(bind.send(Some(&good), &taken), Outcome::Answer(Rcode::YX_DOMAIN));
}

#[test]
fn a_long_update_goes_over_tcp() {
    let bind = Bind::start();
    // Beyond 1,232 octets; BIND takes at most 100 records of one type and name.
    let changes = (1..=95).map(|n| add("many.forward.example", n)).collect();
    let outcome = bind.send(Some(&key(KEY_NAME, KEY_SECRET)), &update("forward.example", changes));
    assert_eq!(outcome, Outcome::Answer(Rcode::NO_ERROR));
    assert_eq!(bind.dig(&["many.forward.example"]).lines().count(), 95);
}

#[test]
fn many_updates_at_once_each_get_their_own_answer() {
    let bind = Bind::start();
    let client = Arc::new(client());
    let good = Arc::new(key(KEY_NAME, KEY_SECRET));
    let address = bind.address;
    bind.beside(async || {
        let mut sent = tokio::task::JoinSet::new();
        for n in 0..64_u8 {
            let (client, good) = (Arc::clone(&client), Arc::clone(&good));
            // Every second one must fail: its name is in use.
            let owner = format!("pc{}.forward.example", n / 2);
            let prerequisites = vec![Prerequisite::NameNotInUse(name(&owner))];
            let update = Update { prerequisites, ..update("forward.example", vec![add(&owner, n)]) };
            sent.spawn(async move { client.send(address, Some(&good), &update).await });
        }
        let outcomes = sent.join_all().await;
        let done = outcomes.iter().filter(|outcome| **outcome == Outcome::Answer(Rcode::NO_ERROR)).count();
        let taken = outcomes.iter().filter(|outcome| **outcome == Outcome::Answer(Rcode::YX_DOMAIN)).count();
        assert_eq!((done, taken), (32, 32));
    });
}

#[test]
fn discovery_finds_the_zone_cut_of_a_name() {
    let bind = Bind::start();
    for (asked, apex) in [
        ("forward.example", "forward.example"),
        ("deep.down.forward.example", "forward.example"),
        ("7.30.168.10.in-addr.arpa", "10.in-addr.arpa"),
    ] {
        let cut = bind.beside(async || zone_cut(bind.address, &name(asked)).await).unwrap();
        assert_eq!((cut.apex, cut.primary, cut.serial), (name(apex), name("ns.tests.example"), 7), "{asked}");
        assert!(cut.authoritative);
    }
    let nowhere = bind.beside(async || zone_cut(bind.address, &name("elsewhere.example")).await).unwrap_err();
    assert!(matches!(nowhere, DiscoverError::NoZone { rcode: Rcode::REFUSED, .. }), "{nowhere}");
}

#[test]
fn preflight_tells_what_is_wrong_in_words() {
    let bind = Bind::start();
    let good = key(KEY_NAME, KEY_SECRET);
    let ask = |key: &TsigKey, zone: &str| {
        let apex = name(zone);
        let auth = Auth::Tsig(Arc::new(key.clone()));
        let result = bind.beside(async || preflight(&client(), bind.address, &auth, &apex).await);
        let report = PreflightReport { server: bind.address, auth: &auth, apex: &apex, result: &result };
        let words = report.to_string();
        (result, words)
    };
    assert_eq!(ask(&good, "forward.example").0, Preflight::Ready);
    let (by_name, words) = ask(&good, "policy.example");
    assert!(by_name.is_ready(), "{words}");
    let (closed, words) = ask(&good, "closed.example");
    assert!(closed == Preflight::Denied && words.contains("allow updates"), "{words}");
    let (part, words) = ask(&good, "lab.forward.example");
    assert!(matches!(part, Preflight::OtherCut(_)) && words.contains("part of the zone forward.example."), "{words}");
    let (nowhere, words) = ask(&good, "elsewhere.example");
    assert!(matches!(nowhere, Preflight::NotServed(_)) && words.contains("REFUSED"), "{words}");
    let (unknown, words) = ask(&key("nobodys-key", KEY_SECRET), "forward.example");
    assert!(!unknown.is_ready() && words.contains("BADKEY") && words.contains("nobodys-key"), "{words}");
    let (wrong, words) = ask(&key(KEY_NAME, OTHER_SECRET), "forward.example");
    assert!(!wrong.is_ready() && words.contains("BADSIG") && words.contains("secret"), "{words}");
}

/// A server of the test's own: answers each datagram as `answer` says, and tells all that it got.
fn stand_in(
    datagrams: usize,
    mut answer: impl FnMut(usize, &[u8]) -> Option<Vec<u8>> + Send + 'static,
) -> (SocketAddr, JoinHandle<Vec<Vec<u8>>>) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let address = socket.local_addr().unwrap();
    let thread = std::thread::spawn(move || {
        let mut got = Vec::new();
        let mut octets = [0; 2_048];
        while got.len() < datagrams {
            let (length, from) = socket.recv_from(&mut octets).unwrap();
            if let Some(back) = answer(got.len(), &octets[..length]) {
                socket.send_to(&back, from).unwrap();
            }
            got.push(octets[..length].to_vec());
        }
        got
    });
    (address, thread)
}

/// The header of an answer to `request` with this code and nothing else.
fn bare_answer(request: &[u8], code: u8) -> Vec<u8> {
    let mut answer = vec![request[0], request[1], 0x80 | (5 << 3), code];
    answer.extend_from_slice(&[0; 8]);
    answer
}

#[test]
fn a_lost_datagram_is_sent_again_the_same_signed_message() {
    let (server, thread) = stand_in(3, |at, request| (at == 2).then(|| bare_answer(request, 0)));
    let client = UpdateClient::new(Arc::new(wall_secs), quick());
    let one = update("forward.example", vec![add("a.forward.example", 1)]);
    assert_eq!(wait(client.send(server, None, &one)), Outcome::Answer(Rcode::NO_ERROR));
    let got = thread.join().unwrap();
    assert!(got.iter().all(|message| *message == got[0]));

    let (server, thread) = stand_in(3, |_, _| None);
    let ticking = Arc::new(AtomicU64::new(wall_secs()));
    let clock: WallClock = Arc::new(move || ticking.fetch_add(1, Ordering::Relaxed));
    let client = UpdateClient::new(clock, quick());
    let good = key(KEY_NAME, KEY_SECRET);
    assert_eq!(wait(client.send(server, Some(&good), &one)), Outcome::Timeout);
    let got = thread.join().unwrap();
    assert!(got.iter().all(|message| *message == got[0]), "signed once, sent three times");
}

#[test]
fn rfc8945_5_4_an_unsigned_answer_to_a_signed_request_is_not_believed() {
    // Asked once more, in case that a stranger was faster than the server; and not a third time.
    let (server, thread) = stand_in(2, |_, request| Some(bare_answer(request, 0)));
    let client = UpdateClient::new(Arc::new(wall_secs), quick());
    let one = update("forward.example", vec![add("a.forward.example", 1)]);
    let good = key(KEY_NAME, KEY_SECRET);
    assert_eq!(wait(client.send(server, Some(&good), &one)), Outcome::BadAnswer);
    thread.join().unwrap();
}

/// Whoever forges an answer and is faster than the server gains nothing: the signed one is waited for.
#[test]
fn rfc8945_5_4_a_signed_answer_counts_though_an_unsigned_one_came_first() {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let server = socket.local_addr().unwrap();
    let thread = std::thread::spawn(move || {
        let mut octets = [0; 2_048];
        let (length, from) = socket.recv_from(&mut octets).unwrap();
        let raw = &octets[..length];
        socket.send_to(&bare_answer(raw, 0), from).unwrap();
        let (keys, now) = ([key(KEY_NAME, KEY_SECRET)], wall_secs());
        let request = Message::from_vec(raw).unwrap();
        let verified = verify_request(raw, request.signature().unwrap(), &keys, now);
        let mut signer = verified.unwrap_or_else(|_| panic!("the client signed with our key")).signer;
        let mut answer = Message::error_msg(request.id, OpCode::Update, ResponseCode::YXDomain);
        let signature = signer.sign(&answer.to_vec().unwrap(), now).unwrap();
        answer.set_signature(signature);
        socket.send_to(&answer.to_vec().unwrap(), from).unwrap();
    });
    let one = update("forward.example", vec![add("a.forward.example", 1)]);
    let good = key(KEY_NAME, KEY_SECRET);
    assert_eq!(wait(client().send(server, Some(&good), &one)), Outcome::Answer(Rcode::YX_DOMAIN));
    thread.join().unwrap();
}

#[test]
fn answers_to_something_else_are_passed_over() {
    let (server, thread) = stand_in(3, |_, request| {
        let mut answer = bare_answer(request, 0);
        answer[0] ^= 1;
        Some(answer)
    });
    let client = UpdateClient::new(Arc::new(wall_secs), quick());
    let one = update("forward.example", vec![add("a.forward.example", 1)]);
    assert_eq!(wait(client.send(server, None, &one)), Outcome::Timeout);
    thread.join().unwrap();
    // A QUERY's answer with our ID, and bytes that are nothing.
    for octets in [vec![0x80, 0], vec![0xff; 40], vec![]] {
        let (server, thread) = stand_in(3, move |_, request| Some([&request[..2], &octets].concat()));
        assert_eq!(wait(client.send(server, None, &one)), Outcome::Timeout);
        thread.join().unwrap();
    }
}

#[test]
fn a_truncated_answer_is_asked_again_over_tcp() {
    // One port for both: UDP takes what TCP got.
    let (listener, socket) = wait_for("a port free for UDP and TCP", PATIENCE, || {
        let listener = TcpListener::bind("127.0.0.1:0").ok()?;
        let socket = UdpSocket::bind(listener.local_addr().ok()?).ok()?;
        Some((listener, socket))
    });
    let server = listener.local_addr().unwrap();
    let thread = std::thread::spawn(move || {
        let mut octets = [0; 2_048];
        let (length, from) = socket.recv_from(&mut octets).unwrap();
        let mut answer = bare_answer(&octets[..length], 0);
        answer[2] |= 2;
        socket.send_to(&answer, from).unwrap();
        let (mut stream, _) = listener.accept().unwrap();
        let mut prefix = [0; 2];
        stream.read_exact(&mut prefix).unwrap();
        let mut request = vec![0; usize::from(u16::from_be_bytes(prefix))];
        stream.read_exact(&mut request).unwrap();
        assert_eq!(request, octets[..length]);
        let answer = bare_answer(&request, 6);
        stream.write_all(&(answer.len() as u16).to_be_bytes()).unwrap();
        stream.write_all(&answer).unwrap();
    });
    let client = UpdateClient::new(Arc::new(wall_secs), quick());
    let one = update("forward.example", vec![add("a.forward.example", 1)]);
    assert_eq!(wait(client.send(server, None, &one)), Outcome::Answer(Rcode::YX_DOMAIN));
    thread.join().unwrap();
}

#[test]
fn a_server_that_is_not_there_is_a_timeout() {
    let server = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let client = UpdateClient::new(Arc::new(wall_secs), quick());
    let one = update("forward.example", vec![add("a.forward.example", 1)]);
    assert_eq!(wait(client.send(server, None, &one)), Outcome::Timeout);
    let many = (1..=200).map(|n| add("a.forward.example", n)).collect();
    assert_eq!(wait(client.send(server, None, &update("forward.example", many))), Outcome::Timeout);
}
