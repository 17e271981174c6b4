//! Audits of zones, and what follows from them: `leasehold dns audit`, `repair`, `adopt` and `resync`, and the audit
//! that is made unasked.
//!
//! A zone is read at its server: an embedded one directly, any other by a zone transfer where that is allowed, else name
//! by name. What should be there is asked of the updater before and afterwards, so that what changed meanwhile is told
//! as such; the comparison is [`ddns::audit`]'s.

mod act;
pub(crate) mod look;
mod read;
mod scheduled;
mod view;
mod views;

use std::sync::{Arc, Mutex};

use arc_swap::ArcSwap;
use ddns::audit::{AuditedRow, Owners, ZoneAudit, ZoneFindings};
use ddns::settings::{Settings, ZoneRoute, ZoneServer};
use dns::Fqdn;
use ipnet::Ipv4Net;
use tokio::sync::{mpsc, oneshot};
use zones::{ZoneSet, zone_id};

use crate::control::AuditSummary;
use crate::ddns_client::WallClock;
use crate::dhcp_service::Question;
use crate::dns_writer::DnsWriter;
use crate::updater::UpdaterQuestion;

/// What an auditor works with.
pub struct AuditorParts {
    /// How zones are kept.
    pub settings: Arc<Settings>,
    /// The prefixes whose addresses this server gives.
    pub subnets: Vec<Ipv4Net>,
    /// Knows what should be there.
    pub updater: mpsc::Sender<UpdaterQuestion>,
    /// Knows the clients.
    pub service: mpsc::Sender<Question>,
    /// The embedded zones as they are served.
    pub published: Arc<ArcSwap<ZoneSet>>,
    /// Sends what adopts names.
    pub writer: DnsWriter,
    /// UTC seconds, for signatures and for when an audit was.
    pub wall_secs: WallClock,
}

/// See the module.
pub struct Auditor {
    parts: AuditorParts,
    /// One audit at a time: each reads whole zones.
    turn: tokio::sync::Mutex<()>,
    /// What the last audit that was made unasked found.
    last: Mutex<Option<AuditSummary>>,
}

impl std::fmt::Debug for Auditor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Auditor").finish_non_exhaustive()
    }
}

/// One zone that was audited.
pub(crate) struct Audited {
    pub(crate) zone: ZoneRoute,
    /// An embedded zone as it is known: several, each for other views, can have one apex.
    pub(crate) id: Option<Fqdn>,
    /// It has the names of another zone of its apex.
    pub(crate) follows: bool,
    /// By which it was compared.
    pub(crate) settings: Arc<Settings>,
    /// How it was read: in words.
    pub(crate) how: &'static str,
    /// What was found, or why it could not be read.
    pub(crate) result: Result<ZoneFindings, String>,
}

impl Audited {
    /// The zone, for people.
    pub(crate) fn words(&self) -> String {
        self.id.as_ref().map_or_else(|| self.zone.apex.to_string(), zone_id::words)
    }

    /// The zone that an update of it names.
    pub(crate) fn target(&self) -> &Fqdn {
        self.id.as_ref().unwrap_or(&self.zone.apex)
    }
}

impl Auditor {
    /// An auditor.
    #[must_use]
    pub fn new(parts: AuditorParts) -> Self {
        Self { parts, turn: tokio::sync::Mutex::new(()), last: Mutex::new(None) }
    }

    /// The zones that are meant: that one, or all.
    async fn zones(&self, zone: Option<&str>) -> Result<Vec<ZoneRoute>, String> {
        let all = self.settings().await?.zones.to_vec();
        let Some(text) = zone else { return Ok(all) };
        let apex: Fqdn = text.parse().map_err(|_| format!("{text} is not the name of a zone"))?;
        let known: Vec<String> = all.iter().map(|route| route.apex.to_string()).collect();
        let found: Vec<ZoneRoute> = all.into_iter().filter(|route| route.apex == apex).collect();
        if found.is_empty() {
            return Err(format!("no zone {apex} is kept here; there are: {}", known.join(", ")));
        }
        Ok(found)
    }

    /// The settings with what is known of the zones by now.
    async fn settings(&self) -> Result<Arc<Settings>, String> {
        let (to, settings) = oneshot::channel();
        self.parts.updater.send(UpdaterQuestion::Settings(to)).await.map_err(|_| ending())?;
        settings.await.map_err(|_| ending())
    }

    /// Audits each of these zones.
    async fn audit_zones(&self, zones: Vec<ZoneRoute>) -> Result<Vec<Audited>, String> {
        let mut audited = Vec::with_capacity(zones.len());
        for zone in zones {
            let mut of_apex = Vec::new();
            for (at, id) in self.places(&zone).into_iter().enumerate() {
                of_apex.push(self.audit_zone(zone.clone(), id, at > 0).await?);
            }
            views::reconcile(&mut of_apex);
            audited.append(&mut of_apex);
        }
        Ok(audited)
    }

    /// Where names of leases are kept that are in this zone: of an embedded one in each that is for some view.
    fn places(&self, zone: &ZoneRoute) -> Vec<Option<Fqdn>> {
        match zone.server {
            ZoneServer::Embedded => self.parts.published.load().leased(&zone.apex).into_iter().map(Some).collect(),
            ZoneServer::Remote { .. } => vec![None],
        }
    }

    async fn audit_zone(&self, zone: ZoneRoute, id: Option<Fqdn>, follows: bool) -> Result<Audited, String> {
        let settings = self.settings().await?;
        let before = self.rows(&zone.apex).await?;
        let mut owners = Owners::new(self.parts.subnets.iter().copied());
        for (_, row) in &before {
            owners.insert_row(row);
        }
        for lease in self.leases().await? {
            let identity = match lease.name {
                Some(name) => name.identity,
                None => dhcp::names::host_identity(lease.hardware, lease.client_id.as_ref()),
            };
            owners.insert(lease.address.into(), identity);
        }
        let of_zone =
            |rows: Vec<(bool, AuditedRow)>| rows.into_iter().filter(|(within, _)| *within).map(|(_, row)| row);
        let mut audit = ZoneAudit::new(Arc::clone(&settings), of_zone(before));
        let (how, read) = self.read(&zone, id.as_ref(), &mut audit).await;
        let mut result = match read {
            Err(why) => Err(why),
            Ok(()) if self.settings().await? != settings => {
                Err("where zones begin was found to be otherwise meanwhile: repeat the command".to_owned())
            }
            Ok(()) => {
                let after: Vec<AuditedRow> = of_zone(self.rows(&zone.apex).await?).collect();
                // Digests in great number keep a thread busy: not one that serves others.
                let concluded = tokio::task::spawn_blocking(move || audit.conclude(&after, &owners)).await;
                concluded.map_err(|_| "the comparison failed".to_owned())
            }
        };
        if let Ok(findings) = &mut result {
            self.find_elsewhere(&zone, &settings, findings).await;
        }
        Ok(Audited { zone, id, follows, settings, how, result })
    }

    async fn rows(&self, apex: &Fqdn) -> Result<Vec<(bool, AuditedRow)>, String> {
        let (to, rows) = oneshot::channel();
        self.parts.updater.send(UpdaterQuestion::Audited(apex.clone(), to)).await.map_err(|_| ending())?;
        rows.await.map_err(|_| ending())
    }

    async fn leases(&self) -> Result<Vec<dhcp::lease::Lease>, String> {
        let (to, leases) = oneshot::channel();
        self.parts.service.send(Question::Leases(to)).await.map_err(|_| ending())?;
        leases.await.map_err(|_| ending())
    }
}

fn ending() -> String {
    "the daemon is ending".to_owned()
}
