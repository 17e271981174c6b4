//! Zones that are copies of other servers': taken in, withheld, shown again.
//!
//! What changed in a copy is one transaction. The first copy of a zone, which may be a million records, is stored in pieces,
//! each a transaction of its own that waits for the one before, so that leases are committed between them: what is stored of a
//! zone counts for nothing until it is marked as a copy, and the mark is in the last piece, with which it is served. A start
//! drops what has no mark (`zone_intake::load`).

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, MutexGuard, PoisonError};

use dns::{Fqdn, Rcode, RecordType, Rrset};
use store::rows::Row;
use tokio::sync::oneshot;
use zones::intake::Taken;
use zones::{Cut, Difference, Unavailable, Zone};

use super::{Decided, Keeping, ToStore, Waiting, ZoneKeeper};
use crate::committer::{CommitResult, Lane, Submission};

/// About how many octets of sets are one piece: how long leases wait for it is their writing's time.
const PIECE_OCTETS: usize = 128 * 1024;
/// About what a set takes beside its names and data, in the store.
const SET_OCTETS: usize = 32;

type ChangedSet = (Fqdn, RecordType, Option<Rrset>);

/// What may be stored of a first copy that was never whole.
#[derive(Clone, Debug)]
pub(super) enum Strewn {
    /// Sets of this zone, as it was to be.
    Of(Zone),
    /// These, which a start found.
    Sets(Vec<(Fqdn, RecordType)>),
}

impl Strewn {
    fn gone(self) -> Vec<ChangedSet> {
        match self {
            Self::Of(zone) => zone.rrsets_unsorted().map(|set| (set.name, set.rtype, None)).collect(),
            Self::Sets(sets) => sets.into_iter().map(|(name, rtype)| (name, rtype, None)).collect(),
        }
    }
}

impl ZoneKeeper {
    /// Stores a transferred zone, all of it or nothing, and publishes it then; whether it is stored. `is_first`: nothing is
    /// known of a former copy. `checked_at` is UTC seconds.
    pub async fn take_in(self: &Arc<Self>, mut taken: Taken, is_first: bool, checked_at: u64) -> bool {
        let (to, stored) = oneshot::channel();
        let id = taken.zone.id().clone();
        let mut sets = Pieces(std::mem::take(&mut taken.sets).into_iter().peekable());
        if is_first && !self.store_pieces(&id, &mut sets, &taken.zone).await {
            return false;
        }
        // There may be many of them: nobody else waits meanwhile.
        let copy = Row::ZoneCopy { zone: id.clone(), checked_at };
        let rows = std::iter::once(copy).chain(sets.0.map(|set| row_of(&id, set))).collect();
        let is_decided = self.when_thawed(|state| match state.take_in(&taken, rows, to) {
            Decided::Waits(Some(to_store)) => {
                self.store(state, to_store);
                true
            }
            _ => false,
        });
        let is_stored = is_decided.await && stored.await == Ok(Rcode::NO_ERROR);
        if is_stored {
            self.strewn().remove(&id);
        }
        is_stored
    }

    /// Stores all but the last piece of a first copy. False: one could not be stored; what is stored of the others counts for
    /// nothing, and goes before it is tried again.
    async fn store_pieces(&self, id: &Fqdn, sets: &mut Pieces, zone: &Zone) -> bool {
        let former = self.strewn().get(id).cloned();
        if let Some(former) = former {
            let mut gone = Pieces(former.gone().into_iter().peekable());
            while let Some(piece) = gone.take() {
                if !self.store_piece(id, piece).await {
                    return false;
                }
            }
            self.strewn().remove(id);
        }
        let mut next = sets.take();
        while let Some(piece) = next {
            next = sets.take();
            if next.is_none() {
                sets.0 = piece.into_iter().peekable();
                return true;
            }
            self.strewn().insert(id.clone(), Strewn::Of(zone.clone()));
            if !self.store_piece(id, piece).await {
                return false;
            }
        }
        true
    }

    /// What a start found of first copies that were never whole, each by what its zone is known by. The start takes it out of
    /// the store; where the disk was full then, it goes before the next first copy.
    pub fn know_strewn(&self, sets: HashMap<Fqdn, Vec<(Fqdn, RecordType)>>) {
        self.strewn().extend(sets.into_iter().map(|(id, sets)| (id, Strewn::Sets(sets))));
    }

    /// Whether the store has begun upon the last of its room: that is left to leases, which a zone in many pieces would take
    /// it from bit by bit, where one too large for the disk in one piece is refused at once.
    async fn is_short_of_room(&self) -> bool {
        match self.committer.ask_for_room() {
            Some(answer) => answer.await == Ok(false),
            // It is too busy to say.
            None => false,
        }
    }

    async fn store_piece(&self, id: &Fqdn, piece: Vec<ChangedSet>) -> bool {
        if self.is_short_of_room().await {
            return false;
        }
        let (to, stored) = oneshot::channel();
        // A copy that is damaged may be marked still.
        let unmarked = std::iter::once(Row::ZoneCopyGone { zone: id.clone() });
        let submission = Submission {
            // The next waits for it, and no other decision rests on it.
            lane: Lane::Updater,
            epoch: 0,
            zones_epoch: None,
            stamp: self.clock.now().wall_secs,
            transactions: vec![unmarked.chain(piece.into_iter().map(|set| row_of(id, set))).collect()],
            // The transfer may have been given up.
            done: Box::new(move |result| _ = to.send(result)),
        };
        self.committer.submit(submission).await.is_ok() && stored.await == Ok(CommitResult::Committed)
    }

    fn strewn(&self) -> MutexGuard<'_, HashMap<Fqdn, Strewn>> {
        self.strewn.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Stores that a primary is known to have nothing newer of a copy. Should it get lost, the copy expires a little earlier
    /// after a restart.
    pub fn checked(&self, id: &Fqdn, checked_at: u64) {
        let submission = Submission {
            // No decision rests on it, so that its refusal refuses nothing else.
            lane: Lane::Updater,
            epoch: 0,
            zones_epoch: None,
            stamp: self.clock.now().wall_secs,
            transactions: vec![vec![Row::ZoneCopy { zone: id.clone(), checked_at }]],
            done: Box::new(|_| ()),
        };
        drop(self.committer.try_submit(submission));
    }

    /// A zone cannot be answered from, from now on.
    pub async fn withhold(&self, id: &Fqdn, why: Unavailable) {
        self.when_thawed(|state| {
            state.authority.withhold(id, why);
            self.publish(state, Vec::new());
        })
        .await;
    }

    /// A zone that was withheld is answered from again.
    pub async fn show(&self, zone: &Zone) {
        self.when_thawed(|state| {
            state.authority.show(zone);
            self.publish(state, Vec::new());
        })
        .await;
    }
}

impl<T> Keeping<T> {
    /// Decides to take a transferred zone in; see [`Keeping::decide`]. `rows` are its own.
    pub fn take_in(&mut self, taken: &Taken, mut rows: Vec<Row>, to: T) -> Decided<T> {
        let Some((ticket, cut)) = self.authority.take_in(taken) else {
            return Decided::Answered(to, Rcode::SERV_FAIL);
        };
        self.waiting.push_back(Waiting { after: ticket, rcode: Rcode::NO_ERROR, to });
        let id = taken.zone.id();
        // A step that is larger than all that is kept cuts itself.
        let own = cut.iter().filter(|cut| cut.zone == *id);
        let is_cut: HashSet<u32> = own.map(|cut| cut.serial_after).collect();
        let is_kept = |difference: &&Arc<Difference>| !is_cut.contains(&difference.serial_after);
        rows.extend(cut.into_iter().map(|Cut { zone, serial_after }| Row::ZoneDifferenceGone { zone, serial_after }));
        let kept = taken.differences.iter().filter(is_kept).map(Arc::clone);
        rows.extend(kept.map(|difference| Row::ZoneDifference { zone: id.clone(), difference }));
        Decided::Waits(Some(ToStore { ticket, epoch: self.epoch, rows }))
    }
}

/// The sets of a zone in pieces of about [`PIECE_OCTETS`].
struct Pieces(std::iter::Peekable<std::vec::IntoIter<ChangedSet>>);

impl Pieces {
    /// The next one; `None`: there is nothing more.
    fn take(&mut self) -> Option<Vec<ChangedSet>> {
        let (mut piece, mut octets) = (Vec::new(), 0);
        while octets < PIECE_OCTETS
            && let Some(set) = self.0.next()
        {
            let (name, _, content) = &set;
            let data = content.iter().flat_map(|content| &content.rdata).map(|rdata| rdata.0.len() + 2);
            octets += name.as_wire().len() + data.sum::<usize>() + SET_OCTETS;
            piece.push(set);
        }
        (!piece.is_empty()).then_some(piece)
    }
}

fn row_of(zone: &Fqdn, (name, rtype, set): ChangedSet) -> Row {
    Row::ZoneSet { zone: zone.clone(), name, rtype, set }
}

#[cfg(test)]
mod tests;
