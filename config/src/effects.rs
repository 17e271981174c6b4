//! What a changed configuration does to leases that are there: told before it is applied.
//!
//! Leases are looked at one by one, so that whoever has a million of them can show them a part at a time.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use dhcp::lease::{Lease, LeaseState};
use dhcp::options::RelayAgentInfo;
use dhcp::settings::{AddressRange, Reservation, ReservedFor, Settings};
use dns::Fqdn;
use ipnet::Ipv4Net;

use crate::Config;
use crate::difference::client_of;

/// Leases whose address a reservation takes that are told one by one.
const TAKEN_TOLD_MAX: usize = 20;

/// Counts while leases are looked at.
#[derive(Debug)]
pub struct Effects<'c> {
    old: &'c Config,
    new: &'c Config,
    after: BTreeMap<Ipv4Net, Place>,
    before: BTreeMap<Ipv4Net, Place>,
    /// What is reserved now and was not reserved so before.
    reserved: BTreeMap<Ipv4Addr, &'c Reservation>,
    in_removed: BTreeMap<Ipv4Net, usize>,
    outside: BTreeMap<Ipv4Net, usize>,
    taken: Vec<String>,
    taken_count: usize,
    /// By the zone that holds them no more, and the domain before.
    zoneless: BTreeMap<Fqdn, usize>,
    renamed: BTreeMap<(Ipv4Net, Option<Fqdn>, Option<Fqdn>), usize>,
}

/// What decides whether an address is leased in a subnet, and what it is called.
#[derive(Debug)]
struct Place {
    ranges: Vec<AddressRange>,
    domain: Option<Fqdn>,
    active: bool,
}

fn places(settings: &Settings) -> BTreeMap<Ipv4Net, Place> {
    let place = |subnet: &dhcp::settings::Subnet| Place {
        ranges: subnet.ranges(),
        domain: subnet.naming.as_ref().map(|naming| naming.domain.clone()),
        active: subnet.active,
    };
    settings.subnets.iter().map(|subnet| (subnet.prefix, place(subnet))).collect()
}

fn reservations(config: &Config) -> impl Iterator<Item = (Ipv4Addr, &Reservation)> {
    let all = config.dhcp.subnets.iter().flat_map(|subnet| &subnet.reservations);
    all.filter_map(|reservation| Some((reservation.address?, reservation)))
}

fn holds(ranges: &[AddressRange], address: Ipv4Addr) -> bool {
    let at = ranges.partition_point(|range| range.last < address);
    ranges.get(at).is_some_and(|range| range.first <= address)
}

impl<'c> Effects<'c> {
    /// Of `new` in place of `old`; nothing is looked at yet.
    #[must_use]
    pub fn of(old: &'c Config, new: &'c Config) -> Self {
        let before: BTreeMap<Ipv4Addr, &Reservation> = reservations(old).collect();
        let is_new = |(address, reservation): &(Ipv4Addr, &Reservation)| {
            before.get(address).is_none_or(|before| before.clients != reservation.clients)
        };
        Self {
            old,
            new,
            after: places(&new.dhcp),
            before: places(&old.dhcp),
            reserved: reservations(new).filter(is_new).collect(),
            in_removed: BTreeMap::new(),
            outside: BTreeMap::new(),
            taken: Vec::new(),
            taken_count: 0,
            zoneless: BTreeMap::new(),
            renamed: BTreeMap::new(),
        }
    }

    /// Takes a lease into account.
    pub fn look(&mut self, lease: &Lease) {
        if lease.state != LeaseState::Bound {
            return;
        }
        let before = self.before.get(&lease.subnet);
        match self.after.get(&lease.subnet) {
            None => *self.in_removed.entry(lease.subnet).or_default() += 1,
            Some(after) => {
                let leased = |place: &Place| holds(&place.ranges, lease.address);
                let is_reserved = self.reserved.contains_key(&lease.address);
                if before.is_some_and(leased) && !leased(after) && !is_reserved {
                    *self.outside.entry(lease.subnet).or_default() += 1;
                }
                if let Some(before) = before.filter(|before| lease.name.is_some() && before.domain != after.domain) {
                    let key = (lease.subnet, before.domain.clone(), after.domain.clone());
                    *self.renamed.entry(key).or_default() += 1;
                }
            }
        }
        if let Some(name) = &lease.name
            && let Some(zone) = self.old.ddns.zone_of(&name.fqdn)
            && self.new.ddns.zone_of(&name.fqdn).is_none_or(|now| now.site() != zone.site())
        {
            *self.zoneless.entry(zone.apex.clone()).or_default() += 1;
        }
        if let Some(reservation) = self.reserved.get(&lease.address)
            && !reservation.clients.iter().any(|client| is_of(lease, client))
        {
            self.taken_count += 1;
            if self.taken.len() < TAKEN_TOLD_MAX {
                let holder = lease.name.as_ref().map_or_else(String::new, |name| format!(" ({})", name.fqdn));
                self.taken.push(format!(
                    "{} is leased to {}{holder} and will be reserved for {}: the one keeps it until its lease ends, and \
                     is given no longer one; the other gets it then",
                    lease.address,
                    lease.hardware,
                    client_of(reservation)
                ));
            }
        }
    }

    /// What was found, a sentence for each; none: no lease is touched.
    #[must_use]
    pub fn words(&self) -> Vec<String> {
        let mut words = Vec::new();
        for (prefix, count) in &self.in_removed {
            words.push(format!(
                "{} in the removed subnet {prefix}: renewals there meet silence, and names stay until the leases end",
                lie(*count)
            ));
        }
        for (prefix, after) in &self.after {
            if !after.active && self.before.get(prefix).is_some_and(|before| before.active) {
                words.push(format!("subnet {prefix} is served no more: its clients' renewals are refused"));
            }
        }
        for (prefix, count) in &self.outside {
            words.push(format!(
                "{} of subnet {prefix} in no pool any more: their clients are given another address when they renew",
                lie(*count)
            ));
        }
        words.extend(self.taken.iter().cloned());
        if self.taken_count > self.taken.len() {
            words.push(format!(
                "{} more addresses are leased to others than they will be reserved for",
                self.taken_count - self.taken.len()
            ));
        }
        let shown = |domain: &Option<Fqdn>| domain.as_ref().map_or_else(|| "no domain".to_owned(), ToString::to_string);
        for ((prefix, before, after), count) in &self.renamed {
            words.push(format!(
                "{} of subnet {prefix} {} from {} to {}",
                counted(*count, "name", "names"),
                if *count == 1 { "moves" } else { "move" },
                shown(before),
                shown(after)
            ));
        }
        for (apex, count) in &self.zoneless {
            words.push(format!(
                "{} kept in zone {apex} so far will be kept elsewhere or nowhere: what DNS holds of them is removed as \
                 after a restart with the new file",
                counted(*count, "name", "names")
            ));
        }
        words
    }
}

fn counted(count: usize, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

fn lie(count: usize) -> String {
    if count == 1 { "1 lease lies".to_owned() } else { format!("{count} leases lie") }
}

/// Whether a reservation knows the holder of a lease.
fn is_of(lease: &Lease, client: &ReservedFor) -> bool {
    let marks = RelayAgentInfo(&lease.relay_agent_info);
    match client {
        ReservedFor::Hardware(hardware) => lease.hardware == *hardware,
        ReservedFor::ClientId(id) => lease.client_id.as_ref() == Some(id),
        ReservedFor::Duid(duid) => lease.client_id.as_ref().and_then(|id| id.duid()) == Some(&**duid),
        ReservedFor::CircuitId(id) => marks.circuit_id() == Some(id),
        ReservedFor::RemoteId(id) => marks.remote_id() == Some(id),
        ReservedFor::SubscriberId(id) => marks.subscriber_id() == Some(id),
        ReservedFor::Port { circuit_id, remote_id } => {
            marks.circuit_id() == Some(circuit_id) && marks.remote_id() == Some(remote_id)
        }
    }
}
