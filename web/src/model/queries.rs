//! What was asked about names of others.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// The words that [`QueriesQuery::fate`] knows.
pub const FATES: [&str; 6] = ["known", "asked", "stale", "local", "blocked", "failed"];

/// Which questions.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct QueriesQuery {
    /// From this number on; else the newest.
    pub from: Option<u64>,
    /// Part of a name that was asked for, or of who asked: address, name or hardware address.
    #[serde(default)]
    pub q: String,
    /// Only of the host with this hardware address.
    #[serde(default)]
    pub hardware: String,
    /// Only what became `known`, `asked`, `stale`, `local`, `blocked` or `failed`.
    #[serde(default)]
    pub fate: String,
    /// How many to tell, 200 at most: the newest of them.
    #[param(minimum = 1, maximum = 200)]
    pub limit: Option<usize>,
}

/// Questions, the oldest first.
#[derive(Clone, Debug, Default, Serialize, ToSchema)]
pub struct Queries {
    /// Whether questions are remembered at all (`log` in `[resolver]`).
    pub remembered: bool,
    /// The number of the next question: where to go on.
    pub next: u64,
    /// How many of those that were looked at fit; the newest 2,000 are looked at.
    pub total: usize,
    /// The questions.
    pub rows: Vec<QueryRow>,
}

/// A question.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct QueryRow {
    /// Its number; one more than that of the question before.
    pub number: u64,
    /// When, in milliseconds of UTC.
    pub at_ms: u64,
    /// Who asked.
    #[schema(value_type = String)]
    pub client: IpAddr,
    /// The name of that host's lease.
    pub host: Option<String>,
    /// Its hardware address.
    pub hardware: Option<String>,
    /// How it came: `udp`, `tcp`, `tls` or `https`.
    pub transport: String,
    /// For what; absent: names are not remembered.
    pub name: Option<String>,
    /// For which type.
    #[serde(rename = "type")]
    pub rtype: String,
    /// What became of it.
    pub fate: String,
    /// The response code.
    pub rcode: String,
    /// Why: which list, or who did not answer.
    pub why: Option<String>,
}
