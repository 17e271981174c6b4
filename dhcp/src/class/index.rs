//! All leaves on one fact, looked up together.

use std::collections::BTreeMap;

use super::{Fact, Facts, Test};

/// A leaf of the conditions, by its place among all.
pub(super) type Leaf = u32;

/// Tells which leaves on a fact hold.
#[derive(Clone, Debug)]
pub(super) struct FactIndex {
    pub(super) fact: Fact,
    present: Option<Leaf>,
    /// By offset: what stands there. Equality and prefixes are at the beginning.
    at: Vec<(usize, Table)>,
    contains: Option<Scan>,
    between: Vec<(Test, Leaf)>,
}

impl FactIndex {
    pub(super) fn new(fact: Fact, leaves: &[(&Test, Leaf)]) -> Self {
        let mut at: BTreeMap<usize, Keys<'_>> = BTreeMap::new();
        let mut patterns = Keys::new();
        let mut index = Self { fact, present: None, at: Vec::new(), contains: None, between: Vec::new() };
        for &(test, leaf) in leaves {
            match test {
                Test::Present => index.present = Some(leaf),
                Test::Equal(data) => at.entry(0).or_default().entry(data).or_default().equal = Some(leaf),
                Test::Prefix(data) => at.entry(0).or_default().entry(data).or_default().prefixes.push(leaf),
                Test::At { offset, data } => {
                    at.entry(usize::from(*offset)).or_default().entry(data).or_default().prefixes.push(leaf);
                }
                Test::Contains(data) => patterns.entry(data).or_default().prefixes.push(leaf),
                Test::Between(..) => index.between.push((test.clone(), leaf)),
            }
        }
        index.at = at.into_iter().map(|(offset, keys)| (offset, Table::new(keys))).collect();
        index.contains = (!patterns.is_empty()).then(|| Scan::new(Table::new(patterns)));
        index
    }

    /// Calls `found` with every leaf that holds, with some of them more than once. It answers whether that was new.
    pub(super) fn look_up(&self, facts: &Facts<'_, '_>, found: &mut impl FnMut(Leaf) -> bool) {
        facts.values(self.fact, &mut |value| {
            if let Some(leaf) = self.present {
                found(leaf);
            }
            for (offset, table) in &self.at {
                if let Some(rest) = value.get(*offset..) {
                    table.look_up(rest, found);
                }
            }
            if let Some(scan) = &self.contains {
                scan.look_up(value, found);
            }
            for (test, leaf) in &self.between {
                if test.passes(value) {
                    found(*leaf);
                }
            }
        });
    }
}

/// Byte strings in their order. Those that a value begins with are found by one bisection: the last string that is not
/// after the value begins with all of them.
#[derive(Clone, Debug)]
struct Table {
    entries: Vec<Entry>,
}

#[derive(Clone, Debug)]
struct Entry {
    key: Box<[u8]>,
    /// The longest other key that this one begins with.
    parent: Option<usize>,
    leaves: Leaves,
}

#[derive(Clone, Debug, Default)]
struct Leaves {
    /// Holds when the value is the key.
    equal: Option<Leaf>,
    /// Hold when the value begins with the key.
    prefixes: Vec<Leaf>,
}

/// What a table is made from.
type Keys<'c> = BTreeMap<&'c [u8], Leaves>;

impl Table {
    fn new(keys: Keys<'_>) -> Self {
        let mut entries: Vec<Entry> = Vec::with_capacity(keys.len());
        for (key, leaves) in keys {
            // A key's prefixes stand before it, the longest next to it but for others that begin with that one too.
            let mut parent = entries.len().checked_sub(1);
            while let Some(shorter) = parent.and_then(|place| entries.get(place))
                && !key.starts_with(&shorter.key)
            {
                parent = shorter.parent;
            }
            entries.push(Entry { key: key.into(), parent, leaves });
        }
        Self { entries }
    }

    fn look_up(&self, value: &[u8], found: &mut impl FnMut(Leaf) -> bool) {
        let after = self.entries.partition_point(|entry| *entry.key <= *value);
        let Some(mut entry) = after.checked_sub(1).and_then(|place| self.entries.get(place)) else { return };
        let shared = entry.key.iter().zip(value).take_while(|(one, other)| one == other).count();
        if let Some(leaf) = entry.leaves.equal.filter(|_| shared == value.len()) {
            found(leaf);
        }
        let parent = |entry: &Entry| entry.parent.and_then(|place| self.entries.get(place));
        while entry.key.len() > shared {
            let Some(shorter) = parent(entry) else { return };
            entry = shorter;
        }
        loop {
            let mut all_known = !entry.leaves.prefixes.is_empty();
            for leaf in &entry.leaves.prefixes {
                all_known &= !found(*leaf);
            }
            // Whoever found these found the shorter ones too.
            let Some(shorter) = parent(entry).filter(|_| !all_known) else { return };
            entry = shorter;
        }
    }
}

/// Finds which of many patterns stand anywhere in a value: a table asked at those places only where the next two bytes
/// are some pattern's first.
#[derive(Clone, Debug)]
struct Scan {
    patterns: Table,
    /// By [`Scan::pair`], whether a pattern may begin so.
    begins: Box<[u64; 16]>,
    has_empty: bool,
}

impl Scan {
    fn new(patterns: Table) -> Self {
        let mut begins = Box::new([0_u64; 16]);
        let mut mark = |pair: usize| begins[pair / 64] |= 1 << (pair % 64);
        for entry in &patterns.entries {
            match *entry.key {
                [] => {}
                [only] => (0..=u8::MAX).for_each(|next| mark(Self::pair(only, next))),
                [first, second, ..] => mark(Self::pair(first, second)),
            }
        }
        let has_empty = patterns.entries.first().is_some_and(|entry| entry.key.is_empty());
        Self { patterns, begins, has_empty }
    }

    /// Less than 1,024.
    fn pair(first: u8, second: u8) -> usize {
        (usize::from(first) << 2) ^ usize::from(second)
    }

    fn look_up(&self, value: &[u8], found: &mut impl FnMut(Leaf) -> bool) {
        if self.has_empty {
            self.patterns.look_up(&[], found);
        }
        for (place, pair) in value.windows(2).enumerate() {
            let pair = Self::pair(pair[0], pair[1]);
            if self.begins[pair / 64] & (1 << (pair % 64)) != 0 {
                self.patterns.look_up(&value[place..], found);
            }
        }
        if let Some(last) = value.len().checked_sub(1) {
            self.patterns.look_up(&value[last..], found);
        }
    }
}
