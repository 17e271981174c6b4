//! The file's tables and keys, version 1, as they are written. Nothing is understood here: `resolve` does that, and
//! a later version of the file gets types of its own beside these.
//!
//! Every key is optional for serde; what is required is marked `schemars(required)`, and `shape` reports it, so that
//! one missing key does not hide what else is wrong. Doc comments are the descriptions in the JSON Schema.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::at::At;
use super::kinds::{
    Address, ClientIdText, DomainName, Duration, FilePath, FreeText, HostName, InterfaceName, MacAddress, OptionCode,
    OwnAddress, Prefix, Range, RawOption, ResolvConf, Secret, ServerAddress, WordOr,
};
pub use super::words::{
    Algorithm, ClientUpdates, LogFormat, LogLevel, Outside, RecordKind, ReverseGuard, SubnetReverse,
};

/// Makes a table out of keys of its own and of groups that several tables share. (`serde(flatten)` would lose the
/// places of the values.) For each group, a method gives its keys by reference.
macro_rules! table {
    ([$($meta:tt)*] $name:ident { $($body:tt)* }) => {
        $($meta)*
        #[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
        #[serde(deny_unknown_fields)]
        pub struct $name { $($body)* }
    };
    ([$($meta:tt)*] $name:ident { $($body:tt)* } + lease_keys $(+ $more:ident)*) => {
        table! { [$($meta)*] $name {
            $($body)*
            /// Lease time when the client asks for none.
            pub lease_time: Option<At<Duration>>,
            /// The least that a client gets, whatever it asks for.
            pub lease_time_min: Option<At<Duration>>,
            /// The most that a client gets, whatever it asks for.
            pub lease_time_max: Option<At<Duration>>,
            /// When a client renews, as a share of its lease time (T1).
            pub t1: Option<At<f64>>,
            /// When a client asks any server, as a share of its lease time (T2).
            pub t2: Option<At<f64>>,
            /// Broadcast every reply to a client on the link, for clients that cannot take unicast.
            pub always_broadcast: Option<bool>,
            /// Know clients by their hardware address alone, ignoring the client identifier (option 61).
            pub ignore_client_id: Option<bool>,
            /// Drop packets with option 82 that came through no relay.
            pub refuse_unrelayed_option82: Option<bool>,
        } $(+ $more)* }

        impl $name {
            /// The keys about leases.
            #[must_use]
            pub fn lease_keys(&self) -> LeaseKeys<'_> {
                LeaseKeys {
                    lease_time: self.lease_time.as_ref(),
                    lease_time_min: self.lease_time_min.as_ref(),
                    lease_time_max: self.lease_time_max.as_ref(),
                    t1: self.t1.as_ref(),
                    t2: self.t2.as_ref(),
                    always_broadcast: self.always_broadcast,
                    ignore_client_id: self.ignore_client_id,
                    refuse_unrelayed_option82: self.refuse_unrelayed_option82,
                }
            }
        }
    };
    ([$($meta:tt)*] $name:ident { $($body:tt)* } + option_keys $(+ $more:ident)*) => {
        table! { [$($meta)*] $name {
            $($body)*
            /// Subnet mask (option 1), where it is not the prefix's own.
            pub mask: Option<At<Address>>,
            /// Routers (option 3), the preferred one first.
            pub routers: Option<At<Vec<At<Address>>>>,
            /// DNS servers (option 6).
            pub dns_servers: Option<At<WordOr<OwnAddress, Address>>>,
            /// The domain that clients are told (option 15); else the one that their names are put under.
            pub domain_name: Option<At<DomainName>>,
            /// Domains that clients search (option 119).
            pub domain_search: Option<At<Vec<At<DomainName>>>>,
            /// NTP servers (option 42).
            pub ntp_servers: Option<At<Vec<At<Address>>>>,
            /// Broadcast address (option 28), where it is not the prefix's own.
            pub broadcast: Option<At<Address>>,
            /// Classless static routes (option 121). Clients that read them ignore `routers`, so the default route
            /// is added to them.
            pub routes: Option<At<Vec<At<Route>>>>,
            /// Interface MTU (option 26) in bytes.
            pub mtu: Option<At<u16>>,
            /// IPv6-only preferred (option 108): for how long a client that can do without IPv4 leaves it off.
            pub ipv6_only: Option<At<Duration>>,
            /// TFTP server name (option 66).
            pub tftp_server_name: Option<At<FreeText>>,
            /// Boot file name (option 67).
            pub boot_file_name: Option<At<FreeText>>,
            /// Any other option by its number.
            pub options: Option<BTreeMap<At<OptionCode>, At<RawOption>>>,
        } $(+ $more)* }

        impl $name {
            /// The keys about options.
            #[must_use]
            pub fn option_keys(&self) -> OptionKeys<'_> {
                OptionKeys {
                    mask: self.mask.as_ref(),
                    routers: self.routers.as_ref(),
                    dns_servers: self.dns_servers.as_ref(),
                    domain_name: self.domain_name.as_ref(),
                    domain_search: self.domain_search.as_ref(),
                    ntp_servers: self.ntp_servers.as_ref(),
                    broadcast: self.broadcast.as_ref(),
                    routes: self.routes.as_ref(),
                    mtu: self.mtu.as_ref(),
                    ipv6_only: self.ipv6_only.as_ref(),
                    tftp_server_name: self.tftp_server_name.as_ref(),
                    boot_file_name: self.boot_file_name.as_ref(),
                    options: self.options.as_ref(),
                }
            }
        }
    };
    ([$($meta:tt)*] $name:ident { $($body:tt)* } + naming_keys $(+ $more:ident)*) => {
        table! { [$($meta)*] $name {
            $($body)*
            /// The domain that clients' names are put under. It must be in a zone. Without it, nothing is published.
            pub domain: Option<At<DomainName>>,
            /// A client's full name that is in no zone: keep its first label under the domain, or publish nothing.
            pub outside: Option<Outside>,
            /// A client that wants to write its A record itself: override it, or allow it.
            pub client_updates: Option<ClientUpdates>,
            /// Give a client without a usable name one made from its address.
            pub generate: Option<bool>,
            /// Time to live of the records; else ten minutes, or a third of the lease time if that is less.
            pub ttl: Option<At<Duration>>,
        } $(+ $more)* }

        impl $name {
            /// The keys about names.
            #[must_use]
            pub fn naming_keys(&self) -> NamingKeys<'_> {
                NamingKeys {
                    domain: self.domain.as_ref(),
                    outside: self.outside,
                    client_updates: self.client_updates,
                    generate: self.generate,
                    ttl: self.ttl.as_ref(),
                }
            }
        }
    };
}

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
    /// TSIG keys.
    #[serde(default)]
    pub key: Vec<At<Key>>,
    /// DNS zones that names are kept in.
    #[serde(default)]
    pub zone: Vec<At<Zone>>,
    /// Subnets to serve.
    #[serde(default)]
    pub subnet: Vec<At<Subnet>>,
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
    } + lease_keys + option_keys
}

table! {
    [
        /// How names are kept in DNS, and the naming defaults for every subnet.
    ] Ddns {
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
    } + naming_keys
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
    pub upstreams: Option<At<WordOr<ResolvConf, ServerAddress>>>,
    /// Prefixes that may ask for other names, besides the subnets.
    pub forward_for: Option<Vec<At<Prefix>>>,
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

/// A DNS zone that names are kept in.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Zone {
    /// Its apex.
    pub name: Option<At<DomainName>>,
    /// Instead of `name`: the reverse zone (or zones) of this prefix.
    pub prefix: Option<At<Prefix>>,
    /// The server that takes its updates (RFC 2136); else the embedded one holds it.
    pub server: Option<At<ServerAddress>>,
    /// The key that signs updates to `server`.
    pub key: Option<At<DomainName>>,
    /// Embedded: keys that may update it, with nsupdate for instance.
    pub update_keys: Option<Vec<At<DomainName>>>,
    /// Embedded: the name of its name server.
    pub ns: Option<At<DomainName>>,
    /// Embedded: the mail address of whoever is responsible.
    pub hostmaster: Option<At<FreeText>>,
    /// Embedded: time to live of its SOA, NS and static records.
    pub ttl: Option<At<Duration>>,
    /// Embedded: static records.
    pub records: Option<Vec<At<Record>>>,
}

/// A static record.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// Its owner: relative to the zone, `@` for the apex, or a full name with a final dot.
    #[schemars(required)]
    pub name: Option<At<FreeText>>,
    /// Its type.
    #[serde(rename = "type")]
    #[schemars(required)]
    pub rtype: Option<RecordKind>,
    /// Its data, as in a zone file.
    #[schemars(required)]
    pub data: Option<At<FreeText>>,
    /// Its time to live; else the zone's.
    pub ttl: Option<At<Duration>>,
}

table! {
    [
        /// A subnet.
    ] Subnet {
        /// Its prefix. Leases are known by it.
        #[schemars(required)]
        pub prefix: Option<At<Prefix>>,
        /// Addresses to lease.
        pub pools: Option<Vec<At<Range>>>,
        /// Addresses within the pools that are not leased.
        pub exclude: Option<Vec<At<Range>>>,
        /// Interfaces on whose link it is; else any with an address in it.
        pub interfaces: Option<Vec<At<InterfaceName>>>,
        /// Whether it is served. Once false: no offers, renewals are refused, names stay until their leases end.
        pub active: Option<bool>,
        /// Its reverse zones: made if no `[[zone]]` has them, or PTR records left alone.
        pub reverse: Option<At<SubnetReverse>>,
        /// Addresses kept for certain clients.
        #[serde(default)]
        pub reservation: Vec<At<Reservation>>,
    } + lease_keys + option_keys + naming_keys
}

table! {
    [
        /// An address kept for one client.
    ] Reservation {
        /// The address.
        #[schemars(required)]
        pub address: Option<At<Address>>,
        /// The client's hardware address. Either this or `client_id`.
        pub hardware: Option<At<MacAddress>>,
        /// The client's identifier (option 61). Either this or `hardware`.
        pub client_id: Option<At<ClientIdText>>,
        /// The name that it gets, whatever it sends.
        pub hostname: Option<At<HostName>>,
    } + option_keys
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

/// The shared keys about leases.
#[derive(Clone, Copy, Debug, Default)]
#[allow(missing_docs, reason = "each is documented where the tables are made")]
pub struct LeaseKeys<'a> {
    pub lease_time: Option<&'a At<Duration>>,
    pub lease_time_min: Option<&'a At<Duration>>,
    pub lease_time_max: Option<&'a At<Duration>>,
    pub t1: Option<&'a At<f64>>,
    pub t2: Option<&'a At<f64>>,
    pub always_broadcast: Option<bool>,
    pub ignore_client_id: Option<bool>,
    pub refuse_unrelayed_option82: Option<bool>,
}

/// The shared keys about options.
#[derive(Clone, Copy, Debug, Default)]
#[allow(missing_docs, reason = "each is documented where the tables are made")]
pub struct OptionKeys<'a> {
    pub mask: Option<&'a At<Address>>,
    pub routers: Option<&'a At<Vec<At<Address>>>>,
    pub dns_servers: Option<&'a At<WordOr<OwnAddress, Address>>>,
    pub domain_name: Option<&'a At<DomainName>>,
    pub domain_search: Option<&'a At<Vec<At<DomainName>>>>,
    pub ntp_servers: Option<&'a At<Vec<At<Address>>>>,
    pub broadcast: Option<&'a At<Address>>,
    pub routes: Option<&'a At<Vec<At<Route>>>>,
    pub mtu: Option<&'a At<u16>>,
    pub ipv6_only: Option<&'a At<Duration>>,
    pub tftp_server_name: Option<&'a At<FreeText>>,
    pub boot_file_name: Option<&'a At<FreeText>>,
    pub options: Option<&'a BTreeMap<At<OptionCode>, At<RawOption>>>,
}

/// The shared keys about names.
#[derive(Clone, Copy, Debug, Default)]
#[allow(missing_docs, reason = "each is documented where the tables are made")]
pub struct NamingKeys<'a> {
    pub domain: Option<&'a At<DomainName>>,
    pub outside: Option<Outside>,
    pub client_updates: Option<ClientUpdates>,
    pub generate: Option<bool>,
    pub ttl: Option<&'a At<Duration>>,
}
