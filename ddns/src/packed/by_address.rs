//! Where the record of each address is.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};

use arena::{Addresses, Piece};

/// One record for each address at most. Of IPv4 neighbours cost four bytes each ([`Addresses`]); of IPv6 there are few.
#[derive(Debug, Default)]
pub(super) struct ByAddress {
    v4: Addresses,
    v6: BTreeMap<Ipv6Addr, Piece>,
}

impl ByAddress {
    pub(super) fn get(&self, address: IpAddr) -> Option<Piece> {
        match address {
            IpAddr::V4(v4) => self.v4.get(v4).map(Piece::from_number),
            IpAddr::V6(v6) => self.v6.get(&v6).copied(),
        }
    }

    /// In the place of the one before, if there was one.
    pub(super) fn set(&mut self, address: IpAddr, piece: Piece) {
        match address {
            IpAddr::V4(v4) => _ = self.v4.insert(v4, piece.number()),
            IpAddr::V6(v6) => _ = self.v6.insert(v6, piece),
        }
    }

    pub(super) fn remove(&mut self, address: IpAddr) {
        match address {
            IpAddr::V4(v4) => _ = self.v4.remove(v4),
            IpAddr::V6(v6) => _ = self.v6.remove(&v6),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.v4.len() + self.v6.len()
    }

    /// By address.
    pub(super) fn iter(&self) -> impl Iterator<Item = Piece> {
        self.v4.iter().map(Piece::from_number).chain(self.v6.values().copied())
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use proptest::prelude::*;

    use super::*;

    fn address() -> impl Strategy<Value = IpAddr> {
        let v4 = (0..70_u32).prop_map(|near| IpAddr::from(Ipv4Addr::from_bits(0x0A00_0000 + near)));
        prop_oneof![v4, (0..9_u128).prop_map(|near| IpAddr::from(Ipv6Addr::from_bits(near)))]
    }

    proptest! {
        #[test]
        fn agrees_with_a_plain_map(steps in prop::collection::vec((address(), prop::option::of(0..1000_u32)), 0..200)) {
            let (mut by_address, mut model) = (ByAddress::default(), BTreeMap::new());
            for (address, number) in steps {
                match number.map(Piece::from_number) {
                    Some(piece) => {
                        by_address.set(address, piece);
                        model.insert(address, piece);
                    }
                    None => {
                        by_address.remove(address);
                        model.remove(&address);
                    }
                }
                prop_assert_eq!(by_address.get(address), model.get(&address).copied());
                prop_assert_eq!(by_address.len(), model.len());
            }
            prop_assert!(by_address.iter().eq(model.into_values()));
        }
    }
}
