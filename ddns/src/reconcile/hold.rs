//! Withdrawals that the configuration causes: counted before anything is deleted, and held back when they are too many.
//!
//! A mistake in a configuration file must not empty a zone. The first such withdrawal of a zone, and every one after it,
//! waits until no other has come for [`QUIET_MS`]: the pass over leases and reservations is over by then. What has been
//! released since the start counts too, so that a pass that stalls releases no more than one that does not.

use dns::Fqdn;
use faults::{Fault, planted};

use super::{News, Phase, Reconciler};
use crate::Now;
use crate::settings::DELETE_FLOOR;
use crate::wanted::{RowKey, WantedRow};

/// Withdrawals of a configuration are counted when none has been added for so long.
pub const QUIET_MS: u64 = 2_000;

/// What a lane holds back.
#[derive(Debug, Default)]
pub(super) struct Hold {
    /// Boot milliseconds at which is counted; `None`: nothing has been added since it was.
    due_ms: Option<u64>,
    /// How many names DNS held when the first of them was added, those to be withdrawn included.
    names: usize,
    /// How many have been released since the start, without being asked about.
    released: usize,
    /// They were too many: the operator is asked.
    stopped: bool,
}

/// What is held back of one zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldBack {
    /// The apex.
    pub apex: Fqdn,
    /// What is not deleted.
    pub keys: Vec<RowKey>,
    /// How many names and addresses DNS held there before.
    pub names: usize,
}

pub(super) fn is_withheld(row: &WantedRow) -> bool {
    row.want.is_none() && row.by_configuration
}

impl Reconciler {
    /// Puts a row aside when the configuration withdraws it, and nobody has been asked.
    pub(super) fn hold_back(&mut self, now: Now, index: u32, lane: u32) -> bool {
        if !self.entry(index).is_some_and(|entry| is_withheld(&entry.row)) || planted(Fault::DeletedUnasked) {
            return false;
        }
        if self.lanes[lane as usize].hold.due_ms.is_none() {
            let of_lane = self.rows.open_rows().filter(|entry| entry.lane == Some(lane));
            let open = of_lane.filter(|entry| entry.phase == Phase::Done || is_withheld(&entry.row)).count();
            let done =
                self.rows.packed_rows().map(|row| row.note()).filter(|note| note.done && note.lane == lane).count();
            self.lanes[lane as usize].hold.names = open + done;
        }
        self.lanes[lane as usize].hold.due_ms = Some(now.boot_ms.saturating_add(QUIET_MS));
        if let Some(entry) = self.entry_mut(index) {
            entry.phase = Phase::Held;
        }
        true
    }

    /// When something is to be counted, in boot milliseconds.
    pub(super) fn next_count(&self) -> Option<u64> {
        self.lanes.iter().filter_map(|lane| lane.hold.due_ms).min()
    }

    /// Counts what is due, and releases it where it is not too much.
    pub(super) fn count_held(&mut self, now: Now) {
        for lane in 0..self.lanes.len() {
            if self.lanes[lane].hold.due_ms.is_none_or(|due_ms| due_ms > now.boot_ms) {
                continue;
            }
            let rows = self.held_rows(lane);
            let hold = &mut self.lanes[lane].hold;
            hold.due_ms = None;
            if rows.is_empty() {
                hold.stopped = false;
                continue;
            }
            let (deletions, names) = (rows.len() + hold.released, hold.names + hold.released);
            if !self.settings.upkeep.is_too_much(deletions, names) {
                (hold.released, hold.stopped) = (deletions, false);
                self.release(now, rows);
            } else if !std::mem::replace(&mut hold.stopped, true) {
                let (apex, percent) =
                    (self.settings.zones[lane].apex.clone(), self.settings.upkeep.delete_share_percent);
                let (rows, names) = (rows.len(), hold.names);
                self.effects.news.push(News::HeldBack { apex, rows, names, percent });
            }
        }
    }

    /// What is held back and asked about, zone by zone. Costs as much as there are rows.
    #[must_use]
    pub fn held_back(&self) -> Vec<HeldBack> {
        let stopped = (0..self.lanes.len()).filter(|lane| self.lanes[*lane].hold.stopped);
        let held = stopped.map(|lane| {
            let rows = self.held_rows(lane).into_iter();
            let mut keys: Vec<RowKey> =
                rows.filter_map(|index| self.entry(index).map(|entry| entry.row.key.clone())).collect();
            keys.sort();
            HeldBack { apex: self.settings.zones[lane].apex.clone(), keys, names: self.lanes[lane].hold.names }
        });
        held.filter(|held| !held.keys.is_empty()).collect()
    }

    /// The operator means it: what is held back of a zone is deleted. Returns how many rows that are.
    pub fn confirm_deletions(&mut self, now: Now, apex: &Fqdn) -> usize {
        let Some(lane) = self.settings.zones.iter().position(|zone| zone.apex == *apex) else { return 0 };
        if !std::mem::take(&mut self.lanes[lane].hold.stopped) {
            return 0;
        }
        let rows = self.held_rows(lane);
        let count = rows.len();
        self.release(now, rows);
        count
    }

    fn held_rows(&self, lane: usize) -> Vec<u32> {
        let of_lane = |index: &u32| {
            self.entry(*index).is_some_and(|entry| entry.phase == Phase::Held && entry.lane == Some(lane as u32))
        };
        self.rows.indexes().filter(of_lane).collect()
    }

    fn release(&mut self, now: Now, rows: Vec<u32>) {
        for index in rows {
            if let Some(entry) = self.entry_mut(index) {
                // Here alone: as stored it is counted again after a restart, unless it is gone by then.
                entry.row.by_configuration = false;
                self.schedule(now, index);
            }
        }
    }
}

/// Why nothing is deleted, and how to go on.
pub(super) fn words(apex: &Fqdn, rows: usize, names: usize, percent: u8) -> String {
    format!(
        "{rows} of {names} names of zone {apex} are wanted no more since the configuration changed, more than {percent} % \
         (`delete_share_max`) and more than {DELETE_FLOOR}: none of them is deleted. `leasehold dns confirm-deletions {apex}` \
         deletes them; with the former configuration they stay"
    )
}
