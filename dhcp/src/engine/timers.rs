//! When something happens to a record by time alone.
//!
//! Nearly every deadline is put off before it comes, by a renewal, and that costs nothing here: each record has one entry,
//! at its deadline or before it, and an entry that comes too early is put where the record says by then, when its time has
//! come. So the first entry tells that nothing happens before it, not that something happens then. Far entries lie
//! unordered in slices of time, 4 bytes each; only those of the first slice are ordered.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use super::record::NEVER;

/// A slice of time has so many bits of milliseconds: some 16 seconds.
const SLICE_BITS: u32 = 14;
/// A slice is put back for an earlier one while it has at most so many entries: one lease that ends in years must not
/// have all others ordered.
const PUT_BACK_MAX: usize = 256;
/// Of so many ordered entries those that come too early are sorted out at once, which costs little: a small network is not
/// looked at in vain.
const FEW: usize = 64;
/// When the first entry's time has come, those of the next second are sorted out with it, so that nobody is woken for each.
const AHEAD_MS: u64 = 1_000;
/// So many entries are borne, beside two for each record, before they are sorted out.
const STALE_MIN: usize = 4096;

/// The slice of a record's entry; of one that has none, [`NO_SLICE`].
pub(super) type Slice = u32;
pub(super) const NO_SLICE: Slice = Slice::MAX;

/// What the timers ask of the records.
pub(super) trait Timed {
    /// When something is to happen to a record, in boot milliseconds; [`NEVER`]: not at all.
    fn deadline_ms(&self, slot: u32) -> u64;
    /// The slice of its entry.
    fn slice(&self, slot: u32) -> Slice;
    fn set_slice(&mut self, slot: u32, slice: Slice);
}

/// See the module. An entry of a slice that is not its record's (any more) counts for nothing.
#[derive(Debug, Default)]
pub(super) struct Timers {
    /// By deadline: the entries up to and with the slice `horizon`.
    near: BinaryHeap<Reverse<(u64, u32)>>,
    /// By slice: the others.
    far: BTreeMap<Slice, Vec<u32>>,
    horizon: Slice,
    entries: usize,
}

impl Timers {
    /// Before this time nothing happens (boot milliseconds); none: nothing ever does.
    pub(super) fn first(&self) -> Option<u64> {
        self.near.peek().map(|Reverse((at, _))| *at)
    }

    /// The slot of a record whose deadline has come by `now`: of those the earliest.
    pub(super) fn due(&mut self, now: u64, records: &mut impl Timed) -> Option<u32> {
        self.tidy_until(now.saturating_add(AHEAD_MS), records);
        self.near.peek().filter(|Reverse((at, _))| *at <= now).map(|Reverse((_, slot))| *slot)
    }

    /// Takes note of a record's deadline, which may be another than before.
    pub(super) fn changed(&mut self, slot: u32, records: &mut impl Timed) {
        self.note(slot, records);
        self.tidy_few(records);
    }

    /// A record that had a deadline has a later one now: its entry stands before it.
    pub(super) fn put_off(&mut self, records: &mut impl Timed) {
        self.tidy_few(records);
    }

    /// Whether there are many more entries than `records`, so that the owner is to make the timers anew.
    pub(super) fn is_stale(&self, records: usize) -> bool {
        self.entries > STALE_MIN + 2 * records
    }

    /// Takes note of many deadlines; [`Timers::tidy`] is to follow.
    pub(super) fn note(&mut self, slot: u32, records: &mut impl Timed) {
        let deadline = records.deadline_ms(slot);
        if deadline == NEVER {
            return;
        }
        let (slice, had) = (slice_of(deadline), records.slice(slot));
        // What has an entry before its deadline is looked at when that comes; one in the slice itself may lie after it.
        if had == NO_SLICE || slice < had || (slice == had && slice <= self.horizon) {
            self.insert(deadline, slot);
            records.set_slice(slot, slice);
        }
    }

    /// Has the first entry be the first deadline.
    pub(super) fn tidy(&mut self, records: &mut impl Timed) {
        self.tidy_until(u64::MAX, records);
    }

    fn tidy_few(&mut self, records: &mut impl Timed) {
        if self.near.len() <= FEW {
            self.tidy(records);
        }
    }

    /// The same for what comes up to `now`.
    fn tidy_until(&mut self, now: u64, records: &mut impl Timed) {
        loop {
            while let Some(&Reverse((at, slot))) = self.near.peek() {
                if at > now || records.deadline_ms(slot) == at {
                    return;
                }
                self.near.pop();
                self.entries -= 1;
                if records.slice(slot) == slice_of(at) {
                    records.set_slice(slot, NO_SLICE);
                    self.note(slot, records);
                }
            }
            let Some((slice, slots)) = self.far.pop_first() else { return };
            self.horizon = slice;
            self.entries -= slots.len();
            for slot in slots {
                if records.slice(slot) == slice {
                    records.set_slice(slot, NO_SLICE);
                    self.note(slot, records);
                }
            }
        }
    }

    fn insert(&mut self, deadline: u64, slot: u32) {
        let slice = slice_of(deadline);
        if slice < self.horizon && self.near.len() <= PUT_BACK_MAX {
            for Reverse((at, slot)) in self.near.drain() {
                self.far.entry(slice_of(at)).or_default().push(slot);
            }
            self.horizon = slice;
        }
        self.entries += 1;
        if slice <= self.horizon {
            self.near.push(Reverse((deadline, slot)));
        } else {
            self.far.entry(slice).or_default().push(slot);
        }
    }
}

fn slice_of(deadline_ms: u64) -> Slice {
    // Beyond some two thousand years all is one slice.
    Slice::try_from(deadline_ms >> SLICE_BITS).unwrap_or(NO_SLICE - 1).min(NO_SLICE - 1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Debug, Default)]
    struct Model(Vec<(u64, Slice)>);

    impl Timed for Model {
        fn deadline_ms(&self, slot: u32) -> u64 {
            self.0[slot as usize].0
        }

        fn slice(&self, slot: u32) -> Slice {
            self.0[slot as usize].1
        }

        fn set_slice(&mut self, slot: u32, slice: Slice) {
            self.0[slot as usize].1 = slice;
        }
    }

    proptest! {
        #[test]
        fn the_first_deadline_is_always_the_first(
            steps in prop::collection::vec((0..12_u32, 0..4_u8, any::<u32>(), prop::bool::weighted(0.1)), 0..600),
        ) {
            let (mut timers, mut model) = (Timers::default(), Model(vec![(NEVER, NO_SLICE); 12]));
            for (slot, kind, number, asks) in steps {
                let deadline = match kind {
                    0 => NEVER,
                    // In one slice, in few, and anywhere.
                    1 => 1 + u64::from(number % 16_000),
                    2 => 1 + u64::from(number % 200_000),
                    _ => 1 + (u64::from(number) << (number % 32)),
                };
                let before = std::mem::replace(&mut model.0[slot as usize].0, deadline);
                if before != NEVER && deadline >= before {
                    timers.put_off(&mut model);
                } else {
                    timers.changed(slot, &mut model);
                }
                let first = model.0.iter().map(|(deadline, _)| *deadline).filter(|deadline| *deadline != NEVER).min();
                match first {
                    None => prop_assert!(timers.first().is_none() || timers.near.len() > FEW),
                    Some(first) => prop_assert!(timers.first().is_some_and(|at| at <= first)),
                }
                if timers.near.len() <= FEW {
                    prop_assert_eq!(timers.first(), first);
                }
                if asks && let Some(first) = first {
                    prop_assert_eq!(timers.due(first - 1, &mut model), None);
                    let due = timers.due(first, &mut model).map(|slot| model.deadline_ms(slot));
                    prop_assert_eq!(due, Some(first));
                }
            }
        }
    }

    #[test]
    fn deadlines_that_are_put_off_cost_no_entries() {
        let (mut timers, mut model) = (Timers::default(), Model(vec![(NEVER, NO_SLICE); 1000]));
        for round in 1..50 {
            for slot in 0..1000 {
                model.0[slot as usize].0 = 3_600_000 + round * 60_000 + u64::from(slot);
                timers.changed(slot, &mut model);
            }
        }
        assert!(timers.entries <= 1100, "{} entries", timers.entries);
    }

    #[test]
    fn deadlines_that_come_nearer_again_and_again_are_seen_to_pile_up() {
        let (mut timers, mut model) = (Timers::default(), Model(vec![(NEVER, NO_SLICE); 2]));
        model.0[0].0 = 1;
        timers.changed(0, &mut model);
        for round in (1..10_000_u64).rev() {
            model.0[1].0 = round << SLICE_BITS;
            timers.changed(1, &mut model);
        }
        assert!(timers.is_stale(2));
    }
}
