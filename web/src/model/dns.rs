//! What the DNS server has counted, and how those do whom it asks.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The DNS server since its start.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DnsFigures {
    /// Requests, by how they came: `udp`, `tcp`, `tls`, `https`.
    pub requests: BTreeMap<String, u64>,
    /// Connections that were closed at once, since their asker had its share.
    pub connections_refused: u64,
    /// Connections that came to no TLS.
    pub handshakes_failed: u64,
    /// Requests by HTTPS that held no DNS message.
    pub http_refused: u64,
    /// What is kept of the past of zones.
    #[serde(default)]
    pub past: PastFigures,
    /// Names of others; absent where they are not resolved.
    pub forwarder: Option<ForwarderFigures>,
}

/// The steps of zones that are kept, for transfers of differences.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PastFigures {
    /// How many.
    pub steps: usize,
    /// About how many octets they take in memory.
    pub octets: usize,
    /// How many went since the start, because those of other zones took their room.
    pub crowded_out: u64,
}

/// Names of others.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ForwarderFigures {
    /// Questions by what became of them: `known` from the cache, `asked` of others (those under way counted once), `stale`,
    /// `local`, `blocked`, `failed`.
    pub questions: BTreeMap<String, u64>,
    /// Answers asked for anew before their end.
    pub refreshed: u64,
    /// Answers by what came of their signatures: `secure`, `insecure`, `bogus`; empty where nothing is validated.
    pub validated: BTreeMap<String, u64>,
    /// Answers that are kept.
    pub kept: usize,
    /// Octets that they take.
    pub kept_octets: usize,
    /// Answers that made room for others before their time was over.
    pub evicted: u64,
    /// Whoever is asked.
    pub upstreams: Vec<UpstreamFigures>,
    /// Lists of names that are not resolved.
    pub blocks: Vec<BlockFigures>,
}

/// A server that is asked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct UpstreamFigures {
    /// Where it is, as the configuration writes it.
    pub upstream: String,
    /// The domains that it is asked about; none: whatever no other one is asked about.
    pub domains: Vec<String>,
    /// `well`; `suspect`: it was late or silent of late; `down`: it does not answer; `looping`: what it is asked comes back.
    pub state: String,
    /// How long it takes to answer, in milliseconds; absent where it has not answered yet.
    pub answers_in_ms: Option<u64>,
    /// When it last did not answer at all, in UTC seconds; absent where it always did since the start.
    #[serde(default)]
    pub failed_at: Option<u64>,
    /// Datagrams that came from its address and were no answers: guesses of somebody else, most likely.
    #[serde(default)]
    pub forged: u64,
    /// Such ones came a moment ago: no two questions to it share a socket, and those that are guessed at go by TCP.
    #[serde(default)]
    pub guarded: bool,
}

/// A list of names that are not resolved.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BlockFigures {
    /// What it is called.
    pub name: String,
    /// Names that it has.
    pub names: usize,
    /// Why it could not be read or fetched when that was tried last; what it had before counts on.
    pub trouble: Option<String>,
    /// Since when that is so, in UTC seconds.
    pub trouble_since: Option<u64>,
    /// When it was last found to be as new as what it is read from, in UTC seconds; absent: not yet.
    #[serde(default)]
    pub as_of: Option<u64>,
    /// For whom, as prefixes; none: for everybody.
    #[serde(default)]
    pub clients: Vec<String>,
    /// Questions that it blocked since the start.
    #[serde(default)]
    pub blocked: u64,
    /// What it blocked most, the most first, five names at most; none where names are not remembered (`log` in
    /// `[resolver]`).
    #[serde(default)]
    pub most: Vec<BlockedName>,
}

/// A name that a list blocked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BlockedName {
    /// The name.
    pub name: String,
    /// How often, at least.
    pub count: u64,
}
