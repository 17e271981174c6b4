//! The table beside a plain map.

#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

use std::collections::BTreeMap;

use dns::HostIdentity;
use proptest::prelude::*;

use super::super::record::Marks;
use super::*;
use crate::identity::ClientId;
use crate::lease::{Lease, LeaseName, LeaseState};
use crate::names::host_identity;
use crate::time::Now;

/// Numbers that look random: SplitMix64.
#[derive(Clone, Copy)]
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut bits = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((bits ^ (bits >> 31)) % bound as u64) as usize
    }

    /// Of no length, of some, or of all that there may be.
    fn bytes(&mut self, most: usize) -> Vec<u8> {
        let length = [0, self.below(20), self.below(most + 1), most][self.below(4)].min(most);
        let first = self.below(256);
        (0..length).map(|at| (first + at) as u8).collect()
    }
}

/// A table, what it should hold, and what is put back some time.
struct World {
    table: Table,
    model: BTreeMap<u32, Kept>,
    saved: Vec<(u32, Option<(Saved, Kept)>)>,
    /// How the addresses are divided: by so many bits, and whether identifiers are ignored there.
    homes: (u32, bool),
    clients: usize,
}

fn home_of((shift, ignore_client_id): (u32, bool), address: Ipv4Addr) -> Option<Home> {
    let place = (address.to_bits() & 0xFFFF) >> shift;
    // Some are in no subnet.
    Some(Home { place, ignore_client_id }).filter(|home| home.place != 3)
}

fn hardware(client: usize) -> HardwareAddress {
    // Two of each, by another type; some without an address, some longer than is kept in one place.
    let length = [6, 6, 6, 0, 3, 16, 7][client % 7];
    HardwareAddress::new(
        1 + 64 * (client % 2) as u8,
        &[&((client / 2) as u16).to_be_bytes()[..], &[7; 14]].concat()[..length],
    )
    .unwrap()
}

impl World {
    fn new(clients: usize) -> Self {
        let mut world = Self {
            table: Table::load([], Secret::from_seed(7)),
            model: BTreeMap::new(),
            saved: Vec::new(),
            homes: (2, false),
            clients,
        };
        world.settle(2, false);
        world
    }

    fn settle(&mut self, shift: u32, ignore: bool) {
        self.homes = (shift, ignore);
        let homes = self.homes;
        self.table.settle(|address| home_of(homes, address));
    }

    fn kept(numbers: &mut Numbers, address: u32, clients: usize) -> Kept {
        let hardware = hardware(numbers.below(clients));
        let client_id = match numbers.below(4) {
            0 => None,
            1 => Some([&[hardware.htype][..], hardware.as_bytes()].concat()).filter(|id| id.len() > 1),
            2 => Some(vec![9; 2 + numbers.below(2)]),
            _ => Some(numbers.bytes(255)).filter(|id| id.len() > 1),
        };
        let client_id = client_id.map(|id| ClientId(id.into()));
        let hostname = if numbers.below(2) == 0 { b"Host".to_vec() } else { numbers.bytes(255) };
        let states =
            [LeaseState::Bound, LeaseState::Bound, LeaseState::Released, LeaseState::Expired, LeaseState::Quarantined];
        let name = (numbers.below(2) == 0).then(|| LeaseName {
            fqdn: ["host.lan", "other.lan", "host", "a.b.c.lan"][numbers.below(4)].parse().unwrap(),
            identity: match numbers.below(2) {
                0 => host_identity(hardware, client_id.as_ref()),
                _ => HostIdentity::Duid(vec![4; 3].into()),
            },
            forward: numbers.below(2) == 0,
            reverse: numbers.below(2) == 0,
            ttl_secs: numbers.below(1_000_000) as u32,
            guard: dns::ConflictGuard::default(),
        });
        let lease = Lease {
            address: Ipv4Addr::from_bits(address),
            subnet: ["10.0.0.0/16", "10.0.0.0/8"][numbers.below(2)].parse().unwrap(),
            state: states[numbers.below(5)],
            hardware,
            client_id,
            started_at: numbers.below(100) as u64,
            renewed_at: numbers.below(100) as u64,
            expires_at: [numbers.below(100_000) as u64, u64::MAX][numbers.below(2)],
            hostname: hostname.into(),
            client_fqdn: numbers.bytes(255).into(),
            name,
            relay: [Ipv4Addr::UNSPECIFIED, Ipv4Addr::new(10, 0, 0, 1)][numbers.below(2)],
            relay_agent_info: if numbers.below(2) == 0 { b"\x01\x02p1".to_vec() } else { numbers.bytes(1024) }.into(),
            server_identifier_override: (numbers.below(2) == 0).then_some(Ipv4Addr::new(10, 0, 0, 2)),
        };
        Kept::from_store(lease, Now { boot_ms: 0, wall_secs: 0 })
    }

    /// Does one thing to the record of an address, and the same to the model's.
    fn step(&mut self, numbers: &mut Numbers, address: u32) {
        let at = Ipv4Addr::from_bits(address);
        let home = home_of(self.homes, at);
        let time = numbers.below(1 << 20) as u64;
        match (numbers.below(9), self.model.get_mut(&address)) {
            (0, _) => {
                let before = self.table.get(at).map(|record| record.saved(Vec::new()));
                self.saved.push((address, before.zip(self.model.get(&address).cloned())));
            }
            (1, _) if !self.saved.is_empty() => {
                let (address, saved) = self.saved.swap_remove(numbers.below(self.saved.len()));
                let at = Ipv4Addr::from_bits(address);
                self.table.put_back(at, home_of(self.homes, at), saved.as_ref().map(|(saved, _)| saved));
                match saved {
                    Some((_, kept)) => _ = self.model.insert(address, kept),
                    None => _ = self.model.remove(&address),
                }
            }
            (2, Some(kept)) if kept.state == HotState::Bound => {
                kept.lease.renewed_at += 1;
                (kept.lease.expires_at, kept.deadline_ms) = (time, time);
                kept.marks = Marks { shunned: true, from_store: false };
                assert!(self.table.renew(kept));
            }
            (3, Some(kept)) if kept.state == HotState::Quarantined => {
                (kept.state, kept.deadline_ms) = (HotState::QuarantineOver, NEVER);
                self.table.end_quarantine(at);
            }
            (4, Some(kept)) => {
                kept.deadline_ms = time;
                self.table.set_deadline(at, time);
            }
            // The same client again, with all else as it may be.
            (5, Some(kept)) => {
                let other = Self::kept(numbers, address, self.clients).lease;
                let Lease { hardware, client_id, state, .. } = kept.lease.clone();
                let lease = Lease { hardware, client_id, state, ..other };
                *kept = Kept::from_store(lease, Now { boot_ms: time, wall_secs: 0 });
                self.table.set(home, kept);
            }
            _ => {
                let kept = Self::kept(numbers, address, self.clients);
                self.table.set(home, &kept);
                self.model.insert(address, kept);
            }
        }
    }

    fn check_records(&self) {
        assert_eq!(self.table.iter().len(), self.model.len());
        for (record, kept) in self.table.iter().zip(self.model.values()) {
            let found = record.kept();
            assert_eq!(found.lease, kept.lease);
            assert_eq!((found.state, found.deadline_ms, found.marks), (kept.state, kept.deadline_ms, kept.marks));
        }
    }

    fn addresses_of(&self, is_it: impl Fn(&Kept) -> bool) -> Vec<u32> {
        self.model.iter().filter(|(_, kept)| is_it(kept)).map(|(address, _)| *address).collect()
    }

    fn check_indexes(&self) {
        let sorted = |records: Vec<Record<'_>>| {
            assert!(records.iter().map(|record| record.hot.state().rank()).is_sorted());
            let mut found: Vec<u32> = records.iter().map(|record| record.hot.address.to_bits()).collect();
            found.sort_unstable();
            found
        };
        for (address, kept) in &self.model {
            let client = Client::of_lease(&kept.lease);
            if let Some(home) = home_of(self.homes, Ipv4Addr::from_bits(*address)) {
                let asker = Asker::new(client, self.table.secret());
                let expected = self.addresses_of(|other| {
                    home_of(self.homes, other.lease.address) == Some(home)
                        && Client::of_lease(&other.lease).is(client, home.ignore_client_id)
                });
                assert_eq!(self.table.is_only_one(kept.lease.address), expected.len() == 1);
                assert_eq!(sorted(self.table.of_client(&asker, home).collect()), expected);
            }
            if self.table.everywhere.is_some() {
                let of_hardware = self.addresses_of(|other| other.lease.hardware == kept.lease.hardware);
                assert_eq!(sorted(self.table.of_hardware(kept.lease.hardware).collect()), of_hardware);
                if let Some(id) = &kept.lease.client_id {
                    let of_id = self.addresses_of(|other| other.lease.client_id.as_ref() == Some(id));
                    assert_eq!(sorted(self.table.of_client_id(&id.0).collect()), of_id);
                }
            }
            if self.table.by_port.is_some()
                && let Some(port) = port_key(kept.lease.relay, &kept.lease.relay_agent_info)
            {
                let behind = self.addresses_of(|other| {
                    let Lease { relay, relay_agent_info, .. } = &other.lease;
                    other.state == HotState::Bound
                        && !relay_agent_info.is_empty()
                        && port_key(*relay, relay_agent_info) == Some(port)
                });
                assert_eq!(self.table.at_port(port) as usize, behind.len());
            }
        }
        let first = self.model.values().map(|kept| kept.deadline_ms).filter(|deadline| *deadline != NEVER).min();
        assert_eq!(self.table.next_deadline(), first);
    }
}

proptest! {
    #[test]
    fn every_record_is_found_as_in_a_plain_map(
        steps in prop::collection::vec((0..16_u32, any::<u64>(), 0..40_u8), 0..80),
        clients in 1..16_usize,
    ) {
        let mut world = World::new(clients);
        for (address, seed, kind) in steps {
            let mut numbers = Numbers(seed);
            match kind {
                0 => world.settle(1 + numbers.below(4) as u32, numbers.below(2) == 0),
                1 => world.table.index_everywhere(numbers.below(2) == 0),
                2 => world.table.count_ports(numbers.below(2) == 0),
                _ => world.step(&mut numbers, 0x0A00_0000 + address),
            }
            world.check_records();
            world.check_indexes();
        }
    }
}

/// As many that the tables grow some times, and the packed parts are moved together.
#[test]
fn thousands_of_records_of_all_lengths_stay_what_they_are() {
    let (mut world, mut numbers) = (World::new(4_000), Numbers(1));
    let address_of = |numbers: &mut Numbers| 0x0A00_0000 + numbers.below(7_000) as u32;
    for number in 0..60_000 {
        let address = address_of(&mut numbers);
        world.step(&mut numbers, address);
        if number % 10_000 == 0 {
            world.check_records();
            world.settle(8, number % 20_000 == 0);
        }
    }
    world.check_records();
    // Each binding by its client; of what ended only some are looked at.
    for kept in world.model.values().filter(|kept| kept.state == HotState::Bound) {
        let address = kept.lease.address;
        let Some(home) = home_of(world.homes, address) else { continue };
        let asker = Asker::new(Client::of_lease(&kept.lease), world.table.secret());
        assert!(world.table.of_client(&asker, home).any(|record| record.hot.address == address));
    }
    // All go again.
    for address in world.model.keys() {
        world.table.put_back(Ipv4Addr::from_bits(*address), None, None);
    }
    assert_eq!((world.table.iter().len(), world.table.next_after(None).is_none()), (0, true));
}
