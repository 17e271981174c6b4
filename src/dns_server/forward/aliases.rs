//! What an answer's aliases lead to: a name that a list has, or one that the upstream says nothing of.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use dns::{Fqdn, RecordType};
use hickory_proto::op::{Message, MessageType, ResponseCode};
use resolve::query_log::Fate;
use resolve::{Answer, AnswerRef, Key, Reason};
use tokio::time::{Instant, timeout_at};

use super::{Known, Outcome, Shared, is_failure, now};

/// So often a chain is taken up where an upstream leaves it, and so long: whoever asked has gone by then.
const LINKS_MAX: usize = 8;
const FOLLOWED_FOR: Duration = Duration::from_secs(10);

/// Whether an alias alone answers a question of this type.
pub(in crate::dns_server) fn is_answered_by_alias(rtype: RecordType) -> bool {
    matches!(rtype, RecordType::CNAME | RecordType::ANY)
}

/// Whether an answer's aliases lead to a name that is ours, which it does not speak for.
pub(super) fn leads_home(key: &Key, answer: AnswerRef<'_>, is_ours: impl Fn(&[u8]) -> bool) -> bool {
    !is_answered_by_alias(key.rtype()) && answer.alias_to(key.name(), is_ours).is_some()
}

impl Shared {
    /// The answer in place of one whose aliases lead to a name that a list has, for this client.
    pub(super) fn cloaked(&self, key: &Key, answer: AnswerRef<'_>, client: IpAddr) -> Option<Outcome> {
        if !answer.has_alias {
            return None;
        }
        let (lists, client) = (self.blocks.load(), client.to_canonical());
        if lists.0.is_empty() {
            return None;
        }
        let is_listed = |target: &[u8]| lists.blocking_alias(key.name(), target, client).is_some();
        let target = answer.alias_to(key.name(), is_listed)?;
        let list = lists.blocking_alias(key.name(), &target, client)?;
        self.count_blocked(&list.name, &target);
        let target = Fqdn::from_wire(&target).ok();
        Some(now(list.answer(key, target.as_ref()), Fate::Blocked))
    }

    /// The same answer; where its aliases lead to a name of which it says nothing, with what there is of that. A server that
    /// resolves nothing for others leaves that to whoever asks it, and whoever asks us cannot do it.
    pub(super) async fn followed(self: &Arc<Self>, key: &Key, answer: Answer) -> Answer {
        if !answer.is_open || is_answered_by_alias(key.rtype()) {
            return answer;
        }
        let Some(mut whole) = self.as_message(key, &now(answer.clone(), Fate::Asked)) else { return answer };
        let (mut asked, mut last, mut seen) = (*key, answer.clone(), vec![*key]);
        let (until, mut late) = (Instant::now() + FOLLOWED_FOR, None);
        while last.is_open && seen.len() <= LINKS_MAX {
            let end = last.view().end_of_aliases(asked.name());
            let Ok(end) = Fqdn::from_wire(&end) else { break };
            asked = Key::new(&end, key.rtype(), key.dnssec_ok(), key.checking_disabled());
            if seen.contains(&asked) {
                break;
            }
            seen.push(asked);
            let Ok(found) = timeout_at(until, self.link(&asked)).await else {
                whole.metadata.response_code = ResponseCode::ServFail;
                late = Some(Reason::new(Reason::UNREACHABLE, "where its aliases lead was not found in time"));
                break;
            };
            let Some(link) = self.as_message(&asked, &found) else { break };
            join(&mut whole, link);
            last = Answer::clone(&found.answer);
        }
        whole.metadata.message_type = MessageType::Response;
        (whole.additionals, whole.edns) = (Vec::new(), None);
        let joined = whole.to_vec().ok().and_then(|octets| Answer::from_message(&octets).ok());
        let of_last = if is_failure(&last) { last.reason } else { None };
        let reason = late.map(Box::new).or(of_last);
        let Some(mut joined) = joined else { return answer };
        joined.reason = reason;
        joined
    }

    /// One link of a chain. It is not waited for by others, who may be waiting for this chain themselves.
    async fn link(self: &Arc<Self>, asked: &Key) -> Outcome {
        match self.known(asked) {
            Known::Answer(outcome) => outcome,
            Known::Stale(_, group) | Known::Nothing(group) => {
                let found = self.find_link(asked, &group).await;
                // One that is left open is no whole answer to whoever asks for it.
                if !found.is_open {
                    self.keep(asked, &found);
                }
                now(found, Fate::Asked)
            }
        }
    }
}

/// Puts what there is of a link behind the chain that leads there. RFC 6604 section 3: the response code is the last link's.
fn join(whole: &mut Message, link: Message) {
    whole.answers.extend(link.answers);
    whole.authorities = link.authorities;
    whole.metadata.response_code = link.metadata.response_code;
}
