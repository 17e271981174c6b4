//! Record types, record data and sets of records.

use std::fmt;
use std::str::FromStr;

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

impl RecordType {
    /// Mail exchange.
    pub const MX: Self = Self(15);
    /// Service (RFC 2782).
    pub const SRV: Self = Self(33);
    /// Redirection of a subtree (RFC 6672).
    pub const DNAME: Self = Self(39);
    /// The pseudo-record of EDNS (RFC 6891).
    pub const OPT: Self = Self(41);
    /// Signature of a set (RFC 4034).
    pub const RRSIG: Self = Self(46);
    /// Proof of absence (RFC 4034).
    pub const NSEC: Self = Self(47);
    /// Pseudo-record of a signed message (RFC 8945).
    pub const TSIG: Self = Self(250);
    /// Incremental zone transfer (RFC 1995): a question's type.
    pub const IXFR: Self = Self(251);
    /// Zone transfer (RFC 5936): a question's type.
    pub const AXFR: Self = Self(252);

    /// Whether records of this type can stand in a zone. RFC 6895 section 3.1: types 128 to 255 are
    /// question and meta types, and so is OPT; 0 is reserved.
    #[must_use]
    pub fn is_data(self) -> bool {
        !matches!(self.0, 0 | 41 | 128..=255)
    }
}

/// Mnemonics of the types that people write; the others read and print as `TYPEnn` (RFC 3597 section 5).
const TYPE_NAMES: [(u16, &str); 76] = [
    (1, "A"),
    (2, "NS"),
    (3, "MD"),
    (4, "MF"),
    (5, "CNAME"),
    (6, "SOA"),
    (7, "MB"),
    (8, "MG"),
    (9, "MR"),
    (10, "NULL"),
    (11, "WKS"),
    (12, "PTR"),
    (13, "HINFO"),
    (14, "MINFO"),
    (15, "MX"),
    (16, "TXT"),
    (17, "RP"),
    (18, "AFSDB"),
    (19, "X25"),
    (20, "ISDN"),
    (21, "RT"),
    (22, "NSAP"),
    (23, "NSAP-PTR"),
    (24, "SIG"),
    (25, "KEY"),
    (26, "PX"),
    (27, "GPOS"),
    (28, "AAAA"),
    (29, "LOC"),
    (33, "SRV"),
    (35, "NAPTR"),
    (36, "KX"),
    (37, "CERT"),
    (39, "DNAME"),
    (41, "OPT"),
    (42, "APL"),
    (43, "DS"),
    (44, "SSHFP"),
    (45, "IPSECKEY"),
    (46, "RRSIG"),
    (47, "NSEC"),
    (48, "DNSKEY"),
    (49, "DHCID"),
    (50, "NSEC3"),
    (51, "NSEC3PARAM"),
    (52, "TLSA"),
    (53, "SMIMEA"),
    (55, "HIP"),
    (56, "NINFO"),
    (57, "RKEY"),
    (58, "TALINK"),
    (59, "CDS"),
    (60, "CDNSKEY"),
    (61, "OPENPGPKEY"),
    (62, "CSYNC"),
    (63, "ZONEMD"),
    (64, "SVCB"),
    (65, "HTTPS"),
    (99, "SPF"),
    (104, "NID"),
    (105, "L32"),
    (106, "L64"),
    (107, "LP"),
    (108, "EUI48"),
    (109, "EUI64"),
    (249, "TKEY"),
    (250, "TSIG"),
    (251, "IXFR"),
    (252, "AXFR"),
    (255, "ANY"),
    (256, "URI"),
    (257, "CAA"),
    (258, "AVC"),
    (262, "WALLET"),
    (32768, "TA"),
    (32769, "DLV"),
];

/// The text names no record type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a record type (a mnemonic such as AAAA, or TYPE followed by a number)")]
pub struct UnknownRecordType;

impl fmt::Display for RecordType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match TYPE_NAMES.iter().find(|(number, _)| *number == self.0) {
            Some((_, name)) => f.write_str(name),
            None => write!(f, "TYPE{}", self.0),
        }
    }
}

impl FromStr for RecordType {
    type Err = UnknownRecordType;

    /// A mnemonic in any case, or `TYPEnn` (RFC 3597 section 5).
    fn from_str(text: &str) -> Result<Self, UnknownRecordType> {
        if let Some((number, _)) = TYPE_NAMES.iter().find(|(_, name)| name.eq_ignore_ascii_case(text)) {
            return Ok(Self(*number));
        }
        match text.split_at_checked(4) {
            Some((prefix, digits)) if prefix.eq_ignore_ascii_case("TYPE") => {
                digits.parse().map(Self).map_err(|_| UnknownRecordType)
            }
            _ => Err(UnknownRecordType),
        }
    }
}

impl Rrset {
    /// A set of these records, sorted and without doubles; `None` when there is none.
    #[must_use]
    pub fn new(name: Fqdn, rtype: RecordType, ttl: u32, mut rdata: Vec<Rdata>) -> Option<Self> {
        rdata.sort();
        rdata.dedup();
        (!rdata.is_empty()).then_some(Self { name, rtype, ttl, rdata })
    }

    /// A set of one record.
    #[must_use]
    pub fn single(name: Fqdn, rtype: RecordType, ttl: u32, rdata: Rdata) -> Self {
        Self { name, rtype, ttl, rdata: vec![rdata] }
    }

    /// Whether `rdata` is one of the records.
    #[must_use]
    pub fn contains(&self, rdata: &Rdata) -> bool {
        self.rdata.binary_search(rdata).is_ok()
    }

    /// Adds a record at its place; false when it was there.
    pub fn insert(&mut self, rdata: Rdata) -> bool {
        match self.rdata.binary_search(&rdata) {
            Ok(_) => false,
            Err(at) => {
                self.rdata.insert(at, rdata);
                true
            }
        }
    }

    /// Takes a record out; false when it was not there. The caller drops a set that became empty.
    pub fn remove(&mut self, rdata: &Rdata) -> bool {
        match self.rdata.binary_search(rdata) {
            Ok(at) => {
                self.rdata.remove(at);
                true
            }
            Err(_) => false,
        }
    }

    /// Whether the records are these, in whatever order and however often each is named.
    #[must_use]
    pub fn has_exactly(&self, rdata: &[Rdata]) -> bool {
        rdata.iter().all(|one| self.contains(one)) && self.rdata.iter().all(|own| rdata.contains(own))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn types_read_and_print_as_in_rfc3597_5() {
        for (text, number) in [("A", 1), ("dhcid", 49), ("TYPE49", 49), ("type65280", 65280), ("Any", 255)] {
            assert_eq!(text.parse::<RecordType>().unwrap(), RecordType(number));
        }
        assert_eq!(RecordType::DHCID.to_string(), "DHCID");
        assert_eq!(RecordType(65280).to_string(), "TYPE65280");
        for bad in ["", "TYPE", "TYPE65536", "TYPE-1", "Ä", "NOPE"] {
            assert_eq!(bad.parse::<RecordType>(), Err(UnknownRecordType), "{bad}");
        }
        for (number, name) in TYPE_NAMES {
            assert_eq!(RecordType(number).to_string().parse(), Ok(RecordType(number)), "{name}");
        }
    }

    #[test]
    fn question_and_meta_types_are_no_data() {
        for meta in [RecordType::ANY, RecordType::AXFR, RecordType::TSIG, RecordType::OPT, RecordType(0)] {
            assert!(!meta.is_data());
        }
        assert!(RecordType::DHCID.is_data() && RecordType(257).is_data());
    }

    #[test]
    fn a_set_is_sorted_without_doubles_and_never_empty() {
        let data = |octet: u8| Rdata([octet].into());
        let mut set = Rrset::new(Fqdn::root(), RecordType(65280), 1, vec![data(2), data(1), data(2)]).unwrap();
        assert_eq!(set.rdata, [data(1), data(2)]);
        assert!(set.has_exactly(&[data(2), data(1), data(1)]));
        assert!(!set.has_exactly(&[data(2)]) && !set.has_exactly(&[data(1), data(2), data(3)]));
        assert!(set.insert(data(0)) && !set.insert(data(0)));
        assert!(set.remove(&data(1)) && !set.remove(&data(1)));
        assert_eq!(set.rdata, [data(0), data(2)]);
        assert_eq!(Rrset::new(Fqdn::root(), RecordType::A, 1, vec![]), None);
    }
}
