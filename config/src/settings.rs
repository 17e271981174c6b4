//! What a file comes to: the settings of every part, checked against each other.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use dhcp::options::code;
use dhcp::relay_info::Switches;
use dns::{Fqdn, SetList, Soa, TsigKey};
use ipnet::Ipv4Net;
use zones::intake::Limits;
use zones::{AccessList, Askers, Audiences, Sight, UpdatePolicy, View};

pub use crate::file::v1::{Cookies, HookEvent};

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

/// Somebody who is told of lease events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HookSettings {
    /// What the log calls it.
    pub name: String,
    /// Who.
    pub target: HookTarget,
    /// Of what.
    pub events: BTreeSet<HookEvent>,
    /// What is signed with; `None`: nothing is.
    pub secret: Option<HookSecret>,
    /// How long one delivery may take, in seconds.
    pub timeout_secs: u32,
    /// How often a delivery that failed is tried again.
    pub retries: u32,
    /// How many events wait at most.
    pub queue: usize,
}

/// Where lease events go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HookTarget {
    /// Posted to this address.
    Url(String),
    /// To the standard input of this program, with its arguments.
    Command(PathBuf, Vec<String>),
}

impl HookTarget {
    /// In few words, without what may be a secret: of an address only the host.
    #[must_use]
    pub fn shown(&self) -> String {
        match self {
            Self::Url(url) => {
                let rest = url.split_once("://").map_or(url.as_str(), |(_, rest)| rest);
                let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
                host.rsplit_once('@').map_or(host, |(_, host)| host).to_owned()
            }
            Self::Command(program, _) => program.display().to_string(),
        }
    }
}

/// What posts are signed with. It is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct HookSecret(pub Vec<u8>);

impl std::fmt::Debug for HookSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("HookSecret(left out)")
    }
}

impl HookEvent {
    /// What somebody is told of who does not say: what begins, what ends, and what needs somebody.
    pub const USUAL: [Self; 5] = [Self::Bound, Self::Released, Self::Expired, Self::Declined, Self::Conflict];

    /// The word of the file, which is also that of the page's events.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Bound => "bound",
            Self::Renewed => "renewed",
            Self::Released => "released",
            Self::Expired => "expired",
            Self::Declined => "declined",
            Self::Conflict => "conflict",
            Self::Renamed => "renamed",
        }
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

/// The page and the HTTP API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebSettings {
    /// Where they are served.
    pub listen: SocketAddr,
    /// How TLS is spoken there; `None`: it is not.
    pub tls: Option<WebTls>,
    /// Where whoever comes without TLS is sent on from.
    pub redirect: Option<SocketAddr>,
    /// Whether browsers are told to come by TLS only from now on.
    pub hsts: bool,
    /// Names by which they are asked for; empty: see [`web`](crate::file::v1::Web::names).
    pub names: Vec<String>,
    /// What users of this machine may do without signing in; `None`: nothing.
    pub loopback_role: Option<WebRole>,
    /// Who may sign in.
    pub users: Vec<WebUser>,
    /// What scripts come with.
    pub tokens: Vec<WebToken>,
    /// The file asks for them: then it is a fault when they cannot be served. Else they are there where they can be.
    pub is_written: bool,
    /// The configuration file's name.
    pub file: Arc<str>,
    /// Its text as it is shown there: without secrets.
    pub text: Arc<str>,
}

/// Where the page's certificate is from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WebTls {
    /// PEM files.
    Files {
        /// The certificate, and those that lead to its authority.
        certificate: PathBuf,
        /// Its key; the same file where it holds both.
        key: PathBuf,
    },
    /// The daemon makes it.
    SelfMade,
}

/// What somebody may do over HTTP; each role may do what those before it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum WebRole {
    /// See everything but secrets.
    View,
    /// Also change what comes and goes.
    Operate,
    /// Also change the server itself.
    Administer,
}

/// Somebody who may sign in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebUser {
    /// Their name.
    pub name: String,
    /// What they may do.
    pub role: WebRole,
    /// Their password as argon2id has made it: a PHC string that can be verified.
    pub password_hash: String,
}

/// What a script comes with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebToken {
    /// What the log calls it.
    pub name: String,
    /// What it may be used for.
    pub role: WebRole,
    /// SHA-256 of its text.
    pub hash: [u8; 32],
    /// When it ends, in UTC seconds; `None`: never.
    pub expires_at: Option<u64>,
    /// Where it may be used from, first and last address of each block; empty: from everywhere.
    pub addresses: Vec<(IpAddr, IpAddr)>,
}

/// The embedded DNS server.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct DnsSettings {
    /// Whether it runs.
    pub enabled: bool,
    /// Where it listens.
    pub listen: Listen,
    /// The zones that it holds, sorted by apex.
    pub zones: Vec<EmbeddedZone>,
    /// The zones of other servers that it holds a copy of, sorted by apex.
    pub secondary: Vec<SecondaryZone>,
    /// The keys of our services in a Kerberos realm, with whose tickets clients sign; none: tickets are not taken.
    pub gss_keytab: Option<PathBuf>,
    /// The views, in their order.
    pub views: Vec<View>,
    /// Names of our own (name servers of embedded zones) that no static record gives an address: the daemon adds the
    /// addresses that it listens on.
    pub own_names: Vec<Fqdn>,
    /// Answering for other names; `None`: such questions are refused.
    pub forward: Option<Forward>,
    /// What keeps others from using it against somebody, and from using it up.
    pub protection: DnsProtection,
    /// Where it is served by TLS and HTTPS too; `None`: nowhere.
    pub encrypted: Option<EncryptedDns>,
}

/// DNS by TLS and by HTTPS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncryptedDns {
    /// Where DNS over TLS is served.
    pub tls: Option<Listen>,
    /// Where DNS over HTTPS is.
    pub https: Option<Listen>,
    /// The path that it is asked at.
    pub https_path: String,
    /// The certificate; `None`: one is made.
    pub certificate: Option<CertificateFiles>,
}

/// A certificate and its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateFiles {
    /// The certificate.
    pub certificate: PathBuf,
    /// Its key; the same file where it holds both.
    pub key: PathBuf,
}

/// What keeps others from using the DNS server against somebody, and from using it up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DnsProtection {
    /// Whether and how cookies are answered.
    pub cookies: Cookies,
    /// Answers a second over UDP of one sort, for one question, to one prefix; 0: as many as are asked for.
    pub answers_per_second: u16,
    /// Every so manieth answer beyond says to ask over TCP; 0: none.
    pub slip: u16,
    /// Questions a second over UDP of one client about names of others; 0: as many as it asks.
    pub questions_per_client: u16,
    /// Prefixes that are not limited, our own subnets among them; sorted.
    pub exempt: Vec<Ipv4Net>,
    /// Those of them that the file names.
    pub exempt_written: Vec<Ipv4Net>,
    /// TCP connections at once.
    pub connections: u16,
    /// TCP connections of one client at once.
    pub connections_per_client: u16,
    /// How long a TCP connection may be silent, in seconds.
    pub idle_secs: u32,
}

impl Default for DnsProtection {
    /// What no honest client meets: a resolver keeps what it has been told for as long as its TTL.
    fn default() -> Self {
        Self {
            cookies: Cookies::Offered,
            answers_per_second: 100,
            slip: 2,
            questions_per_client: 0,
            exempt: Vec::new(),
            exempt_written: Vec::new(),
            connections: 256,
            connections_per_client: 32,
            idle_secs: 10,
        }
    }
}

impl DnsSettings {
    /// Who sees what of the zones; `None`: everybody the same.
    #[must_use]
    pub fn audiences(&self) -> Option<Audiences> {
        let copies = self.secondary.iter().map(|zone| &zone.sight);
        let sights: Vec<Sight> = self.zones.iter().map(|zone| &zone.sight).chain(copies).cloned().collect();
        Audiences::new(&self.views, &sights)
    }
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

/// A zone that the embedded server holds. Its contents are stored; this is what the file says about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EmbeddedZone {
    /// The apex.
    pub apex: Fqdn,
    /// The primary's name: the SOA's MNAME and the NS record's target.
    pub ns: Fqdn,
    /// The SOA's RNAME.
    pub hostmaster: Fqdn,
    /// Time to live of SOA and NS in seconds.
    pub ttl_secs: u32,
    /// For how long a "no such name" may be remembered, in seconds (RFC 2308 section 5). Short, so that a name that
    /// somebody asked for just before its lease began is not missed for long.
    pub negative_ttl_secs: u32,
    /// The SOA record of the zone's file, with its TTL in seconds; its serial and names are the file's.
    pub soa: Option<(Soa, u32)>,
    /// Static records, without the SOA record; every owner is within the zone. NS records of the apex stand for the one
    /// above.
    pub records: SetList,
    /// Every key that its tables name: signatures by others are not known.
    pub keys: Vec<Arc<TsigKey>>,
    /// Who may update it from outside (RFC 2136), signed.
    pub policy: UpdatePolicy,
    /// From where updates are taken at all.
    pub update: AccessList,
    /// Who sees it, and what views have in place of its records.
    pub sight: Sight,
    /// The holder of a lease may keep its own A record by itself.
    pub self_by_lease: bool,
    /// Who may transfer it, and who is told of changes.
    pub transfers: Transfers,
    /// Made for a subnet's PTR records, not written in the file.
    pub derived: bool,
}

/// A zone of other servers that this one holds a copy of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecondaryZone {
    /// The apex.
    pub apex: Fqdn,
    /// The servers that it is transferred from, the preferred one first; never empty.
    pub primaries: Vec<Primary>,
    /// Who may say that it has changed, beside them.
    pub notify: Askers,
    /// How much of a transfer is taken.
    pub limits: Limits,
    /// Every key that its tables name: signatures by others are not known.
    pub keys: Vec<Arc<TsigKey>>,
    /// Who sees it.
    pub sight: Sight,
    /// Who may transfer it from here, and who is told of changes.
    pub transfers: Transfers,
}

/// A server that a zone is transferred from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Primary {
    /// Where it answers.
    pub address: SocketAddr,
    /// What signs questions, answers and notifications.
    pub key: Option<Arc<TsigKey>>,
}

/// Who has copies of a zone.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Transfers {
    /// Servers that hold one.
    pub secondaries: Vec<Secondary>,
    /// Whether the zone's name servers that have addresses in it are told of changes too.
    pub notify_ns: bool,
    /// Who may transfer it beside them.
    pub allowed: Askers,
    /// Every key that these name.
    pub keys: Vec<Arc<TsigKey>>,
}

/// A server that holds a copy of a zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Secondary {
    /// Where it is told of changes.
    pub address: SocketAddr,
    /// The key that it has.
    pub key: Option<Arc<TsigKey>>,
}

/// How names in no zone of ours are answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forward {
    /// Who is asked.
    pub upstreams: Upstreams,
    /// Who may ask: the subnets, and what the file adds to them.
    pub allowed: Vec<Ipv4Net>,
    /// Who may not, even if among those.
    pub denied: Askers,
    /// How.
    pub resolver: Resolver,
}

/// How names of others are resolved.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resolver {
    /// Domains whose names are asked of upstreams of their own.
    pub routes: Vec<Route>,
    /// Which of several upstreams is asked first.
    pub order: resolve::Order,
    /// What is kept of answers.
    pub limits: resolve::Limits,
    /// The authorities that upstreams' certificates are believed by; `None`: those that the machine knows.
    pub upstream_ca: Option<PathBuf>,
    /// Whether and how answers are validated.
    pub validation: Option<Validation>,
    /// Names that are not resolved.
    pub blocks: Vec<Block>,
    /// What is remembered of questions.
    pub log: QueryLog,
}

/// What is remembered of questions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QueryLog {
    /// How much of each.
    pub keeps: Keeps,
    /// How many.
    pub questions: usize,
    /// Where they are written to as well.
    pub file: Option<PathBuf>,
}

/// How much is remembered of a question.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Keeps {
    /// Nothing.
    #[default]
    Nothing,
    /// All but its name.
    NoNames,
    /// Everything.
    Everything,
}

/// Domains whose names are asked of upstreams of their own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// The domains; also names beneath them.
    pub domains: Vec<Fqdn>,
    /// Who is asked.
    pub upstreams: Vec<resolve::Upstream>,
}

/// How answers are validated (RFC 4035).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Validation {
    /// A file with DNSKEY or DS records; `None`: the root's.
    pub trust_anchors: Option<PathBuf>,
    /// Domains that are not validated.
    pub not_validated: Vec<Fqdn>,
}

/// Where a list of names is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BlockSource {
    /// In this file.
    File(PathBuf),
    /// Fetched from this URL.
    Url(String),
}

/// A list of names that are not resolved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// What it is called.
    pub name: String,
    /// Where it is.
    pub source: BlockSource,
    /// How often it is looked for anew, in seconds.
    pub refresh_secs: u32,
    /// For whom; empty: for everybody.
    pub clients: Vec<Ipv4Net>,
    /// What is resolved though it is listed.
    pub except: Vec<Fqdn>,
    /// What is answered.
    pub instead: resolve::blocking::Instead,
    /// The client wants it so, which is another reason to tell.
    pub filtered: bool,
}

/// Who is asked about other names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Upstreams {
    /// The servers in the machine's resolv.conf, but never ourselves.
    ResolvConf,
    /// These.
    Servers(Vec<resolve::Upstream>),
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

pub use crate::file::v1::{LogFormat, LogLevel};
