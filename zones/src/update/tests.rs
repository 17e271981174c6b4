#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use dns::Soa;

use super::*;
use crate::NewZone;

mod model;

fn name(text: &str) -> Fqdn {
    text.parse().unwrap()
}

fn a(last: u8) -> Rdata {
    Rdata::a([192, 0, 2, last].into())
}

const A: RecordType = RecordType::A;
const TXT: RecordType = RecordType::TXT;
const NS: RecordType = RecordType::NS;
const SOA: RecordType = RecordType::SOA;
const CNAME: RecordType = RecordType::CNAME;

/// `example`, serial 1, with host (A 1, A 2, TXT) and alias (CNAME).
fn zone() -> Zone {
    let mut sets = NewZone::new(name("example"), name("ns.example"), vec!["192.0.2.53".parse().unwrap()]).rrsets();
    sets.push(Rrset::new(name("host.example"), A, 300, vec![a(1), a(2)]).unwrap());
    sets.push(Rrset::single(name("host.example"), TXT, 300, Rdata::txt(&["t"])));
    sets.push(Rrset::single(name("deep.below.example"), A, 300, a(3)));
    sets.push(Rrset::single(name("alias.example"), CNAME, 300, Rdata::cname(&name("host.example"))));
    Zone::from_sets(name("example"), sets).unwrap()
}

fn try_update(prerequisites: Vec<Prerequisite>, changes: Vec<Change>) -> Result<(Zone, Option<ZoneChange>), Rcode> {
    apply(&zone(), &Update { zone: name("example"), prerequisites, changes }, &AllowAll)
}

fn require(prerequisite: Prerequisite) -> Result<(), Rcode> {
    try_update(vec![prerequisite], vec![]).map(|_| ())
}

fn change(changes: Vec<Change>) -> (Zone, Option<ZoneChange>) {
    try_update(vec![], changes).unwrap()
}

fn add(owner: &str, rtype: RecordType, rdata: Rdata) -> Change {
    Change::Add { name: name(owner), rtype, ttl: 300, rdata }
}

fn unchanged(changes: Vec<Change>) {
    let (next, change) = change(changes);
    assert_eq!((next, change), (zone(), None));
}

fn soa(serial: u32) -> Rdata {
    let (mut soa, _) = zone().soa();
    soa.serial = serial;
    Rdata::soa(&soa)
}

#[test]
fn rfc2136_2_4_1_rrset_exists_else_nxrrset() {
    assert_eq!(require(Prerequisite::RrsetExists(name("host.example"), A)), Ok(()));
    assert_eq!(require(Prerequisite::RrsetExists(name("host.example"), NS)), Err(Rcode::NX_RRSET));
    assert_eq!(require(Prerequisite::RrsetExists(name("none.example"), A)), Err(Rcode::NX_RRSET));
}

#[test]
fn rfc2136_2_4_2_rrset_exists_with_exactly_this_data_else_nxrrset() {
    let is = |data: Vec<Rdata>| require(Prerequisite::RrsetIs(name("host.example"), A, data));
    assert_eq!(is(vec![a(2), a(1)]), Ok(()));
    assert_eq!(is(vec![a(1)]), Err(Rcode::NX_RRSET));
    assert_eq!(is(vec![a(1), a(2), a(3)]), Err(Rcode::NX_RRSET));
    assert_eq!(require(Prerequisite::RrsetIs(name("none.example"), A, vec![a(1)])), Err(Rcode::NX_RRSET));
}

#[test]
fn rfc2136_2_4_3_rrset_does_not_exist_else_yxrrset() {
    assert_eq!(require(Prerequisite::RrsetAbsent(name("host.example"), NS)), Ok(()));
    assert_eq!(require(Prerequisite::RrsetAbsent(name("host.example"), A)), Err(Rcode::YX_RRSET));
}

#[test]
fn rfc2136_2_4_4_name_in_use_else_nxdomain() {
    assert_eq!(require(Prerequisite::NameInUse(name("host.example"))), Ok(()));
    assert_eq!(require(Prerequisite::NameInUse(name("none.example"))), Err(Rcode::NX_DOMAIN));
    // "Note that this prerequisite is NOT satisfied by empty nonterminals."
    assert_eq!(require(Prerequisite::NameInUse(name("below.example"))), Err(Rcode::NX_DOMAIN));
}

#[test]
fn rfc2136_2_4_5_name_not_in_use_else_yxdomain() {
    assert_eq!(require(Prerequisite::NameNotInUse(name("none.example"))), Ok(()));
    assert_eq!(require(Prerequisite::NameNotInUse(name("host.example"))), Err(Rcode::YX_DOMAIN));
    // "Note that this prerequisite IS satisfied by empty nonterminals."
    assert_eq!(require(Prerequisite::NameNotInUse(name("below.example"))), Ok(()));
}

#[test]
fn rfc2136_3_2_a_prerequisite_outside_the_zone_is_notzone() {
    assert_eq!(require(Prerequisite::NameInUse(name("host.other"))), Err(Rcode::NOT_ZONE));
    assert_eq!(require(Prerequisite::RrsetAbsent(name("host.badexample"), A)), Err(Rcode::NOT_ZONE));
}

#[test]
fn rfc2136_3_2_the_first_failing_prerequisite_gives_the_code() {
    let fails = [
        (Prerequisite::NameNotInUse(name("host.example")), Rcode::YX_DOMAIN),
        (Prerequisite::NameInUse(name("none.example")), Rcode::NX_DOMAIN),
        (Prerequisite::NameInUse(name("host.other")), Rcode::NOT_ZONE),
    ];
    for (first, code) in &fails {
        for (second, _) in &fails {
            assert_eq!(try_update(vec![first.clone(), second.clone()], vec![]).map(|_| ()), Err(*code));
        }
    }
}

#[test]
fn rfc2136_3_3_what_the_policy_forbids_is_refused_wholly() {
    struct OnlyTxt;
    impl Policy for OnlyTxt {
        fn permits(&self, _zone: &Zone, change: &Change) -> bool {
            matches!(change, Change::Add { rtype: RecordType::TXT, .. })
        }
    }
    let update = Update {
        zone: name("example"),
        prerequisites: vec![],
        changes: vec![add("x.example", TXT, Rdata::txt(&["t"])), add("x.example", A, a(1))],
    };
    assert_eq!(apply(&zone(), &update, &OnlyTxt).map(|_| ()), Err(Rcode::REFUSED));
}

#[test]
fn rfc2136_3_4_1_one_bad_change_and_none_is_made() {
    for (bad, code) in [
        (add("host.other", A, a(1)), Rcode::NOT_ZONE),
        (Change::DeleteName(name("host.other")), Rcode::NOT_ZONE),
        (add("x.example", RecordType::ANY, a(1)), Rcode::FORM_ERR),
        (add("x.example", A, Rdata([1].into())), Rcode::FORM_ERR),
        (add("x.example", RecordType::PTR, Rdata(b"\x01A\x00"[..].into())), Rcode::FORM_ERR),
        (Change::DeleteRrset(name("x.example"), RecordType::AXFR), Rcode::FORM_ERR),
        (Change::DeleteRecord(name("x.example"), RecordType::ANY, a(1)), Rcode::FORM_ERR),
    ] {
        let result = try_update(vec![], vec![add("x.example", A, a(9)), bad.clone()]);
        assert_eq!(result.map(|_| ()), Err(code), "{bad:?}");
    }
}

#[test]
fn rfc2136_3_4_2_2_an_added_record_joins_its_set_and_its_ttl_is_the_sets() {
    let host = name("host.example");
    let (next, _) = change(vec![Change::Add { name: host.clone(), rtype: A, ttl: 60, rdata: a(3) }]);
    assert_eq!(next.rrset(&host, A), Rrset::new(host.clone(), A, 60, vec![a(1), a(2), a(3)]));
    // A known record with another TTL changes the set's.
    let (next, change_of_ttl) = change(vec![Change::Add { name: host.clone(), rtype: A, ttl: 60, rdata: a(1) }]);
    assert_eq!(next.rrset(&host, A), Rrset::new(host, A, 60, vec![a(1), a(2)]));
    assert_eq!(change_of_ttl.unwrap().serial_after, 2);
}

#[test]
fn rfc2136_3_4_2_2_a_known_record_is_no_change() {
    unchanged(vec![add("host.example", A, a(1))]);
}

#[test]
fn rfc2136_3_4_2_2_a_cname_does_not_join_other_data_nor_they_a_cname() {
    unchanged(vec![add("host.example", CNAME, Rdata::cname(&name("x.example")))]);
    unchanged(vec![add("alias.example", A, a(1))]);
    unchanged(vec![add("example", CNAME, Rdata::cname(&name("x.example")))]);
    // A CNAME replaces a CNAME.
    let (next, _) = change(vec![add("alias.example", CNAME, Rdata::cname(&name("x.example")))]);
    assert_eq!(next.set(&name("alias.example"), CNAME).unwrap().rdata.to_vec(), [Rdata::cname(&name("x.example"))]);
}

#[test]
fn rfc2136_3_4_2_2_a_soa_is_taken_at_the_apex_with_a_newer_serial_only() {
    unchanged(vec![add("example", SOA, soa(1))]);
    unchanged(vec![add("example", SOA, soa(0))]);
    unchanged(vec![add("host.example", SOA, soa(9))]);
    let (next, change) = change(vec![add("example", SOA, soa(9))]);
    assert_eq!((next.serial(), change.unwrap().serial_after), (9, 9));
}

#[test]
fn rfc2181_8_a_ttl_with_the_top_bit_set_is_zero() {
    let (next, _) = change(vec![Change::Add { name: name("x.example"), rtype: A, ttl: 1 << 31, rdata: a(1) }]);
    assert_eq!(next.set(&name("x.example"), A).unwrap().ttl, 0);
}

#[test]
fn rfc2136_3_4_2_3_deleting_sets_and_names() {
    let host = name("host.example");
    let (next, _) = change(vec![Change::DeleteRrset(host.clone(), A)]);
    assert_eq!((next.set(&host, A), next.set(&host, TXT).is_some()), (None, true));
    let (next, _) = change(vec![Change::DeleteName(host.clone())]);
    assert_eq!(next.node(&host), None);
    unchanged(vec![Change::DeleteName(name("none.example")), Change::DeleteRrset(host, NS)]);
}

#[test]
fn rfc2136_3_4_2_3_the_apex_keeps_its_soa_and_ns() {
    let apex = name("example");
    unchanged(vec![
        Change::DeleteRrset(apex.clone(), SOA),
        Change::DeleteRrset(apex.clone(), NS),
        Change::DeleteName(apex.clone()),
    ]);
    let (next, _) = change(vec![
        add("example", TXT, Rdata::txt(&["t"])),
        add("example", A, a(1)),
        Change::DeleteName(apex.clone()),
    ]);
    assert_eq!(next, zone());
}

#[test]
fn rfc2136_3_4_2_4_deleting_one_record() {
    let host = name("host.example");
    let (next, _) = change(vec![Change::DeleteRecord(host.clone(), A, a(1))]);
    assert_eq!(next.set(&host, A).unwrap().rdata.to_vec(), [a(2)]);
    let (next, _) =
        change(vec![Change::DeleteRecord(host.clone(), A, a(1)), Change::DeleteRecord(host.clone(), A, a(2))]);
    assert_eq!(next.set(&host, A), None);
    unchanged(vec![Change::DeleteRecord(host, A, a(9))]);
}

#[test]
fn rfc2136_3_4_2_4_the_apex_keeps_its_soa_and_its_last_ns() {
    let apex = name("example");
    let own = Rdata::ns(&name("ns.example"));
    unchanged(vec![Change::DeleteRecord(apex.clone(), SOA, soa(1))]);
    unchanged(vec![Change::DeleteRecord(apex.clone(), NS, own.clone())]);
    let second = Rdata::ns(&name("ns2.example"));
    let (next, _) = change(vec![add("example", NS, second.clone()), Change::DeleteRecord(apex.clone(), NS, own)]);
    assert_eq!(next.set(&apex, NS).unwrap().rdata.to_vec(), [second]);
}

#[test]
fn rfc2136_3_6_the_serial_goes_up_once_for_a_changing_update() {
    let (next, change) = change(vec![add("x.example", A, a(1)), add("y.example", A, a(2))]);
    let change = change.unwrap();
    assert_eq!((change.serial_before, change.serial_after, next.serial()), (1, 2, 2));
    let touched: Vec<_> = change.into_sets().map(|(name, rtype, _)| (name.to_string(), rtype)).collect();
    assert_eq!(touched, [("example.".into(), SOA), ("x.example.".into(), A), ("y.example.".into(), A)]);
}

#[test]
fn rfc2136_3_6_the_serial_wraps_past_zero() {
    let mut zone = zone();
    zone.put(&name("example"), SOA, Some(Rrset::single(name("example"), SOA, 300, soa(u32::MAX))));
    let update = Update { zone: name("example"), prerequisites: vec![], changes: vec![add("x.example", A, a(1))] };
    assert_eq!(apply(&zone, &update, &AllowAll).unwrap().0.serial(), 1);
}

#[test]
fn an_update_that_takes_back_what_it_adds_is_no_change() {
    unchanged(vec![add("x.example", A, a(1)), Change::DeleteName(name("x.example"))]);
    unchanged(vec![]);
}

#[test]
fn changes_are_made_in_their_order() {
    let host = name("host.example");
    let (next, _) = change(vec![Change::DeleteRrset(host.clone(), A), add("host.example", A, a(7))]);
    assert_eq!(next.set(&host, A).unwrap().rdata.to_vec(), [a(7)]);
    // A CNAME may take the place of what the same update deletes.
    let (next, _) =
        change(vec![Change::DeleteName(host.clone()), add("host.example", CNAME, Rdata::cname(&name("x.example")))]);
    assert!(next.set(&host, CNAME).is_some());
}

#[test]
fn the_difference_replayed_gives_the_next_zone() {
    let (next, change) = change(vec![
        Change::DeleteName(name("host.example")),
        add("x.example", A, a(1)),
        Change::DeleteRecord(name("deep.below.example"), A, a(3)),
    ]);
    let mut replayed = zone();
    for (name, rtype, set) in change.unwrap().into_sets() {
        replayed.put(&name, rtype, set);
    }
    assert_eq!(replayed, next);
}

#[test]
fn a_name_that_is_added_comes_to_what_an_update_comes_to_that_claims_it() {
    let (free, used) = (name("free.x.example"), name("host.example"));
    let mut updated = Draft::of(&zone());
    let claim = Update {
        zone: name("example"),
        prerequisites: vec![Prerequisite::NameNotInUse(free.clone())],
        changes: vec![add("free.x.example", A, a(1)), add("free.x.example", TXT, Rdata::txt(&["t"]))],
    };
    updated.apply(&claim, &AllowAll).unwrap();
    let (address, text) = (a(1), Rdata::txt(&["t"]));
    let records = [(A, &*address.0), (TXT, &*text.0)];
    let mut added = Draft::of(&zone());
    assert!(added.add(&free, 300, records));
    assert!(!added.add(&free, 300, records) && !added.add(&used, 300, records), "they own records");
    let other = Update { prerequisites: vec![], changes: vec![add("free.x.example", A, a(2))], ..claim };
    for draft in [&mut updated, &mut added] {
        draft.apply(&other, &AllowAll).unwrap();
    }
    let (updated, added) = (updated.finish(), added.finish());
    assert_eq!(updated, added);
    added.0.check();
    assert_eq!(added.1.unwrap().into_sets().count(), 3, "with the SOA set");
}

#[test]
fn a_zone_without_a_single_readable_soa_is_none() {
    let apex = name("example");
    let ns = Rrset::single(apex.clone(), NS, 1, Rdata::ns(&name("ns.example")));
    assert!(Zone::from_sets(apex.clone(), [ns]).is_err());
    let other = Soa { serial: 9, ..zone().soa().0 };
    let two = Rrset::new(apex.clone(), SOA, 1, vec![soa(1), Rdata::soa(&other)]).unwrap();
    assert!(Zone::from_sets(apex.clone(), [two]).is_err());
    let outside = Rrset::single(name("x.other"), A, 1, a(1));
    assert!(Zone::from_sets(apex, zone().rrsets().chain([outside])).is_err());
}

#[test]
fn rfc6672_2_4_a_dname_replaces_a_dname() {
    let dname = |target: &str| add("d.example", RecordType::DNAME, Rdata::cname(&name(target)));
    let (next, _) = change(vec![dname("one.example"), dname("two.example")]);
    let set = next.rrset(&name("d.example"), RecordType::DNAME).unwrap();
    assert_eq!(set.rdata, [Rdata::cname(&name("two.example"))]);
}

#[test]
fn what_is_only_asked_about_or_stays_as_it_is_is_not_copied() {
    let texts = |count: u16| (0..count).map(|number| Rdata::txt(&[&format!("{number:05}")])).collect();
    let large = Rrset { name: name("a.example"), rtype: TXT, ttl: 60, rdata: texts(3_000) };
    let zone = Zone::from_sets(name("example"), zone().rrsets().chain([large.clone()])).unwrap();
    let mut draft = Draft::of(&zone);
    let (there, one) = (name("a.example"), Rdata::txt(&["00007"]));
    for prerequisite in [
        Prerequisite::RrsetExists(there.clone(), TXT),
        Prerequisite::RrsetIs(there.clone(), TXT, large.rdata),
        Prerequisite::RrsetAbsent(there.clone(), A),
        Prerequisite::NameInUse(there.clone()),
        Prerequisite::NameNotInUse(name("b.example")),
    ] {
        assert_eq!((draft.check_prerequisite(&prerequisite), draft.open.is_none()), (Ok(()), true), "{prerequisite:?}");
    }
    for change in [
        Change::DeleteRecord(there.clone(), TXT, Rdata::txt(&["no such"])),
        Change::DeleteRrset(there.clone(), A),
        Change::DeleteName(name("b.example")),
        Change::Add { name: there.clone(), rtype: TXT, ttl: 60, rdata: one.clone() },
    ] {
        draft.make(&change);
        assert!(draft.open.is_none() && draft.touched.is_empty(), "{change:?}");
    }
    draft.make(&Change::DeleteRecord(there.clone(), TXT, one.clone()));
    draft.make(&Change::Add { name: there, rtype: TXT, ttl: 60, rdata: one });
    assert_eq!(draft.finish().1, None, "taken back");
}
