//! The lease records in memory: a slab with 32-bit indexes, found by address, by client and by deadline.
//!
//! A typical record takes some 220 bytes, indexes included.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::ops::Bound;

use ipnet::Ipv4Net;

use super::client::Client;
use super::cold::Cold;
use super::offers::forget_one;
use super::record::{self, Hot, HotState, Kept, NEVER};
use crate::identity::HardwareAddress;
use crate::lease::Lease;
use crate::limits::port_key;

/// How many ended leases of one client in one subnet are looked at for the one it had last. A client that collects more
/// by asking for one address after the other must not make its messages dear.
const ENDED_LOOKED_AT: usize = 32;

/// The rank of ended leases.
const LAST_RANK: u8 = 2;

/// Hash of a client's key, rank of the state, address: so that what a client has in one subnet stands together, and
/// costs the same however much it has in others.
type ClientEntry = (u64, u8, u32);

/// All records: at most one an address.
#[derive(Debug, Default)]
pub(super) struct Table {
    hot: Vec<Hot>,
    /// Beside `hot`, by the same index.
    cold: Vec<Cold>,
    /// Slots to use again.
    unused: Vec<u32>,
    by_address: BTreeMap<u32, u32>,
    /// By the client identifier, or the hardware address of a client without one.
    by_client: BTreeSet<ClientEntry>,
    /// By the hardware address: those records that have a client identifier too. Kept only while a subnet ignores
    /// identifiers.
    by_hardware: Option<BTreeSet<ClientEntry>>,
    /// How many bindings there are behind each port of a switch. Kept only while that is limited.
    by_port: Option<BTreeMap<u64, u32>>,
    /// Deadline in boot milliseconds, slot: those that have one.
    timers: BTreeSet<(u64, u32)>,
    /// Prefixes that records name, by their `subnet`. Grows by one with each prefix ever configured.
    prefixes: Vec<Ipv4Net>,
    prefix_places: BTreeMap<Ipv4Net, u32>,
}

/// A record in its place.
#[derive(Clone, Copy, Debug)]
pub(super) struct Record<'a> {
    pub(super) hot: &'a Hot,
    pub(super) cold: &'a Cold,
    prefix: Ipv4Net,
}

impl<'a> Record<'a> {
    pub(super) fn client(&self) -> Client<'a> {
        Client { hardware: self.hot.hardware, id: self.cold.client_id(), relay: self.cold.relay_agent_info() }
    }

    pub(super) fn lease(&self) -> Lease {
        record::join(self.hot, self.cold, self.prefix)
    }

    pub(super) fn kept(&self) -> Kept {
        Kept { lease: self.lease(), state: self.hot.state, deadline_ms: self.hot.deadline_ms, marks: self.hot.marks }
    }
}

/// Where a record stands in the indexes.
struct Entries {
    client: ClientEntry,
    hardware: Option<ClientEntry>,
    timer: Option<(u64, u32)>,
    port: Option<u64>,
}

impl Table {
    /// A table of many records, its indexes built at once. Of several records of one address the last counts.
    pub(super) fn load(records: impl IntoIterator<Item = Kept>) -> Self {
        let mut table = Self::default();
        for kept in records {
            let (hot, cold) = record::split(&kept, table.prefix_place(kept.lease.subnet));
            table.hot.push(hot);
            table.cold.push(cold);
        }
        let slots = 0..u32::try_from(table.hot.len()).unwrap_or(u32::MAX);
        table.by_address = slots.clone().map(|slot| (table.hot[slot as usize].address.to_bits(), slot)).collect();
        if table.by_address.len() < table.hot.len() {
            let used: BTreeSet<u32> = table.by_address.values().copied().collect();
            table.unused = slots.filter(|slot| !used.contains(slot)).collect();
        }
        let entries = || table.by_address.values().map(|&slot| table.entries(slot));
        let by_client = entries().map(|entries| entries.client).collect();
        let timers = entries().filter_map(|entries| entries.timer).collect();
        Self { by_client, timers, ..table }
    }

    pub(super) fn get(&self, address: Ipv4Addr) -> Option<Record<'_>> {
        self.by_address.get(&address.to_bits()).map(|&slot| self.at(slot))
    }

    /// The record with the least address above `after`; of all, when that is `None`.
    pub(super) fn next_after(&self, after: Option<Ipv4Addr>) -> Option<Record<'_>> {
        self.after(after).next()
    }

    /// The records above the address `after`, by address; every one, when that is `None`.
    pub(super) fn after(&self, after: Option<Ipv4Addr>) -> impl Iterator<Item = Record<'_>> {
        let above = after.map_or(Bound::Unbounded, |after| Bound::Excluded(after.to_bits()));
        self.by_address.range((above, Bound::Unbounded)).map(|(_, &slot)| self.at(slot))
    }

    /// Every record, by address.
    pub(super) fn iter(&self) -> impl ExactSizeIterator<Item = Record<'_>> {
        self.by_address.values().map(|&slot| self.at(slot))
    }

    /// Replaces the record of an address; `None`: there is none any more.
    pub(super) fn set(&mut self, address: Ipv4Addr, kept: Option<Kept>) {
        let old = self.by_address.get(&address.to_bits()).copied();
        if let Some(slot) = old {
            self.unlink(slot);
        }
        match (kept, old) {
            (Some(kept), old) => {
                let (hot, cold) = record::split(&kept, self.prefix_place(kept.lease.subnet));
                let slot = self.store(old, hot, cold);
                self.by_address.insert(address.to_bits(), slot);
                self.link(slot);
            }
            (None, Some(slot)) => {
                self.by_address.remove(&address.to_bits());
                self.cold[slot as usize] = Cold::default();
                self.unused.push(slot);
            }
            (None, None) => {}
        }
    }

    /// A quarantine has run out: the record stays as it is stored, the address is free.
    pub(super) fn end_quarantine(&mut self, address: Ipv4Addr) {
        self.alter(address, |hot| {
            hot.state = HotState::QuarantineOver;
            hot.deadline_ms = NEVER;
        });
    }

    /// Sets a record's deadline anew.
    pub(super) fn set_deadline(&mut self, address: Ipv4Addr, deadline_ms: u64) {
        self.alter(address, |hot| hot.deadline_ms = deadline_ms);
    }

    /// Keeps the index by hardware address, or does without: whether any subnet ignores client identifiers.
    pub(super) fn index_hardware(&mut self, wanted: bool) {
        if wanted != self.by_hardware.is_some() {
            let entries = || self.by_address.values().filter_map(|&slot| self.entries(slot).hardware).collect();
            self.by_hardware = wanted.then(entries);
        }
    }

    /// Counts the bindings behind each port, or does without.
    pub(super) fn count_ports(&mut self, wanted: bool) {
        if wanted != self.by_port.is_some() {
            let mut counts = BTreeMap::new();
            if wanted {
                for port in self.by_address.values().filter_map(|&slot| self.port_of(slot)) {
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

    /// The port that a binding's client is behind.
    fn port_of(&self, slot: u32) -> Option<u64> {
        let bound = self.hot[slot as usize].state == HotState::Bound;
        let cold = Some(&self.cold[slot as usize]).filter(|cold| bound && !cold.relay_agent_info().is_empty())?;
        port_key(cold.relay(), cold.relay_agent_info())
    }

    /// The records of a client in `prefix`: its bindings first, then its quarantines, then the first few ended ones.
    pub(super) fn of_client<'a>(
        &'a self,
        client: Client<'a>,
        ignore_client_id: bool,
        prefix: Ipv4Net,
    ) -> impl Iterator<Item = Record<'a>> + 'a {
        let by_hardware = client.has_its_id_ignored(ignore_client_id);
        let key = if by_hardware { client.hardware_hash() } else { client.key_hash() };
        let indexes = [Some(&self.by_client), self.by_hardware.as_ref().filter(|_| by_hardware)];
        let (first, last) = (prefix.network().to_bits(), prefix.broadcast().to_bits());
        let ranked = move |rank: u8, most: usize| {
            let indexes = indexes.into_iter().flatten();
            indexes.flat_map(move |index| index.range((key, rank, first)..=(key, rank, last)).take(most))
        };
        ranked(0, usize::MAX)
            .chain(ranked(1, usize::MAX))
            .chain(ranked(2, ENDED_LOOKED_AT))
            .filter_map(|&(_, _, address)| self.get(Ipv4Addr::from_bits(address)))
            .filter(move |record| record.client().is(client, ignore_client_id))
    }

    /// The records of a hardware address in every subnet, whatever identifiers stand beside it, bindings first. Without
    /// the index by hardware address only those that have no identifier.
    pub(super) fn of_hardware(&self, hardware: HardwareAddress) -> impl Iterator<Item = Record<'_>> {
        let key = Client { hardware, id: None, relay: &[] }.hardware_hash();
        let indexes = [Some(&self.by_client), self.by_hardware.as_ref()];
        let ranked = (0..=LAST_RANK).flat_map(move |rank| {
            let indexes = indexes.into_iter().flatten();
            indexes.flat_map(move |index| index.range((key, rank, 0)..=(key, rank, u32::MAX)))
        });
        ranked
            .filter_map(|&(_, _, address)| self.get(Ipv4Addr::from_bits(address)))
            .filter(move |record| record.hot.hardware == hardware)
    }

    /// The records of a client identifier in every subnet, bindings first.
    pub(super) fn of_client_id<'a>(&'a self, id: &'a [u8]) -> impl Iterator<Item = Record<'a>> + 'a {
        let key = Client::with_id(id).key_hash();
        self.by_client
            .range((key, 0, 0)..=(key, LAST_RANK, u32::MAX))
            .filter_map(|&(_, _, address)| self.get(Ipv4Addr::from_bits(address)))
            .filter(move |record| record.cold.client_id() == Some(id))
    }

    /// The earliest deadline, and whose it is.
    pub(super) fn next_deadline(&self) -> Option<(u64, Ipv4Addr)> {
        self.timers.first().map(|&(deadline, slot)| (deadline, self.hot[slot as usize].address))
    }

    fn at(&self, slot: u32) -> Record<'_> {
        let hot = &self.hot[slot as usize];
        Record { hot, cold: &self.cold[slot as usize], prefix: self.prefixes[hot.subnet as usize] }
    }

    fn store(&mut self, slot: Option<u32>, hot: Hot, cold: Cold) -> u32 {
        match slot.or_else(|| self.unused.pop()) {
            Some(slot) => {
                self.hot[slot as usize] = hot;
                self.cold[slot as usize] = cold;
                slot
            }
            None => {
                self.hot.push(hot);
                self.cold.push(cold);
                // There are no more addresses than 2^32, and each has one record at most.
                u32::try_from(self.hot.len() - 1).unwrap_or(u32::MAX)
            }
        }
    }

    fn alter(&mut self, address: Ipv4Addr, alter: impl FnOnce(&mut Hot)) {
        let Some(&slot) = self.by_address.get(&address.to_bits()) else { return };
        self.unlink(slot);
        alter(&mut self.hot[slot as usize]);
        self.link(slot);
    }

    fn entries(&self, slot: u32) -> Entries {
        let (hot, client) = (&self.hot[slot as usize], self.at(slot).client());
        let (rank, address) = (hot.state.rank(), hot.address.to_bits());
        Entries {
            client: (client.key_hash(), rank, address),
            hardware: client.id.map(|_| (client.hardware_hash(), rank, address)),
            timer: Some((hot.deadline_ms, slot)).filter(|(deadline, _)| *deadline != NEVER),
            port: self.by_port.as_ref().and_then(|_| self.port_of(slot)),
        }
    }

    fn link(&mut self, slot: u32) {
        let entries = self.entries(slot);
        self.by_client.insert(entries.client);
        self.timers.extend(entries.timer);
        if let Some(index) = &mut self.by_hardware {
            index.extend(entries.hardware);
        }
        if let (Some(counts), Some(port)) = (&mut self.by_port, entries.port) {
            *counts.entry(port).or_default() += 1;
        }
    }

    fn unlink(&mut self, slot: u32) {
        let entries = self.entries(slot);
        self.by_client.remove(&entries.client);
        if let Some(timer) = &entries.timer {
            self.timers.remove(timer);
        }
        if let (Some(index), Some(hardware)) = (&mut self.by_hardware, &entries.hardware) {
            index.remove(hardware);
        }
        if let (Some(counts), Some(port)) = (&mut self.by_port, entries.port) {
            forget_one(counts, port);
        }
    }

    fn prefix_place(&mut self, prefix: Ipv4Net) -> u32 {
        if let Some(&place) = self.prefix_places.get(&prefix) {
            return place;
        }
        let place = u32::try_from(self.prefixes.len()).unwrap_or(u32::MAX);
        self.prefixes.push(prefix);
        self.prefix_places.insert(prefix, place);
        place
    }
}
