//! What is known of a reservation before its client comes: whose name it has, and how long its lease would run.

use dns::HostIdentity;

use super::{LeaseTime, Reservation, ReservedFor, Settings, Subnet};
use crate::names::{duid_identity, hardware_identity};

impl Reservation {
    /// Whose the name of the host is (RFC 4701 section 3.3), whichever of its clients has the lease: a host with several
    /// interfaces has one name. What identifies a host beyond one interface comes first, then its first hardware address.
    ///
    /// Where only the place is known, the name is the place's own, and whatever is plugged in there has it; without a
    /// name of its own such a reservation is nobody's, and its clients are who they are (`None`).
    #[must_use]
    pub fn identity(&self) -> Option<HostIdentity> {
        if let Some(host) = &self.host {
            return Some((**host).clone());
        }
        let of_host = |client: &ReservedFor| match client {
            ReservedFor::Duid(duid) => Some((0, duid_identity(duid))),
            ReservedFor::ClientId(id) => Some((
                1,
                match id.duid() {
                    Some(duid) => duid_identity(duid),
                    None => HostIdentity::ClientId(id.0.clone()),
                },
            )),
            ReservedFor::Hardware(hardware) => Some((2, hardware_identity(*hardware))),
            _ => None,
        };
        // Of equal ones the first.
        let host = self.clients.iter().filter_map(of_host).min_by_key(|(rank, _)| *rank);
        let place = || self.hostname.as_ref().and_then(|_| self.clients.iter().find_map(of_place));
        host.map(|(_, identity)| identity).or_else(place)
    }
}

/// An identifier that no client sends: type 0 with a word that says what it is.
fn of_place(client: &ReservedFor) -> Option<HostIdentity> {
    let (kind, parts): (u8, [&[u8]; 2]) = match client {
        ReservedFor::Port { circuit_id, remote_id } => (1, [circuit_id, remote_id]),
        ReservedFor::CircuitId(id) => (2, [id, &[]]),
        ReservedFor::RemoteId(id) => (3, [id, &[]]),
        ReservedFor::SubscriberId(id) => (4, [id, &[]]),
        ReservedFor::Hardware(_) | ReservedFor::ClientId(_) | ReservedFor::Duid(_) => return None,
    };
    let mut id = b"\0place".to_vec();
    id.push(kind);
    // The first part's length, so that no two pairs look alike.
    id.extend_from_slice(&u32::try_from(parts[0].len()).unwrap_or(u32::MAX).to_be_bytes());
    parts.iter().for_each(|part| id.extend_from_slice(part));
    Some(HostIdentity::ClientId(id.into()))
}

impl Settings {
    /// How long the lease of a reservation of `subnet` runs, when its client asks for no time and is of no class, in
    /// seconds.
    #[must_use]
    pub fn reserved_lease_secs(&self, subnet: &Subnet, reservation: &Reservation) -> u32 {
        let network = subnet.network.and_then(|network| self.networks.get(usize::from(network.0)));
        let pool = reservation.address.and_then(|address| subnet.pool_of(address));
        let scopes = [
            Some(&reservation.scope),
            pool.map(|pool| &pool.scope),
            Some(&subnet.scope),
            network.map(|network| &network.scope),
            Some(&self.scope),
        ];
        LeaseTime::of(scopes.into_iter().flatten().map(|scope| scope.lease_secs)).default
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;
    use crate::identity::{ClientId, HardwareAddress};

    fn reserved(clients: &[ReservedFor], hostname: Option<&str>) -> Reservation {
        Reservation {
            address: None,
            clients: clients.to_vec(),
            hostname: hostname.map(str::to_owned),
            host: None,
            scope: super::super::Scope::default(),
        }
    }

    fn hardware(n: u8) -> ReservedFor {
        ReservedFor::Hardware(HardwareAddress::new(1, &[2, 0, 0, 0, 0, n]).unwrap())
    }

    #[test]
    fn a_reservations_identity_is_the_hosts_before_it_is_an_interfaces() {
        let first = HostIdentity::from_hardware(1, &[2, 0, 0, 0, 0, 1]);
        assert_eq!(reserved(&[hardware(1), hardware(2)], None).identity(), Some(first));
        let id = ClientId([1, 9, 9].into());
        let by_id = reserved(&[hardware(1), ReservedFor::ClientId(id.clone())], None);
        assert_eq!(by_id.identity(), Some(HostIdentity::ClientId(id.0)));
        // RFC 4361: what the DUID in an identifier is, whether it was written with its IAID or without.
        let duid = [0, 1, 5, 5];
        let with_iaid = ClientId([&[255, 0, 0, 0, 7], &duid[..]].concat().into());
        let expected = Some(HostIdentity::Duid(duid.into()));
        assert_eq!(reserved(&[ReservedFor::ClientId(with_iaid)], None).identity(), expected);
        assert_eq!(reserved(&[hardware(1), ReservedFor::Duid(duid.into())], None).identity(), expected);
        let other = Reservation { host: expected.clone().map(Box::new), ..reserved(&[hardware(3)], None) };
        assert_eq!(other.identity(), expected);
    }

    #[test]
    fn a_place_has_an_identity_when_it_has_a_name() {
        let port = |circuit: &[u8], remote: &[u8]| {
            let port = ReservedFor::Port { circuit_id: circuit.into(), remote_id: remote.into() };
            reserved(&[port], Some("camera")).identity()
        };
        assert!(port(b"a", b"bc").is_some());
        assert_ne!(port(b"a", b"bc"), port(b"ab", b"c"));
        assert_eq!(reserved(&[ReservedFor::CircuitId(b"a".as_slice().into())], None).identity(), None);
    }
}
