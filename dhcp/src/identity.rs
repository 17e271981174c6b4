//! Who a client is.

use std::fmt;

use dns::Bytes;

/// A hardware address: `htype`, and `hlen` bytes of `chaddr` (RFC 2131 section 2). At most 16 bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct HardwareAddress {
    /// The hardware type of the ARP registry; 1 is Ethernet.
    pub htype: u8,
    len: u8,
    bytes: [u8; 16],
}

impl HardwareAddress {
    /// Of no type and without bytes.
    pub const NONE: Self = Self { htype: 0, len: 0, bytes: [0; 16] };

    /// From `htype` and at most 16 bytes; `None` for more.
    #[must_use]
    pub fn new(htype: u8, address: &[u8]) -> Option<Self> {
        let mut bytes = [0; 16];
        bytes.get_mut(..address.len())?.copy_from_slice(address);
        Some(Self { htype, len: u8::try_from(address.len()).ok()?, bytes })
    }

    /// From `htype` and the first `len` of six bytes, all that is behind them being zero. Without a copy whose length has to
    /// be looked at: records are read by it.
    pub(crate) fn of_six(htype: u8, len: u8, [a, b, c, d, e, f]: [u8; 6]) -> Self {
        Self { htype, len: len.min(6), bytes: [a, b, c, d, e, f, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0] }
    }

    /// The address, `hlen` bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }

    /// Whether a frame can be sent to it: Ethernet (`htype` 1), 6 bytes, neither all zero nor a group address.
    #[must_use]
    pub fn is_ethernet(&self) -> bool {
        matches!(self.as_bytes(), [first, _, _, _, _, _] if first & 1 == 0)
            && self.htype == 1
            && self.as_bytes().iter().any(|byte| *byte != 0)
    }
}

/// The data of the client identifier option (61), type byte included: 2 to 255 bytes.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ClientId(pub Bytes);

impl ClientId {
    /// The DUID inside an identifier of the form of RFC 4361. Section 6.1: type 255, four bytes of IAID, then the DUID,
    /// which is a type of two bytes and its data.
    #[must_use]
    pub fn duid(&self) -> Option<&[u8]> {
        duid_of(&self.0)
    }
}

/// See [`ClientId::duid`].
pub(crate) fn duid_of(client_id: &[u8]) -> Option<&[u8]> {
    match client_id {
        [255, _, _, _, _, duid @ ..] if duid.len() > 2 => Some(duid),
        _ => None,
    }
}

/// The key of a client's leases (RFC 2131 section 4.2): the client identifier when it was sent (and the
/// subnet does not say otherwise), else the hardware address.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum ClientKey {
    /// Keyed on option 61.
    ClientId(ClientId),
    /// Keyed on `htype` and `chaddr`.
    Hardware(HardwareAddress),
}

impl fmt::Display for HardwareAddress {
    /// `aa:bb:cc:dd:ee:ff`; with the hardware type in front where it is not Ethernet (`32/00:01`), and `none`
    /// for an empty one.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.htype != 1 {
            write!(f, "{}/", self.htype)?;
        }
        if self.as_bytes().is_empty() {
            return f.write_str("none");
        }
        for (index, byte) in self.as_bytes().iter().enumerate() {
            let separator = if index == 0 { "" } else { ":" };
            write!(f, "{separator}{byte:02x}")?;
        }
        Ok(())
    }
}

impl fmt::Display for ClientId {
    /// Hexadecimal digits, type byte first: `01aabbccddeeff`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Display for ClientKey {
    /// `client id 01aabbccddeeff`, or `hardware aa:bb:cc:dd:ee:ff`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ClientId(id) => write!(f, "client id {id}"),
            Self::Hardware(address) => write!(f, "hardware {address}"),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that fails here says why")]

    use super::*;

    fn hardware(htype: u8, bytes: &[u8]) -> HardwareAddress {
        HardwareAddress::new(htype, bytes).unwrap()
    }

    #[test]
    fn identities_are_shown_as_people_write_them() {
        let ethernet = hardware(1, &[0xAA, 0xBB, 0xCC, 0, 1, 2]);
        assert_eq!(ethernet.to_string(), "aa:bb:cc:00:01:02");
        assert_eq!(hardware(32, &[0, 1]).to_string(), "32/00:01");
        assert_eq!(hardware(32, &[]).to_string(), "32/none");
        let id = ClientId([1, 0xAA, 0xBB].into());
        assert_eq!(id.to_string(), "01aabb");
        assert_eq!(ClientKey::ClientId(id).to_string(), "client id 01aabb");
        assert_eq!(ClientKey::Hardware(ethernet).to_string(), "hardware aa:bb:cc:00:01:02");
    }

    #[test]
    fn a_hardware_address_has_16_bytes_at_most() {
        assert!(HardwareAddress::new(1, &[0; 16]).is_some());
        assert!(HardwareAddress::new(1, &[0; 17]).is_none());
    }

    #[test]
    fn frames_are_sent_to_single_ethernet_stations_alone() {
        assert!(hardware(1, &[2, 0, 0, 0, 0, 1]).is_ethernet());
        for other in [&[0; 6][..], &[0xFF; 6], &[1, 0, 0x5E, 0, 0, 1], &[2, 0, 0, 0, 1], &[]] {
            assert!(!hardware(1, other).is_ethernet(), "{other:?}");
        }
        assert!(!hardware(6, &[2, 0, 0, 0, 0, 1]).is_ethernet());
    }
}
