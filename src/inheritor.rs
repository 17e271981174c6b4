//! Takes over names that a former DHCP server wrote for the same clients (`inherit` in `[ddns]`).
//!
//! The updater tells of a name that is somebody else's. Whether that somebody is the client itself under a former
//! server is a question to DNS alone: each mark that such a server can have left is tried, by an update that requires
//! exactly that mark to be there. Where one holds, the name is ours from then on, and its row is tried again at once.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use ddns::reconcile::{Mend, Outcome};
use ddns::settings::ZoneRoute;
use ddns::takeover::{self, Inherit, Mark};
use ddns::wanted::{RowKey, Want};
use dhcp::lease::Lease;
use dns::{Fqdn, Rcode, Update};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tracing::{debug, info};

use crate::dhcp_service::Question;
use crate::dns_writer::DnsWriter;
use crate::updater::UpdaterQuestion;

/// Names that wait to be looked at. What does not fit is disputed again after its row's pause.
pub const DISPUTED_MAX: usize = 16_384;
/// Names looked at at once.
const AT_ONCE: usize = 16;

/// A row whose name or address is somebody else's.
#[derive(Clone, Debug)]
pub struct Disputed {
    /// The row.
    pub key: RowKey,
    /// Where its records stand.
    pub owner: Fqdn,
    /// The generation of what is wanted.
    pub generation: u64,
    /// What is wanted there.
    pub want: Want,
    /// Its zone.
    pub zone: ZoneRoute,
}

/// See the module.
#[derive(Clone, Debug)]
pub struct Inheritor {
    /// From whom.
    pub inherit: Inherit,
    /// Knows the clients.
    pub service: mpsc::Sender<Question>,
    /// Is told what was taken.
    pub updater: mpsc::Sender<UpdaterQuestion>,
    /// Sends.
    pub writer: DnsWriter,
}

impl Inheritor {
    /// Runs until the updater is gone.
    pub async fn run(self, mut disputed: mpsc::Receiver<Disputed>) {
        let this = Arc::new(self);
        let mut under_way = JoinSet::new();
        while let Some(one) = disputed.recv().await {
            while under_way.len() >= AT_ONCE {
                under_way.join_next().await;
            }
            while under_way.try_join_next().is_some() {}
            let this = Arc::clone(&this);
            under_way.spawn(async move { this.look_at(one).await });
        }
    }

    async fn look_at(&self, disputed: Disputed) {
        let question = if self.inherits(&disputed).await {
            let (to, _answer) = oneshot::channel();
            UpdaterQuestion::Mend(vec![Mend::Taken(disputed.key, disputed.want.held())], to)
        } else if matches!(disputed.key, RowKey::Forward(_)) {
            UpdaterQuestion::Foreign(disputed.key, disputed.generation)
        } else {
            return;
        };
        // An updater that is gone has nothing to be told.
        drop(self.updater.send(question).await);
    }

    /// Whether a former server's mark was there and ours is now.
    async fn inherits(&self, disputed: &Disputed) -> bool {
        let marks = self.marks_of(&disputed.want).await;
        let name = &disputed.owner;
        for update in updates(disputed, &marks, self.inherit) {
            match self.writer.send(&disputed.zone.server, &update).await {
                Outcome::Answer(Rcode::NO_ERROR) => {
                    info!("DNS: {name} was written for the same client by a DHCP server before this one: taken over");
                    return true;
                }
                // Not there.
                Outcome::Answer(Rcode::NX_RRSET | Rcode::YX_RRSET | Rcode::NX_DOMAIN) => {}
                // Tried again when the row is.
                other => {
                    debug!("whether {name} is a former server's could not be found out: {other:?}");
                    return false;
                }
            }
        }
        false
    }

    /// What former servers can have left for the clients that have the addresses now.
    async fn marks_of(&self, want: &Want) -> Vec<Mark> {
        let v4 = |address: &IpAddr| if let IpAddr::V4(v4) = address { Some(*v4) } else { None };
        let addresses: Vec<Ipv4Addr> = want.addresses.iter().filter_map(v4).collect();
        let (to, leases) = oneshot::channel();
        if self.service.send(Question::LeasesAt(addresses, to)).await.is_err() {
            return Vec::new();
        }
        let leases: Vec<Lease> = leases.await.unwrap_or_default();
        let mut marks: Vec<Mark> = Vec::new();
        // Only of a lease that the name is claimed by.
        for lease in leases.iter().filter(|lease| lease.name.as_ref().is_some_and(|name| name.fqdn == want.name)) {
            let hardware = (lease.hardware.htype, lease.hardware.as_bytes());
            let client_id = lease.client_id.as_ref().map(|id| &*id.0);
            for mark in takeover::marks(self.inherit, hardware, client_id, &want.identity) {
                if !marks.contains(&mark) {
                    marks.push(mark);
                }
            }
        }
        marks
    }
}

/// What is tried, one after the other, until one is done.
fn updates(disputed: &Disputed, marks: &[Mark], inherit: Inherit) -> Vec<Update> {
    let (zone, want) = (&disputed.zone.apex, &disputed.want);
    match &disputed.key {
        RowKey::Forward(_) => marks.iter().map(|mark| takeover::build_inherit(zone, want, mark)).collect(),
        RowKey::Reverse(_) => {
            let reverse = &disputed.owner;
            let bare = inherit.isc_dhcpd.then(|| takeover::build_inherit_pointer(zone, reverse, want));
            let marked = marks.iter().filter_map(|mark| match mark {
                Mark::Dhcid(identity) => Some(takeover::build_inherit_marked_pointer(zone, reverse, want, identity)),
                Mark::InterimTxt(_) => None,
            });
            bare.into_iter().chain(marked).collect()
        }
        // They are no host's.
        RowKey::Stated(..) => Vec::new(),
    }
}
