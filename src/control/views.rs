//! Leases, names and the daemon's state, as commands are told of them.

use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

use super::{AuditSummary, ZoneCopyView, ZoneServersView};

/// A lease, to be shown.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LeaseView {
    /// The address.
    pub address: Ipv4Addr,
    /// The subnet's prefix.
    pub subnet: String,
    /// `bound`, `released`, `expired` or `quarantined`.
    pub state: String,
    /// The client's hardware address.
    pub hardware: String,
    /// Option 61 in hexadecimal, when the client sent it.
    pub client_id: Option<String>,
    /// Option 12 as sent, made printable; empty for none.
    pub hostname: String,
    /// The published name.
    pub name: Option<String>,
    /// UTC seconds.
    pub started_at: u64,
    /// UTC seconds.
    pub renewed_at: u64,
    /// UTC seconds; `None`: never.
    pub expires_at: Option<u64>,
    /// The relay it came by.
    pub relay: Option<Ipv4Addr>,
    /// Behind which switch, in which VLAN and at which port the client is, in words.
    pub place: Option<String>,
    /// Option 82.
    pub relay_agent_info: Option<RelayView>,
    /// The server identifier that the relay asked for (RFC 5107).
    pub server_identifier_override: Option<Ipv4Addr>,
}

/// What a relay agent said of a client, to be shown.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RelayView {
    /// All of it.
    pub words: String,
    /// Sub-option 1 in hexadecimal.
    pub circuit_id: Option<String>,
    /// Sub-option 2 in hexadecimal.
    pub remote_id: Option<String>,
    /// Sub-option 6 in hexadecimal.
    pub subscriber_id: Option<String>,
    /// The switch's name in the configuration.
    pub switch: Option<String>,
    /// The VLAN, where the circuit identifier tells it.
    pub vlan: Option<u16>,
    /// The port as a `[[switch]]` names it in `ports`.
    pub port: Option<String>,
    /// What is behind the port, from the configuration.
    pub port_name: Option<String>,
}

/// A name's or an address's DNS work, to be shown.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct NameView {
    /// The name, or the address for its PTR.
    pub key: String,
    /// What DNS should hold.
    pub wanted: String,
    /// Whether DNS holds it.
    pub done: bool,
    /// What happened and what to do, in words.
    pub state: String,
}

/// The daemon's state, to be shown.
#[derive(Debug, Serialize, Deserialize)]
pub struct StatusView {
    /// The version.
    pub version: String,
    /// Whether the store has no room.
    pub storage_full: bool,
    /// Each subnet's addresses.
    pub subnets: Vec<SubnetView>,
    /// How the DNS servers of every zone are doing.
    #[serde(default)]
    pub zones: Vec<ZoneServersView>,
    /// How the copies of other servers' zones stand.
    #[serde(default)]
    pub copies: Vec<ZoneCopyView>,
    /// What the last audit of the zones that was made unasked found.
    #[serde(default)]
    pub audit: Option<AuditSummary>,
    /// What a changed configuration would delete, and does not without being confirmed.
    #[serde(default)]
    pub held_back: Vec<HeldBackView>,
    /// Counts since the start.
    pub counters: crate::counters::CounterValues,
    /// The DNS server.
    #[serde(default)]
    pub dns: Option<web::model::DnsFigures>,
    /// What the daemon has given up.
    #[serde(default)]
    pub confinement: Option<crate::service::confinement::ConfinementView>,
}

/// What is held back of a zone, to be shown.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct HeldBackView {
    /// The apex.
    pub zone: String,
    /// How many names and addresses are not deleted.
    pub held: usize,
    /// Of how many.
    pub names: usize,
}

/// How many addresses of a subnet stand how, to be shown.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SubnetView {
    /// The prefix.
    pub prefix: String,
    /// Addresses in its pools.
    pub pool: usize,
    /// Those that a new client could get now.
    pub free: usize,
    /// Held by clients, reserved ones included.
    pub bound: usize,
    /// Declined, and kept from everyone.
    pub quarantined: usize,
    /// Offered, and not taken yet.
    pub offered: usize,
    /// Its pools, each alone.
    #[serde(default)]
    pub pools: Vec<PoolView>,
}

/// How the addresses of a pool stand.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PoolView {
    /// Its ranges, first and last address with a hyphen between.
    pub ranges: Vec<String>,
    /// Addresses in it.
    pub pool: usize,
    /// Those that a new client could get now.
    pub free: usize,
}
