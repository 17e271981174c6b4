//! What people ask of the servers they have, by their complaints: `docs/users.md` tells each with its test. These are
//! the rows that no other module is about.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use crate::dig::{Dig, KEY_NAME};
use crate::explain_names::{Clients, option_12};
use crate::field::{self, DNS, RELAY, SERVER, ZONES};
use crate::leasehold::{CONTROL, Leasehold};
use crate::netns::Lab;
use crate::process::{succeed, wait_for};
use crate::servers::{DnsServer, Kind};

/// How long a name may take in a DNS server of somebody else's, and `dig` to find it, on a machine that runs other tests too.
/// Alone it takes milliseconds.
const SOON: Duration = Duration::from_secs(10);
const PATIENCE: Duration = Duration::from_secs(30);

/// With the embedded zones the first question after the ACK is answered; with a DNS server of somebody else's one that
/// comes soon after. Nothing is restarted.
#[test]
fn users_a_new_lease_does_not_resolve_until_dns_is_restarted() {
    for kind in [None, Some(Kind::Bind), Some(Kind::Knot), Some(Kind::PowerDns)] {
        let lab = Lab::new();
        let (server, relay) = field::hosts(&lab);
        let dns = kind.map(|kind| DnsServer::start(kind, &server, SocketAddr::from(DNS), &ZONES));
        let leasehold = Leasehold::start(&server, &field::config(kind.is_some()));
        let dig = dns.as_ref().map_or_else(|| Dig::new(&server, SocketAddr::from((SERVER, 53))), DnsServer::dig);
        let mut clients = Clients::behind(&relay);
        for client in 1..=5 {
            let name = format!("new{client}.{}", ZONES[0]);
            // Asked for before it is there, so that "no such name" is what a cache would remember.
            assert_eq!(dig.addresses(&name), Vec::<Ipv4Addr>::new());
            let address = clients.take(client, &[option_12(&format!("new{client}"))]);
            let acknowledged = Instant::now();
            if kind.is_none() {
                assert_eq!(dig.addresses(&name), [address], "the first question after the ACK");
                assert_eq!(dig.names(address), [format!("{name}.")]);
                continue;
            }
            wait_for(&format!("{name} is in {kind:?}"), PATIENCE, || {
                (dig.addresses(&name) == [address] && dig.names(address) == [format!("{name}.")]).then_some(())
            });
            let took = acknowledged.elapsed();
            assert!(took < SOON, "{name} took {took:?} in {kind:?}:\n{}", leasehold.log());
        }
    }
}

/// How often the row of a name was tried since the last success.
fn tries(leasehold: &Leasehold<'_>, name: &str) -> u64 {
    let printed = succeed(&mut leasehold.command(&["explain", name, "--json", "--socket", CONTROL]));
    let told: serde_json::Value = serde_json::from_str(&printed).unwrap();
    told["records"][0]["tries"].as_u64().unwrap_or_default()
}

/// Kea's updater keeps its queue in memory. Here what DNS should hold is stored with the lease: more than three failed
/// tries, and a daemon that is killed and started again meanwhile, lose nothing.
#[test]
fn users_a_restart_or_three_failed_tries_and_the_name_is_lost() {
    let lab = Lab::new();
    let (server, relay) = field::hosts(&lab);
    let mut dns = DnsServer::start(Kind::Bind, &server, SocketAddr::from(DNS), &ZONES);
    // A server that refuses at once fails oftener than one that is away.
    let file = "/etc/bind/named.conf";
    let willing = std::fs::read_to_string(server.path(file)).unwrap();
    dns.kill();
    server.write(file, &willing.replace(&format!("allow-update {{ key {KEY_NAME}; }}"), "allow-update { none; }"));
    dns.resume();
    let mut leasehold = Leasehold::start(&server, &field::config(true));
    let mut clients = Clients::behind(&relay);
    let address = clients.take(1, &[option_12("kept")]);
    wait_for("more than three tries have failed", PATIENCE, || (tries(&leasehold, "kept") > 3).then_some(()));
    leasehold.kill();
    leasehold.resume();
    wait_for("it is tried again after the restart", PATIENCE, || (tries(&leasehold, "kept") > 0).then_some(()));
    dns.kill();
    server.write(file, &willing);
    dns.resume();
    dns.dig().wait_agree(&format!("kept.{}", ZONES[0]), address);
}

/// A DNS server that is there and says nothing: a question is given up after five seconds, and no client's exchange
/// takes half of that for it.
#[test]
fn users_the_dhcp_reply_waits_for_dns() {
    let lab = Lab::new();
    let (server, relay) = field::hosts(&lab);
    let silent = server.inside(|| UdpSocket::bind(SocketAddr::from(DNS)).unwrap());
    silent.set_read_timeout(Some(PATIENCE)).unwrap();
    let _leasehold = Leasehold::start(&server, &field::config(true));
    let mut clients = Clients::behind(&relay);
    let mut all = Vec::new();
    for client in 1..=40 {
        let asked = Instant::now();
        let address = clients.take(client, &[option_12(&format!("pc{client}"))]);
        assert_ne!(address, RELAY);
        all.push(asked.elapsed());
    }
    // A datagram that a busy kernel drops is said again after seconds; if a reply waited for DNS, all would take so long.
    all.sort_unstable();
    assert!(all[35] < Duration::from_millis(2_500), "40 leases took {all:?}");
    // And it was asked all the while: where its zone begins, for that is the first question.
    let mut octets = [0; 2_048];
    let question = loop {
        match silent.recv(&mut octets) {
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            received => break received.expect("a question"),
        }
    };
    assert!(question > 12, "a question is longer than its header");
}
