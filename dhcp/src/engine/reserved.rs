//! Who has a reservation: found by whatever the reservation knows its client by.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use super::client::Client;
use crate::identity::{HardwareAddress, duid_of};
use crate::options::RelayAgentInfo;
use crate::settings::{Reservation, ReservedFor, Subnet};

/// Reservations by what they know their clients by. A look-up costs one hash for each kind of key that the subnet has,
/// however many reservations there are; each key takes some 40 bytes.
#[derive(Debug, Default)]
pub(super) struct Reserved {
    /// The first entry of each hash of subnet and key.
    first: HashMap<u64, u32>,
    entries: Vec<Entry>,
    /// By subnet: which kinds of key its reservations have, as bits by [`Key::rank`].
    kinds: Vec<u8>,
    /// By subnet: a bit for each of its keys, by their hashes. Most clients have no reservation, and most of these are
    /// told so here, without a look into the large table.
    marks: Vec<u64>,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    subnet: u32,
    /// The reservation's place in its subnet.
    reservation: u32,
    /// The next entry with the same hash; [`NONE`]: there is none.
    next: u32,
}

const NONE: u32 = u32::MAX;

/// What a reservation knows its client by, borrowed.
#[derive(Clone, Copy, Hash, PartialEq, Eq)]
enum Key<'k> {
    ClientId(&'k [u8]),
    Duid(&'k [u8]),
    Hardware(HardwareAddress),
    Port(&'k [u8], &'k [u8]),
    CircuitId(&'k [u8]),
    RemoteId(&'k [u8]),
    SubscriberId(&'k [u8]),
}

impl<'k> Key<'k> {
    fn of(client: &'k ReservedFor) -> Self {
        match client {
            ReservedFor::ClientId(id) => Self::ClientId(&id.0),
            ReservedFor::Duid(duid) => Self::Duid(duid),
            ReservedFor::Hardware(hardware) => Self::Hardware(*hardware),
            ReservedFor::Port { circuit_id, remote_id } => Self::Port(circuit_id, remote_id),
            ReservedFor::CircuitId(id) => Self::CircuitId(id),
            ReservedFor::RemoteId(id) => Self::RemoteId(id),
            ReservedFor::SubscriberId(id) => Self::SubscriberId(id),
        }
    }

    /// Which key counts where several lead to different reservations: the least. First what the client says of itself:
    /// its identifier, which is the key of its leases (RFC 2131 section 4.2), the DUID in it, its hardware address. Then
    /// where it is, from the narrowest place to the widest.
    fn rank(&self) -> u32 {
        match self {
            Self::ClientId(_) => 0,
            Self::Duid(_) => 1,
            Self::Hardware(_) => 2,
            Self::Port(..) => 3,
            Self::CircuitId(_) => 4,
            Self::RemoteId(_) => 5,
            Self::SubscriberId(_) => 6,
        }
    }

    /// SipHash with a fixed key: what is hashed into the index comes from the administrator alone.
    fn hash_in(&self, subnet: u32) -> u64 {
        let mut hasher = DefaultHasher::new();
        (subnet, self).hash(&mut hasher);
        hasher.finish()
    }
}

/// One of 64 bits, by the upper bits of a hash.
fn mark(hash: u64) -> u64 {
    1 << (hash >> 58)
}

impl Reserved {
    pub(super) fn new(subnets: &[Subnet]) -> Self {
        let keys = subnets.iter().flat_map(|subnet| &subnet.reservations).map(|one| one.clients.len()).sum();
        let mut reserved = Self {
            first: HashMap::with_capacity(keys),
            entries: Vec::with_capacity(keys),
            kinds: vec![0; subnets.len()],
            marks: vec![0; subnets.len()],
        };
        for (number, subnet) in (0_u32..).zip(subnets) {
            // From the last to the first, since each goes before those with the same key.
            let places = 0..u32::try_from(subnet.reservations.len()).unwrap_or(NONE);
            for (reservation, one) in places.zip(&subnet.reservations).rev() {
                for key in one.clients.iter().map(Key::of) {
                    reserved.kinds[number as usize] |= 1 << key.rank();
                    let place = u32::try_from(reserved.entries.len()).unwrap_or(NONE);
                    let hash = key.hash_in(number);
                    reserved.marks[number as usize] |= mark(hash);
                    let next = reserved.first.insert(hash, place).unwrap_or(NONE);
                    reserved.entries.push(Entry { subnet: number, reservation, next });
                }
            }
        }
        reserved
    }

    /// Whether nobody has a reservation anywhere.
    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Whether a reservation of the subnet knows clients by what relays and switches say of them.
    pub(super) fn asks_where(&self, subnet: usize) -> bool {
        self.kinds.get(subnet).is_some_and(|kinds| kinds >> Key::Port(&[], &[]).rank() != 0)
    }

    /// The client's reservation in a subnet.
    pub(super) fn find<'s>(&self, subnets: &'s [Subnet], subnet: usize, client: Client<'_>) -> Option<&'s Reservation> {
        let kinds = self.kinds.get(subnet).copied().filter(|kinds| *kinds != 0)?;
        let reservations = &subnets.get(subnet)?.reservations;
        let relay = RelayAgentInfo(client.relay);
        let (circuit_id, remote_id) = (relay.circuit_id(), relay.remote_id());
        let keys = [
            client.id.map(Key::ClientId),
            client.id.and_then(duid_of).map(Key::Duid),
            Some(Key::Hardware(client.hardware)),
            circuit_id.zip(remote_id).map(|(circuit_id, remote_id)| Key::Port(circuit_id, remote_id)),
            circuit_id.map(Key::CircuitId),
            remote_id.map(Key::RemoteId),
            relay.subscriber_id().map(Key::SubscriberId),
        ];
        let there = keys.into_iter().flatten().filter(|key| kinds & (1 << key.rank()) != 0);
        there.into_iter().find_map(|key| self.look_up(reservations, u32::try_from(subnet).ok()?, key))
    }

    fn look_up<'s>(&self, reservations: &'s [Reservation], subnet: u32, key: Key<'_>) -> Option<&'s Reservation> {
        let hash = key.hash_in(subnet);
        self.marks.get(subnet as usize).filter(|marks| **marks & mark(hash) != 0)?;
        let mut place = *self.first.get(&hash)?;
        while let Some(entry) = self.entries.get(place as usize) {
            let found = reservations.get(entry.reservation as usize).filter(|_| entry.subnet == subnet);
            if let Some(one) = found.filter(|one| one.clients.iter().any(|client| Key::of(client) == key)) {
                return Some(one);
            }
            place = entry.next;
        }
        None
    }
}
