//! Other zones for the same rows: what follows once it is known where zones begin.

use std::sync::Arc;

use super::{ConfirmedRow, News, Phase, Reconciler};
use crate::Now;
use crate::settings::Settings;
use crate::wanted::WantedRow;

impl Reconciler {
    /// The same rows in the zones of other settings. A row whose zone is where it was keeps what is known of it; one
    /// whose zone is elsewhere is published anew. What is under way counts as a lost answer, and is sent again: each
    /// update is safe to repeat.
    #[must_use]
    pub fn rezoned(self, settings: Arc<Settings>, now: Now) -> Self {
        let mut next = self.reconfigured(settings, now, |_, _| {});
        // Rows that no zone holds were told of when they were first read.
        next.effects.news.retain(|news| !matches!(news, News::NoZone { .. }));
        next
    }

    /// The same with the settings of another configuration, as a restart with them would have it. `doubt` may take back
    /// what is known of a row: what an embedded zone held may be gone with the configuration.
    #[must_use]
    pub fn reconfigured(
        mut self,
        settings: Arc<Settings>,
        now: Now,
        mut doubt: impl FnMut(&WantedRow, &mut ConfirmedRow),
    ) -> Self {
        let mut next = Self::new(settings);
        next.tombstones = std::mem::take(&mut self.tombstones);
        // Tickets of what is under way name nothing any more, and must not name anything new.
        (next.next_ticket, next.next_stamp) = (self.next_ticket, self.next_stamp);
        let mut unplaced = std::mem::take(&mut self.unplaced);
        for entry in std::mem::take(&mut self.rows).into_entries() {
            let seen = match entry.lane {
                Some(lane) => Some(super::effects::confirmed_row(now, &entry, self.site_of(lane))),
                None => unplaced.remove(&entry.row.key),
            };
            let seen = seen.map(|mut seen| {
                doubt(&entry.row, &mut seen);
                seen
            });
            let row = next.entry_for(entry.row);
            next.rows.put(row);
            seen.into_iter().for_each(|seen| next.recall(now, seen));
        }
        next.look_at_all(now);
        let mut effects = self.effects;
        effects.append(&mut next.effects);
        next.effects = effects;
        next
    }

    /// Whether some rows wait until it is known where their zones begin. Costs as much as there are rows.
    #[must_use]
    pub fn seeks(&self) -> bool {
        self.rows.open_rows().any(|entry| entry.sought && entry.phase == Phase::Idle)
    }
}
