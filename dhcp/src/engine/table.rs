//! The lease records in memory: found by address, by client and by deadline.
//!
//! A typical record takes some 110 bytes, indexes included; `leasehold-bench micro --memory` measures it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use arena::Addresses;

use super::chains::{self, Chains, LAST_RANK};
use super::client::{Asker, Client, Secret};
use super::ends::Ends;
use super::offers::forget_one;
use super::record::{HotState, Kept, NEVER};
use super::slab::Slab;
pub(super) use super::slab::{Home, Record, Saved};
use super::timers::Timers;
use crate::identity::HardwareAddress;
use crate::limits::port_key;

/// All records: at most one an address.
#[derive(Debug, Default)]
pub(super) struct Table {
    slab: Slab,
    by_address: Addresses,
    /// What each client has in each subnet: bindings first, then quarantines, then what ended.
    by_client: Chains,
    timers: Timers,
    /// Kept only while somebody may ask for leases.
    everywhere: Option<Everywhere>,
    /// How many bindings there are behind each port of a switch. Kept only while that is limited.
    by_port: Option<BTreeMap<u64, u32>>,
}

/// Hash, rank of the state, address.
type Entry = (u64, u8, u32);

/// What leasequeries ask for: a client's records in every subnet.
#[derive(Debug, Default)]
struct Everywhere {
    /// By the client identifier, or the hardware address of a client without one.
    by_client: BTreeSet<Entry>,
    /// By the hardware address: those records that have a client identifier too.
    by_hardware: BTreeSet<Entry>,
}

impl Table {
    /// A table of many records, that are in no subnet yet ([`Table::settle`]). Of several of one address the last counts.
    pub(super) fn load(records: impl IntoIterator<Item = Kept>, secret: Secret) -> Self {
        let mut table = Self { slab: Slab::new(secret), ..Self::default() };
        for kept in records {
            let address = kept.lease.address;
            let slot = table.slab.put(table.by_address.get(address), &kept, None);
            table.by_address.insert(address, slot);
        }
        table.time_anew();
        table
    }

    /// Takes note of the subnet that each address is in now.
    pub(super) fn settle(&mut self, home: impl Fn(Ipv4Addr) -> Option<Home>) {
        self.slab.settle(self.by_address.iter(), home);
        self.by_client = Chains::with_room(self.by_address.len());
        // Backwards, since the last that comes is the first that is looked at: so the least address goes first.
        let slots: Vec<u32> = self.by_address.iter().collect();
        for slot in slots.into_iter().rev() {
            if self.slab.home(slot).is_some() {
                self.by_client.insert(slot, &mut self.slab);
            }
        }
    }

    pub(super) fn secret(&self) -> Secret {
        self.slab.secret()
    }

    /// What the names of records end in.
    pub(super) fn ends(&self) -> &Ends {
        self.slab.ends()
    }

    pub(super) fn get(&self, address: Ipv4Addr) -> Option<Record<'_>> {
        self.by_address.get(address).map(|slot| self.slab.at(slot))
    }

    /// Whether the client of an address's record has no other record in the subnet.
    pub(super) fn is_only_one(&self, address: Ipv4Addr) -> bool {
        self.by_address.get(address).is_some_and(|slot| self.slab.is_alone(slot))
    }

    /// The record with the least address above `after`; of all, when that is `None`.
    pub(super) fn next_after(&self, after: Option<Ipv4Addr>) -> Option<Record<'_>> {
        self.after(after).next()
    }

    /// The records above the address `after`, by address; every one, when that is `None`.
    pub(super) fn after(&self, after: Option<Ipv4Addr>) -> impl Iterator<Item = Record<'_>> {
        let from = after.map_or(Some(0), |after| after.to_bits().checked_add(1));
        from.into_iter().flat_map(|from| self.by_address.from(from)).map(|slot| self.slab.at(slot))
    }

    /// Every record, by address.
    pub(super) fn iter(&self) -> impl ExactSizeIterator<Item = Record<'_>> {
        self.by_address.iter().map(|slot| self.slab.at(slot))
    }

    /// Replaces the record of an address, which is in `home` now.
    pub(super) fn set(&mut self, home: Option<Home>, kept: &Kept) {
        if let Some(slot) = self.by_address.get(kept.lease.address).filter(|slot| self.stays(*slot, home, kept)) {
            let before = self.slab.at(slot).hot.deadline_ms();
            self.slab.replace(slot, kept, home);
            return self.time_again(slot, before);
        }
        let old = self.unlinked(kept.lease.address);
        let slot = self.slab.put(old, kept, home);
        self.link(slot);
    }

    /// Gives a record other times, and leaves all else of it; whether there is one.
    pub(super) fn renew(&mut self, kept: &Kept) -> bool {
        let Some(slot) = self.by_address.get(kept.lease.address) else { return false };
        let before = self.slab.at(slot).hot.deadline_ms();
        self.slab.renew(slot, kept);
        self.time_again(slot, before);
        true
    }

    /// Takes note of a record's deadline, which was another `before`.
    fn time_again(&mut self, slot: u32, before: u64) {
        // Nearly every renewal.
        if before != NEVER && self.slab.at(slot).hot.deadline_ms() >= before {
            self.timers.put_off(&mut self.slab);
        } else {
            self.timers.changed(slot, &mut self.slab);
        }
    }

    /// Whether a record changes nothing of what it is found by, but its deadline: so it is with every renewal.
    fn stays(&self, slot: u32, home: Option<Home>, kept: &Kept) -> bool {
        let record = self.slab.at(slot);
        let has_port = |giaddr, marks: &[u8]| (record.cold.relay(), record.cold.relay_agent_info()) == (giaddr, marks);
        self.everywhere.is_none()
            && (self.by_port.is_none() || has_port(kept.lease.relay, &kept.lease.relay_agent_info))
            && self.slab.is_alone(slot)
            && record.hot.state().rank() == kept.state.rank()
            && self.slab.home(slot) == home
            && home.is_some_and(|home| record.key().is(Client::of_lease(&kept.lease), home.ignore_client_id))
    }

    /// Puts back what the record of an address was; `None`: there was none.
    pub(super) fn put_back(&mut self, address: Ipv4Addr, home: Option<Home>, saved: Option<&Saved>) {
        let old = self.unlinked(address);
        match (saved, old) {
            (Some(saved), old) => {
                let slot = self.slab.put_back(old, saved, home);
                self.link(slot);
            }
            (None, Some(slot)) => {
                self.by_address.remove(address);
                self.slab.clear(slot);
                self.timers.changed(slot, &mut self.slab);
            }
            (None, None) => {}
        }
    }

    /// A quarantine has run out: the record stays as it is stored, the address is free.
    pub(super) fn end_quarantine(&mut self, address: Ipv4Addr) {
        if let Some(slot) = self.unlinked(address) {
            self.slab.set_state(slot, HotState::QuarantineOver);
            self.slab.set_deadline_ms(slot, NEVER);
            self.link(slot);
        }
    }

    /// Sets a record's deadline anew.
    pub(super) fn set_deadline(&mut self, address: Ipv4Addr, deadline_ms: u64) {
        if let Some(slot) = self.by_address.get(address) {
            self.slab.set_deadline_ms(slot, deadline_ms);
            self.timers.changed(slot, &mut self.slab);
        }
    }

    /// Keeps the indexes for leasequeries, or does without.
    pub(super) fn index_everywhere(&mut self, wanted: bool) {
        if wanted != self.everywhere.is_some() {
            let mut everywhere = Everywhere::default();
            if wanted {
                self.iter().for_each(|record| everywhere.insert(self.secret(), record));
            }
            self.everywhere = wanted.then_some(everywhere);
        }
    }

    /// Counts the bindings behind each port, or does without.
    pub(super) fn count_ports(&mut self, wanted: bool) {
        if wanted != self.by_port.is_some() {
            let mut counts = BTreeMap::new();
            if wanted {
                for port in self.iter().filter_map(port_of) {
                    *counts.entry(port).or_default() += 1;
                }
            }
            self.by_port = wanted.then_some(counts);
        }
    }

    /// How many bindings there are behind a port; 0 while they are not counted.
    pub(super) fn at_port(&self, port: u64) -> u32 {
        self.by_port.as_ref().and_then(|counts| counts.get(&port)).copied().unwrap_or(0)
    }

    /// The records of a client in a subnet: its bindings first, then its quarantines, then the last few that ended.
    pub(super) fn of_client<'a>(&'a self, asker: &Asker<'_>, home: Home) -> impl Iterator<Item = Record<'a>> + use<'a> {
        let is_it = |slot| self.slab.is_of(slot, asker.client, home);
        let find = || self.by_client.first(Slab::hash_of(asker, home), is_it);
        let first = asker.records.or_find(self.by_client.changes(), home, find);
        chains::ring(first, &self.slab).map(|slot| self.slab.at(slot))
    }

    /// The records of a hardware address in every subnet, whatever identifiers stand beside it, bindings first. None
    /// while nobody may ask.
    pub(super) fn of_hardware(&self, hardware: HardwareAddress) -> impl Iterator<Item = Record<'_>> {
        let key = self.secret().hash_hardware(hardware);
        let ranked = (0..=LAST_RANK).flat_map(move |rank| {
            let indexes =
                self.everywhere.iter().flat_map(|everywhere| [&everywhere.by_client, &everywhere.by_hardware]);
            indexes.flat_map(move |index| index.range((key, rank, 0)..=(key, rank, u32::MAX)))
        });
        ranked
            .filter_map(|&(_, _, address)| self.get(Ipv4Addr::from_bits(address)))
            .filter(move |record| record.cold.hardware() == hardware)
    }

    /// The records of a client identifier in every subnet, bindings first. None while nobody may ask.
    pub(super) fn of_client_id<'a>(&'a self, id: &'a [u8]) -> impl Iterator<Item = Record<'a>> + 'a {
        let key = self.secret().hash(id);
        let entries = self.everywhere.iter();
        entries
            .flat_map(move |everywhere| everywhere.by_client.range((key, 0, 0)..=(key, LAST_RANK, u32::MAX)))
            .filter_map(|&(_, _, address)| self.get(Ipv4Addr::from_bits(address)))
            .filter(move |record| record.cold.client_id() == Some(id))
    }

    /// No deadline comes before this time (boot milliseconds).
    pub(super) fn next_deadline(&self) -> Option<u64> {
        self.timers.first()
    }

    /// A record whose deadline has come by `now`.
    pub(super) fn due(&mut self, now: u64) -> Option<Ipv4Addr> {
        self.timers.due(now, &mut self.slab).map(|slot| self.slab.at(slot).hot.address)
    }

    /// The slot of an address, out of all indexes but that of addresses and the timers.
    fn unlinked(&mut self, address: Ipv4Addr) -> Option<u32> {
        let slot = self.by_address.get(address)?;
        self.by_client.remove(slot, &mut self.slab);
        let record = self.slab.at(slot);
        if let Some(everywhere) = &mut self.everywhere {
            everywhere.remove(self.slab.secret(), record);
        }
        if let Some(counts) = &mut self.by_port
            && let Some(port) = port_of(record)
        {
            forget_one(counts, port);
        }
        Some(slot)
    }

    fn link(&mut self, slot: u32) {
        if self.slab.home(slot).is_some() {
            self.by_client.insert(slot, &mut self.slab);
        }
        let record = self.slab.at(slot);
        self.by_address.insert(record.hot.address, slot);
        if let Some(everywhere) = &mut self.everywhere {
            everywhere.insert(self.slab.secret(), record);
        }
        if let Some(counts) = &mut self.by_port
            && let Some(port) = port_of(record)
        {
            *counts.entry(port).or_default() += 1;
        }
        self.timers.changed(slot, &mut self.slab);
        if self.timers.is_stale(self.by_address.len()) {
            self.time_anew();
        }
    }

    /// Makes the timers of what there is.
    fn time_anew(&mut self) {
        self.timers = Timers::default();
        self.slab.forget_timers();
        self.by_address.iter().for_each(|slot| self.timers.note(slot, &mut self.slab));
        self.timers.tidy(&mut self.slab);
    }
}

impl Everywhere {
    fn insert(&mut self, secret: Secret, record: Record<'_>) {
        let (client, hardware) = entries(secret, record);
        self.by_client.insert(client);
        self.by_hardware.extend(hardware);
    }

    fn remove(&mut self, secret: Secret, record: Record<'_>) {
        let (client, hardware) = entries(secret, record);
        self.by_client.remove(&client);
        if let Some(hardware) = hardware {
            self.by_hardware.remove(&hardware);
        }
    }
}

/// By the client's key, and by its hardware address where that is not the key.
fn entries(secret: Secret, record: Record<'_>) -> (Entry, Option<Entry>) {
    let (client, rank) = (record.client(), record.hot.state().rank());
    let address = record.hot.address.to_bits();
    let by_hardware = client.id.map(|_| (secret.hash_hardware(client.hardware), rank, address));
    ((client.key_hash(secret, false), rank, address), by_hardware)
}

/// The port that a binding's client is behind.
fn port_of(record: Record<'_>) -> Option<u64> {
    let bound = record.hot.state() == HotState::Bound;
    Some(record.cold)
        .filter(|cold| bound && !cold.relay_agent_info().is_empty())
        .and_then(|cold| port_key(cold.relay(), cold.relay_agent_info()))
}

#[cfg(test)]
mod tests;
