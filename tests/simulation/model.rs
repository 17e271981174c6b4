//! The simple model beside the server: what was promised to clients and what was acknowledged by the store.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::net::Ipv4Addr;
use std::sync::Arc;

use ddns::reconcile::{ConfirmedRow, LastAnswer};
use ddns::suffixes::Assignment;
use ddns::wanted::{RowKey, WantedRow};
use dhcp::lease::{Lease, LeaseState};
use dns::{Fqdn, HostIdentity, RecordType, Rrset};
use store::Contents;
use store::rows::Row;
use zones::Difference;

/// An address that a client was told it has.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Promise {
    pub(crate) mac: [u8; 6],
    /// World milliseconds.
    pub(crate) until: u64,
    /// By how much the wall clock had jumped forward when its lease was stored, in seconds.
    pub(crate) jumped: u64,
}

type ZoneKey = (Fqdn, Fqdn, RecordType);

/// Everything that the store acknowledged.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct StoreModel {
    leases: BTreeMap<Ipv4Addr, Lease>,
    wanted: BTreeMap<RowKey, WantedRow>,
    confirmed: BTreeMap<RowKey, ConfirmedRow>,
    zone_sets: BTreeMap<ZoneKey, Rrset>,
    suffixes: BTreeMap<(Fqdn, HostIdentity), Assignment>,
    zone_differences: BTreeMap<(Fqdn, u32), Arc<Difference>>,
    zone_stated: BTreeSet<ZoneKey>,
    zone_copies: BTreeMap<Fqdn, u64>,
}

fn zone_key(zone: &Fqdn, name: &Fqdn, rtype: RecordType) -> ZoneKey {
    (zone.clone(), name.clone(), rtype)
}

impl StoreModel {
    pub(crate) fn apply(&mut self, rows: &[Row]) {
        for row in rows {
            match row {
                Row::Lease(lease) => drop(self.leases.insert(lease.address, lease.clone())),
                Row::LeaseGone(address) => drop(self.leases.remove(address)),
                Row::Wanted(wanted) => drop(self.wanted.insert(wanted.key.clone(), wanted.clone())),
                Row::WantedNew(new) => {
                    self.wanted.extend([new.forward(), new.reverse()].map(|row| (row.key.clone(), row)));
                }
                Row::ConfirmedNew { new, sites, at } => {
                    for (row, site) in [new.forward(), new.reverse()].into_iter().zip(sites) {
                        self.confirmed.insert(row.key.clone(), ConfirmedRow::written(&row, *site, *at));
                    }
                }
                Row::WantedGone(key) => drop(self.wanted.remove(key)),
                Row::Confirmed(seen) => drop(self.confirmed.insert(seen.key.clone(), seen.clone())),
                Row::ConfirmedGone(key) => drop(self.confirmed.remove(key)),
                Row::Suffix(one) => drop(self.suffixes.insert((one.base.clone(), one.identity.clone()), one.clone())),
                Row::SuffixGone(base, identity) => drop(self.suffixes.remove(&(base.clone(), identity.clone()))),
                Row::ZoneSet { zone, name, rtype, set: Some(set) } => {
                    drop(self.zone_sets.insert(zone_key(zone, name, *rtype), set.clone()));
                }
                Row::ZoneName { zone, name, node } => {
                    let sets = node.rrsets(name).map(|set| (zone_key(zone, name, set.rtype), set));
                    self.zone_sets.extend(sets);
                }
                Row::ZoneSet { zone, name, rtype, set: None } => {
                    drop(self.zone_sets.remove(&zone_key(zone, name, *rtype)));
                }
                Row::ZoneDifference { zone, difference } => {
                    let key = (zone.clone(), difference.serial_after);
                    drop(self.zone_differences.insert(key, Arc::clone(difference)));
                }
                Row::ZoneDifferenceGone { zone, serial_after } => {
                    drop(self.zone_differences.remove(&(zone.clone(), *serial_after)));
                }
                Row::ZoneStated { zone, name, rtype, stated: true } => {
                    self.zone_stated.insert(zone_key(zone, name, *rtype));
                }
                Row::ZoneStated { zone, name, rtype, stated: false } => {
                    self.zone_stated.remove(&zone_key(zone, name, *rtype));
                }
                Row::ZoneCopy { zone, checked_at } => _ = self.zone_copies.insert(zone.clone(), *checked_at),
                Row::ZoneCopyGone { zone } => _ = self.zone_copies.remove(zone),
            }
        }
    }

    pub(crate) fn of(contents: &Contents) -> Self {
        let sets = contents.zone_sets.iter();
        Self {
            leases: contents.leases.iter().map(|lease| (lease.address, lease.clone())).collect(),
            wanted: contents.wanted.iter().map(|row| (row.key.clone(), row.clone())).collect(),
            confirmed: contents.confirmed.iter().map(|row| (row.key.clone(), row.clone())).collect(),
            zone_sets: sets.map(|(zone, set)| (zone_key(zone, &set.name, set.rtype), set.clone())).collect(),
            suffixes: contents.suffixes.iter().map(|a| ((a.base.clone(), a.identity.clone()), a.clone())).collect(),
            zone_differences: contents
                .zone_differences
                .iter()
                .map(|(zone, step)| ((zone.clone(), step.serial_after), Arc::clone(step)))
                .collect(),
            zone_stated: contents.zone_stated.iter().cloned().collect(),
            zone_copies: contents.zone_copies.iter().cloned().collect(),
        }
    }

    pub(crate) fn lease(&self, address: Ipv4Addr) -> Option<&Lease> {
        self.leases.get(&address)
    }

    pub(crate) fn leases(&self) -> impl Iterator<Item = &Lease> {
        self.leases.values()
    }

    pub(crate) fn wanted(&self) -> impl Iterator<Item = &WantedRow> {
        self.wanted.values()
    }

    pub(crate) fn suffix(&self, base: &Fqdn, identity: &HostIdentity) -> Option<&Assignment> {
        self.suffixes.get(&(base.clone(), identity.clone()))
    }

    /// How many rows of DNS work are not known to be done.
    pub(crate) fn unconfirmed(&self) -> usize {
        let done = |row: &&WantedRow| {
            let seen = self.confirmed.get(&row.key);
            seen.is_some_and(|seen| seen.done && seen.generation == row.generation)
        };
        let lost = self.confirmed.keys().filter(|key| !self.wanted.contains_key(key)).count();
        self.wanted.values().filter(|row| !done(row)).count() + lost
    }

    /// Names that a DNS server said are somebody else's, and nothing else since: to whom they were refused, and which
    /// generation.
    pub(crate) fn refused(&self) -> Vec<(Fqdn, HostIdentity, u64)> {
        let refused = |row: &WantedRow| {
            let seen = self.confirmed.get(&row.key).filter(|seen| seen.last == LastAnswer::Conflict && !seen.done)?;
            let (RowKey::Forward(name), Some(want)) = (&row.key, &row.want) else { return None };
            (seen.generation == row.generation).then(|| (name.clone(), want.identity.clone(), row.generation))
        };
        self.wanted.values().filter_map(refused).collect()
    }

    /// The stored sets of a zone.
    pub(crate) fn zone_sets<'a>(&'a self, zone: &Fqdn) -> impl Iterator<Item = &'a Rrset> {
        let zone = zone.clone();
        self.zone_sets.iter().filter(move |((apex, ..), _)| *apex == zone).map(|(_, set)| set)
    }

    /// The first key in which two stores differ, for the report.
    pub(crate) fn difference(&self, found: &Self) -> String {
        differs(&self.leases, &found.leases)
            .or_else(|| differs(&self.wanted, &found.wanted))
            .or_else(|| differs(&self.confirmed, &found.confirmed))
            .or_else(|| differs(&self.zone_sets, &found.zone_sets))
            .or_else(|| differs(&self.zone_differences, &found.zone_differences))
            .unwrap_or_default()
    }

    /// Two bound leases of one client in one subnet, when there are.
    pub(crate) fn double_binding(&self, wall_secs: u64) -> Option<String> {
        let runs = |lease: &&Lease| lease.state == LeaseState::Bound && lease.expires_at > wall_secs;
        let bound: Vec<&Lease> = self.leases.values().filter(runs).collect();
        for (at, one) in bound.iter().enumerate() {
            let same = |other: &&&Lease| {
                other.client_id == one.client_id && other.hardware == one.hardware && other.subnet == one.subnet
            };
            if let Some(other) = bound[at + 1..].iter().find(same) {
                return Some(format!("one client holds {} and {}", one.address, other.address));
            }
        }
        None
    }
}

fn differs<K: Ord + Debug, V: PartialEq + Debug>(ours: &BTreeMap<K, V>, theirs: &BTreeMap<K, V>) -> Option<String> {
    let key = ours.keys().chain(theirs.keys()).find(|key| ours.get(key) != theirs.get(key))?;
    Some(format!("{key:?}: acknowledged {:?}, found {:?}", ours.get(key), theirs.get(key)))
}
