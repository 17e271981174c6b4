//! RFC 2136: prerequisites and changes, to the next zone and its difference.
//!
//! The order is the RFC's but for one step: the zone (section 3.1) is the caller's to find; permission (3.3) comes
//! before the prerequisites (3.2), which are looked at one after the other; then the scan of every change before any is
//! made (3.4.1), the changes on a clone (3.4.2) and the serial (3.6). Whatever fails leaves the zone as it was: the clone is dropped.

mod views;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use dns::{Change, Fqdn, Prerequisite, Rcode, Rdata, RecordType, Rrset, Update};
use faults::{Fault, planted};

pub use views::Followed;

use crate::node::{Node, NodeRef, NodeWriter, Set, SetRef};
use crate::zone::{Zone, serial_of};
use crate::{DifferenceWriter, Records, ZoneChange, serial};

/// Who may change what (RFC 2136 section 3.3).
pub trait Policy {
    /// Whether the requestor has anything to ask for at all. If not, the update is refused whatever it says.
    fn admits(&self) -> bool {
        true
    }

    /// Whether this change may be made; one refusal refuses the whole update.
    fn permits(&self, zone: &Zone, change: &Change) -> bool;

    /// How many records of one name and type an update may lead to.
    fn records_max(&self) -> usize {
        usize::MAX
    }

    /// Is told that an update was refused because it led to more.
    fn tell_too_many(&self, _name: &Fqdn, _rtype: RecordType) {}

    /// The update is about a host with a lease, whose name is in several zones of one apex, each for other views: what it
    /// asks for before it adds something must hold in each of them.
    fn spans_views(&self) -> bool {
        false
    }
}

/// Everybody whose update comes this far may change everything.
#[derive(Clone, Copy, Debug, Default)]
pub struct AllowAll;

impl Policy for AllowAll {
    fn permits(&self, _zone: &Zone, _change: &Change) -> bool {
        true
    }
}

/// The server's own updates for hosts with leases: they may change everything, and their names are theirs in every view.
#[derive(Clone, Copy, Debug, Default)]
pub struct ForLeases;

impl Policy for ForLeases {
    fn permits(&self, _zone: &Zone, _change: &Change) -> bool {
        true
    }

    fn spans_views(&self) -> bool {
        true
    }
}

/// What an update makes of a zone: the next zone, and what to store. No difference means that the zone already was
/// as wanted; its serial stays.
///
/// # Errors
/// The response code to answer with.
pub fn apply(zone: &Zone, update: &Update, policy: &dyn Policy) -> Result<(Zone, Option<ZoneChange>), Rcode> {
    let mut draft = Draft::of(zone);
    draft.apply(update, policy)?;
    Ok(draft.finish())
}

/// Updates of one zone, one after the other, that become one change with one step of the serial.
///
/// Each is all or nothing by itself, and sees those before it. Together they cost far less than one by one: the parts of
/// the map that they touch are copied once.
#[derive(Debug)]
pub struct Draft {
    before: Zone,
    next: Zone,
    /// The records of names that were touched, before and after, one touch after the other.
    touched: Vec<Touched>,
    /// A name may be among them more than once.
    repeats: bool,
    /// The name that was looked at last: an update says one name several times, and a zone is large.
    open: Option<Open>,
    /// Used for one name's records after the other, so that its memory is taken once.
    writer: NodeWriter,
}

#[derive(Debug)]
struct Touched {
    name: Fqdn,
    before: Option<Node>,
    now: Option<Node>,
}

/// One name's records, looked up once.
#[derive(Debug)]
struct Open {
    name: Fqdn,
    /// As they are in the zone.
    node: Option<Node>,
    /// The same, to be looked at and changed. In the order of their types; none is empty.
    sets: Vec<Set>,
    is_changed: bool,
}

impl Draft {
    /// A draft that changes nothing yet.
    #[must_use]
    pub fn of(zone: &Zone) -> Self {
        Self {
            before: zone.clone(),
            next: zone.clone(),
            touched: Vec::new(),
            repeats: false,
            open: None,
            writer: NodeWriter::default(),
        }
    }

    /// The apex of its zone.
    #[must_use]
    pub fn apex(&self) -> &Fqdn {
        self.before.apex()
    }

    /// What its zone is known by.
    #[must_use]
    pub fn id(&self) -> &Fqdn {
        self.before.id()
    }

    /// Makes one update's changes, or none of them.
    ///
    /// # Errors
    /// The response code to answer with.
    pub fn apply(&mut self, update: &Update, policy: &dyn Policy) -> Result<(), Rcode> {
        // Section 3.3: without permission, REFUSED. Asked for before the prerequisites, which the RFC puts first, as BIND
        // does it: whoever may not change a record is not told by their codes what there is.
        if !policy.admits() || !update.changes.iter().all(|change| policy.permits(&self.next, change)) {
            return Err(Rcode::REFUSED);
        }
        for prerequisite in &update.prerequisites {
            self.check_prerequisite(prerequisite)?;
        }
        for change in &update.changes {
            scan(&self.next, change)?;
        }
        let most = policy.records_max();
        if most < usize::MAX
            && let Some((name, rtype)) = too_many(&self.next, update, most)
        {
            policy.tell_too_many(name, rtype);
            return Err(Rcode::REFUSED);
        }
        for change in &update.changes {
            self.make(change);
        }
        self.close();
        Ok(())
    }

    /// Puts these records at a name that owns none: what an update of such adds comes to, with the prerequisite that the
    /// name is not in use. False: it is, and nothing was changed. There is one at least and one of a type, in the order of
    /// their types, and what they say is in canonical form.
    pub fn add<'d>(
        &mut self,
        name: &Fqdn,
        ttl: u32,
        records: impl IntoIterator<Item = (RecordType, &'d [u8])>,
    ) -> bool {
        self.close();
        self.writer.clear();
        for (rtype, data) in records {
            self.writer.set(rtype, ttl_of(ttl), [data]);
        }
        let writer = &self.writer;
        let Some(node) = writer.finish() else { return false };
        debug_assert!(name.is_within(self.apex()) && node.sets().is_sorted_by_key(|set| set.rtype), "{name}");
        let is_added = self.next.add_node(name, &node);
        if is_added {
            self.touched.push(Touched { name: name.clone(), before: None, now: Some(node) });
        }
        is_added
    }

    /// The next zone, and what to store; `None`: the zone is as it was.
    #[must_use]
    pub fn finish(mut self) -> (Zone, Option<ZoneChange>) {
        self.close();
        let Self { before, mut next, mut touched, repeats, .. } = self;
        // Names that were only added are there once each, as nearly always.
        if repeats {
            merge_repeated(&mut touched);
        }
        let change = finish(&before, &mut next, touched);
        (next, change)
    }

    /// Section 3.2: the prerequisites, in the order of the message, each with its own code.
    fn check_prerequisite(&mut self, prerequisite: &Prerequisite) -> Result<(), Rcode> {
        let (Prerequisite::RrsetExists(name, _)
        | Prerequisite::RrsetIs(name, ..)
        | Prerequisite::RrsetAbsent(name, _)
        | Prerequisite::NameInUse(name)
        | Prerequisite::NameNotInUse(name)) = prerequisite;
        // Section 3.2.5: "if (zone_of(rr.name) != ZNAME) return (NOTZONE)", before the value is looked at.
        if !name.is_within(self.apex()) {
            return Err(Rcode::NOT_ZONE);
        }
        // Looked at where it stands: a message may ask thousands of times about thousands of records.
        let node = self.look(name);
        let set = |rtype| node.and_then(|node| node.set(rtype));
        let (holds, otherwise) = match prerequisite {
            // Section 3.2.1: "RRset Exists (Value Independent)", else NXRRSET.
            Prerequisite::RrsetExists(_, rtype) => (set(*rtype).is_some(), Rcode::NX_RRSET),
            // Section 3.2.3: "RRset Exists (Value Dependent)": equal sets, else NXRRSET. TTLs do not count.
            Prerequisite::RrsetIs(_, rtype, rdata) => {
                (set(*rtype).is_some_and(|set| set.rdata.are_exactly(rdata)), Rcode::NX_RRSET)
            }
            // Section 3.2.2 "RRset Does Not Exist", else YXRRSET.
            Prerequisite::RrsetAbsent(_, rtype) => (set(*rtype).is_none(), Rcode::YX_RRSET),
            // Section 2.4.4: "at least one RR with a specified NAME"; an empty non-terminal "owns" none. Else NXDOMAIN.
            Prerequisite::NameInUse(_) => (node.is_some(), Rcode::NX_DOMAIN),
            // Section 2.4.5, else YXDOMAIN.
            Prerequisite::NameNotInUse(_) => (node.is_none(), Rcode::YX_DOMAIN),
        };
        if holds { Ok(()) } else { Err(otherwise) }
    }

    /// Section 3.4.2: one change.
    fn make(&mut self, change: &Change) {
        if self.is_idle(change) {
            return;
        }
        let apex = self.before.apex().clone();
        match change {
            Change::Add { name, rtype, ttl, rdata } => add(self.open(name), &apex, *rtype, *ttl, rdata),
            Change::DeleteRrset(name, rtype) => delete_sets(self.open(name), &apex, |set| set.rtype == *rtype),
            Change::DeleteName(name) => delete_sets(self.open(name), &apex, |_| true),
            Change::DeleteRecord(name, rtype, rdata) => delete_record(self.open(name), &apex, *rtype, rdata),
        }
    }

    /// A name's records, as they are now.
    fn look(&mut self, name: &Fqdn) -> Option<NodeRef<'_>> {
        self.close();
        self.next.node(name)
    }

    /// Whether a change changes nothing, so that no records need be copied to be changed.
    fn is_idle(&self, change: &Change) -> bool {
        let (Change::Add { name, .. }
        | Change::DeleteRrset(name, _)
        | Change::DeleteName(name)
        | Change::DeleteRecord(name, ..)) = change;
        if self.open.as_ref().is_some_and(|open| open.name == *name) {
            return false;
        }
        let Some(node) = self.next.node(name) else { return !matches!(change, Change::Add { .. }) };
        match change {
            Change::Add { rtype, ttl, rdata, .. } => {
                let is_there = |set: SetRef<'_>| set.ttl == ttl_of(*ttl) && set.rdata.contains(rdata);
                node.set(*rtype).is_some_and(is_there)
            }
            Change::DeleteRrset(_, rtype) => node.set(*rtype).is_none(),
            Change::DeleteRecord(_, rtype, rdata) => !node.set(*rtype).is_some_and(|set| set.rdata.contains(rdata)),
            Change::DeleteName(_) => false,
        }
    }

    /// A name's records, to be changed.
    fn open(&mut self, name: &Fqdn) -> &mut Open {
        if self.open.as_ref().is_some_and(|open| open.name != *name) {
            self.close();
        }
        let zone = &self.next;
        self.open.get_or_insert_with(|| {
            let node = zone.node(name);
            Open {
                name: name.clone(),
                node: node.map(NodeRef::to_node),
                sets: node.map_or_else(Vec::new, NodeRef::to_sets),
                is_changed: false,
            }
        })
    }

    /// Puts what became of a name's records into the zone.
    fn close(&mut self) {
        let Some(Open { name, node: before, sets, is_changed: true }) = self.open.take() else { return };
        let now = self.next.put_sets(&name, &sets);
        self.repeats = true;
        self.touched.push(Touched { name, before, now });
    }
}

impl Open {
    fn sets(&self) -> &[Set] {
        &self.sets
    }

    fn change(&mut self) -> &mut Vec<Set> {
        self.is_changed = true;
        &mut self.sets
    }
}

fn set_of(sets: &[Set], rtype: RecordType) -> Option<&Set> {
    place_of(sets, rtype).ok().map(|at| &sets[at])
}

fn place_of(sets: &[Set], rtype: RecordType) -> Result<usize, usize> {
    sets.binary_search_by_key(&rtype, |set| set.rtype)
}

/// Section 3.4.1: everything is looked through before anything is changed.
fn scan(zone: &Zone, change: &Change) -> Result<(), Rcode> {
    let (name, sound) = match change {
        Change::Add { name, rtype, rdata, .. } | Change::DeleteRecord(name, rtype, rdata) => {
            (name, rtype.is_data() && rdata.is_canonical(*rtype))
        }
        Change::DeleteRrset(name, rtype) => (name, rtype.is_data()),
        Change::DeleteName(name) => (name, true),
    };
    // Section 3.4.1.2: "any such RR whose NAME is not in the zone: NOTZONE"; then class, TTL, length, type: FORMERR.
    if !name.is_within(zone.apex()) {
        return Err(Rcode::NOT_ZONE);
    }
    if sound { Ok(()) } else { Err(Rcode::FORM_ERR) }
}

/// The set that an update would make larger than `most` records. Of those that are larger already each update may leave
/// as many as there are.
fn too_many<'u>(zone: &Zone, update: &'u Update, most: usize) -> Option<(&'u Fqdn, RecordType)> {
    let added = update.changes.iter().filter_map(|change| match change {
        Change::Add { name, rtype, .. } => Some((name, *rtype)),
        _ => None,
    });
    // Seldom is there anything to count: a message has few records.
    let mut grown: BTreeMap<(&Fqdn, RecordType), BTreeSet<&[u8]>> = added
        .filter(|(name, rtype)| records_at(zone, name, *rtype).len() + update.changes.len() > most)
        .map(|(name, rtype)| ((name, rtype), records_at(zone, name, rtype).iter().collect()))
        .collect();
    if grown.is_empty() {
        return None;
    }
    for change in &update.changes {
        match change {
            Change::Add { name, rtype, rdata, .. } => {
                if let Some(set) = grown.get_mut(&(name, *rtype)) {
                    // What replaces the record that is there.
                    if is_alone(*rtype) {
                        set.clear();
                    }
                    set.insert(&rdata.0);
                }
            }
            Change::DeleteRecord(name, rtype, rdata) => {
                if let Some(set) = grown.get_mut(&(name, *rtype)) {
                    set.remove(&*rdata.0);
                }
            }
            Change::DeleteRrset(name, rtype) => {
                if let Some(set) = grown.get_mut(&(name, *rtype)) {
                    set.clear();
                }
            }
            Change::DeleteName(name) => {
                grown.iter_mut().filter(|((of, _), _)| *of == name).for_each(|(_, set)| set.clear());
            }
        }
    }
    let larger = |((name, rtype), set): &(&(&Fqdn, RecordType), &BTreeSet<&[u8]>)| {
        set.len() > most.max(records_at(zone, name, *rtype).len())
    };
    grown.iter().find(larger).map(|((name, rtype), _)| (*name, *rtype))
}

fn records_at<'z>(zone: &'z Zone, name: &Fqdn, rtype: RecordType) -> Records<'z> {
    zone.set(name, rtype).map_or_else(Records::default, |set| set.rdata)
}

/// RFC 6672 section 2.4: "DNAME RRs ... are singletons", as CNAME and SOA are.
fn is_alone(rtype: RecordType) -> bool {
    matches!(rtype, RecordType::CNAME | RecordType::DNAME | RecordType::SOA)
}

/// Section 3.4.2.2: an added record.
fn add(open: &mut Open, apex: &Fqdn, rtype: RecordType, ttl: u32, rdata: &Rdata) {
    let sets = open.sets();
    let has_cname = set_of(sets, RecordType::CNAME).is_some();
    let has_others = sets.iter().any(|set| set.rtype != RecordType::CNAME);
    // "if ((zone_rrset<rr.name, ~CNAME>) next [rr]" for a CNAME, "elsif (zone_rrset<rr.name, CNAME>) next [rr]".
    if (rtype == RecordType::CNAME && has_others) || (rtype != RecordType::CNAME && has_cname) {
        return;
    }
    // "If the TYPE is SOA and there is no Zone SOA RR, or the new SOA.SERIAL is lower (according to [RFC1982]) than
    // or equal to the current Zone SOA RR's SOA.SERIAL, the Update RR is ignored."
    if rtype == RecordType::SOA {
        let current = set_of(sets, RecordType::SOA).and_then(|set| set.rdata.first());
        let current = current.map_or(0, |soa| serial_of(&soa.0));
        let newer = rdata.to_soa().is_some_and(|soa| serial::is_newer(soa.serial, current));
        if open.name != *apex || !newer {
            return;
        }
    }
    // RFC 2181 section 5.2: the TTLs of one set are the same, so that the newest record's becomes the set's.
    let ttl = ttl_of(ttl);
    let single = || Set { rtype, ttl, rdata: [rdata.clone()].into() };
    match place_of(sets, rtype) {
        Err(at) => open.change().insert(at, single()),
        // One such record replaces the other.
        Ok(at) if is_alone(rtype) => open.change()[at] = single(),
        Ok(at) => match sets[at].rdata.binary_search(rdata) {
            Ok(_) if sets[at].ttl == ttl => {}
            Ok(_) => open.change()[at].ttl = ttl,
            Err(place) => {
                let set = &mut open.change()[at];
                let mut data = std::mem::take(&mut set.rdata).into_vec();
                data.insert(place, rdata.clone());
                (set.rdata, set.ttl) = (data.into(), ttl);
            }
        },
    }
}

/// RFC 2181 section 8: a TTL with the most significant bit set is zero.
fn ttl_of(ttl: u32) -> u32 {
    if ttl > i32::MAX as u32 { 0 } else { ttl }
}

/// Section 3.4.2.3: "unless the NAME is the same as ZNAME in which case only those RRs whose TYPE is other than SOA
/// or NS are deleted".
fn delete_sets(open: &mut Open, apex: &Fqdn, named: impl Fn(&Set) -> bool) {
    let is_apex = open.name == *apex;
    let goes = |set: &Set| named(set) && !(is_apex && matches!(set.rtype, RecordType::SOA | RecordType::NS));
    if open.sets().iter().any(goes) {
        open.change().retain(|set| !goes(set));
    }
}

/// Section 3.4.2.4: "unless the NAME is the same as ZNAME and either the TYPE is SOA or the TYPE is NS and the matching
/// Zone RR is the only NS RR remaining in the RRset, in which case this Update RR is ignored".
fn delete_record(open: &mut Open, apex: &Fqdn, rtype: RecordType, rdata: &Rdata) {
    let Ok(at) = place_of(open.sets(), rtype) else { return };
    let set = &open.sets()[at];
    let is_last = set.rdata.len() == 1;
    let last_of_apex = open.name == *apex && (rtype == RecordType::SOA || (rtype == RecordType::NS && is_last));
    let Some(place) = set.rdata.binary_search(rdata).ok().filter(|_| !last_of_apex) else { return };
    if is_last {
        open.change().remove(at);
        return;
    }
    let set = &mut open.change()[at];
    let mut data = std::mem::take(&mut set.rdata).into_vec();
    data.remove(place);
    set.rdata = data.into();
}

/// Of a name that was touched more than once: what it had before the first touch, and has after the last.
fn merge_repeated(touched: &mut Vec<Touched>) {
    // Stays in the order of the touches where a name was touched more than once.
    touched.sort_by(|one, other| one.name.cmp(&other.name));
    touched.dedup_by(|later, first| {
        let is_same = later.name == first.name;
        if is_same {
            first.now = later.now.take();
        }
        is_same
    });
}

fn by_type(node: Option<&Node>) -> BTreeMap<RecordType, SetRef<'_>> {
    node.into_iter().flat_map(Node::sets).map(|set| (set.rtype, set)).collect()
}

/// Section 3.6: the serial goes up once when the zone changed and the update did not raise it itself. Compares what
/// was touched, so that an addition taken back is no change.
fn finish(before: &Zone, after: &mut Zone, touched: Vec<Touched>) -> Option<ZoneChange> {
    let mut sets = Vec::new();
    let mut added = Vec::new();
    let mut former = DifferenceWriter::with_room_for(touched.len());
    for Touched { name, before, now } in touched {
        if let (None, Some(node)) = (&before, &now) {
            node.sets().for_each(|set| former.push_set(&name, set.rtype, None));
            added.push((name, node.clone()));
            continue;
        }
        let (old, new) = (by_type(before.as_ref()), by_type(now.as_ref()));
        let types: BTreeSet<RecordType> = old.keys().chain(new.keys()).copied().collect();
        let changed = types.into_iter().filter(|rtype| old.get(rtype) != new.get(rtype));
        sets.extend(changed.map(|rtype| {
            former.push_set(&name, rtype, old.get(&rtype).copied());
            (name.clone(), rtype, new.get(&rtype).map(|set| set.owned(&name)))
        }));
    }
    if sets.is_empty() && added.is_empty() {
        return None;
    }
    let apex = before.apex().clone();
    if after.serial() == before.serial() && !planted(Fault::ZoneSerialStays) {
        let (mut soa, ttl) = after.soa();
        soa.serial = serial::next(soa.serial);
        let set = Rrset::single(apex.clone(), RecordType::SOA, ttl, Rdata::soa(&soa));
        after.put(&apex, RecordType::SOA, Some(set.clone()));
        let at = sets.partition_point(|(name, rtype, _)| (name, *rtype) < (&apex, RecordType::SOA));
        sets.insert(at, (apex.clone(), RecordType::SOA, Some(set)));
        former.push_set(&apex, RecordType::SOA, before.soa_set());
    }
    let (serial_before, serial_after) = (before.serial(), after.serial());
    let difference = Arc::new(former.finish(serial_before, serial_after));
    let zone = before.id().clone();
    Some(ZoneChange { sets, added, serial_before, serial_after, zone, difference, cut: Vec::new() })
}

#[cfg(test)]
mod tests;
