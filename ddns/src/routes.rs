//! The zones that are kept, found by the names that are in them.

use std::ops::Deref;

use dns::Fqdn;
use dns::name::quick_hash;
use hashbrown::HashTable;

use crate::settings::ZoneRoute;

/// Zones in the order in which they were given, with an index by their apexes: every message asks several times which zone
/// a name is in, and a prefix can have many reverse zones.
#[derive(Clone, Debug, Default)]
pub struct Routes {
    all: Vec<ZoneRoute>,
    by_apex: HashTable<u32>,
    /// A bit for each length of an apex, in octets of wire form: ends of a name that have another are not looked for.
    lengths: [u64; 4],
}

impl Routes {
    /// The place of the zone with the longest apex that `name` is within.
    #[must_use]
    pub fn place_of(&self, name: &Fqdn) -> Option<usize> {
        self.place_of_wire(name.as_wire())
    }

    /// The same of a name in wire form and lower case.
    #[must_use]
    pub fn place_of_wire(&self, name: &[u8]) -> Option<usize> {
        let mut rest = name;
        loop {
            if let Some(place) = self.place_of_apex(rest) {
                return Some(place);
            }
            let (first, _) = rest.split_first().filter(|(length, _)| **length != 0)?;
            rest = rest.get(usize::from(*first) + 1..)?;
        }
    }

    /// Whether a zone has this apex.
    #[must_use]
    pub fn has_apex(&self, name: &Fqdn) -> bool {
        self.place_of_apex(name.as_wire()).is_some()
    }

    fn place_of_apex(&self, apex: &[u8]) -> Option<usize> {
        let is_length = self.lengths.get(apex.len() / 64).is_some_and(|word| word >> (apex.len() % 64) & 1 == 1);
        if !is_length {
            return None;
        }
        let is_it = |place: &u32| self.all[*place as usize].apex.as_wire() == apex;
        self.by_apex.find(quick_hash(apex), is_it).map(|place| *place as usize)
    }

    /// Changes which zones there are.
    pub fn change(&mut self, change: impl FnOnce(&mut Vec<ZoneRoute>)) {
        let mut all = std::mem::take(self).all;
        change(&mut all);
        *self = all.into();
    }
}

impl From<Vec<ZoneRoute>> for Routes {
    fn from(all: Vec<ZoneRoute>) -> Self {
        let mut by_apex: HashTable<u32> = HashTable::with_capacity(all.len());
        let mut lengths = [0; 4];
        // Of two with one apex the last counts. A configuration has fewer zones than 32 bits count.
        for (place, zone) in (0_u32..).zip(&all) {
            let apex = zone.apex.as_wire();
            lengths[apex.len() / 64] |= 1 << (apex.len() % 64);
            let is_it = |other: &u32| all[*other as usize].apex == zone.apex;
            match by_apex.find_mut(quick_hash(apex), is_it) {
                Some(other) => *other = place,
                None => {
                    let hash_of = |other: &u32| quick_hash(all[*other as usize].apex.as_wire());
                    by_apex.insert_unique(quick_hash(apex), place, hash_of);
                }
            }
        }
        Self { all, by_apex, lengths }
    }
}

impl FromIterator<ZoneRoute> for Routes {
    fn from_iter<I: IntoIterator<Item = ZoneRoute>>(zones: I) -> Self {
        Self::from(Vec::from_iter(zones))
    }
}

impl Deref for Routes {
    type Target = [ZoneRoute];

    fn deref(&self) -> &[ZoneRoute] {
        &self.all
    }
}

impl<'r> IntoIterator for &'r Routes {
    type Item = &'r ZoneRoute;
    type IntoIter = std::slice::Iter<'r, ZoneRoute>;

    fn into_iter(self) -> Self::IntoIter {
        self.all.iter()
    }
}

impl PartialEq for Routes {
    fn eq(&self, other: &Self) -> bool {
        self.all == other.all
    }
}

impl Eq for Routes {}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use proptest::prelude::*;

    use super::*;
    use crate::settings::ZoneServer;

    fn name() -> impl Strategy<Value = Fqdn> {
        let label = prop::sample::select(vec!["a", "b", "aa", "lan", "ab"]);
        prop::collection::vec(label, 0..5).prop_map(|labels| Fqdn::from_labels(labels).unwrap())
    }

    proptest! {
        #[test]
        fn the_zone_of_a_name_is_the_one_with_the_longest_apex_above_it(
            apexes in prop::collection::vec(name(), 0..12), names in prop::collection::vec(name(), 1..12),
        ) {
            let routes: Routes =
                apexes.iter().map(|apex| ZoneRoute { apex: apex.clone(), server: ZoneServer::Embedded }).collect();
            for name in names {
                let longest = apexes.iter().filter(|apex| name.is_within(apex)).max_by_key(|apex| apex.as_wire().len());
                prop_assert_eq!(routes.place_of(&name).map(|place| &routes[place].apex), longest);
                prop_assert_eq!(routes.has_apex(&name), apexes.contains(&name));
            }
        }
    }
}
