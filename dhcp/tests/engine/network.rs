//! A server on 192.168.30.1/24 with clients on its link and behind relays.

use std::net::Ipv4Addr;
use std::sync::Arc;

use dhcp::client::ClientMessage;
use dhcp::decision::{CommitOutcome, Decision, Ingress, LeaseEventKind};
use dhcp::destination::Destination;
use dhcp::engine::Engine;
use dhcp::identity::HardwareAddress;
use dhcp::lease::{Lease, LeaseState};
use dhcp::message::{DropReason, MessageType};
use dhcp::names::NoNames;
use dhcp::options::{code, seconds};
use dhcp::probing::{ProbeId, ProbeOutcome};
use dhcp::reply::Reply;
use dhcp::settings::{AddressRange, LeaseTime, OptionSet, Pool, Reservation, ReservedFor, Scope, Settings, Subnet};
use dhcp::time::Now;

/// The server's address on eth0.
pub(crate) const SERVER: Ipv4Addr = Ipv4Addr::new(192, 168, 30, 1);
/// The first address of the pool.
pub(crate) const FIRST: Ipv4Addr = Ipv4Addr::new(192, 168, 30, 100);
/// The second.
pub(crate) const SECOND: Ipv4Addr = Ipv4Addr::new(192, 168, 30, 101);
/// The hardware address of somebody who uses an address without a lease.
pub(crate) const SQUATTER: [u8; 6] = [2, 0, 0, 0, 0xbb, 0xbb];
pub(crate) const ZERO: Ipv4Addr = Ipv4Addr::UNSPECIFIED;
pub(crate) const ALL: Ipv4Addr = Ipv4Addr::BROADCAST;

/// A lease of an hour; pool .100 to .109.
pub(crate) fn subnet() -> Subnet {
    Subnet {
        pools: vec![range(FIRST, Ipv4Addr::new(192, 168, 30, 109))],
        scope: Scope {
            options: OptionSet(
                [(code::ROUTER, SERVER.octets().into()), (code::DOMAIN_NAME, b"nasir.xyz"[..].into())].into(),
            ),
            ..lasting(LeaseTime { default: 3600, min: 300, max: 86_400 })
        },
        ..Subnet::new("192.168.30.0/24".parse().unwrap())
    }
}

/// The same elsewhere: 10.`n`.0.0/24, pool .100 to .109.
pub(crate) fn remote_subnet(n: u8) -> Subnet {
    Subnet {
        prefix: format!("10.{n}.0.0/24").parse().unwrap(),
        pools: vec![range(Ipv4Addr::new(10, n, 0, 100), Ipv4Addr::new(10, n, 0, 109))],
        scope: Scope { options: OptionSet::default(), ..subnet().scope },
        ..subnet()
    }
}

/// A scope that gives this lease time and nothing else.
pub(crate) fn lasting(lease_time: LeaseTime) -> Scope {
    Scope { lease_secs: lease_time.into(), ..Scope::default() }
}

/// A scope that gives these options and nothing else.
pub(crate) fn giving(options: OptionSet) -> Scope {
    Scope { options, ..Scope::default() }
}

/// A pool of one range.
pub(crate) fn range(first: Ipv4Addr, last: Ipv4Addr) -> Pool {
    AddressRange { first, last }.into()
}

pub(crate) fn reservation(address: Ipv4Addr, client: ReservedFor) -> Reservation {
    Reservation::new(address, client)
}

pub(crate) fn settings(subnets: impl IntoIterator<Item = Subnet>) -> Settings {
    let mut subnets: Vec<_> = subnets.into_iter().collect();
    subnets.sort_by_key(|subnet| subnet.prefix);
    Settings {
        subnets,
        offer_hold_secs: 60,
        quarantine_secs: 86_400,
        declines_per_client_max: 3,
        ..Settings::default()
    }
}

/// Client number `n`'s hardware address.
pub(crate) fn mac(n: u8) -> HardwareAddress {
    HardwareAddress::new(1, &[2, 0, 0, 0, 0, n]).unwrap()
}

pub(crate) fn discover(n: u8) -> ClientMessage {
    ClientMessage::new(MessageType::Discover, 0x1000 + u32::from(n), mac(n))
}

fn message(message_type: MessageType, n: u8) -> ClientMessage {
    ClientMessage { message_type, ..discover(n) }
}

/// Takes an offer of ours.
pub(crate) fn selecting(n: u8, address: Ipv4Addr) -> ClientMessage {
    init_reboot(n, address).with(code::SERVER_IDENTIFIER, SERVER.octets())
}

pub(crate) fn init_reboot(n: u8, address: Ipv4Addr) -> ClientMessage {
    message(MessageType::Request, n).with(code::REQUESTED_IP_ADDRESS, address.octets())
}

/// A renewing client's message when sent by unicast, a rebinding one's when broadcast.
pub(crate) fn extending(n: u8, address: Ipv4Addr) -> ClientMessage {
    ClientMessage { ciaddr: address, ..message(MessageType::Request, n) }
}

pub(crate) fn decline(n: u8, address: Ipv4Addr) -> ClientMessage {
    message(MessageType::Decline, n)
        .with(code::REQUESTED_IP_ADDRESS, address.octets())
        .with(code::SERVER_IDENTIFIER, SERVER.octets())
}

pub(crate) fn release(n: u8, address: Ipv4Addr) -> ClientMessage {
    ClientMessage { ciaddr: address, ..message(MessageType::Release, n) }.with(code::SERVER_IDENTIFIER, SERVER.octets())
}

pub(crate) fn inform(n: u8, address: Ipv4Addr) -> ClientMessage {
    ClientMessage { ciaddr: address, ..message(MessageType::Inform, n) }
}

/// How a message reaches the server.
#[derive(Clone, Debug)]
pub(crate) struct Way {
    pub(crate) interface: &'static str,
    pub(crate) addresses: Vec<ipnet::Ipv4Net>,
    pub(crate) source: (Ipv4Addr, u16),
    pub(crate) destination: Ipv4Addr,
}

/// A broadcast on eth0.
pub(crate) fn on_link() -> Way {
    Way { interface: "eth0", addresses: vec!["192.168.30.1/24".parse().unwrap()], source: (ZERO, 68), destination: ALL }
}

/// A unicast from a client to the server's address.
pub(crate) fn unicast(source: Ipv4Addr) -> Way {
    Way { source: (source, 68), destination: SERVER, ..on_link() }
}

/// From a relay to the server's address. The message needs its `giaddr`.
pub(crate) fn from_relay(relay: Ipv4Addr) -> Way {
    Way { source: (relay, 67), destination: SERVER, ..on_link() }
}

/// An engine, its clock, and the rows that were committed.
pub(crate) struct Server {
    pub(crate) engine: Engine,
    pub(crate) now: Now,
}

impl Server {
    pub(crate) fn new(settings: Settings) -> Self {
        Self::with_leases(settings, [])
    }

    pub(crate) fn with_leases(settings: Settings, leases: impl IntoIterator<Item = Lease>) -> Self {
        let now = Now { boot_ms: 5_000_000, wall_secs: 1_790_000_000 };
        Self { engine: Engine::new(Arc::new(settings), leases, now), now }
    }

    /// At a time of its own.
    pub(crate) fn restarted(settings: Settings, leases: impl IntoIterator<Item = Lease>, now: Now) -> Self {
        Self { engine: Engine::new(Arc::new(settings), leases, now), now }
    }

    /// With [`subnet`] alone.
    pub(crate) fn plain() -> Self {
        Self::new(settings([subnet()]))
    }

    pub(crate) fn pass(&mut self, secs: u64) {
        self.now.boot_ms += secs * 1000;
        self.now.wall_secs += secs;
    }

    /// Runs everything that time brings; the events' kinds and addresses.
    pub(crate) fn tick(&mut self) -> Vec<(LeaseEventKind, Ipv4Addr)> {
        let decisions = self.engine.handle_timeout(self.now, usize::MAX);
        for ticket in decisions.iter().filter_map(|decision| decision.ticket) {
            self.engine.settle(ticket, CommitOutcome::Committed);
        }
        decisions.iter().flat_map(kinds).collect()
    }

    /// Decides, without settling.
    pub(crate) fn decide(&mut self, way: &Way, message: &ClientMessage) -> Decision {
        let mut datagram = Vec::new();
        message.encode(&mut datagram);
        let ingress = Ingress {
            interface: way.interface,
            addresses: &way.addresses,
            source: way.source,
            destination: way.destination,
        };
        self.engine.handle_message(self.now, &ingress, &datagram, &NoNames)
    }

    /// Hands in what came of a probe, with the DISCOVER that waits for it.
    pub(crate) fn probed(
        &mut self,
        id: ProbeId,
        outcome: ProbeOutcome,
        way: &Way,
        waiting: &ClientMessage,
    ) -> Vec<Decision> {
        let mut datagram = Vec::new();
        waiting.encode(&mut datagram);
        let ingress = Ingress {
            interface: way.interface,
            addresses: &way.addresses,
            source: way.source,
            destination: way.destination,
        };
        self.engine.handle_probe_result(self.now, (id, outcome), Some((&ingress, &datagram)), &NoNames)
    }

    /// Decides, and commits what is to be stored.
    pub(crate) fn take(&mut self, way: &Way, message: &ClientMessage) -> Decision {
        let decision = self.decide(way, message);
        if let Some(ticket) = decision.ticket {
            self.engine.settle(ticket, CommitOutcome::Committed);
        }
        decision
    }

    /// As [`Server::take`], by a broadcast on eth0.
    pub(crate) fn hear(&mut self, message: &ClientMessage) -> Decision {
        self.take(&on_link(), message)
    }

    /// DISCOVER, OFFER, REQUEST, ACK; the address.
    pub(crate) fn lease_to(&mut self, n: u8) -> Ipv4Addr {
        let offered = self.hear(&discover(n)).offered();
        let decision = self.hear(&selecting(n, offered));
        assert_eq!(decision.acked(), offered);
        offered
    }

    pub(crate) fn state(&self, address: Ipv4Addr) -> Option<LeaseState> {
        self.engine.lease(address).map(|lease| lease.state)
    }
}

/// What tests ask a decision.
pub(crate) trait Told {
    fn reply(&self) -> &Reply;
    fn destination(&self) -> Destination;
    fn offered(&self) -> Ipv4Addr;
    fn acked(&self) -> Ipv4Addr;
    fn is_nak(&self) -> bool;
    /// Why nothing was done; fails when anything was.
    fn silence(&self) -> DropReason;
}

impl Told for Decision {
    fn reply(&self) -> &Reply {
        &self.reply.as_ref().unwrap_or_else(|| panic!("no reply: {:?}", self.dropped)).0
    }

    fn destination(&self) -> Destination {
        self.reply.as_ref().unwrap().1
    }

    fn offered(&self) -> Ipv4Addr {
        assert_eq!(self.reply().message_type, MessageType::Offer);
        assert!(self.events.is_empty(), "an offer is stored nowhere");
        self.reply().yiaddr
    }

    fn acked(&self) -> Ipv4Addr {
        assert_eq!(self.reply().message_type, MessageType::Ack);
        self.reply().yiaddr
    }

    fn is_nak(&self) -> bool {
        assert!(self.events.is_empty());
        self.reply().message_type == MessageType::Nak
    }

    fn silence(&self) -> DropReason {
        assert!(self.reply.is_none() && self.events.is_empty() && self.ticket.is_none());
        self.dropped.unwrap()
    }
}

pub(crate) fn option(reply: &Reply, wanted: u8) -> Option<&[u8]> {
    reply.options.get(wanted)
}

/// The lease time that a reply tells.
pub(crate) fn lease_secs(reply: &Reply) -> Option<u32> {
    option(reply, code::IP_ADDRESS_LEASE_TIME).map(|data| u32::from_be_bytes(data.try_into().unwrap()))
}

pub(crate) fn secs_option(secs: u32) -> Box<[u8]> {
    seconds(secs)
}

pub(crate) fn kinds(decision: &Decision) -> Vec<(LeaseEventKind, Ipv4Addr)> {
    decision.events.iter().map(|event| (event.kind, event.lease.address)).collect()
}
