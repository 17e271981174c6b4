//! The server in the simulation: the daemon's own core, pipeline, committer, zones and reconciler, wired as
//! `src/daemon.rs` wires them, with the world's clock, disk and network in place of the machine's.
//!
//! What the daemon's threads and tasks do side by side is done here in single actions, in an order left to chance.

mod committing;
mod updating;

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};

use config::settings::{DnsSettings, EmbeddedZone, Transfers};
use ddns::reconcile::{Feedback, Reconciler, Send, SendTicket};
use ddns::wanted::{RowKey, WantedRow, WantedTable};
use dhcp::time::Now;
use dns::{Fqdn, Rcode};
use leasehold::clock::{Pause, Told, is_in_the_past};
use leasehold::committer::{CommitResult, GroupCommit, Submission};
use leasehold::core::pipeline::{Arrival, BatchOutcome, Departure, Output, Pipeline, Step};
use leasehold::core::{Core, NameEvent};
use leasehold::embedded_zones::{self, LoadedZones, StoredZones};
use leasehold::zone_keeper::Keeping;
use store::journal::Compaction;
use store::rows::Row;
use store::simulated::SimStorage;
use store::{Contents, Options, Store};

use crate::model::StoreModel;
use crate::rng::Rng;
use crate::world::SERVER;

pub(crate) use committing::Whose;

/// Datagrams that the socket holds; more are lost.
const SOCKET_HOLDS: usize = 64;
/// How often a store without room is asked again, and a wrong clock looked at, in milliseconds.
const LOOK_AGAIN_MS: u64 = 1_000;

/// What does not change between two starts.
#[derive(Clone)]
pub(crate) struct Settings {
    pub(crate) dhcp: Arc<dhcp::settings::Settings>,
    pub(crate) ddns: Arc<ddns::settings::Settings>,
    pub(crate) embedded: bool,
    /// How many events the channel to the updater holds.
    pub(crate) events_max: usize,
    /// How often in a thousand times others keep the updater's task from its next turn for a while.
    pub(crate) updater_busy_permille: u64,
    /// For how long all wanted rows are on their way to the updater at most, in milliseconds.
    pub(crate) rows_take_ms_max: u64,
}

/// Who waits for an update of the embedded zones.
#[derive(Debug)]
pub(crate) enum Asker {
    Updater(SendTicket),
    /// Somebody with a key, by the number of what they do.
    Outside(usize),
}

/// The updater's question for all wanted rows, after an overflow.
enum Asked {
    No,
    /// The service decides nothing until nothing is in flight.
    Waiting,
    /// On their way, until these boot milliseconds.
    Answered(Vec<WantedRow>, u64),
}

/// The question to the committer whether a store without room has some again.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Room {
    NotAsked,
    Asked,
    Answered(bool),
}

/// The machine's clocks.
#[derive(Clone, Copy)]
pub(crate) struct Machine {
    pub(crate) boot_ms: u64,
    pub(crate) wall_ms: u64,
}

/// One run of the daemon, from start to crash.
pub(crate) struct Server {
    pub(crate) pipeline: Pipeline,
    commits: GroupCommit<SimStorage>,
    pub(crate) zones: Keeping<Asker>,
    ddns: Arc<ddns::settings::Settings>,
    reconciler: Reconciler,
    arrivals: VecDeque<Arrival>,
    submitted: Vec<Submission>,
    /// What was submitted, by its number, until its outcome is told.
    on_the_way: BTreeMap<u64, (Whose, Vec<Vec<Row>>)>,
    results: Arc<Mutex<Vec<(u64, CommitResult)>>>,
    next_submission: u64,
    /// Outcomes on their way from the committer to the service.
    outcomes: VecDeque<BatchOutcome>,
    room: Room,
    told: Told,
    newest_stamp: u64,
    expiry: Pause,
    /// Boot milliseconds: when a full store is asked again, or a wrong clock looked at.
    look_at: u64,
    /// It looked at the wall clock to tell which of the stored leases have run out.
    pub(crate) trusted_wall: bool,
    events: VecDeque<NameEvent>,
    overflowed: bool,
    asked: Asked,
    settled: VecDeque<Feedback>,
    /// Answers came in: the reconciler may have more to send.
    heard: bool,
    /// The updater's task gets no turn before this, in boot milliseconds.
    updater_busy_until: u64,
    settings: Settings,
    compaction: Option<Compaction<SimStorage>>,
    /// Something was done to the embedded zones.
    pub(crate) zones_touched: bool,
    /// For the log of the world.
    pub(crate) notes: Vec<String>,
    /// For the world's tally.
    pub(crate) happened: Vec<&'static str>,
}

/// What the world has to do after a turn or a commit.
#[derive(Default)]
pub(crate) struct Doings {
    pub(crate) departures: Vec<Departure>,
    pub(crate) sends: Vec<Send>,
    /// Answers to updates from outside.
    pub(crate) answers: Vec<(usize, Rcode)>,
    /// Transactions that are now durable.
    pub(crate) committed: Vec<Vec<Row>>,
    /// The store failed; these transactions may or may not be durable.
    pub(crate) died: Option<Vec<Vec<Row>>>,
    /// What found no room was undone.
    pub(crate) undone: bool,
}

#[derive(Clone, Copy)]
enum Action {
    Complete,
    Look,
    TakeRoom,
    Decide,
    Settle,
    Expire,
    TellRows,
    Update,
}

fn ddns_now(now: Now) -> ddns::Now {
    ddns::Now { boot_ms: now.boot_ms, wall_secs: now.wall_secs }
}

fn dns_settings(settings: &Settings) -> DnsSettings {
    let name = |text: &str| -> Fqdn { text.parse().expect("a name") };
    let zone = |apex: Fqdn| EmbeddedZone {
        sight: zones::Sight::of(apex.clone()),
        apex,
        ns: name("ns.sim.test"),
        hostmaster: name("hostmaster.sim.test"),
        ttl_secs: 3_600,
        negative_ttl_secs: 60,
        records: dns::SetList::default(),
        soa: None,
        keys: Vec::new(),
        policy: zones::UpdatePolicy::default(),
        update: zones::AccessList::default(),
        self_by_lease: false,
        transfers: Transfers::default(),
        derived: false,
    };
    let apexes = settings.ddns.zones.iter().filter(|_| settings.embedded).map(|route| route.apex.clone());
    DnsSettings { enabled: settings.embedded, zones: apexes.map(zone).collect(), ..DnsSettings::default() }
}

/// A server that has started.
pub(crate) struct Started {
    pub(crate) server: Server,
    /// What it found in its store.
    pub(crate) found: StoreModel,
    /// What came of what it stored before it serves.
    pub(crate) first: Doings,
}

/// Sorted, because the table has no order and a world has to be the same each time.
fn sorted(table: &WantedTable) -> Vec<WantedRow> {
    let mut rows: Vec<WantedRow> = table.iter().collect();
    rows.sort_by(|a, b| a.key.cmp(&b.key));
    rows
}

fn open(storage: SimStorage) -> Result<(Store<SimStorage>, Contents), String> {
    let options = Options { segment_bytes: 16 * 1024, ..Options::default() };
    let (store, contents, _) = Store::open(storage, &options).map_err(|error| leasehold::words(&error))?;
    Ok((store, contents))
}

impl Server {
    /// Only reads what the store holds.
    pub(crate) fn read(storage: SimStorage) -> Result<StoreModel, String> {
        open(storage).map(|(_, contents)| StoreModel::of(&contents))
    }

    /// Opens the store and builds everything from what it holds.
    pub(crate) fn start(settings: Settings, storage: SimStorage, machine: Machine) -> Result<Started, String> {
        let (store, mut contents) = open(storage)?;
        let found = StoreModel::of(&contents);
        let mut clock = Told::new(contents.newest_stamp, machine.boot_ms);
        let now = Now { boot_ms: machine.boot_ms, wall_secs: clock.advance(machine.boot_ms, machine.wall_ms) / 1_000 };
        let stored_zones = StoredZones::take(&mut contents);
        let LoadedZones { zones, histories, rows: first_rows, .. } =
            embedded_zones::load(&dns_settings(&settings), stored_zones, &[], now.wall_secs)
                .map_err(|error| format!("{error:#}"))?;
        let wanted = WantedTable::load(contents.wanted, &contents.confirmed);
        let mut core = Core::new(Arc::clone(&settings.dhcp), Arc::clone(&settings.ddns), contents.leases, wanted, now)
            .with_suffixes(contents.suffixes)
            .with_refusals(&contents.confirmed);
        let lost = core.mend_wanted().rows;
        if !lost.is_empty() {
            return Err(format!("the store is damaged: leases claim names that are not stored as wanted: {lost:?}"));
        }
        let reconciler =
            Reconciler::load(Arc::clone(&settings.ddns), ddns_now(now), sorted(core.wanted()), contents.confirmed);
        let past = is_in_the_past(machine.wall_ms / 1_000, contents.newest_stamp);
        let expiry = Pause::begin(now.boot_ms, past);
        let mut server = Self {
            pipeline: Pipeline::new(core),
            commits: GroupCommit::new(store),
            zones: Keeping::with_histories(zones, histories),
            reconciler,
            arrivals: VecDeque::new(),
            ddns: Arc::clone(&settings.ddns),
            submitted: Vec::new(),
            on_the_way: BTreeMap::new(),
            results: Arc::default(),
            next_submission: 0,
            outcomes: VecDeque::new(),
            room: Room::NotAsked,
            told: clock,
            newest_stamp: contents.newest_stamp,
            expiry,
            look_at: 0,
            trusted_wall: true,
            events: VecDeque::new(),
            overflowed: false,
            asked: Asked::No,
            settled: VecDeque::new(),
            heard: true,
            updater_busy_until: 0,
            settings,
            compaction: None,
            zones_touched: true,
            notes: Vec::new(),
            happened: Vec::new(),
        };
        if server.expiry != Pause::No {
            server.happened.push("expiry paused");
            server.pipeline.pause_expiry();
        }
        let first = server.commit_first(now, first_rows);
        Ok(Started { server, found, first })
    }

    /// What the daemon's clock tells.
    pub(crate) fn now(&mut self, machine: Machine) -> Now {
        let wall_ms = self.told.advance(machine.boot_ms, machine.wall_ms);
        Now { boot_ms: machine.boot_ms, wall_secs: wall_ms / 1_000 }
    }

    /// Takes what the operator has edited.
    pub(crate) fn reconfigure(&mut self, now: Now, settings: &Settings) {
        self.settings = settings.clone();
        self.ddns = Arc::clone(&settings.ddns);
        self.pipeline.reconfigure(Arc::clone(&settings.dhcp), Arc::clone(&settings.ddns), vec![SERVER], now);
    }

    /// The operator means what is held back: it is deleted. What that is.
    pub(crate) fn confirm_deletions(&mut self, now: Now) -> Vec<RowKey> {
        let held = self.reconciler.held_back();
        for zone in &held {
            self.reconciler.confirm_deletions(ddns_now(now), &zone.apex);
            self.heard = true;
        }
        held.into_iter().flat_map(|zone| zone.keys).collect()
    }

    pub(crate) fn arrive(&mut self, arrival: Arrival) {
        if self.arrivals.len() < SOCKET_HOLDS {
            self.arrivals.push_back(arrival);
        }
    }

    /// Nothing is between decision and disk.
    pub(crate) fn is_idle(&self) -> bool {
        self.pipeline.is_idle()
    }

    fn deciding(&self) -> bool {
        self.pipeline.has_room() && !matches!(self.asked, Asked::Waiting)
    }

    /// When the updater wants a turn and gets one, in boot milliseconds.
    fn updater_wants(&self) -> Option<u64> {
        let asks = self.overflowed && matches!(self.asked, Asked::No);
        let rows = match self.asked {
            Asked::Answered(_, arrive_at) => Some(arrive_at),
            Asked::No | Asked::Waiting => None,
        };
        let at_once = (!self.events.is_empty() || self.heard || asks).then_some(0);
        let wants = at_once.into_iter().chain(rows).chain(self.reconciler.poll_timeout()).min();
        wants.map(|at| at.max(self.updater_busy_until))
    }

    fn possible(&self, now: Now) -> Vec<Action> {
        let full = self.pipeline.storage_full();
        let due = |at: Option<u64>| at.is_some_and(|at| at <= now.boot_ms);
        let update = due(self.updater_wants());
        let all = [
            (Action::Complete, !self.outcomes.is_empty()),
            (Action::Look, self.looking() && due(Some(self.look_at))),
            (Action::TakeRoom, matches!(self.room, Room::Answered(_))),
            (Action::Decide, self.deciding() && !self.arrivals.is_empty()),
            (Action::Settle, self.deciding() && !full && !self.settled.is_empty()),
            (Action::Expire, self.deciding() && due(self.pipeline.poll_timeout())),
            (Action::TellRows, matches!(self.asked, Asked::Waiting) && self.pipeline.is_idle()),
            (Action::Update, update),
        ];
        all.into_iter().filter(|(_, possible)| *possible).map(|(action, _)| action).collect()
    }

    /// Whether it has something to do now.
    pub(crate) fn is_ready(&self, now: Now) -> bool {
        !self.possible(now).is_empty()
    }

    /// When it wants a turn though nothing arrives, in boot milliseconds.
    pub(crate) fn poll_timeout(&self) -> Option<u64> {
        let expiry = self.pipeline.poll_timeout().filter(|_| self.deciding());
        let look = self.looking().then_some(self.look_at);
        expiry.into_iter().chain(look).chain(self.updater_wants()).min()
    }

    /// Some of what can be done.
    pub(crate) fn turn(&mut self, now: Now, machine: Machine, rng: &mut Rng) -> Doings {
        let mut doings = Doings::default();
        loop {
            let possible = self.possible(now);
            if possible.is_empty() {
                break;
            }
            match *rng.pick(&possible) {
                Action::Complete => self.complete(now, &mut doings),
                Action::Look => self.look(now, machine),
                Action::TakeRoom => self.take_room(),
                Action::Decide => self.decide(now, rng, &mut doings),
                Action::Settle => {
                    let names: Vec<_> = self.settled.drain(..).collect();
                    let step = self.pipeline.settle_names(&names);
                    self.step(now, step, &mut doings);
                }
                Action::Expire => {
                    let step = self.pipeline.expire(now, 3);
                    self.step(now, step, &mut doings);
                }
                Action::TellRows => self.tell_rows(now, rng),
                Action::Update => self.update(now, rng, &mut doings),
            }
            if rng.permille(400) {
                break;
            }
        }
        self.pipeline.take_dropped().for_each(drop);
        doings
    }

    fn decide(&mut self, now: Now, rng: &mut Rng, doings: &mut Doings) {
        let take = 1 + usize::try_from(rng.below(self.arrivals.len() as u64)).expect("few");
        let arrivals: Vec<Arrival> = self.arrivals.drain(..take).collect();
        let step = self.pipeline.decide(now, arrivals);
        self.step(now, step, doings);
    }

    fn looking(&self) -> bool {
        let asks = self.pipeline.storage_full() && self.room == Room::NotAsked;
        self.deciding() && (asks || self.expiry != Pause::No)
    }

    fn look(&mut self, now: Now, machine: Machine) {
        self.look_at = now.boot_ms + LOOK_AGAIN_MS;
        let past = is_in_the_past(machine.wall_ms / 1_000, self.newest_stamp);
        if self.expiry.decide(now.boot_ms, past).is_some() {
            self.happened.push("expiry resumed");
            self.pipeline.resume_expiry(now);
            self.trusted_wall = true;
        }
        if self.pipeline.storage_full() && self.room == Room::NotAsked {
            self.room = Room::Asked;
        }
    }

    fn take_room(&mut self) {
        let answer = std::mem::replace(&mut self.room, Room::NotAsked);
        if answer == Room::Answered(true) && self.pipeline.storage_full() {
            self.happened.push("room again");
            self.pipeline.room_again();
        }
    }

    /// While nothing is in flight every wanted row is committed.
    fn tell_rows(&mut self, now: Now, rng: &mut Rng) {
        let arrive_at = now.boot_ms + rng.below(self.settings.rows_take_ms_max);
        self.asked = Asked::Answered(sorted(self.pipeline.core().wanted()), arrive_at);
    }

    fn complete(&mut self, now: Now, doings: &mut Doings) {
        let Some(outcome) = self.outcomes.pop_front() else { return };
        doings.undone |= outcome == BatchOutcome::NoSpace && !self.pipeline.storage_full();
        let output = self.pipeline.complete(now, outcome).expect("only a failed store ends the pipeline");
        self.finish(output, doings);
    }

    fn step(&mut self, now: Now, step: Step, doings: &mut Doings) {
        match step {
            Step::Finish(output) => self.finish(output, doings),
            Step::Submit(mut transactions, early) => {
                let epoch = self.pipeline.epoch();
                let with_leases = self.zones.decide_with_leases(&self.ddns, now.wall_secs, &mut transactions);
                if let Some(with_leases) = &with_leases {
                    self.pipeline.names_written(with_leases.written.clone());
                }
                self.submit(now, Whose::Dhcp(with_leases), epoch, transactions);
                self.finish(early, doings);
            }
        }
    }

    /// Replies leave, and events enter the channel: one that finds it full raises the flag.
    fn finish(&mut self, output: Output, doings: &mut Doings) {
        doings.departures.extend(output.departures);
        if output.names.is_empty() {
            return;
        }
        if self.events.len() < self.settings.events_max {
            self.events.push_back(output.names);
        } else {
            self.happened.push("event overflowed");
            self.overflowed = true;
        }
    }
}
