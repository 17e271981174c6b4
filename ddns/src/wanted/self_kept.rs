//! Which addresses have a name whose address record their host writes by itself (option 81 with S=0). Such a name has no
//! forward row, since the server writes nothing there, and is its host's all the same: nobody else is given it while the
//! lease runs.

use std::collections::BTreeSet;
use std::hash::{BuildHasher as _, RandomState};
use std::net::{IpAddr, Ipv4Addr};

use dns::Fqdn;

use super::{RowKey, WantedRow};

/// The addresses by the hashes of their names, 32 bytes each. Names come from clients, so that they are hashed by a secret;
/// what is found is looked at.
#[derive(Debug, Default)]
pub(super) struct SelfKept {
    hasher: RandomState,
    addresses: BTreeSet<(u64, IpAddr)>,
}

impl SelfKept {
    /// A row takes the place of another of the same key.
    pub(super) fn replace(&mut self, before: Option<&WantedRow>, row: Option<&WantedRow>) {
        let (before, row) = (before.and_then(self_kept), row.and_then(self_kept));
        if before == row {
            return;
        }
        if let Some((name, address)) = before {
            let entry = self.entry(name, address);
            self.addresses.remove(&entry);
        }
        if let Some((name, address)) = row {
            let entry = self.entry(name, address);
            self.addresses.insert(entry);
        }
    }

    /// The addresses that may have this name, ascending.
    pub(super) fn of(&self, name: &Fqdn) -> impl Iterator<Item = IpAddr> + '_ {
        // As a rule there are none, and nobody's renewal pays for them.
        let hash = if self.addresses.is_empty() { 0 } else { self.hasher.hash_one(name) };
        let first = (hash, IpAddr::V4(Ipv4Addr::UNSPECIFIED));
        self.addresses.range(first..).take_while(move |(other, _)| *other == hash).map(|&(_, address)| address)
    }

    fn entry(&self, name: &Fqdn, address: IpAddr) -> (u64, IpAddr) {
        (self.hasher.hash_one(name), address)
    }
}

/// The name and the address of a row whose host writes its address record by itself.
fn self_kept(row: &WantedRow) -> Option<(&Fqdn, IpAddr)> {
    let RowKey::Reverse(address) = row.key else { return None };
    row.want.as_ref().filter(|want| !want.after_forward).map(|want| (&want.name, address))
}
