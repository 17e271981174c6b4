//! Ends of names that many names share, each kept once and named by a number.
//!
//! A client may say a name deep below a zone, so that the ends are not the zones alone: each is counted, and forgotten
//! with the last name that has it.

use std::hash::{BuildHasher, RandomState};

use dns::Fqdn;
use hashbrown::HashTable;

#[derive(Debug, Default)]
pub(super) struct Domains {
    all: Vec<Option<Domain>>,
    unused: Vec<u32>,
    by_name: HashTable<u32>,
    hasher: RandomState,
    /// The one that was asked for last, which is asked for next most often.
    last: u32,
}

#[derive(Debug)]
struct Domain {
    name: Fqdn,
    /// How many names end so.
    names: u32,
}

impl Domains {
    /// The number of a domain that one more name has.
    pub(super) fn hold(&mut self, name: &[u8]) -> Option<u32> {
        let number = match self.find(name) {
            Some(number) => number,
            None => self.insert(Fqdn::from_wire(name).ok()?),
        };
        self.last = number;
        if let Some(Some(domain)) = self.all.get_mut(number as usize) {
            domain.names += 1;
        }
        Some(number)
    }

    /// One name less has it.
    pub(super) fn release(&mut self, number: u32) {
        let Some(place) = self.all.get_mut(number as usize) else { return };
        let Some(domain) = place else { return };
        domain.names -= 1;
        if domain.names > 0 {
            return;
        }
        let hash = self.hasher.hash_one(domain.name.as_wire());
        *place = None;
        if let Ok(entry) = self.by_name.find_entry(hash, |other| *other == number) {
            entry.remove();
        }
        self.unused.push(number);
    }

    /// The domain of a number.
    pub(super) fn at(&self, number: u32) -> Option<&Fqdn> {
        self.all.get(number as usize)?.as_ref().map(|domain| &domain.name)
    }

    /// The number of a domain that some name has.
    pub(super) fn find(&self, name: &[u8]) -> Option<u32> {
        let is_it = |number: u32| self.at(number).is_some_and(|domain| domain.as_wire() == name);
        if is_it(self.last) {
            return Some(self.last);
        }
        self.by_name.find(self.hasher.hash_one(name), |number| is_it(*number)).copied()
    }

    fn insert(&mut self, name: Fqdn) -> u32 {
        let hash = self.hasher.hash_one(name.as_wire());
        let domain = Some(Domain { name, names: 0 });
        let number = match self.unused.pop() {
            Some(number) => {
                self.all[number as usize] = domain;
                number
            }
            None => {
                self.all.push(domain);
                // There are no more of them than names, which 32 bits count.
                self.all.len() as u32 - 1
            }
        };
        let (all, hasher) = (&self.all, &self.hasher);
        let hash_of =
            |number: &u32| all[*number as usize].as_ref().map_or(0, |domain| hasher.hash_one(domain.name.as_wire()));
        self.by_name.insert_unique(hash, number, hash_of);
        number
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn a_domain_is_kept_once_and_forgotten_with_its_last_name() {
        let mut domains = Domains::default();
        let (lan, lab): (Fqdn, Fqdn) = ("lan".parse().unwrap(), "lab.lan".parse().unwrap());
        let numbers: Vec<u32> = [&lan, &lab, &lan].map(|name| domains.hold(name.as_wire()).unwrap()).to_vec();
        assert_eq!((numbers[0], numbers[0] == numbers[1]), (numbers[2], false));
        domains.release(numbers[0]);
        assert_eq!((domains.at(numbers[0]), domains.find(lan.as_wire())), (Some(&lan), Some(numbers[0])));
        domains.release(numbers[0]);
        assert_eq!((domains.at(numbers[0]), domains.find(lan.as_wire())), (None, None));
        assert_eq!(domains.find(lab.as_wire()), Some(numbers[1]));
        // Its number is another's then.
        let other: Fqdn = "other.lan".parse().unwrap();
        assert_eq!(domains.hold(other.as_wire()), Some(numbers[0]));
        assert_eq!(domains.at(numbers[0]), Some(&other));
    }
}
