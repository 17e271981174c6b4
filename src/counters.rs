//! What the daemon counts: one atomic each, read by `status`.

use std::sync::atomic::{AtomicU64, Ordering};

use dhcp::message::DropReason;
use serde::{Deserialize, Serialize};

/// Counts since the start.
#[derive(Debug, Default)]
pub struct Counters {
    /// Datagrams received.
    pub received: AtomicU64,
    /// Replies handed to a socket.
    pub sent: AtomicU64,
    /// Transactions submitted to the store.
    pub submitted: AtomicU64,
    /// Transactions that found no room.
    pub no_space: AtomicU64,
    /// Events that found the updater's channel full; their rows were read again from what is wanted.
    pub events_overflowed: AtomicU64,
    /// Datagrams that a later one of the same client took the place of before they were looked at.
    pub repeated: AtomicU64,
    /// Datagrams that found more waiting before them than may wait.
    pub crowded_out: AtomicU64,
    /// By the reason's index.
    dropped: Dropped,
}

#[derive(Debug)]
struct Dropped([AtomicU64; DropReason::COUNT]);

impl Default for Dropped {
    fn default() -> Self {
        Self(std::array::from_fn(|_| AtomicU64::new(0)))
    }
}

/// A reading of [`Counters`].
#[derive(Debug, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the fields are those of Counters")]
pub struct CounterValues {
    pub received: u64,
    pub sent: u64,
    pub submitted: u64,
    pub no_space: u64,
    pub events_overflowed: u64,
    #[serde(default)]
    pub repeated: u64,
    #[serde(default)]
    pub crowded_out: u64,
    pub dropped: std::collections::BTreeMap<String, u64>,
}

impl Counters {
    /// Counts one.
    pub fn add(counter: &AtomicU64, by: usize) {
        counter.fetch_add(by as u64, Ordering::Relaxed);
    }

    /// Counts a datagram that was not answered.
    pub fn dropped(&self, reason: DropReason) {
        Self::add(&self.dropped.0[reason.index()], 1);
    }

    /// All of them, now.
    #[must_use]
    pub fn values(&self) -> CounterValues {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        CounterValues {
            received: read(&self.received),
            sent: read(&self.sent),
            submitted: read(&self.submitted),
            no_space: read(&self.no_space),
            events_overflowed: read(&self.events_overflowed),
            repeated: read(&self.repeated),
            crowded_out: read(&self.crowded_out),
            dropped: DropReason::ALL
                .iter()
                .map(|reason| (reason.to_string(), read(&self.dropped.0[reason.index()])))
                .filter(|(_, count)| *count > 0)
                .collect(),
        }
    }
}
