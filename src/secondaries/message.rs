//! What secondaries are told and asked.

use dns::wire::{PendingAnswer, name_from_hickory, name_to_hickory, sign_request};
use dns::{Fqdn, TsigKey};
use hickory_proto::op::{Message, MessageType, OpCode, Query};
use hickory_proto::rr::{RData, RecordType};

/// RFC 1996 section 3: a message that says that the zone has changed. `now` is in UTC seconds.
pub(super) fn notify(
    id: u16,
    zone: &Fqdn,
    serial: u32,
    key: Option<&TsigKey>,
    now: u64,
) -> Option<(Vec<u8>, PendingAnswer)> {
    let mut message = Message::new(id, MessageType::Query, OpCode::Notify);
    message.metadata.authoritative = true;
    message.add_query(Query::query(name_to_hickory(zone), RecordType::SOA));
    let made = sign_request(message, key, now);
    made.map_err(|error| tracing::error!("no message about serial {serial} of zone {zone} can be made: {error}")).ok()
}

/// A question for the zone's SOA record.
pub(super) fn ask_serial(id: u16, zone: &Fqdn, key: Option<&TsigKey>, now: u64) -> Option<(Vec<u8>, PendingAnswer)> {
    let mut message = Message::new(id, MessageType::Query, OpCode::Query);
    message.add_query(Query::query(name_to_hickory(zone), RecordType::SOA));
    sign_request(message, key, now).ok()
}

/// The serial that an answer to that question says, with authority.
pub(super) fn read_serial(pending: &PendingAnswer, zone: &Fqdn, octets: &[u8], now: u64) -> Option<u32> {
    let message = pending.read(octets, now).ok().filter(|message| message.metadata.authoritative)?;
    message.answers.iter().find_map(|record| match &record.data {
        RData::SOA(soa) if name_from_hickory(&record.name).as_ref() == Ok(zone) => Some(soa.serial),
        _ => None,
    })
}
