//! What is counted of names of others.

use std::sync::atomic::{AtomicU64, Ordering};

use resolve::Answer;

use super::is_failure;
use super::tallies::Tallies;

/// What is counted, whatever forwarder there is at the time.
#[derive(Debug, Default)]
pub(in crate::dns_server) struct ForwardCounts {
    pub(super) hits: AtomicU64,
    pub(super) misses: AtomicU64,
    pub(super) stale: AtomicU64,
    pub(super) refreshed: AtomicU64,
    pub(super) local: AtomicU64,
    pub(super) blocked: AtomicU64,
    pub(super) failed: AtomicU64,
    pub(super) secure: AtomicU64,
    pub(super) insecure: AtomicU64,
    pub(super) bogus: AtomicU64,
    pub(super) tallies: Tallies,
}

/// What was counted of names of others, since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ForwardCountsNow {
    /// Questions answered from the cache.
    pub hits: u64,
    /// Questions asked of others, those under way counted once.
    pub misses: u64,
    /// Questions answered with what is stale.
    pub stale: u64,
    /// Answers asked for anew before their end.
    pub refreshed: u64,
    /// Questions answered here: special names.
    pub local: u64,
    /// Questions for names that a list has.
    pub blocked: u64,
    /// Questions that nobody answered.
    pub failed: u64,
    /// Answers whose signatures lead to a trust anchor.
    pub secure: u64,
    /// Answers that need no signature.
    pub insecure: u64,
    /// Answers that are signed and do not fit.
    pub bogus: u64,
}

pub(super) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

impl ForwardCounts {
    /// All of them.
    pub(in crate::dns_server) fn now(&self) -> ForwardCountsNow {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        ForwardCountsNow {
            hits: read(&self.hits),
            misses: read(&self.misses),
            stale: read(&self.stale),
            refreshed: read(&self.refreshed),
            local: read(&self.local),
            blocked: read(&self.blocked),
            failed: read(&self.failed),
            secure: read(&self.secure),
            insecure: read(&self.insecure),
            bogus: read(&self.bogus),
        }
    }

    /// Counts what came of a validation; of one that failed for another reason nothing.
    pub(super) fn validated(&self, answer: &Answer) {
        let is_bogus = answer.reason.as_ref().is_some_and(|reason| reason.is_bogus());
        match answer {
            _ if is_bogus => count(&self.bogus),
            answer if answer.authentic => count(&self.secure),
            answer if !is_failure(answer) => count(&self.insecure),
            _ => {}
        }
    }
}
