//! How everything is, in one answer.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::dns::DnsFigures;

/// How something is to be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// All is well.
    Ok,
    /// Worth knowing.
    Info,
    /// Somebody should look.
    Warn,
    /// Something does not work.
    Bad,
}

/// How everything is.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Status {
    /// The daemon's version.
    pub version: String,
    /// The machine's name.
    pub host: String,
    /// When this was so, in UTC seconds.
    pub now: u64,
    /// When the daemon started, in UTC seconds.
    pub started_at: u64,
    /// Is all well?
    pub verdict: Verdict,
    /// Addresses.
    pub leases: LeaseTotals,
    /// Names and their records.
    pub names: NameTotals,
    /// DHCP messages.
    pub traffic: Traffic,
    /// The lease store.
    pub storage: Storage,
    /// The DNS server; absent where none runs.
    pub dns: Option<DnsFigures>,
}

/// Is all well, and what is not?
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Verdict {
    /// The worst of what needs attention.
    pub level: Level,
    /// "All is well", or how many things need somebody.
    pub words: String,
    /// What can be said of the whole, in a sentence.
    pub detail: String,
    /// What needs somebody, the worst first.
    pub attention: Vec<Attention>,
}

/// One thing that needs somebody.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Attention {
    /// How bad it is.
    pub level: Level,
    /// What, in few words.
    pub title: String,
    /// Why, since when, and what happens next.
    pub detail: String,
    /// UTC seconds, where it is known since when.
    pub since: Option<u64>,
    /// Where to go on.
    pub way: Option<Way>,
}

/// A way on: a view of the page.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Way {
    /// What the way is called.
    pub words: String,
    /// The view, as a path of the page.
    pub path: String,
}

/// Addresses of all subnets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct LeaseTotals {
    /// Held by clients.
    pub bound: usize,
    /// Addresses in pools.
    pub pool: usize,
    /// Those that a new client could get now.
    pub free: usize,
    /// Declined, and kept from everyone.
    pub quarantined: usize,
    /// Offered, and not taken yet.
    pub offered: usize,
}

/// DNS work: a name and the PTR of an address are one each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct NameTotals {
    /// Names and addresses that DNS should hold something for.
    pub wanted: usize,
    /// Those that it holds.
    pub done: usize,
    /// Those that are on their way, removals included.
    pub pending: usize,
    /// Those that were refused, or that no server answered for.
    pub refused: usize,
}

/// DHCP messages since the start.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct Traffic {
    /// Received.
    pub received: u64,
    /// Replies that were sent.
    pub sent: u64,
    /// Received and not answered, by the reason.
    pub dropped: std::collections::BTreeMap<String, u64>,
    /// Transactions stored.
    pub stored: u64,
}

/// The lease store.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct Storage {
    /// It has no room: renewals get what is left of their lease, new clients no answer.
    pub full: bool,
    /// Bytes that it takes on disk; absent where that cannot be read.
    pub bytes: Option<u64>,
    /// Bytes that are left on its disk for the daemon.
    pub disk_free: Option<u64>,
}

/// How far back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
pub enum Range {
    /// An hour, a point each ten seconds.
    #[serde(rename = "1h")]
    Hour,
    /// A day, a point each five minutes.
    #[default]
    #[serde(rename = "24h")]
    Day,
    /// A week, a point each half hour.
    #[serde(rename = "7d")]
    Week,
}

/// Figures over time, for plots. All lists are of one length, oldest first. They are kept in memory, from the daemon's
/// start on.
#[derive(Clone, Debug, Default, Serialize, ToSchema)]
pub struct History {
    /// Seconds between two points.
    pub step_secs: u32,
    /// UTC seconds.
    pub at: Vec<u64>,
    /// Leases held by clients.
    pub leases: Vec<u32>,
    /// DHCP messages received, per second.
    pub received: Vec<f64>,
    /// Replies sent, per second.
    pub sent: Vec<f64>,
}

/// The configuration that runs.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Configuration {
    /// Where it was read from; absent where it was derived from an interface.
    pub file: Option<String>,
    /// The file as it was read, secrets left out; absent where there is no file.
    pub text: Option<String>,
}
