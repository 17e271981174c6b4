//! What DNS should hold, by name and by address. DNS work is state, not a list of operations: a row holds the
//! whole wanted set and a generation. Rows are stored in the same transaction as the lease that causes them.

use std::net::IpAddr;

use dns::{Fqdn, HostIdentity};

/// What a row is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RowKey {
    /// A and AAAA (and DHCID) of a name.
    Forward(Fqdn),
    /// PTR (and DHCID) of an address.
    Reverse(IpAddr),
}

/// What is wanted of one key. A row that wants nothing stays until its removal from DNS is confirmed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WantedRow {
    /// The key.
    pub key: RowKey,
    /// Grows with every change of any row; never used twice.
    pub generation: u64,
    /// What DNS should hold; `None`: nothing of ours.
    pub want: Option<Want>,
    /// What earlier generations may have left in DNS under this key and what `want` does not cover. It is removed
    /// (each guarded by its own DHCID) before `want` is written. At most eight, with at most 32 addresses each.
    pub former: Vec<Held>,
}

/// Content of ours that DNS holds, or may hold, under one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// The host's name: the key's own for a forward row, the PTR's target for a reverse row.
    pub name: Fqdn,
    /// Whose it is: with the name it gives the DHCID.
    pub identity: HostIdentity,
    /// The addresses, sorted; RFC 4703 section 5.5 removes them one by one, so that another server's survive.
    pub addresses: Vec<IpAddr>,
}

/// The whole wanted content of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Want {
    /// The host's name: the key's own for a forward row, the PTR's target for a reverse row.
    pub name: Fqdn,
    /// Whose name it is.
    pub identity: HostIdentity,
    /// Forward: every address of the name, sorted. Reverse: the key's address alone.
    pub addresses: Vec<IpAddr>,
    /// In seconds.
    pub ttl_secs: u32,
    /// Reverse: wait until the forward row of `name` is confirmed (the server writes that one too).
    pub after_forward: bool,
}

/// One address's claim of a name, before or after a lease changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The host's full name.
    pub name: Fqdn,
    /// Whose it is.
    pub identity: HostIdentity,
    /// The server keeps A.
    pub forward: bool,
    /// The server keeps PTR.
    pub reverse: bool,
    /// In seconds.
    pub ttl_secs: u32,
}
