//! The names of a zone by their hashes: a persistent trie whose leaves hold several names.
//!
//! ```text
//! root ─▶ branch: 16 slots, by four bits of the hash ─▶ leaf: at most 32 names
//!              │  several slots share a leaf until it  ─▶ leaf
//!              │  is full; then each gets half         ─▶ branch: 16 slots, by the next four bits …
//! ```
//!
//! A clone shares everything. A change copies one leaf and the branches above it, unless nobody else has them. A new name,
//! which is nearly every change, copies no leaf: it goes into a free place behind the others, and the snapshots that
//! share the leaf do not see it, because each says how many of the places are its own. So no name is counted up and down
//! for another one's sake, each a wait for memory somewhere else. Where two snapshots go on from one, the first has the
//! place and the other copies. A leaf is half full at least, since what is shared by several slots is split in two.
//!
//! A name that only has others beneath it is here too, without a node, and counts them: so whether a name exists is
//! found by its hash, however large the zone, and no order of names has to be kept.

use std::slice;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};

use dns::Fqdn;

use crate::zone::Node;

/// Bits of the hash that one branch tells apart.
const BITS: u32 = 4;
const SLOTS: usize = 1 << BITS;
/// Branches above each other before the hash is used up. A leaf beneath the last takes whatever comes.
const LEVELS: u32 = u32::BITS / BITS;
/// So many names are in a leaf before it is split.
const LEAF_MAX: usize = 32;
/// The fewest places of a leaf that has names.
const PLACES_MIN: usize = 4;

/// See the module.
#[derive(Clone, Debug, Default)]
pub(crate) struct Names {
    root: Leafed,
    entries: usize,
    leaves: usize,
}

/// A name that exists.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    hash: u32,
    /// How many names exist one label beneath it; not counted of the apex, which exists anyway.
    pub(crate) below: u32,
    pub(crate) name: Fqdn,
    /// Its records; `None`: there are only names beneath it.
    pub(crate) node: Option<Node>,
}

#[derive(Clone, Debug)]
enum Leafed {
    Leaf(Leaf),
    Branch(Arc<Branch>),
}

/// The first `len` of some places, which are filled one after the other and never emptied while they are shared.
#[derive(Clone, Debug, Default)]
struct Leaf {
    places: Arc<Places>,
    len: u32,
}

#[derive(Debug, Default)]
struct Places {
    /// Those of the entries, which are looked through without touching what they are of.
    hashes: Box<[AtomicU32]>,
    entries: Box<[OnceLock<Entry>]>,
}

#[derive(Clone, Debug)]
struct Branch {
    /// Which of the children each slot is. A child's slots lie beside each other.
    slots: [u8; SLOTS],
    children: Vec<Leafed>,
}

impl Default for Leafed {
    fn default() -> Self {
        Self::Leaf(Leaf::default())
    }
}

impl Entry {
    /// A name with so many beneath it.
    pub(crate) fn new(hash: u32, name: Fqdn, node: Option<Node>, below: u32) -> Self {
        Self { hash, below, name, node }
    }

    /// Whether nothing holds the name.
    pub(crate) fn is_void(&self) -> bool {
        self.below == 0 && self.node.is_none()
    }
}

impl Names {
    /// How many names there are, those without records among them.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.entries
    }

    /// A name in wire form.
    pub(crate) fn find(&self, hash: u32, name: &[u8]) -> Option<&Entry> {
        let (mut at, mut level) = (&self.root, 0);
        loop {
            match at {
                Leafed::Leaf(leaf) => return leaf.find(hash, name).map(|(_, entry)| entry),
                Leafed::Branch(branch) => {
                    at = &branch.children[branch.child_of(hash, level)];
                    level += 1;
                }
            }
        }
    }

    /// A name that is here, to be changed. Should nothing hold it in the end, it is the caller's to take away.
    pub(crate) fn change(&mut self, hash: u32, name: &[u8]) -> Option<&mut Entry> {
        self.find(hash, name)?;
        self.leaf_of(hash).change(hash, name)
    }

    /// Puts a name here, which must not be here.
    pub(crate) fn add(&mut self, entry: Entry) {
        let hash = entry.hash;
        if let Leafed::Leaf(leaf) = &mut self.root
            && leaf.is_full()
        {
            let entries = std::mem::take(leaf).into_entries();
            self.root = Leafed::Branch(Arc::new(Branch::of(entries, 0)));
            self.leaves += 1;
        }
        let (mut at, mut level) = (&mut self.root, 0);
        loop {
            match at {
                Leafed::Leaf(leaf) => break leaf.push(entry),
                Leafed::Branch(branch) => {
                    let branch = Arc::make_mut(branch);
                    self.leaves += branch.make_room(hash, level);
                    let child = branch.child_of(hash, level);
                    at = &mut branch.children[child];
                    level += 1;
                }
            }
        }
        self.entries += 1;
    }

    /// Takes a name away.
    pub(crate) fn remove(&mut self, hash: u32, name: &[u8]) {
        if self.find(hash, name).is_none() {
            return;
        }
        self.leaf_of(hash).remove(hash, name);
        self.entries -= 1;
        // Most leaves are empty or nearly: most names went.
        if self.entries < self.leaves {
            self.rebuild();
        }
    }

    /// The leaf of a hash, beneath branches that are ours alone.
    fn leaf_of(&mut self, hash: u32) -> &mut Leaf {
        let (mut at, mut level) = (&mut self.root, 0);
        loop {
            match at {
                Leafed::Leaf(leaf) => return leaf,
                Leafed::Branch(branch) => {
                    let branch = Arc::make_mut(branch);
                    let child = branch.child_of(hash, level);
                    at = &mut branch.children[child];
                    level += 1;
                }
            }
        }
    }

    fn rebuild(&mut self) {
        let mut built = Self::default();
        self.iter().for_each(|entry| built.add(entry.clone()));
        *self = built;
    }

    /// All names, in no order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Entry> {
        let (mut above, mut leaf): (_, slice::Iter<'_, OnceLock<Entry>>) =
            (vec![slice::from_ref(&self.root).iter()], [].iter());
        std::iter::from_fn(move || {
            loop {
                if let Some(place) = leaf.next() {
                    match place.get() {
                        Some(entry) => return Some(entry),
                        None => continue,
                    }
                }
                match above.last_mut()?.next() {
                    Some(Leafed::Leaf(shared)) => leaf = shared.own_places().iter(),
                    Some(Leafed::Branch(branch)) => above.push(branch.children.iter()),
                    None => drop(above.pop()),
                }
            }
        })
    }
}

impl Leaf {
    /// A leaf of its own, with room for one name more at least.
    fn of(entries: Vec<Entry>) -> Self {
        let room = (entries.len() + 1).next_power_of_two().max(PLACES_MIN);
        let len = entries.len() as u32;
        let hash_of = |entry: Option<&Entry>| AtomicU32::new(entry.map_or(0, |entry| entry.hash));
        let hashes = (0..room).map(|at| hash_of(entries.get(at))).collect();
        let free = std::iter::repeat_with(OnceLock::new);
        let entries = entries.into_iter().map(OnceLock::from).chain(free).take(room).collect();
        Self { places: Arc::new(Places { hashes, entries }), len }
    }

    fn len(&self) -> usize {
        self.len as usize
    }

    fn is_full(&self) -> bool {
        self.len() >= LEAF_MAX
    }

    /// The places that this leaf has names in.
    fn own_places(&self) -> &[OnceLock<Entry>] {
        &self.places.entries[..self.len()]
    }

    fn find(&self, hash: u32, name: &[u8]) -> Option<(usize, &Entry)> {
        // What was put here before this leaf was handed on is seen by whoever it was handed to.
        let hashes = self.places.hashes[..self.len()].iter().enumerate();
        let alike = hashes.filter(|(_, other)| other.load(Ordering::Relaxed) == hash);
        let mut entries = alike.filter_map(|(at, _)| Some((at, self.places.entries[at].get()?)));
        entries.find(|(_, entry)| entry.name.as_wire() == name)
    }

    /// Puts a name behind the others, into their places if nobody else did.
    fn push(&mut self, entry: Entry) {
        let (at, hash) = (self.len(), entry.hash);
        let back = match self.places.entries.get(at) {
            Some(free) => free.set(entry).err(),
            None => Some(entry),
        };
        let Some(entry) = back else {
            self.places.hashes[at].store(hash, Ordering::Relaxed);
            self.len += 1;
            return;
        };
        let mut entries = std::mem::take(self).into_entries();
        entries.push(entry);
        *self = Self::of(entries);
    }

    /// A name's entry, in a leaf that is ours alone.
    fn change(&mut self, hash: u32, name: &[u8]) -> Option<&mut Entry> {
        let (at, _) = self.find(hash, name)?;
        if Arc::get_mut(&mut self.places).is_none() {
            *self = Self::of(std::mem::take(self).into_entries());
        }
        Arc::get_mut(&mut self.places)?.entries.get_mut(at)?.get_mut()
    }

    fn remove(&mut self, hash: u32, name: &[u8]) {
        let Some((at, _)) = self.find(hash, name) else { return };
        let mut entries = std::mem::take(self).into_entries();
        entries.swap_remove(at);
        *self = Self::of(entries);
    }

    /// The names, moved where nobody else has them.
    fn into_entries(self) -> Vec<Entry> {
        let len = self.len();
        match Arc::try_unwrap(self.places) {
            Ok(places) => places.entries.into_iter().take(len).filter_map(OnceLock::into_inner).collect(),
            Err(shared) => shared.entries[..len].iter().filter_map(|place| place.get().cloned()).collect(),
        }
    }
}

impl Branch {
    /// Two leaves of what was one, at this level.
    fn of(entries: Vec<Entry>, level: u32) -> Self {
        let mut branch = Self { slots: [0; SLOTS], children: vec![Leafed::Leaf(Leaf::of(entries))] };
        branch.split(0, 0, SLOTS, level);
        branch
    }

    fn child_of(&self, hash: u32, level: u32) -> usize {
        usize::from(self.slots[slot_of(hash, level)])
    }

    /// Splits what is full where a name is to be put; returns how many leaves more there are.
    fn make_room(&mut self, hash: u32, level: u32) -> usize {
        let mut more = 0;
        loop {
            let child = self.child_of(hash, level);
            let Leafed::Leaf(leaf) = &mut self.children[child] else { return more };
            if !leaf.is_full() {
                return more;
            }
            let is_one = |slot: &u8| usize::from(*slot) == child;
            let (first, count) = (
                self.slots.iter().position(is_one).unwrap_or(0),
                self.slots.iter().filter(|slot| is_one(slot)).count(),
            );
            if count == 1 && level + 1 == LEVELS {
                return more;
            }
            if count == 1 {
                let entries = std::mem::take(leaf).into_entries();
                self.children[child] = Leafed::Branch(Arc::new(Self::of(entries, level + 1)));
                return more + 1;
            }
            self.split(child, first, count, level);
            more += 1;
        }
    }

    /// Gives the upper half of a leaf's slots a leaf of their own.
    fn split(&mut self, child: usize, first: usize, count: usize, level: u32) {
        let middle = first + count / 2;
        let Leafed::Leaf(leaf) = &mut self.children[child] else { return };
        let entries = std::mem::take(leaf).into_entries();
        let (upper, lower): (Vec<Entry>, Vec<Entry>) =
            entries.into_iter().partition(|entry| slot_of(entry.hash, level) >= middle);
        self.children[child] = Leafed::Leaf(Leaf::of(lower));
        // There are no more children than slots.
        self.slots[middle..first + count].fill(self.children.len() as u8);
        self.children.push(Leafed::Leaf(Leaf::of(upper)));
    }
}

fn slot_of(hash: u32, level: u32) -> usize {
    (hash >> (BITS * (LEVELS - 1 - level))) as usize % SLOTS
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn name(number: u32) -> Fqdn {
        format!("h{number}").parse().unwrap()
    }

    /// Few bits, so that names fall on each other, and whole ones, so that leaves split at every level.
    fn hash_of(number: u32) -> u32 {
        if number.is_multiple_of(3) { number % 5 } else { number.wrapping_mul(0x9E37_79B9) }
    }

    fn put(names: &mut Names, number: u32, below: u32) -> bool {
        let name = name(number);
        match names.change(hash_of(number), name.as_wire()) {
            Some(entry) => entry.below = below,
            None => {
                names.add(Entry::new(hash_of(number), name, None, below));
                return true;
            }
        }
        false
    }

    fn found(names: &Names, number: u32) -> Option<u32> {
        names.find(hash_of(number), name(number).as_wire()).map(|entry| entry.below)
    }

    fn all(names: &Names) -> BTreeMap<String, u32> {
        names.iter().map(|entry| (entry.name.to_string(), entry.below)).collect()
    }

    proptest! {
        #[test]
        fn it_holds_what_a_map_holds_and_so_does_every_snapshot(
            steps in prop::collection::vec((0..200_u32, 0..4_u32), 1..400),
        ) {
            let (mut names, mut model) = (Names::default(), BTreeMap::new());
            let mut snapshots = Vec::new();
            for (at, (number, below)) in steps.into_iter().enumerate() {
                match below {
                    0 => {
                        names.remove(hash_of(number), name(number).as_wire());
                        model.remove(&name(number).to_string());
                    }
                    _ => {
                        let is_new = put(&mut names, number, below);
                        prop_assert_eq!(model.insert(name(number).to_string(), below).is_none(), is_new);
                    }
                }
                prop_assert_eq!(found(&names, number), (below > 0).then_some(below));
                prop_assert_eq!(names.len(), model.len());
                if at % 50 == 0 {
                    snapshots.push((names.clone(), model.clone()));
                }
            }
            prop_assert_eq!(all(&names), model);
            for (names, model) in snapshots {
                prop_assert_eq!(all(&names), model);
            }
        }

        #[test]
        fn snapshots_that_go_on_apart_do_not_see_each_others_names(
            steps in prop::collection::vec((0..4_usize, 0..200_u32, 0..4_u32), 1..400),
        ) {
            let mut versions: [(Names, BTreeMap<String, u32>); 4] = Default::default();
            for (at, number, what) in steps {
                let (names, model) = &mut versions[at];
                match what {
                    0 => {
                        names.remove(hash_of(number), name(number).as_wire());
                        model.remove(&name(number).to_string());
                    }
                    3 => versions[at] = versions[(at + 1) % 4].clone(),
                    below => {
                        put(names, number, below);
                        model.insert(name(number).to_string(), below);
                    }
                }
            }
            for (names, model) in versions {
                prop_assert_eq!(all(&names), model);
            }
        }
    }

    #[test]
    fn names_of_one_hash_are_all_kept() {
        let mut names = Names::default();
        for number in (0..300).map(|number| number * 15) {
            assert!(put(&mut names, number, number + 1), "the same hash each");
        }
        assert!((0..300).all(|number| found(&names, number * 15) == Some(number * 15 + 1)));
        assert_eq!(names.iter().count(), 300);
    }

    #[test]
    fn leaves_are_half_full_at_least_and_go_with_their_names() {
        let mut names = Names::default();
        let numbers = || (0..30_000_u32).filter(|number| !number.is_multiple_of(3));
        numbers().for_each(|number| assert!(put(&mut names, number, 1)));
        let fill = names.len() / names.leaves;
        assert!((LEAF_MAX / 2..LEAF_MAX).contains(&fill), "{fill} of {LEAF_MAX} names a leaf");
        for number in numbers().skip(10) {
            names.remove(hash_of(number), name(number).as_wire());
        }
        assert_eq!(names.len(), 10);
        assert!(names.leaves <= names.len(), "{} leaves", names.leaves);
        assert!(numbers().take(10).all(|number| found(&names, number) == Some(1)));
    }
}
