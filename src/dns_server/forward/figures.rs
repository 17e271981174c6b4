//! How a forwarder stands, to be shown.

use resolve::upstreams::Health;
use web::model::{BlockFigures, ForwarderFigures, UpstreamFigures};

use super::{ForwardCountsNow, Forwarder, Group, lock};

impl Forwarder {
    /// How it stands; `counted`: what was counted since the start.
    pub(in crate::dns_server) fn figures(&self, counted: ForwardCountsNow) -> ForwarderFigures {
        let shared = &self.0;
        let kept: Vec<_> = shared.cache.iter().map(|part| lock(part).counts()).collect();
        let lists = shared.blocks.load();
        let blocks = lists.0.iter().map(|list| BlockFigures {
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
            upstreams: shared.groups.iter().flat_map(of_group).collect(),
            blocks: blocks.collect(),
        }
    }
}

fn of_group(group: &Group) -> Vec<UpstreamFigures> {
    let pool = lock(&group.pool);
    let domains: Vec<String> =
        group.domains.iter().map(|domain| domain.to_string().trim_end_matches('.').to_owned()).collect();
    let of_peer = |(index, peer): (usize, &super::Peer)| UpstreamFigures {
        upstream: peer.upstream.to_string(),
        domains: domains.clone(),
        state: word(pool.health(index)).to_owned(),
        answers_in_ms: pool.answers_in(index),
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
