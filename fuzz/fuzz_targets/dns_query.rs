//! A query in any bytes, asked of zones that have everything in them: octets to octets.

#![no_main]

use std::sync::LazyLock;

use dns::Fqdn;
use hickory_proto::op::{Message, MessageType};
use libfuzzer_sys::fuzz_target;
use zones::master::{self, MasterFile};
use zones::cookie::{Cookies, Secret, Secrets};
use zones::{Asked, Zone, ZoneSet, respond};

const FILES: [(&str, &str); 3] = [
    ("everything.example", include_str!("../../tests/it/zones_beside_bind/everything.zone")),
    ("other.example", include_str!("../../tests/it/zones_beside_bind/other.zone")),
    ("child.everything.example", include_str!("../../tests/it/zones_beside_bind/child.zone")),
];

static ZONES: LazyLock<ZoneSet> = LazyLock::new(|| {
    let mut zones = ZoneSet::new();
    for (apex, text) in FILES {
        let apex: Fqdn = apex.parse().expect("an apex");
        let include = |_: &str| Ok(include_str!("../../tests/it/zones_beside_bind/included.zone").to_owned());
        let read = master::read(&MasterFile { text, file: "zone", apex: &apex, ttl_secs: 3600 }, &include);
        zones.insert(Zone::from_sets(apex, read.expect("a good zone")).expect("an apex with SOA"));
    }
    zones
});

fuzz_target!(|input: &[u8]| {
    ask(input);
    // The same bytes as a question behind a good header, with room for an OPT record.
    let [edns, question @ ..] = input else { return };
    let mut query = vec![0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, edns & 1];
    query.extend_from_slice(question);
    ask(&query);
    // And as the labels of a name in each of the zones.
    for (apex, _) in FILES {
        let apex: Fqdn = apex.parse().expect("an apex");
        let (rtype, labels) = question.split_at(question.len().min(2));
        let mut query = vec![0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        for label in labels.split(|octet| *octet == b'.').filter(|label| !label.is_empty()) {
            let label = &label[..label.len().min(63)];
            query.push(label.len() as u8);
            query.extend_from_slice(label);
        }
        query.extend_from_slice(apex.as_wire());
        query.extend_from_slice(rtype);
        query.extend_from_slice(&[0, 1]);
        ask(&query);
    }
});

fn ask(query: &[u8]) {
    let mut out = Vec::new();
    let secrets = Secrets { current: Secret([1; 16]), other: Some(Secret([2; 16])) };
    for octets_max in [512, 1232, u16::MAX] {
        for (recursion, stream, required) in [(false, false, false), (true, false, true), (false, true, true)] {
            let cookies = Some(Cookies { secrets: &secrets, now: 1_000, required });
            let asked = Asked { recursion, octets_max, stream, cookies, ..Asked::default() };
            let Some(responded) = respond(&ZONES, query, asked, &mut out) else { continue };
            assert!(stream || out.len() <= usize::from(octets_max), "no answer is over the limit");
            assert_eq!(out[..2], query[..2], "the identifier is the question's");
            let asked = Message::from_vec(query).expect("what is answered is a message");
            let answer = Message::from_vec(&out).expect("what is answered can be read");
            assert_eq!(answer.metadata.message_type, MessageType::Response);
            assert_eq!(answer.queries, asked.queries);
            responded.truncate(&mut out);
            let answer = Message::from_vec(&out).expect("what only says that it is truncated can be read");
            assert!(answer.metadata.truncation && answer.queries == asked.queries && answer.answers.is_empty());
        }
    }
}
