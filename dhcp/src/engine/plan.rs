//! Settings made ready for look-ups: which subnet holds an address, which lie on an interface's link, and who has a
//! reservation.

use std::collections::{BTreeMap, HashMap};
use std::net::Ipv4Addr;
use std::sync::Arc;

use super::client::Client;
use crate::identity::ClientId;
use crate::settings::{Reservation, ReservedFor, Settings, Subnet};

/// The settings, and indexes into them. Made anew with each new settings; nothing outlives it by index.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) settings: Arc<Settings>,
    /// Subnets that name interfaces, by interface.
    by_interface: BTreeMap<String, Vec<usize>>,
    /// By subnet and client: the reservation's place in its subnet.
    by_client: Vec<HashMap<ReservedFor, usize>>,
}

impl Plan {
    pub(super) fn new(settings: Arc<Settings>) -> Self {
        let mut by_interface: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        let mut by_client = Vec::with_capacity(settings.subnets.len());
        for (place, subnet) in settings.subnets.iter().enumerate() {
            for interface in &subnet.interfaces {
                by_interface.entry(interface.clone()).or_default().push(place);
            }
            let reservations = subnet.reservations.iter().enumerate().rev();
            by_client.push(
                reservations
                    .flat_map(|(place, reservation)| reservation.clients.iter().map(move |one| (one.clone(), place)))
                    .collect(),
            );
        }
        Self { settings, by_interface, by_client }
    }

    pub(super) fn subnet(&self, place: usize) -> &Subnet {
        &self.settings.subnets[place]
    }

    /// The subnet that holds an address.
    pub(super) fn holding(&self, address: Ipv4Addr) -> Option<usize> {
        let after = self.settings.subnets.partition_point(|subnet| subnet.prefix.network() <= address);
        let place = after.checked_sub(1)?;
        self.subnet(place).prefix.contains(&address).then_some(place)
    }

    /// Whether the subnet lies on an interface's link whenever the interface has an address in it.
    pub(super) fn follows_addresses(&self, place: usize, interface: &str) -> bool {
        let interfaces = &self.subnet(place).interfaces;
        interfaces.is_empty() || interfaces.iter().any(|name| name == interface)
    }

    /// The subnets that name the interface.
    pub(super) fn naming(&self, interface: &str) -> &[usize] {
        self.by_interface.get(interface).map_or(&[], Vec::as_slice)
    }

    /// The client's reservation in a subnet. One by client identifier goes before one by hardware address, for the
    /// identifier is the key when it is sent (RFC 2131 section 4.2).
    pub(super) fn reservation_for(&self, place: usize, client: Client<'_>) -> Option<&Reservation> {
        let reserved = self.by_client.get(place)?;
        if reserved.is_empty() {
            return None;
        }
        let by_id = client.id.and_then(|id| reserved.get(&ReservedFor::ClientId(ClientId(id.into()))));
        let found = by_id.or_else(|| reserved.get(&ReservedFor::Hardware(client.hardware)))?;
        self.subnet(place).reservations.get(*found)
    }

    /// The reservation of an address, whoever it is for.
    pub(super) fn reservation_of(&self, place: usize, address: Ipv4Addr) -> Option<&Reservation> {
        let reservations = &self.subnet(place).reservations;
        let found = reservations.binary_search_by_key(&Some(address), |reservation| reservation.address).ok()?;
        reservations.get(found)
    }
}
