//! Chains of aliases, link by link: each name that they lead to is validated by what its own zone stands on.
//!
//! An upstream answers with all of a chain at once. What belongs to zones with other trust anchors, or to domains that are not
//! validated, is no proof for the name that was asked for; and that something is not there at the end of a chain has to be
//! proven for the end, not for the name asked for. So an answer is cut where another realm begins, and where a chain ends without
//! records; the rest is asked for by itself.

use hickory_proto::dnssec::Proof;
use hickory_proto::dnssec::rdata::DNSSECRData;
use hickory_proto::op::Message;
use hickory_proto::rr::{Name, RData, Record, RecordType as WireType};

/// By what a name is validated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Realm {
    /// By the anchors of a zone, the one of this number.
    Island(usize),
    /// By the root's.
    Root,
    /// It is not.
    Excluded,
}

/// Where the aliases of an answer lead, from a name on.
pub(super) fn end_of(name: &Name, message: &Message) -> Name {
    let mut end = name.clone();
    // Longer chains than records there are go in circles.
    for _ in 0..message.answers.len() {
        let target = message.answers.iter().find_map(|record| match &record.data {
            RData::CNAME(target) if record.name == end => Some(&target.0),
            _ => None,
        });
        match target {
            Some(target) => end = target.clone(),
            None => break,
        }
    }
    end
}

/// Whether an answer has records of a type at a name.
pub(super) fn has(message: &Message, name: &Name, rtype: WireType) -> bool {
    let is_asked = |record: &Record| {
        record.name == *name
            && (record.record_type() == rtype || rtype == WireType::ANY)
            && (record.record_type() != WireType::RRSIG || rtype == WireType::RRSIG)
    };
    message.answers.iter().any(is_asked)
}

/// Whether an alias alone answers a question of this type.
pub(super) fn is_answered_by_alias(rtype: WireType) -> bool {
    matches!(rtype, WireType::CNAME | WireType::ANY)
}

/// Takes out of an answer to a question what is of another realm than `is_of_it` knows; and what is said not to be there at
/// the end of a chain, since that end is asked for by itself.
pub(super) fn cut(message: &mut Message, (name, rtype): (&Name, WireType), is_of_it: impl Fn(&Name) -> bool) {
    message.answers.retain(|record| is_of_it(&record.name));
    message.authorities.retain(|record| is_of_it(&record.name));
    message.additionals.clear();
    let end = end_of(name, message);
    let is_open = end != *name && !is_answered_by_alias(rtype) && !has(message, &end, rtype);
    // An alias that a wildcard made has its proof there.
    if is_open && !message.answers.iter().any(is_of_wildcard) {
        message.authorities.clear();
    }
}

/// RFC 4035 section 5.3.4.
fn is_of_wildcard(record: &Record) -> bool {
    let RData::DNSSEC(DNSSECRData::RRSIG(signature)) = &record.data else { return false };
    signature.input().num_labels < record.name.num_labels()
}

/// Whether an answer that needs no signatures is about the name that was asked for: the validator looks at whether what
/// stands in it is unsigned, and not at whose it is. Where nothing is said to be there, a zone that holds the name has to say
/// so: no zone above a signed name is unsigned.
pub(super) fn is_about(message: &Message, name: &Name, rtype: WireType) -> bool {
    let end = end_of(name, message);
    let is_of_zone = |record: &Record| record.proof == Proof::Insecure && record.name.zone_of(&end);
    // An alias whose end is asked for by itself says nothing of that.
    end != *name
        || has(message, &end, rtype)
        || message.authorities.is_empty()
        || message.authorities.iter().any(is_of_zone)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
mod tests {
    use hickory_proto::rr::rdata::{A, CNAME, SOA};

    use super::*;

    fn name(text: &str) -> Name {
        Name::from_ascii(text).unwrap()
    }

    fn message(answers: &[(&str, Option<&str>)], authority: Option<&str>) -> Message {
        let mut message = Message::query();
        for (owner, target) in answers {
            let data =
                target.map_or_else(|| RData::A(A::new(192, 0, 2, 1)), |target| RData::CNAME(CNAME(name(target))));
            message.add_answer(Record::from_rdata(name(owner), 60, data));
        }
        if let Some(owner) = authority {
            let soa = SOA::new(name("ns."), name("nobody."), 1, 2, 3, 4, 5);
            let mut record = Record::from_rdata(name(owner), 60, RData::SOA(soa));
            record.proof = Proof::Insecure;
            message.add_authority(record);
        }
        message
    }

    #[test]
    fn a_zone_that_does_not_hold_a_name_cannot_say_that_it_is_not_there() {
        let asked = name("www.signed.example.");
        let is_about = |message: &Message| is_about(message, &asked, WireType::A);
        assert!(!is_about(&message(&[], Some("evil.test."))));
        assert!(!is_about(&message(&[("www.other.example.", None)], Some("evil.test."))));
        assert!(is_about(&message(&[], Some("signed.example."))));
        assert!(is_about(&message(&[("www.signed.example.", None)], Some("evil.test."))));
    }

    #[test]
    fn a_chain_is_cut_where_another_realm_begins_and_where_it_ends_without_records() {
        let asked = name("a.one.");
        let whole =
            || message(&[("a.one.", Some("b.one.")), ("b.one.", Some("c.two.")), ("c.two.", None)], Some("two."));
        let mut cut_off = whole();
        cut(&mut cut_off, (&asked, WireType::A), |owner| name("one.").zone_of(owner));
        assert_eq!((cut_off.answers.len(), cut_off.authorities.len()), (2, 0));
        assert_eq!(end_of(&asked, &cut_off), name("c.two."));
        assert!(!has(&cut_off, &name("c.two."), WireType::A));
        let mut left = whole();
        cut(&mut left, (&asked, WireType::A), |_| true);
        assert_eq!((left.answers.len(), left.authorities.len()), (3, 1));
        assert!(has(&left, &end_of(&asked, &left), WireType::A));
        // Nothing at the end: what says so is asked for by itself.
        let mut open = whole();
        cut(&mut open, (&asked, WireType::AAAA), |_| true);
        assert_eq!((open.answers.len(), open.authorities.len()), (3, 0));
        let circle = message(&[("a.one.", Some("b.one.")), ("b.one.", Some("a.one."))], None);
        assert!([name("a.one."), name("b.one.")].contains(&end_of(&asked, &circle)));
    }
}
