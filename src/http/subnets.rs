//! Subnets, their use, and maps of their addresses.

use std::net::Ipv4Addr;

use dhcp::engine::SubnetCounts;
use dhcp::lease::LeaseState;
use dhcp::settings::ReservedFor;
use ipnet::Ipv4Net;
use web::Refusal;
use web::model::{MAP_WINDOW, PoolUse, ReservationRow, Subnet, SubnetDetail, SubnetMap, Subnets};

use super::desk::Desk;
use crate::dhcp_service::Question;

/// Reservations of one subnet that are told.
const RESERVATIONS_MAX: usize = 1_000;

impl Desk {
    /// Whether the store has no room, and how every subnet's addresses stand.
    pub(super) async fn counts(&self) -> Result<(bool, Vec<SubnetCounts>), Refusal> {
        self.parts.responder.ask_service(Question::Status).await.ok_or(Refusal::Ending)
    }

    pub(super) async fn subnets(&self) -> Result<Subnets, Refusal> {
        let (_, counts) = self.counts().await?;
        let domains = self.domains();
        let subnet = |counts: &SubnetCounts| self.subnet_of(counts, domains.get(&counts.prefix.to_string()));
        Ok(Subnets { subnets: counts.iter().map(subnet).collect() })
    }

    pub(super) async fn subnet(&self, prefix: &str) -> Result<SubnetDetail, Refusal> {
        let (_, counts) = self.counts().await?;
        let counts = find(&counts, prefix)?;
        let settings = self.settings_of(counts.prefix)?;
        let domain = self.domains().remove(&counts.prefix.to_string());
        let reservations = settings.reservations.iter().take(RESERVATIONS_MAX).map(|reservation| ReservationRow {
            address: reservation.address,
            hostname: reservation.hostname.clone(),
            clients: reservation.clients.iter().map(client_words).collect(),
        });
        let pools = counts.pools.iter().map(|pool| PoolUse {
            ranges: pool.ranges.iter().map(|range| format!("{}-{}", range.first, range.last)).collect(),
            pool: pool.pool,
            free: pool.free,
        });
        Ok(SubnetDetail {
            subnet: self.subnet_of(counts, domain.as_ref()),
            pools: pools.collect(),
            reservations: reservations.collect(),
            addresses: 1 << (32 - u32::from(counts.prefix.prefix_len())),
        })
    }

    fn subnet_of(&self, counts: &SubnetCounts, domain: Option<&String>) -> Subnet {
        let prefix = counts.prefix;
        let config = self.parts.config.load();
        let config = &config.dhcp;
        let settings = config.subnets.iter().find(|subnet| subnet.prefix == prefix);
        let network = settings.and_then(|subnet| config.networks.get(usize::from(subnet.network?.0)));
        let reserved = settings
            .map_or(0, |subnet| subnet.reservations.iter().filter(|reservation| reservation.address.is_some()).count());
        Subnet {
            prefix: prefix.to_string(),
            network: network.map(|network| network.name.clone()),
            domain: domain.cloned(),
            pool: counts.pool,
            free: counts.free,
            bound: counts.bound,
            quarantined: counts.quarantined,
            offered: counts.offered,
            reserved,
            taken: counts.pool.saturating_sub(counts.free),
            trend: self.pace(prefix, counts.free).map(|pace| pace.words()),
        }
    }

    fn settings_of(&self, prefix: Ipv4Net) -> Result<dhcp::settings::Subnet, Refusal> {
        let config = self.parts.config.load();
        let found = config.dhcp.subnets.iter().find(|subnet| subnet.prefix == prefix);
        found.cloned().ok_or_else(|| absent(&prefix.to_string()))
    }

    /// A part of the map, from the address on or from the beginning.
    pub(super) async fn map(&self, prefix: &str, from: Option<Ipv4Addr>) -> Result<SubnetMap, Refusal> {
        let net: Ipv4Net = prefix.parse().map_err(|_| absent(prefix))?;
        let settings = self.settings_of(net)?;
        let first = from.unwrap_or_else(|| net.network());
        if !net.contains(&first) {
            return Err(Refusal::Bad(format!("{first} is not in {net}")));
        }
        let last = net.broadcast().to_bits();
        let end = last.min(first.to_bits().saturating_add(MAP_WINDOW as u32 - 1));
        let range = first.to_bits()..=end;
        let states = self.look(move |core, _| -> Vec<Option<LeaseState>> {
            range.map(|bits| core.engine().lease(Ipv4Addr::from_bits(bits)).map(|lease| lease.state)).collect()
        });
        let all_reserved = self.reserved();
        let cells = states.await?.into_iter().zip(first.to_bits()..=end).map(|(state, bits)| {
            let address = Ipv4Addr::from_bits(bits);
            let reserved = all_reserved.contains(&address);
            match state {
                Some(LeaseState::Bound) if reserved => 'B',
                Some(LeaseState::Bound) => 'b',
                Some(LeaseState::Quarantined) => 'x',
                _ if reserved => 'r',
                _ if settings.own_dns_address == Some(address) => 's',
                _ if settings.pools.iter().any(|pool| pool.holds(address)) => 'f',
                _ => '-',
            }
        });
        Ok(SubnetMap {
            prefix: net.to_string(),
            first,
            cells: cells.collect(),
            next: (end < last).then(|| Ipv4Addr::from_bits(end + 1)),
        })
    }
}

fn find<'c>(counts: &'c [SubnetCounts], prefix: &str) -> Result<&'c SubnetCounts, Refusal> {
    let net: Ipv4Net = prefix.parse().map_err(|_| absent(prefix))?;
    counts.iter().find(|counts| counts.prefix == net).ok_or_else(|| absent(prefix))
}

fn absent(prefix: &str) -> Refusal {
    Refusal::NotFound(format!("the configuration has no subnet {prefix}"))
}

fn client_words(client: &ReservedFor) -> String {
    let hex = |data: &[u8]| data.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    match client {
        ReservedFor::Hardware(hardware) => hardware.to_string(),
        ReservedFor::ClientId(id) => format!("client identifier {}", hex(&id.0)),
        ReservedFor::Duid(duid) => format!("DUID {}", hex(duid)),
        ReservedFor::CircuitId(id) => format!("circuit {}", hex(id)),
        ReservedFor::RemoteId(id) => format!("remote identifier {}", hex(id)),
        ReservedFor::SubscriberId(id) => format!("subscriber {}", hex(id)),
        ReservedFor::Port { circuit_id, remote_id } => format!("circuit {} of {}", hex(circuit_id), hex(remote_id)),
    }
}
