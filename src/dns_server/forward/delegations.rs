//! Zones that ours delegate to servers whose addresses stand in our zones (RFC 1034 section 4.3.2 step 4): they are asked about
//! what is beneath. Nobody else need know of such a zone, so that general upstreams would say that there is none.
//!
//! Whoever answers from our zones tells of a delegation with each question that meets one ([`Forwarder::delegate`]), so that
//! none outlives its records by much.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};

use arc_swap::ArcSwap;
use dns::Fqdn;
use resolve::routes::suffixes;
use resolve::{Order, Pool, Upstream};

use super::{Forwarder, Group, Peer};

/// So many are known at once; beyond, general upstreams are asked.
const DELEGATIONS_MAX: usize = 256;
/// So many servers of each are asked.
const SERVERS_MAX: usize = 8;
/// How long one counts after it was told of, in milliseconds.
const COUNTS_MS: u64 = 60_000;
/// It is told of anew when so much of that is over.
const RENEWED_AFTER_MS: u64 = 10_000;
const PORT: u16 = 53;

/// By their names in wire form. Read with every question that is not known, written seldom.
#[derive(Default)]
pub(super) struct Delegations(ArcSwap<HashMap<Box<[u8]>, Delegation>>);

#[derive(Clone)]
struct Delegation {
    servers: Vec<IpAddr>,
    group: Arc<Group>,
    told_at: u64,
}

impl Delegations {
    /// The servers of the nearest zone that holds a name (wire form, lower case), and how many octets its own name has.
    pub(super) fn of(&self, name: &[u8], now_ms: u64) -> Option<(Arc<Group>, usize)> {
        let known = self.0.load();
        if known.is_empty() {
            return None;
        }
        let counts = |one: &&Delegation| now_ms < one.told_at + COUNTS_MS;
        suffixes(name)
            .find_map(|suffix| known.get(suffix).filter(counts).map(|one| (Arc::clone(&one.group), suffix.len())))
    }
}

impl Forwarder {
    /// A zone of ours delegates `cut` to servers with these addresses.
    pub(in crate::dns_server) fn delegate(&self, cut: &Fqdn, mut servers: Vec<IpAddr>) {
        servers.truncate(SERVERS_MAX);
        let (shared, now_ms) = (&self.0, self.0.now_ms());
        let known = shared.delegations.0.load_full();
        let before = known.get(cut.as_wire()).filter(|before| before.servers == servers);
        if servers.is_empty() || before.is_some_and(|before| now_ms < before.told_at + RENEWED_AFTER_MS) {
            return;
        }
        let group = before.map_or_else(|| self.group_of_servers(cut, &servers), |before| Arc::clone(&before.group));
        // Of two that are told of at once one may be lost: it is told of with the next question.
        let mut known = HashMap::clone(&known);
        known.retain(|_, one| now_ms < one.told_at + COUNTS_MS);
        if known.len() >= DELEGATIONS_MAX && !known.contains_key(cut.as_wire()) {
            tracing::debug!(%cut, "so many delegated zones are asked for that this one's servers are not");
            return;
        }
        known.insert(cut.as_wire().into(), Delegation { servers, group, told_at: now_ms });
        shared.delegations.0.store(Arc::new(known));
    }

    fn group_of_servers(&self, cut: &Fqdn, servers: &[IpAddr]) -> Arc<Group> {
        let upstream = |address: &IpAddr| Upstream::from(SocketAddr::new(*address, PORT));
        let peers: Vec<Peer> =
            servers.iter().map(|address| Peer::new(&upstream(address), None, &self.0.means.sockets)).collect();
        let pool = Mutex::new(Pool::new(peers.len(), Order::default()));
        Arc::new(Group { domains: vec![cut.clone()], peers, pool, is_delegated: true })
    }
}
