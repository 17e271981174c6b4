//! The first 4096 bytes of a segment and of a snapshot.

use super::frame::{Seed, u16_at, u32_at, u64_at};

/// Bytes that a superblock takes: a page, so that no append ever rewrites it.
pub(crate) const SUPERBLOCK: usize = 4096;

/// The format that this program writes.
pub(crate) const FORMAT: u16 = 1;

/// The oldest program, by the format it writes, that can read what this one writes.
const LEAST_READER: u16 = 1;

const CHECKSUM_AT: usize = SUPERBLOCK - 4;

/// What a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Segment,
    Snapshot,
}

impl Kind {
    fn magic(self) -> &'static [u8; 8] {
        match self {
            Self::Segment => b"LHSEGMNT",
            Self::Snapshot => b"LHSNAPSH",
        }
    }
}

/// See the module [`journal`](super) for the layout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Superblock {
    pub(crate) kind: Kind,
    pub(crate) store_id: [u8; 16],
    pub(crate) number: u64,
    /// The sequence of the segment's first frame, or of the first frame that the snapshot does not hold.
    pub(crate) sequence: u64,
    pub(crate) newest_stamp: u64,
    /// UTC seconds; 0 for what no repair wrote.
    pub(crate) repaired_at: u64,
}

/// Why 4096 bytes are not a superblock of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SuperblockFault {
    /// Another version wrote it: its format.
    OtherVersion(u16),
    /// It is damaged, or belongs to something else.
    Damaged(&'static str),
}

impl Superblock {
    pub(crate) fn seed(&self) -> Seed {
        Seed::new(&self.store_id, self.number)
    }

    pub(crate) fn write(&self) -> Box<[u8]> {
        let mut block = vec![0; SUPERBLOCK].into_boxed_slice();
        block[0..8].copy_from_slice(self.kind.magic());
        block[8..10].copy_from_slice(&FORMAT.to_le_bytes());
        block[10..12].copy_from_slice(&LEAST_READER.to_le_bytes());
        block[16..32].copy_from_slice(&self.store_id);
        block[32..40].copy_from_slice(&self.number.to_le_bytes());
        block[40..48].copy_from_slice(&self.sequence.to_le_bytes());
        block[48..56].copy_from_slice(&self.newest_stamp.to_le_bytes());
        block[56..64].copy_from_slice(&self.repaired_at.to_le_bytes());
        let checksum = self.seed().whole(&block[..CHECKSUM_AT]);
        block[CHECKSUM_AT..].copy_from_slice(&checksum.to_le_bytes());
        block
    }

    /// Reads the superblock at the start of `bytes`, which must be of this kind and number.
    pub(crate) fn read(bytes: &[u8], kind: Kind, number: u64) -> Result<Self, SuperblockFault> {
        const SHORT: SuperblockFault = SuperblockFault::Damaged("the file is shorter than its superblock");
        let block = bytes.get(..SUPERBLOCK).ok_or(SHORT)?;
        if &block[..8] != kind.magic() {
            return Err(SuperblockFault::Damaged("the superblock's magic bytes are not ours"));
        }
        let format = u16_at(block, 8).ok_or(SHORT)?;
        let read = Self {
            kind,
            store_id: *block[16..].first_chunk().ok_or(SHORT)?,
            number: u64_at(block, 32).ok_or(SHORT)?,
            sequence: u64_at(block, 40).ok_or(SHORT)?,
            newest_stamp: u64_at(block, 48).ok_or(SHORT)?,
            repaired_at: u64_at(block, 56).ok_or(SHORT)?,
        };
        let sound = u32_at(block, CHECKSUM_AT) == Some(read.seed().whole(&block[..CHECKSUM_AT]));
        // Another version may sum up otherwise, so the version comes before the checksum.
        if u16_at(block, 10).ok_or(SHORT)? > FORMAT {
            return Err(SuperblockFault::OtherVersion(format));
        }
        if !sound {
            return Err(SuperblockFault::Damaged("the superblock's checksum is wrong"));
        }
        if read.number != number {
            return Err(SuperblockFault::Damaged("the superblock's number is not that of the file's name"));
        }
        Ok(read)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failing step is a failing test")]
mod tests {
    use super::*;

    const BLOCK: Superblock = Superblock {
        kind: Kind::Segment,
        store_id: *b"0123456789abcdef",
        number: 7,
        sequence: 99,
        newest_stamp: 1_790_000_000,
        repaired_at: 0,
    };

    #[test]
    fn a_superblock_comes_back() {
        assert_eq!(Superblock::read(&BLOCK.write(), Kind::Segment, 7), Ok(BLOCK));
    }

    #[test]
    fn every_flipped_bit_is_seen() {
        let block = BLOCK.write();
        for bit in (0..SUPERBLOCK * 8).step_by(3) {
            let mut flipped = block.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(Superblock::read(&flipped, Kind::Segment, 7).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn another_version_is_told_from_damage() {
        let mut block = BLOCK.write();
        block[8] = 9;
        block[10] = 9;
        assert_eq!(Superblock::read(&block, Kind::Segment, 7), Err(SuperblockFault::OtherVersion(9)));
        let newer_but_readable = BLOCK.write();
        assert!(Superblock::read(&newer_but_readable, Kind::Snapshot, 7).is_err());
        assert!(Superblock::read(&newer_but_readable, Kind::Segment, 8).is_err());
        assert!(Superblock::read(&[], Kind::Segment, 8).is_err());
    }
}
