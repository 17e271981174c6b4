//! Whether an upstream leads back to us: forwarders that ask each other would ask for ever.
//!
//! Each upstream is now and then asked for a name that nobody else can know. When that question arrives here, the
//! upstream, or one that it asks, asks us: it is not asked any more until the name no longer comes back.

use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Weak};
use std::time::Duration;

use dns::{Fqdn, Rcode, RecordType};
use resolve::query::Outgoing;
use resolve::{Answer, Key, Reason};

use super::transport::attempt;
use super::{Group, Shared, lock};
use crate::quiet::Quiet;

/// Beneath RFC 2606's `example`: it is forwarded as any name is, and nobody has it.
const BENEATH: &str = "leasehold-loop.example";
const BENEATH_WIRE: &[u8] = b"\x0eleasehold-loop\x07example\x00";
/// How often it is looked whether there is something to ask, and after how many of these all are asked.
const EVERY: Duration = Duration::from_secs(5);
const ALL_AFTER: u64 = 12;
/// Before the first time: until the forwarder that is to hear it is the one that answers.
const AT_FIRST: Duration = Duration::from_millis(200);

/// The name that each upstream is asked for, by group.
pub(super) struct Tokens(Vec<Vec<Token>>);

struct Token {
    key: Key,
    /// Whoever has seen the name can send it as often as they like.
    told: Quiet,
}

impl Tokens {
    pub(super) fn new(random: &RandomState, groups: &[Arc<Group>]) -> Self {
        let token = |group: usize, upstream: usize| {
            let name = format!("{:016x}.{BENEATH}", random.hash_one((group, upstream)));
            // Sixteen digits and the words above are a name.
            let name: Fqdn = name.parse().unwrap_or_else(|_| Fqdn::root());
            Token { key: Key::new(&name, RecordType::A, false, false), told: Quiet::default() }
        };
        let tokens = groups
            .iter()
            .enumerate()
            .map(|(number, group)| (0..group.peers.len()).map(|upstream| token(number, upstream)).collect());
        Self(tokens.collect())
    }

    #[cfg(test)]
    pub(super) fn first(&self) -> Key {
        self.0[0][0].key
    }
}

/// Whether a question is one of ours that came back; what is answered then.
pub(super) fn heard(shared: &Shared, key: &Key) -> Option<Answer> {
    if !key.name().ends_with(BENEATH_WIRE) {
        return None;
    }
    for (group, tokens) in shared.groups.iter().zip(&shared.loops.0) {
        if let Some(index) = tokens.iter().position(|token| token.key.name() == key.name()) {
            if let Some(kept_back) = tokens[index].told.may_tell() {
                tracing::warn!(
                    upstream = %group.peers[index].upstream,
                    "what this upstream is asked comes back to this server: it is not asked until that has ended{kept_back}"
                );
            }
            lock(&group.pool).handle_loop(index, shared.now_ms());
            let reason = Reason::new(Reason::UNREACHABLE, "this question came from here: forwarders ask each other");
            return Some(Answer::empty(Rcode::REFUSED, key.name().len() + 4, Some(reason)));
        }
    }
    None
}

/// Asks for the tokens, until the forwarder is gone.
pub(super) async fn watch(forwarder: Weak<Shared>) {
    tokio::time::sleep(AT_FIRST).await;
    for round in 0_u64.. {
        let Some(shared) = forwarder.upgrade() else { return };
        for (group, tokens) in shared.groups.iter().zip(&shared.loops.0) {
            let over = lock(&group.pool).loops_over(shared.now_ms());
            for (index, token) in tokens.iter().enumerate() {
                if round % ALL_AFTER == 0 || over.contains(&index) {
                    let (peer, sent) =
                        (group.peers[index].clone(), Outgoing::build(&token.key, shared.random(), false));
                    // What is answered does not matter: whether it arrives here does.
                    let sockets = Arc::clone(&shared.means.sockets);
                    shared.runtime.spawn(async move {
                        let connects = !peer.is_asked_by_datagram();
                        // It is never closed.
                        let _socket = if connects { sockets.acquire().await.ok() } else { None };
                        drop(attempt(&peer, &sent, (false, false)).await);
                    });
                }
            }
        }
        drop::<Arc<Shared>>(shared);
        tokio::time::sleep(EVERY).await;
    }
}
