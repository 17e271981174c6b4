//! Replies on their way out: which socket, which source, and what becomes of a reply that cannot leave.
//!
//! A reply is sent at once, from the caller's thread. When a socket's queue is full (EAGAIN) it waits in a
//! backlog of at most [`BACKLOG_MAX`] replies, each for at most [`PATIENCE`]; past either limit it is
//! dropped, counted and told, for the client asks again anyway (RFC 2131 section 4.1). No failure is fatal.

use std::io::{self, IoSlice};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use dhcp::destination::{Destination, SERVER_PORT};
use nix::libc;
use nix::sys::socket::{ControlMessage, LinkAddr, MsgFlags, SockaddrIn, sendmsg};
use tokio::sync::mpsc;

use super::counters::{Counters, SendFailure, Teller};
use super::frame::{Ends, build_datagram, build_frame};
use super::interfaces::{InterfaceInfo, LinkKind};
use super::port::AsyncSocket;
use super::{Links, Way};

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
    backlog: mpsc::Sender<Transmit>,
}

/// A reply with everything decided: it can be tried again as it is.
#[derive(Debug)]
struct Transmit {
    socket: Arc<AsyncSocket>,
    bytes: Vec<u8>,
    to: To,
}

#[derive(Clone, Copy, Debug)]
enum To {
    /// By a UDP socket, from this source; the interface is the socket's own, or left to the routes.
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
        Self { links, counters, teller, backlog }
    }

    /// Sends `replies`, each by its own way. What fails is counted and told.
    pub fn send(&self, replies: &[Outgoing<'_>]) {
        let links = self.links.load();
        for reply in replies {
            let result = prepare(&links, reply).and_then(|transmit| match transmit.try_now() {
                Ok(()) => Ok(()),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.backlog.try_send(transmit).map_err(|_| SendFailure::QueueFull)
                }
                Err(error) => Err(SendFailure::System(error)),
            });
            match result {
                Ok(()) => self.counters.sent.increment(),
                Err(failure) => fail(&self.counters, &self.teller, &failure),
            }
        }
    }
}

fn fail(counters: &Counters, teller: &Teller, failure: &SendFailure) {
    counters.send_failures.increment();
    teller.tell(failure);
}

/// Decides way and source. Pure but for the links' state.
fn prepare(links: &Links, reply: &Outgoing<'_>) -> Result<Transmit, SendFailure> {
    let interface = links.table.get(reply.interface).ok_or(SendFailure::InterfaceGone(reply.interface))?;
    let source = choose_source(links, interface, reply.source)?;
    let ports = links.ports;
    match reply.destination {
        Destination::Relay { address, port } => {
            // One with a port of its own has said so (RFC 8357); all others listen where relays do here.
            let port = if port == SERVER_PORT { ports.relay } else { port };
            routed(links, source, (address, port), reply.payload)
        }
        Destination::Client(address) => routed(links, source, (address, ports.client), reply.payload),
        Destination::Broadcast => broadcast(links, interface, source, reply.payload),
        Destination::Frame { yiaddr, hardware } => {
            let ends = Ends { source: (source, ports.server), destination: (yiaddr, ports.client) };
            let chaddr: Result<[u8; 6], _> = hardware.as_bytes().try_into();
            match (&links.way, interface.kind, interface.link_address, chaddr) {
                (Way::Interfaces { frames, .. }, LinkKind::Ethernet(own), Some(link), Ok(chaddr))
                    if hardware.htype == 1 =>
                {
                    let bytes = build_frame(own, chaddr, ends, reply.payload).ok_or(SendFailure::TooLong)?;
                    Ok(Transmit { socket: Arc::clone(frames), bytes, to: To::Link(link) })
                }
                // RFC 2131 section 4.1: "If unicasting is not possible, the message MAY be sent as an IP
                // broadcast using an IP broadcast address as the IP destination".
                _ => broadcast(links, interface, source, reply.payload),
            }
        }
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
    }
}

/// To where the kernel's routes lead: back by another interface when the way there does.
fn routed(links: &Links, source: Ipv4Addr, to: (Ipv4Addr, u16), payload: &[u8]) -> Result<Transmit, SendFailure> {
    let to_udp = To::Udp { address: SocketAddrV4::new(to.0, to.1), source };
    match &links.way {
        Way::Address { socket, .. } => Ok(Transmit { socket: Arc::clone(socket), bytes: payload.to_vec(), to: to_udp }),
        Way::Interfaces { datagrams, .. } => {
            let ends = Ends { source: (source, links.ports.server), destination: to };
            let bytes = build_datagram(ends, payload).ok_or(SendFailure::TooLong)?;
            Ok(Transmit { socket: Arc::clone(datagrams), bytes, to: to_udp })
        }
    }
}

/// To 255.255.255.255 on the link of `interface`.
fn broadcast(
    links: &Links,
    interface: &InterfaceInfo,
    source: Ipv4Addr,
    payload: &[u8],
) -> Result<Transmit, SendFailure> {
    let Way::Interfaces { sockets, .. } = &links.way else {
        return Err(SendFailure::NoLink(interface.name.clone()));
    };
    let socket = sockets.get(&interface.index).ok_or(SendFailure::InterfaceGone(interface.index))?;
    let address = SocketAddrV4::new(Ipv4Addr::BROADCAST, links.ports.client);
    Ok(Transmit { socket: Arc::clone(socket), bytes: payload.to_vec(), to: To::Udp { address, source } })
}

impl Transmit {
    fn try_now(&self) -> io::Result<()> {
        transmit(self.socket.get_ref(), &self.bytes, self.to)
    }

    async fn wait_and_send(&self) -> io::Result<()> {
        loop {
            let mut ready = self.socket.writable().await?;
            if let Ok(result) = ready.try_io(|socket| transmit(socket.get_ref(), &self.bytes, self.to)) {
                return result;
            }
        }
    }
}

fn transmit(socket: &OwnedFd, bytes: &[u8], to: To) -> io::Result<()> {
    let (socket, parts, flags) = (socket.as_raw_fd(), [IoSlice::new(bytes)], MsgFlags::MSG_DONTWAIT);
    match to {
        To::Udp { address, source } => {
            let info = libc::in_pktinfo {
                ipi_ifindex: 0,
                ipi_spec_dst: libc::in_addr { s_addr: u32::from(source).to_be() },
                ipi_addr: libc::in_addr { s_addr: 0 },
            };
            let control = [ControlMessage::Ipv4PacketInfo(&info)];
            sendmsg(socket, &parts, &control, flags, Some(&SockaddrIn::from(address)))?;
        }
        To::Link(link) => {
            sendmsg(socket, &parts, &[], flags, Some(&link))?;
        }
    }
    Ok(())
}

async fn send_waiting(mut waiting: mpsc::Receiver<Transmit>, counters: Arc<Counters>, teller: Arc<Teller>) {
    while let Some(transmit) = waiting.recv().await {
        let failure = match tokio::time::timeout(PATIENCE, transmit.wait_and_send()).await {
            Ok(Ok(())) => continue,
            Ok(Err(error)) => SendFailure::System(error),
            Err(_) => SendFailure::QueueFull,
        };
        fail(&counters, &teller, &failure);
    }
}
