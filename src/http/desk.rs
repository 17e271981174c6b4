//! Takes questions and has each answered by whoever knows.

use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use config::Config;
use ddns::reconcile::Reconciler;
use ddns::settings::Settings;
use ddns::wanted::RowKey;
use dhcp::identity::HardwareAddress;
use dhcp::lease::{Lease, LeaseState};
use tokio::sync::{Mutex, mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tracing::info;
use web::explanation::Explanation;
use web::model::{Configuration, Host, Status};
use web::{Actor, Ask, Feed, Refusal, Role};
use zones::ZoneSet;

use super::changes::{change_of, noting};
use super::history::History;
use super::search::Lists;
use crate::clock::Clock;
use crate::control::{self, Answer, Request};
use crate::core::Core;
use crate::core::explain::Subject;
use crate::dhcp_service::{Look, Question};
use crate::explain;
use crate::responder::{self, DaemonResponder};
use crate::updater::{self, UpdaterQuestion};

/// Questions answered at once.
const AT_ONCE: usize = 8;
/// A status is told again for so long: several pages, and Prometheus, ask for the same.
const STATUS_KEPT: Duration = Duration::from_millis(900);
/// Leases of one host that are told, and how many of them with their story.
const LEASES_OF_HOST: usize = 32;
const STORIES_OF_HOST: usize = 4;
/// Events of one host that are told.
const EVENTS_OF_HOST: usize = 50;

/// Whom the desk asks.
#[derive(Debug)]
pub struct DeskParts {
    /// The daemon's parts, as commands ask them.
    pub responder: Arc<DaemonResponder>,
    /// The embedded zones as they are published.
    pub zones: Arc<ArcSwap<ZoneSet>>,
    /// The configuration of now.
    pub config: Arc<ArcSwap<Config>>,
    /// The daemon's clock.
    pub clock: Clock,
}

/// See the module.
#[derive(Debug)]
pub struct Desk {
    pub(super) parts: DeskParts,
    pub(super) feed: Arc<Feed>,
    pub(super) started_at: u64,
    pub(super) machine: String,
    /// Addresses that are reserved, and by which configuration.
    reserved: std::sync::Mutex<(Arc<Config>, Arc<HashSet<Ipv4Addr>>)>,
    pub(super) lists: Mutex<Lists>,
    pub(super) hosts: Mutex<super::hosts::Kept>,
    pub(super) history: std::sync::Mutex<History>,
    status: Mutex<Option<(Instant, Status)>>,
}

impl Desk {
    pub(super) fn new(parts: DeskParts, feed: Arc<Feed>) -> Self {
        let config = parts.config.load_full();
        let machine = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        Self {
            started_at: parts.clock.now().wall_secs,
            machine: machine.trim().to_owned(),
            reserved: std::sync::Mutex::new((Arc::clone(&config), Arc::new(reserved_by(&config)))),
            lists: Mutex::default(),
            hosts: Mutex::default(),
            history: std::sync::Mutex::default(),
            status: Mutex::default(),
            parts,
            feed,
        }
    }

    /// Addresses that are reserved now.
    pub(super) fn reserved(&self) -> Arc<HashSet<Ipv4Addr>> {
        let now = self.parts.config.load_full();
        let mut known = self.reserved.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if !Arc::ptr_eq(&known.0, &now) {
            *known = (Arc::clone(&now), Arc::new(reserved_by(&now)));
        }
        Arc::clone(&known.1)
    }

    /// Answers until nobody can ask any more.
    pub(super) async fn answer(self: &Arc<Self>, mut asked: mpsc::Receiver<Ask>) {
        let mut under_way = JoinSet::new();
        while let Some(ask) = asked.recv().await {
            while under_way.len() >= AT_ONCE {
                under_way.join_next().await;
            }
            while under_way.try_join_next().is_some() {}
            let desk = Arc::clone(self);
            under_way.spawn(async move { desk.answer_one(ask).await });
        }
    }

    async fn answer_one(&self, ask: Ask) {
        let change = change_of(&ask);
        let by = &*self.parts.responder;
        // Whoever asked may have gone: then nobody misses the answer.
        match ask {
            Ask::Status(to) => drop(to.send(self.status().await)),
            Ask::Leases(query, to) => drop(to.send(self.leases(query).await)),
            Ask::Host(id, to) => drop(to.send(self.host(&id).await)),
            Ask::Explain(of, to) => drop(to.send(self.story(&of, responder::Look::AtServers).await)),
            Ask::Subnets(to) => drop(to.send(self.subnets().await)),
            Ask::Subnet(prefix, to) => drop(to.send(self.subnet(&prefix).await)),
            Ask::Map(prefix, from, to) => drop(to.send(self.map(&prefix, from).await)),
            Ask::Zones(to) => drop(to.send(self.zones().await)),
            Ask::Records(apex, query, to) => drop(to.send(self.records(&apex, query).await)),
            Ask::DnsWork(query, to) => drop(to.send(self.dns_work(query).await)),
            Ask::History(range, to) => drop(to.send(Ok(self.figures(range)))),
            Ask::Past(query, to) => drop(to.send(self.parts.responder.past(query).await.map_err(Refusal::Bad))),
            Ask::Devices(to) => drop(to.send(Ok(self.parts.responder.devices.list()))),
            Ask::Device(hardware, to) => drop(to.send(self.parts.responder.devices.device(&hardware))),
            Ask::DecideDevice { hardware, decision, conditions, to, .. } => {
                drop(to.send(noting(by, change, self.decide_device(hardware, decision, conditions)).await));
            }
            Ask::Changes(query, to) => {
                drop(to.send(self.parts.responder.changes(query).await.map_err(Refusal::Bad)));
            }
            Ask::PastHolder(address, at, to) => {
                drop(to.send(self.parts.responder.past_holder(address, at).await.map_err(Refusal::Bad)));
            }
            Ask::Configuration(to) => drop(to.send(Ok(self.configuration()))),
            Ask::Hosts(query, to) => drop(to.send(self.hosts(query).await)),
            Ask::Queries(query, to) => drop(to.send(self.queries(query).await)),
            Ask::Forwarder(to) => drop(to.send(Ok(self.forwarder()))),
            Ask::Reservations(query, to) => drop(to.send(self.reservations(query).await)),
            Ask::Reserve { key, written, dry_run, conditions, to, .. } => {
                drop(to.send(noting(by, change, self.reserve(key, written, dry_run, conditions)).await));
            }
            Ask::Unreserve { key, subnet, dry_run, conditions, to, .. } => {
                drop(to.send(noting(by, change, self.unreserve(&key, subnet, dry_run, conditions)).await));
            }
            Ask::StaticRecords(key, to) => drop(to.send(self.static_records(key).await)),
            Ask::PutRecords { key, written, dry_run, conditions, to, .. } => {
                drop(to.send(noting(by, change, self.put_records(key, written, dry_run, conditions)).await));
            }
            Ask::DeleteRecords { key, dry_run, conditions, to, .. } => {
                drop(to.send(noting(by, change, self.delete_records(key, dry_run, conditions)).await));
            }
            Ask::RetryNames(retry, _, to) => {
                drop(to.send(noting(by, change, by.try_now(retry.of.as_deref())).await));
            }
            Ask::Machines(to) => drop(to.send(self.machines().await)),
            Ask::PutMachine { name, written, dry_run, conditions, to, .. } => {
                drop(to.send(noting(by, change, self.put_machine(name, written, dry_run, conditions)).await));
            }
            Ask::DeleteMachine { name, dry_run, conditions, to, .. } => {
                drop(to.send(noting(by, change, self.delete_machine(name, dry_run, conditions)).await));
            }
            Ask::Lease(address, to) => drop(to.send(self.lease(address).await)),
            Ask::Release { address, client, conditions, to, .. } => {
                drop(to.send(noting(by, change, self.release(address, client, conditions)).await));
            }
            Ask::File(which, to) => drop(to.send(self.file(which).await)),
            Ask::PutFile { which, text, dry_run, conditions, to, .. } => {
                drop(to.send(noting(by, change, self.put_file(which, text, dry_run, conditions)).await));
            }
            Ask::CheckConfiguration(text, to) => drop(to.send(self.check(text).await)),
            Ask::Apply { dry_run, to, .. } => drop(to.send(noting(by, change, self.apply(dry_run)).await)),
            Ask::Command(request, role, actor, to) => drop(to.send(self.obey(request, role, actor).await)),
        }
    }

    /// Does what a command of another machine asks. The role is the route's that it came by: whoever sends a request by
    /// another route than it needs is refused.
    async fn obey(&self, request: serde_json::Value, role: Role, actor: Actor) -> Result<serde_json::Value, Refusal> {
        let request: Request = serde_json::from_value(request)
            .map_err(|error| Refusal::Unfit(format!("this is no request of a command of this version: {error}")))?;
        if request.role() > role {
            return Err(Refusal::Forbidden(format!("this request needs the role `{}`", request.role())));
        }
        if request.role() > Role::View {
            info!("{actor} asks for {request:?}");
        }
        match control::obey(request, actor, &*self.parts.responder).await {
            Answer::Ok(answer) => Ok(answer),
            Answer::Error(words) => Err(Refusal::Bad(words)),
        }
    }

    async fn status(&self) -> Result<Status, Refusal> {
        let mut kept = self.status.lock().await;
        if let Some((at, status)) = &*kept
            && at.elapsed() < STATUS_KEPT
        {
            return Ok(status.clone());
        }
        let status = self.make_status().await?;
        *kept = Some((Instant::now(), status.clone()));
        Ok(status)
    }

    pub(super) async fn story(&self, of: &str, look: responder::Look) -> Result<Explanation, Refusal> {
        self.parts.responder.story(of, look).await.map_err(Refusal::Bad)?.ok_or(Refusal::Ending)
    }

    async fn host(&self, id: &str) -> Result<Host, Refusal> {
        let hardware = self.hardware_of(id).await?;
        let addresses = match hardware {
            Some(hardware) => self.addresses_of(hardware).await?,
            None => Vec::new(),
        };
        let explanation = self.story_of(id, &addresses).await?;
        if explanation.leases.is_empty() && explanation.reservations.is_empty() && explanation.records.is_empty() {
            return Err(Refusal::NotFound(explanation.verdict));
        }
        let leases = self.rows_at(addresses).await?;
        let called = leases.first().and_then(|lease| lease.name.clone().or_else(|| Some(lease.hostname.clone())));
        let hardware = hardware.map(|hardware| hardware.to_string());
        let title = called.filter(|name| !name.is_empty()).or_else(|| hardware.clone());
        let of_host = |event: &web::model::Event| {
            event.lease.as_ref().is_some_and(|lease| Some(&lease.hardware) == hardware.as_ref())
        };
        let events = self.feed.newest(EVENTS_OF_HOST, of_host);
        let maker = match &hardware {
            Some(hardware) => self.maker(hardware).await,
            None => None,
        };
        Ok(Host {
            id: id.to_owned(),
            title: title.unwrap_or_else(|| id.to_owned()),
            private_hardware: hardware.as_deref().is_some_and(is_private),
            hardware,
            maker,
            leases,
            events,
            explanation,
        })
    }

    /// Whose lease an address or a name leads to.
    async fn hardware_of(&self, id: &str) -> Result<Option<HardwareAddress>, Refusal> {
        let settings = self.name_settings().await?;
        let address = match explain::subject(id, &settings).map_err(Refusal::Bad)? {
            Subject::Hardware(hardware) => return Ok(Some(hardware)),
            Subject::Address(address) => Some(address),
            Subject::Name(name) => {
                let key = RowKey::Forward(name);
                let first = move |reconciler: &Reconciler, _| {
                    reconciler.row(&key).and_then(|row| row.row.want.as_ref()?.addresses.first().copied())
                };
                self.look_at_names(first).await?
            }
        };
        let Some(IpAddr::V4(address)) = address else { return Ok(None) };
        self.look(move |core, _| core.engine().lease(address).map(|lease| lease.hardware)).await
    }

    /// Where a host has or had a lease: what it holds before what it held, the newest first.
    async fn addresses_of(&self, hardware: HardwareAddress) -> Result<Vec<Ipv4Addr>, Refusal> {
        let pick = move |lease: &Lease| {
            (lease.hardware == hardware).then_some((lease.state == LeaseState::Bound, lease.renewed_at, lease.address))
        };
        let (mut leases, _) = self.pick(pick).await?;
        leases.sort_by_key(|lease| std::cmp::Reverse(*lease));
        Ok(leases.into_iter().map(|(.., address)| address).take(LEASES_OF_HOST).collect())
    }

    /// The stories of a host's addresses as one. A story by address is soon told, one by name or hardware address looks at
    /// every lease: it is asked for only where no lease is known.
    async fn story_of(&self, id: &str, addresses: &[Ipv4Addr]) -> Result<Explanation, Refusal> {
        let mut told: Option<Explanation> = None;
        for address in addresses.iter().take(STORIES_OF_HOST) {
            let story = self.story(&address.to_string(), responder::Look::AtWhatIsKnown).await?;
            match &mut told {
                None => told = Some(story),
                Some(told) => {
                    told.leases.extend(story.leases);
                    told.reservations.extend(story.reservations);
                    told.records.extend(
                        story.records.into_iter().filter(|one| !told.records.contains(one)).collect::<Vec<_>>(),
                    );
                }
            }
        }
        match told {
            Some(told) => {
                Ok(Explanation { left_out: told.left_out + addresses.len().saturating_sub(STORIES_OF_HOST), ..told })
            }
            None => self.story(id, responder::Look::AtWhatIsKnown).await,
        }
    }

    fn configuration(&self) -> Configuration {
        let config = self.parts.config.load();
        let web = config.web.as_ref();
        let shown = |text: &Arc<str>| (!text.is_empty()).then(|| text.to_string());
        Configuration { file: web.and_then(|web| shown(&web.file)), text: web.and_then(|web| shown(&web.text)) }
    }

    /// Looks at the core; `look` must be done soon, since no datagram is answered meanwhile.
    pub(super) async fn look<T: Send + 'static>(
        &self,
        look: impl FnOnce(&Core, dhcp::time::Now) -> T + Send + 'static,
    ) -> Result<T, Refusal> {
        let (look, seen) = Look::new(look);
        self.parts.responder.service.send(Question::Look(look)).await.map_err(|_| Refusal::Ending)?;
        seen.await.map_err(|_| Refusal::Ending)
    }

    /// Looks at the names on their way to DNS.
    pub(super) async fn look_at_names<T: Send + 'static>(
        &self,
        look: impl FnOnce(&Reconciler, ddns::Now) -> T + Send + 'static,
    ) -> Result<T, Refusal> {
        let (look, seen) = updater::Look::new(look);
        self.parts.responder.updater.send(UpdaterQuestion::Look(look)).await.map_err(|_| Refusal::Ending)?;
        seen.await.map_err(|_| Refusal::Ending)
    }

    /// The settings of names as they are now that servers were asked where their zones begin.
    pub(super) async fn name_settings(&self) -> Result<Arc<Settings>, Refusal> {
        let (to, settings) = oneshot::channel();
        self.parts.responder.updater.send(UpdaterQuestion::Settings(to)).await.map_err(|_| Refusal::Ending)?;
        settings.await.map_err(|_| Refusal::Ending)
    }

    /// What is reserved at which address, in words.
    pub(super) fn domains(&self) -> HashMap<String, String> {
        let config = self.parts.config.load();
        let subnets = config.dhcp.subnets.iter();
        let domain = |subnet: &dhcp::settings::Subnet| Some(super::shown(&subnet.naming.as_ref()?.domain));
        subnets.filter_map(|subnet| Some((subnet.prefix.to_string(), domain(subnet)?))).collect()
    }
}

fn reserved_by(config: &Config) -> HashSet<Ipv4Addr> {
    let reservations = config.dhcp.subnets.iter().flat_map(|subnet| &subnet.reservations);
    reservations.filter_map(|reservation| reservation.address).collect()
}

/// IEEE 802: the bit of an address that nobody assigned. Phones make such ones up for each network.
pub(super) fn is_private(hardware: &str) -> bool {
    let first = hardware.split(':').next().and_then(|octet| u8::from_str_radix(octet, 16).ok());
    first.is_some_and(|octet| octet & 2 != 0)
}

#[cfg(test)]
mod tests {
    use super::is_private;

    #[test]
    fn a_made_up_hardware_address_is_known_by_its_second_bit() {
        assert!(is_private("02:00:00:00:00:01") && is_private("de:ad:be:ef:00:01"));
        assert!(!is_private("00:11:32:aa:bb:cc") && !is_private("32/00:01") && !is_private("none"));
    }
}
