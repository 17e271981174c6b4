//! The store goes from hand to hand: the committer's thread has it for each group, and who submits alone may have it for
//! one commit on its own thread, without waking another. No lock is held while a sync runs: the store itself is lent, and
//! comes back.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use store::storage::Storage;

use super::{GroupCommit, Submission};

/// A disk that syncs within this time may hold up who commits on its own thread: whatever comes meanwhile waits no longer
/// than that.
const QUICK: Duration = Duration::from_millis(1);

/// Where the store is.
#[derive(Debug)]
pub(super) struct Hands<S: Storage> {
    place: Mutex<Place<S>>,
    back: Condvar,
    /// Threads that wait for it to come back: told by a system call, which is spared where there is none.
    awaited: AtomicUsize,
    /// Submissions in the queue, or taken from it by a thread that waits for the store.
    waiting: AtomicUsize,
}

#[derive(Debug)]
enum Place<S: Storage> {
    Here(Box<Held<S>>),
    Lent,
    /// Nothing is committed any more.
    Gone,
}

/// The store, and how its disk does.
#[derive(Debug)]
pub(super) struct Held<S: Storage> {
    pub(super) commits: GroupCommit<S>,
    /// How long a commit takes, at worst, of late.
    pace: Duration,
    rush: Rush,
}

/// Whether so much is committed that a compaction would take its time from clients who wait.
#[derive(Debug)]
struct Rush {
    /// What the segments took when it was last looked at.
    segments_bytes: u64,
    /// When another segment was begun.
    since: Instant,
    /// The one before was filled at once.
    filled_at_once: bool,
}

impl Rush {
    /// A segment that is filled within this time was filled in a rush.
    const SEGMENT_TIME: Duration = Duration::from_secs(2);

    fn new(segments_bytes: u64, now: Instant) -> Self {
        Self { segments_bytes, since: now, filled_at_once: false }
    }

    fn look(&mut self, segments_bytes: u64, now: Instant) {
        let is_another = segments_bytes > self.segments_bytes;
        self.segments_bytes = segments_bytes;
        if is_another {
            (self.since, self.filled_at_once) = (now, self.is_young(now));
        }
    }

    /// It ends by time alone: nothing is committed when all is quiet, nor while a full disk waits for a compaction.
    fn lasts(&self, now: Instant) -> bool {
        self.filled_at_once && self.is_young(now)
    }

    /// How long it lasts yet, if nothing more comes.
    fn rest(&self, now: Instant) -> Option<Duration> {
        self.lasts(now).then(|| Self::SEGMENT_TIME.saturating_sub(now.saturating_duration_since(self.since)))
    }

    fn is_young(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.since) < Self::SEGMENT_TIME
    }
}

impl<S: Storage> Held<S> {
    /// See [`GroupCommit::commit`].
    pub(super) fn commit(&mut self, group: Vec<Submission>) {
        if group.is_empty() {
            return;
        }
        let began = Instant::now();
        self.commits.commit(group);
        let now = Instant::now();
        // What was slow is forgotten by and by.
        self.pace = now.saturating_duration_since(began).max(self.pace * 7 / 8);
        self.rush.look(self.commits.segments_bytes(), now);
    }

    /// See [`GroupCommit::compaction_due`].
    pub(super) fn compaction_due(&self) -> bool {
        self.commits.compaction_due(self.rush.lasts(Instant::now()))
    }

    /// How long a compaction is put off yet for a rush, after which it is due though nobody commits any more.
    pub(super) fn put_off(&self) -> Option<Duration> {
        self.rush.rest(Instant::now()).filter(|_| self.commits.compaction_due(false))
    }

    /// See [`GroupCommit::needs_upkeep`].
    fn needs_upkeep(&self) -> bool {
        self.commits.needs_upkeep(self.rush.lasts(Instant::now()))
    }
}

#[cfg(test)]
impl<S: Storage> Held<S> {
    /// However long commits took.
    pub(super) fn take_for_quick(&mut self) {
        self.pace = Duration::ZERO;
    }
}

impl<S: Storage> Hands<S> {
    pub(super) fn new(commits: GroupCommit<S>) -> Self {
        // Nothing is known of the disk yet.
        let rush = Rush::new(commits.segments_bytes(), Instant::now());
        let held = Held { commits, pace: QUICK, rush };
        Self {
            place: Mutex::new(Place::Here(Box::new(held))),
            back: Condvar::new(),
            awaited: AtomicUsize::new(0),
            waiting: AtomicUsize::new(0),
        }
    }

    /// Does `work` with the store, once whoever has it gives it back; `None` when it is gone.
    pub(super) fn with<T>(&self, work: impl FnOnce(&mut Held<S>) -> T) -> Option<T> {
        self.lend(self.once_back(), work)
    }

    /// Commits at once, if nobody has the store, no submission waits for it, and its disk is quick; else the submission
    /// comes back. Tells whether [`GroupCommit::needs_upkeep`].
    pub(super) fn commit_alone(&self, submission: Submission) -> Result<bool, Submission> {
        let place = self.place();
        let is_quick = matches!(&*place, Place::Here(held) if held.pace < QUICK);
        if !is_quick || self.waiting.load(Ordering::Acquire) > 0 {
            return Err(submission);
        }
        let mut alone = Some(submission);
        let needs_upkeep = self.lend(place, |held| {
            held.commit(alone.take().into_iter().collect());
            held.needs_upkeep()
        });
        alone.map_or(Ok(needs_upkeep == Some(true)), Err)
    }

    fn lend<T>(&self, mut place: MutexGuard<'_, Place<S>>, work: impl FnOnce(&mut Held<S>) -> T) -> Option<T> {
        let mut held = match std::mem::replace(&mut *place, Place::Lent) {
            Place::Here(held) => held,
            other => {
                *place = other;
                return None;
            }
        };
        drop(place);
        let lent = Lent(self);
        let done = work(&mut held);
        *self.place() = Place::Here(held);
        drop(lent);
        Some(done)
    }

    /// A submission is about to wait.
    pub(super) fn one_more(&self) {
        self.waiting.fetch_add(1, Ordering::AcqRel);
    }

    /// It waits no longer: who has the store has it too, or there was no place in the queue.
    pub(super) fn one_less(&self) {
        self.waiting.fetch_sub(1, Ordering::AcqRel);
    }

    /// Closes the store, once whoever has it gives it back.
    pub(super) fn close(&self) {
        let was = std::mem::replace(&mut *self.once_back(), Place::Gone);
        drop(was);
    }

    fn once_back(&self) -> MutexGuard<'_, Place<S>> {
        let is_lent = |place: &mut Place<S>| matches!(place, Place::Lent);
        // Counted under the lock, so that whoever brings it back either sees this one or is seen by it.
        let place = self.place();
        self.awaited.fetch_add(1, Ordering::Relaxed);
        let place = self.back.wait_while(place, is_lent).unwrap_or_else(PoisonError::into_inner);
        self.awaited.fetch_sub(1, Ordering::Relaxed);
        place
    }

    fn place(&self) -> MutexGuard<'_, Place<S>> {
        self.place.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The store is in somebody's hands; dropped once it is back.
struct Lent<'a, S: Storage>(&'a Hands<S>);

impl<S: Storage> Drop for Lent<'_, S> {
    fn drop(&mut self) {
        let mut place = self.0.place();
        // Of a panic: what it left behind is not committed to any more.
        if matches!(*place, Place::Lent) {
            *place = Place::Gone;
        }
        let is_awaited = self.0.awaited.load(Ordering::Relaxed) > 0;
        drop(place);
        if is_awaited {
            self.0.back.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rush_lasts_while_one_segment_after_the_other_is_filled() {
        let begun = Instant::now();
        let at = |ms| begun + Duration::from_millis(ms);
        let mut rush = Rush::new(4, begun);
        rush.look(4, at(100));
        assert!(!rush.lasts(at(100)), "none was filled");
        rush.look(8, at(200));
        assert!(rush.lasts(at(200)));
        rush.look(8, at(2_100));
        assert!(rush.lasts(at(2_100)));
        rush.look(4, at(2_150));
        assert!(rush.lasts(at(2_150)), "a compaction took some away");
        rush.look(4, at(2_200));
        assert!(!rush.lasts(at(2_200)), "this one takes its time");
        rush.look(8, at(9_000));
        assert!(!rush.lasts(at(9_000)));
        rush.look(12, at(9_100));
        assert!(rush.lasts(at(9_100)));
        assert_eq!(rush.rest(at(9_600)), Some(Duration::from_millis(1_500)));
        assert!(!rush.lasts(at(11_100)), "nothing was committed since");
        assert_eq!(rush.rest(at(11_100)), None);
    }
}
