//! One question on its way through the upstreams.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use dns::Rcode;
use futures_util::StreamExt as _;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use resolve::query::Outgoing;
use resolve::query_log::Fate;
use resolve::quest::{Failure, QUEST_MS};
use resolve::{Answer, Heard, Key, Quest, Reason, Said, Step};
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::{OwnedSemaphorePermit, watch};

use super::transport::{Came, attempt};
use super::{
    Group, Outcome, Peer, Shared, UNDER_WAY_MAX, UNDER_WAY_MAX_WITH_OURS, count, is_failure, lock, now, shown,
};
use crate::dns_server::shares::Share;
use crate::dns_server::udp::run_on;

/// Why a question is not put on its way.
#[derive(Debug)]
pub(super) struct TooMany(&'static str);

/// Why nobody could be asked.
const NO_SOCKET: &str = "this server has no socket left to ask others by";

const ENDING: &str = "this server is ending";

/// A question that is under way until this is dropped, also with a thread that ends.
struct OnItsWay {
    shared: Arc<Shared>,
    key: Key,
    share: Option<Share>,
}

impl Drop for OnItsWay {
    fn drop(&mut self) {
        let mut under_way = lock(&self.shared.under_way);
        under_way.answers.remove(&self.key);
        under_way.asked -= usize::from(self.share.is_some());
    }
}

/// Attempts of one question, each with its number.
type Attempts = FuturesUnordered<BoxFuture<'static, (usize, Came)>>;

impl Shared {
    /// Asks the upstreams, or joins those who have.
    pub(super) async fn ask(self: &Arc<Self>, key: &Key, group: &Arc<Group>, asker: Option<IpAddr>) -> Outcome {
        let mut answer = match self.begin(key, group, asker) {
            Ok(answer) => answer,
            Err(TooMany(words)) => return now(self.failure(key, Reason::new(Reason::NETWORK, words)), Fate::Failed),
        };
        let answered = answer.wait_for(Option::is_some).await.ok().and_then(|answer| answer.clone());
        // Gone without an answer: the server is ending.
        answered.unwrap_or_else(|| now(self.failure(key, Reason::new(Reason::NETWORK, ENDING)), Fate::Failed))
    }

    /// Puts a question on its way, unless it is.
    pub(super) fn begin(
        self: &Arc<Self>,
        key: &Key,
        group: &Arc<Group>,
        asker: Option<IpAddr>,
    ) -> Result<watch::Receiver<Option<Outcome>>, TooMany> {
        let mut under_way = lock(&self.under_way);
        if let Some(answer) = under_way.answers.get(key) {
            return Ok(answer.clone());
        }
        let full = asker.is_some() && under_way.asked >= UNDER_WAY_MAX;
        if full || under_way.answers.len() >= UNDER_WAY_MAX_WITH_OURS {
            return Err(TooMany("too many questions are under way already"));
        }
        let share = match asker {
            Some(asker) => {
                Some(self.shares.take(asker).ok_or(TooMany("too many of your questions are under way already"))?)
            }
            None => None,
        };
        let (to, answer) = watch::channel(None);
        under_way.answers.insert(*key, answer.clone());
        under_way.asked += usize::from(share.is_some());
        drop(under_way);
        count(&self.counts.misses);
        let way = OnItsWay { shared: Arc::clone(self), key: *key, share };
        let (shared, key, group) = (Arc::clone(self), *key, Arc::clone(group));
        let quest = async move {
            let answer = shared.find(&key, &group).await;
            let fate = if is_failure(&answer) { Fate::Failed } else { Fate::Asked };
            let outcome = now(answer, fate);
            shared.keep(&key, &outcome.answer);
            drop(way);
            // Whoever asked may have gone.
            let _ = to.send(Some(outcome));
        };
        // Signatures take a thread for longer than datagrams may wait.
        let is_light = self.validator.as_ref().is_none_or(|validator| !validator.validates(&key));
        match Handle::try_current() {
            Ok(here) if is_light && here.runtime_flavor() == RuntimeFlavor::CurrentThread => drop(here.spawn(quest)),
            _ => drop(self.runtime.spawn(quest)),
        }
        Ok(answer)
    }

    async fn find(self: &Arc<Self>, key: &Key, group: &Arc<Group>) -> Answer {
        match &self.validator {
            Some(_) if self.is_validated(key, group) => self.validated(key).await,
            // What is asked for validation is followed there, link by link.
            Some(_) if key.checking_disabled() => self.pursue(key, group).await,
            validator => {
                let answer = self.pursue(key, group).await;
                let answer = self.followed(key, answer).await;
                // RFC 7646 section 1.1: what is not validated ends with the domain; an alias that leads out of it is judged
                // where it leads.
                let is_validated = |target: &[u8]| validator.as_ref().is_some_and(|one| one.validates_name(target));
                match (validator, answer.view().alias_to(key.name(), is_validated)) {
                    (Some(_), Some(_)) if !group.is_delegated => self.validated(key).await,
                    _ => answer,
                }
            }
        }
    }

    /// Whether what these say of a question is validated before it goes out.
    fn is_validated(&self, key: &Key, group: &Group) -> bool {
        let validator = self.validator.as_ref().filter(|validator| validator.validates(key));
        validator.is_some_and(|validator| !group.is_delegated || validator.has_anchors_for(key))
    }

    /// The answer, validated: where that keeps no datagrams waiting.
    async fn validated(self: &Arc<Self>, key: &Key) -> Answer {
        let (shared, asked) = (Arc::clone(self), *key);
        let validate = async move {
            let answer = shared.validator.as_ref()?.answer(&asked).await;
            shared.counts.validated(&answer);
            Some(answer)
        };
        let answer = run_on(&self.runtime, validate).await.flatten();
        answer.unwrap_or_else(|| self.failure(key, Reason::new(Reason::NETWORK, ENDING)))
    }

    /// The answer to a link of a chain, as whoever asks for it gets it.
    pub(super) async fn find_link(self: &Arc<Self>, key: &Key, group: &Arc<Group>) -> Answer {
        match self.is_validated(key, group) {
            true => self.validated(key).await,
            false => self.pursue(key, group).await,
        }
    }

    /// The answer, or what is said in its place.
    pub(super) async fn pursue(self: &Arc<Self>, key: &Key, group: &Arc<Group>) -> Answer {
        // The first connection's socket is waited for, before any time is counted against an upstream; datagrams share theirs.
        let sockets = &self.means.sockets;
        let mut first = None;
        if !group.peers.iter().any(Peer::is_asked_by_datagram) {
            let acquire = Arc::clone(sockets).acquire_owned();
            let Ok(Ok(socket)) = tokio::time::timeout(Duration::from_millis(QUEST_MS), acquire).await else {
                count(&self.counts.failed);
                return self.failure(key, Reason::new(Reason::NETWORK, NO_SOCKET));
            };
            first = Some(socket);
        }
        let mut quest = Quest::new(self.now_ms());
        let mut attempts = Attempts::new();
        let mut found = None;
        let failure = loop {
            let step = quest.poll(&mut lock(&group.pool), self.now_ms());
            match step {
                Step::Ask { attempt, upstream, stream, alone } => {
                    let connects = stream || !group.peers[upstream].is_asked_by_datagram();
                    let socket =
                        connects.then(|| first.take().or_else(|| Arc::clone(sockets).try_acquire_owned().ok()));
                    match socket {
                        Some(None) => quest.handle(&mut lock(&group.pool), attempt, Said::NotAsked, self.now_ms()),
                        socket => {
                            let peer = group.peers[upstream].clone();
                            // Letters are of use where somebody can forge an answer.
                            let mut sent = Outgoing::build(key, self.random(), !stream && peer.is_asked_by_datagram());
                            if group.is_delegated {
                                sent = sent.without_recursion();
                            }
                            attempts.push(on_its_way((attempt, peer), sent, (stream, alone), socket.flatten()));
                        }
                    }
                }
                Step::Wait(until) => {
                    let wait = Duration::from_millis(until.saturating_sub(self.now_ms()));
                    if let Ok(Some((attempt, came))) = tokio::time::timeout(wait, attempts.next()).await {
                        let said = said(came, &mut found);
                        quest.handle(&mut lock(&group.pool), attempt, said, self.now_ms());
                    } else if attempts.is_empty() {
                        tokio::time::sleep(wait).await;
                    }
                }
                Step::Done => break None,
                Step::Failed(failure) => break Some(failure),
            }
        };
        if quest.open_attempts() > 0 {
            tokio::spawn(hear_out(Arc::clone(self), Arc::clone(group), quest, attempts));
        }
        match (found, failure) {
            (Some(answer), None) => answer,
            (_, failure) => {
                count(&self.counts.failed);
                self.failure(key, why(group, failure.unwrap_or_default()))
            }
        }
    }

    pub(super) fn failure(&self, key: &Key, reason: Reason) -> Answer {
        Answer::empty(Rcode::SERV_FAIL, key.name().len() + 4, Some(reason))
    }
}

fn on_its_way(
    (number, peer): (usize, Peer),
    sent: Outgoing,
    (stream, alone): (bool, bool),
    socket: Option<OwnedSemaphorePermit>,
) -> BoxFuture<'static, (usize, Came)> {
    Box::pin(async move {
        let came = attempt(&peer, &sent, (stream, alone)).await;
        drop(socket);
        (number, came)
    })
}

/// What came, as the quest wants to know it; the answer itself goes to `found`.
fn said(came: Came, found: &mut Option<Answer>) -> Said {
    match came {
        Ok(Heard::Answer(answer)) => {
            found.get_or_insert(answer);
            Said::Answer
        }
        Ok(Heard::Truncated) => Said::Truncated,
        Ok(Heard::Refusal(rcode)) => Said::Refused(rcode),
        Ok(Heard::Referral) => Said::Referred,
        Err(said) => said,
    }
}

/// Hears the attempts that nobody waits for to their end, for what it says of their upstreams.
async fn hear_out(shared: Arc<Shared>, group: Arc<Group>, mut quest: Quest, mut attempts: Attempts) {
    while let Some((attempt, came)) = attempts.next().await {
        let said = said(came, &mut None);
        quest.handle(&mut lock(&group.pool), attempt, said, shared.now_ms());
    }
}

/// What an asker is told when nobody answered.
fn why(group: &Group, failure: Failure) -> Reason {
    let asked = shown(&group.peers);
    match failure {
        Failure { nobody: true, .. } if group.peers.is_empty() => {
            Reason::new(Reason::UNREACHABLE, "there is no upstream for this name")
        }
        Failure { nobody: true, .. } => {
            Reason::new(Reason::UNREACHABLE, format!("what is asked of {asked} comes back to this server"))
        }
        Failure { refused: Some(rcode), .. } => {
            let rcode = rcode.mnemonic().map_or_else(|| format!("response code {}", rcode.0), str::to_owned);
            Reason::new(Reason::UNREACHABLE, format!("no upstream of {asked} answers: the last one said {rcode}"))
        }
        Failure { referred: true, .. } => {
            Reason::new(Reason::UNREACHABLE, format!("{asked} names other servers, and asks none of them"))
        }
        Failure { not_asked: true, .. } => Reason::new(Reason::NETWORK, NO_SOCKET),
        Failure { lied: true, .. } => {
            Reason::new(Reason::NETWORK, format!("what comes from {asked} is no answer to the question"))
        }
        Failure { .. } => Reason::new(Reason::UNREACHABLE, format!("none of {asked} answers")),
    }
}
