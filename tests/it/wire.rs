//! Frames on a cable as they are, in and out, for tests that look beneath the sockets.

use std::net::Ipv4Addr;
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::Duration;

use etherparse::{NetSlice, PacketBuilder, SlicedPacket, TransportSlice, VlanId};
use nix::ifaddrs::getifaddrs;
use nix::sys::socket::{LinkAddr, MsgFlags, bind, recv, sendto};
use socket2::{Domain, Protocol, Socket, Type};

use crate::netns::Host;

/// How long a frame or a datagram is awaited.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
/// The hardware address of the client at the far end.
pub(crate) const CLIENT_MAC: [u8; 6] = [2, 0, 0, 0, 0, 0x99];

/// What a frame said, as far as these tests ask.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) to_mac: [u8; 6],
    pub(crate) source: (Ipv4Addr, u16),
    pub(crate) destination: (Ipv4Addr, u16),
    pub(crate) payload: Vec<u8>,
}

/// The end of a cable, with frames in and out as they are.
pub(crate) struct Wire {
    socket: OwnedFd,
    link: LinkAddr,
}

impl Wire {
    pub(crate) fn open(host: &Host, interface: &str) -> Self {
        host.inside(|| {
            let every_protocol = i32::from(3_u16.to_be());
            let socket = Socket::new(Domain::PACKET, Type::RAW, Some(Protocol::from(every_protocol))).unwrap();
            socket.set_read_timeout(Some(PATIENCE)).unwrap();
            let found = getifaddrs().unwrap().find_map(|entry| {
                let link = *entry.address?.as_link_addr()?;
                (entry.interface_name == interface).then_some(link)
            });
            let (socket, link) = (OwnedFd::from(socket), found.expect("the interface"));
            bind(socket.as_raw_fd(), &link).unwrap();
            Self { socket, link }
        })
    }

    pub(crate) fn send(&self, frame: &[u8]) {
        sendto(self.socket.as_raw_fd(), frame, &self.link, MsgFlags::empty()).unwrap();
    }

    /// A client without an address broadcasts `payload`, in a frame tagged with `vlan` if that is given.
    pub(crate) fn broadcast(&self, vlan: Option<u16>, payload: &[u8]) {
        let (from, to) = ([0; 4], [255; 4]);
        let ethernet = PacketBuilder::ethernet2(CLIENT_MAC, [255; 6]);
        let builder = match vlan {
            Some(id) => ethernet.single_vlan(VlanId::try_new(id).unwrap()).ipv4(from, to, 64),
            None => ethernet.ipv4(from, to, 64),
        };
        let mut frame = Vec::new();
        builder.udp(68, 67).write(&mut frame, payload).unwrap();
        self.send(&frame);
    }

    /// The next address that somebody without one asks for by ARP, as a probe of RFC 5227 does.
    pub(crate) fn next_arp_probe(&self) -> Ipv4Addr {
        let mut buffer = [0; 2048];
        loop {
            let len = recv(self.socket.as_raw_fd(), &mut buffer, MsgFlags::empty()).expect("a frame in time");
            // Type ARP, operation request, and no sender's address.
            if len >= 42 && buffer[12..14] == [0x08, 0x06] && buffer[20..22] == [0, 1] && buffer[28..32] == [0; 4] {
                return Ipv4Addr::new(buffer[38], buffer[39], buffer[40], buffer[41]);
            }
        }
    }

    /// The next DHCP datagram from a server, and whether an ARP request came before it.
    pub(crate) fn next_reply(&self) -> (Seen, bool) {
        let mut buffer = [0; 2048];
        let mut arp = false;
        loop {
            let len = recv(self.socket.as_raw_fd(), &mut buffer, MsgFlags::empty()).expect("a frame in time");
            let frame = &buffer[..len];
            arp |= frame[12..14] == [0x08, 0x06];
            let Ok(packet) = SlicedPacket::from_ethernet(frame) else { continue };
            let (Some(NetSlice::Ipv4(ip)), Some(TransportSlice::Udp(udp))) = (&packet.net, &packet.transport) else {
                continue;
            };
            if udp.source_port() != 67 {
                continue;
            }
            let header = ip.header();
            let seen = Seen {
                to_mac: frame[..6].try_into().unwrap(),
                source: (header.source_addr(), udp.source_port()),
                destination: (header.destination_addr(), udp.destination_port()),
                payload: udp.payload().to_vec(),
            };
            return (seen, arp);
        }
    }
}

/// Runs `work` in the host's network, in a runtime of its own.
pub(crate) fn within<T: Send>(host: &Host, work: impl AsyncFnOnce() -> T + Send) -> T {
    host.inside(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(work())
    })
}
