//! Machines with one name for all their addresses.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The machines of the configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Machines {
    /// As the files have them, the main one's first.
    pub machines: Vec<Machine>,
}

/// A machine: a `[[host]]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Machine {
    /// Its name: one label, or a full name.
    pub name: String,
    /// The domain of a name of one label, where it is written.
    pub domain: Option<String>,
    /// Addresses that are configured at the machine itself.
    pub addresses: Vec<String>,
    /// Its interfaces.
    pub interfaces: Vec<MachineInterface>,
    /// Time to live of its records, as it is written: a number of seconds, or such as `1h`.
    pub ttl: Option<String>,
    /// Whether it was made by a command, this API or the page, and can be changed so.
    pub made: bool,
}

/// An interface of a machine.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MachineInterface {
    /// By what DHCP knows it, as in reservations: a hardware address, `hex:` or `text:` and a client identifier,
    /// `duid:hex:` and a DUID. None for one that is configured by hand.
    #[serde(default)]
    pub clients: Vec<String>,
    /// Its address; without it, one from the pools.
    pub address: Option<String>,
}

/// A machine to be put.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MachineWrite {
    /// The domain of a name of one label; else that of the subnet of its addresses.
    pub domain: Option<String>,
    /// Addresses that are configured at the machine itself.
    #[serde(default)]
    pub addresses: Vec<String>,
    /// Its interfaces.
    #[serde(default)]
    pub interfaces: Vec<MachineInterface>,
    /// Time to live of its records, in seconds.
    pub ttl: Option<u32>,
}
