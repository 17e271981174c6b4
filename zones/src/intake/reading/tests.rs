#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use super::*;

pub(crate) fn name(text: &str) -> Fqdn {
    text.parse().unwrap()
}

pub(crate) fn soa(serial: u32) -> ZoneRecord {
    let soa = dns::Soa {
        mname: name("ns.example"),
        rname: name("h.example"),
        serial,
        refresh: 60,
        retry: 30,
        expire: 600,
        minimum: 5,
    };
    ZoneRecord { name: name("example"), rtype: RecordType::SOA, ttl: 60, rdata: Rdata::soa(&soa) }
}

pub(crate) fn ns() -> ZoneRecord {
    let rdata = Rdata::ns(&name("ns.example"));
    ZoneRecord { name: name("example"), rtype: RecordType::NS, ttl: 60, rdata }
}

pub(crate) fn a(owner: &str, last: u8) -> ZoneRecord {
    ZoneRecord { name: name(owner), rtype: RecordType::A, ttl: 60, rdata: Rdata::a([192, 0, 2, last].into()) }
}

fn message(records: Vec<ZoneRecord>) -> TransferMessage {
    TransferMessage { rcode: Rcode::NO_ERROR, authoritative: true, truncated: false, question: None, records }
}

/// Reads messages of these records each.
fn read(wanted: Wanted, messages: &[&[ZoneRecord]]) -> Result<Option<Incoming>, TransferFault> {
    let mut reading = Reading::new(name("example"), wanted, Limits::default(), 0);
    for records in messages {
        if reading.take(1, message(records.to_vec()))? == Progress::Done {
            break;
        }
    }
    Ok(reading.finish())
}

#[test]
fn rfc5936_2_2_a_zone_is_between_two_equal_soa_records() {
    let Ok(Some(Incoming::Whole(sets))) =
        read(Wanted::Whole, &[&[soa(7)], &[ns(), a("a.example", 1)], &[a("a.example", 2), a("a.example", 1), soa(7)]])
    else {
        panic!("a zone")
    };
    assert_eq!(sets.len(), 3, "{sets:?}");
    let of_name = sets.iter().find(|set| set.rtype == RecordType::A).unwrap();
    assert_eq!(of_name.rdata.len(), 2, "doubles count once");
    assert_eq!(read(Wanted::Whole, &[&[soa(7), ns()]]), Ok(None), "it has not ended");
    let changed = read(Wanted::Whole, &[&[soa(7), ns()], &[soa(8)]]);
    assert_eq!(changed, Err(TransferFault::Mixed { first: 7, last: 8 }));
    let behind = read(Wanted::Whole, &[&[soa(7), ns(), soa(7), ns()]]);
    assert_eq!(behind, Err(TransferFault::Behind));
    assert_eq!(read(Wanted::Whole, &[&[soa(7), ns(), soa(7), soa(7)]]), Err(TransferFault::Behind));
}

#[test]
fn a_zone_that_is_not_newer_is_not_read_on() {
    assert_eq!(read(Wanted::WholeIfNewer(7), &[&[soa(7), ns(), soa(7)]]), Ok(Some(Incoming::Current(7))));
    for (serial, ours) in [(7, 7), (6, 7), (u32::MAX, 3)] {
        let current = Ok(Some(Incoming::Current(serial)));
        assert_eq!(read(Wanted::WholeIfNewer(ours), &[&[soa(serial)]]), current);
        assert_eq!(read(Wanted::Since(ours), &[&[soa(serial)]]), current, "RFC 1995 section 2");
    }
    assert!(matches!(read(Wanted::WholeIfNewer(6), &[&[soa(7), ns(), soa(7)]]), Ok(Some(Incoming::Whole(_)))));
    assert!(matches!(read(Wanted::Whole, &[&[soa(7), ns(), soa(7)]]), Ok(Some(Incoming::Whole(_)))));
}

#[test]
fn what_is_no_part_of_the_zone_is_refused_with_all_the_rest() {
    let begin = |records: Vec<ZoneRecord>| read(Wanted::Whole, &[&records]);
    assert_eq!(begin(vec![ns()]), Err(TransferFault::Begin));
    let other = ZoneRecord { name: name("other"), ..soa(7) };
    assert_eq!(begin(vec![other]), Err(TransferFault::Begin));
    assert_eq!(begin(vec![soa(7), a("a.other", 1)]), Err(TransferFault::Outside(name("a.other"))));
    let beneath = ZoneRecord { name: name("a.example"), ..soa(7) };
    assert_eq!(begin(vec![soa(7), beneath]), Err(TransferFault::Type(name("a.example"), RecordType::SOA)));
    let meta = ZoneRecord { rtype: RecordType::OPT, ..a("a.example", 1) };
    assert_eq!(begin(vec![soa(7), meta]), Err(TransferFault::Type(name("a.example"), RecordType::OPT)));
    let unreadable = ZoneRecord { rdata: Rdata([1, 2].into()), ..soa(7) };
    assert_eq!(begin(vec![unreadable]), Err(TransferFault::Soa));
}

#[test]
fn rfc1995_4_changes_are_steps_that_lead_from_our_serial_to_the_newest() {
    let answer = [
        soa(9),
        soa(7),
        a("a.example", 1),
        soa(8),
        a("b.example", 2),
        soa(8),
        a("b.example", 2),
        soa(9),
        a("c.example", 3),
        soa(9),
    ];
    let Ok(Some(Incoming::Steps(steps))) = read(Wanted::Since(7), &[&answer]) else { panic!("steps") };
    let told: Vec<(u32, u32, usize, usize)> =
        steps.iter().map(|step| (step.from, step.to, step.removed.len(), step.added.len())).collect();
    assert_eq!(told, [(7, 8, 1, 1), (8, 9, 1, 1)]);
    let parts: Vec<&[ZoneRecord]> = answer.chunks(1).collect();
    assert_eq!(read(Wanted::Since(7), &parts), Ok(Some(Incoming::Steps(steps))), "a message each");
    let whole = read(Wanted::Since(7), &[&[soa(9), ns(), soa(9)]]);
    assert!(matches!(whole, Ok(Some(Incoming::Whole(_)))), "section 4: the whole zone is an answer too");
}

#[test]
fn changes_that_go_in_circles_or_begin_elsewhere_are_refused() {
    let since = |records: &[ZoneRecord]| read(Wanted::Since(7), &[records]).unwrap_err();
    assert_eq!(since(&[soa(9), soa(6)]), TransferFault::Start { theirs: 6, ours: 7 });
    assert_eq!(since(&[soa(9), soa(7), soa(7)]), TransferFault::Order { from: 7, to: 7, end: 9 });
    assert_eq!(since(&[soa(9), soa(7), soa(6)]), TransferFault::Order { from: 7, to: 6, end: 9 });
    assert_eq!(since(&[soa(9), soa(7), soa(10)]), TransferFault::Order { from: 7, to: 10, end: 9 });
    let back = [soa(9), soa(7), soa(8), soa(8), soa(7)];
    assert_eq!(since(&back), TransferFault::Order { from: 8, to: 7, end: 9 });
    assert_eq!(since(&[soa(9), soa(7), soa(8), soa(7)]), TransferFault::Mixed { first: 9, last: 7 });
    // Half the space of serials at a time, one could come back to where one was.
    let far = soa(7 + (1 << 31));
    assert!(matches!(since(&[soa(9), soa(7), far]), TransferFault::Order { .. }));
    let other_end = ZoneRecord { ttl: 61, ..soa(9) };
    assert_eq!(
        since(&[soa(9), soa(7), soa(9), other_end]),
        TransferFault::Mixed { first: 9, last: 9 },
        "the last record is the first"
    );
}

#[test]
fn limits_of_records_octets_and_time_end_a_transfer_without_end() {
    let limits = Limits { records: 10, octets: 1_000, time_ms: 5_000 };
    let reading = || Reading::new(name("example"), Wanted::Whole, limits, 100);
    let mut many = reading();
    many.take(100, message(vec![soa(7)])).unwrap();
    let outcomes: Vec<_> = (0..10).map(|at| many.take(100, message(vec![a("a.example", at)]))).collect();
    assert_eq!(outcomes.last(), Some(&Err(TransferFault::Records(10))));
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_err()).count(), 1);
    let mut large = reading();
    let text = ZoneRecord { rtype: RecordType::TXT, rdata: Rdata::txt(&["x".repeat(1_000)]), ..a("a.example", 1) };
    assert_eq!(large.take(100, message(vec![soa(7), text])), Err(TransferFault::Octets(1_000)));
    let mut slow = reading();
    assert_eq!(slow.take(5_100, message(vec![soa(7)])), Ok(Progress::More));
    assert_eq!(slow.take(5_101, message(vec![ns()])), Err(TransferFault::Time(5)));
    assert_eq!(reading().take(100, message(vec![])), Err(TransferFault::Empty));
}

#[test]
fn an_answer_to_another_question_and_a_refusal_are_told() {
    let mut reading = Reading::new(name("example"), Wanted::Since(7), Limits::default(), 0);
    let asked = (name("example"), RecordType::AXFR);
    let other = TransferMessage { question: Some(asked.clone()), ..message(vec![soa(7)]) };
    assert_eq!(reading.take(0, other), Err(TransferFault::Question(asked.0, asked.1)));
    let refused = TransferMessage { rcode: Rcode::REFUSED, ..message(vec![]) };
    assert_eq!(reading.take(0, refused), Err(TransferFault::Refused(Rcode::REFUSED)));
    assert!(!reading.has_begun());
}
