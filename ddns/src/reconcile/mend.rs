//! What an operator asks for beyond the ordinary: rows told anew, leftovers withdrawn, and what an audit compares.

use std::sync::Arc;

use std::net::IpAddr;

use dns::Fqdn;

use super::{Entry, LastAnswer, Phase, Reconciler};
use crate::Now;
use crate::audit::{AuditedRow, Rest};
use crate::packed::PackedRow;
use crate::settings::Settings;
use crate::wanted::{Held, RowKey, WantedRow};

/// Something to be mended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mend {
    /// Tell DNS this row anew, whatever it is believed to hold.
    Recheck(RowKey),
    /// Withdraw what stands under a key that nobody wants, guarded by its DHCID.
    Withdraw(RowKey, Held),
    /// DNS holds this of ours now, by another way than a row's own updates.
    Taken(RowKey, Held),
}

/// What is to be tried now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Again {
    /// Everything.
    All,
    /// What stands under this name; under a name of one label: in whatever zone it does.
    Name(Fqdn),
    /// The PTR of this address.
    Address(IpAddr),
}

impl Again {
    fn is_about(&self, key: &RowKey) -> bool {
        match (self, key) {
            (Self::All, _) => true,
            (Self::Name(name), RowKey::Forward(of) | RowKey::Stated(of, _)) => {
                name == of || (name.label_count() == 1 && name.first_label() == of.first_label())
            }
            (Self::Address(address), RowKey::Reverse(of)) => address == of,
            _ => false,
        }
    }
}

impl Reconciler {
    /// Every row as an audit compares it, and whether it is in the zone at `apex`. Costs as much as there are rows.
    pub fn audited(&self, apex: &Fqdn) -> impl Iterator<Item = (bool, AuditedRow)> + '_ {
        let lane = self.lane_of(apex);
        let open = self.rows.open_rows();
        let open = open.map(move |entry| (entry.lane.is_some() && entry.lane == lane, audited(entry)));
        open.chain(self.rows.packed_rows().map(move |row| (Some(row.note().lane) == lane, audited_packed(row))))
    }

    /// The zones as they are kept now, those that were found since the start included.
    #[must_use]
    pub fn settings(&self) -> &Arc<Settings> {
        &self.settings
    }

    fn lane_of(&self, apex: &Fqdn) -> Option<u32> {
        self.settings.zones.iter().position(|zone| zone.apex == *apex).map(|lane| lane as u32)
    }

    /// Mends one thing; whether there is something to do.
    pub fn mend(&mut self, now: Now, mend: Mend) -> bool {
        match mend {
            Mend::Recheck(key) => self.rows.open(&key).is_some_and(|index| self.recheck(now, index)),
            Mend::Withdraw(key, held) => self.withdraw(now, key, held),
            Mend::Taken(key, held) => self.taken(now, &key, held),
        }
    }

    /// Tells DNS every row of a zone anew; how many there are.
    pub fn resync(&mut self, now: Now, apex: &Fqdn) -> usize {
        let lane = self.lane_of(apex);
        let of_lane = |entry: &&Entry| entry.lane.is_some() && entry.lane == lane;
        let packed = self.rows.packed_rows().filter(|row| Some(row.note().lane) == lane);
        let packed: Vec<RowKey> = packed.map(|row| row.key()).collect();
        for key in &packed {
            self.rows.open(key);
        }
        let rows: Vec<u32> =
            self.rows.indexes().filter(|index| self.entry(*index).as_ref().is_some_and(of_lane)).collect();
        // Names first, so that no PTR finds its name on the way and waits.
        let (names, pointers): (Vec<u32>, Vec<u32>) = rows
            .into_iter()
            .partition(|index| self.entry(*index).is_some_and(|entry| matches!(entry.row.key, RowKey::Forward(_))));
        names.into_iter().chain(pointers).filter(|index| self.recheck(now, *index)).count()
    }

    /// Has what waits for its next try tried at once, as if its pause were over, and zones that cannot be updated probed;
    /// how many rows that hastens. A PTR that waits for its name is tried by trying that name.
    pub fn try_now(&mut self, now: Now, again: &Again) -> usize {
        let awaited = |entry: &Entry| match &entry.row.want {
            Some(want) if entry.phase == Phase::Blocked => Some(RowKey::Forward(want.name.clone())),
            _ => None,
        };
        let meant = |entry: &&Entry| again.is_about(&entry.row.key);
        let names: Vec<RowKey> = self.rows.open_rows().filter(meant).filter_map(awaited).collect();
        let is_meant = |entry: &Entry| again.is_about(&entry.row.key) || names.contains(&entry.row.key);
        let (mut hastened, mut lanes) = (0, Vec::new());
        for index in self.rows.indexes() {
            let Some(entry) = self.entry(index).filter(|entry| is_meant(entry)) else { continue };
            let Some(lane) = entry.lane else { continue };
            match entry.phase {
                // What is only withdrawn once more, to be sure, has its time.
                Phase::Waits(_) if !matches!(entry.last, LastAnswer::None | LastAnswer::Done) => {
                    self.wait(now, index, 0)
                }
                Phase::Ready if !self.lanes[lane as usize].is_up() => {}
                _ => continue,
            }
            hastened += 1;
            if !lanes.contains(&lane) {
                lanes.push(lane);
            }
        }
        for lane in lanes {
            self.lanes[lane as usize].probe_now(now.boot_ms);
        }
        hastened
    }

    /// A row that is at rest is sent again. One that is queued or under way will be anyway.
    fn recheck(&mut self, now: Now, index: u32) -> bool {
        let Some(entry) = self.entry_mut(index) else { return false };
        match entry.phase {
            Phase::Done | Phase::Waits(_) => {}
            Phase::Ready | Phase::InFlight | Phase::Blocked | Phase::Held | Phase::Idle => return false,
        }
        entry.holds = entry.held().map(Box::new);
        entry.phase = Phase::Ready;
        entry.streak = 0;
        self.schedule(now, index);
        true
    }

    fn withdraw(&mut self, now: Now, key: RowKey, held: Held) -> bool {
        if self.rows.contains(&key) {
            // Wanted by now: what is left goes with the row's own updates, or is told by the next audit.
            return false;
        }
        // Not above what the key had: a row of the DHCP side must be able to overtake it.
        let generation = self.tombstones.newest(&key).unwrap_or_default();
        let index = self.insert(WantedRow { key, generation, want: None, former: Vec::new(), by_configuration: false });
        if let Some(entry) = self.entry_mut(index) {
            // Known to be there, so that a newer row takes it over instead of forgetting it.
            entry.holds = Some(Box::new(held));
        }
        self.schedule(now, index);
        true
    }

    fn taken(&mut self, now: Now, key: &RowKey, held: Held) -> bool {
        let Some(index) = self.rows.open(key) else { return self.withdraw(now, key.clone(), held) };
        let Some(entry) = self.entry_mut(index) else { return false };
        if entry.phase == Phase::InFlight {
            // Its own answer tells more than this.
            return false;
        }
        self.unblock(index);
        let Some(entry) = self.entry_mut(index) else { return false };
        entry.holds = Some(Box::new(held));
        entry.phase = Phase::Ready;
        entry.streak = 0;
        self.schedule(now, index);
        true
    }
}

fn audited_packed(row: PackedRow<'_>) -> AuditedRow {
    let rest = if row.note().done { Rest::Done } else { Rest::UnderWay };
    let WantedRow { key, generation, want, .. } = row.to_row();
    AuditedRow { key, generation, want, rest }
}

fn audited(entry: &Entry) -> AuditedRow {
    let rest = match entry.phase {
        Phase::Done => Rest::Done,
        Phase::Waits(_) if entry.last == LastAnswer::Conflict && !entry.untold => Rest::Conflict,
        _ => Rest::UnderWay,
    };
    AuditedRow { key: entry.row.key.clone(), generation: entry.row.generation, want: entry.row.want.clone(), rest }
}
