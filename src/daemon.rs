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
//!
//! Reading order: here the start and the end; `opening` (the store), `dhcp_thread`, `dns` (the DNS server), `machine`
//! (what follows the machine's interfaces and resolv.conf), `tftp` (files for machines that boot) and `addresses` (how
//! it follows from them).

mod addresses;
mod dhcp_thread;
mod dns;
mod machine;
mod opening;
mod own_name;
mod page;
mod reload;
mod tasks;
mod tftp;
mod upkeep;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::Context;
use arc_swap::ArcSwap;
use config::Config;
use ddns::reconcile::Reconciler;
use ddns::wanted::WantedTable;
use dhcp::decision::CommitOutcome;
use dhcp::settings::ReservedFor;
use store::Contents;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle as TaskHandle;
use tokio::time::timeout;
use tracing::{info, warn};
use web::Feed;

pub use addresses::socket_settings;

use crate::changes::ChangeLog;
use crate::clock::{Clock, machine_wall_secs};
use crate::committer::{Committer, End};
use crate::control::ControlSocket;
use crate::core::Core;
use crate::counters::Counters;
use crate::ddns_client::{Timing, UpdateClient};
use crate::departed_names;
use crate::devices::DeviceDesk;
use crate::dhcp_service::{Question, ServiceChannels, ServiceError};
use crate::dhcp_sockets::InterfaceTable;
use crate::dns_server::{Board, DnsServerHandle};
use crate::embedded_zones::relay::not_served;
use crate::embedded_zones::{self, LoadedZones, StoredZones, views};
use crate::history::answers::HistoryDesk;
use crate::history::{HistoryThread, NewDevices};
use crate::http::DeskParts;
use crate::leasequery_server::LeaseQueryServer;
use crate::query_log::SharedLog;
use crate::reload::Orders;
use crate::responder::DaemonResponder;
use crate::service::watchdog::Watched;
use crate::transfer;
use crate::updater::{Updater, UpdaterChannels, UpdaterParts, UpdaterQuestion};
use crate::wiring::{CommitterSink, KeptZones, ServiceRows};
use crate::zone_intake::{self, Intake};
use crate::zone_keeper::ZoneKeeper;
use crate::zone_writer::ZoneUpdates;
use dhcp_thread::{Service, ServiceParts};
use machine::Machine;
use opening::{Opened, Starting, commit_first, open_store};
use reload::Running;
use tasks::Tasks;

/// Batches of changed names on their way to the updater. A full channel costs a reading of all wanted rows, and no name.
const EVENTS_MAX: usize = 1_024;
/// Names found settled on their way back; the updater keeps what does not fit.
const SETTLED_MAX: usize = 4_096;
/// Questions from commands.
const QUESTIONS_MAX: usize = 64;
/// Tasks that a changed configuration ends and begins.
const BULK_LEASEQUERY: &str = "the server of bulk leasequery";
const TFTP: &str = "the TFTP server";
/// How long a thread has to end: what was decided waits for its sync, and a disk can be slow. One that does not answer
/// at all must not keep the daemon from ending.
const THREAD_PATIENCE: Duration = Duration::from_secs(10);
/// How long the DNS server has to give its sockets back.
const DNS_PATIENCE: Duration = Duration::from_secs(4);
/// How long a part that has ended may be only the first to be seen to.
const CAUSE_PATIENCE: Duration = Duration::from_secs(1);

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
    /// What a changed configuration is brought to.
    running: Running,
    committer_thread: Option<JoinHandle<()>>,
    service_thread: JoinHandle<()>,
    service_ended: oneshot::Receiver<Result<(), ServiceError>>,
    /// Follows the machine, and owns the DNS server.
    machine: TaskHandle<()>,
    machine_stop: oneshot::Sender<()>,
    history: Option<HistoryThread>,
    tasks: Tasks,
}

impl Daemon {
    /// Starts everything. Must be called within a runtime.
    ///
    /// # Errors
    /// Whatever keeps a part from starting, in words: a store that is in use, of another version or damaged, a port that
    /// is used, a permission that is missing. What was started before is ended.
    pub async fn start(config: Config) -> anyhow::Result<Self> {
        Self::start_with(config, None).await
    }

    /// The same; whoever is told to change the configuration passes it on there.
    ///
    /// # Errors
    /// As [`Daemon::start`].
    pub async fn start_with(mut config: Config, orders: Option<Orders>) -> anyhow::Result<Self> {
        #[cfg(feature = "otel")]
        crate::telemetry::start();
        own_name::protect(&mut config);
        let of_backups = orders.clone();
        let config = Arc::new(config);
        let live = Arc::new(ArcSwap::new(Arc::clone(&config)));
        let table = InterfaceTable::snapshot().context("cannot list the interfaces")?;
        let dhcp_settings = Arc::new(addresses::dhcp_settings(&config, &table));
        let Opened { store, contents, engine, clock } = open_store(&config, Arc::clone(&dhcp_settings))?;
        let mut contents = contents;
        let mut stored_zones = StoredZones::take(&mut contents);
        let Contents { wanted, mut confirmed, suffixes, mut zone_copies, .. } = contents;
        let mut first_rows = views::rename(&config.dns, &mut stored_zones, &mut zone_copies);
        let copies = zone_intake::load::load(&config.dns, &mut stored_zones, zone_copies);
        let asleep = not_served(&stored_zones, &config.dns);
        let starting = Starting::new(store)?;
        let committer = starting.committer();

        let own_laid = addresses::dns_addresses(&config, &table);
        let audiences = config.dns.audiences();
        let zone_sets = &mut stored_zones.sets;
        let withdrawn = departed_names::withdraw(zone_sets, &config.ddns, audiences.as_ref(), &wanted, &confirmed);
        departed_names::words(&withdrawn).iter().for_each(|words| info!("{words}"));
        first_rows.extend(withdrawn);
        let loaded = embedded_zones::load(&config.dns, stored_zones, &own_laid, clock.now().wall_secs)?;
        let LoadedZones { mut zones, mut histories, rows } = loaded;
        first_rows.extend(rows);
        first_rows.extend(copies.rows);
        histories.extend(copies.histories);
        let copies = zone_intake::Copies::new(&config.dns, copies.zones, &mut zones, &clock);
        commit_first(&committer, &clock, first_rows).await?;
        departed_names::disprove(&mut confirmed, &config.ddns, &wanted, &zones);
        let keeper = ZoneKeeper::new(zones, histories, committer.clone(), clock.clone());
        let by_lease = config.dns.zones.iter().filter(|zone| zone.self_by_lease).map(|zone| zone.sight.id.clone());
        keeper.open_to_leases(by_lease.collect());
        let (channels, updater_channels, ends) = channels();
        let Ends { questions, updater_questions } = ends;
        let mut tasks = Tasks::default();
        let updates = ZoneUpdates::new(Arc::clone(&keeper), questions.clone(), clock.clone());
        let queries = config.dns.forward.as_ref().and_then(|forward| SharedLog::new(&forward.resolver.log));
        let notices = Arc::new(Board::default());
        let dns_server = dns::start(&config, &table, &keeper, (updates, Arc::clone(&notices)), queries.clone())?.map(
            |(server, writing, ahead)| {
                tasks.spawn("the writer of the embedded zones", writing);
                dns::follow_copies(&mut tasks, &config, &keeper, ahead);
                server
            },
        );
        let (copy_questions, asked) = mpsc::channel(QUESTIONS_MAX);
        if dns_server.is_some() && !config.dns.secondary.is_empty() {
            let intake = Intake::new(copies, Arc::clone(&keeper), clock.clone(), notices, asked);
            tasks.spawn("the task that follows primaries", intake.run());
        }

        let tftp_server = tftp::start(&config, &table)?;
        let page = page::Page::bind(&config).await?;
        let news = page::News::new(clock.now());

        let table_of_names = WantedTable::load(wanted, &confirmed);
        let ddns_settings = Arc::new(config.ddns.clone());
        let core = Core::with_engine(engine, Arc::clone(&ddns_settings), table_of_names, clock.now());
        let mut core = core.with_suffixes(suffixes).with_refusals(&confirmed);
        let own = addresses::own_addresses(&table);
        core.reconfigure(dhcp_settings, Arc::clone(&ddns_settings), own, clock.now());
        mend_names(&mut core, &committer, &clock).await?;
        keeper.make_up_departures(&ddns_settings, core.wanted());
        tasks.spawn("the payer of what is owed to zones", Arc::clone(&keeper).pay_debts());
        let now = clock.now();
        let reconciler = Reconciler::load(
            Arc::new(ddns_settings.unresolved()),
            ddns::Now { boot_ms: now.boot_ms, wall_secs: now.wall_secs },
            core.wanted().iter(),
            confirmed,
        );

        let history = start_history(&config, news.feed())?;
        let devices = DeviceDesk::open(&config.daemon.store, Arc::clone(&config.switches), news.feed())?;
        let devices = Arc::new(devices);
        core.set_devices(devices.devices());
        let counters = Arc::new(Counters::default());
        let parts = ServiceParts {
            config: Arc::clone(&config),
            core,
            clock: clock.clone(),
            committer: committer.clone(),
            zones: Arc::clone(&keeper),
            ddns: Arc::clone(&ddns_settings),
            counters: Arc::clone(&counters),
            channels,
            told: Some(news.leases()),
            history: history.as_ref().map(HistoryThread::feed),
            devices: Arc::clone(&devices),
        };
        let service = dhcp_thread::start(parts).await?;
        // Only now, so that whoever can connect to it finds the daemon serving.
        let socket = match ControlSocket::bind(&config.daemon.control) {
            Ok(socket) => socket,
            Err(error) => {
                stop_service(&questions, service.thread).await;
                return Err(error);
            }
        };
        let leasequery = match start_leasequery(&config, &questions, &counters).await {
            Ok(server) => server.map(|server| {
                let allowed = server.allowed();
                tasks.spawn(BULK_LEASEQUERY, server.serve());
                allowed
            }),
            Err(error) => {
                stop_service(&questions, service.thread).await;
                return Err(error);
            }
        };
        let Service { thread: service_thread, ended: service_ended, interfaces } = service;

        let client = Arc::new(UpdateClient::new(Arc::new(machine_wall_secs), Timing::default()));
        let disputes = upkeep::disputes(&ddns_settings);
        let inheritor = disputes.as_ref().map(|(disputed, _)| disputed.clone());
        let upkeep_parts = upkeep::UpkeepParts {
            settings: Arc::clone(&ddns_settings),
            subnets: config.dhcp.subnets.iter().map(|subnet| subnet.prefix).collect(),
            updater: updater_questions.clone(),
            service: questions.clone(),
            keeper: Arc::clone(&keeper),
            client: Arc::clone(&client),
        };
        let auditor = Arc::new(ArcSwap::new(upkeep::start(&mut tasks, upkeep_parts, disputes)));
        let updater = Updater::new(UpdaterParts {
            settings: Arc::clone(&ddns_settings),
            reconciler,
            client: Arc::clone(&client),
            zones: Arc::new(KeptZones(Arc::clone(&keeper))),
            wanted: Arc::new(ServiceRows(questions.clone())),
            sink: Arc::new(CommitterSink::new(committer.clone(), clock.clone())),
            clock: clock.clone(),
            channels: updater_channels,
            inheritor,
        });
        let updater = updater.telling(Some(news.names()));
        tasks.spawn("the updater", updater.run());
        if let Some(server) = tftp_server {
            tasks.spawn(TFTP, tftp::follow(server, Arc::clone(&config), interfaces.clone()));
        }
        let (machine_stop, stopped) = oneshot::channel();
        let published = keeper.published();
        let dns_gauge = dns_server.as_ref().map(DnsServerHandle::gauge);
        let followed = Machine::new(Arc::clone(&config), &table, questions.clone(), Arc::clone(&keeper), dns_server);
        let followed = Arc::new(tokio::sync::Mutex::new(followed));
        let machine = tokio::spawn(Machine::follow(Arc::clone(&followed), interfaces.clone(), stopped));
        let change_log = ChangeLog::new(&config.daemon.store);
        let responder = Arc::new(DaemonResponder {
            service: questions.clone(),
            updater: updater_questions.clone(),
            auditor: Arc::clone(&auditor),
            committer: committer.clone(),
            counters: Arc::clone(&counters),
            dns: dns_gauge,
            queries: queries.clone(),
            config: Arc::clone(&live),
            orders,
            devices,
            changes: Arc::clone(&change_log),
            feed: news.feed(),
            history: history.as_ref().map(|history| HistoryDesk {
                feed: history.feed(),
                store: config.daemon.store.clone(),
                config: Arc::clone(&live),
            }),
            copies: copy_questions,
        });
        let log_file = config.dns.forward.as_ref().and_then(|forward| forward.resolver.log.file.clone());
        if let (Some(log), Some(path)) = (queries.clone(), log_file) {
            tasks.spawn("the log of queries", log.write(path, questions.clone()));
        }
        tasks.spawn("the teller of news", news.tell(Arc::clone(&live), clock.clone()));
        if let Some(page) = page {
            let parts = DeskParts {
                responder: Arc::clone(&responder),
                zones: published,
                config: Arc::clone(&live),
                clock: clock.clone(),
            };
            tasks.spawn("the page", page.serve(parts));
        }
        if let Some(settings) = config.backup.clone() {
            let making = transfer::backups::keep_making(config.daemon.store.clone(), settings, of_backups);
            tasks.spawn("the maker of backups", making);
        }
        tasks.spawn("the control socket", socket.serve(responder));
        crate::memory::give_back();
        info!("ready: {}", summary(&config));
        let running = Running {
            config,
            live,
            questions,
            updater: updater_questions,
            committer,
            clock,
            keeper,
            client,
            counters,
            queries,
            auditor,
            change_log,
            leasequery,
            interfaces,
            machine: followed,
            own_laid,
            asleep: Arc::new(asleep),
        };
        Ok(Self {
            running,
            committer_thread: starting.done(),
            service_thread,
            service_ended,
            machine,
            machine_stop,
            history,
            tasks,
        })
    }

    /// What has to make progress.
    #[must_use]
    pub fn watched(&self) -> Watched {
        Watched { service: self.running.questions.clone(), committer: self.running.committer.clone() }
    }

    /// Who changed what.
    #[must_use]
    pub fn changes(&self) -> &Arc<ChangeLog> {
        &self.running.change_log
    }

    /// The configuration that is in force.
    #[must_use]
    pub fn config(&self) -> Config {
        (*self.running.config).clone()
    }

    /// Waits until the daemon ends by itself, which it does only when something failed. To be asked once.
    ///
    /// # Errors
    /// Why it ended.
    pub async fn ended(&mut self) -> Result<(), DaemonError> {
        let part = tokio::select! {
            biased;
            ended = &mut self.service_ended => return how_ended(ended),
            end = self.running.committer.ended() => return Err(match end {
                End::StoreFailed => DaemonError::StoreFailed,
                End::Gone => DaemonError::PartEnded("the committer"),
            }),
            _ = &mut self.machine => "the task that follows the interfaces",
            part = self.tasks.ended() => part,
        };
        // A part that ended because the DHCP service has: that one tells why.
        match timeout(CAUSE_PATIENCE, &mut self.service_ended).await {
            Ok(ended) => how_ended(ended),
            Err(_) => Err(DaemonError::PartEnded(part)),
        }
    }

    /// Ends everything: what was decided is committed and sent, then the store is closed. Takes as long as the disk
    /// does, and with one that does not answer some twenty seconds.
    pub async fn stop(mut self) {
        stop_service(&self.running.questions, self.service_thread).await;
        // A task that is gone has ended the DNS server already.
        let _ = self.machine_stop.send(());
        if !self.machine.is_finished() && timeout(DNS_PATIENCE, &mut self.machine).await.is_err() {
            self.machine.abort();
        }
        // The updater ends by itself when the service's end of its channel is gone, the others never. What is under way
        // is done again after the next start.
        self.tasks.shutdown().await;
        if let Some(history) = self.history {
            history.stop().await;
        }
        let told = timeout(THREAD_PATIENCE, self.running.committer.tell_to_stop()).await;
        if let (Ok(()), Some(thread)) = (told, self.committer_thread.take()) {
            join(thread, "the lease store is not closed").await;
        }
        #[cfg(feature = "otel")]
        drop(tokio::task::spawn_blocking(crate::telemetry::flush).await);
        info!("stopped");
    }
}

fn how_ended(ended: Result<Result<(), ServiceError>, oneshot::error::RecvError>) -> Result<(), DaemonError> {
    match ended {
        Ok(Ok(())) => Ok(()),
        Ok(Err(ServiceError::StoreFailed(_))) => Err(DaemonError::StoreFailed),
        Ok(Err(ServiceError::CommitterGone)) => Err(DaemonError::PartEnded("the committer")),
        Err(_) => Err(DaemonError::PartEnded("the DHCP service")),
    }
}

async fn stop_service(questions: &mpsc::Sender<Question>, thread: JoinHandle<()>) {
    // A service that has ended needs no telling; one that does not listen is waited for no longer than any.
    drop(timeout(THREAD_PATIENCE, questions.send(Question::Stop)).await);
    join(thread, "what DHCP clients were not told yet is dropped").await;
}

/// Waits for a thread to end, but not for ever.
async fn join(thread: JoinHandle<()>, otherwise: &str) {
    let deadline = Instant::now() + THREAD_PATIENCE;
    while !thread.is_finished() {
        if Instant::now() >= deadline {
            warn!("the disk of the lease store does not answer: {otherwise}");
            return;
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    // A thread that panicked has told so; there is nothing to add at the end.
    drop(thread.join());
}

/// Wants again what leases claim and no stored row wants.
async fn mend_names(core: &mut Core, committer: &Committer, clock: &Clock) -> anyhow::Result<()> {
    let mended = core.mend_wanted();
    let Some(id) = mended.transaction else { return Ok(()) };
    warn!(
        "{} names that leases claim were not among the stored ones (a repair lost them): they are again",
        mended.rows.len()
    );
    commit_first(committer, clock, mended.rows).await?;
    core.settle(id, CommitOutcome::Committed);
    Ok(())
}

/// The server of bulk leasequery, where somebody may ask it.
async fn start_leasequery(
    config: &Config,
    questions: &mpsc::Sender<Question>,
    counters: &Arc<Counters>,
) -> anyhow::Result<Option<LeaseQueryServer>> {
    let queries = &config.dhcp.leasequery;
    if !queries.bulk {
        return Ok(None);
    }
    let (port, questions) = (config.daemon.ports.server, questions.clone());
    LeaseQueryServer::bind(port, &queries.allow, questions, Arc::clone(counters)).await.map(Some)
}

/// The thread that writes the history of leases, when one is kept.
fn start_history(config: &Config, feed: Arc<Feed>) -> anyhow::Result<Option<HistoryThread>> {
    let Some(settings) = config.history else { return Ok(None) };
    let reservations = config.dhcp.subnets.iter().flat_map(|subnet| &subnet.reservations);
    let reserved = reservations.flat_map(|one| &one.clients).filter_map(|client| match client {
        ReservedFor::Hardware(hardware) => Some(*hardware),
        _ => None,
    });
    let devices = NewDevices { feed, reserved: reserved.collect(), switches: Arc::clone(&config.switches) };
    HistoryThread::start(&config.daemon.store, settings, devices)
        .context("no thread for the history of leases")
        .map(Some)
}

/// What the daemon itself keeps of its parts' channels.
struct Ends {
    questions: mpsc::Sender<Question>,
    updater_questions: mpsc::Sender<UpdaterQuestion>,
}

/// The channels between the DHCP service, the updater and whoever asks them. All are bounded.
fn channels() -> (ServiceChannels, UpdaterChannels, Ends) {
    let (events, events_out) = mpsc::channel(EVENTS_MAX);
    let (settled, settled_out) = mpsc::channel(SETTLED_MAX);
    let (questions, questions_out) = mpsc::channel(QUESTIONS_MAX);
    let (updater_questions, updater_questions_out) = mpsc::channel(QUESTIONS_MAX);
    let overflowed = Arc::new(AtomicBool::new(false));
    let service =
        ServiceChannels { events, overflowed: Arc::clone(&overflowed), settled: settled_out, questions: questions_out };
    let updater = UpdaterChannels { events: events_out, overflowed, settled, questions: updater_questions_out };
    (service, updater, Ends { questions, updater_questions })
}

/// What is served, in a line.
#[must_use]
pub fn summary(config: &Config) -> String {
    let subnets: Vec<String> = config.dhcp.subnets.iter().map(|subnet| subnet.prefix.to_string()).collect();
    let zones: Vec<String> = config.ddns.zones.iter().map(|zone| zone.apex.to_string()).collect();
    format!(
        "{}; zones {}",
        if subnets.is_empty() { "no subnet, DNS alone".to_owned() } else { format!("subnets {}", subnets.join(", ")) },
        if zones.is_empty() { "none".to_owned() } else { zones.join(", ") }
    )
}

#[cfg(test)]
mod tests;
