//! Compaction: snapshot and sealed segments into a new snapshot, beside the commits.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use super::commit::Part;
use super::error::{Damage, ReadFault};
use super::merge::{Changes, merge};
use super::names;
use super::segment::Segment;
use super::snapshot::{SnapshotReader, SnapshotWriter};
use super::superblock::Superblock;
use crate::history;
use crate::storage::{Storage, is_full};
use faults::{Fault, planted};

/// Sealed segments to be merged into a snapshot. Runs on any thread; the journal goes on meanwhile. Dropped without
/// being run, it leaves everything as it is. It holds the store's lock too: closing the journal ends a compaction that
/// runs, and one that was begun and neither run nor dropped keeps the store from being opened again.
#[derive(Debug)]
pub struct Compaction<S: Storage> {
    pub(super) storage: S,
    /// Of the snapshot to be written.
    pub(super) superblock: Superblock,
    pub(super) snapshot: Option<u64>,
    pub(super) segments: Vec<u64>,
    pub(super) shared: Arc<Shared>,
    /// Nobody opens the store while files are written to it, be it this process again.
    pub(super) lock: Option<Arc<S::Lock>>,
    /// It took effect.
    pub(super) done: bool,
}

/// What a journal and its compaction share.
#[derive(Debug, Default)]
pub(super) struct Shared {
    pub(super) layout: Mutex<Layout>,
    /// Spares that zeros may no longer be written to: see `zeros`.
    pub(super) spares_taken: Mutex<u64>,
    /// The journal was closed: a compaction ends without effect.
    pub(super) closed: AtomicBool,
    /// A compaction ended.
    pub(super) ended: Condvar,
}

impl Shared {
    pub(super) fn layout(&self) -> MutexGuard<'_, Layout> {
        self.layout.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Which files are in force, and what a compaction is about.
#[derive(Debug, Default)]
pub(super) struct Layout {
    pub(super) snapshot: Option<Part>,
    /// Segments that are written no more, oldest first.
    pub(super) sealed: Vec<Part>,
    pub(super) phase: Phase,
    /// No automatic compaction before the segments take so many bytes: the last one failed.
    pub(super) not_below: u64,
}

/// How far a compaction is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Phase {
    /// There is none.
    #[default]
    None,
    /// There is one, and it does not run yet.
    Begun,
    /// It runs.
    Running,
}

/// What a compaction did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Compacted {
    /// Rows in the new snapshot.
    pub rows: u64,
    /// Its length in bytes.
    pub bytes: u64,
    /// How many segments went into it.
    pub segments: u64,
    /// How many bytes the files took that it supersedes.
    pub bytes_before: u64,
}

/// Why a compaction ended without effect. The store is as before.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CompactionError {
    /// The new snapshot found the disk full.
    #[error("the disk is full: no room for the new snapshot {file}; the store goes on without it")]
    NoSpace {
        /// The file.
        file: String,
    },
    /// What was to be merged is damaged. The daemon's memory is right; its store would not open again.
    #[error(
        "the store is damaged: {0}; stop the daemon, run `leasehold db check` to see all of it, then `leasehold db \
         repair`"
    )]
    Damaged(Damage),
    /// The journal was closed meanwhile. The store is as before.
    #[error("the store was closed before its compaction ended")]
    Closed,
    /// The system failed.
    #[error("{file} could not be written or read; the store goes on without a new snapshot")]
    Io {
        /// The file.
        file: String,
        /// What the system said.
        source: io::Error,
    },
}

impl From<ReadFault> for CompactionError {
    fn from(fault: ReadFault) -> Self {
        match fault {
            ReadFault::Io { file, source } => Self::Io { file, source },
            ReadFault::Damaged(damage) => Self::Damaged(damage),
            // The same process wrote these files, or read them whole when it opened the store.
            ReadFault::OtherVersion { ref file, .. }
            | ReadFault::UnknownStream { ref file, .. }
            | ReadFault::LaterRow { ref file, .. } => {
                Self::Damaged(Damage { file: file.clone(), offset: 0, what: fault.to_string() })
            }
        }
    }
}

/// What the trigger of an automatic compaction looks at, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes {
    /// The snapshot in force.
    pub snapshot_bytes: u64,
    /// All segments upon it, their reserved space included: that is what the disk gives up.
    pub segments_bytes: u64,
    /// One segment.
    pub segment_bytes: u64,
}

/// Whether it is time to compact: when the segments take as much as the snapshot, and four segments at least. So each
/// row is written at most about twice again, however large the store, and the disk holds at most about twice the rows.
///
/// While one segment after the other is filled (`in_rush`) the work waits for a quieter time, as long as it may: until the
/// segments take twice the snapshot, and twenty-eight segments at least, as many as are merged in some 160 MB of memory. Of a
/// store that is larger than that the disk then holds at most about three times the rows.
#[must_use]
pub fn compaction_due(sizes: Sizes, in_rush: bool) -> bool {
    let (segments, snapshots) = if in_rush { (28, 2) } else { (4, 1) };
    let least = sizes.segment_bytes.saturating_mul(segments);
    sizes.segments_bytes > least.max(sizes.snapshot_bytes.saturating_mul(snapshots))
}

impl<S: Storage> Compaction<S> {
    /// Merges, writes aside, syncs, renames, and removes what is superseded.
    ///
    /// # Errors
    /// See [`CompactionError`]; what was written aside is removed then.
    pub fn run(mut self) -> Result<Compacted, CompactionError> {
        self.shared.layout().phase = Phase::Running;
        let unfinished = format!("{}{}", names::snapshot(self.superblock.number), names::UNFINISHED);
        let written = self.write(&unfinished);
        if written.is_err() {
            // Left over, it would take space and is removed at the next opening anyway.
            let _ = self.storage.remove(&unfinished);
        }
        let (bytes, rows) = written?;
        self.done = true;
        let bytes_before = self.take_effect(bytes);
        Ok(Compacted { rows, bytes, segments: self.segments.len() as u64, bytes_before })
    }

    /// Writes the snapshot and gives it its name, which is the moment it is in force: its bytes and rows.
    fn write(&self, unfinished: &str) -> Result<(u64, u64), CompactionError> {
        let mut old = match self.snapshot {
            Some(number) => {
                let name = names::snapshot(number);
                let file = self.storage.open(&name, false).map_err(ReadFault::io(&name))?;
                Some(SnapshotReader::new(file, number)?)
            }
            None => None,
        };
        let mut segments = Vec::with_capacity(self.segments.len());
        for &number in &self.segments {
            self.check_open()?;
            segments.push(Segment::read(&self.storage, number)?);
        }
        let mut changes = Changes::default();
        for (index, segment) in segments.iter().enumerate() {
            let until = segments.get(index + 1).map_or(self.superblock.sequence, |next| next.superblock.sequence);
            let end = changes.add(segment, Some(until));
            if end.next_sequence != until {
                return Err(missing_frame(segment, end.offset, until).into());
            }
        }
        changes.settle()?;
        if planted(Fault::TombstoneLost) {
            changes.forget_gone();
        }
        let failed = |source: io::Error| {
            let file = unfinished.to_owned();
            if is_full(&source) { CompactionError::NoSpace { file } } else { CompactionError::Io { file, source } }
        };
        let file = self.storage.create(unfinished, 0).map_err(failed)?;
        let mut writer = SnapshotWriter::new(file, &self.superblock).map_err(failed)?;
        merge(old.as_mut(), &changes, |row, origin| {
            self.check_open()?;
            if planted(Fault::CompactionDropsLiveRow) && row.key.last().is_some_and(|last| last % 8 == 5) {
                return Ok(());
            }
            // The frame goes, and its stamp with it; the history may still have to know it.
            let segment = origin.segment.and_then(|at| segments.get(at));
            let stamped = segment.and_then(|segment| history::compacted(row, || segment.stamp_at(origin.offset)));
            let value = stamped.as_deref().or(row.value).unwrap_or_default();
            writer.push(row.stream, row.key, value).map_err(failed)
        })?;
        let done = writer.finish().map_err(failed)?;
        self.storage.rename(unfinished, &names::snapshot(self.superblock.number)).map_err(failed)?;
        self.storage.sync_dir().map_err(failed)?;
        Ok(done)
    }

    fn check_open(&self) -> Result<(), CompactionError> {
        if self.shared.closed.load(Ordering::Relaxed) { Err(CompactionError::Closed) } else { Ok(()) }
    }

    /// Tells the journal, and removes what the new snapshot supersedes; what cannot be removed now is removed at the
    /// next opening.
    fn take_effect(&self, bytes: u64) -> u64 {
        let new = Part { number: self.superblock.number, sequence: self.superblock.sequence, bytes };
        let mut layout = self.shared.layout();
        layout.not_below = 0;
        let old = layout.snapshot.replace(new);
        let superseded = |part: &Part| part.number < new.number;
        let segments = layout.sealed.iter().filter(|part| superseded(part)).map(|part| part.bytes).sum::<u64>();
        layout.sealed.retain(|part| !superseded(part));
        drop(layout);
        if let Some(number) = self.snapshot {
            let _ = self.storage.remove(&names::snapshot(number));
        }
        for &number in &self.segments {
            let _ = self.storage.remove(&names::segment(number));
        }
        segments + old.map_or(0, |part| part.bytes)
    }
}

impl<S: Storage> Drop for Compaction<S> {
    fn drop(&mut self) {
        // Before anybody is told, so that who waits for the end finds the store free.
        self.lock = None;
        let mut layout = self.shared.layout();
        if !self.done && layout.phase == Phase::Running {
            let taken: u64 = layout.sealed.iter().map(|part| part.bytes).sum();
            layout.not_below = taken + taken / 4;
        }
        layout.phase = Phase::None;
        drop(layout);
        self.shared.ended.notify_all();
    }
}

/// The fault of a segment whose frames end before the next segment says that they do.
pub(super) fn missing_frame(segment: &Segment, offset: usize, until: u64) -> ReadFault {
    let what = format!("a stored transaction is missing; the next segment begins with number {until}");
    ReadFault::damaged(&segment.name, offset as u64, what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compaction_is_due_when_the_segments_outweigh_the_snapshot() {
        let sizes = Sizes { snapshot_bytes: 0, segments_bytes: 4, segment_bytes: 1 };
        assert!(!compaction_due(sizes, false));
        assert!(compaction_due(Sizes { segments_bytes: 5, ..sizes }, false));
        assert!(!compaction_due(Sizes { segments_bytes: 50, snapshot_bytes: 50, ..sizes }, false));
        assert!(compaction_due(Sizes { segments_bytes: 51, snapshot_bytes: 50, ..sizes }, false));
    }

    #[test]
    fn a_rush_puts_compaction_off_but_not_for_ever() {
        let sizes = Sizes { snapshot_bytes: 0, segments_bytes: 28, segment_bytes: 1 };
        assert!(!compaction_due(sizes, true));
        assert!(compaction_due(Sizes { segments_bytes: 29, ..sizes }, true));
        assert!(!compaction_due(Sizes { segments_bytes: 100, snapshot_bytes: 50, ..sizes }, true));
        assert!(compaction_due(Sizes { segments_bytes: 101, snapshot_bytes: 50, ..sizes }, true));
    }
}
