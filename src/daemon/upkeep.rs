//! What looks after the zones beside the updater: audits, and names of a former server.

use std::sync::Arc;
use std::time::Duration;

use ddns::settings::Settings;
use ipnet::Ipv4Net;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::spawn;
use crate::auditor::{Auditor, AuditorParts};
use crate::clock::machine_wall_secs;
use crate::ddns_client::UpdateClient;
use crate::dhcp_service::Question;
use crate::dns_writer::DnsWriter;
use crate::inheritor::{DISPUTED_MAX, Disputed, Inheritor};
use crate::updater::UpdaterQuestion;
use crate::zone_keeper::ZoneKeeper;

/// What it is made of.
pub(super) struct UpkeepParts {
    pub(super) settings: Arc<Settings>,
    pub(super) subnets: Vec<Ipv4Net>,
    pub(super) updater: mpsc::Sender<UpdaterQuestion>,
    pub(super) service: mpsc::Sender<Question>,
    pub(super) keeper: Arc<ZoneKeeper>,
    pub(super) client: Arc<UpdateClient>,
}

/// What others need of it.
pub(super) struct Upkeep {
    pub(super) auditor: Arc<Auditor>,
    pub(super) inheritor: Option<mpsc::Sender<Disputed>>,
}

/// Starts what the settings ask for.
pub(super) fn start(tasks: &mut JoinSet<&'static str>, parts: UpkeepParts) -> Upkeep {
    let UpkeepParts { settings, subnets, updater, service, keeper, client } = parts;
    let upkeep = settings.upkeep;
    let writer = DnsWriter { client, zones: Arc::clone(&keeper) };
    let inheritor = upkeep.inherit.any().then(|| {
        let (disputed, disputed_out) = mpsc::channel(DISPUTED_MAX);
        let (inherit, service, updater) = (upkeep.inherit, service.clone(), updater.clone());
        let inheritor = Inheritor { inherit, service, updater, writer: writer.clone() };
        spawn(tasks, "the inheritor of names", inheritor.run(disputed_out));
        disputed
    });
    let auditor = Arc::new(Auditor::new(AuditorParts {
        settings,
        subnets,
        updater,
        service,
        published: keeper.published(),
        writer,
        wall_secs: Arc::new(machine_wall_secs),
    }));
    if let Some(secs) = upkeep.audit_secs {
        let every = Duration::from_secs(secs.into());
        spawn(tasks, "the audit of the zones", Arc::clone(&auditor).run(every, upkeep.audit_repairs));
    }
    Upkeep { auditor, inheritor }
}
