//! A set of numbers that only grows, in little memory.

use std::collections::HashSet;

/// So many new ones, beside a part of all, wait before they are put in order with the others.
const FRESH_MIN: usize = 1_024;
/// That part: each number is so often moved on the way, as a rule.
const FRESH_PART: usize = 16;
/// Where a number is not where it is looked for, so many others beside are looked at next, then twice as many.
const STEP: usize = 8;

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
        self.fresh.contains(&number) || is_among(&self.sorted, number)
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

/// Whether a number is among these, which are in their order. They are hashes, spread evenly as a rule, so that it is looked
/// for where it would be if they were: most of what a search by halves looks at has to be waited for.
fn is_among(sorted: &[u32], number: u32) -> bool {
    let place = |number: i64| (number * sorted.len() as i64) >> u32::BITS;
    let guess = place(number.into());
    let Some(&there) = usize::try_from(guess).ok().and_then(|at| sorted.get(at)) else { return false };
    // By how much it is off there.
    let guess = guess + place(i64::from(number) - i64::from(there));
    let at = usize::try_from(guess).unwrap_or(0).min(sorted.len() - 1);
    let (mut low, mut high) = (at, at + 1);
    let mut step = STEP;
    while low > 0 && sorted[low] > number {
        (low, step) = (low.saturating_sub(step), step * 2);
    }
    step = STEP;
    while high < sorted.len() && sorted[high - 1] < number {
        (high, step) = ((high + step).min(sorted.len()), step * 2);
    }
    sorted[low..high].binary_search(&number).is_ok()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_number_is_found_however_they_are_spread(
            numbers in prop::collection::btree_set(any::<u32>(), 0..300),
            shift in 0..32_u32,
            others in prop::collection::vec(any::<u32>(), 0..50),
        ) {
            // All over, in a heap at either end, or with ends that stand alone.
            let spreads: [fn(u32, u32) -> u32; 2] = [|number, shift| number >> shift, |number, shift| !(number >> shift)];
            for spread in spreads {
                let set: BTreeSet<u32> = numbers.iter().map(|number| spread(*number, shift)).chain([0, u32::MAX]).collect();
                for set in [set.clone(), set.into_iter().skip(1).collect()] {
                    let sorted: Vec<u32> = set.iter().copied().collect();
                    prop_assert!(sorted.iter().all(|number| is_among(&sorted, *number)));
                    for other in others.iter().flat_map(|other| [*other, spread(*other, shift)]).chain([0, 1, u32::MAX - 1]) {
                        prop_assert_eq!(is_among(&sorted, other), set.contains(&other));
                    }
                }
            }
            prop_assert!(!is_among(&[], shift));
        }

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
