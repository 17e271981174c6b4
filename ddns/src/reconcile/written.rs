//! Rows that somebody else made true: names that an embedded zone took with their leases.

use super::{LastAnswer, Phase, Reconciler};
use crate::Now;
use crate::wanted::{RowKey, WantedRow};

impl Reconciler {
    /// Takes a wanted row that DNS holds already: it was written, stored and confirmed together with its lease. Nothing
    /// is sent for it.
    ///
    /// A key that is known, or was until lately, has a history. An update of it may be under way, or have been made after the
    /// row was written: what a confirmed row without a wanted one remembers is removed at the start. Its row goes the
    /// usual way, and is found there.
    pub fn handle_written(&mut self, now: Now, row: WantedRow) {
        let is_new = !self.by_key.contains_key(&row.key) && self.tombstones.newest(&row.key).is_none();
        if !is_new || row.want.is_none() {
            return self.handle_wanted(now, row);
        }
        let index = self.insert(row);
        let Some(entry) = self.entry_mut(index) else { return };
        entry.phase = Phase::Done;
        entry.row.former.clear();
        (entry.last, entry.told, entry.at) = (LastAnswer::Done, LastAnswer::Done, now.wall_secs);
        if let RowKey::Forward(name) = entry.row.key.clone() {
            self.wake(now, &name);
        }
    }
}
