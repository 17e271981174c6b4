//! Numbers found by 32 bits of a hash, in one array in the order of the hashes.
//!
//! A table whose places double when it is full is half empty afterwards. One in order grows by a quarter in a single pass
//! from one end to the other, which reads nothing but the array: so it takes 9 to 12 bytes a number, however many there are.

/// No number: the last hash with the last number.
const EMPTY: u64 = u64::MAX;
/// Of so many eighths of the places being taken it grows.
const FULL_EIGHTHS: usize = 7;
/// Up to so many places it doubles: what is small is to be made anew seldom.
const DOUBLING_MAX: usize = 1 << 12;
/// The fewest places.
const HOMES_MIN: usize = 16;
/// Room behind the last place, for what comes after those of the last hashes.
const TAIL: usize = 32;

/// See the module. Hashes must be spread over all 32 bits, by a secret where others choose what is hashed: numbers of one
/// hash, or of neighbours, stand one behind the other. [`u32::MAX`] is no number.
#[derive(Debug, Default)]
pub struct Hashed {
    /// Hash and number; a number stands at the place that its hash leads to, or behind it with no empty place between.
    places: Vec<u64>,
    /// How many places hashes lead to.
    homes: usize,
    count: usize,
}

impl Hashed {
    /// Empty, with room for so many numbers and some more.
    #[must_use]
    pub fn with_room(numbers: usize) -> Self {
        let mut hashed = Self::default();
        if numbers > 0 {
            hashed.spread_over(numbers + numbers / 4);
        }
        hashed
    }

    /// How many numbers there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// All numbers, by their hashes.
    pub fn iter(&self) -> impl Iterator<Item = u32> {
        self.places.iter().filter(|place| **place != EMPTY).map(|place| number_of(*place))
    }

    /// A number of this hash that is the one looked for.
    #[inline]
    pub fn find(&self, hash: u32, mut is_it: impl FnMut(u32) -> bool) -> Option<u32> {
        for &place in self.places.get(self.home(hash)..)? {
            // No place also comes after all of this hash.
            if place >= end_of(hash) {
                return None;
            }
            if hash_of(place) == hash && is_it(number_of(place)) {
                return Some(number_of(place));
            }
        }
        None
    }

    /// One number more of this hash.
    pub fn insert(&mut self, hash: u32, number: u32) {
        debug_assert_ne!(number, u32::MAX, "no number");
        if self.count * 8 >= self.homes * FULL_EIGHTHS {
            let more = if self.homes < DOUBLING_MAX { self.homes } else { self.homes / 4 };
            self.spread_over(HOMES_MIN.max(self.homes + more));
        }
        self.count += 1;
        let home = self.home(hash);
        let mut carried = place_of(hash, number);
        for place in &mut self.places[home..] {
            // Whatever comes after it moves on, up to the first empty place.
            if *place >= carried {
                std::mem::swap(place, &mut carried);
                if carried == EMPTY {
                    return;
                }
            }
        }
        self.places.push(carried);
    }

    /// Puts another number in the place of one of this hash; whether that was there.
    pub fn replace(&mut self, hash: u32, number: u32, by: u32) -> bool {
        let found = self.position(hash, number);
        if let Some(at) = found {
            self.places[at] = place_of(hash, by);
        }
        found.is_some()
    }

    /// Takes a number of this hash out; whether it was there.
    pub fn remove(&mut self, hash: u32, number: u32) -> bool {
        let Some(at) = self.position(hash, number) else { return false };
        self.count -= 1;
        // What stands behind its own place moves up.
        let behind = &self.places[at + 1..];
        let is_at_home =
            |(ahead, place): (usize, &u64)| *place == EMPTY || self.home(hash_of(*place)) == at + 1 + ahead;
        let end = at + 1 + behind.iter().enumerate().position(is_at_home).unwrap_or(behind.len());
        self.places.copy_within(at + 1..end, at);
        self.places[end - 1] = EMPTY;
        true
    }

    fn position(&self, hash: u32, number: u32) -> Option<usize> {
        let home = self.home(hash);
        let places = self.places.get(home..)?;
        let mut till_empty = places.iter().take_while(|place| **place < end_of(hash));
        till_empty.position(|place| *place == place_of(hash, number)).map(|ahead| home + ahead)
    }

    /// Where numbers of a hash begin.
    #[inline]
    fn home(&self, hash: u32) -> usize {
        // Less than `homes`, which are no more than some 2^32.
        ((u64::from(hash) * self.homes as u64) >> 32) as usize
    }

    fn spread_over(&mut self, homes: usize) {
        let before = std::mem::take(&mut self.places);
        self.homes = homes;
        let mut places = Vec::with_capacity(homes + TAIL);
        for place in before.into_iter().filter(|place| *place != EMPTY) {
            let home = self.home(hash_of(place));
            if places.len() < home {
                places.resize(home, EMPTY);
            }
            places.push(place);
        }
        if places.len() < homes {
            places.resize(homes, EMPTY);
        }
        self.places = places;
    }
}

#[inline]
fn place_of(hash: u32, number: u32) -> u64 {
    u64::from(hash) << 32 | u64::from(number)
}

/// What is before no place of a hash, and after none of the next.
#[inline]
fn end_of(hash: u32) -> u64 {
    place_of(hash, u32::MAX)
}

#[inline]
fn hash_of(place: u64) -> u32 {
    (place >> 32) as u32
}

#[inline]
fn number_of(place: u64) -> u32 {
    // The lower half.
    place as u32
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    /// Some fall on each other, some stand side by side, some at the ends, most anywhere.
    fn hash() -> impl Strategy<Value = u32> {
        prop_oneof![
            0..4_u32,
            (0..4_u32).prop_map(|near| u32::MAX - near),
            (0..8_u32).prop_map(|near| near << 29),
            any::<u32>()
        ]
    }

    proptest! {
        #[test]
        fn agrees_with_a_plain_set(steps in prop::collection::vec((hash(), 0..200_u32, 0..4_u8), 0..400), room in 0..40_usize) {
            let (mut hashed, mut model) = (Hashed::with_room(room), BTreeSet::new());
            for (hash, number, kind) in steps {
                // One that is there, or was, as a rule.
                let hash = if kind == 0 { hash } else { model.iter().nth(number as usize % 7).map_or(hash, |(hash, _)| *hash) };
                match kind {
                    0 | 1 if model.insert((hash, number)) => hashed.insert(hash, number),
                    2 => prop_assert_eq!(hashed.remove(hash, number), model.remove(&(hash, number))),
                    3 if !model.contains(&(hash, number + 200)) => {
                        let is_there = model.remove(&(hash, number));
                        prop_assert_eq!(hashed.replace(hash, number, number + 200), is_there);
                        model.extend(is_there.then_some((hash, number + 200)));
                    }
                    _ => {}
                }
                prop_assert_eq!(hashed.len(), model.len());
                prop_assert_eq!(hashed.find(hash, |found| found == number).is_some(), model.contains(&(hash, number)));
                let mut found = Vec::new();
                hashed.find(hash, |number| { found.push(number); false });
                found.sort_unstable();
                let expected: Vec<u32> = model.range((hash, 0)..=(hash, u32::MAX)).map(|(_, number)| *number).collect();
                prop_assert_eq!(found, expected);
            }
            let mut all: Vec<u32> = hashed.iter().collect();
            let mut expected: Vec<u32> = model.into_iter().map(|(_, number)| number).collect();
            all.sort_unstable();
            expected.sort_unstable();
            prop_assert_eq!(all, expected);
        }
    }

    #[test]
    fn many_that_come_and_go_while_it_grows_by_quarters_are_found_or_not() {
        let scattered = |number: u32| number.wrapping_mul(0x9E37_79B1);
        // Every eighth stands at one of the ends, where numbers of one hash come to stand behind the last place.
        let hash_of = |number: u32| match number % 8 {
            0 => u32::MAX - number % 64 / 16,
            _ => scattered(number),
        };
        let (mut hashed, mut model) = (Hashed::with_room(5_000), BTreeSet::new());
        for step in 0..60_000_u32 {
            // First they grow, then most go, then they grow again.
            let number = scattered(step).wrapping_mul(31) % 20_000;
            let is_there = hashed.find(hash_of(number), |found| found == number).is_some();
            assert_eq!(is_there, model.contains(&number));
            let goes = match step / 20_000 {
                1 => step % 4 != 0,
                _ => step % 4 == 0,
            };
            if goes {
                assert_eq!(hashed.remove(hash_of(number), number), model.remove(&number));
            } else if model.insert(number) {
                hashed.insert(hash_of(number), number);
            }
            assert_eq!(hashed.len(), model.len());
        }
        assert!((0..20_000).all(|number| {
            hashed.find(hash_of(number), |found| found == number).is_some() == model.contains(&number)
        }));
        let mut all: Vec<u32> = hashed.iter().collect();
        all.sort_unstable();
        assert!(all.into_iter().eq(model));
    }

    #[test]
    fn a_million_take_less_than_twelve_bytes_each_at_any_time() {
        let scattered = |number: u32| number.wrapping_mul(0x9E37_79B1);
        let mut hashed = Hashed::default();
        for number in 0..1_200_000 {
            hashed.insert(scattered(number), number);
            if number > DOUBLING_MAX as u32 && number % 1_000 == 0 {
                let each = hashed.places.capacity() as f64 * 8.0 / f64::from(number);
                assert!(each < 12.0, "{each} bytes, of {number}");
            }
        }
        assert!((0..1_200_000).all(|number| hashed.find(scattered(number), |found| found == number).is_some()));
    }
}
