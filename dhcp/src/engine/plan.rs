//! Settings made ready for look-ups: which subnet holds an address, which lie on an interface's link, and who has a
//! reservation.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::Arc;

use super::client::Client;
use super::forms::Forms;
use super::layers::Ground;
use super::reserved::Reserved;
use super::slab::Home;
use crate::settings::{Reservation, Settings, Subnet};

/// The settings, and indexes into them. Made anew with each new settings; nothing outlives it by index.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) settings: Arc<Settings>,
    /// By subnet: its first address. Beside the settings, because every packet looks here several times, and ten thousand
    /// subnets are too much to walk through; so with what is reserved.
    networks_from: Vec<u32>,
    /// By subnet: its last address.
    networks_to: Vec<u32>,
    /// Every reserved address, subnet by subnet, sorted within each.
    reserved_addresses: Vec<u32>,
    /// By subnet, and one more: where its addresses begin there.
    reserved_from: Vec<u32>,
    /// Subnets that name interfaces, by interface.
    by_interface: BTreeMap<String, Vec<usize>>,
    /// The subnets of each shared network, in the order in which they are filled.
    networks: Vec<Vec<usize>>,
    reserved: Reserved,
    /// By subnet: what follows from it by itself.
    grounds: Vec<Ground>,
    /// Some class says something of names.
    has_naming_classes: bool,
    /// Nobody has a name whoever it is: there are no rules of names, and no reservations.
    is_nameless: bool,
    forms: Forms,
}

impl Plan {
    pub(super) fn new(settings: Arc<Settings>) -> Self {
        let mut by_interface: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        let mut networks: Vec<Vec<usize>> = vec![Vec::new(); settings.networks.len()];
        for (place, subnet) in settings.subnets.iter().enumerate() {
            for interface in settings.interfaces_of(subnet) {
                by_interface.entry(interface.clone()).or_default().push(place);
            }
            if let Some(members) = subnet.network.and_then(|network| networks.get_mut(usize::from(network.0))) {
                members.push(place);
            }
        }
        for (network, members) in settings.networks.iter().zip(&mut networks) {
            let named = |place: &usize| network.order.iter().position(|net| *net == settings.subnets[*place].prefix);
            members.sort_by_key(|place| named(place).unwrap_or(usize::MAX));
        }
        let networks_from = settings.subnets.iter().map(|subnet| subnet.prefix.network().to_bits()).collect();
        let networks_to = settings.subnets.iter().map(|subnet| subnet.prefix.broadcast().to_bits()).collect();
        let (mut reserved_addresses, mut reserved_from) = (Vec::new(), vec![0]);
        for subnet in &settings.subnets {
            let addresses = subnet.reservations.iter().filter_map(|reservation| reservation.address);
            let begin = reserved_addresses.len();
            reserved_addresses.extend(addresses.map(Ipv4Addr::to_bits));
            reserved_addresses[begin..].sort_unstable();
            reserved_from.push(u32::try_from(reserved_addresses.len()).unwrap_or(u32::MAX));
        }
        let reserved = Reserved::new(&settings.subnets);
        let grounds = settings.subnets.iter().map(|subnet| Ground::new(&settings, subnet)).collect();
        let has_naming_classes = settings.classes.iter().any(|(_, class)| class.scope.naming.is_some());
        let is_ruled =
            |subnet: &Subnet| subnet.naming.is_some() || subnet.pools.iter().any(|pool| pool.scope.naming.is_some());
        let is_nameless = reserved.is_empty() && !has_naming_classes && !settings.subnets.iter().any(is_ruled);
        Self {
            settings,
            networks_from,
            networks_to,
            reserved_addresses,
            reserved_from,
            by_interface,
            networks,
            reserved,
            grounds,
            has_naming_classes,
            is_nameless,
            forms: Forms::default(),
        }
    }

    pub(super) fn subnet(&self, place: usize) -> &Subnet {
        &self.settings.subnets[place]
    }

    /// The subnet as records and offers know it.
    pub(super) fn home(&self, place: usize) -> Home {
        // There are fewer than 2^32 subnets.
        let ignore_client_id = self.subnet(place).ignore_client_id;
        Home { place: u32::try_from(place).unwrap_or(u32::MAX), ignore_client_id }
    }

    pub(super) fn ground(&self, place: usize) -> &Ground {
        &self.grounds[place]
    }

    /// Whether nobody has a name, whoever it is.
    pub(super) fn is_nameless(&self) -> bool {
        self.is_nameless
    }

    /// Replies made ready.
    pub(super) fn forms(&self) -> &Forms {
        &self.forms
    }

    /// The subnet that holds an address.
    pub(super) fn holding(&self, address: Ipv4Addr) -> Option<usize> {
        let address = address.to_bits();
        let place = self.networks_from.partition_point(|first| *first <= address).checked_sub(1)?;
        if address <= *self.networks_to.get(place)? { Some(place) } else { None }
    }

    /// The subnets on the link of one of them: itself, and the others of its shared network in their order.
    pub(super) fn link_of(&self, place: usize) -> impl Iterator<Item = usize> {
        std::iter::once(place).chain(self.siblings(place))
    }

    /// The subnets of the shared network that one of them belongs to, in their order; itself, where it belongs to none.
    pub(super) fn network_of(&self, place: usize) -> impl Iterator<Item = usize> {
        let network = self.subnet(place).network.and_then(|network| self.networks.get(usize::from(network.0)));
        let alone = network.is_none().then_some(place);
        network.into_iter().flatten().copied().chain(alone)
    }

    fn siblings(&self, place: usize) -> impl Iterator<Item = usize> {
        let network = self.subnet(place).network.and_then(|network| self.networks.get(usize::from(network.0)));
        network.into_iter().flatten().copied().filter(move |other| *other != place)
    }

    /// Whether the subnet lies on an interface's link whenever the interface has an address in it.
    pub(super) fn follows_addresses(&self, place: usize, interface: &str) -> bool {
        let interfaces = self.settings.interfaces_of(self.subnet(place));
        interfaces.is_empty() || interfaces.iter().any(|name| name == interface)
    }

    /// The subnets that name the interface.
    pub(super) fn naming(&self, interface: &str) -> &[usize] {
        self.by_interface.get(interface).map_or(&[], Vec::as_slice)
    }

    /// The client's reservation in a subnet; without one, a reservation of a name alone that another subnet of the
    /// shared network has for it.
    pub(super) fn reservation_for(&self, place: usize, client: Client<'_>) -> Option<&Reservation> {
        self.reservation_with_place(place, client).map(|(_, reservation)| reservation)
    }

    /// The same, and the subnet that it stands in.
    pub(super) fn reservation_with_place(&self, place: usize, client: Client<'_>) -> Option<(usize, &Reservation)> {
        if self.reserved.is_empty() {
            return None;
        }
        let find = |place| Some((place, self.reserved.find(&self.settings.subnets, place, client)?));
        let nameless = |other| find(other).filter(|(_, reservation)| reservation.address.is_none());
        find(place).or_else(|| self.siblings(place).find_map(nameless))
    }

    /// Whether there is no reservation anywhere.
    pub(super) fn reserves_nothing(&self) -> bool {
        self.reserved.is_empty()
    }

    /// Whether some class says something of names.
    pub(super) fn has_naming_classes(&self) -> bool {
        self.has_naming_classes
    }

    /// Whether a reservation on the subnet's link knows clients by what relays say of them.
    pub(super) fn asks_where(&self, place: usize) -> bool {
        self.link_of(place).any(|place| self.reserved.asks_where(place))
    }

    /// The reservation of an address, whoever it is for.
    pub(super) fn reservation_of(&self, place: usize, address: Ipv4Addr) -> Option<&Reservation> {
        let (from, to) = (*self.reserved_from.get(place)?, *self.reserved_from.get(place + 1)?);
        self.reserved_addresses.get(from as usize..to as usize)?.binary_search(&address.to_bits()).ok()?;
        let reservations = &self.subnet(place).reservations;
        let found = reservations.binary_search_by_key(&Some(address), |reservation| reservation.address).ok()?;
        reservations.get(found)
    }
}
