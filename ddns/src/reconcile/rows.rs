//! The rows of the reconciler: those that are at rest and ordinary packed, all others open, with all that is on its way.
//!
//! An open row has an index, by which queues and updates under way name it. A row that is done and ordinary is packed
//! ([`crate::packed`]): some bytes instead of some hundreds. Whatever is to happen to it opens it first, under
//! another index; places in queues that it had before are void by their stamp.

use std::collections::HashMap;

use super::{ANY_COMPANY, Entry, LastAnswer, Phase};
use crate::packed::{NewPut, Note, PackedRow, PackedRows};
use crate::wanted::{NewName, RowKey, WantedRow};

/// So many places for open rows are kept when none is open any more.
const OPEN_KEPT: usize = 1_024;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Rows {
    open: Vec<Option<Entry>>,
    free: Vec<u32>,
    by_key: HashMap<RowKey, u32>,
    packed: PackedRows,
    /// Nothing is packed.
    #[cfg(test)]
    all_open: bool,
}

/// A row where it is.
pub(super) enum Seen<'a> {
    Open(&'a Entry),
    Packed(PackedRow<'a>),
}

impl Rows {
    /// An open row.
    pub(super) fn at(&self, index: u32) -> Option<&Entry> {
        self.open.get(index as usize)?.as_ref()
    }

    /// An open row, to be changed in all but its key.
    pub(super) fn at_mut(&mut self, index: u32) -> Option<&mut Entry> {
        self.open.get_mut(index as usize)?.as_mut()
    }

    /// The row of a key, as it is.
    pub(super) fn seen(&self, key: &RowKey) -> Option<Seen<'_>> {
        match self.find_open(key) {
            Some(entry) => Some(Seen::Open(entry)),
            None => self.packed(key).map(Seen::Packed),
        }
    }

    /// Where an open row is; packed ones are left as they are.
    pub(super) fn index_of_open(&self, key: &RowKey) -> Option<u32> {
        self.by_key.get(key).copied()
    }

    /// The row of a key, if it is open.
    pub(super) fn find_open(&self, key: &RowKey) -> Option<&Entry> {
        self.at(*self.by_key.get(key)?)
    }

    /// The row of a key, if it is packed.
    pub(super) fn packed(&self, key: &RowKey) -> Option<PackedRow<'_>> {
        self.packed.get(key)
    }

    pub(super) fn contains(&self, key: &RowKey) -> bool {
        (!self.by_key.is_empty() && self.by_key.contains_key(key)) || self.packed.contains(key)
    }

    pub(super) fn generation_of(&self, key: &RowKey) -> Option<u64> {
        self.seen(key).map(|row| match row {
            Seen::Open(entry) => entry.row.generation,
            Seen::Packed(row) => row.generation(),
        })
    }

    /// The index of a row, which is open from now on.
    pub(super) fn open(&mut self, key: &RowKey) -> Option<u32> {
        if let Some(index) = self.by_key.get(key) {
            return Some(*index);
        }
        let (row, note) = self.packed.take(key)?;
        Some(self.insert(Entry::unpacked(row, note)))
    }

    /// Takes a row in, open.
    pub(super) fn insert(&mut self, entry: Entry) -> u32 {
        let key = entry.row.key.clone();
        let index = self.free.pop().unwrap_or(self.open.len() as u32);
        match self.open.get_mut(index as usize) {
            Some(place) => *place = Some(entry),
            None => self.open.push(Some(entry)),
        }
        self.by_key.insert(key, index);
        index
    }

    /// Takes a row in, packed if it can be.
    pub(super) fn put(&mut self, entry: Entry) {
        if !self.pack(&entry) {
            self.insert(entry);
        }
    }

    /// Takes in a row that DNS holds already, as of these UTC seconds: packed if it can be.
    pub(super) fn put_done(&mut self, row: &WantedRow, lane: u32, at: u64) {
        let note = Note { lane, done: true, at };
        if !self.packs() || !self.packed.put(row, note) {
            self.insert(Entry::unpacked(row.clone(), note));
        }
    }

    /// The same of a new name, with the lanes of its two rows; false when one of them is here, and nothing was changed.
    pub(super) fn put_new_done(&mut self, new: &NewName, lanes: [u32; 2], at: u64) -> bool {
        let is_open = |key: RowKey| self.by_key.contains_key(&key);
        if !self.by_key.is_empty()
            && (is_open(RowKey::Forward(new.name.clone())) || is_open(RowKey::Reverse(new.address)))
        {
            return false;
        }
        let notes = lanes.map(|lane| Note { lane, done: true, at });
        let put = if self.packs() { self.packed.put_new(new, notes) } else { NewPut::Odd };
        if put == NewPut::Odd {
            for (row, note) in [new.forward(), new.reverse()].into_iter().zip(notes) {
                self.insert(Entry::unpacked(row, note));
            }
        }
        put != NewPut::Known
    }

    /// Packs a row that has nothing left to do, if it can be.
    pub(super) fn rest(&mut self, index: u32) {
        let Some(entry) = self.at(index).filter(|entry| entry.note().is_some()) else { return };
        let key = entry.row.key.clone();
        if let Some(entry) = self.remove(index, &key)
            && !self.pack(&entry)
        {
            self.insert(entry);
        }
    }

    /// A packed row is done, as of these UTC seconds.
    pub(super) fn confirm(&mut self, key: &RowKey, at: u64) {
        self.packed.annotate(key, |note| Note { done: true, at, ..note });
    }

    /// All rows that were read are here, with what was known of them.
    pub(super) fn tidy(&mut self) {
        self.packed.tidy();
    }

    /// Takes an open row out.
    pub(super) fn remove(&mut self, index: u32, key: &RowKey) -> Option<Entry> {
        let entry = self.open.get_mut(index as usize)?.take()?;
        self.free.push(index);
        self.by_key.remove(key);
        if self.by_key.is_empty() && self.open.len() > OPEN_KEPT {
            // Very many changed at once, and are at rest now.
            (self.open, self.free, self.by_key) = (Vec::new(), Vec::new(), HashMap::new());
        }
        Some(entry)
    }

    /// All open rows, by their index.
    pub(super) fn open_rows(&self) -> impl Iterator<Item = &Entry> {
        self.open.iter().flatten()
    }

    /// All open rows, to be changed.
    #[cfg(test)]
    pub(super) fn open_rows_mut(&mut self) -> impl Iterator<Item = &mut Entry> {
        self.open.iter_mut().flatten()
    }

    /// Nothing is packed from now on.
    #[cfg(test)]
    pub(super) fn open_all(&mut self) {
        self.all_open = true;
        let keys: Vec<RowKey> = self.packed.iter().map(|row| row.key()).collect();
        for key in &keys {
            self.open(key);
        }
    }

    /// The places of open rows, empty ones among them.
    pub(super) fn indexes(&self) -> std::ops::Range<u32> {
        0..self.open.len() as u32
    }

    /// All packed rows.
    pub(super) fn packed_rows(&self) -> impl Iterator<Item = PackedRow<'_>> {
        self.packed.iter()
    }

    /// All rows, each opened as it is asked for.
    pub(super) fn into_entries(self) -> impl Iterator<Item = Entry> {
        let Self { open, packed, .. } = self;
        open.into_iter().flatten().chain(packed.into_rows().map(|(row, note)| Entry::unpacked(row, note)))
    }

    fn pack(&mut self, entry: &Entry) -> bool {
        self.packs() && entry.note().is_some_and(|note| self.packed.put(&entry.row, note))
    }

    /// Whether rows are packed: but for tests, always.
    fn packs(&self) -> bool {
        #[cfg(test)]
        return !self.all_open;
        #[cfg(not(test))]
        true
    }
}

impl Entry {
    /// A row of which nothing else is known.
    pub(super) fn new(row: WantedRow, lane: Option<u32>) -> Self {
        Self {
            row,
            lane,
            phase: Phase::Idle,
            stamp: 0,
            abandoned: false,
            sought: false,
            holds: None,
            last: LastAnswer::None,
            attempts: 0,
            streak: 0,
            at: 0,
            told: LastAnswer::None,
            untold: false,
            stored: 0,
            company: ANY_COMPANY,
            unsure_until: 0,
            unsure: Vec::new(),
            again: false,
        }
    }

    /// What has to be noted of a row that is packed; `None`: more is known of it than there is room for. A row is done, or
    /// was just read and has not been looked at.
    fn note(&self) -> Option<Note> {
        let Self { row: _, lane, phase, stamp: _, abandoned, sought, holds, last, attempts, streak, at, told, .. } =
            self;
        // What is done was stored so.
        let Self { untold, stored: _, company, unsure_until, unsure, again, .. } = self;
        let is_plain = !abandoned && !sought && !untold && holds.is_none() && *company == ANY_COMPANY;
        let is_over = *attempts == 0 && *streak == 0 && *unsure_until == 0 && unsure.is_empty() && !again;
        let lane = lane.filter(|_| is_plain && is_over)?;
        match (phase, last, told, at) {
            (Phase::Done, LastAnswer::Done, LastAnswer::Done, &at) => Some(Note { lane, done: true, at }),
            (Phase::Idle, LastAnswer::None, LastAnswer::None, 0) => Some(Note { lane, done: false, at: 0 }),
            _ => None,
        }
    }

    fn unpacked(row: WantedRow, note: Note) -> Self {
        let entry = Self::new(row, Some(note.lane));
        if !note.done {
            return entry;
        }
        let (done, stored) = (LastAnswer::Done, entry.row.generation);
        Self { phase: Phase::Done, last: done, told: done, at: note.at, stored, ..entry }
    }
}
