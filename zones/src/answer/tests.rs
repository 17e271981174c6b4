#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::net::IpAddr;

use dns::Rrset;
use proptest::prelude::*;

use super::*;
use crate::NewZone;

fn name(text: &str) -> Fqdn {
    text.parse().unwrap()
}

fn a(last: u8) -> Rdata {
    Rdata::a([192, 0, 2, last].into())
}

fn set(owner: &str, rtype: RecordType, rdata: Rdata) -> Rrset {
    Rrset::single(name(owner), rtype, 300, rdata)
}

fn zone_with(apex: &str, sets: Vec<Rrset>) -> Zone {
    let address: IpAddr = "192.0.2.53".parse().unwrap();
    let mut all = NewZone::new(name(apex), name("ns").concat(&name(apex)).unwrap(), vec![address]).rrsets();
    all.extend(sets);
    Zone::from_sets(name(apex), all).unwrap()
}

fn zones() -> ZoneSet {
    let mut zones = ZoneSet::new();
    zones.insert(zone_with(
        "example",
        vec![
            set("host.example", RecordType::A, a(1)),
            set("host.example", RecordType::TXT, Rdata::txt(&["t"])),
            set("deep.below.example", RecordType::A, a(2)),
            set("alias.example", RecordType::CNAME, Rdata::cname(&name("host.example"))),
            set("away.example", RecordType::CNAME, Rdata::cname(&name("www.elsewhere"))),
            set("across.example", RecordType::CNAME, Rdata::cname(&name("host.other"))),
            set("dangling.example", RecordType::CNAME, Rdata::cname(&name("missing.example"))),
            set("loop1.example", RecordType::CNAME, Rdata::cname(&name("loop2.example"))),
            set("loop2.example", RecordType::CNAME, Rdata::cname(&name("loop1.example"))),
            set("sub.example", RecordType::NS, Rdata::ns(&name("ns.sub.example"))),
            set("ns.sub.example", RecordType::A, a(54)),
            set("*.wild.example", RecordType::A, a(9)),
            set("host.wild.example", RecordType::TXT, Rdata::txt(&["t"])),
            set("mail.example", RecordType::MX, Rdata::mx(10, &name("host.example"))),
        ],
    ));
    zones.insert(zone_with("other", vec![set("host.other", RecordType::A, a(7))]));
    zones.insert(zone_with("inner.example", vec![set("host.inner.example", RecordType::A, a(8))]));
    zones
}

/// Owner, type and data of a section, in words.
fn words(sets: &[AnswerSet<'_>]) -> Vec<String> {
    let word = |set: &AnswerSet<'_>| match (set.rtype, set.rdata[0].to_a(), set.rdata[0].to_name()) {
        (RecordType::A, Some(address), _) => format!("{} A {address}", set.name),
        (RecordType::CNAME | RecordType::NS, _, Some(target)) => format!("{} {} {target}", set.name, set.rtype),
        _ => format!("{} {}", set.name, set.rtype),
    };
    sets.iter().map(word).collect()
}

fn check(question: &str, rtype: RecordType, judge: impl FnOnce(Answer<'_>)) {
    let (zones, question) = (zones(), Question { name: name(question), rtype });
    judge(answer(&zones, &question, QuestionMeta::default()));
}

fn check_negative(question: &str, rtype: RecordType, rcode: Rcode) {
    check(question, rtype, |answer| {
        assert_eq!((answer.rcode, answer.authoritative), (Some(rcode), true), "{question}");
        assert_eq!(words(&answer.answers), Vec::<String>::new());
        assert_eq!(words(&answer.authorities), ["example. SOA"]);
    });
}

#[test]
fn a_name_outside_our_zones_is_not_ours() {
    for outside in ["www.elsewhere", ".", "badexample", "com"] {
        check(outside, RecordType::A, |answer| assert_eq!(answer, Answer::default()));
    }
}

#[test]
fn a_record_is_answered_with_authority() {
    check("HOST.example", RecordType::A, |answer| {
        assert_eq!((answer.rcode, answer.authoritative), (Some(Rcode::NO_ERROR), true));
        assert_eq!(words(&answer.answers), ["host.example. A 192.0.2.1"]);
        assert!(answer.authorities.is_empty() && answer.additionals.is_empty());
    });
}

#[test]
fn the_longest_apex_answers() {
    check("host.inner.example", RecordType::A, |answer| {
        assert_eq!(words(&answer.answers), ["host.inner.example. A 192.0.2.8"]);
    });
    check("missing.inner.example", RecordType::A, |answer| {
        assert_eq!(words(&answer.authorities), ["inner.example. SOA"]);
    });
}

#[test]
fn rfc2308_a_missing_name_is_nxdomain_with_soa_and_the_lower_ttl() {
    check_negative("missing.example", RecordType::A, Rcode::NX_DOMAIN);
    check("missing.example", RecordType::A, |answer| assert_eq!(answer.authorities[0].ttl, 60));
}

#[test]
fn rfc2308_a_missing_type_is_nodata() {
    check_negative("host.example", RecordType::AAAA, Rcode::NO_ERROR);
}

#[test]
fn rfc4592_2_2_2_an_empty_non_terminal_is_nodata() {
    check_negative("below.example", RecordType::A, Rcode::NO_ERROR);
    check_negative("wild.example", RecordType::A, Rcode::NO_ERROR);
}

#[test]
fn cname_chains_are_followed_within_and_across_our_zones() {
    check("alias.example", RecordType::A, |answer| {
        assert_eq!(words(&answer.answers), ["alias.example. CNAME host.example.", "host.example. A 192.0.2.1"]);
    });
    check("across.example", RecordType::A, |answer| {
        assert_eq!(words(&answer.answers), ["across.example. CNAME host.other.", "host.other. A 192.0.2.7"]);
    });
    check("alias.example", RecordType::CNAME, |answer| {
        assert_eq!(words(&answer.answers), ["alias.example. CNAME host.example."]);
    });
}

#[test]
fn rfc6604_3_the_code_is_that_of_the_chains_end() {
    check("dangling.example", RecordType::A, |answer| {
        assert_eq!(answer.rcode, Some(Rcode::NX_DOMAIN));
        assert_eq!(words(&answer.answers), ["dangling.example. CNAME missing.example."]);
        assert_eq!(words(&answer.authorities), ["example. SOA"]);
    });
}

#[test]
fn a_chain_that_leaves_our_zones_says_where_it_goes_on() {
    check("away.example", RecordType::A, |answer| {
        assert_eq!(words(&answer.answers), ["away.example. CNAME www.elsewhere."]);
        assert_eq!(answer.continue_at, Some(name("www.elsewhere")));
        assert_eq!((answer.rcode, answer.authoritative), (Some(Rcode::NO_ERROR), true));
    });
}

#[test]
fn a_loop_of_cnames_ends() {
    check("loop1.example", RecordType::A, |answer| assert_eq!(answer.answers.len(), 2));
}

#[test]
fn a_long_chain_ends() {
    let link = |from: usize| {
        set(&format!("c{from}.example"), RecordType::CNAME, Rdata::cname(&name(&format!("c{}.example", from + 1))))
    };
    let mut zones = ZoneSet::new();
    zones.insert(zone_with("example", (0..100).map(link).collect()));
    let question = Question { name: name("c0.example"), rtype: RecordType::A };
    assert_eq!(answer(&zones, &question, QuestionMeta::default()).answers.len(), CNAME_HOPS_MAX + 1);
}

#[test]
fn rfc1034_4_3_2_a_cut_is_referred_with_glue() {
    for beneath in ["a.b.sub.example", "sub.example", "ns.sub.example"] {
        check(beneath, RecordType::A, |answer| {
            assert_eq!((answer.rcode, answer.authoritative), (Some(Rcode::NO_ERROR), false));
            assert!(answer.answers.is_empty());
            assert_eq!(words(&answer.authorities), ["sub.example. NS ns.sub.example."]);
            assert_eq!(words(&answer.additionals), ["ns.sub.example. A 192.0.2.54"]);
        });
    }
    // RFC 4035 section 3.1.4.1: DS stands above the cut.
    check_negative("sub.example", DS, Rcode::NO_ERROR);
}

#[test]
fn ns_and_mx_bring_addresses() {
    check("example", RecordType::NS, |answer| {
        assert_eq!(words(&answer.answers), ["example. NS ns.example."]);
        assert_eq!(words(&answer.additionals), ["ns.example. A 192.0.2.53"]);
    });
    check("mail.example", RecordType::MX, |answer| {
        assert_eq!(words(&answer.additionals), ["host.example. A 192.0.2.1"]);
    });
}

#[test]
fn rfc4592_a_wildcard_answers_for_missing_names_beneath_its_parent() {
    for asked in ["x.wild.example", "y.x.wild.example"] {
        check(asked, RecordType::A, |answer| {
            assert_eq!(words(&answer.answers), [format!("{asked}. A 192.0.2.9")]);
        });
    }
    check("*.wild.example", RecordType::A, |answer| {
        assert_eq!(words(&answer.answers), ["*.wild.example. A 192.0.2.9"]);
    });
    check_negative("x.wild.example", RecordType::AAAA, Rcode::NO_ERROR);
}

#[test]
fn rfc4592_2_2_1_a_wildcard_does_not_answer_for_or_beneath_existing_names() {
    check_negative("host.wild.example", RecordType::A, Rcode::NO_ERROR);
    check_negative("x.host.wild.example", RecordType::A, Rcode::NX_DOMAIN);
}

#[test]
fn rfc8482_any_shows_one_set_over_udp_and_all_over_a_connection() {
    let zones = zones();
    let question = Question { name: name("host.example"), rtype: RecordType::ANY };
    assert_eq!(answer(&zones, &question, QuestionMeta { stream: false }).answers.len(), 1);
    assert_eq!(answer(&zones, &question, QuestionMeta { stream: true }).answers.len(), 2);
    check_negative("missing.example", RecordType::ANY, Rcode::NX_DOMAIN);
}

/// The same lookup by looking at every name of the zone: the answering node's owner, or how it is missing.
fn naive(zone: &Zone, asked: &Fqdn) -> Option<Option<Fqdn>> {
    let owners: std::collections::BTreeSet<Fqdn> = zone.rrsets().map(|set| set.name).collect();
    if owners.contains(asked) {
        return Some(Some(asked.clone()));
    }
    let exists = |name: &Fqdn| owners.iter().any(|owner| owner.is_within(name));
    if exists(asked) {
        return Some(None);
    }
    let mut encloser = asked.parent().unwrap();
    while !exists(&encloser) {
        encloser = encloser.parent().unwrap();
    }
    let wildcard = encloser.prepend_label(b"*").unwrap();
    owners.contains(&wildcard).then_some(Some(wildcard))
}

prop_compose! {
    fn owner()(labels in prop::collection::vec(prop::sample::select(vec!["a", "b", "*", "c-d", "z"]), 1..4)) -> Fqdn {
        Fqdn::from_labels(labels).unwrap().concat(&"example".parse().unwrap()).unwrap()
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn neighbours_find_what_a_full_scan_finds(
        owners in prop::collection::vec(owner(), 0..12),
        removed in prop::collection::vec(any::<prop::sample::Index>(), 0..4),
        asked in owner(),
    ) {
        let own = |owner: &Fqdn| Rrset::single(owner.clone(), RecordType::TXT, 1, Rdata::txt(&[owner.to_string()]));
        let mut zone = zone_with("example", owners.iter().map(own).collect());
        for index in removed {
            if !owners.is_empty() {
                zone.put(index.get(&owners), RecordType::TXT, None);
            }
        }
        let found = match find(&zone, &asked, RecordType::TXT) {
            Found::Node(node) => Some(node.sets().last().and_then(|set| {
                std::str::from_utf8(set.rdata[0].to_txt()?[0]).ok()?.parse().ok()
            })),
            Found::Empty => Some(None),
            Found::Missing => None,
            Found::Cut(..) => unreachable!("there is none"),
        };
        prop_assert_eq!(found, naive(&zone, &asked));
    }
}
