//! The spare's space, written with zeros ahead, beside the commits.
//!
//! Space that is only reserved makes each sync of what is written into it change the file's map as well; where zeros
//! were written before, a sync brings nothing but the data. Reserved space and zeros read alike, so that neither a crash
//! at any moment nor a failure here changes what an opening finds.
//!
//! Only a spare is written to. Whoever writes holds a lock for each step, and whoever takes the spare to make a segment
//! of it withdraws the permission under that lock: no zero is ever written to a segment.

use std::io;
use std::sync::{Arc, MutexGuard, PoisonError};

use super::commit::Journal;
use super::compaction::Shared;
use super::names;
use super::superblock::SUPERBLOCK;
use crate::storage::{Storage, StorageFile};

/// The most that is written and synced at once: what a commit has to wait for at most, be it for the disk or because it
/// needs the spare just now.
const STEP_MAX: u64 = 128 * 1024;
/// A segment's space is written in so many steps at least.
const STEPS_MIN: u64 = 4;

/// Writes the spare's space with zeros. Runs on any thread; the journal goes on meanwhile. Dropped at any time, it leaves
/// the rest of the space reserved.
#[derive(Debug)]
pub struct Zeroing<S: Storage> {
    file: S::File,
    at: u64,
    end: u64,
    shared: Arc<Shared>,
    /// The spare that this is about: see [`Shared::spares_taken`].
    spare: u64,
}

impl<S: Storage> Zeroing<S> {
    /// Writes all of it, or as much as there is time for until the spare is needed. What the disk refuses stays reserved.
    pub fn run(mut self) {
        while self.step() {}
    }

    /// Writes a part of it, durably; whether more is to be written.
    pub fn step(&mut self) -> bool {
        let taken = self.shared.spares_taken();
        if *taken != self.spare || self.at >= self.end {
            return false;
        }
        let next = self.end.min(self.at + step_bytes(self.end));
        let written = write_zeros(&mut self.file, self.at, next);
        drop(taken);
        self.at = next;
        written.is_ok() && self.at < self.end
    }
}

fn step_bytes(segment_bytes: u64) -> u64 {
    (segment_bytes / STEPS_MIN).min(STEP_MAX)
}

/// Writes zeros from `from` up to `to`, and syncs.
fn write_zeros<F: StorageFile>(file: &mut F, from: u64, to: u64) -> io::Result<()> {
    // What is written at once fits into memory.
    file.write_at(from, &vec![0; (to - from) as usize])?;
    file.sync_data()
}

/// The same in steps, for a segment that nothing is committed to yet beyond `from`. What the disk refuses stays reserved.
pub(super) fn write_zeros_ahead<F: StorageFile>(file: &mut F, from: u64, to: u64) {
    let mut at = from;
    while at < to {
        let next = to.min(at + STEP_MAX);
        if write_zeros(file, at, next).is_err() {
            return;
        }
        at = next;
    }
}

impl Shared {
    /// How many spares were taken, or will never be written to again because the journal was closed.
    fn spares_taken(&self) -> MutexGuard<'_, u64> {
        self.spares_taken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on no zeros are written to the spare that there was.
    pub(super) fn take_spare(&self) {
        *self.spares_taken() += 1;
    }
}

impl<S: Storage> Journal<S> {
    /// Whether there is a spare to which nobody has begun to write zeros.
    #[must_use]
    pub fn zeroing_due(&self) -> bool {
        !self.failed && self.spare.is_some() && !self.zeroing_begun
    }

    /// The writing of zeros to the spare, to be done on any thread while commits go on; `None` when there is no spare, or
    /// when it was begun for this one.
    pub fn begin_zeroing(&mut self) -> Option<Zeroing<S>> {
        if !self.zeroing_due() {
            return None;
        }
        self.zeroing_begun = true;
        // A second handle to it: the spare has this name as long as it is one.
        let file = self.storage.open(names::SPARE, true).ok()?;
        let shared = Arc::clone(&self.shared);
        let spare = *shared.spares_taken();
        Some(Zeroing { file, at: SUPERBLOCK as u64, end: self.segment_bytes, shared, spare })
    }
}
