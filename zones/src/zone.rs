//! One zone as a persistent map: a snapshot is a clone.
//!
//! Names are kept by their hashes ([`crate::names`]), names without records that have something beneath them (empty
//! non-terminals) among them. Whether a name exists, and what the closest encloser of a missing one is, are therefore
//! found by one hash a label, however large the zone. The canonical order of RFC 4034 section 6.1 is made when somebody
//! wants to read in it: kept, it would cost every change more than all else of it.

use std::collections::BTreeSet;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;

use dns::sip::Sip;
use dns::{Fqdn, Rdata, RecordType, Rrset, Soa};

use crate::names::{Entry, Names};

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

    /// The same with their owner, as the store keeps them.
    pub fn rrsets(&self, owner: &Fqdn) -> impl Iterator<Item = Rrset> {
        self.sets().iter().map(|set| owned(owner, set))
    }
}

/// A zone: its apex and all its records. Cloning shares everything.
#[derive(Clone, Debug)]
pub struct Zone {
    apex: Fqdn,
    /// See [`Zone::id`]; `None`: the apex.
    id: Option<Fqdn>,
    names: Names,
    /// What names are hashed with.
    hashes: Sip,
    /// How many names own records.
    owners: usize,
    /// The apex' node.
    top: Option<Node>,
    /// Names that redirect what is beneath them: owners of NS records below the apex (zone cuts) and of DNAME records.
    /// Empty in nearly every zone, so that looking for one above a name costs nothing there.
    redirects: Arc<BTreeSet<Fqdn>>,
    /// How many names have a label `*`; 0 spares the search for a wildcard.
    wildcards: usize,
}

/// What is at a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing<'z> {
    /// Records: its name as the zone holds it, and they.
    Owner(&'z Fqdn, &'z Node),
    /// None, but there are names beneath it: an empty non-terminal (RFC 4592 section 2.2.2).
    Above,
    /// Nothing, neither there nor beneath.
    Missing,
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
            id: None,
            names: Names::default(),
            hashes: Sip::new(RandomState::new().hash_one(0)),
            owners: 0,
            top: None,
            redirects: Arc::default(),
            wildcards: 0,
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

    /// What the zone is known by, here and in the store; see [`crate::zone_id`].
    #[must_use]
    pub fn id(&self) -> &Fqdn {
        self.id.as_ref().unwrap_or(&self.apex)
    }

    /// The same zone, known by this.
    #[must_use]
    pub fn with_id(self, id: &Fqdn) -> Self {
        let id = (*id != self.apex).then(|| id.clone());
        Self { id, ..self }
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

    /// What is at a name.
    #[must_use]
    pub fn standing(&self, name: &[u8]) -> Standing<'_> {
        match self.names.find(self.hash(name), name) {
            Some(entry) => entry.node.as_ref().map_or(Standing::Above, |node| Standing::Owner(&entry.name, node)),
            None => Standing::Missing,
        }
    }

    /// The records of `name`, with the name as the zone holds it.
    #[must_use]
    pub fn node(&self, name: &Fqdn) -> Option<(&Fqdn, &Node)> {
        match self.standing(name.as_wire()) {
            Standing::Owner(name, node) => Some((name, node)),
            Standing::Above | Standing::Missing => None,
        }
    }

    /// The records of a name that is borrowed as octets: wire form, in lower case.
    #[must_use]
    pub fn node_of_wire(&self, name: &[u8]) -> Option<&Node> {
        self.names.find(self.hash(name), name)?.node.as_ref()
    }

    fn hash(&self, name: &[u8]) -> u32 {
        // Whichever half it is.
        self.hashes.bytes(name).finish() as u32
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

    /// Every set, in canonical order of names: they are sorted for it.
    pub fn rrsets(&self) -> impl Iterator<Item = Rrset> + '_ {
        let mut owners: Vec<(&Fqdn, &Node)> = self.owners().collect();
        owners.sort_unstable_by_key(|(name, _)| *name);
        owners.into_iter().flat_map(|(name, node)| node.rrsets(name))
    }

    /// Every set, those of a name beside each other, in no order of names.
    pub fn rrsets_unsorted(&self) -> impl Iterator<Item = Rrset> + '_ {
        self.owners().flat_map(|(name, node)| node.rrsets(name))
    }

    /// The names that own records, with what they own, in no order.
    pub fn nodes(&self) -> impl Iterator<Item = (&Fqdn, &Node)> {
        self.owners()
    }

    fn owners(&self) -> impl Iterator<Item = (&Fqdn, &Node)> {
        self.names.iter().filter_map(|entry| Some((&entry.name, entry.node.as_ref()?)))
    }

    /// How many names own records.
    #[must_use]
    pub fn name_count(&self) -> usize {
        self.owners
    }

    /// Whether something stands at or beneath `name`: then it exists (RFC 4592 section 2.2.2 on empty
    /// non-terminals), with or without records.
    #[must_use]
    pub fn exists(&self, name: &Fqdn) -> bool {
        self.standing(name.as_wire()) != Standing::Missing
    }

    /// Whether something in the zone stands for names that are missing.
    #[must_use]
    pub fn has_wildcards(&self) -> bool {
        self.wildcards > 0
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
            if let Some(owner) = self.redirects.get(&here) {
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

    /// The longest existing ancestor of a missing name.
    fn closest_encloser(&self, name: &Fqdn) -> Fqdn {
        let mut candidate = name.parent();
        while let Some(here) = candidate.filter(|here| here.as_wire().len() > self.apex.as_wire().len()) {
            if self.exists(&here) {
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
        sets.retain(|set| set.rtype != rtype);
        if let Some(set) = set.filter(|set| !set.rdata.is_empty()) {
            let at = sets.partition_point(|other| other.rtype < rtype);
            sets.insert(at, Set { rtype, ttl: set.ttl, rdata: set.rdata.into_boxed_slice() });
        }
        self.put_sets(name, sets);
    }

    /// Puts all sets of a name in place, in the order of their types; none is empty. Returns what the name has then. The
    /// caller keeps the apex' SOA.
    pub(crate) fn put_sets(&mut self, name: &Fqdn, sets: Vec<Set>) -> Option<Node> {
        let node = (!sets.is_empty()).then(|| Node(sets.into()));
        if node.is_none() && self.node_of_wire(name.as_wire()).is_none() {
            return None;
        }
        let hash = self.hash(name.as_wire());
        match self.names.change(hash, name.as_wire()) {
            Some(entry) => {
                let existed = std::mem::replace(&mut entry.node, node.clone()).is_some();
                let is_void = entry.is_void();
                self.count(name, existed, node.as_ref());
                if is_void {
                    self.leave(name.as_wire());
                }
            }
            None => self.add_name(hash, name, node.clone()),
        }
        node
    }

    /// A name comes to exist by these records of its own.
    fn add_name(&mut self, hash: u32, name: &Fqdn, node: Option<Node>) {
        self.count(name, false, node.as_ref());
        self.names.add(Entry::new(hash, name.clone(), node, 0));
        self.hold_above(name.as_wire());
    }

    /// Puts the sets of a name where nothing is, in the order of their types; none is empty. `None`: something is there,
    /// and the zone is as it was.
    pub(crate) fn add_sets(&mut self, name: &Fqdn, sets: impl Iterator<Item = Set>) -> Option<Node> {
        let hash = self.hash(name.as_wire());
        let known = self.names.find(hash, name.as_wire()).map(|entry| entry.node.is_some());
        if known == Some(true) {
            return None;
        }
        let node = Node(sets.collect());
        if known.is_none() {
            self.add_name(hash, name, Some(node.clone()));
            return Some(node);
        }
        if let Some(entry) = self.names.change(hash, name.as_wire()) {
            entry.node = Some(node.clone());
        }
        self.count(name, false, Some(&node));
        Some(node)
    }

    /// Keeps what is known of all names, as the records of one change.
    fn count(&mut self, name: &Fqdn, existed: bool, node: Option<&Node>) {
        let change = |count: usize| count + usize::from(node.is_some()) - usize::from(existed);
        self.owners = change(self.owners);
        if name.as_wire().contains(&b'*') && name.labels().any(|label| label == b"*") {
            self.wildcards = change(self.wildcards);
        }
        let is_apex = *name == self.apex;
        let redirects = |set: &Set| set.rtype == RecordType::DNAME || (set.rtype == RecordType::NS && !is_apex);
        match node.is_some_and(|node| node.sets().iter().any(redirects)) {
            true => _ = Arc::make_mut(&mut self.redirects).insert(name.clone()),
            false if self.redirects.is_empty() => {}
            false => _ = Arc::make_mut(&mut self.redirects).remove(name),
        }
        if is_apex {
            self.top = node.cloned();
        }
    }

    /// The part of a name above its first label; `None` where that is the apex, or the name itself is.
    fn above<'n>(&self, name: &'n [u8]) -> Option<&'n [u8]> {
        let above = name.get(usize::from(*name.first()?) + 1..)?;
        (above.len() > self.apex.as_wire().len()).then_some(above)
    }

    /// A name came to exist: what is above it exists by it.
    fn hold_above(&mut self, name: &[u8]) {
        let mut name = name;
        while let Some(above) = self.above(name) {
            let hash = self.hash(above);
            if let Some(entry) = self.names.change(hash, above) {
                entry.below += 1;
                return;
            }
            // What stands in a name behind a label is a name.
            let holder = Fqdn::from_wire(above).unwrap_or_else(|_| Fqdn::root());
            self.names.add(Entry::new(hash, holder, None, 1));
            name = above;
        }
    }

    /// Nothing is at a name or beneath it any more: it goes, and whatever existed by it alone.
    fn leave(&mut self, name: &[u8]) {
        let mut name = name;
        loop {
            self.names.remove(self.hash(name), name);
            let Some(above) = self.above(name) else { return };
            let hash = self.hash(above);
            let Some(entry) = self.names.change(hash, above) else { return };
            entry.below -= 1;
            if !entry.is_void() {
                return;
            }
            name = above;
        }
    }
}

impl PartialEq for Zone {
    fn eq(&self, other: &Self) -> bool {
        self.apex == other.apex
            && self.owners == other.owners
            && self.owners().all(|(name, node)| other.node_of_wire(name.as_wire()) == Some(node))
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
    /// Fails unless what is kept of the names is what their records say.
    #[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    pub(crate) fn check(&self) {
        let owners: BTreeSet<&Fqdn> = self.owners().map(|(name, _)| name).collect();
        assert_eq!(self.owners, owners.len());
        let mut existing = BTreeSet::new();
        for owner in &owners {
            let mut here = Some(Fqdn::clone(owner));
            while let Some(name) = here.filter(|name| name.is_within(&self.apex)) {
                here = name.parent();
                existing.insert(name);
            }
        }
        assert_eq!(self.names.len(), existing.len());
        for name in &existing {
            let entry = self.names.find(self.hash(name.as_wire()), name.as_wire()).unwrap();
            assert_eq!((&entry.name, entry.node.is_some()), (name, owners.contains(name)));
            let below = existing.iter().filter(|one| one.parent().as_ref() == Some(name)).count();
            assert_eq!(entry.below as usize, if *name == self.apex { 0 } else { below }, "{name}");
        }
        assert_eq!(self.top.as_ref(), self.node_of_wire(self.apex.as_wire()));
        let count = |of: &dyn Fn(&Fqdn) -> bool| owners.iter().filter(|name| of(name)).count();
        assert_eq!(self.wildcards, count(&|name| name.labels().any(|label| label == b"*")));
    }
}
