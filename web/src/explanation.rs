//! An explanation as it goes over HTTP and through the control socket, and as `--json` prints it. What stands in
//! sentences is for people; all else is the values themselves.

use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The story of a name, an address or a hardware address.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Explanation {
    /// What was asked for, as it was written.
    pub asked: String,
    /// How it stands, in a sentence.
    pub verdict: String,
    /// Leases that have, had or would have the name, or are of the address or hardware address.
    pub leases: Vec<LeaseStory>,
    /// Reservations of it.
    pub reservations: Vec<String>,
    /// What DNS should hold and holds.
    pub records: Vec<RecordStory>,
    /// How many more leases and reservations there are than are told of.
    pub left_out: usize,
    /// What is answered to whoever asks this server for its address, in a sentence: of names that are in no zone of ours and
    /// are resolved; absent of others.
    #[serde(default)]
    pub elsewhere: Option<String>,
}

/// One lease and its name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LeaseStory {
    /// The address.
    #[schema(value_type = String)]
    pub address: Ipv4Addr,
    /// The subnet's prefix.
    pub subnet: String,
    /// `bound`, `released`, `expired` or `quarantined`.
    pub state: String,
    /// The client's hardware address.
    pub hardware: String,
    /// Option 61 in hexadecimal, when the client sent it.
    pub client_id: Option<String>,
    /// UTC seconds: when it ends or ended; `None`: never.
    pub ends_at: Option<u64>,
    /// Option 12, printable; `None` when the client sent none.
    pub sent_hostname: Option<String>,
    /// Option 81; `None` when the client sent none.
    pub sent_fqdn: Option<SentFqdn>,
    /// The reservation's name.
    pub reserved_hostname: Option<String>,
    /// The name that the lease has.
    pub name: Option<String>,
    /// Where the name comes from, or why there is none, in a sentence.
    pub decision: String,
    /// What was sent and what became of it, in a sentence; `None` when it stayed as it was.
    pub cleaned: Option<String>,
    /// The way to that decision, step by step, as the client's last words lead to it now.
    #[serde(default)]
    pub steps: Vec<String>,
    /// Who has the name that the client would have.
    pub holder: Option<String>,
    /// The rules; `None`: no names are kept there.
    pub policy: Option<Policy>,
}

/// Option 81 as a client sent it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SentFqdn {
    /// The name, printable; empty when it is left to the server.
    pub name: String,
    /// The client wants the server to write its A record.
    pub s: bool,
    /// Only servers set it.
    pub o: bool,
    /// The name came in wire form.
    pub e: bool,
    /// The client wants the server to write nothing.
    pub n: bool,
}

/// The rules of a client's name, each in words of the configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[allow(missing_docs, reason = "each is the naming key of its name; see docs/configuration.md")]
pub struct Policy {
    pub domain: String,
    pub client_updates: String,
    pub conflict_guard: String,
    pub conflict: String,
    pub ttl: String,
    pub after_expiry: String,
    pub generate: String,
}

/// What DNS should hold and holds of a name or an address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RecordStory {
    /// The name, or the address of a PTR.
    pub key: String,
    /// The DNS name that the records stand under.
    #[serde(default)]
    pub owner: String,
    /// `A` or `PTR`.
    pub rtype: String,
    /// What DNS should hold; `None`: nothing of ours.
    pub wanted: Option<String>,
    /// In seconds.
    pub ttl_secs: Option<u32>,
    /// DNS was seen to hold exactly that.
    pub done: bool,
    /// How it stands, in a sentence.
    pub state: String,
    /// The zone's apex.
    pub zone: Option<String>,
    /// Its DNS servers, the preferred one first; `None`: this daemon itself.
    pub servers: Option<Vec<String>>,
    /// The one of them that takes the zone's updates now, or is tried; `None` where there is only one.
    #[serde(default)]
    pub used: Option<String>,
    /// The name of the key that signs.
    pub key_name: Option<String>,
    /// What the last update asked for before it changed anything, and what the answer says of that, in a sentence.
    pub prerequisite: String,
    /// What an audit of this one name or address finds at the server now, in a sentence; `None`: it was not asked.
    #[serde(default)]
    pub found: Option<String>,
    /// UTC seconds of the last answer; `None`: there was none.
    pub answered_at: Option<u64>,
    /// Tries since the last success.
    pub tries: u32,
    /// Seconds until the next try, where it is known.
    pub next_try_secs: Option<u64>,
    /// Since when the zone cannot be updated, in UTC seconds.
    pub zone_down_since: Option<u64>,
}
