//! Pieces of bytes in one piece of memory, named by four bytes each.
//!
//! A piece takes its own length and up to three bytes; an allocation of its own would take some 24 more. Pieces that are
//! given back are used again for others of their length or less; when they come to more than half of all, the owner is to
//! move what it holds together ([`Arena::is_sparse`]).
//!
//! Beside it, what finds such pieces in little memory: numbers by IPv4 addresses ([`Addresses`]) and by hashes
//! ([`Hashed`]).

mod addresses;
mod hashed;
mod numbers;

pub use addresses::Addresses;
pub use hashed::Hashed;
pub use numbers::{push_number, take_number};

/// Bytes of a unit: every piece begins at one, and takes whole ones.
const UNIT: usize = 4;
/// Room that is not worth moving things for, in units.
const SPARSE_MIN: usize = 1 << 18;

/// Where a piece is; [`Piece::NONE`]: nowhere, since it is empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Piece(u32);

impl Piece {
    /// Of no bytes at all.
    pub const NONE: Self = Self(u32::MAX);

    /// Its place as a number, for tables of numbers; that of [`Piece::NONE`] is [`u32::MAX`].
    #[must_use]
    pub fn number(self) -> u32 {
        self.0
    }

    /// The piece whose place this is.
    #[must_use]
    pub fn from_number(number: u32) -> Self {
        Self(number)
    }
}

/// See the module. Whoever asks for a piece knows its length.
#[derive(Debug, Default)]
pub struct Arena {
    units: Vec<[u8; UNIT]>,
    /// By their length in units: the first of the pieces that were given back; its first unit holds the next one.
    unused: Vec<Piece>,
    /// How many units were given back.
    spare: usize,
}

impl Arena {
    /// A copy of `bytes` in the arena.
    pub fn put(&mut self, bytes: &[u8]) -> Piece {
        let wanted = bytes.len().div_ceil(UNIT);
        if wanted == 0 {
            return Piece::NONE;
        }
        let start = self.take(wanted);
        let place = &mut self.units[start..start + wanted];
        place.as_flattened_mut()[..bytes.len()].copy_from_slice(bytes);
        // 16 GiB of units at most: the leases of all addresses with what is kept of each would not come near.
        Piece(u32::try_from(start).unwrap_or(u32::MAX))
    }

    /// A copy of `bytes` in place of what a piece of `length` bytes holds, there if that is room enough and not too much.
    #[inline]
    pub fn replace(&mut self, piece: Piece, length: usize, bytes: &[u8]) -> Piece {
        if piece != Piece::NONE && length.div_ceil(UNIT) == bytes.len().div_ceil(UNIT) {
            self.units[piece.0 as usize..].as_flattened_mut()[..bytes.len()].copy_from_slice(bytes);
            return piece;
        }
        self.free(piece, length);
        self.put(bytes)
    }

    /// What begins at a piece, and whatever stands behind it; empty for none.
    #[must_use]
    #[inline]
    pub fn from(&self, piece: Piece) -> &[u8] {
        match piece {
            Piece::NONE => &[],
            Piece(start) => self.units.get(start as usize..).unwrap_or_default().as_flattened(),
        }
    }

    /// Gives back a piece of `bytes` bytes.
    pub fn free(&mut self, piece: Piece, bytes: usize) {
        if piece != Piece::NONE {
            self.give_back(piece.0 as usize, bytes.div_ceil(UNIT));
        }
    }

    /// Whether more is unused than used, so that it is worth while to put what there is into a new arena.
    #[must_use]
    pub fn is_sparse(&self) -> bool {
        self.spare > SPARSE_MIN && self.spare > self.units.len() / 2
    }

    /// Whether an eighth is unused: too much for what was put there once and is hardly going to change.
    #[must_use]
    pub fn is_loose(&self) -> bool {
        self.spare > SPARSE_MIN && self.spare > self.units.len() / 8
    }

    /// Room for `wanted` units: the least that was given back and is enough, else new.
    fn take(&mut self, wanted: usize) -> usize {
        let fitting = (wanted..self.unused.len()).find(|&units| self.unused[units] != Piece::NONE);
        let Some(found) = fitting else {
            let start = self.units.len();
            self.units.resize(start + wanted, [0; UNIT]);
            return start;
        };
        let start = self.unused[found].0 as usize;
        self.unused[found] = Piece(u32::from_le_bytes(self.units[start]));
        self.spare -= found;
        if found > wanted {
            self.give_back(start + wanted, found - wanted);
        }
        start
    }

    fn give_back(&mut self, start: usize, units: usize) {
        if self.unused.len() <= units {
            self.unused.resize(units + 1, Piece::NONE);
        }
        self.units[start] = self.unused[units].0.to_le_bytes();
        self.unused[units] = Piece(u32::try_from(start).unwrap_or(u32::MAX));
        self.spare += units;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_piece_keeps_its_bytes(steps in prop::collection::vec((0..90_usize, any::<prop::sample::Index>()), 0..300)) {
            let (mut arena, mut held) = (Arena::default(), Vec::<(Piece, Vec<u8>)>::new());
            for (number, (length, index)) in steps.into_iter().enumerate() {
                if length > 75 && !held.is_empty() {
                    let at = index.index(held.len());
                    let (piece, before) = &mut held[at];
                    let bytes = vec![number as u8; length - 76];
                    *piece = arena.replace(*piece, before.len(), &bytes);
                    *before = bytes;
                } else if length > 60 && !held.is_empty() {
                    let (piece, bytes) = held.swap_remove(index.index(held.len()));
                    arena.free(piece, bytes.len());
                } else {
                    let bytes = vec![number as u8; length];
                    held.push((arena.put(&bytes), bytes));
                }
                for (piece, bytes) in &held {
                    prop_assert_eq!(&arena.from(*piece)[..bytes.len()], &bytes[..]);
                }
            }
        }
    }

    #[test]
    fn what_was_given_back_is_used_again() {
        let mut arena = Arena::default();
        let large = arena.put(&[1; 40]);
        arena.put(&[2; 8]);
        arena.free(large, 40);
        let taken = arena.units.len();
        let pieces = [arena.put(&[3; 20]), arena.put(&[4; 17])];
        assert_eq!((pieces[0], arena.units.len()), (large, taken));
        assert_eq!((&arena.from(pieces[0])[..20], &arena.from(pieces[1])[..17]), (&[3; 20][..], &[4; 17][..]));
    }

    #[test]
    fn a_million_pieces_that_shrank_make_it_sparse() {
        let mut arena = Arena::default();
        let pieces: Vec<Piece> = (0..100_000).map(|_| arena.put(&[7; 64])).collect();
        assert!(!arena.is_sparse());
        pieces.into_iter().take(60_000).for_each(|piece| arena.free(piece, 64));
        assert!(arena.is_sparse());
    }
}
