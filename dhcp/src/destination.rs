//! Where a reply goes (RFC 2131 section 4.1).

use std::fmt;
use std::net::Ipv4Addr;

use crate::identity::HardwareAddress;
use crate::message::{Message, MessageType};
use crate::reply::Reply;

/// The port that servers and relays listen on.
pub const SERVER_PORT: u16 = 67;
/// The port that clients listen on.
pub const CLIENT_PORT: u16 = 68;

/// A reply's way. The shell picks socket and source address for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Destination {
    /// Unicast UDP to the relay: port 67, or the relay's source port after RFC 8357.
    Relay {
        /// giaddr.
        address: Ipv4Addr,
        /// 67, or the port of RFC 8357.
        port: u16,
    },
    /// Unicast UDP to a client that has its address (ciaddr), port 68.
    Client(Ipv4Addr),
    /// To a client that cannot answer ARP yet: an IP datagram to `yiaddr`, port 68, in a frame to `chaddr`.
    Frame {
        /// The address just given.
        yiaddr: Ipv4Addr,
        /// Where the frame goes.
        hardware: HardwareAddress,
    },
    /// 255.255.255.255, port 68, on the link it came by.
    Broadcast,
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Relay { address, port } => write!(f, "to the relay {address}, port {port}"),
            Self::Client(address) => write!(f, "to the client at {address}"),
            Self::Frame { yiaddr, hardware } => write!(f, "to {yiaddr} in a frame to {hardware}"),
            Self::Broadcast => f.write_str("to everyone on the link"),
        }
    }
}

/// Where `reply`, the answer to `request`, goes. `source_port` is the UDP port that `request` came from.
/// `always_broadcast` takes a client on the wire as if it had set the broadcast flag.
#[must_use]
pub fn destination(request: &Message<'_>, reply: &Reply, source_port: u16, always_broadcast: bool) -> Destination {
    // RFC 2131 section 4.3.5: "The server responds to a DHCPINFORM message by sending a DHCPACK message directly
    // to the address given in the 'ciaddr' field of the DHCPINFORM message." Directly: past any relay.
    if request.message_type == MessageType::Inform && !request.ciaddr.is_unspecified() {
        return Destination::Client(request.ciaddr);
    }
    // RFC 2131 section 4.1: "If the 'giaddr' field in a DHCP message from a client is non-zero, the server sends
    // any return messages to the 'DHCP server' port on the BOOTP relay agent whose address appears in 'giaddr'."
    if !request.giaddr.is_unspecified() {
        // RFC 8357 section 4: a relay that sends from another port says so with its sub-option, and the server
        // answers to that port.
        let from_own_port = request.relay_agent_info().relay_source_port();
        let port = if from_own_port { source_port } else { SERVER_PORT };
        return Destination::Relay { address: request.giaddr, port };
    }
    // "In all cases, when 'giaddr' is zero, the server broadcasts any DHCPNAK messages to 0xffffffff."
    // Before ciaddr is looked at: also a renewing client must hear it.
    if reply.message_type == MessageType::Nak {
        return Destination::Broadcast;
    }
    // "If the 'giaddr' field is zero and the 'ciaddr' field is nonzero, then the server unicasts DHCPOFFER and
    // DHCPACK messages to the address in 'ciaddr'."
    if !request.ciaddr.is_unspecified() {
        return Destination::Client(request.ciaddr);
    }
    // "If 'giaddr' is zero and 'ciaddr' is zero, and the broadcast bit is set, then the server broadcasts
    // DHCPOFFER and DHCPACK messages to 0xffffffff."
    if request.broadcast || always_broadcast {
        return Destination::Broadcast;
    }
    // "If the broadcast bit is not set and 'giaddr' is zero and 'ciaddr' is zero, then the server unicasts
    // DHCPOFFER and DHCPACK messages to the client's hardware address and 'yiaddr' address."
    if request.hardware.is_ethernet() && !reply.yiaddr.is_unspecified() {
        return Destination::Frame { yiaddr: reply.yiaddr, hardware: request.hardware };
    }
    // Section 4.1 goes on: "If unicasting is not possible, the message MAY be sent as an IP broadcast": hardware
    // that we make no frames for, and answers that give no address.
    Destination::Broadcast
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that fails here says why")]

    use super::*;

    const RELAY: [u8; 4] = [192, 168, 40, 1];
    const CIADDR: [u8; 4] = [192, 168, 30, 7];
    const YIADDR: Ipv4Addr = Ipv4Addr::new(192, 168, 30, 100);

    /// What a request says that bears on the way of its reply.
    #[derive(Clone, Copy)]
    struct Request {
        message_type: u8,
        hardware: (u8, u8),
        broadcast: bool,
        ciaddr: [u8; 4],
        giaddr: [u8; 4],
        option_82: &'static [u8],
    }

    const REQUEST: Request =
        Request { message_type: 3, hardware: (1, 6), broadcast: false, ciaddr: [0; 4], giaddr: [0; 4], option_82: &[] };

    fn way(request: Request, answer: MessageType, always_broadcast: bool) -> Destination {
        let mut bytes = vec![0; 240];
        bytes[..3].copy_from_slice(&[1, request.hardware.0, request.hardware.1]);
        bytes[10] = u8::from(request.broadcast) << 7;
        bytes[12..16].copy_from_slice(&request.ciaddr);
        bytes[24..28].copy_from_slice(&request.giaddr);
        bytes[28..34].copy_from_slice(&[2, 0, 0, 0, 0, 1]);
        bytes[236..].copy_from_slice(&[99, 130, 83, 99]);
        bytes.extend_from_slice(&[53, 1, request.message_type, 61, 2, 0, 1]);
        bytes.extend_from_slice(request.option_82);
        let message = Message::parse(&bytes).unwrap();
        let mut reply = Reply::answering(&message, answer, Ipv4Addr::new(192, 168, 30, 1));
        if !matches!((answer, message.message_type), (MessageType::Nak, _) | (_, MessageType::Inform)) {
            reply.yiaddr = YIADDR;
        }
        destination(&message, &reply, 1067, always_broadcast)
    }

    #[test]
    fn rfc2131_section_4_1_giaddr_set_the_reply_goes_to_the_relay_port_67() {
        let relay = Destination::Relay { address: RELAY.into(), port: 67 };
        let relayed = Request { giaddr: RELAY, ..REQUEST };
        for answer in [MessageType::Offer, MessageType::Ack, MessageType::Nak] {
            assert_eq!(way(relayed, answer, false), relay);
            assert_eq!(
                way(Request { ciaddr: CIADDR, broadcast: true, ..relayed }, answer, true),
                relay,
                "before all else"
            );
        }
    }

    #[test]
    fn rfc8357_a_relay_with_a_port_of_its_own_is_answered_there() {
        let relayed = Request { giaddr: RELAY, option_82: &[82, 2, 19, 0], ..REQUEST };
        assert_eq!(way(relayed, MessageType::Ack, false), Destination::Relay { address: RELAY.into(), port: 1067 });
    }

    #[test]
    fn rfc2131_section_4_1_ciaddr_set_the_reply_is_unicast_to_it() {
        let renewing = Request { ciaddr: CIADDR, broadcast: true, ..REQUEST };
        for answer in [MessageType::Offer, MessageType::Ack] {
            assert_eq!(way(renewing, answer, true), Destination::Client(CIADDR.into()), "whatever its broadcast flag");
        }
    }

    #[test]
    fn rfc2131_section_4_1_broadcast_flag_set_the_reply_is_broadcast() {
        assert_eq!(way(Request { broadcast: true, ..REQUEST }, MessageType::Offer, false), Destination::Broadcast);
    }

    #[test]
    fn rfc2131_section_4_1_otherwise_the_reply_is_a_frame_to_yiaddr_at_chaddr() {
        let hardware = HardwareAddress::new(1, &[2, 0, 0, 0, 0, 1]).unwrap();
        let frame = Destination::Frame { yiaddr: YIADDR, hardware };
        assert_eq!(way(REQUEST, MessageType::Offer, false), frame);
        assert_eq!(way(REQUEST, MessageType::Ack, false), frame);
    }

    #[test]
    fn rfc2131_section_4_1_a_nak_with_giaddr_0_is_always_broadcast_also_to_a_renewing_client() {
        for ciaddr in [[0; 4], CIADDR] {
            assert_eq!(way(Request { ciaddr, ..REQUEST }, MessageType::Nak, false), Destination::Broadcast);
        }
    }

    #[test]
    fn rfc2131_section_4_3_5_an_inform_is_answered_by_unicast_to_ciaddr() {
        for giaddr in [[0; 4], RELAY] {
            let inform = Request { message_type: 8, ciaddr: CIADDR, broadcast: true, giaddr, ..REQUEST };
            assert_eq!(way(inform, MessageType::Ack, true), Destination::Client(CIADDR.into()));
        }
        let nameless = Request { message_type: 8, ..REQUEST };
        assert_eq!(way(nameless, MessageType::Ack, false), Destination::Broadcast, "an INFORM without ciaddr");
    }

    #[test]
    fn a_subnet_can_have_every_reply_on_the_wire_broadcast() {
        assert_eq!(way(REQUEST, MessageType::Ack, true), Destination::Broadcast);
    }

    #[test]
    fn hardware_that_no_frame_can_be_made_for_is_broadcast_to() {
        for hardware in [(1, 0), (32, 0), (6, 6), (1, 16), (1, 5)] {
            assert_eq!(way(Request { hardware, ..REQUEST }, MessageType::Ack, false), Destination::Broadcast);
        }
    }
}
