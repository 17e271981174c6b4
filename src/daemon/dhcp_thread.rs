//! The DHCP service on a thread and a runtime of its own, so that nothing else delays a reply.

use std::sync::Arc;
use std::thread::JoinHandle;

use anyhow::Context;
use config::Config;
use tokio::sync::{oneshot, watch};

use super::addresses::socket_settings;
use crate::clock::Clock;
use crate::committer::Committer;
use crate::core::Core;
use crate::core::pipeline::Pipeline;
use crate::counters::Counters;
use crate::devices::DeviceDesk;
use crate::dhcp_service::{DhcpService, ServiceChannels, ServiceError, Storing};
use crate::dhcp_sockets::{DhcpSockets, InterfaceTable};
use crate::history::HistoryFeed;
use crate::http::news::LeaseNews;
use crate::lease_log::LeaseLog;
use crate::zone_keeper::ZoneKeeper;

/// What the service is made of.
pub(super) struct ServiceParts {
    pub(super) config: Arc<Config>,
    pub(super) core: Core,
    pub(super) clock: Clock,
    pub(super) committer: Committer,
    pub(super) zones: Arc<ZoneKeeper>,
    pub(super) ddns: Arc<ddns::settings::Settings>,
    pub(super) counters: Arc<Counters>,
    pub(super) channels: ServiceChannels,
    /// What happens to leases, for the page.
    pub(super) told: Option<Arc<LeaseNews>>,
    /// The same, for the history of leases.
    pub(super) history: Option<Arc<HistoryFeed>>,
    /// Takes those who wait for approval.
    pub(super) devices: Arc<DeviceDesk>,
}

/// A service that runs.
pub(super) struct Service {
    pub(super) thread: JoinHandle<()>,
    /// How it ended; closed without a word by a panic.
    pub(super) ended: oneshot::Receiver<Result<(), ServiceError>>,
    pub(super) interfaces: watch::Receiver<Arc<InterfaceTable>>,
}

/// Starts it; returns once its sockets are open.
///
/// # Errors
/// What keeps them from opening.
pub(super) async fn start(parts: ServiceParts) -> anyhow::Result<Service> {
    let (started, starting) = oneshot::channel();
    let (ending, ended) = oneshot::channel();
    let thread = std::thread::Builder::new().name("dhcp".to_owned()).spawn(move || {
        let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => return drop(started.send(Err(anyhow::Error::new(error).context("no runtime for DHCP")))),
        };
        runtime.block_on(async move {
            let ServiceParts {
                config,
                core,
                clock,
                committer,
                zones,
                ddns,
                counters,
                channels,
                told,
                history,
                devices,
            } = parts;
            let sockets = match DhcpSockets::open(socket_settings(&config)) {
                Ok(sockets) => sockets,
                Err(error) => return drop(started.send(Err(anyhow::Error::new(error).context("cannot serve DHCP")))),
            };
            let interfaces = sockets.interfaces();
            let storing = Storing { committer, zones, ddns };
            let log = LeaseLog::new(Arc::clone(&config.switches));
            let service = DhcpService::new(sockets, Pipeline::new(core), clock, storing, counters, channels, log);
            let service = service.telling(told).remembering(history).admitting(devices);
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
