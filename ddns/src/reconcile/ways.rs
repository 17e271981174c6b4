//! Several servers of one zone: which of them takes its updates now.
//!
//! ```text
//!            no answer, or a refusal of the whole zone
//!   closed ────────────────────────────────────────────► open ◄──┐ the probe fails: the next one later, by doubling,
//!      ▲                                                  │  └───┘ up to a ceiling
//!      └──────────────── any other answer ────────────────┘
//! ```
//!
//! Each server has a breaker for answers that do not come, which all zones share, and each zone one at each of its
//! servers for refusals. A zone's updates go to the first server of its list where both are closed. A server before it
//! is probed by an update that changes nothing, so that no name waits for it, and is taken back when it answers. When all are
//! open the zone is down ([`super::lane`]) and its probes go to one after the other.
//!
//! Nothing is kept for a server: rows say what is wanted, so one that comes back gets the newest state of each name.
//!
//! What one server did not say yes to may still be done there later, when another has taken a newer state: a server that
//! hands updates on to its primary (RFC 2136 section 6) can have it in a queue. That is so without an answer, and after a
//! refusal too: it can be that server's word for a primary that was slow, or be about the message as it was sent again
//! while the first copy is on its way. An older claim, refresh or removal of a PTR then finds its prerequisite failing, but
//! an older replacement (RFC 4703 section 5.3.2), withdrawal of an address, or a claim after the name was withdrawn, would
//! be done. So a row that failed where a zone has several servers is written once more, or withdrawn once more: soon, as
//! what is done late is mostly done within seconds, and for the last time [`UNSURE_MS`] later, as a signed message is not
//! accepted any more by then (RFC 8945 section 5.2.3, with the fudge of 300 seconds that section 10 recommends). The newest
//! state has the last word. An older claim that comes between the removal of what was before and the newer claim makes a
//! conflict with ourselves: what was before is removed once more then ([`crate::transaction`]), and until that time a row
//! whose former owner may come late is tried like one that failed, and nobody is told of a conflict. What `NOERROR` was
//! said to is taken for done, although that may be about the second copy of a message whose first is on its way.
//! That is stored with what is known of the row. What was under way when the daemon was killed got no answer either: so
//! after a start every row that is not known to be done is taken for one.

use dns::{Rcode, Update};
use faults::{Fault, planted};

use super::batch::Batch;
use super::health::Heard;
use super::{Entry, Flight, LastAnswer, News, Outcome, Reconciler, Send, SendTicket, Unsure, backoff_ms};
use crate::Now;
use crate::settings::{Retry, ZoneServer};
use crate::wanted::{ADDRESSES_MAX, FORMER_MAX, Held, Want};

/// How long a message that failed may still be done.
pub(super) const UNSURE_MS: u64 = 310_000;
/// How long after it failed a row is written once more before that.
const LOOKS_MS: [u64; 2] = [5_000, 30_000];

/// How many addresses are added to those that are known of one owner: all that it has and had ([`ADDRESSES_MAX`] each).
const HELD_ADDRESSES_MAX: usize = 2 * ADDRESSES_MAX;

/// Adds what may be in DNS and is not wanted there. What is known already stays.
pub(super) fn add_held(all: &mut Vec<Held>, held: &Held, want: Option<&Want>) {
    let mut held = held.clone();
    let stated = held.identity.stated().is_some();
    if stated && want.is_some_and(|want| held.is_of(want)) {
        return;
    }
    if let Some(want) = want.filter(|want| held.is_as_of(want)) {
        held.addresses.retain(|address| !want.addresses.contains(address));
    }
    let full = all.len() >= 2 * FORMER_MAX;
    let same = |one: &&mut Held| one.name == held.name && one.identity == held.identity && one.guard == held.guard;
    match all.iter_mut().find(same) {
        Some(known) => {
            held.addresses.retain(|address| !known.addresses.contains(address));
            held.addresses.truncate(HELD_ADDRESSES_MAX.saturating_sub(known.addresses.len()));
            known.addresses.extend(held.addresses);
            known.addresses.sort_unstable();
        }
        None if (held.addresses.is_empty() && !stated) || full => {}
        None => all.push(held),
    }
}

impl Entry {
    /// An update failed that may be made all the same; `outcome` is what it would write. Whether what is to be stored of it
    /// is another than before: its time alone moves with every try, and is stored with the first.
    pub(super) fn note_unsure(&mut self, now: Now, outcome: Option<&Want>) -> bool {
        let known = (self.unsure_until > now.boot_ms, self.unsure.clone());
        self.unsure_until = now.boot_ms.saturating_add(UNSURE_MS);
        if let Some(want) = outcome {
            add_held(&mut self.unsure, &want.held(), None);
        }
        !known.0 || known.1 != self.unsure
    }

    /// Whether somebody else's record may be one of a former owner that a server made late. Late, what is wanted itself
    /// stands in nobody's way.
    pub(super) fn may_meet_its_own(&self, now: Now) -> bool {
        let is_former = |want: &Want| self.unsure.iter().any(|held| !held.is_as_of(want));
        self.unsure_until > now.boot_ms && self.row.want.as_ref().is_some_and(is_former)
    }

    /// In how many milliseconds the row is to be written once more; `None`: nothing is made late any more.
    pub(super) fn next_look(&self, now: Now) -> Option<u64> {
        let left_ms = self.unsure_until.checked_sub(now.boot_ms).filter(|left_ms| *left_ms > 0)?;
        let passed_ms = UNSURE_MS.saturating_sub(left_ms);
        Some(LOOKS_MS.into_iter().find(|at| *at > passed_ms).map_or(left_ms, |at| at - passed_ms))
    }

    /// What of it is to be stored.
    pub(super) fn unsure(&self, now: Now) -> Option<Unsure> {
        let left_ms = self.unsure_until.checked_sub(now.boot_ms).filter(|left_ms| *left_ms > 0)?;
        Some(Unsure { until: now.wall_secs.saturating_add(left_ms.div_ceil(1_000)), held: self.unsure.clone() })
    }

    /// The same as it was stored. Of a clock that was wrong meanwhile no more than the whole time is believed.
    pub(super) fn recall_unsure(&mut self, now: Now, stored: Option<&Unsure>) {
        let Some(Unsure { until, held }) = stored else { return };
        let left_ms = until.saturating_sub(now.wall_secs).saturating_mul(1_000).min(UNSURE_MS);
        if left_ms > 0 {
            (self.unsure_until, self.unsure) = (now.boot_ms.saturating_add(left_ms), held.clone());
        }
    }
}

/// Whether something is sent to a server.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Breaker {
    pub(super) open: bool,
    /// Failures since an update was last made there.
    failures: u32,
    /// Boot milliseconds of the next probe; `u64::MAX` while one is under way.
    probe_ms: u64,
    /// UTC seconds of the failure that opened it.
    since: u64,
}

impl Breaker {
    fn fail(&mut self, now: Now, retry: &Retry) {
        if !std::mem::replace(&mut self.open, true) {
            self.since = now.wall_secs;
        }
        self.failures = self.failures.saturating_add(1);
        self.probe_ms = now.boot_ms.saturating_add(backoff_ms(retry.first_ms, self.failures, retry.max_ms));
    }
}

/// A zone's way to one of its servers.
#[derive(Debug)]
pub(super) struct Way {
    /// Index of the server in the reconciler's list.
    pub(super) server: usize,
    /// It alone.
    pub(super) to: ZoneServer,
    /// What came back last.
    pub(super) heard: Heard,
    breaker: Breaker,
}

impl Way {
    pub(super) fn new(server: usize, to: ZoneServer) -> Self {
        Self { server, to, heard: Heard::default(), breaker: Breaker::default() }
    }
}

impl Reconciler {
    /// Whether the zone that an update went to has several servers.
    pub(super) fn has_several(&self, flight: &Flight) -> bool {
        self.lanes[flight.lane as usize].ways.len() > 1
    }

    /// An update that was sent has failed. A refusal may be about the message as it was sent again, or come from a server
    /// that has handed it on.
    pub(super) fn may_be_made_late(&mut self, now: Now, flight: &Flight) {
        let several = self.has_several(flight);
        let Some(entry) = self.entry_mut(flight.index) else { return };
        if several && entry.note_unsure(now, flight.outcome.as_ref()) {
            self.confirm(now, flight.index);
        }
    }

    /// Whether nothing is sent that way but probes.
    pub(super) fn is_open(&self, lane: usize, way: usize) -> bool {
        let way = &self.lanes[lane].ways[way];
        way.breaker.open || self.servers[way.server].breaker.open
    }

    /// A row that was done when the store was last written is written once more where that was still to come.
    pub(super) fn remember_unsure(&mut self, now: Now, index: u32) {
        if let Some(pause) = self.entry(index).and_then(|entry| entry.next_look(now)) {
            self.look_again(now, index, pause);
        }
    }

    /// A row that is not known to be done may have been under way when the daemon ended, with what is wanted now or with
    /// what was wanted before.
    pub(super) fn take_for_unsure(&mut self, now: Now, index: u32) {
        let several = self.entry(index).and_then(|entry| entry.lane).is_some_and(|lane| {
            let ways = &self.lanes[lane as usize].ways;
            ways.len() > 1
        });
        if !several {
            return;
        }
        let before = self.leftovers(index);
        let Some(entry) = self.entry_mut(index) else { return };
        let want = entry.row.want.clone();
        entry.note_unsure(now, want.as_ref());
        before.iter().for_each(|held| add_held(&mut entry.unsure, held, None));
    }

    /// The way that a zone's updates go now.
    pub(super) fn way_of(&self, lane: usize) -> usize {
        let ways = self.lanes[lane].ways.len();
        let closed = (0..ways).find(|way| !self.is_open(lane, *way));
        closed.unwrap_or(self.lanes[lane].turn % ways.max(1))
    }

    /// An update that changes nothing, to a server that is due for it.
    pub(super) fn probe(&mut self, now: Now) -> Option<Send> {
        for lane in 0..self.lanes.len() {
            if self.lanes[lane].ways.len() < 2 || !self.lanes[lane].is_up() {
                continue;
            }
            for way in 0..self.lanes[lane].ways.len() {
                if self.probe_due(lane, way).is_none_or(|due| due > now.boot_ms) {
                    continue;
                }
                let server = self.lanes[lane].ways[way].server;
                for breaker in [&mut self.lanes[lane].ways[way].breaker, &mut self.servers[server].breaker] {
                    if breaker.open {
                        breaker.probe_ms = u64::MAX;
                    }
                }
                let zone = self.settings.zones[lane].apex.clone();
                let update = Update { zone, prerequisites: Vec::new(), changes: Vec::new() };
                return Some(self.put_under_way(lane, way, None, Vec::new(), update));
            }
        }
        None
    }

    /// Since when nothing is sent that way but probes, in UTC seconds.
    pub(super) fn open_since(&self, lane: usize, way: usize) -> Option<u64> {
        let way = &self.lanes[lane].ways[way];
        let breakers = [way.breaker, self.servers[way.server].breaker];
        breakers.iter().filter(|breaker| breaker.open).map(|breaker| breaker.since).min()
    }

    /// When a server is due for a probe, in boot milliseconds; `u64::MAX` while one is under way.
    pub(super) fn probe_due(&self, lane: usize, way: usize) -> Option<u64> {
        let way = &self.lanes[lane].ways[way];
        let breakers = [way.breaker, self.servers[way.server].breaker];
        breakers.iter().filter(|breaker| breaker.open).map(|breaker| breaker.probe_ms).max()
    }

    /// When the next probe of a server is due.
    pub(super) fn next_probe(&self) -> Option<u64> {
        let lanes = (0..self.lanes.len()).filter(|lane| self.lanes[*lane].ways.len() > 1 && self.lanes[*lane].is_up());
        lanes
            .flat_map(|lane| (0..self.lanes[lane].ways.len()).filter_map(move |way| self.probe_due(lane, way)))
            .filter(|due| *due != u64::MAX)
            .min()
    }

    /// What came of a probe.
    pub(super) fn probed(&mut self, now: Now, batch: &Batch, outcome: Outcome) {
        let (lane, way) = (batch.lane as usize, batch.way);
        match outcome {
            Outcome::Answer(code) if !super::is_zone_failure(code) && code != Rcode::REFUSED => {
                self.reached(lane, way, false);
            }
            Outcome::Timeout | Outcome::BadAnswer => self.lose(now, lane, way, LastAnswer::Timeout),
            Outcome::Answer(code) | Outcome::TsigError(code) => {
                // It answers, and does not take this zone's updates.
                let server = self.lanes[lane].ways[way].server;
                self.servers[server].breaker.open = false;
                self.lose(now, lane, way, LastAnswer::Refused(code));
            }
            // It was not asked: whether it answers is not known.
            Outcome::Kerberos(fault) => self.lose(now, lane, way, LastAnswer::Kerberos(fault)),
        }
    }

    /// Opens the breaker that an answer, or its absence, is about.
    pub(super) fn lose(&mut self, now: Now, lane: usize, way: usize, answer: LastAnswer) {
        let retry = self.settings.retry;
        let way = &mut self.lanes[lane].ways[way];
        let server = &mut self.servers[way.server].breaker;
        match answer {
            LastAnswer::Timeout | LastAnswer::BadAnswer => server.fail(now, &retry),
            _ => way.breaker.fail(now, &retry),
        }
        // The other one waited for the same probe.
        for breaker in [&mut way.breaker, server] {
            if breaker.open && breaker.probe_ms == u64::MAX {
                breaker.fail(now, &retry);
            }
        }
    }

    /// A server answered; `made`: an update with something in it, so that its failures are forgotten.
    pub(super) fn reached(&mut self, lane: usize, way: usize, made: bool) {
        let before = self.way_of(lane);
        let server = self.lanes[lane].ways[way].server;
        for breaker in [&mut self.lanes[lane].ways[way].breaker, &mut self.servers[server].breaker] {
            breaker.open &= planted(Fault::ServerNeverTakenBack);
            if made {
                breaker.failures = 0;
            }
        }
        let after = self.way_of(lane);
        if after != before && self.lanes[lane].is_up() {
            let to = self.lanes[lane].ways[after].to.clone();
            self.effects.news.push(News::Preferred { apex: self.settings.zones[lane].apex.clone(), to });
        }
    }

    /// A message of a zone with several servers failed. `Some(true)`: others of its servers go on; `Some(false)`: none is
    /// left; `None`: the failure says nothing about the server.
    pub(super) fn turn_away(
        &mut self,
        now: Now,
        lane: usize,
        way: usize,
        zone_wide: bool,
        answer: LastAnswer,
    ) -> Option<bool> {
        if self.lanes[lane].ways.len() < 2 {
            return None;
        }
        let known = self.is_open(lane, way);
        if !zone_wide && !known {
            return None;
        }
        if !known {
            self.lose(now, lane, way, answer);
            self.lanes[lane].turned();
        }
        let next = self.way_of(lane);
        if self.is_open(lane, next) {
            self.lanes[lane].turn = self.lanes[lane].turn.wrapping_add(1);
            return Some(false);
        }
        if !known {
            let (from, to) = (self.lanes[lane].ways[way].to.clone(), self.lanes[lane].ways[next].to.clone());
            let apex = self.settings.zones[lane].apex.clone();
            self.effects.news.push(News::Failover { apex, from, to, answer });
        }
        Some(true)
    }

    /// Names a message that is under way from now on.
    pub(super) fn put_under_way(
        &mut self,
        lane: usize,
        way: usize,
        lineage: Option<u64>,
        flights: Vec<Flight>,
        update: Update,
    ) -> Send {
        let ticket = self.next_ticket;
        self.next_ticket += 1;
        let Way { server, to, .. } = &self.lanes[lane].ways[way];
        let (server, to) = (*server, to.clone());
        self.servers[server].in_flight += 1;
        // A probe takes no place in its zone's own count: rows go on meanwhile.
        if !flights.is_empty() {
            self.lanes[lane].in_flight += 1;
        }
        let batch = Batch { lane: lane as u32, way, lineage: lineage.unwrap_or(ticket), flights };
        self.flights.insert(ticket, batch);
        Send { ticket: SendTicket(ticket), server: to, update }
    }
}
