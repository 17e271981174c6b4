#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use dns::{Rcode, Rdata};

use super::*;
use crate::{AllowAll, ForLeases, NewZone, Question, QuestionMeta, Zone, ZoneAuthority, ZoneSet, answer};

fn name(text: &str) -> Fqdn {
    text.parse().unwrap()
}

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn askers(prefixes: &[&str], keys: &[&str]) -> Askers {
    let prefix = |text: &&str| {
        let (address, length) = text.split_once('/').unwrap();
        Prefix { address: address.parse().unwrap(), length: length.parse().unwrap() }
    };
    Askers { prefixes: prefixes.iter().map(prefix).collect(), keys: keys.iter().map(|text| name(text)).collect() }
}

fn a(text: &str) -> Rdata {
    Rdata::a(text.parse().unwrap())
}

fn single(owner: &str, rdata: Rdata) -> Rrset {
    Rrset::single(name(owner), RecordType::A, 300, rdata)
}

fn zone(apex: &str, sets: Vec<Rrset>) -> Zone {
    let mut all = NewZone::new(name(apex), name("ns").concat(&name(apex)).unwrap(), vec![]).rrsets();
    all.extend(sets);
    Zone::from_sets(name(apex), all).unwrap()
}

fn sight(apex: &str) -> Sight {
    Sight::of(name(apex))
}

/// `example` for everybody, with another www inside; `lab` inside only; `secret` for one subnet and one key.
fn zones() -> ZoneSet {
    let views = [
        View { clients: askers(&["192.168.30.0/24", "2001:db8::/32"], &["insider"]) },
        View { clients: askers(&["192.168.0.0/16"], &[]) },
    ];
    let sights = [
        Sight { overlays: vec![(0, vec![single("www.example", a("192.168.30.2"))])], ..sight("example") },
        Sight { views: Some(vec![0]), ..sight("lab") },
        Sight {
            query: AccessList {
                allow: Some(askers(&["192.168.0.0/16"], &["auditor"])),
                deny: askers(&["192.168.30.66/32"], &[]),
            },
            ..sight("secret")
        },
    ];
    let mut zones = ZoneSet::for_audiences(Audiences::new(&views, &sights));
    zones.insert(zone(
        "example",
        vec![single("www.example", a("198.51.100.2")), single("pc.example", a("198.51.100.3"))],
    ));
    zones.insert(zone("lab", vec![single("www.lab", a("192.168.30.9"))]));
    zones.insert(zone("secret", vec![single("www.secret", a("192.168.30.10"))]));
    zones
}

/// What an asker is told: an address, nothing of the kind, or that it may not ask.
fn told(zones: &ZoneSet, from: &str, key: Option<&str>, owner: &str) -> String {
    let question = Question { name: name(owner), rtype: RecordType::A };
    let key = key.map(name);
    let found = answer(zones.seen_by(address(from), key.as_ref()), &question, QuestionMeta::default());
    match found.answers.first() {
        _ if found.prohibited => "prohibited".to_owned(),
        _ if !found.ours => "elsewhere".to_owned(),
        Some(set) => set.rdata.records().to_vec()[0].to_a().unwrap().to_string(),
        None => found.rcode.unwrap().to_string(),
    }
}

#[test]
fn one_name_has_another_answer_for_other_clients() {
    let zones = zones();
    for (from, www) in [
        ("192.168.30.7", "192.168.30.2"),
        ("::ffff:192.168.30.7", "192.168.30.2"),
        ("2001:db8::7", "192.168.30.2"),
        ("2001:db9::7", "198.51.100.2"),
        ("192.168.31.7", "198.51.100.2"),
        ("203.0.113.1", "198.51.100.2"),
        ("0.0.0.0", "198.51.100.2"),
        ("::", "198.51.100.2"),
        ("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "198.51.100.2"),
    ] {
        assert_eq!(told(&zones, from, None, "www.example"), www, "{from}");
        assert_eq!(told(&zones, from, None, "pc.example"), "198.51.100.3", "{from}");
    }
    // A key opens the view from anywhere.
    assert_eq!(told(&zones, "203.0.113.1", Some("insider"), "www.example"), "192.168.30.2");
    assert_eq!(told(&zones, "203.0.113.1", Some("stranger"), "www.example"), "198.51.100.2");
}

#[test]
fn a_zone_of_one_view_is_not_there_for_others() {
    let zones = zones();
    assert_eq!(told(&zones, "192.168.30.7", None, "www.lab"), "192.168.30.9");
    // Whoever is in several views is in the first of them.
    assert_eq!(told(&zones, "192.168.31.7", None, "www.lab"), "elsewhere");
    assert_eq!(told(&zones, "203.0.113.1", None, "www.lab"), "elsewhere");
}

#[test]
fn who_may_not_ask_for_a_zone_is_told_so_and_sees_nothing_of_it() {
    let mut zones = zones();
    assert_eq!(told(&zones, "192.168.31.7", None, "www.secret"), "192.168.30.10");
    assert_eq!(told(&zones, "192.168.30.66", None, "www.secret"), "prohibited");
    assert_eq!(told(&zones, "203.0.113.1", None, "www.secret"), "prohibited");
    assert_eq!(told(&zones, "203.0.113.1", None, "nothing.secret"), "prohibited");
    assert_eq!(told(&zones, "203.0.113.1", Some("auditor"), "www.secret"), "192.168.30.10");
    // Who is denied stays so with any key.
    assert_eq!(told(&zones, "192.168.30.66", Some("auditor"), "www.secret"), "prohibited");
    // An alias that leads there shows its own end of the chain, and nobody else is asked.
    let alias = Rrset::single(name("way.example"), RecordType::CNAME, 300, Rdata::cname(&name("www.secret")));
    let mx = Rrset::single(name("mail.example"), RecordType::MX, 300, Rdata::mx(1, &name("www.secret")));
    zones.insert(zone("example", vec![alias, mx]));
    let outside = zones.seen_by(address("203.0.113.1"), None);
    let question = Question { name: name("way.example"), rtype: RecordType::A };
    let found = answer(outside, &question, QuestionMeta::default());
    assert_eq!((found.ours, found.prohibited, found.answers.len(), found.continue_at), (true, false, 1, None));
    let question = Question { name: name("mail.example"), rtype: RecordType::MX };
    let found = answer(outside, &question, QuestionMeta::default());
    assert_eq!((found.answers.len(), found.additionals.len()), (1, 0), "no address of a zone that it may not ask for");
}

#[test]
fn a_dynamic_name_is_in_every_view_that_has_the_zone() {
    let mut authority = ZoneAuthority::new(zones());
    let add = dns::Change::Add { name: name("new.example"), rtype: RecordType::A, ttl: 60, rdata: a("192.168.30.100") };
    let over = dns::Change::Add { name: name("www.example"), rtype: RecordType::A, ttl: 60, rdata: a("198.51.100.77") };
    let update = dns::Update { zone: name("example"), prerequisites: vec![], changes: vec![add, over] };
    let decision = authority.apply(&update, &AllowAll);
    assert_eq!(decision.rcode, Rcode::NO_ERROR);
    authority.settle(decision.after.unwrap(), crate::Outcome::Committed);
    let zones = authority.committed();
    for from in ["192.168.30.7", "192.168.31.7", "203.0.113.1"] {
        assert_eq!(told(zones, from, None, "new.example"), "192.168.30.100", "{from}");
    }
    assert_eq!(told(zones, "192.168.30.7", None, "www.example"), "192.168.30.2", "the view's own stays");
    let outside = zones.seen_by(address("203.0.113.1"), None);
    assert_eq!(outside.get(&name("example")).unwrap().set(&name("www.example"), RecordType::A).unwrap().rdata.len(), 2);
    // Each has the new serial.
    let serial = |from: &str| zones.seen_by(address(from), None).get(&name("example")).unwrap().serial();
    assert_eq!((serial("192.168.30.7"), serial("203.0.113.1")), (2, 2));
}

#[test]
fn an_alias_of_a_view_stands_alone_and_so_does_what_a_view_has_in_place_of_one() {
    let alias = Rrset::single(name("www.example"), RecordType::CNAME, 300, Rdata::cname(&name("pc.example")));
    let views = [View { clients: askers(&["10.0.0.0/8"], &[]) }];
    let overlays = vec![(0, vec![alias.clone(), single("other.example", a("10.0.0.1"))])];
    let mut zones = ZoneSet::for_audiences(Audiences::new(&views, &[Sight { overlays, ..sight("example") }]));
    let other = Rrset { name: name("other.example"), ..alias };
    zones.insert(zone("example", vec![single("www.example", a("198.51.100.2")), other]));
    let inside = zones.seen_by(address("10.1.2.3"), None).get(&name("example")).unwrap();
    let types = |owner: &str| {
        let node = inside.node(&name(owner)).unwrap();
        node.sets().map(|set| set.rtype).collect::<Vec<_>>()
    };
    assert_eq!(types("www.example"), [RecordType::CNAME]);
    assert_eq!(types("other.example"), [RecordType::A]);
}

#[test]
fn nothing_is_worked_out_where_everybody_sees_the_same() {
    assert_eq!(Audiences::new(&[], &[sight("example")]), None);
    assert_eq!(Audiences::new(&[View { clients: askers(&["10.0.0.0/8"], &[]) }], &[sight("example")]), None);
    let zones = ZoneSet::new();
    assert!(std::ptr::eq(zones.seen_by(address("10.0.0.1"), None), &raw const zones));
}

#[test]
fn a_zone_that_is_taken_away_is_taken_away_for_everybody() {
    let mut zones = zones();
    zones.remove(&name("example"));
    assert_eq!(told(&zones, "192.168.30.7", None, "www.example"), "elsewhere");
    assert_eq!(zones.zones().len(), 2);
}

#[test]
fn prefixes_of_both_families_have_their_first_and_last_address() {
    let within = |prefix: &str, text: &str| askers(&[prefix], &[]).contain(address(text), None);
    assert!(within("192.168.30.0/24", "192.168.30.0") && within("192.168.30.0/24", "192.168.30.255"));
    assert!(!within("192.168.30.0/24", "192.168.31.0") && !within("192.168.30.0/24", "192.168.29.255"));
    assert!(within("0.0.0.0/0", "255.255.255.255") && !within("0.0.0.0/0", "2001:db8::1"));
    assert!(within("::/0", "2001:db8::1") && !within("::/0", "10.0.0.1"), "IPv4 is no part of IPv6");
    assert!(within("2001:db8::/32", "2001:db8:ffff::1") && !within("2001:db8::/32", "2001:db9::"));
    assert!(within("10.0.0.1/32", "10.0.0.1") && !within("10.0.0.1/32", "10.0.0.2"));
}

/// `example` for those inside, for guests, and for everybody else; `leases` says which of them have names of leases.
fn split(leases: [bool; 3]) -> ZoneAuthority {
    let views = [
        View { clients: askers(&["192.168.30.0/24"], &["insider"]) },
        View { clients: askers(&["192.168.40.0/24"], &[]) },
    ];
    let id = |view: &str| crate::zone_id::of_views(&name("example"), &[view]).unwrap();
    let of_view = |at, view, leases| Sight { views: Some(vec![at]), id: id(view), leases, ..sight("example") };
    let sights = [
        of_view(0, "inside", leases[0]),
        of_view(1, "guests", leases[1]),
        Sight { leases: leases[2], ..sight("example") },
    ];
    let mut zones = ZoneSet::for_audiences(Audiences::new(&views, &sights));
    for (sight, last) in sights.iter().zip(1..) {
        let www = single("www.example", a(&format!("10.0.0.{last}")));
        zones.insert(zone("example", vec![www]).with_id(&sight.id));
    }
    ZoneAuthority::new(zones)
}

const ASKERS: [&str; 3] = ["192.168.30.7", "192.168.40.7", "203.0.113.1"];

fn told_to_all(zones: &ZoneSet, owner: &str) -> [String; 3] {
    // A code without its words.
    ASKERS.map(|from| told(zones, from, None, owner).split(' ').next().unwrap_or_default().to_owned())
}

/// An update of the zone that names of leases with this apex are decided in, settled.
fn lease(authority: &mut ZoneAuthority, changes: Vec<dns::Change>) -> Vec<Fqdn> {
    let zone = authority.tentative().home(&name("example")).clone();
    let update = dns::Update { zone, prerequisites: vec![], changes };
    let decision = authority.apply(&update, &AllowAll);
    assert_eq!(decision.rcode, Rcode::NO_ERROR);
    if let Some(ticket) = decision.after {
        authority.settle(ticket, crate::Outcome::Committed);
    }
    decision.change.into_iter().chain(decision.followed).map(|change| change.zone).collect()
}

fn client(owner: &str, address: &str) -> Vec<dns::Change> {
    let add = |rtype, rdata| dns::Change::Add { name: name(owner), rtype, ttl: 60, rdata };
    vec![add(RecordType::A, a(address)), add(RecordType::DHCID, Rdata([0, 0, 1, 7].into()))]
}

#[test]
fn each_view_has_a_zone_of_its_own_under_one_apex() {
    let mut authority = split([true, true, true]);
    assert_eq!(told_to_all(authority.committed(), "www.example"), ["10.0.0.1", "10.0.0.2", "10.0.0.3"]);
    assert_eq!(told(authority.committed(), "203.0.113.1", Some("insider"), "www.example"), "10.0.0.1");
    // An update of one changes that one alone, and its serial.
    let id = crate::zone_id::of_views(&name("example"), &["guests"]).unwrap();
    let add = dns::Change::Add { name: name("bar.example"), rtype: RecordType::A, ttl: 60, rdata: a("10.0.0.9") };
    let update = dns::Update { zone: id.clone(), prerequisites: vec![], changes: vec![add] };
    let decision = authority.apply(&update, &AllowAll);
    assert_eq!((decision.change.unwrap().zone, decision.followed), (id.clone(), vec![]));
    authority.settle(decision.after.unwrap(), crate::Outcome::Committed);
    assert_eq!(told_to_all(authority.committed(), "bar.example"), ["NXDOMAIN", "10.0.0.9", "NXDOMAIN"]);
    let serials = authority.committed().zones().into_iter().map(|zone| (zone.id() == &id, zone.serial()));
    assert_eq!(serials.collect::<Vec<_>>(), [(false, 1), (true, 2), (false, 1)]);
}

#[test]
fn names_of_leases_are_in_every_zone_of_the_apex_that_has_them() {
    for (leases, seen) in [
        ([true, true, true], ["10.9.9.9", "10.9.9.9", "10.9.9.9"]),
        ([true, false, false], ["10.9.9.9", "NXDOMAIN", "NXDOMAIN"]),
        ([true, true, false], ["10.9.9.9", "10.9.9.9", "NXDOMAIN"]),
        ([false, false, true], ["NXDOMAIN", "NXDOMAIN", "10.9.9.9"]),
    ] {
        let mut authority = split(leases);
        let changed = lease(&mut authority, client("pc.example", "10.9.9.9"));
        assert_eq!(changed.len(), leases.iter().filter(|has| **has).count());
        assert_eq!(told_to_all(authority.committed(), "pc.example"), seen, "{leases:?}");
        assert!(lease(&mut authority, client("pc.example", "10.9.9.9")).is_empty(), "nothing changes twice");
        lease(&mut authority, vec![dns::Change::DeleteName(name("pc.example"))]);
        assert_eq!(told_to_all(authority.committed(), "pc.example"), ["NXDOMAIN"; 3], "{leases:?}");
    }
}

#[test]
fn a_name_that_somebody_has_in_one_views_zone_stays_there_as_it_is() {
    let mut authority = split([true, true, true]);
    let id = crate::zone_id::of_views(&name("example"), &["inside"]).unwrap();
    let add = dns::Change::Add { name: name("pc.example"), rtype: RecordType::A, ttl: 60, rdata: a("10.0.0.7") };
    let update = dns::Update { zone: id, prerequisites: vec![], changes: vec![add] };
    let ticket = authority.apply(&update, &AllowAll).after.unwrap();
    authority.settle(ticket, crate::Outcome::Committed);
    lease(&mut authority, client("pc.example", "10.9.9.9"));
    assert_eq!(told_to_all(authority.committed(), "pc.example"), ["10.0.0.7", "10.9.9.9", "10.9.9.9"]);
    // What others wrote beside a client's records stays when the client goes.
    lease(&mut authority, vec![dns::Change::DeleteName(name("pc.example"))]);
    assert_eq!(told_to_all(authority.committed(), "pc.example"), ["10.0.0.7", "NXDOMAIN", "NXDOMAIN"]);
}

#[test]
fn names_of_a_failed_commit_are_in_no_zone_of_the_apex() {
    let mut authority = split([true, true, true]);
    let zone = authority.tentative().home(&name("example")).clone();
    let update = dns::Update { zone, prerequisites: vec![], changes: client("pc.example", "10.9.9.9") };
    let ticket = authority.apply(&update, &AllowAll).after.unwrap();
    authority.settle(ticket, crate::Outcome::Failed);
    assert_eq!(told_to_all(authority.committed(), "pc.example"), ["NXDOMAIN"; 3]);
    assert_eq!(told_to_all(authority.tentative(), "pc.example"), ["NXDOMAIN"; 3]);
}

/// What the update of RFC 4703 comes to, as the server sends it for a client: section 5.3.1, then 5.3.2.
fn claim(authority: &mut ZoneAuthority, owner: &str, address: &str) -> (Rcode, Rcode) {
    use dns::Prerequisite::{NameInUse, NameNotInUse, RrsetIs};
    let zone = authority.tentative().home(&name("example")).clone();
    let mark = Rdata([0, 0, 1, 7].into());
    let own = vec![NameInUse(name(owner)), RrsetIs(name(owner), RecordType::DHCID, vec![mark])];
    let mut ask = |prerequisites, changes| {
        let update = dns::Update { zone: zone.clone(), prerequisites, changes };
        let decision = authority.apply(&update, &ForLeases);
        if let Some(ticket) = decision.after {
            authority.settle(ticket, crate::Outcome::Committed);
        }
        decision.rcode
    };
    let claimed = ask(vec![NameNotInUse(name(owner))], client(owner, address));
    (claimed, ask(own, client(owner, address)))
}

#[test]
fn a_name_that_somebody_has_in_any_view_is_no_clients_in_any_other() {
    for view in ["inside", "guests"] {
        let id = crate::zone_id::of_views(&name("example"), &[view]).unwrap();
        let by_hand = |mark: bool| {
            let mut add = client("pc.example", "10.0.0.7");
            add.truncate(1);
            let other = Rdata([0, 0, 1, 9].into());
            let dhcid = dns::Change::Add { name: name("pc.example"), rtype: RecordType::DHCID, ttl: 60, rdata: other };
            add.extend(mark.then_some(dhcid));
            dns::Update { zone: id.clone(), prerequisites: vec![], changes: add }
        };
        // By hand, or by another DHCP server that writes into the zone of that view.
        for marked in [false, true] {
            let mut authority = split([true, true, true]);
            let ticket = authority.apply(&by_hand(marked), &AllowAll).after.unwrap();
            authority.settle(ticket, crate::Outcome::Committed);
            let before = authority.committed().clone();
            let answers = claim(&mut authority, "pc.example", "10.9.9.9");
            assert_eq!(answers, (Rcode::YX_DOMAIN, Rcode::NX_RRSET), "{view} {marked}");
            assert!(*authority.committed() == before, "nothing is written anywhere");
            let free = |authority: &mut ZoneAuthority| {
                let address = a("10.9.9.9");
                authority.together().add(&name("example"), (&name("pc.example"), 60), [(RecordType::A, &*address.0)])
            };
            assert_eq!(free(&mut authority), Ok(false), "nor with its lease");
            assert_eq!(claim(&mut authority, "tv.example", "10.9.9.9").0, Rcode::NO_ERROR);
        }
        // What was published before is taken out, whatever has come to stand in its way since; what stands there stays.
        let mut authority = split([true, true, true]);
        assert_eq!(claim(&mut authority, "pc.example", "10.9.9.9"), (Rcode::NO_ERROR, Rcode::NO_ERROR));
        let mut taken = by_hand(false);
        taken.changes.insert(0, dns::Change::DeleteName(name("pc.example")));
        let ticket = authority.apply(&taken, &AllowAll).after.unwrap();
        authority.settle(ticket, crate::Outcome::Committed);
        assert_eq!(claim(&mut authority, "pc.example", "10.9.9.8").1, Rcode::NX_RRSET);
        lease(&mut authority, vec![dns::Change::DeleteName(name("pc.example"))]);
        let left = told_to_all(authority.committed(), "pc.example");
        assert_eq!(left.iter().filter(|told| *told == "10.0.0.7").count(), 1, "{view}: {left:?}");
        assert_eq!(left.iter().filter(|told| *told == "NXDOMAIN").count(), 2, "{view}: {left:?}");
    }
}

#[test]
fn what_somebody_writes_in_a_clients_place_is_not_shown_to_other_views() {
    let mut authority = split([true, true, true]);
    lease(&mut authority, client("pc.example", "10.9.9.9"));
    let mut by_hand = client("pc.example", "10.0.0.7");
    by_hand.truncate(1);
    by_hand.insert(0, dns::Change::DeleteName(name("pc.example")));
    lease(&mut authority, by_hand);
    assert_eq!(told_to_all(authority.committed(), "pc.example"), ["NXDOMAIN", "NXDOMAIN", "10.0.0.7"]);
}
