//! Opening: what the files hold, and where writing goes on.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use super::commit::{Active, Journal, Layout, Part, name_segment, write_superblock};
use super::compaction::missing_frame;
use super::error::{OpenError, ReadFault};
use super::frame::RowRef;
use super::merge::{Changes, merge};
use super::names::{self, Listing};
use super::segment::{End, Segment, Tail};
use super::snapshot::SnapshotReader;
use super::superblock::{Kind, SUPERBLOCK, Superblock};
use crate::storage::{LockError, Storage, StorageFile};

/// Bit 7 of a stream's number: who does not know it must not open the store.
pub(crate) const CRITICAL: u8 = 0x80;

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

/// The files in force, read and found sound.
struct Loaded<S: Storage> {
    snapshot: Option<SnapshotReader<S::File>>,
    segments: Vec<Segment>,
    /// Where each segment's frames end.
    ends: Vec<End>,
    tail: Tail,
}

impl<S: Storage> Journal<S> {
    /// Takes the store, reads it, and gives `visit` each live row of the streams `known`, sorted by stream and key.
    /// A row that cannot be read is told as text and counts as damage.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub(crate) fn open(
        storage: S,
        options: &Options,
        known: &[u8],
        visit: impl FnMut(u8, &[u8], &[u8]) -> Result<(), String>,
    ) -> Result<(Self, JournalReport), OpenError> {
        let directory = storage.describe();
        let io = |file: &str, source| OpenError::io(directory.clone(), file, options.segment_bytes, source);
        storage.ensure().map_err(|source| match source.kind() {
            std::io::ErrorKind::NotFound => OpenError::NoDirectory { directory: directory.clone() },
            _ => io("the directory", source),
        })?;
        let lock = storage.lock(&options.program).map_err(|lock| match lock {
            LockError::Io(source) => io(names::LOCK, source),
            held @ LockError::Held(_) => OpenError::Locked { directory: directory.clone(), lock: held },
        })?;
        let listing = Listing::new(storage.list().map_err(|e| io("the directory", e))?);
        if listing.snapshots.is_empty() && listing.segments.is_empty() {
            return Self::create(storage, lock, options, &listing).map_err(|e| io(names::SPARE, e));
        }
        // The names may be those of a process that was killed before it synced them.
        storage.sync_dir().map_err(|e| io("the directory", e))?;
        let fault = |fault: ReadFault| fault.into_open_error(directory.clone());
        let mut loaded = Loaded::read(&storage, &listing).map_err(fault)?;
        let mut report = loaded.visit(known, visit).map_err(fault)?;
        let active = loaded.settle_end(&storage, &mut report).map_err(fault)?;
        drop_leftovers(&storage, &listing, &mut report);
        let end = loaded.ends.last().copied();
        let mut journal = Self {
            store_id: loaded.store_id(),
            next_sequence: end.map_or(1, |end| end.next_sequence),
            newest_stamp: loaded.newest_stamp(),
            spare: listing.spare.then(|| clean_spare(&storage, options.segment_bytes)).flatten(),
            segment_bytes: options.segment_bytes,
            failed: false,
            layout: Arc::new(Mutex::new(loaded.layout())),
            compacting: Arc::default(),
            active,
            storage,
            lock: Arc::new(lock),
            closed: Arc::default(),
        };
        // Without room the store opens all the same: what it holds must be served.
        journal.prepare_spare();
        Ok((journal, report))
    }

    fn create(
        storage: S,
        lock: S::Lock,
        options: &Options,
        listing: &Listing,
    ) -> std::io::Result<(Self, JournalReport)> {
        let mut report = JournalReport { created: true, ..JournalReport::default() };
        drop_leftovers(&storage, listing, &mut report);
        let superblock = Superblock {
            kind: Kind::Segment,
            store_id: storage.fresh_id()?,
            number: 1,
            sequence: 1,
            newest_stamp: 0,
            repaired_at: 0,
        };
        let mut file = storage.create(names::SPARE, options.segment_bytes)?;
        write_superblock(&mut file, &superblock)?;
        let active = name_segment(&storage, file, names::SPARE, &superblock, options.segment_bytes)?;
        let mut journal = Self {
            store_id: superblock.store_id,
            next_sequence: 1,
            newest_stamp: 0,
            spare: None,
            segment_bytes: options.segment_bytes,
            failed: false,
            layout: Arc::default(),
            compacting: Arc::default(),
            active,
            storage,
            lock: Arc::new(lock),
            closed: Arc::default(),
        };
        journal.prepare_spare();
        Ok((journal, report))
    }
}

impl<S: Storage> Loaded<S> {
    /// Reads superblocks and frames, and checks that nothing is missing.
    fn read(storage: &S, listing: &Listing) -> Result<Self, ReadFault> {
        if let Some(number) = listing.gap() {
            return Err(ReadFault::damaged(&names::segment(number), 0, "the segment is missing"));
        }
        let snapshot = match listing.snapshot() {
            Some(number) => {
                let name = names::snapshot(number);
                let file = storage.open(&name, false).map_err(ReadFault::io(&name))?;
                Some(SnapshotReader::new(file, number)?)
            }
            None => None,
        };
        let segments = listing.live().map(|n| Segment::read(storage, n)).collect::<Result<Vec<_>, _>>()?;
        let first = snapshot.as_ref().map(|s| (s.superblock.store_id, s.superblock.sequence));
        let mut loaded = Self { snapshot, segments, ends: Vec::new(), tail: Tail::Clean };
        loaded.check_chain(first)?;
        Ok(loaded)
    }

    /// Each segment begins where the one before ended, and all belong to one store.
    fn check_chain(&mut self, first: Option<([u8; 16], u64)>) -> Result<(), ReadFault> {
        let id = first.map_or_else(|| self.store_id(), |(id, _)| id);
        let mut expected = first.map_or(1, |(_, sequence)| sequence);
        for (index, segment) in self.segments.iter().enumerate() {
            if segment.superblock.store_id != id {
                return Err(ReadFault::damaged(&segment.name, 16, "the file belongs to another store"));
            }
            if segment.superblock.sequence != expected {
                let what = format!("begins with transaction {}, not {expected}", segment.superblock.sequence);
                return Err(ReadFault::damaged(&segment.name, 40, what));
            }
            let until = self.segments.get(index + 1).map(|next| next.superblock.sequence);
            let end = segment.walk(until, |_, _| ());
            match until {
                Some(until) if end.next_sequence != until => return Err(missing_frame(segment, end.offset, until)),
                Some(_) => {}
                None => self.tail = segment.tail(&end),
            }
            if let Tail::Damaged { witness, at } = self.tail {
                let what = format!("a stored transaction is missing; number {witness}, at byte {at}, was stored later");
                return Err(ReadFault::damaged(&segment.name, end.offset as u64, what));
            }
            expected = end.next_sequence;
            self.ends.push(end);
        }
        Ok(())
    }

    fn visit(
        &mut self,
        known: &[u8],
        mut visit: impl FnMut(u8, &[u8], &[u8]) -> Result<(), String>,
    ) -> Result<JournalReport, ReadFault> {
        let mut report = JournalReport { segments: self.segments.len() as u64, ..JournalReport::default() };
        let mut changes = Changes::default();
        for (index, segment) in self.segments.iter().enumerate() {
            changes.add(segment, self.segments.get(index + 1).map(|next| next.superblock.sequence));
        }
        report.transactions = changes.frames();
        changes.settle()?;
        merge(self.snapshot.as_mut(), &changes, |row: RowRef<'_>, file, offset| {
            report.rows += 1;
            if !known.contains(&row.stream) {
                if row.stream & CRITICAL != 0 {
                    return Err(ReadFault::UnknownStream { file: file.to_owned(), stream: row.stream });
                }
                *report.unknown_streams.entry(row.stream).or_default() += 1;
                return Ok(());
            }
            let value = row.value.unwrap_or_default();
            visit(row.stream, row.key, value).map_err(|what| ReadFault::damaged(file, offset, what))
        })?;
        Ok(report)
    }

    /// Makes the end durable and opens it for appending.
    fn settle_end(&self, storage: &S, report: &mut JournalReport) -> Result<Active<S::File>, ReadFault> {
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
        let mut room_end = segment.bytes.len() as u64;
        if let Tail::Torn(bytes) = self.tail {
            report.cut = Some(Cut { file: segment.name.clone(), offset, bytes });
            // "It is cut by beginning a new segment with the next commit."
            room_end = offset;
        }
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
        }
    }

    fn store_id(&self) -> [u8; 16] {
        self.segments.first().map(|segment| segment.superblock.store_id).unwrap_or_default()
    }

    fn newest_stamp(&self) -> u64 {
        let snapshot = self.snapshot.as_ref().map_or(0, |reader| reader.superblock.newest_stamp);
        self.ends.iter().map(|end| end.newest_stamp).fold(snapshot, u64::max)
    }
}

/// Removes what is of no more use. What cannot be removed now is tried again at the next opening.
fn drop_leftovers<S: Storage>(storage: &S, listing: &Listing, report: &mut JournalReport) {
    for name in listing.unfinished.iter().cloned().chain(listing.superseded()) {
        if storage.remove(&name).is_ok() {
            report.removed.push(name);
        }
    }
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
