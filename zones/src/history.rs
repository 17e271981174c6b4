//! The past of a zone, bounded: its last differences, each beginning where the one before ended. What the pasts of all zones
//! may take together is bounded in [`all`].

mod all;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use dns::Fqdn;

use crate::Difference;

pub use all::{AllHistories, Cut};

/// The differences of one zone, oldest first.
#[derive(Clone, Debug, Default)]
pub struct History {
    steps: VecDeque<Step>,
    /// What they take in memory, about.
    cost: usize,
}

/// A difference, and when it came: the how manieth of all zones. 0: it was loaded.
#[derive(Clone, Debug)]
struct Step {
    difference: Arc<Difference>,
    age: u64,
}

/// The history of each zone, by its apex.
pub type Histories = HashMap<Fqdn, History>;

impl History {
    /// How many differences are kept of one zone.
    pub const DIFFERENCES_MAX: usize = 20_000;
    /// About how many octets they may take in memory.
    pub const COST_MAX: usize = 4 * 1024 * 1024;

    /// The history of a zone that has `serial` now, from what was stored of it in any order: as far back as one leads to
    /// the next. Returns too which stored ones are of no use, by the serial after them.
    #[must_use]
    pub fn load(stored: Vec<Difference>, serial: u32) -> (Self, Vec<u32>) {
        let mut by_after: HashMap<u32, Difference> =
            stored.into_iter().map(|difference| (difference.serial_after, difference)).collect();
        let mut history = Self::default();
        let mut at = serial;
        while history.steps.len() < Self::DIFFERENCES_MAX
            && let Some(difference) = by_after.remove(&at)
        {
            if history.cost + difference.cost() > Self::COST_MAX {
                by_after.insert(at, difference);
                break;
            }
            at = difference.serial_before;
            history.cost += difference.cost();
            history.steps.push_front(Step { difference: Arc::new(difference), age: 0 });
        }
        let mut unused: Vec<u32> = by_after.into_keys().collect();
        unused.sort_unstable();
        (history, unused)
    }

    /// Adds the newest. Returns which are kept no more, by the serial after them: the oldest, when there are too many; all,
    /// when this one does not begin where they end.
    pub fn push(&mut self, difference: Arc<Difference>) -> Vec<u32> {
        self.push_aged(difference, 0)
    }

    fn push_aged(&mut self, difference: Arc<Difference>, age: u64) -> Vec<u32> {
        let mut cut = Vec::new();
        if self.steps.back().is_some_and(|last| last.difference.serial_after != difference.serial_before) {
            cut.extend(self.steps.drain(..).map(|old| old.difference.serial_after));
            self.cost = 0;
        }
        self.cost += difference.cost();
        self.steps.push_back(Step { difference, age });
        while self.steps.len() > Self::DIFFERENCES_MAX || self.cost > Self::COST_MAX {
            let Some(oldest) = self.pop_oldest() else { break };
            cut.push(oldest);
        }
        cut
    }

    /// Forgets the oldest; which it was, by the serial after it.
    fn pop_oldest(&mut self) -> Option<u32> {
        let oldest = self.steps.pop_front()?.difference;
        self.cost -= oldest.cost();
        Some(oldest.serial_after)
    }

    /// Forgets what came after `serial`: it was not stored.
    pub fn take_back(&mut self, serial: u32) {
        while let Some(last) = self.steps.pop_back_if(|last| last.difference.serial_after != serial) {
            self.cost -= last.difference.cost();
        }
    }

    /// The steps from one serial to another, oldest first; `None`: it does not reach so far back, or one is unknown.
    #[must_use]
    pub fn between(&self, from: u32, to: u32) -> Option<Vec<Arc<Difference>>> {
        self.between_within(from, to, usize::MAX)
    }

    /// The same where that are so many steps at most; others are not looked for.
    #[must_use]
    pub fn between_within(&self, from: u32, to: u32, most: usize) -> Option<Vec<Arc<Difference>>> {
        let end = self.differences().rposition(|difference| difference.serial_after == to)?;
        let before = (end + 1).saturating_sub(most);
        let mut near = self.steps.range(before..=end);
        let begin = before + near.rposition(|step| step.difference.serial_before == from)?;
        Some(self.steps.range(begin..=end).map(|step| Arc::clone(&step.difference)).collect())
    }

    /// The serial that it reaches back to.
    #[must_use]
    pub fn reaches_back_to(&self) -> Option<u32> {
        self.steps.front().map(|oldest| oldest.difference.serial_before)
    }

    /// All of them, oldest first.
    pub fn differences(&self) -> impl DoubleEndedIterator<Item = &Arc<Difference>> + ExactSizeIterator + '_ {
        self.steps.iter().map(|step| &step.difference)
    }

    /// The serials after each, oldest first.
    pub fn serials(&self) -> impl Iterator<Item = u32> + '_ {
        self.differences().map(|difference| difference.serial_after)
    }

    /// What they take in memory, about, in octets.
    #[must_use]
    pub fn cost(&self) -> usize {
        self.cost
    }

    /// How many differences there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.steps.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use dns::{Rdata, RecordType};

    use super::*;
    use crate::difference::DifferenceWriter;

    fn step(before: u32, after: u32, octets: usize) -> Difference {
        let mut writer = DifferenceWriter::default();
        writer.push(&Fqdn::root(), RecordType(65280), 1, &[Rdata(vec![0; octets].into())]);
        writer.finish(before, after)
    }

    fn of(steps: impl IntoIterator<Item = (u32, u32)>) -> History {
        let mut history = History::default();
        for (before, after) in steps {
            assert!(history.push(Arc::new(step(before, after, 1))).is_empty());
        }
        history
    }

    #[test]
    fn it_leads_from_any_of_its_serials_to_a_later_one() {
        let history = of([(u32::MAX, 1), (1, 2), (2, 100)]);
        let serials = |from, to| {
            let steps = history.between(from, to)?;
            Some(steps.iter().map(|step| step.serial_after).collect::<Vec<u32>>())
        };
        assert_eq!(serials(u32::MAX, 100), Some(vec![1, 2, 100]), "serials wrap and leap");
        assert_eq!(serials(1, 2), Some(vec![2]), "a snapshot may be older than the newest step");
        for (from, to) in [(3, 100), (1, 99), (100, 2), (2, 1), (100, 100)] {
            assert_eq!(serials(from, to), None, "{from} to {to}");
        }
        assert_eq!(history.reaches_back_to(), Some(u32::MAX));
    }

    #[test]
    fn what_is_farther_than_so_many_steps_is_not_looked_for() {
        let history = of((0..100).map(|serial| (serial, serial + 1)));
        let steps = |from, most| history.between_within(from, 90, most).map(|steps| steps.len());
        assert_eq!((steps(58, 32), steps(57, 32), steps(89, 1)), (Some(32), None, Some(1)));
        assert_eq!((steps(89, 0), steps(0, usize::MAX), steps(0, 90)), (None, Some(90), Some(90)));
    }

    #[test]
    fn it_is_bounded_by_number_and_by_octets_and_tells_what_it_drops() {
        let mut history = of((0..History::DIFFERENCES_MAX as u32).map(|serial| (serial, serial + 1)));
        let newest = History::DIFFERENCES_MAX as u32;
        assert_eq!(history.push(Arc::new(step(newest, newest + 1, 1))), [1]);
        assert_eq!(history.len(), History::DIFFERENCES_MAX);
        let mut history = History::default();
        let octets = 60_000;
        let cuts = (0..200).map(|serial| history.push(Arc::new(step(serial, serial + 1, octets))).len());
        assert!(cuts.sum::<usize>() > 100 && history.len() > 60);
        assert!(history.len() * octets <= History::COST_MAX);
        let begun = history.reaches_back_to().unwrap();
        assert!(history.between(begun, 200).is_some() && history.between(begun - 1, 200).is_none());
    }

    #[test]
    fn a_step_that_does_not_follow_ends_what_was_before() {
        let mut history = of([(1, 2), (2, 3)]);
        assert_eq!(history.push(Arc::new(step(7, 8, 1))), [2, 3]);
        assert_eq!((history.len(), history.between(7, 8).is_some()), (1, true));
    }

    #[test]
    fn what_was_not_stored_is_forgotten() {
        let mut history = of([(1, 2), (2, 3), (3, 4)]);
        history.take_back(2);
        assert_eq!(history.len(), 1);
        assert!(history.push(Arc::new(step(2, 3, 1))).is_empty());
        history.take_back(9);
        assert!(history.is_empty());
    }

    #[test]
    fn what_was_stored_is_loaded_as_far_as_it_leads_to_now() {
        let steps = || vec![step(5, 6, 1), step(1, 2, 1), step(3, 5, 1), step(2, 4, 1)];
        let (history, unused) = History::load(steps(), 6);
        assert_eq!((history.reaches_back_to(), history.len(), unused), (Some(3), 2, vec![2, 4]));
        let (history, unused) = History::load(steps(), 7);
        assert!(history.is_empty() && unused == [2, 4, 5, 6]);
        let (history, unused) = History::load((0..200).map(|serial| step(serial, serial + 1, 60_000)).collect(), 200);
        assert!(history.between(199, 200).is_some() && history.len() + unused.len() == 200 && unused.len() > 100);
    }
}
