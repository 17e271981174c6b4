//! Random messages, commits that fail and settings that change, against what clients believe.

use std::collections::{BTreeMap, VecDeque};
use std::net::Ipv4Addr;
use std::sync::Arc;

use dhcp::client::ClientMessage;
use dhcp::decision::{CommitOutcome, Decision, LeaseEventKind};
use dhcp::engine::Engine;
use dhcp::identity::HardwareAddress;
use dhcp::lease::{Lease, LeaseState};
use dhcp::message::{DropReason, MessageType};
use dhcp::options::code;
use dhcp::probing::{ProbeNeeded, ProbeOutcome, ProbeWhen};
use dhcp::settings::{ReservedFor, Settings, Subnet};
use proptest::prelude::*;

use crate::network::*;

const DEVICES: u8 = 5;
/// Two addresses fewer than devices, so that they compete.
const POOL: u8 = 3;
const RELAY: Ipv4Addr = Ipv4Addr::new(10, 7, 0, 1);

/// Who sends: a device, which of its two identities, and from which network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Sender {
    device: u8,
    identified: bool,
    remote: bool,
}

#[derive(Clone, Debug)]
pub(crate) enum Step {
    Discover(Sender, Option<u8>),
    /// Of the address that was offered last, or another.
    Select(Sender, Option<u8>),
    SelectAnother(Sender),
    InitReboot(Sender, u8),
    Renew(Sender, Option<u8>),
    Rebind(Sender, Option<u8>),
    Decline(Sender, Option<u8>),
    Release(Sender, Option<u8>),
    Settle {
        fails: bool,
    },
    Pass(u16),
    Tick,
    Reconfigure(u8),
    /// A stranger takes this address without a lease, or gives up the one that it had.
    Squat(Option<u8>),
    StorageFull(bool),
}

fn sender() -> impl Strategy<Value = Sender> {
    (0..DEVICES, prop::bool::weighted(0.3), prop::bool::weighted(0.2)).prop_map(|(device, identified, remote)| Sender {
        device,
        identified,
        remote,
    })
}

pub(crate) fn step() -> impl Strategy<Value = Step> {
    let some = || prop::option::weighted(0.2, 0..POOL + 2);
    prop_oneof![
        6 => (sender(), some()).prop_map(|(sender, address)| Step::Discover(sender, address)),
        8 => (sender(), some()).prop_map(|(sender, address)| Step::Select(sender, address)),
        1 => sender().prop_map(Step::SelectAnother),
        2 => (sender(), 0..POOL + 2).prop_map(|(sender, address)| Step::InitReboot(sender, address)),
        3 => (sender(), some()).prop_map(|(sender, address)| Step::Renew(sender, address)),
        3 => (sender(), some()).prop_map(|(sender, address)| Step::Rebind(sender, address)),
        2 => (sender(), some()).prop_map(|(sender, address)| Step::Decline(sender, address)),
        2 => (sender(), some()).prop_map(|(sender, address)| Step::Release(sender, address)),
        8 => prop::bool::weighted(0.15).prop_map(|fails| Step::Settle { fails }),
        3 => (1..2000_u16).prop_map(Step::Pass),
        2 => Just(Step::Tick),
        1 => (0..32_u8).prop_map(Step::Reconfigure),
        1 => prop::option::weighted(0.7, 0..POOL).prop_map(Step::Squat),
        1 => any::<bool>().prop_map(Step::StorageFull),
    ]
}

/// Settings number `variant`: each bit changes something.
fn variant(variant: u8) -> Settings {
    let pools = vec![range(FIRST, nth(false, POOL - 1))];
    let reserved = if variant & 1 == 0 { 0 } else { POOL };
    let local = Subnet {
        pools,
        ignore_client_id: variant & 2 != 0,
        // Where nothing at all is reserved, renewals go a shorter way.
        reservations: match variant & 16 {
            0 => vec![reservation(nth(false, reserved), ReservedFor::Hardware(mac(0)))],
            _ => Vec::new(),
        },
        active: variant & 4 == 0,
        probe: if variant & 8 == 0 { ProbeWhen::Off } else { ProbeWhen::Always },
        ..subnet()
    };
    let remote = Subnet { pools: vec![range(nth(true, 0), nth(true, 1))], ..remote_subnet(7) };
    Settings { quarantine_secs: 5000, declines_per_client_max: 1, ..settings([local, remote]) }
}

fn nth(remote: bool, n: u8) -> Ipv4Addr {
    if remote { [10, 7, 0, 100 + n].into() } else { [192, 168, 30, 100 + n].into() }
}

/// What a client thinks it may use, and until when (boot milliseconds).
#[derive(Clone, Copy, Debug)]
struct Belief {
    address: Ipv4Addr,
    until_ms: u64,
}

/// A message under way.
#[derive(Clone, Copy, Debug)]
struct Sent {
    sender: Sender,
    number: u64,
    /// RFC 2131 section 4.4.1 has a client count its lease from its request.
    at_ms: u64,
}

struct World {
    server: Server,
    rows: BTreeMap<Ipv4Addr, Lease>,
    in_flight: VecDeque<(Sent, Decision)>,
    /// The number of each client's last message: it heeds no other's answer.
    last: BTreeMap<Sender, u64>,
    sent: u64,
    beliefs: BTreeMap<Sender, Belief>,
    offers: BTreeMap<Ipv4Addr, (Sender, u64)>,
    /// Declined by its holder, by whom, and until when nobody may have it (boot milliseconds).
    quarantines: BTreeMap<Ipv4Addr, (u8, u64)>,
    /// Who uses it has no lease.
    squatted: Option<Ipv4Addr>,
    variant: u8,
    storage_full: bool,
}

impl World {
    fn new() -> Self {
        Self {
            server: Server::new(variant(0)),
            rows: BTreeMap::new(),
            in_flight: VecDeque::new(),
            last: BTreeMap::new(),
            sent: 0,
            beliefs: BTreeMap::new(),
            offers: BTreeMap::new(),
            quarantines: BTreeMap::new(),
            squatted: None,
            variant: 0,
            storage_full: false,
        }
    }

    fn run(&mut self, step: &Step) {
        let target = |world: &Self, sender: Sender, n: Option<u8>| {
            let believed = world.beliefs.get(&sender).map(|belief| belief.address);
            n.map(|n| nth(sender.remote, n)).or(believed).unwrap_or(nth(sender.remote, 0))
        };
        match *step {
            Step::Discover(sender, wanted) => {
                self.beliefs.remove(&sender);
                let message = discover(sender.device);
                let wanted = wanted.map(|n| nth(sender.remote, n).octets());
                let message = match wanted {
                    Some(wanted) => message.with(code::REQUESTED_IP_ADDRESS, wanted),
                    None => message,
                };
                self.send(sender, message, false);
            }
            Step::Select(sender, n) => {
                self.beliefs.remove(&sender);
                let offered = self.offers.iter().find(|(_, (to, _))| *to == sender).map(|(address, _)| *address);
                let address = n.map(|n| nth(sender.remote, n)).or(offered).unwrap_or(nth(sender.remote, 1));
                self.send(sender, selecting(sender.device, address), false);
            }
            Step::SelectAnother(sender) => {
                self.beliefs.remove(&sender);
                let message = init_reboot(sender.device, nth(sender.remote, 0));
                let silent = self.send(sender, message.with(code::SERVER_IDENTIFIER, [192, 168, 30, 2]), false);
                assert!(silent, "a client that chose another server is left alone");
            }
            Step::InitReboot(sender, n) => {
                self.beliefs.remove(&sender);
                self.send(sender, init_reboot(sender.device, nth(sender.remote, n)), false);
            }
            Step::Renew(sender, n) => {
                self.send(sender, extending(sender.device, target(self, sender, n)), true);
            }
            Step::Rebind(sender, n) => {
                self.send(sender, extending(sender.device, target(self, sender, n)), false);
            }
            Step::Decline(sender, n) => {
                let address = target(self, sender, n);
                self.give_up(sender, address);
                self.send(sender, decline(sender.device, address), false);
            }
            Step::Release(sender, n) => {
                let address = target(self, sender, n);
                self.give_up(sender, address);
                self.send(sender, release(sender.device, address), true);
            }
            Step::Settle { fails } => self.settle(fails),
            Step::Pass(secs) => self.server.pass(secs.into()),
            Step::Tick => self.tick(),
            Step::Reconfigure(variant_number) => {
                self.variant = variant_number;
                self.server.engine.reconfigure(Arc::new(variant(variant_number)), self.server.now);
                // What the new settings would not offer is withdrawn; the model forgets all, and so asks less.
                self.offers.clear();
            }
            Step::Squat(n) => self.squatted = n.map(|n| nth(false, n)),
            Step::StorageFull(is_full) => {
                self.storage_full = is_full;
                self.server.engine.set_storage_full(is_full);
            }
        }
    }

    /// A client that gives an address back uses it no more, under whatever identity.
    fn give_up(&mut self, sender: Sender, address: Ipv4Addr) {
        self.beliefs.retain(|who, belief| who.device != sender.device || belief.address != address);
        self.last.retain(|who, _| who.device != sender.device);
    }

    /// Whether the message met silence and changed nothing.
    fn send(&mut self, sender: Sender, message: ClientMessage, by_unicast: bool) -> bool {
        let message =
            if sender.identified { message.with(code::CLIENT_IDENTIFIER, [0, sender.device, 9]) } else { message };
        let (way, message) = match (sender.remote, by_unicast) {
            (_, true) => (unicast(message.ciaddr), message),
            (true, false) => (from_relay(RELAY), ClientMessage { giaddr: RELAY, ..message }),
            (false, false) => (on_link(), message),
        };
        let decision = self.decide(&way, &message);
        // A device runs one identity at a time on a network, as a boot loader does and then the system.
        let other = Sender { identified: !sender.identified, ..sender };
        self.beliefs.remove(&other);
        self.last.remove(&other);
        self.sent += 1;
        let sent = Sent { sender, number: self.sent, at_ms: self.server.now.boot_ms };
        self.last.insert(sender, sent.number);
        assert_eq!(decision.ticket.is_some(), !decision.events.is_empty());
        // The model forgets what any identity of the device was offered, and so asks a little less.
        if decision.ticket.is_some() || decision.dropped == Some(DropReason::OtherServer) {
            self.offers.retain(|_, (to, _)| to.device != sender.device);
        }
        let silent = decision.reply.is_none() && decision.ticket.is_none();
        if decision.ticket.is_some() {
            self.in_flight.push_back((sent, decision));
        } else {
            self.deliver(sent, &decision);
        }
        silent
    }

    /// What is decided once whoever uses the probed addresses has answered.
    fn decide(&mut self, way: &Way, message: &ClientMessage) -> Decision {
        let mut decision = self.server.decide(way, message);
        while let Some(ProbeNeeded::Start(probe)) = decision.probe {
            let is_taken = self.squatted == Some(probe.address);
            let by = HardwareAddress::new(1, &SQUATTER);
            let outcome = if is_taken { ProbeOutcome::Taken(by) } else { ProbeOutcome::Free };
            let mut decisions = self.server.probed(probe.id, outcome, way, message);
            decision = decisions.pop().expect("the message is decided upon again");
            if is_taken && let Some((reply, _)) = &decision.reply {
                assert_ne!(reply.yiaddr, probe.address, "somebody answered for it");
            }
            let sent = self.by_nobody();
            self.in_flight.extend(decisions.into_iter().map(|conflict| (sent, conflict)));
        }
        decision
    }

    /// What no client's message led to.
    fn by_nobody(&self) -> Sent {
        let sender = Sender { device: u8::MAX, identified: false, remote: false };
        Sent { sender, number: 0, at_ms: self.server.now.boot_ms }
    }

    /// The first commit in flight ends; when it fails, those after it, which may stand upon it, fail too.
    fn settle(&mut self, fails: bool) {
        if fails {
            // What was offered upon them is withdrawn.
            self.offers.clear();
            for (_, decision) in std::mem::take(&mut self.in_flight) {
                self.server.engine.settle(decision.ticket.unwrap(), CommitOutcome::Failed);
            }
        } else if let Some((sent, decision)) = self.in_flight.pop_front() {
            self.server.engine.settle(decision.ticket.unwrap(), CommitOutcome::Committed);
            self.rows.extend(decision.events.iter().map(|event| (event.lease.address, event.lease.clone())));
            self.deliver(sent, &decision);
        }
    }

    fn tick(&mut self) {
        let nobody = self.by_nobody();
        for decision in self.server.engine.handle_timeout(self.server.now, usize::MAX) {
            for expired in decision.events.iter().map(|event| &event.lease) {
                let held = self.beliefs.iter().find(|(_, belief)| belief.address == expired.address);
                let early = held.filter(|(_, belief)| belief.until_ms > self.server.now.boot_ms);
                assert!(early.is_none(), "{} expired under {early:?}", expired.address);
            }
            self.in_flight.push_back((nobody, decision));
        }
    }

    fn deliver(&mut self, Sent { sender, number, at_ms }: Sent, decision: &Decision) {
        let quarantine_ends = at_ms + 5_000_000;
        for event in decision.events.iter().filter(|event| event.kind == LeaseEventKind::Declined) {
            // A client has a share of one; only the first is sure to be kept from everyone.
            let has_one = self.quarantines.values().any(|(by, until)| *by == sender.device && *until > at_ms);
            if !has_one {
                self.quarantines.insert(event.lease.address, (sender.device, quarantine_ends));
            }
        }
        for event in decision.events.iter().filter(|event| event.kind == LeaseEventKind::Conflict) {
            self.quarantines.insert(event.lease.address, (sender.device, quarantine_ends));
        }
        let Some((reply, _)) = &decision.reply else { return };
        let (now, address) = (self.server.now, reply.yiaddr);
        let reserved = nth(false, if self.variant & 1 == 0 { 0 } else { POOL });
        let quarantined = self.quarantines.get(&address).is_some_and(|(_, until)| *until > now.boot_ms);
        assert!(!quarantined, "{address} is in quarantine");
        match reply.message_type {
            MessageType::Offer => {
                let is_reserved = self.variant & 16 == 0 && address == reserved;
                assert!(!is_reserved || sender.device == 0, "{reserved} is reserved");
                self.offers.retain(|_, (to, until)| to.device != sender.device && *until > now.boot_ms);
                if let Some((to, _)) = self.offers.get(&address) {
                    panic!("{address} is offered to {to:?} and to {sender:?}");
                }
                self.offers.insert(address, (sender, now.boot_ms + 60_000));
            }
            MessageType::Ack => {
                let secs = u64::from(lease_secs(reply).unwrap());
                let row = &self.rows[&address];
                assert_eq!((row.state, row.hardware), (LeaseState::Bound, mac(sender.device)));
                // The clock may have gone on since it was decided, and only then has the row less left.
                assert!(self.storage_full || decision.ticket.is_some());
                assert!(row.expires_at >= row.renewed_at + secs || row.expires_at >= now.wall_secs + secs);
                if self.last.get(&sender) != Some(&number) {
                    return;
                }
                for (who, belief) in &self.beliefs {
                    let holds = belief.address == address && belief.until_ms > now.boot_ms;
                    assert!(!holds || who.device == sender.device, "{address} is held by {who:?} and by {sender:?}");
                }
                self.beliefs.insert(sender, Belief { address, until_ms: at_ms + secs * 1000 });
            }
            MessageType::Nak => {
                self.beliefs.remove(&sender);
            }
            other => panic!("{other}"),
        }
    }

    /// Once nothing is in flight, memory is what is stored, and an engine made from that is the same.
    fn compare_with_rebuilt(&mut self) {
        self.server.engine.set_storage_full(false);
        while !self.in_flight.is_empty() {
            self.settle(false);
        }
        self.server.pass(61);
        let rows: Vec<Lease> = self.rows.values().cloned().collect();
        let bound = rows.iter().filter(|lease| lease.state == LeaseState::Bound);
        let mut holders: Vec<_> = bound.map(|lease| (lease.subnet, lease.hardware, &lease.client_id)).collect();
        holders.sort();
        assert!(holders.windows(2).all(|pair| pair[0] != pair[1]), "a client has two leases: {holders:?}");
        assert_eq!(self.server.engine.leases().collect::<Vec<_>>(), rows);
        let mut rebuilt = Engine::new(Arc::new(variant(self.variant)), rows, self.server.now);
        let ours = self.server.engine.handle_timeout(self.server.now, usize::MAX);
        let theirs = rebuilt.handle_timeout(self.server.now, usize::MAX);
        assert_eq!(ours.len(), theirs.len());
        assert!(self.server.engine.leases().eq(rebuilt.leases()));
        assert!(self.server.engine.subnet_counts().eq(rebuilt.subnet_counts()));
        assert_eq!(self.server.engine.poll_timeout(), rebuilt.poll_timeout());
    }
}

/// Runs a history; panics where the engine breaks a promise.
pub(crate) fn run(steps: &[Step]) {
    let mut world = World::new();
    steps.iter().for_each(|step| world.run(step));
    world.compare_with_rebuilt();
}
