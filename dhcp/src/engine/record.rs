//! One lease record in memory: the part that every decision reads, beside the packed part that few do.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

use super::cold::Cold;
use crate::identity::HardwareAddress;
use crate::lease::{Lease, LeaseState};
use crate::time::Now;

/// `deadline_ms` of a record that nothing happens to by time alone.
pub(super) const NEVER: u64 = u64::MAX;

/// What every decision about an address reads; at most 64 bytes, in a slab.
#[derive(Clone, Debug)]
pub(super) struct Hot {
    /// Boot milliseconds: when a binding ends or a quarantine is over; [`NEVER`] otherwise.
    pub(super) deadline_ms: u64,
    pub(super) expires_at: u64,
    pub(super) renewed_at: u64,
    pub(super) started_at: u64,
    pub(super) address: Ipv4Addr,
    /// The subnet's place in the table's list of prefixes.
    pub(super) subnet: u32,
    pub(super) hardware: HardwareAddress,
    pub(super) state: HotState,
    pub(super) marks: Marks,
}

/// [`LeaseState`], and the one distinction that only memory makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HotState {
    Bound,
    Released,
    Expired,
    Quarantined,
    /// Stored as `Quarantined` with a time that has passed: the address is free again.
    QuarantineOver,
}

/// What memory knows of a record beyond what is stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Marks {
    /// The deadline comes from the stored time, not from a transaction seen in this run.
    pub(super) from_store: bool,
    /// The client declined the address beyond its share of quarantine: it is not to be offered it first again.
    pub(super) shunned: bool,
}

/// A record as a value, with what only memory knows: what `settle` puts back.
#[derive(Clone, Debug)]
pub(super) struct Kept {
    pub(super) lease: Lease,
    pub(super) state: HotState,
    pub(super) deadline_ms: u64,
    pub(super) marks: Marks,
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
            Self::Released | Self::Expired | Self::QuarantineOver => 2,
        }
    }
}

/// Takes a record apart for the slab; `subnet` is the prefix's place in the table's list.
pub(super) fn split(kept: &Kept, subnet: u32) -> (Hot, Cold) {
    let Kept { lease, state, deadline_ms, marks } = kept;
    let hot = Hot {
        deadline_ms: *deadline_ms,
        expires_at: lease.expires_at,
        renewed_at: lease.renewed_at,
        started_at: lease.started_at,
        address: lease.address,
        subnet,
        hardware: lease.hardware,
        state: *state,
        marks: *marks,
    };
    (hot, Cold::pack(lease))
}

/// The inverse of [`split`].
pub(super) fn join(hot: &Hot, cold: &Cold, subnet: Ipv4Net) -> Lease {
    let cold = cold.unpack(hot.hardware);
    Lease {
        address: hot.address,
        subnet,
        state: hot.state.into(),
        hardware: hot.hardware,
        client_id: cold.client_id,
        started_at: hot.started_at,
        renewed_at: hot.renewed_at,
        expires_at: hot.expires_at,
        hostname: cold.hostname,
        client_fqdn: cold.client_fqdn,
        name: cold.name,
        relay: cold.relay.unwrap_or(Ipv4Addr::UNSPECIFIED),
        relay_agent_info: cold.relay_agent_info,
        server_identifier_override: cold.server_identifier_override,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
mod tests {
    use dns::HostIdentity;
    use proptest::prelude::*;

    use super::*;
    use crate::identity::ClientId;
    use crate::lease::LeaseName;
    use crate::names::host_identity;

    #[test]
    fn a_hot_record_takes_at_most_64_bytes() {
        assert!(size_of::<Hot>() <= 64, "{} bytes", size_of::<Hot>());
    }

    fn bytes(least: usize) -> impl Strategy<Value = Box<[u8]>> {
        prop::collection::vec(any::<u8>(), least..40).prop_map(Vec::into_boxed_slice)
    }

    fn name() -> impl Strategy<Value = (Option<u8>, Box<[u8]>, bool, bool, u32)> {
        (prop::option::of(0..3_u8), bytes(1), any::<bool>(), any::<bool>(), any::<u32>())
    }

    proptest! {
        #[test]
        fn what_is_split_is_joined_again(
            id in prop::option::of(bytes(2)),
            texts in (bytes(0), bytes(0), bytes(0)),
            addresses in (any::<bool>(), any::<bool>()),
            name in prop::option::of(name()),
        ) {
            let hardware = HardwareAddress::new(1, &[2, 0, 0, 0, 0, 9]).unwrap();
            let client_id = id.map(ClientId);
            let name = name.map(|(kind, data, forward, reverse, ttl_secs)| LeaseName {
                fqdn: "host.nasir.xyz".parse().unwrap(),
                identity: match kind {
                    None => host_identity(hardware, client_id.as_ref()),
                    Some(0) => HostIdentity::Hardware { htype: 7, chaddr: data },
                    Some(1) => HostIdentity::ClientId(data),
                    Some(_) => HostIdentity::Duid(data),
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
                hostname: texts.0,
                client_fqdn: texts.1,
                name,
                relay: if addresses.0 { relay } else { Ipv4Addr::UNSPECIFIED },
                relay_agent_info: texts.2,
                server_identifier_override: addresses.1.then_some(relay),
            };
            let now = Now { boot_ms: 0, wall_secs: 0 };
            let (hot, cold) = split(&Kept::from_store(lease.clone(), now), 0);
            prop_assert_eq!(cold.client_id(), lease.client_id.as_ref().map(|id| &*id.0));
            prop_assert_eq!(cold.server_identifier_override(), lease.server_identifier_override);
            prop_assert_eq!(join(&hot, &cold, lease.subnet), lease);
        }
    }
}
