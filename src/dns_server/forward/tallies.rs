//! What each block list blocked: how often, and which names most.
//!
//! Of each list so many names are counted and no more: a new one takes the place of the one that was seen least and goes on
//! from its count ("space saving"), so that a name that comes often is never missed. What it took over is told of no name:
//! none is said to have been seen more often than it was.

use std::collections::HashMap;
use std::sync::Mutex;

use dns::Fqdn;

use super::lock;

/// Names counted of one list.
const NAMES_MAX: usize = 128;
/// Names told of one list.
const TOLD_MAX: usize = 5;

/// By the lists' names.
#[derive(Debug, Default)]
pub(super) struct Tallies(Mutex<HashMap<String, Tally>>);

#[derive(Debug, Default)]
struct Tally {
    count: u64,
    names: HashMap<Box<[u8]>, Seen>,
}

/// How often a name was seen.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    count: u64,
    /// So much of it was taken over.
    taken_over: u64,
}

impl Tallies {
    /// A list blocked something; `name` (wire form, lower case): none where names are not remembered.
    pub(super) fn note(&self, list: &str, name: Option<&[u8]>) {
        let mut tallies = lock(&self.0);
        if !tallies.contains_key(list) {
            tallies.insert(list.to_owned(), Tally::default());
        }
        let Some(tally) = tallies.get_mut(list) else { return };
        tally.count += 1;
        match name {
            Some(name) => tally.note(name),
            // None are to be remembered, and none that were.
            None => tally.names = HashMap::new(),
        }
    }

    /// Forgets lists that are not there any more.
    pub(super) fn keep(&self, is_there: impl Fn(&str) -> bool) {
        lock(&self.0).retain(|list, _| is_there(list));
    }

    /// How often a list blocked, and what most, the most first.
    pub(super) fn of(&self, list: &str) -> (u64, Vec<(String, u64)>) {
        let tallies = lock(&self.0);
        let Some(tally) = tallies.get(list) else { return (0, Vec::new()) };
        let shown = |name: &[u8]| Fqdn::from_wire(name).map(|name| name.to_string().trim_end_matches('.').to_owned());
        let mut most: Vec<(String, u64)> = tally
            .names
            .iter()
            .filter_map(|(name, seen)| Some((shown(name).ok()?, seen.count - seen.taken_over)))
            .collect();
        most.sort_by(|(one, ones), (other, others)| others.cmp(ones).then_with(|| one.cmp(other)));
        most.truncate(TOLD_MAX);
        (tally.count, most)
    }
}

impl Tally {
    fn note(&mut self, name: &[u8]) {
        if let Some(seen) = self.names.get_mut(name) {
            seen.count += 1;
            return;
        }
        let least = match self.names.len() < NAMES_MAX {
            true => None,
            false => {
                self.names.iter().min_by_key(|(_, seen)| seen.count).map(|(name, seen)| (name.clone(), seen.count))
            }
        };
        let taken_over = least.map_or(0, |(name, count)| {
            self.names.remove(&name);
            count
        });
        self.names.insert(name.into(), Seen { count: taken_over + 1, taken_over });
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
mod tests {
    use super::*;

    #[test]
    fn what_a_list_blocks_most_is_known_however_much_it_blocks() {
        let tallies = Tallies::default();
        let name = |text: &str| text.parse::<Fqdn>().unwrap();
        for number in 0..10_000 {
            tallies.note("ads", Some(name(&format!("n{number}.example")).as_wire()));
            if number % 20 == 0 {
                tallies.note("ads", Some(name("often.example").as_wire()));
            }
        }
        tallies.note("other", None);
        let (count, most) = tallies.of("ads");
        assert_eq!((count, most.len(), most[0].0.as_str()), (10_500, TOLD_MAX, "often.example"));
        assert!((300..=500).contains(&most[0].1) && most[1].1 < 10, "never too often: {most:?}");
        assert_eq!(tallies.of("other"), (1, Vec::new()));
        assert_eq!(tallies.of("none"), (0, Vec::new()));
        assert!(lock(&tallies.0)["ads"].names.len() <= NAMES_MAX);
        tallies.note("ads", None);
        assert_eq!(tallies.of("ads"), (10_501, Vec::new()), "no names are to be remembered any more");
        tallies.keep(|list| list == "ads");
        assert_eq!(tallies.of("other").0, 0);
    }
}
