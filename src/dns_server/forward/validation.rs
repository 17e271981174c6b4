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
use hickory_proto::dnssec::{Proof, TrustAnchors};
use hickory_proto::op::{DnsRequest, DnsRequestOptions, DnsResponse, Message, MessageType, Query};
use hickory_proto::rr::{Name, Record, RecordType as WireType};
use resolve::answer::Terms;
use resolve::query::Outgoing;
use resolve::{Answer, Key, PlainQuery, Reason};
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::anchors::Anchors;
use super::{Outcome, Shared, is_failure, wildcard};

/// How long a chain of keys may be followed. Whoever asked has gone by then; what was found is kept for the next time.
const PATIENCE: Duration = Duration::from_secs(10);
/// RFC 9276 section 3.2: more iterations of NSEC3 than this are taken as unsigned, and than this as bogus.
const NSEC3_ITERATIONS: (u16, u16) = (100, 500);
const DNSKEY: RecordType = RecordType(48);
/// When the keys that digests are of are asked for again: a rollover takes days (RFC 7583).
const LEARNT_AGAIN_AFTER: Duration = Duration::from_secs(600);

/// See the module.
pub(super) struct Validator {
    anchors: Anchors,
    shared: Weak<Shared>,
    handle: ArcSwap<DnssecDnsHandle<Upward>>,
    learnt: Mutex<Learnt>,
}

/// The keys that fit the digests among the anchors.
#[derive(Default)]
struct Learnt {
    keys: Vec<(Name, Vec<u8>)>,
    /// When they are asked for again; none: they have not been.
    again_at: Option<Instant>,
}

/// What came of it.
enum Verdict {
    Secure,
    Insecure,
    Bogus,
}

impl Validator {
    pub(super) fn new(anchors: &Anchors, shared: Weak<Shared>) -> Self {
        let handle = handle_by(Arc::clone(&anchors.keys), Weak::clone(&shared));
        Self { anchors: anchors.clone(), shared, handle: ArcSwap::from_pointee(handle), learnt: Mutex::default() }
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
            self.handle.store(Arc::new(handle_by(Arc::new(anchors), Weak::clone(&self.shared))));
        }
    }

    /// Whether an answer is validated before it goes out (RFC 4035 section 3.2.2: not for those who do it themselves).
    pub(super) fn validates(&self, key: &Key) -> bool {
        !key.checking_disabled() && !self.anchors.not_validated.contains(key.name())
    }

    /// The answer to a question, validated; or what is said in its place.
    pub(super) async fn answer(&self, key: &Key) -> Answer {
        let failure =
            |code, words: String| Answer::empty(Rcode::SERV_FAIL, key.name().len() + 4, Some(Reason::new(code, words)));
        let query = Query::query(name_to_hickory(&key.fqdn()), WireType::from(key.rtype().0));
        let mut options = DnsRequestOptions::default();
        options.edns_set_dnssec_ok = true;
        let lookup = async {
            self.learn().await;
            let mut answers = self.handle.load().lookup(query, options);
            answers.next().await
        };
        let answered = match tokio::time::timeout(PATIENCE, lookup).await {
            Ok(Some(answered)) => answered,
            Ok(None) | Err(_) => {
                return failure(Reason::UNREACHABLE, "the keys of this name were not found in time".into());
            }
        };
        let (verdict, message) = match answered {
            Ok(response) => (verdict(&response), response.into_message()),
            Err(NetError::Dns(DnsError::Nsec { proof: Proof::Bogus, response, .. }))
                if wildcard::is_proven(&response) =>
            {
                (Verdict::Secure, response.into_message())
            }
            Err(NetError::Dns(DnsError::Nsec { proof: Proof::Bogus, response, .. })) => {
                return failure(Reason::BOGUS, not_proven(key, &response));
            }
            Err(NetError::Dns(DnsError::DnssecBogus)) => return failure(Reason::BOGUS, bogus(key)),
            Err(NetError::Dns(DnsError::Nsec { response, .. })) => (Verdict::Insecure, response.into_message()),
            Err(NetError::Msg(words)) => return failure(Reason::UNREACHABLE, words),
            Err(error) => return failure(Reason::BOGUS, format!("{}: {error}", bogus(key))),
        };
        match verdict {
            Verdict::Bogus => failure(Reason::BOGUS, bogus(key)),
            verdict => rewritten(message, key, matches!(verdict, Verdict::Secure))
                .unwrap_or_else(|| failure(Reason::NETWORK, "an upstream's answer cannot be read".to_owned())),
        }
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

fn handle_by(keys: Arc<TrustAnchors>, shared: Weak<Shared>) -> DnssecDnsHandle<Upward> {
    DnssecDnsHandle::with_trust_anchor(Upward(shared), keys)
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
pub(super) struct Upward(Weak<Shared>);

impl DnsHandle for Upward {
    type Response = Pin<Box<dyn Stream<Item = Result<DnsResponse, NetError>> + Send>>;
    type Runtime = TokioRuntimeProvider;

    fn send(&self, request: DnsRequest) -> Self::Response {
        let shared = self.0.clone();
        Box::pin(stream::once(Box::pin(async move {
            let (Some(shared), Some(query)) = (shared.upgrade(), request.queries.first()) else {
                return Err(NetError::from("this server is ending"));
            };
            let name = dns::wire::name_from_hickory(query.name()).map_err(|_| NetError::from("a name is none"))?;
            let key = Key::new(&name, RecordType(query.query_type().into()), true, true);
            let outcome = shared.resolve(&key, None).await;
            response(&shared, &key, &outcome)
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
