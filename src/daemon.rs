//! The daemon: start order, the wiring between its parts, and shutdown.
//!
//! ```text
//! sockets ─▶ DHCP service ─▶ committer ─▶ store          control socket ─▶ Responder ─▶ asks them all
//!                │  ▲            ▲  ▲
//!         events │  │ settled    │  └── zone keeper ◀── DNS server (UPDATE), updater
//!                ▼  │            │
//!              updater ──────────┘ confirmed rows        DNS server ◀─ published zones, forwarder
//! ```
//!
//! Start: the store (its lock first, so that a second daemon ends before it touches anything), the committer, embedded
//! zones, DNS server, DHCP sockets, updater, control socket. Shutdown goes the other way; what was decided is committed
//! and sent before the store is closed.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread::JoinHandle;

use anyhow::Context;
use config::Config;
use ddns::wanted::WantedTable;
use store::storage::FileStorage;
use store::{Contents, Options, Store};
use tokio::sync::{mpsc, oneshot};
use tracing::{info, warn};

use crate::clock::Clock;
use crate::commands::run::socket_settings;
use crate::committer::{CommitResult, Committer, Lane, Submission};
use crate::control::ControlSocket;
use crate::core::Core;
use crate::core::pipeline::Pipeline;
use crate::counters::Counters;
use crate::dhcp_service::{DhcpService, Question, ServiceChannels, ServiceError};
use crate::dhcp_sockets::{DhcpSockets, InterfaceTable};
use crate::embedded_zones;
use crate::zone_keeper::ZoneKeeper;

/// Lease events on their way to the updater. A full channel costs a reading of all wanted rows, and no name.
const EVENTS_MAX: usize = 4_096;
/// Names found settled on their way back. What does not fit is settled after the next start.
const SETTLED_MAX: usize = 4_096;
/// Questions from commands.
const QUESTIONS_MAX: usize = 64;

/// Why a daemon ended by itself.
#[derive(Debug, thiserror::Error)]
pub enum DaemonError {
    /// Start another one: the store is then read anew.
    #[error("a write to the lease store failed")]
    StoreFailed,
    /// A part ended that should not have.
    #[error("{0} ended unexpectedly")]
    PartEnded(&'static str),
}

/// A running daemon.
#[derive(Debug)]
pub struct Daemon {
    /// Where the embedded DNS server listens.
    pub dns_addresses: Vec<SocketAddr>,
    questions: mpsc::Sender<Question>,
    committer: Committer,
    committer_thread: Option<JoinHandle<()>>,
    service_thread: Option<JoinHandle<()>>,
    service_ended: oneshot::Receiver<Result<(), ServiceError>>,
    tasks: tokio::task::JoinSet<()>,
}

impl Daemon {
    /// Starts everything. Must be called within a runtime.
    ///
    /// # Errors
    /// Whatever keeps a part from starting, in words: a store that is in use, of another version or damaged, a port that
    /// is used, a permission that is missing. What was started before is ended.
    pub async fn start(config: Config) -> anyhow::Result<Self> {
        let storage = FileStorage::new(&config.daemon.store);
        let (store, contents, report) = Store::open(storage, &Options::default())
            .with_context(|| format!("cannot open the lease store {}", config.daemon.store.display()))?;
        if let Some(cut) = &report.cut {
            warn!(
                "the lease store ended within a write ({} at {}, {} bytes): nothing acknowledged was in it",
                cut.file, cut.offset, cut.bytes
            );
        }
        let Contents { leases, wanted, confirmed, zone_sets, newest_stamp, .. } = contents;
        info!("lease store {}: {} leases, {} names", config.daemon.store.display(), leases.len(), wanted.len());
        let clock = Clock::new(newest_stamp);
        let (committer, committer_thread) = Committer::start(store).context("no thread for the committer")?;

        let table = InterfaceTable::snapshot().context("cannot list the interfaces")?;
        let dns_addresses = listen_addresses(&config, &table);
        let own: Vec<IpAddr> = dns_addresses.iter().map(SocketAddr::ip).collect();
        let (zones, soa_rows) = embedded_zones::load(&config.dns, zone_sets, &own, clock.now().wall_secs)?;
        commit_first(&committer, &clock, soa_rows).await?;
        let keeper = ZoneKeeper::new(zones, committer.clone(), clock.clone());

        let settings = config.dhcp_with_own_addresses(|subnet| own_address(subnet, &table));
        let wanted = WantedTable::load(wanted, &confirmed);
        let core = Core::new(Arc::new(settings), Arc::new(config.ddns.clone()), leases, wanted, clock.now());
        let (events, _events_out) = mpsc::channel(EVENTS_MAX);
        let (_settled_in, settled) = mpsc::channel(SETTLED_MAX);
        let (questions, questions_out) = mpsc::channel(QUESTIONS_MAX);
        let overflowed = Arc::new(AtomicBool::new(false));
        let counters = Arc::new(Counters::default());
        let channels = ServiceChannels { events, overflowed, settled, questions: questions_out };
        let parts =
            ServiceParts { config: config.clone(), core, clock, committer: committer.clone(), counters, channels };
        let (service_thread, service_ended) = start_service(parts).await?;
        let _ = keeper;
        info!("ready: {} subnets", config.dhcp.subnets.len());
        Ok(Self {
            dns_addresses,
            questions,
            committer,
            committer_thread: Some(committer_thread),
            service_thread: Some(service_thread),
            service_ended,
            tasks: tokio::task::JoinSet::new(),
        })
    }

    /// Waits until the daemon ends by itself, which it does only when something failed.
    ///
    /// # Errors
    /// Why it ended.
    pub async fn ended(&mut self) -> Result<(), DaemonError> {
        match (&mut self.service_ended).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(ServiceError::StoreFailed(_))) => Err(DaemonError::StoreFailed),
            Ok(Err(ServiceError::CommitterGone)) => Err(DaemonError::PartEnded("the committer")),
            Err(_) => Err(DaemonError::PartEnded("the DHCP service")),
        }
    }

    /// Ends everything: what was decided is committed and sent, then the store is closed.
    pub async fn stop(mut self) {
        // A service that has ended needs no telling.
        drop(self.questions.send(Question::Stop).await);
        if let Some(thread) = self.service_thread.take() {
            join(thread).await;
        }
        self.tasks.shutdown().await;
        self.committer.stop();
        if let Some(thread) = self.committer_thread.take() {
            join(thread).await;
        }
        info!("stopped");
    }
}

async fn join(thread: JoinHandle<()>) {
    // A thread that panicked has told so; there is nothing to add at the end.
    drop(tokio::task::spawn_blocking(move || drop(thread.join())).await);
}

/// Stores what must be stored before anything is served.
async fn commit_first(committer: &Committer, clock: &Clock, rows: Vec<store::Row>) -> anyhow::Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    let (told, outcome) = oneshot::channel();
    let submission = Submission {
        lane: Lane::Zones,
        epoch: 0,
        stamp: clock.now().wall_secs,
        transactions: vec![rows],
        done: Box::new(move |result| drop(told.send(result))),
    };
    if committer.submit(submission).await.is_err() {
        anyhow::bail!("the committer has stopped");
    }
    match outcome.await {
        Ok(CommitResult::Committed) => Ok(()),
        // Zones can be served without their new serial being stored; it is stored with the next update.
        Ok(CommitResult::NoSpace) => {
            warn!("the disk is full: the embedded zones keep their old serials for now");
            Ok(())
        }
        _ => anyhow::bail!("the first write to the lease store failed"),
    }
}

struct ServiceParts {
    config: Config,
    core: Core,
    clock: Clock,
    committer: Committer,
    counters: Arc<Counters>,
    channels: ServiceChannels,
}

/// The DHCP service has a thread and a runtime of its own, so that nothing else delays a reply.
async fn start_service(
    parts: ServiceParts,
) -> anyhow::Result<(JoinHandle<()>, oneshot::Receiver<Result<(), ServiceError>>)> {
    let (started, starting) = oneshot::channel();
    let (ending, ended) = oneshot::channel();
    let thread = std::thread::Builder::new().name("dhcp".to_owned()).spawn(move || {
        let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => return drop(started.send(Err(anyhow::Error::new(error).context("no runtime for DHCP")))),
        };
        runtime.block_on(async move {
            let ServiceParts { config, core, clock, committer, counters, channels } = parts;
            let sockets = match DhcpSockets::open(socket_settings(&config)) {
                Ok(sockets) => sockets,
                Err(error) => return drop(started.send(Err(anyhow::Error::new(error).context("cannot serve DHCP")))),
            };
            let service = DhcpService::new(sockets, Pipeline::new(core), clock, committer, counters, channels);
            // Whoever started the service waits for this.
            drop(started.send(Ok(())));
            let outcome = service.run().await;
            if let Err(error) = &outcome {
                tracing::error!("the DHCP service ended: {error}");
            }
            drop(ending.send(outcome));
        });
    })?;
    starting.await.context("the DHCP thread ended at once")??;
    Ok((thread, ended))
}

/// Where the embedded DNS server listens: as configured, or on the addresses of the served interfaces.
fn listen_addresses(config: &Config, table: &InterfaceTable) -> Vec<SocketAddr> {
    if !config.dns.enabled {
        return Vec::new();
    }
    match &config.dns.listen {
        config::settings::Listen::Addresses(addresses) => addresses.clone(),
        config::settings::Listen::Interfaces { port } => {
            let (served, _) = crate::dhcp_sockets::select_served(&socket_settings(config), table);
            let addresses = served.iter().flat_map(|info| &info.addresses);
            addresses.map(|net| SocketAddr::new(IpAddr::V4(net.addr()), *port)).collect()
        }
    }
}

/// The address of ours that a subnet's clients can reach: one in the subnet, else any.
fn own_address(subnet: &dhcp::settings::Subnet, table: &InterfaceTable) -> Option<Ipv4Addr> {
    let inside = table.iter().flat_map(|info| &info.addresses).find(|net| subnet.prefix.contains(&net.addr()));
    inside.map(ipnet::Ipv4Net::addr).or_else(|| table.iter().find_map(|info| info.first_address()))
}
