//! The pasts of all zones, bounded together.
//!
//! Of all zones the oldest steps go first: whoever was away for a while finds the past of each zone to reach back as far in
//! time. But a zone that changes all the time would leave the others nothing, so half of the room is theirs in equal parts:
//! a zone within its part loses no step to another.

use std::collections::BTreeSet;
use std::mem;
use std::sync::Arc;

use dns::Fqdn;

use super::{Histories, History};
use crate::Difference;

/// See the module.
#[derive(Clone, Debug, Default)]
pub struct AllHistories {
    by_zone: Histories,
    /// Of each zone that has more than its part the age of its oldest step: from the first of them it goes.
    spare: BTreeSet<(u64, Fqdn)>,
    /// What all take in memory, about.
    cost: usize,
    /// How many steps were ever added here.
    age: u64,
    /// What no zone loses to others.
    part: usize,
    /// How many steps went since others took their room.
    crowded_out: u64,
}

/// The age of the newest step that is loaded.
const LOADED: u64 = History::DIFFERENCES_MAX as u64;

/// A step of a zone that is kept no more, by the serial after it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cut {
    /// What the zone is known by; see [`crate::zone_id`].
    pub zone: Fqdn,
    /// The serial after the step.
    pub serial_after: u32,
}

impl AllHistories {
    /// About how many octets the pasts of all zones may take in memory together.
    pub const COST_MAX: usize = 16 * 1024 * 1024;
    /// So many steps of other zones go with one that comes: of a store of older versions there may be far too many, and their
    /// rows go in one transaction.
    const CUT_MAX: usize = 64;

    /// These, as they were loaded: what is too much goes with the next changes.
    #[must_use]
    pub fn new(by_zone: Histories) -> Self {
        let mut all = Self { by_zone, age: LOADED, ..Self::default() };
        all.cost = all.by_zone.values().map(History::cost).sum();
        for history in all.by_zone.values_mut() {
            for (step, age) in history.steps.iter_mut().rev().zip((1..=LOADED).rev()) {
                // When it came is not stored: as if all zones had changed in turns.
                step.age = if step.age == 0 { age } else { step.age };
                all.age = all.age.max(step.age);
            }
        }
        all.sort();
        all
    }

    /// Each by its zone.
    #[must_use]
    pub fn by_zone(&self) -> &Histories {
        &self.by_zone
    }

    /// What all take in memory, about, in octets.
    #[must_use]
    pub fn cost(&self) -> usize {
        self.cost
    }

    /// The same of another configuration in place of these.
    pub fn replace(&mut self, by_zone: Histories) {
        *self = Self { crowded_out: self.crowded_out, ..Self::new(by_zone) };
    }

    /// How many steps were ever forgotten since others took their room.
    #[must_use]
    pub fn crowded_out(&self) -> u64 {
        self.crowded_out
    }

    /// Adds the newest step of a zone. Returns which are kept no more, of this zone and of others.
    pub fn push(&mut self, zone: &Fqdn, difference: Arc<Difference>) -> Vec<Cut> {
        self.age += 1;
        let age = self.age;
        let own = self.change(zone, |history| history.push_aged(difference, age));
        let mut cut: Vec<Cut> = own.into_iter().map(|serial_after| Cut { zone: zone.clone(), serial_after }).collect();
        for _ in 0..Self::CUT_MAX {
            if self.cost <= Self::COST_MAX {
                break;
            }
            let Some((_, zone)) = self.spare.first().cloned() else { break };
            let oldest = self.change(&zone, History::pop_oldest);
            self.crowded_out += 1;
            cut.extend(oldest.map(|serial_after| Cut { zone, serial_after }));
        }
        cut
    }

    /// Forgets the past of a zone; which steps those were, by the serial after them.
    pub fn forget(&mut self, zone: &Fqdn) -> Vec<u32> {
        self.change(zone, mem::take).serials().collect()
    }

    /// Forgets what came after the serial that `now` tells of each zone: it was not stored.
    pub fn take_back(&mut self, now: impl Fn(&Fqdn) -> u32) {
        let zones: Vec<Fqdn> = self.by_zone.keys().cloned().collect();
        for zone in zones {
            self.change(&zone, |history| history.take_back(now(&zone)));
        }
    }

    fn change<R>(&mut self, zone: &Fqdn, change: impl FnOnce(&mut History) -> R) -> R {
        if !self.by_zone.contains_key(zone) {
            self.by_zone.insert(zone.clone(), History::default());
            self.sort();
        }
        let history = self.by_zone.entry(zone.clone()).or_default();
        let key = |history: &History| history.steps.front().map(|oldest| (oldest.age, zone.clone()));
        if let Some(key) = key(history) {
            self.spare.remove(&key);
        }
        self.cost -= history.cost;
        let changed = change(history);
        self.cost += history.cost;
        if history.cost > self.part {
            self.spare.extend(key(history));
        }
        changed
    }

    /// Where there is another number of zones, each has another part. In great steps, so that many new zones are seldom sorted.
    fn sort(&mut self) {
        let part = Self::COST_MAX / 2 / self.by_zone.len().next_power_of_two();
        if mem::replace(&mut self.part, part) == part {
            return;
        }
        let more = self.by_zone.iter().filter(|(_, history)| history.cost > part);
        self.spare = more.filter_map(|(zone, history)| Some((history.steps.front()?.age, zone.clone()))).collect();
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use dns::{Rdata, RecordType};

    use super::*;
    use crate::difference::DifferenceWriter;

    /// What a step of these tests takes.
    const STEP: usize = 32 * 1024;

    fn zone(number: usize) -> Fqdn {
        format!("z{number}.example").parse().unwrap()
    }

    fn step(before: u32) -> Arc<Difference> {
        let mut writer = DifferenceWriter::default();
        writer.push(&Fqdn::root(), RecordType(65_280), 1, &[Rdata(vec![0; STEP].into())]);
        Arc::new(writer.finish(before, before + 1))
    }

    /// Of each zone how many steps are kept.
    fn kept(all: &AllHistories, zones: usize) -> Vec<usize> {
        (0..zones).map(|number| all.by_zone()[&zone(number)].len()).collect()
    }

    fn checked(all: &AllHistories) {
        assert_eq!(all.cost(), all.by_zone().values().map(History::cost).sum::<usize>());
        for (zone, history) in all.by_zone() {
            let front = history.steps.front().map(|oldest| (oldest.age, zone.clone()));
            let is_spare = front.is_some_and(|key| all.spare.contains(&key));
            assert_eq!(is_spare, history.cost() > all.part, "{zone}");
        }
        assert!(all.spare.len() <= all.by_zone().len());
    }

    #[test]
    fn all_zones_together_are_bounded_and_the_oldest_steps_go_first() {
        const ZONES: usize = 8;
        let mut all = AllHistories::default();
        let mut gone = Vec::new();
        for nth in 0..2 * AllHistories::COST_MAX / STEP {
            gone.extend(all.push(&zone(nth % ZONES), step((nth / ZONES) as u32)));
            assert!(all.cost() <= AllHistories::COST_MAX);
        }
        checked(&all);
        let kept = kept(&all, ZONES);
        assert!(kept.iter().max().unwrap() - kept.iter().min().unwrap() <= 1, "as far back in time each: {kept:?}");
        assert_eq!(kept.iter().sum::<usize>() + gone.len(), 2 * AllHistories::COST_MAX / STEP);
        assert_eq!(all.crowded_out(), gone.len() as u64);
        let turns: Vec<u32> = gone.iter().map(|cut| cut.serial_after).collect();
        assert!(turns.is_sorted(), "{turns:?}");
        assert!(gone.iter().any(|cut| cut.zone == zone(0)) && gone.iter().any(|cut| cut.zone == zone(7)));
    }

    #[test]
    fn a_zone_that_seldom_changes_keeps_its_part() {
        let mut all = AllHistories::default();
        for serial in 0..3 {
            assert!(all.push(&zone(0), step(serial)).is_empty());
        }
        for nth in 0..4 * AllHistories::COST_MAX / STEP {
            let cut = all.push(&zone(1 + nth % 7), step((nth / 7) as u32));
            assert!(cut.iter().all(|cut| cut.zone != zone(0)));
        }
        checked(&all);
        assert!(all.cost() <= AllHistories::COST_MAX && all.by_zone()[&zone(0)].between(0, 3).is_some());
        // With many more zones the parts are smaller, and what is older than all others goes.
        for number in 8..400 {
            all.push(&zone(number), step(0));
        }
        for nth in 0..AllHistories::COST_MAX / STEP {
            all.push(&zone(1 + nth % 7), step(1_000_000 + (nth / 7) as u32));
        }
        checked(&all);
        assert!(all.cost() <= AllHistories::COST_MAX && all.by_zone()[&zone(0)].len() < 3);
    }

    #[test]
    fn what_was_loaded_beyond_the_bound_goes_bit_by_bit_and_before_what_came_since() {
        let loaded = (0..10).map(|number| {
            let mut history = History::default();
            for serial in 0..(History::COST_MAX / STEP - 1) as u32 {
                assert!(history.push(step(serial)).is_empty());
            }
            (zone(number), history)
        });
        let mut all = AllHistories::new(loaded.collect());
        checked(&all);
        assert!(all.cost() > 2 * AllHistories::COST_MAX);
        let mut changes = 0;
        while all.cost() > AllHistories::COST_MAX {
            let cut = all.push(&zone(99), step(changes));
            assert!(!cut.is_empty() && cut.len() <= AllHistories::CUT_MAX);
            assert!(cut.iter().all(|cut| cut.zone != zone(99)));
            changes += 1;
        }
        checked(&all);
        assert!(changes > 3 && all.by_zone()[&zone(99)].len() == changes as usize);
        let left = kept(&all, 10);
        assert!(left.iter().max().unwrap() - left.iter().min().unwrap() <= 1, "of all alike: {left:?}");
        // A new configuration brings them again.
        let mut again = all.clone();
        again.replace(all.by_zone().clone());
        checked(&again);
        assert_eq!((again.age, again.crowded_out()), (all.age, all.crowded_out()));
    }

    #[test]
    fn a_past_that_is_forgotten_or_taken_back_leaves_its_room_to_others() {
        let mut all = AllHistories::default();
        for serial in 0..100 {
            all.push(&zone(0), step(serial));
            all.push(&zone(1), step(serial));
        }
        all.take_back(|id| if *id == zone(0) { 60 } else { 100 });
        checked(&all);
        assert_eq!(kept(&all, 2), [60, 100]);
        assert_eq!(all.forget(&zone(1)).len(), 100);
        checked(&all);
        assert_eq!(kept(&all, 2), [60, 0]);
        assert!(all.push(&zone(1), step(500)).is_empty());
        assert_eq!(all.forget(&zone(7)), []);
        checked(&all);
    }
}
