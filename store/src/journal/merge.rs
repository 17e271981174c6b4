//! A snapshot and the segments upon it, as one sorted run of live rows.

use super::error::ReadFault;
use super::frame::{FRAME_HEADER, RowRef, Rows};
use super::segment::{End, Segment};
use super::snapshot::SnapshotReader;
use crate::storage::StorageFile;

/// A row of a segment, and where its frame begins.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Change<'a> {
    pub(crate) row: RowRef<'a>,
    pub(crate) file: &'a str,
    pub(crate) offset: u64,
}

/// Rows of segments, in the order in which they were written until [`Changes::settle`].
#[derive(Debug, Default)]
pub(crate) struct Changes<'a> {
    list: Vec<Change<'a>>,
    frames: u64,
    malformed: Option<(&'a str, u64)>,
}

impl<'a> Changes<'a> {
    /// Adds a segment's rows, up to the frame of the sequence `until`.
    pub(crate) fn add(&mut self, segment: &'a Segment, until: Option<u64>) -> End {
        let file = segment.name.as_str();
        segment.walk(until, |frame, at| {
            let offset = at as u64;
            let mut rows = Rows::new(frame.body);
            self.list.extend(rows.by_ref().map(|row| Change { row, file, offset }));
            self.frames += 1;
            if !rows.ended_well() && self.malformed.is_none() {
                self.malformed = Some((file, offset + FRAME_HEADER as u64));
            }
        })
    }

    /// How many frames were added.
    pub(crate) fn frames(&self) -> u64 {
        self.frames
    }

    /// Sorts by stream and key; of each the last stays.
    pub(crate) fn settle(&mut self) -> Result<(), ReadFault> {
        if let Some((file, offset)) = self.malformed {
            return Err(ReadFault::damaged(file, offset, "the rows of a frame do not fill it"));
        }
        // Stable, so that of one key the row written last stands last.
        self.list.sort_by(|a, b| (a.row.stream, a.row.key).cmp(&(b.row.stream, b.row.key)));
        self.list.dedup_by(|later, kept| {
            let same = later.row.stream == kept.row.stream && later.row.key == kept.row.key;
            if same {
                *kept = *later;
            }
            same
        });
        Ok(())
    }

    /// Forgets every row that says that a row is gone: the planted fault of a compaction that does.
    pub(crate) fn forget_gone(&mut self) {
        self.list.retain(|change| change.row.value.is_some());
    }

    /// Each row once: the last written of each key.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Change<'a>> {
        self.list.iter()
    }
}

/// Gives `visit` every live row, sorted by stream and key, with the file and offset that it comes from.
pub(crate) fn merge<F: StorageFile, E: From<ReadFault>>(
    snapshot: Option<&mut SnapshotReader<F>>,
    changes: &Changes<'_>,
    mut visit: impl FnMut(RowRef<'_>, &str, u64) -> Result<(), E>,
) -> Result<(), E> {
    let mut pending = changes.iter().peekable();
    if let Some(reader) = snapshot {
        let name = reader.name.clone();
        while let Some((body, offset)) = reader.next_block()? {
            let mut rows = Rows::new(body);
            for row in rows.by_ref() {
                let here = (row.stream, row.key);
                while let Some(change) = pending.next_if(|c| (c.row.stream, c.row.key) < here) {
                    visit_live(change, &mut visit)?;
                }
                match pending.next_if(|c| (c.row.stream, c.row.key) == here) {
                    Some(change) => visit_live(change, &mut visit)?,
                    None => visit(row, &name, offset)?,
                }
            }
            if !rows.ended_well() {
                return Err(ReadFault::damaged(&name, offset, "the rows of a block do not fill it").into());
            }
        }
    }
    pending.try_for_each(|change| visit_live(change, &mut visit))
}

fn visit_live<E>(change: &Change<'_>, visit: &mut impl FnMut(RowRef<'_>, &str, u64) -> Result<(), E>) -> Result<(), E> {
    match change.row.value {
        Some(_) => visit(change.row, change.file, change.offset),
        None => Ok(()),
    }
}
