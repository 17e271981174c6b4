//! A set of small numbers as a tree of bitmaps.

/// A set of numbers below a fixed bound. A tree of 64-bit words: bit `i` of a level says whether word `i` of the
/// level beneath holds anything. Every operation touches one word a level, so it costs at most six of them, however
/// many numbers there are and however few of them are in the set. Takes one bit a number, and a sixty-third of that
/// again for the upper levels.
#[derive(Debug)]
pub(super) struct Bitmap {
    /// From the leaves up; the last level is a single word (or nothing, for an empty bound).
    levels: Vec<Box<[u64]>>,
    count: usize,
}

impl Bitmap {
    /// Holds every number below `bound`.
    pub(super) fn full(bound: usize) -> Self {
        let mut levels = Vec::new();
        let mut bits = bound;
        while bits > 0 {
            let mut words = vec![u64::MAX; bits.div_ceil(64)].into_boxed_slice();
            if let (Some(last), 1..) = (words.last_mut(), bits % 64) {
                *last = (1 << (bits % 64)) - 1;
            }
            bits = if words.len() > 1 { words.len() } else { 0 };
            levels.push(words);
        }
        Self { levels, count: bound }
    }

    /// How many numbers it holds.
    pub(super) fn len(&self) -> usize {
        self.count
    }

    #[cfg(test)]
    fn contains(&self, number: usize) -> bool {
        self.levels
            .first()
            .and_then(|words| words.get(number / 64))
            .is_some_and(|word| word & (1 << (number % 64)) != 0)
    }

    /// Adds a number; one at or over the bound is ignored.
    pub(super) fn insert(&mut self, number: usize) {
        let mut at = number;
        for (height, level) in self.levels.iter_mut().enumerate() {
            let Some(word) = level.get_mut(at / 64) else { return };
            let before = *word;
            *word |= 1 << (at % 64);
            if height == 0 {
                self.count += usize::from(*word != before);
            }
            if before != 0 {
                return;
            }
            at /= 64;
        }
    }

    /// Takes a number out.
    pub(super) fn remove(&mut self, number: usize) {
        let mut at = number;
        for (height, level) in self.levels.iter_mut().enumerate() {
            let Some(word) = level.get_mut(at / 64) else { return };
            let before = *word;
            *word &= !(1 << (at % 64));
            if height == 0 {
                self.count -= usize::from(*word != before);
            }
            if *word != 0 {
                return;
            }
            at /= 64;
        }
    }

    /// The least number in the set that is not below `start`.
    pub(super) fn first_from(&self, start: usize) -> Option<usize> {
        let mut at = start;
        for (height, level) in self.levels.iter().enumerate() {
            let word = at / 64;
            let bits = level.get(word)? & (u64::MAX << (at % 64));
            if bits != 0 {
                let found = word * 64 + bits.trailing_zeros() as usize;
                return Some(self.least_beneath(height, found));
            }
            at = word + 1;
        }
        None
    }

    /// The least number under bit `at` of the level at `height`, which is set.
    fn least_beneath(&self, height: usize, mut at: usize) -> usize {
        for level in self.levels[..height].iter().rev() {
            at = at * 64 + level[at].trailing_zeros() as usize;
        }
        at
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]
        #[test]
        fn agrees_with_a_plain_set(
            bound in 0_usize..9_000,
            steps in prop::collection::vec((any::<bool>(), any::<prop::sample::Index>()), 0..400),
        ) {
            let mut bitmap = Bitmap::full(bound);
            let mut model: BTreeSet<usize> = (0..bound).collect();
            // Runs are emptied too, so that upper levels change.
            for low in (0..bound).step_by(3).filter(|low| low % 5 != 0) {
                bitmap.remove(low);
                model.remove(&low);
            }
            for (insert, index) in steps {
                if bound == 0 {
                    break;
                }
                let number = index.index(bound);
                if insert {
                    bitmap.insert(number);
                    model.insert(number);
                } else {
                    let end = (number + 130).min(bound);
                    for number in number..end {
                        bitmap.remove(number);
                        model.remove(&number);
                    }
                }
                prop_assert_eq!(bitmap.len(), model.len());
                prop_assert_eq!(bitmap.contains(number), model.contains(&number));
                prop_assert_eq!(bitmap.first_from(number), model.range(number..).next().copied());
            }
            prop_assert_eq!(bitmap.first_from(0), model.first().copied());
            prop_assert_eq!(bitmap.first_from(bound), None);
        }
    }

    #[test]
    fn the_last_of_a_million_is_found() {
        let mut bitmap = Bitmap::full(1 << 20);
        (0..(1 << 20) - 1).for_each(|number| bitmap.remove(number));
        assert_eq!((bitmap.len(), bitmap.first_from(0)), (1, Some((1 << 20) - 1)));
        bitmap.remove((1 << 20) - 1);
        assert_eq!((bitmap.len(), bitmap.first_from(0)), (0, None));
    }
}
