//! A million names in some megabytes.
//!
//! Of each name only a hash of 63 bits is kept, sorted, with a table that says where those of each first bits begin. The
//! hash is keyed at random, so nobody can choose a name that falls together with a listed one; that two of them do by
//! chance happens, with a million names listed, once in nine million million questions.

use std::hash::{BuildHasher, Hasher, RandomState};

use dns::Fqdn;

use crate::routes::suffixes;

/// How far a listed name reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Itself.
    Alone,
    /// Itself and everything beneath it.
    Beneath,
}

/// Hashes of this many names, about, stand between two entries of the table.
const NAMES_EACH: usize = 8;

/// Names, and how far each reaches.
#[derive(Clone, Debug, Default)]
pub struct NameSet {
    hasher: RandomState,
    /// 63 bits of hash, and one that says whether it reaches beneath.
    hashes: Box<[u64]>,
    /// Where those begin whose first bits are this number; one more at the end.
    starts: Box<[u32]>,
    bits: u32,
}

/// A set that is being made.
#[derive(Clone, Debug)]
pub struct SetBuilder<S = RandomState> {
    hasher: S,
    hashes: Vec<u64>,
}

impl<S: BuildHasher> SetBuilder<S> {
    /// An empty one.
    pub fn new(hasher: S) -> Self {
        Self { hasher, hashes: Vec::new() }
    }

    /// Adds a name.
    pub fn insert(&mut self, name: &Fqdn, reach: Reach) {
        let hash = hash_of(&self.hasher, name.as_wire());
        self.hashes.push(hash | u64::from(reach == Reach::Beneath));
    }

    /// How many were added, doubles among them.
    #[must_use]
    pub fn len(&self) -> usize {
        self.hashes.len()
    }

    /// Whether none was.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.hashes.is_empty()
    }
}

/// The hash of a name in wire form, its last bit free.
fn hash_of(hasher: &impl BuildHasher, name: &[u8]) -> u64 {
    let mut state = hasher.build_hasher();
    state.write(name);
    state.finish() & !1
}

impl From<SetBuilder<RandomState>> for NameSet {
    fn from(builder: SetBuilder<RandomState>) -> Self {
        let SetBuilder { hasher, mut hashes } = builder;
        hashes.sort_unstable();
        // Of a name that is there both ways, the second (its bit is set) says more.
        hashes.dedup_by(|next, before| {
            let same = *next & !1 == *before & !1;
            if same {
                *before |= *next;
            }
            same
        });
        if hashes.is_empty() {
            return Self { hasher, ..Self::default() };
        }
        let bits = (hashes.len() / NAMES_EACH).next_power_of_two().trailing_zeros().clamp(1, 24);
        let mut starts = vec![0_u32; (1 << bits) + 1];
        for hash in &hashes {
            starts[(hash >> (64 - bits)) as usize + 1] += 1;
        }
        for at in 1..starts.len() {
            starts[at] += starts[at - 1];
        }
        Self { hasher, hashes: hashes.into(), starts: starts.into(), bits }
    }
}

impl NameSet {
    /// A set of these names, each reaching so far.
    #[must_use]
    pub fn of<'n>(names: impl IntoIterator<Item = &'n Fqdn>, reach: Reach) -> Self {
        let mut builder = SetBuilder::new(RandomState::new());
        names.into_iter().for_each(|name| builder.insert(name, reach));
        builder.into()
    }

    /// How many names there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.hashes.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.hashes.is_empty()
    }

    /// What it takes in memory, in octets.
    #[must_use]
    pub fn octets(&self) -> usize {
        self.hashes.len() * 8 + self.starts.len() * 4
    }

    /// Whether a name (wire form, lower case) is in it, or beneath one that reaches there.
    #[must_use]
    pub fn contains(&self, name: &[u8]) -> bool {
        if self.hashes.is_empty() {
            return false;
        }
        suffixes(name).enumerate().any(|(above, suffix)| {
            let found = self.find(hash_of(&self.hasher, suffix));
            matches!((above, found), (0, Some(_)) | (_, Some(Reach::Beneath)))
        })
    }

    fn find(&self, hash: u64) -> Option<Reach> {
        let first = (hash >> (64 - self.bits)) as usize;
        let (start, end) = (self.starts[first] as usize, self.starts[first + 1] as usize);
        let found = self.hashes[start..end].iter().find(|kept| **kept & !1 == hash)?;
        Some(if found & 1 == 1 { Reach::Beneath } else { Reach::Alone })
    }
}
