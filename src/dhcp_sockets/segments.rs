//! A crowd of replies to one relay: handed to the kernel as one large datagram, which it cuts into the replies
//! (UDP_SEGMENT, udp(7)) only where they leave the machine. What one reply costs between system call and link is then
//! paid once for all of them; at the relay nothing looks otherwise. On this machine a capture shows them in one piece,
//! so that it is done only where many leave at once.
//!
//! Only a UDP socket can do it, and the ones that have the server's port belong to an interface each. So the kernel is
//! asked by which interface its routes lead to the relay; whatever is not plain goes the way of all other replies.

use std::cmp::Reverse;
use std::io::{self, IoSlice};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::time::Instant;

use dhcp::destination::Destination;
use nix::sys::socket::{ControlMessage, MsgFlags, SockaddrIn, sendmsg};

use super::port::AsyncSocket;
use super::routes::Routes;
use super::send::{Outgoing, packet_info};
use super::{Links, Way};

/// With fewer alike, each leaves by itself.
pub(super) const SEGMENTS_MIN: usize = 8;
/// UDP_MAX_SEGMENTS of the kernels that have the fewest (linux/udp.h).
const SEGMENTS_MAX: usize = 64;
/// A datagram's payload, all segments together, with room for headers.
const BYTES_MAX: usize = 65_000;

/// What replies have to agree in; the longest first, so that those of one length stand together.
pub(super) type Alike = (Ipv4Addr, u16, Ipv4Addr, u32, Reverse<usize>);

/// `None` for a reply that goes to no relay: it has its own destination.
pub(super) fn alike(reply: &Outgoing<'_>) -> Option<Alike> {
    match reply.destination {
        Destination::Relay { address, port } => {
            Some((address, port, reply.source, reply.interface, Reverse(reply.payload.len())))
        }
        _ => None,
    }
}

/// Sends replies that agree in [`alike`], from `source` to `to`; returns how many left, from the front: perhaps none.
pub(super) fn send_segments(
    links: &Links,
    routes: &mut Routes,
    replies: &[&Outgoing<'_>],
    (source, to): (Ipv4Addr, SocketAddrV4),
) -> usize {
    let now = Instant::now();
    let Some(socket) = socket_to(links, routes, source, *to.ip(), now) else { return 0 };
    let length = replies.first().map_or(0, |reply| reply.payload.len());
    let at_once = (BYTES_MAX / length.max(1)).min(SEGMENTS_MAX);
    let mut sent = 0;
    for part in replies.chunks(at_once).filter(|part| part.len() >= SEGMENTS_MIN) {
        match send_together(socket, part, length, source, to) {
            Ok(()) => sent += part.len(),
            // Such as a link that takes less than a reply at once, or one that cannot cut: each by itself may leave.
            Err(error) => {
                tracing::debug!(%error, relay = %to, "replies cannot leave in one piece");
                routes.doubt(source, *to.ip(), now);
                break;
            }
        }
    }
    sent
}

fn socket_to<'a>(
    links: &'a Links,
    routes: &mut Routes,
    source: Ipv4Addr,
    to: Ipv4Addr,
    now: Instant,
) -> Option<&'a Arc<AsyncSocket>> {
    match &links.way {
        Way::Address { socket, .. } => Some(socket),
        Way::Interfaces { sockets, .. } => sockets.get(&routes.interface_to(source, to, now)?),
        Way::Closed => None,
    }
}

fn send_together(
    socket: &AsyncSocket,
    replies: &[&Outgoing<'_>],
    length: usize,
    source: Ipv4Addr,
    to: SocketAddrV4,
) -> io::Result<()> {
    let length = u16::try_from(length).map_err(|_| io::ErrorKind::InvalidInput)?;
    let slices: Vec<IoSlice<'_>> = replies.iter().map(|reply| IoSlice::new(reply.payload)).collect();
    let info = packet_info(source);
    let control = [ControlMessage::Ipv4PacketInfo(&info), ControlMessage::UdpGsoSegments(&length)];
    let to = SockaddrIn::from(to);
    sendmsg(socket.get_ref().as_raw_fd(), &slices, &control, MsgFlags::MSG_DONTWAIT, Some(&to))?;
    Ok(())
}
