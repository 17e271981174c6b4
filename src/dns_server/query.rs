//! Questions: answered from a snapshot, and through the forwarder where they lead elsewhere.

use dns::wire::{WireError, name_to_hickory, rdata_to_hickory};
use dns::{Fqdn, Rcode, Rdata, RecordType};
use hickory_proto::rr::Record;
use hickory_server::server::Request;
use resolve::{Key, Reason, Transport};
use zones::{AnswerSet, Question, QuestionMeta, Unavailable, ZoneSet};

use super::forward::{Asker, Forwarder};
use super::reply::Reply;

/// The answer of our zones; and the name to ask others for: the question's own when it is in no zone of ours, or
/// where a chain of CNAME records leaves them.
pub(super) fn answer(
    snapshot: &ZoneSet,
    request: &Request,
    question: &Question,
    meta: QuestionMeta,
) -> (Reply, Option<Fqdn>) {
    let found = zones::answer(snapshot, question, meta);
    if found.prohibited {
        return (Reply::empty(request, Rcode::REFUSED).prohibited_if(true), None);
    }
    if let Some(why) = found.unavailable {
        return (unavailable(request, why), None);
    }
    if !found.ours {
        return (Reply::empty(request, Rcode::REFUSED), Some(question.name.clone()));
    }
    let mut reply = Reply::empty(request, found.rcode.unwrap_or(Rcode::NO_ERROR));
    reply.metadata.authoritative = found.authoritative;
    let sections = [
        (&found.answers, &mut reply.answers),
        (&found.authorities, &mut reply.authorities),
        (&found.additionals, &mut reply.additionals),
    ];
    for (sets, records) in sections {
        if let Err(error) = add_records(sets, records) {
            tracing::error!(name = %question.name, %error, "a stored record cannot be put on the wire");
            return (Reply::empty(request, Rcode::SERV_FAIL), None);
        }
    }
    (reply, found.continue_at)
}

/// What is answered in a zone whose contents are not there.
pub(super) fn unavailable(request: &Request, why: Unavailable) -> Reply {
    let reason = match why {
        Unavailable::NotLoaded => Reason::new(Reason::NOT_READY, "the zone has not been transferred yet"),
        Unavailable::Expired => Reason::new(Reason::INVALID_DATA, "the zone has expired: no primary was heard of it"),
    };
    Reply { reason: Some(reason), ..Reply::empty(request, Rcode::SERV_FAIL) }
}

/// Asks others for `name` and adds what they say.
pub(super) async fn forward(
    reply: &mut Reply,
    forwarder: &Forwarder,
    request: &Request,
    asked: (&Fqdn, RecordType),
    transport: Transport,
) {
    let dnssec_ok = request.edns.as_ref().is_some_and(|edns| edns.flags().dnssec_ok);
    let key = Key::new(asked.0, asked.1, dnssec_ok, request.metadata.checking_disabled);
    let found = forwarder.resolve(&key, Asker { source: request.src().ip(), transport }).await;
    // RFC 4035 section 3.2.3: AD says that everything was validated, which nobody does with a chain that began with us;
    // RFC 6840 section 5.7: for those who ask for it.
    let asks = dnssec_ok || request.metadata.authentic_data;
    reply.metadata.authentic_data = found.authentic && asks && reply.answers.is_empty();
    reply.reason = found.reason;
    reply.metadata.response_code = found.rcode.0.into();
    // RFC 1035 section 4.1.1: AA "corresponds to ... the first owner name in the answer section": ours, if the chain
    // began with us; nobody's here otherwise.
    reply.answers.extend(found.answers);
    reply.authorities.extend(found.authorities);
}

fn add_records(sets: &[AnswerSet<'_>], records: &mut Vec<Record>) -> Result<(), WireError> {
    for set in sets {
        let name = name_to_hickory(&set.name);
        for data in set.rdata.iter() {
            let data = rdata_to_hickory(set.rtype, &Rdata(data.into()))?;
            records.push(Record::from_rdata(name.clone(), set.ttl, data));
        }
    }
    Ok(())
}
