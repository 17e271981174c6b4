//! The records themselves: hot parts in a slab with 32-bit indexes, the rest in an arena. Rings and timers reach them by
//! slot.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use arena::{Arena, Piece};
use ipnet::Ipv4Net;

use super::chains::{Chained, Links};
use super::client::{Asker, Client, Secret, hash_within};
use super::cold::Cold;
use super::ends::Ends;
use super::record::{Company, Hot, HotState, Kept, NEVER};
use super::timers::{NO_SLICE, Slice, Timed};
use crate::decision::Former;
use crate::lease::{Lease, LeaseName, LeaseState};

/// The subnet of the settings that an address is in now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Home {
    /// Its place in the settings.
    pub(super) place: u32,
    /// Whether clients are known there by their hardware address alone.
    pub(super) ignore_client_id: bool,
}

/// The subnet that a record was leased in, by prefix, and where its address is now; in no subnet, it is in no ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Residence {
    prefix: Ipv4Net,
    home: Option<Home>,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Slab {
    hot: Vec<Hot>,
    arena: Arena,
    ends: Ends,
    /// Where records stand that are in a ring with others. Of all others it follows.
    links: BTreeMap<u32, Links>,
    /// Slots to use again.
    unused: Vec<u32>,
    /// One for each that a record has had since the settings changed.
    residences: Vec<Residence>,
    residence_places: BTreeMap<Residence, u32>,
    last_residence: u32,
    secret: Secret,
    packed: Vec<u8>,
}

/// A record in its place.
#[derive(Clone, Copy, Debug)]
pub(super) struct Record<'a> {
    pub(super) hot: &'a Hot,
    pub(super) cold: Cold<'a>,
    ends: &'a Ends,
    prefix: Ipv4Net,
}

/// A record as it was, to be put back when what replaced it is not stored.
#[derive(Clone, Debug)]
pub(super) struct Saved {
    hot: Hot,
    cold: Vec<u8>,
    prefix: Ipv4Net,
}

impl<'a> Record<'a> {
    pub(super) fn client(&self) -> Client<'a> {
        Client { hardware: self.cold.hardware(), id: self.cold.client_id(), relay: self.cold.relay_agent_info() }
    }

    /// The same without what relays say of it, which its key does not depend on.
    #[inline]
    pub(super) fn key(&self) -> Client<'a> {
        Client { hardware: self.cold.hardware(), id: self.cold.client_id(), relay: &[] }
    }

    pub(super) fn lease(&self) -> Lease {
        self.hot.lease(self.cold, self.ends, self.prefix)
    }

    pub(super) fn kept(&self) -> Kept {
        Kept {
            lease: self.lease(),
            state: self.hot.state(),
            deadline_ms: self.hot.deadline_ms(),
            marks: self.hot.marks(),
        }
    }

    /// What DNS was told by it.
    pub(super) fn former(&self) -> Former {
        Former { state: self.hot.state().into(), name: self.cold.lease_name(self.ends), same_since: None }
    }

    /// Whether a binding says all that this one says, but for its times; `name` is the name of this one.
    pub(super) fn says_the_same_as(&self, lease: &Lease, name: Option<&LeaseName>) -> bool {
        let Self { hot, cold, ends: _, prefix } = self;
        hot.state() == HotState::Bound
            && lease.state == LeaseState::Bound
            && hot.address == lease.address
            && cold.hardware() == lease.hardware
            && hot.started_at() == lease.started_at
            && cold.client_id() == lease.client_id.as_ref().map(|id| &*id.0)
            && cold.hostname() == &*lease.hostname
            && cold.client_fqdn() == &*lease.client_fqdn
            && cold.relay_agent_info() == &*lease.relay_agent_info
            && cold.relay() == lease.relay
            && cold.server_identifier_override() == lease.server_identifier_override
            && *prefix == lease.subnet
            && name == lease.name.as_ref()
    }

    /// A copy, whose packed part goes into `room`.
    pub(super) fn saved(&self, mut room: Vec<u8>) -> Saved {
        room.clear();
        room.extend_from_slice(self.cold.bytes());
        Saved { hot: *self.hot, cold: room, prefix: self.prefix }
    }
}

impl Saved {
    /// What its packed part lay in.
    pub(super) fn into_room(self) -> Vec<u8> {
        self.cold
    }

    /// `ends` are those of the book that it was in.
    pub(super) fn record<'a>(&'a self, ends: &'a Ends) -> Record<'a> {
        Record { hot: &self.hot, cold: Cold::read(&self.cold, &self.hot.machine), ends, prefix: self.prefix }
    }
}

impl Slab {
    pub(super) fn new(secret: Secret) -> Self {
        Self { secret, ..Self::default() }
    }

    pub(super) fn secret(&self) -> Secret {
        self.secret
    }

    pub(super) fn at(&self, slot: u32) -> Record<'_> {
        let hot = &self.hot[slot as usize];
        let prefix = self.residences[hot.residence as usize].prefix;
        Record { hot, cold: Cold::read(self.arena.from(hot.cold), &hot.machine), ends: &self.ends, prefix }
    }

    /// What the names of records end in.
    pub(super) fn ends(&self) -> &Ends {
        &self.ends
    }

    pub(super) fn home(&self, slot: u32) -> Option<Home> {
        self.residences[self.hot[slot as usize].residence as usize].home
    }

    /// Whether a slot is of this client, in the subnet at `place`.
    pub(super) fn is_of(&self, slot: u32, client: Client<'_>, home: Home) -> bool {
        self.home(slot) == Some(home) && self.at(slot).key().is(client, home.ignore_client_id)
    }

    /// The hash of a client in a subnet.
    pub(super) fn hash_of(asker: &Asker<'_>, home: Home) -> u64 {
        hash_within(asker.key_hash(home.ignore_client_id), home.place)
    }

    /// Stores a record, in `slot` in place of the one there, or in a new one: in no ring and without a timer.
    pub(super) fn put(&mut self, slot: Option<u32>, kept: &Kept, home: Option<Home>) -> u32 {
        let mut packed = std::mem::take(&mut self.packed);
        Cold::pack(&kept.lease, &mut self.ends, &mut packed);
        let hot = Hot::new(kept, self.residence(kept.lease.subnet, home), Piece::NONE);
        let slot = self.store(slot, hot, &packed);
        self.packed = packed;
        slot
    }

    /// Stores a record in place of the one of `slot`, of the same client and the same rank: it stays in its ring.
    pub(super) fn replace(&mut self, slot: u32, kept: &Kept, home: Option<Home>) {
        let company = self.hot[slot as usize].company();
        self.put(Some(slot), kept, home);
        self.hot[slot as usize].set_company(company);
    }

    /// Gives the record of `slot` the times and marks of `kept`, which says the same beside them.
    pub(super) fn renew(&mut self, slot: u32, kept: &Kept) {
        self.hot[slot as usize].renew(kept);
    }

    /// Whether a slot is in a ring of its own.
    pub(super) fn is_alone(&self, slot: u32) -> bool {
        self.hot[slot as usize].company() == Some(Company::Alone)
    }

    /// Stores a record as it was.
    pub(super) fn put_back(&mut self, slot: Option<u32>, saved: &Saved, home: Option<Home>) -> u32 {
        let mut hot = saved.hot;
        (hot.residence, hot.slice) = (self.residence(saved.prefix, home), NO_SLICE);
        hot.set_company(None);
        self.store(slot, hot, &saved.cold)
    }

    /// Empties a slot; to be used again.
    pub(super) fn clear(&mut self, slot: u32) {
        let hot = &mut self.hot[slot as usize];
        let piece = std::mem::replace(&mut hot.cold, Piece::NONE);
        hot.set_deadline_ms(NEVER);
        let length = Cold::length(self.arena.from(piece));
        self.arena.free(piece, length);
        self.unused.push(slot);
    }

    pub(super) fn set_deadline_ms(&mut self, slot: u32, deadline_ms: u64) {
        self.hot[slot as usize].set_deadline_ms(deadline_ms);
    }

    pub(super) fn set_state(&mut self, slot: u32, state: HotState) {
        self.hot[slot as usize].set_state(state);
    }

    /// Forgets which entries the records have among the timers.
    pub(super) fn forget_timers(&mut self) {
        self.hot.iter_mut().for_each(|hot| hot.slice = NO_SLICE);
    }

    /// Puts every record of `slots` where `home` says that its address is now, out of all rings.
    pub(super) fn settle(&mut self, slots: impl Iterator<Item = u32>, home: impl Fn(Ipv4Addr) -> Option<Home>) {
        let before = std::mem::take(&mut self.residences);
        self.residence_places.clear();
        self.links.clear();
        for slot in slots {
            let Hot { address, residence, .. } = self.hot[slot as usize];
            let residence = self.residence(before[residence as usize].prefix, home(address));
            let hot = &mut self.hot[slot as usize];
            hot.residence = residence;
            hot.set_company(None);
        }
    }

    fn store(&mut self, slot: Option<u32>, mut hot: Hot, cold: &[u8]) -> u32 {
        let Some(slot) = slot.or_else(|| self.unused.pop()) else {
            hot.cold = self.arena.put(cold);
            self.hot.push(hot);
            // There are no more addresses than 2^32, and each has one record at most.
            return u32::try_from(self.hot.len() - 1).unwrap_or(u32::MAX);
        };
        let old = &mut self.hot[slot as usize];
        let length = Cold::length(self.arena.from(old.cold));
        hot.cold = self.arena.replace(old.cold, length, cold);
        // The entry among the timers is the slot's, and still there.
        hot.slice = old.slice;
        *old = hot;
        if self.arena.is_sparse() {
            self.compact();
        }
        slot
    }

    /// Moves what the arena holds together.
    fn compact(&mut self) {
        let before = std::mem::take(&mut self.arena);
        for hot in &mut self.hot {
            hot.cold = self.arena.put(Cold::read(before.from(hot.cold), &hot.machine).bytes());
        }
    }

    fn residence(&mut self, prefix: Ipv4Net, home: Option<Home>) -> u32 {
        let residence = Residence { prefix, home };
        // Most go where the one before went.
        if self.residences.get(self.last_residence as usize) == Some(&residence) {
            return self.last_residence;
        }
        if let Some(&place) = self.residence_places.get(&residence) {
            self.last_residence = place;
            return place;
        }
        let place = u32::try_from(self.residences.len()).unwrap_or(u32::MAX);
        self.last_residence = place;
        self.residences.push(residence);
        self.residence_places.insert(residence, place);
        place
    }
}

impl Chained for Slab {
    fn links(&self, slot: u32) -> Links {
        match self.hot[slot as usize].company() {
            None => Links::NONE,
            Some(Company::Alone) => Links { next: slot, previous: slot },
            Some(Company::Others) => self.links.get(&slot).copied().unwrap_or(Links::NONE),
        }
    }

    fn set_links(&mut self, slot: u32, links: Links) {
        let hot = &mut self.hot[slot as usize];
        let company = match links {
            Links::NONE => None,
            Links { next, previous } if next == slot && previous == slot => Some(Company::Alone),
            _ => Some(Company::Others),
        };
        if company == Some(Company::Others) {
            self.links.insert(slot, links);
        } else if hot.company() == Some(Company::Others) {
            self.links.remove(&slot);
        }
        hot.set_company(company);
    }

    fn rank(&self, slot: u32) -> u8 {
        self.hot[slot as usize].state().rank()
    }

    fn hash(&self, slot: u32) -> u64 {
        let home = self.home(slot).unwrap_or(Home { place: u32::MAX, ignore_client_id: false });
        hash_within(self.at(slot).key().key_hash(self.secret, home.ignore_client_id), home.place)
    }

    fn belong_together(&self, slot: u32, other: u32) -> bool {
        self.home(slot).is_some_and(|home| self.is_of(other, self.at(slot).key(), home))
    }
}

impl Timed for Slab {
    fn deadline_ms(&self, slot: u32) -> u64 {
        self.hot[slot as usize].deadline_ms()
    }

    fn slice(&self, slot: u32) -> Slice {
        self.hot[slot as usize].slice
    }

    fn set_slice(&mut self, slot: u32, slice: Slice) {
        self.hot[slot as usize].slice = slice;
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
mod tests {
    use super::super::chains::Chains;
    use super::*;
    use crate::identity::HardwareAddress;
    use crate::time::Now;

    fn kept(number: u32, relay_agent_info: &[u8]) -> Kept {
        let lease = Lease {
            address: Ipv4Addr::from_bits(0x0A00_0000 + number),
            subnet: "10.0.0.0/8".parse().unwrap(),
            state: LeaseState::Bound,
            hardware: HardwareAddress::new(1, &number.to_be_bytes()).unwrap(),
            client_id: None,
            started_at: 1,
            renewed_at: 2,
            expires_at: 3,
            hostname: number.to_be_bytes().into(),
            client_fqdn: dns::Bytes::default(),
            name: None,
            relay: Ipv4Addr::UNSPECIFIED,
            relay_agent_info: relay_agent_info.into(),
            server_identifier_override: None,
        };
        Kept::from_store(lease, Now { boot_ms: 0, wall_secs: 0 })
    }

    #[test]
    fn only_records_of_a_client_that_has_several_cost_links() {
        let (mut slab, mut chains) = (Slab::new(Secret::default()), Chains::default());
        let home = Some(Home { place: 0, ignore_client_id: false });
        let hardware = HardwareAddress::new(1, b"same").unwrap();
        let mut slots = Vec::new();
        for number in 0..4 {
            let mut kept = kept(number, b"");
            kept.lease.hardware = hardware;
            slots.push(slab.put(None, &kept, home));
            assert_eq!(slab.links(slots[number as usize]), Links::NONE);
            chains.insert(slots[number as usize], &mut slab);
            let alone = slab.is_alone(slots[0]);
            assert_eq!((slab.links.len(), alone), if number == 0 { (0, true) } else { (slots.len(), false) });
        }
        // A record that goes on stays where it is.
        let (last, links) = (slots[3], slab.links(slots[3]));
        slab.renew(last, &Kept { deadline_ms: 9, ..kept(3, b"") });
        slab.set_state(last, HotState::Bound);
        assert_eq!((slab.links(last), slab.at(last).hot.deadline_ms()), (links, 9));
        for (number, slot) in slots.iter().enumerate().take(3) {
            chains.remove(*slot, &mut slab);
            let left = [3, 2, 0][number];
            assert_eq!((slab.links.len(), slab.is_alone(last)), (left, left == 0));
        }
    }

    #[test]
    fn records_that_shrink_are_moved_together_and_stay_what_they_are() {
        let mut slab = Slab::new(Secret::default());
        let slots: Vec<u32> = (0..3000).map(|number| slab.put(None, &kept(number, &[9; 1000]), None)).collect();
        for (number, slot) in (0..).zip(&slots) {
            slab.put(Some(*slot), &kept(number, b"short"), None);
        }
        assert!(!slab.arena.is_sparse());
        for (number, slot) in (0..).zip(slots) {
            assert_eq!(slab.at(slot).lease(), kept(number, b"short").lease);
        }
    }
}
