//! The keeper of the embedded zones: updates are decided upon the tentative zones, stored through the committer, and
//! published when their commit is told. Queries read what is published, without a lock.
//!
//! Deciding and submitting happen under one lock, so that the journal holds the changes in the order in which they
//! were decided. Nothing waits under it.
//!
//! [`copies`] are zones of other servers. [`by_lease`] takes away what holders of leases wrote by themselves, [`owed`] later what
//! could not be stored with their ends. [`with_leases`] decides new names in the transactions of their leases; all else comes
//! as updates.

mod by_lease;
mod copies;
mod owed;
mod past;
mod relay;
mod views;
pub mod with_leases;

pub use relay::Freeze;
pub use views::Strayed;

use std::collections::{HashMap, HashSet, VecDeque};
use std::net::Ipv4Addr;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;
use ddns::settings::Settings;
use ddns::wanted::WantedTable;
use dns::{Fqdn, Rcode, Update};
use store::rows::Row;
use tokio::sync::{Notify, oneshot};
use tracing::warn;
use zones::{Cut, Decision, Histories, History, Outcome, Policy, Ticket, ZoneAuthority, ZoneChange, ZoneSet};

use self::by_lease::Written;
use self::copies::Strewn;
use self::owed::Owed;
use self::with_leases::take_back;
use crate::clock::Clock;
use crate::committer::{CommitResult, Committer, Lane, NotTaken, Submission};
use crate::embedded_zones::ByLease;
use crate::quiet::Quiet;

/// See the module.
#[derive(Debug)]
pub struct ZoneKeeper {
    state: Mutex<Keeping<oneshot::Sender<Rcode>>>,
    published: Arc<ArcSwap<ZoneSet>>,
    committer: Committer,
    clock: Clock,
    /// Something was published.
    changed: Notify,
    /// While the disk is full every update would be told.
    refused: Quiet,
    /// For how many nothing may be decided now, because zones are exchanged or what was decided is committed at once: updates
    /// wait.
    frozen: AtomicUsize,
    thawed: Notify,
    /// Something was settled.
    settled: Notify,
    /// Something is owed that is to be tried again.
    owing: Notify,
    /// First copies of which pieces may be stored that count for nothing, until they are whole.
    strewn: Mutex<HashMap<Fqdn, Strewn>>,
}

impl ZoneKeeper {
    /// Keeps `zones`, as they and their past are stored.
    #[must_use]
    pub fn new(zones: ZoneSet, histories: Histories, committer: Committer, clock: Clock) -> Arc<Self> {
        let published = Arc::new(ArcSwap::from_pointee(zones.clone()));
        Arc::new(Self {
            state: Mutex::new(Keeping::with_histories(zones, histories)),
            published,
            committer,
            clock,
            changed: Notify::new(),
            refused: Quiet::default(),
            frozen: AtomicUsize::new(0),
            thawed: Notify::new(),
            settled: Notify::new(),
            owing: Notify::new(),
            strewn: Mutex::default(),
        })
    }

    /// In these zones holders of leases keep their own A records; such a record goes with its lease. `written` are those that
    /// are marked as theirs.
    pub fn open_to_leases(&self, apexes: HashSet<Fqdn>, written: ByLease) {
        let mut state = self.lock();
        (state.by_lease, state.written) = (apexes, Written::new(written));
    }

    /// Takes away what holders of leases wrote by themselves and what a crash left behind. To be called at the start, with
    /// what is wanted as it is stored; `holds` says whether a lease runs that has this name and address.
    pub fn make_up_departures(
        self: &Arc<Self>,
        settings: &Settings,
        wanted: &WantedTable,
        holds: impl Fn(&Fqdn, Ipv4Addr) -> bool,
    ) {
        let missed = {
            let state = self.lock();
            let mut missed = by_lease::missed(settings, &state.by_lease, &state.written, state.published(), wanted);
            let left_over = state.left_over(holds).into_iter().filter(|update| !missed.contains(update));
            let left_over: Vec<Update> = left_over.collect();
            missed.extend(left_over);
            missed
        };
        self.owe(missed);
    }

    /// What queries are answered from.
    #[must_use]
    pub fn published(&self) -> Arc<ArcSwap<ZoneSet>> {
        Arc::clone(&self.published)
    }

    /// The zone that names of leases with this apex are decided in: see `zones::ZoneSet::home`.
    #[must_use]
    pub fn home(&self, apex: &Fqdn) -> Fqdn {
        self.published.load().home(apex).clone()
    }

    /// A zone as it is known, or by its apex the one that names of leases are decided in.
    #[must_use]
    pub fn home_of(&self, id: &Fqdn) -> Fqdn {
        let zones = self.published.load();
        if zones.leased(&zones::zone_id::apex(id)).contains(id) { id.clone() } else { zones.home(id).clone() }
    }

    /// Applies one update, waits until it is stored and published, and tells the response code (RFC 2136 section 2.2).
    /// SERVFAIL when it could not be stored.
    pub async fn update(self: &Arc<Self>, update: &Update, policy: &(dyn Policy + Sync)) -> Rcode {
        self.change(|state, to| state.decide(update, policy, to)).await
    }

    /// Decides upon a change, waits until it is stored and published, and tells the response code.
    async fn change(
        self: &Arc<Self>,
        decide: impl FnOnce(&mut Keeping<oneshot::Sender<Rcode>>, oneshot::Sender<Rcode>) -> Decided<oneshot::Sender<Rcode>>,
    ) -> Rcode {
        let (to, waiting) = oneshot::channel();
        self.when_thawed(|state| {
            // Whoever writes next must not be taken for whoever had the name before.
            if state.owes() && !self.pay(state) {
                return answer(to, Rcode::SERV_FAIL);
            }
            match decide(state, to) {
                Decided::Answered(to, rcode) => answer(to, rcode),
                Decided::Waits(to_store) => {
                    if let Some(to_store) = to_store {
                        self.store(state, to_store);
                    }
                }
            }
        })
        .await;
        // The sender is dropped only with the keeper.
        waiting.await.unwrap_or(Rcode::SERV_FAIL)
    }

    fn store(self: &Arc<Self>, state: &mut Keeping<oneshot::Sender<Rcode>>, to_store: ToStore) {
        let ToStore { ticket, epoch, rows } = to_store;
        let keeper = Arc::clone(self);
        let submission = Submission {
            lane: Lane::Zones,
            epoch,
            zones_epoch: None,
            stamp: self.clock.now().wall_secs,
            transactions: vec![rows],
            done: Box::new(move |result| {
                if result == CommitResult::NoSpace {
                    keeper.tell_refused("the store has no room for it");
                }
                let mut state = keeper.lock();
                let answers = state.settle(ticket, result);
                keeper.publish(&state, answers);
            }),
        };
        if self.committer.try_submit(submission).is_err() {
            self.tell_refused("the store's queue is full");
            let answers = state.settle(ticket, CommitResult::NoSpace);
            self.publish(state, answers);
        }
    }

    /// Submits transactions of leases together with the new names that they bring to embedded zones, which are published
    /// before the outcome is told. Returns the generations of the rows that they make true. Nothing waits; but `alone` lets
    /// the submission be committed before this returns ([`Committer::commit_alone`]).
    ///
    /// # Errors
    /// The submission comes back when there is no place in the queue; its names are then left to the updater.
    pub fn submit_leases(
        self: &Arc<Self>,
        settings: &Settings,
        mut submission: Submission,
        alone: bool,
    ) -> Result<Vec<u64>, NotTaken> {
        let mut state = self.lock();
        let Some(decided) = state.decide_with_leases(settings, submission.stamp, &mut submission.transactions) else {
            drop(state);
            let taken = match alone {
                true => self.committer.commit_alone(submission),
                false => self.committer.try_submit(submission),
            };
            return taken.map(|()| Vec::new());
        };
        let written = decided.written.clone();
        submission.zones_epoch = Some(decided.epoch);
        let (keeper, told, stored) = (Arc::clone(self), submission.done, decided.clone());
        submission.done = Box::new(move |result| {
            let mut state = keeper.lock();
            let answers = state.settle_with_leases(stored, result);
            keeper.publish(&state, answers);
            drop(state);
            told(result);
        });
        let taken = match alone {
            true => {
                // No lock is held while the disk syncs. What the next would decide upon this waits instead, so that this is
                // the next in the journal, also where it has to be left to the committer's thread.
                let frozen = Freeze::new(self, &state);
                drop(state);
                let taken = self.committer.commit_alone(submission);
                state = self.lock();
                drop(frozen);
                taken
            }
            false => self.committer.try_submit(submission),
        };
        taken.map(|()| written).map_err(|NotTaken(mut back)| {
            // Settled now, they are settled for good: the outcome of what is left of the submission does not touch them.
            let departing = decided.departing.clone();
            let answers = state.settle_with_leases(decided, CommitResult::NoSpace);
            self.publish(&state, answers);
            take_back(&mut back.transactions);
            back.zones_epoch = None;
            if !departing.is_empty() {
                let (keeper, told) = (Arc::clone(self), back.done);
                back.done = Box::new(move |result| {
                    // The leases have ended without it; those that could not be stored go on.
                    if result == CommitResult::Committed {
                        keeper.owe(departing);
                    }
                    told(result);
                });
            }
            NotTaken(back)
        })
    }

    /// Shows what is stored, and answers those who waited for it.
    fn publish(&self, state: &Keeping<oneshot::Sender<Rcode>>, answers: Vec<(oneshot::Sender<Rcode>, Rcode)>) {
        self.published.store(Arc::new(state.published().clone()));
        self.changed.notify_one();
        self.settled.notify_waiters();
        if state.owes() {
            self.owing.notify_one();
        }
        for (to, rcode) in answers {
            answer(to, rcode);
        }
    }

    fn tell_refused(&self, why: &str) {
        if let Some(kept_back) = self.refused.may_tell() {
            warn!("an update of an embedded zone was answered with SERVFAIL: {why}{kept_back}");
        }
    }

    fn lock(&self) -> MutexGuard<'_, Keeping<oneshot::Sender<Rcode>>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn answer(to: oneshot::Sender<Rcode>, rcode: Rcode) {
    // Whoever asked may have given up.
    _ = to.send(rcode);
}

/// The zones, and whoever waits for an update of them to be stored: the keeper without its lock, its queue and its
/// clock. The simulation drives this same code. `T` is who waits.
#[derive(Debug)]
pub struct Keeping<T> {
    authority: ZoneAuthority,
    epoch: u64,
    waiting: VecDeque<Waiting<T>>,
    /// Zones in which holders of leases keep their own A records.
    by_lease: HashSet<Fqdn>,
    /// What they wrote.
    written: Written,
    owed: Owed,
}

#[derive(Debug)]
struct Waiting<T> {
    after: Ticket,
    rcode: Rcode,
    to: T,
}

/// What became of an update.
#[derive(Debug)]
pub enum Decided<T> {
    /// Answer it so, at once.
    Answered(T, Rcode),
    /// It is answered by a [`Keeping::settle`]: of this that is to be stored, or of something that is on its way.
    Waits(Option<ToStore>),
}

/// A change to be stored in the lane of the zones. The outcome goes to [`Keeping::settle`].
#[derive(Debug)]
pub struct ToStore {
    /// Comes back with the outcome.
    pub ticket: Ticket,
    /// In which it was decided.
    pub epoch: u64,
    /// To be stored all or none.
    pub rows: Vec<Row>,
}

impl<T> Keeping<T> {
    /// Keeps `zones`, as they are stored.
    #[must_use]
    pub fn new(zones: ZoneSet) -> Self {
        Self::with_histories(zones, Histories::new())
    }

    /// The same, with what is stored of the zones' past.
    #[must_use]
    pub fn with_histories(zones: ZoneSet, histories: Histories) -> Self {
        let authority = ZoneAuthority::with_histories(zones, histories);
        let (written, owed) = (Written::default(), Owed::default());
        Self { authority, epoch: 0, waiting: VecDeque::new(), by_lease: HashSet::new(), written, owed }
    }

    /// The past of a zone.
    #[must_use]
    pub fn history(&self, apex: &Fqdn) -> Option<&History> {
        self.authority.history(apex)
    }

    /// What queries are answered from.
    #[must_use]
    pub fn published(&self) -> &ZoneSet {
        self.authority.committed()
    }

    /// Decides upon an update. Changes must be submitted in the order in which they were decided.
    pub fn decide(&mut self, update: &Update, policy: &dyn Policy, to: T) -> Decided<T> {
        self.decide_for(update, policy, None, to)
    }

    /// The same for the holder of a lease with this name, who writes its own address.
    fn decide_for(&mut self, update: &Update, policy: &dyn Policy, holder: Option<&Fqdn>, to: T) -> Decided<T> {
        let Decision { rcode, change, followed, after } = self.authority.apply(update, policy);
        let Some(ticket) = after else { return Decided::Answered(to, rcode) };
        self.waiting.push_back(Waiting { after: ticket, rcode, to });
        Decided::Waits(change.map(|change| {
            let mut rows = Vec::new();
            self.add_rows(ticket, std::iter::once(change).chain(followed), holder, &mut rows);
            ToStore { ticket, epoch: self.epoch, rows }
        }))
    }

    /// Adds what is stored of changes under their ticket. `holder` is who wrote its own address, if it is that.
    fn add_rows(
        &mut self,
        ticket: Ticket,
        changes: impl IntoIterator<Item = ZoneChange>,
        holder: Option<&Fqdn>,
        rows: &mut Vec<Row>,
    ) {
        for change in changes {
            self.written.follow(ticket, &change, holder, rows);
            rows_of(change, rows);
        }
    }

    /// Takes the outcome of what was to be stored; returns who is to be answered what. What was not stored fails
    /// together with all that was decided upon it.
    pub fn settle(&mut self, ticket: Ticket, result: CommitResult) -> Vec<(T, Rcode)> {
        let outcome = match result {
            CommitResult::Committed => Outcome::Committed,
            CommitResult::NoSpace | CommitResult::Failed => {
                // What was decided upon the failed change carries the old epoch, and the committer refuses it.
                self.epoch += 1;
                Outcome::Failed
            }
        };
        let settled = self.authority.settle(ticket, outcome);
        self.owed.settle(&settled);
        self.written.settle(&settled);
        let answered = |waiting: &Waiting<T>| {
            settled.published.contains(&waiting.after) || settled.failed.contains(&waiting.after)
        };
        // Waiting answers stand in the order of their tickets, and tickets settle from the front, or fail to the end.
        let (first, last) = (
            self.waiting.iter().position(answered).unwrap_or(0),
            self.waiting.iter().rposition(answered).map_or(0, |at| at + 1),
        );
        let told = self.waiting.drain(first..last.max(first)).map(|waiting| {
            let failed = settled.failed.contains(&waiting.after);
            (waiting.to, if failed { Rcode::SERV_FAIL } else { waiting.rcode })
        });
        told.collect()
    }
}

/// A change as rows: every changed set, the SOA with the new serial among them, and the step that it is, unless that is too
/// large to be kept.
fn rows_of(change: ZoneChange, rows: &mut Vec<Row>) {
    let ZoneChange { zone, sets, added, difference, cut, .. } = change;
    rows.extend(added.into_iter().map(|(name, node)| Row::ZoneName { zone: zone.clone(), name, node }));
    rows.extend(sets.into_iter().map(|(name, rtype, set)| Row::ZoneSet { zone: zone.clone(), name, rtype, set }));
    // A step that is larger than all that is kept cuts itself: stored, it would lead from a serial of which nothing is known.
    let is_kept = !cut.iter().any(|cut| cut.zone == zone && cut.serial_after == difference.serial_after);
    rows.extend(cut.into_iter().map(|Cut { zone, serial_after }| Row::ZoneDifferenceGone { zone, serial_after }));
    if is_kept {
        rows.push(Row::ZoneDifference { zone, difference });
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use dns::{Change, Rdata, RecordType};
    use zones::{AllowAll, NewZone};

    use super::*;

    /// The rows of an update that puts so many records of 60,000 octets in the zone.
    fn large(keeping: &mut Keeping<u32>, owner: &str, count: u16, remove: bool) -> Vec<Row> {
        let (apex, name): (Fqdn, Fqdn) = ("example".parse().unwrap(), owner.parse().unwrap());
        let rdata = |at: u16| Rdata([&at.to_be_bytes()[..], &[0; 60_000]].concat().into());
        let changes = (0..count).map(|at| match remove {
            true => Change::DeleteRecord(name.clone(), RecordType(65_280), rdata(at)),
            false => Change::Add { name: name.clone(), rtype: RecordType(65_280), ttl: 60, rdata: rdata(at) },
        });
        let update = Update { zone: apex, prerequisites: Vec::new(), changes: changes.collect() };
        let Decided::Waits(Some(ToStore { ticket, rows, .. })) = keeping.decide(&update, &AllowAll, 1) else {
            panic!("a change")
        };
        keeping.settle(ticket, CommitResult::Committed);
        rows
    }

    #[test]
    fn a_step_that_is_too_large_to_be_kept_is_not_stored() {
        let apex: Fqdn = "example".parse().unwrap();
        let mut zones = ZoneSet::new();
        zones.insert(NewZone::new(apex.clone(), "ns.example".parse().unwrap(), vec![]).build().unwrap());
        let mut keeping = Keeping::new(zones);
        let steps = |rows: &[Row]| rows.iter().filter(|row| matches!(row, Row::ZoneDifference { .. })).count();
        assert_eq!(steps(&large(&mut keeping, "large.example", 100, false)), 1, "what was there was small");
        let rows = large(&mut keeping, "large.example", 100, true);
        let gone = rows.iter().filter(|row| matches!(row, Row::ZoneDifferenceGone { .. })).count();
        assert_eq!((steps(&rows), gone), (0, 2), "this one and what was before");
        assert!(keeping.history(&apex).unwrap().is_empty());
        assert_eq!(steps(&large(&mut keeping, "small.example", 1, false)), 1, "the next is kept again");
    }
}
