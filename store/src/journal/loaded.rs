//! The files in force, read whole and checked, by who writes to the store as well as by who only looks at it.

use super::compaction::missing_frame;
use super::error::ReadFault;
use super::frame::RowRef;
use super::merge::{Changes, Origin, merge};
use super::names::{self, Listing};
use super::opening::{Cut, JournalReport};
use super::segment::{End, Segment, Tail};
use super::snapshot::SnapshotReader;
use crate::storage::Storage;

/// Bit 7 of a stream's number: who does not know it must not open the store.
pub(crate) const CRITICAL: u8 = 0x80;

/// Why a row's bytes are not a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Unreadable {
    /// They are damaged.
    Damaged(String),
    /// A later version wrote them.
    Later(String),
}

/// The files in force, read and found sound.
#[derive(Debug)]
pub(crate) struct Loaded<S: Storage> {
    pub(crate) snapshot: Option<SnapshotReader<S::File>>,
    pub(crate) segments: Vec<Segment>,
    /// Where each segment's frames end.
    pub(crate) ends: Vec<End>,
    pub(crate) tail: Tail,
}

impl<S: Storage> Loaded<S> {
    /// Reads superblocks and frames, and checks that nothing is missing.
    pub(crate) fn read(storage: &S, listing: &Listing) -> Result<Self, ReadFault> {
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

    /// Gives `visit` each live row of the streams `known`, sorted by stream and key.
    pub(crate) fn visit(
        &mut self,
        known: &[u8],
        mut visit: impl FnMut(u8, &[u8], &[u8]) -> Result<(), Unreadable>,
    ) -> Result<JournalReport, ReadFault> {
        let segments = self.segments.len() as u64;
        let mut report = JournalReport { segments, cut: self.cut(), ..JournalReport::default() };
        let mut changes = Changes::default();
        for (index, segment) in self.segments.iter().enumerate() {
            changes.add(segment, self.segments.get(index + 1).map(|next| next.superblock.sequence));
        }
        report.transactions = changes.frames();
        changes.settle()?;
        merge(self.snapshot.as_mut(), &changes, |row: RowRef<'_>, origin: Origin<'_>| {
            let Origin { file, offset, .. } = origin;
            report.rows += 1;
            if !known.contains(&row.stream) {
                if row.stream & CRITICAL != 0 {
                    return Err(ReadFault::UnknownStream { file: file.to_owned(), stream: row.stream });
                }
                *report.unknown_streams.entry(row.stream).or_default() += 1;
                return Ok(());
            }
            let value = row.value.unwrap_or_default();
            visit(row.stream, row.key, value).map_err(|fault| match fault {
                Unreadable::Damaged(what) => ReadFault::damaged(file, offset, what),
                Unreadable::Later(what) => ReadFault::LaterRow { file: file.to_owned(), what },
            })
        })?;
        Ok(report)
    }

    fn cut(&self) -> Option<Cut> {
        let (Tail::Torn(bytes), Some(segment), Some(end)) = (self.tail, self.segments.last(), self.ends.last()) else {
            return None;
        };
        Some(Cut { file: segment.name.clone(), offset: end.offset as u64, bytes })
    }

    /// UTC seconds of the repair that wrote the snapshot; 0: none did.
    pub(crate) fn repaired_at(&self) -> u64 {
        self.snapshot.as_ref().map_or(0, |reader| reader.superblock.repaired_at)
    }

    pub(crate) fn store_id(&self) -> [u8; 16] {
        self.segments.first().map(|segment| segment.superblock.store_id).unwrap_or_default()
    }

    pub(crate) fn newest_stamp(&self) -> u64 {
        let snapshot = self.snapshot.as_ref().map_or(0, |reader| reader.superblock.newest_stamp);
        self.ends.iter().map(|end| end.newest_stamp).fold(snapshot, u64::max)
    }
}
