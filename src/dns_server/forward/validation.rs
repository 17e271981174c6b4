//! Whether answers are signed by those whom the trust anchors lead to (RFC 4035 section 5).
//!
//! hickory's validator does it: it asks for keys and delegations through [`Upward`], which is our own way to the upstreams,
//! cache included. What it is asked for is kept as any answer to somebody who wants to validate (DO and CD); what comes of
//! it is kept for those who do not.

use std::path::Path;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::time::Duration;

use dns::wire::name_to_hickory;
use dns::{Fqdn, Rcode, RecordType};
use futures_util::{Stream, StreamExt as _, stream};
use hickory_client::dnssec::DnssecDnsHandle;
use hickory_client::runtime::TokioRuntimeProvider;
use hickory_client::xfer::DnsHandle;
use hickory_client::{DnsError, NetError};
use hickory_proto::dnssec::{Proof, TrustAnchors};
use hickory_proto::op::{DnsRequest, DnsRequestOptions, DnsResponse, Message, MessageType, Query};
use hickory_proto::rr::{Record, RecordType as WireType};
use resolve::answer::Terms;
use resolve::blocking::NameSet;
use resolve::query::Outgoing;
use resolve::{Answer, Key, PlainQuery, Reason};

use super::{Outcome, Shared, is_failure};

/// How long a chain of keys may be followed. Whoever asked has gone by then; what was found is kept for the next time.
const PATIENCE: Duration = Duration::from_secs(10);
/// RFC 9276 section 3.2: more iterations of NSEC3 than this are taken as unsigned, and than this as bogus.
const NSEC3_ITERATIONS: (u16, u16) = (100, 500);

/// What is trusted, and where nothing is validated.
#[derive(Clone)]
pub struct Anchors {
    keys: Arc<TrustAnchors>,
    not_validated: Arc<NameSet>,
}

impl std::fmt::Debug for Anchors {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Anchors({} keys, {} domains not validated)", self.keys.len(), self.not_validated.len())
    }
}

impl Anchors {
    /// The keys of a file of DNSKEY records, or the root's; and the domains that are not validated, with what is beneath
    /// them (RFC 7646).
    ///
    /// # Errors
    /// Why the file cannot be read, in words.
    pub fn read(file: Option<&Path>, not_validated: &[Fqdn]) -> Result<Self, String> {
        let keys = match file {
            None => TrustAnchors::default(),
            Some(path) => {
                let read = TrustAnchors::from_file(path);
                read.map_err(|error| format!("the trust anchors in {} cannot be read: {error}", path.display()))?
            }
        };
        if keys.is_empty() {
            return Err("there is no DNSKEY record among the trust anchors".to_owned());
        }
        let not_validated = NameSet::of(not_validated, resolve::blocking::set::Reach::Beneath);
        Ok(Self { keys: Arc::new(keys), not_validated: Arc::new(not_validated) })
    }
}

/// See the module.
pub(super) struct Validator {
    handle: DnssecDnsHandle<Upward>,
    not_validated: Arc<NameSet>,
}

/// What came of it.
enum Verdict {
    Secure,
    Insecure,
    Bogus,
}

impl Validator {
    pub(super) fn new(anchors: &Anchors, shared: Weak<Shared>) -> Self {
        let handle = DnssecDnsHandle::with_trust_anchor(Upward(shared), Arc::clone(&anchors.keys))
            .nsec3_iteration_limits(Some(NSEC3_ITERATIONS.0), Some(NSEC3_ITERATIONS.1));
        Self { handle, not_validated: Arc::clone(&anchors.not_validated) }
    }

    /// Whether an answer is validated before it goes out (RFC 4035 section 3.2.2: not for those who do it themselves).
    pub(super) fn validates(&self, key: &Key) -> bool {
        !key.checking_disabled() && !self.not_validated.contains(key.name())
    }

    /// The answer to a question, validated; or what is said in its place.
    pub(super) async fn answer(&self, key: &Key) -> Answer {
        let failure =
            |code, words: String| Answer::empty(Rcode::SERV_FAIL, key.name().len() + 4, Some(Reason::new(code, words)));
        let query = Query::query(name_to_hickory(&key.fqdn()), WireType::from(key.rtype().0));
        let mut options = DnsRequestOptions::default();
        options.edns_set_dnssec_ok = true;
        let mut answers = self.handle.lookup(query, options);
        let answered = match tokio::time::timeout(PATIENCE, answers.next()).await {
            Ok(Some(answered)) => answered,
            Ok(None) | Err(_) => {
                return failure(Reason::UNREACHABLE, "the keys of this name were not found in time".into());
            }
        };
        let (verdict, message) = match answered {
            Ok(response) => (verdict(&response), response.into_message()),
            Err(NetError::Dns(DnsError::Nsec { proof: Proof::Bogus, .. } | DnsError::DnssecBogus)) => {
                return failure(Reason::BOGUS, bogus(key));
            }
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
    let terms = Terms { octets_max: None, ..shared.terms(outcome, None) };
    outcome.answer.write(&query, &terms, &mut octets);
    DnsResponse::from_buffer(octets).map_err(NetError::from)
}
