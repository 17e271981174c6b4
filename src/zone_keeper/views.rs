//! Zones of one apex for several views: names of leases given anew to those that have lost them.

use std::sync::Arc;

use dns::{Fqdn, Rcode, Rdata};
use zones::{Followed, NodeRef, zone_id};

use super::{Decided, Keeping, ToStore, Waiting, ZoneKeeper};

/// A name, and the DHCID records by which it may be taken for a host's where it is to be mended.
pub type Strayed = (Fqdn, Vec<Rdata>);

impl<T> Keeping<T> {
    /// Gives the zone that is known by `id` these names as they are in the zone that they are decided in. Those that are
    /// somebody else's stay.
    pub fn follow_again(&mut self, id: &Fqdn, names: Vec<Strayed>, to: T) -> Decided<T> {
        let zones = self.authority.tentative();
        let Some(home) = zones.get(zones.home(&zone_id::apex(id))) else {
            return Decided::Answered(to, Rcode::NOT_AUTH);
        };
        let followed = |(name, former): Strayed| {
            let now = home.node(&name).map(NodeRef::to_node);
            Followed { name, former, now }
        };
        let followed: Vec<Followed> = names.into_iter().map(followed).collect();
        let mut together = self.authority.together();
        together.follow_again(id, &followed);
        let Some((ticket, changes)) = together.finish() else { return Decided::Answered(to, Rcode::NO_ERROR) };
        self.waiting.push_back(Waiting { after: ticket, rcode: Rcode::NO_ERROR, to });
        let mut rows = Vec::new();
        self.add_rows(ticket, changes, None, &mut rows);
        Decided::Waits(Some(ToStore { ticket, epoch: self.epoch, rows }))
    }
}

impl ZoneKeeper {
    /// As [`Keeping::follow_again`]; answers once it is stored and published.
    pub async fn follow_again(self: &Arc<Self>, id: &Fqdn, names: Vec<Strayed>) -> Rcode {
        self.change(|state, to| state.follow_again(id, names, to)).await
    }
}
