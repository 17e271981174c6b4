//! How a forwarder stands, to be shown.

use resolve::upstreams::Health;
use web::model::{BlockFigures, BlockedName, ForwarderFigures, UpstreamFigures};

use crate::clock::machine_wall_secs;

use super::{ForwardCountsNow, Forwarder, Group, lock};

impl Forwarder {
    /// How it stands; `counted`: what was counted since the start.
    pub(in crate::dns_server) fn figures(&self, counted: ForwardCountsNow) -> ForwarderFigures {
        let shared = &self.0;
        let kept: Vec<_> = shared.cache.iter().map(|part| lock(part).counts()).collect();
        let lists = shared.blocks.load();
        shared.counts.tallies.keep(|name| lists.0.iter().any(|list| list.name == name));
        let remembers = shared.log.as_ref().is_some_and(|log| log.has_names());
        let tallies = lists.0.iter().map(|list| (list, shared.counts.tallies.of(&list.name)));
        let blocks = tallies.map(|(list, (blocked, most))| BlockFigures {
            as_of: list.as_of_secs,
            clients: list.clients.iter().map(ToString::to_string).collect(),
            blocked,
            most: most.into_iter().filter(|_| remembers).map(|(name, count)| BlockedName { name, count }).collect(),
            name: list.name.clone(),
            names: list.names.blocked.len(),
            trouble: list.trouble.as_ref().map(|trouble| trouble.words.to_string()),
            trouble_since: list.trouble.as_ref().map(|trouble| trouble.since_secs),
        });
        let fates = [
            ("known", counted.hits),
            ("asked", counted.misses),
            ("stale", counted.stale),
            ("local", counted.local),
            ("blocked", counted.blocked),
            ("failed", counted.failed),
        ];
        let proofs = [("secure", counted.secure), ("insecure", counted.insecure), ("bogus", counted.bogus)];
        let proofs = proofs.into_iter().filter(|_| shared.validator.is_some());
        ForwarderFigures {
            questions: fates.into_iter().map(|(word, count)| (word.to_owned(), count)).collect(),
            refreshed: counted.refreshed,
            validated: proofs.map(|(word, count)| (word.to_owned(), count)).collect(),
            kept: kept.iter().map(|part| part.kept).sum(),
            kept_octets: kept.iter().map(|part| part.octets).sum(),
            evicted: kept.iter().map(|part| part.evicted).sum(),
            upstreams: shared.groups.iter().flat_map(|group| of_group(group, shared.now_ms())).collect(),
            blocks: blocks.collect(),
        }
    }
}

/// `now_ms`: of the pool's clock.
fn of_group(group: &Group, now_ms: u64) -> Vec<UpstreamFigures> {
    let wall_secs = machine_wall_secs();
    let pool = lock(&group.pool);
    let domains: Vec<String> =
        group.domains.iter().map(|domain| domain.to_string().trim_end_matches('.').to_owned()).collect();
    let of_peer = |(index, peer): (usize, &super::Peer)| UpstreamFigures {
        upstream: peer.upstream.to_string(),
        domains: domains.clone(),
        state: word(pool.health(index)).to_owned(),
        answers_in_ms: pool.answers_in(index),
        failed_at: pool.silent_at(index).map(|at| wall_secs.saturating_sub(now_ms.saturating_sub(at) / 1_000)),
        forged: peer.lines.forged().0,
        guarded: peer.lines.forged().1,
    };
    group.peers.iter().enumerate().map(of_peer).collect()
}

fn word(health: Health) -> &'static str {
    match health {
        Health::Well => "well",
        Health::Suspect => "suspect",
        Health::Down => "down",
        Health::Looping => "looping",
    }
}
