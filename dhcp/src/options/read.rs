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

/// The first of a list of addresses.
#[must_use]
pub fn read_first_address(data: &[u8]) -> Option<Ipv4Addr> {
    data.first_chunk::<4>().copied().map(Ipv4Addr::from)
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

    /// Sub-option 6 (RFC 3993): the provider's own name for its customer.
    #[must_use]
    pub fn subscriber_id(&self) -> Option<&'a [u8]> {
        self.get(relay_code::SUBSCRIBER_ID)
    }

    /// Sub-option 5 (RFC 3527), or 150 as Cisco numbers it: an address of the link the client is on.
    #[must_use]
    pub fn link_selection(&self) -> Option<Ipv4Addr> {
        self.address(relay_code::LINK_SELECTION).or_else(|| self.address(relay_code::CISCO_LINK_SELECTION))
    }

    /// Sub-option 10 (RFC 5010): whether the client sent this by unicast to the relay; `None` where none tells.
    #[must_use]
    pub fn sent_by_unicast(&self) -> Option<bool> {
        match self.get(relay_code::FLAGS)? {
            [flags] => Some(flags & relay_code::FLAG_UNICAST != 0),
            _ => None,
        }
    }

    /// Sub-option 11 (RFC 5107), or 152 as Cisco numbers it: the server identifier that the relay wants in the reply.
    #[must_use]
    pub fn server_identifier_override(&self) -> Option<Ipv4Addr> {
        self.address(relay_code::SERVER_IDENTIFIER_OVERRIDE).or_else(|| self.address(relay_code::VSS_CONTROL))
    }

    fn address(&self, code: u8) -> Option<Ipv4Addr> {
        self.get(code).and_then(read_specified_address)
    }

    /// Sub-option 12 (RFC 6925): the relay's own identifier.
    #[must_use]
    pub fn relay_id(&self) -> Option<&'a [u8]> {
        self.get(relay_code::RELAY_AGENT_IDENTIFIER)
    }

    /// Sub-option 19 (RFC 8357): the reply goes to the port that the relay sent from.
    #[must_use]
    pub fn relay_source_port(&self) -> bool {
        self.get(relay_code::RELAY_SOURCE_PORT).is_some()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn numbers_and_addresses_have_exactly_their_length() {
        assert_eq!(read_u16(&[1, 2]), Some(0x0102));
        assert_eq!(read_u32(&[1, 2, 3, 4]), Some(0x0102_0304));
        assert_eq!(read_address(&[0; 4]), Some(Ipv4Addr::UNSPECIFIED));
        assert_eq!(read_specified_address(&[0; 4]), None);
        for len in [0, 1, 3, 5] {
            assert_eq!(
                (read_u16(&vec![0; len]), read_u32(&vec![0; len]), read_address(&vec![0; len])),
                (None, None, None)
            );
        }
    }

    #[test]
    fn relay_sub_options_are_read_by_code() {
        let info = RelayAgentInfo(&[1, 3, b'e', b't', b'h', 2, 2, 9, 9, 5, 4, 10, 0, 0, 0, 11, 4, 10, 0, 0, 1, 19, 0]);
        assert_eq!(info.circuit_id(), Some(&b"eth"[..]));
        assert_eq!(info.remote_id(), Some(&[9, 9][..]));
        assert_eq!(info.link_selection(), Some(Ipv4Addr::new(10, 0, 0, 0)));
        assert_eq!(info.server_identifier_override(), Some(Ipv4Addr::new(10, 0, 0, 1)));
        assert!(info.relay_source_port());
        assert_eq!(RelayAgentInfo::default().circuit_id(), None);
    }

    #[test]
    fn ciscos_numbers_count_where_the_assigned_ones_are_not_there() {
        let cisco = [150, 4, 10, 0, 0, 0, 152, 4, 10, 0, 0, 1];
        let info = RelayAgentInfo(&cisco);
        assert_eq!(info.link_selection(), Some(Ipv4Addr::new(10, 0, 0, 0)));
        assert_eq!(info.server_identifier_override(), Some(Ipv4Addr::new(10, 0, 0, 1)));
        let both = [&cisco[..], &[5, 4, 10, 9, 0, 0, 11, 4, 10, 9, 0, 1]].concat();
        let info = RelayAgentInfo(&both);
        assert_eq!(info.link_selection(), Some(Ipv4Addr::new(10, 9, 0, 0)));
        assert_eq!(info.server_identifier_override(), Some(Ipv4Addr::new(10, 9, 0, 1)));
        // RFC 6607: without data 152 asks whether the VPN was heeded.
        assert_eq!(RelayAgentInfo(&[152, 0]).server_identifier_override(), None);
    }

    #[test]
    fn rfc5010_the_highest_bit_of_the_flags_tells_unicast() {
        let told = |marks: &[u8]| RelayAgentInfo(marks).sent_by_unicast();
        assert_eq!(told(&[10, 1, 0x80]), Some(true));
        assert_eq!(told(&[10, 1, 0x7F]), Some(false));
        assert_eq!((told(&[10, 0]), told(&[10, 2, 0x80, 0]), told(&[])), (None, None, None));
    }

    #[test]
    fn a_sub_option_that_is_cut_off_does_not_cost_those_before_it() {
        let info = RelayAgentInfo(&[1, 1, 7, 5, 4, 10, 0]);
        assert_eq!((info.circuit_id(), info.link_selection()), (Some(&[7][..]), None));
        let info = RelayAgentInfo(&[5, 3, 10, 0, 0, 1, 1, 7, 2]);
        assert_eq!((info.link_selection(), info.circuit_id()), (None, Some(&[7][..])), "a wrong length costs itself");
    }

    #[test]
    fn of_a_repeated_sub_option_the_first_counts() {
        assert_eq!(RelayAgentInfo(&[1, 1, 7, 1, 1, 8]).circuit_id(), Some(&[7][..]));
    }

    proptest! {
        #[test]
        fn arbitrary_relay_information_never_panics(data in proptest::collection::vec(any::<u8>(), 0..300)) {
            let info = RelayAgentInfo(&data);
            let held: usize = info.iter().map(|(_, data)| data.len() + 2).sum();
            prop_assert!(held <= data.len());
            let _ = (info.link_selection(), info.server_identifier_override(), info.relay_source_port());
        }
    }
}
