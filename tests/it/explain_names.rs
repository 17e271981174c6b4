//! `leasehold explain NAME|ADDRESS|MAC`: the whole daemon is asked why names are what they are, and why they are not.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use dhcp::client::ClientMessage;
use dhcp::identity::HardwareAddress;
use dhcp::message::MessageType;
use dhcp::options::code;
use serde_json::Value;

use crate::dig::{KEY_NAME, KEY_SECRET};
use crate::field::{self, DNS, LEASE_SECS, RELAY, SERVER, ZONES};
use crate::leasehold::{CONTROL, Leasehold};
use crate::netns::{Host, Lab};
use crate::packet::{self, Heard};
use crate::process::{finish, wait_for};
use crate::servers::{DnsServer, Kind};
use crate::upkeep::dhcid_of_hardware;

const PATIENCE: Duration = Duration::from_secs(20);

/// Clients behind a relay, each known by one number.
pub(crate) struct Clients {
    socket: UdpSocket,
    xid: u32,
}

pub(crate) fn hardware(client: u8) -> HardwareAddress {
    HardwareAddress::new(1, &[2, 0, 0, 0, 0, client]).unwrap()
}

fn option_81(flags: u8, name: &str) -> (u8, Box<[u8]>) {
    let mut data = vec![flags, 0, 0];
    for label in name.split('.').filter(|label| !label.is_empty()) {
        data.push(u8::try_from(label.len()).unwrap());
        data.extend_from_slice(label.as_bytes());
    }
    data.push(0);
    (code::CLIENT_FQDN, data.into())
}

pub(crate) fn option_12(name: &str) -> (u8, Box<[u8]>) {
    (code::HOST_NAME, name.as_bytes().into())
}

impl Clients {
    pub(crate) fn behind(relay: &Host) -> Self {
        let socket = relay.inside(|| UdpSocket::bind((RELAY, 67)).unwrap());
        socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        Self { socket, xid: 1 }
    }

    fn send(&mut self, kind: MessageType, client: u8, options: Vec<(u8, Box<[u8]>)>, ciaddr: Option<Ipv4Addr>) {
        self.xid += 1;
        let message = ClientMessage {
            giaddr: RELAY,
            ciaddr: ciaddr.unwrap_or(Ipv4Addr::UNSPECIFIED),
            options,
            ..ClientMessage::new(kind, self.xid, hardware(client))
        };
        let mut octets = Vec::new();
        message.encode(&mut octets);
        self.socket.send_to(&octets, (SERVER, 67)).unwrap();
    }

    fn heard(&self) -> Heard {
        let mut octets = [0; 1_500];
        loop {
            let (length, _) = self.socket.recv_from(&mut octets).expect("an answer");
            if let Some(heard) = Heard::decode(&octets[..length]).filter(|heard| heard.xid == self.xid) {
                return heard;
            }
        }
    }

    /// Takes a lease, saying these options; returns the address.
    pub(crate) fn take(&mut self, client: u8, said: &[(u8, Box<[u8]>)]) -> Ipv4Addr {
        self.send(MessageType::Discover, client, said.to_vec(), None);
        let offer = self.heard();
        let own = [
            (code::REQUESTED_IP_ADDRESS, Box::from(offer.yiaddr.octets())),
            (code::SERVER_IDENTIFIER, Box::from(offer.server.octets())),
        ];
        self.send(MessageType::Request, client, said.iter().cloned().chain(own).collect(), None);
        let heard = self.heard();
        assert_eq!(heard.kind, packet::ACK);
        heard.yiaddr
    }

    fn release(&mut self, client: u8, address: Ipv4Addr) {
        let server = (code::SERVER_IDENTIFIER, Box::from(SERVER.octets()));
        self.send(MessageType::Release, client, vec![server], Some(address));
    }
}

fn told(leasehold: &Leasehold<'_>, asked: &str, more: &[&str]) -> String {
    let mut command = leasehold.command(&["explain", asked, "--socket", CONTROL]);
    let output = finish(command.args(more));
    assert!(output.status.success(), "{asked}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Waits until the story of `asked` has all these words; columns are aligned with spaces, which do not count.
fn wait_told(leasehold: &Leasehold<'_>, asked: &str, words: &[&str]) -> String {
    let mut last = String::new();
    let found = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        wait_for(asked, PATIENCE, || {
            last = told(leasehold, asked, &[]).split_whitespace().collect::<Vec<_>>().join(" ");
            words.iter().all(|word| last.contains(word)).then_some(())
        });
    }));
    let missing: Vec<&&str> = words.iter().filter(|word| !last.contains(**word)).collect();
    assert!(found.is_ok(), "of {asked} there is no {missing:?} in:\n{}", told(leasehold, asked, &[]));
    last
}

const RULES: &str =
    "\n[[subnet.reservation]]\naddress = \"10.77.251.7\"\nhardware = \"02:00:00:00:00:07\"\nhostname = \"printer\"\n";

fn embedded() -> String {
    field::config(false).replace("[ddns]\n", "[ddns]\nprotected = [\"boss.nasir.xyz\"]\n") + RULES
}

#[test]
fn users_nobody_can_tell_why_a_name_was_not_published() {
    let lab = Lab::new();
    let (server, relay) = field::hosts(&lab);
    let leasehold = Leasehold::start(&server, &embedded());
    let mut clients = Clients::behind(&relay);

    let first = clients.take(1, &[option_12("My_PC")]);
    wait_told(
        &leasehold,
        "my-pc.nasir.xyz",
        &[
            &format!("my-pc.nasir.xyz. is published: DNS holds A {first}"),
            &format!("LEASE {first} in 10.77.0.0/16, bound until 20"),
            "of 02:00:00:00:00:01",
            "SENT host name (option 12) \"My_PC\"",
            "CLEANED \"My_PC\" of option 12 became \"my-pc\"",
            "STEPS option 12 has \"My_PC\", cleaned to \"my-pc\" my-pc.nasir.xyz. lies in the zone nasir.xyz.",
            "asked now: DNS holds it as it should",
            "NAME my-pc.nasir.xyz.: the name is the host name that the client sent (option 12)",
            "RULES domain nasir.xyz., client_updates override, conflict_check check-with-dhcid conflict refuse",
            "TTL after RFC 4702: ten minutes, or a third of the lease when that is less; after expiry removed at once",
            &format!(
                "RECORDS my-pc.nasir.xyz.: A {first} with a TTL of 600 s is wanted; done zone nasir.xyz. of this server itself"
            ),
            "check-with-dhcid: the name must be free, or its DHCID this host's (RFC 4703 sections 5.3.1 and 5.3.2); it was so",
            &format!("POINTER {first}: PTR my-pc.nasir.xyz."),
            "last answer 20",
        ],
    );
    // A label alone is looked for in every domain, and the address and the hardware address lead to the same.
    for asked in ["my-pc", "MY-PC.nasir.xyz.", &first.to_string(), "02:00:00:00:00:01", "02-00-00-00-00-01"] {
        wait_told(
            &leasehold,
            asked,
            &["NAME my-pc.nasir.xyz.: the name is", "RECORDS my-pc.nasir.xyz.", "POINTER 10.77."],
        );
    }
    wait_told(
        &leasehold,
        &first.to_string(),
        &[&format!("{first} is leased to 02:00:00:00:00:01 as my-pc.nasir.xyz.; its PTR names my-pc.nasir.xyz.")],
    );

    let taken = clients.take(2, &[option_12("my-pc")]);
    let why = format!("my-pc.nasir.xyz. is taken: the host 02:00:00:00:00:01 at {first} has it");
    wait_told(
        &leasehold,
        &taken.to_string(),
        &[&format!("{taken} is leased to 02:00:00:00:00:02 and has no name: {why}")],
    );
    wait_told(&leasehold, "my-pc.nasir.xyz", &["is published", &format!("NAME none: {why}")]);

    clients.take(3, &[option_81(0b1100, "quiet.nasir.xyz")]);
    wait_told(
        &leasehold,
        "quiet.nasir.xyz",
        &[
            "quiet.nasir.xyz. is not published for 10.77.",
            "the client asked for no update of DNS (option 81 with N=1)",
            "SENT full name (option 81) \"quiet.nasir.xyz\", N=1 E=1 O=0 S=0",
        ],
    );

    let silent = clients.take(4, &[]);
    wait_told(
        &leasehold,
        &silent.to_string(),
        &["has no name: the client sent no name, and none is generated here", "SENT no name"],
    );

    clients.take(5, &[option_12("boss")]);
    wait_told(&leasehold, "boss.nasir.xyz", &["boss.nasir.xyz. is not published for 10.77.", "the name is protected"]);
    clients.take(6, &[option_12("printer")]);
    wait_told(&leasehold, "02:00:00:00:00:06", &["has one lease", "printer.nasir.xyz. is reserved for another host"]);

    clients.take(7, &[option_12("whatever")]);
    wait_told(
        &leasehold,
        "printer.nasir.xyz",
        &[
            "printer.nasir.xyz. is published: DNS holds A 10.77.251.7",
            "RESERVATION 10.77.251.7 in 10.77.0.0/16, with the name printer, for hardware address 02:00:00:00:00:07",
            "the name is its reservation's",
        ],
    );

    let released = clients.take(8, &[option_12("gone")]);
    clients.release(8, released);
    wait_told(
        &leasehold,
        "gone.nasir.xyz",
        &[&format!(
            "gone.nasir.xyz. is not published: the lease of {released} to 02:00:00:00:00:08 was given back by its client at 20"
        )],
    );
    wait_told(
        &leasehold,
        "02:00:00:00:00:08",
        &["has no lease now", "released since 20", "NAME none: the lease is over"],
    );

    for (asked, verdict) in [
        ("nobody.nasir.xyz", "nothing claims nobody.nasir.xyz.: no lease and no reservation has it"),
        ("pc.elsewhere.example", "pc.elsewhere.example.: no zone of the configuration holds it"),
        ("nasir.xyz", "nasir.xyz. is a zone's own name: no client can have it"),
        ("10.77.9.9", "10.77.9.9 has no lease: it is of a pool of 10.77.0.0/16"),
        ("10.77.255.9", "10.77.255.9 has no lease: it is of 10.77.0.0/16, and of no pool there"),
        ("192.0.2.1", "192.0.2.1 has no lease: no subnet of the configuration holds it"),
        ("02:00:00:00:00:99", "02:00:00:00:00:99 has no lease and had none that is remembered"),
    ] {
        wait_told(&leasehold, asked, &[verdict]);
    }
    // The same for scripts.
    let story: Value = serde_json::from_str(&told(&leasehold, "my-pc", &["--json"])).unwrap();
    assert_eq!(story["leases"][0]["policy"]["conflict_guard"], "check-with-dhcid");
    assert_eq!(story["leases"][1]["name"], Value::Null);
    assert_eq!(story["records"][0]["done"], true);
    let refused = finish(&mut leasehold.command(&["explain", "..", "--socket", CONTROL]));
    assert!(!refused.status.success());
    assert!(String::from_utf8_lossy(&refused.stderr).contains("is no name, address or hardware address"));
}

#[test]
fn explain_tells_a_number_behind_a_name_that_is_taken() {
    let lab = Lab::new();
    let (server, relay) = field::hosts(&lab);
    let config = field::config(false).replace("[ddns]\n", "[ddns]\nconflict = \"suffix\"\n");
    let leasehold = Leasehold::start(&server, &config);
    let mut clients = Clients::behind(&relay);
    let first = clients.take(1, &[option_12("esp")]);
    let second = clients.take(2, &[option_12("esp")]);
    wait_told(
        &leasehold,
        "esp-2.nasir.xyz",
        &[
            &format!("esp-2.nasir.xyz. is published: DNS holds A {second}"),
            &format!(
                "with a number behind it, as esp.nasir.xyz. is or was taken by the host 02:00:00:00:00:01 at {first}"
            ),
            "conflict suffix, kept for",
        ],
    );
    wait_told(&leasehold, "esp.nasir.xyz", &["NAME esp.nasir.xyz.: the name is", "NAME esp-2.nasir.xyz.: the name is"]);
}

#[test]
fn explain_tells_an_expired_lease_and_a_client_that_writes_its_own_record() {
    let lab = Lab::new();
    let (server, relay) = field::hosts(&lab);
    let config = field::config(false)
        .replace("[ddns]\n", "[ddns]\nclient_updates = \"allow\"\n")
        .replace(&format!("lease_time = {LEASE_SECS}"), "lease_time = 4");
    let leasehold = Leasehold::start(&server, &config);
    let mut clients = Clients::behind(&relay);
    clients.take(1, &[option_81(0b0100, "own.nasir.xyz")]);
    wait_told(
        &leasehold,
        "own.nasir.xyz",
        &[
            "own.nasir.xyz.: the client of 10.77.",
            "writes its own A record (option 81 with S=0), this server the PTR",
            "N=0 E=1 O=0 S=0",
        ],
    );
    wait_told(&leasehold, "own.nasir.xyz", &["own.nasir.xyz. is not published: the lease of 10.77.", "ran out at 20"]);
    wait_told(&leasehold, "02:00:00:00:00:01", &["expired since 20"]);
}

/// What somebody else's DNS server says: a record made by hand, no answer, and a key that it does not know.
#[test]
fn explain_tells_conflict_outage_and_wrong_key_of_a_dns_server() {
    let lab = Lab::new();
    let (server, relay) = field::hosts(&lab);
    let mut bind = DnsServer::start(Kind::Bind, &server, SocketAddr::from(DNS), &ZONES);
    bind.dig().nsupdate("update add taken.nasir.xyz. 300 A 10.9.9.9");
    let mut leasehold = Leasehold::start(&server, &field::config(true));
    let mut clients = Clients::behind(&relay);

    let taken = clients.take(1, &[option_12("taken")]);
    wait_told(
        &leasehold,
        "taken.nasir.xyz",
        &[
            &format!(
                "taken.nasir.xyz. is not in DNS yet (A {taken} is wanted): somebody else owns the name at 127.0.0.1:5300"
            ),
            "zone nasir.xyz. at 127.0.0.1:5300, signed by key leasehold-key.",
            "it was not so: the name is there (YXDOMAIN), and its DHCID is another host's, or it has none because it was made by \
         hand (NXRRSET)",
            "1 tries since the last success, next try in",
        ],
    );
    wait_told(
        &leasehold,
        &taken.to_string(),
        &["not written, because somebody else owns the name that it would point to"],
    );

    bind.kill();
    clients.take(2, &[option_12("away")]);
    wait_told(
        &leasehold,
        "away.nasir.xyz",
        &[
            "away.nasir.xyz. is not in DNS yet",
            "127.0.0.1:5300 does not answer; see whether it runs",
            "the zone cannot be updated since 20",
        ],
    );
    bind.resume();
    wait_told(&leasehold, "away.nasir.xyz", &["away.nasir.xyz. is published: DNS holds A 10.77."]);

    leasehold.stop();
    let other = "b3RoZXIgYnl0ZXMgdGhhbiB0aGUgc2VydmVyIGhhcyE=";
    Leasehold::rewrite(&server, &field::config(true).replace(KEY_SECRET, other));
    leasehold.resume();
    clients.take(3, &[option_12("keyless")]);
    let words = format!("does not accept key {KEY_NAME}.: BADSIG");
    wait_told(&leasehold, "keyless.nasir.xyz", &["keyless.nasir.xyz. is not in DNS yet", &words]);
}

/// A record without DHCID, a DHCID of nobody, one of another client of ours, and one of the client itself as another
/// server would have made it; and what somebody deleted.
#[test]
fn explain_tells_whose_record_stands_in_the_way() {
    let lab = Lab::new();
    let (server, relay) = field::hosts(&lab);
    let bind = DnsServer::start(Kind::Bind, &server, SocketAddr::from(DNS), &ZONES);
    let leasehold = Leasehold::start(&server, &field::config(true));
    let mut clients = Clients::behind(&relay);
    let first = clients.take(1, &[option_12("first")]);
    wait_told(&leasehold, "first.nasir.xyz", &["is published", "asked now: DNS holds it as it should"]);

    let of = |client: u8, name: &str| {
        dhcid_of_hardware(hardware(client).as_bytes().try_into().unwrap(), &format!("{name}.nasir.xyz"))
    };
    let client_id = |client: u8| (code::CLIENT_IDENTIFIER, Box::from([0, 9, 9, client]));
    let stands = |name: &str, dhcid: Option<String>| {
        let dhcid = dhcid.map(|data| format!("\nupdate add {name}.nasir.xyz. 300 DHCID {data}")).unwrap_or_default();
        bind.dig().nsupdate(&format!("update add {name}.nasir.xyz. 300 A 10.9.9.9{dhcid}"));
    };
    let found = "asked now: DNS holds A 10.9.9.9 (ttl 300)";
    stands("by-hand", None);
    clients.take(2, &[option_12("by-hand")]);
    wait_told(&leasehold, "by-hand", &[&format!("{found} without a DHCID: made by hand")]);
    stands("nobodys", Some(of(200, "nobodys")));
    clients.take(3, &[option_12("nobodys")]);
    let nobodys = format!("{found}, DHCID; its DHCID is that of a host that has no lease here");
    wait_told(&leasehold, "nobodys", &[&nobodys]);
    stands("anothers", Some(of(1, "anothers")));
    clients.take(4, &[option_12("anothers")]);
    let anothers =
        format!("its DHCID is that of 02:00:00:00:00:01 by its hardware address, which has or had {first} here");
    wait_told(&leasehold, "anothers", &[&anothers]);
    stands("own", Some(of(5, "own")));
    clients.take(5, &[option_12("own"), client_id(5)]);
    wait_told(&leasehold, "own", &["its DHCID is this very client's by its hardware address: another DHCP server"]);

    bind.dig().nsupdate("update delete first.nasir.xyz.");
    wait_told(&leasehold, "first", &["is published", "asked now: nothing is there, though it was"]);
}
