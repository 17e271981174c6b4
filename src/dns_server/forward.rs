//! Names outside our zones: answered from what is known, or asked of other servers.
//!
//! The values and the decisions are `resolve`'s; here are its sockets, its clock and its tasks. Reading order:
//! [`Forwarder`] (what is known of a question, and who is asked), `quests` (one question on its way), `transport` (one
//! attempt), `loops` (whether an upstream leads back to us), `system` (whom this machine asks).
//!
//! A question that is under way is asked once: whoever asks for the same meanwhile waits for the same answer.

mod loops;
mod quests;
mod system;
mod transport;

use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use dns::{Fqdn, Rcode};
use hickory_proto::op::Message;
use hickory_proto::rr::Record;
use resolve::answer::Terms;
use resolve::query::Outgoing;
use resolve::special::{self, LocalZones};
use resolve::{Answer, Cache, Found, Key, Limits, Order, PlainQuery, Pool, Reason, Routes};
use tokio::runtime::Handle;
use tokio::sync::watch;

use super::reply::UDP_OCTETS_MAX;
pub use system::{is_ourselves, system_upstreams, upstreams_of};

/// Parts of the cache, each behind a lock of its own, so that threads seldom wait for each other.
const SHARDS: usize = 16;
/// Questions under way at once; beyond, the answer is SERVFAIL at once. Each has a socket.
const UNDER_WAY_MAX: usize = 1_024;
/// RFC 8767 section 5: "a recommended value of 1.8 seconds" for which an asker waits before it gets a stale answer.
const STALE_AFTER: Duration = Duration::from_millis(1_800);
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
}

/// Domains whose names are asked of upstreams of their own.
#[derive(Clone, Debug)]
pub struct Route {
    /// The domains; also names beneath them.
    pub domains: Vec<Fqdn>,
    /// Who is asked.
    pub upstreams: Vec<SocketAddr>,
}

#[derive(Debug, Default)]
struct ForwardCounts {
    hits: AtomicU64,
    misses: AtomicU64,
    stale: AtomicU64,
    refreshed: AtomicU64,
    local: AtomicU64,
    failed: AtomicU64,
}

/// What a forwarder has counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ForwardCountsNow {
    /// Questions answered from the cache.
    pub hits: u64,
    /// Questions asked of others, those under way counted once.
    pub misses: u64,
    /// Questions answered with what is stale.
    pub stale: u64,
    /// Answers asked for anew before their end.
    pub refreshed: u64,
    /// Questions answered here: special names.
    pub local: u64,
    /// Questions that nobody answered.
    pub failed: u64,
}

fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

/// Upstreams that are asked about the same names.
struct Group {
    upstreams: Vec<SocketAddr>,
    pool: Mutex<Pool>,
}

/// An answer, and how it goes out.
#[derive(Clone, Debug)]
struct Outcome {
    answer: Arc<Answer>,
    age_secs: u32,
    stale: bool,
}

/// What is known of a question.
enum Known {
    /// Its answer.
    Answer(Outcome),
    /// What it was; to be asked anew of these upstreams.
    Stale(Outcome, usize),
    /// Nothing; to be asked of these.
    Nothing(usize),
}

/// What others said, as records.
pub(super) struct Forwarded {
    pub(super) rcode: Rcode,
    pub(super) authentic: bool,
    pub(super) answers: Vec<Record>,
    pub(super) authorities: Vec<Record>,
    pub(super) reason: Option<Reason>,
}

/// See the module. Shared by all sockets.
#[derive(Clone)]
pub struct Forwarder(Arc<Shared>);

struct Shared {
    begun: Instant,
    random: RandomState,
    asked: AtomicU64,
    ttl_max: u32,
    cache: Vec<Mutex<Cache>>,
    /// The general upstreams first.
    groups: Vec<Group>,
    routes: Routes,
    local: LocalZones,
    under_way: Mutex<HashMap<Key, watch::Receiver<Option<Outcome>>>>,
    loops: loops::Tokens,
    runtime: Handle,
    counts: ForwardCounts,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing that holds one of these panics half-way; were it so, what it guards is still whole.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Forwarder {
    /// None when there is nobody to ask. Needs a tokio runtime.
    #[must_use]
    pub fn new(upstreams: &[SocketAddr], settings: &Forwarding) -> Option<Self> {
        if upstreams.is_empty() && settings.routes.is_empty() {
            return None;
        }
        let lists = std::iter::once(upstreams).chain(settings.routes.iter().map(|route| &route.upstreams[..]));
        let groups = lists.map(|upstreams| Group {
            upstreams: upstreams.to_vec(),
            pool: Mutex::new(Pool::new(upstreams.len(), settings.order)),
        });
        let groups: Vec<Group> = groups.collect();
        let domains = settings.routes.iter().zip(1..);
        let routes =
            Routes::new(domains.flat_map(|(route, number)| route.domains.iter().map(move |name| (name, number))));
        let limits = Limits { octets_max: settings.limits.octets_max / SHARDS, ..settings.limits };
        let random = RandomState::new();
        let forwarder = Self(Arc::new(Shared {
            begun: Instant::now(),
            cache: (0..SHARDS).map(|_| Mutex::new(Cache::new(limits, RandomState::new()))).collect(),
            asked: AtomicU64::new(0),
            ttl_max: settings.limits.ttl_max,
            loops: loops::Tokens::new(&random, &groups),
            random,
            groups,
            routes,
            local: LocalZones::default(),
            under_way: Mutex::default(),
            runtime: Handle::current(),
            counts: ForwardCounts::default(),
        }));
        forwarder.0.runtime.spawn(loops::watch(Arc::downgrade(&forwarder.0)));
        Some(forwarder)
    }

    /// What was counted.
    #[must_use]
    pub fn counts(&self) -> ForwardCountsNow {
        let counts = &self.0.counts;
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        ForwardCountsNow {
            hits: read(&counts.hits),
            misses: read(&counts.misses),
            stale: read(&counts.stale),
            refreshed: read(&counts.refreshed),
            local: read(&counts.local),
            failed: read(&counts.failed),
        }
    }

    /// Answers a plain question at once, into `out`, octets to octets; false: it is not plain, or others must be asked.
    pub(super) fn answer_known(&self, query: &[u8], out: &mut Vec<u8>) -> bool {
        let Some(query) = PlainQuery::read(query) else { return false };
        match self.0.known(&query.key) {
            Known::Answer(outcome) => {
                self.0.write(&query, &outcome, out);
                true
            }
            Known::Stale(..) | Known::Nothing(_) => false,
        }
    }

    /// Answers a plain question, asking others where that is needed; none: it is not plain.
    pub(super) async fn answer(&self, query: &[u8]) -> Option<Vec<u8>> {
        let query = PlainQuery::read(query)?;
        let outcome = self.resolve_key(&query.key).await;
        let mut out = Vec::with_capacity(usize::from(UDP_OCTETS_MAX));
        self.0.write(&query, &outcome, &mut out);
        Some(out)
    }

    /// Asks for one name; what is said of it as records.
    pub(super) async fn resolve(&self, key: &Key) -> Forwarded {
        let outcome = self.resolve_key(key).await;
        let outgoing = Outgoing::build(key, 0, false);
        let mut octets = Vec::new();
        let mut reason = outcome.answer.reason.as_deref().cloned();
        if outcome.stale {
            reason = Some(stale_reason(&outcome.answer));
        }
        let read = PlainQuery::read(&outgoing.octets).and_then(|mut query| {
            query.authentic = true;
            let terms = Terms { octets_max: None, ..self.0.terms(&outcome, None) };
            outcome.answer.write(&query, &terms, &mut octets);
            Message::from_vec(&octets).ok()
        });
        match read {
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

    /// Never longer than a question may take: `resolve::quest::QUEST_MS`.
    async fn resolve_key(&self, key: &Key) -> Outcome {
        match self.0.known(key) {
            Known::Answer(outcome) => outcome,
            Known::Nothing(group) => self.0.ask(key, group).await,
            Known::Stale(stale, group) => match tokio::time::timeout(STALE_AFTER, self.0.ask(key, group)).await {
                Ok(fresh) if !is_failure(&fresh.answer) => fresh,
                _ => {
                    count(&self.0.counts.stale);
                    stale
                }
            },
        }
    }
}

fn is_failure(answer: &Answer) -> bool {
    !matches!(answer.rcode(), Rcode::NO_ERROR | Rcode::NX_DOMAIN | Rcode::YX_DOMAIN)
}

fn stale_reason(answer: &Answer) -> Reason {
    let code = if answer.rcode() == Rcode::NX_DOMAIN { Reason::STALE_NXDOMAIN } else { Reason::STALE };
    Reason::new(code, "no upstream answers; this is what was known before")
}

impl Shared {
    fn now_ms(&self) -> u64 {
        // Fits for 500 million years.
        self.begun.elapsed().as_millis() as u64
    }

    fn now_secs(&self) -> u32 {
        // The first second is 1, so that 0 is before everything.
        self.begun.elapsed().as_secs() as u32 + 1
    }

    /// Numbers that nobody can guess: a keyed hash of a count (RFC 5452 section 9.2).
    fn random(&self) -> u64 {
        let mut hasher = self.random.build_hasher();
        hasher.write_u64(self.asked.fetch_add(1, Ordering::Relaxed));
        hasher.finish()
    }

    fn shard(&self, key: &Key) -> MutexGuard<'_, Cache> {
        // A name's last octets before the root, its type and a few in front: any spread does.
        let sum =
            key.as_bytes().iter().fold(0_usize, |sum, octet| sum.wrapping_mul(31).wrapping_add(usize::from(*octet)));
        lock(&self.cache[sum % SHARDS])
    }

    fn terms<'r>(&self, outcome: &Outcome, reason: Option<&'r Reason>) -> Terms<'r> {
        Terms {
            age_secs: outcome.age_secs,
            ttl_max: self.ttl_max,
            stale_ttl: outcome.stale.then_some(STALE_TTL),
            octets_max: Some(UDP_OCTETS_MAX),
            reason,
            options: &[],
        }
    }

    fn write(&self, query: &PlainQuery<'_>, outcome: &Outcome, out: &mut Vec<u8>) {
        let reason = outcome.stale.then(|| stale_reason(&outcome.answer));
        outcome.answer.write(query, &self.terms(outcome, reason.as_ref()), out);
    }

    /// What is known of a question without asking anybody.
    fn known(self: &Arc<Self>, key: &Key) -> Known {
        if let Some(answer) = loops::heard(self, key) {
            return Known::Answer(now(answer));
        }
        let route = self.routes.of(key.name());
        // The longer domain decides: a route for a private zone, or for some names within it, is there to be used.
        if let Some(zone) = self.local.holding(key.name())
            && route.is_none_or(|(_, octets)| octets < zone.len())
        {
            count(&self.counts.local);
            return Known::Answer(now(special::answer(key, zone)));
        }
        let group = route.map_or(0, |(group, _)| group);
        let found = self.shard(key).get(key, self.now_secs());
        let Some(Found { answer, age_secs, stale, unreachable, refresh }) = found else {
            return Known::Nothing(group);
        };
        let outcome = Outcome { answer, age_secs, stale };
        if stale && !unreachable {
            return Known::Stale(outcome, group);
        }
        count(if stale { &self.counts.stale } else { &self.counts.hits });
        if refresh {
            count(&self.counts.refreshed);
            self.begin(key, group);
        }
        Known::Answer(outcome)
    }
}

fn now(answer: Answer) -> Outcome {
    Outcome { answer: Arc::new(answer), age_secs: 0, stale: false }
}

/// The addresses of some upstreams, for people.
fn shown(upstreams: &[SocketAddr]) -> String {
    let shown = upstreams.iter().map(|upstream| match upstream.port() {
        53 => upstream.ip().to_string(),
        _ => upstream.to_string(),
    });
    shown.collect::<Vec<_>>().join(", ")
}
