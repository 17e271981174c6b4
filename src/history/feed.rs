//! Where events wait for the history's thread.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use dhcp::decision::LeaseEvent;
use store::history::is_told_already;
use tokio::sync::oneshot;

/// Events that wait; what is more is read from the journal.
pub(super) const WAITING_MAX: usize = 32 * 1024;
/// What happens within this time is written together, unless so much happens that it fills a quarter of the room.
const TOGETHER: Duration = Duration::from_millis(500);
const PRESSING: usize = WAITING_MAX / 4;

/// Where the DHCP service leaves what happened.
#[derive(Debug, Default)]
pub struct HistoryFeed {
    waiting: Mutex<Waiting>,
    wake: Condvar,
}

#[derive(Debug, Default)]
pub(super) struct Waiting {
    /// As they came, each batch with its time: it is shared, and not copied.
    pub(super) batches: VecDeque<(u64, Arc<Vec<LeaseEvent>>)>,
    events: usize,
    /// Some did not fit: they are in the journal, from this time on (UTC seconds).
    pub(super) missing_since: Option<u64>,
    /// The thread sleeps until something happens.
    sleeps: bool,
    /// It lets more come, unless so much comes that it is pressing.
    lingers: bool,
    stopping: bool,
    /// Who wants to read what has happened up to now.
    flushes: Vec<oneshot::Sender<()>>,
}

impl HistoryFeed {
    /// Takes what happened, at `now`, and was decided at `decided_at`, before it was stored (UTC seconds). Never waits for
    /// who writes it.
    pub fn push(&self, now: u64, decided_at: u64, events: &Arc<Vec<LeaseEvent>>) {
        // Nearly all renewals: a crowd of them costs the history nothing.
        if events.iter().all(is_told_already) {
            return;
        }
        let mut waiting = self.lock();
        // Once something is missing, all that follows is read from the journal with it, in its order.
        if waiting.missing_since.is_some() {
            return;
        }
        let fits = waiting.events + events.len() <= WAITING_MAX;
        if fits {
            waiting.events += events.len();
            waiting.batches.push_back((now, Arc::clone(events)));
        } else {
            waiting.missing_since = Some(decided_at);
        }
        let presses = waiting.events >= PRESSING || !fits;
        let lingered = presses && std::mem::take(&mut waiting.lingers);
        if std::mem::take(&mut waiting.sleeps) || lingered {
            drop(waiting);
            self.wake.notify_one();
        }
    }

    /// Waits until what happened up to now can be read.
    pub async fn flushed(&self) {
        let (to, done) = oneshot::channel();
        {
            let mut waiting = self.lock();
            if waiting.stopping {
                return;
            }
            waiting.flushes.push(to);
            (waiting.sleeps, waiting.lingers) = (false, false);
        }
        self.wake.notify_one();
        // One that is busy, or whose disk does not answer, has told what it could.
        drop(tokio::time::timeout(Duration::from_secs(2), done).await);
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What has come, after a while in which more may; none: it is to end.
    pub(super) fn take(&self, patience: Duration) -> Option<Taken> {
        let mut waiting = self.lock();
        if waiting.is_idle() {
            waiting.sleeps = true;
            waiting = self.wait(waiting, patience, |waiting| waiting.sleeps && !waiting.stopping);
            waiting.sleeps = false;
        }
        if waiting.events < PRESSING && waiting.missing_since.is_none() && !waiting.is_idle() {
            waiting.lingers = waiting.flushes.is_empty();
            waiting = self.wait(waiting, TOGETHER, |waiting| waiting.lingers && !waiting.stopping);
            waiting.lingers = false;
        }
        let batches = std::mem::take(&mut waiting.batches);
        waiting.events = 0;
        let ended = waiting.stopping && batches.is_empty();
        let flushes = std::mem::take(&mut waiting.flushes);
        (!ended).then_some(Taken { batches, is_missing: waiting.missing_since.is_some(), flushes })
    }

    /// Lets a storm pass, in which nothing is taken. From when it is said to have begun until now, all is in the journal;
    /// what happens from now on is taken again. `None`: there was none, or the end is near, and the next start reads it.
    pub(super) fn let_pass(&self, most: Duration) -> Option<u64> {
        let waiting = self.lock();
        let mut waiting = self.wait(waiting, most, |waiting| waiting.flushes.is_empty() && !waiting.stopping);
        if waiting.stopping { None } else { waiting.missing_since.take() }
    }

    /// Waits as long as a condition holds, but no longer than so long.
    fn wait<'w>(
        &self,
        waiting: MutexGuard<'w, Waiting>,
        most: Duration,
        holds: impl FnMut(&mut Waiting) -> bool,
    ) -> MutexGuard<'w, Waiting> {
        let waited = self.wake.wait_timeout_while(waiting, most, holds);
        waited.map_or_else(|poisoned| poisoned.into_inner().0, |(waiting, _)| waiting)
    }

    /// Ends the thread once what came before is written.
    pub fn stop(&self) {
        self.lock().stopping = true;
        self.wake.notify_all();
    }
}

impl Waiting {
    /// Nobody wants anything of the thread.
    fn is_idle(&self) -> bool {
        self.batches.is_empty() && self.missing_since.is_none() && self.flushes.is_empty() && !self.stopping
    }
}

/// What the history's thread has taken.
pub(super) struct Taken {
    pub(super) batches: VecDeque<(u64, Arc<Vec<LeaseEvent>>)>,
    /// What came behind is in the journal.
    pub(super) is_missing: bool,
    pub(super) flushes: Vec<oneshot::Sender<()>>,
}
