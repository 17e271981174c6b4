//! Where a reply goes (RFC 2131 section 4.1).

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
