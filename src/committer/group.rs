//! Commits in groups, and the rules of refusing: the committer without its thread. The simulation drives this same code.

use store::Store;
use store::journal::{CommitError, Compaction, Zeroing};
use store::storage::Storage;
use tracing::error;

use super::{CommitResult, Lane, Submission};

/// Which decisions may no longer be stored, because they stand upon one that was not.
#[derive(Clone, Copy, Debug, Default)]
pub struct Gate {
    failed: [Option<u64>; 3],
}

impl Gate {
    /// Whether a submission may be stored; when not, whatever was decided upon it may not either. The updater's rows
    /// stand alone: none is decided upon another.
    pub fn take(&mut self, submission: &Submission) -> bool {
        let admits =
            |(lane, epoch)| lane == Lane::Updater || self.failed[lane as usize].is_none_or(|failed| epoch > failed);
        let admitted = submission.stands_in().all(admits);
        if !admitted {
            self.refuse(submission);
        }
        admitted
    }

    /// A submission was not stored.
    pub fn refuse(&mut self, submission: &Submission) {
        for (lane, epoch) in submission.stands_in() {
            let failed = &mut self.failed[lane as usize];
            *failed = (*failed).max(Some(epoch));
        }
    }
}

/// A store and what was refused by it.
#[derive(Debug)]
pub struct GroupCommit<S: Storage> {
    store: Store<S>,
    pub(super) gate: Gate,
    failed: bool,
}

impl<S: Storage> GroupCommit<S> {
    /// Commits to `store`, which has refused nothing yet.
    #[must_use]
    pub fn new(store: Store<S>) -> Self {
        Self { store, gate: Gate::default(), failed: false }
    }

    /// Whether a write or a sync failed, so that nothing more is committed.
    #[must_use]
    pub fn failed(&self) -> bool {
        self.failed
    }

    /// Whether the store can take more than it could when it last found no room.
    pub fn has_room(&mut self) -> bool {
        !self.failed && self.store.prepare_spare()
    }

    /// Whether the committer's thread has something to do besides commits.
    #[must_use]
    pub fn needs_upkeep(&self, in_rush: bool) -> bool {
        self.failed || self.compaction_due(in_rush) || self.store.zeroing_due()
    }

    /// Whether it is time for [`GroupCommit::begin_compaction`]; `in_rush`: see [`store::journal::compaction_due`].
    #[must_use]
    pub fn compaction_due(&self, in_rush: bool) -> bool {
        !self.failed && self.store.compaction_due(in_rush)
    }

    /// What the segments take in bytes: it grows when another one is begun.
    #[must_use]
    pub fn segments_bytes(&self) -> u64 {
        self.store.sizes().segments_bytes
    }

    /// See [`Store::begin_compaction`].
    ///
    /// # Errors
    /// As there.
    pub fn begin_compaction(&mut self) -> Result<Option<Compaction<S>>, CommitError> {
        self.store.begin_compaction()
    }

    /// See [`Store::begin_zeroing`].
    pub fn begin_zeroing(&mut self) -> Option<Zeroing<S>> {
        self.store.begin_zeroing()
    }

    /// One append and one sync for the whole group; when there is no room for the group, each submission alone.
    /// Every submission is told its outcome before this returns.
    pub fn commit(&mut self, group: Vec<Submission>) {
        let admitted: Vec<bool> = group.iter().map(|submission| self.gate.take(submission)).collect();
        let together: Vec<&Submission> =
            group.iter().zip(&admitted).filter_map(|(one, is)| is.then_some(one)).collect();
        let alone = together.len() < 2;
        let result = if together.is_empty() { CommitResult::NoSpace } else { self.store_all(&together) };
        let one_by_one = result == CommitResult::NoSpace && !alone;
        for (submission, admitted) in group.into_iter().zip(admitted) {
            let result = match admitted {
                false if self.failed => CommitResult::Failed,
                false => CommitResult::NoSpace,
                // What was just refused may be what this one was decided upon.
                true if one_by_one && self.gate.take(&submission) => self.store_all(&[&submission]),
                true => result,
            };
            if result != CommitResult::Committed {
                self.gate.refuse(&submission);
            }
            (submission.done)(result);
        }
    }

    fn store_all(&mut self, group: &[&Submission]) -> CommitResult {
        if self.failed {
            return CommitResult::Failed;
        }
        let stamp = group.iter().map(|submission| submission.stamp).max().unwrap_or(0);
        let transactions = group.iter().flat_map(|submission| &submission.transactions);
        match self.store.commit(stamp, transactions) {
            Ok(()) => CommitResult::Committed,
            Err(CommitError::NoSpace { .. }) => CommitResult::NoSpace,
            Err(error @ CommitError::TooLarge { .. }) => {
                // A group is tried again one by one. Each is far below the limit: refusing is safe, and the log tells.
                if group.len() == 1 {
                    error!("a transaction was refused by the store: {error}");
                }
                CommitResult::NoSpace
            }
            Err(error) => {
                error!("{}", crate::words(&error));
                self.failed = true;
                CommitResult::Failed
            }
        }
    }
}
