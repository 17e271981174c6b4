//! Padding (RFC 7830): octets that say nothing, so that whoever watches an encrypted connection does not tell names by the
//! lengths of messages.

use crate::options::{self, OPTION_HEAD};

/// The EDNS option of padding.
pub const OPTION: u16 = 12;
/// RFC 8467 section 4.1: "the server ... SHOULD pad the corresponding response to a multiple of 468 octets".
pub const ANSWER_BLOCK: usize = 468;
/// RFC 8467 section 4.1: "Clients SHOULD pad queries to the closest multiple of 128 octets".
pub const QUESTION_BLOCK: usize = 128;

/// Whether a query wants its answer padded: it has the option itself (RFC 7830 section 4: "Responders MUST pad DNS responses
/// when the respective DNS query included the 'Padding' option").
#[must_use]
pub fn is_asked(query: &[u8]) -> bool {
    options::data_of(query, OPTION).is_some()
}

/// Pads a message to a multiple of `block` octets, or to the largest message. One without an OPT record, or with a
/// signature behind it, stays as it is: there is no place for an option, or it would not be what was signed.
pub fn pad(message: &mut Vec<u8>, block: usize) {
    let room = usize::from(u16::MAX).saturating_sub(message.len());
    let short_by = (message.len() + OPTION_HEAD).next_multiple_of(block) - message.len();
    if let Some(octets) = short_by.min(room).checked_sub(OPTION_HEAD) {
        options::append(message, OPTION, &vec![0; octets]);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use hickory_proto::op::{Edns, Message, MessageType, OpCode, Query};
    use hickory_proto::rr::rdata::opt::EdnsOption;
    use hickory_proto::rr::rdata::{A, TXT};
    use hickory_proto::rr::{Name, RData, Record, RecordType};
    use proptest::prelude::*;

    use super::*;

    fn message(texts: usize, edns: bool) -> Message {
        let name = Name::from_ascii("www.example.org.").unwrap();
        let mut message = Message::new(7, MessageType::Response, OpCode::Query);
        message.add_query(Query::query(name.clone(), RecordType::A));
        message.add_answer(Record::from_rdata(name.clone(), 60, RData::A(A::new(192, 0, 2, 1))));
        for _ in 0..texts {
            let text = TXT::new(vec!["x".repeat(250)]);
            message.add_answer(Record::from_rdata(name.clone(), 60, RData::TXT(text)));
        }
        if edns {
            let mut edns = Edns::new();
            edns.options_mut().insert(EdnsOption::Unknown(10, vec![1; 8]));
            message.edns = Some(edns);
        }
        message
    }

    #[test]
    fn rfc8467_4_1_an_answer_is_padded_to_whole_blocks_and_read_as_before() {
        for texts in [0, 1, 2, 3, 7, 100] {
            let before = message(texts, true);
            let mut octets = before.to_vec().unwrap();
            assert!(!is_asked(&octets));
            pad(&mut octets, ANSWER_BLOCK);
            assert!(octets.len().is_multiple_of(ANSWER_BLOCK), "{texts}: {}", octets.len());
            assert!(is_asked(&octets));
            let after = Message::from_vec(&octets).unwrap();
            assert!(after.answers == before.answers && after.queries == before.queries, "{texts}");
            let options = after.edns.as_ref().unwrap().options().as_ref();
            assert!(options.iter().any(|(code, _)| u16::from(*code) == 10), "{texts}: the others stay");
        }
    }

    #[test]
    fn what_has_no_opt_record_at_its_end_stays_as_it_is() {
        for message in [message(1, false), {
            let mut signed = message(1, true);
            // Whatever comes behind it.
            let name = Name::from_ascii("key.example.").unwrap();
            signed.add_additional(Record::from_rdata(name, 0, RData::A(A::new(192, 0, 2, 2))));
            signed
        }] {
            let mut octets = message.to_vec().unwrap();
            // hickory writes the OPT record behind all others: as a signature it would be in front of one.
            if message.edns.is_some() {
                let opt = octets.split_off(octets.len() - 23);
                let additional = octets.split_off(octets.len() - (13 + 14));
                octets.extend(opt);
                octets.extend(additional);
            }
            let before = octets.clone();
            pad(&mut octets, ANSWER_BLOCK);
            assert_eq!(octets, before);
        }
    }

    proptest! {
        #[test]
        fn any_octets_are_padded_or_left_alone_without_a_panic(mut octets in prop::collection::vec(any::<u8>(), 0..200)) {
            let before = octets.clone();
            let _ = is_asked(&octets);
            pad(&mut octets, QUESTION_BLOCK);
            prop_assert!(octets == before || octets.len() % QUESTION_BLOCK == 0);
        }
    }
}
