//! What two sets of rows differ in, in words.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use dhcp::lease::{Lease, LeaseState};
use dns::{Fqdn, RecordType, Rrset};
use store::Row;
use store::db::{RawRows, read_row};

/// Addresses and names that are told one by one.
const SHOWN_MAX: usize = 20;

/// How much there is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Lease records.
    pub leases: usize,
    /// Leases that run.
    pub bound: usize,
    /// Names and addresses with DNS work.
    pub names: usize,
    /// Zones.
    pub zones: usize,
    /// Their sets of records.
    pub sets: usize,
}

impl Counts {
    /// Of these rows.
    #[must_use]
    pub fn of(rows: &RawRows) -> Self {
        let mut counts = Self::default();
        for ((stream, key), value) in rows {
            match read_row(*stream, key, value) {
                Ok(Row::Lease(lease)) => {
                    counts.leases += 1;
                    counts.bound += usize::from(lease.state == LeaseState::Bound);
                }
                Ok(Row::Wanted(_)) => counts.names += 1,
                Ok(Row::ZoneSet { rtype, .. }) => {
                    counts.sets += 1;
                    counts.zones += usize::from(rtype == RecordType::SOA);
                }
                _ => {}
            }
        }
        counts
    }

    /// As a part of a sentence.
    #[must_use]
    pub fn words(&self) -> String {
        let Self { leases, bound, names, zones, sets } = self;
        format!(
            "{leases} leases ({bound} bound), {names} names and addresses in DNS, {zones} zones with {sets} sets of records"
        )
    }
}

struct Told {
    leases: BTreeMap<Ipv4Addr, Lease>,
    zones: BTreeMap<Fqdn, BTreeMap<(Fqdn, u16), Rrset>>,
}

fn read(rows: &RawRows) -> Told {
    let mut told = Told { leases: BTreeMap::new(), zones: BTreeMap::new() };
    for ((stream, key), value) in rows {
        match read_row(*stream, key, value) {
            Ok(Row::Lease(lease)) => _ = told.leases.insert(lease.address, lease),
            Ok(Row::ZoneSet { zone, name, rtype, set: Some(set) }) => {
                told.zones.entry(zone).or_default().insert((name, rtype.0), set);
            }
            _ => {}
        }
    }
    told
}

/// What changes when `here` becomes `then`, a line each; none: nothing that concerns clients or zones.
#[must_use]
pub fn words(here: &RawRows, then: &RawRows) -> Vec<String> {
    let (here, then) = (read(here), read(then));
    let mut lines = Vec::new();
    let new: Vec<String> =
        then.leases.values().filter(|lease| !here.leases.contains_key(&lease.address)).map(lease_words).collect();
    let gone: Vec<String> =
        here.leases.values().filter(|lease| !then.leases.contains_key(&lease.address)).map(lease_words).collect();
    let changed: Vec<String> =
        here.leases.values().filter_map(|lease| changed(lease, then.leases.get(&lease.address)?)).collect();
    list(&mut lines, "leases come in", &new);
    list(&mut lines, "leases of here go", &gone);
    list(&mut lines, "leases change", &changed);
    for (apex, sets) in &then.zones {
        match here.zones.get(apex) {
            None => lines.push(format!("the zone {apex} comes in, with {} sets of records", sets.len())),
            Some(own) if own != sets => {
                let new = sets.keys().filter(|key| !own.contains_key(key)).count();
                let gone = own.keys().filter(|key| !sets.contains_key(key)).count();
                let changed = sets.iter().filter(|(key, set)| own.get(key).is_some_and(|own| own != *set)).count();
                lines.push(format!("the zone {apex}: {new} sets of records come in, {gone} go, {changed} change"));
            }
            Some(_) => {}
        }
    }
    for apex in here.zones.keys().filter(|apex| !then.zones.contains_key(*apex)) {
        lines.push(format!("the zone {apex} goes"));
    }
    lines
}

fn list(lines: &mut Vec<String>, what: &str, all: &[String]) {
    if all.is_empty() {
        return;
    }
    lines.push(format!("{} {what}", all.len()));
    lines.extend(all.iter().take(SHOWN_MAX).map(|one| format!("    {one}")));
    if all.len() > SHOWN_MAX {
        lines.push(format!("    and {} more", all.len() - SHOWN_MAX));
    }
}

fn lease_words(lease: &Lease) -> String {
    let name = lease.name.as_ref().map_or_else(String::new, |name| format!(" ({})", name.fqdn));
    let state = match lease.state {
        LeaseState::Bound => "",
        LeaseState::Released => ", released",
        LeaseState::Expired => ", expired",
        LeaseState::Quarantined => ", quarantined",
    };
    format!("{} of {}{name}{state}", lease.address, lease.hardware)
}

fn changed(here: &Lease, then: &Lease) -> Option<String> {
    let name = |lease: &Lease| lease.name.as_ref().map(|name| name.fqdn.clone());
    let same = (here.hardware, &here.client_id, here.state, name(here))
        == (then.hardware, &then.client_id, then.state, name(then));
    if same && here.expires_at == then.expires_at {
        return None;
    }
    if same {
        return Some(format!("{} of {}: its end", here.address, here.hardware));
    }
    Some(format!("{}, now of {}", lease_words(then), lease_words(here).split_once(" of ").map_or("", |(_, rest)| rest)))
}
