//! One zone as a persistent map: a snapshot is a clone.
//!
//! Names are kept in the canonical order of RFC 4034 section 6.1, in which everything beneath a name follows it
//! directly. Whether a name without records has something beneath it (an empty non-terminal), and what the
//! closest encloser of a missing name is, are therefore questions to a name's neighbours: O(log n), however large
//! the zone.
//!
//! Beside that order there is an index by the names' hashes: to look into a name for each step down a tree costs far more
//! than to compare numbers that stand in the tree itself. It is a tree too, since a trie of hashes takes three times the
//! memory.

use std::cmp::Ordering;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;

use dns::{Fqdn, Rdata, RecordType, Rrset, Soa};
use equivalent::{Comparable, Equivalent};
use imbl::OrdMap;

/// Why some sets are not a zone.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ZoneError {
    /// There is no SOA record at the apex, or more than one, or it cannot be read.
    #[error("zone {0} has no single readable SOA record")]
    Soa(Fqdn),
    /// A set's owner is not within the zone.
    #[error("{name} is not within zone {apex}")]
    Outside {
        /// The apex.
        apex: Fqdn,
        /// The owner.
        name: Fqdn,
    },
}

/// All records of one type at one name; the name is the key under which its node stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Set {
    /// The type.
    pub rtype: RecordType,
    /// The time to live in seconds.
    pub ttl: u32,
    /// The data, sorted, without doubles, never empty.
    pub rdata: Box<[Rdata]>,
}

/// The sets of one name, by type; never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node(Arc<[Set]>);

impl Set {
    /// Whether the records are these, in whatever order and however often each is named.
    #[must_use]
    pub fn has_exactly(&self, rdata: &[Rdata]) -> bool {
        rdata.iter().all(|one| self.rdata.binary_search(one).is_ok())
            && self.rdata.iter().all(|own| rdata.contains(own))
    }
}

impl Node {
    /// The set of a type.
    #[must_use]
    pub fn set(&self, rtype: RecordType) -> Option<&Set> {
        self.0.binary_search_by_key(&rtype, |set| set.rtype).ok().map(|at| &self.0[at])
    }

    /// All sets, by type.
    #[must_use]
    pub fn sets(&self) -> &[Set] {
        &self.0
    }
}

/// A zone: its apex and all its records. Cloning shares everything.
#[derive(Clone, Debug)]
pub struct Zone {
    apex: Fqdn,
    nodes: OrdMap<Fqdn, Node>,
    /// The same nodes by the hashes of their names.
    index: OrdMap<Hashed, Node>,
    /// What names are hashed with.
    hashes: RandomState,
    /// The apex' node.
    top: Option<Node>,
    /// Names that redirect what is beneath them: owners of NS records below the apex (zone cuts) and of DNAME records.
    /// Empty in nearly every zone, so that looking for one above a name costs nothing there.
    redirects: OrdMap<Fqdn, ()>,
    /// How many names have a label `*`; 0 spares the search for a wildcard.
    wildcards: usize,
    /// How many names lie more than one label beneath the apex. Without any, no name exists for what is beneath it.
    deep: usize,
}

/// A name as the index knows it: by its hash first.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Hashed {
    hash: u64,
    name: Fqdn,
}

/// A name in wire form that is looked for.
struct Sought<'a> {
    hash: u64,
    name: &'a [u8],
}

impl Equivalent<Hashed> for Sought<'_> {
    fn equivalent(&self, key: &Hashed) -> bool {
        self.hash == key.hash && self.name == key.name.as_wire()
    }
}

impl Comparable<Hashed> for Sought<'_> {
    fn compare(&self, key: &Hashed) -> Ordering {
        match self.hash.cmp(&key.hash) {
            Ordering::Equal if self.name == key.name.as_wire() => Ordering::Equal,
            Ordering::Equal => key.name.cmp_wire(self.name).reverse(),
            other => other,
        }
    }
}

/// What stands above a name and answers instead of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Redirect<'z> {
    /// A zone cut at or above the name: its owner and NS set.
    Cut(&'z Fqdn, &'z Set),
    /// A DNAME record above the name (RFC 6672): its owner and set.
    Dname(&'z Fqdn, &'z Set),
}

impl Zone {
    /// A zone of these sets; a later set replaces an earlier one of the same name and type.
    ///
    /// # Errors
    /// [`ZoneError`] when a set lies outside, or the apex has no single SOA record.
    pub fn from_sets(apex: Fqdn, sets: impl IntoIterator<Item = Rrset>) -> Result<Self, ZoneError> {
        let mut zone = Self {
            apex,
            nodes: OrdMap::new(),
            index: OrdMap::new(),
            hashes: RandomState::new(),
            top: None,
            redirects: OrdMap::new(),
            wildcards: 0,
            deep: 0,
        };
        for set in sets {
            if !set.name.is_within(&zone.apex) {
                return Err(ZoneError::Outside { apex: zone.apex, name: set.name });
            }
            let (name, rtype) = (set.name.clone(), set.rtype);
            zone.put(&name, rtype, Some(set));
        }
        zone.checked_soa()?;
        Ok(zone)
    }

    pub(crate) fn checked_soa(&self) -> Result<(), ZoneError> {
        match self.soa_set().map(|set| &*set.rdata) {
            Some([soa]) if soa.to_soa().is_some() => Ok(()),
            _ => Err(ZoneError::Soa(self.apex.clone())),
        }
    }

    /// The apex.
    #[must_use]
    pub fn apex(&self) -> &Fqdn {
        &self.apex
    }

    /// The SOA record, read, with its TTL in seconds.
    #[must_use]
    pub fn soa(&self) -> (Soa, u32) {
        let set = self.soa_set();
        let empty = || Soa {
            mname: self.apex.clone(),
            rname: self.apex.clone(),
            serial: 0,
            refresh: 0,
            retry: 0,
            expire: 0,
            minimum: 0,
        };
        // `from_sets` saw a readable SOA record, and no update removes or breaks it.
        set.map_or_else(|| (empty(), 0), |set| (set.rdata[0].to_soa().unwrap_or_else(empty), set.ttl))
    }

    /// The SOA set.
    #[must_use]
    pub fn soa_set(&self) -> Option<&Set> {
        self.top.as_ref().and_then(|node| node.set(RecordType::SOA))
    }

    /// The serial.
    #[must_use]
    pub fn serial(&self) -> u32 {
        serial_in(self.soa_set())
    }

    /// The SOA set of a negative answer with its TTL in seconds. RFC 2308 section 3: "set from the minimum of the MINIMUM
    /// field of the SOA record and the TTL of the SOA itself".
    #[must_use]
    pub fn negative(&self) -> Option<(&Set, u32)> {
        let set = self.soa_set()?;
        let minimum = set.rdata.first()?.0.last_chunk::<4>()?;
        Some((set, set.ttl.min(u32::from_be_bytes(*minimum))))
    }

    /// The records of `name`, with the name as the zone holds it.
    #[must_use]
    pub fn node(&self, name: &Fqdn) -> Option<(&Fqdn, &Node)> {
        self.index.get_key_value(&self.sought(name.as_wire())).map(|(key, node)| (&key.name, node))
    }

    /// The records of a name that is borrowed as octets: wire form, in lower case.
    #[must_use]
    pub fn node_of_wire(&self, name: &[u8]) -> Option<&Node> {
        self.index.get(&self.sought(name))
    }

    fn sought<'a>(&self, name: &'a [u8]) -> Sought<'a> {
        Sought { hash: self.hashes.hash_one(name), name }
    }

    /// One set.
    #[must_use]
    pub fn set(&self, name: &Fqdn, rtype: RecordType) -> Option<&Set> {
        self.node_of_wire(name.as_wire()).and_then(|node| node.set(rtype))
    }

    /// One set with its name, as the store keeps it.
    #[must_use]
    pub fn rrset(&self, name: &Fqdn, rtype: RecordType) -> Option<Rrset> {
        self.set(name, rtype).map(|set| owned(name, set))
    }

    /// Every set, in canonical order of names.
    pub fn rrsets(&self) -> impl Iterator<Item = Rrset> + '_ {
        self.nodes.iter().flat_map(|(name, node)| node.sets().iter().map(|set| owned(name, set)))
    }

    /// How many names own records.
    #[must_use]
    pub fn name_count(&self) -> usize {
        self.nodes.len()
    }

    /// Whether something stands at or beneath `name`: then it exists (RFC 4592 section 2.2.2 on empty
    /// non-terminals), with or without records.
    #[must_use]
    pub fn exists(&self, name: &Fqdn) -> bool {
        if self.node_of_wire(name.as_wire()).is_some() {
            return true;
        }
        if self.deep == 0 && name.is_within(&self.apex) {
            return false;
        }
        self.nodes.get_next(name).is_some_and(|(next, _)| next.is_within(name))
    }

    /// Whether an answer is to be found at the name that is asked for alone: nothing in the zone redirects what is
    /// beneath it, stands for what is missing, or exists without records.
    #[must_use]
    pub fn is_flat(&self) -> bool {
        self.redirects.is_empty() && self.wildcards == 0 && self.deep == 0
    }

    /// Whether something in the zone redirects what is beneath it.
    #[must_use]
    pub fn has_redirects(&self) -> bool {
        !self.redirects.is_empty()
    }

    /// What redirects `name`: of several the one nearest to the apex, since whatever is beneath it is occluded.
    #[must_use]
    pub fn redirect_above(&self, name: &Fqdn) -> Option<Redirect<'_>> {
        if self.redirects.is_empty() {
            return None;
        }
        let mut found = None;
        let mut candidate = Some(name.clone());
        while let Some(here) = candidate.filter(|here| here.is_within(&self.apex)) {
            if let Some((owner, ())) = self.redirects.get_key_value(&here) {
                found = self.redirect_at(owner, here == *name).or(found);
            }
            candidate = here.parent();
        }
        found
    }

    fn redirect_at<'z>(&'z self, owner: &'z Fqdn, is_asked: bool) -> Option<Redirect<'z>> {
        let cut = || self.set(owner, RecordType::NS).map(|set| Redirect::Cut(owner, set));
        let dname = || self.set(owner, RecordType::DNAME).map(|set| Redirect::Dname(owner, set));
        if *owner != self.apex
            && let Some(cut) = cut()
        {
            return Some(cut);
        }
        // RFC 6672 section 2.3: "a DNAME RR redirects DNS names subordinate to its owner name; the owner name of a
        // DNAME is not redirected itself".
        if is_asked { None } else { dname() }
    }

    /// The name whose records answer for one that does not exist: `*` beneath its closest encloser (RFC 4592 section
    /// 3.3.1: "the asterisk label of the closest encloser"), if that exists, with or without records.
    #[must_use]
    pub fn source_of_synthesis(&self, name: &Fqdn) -> Option<Fqdn> {
        if self.wildcards == 0 || self.exists(name) {
            return None;
        }
        let source = self.closest_encloser(name).prepend_label(b"*").ok()?;
        self.exists(&source).then_some(source)
    }

    /// The longest existing ancestor of a missing name. Whatever shares the most labels with it is a neighbour.
    fn closest_encloser(&self, name: &Fqdn) -> Fqdn {
        let (before, after) = (self.nodes.get_prev(name), self.nodes.get_next(name));
        let mut candidate = name.parent();
        while let Some(here) = candidate {
            if [before, after].into_iter().flatten().any(|(neighbour, _)| neighbour.is_within(&here)) {
                return here;
            }
            candidate = here.parent();
        }
        self.apex.clone()
    }

    /// Puts a set in place, or takes it away. The caller keeps the apex' SOA.
    pub(crate) fn put(&mut self, name: &Fqdn, rtype: RecordType, set: Option<Rrset>) {
        let before = self.node_of_wire(name.as_wire());
        let mut sets: Vec<Set> = before.map_or_else(Vec::new, |node| node.sets().to_vec());
        let existed = before.is_some();
        sets.retain(|set| set.rtype != rtype);
        if let Some(set) = set.filter(|set| !set.rdata.is_empty()) {
            let at = sets.partition_point(|other| other.rtype < rtype);
            sets.insert(at, Set { rtype, ttl: set.ttl, rdata: set.rdata.into_boxed_slice() });
        }
        self.put_sets(name, existed, sets);
    }

    /// Puts all sets of a name in place, in the order of their types; none is empty. `existed`: the name owns records now.
    /// Returns what the name has then. The caller keeps the apex' SOA.
    pub(crate) fn put_sets(&mut self, name: &Fqdn, existed: bool, sets: Vec<Set>) -> Option<Node> {
        let redirects =
            |set: &Set| set.rtype == RecordType::DNAME || (set.rtype == RecordType::NS && *name != self.apex);
        match sets.iter().any(redirects) {
            true => _ = self.redirects.insert(name.clone(), ()),
            false if self.redirects.is_empty() => {}
            false => _ = self.redirects.remove(name),
        }
        let change = |count: usize| count + usize::from(!sets.is_empty()) - usize::from(existed);
        if name.as_wire().contains(&b'*') && name.labels().any(|label| label == b"*") {
            self.wildcards = change(self.wildcards);
        }
        if name.label_count() > self.apex.label_count() + 1 {
            self.deep = change(self.deep);
        }
        let node = (!sets.is_empty()).then(|| Node(sets.into()));
        if *name == self.apex {
            self.top.clone_from(&node);
        }
        let Sought { hash, .. } = self.sought(name.as_wire());
        match &node {
            Some(node) => {
                self.index.insert(Hashed { hash, name: name.clone() }, node.clone());
                self.nodes.insert(name.clone(), node.clone());
            }
            None => {
                self.index.remove(&Sought { hash, name: name.as_wire() });
                self.nodes.remove(name);
            }
        }
        node
    }
}

impl PartialEq for Zone {
    fn eq(&self, other: &Self) -> bool {
        self.apex == other.apex && self.nodes == other.nodes
    }
}

impl Eq for Zone {}

/// The serial in a SOA set.
pub(crate) fn serial_in(soa: Option<&Set>) -> u32 {
    // The five last numbers of a SOA record's data follow its two names.
    let octets = soa.and_then(|set| set.rdata[0].0.last_chunk::<20>());
    octets.map_or(0, |octets| u32::from_be_bytes([octets[0], octets[1], octets[2], octets[3]]))
}

pub(crate) fn owned(name: &Fqdn, set: &Set) -> Rrset {
    Rrset { name: name.clone(), rtype: set.rtype, ttl: set.ttl, rdata: set.rdata.to_vec() }
}

#[cfg(test)]
impl Zone {
    /// Fails unless the index and what is counted are what the ordered map says.
    pub(crate) fn check(&self) {
        assert_eq!(self.index.len(), self.nodes.len());
        for (name, node) in &self.nodes {
            assert_eq!(self.node(name), Some((name, node)));
        }
        assert_eq!(self.top.as_ref(), self.nodes.get(&self.apex));
        let count = |of: &dyn Fn(&Fqdn) -> bool| self.nodes.keys().filter(|name| of(name)).count();
        assert_eq!(self.wildcards, count(&|name| name.labels().any(|label| label == b"*")));
        assert_eq!(self.deep, count(&|name| name.label_count() > self.apex.label_count() + 1));
    }
}
