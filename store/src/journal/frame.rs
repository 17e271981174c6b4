//! Frames, blocks and rows as bytes.

use crc32fast::Hasher;

/// Bytes before a frame's rows.
pub(crate) const FRAME_HEADER: usize = 32;

/// Where its stamp stands.
pub(crate) const STAMP_AT: usize = 16;

/// Bytes before a row's key.
pub(crate) const ROW_HEADER: usize = 8;

/// Frames and blocks begin at multiples of this, so that a search for them takes few steps.
pub(crate) const ALIGN: usize = 8;

/// The greatest body: what a reader agrees to hold in memory at once.
pub(crate) const BODY_MAX: usize = 256 * 1024 * 1024;

/// A row's flag: it is gone.
const FLAG_GONE: u8 = 1;

/// Which file bytes belong to: the start of each of its checksums.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seed(u32);

impl Seed {
    pub(crate) fn new(store_id: &[u8; 16], number: u64) -> Self {
        let mut hasher = Hasher::new();
        hasher.update(store_id);
        hasher.update(&number.to_le_bytes());
        Self(hasher.finalize())
    }

    /// Of all bytes but the checksum's own four, which follow the first four.
    pub(crate) fn framed(self, bytes: &[u8]) -> u32 {
        let mut hasher = Hasher::new_with_initial(self.0);
        hasher.update(&bytes[..4]);
        hasher.update(&bytes[8..]);
        hasher.finalize()
    }

    /// Of all bytes.
    pub(crate) fn whole(self, bytes: &[u8]) -> u32 {
        let mut hasher = Hasher::new_with_initial(self.0);
        hasher.update(bytes);
        hasher.finalize()
    }
}

/// The next multiple of [`ALIGN`].
pub(crate) fn aligned(len: usize) -> usize {
    len.next_multiple_of(ALIGN)
}

pub(crate) fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

pub(crate) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

pub(crate) fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// A frame whose header could be read, and whether its checksum holds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Frame<'a> {
    pub(crate) sequence: u64,
    pub(crate) stamp: u64,
    pub(crate) place: u32,
    pub(crate) rows: u32,
    pub(crate) body: &'a [u8],
    /// The checksum is right.
    pub(crate) whole: bool,
}

impl<'a> Frame<'a> {
    /// The frame at the start of `bytes`; `None` when they cannot hold one.
    pub(crate) fn read(bytes: &'a [u8], seed: Seed) -> Option<Self> {
        let length = u32_at(bytes, 0)? as usize;
        // No transaction is empty; zeros are the end.
        if length == 0 || length > BODY_MAX {
            return None;
        }
        let all = bytes.get(..FRAME_HEADER + length)?;
        Some(Self {
            sequence: u64_at(all, 8)?,
            stamp: u64_at(all, STAMP_AT)?,
            place: u32_at(all, 24)?,
            rows: u32_at(all, 28)?,
            body: &all[FRAME_HEADER..],
            whole: u32_at(all, 4)? == seed.framed(all),
        })
    }

    /// Its bytes, header included.
    pub(crate) fn size(&self) -> usize {
        FRAME_HEADER + self.body.len()
    }

    /// Bytes to the next frame.
    pub(crate) fn stride(&self) -> usize {
        aligned(self.size())
    }

    /// The sequence of its batch's first frame: all before it was durable when this one was written.
    pub(crate) fn batch_first(&self) -> u64 {
        self.sequence.saturating_sub(u64::from(self.place))
    }
}

/// One row, borrowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RowRef<'a> {
    /// Its stream.
    pub(crate) stream: u8,
    /// Its key.
    pub(crate) key: &'a [u8],
    /// Its value; `None`: it is gone.
    pub(crate) value: Option<&'a [u8]>,
}

impl RowRef<'_> {
    /// How many bytes it takes.
    pub(crate) fn size(&self) -> u64 {
        (ROW_HEADER + self.key.len() + self.value.map_or(0, <[u8]>::len)) as u64
    }

    /// Appends the row. `false`, and nothing appended, when its key or value is longer than a row can be.
    pub(crate) fn write(&self, out: &mut Vec<u8>) -> bool {
        let value = self.value.unwrap_or_default();
        let (Ok(key_len), Ok(value_len)) = (u16::try_from(self.key.len()), u32::try_from(value.len())) else {
            return false;
        };
        out.extend_from_slice(&[self.stream, if self.value.is_none() { FLAG_GONE } else { 0 }]);
        out.extend_from_slice(&key_len.to_le_bytes());
        out.extend_from_slice(&value_len.to_le_bytes());
        out.extend_from_slice(self.key);
        out.extend_from_slice(value);
        true
    }
}

/// The rows of a body, one after the other; ends early, with [`Rows::ended_well`] false, where the bytes are none.
#[derive(Clone, Debug)]
pub(crate) struct Rows<'a> {
    rest: &'a [u8],
    malformed: bool,
}

impl<'a> Rows<'a> {
    pub(crate) fn new(body: &'a [u8]) -> Self {
        Self { rest: body, malformed: false }
    }

    /// Every byte was part of a row.
    pub(crate) fn ended_well(&self) -> bool {
        !self.malformed && self.rest.is_empty()
    }

    fn step(&mut self) -> Option<RowRef<'a>> {
        let stream = *self.rest.first()?;
        let flags = *self.rest.get(1)?;
        let key_end = ROW_HEADER + usize::from(u16_at(self.rest, 2)?);
        let value_end = key_end.checked_add(u32_at(self.rest, 4)? as usize)?;
        let key = self.rest.get(ROW_HEADER..key_end)?;
        let value = self.rest.get(key_end..value_end)?;
        let value = match flags {
            0 => Some(value),
            FLAG_GONE if value.is_empty() => None,
            _ => return None,
        };
        self.rest = &self.rest[value_end..];
        Some(RowRef { stream, key, value })
    }
}

impl<'a> Iterator for Rows<'a> {
    type Item = RowRef<'a>;

    fn next(&mut self) -> Option<RowRef<'a>> {
        if self.rest.is_empty() || self.malformed {
            return None;
        }
        let row = self.step();
        self.malformed = row.is_none();
        row
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failing step is a failing test")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn arbitrary_bytes_are_no_rows_and_no_panic(bytes: Vec<u8>) {
            let mut rows = Rows::new(&bytes);
            for _ in rows.by_ref() {}
            let _ = rows.ended_well();
            let _ = Frame::read(&bytes, Seed(0));
        }

        #[test]
        fn rows_come_back(list: Vec<(u8, Vec<u8>, Option<Vec<u8>>)>) {
            let mut bytes = Vec::new();
            for (stream, key, value) in &list {
                let written = RowRef { stream: *stream, key, value: value.as_deref() }.write(&mut bytes);
                prop_assert!(written);
            }
            let mut rows = Rows::new(&bytes);
            for (stream, key, value) in &list {
                prop_assert_eq!(rows.next().unwrap(), RowRef { stream: *stream, key, value: value.as_deref() });
            }
            prop_assert!(rows.next().is_none() && rows.ended_well());
        }
    }

    #[test]
    fn a_key_too_long_is_no_row() {
        let mut bytes = Vec::new();
        assert!(!RowRef { stream: 1, key: &[0; 65_536], value: None }.write(&mut bytes));
        assert!(bytes.is_empty());
    }
}
