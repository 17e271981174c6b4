//! Record types, record data and sets of records.

use crate::Fqdn;

/// A record type by its number (IANA "Resource Record (RR) TYPEs").
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecordType(pub u16);

impl RecordType {
    /// IPv4 address (RFC 1035).
    pub const A: Self = Self(1);
    /// Name server.
    pub const NS: Self = Self(2);
    /// Canonical name.
    pub const CNAME: Self = Self(5);
    /// Start of authority.
    pub const SOA: Self = Self(6);
    /// Pointer.
    pub const PTR: Self = Self(12);
    /// Text.
    pub const TXT: Self = Self(16);
    /// IPv6 address (RFC 3596).
    pub const AAAA: Self = Self(28);
    /// DHCP identifier (RFC 4701).
    pub const DHCID: Self = Self(49);
    /// All records: a question's type, or a wildcard in an update.
    pub const ANY: Self = Self(255);
}

/// Record data in uncompressed canonical wire form: names inside it in lower case where
/// RFC 4034 section 6.2 says so. At most 65,535 octets.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rdata(pub Box<[u8]>);

/// All records of one name and type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rrset {
    /// The owner.
    pub name: Fqdn,
    /// The type they share.
    pub rtype: RecordType,
    /// The time to live they share (RFC 2181 section 5.2), in seconds.
    pub ttl: u32,
    /// Their data, sorted, without doubles, never empty.
    pub rdata: Vec<Rdata>,
}

/// A response code, with the extended ones of TSIG (RFC 1035, 2136, 8945).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rcode(pub u16);

impl Rcode {
    /// Done.
    pub const NO_ERROR: Self = Self(0);
    /// The message could not be read.
    pub const FORM_ERR: Self = Self(1);
    /// The server failed.
    pub const SERV_FAIL: Self = Self(2);
    /// A name that ought to exist does not.
    pub const NX_DOMAIN: Self = Self(3);
    /// Not implemented.
    pub const NOT_IMP: Self = Self(4);
    /// Refused by policy.
    pub const REFUSED: Self = Self(5);
    /// A name exists that ought not to.
    pub const YX_DOMAIN: Self = Self(6);
    /// A set exists that ought not to.
    pub const YX_RRSET: Self = Self(7);
    /// A set that ought to exist does not.
    pub const NX_RRSET: Self = Self(8);
    /// The server is not authoritative, or the signature was not accepted.
    pub const NOT_AUTH: Self = Self(9);
    /// A name is not within the zone.
    pub const NOT_ZONE: Self = Self(10);
    /// TSIG: the signature does not verify.
    pub const BAD_SIG: Self = Self(16);
    /// TSIG: the key is not known.
    pub const BAD_KEY: Self = Self(17);
    /// TSIG: the clocks differ too much.
    pub const BAD_TIME: Self = Self(18);
}
