//! What the administrator wants, checked: the `config` crate makes these, the engine reads them.
//! Immutable; a reload makes new ones.

use std::net::Ipv4Addr;

use dns::HostIdentity;
use ipnet::Ipv4Net;

use crate::class::{ClassId, ClassSet, Classes};
use crate::devices::UnknownClients;
use crate::identity::{ClientId, HardwareAddress};
use crate::limits::Limits;
use crate::probing::{ProbeWhen, Probing};

mod naming;
mod reserved;
mod scope;

pub use dns::naming::{
    AfterExpiry, CleanUp, ClientUpdates, ConflictGuard, ConflictOutcome, GeneratedName, Naming, NamingPart,
    OutsideName, ReplaceName, ReservedRecords, Ttl,
};
pub use scope::{Boot, LeaseTime, LeaseTimes, OptionSet, Scope};

/// All that the engine needs to know.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Settings {
    /// The subnets, sorted by prefix; none overlaps another.
    pub subnets: Vec<Subnet>,
    /// Shared networks, which subnets name by their place here.
    pub networks: Vec<SharedNetwork>,
    /// What every client is given, unless something narrower says otherwise.
    pub scope: Scope,
    /// The classes that clients can be of.
    pub classes: Classes,
    /// For how long an offered address is not offered to another client, in seconds (default 60).
    pub offer_hold_secs: u32,
    /// For how long a declined address is kept from everyone, in seconds (default 86,400).
    pub quarantine_secs: u32,
    /// How many addresses one client may have in quarantine at once by declining (default 3);
    /// past that a DECLINE ends its lease but takes no further address out of the pool.
    pub declines_per_client_max: u32,
    /// What one sender may cost.
    pub limits: Limits,
    /// Who may ask who has which address.
    pub leasequery: LeaseQueries,
    /// How an address is probed before it is offered.
    pub probing: Probing,
}

/// Who may ask who has which address (RFC 4388, RFC 6926).
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct LeaseQueries {
    /// Those within these prefixes. Empty: nobody.
    pub allow: Vec<Ipv4Net>,
    /// Whether they may ask for many at once, by TCP.
    pub bulk: bool,
}

impl Settings {
    /// The interfaces that a subnet names, or its shared network for it. Empty: wherever an interface has an address in
    /// the subnet.
    #[must_use]
    pub fn interfaces_of<'s>(&'s self, subnet: &'s Subnet) -> &'s [String] {
        let network = subnet.network.and_then(|network| self.networks.get(usize::from(network.0)));
        match network {
            Some(network) if subnet.interfaces.is_empty() => &network.interfaces,
            _ => &subnet.interfaces,
        }
    }
}

/// Several subnets on one link (RFC 2131 section 4.3.1 speaks of the "subnet to which the client is attached"; a link
/// can have more than one).
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct SharedNetwork {
    /// Its name.
    pub name: String,
    /// What its clients are given.
    pub scope: Scope,
    /// Interfaces on whose link it is, by name. Empty: its subnets say so, or the interfaces' addresses do.
    pub interfaces: Vec<String>,
    /// The prefixes of its subnets in the order in which they are filled; those that are not named here come after.
    pub order: Vec<Ipv4Net>,
}

/// A shared network, by its place in [`Settings::networks`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NetworkId(pub u16);

/// One subnet. Leases name it by its prefix, never by an index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subnet {
    /// The prefix.
    pub prefix: Ipv4Net,
    /// The shared network that it belongs to.
    pub network: Option<NetworkId>,
    /// Interfaces on whose link it is, by name. Empty: wherever the interface has an address in it, or by relay.
    pub interfaces: Vec<String>,
    /// Where to lease from. The ranges of all of them lie within the prefix and do not overlap.
    pub pools: Vec<Pool>,
    /// Which free address a new client is given.
    pub allocate: Allocator,
    /// Reservations, sorted by address, those without one first.
    pub reservations: Vec<Reservation>,
    /// A deactivated subnet: DISCOVER gets silence, REQUEST gets NAK, names stay until their leases end.
    pub active: bool,
    /// Who may have an address here.
    pub access: Access,
    /// What is done with clients that nobody knows.
    pub unknown_clients: UnknownClients,
    /// What its clients are given.
    pub scope: Scope,
    /// T1 and T2 in thousandths of the lease time (defaults 500 and 875, RFC 2131 section 4.4.5).
    pub renewal_permille: u16,
    /// See `renewal_permille`.
    pub rebinding_permille: u16,
    /// Key on the hardware address alone, ignoring option 61.
    pub ignore_client_id: bool,
    /// Broadcast every reply to a client on the wire, whatever its flag.
    pub always_broadcast: bool,
    /// Refuse (drop, counted) a packet with option 82 and giaddr 0 (RFC 3046 section 2.1).
    pub refuse_unrelayed_option82: bool,
    /// Acknowledge a DISCOVER at once when its client asks for that (RFC 4039).
    pub rapid_commit: bool,
    /// Which addresses are probed before they are offered.
    pub probe: ProbeWhen,
    /// Which BOOTP clients are served.
    pub bootp: BootpClients,
    /// How names are made here, where no pool, class or reservation says otherwise: what the scopes of the server, of the
    /// shared network and of the subnet come to. `None`: none of them has a domain.
    pub naming: Option<Naming>,
    /// This server's address as the clients of this subnet are told it as their DNS server, by a scope that says so.
    pub own_dns_address: Option<Ipv4Addr>,
}

impl Subnet {
    /// An active subnet without pools and reservations, with every setting at its default.
    #[must_use]
    pub fn new(prefix: Ipv4Net) -> Self {
        Self {
            prefix,
            network: None,
            interfaces: Vec::new(),
            pools: Vec::new(),
            allocate: Allocator::default(),
            reservations: Vec::new(),
            active: true,
            access: Access::default(),
            unknown_clients: UnknownClients::Serve,
            scope: Scope::default(),
            renewal_permille: 500,
            rebinding_permille: 875,
            ignore_client_id: false,
            always_broadcast: false,
            refuse_unrelayed_option82: false,
            rapid_commit: false,
            probe: ProbeWhen::Off,
            bootp: BootpClients::Refused,
            naming: None,
            own_dns_address: None,
        }
    }

    /// The ranges of all pools, sorted.
    #[must_use]
    pub fn ranges(&self) -> Vec<AddressRange> {
        let mut ranges: Vec<AddressRange> = self.pools.iter().flat_map(|pool| &pool.ranges).copied().collect();
        ranges.sort_unstable();
        ranges
    }
}

/// Addresses of a subnet to lease from.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Pool {
    /// Inclusive ranges, sorted, not overlapping; exclusions already cut out.
    pub ranges: Vec<AddressRange>,
    /// Who may have an address of it.
    pub access: Access,
    /// What those who have one are given.
    pub scope: Scope,
    /// For how long an offer to a client that has neither a binding nor a reservation waits before it is sent, in
    /// milliseconds: another server that has the same subnet is to be the first.
    pub offer_delay_ms: u32,
    /// Such a client gets no offer before it has tried for so long, by its `secs` field, in seconds.
    pub min_secs: u16,
}

/// Which of the free addresses a client without a binding is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Allocator {
    /// One after the other: first those that nobody ever had, then the one whose last lease ended first.
    #[default]
    InTurn,
    /// The one that a hash of the client's key points at, so that a client tends to the same address on any server
    /// with these pools.
    ByHash,
    /// Any of them.
    Random,
}

impl From<AddressRange> for Pool {
    fn from(range: AddressRange) -> Self {
        Self { ranges: vec![range], ..Self::default() }
    }
}

/// Which classes may have an address, and which may not.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Access {
    /// Clients of any of these may; empty: everyone.
    pub allow: Vec<ClassId>,
    /// Clients of any of these may not, whatever `allow` says.
    pub deny: Vec<ClassId>,
}

impl Access {
    /// Whether a client of these classes may have an address.
    #[must_use]
    pub fn admits(&self, classes: &ClassSet) -> bool {
        (self.allow.is_empty() || classes.contains_any(&self.allow)) && !classes.contains_any(&self.deny)
    }
}

/// Which BOOTP clients a subnet serves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BootpClients {
    /// None.
    #[default]
    Refused,
    /// Those with a reservation.
    Reserved,
    /// All: those without a reservation get an address of the pools, without end.
    Dynamic,
}

/// Inclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct AddressRange {
    /// The first address.
    pub first: Ipv4Addr,
    /// The last address.
    pub last: Ipv4Addr,
}

/// What is kept for a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reservation {
    /// The address; within the subnet, inside or outside its pools. `None`: a name and options only.
    pub address: Option<Ipv4Addr>,
    /// Who it is for: any of these, never none.
    pub clients: Vec<ReservedFor>,
    /// The host's name: one label, or a full name.
    pub hostname: Option<String>,
    /// Whose name it is, where several reservations are of one host: all of them name it here.
    pub host: Option<Box<HostIdentity>>,
    /// What it alone is given.
    pub scope: Scope,
}

impl Reservation {
    /// An address for a client, and nothing else.
    #[must_use]
    pub fn new(address: Ipv4Addr, client: ReservedFor) -> Self {
        Self { address: Some(address), clients: vec![client], hostname: None, host: None, scope: Scope::default() }
    }
}

/// How a reservation knows its client.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ReservedFor {
    /// By `htype` and `chaddr`, whatever client identifier is sent.
    Hardware(HardwareAddress),
    /// By option 61.
    ClientId(ClientId),
    /// By the DUID inside an option 61 of the form of RFC 4361, whichever interface it comes from.
    Duid(Box<[u8]>),
    /// By the circuit identifier that its relay adds (RFC 3046 section 3.1).
    CircuitId(Box<[u8]>),
    /// By the remote identifier that its relay adds (RFC 3046 section 3.2).
    RemoteId(Box<[u8]>),
    /// By the subscriber identifier that its relay adds (RFC 3993).
    SubscriberId(Box<[u8]>),
    /// By both identifiers together: a circuit of this one relay, where circuits of several are called alike.
    Port {
        /// The circuit identifier.
        circuit_id: Box<[u8]>,
        /// The remote identifier.
        remote_id: Box<[u8]>,
    },
}
