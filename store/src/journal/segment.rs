//! A segment read back: its frames, and what is beyond its last.

use std::ops::RangeInclusive;

use super::error::ReadFault;
use super::frame::{ALIGN, FRAME_HEADER, Frame, STAMP_AT, Seed, u64_at};
use super::names;
use super::superblock::{Kind, SUPERBLOCK, Superblock, SuperblockFault};
use crate::storage::{Storage, StorageFile};

/// A segment's bytes, superblock included.
#[derive(Debug)]
pub(crate) struct Segment {
    pub(crate) name: String,
    pub(crate) superblock: Superblock,
    pub(crate) bytes: Vec<u8>,
}

/// What lies beyond the last frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tail {
    /// Zeros.
    Clean,
    /// This many bytes of a batch that was never acknowledged.
    Torn(u64),
    /// A frame that was acknowledged is missing: the frame of this sequence, at this offset, knows so.
    Damaged { witness: u64, at: u64 },
}

/// Where a walk over frames ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct End {
    /// Beyond the last frame.
    pub(crate) offset: usize,
    /// One more than the last frame's.
    pub(crate) next_sequence: u64,
    /// The newest stamp seen, the superblock's included.
    pub(crate) newest_stamp: u64,
    /// Where the last batch begins; `None` without a frame.
    pub(crate) last_batch: Option<usize>,
}

impl Segment {
    /// Reads a whole segment and its superblock.
    pub(crate) fn read<S: Storage>(storage: &S, number: u64) -> Result<Self, ReadFault> {
        let name = names::segment(number);
        let bytes = read_file(storage, &name)?;
        Self::parse(name, number, bytes)
    }

    pub(crate) fn parse(name: String, number: u64, bytes: Vec<u8>) -> Result<Self, ReadFault> {
        let superblock = read_superblock(&bytes, &name, Kind::Segment, number)?;
        Ok(Self { name, superblock, bytes })
    }

    pub(crate) fn seed(&self) -> Seed {
        self.superblock.seed()
    }

    /// The valid frames in order, up to the first that is not, or that has the sequence `until`. `visit` gets each
    /// with its offset.
    pub(crate) fn walk<'a>(&'a self, until: Option<u64>, mut visit: impl FnMut(Frame<'a>, usize)) -> End {
        let seed = self.seed();
        let mut end = End {
            offset: SUPERBLOCK,
            next_sequence: self.superblock.sequence,
            newest_stamp: self.superblock.newest_stamp,
            last_batch: None,
        };
        while until != Some(end.next_sequence) {
            let Some(frame) = self.bytes.get(end.offset..).and_then(|rest| Frame::read(rest, seed)) else { break };
            let accepted = frame.whole || faults::planted(faults::Fault::TornTailAccepted);
            if frame.sequence != end.next_sequence || !accepted {
                break;
            }
            visit(frame, end.offset);
            if frame.place == 0 {
                end.last_batch = Some(end.offset);
            }
            end.offset = (end.offset + frame.stride()).min(self.bytes.len());
            end.next_sequence = end.next_sequence.saturating_add(1);
            end.newest_stamp = end.newest_stamp.max(frame.stamp);
        }
        end
    }

    /// The stamp of the frame at an offset that [`Self::walk`] gave.
    pub(crate) fn stamp_at(&self, offset: u64) -> Option<u64> {
        u64_at(&self.bytes, usize::try_from(offset).ok()?.checked_add(STAMP_AT)?)
    }

    /// What lies beyond `end`.
    pub(crate) fn tail(&self, end: &End) -> Tail {
        let rest = &self.bytes[end.offset..];
        let Some(last) = rest.iter().rposition(|&byte| byte != 0) else { return Tail::Clean };
        // "Each knows the first sequence of its batch, and everything before that was durable when it was written."
        match self.frames_after(end.offset, end.next_sequence).find(|(_, f)| f.batch_first() > end.next_sequence) {
            Some((at, frame)) => Tail::Damaged { witness: frame.sequence, at: at as u64 },
            None => Tail::Torn(last as u64 + 1),
        }
    }

    /// Valid frames of later sequences than `sequence`, anywhere beyond `offset`.
    pub(crate) fn frames_after(&self, offset: usize, sequence: u64) -> impl Iterator<Item = (usize, Frame<'_>)> {
        // No more frames than fit can lie between, so most bytes are passed by without a checksum.
        let most = sequence.saturating_add((self.bytes.len() / FRAME_HEADER) as u64);
        find_frames(&self.bytes, self.seed(), offset, sequence.saturating_add(1)..=most)
    }
}

/// Valid frames of these sequences, anywhere in `bytes` from `offset` on.
pub(crate) fn find_frames(
    bytes: &[u8],
    seed: Seed,
    offset: usize,
    sequences: RangeInclusive<u64>,
) -> impl Iterator<Item = (usize, Frame<'_>)> {
    let mut at = offset;
    std::iter::from_fn(move || {
        while at + FRAME_HEADER < bytes.len() {
            let here = at;
            let rest = &bytes[here..];
            at += ALIGN;
            if u64_at(rest, 8).is_none_or(|found| !sequences.contains(&found)) {
                continue;
            }
            if let Some(frame) = Frame::read(rest, seed).filter(|frame| frame.whole) {
                at = here + frame.stride();
                return Some((here, frame));
            }
        }
        None
    })
}

/// A whole file in memory.
pub(crate) fn read_file<S: Storage>(storage: &S, name: &str) -> Result<Vec<u8>, ReadFault> {
    let file = storage.open(name, false).map_err(ReadFault::io(name))?;
    let size = file.size().map_err(ReadFault::io(name))?;
    let mut bytes = vec![0; usize::try_from(size).unwrap_or(usize::MAX)];
    let read = file.read_at(0, &mut bytes).map_err(ReadFault::io(name))?;
    bytes.truncate(read);
    Ok(bytes)
}

/// The superblock at the start of a file.
pub(crate) fn read_superblock(bytes: &[u8], name: &str, kind: Kind, number: u64) -> Result<Superblock, ReadFault> {
    Superblock::read(bytes, kind, number).map_err(|fault| match fault {
        SuperblockFault::OtherVersion(format) => ReadFault::OtherVersion { file: name.to_owned(), format },
        SuperblockFault::Damaged(what) => ReadFault::damaged(name, 0, what),
    })
}
