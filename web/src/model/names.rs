//! Zones, their records, and what is still to be done in DNS.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// Every zone that names are kept in.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Zones {
    /// In the order of their names.
    pub zones: Vec<Zone>,
}

/// A zone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Zone {
    /// Its apex.
    pub apex: String,
    /// What it is known by where it is asked for: its apex, unless it is for certain views.
    pub id: String,
    /// The views that it is for, where it is not for all. Several zones may have one apex, each for other views.
    pub views: Vec<String>,
    /// This daemon serves it.
    pub embedded: bool,
    /// It holds the PTR records of addresses.
    pub reverse: bool,
    /// The serial of its SOA record; absent where another server has it.
    pub serial: Option<u32>,
    /// How many names it has; absent where another server has it.
    pub names: Option<usize>,
    /// Names and addresses that wait to be sent to its servers.
    pub queued: usize,
    /// Its servers, the preferred one first.
    pub servers: Vec<ZoneServer>,
    /// `primary`: its own here; `secondary`: a copy of another server's here; `remote`: at another server.
    pub role: String,
    /// How the copy stands, where it is one.
    pub copy: Option<ZoneCopy>,
}

/// A zone that is a copy of another server's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct ZoneCopy {
    /// `fresh`; `stale`: no primary could be asked, or none had it, and it has not expired yet; `expired`; `not-loaded`: it
    /// has never been transferred. The last two are answered with SERVFAIL.
    pub state: String,
    /// Its primaries, the preferred one first.
    pub primaries: Vec<String>,
    /// Which of them had it last, since the start.
    pub primary: Option<String>,
    /// When a primary last was known to have nothing newer, in UTC seconds.
    pub checked_at: Option<u64>,
    /// When one is asked next, in UTC seconds; absent while one is asked.
    pub next_at: Option<u64>,
    /// When it expires unless one answers, or did, in UTC seconds.
    pub expires_at: Option<u64>,
    /// What went wrong at which primaries, since each last had it.
    pub error: Option<String>,
}

/// One server of a zone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct ZoneServer {
    /// Its address and port, or `embedded`.
    pub server: String,
    /// `in-use`; `reserve`: it would take updates, and another one does; `passed-over`: it does not do its work, and
    /// another one does; `failing`: neither it nor another one does.
    pub standing: String,
    /// Since when it does not do its work, in UTC seconds.
    pub failing_since: Option<u64>,
    /// When it answered or was tried last, in UTC seconds.
    pub answered_at: Option<u64>,
    /// Seconds until it is tried again, where that is known.
    pub next_try_secs: Option<u64>,
    /// The same in a sentence that says what happened and what to do.
    pub state: String,
}

/// Which records.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct RecordsQuery {
    /// Part of a name, a type or the data.
    #[serde(default)]
    pub q: String,
    /// How many to leave out at the front.
    #[serde(default)]
    pub offset: usize,
    /// How many to tell, 200 at most.
    #[param(minimum = 1, maximum = 200)]
    pub limit: Option<usize>,
}

/// A window of the records of a zone.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Records {
    /// The zone.
    pub apex: String,
    /// Whether these are all records of the zone; else they are those that this server keeps at another one.
    pub whole: bool,
    /// How many there are of what was asked for.
    pub total: usize,
    /// The place of the first row.
    pub offset: usize,
    /// At most 200 rows.
    pub rows: Vec<RecordRow>,
}

/// A record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct RecordRow {
    /// Its name.
    pub name: String,
    /// Its type.
    pub rtype: String,
    /// In seconds.
    pub ttl: u32,
    /// As in a master file.
    pub data: String,
    /// Who put it there: `lease`, `zone` (what makes it a zone), `configuration`, `update` (a key's holder, or
    /// somebody before), or `primary` in a copy of another server's zone.
    pub origin: String,
    /// Of the configuration: whether it was made by a command, this API or the page, and can be changed so.
    pub made: bool,
}

/// Which DNS work.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct DnsWorkQuery {
    /// Part of a name or an address.
    #[serde(default)]
    pub q: String,
    /// `refused` or `pending`; else both.
    #[serde(default)]
    pub state: String,
    /// How many to leave out at the front.
    #[serde(default)]
    pub offset: usize,
    /// How many to tell, 200 at most.
    #[param(minimum = 1, maximum = 200)]
    pub limit: Option<usize>,
}

/// What is still to be done in DNS.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct DnsWork {
    /// Names and addresses that DNS holds as wanted.
    pub done: usize,
    /// Those on their way.
    pub pending: usize,
    /// Those that were refused, or that no server answered for.
    pub refused: usize,
    /// How many there are of what was asked for.
    pub total: usize,
    /// The place of the first row.
    pub offset: usize,
    /// At most 200 rows, what was refused first.
    pub rows: Vec<DnsWorkRow>,
}

/// What of the DNS work is to be tried now.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DnsRetry {
    /// This name or address; absent: everything that waits for its next try.
    pub of: Option<String>,
}

/// What is tried now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Retried {
    /// So many names and addresses that waited for their next try.
    pub rows: usize,
}

/// How a piece of DNS work stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum WorkState {
    /// It was refused, or no server answered; it is tried again, or waits for somebody.
    Refused,
    /// It is on its way.
    Pending,
    /// DNS holds it.
    Done,
}

/// One name or address that DNS does not hold as wanted yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct DnsWorkRow {
    /// The name, or the address of a PTR.
    pub key: String,
    /// `A`, `PTR`, or the type of a record of the configuration.
    pub rtype: String,
    /// What DNS should hold; absent: nothing, and something is to be removed.
    pub wanted: Option<String>,
    /// How it stands.
    pub state: WorkState,
    /// What happened, why, and what comes next.
    pub words: String,
    /// The zone's apex; absent where no zone holds it.
    pub zone: Option<String>,
    /// The server that takes the zone's updates now, or is tried.
    pub server: Option<String>,
    /// Tries since the last success.
    pub tries: u32,
    /// UTC seconds of the last answer.
    pub answered_at: Option<u64>,
    /// Seconds until the next try, where it is known.
    pub next_try_secs: Option<u64>,
}
