//! Offers: addresses that are kept from others for a while. Nothing of them is stored.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

use super::client::Client;
use crate::identity::{ClientId, HardwareAddress};
use crate::probing::ProbeId;

/// How many offers are held at once; when one more comes, the oldest goes. A flood of DISCOVERs so costs at most
/// some 25 MB (and option 82 besides, where reservations ask for it), and a client whose offer went is still served when its REQUEST comes and the address is free.
pub(super) const OFFERS_MAX: usize = 65_536;

/// An address offered to a client.
#[derive(Clone, Debug)]
pub(super) struct Offer {
    pub(super) address: Ipv4Addr,
    pub(super) hardware: HardwareAddress,
    pub(super) client_id: Option<ClientId>,
    /// Option 82 as it came, where reservations ask for it; else empty.
    pub(super) relay: Box<[u8]>,
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
    by_address: BTreeMap<Ipv4Addr, Offer>,
    /// By the client identifier, or the hardware address of a client without one.
    by_client: BTreeSet<(u64, Ipv4Addr)>,
    /// By the hardware address, for subnets that ignore identifiers.
    by_hardware: BTreeSet<(u64, Ipv4Addr)>,
    by_end: BTreeSet<(u64, Ipv4Addr)>,
    /// How many hold behind each port.
    by_port: BTreeMap<u64, u32>,
}

impl Offers {
    pub(super) fn get(&self, address: Ipv4Addr) -> Option<&Offer> {
        self.by_address.get(&address)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Offer> {
        self.by_address.values()
    }

    /// Puts an offer in the place of any other of the same address.
    pub(super) fn put(&mut self, offer: Offer) {
        self.remove(offer.address);
        self.by_client.insert((offer.client().key_hash(), offer.address));
        self.by_hardware.insert((offer.client().hardware_hash(), offer.address));
        self.by_end.insert((offer.until_ms, offer.address));
        if let Some(port) = offer.port {
            *self.by_port.entry(port).or_default() += 1;
        }
        self.by_address.insert(offer.address, offer);
    }

    /// The probe that an offer waited for is over: it may be made.
    pub(super) fn probe_ended(&mut self, address: Ipv4Addr, id: ProbeId) {
        if let Some(offer) = self.by_address.get_mut(&address).filter(|o| o.standing == OfferStanding::Probed(id)) {
            offer.standing = OfferStanding::Made;
        }
    }

    /// How many offers hold behind a port.
    pub(super) fn at_port(&self, port: u64) -> u32 {
        self.by_port.get(&port).copied().unwrap_or(0)
    }

    pub(super) fn remove(&mut self, address: Ipv4Addr) -> Option<Offer> {
        let offer = self.by_address.remove(&address)?;
        self.by_client.remove(&(offer.client().key_hash(), address));
        self.by_hardware.remove(&(offer.client().hardware_hash(), address));
        self.by_end.remove(&(offer.until_ms, address));
        if let Some(port) = offer.port {
            forget_one(&mut self.by_port, port);
        }
        Some(offer)
    }

    /// What a client is offered in `prefix`: one address, or few. Neither what it is offered elsewhere is looked at, nor
    /// what others are that share with it what does not count here: nobody can make its messages dear.
    pub(super) fn of_client<'a>(
        &'a self,
        client: Client<'a>,
        ignore_client_id: bool,
        prefix: Ipv4Net,
    ) -> impl Iterator<Item = &'a Offer> + 'a {
        let (index, hash) = match client.has_its_id_ignored(ignore_client_id) {
            true => (&self.by_hardware, client.hardware_hash()),
            false => (&self.by_client, client.key_hash()),
        };
        index
            .range((hash, prefix.network())..=(hash, prefix.broadcast()))
            .filter_map(|(_, address)| self.by_address.get(address))
            .filter(move |offer| offer.client().is(client, ignore_client_id))
    }

    /// The one that lapses first, and when.
    pub(super) fn first_to_end(&self) -> Option<(u64, Ipv4Addr)> {
        self.by_end.first().copied()
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
