//! Dual stack: another server, such as one for DHCPv6, writes an AAAA record to a name of ours while its lease runs. It stays
//! through renewals, and when the lease is released or expires.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use super::{HAND_TTL, SHORT_SECS, Site, owner};
use crate::dns_failures::site::Records;
use crate::field::{self, ZONES};
use crate::netns::Lab;

/// What the other server writes at the name of each client.
const V6: &str = "AAAA 2001:db8::1";

/// Records in the words of [`Site::record`].
type Words = &'static [&'static str];

/// A client, what the other server makes of its name while its lease runs, and what is there then and afterwards.
struct Case {
    label: &'static str,
    released: bool,
    /// The other server knows the client as another host: it takes the name over, DHCID and all.
    taken_over: bool,
    during: Words,
    after: Words,
}

/// Twice each, for the release and for the expiry: what is there during the lease and after it, of a name that both share and
/// of one that was taken over.
fn cases(shared: [Words; 2], taken: [Words; 2]) -> Vec<Case> {
    let case = |label, released, taken_over| {
        let [during, after] = if taken_over { taken } else { shared };
        Case { label, released, taken_over, during, after }
    };
    vec![
        case("shared-released", true, false),
        case("shared-expired", false, false),
        case("taken-released", true, true),
        case("taken-expired", false, true),
    ]
}

/// What both zones hold; `gone`: without our pointers.
fn zones(
    site: &Site<'_>,
    cases: &[Case],
    addresses: &[Ipv4Addr],
    words: fn(&Case) -> Words,
    gone: bool,
) -> [Records; 2] {
    let mut zones = site.empty();
    for ((client, case), address) in (1..).zip(cases).zip(addresses) {
        zones[0].extend(words(case).iter().map(|record| site.record(case.label, client, Some(*address), record)));
        if !gone {
            zones[1].extend(site.pointer(case.label, client, *address));
        }
    }
    zones
}

fn dual_stack(guard: &str, cases: &[Case]) {
    let lab = Lab::new();
    let (server, relay) = field::hosts(&lab);
    let mut site = Site::start(&server, &relay, &format!("conflict_check = \"{guard}\"\n"), SHORT_SECS);
    let addresses: Vec<Ipv4Addr> = (1..).zip(cases).map(|(client, case)| site.take(client, case.label)).collect();
    let all: BTreeMap<u32, (Ipv4Addr, &str)> =
        (1..).zip(addresses.iter().zip(cases).map(|(address, case)| (*address, case.label))).collect();
    let is_marked = guard != "no-check-without-dhcid";
    let own = if is_marked { |_: &Case| -> Words { &["ours", "mark"] } } else { |_: &Case| -> Words { &["ours"] } };
    let before = zones(&site, cases, &addresses, own, false);
    site.settle(&format!("{guard}: our own"), &before, &all);
    for (client, case) in (1..).zip(cases) {
        let name = owner(case.label);
        let mark = site.record(case.label, client, None, if case.taken_over { "strange" } else { "mine" });
        let marks = match (case.taken_over, is_marked) {
            (true, _) => format!("\nupdate delete {name} DHCID\nupdate add {mark}"),
            (false, true) => String::new(),
            (false, false) => format!("\nupdate add {mark}"),
        };
        site.dns.dig().nsupdate(&format!("zone {}\nupdate add {name} {HAND_TTL} {V6}{marks}", ZONES[0]));
    }
    // For longer than a lease: each is renewed over and over.
    let during = zones(&site, cases, &addresses, |case| case.during, false);
    let until = Instant::now() + Duration::from_secs(u64::from(SHORT_SECS) + 2);
    while Instant::now() < until {
        site.settle(&format!("{guard}: while the leases are renewed"), &during, &all);
    }
    for ((client, case), address) in (1..).zip(cases).zip(&addresses) {
        if case.released {
            site.release(client, *address);
        }
    }
    let after = zones(&site, cases, &addresses, |case| case.after, true);
    site.settle(&format!("{guard}: what is left"), &after, &BTreeMap::new());
}

#[test]
fn users_dual_stack_aaaa_of_another_server_stays_under_check_with_dhcid() {
    // RFC 4703 section 5.5: what is another host's by its DHCID is not touched, our own address there included.
    let taken: Words = &["ours", "strange", V6];
    dual_stack("check-with-dhcid", &cases([&["ours", "mark", V6], &["mark", V6]], [taken, taken]));
}

#[test]
fn users_dual_stack_aaaa_of_another_server_stays_under_check_exists_with_dhcid() {
    let taken: [Words; 2] = [&["ours", "strange", V6], &["strange", V6]];
    dual_stack("check-exists-with-dhcid", &cases([&["ours", "mark", V6], &["mark", V6]], taken));
}

#[test]
fn users_dual_stack_aaaa_of_another_server_stays_under_no_check_with_dhcid() {
    let taken: [Words; 2] = [&["ours", "strange", V6], &["strange", V6]];
    dual_stack("no-check-with-dhcid", &cases([&["ours", "mark", V6], &["mark", V6]], taken));
}

#[test]
fn users_dual_stack_aaaa_of_another_server_stays_under_no_check_without_dhcid() {
    let taken: [Words; 2] = [&["ours", "strange", V6], &["strange", V6]];
    dual_stack("no-check-without-dhcid", &cases([&["ours", "mine", V6], &["mine", V6]], taken));
}
