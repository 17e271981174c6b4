//! Some names with their records, in one piece of memory.
//!
//! ```text
//! number of names, 4 octets; the hash of each, 4; where each begins behind these two tables, 4
//! of each name:  how many names are beneath it, 4; octets of its records, 2; of itself, 1; the name; the records
//! ```
//!
//! A change makes the piece anew, which costs a copy of a kilobyte or so and no count of anything that it holds. Records
//! that take more than [`INLINE_MAX`] octets stand by themselves and are shared, so that no name is copied with them.

use std::sync::Arc;

use crate::node::{Node, NodeRef};

/// Records of so many octets at most stand with their name.
const INLINE_MAX: usize = 256;
/// In the place of the records' length: they stand by themselves, and their number among those follows.
const APART: u16 = u16::MAX;
/// The number of names.
const COUNT: usize = 4;
/// What stands before a name.
const HEAD: usize = 7;

/// See the module.
#[derive(Clone, Debug, Default)]
pub(super) struct Leaf {
    octets: Arc<[u8]>,
    /// Records that stand by themselves.
    apart: Option<Arc<Vec<Node>>>,
}

/// A name as a leaf holds it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Held<'z> {
    /// In wire form, without the zone's apex.
    pub(crate) name: &'z [u8],
    /// How many names exist one label beneath it; not counted of the apex, which exists anyway.
    pub(crate) below: u32,
    /// Its records; `None`: there are only names beneath it.
    pub(crate) node: Option<NodeRef<'z>>,
}

/// A name to put into a leaf.
#[derive(Clone, Copy, Debug)]
pub(super) struct Put<'n> {
    pub(super) hash: u32,
    pub(super) name: &'n [u8],
    pub(super) below: u32,
    pub(super) records: Option<RecordsOf<'n>>,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum RecordsOf<'n> {
    Inline(&'n [u8]),
    Apart(&'n Node),
}

impl<'n> RecordsOf<'n> {
    pub(super) fn of(node: &'n Node) -> Self {
        let octets = node.view().octets();
        if octets.len() > INLINE_MAX { Self::Apart(node) } else { Self::Inline(octets) }
    }

    fn octets(self) -> usize {
        match self {
            Self::Inline(octets) => octets.len(),
            Self::Apart(_) => 4,
        }
    }
}

impl Put<'_> {
    fn octets(&self) -> usize {
        HEAD + self.name.len() + self.records.map_or(0, RecordsOf::octets)
    }

    /// Writes it where it is to stand; records that stand by themselves go among the others.
    fn write(&self, place: &mut [u8], apart: &mut Vec<Node>) {
        let (head, rest) = place.split_at_mut(HEAD);
        head[..4].copy_from_slice(&self.below.to_le_bytes());
        // Less than 255 octets: a name.
        head[6] = self.name.len() as u8;
        let (name, records) = rest.split_at_mut(self.name.len());
        name.copy_from_slice(self.name);
        let length = match self.records {
            None => 0,
            Some(RecordsOf::Inline(octets)) => {
                records.copy_from_slice(octets);
                octets.len() as u16
            }
            Some(RecordsOf::Apart(node)) => {
                records.copy_from_slice(&(apart.len() as u32).to_le_bytes());
                apart.push(node.clone());
                APART
            }
        };
        head[4..6].copy_from_slice(&length.to_le_bytes());
    }
}

impl Leaf {
    /// These names.
    pub(super) fn of(puts: &[Put<'_>]) -> Self {
        if puts.is_empty() {
            return Self::default();
        }
        let tables = COUNT + puts.len() * 8;
        let mut octets = room(tables + puts.iter().map(Put::octets).sum::<usize>());
        let mut apart = Vec::new();
        if let Some(place) = Arc::get_mut(&mut octets) {
            place[..COUNT].copy_from_slice(&(puts.len() as u32).to_le_bytes());
            let mut begin = 0;
            for (at, put) in puts.iter().enumerate() {
                let (hash_at, start_at) = (COUNT + at * 4, COUNT + (puts.len() + at) * 4);
                place[hash_at..hash_at + 4].copy_from_slice(&put.hash.to_le_bytes());
                place[start_at..start_at + 4].copy_from_slice(&(begin as u32).to_le_bytes());
                let end = begin + put.octets();
                put.write(&mut place[tables + begin..tables + end], &mut apart);
                begin = end;
            }
        }
        Self { octets, apart: (!apart.is_empty()).then(|| Arc::new(apart)) }
    }

    pub(super) fn len(&self) -> usize {
        let count = self.octets.first_chunk().map_or(0, |count| u32::from_le_bytes(*count));
        count as usize
    }

    pub(super) fn find(&self, hash: u32, name: &[u8]) -> Option<(usize, Held<'_>)> {
        let len = self.len();
        let (hashes, _) = self.octets.get(COUNT..COUNT + len * 4)?.as_chunks::<4>();
        let wanted = hash.to_le_bytes();
        let mut alike = hashes.iter().enumerate().filter(|(_, other)| **other == wanted);
        alike.find_map(|(at, _)| self.held(len, at).filter(|held| held.name == name).map(|held| (at, held)))
    }

    /// All names, in the order in which they came.
    pub(super) fn iter(&self) -> impl Iterator<Item = Held<'_>> {
        let len = self.len();
        (0..len).filter_map(move |at| self.held(len, at))
    }

    /// Puts a name behind the others.
    pub(super) fn push(&mut self, put: &Put<'_>) {
        if self.octets.is_empty() {
            *self = Self::of(&[*put]);
            return;
        }
        let len = self.len();
        let (tables, more) = (COUNT + len * 8, put.octets());
        let mut octets = room(self.octets.len() + 8 + more);
        let mut apart = None;
        if let Some(place) = Arc::get_mut(&mut octets) {
            let (hashes, rest) = self.octets[COUNT..].split_at(len * 4);
            let (starts, names) = rest.split_at(len * 4);
            place[..COUNT].copy_from_slice(&(len as u32 + 1).to_le_bytes());
            let (own_hashes, rest) = place[COUNT..].split_at_mut(len * 4 + 4);
            let (own_starts, own_names) = rest.split_at_mut(len * 4 + 4);
            own_hashes[..len * 4].copy_from_slice(hashes);
            own_hashes[len * 4..].copy_from_slice(&put.hash.to_le_bytes());
            own_starts[..len * 4].copy_from_slice(starts);
            own_starts[len * 4..].copy_from_slice(&(names.len() as u32).to_le_bytes());
            own_names[..names.len()].copy_from_slice(names);
            let mut added = match put.records {
                Some(RecordsOf::Apart(_)) => self.apart.as_deref().cloned().unwrap_or_default(),
                _ => Vec::new(),
            };
            put.write(&mut own_names[names.len()..], &mut added);
            apart = (!added.is_empty()).then(|| Arc::new(added));
        }
        debug_assert_eq!(octets.len(), tables + 8 + self.octets.len() - tables + more);
        self.octets = octets;
        if apart.is_some() {
            self.apart = apart;
        }
    }

    /// Puts another number of names beneath the one at a place.
    pub(super) fn set_below(&mut self, at: usize, below: u32) {
        let Some(begin) = self.begin(self.len(), at) else { return };
        if Arc::get_mut(&mut self.octets).is_none() {
            self.octets = Arc::from(&*self.octets);
        }
        if let Some(octets) = Arc::get_mut(&mut self.octets) {
            octets[begin..begin + 4].copy_from_slice(&below.to_le_bytes());
        }
    }

    /// The names with one put in the place of another, or with none in it.
    pub(super) fn replace(&mut self, at: usize, put: Option<Put<'_>>) {
        let mut puts = self.puts();
        match put {
            Some(put) => puts[at] = put,
            None => _ = puts.swap_remove(at),
        }
        *self = Self::of(&puts);
    }

    /// All that is here, to be put elsewhere.
    pub(super) fn puts(&self) -> Vec<Put<'_>> {
        let len = self.len();
        let put = |at| {
            let (name, below, records) = self.parts(len, at)?;
            let records = match records {
                Stored::None => None,
                Stored::Inline(octets) => Some(RecordsOf::Inline(octets)),
                Stored::Apart(node) => Some(RecordsOf::Apart(node)),
            };
            Some(Put { hash: self.number(COUNT + at * 4)?, name, below, records })
        };
        (0..len).filter_map(put).collect()
    }

    fn held(&self, len: usize, at: usize) -> Option<Held<'_>> {
        let (name, below, records) = self.parts(len, at)?;
        let node = match records {
            Stored::None => None,
            Stored::Inline(octets) => Some(NodeRef::from_octets(octets)),
            Stored::Apart(node) => Some(node.view()),
        };
        Some(Held { name, below, node })
    }

    fn parts(&self, len: usize, at: usize) -> Option<(&[u8], u32, Stored<'_>)> {
        let rest = self.octets.get(self.begin(len, at)?..)?;
        let (&[b0, b1, b2, b3, n0, n1, name], rest) = rest.split_first_chunk::<HEAD>()?;
        let (name, rest) = rest.split_at_checked(name.into())?;
        let stored = match u16::from_le_bytes([n0, n1]) {
            0 => Stored::None,
            APART => {
                let number = u32::from_le_bytes(*rest.first_chunk()?);
                Stored::Apart(self.apart.as_ref()?.get(number as usize)?)
            }
            length => Stored::Inline(rest.get(..length.into())?),
        };
        Some((name, u32::from_le_bytes([b0, b1, b2, b3]), stored))
    }

    /// Where the name at a place begins.
    fn begin(&self, len: usize, at: usize) -> Option<usize> {
        Some(COUNT + len * 8 + self.number(COUNT + (len + at) * 4)? as usize)
    }

    fn number(&self, at: usize) -> Option<u32> {
        Some(u32::from_le_bytes(*self.octets.get(at..)?.first_chunk()?))
    }
}

enum Stored<'z> {
    None,
    Inline(&'z [u8]),
    Apart(&'z Node),
}

/// Octets that nobody else has, to be written.
fn room(octets: usize) -> Arc<[u8]> {
    // Of known length, so that they are taken at once.
    std::iter::repeat_n(0, octets).collect()
}
