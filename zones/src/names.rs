//! The names of a zone by their hashes: a persistent trie whose leaves hold several names.
//!
//! ```text
//! root ─▶ branch: 16 slots, by four bits of the hash ─▶ leaf: at most 16 names
//!              │  several slots share a leaf until it  ─▶ leaf
//!              │  is full; then each gets half         ─▶ branch: 16 slots, by the next four bits …
//! ```
//!
//! A clone shares everything. A change copies one leaf and the branches above it, unless nobody else has them: the names
//! of a batch of leases cost a copy of what they touch, once. A leaf is small, since copying counts every name in it
//! twice, up and down; and it is half full at least, since what is shared by several slots is split in two.
//!
//! A name that only has others beneath it is here too, without a node, and counts them: so whether a name exists is
//! found by its hash, however large the zone, and no order of names has to be kept.

use std::sync::Arc;

use dns::Fqdn;

use crate::zone::Node;

/// Bits of the hash that one branch tells apart.
const BITS: u32 = 4;
const SLOTS: usize = 1 << BITS;
/// Branches above each other before the hash is used up. A leaf beneath the last takes whatever comes.
const LEVELS: u32 = u32::BITS / BITS;
/// So many names are in a leaf before it is split.
const LEAF_MAX: usize = 16;
/// By how much a copied leaf is made larger than it has to be.
const LEAF_ROOM: usize = 4;

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
    Leaf(Arc<Vec<Entry>>),
    Branch(Arc<Branch>),
}

#[derive(Clone, Debug)]
struct Branch {
    /// Which of the children each slot is. A child's slots lie beside each other.
    slots: [u8; SLOTS],
    children: Vec<Leafed>,
}

impl Default for Leafed {
    fn default() -> Self {
        Self::Leaf(Arc::default())
    }
}

impl Entry {
    fn is(&self, hash: u32, name: &[u8]) -> bool {
        self.hash == hash && self.name.as_wire() == name
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
                Leafed::Leaf(leaf) => return leaf.iter().find(|entry| entry.is(hash, name)),
                Leafed::Branch(branch) => {
                    at = &branch.children[branch.child_of(hash, level)];
                    level += 1;
                }
            }
        }
    }

    /// A name, to be changed; it is put here when it is not, as `make` has it, and is the caller's to take away should
    /// nothing hold it in the end. Tells whether it is new.
    pub(crate) fn entry(&mut self, hash: u32, name: &[u8], make: impl FnOnce() -> Fqdn) -> (&mut Entry, bool) {
        if let Leafed::Leaf(leaf) = &mut self.root
            && is_full(leaf, hash, name)
        {
            let entries = own(leaf, 0);
            self.root = Leafed::Branch(Arc::new(Branch::of(std::mem::take(entries), 0)));
            self.leaves += 1;
        }
        let (mut at, mut level) = (&mut self.root, 0);
        let leaf = loop {
            match at {
                Leafed::Leaf(leaf) => break leaf,
                Leafed::Branch(branch) => {
                    let branch = Arc::make_mut(branch);
                    self.leaves += branch.make_room(hash, name, level);
                    let child = branch.child_of(hash, level);
                    at = &mut branch.children[child];
                    level += 1;
                }
            }
        };
        let found = leaf.iter().position(|entry| entry.is(hash, name));
        let entries = own(leaf, LEAF_ROOM);
        let place = found.unwrap_or(entries.len());
        if found.is_none() {
            entries.push(Entry { hash, below: 0, name: make(), node: None });
            self.entries += 1;
        }
        (&mut entries[place], found.is_none())
    }

    /// Takes a name away.
    pub(crate) fn remove(&mut self, hash: u32, name: &[u8]) {
        let (mut at, mut level) = (&mut self.root, 0);
        let leaf = loop {
            match at {
                Leafed::Leaf(leaf) => break leaf,
                Leafed::Branch(branch) => {
                    let branch = Arc::make_mut(branch);
                    let child = branch.child_of(hash, level);
                    at = &mut branch.children[child];
                    level += 1;
                }
            }
        };
        let Some(place) = leaf.iter().position(|entry| entry.is(hash, name)) else { return };
        let entries = own(leaf, 0);
        entries.swap_remove(place);
        if entries.len() < entries.capacity() / 2 {
            entries.shrink_to(entries.len() + LEAF_ROOM);
        }
        self.entries -= 1;
        // Most leaves are empty or nearly: most names went.
        if self.entries < self.leaves {
            self.rebuild();
        }
    }

    fn rebuild(&mut self) {
        let mut built = Self::default();
        for entry in self.iter() {
            *built.entry(entry.hash, entry.name.as_wire(), || entry.name.clone()).0 = entry.clone();
        }
        *self = built;
    }

    /// All names, in no order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Entry> {
        let (mut above, mut leaf) = (vec![std::slice::from_ref(&self.root).iter()], [].iter());
        std::iter::from_fn(move || {
            loop {
                if let Some(entry) = leaf.next() {
                    return Some(entry);
                }
                match above.last_mut()?.next() {
                    Some(Leafed::Leaf(entries)) => leaf = entries.iter(),
                    Some(Leafed::Branch(branch)) => above.push(branch.children.iter()),
                    None => drop(above.pop()),
                }
            }
        })
    }
}

impl Branch {
    /// Two leaves of what was one, at this level.
    fn of(entries: Vec<Entry>, level: u32) -> Self {
        let mut branch = Self { slots: [0; SLOTS], children: vec![Leafed::Leaf(Arc::new(entries))] };
        branch.split(0, 0, SLOTS, level);
        branch
    }

    fn child_of(&self, hash: u32, level: u32) -> usize {
        usize::from(self.slots[slot_of(hash, level)])
    }

    /// Splits what is full where a name is to be put; returns how many leaves more there are.
    fn make_room(&mut self, hash: u32, name: &[u8], level: u32) -> usize {
        let mut more = 0;
        loop {
            let child = self.child_of(hash, level);
            let Leafed::Leaf(leaf) = &mut self.children[child] else { return more };
            let is_one = |slot: &u8| usize::from(*slot) == child;
            let (first, count) = (
                self.slots.iter().position(is_one).unwrap_or(0),
                self.slots.iter().filter(|slot| is_one(slot)).count(),
            );
            if !is_full(leaf, hash, name) || (count == 1 && level + 1 == LEVELS) {
                return more;
            }
            if count == 1 {
                let entries = std::mem::take(own(leaf, 0));
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
        let (upper, lower): (Vec<Entry>, Vec<Entry>) =
            std::mem::take(own(leaf, 0)).into_iter().partition(|entry| slot_of(entry.hash, level) >= middle);
        self.children[child] = Leafed::Leaf(Arc::new(lower));
        // There are no more children than slots.
        self.slots[middle..first + count].fill(self.children.len() as u8);
        self.children.push(Leafed::Leaf(Arc::new(upper)));
    }
}

fn slot_of(hash: u32, level: u32) -> usize {
    (hash >> (BITS * (LEVELS - 1 - level))) as usize % SLOTS
}

/// Whether a leaf has no room for a name that it does not have.
fn is_full(leaf: &[Entry], hash: u32, name: &[u8]) -> bool {
    leaf.len() >= LEAF_MAX && !leaf.iter().any(|entry| entry.is(hash, name))
}

/// A leaf that is ours alone. What has to be copied for it gets room for some more.
fn own(leaf: &mut Arc<Vec<Entry>>, room: usize) -> &mut Vec<Entry> {
    if Arc::get_mut(leaf).is_none() {
        let mut copy = Vec::with_capacity(leaf.len() + room);
        copy.extend_from_slice(leaf);
        *leaf = Arc::new(copy);
    } else if leaf.len() == leaf.capacity() && room > 0 {
        Arc::make_mut(leaf).reserve_exact(room);
    }
    // Nobody else has it now, so that nothing is copied.
    Arc::make_mut(leaf)
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
        let (entry, is_new) = names.entry(hash_of(number), name.as_wire(), || name.clone());
        entry.below = below;
        is_new
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
