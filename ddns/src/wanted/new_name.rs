//! A new name at a new address: the two rows that nearly every new lease brings, as one value.

use std::net::IpAddr;

use dns::{ConflictGuard, Fqdn, HostIdentity};

use super::{RowKey, Want, WantedRow};

/// A name of which there was no row, claimed by an address of which there was none: the first rows of both. They say the
/// same, so that one value stands for them on the way from the decision to store, zones and updater, and nothing of it
/// is copied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewName {
    /// The host's full name.
    pub name: Fqdn,
    /// Whose it is.
    pub identity: HostIdentity,
    /// The address.
    pub address: IpAddr,
    /// In seconds.
    pub ttl_secs: u32,
    /// How the name is guarded in DNS.
    pub guard: ConflictGuard,
    /// Of the name's row. The address' has the next one.
    pub generation: u64,
}

impl NewName {
    /// The generation of the address' row.
    #[must_use]
    pub fn reverse_generation(&self) -> u64 {
        self.generation + 1
    }

    /// The name's row.
    #[must_use]
    pub fn forward(&self) -> WantedRow {
        self.row(RowKey::Forward(self.name.clone()), self.generation, false, self.guard)
    }

    /// The address' row.
    #[must_use]
    pub fn reverse(&self) -> WantedRow {
        let key = RowKey::Reverse(self.address);
        self.row(key, self.reverse_generation(), true, ConflictGuard::default())
    }

    fn row(&self, key: RowKey, generation: u64, after_forward: bool, guard: ConflictGuard) -> WantedRow {
        let want = Want {
            name: self.name.clone(),
            identity: self.identity.clone(),
            addresses: vec![self.address],
            ttl_secs: self.ttl_secs,
            after_forward,
            guard,
        };
        WantedRow { key, generation, want: Some(want), former: Vec::new(), by_configuration: false }
    }
}
