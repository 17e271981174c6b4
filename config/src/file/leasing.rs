//! Tables about who is given which address: subnets and what is in them, classes of clients, and what one client may cost.

use schemars::JsonSchema;
use serde::Deserialize;

use super::at::At;
use super::keys::{LeaseKeys, NamingKeys, OptionKeys, SecondKeys, TimeKeys};
use super::kinds::{
    Address, BytesText, ClassName, ClientIdText, DomainName, DuidText, Duration, FreeText, HostName, InterfaceName,
    MacAddress, NetworkName, OneOrMore, OwnAddress, Prefix, Range, RateText, WordOr,
};
use super::matching::Match;
use super::naming::{AfterExpiryValue, Generate, TtlValue};
use super::option_value::OptionTable;
use super::options::{Route, Vendor};
use super::words::{
    Allocate, Bootp, Clean, ClientUpdates, Conflict, ConflictCheck, Outside, PastCap, Probe, Replace, ReservedNames,
    SubnetReverse, UnknownWord,
};

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
