//! Rows that somebody else made true: names that an embedded zone took with their leases.

use std::net::IpAddr;

use dns::name::ReverseName;

use super::Reconciler;
use crate::Now;
use crate::wanted::{RowKey, WantedRow};

impl Reconciler {
    /// Takes in the rows of a batch, each with whether DNS holds already what it wants: then as
    /// [`Reconciler::handle_written`], else as [`Reconciler::handle_wanted`].
    pub fn handle_rows(&mut self, now: Now, rows: impl IntoIterator<Item = (WantedRow, bool)>) {
        let mut rows = rows.into_iter().peekable();
        while let Some((row, is_written)) = rows.next() {
            if !is_written {
                self.handle_wanted(now, row);
                continue;
            }
            // Most leases bring a name and its address, the one behind the other.
            let is_pointer = |(next, is_written): &(WantedRow, bool)| {
                *is_written && matches!(row.key, RowKey::Forward(_)) && matches!(next.key, RowKey::Reverse(_))
            };
            match rows.next_if(is_pointer) {
                Some((pointer, _)) => self.handle_written_pair(now, row, pointer),
                None => self.handle_written(now, row),
            }
        }
    }

    fn handle_written_pair(&mut self, now: Now, forward: WantedRow, reverse: WantedRow) {
        match (self.lane_of_written(&forward), self.lane_of_written(&reverse)) {
            (Some(lane), Some(pointer_lane)) => {
                self.rows.put_pair_done((&forward, lane), (&reverse, pointer_lane), now.wall_secs);
                self.wake_waiters(now, &forward.key);
            }
            _ => {
                self.handle_written(now, forward);
                self.handle_written(now, reverse);
            }
        }
    }

    /// The lane of a row that nothing is known of besides.
    fn lane_of_written(&self, row: &WantedRow) -> Option<u32> {
        let was_gone = !self.tombstones.is_empty() && self.tombstones.newest(&row.key).is_some();
        if was_gone || row.want.is_none() || !row.former.is_empty() || self.rows.contains(&row.key) {
            return None;
        }
        let settings = &self.settings;
        let is_settled = settings.sought.is_empty() && settings.sought_prefixes.is_empty();
        let zone = match &row.key {
            RowKey::Reverse(IpAddr::V4(v4)) if is_settled && settings.classless.is_empty() => {
                settings.zones.place_of_wire(&ReverseName::of(*v4))
            }
            key => settings.zone_index_of(&settings.owner_of(key)),
        };
        zone.map(|zone| zone as u32)
    }

    fn wake_waiters(&mut self, now: Now, key: &RowKey) {
        if let RowKey::Forward(name) = key
            && !self.waiters.is_empty()
        {
            self.wake(now, name);
        }
    }

    /// Takes a wanted row that DNS holds already: it was written, stored and confirmed together with its lease. Nothing
    /// is sent for it.
    ///
    /// A key that is known, or was until lately, has a history. An update of it may be under way, or have been made after the
    /// row was written: what a confirmed row without a wanted one remembers is removed at the start. Its row goes the
    /// usual way, and is found there.
    pub fn handle_written(&mut self, now: Now, row: WantedRow) {
        let Some(lane) = self.lane_of_written(&row) else { return self.handle_wanted(now, row) };
        self.rows.put_done(&row, lane, now.wall_secs);
        self.wake_waiters(now, &row.key);
    }
}
