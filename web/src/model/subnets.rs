//! Subnets and their addresses.

use std::net::Ipv4Addr;

use serde::Serialize;
use utoipa::ToSchema;

/// Every subnet.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Subnets {
    /// In the order of the configuration.
    pub subnets: Vec<Subnet>,
}

/// How the addresses of a subnet stand.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Subnet {
    /// The prefix.
    pub prefix: String,
    /// The shared network that it belongs to, where it has a name.
    pub network: Option<String>,
    /// Under which its clients are named.
    pub domain: Option<String>,
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
    /// Addresses that are reserved.
    pub reserved: usize,
    /// Addresses of pools that nobody new can get: what of the pools is not free.
    pub taken: usize,
    /// How it got there, in few words, such as `+4 in the last hour`; absent while too little is known.
    pub trend: Option<String>,
}

/// One subnet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct SubnetDetail {
    /// Its addresses.
    pub subnet: Subnet,
    /// Its pools, each alone.
    pub pools: Vec<PoolUse>,
    /// What is reserved in it.
    pub reservations: Vec<ReservationRow>,
    /// How many addresses a map of it has.
    pub addresses: u64,
}

/// How the addresses of a pool stand.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct PoolUse {
    /// Its ranges, first and last address with a hyphen between.
    pub ranges: Vec<String>,
    /// Addresses in it.
    pub pool: usize,
    /// Those that a new client could get now.
    pub free: usize,
}

/// A reservation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct ReservationRow {
    /// Its address; absent where its client gets one of the pools.
    #[schema(value_type = Option<String>)]
    pub address: Option<Ipv4Addr>,
    /// Its name.
    pub hostname: Option<String>,
    /// Who it is for, in words.
    pub clients: Vec<String>,
}

/// A part of the map of a subnet: how each address stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct SubnetMap {
    /// The prefix.
    pub prefix: String,
    /// The first address told.
    #[schema(value_type = String)]
    pub first: Ipv4Addr,
    /// A letter for each address from there on, 1,024 at most: `b` held by a client, `B` the same and reserved, `r`
    /// reserved and not there, `f` free, `x` declined, `s` this server's own, `-` of no pool.
    pub cells: String,
    /// The first address that is not told of; absent at the end of the subnet.
    #[schema(value_type = Option<String>)]
    pub next: Option<Ipv4Addr>,
}
