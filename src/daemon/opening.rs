//! The lease store at the start: opened, and what must be stored before anything is served.

use std::thread::JoinHandle;

use anyhow::{Context, bail};
use config::Config;
use store::storage::FileStorage;
use store::{Contents, OpenError, Options, Row, Store};
use tokio::sync::oneshot;
use tracing::{info, warn};

use crate::clock::Clock;
use crate::committer::{CommitResult, Committer, Lane, Submission};

/// Opens the store: what it holds.
///
/// # Errors
/// Why it does not open, with the store and the mend in the words.
pub(super) fn open_store(config: &Config) -> Result<(Store<FileStorage>, Contents), OpenError> {
    let shown = config.daemon.store.display();
    let (store, contents, report) = Store::open(FileStorage::new(&config.daemon.store), &Options::default())?;
    if let Some(cut) = &report.cut {
        warn!(
            "the lease store ended within a write ({} at {}, {} bytes left out): nothing in it was acknowledged",
            cut.file, cut.offset, cut.bytes
        );
    }
    info!("lease store {shown}: {} leases, {} names", contents.leases.len(), contents.wanted.len());
    Ok((store, contents))
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
    if rows.is_empty() {
        return Ok(());
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
    match outcome.await {
        Ok(CommitResult::Committed) => Ok(()),
        // Zones can be served without their new serial being stored: it is stored with the next update. Names that a
        // repair lost are found missing again at the next start.
        Ok(CommitResult::NoSpace) => {
            warn!("the disk is full: what the start would write is not stored for now");
            Ok(())
        }
        _ => bail!("the first write to the lease store failed"),
    }
}
