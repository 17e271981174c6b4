//! What becomes of a question by what is known already: answered from the cache, by a list or by ourselves, else who is asked.

use std::net::IpAddr;
use std::sync::Arc;

use dns::Rcode;
use resolve::answer::Terms;
use resolve::query_log::Fate;
use resolve::special;
use resolve::{AnswerRef, Found, Key, PlainQuery};

use super::{
    Asker, Group, Outcome, STALE_AFTER, Shared, aliases, count, is_failed, is_failure, loops, now, stale_reason,
};
use crate::dns_server::reply::UDP_OCTETS_MAX;

/// What is known of a question.
pub(super) enum Known {
    /// Its answer.
    Answer(Outcome),
    /// What it was; to be asked anew of these upstreams.
    Stale(Outcome, Arc<Group>),
    /// Nothing; to be asked of these.
    Nothing(Arc<Group>),
}

impl Shared {
    /// Answers a question from where its answer is kept, without a copy of it, since most end here; none: nothing is kept;
    /// false: what is kept is stale, and others are to be asked first, or it leads to a name of ours.
    pub(super) fn answer_kept(
        self: &Arc<Self>,
        query: &PlainQuery<'_>,
        asker: Asker,
        (options, is_ours): (&[u8], impl Fn(&[u8]) -> bool),
        out: &mut Vec<u8>,
    ) -> Option<bool> {
        let now = self.now_secs();
        let (mut cache, hash) = self.shard(&query.key);
        let found = cache.get(hash, &query.key, now)?;
        if found.stale && !found.unreachable {
            return Some(false);
        }
        let answer = found.answer;
        if let Some(outcome) = self.cloaked(&query.key, answer, asker.source) {
            self.note(&query.key, asker, outcome.fate, outcome.answer.view());
            self.write(query, &outcome, (asker.transport, options), out);
            return Some(true);
        }
        if aliases::leads_home(&query.key, answer, is_ours) {
            return Some(false);
        }
        let reason = found.stale.then(|| stale_reason(answer.rcode()));
        let octets_max = (!asker.transport.is_stream()).then_some(UDP_OCTETS_MAX);
        let terms = Terms { octets_max, options, ..self.terms(found.age_secs, found.stale, reason.as_ref()) };
        answer.write(query, &terms, out);
        self.note(&query.key, asker, fate_of(found.stale, answer.rcode()), answer);
        let (stale, refresh) = (found.stale, found.refresh);
        drop(cache);
        self.count_known(&query.key, stale, refresh);
        Some(true)
    }

    /// Counts an answer that was known, and asks for it anew where its end is near.
    pub(super) fn count_known(self: &Arc<Self>, key: &Key, stale: bool, refresh: bool) {
        count(if stale { &self.counts.stale } else { &self.counts.hits });
        if refresh {
            count(&self.counts.refreshed);
            // What cannot be asked for now is still good for a while.
            let _ = self.begin(key, &self.group_of(key), None);
        }
    }

    /// The answer to a question; bounded by what a quest may take, and by what validation may.
    /// `asker`: who asked us; none: we ask on our own.
    pub(super) async fn resolve(self: &Arc<Self>, key: &Key, asker: Option<IpAddr>) -> Outcome {
        match self.known(key) {
            Known::Answer(outcome) => outcome,
            Known::Nothing(group) => self.ask(key, &group, asker).await,
            Known::Stale(stale, group) => match tokio::time::timeout(STALE_AFTER, self.ask(key, &group, asker)).await {
                Ok(fresh) if !is_failure(&fresh.answer) => fresh,
                _ => {
                    count(&self.counts.stale);
                    stale
                }
            },
        }
    }

    pub(super) fn note(&self, key: &Key, asker: Asker, fate: Fate, answer: AnswerRef<'_>) {
        if let Some(log) = &self.log {
            log.note(asker.source, asker.transport, key, fate, answer);
        }
    }

    /// The answer in place of a name that a list has, for this client.
    pub(super) fn blocked(&self, key: &Key, client: IpAddr) -> Option<Outcome> {
        let lists = self.blocks.load();
        let list = lists.blocking(key.name(), client.to_canonical())?;
        self.count_blocked(&list.name, key.name());
        Some(now(list.answer(key, None), Fate::Blocked))
    }

    /// `name`: what the list has.
    pub(super) fn count_blocked(&self, list: &str, name: &[u8]) {
        count(&self.counts.blocked);
        let remembers = self.log.as_ref().is_some_and(|log| log.has_names());
        self.counts.tallies.note(list, remembers.then_some(name));
    }

    /// What is known of a question without asking anybody.
    pub(super) fn known(self: &Arc<Self>, key: &Key) -> Known {
        // First of all, since most questions end here. What is answered by ourselves is never kept.
        let Some(Found { answer, age_secs, stale, unreachable, refresh }) = self.kept(key) else {
            return self.new_to_us(key);
        };
        let fate = fate_of(stale, answer.rcode());
        let outcome = Outcome { answer, age_secs, stale, fate };
        if stale && !unreachable {
            return Known::Stale(outcome, self.group_of(key));
        }
        self.count_known(key, stale, refresh);
        Known::Answer(outcome)
    }

    pub(super) fn group_of(&self, key: &Key) -> Arc<Group> {
        self.route_of(key).map_or_else(|| Arc::clone(&self.groups[0]), |(group, _)| group)
    }

    /// Those that are asked about the longest domain that holds a name, and how many octets that has; none: the general ones.
    pub(super) fn route_of(&self, key: &Key) -> Option<(Arc<Group>, usize)> {
        let routed = self.routes.of(key.name()).map(|(group, octets)| (Arc::clone(&self.groups[group]), octets));
        let delegated = self.delegations.of(key.name(), self.now_ms());
        match (routed, delegated) {
            (Some(routed), Some(delegated)) if delegated.1 > routed.1 => Some(delegated),
            (routed, delegated) => routed.or(delegated),
        }
    }

    /// What is answered by ourselves; else who is asked.
    pub(super) fn new_to_us(&self, key: &Key) -> Known {
        if let Some(answer) = loops::heard(self, key) {
            return Known::Answer(now(answer, Fate::Local));
        }
        let route = self.route_of(key);
        // The longer domain decides: a route for a private zone, or for some names within it, is there to be used.
        if let Some(zone) = self.local.answering(key)
            && route.as_ref().is_none_or(|(_, octets)| *octets < zone.len())
        {
            count(&self.counts.local);
            return Known::Answer(now(special::answer(key, zone), Fate::Local));
        }
        Known::Nothing(route.map_or_else(|| Arc::clone(&self.groups[0]), |(group, _)| group))
    }
}

/// What becomes of a question whose answer was known.
fn fate_of(stale: bool, rcode: Rcode) -> Fate {
    match (stale, is_failed(rcode)) {
        (true, _) => Fate::Stale,
        (false, true) => Fate::Failed,
        (false, false) => Fate::Known,
    }
}
