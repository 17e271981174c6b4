//! Some names with their records, in one piece of memory.
//!
//! ```text
//! number of names, 4 octets; octets that they take, 4; places in each of the two tables, 4
//! the hash of each, 4;       where each begins behind the tables, 4
//! of each name:  how many names are beneath it, 4; octets of its records, 2; of itself, 1; the name; the records
//! room for more
//! ```
//!
//! A change makes the piece anew, which costs a copy of a kilobyte or so and no count of anything that it holds; a name that
//! is only added goes into the room that is left, where nobody else has the piece. Records that take more than
//! [`INLINE_MAX`] octets stand by themselves and are shared, so that no name is copied with them.

use std::sync::Arc;

use crate::node::{Node, NodeRef};

/// Records of so many octets at most stand with their name.
const INLINE_MAX: usize = 256;
/// In the place of the records' length: they stand by themselves, and their number among those follows.
const APART: u16 = u16::MAX;
/// What stands before the tables.
const TABLES: usize = 12;
/// The tables grow by so many places.
const PLACES: usize = 8;
/// When names are moved for another one, room is left for so many more like it: those that come together lie beside each
/// other.
const SPARE: usize = 2;
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

    /// Writes it where it is to stand; `apart` is the number of records that stand by themselves.
    fn write(&self, place: &mut [u8], apart: usize) {
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
            Some(RecordsOf::Apart(_)) => {
                records.copy_from_slice(&(apart as u32).to_le_bytes());
                APART
            }
        };
        head[4..6].copy_from_slice(&length.to_le_bytes());
    }
}

/// What a leaf says of itself.
#[derive(Clone, Copy, Default)]
struct Shape {
    names: usize,
    /// Octets that they take.
    used: usize,
    places: usize,
}

impl Shape {
    /// Where the names begin.
    fn behind_tables(self) -> usize {
        TABLES + self.places * 8
    }

    fn octets(self) -> [u8; TABLES] {
        let mut octets = [0; TABLES];
        for (place, number) in octets.chunks_exact_mut(4).zip([self.names, self.used, self.places]) {
            place.copy_from_slice(&(number as u32).to_le_bytes());
        }
        octets
    }
}

impl Leaf {
    /// These names.
    pub(super) fn of(puts: &[Put<'_>]) -> Self {
        if puts.is_empty() {
            return Self::default();
        }
        let mut leaf = Self::with_room(puts.len(), puts.iter().map(Put::octets).sum());
        puts.iter().for_each(|put| leaf.add(put));
        leaf
    }

    /// No name yet, and room for so many, which take so many octets.
    fn with_room(names: usize, octets: usize) -> Self {
        let shape = Shape { places: names.next_multiple_of(PLACES), ..Shape::default() };
        let mut piece = room(shape.behind_tables() + octets);
        if let Some(piece) = Arc::get_mut(&mut piece) {
            piece[..TABLES].copy_from_slice(&shape.octets());
        }
        Self { octets: piece, apart: None }
    }

    fn shape(&self) -> Shape {
        let Some((&[n0, n1, n2, n3, u0, u1, u2, u3, p0, p1, p2, p3], _)) = self.octets.split_first_chunk() else {
            return Shape::default();
        };
        let [names, used, places] =
            [[n0, n1, n2, n3], [u0, u1, u2, u3], [p0, p1, p2, p3]].map(|octets| u32::from_le_bytes(octets) as usize);
        Shape { names, used, places }
    }

    pub(super) fn len(&self) -> usize {
        self.shape().names
    }

    pub(super) fn find(&self, hash: u32, name: &[u8]) -> Option<(usize, Held<'_>)> {
        let shape = self.shape();
        let (hashes, _) = self.octets.get(TABLES..TABLES + shape.names * 4)?.as_chunks::<4>();
        let wanted = hash.to_le_bytes();
        let mut alike = hashes.iter().enumerate().filter(|(_, other)| **other == wanted);
        alike.find_map(|(at, _)| self.held(shape, at).filter(|held| held.name == name).map(|held| (at, held)))
    }

    /// All names, in the order in which they came.
    pub(super) fn iter(&self) -> impl Iterator<Item = Held<'_>> {
        let shape = self.shape();
        (0..shape.names).filter_map(move |at| self.held(shape, at))
    }

    /// Puts a name behind the others.
    pub(super) fn push(&mut self, put: &Put<'_>) {
        let (Shape { names, used, places }, octets) = (self.shape(), put.octets());
        let is_there = names < places && TABLES + places * 8 + used + octets <= self.octets.len();
        if !is_there || Arc::get_mut(&mut self.octets).is_none() {
            let mut moved = Self::with_room(names + 1, used + (1 + SPARE) * octets);
            moved.take_from(self);
            *self = moved;
        }
        self.add(put);
    }

    /// Puts a name behind the others, into room that is there and that nobody else has.
    fn add(&mut self, put: &Put<'_>) {
        let apart = self.apart.as_ref().map_or(0, |apart| apart.len());
        self.add_octets(put.hash, put.octets(), |place| put.write(place, apart));
        if let Some(RecordsOf::Apart(node)) = put.records {
            Arc::make_mut(self.apart.get_or_insert_default()).push(node.clone());
        }
    }

    fn add_octets(&mut self, hash: u32, octets: usize, write: impl FnOnce(&mut [u8])) {
        let mut shape = self.shape();
        let Some(piece) = Arc::get_mut(&mut self.octets) else { return };
        let (hash_at, start_at) = (TABLES + shape.names * 4, TABLES + (shape.places + shape.names) * 4);
        piece[hash_at..hash_at + 4].copy_from_slice(&hash.to_le_bytes());
        piece[start_at..start_at + 4].copy_from_slice(&(shape.used as u32).to_le_bytes());
        let begin = shape.behind_tables() + shape.used;
        write(&mut piece[begin..begin + octets]);
        (shape.names, shape.used) = (shape.names + 1, shape.used + octets);
        piece[..TABLES].copy_from_slice(&shape.octets());
    }

    /// Takes all names of another in, into room for them; there are none yet.
    fn take_from(&mut self, other: &Self) {
        let (from, Shape { places, .. }) = (other.shape(), self.shape());
        let Some(piece) = Arc::get_mut(&mut self.octets) else { return };
        let to = Shape { places, ..from };
        let moves = [
            (TABLES, TABLES, from.names * 4),
            (TABLES + from.places * 4, TABLES + places * 4, from.names * 4),
            (from.behind_tables(), to.behind_tables(), from.used),
        ];
        for (from, to, octets) in moves.into_iter().filter(|(.., octets)| *octets > 0) {
            piece[to..to + octets].copy_from_slice(&other.octets[from..from + octets]);
        }
        piece[..TABLES].copy_from_slice(&to.octets());
        self.apart.clone_from(&other.apart);
    }

    /// The names with such a hash, by themselves, and room for some more where no records stand apart.
    pub(super) fn part(&self, belongs: impl Fn(u32) -> bool) -> Self {
        if self.apart.is_some() {
            let mut puts = self.puts();
            puts.retain(|put| belongs(put.hash));
            return Self::of(&puts);
        }
        let shape = self.shape();
        let names = || {
            let all = (0..shape.names).filter_map(|at| Some((self.number(TABLES + at * 4)?, self.stored(shape, at)?)));
            all.filter(|(hash, _)| belongs(*hash))
        };
        let (count, octets) = names().fold((0, 0), |(count, octets), (_, name)| (count + 1, octets + name.len()));
        if count == 0 {
            return Self::default();
        }
        let mut part = Self::with_room(count + 1, octets + SPARE * (octets / count));
        names().for_each(|(hash, name)| part.add_octets(hash, name.len(), |place| place.copy_from_slice(name)));
        part
    }

    /// Puts another number of names beneath the one at a place.
    pub(super) fn set_below(&mut self, at: usize, below: u32) {
        let Some(begin) = self.begin(self.shape(), at) else { return };
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
        let shape = self.shape();
        let put = |at| {
            let (name, below, records) = self.parts(shape, at)?;
            let records = match records {
                Stored::None => None,
                Stored::Inline(octets) => Some(RecordsOf::Inline(octets)),
                Stored::Apart(node) => Some(RecordsOf::Apart(node)),
            };
            Some(Put { hash: self.number(TABLES + at * 4)?, name, below, records })
        };
        (0..shape.names).filter_map(put).collect()
    }

    fn held(&self, shape: Shape, at: usize) -> Option<Held<'_>> {
        let (name, below, records) = self.parts(shape, at)?;
        let node = match records {
            Stored::None => None,
            Stored::Inline(octets) => Some(NodeRef::from_octets(octets)),
            Stored::Apart(node) => Some(node.view()),
        };
        Some(Held { name, below, node })
    }

    fn parts(&self, shape: Shape, at: usize) -> Option<(&[u8], u32, Stored<'_>)> {
        let rest = self.octets.get(self.begin(shape, at)?..)?;
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

    /// All octets of the name at a place: it ends where the next one begins.
    fn stored(&self, shape: Shape, at: usize) -> Option<&[u8]> {
        let end = match at + 1 < shape.names {
            true => self.begin(shape, at + 1)?,
            false => shape.behind_tables() + shape.used,
        };
        self.octets.get(self.begin(shape, at)?..end)
    }

    /// Where the name at a place begins.
    fn begin(&self, shape: Shape, at: usize) -> Option<usize> {
        Some(shape.behind_tables() + self.number(TABLES + (shape.places + at) * 4)? as usize)
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use dns::{Rdata, RecordType};

    use super::*;
    use crate::Set;

    fn node(octets: usize) -> Node {
        Node::of(&[Set { rtype: RecordType(65280), ttl: 60, rdata: [Rdata(vec![7; octets].into())].into() }]).unwrap()
    }

    fn push(leaf: &mut Leaf, number: u8, node: &Node) {
        leaf.push(&Put { hash: number.into(), name: &[1, number], below: 0, records: Some(RecordsOf::of(node)) });
    }

    fn names(leaf: &Leaf) -> Vec<u8> {
        leaf.iter().map(|held| held.name[1]).collect()
    }

    #[test]
    fn a_name_goes_where_there_is_room_unless_another_version_has_the_piece() {
        let (mut leaf, small) = (Leaf::default(), node(4));
        let mut pieces = Vec::new();
        for number in 1..=6 {
            push(&mut leaf, number, &small);
            pieces.push(leaf.octets.as_ptr());
            let taken = leaf.shape().behind_tables() + leaf.shape().used;
            let one = leaf.shape().used / leaf.len();
            assert!(leaf.octets.len() - taken <= SPARE * one, "no more room than for {SPARE}");
        }
        assert!(pieces[..3].windows(2).chain(pieces[3..].windows(2)).all(|two| two[0] == two[1]), "moved once");
        let before = leaf.clone();
        push(&mut leaf, 7, &small);
        let shared = leaf.clone();
        push(&mut leaf, 8, &small);
        assert_eq!(
            (names(&before), names(&shared)),
            ((1..=6).collect(), (1..=7).collect()),
            "there was room for the eighth"
        );
        assert_eq!(names(&leaf), (1..=8).collect::<Vec<u8>>());
    }

    #[test]
    fn each_part_has_its_own_records_that_stand_apart_and_no_others() {
        let (mut leaf, small, large) = (Leaf::default(), node(4), node(400));
        (0..9).for_each(|number| push(&mut leaf, number, if number % 3 == 0 { &large } else { &small }));
        for is_low in [true, false] {
            let part = leaf.part(|hash| (hash < 4) == is_low);
            let expected: Vec<u8> = (0..9).filter(|number| (*number < 4) == is_low).collect();
            assert_eq!(names(&part), expected);
            assert_eq!(part.apart.as_ref().unwrap().len(), expected.iter().filter(|number| **number % 3 == 0).count());
            for number in expected {
                let (_, held) = part.find(number.into(), &[1, number]).unwrap();
                assert_eq!(held.node.unwrap(), if number % 3 == 0 { large.view() } else { small.view() });
            }
        }
        assert_eq!(leaf.part(|_| false).len(), 0);
    }
}
