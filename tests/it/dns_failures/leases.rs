//! The cases that begin with a lease: a client that releases, and one that is never heard of again. The whole daemon.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use base64::Engine as _;
use dns::{Dhcid, Fqdn, HostIdentity};

use super::site::{Records, differences, transfer};
use crate::asker::Asker;
use crate::field::{self, DNS, LEASE_SECS, RELAY, SERVER, ZONES};
use crate::leasehold::Leasehold;
use crate::load::Plan;
use crate::netns::Lab;
use crate::packet::{self, Said};
use crate::servers::{DnsServer, Kind};

const PATIENCE: Duration = Duration::from_secs(30);
/// A lease of so many seconds runs out within the test; its TTL is a third of it (RFC 4702 section 5).
const SHORT_SECS: u32 = 6;
/// A lease, and as long again as the slowest server takes.
const SETTLE: Duration = Duration::from_secs(20);

/// What both zones hold when these clients' leases run.
fn expected(running: &[(u32, Ipv4Addr)]) -> [Records; 2] {
    let mut zones = ZONES.map(|zone| Records::from([format!("{zone}. 300 NS ns.tests.example.")]));
    let ttl = SHORT_SECS / 3;
    for (client, address) in running {
        let owner: Fqdn = format!("client{client}.{}", ZONES[0]).parse().unwrap();
        let identity = HostIdentity::from_hardware(1, &Plan::hardware(*client));
        let dhcid = base64::engine::general_purpose::STANDARD.encode(Dhcid::new(&identity, &owner).0.0);
        let reverse = Fqdn::reverse((*address).into());
        zones[0].insert(format!("{owner} {ttl} A {address}"));
        zones[0].insert(format!("{owner} {ttl} DHCID {dhcid}"));
        zones[1].insert(format!("{reverse} {ttl} PTR {owner}"));
        zones[1].insert(format!("{reverse} {ttl} DHCID {dhcid}"));
    }
    zones
}

fn said(kind: u8, client: u32) -> Said {
    Said { hostname: Some(format!("client{client}")), ..Said::new(kind, 0, Plan::hardware(client)) }
}

fn take(asker: &mut Asker, client: u32) -> Ipv4Addr {
    let offer = asker.ask(said(packet::DISCOVER, client), PATIENCE).expect("an offer");
    let request = Said { requested: Some(offer.yiaddr), server: Some(offer.server), ..said(packet::REQUEST, client) };
    let heard = asker.ask(request, PATIENCE).expect("an answer");
    assert_eq!(heard.kind, packet::ACK);
    heard.yiaddr
}

/// Waits until the zones hold what they must; `meanwhile` is called again and again.
fn settle(dns: &DnsServer<'_>, what: &str, expected: &[Records; 2], mut meanwhile: impl FnMut()) {
    let deadline = Instant::now() + SETTLE;
    loop {
        let found = ZONES.map(|zone| transfer(&dns.dig(), zone));
        if found == *expected {
            return;
        }
        assert!(Instant::now() < deadline, "{what}:\n{}", differences(expected, &found));
        meanwhile();
        std::thread::sleep(Duration::from_millis(100));
    }
}

pub(super) fn release_and_expiry(kind: Kind) {
    let lab = Lab::new();
    let (server, relay) = field::hosts(&lab);
    let dns = DnsServer::start(kind, &server, SocketAddr::from(DNS), &ZONES);
    let config =
        field::config(true).replace(&format!("lease_time = {LEASE_SECS}"), &format!("lease_time = {SHORT_SECS}"));
    let _leasehold = Leasehold::start(&server, &config);
    let mut asker = Asker::new(&relay, RELAY, true);
    let clients: Vec<(u32, Ipv4Addr)> = (1..=3).map(|client| (client, take(&mut asker, client))).collect();
    settle(&dns, "three names are there", &expected(&clients), || {});
    // The first goes on renewing, the second releases, the third is never heard of again.
    let release = Said { ciaddr: clients[1].1, server: Some(SERVER), ..said(packet::RELEASE, 2) };
    // A release has no answer.
    assert!(asker.ask(release, Duration::from_millis(1)).is_none());
    let without_second = [clients[0], clients[2]];
    let mut renew = || {
        let renewal = Said { ciaddr: clients[0].1, ..said(packet::REQUEST, 1) };
        let heard = asker.ask(renewal, PATIENCE).expect("an answer");
        assert_eq!((heard.kind, heard.yiaddr), (packet::ACK, clients[0].1));
    };
    settle(&dns, "a released name goes", &expected(&without_second), &mut renew);
    settle(&dns, "an expired name goes, a renewed one stays", &expected(&clients[..1]), &mut renew);
}
