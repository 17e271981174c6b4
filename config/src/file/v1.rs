//! The file's tables and keys, version 1, as they are written. Nothing is understood here: `resolve` does that, and
//! a later version of the file gets types of its own beside these.
//!
//! Here is the file as a whole, with the tables about the daemon and about machines that are named. The others stand by
//! their matter: `leasing` (who is given which address), `options`, `zones` (names in DNS), `dns` (the embedded server),
//! `access`, `protection`, `keeping`, `web`. All are named through here.
//!
//! Every key is optional for serde; what is required is marked `schemars(required)`, and `shape` reports it, so that
//! one missing key does not hide what else is wrong. Doc comments are the descriptions in the JSON Schema.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

pub use super::access::{UpdateRule, View};
use super::at::At;
pub use super::dns::{Block, Dns, ForwardTo, Resolver};
pub use super::keeping::{Backup, History, HistoryWord};
pub use super::keys::{LeaseKeys, NamingKeys, OptionKeys, SecondKeys, TimeKeys};
use super::kinds::{
    Address, ClientIdText, DomainName, DuidText, Duration, FilePath, FreeText, HostAddress, HostName, InterfaceName,
    MacAddress, OneOrMore, ServerAddress,
};
pub use super::leasing::{Class, Dhcp, Leasequery, Limits, Network, Pool, Reservation, Subnet};
pub use super::options::{OptionDefinition, Route, Vendor};
pub use super::protection::{Cookies, DnsLimits};
pub use super::web::{Web, WebToken, WebUser};
pub use super::words::{
    Algorithm, Allocate, BlockAnswer, BlockReason, Bootp, Clean, ClientUpdates, Conflict, ConflictCheck, FormerServer,
    HookEvent, LocalRole, LogFormat, LogLevel, MessageTypeWord, OptionKind, Outside, OwnNameWord, PastCap, Probe,
    QueryLogWord, Replace, ReservedNames, ReverseGuard, RoleWord, Sandbox, SubnetReverse, UnknownWord, UpstreamOrder,
    ZoneKind,
};
pub use super::zones::{Ddns, Gss, Key, Primary, Record, Secondary, Zone};

/// A whole file.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "Leasehold configuration")]
pub struct File {
    /// The version of this format; 1 is the only one.
    pub version: Option<At<u32>>,
    /// The daemon itself.
    #[serde(default)]
    pub server: Server,
    /// Defaults for every subnet.
    #[serde(default)]
    pub dhcp: Dhcp,
    /// How names are kept in DNS.
    #[serde(default)]
    pub ddns: Ddns,
    /// The embedded DNS server.
    #[serde(default)]
    pub dns: Dns,
    /// How names of others are resolved.
    #[serde(default)]
    pub resolver: Resolver,
    /// Domains whose names are asked of upstreams of their own.
    #[serde(default)]
    pub forward: Vec<At<ForwardTo>>,
    /// Lists of names that are not resolved.
    #[serde(default)]
    pub block: Vec<At<Block>>,
    /// Files for machines that boot from the network.
    pub tftp: Option<At<Tftp>>,
    /// The page and the HTTP API.
    #[serde(default)]
    pub web: Web,
    /// What the daemon gives up once it runs.
    #[serde(default)]
    pub service: Service,
    /// The history of leases.
    #[serde(default)]
    pub history: History,
    /// Backups.
    #[serde(default)]
    pub backup: Backup,
    /// Whom lease events are told.
    #[serde(default)]
    pub hook: Vec<At<Hook>>,
    /// Who may ask this server who has which address.
    #[serde(default)]
    pub leasequery: Leasequery,
    /// TSIG keys.
    #[serde(default)]
    pub key: Vec<At<Key>>,
    /// DNS zones that names are kept in.
    #[serde(default)]
    pub zone: Vec<At<Zone>>,
    /// Views: clients that see records of their own.
    #[serde(default)]
    pub view: Vec<At<View>>,
    /// Classes of clients.
    #[serde(default)]
    pub class: Vec<At<Class>>,
    /// Shared networks: links with several subnets.
    #[serde(default)]
    pub network: Vec<At<Network>>,
    /// Options of one's own, and sub-options of vendors.
    #[serde(default)]
    pub option: Vec<At<OptionDefinition>>,
    /// Names for switches and other relay agents.
    #[serde(default)]
    pub switch: Vec<At<Switch>>,
    /// Subnets to serve.
    #[serde(default)]
    pub subnet: Vec<At<Subnet>>,
    /// Machines with one name for all their addresses.
    #[serde(default)]
    pub host: Vec<At<Host>>,
    /// Addresses kept for certain clients, written beside the subnets.
    #[serde(default)]
    pub reservation: Vec<At<Reservation>>,
    /// Static records, written beside the zones.
    #[serde(default)]
    pub record: Vec<At<Record>>,
}

/// A machine that has one name, whichever of its interfaces is asked for: some have their addresses by DHCP, others are
/// configured by hand.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Host {
    /// Its name: one label, or a full name.
    #[schemars(required)]
    pub name: Option<At<HostName>>,
    /// The domain of a name that is one label; else that of the subnet of its first address, or of `[ddns]`.
    pub domain: Option<At<DomainName>>,
    /// Its address, or a list of several, as they are configured at the machine itself: no client is given them.
    pub address: Option<At<OneOrMore<HostAddress>>>,
    /// Its interfaces.
    #[serde(default)]
    pub interface: Vec<At<HostInterface>>,
    /// Time to live of its records.
    pub ttl: Option<At<Duration>>,
}

/// An interface of a machine.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HostInterface {
    /// Its hardware address, or a list of several.
    pub hardware: Option<At<OneOrMore<MacAddress>>>,
    /// Its client identifier (option 61), or a list of several.
    pub client_id: Option<At<OneOrMore<ClientIdText>>>,
    /// The DUID in its client identifier (RFC 4361), or a list of several.
    pub duid: Option<At<OneOrMore<DuidText>>>,
    /// Its address. Without it, the interface gets one from the pools; without an identifier, the address is configured
    /// at the machine itself.
    pub address: Option<At<HostAddress>>,
}

/// A switch or another relay agent, named for lists of leases and for the log.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Switch {
    /// Its name.
    #[schemars(required)]
    pub name: Option<At<FreeText>>,
    /// Its remote identifier (option 82, sub-option 2): a hardware address, an IPv4 address, a text as the switch sends
    /// it, or `hex:` and bytes.
    pub remote_id: Option<At<FreeText>>,
    /// Its address as a relay (giaddr).
    pub relay: Option<At<Address>>,
    /// What is behind its ports, by `module/port`, by number, or by the interface's name.
    pub ports: Option<BTreeMap<At<FreeText>, At<FreeText>>>,
}

/// The daemon itself.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Server {
    /// Interfaces to serve on; else those that subnets name, or that have an address in a subnet.
    pub interfaces: Option<Vec<At<InterfaceName>>>,
    /// Directory of the lease store.
    pub store: Option<At<FilePath>>,
    /// Path of the control socket.
    pub control: Option<At<FilePath>>,
    /// How much is logged.
    pub log: Option<LogLevel>,
    /// How log lines look.
    pub log_format: Option<LogFormat>,
    /// Port to take requests on.
    pub server_port: Option<At<u16>>,
    /// Port of clients.
    pub client_port: Option<At<u16>>,
    /// Port of relay agents.
    pub relay_port: Option<At<u16>>,
}

/// Files for machines that boot from the network, to be read by TFTP. Without this table none are served.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Tftp {
    /// The directory that they are in, from `/` on. Nothing outside of it can be read, and nothing is ever written.
    #[schemars(required)]
    pub root: Option<At<FilePath>>,
    /// Addresses to listen on; else those of the interfaces that are served.
    pub listen: Option<Vec<At<ServerAddress>>>,
}

/// What the daemon gives up before it opens anything.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Service {
    /// The user to become when root has started it; only what the sockets need is kept of root's power.
    pub user: Option<At<FreeText>>,
    /// Whether it gives up files and system calls that it has no use for; on unless this says off.
    pub sandbox: Option<Sandbox>,
}

/// Somebody who is told of lease events: an address that they are posted to, or a program that is run.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Hook {
    /// What the log calls it; else where it leads to.
    pub name: Option<At<FreeText>>,
    /// Where each event is posted to, as JSON.
    pub url: Option<At<FreeText>>,
    /// The program that is run for each event, with its arguments; the event is its standard input.
    pub command: Option<At<Vec<At<FreeText>>>>,
    /// Which events; else bound, released, expired, declined and conflict.
    pub events: Option<At<Vec<HookEvent>>>,
    /// What posts are signed with (HMAC-SHA256). Better in a file of its own that only the daemon can read.
    pub secret: Option<At<FreeText>>,
    /// A file that holds the secret.
    pub secret_file: Option<At<FilePath>>,
    /// How long one delivery may take.
    pub timeout: Option<At<Duration>>,
    /// How often a delivery that failed is tried again, 20 times at most.
    pub retries: Option<u32>,
    /// How many events wait at most; the oldest are left out.
    pub queue: Option<At<u32>>,
}
