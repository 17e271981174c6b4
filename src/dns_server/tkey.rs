//! TKEY queries: clients negotiate a security context, with which they then sign (RFC 3645 section 4).

use std::sync::Arc;

use dns::wire::{AnswerSigner, read_tkey_query, tkey_record};
use dns::{Fqdn, Rcode, SecurityContext};
use hickory_server::net::xfer::Protocol;
use hickory_server::server::{Request, ResponseHandler, ResponseInfo};

use super::reply::{self, Reply};
use crate::kerberos::{Acceptor, Answered};
use crate::quiet::Quiet;

/// The type of such questions (RFC 2930 section 2).
const TKEY: u16 = 249;
/// RFC 2930 section 2.6: a name that is in use.
const BAD_NAME: Rcode = Rcode(20);

/// Whether this is such a question.
pub(super) fn is_negotiation(request: &Request) -> bool {
    matches!(request.queries.queries(), [question] if u16::from(question.original().query_type()) == TKEY)
}

/// Takes the token of a question and answers with ours. `is_key` tells the names of configured keys: a client that had its
/// context called like one would be taken for its holder.
pub(super) async fn answer(
    request: &Request,
    (acceptor, refused): (&Arc<Acceptor>, &Quiet),
    is_key: impl Fn(&Fqdn) -> bool,
    now: u64,
    handle: &mut impl ResponseHandler,
) -> ResponseInfo {
    let mut reply = Reply::empty(request, Rcode::NO_ERROR);
    if request.protocol() == Protocol::Udp {
        // A token costs work. Whoever sends one proves by a connection where it comes from.
        reply.metadata.truncation = true;
        return reply::send(request, reply, None, now, handle).await;
    }
    let Some((name, token)) = read_tkey_query(&request.additionals) else {
        // RFC 2930 has other modes; RFC 3645 section 4.1.1 wants this one.
        return reply::send(request, Reply::empty(request, Rcode::NOT_IMP), None, now, handle).await;
    };
    let (taking, of) = (Arc::clone(acceptor), name.clone());
    // The library reads the keytab and a file of tokens that came before.
    let taken = match is_key(&name) {
        true => Ok(Answered::NameTaken),
        false => tokio::task::spawn_blocking(move || taking.take(&of, &token)).await,
    };
    let (error, token, complete) = match taken {
        Ok(Answered::GoesOn(token)) => (Rcode::NO_ERROR, token, None),
        Ok(Answered::Complete(token, context, left)) => {
            tracing::info!(source = %request.src(), principal = context.principal(), "a DNS client has proved who it is");
            (Rcode::NO_ERROR, token, Some((context as Arc<dyn SecurityContext>, left)))
        }
        Ok(Answered::NameTaken) => (BAD_NAME, Vec::new(), None),
        Ok(Answered::Refused(why)) => {
            if let Some(kept_back) = refused.may_tell() {
                tracing::info!("a ticket of the DNS client {} is not accepted: {why}{kept_back}", request.src());
            }
            // Section 4.1.2: "the server MUST return ... a TKEY error of BADKEY".
            (Rcode::BAD_KEY, Vec::new(), None)
        }
        Err(_) => return reply::send(request, Reply::empty(request, Rcode::SERV_FAIL), None, now, handle).await,
    };
    // The protocol's times are of 32 bits, in serial arithmetic.
    let secs = |at: u64| (at & u64::from(u32::MAX)) as u32;
    let until = complete.as_ref().map_or(now, |(_, left)| now + left.as_secs());
    match tkey_record(&name, (secs(now), secs(until)), error, &token) {
        Ok(record) => reply.answers.push(record),
        Err(_) => reply = Reply::empty(request, Rcode::SERV_FAIL),
    }
    // Section 4.1.3: the last answer is signed by what came of it.
    let mut signer = complete.map(|(context, _)| AnswerSigner::of_context(&context, request.metadata.id, now));
    reply::send(request, reply, signer.as_mut(), now, handle).await
}
