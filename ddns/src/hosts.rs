//! Machines that are configured by hand: names that DNS should hold for addresses which no lease is ever made of.

use std::net::IpAddr;
use std::sync::Arc;

use dns::{ConflictGuard, Fqdn, HostIdentity};

use crate::settings::Settings;
use crate::wanted::Claim;

/// One address of a machine that is configured by hand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ByHand {
    /// The address.
    pub address: IpAddr,
    /// The machine's full name.
    pub name: Fqdn,
    /// Whose the name is: with the interfaces that the machine has by DHCP it is one host.
    pub identity: HostIdentity,
    /// Time to live of its records, in seconds.
    pub ttl_secs: u32,
    /// How the name is guarded in DNS.
    pub guard: ConflictGuard,
}

/// All such addresses, each once. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Hosts {
    by_address: Arc<[ByHand]>,
    /// Places in that, by the names.
    by_name: Arc<[u32]>,
}

impl Hosts {
    /// Of several with one address the first counts.
    #[must_use]
    pub fn new(mut list: Vec<ByHand>) -> Self {
        list.sort_by_key(|one| one.address);
        list.dedup_by_key(|one| one.address);
        let mut by_name: Vec<u32> = (0..list.len() as u32).collect();
        by_name.sort_by(|one, other| list[*one as usize].name.cmp(&list[*other as usize].name));
        Self { by_address: list.into(), by_name: by_name.into() }
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_address.is_empty()
    }

    /// All of them, by address.
    #[must_use]
    pub fn all(&self) -> &[ByHand] {
        &self.by_address
    }

    /// Who has an address.
    #[must_use]
    pub fn at(&self, address: IpAddr) -> Option<&ByHand> {
        let place = self.by_address.binary_search_by_key(&address, |one| one.address).ok()?;
        self.by_address.get(place)
    }

    /// The addresses of a name.
    pub fn addresses_of<'a>(&'a self, name: &'a Fqdn) -> impl Iterator<Item = IpAddr> + 'a {
        let name_at = |place: &u32| &self.by_address[*place as usize].name;
        let first = self.by_name.partition_point(|place| name_at(place) < name);
        let of_name = self.by_name[first..].iter().take_while(move |place| name_at(place) == name);
        of_name.map(|place| self.by_address[*place as usize].address)
    }
}

impl Settings {
    /// What an address claims that is configured by hand.
    #[must_use]
    pub fn claim_by_hand(&self, address: IpAddr) -> Option<Claim> {
        let ByHand { name, identity, ttl_secs, guard, .. } = self.hosts.at(address)?.clone();
        let reverse = self.reverse_zone_of(address).is_some();
        Some(Claim { name, identity, forward: true, reverse, ttl_secs, guard })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn a_machine_is_found_by_each_of_its_addresses_and_by_its_name() {
        let host = |name: &str, address: &str| ByHand {
            address: address.parse().unwrap(),
            name: name.parse().unwrap(),
            identity: HostIdentity::of_name(&name.parse().unwrap()),
            ttl_secs: 60,
            guard: ConflictGuard::default(),
        };
        let hosts =
            Hosts::new(vec![host("b.lan", "10.0.0.9"), host("a.lan", "10.0.0.1"), host("b.lan", "2001:db8::9")]);
        let of = |name: &str| hosts.addresses_of(&name.parse().unwrap()).map(|one| one.to_string()).collect::<Vec<_>>();
        assert_eq!(of("b.lan"), ["10.0.0.9", "2001:db8::9"]);
        assert_eq!((of("a.lan").len(), of("c.lan").len()), (1, 0));
        assert_eq!(hosts.at("2001:db8::9".parse().unwrap()).unwrap().name.to_string(), "b.lan.");
        assert_eq!(hosts.at("10.0.0.2".parse().unwrap()), None);
    }
}
