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

use std::collections::{BTreeSet, HashMap};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread::JoinHandle;

use anyhow::Context;
use config::Config;
use config::settings::{Listen, Upstreams};
use ddns::reconcile::Reconciler;
use ddns::wanted::WantedTable;
use dhcp::decision::CommitOutcome;
use dns::{Fqdn, TsigKey};
use ipnet::{IpNet, Ipv4Net};
use store::storage::FileStorage;
use store::{Contents, Options, Store};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tracing::{info, warn};

use crate::clock::{Clock, machine_wall_secs};
use crate::commands::run::socket_settings;
use crate::committer::{CommitResult, Committer, Lane, Submission};
use crate::control::ControlSocket;
use crate::core::Core;
use crate::core::pipeline::Pipeline;
use crate::counters::Counters;
use crate::ddns_client::{Timing, UpdateClient};
use crate::dhcp_service::{DhcpService, Question, ServiceChannels, ServiceError};
use crate::dhcp_sockets::{DhcpSockets, InterfaceTable};
use crate::dns_server::{DnsServer, DnsServerHandle, DnsServerSettings, forward, zone_writer};
use crate::embedded_zones;
use crate::responder::DaemonResponder;
use crate::updater::{Updater, UpdaterChannels, UpdaterParts};
use crate::wiring::{CommitterSink, KeptZones, ServiceRows, write_zones};
use crate::zone_keeper::ZoneKeeper;

/// Lease events on their way to the updater. A full channel costs a reading of all wanted rows, and no name.
const EVENTS_MAX: usize = 4_096;
/// Names found settled on their way back; the updater keeps what does not fit.
const SETTLED_MAX: usize = 4_096;
/// Questions from commands.
const QUESTIONS_MAX: usize = 64;
/// How long the tasks have to end by themselves.
const STOP_PATIENCE: std::time::Duration = std::time::Duration::from_millis(50);
/// Updates from the network that wait for the zones; more are answered with SERVFAIL.
const ZONE_UPDATES_MAX: usize = 1_024;

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
    questions: mpsc::Sender<Question>,
    committer: Committer,
    committer_thread: Option<JoinHandle<()>>,
    service_thread: Option<JoinHandle<()>>,
    service_ended: oneshot::Receiver<Result<(), ServiceError>>,
    dns_stop: Option<oneshot::Sender<()>>,
    tasks: JoinSet<()>,
}

impl Daemon {
    /// Starts everything. Must be called within a runtime.
    ///
    /// # Errors
    /// Whatever keeps a part from starting, in words: a store that is in use, of another version or damaged, a port that
    /// is used, a permission that is missing. What was started before is ended.
    pub async fn start(config: Config) -> anyhow::Result<Self> {
        let config = Arc::new(config);
        let (store, contents) = open_store(&config)?;
        let Contents { leases, wanted, confirmed, zone_sets, newest_stamp, .. } = contents;
        let clock = Clock::new(newest_stamp);
        let (committer, committer_thread) = Committer::start(store).context("no thread for the committer")?;
        let mut starting = Starting { committer: committer.clone(), thread: Some(committer_thread) };

        let table = InterfaceTable::snapshot().context("cannot list the interfaces")?;
        let listen = listen_addresses(&config, &table);
        let own: Vec<IpAddr> = listen.iter().map(SocketAddr::ip).collect();
        let (zones, soa_rows) = embedded_zones::load(&config.dns, zone_sets, &own, clock.now().wall_secs)?;
        commit_first(&committer, &clock, soa_rows).await?;
        let keeper = ZoneKeeper::new(zones, committer.clone(), clock.clone());
        let mut tasks = JoinSet::new();
        let dns = start_dns(&config, &keeper, listen, &mut tasks)?;

        let ddns_settings = Arc::new(config.ddns.clone());
        let table_of_names = WantedTable::load(wanted, &confirmed);
        let now = clock.now();
        let mut core = Core::new(
            Arc::new(dhcp_settings(&config, &table)),
            Arc::clone(&ddns_settings),
            leases,
            table_of_names,
            now,
        );
        core.reconfigure(Arc::new(dhcp_settings(&config, &table)), own_addresses(&table), now);
        let mended = core.mend_wanted();
        if let Some(id) = mended.transaction {
            warn!(
                "{} names that leases claim were not among the stored ones (a repair lost them): they are again",
                mended.rows.len()
            );
            commit_first(&committer, &clock, mended.rows).await?;
            core.settle(id, CommitOutcome::Committed);
        }
        let reconciler = Reconciler::load(
            Arc::clone(&ddns_settings),
            ddns::Now { boot_ms: now.boot_ms, wall_secs: now.wall_secs },
            core.wanted().iter().cloned(),
            confirmed,
        );

        let (events, events_out) = mpsc::channel(EVENTS_MAX);
        let (settled_in, settled) = mpsc::channel(SETTLED_MAX);
        let (questions, questions_out) = mpsc::channel(QUESTIONS_MAX);
        let (updater_questions, updater_questions_out) = mpsc::channel(QUESTIONS_MAX);
        let overflowed = Arc::new(AtomicBool::new(false));
        let counters = Arc::new(Counters::default());
        let channels =
            ServiceChannels { events, overflowed: Arc::clone(&overflowed), settled, questions: questions_out };
        let parts = ServiceParts {
            config: Arc::clone(&config),
            core,
            clock: clock.clone(),
            committer: committer.clone(),
            counters: Arc::clone(&counters),
            channels,
        };
        let Service { thread: service_thread, ended: service_ended, interfaces } = start_service(parts).await?;

        let updater = Updater::new(UpdaterParts {
            settings: ddns_settings,
            reconciler,
            client: Arc::new(UpdateClient::new(Arc::new(machine_wall_secs), Timing::default())),
            zones: Arc::new(KeptZones(keeper)),
            wanted: Arc::new(ServiceRows(questions.clone())),
            sink: Arc::new(CommitterSink { committer: committer.clone(), clock: clock.clone() }),
            clock,
            channels: UpdaterChannels {
                events: events_out,
                overflowed,
                settled: settled_in,
                questions: updater_questions_out,
            },
        });
        tasks.spawn(updater.run());
        let (dns_stop, dns_stopped) = oneshot::channel();
        tasks.spawn(follow_interfaces(Arc::clone(&config), interfaces, questions.clone(), dns, dns_stopped));
        let socket = ControlSocket::bind(&config.daemon.control);
        let socket = match socket {
            Ok(socket) => socket,
            Err(error) => {
                stop_service(&questions, service_thread).await;
                return Err(error);
            }
        };
        let responder = DaemonResponder {
            service: questions.clone(),
            updater: updater_questions,
            committer: committer.clone(),
            counters,
        };
        tasks.spawn(socket.serve(Arc::new(responder)));
        info!("ready: {}", summary(&config));
        Ok(Self {
            questions,
            committer,
            committer_thread: starting.thread.take(),
            service_thread: Some(service_thread),
            service_ended,
            dns_stop: Some(dns_stop),
            tasks,
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
        if let Some(thread) = self.service_thread.take() {
            stop_service(&self.questions, thread).await;
        }
        if let Some(stop) = self.dns_stop.take() {
            // The task that holds the DNS server ends it and then itself; one that is gone has done so.
            let _ = stop.send(());
        }
        // The updater ends by itself when the service's end of its channel is gone, the control socket never.
        tokio::time::sleep(STOP_PATIENCE).await;
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
        done: Box::new(move |result| _ = told.send(result)),
    };
    if committer.submit(submission).await.is_err() {
        anyhow::bail!("the committer has stopped");
    }
    match outcome.await {
        Ok(CommitResult::Committed) => Ok(()),
        // Zones can be served without their new serial being stored: it is stored with the next update. Names that a
        // repair lost are found missing again at the next start.
        Ok(CommitResult::NoSpace) => {
            warn!("the disk is full: what the start would write is not stored for now");
            Ok(())
        }
        _ => anyhow::bail!("the first write to the lease store failed"),
    }
}

/// What was started must be ended when something after it fails.
struct Starting {
    committer: Committer,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Starting {
    fn drop(&mut self) {
        if let Some(thread) = self.thread.take() {
            self.committer.stop();
            // The store is closed once the thread has ended; a panic in it has been told.
            drop(thread.join());
        }
    }
}

fn open_store(config: &Config) -> anyhow::Result<(Store<FileStorage>, Contents)> {
    let shown = config.daemon.store.display();
    let (store, contents, report) = Store::open(FileStorage::new(&config.daemon.store), &Options::default())?;
    if let Some(cut) = &report.cut {
        warn!(
            "the lease store ended within a write ({} at {}, {} bytes left out): nothing in it was acknowledged",
            cut.file, cut.offset, cut.bytes
        );
    }
    info!("lease store {shown}: {} leases, {} names", contents.leases.len(), contents.wanted.len());
    Ok((store, contents))
}

/// The embedded DNS server, when it runs.
fn start_dns(
    config: &Config,
    keeper: &Arc<ZoneKeeper>,
    listen: Vec<SocketAddr>,
    tasks: &mut JoinSet<()>,
) -> anyhow::Result<Option<DnsServerHandle>> {
    if !config.dns.enabled {
        return Ok(None);
    }
    let (writer, requests) = zone_writer(ZONE_UPDATES_MAX);
    let mut keys: Vec<Arc<TsigKey>> = Vec::new();
    let mut keys_of: HashMap<Fqdn, Vec<Fqdn>> = HashMap::new();
    for zone in &config.dns.zones {
        let names = zone.update_keys.iter().map(|key| key.name.clone()).collect();
        keys_of.insert(zone.apex.clone(), names);
        for key in &zone.update_keys {
            if !keys.iter().any(|known| known.name == key.name) {
                keys.push(Arc::clone(key));
            }
        }
    }
    tasks.spawn(write_zones(Arc::clone(keeper), keys_of, requests));
    let own: Vec<IpAddr> = listen.iter().map(SocketAddr::ip).collect();
    let (upstreams, forward_for) = match &config.dns.forward {
        None => (Vec::new(), Vec::new()),
        Some(forwarding) => {
            let upstreams = match &forwarding.upstreams {
                Upstreams::Servers(servers) => servers.clone(),
                Upstreams::ResolvConf => forward::system_upstreams(&listen, &own),
            };
            if upstreams.is_empty() {
                warn!(
                    "no DNS server is known for other names: the machine's resolv.conf names none but ourselves ([dns] upstreams names some)"
                );
            }
            (upstreams, forwarding.allowed.iter().copied().map(IpNet::V4).collect())
        }
    };
    let snapshot = keeper.published();
    let server = DnsServer::start(DnsServerSettings { listen, snapshot, writer, keys, forward_for, upstreams })
        .context("cannot serve DNS")?;
    Ok(Some(server))
}

/// Keeps what depends on the machine's addresses as they change: the engine's settings and own addresses, and where the
/// DNS server listens. Ends, with the DNS server, when told.
async fn follow_interfaces(
    config: Arc<Config>,
    mut interfaces: watch::Receiver<Arc<InterfaceTable>>,
    questions: mpsc::Sender<Question>,
    mut dns: Option<DnsServerHandle>,
    mut stopped: oneshot::Receiver<()>,
) {
    let mut failed: BTreeSet<SocketAddr> = BTreeSet::new();
    loop {
        tokio::select! {
            _ = &mut stopped => break,
            changed = interfaces.changed() => if changed.is_err() {
                // The DHCP service has ended, and with it the watch.
                let _ = (&mut stopped).await;
                break;
            },
        }
        let table = Arc::clone(&interfaces.borrow_and_update());
        let settings = Arc::new(dhcp_settings(&config, &table));
        if questions.send(Question::Reconfigure(settings, own_addresses(&table))).await.is_err() {
            continue;
        }
        if let Some(server) = &mut dns {
            for address in listen_addresses(&config, &table) {
                if server.local_addrs().contains(&address) || failed.contains(&address) {
                    continue;
                }
                match server.listen(address) {
                    Ok(address) => info!("DNS is served on {address} too"),
                    Err(error) => {
                        warn!("DNS is not served on {address}: {}", crate::words(&error));
                        failed.insert(address);
                    }
                }
            }
        }
    }
    if let Some(server) = dns {
        server.shutdown().await;
    }
}

async fn stop_service(questions: &mpsc::Sender<Question>, thread: JoinHandle<()>) {
    // A service that has ended needs no telling.
    drop(questions.send(Question::Stop).await);
    join(thread).await;
}

fn dhcp_settings(config: &Config, table: &InterfaceTable) -> dhcp::settings::Settings {
    config.dhcp_with_own_addresses(|subnet| own_address(subnet.prefix, table))
}

fn own_addresses(table: &InterfaceTable) -> Vec<Ipv4Addr> {
    table.iter().flat_map(|info| &info.addresses).map(Ipv4Net::addr).collect()
}

fn summary(config: &Config) -> String {
    let subnets: Vec<String> = config.dhcp.subnets.iter().map(|subnet| subnet.prefix.to_string()).collect();
    let zones: Vec<String> = config.ddns.zones.iter().map(|zone| zone.apex.to_string()).collect();
    format!(
        "subnets {}; zones {}",
        subnets.join(", "),
        if zones.is_empty() { "none".to_owned() } else { zones.join(", ") }
    )
}

struct ServiceParts {
    config: Arc<Config>,
    core: Core,
    clock: Clock,
    committer: Committer,
    counters: Arc<Counters>,
    channels: ServiceChannels,
}

struct Service {
    thread: JoinHandle<()>,
    ended: oneshot::Receiver<Result<(), ServiceError>>,
    interfaces: watch::Receiver<Arc<InterfaceTable>>,
}

/// The DHCP service has a thread and a runtime of its own, so that nothing else delays a reply.
async fn start_service(parts: ServiceParts) -> anyhow::Result<Service> {
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
            let interfaces = sockets.interfaces();
            let service = DhcpService::new(sockets, Pipeline::new(core), clock, committer, counters, channels);
            // Whoever started the service waits for this.
            drop(started.send(Ok(interfaces)));
            let outcome = service.run().await;
            if let Err(error) = &outcome {
                tracing::error!("the DHCP service ended: {error}");
            }
            drop(ending.send(outcome));
        });
    })?;
    let interfaces = starting.await.context("the DHCP thread ended at once")??;
    Ok(Service { thread, ended, interfaces })
}

/// Where the embedded DNS server listens: as configured, or on the addresses of the served interfaces.
fn listen_addresses(config: &Config, table: &InterfaceTable) -> Vec<SocketAddr> {
    if !config.dns.enabled {
        return Vec::new();
    }
    match &config.dns.listen {
        Listen::Addresses(addresses) => addresses.clone(),
        Listen::Interfaces { port } => {
            let (served, _) = crate::dhcp_sockets::select_served(&socket_settings(config), table);
            let addresses = served.iter().flat_map(|info| &info.addresses);
            addresses.map(|net| SocketAddr::new(IpAddr::V4(net.addr()), *port)).collect()
        }
    }
}

/// The address of ours that a subnet's clients can reach: one in the subnet, else any but loopback.
fn own_address(prefix: Ipv4Net, table: &InterfaceTable) -> Option<Ipv4Addr> {
    let all = || table.iter().flat_map(|info| &info.addresses).map(Ipv4Net::addr);
    all().find(|address| prefix.contains(address)).or_else(|| all().find(|address| !address.is_loopback()))
}
