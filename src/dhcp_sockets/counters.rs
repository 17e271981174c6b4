//! What the sockets count, and how failures are told without flooding the log.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use thiserror::Error;

/// A number that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// The number now.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    pub(super) fn increment(&self) {
        self.add(1);
    }

    pub(super) fn add(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }
}

/// What went through the sockets since they were opened.
#[derive(Debug, Default)]
pub struct Counters {
    /// Datagrams received.
    pub received: Counter,
    /// Datagrams dropped because they were longer than any DHCP message (see [`super::DATAGRAM_MAX`]).
    pub too_long: Counter,
    /// Datagrams dropped because their interface was not known (it had just gone).
    pub unplaced: Counter,
    /// Datagrams that the kernel dropped because a receive queue was full.
    pub queue_overflows: Counter,
    /// Receive calls that failed.
    pub receive_failures: Counter,
    /// Replies handed to the kernel, or to the backlog of a full socket.
    pub sent: Counter,
    /// Replies that could not leave.
    pub send_failures: Counter,
}

/// Why a reply could not leave.
#[derive(Debug, Error)]
pub(super) enum SendFailure {
    #[error("interface {0} is gone, or no longer served")]
    InterfaceGone(u32),
    #[error("interface {0} has no IPv4 address that a reply could come from")]
    NoSource(String),
    #[error("clients on the link of {0} cannot be answered while one address is bound: only relayed ones can")]
    NoLink(String),
    #[error("the reply is longer than a datagram can be")]
    TooLong,
    #[error("the socket's queue stays full")]
    QueueFull,
    #[error("the system refuses it: {0}")]
    System(std::io::Error),
}

/// Tells failures at most once in [`QUIET`], with how many were kept back.
#[derive(Debug, Default)]
pub(super) struct Teller(Mutex<Told>);

#[derive(Debug, Default)]
struct Told {
    last: Option<Instant>,
    kept_back: u64,
}

const QUIET: Duration = Duration::from_secs(10);

impl Teller {
    pub(super) fn tell(&self, failure: &SendFailure) {
        if let Some(kept_back) = self.may_tell(Instant::now()) {
            tracing::warn!(kept_back, "a DHCP reply could not be sent: {failure}");
        }
    }

    /// How many were kept back since the last time; `None` to keep this one back as well.
    fn may_tell(&self, now: Instant) -> Option<u64> {
        let mut told = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if told.last.is_some_and(|last| now.duration_since(last) < QUIET) {
            told.kept_back += 1;
            return None;
        }
        told.last = Some(now);
        Some(std::mem::take(&mut told.kept_back))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_failures_is_one_line_that_counts_the_rest() {
        let (teller, start) = (Teller::default(), Instant::now());
        assert_eq!(teller.may_tell(start), Some(0));
        assert_eq!(teller.may_tell(start + Duration::from_secs(1)), None);
        assert_eq!(teller.may_tell(start + Duration::from_secs(9)), None);
        assert_eq!(teller.may_tell(start + QUIET), Some(2));
    }
}
