//! Updates from the network to the embedded zones: what a right allows is judged here, and told when it does not.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use dhcp::lease::{Lease, LeaseState};
use dns::{Fqdn, Rcode, Update};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tracing::info;
use zones::by_lease::{Holder, departure, own_update};
use zones::policy::Judged;
use zones::{Requestor, Zone, ZoneSet, zone_id};

use crate::clock::Clock;
use crate::dhcp_service::Question;
use crate::dns_server::{By, UpdateRequest, UpdateRights};
use crate::quiet::Quiet;
use crate::zone_keeper::ZoneKeeper;

/// Updates from the network under way at once; each holds one place in the committer's queue.
const NETWORK_UPDATES_MAX: usize = 256;

/// Writes what the network asks for.
#[derive(Clone, Debug)]
pub struct ZoneUpdates {
    /// The zones.
    pub keeper: Arc<ZoneKeeper>,
    /// Who knows the leases.
    pub leases: mpsc::Sender<Question>,
    /// Tells whether a lease is live.
    pub clock: Clock,
    refused: Arc<Quiet>,
}

impl ZoneUpdates {
    /// A writer.
    #[must_use]
    pub fn new(keeper: Arc<ZoneKeeper>, leases: mpsc::Sender<Question>, clock: Clock) -> Self {
        Self { keeper, leases, clock, refused: Arc::default() }
    }

    /// Applies updates until the sender is gone.
    pub async fn run(self, mut requests: mpsc::Receiver<UpdateRequest>) {
        let mut under_way = JoinSet::new();
        while let Some(request) = requests.recv().await {
            while under_way.len() >= NETWORK_UPDATES_MAX {
                under_way.join_next().await;
            }
            while under_way.try_join_next().is_some() {}
            let this = self.clone();
            under_way.spawn(async move {
                let UpdateRequest { update, by, rights, answer } = request;
                let rcode = match by {
                    By::Signature(requestor) => this.signed(&update, &requestor, &rights).await,
                    By::Lease(address) => this.by_lease(&update, address, &rights).await,
                };
                // Whoever asked may have gone.
                let _ = answer.send(rcode);
            });
        }
    }

    async fn signed(&self, update: &Update, requestor: &Requestor, rights: &UpdateRights) -> Rcode {
        let judged = Judged::new(&rights.policy, requestor);
        let rcode = self.keeper.update(update, &judged).await;
        if let Some(why) = judged.refusal() {
            self.tell(update, &requestor.to_string(), &why);
        }
        rcode
    }

    /// `self-by-lease`.
    async fn by_lease(&self, update: &Update, source: IpAddr, rights: &UpdateRights) -> Rcode {
        let client = format!("the client at {source}");
        let IpAddr::V4(address) = source else {
            self.tell(update, &client, "leases are of IPv4 addresses");
            return Rcode::REFUSED;
        };
        let Some(holder) = self.holder_of(address).await else {
            self.tell(update, &client, "it has no live lease with a name");
            return Rcode::REFUSED;
        };
        let snapshot = self.keeper.published().load_full();
        let Some(zone) = snapshot.get(&update.zone) else { return Rcode::NOT_AUTH };
        if !holds(&snapshot, zone, &holder.name) {
            self.tell(update, &client, "the name of its lease is in another zone");
            return Rcode::REFUSED;
        }
        if rights.policy.protected.contains(&holder.name) || holder.name == *zone.apex() {
            self.tell(update, &client, "the configuration states the name of its lease");
            return Rcode::REFUSED;
        }
        let allowed = match own_update(zone, update, &holder) {
            Ok(allowed) => allowed,
            Err(why) => {
                self.tell(update, &client, &why.to_string());
                return Rcode::REFUSED;
            }
        };
        let rcode = self.keeper.update_by_lease(&allowed, &holder.name).await;
        // The lease may have ended, or have got another name, since it was looked at: its end found no record to take away.
        // A renewal that changes how long it may live takes nothing from it.
        let is_still = |now: Holder| (&now.name, now.kept) == (&holder.name, holder.kept);
        if rcode == Rcode::NO_ERROR && !self.holder_of(address).await.is_some_and(is_still) {
            let snapshot = self.keeper.published().load_full();
            let gone = snapshot.get(&update.zone).and_then(|zone| departure(zone, &holder.name, address));
            if let Some(gone) = gone {
                self.keeper.depart(gone, &holder.name).await;
            }
            return Rcode::REFUSED;
        }
        rcode
    }

    /// Who has a live lease of this address, and its name.
    async fn holder_of(&self, address: Ipv4Addr) -> Option<Holder> {
        let (to, leases) = oneshot::channel();
        self.leases.send(Question::LeasesAt(vec![address], to)).await.ok()?;
        let lease = leases.await.ok()?.into_iter().next()?;
        holder_of(&lease, self.clock.now().wall_secs)
    }

    fn tell(&self, update: &Update, who: &str, why: &str) {
        if let Some(kept_back) = self.refused.may_tell() {
            info!("an update of zone {} by {who} was refused: {why}{kept_back}", zone_id::words(&update.zone));
        }
    }
}

/// Whether `zone` is the one that holds `name`: not one above a zone of ours that does, where nobody would be shown the
/// record and nothing would take it away.
fn holds(zones: &ZoneSet, zone: &Zone, name: &Fqdn) -> bool {
    zones.find_home(name).is_some_and(|closest| closest.apex() == zone.apex())
}

/// What a lease proves at this moment; `None` when it has ended or has no name.
fn holder_of(lease: &Lease, now_secs: u64) -> Option<Holder> {
    let is_live = lease.state == LeaseState::Bound && lease.expires_at > now_secs;
    let name = lease.name.as_ref().filter(|_| is_live)?;
    Some(Holder { name: name.fqdn.clone(), address: lease.address, ttl_max_secs: name.ttl_secs, kept: name.forward })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use zones::NewZone;

    use super::*;

    #[test]
    fn a_zone_holds_no_names_of_a_zone_of_ours_below_it() {
        let name = |text: &str| -> Fqdn { text.parse().unwrap() };
        let mut zones = ZoneSet::new();
        for apex in ["example", "lab.example"] {
            zones.insert(NewZone::new(name(apex), name("ns.example"), vec![]).build().unwrap());
        }
        let held = |apex: &str, owner: &str| holds(&zones, zones.get(&name(apex)).unwrap(), &name(owner));
        assert!(held("example", "pc.example") && held("lab.example", "pc.lab.example"));
        assert!(!held("example", "pc.lab.example") && !held("example", "lab.example"));
        assert!(!held("lab.example", "pc.example") && !held("example", "pc.test"));
    }
}
