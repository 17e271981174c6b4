//! Where a row belongs: in its lane's queue, with those that wait for their forward row, or nowhere.

use dns::Fqdn;

use super::{ANY_COMPANY, ConfirmedRow, Entry, LastAnswer, Phase, Reconciler, Seen};
use crate::Now;
use crate::settings::{Site, ZoneServer};
use crate::wanted::{Held, RowKey, WantedRow};

impl Reconciler {
    /// A row as it begins, in the lane of its zone.
    pub(super) fn entry_for(&self, row: WantedRow) -> Entry {
        let name = self.settings.owner_of(&row.key);
        let lane = self.settings.zone_index_of(&name).map(|lane| lane as u32);
        let sought = lane.is_none() && self.settings.is_sought(&name);
        let company = if self.tombstones.was_guilty(&row.key) { 1 } else { ANY_COMPANY };
        Entry { sought, company, ..Entry::new(row, lane) }
    }

    pub(super) fn insert(&mut self, row: WantedRow) -> u32 {
        let entry = self.entry_for(row);
        self.rows.insert(entry)
    }

    /// Where a lane leads.
    pub(super) fn site_of(&self, lane: u32) -> Site {
        self.settings.zones[lane as usize].site()
    }

    /// Takes in what was known of DNS when the store was last written.
    pub(super) fn recall(&mut self, now: Now, seen: ConfirmedRow) {
        let at_server = seen.site.is_some_and(|site| site.server.is_some());
        if let Some(row) = self.rows.packed(&seen.key) {
            let here = seen.site == Some(self.site_of(row.note().lane)) && seen.generation == row.generation();
            if here && seen.done && (seen.last, seen.attempts) == (LastAnswer::Done, 0) && seen.unsure.is_none() {
                return self.rows.confirm(&seen.key, seen.at);
            }
        }
        if let Some(index) = self.rows.open(&seen.key) {
            let here = self.entry(index).and_then(|entry| entry.lane).map(|lane| self.site_of(lane));
            let Some(entry) = self.entry_mut(index) else { return };
            entry.abandoned = entry.lane.is_none() && at_server;
            // Seen elsewhere, it is still taken for what may be here: a server can have moved with all that it holds.
            let seen_here = seen.site.is_some() && seen.site == here;
            if seen.done && seen.generation == entry.row.generation && seen_here {
                entry.phase = Phase::Done;
                entry.row.former.clear();
            }
            if entry.phase != Phase::Done {
                entry.holds = seen.holds.clone().map(Box::new);
            }
            (entry.last, entry.told, entry.attempts, entry.at) = (seen.last, seen.last, seen.attempts, seen.at);
            entry.stored = seen.generation;
            entry.recall_unsure(now, seen.unsure.as_ref());
            if entry.lane.is_none() {
                self.unplaced.insert(seen.key.clone(), seen);
            } else if entry.phase == Phase::Done {
                self.rows.rest(index);
            }
        } else if let Some(held) = seen.holds.clone() {
            // DNS holds what nobody wants: the wanted row was lost. It is removed like any former content.
            let row = WantedRow {
                key: seen.key.clone(),
                generation: seen.generation,
                want: None,
                former: vec![held],
                by_configuration: false,
            };
            let index = self.insert(row);
            if let Some(entry) = self.entry_mut(index)
                && entry.lane.is_none()
            {
                entry.abandoned = at_server;
                self.unplaced.insert(seen.key.clone(), seen);
            }
        } else {
            self.effects.gone.push(seen.key);
        }
    }

    /// Puts a row where it belongs now: to the queue of its lane, or to those that wait for their forward row.
    pub(super) fn schedule(&mut self, now: Now, index: u32) {
        self.next_stamp += 1;
        let stamp = self.next_stamp;
        let Some(entry) = self.entry_mut(index) else { return };
        entry.stamp = stamp;
        entry.again = false;
        let Some(lane) = entry.lane else {
            entry.phase = Phase::Idle;
            if entry.sought {
                return;
            }
            if entry.row.want.is_none() && !entry.abandoned {
                // Nothing is known to be anywhere; what an embedded zone held went with the zone.
                self.remove(index);
            } else {
                self.note(now, index, LastAnswer::NoZone, None);
            }
            return;
        };
        if self.is_held_here(index, lane) {
            return;
        }
        if self.hold_back(now, index, lane) {
            return;
        }
        if self.must_wait(index) {
            self.give_up_pointer(index);
        }
        if self.must_wait(index) && self.leftovers(index).is_empty() {
            self.block(now, index);
            return;
        }
        let Some(entry) = self.entry_mut(index) else { return };
        entry.phase = Phase::Ready;
        let fresh = entry.streak == 0;
        let lane = &mut self.lanes[lane as usize];
        if fresh { lane.fresh.push_back((index, stamp)) } else { lane.retry.push_back((index, stamp)) }
    }

    /// Whether a row is about records that are stated in a zone which is embedded by now, where they stand without an
    /// update: then it is put aside, or gone.
    fn is_held_here(&mut self, index: u32, lane: u32) -> bool {
        let embedded = self.settings.zones[lane as usize].server == ZoneServer::Embedded;
        let Some(entry) = self.entry_mut(index) else { return false };
        if !embedded || !matches!(entry.row.key, RowKey::Stated(..)) {
            return false;
        }
        entry.phase = Phase::Idle;
        if entry.row.want.is_none() {
            self.remove(index);
        }
        true
    }

    /// Whether the row is a PTR whose forward row is not (yet) as wanted.
    pub(super) fn must_wait(&self, index: u32) -> bool {
        let Some(want) = self.entry(index).and_then(|entry| entry.row.want.as_ref()) else { return false };
        if !want.after_forward {
            return false;
        }
        let confirmed = match self.rows.seen(&RowKey::Forward(want.name.clone())) {
            Some(Seen::Open(forward)) => {
                forward.phase == Phase::Done
                    && forward.row.want.as_ref().is_some_and(|name| {
                        name.identity == want.identity && want.addresses.iter().all(|one| name.addresses.contains(one))
                    })
            }
            Some(Seen::Packed(forward)) => {
                forward.note().done
                    && forward.is_of(&want.identity)
                    && want.addresses.iter().all(|one| *one == forward.address())
            }
            None => false,
        };
        !confirmed
    }

    /// A PTR of ours that leads to somebody else's name is removed like former content. It can be there from a time at
    /// which the host wrote that name itself.
    fn give_up_pointer(&mut self, index: u32) {
        let Some(name) = self.entry(index).and_then(|entry| entry.row.want.as_ref()).map(|want| want.name.clone())
        else {
            return;
        };
        let forward = self.rows.find_open(&RowKey::Forward(name));
        if forward.is_some_and(Entry::is_anothers)
            && let Some(entry) = self.entry_mut(index)
            && let Some(held) = entry.holds.take()
        {
            entry.row.former.push(*held);
        }
    }

    fn block(&mut self, now: Now, index: u32) {
        let Some(entry) = self.entry_mut(index) else { return };
        entry.phase = Phase::Blocked;
        let stamp = entry.stamp;
        let Some(name) = entry.row.want.as_ref().map(|want| want.name.clone()) else { return };
        let forward = self.rows.find_open(&RowKey::Forward(name.clone()));
        let conflict = forward.is_some_and(|forward| forward.last == LastAnswer::Conflict);
        self.waiters.entry(name).or_default().push((index, stamp));
        // The forward row tells the operator; a second message would say the same.
        if conflict && let Some(entry) = self.entry_mut(index) {
            (entry.last, entry.at) = (LastAnswer::Conflict, now.wall_secs);
        }
    }

    /// The row no longer waits for its forward row. A name that nobody waits for is forgotten: a client that says another
    /// name with each renewal must not cost memory for each.
    pub(super) fn unblock(&mut self, index: u32) {
        let Some(entry) = self.entry(index).filter(|entry| entry.phase == Phase::Blocked) else { return };
        let Some(name) = entry.row.want.as_ref().map(|want| want.name.clone()) else { return };
        if let Some(waiting) = self.waiters.get_mut(&name) {
            waiting.retain(|(other, _)| *other != index);
            if waiting.is_empty() {
                self.waiters.remove(&name);
            }
        }
    }

    /// The forward row's state changed: its PTRs look again.
    pub(super) fn wake(&mut self, now: Now, name: &Fqdn) {
        for (index, stamp) in self.waiters.remove(name).unwrap_or_default() {
            if self.entry(index).is_some_and(|entry| entry.stamp == stamp && entry.phase == Phase::Blocked) {
                self.schedule(now, index);
            }
        }
    }

    /// What may be in DNS under the row's key and is not wanted there.
    pub(super) fn leftovers(&self, index: u32) -> Vec<Held> {
        let Some(entry) = self.entry(index) else { return Vec::new() };
        let mut left = entry.row.former.clone();
        if let Some(mut held) = entry.held() {
            let want = entry.row.want.as_ref();
            let stated = held.identity.stated().is_some();
            if stated && want.is_some_and(|want| held.is_of(want)) {
                return left;
            }
            if let Some(want) = want.filter(|want| held.is_as_of(want)) {
                held.addresses.retain(|address| !want.addresses.contains(address));
            }
            let known = left
                .iter_mut()
                .find(|one| one.name == held.name && one.identity == held.identity && one.guard == held.guard);
            match known {
                Some(known) => {
                    known.addresses.extend(held.addresses);
                    known.addresses.sort_unstable();
                    known.addresses.dedup();
                }
                None if held.addresses.is_empty() && !stated => {}
                None => left.push(held),
            }
        }
        left
    }
}
