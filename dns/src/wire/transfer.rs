//! Zone transfers as their client sees them (RFC 5936, RFC 1995): the questions, and what each message of an answer says.

use hickory_proto::op::{Message, MessageType, OpCode, Query};
use hickory_proto::rr::DNSClass;

use super::{WireError, name_from_hickory, name_to_hickory, rdata_from_hickory, rrset_to_records};
use crate::{Fqdn, Rcode, Rdata, RecordType, Rrset};

/// One record of a zone, class IN.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ZoneRecord {
    /// The owner.
    pub name: Fqdn,
    /// The type.
    pub rtype: RecordType,
    /// The time to live in seconds.
    pub ttl: u32,
    /// The data.
    pub rdata: Rdata,
}

/// What one message of an answer says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransferMessage {
    /// The response code.
    pub rcode: Rcode,
    /// AA.
    pub authoritative: bool,
    /// TC.
    pub truncated: bool,
    /// What it says that was asked; the later messages of an answer may say nothing (RFC 5936 section 2.2.1).
    pub question: Option<(Fqdn, RecordType)>,
    /// The answer section, in its order.
    pub records: Vec<ZoneRecord>,
}

/// A question for a zone: its SOA record, all of it (AXFR), or what was changed (IXFR) since `ours`, the SOA set that the
/// asker has. RFC 1995 section 3: "the authority section containing the SOA record of client's version of the zone".
///
/// # Errors
/// [`WireError`] when `ours` is not data of its type.
pub fn zone_question(id: u16, apex: &Fqdn, rtype: RecordType, ours: Option<&Rrset>) -> Result<Message, WireError> {
    let mut message = Message::new(id, MessageType::Query, OpCode::Query);
    message.add_query(Query::query(name_to_hickory(apex), rtype.0.into()));
    if let Some(set) = ours {
        message.authorities.extend(rrset_to_records(set)?);
    }
    Ok(message)
}

/// Reads a message of an answer.
///
/// # Errors
/// [`WireError`] for a record of another class than IN, for data that does not fit its type, and for a message that asks
/// several questions.
pub fn read_transfer(message: &Message) -> Result<TransferMessage, WireError> {
    let question = match message.queries.as_slice() {
        [] => None,
        [one] if one.query_class() == DNSClass::IN => {
            Some((name_from_hickory(one.name())?, RecordType(one.query_type().into())))
        }
        _ => return Err(WireError::Codec("it repeats another question".to_owned())),
    };
    let records = message.answers.iter().map(|record| {
        if record.dns_class != DNSClass::IN {
            return Err(WireError::Codec(format!("a record of class {}", record.dns_class)));
        }
        let (rtype, rdata) = rdata_from_hickory(&record.data)?;
        // RFC 2181 section 8: a TTL with the most significant bit set is zero.
        let ttl = if record.ttl > i32::MAX as u32 { 0 } else { record.ttl };
        Ok(ZoneRecord { name: name_from_hickory(&record.name)?, rtype, ttl, rdata })
    });
    Ok(TransferMessage {
        rcode: Rcode(message.metadata.response_code.into()),
        authoritative: message.metadata.authoritative,
        truncated: message.metadata.truncation,
        question,
        records: records.collect::<Result<_, _>>()?,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use hickory_proto::rr::{Record, rdata::A};

    use super::*;
    use crate::Soa;

    fn name(text: &str) -> Fqdn {
        text.parse().unwrap()
    }

    #[test]
    fn rfc1995_3_a_question_for_changes_says_which_version_the_asker_has() {
        let soa = Soa {
            mname: name("ns.example"),
            rname: name("h.example"),
            serial: 7,
            refresh: 1,
            retry: 2,
            expire: 3,
            minimum: 4,
        };
        let ours = Rrset::single(name("example"), RecordType::SOA, 60, Rdata::soa(&soa));
        let octets = zone_question(5, &name("example"), RecordType::IXFR, Some(&ours)).unwrap().to_vec().unwrap();
        let message = Message::from_vec(&octets).unwrap();
        assert_eq!(message.authorities.len(), 1);
        assert_eq!(rdata_from_hickory(&message.authorities[0].data).unwrap().1.to_soa(), Some(soa));
        assert_eq!(read_transfer(&message).unwrap().question, Some((name("example"), RecordType::IXFR)));
    }

    #[test]
    fn records_of_another_class_and_several_questions_are_no_transfer() {
        let apex = name_to_hickory(&name("example"));
        let a = hickory_proto::rr::RData::A(A([192, 0, 2, 1].into()));
        let mut message = Message::new(5, MessageType::Response, OpCode::Query);
        message.answers.push(Record::from_rdata(apex.clone(), u32::MAX, a.clone()));
        let read = read_transfer(&message).unwrap();
        assert_eq!((read.question, read.records[0].ttl), (None, 0), "RFC 2181 section 8");
        let mut other = Record::from_rdata(apex.clone(), 60, a);
        other.dns_class = DNSClass::CH;
        message.answers.push(other);
        assert!(read_transfer(&message).is_err());
        message.answers.clear();
        for _ in 0..2 {
            message.add_query(Query::query(apex.clone(), hickory_proto::rr::RecordType::AXFR));
        }
        assert!(read_transfer(&message).is_err());
    }
}
