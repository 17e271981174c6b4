#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use hickory_proto::op::{Edns, Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::rdata::{A, CNAME, MX, SOA as SoaData, TXT as TxtData};
use hickory_proto::rr::{Name, RData, Record, RecordType as WireType};
use proptest::prelude::*;

use super::*;
use crate::query::Key;

const TERMS: Terms<'static> =
    Terms { age_secs: 0, ttl_max: u32::MAX, stale_ttl: None, octets_max: Some(1232), reason: None, options: &[] };

fn name(text: &str) -> Name {
    Name::from_ascii(text).unwrap()
}

fn asked() -> Outgoing {
    let key = Key::new(&"www.example".parse().unwrap(), dns::RecordType::A, false, false);
    Outgoing::build(&key, 0x0f0f_0f0f_0f0f_1234, true)
}

/// An upstream's message for what was sent.
fn reply(sent: &Outgoing) -> Message {
    let mut message = Message::new(sent.id(), MessageType::Response, OpCode::Query);
    let read = Message::from_vec(&sent.octets).unwrap();
    message.add_query(read.queries[0].clone());
    message.metadata.recursion_available = true;
    message
}

fn chain(sent: &Outgoing) -> Message {
    let mut message = reply(sent);
    message.add_answer(Record::from_rdata(name("www.example."), 300, RData::CNAME(CNAME(name("a.www.example.")))));
    message.add_answer(Record::from_rdata(name("a.www.example."), 60, RData::A(A::new(192, 0, 2, 1))));
    message.add_authority(Record::from_rdata(name("example."), 900, RData::MX(MX::new(1, name("mx.example.")))));
    message.set_edns(Edns::new());
    message
}

fn negative(sent: &Outgoing, ttl: u32, minimum: u32) -> Message {
    let mut message = reply(sent);
    message.metadata.response_code = ResponseCode::NXDomain;
    let soa = SoaData::new(name("ns.example."), name("nobody.example."), 1, 2, 3, 4, minimum);
    message.add_authority(Record::from_rdata(name("example."), ttl, RData::SOA(soa)));
    message
}

fn heard(message: &Message, sent: &Outgoing) -> Result<Heard, Lie> {
    Heard::read(&message.to_vec().unwrap(), sent)
}

fn answer(message: &Message, sent: &Outgoing) -> Answer {
    match heard(message, sent) {
        Ok(Heard::Answer(answer)) => answer,
        other => panic!("{other:?}"),
    }
}

/// Writes it for an asker with other letters.
fn written(answer: &Answer, terms: &Terms<'_>) -> Message {
    let key = Key::new(&"www.example".parse().unwrap(), dns::RecordType::A, false, false);
    let query = Outgoing::build(&key, 0x7777_7777_7777_0042, true);
    let mut out = Vec::new();
    answer.write(&PlainQuery::read(&query.octets).unwrap(), terms, &mut out);
    let message = Message::from_vec(&out).unwrap();
    assert_eq!(message.metadata.id, 0x42);
    message
}

#[test]
fn an_answer_goes_out_with_the_askers_number_and_letters_and_less_time() {
    let sent = asked();
    let answer = answer(&chain(&sent), &sent);
    assert_eq!((answer.ttl_secs, answer.negative), (60, false));
    let message = written(&answer, &Terms { age_secs: 50, ..TERMS });
    assert!(message.metadata.recursion_available && !message.metadata.authoritative);
    let ttls: Vec<u32> = message.answers.iter().chain(&message.authorities).map(|record| record.ttl).collect();
    assert_eq!(ttls, [250, 10, 850]);
    assert_eq!(message.answers[1].data, RData::A(A::new(192, 0, 2, 1)));
    assert!(message.edns.is_some(), "an OPT record for an OPT record");
    let stale = written(&answer, &Terms { age_secs: 500, stale_ttl: Some(30), ..TERMS });
    assert!(stale.answers.iter().all(|record| record.ttl == 30));
    let capped = written(&answer, &Terms { ttl_max: 200, age_secs: 1, ..TERMS });
    assert_eq!(capped.answers[0].ttl, 199);
}

#[test]
fn rfc2308_what_is_not_there_is_kept_as_long_as_its_soa_says() {
    let sent = asked();
    for (ttl, minimum, kept) in [(3600, 60, 60), (30, 60, 30)] {
        let answer = answer(&negative(&sent, ttl, minimum), &sent);
        assert_eq!((answer.ttl_secs, answer.negative), (kept, true));
        assert_eq!(written(&answer, &TERMS).metadata.response_code, ResponseCode::NXDomain);
    }
    // Section 5: "Negative responses without SOA records SHOULD NOT be cached".
    let mut none = reply(&sent);
    none.metadata.response_code = ResponseCode::NXDomain;
    assert_eq!(answer(&none, &sent).ttl_secs, 0);
}

#[test]
fn lies_are_told_apart_and_none_is_an_answer() {
    let sent = asked();
    let octets = chain(&sent).to_vec().unwrap();
    assert!(matches!(Heard::read(&octets, &sent), Ok(Heard::Answer(_))));
    let with = |at: usize, value: u8| {
        let mut octets = octets.clone();
        octets[at] = value;
        Heard::read(&octets, &sent)
    };
    assert_eq!(with(0, octets[0] ^ 1), Err(Lie::Id));
    assert_eq!(with(2, octets[2] & 0x7f), Err(Lie::Id), "a question is no answer");
    assert_eq!(with(13, octets[13] ^ 0x20), Err(Lie::Letters));
    assert_eq!(with(13, b'x'), Err(Lie::Question));
    assert_eq!(with(5, 2), Err(Lie::Question), "two questions");
    assert_eq!(with(7, 9), Err(Lie::Malformed), "records that are not there");
    assert_eq!(Heard::read(&octets[..11], &sent), Err(Lie::Short));
    let long = [&octets[..], &[0]].concat();
    assert_eq!(Heard::read(&long, &sent), Err(Lie::Malformed), "octets behind the end");
    let mut other = chain(&sent);
    other.queries[0] = Query::query(name("www.example."), WireType::AAAA);
    assert!(matches!(heard(&other, &sent), Err(Lie::Question | Lie::Letters)));
    assert_eq!(with(2, octets[2] | 2), Ok(Heard::Truncated));
    assert_eq!(with(3, octets[3] | 5), Ok(Heard::Refusal(Rcode::REFUSED)));
}

#[test]
fn data_that_its_type_forbids_and_names_in_circles_are_malformed() {
    let sent = asked();
    let head = {
        let mut octets = reply(&sent).to_vec().unwrap();
        octets[7] = 1;
        octets
    };
    let record = |owner: &[u8], rtype: u8, data: &[u8]| {
        let mut octets = head.clone();
        octets.extend_from_slice(owner);
        octets.extend_from_slice(&[0, rtype, 0, 1, 0, 0, 0, 9, 0, data.len() as u8]);
        octets.extend_from_slice(data);
        Heard::read(&octets, &sent)
    };
    let at = (head.len() & 0xff) as u8;
    assert!(matches!(record(&[0xc0, 12], 1, &[1, 2, 3, 4]), Ok(Heard::Answer(_))));
    for (owner, rtype, data) in [
        (&[0xc0, 12][..], 1, &[1, 2, 3][..]),
        (&[0xc0, 12], 28, &[1, 2, 3, 4]),
        // A pointer to itself, forwards, into the header.
        (&[0xc0, at], 1, &[1, 2, 3, 4]),
        (&[0xc0, 255], 1, &[1, 2, 3, 4]),
        (&[0xc0, 4], 1, &[1, 2, 3, 4]),
        (&[0x40, 12], 1, &[1, 2, 3, 4]),
        // An alias to a name that ends too soon, that points to itself, that is followed by more.
        (&[0xc0, 12], 5, &[3, b'a']),
        (&[0xc0, 12], 5, &[0xc0, at + 12]),
        (&[0xc0, 12], 5, &[0xc0, 12, 0]),
        (&[0xc0, 12], 16, &[9, b'a']),
        (&[0xc0, 12], 6, &[0, 0, 1]),
        // RFC 8945 and RFC 2930: a signature of a question that was not signed, and types that are only asked for.
        (&[0], 250, &[0; 16]),
        (&[0xc0, 12], 249, &[]),
        (&[0xc0, 12], 255, &[]),
    ] {
        assert_eq!(record(owner, rtype, data), Err(Lie::Malformed), "{owner:?} {rtype} {data:?}");
    }
}

#[test]
fn what_does_not_fit_a_datagram_is_said_to_be_truncated() {
    let sent = asked();
    let mut message = reply(&sent);
    for host in 0..100 {
        message.add_answer(Record::from_rdata(name("www.example."), 300, RData::A(A::new(192, 0, 2, host))));
    }
    let answer = answer(&message, &sent);
    let cut = written(&answer, &TERMS);
    assert!(cut.metadata.truncation && cut.answers.is_empty());
    let whole = written(&answer, &Terms { octets_max: None, ..TERMS });
    assert_eq!((whole.metadata.truncation, whole.answers.len()), (false, 100));
}

#[test]
fn rfc8914_a_reason_goes_with_the_answer() {
    let reason = Reason::new(Reason::BLOCKED, "listed in \"ads\"");
    let answer = Answer::empty(Rcode::NX_DOMAIN, 17, Some(reason));
    let message = written(&answer, &TERMS);
    let edns = message.edns.unwrap();
    let option = edns.option(hickory_proto::rr::rdata::opt::EdnsCode::from(15)).unwrap();
    let hickory_proto::rr::rdata::opt::EdnsOption::Unknown(_, octets) = option else { panic!("{option:?}") };
    assert_eq!(*octets, [&[0, 15][..], b"listed in \"ads\""].concat());
}

/// What hickory reads as the targets of aliases.
fn targets(message: &Message) -> Vec<String> {
    let target = |record: &Record| match &record.data {
        RData::CNAME(target) => Some(target.0.to_ascii().to_ascii_lowercase()),
        _ => None,
    };
    message.answers.iter().filter_map(target).collect()
}

#[test]
fn where_aliases_lead_is_read_from_what_is_kept() {
    let sent = asked();
    let mut message = reply(&sent);
    let links =
        [("www.example.", "A.www.example."), ("a.www.example.", "cdn.elsewhere."), ("cdn.elsewhere.", "x.elsewhere.")];
    for (owner, target) in links {
        message.add_answer(Record::from_rdata(name(owner), 300, RData::CNAME(CNAME(name(target)))));
    }
    let open = answer(&message, &sent);
    assert!(open.has_alias && open.is_open && open.negative);
    let key = Key::new(&"www.example".parse().unwrap(), dns::RecordType::A, false, false);
    let shown = |wire: &[u8]| dns::Fqdn::from_wire(wire).unwrap().to_string();
    let mut told = Vec::new();
    let never = open.view().alias_to(key.name(), |target| {
        told.push(shown(target));
        false
    });
    assert_eq!((told, never), (targets(&message), None));
    let found = open.view().alias_to(key.name(), |target| shown(target) == "cdn.elsewhere.").unwrap();
    assert_eq!(shown(&found), "cdn.elsewhere.");
    assert_eq!(shown(&open.view().end_of_aliases(key.name())), "x.elsewhere.");
    message.add_answer(Record::from_rdata(name("x.elsewhere."), 60, RData::A(A::new(192, 0, 2, 1))));
    assert!(!answer(&message, &sent).is_open);
    // In a circle, and without one.
    let mut circle = reply(&sent);
    circle.add_answer(Record::from_rdata(name("www.example."), 300, RData::CNAME(CNAME(name("www.example.")))));
    assert_eq!(shown(&answer(&circle, &sent).view().end_of_aliases(key.name())), "www.example.");
    assert!(!answer(&negative(&sent, 60, 60), &sent).has_alias);
}

#[test]
fn rfc1034_4_3_1_who_only_names_other_servers_has_not_answered() {
    let sent = asked();
    let ns = || Record::from_rdata(name("example."), 300, RData::NS(hickory_proto::rr::rdata::NS(name("ns.example."))));
    let mut referral = reply(&sent);
    referral.metadata.recursion_available = false;
    referral.add_authority(ns());
    assert_eq!(heard(&referral, &sent), Ok(Heard::Referral));
    // RFC 2308 section 2.2: of one that knows it the same says that there is nothing; and of one that asks others.
    let mut own = referral.clone();
    own.metadata.authoritative = true;
    let mut asking = referral.clone();
    asking.metadata.recursion_available = true;
    let mut with_records = referral;
    with_records.add_answer(Record::from_rdata(name("www.example."), 60, RData::A(A::new(192, 0, 2, 1))));
    for message in [own, asking, with_records] {
        assert!(matches!(heard(&message, &sent), Ok(Heard::Answer(_))), "{message}");
    }
}

proptest! {
    /// Whatever an upstream sends, what goes out is a message that the library reads; and what it does not read either
    /// is no answer here, as far as the types that are looked into go.
    #[test]
    fn octets_that_are_changed_anyhow_never_make_an_unreadable_answer(
        changes in proptest::collection::vec((12usize..200, any::<u8>()), 0..6),
        kind in 0..3,
    ) {
        let sent = asked();
        let message = match kind {
            0 => chain(&sent),
            1 => negative(&sent, 60, 60),
            _ => {
                let mut message = reply(&sent);
                let text = TxtData::new(vec!["some".to_owned(), "words".to_owned()]);
                message.add_answer(Record::from_rdata(name("www.example."), 9, RData::TXT(text)));
                message
            }
        };
        let mut octets = message.to_vec().unwrap();
        for (at, value) in changes {
            if let Some(octet) = octets.get_mut(at) {
                *octet = value;
            }
        }
        if let Ok(Heard::Answer(answer)) = Heard::read(&octets, &sent) {
            let mut out = Vec::new();
            let query = asked();
            answer.write(&PlainQuery::read(&query.octets).unwrap(), &TERMS, &mut out);
            prop_assert!(out.len() <= 1232);
            let asked = PlainQuery::read(&query.octets).unwrap().key;
            let mut told = Vec::new();
            let never = answer.view().alias_to(asked.name(), |target| {
                told.push(target.to_vec());
                false
            });
            prop_assert_eq!(never, None);
            if let Ok(message) = Message::from_vec(&out) {
                prop_assert_eq!(told.len(), targets(&message).len());
            }
            // Types that are changed into others with data of their own are the library's to judge.
            if let Err(error) = Message::from_vec(&out) {
                prop_assert!(Message::from_vec(&octets).is_err(), "{error}");
            }
        }
    }
}

#[test]
fn no_name_is_read_from_the_type_that_was_asked_for() {
    let sent = asked();
    let type_at = (HEADER + sent.question().len() - 4) as u8;
    // The first octet of the type reads like the end of a name.
    let read = |pointer: u8| {
        let mut octets = sent.without_edns().octets;
        (octets[2], octets[7]) = (octets[2] | 0x80, 1);
        octets.extend_from_slice(&[0xc0, pointer, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 1]);
        Heard::read(&octets, &sent)
    };
    assert!(matches!(read(HEADER as u8), Ok(Heard::Answer(_))));
    for octet in 0..4 {
        assert_eq!(read(type_at + octet), Err(Lie::Malformed), "{octet}");
    }
}
