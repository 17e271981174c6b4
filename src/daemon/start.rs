//! The start: part after part, each on what those before it have made.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use anyhow::Context;
use arc_swap::ArcSwap;
use config::Config;
use ddns::reconcile::{ConfirmedRow, Reconciler};
use ddns::suffixes::Assignment;
use ddns::wanted::{WantedRow, WantedTable};
use dhcp::decision::CommitOutcome;
use dhcp::engine::Engine;
use dhcp::lease::LeaseState;
use dhcp::settings::{ReservedFor, Settings};
use ipnet::Ipv4Net;
use store::Contents;
use tokio::sync::{mpsc, oneshot};
use tracing::{info, warn};

use super::dhcp_thread::{self, Service, ServiceParts};
use super::machine::Machine;
use super::opening::{Opened, Starting, commit_first, open_store};
use super::page::{News, Page};
use super::reload::Running;
use super::tasks::Tasks;
use super::{BULK_LEASEQUERY, Daemon, TFTP, addresses, dns, own_name, stop_service, summary, tftp, upkeep};
use crate::auditor::Auditor;
use crate::changes::ChangeLog;
use crate::clock::{Clock, machine_wall_secs};
use crate::committer::Committer;
use crate::control::ControlSocket;
use crate::core::Core;
use crate::counters::Counters;
use crate::ddns_client::{Timing, UpdateClient};
use crate::departed_names;
use crate::devices::DeviceDesk;
use crate::dhcp_service::{Question, ServiceChannels};
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
use crate::transfer;
use crate::updater::{Updater, UpdaterChannels, UpdaterParts, UpdaterQuestion};
use crate::wiring::{CommitterSink, KeptZones, ServiceRows};
use crate::zone_intake::{self, Copies, Intake, IntakeQuestion};
use crate::zone_keeper::ZoneKeeper;
use crate::zone_writer::ZoneUpdates;

/// Batches of changed names on their way to the updater. A full channel costs a reading of all wanted rows, and no name.
const EVENTS_MAX: usize = 1_024;
/// Names found settled on their way back; the updater keeps what does not fit.
const SETTLED_MAX: usize = 4_096;
/// Questions from commands.
const QUESTIONS_MAX: usize = 64;

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
        let config = Arc::new(config);
        let table = InterfaceTable::snapshot().context("cannot list the interfaces")?;
        let dhcp_settings = Arc::new(addresses::dhcp_settings(&config, &table));
        let Opened { store, contents, engine, clock } = open_store(&config, Arc::clone(&dhcp_settings))?;
        let starting = Starting::new(store)?;
        let live = Arc::new(ArcSwap::new(Arc::clone(&config)));
        let ddns = Arc::new(config.ddns.clone());
        let ground = Ground { config, live, ddns, table, clock, committer: starting.committer() };

        let mut tasks = Tasks::default();
        let (ServedZones { keeper, copies, own_laid, asleep }, names) = ground.lay_zones(contents).await?;
        let (channels, updater_channels, ends) = channels();
        let dns = ground.serve_dns(&keeper, copies, &ends, &mut tasks)?;
        let tftp_server = tftp::start(&ground.config, &ground.table)?;
        let page = Page::bind(&ground.config).await?;
        let news = News::new(ground.clock.now());
        let (core, reconciler) = ground.make_core(engine, dhcp_settings, names).await?;
        keeper.make_up_departures(&ground.ddns, core.wanted(), |name, address| {
            core.engine().lease(address).is_some_and(|lease| {
                lease.state == LeaseState::Bound && lease.name.is_some_and(|kept| kept.fqdn == *name)
            })
        });
        tasks.spawn("the payer of what is owed to zones", Arc::clone(&keeper).pay_debts());

        let begun = ground.serve_dhcp(core, channels, &keeper, &news).await?;
        let LeaseSide { service, counters, devices, history } = begun;
        // Only now, so that whoever can connect to it finds the daemon serving.
        let (socket, leasequery) = match ground.open_to_askers(&ends, &counters, &mut tasks).await {
            Ok(open) => open,
            Err(error) => {
                stop_service(&ends.questions, service.thread).await;
                return Err(error);
            }
        };
        let Service { thread: service_thread, ended: service_ended, interfaces } = service;

        let (client, auditor) = ground.update_dns(reconciler, updater_channels, (&keeper, &ends, &news), &mut tasks);
        if let Some(server) = tftp_server {
            tasks.spawn(TFTP, tftp::follow(server, Arc::clone(&ground.config), interfaces.clone()));
        }
        let change_log = ChangeLog::new(&ground.config.daemon.store);
        let responder = Arc::new(DaemonResponder {
            service: ends.questions.clone(),
            updater: ends.updater_questions.clone(),
            auditor: Arc::clone(&auditor),
            committer: ground.committer.clone(),
            counters: Arc::clone(&counters),
            dns: dns.server.as_ref().map(DnsServerHandle::gauge),
            queries: dns.queries.clone(),
            config: Arc::clone(&ground.live),
            orders: orders.clone(),
            devices,
            changes: Arc::clone(&change_log),
            feed: news.feed(),
            history: history.as_ref().map(|history| ground.history_desk(history)),
            copies: dns.copy_questions,
        });
        let (machine_stop, stopped) = oneshot::channel();
        let (config, questions) = (Arc::clone(&ground.config), ends.questions.clone());
        let followed = Machine::new(config, &ground.table, questions, Arc::clone(&keeper), dns.server);
        let followed = Arc::new(tokio::sync::Mutex::new(followed));
        let machine = tokio::spawn(Machine::follow(Arc::clone(&followed), interfaces.clone(), stopped));
        ground.tell(&ends, dns.queries.as_ref(), news, &mut tasks);
        ground.keep_backups(orders, &mut tasks);
        if let Some(page) = page {
            tasks.spawn("the page", page.serve(ground.desk(&responder, &keeper)));
        }
        tasks.spawn("the control socket", socket.serve(responder));
        crate::memory::give_back();
        info!("ready: {}", summary(&ground.config));
        let Ground { config, live, clock, committer, .. } = ground;
        let running = Running {
            config,
            live,
            questions: ends.questions,
            updater: ends.updater_questions,
            committer,
            clock,
            keeper,
            client,
            counters,
            queries: dns.queries,
            auditor,
            change_log,
            leasequery,
            interfaces,
            machine: followed,
            own_laid,
            asleep: Arc::new(asleep),
        };
        let committer_thread = starting.done();
        Ok(Self { running, committer_thread, service_thread, service_ended, machine, machine_stop, history, tasks })
    }
}

/// What every part is started with.
struct Ground {
    config: Arc<Config>,
    /// The same, for those who look it up each time.
    live: Arc<ArcSwap<Config>>,
    /// What it says of names.
    ddns: Arc<ddns::settings::Settings>,
    /// The machine's interfaces at the start.
    table: InterfaceTable,
    clock: Clock,
    committer: Committer,
}

/// Zones as they are first served.
struct ServedZones {
    keeper: Arc<ZoneKeeper>,
    /// Those of other servers.
    copies: Copies,
    /// The addresses that our own names have in them.
    own_laid: Vec<IpAddr>,
    /// What is stored of zones that are not served.
    asleep: StoredZones,
}

/// What is stored of names.
struct StoredNames {
    wanted: Vec<WantedRow>,
    confirmed: Vec<ConfirmedRow>,
    suffixes: Vec<Assignment>,
}

/// The DNS server, where there is one, and what is asked about it.
struct DnsSide {
    server: Option<DnsServerHandle>,
    queries: Option<Arc<SharedLog>>,
    copy_questions: mpsc::Sender<IntakeQuestion>,
}

/// The DHCP service, and what hears of leases.
struct LeaseSide {
    service: Service,
    counters: Arc<Counters>,
    devices: Arc<DeviceDesk>,
    history: Option<HistoryThread>,
}

impl Ground {
    /// Embedded zones and copies of others, of what is stored and what the configuration says; what that changes is stored
    /// before anybody is told of it.
    async fn lay_zones(&self, mut contents: Contents) -> anyhow::Result<(ServedZones, StoredNames)> {
        let Self { config, clock, committer, .. } = self;
        let mut stored = StoredZones::take(&mut contents);
        let Contents { wanted, mut confirmed, suffixes, mut zone_copies, .. } = contents;
        let mut first_rows = views::rename(&config.dns, &mut stored, &mut zone_copies);
        let copies = zone_intake::load::load(&config.dns, &mut stored, zone_copies);
        let asleep = not_served(&stored, &config.dns);
        let own_laid = addresses::dns_addresses(config, &self.table);
        let audiences = config.dns.audiences();
        let withdrawn =
            departed_names::withdraw(&mut stored.sets, &config.ddns, audiences.as_ref(), &wanted, &confirmed);
        departed_names::words(&withdrawn).iter().for_each(|words| info!("{words}"));
        first_rows.extend(withdrawn);
        let loaded = embedded_zones::load(&config.dns, stored, &own_laid, clock.now().wall_secs)?;
        let LoadedZones { mut zones, mut histories, by_lease: written, rows } = loaded;
        first_rows.extend(rows);
        first_rows.extend(copies.rows);
        histories.extend(copies.histories);
        let copies = Copies::new(&config.dns, copies.zones, &mut zones, clock);
        commit_first(committer, clock, first_rows).await?;
        departed_names::disprove(&mut confirmed, &config.ddns, &wanted, &zones);
        let keeper = ZoneKeeper::new(zones, histories, committer.clone(), clock.clone());
        let by_lease = config.dns.zones.iter().filter(|zone| zone.self_by_lease).map(|zone| zone.sight.id.clone());
        keeper.open_to_leases(by_lease.collect(), written);
        Ok((ServedZones { keeper, copies, own_laid, asleep }, StoredNames { wanted, confirmed, suffixes }))
    }

    /// The DNS server, and the tasks beside it.
    fn serve_dns(
        &self,
        keeper: &Arc<ZoneKeeper>,
        copies: Copies,
        ends: &Ends,
        tasks: &mut Tasks,
    ) -> anyhow::Result<DnsSide> {
        let Self { config, table, clock, .. } = self;
        let updates = ZoneUpdates::new(Arc::clone(keeper), ends.questions.clone(), clock.clone());
        let queries = config.dns.forward.as_ref().and_then(|forward| SharedLog::new(&forward.resolver.log));
        let notices = Arc::new(Board::default());
        let started = dns::start(config, table, keeper, (updates, Arc::clone(&notices)), queries.clone())?;
        let server = started.map(|(server, writing, ahead)| {
            tasks.spawn("the writer of the embedded zones", writing);
            dns::follow_copies(tasks, config, keeper, ahead);
            server
        });
        let (copy_questions, asked) = mpsc::channel(QUESTIONS_MAX);
        if server.is_some() && !config.dns.secondary.is_empty() {
            let intake = Intake::new(copies, Arc::clone(keeper), clock.clone(), notices, asked);
            tasks.spawn("the task that follows primaries", intake.run());
        }
        Ok(DnsSide { server, queries, copy_questions })
    }

    /// The core, which knows leases and what DNS should hold for them, and the reconciler, which brings DNS to that.
    async fn make_core(
        &self,
        engine: Engine,
        dhcp_settings: Arc<Settings>,
        names: StoredNames,
    ) -> anyhow::Result<(Core, Reconciler)> {
        let Self { clock, committer, .. } = self;
        let StoredNames { wanted, confirmed, suffixes } = names;
        let table_of_names = WantedTable::load(wanted, &confirmed);
        let core = Core::with_engine(engine, Arc::clone(&self.ddns), table_of_names, clock.now());
        let mut core = core.with_suffixes(suffixes).with_refusals(&confirmed);
        let own = addresses::own_addresses(&self.table);
        core.reconfigure(dhcp_settings, Arc::clone(&self.ddns), own, clock.now());
        mend_names(&mut core, committer, clock).await?;
        let now = clock.now();
        let reconciler = Reconciler::load(
            Arc::new(self.ddns.unresolved()),
            ddns::Now { boot_ms: now.boot_ms, wall_secs: now.wall_secs },
            core.wanted().iter(),
            confirmed,
        );
        Ok((core, reconciler))
    }

    /// The DHCP service, on a thread of its own; its sockets are open when this returns.
    async fn serve_dhcp(
        &self,
        mut core: Core,
        channels: ServiceChannels,
        keeper: &Arc<ZoneKeeper>,
        news: &News,
    ) -> anyhow::Result<LeaseSide> {
        let config = &self.config;
        let history = start_history(config, news)?;
        let devices = DeviceDesk::open(&config.daemon.store, Arc::clone(&config.switches), news.feed())?;
        let devices = Arc::new(devices);
        core.set_devices(devices.devices());
        let counters = Arc::new(Counters::default());
        let parts = ServiceParts {
            config: Arc::clone(config),
            core,
            clock: self.clock.clone(),
            committer: self.committer.clone(),
            zones: Arc::clone(keeper),
            ddns: Arc::clone(&self.ddns),
            counters: Arc::clone(&counters),
            channels,
            told: Some(news.leases()),
            history: history.as_ref().map(HistoryThread::feed),
            devices: Arc::clone(&devices),
        };
        let service = dhcp_thread::start(parts).await?;
        Ok(LeaseSide { service, counters, devices, history })
    }

    /// The control socket, not served yet, and the server of bulk leasequery with those who may ask it.
    async fn open_to_askers(
        &self,
        ends: &Ends,
        counters: &Arc<Counters>,
        tasks: &mut Tasks,
    ) -> anyhow::Result<(ControlSocket, Option<Arc<ArcSwap<Vec<Ipv4Net>>>>)> {
        let socket = ControlSocket::bind(&self.config.daemon.control)?;
        let server = start_leasequery(&self.config, &ends.questions, counters).await?;
        let allowed = server.map(|server| {
            let allowed = server.allowed();
            tasks.spawn(BULK_LEASEQUERY, server.serve());
            allowed
        });
        Ok((socket, allowed))
    }

    /// The updater, and what looks after the zones beside it.
    fn update_dns(
        &self,
        reconciler: Reconciler,
        channels: UpdaterChannels,
        (keeper, ends, news): (&Arc<ZoneKeeper>, &Ends, &News),
        tasks: &mut Tasks,
    ) -> (Arc<UpdateClient>, Arc<ArcSwap<Auditor>>) {
        let client = Arc::new(UpdateClient::new(Arc::new(machine_wall_secs), Timing::default()));
        let settings = Arc::clone(&self.ddns);
        let disputes = upkeep::disputes(&settings);
        let inheritor = disputes.as_ref().map(|(disputed, _)| disputed.clone());
        let parts = upkeep::UpkeepParts {
            settings: Arc::clone(&settings),
            subnets: self.config.dhcp.subnets.iter().map(|subnet| subnet.prefix).collect(),
            updater: ends.updater_questions.clone(),
            service: ends.questions.clone(),
            keeper: Arc::clone(keeper),
            client: Arc::clone(&client),
        };
        let auditor = Arc::new(ArcSwap::new(upkeep::start(tasks, parts, disputes)));
        let updater = Updater::new(UpdaterParts {
            settings,
            reconciler,
            client: Arc::clone(&client),
            zones: Arc::new(KeptZones(Arc::clone(keeper))),
            wanted: Arc::new(ServiceRows(ends.questions.clone())),
            sink: Arc::new(CommitterSink::new(self.committer.clone(), self.clock.clone())),
            clock: self.clock.clone(),
            channels,
            inheritor,
        });
        tasks.spawn("the updater", updater.telling(Some(news.names())).run());
        (client, auditor)
    }

    /// Whoever tells what happens: the log of queries, where it goes to a file, and the news.
    fn tell(&self, ends: &Ends, queries: Option<&Arc<SharedLog>>, news: News, tasks: &mut Tasks) {
        let log_file = self.config.dns.forward.as_ref().and_then(|forward| forward.resolver.log.file.clone());
        if let (Some(log), Some(path)) = (queries, log_file) {
            tasks.spawn("the log of queries", Arc::clone(log).write(path, ends.questions.clone()));
        }
        tasks.spawn("the teller of news", news.tell(Arc::clone(&self.live), self.clock.clone()));
    }

    fn keep_backups(&self, orders: Option<Orders>, tasks: &mut Tasks) {
        if let Some(settings) = self.config.backup.clone() {
            let making = transfer::backups::keep_making(self.config.daemon.store.clone(), settings, orders);
            tasks.spawn("the maker of backups", making);
        }
    }

    fn history_desk(&self, history: &HistoryThread) -> HistoryDesk {
        let (feed, store) = (history.feed(), self.config.daemon.store.clone());
        HistoryDesk { feed, store, config: Arc::clone(&self.live) }
    }

    fn desk(&self, responder: &Arc<DaemonResponder>, keeper: &Arc<ZoneKeeper>) -> DeskParts {
        let (responder, zones) = (Arc::clone(responder), keeper.published());
        DeskParts { responder, zones, config: Arc::clone(&self.live), clock: self.clock.clone() }
    }
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

/// The thread that writes the history of leases, when one is kept.
fn start_history(config: &Config, news: &News) -> anyhow::Result<Option<HistoryThread>> {
    let Some(settings) = config.history else { return Ok(None) };
    let reservations = config.dhcp.subnets.iter().flat_map(|subnet| &subnet.reservations);
    let reserved = reservations.flat_map(|one| &one.clients).filter_map(|client| match client {
        ReservedFor::Hardware(hardware) => Some(*hardware),
        _ => None,
    });
    let devices =
        NewDevices { feed: news.feed(), reserved: reserved.collect(), switches: Arc::clone(&config.switches) };
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

/// The server of bulk leasequery, where somebody may ask it.
pub(super) async fn start_leasequery(
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
