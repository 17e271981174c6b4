//! Replies that wait: the offers of a server that lets another one be first.

use std::collections::BTreeMap;

use crate::core::pipeline::Departure;

/// How many replies wait at once. One more leaves at once: then there are so many clients without an answer that the other
/// server seems to need help.
pub const DELAYED_MAX: usize = 4_096;

/// See the module.
#[derive(Debug, Default)]
pub struct Delayed {
    /// By boot milliseconds and the order in which they came.
    waiting: BTreeMap<(u64, u64), Departure>,
    kept: u64,
}

impl Delayed {
    /// Keeps a reply that is to wait; returns one that leaves now.
    pub fn keep(&mut self, now_ms: u64, departure: Departure) -> Option<Departure> {
        if departure.reply.delay_ms == 0 || self.waiting.len() >= DELAYED_MAX {
            return Some(departure);
        }
        self.kept += 1;
        let due = now_ms.saturating_add(departure.reply.delay_ms.into());
        self.waiting.insert((due, self.kept), departure);
        None
    }

    /// None of them leaves: their clients ask again.
    pub fn clear(&mut self) {
        self.waiting.clear();
    }

    /// When the first of them is due, in boot milliseconds.
    #[must_use]
    pub fn next_due(&self) -> Option<u64> {
        self.waiting.first_key_value().map(|((due, _), _)| *due)
    }

    /// The next one that is due by now.
    pub fn take_due(&mut self, now_ms: u64) -> Option<Departure> {
        let first = self.waiting.first_entry().filter(|first| first.key().0 <= now_ms)?;
        Some(first.remove())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
mod tests {
    use std::net::Ipv4Addr;
    use std::sync::Arc;

    use dhcp::client::ClientMessage;
    use dhcp::destination::Destination;
    use dhcp::identity::HardwareAddress;
    use dhcp::message::{Message, MessageType};
    use dhcp::reply::Reply;

    use super::*;
    use crate::core::pipeline::Link;

    fn departure(xid: u32, delay_ms: u32) -> Departure {
        let hardware = HardwareAddress::new(1, &[2, 0, 0, 0, 0, 1]).unwrap();
        let mut datagram = Vec::new();
        ClientMessage::new(MessageType::Discover, xid, hardware).encode(&mut datagram);
        let message = Message::parse(&datagram).unwrap();
        Departure {
            link: Arc::new(Link { name: "eth0".into(), index: 2, addresses: Vec::new() }),
            asked: Ipv4Addr::BROADCAST,
            reply: Reply { delay_ms, ..Reply::answering(&message, MessageType::Offer, Ipv4Addr::LOCALHOST) },
            destination: Destination::Broadcast,
        }
    }

    fn due(delayed: &mut Delayed, now_ms: u64) -> Vec<u32> {
        std::iter::from_fn(|| delayed.take_due(now_ms)).map(|departure| departure.reply.xid).collect()
    }

    #[test]
    fn replies_leave_when_they_are_due_and_in_the_order_in_which_they_came() {
        let mut delayed = Delayed::default();
        assert!(delayed.keep(1_000, departure(1, 0)).is_some(), "what need not wait does not");
        for (xid, delay_ms) in [(2, 300), (3, 100), (4, 300)] {
            assert!(delayed.keep(1_000, departure(xid, delay_ms)).is_none());
        }
        assert_eq!((delayed.next_due(), due(&mut delayed, 1_099)), (Some(1_100), vec![]));
        assert_eq!((due(&mut delayed, 1_100), delayed.next_due()), (vec![3], Some(1_300)));
        assert_eq!((due(&mut delayed, 9_000), delayed.next_due()), (vec![2, 4], None));
    }

    #[test]
    fn no_more_than_so_many_wait_and_the_next_leaves_at_once() {
        let mut delayed = Delayed::default();
        for xid in 0..u32::try_from(DELAYED_MAX).unwrap() {
            assert!(delayed.keep(0, departure(xid, 10)).is_none());
        }
        assert!(delayed.keep(0, departure(0, 10)).is_some());
    }

    #[test]
    fn what_is_cleared_does_not_leave() {
        let mut delayed = Delayed::default();
        assert!(delayed.keep(1_000, departure(1, 100)).is_none());
        delayed.clear();
        assert_eq!((delayed.next_due(), due(&mut delayed, 5_000)), (None, Vec::new()));
    }
}
