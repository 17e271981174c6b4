//! The DNS server on real sockets, asked with `dig` and changed with `nsupdate`, over a writer that stores nothing.
//!
//! Needs `dig` and `nsupdate`; loopback and free ports suffice but for the tests that ask from another host, which
//! need root and network namespaces.

use std::collections::HashMap;
use std::io::{Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use dns::wire::{AnswerError, sign_request, update_to_message};
use dns::{Change, Fqdn, Prerequisite, Rcode, Rdata, RecordType, Rrset, TsigAlgorithm, TsigKey, Update};
use leasehold::dns_server::{
    DnsServer, DnsServerHandle, DnsServerSettings, Protection, TransferAccess, TransferSettings, UpdateRequest,
    UpdateRights, zone_writer,
};
use tokio::sync::mpsc::Receiver;
use zones::{AllowAll, Askers, NewZone, Outcome, UpdatePolicy, Zone, ZoneAuthority, ZoneSet};

use crate::dig::{KEY_NAME, KEY_SECRET};
use crate::netns::Lab;
use crate::process::{finish, wait_for};

pub(crate) const LOOPBACK: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

pub(crate) fn name(text: &str) -> Fqdn {
    text.parse().unwrap()
}

fn key() -> TsigKey {
    TsigKey::from_base64(name(KEY_NAME), TsigAlgorithm::HmacSha256, KEY_SECRET).unwrap()
}

pub(crate) fn address(last: u8) -> Rdata {
    Rdata::a(Ipv4Addr::new(192, 168, 30, last))
}

pub(crate) fn zone(apex: &str, sets: Vec<Rrset>) -> Zone {
    let mut all = NewZone::new(name(apex), name("ns").concat(&name(apex)).unwrap(), vec![LOOPBACK.ip()]).rrsets();
    all.extend(sets);
    Zone::from_sets(name(apex), all).unwrap()
}

fn home() -> ZoneSet {
    let one = |owner: &str, rtype, rdata| Rrset::single(name(owner), rtype, 300, rdata);
    let many = (0..=255).map(address).collect();
    let mut zones = ZoneSet::new();
    zones.insert(zone(
        "nasir.xyz",
        vec![
            one("client1.nasir.xyz", RecordType::A, address(100)),
            one("www.nasir.xyz", RecordType::CNAME, Rdata::cname(&name("host.upstream.example"))),
            Rrset::new(name("many.nasir.xyz"), RecordType::A, 300, many).unwrap(),
        ],
    ));
    zones.insert(zone(
        "30.168.192.in-addr.arpa",
        vec![one("100.30.168.192.in-addr.arpa", RecordType::PTR, Rdata::ptr(&name("client1.nasir.xyz")))],
    ));
    zones
}

/// A writer as the daemon's, but with nothing to store to.
async fn write(mut requests: Receiver<UpdateRequest>, snapshot: Arc<ArcSwap<ZoneSet>>) {
    let mut authority = ZoneAuthority::new(ZoneSet::clone(&snapshot.load()));
    while let Some(request) = requests.recv().await {
        let decision = authority.apply(&request.update, &AllowAll);
        if let Some(ticket) = decision.after {
            assert_eq!(authority.settle(ticket, Outcome::Committed).published, [ticket]);
            snapshot.store(Arc::new(authority.committed().clone()));
        }
        let _ = request.answer.send(decision.rcode);
    }
}

pub(crate) struct Server {
    runtime: tokio::runtime::Runtime,
    pub(crate) handle: Option<DnsServerHandle>,
    pub(crate) address: SocketAddr,
}

#[derive(Default)]
pub(crate) struct Options {
    pub(crate) listen: Option<SocketAddr>,
    pub(crate) zones: Option<ZoneSet>,
    pub(crate) forward_for: Vec<&'static str>,
    pub(crate) upstreams: Vec<SocketAddr>,
    pub(crate) forwarding: leasehold::dns_server::forward::Forwarding,
    pub(crate) protection: Protection,
    /// Who may transfer every zone without a key.
    pub(crate) transfer_for: Vec<&'static str>,
    pub(crate) encrypted: Option<leasehold::dns_server::Encrypted>,
    /// Nobody takes updates off the queue.
    pub(crate) stuck: bool,
}

impl Server {
    pub(crate) fn start(options: Options) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let zones = options.zones.unwrap_or_else(home);
        let policy = UpdatePolicy { keys: vec![name(KEY_NAME)], ..UpdatePolicy::default() };
        let right = Arc::new(UpdateRights { policy, ..UpdateRights::default() });
        let rights = zones.zones().iter().map(|zone| (zone.apex().clone(), Arc::clone(&right))).collect();
        let addresses: Vec<_> = options.transfer_for.iter().map(|prefix| prefix.parse().unwrap()).collect();
        let access = zones.zones().into_iter().map(|zone| {
            // The key is that of the forward zone alone.
            let keys = if *zone.apex() == name("nasir.xyz") { vec![name(KEY_NAME)] } else { Vec::new() };
            (zone.apex().clone(), TransferAccess { keys, addresses: addresses.clone() })
        });
        let access = access.collect();
        let snapshot = Arc::new(ArcSwap::from_pointee(zones));
        let (writer, requests) = zone_writer(1024);
        let settings = DnsServerSettings {
            listen: vec![options.listen.unwrap_or(LOOPBACK)],
            snapshot: Arc::clone(&snapshot),
            writer,
            keys: vec![Arc::new(key())],
            transfers: TransferSettings { access, ..TransferSettings::default() },
            rights,
            copies: HashMap::new(),
            notices: Arc::default(),
            gss_keytab: None,
            forward_not_for: Askers::default(),
            forward_for: options.forward_for.iter().map(|prefix| prefix.parse().unwrap()).collect(),
            upstreams: options.upstreams.into_iter().map(resolve::Upstream::from).collect(),
            forwarding: options.forwarding,
            protection: options.protection,
            encrypted: options.encrypted,
        };
        let guard = runtime.enter();
        if options.stuck {
            drop(requests);
        } else {
            runtime.spawn(write(requests, snapshot));
        }
        let handle = DnsServer::start(settings).unwrap();
        drop(guard);
        Self { address: handle.local_addrs()[0], handle: Some(handle), runtime }
    }

    pub(crate) fn dig(&self, words: &[&str]) -> String {
        let mut command = Command::new("dig");
        command.arg(format!("@{}", self.address.ip())).args(["-p", &self.address.port().to_string()]);
        command.args(["+tries=1", "+time=8", "+nocookie"]).args(words);
        String::from_utf8_lossy(&finish(&mut command).stdout).into_owned()
    }

    pub(crate) fn short(&self, words: &[&str]) -> Vec<String> {
        self.dig(&[&["+short"], words].concat()).lines().map(str::to_owned).collect()
    }

    /// Runs `nsupdate` on these lines; what it says when the server refuses.
    fn nsupdate(&self, arguments: &[&str], lines: &str) -> String {
        let mut child = Command::new("nsupdate")
            .args(["-t", "5"])
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let script = format!("server {} {}\n{lines}\nsend\n", self.address.ip(), self.address.port());
        child.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
    }

    fn signed(&self, lines: &str) -> String {
        self.nsupdate(&["-y", &format!("hmac-sha256:{KEY_NAME}:{KEY_SECRET}")], lines)
    }

    pub(crate) fn stop(mut self) {
        let handle = self.handle.take().unwrap();
        self.runtime.block_on(handle.shutdown());
    }
}

pub(crate) fn status(printed: &str) -> &str {
    printed.split_once("status: ").map_or("none", |(_, rest)| rest.split(',').next().unwrap())
}

pub(crate) fn flags(printed: &str) -> &str {
    printed.split_once("flags: ").map_or("none", |(_, rest)| rest.split(';').next().unwrap())
}

/// How many octets the answer had.
pub(crate) fn size(printed: &str) -> usize {
    printed.split_once("rcvd: ").unwrap().1.split_whitespace().next().unwrap().parse().unwrap()
}

#[test]
fn names_and_addresses_are_answered_over_udp_and_tcp() {
    let server = Server::start(Options::default());
    for protocol in ["+notcp", "+tcp"] {
        assert_eq!(server.short(&[protocol, "client1.nasir.xyz"]), ["192.168.30.100"]);
        assert_eq!(server.short(&[protocol, "-x", "192.168.30.100"]), ["client1.nasir.xyz."]);
        let missing = server.dig(&[protocol, "missing.nasir.xyz"]);
        assert_eq!(status(&missing), "NXDOMAIN");
        assert!(missing.contains("nasir.xyz.\t\t60\tIN\tSOA"), "{missing}");
        let no_data = server.dig(&[protocol, "client1.nasir.xyz", "AAAA"]);
        assert_eq!((status(&no_data), flags(&no_data)), ("NOERROR", "qr aa rd"));
    }
    server.stop();
}

#[test]
fn nsupdate_adds_and_deletes_with_a_key() {
    let server = Server::start(Options::default());
    assert_eq!(server.signed("update add printer.nasir.xyz 60 A 192.168.30.9"), "");
    assert_eq!(server.short(&["printer.nasir.xyz"]), ["192.168.30.9"]);
    assert_eq!(server.short(&["nasir.xyz", "SOA"])[0].split(' ').nth(2), Some("2"));
    let again = server.signed("prereq nxdomain printer.nasir.xyz\nupdate add printer.nasir.xyz 60 A 192.168.30.10");
    assert!(again.contains("YXDOMAIN"), "{again}");
    assert_eq!(server.signed("update delete printer.nasir.xyz"), "");
    assert_eq!(status(&server.dig(&["printer.nasir.xyz"])), "NXDOMAIN");
    // Deleting the whole apex leaves SOA and NS.
    assert_eq!(server.signed("zone nasir.xyz\nupdate delete nasir.xyz"), "");
    assert_eq!(server.short(&["nasir.xyz", "NS"]), ["ns.nasir.xyz."]);
    let outside = server.signed("zone nasir.xyz\nupdate add host.other. 60 A 192.168.30.9");
    assert!(outside.contains("NOTZONE"), "{outside}");
    let not_ours = server.signed("zone other.\nupdate add host.other. 60 A 192.168.30.9");
    assert!(not_ours.contains("NOTAUTH"), "{not_ours}");
    server.stop();
}

#[test]
fn updates_without_a_good_signature_are_refused_each_in_its_words() {
    let server = Server::start(Options::default());
    let add = "zone nasir.xyz\nupdate add printer.nasir.xyz 60 A 192.168.30.9";
    let unsigned = server.nsupdate(&[], add);
    assert!(unsigned.contains("REFUSED"), "{unsigned}");
    let wrong_secret = server.nsupdate(&["-y", &format!("hmac-sha256:{KEY_NAME}:d3Jvbmc=")], add);
    assert!(wrong_secret.contains("BADSIG"), "{wrong_secret}");
    let wrong_key = server.nsupdate(&["-y", &format!("hmac-sha256:other:{KEY_SECRET}")], add);
    assert!(wrong_key.contains("BADKEY"), "{wrong_key}");
    assert_eq!(status(&server.dig(&["printer.nasir.xyz"])), "NXDOMAIN");
    server.stop();
}

fn now() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs()
}

/// One signed update over UDP, as the daemon's own updater sends it to a remote server.
fn send(server: SocketAddr, update: &Update, id: u16, signed_at: u64) -> Result<Rcode, AnswerError> {
    let (octets, pending) = sign_request(update_to_message(update, id).unwrap(), Some(&key()), signed_at).unwrap();
    let socket = UdpSocket::bind(LOOPBACK).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    socket.send_to(&octets, server).unwrap();
    let mut answer = [0; 2048];
    let length = socket.recv(&mut answer).unwrap();
    pending.read_rcode(&answer[..length], now())
}

fn claim(owner: &str, last: u8) -> Update {
    Update {
        zone: name("nasir.xyz"),
        prerequisites: vec![Prerequisite::NameNotInUse(name(owner))],
        changes: vec![Change::Add { name: name(owner), rtype: RecordType::A, ttl: 60, rdata: address(last) }],
    }
}

#[test]
fn a_wrong_clock_is_answered_with_badtime_and_ours() {
    let server = Server::start(Options::default());
    let answer = send(server.address, &claim("late.nasir.xyz", 1), 7, now() - 1000);
    let Err(AnswerError::Refused { error: Rcode::BAD_TIME, server_time: Some(clock) }) = answer else {
        panic!("{answer:?}")
    };
    assert!(clock.abs_diff(now()) < 10);
    assert_eq!(send(server.address, &claim("late.nasir.xyz", 1), 8, now()), Ok(Rcode::NO_ERROR));
    server.stop();
}

#[test]
fn eight_clients_claiming_each_of_300_names_at_once_have_one_winner_each() {
    let server = Server::start(Options::default());
    let (address, names) = (server.address, 300);
    let barrier = std::sync::Barrier::new(8);
    let winners: Vec<Vec<u16>> = std::thread::scope(|scope| {
        let clients: Vec<_> = (1..=8)
            .map(|client| {
                let barrier = &barrier;
                scope.spawn(move || {
                    barrier.wait();
                    let won = (0..names).filter(|number| {
                        match send(address, &claim(&format!("host{number}.nasir.xyz"), client), *number, now()) {
                            Ok(Rcode::NO_ERROR) => true,
                            Ok(Rcode::YX_DOMAIN) => false,
                            other => panic!("{other:?}"),
                        }
                    });
                    won.collect()
                })
            })
            .collect();
        clients.into_iter().map(|client| client.join().unwrap()).collect()
    });
    for number in 0..names {
        let of_name: Vec<usize> = (0..8).filter(|client| winners[*client].contains(&number)).collect();
        let [winner] = of_name[..] else { panic!("host{number} was won by {of_name:?}") };
        let expected = format!("192.168.30.{}", winner + 1);
        if number % 50 == 0 {
            assert_eq!(server.short(&[&format!("host{number}.nasir.xyz")]), [expected]);
        }
    }
    assert_eq!(server.short(&["nasir.xyz", "SOA"])[0].split(' ').nth(2), Some("301"));
    server.stop();
}

#[test]
fn updates_that_nobody_takes_are_answered_with_servfail() {
    let server = Server::start(Options { stuck: true, ..Options::default() });
    assert_eq!(send(server.address, &claim("a.nasir.xyz", 1), 1, now()), Ok(Rcode::SERV_FAIL));
    server.stop();
}

#[test]
fn a_zone_is_transferred_in_many_messages_signed_or_to_a_listed_address() {
    let mut zones = ZoneSet::new();
    let host = |number: u32| {
        let owner = name(&format!("host{number}.nasir.xyz"));
        Rrset::single(owner, RecordType::TXT, 60, Rdata::txt(&["some text to make it longer"]))
    };
    zones.insert(zone("nasir.xyz", (0..3000).map(host).collect()));
    let transfer_for = vec!["127.0.0.0/8"];
    let server = Server::start(Options { zones: Some(zones), transfer_for, ..Options::default() });
    let signature = format!("hmac-sha256:{KEY_NAME}:{KEY_SECRET}");
    for words in [&["nasir.xyz", "AXFR"][..], &["-y", &signature, "nasir.xyz", "AXFR"], &["nasir.xyz", "IXFR=0"]] {
        let printed = server.dig(words);
        assert_eq!(printed.lines().filter(|line| line.contains("\tTXT\t")).count(), 3000, "{words:?}");
        assert_eq!(printed.lines().filter(|line| line.contains("\tSOA\t")).count(), 2, "{words:?}");
        assert!(!printed.contains("Couldn't verify") && !printed.contains("failed"), "{words:?}");
        let messages = printed.split_once("messages ").unwrap().1.split(',').next().unwrap();
        assert!(messages.parse::<u32>().unwrap() > 5, "{messages}");
    }
    // Who has the serial already gets the SOA alone.
    assert_eq!(server.short(&["+tcp", "nasir.xyz", "IXFR=1"]).len(), 1);
    assert_eq!(server.short(&["+notcp", "+ignore", "nasir.xyz", "IXFR=0"]).len(), 1);
    assert!(server.dig(&["other", "AXFR"]).contains("Transfer failed"));
    server.stop();
}

/// Other users of this machine are who is at a loopback address.
#[test]
fn loopback_is_given_no_zone_unless_it_is_listed() {
    let server = Server::start(Options::default());
    assert_eq!(status(&server.dig(&["client1.nasir.xyz"])), "NOERROR");
    for words in [&["nasir.xyz", "AXFR"][..], &["+tcp", "nasir.xyz", "IXFR=0"]] {
        let printed = server.dig(words);
        assert!(printed.contains("Transfer failed") && !printed.contains("client1"), "{words:?}: {printed}");
    }
    assert_eq!(server.short(&["+notcp", "+ignore", "nasir.xyz", "IXFR=0"]), [""; 0], "refused by UDP too");
    let signature = format!("hmac-sha256:{KEY_NAME}:{KEY_SECRET}");
    assert!(
        server.dig(&["-y", &signature, "nasir.xyz", "AXFR"]).contains("client1.nasir.xyz."),
        "by the key of the zone"
    );
    server.stop();
}

#[test]
fn strangers_get_our_names_and_nothing_else() {
    let lab = Lab::new();
    let (ours, stranger) = (lab.host("server"), lab.host("stranger"));
    lab.cable(&ours, "eth0", &stranger, "eth0");
    ours.ip("address add 10.0.0.1/24 dev eth0");
    stranger.ip("address add 10.0.0.2/24 dev eth0");
    let server = ours.inside(|| {
        let listen = Some("10.0.0.1:53".parse().unwrap());
        let upstreams = vec!["10.0.0.9:53".parse().unwrap()];
        Server::start(Options { listen, forward_for: vec!["192.168.30.0/24"], upstreams, ..Options::default() })
    });
    let ask = |words: &[&str]| {
        let mut command = stranger.tool("dig");
        let output = finish(command.args(["@10.0.0.1", "+tries=1", "+time=3", "+nocookie"]).args(words));
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    assert_eq!(status(&ask(&["client1.nasir.xyz"])), "NOERROR");
    let elsewhere = ask(&["www.elsewhere.test"]);
    assert_eq!((status(&elsewhere), flags(&elsewhere)), ("REFUSED", "qr rd"));
    // A chain of ours that leads elsewhere ends where our zones end.
    let chain = ask(&["www.nasir.xyz"]);
    assert!(chain.contains("CNAME\thost.upstream.example.") && flags(&chain) == "qr aa rd", "{chain}");
    assert!(ask(&["nasir.xyz", "AXFR"]).contains("Transfer failed"));
    let signature = format!("hmac-sha256:{KEY_NAME}:{KEY_SECRET}");
    assert!(ask(&["-y", &signature, "nasir.xyz", "AXFR"]).contains("client1.nasir.xyz."));
    // It is no key of the other zone.
    assert!(ask(&["-y", &signature, "30.168.192.in-addr.arpa", "AXFR"]).contains("Transfer failed"));
    server.stop();
}

#[test]
fn large_answers_are_truncated_to_what_the_asker_takes() {
    let server = Server::start(Options::default());
    let plain = server.dig(&["+noedns", "+ignore", "many.nasir.xyz"]);
    assert!(flags(&plain).contains("tc"), "{plain}");
    assert!(size(&plain) <= 512);
    let edns = server.dig(&["+bufsize=4096", "+ignore", "many.nasir.xyz"]);
    assert!(flags(&edns).contains("tc") && size(&edns) <= 1232 && edns.contains("ANSWER: 0"), "{edns}");
    let signature = format!("hmac-sha256:{KEY_NAME}:{KEY_SECRET}");
    let signed = server.dig(&["+noedns", "+ignore", "-y", &signature, "many.nasir.xyz"]);
    assert!(flags(&signed).contains("tc") && size(&signed) <= 512 && !signed.contains("verify"), "{signed}");
    // dig asks again over TCP.
    assert_eq!(server.short(&["many.nasir.xyz"]).len(), 256);
    server.stop();
}

#[test]
fn what_is_not_served_is_refused_by_the_right_code() {
    let server = Server::start(Options::default());
    assert_eq!(status(&server.dig(&["+edns=1", "+noednsneg", "client1.nasir.xyz"])), "BADVERS");
    assert_eq!(status(&server.dig(&["+opcode=notify", "nasir.xyz", "SOA"])), "NOTAUTH");
    assert_eq!(status(&server.dig(&["version.bind", "TXT", "CH"])), "REFUSED");
    assert_eq!(status(&server.dig(&["nasir.xyz", "TYPE254"])), "NOTIMP");
    let mut stream = TcpStream::connect(server.address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    // A header that promises a question, and none.
    stream.write_all(b"\x00\x0c\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00").unwrap();
    let mut answer = [0; 14];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!((&answer[2..4], answer[5] & 0x0f), (&b"\x12\x34"[..], 1));
    server.stop();
}

/// One host that keeps connections open takes its own share of the places, and nobody else's.
#[test]
fn rfc7766_6_2_2_idle_connections_are_bounded_for_each_asker() {
    let server = Server::start(Options { listen: Some("0.0.0.0:0".parse().unwrap()), ..Options::default() });
    let address = SocketAddr::new(LOOPBACK.ip(), server.address.port());
    let server = Server { address, ..server };
    let mut idle: Vec<TcpStream> = (0..300).map(|_| TcpStream::connect(address).unwrap()).collect();
    assert_eq!(server.short(&["+notcp", "client1.nasir.xyz"]), ["192.168.30.100"]);
    assert_eq!(server.short(&["-b", "127.0.0.2", "+tcp", "client1.nasir.xyz"]), ["192.168.30.100"]);
    let refused = server.dig(&["+tcp", "client1.nasir.xyz"]);
    assert_eq!(status(&refused), "none", "{refused}");
    // As soon as some are given back, the host is served again.
    idle.drain(..10);
    wait_for("a place is free", Duration::from_secs(5), || {
        (server.short(&["+tcp", "client1.nasir.xyz"]) == ["192.168.30.100"]).then_some(())
    });
    server.stop();
}

#[test]
fn an_address_that_comes_later_is_served_too() {
    let mut server = Server::start(Options::default());
    let later = {
        let _guard = server.runtime.enter();
        server.handle.as_mut().unwrap().listen("127.0.0.2:0".parse().unwrap()).unwrap()
    };
    assert_eq!(server.handle.as_ref().unwrap().local_addrs(), [server.address, later]);
    server.address = later;
    for protocol in ["+notcp", "+tcp"] {
        assert_eq!(server.short(&[protocol, "client1.nasir.xyz"]), ["192.168.30.100"]);
    }
    server.stop();
}

#[test]
fn stopping_gives_the_port_back() {
    let first = Server::start(Options::default());
    let listen = Some(first.address);
    let mut open = TcpStream::connect(first.address).unwrap();
    first.stop();
    let mut rest = Vec::new();
    let _ = open.read_to_end(&mut rest);
    let second = wait_for("the port is free", Duration::from_secs(5), || {
        Some(Server::start(Options { listen, ..Options::default() }))
    });
    assert_eq!(second.short(&["client1.nasir.xyz"]), ["192.168.30.100"]);
    second.stop();
}
