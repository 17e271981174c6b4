//! How long a silent connection stays (RFC 7828, edns-tcp-keepalive), told to whoever asks: a client that knows it need
//! neither open a connection for each question nor find one closed that it wanted to use.

use crate::options;

/// The EDNS option.
pub const OPTION: u16 = 11;

/// Whether a query wants to know it. RFC 7828 section 3.2.1: a client sends the option, without a timeout, "to indicate that
/// it wants to keep the TCP session open"; section 3.1 gives it "a length of 0 or 2 octets", and what has another is none.
#[must_use]
pub fn is_asked(query: &[u8]) -> bool {
    options::data_of(query, OPTION).is_some_and(|data| matches!(data.len(), 0 | 2))
}

/// Tells it in an answer, in units of 100 milliseconds. One without an OPT record, or with a signature behind it, stays as it
/// is.
pub fn tell(message: &mut Vec<u8>, timeout: std::time::Duration) {
    // Longer than an hour and three quarters cannot be said, and is not less.
    let units = u16::try_from(timeout.as_millis() / 100).unwrap_or(u16::MAX);
    options::append(message, OPTION, &units.to_be_bytes());
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use std::time::Duration;

    use hickory_proto::op::{Edns, Message, MessageType, OpCode};
    use hickory_proto::rr::rdata::opt::{EdnsCode, EdnsOption};
    use proptest::prelude::*;

    use super::*;

    fn message(options: &[(u16, &[u8])], edns: bool) -> Vec<u8> {
        let mut message = Message::new(7, MessageType::Query, OpCode::Query);
        if edns {
            let mut edns = Edns::new();
            for (code, data) in options {
                edns.options_mut().insert(EdnsOption::Unknown(*code, data.to_vec()));
            }
            message.edns = Some(edns);
        }
        message.to_vec().unwrap()
    }

    #[test]
    fn rfc7828_3_who_asks_is_told_in_units_of_100_milliseconds() {
        assert!(
            is_asked(&message(&[(OPTION, &[])], true)) && is_asked(&message(&[(10, &[1; 8]), (OPTION, &[0, 9])], true))
        );
        assert!(!is_asked(&message(&[(OPTION, &[0])], true)), "a length that it cannot have");
        assert!(!is_asked(&message(&[(10, &[1; 8])], true)) && !is_asked(&message(&[], false)));
        for (timeout, units) in [(10_000, 100), (500, 5), (0, 0), (99, 0), (7_000_000, u16::MAX)] {
            let mut answer = message(&[(10, &[1; 8])], true);
            tell(&mut answer, Duration::from_millis(timeout));
            let read = Message::from_vec(&answer).unwrap();
            let options = read.edns.as_ref().unwrap().options();
            let told = options.get(EdnsCode::Unknown(OPTION)).or_else(|| options.get(EdnsCode::Keepalive)).cloned();
            assert_eq!(told, Some(EdnsOption::Unknown(OPTION, units.to_be_bytes().to_vec())), "{timeout}");
            assert!(options.as_ref().len() == 2, "the others stay");
        }
        let mut without = message(&[], false);
        tell(&mut without, Duration::from_secs(1));
        assert_eq!(without, message(&[], false), "who knows no EDNS is told nothing");
    }

    proptest! {
        #[test]
        fn any_octets_are_read_and_told_without_a_panic(mut octets in prop::collection::vec(any::<u8>(), 0..200)) {
            let before = octets.len();
            let _ = is_asked(&octets);
            tell(&mut octets, Duration::from_secs(10));
            prop_assert!(octets.len() == before || octets.len() == before + 6);
        }
    }
}
