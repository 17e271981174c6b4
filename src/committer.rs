//! The committer: one thread that has the store. Whatever was submitted while a sync ran is the next group, so a
//! client that is alone waits for nobody, and a crowd shares its syncs. Who submits while nobody else does may commit on
//! its own thread ([`Committer::commit_alone`]): two threads need not wake each other then.
//!
//! The DHCP service, the updater and the embedded zones all submit here: leases, DNS work and zone changes stand in
//! one journal under one sync. Outcomes are told in the order of submission, by the callback each one brings.
//!
//! What a submitter decided upon a failed submission must fail too. So a submission carries its lane and the epoch
//! in which it was decided; after a failure every submission of that epoch is refused, until the submitter has undone
//! its decisions and begun a new epoch.

mod group;
mod hands;

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use store::Store;
use store::journal::{Compacted, CompactionError, Zeroing};
use store::rows::Row;
use store::storage::FileStorage;
use tokio::sync::{oneshot, watch};
use tracing::{info, warn};

pub use group::{Gate, GroupCommit};
use hands::{Hands, Held};

/// Submissions that may wait. The DHCP service has a few under way, the updater and the zones are bounded themselves.
const QUEUE_MAX: usize = 1_024;
/// Rows in a group after which memory is given back: a whole zone that was read or transferred, where leases bring some
/// thousands at most.
const ROWS_GREAT: usize = 20_000;
/// Submissions under one sync.
const GROUP_MAX: usize = 512;

/// How a commit ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommitResult {
    /// On stable storage.
    Committed,
    /// Not stored, because there is no room; the store goes on and may have room later.
    NoSpace,
    /// A write or a sync failed. Nothing more is committed until the store has been opened anew.
    Failed,
}

/// Who submits: a failure in one lane says nothing about decisions in another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Lane {
    Dhcp,
    Updater,
    Zones,
}

/// Told once, on the committer's thread: it must not block.
pub type Done = Box<dyn FnOnce(CommitResult) + Send>;

/// Some transactions that belong to one submitter, in order.
pub struct Submission {
    /// Who submits.
    pub lane: Lane,
    /// The submitter's epoch when it decided.
    pub epoch: u64,
    /// The zones' epoch, when zone changes are among the rows of another lane: the submission stands in both lanes then.
    pub zones_epoch: Option<u64>,
    /// UTC seconds of the decision.
    pub stamp: u64,
    /// Each inner list is stored all or none.
    pub transactions: Vec<Vec<Row>>,
    /// Takes the outcome of all of them.
    pub done: Done,
}

impl Submission {
    /// The lanes that it stands in: its rows rest on what was decided before in each, and later ones rest on them.
    pub fn stands_in(&self) -> impl Iterator<Item = (Lane, u64)> + use<> {
        [Some((self.lane, self.epoch)), self.zones_epoch.map(|epoch| (Lane::Zones, epoch))].into_iter().flatten()
    }
}

impl std::fmt::Debug for Submission {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Submission")
            .field("lane", &self.lane)
            .field("transactions", &self.transactions.len())
            .finish_non_exhaustive()
    }
}

/// The queue is full, or the committer has stopped: the submission comes back.
#[derive(Debug)]
pub struct NotTaken(pub Submission);

#[derive(Debug)]
enum Message {
    Commit(Submission),
    HasRoom(oneshot::Sender<bool>),
    /// Answered when its turn comes.
    IsAlive(oneshot::Sender<()>),
    Compact(Told),
    Compacted(Result<Compacted, CompactionError>, Option<Told>),
    /// There is something to do besides commits.
    Upkeep,
    Stop,
}

/// Takes what became of a compaction, in words.
type Told = oneshot::Sender<Result<String, String>>;

/// Why a committer commits nothing any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// A write or a sync failed: the store has to be opened anew.
    StoreFailed,
    /// Its thread has ended, by a panic if nobody stopped it.
    Gone,
}

/// A handle to the committer's queue.
#[derive(Clone, Debug)]
pub struct Committer {
    queue: SyncSender<Message>,
    hands: Arc<Hands<FileStorage>>,
    /// Whether the store has failed; closed once the thread is gone.
    failed: watch::Receiver<bool>,
}

impl Committer {
    /// Starts the thread. It ends by [`Committer::stop`].
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(store: Store<FileStorage>) -> std::io::Result<(Self, JoinHandle<()>)> {
        let (queue, messages) = sync_channel(QUEUE_MAX);
        let (told, failed) = watch::channel(false);
        let hands = Arc::new(Hands::new(GroupCommit::new(store)));
        let worker = Worker { hands: Arc::clone(&hands), messages, queue: queue.clone() };
        let thread = std::thread::Builder::new().name("committer".to_owned()).spawn(move || worker.run(&told))?;
        Ok((Self { queue, hands, failed }, thread))
    }

    /// Waits until nothing is committed any more, whoever's submission it was that found out.
    pub async fn ended(&self) -> End {
        match self.failed.clone().wait_for(|failed| *failed).await {
            Ok(_) => End::StoreFailed,
            Err(_) => End::Gone,
        }
    }

    /// Submits; waits for a place in the queue.
    ///
    /// # Errors
    /// When the committer has stopped.
    pub async fn submit(&self, submission: Submission) -> Result<(), NotTaken> {
        let mut waiting = submission;
        loop {
            match self.enqueue(waiting) {
                Ok(()) => return Ok(()),
                Err(TrySendError::Full(back)) => waiting = back,
                Err(TrySendError::Disconnected(back)) => return Err(NotTaken(back)),
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// Submits when there is a place in the queue.
    ///
    /// # Errors
    /// The submission comes back when there is none, or when the committer has stopped.
    pub fn try_submit(&self, submission: Submission) -> Result<(), NotTaken> {
        self.enqueue(submission).map_err(|(TrySendError::Full(back) | TrySendError::Disconnected(back))| NotTaken(back))
    }

    /// Commits on the calling thread when nobody else's submission waits and the disk is quick: the outcome is told before
    /// this returns. Else submits as [`Committer::try_submit`] does.
    ///
    /// # Errors
    /// As there.
    pub fn commit_alone(&self, submission: Submission) -> Result<(), NotTaken> {
        match self.hands.commit_alone(submission) {
            Ok(needs_upkeep) => {
                if needs_upkeep {
                    // A full queue brings the thread to it as well.
                    drop(self.queue.try_send(Message::Upkeep));
                }
                Ok(())
            }
            Err(back) => self.try_submit(back),
        }
    }

    /// However long commits took, the disk is taken for quick.
    #[cfg(test)]
    pub(crate) fn take_for_quick(&self) {
        self.hands.with(Held::take_for_quick);
    }

    /// Does `work` while the store is held: what is submitted meanwhile waits, and the queue can be filled.
    #[cfg(test)]
    pub(crate) fn hold<T>(&self, work: impl FnOnce() -> T) -> Option<T> {
        self.hands.with(|_| work())
    }

    fn enqueue(&self, submission: Submission) -> Result<(), TrySendError<Submission>> {
        self.hands.one_more();
        let refused = match self.queue.try_send(Message::Commit(submission)) {
            Err(TrySendError::Full(Message::Commit(back))) => TrySendError::Full(back),
            Err(TrySendError::Disconnected(Message::Commit(back))) => TrySendError::Disconnected(back),
            _ => return Ok(()),
        };
        self.hands.one_less();
        Err(refused)
    }

    /// Asks whether the store can take more than it could when it last found no room. `None`: it is too busy to say.
    #[must_use]
    pub fn ask_for_room(&self) -> Option<oneshot::Receiver<bool>> {
        let (to, answer) = oneshot::channel();
        self.queue.try_send(Message::HasRoom(to)).is_ok().then_some(answer)
    }

    /// Returns once the thread has come to it: never, while a write or a sync hangs.
    pub async fn is_alive(&self) {
        loop {
            let (to, answer) = oneshot::channel();
            match self.queue.try_send(Message::IsAlive(to)) {
                // A thread that has ended is told of by `ended`.
                Ok(()) => return answer.await.unwrap_or_default(),
                Err(TrySendError::Disconnected(_)) => return,
                // A full queue is emptied in its time, or never.
                Err(TrySendError::Full(_)) => tokio::time::sleep(Duration::from_millis(5)).await,
            }
        }
    }

    /// Writes a new snapshot while commits go on, and tells what it did.
    ///
    /// # Errors
    /// Why not, in words.
    pub async fn compact(&self) -> Result<String, String> {
        let (to, answer) = oneshot::channel();
        let stopped = || "the store is busy or has stopped; try again".to_owned();
        self.queue.try_send(Message::Compact(to)).map_err(|_| stopped())?;
        answer.await.unwrap_or_else(|_| Err(stopped()))
    }

    /// Ends the thread once everything submitted before is committed. Waits for a place in the queue.
    pub fn stop(&self) {
        // A committer that is gone has stopped.
        drop(self.queue.send(Message::Stop));
    }

    /// The same within a runtime.
    pub async fn tell_to_stop(&self) {
        while let Err(TrySendError::Full(_)) = self.queue.try_send(Message::Stop) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}

struct Worker {
    hands: Arc<Hands<FileStorage>>,
    messages: Receiver<Message>,
    /// For the compaction's thread to tell its end.
    queue: SyncSender<Message>,
}

impl Drop for Worker {
    /// Whoever has a handle yet commits nothing any more, and the store can be opened again.
    fn drop(&mut self) {
        self.hands.close();
    }
}

impl Worker {
    fn run(self, told: &watch::Sender<bool>) {
        let Some(mut put_off) = self.hands.with(|held| {
            Self::write_zeros(held);
            None
        }) else {
            return;
        };
        while let Some(first) = self.next(put_off) {
            let more = self.hands.with(|held| self.commit_group(held, first, told).then(|| held.put_off()));
            match more.flatten() {
                Some(then) => put_off = then,
                None => return,
            }
        }
    }

    /// What comes next; when nothing does in time, what was put off is due. None: nobody has a handle any more.
    fn next(&self, put_off: Option<Duration>) -> Option<Message> {
        let Some(rest) = put_off else { return self.messages.recv().ok() };
        match self.messages.recv_timeout(rest) {
            Ok(message) => Some(message),
            Err(RecvTimeoutError::Timeout) => Some(Message::Upkeep),
            Err(RecvTimeoutError::Disconnected) => None,
        }
    }

    /// Takes what waits, and commits it; whether more may come.
    fn commit_group(&self, held: &mut Held<FileStorage>, first: Message, told: &watch::Sender<bool>) -> bool {
        let mut group = Vec::new();
        let mut next = Some(first);
        let mut stop = false;
        while let Some(message) = next.take() {
            match message {
                Message::Commit(submission) => {
                    self.hands.one_less();
                    group.push(submission);
                }
                Message::HasRoom(to) => drop(to.send(held.commits.has_room())),
                // Whoever asked may have given up.
                Message::IsAlive(to) => drop(to.send(())),
                Message::Compact(to) => self.compact(held, Some(to)),
                Message::Compacted(result, to) => Self::compacted(result, to),
                Message::Upkeep => {}
                Message::Stop => {
                    stop = true;
                    break;
                }
            }
            if group.len() < GROUP_MAX {
                next = self.messages.try_recv().ok();
            }
        }
        let rows: usize = group.iter().flat_map(|submission| &submission.transactions).map(Vec::len).sum();
        held.commit(group);
        if rows > ROWS_GREAT {
            crate::memory::give_back();
        }
        if held.commits.failed() {
            told.send_replace(true);
        }
        if stop {
            return false;
        }
        if held.compaction_due() {
            self.compact(held, None);
        }
        Self::write_zeros(held);
        true
    }

    /// So that a sync in the next segment has nothing but its data to bring to the disk. Without it the space is
    /// reserved, and nothing but that is lost.
    fn write_zeros(held: &mut Held<FileStorage>) {
        if let Some(zeroing) = held.commits.begin_zeroing() {
            drop(in_background("zeros", move || Zeroing::run(zeroing)));
        }
    }

    fn compact(&self, held: &mut Held<FileStorage>, to: Option<Told>) {
        let refuse = |to: Option<Told>, words: String| drop(to.map(|to| to.send(Err(words))));
        match held.commits.begin_compaction() {
            Ok(Some(compaction)) => {
                let queue = self.queue.clone();
                let begun = in_background("compaction", move || {
                    let result = compaction.run();
                    // What it sorted is of no use to whatever comes next.
                    crate::memory::give_back();
                    // A committer that has stopped needs to know nothing more.
                    drop(queue.send(Message::Compacted(result, to)));
                });
                if let Err(error) = begun {
                    warn!("no thread for a compaction of the lease store: {error}");
                }
            }
            Ok(None) => refuse(to, "there is nothing to compact, or a compaction is under way".to_owned()),
            Err(error) => {
                // Also when nobody asked: a failure here fails the next commit, which cannot tell why.
                warn!("no compaction of the lease store could be begun: {}", crate::words(&error));
                refuse(to, crate::words(&error));
            }
        }
    }

    fn compacted(result: Result<Compacted, CompactionError>, to: Option<Told>) {
        let told = match result {
            Ok(done) => {
                let words = format!(
                    "{} rows in a new snapshot of {} bytes; it takes the place of {} segments, {} bytes",
                    done.rows, done.bytes, done.segments, done.bytes_before
                );
                info!("the lease store was compacted: {words}");
                Ok(words)
            }
            Err(error) => {
                warn!("the lease store was not compacted: {}", crate::words(&error));
                Err(crate::words(&error))
            }
        };
        // Nobody asked, or whoever asked has gone.
        drop(to.map(|to| to.send(told)));
    }
}

/// Work for the store that nobody waits for, on a thread of its own that stands back behind the others: on a busy
/// processor it gets about a tenth. No less, so that it ends while leases are given at full speed.
fn in_background(name: &str, work: impl FnOnce() + Send + 'static) -> std::io::Result<JoinHandle<()>> {
    const NICE: i32 = 10;
    std::thread::Builder::new().name(name.to_owned()).spawn(move || {
        // In Linux the priority is the thread's own. One that cannot be lowered is no reason to leave the work.
        _ = rustix::process::nice(NICE);
        work();
    })
}

#[cfg(test)]
mod tests;
