//! A snapshot and the segments upon it, as one sorted run of live rows.

use std::cmp::Ordering;
use std::iter::Peekable;

use super::error::ReadFault;
use super::frame::{ALIGN, FRAME_HEADER, RowRef, Rows};
use super::segment::{End, Segment};
use super::snapshot::SnapshotReader;
use crate::storage::StorageFile;

/// Where a row comes from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Origin<'a> {
    pub(crate) file: &'a str,
    /// Of its frame or block.
    pub(crate) offset: u64,
    /// Which of the segments that were added, the first being 0; `None`: the snapshot.
    pub(crate) segment: Option<usize>,
}

/// Rows of segments, in the order in which they were written until [`Changes::settle`]. What is kept of each is small beside
/// the row, since there may be millions.
#[derive(Debug, Default)]
pub(crate) struct Changes<'a> {
    /// Name and bytes of each segment.
    files: Vec<(&'a str, &'a [u8])>,
    list: Vec<Spot>,
    frames: u64,
    malformed: Option<(&'a str, u64)>,
}

/// Where a row stands in the segments.
#[derive(Clone, Copy, Debug)]
struct Spot {
    segment: u32,
    /// Where its frame begins, in units of [`ALIGN`].
    frame: u32,
    /// Where it begins in its frame; frames are no longer than 32 bits count.
    row: u32,
}

impl Spot {
    fn frame_at(self) -> usize {
        self.frame as usize * ALIGN
    }
}

impl<'a> Changes<'a> {
    /// Adds a segment's rows, up to the frame of the sequence `until`.
    pub(crate) fn add(&mut self, segment: &'a Segment, until: Option<u64>) -> End {
        let file = segment.name.as_str();
        self.files.push((file, &segment.bytes));
        let number = (self.files.len() - 1) as u32;
        segment.walk(until, |frame, at| {
            let mut rows = Rows::new(frame.body);
            let mut row_at = FRAME_HEADER;
            for row in rows.by_ref() {
                self.list.push(Spot { segment: number, frame: (at / ALIGN) as u32, row: row_at as u32 });
                row_at += row.size() as usize;
            }
            self.frames += 1;
            if !rows.ended_well() && self.malformed.is_none() {
                self.malformed = Some((file, (at + FRAME_HEADER) as u64));
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
        let piece = |spot: &Spot| self.row(*spot).map_or(NO_PIECE, |row| piece_of(row, 0));
        let mut places: Vec<Place> = self.list.iter().map(piece).zip(0..).collect();
        self.sort(&mut places, 0);
        places.retain(|(_, at)| *at != SUPERSEDED);
        self.list = places.iter().map(|(_, at)| self.list[*at as usize]).collect();
        Ok(())
    }

    /// Forgets every row that says that a row is gone: the planted fault of a compaction that does.
    pub(crate) fn forget_gone(&mut self) {
        let mut list = std::mem::take(&mut self.list);
        list.retain(|spot| self.row(*spot).is_some_and(|row| row.value.is_some()));
        self.list = list;
    }

    /// Each row once, the last written of each key, and where it comes from.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (RowRef<'a>, Origin<'a>)> {
        self.list.iter().filter_map(|spot| {
            let segment = spot.segment as usize;
            let (file, _) = *self.files.get(segment)?;
            Some((self.row(*spot)?, Origin { file, offset: spot.frame_at() as u64, segment: Some(segment) }))
        })
    }

    fn row(&self, spot: Spot) -> Option<RowRef<'a>> {
        let (_, bytes) = *self.files.get(spot.segment as usize)?;
        Rows::new(bytes.get(spot.frame_at() + spot.row as usize..)?).next()
    }

    /// Sorts places by stream and key; those of rows that were written again later are marked. They are those of rows that
    /// are alike before this piece.
    ///
    /// Rows lie scattered in their segments, so that each comparison of two keys would wait for memory twice. Pieces are
    /// compared where they stand, and keys read once for each piece that it takes to tell them apart.
    fn sort(&self, places: &mut [Place], piece: usize) {
        let row_of = |place: &Place| self.row(self.list[place.1 as usize]);
        let key_of = |place: &Place| row_of(place).map(|row| row.key);
        if piece == PIECES_MAX {
            places.sort_unstable_by(|one, other| (key_of(one), one.1).cmp(&(key_of(other), other.1)));
            return places.chunk_by_mut(|one, other| key_of(one) == key_of(other)).for_each(supersede);
        }
        places.sort_unstable();
        for alike in places.chunk_by_mut(|one, other| one.0 == other.0) {
            let [first, _, ..] = alike else { continue };
            // A piece that is not full is a key's last.
            if first.0.1 as u8 != PIECE as u8 {
                supersede(alike);
                continue;
            }
            for place in alike.iter_mut() {
                place.0 = row_of(place).map_or(NO_PIECE, |row| piece_of(row, piece + 1));
            }
            self.sort(alike, piece + 1);
        }
    }
}

/// A piece of a row's stream and key, and the row's place in the order in which they were written. No list that memory holds
/// has more rows than 32 bits count.
type Place = (Piece, u32);

/// Sixteen octets, the first ones in the first number: as one number they would take half as much again with their place.
type Piece = (u64, u64);

/// Of a row that is not there.
const NO_PIECE: Piece = (0, 0);

/// In the place of a row that was written again later.
const SUPERSEDED: u32 = u32::MAX;

/// So many octets of stream and key are in one piece; the last octet of it is their number.
const PIECE: usize = size_of::<Piece>() - 1;
/// From this piece on whole keys are compared.
const PIECES_MAX: usize = 5;

/// Of places of one key, in the order in which they were written, the last counts.
fn supersede(places: &mut [Place]) {
    if let [earlier @ .., _] = places {
        earlier.iter_mut().for_each(|place| place.1 = SUPERSEDED);
    }
}

/// A piece of a row's stream and key, so that pieces are in the order of what they are of: zeros stand for what is not
/// there, and the number of octets tells them from zeros that are.
fn piece_of(row: RowRef<'_>, piece: usize) -> Piece {
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
    let all = u128::from_be_bytes(octets);
    ((all >> 64) as u64, all as u64)
}

/// Gives `visit` every live row, sorted by stream and key, with where it comes from.
pub(crate) fn merge<F: StorageFile, E: From<ReadFault>>(
    snapshot: Option<&mut SnapshotReader<F>>,
    changes: &Changes<'_>,
    mut visit: impl FnMut(RowRef<'_>, Origin<'_>) -> Result<(), E>,
) -> Result<(), E> {
    let mut pending = changes.iter().peekable();
    if let Some(reader) = snapshot {
        let name = reader.name.clone();
        while let Some((body, offset)) = reader.next_block()? {
            let mut rows = Rows::new(body);
            for row in rows.by_ref() {
                let here = (row.stream, row.key);
                // Looked at where it is: to take it out and put it back costs more than the rest, for a million rows.
                let mut order = next_to(&mut pending, here);
                while order == Some(Ordering::Less) {
                    pending.next().map_or(Ok(()), |change| visit_live(change, &mut visit))?;
                    order = next_to(&mut pending, here);
                }
                match order {
                    Some(Ordering::Equal) => pending.next().map_or(Ok(()), |change| visit_live(change, &mut visit))?,
                    _ => visit(row, Origin { file: &name, offset, segment: None })?,
                }
            }
            if !rows.ended_well() {
                return Err(ReadFault::damaged(&name, offset, "the rows of a block do not fill it").into());
            }
        }
    }
    pending.try_for_each(|change| visit_live(change, &mut visit))
}

/// How the next change's stream and key compare with these.
fn next_to<'a>(
    pending: &mut Peekable<impl Iterator<Item = (RowRef<'a>, Origin<'a>)>>,
    here: (u8, &[u8]),
) -> Option<Ordering> {
    pending.peek().map(|(change, _)| (change.stream, change.key).cmp(&here))
}

fn visit_live<E>(
    (row, origin): (RowRef<'_>, Origin<'_>),
    visit: &mut impl FnMut(RowRef<'_>, Origin<'_>) -> Result<(), E>,
) -> Result<(), E> {
    // One that is gone is in no snapshot.
    if row.value.is_some() { visit(row, origin) } else { Ok(()) }
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
            let (mut bytes, mut spots) = (Vec::new(), Vec::new());
            for ((stream, key), number) in keys.iter().zip(&numbers) {
                spots.push(Spot { segment: 0, frame: 0, row: bytes.len() as u32 });
                let is_written = RowRef { stream: *stream, key, value: Some(number) }.write(&mut bytes);
                prop_assert!(is_written);
            }
            let mut changes = Changes { files: vec![("", &bytes)], list: spots, ..Changes::default() };
            let expected: std::collections::BTreeMap<_, _> = keys.iter().zip(&numbers).collect();
            prop_assert!(changes.settle().is_ok());
            let found: Vec<_> = changes.iter().map(|(row, _)| (row.stream, row.key, row.value)).collect();
            let expected: Vec<_> =
                expected.into_iter().map(|((stream, key), number)| (*stream, &key[..], Some(&number[..]))).collect();
            prop_assert_eq!(found, expected);
        }
    }
}
