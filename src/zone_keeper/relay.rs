//! Zones exchanged as a whole, for those of a new configuration.
//!
//! Meanwhile nothing is decided: what was decided before is waited for, updates from the network and the updater's wait
//! until it is over, and the DHCP service, which decides names with their leases, has its batches wait by itself. It freezes
//! the zones too, while it commits the names of a client that is alone.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use dns::{Fqdn, Rcode};
use tokio::sync::oneshot;
use zones::{Histories, ZoneSet};

use super::by_lease::Written;
use super::{Keeping, ZoneKeeper};
use crate::embedded_zones::{ByLease, LoadedZones};

/// No zone changes while it is there.
#[derive(Debug)]
pub struct Freeze(Arc<ZoneKeeper>);

impl Freeze {
    /// Under the lock, so that whoever decides has seen it, or has decided before.
    pub(super) fn new(keeper: &Arc<ZoneKeeper>, _state: &Keeping<oneshot::Sender<Rcode>>) -> Self {
        keeper.frozen.fetch_add(1, Ordering::AcqRel);
        Self(Arc::clone(keeper))
    }
}

impl Drop for Freeze {
    fn drop(&mut self) {
        self.0.frozen.fetch_sub(1, Ordering::AcqRel);
        self.0.thawed.notify_waiters();
    }
}

impl ZoneKeeper {
    /// Waits until every decision is settled, and has whoever wants to decide more wait. One at a time.
    pub async fn freeze(self: &Arc<Self>) -> Freeze {
        let freeze = Freeze::new(self, &self.lock());
        loop {
            let settled = self.settled.notified();
            tokio::pin!(settled);
            // From here on nothing is missed.
            settled.as_mut().enable();
            if self.lock().authority.is_settled() {
                return freeze;
            }
            settled.await;
        }
    }

    /// Decides under the lock, as soon as no zones are exchanged.
    pub(super) async fn when_thawed<R>(&self, decide: impl FnOnce(&mut Keeping<oneshot::Sender<Rcode>>) -> R) -> R {
        loop {
            let thawed = self.thawed.notified();
            tokio::pin!(thawed);
            thawed.as_mut().enable();
            {
                let mut state = self.lock();
                if self.frozen.load(Ordering::Acquire) == 0 {
                    return decide(&mut state);
                }
            }
            thawed.await;
        }
    }
}

impl Freeze {
    /// The zones, their past and what holders of leases wrote in them.
    #[must_use]
    pub fn held(&self) -> (ZoneSet, Histories, ByLease) {
        let state = self.0.lock();
        let histories = state.authority.histories().by_zone().clone();
        (state.authority.committed().clone(), histories, state.written.names().clone())
    }

    /// Serves these in their place; they are stored already. `by_lease`: see [`ZoneKeeper::open_to_leases`].
    pub fn replace(&self, loaded: LoadedZones, by_lease: HashSet<Fqdn>) {
        let mut state = self.0.lock();
        state.authority.replace(loaded.zones, loaded.histories);
        (state.by_lease, state.written) = (by_lease, Written::new(loaded.by_lease));
        self.0.publish(&state, Vec::new());
    }
}
