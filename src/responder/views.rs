//! What commands are shown of leases, subnets and names.

use ddns::wanted::{RowKey, Want};
use dhcp::engine::{PoolCounts, SubnetCounts};
use dhcp::lease::{Lease, LeaseState};
use dhcp::options::RelayAgentInfo;
use dhcp::relay_info::{Switches, Whereabouts};

use crate::control::{LeaseView, NameView, PoolView, RelayView, SubnetView};
use crate::updater::NameStatus;

/// A lease as commands show it.
pub(super) fn lease_view(lease: &Lease, switches: &Switches) -> LeaseView {
    let state = match lease.state {
        LeaseState::Bound => "bound",
        LeaseState::Released => "released",
        LeaseState::Expired => "expired",
        LeaseState::Quarantined => "quarantined",
    };
    let place = Whereabouts::read(switches, lease.relay, &lease.relay_agent_info, &lease.hardware);
    LeaseView {
        address: lease.address,
        subnet: lease.subnet.to_string(),
        state: state.to_owned(),
        hardware: lease.hardware.to_string(),
        client_id: lease.client_id.as_ref().map(ToString::to_string),
        hostname: lease.hostname.escape_ascii().to_string(),
        name: lease.name.as_ref().map(|name| name.fqdn.to_string()),
        started_at: lease.started_at,
        renewed_at: lease.renewed_at,
        expires_at: (lease.expires_at != u64::MAX).then_some(lease.expires_at),
        relay: (!lease.relay.is_unspecified()).then_some(lease.relay),
        place: place.map(|place| place.to_string()),
        relay_agent_info: (!lease.relay_agent_info.is_empty())
            .then(|| relay_view(&lease.relay_agent_info, place.as_ref())),
        server_identifier_override: lease.server_identifier_override,
    }
}

fn relay_view(marks: &[u8], place: Option<&Whereabouts<'_>>) -> RelayView {
    let hex = |data: &[u8]| data.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let info = RelayAgentInfo(marks);
    RelayView {
        words: info.to_string(),
        circuit_id: info.circuit_id().map(hex),
        remote_id: info.remote_id().map(hex),
        subscriber_id: info.subscriber_id().map(hex),
        switch: place.and_then(|place| Some(place.switch?.name.clone())),
        vlan: place.and_then(|place| place.circuit?.vlan()),
        port: place.and_then(|place| Some(place.circuit?.port())),
        port_name: place.and_then(|place| Some(place.port_name()?.to_owned())),
    }
}

pub(super) fn subnet_view(counts: &SubnetCounts) -> SubnetView {
    let SubnetCounts { prefix, pool, free, bound, quarantined, offered, pools } = counts;
    SubnetView {
        prefix: prefix.to_string(),
        pool: *pool,
        free: *free,
        bound: *bound,
        quarantined: *quarantined,
        offered: *offered,
        pools: pools.iter().map(pool_view).collect(),
    }
}

fn pool_view(counts: &PoolCounts) -> PoolView {
    let ranges = counts.ranges.iter().map(|range| format!("{}-{}", range.first, range.last));
    PoolView { ranges: ranges.collect(), pool: counts.pool, free: counts.free }
}

pub(super) fn name_view(status: &NameStatus) -> NameView {
    let (key, reverse) = match &status.key {
        RowKey::Forward(name) => (name.to_string(), false),
        RowKey::Reverse(address) => (address.to_string(), true),
        RowKey::Stated(name, _) => (name.to_string(), false),
    };
    let wanted = match &status.want {
        None => "nothing".to_owned(),
        Some(want) if let RowKey::Stated(_, rtype) = &status.key => want.stated_words(*rtype),
        Some(Want { name, .. }) if reverse => format!("PTR {name}"),
        Some(Want { addresses, .. }) => {
            let addresses: Vec<String> = addresses.iter().map(ToString::to_string).collect();
            format!("A {}", addresses.join(", "))
        }
    };
    NameView { key, wanted, done: status.done, state: status.words.clone() }
}
