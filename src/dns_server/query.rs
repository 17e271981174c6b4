//! Questions: answered from a snapshot, and through the forwarder where they lead elsewhere.

use std::net::IpAddr;
use std::sync::Arc;

use dns::wire::{WireError, name_from_hickory, name_to_hickory, rdata_to_hickory};
use dns::{Fqdn, Rcode, Rdata, RecordType};
use hickory_proto::op::ResponseCode;
use hickory_proto::rr::{RData, Record};
use hickory_server::server::Request;
use resolve::{Key, Reason, Transport};
use zones::answer::CNAME_HOPS_MAX;
use zones::{AnswerSet, Place, Question, QuestionMeta, Unavailable, ZoneSet};

use super::forward::{Asker, Forwarder, is_answered_by_alias};
use super::reply::Reply;

/// Whether our zones answer for a name (wire form, lower case): a chain that begins there is ours. The longer domain decides
/// where others are asked for names within a zone of ours.
pub(super) fn is_ours(zones: &ZoneSet, forwarder: &Forwarder, name: &[u8], rtype: RecordType) -> bool {
    match zones.place_wire(name) {
        Place::Elsewhere => false,
        Place::Zone(zone) => !forwarder.routes_within(name, rtype, zone.apex()),
        Place::Prohibited | Place::Unavailable(_) => true,
    }
}

/// Where an answer goes on.
pub(super) struct Further {
    /// The name to ask others for.
    pub(super) name: Fqdn,
    /// Nothing of the answer is ours.
    pub(super) is_elsewhere: bool,
    /// The zone that ours delegates it to, and those of its servers' addresses that our zones know.
    cut: Option<(Fqdn, Vec<IpAddr>)>,
}

impl Further {
    /// Others are to be asked for the whole of it.
    pub(super) fn elsewhere(name: Fqdn) -> Self {
        Self { name, is_elsewhere: true, cut: None }
    }
}

/// The answer of our zones; and where it goes on: at the question's own name when it is in no zone of ours, or where a chain of
/// CNAME records leaves them or meets a delegation.
pub(super) fn answer(
    snapshot: &ZoneSet,
    request: &Request,
    question: &Question,
    meta: QuestionMeta,
) -> (Reply, Option<Further>) {
    let found = zones::answer(snapshot, question, meta);
    if found.prohibited {
        return (Reply::empty(request, Rcode::REFUSED).prohibited_if(true), None);
    }
    if let Some(why) = found.unavailable {
        return (unavailable(request, why), None);
    }
    if !found.ours {
        return (Reply::empty(request, Rcode::REFUSED), Some(Further::elsewhere(question.name.clone())));
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
    let cut = found.authorities.iter().find(|set| set.rtype == RecordType::NS).map(|cut| {
        let of_set = |set: &AnswerSet<'_>| {
            let addresses = set.rdata.iter().filter_map(|data| Rdata(data.into()).to_address(set.rtype));
            addresses.collect::<Vec<_>>()
        };
        (Fqdn::clone(&cut.name), found.additionals.iter().flat_map(of_set).collect())
    });
    // What others say is kept for all askers, whatever they see: a delegation that only some see is theirs to follow.
    let is_for_all = |(cut, _): &(Fqdn, _)| match snapshot.place(cut) {
        Place::Zone(zone) => zone.id() == zone.apex(),
        _ => true,
    };
    let is_followed = cut.as_ref().is_none_or(is_for_all);
    let further = found.continue_at.filter(|_| is_followed).map(|name| Further { name, is_elsewhere: false, cut });
    (reply, further)
}

/// Goes on where our zones end, and where that leads back into them, as often as our own chains may have links. `zones`: what
/// this asker sees of them now; `is_ours`: whether they answer for a name (wire form, lower case).
pub(super) async fn go_on(
    (reply, forwarder): (&mut Reply, &Forwarder),
    (request, transport): (&Request, Transport),
    (mut further, question, meta): (Further, &Question, QuestionMeta),
    (zones, is_ours): (impl Fn() -> Arc<ZoneSet>, impl Fn(&[u8]) -> bool),
    key: Option<&Fqdn>,
) {
    for _ in 0..=CNAME_HOPS_MAX {
        let first = reply.answers.len();
        if let Some((cut, servers)) = further.cut.take() {
            forwarder.delegate(&cut, servers);
        }
        forward(reply, forwarder, request, (&further.name, question.rtype), transport).await;
        if is_answered_by_alias(question.rtype) {
            return;
        }
        let Some(name) = leads_home(reply, first, &further.name, &is_ours) else { return };
        let question = Question { name, rtype: question.rtype };
        let zones = zones();
        let (part, next) = answer(zones.seen_by(request.src().ip(), key), request, &question, meta);
        // What is prohibited, or not there: the beginning is an answer by itself.
        if part.reason.is_some() {
            return;
        }
        reply.metadata.response_code = part.metadata.response_code;
        reply.answers.extend(part.answers);
        reply.authorities = part.authorities;
        reply.additionals = part.additionals;
        match next {
            Some(next) => further = next,
            None => return,
        }
    }
}

/// The name of ours that what others said leads to, with the chain up to there left alone: what they say of it is not what our
/// zones say. `first`: where their records begin.
fn leads_home(reply: &mut Reply, first: usize, name: &Fqdn, is_ours: impl Fn(&[u8]) -> bool) -> Option<Fqdn> {
    let (mut chain, mut end) = (Vec::new(), name_to_hickory(name));
    let target = loop {
        let alias = reply.answers[first..].iter().find_map(|record| match &record.data {
            RData::CNAME(target) if record.name == end => Some(target.0.clone()),
            _ => None,
        })?;
        chain.push(std::mem::replace(&mut end, alias));
        // In a circle.
        if chain.contains(&end) || reply.answers[..first].iter().any(|record| record.name == end) {
            return None;
        }
        if let Some(target) = name_from_hickory(&end).ok().filter(|target| is_ours(target.as_wire())) {
            break target;
        }
    };
    let mut at = 0;
    reply.answers.retain(|record| {
        at += 1;
        at <= first || chain.contains(&record.name)
    });
    reply.authorities.clear();
    // What is told beside it is of the rest too.
    reply.reason = None;
    reply.metadata.authentic_data = false;
    reply.metadata.response_code = ResponseCode::NoError;
    Some(target)
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
async fn forward(
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
    // In place of a referral.
    reply.authorities = found.authorities;
    reply.additionals.clear();
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
