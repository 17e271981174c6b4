//! One zone as a persistent map: a snapshot is a clone.
//!
//! Names are kept by their hashes ([`crate::names`]), names without records that have something beneath them (empty
//! non-terminals) among them. Whether a name exists, and what the closest encloser of a missing one is, are therefore
//! found by one hash a label, however large the zone. The canonical order of RFC 4034 section 6.1 is made when somebody
//! wants to read in it: kept, it would cost every change more than all else of it.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;

use dns::sip::Sip;
use dns::{Fqdn, Rdata, RecordType, Rrset, Soa};

use crate::names::{Held, Names, hash_of};
use crate::node::{Node, NodeRef, Set, SetRef};

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
    /// Records.
    Owner(NodeRef<'z>),
    /// None, but there are names beneath it: an empty non-terminal (RFC 4592 section 2.2.2).
    Above,
    /// Nothing, neither there nor beneath.
    Missing,
}

/// What stands above a name and answers instead of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Redirect<'z> {
    /// A zone cut at or above the name: its owner and NS set.
    Cut(&'z Fqdn, SetRef<'z>),
    /// A DNAME record above the name (RFC 6672): its owner and set.
    Dname(&'z Fqdn, SetRef<'z>),
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
        let mut all: Vec<Rrset> = Vec::new();
        for set in sets {
            if !set.name.is_within(&zone.apex) {
                return Err(ZoneError::Outside { apex: zone.apex, name: set.name });
            }
            all.push(set);
        }
        zone.put_all(all.into_iter().map(|set| (set.name.clone(), set.rtype, Some(set))).collect());
        zone.checked_soa()?;
        Ok(zone)
    }

    pub(crate) fn checked_soa(&self) -> Result<(), ZoneError> {
        let records = self.soa_set().map_or_else(Vec::new, |set| set.rdata.to_vec());
        match &records[..] {
            [soa] if soa.to_soa().is_some() => Ok(()),
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
        let read = |set: SetRef<'_>| set.rdata.first().and_then(|data| Rdata(data.into()).to_soa());
        set.map_or_else(|| (empty(), 0), |set| (read(set).unwrap_or_else(empty), set.ttl))
    }

    /// The SOA set.
    #[must_use]
    pub fn soa_set(&self) -> Option<SetRef<'_>> {
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
    pub fn negative(&self) -> Option<(SetRef<'_>, u32)> {
        let set = self.soa_set()?;
        let minimum = set.rdata.first()?.last_chunk::<4>()?;
        Some((set, set.ttl.min(u32::from_be_bytes(*minimum))))
    }

    /// What is at a name.
    #[must_use]
    pub fn standing(&self, name: &[u8]) -> Standing<'_> {
        match self.held(name) {
            Some(held) => held.node.map_or(Standing::Above, Standing::Owner),
            None => Standing::Missing,
        }
    }

    /// The records of `name`.
    #[must_use]
    pub fn node(&self, name: &Fqdn) -> Option<NodeRef<'_>> {
        self.node_of_wire(name.as_wire())
    }

    /// The records of a name that is borrowed as octets: wire form, in lower case.
    #[must_use]
    pub fn node_of_wire(&self, name: &[u8]) -> Option<NodeRef<'_>> {
        self.held(name)?.node
    }

    fn held(&self, name: &[u8]) -> Option<Held<'_>> {
        let name = self.within(name)?;
        self.names.find(self.hash(name), name)
    }

    /// A name without the apex that it ends with, as names are kept. Where the apex' octets begin within a label, what is
    /// left ends within that, as no name does that is kept.
    fn within<'n>(&self, name: &'n [u8]) -> Option<&'n [u8]> {
        name.strip_suffix(self.apex.as_wire())
    }

    /// A name that is kept, whole.
    fn whole(&self, within: &[u8]) -> Fqdn {
        let whole = [within, self.apex.as_wire()].concat();
        // It was cut off a name.
        Fqdn::from_wire(&whole).unwrap_or_else(|_| self.apex.clone())
    }

    /// Of a name without the apex.
    fn hash(&self, within: &[u8]) -> u32 {
        hash_of(self.hashes, within)
    }

    /// One set.
    #[must_use]
    pub fn set(&self, name: &Fqdn, rtype: RecordType) -> Option<SetRef<'_>> {
        self.node(name)?.set(rtype)
    }

    /// One set with its name, as the store keeps it.
    #[must_use]
    pub fn rrset(&self, name: &Fqdn, rtype: RecordType) -> Option<Rrset> {
        self.set(name, rtype).map(|set| set.owned(name))
    }

    /// Every set, in canonical order of names: they are sorted for it.
    pub fn rrsets(&self) -> impl Iterator<Item = Rrset> + '_ {
        let mut owners: Vec<(Fqdn, NodeRef<'_>)> = self.nodes().collect();
        owners.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
        owners.into_iter().flat_map(|(name, node)| sets_of(&name, node))
    }

    /// Every set, those of a name beside each other, in no order of names.
    pub fn rrsets_unsorted(&self) -> impl Iterator<Item = Rrset> + '_ {
        self.nodes().flat_map(|(name, node)| sets_of(&name, node))
    }

    /// The names that own records, with what they own, in no order.
    pub fn nodes(&self) -> impl Iterator<Item = (Fqdn, NodeRef<'_>)> {
        self.names.iter().filter_map(|held| Some((self.whole(held.name), held.node?)))
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
        self.put_of_name(name, [(rtype, set)]);
    }

    /// The same of many: what is at a name is made anew once, however many sets of it there are. Of several of one name and
    /// type the last one counts.
    pub(crate) fn put_all(&mut self, mut sets: Vec<(Fqdn, RecordType, Option<Rrset>)>) {
        // Stays in the order in which they came where it matters; nearly always they are sorted already.
        sets.sort_by(|(one, ..), (other, ..)| one.cmp(other));
        let mut sets = sets.into_iter().peekable();
        while let Some((name, rtype, set)) = sets.next() {
            let mut of_name = vec![(rtype, set)];
            while let Some((_, rtype, set)) = sets.next_if(|(other, ..)| *other == name) {
                of_name.push((rtype, set));
            }
            self.put_of_name(&name, of_name);
        }
    }

    fn put_of_name(&mut self, name: &Fqdn, changes: impl IntoIterator<Item = (RecordType, Option<Rrset>)>) {
        let before = self.node(name).map_or_else(Vec::new, NodeRef::to_sets);
        let mut sets: BTreeMap<RecordType, Set> = before.into_iter().map(|set| (set.rtype, set)).collect();
        for (rtype, set) in changes {
            match set.filter(|set| !set.rdata.is_empty()) {
                Some(set) => {
                    let Rrset { ttl, rdata, .. } = set;
                    sets.insert(rtype, Set { rtype, ttl, rdata: rdata.into_boxed_slice() })
                }
                None => sets.remove(&rtype),
            };
        }
        let sets: Vec<Set> = sets.into_values().collect();
        self.put_sets(name, &sets);
    }

    /// Puts all sets of a name in place, in the order of their types; none is empty. Returns what the name has then. The
    /// caller keeps the apex' SOA.
    pub(crate) fn put_sets(&mut self, name: &Fqdn, sets: &[Set]) -> Option<Node> {
        // Whatever is put into a zone was found to be within it.
        let within = self.within(name.as_wire())?;
        let hash = self.hash(within);
        let (known, existed, below) = match self.names.find(hash, within) {
            Some(held) => (true, held.node.is_some(), held.below),
            None => (false, false, 0),
        };
        let node = Node::of(sets);
        if node.is_none() && !existed {
            return None;
        }
        self.count(name, existed, node.as_ref());
        if node.is_none() && below == 0 {
            self.leave(within);
            return None;
        }
        self.names.put(hash, within, node.as_ref(), below);
        if !known {
            self.hold_above(within);
        }
        node
    }

    /// Puts the sets of a name where nothing is. False: something is there, and the zone is as it was.
    pub(crate) fn add_node(&mut self, name: &Fqdn, node: &Node) -> bool {
        let Some(within) = self.within(name.as_wire()) else { return false };
        let hash = self.hash(within);
        let known = self.names.find(hash, within).map(|held| (held.below, held.node.is_some()));
        if let Some((_, true)) = known {
            return false;
        }
        self.count(name, false, Some(node));
        self.names.put(hash, within, Some(node), known.map_or(0, |(below, _)| below));
        if known.is_none() {
            self.hold_above(within);
        }
        true
    }

    /// Keeps what is known of all names, as the records of one change.
    fn count(&mut self, name: &Fqdn, existed: bool, node: Option<&Node>) {
        let change = |count: usize| count + usize::from(node.is_some()) - usize::from(existed);
        self.owners = change(self.owners);
        if name.as_wire().contains(&b'*') && name.labels().any(|label| label == b"*") {
            self.wildcards = change(self.wildcards);
        }
        let is_apex = *name == self.apex;
        let redirects = |set: SetRef<'_>| set.rtype == RecordType::DNAME || (set.rtype == RecordType::NS && !is_apex);
        match node.is_some_and(|node| node.sets().any(redirects)) {
            true => _ = Arc::make_mut(&mut self.redirects).insert(name.clone()),
            false if self.redirects.is_empty() => {}
            false => _ = Arc::make_mut(&mut self.redirects).remove(name),
        }
        if is_apex {
            self.top = node.cloned();
        }
    }

    /// A name came to exist: what is above it exists by it.
    fn hold_above(&mut self, within: &[u8]) {
        let mut name = within;
        while let Some(above) = above(name) {
            let hash = self.hash(above);
            if self.names.count_below(hash, above, |below| below + 1).is_some() {
                return;
            }
            self.names.put(hash, above, None, 1);
            name = above;
        }
    }

    /// Nothing is at a name or beneath it any more: it goes, and whatever existed by it alone.
    fn leave(&mut self, within: &[u8]) {
        let mut name = within;
        loop {
            self.names.remove(self.hash(name), name);
            let Some(above) = above(name) else { return };
            let hash = self.hash(above);
            let below = self.names.count_below(hash, above, |below| below.saturating_sub(1));
            let is_void = below == Some(0) && self.names.find(hash, above).is_some_and(|held| held.node.is_none());
            if !is_void {
                return;
            }
            name = above;
        }
    }
}

/// The part of a name above its first label, both without the apex; `None` where that is the apex, or the name itself is.
fn above(within: &[u8]) -> Option<&[u8]> {
    let above = within.get(usize::from(*within.first()?) + 1..)?;
    (!above.is_empty()).then_some(above)
}

/// Every set of a name, as the store keeps it.
fn sets_of<'z>(name: &Fqdn, node: NodeRef<'z>) -> impl Iterator<Item = Rrset> + use<'z> {
    let name = name.clone();
    node.sets().map(move |set| set.owned(&name))
}

impl PartialEq for Zone {
    fn eq(&self, other: &Self) -> bool {
        self.apex == other.apex
            && self.owners == other.owners
            && self.nodes().all(|(name, node)| other.node(&name) == Some(node))
    }
}

impl Eq for Zone {}

/// The serial in a SOA set.
pub(crate) fn serial_in(soa: Option<SetRef<'_>>) -> u32 {
    soa.and_then(|set| set.rdata.first()).map_or(0, serial_of)
}

/// The serial in a SOA record's data.
pub(crate) fn serial_of(soa: &[u8]) -> u32 {
    // The five last numbers of it follow its two names.
    let octets = soa.last_chunk::<20>();
    octets.map_or(0, |octets| u32::from_be_bytes([octets[0], octets[1], octets[2], octets[3]]))
}

#[cfg(test)]
impl Zone {
    /// Fails unless what is kept of the names is what their records say.
    #[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    pub(crate) fn check(&self) {
        let owners: BTreeSet<Fqdn> = self.nodes().map(|(name, _)| name).collect();
        assert_eq!(self.owners, owners.len());
        let mut existing = BTreeSet::new();
        for owner in &owners {
            let mut here = Some(owner.clone());
            while let Some(name) = here.filter(|name| name.is_within(&self.apex)) {
                here = name.parent();
                existing.insert(name);
            }
        }
        assert_eq!(self.names.len(), existing.len());
        for name in &existing {
            let held = self.held(name.as_wire()).unwrap();
            assert_eq!((self.whole(held.name), held.node.is_some()), (name.clone(), owners.contains(name)));
            let below = existing.iter().filter(|one| one.parent().as_ref() == Some(name)).count();
            assert_eq!(held.below as usize, if *name == self.apex { 0 } else { below }, "{name}");
        }
        assert_eq!(self.top.as_ref().map(Node::view), self.node(&self.apex));
        let count = |of: &dyn Fn(&Fqdn) -> bool| owners.iter().filter(|name| of(name)).count();
        assert_eq!(self.wildcards, count(&|name| name.labels().any(|label| label == b"*")));
    }
}
