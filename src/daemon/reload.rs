//! Another configuration for a running daemon: taken over as a whole, or not at all.
//!
//! 1. Whatever can fail comes first, beside what runs: sockets are opened, directories and files are read.
//! 2. The DHCP service decides nothing more until what it has decided is committed; what arrives waits. Nobody changes the
//!    zones meanwhile.
//! 3. What changes in embedded zones is committed, in one transaction. That is the moment from which on the new
//!    configuration is in force: whatever fails before leaves all as it was.
//! 4. Zones, updater, engine and DHCP sockets have the new settings before another datagram is decided; then the DNS
//!    server, and whatever follows the configuration.
//!
//! What leases and reservations are called follows as after a start, some hundred of them between two batches
//! ([`crate::core::Core::reconfigure`]). A daemon that is killed in between starts with the file that it finds, and all of
//! this follows from that.

use std::collections::HashSet;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use ::dns::Fqdn;
use arc_swap::ArcSwap;
use config::Config;
use config::difference::Difference;
use ddns::wanted::WantedRow;
use dhcp::leasequery::Query;
use ipnet::Ipv4Net;
use tokio::sync::{mpsc, oneshot, watch};
use tracing::info;

use super::machine::{Followed, Machine};
use super::opening::commit;
use super::start::start_leasequery;
use super::tasks::Tasks;
use super::{BULK_LEASEQUERY, Daemon, TFTP, addresses, dns, own_name, tftp, upkeep};
use crate::auditor::Auditor;
use crate::changes::ChangeLog;
use crate::clock::Clock;
use crate::committer::{CommitResult, Committer};
use crate::counters::Counters;
use crate::ddns_client::UpdateClient;
use crate::dhcp_service::{Commit, Look, Question, Reload};
use crate::dhcp_sockets::InterfaceTable;
use crate::dns_server::PreparedSockets;
use crate::dns_server::forward::Forwarding;
use crate::embedded_zones::StoredZones;
use crate::embedded_zones::relay::{Relaid, Served, relay};
use crate::inheritor::Disputed;
use crate::leasequery_server::LeaseQueryServer;
use crate::query_log::SharedLog;
use crate::tftp_server::TftpServer;
use crate::updater::{NewSettings, UpdaterQuestion};
use crate::zone_keeper::{Freeze, ZoneKeeper};

/// Leases looked at in one go.
const LOOKED_AT: usize = 500;

/// What a changed configuration is brought to.
#[derive(Debug)]
pub(super) struct Running {
    /// As it is in force.
    pub(super) config: Arc<Config>,
    /// The same, for those who look it up each time.
    pub(super) live: Arc<ArcSwap<Config>>,
    pub(super) questions: mpsc::Sender<Question>,
    pub(super) updater: mpsc::Sender<UpdaterQuestion>,
    pub(super) committer: Committer,
    pub(super) clock: Clock,
    pub(super) keeper: Arc<ZoneKeeper>,
    pub(super) client: Arc<UpdateClient>,
    pub(super) counters: Arc<Counters>,
    pub(super) queries: Option<Arc<SharedLog>>,
    pub(super) auditor: Arc<ArcSwap<Auditor>>,
    pub(super) change_log: Arc<ChangeLog>,
    /// Who may ask for leases by TCP, where somebody may.
    pub(super) leasequery: Option<Arc<ArcSwap<Vec<Ipv4Net>>>>,
    pub(super) interfaces: watch::Receiver<Arc<InterfaceTable>>,
    pub(super) machine: Followed,
    /// The addresses that our own names were given when zones were last laid.
    pub(super) own_laid: Vec<IpAddr>,
    /// What is stored of zones that are not served.
    pub(super) asleep: Arc<StoredZones>,
}

impl Daemon {
    /// What leads from the configuration in force to this one.
    #[must_use]
    pub fn difference(&self, config: &Config) -> Difference {
        let mut config = config.clone();
        own_name::protect(&mut config);
        Difference::between(&self.running.config, &config)
    }

    /// What this configuration does to the leases that are there, a sentence for each. Leases are looked at some hundred
    /// at a time, between two batches.
    pub async fn effects(&self, config: &Config) -> Vec<String> {
        let mut effects = config::effects::Effects::of(&self.running.config, config);
        let mut after = None;
        loop {
            let (look, seen) =
                Look::new(move |core, now| core.engine().leases_page(now, &Query::All, after, LOOKED_AT));
            if self.running.questions.send(Question::Look(look)).await.is_err() {
                return effects.words();
            }
            let Ok(page) = seen.await else { return effects.words() };
            page.bindings.iter().for_each(|binding| effects.look(&binding.lease));
            after = page.next;
            if after.is_none() {
                return effects.words();
            }
        }
    }

    /// Serves by another configuration from now on; what it changed.
    ///
    /// # Errors
    /// Why not, in words: then nothing has changed.
    pub async fn reload(&mut self, mut config: Config) -> Result<Difference, String> {
        own_name::protect(&mut config);
        let running = &mut self.running;
        let difference = Difference::between(&running.config, &config);
        if !difference.refused.is_empty() {
            return Err(difference.refused.join("\n"));
        }
        if difference.is_empty() {
            // The text of the file, which the page shows, may be another all the same.
            let config = Arc::new(config);
            running.live.store(Arc::clone(&config));
            running.config = config;
            return Ok(difference);
        }
        let config = Arc::new(config);
        let followed = Arc::clone(&running.machine);
        // It tells the engine about addresses: not by the old configuration once the new one is in force.
        let mut machine = followed.lock().await;
        let beside = running.open_beside(&config, &machine).await?;
        let disputes = upkeep::disputes(&config.ddns);
        let settings = Arc::new(config.ddns.clone());
        let inheritor = disputes.as_ref().map(|(disputed, _)| disputed.clone());
        running.take_over(&config, &beside.table, &settings, inheritor).await?;

        // In force: nothing below can fail.
        let Beside { table, listen, opened, tftp, forwarding, leasequery } = beside;
        machine.reconfigure(Arc::clone(&config), &table);
        if let (Some(server), Some(opened)) = (&mut machine.dns, opened) {
            let (changed, ahead) = dns::changed(&config, &table, &running.keeper, forwarding);
            server.reconfigure(changed, opened, &listen);
            dns::follow_copies(&mut self.tasks, &config, &running.keeper, ahead);
        }
        drop(machine);
        let parts = upkeep::UpkeepParts {
            settings,
            subnets: config.dhcp.subnets.iter().map(|subnet| subnet.prefix).collect(),
            updater: running.updater.clone(),
            service: running.questions.clone(),
            keeper: Arc::clone(&running.keeper),
            client: Arc::clone(&running.client),
        };
        running.auditor.store(upkeep::start(&mut self.tasks, parts, disputes));
        if let Some(server) = tftp {
            let follow = |server| tftp::follow(server, Arc::clone(&config), running.interfaces.clone());
            self.tasks.replace(TFTP, server.map(follow));
        }
        running.answer_leasequery(&config, leasequery, &mut self.tasks);
        running.live.store(Arc::clone(&config));
        running.config = config;
        crate::memory::give_back();
        difference.changes.iter().for_each(|change| info!("configuration: {change}"));
        Ok(difference)
    }
}

/// What another configuration needs, opened beside what runs.
struct Beside {
    /// The interfaces that it goes by.
    table: Arc<InterfaceTable>,
    /// Where the DNS server is to listen, and the sockets for that, if one runs.
    listen: Vec<SocketAddr>,
    opened: Option<PreparedSockets>,
    /// The TFTP server in place of the one that runs, perhaps none; `None`: that one stays.
    tftp: Option<Option<TftpServer>>,
    /// How names of others are resolved, if otherwise than so far.
    forwarding: Option<Forwarding>,
    /// The server of bulk leasequery, where none runs yet.
    leasequery: Option<LeaseQueryServer>,
}

impl Running {
    /// Opens what can fail. Nothing of what runs has changed after it.
    async fn open_beside(&self, config: &Config, machine: &Machine) -> Result<Beside, String> {
        let words = |error: anyhow::Error| format!("{error:#}");
        let table = Arc::clone(&self.interfaces.borrow());
        let listen = dns::listen_now(config, &table);
        let opened = match &machine.dns {
            Some(server) => Some(server.prepare(&listen).map_err(|error| crate::words(&error))?),
            None => None,
        };
        let tftp = match self.config.tftp != config.tftp || self.config.dhcp.subnets != config.dhcp.subnets {
            true => Some(tftp::open(config).map_err(|error| crate::words(&error))?),
            false => None,
        };
        let forwarding = match self.config.dns.forward != config.dns.forward {
            true => Some(dns::forwarding(config, self.queries.clone()).map_err(words)?),
            false => None,
        };
        let leasequery = match self.leasequery {
            None => start_leasequery(config, &self.questions, &self.counters).await.map_err(words)?,
            Some(_) => None,
        };
        Ok(Beside { table, listen, opened, tftp, forwarding, leasequery })
    }

    /// Has the DHCP service commit what changes in zones, and go by the new settings from then on.
    async fn take_over(
        &mut self,
        config: &Arc<Config>,
        table: &InterfaceTable,
        settings: &Arc<ddns::settings::Settings>,
        inheritor: Option<mpsc::Sender<Disputed>>,
    ) -> Result<(), String> {
        let own = addresses::dns_addresses(config, table);
        let kept = Arc::new(Mutex::new(None));
        let change = Change {
            old: Arc::clone(&self.config),
            new: Arc::clone(config),
            own_before: self.own_laid.clone(),
            own: own.clone(),
            asleep: Arc::clone(&self.asleep),
            kept: Arc::clone(&kept),
            keeper: Arc::clone(&self.keeper),
            committer: self.committer.clone(),
            clock: self.clock.clone(),
            updater: self.updater.clone(),
            settings: NewSettings {
                settings: Arc::clone(settings),
                inheritor,
                published: self.keeper.published().load_full(),
            },
        };
        let (done, outcome) = oneshot::channel();
        let reload = Reload {
            sockets: addresses::socket_settings(config),
            dhcp: Arc::new(addresses::dhcp_settings(config, table)),
            ddns: Arc::clone(settings),
            own: addresses::own_addresses(table),
            switches: Arc::clone(&config.switches),
            commit: change.into_commit(),
            done,
        };
        let asked = self.questions.send(Question::Reload(Box::new(reload))).await.is_ok();
        let outcome = if asked { outcome.await.ok() } else { None };
        outcome.ok_or("the daemon is ending")??;
        self.own_laid = own;
        if let Some(asleep) = kept.lock().unwrap_or_else(PoisonError::into_inner).take() {
            self.asleep = Arc::new(asleep);
        }
        Ok(())
    }

    /// Has the server of bulk leasequery begin, end or answer others, as the configuration wants it.
    fn answer_leasequery(&mut self, config: &Config, begun: Option<LeaseQueryServer>, tasks: &mut Tasks) {
        match (&self.leasequery, begun) {
            (None, Some(server)) => {
                self.leasequery = Some(server.allowed());
                tasks.replace(BULK_LEASEQUERY, Some(server.serve()));
            }
            (Some(allowed), _) if config.dhcp.leasequery.bulk => {
                allowed.store(Arc::new(config.dhcp.leasequery.allow.clone()));
            }
            (Some(_), _) => {
                self.leasequery = None;
                tasks.replace(BULK_LEASEQUERY, None::<std::future::Ready<()>>);
            }
            (None, None) => {}
        }
    }
}

/// What the DHCP service waits for while it takes a configuration over.
struct Change {
    old: Arc<Config>,
    new: Arc<Config>,
    own_before: Vec<IpAddr>,
    own: Vec<IpAddr>,
    asleep: Arc<StoredZones>,
    /// Where what is stored then of zones that are not served comes out.
    kept: Arc<Mutex<Option<StoredZones>>>,
    keeper: Arc<ZoneKeeper>,
    committer: Committer,
    clock: Clock,
    updater: mpsc::Sender<UpdaterQuestion>,
    settings: NewSettings,
}

impl Change {
    fn into_commit(self) -> Commit {
        Box::new(move |wanted| Box::pin(self.commit(wanted)))
    }

    async fn commit(mut self, wanted: Vec<WantedRow>) -> Result<(), String> {
        let freeze = self.keeper.freeze().await;
        let relaid = self.relay(&freeze, &wanted).map_err(|error| format!("{error:#}"))?;
        let Relaid { mut loaded, asleep, told } = relaid;
        match commit(&self.committer, &self.clock, std::mem::take(&mut loaded.rows)).await {
            Ok(CommitResult::Committed) => {}
            Ok(CommitResult::NoSpace) => {
                return Err("the lease store has no room for what changes in the embedded zones".to_owned());
            }
            Ok(CommitResult::Failed) => return Err("a write to the lease store failed".to_owned()),
            Err(error) => return Err(format!("{error:#}")),
        }
        told.iter().for_each(|words| info!("{words}"));
        *self.kept.lock().unwrap_or_else(PoisonError::into_inner) = Some(asleep);
        let by_lease = self.new.dns.zones.iter().filter(|zone| zone.self_by_lease);
        let by_lease: HashSet<Fqdn> = by_lease.map(|zone| zone.sight.id.clone()).collect();
        freeze.replace(loaded, by_lease);
        let (to, done) = oneshot::channel();
        let settings = NewSettings {
            settings: Arc::clone(&self.settings.settings),
            inheritor: self.settings.inheritor.take(),
            published: self.keeper.published().load_full(),
        };
        // An updater that is gone has ended the daemon.
        if self.updater.send(UpdaterQuestion::Reload(Box::new(settings), to)).await.is_ok() {
            drop(done.await);
        }
        Ok(())
    }

    fn relay(&self, freeze: &Freeze, wanted: &[WantedRow]) -> anyhow::Result<Relaid> {
        let (zones, histories, by_lease) = freeze.held();
        let served = Served {
            config: &self.old,
            own: &self.own_before,
            zones: &zones,
            histories: &histories,
            by_lease: &by_lease,
            asleep: &self.asleep,
        };
        relay(served, &self.new, &self.own, wanted, self.clock.now().wall_secs)
    }
}
