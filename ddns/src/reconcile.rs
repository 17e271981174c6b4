//! Wanted, in flight, confirmed, refused: retried until done.
//!
//! Sans-IO. What is wanted goes in by [`Reconciler::handle_wanted`], updates come out of [`Reconciler::poll_send`],
//! their outcomes go back by [`Reconciler::handle_outcome`], time by [`Reconciler::poll_timeout`]'s say-so. What is to
//! be stored, settled and told comes out of [`Reconciler::take_effects`].
//!
//! A row's way (a newer wanted generation leads back to Ready from everywhere, at once or after the answer):
//!
//! ```text
//!            ┌───────────────────────── its forward row is done ─────────────┐
//!            ▼                                                               │
//!  Ready ──► InFlight ──done──► Done, or gone when nothing was wanted     Blocked (a PTR whose forward row is not done)
//!    ▲          │ │ │                                                        ▲
//!    │          │ │ └──── the former PTR is removed, the new one must wait ──┘
//!    │          │ └── a failure of the whole zone: back to the queue of its lane ([`lane`])
//!    └── due ── Waits (a failure of its own: doubling pause; a conflict: a long one, but see [`ways`])
//! ```
//!
//! A row that the configuration withdraws is Held before it is Ready ([`hold`]).
//!
//! Rows of one zone travel together, up to 16 in one update ([`batch`]).
//!
//! Limits: one transaction a key; 16 updates under way at a remote server, 64 at the embedded one; 8,192 keys remembered
//! after they are gone, so that a late older row cannot bring one back. Per poll the cost is that of the zones, not
//! of the rows.

mod batch;
mod effects;
mod explain;
mod health;
mod hold;
mod known;
mod lane;
mod mend;
mod rezone;
mod rows;
mod schedule;
mod status;
mod ways;
mod written;

use std::cmp;
use std::collections::{BinaryHeap, HashMap};
use std::net::SocketAddr;
use std::sync::Arc;

use dns::{Fqdn, HostIdentity, Rcode, Update};
use faults::{Fault, planted};

use batch::{ANY_COMPANY, Batch, Message};
pub use batch::{HALVINGS_MAX, ROWS_MAX};
use effects::Tombstones;
pub use effects::{Effects, Feedback, STATED_TYPES};
pub use explain::{News, explain, explain_at};
use health::Heard;
pub use health::{ServerHealth, Standing, ZoneHealth};
pub use hold::{HeldBack, QUIET_MS};
pub use known::{ConfirmedRow, LastAnswer, Outcome, Send, SendTicket, Unsure};
use lane::{Health, Lane, Place, backoff_ms, is_zone_failure};
pub use mend::{Again, Mend};
use rows::{Rows, Seen};
pub use status::{RowStatus, Stage, ZoneStatus};
use ways::{Breaker, Way, add_held};

use crate::Now;
use crate::settings::{Settings, ZoneServer};
use crate::transaction::{Ending, Plan, Step, Transaction};
use crate::wanted::{Held, RowKey, Want, WantedRow};

/// Updates under way at one remote server.
pub const REMOTE_IN_FLIGHT_MAX: u32 = 16;
/// Updates under way at the embedded server, which takes them in batches.
pub const EMBEDDED_IN_FLIGHT_MAX: u32 = 64;

/// Brings DNS to hold what is wanted.
#[derive(Debug, Default)]
pub struct Reconciler {
    settings: Arc<Settings>,
    rows: Rows,
    /// One per zone of the settings, in their order.
    lanes: Vec<Lane>,
    servers: Vec<Server>,
    /// Rows that wait for their own next try, the earliest first; void places included.
    timed: BinaryHeap<cmp::Reverse<(u64, u64, u32)>>,
    /// Messages under way, by ticket.
    flights: HashMap<u64, Batch>,
    /// Reverse rows by the name of the forward row that they wait for.
    waiters: HashMap<Fqdn, Vec<Place>>,
    tombstones: Tombstones,
    /// What was known, when the store was last written, of rows that no zone is known for.
    unplaced: HashMap<RowKey, ConfirmedRow>,
    effects: Effects,
    next_ticket: u64,
    next_stamp: u64,
    next_lane: usize,
}

#[derive(Debug)]
struct Server {
    /// `None`: the embedded one.
    at: Option<SocketAddr>,
    in_flight: u32,
    in_flight_max: u32,
    breaker: Breaker,
    /// Of the last time that no answer came.
    silent: Heard,
}

#[derive(Debug)]
struct Entry {
    row: WantedRow,
    lane: Option<u32>,
    phase: Phase,
    /// Voids every queued place made with another one.
    stamp: u64,
    /// No zone holds the key, and what DNS holds is at a server that can no longer be asked to remove it: the row waits
    /// until the zone is back.
    abandoned: bool,
    /// The zone that holds the key is still looked for: the row waits, whatever is wanted.
    sought: bool,
    /// What DNS holds of ours; not kept while done, as it is what is wanted then. See [`Entry::held`].
    holds: Option<Box<Held>>,
    last: LastAnswer,
    /// Tries since the last success.
    attempts: u32,
    /// Failures since the wanted content last changed.
    streak: u32,
    /// UTC seconds of the last answer.
    at: u64,
    /// The answer that the operator was last told of.
    told: LastAnswer,
    /// Somebody else's records are there, of which nobody is told, nor is it stored: they may be ours, made late.
    untold: bool,
    /// The generation that what is stored of it is about.
    stored: u64,
    /// In a message of how many rows it may travel: one after an update of its own failed, until one succeeds.
    company: u8,
    /// Boot milliseconds until which an update that failed may still be made at one of several servers; 0: none.
    unsure_until: u64,
    /// What such updates would write.
    unsure: Vec<Held>,
    /// Done, and to be written once more at its place in the queue of time.
    again: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// DNS holds what is wanted.
    Done,
    /// In its lane's queue.
    Ready,
    InFlight,
    /// Waits for its forward row.
    Blocked,
    /// Waits until these boot milliseconds.
    Waits(u64),
    /// The configuration withdraws it, together with others: they are counted first ([`hold`]).
    Held,
    /// Never to be tried again as things are.
    Idle,
}

/// One transaction under way.
#[derive(Debug)]
struct Flight {
    index: u32,
    lane: u32,
    generation: u64,
    transaction: Transaction,
    /// What DNS holds once it is done.
    outcome: Option<Want>,
    /// Only what is left of before is removed: what is wanted must wait for the forward row.
    clears_only: bool,
    /// Nothing is known of the name in DNS; it was taken for ours already, as others of its zone were.
    guessed: bool,
    /// It turned out to be the other way round.
    mistaken: bool,
}

impl Reconciler {
    /// A reconciler of what the store holds. Settled rows and rows to be dropped are among its effects.
    #[must_use]
    pub fn load(
        settings: Arc<Settings>,
        now: Now,
        wanted: impl IntoIterator<Item = WantedRow>,
        confirmed: impl IntoIterator<Item = ConfirmedRow>,
    ) -> Self {
        let mut reconciler = Self::new(settings);
        reconciler.take_rows(now, wanted, confirmed);
        reconciler
    }

    /// Takes in rows and what is known of them, all at once.
    fn take_rows(
        &mut self,
        now: Now,
        wanted: impl IntoIterator<Item = WantedRow>,
        confirmed: impl IntoIterator<Item = ConfirmedRow>,
    ) {
        for row in wanted {
            let entry = self.entry_for(row);
            self.rows.put(entry);
        }
        for seen in confirmed {
            self.recall(now, seen);
        }
        self.look_at_all(now);
    }

    /// What follows from the rows that were read, once all that is known of them was read too.
    fn look_at_all(&mut self, now: Now) {
        let unconfirmed: Vec<RowKey> =
            self.rows.packed_rows().filter(|row| !row.note().done).map(|row| row.key()).collect();
        for key in &unconfirmed {
            self.rows.open(key);
        }
        for index in self.rows.indexes() {
            let Some(entry) = self.entry(index) else { continue };
            match (entry.phase, &entry.row.want) {
                (Phase::Done, None) => self.remove(index),
                (Phase::Done, Some(_)) => self.remember_unsure(now, index),
                _ => {
                    self.take_for_unsure(now, index);
                    self.schedule(now, index);
                }
            }
        }
        // What was recalled of a row made its record longer, and thus moved it.
        self.rows.tidy();
        self.tell_homeless();
    }

    /// A reconciler that wants nothing yet.
    #[must_use]
    pub fn new(settings: Arc<Settings>) -> Self {
        let mut reconciler = Self::default();
        for zone in &settings.zones {
            let ways = match &zone.server {
                ZoneServer::Embedded => {
                    vec![Way::new(reconciler.server_at(None, EMBEDDED_IN_FLIGHT_MAX), zone.server.clone())]
                }
                ZoneServer::Remote { servers, auth } => servers
                    .iter()
                    .map(|&at| {
                        let to = ZoneServer::Remote { servers: Arc::new([at]), auth: auth.clone() };
                        Way::new(reconciler.server_at(Some(at), REMOTE_IN_FLIGHT_MAX), to)
                    })
                    .collect(),
            };
            reconciler.lanes.push(Lane::of(ways));
        }
        reconciler.settings = settings;
        reconciler
    }

    /// Zones share a server's limit and its breaker when they share its address; keys do not matter to it.
    fn server_at(&mut self, at: Option<SocketAddr>, in_flight_max: u32) -> usize {
        if let Some(known) = self.servers.iter().position(|server| server.at == at) {
            return known;
        }
        self.servers.push(Server {
            at,
            in_flight: 0,
            in_flight_max,
            breaker: Breaker::default(),
            silent: Heard::default(),
        });
        self.servers.len() - 1
    }

    /// Takes a wanted row: a newer generation replaces an older one, an older one is ignored.
    pub fn handle_wanted(&mut self, now: Now, row: WantedRow) {
        let overtakes = planted(Fault::OlderUpdateOvertakes);
        if self.tombstones.newest(&row.key).is_some_and(|gone| gone >= row.generation) && !overtakes {
            return;
        }
        let Some(newest) = self.rows.generation_of(&row.key) else {
            let index = self.insert(row);
            self.schedule(now, index);
            return;
        };
        if row.generation <= newest && !overtakes {
            return;
        }
        let Some(index) = self.rows.open(&row.key) else { return };
        self.unblock(index);
        let Some(entry) = self.entry_mut(index) else { return };
        entry.holds = entry.held().map(Box::new);
        let refused = entry.refused();
        entry.row = row;
        if let Some(refused) = refused {
            entry.row.former.retain(|held| held.identity != refused);
        }
        (entry.streak, entry.untold) = (0, false);
        // Queued: it keeps its place, so that a name that changes often takes no more room than another. Under way:
        // the answer to what was sent decides how to go on.
        let queued = entry.phase == Phase::Ready && !hold::is_withheld(&entry.row);
        if !queued && entry.phase != Phase::InFlight {
            self.schedule(now, index);
        }
    }

    /// The next update to be sent, if any may be. To be called until it returns `None`.
    pub fn poll_send(&mut self, now: Now) -> Option<Send> {
        self.count_held(now);
        while let Some(cmp::Reverse((due_ms, stamp, index))) = self.timed.peek().copied() {
            if due_ms > now.boot_ms {
                break;
            }
            self.timed.pop();
            let waits = |entry: &Entry| {
                let again = entry.phase == Phase::Done && entry.again;
                entry.stamp == stamp && (again || matches!(entry.phase, Phase::Waits(_)))
            };
            if self.entry(index).is_some_and(waits) {
                if let Some(entry) = self.entry_mut(index) {
                    entry.holds = entry.held().map(Box::new);
                    entry.again = false;
                }
                self.schedule(now, index);
            }
        }
        if let Some(send) = self.probe(now) {
            return Some(send);
        }
        let lanes = self.lanes.len();
        for offset in 0..lanes {
            let lane = (self.next_lane + offset) % lanes;
            if self.may_send(lane, now)
                && let Some(send) = self.gather(now, lane)
            {
                self.next_lane = (lane + 1) % lanes;
                return Some(send);
            }
        }
        None
    }

    /// When [`Reconciler::poll_send`] may have something that it has not now, in boot milliseconds.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<u64> {
        let row = self.timed.peek().map(|cmp::Reverse((due_ms, ..))| *due_ms);
        self.lanes
            .iter()
            .filter_map(Lane::next_probe)
            .chain(row)
            .chain(self.next_probe())
            .chain(self.next_count())
            .min()
    }

    /// Takes the outcome of an update.
    pub fn handle_outcome(&mut self, now: Now, ticket: SendTicket, outcome: Outcome) {
        let Some(batch) = self.flights.remove(&ticket.0) else { return };
        let (lane, way) = (batch.lane as usize, batch.way);
        let server = self.lanes[lane].ways[way].server;
        self.servers[server].in_flight -= 1;
        let heard = Heard::of(outcome, now);
        if matches!(outcome, Outcome::Timeout | Outcome::BadAnswer) {
            self.servers[server].silent = heard;
        }
        self.lanes[lane].ways[way].heard = heard;
        if batch.flights.is_empty() {
            return self.probed(now, &batch, outcome);
        }
        self.lanes[lane].in_flight -= 1;
        let failure = match outcome {
            Outcome::Answer(code) if is_zone_failure(code) => LastAnswer::Refused(code),
            Outcome::Answer(code) => {
                if code != Rcode::REFUSED {
                    self.reached(lane, way, true);
                    self.succeed(lane);
                }
                let message = Message { ticket: ticket.0, lineage: batch.lineage, lane, way };
                return self.answered(now, message, batch.flights, code);
            }
            failed => failed.failure(),
        };
        let message = Message { ticket: ticket.0, lineage: batch.lineage, lane, way };
        self.fail(now, message, &batch.flights, failure);
    }

    /// The rows that an update under way is about; none where it only asks whether a server is back.
    pub fn rows_under_way(&self, ticket: SendTicket) -> impl Iterator<Item = &RowKey> {
        let flights = self.flights.get(&ticket.0).map_or(&[][..], |batch| &batch.flights);
        flights.iter().filter_map(|flight| self.entry(flight.index)).map(|entry| &entry.row.key)
    }

    /// What is to be stored, settled and told since the last call.
    pub fn take_effects(&mut self) -> Effects {
        std::mem::take(&mut self.effects)
    }

    fn entry(&self, index: u32) -> Option<&Entry> {
        self.rows.at(index)
    }

    fn entry_mut(&mut self, index: u32) -> Option<&mut Entry> {
        self.rows.at_mut(index)
    }

    fn may_send(&self, lane: usize, now: Now) -> bool {
        let server = &self.servers[self.lanes[lane].ways[self.way_of(lane)].server];
        server.in_flight < server.in_flight_max && self.lanes[lane].may_send(now.boot_ms)
    }

    /// Starts a row's transaction; `None` when it was over before anything had to be sent.
    fn begin(&mut self, now: Now, index: u32, lane: u32) -> Option<(Flight, Update)> {
        let clears_only = self.must_wait(index);
        let mut former = self.leftovers(index);
        if !clears_only && let Some(entry) = self.entry(index) {
            entry.unsure.iter().for_each(|held| add_held(&mut former, held, entry.row.want.as_ref()));
        }
        let zone = self.settings.zones[lane as usize].apex.clone();
        let guard = self.settings.reverse;
        let entry = self.entry(index)?;
        let want = entry.row.want.clone().filter(|_| !clears_only);
        let held = want.as_ref().is_some_and(|want| entry.held().is_some_and(|held| held.is_as_of(want)));
        let generation = entry.row.generation;
        let stated = matches!(entry.row.key, RowKey::Stated(..));
        let guessed = !held && !stated && want.is_some() && self.lanes[lane as usize].expects_ours;
        let held = held || guessed;
        let plan = Plan { zone, key: entry.row.key.clone(), want: want.clone(), former, held, guard };
        let owner = self.settings.owner_of(&plan.key);
        let (transaction, step) = Transaction::start_at(plan, owner);
        let outcome = want;
        let flight = Flight { index, lane, generation, transaction, outcome, clears_only, guessed, mistaken: false };
        match step {
            Step::Send(update) if !planted(Fault::RowConfirmedUnsent) => {
                if let Some(entry) = self.entry_mut(index) {
                    entry.phase = Phase::InFlight;
                }
                Some((flight, update))
            }
            // Nothing is to be sent, as nothing is left and nothing wanted.
            Step::Send(_) | Step::Finished(_) => {
                self.finish(now, &flight, Ending::Done);
                None
            }
        }
    }

    /// Whether the flight is about the row's newest content.
    fn is_current(&self, flight: &Flight) -> bool {
        self.entry(flight.index).is_some_and(|entry| entry.row.generation == flight.generation)
    }
}

impl Flight {
    fn key(&self) -> &RowKey {
        self.transaction.key()
    }
}

impl Entry {
    /// Records that the configuration stated and that were not written, because others were there: if the like of them
    /// come to stand there, they are not ours.
    fn refused(&self) -> Option<HostIdentity> {
        let refused =
            self.last == LastAnswer::Conflict && self.holds.is_none() && matches!(self.phase, Phase::Waits(_));
        let stated = matches!(self.row.key, RowKey::Stated(..));
        self.row.want.as_ref().filter(|_| refused && stated).map(|want| want.identity.clone())
    }

    /// Whether DNS has somebody else's records there, told or not.
    fn is_anothers(&self) -> bool {
        self.last == LastAnswer::Conflict || self.untold
    }

    /// What DNS holds of ours under the key, as of the last answer that told.
    fn held(&self) -> Option<Held> {
        match self.phase {
            Phase::Done => self.row.want.as_ref().map(Want::held),
            _ => self.holds.as_deref().cloned(),
        }
    }
}

#[cfg(test)]
mod tests;
