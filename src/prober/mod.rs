//! Asks whether somebody uses an address, for the engine that would offer it: by ARP on a link, by ICMP echo elsewhere.
//!
//! One packet socket for all links and one raw ICMP socket, opened when they are needed first; no thread and no task. The
//! engine keeps the time and limits how many are asked for at once; here it is only sent, sent once more half-way, since
//! a frame can get lost (and many routers lose the first datagram to a neighbour they do not know yet), and heard.

use std::collections::{BTreeSet, HashMap};
use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::time::Duration;

use dhcp::identity::HardwareAddress;
use dhcp::probing::{ProbeHow, ProbeId, ProbeOutcome};
use nix::sys::socket::{LinkAddr, MsgFlags, SockaddrIn, recvfrom, sendto};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};
use tracing::{debug, warn};

use crate::core::pipeline::Probe;
use crate::dhcp_sockets::{AsyncSocket, InterfaceTable, LinkKind, SocketError, open_arp_listener, open_echo_socket};
use crate::quiet::Quiet;

mod packet;

/// Datagrams read in one go, so that a storm of ARP does not hold up the clients.
const READS_PER_TURN: usize = 256;

/// For how much longer than the engine waits an answer is still read: it decides whether that comes too late.
const LATE: Duration = Duration::from_secs(1);

/// What came of one probe.
pub type ProbeResult = (ProbeId, ProbeOutcome);

/// See the module.
#[derive(Debug)]
pub struct Prober {
    interfaces: watch::Receiver<Arc<InterfaceTable>>,
    arp: Option<AsyncSocket>,
    echo: Option<AsyncSocket>,
    /// Of our echo requests.
    echo_id: u16,
    asked: HashMap<Ipv4Addr, Asked>,
    /// When something is to be done about an address: it is asked for once more, or forgotten.
    agenda: BTreeSet<(Instant, Ipv4Addr)>,
    /// Could not be asked.
    unable: Vec<ProbeId>,
    quiet: Quiet,
}

/// An address that is asked for.
#[derive(Clone, Copy, Debug)]
struct Asked {
    id: ProbeId,
    by: By,
    /// Its place in the agenda.
    next: Instant,
    until: Instant,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum By {
    /// On the link of this interface.
    Arp(u32),
    Echo,
}

impl Prober {
    /// Opens nothing yet. `echo_id` tells answers to us from those to others: any number.
    #[must_use]
    pub fn new(interfaces: watch::Receiver<Arc<InterfaceTable>>, echo_id: u16) -> Self {
        Self {
            interfaces,
            arp: None,
            echo: None,
            echo_id,
            asked: HashMap::new(),
            agenda: BTreeSet::new(),
            unable: Vec::new(),
            quiet: Quiet::default(),
        }
    }

    /// Asks for an address. Must be called within a runtime. What cannot be asked for is a result at once.
    pub fn ask(&mut self, probe: &Probe) {
        let request = probe.request;
        let ethernet = self
            .interfaces
            .borrow()
            .get(probe.link.index)
            .is_some_and(|info| matches!(info.kind, LinkKind::Ethernet(_)) && info.link_address().is_some());
        let by = match request.how {
            ProbeHow::Arp if ethernet => By::Arp(probe.link.index),
            ProbeHow::Arp | ProbeHow::Icmp => By::Echo,
        };
        self.forget(request.address);
        if let Err(error) = self.send(by, request.address, request.id) {
            if let Some(kept_back) = self.quiet.may_tell() {
                let (address, error) = (request.address, crate::words(&error));
                warn!("cannot ask whether somebody uses {address}, so it is offered unasked: {error}{kept_back}");
            }
            self.unable.push(request.id);
            return;
        }
        let now = Instant::now();
        let timeout = Duration::from_millis(request.timeout_ms.into());
        let (next, until) = (now + timeout / 2, now + timeout + LATE);
        self.asked.insert(request.address, Asked { id: request.id, by, next, until });
        self.agenda.insert((next, request.address));
    }

    /// Waits until something came of a probe: at least one result is added. Cancel safe.
    pub async fn heard(&mut self, results: &mut Vec<ProbeResult>) {
        loop {
            let all = self.try_heard(results);
            if !results.is_empty() {
                return;
            }
            if !all {
                tokio::task::yield_now().await;
                continue;
            }
            self.turn(Instant::now());
            let Some(next) = self.agenda.first().map(|(at, _)| *at) else { return std::future::pending().await };
            tokio::select! {
                () = sleep_until(next) => {}
                () = readable(self.arp.as_ref()) => {}
                () = readable(self.echo.as_ref()) => {}
            }
        }
    }

    /// Adds what came of probes by now. Returns whether that is all.
    pub fn try_heard(&mut self, results: &mut Vec<ProbeResult>) -> bool {
        results.extend(self.unable.drain(..).map(|id| (id, ProbeOutcome::Unknown)));
        if self.asked.is_empty() {
            return true;
        }
        let mut buffer = [0; 2048];
        for _ in 0..READS_PER_TURN {
            let (arp, echo) = (self.read_arp(&mut buffer), self.read_echo(&mut buffer));
            for (address, by, hardware) in [arp, echo].into_iter().flatten().flatten() {
                if let Some(asked) = self.asked.get(&address).filter(|asked| asked.by == by) {
                    debug!(target: "dhcp", %address, ?hardware, "somebody answers for an address that was to be offered");
                    results.push((asked.id, ProbeOutcome::Taken(hardware)));
                }
            }
            if arp.is_none() && echo.is_none() {
                return true;
            }
        }
        false
    }

    /// `None`: there is nothing more to read. Else who told by what that he has which address, when it is told.
    fn read_arp(&self, buffer: &mut [u8]) -> Option<Option<(Ipv4Addr, By, Option<HardwareAddress>)>> {
        let socket = self.arp.as_ref()?.get_ref().as_raw_fd();
        let (len, from) = recvfrom::<LinkAddr>(socket, buffer).ok()?;
        let read = || {
            let (address, hardware) = packet::read_arp(buffer.get(..len)?)?;
            let index = u32::try_from(from?.ifindex()).ok()?;
            Some((address, By::Arp(index), Some(hardware)))
        };
        Some(read())
    }

    fn read_echo(&self, buffer: &mut [u8]) -> Option<Option<(Ipv4Addr, By, Option<HardwareAddress>)>> {
        let socket = self.echo.as_ref()?.get_ref().as_raw_fd();
        let (len, _) = recvfrom::<SockaddrIn>(socket, buffer).ok()?;
        let read = || Some((packet::read_echo_reply(buffer.get(..len)?, self.echo_id)?, By::Echo, None));
        Some(read())
    }

    /// Asks once more for what nobody answered for half the time, and forgets what nobody waits for any more.
    fn turn(&mut self, now: Instant) {
        while let Some((_, address)) = self.agenda.first().copied().filter(|(at, _)| *at <= now) {
            let Some(asked) = self.forget(address).filter(|asked| asked.next < asked.until) else { continue };
            // The first could be sent, which is enough.
            let _ = self.send(asked.by, address, asked.id);
            self.agenda.insert((asked.until, address));
            self.asked.insert(address, Asked { next: asked.until, ..asked });
        }
    }

    fn forget(&mut self, address: Ipv4Addr) -> Option<Asked> {
        let asked = self.asked.remove(&address)?;
        self.agenda.remove(&(asked.next, address));
        Some(asked)
    }

    fn send(&mut self, by: By, address: Ipv4Addr, id: ProbeId) -> Result<(), SocketError> {
        let failed = |error: nix::Error| SocketError::system("send a probe", io::Error::from(error));
        match by {
            By::Arp(index) => {
                let table = self.interfaces.borrow().clone();
                let info = table.get(index);
                let (Some(LinkKind::Ethernet(own)), Some(link)) =
                    (info.map(|info| info.kind), info.and_then(|info| info.link_address()))
                else {
                    return Err(failed(nix::Error::ENODEV));
                };
                let socket = self.arp_socket()?;
                let frame = packet::build_arp_probe(own, address);
                sendto(socket, &frame, link, MsgFlags::MSG_DONTWAIT).map_err(failed)?;
            }
            By::Echo => {
                let echo = packet::build_echo(self.echo_id, (id.0 & 0xffff) as u16);
                let to = SockaddrIn::from(SocketAddrV4::new(address, 0));
                let socket = self.echo_socket()?;
                sendto(socket, &echo, &to, MsgFlags::MSG_DONTWAIT).map_err(failed)?;
            }
        }
        Ok(())
    }

    fn arp_socket(&mut self) -> Result<i32, SocketError> {
        if self.arp.is_none() {
            self.arp = Some(open_arp_listener("ask links whether an address is used")?);
        }
        self.drain_if_idle();
        Ok(self.arp.as_ref().map_or(-1, |socket| socket.get_ref().as_raw_fd()))
    }

    fn echo_socket(&mut self) -> Result<i32, SocketError> {
        if self.echo.is_none() {
            self.echo = Some(open_echo_socket("ask by ICMP echo whether an address is used")?);
        }
        self.drain_if_idle();
        Ok(self.echo.as_ref().map_or(-1, |socket| socket.get_ref().as_raw_fd()))
    }

    /// While nothing is asked for nobody reads, and the queues fill with the links' ARP: old news, which would leave no
    /// room for the answer. As much as the kernel keeps for a socket is soon read.
    fn drain_if_idle(&mut self) {
        const QUEUED_MAX: usize = 16_384;
        if self.asked.is_empty() {
            let mut buffer = [0; 64];
            for _ in 0..QUEUED_MAX {
                if self.read_arp(&mut buffer).is_none() && self.read_echo(&mut buffer).is_none() {
                    break;
                }
            }
        }
    }
}

/// Ready when the socket has something to read; never without one.
async fn readable(socket: Option<&AsyncSocket>) {
    let Some(socket) = socket else { return std::future::pending().await };
    match socket.readable().await {
        // Everything is read before it is waited for again.
        Ok(mut ready) => ready.clear_ready(),
        Err(_) => std::future::pending().await,
    }
}
