//! The DHCID record: who owns a name (RFC 4701).

use sha2::{Digest as _, Sha256};

use crate::{Bytes, Fqdn, Rdata};

/// The most octets of an identifier: a client identifier option holds no more.
pub const IDENTIFIER_OCTETS_MAX: usize = 255;

/// What identifies a host towards DNS (RFC 4701 section 3.3): an identifier type code and the
/// identifier's bytes. At most 255 bytes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HostIdentity {
    /// Type 0x0000: `htype` and `chaddr` of a client that sent no identifier.
    Hardware {
        /// The hardware type (1 is Ethernet).
        htype: u8,
        /// The address, at most 16 bytes.
        chaddr: Bytes,
    },
    /// Type 0x0001: the data of the client identifier option (61), type byte included.
    ClientId(Bytes),
    /// Type 0x0002: a DUID, also the one inside a client identifier of type 255 (RFC 4361).
    Duid(Bytes),
    /// No host: a set of records that the configuration states. It stands for itself, as whoever reads it cannot be told
    /// whose it is: what is there is ours while it is exactly this. No DHCID is ever made of it; it has the type 0xffff,
    /// which RFC 4701 section 3.3 reserves.
    Stated(Box<[Rdata]>),
}

impl HostIdentity {
    /// The identity behind the data of a client identifier option (61), type byte included. Data
    /// beyond 255 octets is not looked at.
    ///
    /// RFC 4361 section 6.1: the option holds "a type field of 255, a four-octet IAID, and a DUID";
    /// RFC 4701 section 3.3: of such a client the DUID is what counts, so that the host's IPv4 and IPv6
    /// sides share one DHCID. A DUID has a two-octet type and at least one more octet (RFC 8415
    /// section 11.1); anything shorter is an opaque identifier.
    #[must_use]
    pub fn from_client_id(data: &[u8]) -> Self {
        let data = &data[..data.len().min(IDENTIFIER_OCTETS_MAX)];
        match data {
            [255, _, _, _, _, duid @ ..] if duid.len() >= 3 => Self::Duid(duid.into()),
            _ => Self::ClientId(data.into()),
        }
    }

    /// The identity of a client that sent no identifier. Of `chaddr` at most 16 octets count.
    #[must_use]
    pub fn from_hardware(htype: u8, chaddr: &[u8]) -> Self {
        Self::Hardware { htype, chaddr: chaddr[..chaddr.len().min(16)].into() }
    }

    /// The identity of a machine that no DHCP server ever hears of: a DUID made from its name. RFC 6355: a DUID of type
    /// 4 holds a UUID; RFC 9562 section 5.8: one of version 8 is made as its maker likes, here by SHA-256. The same name
    /// makes the same one on every start, on every server and from a configuration that is written anew.
    #[must_use]
    pub fn of_name(name: &Fqdn) -> Self {
        let mut digest = Sha256::new();
        digest.update(b"leasehold host\0");
        digest.update(name.as_wire());
        let mut uuid = [0; 16];
        uuid.copy_from_slice(&digest.finalize()[..16]);
        uuid[6] = 0x80 | (uuid[6] & 0x0f);
        uuid[8] = 0x80 | (uuid[8] & 0x3f);
        Self::Duid([&[0, 4][..], &uuid].concat().into())
    }

    /// The identifier type code of RFC 4701 section 3.3.
    #[must_use]
    pub fn type_code(&self) -> u16 {
        match self {
            Self::Hardware { .. } => 0,
            Self::ClientId(_) => 1,
            Self::Duid(_) => 2,
            Self::Stated(_) => 0xffff,
        }
    }

    /// For storage: one octet with the type code (the last of it), then the identifier (`htype` before `chaddr`).
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = self.parts().concat();
        for Rdata(data) in self.stated().unwrap_or_default() {
            // Data is never longer: see [`Rdata`].
            bytes.extend_from_slice(&(data.len() as u16).to_be_bytes());
            bytes.extend_from_slice(data);
        }
        bytes
    }

    /// What [`HostIdentity::to_bytes`] writes of a host, one part after the other.
    #[must_use]
    pub fn parts(&self) -> [&[u8]; 3] {
        match self {
            Self::Hardware { htype, chaddr } => [&[0], std::slice::from_ref(htype), chaddr],
            Self::ClientId(data) => [&[1], &[], data],
            Self::Duid(data) => [&[2], &[], data],
            // It is of no DHCID, and in no record but its own: see to_bytes.
            Self::Stated(_) => [&[255], &[], &[]],
        }
    }

    /// Whether [`HostIdentity::to_bytes`] would write this.
    #[must_use]
    pub fn is_bytes(&self, bytes: &[u8]) -> bool {
        if self.stated().is_some() {
            return self.to_bytes() == bytes;
        }
        let mut rest = Some(bytes);
        for part in self.parts() {
            rest = rest.and_then(|rest| rest.strip_prefix(part));
        }
        rest.is_some_and(<[u8]>::is_empty)
    }

    /// Reads what [`HostIdentity::to_bytes`] wrote; `None` for anything else.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        match bytes {
            [0, htype, chaddr @ ..] if chaddr.len() <= 16 => {
                Some(Self::Hardware { htype: *htype, chaddr: chaddr.into() })
            }
            [1, data @ ..] if data.len() <= IDENTIFIER_OCTETS_MAX => Some(Self::ClientId(data.into())),
            [2, data @ ..] if data.len() <= IDENTIFIER_OCTETS_MAX => Some(Self::Duid(data.into())),
            [255, records @ ..] => stated(records).map(Self::Stated),
            _ => None,
        }
    }

    /// The records, where they stand for themselves.
    #[must_use]
    pub fn stated(&self) -> Option<&[Rdata]> {
        match self {
            Self::Stated(records) => Some(records),
            Self::Hardware { .. } | Self::ClientId(_) | Self::Duid(_) => None,
        }
    }
}

/// Records with their lengths before them.
fn stated(mut bytes: &[u8]) -> Option<Box<[Rdata]>> {
    let mut records = Vec::new();
    while let Some((length, rest)) = bytes.split_first_chunk::<2>() {
        let (data, rest) = rest.split_at_checked(u16::from_be_bytes(*length).into())?;
        records.push(Rdata(data.into()));
        bytes = rest;
    }
    (bytes.is_empty() && !records.is_empty()).then(|| records.into())
}

/// The data of a DHCID record: 2 bytes identifier type, 1 byte digest type (1, SHA-256), digest.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Dhcid(pub Rdata);

impl Dhcid {
    /// How many octets it has.
    pub const OCTETS: usize = 35;

    /// RFC 4701 section 3.5: SHA-256 over the identifier and the canonical wire form of `name`.
    #[must_use]
    pub fn new(identity: &HostIdentity, name: &Fqdn) -> Self {
        Self(Rdata(Box::new(Self::octets(identity, name))))
    }

    /// The same, the octets alone.
    #[must_use]
    pub fn octets(identity: &HostIdentity, name: &Fqdn) -> [u8; Self::OCTETS] {
        // Section 3.4: digest type 1 is SHA-256. Section 3.5: "The input to the digest hash function is
        // defined to be: digest = SHA-256(< identifier > < FQDN >)", the name "in its canonical form".
        let mut digest = Sha256::new();
        if identity.stated().is_some() {
            digest.update(&identity.to_bytes()[1..]);
        } else {
            // The first part is the type code alone.
            identity.parts()[1..].iter().for_each(|part| digest.update(part));
        }
        digest.update(name.as_wire());
        let mut rdata = [0; Self::OCTETS];
        let (head, tail) = rdata.split_at_mut(3);
        head[..2].copy_from_slice(&identity.type_code().to_be_bytes());
        head[2] = 1;
        tail.copy_from_slice(&digest.finalize());
        rdata
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use base64::Engine as _;

    use super::*;

    fn base64_of(identity: &HostIdentity, name: &str) -> String {
        base64::engine::general_purpose::STANDARD.encode(Dhcid::new(identity, &name.parse().unwrap()).0.0)
    }

    #[test]
    fn rfc4701_3_6_1_duid() {
        let duid = [0x00, 0x01, 0x00, 0x06, 0x41, 0x2d, 0xf1, 0x66, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06];
        let identity = HostIdentity::Duid(duid.into());
        assert_eq!(base64_of(&identity, "chi6.example.com"), "AAIBY2/AuCccgoJbsaxcQc9TUapptP69lOjxfNuVAA2kjEA=");
    }

    #[test]
    fn rfc4701_3_6_2_client_identifier() {
        let identity = HostIdentity::from_client_id(&[0x01, 0x07, 0x08, 0x09, 0x0a, 0x0b, 0x0c]);
        assert_eq!(base64_of(&identity, "chi.example.com"), "AAEBOSD+XR3Os/0LozeXVqcNc7FwCfQdWL3b/NaiUDlW2No=");
    }

    #[test]
    fn rfc4701_3_6_3_hardware_address() {
        let identity = HostIdentity::from_hardware(1, &[0x01, 0x02, 0x03, 0x04, 0x05, 0x06]);
        assert_eq!(base64_of(&identity, "client.example.com"), "AAABxLmlskllE0MVjd57zHcWmEH3pCQ6VytcKD//7es/deY=");
    }

    #[test]
    fn rfc4361_the_duid_inside_a_client_identifier_counts() {
        let client_id = [255, 9, 9, 9, 9, 0, 3, 0, 1, 2, 2, 2, 2, 2, 2];
        assert_eq!(HostIdentity::from_client_id(&client_id), HostIdentity::Duid(client_id[5..].into()));
        // Another interface of that host: another IAID, the same identity.
        let other_interface = [255, 8, 8, 8, 8, 0, 3, 0, 1, 2, 2, 2, 2, 2, 2];
        assert_eq!(HostIdentity::from_client_id(&client_id), HostIdentity::from_client_id(&other_interface));
        // Too short to hold a DUID: opaque.
        assert_eq!(HostIdentity::from_client_id(&[255, 1, 2]), HostIdentity::ClientId([255, 1, 2].into()));
    }

    #[test]
    fn rfc4701_3_5_the_digest_is_over_the_canonical_lower_case_name() {
        let identity = HostIdentity::from_hardware(1, &[1; 6]);
        assert_eq!(base64_of(&identity, "A.Example"), base64_of(&identity, "a.example"));
    }

    #[test]
    fn stored_form_round_trips() {
        let identities = [
            HostIdentity::from_hardware(1, &[1, 2, 3, 4, 5, 6]),
            HostIdentity::from_hardware(6, &[]),
            HostIdentity::from_client_id(&[1, 7, 8]),
            HostIdentity::from_client_id(&[7; 300]),
            HostIdentity::Duid([0, 3, 0, 1].into()),
        ];
        for identity in identities {
            assert_eq!(HostIdentity::from_bytes(&identity.to_bytes()), Some(identity));
        }
        assert_eq!(HostIdentity::from_bytes(&[]), None);
        assert_eq!(HostIdentity::from_bytes(&[9, 1]), None);
        assert_eq!(HostIdentity::from_bytes(&[0]), None);
    }
}
