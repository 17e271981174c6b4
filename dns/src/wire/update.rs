//! RFC 2136 messages.

use hickory_proto::op::{Message, MessageType, OpCode, Query};
use hickory_proto::rr::{DNSClass, RData, Record, RecordType as WireType};

use super::{WireError, name_from_hickory, name_to_hickory, rdata_from_hickory, rdata_to_hickory};
use crate::{Change, Fqdn, Prerequisite, Rcode, Rdata, RecordType, Update};

/// The message that asks for `update`, not yet signed.
///
/// # Errors
/// [`WireError`] for data that does not fit its type, or a set prerequisite without records.
pub fn update_to_message(update: &Update, id: u16) -> Result<Message, WireError> {
    let mut message = Message::new(id, MessageType::Query, OpCode::Update);
    // Section 2.3: "ZTYPE must be SOA, the ZNAME is the zone's name, and the ZCLASS is the zone's class".
    message.add_query(Query::query(name_to_hickory(&update.zone), WireType::SOA));
    for prerequisite in &update.prerequisites {
        prerequisite_to_records(prerequisite, &mut message.answers)?;
    }
    for change in &update.changes {
        message.authorities.push(change_to_record(change)?);
    }
    Ok(message)
}

/// Reads the zone, prerequisite and update sections of a message (its question, answer and authority
/// sections), checking what can be checked without the zone: class, TTL, data length and type
/// (sections 2.3 to 2.5, 3.1.1, 3.2 and 3.4.1).
///
/// Names outside the zone are left for the zone to refuse. A malformed record is FORMERR even where an
/// earlier prerequisite would have failed: nothing of a malformed message is looked at.
///
/// # Errors
/// The response code to answer with: FORMERR, or NOTAUTH for a class other than IN.
pub fn update_from_sections<'a>(
    zones: impl IntoIterator<Item = (&'a hickory_proto::rr::Name, WireType, DNSClass)>,
    prerequisites: &[Record],
    updates: &[Record],
) -> Result<Update, Rcode> {
    let mut zones = zones.into_iter();
    // Section 3.1.1: "If there is other than one zone record, or its ZTYPE is not SOA, FORMERR".
    let (Some((name, WireType::SOA, class)), None) = (zones.next(), zones.next()) else {
        return Err(Rcode::FORM_ERR);
    };
    // Section 3.1.2: a zone and class that the server does not have is NOTAUTH.
    if class != DNSClass::IN {
        return Err(Rcode::NOT_AUTH);
    }
    let zone = name_from_hickory(name).map_err(|_| Rcode::FORM_ERR)?;
    let prerequisites = read_prerequisites(prerequisites)?;
    let changes = updates.iter().map(read_change).collect::<Result<_, _>>()?;
    Ok(Update { zone, prerequisites, changes })
}

fn read_prerequisites(records: &[Record]) -> Result<Vec<Prerequisite>, Rcode> {
    let mut prerequisites = Vec::with_capacity(records.len());
    // Where the set prerequisite of a name and type stands, so that its records gather in one.
    let mut sets = std::collections::HashMap::new();
    for record in records {
        let Parts { name, rtype, rdata, empty } = read_parts(record)?;
        // Section 3.2.5: "if (rr.ttl != 0) return (FORMERR)".
        if record.ttl != 0 {
            return Err(Rcode::FORM_ERR);
        }
        let prerequisite = match record.dns_class {
            // Section 2.4.4: class ANY, type ANY, no data: the name is in use.
            DNSClass::ANY if empty && rtype == RecordType::ANY => Prerequisite::NameInUse(name),
            // Section 2.4.1: class ANY, a type, no data: the set exists.
            DNSClass::ANY if empty && rtype.is_data() => Prerequisite::RrsetExists(name, rtype),
            // Section 2.4.5: class NONE, type ANY, no data: the name is not in use.
            DNSClass::NONE if empty && rtype == RecordType::ANY => Prerequisite::NameNotInUse(name),
            // Section 2.4.3: class NONE, a type, no data: no such set.
            DNSClass::NONE if empty && rtype.is_data() => Prerequisite::RrsetAbsent(name, rtype),
            // Section 2.4.2: the zone's class, a type and data: together with its likes the exact set.
            DNSClass::IN if !empty && rtype.is_data() => {
                let place = *sets.entry((name.clone(), rtype.0)).or_insert(prerequisites.len());
                if let Some(Prerequisite::RrsetIs(_, _, set)) = prerequisites.get_mut(place) {
                    set.push(rdata);
                    continue;
                }
                Prerequisite::RrsetIs(name, rtype, vec![rdata])
            }
            _ => return Err(Rcode::FORM_ERR),
        };
        prerequisites.push(prerequisite);
    }
    Ok(prerequisites)
}

/// Section 3.4.1.2: a class or type that means nothing in an update is FORMERR, and so is a delete with a
/// TTL, or one of a set or name with data.
fn read_change(record: &Record) -> Result<Change, Rcode> {
    let Parts { name, rtype, rdata, empty } = read_parts(record)?;
    match record.dns_class {
        // Section 2.5.1: the zone's class adds. A record without data is not one: a PTR "delete" of class IN.
        DNSClass::IN if !empty && rtype.is_data() => Ok(Change::Add { name, rtype, ttl: record.ttl, rdata }),
        _ if record.ttl != 0 => Err(Rcode::FORM_ERR),
        // Section 2.5.3: class ANY, type ANY, no data deletes all sets of the name.
        DNSClass::ANY if empty && rtype == RecordType::ANY => Ok(Change::DeleteName(name)),
        // Section 2.5.2: class ANY, a type, no data deletes the set.
        DNSClass::ANY if empty && rtype.is_data() => Ok(Change::DeleteRrset(name, rtype)),
        // Section 2.5.4: class NONE, a type and data deletes that record.
        DNSClass::NONE if !empty && rtype.is_data() => Ok(Change::DeleteRecord(name, rtype, rdata)),
        _ => Err(Rcode::FORM_ERR),
    }
}

struct Parts {
    name: Fqdn,
    rtype: RecordType,
    rdata: Rdata,
    empty: bool,
}

fn read_parts(record: &Record) -> Result<Parts, Rcode> {
    let name = name_from_hickory(&record.name).map_err(|_| Rcode::FORM_ERR)?;
    let (rtype, rdata) = rdata_from_hickory(&record.data).map_err(|_| Rcode::FORM_ERR)?;
    let empty = rdata.0.is_empty();
    Ok(Parts { name, rtype, rdata, empty })
}

fn prerequisite_to_records(prerequisite: &Prerequisite, records: &mut Vec<Record>) -> Result<(), WireError> {
    match prerequisite {
        Prerequisite::RrsetExists(name, rtype) => records.push(without_data(name, *rtype, DNSClass::ANY)),
        Prerequisite::RrsetAbsent(name, rtype) => records.push(without_data(name, *rtype, DNSClass::NONE)),
        Prerequisite::NameInUse(name) => records.push(without_data(name, RecordType::ANY, DNSClass::ANY)),
        Prerequisite::NameNotInUse(name) => records.push(without_data(name, RecordType::ANY, DNSClass::NONE)),
        Prerequisite::RrsetIs(_, _, set) if set.is_empty() => return Err(WireError::EmptySet),
        Prerequisite::RrsetIs(name, rtype, set) => {
            for rdata in set {
                // Section 2.4: "the TTL of a prerequisite is 0".
                records.push(with_data(name, *rtype, DNSClass::IN, 0, rdata)?);
            }
        }
    }
    Ok(())
}

fn change_to_record(change: &Change) -> Result<Record, WireError> {
    match change {
        Change::Add { name, rtype, ttl, rdata } => with_data(name, *rtype, DNSClass::IN, *ttl, rdata),
        Change::DeleteRrset(name, rtype) => Ok(without_data(name, *rtype, DNSClass::ANY)),
        Change::DeleteName(name) => Ok(without_data(name, RecordType::ANY, DNSClass::ANY)),
        Change::DeleteRecord(name, rtype, rdata) => with_data(name, *rtype, DNSClass::NONE, 0, rdata),
    }
}

fn without_data(name: &Fqdn, rtype: RecordType, class: DNSClass) -> Record {
    let data = RData::Update0(WireType::from(rtype.0));
    let mut record = Record::from_rdata(name_to_hickory(name), 0, data);
    record.dns_class = class;
    record
}

fn with_data(name: &Fqdn, rtype: RecordType, class: DNSClass, ttl: u32, rdata: &Rdata) -> Result<Record, WireError> {
    let mut record = Record::from_rdata(name_to_hickory(name), ttl, rdata_to_hickory(rtype, rdata)?);
    record.dns_class = class;
    Ok(record)
}

#[cfg(test)]
mod tests;
