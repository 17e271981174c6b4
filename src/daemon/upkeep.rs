//! What looks after the zones beside the updater: audits, and names of a former server.

use std::sync::Arc;
use std::time::Duration;

use ddns::settings::Settings;
use ipnet::Ipv4Net;
use tokio::sync::mpsc;

use super::tasks::Tasks;
use crate::auditor::{Auditor, AuditorParts};
use crate::clock::machine_wall_secs;
use crate::ddns_client::UpdateClient;
use crate::dhcp_service::Question;
use crate::dns_writer::DnsWriter;
use crate::inheritor::{DISPUTED_MAX, Disputed, Inheritor};
use crate::updater::UpdaterQuestion;
use crate::zone_keeper::ZoneKeeper;

/// Names that are disputed, on their way to who asks whose they are; `None`: nobody asks.
pub(super) type Disputes = Option<(mpsc::Sender<Disputed>, mpsc::Receiver<Disputed>)>;

/// The way that [`start`] needs for names of former servers.
pub(super) fn disputes(settings: &Settings) -> Disputes {
    settings.upkeep.inherit.any().then(|| mpsc::channel(DISPUTED_MAX))
}

/// What it is made of.
pub(super) struct UpkeepParts {
    pub(super) settings: Arc<Settings>,
    pub(super) subnets: Vec<Ipv4Net>,
    pub(super) updater: mpsc::Sender<UpdaterQuestion>,
    pub(super) service: mpsc::Sender<Question>,
    pub(super) keeper: Arc<ZoneKeeper>,
    pub(super) client: Arc<UpdateClient>,
}

/// Starts what the settings ask for; what ran before ends.
pub(super) fn start(tasks: &mut Tasks, parts: UpkeepParts, disputes: Disputes) -> Arc<Auditor> {
    let UpkeepParts { settings, subnets, updater, service, keeper, client } = parts;
    let upkeep = settings.upkeep;
    let writer = DnsWriter { client, zones: Arc::clone(&keeper) };
    let inheritor = disputes.map(|(_, disputed_out)| {
        let (inherit, service, updater) = (upkeep.inherit, service.clone(), updater.clone());
        Inheritor { inherit, service, updater, writer: writer.clone() }.run(disputed_out)
    });
    tasks.replace("the inheritor of names", inheritor);
    let auditor = Arc::new(Auditor::new(AuditorParts {
        settings,
        subnets,
        updater,
        service,
        published: keeper.published(),
        writer,
        wall_secs: Arc::new(machine_wall_secs),
    }));
    let audit =
        upkeep.audit_secs.map(|secs| Arc::clone(&auditor).run(Duration::from_secs(secs.into()), upkeep.audit_repairs));
    tasks.replace("the audit of the zones", audit);
    auditor
}
