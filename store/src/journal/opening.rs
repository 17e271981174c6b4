//! Opening: what the files hold, and where writing goes on.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex};

use super::commit::{Active, Journal, Part, name_segment, write_superblock};
use super::compaction::{Layout, Shared};
use super::error::{OpenError, ReadFault};
use super::loaded::{Loaded, Unreadable};
use super::names::{self, Listing};
use super::segment::{Segment, Tail};
use super::superblock::{Kind, SUPERBLOCK, Superblock};
use super::zeros::write_zeros_ahead;
use crate::storage::{LockError, Storage, StorageFile};

/// How a store is opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// The program's name, told to those who find the store in use.
    pub program: String,
    /// Length of a segment in bytes, its superblock of 4096 included. At least 16 KiB.
    pub segment_bytes: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self { program: "leasehold".to_owned(), segment_bytes: 4 * 1024 * 1024 }
    }
}

/// The end of the journal was not whole: the last batch was never acknowledged, and its torn part is left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cut {
    /// The segment.
    pub file: String,
    /// Where it was cut.
    pub offset: u64,
    /// How many bytes were left out.
    pub bytes: u64,
}

/// What opening found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JournalReport {
    /// There was no store; one was made.
    pub created: bool,
    /// The end was torn.
    pub cut: Option<Cut>,
    /// Segments read.
    pub segments: u64,
    /// Transactions read from them.
    pub transactions: u64,
    /// Live rows, all streams together.
    pub rows: u64,
    /// Rows of streams that this version does not know and may ignore: stream and number.
    pub unknown_streams: BTreeMap<u8, u64>,
    /// Files removed that a newer snapshot superseded, or that were never finished.
    pub removed: Vec<String>,
}

impl<S: Storage> Journal<S> {
    /// Takes the store, reads it, tells `begin` its newest stamp (UTC seconds), and gives `visit` each live row of the
    /// streams `known`, sorted by stream and key. A row that cannot be read is told as text and counts as damage.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub(crate) fn open(
        storage: S,
        options: &Options,
        known: &[u8],
        begin: impl FnOnce(u64),
        visit: impl FnMut(u8, &[u8], &[u8]) -> Result<(), Unreadable>,
    ) -> Result<(Self, JournalReport), OpenError> {
        let directory = storage.describe();
        let io = |file: &str, source| OpenError::io(directory.clone(), file, options.segment_bytes, source);
        storage.ensure().map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => OpenError::NoDirectory { directory: directory.clone() },
            _ => io("the directory", source),
        })?;
        let lock = take_lock(&storage, &options.program)?;
        let listing = Listing::new(storage.list().map_err(|e| io("the directory", e))?);
        if listing.snapshots.is_empty() && listing.segments.is_empty() {
            begin(0);
            return Self::create(storage, lock, options, &listing).map_err(|e| io(names::SPARE, e));
        }
        // The names may be those of a process that was killed before it synced them.
        storage.sync_dir().map_err(|e| io("the directory", e))?;
        let fault = |fault: ReadFault| fault.into_open_error(directory.clone());
        let mut loaded = Loaded::read(&storage, &listing).map_err(fault)?;
        begin(loaded.newest_stamp());
        let mut report = loaded.visit(known, visit).map_err(fault)?;
        let active = loaded.settle_end(&storage).map_err(fault)?;
        drop_leftovers(&storage, &listing, loaded.repaired_at(), &mut report);
        let end = loaded.ends.last().copied();
        let mut journal = Self {
            store_id: loaded.store_id(),
            next_sequence: end.map_or(1, |end| end.next_sequence),
            newest_stamp: loaded.newest_stamp(),
            spare: listing.spare.then(|| clean_spare(&storage, options.segment_bytes)).flatten(),
            zeroing_begun: false,
            segment_bytes: options.segment_bytes,
            failed: false,
            shared: Arc::new(Shared { layout: Mutex::new(loaded.layout()), ..Shared::default() }),
            active,
            storage,
            lock: Arc::new(lock),
        };
        // Without room the store opens all the same: what it holds must be served.
        journal.prepare_spare();
        Ok((journal, report))
    }

    fn create(storage: S, lock: S::Lock, options: &Options, listing: &Listing) -> io::Result<(Self, JournalReport)> {
        let mut report = JournalReport { created: true, ..JournalReport::default() };
        drop_leftovers(&storage, listing, 0, &mut report);
        let superblock = Superblock {
            kind: Kind::Segment,
            store_id: storage.fresh_id()?,
            number: 1,
            sequence: 1,
            newest_stamp: 0,
            repaired_at: 0,
        };
        let mut file = storage.create(names::SPARE, options.segment_bytes)?;
        write_zeros_ahead(&mut file, SUPERBLOCK as u64, options.segment_bytes);
        write_superblock(&mut file, &superblock)?;
        let active = name_segment(&storage, file, names::SPARE, &superblock, options.segment_bytes)?;
        let mut journal = Self {
            store_id: superblock.store_id,
            next_sequence: 1,
            newest_stamp: 0,
            spare: None,
            zeroing_begun: false,
            segment_bytes: options.segment_bytes,
            failed: false,
            shared: Arc::default(),
            active,
            storage,
            lock: Arc::new(lock),
        };
        journal.prepare_spare();
        Ok((journal, report))
    }
}

impl<S: Storage> Loaded<S> {
    /// Makes the end durable and opens it for appending.
    fn settle_end(&self, storage: &S) -> Result<Active<S::File>, ReadFault> {
        let (Some(segment), Some(end)) = (self.segments.last(), self.ends.last()) else {
            return Err(ReadFault::damaged(&names::segment(1), 0, "the segment is missing"));
        };
        let mut file = storage.open(&segment.name, true).map_err(ReadFault::io(&segment.name))?;
        // "The last batch is written again and synced at opening, before anything is built upon it."
        if let Some(start) = end.last_batch {
            file.write_at(start as u64, &segment.bytes[start..end.offset])
                .and_then(|()| file.sync_data())
                .map_err(ReadFault::io(&segment.name))?;
        }
        let offset = end.offset as u64;
        // A torn tail "is cut by beginning a new segment with the next commit".
        let torn = matches!(self.tail, Tail::Torn(_));
        let room_end = if torn { offset } else { segment.bytes.len() as u64 };
        write_zeros_ahead(&mut file, offset, room_end);
        let part = self.part(segment);
        Ok(Active { file, part, seed: segment.seed(), offset, end: room_end })
    }

    fn part(&self, segment: &Segment) -> Part {
        let superblock = &segment.superblock;
        Part { number: superblock.number, sequence: superblock.sequence, bytes: segment.bytes.len() as u64 }
    }

    fn layout(&self) -> Layout {
        let sealed = self.segments.split_last().map_or(&[][..], |(_, sealed)| sealed);
        Layout {
            snapshot: self.snapshot.as_ref().map(|reader| Part {
                number: reader.superblock.number,
                sequence: reader.superblock.sequence,
                bytes: reader.size,
            }),
            sealed: sealed.iter().map(|segment| self.part(segment)).collect(),
            ..Layout::default()
        }
    }
}

/// Takes the store for this process.
pub(crate) fn take_lock<S: Storage>(storage: &S, program: &str) -> Result<S::Lock, OpenError> {
    let directory = storage.describe();
    storage.lock(program).map_err(|lock| match lock {
        LockError::Io(source) => OpenError::io(directory, names::LOCK, 0, source),
        held @ LockError::Held(_) => OpenError::Locked { directory, lock: held },
    })
}

/// Begins the segment of `superblock`, `bytes` long, where no journal is open: durable under its name.
pub(crate) fn begin_segment<S: Storage>(storage: &S, superblock: &Superblock, bytes: u64) -> io::Result<()> {
    let mut file = storage.create(names::LARGE, bytes)?;
    write_superblock(&mut file, superblock)?;
    name_segment(storage, file, names::LARGE, superblock, bytes).map(drop)
}

/// Removes what is of no more use; what a repair superseded is kept aside instead, should the repair have been
/// interrupted before it did. What cannot be removed now is tried again at the next opening.
fn drop_leftovers<S: Storage>(storage: &S, listing: &Listing, repaired_at: u64, report: &mut JournalReport) {
    let superseded = listing.superseded();
    if repaired_at != 0 && !superseded.is_empty() {
        let _ = keep_aside(storage, &superseded, repaired_at);
    } else {
        report.removed.extend(superseded.into_iter().filter(|name| storage.remove(name).is_ok()));
    }
    report.removed.extend(listing.unfinished.iter().filter(|name| storage.remove(name).is_ok()).cloned());
}

/// Moves files into the directory of what a repair at `repaired_at` (UTC seconds) replaced: its name.
pub(crate) fn keep_aside<S: Storage>(storage: &S, files: &[String], repaired_at: u64) -> io::Result<String> {
    let kept = names::kept(repaired_at);
    storage.make_dir(&kept)?;
    files.iter().try_for_each(|name| storage.rename(name, &format!("{kept}/{name}")))?;
    storage.sync_dir()?;
    Ok(kept)
}

/// The spare of an earlier run, when it is as a spare should be: of the right length, and zero beyond what becomes its
/// superblock.
fn clean_spare<S: Storage>(storage: &S, segment_bytes: u64) -> Option<S::File> {
    let file = storage.open(names::SPARE, true).ok()?;
    let mut frames = vec![0; usize::try_from(segment_bytes).ok()?.checked_sub(SUPERBLOCK)?];
    let read = file.read_at(SUPERBLOCK as u64, &mut frames).ok()?;
    let right = file.size().is_ok_and(|size| size == segment_bytes) && read == frames.len();
    (right && frames.iter().all(|&byte| byte == 0)).then_some(file)
}
