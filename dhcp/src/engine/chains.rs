//! What each client has in each subnet: the slots of one client there as a ring, and a hash table of the rings.
//!
//! So a look-up costs one hash and what the client has in that subnet, however much it has in others, and however much
//! everybody else has. The table takes some 10 bytes a ring; where the links lie is the slots' affair. Hashes are made with
//! a secret ([`super::client::Secret`]), so that nobody can find clients that fall on each other.

use arena::Hashed;

/// Where a slot's neighbours in its ring are; of a ring of one, itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Links {
    pub(super) next: u32,
    pub(super) previous: u32,
}

impl Links {
    /// Of a slot that is in no ring.
    pub(super) const NONE: Self = Self { next: u32::MAX, previous: u32::MAX };
}

/// What the rings ask of the slots.
pub(super) trait Chained {
    fn links(&self, slot: u32) -> Links;
    fn set_links(&mut self, slot: u32, links: Links);
    /// The order in a ring: the least first. At most [`LAST_RANK`].
    fn rank(&self, slot: u32) -> u8;
    /// Of the client and the subnet.
    fn hash(&self, slot: u32) -> u64;
    /// Whether two are of one client and one subnet.
    fn belong_together(&self, slot: u32, other: u32) -> bool;
}

/// The rank of which there may be any number in a ring.
pub(super) const LAST_RANK: u8 = 2;
/// How many of it are looked at. A client that collects ended leases by asking for one address after the other must not
/// make its messages dear.
const LAST_LOOKED_AT: usize = 32;

/// See the module. A ring is named by its first slot.
#[derive(Debug, Default)]
pub(super) struct Chains {
    /// First slots, by half of the hash. It stands beside them: else every slot had to be read and hashed when the table
    /// grows, which with many leases is a wait for memory each, all in one go while clients wait.
    heads: Hashed,
    /// How many slots were put in or taken out.
    changes: u64,
}

/// What the table goes by: of a hash the half that is kept, so that nobody needs the whole again.
fn half_of(hash: u64) -> u32 {
    (hash >> 32) as u32 ^ hash as u32
}

impl Chains {
    /// Empty, with room for so many rings.
    pub(super) fn with_room(rings: usize) -> Self {
        Self { heads: Hashed::with_room(rings), changes: 0 }
    }

    /// Another number after each change of a ring.
    pub(super) fn changes(&self) -> u64 {
        self.changes
    }

    /// Puts a slot into its ring: before all of its rank, those of the last rank behind everything.
    pub(super) fn insert(&mut self, slot: u32, slots: &mut impl Chained) {
        self.changes += 1;
        let half = half_of(slots.hash(slot));
        let Some(first) = self.heads.find(half, |first| slots.belong_together(first, slot)) else {
            slots.set_links(slot, Links { next: slot, previous: slot });
            return self.heads.insert(half, slot);
        };
        let rank = slots.rank(slot);
        let mut before = first;
        // What goes behind everything stands before the first, the ring being closed, and needs no search.
        if rank < LAST_RANK {
            while slots.rank(before) < rank {
                before = slots.links(before).next;
                if before == first {
                    break;
                }
            }
            if before == first && slots.rank(first) >= rank {
                self.heads.replace(half, first, slot);
            }
        }
        let previous = slots.links(before).previous;
        slots.set_links(slot, Links { next: before, previous });
        join(slots, previous, slot);
        join(slots, slot, before);
    }

    /// Takes a slot out of its ring, before anything changes that decides where it is.
    pub(super) fn remove(&mut self, slot: u32, slots: &mut impl Chained) {
        let Links { next, previous } = slots.links(slot);
        if slots.links(slot) == Links::NONE {
            return;
        }
        self.changes += 1;
        let half = half_of(slots.hash(slot));
        if next == slot {
            self.heads.remove(half, slot);
        } else {
            self.heads.replace(half, slot, next);
            join(slots, previous, next);
        }
        slots.set_links(slot, Links::NONE);
    }

    /// The first slot of a ring; `is_it` tells it from those of others with the same hash.
    pub(super) fn first(&self, hash: u64, is_it: impl Fn(u32) -> bool) -> Option<u32> {
        self.heads.find(half_of(hash), is_it)
    }
}

/// Has two slots be neighbours in a ring.
fn join(slots: &mut impl Chained, one: u32, next: u32) {
    slots.set_links(one, Links { next, ..slots.links(one) });
    slots.set_links(next, Links { previous: one, ..slots.links(next) });
}

/// The slots of the ring of `first` in their order; of the last rank a few, those that came to it last first.
pub(super) fn ring<S: Chained>(first: Option<u32>, slots: &S) -> Ring<'_, S> {
    Ring { slots, first: first.unwrap_or(u32::MAX), next: first, of_last: None }
}

/// See [`ring`].
#[derive(Debug)]
pub(super) struct Ring<'s, S> {
    slots: &'s S,
    first: u32,
    next: Option<u32>,
    /// Once those of the last rank are reached, from the end backwards: how many of them are still looked at.
    of_last: Option<usize>,
}

impl<S: Chained> Iterator for Ring<'_, S> {
    type Item = u32;

    fn next(&mut self) -> Option<u32> {
        let mut slot = self.next?;
        if self.of_last.is_none() {
            if self.slots.rank(slot) != LAST_RANK {
                self.next = Some(self.slots.links(slot).next).filter(|next| *next != self.first);
                return Some(slot);
            }
            slot = self.slots.links(self.first).previous;
            self.of_last = Some(LAST_LOOKED_AT);
        }
        let left = self.of_last.and_then(|left| left.checked_sub(1));
        if left.is_none() || self.slots.rank(slot) != LAST_RANK {
            self.next = None;
            return None;
        }
        self.of_last = left;
        self.next = Some(self.slots.links(slot).previous).filter(|_| slot != self.first);
        Some(slot)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Slots with a key, a rank and links.
    #[derive(Debug)]
    struct Slots(Vec<(u8, u8, Links)>);

    impl Chained for Slots {
        fn links(&self, slot: u32) -> Links {
            self.0[slot as usize].2
        }

        fn set_links(&mut self, slot: u32, links: Links) {
            self.0[slot as usize].2 = links;
        }

        fn rank(&self, slot: u32) -> u8 {
            self.0[slot as usize].1
        }

        // Different keys fall on each other.
        fn hash(&self, slot: u32) -> u64 {
            u64::from(self.0[slot as usize].0 % 3)
        }

        fn belong_together(&self, slot: u32, other: u32) -> bool {
            self.0[slot as usize].0 == self.0[other as usize].0
        }
    }

    proptest! {
        #[test]
        fn every_ring_has_what_belongs_to_it_in_its_order(
            steps in prop::collection::vec((0..20_u32, 0..5_u8, 0..3_u8), 0..200),
        ) {
            let (mut chains, mut slots) = (Chains::default(), Slots(vec![(0, 0, Links::NONE); 20]));
            for (slot, key, rank) in steps {
                if slots.links(slot) != Links::NONE {
                    chains.remove(slot, &mut slots);
                } else {
                    slots.0[slot as usize] = (key, rank, Links::NONE);
                    chains.insert(slot, &mut slots);
                }
                for key in 0..5 {
                    let is_it = |head: u32| slots.0[head as usize].0 == key;
                    let mut found: Vec<u32> = ring(chains.first(u64::from(key % 3), is_it), &slots).collect();
                    let ranks: Vec<u8> = found.iter().map(|slot| slots.rank(*slot)).collect();
                    prop_assert!(ranks.is_sorted(), "{:?}", ranks);
                    found.sort_unstable();
                    let there = (0..20).filter(|slot| slots.links(*slot) != Links::NONE);
                    let expected: Vec<u32> = there.filter(|slot| slots.0[*slot as usize].0 == key).collect();
                    prop_assert_eq!(found, expected);
                }
            }
        }
    }

    #[test]
    fn of_what_has_no_bound_the_latest_are_looked_at() {
        let (mut chains, mut slots) = (Chains::default(), Slots(vec![(1, LAST_RANK, Links::NONE); 1000]));
        (0..1000).for_each(|slot| chains.insert(slot, &mut slots));
        let found: Vec<u32> = ring(chains.first(1, |_| true), &slots).collect();
        assert!(found.into_iter().eq((1000 - 32..1000).rev()));
    }
}
