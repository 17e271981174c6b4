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
        let mut places: Vec<Place> = (0..).zip(&self.list).map(|(at, change)| (piece_of(change.row, 0), at)).collect();
        sort(&self.list, &mut places, 0);
        let newest = places.into_iter().filter(|(_, at)| *at != SUPERSEDED);
        self.list = newest.map(|(_, at)| self.list[at as usize]).collect();
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

/// A piece of a row's stream and key, and the row's place in the order in which they were written. No list that memory holds
/// has more rows than 32 bits count.
type Place = (u128, u32);

/// In the place of a row that was written again later.
const SUPERSEDED: u32 = u32::MAX;

/// So many octets of stream and key are in one piece; the last octet of it is their number.
const PIECE: usize = size_of::<u128>() - 1;
/// From this piece on whole keys are compared.
const PIECES_MAX: usize = 5;

/// Sorts places by stream and key; those of rows that were written again later are marked. They are those of rows that are
/// alike before this piece.
///
/// Rows lie scattered in their segments, so that each comparison of two keys would wait for memory twice. Pieces are
/// compared where they stand, and keys read once for each piece that it takes to tell them apart.
fn sort(list: &[Change<'_>], places: &mut [Place], piece: usize) {
    let key_of = |place: &Place| list[place.1 as usize].row.key;
    if piece == PIECES_MAX {
        places.sort_unstable_by(|one, other| (key_of(one), one.1).cmp(&(key_of(other), other.1)));
        return places.chunk_by_mut(|one, other| key_of(one) == key_of(other)).for_each(supersede);
    }
    places.sort_unstable();
    for alike in places.chunk_by_mut(|one, other| one.0 == other.0) {
        let [first, _, ..] = alike else { continue };
        // A piece that is not full is a key's last.
        if first.0 as u8 != PIECE as u8 {
            supersede(alike);
            continue;
        }
        alike.iter_mut().for_each(|place| place.0 = piece_of(list[place.1 as usize].row, piece + 1));
        sort(list, alike, piece + 1);
    }
}

/// Of places of one key, in the order in which they were written, the last counts.
fn supersede(places: &mut [Place]) {
    if let [earlier @ .., _] = places {
        earlier.iter_mut().for_each(|place| place.1 = SUPERSEDED);
    }
}

/// A piece of a row's stream and key, so that pieces are in the order of what they are of: zeros stand for what is not
/// there, and the number of octets tells them from zeros that are.
fn piece_of(row: RowRef<'_>, piece: usize) -> u128 {
    let mut octets = [0; PIECE + 1];
    // The stream stands before the key.
    let (place, from) = match piece {
        0 => {
            octets[0] = row.stream;
            (&mut octets[1..PIECE], 0)
        }
        _ => (&mut octets[..PIECE], piece * PIECE - 1),
    };
    let rest = row.key.get(from..).unwrap_or_default();
    let count = rest.len().min(place.len());
    place[..count].copy_from_slice(&rest[..count]);
    octets[PIECE] = (count + usize::from(piece == 0)) as u8;
    u128::from_be_bytes(octets)
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        /// Keys of few octets, short and long, that begin alike for longer than there are pieces.
        #[test]
        fn rows_are_sorted_as_their_streams_and_keys_are_and_the_last_of_a_key_stays(
            rows in prop::collection::vec((0x81..0x83_u8, prop::sample::select(vec![0, 1, 13, 14, 15, 29, 74, 75, 90]),
                prop::collection::vec(0..3_u8, 0..18)), 0..60),
        ) {
            let keys: Vec<(u8, Vec<u8>)> =
                rows.into_iter().map(|(stream, alike, end)| (stream, [vec![0; alike], end].concat())).collect();
            let numbers: Vec<[u8; 1]> = (0..keys.len()).map(|at| [at as u8]).collect();
            let mut changes = Changes::default();
            for ((stream, key), number) in keys.iter().zip(&numbers) {
                let row = RowRef { stream: *stream, key, value: Some(number) };
                changes.list.push(Change { row, file: "", offset: 0 });
            }
            let expected: std::collections::BTreeMap<_, _> = keys.iter().zip(&numbers).collect();
            prop_assert!(changes.settle().is_ok());
            let found: Vec<_> = changes.iter().map(|change| (change.row.stream, change.row.key, change.row.value)).collect();
            let expected: Vec<_> =
                expected.into_iter().map(|((stream, key), number)| (*stream, &key[..], Some(&number[..]))).collect();
            prop_assert_eq!(found, expected);
        }
    }
}
