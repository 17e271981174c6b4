//! A batch of datagrams: up to [`BATCH_MAX`] in one system call, each with its interface and destination.

use std::io::{self, IoSliceMut};
use std::net::Ipv4Addr;
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::Arc;

use nix::libc;
use nix::sys::socket::{ControlMessageOwned, MsgFlags, MultiHeaders, RecvMsg, SockaddrIn, recvmmsg};

use super::interfaces::{InterfaceInfo, InterfaceTable};

/// The most datagrams that one batch holds.
pub const BATCH_MAX: usize = 64;

/// What a call makes room for at least. Room costs time, and mostly few datagrams are there.
const ROOM_MIN: usize = 4;

/// The most that is kept of one datagram, in bytes. DHCP messages end far below (1,500 on Ethernet); what is
/// longer is dropped and counted, not cut.
pub const DATAGRAM_MAX: usize = 4096;

/// Datagrams received together, in buffers that are used again.
#[derive(Debug)]
pub struct Batch {
    buffers: Box<[u8]>,
    received: Vec<Received>,
    /// Buffers used so far, those of dropped datagrams included.
    slots_used: usize,
    /// How many datagrams the next call makes room for: twice as many as the last one brought.
    room: usize,
}

#[derive(Debug)]
struct Received {
    interface: Arc<InterfaceInfo>,
    source: (Ipv4Addr, u16),
    destination: Ipv4Addr,
    slot: usize,
    len: usize,
}

/// One datagram as it came in.
#[derive(Clone, Copy, Debug)]
pub struct Datagram<'a> {
    /// The interface it came by.
    pub interface: &'a Arc<InterfaceInfo>,
    /// Who sent it: address and port. The address is unspecified for a client that has none yet.
    pub source: (Ipv4Addr, u16),
    /// Where it was sent to: 255.255.255.255, the subnet's broadcast address, or one of ours.
    pub destination: Ipv4Addr,
    /// The UDP payload.
    pub payload: &'a [u8],
}

/// What a call brought beside datagrams.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Losses {
    /// The call brought less than it had room for: the socket was empty then.
    pub(super) emptied: bool,
    /// Datagrams longer than [`DATAGRAM_MAX`], dropped.
    pub(super) too_long: u64,
    /// Datagrams without a known interface or an IPv4 source, dropped.
    pub(super) unplaced: u64,
    /// How many datagrams this socket's queue has lost since it was opened, when the kernel told.
    pub(super) queue_overflows: Option<u32>,
}

/// Where datagrams of a socket come from.
#[derive(Clone, Copy, Debug)]
pub(super) enum Origin<'a> {
    /// The socket is bound to this interface.
    Interface(&'a Arc<InterfaceInfo>),
    /// The socket hears several; the kernel tells the index with each datagram.
    Any(&'a InterfaceTable),
}

impl Default for Batch {
    fn default() -> Self {
        Self::new()
    }
}

impl Batch {
    /// An empty batch, with room for [`BATCH_MAX`] datagrams.
    #[must_use]
    pub fn new() -> Self {
        let buffers = vec![0; BATCH_MAX * DATAGRAM_MAX].into_boxed_slice();
        Self { buffers, received: Vec::with_capacity(BATCH_MAX), slots_used: 0, room: ROOM_MIN }
    }

    /// The datagrams, in the order of their arrival (within one interface).
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Datagram<'_>> {
        self.received.iter().map(|received| {
            let start = received.slot * DATAGRAM_MAX;
            Datagram {
                interface: &received.interface,
                source: received.source,
                destination: received.destination,
                payload: &self.buffers[start..start + received.len],
            }
        })
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.received.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.received.is_empty()
    }

    pub(super) fn is_full(&self) -> bool {
        self.slots_used == BATCH_MAX
    }

    pub(super) fn clear(&mut self) {
        self.received.clear();
        self.slots_used = 0;
    }

    /// Receives what is there, into the slots that are free; the batch is not full. The socket does not block.
    pub(super) fn receive_from(&mut self, socket: &OwnedFd, origin: Origin<'_>) -> io::Result<Losses> {
        let first_slot = self.slots_used;
        let free = self.buffers.chunks_mut(DATAGRAM_MAX).skip(first_slot).take(self.room);
        let mut slices: Vec<[IoSliceMut<'_>; 1]> = free.map(|buffer| [IoSliceMut::new(buffer)]).collect();
        let room = slices.len();
        // Made anew for each call: the kernel shortens the lengths in it to what each message brought, which
        // would cut the next call's control messages.
        let control = nix::cmsg_space!(libc::in_pktinfo, u32);
        let mut headers = MultiHeaders::<SockaddrIn>::preallocate(slices.len(), Some(control));
        let mut losses = Losses::default();
        let flags = MsgFlags::MSG_DONTWAIT;
        let messages = recvmmsg(socket.as_raw_fd(), &mut headers, slices.iter_mut(), flags, None)?;
        for (offset, message) in messages.enumerate() {
            self.slots_used = first_slot + offset + 1;
            let (packet_info, overflows) = control_messages(&message);
            losses.queue_overflows = overflows.or(losses.queue_overflows);
            if message.flags.contains(MsgFlags::MSG_TRUNC) {
                losses.too_long += 1;
                continue;
            }
            let placed = packet_info.zip(message.address).and_then(|((index, destination), source)| {
                let interface = match origin {
                    Origin::Interface(interface) => interface,
                    Origin::Any(table) => table.get(index)?,
                };
                Some(Received {
                    interface: Arc::clone(interface),
                    source: (source.ip(), source.port()),
                    destination,
                    slot: first_slot + offset,
                    len: message.bytes,
                })
            });
            match placed {
                Some(received) => self.received.push(received),
                None => losses.unplaced += 1,
            }
        }
        let brought = self.slots_used - first_slot;
        losses.emptied = brought < room;
        self.room = (2 * brought).clamp(ROOM_MIN, BATCH_MAX);
        Ok(losses)
    }
}

impl Datagram<'_> {
    /// The source of a reply to this datagram. What was sent to an address of ours is answered from it: a
    /// relay or a firewall on the way may know no other. Else `server_identifier`; the sender checks that it
    /// is ours (RFC 5107 makes it a relay's).
    #[must_use]
    pub fn reply_source(&self, server_identifier: Ipv4Addr) -> Ipv4Addr {
        let broadcast = self.destination.is_broadcast()
            || self.interface.addresses.iter().any(|net| net.broadcast() == self.destination && net.prefix_len() < 31);
        if broadcast { server_identifier } else { self.destination }
    }
}

/// Interface index and destination, and the queue's losses so far.
fn control_messages(message: &RecvMsg<'_, '_, SockaddrIn>) -> (Option<(u32, Ipv4Addr)>, Option<u32>) {
    let mut info = None;
    let mut overflows = None;
    for control in message.cmsgs().into_iter().flatten() {
        match control {
            ControlMessageOwned::Ipv4PacketInfo(found) => {
                let destination = Ipv4Addr::from(u32::from_be(found.ipi_addr.s_addr));
                info = u32::try_from(found.ipi_ifindex).ok().map(|index| (index, destination));
            }
            ControlMessageOwned::RxqOvfl(count) => overflows = Some(count),
            _ => {}
        }
    }
    (info, overflows)
}
