//! Each command of the control socket, and its answer.

use config::beside::edit::{Client, Edit};
use dhcp::lease::Lease;
use dns::Fqdn;
use serde::Serialize;
use tokio::sync::oneshot;
use web::model::{Events, StaticRecord};
use web::{Actor, Refusal};

use super::views::{lease_view, name_view, subnet_view};
use super::{DaemonResponder, Look, held_by};
use crate::control::{Answer, LeaseView, NameView, Request, ReserveRequest, Responder, StatusView};
use crate::devices::DecisionGuard;
use crate::dhcp_service::Question;
use crate::dns_server::DnsGauge;
use crate::explain::views::Explanation;
use crate::http::machines;
use crate::reload::{ReloadView, refusal_words};
use crate::service::confinement;
use crate::static_records;
use crate::updater::UpdaterQuestion;
use crate::zone_intake;

/// Events told at once: as many as are remembered.
const EVENTS_MAX: usize = 1_024;

type Value = serde_json::Value;

impl Responder for DaemonResponder {
    async fn noted(&self, actor: Actor, what: String, result: Result<(), String>) {
        self.changes.note(actor, what, result).await;
    }

    async fn respond(&self, request: Request) -> Answer<Value> {
        match request {
            Request::Leases => {
                let leases = self.ask_service(Question::Leases).await;
                unless_ending(leases.map(|leases| leases.iter().map(|lease| self.shown(lease)).collect::<Vec<_>>()))
            }
            Request::LeaseAt { address } => {
                let leases = self.ask_service(|to| Question::LeasesAt(vec![address], to)).await;
                unless_ending(leases.map(|leases| leases.first().map(|lease| self.shown(lease))))
            }
            Request::Names => unless_ending(self.names().await),
            Request::Status => unless_ending(self.status().await),
            Request::Explain(asked) => told(self.explain(&asked).await),
            Request::DnsServers => unless_ending(self.servers().await),
            Request::DnsCopies => json(&self.copies().await),
            Request::DnsRefresh { zone, whole } => told(zone_intake::refresh(&self.copies, &zone, whole).await),
            Request::DnsAudit { zone } => told(self.auditor.load_full().audit(zone.as_deref()).await),
            Request::DnsRepair { zone, dry_run, yes } => {
                told(self.auditor.load_full().repair(zone.as_deref(), dry_run, yes).await)
            }
            Request::DnsAdopt { zone, names, all_without_dhcid, dry_run } => {
                told(self.auditor.load_full().adopt(zone.as_deref(), &names, all_without_dhcid, dry_run).await)
            }
            Request::DnsConfirmDeletions { zone, dry_run } => {
                told(self.auditor.load_full().confirm_deletions(&zone, dry_run).await)
            }
            Request::DnsRetry { of } => unless_refused(self.try_now(of.as_deref()).await),
            Request::DnsResync { zone, dry_run } => {
                told(self.auditor.load_full().resync(zone.as_deref(), dry_run).await)
            }
            Request::Queries { from } => match &self.queries {
                Some(log) => json(&log.read(from, &self.service).await),
                None => Answer::Error(NO_QUERIES.to_owned()),
            },
            Request::Reload { dry_run } => match self.orders() {
                Ok(orders) => unless_refused(orders.reload(dry_run).await),
                Err(refusal) => Answer::Error(refusal_words(refusal)),
            },
            Request::Devices => json(&self.devices.list()),
            Request::DecideDevice { hardware, verdict, state } => {
                let decided = self.decide_device(hardware, verdict, seen_as(state)).await;
                unless_refused(decided.map(|(_, words)| words))
            }
            Request::Changes(query) => told(self.changes(query).await),
            Request::Events { after, limit } => json(&self.events(after, limit)),
            Request::Past(query) => told(self.past(query).await),
            Request::PastHolder { address, at } => told(self.past_holder(address, at).await),
            Request::Reserve { reserve, dry_run } => unless_refused(self.reserve(reserve, dry_run).await),
            Request::Unreserve { client, subnet, dry_run } => {
                unless_refused(self.put(Edit::Unreserve(Client::parse(&client), subnet), dry_run).await)
            }
            Request::Records { zone } => unless_refused(self.static_records(zone).await),
            Request::EditRecords { edit, dry_run } => {
                let edit = edit.edit(&self.config.load());
                unless_refused(self.put(edit, dry_run).await)
            }
            Request::Machines => unless_refused(self.machines().await),
            Request::PutMachine { name, machine, dry_run } => {
                unless_refused(self.put(machines::put(name, machine), dry_run).await)
            }
            Request::RemoveMachine { name, dry_run } => {
                unless_refused(self.put(Edit::RemoveMachine(name), dry_run).await)
            }
            Request::Release { address, client } => {
                let released = self.release(address, held_by(address, client)).await;
                unless_refused(released.map(|lease| self.shown(&lease)))
            }
            Request::Compact => told(self.committer.compact().await),
        }
    }
}

const NO_QUERIES: &str = "no questions are remembered: write `log = \"whole\"` or `log = \"nameless\"` in [resolver]";

impl DaemonResponder {
    fn shown(&self, lease: &Lease) -> LeaseView {
        lease_view(lease, &self.config.load().switches)
    }

    async fn names(&self) -> Option<Vec<NameView>> {
        let (to, names) = oneshot::channel();
        self.updater.send(UpdaterQuestion::Names(to)).await.ok()?;
        Some(names.await.ok()?.iter().map(name_view).collect())
    }

    async fn status(&self) -> Option<StatusView> {
        let (storage_full, subnets) = self.ask_service(Question::Status).await?;
        Some(StatusView {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            storage_full,
            subnets: subnets.iter().map(subnet_view).collect(),
            zones: self.servers().await.unwrap_or_default(),
            copies: self.copies().await,
            audit: self.auditor.load_full().last(),
            held_back: self.held_back().await,
            counters: self.counters.values(),
            dns: self.dns.as_ref().map(DnsGauge::figures),
            confinement: Some(confinement::view()),
        })
    }

    /// First what the leases say, then how DNS stands for the names and addresses that they lead to.
    async fn explain(&self, asked: &str) -> Result<Explanation, String> {
        self.story(asked, Look::AtServers).await?.ok_or_else(|| ENDING.to_owned())
    }

    fn events(&self, after: Option<u64>, limit: usize) -> Events {
        let most = limit.min(EVENTS_MAX);
        Events {
            run: self.feed.events(0).run,
            events: self.feed.newest(most, |event| after.is_none_or(|after| event.id > after)),
        }
    }

    /// Makes one change in the file beside the main one.
    async fn put(&self, edit: Edit, dry_run: bool) -> Result<ReloadView, Refusal> {
        self.edit(vec![edit], dry_run, Box::new(|_| Ok(()))).await
    }

    /// Reserves an address: for a client, or for whoever has it by a lease.
    async fn reserve(&self, wanted: ReserveRequest, dry_run: bool) -> Result<ReloadView, Refusal> {
        let new = self.reservation_of(wanted).await?;
        self.put(Edit::Reserve(new), dry_run).await
    }

    /// Every static record, of one zone or of all.
    ///
    /// # Errors
    /// There is no such zone, or the file beside the main one cannot be read.
    async fn static_records(&self, zone: Option<String>) -> Result<Vec<StaticRecord>, Refusal> {
        let beside = match &self.orders {
            Some(orders) => orders.beside().await?,
            None => String::new(),
        };
        let bad = |text: &String| Refusal::Bad(format!("{text:?} is no name of a zone"));
        let apex = zone.as_ref().map(|text| text.parse::<Fqdn>().map_err(|_| bad(text))).transpose()?;
        let config = self.config.load();
        if let Some(apex) = &apex
            && !config.dns.zones.iter().any(|zone| zone.apex == *apex)
            && !config.ddns.zones.has_apex(apex)
        {
            return Err(Refusal::NotFound(format!("names are kept in no zone {}", crate::http::shown(apex))));
        }
        Ok(static_records::list(&config, &beside, apex.as_ref()))
    }
}

/// That a device is as whoever decides about it has seen it, if they say so.
fn seen_as(state: Option<String>) -> DecisionGuard {
    Box::new(move |_, now| match state {
        Some(seen) if seen != now => Err(Refusal::Changed(format!("it is {now}, not {seen}"))),
        _ => Ok(()),
    })
}

const ENDING: &str = "the daemon is ending";

/// `None`: whoever knows it has ended.
fn unless_ending(value: Option<impl Serialize>) -> Answer<Value> {
    told(value.ok_or_else(|| ENDING.to_owned()))
}

fn unless_refused(result: Result<impl Serialize, Refusal>) -> Answer<Value> {
    told(result.map_err(refusal_words))
}

fn told(result: Result<impl Serialize, String>) -> Answer<Value> {
    match result {
        Ok(value) => json(&value),
        Err(words) => Answer::Error(words),
    }
}

fn json(value: &impl Serialize) -> Answer<Value> {
    match serde_json::to_value(value) {
        Ok(value) => Answer::Ok(value),
        Err(error) => Answer::Error(format!("the answer cannot be written: {error}")),
    }
}
