//! Where a reply goes (RFC 2131 section 4.1).

use std::net::Ipv4Addr;

use crate::identity::HardwareAddress;

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
