//! Devices that nobody knew.

use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A device that waits, or of which something was decided.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Device {
    /// Its hardware address.
    pub hardware: String,
    /// `waiting`, `approved` or `denied`.
    pub state: String,
    /// UTC seconds: when that was decided.
    pub decided_at: Option<u64>,
    /// UTC seconds: when it first wanted an address in vain, since the daemon started.
    pub first_seen: Option<u64>,
    /// UTC seconds: when it last did.
    pub last_seen: Option<u64>,
    /// How often it did.
    pub times: u64,
    /// What it calls itself (option 12); empty for nothing.
    pub hostname: String,
    /// What kind of thing it says to be (option 60); empty for nothing.
    pub vendor_class: String,
    /// The interface of this server that it was heard on.
    pub interface: Option<String>,
    /// The relay that it came by.
    #[schema(value_type = Option<String>)]
    pub relay: Option<Ipv4Addr>,
    /// Behind which switch, in which VLAN and at which port it is.
    pub place: Option<String>,
    /// The version of what is decided of it, as `If-Match` of a decision takes it.
    #[serde(default)]
    pub version: String,
}

/// What is decided of a device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DeviceDecision {
    /// `approve`, `deny`, or `forget` what was decided.
    pub verdict: String,
}
