//! The file's tables and keys, version 1, as they are written. Nothing is understood here: `resolve` does that, and
//! a later version of the file gets types of its own beside these.
//!
//! Every key is optional for serde; what is required is marked `schemars(required)`, and `shape` reports it, so that
//! one missing key does not hide what else is wrong. Doc comments are the descriptions in the JSON Schema.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

pub use super::access::{UpdateRule, View};
use super::at::At;
pub use super::keeping::{Backup, History, HistoryWord};
pub use super::keys::{LeaseKeys, NamingKeys, OptionKeys, SecondKeys, TimeKeys};
use super::kinds::{
    Address, AskerText, BytesText, ClassName, ClientIdText, DomainName, DuidText, Duration, FilePath, FreeText,
    HostAddress, HostName, HowOften, InterfaceName, MacAddress, NetworkName, OneOrMore, OwnAddress, PercentText,
    Prefix, Range, RateText, RecordTypeText, ResolvConf, SameAddresses, Secret, ServerAddress, UpstreamText, ViewName,
    WordOr,
};
use super::matching::Match;
use super::naming::{AfterExpiryValue, Generate, TtlValue};
use super::option_value::{OptionTable, OptionValue};
pub use super::protection::{Cookies, DnsLimits};
pub use super::web::{Web, WebToken, WebUser};
pub use super::words::{
    Algorithm, Allocate, BlockAnswer, BlockReason, Bootp, Clean, ClientUpdates, Conflict, ConflictCheck, FormerServer,
    HookEvent, LocalRole, LogFormat, LogLevel, MessageTypeWord, OptionKind, Outside, OwnNameWord, PastCap, Probe,
    QueryLogWord, Replace, ReservedNames, ReverseGuard, RoleWord, Sandbox, SubnetReverse, UnknownWord, UpstreamOrder,
    ZoneKind,
};

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

table! {
    [
        /// Defaults for every subnet.
    ] Dhcp {
        /// For how long an offered address is not offered to another client.
        pub offer_hold: Option<At<Duration>>,
        /// For how long a declined address is kept from everyone.
        pub quarantine: Option<At<Duration>>,
        /// How many addresses one client may have in quarantine at once by declining them.
        pub declines_per_client: Option<At<u32>>,
        /// Only clients of these classes may have an address.
        pub allow: Option<Vec<At<ClassName>>>,
        /// Clients of these classes may not have an address.
        pub deny: Option<Vec<At<ClassName>>>,
        /// For how many milliseconds an answer to a probe is waited for.
        pub probe_timeout_ms: Option<At<u32>>,
        /// After how long without a word of the client that had it an address has rested.
        pub probe_rested: Option<At<Duration>>,
        /// How many addresses are probed at once.
        pub probes_at_once: Option<At<u32>>,
        /// What happens past that: the address is offered without a probe, or the client gets no answer this time.
        pub probes_past_cap: Option<PastCap>,
        /// How many addresses are tried for one DISCOVER when each turns out to be used.
        pub probes_in_a_row: Option<At<u32>>,
        /// What one sender may cost.
        #[serde(default)]
        pub limits: Limits,
        /// Which of the free addresses a new client is given.
        pub allocate: Option<Allocate>,
    } + time_keys + lease_keys + second_keys + option_keys
}

table! {
    [
        /// How names are kept in DNS, and the naming defaults for every subnet.
    ] Ddns {
        /// The server that takes the updates of every domain and subnet that no `[[zone]]` holds (RFC 2136). It is asked
        /// where its zones begin.
        pub server: Option<At<OneOrMore<ServerAddress>>>,
        /// The key that signs updates to `server`.
        pub key: Option<At<DomainName>>,
        /// Instead of `key`: the account whose Kerberos tickets sign updates to `server` (GSS-TSIG).
        pub gss: Option<At<Gss>>,
        /// How PTR records are guarded: by a DHCID record, or replaced without a question as RFC 4703 has it.
        pub reverse: Option<ReverseGuard>,
        /// Names that no client may take.
        pub protected: Option<Vec<At<DomainName>>>,
        /// The first pause after a failed update.
        pub retry_first: Option<At<Duration>>,
        /// The longest pause after failed updates.
        pub retry_max: Option<At<Duration>>,
        /// The pause after somebody else was found to own the name.
        pub retry_conflict: Option<At<Duration>>,
        /// How often every zone is compared with what it should hold.
        pub audit: Option<At<HowOften>>,
        /// Such an audit mends what is this server's.
        pub audit_repairs: Option<At<bool>>,
        /// How much of a zone's names may be deleted in one go without being asked.
        pub delete_share_max: Option<At<PercentText>>,
        /// DHCP servers that were here before, whose names for the same clients are taken over.
        pub inherit: Option<Vec<FormerServer>>,
    } + naming_keys
}

/// What one sender may cost.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Packets of one hardware address.
    pub packets_per_client: Option<At<RateText>>,
    /// Packets of one relay, or of one link of this server.
    pub packets_per_relay: Option<At<RateText>>,
    /// New leases of one hardware address, whatever client identifiers it sends.
    pub new_leases_per_client: Option<At<RateText>>,
    /// New leases of one relay, or of one link of this server.
    pub new_leases_per_relay: Option<At<RateText>>,
    /// Leases at once behind one port of a switch, known by the circuit and remote identifier of option 82.
    pub leases_per_port: Option<At<u32>>,
}

/// Who may ask this server who has which address.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Leasequery {
    /// Prefixes of those who may ask (RFC 4388). Else nobody may.
    pub allow: Option<At<Vec<At<Prefix>>>>,
    /// Whether they may ask for many leases at once, by TCP (RFC 6926).
    pub bulk: Option<At<bool>>,
}

/// The embedded DNS server.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Dns {
    /// Run it; else it runs when a zone without `server` needs it.
    pub enabled: Option<At<bool>>,
    /// Addresses to listen on; else those of the interfaces that are served.
    pub listen: Option<Vec<At<ServerAddress>>>,
    /// Port to listen on, where `listen` names none.
    pub port: Option<At<u16>>,
    /// Answer for names in no zone of ours, for clients in our own subnets, by asking `upstreams`.
    pub forward: Option<At<bool>>,
    /// Where other names are asked.
    pub upstreams: Option<At<WordOr<ResolvConf, UpstreamText>>>,
    /// Prefixes that may ask for other names, besides the subnets.
    pub forward_for: Option<Vec<At<Prefix>>>,
    /// Who may ask for names of the zones that say nothing else; else everybody.
    pub allow_query: Option<Vec<At<AskerText>>>,
    /// Who may not, even if allowed.
    pub deny_query: Option<Vec<At<AskerText>>>,
    /// From where updates of the zones that say nothing else are taken; else from everywhere. They need a right too.
    pub allow_update: Option<Vec<At<AskerText>>>,
    /// From where they are not, even if allowed.
    pub deny_update: Option<Vec<At<AskerText>>>,
    /// The file with the keys of this server's service, `DNS/` and its name, in a Kerberos realm: clients then sign updates
    /// with tickets (GSS-TSIG).
    pub gss_keytab: Option<At<FilePath>>,
    /// Who may not ask for other names, even if in a subnet.
    pub deny_forward: Option<Vec<At<AskerText>>>,
    /// Where DNS over TLS is served (RFC 7858); else nowhere.
    pub tls_listen: Option<At<WordOr<SameAddresses, ServerAddress>>>,
    /// Where DNS over HTTPS is served (RFC 8484); else nowhere.
    pub https_listen: Option<At<WordOr<SameAddresses, ServerAddress>>>,
    /// The path that it is asked at.
    pub https_path: Option<At<FreeText>>,
    /// The certificate that is shown there, in PEM, with those that lead to its authority behind it; else one that is made
    /// here.
    pub certificate: Option<At<FilePath>>,
    /// Its key, in PEM; else it is in the same file.
    pub certificate_key: Option<At<FilePath>>,
    /// Whether and how DNS cookies are answered.
    pub cookies: Option<Cookies>,
    /// How much anybody gets of it.
    #[serde(default)]
    pub limits: DnsLimits,
}

/// How names of others are resolved.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Resolver {
    /// Which of several upstreams is asked first.
    pub order: Option<UpstreamOrder>,
    /// A PEM file of authorities by which certificates of upstreams are believed, in place of those that this machine knows.
    pub upstream_ca: Option<At<FilePath>>,
    /// Memory for answers, in MiB.
    pub cache_mib: Option<At<u32>>,
    /// The longest time that an answer is believed.
    pub ttl_max: Option<At<Duration>>,
    /// For how long an answer whose time is over is kept for the case that nobody answers (RFC 8767); `"0s"`: not at all.
    pub stale: Option<At<Duration>>,
    /// Validate answers (DNSSEC, RFC 4035).
    pub validate: Option<At<bool>>,
    /// The trust anchors: a file with DNSKEY or DS records of zones, beside the root's keys; of a root, in their place.
    pub trust_anchors: Option<At<FilePath>>,
    /// Domains that are not validated: private ones that nobody signs.
    pub not_validated: Option<Vec<At<DomainName>>>,
    /// What is remembered of questions, for `leasehold queries`.
    pub log: Option<QueryLogWord>,
    /// How many questions are remembered.
    pub log_questions: Option<At<u32>>,
    /// Also write them to this file.
    pub log_file: Option<At<FilePath>>,
}

/// Domains whose names are asked of upstreams of their own.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ForwardTo {
    /// The domains; also names beneath them.
    #[schemars(required)]
    pub domains: Option<Vec<At<DomainName>>>,
    /// Who is asked.
    #[schemars(required)]
    pub upstreams: Option<Vec<At<UpstreamText>>>,
    /// Validate their answers, where answers are validated (DNSSEC); `false`: these domains are not (RFC 7646).
    pub validate: Option<At<bool>>,
}

/// A list of names that are not resolved.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Block {
    /// What it is called in answers and in the log.
    #[schemars(required)]
    pub name: Option<At<FreeText>>,
    /// The file that holds it. Either this or `url`.
    pub file: Option<At<FilePath>>,
    /// Where it is fetched by HTTP. Either this or `file`.
    pub url: Option<At<FreeText>>,
    /// How often it is looked for anew.
    pub refresh: Option<At<Duration>>,
    /// For the clients of these prefixes; else for everybody.
    pub clients: Option<Vec<At<Prefix>>>,
    /// Names that are resolved though they are listed, and those beneath them.
    pub except: Option<Vec<At<DomainName>>>,
    /// What is answered in place of what was asked for.
    pub answer: Option<BlockAnswer>,
    /// The reason that is told with it (RFC 8914).
    pub reason: Option<BlockReason>,
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

/// A TSIG key (RFC 8945).
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Key {
    /// Its name, the same on both sides.
    #[schemars(required)]
    pub name: Option<At<DomainName>>,
    /// Its algorithm.
    pub algorithm: Option<Algorithm>,
    /// Its secret in base64. Better in a file of its own that only the daemon can read.
    pub secret: Option<At<Secret>>,
    /// A file that holds the secret: base64 alone, or a key as `tsig-keygen` writes it.
    pub secret_file: Option<At<FilePath>>,
}

/// An account at a Kerberos realm (RFC 3645), such as an Active Directory domain.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Gss {
    /// Its principal, with the realm.
    #[schemars(required)]
    pub principal: Option<At<FreeText>>,
    /// The file that holds its key.
    #[schemars(required)]
    pub keytab: Option<At<FilePath>>,
    /// The principal of the DNS server, or a list with one for each server; else each is asked for its name.
    pub service: Option<At<OneOrMore<FreeText>>>,
}

/// A DNS zone that names are kept in.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Zone {
    /// Its apex.
    pub name: Option<At<DomainName>>,
    /// Instead of `name`: the reverse zone (or zones) of this prefix. Beside `name`: the prefix, longer than 24, whose PTR
    /// records stand in that zone (RFC 2317).
    pub prefix: Option<At<Prefix>>,
    /// Whether the zone is this server's own (`"primary"`, unless it is written otherwise), or a copy of another server's
    /// (`"secondary"`), which `primaries` names.
    pub kind: Option<At<ZoneKind>>,
    /// Secondary: the servers that the zone is transferred from, the preferred one first.
    pub primaries: Option<At<Vec<At<Primary>>>>,
    /// Secondary: who may say that the zone has changed (NOTIFY), beside the primaries.
    pub allow_notify: Option<Vec<At<AskerText>>>,
    /// Secondary: the most records that it may have; else 1,000,000.
    pub records_max: Option<At<u32>>,
    /// Secondary: the most that one transfer of it may bring, in MiB; else 128.
    pub transfer_mib_max: Option<At<u32>>,
    /// Secondary: how long one transfer of it may take; else 30 minutes.
    pub transfer_time_max: Option<At<Duration>>,
    /// The server that takes its updates (RFC 2136), or several, the preferred one first; else the embedded one holds it.
    pub server: Option<At<OneOrMore<ServerAddress>>>,
    /// The key that signs updates to `server`.
    pub key: Option<At<DomainName>>,
    /// Instead of `key`: the account whose Kerberos tickets sign updates to `server` (GSS-TSIG).
    pub gss: Option<At<Gss>>,
    /// Embedded: keys that may update it, with nsupdate for instance.
    pub update_keys: Option<Vec<At<DomainName>>>,
    /// Embedded: rules of who may change what, of which the first that is about a record decides.
    #[serde(default)]
    pub update: Vec<At<UpdateRule>>,
    /// Embedded: the holder of a lease may keep its own A record by itself, over TCP and without a key.
    pub self_by_lease: Option<At<bool>>,
    /// The views that have it; else whoever is in none that has another zone of this name. Several zones may have one name,
    /// each for other views.
    pub views: Option<Vec<At<ViewName>>>,
    /// Embedded, of several zones with one name: whether the names of leases, hosts and reservations are in it; else they are.
    pub leases: Option<At<bool>>,
    /// Embedded: who may ask for its names; else as `[dns]` says.
    pub allow_query: Option<Vec<At<AskerText>>>,
    /// Embedded: who may not, even if allowed.
    pub deny_query: Option<Vec<At<AskerText>>>,
    /// Embedded: from where updates are taken; else as `[dns]` says.
    pub allow_update: Option<Vec<At<AskerText>>>,
    /// Embedded: from where they are not, even if allowed.
    pub deny_update: Option<Vec<At<AskerText>>>,
    /// Embedded: the name of its name server.
    pub ns: Option<At<DomainName>>,
    /// Embedded: the mail address of whoever is responsible.
    pub hostmaster: Option<At<FreeText>>,
    /// Time to live of its static records; embedded: of its SOA and NS records too.
    pub ttl: Option<At<Duration>>,
    /// Embedded: a master file (RFC 1035) with static records, and perhaps the SOA record.
    pub file: Option<At<FilePath>>,
    /// Static records: in the embedded zone, or kept at its `server`.
    pub records: Option<Vec<At<Record>>>,
    /// Embedded: servers that hold a copy. They are told of changes (NOTIFY), and may transfer the zone.
    pub secondaries: Option<Vec<At<Secondary>>>,
    /// Embedded: whether the name servers of the zone that have addresses in it are told of changes too.
    pub notify_ns: Option<At<bool>>,
    /// Embedded: who may transfer it, beside the secondaries.
    pub allow_transfer: Option<Vec<At<AskerText>>>,
}

/// A server that a zone is transferred from.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Primary {
    /// Where it answers.
    #[schemars(required)]
    pub address: Option<At<ServerAddress>>,
    /// The key that signs all that is asked of it, and that its answers and notifications must be signed with.
    pub key: Option<At<DomainName>>,
}

/// A server that holds a copy of an embedded zone.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Secondary {
    /// Where it is told of changes, and comes from for transfers.
    #[schemars(required)]
    pub address: Option<At<ServerAddress>>,
    /// The key that signs what it is told, and that it must sign transfers with; else its address is enough.
    pub key: Option<At<DomainName>>,
}

/// A static record.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// In a `[[record]]` that stands by itself: the zone's name.
    pub zone: Option<At<DomainName>>,
    /// In a `[[record]]` that stands by itself, where several zones have that name: a view of the one that is meant; else it
    /// is the one for all others.
    pub view: Option<At<ViewName>>,
    /// Its owner: relative to the zone, `@` for the apex, or a full name with a final dot.
    #[schemars(required)]
    pub name: Option<At<FreeText>>,
    /// Its type.
    #[serde(rename = "type")]
    #[schemars(required)]
    pub rtype: Option<At<RecordTypeText>>,
    /// Its data, as in a zone file.
    #[schemars(required)]
    pub data: Option<At<FreeText>>,
    /// Its time to live; else the zone's.
    pub ttl: Option<At<Duration>>,
    /// Embedded: the views that have it in place of what the zone has of this name and type; else it is the zone's.
    pub views: Option<Vec<At<ViewName>>>,
}

table! {
    [
        /// A subnet.
    ] Subnet {
        /// Its prefix. Leases are known by it.
        #[schemars(required)]
        pub prefix: Option<At<Prefix>>,
        /// The shared network that it is a part of.
        pub network: Option<At<NetworkName>>,
        /// Addresses to lease.
        pub pools: Option<Vec<At<Range>>>,
        /// Addresses to lease that have keys of their own.
        #[serde(default)]
        pub pool: Vec<At<Pool>>,
        /// Addresses within the pools that are not leased.
        pub exclude: Option<Vec<At<Range>>>,
        /// Interfaces on whose link it is; else any with an address in it.
        pub interfaces: Option<Vec<At<InterfaceName>>>,
        /// Whether it is served. Once false: no offers, renewals are refused, names stay until their leases end.
        pub active: Option<bool>,
        /// What is done with devices that nobody knows.
        pub unknown_clients: Option<UnknownWord>,
        /// Only clients of these classes may have an address here.
        pub allow: Option<Vec<At<ClassName>>>,
        /// Clients of these classes may not have an address here.
        pub deny: Option<Vec<At<ClassName>>>,
        /// Its reverse zones: made if no `[[zone]]` has them, or PTR records left alone.
        pub reverse: Option<At<SubnetReverse>>,
        /// Addresses kept for certain clients.
        #[serde(default)]
        pub reservation: Vec<At<Reservation>>,
        /// Which of the free addresses a new client is given.
        pub allocate: Option<Allocate>,
    } + time_keys + lease_keys + second_keys + option_keys + naming_keys
}

table! {
    [
        /// Addresses to lease that have keys of their own.
    ] Pool {
        /// The addresses. Either this or `ranges`.
        pub range: Option<At<Range>>,
        /// The addresses, in several ranges. Either this or `range`.
        pub ranges: Option<At<Vec<At<Range>>>>,
        /// Only clients of these classes may have one.
        pub allow: Option<Vec<At<ClassName>>>,
        /// Clients of these classes may not have one.
        pub deny: Option<Vec<At<ClassName>>>,
    } + time_keys + second_keys + option_keys + naming_keys
}

table! {
    [
        /// A shared network: one link with several subnets.
    ] Network {
        /// Its name, which its subnets give as their `network`.
        #[schemars(required)]
        pub name: Option<At<NetworkName>>,
        /// Interfaces on whose link it is; else what its subnets say.
        pub interfaces: Option<Vec<At<InterfaceName>>>,
    } + time_keys + lease_keys + option_keys + naming_keys
}

table! {
    [
        /// A class of clients.
    ] Class {
        /// Its name.
        #[schemars(required)]
        pub name: Option<At<ClassName>>,
        /// Who is of it.
        #[serde(rename = "match")]
        #[schemars(required)]
        pub condition: Option<At<Match>>,
        /// Its clients get no address.
        pub deny: Option<At<bool>>,
        /// Its clients get no answer at all.
        pub drop: Option<At<bool>>,
    } + time_keys + option_keys + naming_keys
}

table! {
    [
        /// An address kept for a client.
    ] Reservation {
        /// The address; without it, the client gets one from the pools.
        pub address: Option<At<Address>>,
        /// In a `[[reservation]]` that stands by itself: the subnet's prefix; else the subnet that the address is in.
        pub subnet: Option<At<Prefix>>,
        /// The client's hardware address, or a list of several: one host's interfaces.
        pub hardware: Option<At<OneOrMore<MacAddress>>>,
        /// The client's identifier (option 61), or a list of several.
        pub client_id: Option<At<OneOrMore<ClientIdText>>>,
        /// The DUID in the client's identifier (RFC 4361), or a list of several.
        pub duid: Option<At<OneOrMore<DuidText>>>,
        /// The circuit identifier that its relay or switch adds (option 82), or a list of several. With `remote_id`,
        /// both must match.
        pub circuit_id: Option<At<OneOrMore<BytesText>>>,
        /// The remote identifier that its relay or switch adds, or a list of several. With `circuit_id`, both must match.
        pub remote_id: Option<At<OneOrMore<BytesText>>>,
        /// The subscriber identifier that its relay or switch adds, or a list of several.
        pub subscriber_id: Option<At<OneOrMore<BytesText>>>,
        /// The name that it gets, whatever it sends.
        pub hostname: Option<At<HostName>>,
    } + time_keys + option_keys + naming_keys
}

/// An option of one's own, or a vendor's sub-option.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OptionDefinition {
    /// Its name in tables of options.
    #[schemars(required)]
    pub name: Option<At<FreeText>>,
    /// Its code.
    #[schemars(required)]
    pub code: Option<At<u8>>,
    /// The type of its data.
    #[serde(rename = "type")]
    #[schemars(required)]
    pub kind: Option<At<OptionKind>>,
    /// Whether it has several values.
    pub array: Option<At<bool>>,
    /// It is a sub-option of option 43, for clients whose vendor class identifier (60) begins so.
    pub vendor: Option<At<FreeText>>,
    /// It is a sub-option of option 125, of the enterprise with this number.
    pub enterprise: Option<At<u32>>,
}

/// Options of one vendor's clients: sub-options of option 43, or of 125.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Vendor {
    /// For clients whose vendor class identifier (60) is this: option 43.
    pub identifier: Option<At<FreeText>>,
    /// For clients whose vendor class identifier begins so: option 43.
    pub prefix: Option<At<FreeText>>,
    /// For clients of the enterprise with this number: option 125 (RFC 3925).
    pub enterprise: Option<At<u32>>,
    /// The sub-options, by name or by number.
    #[schemars(required, with = "BTreeMap<String, OptionValue>")]
    pub options: Option<OptionTable>,
}

/// A classless static route.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Route {
    /// Destination.
    #[schemars(required)]
    pub to: Option<At<Prefix>>,
    /// The router to it; 0.0.0.0 for "on this link".
    #[schemars(required)]
    pub via: Option<At<Address>>,
}
