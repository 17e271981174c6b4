//! What a transfer brings, to the next zone and to what is stored of it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use dns::wire::ZoneRecord;
use dns::{Fqdn, Rdata, RecordType, Rrset};

use super::reading::{Incoming, Step, TransferFault};
use crate::serial::is_newer;
use crate::{Difference, DifferenceWriter, History, Zone};

/// About how many octets of sets the steps of one transfer may rewrite: each rewrites all that is at the names it touches.
const WORK_MAX: usize = 1 << 30;

/// The next zone. Storing `sets` and `differences` in one transaction is storing it.
#[derive(Clone, Debug)]
pub struct Taken {
    /// The zone.
    pub zone: Zone,
    /// Each changed set with its whole new content; `None`: the set is gone.
    pub sets: Vec<(Fqdn, RecordType, Option<Rrset>)>,
    /// The steps that lead to it, oldest first; of many the newest, as many as a history keeps.
    pub differences: Vec<Arc<Difference>>,
    /// No step leads from the copy that was there to this zone: its past is to be forgotten.
    pub forget: bool,
}

type Key = (Fqdn, RecordType);

/// What `incoming` makes of the copy that is there, if one is; `id` is what the zone is known by ([`crate::zone_id`]). `None`:
/// it brings nothing.
///
/// # Errors
/// [`TransferFault`] when it does not fit that copy, or is no zone.
pub fn take(id: &Fqdn, before: Option<&Zone>, incoming: Incoming) -> Result<Option<Taken>, TransferFault> {
    let apex = &crate::zone_id::apex(id);
    let taken = match (incoming, before) {
        (Incoming::Current(_), _) => return Ok(None),
        (Incoming::Whole(sets), Some(before)) => replaced(before, sets)?,
        (Incoming::Whole(sets), None) => new(id, sets)?,
        (Incoming::Steps(steps), Some(before)) => stepped(before, steps, WORK_MAX)?,
        (Incoming::Steps(steps), None) => {
            let theirs = steps.first().map_or(0, |step| step.from);
            return Err(TransferFault::Start { theirs, ours: 0 });
        }
    };
    // RFC 1035 section 5.2: a zone has its name servers at its top.
    if taken.zone.set(apex, RecordType::NS).is_none() {
        return Err(TransferFault::NoServers);
    }
    Ok(Some(taken))
}

fn new(id: &Fqdn, sets: Vec<Rrset>) -> Result<Taken, TransferFault> {
    let stored = sets.iter().map(|set| (set.name.clone(), set.rtype, Some(set.clone()))).collect();
    let zone = Zone::from_sets(crate::zone_id::apex(id), sets).map_err(|_| TransferFault::Soa)?.with_id(id);
    Ok(Taken { zone, sets: stored, differences: Vec::new(), forget: true })
}

/// The whole zone came: what is different is one step, so that whoever has a copy of ours is told no more than that.
fn replaced(before: &Zone, sets: Vec<Rrset>) -> Result<Taken, TransferFault> {
    let mut coming: HashMap<Key, Rrset> = sets.into_iter().map(|set| ((set.name.clone(), set.rtype), set)).collect();
    let (mut zone, mut former) = (before.clone(), DifferenceWriter::default());
    let mut changed = Vec::new();
    for was in before.rrsets() {
        let now = coming.remove(&(was.name.clone(), was.rtype));
        if now.as_ref() != Some(&was) {
            former.push(&was.name, was.rtype, was.ttl, &was.rdata);
            changed.push((was.name, was.rtype, now));
        }
    }
    for ((name, rtype), set) in coming {
        former.push(&name, rtype, 0, &[]);
        changed.push((name, rtype, Some(set)));
    }
    zone.put_all(changed.clone());
    zone.checked_soa().map_err(|_| TransferFault::Soa)?;
    let (serial_before, serial) = (before.serial(), zone.serial());
    let forget = !is_newer(serial, serial_before);
    let differences = if forget { Vec::new() } else { vec![Arc::new(former.finish(serial_before, serial))] };
    Ok(Taken { zone, sets: changed, differences, forget })
}

/// What one step does to one set.
#[derive(Default)]
struct Edit {
    removed: Vec<Rdata>,
    added: Vec<(u32, Rdata)>,
}

fn stepped(before: &Zone, steps: Vec<Step>, work_max: usize) -> Result<Taken, TransferFault> {
    let mut zone = before.clone();
    let mut touched: BTreeSet<Key> = BTreeSet::new();
    // Each step keeps whole sets, so that small steps may add up to many times the transfer: what no history keeps goes at
    // once.
    let (mut history, mut forget) = (History::default(), false);
    let mut work_left = work_max;
    for step in steps {
        if zone.serial() != step.from {
            return Err(TransferFault::Start { theirs: step.from, ours: zone.serial() });
        }
        let difference = one_step(&mut zone, step, &mut touched, &mut work_left)?;
        // Nothing leads from the past to the steps that are left when some are missing.
        forget |= !history.push(Arc::new(difference)).is_empty();
    }
    let sets = touched.into_iter().map(|(name, rtype)| {
        let now = zone.rrset(&name, rtype);
        (name, rtype, now)
    });
    let sets = sets.collect();
    let differences = history.differences().cloned().collect();
    Ok(Taken { zone, sets, differences, forget })
}

fn one_step(
    zone: &mut Zone,
    step: Step,
    touched: &mut BTreeSet<Key>,
    work_left: &mut usize,
) -> Result<Difference, TransferFault> {
    let mut edits: BTreeMap<Key, Edit> = BTreeMap::new();
    for ZoneRecord { name, rtype, rdata, .. } in step.removed {
        edits.entry((name, rtype)).or_default().removed.push(rdata);
    }
    for ZoneRecord { name, rtype, ttl, rdata } in step.added {
        edits.entry((name, rtype)).or_default().added.push((ttl, rdata));
    }
    let mut former = DifferenceWriter::default();
    let mut put = |zone: &mut Zone, key: Key, set: Option<Rrset>| {
        former.push_set(&key.0, key.1, zone.set(&key.0, key.1));
        zone.put(&key.0, key.1, set);
        touched.insert(key);
    };
    for ((name, rtype), edit) in edits {
        spend(zone, &name, work_left)?;
        let set = edited(zone, &name, rtype, edit)?;
        put(zone, (name, rtype), set);
    }
    let ZoneRecord { name, rtype, ttl, rdata } = step.soa;
    spend(zone, &name, work_left)?;
    put(zone, (name.clone(), rtype), Some(Rrset::single(name, rtype, ttl, rdata)));
    Ok(former.finish(step.from, step.to))
}

/// Counts what is to be rewritten at a name.
fn spend(zone: &Zone, name: &Fqdn, work_left: &mut usize) -> Result<(), TransferFault> {
    const OVERHEAD: usize = 32;
    let Some(node) = zone.node(name) else { return Ok(()) };
    let records = node.sets().flat_map(|set| set.rdata.iter());
    let work = records.map(|one| one.len() + OVERHEAD).sum();
    *work_left = work_left.checked_sub(work).ok_or(TransferFault::Laborious)?;
    Ok(())
}

/// The set after an edit. What is removed must be there, and what is added must not: else the copy here is another than
/// the primary takes it for, and only the whole zone mends that.
fn edited(zone: &Zone, name: &Fqdn, rtype: RecordType, edit: Edit) -> Result<Option<Rrset>, TransferFault> {
    let inexact = || TransferFault::Inexact(name.clone(), rtype);
    let now = zone.set(name, rtype);
    let mut rdata: BTreeSet<Rdata> = now.into_iter().flat_map(|set| set.rdata.to_vec()).collect();
    if !edit.removed.iter().all(|one| rdata.remove(one)) {
        return Err(inexact());
    }
    // RFC 2181 section 5.2: the records of a set share their TTL; what is said last is meant.
    let ttl = edit.added.last().map(|(ttl, _)| *ttl).or_else(|| now.map(|set| set.ttl)).unwrap_or(0);
    if !edit.added.into_iter().all(|(_, one)| rdata.insert(one)) {
        return Err(inexact());
    }
    Ok(Rrset::new(name.clone(), rtype, ttl, rdata.into_iter().collect()))
}

#[cfg(test)]
mod tests;
