//! What the sockets count, and how failures are told without flooding the log.

use std::sync::atomic::{AtomicU64, Ordering};

use thiserror::Error;

use crate::quiet::Quiet;

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

/// Tells failures, at most once in a while.
#[derive(Debug, Default)]
pub(super) struct Teller(Quiet);

impl Teller {
    pub(super) fn tell(&self, failure: &SendFailure) {
        if let Some(kept_back) = self.0.may_tell() {
            tracing::warn!("a DHCP reply could not be sent: {failure}{kept_back}");
        }
    }
}
