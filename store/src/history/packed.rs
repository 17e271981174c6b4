//! Records on their way into a part: as octets, with what they are sorted and found by.

use super::keys;
use super::record::{self, Record};

/// Records as they stand in the open file, in the order in which they came. Each takes its octets and some thirty more.
#[derive(Debug, Default)]
pub(crate) struct Packed {
    octets: Vec<u8>,
    entries: Vec<Entry>,
    /// Those of all records, one record's after the other's.
    keys: Vec<u32>,
}

/// A record. In the order in which they stand in a part: by address and time, and of two of one time as they came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Entry {
    pub(crate) address: u32,
    /// UTC seconds.
    pub(crate) at: u64,
    /// Where its octets begin.
    start: u32,
    /// Where its keys end.
    keys_end: u32,
    keys: u8,
}

impl Packed {
    pub(crate) fn push(&mut self, record: &Record) {
        let (start, before) = (self.octets.len() as u32, self.keys.len());
        record::push(record, &mut self.octets);
        keys::of(record, |key| self.keys.push(key));
        self.entries.push(Entry {
            address: record.address.into(),
            at: record.at,
            start,
            keys_end: self.keys.len() as u32,
            // A record has four at most.
            keys: (self.keys.len() - before) as u8,
        });
    }

    /// Puts those of `later` behind these.
    pub(crate) fn append(&mut self, later: &Self) {
        let (octets, keys) = (self.octets.len() as u32, self.keys.len() as u32);
        let moved = |entry: &Entry| Entry { start: octets + entry.start, keys_end: keys + entry.keys_end, ..*entry };
        self.octets.extend_from_slice(&later.octets);
        self.keys.extend_from_slice(&later.keys);
        self.entries.extend(later.entries.iter().map(moved));
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// All of them as they stand in a file: each with its length before it.
    pub(crate) fn octets(&self) -> &[u8] {
        &self.octets
    }

    /// In the order of a part.
    pub(crate) fn sorted(&self) -> Vec<Entry> {
        let mut sorted = self.entries.clone();
        sorted.sort_unstable();
        sorted
    }

    /// The octets of a record of these, with their length before them.
    pub(crate) fn octets_of(&self, entry: &Entry) -> &[u8] {
        let from = &self.octets[entry.start as usize..];
        let length = from.first_chunk().map_or(0, |length| u32::from_le_bytes(*length) as usize);
        &from[..4 + length]
    }

    pub(crate) fn keys_of(&self, entry: &Entry) -> &[u32] {
        let end = entry.keys_end as usize;
        &self.keys[end - usize::from(entry.keys)..end]
    }
}
