//! What an operator asks for between two batches: another configuration, the end of a lease.

use dhcp::lease::LeaseState;
use dhcp::message::DropReason;
use tracing::warn;

use web::Refusal;

use super::{DhcpService, Reload, ServiceError, ToRelease};
use crate::dhcp_sockets::Batch;
use crate::lease_log::LeaseLog;

impl DhcpService {
    /// Ends the leases that are to end. They are told of once nothing is in flight any more.
    pub(super) async fn end_leases(&mut self) -> Result<(), ServiceError> {
        while let Some(ToRelease { address, guard, to }) = self.to_release.pop_front() {
            let lease = self.pipeline.core().engine().lease(address);
            let held = lease.filter(|lease| lease.state == LeaseState::Bound);
            if let Err(refusal) = guard(held.as_ref()) {
                drop(to.send(Err(refusal)));
                continue;
            }
            match (held, self.pipeline.release(self.clock.now(), address)) {
                (Some(lease), Ok(step)) => {
                    self.released.push((lease, to));
                    self.step(step).await?;
                }
                (_, Err(DropReason::StorageFull)) => {
                    drop(to.send(Err(Refusal::Conflict("the lease store has no room".to_owned()))));
                }
                _ => drop(to.send(Err(Refusal::NotFound(format!("nobody holds {address} by a lease"))))),
            }
        }
        Ok(())
    }

    /// What came of leases that were to end, while nothing is in flight.
    pub(super) fn tell_released(&mut self) {
        for (lease, to) in self.released.drain(..) {
            let now = self.pipeline.core().engine().lease(lease.address);
            let ended = now.is_none_or(|now| now.state != LeaseState::Bound);
            let why = || Refusal::Conflict(format!("the end of the lease of {} could not be stored", lease.address));
            // Whoever asked may have gone.
            drop(to.send(if ended { Ok(lease) } else { Err(why()) }));
        }
    }

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
