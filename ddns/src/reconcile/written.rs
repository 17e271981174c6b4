//! Rows that somebody else made true: names that an embedded zone took with their leases.

use std::net::IpAddr;

use dns::name::ReverseName;

use super::Reconciler;
use crate::Now;
use crate::wanted::{NewName, RowKey, WantedRow};

impl Reconciler {
    /// Takes in the rows of a new name, of each whether DNS holds already what it wants: then as
    /// [`Reconciler::handle_written`], else as [`Reconciler::handle_wanted`].
    pub fn handle_new(&mut self, now: Now, new: &NewName, written: [bool; 2]) {
        if written == [true; 2]
            && let Some(lane) = self.lane_of_new(&RowKey::Forward(new.name.clone()))
            && let Some(reverse_lane) = self.lane_of_new(&RowKey::Reverse(new.address))
            && self.rows.put_new_done(new, [lane, reverse_lane], now.wall_secs)
        {
            if !self.waiters.is_empty() {
                self.wake(now, &new.name);
            }
            return;
        }
        for (row, is_written) in [new.forward(), new.reverse()].into_iter().zip(written) {
            self.handle_row(now, row, is_written);
        }
    }

    /// Takes in a row, with whether DNS holds already what it wants: then as [`Reconciler::handle_written`], else as
    /// [`Reconciler::handle_wanted`].
    pub fn handle_row(&mut self, now: Now, row: WantedRow, is_written: bool) {
        match is_written {
            true => self.handle_written(now, row),
            false => self.handle_wanted(now, row),
        }
    }

    /// The lane of a row that nothing is known of besides.
    fn lane_of_written(&self, row: &WantedRow) -> Option<u32> {
        let is_plain = row.want.is_some() && row.former.is_empty();
        if is_plain && !self.rows.contains(&row.key) { self.lane_of_new(&row.key) } else { None }
    }

    /// The lane of a key that there is no row of, if nothing else is known of it either.
    fn lane_of_new(&self, key: &RowKey) -> Option<u32> {
        if !self.tombstones.is_empty() && self.tombstones.newest(key).is_some() {
            return None;
        }
        let settings = &self.settings;
        let is_settled = settings.sought.is_empty() && settings.sought_prefixes.is_empty();
        let zone = match key {
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
