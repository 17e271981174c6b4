//! Rows that somebody else made true: names that an embedded zone took with their leases.

use super::Reconciler;
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
        let was_gone = !self.tombstones.is_empty() && self.tombstones.newest(&row.key).is_some();
        if was_gone || row.want.is_none() || !row.former.is_empty() || self.rows.contains(&row.key) {
            return self.handle_wanted(now, row);
        }
        let zone = self.settings.zone_index_of(&self.settings.owner_of(&row.key));
        let Some(lane) = zone.map(|zone| zone as u32) else { return self.handle_wanted(now, row) };
        self.rows.put_done(&row, lane, now.wall_secs);
        if let RowKey::Forward(name) = &row.key
            && !self.waiters.is_empty()
        {
            self.wake(now, name);
        }
    }
}
