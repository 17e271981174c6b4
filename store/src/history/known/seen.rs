//! A set of numbers that only grows, in little memory.

use std::collections::HashSet;

/// So many new ones, beside a part of all, wait before they are put in order with the others.
const FRESH_MIN: usize = 1_024;
/// That part: each number is so often moved on the way, as a rule.
const FRESH_PART: usize = 16;

/// See the module. Numbers in their order take four octets each, in place of the five and the
/// empty places of a table that doubles.
#[derive(Debug, Default)]
pub(super) struct Seen {
    sorted: Vec<u32>,
    /// None of them is among the sorted ones.
    fresh: HashSet<u32>,
}

impl Seen {
    pub(super) fn len(&self) -> usize {
        self.sorted.len() + self.fresh.len()
    }

    pub(super) fn contains(&self, number: u32) -> bool {
        self.fresh.contains(&number) || self.sorted.binary_search(&number).is_ok()
    }

    /// Takes a number in; whether it was not there.
    pub(super) fn insert(&mut self, number: u32) -> bool {
        let is_new = !self.contains(number);
        if is_new {
            self.fresh.insert(number);
            if self.fresh.len() > FRESH_MIN + self.sorted.len() / FRESH_PART {
                self.put_in_order();
            }
        }
        is_new
    }

    /// Merges the new ones with the others, from the end on, where they stand.
    fn put_in_order(&mut self) {
        let mut fresh: Vec<u32> = self.fresh.drain().collect();
        fresh.sort_unstable();
        let mut from = self.sorted.len();
        let mut to = from + fresh.len();
        self.sorted.reserve_exact(fresh.len());
        self.sorted.resize(to, 0);
        while let Some(&last) = fresh.last() {
            to -= 1;
            if from > 0 && self.sorted[from - 1] > last {
                from -= 1;
                self.sorted[to] = self.sorted[from];
            } else {
                self.sorted[to] = last;
                fresh.pop();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn agrees_with_a_plain_set(first in 0..3_000_u32, steps in prop::collection::vec(0..6_000_u32, 0..300)) {
            let (mut seen, mut model) = (Seen::default(), HashSet::new());
            // Enough that some are in order, some not.
            for number in (0..first).map(|number| number.wrapping_mul(7_919) % 6_000).chain(steps) {
                prop_assert_eq!(seen.contains(number), model.contains(&number));
                prop_assert_eq!(seen.insert(number), model.insert(number));
                prop_assert_eq!(seen.len(), model.len());
            }
            prop_assert!(seen.sorted.is_sorted_by(|one, next| one < next));
            prop_assert!((0..6_000).all(|number| seen.contains(number) == model.contains(&number)));
        }
    }
}
