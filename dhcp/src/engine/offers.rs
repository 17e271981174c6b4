//! Offers: addresses that are kept from others for a while. Nothing of them is stored.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::net::Ipv4Addr;

use dns::Bytes;
use hashbrown::HashTable;

use super::chains::{self, Chained, Chains, Links};
use super::client::{Asker, Client, Secret, hash_within};
use super::slab::Home;
use crate::identity::{ClientId, HardwareAddress};
use crate::probing::ProbeId;

/// How many offers are held at once; when one more comes, the oldest goes. A flood of DISCOVERs so costs at most
/// some 25 MB (and option 82 besides, where reservations ask for it), and a client whose offer went is still served when its REQUEST comes and the address is free.
pub(super) const OFFERS_MAX: usize = 65_536;

/// So many ends of offers that hold no more are borne, beside two for each offer, before they are sorted out.
const STALE_ENDS_MIN: usize = 64;

/// An address offered to a client.
#[derive(Clone, Debug)]
pub(super) struct Offer {
    pub(super) address: Ipv4Addr,
    pub(super) hardware: HardwareAddress,
    pub(super) client_id: Option<ClientId>,
    /// Option 82 as it came, where reservations ask for it; else empty.
    pub(super) relay: Bytes,
    /// The lease time that was offered, in seconds.
    pub(super) lease_secs: u32,
    /// The server identifier that the client was told.
    pub(super) server_identifier: Ipv4Addr,
    /// The port that the client is behind, where leases are counted by port.
    pub(super) port: Option<u64>,
    /// Boot milliseconds: until when it holds.
    pub(super) until_ms: u64,
    /// Whether it was made already.
    pub(super) standing: OfferStanding,
}

/// How far an offer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OfferStanding {
    /// The client was told, or may be.
    Made,
    /// It waits for this probe; the address is held.
    Probed(ProbeId),
}

impl Offer {
    pub(super) fn client(&self) -> Client<'_> {
        Client { hardware: self.hardware, id: self.client_id.as_ref().map(|id| &*id.0), relay: &self.relay }
    }
}

/// The offers that hold, at most [`OFFERS_MAX`].
#[derive(Debug, Default)]
pub(super) struct Offers {
    slots: Slots,
    unused: Vec<u32>,
    by_address: HashTable<u32>,
    /// What each client is offered in each subnet: one address, or few.
    by_client: Chains,
    /// When they end. An entry outlives its offer until it is the first: nearly every offer is taken before it ends, and
    /// to look for its entry would cost more. The first one's offer holds.
    by_end: BinaryHeap<Reverse<(u64, Ipv4Addr)>>,
    /// How many hold behind each port.
    by_port: BTreeMap<u64, u32>,
}

/// Offers by slot; `None`: the slot is to be used again.
#[derive(Debug, Default)]
struct Slots {
    offers: Vec<Slot>,
    secret: Secret,
}

#[derive(Debug)]
struct Slot {
    offer: Option<Offer>,
    /// The subnet that the address is in now.
    home: Option<Home>,
    links: Links,
    /// Of the client in that subnet.
    hash: u64,
}

impl Slot {
    /// Of an offer that is in no ring yet.
    fn new(offer: Option<Offer>, home: Option<Home>, secret: Secret) -> Self {
        let hash = offer
            .as_ref()
            .zip(home)
            .map(|(offer, home)| hash_within(offer.client().key_hash(secret, home.ignore_client_id), home.place));
        Self { offer, home, links: Links::NONE, hash: hash.unwrap_or(0) }
    }
}

impl Slots {
    fn get(&self, slot: u32) -> Option<&Offer> {
        self.offers.get(slot as usize)?.offer.as_ref()
    }

    fn is_at(&self, slot: u32, address: Ipv4Addr) -> bool {
        self.get(slot).is_some_and(|offer| offer.address == address)
    }

    fn is_of(&self, slot: u32, client: Client<'_>, home: Home) -> bool {
        self.offers[slot as usize].home == Some(home)
            && self.get(slot).is_some_and(|offer| offer.client().is(client, home.ignore_client_id))
    }
}

impl Chained for Slots {
    fn links(&self, slot: u32) -> Links {
        self.offers[slot as usize].links
    }

    fn set_links(&mut self, slot: u32, links: Links) {
        self.offers[slot as usize].links = links;
    }

    fn rank(&self, _: u32) -> u8 {
        0
    }

    fn hash(&self, slot: u32) -> u64 {
        self.offers[slot as usize].hash
    }

    fn belong_together(&self, slot: u32, other: u32) -> bool {
        let (offer, home) = (self.get(slot), self.offers[slot as usize].home);
        offer.zip(home).is_some_and(|(offer, home)| self.is_of(other, offer.client(), home))
    }
}

impl Offers {
    pub(super) fn new(secret: Secret) -> Self {
        Self { slots: Slots { secret, ..Slots::default() }, ..Self::default() }
    }

    pub(super) fn get(&self, address: Ipv4Addr) -> Option<&Offer> {
        self.slots.get(self.slot(address)?)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Offer> {
        self.slots.offers.iter().filter_map(|slot| slot.offer.as_ref())
    }

    /// Takes note of the subnet that each address is in now.
    pub(super) fn settle(&mut self, home: impl Fn(Ipv4Addr) -> Option<Home>) {
        self.by_client = Chains::default();
        for slot in 0..u32::try_from(self.slots.offers.len()).unwrap_or(u32::MAX) {
            let found = self.slots.get(slot).and_then(|offer| home(offer.address));
            let held = &mut self.slots.offers[slot as usize];
            *held = Slot::new(held.offer.take(), found, self.slots.secret);
            if found.is_some() {
                self.by_client.insert(slot, &mut self.slots);
            }
        }
    }

    /// Puts an offer in the place of any other of the same address, which is in `home`.
    /// `key_hash` is [`Asker::key_hash`] of whom it is made to.
    pub(super) fn put(&mut self, offer: Offer, home: Option<Home>, key_hash: impl FnOnce(Home) -> u64) {
        let address = offer.address;
        self.remove(address);
        self.by_end.push(Reverse((offer.until_ms, address)));
        if let Some(port) = offer.port {
            *self.by_port.entry(port).or_default() += 1;
        }
        let hash = home.map_or(0, |home| hash_within(key_hash(home), home.place));
        let held = Slot { offer: Some(offer), home, links: Links::NONE, hash };
        let slot = match self.unused.pop() {
            Some(slot) => {
                self.slots.offers[slot as usize] = held;
                slot
            }
            None => {
                self.slots.offers.push(held);
                // At most OFFERS_MAX.
                u32::try_from(self.slots.offers.len() - 1).unwrap_or(u32::MAX)
            }
        };
        let Slots { secret, offers } = &self.slots;
        let rehash =
            |slot: &u32| offers[*slot as usize].offer.as_ref().map_or(0, |offer| secret.hash_address(offer.address));
        self.by_address.insert_unique(secret.hash_address(address), slot, rehash);
        if home.is_some() {
            self.by_client.insert(slot, &mut self.slots);
        }
        if self.by_end.len() > STALE_ENDS_MIN + 2 * self.by_address.len() {
            let mut ends = std::mem::take(&mut self.by_end);
            ends.retain(|Reverse(end)| self.ends(*end));
            self.by_end = ends;
        }
    }

    /// Whether there is an offer that ends so.
    fn ends(&self, (until_ms, address): (u64, Ipv4Addr)) -> bool {
        self.get(address).is_some_and(|offer| offer.until_ms == until_ms)
    }

    /// The probe that an offer waited for is over: it may be made.
    pub(super) fn probe_ended(&mut self, address: Ipv4Addr, id: ProbeId) {
        let slot = self.slot(address);
        let offer = slot.and_then(|slot| self.slots.offers.get_mut(slot as usize)?.offer.as_mut());
        if let Some(offer) = offer.filter(|offer| offer.standing == OfferStanding::Probed(id)) {
            offer.standing = OfferStanding::Made;
        }
    }

    /// How many offers hold behind a port.
    pub(super) fn at_port(&self, port: u64) -> u32 {
        self.by_port.get(&port).copied().unwrap_or(0)
    }

    pub(super) fn remove(&mut self, address: Ipv4Addr) {
        let Slots { secret, .. } = self.slots;
        let found = self.by_address.find_entry(secret.hash_address(address), |slot| self.slots.is_at(*slot, address));
        let Ok(found) = found else { return };
        let (slot, _) = found.remove();
        self.by_client.remove(slot, &mut self.slots);
        let offer = &mut self.slots.offers[slot as usize].offer;
        let port = offer.as_ref().and_then(|offer| offer.port);
        *offer = None;
        self.unused.push(slot);
        if let Some(port) = port {
            forget_one(&mut self.by_port, port);
        }
        while self.by_end.peek().is_some_and(|Reverse(end)| !self.ends(*end)) {
            self.by_end.pop();
        }
    }

    /// What a client is offered in a subnet.
    pub(super) fn of_client<'a>(&'a self, asker: &Asker<'_>, home: Home) -> impl Iterator<Item = &'a Offer> + use<'a> {
        let is_it = |slot| self.slots.is_of(slot, asker.client, home);
        let hash = || hash_within(asker.key_hash(home.ignore_client_id), home.place);
        let find = || if self.is_empty() { None } else { self.by_client.first(hash(), is_it) };
        let first = asker.offers.or_find(self.by_client.changes(), home, find);
        chains::ring(first, &self.slots).filter_map(|slot| self.slots.get(slot))
    }

    fn slot(&self, address: Ipv4Addr) -> Option<u32> {
        if self.is_empty() {
            return None;
        }
        let hash = self.slots.secret.hash_address(address);
        self.by_address.find(hash, |slot| self.slots.is_at(*slot, address)).copied()
    }

    /// The one that lapses first, and when.
    pub(super) fn first_to_end(&self) -> Option<(u64, Ipv4Addr)> {
        self.by_end.peek().map(|Reverse(end)| *end)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.by_address.is_empty()
    }

    /// Whether one must go before another is put.
    pub(super) fn is_full(&self) -> bool {
        self.by_address.len() >= OFFERS_MAX
    }
}

/// One less behind a port; a port with none is not remembered.
pub(super) fn forget_one(by_port: &mut BTreeMap<u64, u32>, port: u64) {
    if let Some(count) = by_port.get_mut(&port) {
        *count -= 1;
        if *count == 0 {
            by_port.remove(&port);
        }
    }
}
