//! Which rules of names hold for whom. The engine asks for a client, `config` and whoever publishes reservations for
//! what is reserved; the order is that of every other scope.

use std::borrow::Cow;
use std::net::Ipv4Addr;

use dns::naming::GeneratedName;
use dns::{Fqdn, Naming, NamingPart};

use super::{Pool, Reservation, Settings, Subnet};

impl Settings {
    /// The rules for a client in `subnet`, by those of what is narrower than the subnet, the narrowest first. `None`:
    /// nobody says which domain its name would be in, so it has none.
    pub fn naming<'s: 'p, 'p>(
        &'s self,
        subnet: &'s Subnet,
        narrower: impl DoubleEndedIterator<Item = &'p NamingPart> + Clone,
    ) -> Option<Cow<'s, Naming>> {
        let network = subnet.network.and_then(|network| self.networks.get(usize::from(network.0)));
        let wider = [Some(&subnet.scope), network.map(|network| &network.scope), Some(&self.scope)];
        let wider =
            wider.into_iter().flatten().filter_map(|scope| -> Option<&'p NamingPart> { scope.naming.as_deref() });
        NamingPart::narrow(narrower, subnet.naming.as_ref(), wider)
    }

    /// The rules for the name of a reservation of `subnet`.
    ///
    /// They have to be known before its client comes, and must not change with where it comes from: so classes do not
    /// count, and a pool only where the reserved address is one of its.
    #[must_use]
    pub fn reserved_naming<'s>(&'s self, subnet: &'s Subnet, reservation: &Reservation) -> Option<Cow<'s, Naming>> {
        let pool = reservation.address.and_then(|address| subnet.pool_of(address));
        let parts = [Some(&reservation.scope), pool.map(|pool| &pool.scope)];
        self.naming(subnet, parts.into_iter().flatten().filter_map(|scope| scope.naming.as_deref()))
    }

    /// Every pattern that names are made by.
    #[must_use]
    pub fn patterns(&self) -> Vec<Box<str>> {
        let of_subnet = |subnet: &'_ Subnet| {
            let pools = subnet.pools.iter().map(|pool| &pool.scope);
            let scopes = pools.chain(subnet.reservations.iter().map(|reservation| &reservation.scope));
            scopes
                .filter_map(|scope| scope.naming.as_ref()?.generate.clone()?)
                .chain(subnet.naming.as_ref().and_then(|naming| naming.generate.clone()))
                .collect::<Vec<_>>()
        };
        let of_classes = self.classes.iter().filter_map(|(_, class)| class.scope.naming.as_ref()?.generate.clone()?);
        let of_server = self.scope.naming.as_ref().and_then(|part| part.generate.clone()?);
        let all = self.subnets.iter().flat_map(of_subnet).chain(of_classes).chain(of_server);
        let mut patterns: Vec<Box<str>> = all
            .filter_map(|form| match form {
                GeneratedName::Pattern(pattern) => Some(pattern),
                GeneratedName::Address | GeneratedName::Hardware => None,
            })
            .collect();
        patterns.sort();
        patterns.dedup();
        patterns
    }

    /// Every domain that names are put under.
    pub fn domains(&self) -> impl Iterator<Item = &Fqdn> {
        let of_classes = self.classes.iter().filter_map(|(_, class)| class.scope.domain());
        self.subnets.iter().flat_map(Subnet::domains).chain(of_classes)
    }
}

impl Subnet {
    /// The domains that names of clients in it are put under, the usual one first. A class may have another.
    pub fn domains(&self) -> impl Iterator<Item = &Fqdn> {
        let of_pools = self.pools.iter().filter_map(|pool| pool.scope.domain());
        let of_reservations = self.reservations.iter().filter_map(|reservation| reservation.scope.domain());
        self.naming.iter().map(|naming| &naming.domain).chain(of_pools).chain(of_reservations)
    }

    /// The pool that an address is of.
    #[must_use]
    pub fn pool_of(&self, address: Ipv4Addr) -> Option<&Pool> {
        self.pools.iter().find(|pool| pool.holds(address))
    }
}

impl Pool {
    /// Whether an address is one of its.
    #[must_use]
    pub fn holds(&self, address: Ipv4Addr) -> bool {
        let after = self.ranges.partition_point(|range| range.first <= address);
        after.checked_sub(1).and_then(|before| self.ranges.get(before)).is_some_and(|range| address <= range.last)
    }
}
