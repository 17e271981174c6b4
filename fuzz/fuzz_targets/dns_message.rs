//! DNS messages in any bytes: read as names, as record data, as updates that are applied to a zone, as answers.

#![no_main]

use dns::wire::{
    rdata_from_hickory, rdata_to_hickory, sign_request, update_from_sections, update_to_message, verify_request,
};
use dns::{Change, Fqdn, Rcode, Rdata, RecordType, TsigAlgorithm, TsigKey, Update};
use hickory_proto::op::Message;
use libfuzzer_sys::fuzz_target;
use zones::{AllowAll, NewZone, Question, QuestionMeta, Zone, ZoneSet};

fuzz_target!(|input: &[u8]| {
    read_name(input);
    read_rdata(input);
    if let Ok(message) = Message::from_vec(input) {
        read_message(&message, input);
    }
});

fn read_name(input: &[u8]) {
    if let Ok((name, used)) = Fqdn::read_wire(input) {
        assert_eq!(name.as_wire().len(), used);
        assert_eq!(name.to_string().parse(), Ok(name.clone()));
        assert_eq!(name.cmp(&name), std::cmp::Ordering::Equal);
        let _ = name.to_reverse_address();
    }
}

fn read_rdata(input: &[u8]) {
    let Some((rtype, rest)) = input.split_first_chunk() else { return };
    let rtype = RecordType(u16::from_be_bytes(*rtype));
    let Ok(rdata) = Rdata::from_wire(rtype, rest) else { return };
    assert_eq!(Rdata::from_wire(rtype, &rdata.0).as_ref(), Ok(&rdata));
    let _ = (rdata.to_soa(), rdata.to_name(), rdata.to_txt(), rdata.to_address(rtype));
    if let Ok(wire) = rdata_to_hickory(rtype, &rdata) {
        let _ = rdata_from_hickory(&wire);
    }
}

fn key() -> TsigKey {
    TsigKey { name: fqdn("k."), algorithm: TsigAlgorithm::HmacSha256, secret: [7; 16].into() }
}

fn fqdn(text: &str) -> Fqdn {
    text.parse().expect("a name")
}

fn read_message(message: &Message, octets: &[u8]) {
    if let Some(signature) = message.signature() {
        // No input is signed with the key.
        assert!(verify_request(octets, signature, [&key()], 1).is_err());
    }
    let (_, pending) = sign_request(Message::query(), Some(&key()), 1).expect("an empty request");
    assert!(pending.read(octets, 1).is_err());
    let sections = message.queries.iter().map(|zone| (zone.name(), zone.query_type(), zone.query_class()));
    let Ok(mut update) = update_from_sections(sections, &message.answers, &message.authorities) else { return };
    // What was read is written as it was read.
    let written = update_to_message(&update, 1).expect("what came off the wire goes onto it");
    let sections = written.queries.iter().map(|zone| (zone.name(), zone.query_type(), zone.query_class()));
    assert_eq!(update_from_sections(sections, &written.answers, &written.authorities), Ok(update.clone()));
    update.prerequisites.clear();
    apply(&update);
}

fn apply(update: &Update) {
    let Ok(zone) = NewZone::new(update.zone.clone(), fqdn("ns.example"), Vec::new()).build() else { return };
    let Ok((next, change)) = zones::apply(&zone, update, &AllowAll) else { return };
    assert_eq!(change.is_some(), next != zone);
    // RFC 2136 section 3.4.2: the apex keeps its SOA and NS, whatever is asked.
    assert!(next.set(next.apex(), RecordType::NS).is_some());
    assert_eq!(Zone::from_sets(update.zone.clone(), next.rrsets()).as_ref(), Ok(&next));
    let mut zones = ZoneSet::new();
    zones.insert(next);
    for change in &update.changes {
        let (Change::Add { name, rtype, .. } | Change::DeleteRrset(name, rtype) | Change::DeleteRecord(name, rtype, _)) =
            change
        else {
            continue;
        };
        let question = Question { name: name.clone(), rtype: *rtype };
        let answer = zones::answer(&zones, &question, QuestionMeta { stream: true });
        // An alias may lead back to itself, and DNAME to a name that is too long.
        let possible = [Rcode::NO_ERROR, Rcode::NX_DOMAIN, Rcode::SERV_FAIL, Rcode::YX_DOMAIN];
        assert!(answer.ours && answer.rcode.is_some_and(|rcode| possible.contains(&rcode)));
        for set in answer.answers.iter().chain(&answer.authorities).chain(&answer.additionals) {
            for rdata in set.rdata.iter() {
                let rdata = Rdata(rdata.into());
                assert!(rdata_to_hickory(set.rtype, &rdata).is_ok(), "what was taken can be served");
            }
        }
    }
}
