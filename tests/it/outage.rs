//! BIND is away for 30 s out of 40 s while 50 new clients a second take leases: afterwards every name is there.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::thread;
use std::time::{Duration, Instant};

use crate::dig::Dig;
use crate::field::{self, DNS, RELAY, SERVER, ZONES};
use crate::leasehold::Leasehold;
use crate::load::{History, Load, Plan};
use crate::netns::Lab;
use crate::process::wait_for;
use crate::servers::{DnsServer, Kind};

const CLIENTS: u32 = 2_000;
const PER_SEC: f64 = 50.0;
/// BIND is killed this long after the first client, and comes back `AWAY` later.
const BEFORE: Duration = Duration::from_secs(5);
const AWAY: Duration = Duration::from_secs(30);
/// The updater's longest pause is 2 s here; 2,000 names take BIND about a second.
const CATCH_UP: Duration = Duration::from_secs(60);

/// How many of the clients are missing in the zones: A records, PTR records.
fn missing(dig: &Dig<'_>, history: &History) -> (usize, usize) {
    let mut addresses: BTreeMap<String, Vec<Ipv4Addr>> = BTreeMap::new();
    for record in dig.transfer(ZONES[0]).into_iter().filter(|record| record.rtype == "A") {
        addresses.entry(record.owner).or_default().push(record.data.parse().unwrap());
    }
    let mut names: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for record in dig.transfer(ZONES[1]).into_iter().filter(|record| record.rtype == "PTR") {
        names.entry(record.owner).or_default().push(record.data);
    }
    let (mut without_address, mut without_name) = (0, 0);
    for (client, ack) in history.held() {
        let name = format!("{}.{}.", Plan::label(client), ZONES[0]);
        let [a, b, c, d] = ack.address.octets();
        let reverse = format!("{d}.{c}.{b}.{a}.in-addr.arpa.");
        without_address += usize::from(addresses.get(&name).is_none_or(|found| *found != [ack.address]));
        without_name += usize::from(names.get(&reverse).is_none_or(|found| *found != [name]));
    }
    (without_address, without_name)
}

/// `at_half` is called in the middle of the outage.
fn every_name_is_there_after_an_outage(at_half: impl FnOnce(&mut Leasehold<'_>)) {
    let lab = Lab::new();
    let (server, relay) = field::hosts(&lab);
    let mut bind = DnsServer::start(Kind::Bind, &server, SocketAddr::from(DNS), &ZONES);
    let mut leasehold = Leasehold::start(&server, &field::config(true));
    let load = Load::new(&relay, RELAY, SERVER, Plan::arrivals(CLIENTS, PER_SEC));
    let (history, ()) = load.alongside(BEFORE + AWAY, || {
        let started = Instant::now();
        let until = |moment: Duration| thread::sleep(moment.saturating_sub(started.elapsed()));
        until(BEFORE);
        bind.kill();
        until(BEFORE + AWAY / 2);
        at_half(&mut leasehold);
        until(BEFORE + AWAY);
        bind.resume();
    });
    assert_eq!(history.violations(), "");
    assert_eq!(history.held().len(), CLIENTS as usize, "every client was acknowledged");
    let mut last = (0, 0);
    let dig = bind.dig();
    let deadline = Instant::now() + CATCH_UP;
    wait_for("every name is in BIND", CATCH_UP + Duration::from_secs(10), || {
        last = missing(&dig, &history);
        let late = Instant::now() > deadline;
        (last == (0, 0) || late).then_some(())
    });
    assert_eq!(last, (0, 0), "A records and PTR records missing of {CLIENTS}");
}

#[test]
fn every_name_is_there_after_an_outage_of_bind() {
    every_name_is_there_after_an_outage(|_| {});
}

#[test]
fn every_name_is_there_after_an_outage_of_bind_and_a_kill_in_its_middle() {
    every_name_is_there_after_an_outage(|leasehold| {
        leasehold.kill();
        leasehold.resume();
    });
}
