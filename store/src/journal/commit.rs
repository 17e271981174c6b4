//! Appending: the journal open for writing.

use std::io;
use std::sync::atomic::Ordering;
use std::sync::{Arc, MutexGuard};
use std::time::Duration;

use super::batch::Batch;
use super::compaction::{Compaction, Layout, Phase, Shared, Sizes, compaction_due};
use super::frame::{BODY_MAX, Seed};
use super::names;
use super::superblock::{Kind, SUPERBLOCK, Superblock};
use crate::storage::{Storage, StorageFile, is_full};
use faults::{Fault, planted};

/// How many segments one compaction takes: what it holds in memory at once.
const COMPACT_AT_ONCE: usize = 64;

/// How long closing waits for a compaction to end.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// Why a batch is not stored.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CommitError {
    /// The disk is full. Nothing was written, and the store goes on: smaller batches may still find room, and this
    /// one will once there is space.
    #[error("the disk is full: no room to store {bytes} bytes; nothing was changed")]
    NoSpace {
        /// What the batch needs.
        bytes: u64,
    },
    /// The batch, or one transaction, row or key in it, is longer than the format allows. Nothing was written.
    #[error("a batch of {bytes} bytes is longer than the store can take at once; nothing was changed")]
    TooLarge {
        /// What the batch needs.
        bytes: u64,
    },
    /// Writing or syncing failed. Which transactions of the batch are durable is unknown until the store is opened
    /// again from disk; until then it takes no more.
    #[error("{file} could not be written; the store takes no more until it is opened again")]
    Failed {
        /// The file.
        file: String,
        /// What the system said.
        source: io::Error,
    },
    /// An earlier commit failed. Nothing was written.
    #[error("an earlier write failed; the store takes no more until it is opened again")]
    AfterFailure,
}

/// What is left before the disk is asked for more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// Bytes left in the segment that is written to.
    pub bytes_left: u64,
    /// The next segment's space is reserved.
    pub spare: bool,
}

/// A segment or snapshot in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) number: u64,
    /// Of its first frame, or of the first frame that it does not hold.
    pub(super) sequence: u64,
    pub(super) bytes: u64,
}

/// The journal, held and open for appending. See the [module](super) for its format.
#[derive(Debug)]
pub struct Journal<S: Storage> {
    pub(super) storage: S,
    pub(super) lock: Arc<S::Lock>,
    pub(super) store_id: [u8; 16],
    pub(super) active: Active<S::File>,
    pub(super) next_sequence: u64,
    pub(super) newest_stamp: u64,
    pub(super) spare: Option<S::File>,
    /// Of this spare: see [`Journal::begin_zeroing`].
    pub(super) zeroing_begun: bool,
    pub(super) segment_bytes: u64,
    /// A write or sync failed: nothing more through this handle.
    pub(super) failed: bool,
    pub(super) shared: Arc<Shared>,
}

impl<S: Storage> Drop for Journal<S> {
    /// Ends a compaction that runs on another thread, and waits for that (not for a disk that hangs), so that the store
    /// can be opened again at once.
    fn drop(&mut self) {
        self.shared.closed.store(true, Ordering::Release);
        self.shared.take_spare();
        let layout = self.layout();
        let running = |layout: &mut Layout| layout.phase == Phase::Running;
        // Whether it ended or not, there is nothing more to be done here.
        drop(self.shared.ended.wait_timeout_while(layout, CLOSE_TIMEOUT, running));
    }
}

/// The segment that is written to.
#[derive(Debug)]
pub(super) struct Active<F> {
    pub(super) file: F,
    pub(super) part: Part,
    pub(super) seed: Seed,
    /// Where the next frame goes.
    pub(super) offset: u64,
    /// Where its reserved space ends; equal to `offset` when nothing may follow.
    pub(super) end: u64,
}

impl<F> Active<F> {
    fn room(&self) -> u64 {
        self.end.saturating_sub(self.offset)
    }

    fn name(&self) -> String {
        names::segment(self.part.number)
    }
}

impl<S: Storage> Journal<S> {
    /// Stores all transactions of `batch` with one append and one sync. `Ok`: all are durable. `stamp` is UTC seconds;
    /// one below the newest stored is raised to it. The batch can be cleared and used again.
    ///
    /// # Errors
    /// See [`CommitError`]: after `NoSpace` and `TooLarge` the store is as before and goes on, after `Failed` it must
    /// be opened again.
    pub fn commit(&mut self, stamp: u64, batch: &mut Batch) -> Result<(), CommitError> {
        if self.failed {
            return Err(CommitError::AfterFailure);
        }
        if batch.is_empty() {
            return Ok(());
        }
        let bytes = batch.size() as u64;
        if batch.too_large() || batch.size() > BODY_MAX {
            return Err(CommitError::TooLarge { bytes });
        }
        let stamp = self.newest_stamp.max(stamp);
        let rotated = self.active.room() < bytes;
        if rotated {
            self.rotate(bytes)?;
        }
        let frames = batch.seal(self.active.seed, self.next_sequence, stamp);
        let written = self
            .active
            .file
            .write_at(self.active.offset, frames)
            .and_then(|()| if planted(Fault::SyncSkipped) { Ok(()) } else { self.active.file.sync_data() });
        if let Err(source) = written {
            return Err(self.fail(source));
        }
        self.active.offset += bytes;
        self.newest_stamp = stamp;
        self.next_sequence += batch.transactions() as u64;
        if rotated {
            self.prepare_spare();
        }
        Ok(())
    }

    fn fail(&mut self, source: io::Error) -> CommitError {
        self.failed = true;
        CommitError::Failed { file: self.active.name(), source }
    }

    /// Reserves the next segment's space when it is not; whether it is now. Worth a call now and then while the disk
    /// is full, so that the store recovers before it needs to.
    pub fn prepare_spare(&mut self) -> bool {
        if self.spare.is_none() && !self.failed {
            self.spare = self.storage.create(names::SPARE, self.segment_bytes).ok();
            self.zeroing_begun = false;
        }
        self.spare.is_some()
    }

    /// Begins a new segment with room for `bytes`. On `NoSpace` nothing has changed.
    fn rotate(&mut self, bytes: u64) -> Result<(), CommitError> {
        let needed = SUPERBLOCK as u64 + bytes;
        // One great batch gets a segment of its own size; the spare waits for the next.
        let (name, end) =
            if needed > self.segment_bytes { (names::LARGE, needed) } else { (names::SPARE, self.segment_bytes) };
        let spare = if name == names::SPARE { self.spare.take() } else { None };
        if spare.is_some() {
            self.shared.take_spare();
        }
        let superblock = Superblock {
            kind: Kind::Segment,
            store_id: self.store_id,
            number: self.active.part.number + 1,
            sequence: self.next_sequence,
            newest_stamp: self.newest_stamp,
            repaired_at: 0,
        };
        let prepared = spare.map_or_else(|| self.storage.create(name, end), Ok).and_then(|mut file| {
            write_superblock(&mut file, &superblock)?;
            Ok(file)
        });
        let file = match prepared {
            Ok(file) => file,
            Err(source) if is_full(&source) => return Err(CommitError::NoSpace { bytes }),
            Err(source) => return Err(self.fail(source)),
        };
        // From the rename on, the new segment's first sequence ends the old one: going on with that is no longer safe.
        let next = name_segment(&self.storage, file, name, &superblock, end).map_err(|source| self.fail(source))?;
        let sealed = std::mem::replace(&mut self.active, next).part;
        self.layout().sealed.push(sealed);
        Ok(())
    }

    pub(super) fn layout(&self) -> MutexGuard<'_, Layout> {
        self.shared.layout()
    }

    /// A compaction of what is sealed, to be run on any thread while commits go on; begins a new segment first, so
    /// that the present one is sealed too. `None` when one is under way, or when there is nothing to compact.
    ///
    /// # Errors
    /// As [`Journal::commit`].
    pub fn begin_compaction(&mut self) -> Result<Option<Compaction<S>>, CommitError> {
        if self.failed {
            return Err(CommitError::AfterFailure);
        }
        if self.layout().phase != Phase::None {
            return Ok(None);
        }
        if self.layout().sealed.len() < COMPACT_AT_ONCE && self.next_sequence > self.active.part.sequence {
            match self.rotate(0) {
                // What is sealed already can still give its space back.
                Err(CommitError::NoSpace { .. }) if !self.layout().sealed.is_empty() => {}
                other => other?,
            }
            self.prepare_spare();
        }
        let mut layout = self.layout();
        if layout.sealed.is_empty() {
            return Ok(None);
        }
        let up_to = *layout.sealed.get(COMPACT_AT_ONCE).unwrap_or(&self.active.part);
        let snapshot = layout.snapshot.map(|part| part.number);
        let segments = layout.sealed.iter().take(COMPACT_AT_ONCE).map(|part| part.number).collect();
        layout.phase = Phase::Begun;
        drop(layout);
        Ok(Some(Compaction {
            storage: self.storage.clone(),
            superblock: Superblock {
                kind: Kind::Snapshot,
                store_id: self.store_id,
                number: up_to.number,
                sequence: up_to.sequence,
                newest_stamp: self.newest_stamp,
                repaired_at: 0,
            },
            snapshot,
            segments,
            shared: Arc::clone(&self.shared),
            lock: Some(Arc::clone(&self.lock)),
            done: false,
        }))
    }

    /// What is left before the disk is asked for more.
    #[must_use]
    pub fn room(&self) -> Room {
        Room { bytes_left: self.active.room(), spare: self.spare.is_some() }
    }

    /// How large snapshot and segments are.
    #[must_use]
    pub fn sizes(&self) -> Sizes {
        let layout = self.layout();
        Sizes {
            snapshot_bytes: layout.snapshot.map_or(0, |part| part.bytes),
            segments_bytes: layout.sealed.iter().map(|part| part.bytes).sum::<u64>() + self.active.part.bytes,
            segment_bytes: self.segment_bytes,
        }
    }

    /// Whether it is time to compact: as [`compaction_due`] says, and after a compaction that failed only once the
    /// segments have grown well, so that a full or failing disk is not set to the same work again and again. Where the disk
    /// has no room for another segment nothing is put off, so that the compaction finds what is left.
    #[must_use]
    pub fn compaction_due(&self, in_rush: bool) -> bool {
        let in_rush = in_rush && self.spare.is_some();
        let sizes = self.sizes();
        let layout = self.layout();
        let may_be = !self.failed && layout.phase == Phase::None && sizes.segments_bytes >= layout.not_below;
        may_be && compaction_due(sizes, in_rush)
    }

    /// The sequence of the next transaction.
    #[must_use]
    pub fn next_sequence(&self) -> u64 {
        self.next_sequence
    }

    /// UTC seconds: the newest stamp stored.
    #[must_use]
    pub fn newest_stamp(&self) -> u64 {
        self.newest_stamp
    }

    /// Whether a commit failed, so that the store must be opened again.
    #[must_use]
    pub fn failed(&self) -> bool {
        self.failed
    }
}

/// Writes the superblock of the segment that `file` is to become, and syncs it.
pub(super) fn write_superblock<F: StorageFile>(file: &mut F, superblock: &Superblock) -> io::Result<()> {
    file.write_at(0, &superblock.write())?;
    file.sync_data()
}

/// Makes `file`, now called `from`, the segment of `superblock`: durable under its name before the first frame goes in.
pub(super) fn name_segment<S: Storage>(
    storage: &S,
    file: S::File,
    from: &str,
    superblock: &Superblock,
    end: u64,
) -> io::Result<Active<S::File>> {
    storage.rename(from, &names::segment(superblock.number))?;
    if !planted(Fault::RenameWithoutDirSync) {
        storage.sync_dir()?;
    }
    Ok(Active {
        file,
        part: Part { number: superblock.number, sequence: superblock.sequence, bytes: end },
        seed: superblock.seed(),
        offset: SUPERBLOCK as u64,
        end,
    })
}
