//! The rows of the table: ordinary ones packed, all others as they are.

use std::collections::HashMap;
use std::net::IpAddr;

use super::{ClaimRef, NewName, RowKey, WantedRow};
use crate::packed::{NewPut, Note, PackedRow, PackedRows};

/// So many rows out of the ordinary are worth no tidying.
const ODD_MIN: usize = 1_024;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Rows {
    packed: PackedRows,
    odd: HashMap<RowKey, WantedRow>,
    /// Nothing is ordinary.
    #[cfg(test)]
    all_odd: bool,
}

/// A row where it is.
pub(super) enum Seen<'a> {
    Packed(PackedRow<'a>),
    Odd(&'a WantedRow),
}

impl Rows {
    /// Rows none of which is packed.
    #[cfg(test)]
    pub(super) fn all_odd() -> Self {
        Self { all_odd: true, ..Self::default() }
    }

    pub(super) fn get(&self, key: &RowKey) -> Option<WantedRow> {
        self.seen(key).map(|row| match row {
            Seen::Packed(row) => row.to_row(),
            Seen::Odd(row) => row.clone(),
        })
    }

    /// A row, without making a value of it.
    pub(super) fn seen(&self, key: &RowKey) -> Option<Seen<'_>> {
        match self.odd(key) {
            Some(row) => Some(Seen::Odd(row)),
            None => self.packed.get(key).map(Seen::Packed),
        }
    }

    /// A row out of the ordinary: one that wants nothing, or has left something behind.
    pub(super) fn odd(&self, key: &RowKey) -> Option<&WantedRow> {
        self.odd.get(key)
    }

    /// Replaces a row; returns the one that was there.
    pub(super) fn set(&mut self, key: &RowKey, row: Option<&WantedRow>) -> Option<WantedRow> {
        let odd = if self.odd.is_empty() { None } else { self.odd.remove(key) };
        let before = odd.or_else(|| self.packed.take(key).map(|(row, _)| row));
        if let Some(row) = row
            && !self.pack(row)
        {
            self.odd.insert(key.clone(), row.clone());
        } else if self.odd.capacity() > ODD_MIN && self.odd.len() < self.odd.capacity() / 8 {
            // Many names changed at once, and are settled now.
            self.odd.shrink_to(self.odd.len() * 2);
        }
        before
    }

    /// See [`super::WantedTable::stands`].
    pub(super) fn stands(&self, address: IpAddr, claim: ClaimRef<'_>) -> bool {
        self.packed.stands(address, claim)
    }

    /// Takes in the rows of a new name; false when one of them is here, and nothing was changed.
    pub(super) fn set_new(&mut self, new: &NewName) -> bool {
        let is_odd = |key: RowKey| self.odd.contains_key(&key);
        if !self.odd.is_empty() && (is_odd(RowKey::Forward(new.name.clone())) || is_odd(RowKey::Reverse(new.address))) {
            return false;
        }
        #[cfg(test)]
        let put = if self.all_odd { NewPut::Odd } else { self.packed.put_new(new, [Note::default(); 2]) };
        #[cfg(not(test))]
        let put = self.packed.put_new(new, [Note::default(); 2]);
        if put == NewPut::Odd {
            for row in [new.forward(), new.reverse()] {
                self.set(&row.key, Some(&row));
            }
        }
        put != NewPut::Known
    }

    fn pack(&mut self, row: &WantedRow) -> bool {
        #[cfg(test)]
        if self.all_odd {
            return false;
        }
        self.packed.put(row, Note::default())
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = WantedRow> {
        let packed = self.packed.iter().map(PackedRow::to_row);
        packed.chain(self.odd.values().cloned())
    }

    pub(super) fn len(&self) -> usize {
        self.packed.len() + self.odd.len()
    }
}
