//! Asks DNS servers where their zones begin: the I/O of [`ddns::cuts`].
//!
//! The questions are signed with the key of the updates, since a server can show another view to each key. Where tickets
//! sign the updates, questions are not signed: the answers tell with whom a security context is to be negotiated.

use std::collections::HashSet;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ddns::cuts::{Cut, Quest, Seeks};
use ddns::settings::ZoneServer;
use dns::wire::{AnswerError, name_from_hickory, name_to_hickory, sign_request};
use dns::{Fqdn, TsigKey};
use hickory_proto::op::{Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::{RData, Record, RecordType};
use ipnet::Ipv4Net;
use tokio::net::UdpSocket;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};
use tracing::debug;

use super::{UpdateClient, random_id};
use crate::dns_server::forward::system_upstreams;

/// How long each sending of a question waits for its answer.
const WAITS: [Duration; 2] = [Duration::from_millis(500), Duration::from_millis(1_500)];
/// Questions under way at once.
const AT_ONCE: usize = 16;
/// The longest answer that is read; one that is longer comes cut, and is as good as none.
const ANSWER_OCTETS_MAX: usize = 4_096;

/// Why a quest goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Open {
    /// No answer that could be believed.
    Silent(SocketAddr),
    /// The server says that another one has the zone.
    Delegated {
        /// Who was asked.
        server: SocketAddr,
        /// The zone that it has given away.
        zone: Fqdn,
    },
    /// The ordinary reverse names are aliases into a zone that the server does not hold, or of no one form.
    Aliases {
        /// Who was asked.
        server: SocketAddr,
        /// Where the first of them leads.
        target: Fqdn,
    },
}

impl fmt::Display for Open {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Silent(server) => write!(f, "{server} does not answer"),
            Self::Delegated { server, zone } => {
                write!(f, "{server} has delegated {zone} to another server; write a [[zone]] with that server")
            }
            Self::Aliases { server, target } => write!(
                f,
                "the reverse names are aliases (RFC 2317) such as {target}, in no zone that {server} holds; write a \
                 [[zone]] with its `name`, its `prefix` and its server"
            ),
        }
    }
}

/// Asks for each of these quests, several at once. The answers come in their order. A server that was silent once is not
/// waited for again, however many questions there are for it.
pub async fn ask(client: &Arc<UpdateClient>, quests: Vec<Quest>) -> Vec<Result<Cut, Open>> {
    let mut answers = vec![None; quests.len()];
    let mut asking = JoinSet::new();
    let silent = Arc::new(Mutex::new(HashSet::new()));
    let mut waiting = quests.into_iter().enumerate();
    loop {
        while asking.len() < AT_ONCE
            && let Some((at, quest)) = waiting.next()
        {
            let (client, silent) = (Arc::clone(client), Arc::clone(&silent));
            asking.spawn(async move { (at, follow(&client, &quest, &silent).await) });
        }
        match asking.join_next().await {
            Some(Ok((at, answer))) => answers[at] = answer,
            Some(Err(error)) => debug!("a question about a zone ended: {error}"),
            None => break,
        }
    }
    let unasked = Open::Silent(SocketAddr::from(([0, 0, 0, 0], 0)));
    answers.into_iter().map(|answer| answer.unwrap_or_else(|| Err(unasked.clone()))).collect()
}

/// Asks the quest's servers in turn; the first that answers is believed. `None`: there is nobody to be asked.
async fn follow(
    client: &UpdateClient,
    quest: &Quest,
    silent: &Mutex<HashSet<SocketAddr>>,
) -> Option<Result<Cut, Open>> {
    let silent = || silent.lock().unwrap_or_else(PoisonError::into_inner);
    let ZoneServer::Remote { servers, auth } = &quest.server else { return None };
    let key = auth.tsig().map(AsRef::as_ref);
    let mut last = None;
    for server in servers.iter() {
        if silent().contains(server) {
            last = Some(Err(Open::Silent(*server)));
            continue;
        }
        let asker = Asker { client, server: *server, key };
        let answer = match &quest.seeks {
            Seeks::Zone(name) => asker.zone_of(name).await,
            Seeks::Classless(prefix) => asker.classless(*prefix).await,
        };
        match &answer {
            Ok(_) => return Some(answer),
            Err(Open::Silent(server)) => {
                silent().insert(*server);
            }
            Err(_) => {}
        }
        last = Some(answer);
    }
    last
}

struct Asker<'a> {
    client: &'a UpdateClient,
    server: SocketAddr,
    key: Option<&'a TsigKey>,
}

impl Asker<'_> {
    /// The zone of `name`. RFC 2308 section 2: a server tells the SOA record of the zone that it looked into, in the
    /// answer when `name` is the apex and in the authority section otherwise.
    async fn zone_of(&self, name: &Fqdn) -> Result<Cut, Open> {
        let Some(answer) = self.question(name, RecordType::SOA).await else { return Err(Open::Silent(self.server)) };
        match answer.response_code {
            ResponseCode::NoError | ResponseCode::NXDomain => {}
            ResponseCode::ServFail => return Err(Open::Silent(self.server)),
            _ => return Ok(Cut::Nowhere),
        }
        let records = || answer.answers.iter().chain(&answer.authorities);
        let above = |record: &Record| name_from_hickory(&record.name).ok().filter(|apex| name.is_within(apex));
        if answer.metadata.authoritative {
            let soa = records().filter(|record| matches!(record.data, RData::SOA(_))).find_map(above);
            return Ok(soa.map_or(Cut::Nowhere, Cut::Zone));
        }
        // RFC 1034 section 4.3.2 step 3b: a referral.
        match records().filter(|record| matches!(record.data, RData::NS(_))).find_map(above) {
            Some(zone) if !zone.is_root() => Err(Open::Delegated { server: self.server, zone }),
            _ => Ok(Cut::Nowhere),
        }
    }

    /// Whether the ordinary reverse names of the prefix are aliases, and where they lead. The server itself is asked, and
    /// where it does not hold those names, the machine's own resolvers: it is usual that somebody else holds them.
    async fn classless(&self, prefix: Ipv4Net) -> Result<Cut, Open> {
        let mut targets = self.aliases(prefix).await.ok_or(Open::Silent(self.server))?;
        if targets.is_empty() {
            for server in system_upstreams(&[], &[]) {
                let resolver = Asker { client: self.client, server, key: None };
                if let Some(found) = resolver.aliases(prefix).await {
                    targets = found;
                    break;
                }
            }
        }
        let Some((_, target)) = targets.first() else { return Ok(Cut::Nowhere) };
        let unusable = || Open::Aliases { server: self.server, target: target.clone() };
        let parent = target.parent().ok_or_else(unusable)?;
        // RFC 2317 section 4: the last octet, beneath one name for all of them.
        let regular = |(address, target): &(Ipv4Addr, Fqdn)| {
            parent.prepend_label(address.octets()[3].to_string().as_bytes()).is_ok_and(|name| name == *target)
        };
        if !targets.iter().all(regular) {
            return Err(unusable());
        }
        match self.zone_of(&parent).await? {
            Cut::Zone(apex) => Ok(Cut::Classless { apex, parent }),
            _ => Err(unusable()),
        }
    }

    /// The aliases among a few names of the prefix: its ends, without the addresses of network and broadcast which have
    /// often none, and its middle. `None`: no answer.
    async fn aliases(&self, prefix: Ipv4Net) -> Option<Vec<(Ipv4Addr, Fqdn)>> {
        let hosts: Vec<Ipv4Addr> = prefix.hosts().collect();
        let mut asked: Vec<Ipv4Addr> =
            [hosts.first(), hosts.get(hosts.len() / 2), hosts.last()].into_iter().flatten().copied().collect();
        asked.dedup();
        let mut targets = Vec::new();
        for address in asked {
            let name = Fqdn::reverse(IpAddr::V4(address));
            let answer = self.question(&name, RecordType::CNAME).await?;
            let alias = answer.answers.iter().find_map(|record| match &record.data {
                RData::CNAME(target) => name_from_hickory(&target.0).ok(),
                _ => None,
            });
            targets.extend(alias.map(|target| (address, target)));
        }
        Some(targets)
    }

    /// One question over UDP. `None`: no answer that could be believed. A server that refuses the key is asked without
    /// it: what is wrong with the key, the updates will tell.
    async fn question(&self, name: &Fqdn, rtype: RecordType) -> Option<Message> {
        match self.question_signed(self.key, name, rtype).await {
            Heard::KeyRefused => match self.question_signed(None, name, rtype).await {
                Heard::Answer(answer) => Some(*answer),
                _ => None,
            },
            Heard::Answer(answer) => Some(*answer),
            Heard::Nothing => None,
        }
    }

    async fn question_signed(&self, key: Option<&TsigKey>, name: &Fqdn, rtype: RecordType) -> Heard {
        let mut message = Message::new(random_id(), MessageType::Query, OpCode::Query);
        // Resolvers alone are asked to look further.
        message.metadata.recursion_desired = self.key.is_none();
        let query = Query::query(name_to_hickory(name), rtype);
        message.add_query(query.clone());
        let Ok((octets, pending)) = sign_request(message, key, (self.client.wall_secs)()) else {
            return Heard::Nothing;
        };
        let Some(socket) = self.socket().await else { return Heard::Nothing };
        let mut buffer = vec![0; ANSWER_OCTETS_MAX];
        for wait in WAITS {
            let deadline = Instant::now() + wait;
            if let Err(error) = socket.send(&octets).await {
                debug!("a question to {} could not be sent: {error}", self.server);
            }
            while let Ok(received) = timeout_at(deadline, socket.recv(&mut buffer)).await {
                // "Connection refused": the next sending may fare better.
                let Ok(length) = received else {
                    tokio::time::sleep_until(deadline).await;
                    break;
                };
                match pending.read(&buffer[..length], (self.client.wall_secs)()) {
                    Ok(answer) if answer.metadata.truncation => return Heard::Nothing,
                    Ok(answer) if answer.queries.first() == Some(&query) || answer.queries.is_empty() => {
                        return Heard::Answer(Box::new(answer));
                    }
                    Ok(_) => {}
                    Err(AnswerError::Refused { .. } | AnswerError::Stale { .. }) => return Heard::KeyRefused,
                    Err(error) => debug!("an answer of {} is not believed: {error}", self.server),
                }
            }
        }
        Heard::Nothing
    }

    async fn socket(&self) -> Option<UdpSocket> {
        let any = match self.server.ip() {
            IpAddr::V4(_) => SocketAddr::from(([0, 0, 0, 0], 0)),
            IpAddr::V6(_) => SocketAddr::from(([0_u16; 8], 0)),
        };
        let socket = UdpSocket::bind(any).await.ok()?;
        socket.connect(self.server).await.ok()?;
        Some(socket)
    }
}

/// What came of one question.
enum Heard {
    Answer(Box<Message>),
    /// The server does not accept the signature, or signs by another clock.
    KeyRefused,
    Nothing,
}
