//! Another configuration, between two batches.

use tracing::warn;

use super::{DhcpService, Reload};
use crate::dhcp_sockets::Batch;
use crate::lease_log::LeaseLog;

impl DhcpService {
    /// Takes another configuration while nothing is in flight. What arrives meanwhile is taken from the sockets, and
    /// decided by whichever configuration is in force then.
    pub(super) async fn reload(&mut self, reload: Reload, received: &mut Batch) {
        let Reload { sockets, dhcp, ddns, own, switches, commit, done } = reload;
        if self.sockets.needs_restart(&sockets) {
            let words = "the sockets of DHCP cannot become what the configuration asks for (one address, or interfaces) \
                         while the daemon runs; restart the daemon, or take it back";
            return drop(done.send(Err(words.to_owned())));
        }
        if let Err(error) = self.sockets.prepare(&sockets) {
            return drop(done.send(Err(crate::words(&error))));
        }
        let mut committing = commit(self.pipeline.core().wanted().iter().collect());
        let committed = loop {
            tokio::select! {
                committed = &mut committing => break committed,
                () = self.sockets.receive(received) => { self.take_in(received); }
            }
        };
        if committed.is_ok() {
            self.sockets.adopt(sockets);
            self.storing.ddns = std::sync::Arc::clone(&ddns);
            self.log = LeaseLog::new(switches);
            // Its links are values of the interfaces; those that are new make new ones.
            self.links.clear();
            self.pipeline.reconfigure(dhcp, ddns, own, self.clock.now());
        }
        if done.send(committed).is_err() {
            warn!("nobody waits any more for what came of the changed configuration");
        }
    }
}
