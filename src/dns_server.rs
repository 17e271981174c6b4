//! The edge to those who ask and change names: a DNS server on UDP and TCP.
//!
//! Reading order: `handler` (what is done with a request), `query` (answered from a snapshot of our zones, or
//! through [`forward`]), `update` (RFC 2136, from whoever has a right), `transfer` (AXFR), `notify` (RFC 1996, from primaries), `reply` (EDNS, signing
//! and size of what goes out), `cookies` and `rate` (what keeps others from using us against somebody), `udp` (datagrams,
//! plain questions octets to octets), `tcp` (connections), `secure` and `https` (encrypted ones) and `sockets` (binding); `gauge` (how it stands).
//!
//! hickory-server parses requests and encodes replies; its zone stores are not used. Datagrams and TCP are read here: it
//! makes a task of each datagram, and bounds neither the number of connections nor what it queues for one.
//!
//! Architecture Invariant: a query for our zones never waits: neither for an update, nor for the store, nor for
//! another server.

mod cookies;
mod counts;
pub mod forward;
mod gauge;
mod handler;
mod https;
mod notify;
mod query;
mod rate;
mod reload;
mod reply;
mod secure;
mod shares;
mod sockets;
mod tcp;
mod tkey;
mod transfer;
mod udp;
mod update;

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::{ArcSwap, ArcSwapOption};
use dns::{Fqdn, TsigKey};
use ipnet::IpNet;
use resolve::{Transport, Upstream};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;
use zones::{Askers, ZoneSet};

pub use self::cookies::CookieMode;
pub use self::counts::DnsCounts;
use self::forward::{ForwardCounts, ForwardCountsNow, Forwarder, Forwarding};
pub use self::gauge::DnsGauge;
use self::handler::{Handler, Live};
pub use self::notify::{Board, CopyRights, Notice};
pub use self::rate::AnswerLimits;
pub use self::reload::{Changed, PreparedSockets};
pub use self::secure::Encrypted;
pub use self::sockets::BindError;
pub use self::tcp::ConnectionLimits;
pub use self::transfer::{TransferAccess, TransferSettings, ZonePast};
pub use self::update::{By, UpdateRequest, UpdateRights, ZoneWriter, zone_writer};
use crate::kerberos::Acceptor;
use crate::tls::TlsFault;

/// How long it is waited for sockets to be closed: whoever is dropped has nothing to wait for.
const CLOSED_WITHIN: Duration = Duration::from_secs(2);

/// What the server needs.
pub struct DnsServerSettings {
    /// Where to listen, UDP and TCP. An address of its own for each socket, so that a reply comes from the address
    /// that was asked. Port 0 takes any free one, the same for both.
    pub listen: Vec<SocketAddr>,
    /// The published zones; swapped by whoever stores them.
    pub snapshot: Arc<ArcSwap<ZoneSet>>,
    /// Where updates go.
    pub writer: ZoneWriter,
    /// Whose signatures are known.
    pub keys: Vec<Arc<TsigKey>>,
    /// Who may transfer which zone. What keys may update is the writer's to decide.
    pub transfers: TransferSettings,
    /// Who may update a zone, by its apex; a zone that is not here nobody may.
    pub rights: HashMap<Fqdn, Arc<UpdateRights>>,
    /// Who may say what of the zones that are copies of other servers', by apex.
    pub copies: HashMap<Fqdn, Vec<CopyRights>>,
    /// Where it is left that such a zone has changed.
    pub notices: Arc<Board>,
    /// The keys of our services in a Kerberos realm, whose clients' tickets sign updates; none: tickets are not taken.
    pub gss_keytab: Option<PathBuf>,
    /// For whom names outside our zones are forwarded: the daemon's own subnets and loopback.
    pub forward_for: Vec<IpNet>,
    /// Who of those may not ask for them.
    pub forward_not_for: Askers,
    /// Where to; none: such names are refused for everybody.
    pub upstreams: Vec<Upstream>,
    /// How; by what else than the general upstreams.
    pub forwarding: Forwarding,
    /// What keeps others from using us against somebody, and from using us up.
    pub protection: Protection,
    /// Where it is served by TLS and HTTPS too; none: nowhere.
    pub encrypted: Option<Encrypted>,
}

/// What keeps others from using the server against somebody, and from using it up.
#[derive(Clone, Debug, Default)]
pub struct Protection {
    /// Cookies (RFC 7873).
    pub cookies: CookieMode,
    /// How many answers go to a prefix by datagram. Those for whom names are forwarded are exempt by themselves.
    pub answers: AnswerLimits,
    /// How many questions about names of others are answered to one asker by datagram.
    pub askers: AnswerLimits,
    /// Connections.
    pub connections: ConnectionLimits,
}

/// A running server. Dropping it stops it at once; [`DnsServerHandle::shutdown`] waits for its sockets.
pub struct DnsServerHandle {
    handler: Live,
    /// A task for each socket.
    serving: JoinSet<()>,
    /// Where those of datagrams run.
    threads: udp::Threads,
    /// Held by each socket of datagrams while it is open; and what tells when none is.
    held: (mpsc::Sender<()>, mpsc::Receiver<()>),
    slots: tcp::Slots,
    /// What ends the sockets of an address.
    closers: BTreeMap<SocketAddr, watch::Sender<bool>>,
    cookies: (CookieMode, Arc<cookies::CookieKeeper>),
    keytab: Option<PathBuf>,
    forwarder: Arc<ArcSwapOption<Forwarder>>,
    forward_counts: Arc<ForwardCounts>,
    forwarding: Forwarding,
    /// Where questions to others are on their way.
    runtime: Handle,
    local_addrs: Vec<SocketAddr>,
    secure: Option<secure::Secure>,
    counts: Arc<counts::Counts>,
    /// What ends the sockets of TLS and HTTPS.
    encrypted_closer: watch::Sender<bool>,
    encrypted_addrs: Vec<(Transport, SocketAddr)>,
}

/// Why the server does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// An address.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The certificate.
    #[error(transparent)]
    Tls(#[from] TlsFault),
}

/// The DNS server.
pub struct DnsServer;

impl DnsServer {
    /// Binds every address and starts to answer. Needs a tokio runtime.
    ///
    /// # Errors
    /// [`StartError`]: the first address that cannot be had, or a certificate that cannot be shown; nothing is left running
    /// then.
    pub fn start(settings: DnsServerSettings) -> Result<DnsServerHandle, StartError> {
        let bound = settings.listen.iter().map(|address| sockets::bind(*address)).collect::<Result<Vec<_>, _>>()?;
        let secure = settings.encrypted.as_ref().map(secure::Secure::new).transpose()?;
        let forward_counts = Arc::<ForwardCounts>::default();
        let forwarder = Forwarder::new(&settings.upstreams, &settings.forwarding, &forward_counts);
        let forwarder = Arc::new(ArcSwapOption::from(forwarder.map(Arc::new)));
        let Protection { cookies: cookie_mode, mut answers, askers, connections } = settings.protection;
        answers.exempt.extend(&settings.forward_for);
        let cookies = cookies::CookieKeeper::new(cookie_mode);
        let counts = Arc::<counts::Counts>::default();
        let handler = Handler::new(handler::Parts {
            snapshot: settings.snapshot,
            writer: settings.writer,
            keys: settings.keys,
            transfers: transfer::Transfers::new(settings.transfers),
            rights: settings.rights,
            copies: settings.copies,
            notices: settings.notices,
            acceptor: settings.gss_keytab.as_deref().and_then(acceptor),
            forward_for: settings.forward_for,
            forward_not_for: settings.forward_not_for,
            forwarder: Arc::clone(&forwarder),
            cookies: Arc::clone(&cookies),
            limiter: rate::RateLimiter::new(answers),
            askers: rate::RateLimiter::new(askers),
            counts: Arc::clone(&counts),
            started: Instant::now(),
        });
        let mut server = DnsServerHandle {
            handler: Arc::new(ArcSwap::from_pointee(handler)),
            serving: JoinSet::new(),
            threads: udp::Threads::default(),
            held: mpsc::channel(1),
            slots: tcp::Slots::new(connections),
            closers: BTreeMap::new(),
            cookies: (cookie_mode, Arc::clone(&cookies)),
            keytab: settings.gss_keytab,
            forwarder,
            forward_counts,
            forwarding: settings.forwarding,
            runtime: Handle::current(),
            local_addrs: Vec::new(),
            secure,
            counts,
            encrypted_closer: watch::Sender::new(false),
            encrypted_addrs: Vec::new(),
        };
        server.serving.spawn(cookies.keep());
        for pair in bound {
            server.serve(pair);
        }
        if let Some(encrypted) = &settings.encrypted {
            server.serving.spawn(encrypted.identity.follow());
            for (transport, list) in [(Transport::Tls, &encrypted.tls), (Transport::Https, &encrypted.https)] {
                for address in list {
                    server.listen_encrypted(transport, *address)?;
                }
            }
        }
        Ok(server)
    }
}

/// Takes tickets for the services of this keytab; what keeps it from it is told.
fn acceptor(keytab: &Path) -> Option<Arc<Acceptor>> {
    match Acceptor::new(keytab) {
        Ok(acceptor) => Some(Arc::new(acceptor)),
        Err(why) => {
            tracing::error!("tickets of DNS clients are not taken, by the keytab {}: {why}", keytab.display());
            None
        }
    }
}

impl DnsServerHandle {
    /// Listens on one more address: that of an interface that came later. Returns it with its real port.
    ///
    /// # Errors
    /// [`BindError`]; the server goes on as it was.
    pub fn listen(&mut self, address: SocketAddr) -> Result<SocketAddr, BindError> {
        let pair = sockets::bind(address)?;
        let address = pair.address;
        self.serve(pair);
        Ok(address)
    }

    fn serve(&mut self, pair: sockets::Bound) {
        self.local_addrs.push(pair.address);
        let closer = watch::Sender::new(false);
        let open = udp::Open(pair.udp, self.held.0.clone());
        let datagrams = udp::serve(open, self.runtime.clone(), Arc::clone(&self.handler), closer.subscribe());
        self.serving.spawn_on(datagrams, &self.threads.next(&self.runtime));
        let handler = Arc::clone(&self.handler);
        let converse =
            move |stream, source, slot| tcp::converse(stream, (source, Transport::Tcp), Arc::clone(&handler), slot);
        let shared = (self.slots.clone(), Arc::clone(&self.counts));
        self.serving.spawn(tcp::serve(pair.tcp, shared, closer.subscribe(), converse));
        self.closers.insert(pair.address, closer);
    }

    /// Listens on one more address for TLS, or for HTTPS. Returns it with its real port.
    ///
    /// # Errors
    /// [`BindError`]; the server goes on as it was.
    pub fn listen_encrypted(&mut self, transport: Transport, address: SocketAddr) -> Result<SocketAddr, BindError> {
        let Some(secure) = self.secure.clone() else { return Ok(address) };
        let key = if transport == Transport::Tls { "`tls_listen`" } else { "`https_listen`" };
        let within = self.runtime.clone();
        let _within = within.enter();
        let listener = sockets::bind_stream(address, key)?;
        let address = listener.local_addr().unwrap_or(address);
        self.encrypted_addrs.push((transport, address));
        let handler = Arc::clone(&self.handler);
        let attend =
            move |stream, source, slot| secure.clone().attend(stream, (source, transport), Arc::clone(&handler), slot);
        let shared = (self.slots.clone(), Arc::clone(&self.counts));
        self.serving.spawn(tcp::serve(listener, shared, self.encrypted_closer.subscribe(), attend));
        Ok(address)
    }

    /// The addresses listened on for TLS and HTTPS, with their real ports.
    #[must_use]
    pub fn encrypted_addrs(&self) -> &[(Transport, SocketAddr)] {
        &self.encrypted_addrs
    }

    /// What was counted of requests and connections.
    #[must_use]
    pub fn counts(&self) -> DnsCounts {
        self.counts.now()
    }

    /// The addresses listened on, in the order of the settings, with their real ports.
    #[must_use]
    pub fn local_addrs(&self) -> &[SocketAddr] {
        &self.local_addrs
    }

    /// Forwards to these servers from now on.
    pub fn set_upstreams(&self, upstreams: &[Upstream]) {
        let _within = self.runtime.enter();
        self.forwarder.store(Forwarder::new(upstreams, &self.forwarding, &self.forward_counts).map(Arc::new));
    }

    /// What was counted of names of others since the start; none: they are not resolved.
    #[must_use]
    pub fn forward_counts(&self) -> Option<ForwardCountsNow> {
        self.forwarder.load().is_some().then(|| self.forward_counts.now())
    }

    /// A look at the server, for as long as it runs and beyond.
    #[must_use]
    pub fn gauge(&self) -> DnsGauge {
        DnsGauge {
            counts: Arc::clone(&self.counts),
            forward_counts: Arc::clone(&self.forward_counts),
            forwarder: Arc::clone(&self.forwarder),
            handler: Arc::clone(&self.handler),
        }
    }

    /// Stops and gives the sockets back. Requests under way are dropped: their askers ask again.
    pub async fn shutdown(mut self) {
        for closer in self.closers.values() {
            let _ = closer.send(true);
        }
        let _ = self.encrypted_closer.send(true);
        self.serving.shutdown().await;
        // Requests under way have their sockets until they are dropped, each on its own thread.
        let (held, mut closed) = self.held;
        drop(held);
        drop(timeout(CLOSED_WITHIN, closed.recv()).await);
    }
}
