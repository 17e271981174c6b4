#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use dns::{Prerequisite, Rcode, Rdata, Rrset};

use super::*;
use crate::{NewZone, apply};

fn name(text: &str) -> Fqdn {
    text.parse().unwrap()
}

fn a(last: u8) -> Rdata {
    Rdata::a([192, 0, 2, last].into())
}

/// `example` with www (by the configuration), pc (a lease's) and hand (by hand).
fn zone() -> Zone {
    let mut sets = NewZone::new(name("example"), name("ns.example"), vec!["192.0.2.53".parse().unwrap()]).rrsets();
    for (owner, rtype, rdata) in [
        ("www", RecordType::A, a(1)),
        ("pc", RecordType::A, a(2)),
        ("pc", RecordType::DHCID, Rdata([0, 0, 1, 7].into())),
        ("hand", RecordType::A, a(3)),
        ("hand", RecordType::TXT, Rdata::txt(&["t"])),
    ] {
        sets.push(Rrset::single(name(&format!("{owner}.example")), rtype, 300, rdata));
    }
    Zone::from_sets(name("example"), sets).unwrap()
}

fn add(owner: &str, rtype: RecordType) -> Change {
    let rdata = if rtype == RecordType::TXT { Rdata::txt(&["x"]) } else { a(9) };
    Change::Add { name: name(owner), rtype, ttl: 60, rdata }
}

fn grant(who: Who, names: Names, types: Option<Vec<RecordType>>) -> Rule {
    Rule { grants: true, who: vec![who], names, types }
}

fn key(text: &str) -> Requestor {
    Requestor::Key(name(text))
}

fn of_key(text: &str) -> Who {
    Who::Key(name(text))
}

fn policy(rules: Vec<Rule>) -> UpdatePolicy {
    let protected = [name("www.example"), name("ns.example")].into_iter().collect();
    UpdatePolicy { keys: vec![name("admin")], rules, protected }
}

/// What comes of these changes: NOERROR or why they are refused.
fn judged(policy: &UpdatePolicy, requestor: &Requestor, changes: Vec<Change>) -> String {
    let judged = Judged::new(policy, requestor);
    let update = Update { zone: name("example"), prerequisites: vec![], changes };
    let before = zone();
    match apply(&before, &update, &judged) {
        Ok(_) => "NOERROR".to_owned(),
        Err(Rcode::REFUSED) => judged.refusal().unwrap(),
        Err(other) => other.to_string(),
    }
}

#[test]
fn a_key_of_the_zone_may_change_everything_and_a_strange_one_nothing() {
    let policy = policy(vec![]);
    assert_eq!(judged(&policy, &key("admin"), vec![add("www.example", RecordType::TXT)]), "NOERROR");
    assert_eq!(
        judged(&policy, &key("other"), vec![add("x.example", RecordType::TXT)]),
        "it may change nothing in this zone"
    );
    // Nor does it learn what there is.
    let stranger = key("other");
    let asks = Update {
        zone: name("example"),
        prerequisites: vec![Prerequisite::NameNotInUse(name("hand.example"))],
        changes: vec![],
    };
    assert_eq!(apply(&zone(), &asks, &Judged::new(&policy, &stranger)).unwrap_err(), Rcode::REFUSED);
    assert!(UpdatePolicy::default().is_empty() && !policy.is_empty());
}

#[test]
fn a_rule_is_for_its_names_alone() {
    let cases = [
        (Names { exact: vec![name("x.example")], ..Names::default() }, "x.example", ["y.example", "z.x.example"]),
        (
            Names { subdomains: vec![name("lab.example")], ..Names::default() },
            "a.b.lab.example",
            ["x.example", "alab.example"],
        ),
        (
            Names { subdomains: vec![name("lab.example")], ..Names::default() },
            "lab.example",
            ["x.example", "alab.example"],
        ),
        (
            Names { wildcards: vec![name("*.dyn.example")], ..Names::default() },
            "a.b.dyn.example",
            ["dyn.example", "x.example"],
        ),
        (Names { own: Some(OwnName::Itself), ..Names::default() }, "laptop.example", ["a.laptop.example", "x.example"]),
        (
            Names { own: Some(OwnName::Beneath), ..Names::default() },
            "a.laptop.example",
            ["x.example", "alaptop.example"],
        ),
        (Names { leases: true, ..Names::default() }, "pc.example", ["x.example", "hand.example"]),
    ];
    for (names, granted, denied) in cases {
        let policy = policy(vec![grant(of_key("laptop.example"), names.clone(), None)]);
        let requestor = key("laptop.example");
        assert_eq!(judged(&policy, &requestor, vec![add(granted, RecordType::TXT)]), "NOERROR", "{names:?}");
        for owner in denied {
            let told = judged(&policy, &requestor, vec![add(owner, RecordType::TXT)]);
            assert_eq!(told, format!("no rule of the zone's `update` grants {owner}. TXT"), "{names:?}");
        }
    }
}

#[test]
fn the_first_rule_about_a_record_decides() {
    let deny = Rule {
        grants: false,
        who: vec![Who::Anybody],
        names: Names { exact: vec![name("x.example")], ..Names::default() },
        types: None,
    };
    let all = grant(Who::Anybody, Names::default(), None);
    let denied_first = policy(vec![deny.clone(), all.clone()]);
    let told = judged(&denied_first, &key("k"), vec![add("x.example", RecordType::A)]);
    assert_eq!(told, "rule 1 of the zone's `update` denies x.example. A");
    assert_eq!(judged(&denied_first, &key("k"), vec![add("y.example", RecordType::A)]), "NOERROR");
    let granted_first = policy(vec![all, deny]);
    assert_eq!(judged(&granted_first, &key("k"), vec![add("x.example", RecordType::A)]), "NOERROR");
}

#[test]
fn a_rule_without_types_leaves_soa_ns_and_signatures_alone() {
    let of_types = |types| policy(vec![grant(Who::Anybody, Names::default(), types)]);
    let ns = || vec![Change::DeleteRrset(name("cut.example"), RecordType::NS)];
    assert_eq!(judged(&of_types(None), &key("k"), vec![add("x.example", RecordType::A)]), "NOERROR");
    for rtype in [RecordType::SOA, RecordType::NS, RecordType::DNAME, RecordType::RRSIG, RecordType::NSEC] {
        let told = judged(&of_types(None), &key("k"), vec![Change::DeleteRrset(name("x.example"), rtype)]);
        assert!(told.starts_with("no rule of the zone's"), "{told}");
    }
    assert_eq!(judged(&of_types(Some(vec![RecordType::NS])), &key("k"), ns()), "NOERROR");
    assert_eq!(judged(&of_types(Some(vec![RecordType::ANY])), &key("k"), ns()), "NOERROR");
    let told = judged(&of_types(Some(vec![RecordType::TXT])), &key("k"), vec![add("x.example", RecordType::A)]);
    assert_eq!(told, "no rule of the zone's `update` grants x.example. A");
}

#[test]
fn what_the_configuration_states_is_only_changed_by_a_rule_that_says_its_name() {
    let wide = policy(vec![grant(Who::Anybody, Names::default(), None)]);
    for owner in ["www.example", "ns.example", "example"] {
        let told = judged(&wide, &key("k"), vec![add(owner, RecordType::TXT)]);
        let text = format!("{owner}. TXT is not granted: the configuration states that name");
        assert!(told.starts_with(&text), "{told}");
    }
    assert_eq!(judged(&wide, &key("k"), vec![add("hand.example", RecordType::TXT)]), "NOERROR");
    let said = Names { exact: vec![name("www.example")], ..Names::default() };
    let said = policy(vec![grant(Who::Anybody, said, Some(vec![RecordType::TXT]))]);
    assert_eq!(judged(&said, &key("k"), vec![add("www.example", RecordType::TXT)]), "NOERROR");
}

/// What comes of adding a record that decides about the names beneath its owner.
fn judged_above(rules: Vec<Rule>, owner: &str, rtype: RecordType) -> String {
    let rdata = Rdata(name("evil").as_wire().into());
    judged(&policy(rules), &key("k"), vec![Change::Add { name: name(owner), rtype, ttl: 60, rdata }])
}

#[test]
fn what_decides_about_names_beneath_is_not_added_above_one_that_the_configuration_states() {
    let grant = |names| vec![grant(Who::Anybody, names, Some(vec![RecordType::ANY]))];
    let subdomain = |text: &str| Names { subdomains: vec![name(text)], ..Names::default() };
    let said = |text: &str| Names { exact: vec![name(text)], ..Names::default() };
    let mut above = policy(grant(subdomain("lab.example")));
    above.protected.extend([name("a.www.lab.example")]);
    for rtype in [RecordType::DNAME, RecordType::NS] {
        for owner in ["lab.example", "www.lab.example"] {
            let add = Change::Add { name: name(owner), rtype, ttl: 60, rdata: Rdata(name("evil").as_wire().into()) };
            let told = judged(&above, &key("k"), vec![add]);
            let text = format!("{owner}. {rtype} is not granted: the configuration states a name beneath it");
            assert!(told.starts_with(&text), "{told}");
            // Other types decide about their own name alone, and whoever may change everything may do this too.
            assert_eq!(judged(&above, &key("k"), vec![add_txt(owner)]), "NOERROR");
        }
        assert_eq!(judged_above(grant(subdomain("lab.example")), "lab.example", rtype), "NOERROR", "nothing beneath");
        assert_eq!(judged_above(grant(said("hand.example")), "hand.example", rtype), "NOERROR", "www is beside it");
    }
    let told = judged_above(grant(said("example")), "example", RecordType::DNAME);
    assert!(told.contains("the configuration states a name beneath it"), "{told}");
    assert_eq!(judged_above(grant(said("example")), "example", RecordType::NS), "NOERROR", "the zone's own");
}

fn add_txt(owner: &str) -> Change {
    add(owner, RecordType::TXT)
}

#[test]
fn what_decides_about_names_beneath_is_not_added_above_one_that_a_rule_denies() {
    let deny = |names, types| Rule { grants: false, who: vec![of_key("k")], names, types };
    let all = || grant(Who::Anybody, Names::default(), Some(vec![RecordType::ANY]));
    let exact = |text: &str| Names { exact: vec![name(text)], ..Names::default() };
    for names in [
        exact("a.lab.example"),
        Names { subdomains: vec![name("a.lab.example")], ..Names::default() },
        Names { wildcards: vec![name("*.lab.example")], ..Names::default() },
        Names { wildcards: vec![name("*.example")], ..Names::default() },
        Names { leases: true, ..Names::default() },
        Names::default(),
    ] {
        for rtype in [RecordType::DNAME, RecordType::NS] {
            let rules = vec![deny(names.clone(), Some(vec![RecordType::A])), all()];
            let told = judged_above(rules, "lab.example", rtype);
            let text = format!(
                "lab.example. {rtype} is not granted: it would take names away that rule 1 of the zone's `update` denies"
            );
            assert_eq!(told, text, "{names:?}");
        }
    }
    let dname = RecordType::DNAME;
    assert_eq!(judged_above(vec![deny(exact("b.example"), None), all()], "lab.example", dname), "NOERROR");
    let of_another = Rule { who: vec![of_key("other")], ..deny(exact("a.lab.example"), None) };
    assert_eq!(judged_above(vec![of_another, all()], "lab.example", dname), "NOERROR");
    // The last rule of many lists.
    assert_eq!(judged_above(vec![all(), deny(Names::default(), None)], "lab.example", dname), "NOERROR");
}

#[test]
fn one_record_that_is_not_granted_refuses_the_whole_update() {
    let policy = policy(vec![grant(Who::Anybody, Names::default(), Some(vec![RecordType::TXT]))]);
    let changes = vec![add("x.example", RecordType::TXT), add("x.example", RecordType::A)];
    assert_eq!(judged(&policy, &key("k"), changes), "no rule of the zone's `update` grants x.example. A");
}

#[test]
fn deleting_a_name_needs_a_grant_for_each_type_that_it_has() {
    let of_types = |types: &[RecordType]| policy(vec![grant(Who::Anybody, Names::default(), Some(types.to_vec()))]);
    let delete = |owner: &str| vec![Change::DeleteName(name(owner))];
    let txt = of_types(&[RecordType::TXT]);
    let told = judged(&txt, &key("k"), delete("hand.example"));
    assert_eq!(told, "no rule of the zone's `update` grants hand.example. A");
    assert_eq!(judged(&of_types(&[RecordType::TXT, RecordType::A]), &key("k"), delete("hand.example")), "NOERROR");
    assert_eq!(judged(&txt, &key("k"), delete("nobody.example")), "NOERROR");
    // SOA and NS of the apex stay anyway.
    assert_eq!(judged(&txt, &key("k"), delete("example")), "NOERROR");
}

#[test]
fn what_lies_outside_the_zone_is_notzone_and_not_refused() {
    let policy = policy(vec![grant(Who::Anybody, Names::default(), None)]);
    assert_eq!(judged(&policy, &key("k"), vec![add("x.other", RecordType::A)]), Rcode::NOT_ZONE.to_string());
}

#[test]
fn principals_are_known_by_patterns_and_have_names_of_their_own() {
    let principal = |text: &str| Requestor::Principal(text.to_owned());
    let own = Names { own: Some(OwnName::Itself), ..Names::default() };
    let policy = policy(vec![grant(Who::Principal("host/*@REALM".to_owned()), own.clone(), None)]);
    let pc = principal("host/new.example@REALM");
    assert_eq!(judged(&policy, &pc, vec![add("new.example", RecordType::A)]), "NOERROR");
    let told = judged(&policy, &pc, vec![add("x.example", RecordType::A)]);
    assert_eq!(told, "no rule of the zone's `update` grants x.example. A");
    for stranger in ["host/new.example@OTHER", "user@REALM", "xhost/new.example@REALM"] {
        let told = judged(&policy, &principal(stranger), vec![add("new.example", RecordType::A)]);
        assert_eq!(told, "it may change nothing in this zone", "{stranger}");
    }
    // A key does not become a principal by being called like one.
    assert_eq!(
        judged(&policy, &key("host"), vec![add("new.example", RecordType::A)]),
        "it may change nothing in this zone"
    );
    assert_eq!(principal("PC7$@NASIR.XYZ").own_name(), Some(name("pc7.nasir.xyz")));
    assert_eq!(principal("someone@NASIR.XYZ").own_name(), None);
    assert_eq!(principal("host/x").own_name(), None);
}

#[test]
fn a_star_in_a_pattern_stands_for_any_characters() {
    for (pattern, text, matches) in [
        ("a", "a", true),
        ("a", "ab", false),
        ("*", "", true),
        ("*", "anything", true),
        ("a*", "abc", true),
        ("*c", "abc", true),
        ("a*c", "ac", true),
        ("a*bb*c", "abbbc", true),
        ("a*bb*c", "abc", false),
        ("a*a", "a", false),
        ("a*b*", "acb", true),
    ] {
        assert_eq!(matches_pattern(pattern, text), matches, "{pattern} {text}");
    }
}

fn txt(number: usize) -> Rdata {
    Rdata::txt(&[number.to_string().as_str()])
}

fn add_many(numbers: std::ops::Range<usize>) -> Vec<Change> {
    let add = |number| Change::Add { name: name("x.example"), rtype: RecordType::TXT, ttl: 60, rdata: txt(number) };
    numbers.map(add).collect()
}

#[test]
fn an_update_from_the_network_leads_to_a_thousand_records_of_a_set_at_most() {
    let policy = policy(vec![]);
    let admin = key("admin");
    let update = |changes| Update { zone: name("example"), prerequisites: vec![], changes };
    let apply_to = |zone: &Zone, changes| {
        let judged = Judged::new(&policy, &admin);
        let applied = apply(zone, &update(changes), &judged).map(|(zone, _)| zone);
        applied.map_err(|rcode| (rcode, judged.refusal().unwrap_or_default()))
    };
    let refused = Err((Rcode::REFUSED, format!("x.example. TXT would have more than {RECORDS_MAX} records")));
    let count =
        |zone: Result<Zone, _>| zone.map(|zone| zone.set(&name("x.example"), RecordType::TXT).unwrap().rdata.len());
    // At once and one by one.
    assert_eq!(count(apply_to(&zone(), add_many(0..RECORDS_MAX + 1))), refused);
    let full = apply_to(&zone(), add_many(0..RECORDS_MAX)).unwrap();
    assert_eq!(count(apply_to(&full, add_many(RECORDS_MAX..RECORDS_MAX + 1))), refused);
    // What does not make it larger is granted: the same again, one for another, the whole set anew.
    assert_eq!(count(apply_to(&full, add_many(0..RECORDS_MAX))), Ok(RECORDS_MAX));
    let mut exchange = vec![Change::DeleteRecord(name("x.example"), RecordType::TXT, txt(7))];
    exchange.extend(add_many(RECORDS_MAX..RECORDS_MAX + 1));
    assert_eq!(count(apply_to(&full, exchange)), Ok(RECORDS_MAX));
    for delete in [Change::DeleteRrset(name("x.example"), RecordType::TXT), Change::DeleteName(name("x.example"))] {
        let mut anew = vec![delete];
        anew.extend(add_many(5_000..5_007));
        assert_eq!(count(apply_to(&full, anew)), Ok(7));
    }
    // What the daemon itself writes is not counted; nor may the network let such a set grow.
    let large = apply(&zone(), &update(add_many(0..RECORDS_MAX + 9)), &crate::AllowAll).unwrap().0;
    assert_eq!(count(apply_to(&large, add_many(RECORDS_MAX..RECORDS_MAX + 9))), Ok(RECORDS_MAX + 9));
    assert_eq!(count(apply_to(&large, add_many(2_000..2_001))), refused);
}
