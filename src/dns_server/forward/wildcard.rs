//! Answers that a wildcard of a zone with NSEC records made (RFC 4035 section 5.3.4).
//!
//! hickory's validator checks their signatures, and then asks for a proof that there is no wildcard either, which such an
//! answer cannot have: it takes them for bogus. So they are looked at once more: every set must be signed well, and for each
//! that was made by a wildcard an NSEC record must show that nothing nearer to the name exists.

use hickory_proto::dnssec::Proof;
use hickory_proto::dnssec::rdata::{DNSSECRData, NSEC};
use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::{Name, RData, Record, RecordType};

/// Whether the answer is one, and all of it is proven. The records' proofs are what the validator found of their signatures.
pub(super) fn is_proven(message: &Message) -> bool {
    let nsecs: Vec<(&Name, &NSEC)> = message.authorities.iter().filter_map(secure_nsec).collect();
    let made: Vec<(&Name, usize)> = message.answers.iter().filter_map(made_by_wildcard).collect();
    let is_set = |record: &&Record| record.record_type() != RecordType::RRSIG;
    message.metadata.response_code == ResponseCode::NoError
        && !made.is_empty()
        && message.answers.iter().filter(is_set).all(|record| record.proof == Proof::Secure)
        && made.iter().all(|(name, labels)| nsecs.iter().any(|nsec| shows_nothing_nearer(name, *labels, *nsec)))
}

fn secure_nsec(record: &Record) -> Option<(&Name, &NSEC)> {
    match &record.data {
        RData::DNSSEC(DNSSECRData::NSEC(nsec)) if record.proof == Proof::Secure => Some((&record.name, nsec)),
        _ => None,
    }
}

/// RFC 4035 section 5.3.4: "If the number of labels in an RRset's owner name is greater than the Labels field of the covering
/// RRSIG RR, then the RRset and its covering RRSIG RR were created as a result of wildcard expansion." The name, and how many
/// labels the wildcard has beneath its asterisk.
fn made_by_wildcard(record: &Record) -> Option<(&Name, usize)> {
    let RData::DNSSEC(DNSSECRData::RRSIG(signature)) = &record.data else { return None };
    let labels = usize::from(signature.input().num_labels);
    (labels < usize::from(record.name.num_labels())).then_some((&record.name, labels))
}

/// The same section: the NSEC records must show "that neither an exact match nor a closer wildcard match ... could have been
/// used". One that covers the name shows that it is not there, and its two names are the nearest that are: the name's closest
/// encloser is the longest that it shares with either.
fn shows_nothing_nearer(name: &Name, labels: usize, (owner, nsec): (&Name, &NSEC)) -> bool {
    let next = nsec.next_domain_name();
    // The last one of a zone leads back to its apex, and what is covered is beneath that.
    let is_last = next <= owner;
    let covers = owner < name && if is_last { next.zone_of(name) } else { name < next };
    // RFC 6840 section 4.1: what stands at a delegation, or at a DNAME, says nothing of names beneath.
    let types = nsec.type_set();
    let is_cut = types.contains(RecordType::NS) && !types.contains(RecordType::SOA);
    let redirects = owner.zone_of(name) && (is_cut || types.contains(RecordType::DNAME));
    // A name beneath this one would make it one that exists without records.
    let is_above = name.zone_of(next);
    covers && !redirects && !is_above && shared_labels(name, owner).max(shared_labels(name, next)) <= labels
}

/// How many labels, from the root on, two names share.
fn shared_labels(one: &Name, other: &Name) -> usize {
    let backwards = |name: &Name| name.iter().rev().map(<[u8]>::to_ascii_lowercase).collect::<Vec<_>>();
    backwards(one).iter().zip(&backwards(other)).take_while(|(one, other)| one == other).count()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
mod tests {
    use super::*;

    fn name(text: &str) -> Name {
        Name::from_ascii(text).unwrap()
    }

    fn shows(asked: &str, labels: usize, owner: &str, next: &str, types: &[RecordType]) -> bool {
        let nsec = NSEC::new(name(next), types.iter().copied());
        shows_nothing_nearer(&name(asked), labels, (&name(owner), &nsec))
    }

    #[test]
    fn rfc4035_5_3_4_a_name_that_a_wildcard_stands_for_has_nothing_nearer() {
        let a = [RecordType::A];
        // `*.w.example.` stands for it, and there is nothing between that and `z`.
        assert!(shows("x.w.example.", 2, "*.w.example.", "z.example.", &a));
        assert!(shows("deep.x.w.example.", 2, "*.w.example.", "z.example.", &a));
        // The last one of the zone.
        assert!(shows("x.w.example.", 2, "*.w.example.", "example.", &a));
        // It is not covered; it is there itself; it is another zone's.
        assert!(!shows("x.w.example.", 2, "y.w.example.", "z.example.", &a));
        assert!(!shows("x.w.example.", 2, "x.w.example.", "z.example.", &a));
        assert!(!shows("x.w.example.", 2, "z.other.", "other.", &a));
        // Something nearer is there: `x.w`, with names beneath it, or without records.
        assert!(!shows("deep.x.w.example.", 2, "a.x.w.example.", "z.example.", &a));
        assert!(!shows("x.w.example.", 2, "*.w.example.", "deep.x.w.example.", &a));
        // What is beneath a delegation is another's to prove, and what is beneath a DNAME comes of that.
        assert!(!shows("x.w.example.", 2, "w.example.", "z.example.", &[RecordType::NS]));
        assert!(!shows("x.w.example.", 2, "w.example.", "z.example.", &[RecordType::DNAME]));
        assert!(shows("x.w.example.", 2, "w.example.", "z.example.", &[RecordType::NS, RecordType::SOA]));
    }
}
