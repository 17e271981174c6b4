//! A primary that lies: any bytes as the messages of a transfer, and any order of records that could stand in one. What is
//! taken all the same is a zone, is stored as it is served, and leads on from the copy that was there.

#![no_main]

use dns::wire::{AnswerStream, TransferMessage, ZoneRecord, read_transfer, sign_request, zone_question};
use dns::{Fqdn, Rcode, Rdata, RecordType, Rrset, Soa};
use libfuzzer_sys::fuzz_target;
use zones::intake::{Incoming, Limits, Progress, Reading, Taken, Wanted, take};
use zones::serial::is_newer;
use zones::{Condensed, NewZone, Zone};

const ID: u16 = 7;
const OURS: u32 = 5;
const LIMITS: Limits = Limits { records: 200, octets: 20_000, time_ms: 1_000 };

fuzz_target!(|input: &[u8]| {
    let Some((&[kind, how], rest)) = input.split_first_chunk() else { return };
    let wanted = match kind % 3 {
        0 => Wanted::Whole,
        1 => Wanted::WholeIfNewer(OURS),
        _ => Wanted::Since(OURS),
    };
    let before = (kind % 2 == 0 || matches!(wanted, Wanted::Since(_))).then(copy);
    let reading = Reading::new(apex(), wanted, LIMITS, 0);
    let incoming = if how % 4 == 0 { messages(reading, rest) } else { records(reading, rest, how) };
    if let Some(incoming) = incoming {
        check(before.as_ref(), wanted, incoming);
    }
});

fn apex() -> Fqdn {
    "example".parse().expect("a name")
}

fn copy() -> Zone {
    let mut new = NewZone::new(apex(), "ns.example".parse().expect("a name"), vec![[192, 0, 2, 1].into()]);
    new.serial = OURS;
    new.build().expect("a zone")
}

/// The bytes as messages of an answer, each behind its length.
fn messages(mut reading: Reading, mut rest: &[u8]) -> Option<Incoming> {
    let question = zone_question(ID, &apex(), reading.question(), None).expect("a question");
    let (_, pending) = sign_request(question, None, 1).expect("a question");
    let mut stream = AnswerStream::new(pending);
    while let Some((length, behind)) = rest.split_first_chunk() {
        let length = usize::from(u16::from_be_bytes(*length)).min(behind.len());
        let (octets, behind) = behind.split_at(length);
        rest = behind;
        // The right number and kind, so that more than the header is read.
        let mut octets = octets.to_vec();
        if let Some(head) = octets.get_mut(..4) {
            head.copy_from_slice(&[0, ID as u8, 0x84, 0]);
        }
        let message = read_transfer(&stream.read(&octets, 1).ok()?).ok()?;
        if reading.take(0, message).ok()? == Progress::Done {
            return reading.finish();
        }
    }
    assert!(reading.finish().is_none(), "what has not ended brings nothing");
    None
}

/// Four octets a record: which, and with what.
fn records(mut reading: Reading, rest: &[u8], how: u8) -> Option<Incoming> {
    for part in rest.chunks(4 * usize::from(how / 4 + 1)) {
        let records: Vec<ZoneRecord> = part.chunks_exact(4).map(|octets| record(octets)).collect();
        let message =
            TransferMessage { rcode: Rcode::NO_ERROR, authoritative: true, truncated: false, question: None, records };
        if reading.take(0, message).ok()? == Progress::Done {
            return reading.finish();
        }
    }
    assert!(reading.finish().is_none(), "what has not ended brings nothing");
    None
}

fn record(octets: &[u8]) -> ZoneRecord {
    let [kind, owner, data, ttl] = octets else { unreachable!("four octets") };
    let owners = ["example", "ns.example", "a.example", "*.a.example", "other"];
    let at = |number: u8| -> Fqdn { owners[usize::from(number) % owners.len()].parse().expect("a name") };
    let (name, rtype, rdata) = match kind % 8 {
        0..=2 => {
            let soa = Soa {
                mname: apex(),
                rname: apex(),
                // Serials near to ours, and half the space away.
                serial: u32::from(data & 0x0f).wrapping_add(u32::from(data & 0x10) << 27),
                refresh: 1,
                retry: 1,
                expire: 1,
                minimum: 1,
            };
            (apex(), RecordType::SOA, Rdata::soa(&soa))
        }
        3 => (apex(), RecordType::NS, Rdata::ns(&at(*data))),
        4 => (at(*owner), RecordType(u16::from(*data)), Rdata([*data].into())),
        5 => (at(*owner), RecordType::CNAME, Rdata::cname(&at(*data))),
        _ => (at(*owner), RecordType::A, Rdata::a([192, 0, 2, *data].into())),
    };
    ZoneRecord { name, rtype, ttl: u32::from(ttl & 3), rdata }
}

fn check(before: Option<&Zone>, wanted: Wanted, incoming: Incoming) {
    if let (Incoming::Current(serial), Wanted::Since(ours) | Wanted::WholeIfNewer(ours)) = (&incoming, wanted) {
        assert!(!is_newer(*serial, ours));
    }
    let Ok(Some(Taken { zone, sets, differences, forget })) = take(&apex(), before, incoming) else { return };
    assert!(zone.set(zone.apex(), RecordType::NS).is_some());
    assert_eq!(Zone::from_sets(apex(), zone.rrsets()).as_ref(), Ok(&zone));
    if wanted != Wanted::Whole {
        assert!(is_newer(zone.serial(), OURS), "no older zone unasked");
    }
    // What is stored, laid over what was, is what is served.
    let mut stored: Vec<Rrset> = before.into_iter().flat_map(Zone::rrsets).collect();
    for (name, rtype, set) in sets {
        stored.retain(|one| (&one.name, one.rtype) != (&name, rtype));
        stored.extend(set);
    }
    assert_eq!(Zone::from_sets(apex(), stored).as_ref(), Ok(&zone));
    // What was cut leaves a gap behind what was there.
    assert!(forget || !differences.is_empty());
    if let (Some(first), Some(last)) = (differences.first(), differences.last()) {
        assert!(forget || first.serial_before == OURS);
        assert_eq!(last.serial_after, zone.serial());
        assert!(differences.windows(2).all(|pair| pair[0].serial_after == pair[1].serial_before));
        assert!(Condensed::new(differences.iter().map(|one| &**one), &zone).is_some());
    }
}
