//! What a file comes to: the settings of every part, checked against each other. Here is the whole, with what concerns
//! the daemon itself; `dns`, `resolver`, `web` and `hooks` are the greater parts.

mod dns;
mod hooks;
mod resolver;
mod web;

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use dhcp::options::code;
use dhcp::relay_info::Switches;

pub use self::dns::{
    CertificateFiles, DnsProtection, DnsSettings, EmbeddedZone, EncryptedDns, Primary, Secondary, SecondaryZone,
    Transfers,
};
pub use self::hooks::{HookSecret, HookSettings, HookTarget};
pub use self::resolver::{Block, BlockSource, Forward, Keeps, QueryLog, Resolver, Route, Upstreams, Validation};
pub use self::web::{WebRole, WebSettings, WebTls, WebToken, WebUser};
pub use crate::file::v1::{Cookies, HookEvent, LogFormat, LogLevel};

/// A checked configuration. Immutable; a reload makes a new one.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Config {
    /// For the DHCP engine, but for the addresses that only the running daemon knows: see
    /// [`Config::dhcp_with_own_addresses`].
    pub dhcp: dhcp::settings::Settings,
    /// For naming and updating.
    pub ddns: ddns::settings::Settings,
    /// For the embedded DNS server.
    pub dns: DnsSettings,
    /// Names for relay agents, for lists and the log.
    pub switches: Arc<Switches>,
    /// Files for machines that boot; `None`: none are served.
    pub tftp: Option<TftpSettings>,
    /// The page and the HTTP API; `None`: turned off.
    pub web: Option<WebSettings>,
    /// The history of leases; `None`: none is kept.
    pub history: Option<HistorySettings>,
    /// Backups; `None` only where no file was read.
    pub backup: Option<BackupSettings>,
    /// For the daemon itself.
    pub daemon: Daemon,
    /// What it gives up before it opens anything.
    pub service: ServiceSettings,
    /// Whom lease events are told.
    pub hooks: Vec<HookSettings>,
}

impl Config {
    /// The engine's settings with this server's own address where clients are told it as their DNS server.
    /// `own_address` says which address of ours the clients of a subnet can reach; where there is none, the option is
    /// left out.
    #[must_use]
    pub fn dhcp_with_own_addresses(
        &self,
        own_address: impl Fn(&dhcp::settings::Subnet) -> Option<Ipv4Addr>,
    ) -> dhcp::settings::Settings {
        let mut settings = self.dhcp.clone();
        for subnet in &mut settings.subnets {
            subnet.own_dns_address = own_address(subnet);
        }
        settings
    }

    /// Whether an ordinary client of a subnet is told this server as its DNS server.
    #[must_use]
    pub fn tells_own_dns(&self, subnet: &dhcp::settings::Subnet) -> bool {
        let network = subnet.network.and_then(|network| self.dhcp.networks.get(usize::from(network.0)));
        let scopes = [Some(&subnet.scope), network.map(|network| &network.scope), Some(&self.dhcp.scope)];
        let says =
            |scope: &&dhcp::settings::Scope| scope.own_dns || scope.options.0.contains_key(&code::DOMAIN_NAME_SERVER);
        scopes.into_iter().flatten().find(says).is_some_and(|scope| scope.own_dns)
    }

    /// Whether DHCP is served: without a subnet the daemon serves DNS alone.
    #[must_use]
    pub fn serves_dhcp(&self) -> bool {
        !self.dhcp.subnets.is_empty()
    }

    /// Interfaces to serve on, by name. Empty: every interface that has an address in a subnet.
    #[must_use]
    pub fn interfaces(&self) -> BTreeSet<&str> {
        if !self.daemon.interfaces.is_empty() {
            return self.daemon.interfaces.iter().map(String::as_str).collect();
        }
        let subnets = &self.dhcp.subnets;
        // One subnet that leaves its link open makes every interface a candidate.
        if subnets.iter().any(|subnet| self.dhcp.interfaces_of(subnet).is_empty()) {
            return BTreeSet::new();
        }
        subnets.iter().flat_map(|subnet| self.dhcp.interfaces_of(subnet).iter().map(String::as_str)).collect()
    }
}

/// What the daemon gives up before it opens anything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceSettings {
    /// Whom to become when root has started it.
    pub user: Option<String>,
    /// Whether it gives up files and system calls that it has no use for.
    pub sandbox: bool,
}

impl Default for ServiceSettings {
    fn default() -> Self {
        Self { user: None, sandbox: true }
    }
}

/// What is read by TFTP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TftpSettings {
    /// The directory that everything is in; absolute.
    pub root: PathBuf,
    /// Where the server listens.
    pub listen: Listen,
}

/// Where the embedded DNS server, or the TFTP server, listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listen {
    /// On the addresses of the interfaces that are served, at this port.
    Interfaces {
        /// For DNS, of UDP and of TCP.
        port: u16,
    },
    /// On these addresses.
    Addresses(Vec<SocketAddr>),
}

impl Default for Listen {
    fn default() -> Self {
        Self::Interfaces { port: 53 }
    }
}

/// The daemon itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Daemon {
    /// Interfaces to serve on as the file lists them; see [`Config::interfaces`].
    pub interfaces: Vec<String>,
    /// Directory of the lease store.
    pub store: PathBuf,
    /// Path of the control socket.
    pub control: PathBuf,
    /// How much is logged.
    pub log: LogLevel,
    /// How log lines look.
    pub log_format: LogFormat,
    /// UDP ports, other than the assigned ones where no privilege is at hand.
    pub ports: Ports,
}

impl Default for Daemon {
    fn default() -> Self {
        Self {
            interfaces: Vec::new(),
            store: PathBuf::from("/var/lib/leasehold"),
            control: PathBuf::from("/run/leasehold/control.sock"),
            log: LogLevel::Info,
            log_format: LogFormat::Text,
            ports: Ports::default(),
        }
    }
}

/// What is kept of the history of leases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HistorySettings {
    /// For how many seconds.
    pub keep_secs: u64,
    /// How many bytes it may take on disk.
    pub bytes_max: u64,
    /// Without names and without what relays say of the place.
    pub nameless: bool,
}

/// Backups that are made while the daemon runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackupSettings {
    /// How many seconds lie between two; `None`: they are made by command alone.
    pub every_secs: Option<u32>,
    /// How many are kept.
    pub keep: usize,
    /// Where.
    pub directory: PathBuf,
}

/// UDP ports of DHCP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ports {
    /// Where requests are taken.
    pub server: u16,
    /// Where clients take replies.
    pub client: u16,
    /// Where relay agents take replies.
    pub relay: u16,
}

impl Default for Ports {
    /// RFC 2131 section 4.1: "DHCP messages from a client to a server are sent to the 'DHCP server' port (67), and
    /// DHCP messages from a server to a client are sent to the 'DHCP client' port (68)"; relay agents take replies at
    /// the server port.
    fn default() -> Self {
        Self { server: 67, client: 68, relay: 67 }
    }
}
