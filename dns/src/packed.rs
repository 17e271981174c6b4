//! Names, and sets of records, that a configuration states: many, never changed, and in one piece of memory each.
//!
//! A zone's file may have 100,000 of them, and the configuration is kept as long as it is in force, in several copies: a
//! clone shares the octets. They are read where they stand, in their order, so that one is found by halving.

use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

use crate::{Fqdn, Rdata, RecordType, Rrset};

/// Names, each once, in canonical order.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct NameSet(Pieces);

/// Sets of records in canonical order of their names, those of a name by type.
///
/// Of each: the name in wire form; type, 2 octets; TTL, 4; of each record its length, 2, and its data (big-endian).
#[derive(Clone, Default, PartialEq, Eq)]
pub struct SetList(Pieces);

/// Pieces of octets, one behind the other.
#[derive(Clone, Default, PartialEq, Eq)]
struct Pieces {
    octets: Arc<[u8]>,
    /// Where each ends.
    ends: Arc<[u32]>,
}

impl Pieces {
    fn of(pieces: impl Iterator<Item = impl FnOnce(&mut Vec<u8>)>) -> Self {
        let (mut octets, mut ends) = (Vec::new(), Vec::new());
        for write in pieces {
            write(&mut octets);
            // What a configuration states comes from text, some megabytes of it.
            ends.push(octets.len() as u32);
        }
        Self { octets: octets.into(), ends: ends.into() }
    }

    fn get(&self, at: usize) -> &[u8] {
        let begin = at.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.octets[begin as usize..self.ends[at] as usize]
    }

    fn iter(&self) -> impl DoubleEndedIterator<Item = &[u8]> + ExactSizeIterator {
        (0..self.ends.len()).map(|at| self.get(at))
    }

    /// The first piece that is not before what is looked for.
    fn first_not_before(&self, compare: impl Fn(&[u8]) -> Ordering) -> usize {
        let (mut low, mut high) = (0, self.ends.len());
        while low < high {
            let middle = low + (high - low) / 2;
            match compare(self.get(middle)) {
                Ordering::Less => low = middle + 1,
                Ordering::Equal | Ordering::Greater => high = middle,
            }
        }
        low
    }
}

impl NameSet {
    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.ends.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.ends.is_empty()
    }

    /// Whether a name is among them.
    #[must_use]
    pub fn contains(&self, name: &Fqdn) -> bool {
        let at = self.place_of(name);
        at < self.len() && self.0.get(at) == name.as_wire()
    }

    /// Whether one of them is beneath a name.
    #[must_use]
    pub fn has_beneath(&self, name: &Fqdn) -> bool {
        // What is beneath a name follows it in their order.
        let at = self.place_of(name);
        let next = if self.contains(name) { at + 1 } else { at };
        next < self.len() && Fqdn::from_wire(self.0.get(next)).is_ok_and(|next| next.is_within(name))
    }

    /// Those that are a zone's apex or beneath it.
    #[must_use]
    pub fn within(&self, apex: &Fqdn) -> Self {
        match self.iter().all(|name| name.is_within(apex)) {
            true => self.clone(),
            false => self.iter().filter(|name| name.is_within(apex)).collect(),
        }
    }

    /// All of them, in their order.
    pub fn iter(&self) -> impl Iterator<Item = Fqdn> + '_ {
        // They were names before they were put here.
        self.0.iter().filter_map(|wire| Fqdn::from_wire(wire).ok())
    }

    fn place_of(&self, name: &Fqdn) -> usize {
        self.0.first_not_before(|wire| name.cmp_wire(wire).reverse())
    }
}

impl FromIterator<Fqdn> for NameSet {
    fn from_iter<I: IntoIterator<Item = Fqdn>>(names: I) -> Self {
        let mut names: Vec<Fqdn> = names.into_iter().collect();
        names.sort();
        names.dedup();
        Self(Pieces::of(names.iter().map(|name| |out: &mut Vec<u8>| out.extend_from_slice(name.as_wire()))))
    }
}

impl Extend<Fqdn> for NameSet {
    fn extend<I: IntoIterator<Item = Fqdn>>(&mut self, names: I) {
        let mut names = names.into_iter().peekable();
        if names.peek().is_some() {
            *self = self.iter().chain(names).collect();
        }
    }
}

impl fmt::Debug for NameSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

impl SetList {
    /// How many sets there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.ends.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.ends.is_empty()
    }

    /// Whether one has this name and type.
    #[must_use]
    pub fn has(&self, name: &Fqdn, rtype: RecordType) -> bool {
        let at = self.0.first_not_before(|piece| {
            let (wire, of_piece) = key_of(piece);
            name.cmp_wire(wire).reverse().then(of_piece.cmp(&rtype))
        });
        at < self.len() && key_of(self.0.get(at)) == (name.as_wire(), rtype)
    }

    /// All of them, in their order.
    pub fn iter(&self) -> impl Iterator<Item = Rrset> + '_ {
        self.0.iter().filter_map(read_set)
    }

    /// Their names, in their order: one as often as it has sets.
    pub fn names(&self) -> impl Iterator<Item = Fqdn> + '_ {
        self.0.iter().filter_map(|piece| Fqdn::from_wire(key_of(piece).0).ok())
    }
}

impl FromIterator<Rrset> for SetList {
    fn from_iter<I: IntoIterator<Item = Rrset>>(sets: I) -> Self {
        let mut sets: Vec<Rrset> = sets.into_iter().collect();
        sets.sort_by(|one, other| (&one.name, one.rtype).cmp(&(&other.name, other.rtype)));
        Self(Pieces::of(sets.iter().map(|set| |out: &mut Vec<u8>| write_set(set, out))))
    }
}

impl fmt::Debug for SetList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

fn write_set(set: &Rrset, out: &mut Vec<u8>) {
    out.extend_from_slice(set.name.as_wire());
    out.extend_from_slice(&set.rtype.0.to_be_bytes());
    out.extend_from_slice(&set.ttl.to_be_bytes());
    for Rdata(data) in &set.rdata {
        // At most 65,535 octets: see `Rdata`.
        out.extend_from_slice(&(data.len() as u16).to_be_bytes());
        out.extend_from_slice(data);
    }
}

/// The name, in wire form, and the type of a set.
fn key_of(piece: &[u8]) -> (&[u8], RecordType) {
    let length = crate::name::octets_of(piece).unwrap_or(0);
    let (name, rest) = piece.split_at(length);
    (name, RecordType(rest.first_chunk().map_or(0, |rtype| u16::from_be_bytes(*rtype))))
}

fn read_set(piece: &[u8]) -> Option<Rrset> {
    let (wire, rtype) = key_of(piece);
    let (ttl, mut rest) = piece.get(wire.len() + 2..)?.split_first_chunk::<4>()?;
    let mut rdata = Vec::new();
    while let Some((length, behind)) = rest.split_first_chunk::<2>() {
        let (data, behind) = behind.split_at_checked(u16::from_be_bytes(*length).into())?;
        rdata.push(Rdata(data.into()));
        rest = behind;
    }
    Some(Rrset { name: Fqdn::from_wire(wire).ok()?, rtype, ttl: u32::from_be_bytes(*ttl), rdata })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use std::collections::{BTreeMap, BTreeSet};

    use proptest::prelude::*;

    use super::*;

    type Model = BTreeMap<(Fqdn, u16), (u32, BTreeSet<Vec<u8>>)>;

    fn a_name() -> impl Strategy<Value = Fqdn> {
        prop::collection::vec("[a-c]{1,2}", 0..4).prop_map(|labels| Fqdn::from_labels(labels).unwrap())
    }

    proptest! {
        #[test]
        fn names_are_found_in_their_order_as_in_a_set_of_the_standard_library(
            names in prop::collection::vec(a_name(), 0..60),
            later in prop::collection::vec(a_name(), 0..5),
            asked in prop::collection::vec(a_name(), 20),
        ) {
            let mut set: NameSet = names.iter().cloned().collect();
            let mut model: BTreeSet<Fqdn> = names.into_iter().collect();
            let before = set.clone();
            set.extend(later.clone());
            prop_assert!(before.iter().eq(model.iter().cloned()), "a clone stays as it is");
            model.extend(later);
            prop_assert!(set.iter().eq(model.iter().cloned()));
            prop_assert_eq!((set.len(), set.is_empty()), (model.len(), model.is_empty()));
            for name in asked {
                prop_assert_eq!(set.contains(&name), model.contains(&name));
                let beneath = model.iter().any(|one| *one != name && one.is_within(&name));
                prop_assert_eq!(set.has_beneath(&name), beneath, "{}", name);
                let within = model.iter().filter(|one| one.is_within(&name));
                prop_assert!(set.within(&name).iter().eq(within.cloned()));
            }
        }

        #[test]
        fn sets_are_what_they_were_and_found_by_name_and_type(
            sets in prop::collection::btree_map(
                (a_name(), 1..4_u16),
                (any::<u32>(), prop::collection::btree_set(prop::collection::vec(any::<u8>(), 0..40), 1..4)),
                0..30,
            ),
            asked in prop::collection::vec((a_name(), 1..4_u16), 20),
        ) {
            let sets: Model = sets;
            let owned = sets.iter().map(|((name, rtype), (ttl, data))| Rrset {
                name: name.clone(),
                rtype: RecordType(*rtype),
                ttl: *ttl,
                rdata: data.iter().map(|data| Rdata(data.as_slice().into())).collect(),
            });
            let owned: Vec<Rrset> = owned.collect();
            let list: SetList = owned.iter().rev().cloned().collect();
            prop_assert!(list.iter().eq(owned.iter().cloned()));
            prop_assert!(list.names().eq(owned.iter().map(|set| set.name.clone())));
            prop_assert_eq!(list.len(), owned.len());
            for (name, rtype) in asked {
                prop_assert_eq!(list.has(&name, RecordType(rtype)), sets.contains_key(&(name, rtype)));
            }
        }
    }
}
