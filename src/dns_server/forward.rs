//! Names outside our zones: answered from what is known, or asked of other servers.
//!
//! The values and the decisions are `resolve`'s; here are its sockets, its clock and its tasks. Reading order:
//! [`Forwarder`], `known` (what is known of a question, and who is asked), `quests` (one question on its way), `transport` (one
//! attempt), `aliases` (what an answer's aliases lead to), `delegations` (zones that ours delegate), `lines` (sockets for
//! datagrams), `channel` (connections by TLS and HTTPS), `loops` (whether an upstream leads back to us), `system` (whom this
//! machine asks), `validation` with `anchors`, `islands` and `wildcard` (whether answers are signed), `chains` (aliases, link by
//! link), `causes` (why one is bogus), `explain` (what becomes of a name, in words).
//!
//! A question that is under way is asked once: whoever asks for the same meanwhile waits for the same answer.

mod aliases;
mod anchors;
mod causes;
mod chains;
mod channel;
mod counts;
mod delegations;
mod explain;
mod figures;
mod islands;
mod known;
mod lines;
mod loops;
mod quests;
mod system;
mod tallies;
mod transport;
mod validation;
mod wildcard;

use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use arc_swap::ArcSwap;
use dns::{Fqdn, Rcode, RecordType};
use hickory_proto::op::Message;
use hickory_proto::rr::Record;
use resolve::answer::Terms;
use resolve::blocking::BlockLists;
use resolve::cache::hash_of;
use resolve::query::Outgoing;
use resolve::query_log::Fate;
use resolve::special::LocalZones;
use resolve::{Answer, Cache, Found, Key, Limits, Order, Over, PlainQuery, Pool, Reason, Routes, Transport, Upstream};
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, watch};

use super::reply::UDP_OCTETS_MAX;
use super::shares::Shares;
use crate::query_log::SharedLog;
use crate::{clock, descriptors};
pub(super) use aliases::is_answered_by_alias;
pub use anchors::Anchors;
use channel::Channel;
pub use channel::UpstreamTls;
pub(super) use counts::ForwardCounts;
pub use counts::ForwardCountsNow;
use counts::count;
use delegations::Delegations;
use known::Known;
use lines::Lines;
pub use system::{is_ourselves, system_upstreams, upstreams_of};
use validation::Validator;

/// Parts of the cache, each behind a lock of its own, so that threads seldom wait for each other.
const SHARDS: usize = 16;
/// Questions under way at once; beyond, the answer is SERVFAIL at once. Their sockets are counted apart ([`SOCKETS`]).
const UNDER_WAY_MAX: usize = 1_024;
/// And of one asker.
const UNDER_WAY_MAX_EACH: usize = 256;
/// With those that we ask on our own: what is validated stands on them, so that they must find room when askers have all of
/// theirs.
const UNDER_WAY_MAX_WITH_OURS: usize = 4 * UNDER_WAY_MAX;
/// Sockets to upstreams at once, of all forwarders of the process: a question has several, and those that nobody waits for
/// are heard to their end. A part of what the process may open, since the store has to find a descriptor at any time.
static SOCKETS: LazyLock<Arc<Semaphore>> =
    LazyLock::new(|| Arc::new(Semaphore::new((descriptors::limit() / 4).clamp(16, 4_096))));
/// RFC 8767 section 5: "a recommended value of 1.8 seconds" for which an asker waits before it gets a stale answer.
const STALE_AFTER: Duration = Duration::from_millis(1_800);
const DS: RecordType = RecordType(43);
/// RFC 8767 section 4: "The TTL ... RECOMMENDED value is 30 seconds".
const STALE_TTL: u32 = 30;

/// How names outside our zones are resolved.
#[derive(Clone, Debug, Default)]
pub struct Forwarding {
    /// Who is asked about the names of some domains, instead of the general upstreams.
    pub routes: Vec<Route>,
    /// Which of several upstreams is asked first.
    pub order: Order,
    /// What is kept of answers.
    pub limits: Limits,
    /// Whom upstreams' certificates are believed by; none: none of them is asked by TLS or HTTPS.
    pub tls: Option<UpstreamTls>,
    /// By what answers are validated; none: they are not.
    pub anchors: Option<Anchors>,
    /// Names that are not resolved; swapped by whoever reads the lists.
    pub blocks: Arc<ArcSwap<BlockLists>>,
    /// Where questions are remembered; none: nowhere.
    pub log: Option<Arc<SharedLog>>,
}

/// Domains whose names are asked of upstreams of their own.
#[derive(Clone, Debug)]
pub struct Route {
    /// The domains; also names beneath them.
    pub domains: Vec<Fqdn>,
    /// Who is asked.
    pub upstreams: Vec<Upstream>,
}

/// An upstream, and by what it is asked.
#[derive(Clone)]
struct Peer {
    upstream: Upstream,
    /// Where it is asked by TLS or HTTPS.
    channel: Option<Arc<Channel>>,
    lines: Arc<Lines>,
}

impl Peer {
    fn new(upstream: &Upstream, tls: Option<&UpstreamTls>, sockets: &Arc<Semaphore>) -> Self {
        Self {
            upstream: upstream.clone(),
            channel: Channel::new(upstream, tls),
            lines: Lines::new(upstream.address, sockets),
        }
    }

    fn is_asked_by_datagram(&self) -> bool {
        self.upstream.over == Over::Datagrams
    }
}

/// Upstreams that are asked about the same names.
struct Group {
    /// None: whatever no other group is asked about.
    domains: Vec<Fqdn>,
    peers: Vec<Peer>,
    pool: Mutex<Pool>,
    /// A zone of ours delegates the domain to them: nothing above it speaks for what they say.
    is_delegated: bool,
}

/// An answer, and how it goes out.
#[derive(Clone, Debug)]
struct Outcome {
    answer: Arc<Answer>,
    age_secs: u32,
    stale: bool,
    fate: Fate,
}

/// Who asks, and how.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asker {
    pub(super) source: IpAddr,
    pub(super) transport: Transport,
}

/// What others said, as records.
pub(super) struct Forwarded {
    pub(super) rcode: Rcode,
    pub(super) authentic: bool,
    pub(super) answers: Vec<Record>,
    pub(super) authorities: Vec<Record>,
    pub(super) reason: Option<Reason>,
}

/// What a forwarder takes of the machine.
struct Means {
    /// Milliseconds of a clock that goes on while the machine sleeps: what was known before may be over then.
    boot_ms: fn() -> u64,
    /// Each socket holds one of it while it is open.
    sockets: Arc<Semaphore>,
}

impl Default for Means {
    fn default() -> Self {
        Self { boot_ms: clock::boot_ms, sockets: Arc::clone(&SOCKETS) }
    }
}

/// Questions that are under way.
#[derive(Default)]
struct UnderWay {
    answers: HashMap<Key, watch::Receiver<Option<Outcome>>>,
    /// How many of them somebody asked us.
    asked: usize,
}

/// See the module. Shared by all sockets.
#[derive(Clone)]
pub struct Forwarder(Arc<Shared>);

struct Shared {
    means: Means,
    begun_ms: u64,
    random: RandomState,
    asked: AtomicU64,
    ttl_max: u32,
    /// Which part an answer is kept in follows from its key's hash, by `keyed`.
    cache: Vec<Mutex<Cache>>,
    keyed: RandomState,
    /// The general upstreams first.
    groups: Vec<Arc<Group>>,
    routes: Routes,
    delegations: Delegations,
    local: LocalZones,
    validator: Option<Validator>,
    blocks: Arc<ArcSwap<BlockLists>>,
    log: Option<Arc<SharedLog>>,
    under_way: Mutex<UnderWay>,
    shares: Shares,
    loops: loops::Tokens,
    runtime: Handle,
    counts: Arc<ForwardCounts>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing that holds one of these panics half-way; were it so, what it guards is still whole.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Forwarder {
    /// None when there is nobody to ask. Needs a tokio runtime.
    #[must_use]
    pub(super) fn new(upstreams: &[Upstream], settings: &Forwarding, counts: &Arc<ForwardCounts>) -> Option<Self> {
        Self::by(Means::default(), upstreams, settings, counts)
    }

    fn by(means: Means, upstreams: &[Upstream], settings: &Forwarding, counts: &Arc<ForwardCounts>) -> Option<Self> {
        if upstreams.is_empty() && settings.routes.is_empty() {
            return None;
        }
        let routed = settings.routes.iter().map(|route| (&route.domains[..], &route.upstreams[..]));
        let lists = std::iter::once((&[][..], upstreams)).chain(routed);
        let peer = |upstream: &Upstream| Peer::new(upstream, settings.tls.as_ref(), &means.sockets);
        let groups = lists.map(|(domains, upstreams)| Group {
            domains: domains.to_vec(),
            peers: upstreams.iter().map(peer).collect(),
            pool: Mutex::new(Pool::new(upstreams.len(), settings.order)),
            is_delegated: false,
        });
        let groups: Vec<Arc<Group>> = groups.map(Arc::new).collect();
        let domains = settings.routes.iter().zip(1..);
        let routes =
            Routes::new(domains.flat_map(|(route, number)| route.domains.iter().map(move |name| (name, number))));
        let limits = Limits { octets_max: settings.limits.octets_max / SHARDS, ..settings.limits };
        let (random, keyed) = (RandomState::new(), RandomState::new());
        let forwarder = Self(Arc::new_cyclic(|shared| Shared {
            validator: settings.anchors.as_ref().map(|anchors| Validator::new(anchors, Weak::clone(shared))),
            blocks: Arc::clone(&settings.blocks),
            log: settings.log.clone(),
            begun_ms: (means.boot_ms)(),
            means,
            cache: (0..SHARDS).map(|_| Mutex::new(Cache::new(limits, keyed.clone()))).collect(),
            keyed,
            asked: AtomicU64::new(0),
            ttl_max: settings.limits.ttl_max,
            loops: loops::Tokens::new(&random, &groups),
            random,
            groups,
            routes,
            delegations: Delegations::default(),
            local: LocalZones::default(),
            under_way: Mutex::default(),
            shares: Shares::new(UNDER_WAY_MAX_EACH),
            runtime: Handle::current(),
            counts: Arc::clone(counts),
        }));
        forwarder.0.runtime.spawn(loops::watch(Arc::downgrade(&forwarder.0)));
        Some(forwarder)
    }

    /// Answers a plain question at once, into `out`, octets to octets; false: others must be asked, or its aliases lead to a
    /// name of which `is_ours` says that our zones answer for it. `options`: what is to stand in the answer's OPT record.
    pub(super) fn answer_known(
        &self,
        query: &PlainQuery<'_>,
        asker: Asker,
        (options, is_ours): (&[u8], impl Fn(&[u8]) -> bool),
        out: &mut Vec<u8>,
    ) -> bool {
        let shared = &self.0;
        let outcome = match shared.blocked(&query.key, asker.source) {
            Some(outcome) => outcome,
            None => match shared.answer_kept(query, asker, (options, is_ours), out) {
                Some(is_answered) => return is_answered,
                None => match shared.new_to_us(&query.key) {
                    Known::Answer(outcome) => outcome,
                    Known::Stale(..) | Known::Nothing(_) => return false,
                },
            },
        };
        shared.note(&query.key, asker, outcome.fate, outcome.answer.view());
        shared.write(query, &outcome, (asker.transport, options), out);
        true
    }

    /// Answers a plain question, asking others where that is needed; `options` and `is_ours` as in [`Self::answer_known`]. None:
    /// its aliases lead to a name of ours.
    pub(super) async fn answer(
        &self,
        query: &PlainQuery<'_>,
        asker: Asker,
        (options, is_ours): (&[u8], impl Fn(&[u8]) -> bool),
    ) -> Option<Vec<u8>> {
        let outcome = self.outcome(&query.key, asker).await;
        if aliases::leads_home(&query.key, outcome.answer.view(), is_ours) {
            return None;
        }
        self.0.note(&query.key, asker, outcome.fate, outcome.answer.view());
        let mut out = Vec::with_capacity(usize::from(UDP_OCTETS_MAX));
        self.0.write(query, &outcome, (asker.transport, options), &mut out);
        Some(out)
    }

    /// Whether some names are asked of upstreams of their own.
    pub(super) fn has_routes(&self) -> bool {
        self.0.groups.len() > 1
    }

    /// Whether a name (wire form, lower case) is asked of upstreams of its own though it is in the zone `apex`: they are for a
    /// domain within that. RFC 4035 section 3.1.4.1: the DS set of a delegation is the zone's above.
    pub(super) fn routes_within(&self, name: &[u8], rtype: RecordType, apex: &Fqdn) -> bool {
        let routed = self.0.routes.of(name).map(|(_, octets)| octets);
        routed.is_some_and(|octets| octets > apex.as_wire().len() && (rtype != DS || octets < name.len()))
    }

    async fn outcome(&self, key: &Key, asker: Asker) -> Outcome {
        if let Some(outcome) = self.0.blocked(key, asker.source) {
            return outcome;
        }
        let outcome = self.0.resolve(key, Some(asker.source)).await;
        self.0.cloaked(key, outcome.answer.view(), asker.source).unwrap_or(outcome)
    }

    /// Asks for one name; what is said of it as records.
    pub(super) async fn resolve(&self, key: &Key, asker: Asker) -> Forwarded {
        let outcome = self.outcome(key, asker).await;
        self.0.note(key, asker, outcome.fate, outcome.answer.view());
        let mut reason = outcome.answer.reason.as_deref().cloned();
        if outcome.stale {
            reason = Some(stale_reason(outcome.answer.rcode()));
        }
        match self.0.as_message(key, &outcome) {
            Some(message) => Forwarded {
                rcode: outcome.answer.rcode(),
                authentic: message.metadata.authentic_data,
                answers: message.answers,
                authorities: message.authorities,
                reason,
            },
            // A type whose data the library reads more strictly.
            None => Forwarded {
                rcode: Rcode::SERV_FAIL,
                authentic: false,
                answers: Vec::new(),
                authorities: Vec::new(),
                reason: Some(Reason::new(Reason::NETWORK, "an upstream's answer cannot be read")),
            },
        }
    }
}

fn is_failure(answer: &Answer) -> bool {
    is_failed(answer.rcode())
}

fn is_failed(rcode: Rcode) -> bool {
    !matches!(rcode, Rcode::NO_ERROR | Rcode::NX_DOMAIN | Rcode::YX_DOMAIN)
}

fn stale_reason(rcode: Rcode) -> Reason {
    let code = if rcode == Rcode::NX_DOMAIN { Reason::STALE_NXDOMAIN } else { Reason::STALE };
    Reason::new(code, "no upstream answers; this is what was known before")
}

impl Shared {
    fn now_ms(&self) -> u64 {
        (self.means.boot_ms)().saturating_sub(self.begun_ms)
    }

    fn now_secs(&self) -> u32 {
        // The first second is 1, so that 0 is before everything.
        (self.now_ms() / 1_000) as u32 + 1
    }

    /// Numbers that nobody can guess: a keyed hash of a count (RFC 5452 section 9.2).
    fn random(&self) -> u64 {
        let mut hasher = self.random.build_hasher();
        hasher.write_u64(self.asked.fetch_add(1, Ordering::Relaxed));
        hasher.finish()
    }

    /// The part of the cache for a key, and its hash.
    fn shard(&self, key: &Key) -> (MutexGuard<'_, Cache>, u64) {
        let hash = hash_of(&self.keyed, key);
        // Neither the bits by which a table finds a place nor those that it keeps.
        (lock(&self.cache[(hash >> 48) as usize % SHARDS]), hash)
    }

    /// What is kept of a question.
    fn kept(&self, key: &Key) -> Option<Found> {
        let (mut cache, hash) = self.shard(key);
        cache.get(hash, key, self.now_secs()).map(Found::owned)
    }

    /// Keeps an answer.
    fn keep(&self, key: &Key, answer: &Answer) {
        let now = self.now_secs();
        let (mut cache, hash) = self.shard(key);
        cache.put(hash, key, answer, now);
    }

    /// An answer as a message; none: it is of a type whose data the library reads more strictly.
    fn as_message(&self, key: &Key, outcome: &Outcome) -> Option<Message> {
        let outgoing = Outgoing::build(key, 0, false);
        let mut query = PlainQuery::read(&outgoing.octets)?;
        query.authentic = true;
        let terms = Terms { octets_max: None, ..self.terms(outcome.age_secs, outcome.stale, None) };
        let mut octets = Vec::new();
        outcome.answer.write(&query, &terms, &mut octets);
        Message::from_vec(&octets).ok()
    }

    fn terms<'r>(&self, age_secs: u32, stale: bool, reason: Option<&'r Reason>) -> Terms<'r> {
        Terms {
            age_secs,
            ttl_max: self.ttl_max,
            stale_ttl: stale.then_some(STALE_TTL),
            octets_max: Some(UDP_OCTETS_MAX),
            reason,
            options: &[],
        }
    }

    fn write(
        &self,
        query: &PlainQuery<'_>,
        outcome: &Outcome,
        (transport, options): (Transport, &[u8]),
        out: &mut Vec<u8>,
    ) {
        let reason = outcome.stale.then(|| stale_reason(outcome.answer.rcode()));
        let octets_max = (!transport.is_stream()).then_some(UDP_OCTETS_MAX);
        let terms = Terms { octets_max, options, ..self.terms(outcome.age_secs, outcome.stale, reason.as_ref()) };
        outcome.answer.write(query, &terms, out);
    }
}

fn now(answer: Answer, fate: Fate) -> Outcome {
    Outcome { answer: Arc::new(answer), age_secs: 0, stale: false, fate }
}

/// The addresses of some upstreams, for people.
fn shown(peers: &[Peer]) -> String {
    peers.iter().map(|peer| peer.upstream.to_string()).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests;
