//! A seeded world: clients, a network that loses, doubles and reorders, a disk that fails, a clock that jumps, a DNS
//! server that goes away, and the server between them. What must always hold is checked where it could first break.

mod holds;
mod messages;
mod mishaps;
mod names;
mod network;
mod promises;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::net::Ipv4Addr;

use ddns::reconcile::{Outcome, SendTicket};
use dhcp::lease::{Lease, LeaseState};
use dhcp::time::Now;
use dns::Update;
use leasehold::core::pipeline::Arrival;
use store::simulated::SimStorage;

use crate::client::Client;
use crate::model::StoreModel;
use crate::packet::Packet;
use crate::plan::Plan;
use crate::remote::Remote;
use crate::rng::Rng;
use crate::server::{Doings, Machine, Server};
use holds::Holds;
use messages::Messages;
use names::Names;
use promises::Promises;

/// The server's own address.
pub(crate) const SERVER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
/// World start, in UTC seconds.
const EPOCH_SECS: u64 = 1_800_000_000;
/// Events in one millisecond: with more, something asks for a turn again and again without doing anything.
const EVENTS_AT_ONCE_MAX: u32 = 2_000;
/// Events of a whole world.
const EVENTS_MAX: u64 = 1_000_000;
/// Lines of the log that are kept.
const LOG_MAX: usize = 4_000;

enum Event {
    Client(usize),
    ToServer(Arrival),
    ToClient(usize, Packet),
    /// Valid while its number is the last one planned.
    Turn(u64),
    Commit(u64),
    Compaction(u64),
    /// To which of the servers.
    ToDns(u64, usize, SendTicket, Update, Fate),
    FromDns(u64, SendTicket, Outcome),
    Start,
    Mishap,
    /// Server, store and DNS are compared.
    Comparison,
    /// The disk has room again.
    Room,
}

/// What becomes of an update and its answer on the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Arrives,
    AnswerLost,
    /// The answer got lost, and the update was sent again within the same try.
    SentTwice,
}

pub(crate) type Checked = Result<(), String>;
pub(crate) type Tally = BTreeMap<&'static str, u64>;

pub(crate) struct World {
    rng: Rng,
    plan: Plan,
    now: u64,
    order: u64,
    /// Events at this moment so far.
    at_once: u32,
    queue: BinaryHeap<Reverse<(u64, u64, usize)>>,
    events: Vec<Option<Event>>,
    free: Vec<usize>,
    clients: Vec<Client>,
    storage: SimStorage,
    server: Option<Server>,
    /// Counts starts and deaths, so that answers to an earlier run are not taken by a later one.
    run: u64,
    booted_at: u64,
    /// By how much the wall clock is wrong, in seconds.
    skew: i64,
    /// By how much it was ahead at most.
    skew_max: i64,
    /// By how much it has jumped forward in all, in seconds.
    jumped: u64,
    /// When it last did, and the sum before that.
    last_jump: (u64, u64),
    /// The sum when the running server looked at the wall clock to tell what has run out: at its start, or when a clock
    /// that was in the past was set. Otherwise it lives by boot time.
    jumped_at_start: u64,
    /// What the server's wall clock told last, in UTC seconds.
    wall_secs: u64,
    remote: Remote,
    /// What the store acknowledged.
    model: StoreModel,
    promises: Promises,
    names: Names,
    messages: Messages,
    holds: Holds,
    /// Clients and transactions that take another server's offer.
    elsewhere: BTreeSet<([u8; 6], u32)>,
    /// Addresses that were requested, by client and transaction.
    requested: BTreeMap<([u8; 6], u32), BTreeSet<Ipv4Addr>>,
    turn: Option<(u64, u64)>,
    committing: bool,
    quiet: bool,
    verbose: bool,
    pub(crate) log: Vec<String>,
    /// How often what happened.
    pub(crate) tally: Tally,
}

impl World {
    /// A world as `seed` has it. Its log is kept when `verbose`.
    pub(crate) fn new(seed: u64, verbose: bool) -> Self {
        let mut rng = Rng::new(seed);
        let plan = Plan::new(&mut rng);
        let client = |index, rng: &mut Rng| match index {
            1 | 2 if plan.twins => Client::interface_of_host(index, rng),
            _ => Client::new(index, rng),
        };
        let mut clients: Vec<Client> = (0..plan.clients).map(|index| client(index, &mut rng)).collect();
        for client in &mut clients {
            (client.roams, client.haste) = (plan.roaming, plan.haste);
        }
        let apexes: Vec<_> = plan.settings.ddns.zones.iter().map(|route| &route.apex).collect();
        let mut world = Self {
            storage: SimStorage::new(seed),
            remote: Remote::new(&apexes, plan.dns_servers),
            rng,
            now: 0,
            order: 0,
            at_once: 0,
            queue: BinaryHeap::new(),
            events: Vec::new(),
            free: Vec::new(),
            clients,
            server: None,
            run: 0,
            booted_at: 0,
            skew: 0,
            skew_max: 0,
            jumped: 0,
            last_jump: (0, 0),
            jumped_at_start: 0,
            wall_secs: EPOCH_SECS,
            model: StoreModel::default(),
            promises: Promises::default(),
            names: Names::default(),
            messages: Messages::default(),
            holds: Holds::default(),
            elsewhere: BTreeSet::new(),
            requested: BTreeMap::new(),
            turn: None,
            committing: false,
            quiet: false,
            verbose,
            log: Vec::new(),
            tally: Tally::new(),
            plan,
        };
        world.at(0, Event::Start);
        for index in 0..world.clients.len() {
            world.at(world.clients[index].wakes_at, Event::Client(index));
        }
        world.at(2_000, Event::Mishap);
        world.at(3_000, Event::Comparison);
        world
    }

    fn at(&mut self, when: u64, event: Event) {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.events.push(None);
            self.events.len() - 1
        });
        self.events[slot] = Some(event);
        self.order += 1;
        self.queue.push(Reverse((when.max(self.now), self.order, slot)));
    }

    fn machine(&self) -> Machine {
        let wall_ms = (EPOCH_SECS * 1_000 + self.now).saturating_add_signed(self.skew * 1_000);
        Machine { boot_ms: 1_000 + self.now - self.booted_at, wall_ms }
    }

    /// What the server's clock tells, or the machine's while none runs.
    fn clock(&mut self) -> Now {
        let machine = self.machine();
        let now = match &mut self.server {
            Some(server) => server.now(machine),
            None => Now { boot_ms: machine.boot_ms, wall_secs: machine.wall_ms / 1_000 },
        };
        self.wall_secs = now.wall_secs;
        now
    }

    fn note(&mut self, text: impl FnOnce() -> String) {
        if !self.verbose {
            return;
        }
        if self.log.len() >= LOG_MAX {
            self.log.drain(..LOG_MAX / 2);
        }
        let line = format!("{:>8} {}", self.now, text());
        self.log.push(line);
    }

    fn count(&mut self, what: &'static str) {
        *self.tally.entry(what).or_default() += 1;
    }

    /// Runs the whole plan: turmoil, then quiet, then the end of every lease, then a newcomer.
    pub(crate) fn run(&mut self) -> Checked {
        self.run_until(self.plan.turmoil_ms)?;
        self.calm()?;
        // A server that found the disk full or died in the last moment is back by then.
        self.run_until(self.now + 180_000)?;
        self.await_dns("once all is quiet")?;
        self.check_memory()?;
        let is_bound = |lease: &&Lease| lease.state == LeaseState::Bound;
        let bound: Vec<Lease> = self.model.leases().filter(is_bound).cloned().collect();
        self.run_until(self.now + u64::from(self.plan.lease_secs) * 2_000 + 400_000)?;
        self.await_dns("once every lease has ended")?;
        self.check_all_ended(&bound)?;
        self.check_memory()?;
        let passed_over = self.messages.past_the_preferred;
        let index = self.clients.len();
        let newcomer = Client::newcomer(index, self.now, &mut self.rng);
        let mac = newcomer.mac;
        self.clients.push(newcomer);
        self.at(self.now + 1, Event::Client(index));
        self.run_until(self.now + 20_000)?;
        if !self.promises.holds_any(mac, self.now) {
            return Err("a newcomer to a quiet network gets no address".to_owned());
        }
        self.await_dns("for a newcomer")?;
        if self.messages.past_the_preferred != passed_over {
            return Err("all DNS servers are well, and a newcomer's name went past the preferred one".to_owned());
        }
        self.check_store()
    }

    fn run_until(&mut self, end: u64) -> Checked {
        while let Some(Reverse((when, _, slot))) = self.queue.peek().copied() {
            if when > end {
                break;
            }
            self.queue.pop();
            self.at_once = if when > self.now { 0 } else { self.at_once + 1 };
            if self.at_once > EVENTS_AT_ONCE_MAX || self.order > EVENTS_MAX {
                return Err("something is done again and again without end".to_owned());
            }
            self.now = when;
            let event = self.events[slot].take().expect("an event is handled once");
            self.free.push(slot);
            self.handle(event)?;
        }
        self.now = end;
        Ok(())
    }

    fn handle(&mut self, event: Event) -> Checked {
        match event {
            Event::Client(index) => self.client_turn(index),
            Event::ToServer(arrival) => self.arrive(arrival),
            Event::ToClient(index, packet) => {
                let now = self.now;
                self.clients[index].hear(now, &packet, &mut self.rng);
                self.wake(index);
            }
            Event::Turn(number) if self.turn.is_some_and(|(_, planned)| planned == number) => {
                return self.server_turn();
            }
            Event::Commit(run) if run == self.run => return self.commit(),
            Event::Compaction(run) if run == self.run => {
                if let Some(server) = &mut self.server {
                    server.run_compaction();
                }
                self.take_notes();
                if self.storage.crashed() {
                    return self.die(true, &[]);
                }
            }
            Event::Turn(_) | Event::Commit(_) | Event::Compaction(_) => {}
            Event::ToDns(run, door, ticket, update, fate) => {
                return self.update_arrives(run, door, ticket, &update, fate);
            }
            Event::FromDns(run, ticket, outcome) => {
                let now = self.clock();
                if run == self.run {
                    self.take_failure(ticket, &outcome);
                }
                if let Some(server) = self.server.as_mut().filter(|_| run == self.run) {
                    server.answer(now, ticket, outcome);
                    self.schedule();
                }
            }
            Event::Start => return self.start(),
            Event::Mishap => return self.mishap(),
            Event::Comparison => {
                let at = self.now + 1_000 + self.rng.below(8_000);
                self.at(at, Event::Comparison);
                return self.check_settled();
            }
            Event::Room => self.storage.set_capacity(None),
        }
        Ok(())
    }

    fn schedule(&mut self) {
        let now = self.clock();
        let soon = self.now + self.rng.below(3);
        let Some(server) = &self.server else { return };
        let timeout = || server.poll_timeout().map(|boot_ms| (boot_ms + self.booted_at).saturating_sub(1_000));
        let at = if server.is_ready(now) { Some(soon) } else { timeout().map(|at| at.max(self.now)) };
        let submitted = server.has_submitted();
        if let Some(at) = at.filter(|at| self.turn.is_none_or(|(planned, _)| planned > *at)) {
            let number = self.order + 1;
            self.turn = Some((at, number));
            self.at(at, Event::Turn(number));
        }
        if submitted && !self.committing {
            self.committing = true;
            // A sync takes as long as it takes.
            let takes = if self.rng.permille(20) { 50 + self.rng.below(400) } else { self.rng.below(4) };
            self.at(self.now + takes, Event::Commit(self.run));
        }
    }

    fn server_turn(&mut self) -> Checked {
        self.turn = None;
        let now = self.clock();
        let machine = self.machine();
        let Some(server) = &mut self.server else { return Ok(()) };
        let doings = server.turn(now, machine, &mut self.rng);
        if std::mem::take(&mut server.trusted_wall) {
            self.jumped_at_start = self.jumped;
        }
        self.carry_out(doings)?;
        self.schedule();
        Ok(())
    }

    fn commit(&mut self) -> Checked {
        self.committing = false;
        let now = self.clock();
        let Some(server) = &mut self.server else { return Ok(()) };
        let doings = server.commit(now);
        self.carry_out(doings)?;
        if self.rng.permille(300) {
            let at = self.now + self.rng.below(500);
            self.at(at, Event::Compaction(self.run));
        }
        self.schedule();
        Ok(())
    }

    fn take_notes(&mut self) {
        let Some(server) = &mut self.server else { return };
        let (notes, happened) = (std::mem::take(&mut server.notes), std::mem::take(&mut server.happened));
        notes.into_iter().for_each(|note| self.note(|| note));
        happened.into_iter().for_each(|what| self.count(what));
    }

    fn carry_out(&mut self, doings: Doings) -> Checked {
        self.take_notes();
        let Doings { departures, sends, answers, committed, died, undone } = doings;
        for rows in &committed {
            self.check_rows(rows)?;
            self.pay_for_changes(rows);
            self.model.apply(rows);
            self.note_names();
        }
        if !committed.is_empty()
            && let Some(double) = self.model.double_binding(self.wall_secs)
        {
            return Err(double);
        }
        for departure in departures {
            self.depart(departure)?;
        }
        if undone {
            // Those that were made upon what is undone.
            self.promises.forget_offers();
        }
        for send in sends {
            self.send_update(send)?;
        }
        for (number, rcode) in answers {
            self.made_by_hand(number, rcode);
        }
        match died {
            // A failed write ends the process; the machine may be gone with it.
            Some(unacknowledged) => {
                let power = self.storage.crashed() || self.rng.permille(500);
                self.die(power, &unacknowledged)
            }
            None => self.check_served(),
        }
    }
}
