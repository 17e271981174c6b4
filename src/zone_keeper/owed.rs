//! What is owed to the embedded zones: records of former lease holders whose removal could not be stored with the lease's
//! end, because the store's queue was full. It is stored as soon as there is room, before anything else is decided upon the
//! zones: whoever has the name next finds it free, and what its next holder writes is not taken for its former one's.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use dns::{Rcode, Update};
use tokio::sync::oneshot;
use zones::{AllowAll, Ticket};

use super::{Keeping, ToStore, ZoneKeeper};

/// The pause before what is owed is tried again, doubled up to the longest one.
const PAUSE: Duration = Duration::from_millis(5);
const PAUSE_MAX: Duration = Duration::from_secs(1);

/// Debts, the oldest first. As many as there are leases whose ends were not stored with them.
#[derive(Debug, Default)]
pub(super) struct Owed {
    /// Not on their way to the store.
    due: Vec<Update>,
    /// On their way.
    under_way: Vec<(Ticket, Vec<Update>)>,
}

impl Owed {
    /// What is due, to be decided with other changes; see [`Owed::send`].
    pub(super) fn take_due(&mut self) -> Vec<Update> {
        std::mem::take(&mut self.due)
    }

    /// These are on their way to the store with a change.
    pub(super) fn send(&mut self, ticket: Ticket, updates: Vec<Update>) {
        if !updates.is_empty() {
            self.under_way.push((ticket, updates));
        }
    }

    /// What became of changes of the zones: what was not stored is owed still.
    pub(super) fn settle(&mut self, settled: &zones::Settled) {
        if self.under_way.is_empty() {
            return;
        }
        for (ticket, updates) in std::mem::take(&mut self.under_way) {
            if settled.failed.contains(&ticket) {
                self.due.extend(updates);
            } else if !settled.published.contains(&ticket) {
                self.under_way.push((ticket, updates));
            }
        }
    }
}

impl<T> Keeping<T> {
    /// Whether something is owed that is not on its way to the store.
    pub(super) fn owes(&self) -> bool {
        !self.owed.due.is_empty()
    }

    /// What somebody else has made its own since it was to go is owed no more.
    pub(super) fn owe(&mut self, updates: Vec<Update>) {
        let written = &self.written;
        self.owed.due.extend(updates.into_iter().filter(|update| written.wrote_all_of(update)));
    }

    /// Decides all that is owed; `None` when that is nothing any more.
    pub(super) fn pay(&mut self) -> Option<ToStore> {
        let due = self.owed.take_due();
        let mut together = self.authority.together();
        for update in &due {
            // One that no longer fits has nothing to take away.
            let _ = together.apply(update, &AllowAll);
        }
        let (ticket, changes) = together.finish()?;
        let mut rows = Vec::new();
        self.add_rows(ticket, changes, None, &mut rows);
        self.owed.send(ticket, due);
        Some(ToStore { ticket, epoch: self.epoch, rows })
    }
}

impl ZoneKeeper {
    /// Takes records away whose time is over, as soon as that can be stored.
    pub fn owe(self: &Arc<Self>, updates: Vec<Update>) {
        if updates.is_empty() {
            return;
        }
        let mut state = self.lock();
        state.owe(updates);
        self.pay(&mut state);
    }

    /// Stores what is owed, if that is possible now; whether nothing is owed but what is on its way.
    pub(super) fn pay(self: &Arc<Self>, state: &mut Keeping<oneshot::Sender<Rcode>>) -> bool {
        if state.owes()
            && self.frozen.load(Ordering::Acquire) == 0
            && let Some(to_store) = state.pay()
        {
            self.store(state, to_store);
        }
        if state.owes() {
            self.owing.notify_one();
        }
        !state.owes()
    }

    /// Stores what is owed, again and again until it is stored. Never ends.
    pub async fn pay_debts(self: Arc<Self>) {
        let mut pause = PAUSE;
        loop {
            self.owing.notified().await;
            tokio::time::sleep(pause).await;
            let is_over = self.when_thawed(|state| self.pay(state) && state.owed.under_way.is_empty()).await;
            pause = if is_over { PAUSE } else { (pause * 2).min(PAUSE_MAX) };
        }
    }
}

#[cfg(test)]
mod tests;
