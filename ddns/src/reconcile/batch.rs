//! Changes to one zone travel together: many rows in one message.
//!
//! RFC 2136 section 3.4: all of a message happens, or none. Rows of one message have no owner name in common, so the
//! message does to each just what its own update would have done, and "NOERROR" is the answer to each. Any other answer
//! names nobody: nothing was changed, and the message is halved until the guilty rows are alone. Only an answer to a
//! row that is alone goes to its [`Transaction`](crate::transaction::Transaction).
//!
//! ```text
//!  rows that wait ──► message of n ──NOERROR──► each row's next step, or done
//!                       ▲   │
//!                       │   ├──no answer, or one about the whole zone──► all wait, and travel n / 2 together next time
//!                  n/2, n/2 │
//!                       └───┴──else, and n > 1
//!                           └──else, and n = 1──► the row's own affair; it travels alone until it is done
//! ```
//!
//! A guilty row costs at most two messages for each halving, [`ROWS_MAX`] rows need [`HALVINGS_MAX`] of them; then it is
//! known, also after its row is gone and back ([`super::effects::Tombstones`]), and costs what it would have cost alone.
//! Were every row guilty, all would cost less than three messages each, where one by one they cost two.
//!
//! Where nothing is known of a name in DNS, the first one tells how the others of its zone begin: as new names
//! (RFC 4703 section 5.3.1), or as ours (5.3.2). So a zone of names that are all there, but not in the store, does not cost
//! a search for each. Either beginning leads to the same end.
//!
//! The embedded server takes updates one by one: there they are stored together anyway, by one sync.

use std::collections::VecDeque;
use std::mem::discriminant;

use dns::{Change, Fqdn, Prerequisite, Rcode, Update};
use faults::{Fault, planted};

use super::{Entry, Flight, LastAnswer, Phase, Reconciler, Send};
use crate::Now;
use crate::settings::ZoneServer;
use crate::transaction::{Ending, Step};
use crate::wanted::RowKey;

/// Rows in one message.
pub const ROWS_MAX: usize = 16;
/// How often a message of [`ROWS_MAX`] rows is halved until a row is alone.
pub const HALVINGS_MAX: usize = ROWS_MAX.next_power_of_two().ilog2() as usize;
/// Octets of one message, its signature left out, as [`octets_of`] estimates them: with a signature it fits a datagram
/// that passes every path without fragments (1,232 octets), which costs the server less than a connection does. A row
/// that alone is longer travels alone, over TCP.
const OCTETS_MAX: usize = 1_080;
/// What a row's updates may travel with, before anything went wrong.
pub(super) const ANY_COMPANY: u8 = u8::MAX;

/// What one message is about.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) lane: u32,
    /// To which of the zone's servers it went.
    pub(super) way: usize,
    /// The ticket of the whole that this is a piece of; its own one when it is no piece.
    pub(super) lineage: u64,
    pub(super) flights: Vec<Flight>,
}

/// Which message an answer is about.
#[derive(Clone, Copy, Debug)]
pub(super) struct Message {
    pub(super) ticket: u64,
    pub(super) lineage: u64,
    pub(super) lane: usize,
    pub(super) way: usize,
}

/// What waits at a lane to be sent before any row of its queues.
#[derive(Debug, Default)]
pub(super) struct Ahead {
    /// Halves of messages that failed, each with its lineage.
    pub(super) pieces: VecDeque<(u64, Vec<Flight>)>,
    /// Next steps of transactions under way.
    pub(super) steps: VecDeque<Flight>,
}

impl Ahead {
    pub(super) fn is_empty(&self) -> bool {
        self.pieces.is_empty() && self.steps.is_empty()
    }
}

/// A message that is being put together.
struct Gathering {
    flights: Vec<Flight>,
    update: Option<Update>,
    octets: usize,
    /// With how many its rows may travel.
    rows_max: usize,
}

/// Why a row does not travel with those that are gathered.
enum Apart {
    /// It failed before: it goes in a message of its own.
    Aside(Flight),
    /// They are enough: it is the first of the next message.
    First(Flight),
}

impl Gathering {
    fn new(rows_max: usize) -> Self {
        Self { flights: Vec::new(), update: None, octets: 0, rows_max }
    }

    fn has_room(&self) -> bool {
        self.flights.len() < self.rows_max && self.octets < OCTETS_MAX
    }

    /// Takes a row's update in; `Some`: it must not travel with the others.
    fn join(&mut self, flight: Flight, update: Update, company: u8) -> Option<Apart> {
        let octets = octets_of(&update);
        if let Some(first) = self.flights.first() {
            if self.flights.len() >= usize::from(company) {
                return Some(Apart::Aside(flight));
            }
            // Names and addresses apart: then no two rows of a message can have an owner name in common.
            let same_kind = discriminant(first.key()) == discriminant(flight.key());
            if !same_kind || self.octets + octets > OCTETS_MAX {
                return Some(Apart::First(flight));
            }
        }
        self.rows_max = self.rows_max.min(usize::from(company).max(1));
        self.add(flight, update, octets);
        None
    }

    fn add(&mut self, flight: Flight, update: Update, octets: usize) {
        self.octets += octets;
        self.flights.push(flight);
        match &mut self.update {
            Some(whole) => {
                whole.prerequisites.extend(update.prerequisites);
                whole.changes.extend(update.changes);
            }
            None => self.update = Some(update),
        }
    }
}

impl Reconciler {
    /// The next message to a lane's zone, of whatever waits there now: a row that is alone waits for nobody.
    pub(super) fn gather(&mut self, now: Now, lane: usize) -> Option<Send> {
        while let Some((lineage, flights)) = self.lanes[lane].ahead.pieces.pop_front() {
            let mut whole = Gathering::new(flights.len());
            for flight in flights {
                if let Some((flight, update)) = self.still_wanted(now, flight) {
                    let octets = octets_of(&update);
                    whole.add(flight, update, octets);
                }
            }
            if let Some(send) = self.launch(lane, Some(lineage), whole) {
                return Some(send);
            }
        }
        let mut whole = Gathering::new(self.rows_together(lane));
        while whole.has_room() {
            let Some((flight, update)) = self.next_row(now, lane) else { break };
            let company = self.entry(flight.index).map_or(1, |entry| entry.company);
            let ahead = &mut self.lanes[lane].ahead;
            match whole.join(flight, update, company) {
                None => {}
                Some(Apart::Aside(flight)) => ahead.pieces.push_back((self.next_ticket, vec![flight])),
                Some(Apart::First(flight)) => {
                    ahead.steps.push_front(flight);
                    break;
                }
            }
        }
        self.launch(lane, None, whole)
    }

    /// A probe of a zone that cannot be updated is one row: a larger message may be what the server chokes on.
    fn rows_together(&self, lane: usize) -> usize {
        match self.settings.zones[lane].server {
            ZoneServer::Remote { .. } if self.lanes[lane].is_up() => ROWS_MAX,
            _ => 1,
        }
    }

    fn next_row(&mut self, now: Now, lane: usize) -> Option<(Flight, Update)> {
        while let Some(flight) = self.lanes[lane].ahead.steps.pop_front() {
            let found = self.still_wanted(now, flight);
            if found.is_some() {
                return found;
            }
        }
        loop {
            let (index, stamp) = self.lanes[lane].pop()?;
            let current = |entry: &Entry| entry.stamp == stamp && entry.phase == Phase::Ready;
            if self.entry(index).is_some_and(current)
                && let Some(begun) = self.begin(now, index, lane as u32)
            {
                return Some(begun);
            }
        }
    }

    /// A transaction whose row has newer content by now is given up: nothing of its next step was sent.
    fn still_wanted(&mut self, now: Now, flight: Flight) -> Option<(Flight, Update)> {
        match flight.transaction.pending() {
            Step::Send(update) if self.is_current(&flight) => Some((flight, update)),
            _ => {
                self.schedule(now, flight.index);
                None
            }
        }
    }

    fn launch(&mut self, lane: usize, lineage: Option<u64>, whole: Gathering) -> Option<Send> {
        let Gathering { flights, update, .. } = whole;
        let update = update?;
        let way = self.way_of(lane);
        Some(self.put_under_way(lane, way, lineage, flights, update))
    }

    /// A believed answer that says nothing about the whole zone.
    pub(super) fn answered(&mut self, now: Now, message: Message, mut flights: Vec<Flight>, code: Rcode) {
        let Message { ticket, lineage, lane, .. } = message;
        let names_nobody = flights.len() > 1 && code != Rcode::NO_ERROR;
        if names_nobody && !planted(Fault::BatchTakenAsDone) {
            let refused = LastAnswer::Refused(code);
            if code == Rcode::REFUSED && self.lanes[lane].is_zone_wide(ticket, lineage, refused) {
                return self.fail(now, message, &flights, refused);
            }
            if !is_about_contents(code) {
                flights.iter().for_each(|flight| self.may_be_made_late(now, flight));
            }
            let rest = flights.split_off(flights.len() / 2);
            self.lanes[lane].ahead.pieces.extend([(lineage, flights), (lineage, rest)]);
            return;
        }
        let code = if names_nobody { Rcode::NO_ERROR } else { code };
        for mut flight in flights {
            // REFUSED may be about the whole zone.
            if !matches!(code, Rcode::NO_ERROR | Rcode::REFUSED)
                && !planted(Fault::GuiltyInCompany)
                && let Some(entry) = self.entry_mut(flight.index)
            {
                entry.company = 1;
            }
            let stated = matches!(flight.key(), RowKey::Stated(..));
            flight.mistaken |= !stated
                && match code {
                    Rcode::YX_DOMAIN | Rcode::YX_RRSET => !flight.guessed,
                    Rcode::NX_DOMAIN | Rcode::NX_RRSET => flight.guessed,
                    _ => false,
                };
            match flight.transaction.next(code) {
                Step::Finished(Ending::Done) if flight.mistaken => {
                    self.lanes[lane].expects_ours = !flight.guessed;
                    self.finish(now, &flight, Ending::Done);
                }
                Step::Send(_) => self.lanes[lane].ahead.steps.push_back(flight),
                Step::Finished(Ending::Refused(code)) => {
                    self.fail(now, message, std::slice::from_ref(&flight), LastAnswer::Refused(code));
                }
                Step::Finished(ending) => self.finish(now, &flight, ending),
            }
        }
    }

    /// What waits ahead at a lane goes back to its queues: the zone cannot be updated now.
    pub(super) fn dissolve(&mut self, now: Now, lane: usize) {
        let Ahead { pieces, steps } = std::mem::take(&mut self.lanes[lane].ahead);
        for flight in pieces.into_iter().flat_map(|(_, flights)| flights).chain(steps) {
            self.schedule(now, flight.index);
        }
    }
}

/// Whether a code says that a prerequisite did not hold (RFC 2136 section 3.2), so that the zone was looked at.
fn is_about_contents(code: Rcode) -> bool {
    matches!(code, Rcode::YX_DOMAIN | Rcode::YX_RRSET | Rcode::NX_DOMAIN | Rcode::NX_RRSET)
}

/// About how many octets an update takes in a message: each owner name once, below the zone's, then pointers to it.
fn octets_of(update: &Update) -> usize {
    /// A pointer; type, class, TTL and data length.
    const RECORD: usize = 2 + 10;
    let below = |name: &Fqdn| name.as_wire().len().saturating_sub(update.zone.as_wire().len());
    let mut last: Option<&Fqdn> = None;
    let mut owner = |name| {
        let seen = last.replace(name) == Some(name);
        if seen { 0 } else { below(name) }
    };
    let asked = update.prerequisites.iter().map(|prerequisite| match prerequisite {
        Prerequisite::RrsetIs(name, _, data) => (name, data.iter().map(|one| RECORD + one.0.len()).sum()),
        Prerequisite::RrsetExists(name, _)
        | Prerequisite::RrsetAbsent(name, _)
        | Prerequisite::NameInUse(name)
        | Prerequisite::NameNotInUse(name) => (name, RECORD),
    });
    let changed = update.changes.iter().map(|change| match change {
        Change::Add { name, rdata, .. } | Change::DeleteRecord(name, _, rdata) => (name, RECORD + rdata.0.len()),
        Change::DeleteRrset(name, _) | Change::DeleteName(name) => (name, RECORD),
    });
    asked.chain(changed).map(|(name, octets): (&Fqdn, usize)| owner(name) + octets).sum()
}
