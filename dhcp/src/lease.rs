//! A lease: who has an address until when, and what is remembered with it.

use std::net::Ipv4Addr;

use dns::{Bytes, ConflictGuard, Fqdn, HostIdentity};
use ipnet::Ipv4Net;

use crate::identity::{ClientId, HardwareAddress};

/// The full record of one address, as it is stored: one per address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// The address: the record's key.
    pub address: Ipv4Addr,
    /// The subnet it was leased in, by prefix.
    pub subnet: Ipv4Net,
    /// What the record says.
    pub state: LeaseState,
    /// The client's hardware address.
    pub hardware: HardwareAddress,
    /// The client's identifier, when it sent one.
    pub client_id: Option<ClientId>,
    /// UTC seconds: when this binding was first made.
    pub started_at: u64,
    /// UTC seconds: the client's last transaction (a sign of life).
    pub renewed_at: u64,
    /// UTC seconds: when it ends (bound), ended (released, expired) or returns to the pool (quarantined);
    /// `u64::MAX`: never.
    pub expires_at: u64,
    /// Option 12 as the client sent it; empty for none. At most 255 bytes.
    pub hostname: Bytes,
    /// Option 81 as the client sent it; empty for none. At most 255 bytes.
    pub client_fqdn: Bytes,
    /// What DNS should hold for it.
    pub name: Option<LeaseName>,
    /// `giaddr` of the relay it came by; unspecified for none.
    pub relay: Ipv4Addr,
    /// Option 82 as the relay sent it; empty for none. At most 1,024 bytes, what is over being cut off.
    pub relay_agent_info: Bytes,
    /// RFC 5107: the server identifier the relay asked us to use.
    pub server_identifier_override: Option<Ipv4Addr>,
}

/// What a lease record says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LeaseState {
    /// The client holds it until `expires_at`.
    Bound,
    /// The client gave it back; kept for its return.
    Released,
    /// It ran out; kept for the client's return.
    Expired,
    /// Declined, or otherwise suspect: nobody gets it until `expires_at`.
    Quarantined,
}

/// The name of a lease and which records the server keeps for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaseName {
    /// The full name.
    pub fqdn: Fqdn,
    /// Whose it is.
    pub identity: HostIdentity,
    /// The server keeps the A record.
    pub forward: bool,
    /// The server keeps the PTR record.
    pub reverse: bool,
    /// Time to live of both, in seconds.
    pub ttl_secs: u32,
    /// How the A record is guarded in DNS.
    pub guard: ConflictGuard,
}

impl LeaseName {
    /// The name, and whose it is.
    #[must_use]
    pub fn host(&self) -> (&Fqdn, &HostIdentity) {
        (&self.fqdn, &self.identity)
    }
}
