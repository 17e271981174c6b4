//! The history of leases, written behind the commits.
//!
//! The DHCP service leaves its events here once they are committed and its replies have left; a thread that stands back
//! writes them. What does not fit, and what a crash took, is read again from the journal: the events here are only the quick
//! way.

pub mod answers;
mod feed;
mod new_devices;
pub mod views;

use std::collections::HashSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use config::settings::HistorySettings;
use dhcp::decision::LeaseEventKind;
use store::FileStorage;
use store::history::{
    Coalesce, DIRECTORY, Known, Limits, Reader, Record, SLACK_SECS, Writer, is_told_already, journal_leases,
};
use tracing::{info, warn};

pub use self::feed::HistoryFeed;
pub use self::new_devices::NewDevices;
use self::new_devices::Noticing;
use crate::quiet::Quiet;

/// When more happened than there was room for, the journal is read so much later: a storm is read at once, when it is over.
const STORM: Duration = Duration::from_secs(5);
/// How often the disk is made to hold what was written. What the power takes is read again from the journal.
const SYNC_EVERY: Duration = Duration::from_secs(30);
const SWEEP_EVERY: Duration = Duration::from_secs(60);
/// How long after a failure it is tried again.
const TRY_AGAIN: Duration = Duration::from_secs(10);
/// Records that are written in one piece.
const AT_ONCE: usize = 4_096;
/// After so many events others may have the processor, if they want it: a thread that wakes would else wait for the end of
/// this one's turn, which is some milliseconds however far it stands back.
const AT_A_TIME: usize = 32;
/// Records that are remembered to have been written, so that none is written twice.
const RECENT_MAX: usize = 1024 * 1024;
/// How long the end waits for what is on its way.
const PATIENCE: Duration = Duration::from_secs(5);

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
        let (fed, store, began) = (Arc::clone(&feed), store.to_path_buf(), crate::clock::machine_wall_secs());
        let thread = std::thread::Builder::new().name("history".to_owned()).spawn(move || {
            _ = rustix::process::nice(NICE);
            Keeping { feed: fed, store, settings, devices, not_written: Quiet::default(), began }.run();
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
    /// UTC seconds: no event that comes here was stored before.
    began: u64,
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
            may_come_again: self.began,
            forget_at: None,
            newest: opened.newest.unwrap_or(0),
            known: self.reader().known()?,
            taken: 0,
        };
        opened.recent.iter().for_each(|record| _ = kept.coalesce.is_new(record));
        drop(opened);
        let since = kept.newest.saturating_sub(SLACK_SECS);
        self.catch_up(&mut kept, since)?;
        let (mut synced, mut swept) = (Instant::now(), None::<Instant>);
        let mut noticing = Noticing::new(&self.devices, self.reader());
        while let Some(taken) = self.feed.take(SYNC_EVERY) {
            for (now, events) in taken.batches {
                for event in events.iter().filter(|event| !is_told_already(event)) {
                    kept.give_way();
                    if event.kind == LeaseEventKind::Bound {
                        noticing.notice(&mut kept.known, &event.lease, now);
                    }
                    kept.note(now, Record::of(event, now))?;
                }
            }
            noticing.tell_rest();
            kept.write()?;
            // Who wants to read it does not wait for the end of a storm.
            let storm = if taken.flushes.is_empty() { STORM } else { Duration::ZERO };
            if taken.is_missing
                && let Some(since) = self.feed.let_pass(storm)
            {
                info!("so much happened to leases that their history is read from the journal");
                kept.may_come_again = since;
                self.catch_up(&mut kept, since)?;
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

    fn reader(&self) -> Reader<FileStorage> {
        Reader::new(FileStorage::new(directory(&self.store)))
    }

    /// What the journal has from `since` on (UTC seconds) and the history does not.
    fn catch_up(&self, kept: &mut Kept, since: u64) -> io::Result<()> {
        let since = kept.writer.begin_reading(since)?;
        // What the events have brought since then stands in the journal too. What an earlier time remembered is written, and
        // its end must not strike while this one reads.
        (kept.recent, kept.forget_at) = (HashSet::new(), None);
        let Kept { writer, recent, .. } = kept;
        let written_since = since.saturating_sub(SLACK_SECS);
        writer.each_since(written_since, |record| _ = remember(recent, RECENT_MAX, record.identity()))?;
        let mut failed = Ok(());
        kept.catching_up = true;
        let read = journal_leases(&FileStorage::new(&self.store), since, |stamp, record| {
            kept.give_way();
            if failed.is_ok() {
                failed = kept.note(stamp, record);
            }
        });
        kept.catching_up = false;
        failed?;
        kept.write()?;
        crate::memory::give_back();
        // Events of the same commits are on their way here.
        kept.forget_at = Some(Instant::now() + Duration::from_secs(SLACK_SECS));
        match read {
            Ok(()) => kept.writer.end_reading(),
            Err(error) => {
                warn!("what the history of leases lacks cannot be read from the journal: {}", crate::words(&error));
                Ok(())
            }
        }
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

struct Kept {
    writer: Writer<FileStorage>,
    nameless: bool,
    coalesce: Coalesce,
    /// What was written lately, and may come again.
    recent: HashSet<u64>,
    catching_up: bool,
    /// UTC seconds: what was stored from then on may come as an event too.
    may_come_again: u64,
    /// When none of that comes any more.
    forget_at: Option<Instant>,
    /// UTC seconds: the newest stamp.
    newest: u64,
    /// Machines that were seen before.
    known: Known,
    /// Since others last had their turn.
    taken: usize,
}

impl Kept {
    fn give_way(&mut self) {
        self.taken += 1;
        if self.taken >= AT_A_TIME {
            self.taken = 0;
            std::thread::yield_now();
        }
    }

    fn note(&mut self, stamp: u64, record: Record) -> io::Result<()> {
        if self.forget_at.is_some_and(|at| Instant::now() >= at) {
            (self.recent, self.forget_at) = (HashSet::new(), None);
        }
        let record = if self.nameless { record.nameless() } else { record };
        self.newest = self.newest.max(stamp);
        // While the journal is read, what is there already comes again; and for a while after, as an event.
        let known = match self.catching_up {
            true if stamp >= self.may_come_again => !remember(&mut self.recent, RECENT_MAX, record.identity()),
            _ => !self.recent.is_empty() && self.recent.contains(&record.identity()),
        };
        if known {
            return Ok(());
        }
        if self.catching_up {
            // No event tells of it, so that it is not looked for.
            _ = self.known.meet(&record.hardware, record.client_id.as_ref());
        }
        if self.coalesce.is_new(&record) {
            self.writer.gather(&record);
        }
        if self.writer.gathered() >= AT_ONCE { self.write() } else { Ok(()) }
    }

    fn write(&mut self) -> io::Result<()> {
        self.writer.write(self.newest)
    }
}

/// Whether it is none of those that were written lately. Where there is no room for it, what is remembered stays, so that at
/// least that is not written twice.
fn remember(recent: &mut HashSet<u64>, most: usize, identity: u64) -> bool {
    if recent.len() < most { recent.insert(identity) } else { !recent.contains(&identity) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

    use std::net::Ipv4Addr;

    use dhcp::decision::{Former, LeaseEvent};
    use dhcp::identity::HardwareAddress;
    use dhcp::lease::{Lease, LeaseState};
    use store::{Options, Row, Store};
    use web::Feed;

    use super::feed::WAITING_MAX;
    use super::*;

    const LIMITS: Limits = Limits { keep_secs: u64::MAX, bytes_max: u64::MAX };

    fn keeping(store: &Path) -> Keeping {
        Keeping {
            feed: Arc::default(),
            store: store.to_path_buf(),
            settings: HistorySettings { keep_secs: u64::MAX, bytes_max: u64::MAX, nameless: false },
            devices: NewDevices {
                feed: Arc::new(Feed::new("run".to_owned())),
                reserved: HashSet::new(),
                switches: Arc::default(),
            },
            not_written: Quiet::default(),
            began: u64::MAX,
        }
    }

    fn kept(writer: Writer<FileStorage>) -> Kept {
        Kept {
            writer,
            nameless: false,
            coalesce: Coalesce::default(),
            recent: HashSet::new(),
            catching_up: false,
            may_come_again: 0,
            forget_at: None,
            newest: 0,
            known: Known::default(),
            taken: 0,
        }
    }

    fn events(count: usize) -> Arc<Vec<LeaseEvent>> {
        let lease = lease(5, 1);
        Arc::new(vec![LeaseEvent { kind: LeaseEventKind::Renewed, lease, previous: None }; count])
    }

    #[test]
    fn what_finds_no_room_is_missing_from_when_it_was_decided_until_the_storm_is_over() {
        let (feed, batch) = (HistoryFeed::default(), events(1_024));
        let room = WAITING_MAX as u64 / 1_024;
        for second in 0..room + 3 {
            feed.push(100 + second, 90 + second, &batch);
        }
        let taken = feed.take(Duration::ZERO).unwrap();
        assert_eq!((taken.batches.len() as u64, taken.is_missing), (room, true));
        feed.push(500, 490, &batch);
        assert!(feed.take(Duration::ZERO).unwrap().batches.is_empty(), "it is read with what is missing");
        assert_eq!(feed.let_pass(Duration::ZERO), Some(90 + room));
        feed.push(501, 491, &batch);
        let taken = feed.take(Duration::ZERO).unwrap();
        assert_eq!((taken.batches.len(), taken.is_missing), (1, false));
    }

    #[test]
    fn renewals_that_the_history_has_already_are_not_handed_to_it() {
        let batch = |since: u64, at: u64| {
            let former = Former { state: LeaseState::Bound, name: None, same_since: Some(since) };
            let lease = Lease { renewed_at: at, ..lease(1, 5) };
            Arc::new(vec![LeaseEvent { kind: LeaseEventKind::Renewed, lease, previous: Some(former) }])
        };
        let (feed, day) = (HistoryFeed::default(), 20_000 * 86_400);
        feed.push(day + 100, day + 100, &batch(day + 9, day + 100));
        assert!(feed.lock().batches.is_empty(), "the same day");
        feed.push(day + 100, day + 100, &batch(day - 9, day + 100));
        assert_eq!(feed.lock().batches.len(), 1, "the first of a day");
    }

    #[test]
    fn what_an_earlier_catch_up_was_to_forget_is_not_forgotten_during_the_next() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("store");
        let (mut store, ..) = Store::open(FileStorage::new(&path), &Options::default()).unwrap();
        for host in 1..=3 {
            store.commit(1_000_000, [[Row::Lease(lease(host, 1_000_000))]]).unwrap();
        }
        let keeping = keeping(&path);
        let (writer, _) = Writer::open(FileStorage::new(super::directory(&path)), LIMITS).unwrap();
        let mut kept = kept(writer);
        keeping.catch_up(&mut kept, 0).unwrap();
        kept.forget_at = Some(Instant::now());
        keeping.catch_up(&mut kept, 1_000_000).unwrap();
        let mut written = 0;
        keeping.reader().each(|_| written += 1).unwrap();
        assert_eq!(written, 3, "each once");
    }

    fn lease(host: u8, at: u64) -> Lease {
        Lease {
            address: [10, 0, 0, host].into(),
            subnet: "10.0.0.0/24".parse().unwrap(),
            state: LeaseState::Bound,
            hardware: HardwareAddress::new(1, &[2, 0, 0, 0, 0, host]).unwrap(),
            client_id: None,
            started_at: at,
            renewed_at: at,
            expires_at: at + 3_600,
            hostname: dns::Bytes::default(),
            client_fqdn: dns::Bytes::default(),
            name: None,
            relay: Ipv4Addr::UNSPECIFIED,
            relay_agent_info: dns::Bytes::default(),
            server_identifier_override: None,
        }
    }

    #[tokio::test]
    async fn what_the_events_brought_is_not_written_again_after_they_ran_over() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("store");
        let (mut store, ..) = Store::open(FileStorage::new(&path), &Options::default()).unwrap();
        let settings = HistorySettings { keep_secs: u64::MAX, bytes_max: u64::MAX, nameless: false };
        let devices = NewDevices {
            feed: Arc::new(Feed::new("run".to_owned())),
            reserved: HashSet::new(),
            switches: Arc::default(),
        };
        let thread = HistoryThread::start(&path, settings, devices).unwrap();
        let feed = thread.feed();
        feed.flushed().await;
        for host in 1..=10 {
            let (at, lease) = (1_000_000 + u64::from(host), lease(host, 1_000_000 + u64::from(host)));
            store.commit(at, [[Row::Lease(lease.clone())]]).unwrap();
            feed.push(at, at, &Arc::new(vec![LeaseEvent { kind: LeaseEventKind::Bound, lease, previous: None }]));
        }
        feed.flushed().await;
        let written = || {
            let mut addresses = Vec::new();
            let reader = Reader::new(FileStorage::new(super::directory(&path)));
            reader.each(|record| addresses.push(record.address.octets()[3])).unwrap();
            addresses.sort_unstable();
            addresses
        };
        assert_eq!(written(), (1..=10).collect::<Vec<_>>());
        // These come by no event.
        for host in 11..=12 {
            store.commit(1_000_020, [[Row::Lease(lease(host, 1_000_020))]]).unwrap();
        }
        feed.lock().missing_since = Some(1_000_000);
        let deadline = Instant::now() + Duration::from_secs(60);
        while written().len() < 12 && Instant::now() < deadline {
            feed.flushed().await;
        }
        thread.stop().await;
        assert_eq!(written(), (1..=12).collect::<Vec<_>>(), "each once");
    }

    #[test]
    fn what_a_catch_up_that_was_cut_off_did_not_reach_is_read_at_the_next_start() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("store");
        let (mut store, ..) = Store::open(FileStorage::new(&path), &Options::default()).unwrap();
        for host in 1..=10 {
            let at = 1_000_000 + u64::from(host) * 10_000;
            store.commit(at, [[Row::Lease(lease(host, at))]]).unwrap();
        }
        store.begin_compaction().unwrap().unwrap().run().unwrap();
        let history = || FileStorage::new(super::directory(&path));
        // It came as far as the third address, with the stamp of the last.
        let (mut writer, _) = Writer::open(history(), LIMITS).unwrap();
        let since = writer.begin_reading(0).unwrap();
        let mut first = Vec::new();
        journal_leases(&FileStorage::new(&path), since, |stamp, record| first.push((stamp, record))).unwrap();
        first.truncate(3);
        first.iter().for_each(|(stamp, record)| writer.append(*stamp, std::slice::from_ref(record)).unwrap());
        drop(writer);
        let keeping = keeping(&path);
        keeping.feed.stop();
        keeping.write().unwrap();
        let mut addresses = Vec::new();
        Reader::new(history()).each(|record| addresses.push(record.address.octets()[3])).unwrap();
        addresses.sort_unstable();
        assert_eq!(addresses, (1..=10).collect::<Vec<_>>(), "each once");
        assert_eq!(Writer::open(history(), LIMITS).unwrap().0.begin_reading(7).unwrap(), 7, "it came to its end");
    }

    #[test]
    fn a_lease_that_ran_out_while_no_server_ran_is_told_although_a_crash_took_it_and_the_journal_was_compacted() {
        const DAY: u64 = 86_400;
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("store");
        let (mut store, ..) = Store::open(FileStorage::new(&path), &Options::default()).unwrap();
        let bound = lease(1, 1_000_000);
        store.commit(1_000_000, [[Row::Lease(bound.clone())]]).unwrap();
        let history = || FileStorage::new(super::directory(&path));
        let (mut writer, _) = Writer::open(history(), LIMITS).unwrap();
        writer.append(1_000_000, &[Record::new(store::history::Kind::Assigned, &bound, 1_000_000)]).unwrap();
        drop(writer);
        // A day later another server notices it, and dies before its history is written.
        let now = 1_000_000 + DAY;
        let expired = Lease { state: LeaseState::Expired, ..bound };
        store.commit(now, [vec![Row::Lease(expired)], vec![Row::Lease(lease(2, now))]]).unwrap();
        let (mut writer, _) = Writer::open(history(), LIMITS).unwrap();
        writer.append(now, &[Record::new(store::history::Kind::Assigned, &lease(2, now), now)]).unwrap();
        drop(writer);
        store.begin_compaction().unwrap().unwrap().run().unwrap();
        let keeping = keeping(&path);
        keeping.feed.stop();
        keeping.write().unwrap();
        let mut told = Vec::new();
        Reader::new(history())
            .each(|record| told.push((record.address.octets()[3], record.kind.word(), record.at)))
            .unwrap();
        told.sort_unstable();
        assert_eq!(told, [(1, "assigned", 1_000_000), (1, "expired", 1_003_600), (2, "assigned", now)], "each once");
    }

    #[test]
    fn past_the_limit_what_was_written_lately_is_still_known() {
        let mut recent = HashSet::new();
        assert!((1..=3).all(|identity| remember(&mut recent, 3, identity)));
        assert!(remember(&mut recent, 3, 4), "it is new");
        assert!((1..=3).all(|identity| !remember(&mut recent, 3, identity)));
        assert_eq!(recent.len(), 3);
    }
}
