//! The history of leases, written behind the commits.
//!
//! The DHCP service leaves its events here once they are committed and its replies have left; a thread that stands back
//! writes them. What does not fit, and what a crash took, is read again from the journal: the events here are only the quick
//! way.

pub mod answers;
pub mod views;

use std::collections::{HashSet, VecDeque};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use config::settings::HistorySettings;
use dhcp::decision::{LeaseEvent, LeaseEventKind};
use dhcp::identity::HardwareAddress;
use dhcp::lease::Lease;
use dhcp::relay_info::Switches;
use store::FileStorage;
use store::history::{Coalesce, DIRECTORY, Limits, Query, Reader, Record, Writer, journal_leases};
use tokio::sync::oneshot;
use tracing::{info, warn};
use web::Feed;

use crate::http::news::of_new_device;
use crate::quiet::Quiet;

/// Events that wait; what is more is read from the journal.
const WAITING_MAX: usize = 32 * 1024;
/// What happens within this time is written together.
const TOGETHER: Duration = Duration::from_millis(500);
/// How often the disk is made to hold what was written. What the power takes is read again from the journal.
const SYNC_EVERY: Duration = Duration::from_secs(30);
const SWEEP_EVERY: Duration = Duration::from_secs(60);
/// How long after a failure it is tried again.
const TRY_AGAIN: Duration = Duration::from_secs(10);
/// How long before the newest record the journal is read again from: no commit waits so long for its disk.
const SLACK_SECS: u64 = 600;
/// Records that are written in one piece.
const AT_ONCE: usize = 4_096;
/// How much of each second goes into looking whether machines are new: a look reads the records that are in no part
/// yet. Of a crowd, the rest is not told to be new.
const LOOKING: Duration = Duration::from_millis(20);
/// Machines that are known to have been looked for.
const SEEN_MAX: usize = 256 * 1024;
/// How long the end waits for what is on its way.
const PATIENCE: Duration = Duration::from_secs(5);

/// Where the DHCP service leaves what happened.
#[derive(Debug, Default)]
pub struct HistoryFeed {
    waiting: Mutex<Waiting>,
    wake: Condvar,
}

#[derive(Debug, Default)]
struct Waiting {
    events: VecDeque<(u64, LeaseEvent)>,
    /// Some did not fit: they are in the journal.
    overflowed: bool,
    /// The thread sleeps until something happens.
    sleeps: bool,
    stopping: bool,
    /// Who wants to read what has happened up to now.
    flushes: Vec<oneshot::Sender<()>>,
}

impl HistoryFeed {
    /// Takes what happened, at `now` (UTC seconds). Never waits for who writes it.
    pub fn push(&self, now: u64, events: &[LeaseEvent]) {
        if events.is_empty() {
            return;
        }
        let mut waiting = self.lock();
        // Once something is missing, all that follows is read from the journal with it, in its order.
        if waiting.overflowed || waiting.events.len() + events.len() > WAITING_MAX {
            waiting.overflowed = true;
            return;
        }
        waiting.events.extend(events.iter().map(|event| (now, event.clone())));
        if std::mem::take(&mut waiting.sleeps) {
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
            waiting.sleeps = false;
        }
        self.wake.notify_one();
        // One that is busy, or whose disk does not answer, has told what it could.
        drop(tokio::time::timeout(Duration::from_secs(2), done).await);
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What has come, after a while in which more may; none: it is to end.
    fn take(&self, patience: Duration) -> Option<Taken> {
        let mut waiting = self.lock();
        if waiting.events.is_empty() && waiting.flushes.is_empty() && !waiting.stopping && !waiting.overflowed {
            waiting.sleeps = true;
            let idle = |waiting: &mut Waiting| waiting.sleeps && !waiting.stopping;
            let waited = self.wake.wait_timeout_while(waiting, patience, idle);
            waiting = waited.map_or_else(|poisoned| poisoned.into_inner().0, |(waiting, _)| waiting);
            waiting.sleeps = false;
            if !waiting.events.is_empty() && waiting.flushes.is_empty() && !waiting.stopping {
                let hurried = |waiting: &mut Waiting| waiting.flushes.is_empty() && !waiting.stopping;
                let waited = self.wake.wait_timeout_while(waiting, TOGETHER, hurried);
                waiting = waited.map_or_else(|poisoned| poisoned.into_inner().0, |(waiting, _)| waiting);
            }
        }
        let events = std::mem::take(&mut waiting.events);
        let overflowed = std::mem::take(&mut waiting.overflowed);
        let ended = waiting.stopping && events.is_empty();
        let flushes = std::mem::take(&mut waiting.flushes);
        (!ended).then_some(Taken { events, overflowed, flushes })
    }

    /// Ends the thread once what came before is written.
    pub fn stop(&self) {
        self.lock().stopping = true;
        self.wake.notify_all();
    }
}

struct Taken {
    events: VecDeque<(u64, LeaseEvent)>,
    overflowed: bool,
    flushes: Vec<oneshot::Sender<()>>,
}

/// Whom it is told when a device comes that was never seen before, and what is known without a history.
#[derive(Debug)]
pub struct NewDevices {
    /// Where it is told.
    pub feed: Arc<Feed>,
    /// Machines with a reservation.
    pub reserved: HashSet<HardwareAddress>,
    /// Names for relay agents.
    pub switches: Arc<Switches>,
}

/// The thread that writes.
#[derive(Debug)]
pub struct HistoryThread {
    feed: Arc<HistoryFeed>,
    thread: Option<JoinHandle<()>>,
}

impl HistoryThread {
    /// Begins to write the history of the store in `store`, with what the journal has of before.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(store: &Path, settings: HistorySettings, devices: NewDevices) -> io::Result<Self> {
        const NICE: i32 = 10;
        let feed = Arc::new(HistoryFeed::default());
        let (fed, store) = (Arc::clone(&feed), store.to_path_buf());
        let thread = std::thread::Builder::new().name("history".to_owned()).spawn(move || {
            _ = rustix::process::nice(NICE);
            Keeping { feed: fed, store, settings, devices, not_written: Quiet::default() }.run();
        })?;
        Ok(Self { feed, thread: Some(thread) })
    }

    /// Where events are left.
    #[must_use]
    pub fn feed(&self) -> Arc<HistoryFeed> {
        Arc::clone(&self.feed)
    }

    /// Writes what is on its way, and ends; one whose disk does not answer is left.
    pub async fn stop(mut self) {
        self.feed.stop();
        let deadline = Instant::now() + PATIENCE;
        let Some(thread) = self.thread.take() else { return };
        while !thread.is_finished() && Instant::now() < deadline {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

impl Drop for HistoryThread {
    fn drop(&mut self) {
        self.feed.stop();
        if let Some(thread) = self.thread.take() {
            // A daemon that did not start after all; a panic in the thread has been told.
            drop(thread.join());
        }
    }
}

/// The directory of a store's history.
#[must_use]
pub fn directory(store: &Path) -> PathBuf {
    store.join(DIRECTORY)
}

struct Keeping {
    feed: Arc<HistoryFeed>,
    store: PathBuf,
    settings: HistorySettings,
    devices: NewDevices,
    not_written: Quiet,
}

impl Keeping {
    /// Opens, catches up, writes; after a failure all of it anew, so that nothing is missing that the journal has.
    fn run(&self) {
        loop {
            match self.write() {
                Ok(()) => return,
                Err(error) => {
                    if let Some(kept_back) = self.not_written.may_tell() {
                        warn!(
                            "the history of leases cannot be written, and is caught up with later: {error}{kept_back}"
                        );
                    }
                }
            }
            let began = Instant::now();
            while began.elapsed() < TRY_AGAIN {
                // Their rows are in the journal.
                let Some(taken) = self.feed.take(TRY_AGAIN) else { return };
                taken.flushes.into_iter().for_each(|to| _ = to.send(()));
                std::thread::sleep(Duration::from_millis(50));
            }
        }
    }

    fn write(&self) -> io::Result<()> {
        let limits = Limits { keep_secs: self.settings.keep_secs, bytes_max: self.settings.bytes_max };
        let (writer, opened) = Writer::open(FileStorage::new(directory(&self.store)), limits)?;
        if opened.torn > 0 {
            warn!("the history of leases ended within a write ({} bytes left out): it is read again", opened.torn);
        }
        let mut kept = Kept {
            writer,
            nameless: self.settings.nameless,
            coalesce: Coalesce::default(),
            recent: opened.recent.iter().map(Record::identity).collect(),
            catching_up: false,
            forget_at: None,
            newest: opened.newest.unwrap_or(0),
            pending: Vec::new(),
            seen: HashSet::new(),
        };
        opened.recent.iter().for_each(|record| _ = kept.coalesce.is_new(record));
        drop(opened);
        self.catch_up(&mut kept)?;
        let (mut synced, mut swept) = (Instant::now(), None::<Instant>);
        let mut looks = Looks { second: Instant::now(), spent: Duration::ZERO };
        while let Some(taken) = self.feed.take(SYNC_EVERY) {
            for (now, event) in taken.events {
                if event.kind == LeaseEventKind::Bound && self.is_new(&mut kept.seen, &mut looks, &event.lease) {
                    self.devices.feed.push([of_new_device(&event.lease, now, &self.devices.switches)]);
                }
                kept.note(now, Record::of(&event, now))?;
            }
            kept.write_pending()?;
            if taken.overflowed {
                info!("so much happened to leases that their history is read from the journal");
                self.catch_up(&mut kept)?;
            }
            taken.flushes.into_iter().for_each(|to| _ = to.send(()));
            if synced.elapsed() >= SYNC_EVERY {
                kept.writer.sync()?;
                synced = Instant::now();
            }
            if swept.is_none_or(|swept| swept.elapsed() >= SWEEP_EVERY) {
                self.sweep(&mut kept)?;
                swept = Some(Instant::now());
            }
        }
        kept.writer.sync()
    }

    /// Whether a machine is in no lease that the history knows of, and has no reservation. It is looked for before its own
    /// lease is written.
    fn is_new(&self, seen: &mut HashSet<HardwareAddress>, looks: &mut Looks, lease: &Lease) -> bool {
        let hardware = lease.hardware;
        if hardware.as_bytes().is_empty() || seen.contains(&hardware) {
            return false;
        }
        let Some(began) = looks.begin(Instant::now()) else { return false };
        if seen.len() >= SEEN_MAX {
            seen.clear();
        }
        seen.insert(hardware);
        let by_hardware = Query { hardware: Some(hardware), ..Query::default() };
        let by_client = lease.client_id.clone().map(|id| Query { client_id: Some(id), ..Query::default() });
        let reader = Reader::new(FileStorage::new(directory(&self.store)));
        // What cannot be read is not said to be new.
        let known = |query: &Query| reader.knows(query).unwrap_or(true);
        let is_new = !self.devices.reserved.contains(&hardware)
            && !known(&by_hardware)
            && !by_client.is_some_and(|query| known(&query));
        looks.spent += began.elapsed();
        is_new
    }

    /// What the journal has and the history does not.
    fn catch_up(&self, kept: &mut Kept) -> io::Result<()> {
        let since = kept.newest.saturating_sub(SLACK_SECS);
        let mut failed = Ok(());
        kept.catching_up = true;
        let read = journal_leases(&FileStorage::new(&self.store), since, |stamp, record| {
            if failed.is_ok() {
                failed = kept.note(stamp, record);
            }
        });
        kept.catching_up = false;
        failed?;
        kept.write_pending()?;
        // Events of the same commits are on their way here.
        kept.forget_at = Some(Instant::now() + Duration::from_secs(SLACK_SECS));
        if let Err(error) = read {
            warn!("what the history of leases lacks cannot be read from the journal: {}", crate::words(&error));
        }
        Ok(())
    }

    fn sweep(&self, kept: &mut Kept) -> io::Result<()> {
        let now = crate::clock::machine_wall_secs();
        let swept = kept.writer.sweep(now)?;
        let days = self.settings.keep_secs / 86_400;
        if swept.aged > 0 {
            info!("{} files of history were dropped: they were older than the {days} days that are kept", swept.aged);
        }
        if swept.large > 0 {
            let mebibytes = self.settings.bytes_max >> 20;
            warn!(
                "the {} oldest files of history were dropped before their time, since it may take {mebibytes} MB: \
                 `max_size` in [history] gives it more",
                swept.large
            );
        }
        Ok(())
    }
}

/// What looking for new machines has cost in this second.
struct Looks {
    second: Instant,
    spent: Duration,
}

impl Looks {
    /// When a look begins, or none while this second's share is used up.
    fn begin(&mut self, now: Instant) -> Option<Instant> {
        if now.duration_since(self.second) >= Duration::from_secs(1) {
            *self = Self { second: now, spent: Duration::ZERO };
        }
        (self.spent < LOOKING).then_some(now)
    }
}

struct Kept {
    writer: Writer<FileStorage>,
    nameless: bool,
    coalesce: Coalesce,
    /// What was written lately, and may come again.
    recent: HashSet<u64>,
    catching_up: bool,
    /// When none of that comes any more.
    forget_at: Option<Instant>,
    /// UTC seconds: the newest stamp.
    newest: u64,
    pending: Vec<Record>,
    /// Machines that were looked for in this run.
    seen: HashSet<HardwareAddress>,
}

impl Kept {
    fn note(&mut self, stamp: u64, record: Record) -> io::Result<()> {
        if self.forget_at.is_some_and(|at| Instant::now() >= at) {
            (self.recent, self.forget_at) = (HashSet::new(), None);
        }
        let record = if self.nameless { record.nameless() } else { record };
        self.newest = self.newest.max(stamp);
        // While the journal is read, what is there already comes again; and for a while after, as an event.
        let known = match self.catching_up {
            true => !self.recent.insert(record.identity()),
            false => !self.recent.is_empty() && self.recent.contains(&record.identity()),
        };
        if known {
            return Ok(());
        }
        if self.coalesce.is_new(&record) {
            self.pending.push(record);
        }
        if self.pending.len() >= AT_ONCE { self.write_pending() } else { Ok(()) }
    }

    fn write_pending(&mut self) -> io::Result<()> {
        self.writer.append(self.newest, &self.pending)?;
        self.pending.clear();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::{LOOKING, Looks};

    #[test]
    fn a_crowd_of_new_machines_costs_a_share_of_each_second_and_no_more() {
        let start = Instant::now();
        let mut looks = Looks { second: start, spent: Duration::ZERO };
        assert_eq!(looks.begin(start), Some(start));
        looks.spent += LOOKING;
        assert_eq!(looks.begin(start + Duration::from_millis(999)), None);
        let next = start + Duration::from_secs(1);
        assert_eq!(looks.begin(next), Some(next));
    }
}
