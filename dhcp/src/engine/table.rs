//! The lease records in memory: a slab with 32-bit indexes, found by address, by client and by deadline.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

use super::client::Client;
use super::record::{self, Cold, Hot, HotState, Kept, NEVER};
use crate::identity::ClientId;
use crate::lease::Lease;

/// How many ended leases of one client are looked at for the one it had last. A client that collects more by asking
/// for one address after the other must not make its messages dear.
const ENDED_LOOKED_AT: usize = 32;

/// All records: at most one an address.
#[derive(Debug, Default)]
pub(super) struct Table {
    hot: Vec<Hot>,
    /// Beside `hot`, by the same index.
    cold: Vec<Cold>,
    /// Slots to use again.
    unused: Vec<u32>,
    by_address: BTreeMap<u32, u32>,
    /// Hash of the client's key, rank of the state, slot.
    by_client: BTreeSet<(u64, u8, u32)>,
    /// Hash of the hardware address, rank, slot: only records that have a client identifier too, for subnets that
    /// ignore it.
    by_hardware: BTreeSet<(u64, u8, u32)>,
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
        Client { hardware: self.hot.hardware, id: self.client_id() }
    }

    fn client_id(&self) -> Option<&'a ClientId> {
        self.cold.client_id.as_ref()
    }

    pub(super) fn lease(&self) -> Lease {
        record::join(self.hot, self.cold, self.prefix)
    }

    pub(super) fn kept(&self) -> Kept {
        Kept { lease: self.lease(), state: self.hot.state, deadline_ms: self.hot.deadline_ms, marks: self.hot.marks }
    }
}

impl Table {
    pub(super) fn get(&self, address: Ipv4Addr) -> Option<Record<'_>> {
        self.by_address.get(&address.to_bits()).map(|&slot| self.at(slot))
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
                let prefix = self.prefix_place(kept.lease.subnet);
                let (hot, cold) = record::split(kept, prefix);
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
        let Some(&slot) = self.by_address.get(&address.to_bits()) else { return };
        self.unlink(slot);
        let hot = &mut self.hot[slot as usize];
        hot.state = HotState::QuarantineOver;
        hot.deadline_ms = NEVER;
        self.link(slot);
    }

    /// Sets a record's deadline anew.
    pub(super) fn set_deadline(&mut self, address: Ipv4Addr, deadline_ms: u64) {
        let Some(&slot) = self.by_address.get(&address.to_bits()) else { return };
        self.unlink(slot);
        self.hot[slot as usize].deadline_ms = deadline_ms;
        self.link(slot);
    }

    /// The records of a client: its bindings first, then its quarantines, then the first few ended ones.
    pub(super) fn of_client<'a>(
        &'a self,
        client: Client<'a>,
        ignore_client_id: bool,
    ) -> impl Iterator<Item = Record<'a>> + 'a {
        // Where the hardware has no address, the identifier is the key in any case.
        let by_hardware = ignore_client_id && !client.hardware.as_bytes().is_empty();
        let key = if by_hardware { client.hardware_hash() } else { client.key_hash() };
        [Some((&self.by_client, key)), by_hardware.then_some((&self.by_hardware, key))]
            .into_iter()
            .flatten()
            .flat_map(|(index, hash)| {
                let live = index.range((hash, 0, 0)..(hash, 2, 0));
                let ended = index.range((hash, 2, 0)..=(hash, 2, u32::MAX)).take(ENDED_LOOKED_AT);
                live.chain(ended)
            })
            .map(|&(_, _, slot)| self.at(slot))
            .filter(move |record| record.client().is(client, ignore_client_id))
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

    fn link(&mut self, slot: u32) {
        let (hot, client) = (&self.hot[slot as usize], self.at(slot).client());
        let (key, hardware) = (client.key_hash(), client.id.map(|_| client.hardware_hash()));
        let (rank, deadline) = (hot.state.rank(), hot.deadline_ms);
        self.by_client.insert((key, rank, slot));
        if let Some(hardware) = hardware {
            self.by_hardware.insert((hardware, rank, slot));
        }
        if deadline != NEVER {
            self.timers.insert((deadline, slot));
        }
    }

    fn unlink(&mut self, slot: u32) {
        let (hot, client) = (&self.hot[slot as usize], self.at(slot).client());
        let (key, hardware) = (client.key_hash(), client.id.map(|_| client.hardware_hash()));
        let (rank, deadline) = (hot.state.rank(), hot.deadline_ms);
        self.by_client.remove(&(key, rank, slot));
        if let Some(hardware) = hardware {
            self.by_hardware.remove(&(hardware, rank, slot));
        }
        if deadline != NEVER {
            self.timers.remove(&(deadline, slot));
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
