//! What goes over the wire, in JSON. Times are UTC seconds; shares are of one; sentences are for people, and all else are
//! the values themselves.

mod changes;
mod devices;
mod dns;
mod edits;
mod lease_history;
mod leases;
mod machines;
mod names;
mod queries;
mod status;
mod subnets;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::access::{Actor, Role};

pub use changes::{Change, Changes, ChangesQuery};
pub use devices::{Device, DeviceDecision};
pub use dns::{BlockFigures, BlockedName, DnsFigures, ForwarderFigures, PastFigures, UpstreamFigures};
pub use edits::{
    ChangeOfView, ConfigurationFile, ConfigurationText, DryRun, Edited, Fault, FileWord, LeaseRelease, OfView,
    RecordsKey, RecordsSet, RecordsWrite, Reservation, ReservationDelete, ReservationWrite, Reservations,
    ReservationsQuery, StaticRecord,
};
pub use lease_history::{Past, PastHolder, PastQuery, PastRow};
pub use leases::{DnsState, Host, HostRow, Hosts, HostsQuery, LeaseQuery, LeaseRow, Leases, RelayMarks, SORTS, STATES};
pub use machines::{Machine, MachineInterface, MachineWrite, Machines};
pub use names::{
    DnsRetry, DnsWork, DnsWorkQuery, DnsWorkRow, RecordRow, Records, RecordsQuery, Retried, WorkState, Zone, ZoneCopy,
    ZoneServer, Zones,
};
pub use queries::{FATES, Queries, QueriesQuery, QueryRow};
pub use status::{
    Attention, Configuration, History, LeaseTotals, Level, NameTotals, Range, Status, Storage, Traffic, Verdict, Way,
};
pub use subnets::{PoolUse, ReservationRow, Subnet, SubnetDetail, SubnetMap, Subnets};

/// How many rows one answer holds at most, and holds unless asked for fewer.
pub const WINDOW: usize = 200;
/// How many addresses one part of a map holds at most: four /24.
pub const MAP_WINDOW: usize = 1_024;

/// Why a request has no answer (RFC 9457).
#[derive(Debug, Serialize, ToSchema)]
pub struct Problem {
    /// `about:blank`: the status says what kind of problem it is.
    #[serde(rename = "type")]
    pub kind: String,
    /// The status in words.
    pub title: String,
    /// The status.
    pub status: u16,
    /// What is wrong, in a sentence.
    pub detail: String,
}

/// Who asks, and what they may do.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Me {
    /// How they are known: `session`, `token`, `local` (by being on this machine), `nobody`.
    pub known_by: &'static str,
    /// Who, as changes are written down; absent for nobody.
    pub actor: Option<Actor>,
    /// Their name, where they have one.
    pub name: Option<String>,
    /// What they may do; absent for nobody.
    pub role: Option<Role>,
    /// Whether there are users, so that one can sign in.
    pub can_sign_in: bool,
    /// What the header `x-csrf-token` of a session's changes has to hold; absent where there is no session.
    pub csrf: Option<String>,
}

/// Somebody signs in.
#[derive(Clone, Deserialize, ToSchema)]
pub struct SignIn {
    /// Their name.
    pub name: String,
    /// Their password.
    #[schema(format = Password)]
    pub password: String,
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Event {
    /// Counts up from the daemon's start.
    pub id: u64,
    /// When, in UTC seconds.
    pub at: u64,
    /// What kind of thing: `bound`, `renewed`, `released`, `expired`, `declined`, `conflict`, `renamed`, `name-ended`,
    /// `new-device`, `waiting`, `published`, `dns`, `dns-failed`.
    pub kind: String,
    /// How it is to be taken.
    pub level: Level,
    /// What or who it is about, in few words.
    pub title: String,
    /// What happened, in few words.
    pub detail: String,
    /// The lease as it is since; absent where it is about none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lease: Option<LeaseRow>,
}

/// What happened lately, the newest first.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct Events {
    /// Names this run of the daemon: identifiers of another run mean other events.
    pub run: String,
    /// The events that are still remembered, the newest first.
    pub events: Vec<Event>,
}
