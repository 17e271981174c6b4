//! First writes: names and addresses where nothing of ours was before.

use std::iter;
use std::net::IpAddr;

use dns::{Dhcid, Fqdn, HostIdentity, Rdata, RecordType, Update};

use super::{State, opening};
use crate::builder;
use crate::settings::ReverseGuard;
use crate::wanted::{NewName, RowKey, Want};

/// Updates that write what is wanted of names and addresses where nothing of ours was before: the first ones of such
/// [`Transaction`](super::Transaction)s, each of which is over when its update is made. For crowds of them: a name and its address share
/// what is costly to make.
#[derive(Debug, Default)]
pub struct FirstWrites {
    /// The DHCID made last, and of whom.
    mark: Option<(Fqdn, HostIdentity, Rdata)>,
}

impl FirstWrites {
    /// The update, with the records under `owner`; `None` for records that the configuration states.
    pub fn update(
        &mut self,
        zone: &Fqdn,
        key: &RowKey,
        owner: &Fqdn,
        want: &Want,
        guard: ReverseGuard,
    ) -> Option<Update> {
        if let RowKey::Stated(..) = key {
            return None;
        }
        Some(match opening(key, want, guard) {
            State::Overwrite => builder::build_overwrite(zone, want, &[], false),
            State::Claim => builder::build_claim_marked(zone, want, self.mark_of(want)),
            State::PointerSet => builder::build_pointer_unguarded(zone, owner, want),
            _ => builder::build_pointer_claim_marked(zone, owner, want, self.mark_of(want)),
        })
    }

    /// The records that [`FirstWrites::update`] adds, which are all that comes of it where nothing at all is at their owner:
    /// one of an address or a name, and the data of the DHCID record, if there is to be one. `None`: they are more.
    pub fn records(&mut self, key: &RowKey, want: &Want) -> Option<((RecordType, Rdata), Option<Rdata>)> {
        let [address] = *want.addresses.as_slice() else { return None };
        let (first, is_marked) = match key {
            RowKey::Forward(_) => (Rdata::address(address), want.guard.writes_dhcid()),
            RowKey::Reverse(_) => ((RecordType::PTR, Rdata::ptr(&want.name)), true),
            RowKey::Stated(..) => return None,
        };
        Some((first, is_marked.then(|| self.mark_of(want))))
    }

    fn mark_of(&mut self, want: &Want) -> Rdata {
        if let Some((name, identity, mark)) = &self.mark
            && *name == want.name
            && *identity == want.identity
        {
            return mark.clone();
        }
        let mark = builder::mark_of(want);
        self.mark = Some((want.name.clone(), want.identity.clone(), mark.clone()));
        mark
    }
}

/// The records of a new name and of its address, as [`FirstWrites::records`] says them of both rows, without memory of their
/// own.
#[derive(Clone, Debug)]
pub struct FirstRecords<'n> {
    new: &'n NewName,
    address: AddressOctets,
    mark: [u8; Dhcid::OCTETS],
}

#[derive(Clone, Copy, Debug)]
enum AddressOctets {
    V4([u8; 4]),
    V6([u8; 16]),
}

impl<'n> FirstRecords<'n> {
    /// Those of a new name.
    #[must_use]
    pub fn of(new: &'n NewName) -> Self {
        let address = match new.address {
            IpAddr::V4(v4) => AddressOctets::V4(v4.octets()),
            IpAddr::V6(v6) => AddressOctets::V6(v6.octets()),
        };
        Self { new, address, mark: Dhcid::octets(&new.identity, &new.name) }
    }

    /// Of the name: types and data, in the order of the types.
    pub fn of_name(&self) -> impl Iterator<Item = (RecordType, &[u8])> {
        let address = match &self.address {
            AddressOctets::V4(octets) => (RecordType::A, &octets[..]),
            AddressOctets::V6(octets) => (RecordType::AAAA, &octets[..]),
        };
        let marked = self.new.guard.writes_dhcid().then_some((RecordType::DHCID, &self.mark[..]));
        iter::once(address).chain(marked)
    }

    /// Of the address.
    pub fn of_address(&self) -> impl Iterator<Item = (RecordType, &[u8])> {
        [(RecordType::PTR, self.new.name.as_wire()), (RecordType::DHCID, &self.mark[..])].into_iter()
    }
}
