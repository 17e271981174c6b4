//! What time alone does: offers lapse, leases expire, quarantines end.

use faults::{Fault, planted};

use super::Engine;
use super::record::{self, HotState, NEVER};
use crate::decision::Decision;
use crate::time::Now;

impl Engine {
    /// When `handle_timeout` wants to be called next (boot milliseconds). Perhaps it has nothing to do then.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<u64> {
        let deadline = self.book.next_deadline().filter(|_| self.expires());
        deadline.into_iter().chain(self.book.next_offer_end()).chain(self.probes.next_end()).min()
    }

    /// Expires what has run out, at most `most` leases a call (call again while it returns a full batch).
    pub fn handle_timeout(&mut self, now: Now, most: usize) -> Vec<Decision> {
        self.book.lapse_offers(now.boot_ms);
        let mut decisions = Vec::new();
        let horizon = if planted(Fault::ExpiryEarly) { now.boot_ms.saturating_add(60_000) } else { now.boot_ms };
        while self.expires() && decisions.len() < most {
            let Some(address) = self.book.due(horizon) else { break };
            let Some(kept) = self.book.record(address).map(|record| record.kept()) else { break };
            match kept.state {
                HotState::Bound => {
                    let expired = self.expired(kept, now);
                    decisions.push(self.write([expired]));
                }
                HotState::Expired => decisions.push(self.write([Self::end_of_grace(kept)])),
                // Stored with its end, so there is nothing to write.
                _ => self.book.end_quarantine(address),
            }
        }
        decisions
    }

    /// Stops expiry: the clock is known to be wrong (a machine without a battery that started in the past), so that
    /// what is stored cannot be told to have run out. Leases are given and renewed all the same.
    pub fn pause_expiry(&mut self) {
        self.expiry_paused = true;
    }

    /// The clock is right again: what was loaded from the store runs out by wall time from now on. What was given in
    /// this run keeps its deadline, which follows boot time.
    pub fn resume_expiry(&mut self, now: Now) {
        self.expiry_paused = false;
        let loaded: Vec<_> = self
            .book
            .records()
            .filter(|record| record.hot.marks().from_store && record.hot.deadline_ms() != NEVER)
            .filter(|record| record.hot.state() != HotState::Expired)
            .map(|record| (record.hot.address, record::deadline_by_wall(record.hot.expires_at(), now)))
            .collect();
        for (address, deadline) in loaded {
            self.book.set_deadline(address, deadline);
        }
        self.time_lingering(now);
    }

    /// Whether expiry is paused.
    #[must_use]
    pub fn is_expiry_paused(&self) -> bool {
        self.expiry_paused
    }

    /// An expiry is written, so it waits while nothing can be.
    fn expires(&self) -> bool {
        !self.expiry_paused && !self.storage_full
    }
}
