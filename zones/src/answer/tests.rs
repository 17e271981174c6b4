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
    let first = |set: &AnswerSet<'_>| set.rdata.records().to_vec().swap_remove(0);
    let word = |set: &AnswerSet<'_>| match (set.rtype, first(set).to_a(), first(set).to_name()) {
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
fn rfc1034_3_6_2_a_loop_of_cnames_is_told_as_an_error() {
    check("loop1.example", RecordType::A, |answer| {
        assert_eq!((answer.answers.len(), answer.rcode), (2, Some(Rcode::SERV_FAIL)));
    });
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
    if owners.contains(&wildcard) { Some(Some(wildcard)) } else { exists(&wildcard).then_some(None) }
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
                std::str::from_utf8(set.rdata.to_vec()[0].to_txt()?[0]).ok()?.parse().ok()
            })),
            Found::Empty => Some(None),
            Found::Missing => None,
            Found::Cut(..) | Found::Dname(..) => unreachable!("there is none"),
        };
        prop_assert_eq!(found, naive(&zone, &asked));
    }
}

fn dname(owner: &str, target: &str) -> Rrset {
    set(owner, RecordType::DNAME, Rdata::cname(&name(target)))
}

/// `example` with these sets and nothing of [`zones`].
fn only(sets: Vec<Rrset>) -> ZoneSet {
    let mut zones = ZoneSet::new();
    zones.insert(zone_with("example", sets));
    zones
}

fn ask(zones: &ZoneSet, asked: &str, rtype: RecordType) -> (Rcode, Vec<String>, Vec<String>) {
    let question = Question { name: name(asked), rtype };
    let answer = answer(zones, &question, QuestionMeta::default());
    (answer.rcode.unwrap(), words(&answer.answers), words(&answer.additionals))
}

#[test]
fn rfc6672_3_2_a_dname_redirects_what_is_beneath_it_with_a_cname_made_for_the_question() {
    let zones = only(vec![
        dname("old.example", "new.example"),
        set("old.example", RecordType::A, a(1)),
        set("host.new.example", RecordType::A, a(2)),
        // Occluded: RFC 6672 section 2.4.
        set("host.old.example", RecordType::A, a(9)),
    ]);
    let (rcode, answers, _) = ask(&zones, "host.old.example", RecordType::A);
    let chain = ["old.example. DNAME", "host.old.example. CNAME host.new.example.", "host.new.example. A 192.0.2.2"];
    assert_eq!((rcode, answers), (Rcode::NO_ERROR, chain.map(str::to_owned).to_vec()));
    // The owner is not redirected itself.
    assert_eq!(ask(&zones, "old.example", RecordType::A).1, ["old.example. A 192.0.2.1"]);
    let (rcode, answers, _) = ask(&zones, "none.old.example", RecordType::A);
    assert_eq!((rcode, answers.len()), (Rcode::NX_DOMAIN, 2));
}

#[test]
fn rfc6672_2_2_a_substitution_that_overflows_is_yxdomain() {
    let label = "x".repeat(60);
    let zones = only(vec![dname("d.example", &format!("{label}.{label}.{label}.example"))]);
    let (rcode, answers, _) = ask(&zones, &format!("yyy.{label}.d.example"), RecordType::A);
    assert_eq!((rcode, answers), (Rcode::YX_DOMAIN, vec!["d.example. DNAME".to_owned()]));
}

#[test]
fn a_dname_at_the_apex_and_one_that_leads_into_itself_end() {
    let zones = only(vec![dname("example", "other.test")]);
    assert_eq!(ask(&zones, "example", RecordType::SOA).1, ["example. SOA"]);
    let question = Question { name: name("host.example"), rtype: RecordType::A };
    let found = answer(&zones, &question, QuestionMeta::default());
    assert_eq!(found.continue_at, Some(name("host.other.test")));
    let zones = only(vec![dname("d.example", "d.d.example")]);
    assert_eq!(ask(&zones, "x.d.example", RecordType::A).1.len(), 2 * (CNAME_HOPS_MAX + 1));
}

#[test]
fn a_cut_hides_what_is_beneath_it_also_cuts_and_dnames() {
    let zones = only(vec![
        set("sub.example", RecordType::NS, Rdata::ns(&name("ns.elsewhere"))),
        set("deep.sub.example", RecordType::NS, Rdata::ns(&name("ns.other"))),
        dname("d.sub.example", "new.example"),
        set("*.sub.example", RecordType::A, a(9)),
    ]);
    for asked in ["deep.sub.example", "x.deep.sub.example", "x.d.sub.example", "any.sub.example"] {
        let question = Question { name: name(asked), rtype: RecordType::A };
        let found = answer(&zones, &question, QuestionMeta::default());
        assert_eq!(words(&found.authorities), ["sub.example. NS ns.elsewhere."], "{asked}");
        assert!(found.answers.is_empty() && !found.authoritative);
    }
}

#[test]
fn rfc4592_2_2_2_a_wildcard_without_records_of_its_own_is_nodata() {
    let zones = only(vec![set("sub.*.example", RecordType::A, a(1))]);
    assert_eq!(ask(&zones, "x.example", RecordType::A).0, Rcode::NO_ERROR);
    assert_eq!(ask(&zones, "*.example", RecordType::A).0, Rcode::NO_ERROR);
    // Section 2.2.1: the closest encloser is `*` then, and nothing stands under a wildcard beneath it.
    assert_eq!(ask(&zones, "y.*.example", RecordType::A).0, Rcode::NX_DOMAIN);
}

#[test]
fn a_wildcard_alias_is_followed() {
    let zones = only(vec![
        set("*.example", RecordType::CNAME, Rdata::cname(&name("host.example"))),
        set("host.example", RecordType::A, a(1)),
    ]);
    let chain = ["x.example. CNAME host.example.", "host.example. A 192.0.2.1"];
    assert_eq!(ask(&zones, "x.example", RecordType::A).1, chain);
}

#[test]
fn addresses_are_added_for_each_type_that_names_a_host_and_from_wildcards_too() {
    let at = |offset: usize| Rdata([&vec![0; offset][..], name("h.example").as_wire()].concat().into());
    let svcb_of_the_owner = Rdata([0, 1, 0].into());
    let zones = only(vec![
        set("*.example", RecordType::A, a(5)),
        set("mx.example", RecordType::MX, at(2)),
        set("srv.example", RecordType::SRV, at(6)),
        set("afs.example", RecordType(18), at(2)),
        set("https.example", RecordType(65), svcb_of_the_owner),
        set("https.example", RecordType::A, a(6)),
    ]);
    for (asked, rtype) in [("mx.example", 15), ("srv.example", 33), ("afs.example", 18)] {
        assert_eq!(ask(&zones, asked, RecordType(rtype)).2, ["h.example. A 192.0.2.5"], "{asked}");
    }
    assert_eq!(ask(&zones, "https.example", RecordType(65)).2, ["https.example. A 192.0.2.6"]);
}

#[test]
fn glue_is_for_referrals_alone() {
    let zones = only(vec![
        set("sub.example", RecordType::NS, Rdata::ns(&name("ns.sub.example"))),
        set("ns.sub.example", RecordType::A, a(1)),
        set("mx.example", RecordType::MX, Rdata::mx(1, &name("ns.sub.example"))),
    ]);
    assert_eq!(ask(&zones, "x.sub.example", RecordType::A).2, ["ns.sub.example. A 192.0.2.1"]);
    assert!(ask(&zones, "mx.example", RecordType::MX).2.is_empty());
}

#[test]
fn a_question_for_the_alias_itself_or_for_its_proof_is_not_led_on() {
    let zones = only(vec![
        dname("old.example", "new.example"),
        set("host.new.example", RecordType::A, a(2)),
        set("alias.example", RecordType::CNAME, Rdata::cname(&name("host.new.example"))),
    ]);
    for rtype in [RecordType::CNAME, RecordType::ANY] {
        assert_eq!(ask(&zones, "host.old.example", rtype).1.len(), 2, "DNAME and CNAME");
    }
    assert!(ask(&zones, "alias.example", RecordType::NSEC).1.is_empty());
    assert!(ask(&zones, "alias.example", RecordType::RRSIG).1.is_empty());
}

#[test]
fn a_zone_whose_contents_are_not_there_is_neither_elsewhere_nor_without_the_name() {
    let mut zones = ZoneSet::new();
    let at = |zones: &ZoneSet, text: &str| {
        let question = Question { name: text.parse().unwrap(), rtype: RecordType::A };
        let answer = answer(zones, &question, QuestionMeta::default());
        (answer.ours, answer.unavailable)
    };
    let apex: Fqdn = "example".parse().unwrap();
    for why in [Unavailable::NotLoaded, Unavailable::Expired] {
        zones.withhold(&apex, why);
        assert_eq!(at(&zones, "a.example"), (false, Some(why)));
        assert_eq!(zones.place(&apex), Place::Unavailable(why));
        assert!(zones.get(&apex).is_none() && zones.zones().is_empty());
    }
    assert_eq!(at(&zones, "a.other"), (false, None));
    zones.insert(NewZone::new(apex.clone(), apex, vec![]).build().unwrap());
    assert_eq!(at(&zones, "a.example"), (true, None), "and it is there again");
}
