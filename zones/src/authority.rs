//! What is decided, what is stored, and what is published.
//!
//! ```text
//!             apply              settle(Committed)
//!  update ──────────▶ tentative ──────────────────▶ committed (published)
//!                         ▲                              │
//!                         └──── settle(Failed) ──────────┘
//!               tentative goes back to the last change that can still succeed;
//!               everything decided after the failed one fails with it
//! ```
//!
//! Updates are decided upon `tentative`, so that the next batch can be decided while one is being stored, and
//! queries are answered from `committed`, so that nothing is seen that a crash could take back.

use std::collections::VecDeque;
use std::sync::Arc;

use dns::{Fqdn, Rcode, RecordType, Update};
use faults::{Fault, planted};

use crate::intake::Taken;
use crate::update::Draft;
use crate::{AllHistories, Cut, Followed, Histories, History, Policy, Unavailable, Zone, ZoneChange, ZoneSet};

/// One decided change, in the order of deciding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(u64);

/// What became of storing a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is on stable storage.
    Committed,
    /// It is not, and never will be.
    Failed,
}

/// What was decided about an update.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct Decision {
    /// What to answer, once `after` is settled as committed. Should that fail, the answer is SERVFAIL: the code
    /// rests on something that did not last.
    pub rcode: Rcode,
    /// What to store, under the ticket `after`. None when nothing changed.
    pub change: Option<ZoneChange>,
    /// What to store with it: what became of the same names in other zones of the apex.
    pub followed: Vec<ZoneChange>,
    /// What to wait for before answering: this update's own ticket, or the newest one whose result it saw. None:
    /// answer at once.
    pub after: Option<Ticket>,
}

/// What settling one ticket brought about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settled {
    /// Tickets that are now published, in order.
    pub published: Vec<Ticket>,
    /// Tickets that failed: the settled one and all decided after it. Settling them again does nothing.
    pub failed: Vec<Ticket>,
}

/// The zones as published and as decided.
#[derive(Clone, Debug, Default)]
pub struct ZoneAuthority {
    committed: ZoneSet,
    tentative: ZoneSet,
    pending: VecDeque<Pending>,
    next_ticket: u64,
    /// With what is decided and not stored yet: who asks for a way to a published serial does not see it.
    histories: AllHistories,
}

/// Updates that are decided as one; see [`ZoneAuthority::together`].
#[derive(Debug)]
pub struct Together<'a> {
    authority: &'a mut ZoneAuthority,
    /// One for each zone that changes.
    drafts: Vec<Draft>,
}

impl Together<'_> {
    /// The zone that names of leases with this apex are decided in (see [`ZoneSet::home`]), where that is not known by the
    /// apex.
    #[must_use]
    pub fn home(&self, apex: &Fqdn) -> Option<Fqdn> {
        let home = self.authority.tentative.home(apex);
        (home != apex).then(|| home.clone())
    }

    /// Decides one update upon those before it.
    ///
    /// # Errors
    /// The response code to answer with; it is not among the changes then.
    pub fn apply(&mut self, update: &Update, policy: &dyn Policy) -> Result<(), Rcode> {
        self.check_beside(update, policy)?;
        self.draft(&update.zone)?.apply(update, policy)
    }

    /// Whether the name of a host with a lease is free, or the host's, in the zones that have it beside the one of the update.
    fn check_beside(&mut self, update: &Update, policy: &dyn Policy) -> Result<(), Rcode> {
        if !policy.spans_views() {
            return Ok(());
        }
        for id in self.followers_of(&update.zone) {
            // A zone that cannot be had has no names.
            if let Ok(draft) = self.draft(&id) {
                draft.check_beside(update)?;
            }
        }
        Ok(())
    }

    fn followers_of(&self, id: &Fqdn) -> Vec<Fqdn> {
        self.authority.tentative.followers(id).to_vec()
    }

    /// Decides that a name has these records which owns none; see [`Draft::add`]. False: it owns some.
    ///
    /// # Errors
    /// As [`Together::apply`]: there is no such zone, or too much waits for the store.
    pub fn add<'d>(
        &mut self,
        zone: &Fqdn,
        (name, ttl): (&Fqdn, u32),
        records: impl IntoIterator<Item = (RecordType, &'d [u8])>,
    ) -> Result<bool, Rcode> {
        for id in self.followers_of(zone) {
            if self.draft(&id).is_ok_and(|draft| !draft.is_free(name)) {
                return Ok(false);
            }
        }
        Ok(self.draft(zone)?.add(name, ttl, records))
    }

    /// Gives these names of one zone, which are hosts' there, to another zone of the same apex, as they are told.
    pub fn follow_again(&mut self, id: &Fqdn, names: &[Followed]) {
        if let Ok(draft) = self.draft(id) {
            names.iter().for_each(|followed| draft.follow(followed));
        }
    }

    fn draft(&mut self, id: &Fqdn) -> Result<&mut Draft, Rcode> {
        let authority = &*self.authority;
        if authority.pending.len() >= ZoneAuthority::PENDING_MAX {
            return Err(Rcode::SERV_FAIL);
        }
        let at = match self.drafts.iter().position(|draft| draft.id() == id) {
            Some(at) => at,
            None => {
                self.drafts.push(Draft::of(authority.decided(id)?));
                self.drafts.len() - 1
            }
        };
        Ok(&mut self.drafts[at])
    }

    /// Clients have their names in every zone of the apex that has names of leases, whichever view one is in.
    fn follow(&mut self) {
        for at in 0..self.drafts.len() {
            let followers = self.followers_of(self.drafts[at].id());
            if followers.is_empty() {
                continue;
            }
            let names = self.drafts[at].clients();
            for id in followers.iter().filter(|_| !names.is_empty()) {
                // A zone that cannot be had has no names.
                let Ok(draft) = self.draft(id) else { continue };
                names.iter().for_each(|followed| draft.follow(followed));
            }
        }
    }

    /// What to store, under the ticket; `None`: nothing changed.
    #[must_use]
    pub fn finish(mut self) -> Option<(Ticket, Vec<ZoneChange>)> {
        self.follow();
        let drafted = self.drafts.into_iter().map(Draft::finish);
        let (zones, changes): (Vec<_>, Vec<_>) =
            drafted.filter_map(|(zone, change)| change.map(|change| (zone, change))).unzip();
        (!changes.is_empty()).then(|| {
            let mut changes = changes;
            changes.iter_mut().for_each(|change| self.authority.remember(change));
            (self.authority.put_all(zones), changes)
        })
    }
}

#[derive(Clone, Debug)]
struct Pending {
    ticket: Ticket,
    /// The zones with this change and all before it.
    zones: ZoneSet,
    stored: bool,
}

impl ZoneAuthority {
    /// How many changes may wait for the store; an update beyond is answered with SERVFAIL.
    pub const PENDING_MAX: usize = 65_536;

    /// Begins with what is stored.
    #[must_use]
    pub fn new(zones: ZoneSet) -> Self {
        Self::with_histories(zones, Histories::new())
    }

    /// The same, with what is stored of the zones' past.
    #[must_use]
    pub fn with_histories(zones: ZoneSet, histories: Histories) -> Self {
        let histories = AllHistories::new(histories);
        Self { tentative: zones.clone(), committed: zones, pending: VecDeque::new(), next_ticket: 1, histories }
    }

    /// Whether nothing is decided that is not stored yet.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.pending.is_empty()
    }

    /// Other zones in place of these: a new configuration's. The caller has stored them; nothing may wait to be stored
    /// ([`ZoneAuthority::is_settled`]), since it would be lost.
    pub fn replace(&mut self, zones: ZoneSet, histories: Histories) {
        self.pending.clear();
        (self.tentative, self.committed) = (zones.clone(), zones);
        self.histories.replace(histories);
    }

    /// The past of all zones.
    #[must_use]
    pub fn histories(&self) -> &AllHistories {
        &self.histories
    }

    /// The past of a zone.
    #[must_use]
    pub fn history(&self, id: &Fqdn) -> Option<&History> {
        self.histories.by_zone().get(id)
    }

    /// Forgets the past of a zone; which steps those were, by the serial after them.
    pub fn forget(&mut self, id: &Fqdn) -> Vec<u32> {
        self.histories.forget(id)
    }

    /// Adds a change to its zone's past, and to the change what is forgotten for it.
    fn remember(&mut self, change: &mut ZoneChange) {
        change.cut = self.histories.push(&change.zone, Arc::clone(&change.difference));
    }

    /// What queries are answered from.
    #[must_use]
    pub fn committed(&self) -> &ZoneSet {
        &self.committed
    }

    /// What the next update is decided upon.
    #[must_use]
    pub fn tentative(&self) -> &ZoneSet {
        &self.tentative
    }

    /// Decides an update; see [`Decision`] for what to do next.
    pub fn apply(&mut self, update: &Update, policy: &dyn Policy) -> Decision {
        let seen = self.pending.back().map(|pending| pending.ticket);
        let refused = |rcode, after| Decision { rcode, change: None, followed: Vec::new(), after };
        let mut together = self.together();
        // The first of the drafts, also where others are looked at before it.
        if let Err(rcode) = together.draft(&update.zone) {
            return refused(rcode, None);
        }
        if let Err(rcode) = together.apply(update, policy) {
            return refused(rcode, seen);
        }
        let Some((ticket, mut changes)) = together.finish() else { return refused(Rcode::NO_ERROR, seen) };
        // The update's own is the first, where its zone is not as it was.
        let followed = changes.split_off(1);
        Decision { rcode: Rcode::NO_ERROR, change: changes.pop(), followed, after: Some(ticket) }
    }

    /// The zone that the next update is decided upon. RFC 2136 section 3.1.2: not the apex of a zone of ours is NOTAUTH.
    /// That rests on no change of contents.
    fn decided(&self, id: &Fqdn) -> Result<&Zone, Rcode> {
        let zones = if planted(Fault::ZoneDecidedUponPublished) { &self.committed } else { &self.tentative };
        zones.get(id).ok_or(Rcode::NOT_AUTH)
    }

    /// Begins to decide several updates as one: one ticket, one change for each zone. They are in force, tentatively,
    /// with [`Together::finish`].
    pub fn together(&mut self) -> Together<'_> {
        Together { authority: self, drafts: Vec::new() }
    }

    /// Puts a zone in place as one change of its own: a new zone of the configuration. The caller stores its sets.
    pub fn put(&mut self, zone: Zone) -> Ticket {
        self.put_all([zone])
    }

    fn put_all(&mut self, zones: impl IntoIterator<Item = Zone>) -> Ticket {
        let ticket = Ticket(self.next_ticket);
        self.next_ticket += 1;
        for zone in zones {
            self.tentative.insert(zone);
        }
        self.pending.push_back(Pending { ticket, zones: self.tentative.clone(), stored: false });
        if planted(Fault::ZonePublishedUnstored) {
            self.committed = self.tentative.clone();
        }
        ticket
    }

    /// Puts a transferred zone in place as one change of its own, with the steps that lead to it. Returns what to store it
    /// under, and which steps are kept no more; `None`: too much waits for the store.
    pub fn take_in(&mut self, taken: &Taken) -> Option<(Ticket, Vec<Cut>)> {
        if self.pending.len() >= Self::PENDING_MAX {
            return None;
        }
        let id = taken.zone.id();
        let forgotten = if taken.forget { self.forget(id) } else { Vec::new() };
        let mut cut: Vec<Cut> =
            forgotten.into_iter().map(|serial_after| Cut { zone: id.clone(), serial_after }).collect();
        for difference in &taken.differences {
            cut.extend(self.histories.push(id, Arc::clone(difference)));
        }
        Some((self.put(taken.zone.clone()), cut))
    }

    /// A zone cannot be answered from, at once and whatever waits for the store, until [`ZoneAuthority::show`] or
    /// [`ZoneAuthority::take_in`].
    pub fn withhold(&mut self, id: &Fqdn, why: Unavailable) {
        self.everywhere(|zones| zones.withhold(id, why));
    }

    /// A zone that was withheld is answered from again, as it is stored.
    pub fn show(&mut self, zone: &Zone) {
        self.everywhere(|zones| zones.insert(zone.clone()));
    }

    fn everywhere(&mut self, change: impl Fn(&mut ZoneSet)) {
        let pending = self.pending.iter_mut().map(|pending| &mut pending.zones);
        pending.chain([&mut self.committed, &mut self.tentative]).for_each(change);
    }

    /// Takes the store's word on a ticket. Changes are published in the order of deciding: one that is stored
    /// before its predecessors waits for them.
    pub fn settle(&mut self, ticket: Ticket, outcome: Outcome) -> Settled {
        let mut settled = Settled::default();
        let Ok(at) = self.pending.binary_search_by_key(&ticket, |pending| pending.ticket) else { return settled };
        match outcome {
            Outcome::Failed => {
                settled.failed = self.pending.drain(at..).map(|pending| pending.ticket).collect();
                if !planted(Fault::ZoneFailureKept) {
                    self.tentative = self.pending.back().map_or(&self.committed, |pending| &pending.zones).clone();
                }
                let tentative = &self.tentative;
                self.histories.take_back(|id| tentative.get(id).map_or(0, Zone::serial));
            }
            Outcome::Committed => {
                self.pending[at].stored = true;
                while self.pending.front().is_some_and(|front| front.stored)
                    && let Some(front) = self.pending.pop_front()
                {
                    self.committed = front.zones;
                    settled.published.push(front.ticket);
                }
            }
        }
        settled
    }
}

#[cfg(test)]
mod tests;
