//! The names of a zone by their hashes: a persistent trie whose leaves hold several names.
//!
//! ```text
//! root ─▶ branch: 16 slots, by four bits of the hash ─▶ leaf: at most 16 names
//!              │  several slots share a leaf until it  ─▶ leaf
//!              │  is full; then each gets half         ─▶ branch: 16 slots, by the next four bits …
//! ```
//!
//! A clone shares everything. A change copies one leaf and the branches above it, unless nobody else has them. A leaf is
//! one piece of memory ([`leaf`]) with names and records in it: to find a name is to wait for memory two or three times,
//! and to copy a leaf touches nothing else. A leaf is about half full, since what is shared by several slots is split
//! in two.
//!
//! Names are in wire form without the apex, which all of them end with. A name that only has others beneath it is here
//! too, without records, and counts them: so whether a name exists is found by its hash, however large the zone, and no
//! order of names has to be kept.

use std::slice;
use std::sync::Arc;

use dns::sip::Sip;

use self::leaf::{Leaf, Put, RecordsOf};
use crate::node::Node;

mod leaf;

pub(crate) use self::leaf::Held;

/// Bits of the hash that one branch tells apart.
const BITS: u32 = 4;
const SLOTS: usize = 1 << BITS;
/// Branches above each other before the hash is used up. A leaf beneath the last takes whatever comes.
const LEVELS: u32 = u32::BITS / BITS;
/// So many names are in a leaf before it is split.
const LEAF_MAX: usize = 16;

/// See the module.
#[derive(Clone, Debug, Default)]
pub(crate) struct Names {
    root: Child,
    entries: usize,
    leaves: usize,
}

#[derive(Clone, Debug, Default)]
enum Child {
    #[default]
    None,
    Leaf(Leaf),
    Branch(Arc<Branch>),
}

#[derive(Clone, Debug, Default)]
struct Branch {
    /// Which of the children each slot is. A child's slots lie beside each other.
    slots: [u8; SLOTS],
    /// The first of them are there.
    children: [Child; SLOTS],
    count: u8,
}

impl Names {
    /// How many names there are, those without records among them.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.entries
    }

    /// What there is of a name.
    #[inline]
    pub(crate) fn find(&self, hash: u32, name: &[u8]) -> Option<Held<'_>> {
        let (mut at, mut level) = (&self.root, 0);
        loop {
            match at {
                Child::Leaf(leaf) => return leaf.find(hash, name).map(|(_, held)| held),
                Child::Branch(branch) => {
                    at = &branch.children[branch.child_of(hash, level)];
                    level += 1;
                }
                Child::None => return None,
            }
        }
    }

    /// Puts a name here, in place of what there was of it: its records, which are what `node` has, and how many names are
    /// beneath it. Returns whether it is new.
    pub(crate) fn put(&mut self, hash: u32, name: &[u8], node: Option<&Node>, below: u32) -> bool {
        let put = Put { hash, name, below, records: node.map(RecordsOf::of) };
        let (leaf, leaves) = self.leaf_of(hash, |leaf| leaf.find(hash, name).is_none());
        let is_new = match leaf.find(hash, name).map(|(at, _)| at) {
            Some(at) => {
                leaf.replace(at, Some(put));
                false
            }
            None => {
                leaf.push(&put);
                true
            }
        };
        self.leaves += leaves;
        self.entries += usize::from(is_new);
        is_new
    }

    /// Counts other names beneath one that is here, if it is: returns how many there are then.
    pub(crate) fn count_below(&mut self, hash: u32, name: &[u8], change: impl Fn(u32) -> u32) -> Option<u32> {
        self.find(hash, name)?;
        let (leaf, _) = self.leaf_of(hash, |_| false);
        let (at, held) = leaf.find(hash, name)?;
        let below = change(held.below);
        leaf.set_below(at, below);
        Some(below)
    }

    /// Takes a name away.
    pub(crate) fn remove(&mut self, hash: u32, name: &[u8]) {
        if self.find(hash, name).is_none() {
            return;
        }
        let (leaf, _) = self.leaf_of(hash, |_| false);
        if let Some((at, _)) = leaf.find(hash, name) {
            leaf.replace(at, None);
        }
        self.entries -= 1;
        // Most leaves are empty or nearly: most names went.
        if self.entries < self.leaves {
            self.rebuild();
        }
    }

    /// The leaf of a hash, beneath branches that are ours alone, and how many leaves more there are. One that is full is
    /// split if something is to be put there.
    fn leaf_of(&mut self, hash: u32, grows: impl Fn(&Leaf) -> bool) -> (&mut Leaf, usize) {
        let mut more = 0;
        if let Child::Leaf(leaf) = &self.root
            && is_full(leaf)
            && grows(leaf)
        {
            self.root = Child::Branch(Arc::new(Branch::of(leaf, 0)));
            more += 1;
        }
        let (mut at, mut level) = (&mut self.root, 0);
        loop {
            // Told apart before it is borrowed for good.
            if let Child::None = at {
                *at = Child::Leaf(Leaf::default());
                more += 1;
            }
            match at {
                Child::Branch(branch) => {
                    let branch = Arc::make_mut(branch);
                    more += branch.make_room(hash, level, &grows);
                    let child = branch.child_of(hash, level);
                    at = &mut branch.children[child];
                    level += 1;
                }
                Child::Leaf(leaf) => return (leaf, more),
                Child::None => {}
            }
        }
    }

    fn rebuild(&mut self) {
        let mut built = Self::default();
        for leaf in self.leaves() {
            for put in leaf.puts() {
                let (leaf, leaves) = built.leaf_of(put.hash, |_| true);
                leaf.push(&put);
                built.leaves += leaves;
                built.entries += 1;
            }
        }
        *self = built;
    }

    /// All names, in no order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Held<'_>> {
        self.leaves().flat_map(Leaf::iter)
    }

    fn leaves(&self) -> impl Iterator<Item = &Leaf> {
        let mut above = vec![slice::from_ref(&self.root).iter()];
        std::iter::from_fn(move || {
            loop {
                match above.last_mut()?.next() {
                    Some(Child::Leaf(leaf)) => return Some(leaf),
                    Some(Child::Branch(branch)) => above.push(branch.children.iter()),
                    Some(Child::None) => {}
                    None => drop(above.pop()),
                }
            }
        })
    }
}

impl Branch {
    /// Two leaves of what was one, at this level.
    fn of(leaf: &Leaf, level: u32) -> Self {
        let mut branch = Self { count: 1, ..Self::default() };
        branch.children[0] = Child::Leaf(leaf.clone());
        branch.split(0, 0, SLOTS, level);
        branch
    }

    fn child_of(&self, hash: u32, level: u32) -> usize {
        usize::from(self.slots[slot_of(hash, level)]) % SLOTS
    }

    /// Splits what is full where a name is to be put; returns how many leaves more there are.
    fn make_room(&mut self, hash: u32, level: u32, grows: impl Fn(&Leaf) -> bool) -> usize {
        let mut more = 0;
        loop {
            let child = self.child_of(hash, level);
            let Child::Leaf(leaf) = &self.children[child] else { return more };
            if !is_full(leaf) || !grows(leaf) {
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
                self.children[child] = Child::Branch(Arc::new(Self::of(leaf, level + 1)));
                return more + 1;
            }
            self.split(child, first, count, level);
            more += 1;
        }
    }

    /// Gives the upper half of a leaf's slots a leaf of their own.
    fn split(&mut self, child: usize, first: usize, count: usize, level: u32) {
        let middle = first + count / 2;
        let Child::Leaf(leaf) = &self.children[child] else { return };
        let [upper, lower] =
            [true, false].map(|is_upper| Child::Leaf(leaf.part(|hash| (slot_of(hash, level) >= middle) == is_upper)));
        self.children[child] = lower;
        // There are no more children than slots.
        self.slots[middle..first + count].fill(self.count);
        self.children[usize::from(self.count) % SLOTS] = upper;
        self.count += 1;
    }
}

/// The hash of a name in wire form without the apex. Names that differ in the last two digits of their first label alone lie
/// beside each other by it: clients that come one after the other get addresses in a row, and so do their names where these
/// are made of the address or bear a number. What one of them waited for in memory is at hand for the next, and a change of
/// several copies fewer branches.
///
/// ```text
/// 12 bits of the hash of what such names have in common ─ 4 of each of the two digits ─ 12 more of that hash
/// ```
pub(crate) fn hash_of(seed: Sip, within: &[u8]) -> u32 {
    let end = within.first().map_or(0, |label| (1 + usize::from(*label)).min(within.len()));
    let (label, rest) = within.split_at(end);
    let digits = label.iter().rev().take(2).take_while(|octet| octet.is_ascii_digit()).count();
    let (label, last) = label.split_at(end - digits);
    let hash = seed.bytes(label).bytes(rest).finish() as u32;
    let bits = |digit: u8| u32::from(digit & 0xf);
    match *last {
        [one, other] => hash & !0x000f_f000 | bits(one) << 16 | bits(other) << 12,
        [only] => hash & !0x0000_f000 | bits(only) << 12,
        _ => hash,
    }
}

fn is_full(leaf: &Leaf) -> bool {
    leaf.len() >= LEAF_MAX
}

fn slot_of(hash: u32, level: u32) -> usize {
    (hash >> (BITS * (LEVELS - 1 - level))) as usize % SLOTS
}

#[cfg(test)]
mod tests;
