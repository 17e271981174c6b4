//! Leases and those who have them.

use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::Event;
use crate::explanation::Explanation;

/// The words that [`LeaseQuery::state`] knows.
pub const STATES: [&str; 5] = ["bound", "released", "expired", "quarantined", "ended"];
/// The words that [`LeaseQuery::sort`] knows; with a hyphen before, the other way round.
pub const SORTS: [&str; 5] = ["address", "name", "hardware", "expires", "renewed"];

/// Which leases, in which order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct LeaseQuery {
    /// Part of an address, name, host name, client identifier or hardware address; that one in any notation.
    #[serde(default)]
    pub q: String,
    /// Only of this subnet, by its prefix.
    #[serde(default)]
    pub subnet: String,
    /// Only those that are `bound`, `released`, `expired` or `quarantined`; `ended` is released or expired.
    #[serde(default)]
    pub state: String,
    /// `address` (the default), `name`, `hardware`, `expires` or `renewed`; `-name` is the other way round.
    #[serde(default)]
    pub sort: String,
    /// How many to leave out at the front.
    #[serde(default)]
    pub offset: usize,
    /// How many to tell, 200 at most.
    #[param(minimum = 1, maximum = 200)]
    pub limit: Option<usize>,
}

/// A window of a list of leases.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Leases {
    /// How many there are of what was asked for.
    pub total: usize,
    /// How many lease records there are at all, ended ones included.
    pub all: usize,
    /// The place of the first row.
    pub offset: usize,
    /// At most 200 rows.
    pub rows: Vec<LeaseRow>,
}

/// A lease.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LeaseRow {
    /// The address.
    #[schema(value_type = String)]
    pub address: Ipv4Addr,
    /// The subnet's prefix.
    pub subnet: String,
    /// `bound`, `released`, `expired` or `quarantined`.
    pub state: String,
    /// The address is reserved.
    pub reserved: bool,
    /// The client's hardware address.
    pub hardware: String,
    /// Option 61 in hexadecimal, when the client sent it.
    pub client_id: Option<String>,
    /// Option 12 as sent, made printable; empty for none.
    pub hostname: String,
    /// The name in DNS.
    pub name: Option<String>,
    /// How its name stands in DNS.
    pub dns: DnsState,
    /// UTC seconds.
    pub started_at: u64,
    /// UTC seconds: the client's last sign of life.
    pub renewed_at: u64,
    /// UTC seconds; absent: never.
    pub expires_at: Option<u64>,
    /// The relay that it came by.
    #[schema(value_type = Option<String>)]
    pub relay: Option<Ipv4Addr>,
    /// Behind which switch, in which VLAN and at which port the client is.
    pub place: Option<String>,
    /// What the relay said of the client (option 82).
    pub relay_marks: Option<RelayMarks>,
    /// The version of the binding, as `If-Match` of its release takes it: renewals do not change it.
    #[serde(default)]
    pub version: String,
}

/// Option 82, in hexadecimal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RelayMarks {
    /// All of it, in words.
    pub words: String,
    /// Sub-option 1.
    pub circuit_id: Option<String>,
    /// Sub-option 2.
    pub remote_id: Option<String>,
    /// Sub-option 6.
    pub subscriber_id: Option<String>,
}

/// How the name of a lease stands in DNS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum DnsState {
    /// The lease has no name that this server keeps.
    None,
    /// DNS holds it.
    Done,
    /// It is on its way.
    Pending,
    /// It was refused, or no server answered.
    Refused,
    /// Not looked up: the answer is about something else.
    Unknown,
}

/// All that is known of a host.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Host {
    /// What was asked for, as it is written here.
    pub id: String,
    /// What it is called: its name, else its host name, else its hardware address.
    pub title: String,
    /// Its hardware address; absent where what was asked for leads to no lease.
    pub hardware: Option<String>,
    /// The hardware address was made up by the device, to be recognised by nobody.
    pub private_hardware: bool,
    /// Who made it, where the machine has a list of makers.
    pub maker: Option<String>,
    /// Its leases, ended ones included.
    pub leases: Vec<LeaseRow>,
    /// Why its name is what it is, and how its records stand.
    pub explanation: Explanation,
    /// What happened lately, the newest first.
    pub events: Vec<Event>,
}

/// Which hosts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct HostsQuery {
    /// Part of a name, an address, a maker or a hardware address; that one in any notation.
    #[serde(default)]
    pub q: String,
    /// How many to leave out at the front.
    #[serde(default)]
    pub offset: usize,
    /// How many to tell, 200 at most.
    #[param(minimum = 1, maximum = 200)]
    pub limit: Option<usize>,
}

/// A window of the hosts that have or had a lease, those last heard of first.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Hosts {
    /// How many there are of what was asked for.
    pub total: usize,
    /// How many there are at all.
    pub all: usize,
    /// The place of the first row.
    pub offset: usize,
    /// At most 200 rows.
    pub rows: Vec<HostRow>,
}

/// A host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct HostRow {
    /// Its hardware address.
    pub hardware: String,
    /// The hardware address was made up by the device.
    pub private_hardware: bool,
    /// Who made it, where the machine has a list of makers.
    pub maker: Option<String>,
    /// Its name, else what it calls itself.
    pub title: Option<String>,
    /// The address that it holds, or held last.
    #[schema(value_type = String)]
    pub address: Ipv4Addr,
    /// How many addresses it holds.
    pub addresses: usize,
    /// How its lease stands: `bound`, `released`, `expired` or `quarantined`.
    pub state: String,
    /// When the oldest lease that is known of it began, in UTC seconds.
    pub first_seen_at: u64,
    /// Its last sign of life, in UTC seconds.
    pub last_seen_at: u64,
}
