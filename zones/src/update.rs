//! RFC 2136: prerequisites and changes, to the next zone and its difference.
//!
//! The order is the RFC's: the zone (section 3.1) is the caller's to find; prerequisites (3.2) one after the
//! other, permission (3.3), the scan of every change before any is made (3.4.1), then the changes on a clone
//! (3.4.2) and the serial (3.6). Whatever fails leaves the zone as it was: the clone is dropped.

use std::collections::BTreeSet;

use dns::{Change, Fqdn, Prerequisite, Rcode, Rdata, RecordType, Rrset, Update};
use faults::{Fault, planted};

use crate::{Zone, ZoneChange, serial};

/// Who may change what (RFC 2136 section 3.3).
pub trait Policy {
    /// Whether this change may be made; one refusal refuses the whole update.
    fn permits(&self, zone: &Zone, change: &Change) -> bool;
}

/// Everybody whose update comes this far may change everything.
#[derive(Clone, Copy, Debug, Default)]
pub struct AllowAll;

impl Policy for AllowAll {
    fn permits(&self, _zone: &Zone, _change: &Change) -> bool {
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
    touched: BTreeSet<(Fqdn, RecordType)>,
}

impl Draft {
    /// A draft that changes nothing yet.
    #[must_use]
    pub fn of(zone: &Zone) -> Self {
        Self { before: zone.clone(), next: zone.clone(), touched: BTreeSet::new() }
    }

    /// The apex of its zone.
    #[must_use]
    pub fn apex(&self) -> &Fqdn {
        self.before.apex()
    }

    /// Makes one update's changes, or none of them.
    ///
    /// # Errors
    /// The response code to answer with.
    pub fn apply(&mut self, update: &Update, policy: &dyn Policy) -> Result<(), Rcode> {
        let zone = &self.next;
        for prerequisite in &update.prerequisites {
            check_prerequisite(zone, prerequisite)?;
        }
        // Section 3.3: "If the requestor does not have permission ..., signal REFUSED".
        if !update.changes.iter().all(|change| policy.permits(zone, change)) {
            return Err(Rcode::REFUSED);
        }
        for change in &update.changes {
            scan(zone, change)?;
        }
        for change in &update.changes {
            make(&mut self.next, change, &mut self.touched);
        }
        Ok(())
    }

    /// The next zone, and what to store; `None`: the zone is as it was.
    #[must_use]
    pub fn finish(self) -> (Zone, Option<ZoneChange>) {
        let Self { before, mut next, touched } = self;
        let change = finish(&before, &mut next, touched);
        (next, change)
    }
}

/// Section 3.2: the prerequisites, in the order of the message, each with its own code.
fn check_prerequisite(zone: &Zone, prerequisite: &Prerequisite) -> Result<(), Rcode> {
    let (name, holds, otherwise) = match prerequisite {
        // Section 3.2.1: "RRset Exists (Value Independent)", else NXRRSET.
        Prerequisite::RrsetExists(name, rtype) => (name, zone.set(name, *rtype).is_some(), Rcode::NX_RRSET),
        // Section 3.2.3: "RRset Exists (Value Dependent)": equal sets, else NXRRSET. TTLs do not count.
        Prerequisite::RrsetIs(name, rtype, rdata) => {
            let same = |set: Rrset| set.has_exactly(rdata);
            (name, zone.rrset(name, *rtype).is_some_and(same), Rcode::NX_RRSET)
        }
        // Section 3.2.2 "RRset Does Not Exist", else YXRRSET.
        Prerequisite::RrsetAbsent(name, rtype) => (name, zone.set(name, *rtype).is_none(), Rcode::YX_RRSET),
        // Section 2.4.4: "at least one RR with a specified NAME"; an empty non-terminal "owns" none. Else NXDOMAIN.
        Prerequisite::NameInUse(name) => (name, zone.node(name).is_some(), Rcode::NX_DOMAIN),
        // Section 2.4.5, else YXDOMAIN.
        Prerequisite::NameNotInUse(name) => (name, zone.node(name).is_none(), Rcode::YX_DOMAIN),
    };
    // Section 3.2.5: "if (zone_of(rr.name) != ZNAME) return (NOTZONE)", before the value is looked at.
    if !name.is_within(zone.apex()) {
        return Err(Rcode::NOT_ZONE);
    }
    if holds { Ok(()) } else { Err(otherwise) }
}

/// Section 3.4.1: everything is looked through before anything is changed.
fn scan(zone: &Zone, change: &Change) -> Result<(), Rcode> {
    let (name, sound) = match change {
        Change::Add { name, rtype, rdata, .. } | Change::DeleteRecord(name, rtype, rdata) => {
            (name, rtype.is_data() && is_canonical(*rtype, rdata))
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

/// Whether the data is what its type says, in the one form that compares equal to its like.
fn is_canonical(rtype: RecordType, rdata: &Rdata) -> bool {
    Rdata::from_wire(rtype, &rdata.0).as_ref() == Ok(rdata)
}

/// Section 3.4.2: one change.
fn make(zone: &mut Zone, change: &Change, touched: &mut BTreeSet<(Fqdn, RecordType)>) {
    match change {
        Change::Add { name, rtype, ttl, rdata } => add(zone, name, *rtype, *ttl, rdata, touched),
        Change::DeleteRrset(name, rtype) => delete_set(zone, name, *rtype, touched),
        Change::DeleteName(name) => {
            let types: Vec<RecordType> =
                zone.node(name).map_or_else(Vec::new, |(_, node)| node.sets().iter().map(|set| set.rtype).collect());
            for rtype in types {
                delete_set(zone, name, rtype, touched);
            }
        }
        Change::DeleteRecord(name, rtype, rdata) => delete_record(zone, name, *rtype, rdata, touched),
    }
}

/// Section 3.4.2.2: an added record.
fn add(
    zone: &mut Zone,
    name: &Fqdn,
    rtype: RecordType,
    ttl: u32,
    rdata: &Rdata,
    touched: &mut BTreeSet<(Fqdn, RecordType)>,
) {
    let has_cname = zone.set(name, RecordType::CNAME).is_some();
    let has_others =
        zone.node(name).is_some_and(|(_, node)| node.sets().iter().any(|set| set.rtype != RecordType::CNAME));
    // "if ((zone_rrset<rr.name, ~CNAME>) next [rr]" for a CNAME, "elsif (zone_rrset<rr.name, CNAME>) next [rr]".
    if (rtype == RecordType::CNAME && has_others) || (rtype != RecordType::CNAME && has_cname) {
        return;
    }
    // "If the TYPE is SOA and there is no Zone SOA RR, or the new SOA.SERIAL is lower (according to [RFC1982]) than
    // or equal to the current Zone SOA RR's SOA.SERIAL, the Update RR is ignored."
    if rtype == RecordType::SOA {
        let newer = rdata.to_soa().is_some_and(|soa| serial::is_newer(soa.serial, zone.serial()));
        if name != zone.apex() || !newer {
            return;
        }
    }
    // RFC 2181 section 8: a TTL with the most significant bit set is zero. Section 5.2: the TTLs of one set are the
    // same, so that the newest record's becomes the set's.
    let ttl = if ttl > i32::MAX as u32 { 0 } else { ttl };
    // RFC 6672 section 2.4: "DNAME RRs ... are singletons", as CNAME and SOA are.
    let is_alone = matches!(rtype, RecordType::CNAME | RecordType::DNAME | RecordType::SOA);
    let set = match zone.rrset(name, rtype).filter(|_| !is_alone) {
        Some(mut set) => {
            let added = set.insert(rdata.clone());
            if !added && set.ttl == ttl {
                return;
            }
            set.ttl = ttl;
            set
        }
        // One such record replaces the other.
        None => Rrset::single(name.clone(), rtype, ttl, rdata.clone()),
    };
    touched.insert((name.clone(), rtype));
    zone.put(name, rtype, Some(set));
}

/// Section 3.4.2.3: "unless the NAME is the same as ZNAME in which case only those RRs whose TYPE is other than SOA
/// or NS are deleted".
fn delete_set(zone: &mut Zone, name: &Fqdn, rtype: RecordType, touched: &mut BTreeSet<(Fqdn, RecordType)>) {
    let kept = name == zone.apex() && matches!(rtype, RecordType::SOA | RecordType::NS);
    if !kept && zone.set(name, rtype).is_some() {
        touched.insert((name.clone(), rtype));
        zone.put(name, rtype, None);
    }
}

/// Section 3.4.2.4: "unless the NAME is the same as ZNAME and either the TYPE is SOA or the TYPE is NS and the matching
/// Zone RR is the only NS RR remaining in the RRset, in which case this Update RR is ignored".
fn delete_record(
    zone: &mut Zone,
    name: &Fqdn,
    rtype: RecordType,
    rdata: &Rdata,
    touched: &mut BTreeSet<(Fqdn, RecordType)>,
) {
    let Some(mut set) = zone.rrset(name, rtype) else { return };
    let last_of_apex =
        name == zone.apex() && (rtype == RecordType::SOA || (rtype == RecordType::NS && set.rdata.len() == 1));
    if !last_of_apex && set.remove(rdata) {
        touched.insert((name.clone(), rtype));
        zone.put(name, rtype, Some(set));
    }
}

/// Section 3.6: the serial goes up once when the zone changed and the update did not raise it itself. Compares what
/// was touched, so that an addition taken back is no change.
fn finish(before: &Zone, after: &mut Zone, mut touched: BTreeSet<(Fqdn, RecordType)>) -> Option<ZoneChange> {
    touched.retain(|(name, rtype)| before.set(name, *rtype) != after.set(name, *rtype));
    if touched.is_empty() {
        return None;
    }
    let apex = before.apex().clone();
    if after.serial() == before.serial() && !planted(Fault::ZoneSerialStays) {
        let (mut soa, ttl) = after.soa();
        soa.serial = serial::next(soa.serial);
        let set = Rrset::single(apex.clone(), RecordType::SOA, ttl, Rdata::soa(&soa));
        after.put(&apex, RecordType::SOA, Some(set));
        touched.insert((apex.clone(), RecordType::SOA));
    }
    let sets = touched.into_iter().map(|(name, rtype)| {
        let set = after.rrset(&name, rtype);
        (name, rtype, set)
    });
    Some(ZoneChange { sets: sets.collect(), serial_before: before.serial(), serial_after: after.serial(), zone: apex })
}

#[cfg(test)]
mod tests;
