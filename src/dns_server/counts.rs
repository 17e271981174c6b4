//! What the server counts of requests and connections.

use std::sync::atomic::{AtomicU64, Ordering};

use resolve::Transport;

/// Counts since the start.
#[derive(Debug, Default)]
pub(super) struct Counts {
    /// Requests, by [`Transport`].
    requests: [AtomicU64; Transport::ALL.len()],
    connections_refused: AtomicU64,
    handshakes_failed: AtomicU64,
    http_refused: AtomicU64,
}

/// What was counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DnsCounts {
    /// Requests, in the order of [`Transport::ALL`].
    pub requests: [u64; Transport::ALL.len()],
    /// Connections closed at once, since their asker had its share of them or of handshakes.
    pub connections_refused: u64,
    /// Connections that came to no TLS.
    pub handshakes_failed: u64,
    /// Requests by HTTPS that held no DNS message.
    pub http_refused: u64,
}

impl Counts {
    pub(super) fn requests(&self, transport: Transport, count: u64) {
        self.requests[transport as usize].fetch_add(count, Ordering::Relaxed);
    }

    pub(super) fn connection_refused(&self) {
        self.connections_refused.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn handshake_failed(&self) {
        self.handshakes_failed.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn http_refused(&self) {
        self.http_refused.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn now(&self) -> DnsCounts {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        DnsCounts {
            requests: self.requests.each_ref().map(read),
            connections_refused: read(&self.connections_refused),
            handshakes_failed: read(&self.handshakes_failed),
            http_refused: read(&self.http_refused),
        }
    }
}
