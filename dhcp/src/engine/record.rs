//! One lease record in memory: the part that every decision reads, beside the packed part that few do.

use std::net::Ipv4Addr;

use arena::Piece;
use ipnet::Ipv4Net;

use super::chains::LAST_RANK;
use super::cold::Cold;
use super::ends::Ends;
use super::machine::Machine;
use super::timers::{NO_SLICE, Slice};
use crate::decision::{Former, LeaseEventKind};
use crate::lease::{Lease, LeaseState};
use crate::time::Now;

/// `deadline_ms` of a record that nothing happens to by time alone.
pub(super) const NEVER: u64 = u64::MAX;

/// What every decision about an address reads; at most 48 bytes, in a slab.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hot {
    pub(super) address: Ipv4Addr,
    /// The place in the slab's list of [`super::slab::Residence`]s.
    pub(super) residence: u32,
    /// The rest of the record.
    pub(super) cold: Piece,
    /// Of its entry among the timers.
    pub(super) slice: Slice,
    pub(super) machine: Machine,
    deadline_ms: Packed<6>,
    expires_at: Packed<5>,
    renewed_at: Packed<5>,
    started_at: Packed<5>,
    /// The state, in the lower bits, where it is among the client's, and the marks.
    state: u8,
}

/// A time in fewer bytes than eight. What is too large, some 35,000 years (8,900 of uptime), becomes `u64::MAX`: never.
#[derive(Clone, Copy, Debug)]
struct Packed<const N: usize>([u8; N]);

impl<const N: usize> Packed<N> {
    const NEVER: u64 = (1 << (8 * N)) - 1;

    fn new(time: u64) -> Self {
        let mut bytes = [0; N];
        bytes.copy_from_slice(&time.min(Self::NEVER).to_le_bytes()[..N]);
        Self(bytes)
    }

    fn get(self) -> u64 {
        let mut bytes = [0; 8];
        bytes[..N].copy_from_slice(&self.0);
        Some(u64::from_le_bytes(bytes)).filter(|time| *time != Self::NEVER).unwrap_or(u64::MAX)
    }
}

const STATE_BITS: u8 = 0b111;
/// In a ring, and in one with others.
const IN_RING: u8 = 1 << 3;
const HAS_COMPANY: u8 = 1 << 4;
const FROM_STORE: u8 = 1 << 6;
const SHUNNED: u8 = 1 << 7;

impl Hot {
    /// Of a kept record, in no ring and without a timer yet.
    pub(super) fn new(kept: &Kept, residence: u32, cold: Piece) -> Self {
        let lease = &kept.lease;
        let mut hot = Self {
            address: lease.address,
            residence,
            cold,
            slice: NO_SLICE,
            machine: Machine::new(lease.hardware),
            deadline_ms: Packed::new(kept.deadline_ms),
            expires_at: Packed::new(lease.expires_at),
            renewed_at: Packed::new(lease.renewed_at),
            started_at: Packed::new(lease.started_at),
            state: 0,
        };
        hot.set_marks(kept);
        hot
    }

    /// Times and marks of a kept record; what it says beside them is said here already.
    pub(super) fn renew(&mut self, kept: &Kept) {
        self.deadline_ms = Packed::new(kept.deadline_ms);
        self.expires_at = Packed::new(kept.lease.expires_at);
        self.renewed_at = Packed::new(kept.lease.renewed_at);
        self.set_marks(kept);
    }

    fn set_marks(&mut self, kept: &Kept) {
        let marks = |holds: bool, bit: u8| if holds { bit } else { 0 };
        self.state = (self.state & (IN_RING | HAS_COMPANY))
            | kept.state as u8
            | marks(kept.marks.from_store, FROM_STORE)
            | marks(kept.marks.shunned, SHUNNED);
    }

    /// Whether it is in the ring of its client, and in one with others.
    pub(super) fn company(&self) -> Option<Company> {
        match self.state & (IN_RING | HAS_COMPANY) {
            0 => None,
            IN_RING => Some(Company::Alone),
            _ => Some(Company::Others),
        }
    }

    pub(super) fn set_company(&mut self, company: Option<Company>) {
        let bits = match company {
            None => 0,
            Some(Company::Alone) => IN_RING,
            Some(Company::Others) => IN_RING | HAS_COMPANY,
        };
        self.state = (self.state & !(IN_RING | HAS_COMPANY)) | bits;
    }

    /// Boot milliseconds: when a binding ends or a quarantine is over; [`NEVER`] otherwise.
    pub(super) fn deadline_ms(&self) -> u64 {
        self.deadline_ms.get()
    }

    pub(super) fn set_deadline_ms(&mut self, deadline_ms: u64) {
        self.deadline_ms = Packed::new(deadline_ms);
    }

    pub(super) fn expires_at(&self) -> u64 {
        self.expires_at.get()
    }

    pub(super) fn renewed_at(&self) -> u64 {
        self.renewed_at.get()
    }

    pub(super) fn started_at(&self) -> u64 {
        self.started_at.get()
    }

    pub(super) fn state(&self) -> HotState {
        const STATES: [HotState; 5] =
            [HotState::Bound, HotState::Released, HotState::Expired, HotState::Quarantined, HotState::QuarantineOver];
        STATES[usize::from(self.state & STATE_BITS).min(STATES.len() - 1)]
    }

    pub(super) fn set_state(&mut self, state: HotState) {
        self.state = (self.state & !STATE_BITS) | state as u8;
    }

    pub(super) fn marks(&self) -> Marks {
        Marks { from_store: self.state & FROM_STORE != 0, shunned: self.state & SHUNNED != 0 }
    }

    /// The whole record.
    pub(super) fn lease(&self, cold: Cold<'_>, ends: &Ends, subnet: Ipv4Net) -> Lease {
        let hardware = cold.hardware();
        let cold = cold.unpack(hardware, ends);
        Lease {
            address: self.address,
            subnet,
            state: self.state().into(),
            hardware,
            client_id: cold.client_id,
            started_at: self.started_at(),
            renewed_at: self.renewed_at(),
            expires_at: self.expires_at(),
            hostname: cold.hostname,
            client_fqdn: cold.client_fqdn,
            name: cold.name,
            relay: cold.relay.unwrap_or(Ipv4Addr::UNSPECIFIED),
            relay_agent_info: cold.relay_agent_info,
            server_identifier_override: cold.server_identifier_override,
        }
    }
}

/// Whom a record is in a ring with. Nearly every client has one record in a subnet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Company {
    Alone,
    Others,
}

/// [`LeaseState`], and the one distinction that only memory makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum HotState {
    Bound = 0,
    Released = 1,
    Expired = 2,
    Quarantined = 3,
    /// Stored as `Quarantined` with a time that has passed: the address is free again.
    QuarantineOver = 4,
}

/// What memory knows of a record beyond what is stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Marks {
    /// The deadline comes from the stored time, not from a transaction seen in this run.
    pub(super) from_store: bool,
    /// The client declined the address beyond its share of quarantine: it is not to be offered it first again.
    pub(super) shunned: bool,
}

/// A record as a value, with what only memory knows.
#[derive(Clone, Debug)]
pub(super) struct Kept {
    pub(super) lease: Lease,
    pub(super) state: HotState,
    pub(super) deadline_ms: u64,
    pub(super) marks: Marks,
}

/// A record that replaces the one of its address, and what happened.
#[derive(Debug)]
pub(super) struct Change {
    pub(super) kept: Kept,
    pub(super) kind: LeaseEventKind,
    /// What the record that is replaced says of DNS; `None`: there is none.
    pub(super) previous: Option<Former>,
}

impl Kept {
    /// A record as it was stored: its deadline follows from wall time.
    pub(super) fn from_store(lease: Lease, now: Now) -> Self {
        let deadline_ms = match lease.state {
            LeaseState::Bound | LeaseState::Quarantined => deadline_by_wall(lease.expires_at, now),
            LeaseState::Released | LeaseState::Expired => NEVER,
        };
        let marks = Marks { from_store: true, ..Marks::default() };
        Self { state: HotState::from(lease.state), lease, deadline_ms, marks }
    }

    /// A record made now: its deadline follows boot time, `secs` from now; `None`: never.
    pub(super) fn made_now(lease: Lease, secs: Option<u32>, now: Now) -> Self {
        let deadline_ms = secs.map_or(NEVER, |secs| now.boot_ms.saturating_add(u64::from(secs) * 1000));
        Self { state: HotState::from(lease.state), lease, deadline_ms, marks: Marks::default() }
    }

    /// Seconds that are left of a binding, rounded down; `u32::MAX` for one without end.
    pub(super) fn secs_left(&self, now: Now) -> u32 {
        match self.deadline_ms {
            NEVER => u32::MAX,
            deadline => u32::try_from(deadline.saturating_sub(now.boot_ms) / 1000).unwrap_or(u32::MAX - 1),
        }
    }
}

/// The boot time at which wall time reaches `at`, if the clock is right; now, when it has passed.
pub(super) fn deadline_by_wall(at: u64, now: Now) -> u64 {
    match at {
        u64::MAX => NEVER,
        at => now.boot_ms.saturating_add(at.saturating_sub(now.wall_secs).saturating_mul(1000)),
    }
}

impl From<LeaseState> for HotState {
    fn from(state: LeaseState) -> Self {
        match state {
            LeaseState::Bound => Self::Bound,
            LeaseState::Released => Self::Released,
            LeaseState::Expired => Self::Expired,
            LeaseState::Quarantined => Self::Quarantined,
        }
    }
}

impl From<HotState> for LeaseState {
    fn from(state: HotState) -> Self {
        match state {
            HotState::Bound => Self::Bound,
            HotState::Released => Self::Released,
            HotState::Expired => Self::Expired,
            HotState::Quarantined | HotState::QuarantineOver => Self::Quarantined,
        }
    }
}

impl HotState {
    /// How early records of one client come in its index: the binding first, then quarantines, then the rest.
    pub(super) fn rank(self) -> u8 {
        match self {
            Self::Bound => 0,
            Self::Quarantined => 1,
            Self::Released | Self::Expired | Self::QuarantineOver => LAST_RANK,
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
mod tests {
    use dns::HostIdentity;
    use proptest::prelude::*;

    use super::*;
    use crate::identity::{ClientId, HardwareAddress};
    use crate::lease::LeaseName;
    use crate::names::host_identity;

    #[test]
    fn a_hot_record_takes_at_most_48_bytes() {
        assert!(size_of::<Hot>() <= 48, "{} bytes", size_of::<Hot>());
    }

    #[test]
    fn times_keep_their_value_in_fewer_bytes() {
        for time in [0, 1, 1_800_000_000, u64::from(u32::MAX) * 200, u64::MAX] {
            assert_eq!(Packed::<5>::new(time).get(), time);
        }
        assert_eq!(Packed::<5>::new(1 << 50).get(), u64::MAX, "too late ever to come");
    }

    #[test]
    fn a_typical_record_takes_42_bytes_beside_it_and_its_name_four_more() {
        let hardware = HardwareAddress::new(1, &[2, 0, 0, 0, 0, 9]).unwrap();
        let mut lease = Lease {
            address: [192, 168, 30, 9].into(),
            subnet: "192.168.30.0/24".parse().unwrap(),
            state: LeaseState::Bound,
            hardware,
            client_id: Some(ClientId([1, 2, 0, 0, 0, 0, 9].into())),
            started_at: 3,
            renewed_at: 2,
            expires_at: 9,
            hostname: b"HOST0000009".as_slice().into(),
            client_fqdn: dns::Bytes::default(),
            name: None,
            relay: Ipv4Addr::new(10, 7, 0, 1),
            relay_agent_info: b"\x01\x0Aport-00001\x02\x06switch".as_slice().into(),
            server_identifier_override: None,
        };
        let (mut ends, mut packed) = (Ends::default(), Vec::new());
        Cold::pack(&lease, &mut ends, &mut packed);
        assert_eq!(packed.len(), 42);
        lease.name = Some(LeaseName {
            fqdn: "host0000009.nasir.xyz".parse().unwrap(),
            identity: host_identity(hardware, lease.client_id.as_ref()),
            forward: true,
            reverse: true,
            ttl_secs: 1_200,
            guard: dns::ConflictGuard::default(),
        });
        Cold::pack(&lease, &mut ends, &mut packed);
        assert_eq!(packed.len(), 46);
    }

    fn bytes(least: usize) -> impl Strategy<Value = Box<[u8]>> {
        prop::collection::vec(any::<u8>(), least..40).prop_map(Vec::into_boxed_slice)
    }

    fn name() -> impl Strategy<Value = (Option<u8>, Box<[u8]>, bool, bool, u32)> {
        (prop::option::of(0..3_u8), bytes(1), any::<bool>(), any::<bool>(), any::<u32>())
    }

    /// Identifiers of their own, and some that are the hardware address behind its type, or begin so.
    fn client_id(hardware: HardwareAddress, kind: u8, id: &[u8]) -> ClientId {
        let of_machine = [&[hardware.htype], hardware.as_bytes()].concat();
        match kind {
            0 if of_machine.len() > 1 => ClientId(of_machine.into()),
            1 => ClientId([&of_machine, id].concat().into()),
            _ => ClientId(id.into()),
        }
    }

    proptest! {
        #[test]
        fn what_is_split_is_joined_again(
            hardware in (any::<u8>(), prop_oneof![Just(6), 0..17_usize]),
            id in prop::option::of((0..4_u8, bytes(2))),
            texts in (prop_oneof![bytes(0), Just(b"Host".as_slice().into())], bytes(0), bytes(0)),
            addresses in (any::<bool>(), any::<bool>()),
            name in prop::option::of(name()),
            (fqdn, known) in (prop::sample::select(vec!["host.nasir.xyz", "other.nasir.xyz", "host"]), 0..256_usize),
        ) {
            let hardware = HardwareAddress::new(hardware.0, &[9, 8, 7, 6, 5, 4, 3, 2, 1, 0, 1, 2, 3, 4, 5, 6][..hardware.1]).unwrap();
            let client_id = id.map(|(kind, id)| client_id(hardware, kind, &id));
            // As many ends of names are known already; with 255 of them there is no room for another.
            let mut ends = Ends::default();
            (0..known).for_each(|known| _ = ends.number_of(format!("d{known}").parse::<dns::Fqdn>().unwrap().as_wire()));
            let name = name.map(|(kind, data, forward, reverse, ttl_secs)| LeaseName {
                fqdn: fqdn.parse().unwrap(),
                identity: match kind {
                    None => host_identity(hardware, client_id.as_ref()),
                    Some(0) => HostIdentity::Hardware { htype: 7, chaddr: data.into() },
                    Some(1) => HostIdentity::ClientId(data.into()),
                    Some(_) => HostIdentity::Duid(data.into()),
                },
                forward,
                reverse,
                ttl_secs,
                guard: dns::ConflictGuard::from_code((ttl_secs % 4) as u8).unwrap(),
            });
            let relay = Ipv4Addr::new(10, 7, 0, 1);
            let lease = Lease {
                address: [192, 168, 30, 9].into(),
                subnet: "192.168.30.0/24".parse().unwrap(),
                state: LeaseState::Quarantined,
                hardware,
                client_id,
                started_at: 3,
                renewed_at: 2,
                expires_at: u64::MAX,
                hostname: texts.0.into(),
                client_fqdn: texts.1.into(),
                name,
                relay: if addresses.0 { relay } else { Ipv4Addr::UNSPECIFIED },
                relay_agent_info: texts.2.into(),
                server_identifier_override: addresses.1.then_some(relay),
            };
            let now = Now { boot_ms: 0, wall_secs: 0 };
            let mut packed = Vec::new();
            Cold::pack(&lease, &mut ends, &mut packed);
            let hot = Hot::new(&Kept::from_store(lease.clone(), now), 0, Piece::NONE);
            // What stands behind it in the arena is none of it.
            let whole = packed.len();
            packed.extend_from_slice(&[0xFF; 40]);
            let cold = Cold::read(&packed, &hot.machine);
            prop_assert_eq!(cold.bytes(), &packed[..whole]);
            prop_assert_eq!(cold.client_id(), lease.client_id.as_ref().map(|id| &*id.0));
            prop_assert_eq!(cold.server_identifier_override(), lease.server_identifier_override);
            prop_assert_eq!((cold.hardware(), cold.hostname()), (lease.hardware, &*lease.hostname));
            prop_assert_eq!(cold.lease_name(&ends), lease.name.clone());
            prop_assert_eq!(hot.lease(cold, &ends, lease.subnet), lease);
        }
    }
}
