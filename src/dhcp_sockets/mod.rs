//! The DHCP sockets: datagrams in with their interface, replies out with the right source. Linux.
//!
//! # Which sockets, and why
//!
//! **Receiving is the kernel's UDP**, one socket for each served interface, bound to the device
//! (SO_BINDTODEVICE) and to 0.0.0.0. It brings the broadcasts of clients without an address (their source
//! 0.0.0.0 passes rp_filter), what relays send, and unicast renewals; IP_PKTINFO tells the destination.
//! A packet socket would see the same and more, which is the trouble with it: the kernel has already
//! reassembled fragments, verified checksums (and knows when a virtual link left them out), applied the
//! administrator's firewall, handed a bridge port's frames to the bridge and a tagged frame to its VLAN
//! interface (or to nobody, when there is none). So a parent interface does not answer for its VLANs and a
//! bridge port not beside its bridge, by construction; tests hold both. What it costs: a firewall must let
//! UDP port 67 in, and a strict rp_filter hides a client that broadcasts with the address of another network
//! as its source, which is heard once it starts over without one (the loose filter of Debian lets it through
//! where there is a default route).
//!
//! **One socket for each interface**, not one for all: another program may serve port 67 of an interface
//! that we do not serve (libvirt's dnsmasq on virbr0 is the usual one), a flood on one link does not fill
//! the queue of another, and a thread for each link stays possible.
//!
//! **Sending** has three ways. A reply to a relay, or to a client that has its address, goes where the
//! machine's routes lead, which need not be the interface it came by: a raw IP socket sends the finished
//! datagram. A client that cannot answer ARP gets a frame to its hardware address, by a packet socket that
//! receives nothing. A broadcast leaves by the interface's own UDP socket. Both raw sockets need CAP_NET_RAW.
//! Many replies to one relay leave in one piece by the UDP socket of the interface that the routes lead to
//! (`segments.rs`, `routes.rs`).
//!
//! **With `bind_address`**, one UDP socket on that address does all of it, for relayed clients only: no
//! privilege is needed on a port above 1023. Clients on a link cannot be served so. Naming loopback
//! interfaces alone comes to the same, with 127.0.0.1: no client is ever on that link, only relays are.
//!
//! # Interfaces that come and go
//!
//! [`interfaces::InterfaceTable`] follows the machine (`watch.rs`); whenever it changes, the sockets follow
//! it, before the next batch (`follow.rs`). A socket that cannot be opened then is told and tried again.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use arc_swap::ArcSwap;
use ipnet::Ipv4Net;
use tokio::sync::watch as tokio_watch;
use tokio::time::Instant;

mod counters;
mod error;
mod follow;
pub(crate) mod frame;
mod interfaces;
mod port;
mod receive;
mod routes;
mod segments;
mod send;
mod watch;

pub use counters::{Counter, Counters};
pub use error::SocketError;
pub use interfaces::{InterfaceInfo, InterfaceTable, LinkKind, NotServed, WhyNotServed, select_served};
pub use receive::{BATCH_MAX, Batch, DATAGRAM_MAX, Datagram};
pub use send::{BACKLOG_MAX, DhcpSender, Outgoing};

pub(crate) use port::{AsyncSocket, open_arp_listener, open_echo_socket, open_frame_listener};

use follow::names_loopback_alone;
use receive::Origin;

use crate::quiet::Quiet;

/// What to open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SocketSettings {
    /// The server's port: 67.
    pub server_port: u16,
    /// The clients' port: 68.
    pub client_port: u16,
    /// The port of relays that name no port of their own: 67.
    pub relay_port: u16,
    /// Interfaces to serve, by name. Empty: every one but loopback that has an address.
    pub interfaces: Vec<String>,
    /// With no interface named: only those with an address within one of these. Empty: any address.
    pub within: Vec<Ipv4Net>,
    /// With no interface named: these in any case, by name.
    pub besides: Vec<String>,
    /// No DHCP is served at all: no socket is opened, and no privilege needed. The interfaces are followed all the same.
    pub closed: bool,
    /// Unspecified to serve interfaces; else the one address to serve relayed clients on.
    pub bind_address: Ipv4Addr,
}

impl Default for SocketSettings {
    fn default() -> Self {
        Self {
            server_port: 67,
            client_port: 68,
            relay_port: 67,
            interfaces: Vec::new(),
            within: Vec::new(),
            besides: Vec::new(),
            closed: false,
            bind_address: Ipv4Addr::UNSPECIFIED,
        }
    }
}

/// The receiving side. [`DhcpSockets::sender`] gives the sending one.
#[derive(Debug)]
pub struct DhcpSockets {
    settings: SocketSettings,
    table: tokio_watch::Receiver<Arc<InterfaceTable>>,
    links: Arc<ArcSwap<Links>>,
    sender: DhcpSender,
    counters: Arc<Counters>,
    /// Where the next batch starts, so that a busy interface does not keep the others waiting.
    turn: usize,
    /// Told last, so that each is told once.
    not_served: Vec<String>,
    /// The same for sockets that cannot be opened.
    failing: Vec<String>,
    retry_at: Option<Instant>,
    /// The kernel's running count of lost datagrams, by socket.
    overflows: BTreeMap<u32, u32>,
    /// How many of them the log knows of.
    overflows_told: u64,
    overflow_lines: Quiet,
    /// Sockets of interfaces that are to be served by other settings, by index.
    prepared: BTreeMap<u32, Arc<AsyncSocket>>,
    /// Interfaces that new settings serve no more, by name, and until when they are heard.
    draining: Option<(Vec<String>, Instant)>,
}

/// What is open now. Replaced as a whole when interfaces change.
#[derive(Debug)]
struct Links {
    table: Arc<InterfaceTable>,
    served: Vec<Arc<InterfaceInfo>>,
    ports: Ports,
    way: Way,
}

#[derive(Clone, Copy, Debug)]
struct Ports {
    server: u16,
    client: u16,
    relay: u16,
}

#[derive(Debug)]
enum Way {
    Interfaces {
        /// By interface index.
        sockets: BTreeMap<u32, Arc<AsyncSocket>>,
        frames: Arc<AsyncSocket>,
        datagrams: Arc<AsyncSocket>,
    },
    Address {
        address: Ipv4Addr,
        socket: Arc<AsyncSocket>,
    },
    /// No DHCP is served: nothing is opened, nothing is heard.
    Closed,
}

/// A socket that fails this often in one round has to wait until the kernel tells of it again.
const RECEIVE_FAILURES_MAX: u32 = 4;

impl DhcpSockets {
    /// Opens the sockets. Interfaces that are named but cannot be served yet are told in the log and served
    /// once they can be. Must be called within a runtime.
    ///
    /// # Errors
    /// A port that is used, a permission that is missing, or anything else that keeps a socket from opening:
    /// see [`SocketError`].
    pub fn open(settings: SocketSettings) -> Result<Self, SocketError> {
        let table = watch::watch_interfaces().map_err(|error| SocketError::system("list the interfaces", error))?;
        let current = Arc::clone(&table.borrow());
        let bind_address = if names_loopback_alone(&settings, &current) && settings.bind_address.is_unspecified() {
            Ipv4Addr::LOCALHOST
        } else {
            settings.bind_address
        };
        let way = if settings.closed {
            Way::Closed
        } else if bind_address.is_unspecified() {
            Way::Interfaces {
                sockets: BTreeMap::new(),
                frames: Arc::new(port::open_frame_sender()?),
                datagrams: Arc::new(port::open_datagram_sender()?),
            }
        } else {
            let socket = Arc::new(port::open_on_address(bind_address, settings.server_port)?);
            tracing::info!(address = %bind_address, port = settings.server_port, "serving relayed clients");
            Way::Address { address: bind_address, socket }
        };
        let ports = Ports { server: settings.server_port, client: settings.client_port, relay: settings.relay_port };
        let links = Links { table: current, served: Vec::new(), ports, way };
        let links = Arc::new(ArcSwap::from_pointee(links));
        let counters = Arc::new(Counters::default());
        let sender = DhcpSender::new(Arc::clone(&links), Arc::clone(&counters));
        let mut sockets = Self {
            settings,
            table,
            links,
            sender,
            counters,
            turn: 0,
            not_served: Vec::new(),
            failing: Vec::new(),
            retry_at: None,
            overflows: BTreeMap::new(),
            overflows_told: 0,
            overflow_lines: Quiet::default(),
            prepared: BTreeMap::new(),
            draining: None,
        };
        let failures = sockets.follow_interfaces();
        failures.into_iter().next().map_or(Ok(sockets), |(_, error)| Err(error))
    }

    /// The sending side.
    #[must_use]
    pub fn sender(&self) -> DhcpSender {
        self.sender.clone()
    }

    /// What was counted since the sockets were opened.
    #[must_use]
    pub fn counters(&self) -> Arc<Counters> {
        Arc::clone(&self.counters)
    }

    /// All interfaces, as they change.
    #[must_use]
    pub fn interfaces(&self) -> tokio_watch::Receiver<Arc<InterfaceTable>> {
        self.table.clone()
    }

    /// The interfaces that are served now. Empty while one address is bound.
    #[must_use]
    pub fn served(&self) -> Vec<Arc<InterfaceInfo>> {
        self.links.load().served.clone()
    }

    /// Fills `batch` with what is known to be there; whether anything is. Without waiting, and whoever finds nothing has
    /// to wait by [`DhcpSockets::receive`].
    pub fn try_receive(&mut self, batch: &mut Batch) -> bool {
        batch.clear();
        // Interfaces that changed are followed before the next batch.
        if self.retry_at.is_some() || self.draining.is_some() || self.table.has_changed().unwrap_or(false) {
            return false;
        }
        let mut cx = Context::from_waker(Waker::noop());
        let found = poll_batch(&mut cx, &self.links, &mut self.turn, &self.counters, &mut self.overflows, batch);
        self.tell_overflows();
        found.is_ready()
    }

    /// What the kernel lost is told, but not as often as it happens.
    fn tell_overflows(&mut self) {
        let total = self.counters.queue_overflows.get();
        if total > self.overflows_told && self.overflow_lines.may_tell().is_some() {
            let lost = total - self.overflows_told;
            tracing::warn!(
                "DHCP messages came faster than they were taken: the kernel has dropped {lost}, and their clients ask again"
            );
            self.overflows_told = total;
        }
    }

    /// Waits for datagrams and fills `batch` with what is there: one at least, [`BATCH_MAX`] at most.
    /// Cancel safe: what is received is in the batch when this returns, and nothing is before.
    pub async fn receive(&mut self, batch: &mut Batch) {
        batch.clear();
        loop {
            let drained_at = self.draining.as_ref().map(|(_, at)| *at);
            let retry_at = self.retry_at.into_iter().chain(drained_at).min();
            let retry = async move {
                match retry_at {
                    Some(at) => tokio::time::sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            // However much arrives, interfaces are followed before the next batch.
            let is_due = self.table.has_changed().unwrap_or(false) || retry_at.is_some_and(|at| at <= Instant::now());
            if !is_due {
                tokio::select! {
                    biased;
                    () = std::future::poll_fn(|cx| poll_batch(cx, &self.links, &mut self.turn, &self.counters, &mut self.overflows, batch)) => return,
                    changed = self.table.changed() => {
                        if changed.is_err() {
                            // The watcher ends only with the runtime.
                            std::future::pending::<()>().await;
                        }
                    }
                    () = retry => {}
                }
            }
            let failures = self.follow_interfaces();
            self.tell_failures(&failures);
        }
    }
}

/// One round over the sockets, from the one whose turn it is.
fn poll_batch(
    cx: &mut Context<'_>,
    links: &ArcSwap<Links>,
    turn: &mut usize,
    counters: &Counters,
    overflows: &mut BTreeMap<u32, u32>,
    batch: &mut Batch,
) -> Poll<()> {
    let links = links.load();
    match &links.way {
        Way::Address { socket, .. } => {
            poll_socket(cx, (0, socket), Origin::Any(&links.table), counters, overflows, batch);
        }
        Way::Interfaces { sockets, .. } => {
            let count = links.served.len();
            for info in links.served.iter().cycle().skip(*turn % count.max(1)).take(count) {
                if let Some(socket) = sockets.get(&info.index) {
                    poll_socket(cx, (info.index, socket), Origin::Interface(info), counters, overflows, batch);
                }
            }
            *turn = turn.wrapping_add(1);
        }
        Way::Closed => {}
    }
    if !batch.is_empty() {
        return Poll::Ready(());
    }
    if batch.is_full() {
        // Every datagram of a full round was dropped: the sockets may hold more, and no waker waits for it.
        cx.waker().wake_by_ref();
    }
    batch.clear();
    Poll::Pending
}

/// Takes what one socket has. Returns with a waker registered, unless the batch is full.
fn poll_socket(
    cx: &mut Context<'_>,
    (index, socket): (u32, &AsyncSocket),
    origin: Origin<'_>,
    counters: &Counters,
    overflows: &mut BTreeMap<u32, u32>,
    batch: &mut Batch,
) {
    let mut failures = 0;
    while !batch.is_full() {
        let Poll::Ready(Ok(mut ready)) = socket.poll_read_ready(cx) else { return };
        let before = batch.len();
        match ready.try_io(|socket| batch.receive_from(socket.get_ref(), origin)) {
            Ok(Ok(losses)) => {
                counters.received.add((batch.len() - before) as u64);
                counters.too_long.add(losses.too_long);
                counters.unplaced.add(losses.unplaced);
                if let Some(total) = losses.queue_overflows {
                    let known = overflows.insert(index, total).unwrap_or(0);
                    counters.queue_overflows.add(u64::from(total.wrapping_sub(known)));
                }
                // What arrives from now on is told anew: no call has to find out that nothing is left.
                if losses.emptied {
                    ready.clear_ready();
                }
            }
            Ok(Err(error)) => {
                // Such as ENETDOWN: a pending error of the socket, given once. The next call receives.
                counters.receive_failures.increment();
                tracing::debug!(%error, "a receive call failed");
                failures += 1;
                if failures == RECEIVE_FAILURES_MAX {
                    ready.clear_ready();
                }
            }
            // Nothing left: the waker is registered by the next look at the socket.
            Err(_would_block) => {}
        }
    }
}
