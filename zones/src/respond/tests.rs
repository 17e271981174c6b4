#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use dns::wire::{name_from_hickory, rdata_from_hickory};
use dns::{Rdata, Rrset};
use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::Record;
use hickory_proto::rr::rdata::opt::EdnsOption;
use proptest::prelude::*;

use super::*;
use crate::{NewZone, Zone, cookie};

const ASKED: Asked<'static> = Asked {
    recursion: false,
    octets_max: 1232,
    stream: false,
    source: IpAddr::V4(Ipv4Addr::new(198, 51, 100, 100)),
    cookies: None,
};

fn name(text: &str) -> Fqdn {
    text.parse().unwrap()
}

fn set(owner: &str, rtype: RecordType, rdata: Rdata) -> Rrset {
    Rrset::single(name(owner), rtype, 300, rdata)
}

fn a(last: u8) -> Rdata {
    Rdata::a([192, 0, 2, last].into())
}

fn zones() -> ZoneSet {
    let mut sets = NewZone::new(name("example"), name("ns.example"), vec!["192.0.2.53".parse().unwrap()]).rrsets();
    let many = |last: u8| Rdata::txt(&[format!("text number {last} of a set that is too large for a datagram")]);
    sets.extend([
        set("host.example", RecordType::A, a(1)),
        set("alias.example", RecordType::CNAME, Rdata::cname(&name("host.example"))),
        set("away.example", RecordType::CNAME, Rdata::cname(&name("www.elsewhere"))),
        set("mail.example", RecordType::MX, Rdata::mx(10, &name("host.example"))),
        set("_s.example", RecordType::SRV, Rdata::srv(1, 2, 3, &name("host.example"))),
        set("old.example", RecordType::DNAME, Rdata::cname(&name("new.example"))),
        set("host.new.example", RecordType::A, a(2)),
        set("*.wild.example", RecordType::A, a(3)),
        set("deep.ent.example", RecordType::A, a(4)),
        set("sub.example", RecordType::NS, Rdata::ns(&name("ns.sub.example"))),
        set("ns.sub.example", RecordType::A, a(5)),
        Rrset::new(name("many.example"), RecordType::TXT, 60, (0..100).map(many).collect()).unwrap(),
        Rrset::new(name("some.example"), RecordType::TXT, 60, (0..9).map(many).collect()).unwrap(),
    ]);
    let glue = |number: usize| format!("ns{number}.a-rather-long-label-for-a-server.wide.example");
    let servers: Vec<Fqdn> = (0..16).map(|number| name(&glue(number))).collect();
    let ns = servers.iter().map(Rdata::ns).collect();
    sets.push(Rrset::new(name("wide.example"), RecordType::NS, 60, ns).unwrap());
    sets.extend(servers.iter().map(|server| Rrset::single(server.clone(), RecordType::A, 60, a(9))));
    let mut zones = ZoneSet::new();
    zones.insert(Zone::from_sets(name("example"), sets).unwrap());
    zones
}

/// A query; `edns` is the payload size.
fn query(asked: &[u8], rtype: RecordType, edns: Option<u16>) -> Vec<u8> {
    let mut octets = vec![0xab, 0xcd, 1, 0, 0, 1, 0, 0, 0, 0, 0, u8::from(edns.is_some())];
    octets.extend_from_slice(asked);
    octets.extend_from_slice(&rtype.0.to_be_bytes());
    octets.extend_from_slice(&[0, 1]);
    if let Some(size) = edns {
        octets.extend_from_slice(&[0, 0, 41]);
        octets.extend_from_slice(&size.to_be_bytes());
        octets.extend_from_slice(&[0, 0, 0x80, 0, 0, 0]);
    }
    octets
}

/// What hickory reads of the answer.
fn responded(query: &[u8]) -> Option<(Message, usize)> {
    let mut out = b"left over from the one before".to_vec();
    respond(&zones(), query, ASKED, &mut out).map(|_| (Message::from_vec(&out).unwrap(), out.len()))
}

fn ask(asked: &str, rtype: RecordType, edns: Option<u16>) -> (Message, usize) {
    responded(&query(name(asked).as_wire(), rtype, edns)).unwrap()
}

type Words = Vec<(Fqdn, RecordType, u32, Rdata)>;

fn of_message(records: &[Record]) -> Words {
    let one = |record: &Record| {
        let (rtype, rdata) = rdata_from_hickory(&record.data).unwrap();
        (name_from_hickory(&record.name).unwrap(), rtype, record.ttl, rdata)
    };
    records.iter().map(one).collect()
}

fn of_answer(sets: &[AnswerSet<'_>]) -> Words {
    let each = |set: &AnswerSet<'_>| {
        let (name, rtype, ttl) = (set.name.clone().into_owned(), set.rtype, set.ttl);
        set.rdata.records().to_vec().into_iter().map(move |rdata| (name.clone(), rtype, ttl, rdata)).collect::<Vec<_>>()
    };
    sets.iter().flat_map(each).collect()
}

#[test]
fn a_name_is_answered_in_the_case_in_which_it_was_asked_for() {
    let (message, length) = responded(&query(b"\x04HosT\x07eXample\x00", RecordType::A, None)).unwrap();
    assert_eq!((message.metadata.id, length), (0xabcd, 12 + 18 + 16), "one record, its owner a pointer");
    assert!(message.metadata.authoritative && message.metadata.recursion_desired && message.edns.is_none());
    assert_eq!(message.queries[0].name().to_ascii(), "HosT.eXample.");
    assert_eq!(message.answers[0].name.to_ascii(), "HosT.eXample.");
}

#[test]
fn names_in_data_are_in_the_zones_case_however_it_was_asked() {
    let (message, _) = responded(&query(b"\x05aLIAS\x07eXample\x00", RecordType::A, None)).unwrap();
    assert_eq!(message.answers[0].name.to_ascii(), "aLIAS.eXample.");
    assert_eq!(message.answers[0].data.to_string(), "host.example.");
    assert_eq!(message.answers[1].name.to_ascii(), "host.example.");
}

#[test]
fn rfc6891_6_1_1_an_opt_record_answers_an_opt_record() {
    let (message, _) = ask("host.example", RecordType::A, Some(4096));
    let edns = message.edns.unwrap();
    assert_eq!((edns.max_payload(), edns.version(), edns.flags().dnssec_ok), (1232, 0, true));
}

#[test]
fn rfc2181_9_what_does_not_fit_is_left_out_whole_and_told() {
    for (asked, edns, fits) in [
        ("many.example", Some(4096), false),
        ("some.example", Some(512), false),
        ("some.example", None, false),
        ("some.example", Some(1232), true),
    ] {
        let (message, length) = ask(asked, RecordType::TXT, edns);
        assert_eq!((message.metadata.truncation, message.answers.is_empty()), (!fits, !fits), "{asked} {edns:?}");
        assert!(length <= usize::from(edns.unwrap_or(512).min(1232)));
        assert_eq!(message.edns.is_some(), edns.is_some(), "the OPT record has its room");
    }
}

#[test]
fn rfc9471_3_1_a_referral_whose_glue_does_not_fit_is_truncated() {
    let (message, _) = ask("x.wide.example", RecordType::A, Some(512));
    assert!(message.metadata.truncation && message.authorities.len() == 16 && message.additionals.len() < 16);
    let (message, _) = ask("x.wide.example", RecordType::A, Some(1232));
    assert!(!message.metadata.truncation && message.additionals.len() == 16);
}

#[test]
fn what_is_not_a_plain_question_about_our_zones_is_left_alone() {
    let plain = query(name("host.example").as_wire(), RecordType::A, Some(1232));
    assert!(responded(&plain).is_some());
    let changed = |at: usize, to: u8| {
        let mut octets = plain.clone();
        octets[at] = to;
        octets
    };
    let opt = plain.len() - 11;
    for (why, octets) in [
        ("an answer", changed(2, 0x80)),
        ("another opcode", changed(2, 0x28)),
        ("two questions", changed(5, 2)),
        ("records before", changed(7, 1)),
        ("two additional records", changed(11, 2)),
        ("a pointer for a name", changed(12, 0xc0)),
        ("another class", changed(opt - 1, 3)),
        ("a transfer", changed(opt - 3, 252)),
        ("no OPT record", changed(opt + 2, 1)),
        ("another version of EDNS", changed(opt + 6, 1)),
        ("octets missing", plain[..plain.len() - 1].to_vec()),
        ("octets left over", [&plain[..], b"x"].concat()),
        ("a header alone", plain[..12].to_vec()),
        ("nothing", Vec::new()),
        ("another zone", query(name("www.elsewhere").as_wire(), RecordType::A, None)),
        ("a cookie of a wrong length", {
            let mut octets = plain.clone();
            octets[opt + 10] = 11;
            [&octets[..], &[0, 10, 0, 7, 1, 2, 3, 4, 5, 6, 7]].concat()
        }),
        ("an option that is longer than what is there", {
            let mut octets = plain.clone();
            octets[opt + 10] = 5;
            [&octets[..], &[0, 77, 0, 2, 1]].concat()
        }),
    ] {
        assert!(responded(&octets).is_none(), "{why}");
    }
}

#[test]
fn over_a_connection_nothing_is_truncated_and_any_has_everything() {
    let stream = Asked { stream: true, ..ASKED };
    let ask = |asked: &str, rtype, edns| {
        let mut out = Vec::new();
        respond(&zones(), &query(name(asked).as_wire(), rtype, edns), stream, &mut out).unwrap();
        Message::from_vec(&out).unwrap()
    };
    for edns in [None, Some(512)] {
        let message = ask("many.example", RecordType::TXT, edns);
        assert_eq!((message.metadata.truncation, message.answers.len()), (false, 100));
    }
    assert!(ask("example", RecordType::ANY, None).answers.len() > 1);
}

/// A query with options.
fn query_with(asked: &str, options: &[u8]) -> Vec<u8> {
    let mut octets = query(name(asked).as_wire(), RecordType::A, Some(1232));
    *octets.last_mut().unwrap() = options.len() as u8;
    octets.extend_from_slice(options);
    octets
}

/// The COOKIE option of an answer.
fn cookie_of(message: &Message) -> Option<Vec<u8>> {
    let options = message.edns.as_ref().unwrap().options();
    options.as_ref().iter().find_map(|(_, option)| match option {
        EdnsOption::Unknown(10, data) => Some(data.clone()),
        _ => None,
    })
}

#[test]
fn rfc7873_5_2_a_client_cookie_is_answered_with_a_server_cookie_that_is_good_from_then_on() {
    let secrets = cookie::Secrets { current: cookie::Secret([7; 16]), other: None };
    let (zones, mut out) = (zones(), Vec::new());
    for required in [false, true] {
        let cookies = Some(Cookies { secrets: &secrets, now: 1_000, required });
        let asked = Asked { cookies, ..ASKED };
        // An option that nobody knows is ignored.
        let first = query_with("host.example", &[0, 77, 0, 1, 9, 0, 10, 0, 8, 1, 2, 3, 4, 5, 6, 7, 8]);
        let answered = respond(&zones, &first, asked, &mut out).unwrap();
        let message = Message::from_vec(&out).unwrap();
        assert!(!answered.has_good_cookie);
        let code = if required { ResponseCode::BADCOOKIE } else { ResponseCode::NoError };
        assert_eq!((message.metadata.response_code, message.answers.is_empty()), (code, required));
        let cookie = cookie_of(&message).unwrap();
        assert_eq!((cookie.len(), &cookie[..8]), (24, &[1, 2, 3, 4, 5, 6, 7, 8][..]));
        let again = query_with("host.example", &[&[0, 10, 0, 24][..], &cookie].concat());
        let answered = respond(&zones, &again, asked, &mut out).unwrap();
        let message = Message::from_vec(&out).unwrap();
        assert!(answered.has_good_cookie && message.answers.len() == 1 && cookie_of(&message).unwrap() == cookie);
        // Of somebody else it is not good; and a connection needs none.
        let elsewhere = Asked { source: [192, 0, 2, 1].into(), ..asked };
        assert!(!respond(&zones, &again, elsewhere, &mut out).unwrap().has_good_cookie);
        respond(&zones, &first, Asked { stream: true, ..asked }, &mut out).unwrap();
        assert_eq!(Message::from_vec(&out).unwrap().answers.len(), 1);
    }
}

#[test]
fn an_answer_made_into_a_word_to_use_a_connection_is_no_larger_than_the_query() {
    let (zones, mut out) = (zones(), Vec::new());
    for (asked, edns) in [("host.example", None), ("some.example", Some(1232)), ("nobody.example", Some(512))] {
        let query = query(name(asked).as_wire(), RecordType::TXT, edns);
        let answered = respond(&zones, &query, ASKED, &mut out).unwrap();
        assert_eq!(answered.question(&out), &query[12..12 + name(asked).as_wire().len() + 4]);
        answered.truncate(&mut out);
        let message = Message::from_vec(&out).unwrap();
        assert!(message.metadata.truncation && !message.metadata.authoritative && out.len() <= query.len());
        assert_eq!(message.metadata.response_code, ResponseCode::NoError);
        assert!(message.answers.is_empty() && message.authorities.is_empty());
        assert_eq!((message.queries.len(), message.edns.is_some()), (1, edns.is_some()));
    }
}

#[test]
fn each_sort_of_answer_is_told() {
    let (zones, mut out) = (zones(), Vec::new());
    for (asked, rtype, kind) in [
        ("host.example", RecordType::A, Kind::Answer),
        ("host.example", RecordType::AAAA, Kind::Empty),
        ("nobody.example", RecordType::A, Kind::Missing),
        ("x.sub.example", RecordType::A, Kind::Referral),
        ("some.example", RecordType::TXT, Kind::Answer),
        ("alias.example", RecordType::A, Kind::Answer),
    ] {
        let answered = respond(&zones, &query(name(asked).as_wire(), rtype, None), ASKED, &mut out);
        assert_eq!(answered.unwrap().kind, kind, "{asked}");
    }
}

#[test]
fn an_alias_that_leads_away_is_followed_by_others_for_those_who_may_have_it() {
    let (zones, mut out) = (zones(), Vec::new());
    let away = query(name("away.example").as_wire(), RecordType::A, None);
    assert!(respond(&zones, &away, ASKED, &mut out).is_some());
    assert!(respond(&zones, &away, Asked { recursion: true, ..ASKED }, &mut out).is_none());
    let mut not_desired = away;
    not_desired[2] = 0;
    assert!(respond(&zones, &not_desired, Asked { recursion: true, ..ASKED }, &mut out).is_some());
    assert_eq!(out[3] & 0x80, 0x80, "RA");
}

fn label() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "host", "alias", "away", "mail", "_s", "old", "new", "wild", "ent", "deep", "sub", "ns", "wide", "x", "*",
        "some",
    ])
}

/// A zone of hosts alone, as most are: what is found there without memory of its own.
fn flat_zones() -> ZoneSet {
    let mut zones = zones();
    let mut sets = NewZone::new(name("flat.test"), name("ns.example"), Vec::new()).rrsets();
    for host in ["host", "mail", "ns", "x"] {
        sets.push(set(&format!("{host}.flat.test"), RecordType::A, a(1)));
        sets.push(set(&format!("{host}.flat.test"), RecordType::PTR, Rdata::ptr(&name("old.flat.test"))));
    }
    sets.push(set("alias.flat.test", RecordType::CNAME, Rdata::cname(&name("host.flat.test"))));
    sets.push(set("some.flat.test", RecordType::TXT, Rdata::txt(&["x".repeat(1400)])));
    zones.insert(Zone::from_sets(name("flat.test"), sets).unwrap());
    zones
}

#[test]
fn a_hit_and_a_missing_name_are_found_without_memory_of_their_own() {
    let zones = flat_zones();
    for (asked, rtype, expected) in [
        ("host.flat.test", RecordType::A, true),
        ("host.flat.test", RecordType::AAAA, true),
        ("nobody.flat.test", RecordType::A, true),
        ("deep.nobody.flat.test", RecordType::A, true),
        ("flat.test", RecordType::SOA, true),
        ("alias.flat.test", RecordType::A, false),
        ("flat.test", RecordType::NS, false),
        ("host.flat.test", RecordType::ANY, false),
        // The zone has wildcards, delegations and names without records.
        ("nobody.example", RecordType::A, false),
        ("elsewhere.test", RecordType::A, false),
    ] {
        assert_eq!(plain::find(&zones, name(asked).as_wire(), rtype).is_some(), expected, "{asked} {rtype}");
    }
}

/// A name in a mixture of cases: bit by bit of `cases`.
fn mixed(name: &Fqdn, cases: u64) -> Vec<u8> {
    let turned = |(at, octet): (usize, &u8)| match cases >> (at % 64) & 1 {
        1 => octet.to_ascii_uppercase(),
        _ => *octet,
    };
    name.as_wire().iter().enumerate().map(turned).collect()
}

proptest! {
    #[test]
    fn what_is_found_the_short_way_is_what_the_general_way_finds(
        labels in prop::collection::vec(label(), 0..3),
        apex in prop::sample::select(vec!["flat.test", "example"]),
        rtype in prop::sample::select(vec![1_u16, 2, 5, 6, 12, 15, 16, 28, 33, 39, 43, 255]),
        edns in prop::option::of(prop::sample::select(vec![512_u16, 1232, 4096])),
        cases in prop_oneof![Just(0_u64), any::<u64>()],
    ) {
        let asked = Fqdn::from_labels(labels).unwrap().concat(&name(apex)).unwrap();
        let zones = flat_zones();
        let query = query(&mixed(&asked, cases), RecordType(rtype), edns);
        let (mut short, mut long) = (Vec::new(), Vec::new());
        let read = read(&query).unwrap();
        let writing = Writing { query: &query, read: &read, asked: ASKED, cookie: None };
        let found = respond(&zones, &query, ASKED, &mut short).unwrap();
        prop_assert_eq!(found, general(&zones, writing, &mut long).unwrap());
        prop_assert_eq!(short, long);
    }

    #[test]
    fn the_octets_say_what_the_answer_says(
        labels in prop::collection::vec(label(), 0..3),
        rtype in prop::sample::select(vec![1_u16, 2, 5, 6, 15, 16, 28, 33, 39, 43, 255]),
        edns in prop::option::of(Just(1232_u16)),
    ) {
        let asked = Fqdn::from_labels(labels).unwrap().concat(&name("example")).unwrap();
        let zones = zones();
        let question = Question { name: asked.clone(), rtype: RecordType(rtype) };
        let expected = answer(&zones, &question, QuestionMeta::default());
        let (message, length) = responded(&query(asked.as_wire(), RecordType(rtype), edns)).unwrap();
        prop_assert!(length <= 1232);
        prop_assert_eq!(u16::from(message.metadata.response_code), expected.rcode.unwrap().0);
        prop_assert_eq!(message.metadata.authoritative, expected.authoritative);
        if !message.metadata.truncation {
            prop_assert_eq!(of_message(&message.answers), of_answer(&expected.answers));
            prop_assert_eq!(of_message(&message.authorities), of_answer(&expected.authorities));
        }
        if edns.is_some() {
            prop_assert_eq!(of_message(&message.additionals), of_answer(&expected.additionals));
        }
    }

    #[test]
    fn any_octets_are_answered_or_left_alone_without_a_panic(
        start in prop::sample::select(vec![0_usize, 2, 12, 20]),
        octets in prop::collection::vec(any::<u8>(), 0..80),
    ) {
        let plain = query(name("host.example").as_wire(), RecordType::A, Some(1232));
        let mixed = [&plain[..start], &octets].concat();
        let _ = responded(&mixed);
    }
}
