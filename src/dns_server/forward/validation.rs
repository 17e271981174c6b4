//! Whether answers are signed by those whom the trust anchors lead to (RFC 4035 section 5).
//!
//! hickory's validator does it: it asks for keys and delegations through [`Upward`], which is our own way to the upstreams,
//! cache included. What it is asked for is kept as any answer to somebody who wants to validate (DO and CD); what comes of
//! it is kept for those who do not.

use std::collections::BTreeSet;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::time::Duration;

use arc_swap::ArcSwap;
use dns::wire::name_to_hickory;
use dns::{Rcode, RecordType};
use futures_util::{Stream, StreamExt as _, stream};
use hickory_client::dnssec::DnssecDnsHandle;
use hickory_client::runtime::TokioRuntimeProvider;
use hickory_client::xfer::DnsHandle;
use hickory_client::{DnsError, NetError};
use hickory_proto::dnssec::rdata::DNSKEY as DnsKey;
use hickory_proto::dnssec::{Proof, TrustAnchors};
use hickory_proto::op::{DnsRequest, DnsRequestOptions, DnsResponse, Message, MessageType, Query};
use hickory_proto::rr::{Name, Record, RecordType as WireType};
use resolve::answer::Terms;
use resolve::query::Outgoing;
use resolve::{Answer, Key, PlainQuery, Reason};
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::anchors::Anchors;
use super::causes::{Checks, Search};
use super::chains::{self, Realm};
use super::islands::Island;
use super::{Outcome, Shared, is_failure, wildcard};

/// How long a chain of keys may be followed. Whoever asked has gone by then; what was found is kept for the next time.
const PATIENCE: Duration = Duration::from_secs(10);
/// RFC 9276 section 3.2: more iterations of NSEC3 than this are taken as unsigned, and than this as bogus.
pub(super) const NSEC3_ITERATIONS: (u16, u16) = (100, 500);
pub(super) const DNSKEY: RecordType = RecordType(48);
/// When the keys that digests are of are asked for again: a rollover takes days (RFC 7583).
pub(super) const LEARNT_AGAIN_AFTER: Duration = Duration::from_secs(600);
/// How long it is looked for what is wrong about a bogus answer.
const SEARCH: Duration = Duration::from_secs(2);
/// So many links of a chain of aliases are asked for by themselves.
const LINKS_MAX: usize = 8;

/// See the module.
pub(super) struct Validator {
    anchors: Anchors,
    shared: Weak<Shared>,
    handle: ArcSwap<DnssecDnsHandle<Upward>>,
    learnt: Mutex<Learnt>,
    islands: Vec<Island>,
}

/// The keys that fit the digests among the anchors.
#[derive(Default)]
struct Learnt {
    keys: Vec<(Name, Vec<u8>)>,
    /// When they are asked for again; none: they have not been.
    again_at: Option<Instant>,
}

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Secure,
    Insecure,
    Bogus,
}

/// Why there is no answer.
enum Fault {
    /// Signatures do not fit; the words are for the case that nothing more is found.
    Bogus(String),
    /// Something else.
    Other(Reason),
}

impl Validator {
    pub(super) fn new(anchors: &Anchors, shared: Weak<Shared>) -> Self {
        let handle = handle_by(Arc::clone(&anchors.keys), Upward::within(Weak::clone(&shared), None));
        let islands = anchors.zones.iter().filter_map(|zone| Island::new(zone, &shared)).collect();
        let (handle, learnt) = (ArcSwap::from_pointee(handle), Mutex::default());
        Self { anchors: anchors.clone(), shared, handle, learnt, islands }
    }

    /// Asks for the keys that the digests among the anchors are of, when it is time to. What cannot be had now is asked for
    /// with the next question; what was trusted before still is.
    async fn learn(&self) {
        if self.anchors.digests.is_empty() {
            return;
        }
        // Whoever comes meanwhile waits, since nothing can be validated without.
        let mut learnt = self.learnt.lock().await;
        let now = Instant::now();
        if learnt.again_at.is_some_and(|at| now < at) {
            return;
        }
        let Some(shared) = self.shared.upgrade() else { return };
        let names: BTreeSet<&Name> = self.anchors.digests.iter().map(|(name, _)| name).collect();
        let (mut found, mut is_whole) = (Vec::new(), true);
        for name in names {
            let Ok(name) = dns::wire::name_from_hickory(name) else { continue };
            let key = Key::new(&name, DNSKEY, true, true);
            match response(&shared, &key, &shared.resolve(&key, None).await) {
                Ok(response) => found.extend(response.into_message().answers),
                Err(_) => is_whole = false,
            }
        }
        let (anchors, keys) = self.anchors.with_keys(&found);
        learnt.again_at = (is_whole && !keys.is_empty()).then_some(now + LEARNT_AGAIN_AFTER);
        if is_whole && keys != learnt.keys {
            learnt.keys = keys;
            let way = Upward::within(Weak::clone(&self.shared), None);
            self.handle.store(Arc::new(handle_by(Arc::new(anchors), way)));
        }
    }

    /// Whether an answer is validated before it goes out (RFC 4035 section 3.2.2: not for those who do it themselves).
    pub(super) fn validates(&self, key: &Key) -> bool {
        !key.checking_disabled() && self.validates_name(key.name())
    }

    /// Whether a name (wire form, lower case) is in no domain that is not validated.
    pub(super) fn validates_name(&self, name: &[u8]) -> bool {
        !self.anchors.not_validated.contains(name)
    }

    /// Whether a name is in a zone with anchors of its own.
    pub(super) fn has_anchors_for(&self, key: &Key) -> bool {
        matches!(self.realm(key.name()), Realm::Island(_))
    }

    /// The answer to a question, validated; or what is said in its place.
    pub(super) async fn answer(&self, key: &Key) -> Answer {
        let reason = match self.whole(key).await {
            Ok((verdict, message)) => match rewritten(message, key, verdict == Verdict::Secure) {
                Some(answer) => return answer,
                None => Reason::new(Reason::NETWORK, "an upstream's answer cannot be read"),
            },
            Err((_, Fault::Other(reason))) => reason,
            Err((of, Fault::Bogus(words))) => {
                let search = self.cause(&of);
                let cause = tokio::time::timeout(SEARCH, search).await.ok().flatten();
                cause.unwrap_or_else(|| Reason::new(Reason::BOGUS, words))
            }
        };
        Answer::empty(Rcode::SERV_FAIL, key.name().len() + 4, Some(reason))
    }

    /// What is wrong about an answer that was found bogus.
    async fn cause(&self, key: &Key) -> Option<Reason> {
        let shared = self.shared.upgrade()?;
        let now = u32::try_from(jiff::Timestamp::now().as_second()).unwrap_or(u32::MAX);
        let anchored = |zone: &Name, dnskey: &DnsKey| self.anchors.fit(zone, dnskey);
        Search { shared: &shared, anchored: &anchored, now, checks: Checks::default() }.cause(key).await
    }

    /// An answer with all that its aliases lead to: each part by the anchors for it. Whose answer it is that has a fault is
    /// told with it.
    async fn whole(&self, key: &Key) -> Result<(Verdict, Message), (Key, Fault)> {
        let (mut asked, mut whole, mut seen) = (*key, None::<(Verdict, Message)>, Vec::new());
        let rtype = WireType::from(key.rtype().0);
        for _ in 0..LINKS_MAX {
            seen.push(asked);
            let (verdict, message) = self.part(&asked).await.map_err(|fault| (asked, fault))?;
            let name = name_to_hickory(&asked.fqdn());
            let end = chains::end_of(&name, &message);
            let is_open = end != name && !chains::is_answered_by_alias(rtype) && !chains::has(&message, &end, rtype);
            let joined = match whole.take() {
                None => (verdict, message),
                Some((before, mut joined)) => {
                    joined.answers.extend(message.answers);
                    // A wildcard's proof stays.
                    joined.authorities.extend(message.authorities);
                    joined.metadata.response_code = message.metadata.response_code;
                    (if before == Verdict::Secure { verdict } else { before }, joined)
                }
            };
            let target = is_open.then(|| dns::wire::name_from_hickory(&end).ok()).flatten();
            let next = target.map(|name| Key::new(&name, asked.rtype(), asked.dnssec_ok(), asked.checking_disabled()));
            match next.filter(|next| !seen.contains(next)) {
                Some(next) => (asked, whole) = (next, Some(joined)),
                None => return Ok(joined),
            }
        }
        // A chain that goes on like this leads nowhere; what there is of it is an answer, and proves nothing.
        whole.map(|(_, message)| (Verdict::Insecure, message)).ok_or_else(|| (*key, Fault::Bogus(bogus(key))))
    }

    /// One link of a chain, by the anchors for its name.
    async fn part(&self, asked: &Key) -> Result<(Verdict, Message), Fault> {
        let island = match self.realm(asked.name()) {
            Realm::Root => {
                self.learn().await;
                return self.link(asked, Some(self.handle.load_full())).await;
            }
            Realm::Excluded => return self.unvalidated(asked).await,
            Realm::Island(number) => &self.islands[number],
        };
        match self.link(asked, island.handle(false).await).await {
            // Its keys may have been exchanged.
            Err(Fault::Bogus(words)) => match island.handle(true).await {
                Some(handle) => self.link(asked, Some(handle)).await,
                None => Err(Fault::Bogus(words)),
            },
            answered => answered,
        }
    }

    /// What there is of a name that is not validated.
    async fn unvalidated(&self, asked: &Key) -> Result<(Verdict, Message), Fault> {
        let told = |error: NetError| Fault::Other(Reason::new(Reason::UNREACHABLE, error.to_string()));
        let Some(shared) = self.shared.upgrade() else { return Err(told(NetError::from("this server is ending"))) };
        let key = Key::new(&asked.fqdn(), asked.rtype(), true, true);
        let outcome = shared.resolve(&key, None).await;
        let mut message = response(&shared, &key, &outcome).map_err(told)?.into_message();
        let question = (&name_to_hickory(&key.fqdn()), WireType::from(key.rtype().0));
        chains::cut(&mut message, question, |name| self.realm_of(name) == Realm::Excluded);
        Ok((Verdict::Insecure, message))
    }

    /// By what a name (wire form, lower case) is validated.
    fn realm(&self, name: &[u8]) -> Realm {
        if self.anchors.not_validated.contains(name) {
            return Realm::Excluded;
        }
        let found = self.islands.iter().enumerate().filter_map(|(at, island)| Some((island.holds(name)?, at)));
        found.max_by_key(|(length, _)| *length).map_or(Realm::Root, |(_, at)| Realm::Island(at))
    }

    fn realm_of(&self, name: &Name) -> Realm {
        dns::wire::name_from_hickory(name).map_or(Realm::Root, |name| self.realm(name.as_wire()))
    }

    /// Takes out of an answer what is not to be judged with its name.
    fn cut(&self, message: &mut Message, name: &Name, rtype: WireType) {
        let own = self.realm_of(name);
        chains::cut(message, (name, rtype), |owner| self.realm_of(owner) == own);
    }

    /// The answer to a question by one validator, and what it makes of it.
    async fn link(&self, key: &Key, by: Option<Arc<DnssecDnsHandle<Upward>>>) -> Result<(Verdict, Message), Fault> {
        let other = |words: String| Fault::Other(Reason::new(Reason::UNREACHABLE, words));
        let query = Query::query(name_to_hickory(&key.fqdn()), WireType::from(key.rtype().0));
        let mut options = DnsRequestOptions::default();
        options.edns_set_dnssec_ok = true;
        let Some(by) = by else { return Err(other("this server is ending".to_owned())) };
        let lookup = async { by.lookup(query, options).next().await };
        let answered = match tokio::time::timeout(PATIENCE, lookup).await {
            Ok(Some(answered)) => answered,
            Ok(None) | Err(_) => return Err(other("the keys of this name were not found in time".to_owned())),
        };
        let (verdict, message) = match answered {
            Ok(response) => {
                let verdict = verdict(&response);
                let (name, rtype) = (name_to_hickory(&key.fqdn()), WireType::from(key.rtype().0));
                if verdict == Verdict::Insecure && !chains::is_about(&response, &name, rtype) {
                    return Err(Fault::Bogus(bogus(key)));
                }
                (verdict, response.into_message())
            }
            Err(NetError::Dns(DnsError::Nsec { proof: Proof::Bogus, response, .. })) => {
                if !wildcard::is_proven(&response) {
                    return Err(Fault::Bogus(not_proven(key, &response)));
                }
                (Verdict::Secure, response.into_message())
            }
            Err(NetError::Dns(DnsError::DnssecBogus)) => return Err(Fault::Bogus(bogus(key))),
            Err(NetError::Dns(DnsError::Nsec { response, .. })) => (Verdict::Insecure, response.into_message()),
            Err(NetError::Msg(words)) => return Err(other(words)),
            Err(error) => return Err(Fault::Bogus(format!("{}: {error}", bogus(key)))),
        };
        if verdict == Verdict::Bogus { Err(Fault::Bogus(bogus(key))) } else { Ok((verdict, message)) }
    }
}

fn bogus(key: &Key) -> String {
    format!("the signatures of {} do not lead to a trust anchor", key.fqdn())
}

/// What is lacking where records say that something is not there, or that a wildcard stands for it.
fn not_proven(key: &Key, response: &Message) -> String {
    match response.answers.is_empty() {
        true => format!("it is not proven that {} has no such records (NSEC)", key.fqdn()),
        false => format!("it is not proven that a wildcard stands for {} (NSEC)", key.fqdn()),
    }
}

pub(super) fn handle_by(keys: Arc<TrustAnchors>, way: Upward) -> DnssecDnsHandle<Upward> {
    DnssecDnsHandle::with_trust_anchor(way, keys)
        .nsec3_iteration_limits(Some(NSEC3_ITERATIONS.0), Some(NSEC3_ITERATIONS.1))
}

/// RFC 4035 section 3.2.3: AD only when all of the answer and authority sections are authentic.
fn verdict(response: &DnsResponse) -> Verdict {
    let of = |records: &[Record], proof: Proof| {
        let mut judged = records.iter().filter(|record| record.record_type() != WireType::RRSIG);
        judged.any(|record| record.proof == proof)
    };
    let sections = [&response.answers[..], &response.authorities[..]];
    if sections.iter().any(|records| of(records, Proof::Bogus)) {
        return Verdict::Bogus;
    }
    // Delegations that a resolver adds are not signed, and prove nothing.
    let answers_are = |proof| of(&response.answers, proof);
    let has_answers = !response.answers.is_empty();
    let unsure = |records: &[Record]| of(records, Proof::Insecure) || of(records, Proof::Indeterminate);
    let secure = if has_answers {
        answers_are(Proof::Secure) && !unsure(&response.answers)
    } else {
        of(&response.authorities, Proof::Secure) && !unsure(&response.authorities)
    };
    if secure { Verdict::Secure } else { Verdict::Insecure }
}

/// The answer as octets, without what only those who validate want (RFC 4035 section 3.2.1).
fn rewritten(mut message: Message, key: &Key, authentic: bool) -> Option<Answer> {
    let asked = WireType::from(key.rtype().0);
    if !key.dnssec_ok() {
        let wanted = |record: &Record| {
            let rtype = record.record_type();
            rtype == asked || !matches!(rtype, WireType::RRSIG | WireType::NSEC | WireType::NSEC3)
        };
        message.answers.retain(wanted);
        message.authorities.retain(wanted);
    }
    message.additionals.clear();
    message.edns = None;
    message.metadata.message_type = MessageType::Response;
    message.metadata.authentic_data = authentic;
    Answer::from_message(&message.to_vec().ok()?).ok()
}

/// The way to the upstreams, as hickory's validator asks.
#[derive(Clone)]
pub(super) struct Upward {
    shared: Weak<Shared>,
    /// A zone with anchors of its own: nothing above it is looked at.
    within: Option<Name>,
}

impl Upward {
    /// For all names, or for those of a zone.
    pub(super) fn within(shared: Weak<Shared>, within: Option<Name>) -> Self {
        Self { shared, within }
    }
}

impl DnsHandle for Upward {
    type Response = Pin<Box<dyn Stream<Item = Result<DnsResponse, NetError>> + Send>>;
    type Runtime = TokioRuntimeProvider;

    fn send(&self, request: DnsRequest) -> Self::Response {
        let Self { shared, within } = self.clone();
        Box::pin(stream::once(Box::pin(async move {
            let (Some(shared), Some(query)) = (shared.upgrade(), request.queries.first()) else {
                return Err(NetError::from("this server is ending"));
            };
            // What is above would prove that nothing in the zone needs to be signed.
            if let Some(zone) = &within
                && query.query_type() == WireType::DS
                && query.name().zone_of(zone)
            {
                return Err(NetError::from("a zone with trust anchors of its own has no parent"));
            }
            let name = dns::wire::name_from_hickory(query.name()).map_err(|_| NetError::from("a name is none"))?;
            let key = Key::new(&name, RecordType(query.query_type().into()), true, true);
            let outcome = shared.resolve(&key, None).await;
            let response = response(&shared, &key, &outcome)?;
            let mut message = response.into_message();
            // Keys and delegations are asked for at borders, and lead nowhere.
            let is_of_chain = matches!(query.query_type(), WireType::DS | WireType::DNSKEY);
            if let Some(validator) = shared.validator.as_ref().filter(|_| !is_of_chain) {
                validator.cut(&mut message, query.name(), query.query_type());
            }
            DnsResponse::from_message(message).map_err(NetError::from)
        })))
    }
}

pub(super) fn response(shared: &Shared, key: &Key, outcome: &Outcome) -> Result<DnsResponse, NetError> {
    // What comes of it would be kept as fresh. So the question fails, and what was known of it before goes out as stale.
    if outcome.stale {
        return Err(NetError::from("no upstream answers for what the signatures stand on"));
    }
    if is_failure(&outcome.answer) {
        let words = outcome.answer.reason.as_ref().map_or("nobody answered", |reason| reason.words.as_str());
        return Err(NetError::from(words.to_owned()));
    }
    let asked = Outgoing::build(key, 0, false).without_edns();
    let query = PlainQuery::read(&asked.octets).ok_or_else(|| NetError::from("a question is none"))?;
    let mut octets = Vec::new();
    let terms = Terms { octets_max: None, ..shared.terms(outcome.age_secs, outcome.stale, None) };
    outcome.answer.write(&query, &terms, &mut octets);
    DnsResponse::from_buffer(octets).map_err(NetError::from)
}
