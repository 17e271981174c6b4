//! Reads option data that came from the network.

use std::net::Ipv4Addr;

use super::relay_code;

/// One address (RFC 2132 notation: "n1 n2 n3 n4").
#[must_use]
pub fn read_address(data: &[u8]) -> Option<Ipv4Addr> {
    Some(Ipv4Addr::from(<[u8; 4]>::try_from(data).ok()?))
}

/// One address that is not 0.0.0.0.
#[must_use]
pub fn read_specified_address(data: &[u8]) -> Option<Ipv4Addr> {
    read_address(data).filter(|address| !address.is_unspecified())
}

/// A 16-bit number in network order.
#[must_use]
pub fn read_u16(data: &[u8]) -> Option<u16> {
    Some(u16::from_be_bytes(data.try_into().ok()?))
}

/// A 32-bit number in network order.
#[must_use]
pub fn read_u32(data: &[u8]) -> Option<u32> {
    Some(u32::from_be_bytes(data.try_into().ok()?))
}

/// The data of option 82 (RFC 3046 section 2.0), read by sub-option. A sub-option that is cut off costs itself
/// and what would follow it; of a repeated one the first counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RelayAgentInfo<'a>(pub &'a [u8]);

impl<'a> RelayAgentInfo<'a> {
    /// The data of a sub-option.
    #[must_use]
    pub fn get(&self, code: u8) -> Option<&'a [u8]> {
        self.iter().find(|(c, _)| *c == code).map(|(_, data)| data)
    }

    /// Every sub-option that is whole, in order. RFC 3046 section 2.0: there is neither padding nor an end mark.
    pub fn iter(&self) -> impl Iterator<Item = (u8, &'a [u8])> + use<'a> {
        let mut rest = self.0;
        std::iter::from_fn(move || {
            let [code, len, after @ ..] = rest else { return None };
            let (data, after) = after.split_at_checked(usize::from(*len))?;
            rest = after;
            Some((*code, data))
        })
    }

    /// Sub-option 1 (RFC 3046 section 3.1): the port or circuit the client is behind.
    #[must_use]
    pub fn circuit_id(&self) -> Option<&'a [u8]> {
        self.get(relay_code::AGENT_CIRCUIT_ID)
    }

    /// Sub-option 2 (RFC 3046 section 3.2): the relay's own name for the far end.
    #[must_use]
    pub fn remote_id(&self) -> Option<&'a [u8]> {
        self.get(relay_code::AGENT_REMOTE_ID)
    }

    /// Sub-option 5 (RFC 3527): an address of the link the client is on.
    #[must_use]
    pub fn link_selection(&self) -> Option<Ipv4Addr> {
        self.get(relay_code::LINK_SELECTION).and_then(read_specified_address)
    }

    /// Sub-option 11 (RFC 5107): the server identifier that the relay wants in the reply.
    #[must_use]
    pub fn server_identifier_override(&self) -> Option<Ipv4Addr> {
        self.get(relay_code::SERVER_IDENTIFIER_OVERRIDE).and_then(read_specified_address)
    }

    /// Sub-option 19 (RFC 8357): the reply goes to the port that the relay sent from.
    #[must_use]
    pub fn relay_source_port(&self) -> bool {
        self.get(relay_code::RELAY_SOURCE_PORT).is_some()
    }
}
