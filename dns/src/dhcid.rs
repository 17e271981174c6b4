//! The DHCID record: who owns a name (RFC 4701).

use crate::{Fqdn, Rdata};

/// What identifies a host towards DNS (RFC 4701 section 3.3): an identifier type code and the
/// identifier's bytes. At most 255 bytes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HostIdentity {
    /// Type 0x0000: `htype` and `chaddr` of a client that sent no identifier.
    Hardware {
        /// The hardware type (1 is Ethernet).
        htype: u8,
        /// The address, at most 16 bytes.
        chaddr: Box<[u8]>,
    },
    /// Type 0x0001: the data of the client identifier option (61), type byte included.
    ClientId(Box<[u8]>),
    /// Type 0x0002: a DUID, also the one inside a client identifier of type 255 (RFC 4361).
    Duid(Box<[u8]>),
}

/// The data of a DHCID record: 2 bytes identifier type, 1 byte digest type (1, SHA-256), digest.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Dhcid(pub Rdata);

impl Dhcid {
    /// RFC 4701 section 3.5: SHA-256 over the identifier and the canonical wire form of `name`.
    #[must_use]
    pub fn new(identity: &HostIdentity, name: &Fqdn) -> Self {
        let _ = (identity, name);
        unimplemented!()
    }
}
