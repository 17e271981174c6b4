//! The keeper of the embedded zones: updates are decided upon the tentative zones, stored through the committer, and
//! published when their commit is told. Queries read what is published, without a lock.
//!
//! Deciding and submitting happen under one lock, so that the journal holds the changes in the order in which they
//! were decided. Nothing waits under it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;
use dns::{Rcode, Update};
use store::rows::Row;
use tokio::sync::oneshot;
use tracing::error;
use zones::{Decision, Outcome, Policy, Ticket, ZoneAuthority, ZoneChange, ZoneSet};

use crate::clock::Clock;
use crate::committer::{CommitResult, Committer, Lane, Submission};

/// See the module.
#[derive(Debug)]
pub struct ZoneKeeper {
    state: Mutex<State>,
    published: Arc<ArcSwap<ZoneSet>>,
    committer: Committer,
    clock: Clock,
}

#[derive(Debug)]
struct State {
    authority: ZoneAuthority,
    epoch: u64,
    waiting: VecDeque<Waiting>,
}

#[derive(Debug)]
struct Waiting {
    after: Ticket,
    rcode: Rcode,
    to: oneshot::Sender<Rcode>,
}

impl ZoneKeeper {
    /// Keeps `zones`, as they are stored.
    #[must_use]
    pub fn new(zones: ZoneSet, committer: Committer, clock: Clock) -> Arc<Self> {
        let published = Arc::new(ArcSwap::from_pointee(zones.clone()));
        let state = State { authority: ZoneAuthority::new(zones), epoch: 0, waiting: VecDeque::new() };
        Arc::new(Self { state: Mutex::new(state), published, committer, clock })
    }

    /// What queries are answered from.
    #[must_use]
    pub fn published(&self) -> Arc<ArcSwap<ZoneSet>> {
        Arc::clone(&self.published)
    }

    /// Applies one update, waits until it is stored and published, and tells the response code (RFC 2136 section 2.2).
    /// SERVFAIL when it could not be stored.
    pub async fn update(self: &Arc<Self>, update: &Update, policy: &(dyn Policy + Sync)) -> Rcode {
        let answer = self.decide(update, policy);
        match answer {
            Ok(rcode) => rcode,
            // The sender is dropped only with the keeper.
            Err(waiting) => waiting.await.unwrap_or(Rcode::SERV_FAIL),
        }
    }

    fn decide(self: &Arc<Self>, update: &Update, policy: &dyn Policy) -> Result<Rcode, oneshot::Receiver<Rcode>> {
        let mut state = self.lock();
        let Decision { rcode, change, after } = state.authority.apply(update, policy);
        let Some(ticket) = after else { return Ok(rcode) };
        let (to, waiting) = oneshot::channel();
        state.waiting.push_back(Waiting { after: ticket, rcode, to });
        if let Some(change) = change {
            let keeper = Arc::clone(self);
            let submission = Submission {
                lane: Lane::Zones,
                epoch: state.epoch,
                stamp: self.clock.now().wall_secs,
                transactions: vec![rows_of(change)],
                done: Box::new(move |result| keeper.settle(ticket, result)),
            };
            if self.committer.try_submit(submission).is_err() {
                error!("an update of an embedded zone was answered with SERVFAIL: the store's queue is full");
                self.settle_locked(&mut state, ticket, CommitResult::NoSpace);
            }
        }
        drop(state);
        Err(waiting)
    }

    /// Takes the outcome of a submission, on the committer's thread.
    fn settle(&self, ticket: Ticket, result: CommitResult) {
        let mut state = self.lock();
        self.settle_locked(&mut state, ticket, result);
    }

    fn settle_locked(&self, state: &mut State, ticket: Ticket, result: CommitResult) {
        let outcome = match result {
            CommitResult::Committed => Outcome::Committed,
            CommitResult::NoSpace | CommitResult::Failed => {
                // What was decided upon the failed change carries the old epoch, and the committer refuses it.
                state.epoch += 1;
                Outcome::Failed
            }
        };
        let settled = state.authority.settle(ticket, outcome);
        if !settled.published.is_empty() {
            self.published.store(Arc::new(state.authority.committed().clone()));
        }
        let answered =
            |waiting: &Waiting| settled.published.contains(&waiting.after) || settled.failed.contains(&waiting.after);
        // Waiting answers stand in the order of their tickets, and tickets settle from the front, or fail to the end.
        let (first, last) = (
            state.waiting.iter().position(answered).unwrap_or(0),
            state.waiting.iter().rposition(answered).map_or(0, |at| at + 1),
        );
        for waiting in state.waiting.drain(first..last.max(first)) {
            let rcode = if settled.failed.contains(&waiting.after) { Rcode::SERV_FAIL } else { waiting.rcode };
            // Whoever asked may have given up.
            _ = waiting.to.send(rcode);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A change as rows: every changed set, the SOA with the new serial among them.
#[must_use]
pub fn rows_of(change: ZoneChange) -> Vec<Row> {
    let zone = change.zone;
    change.sets.into_iter().map(|(name, rtype, set)| Row::ZoneSet { zone: zone.clone(), name, rtype, set }).collect()
}
