//! Numbers by address, in the order of the addresses: three levels of small arrays.
//!
//! Addresses in use lie side by side, as pools do, so that an array costs less than a tree: 4 bytes an address, and a
//! look-up is three reads, however many there are. An address far from all others costs a [`Leaf`], 256 bytes.

use std::net::Ipv4Addr;

/// No number.
const NONE: u32 = u32::MAX;
/// Bits of an address that tell its place in a leaf, and the leaf's in a branch.
const LEAF_BITS: u32 = 6;
const BRANCH_BITS: u32 = 10;

type Leaf = [u32; 1 << LEAF_BITS];
type Branch = [u32; 1 << BRANCH_BITS];

/// At most one number for each address; [`u32::MAX`] is none.
#[derive(Debug)]
pub struct Addresses {
    /// By the upper 16 bits: the place of their branch, and one. Of zeros, which the system gives without giving memory.
    root: Box<[u32]>,
    branches: Vec<Branch>,
    /// Which places of the root have a branch, in their order: so that going through a few addresses passes over the others.
    tops: Vec<u16>,
    /// Kept when they are empty again: an address that was leased once is likely to be again.
    leaves: Vec<Leaf>,
    count: usize,
}

impl Default for Addresses {
    fn default() -> Self {
        let root = vec![0; 1 << (32 - LEAF_BITS - BRANCH_BITS)].into();
        Self { root, branches: Vec::new(), tops: Vec::new(), leaves: Vec::new(), count: 0 }
    }
}

impl Addresses {
    /// How many have a number.
    #[must_use]
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether none has.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The number of an address.
    #[must_use]
    #[inline]
    pub fn get(&self, address: Ipv4Addr) -> Option<u32> {
        let (top, middle, low) = parts(address.to_bits());
        let branch = self.branches.get(branch_at(self.root[top]))?;
        let leaf = self.leaves.get(branch[middle] as usize)?;
        Some(leaf[low]).filter(|number| *number != NONE)
    }

    /// Gives an address its number; what it had before.
    pub fn insert(&mut self, address: Ipv4Addr, number: u32) -> Option<u32> {
        let (top, middle, low) = parts(address.to_bits());
        if self.root[top] == 0 {
            self.branches.push([NONE; 1 << BRANCH_BITS]);
            // There are no more than 2^16.
            self.root[top] = u32::try_from(self.branches.len()).unwrap_or(0);
            let at = self.tops.partition_point(|before| usize::from(*before) < top);
            self.tops.insert(at, u16::try_from(top).unwrap_or(u16::MAX));
        }
        let leaf = &mut self.branches[branch_at(self.root[top])][middle];
        if *leaf == NONE {
            // There are fewer than 2^32.
            *leaf = u32::try_from(self.leaves.len()).unwrap_or(NONE);
            self.leaves.push([NONE; 1 << LEAF_BITS]);
        }
        let leaf = *leaf as usize;
        let before = std::mem::replace(&mut self.leaves[leaf][low], number);
        self.count += usize::from(before == NONE);
        Some(before).filter(|number| *number != NONE)
    }

    /// Takes an address' number away; what it was.
    pub fn remove(&mut self, address: Ipv4Addr) -> Option<u32> {
        let (top, middle, low) = parts(address.to_bits());
        let branch = self.branches.get(branch_at(self.root[top]))?;
        let leaf = self.leaves.get_mut(branch[middle] as usize)?;
        let before = Some(std::mem::replace(&mut leaf[low], NONE)).filter(|number| *number != NONE);
        self.count -= usize::from(before.is_some());
        before
    }

    /// Every number, by address.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = u32> {
        Counted { numbers: self.from(0), left: self.count }
    }

    /// The numbers of the addresses from `from` on, by address.
    pub fn from(&self, from: u32) -> impl Iterator<Item = u32> {
        let mut next = Some(from);
        std::iter::from_fn(move || {
            let (number, address) = self.first_from(next?)?;
            next = address.checked_add(1);
            Some(number)
        })
    }

    /// The first that is not below `address`, and its address.
    fn first_from(&self, address: u32) -> Option<(u32, u32)> {
        let (first, mut middle, mut low) = parts(address);
        let begin = self.tops.partition_point(|before| usize::from(*before) < first);
        for top in self.tops[begin..].iter().copied().map(usize::from) {
            if top > first {
                (middle, low) = (0, 0);
            }
            let branch = self.branches.get(branch_at(self.root[top]))?;
            while middle < branch.len() {
                if let Some(leaf) = self.leaves.get(branch[middle] as usize)
                    && let Some(ahead) = leaf[low..].iter().position(|number| *number != NONE)
                {
                    // Each part is within its bits.
                    let address = (top << (LEAF_BITS + BRANCH_BITS)) | (middle << LEAF_BITS) | (low + ahead);
                    return Some((leaf[low + ahead], u32::try_from(address).unwrap_or(u32::MAX)));
                }
                (middle, low) = (middle + 1, 0);
            }
        }
        None
    }
}

/// An iterator of which it is known how much is left.
struct Counted<I> {
    numbers: I,
    left: usize,
}

impl<I: Iterator<Item = u32>> Iterator for Counted<I> {
    type Item = u32;

    fn next(&mut self) -> Option<u32> {
        // Behind the last there is nothing to look for.
        self.left = self.left.checked_sub(1)?;
        self.numbers.next()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl<I: Iterator<Item = u32>> ExactSizeIterator for Counted<I> {}

/// The places of an address in the three levels.
fn parts(address: u32) -> (usize, usize, usize) {
    let top = address >> (LEAF_BITS + BRANCH_BITS);
    let middle = (address >> LEAF_BITS) & ((1 << BRANCH_BITS) - 1);
    (top as usize, middle as usize, (address & ((1 << LEAF_BITS) - 1)) as usize)
}

/// The place of the branch that the root names so; of zero, none.
fn branch_at(root: u32) -> usize {
    root.wrapping_sub(1) as usize
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn agrees_with_a_plain_map(steps in prop::collection::vec((any::<u32>(), 0..4_u32, any::<bool>()), 0..200)) {
            let (mut addresses, mut model) = (Addresses::default(), BTreeMap::new());
            for (at, near, inserts) in steps {
                // Some far from each other, some side by side, some at the ends.
                let bits = match near {
                    0 => at,
                    1 => 0x0A00_0000 | (at & 0xFF),
                    2 => u32::MAX - (at & 3),
                    _ => at & 3,
                };
                let address = Ipv4Addr::from_bits(bits);
                if inserts {
                    prop_assert_eq!(addresses.insert(address, at >> 1), model.insert(bits, at >> 1));
                } else {
                    prop_assert_eq!(addresses.remove(address), model.remove(&bits));
                }
                prop_assert_eq!(addresses.get(address), model.get(&bits).copied());
                prop_assert_eq!(addresses.len(), model.len());
                prop_assert_eq!(addresses.from(bits).next(), model.range(bits..).next().map(|(_, number)| *number));
            }
            prop_assert_eq!(addresses.iter().len(), model.len());
            prop_assert!(addresses.iter().eq(model.into_values()));
        }
    }
}
