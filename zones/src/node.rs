//! The records of one name in one piece of memory.
//!
//! ```text
//! of each set, in the order of types:   type, 2 octets; TTL, 4; how many octets its records take, 4
//! of each of its records, sorted:       length, 2; data                                  numbers are big-endian
//! ```
//!
//! A set is read where it stands. Nothing points from one part of it to another, so that finding what is asked for waits
//! for memory once, and a name with one address takes sixteen octets for it.

use std::fmt;
use std::sync::Arc;

use dns::{Fqdn, Rdata, RecordType, Rrset};

/// What stands before the records of a set, in octets.
const HEAD: usize = 10;

/// All records of one type at one name, to be changed; as a zone holds them they are a [`SetRef`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Set {
    /// The type.
    pub rtype: RecordType,
    /// The time to live in seconds.
    pub ttl: u32,
    /// The data, sorted, without doubles, never empty.
    pub rdata: Box<[Rdata]>,
}

/// The sets of one name, by type; never empty. A clone shares them.
#[derive(Clone, PartialEq, Eq)]
pub struct Node(Arc<[u8]>);

/// The same, as a zone holds them.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct NodeRef<'z>(&'z [u8]);

/// All records of one type at one name, as a zone holds them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SetRef<'z> {
    /// The type.
    pub rtype: RecordType,
    /// The time to live in seconds.
    pub ttl: u32,
    /// The data, sorted, without doubles, never empty.
    pub rdata: Records<'z>,
}

/// The data of some records, in their order.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Records<'z>(&'z [u8]);

/// A node as it is put together; its sets come in the order of their types, none of them empty.
#[derive(Debug, Default)]
pub(crate) struct NodeWriter(Vec<u8>);

impl NodeWriter {
    /// Adds a set of these records, which are sorted.
    pub(crate) fn set<'d>(&mut self, rtype: RecordType, ttl: u32, records: impl IntoIterator<Item = &'d [u8]>) {
        let out = &mut self.0;
        out.extend_from_slice(&rtype.0.to_be_bytes());
        out.extend_from_slice(&ttl.to_be_bytes());
        let length_at = out.len();
        out.extend_from_slice(&[0; 4]);
        pack(records, out);
        // A zone's limits keep a set far below.
        let length = (out.len() - length_at - 4) as u32;
        out[length_at..length_at + 4].copy_from_slice(&length.to_be_bytes());
    }

    /// What was put together; `None`: there is no set.
    pub(crate) fn finish(&self) -> Option<Node> {
        (!self.0.is_empty()).then(|| Node(Arc::from(&*self.0)))
    }

    /// Begins anew, with the memory that it has.
    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }
}

fn pack<'d>(records: impl IntoIterator<Item = &'d [u8]>, out: &mut Vec<u8>) {
    for data in records {
        // At most 65,535 octets: see `Rdata`.
        out.extend_from_slice(&(data.len() as u16).to_be_bytes());
        out.extend_from_slice(data);
    }
}

/// One record's data as [`Records::from_octets`] reads it.
pub(crate) fn packed(data: &Rdata) -> Box<[u8]> {
    let mut out = Vec::with_capacity(data.0.len() + 2);
    pack([&*data.0], &mut out);
    out.into()
}

impl Node {
    /// These sets, in the order of their types; none is empty. `None`: there is no set.
    #[must_use]
    pub fn of(sets: &[Set]) -> Option<Self> {
        let mut writer = NodeWriter(Vec::with_capacity(sets.len() * 32));
        for set in sets {
            writer.set(set.rtype, set.ttl, set.rdata.iter().map(|data| &*data.0));
        }
        writer.finish()
    }

    /// The same, borrowed.
    #[must_use]
    pub fn view(&self) -> NodeRef<'_> {
        NodeRef(&self.0)
    }

    /// The set of a type.
    #[must_use]
    pub fn set(&self, rtype: RecordType) -> Option<SetRef<'_>> {
        self.view().set(rtype)
    }

    /// All sets, by type.
    pub fn sets(&self) -> impl Iterator<Item = SetRef<'_>> {
        self.view().sets()
    }

    /// The same with their owner, as the store keeps them.
    pub fn rrsets<'n>(&'n self, owner: &'n Fqdn) -> impl Iterator<Item = Rrset> + 'n {
        self.view().rrsets(owner)
    }
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.view().fmt(f)
    }
}

impl<'z> NodeRef<'z> {
    pub(crate) fn from_octets(octets: &'z [u8]) -> Self {
        Self(octets)
    }

    pub(crate) fn octets(self) -> &'z [u8] {
        self.0
    }

    /// The set of a type.
    #[must_use]
    pub fn set(self, rtype: RecordType) -> Option<SetRef<'z>> {
        self.sets().find(|set| set.rtype == rtype)
    }

    /// All sets, by type.
    pub fn sets(self) -> impl Iterator<Item = SetRef<'z>> {
        let mut rest = self.0;
        std::iter::from_fn(move || {
            let (&[t0, t1, s0, s1, s2, s3, l0, l1, l2, l3], behind) = rest.split_first_chunk::<HEAD>()?;
            let (records, behind) = behind.split_at_checked(u32::from_be_bytes([l0, l1, l2, l3]) as usize)?;
            rest = behind;
            let rtype = RecordType(u16::from_be_bytes([t0, t1]));
            Some(SetRef { rtype, ttl: u32::from_be_bytes([s0, s1, s2, s3]), rdata: Records(records) })
        })
    }

    /// The same with their owner, as the store keeps them.
    pub fn rrsets(self, owner: &Fqdn) -> impl Iterator<Item = Rrset> + use<'_, 'z> {
        self.sets().map(|set| set.owned(owner))
    }

    /// The same sets, to be changed.
    #[must_use]
    pub fn to_sets(self) -> Vec<Set> {
        self.sets().map(|set| Set { rtype: set.rtype, ttl: set.ttl, rdata: set.rdata.to_vec().into() }).collect()
    }

    /// The same by themselves.
    #[must_use]
    pub fn to_node(self) -> Node {
        Node(self.0.into())
    }
}

impl fmt::Debug for NodeRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.sets()).finish()
    }
}

impl SetRef<'_> {
    /// The set with its name, as the store keeps it.
    #[must_use]
    pub fn owned(self, name: &Fqdn) -> Rrset {
        Rrset { name: name.clone(), rtype: self.rtype, ttl: self.ttl, rdata: self.rdata.to_vec() }
    }
}

impl<'z> Records<'z> {
    /// Those that [`packed`] made.
    pub(crate) fn from_octets(octets: &'z [u8]) -> Self {
        Self(octets)
    }

    /// The data of each.
    pub fn iter(self) -> impl Iterator<Item = &'z [u8]> {
        let mut rest = self.0;
        std::iter::from_fn(move || {
            let (length, behind) = rest.split_first_chunk::<2>()?;
            let (data, behind) = behind.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
            rest = behind;
            Some(data)
        })
    }

    /// That of the first.
    #[must_use]
    pub fn first(self) -> Option<&'z [u8]> {
        self.iter().next()
    }

    /// How many there are: they are gone through.
    #[must_use]
    pub fn len(self) -> usize {
        self.iter().count()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.0.is_empty()
    }

    /// Whether one has this data.
    #[must_use]
    pub fn contains(self, data: &Rdata) -> bool {
        self.iter().any(|one| *one == *data.0)
    }

    /// Whether they are these, in this order.
    #[must_use]
    pub fn are(self, data: &[Rdata]) -> bool {
        self.iter().eq(data.iter().map(|data| &*data.0))
    }

    /// Whether they are these, in whatever order and however often each is named.
    #[must_use]
    pub fn are_exactly(self, data: &[Rdata]) -> bool {
        let mut asked: Vec<&[u8]> = data.iter().map(|data| &*data.0).collect();
        asked.sort_unstable();
        asked.dedup();
        self.iter().eq(asked)
    }

    /// Each by itself.
    #[must_use]
    pub fn to_vec(self) -> Vec<Rdata> {
        self.iter().map(|data| Rdata(data.into())).collect()
    }
}

impl fmt::Debug for Records<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use std::collections::{BTreeMap, BTreeSet};

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_node_holds_its_sets_as_they_were(
            sets in prop::collection::btree_map(
                any::<u16>(),
                (any::<u32>(), prop::collection::btree_set(prop::collection::vec(any::<u8>(), 0..300), 1..6)),
                1..6,
            ),
        ) {
            let sets: BTreeMap<u16, (u32, BTreeSet<Vec<u8>>)> = sets;
            let owned: Vec<Set> = sets
                .iter()
                .map(|(rtype, (ttl, data))| Set {
                    rtype: RecordType(*rtype),
                    ttl: *ttl,
                    rdata: data.iter().map(|data| Rdata(data.as_slice().into())).collect(),
                })
                .collect();
            let node = Node::of(&owned).unwrap();
            prop_assert_eq!(node.view().to_sets(), owned.clone());
            prop_assert_eq!(node.view().to_node(), node.clone());
            for set in owned {
                let held = node.set(set.rtype).unwrap();
                prop_assert_eq!((held.ttl, held.rdata.to_vec(), held.rdata.len()), (set.ttl, set.rdata.to_vec(), set.rdata.len()));
                let twice: Vec<Rdata> = set.rdata.iter().rev().chain(&set.rdata).cloned().collect();
                prop_assert!(held.rdata.are_exactly(&twice) && !held.rdata.are_exactly(&twice[..set.rdata.len() - 1]));
                prop_assert!(held.rdata.are(&set.rdata) && held.rdata.contains(&set.rdata[0]));
                prop_assert_eq!(held.rdata.first(), Some(&*set.rdata[0].0));
            }
            let other = (0..=u16::MAX).find(|rtype| !sets.contains_key(rtype)).map(RecordType).unwrap();
            prop_assert_eq!(node.set(other), None);
        }
    }

    #[test]
    fn no_sets_are_no_node_and_one_address_takes_sixteen_octets() {
        assert_eq!(Node::of(&[]), None);
        let set = Set { rtype: RecordType::A, ttl: 60, rdata: [Rdata::a([192, 0, 2, 1].into())].into() };
        assert_eq!(Node::of(&[set]).unwrap().view().octets().len(), 16);
    }
}
