//! What the administrator wants, checked: the `config` crate makes these, the engine reads them.
//! Immutable; a reload makes new ones.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use dns::Fqdn;
use ipnet::Ipv4Net;

use crate::identity::{ClientId, HardwareAddress};

/// All that the engine needs to know.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Settings {
    /// The subnets, sorted by prefix; none overlaps another.
    pub subnets: Vec<Subnet>,
    /// Options for every subnet; a subnet's, then a reservation's own win over them.
    pub options: OptionSet,
    /// For how long an offered address is not offered to another client, in seconds (default 60).
    pub offer_hold_secs: u32,
    /// For how long a declined address is kept from everyone, in seconds (default 86,400).
    pub quarantine_secs: u32,
    /// How many addresses one client may have in quarantine at once by declining (default 3);
    /// past that a DECLINE ends its lease but takes no further address out of the pool.
    pub declines_per_client_max: u32,
}

/// One subnet. Leases name it by its prefix, never by an index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subnet {
    /// The prefix.
    pub prefix: Ipv4Net,
    /// Interfaces on whose link it is, by name. Empty: wherever the interface has an address in it, or by relay.
    pub interfaces: Vec<String>,
    /// Inclusive ranges to lease from, sorted, within the prefix, not overlapping; exclusions already cut out.
    pub pools: Vec<AddressRange>,
    /// Reservations, sorted by address.
    pub reservations: Vec<Reservation>,
    /// A deactivated subnet: DISCOVER gets silence, REQUEST gets NAK, names stay until their leases end.
    pub active: bool,
    /// Lease time in seconds when the client asks for none, and the bounds of what it may ask.
    pub lease_secs: LeaseTime,
    /// T1 and T2 in thousandths of the lease time (defaults 500 and 875, RFC 2131 section 4.4.5).
    pub renewal_permille: u16,
    /// See `renewal_permille`.
    pub rebinding_permille: u16,
    /// Options of this subnet.
    pub options: OptionSet,
    /// Key on the hardware address alone, ignoring option 61.
    pub ignore_client_id: bool,
    /// Broadcast every reply to a client on the wire, whatever its flag.
    pub always_broadcast: bool,
    /// Refuse (drop, counted) a packet with option 82 and giaddr 0 (RFC 3046 section 2.1).
    pub refuse_unrelayed_option82: bool,
    /// How names are made here; `None`: no DNS.
    pub naming: Option<Naming>,
}

/// Inclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct AddressRange {
    /// The first address.
    pub first: Ipv4Addr,
    /// The last address.
    pub last: Ipv4Addr,
}

/// Seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeaseTime {
    /// Given when the client asks for none.
    pub default: u32,
    /// The least that is given.
    pub min: u32,
    /// The most that is given. `u32::MAX` is "infinite" (RFC 2131 section 3.3).
    pub max: u32,
}

impl LeaseTime {
    /// What a client is given that asks for `wanted` seconds, or for none.
    #[must_use]
    pub fn grant(&self, wanted: Option<u32>) -> u32 {
        wanted.unwrap_or(self.default).min(self.max).max(self.min)
    }
}

/// An address kept for a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reservation {
    /// The address; within the subnet, inside or outside its pools.
    pub address: Ipv4Addr,
    /// Who it is for.
    pub client: ReservedFor,
    /// The host's name: one label, or a full name.
    pub hostname: Option<String>,
    /// Options of its own.
    pub options: OptionSet,
}

/// How a reservation knows its client.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ReservedFor {
    /// By `htype` and `chaddr`, whatever client identifier is sent.
    Hardware(HardwareAddress),
    /// By option 61.
    ClientId(ClientId),
}

/// Option code to its data as sent, each at most 65,535 bytes; split after RFC 3396 when sent.
/// Never holds 0, 255, 50-55, 57, 61, 81, 82 (the engine's own); 51, 58, 59 come from the subnet's times.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct OptionSet(pub BTreeMap<u8, Box<[u8]>>);

/// How names are made in a subnet. The engine only hands it on to its `NameChooser`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Naming {
    /// The domain that a bare host name is put under.
    pub domain: Fqdn,
    /// A client's full name outside every zone of ours: keep its first label under `domain`, or publish nothing.
    pub outside: OutsideName,
    /// Who writes the A record when the client wants to write it itself (option 81 with S=0).
    pub client_updates: ClientUpdates,
    /// Give a client without a usable name one made from its address (`host-192-168-30-100`).
    pub generate: bool,
    /// Fixed time to live in seconds; `None`: after RFC 4702 section 5.
    pub ttl_secs: Option<u32>,
}

/// See [`Naming::outside`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutsideName {
    /// `pc.other.example` becomes `pc` under the domain.
    FirstLabel,
    /// Nothing is published.
    Refuse,
}

/// See [`Naming::client_updates`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientUpdates {
    /// The server writes the A record all the same, and says so with O=1 (ours by default).
    Override,
    /// The client writes its A record, the server its PTR.
    Allow,
}
