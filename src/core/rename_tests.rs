#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::net::IpAddr;

use ddns::settings::{ZoneRoute, ZoneServer};
use dhcp::identity::HardwareAddress;
use dhcp::lease::LeaseState;
use dhcp::settings::{AddressRange, LeaseTime, Naming, Reservation, ReservedFor, Scope, Settings, Subnet};
use dns::Fqdn;

use ddns::wanted::WantedRow;

use super::*;

const NOW: Now = Now { boot_ms: 1_000, wall_secs: 1_800_000_000 };

fn hardware(n: u8) -> HardwareAddress {
    HardwareAddress::new(1, &[2, 0, 0, 0, 0, n]).unwrap()
}

fn address(n: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 0, 0, n)
}

/// A lease of 10.0.0.n, whose client calls itself `hostname`, before it has any name.
fn lease(n: u8, hostname: &str) -> Lease {
    Lease {
        address: address(n),
        subnet: "10.0.0.0/24".parse().unwrap(),
        state: LeaseState::Bound,
        hardware: hardware(n),
        client_id: None,
        started_at: NOW.wall_secs,
        renewed_at: NOW.wall_secs,
        expires_at: NOW.wall_secs + 3_600,
        hostname: hostname.as_bytes().into(),
        client_fqdn: dns::Bytes::default(),
        name: None,
        relay: Ipv4Addr::UNSPECIFIED,
        relay_agent_info: dns::Bytes::default(),
        server_identifier_override: None,
    }
}

fn dhcp(domain: &str, reservations: &[(u8, &str)]) -> Arc<Settings> {
    let reserve = |&(n, hostname): &(u8, &str)| Reservation {
        hostname: Some(hostname.to_owned()),
        ..Reservation::new(address(n), ReservedFor::Hardware(hardware(n)))
    };
    let subnet = Subnet {
        pools: vec![AddressRange { first: address(1), last: address(99) }.into()],
        reservations: reservations.iter().map(reserve).collect(),
        scope: Scope { lease_secs: LeaseTime { default: 3_600, min: 300, max: 86_400 }.into(), ..Scope::default() },
        naming: Some(Naming::of_domain(domain.parse().unwrap())),
        ..Subnet::new("10.0.0.0/24".parse().unwrap())
    };
    Arc::new(Settings { subnets: vec![subnet], ..Settings::default() })
}

fn ddns(reserved: &[&str]) -> Arc<ddns::settings::Settings> {
    let route = |apex: &str| ZoneRoute { apex: apex.parse().unwrap(), server: ZoneServer::Embedded };
    Arc::new(ddns::settings::Settings {
        zones: ["one.test", "two.test", "10.in-addr.arpa"].map(route).into_iter().collect(),
        reserved: reserved.iter().map(|name| name.parse().unwrap()).collect(),
        ..ddns::settings::Settings::default()
    })
}

/// Lets it do what it wants to do at once; every commit succeeds.
fn run(core: &mut Core, most: usize) -> usize {
    let mut works = 0;
    for _ in 0..1_000 {
        if core.poll_timeout() != Some(0) {
            return works;
        }
        for work in core.handle_timeout(NOW, most) {
            works += 1;
            core.settle(work.transaction.unwrap(), CommitOutcome::Committed);
        }
    }
    panic!("it never ends");
}

fn names(core: &Core) -> Vec<String> {
    core.engine().leases().map(|lease| lease.name.map_or_else(String::new, |name| name.fqdn.to_string())).collect()
}

fn started(leases: Vec<Lease>, wanted: WantedTable, dhcp: Arc<Settings>, reserved: &[&str]) -> Core {
    let mut core = Core::new(dhcp, ddns(reserved), leases, wanted, NOW);
    assert!(core.mend_wanted().rows.is_empty());
    core
}

#[test]
fn names_are_chosen_again_after_a_start_and_then_no_more() {
    for most in [1, 2, 100] {
        let leases = vec![lease(1, "pc"), lease(2, "tv"), lease(3, ""), lease(4, "pc")];
        let mut core = started(leases, WantedTable::default(), dhcp("one.test", &[]), &[]);
        assert_eq!(run(&mut core, most), 2);
        assert_eq!(names(&core), ["pc.one.test.", "tv.one.test.", "", ""], "one name, one host");
        // The domain changes.
        core.reconfigure(dhcp("two.test", &[]), ddns(&[]), Vec::new(), NOW);
        assert_eq!(run(&mut core, most), 2);
        assert_eq!(names(&core), ["pc.two.test.", "tv.two.test.", "", ""]);
        let key = |name: &str| RowKey::Forward(name.parse::<Fqdn>().unwrap());
        assert!(core.wanted().get(&key("pc.one.test")).unwrap().want.is_none());
        assert!(core.wanted().get(&key("pc.two.test")).unwrap().want.is_some());
        // Settings that are the same again ask nothing.
        core.reconfigure(dhcp("two.test", &[]), ddns(&[]), Vec::new(), NOW);
        assert_eq!(run(&mut core, most), 0);
    }
}

/// The holder's address comes after that of the client whom the name is now reserved for.
#[test]
fn names_that_became_reserved_go_from_their_holders_to_whom_they_are_for() {
    let leases = vec![lease(1, "old"), lease(2, "printer")];
    let mut core = started(leases, WantedTable::default(), dhcp("one.test", &[]), &[]);
    run(&mut core, 100);
    let (leases, rows): (Vec<Lease>, Vec<WantedRow>) =
        (core.engine().leases().collect(), core.wanted().iter().collect());
    let wanted = WantedTable::load(rows, &[]);
    let mut core = started(leases, wanted, dhcp("one.test", &[(1, "printer")]), &["printer.one.test"]);
    run(&mut core, 100);
    assert_eq!(names(&core), ["printer.one.test.", ""]);
    let want = core.wanted().get(&RowKey::Forward("printer.one.test".parse().unwrap())).unwrap().want.clone().unwrap();
    assert_eq!(want.addresses, [IpAddr::V4(address(1))]);
}

#[test]
fn names_that_found_no_room_are_chosen_again_later() {
    let mut core = started(vec![lease(1, "pc"), lease(2, "tv")], WantedTable::default(), dhcp("one.test", &[]), &[]);
    let works = core.handle_timeout(NOW, 1);
    assert_eq!(works.len(), 1);
    core.settle(works[0].transaction.unwrap(), CommitOutcome::Failed);
    core.set_storage_full(true);
    assert_eq!(names(&core), ["", ""]);
    assert!(core.handle_timeout(NOW, 100).is_empty());
    core.set_storage_full(false);
    assert_eq!(run(&mut core, 100), 2);
    assert_eq!(names(&core), ["pc.one.test.", "tv.one.test."]);
}
