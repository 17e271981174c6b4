//! Replies on their way out: which socket, which source, and what becomes of a reply that cannot leave.
//!
//! A reply is sent at once, from the caller's thread. When a socket's queue is full (EAGAIN) it waits in a
//! backlog of at most [`BACKLOG_MAX`] replies, each for at most [`PATIENCE`]; past either limit it is
//! dropped, counted and told, for the client asks again anyway (RFC 2131 section 4.1). No failure is fatal.

use std::io::{self, IoSlice};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::ops::Range;
use std::os::fd::AsRawFd;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use dhcp::destination::{Destination, SERVER_PORT};
use nix::libc;
use nix::sys::socket::{ControlMessage, LinkAddr, MsgFlags, MultiHeaders, SockaddrIn, SockaddrLike, sendmmsg, sendmsg};
use tokio::sync::mpsc;

use super::counters::{Counters, SendFailure, Teller};
use super::frame::{Ends, FRAME_HEADERS, append_datagram, append_frame};
use super::interfaces::{InterfaceInfo, LinkKind};
use super::port::{AsyncSocket, writable};
use super::routes::Routes;
use super::segments::{SEGMENTS_MIN, alike, send_segments};
use super::{Links, Ports, Way};

/// The most replies that wait for a full socket.
pub const BACKLOG_MAX: usize = 1024;

/// How long a reply waits for a full socket.
const PATIENCE: Duration = Duration::from_secs(1);

/// One reply, ready as bytes.
#[derive(Clone, Copy, Debug)]
pub struct Outgoing<'a> {
    /// The UDP payload.
    pub payload: &'a [u8],
    /// Where it goes (RFC 2131 section 4.1).
    pub destination: Destination,
    /// Index of the interface that the request came by.
    pub interface: u32,
    /// The source it should have ([`super::Datagram::reply_source`]). When that is not an address of this
    /// machine, the interface's first address is taken.
    pub source: Ipv4Addr,
}

/// Sends replies. Cheap to clone, and usable from any thread while another receives.
#[derive(Clone, Debug)]
pub struct DhcpSender {
    links: Arc<ArcSwap<Links>>,
    counters: Arc<Counters>,
    teller: Arc<Teller>,
    backlog: mpsc::Sender<Waiting>,
    routes: Arc<Mutex<Routes>>,
}

/// A reply with everything decided. Its bytes stand among those of its batch.
#[derive(Clone, Debug)]
struct Transmit<'a> {
    socket: &'a Arc<AsyncSocket>,
    bytes: Range<usize>,
    to: To,
}

/// A reply that waits for a full socket.
#[derive(Debug)]
struct Waiting {
    socket: Arc<AsyncSocket>,
    bytes: Vec<u8>,
    to: To,
}

#[derive(Clone, Copy, Debug)]
enum To {
    /// From this source, which may be what the kernel's routes depend on; the interface is the socket's own, or left to
    /// the routes.
    Udp { address: SocketAddrV4, source: Ipv4Addr },
    /// A whole frame by this link.
    Link(LinkAddr),
}

impl DhcpSender {
    /// Must be called within a runtime: the backlog is a task, which ends with the last sender.
    pub(super) fn new(links: Arc<ArcSwap<Links>>, counters: Arc<Counters>) -> Self {
        let (backlog, waiting) = mpsc::channel(BACKLOG_MAX);
        let teller = Arc::new(Teller::default());
        tokio::spawn(send_waiting(waiting, Arc::clone(&counters), Arc::clone(&teller)));
        Self { links, counters, teller, backlog, routes: Arc::default() }
    }

    /// Sends `replies`, each by its own way; those that go the same way leave together. What fails is counted and told.
    pub fn send(&self, replies: &[Outgoing<'_>]) {
        let links = self.links.load();
        let mut in_order: Vec<&Outgoing<'_>> = replies.iter().collect();
        if replies.len() >= SEGMENTS_MIN {
            in_order.sort_by_key(|reply| alike(reply));
            in_order = self.send_crowds(&links, &in_order);
        }
        self.send_each(&links, &in_order);
    }

    /// Sends those of which many go to one relay; returns the others.
    fn send_crowds<'r, 'p>(&self, links: &Links, in_order: &[&'r Outgoing<'p>]) -> Vec<&'r Outgoing<'p>> {
        let mut others = Vec::new();
        for run in in_order.chunk_by(|one, other| alike(one) == alike(other)) {
            let sent = match ends(links, run) {
                Some(ends) if run.len() >= SEGMENTS_MIN => {
                    let mut routes = self.routes.lock().unwrap_or_else(PoisonError::into_inner);
                    send_segments(links, &mut routes, run, ends)
                }
                _ => 0,
            };
            self.counters.sent.add(sent as u64);
            others.extend_from_slice(&run[sent..]);
        }
        others
    }

    /// Those in a row that go the same way leave by one system call.
    fn send_each(&self, links: &Links, replies: &[&Outgoing<'_>]) {
        let payloads: usize = replies.iter().map(|reply| reply.payload.len()).sum();
        let mut bytes = Vec::with_capacity(payloads + replies.len() * FRAME_HEADERS);
        let mut transmits = Vec::with_capacity(replies.len());
        for reply in replies {
            match prepare(links, reply, &mut bytes) {
                Ok(transmit) => transmits.push(transmit),
                Err(failure) => self.fail(&failure),
            }
        }
        let mut rest = &transmits[..];
        while let Some(first) = rest.first() {
            let (alike, others) = rest.split_at(rest.iter().take_while(|other| other.goes_with(first)).count());
            self.send_alike(alike, &bytes);
            rest = others;
        }
    }

    /// Sends what goes the same way. A reply that fails keeps none behind it.
    fn send_alike(&self, mut rest: &[Transmit<'_>], bytes: &[u8]) {
        while let Some((_, others)) = rest.split_first() {
            match transmit(rest, bytes) {
                Ok(sent) => {
                    self.counters.sent.add(sent as u64);
                    rest = &rest[sent.max(1)..];
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    rest.iter().for_each(|transmit| self.keep(transmit, bytes));
                    return;
                }
                Err(error) => {
                    self.fail(&SendFailure::System(error));
                    rest = others;
                }
            }
        }
    }

    /// Lets a reply wait for its socket.
    fn keep(&self, transmit: &Transmit<'_>, bytes: &[u8]) {
        let Transmit { socket, bytes: range, to } = transmit;
        let waiting = Waiting { socket: Arc::clone(socket), bytes: bytes[range.clone()].to_vec(), to: *to };
        match self.backlog.try_send(waiting) {
            Ok(()) => self.counters.sent.increment(),
            Err(_) => self.fail(&SendFailure::QueueFull),
        }
    }

    fn fail(&self, failure: &SendFailure) {
        fail(&self.counters, &self.teller, failure);
    }
}

fn fail(counters: &Counters, teller: &Teller, failure: &SendFailure) {
    counters.send_failures.increment();
    teller.tell(failure);
}

/// Decides way and source, and appends what is to leave to `bytes`. Pure but for the links' state.
fn prepare<'a>(links: &'a Links, reply: &Outgoing<'_>, bytes: &mut Vec<u8>) -> Result<Transmit<'a>, SendFailure> {
    let interface = links.table.get(reply.interface).ok_or(SendFailure::InterfaceGone(reply.interface))?;
    let source = choose_source(links, interface, reply.source)?;
    let ports = links.ports;
    match reply.destination {
        Destination::Relay { address, port } => {
            routed(links, source, (address, ports.of_relay(port)), reply.payload, bytes)
        }
        Destination::Client(address) => routed(links, source, (address, ports.client), reply.payload, bytes),
        Destination::Broadcast => broadcast(links, interface, source, reply.payload, bytes),
        Destination::Frame { yiaddr, hardware } => {
            let ends = Ends { source: (source, ports.server), destination: (yiaddr, ports.client) };
            let chaddr: Result<[u8; 6], _> = hardware.as_bytes().try_into();
            match (&links.way, interface.kind, interface.link_address, chaddr) {
                (Way::Interfaces { frames, .. }, LinkKind::Ethernet(own), Some(link), Ok(chaddr))
                    if hardware.htype == 1 =>
                {
                    let start = bytes.len();
                    append_frame(own, chaddr, ends, reply.payload, bytes).ok_or(SendFailure::TooLong)?;
                    Ok(Transmit { socket: frames, bytes: start..bytes.len(), to: To::Link(link) })
                }
                // RFC 2131 section 4.1: "If unicasting is not possible, the message MAY be sent as an IP
                // broadcast using an IP broadcast address as the IP destination".
                _ => broadcast(links, interface, source, reply.payload, bytes),
            }
        }
    }
}

/// Source and destination of replies to one relay; `None` for others.
fn ends(links: &Links, alike: &[&Outgoing<'_>]) -> Option<(Ipv4Addr, SocketAddrV4)> {
    let reply = alike.first()?;
    let Destination::Relay { address, port } = reply.destination else { return None };
    let source = choose_source(links, links.table.get(reply.interface)?, reply.source).ok()?;
    Some((source, SocketAddrV4::new(address, links.ports.of_relay(port))))
}

impl Ports {
    /// A relay with a port of its own has said so (RFC 8357); all others listen where relays do here.
    fn of_relay(self, port: u16) -> u16 {
        if port == SERVER_PORT { self.relay } else { port }
    }
}

fn choose_source(links: &Links, interface: &InterfaceInfo, wanted: Ipv4Addr) -> Result<Ipv4Addr, SendFailure> {
    match &links.way {
        // The socket can have no other source, and the receiver was told to expect none.
        Way::Address { address, .. } => Ok(*address),
        Way::Interfaces { .. } if links.table.is_ours(wanted) => Ok(wanted),
        Way::Interfaces { .. } => {
            interface.first_address().ok_or_else(|| SendFailure::NoSource(interface.name.clone()))
        }
        Way::Closed => Err(SendFailure::NoLink(interface.name.clone())),
    }
}

/// To where the kernel's routes lead: back by another interface when the way there does.
fn routed<'a>(
    links: &'a Links,
    source: Ipv4Addr,
    to: (Ipv4Addr, u16),
    payload: &[u8],
    bytes: &mut Vec<u8>,
) -> Result<Transmit<'a>, SendFailure> {
    let (start, address) = (bytes.len(), SocketAddrV4::new(to.0, to.1));
    match &links.way {
        Way::Address { socket, .. } => {
            bytes.extend_from_slice(payload);
            Ok(Transmit { socket, bytes: start..bytes.len(), to: To::Udp { address, source } })
        }
        Way::Interfaces { datagrams, .. } => {
            let ends = Ends { source: (source, links.ports.server), destination: to };
            append_datagram(ends, payload, bytes).ok_or(SendFailure::TooLong)?;
            Ok(Transmit { socket: datagrams, bytes: start..bytes.len(), to: To::Udp { address, source } })
        }
        Way::Closed => Err(SendFailure::NoSource(source.to_string())),
    }
}

/// To 255.255.255.255 on the link of `interface`.
fn broadcast<'a>(
    links: &'a Links,
    interface: &InterfaceInfo,
    source: Ipv4Addr,
    payload: &[u8],
    bytes: &mut Vec<u8>,
) -> Result<Transmit<'a>, SendFailure> {
    let Way::Interfaces { sockets, .. } = &links.way else {
        return Err(SendFailure::NoLink(interface.name.clone()));
    };
    let socket = sockets.get(&interface.index).ok_or(SendFailure::InterfaceGone(interface.index))?;
    let address = SocketAddrV4::new(Ipv4Addr::BROADCAST, links.ports.client);
    let start = bytes.len();
    bytes.extend_from_slice(payload);
    Ok(Transmit { socket, bytes: start..bytes.len(), to: To::Udp { address, source } })
}

impl Transmit<'_> {
    /// Whether both may leave by one call: of the same socket, and from the same source, which is said once.
    fn goes_with(&self, other: &Self) -> bool {
        let source = |to| match to {
            To::Udp { source, .. } => Some(source),
            To::Link(_) => None,
        };
        Arc::ptr_eq(self.socket, other.socket) && source(self.to) == source(other.to)
    }
}

impl Waiting {
    async fn wait_and_send(&self) -> io::Result<()> {
        let transmits = [Transmit { socket: &self.socket, bytes: 0..self.bytes.len(), to: self.to }];
        loop {
            writable(&self.socket).await?;
            match transmit(&transmits, &self.bytes) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                result => return result.map(drop),
            }
        }
    }
}

/// Hands replies that go the same way to the kernel, without waiting: how many of them it took, at least one.
fn transmit(alike: &[Transmit<'_>], bytes: &[u8]) -> io::Result<usize> {
    let udp = |to| match to {
        To::Udp { address, .. } => Some(SockaddrIn::from(address)),
        To::Link(_) => None,
    };
    let link = |to| match to {
        To::Link(link) => Some(link),
        To::Udp { .. } => None,
    };
    match alike.first().map(|first| first.to) {
        None => Ok(0),
        Some(To::Udp { source, .. }) => send_many(alike, bytes, udp, Some(source)),
        Some(To::Link(_)) => send_many(alike, bytes, link, None),
    }
}

/// One system call for all of them, at the socket of the first; `source` is told to it.
fn send_many<S: SockaddrLike + Copy>(
    alike: &[Transmit<'_>],
    bytes: &[u8],
    address: impl Fn(To) -> Option<S>,
    source: Option<Ipv4Addr>,
) -> io::Result<usize> {
    let Some(first) = alike.first() else { return Ok(0) };
    if alike.len() == 1 {
        return send_one(first, bytes, address(first.to), source);
    }
    let slices: Vec<[IoSlice<'_>; 1]> =
        alike.iter().map(|transmit| [IoSlice::new(&bytes[transmit.bytes.clone()])]).collect();
    let addresses: Vec<Option<S>> = alike.iter().map(|transmit| address(transmit.to)).collect();
    let info = source.map(packet_info);
    let control: Vec<ControlMessage<'_>> = info.iter().map(ControlMessage::Ipv4PacketInfo).collect();
    let space = info.map(|_| nix::cmsg_space!(libc::in_pktinfo));
    let mut headers = MultiHeaders::<S>::preallocate(alike.len(), space);
    let (socket, flags) = (first.socket.get_ref().as_raw_fd(), MsgFlags::MSG_DONTWAIT);
    Ok(sendmmsg(socket, &mut headers, &slices, &addresses, &control, flags)?.count())
}

/// The same for one alone, whose client nobody else keeps waiting: it needs no lists.
fn send_one<S: SockaddrLike>(
    transmit: &Transmit<'_>,
    bytes: &[u8],
    address: Option<S>,
    source: Option<Ipv4Addr>,
) -> io::Result<usize> {
    let slices = [IoSlice::new(&bytes[transmit.bytes.clone()])];
    let info = source.map(packet_info);
    let told = info.as_ref().map(ControlMessage::Ipv4PacketInfo);
    let (socket, flags) = (transmit.socket.get_ref().as_raw_fd(), MsgFlags::MSG_DONTWAIT);
    sendmsg(socket, &slices, told.as_slice(), flags, address.as_ref())?;
    Ok(1)
}

/// Tells a socket the source of what it sends.
pub(super) fn packet_info(source: Ipv4Addr) -> libc::in_pktinfo {
    libc::in_pktinfo {
        ipi_ifindex: 0,
        ipi_spec_dst: libc::in_addr { s_addr: u32::from(source).to_be() },
        ipi_addr: libc::in_addr { s_addr: 0 },
    }
}

async fn send_waiting(mut waiting: mpsc::Receiver<Waiting>, counters: Arc<Counters>, teller: Arc<Teller>) {
    while let Some(reply) = waiting.recv().await {
        let failure = match tokio::time::timeout(PATIENCE, reply.wait_and_send()).await {
            Ok(Ok(())) => continue,
            Ok(Err(error)) => SendFailure::System(error),
            Err(_) => SendFailure::QueueFull,
        };
        fail(&counters, &teller, &failure);
    }
}
