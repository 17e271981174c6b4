//! Asks the daemon's parts, for commands at the control socket and for the page.
//!
//! Here is what both ask; `commands` has each command and its answer, `views` what these show.

mod commands;
mod views;

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use config::Config;
use config::beside::edit::{Client, Edit, NewReservation};
use ddns::reconcile::{Again, HeldBack};
use dhcp::lease::{Lease, LeaseState};
use tokio::sync::{mpsc, oneshot};
use web::model::{Changes, ChangesQuery, Machines, Past, PastHolder, PastQuery, Retried};
use web::{ETag, Feed, Refusal};

use crate::auditor::Auditor;
use crate::changes::ChangeLog;
use crate::committer::Committer;
use crate::control::{HeldBackView, ReserveRequest, ZoneCopyView, ZoneServersView};
use crate::core::explain::Subject;
use crate::counters::Counters;
use crate::devices::{DecisionGuard, DeviceDesk};
use crate::dhcp_service::{Question, ReleaseGuard, ToRelease};
use crate::dns_server::DnsGauge;
use crate::explain;
use crate::explain::views::Explanation;
use crate::history::answers::HistoryDesk;
use crate::history::views::hardware as read_hardware;
use crate::http::machines;
use crate::query_log::SharedLog;
use crate::reload::{Guard, Orders, ReloadView};
use crate::updater::UpdaterQuestion;
use crate::zone_intake::{self, IntakeQuestion};

/// How long a story waits for what others say of a name.
const ELSEWHERE_WITHIN: Duration = Duration::from_secs(5);

/// Whether DNS servers are asked what they hold of a story's names now, which takes as long as they do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// They are.
    AtServers,
    /// What was heard of them last is told.
    AtWhatIsKnown,
}

/// See the module.
#[derive(Debug)]
pub struct DaemonResponder {
    /// The DHCP service.
    pub service: mpsc::Sender<Question>,
    /// The updater.
    pub updater: mpsc::Sender<UpdaterQuestion>,
    /// The committer.
    pub committer: Committer,
    /// Audits zones.
    pub auditor: Arc<ArcSwap<Auditor>>,
    /// The counters.
    pub counters: Arc<Counters>,
    /// A look at the DNS server; none: none runs.
    pub dns: Option<DnsGauge>,
    /// What the forwarder was asked; none: nothing is remembered.
    pub queries: Option<Arc<SharedLog>>,
    /// The configuration of now.
    pub config: Arc<ArcSwap<Config>>,
    /// Whoever can change it; none: nobody.
    pub orders: Option<Orders>,
    /// Who changed what.
    pub changes: Arc<ChangeLog>,
    /// What happens, as the page hears it.
    pub feed: Arc<Feed>,
    /// Devices that nobody knew.
    pub devices: Arc<DeviceDesk>,
    /// The history of leases; none: none is kept.
    pub history: Option<HistoryDesk>,
    /// Whoever follows the primaries of copies.
    pub copies: mpsc::Sender<IntakeQuestion>,
}

impl DaemonResponder {
    /// Changes the file beside the main one.
    ///
    /// # Errors
    /// Why not.
    pub async fn edit(&self, edits: Vec<Edit>, dry_run: bool, guard: Guard) -> Result<ReloadView, Refusal> {
        self.orders()?.edit(edits, dry_run, guard).await
    }

    /// Whoever can change the configuration.
    ///
    /// # Errors
    /// Nobody can: there is no file.
    pub fn orders(&self) -> Result<&Orders, Refusal> {
        self.orders.as_ref().ok_or_else(|| Refusal::Conflict(NO_FILE.to_owned()))
    }

    /// What is to be written.
    ///
    /// # Errors
    /// There is no such lease, or it is not told for whom.
    pub async fn reservation_of(&self, wanted: ReserveRequest) -> Result<NewReservation, Refusal> {
        let ReserveRequest { client, address, subnet, hostname, from_lease } = wanted;
        if let Some(leased) = from_lease {
            let asked = self.ask_service(|to| Question::LeasesAt(vec![leased], to)).await.ok_or(Refusal::Ending)?;
            let held = asked.into_iter().find(|lease| lease.state == LeaseState::Bound);
            let lease = held.ok_or_else(|| Refusal::NotFound(format!("nobody holds {leased} by a lease")))?;
            let label = lease.name.as_ref().map(|name| {
                let full = name.fqdn.to_string();
                full.split('.').next().unwrap_or_default().to_owned()
            });
            return Ok(NewReservation {
                client: Client::Hardware(lease.hardware.to_string()),
                address: Some(leased),
                subnet: Some(lease.subnet),
                hostname: hostname.or(label),
            });
        }
        let client = client.ok_or_else(|| Refusal::Bad("it is not told for whom to reserve".to_owned()))?;
        let config = self.config.load();
        // The subnet that the address is in: so a client's reservation there is changed, and those elsewhere are not.
        let of_address = |address: &Ipv4Addr| {
            config.dhcp.subnets.iter().map(|subnet| subnet.prefix).find(|prefix| prefix.contains(address))
        };
        let subnet = subnet.or_else(|| address.as_ref().and_then(of_address));
        Ok(NewReservation { client: Client::parse(&client), address, subnet, hostname })
    }

    /// The machines of the configuration.
    ///
    /// # Errors
    /// The files cannot be read.
    pub async fn machines(&self) -> Result<Machines, Refusal> {
        let (main, beside) = self.orders()?.texts().await?;
        Ok(machines::listed(&main, &beside))
    }

    /// Ends the lease of an address, as long as it is as `guard` wants it; its DNS records go with it. What it was.
    ///
    /// # Errors
    /// There is none, it is another, or its end could not be stored.
    pub async fn release(&self, address: Ipv4Addr, guard: ReleaseGuard) -> Result<Lease, Refusal> {
        let release = |to| Question::Release(ToRelease { address, guard, to });
        self.ask_service(release).await.ok_or(Refusal::Ending)?
    }

    /// The story of a name, an address or a hardware address; `None`: the daemon is ending.
    ///
    /// # Errors
    /// What was asked about is none of them; in words.
    pub async fn story(&self, asked: &str, look: Look) -> Result<Option<Explanation>, String> {
        // As they are now that servers were asked where their zones begin.
        let (to, settings) = oneshot::channel();
        drop(self.updater.send(UpdaterQuestion::Settings(to)).await);
        let Ok(settings) = settings.await else { return Ok(None) };
        let subject = explain::subject(asked, &settings)?;
        let Some(facts) = self.ask_service(|to| Question::Explain(subject.clone(), to)).await else { return Ok(None) };
        let keys = explain::keys_of(&subject, &facts);
        let (to, rows) = oneshot::channel();
        let asked_too = self.updater.send(UpdaterQuestion::Rows(keys, to)).await.is_ok();
        let (true, Ok(rows)) = (asked_too, rows.await) else { return Ok(None) };
        let mut story = explain::explain(asked, &subject, &facts, &rows, &settings);
        if look == Look::AtServers {
            let found = self.auditor.load_full().look(&rows, &settings).await;
            story.records.iter_mut().zip(found).for_each(|(record, found)| record.found = found);
            if let (Subject::Name(name), Some(dns)) = (&subject, &self.dns)
                && settings.zone_index_of(name).is_none()
            {
                let found = tokio::time::timeout(ELSEWHERE_WITHIN, dns.explain(name)).await;
                story.elsewhere = found.unwrap_or_else(|_| Some("others are still being asked: ask again".to_owned()));
            }
        }
        Ok(Some(story))
    }

    /// How the servers of every zone are doing; `None`: the daemon is ending.
    pub async fn servers(&self) -> Option<Vec<ZoneServersView>> {
        let (to, zones) = oneshot::channel();
        self.updater.send(UpdaterQuestion::Servers(to)).await.ok()?;
        Some(zones.await.ok()?.iter().map(ZoneServersView::new).collect())
    }

    /// How the copies of other servers' zones stand.
    pub async fn copies(&self) -> Vec<ZoneCopyView> {
        zone_intake::standings(&self.copies).await
    }

    /// What a changed configuration would delete, and does not without being confirmed.
    pub async fn held_back(&self) -> Vec<HeldBackView> {
        let (to, held) = oneshot::channel();
        // An updater that is ending holds nothing back any more.
        drop(self.updater.send(UpdaterQuestion::HeldBack(to)).await);
        let view =
            |held: HeldBack| HeldBackView { zone: held.apex.to_string(), held: held.keys.len(), names: held.names };
        held.await.unwrap_or_default().into_iter().map(view).collect()
    }

    /// Has DNS work that waits for its next try tried now: of a name or an address, or all of it.
    ///
    /// # Errors
    /// It is neither a name nor an address, or nothing is wanted there.
    pub async fn try_now(&self, of: Option<&str>) -> Result<Retried, Refusal> {
        let again = match of {
            None => Again::All,
            Some(of) => {
                let (to, settings) = oneshot::channel();
                self.updater.send(UpdaterQuestion::Settings(to)).await.map_err(|_| Refusal::Ending)?;
                let settings = settings.await.map_err(|_| Refusal::Ending)?;
                match explain::subject(of, &settings).map_err(Refusal::Bad)? {
                    Subject::Name(name) => Again::Name(name),
                    Subject::Address(address) => Again::Address(address),
                    Subject::Hardware(_) => {
                        return Err(Refusal::Bad(format!(
                            "{of} is a hardware address: DNS work is of names and addresses"
                        )));
                    }
                }
            }
        };
        let (to, rows) = oneshot::channel();
        self.updater.send(UpdaterQuestion::TryNow(again, to)).await.map_err(|_| Refusal::Ending)?;
        let rows = rows.await.map_err(|_| Refusal::Ending)?;
        Ok(Retried { rows })
    }

    /// A part of the history of leases.
    ///
    /// # Errors
    /// What cannot be understood or read, in words.
    pub async fn past(&self, query: PastQuery) -> Result<Past, String> {
        self.history()?.past(query).await
    }

    /// Decides about a device that nobody knew, as long as what is decided of it is as `guard` wants it: the version that this
    /// has led to and a sentence, once the decision is on the disk and in force.
    ///
    /// # Errors
    /// What cannot be understood or kept, and what `guard` says.
    pub async fn decide_device(
        &self,
        hardware: String,
        verdict: String,
        guard: DecisionGuard,
    ) -> Result<(ETag, String), Refusal> {
        let (desk, decides) = (Arc::clone(&self.devices), (hardware.clone(), verdict.clone()));
        let _one = self.devices.one_at_a_time.lock().await;
        let decided = tokio::task::spawn_blocking(move || {
            desk.decide(&decides.0, &decides.1, crate::clock::machine_wall_secs(), guard)
        });
        let unkept = |_| Err(Refusal::Bad("the decision could not be kept".to_owned()));
        let decision = decided.await.unwrap_or_else(unkept)?;
        let told = self.service.send(Question::Devices(decision.devices)).await;
        told.map_err(|_| Refusal::Bad("it is kept, and the daemon is ending".to_owned()))?;
        let words = match verdict.as_str() {
            "approve" => format!("{hardware} is approved: it is served as soon as it asks again"),
            "deny" => format!("{hardware} is denied: it gets no address where unknown devices wait"),
            _ => format!("what was decided of {hardware} is forgotten"),
        };
        Ok((decision.version, words))
    }

    /// A part of the audit log.
    ///
    /// # Errors
    /// What cannot be read, in words.
    pub async fn changes(&self, query: ChangesQuery) -> Result<Changes, String> {
        let log = Arc::clone(&self.changes);
        let read = tokio::task::spawn_blocking(move || log.changes(&query)).await;
        read.unwrap_or_else(|_| Err("the audit log could not be read".to_owned()))
    }

    /// Who had an address at a moment, in UTC seconds.
    ///
    /// # Errors
    /// What cannot be read, in words.
    pub async fn past_holder(&self, address: Ipv4Addr, at: u64) -> Result<PastHolder, String> {
        let history = self.history()?;
        let lease = self.ask_service(|to| Question::LeasesAt(vec![address], to)).await;
        history.holder(address, at, lease.into_iter().flatten().next()).await
    }

    fn history(&self) -> Result<&HistoryDesk, String> {
        let none = "no history of leases is kept: take `record = \"off\"` out of [history]";
        self.history.as_ref().ok_or_else(|| none.to_owned())
    }

    /// Asks the DHCP service; `None`: the daemon is ending.
    pub async fn ask_service<T>(&self, question: impl FnOnce(oneshot::Sender<T>) -> Question) -> Option<T> {
        let (to, answer) = oneshot::channel();
        self.service.send(question(to)).await.ok()?;
        answer.await.ok()
    }
}

const NO_FILE: &str = "this daemon was started without a configuration file: there is nothing to be read again";

/// That the client of this hardware address has the lease that is to end; `None`: whoever has it.
pub(crate) fn held_by(address: Ipv4Addr, client: Option<String>) -> ReleaseGuard {
    Box::new(move |held| {
        let (Some(held), Some(client)) = (held, client) else { return Ok(()) };
        let written = held.hardware.to_string().eq_ignore_ascii_case(&client);
        if written || read_hardware(&client).is_some_and(|meant| meant.as_bytes() == held.hardware.as_bytes()) {
            return Ok(());
        }
        Err(Refusal::Changed(format!("{address} is {}'s by now, not {client}'s: look again", held.hardware)))
    })
}
