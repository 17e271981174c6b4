//! What is done with a request.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use arc_swap::{ArcSwap, ArcSwapOption};
use dns::wire::{AnswerSigner, name_from_hickory, verify_request, verify_request_of_context};
use dns::{Fqdn, Rcode, RecordType, SecurityContext, TsigKey};
use hickory_proto::op::{Edns, OpCode};
use hickory_proto::rr::rdata::TSIG;
use hickory_proto::rr::rdata::opt::EdnsOption;
use hickory_proto::rr::{DNSClass, Record};
use hickory_server::net::runtime::{Time as _, TokioTime};
use hickory_server::net::xfer::Protocol;
use hickory_server::server::{Request, ResponseHandler, ResponseInfo};
use ipnet::IpNet;
use resolve::{Answer, PlainQuery, Reason, Transport};
use zones::cookie::{Answered, OPTION, Presented};
use zones::respond::BAD_COOKIE;
use zones::{Asked, Askers, Kind, Place, Question, QuestionMeta, Requestor, Zone, ZoneSet};

use super::cookies::CookieKeeper;
use super::counts::Counts;
use super::forward::{Asker, Forwarder};
use super::notify::{Board, CopyRights};
use super::query::{Further, is_ours};
use super::rate::{RateLimiter, Verdict, ticks_since};
use super::reply::{self, BAD_VERS, Reply};
use super::transfer::{self, Transfers};
use super::update::{UpdateRights, ZoneWriter};
use super::{notify, query, tkey, update};
use crate::kerberos::{Accepted, Acceptor};
use crate::quiet::Quiet;

pub(super) struct Parts {
    pub(super) snapshot: Arc<ArcSwap<ZoneSet>>,
    pub(super) writer: ZoneWriter,
    pub(super) keys: Vec<Arc<TsigKey>>,
    pub(super) transfers: Transfers,
    pub(super) rights: HashMap<Fqdn, Arc<UpdateRights>>,
    /// By the apex: several copies may have one, each for other views.
    pub(super) copies: HashMap<Fqdn, Vec<CopyRights>>,
    pub(super) notices: Arc<Board>,
    pub(super) acceptor: Option<Arc<Acceptor>>,
    pub(super) forward_for: Vec<IpNet>,
    pub(super) forward_not_for: Askers,
    pub(super) forwarder: Arc<ArcSwapOption<Forwarder>>,
    pub(super) cookies: Arc<CookieKeeper>,
    pub(super) limiter: RateLimiter,
    /// Of questions about names of others.
    pub(super) askers: RateLimiter,
    pub(super) counts: Arc<Counts>,
    pub(super) started: Instant,
}

/// The handler of now, for every socket: a changed configuration brings another one.
pub(super) type Live = Arc<ArcSwap<Handler>>;

/// Shared by every socket.
#[derive(Clone)]
pub(super) struct Handler(Arc<Parts>, Arc<Tellers>);

/// What anybody who can send can have written into the log.
#[derive(Default)]
struct Tellers {
    refused_updates: Quiet,
    refused_notices: Quiet,
    bad_signature: Quiet,
    refused_ticket: Quiet,
}

/// What became of a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Datagram {
    /// The answer is there.
    Answered,
    /// It is not answered: its prefix has had its share.
    Limited,
    /// A plain question that others are to be asked.
    Forward,
    /// It takes the general way.
    Other,
}

/// Whether it is an UPDATE or a NOTIFY: their answers are no larger than they are, and whoever sends many has a key.
fn is_change(query: &[u8]) -> bool {
    query.get(2).is_some_and(|flags| matches!(flags >> 3 & 0x0f, 4 | 5))
}

/// Whose signature a request carries.
struct Signer {
    requestor: Requestor,
    signer: Box<AnswerSigner>,
}

impl Signer {
    /// The key that views and lists know it by.
    fn key(&self) -> Option<&Fqdn> {
        self.requestor.key()
    }
}

/// Whether a key of the configuration has this name. No context does: its client chose its name.
fn is_key(keys: &[Arc<TsigKey>], name: &Fqdn) -> bool {
    keys.iter().any(|key| key.name == *name)
}

impl Handler {
    pub(super) fn new(parts: Parts) -> Self {
        Self(Arc::new(parts), Arc::default())
    }

    /// The same tellers with other parts.
    pub(super) fn with(&self, parts: Parts) -> Self {
        Self(Arc::new(parts), Arc::clone(&self.1))
    }

    /// What it is made of.
    pub(super) fn parts(&self) -> &Parts {
        &self.0
    }

    /// Where requests and connections are counted.
    pub(super) fn counts(&self) -> &Counts {
        &self.0.counts
    }

    /// The upstreams, for those who may use them.
    pub(super) fn forwarder_for(&self, source: IpAddr) -> Option<Arc<Forwarder>> {
        // An IPv4 client of an IPv6 socket comes as ::ffff:a.b.c.d.
        let source = source.to_canonical();
        let allowed = self.0.forward_for.iter().any(|prefix| prefix.contains(&source))
            && !self.0.forward_not_for.contain(source, None);
        allowed.then(|| self.0.forwarder.load_full()).flatten()
    }

    /// Answers a datagram that is a plain question about our zones, or about what the forwarder knows, into `out`.
    pub(super) fn answer_datagram(&self, query: &[u8], source: IpAddr, out: &mut Vec<u8>) -> Datagram {
        let Parts { snapshot, cookies, limiter, started, .. } = &*self.0;
        let (forwarder, snapshot) = (self.forwarder_for(source), snapshot.load());
        let seen = snapshot.seen_by(source, None);
        if let Some(forwarder) = &forwarder
            && let Some(plain) = PlainQuery::read(query)
            && !is_ours(seen, forwarder, plain.key.name(), plain.key.rtype())
        {
            return self.answer_known((forwarder, seen), &plain, source, out);
        }
        let responded = cookies.with(|cookies| {
            let recursion = forwarder.is_some();
            let asked = Asked { recursion, octets_max: reply::UDP_OCTETS_MAX, stream: false, source, cookies };
            zones::respond(seen, query, asked, out)
        });
        let verdict = match responded {
            // Who shows a cookie of ours is no one else.
            Some(responded) if responded.has_good_cookie => Verdict::Send,
            Some(responded) => limiter.check(ticks_since(*started), source, responded.kind, responded.question(out)),
            None if is_change(query) => Verdict::Send,
            None => limiter.check(ticks_since(*started), source, Kind::Error, &[]),
        };
        match (responded, verdict) {
            (Some(_), Verdict::Send) => Datagram::Answered,
            (Some(responded), Verdict::Truncate) => {
                responded.truncate(out);
                Datagram::Answered
            }
            (None, Verdict::Send) => Datagram::Other,
            (_, Verdict::Drop) | (None, Verdict::Truncate) => Datagram::Limited,
        }
    }

    /// Answers a datagram that asks for a name of others by what is known.
    fn answer_known(
        &self,
        (forwarder, seen): (&Forwarder, &ZoneSet),
        query: &PlainQuery<'_>,
        source: IpAddr,
        out: &mut Vec<u8>,
    ) -> Datagram {
        let Parts { cookies, askers, started, .. } = &*self.0;
        let Some(cookie) = cookies.answer_to(shown_cookie(query), source, false) else { return Datagram::Other };
        // Those who may have names resolved are exempt from the limits on answers to a prefix, and have one each.
        match if cookie.good { Verdict::Send } else { askers.check_asker(ticks_since(*started), source) } {
            Verdict::Send => {}
            Verdict::Truncate => {
                Answer::write_truncated(query, cookie.option(), out);
                return Datagram::Answered;
            }
            Verdict::Drop => return Datagram::Limited,
        }
        let asker = Asker { source, transport: Transport::Udp };
        let leads_home = |target: &[u8]| is_ours(seen, forwarder, target, query.key.rtype());
        match forwarder.answer_known(query, asker, (cookie.option(), leads_home), out) {
            true => Datagram::Answered,
            false => Datagram::Forward,
        }
    }

    /// Answers a plain question about others' names by asking them; none: it is not one, or leads to names of ours.
    pub(super) async fn answer_forwarded(&self, query: &[u8], asker: Asker) -> Option<Vec<u8>> {
        let forwarder = self.forwarder_for(asker.source)?;
        let query = PlainQuery::read(query)?;
        let is_ours = |name: &[u8]| {
            is_ours(self.0.snapshot.load().seen_by(asker.source, None), &forwarder, name, query.key.rtype())
        };
        if is_ours(query.key.name()) {
            return None;
        }
        let cookie = self.0.cookies.answer_to(shown_cookie(&query), asker.source, asker.transport.is_stream())?;
        forwarder.answer(&query, asker, (cookie.option(), is_ours)).await
    }

    /// Answers a plain question that came by a connection, into `out`; false: it is none.
    pub(super) fn answer_stream(&self, query: &[u8], source: IpAddr, out: &mut Vec<u8>) -> bool {
        let (forwarder, snapshot) = (self.forwarder_for(source), self.0.snapshot.load());
        let seen = snapshot.seen_by(source, None);
        // What our zones do not hold they do not answer anyway, but where others are asked for names within one.
        if let Some(forwarder) = forwarder.as_ref().filter(|forwarder| forwarder.has_routes())
            && let Some(plain) = PlainQuery::read(query)
            && !is_ours(seen, forwarder, plain.key.name(), plain.key.rtype())
        {
            return false;
        }
        let recursion = forwarder.is_some();
        let responded = self.0.cookies.with(|cookies| {
            let asked = Asked { recursion, octets_max: reply::UDP_OCTETS_MAX, stream: true, source, cookies };
            zones::respond(seen, query, asked, out)
        });
        responded.is_some()
    }

    /// What is answered to the cookie of a request, or what is wrong about it.
    fn cookie(&self, request: &Request) -> Result<Option<Answered>, Rcode> {
        let options = request.edns.as_ref().map(Edns::options);
        let data = options.and_then(|options| {
            options.as_ref().iter().find_map(|(_, option)| match option {
                EdnsOption::Unknown(OPTION, data) => Some(data.as_slice()),
                _ => None,
            })
        });
        self.0.cookies.with(|cookies| {
            let Some((data, cookies)) = data.zip(cookies) else { return Ok(None) };
            let presented = Presented::read(data).map_err(|_| Rcode::FORM_ERR)?;
            Ok(Some(presented.answer(cookies, request.src().ip())))
        })
    }

    fn wants_cookies(&self) -> bool {
        self.0.cookies.with(|cookies| cookies.is_some_and(|cookies| cookies.required))
    }

    /// The general way of a request: whatever it is, it is answered to `handle`.
    pub(super) async fn handle(
        &self,
        request: &Request,
        transport: Transport,
        handle: &mut impl ResponseHandler,
    ) -> ResponseInfo {
        let clock = TokioTime::current_time;
        let now = clock();
        let mut signed_by = match self.verify(request, now) {
            Ok(signed_by) => signed_by,
            Err((rcode, signer)) => {
                let reply = Reply::empty(request, rcode);
                return reply::send(request, reply, signer.map(|signer| *signer).as_mut(), now, handle).await;
            }
        };
        // RFC 7873 section 5.2.2: a malformed option is answered with FORMERR.
        let cookie = match self.cookie(request) {
            Ok(cookie) => cookie,
            Err(rcode) => return reply::send(request, Reply::empty(request, rcode), None, now, handle).await,
        };
        let is_stranger = cookie.is_some_and(|cookie| !cookie.good) && request.protocol() == Protocol::Udp;
        let mut reply = match request.metadata.op_code {
            // RFC 6891 section 6.1.3: "If a responder does not implement the VERSION level of the request, then it
            // MUST respond with RCODE=BADVERS."
            _ if request.version() > 0 => Reply::empty(request, BAD_VERS),
            OpCode::Query
                if let Some(acceptor) = self.0.acceptor.as_ref().filter(|_| tkey::is_negotiation(request)) =>
            {
                let is_key = |name: &Fqdn| is_key(&self.0.keys, name);
                return tkey::answer(request, (acceptor, &self.1.refused_ticket), is_key, now, handle).await;
            }
            OpCode::Query if is_stranger && self.wants_cookies() => Reply::empty(request, BAD_COOKIE),
            OpCode::Query => match read_question(request) {
                Err(rcode) => Reply::empty(request, rcode),
                Ok(question) if matches!(question.rtype, RecordType::AXFR | RecordType::IXFR) => {
                    return self.transfer(request, question, signed_by, clock, handle).await;
                }
                Ok(question) => {
                    let key = signed_by.as_ref().and_then(Signer::key);
                    self.query((request, transport), &question, key).await
                }
            },
            OpCode::Update
                if let Some(why) = self.update_of_copy(request, signed_by.as_ref().and_then(Signer::key)) =>
            {
                Reply { reason: Some(why), ..Reply::empty(request, Rcode::REFUSED) }
            }
            OpCode::Update => {
                let signer = signed_by.as_ref().map(|by| by.requestor.clone());
                let snapshot = self.0.snapshot.load_full();
                let seen = snapshot.seen_by(request.src().ip(), signer.as_ref().and_then(Requestor::key));
                let queue = (&self.0.writer, &self.1.refused_updates);
                let rcode = update::handle(request, seen, signer, &self.0.rights, queue).await;
                Reply::empty(request, rcode).prohibited_if(rcode == Rcode::REFUSED)
            }
            OpCode::Notify => {
                let key = signed_by.as_ref().and_then(Signer::key);
                let rcode = notify::handle(request, key, &self.0.copies, (&self.0.notices, &self.1.refused_notices));
                let mut reply = Reply::empty(request, rcode).prohibited_if(rcode == Rcode::REFUSED);
                // RFC 1996 section 3.8: the answer has "QR bit set", and is otherwise like the request, which has AA.
                reply.metadata.authoritative = true;
                reply
            }
            _ => Reply::empty(request, Rcode::NOT_IMP),
        };
        reply.cookie = cookie;
        let signer = signed_by.as_mut().map(|signed_by| &mut *signed_by.signer);
        reply::send(request, reply, signer, now, handle).await
    }

    /// The context that a signature is of, when it is of one that is good yet. Keys go first: whoever negotiates a context
    /// by a key's name does not shut its holder out.
    fn context_of(&self, signature: &Record<TSIG>) -> Option<Arc<Accepted>> {
        let name = name_from_hickory(&signature.name).ok().filter(|name| !is_key(&self.0.keys, name))?;
        self.0.acceptor.as_ref()?.context(&name)
    }

    /// RFC 8945 section 5.2. Who signed, nobody, or what to answer.
    fn verify(&self, request: &Request, now: u64) -> Result<Option<Signer>, (Rcode, Option<Box<AnswerSigner>>)> {
        let Some(signature) = request.signature.as_deref() else { return Ok(None) };
        let keys = self.0.keys.iter().map(|key| &**key);
        let verified = match self.context_of(signature) {
            Some(context) => {
                let requestor = Requestor::Principal(context.principal().to_owned());
                let context: Arc<dyn SecurityContext> = context;
                let verified = verify_request_of_context(request.as_slice(), signature, &context, now);
                verified.map(|signer| Signer { requestor, signer })
            }
            None => verify_request(request.as_slice(), signature, keys, now).map(|verified| {
                let requestor = Requestor::Key(verified.key.name.clone());
                Signer { requestor, signer: verified.signer }
            }),
        };
        match verified {
            Ok(signer) => Ok(Some(signer)),
            Err(refusal) => {
                if let Some(kept_back) = self.1.bad_signature.may_tell() {
                    let (source, key, error) = (request.src(), &signature.name, &refusal.error);
                    tracing::warn!(
                        "a DNS request of {source}, signed by the key {key}, is not accepted: {error}{kept_back}"
                    );
                }
                Err((refusal.rcode, refusal.signer))
            }
        }
    }

    /// Why a copy of another server's zone is not changed. RFC 2136 section 6.1: "a slave ... may forward" an update, which
    /// this server does not: it would vouch for requests whose signatures only the primary can check.
    fn update_of_copy(&self, request: &Request, key: Option<&Fqdn>) -> Option<Reason> {
        let [zone] = request.queries.queries() else { return None };
        let zone = name_from_hickory(zone.original().name()).ok()?;
        let copies = self.0.copies.get(&zone)?;
        // Beside a copy there may be a zone of our own for other views, which is changed here.
        let snapshot = self.0.snapshot.load();
        let seen = snapshot.seen_by(request.src().ip(), key).get(&zone).map(Zone::id);
        let copy = copies.iter().find(|copy| seen.is_none_or(|seen| *seen == copy.id))?;
        let primary = copy.primaries.first().map(|(address, _)| format!(", {address}")).unwrap_or_default();
        Some(Reason::new(Reason::PROHIBITED, format!("a copy: send updates to its primary{primary}")))
    }

    async fn query(
        &self,
        (request, transport): (&Request, Transport),
        question: &Question,
        key: Option<&Fqdn>,
    ) -> Reply {
        let forwarder = self.forwarder_for(request.src().ip());
        let snapshot = self.0.snapshot.load();
        let meta = QuestionMeta { stream: request.protocol() != Protocol::Udp };
        let seen = snapshot.seen_by(request.src().ip(), key);
        let is_routed = forwarder.as_ref().is_some_and(|forwarder| {
            let is_ours = is_ours(seen, forwarder, question.name.as_wire(), question.rtype);
            !is_ours && request.metadata.recursion_desired
        });
        let (mut reply, further) = match is_routed {
            true => (Reply::empty(request, Rcode::REFUSED), Some(Further::elsewhere(question.name.clone()))),
            false => query::answer(seen, request, question, meta),
        };
        drop(snapshot);
        reply.metadata.recursion_available = forwarder.is_some();
        // RFC 1034 section 4.3.1: recursion is for those who ask for it.
        let forwarder = forwarder.filter(|_| request.metadata.recursion_desired);
        match (further, forwarder) {
            (None, _) => {}
            (Some(further), Some(forwarder)) => {
                let source = request.src().ip();
                let zones = || self.0.snapshot.load_full();
                let is_ours = |name: &[u8]| is_ours(zones().seen_by(source, key), &forwarder, name, question.rtype);
                let asked = (further, question, meta);
                query::go_on((&mut reply, &forwarder), (request, transport), asked, (zones, is_ours), key).await;
            }
            // A chain of ours that leads elsewhere, and a referral, is an answer by itself; any other name is not for this asker.
            (Some(further), None) if further.is_elsewhere => {
                let reason = Reason::new(Reason::PROHIBITED, "not in our zones, and not resolved for this client");
                return Reply { reason: Some(reason), ..Reply::empty(request, Rcode::REFUSED) };
            }
            (Some(_), None) => {}
        }
        reply
    }

    async fn transfer(
        &self,
        request: &Request,
        question: Question,
        signed_by: Option<Signer>,
        clock: fn() -> u64,
        handle: &mut impl ResponseHandler,
    ) -> ResponseInfo {
        let transfers = &self.0.transfers;
        let source = request.src().ip();
        let snapshot = self.0.snapshot.load_full();
        let seen = snapshot.seen_by(source, signed_by.as_ref().and_then(Signer::key));
        let id = seen.get(&question.name).map_or(&question.name, Zone::id);
        let allowed = transfers.allows(id, signed_by.as_ref().and_then(Signer::key), source);
        let mut signer = signed_by.map(|signed_by| signed_by.signer);
        let incremental = question.rtype == RecordType::IXFR;
        let rcode = match seen.get(&question.name) {
            // RFC 5936 section 4.2: "AXFR is not defined over UDP".
            _ if request.protocol() == Protocol::Udp && !incremental => Rcode::FORM_ERR,
            _ if !allowed => {
                transfers.tell_refused(&question.name, source);
                Rcode::REFUSED
            }
            None if let Place::Unavailable(_) = seen.place(&question.name) => Rcode::SERV_FAIL,
            None => Rcode::NOT_AUTH,
            Some(zone) => {
                // A view's records are laid over the zone's: the history is that of the zone beneath.
                let has_history = snapshot.get(zone.id()).is_some_and(|beneath| std::ptr::eq(beneath, zone));
                let asked = transfer::Asked { request, incremental, has_history, signer, clock };
                return transfers.answer(asked, zone, handle).await;
            }
        };
        let reply = Reply::empty(request, rcode).prohibited_if(rcode == Rcode::REFUSED);
        reply::send(request, reply, signer.as_deref_mut(), clock(), handle).await
    }
}

fn shown_cookie<'q>(query: &PlainQuery<'q>) -> Option<&'q [u8]> {
    query.edns.and_then(|edns| edns.cookie)
}

/// The one question of a request.
fn read_question(request: &Request) -> Result<Question, Rcode> {
    // RFC 9619 section 4: QDCOUNT other than 1 in a query is FORMERR.
    let [question] = request.queries.queries() else { return Err(Rcode::FORM_ERR) };
    let question = question.original();
    match question.query_class() {
        DNSClass::IN => {}
        // These mean something in an update alone (RFC 2136 section 2.4): nothing of either class can be asked for.
        DNSClass::NONE | DNSClass::ANY => return Err(Rcode::FORM_ERR),
        _ => return Err(Rcode::REFUSED),
    }
    let name = name_from_hickory(question.name()).map_err(|_| Rcode::FORM_ERR)?;
    let rtype = RecordType(question.query_type().into());
    match rtype.0 {
        // Obsolete collections of mail records, MAILB and MAILA (RFC 1035 section 3.2.3).
        0 | 253 | 254 => Err(Rcode::NOT_IMP),
        // OPT, TSIG and their likes are no question.
        41 | 128..=250 => Err(Rcode::FORM_ERR),
        _ => Ok(Question { name, rtype }),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_configured_key_is_no_contexts() {
        let key = |text: &str| {
            let (name, secret) = (text.parse().unwrap(), vec![7; 32].into());
            Arc::new(TsigKey { name, algorithm: dns::TsigAlgorithm::HmacSha256, secret })
        };
        let keys = [key("transfer"), key("update")];
        assert!(is_key(&keys, &"UPDATE".parse().unwrap()));
        assert!(!is_key(&keys, &"12345.sig-ns.example".parse().unwrap()));
    }
}
