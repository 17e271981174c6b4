//! What stands in record data: constructors, readers, and the canonical form.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::name::octets_of;
use crate::{Dhcid, Fqdn, NameError, Rdata, RecordType};

/// The data of a SOA record (RFC 1035 section 3.3.13). Times in seconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Soa {
    /// The primary server's name.
    pub mname: Fqdn,
    /// The mailbox of who is responsible, its `@` as a dot.
    pub rname: Fqdn,
    /// The zone's version (RFC 1982 arithmetic).
    pub serial: u32,
    /// How often a secondary asks.
    pub refresh: u32,
    /// How soon it asks again after no answer.
    pub retry: u32,
    /// When it stops to answer without its primary.
    pub expire: u32,
    /// The longest time a negative answer is cached (RFC 2308 section 4).
    pub minimum: u32,
}

/// Why some bytes are not the data of a record of the given type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RdataError {
    /// The bytes end too early, or too late.
    #[error("the record data has the wrong length for its type")]
    Length,
    /// A name inside is malformed.
    #[error("a name in the record data is malformed")]
    Name(#[source] NameError),
}

/// What follows what in the data of the types whose embedded names count without case.
#[derive(Clone, Copy)]
enum Field {
    /// A name, lowered in canonical form.
    Name,
    /// So many octets.
    Octets(usize),
    /// One character string: a length octet and so many octets.
    Text,
    /// One or more character strings up to the end.
    Texts,
    /// Whatever is left.
    Rest,
}

/// The layout of `rtype`'s data. RFC 4034 section 6.2 names the types whose embedded names are lowered
/// (NS to A6); every other type is opaque octets (RFC 3597 section 7 forbids to look into them).
fn layout(rtype: RecordType) -> &'static [Field] {
    use Field::{Name, Octets, Rest, Text, Texts};
    match rtype.0 {
        1 => &[Octets(4)],
        28 => &[Octets(16)],
        // NS, MD, MF, CNAME, MB, MG, MR, PTR, DNAME.
        2 | 3 | 4 | 5 | 7 | 8 | 9 | 12 | 39 => &[Name],
        6 => &[Name, Name, Octets(20)],
        // HINFO.
        13 => &[Text, Text],
        // MINFO and RP.
        14 | 17 => &[Name, Name],
        // MX, AFSDB, RT, KX.
        15 | 18 | 21 | 36 => &[Octets(2), Name],
        16 => &[Texts],
        // PX.
        26 => &[Octets(2), Name, Name],
        // NXT.
        30 => &[Name, Rest],
        33 => &[Octets(6), Name],
        // NAPTR.
        35 => &[Octets(4), Text, Text, Text, Name],
        // RFC 4701 section 3.1: two octets of identifier type, one of digest type, the digest.
        49 => &[Octets(3), Rest],
        _ => &[Rest],
    }
}

impl Rdata {
    /// Checks uncompressed data as it came off the wire against the layout of `rtype` and brings it
    /// into canonical form.
    ///
    /// # Errors
    /// [`RdataError`] when the bytes do not fit the type. Types without a known layout take anything.
    pub fn from_wire(rtype: RecordType, bytes: &[u8]) -> Result<Self, RdataError> {
        if bytes.len() > usize::from(u16::MAX) {
            return Err(RdataError::Length);
        }
        Self::read(rtype, bytes, |rest| Fqdn::read_wire(rest).map_err(RdataError::Name))
    }

    /// The same of data whose names may be compressed, as they are in a message: `name` reads one at the start of what is
    /// left, and tells how many octets it takes there.
    pub(crate) fn read(
        rtype: RecordType,
        bytes: &[u8],
        name: impl Fn(&[u8]) -> Result<(Fqdn, usize), RdataError>,
    ) -> Result<Self, RdataError> {
        let mut canonical = Vec::with_capacity(bytes.len());
        let mut rest = bytes;
        for field in layout(rtype) {
            let used = match field {
                Field::Name => {
                    let (name, used) = name(rest)?;
                    canonical.extend_from_slice(name.as_wire());
                    rest = rest.get(used..).ok_or(RdataError::Length)?;
                    continue;
                }
                Field::Octets(count) => *count,
                Field::Text => text_octets(rest)?,
                Field::Texts => texts_octets(rest)?,
                Field::Rest => rest.len(),
            };
            let (taken, left) = rest.split_at_checked(used).ok_or(RdataError::Length)?;
            canonical.extend_from_slice(taken);
            rest = left;
        }
        if rest.is_empty() { Ok(Self(canonical.into_boxed_slice())) } else { Err(RdataError::Length) }
    }

    /// Whether data of this type holds names that are lowered, and may be compressed in a message.
    pub(crate) fn has_names(rtype: RecordType) -> bool {
        layout(rtype).iter().any(|field| matches!(field, Field::Name))
    }

    /// Whether this is data of that type, in the one form that compares equal to its like: what [`Rdata::from_wire`] makes.
    #[must_use]
    pub fn is_canonical(&self, rtype: RecordType) -> bool {
        let mut rest = &*self.0;
        for field in layout(rtype) {
            let used = match field {
                Field::Name => octets_of(rest).ok().filter(|used| !rest[..*used].iter().any(u8::is_ascii_uppercase)),
                Field::Octets(count) => Some(*count),
                Field::Text => text_octets(rest).ok(),
                Field::Texts => texts_octets(rest).ok(),
                Field::Rest => Some(rest.len()),
            };
            let Some(left) = used.and_then(|used| rest.get(used..)) else { return false };
            rest = left;
        }
        rest.is_empty() && self.0.len() <= usize::from(u16::MAX)
    }

    /// Data of an A record.
    #[must_use]
    pub fn a(address: Ipv4Addr) -> Self {
        Self(Box::new(address.octets()))
    }

    /// Data of an AAAA record (RFC 3596 section 2.2).
    #[must_use]
    pub fn aaaa(address: Ipv6Addr) -> Self {
        Self(Box::new(address.octets()))
    }

    /// The type and data of the record that holds `address`: A or AAAA.
    #[must_use]
    pub fn address(address: IpAddr) -> (RecordType, Self) {
        match address {
            IpAddr::V4(v4) => (RecordType::A, Self::a(v4)),
            IpAddr::V6(v6) => (RecordType::AAAA, Self::aaaa(v6)),
        }
    }

    /// Data of a PTR record.
    #[must_use]
    pub fn ptr(target: &Fqdn) -> Self {
        Self(target.as_wire().into())
    }

    /// Data of an NS record.
    #[must_use]
    pub fn ns(server: &Fqdn) -> Self {
        Self(server.as_wire().into())
    }

    /// Data of a CNAME record.
    #[must_use]
    pub fn cname(target: &Fqdn) -> Self {
        Self(target.as_wire().into())
    }

    /// Data of a SOA record.
    #[must_use]
    pub fn soa(soa: &Soa) -> Self {
        let mut bytes = soa.mname.as_wire().to_vec();
        bytes.extend_from_slice(soa.rname.as_wire());
        for number in [soa.serial, soa.refresh, soa.retry, soa.expire, soa.minimum] {
            bytes.extend_from_slice(&number.to_be_bytes());
        }
        Self(bytes.into_boxed_slice())
    }

    /// Data of a TXT record: each text as character strings of at most 255 octets, none as one empty one.
    #[must_use]
    pub fn txt<T: AsRef<[u8]>>(texts: &[T]) -> Self {
        let mut bytes = Vec::new();
        for text in texts {
            for part in text.as_ref().chunks(255) {
                bytes.push(part.len() as u8);
                bytes.extend_from_slice(part);
            }
        }
        if bytes.is_empty() {
            bytes.push(0);
        }
        Self(bytes.into_boxed_slice())
    }

    /// Data of an MX record.
    #[must_use]
    pub fn mx(preference: u16, exchange: &Fqdn) -> Self {
        let mut bytes = preference.to_be_bytes().to_vec();
        bytes.extend_from_slice(exchange.as_wire());
        Self(bytes.into_boxed_slice())
    }

    /// Data of an SRV record (RFC 2782).
    #[must_use]
    pub fn srv(priority: u16, weight: u16, port: u16, target: &Fqdn) -> Self {
        let mut bytes = Vec::with_capacity(6 + target.as_wire().len());
        for number in [priority, weight, port] {
            bytes.extend_from_slice(&number.to_be_bytes());
        }
        bytes.extend_from_slice(target.as_wire());
        Self(bytes.into_boxed_slice())
    }

    /// Data of a DHCID record.
    #[must_use]
    pub fn dhcid(dhcid: &Dhcid) -> Self {
        dhcid.0.clone()
    }

    /// The address of an A record's data.
    #[must_use]
    pub fn to_a(&self) -> Option<Ipv4Addr> {
        <[u8; 4]>::try_from(&*self.0).ok().map(Ipv4Addr::from)
    }

    /// The address of an AAAA record's data.
    #[must_use]
    pub fn to_aaaa(&self) -> Option<Ipv6Addr> {
        <[u8; 16]>::try_from(&*self.0).ok().map(Ipv6Addr::from)
    }

    /// The address of an A or AAAA record's data.
    #[must_use]
    pub fn to_address(&self, rtype: RecordType) -> Option<IpAddr> {
        match rtype {
            RecordType::A => self.to_a().map(IpAddr::V4),
            RecordType::AAAA => self.to_aaaa().map(IpAddr::V6),
            _ => None,
        }
    }

    /// The name that the data of an NS, CNAME, PTR or DNAME record is.
    #[must_use]
    pub fn to_name(&self) -> Option<Fqdn> {
        Fqdn::from_wire(&self.0).ok()
    }

    /// The data as people read it, as in a zone file as far as the type is known here, else in hexadecimal digits.
    #[must_use]
    pub fn words(&self, rtype: RecordType) -> String {
        let number = |at: usize| self.0.get(at..at + 2).map(|two| u16::from_be_bytes([two[0], two[1]]));
        let name = |at: usize| Fqdn::from_wire(self.0.get(at..)?).ok();
        let known = match rtype {
            RecordType::A | RecordType::AAAA => self.to_address(rtype).map(|address| address.to_string()),
            RecordType::NS | RecordType::CNAME | RecordType::PTR => self.to_name().map(|name| name.to_string()),
            RecordType::MX => number(0).zip(name(2)).map(|(preference, name)| format!("{preference} {name}")),
            RecordType::SRV => (|| Some(format!("{} {} {} {}", number(0)?, number(2)?, number(4)?, name(6)?)))(),
            RecordType::TXT => self.to_txt().map(|texts| {
                let quoted = texts.iter().map(|text| format!("\"{}\"", text.escape_ascii()));
                quoted.collect::<Vec<_>>().join(" ")
            }),
            _ => None,
        };
        known.unwrap_or_else(|| self.0.iter().map(|octet| format!("{octet:02x}")).collect())
    }

    /// The data of a SOA record, read.
    #[must_use]
    pub fn to_soa(&self) -> Option<Soa> {
        let (mname, used) = Fqdn::read_wire(&self.0).ok()?;
        let (rname, more) = Fqdn::read_wire(&self.0[used..]).ok()?;
        let numbers: &[u8; 20] = self.0[used + more..].try_into().ok()?;
        let mut words = numbers.chunks_exact(4).map(|word| u32::from_be_bytes([word[0], word[1], word[2], word[3]]));
        let mut next = || words.next();
        let (serial, refresh, retry, expire, minimum) = (next()?, next()?, next()?, next()?, next()?);
        Some(Soa { mname, rname, serial, refresh, retry, expire, minimum })
    }

    /// The character strings of a TXT record's data.
    #[must_use]
    pub fn to_txt(&self) -> Option<Vec<&[u8]>> {
        let mut texts = Vec::new();
        let mut rest = &*self.0;
        while let Some((&length, after)) = rest.split_first() {
            let (text, left) = after.split_at_checked(usize::from(length))?;
            texts.push(text);
            rest = left;
        }
        Some(texts)
    }
}

/// How many octets the character string at the start takes, its length octet included.
fn text_octets(bytes: &[u8]) -> Result<usize, RdataError> {
    bytes.first().map(|length| usize::from(*length) + 1).ok_or(RdataError::Length)
}

/// How many octets the character strings take that fill `bytes`; at least one must be there.
fn texts_octets(bytes: &[u8]) -> Result<usize, RdataError> {
    let mut at = text_octets(bytes)?;
    while at < bytes.len() {
        at += text_octets(&bytes[at..])?;
    }
    Ok(at)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use proptest::prelude::*;

    use super::*;

    fn name(text: &str) -> Fqdn {
        text.parse().unwrap()
    }

    #[test]
    fn what_is_written_is_read() {
        assert_eq!(Rdata::a(Ipv4Addr::LOCALHOST).to_a(), Some(Ipv4Addr::LOCALHOST));
        assert_eq!(Rdata::aaaa(Ipv6Addr::LOCALHOST).to_aaaa(), Some(Ipv6Addr::LOCALHOST));
        assert_eq!(Rdata::ptr(&name("a.b")).to_name(), Some(name("a.b")));
        let soa = Soa {
            mname: name("ns.b"),
            rname: name("hostmaster.b"),
            serial: 1,
            refresh: 2,
            retry: 3,
            expire: 4,
            minimum: 5,
        };
        assert_eq!(Rdata::soa(&soa).to_soa(), Some(soa));
        let long = "x".repeat(300);
        let txt = Rdata::txt(&["v=1", &long]);
        assert_eq!(txt.to_txt().unwrap().iter().map(|text| text.len()).collect::<Vec<_>>(), [3, 255, 45]);
        assert_eq!(&*Rdata::txt::<&str>(&[]).0, [0]);
    }

    #[test]
    fn rfc4034_6_2_names_inside_are_lowered_where_it_says_so() {
        let wire = b"\x02NS\x01B\x00";
        assert_eq!(Rdata::from_wire(RecordType::NS, wire), Ok(Rdata::ns(&name("ns.b"))));
        // A type outside the list is opaque: RFC 3597 section 7.
        assert_eq!(&*Rdata::from_wire(RecordType(65280), wire).unwrap().0, wire);
        let srv = [&[0, 1, 0, 2, 0, 3][..], wire].concat();
        assert_eq!(Rdata::from_wire(RecordType::SRV, &srv), Ok(Rdata::srv(1, 2, 3, &name("ns.b"))));
    }

    #[test]
    fn data_of_the_wrong_length_is_refused() {
        for (rtype, bytes) in [
            (RecordType::A, &b"\x01\x02\x03"[..]),
            (RecordType::A, b"\x01\x02\x03\x04\x05"),
            (RecordType::AAAA, b""),
            (RecordType::NS, b"\x01a\x00\x00"),
            (RecordType::SOA, b"\x00\x00short"),
            (RecordType::TXT, b""),
            (RecordType::TXT, b"\x05ab"),
            (RecordType::DHCID, b"\x00"),
        ] {
            assert_eq!(Rdata::from_wire(rtype, bytes), Err(RdataError::Length), "{rtype}");
        }
        assert_eq!(Rdata::from_wire(RecordType::PTR, b"\xc0\x0c"), Err(RdataError::Name(NameError::Malformed)));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]

        #[test]
        fn canonical_form_is_stable(rtype in 0_u16..70, bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            let of_type = RecordType(rtype);
            let as_it_came = Rdata(bytes.clone().into());
            let once = Rdata::from_wire(of_type, &bytes);
            prop_assert_eq!(as_it_came.is_canonical(of_type), once.as_ref() == Ok(&as_it_came));
            if let Ok(once) = once {
                prop_assert_eq!(Rdata::from_wire(RecordType(rtype), &once.0), Ok(once.clone()));
                prop_assert_eq!(once.0.len(), bytes.len());
            }
        }
    }
}
