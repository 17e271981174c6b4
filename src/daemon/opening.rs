//! The lease store at the start: opened, and what must be stored before anything is served.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::JoinHandle;

use anyhow::{Context, bail};
use config::Config;
use dhcp::engine::Engine;
use dhcp::lease::Lease;
use dhcp::settings::Settings;
use store::storage::FileStorage;
use store::{Contents, Options, Row, Store};
use tokio::sync::oneshot;
use tracing::{info, warn};

use crate::clock::Clock;
use crate::committer::{CommitResult, Committer, Lane, Submission};

/// Leases that are handed from who reads the store to who makes the engine at once, and how many such parts may wait.
const PART: usize = 1_024;
const PARTS_MAX: usize = 16;

/// What the store held, and what was made of it meanwhile.
pub(super) struct Opened {
    pub(super) store: Store<FileStorage>,
    /// All but the leases.
    pub(super) contents: Contents,
    /// The leases.
    pub(super) engine: Engine,
    pub(super) clock: Clock,
}

/// Opens the store. The engine takes the leases on a thread of its own while they are read: it takes them about as long
/// as reading them does.
///
/// # Errors
/// Why it does not open, with the store and the mend in the words.
pub(super) fn open_store(config: &Config, settings: Arc<Settings>) -> anyhow::Result<Opened> {
    let shown = config.daemon.store.display();
    let (parts, leases) = sync_channel(PARTS_MAX);
    let (stamp, newest_stamp) = sync_channel(1);
    // The keys of a new hash map are random.
    let seed = RandomState::new().build_hasher().finish();
    let builder = std::thread::Builder::new().name("engine".to_owned()).spawn(move || {
        let clock = Clock::new(newest_stamp.recv().ok()?);
        let engine = Engine::with_seed(settings, leases.into_iter().flatten(), clock.now(), seed);
        Some((clock, engine))
    })?;
    let begin = |newest| {
        // A thread that panicked is found out at the end.
        _ = stamp.send(newest);
        let mut handing = Handing { part: Vec::new(), parts };
        move |lease| handing.push(lease)
    };
    let (store, contents, report) =
        Store::open_with(FileStorage::new(&config.daemon.store), &Options::default(), begin)?;
    let Ok(Some((clock, engine))) = builder.join() else { bail!("the engine could not be made of the stored leases") };
    if let Some(cut) = &report.cut {
        warn!(
            "the lease store ended within a write ({} at {}, {} bytes left out): nothing in it was acknowledged",
            cut.file, cut.offset, cut.bytes
        );
    }
    info!("lease store {shown}: {} leases, {} names", engine.leases().len(), contents.wanted.len());
    Ok(Opened { store, contents, engine, clock })
}

/// Leases on their way to the engine, a part at a time; the last part goes when all are read.
struct Handing {
    part: Vec<Lease>,
    parts: SyncSender<Vec<Lease>>,
}

impl Handing {
    fn push(&mut self, lease: Lease) {
        self.part.push(lease);
        if self.part.len() == PART {
            self.hand_over(Vec::with_capacity(PART));
        }
    }

    fn hand_over(&mut self, next: Vec<Lease>) {
        // As above.
        drop(self.parts.send(std::mem::replace(&mut self.part, next)));
    }
}

impl Drop for Handing {
    fn drop(&mut self) {
        self.hand_over(Vec::new());
    }
}

/// A committer that is ended when something after it does not start.
pub(super) struct Starting {
    committer: Committer,
    thread: Option<JoinHandle<()>>,
}

impl Starting {
    /// Begins to commit to `store`.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub(super) fn new(store: Store<FileStorage>) -> anyhow::Result<Self> {
        let (committer, thread) = Committer::start(store).context("no thread for the committer")?;
        Ok(Self { committer, thread: Some(thread) })
    }

    pub(super) fn committer(&self) -> Committer {
        self.committer.clone()
    }

    /// Everything has started: the thread.
    pub(super) fn done(mut self) -> Option<JoinHandle<()>> {
        self.thread.take()
    }
}

impl Drop for Starting {
    fn drop(&mut self) {
        if let Some(thread) = self.thread.take() {
            self.committer.stop();
            // The store is closed once the thread has ended; a panic in it has been told.
            drop(thread.join());
        }
    }
}

/// Stores what must be stored before anything is served.
///
/// # Errors
/// When it cannot be, for another reason than a full disk.
pub(super) async fn commit_first(committer: &Committer, clock: &Clock, rows: Vec<Row>) -> anyhow::Result<()> {
    match commit(committer, clock, rows).await? {
        CommitResult::Committed => Ok(()),
        // Zones can be served without their new serial being stored: it is stored with the next update. Names that a
        // repair lost are found missing again at the next start.
        CommitResult::NoSpace => {
            warn!("the disk is full: what the start would write is not stored for now");
            Ok(())
        }
        CommitResult::Failed => bail!("the first write to the lease store failed"),
    }
}

/// Stores rows in one transaction, beside whatever else is decided.
///
/// # Errors
/// When the committer has stopped.
pub(super) async fn commit(committer: &Committer, clock: &Clock, rows: Vec<Row>) -> anyhow::Result<CommitResult> {
    if rows.is_empty() {
        return Ok(CommitResult::Committed);
    }
    let (told, outcome) = oneshot::channel();
    let submission = Submission {
        // Nothing was decided upon these rows, so that their refusal, in a full store, refuses nothing else.
        lane: Lane::Updater,
        epoch: 0,
        zones_epoch: None,
        stamp: clock.now().wall_secs,
        transactions: vec![rows],
        done: Box::new(move |result| _ = told.send(result)),
    };
    if committer.submit(submission).await.is_err() {
        bail!("the committer has stopped");
    }
    Ok(outcome.await.unwrap_or(CommitResult::Failed))
}
