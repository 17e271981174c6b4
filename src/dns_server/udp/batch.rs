//! Datagrams by the dozen: many in one system call, and their answers in one.
//!
//! DHCP's sockets do the like (`dhcp_sockets`), by interface and for IPv4 alone; here it is by address, of either family.

use std::io::{self, ErrorKind, IoSlice, IoSliceMut};
use std::net::{SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::fd::{AsRawFd as _, RawFd};

use nix::libc;
use nix::sys::socket::{
    ControlMessage, ControlMessageOwned, MsgFlags, MultiHeaders, SockaddrIn, SockaddrIn6, SockaddrLike, recvmmsg,
    sendmmsg,
};
use tokio::io::Interest;
use tokio::net::UdpSocket;

/// The most datagrams of one call.
pub(super) const BATCH_MAX: usize = 64;
/// The most that is kept of one datagram, in octets: our OPT records tell less. Of what is longer the rest is missing, so
/// that it is answered as malformed.
const DATAGRAM_OCTETS_MAX: usize = 4_096;

/// An address of a family.
pub(super) trait Peer: SockaddrLike + Copy {
    fn to_std(self) -> SocketAddr;
}

impl Peer for SockaddrIn {
    fn to_std(self) -> SocketAddr {
        SocketAddr::V4(SocketAddrV4::from(self))
    }
}

impl Peer for SockaddrIn6 {
    fn to_std(self) -> SocketAddr {
        SocketAddr::V6(SocketAddrV6::from(self))
    }
}

/// Which of our addresses was asked, where a socket has several: the answer must come from it. With the interface, which
/// a link-local address needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Local {
    V4(libc::in_pktinfo),
    V6(libc::in6_pktinfo),
}

impl Local {
    fn of(message: &ControlMessageOwned) -> Option<Self> {
        match message {
            // What was sent to a broadcast address is answered from the address that the kernel names for it.
            ControlMessageOwned::Ipv4PacketInfo(info) => {
                Some(Self::V4(libc::in_pktinfo { ipi_ifindex: 0, ipi_addr: libc::in_addr { s_addr: 0 }, ..*info }))
            }
            ControlMessageOwned::Ipv6PacketInfo(info) => {
                let asked = std::net::Ipv6Addr::from(info.ipi6_addr.s6_addr);
                // The interface forces the way out, which need not be the way in: it is named where the address has no
                // meaning without it.
                let ipi6_ifindex = if asked.is_unicast_link_local() { info.ipi6_ifindex } else { 0 };
                (!asked.is_multicast()).then_some(Self::V6(libc::in6_pktinfo { ipi6_ifindex, ..*info }))
            }
            _ => None,
        }
    }

    fn control(&self) -> ControlMessage<'_> {
        match self {
            Self::V4(info) => ControlMessage::Ipv4PacketInfo(info),
            Self::V6(info) => ControlMessage::Ipv6PacketInfo(info),
        }
    }
}

/// One that was received.
#[derive(Clone, Copy)]
struct Received<S> {
    /// Which room it is in.
    room: usize,
    length: usize,
    source: S,
    local: Option<Local>,
}

/// Room for what one call receives.
pub(super) struct Incoming<S> {
    octets: Box<[u8]>,
    received: Vec<Received<S>>,
    /// How many the next call takes: more when the one before was full. Headers are made for each call, since what they
    /// point to may not be held while others have their turn.
    taken: usize,
    many_addresses: bool,
}

/// How many a call takes at least.
const BATCH_MIN: usize = 4;

impl<S: Peer> Incoming<S> {
    /// `many_addresses`: the socket has several, and is told which was asked.
    pub(super) fn new(many_addresses: bool) -> Self {
        Self {
            octets: vec![0; BATCH_MAX * DATAGRAM_OCTETS_MAX].into_boxed_slice(),
            received: Vec::with_capacity(BATCH_MAX),
            taken: BATCH_MIN,
            many_addresses,
        }
    }

    /// Receives what is there, without waiting: [`ErrorKind::WouldBlock`] when nothing is. Returns whether that is
    /// known to be all: then the socket is not readable until more has come.
    pub(super) fn receive(&mut self, socket: &UdpSocket) -> io::Result<bool> {
        self.received.clear();
        let control = self.many_addresses.then(|| nix::cmsg_space!(libc::in6_pktinfo));
        let Self { octets, received, taken, .. } = self;
        let mut came = 0;
        let tried = socket.try_io(Interest::READABLE, || {
            came = receive(socket.as_raw_fd(), octets, *taken, control, received)?;
            // There was room for more, so that the kernel need not be asked again: that is said as it would say it, within the
            // one look at the socket, so that what comes from then on is told anew.
            if came < *taken { Err(ErrorKind::WouldBlock.into()) } else { Ok(()) }
        });
        let had_room = match tried {
            Ok(()) => false,
            Err(error) if error.kind() == ErrorKind::WouldBlock && came > 0 => true,
            Err(error) => return Err(error),
        };
        *taken = if had_room { came + 1 } else { *taken * 2 }.clamp(BATCH_MIN, BATCH_MAX);
        Ok(had_room)
    }

    /// Each with its source and the address that was asked.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&[u8], S, Option<Local>)> {
        self.received.iter().map(|one| {
            let start = one.room * DATAGRAM_OCTETS_MAX;
            (&self.octets[start..start + one.length], one.source, one.local)
        })
    }
}

fn receive<S: Peer>(
    descriptor: RawFd,
    octets: &mut [u8],
    count: usize,
    control: Option<Vec<u8>>,
    received: &mut Vec<Received<S>>,
) -> io::Result<usize> {
    let mut rooms = octets.chunks_exact_mut(DATAGRAM_OCTETS_MAX);
    let mut slices: [[IoSliceMut<'_>; 1]; BATCH_MAX] =
        std::array::from_fn(|_| [IoSliceMut::new(rooms.next().unwrap_or_default())]);
    let mut headers = MultiHeaders::<S>::preallocate(count, control);
    let messages = recvmmsg(descriptor, &mut headers, slices.iter_mut(), MsgFlags::MSG_DONTWAIT, None)?;
    let mut came = 0;
    for (room, message) in messages.enumerate() {
        came += 1;
        let local = message.cmsgs().into_iter().flatten().find_map(|control| Local::of(&control));
        if let Some(source) = message.address {
            received.push(Received { room, length: message.bytes, source, local });
        }
    }
    Ok(came)
}

/// One that is to leave.
struct Answer<S> {
    octets: Vec<u8>,
    to: S,
    local: Option<Local>,
}

/// Answers that leave together.
pub(super) struct Outgoing<S> {
    answers: Vec<Answer<S>>,
    /// How many of them are of this batch; the others' room is used again.
    count: usize,
}

impl<S: Peer> Outgoing<S> {
    pub(super) fn new() -> Self {
        Self { answers: Vec::with_capacity(BATCH_MAX), count: 0 }
    }

    /// Adds an answer, if `write` writes one. There is room for as many as one call receives.
    pub(super) fn add(&mut self, to: S, local: Option<Local>, write: impl FnOnce(&mut Vec<u8>) -> bool) {
        if self.count == self.answers.len() {
            self.answers.push(Answer { octets: Vec::with_capacity(512), to, local });
        }
        let answer = &mut self.answers[self.count];
        (answer.to, answer.local) = (to, local);
        self.count += usize::from(write(&mut answer.octets));
    }

    /// Sends all of them. One that fails keeps none back; a full socket is waited for.
    pub(super) async fn send(&mut self, socket: &UdpSocket) {
        let mut sent = 0;
        while sent < self.count {
            let alike = {
                let rest = &self.answers[sent..self.count];
                rest.iter().take_while(|answer| answer.local == rest[0].local).count()
            };
            let part = &self.answers[sent..sent + alike];
            match socket.try_io(Interest::WRITABLE, || send(socket.as_raw_fd(), part)) {
                Ok(count) => sent += count.max(1),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    if socket.writable().await.is_err() {
                        break;
                    }
                }
                Err(error) => {
                    tracing::debug!(%error, to = %part[0].to.to_std(), "a DNS reply could not be sent");
                    sent += 1;
                }
            }
        }
        self.count = 0;
    }
}

/// Hands answers from one address of ours to the kernel: how many of them it took.
fn send<S: Peer>(descriptor: RawFd, answers: &[Answer<S>]) -> io::Result<usize> {
    let slices: [[IoSlice<'_>; 1]; BATCH_MAX] =
        std::array::from_fn(|at| [IoSlice::new(answers.get(at).map_or(&[], |answer| &answer.octets))]);
    let to: [Option<S>; BATCH_MAX] = std::array::from_fn(|at| answers.get(at).map(|answer| answer.to));
    let local = answers.first().and_then(|answer| answer.local);
    let control: Vec<ControlMessage<'_>> = local.iter().map(Local::control).collect();
    let space = local.map(|_| nix::cmsg_space!(libc::in6_pktinfo));
    let mut headers = MultiHeaders::preallocate(answers.len(), space);
    Ok(sendmmsg(descriptor, &mut headers, &slices[..answers.len()], to, control, MsgFlags::MSG_DONTWAIT)?.count())
}

/// Sends one datagram, and waits for room; from the address that was asked.
pub(super) async fn send_one(
    socket: &UdpSocket,
    octets: &[u8],
    to: SocketAddr,
    local: Option<Local>,
) -> io::Result<()> {
    let Some(local) = local else { return socket.send_to(octets, to).await.map(drop) };
    let control = [local.control()];
    let slices = [IoSlice::new(octets)];
    socket
        .async_io(Interest::WRITABLE, || {
            let (descriptor, flags) = (socket.as_raw_fd(), MsgFlags::MSG_DONTWAIT);
            let sent = match to {
                SocketAddr::V4(to) => {
                    let to = SockaddrIn::from(to);
                    nix::sys::socket::sendmsg(descriptor, &slices, &control, flags, Some(&to))
                }
                SocketAddr::V6(to) => {
                    let to = SockaddrIn6::from(to);
                    nix::sys::socket::sendmsg(descriptor, &slices, &control, flags, Some(&to))
                }
            };
            Ok(sent.map(drop)?)
        })
        .await
}

#[cfg(test)]
mod tests {
    use std::net::Ipv6Addr;

    use super::*;

    #[test]
    fn an_answer_is_bound_to_an_interface_only_by_a_link_local_address() {
        let index_of = |asked: Ipv6Addr| {
            let ipi6_addr = libc::in6_addr { s6_addr: asked.octets() };
            let info = libc::in6_pktinfo { ipi6_addr, ipi6_ifindex: 7 };
            match Local::of(&ControlMessageOwned::Ipv6PacketInfo(info)) {
                Some(Local::V6(info)) => {
                    assert_eq!(Ipv6Addr::from(info.ipi6_addr.s6_addr), asked);
                    Some(info.ipi6_ifindex)
                }
                _ => None,
            }
        };
        assert_eq!(index_of(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1)), Some(0));
        assert_eq!(index_of(Ipv6Addr::LOCALHOST), Some(0));
        assert_eq!(index_of(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1)), Some(7));
        assert_eq!(index_of(Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1)), None);
    }
}
