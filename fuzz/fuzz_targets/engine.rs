//! The DHCP engine with leases in it, under any sequence of messages, commits that fail, restarts, full storage and
//! new settings. A small model of what clients were told stands beside it: no address belongs to two of them.

#![no_main]

use std::collections::{BTreeMap, VecDeque};
use std::net::Ipv4Addr;
use std::sync::{Arc, LazyLock};

use dhcp::class::{Class, ClassId, Classes, Condition, Fact, Test, Verdict};
use dhcp::client::ClientMessage;
use dhcp::decision::{CommitOutcome, Decision, Ingress, LeaseEvent, LeaseEventKind};
use dhcp::engine::Engine;
use dhcp::identity::{ClientId, HardwareAddress};
use dhcp::lease::{Lease, LeaseState};
use dhcp::message::{Message, MessageType};
use dhcp::names::NoNames;
use dhcp::options::read_u32;
use dhcp::settings::{
    Access, AddressRange, LeaseTime, OptionSet, Pool, Reservation, ReservedFor, Scope, Settings, Subnet,
};
use dhcp::time::Now;
use libfuzzer_sys::arbitrary::{Result, Unstructured};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let mut input = Unstructured::new(input);
    let mut world = World::new();
    while !input.is_empty() && world.step(&mut input).is_ok() {}
    world.settle_all(CommitOutcome::Committed);
});

const SERVER: Ipv4Addr = Ipv4Addr::new(192, 168, 30, 1);
const OTHER_SERVER: Ipv4Addr = Ipv4Addr::new(192, 168, 30, 2);
const RELAY: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 1);
const OFFER_HOLD_SECS: u64 = 60;
const DECLINES_MAX: u32 = 3;
const LEASE_SECS: LeaseTime = LeaseTime { default: 3600, min: 60, max: 7200 };

/// Who was told what: enough to tell two machines apart.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Holder {
    hardware: HardwareAddress,
    client_id: Option<ClientId>,
}

impl Holder {
    fn is_another_than(&self, other: &Self) -> bool {
        self.hardware != other.hardware && (self.client_id.is_none() || self.client_id != other.client_id)
    }
}

/// A decision whose commit is open.
struct Open {
    decision: Decision,
    client: Option<Holder>,
    at: Now,
}

struct World {
    engine: Engine,
    now: Now,
    /// Batches in flight, the oldest first.
    batches: VecDeque<Vec<Open>>,
    /// What the store holds.
    stored: BTreeMap<Ipv4Addr, Lease>,
    /// Whom an ACK was sent to, and until when in boot milliseconds.
    held: BTreeMap<Ipv4Addr, (Holder, u64)>,
    /// Whom an OFFER was sent to that has not been taken or refused since, and until when.
    offered: BTreeMap<Ipv4Addr, (Holder, u64)>,
    storage_full: bool,
}

impl World {
    fn new() -> Self {
        let now = Now { boot_ms: 1_000_000, wall_secs: 1_790_000_000 };
        let engine = Engine::new(Arc::new(settings(true)), [], now);
        let (batches, stored, held, offered) = Default::default();
        Self { engine, now, batches, stored, held, offered, storage_full: false }
    }

    fn step(&mut self, input: &mut Unstructured<'_>) -> Result<()> {
        let step = input.int_in_range(0..=15_u8)?;
        if step > 9 {
            let what = ["settle the oldest", "fail all", "advance", "restart", "storage full?", "reconfigure"];
            trace(|| what[usize::from(step - 10)].to_owned());
        }
        match step {
            0..=8 => {
                let datagram = datagram(input)?;
                self.receive(&datagram, input.arbitrary()?);
            }
            9 => {
                let len = input.int_in_range(0..=400_usize)?.min(input.len());
                let datagram = input.bytes(len)?.to_vec();
                self.receive(&datagram, false);
            }
            10 => self.settle_oldest(),
            11 => self.settle_all(CommitOutcome::Failed),
            12 => self.advance(*input.choose(&[1, 30, 61, 3600, 7201, 90_000])?),
            13 => self.restart(),
            14 => {
                // As in the daemon: the lack of room shows by a commit, which fails with all that stands upon it.
                self.settle_all(CommitOutcome::Failed);
                self.storage_full = input.arbitrary()?;
                self.engine.set_storage_full(self.storage_full);
            }
            _ => {
                self.offered.clear();
                self.engine.reconfigure(Arc::new(settings(input.arbitrary()?)), self.now);
            }
        }
        Ok(())
    }

    /// One datagram, in a batch of its own or together with the newest.
    fn receive(&mut self, datagram: &[u8], joins: bool) {
        let message = Message::parse(datagram).ok();
        let relayed = message.as_ref().is_some_and(|message| !message.giaddr.is_unspecified());
        let ingress = Ingress {
            interface: "lan",
            addresses: &["192.168.30.1/24".parse().expect("a prefix")],
            source: if relayed { (RELAY, 67) } else { (Ipv4Addr::UNSPECIFIED, 68) },
            destination: if relayed { SERVER } else { Ipv4Addr::BROADCAST },
        };
        trace(|| {
            let Some(m) = &message else { return "not a message".to_owned() };
            format!(
                "{} from {} id {:?} ciaddr {} requested {:?} server {:?} giaddr {} for {:?} s, at {}",
                m.message_type,
                m.hardware,
                m.client_id,
                m.ciaddr,
                m.requested_ip_address,
                m.server_identifier,
                m.giaddr,
                m.lease_secs,
                self.now.wall_secs
            )
        });
        let decision = self.engine.handle_message(self.now, &ingress, datagram, &NoNames);
        self.check(&decision);
        let client = message.map(|message| {
            let acknowledged = decision.reply.as_ref().is_some_and(|(reply, _)| reply.message_type == MessageType::Ack);
            let chose_another = message.message_type == MessageType::Request
                && message.server_identifier.is_some_and(|server| server == OTHER_SERVER);
            assert!(!(acknowledged && chose_another), "the client chose another server");
            let client = Holder { hardware: message.hardware, client_id: message.client_id };
            let given =
                decision.reply.as_ref().map(|(reply, _)| reply.yiaddr).filter(|yiaddr| !yiaddr.is_unspecified());
            if let Some(given) = given {
                self.check_free(given, &client, self.now, &self.offered);
            }
            self.offered.retain(|_, (holder, _)| client.is_another_than(holder));
            if let Some(given) = given.filter(|_| message.message_type == MessageType::Discover) {
                self.offered.insert(given, (client.clone(), self.now.boot_ms + OFFER_HOLD_SECS * 1000));
            }
            client
        });
        self.open(decision, client, joins);
    }

    /// What must hold of every decision, committed or not.
    fn check(&self, decision: &Decision) {
        trace(|| {
            let rows: Vec<_> =
                decision.events.iter().map(|e| (e.lease.address, e.lease.state, e.lease.expires_at)).collect();
            let reply = decision.reply.as_ref().map(|(r, to)| (r.message_type, r.yiaddr, option(r, 51), *to));
            format!("    rows {rows:?}, {:?}, reply {reply:?}, dropped {:?}", decision.ticket, decision.dropped)
        });
        assert_eq!(decision.ticket.is_some(), !decision.events.is_empty(), "what happened is stored, and nothing else");
        for lease in decision.events.iter().map(|event| &event.lease) {
            assert!(!self.storage_full, "a row while the storage is full");
            assert_ne!(lease.address, SERVER, "our own address");
        }
        let Some((reply, _)) = &decision.reply else { return };
        assert!(matches!(reply.message_type, MessageType::Offer | MessageType::Ack | MessageType::Nak));
        assert!(!reply.server_identifier.is_unspecified(), "RFC 2131 table 3: every reply has a server identifier");
        let mut bytes = Vec::new();
        reply.encode(&mut bytes);
        assert!(bytes.len() >= 300 && bytes.len() + 28 <= usize::from(reply.maximum_message_size.clamp(576, 1500)));
        let lease_secs = option(reply, 51);
        match reply.message_type {
            MessageType::Nak => {
                // RFC 2131 table 3: a NAK has no addresses and no lease time.
                assert!(
                    reply.ciaddr.is_unspecified() && reply.yiaddr.is_unspecified() && reply.siaddr.is_unspecified()
                );
                assert_eq!(lease_secs, None);
                assert!(decision.events.iter().all(|event| event.lease.state != LeaseState::Bound));
            }
            MessageType::Offer => assert!(decision.ticket.is_none(), "offers are not stored"),
            // The ACK to an INFORM gives neither address nor time (section 4.3.5).
            _ => assert_eq!(lease_secs.is_some(), !reply.yiaddr.is_unspecified()),
        }
        if !reply.yiaddr.is_unspecified() {
            assert_ne!(reply.yiaddr, SERVER, "our own address");
            assert!(self.engine.settings().subnets.iter().any(|subnet| subnet.prefix.contains(&reply.yiaddr)));
            assert!(lease_secs.is_some_and(|secs| secs <= LEASE_SECS.max));
        }
    }

    fn open(&mut self, decision: Decision, client: Option<Holder>, joins: bool) {
        let open = Open { decision, client, at: self.now };
        match self.batches.back_mut().filter(|_| joins) {
            Some(newest) => newest.push(open),
            None => self.batches.push_back(vec![open]),
        }
        // The daemon, too, lets only so much be in flight.
        if self.batches.len() > 4 {
            self.settle_oldest();
        }
    }

    fn settle_oldest(&mut self) {
        for open in self.batches.pop_front().unwrap_or_default() {
            if let Some(ticket) = open.decision.ticket {
                self.engine.settle(ticket, CommitOutcome::Committed);
            }
            self.carry_out(open);
        }
    }

    fn settle_all(&mut self, outcome: CommitOutcome) {
        if outcome == CommitOutcome::Committed {
            while !self.batches.is_empty() {
                self.settle_oldest();
            }
            return;
        }
        self.offered.clear();
        // What failed takes all that was decided upon it along, the newest first. Nothing of it is sent.
        for open in self.batches.drain(..).flatten().rev() {
            if let Some(ticket) = open.decision.ticket {
                self.engine.settle(ticket, CommitOutcome::Failed);
            }
        }
        for lease in self.engine.leases() {
            assert_eq!(self.stored.get(&lease.address), Some(&lease), "memory is what is stored");
        }
    }

    /// The rows are stored, the reply is sent, the events are published: in this order.
    fn carry_out(&mut self, open: Open) {
        for event in open.decision.events.iter() {
            self.end(event, open.client.as_ref(), open.at);
        }
        for event in open.decision.events {
            self.stored.insert(event.lease.address, event.lease);
        }
        let (Some((reply, _)), Some(client)) = (open.decision.reply, open.client) else { return };
        if reply.message_type == MessageType::Ack && !reply.yiaddr.is_unspecified() {
            self.check_free(reply.yiaddr, &client, open.at, &self.held);
            let secs = u64::from(option(&reply, 51).unwrap_or_default());
            let stored = self.stored.get(&reply.yiaddr).expect("an ACK stands on a stored lease");
            assert_eq!(stored.state, LeaseState::Bound);
            assert!(stored.expires_at >= open.at.wall_secs + secs, "an ACK promises no more than is stored");
            let another = self.stored.values().find(|lease| {
                let same_client = lease.hardware == client.hardware && lease.client_id == client.client_id;
                let bound = lease.state == LeaseState::Bound && lease.expires_at > open.at.wall_secs;
                same_client && bound && lease.subnet == stored.subnet && lease.address != reply.yiaddr
            });
            assert_eq!(another, None, "the client has another lease in the subnet");
            self.held.insert(reply.yiaddr, (client, open.at.boot_ms + secs * 1000));
        }
    }

    /// That an address which is offered or acknowledged is nobody else's.
    fn check_free(&self, address: Ipv4Addr, client: &Holder, at: Now, by: &BTreeMap<Ipv4Addr, (Holder, u64)>) {
        if let Some((holder, until)) = by.get(&address) {
            let taken = *until > at.boot_ms && client.is_another_than(holder);
            assert!(!taken, "{address} is {holder:?}'s, and goes to {client:?}");
        }
        if let Some(lease) = self.stored.get(&address) {
            let quarantined = lease.state == LeaseState::Quarantined && lease.expires_at > at.wall_secs;
            assert!(!quarantined, "{address} is in quarantine");
        }
        let subnets = &self.engine.settings().subnets;
        let reservation =
            subnets.iter().flat_map(|subnet| &subnet.reservations).find(|one| one.address == Some(address));
        assert!(
            reservation.is_none_or(|reservation| reservation.clients.iter().any(|one| match one {
                ReservedFor::Hardware(hardware) => *hardware == client.hardware,
                ReservedFor::ClientId(id) => Some(id) == client.client_id.as_ref(),
                _ => false,
            })),
            "{address} is reserved"
        );
    }

    /// A lease ends: by its holder, or when its time is up. A DECLINE takes the address out of the pool, as far as the
    /// client's share goes.
    fn end(&mut self, event: &LeaseEvent, client: Option<&Holder>, at: Now) {
        let lease = &event.lease;
        let (ended, by_client) = match event.kind {
            LeaseEventKind::Released | LeaseEventKind::Declined => (true, true),
            LeaseEventKind::Expired => (true, false),
            _ => (false, false),
        };
        if let Some((holder, until)) = self.held.get(&lease.address).filter(|_| ended) {
            let by_holder = client.is_some_and(|client| !client.is_another_than(holder));
            assert!(*until <= at.boot_ms || (by_client && by_holder), "{} was taken from {holder:?}", lease.address);
            self.held.remove(&lease.address);
        }
        if event.kind == LeaseEventKind::Declined {
            let in_quarantine = |other: &&Lease| {
                other.hardware == lease.hardware
                    && other.state == LeaseState::Quarantined
                    && other.expires_at > at.wall_secs
            };
            let share_used = self.stored.values().filter(in_quarantine).count() >= DECLINES_MAX as usize;
            assert!(share_used || lease.state == LeaseState::Quarantined, "{} is not in quarantine", lease.address);
        }
    }

    fn advance(&mut self, secs: u64) {
        self.now = Now { boot_ms: self.now.boot_ms + secs * 1000, wall_secs: self.now.wall_secs + secs };
        loop {
            let decisions = self.engine.handle_timeout(self.now, 3);
            let full = decisions.len() == 3;
            for decision in decisions {
                self.check(&decision);
                self.open(decision, None, true);
            }
            if !full {
                break;
            }
        }
        let due = self.engine.poll_timeout();
        assert!(due.is_none_or(|due| due > self.now.boot_ms), "a timeout that was just handled is not due again");
    }

    /// A crash: what was in flight is lost, and the engine begins with what is stored.
    fn restart(&mut self) {
        self.batches.clear();
        self.offered.clear();
        self.storage_full = false;
        let settings = Arc::clone(self.engine.settings());
        self.engine = Engine::new(settings, self.stored.values().cloned(), self.now);
    }
}

/// With `FUZZ_TRACE` set, tells what happens: for reading a crash.
fn trace(line: impl FnOnce() -> String) {
    static TRACES: LazyLock<bool> = LazyLock::new(|| std::env::var_os("FUZZ_TRACE").is_some());
    if *TRACES {
        eprintln!("{}", line());
    }
}

fn option(reply: &dhcp::reply::Reply, code: u8) -> Option<u32> {
    reply.options.get(code).and_then(read_u32)
}

/// A client's message of any type with addresses from near by, so that it often means something.
fn datagram(input: &mut Unstructured<'_>) -> Result<Vec<u8>> {
    let types = [1, 1, 3, 3, 3, 3, 4, 7, 8];
    let message_type = MessageType::try_from(*input.choose(&types)?).expect("a type of RFC 2131");
    let client = input.int_in_range(0..=9_u8)?;
    let hardware = HardwareAddress::new(1, &[2, 0, 0, 0, 0, client]).expect("6 bytes");
    let mut message = ClientMessage::new(message_type, input.arbitrary()?, hardware);
    message.broadcast = input.arbitrary()?;
    if input.ratio(1, 3)? {
        message = message.with(61, [0, input.int_in_range(0..=9)?]);
    }
    if input.ratio(1, 3)? {
        message.ciaddr = address(input)?;
    }
    if input.ratio(2, 3)? {
        message = message.with(50, address(input)?.octets());
    }
    if input.ratio(1, 2)? {
        let server = if input.ratio(4, 5)? { SERVER } else { OTHER_SERVER };
        message = message.with(54, server.octets());
    }
    if input.ratio(1, 4)? {
        message.giaddr = RELAY;
    }
    if input.ratio(1, 4)? {
        message = message.with(51, input.arbitrary::<u32>()?.to_be_bytes());
    }
    if input.ratio(1, 4)? {
        let len = input.int_in_range(0..=20_usize)?.min(input.len());
        message = message.with(input.int_in_range(1..=254)?, input.bytes(len)?);
    }
    let mut bytes = Vec::new();
    message.encode(&mut bytes);
    Ok(bytes)
}

fn address(input: &mut Unstructured<'_>) -> Result<Ipv4Addr> {
    Ok(match input.int_in_range(0..=9_u8)? {
        0 => Ipv4Addr::new(10, 9, 0, input.int_in_range(0..=20)?),
        1 => Ipv4Addr::new(192, 168, 30, input.arbitrary()?),
        2 => Ipv4Addr::from(input.arbitrary::<u32>()?),
        _ => Ipv4Addr::new(192, 168, 30, 100 + input.int_in_range(0..=7)?),
    })
}

/// Two subnets, one of them behind a relay; the other settings have a smaller pool, none behind the relay, and ignore
/// client identifiers.
fn settings(large: bool) -> Settings {
    let range = |first: [u8; 4], last: [u8; 4]| Pool::from(AddressRange { first: first.into(), last: last.into() });
    let reserve = |address: [u8; 4], client| Reservation::new(address.into(), client);
    let subnet = |prefix: &str, pools, reservations| Subnet {
        pools,
        reservations,
        scope: Scope {
            lease_secs: LEASE_SECS.into(),
            options: OptionSet(BTreeMap::from([(1, [255, 255, 255, 0].into()), (6, vec![9; 300].into())])),
            ..Scope::default()
        },
        ignore_client_id: !large,
        ..Subnet::new(prefix.parse().expect("a prefix"))
    };
    let hardware = HardwareAddress::new(1, &[2, 0, 0, 0, 0, 1]).expect("6 bytes");
    let reservations = vec![
        reserve([192, 168, 30, 50], ReservedFor::Hardware(hardware)),
        reserve([192, 168, 30, 102], ReservedFor::ClientId(ClientId([0, 2].into()))),
    ];
    let last = if large { 105 } else { 103 };
    let relayed =
        Subnet { active: large, ..subnet("10.9.0.0/24", vec![range([10, 9, 0, 10], [10, 9, 0, 12])], Vec::new()) };
    let direct = subnet("192.168.30.0/24", vec![range([192, 168, 30, 100], [192, 168, 30, last])], reservations);
    // One class gets no answer, one no address, and those with a reservation none behind the relay.
    let vendor = Condition::Is(Fact::Option(60), Test::Prefix([b'x'].into()));
    let last_client = Condition::Is(Fact::Hardware, Test::Equal([2, 0, 0, 0, 0, 9].into()));
    let marked = Condition::Is(Fact::Option(77), Test::Contains([1].into()));
    let classes = Classes::compile(vec![
        Class { verdict: Verdict::Drop, ..Class::new("vendor", vendor) },
        Class {
            verdict: if large { Verdict::Serve } else { Verdict::Deny },
            ..Class::new("last", Condition::Any(vec![last_client, marked]))
        },
        Class::new("known", Condition::has(Fact::Reservation)),
    ])
    .expect("classes");
    let access = Access { allow: Vec::new(), deny: vec![ClassId(2)] };
    Settings {
        subnets: vec![Subnet { access, ..relayed }, direct],
        classes,
        offer_hold_secs: 60,
        quarantine_secs: 86_400,
        declines_per_client_max: DECLINES_MAX,
        ..Settings::default()
    }
}
