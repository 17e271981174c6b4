//! What follows from an answer: rows to be stored, rows that are settled, news.

use std::collections::{HashMap, VecDeque};

use dns::RecordType;
use faults::{Fault, planted};

use super::batch::Message;
use super::{ANY_COMPANY, ConfirmedRow, Entry, Flight, LastAnswer, News, Phase, Reconciler, backoff_ms};
use crate::Now;
use crate::settings::Site;
use crate::transaction::Ending;
use crate::wanted::{RowKey, Want};

/// The types that a configuration can state.
pub const STATED_TYPES: [RecordType; 8] = [
    RecordType::A,
    RecordType::AAAA,
    RecordType::CNAME,
    RecordType::MX,
    RecordType::NS,
    RecordType::PTR,
    RecordType::SRV,
    RecordType::TXT,
];

/// How many keys are remembered after they are gone.
const TOMBSTONES_MAX: usize = 8_192;

/// What the shell has to do; the order between the lists does not matter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct Effects {
    /// To be stored. Losing one costs a repeated update; where it remembers an update that a server may still make
    /// ([`ConfirmedRow::unsure`]), it also costs that this is not undone after a restart.
    pub confirmed: Vec<ConfirmedRow>,
    /// Confirmed rows to be dropped from the store.
    pub gone: Vec<RowKey>,
    /// DNS holds what these generations wanted: for [`crate::wanted::WantedTable::remove_settled`].
    pub settled: Vec<(RowKey, u64)>,
    /// A DNS server said that the names and addresses which these generations wanted are somebody else's; once for each try. Losing
    /// one costs that its host is told so later.
    pub foreign: Vec<(RowKey, u64)>,
    /// For the log.
    pub news: Vec<News>,
}

/// What the DHCP side is told of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Feedback {
    /// DNS holds what this generation wanted.
    Settled(RowKey, u64),
    /// The name that this generation wanted is somebody else's.
    Foreign(RowKey, u64),
}

impl Effects {
    /// Puts what is in `other` behind what is here.
    pub(super) fn append(&mut self, other: &mut Self) {
        self.confirmed.append(&mut other.confirmed);
        self.gone.append(&mut other.gone);
        self.settled.append(&mut other.settled);
        self.foreign.append(&mut other.foreign);
        self.news.append(&mut other.news);
    }

    /// Whether there is nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let told = self.settled.is_empty() && self.foreign.is_empty() && self.news.is_empty();
        told && self.confirmed.is_empty() && self.gone.is_empty()
    }

    /// Takes what the DHCP side is to be told.
    pub fn take_feedback(&mut self) -> impl Iterator<Item = Feedback> + use<> {
        let settled = std::mem::take(&mut self.settled).into_iter();
        // An address is its lease's, whosever its PTR record is: that is for the log alone.
        let names = |(key, _): &(RowKey, u64)| matches!(key, RowKey::Forward(_));
        let foreign = std::mem::take(&mut self.foreign).into_iter().filter(names);
        let settled = settled.map(|(key, generation)| Feedback::Settled(key, generation));
        settled.chain(foreign.map(|(key, generation)| Feedback::Foreign(key, generation)))
    }
}

/// The newest generation of keys that are gone, and whether they travelled alone. The oldest are forgotten first.
#[derive(Debug, Default)]
pub(super) struct Tombstones {
    newest: HashMap<RowKey, (u64, bool)>,
    order: VecDeque<RowKey>,
}

impl Tombstones {
    pub(super) fn is_empty(&self) -> bool {
        self.newest.is_empty()
    }

    pub(super) fn newest(&self, key: &RowKey) -> Option<u64> {
        self.newest.get(key).map(|(generation, _)| *generation)
    }

    /// Whether an update of the key's failed before it went.
    pub(super) fn was_guilty(&self, key: &RowKey) -> bool {
        self.newest.get(key).is_some_and(|(_, guilty)| *guilty)
    }

    fn remember(&mut self, key: RowKey, generation: u64, guilty: bool) {
        if self.newest.insert(key.clone(), (generation, guilty)).is_none() {
            self.order.push_back(key);
        }
        if self.order.len() > TOMBSTONES_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.newest.remove(&oldest);
        }
    }
}

impl Reconciler {
    /// A transaction ended with an answer.
    pub(super) fn finish(&mut self, now: Now, flight: &Flight, ending: Ending) {
        let index = flight.index;
        let current = self.is_current(flight);
        let Some(entry) = self.entry_mut(index) else { return };
        match ending {
            // A failure, which is told by the message that it came with.
            Ending::Refused(_) => return,
            Ending::Done if !flight.clears_only => entry.holds = flight.outcome.as_ref().map(Want::held).map(Box::new),
            // What DNS holds already as wanted was not touched; all else is gone.
            Ending::Done => {
                let wanted = entry.row.want.as_ref().map(Want::held);
                entry.holds = entry.holds.take().filter(|held| Some(&**held) == wanted.as_ref());
            }
            Ending::Conflict => {
                entry.holds = None;
                entry.attempts = entry.attempts.saturating_add(1);
            }
        }
        if !current {
            return self.schedule(now, index);
        }
        // What may still be done later has to be withdrawn once more.
        let lingers = entry.row.want.is_none() && entry.unsure_until > now.boot_ms;
        if !lingers {
            entry.row.former.clear();
        }
        match ending {
            Ending::Done if flight.clears_only => {
                // Stored as there, it would be taken for that after a start.
                if self.entry(index).is_some_and(|entry| entry.stored == entry.row.generation) {
                    self.confirm(now, index);
                }
                self.schedule(now, index);
            }
            Ending::Done => self.done(now, index),
            _ => self.conflict(now, index),
        }
    }

    /// Somebody else has the name or the address.
    fn conflict(&mut self, now: Now, index: u32) {
        let retry = self.settings.retry;
        let Some(entry) = self.entry_mut(index) else { return };
        if entry.may_meet_its_own(now) {
            // Nobody is told, and no host gets another name, before it is looked at again. But no PTR leads there meanwhile.
            entry.untold = true;
            entry.streak = entry.streak.saturating_add(1);
            let pause = backoff_ms(retry.first_ms, entry.streak, retry.max_ms).min(retry.conflict_ms);
            self.wait(now, index, pause);
            return self.wake_pointers(now, index);
        }
        entry.untold = false;
        // What can be made late no more is looked for by one try after that, and is not asked about for ever.
        match entry.unsure_until {
            0 => entry.unsure.clear(),
            until if until <= now.boot_ms => entry.unsure_until = 0,
            _ => {}
        }
        let told = (entry.row.key.clone(), entry.row.generation);
        self.effects.foreign.push(told);
        self.wait(now, index, retry.conflict_ms);
        self.note(now, index, LastAnswer::Conflict, Some(retry.conflict_ms));
        self.wake_pointers(now, index);
    }

    fn done(&mut self, now: Now, index: u32) {
        let Some(entry) = self.entry_mut(index) else { return };
        entry.untold = false;
        let next_look = entry.next_look(now);
        if next_look.is_none() {
            entry.unsure.clear();
            entry.unsure_until = 0;
        }
        if entry.row.want.is_none() {
            entry.last = LastAnswer::Done;
            return match next_look {
                Some(pause) => self.wait(now, index, pause),
                None => self.remove(index),
            };
        }
        entry.phase = Phase::Done;
        entry.holds = None;
        entry.company = ANY_COMPANY;
        let was_told = !matches!(entry.told, LastAnswer::None | LastAnswer::Done);
        (entry.last, entry.told, entry.attempts, entry.streak) = (LastAnswer::Done, LastAnswer::Done, 0, 0);
        entry.at = now.wall_secs;
        let settled = (entry.row.key.clone(), entry.row.generation);
        self.confirm(now, index);
        if was_told {
            let name = self.entry(index).and_then(|entry| entry.row.want.as_ref()).map(|want| want.name.clone());
            let (key, server, answer) = (settled.0.clone(), None, LastAnswer::Done);
            self.effects.news.push(News::Row { key, name, server, answer, retry_secs: None });
        }
        self.effects.settled.push(settled);
        self.wake_pointers(now, index);
        match next_look {
            Some(pause) => self.look_again(now, index, pause),
            None => self.rows.rest(index),
        }
    }

    /// Has a row that is done written once more later.
    pub(super) fn look_again(&mut self, now: Now, index: u32, pause_ms: u64) {
        self.next_stamp += 1;
        let stamp = self.next_stamp;
        let Some(entry) = self.entry_mut(index) else { return };
        (entry.stamp, entry.again) = (stamp, true);
        self.timed.push(std::cmp::Reverse((now.boot_ms.saturating_add(pause_ms), stamp, index)));
    }

    /// Nothing is wanted under the key, and nothing of ours is left.
    pub(super) fn remove(&mut self, index: u32) {
        let Some(key) = self.entry(index).map(|entry| entry.row.key.clone()) else { return };
        let Some(entry) = self.rows.remove(index, &key) else { return };
        self.make_room(&key);
        self.tombstones.remember(key.clone(), entry.row.generation, entry.company == 1);
        self.effects.gone.push(key.clone());
        self.effects.settled.push((key, entry.row.generation));
    }

    /// Records that are stated may stand in each other's way, as an address in that of a CNAME: what waits because of
    /// those that are gone is tried again.
    fn make_room(&mut self, gone: &RowKey) {
        let RowKey::Stated(name, _) = gone else { return };
        let others = STATED_TYPES.map(|rtype| RowKey::Stated(name.clone(), rtype));
        for other in others.into_iter().chain([RowKey::Forward(name.clone())]) {
            let Some(index) = self.rows.index_of_open(&other) else { continue };
            let Some(entry) = self.entry_mut(index) else { continue };
            if entry.last == LastAnswer::Conflict && matches!(entry.phase, Phase::Waits(_)) {
                self.next_stamp += 1;
                let stamp = self.next_stamp;
                let Some(entry) = self.entry_mut(index) else { continue };
                (entry.stamp, entry.phase) = (stamp, Phase::Waits(0));
                self.timed.push(std::cmp::Reverse((0, stamp, index)));
            }
        }
    }

    /// A message failed, or was refused.
    pub(super) fn fail(&mut self, now: Now, message: Message, flights: &[Flight], answer: LastAnswer) {
        let Message { ticket, lineage, lane, way } = message;
        let mut zone_wide = self.lanes[lane].is_zone_wide(ticket, lineage, answer);
        let next_ticket = self.next_ticket;
        let retry = self.settings.retry;
        let others = self.turn_away(now, lane, way, zone_wide, answer);
        zone_wide |= others.is_some();
        if zone_wide && others != Some(true) && self.lanes[lane].fail(now, next_ticket, ticket, answer, &retry) {
            let zone = &self.settings.zones[lane];
            let waiting = self.waiting_in(lane) + flights.len();
            let (apex, server) = (zone.apex.clone(), self.lanes[lane].ways[way].to.clone());
            self.effects.news.push(News::ZoneDown { apex, server, answer, waiting });
        }
        for flight in flights {
            self.fail_row(now, flight, flights.len(), answer, zone_wide);
        }
        if !self.lanes[lane].is_up() {
            self.dissolve(now, lane);
        }
    }

    /// A row's part in that; it travelled among `rows`.
    fn fail_row(&mut self, now: Now, flight: &Flight, rows: usize, answer: LastAnswer, zone_wide: bool) {
        let index = flight.index;
        let current = self.is_current(flight);
        let retry = self.settings.retry;
        let several = self.has_several(flight);
        let Some(entry) = self.entry_mut(index) else { return };
        entry.attempts = entry.attempts.saturating_add(1);
        if !matches!(answer, LastAnswer::Kerberos(_)) {
            self.may_be_made_late(now, flight);
        }
        let Some(entry) = self.entry_mut(index) else { return };
        // Perhaps one of the rows is what the server cannot bear, or the message was too long for the way there.
        if rows > 1 || !zone_wide {
            entry.company = entry.company.min(u8::try_from(rows / 2).unwrap_or(u8::MAX)).max(1);
        }
        if planted(Fault::RetryForgotten) {
            entry.phase = Phase::Idle;
            return;
        }
        if !current {
            if several
                && planted(Fault::OlderStateToTheNextServer)
                && let Some(older) = &flight.outcome
            {
                entry.row.want = Some(older.clone());
            }
            return self.schedule(now, index);
        }
        entry.streak = entry.streak.saturating_add(1);
        let streak = entry.streak;
        if zone_wide {
            (entry.last, entry.at) = (answer, now.wall_secs);
            return self.schedule(now, index);
        }
        let pause = backoff_ms(retry.first_ms, streak, retry.max_ms);
        self.wait(now, index, pause);
        let stamp = self.next_stamp;
        self.lanes[flight.lane as usize].failed.push((index, stamp));
        // One lost packet is no news.
        if streak > 1 || !matches!(answer, LastAnswer::Timeout | LastAnswer::BadAnswer) {
            self.note(now, index, answer, Some(pause));
        }
    }

    /// An answer shows that the zone is served.
    pub(super) fn succeed(&mut self, lane: usize) {
        let (news, released) = self.lanes[lane].succeed(self.next_ticket);
        for (index, stamp) in released {
            let Some(entry) = self.entry_mut(index) else { continue };
            if entry.stamp == stamp && matches!(entry.phase, Phase::Waits(_)) {
                entry.phase = Phase::Ready;
                self.lanes[lane].retry.push_back((index, stamp));
            }
        }
        if news {
            let zone = &self.settings.zones[lane];
            let (apex, server) = (zone.apex.clone(), self.lanes[lane].ways[self.way_of(lane)].to.clone());
            let waiting = self.waiting_in(lane);
            self.effects.news.push(News::ZoneBack { apex, server, waiting });
        }
    }

    /// Remembers a row's answer; stored and told when it is another one than before.
    pub(super) fn note(&mut self, now: Now, index: u32, answer: LastAnswer, retry_ms: Option<u64>) {
        let server = |lane: u32| self.settings.zones[lane as usize].server.clone();
        let server = self.entry(index).and_then(|entry| entry.lane).map(server);
        let Some(entry) = self.entry_mut(index) else { return };
        (entry.last, entry.at) = (answer, now.wall_secs);
        if entry.told == answer {
            // Which state it is that was refused is to be known after a start.
            if answer == LastAnswer::Conflict && entry.stored != entry.row.generation {
                self.confirm(now, index);
            }
            return;
        }
        entry.told = answer;
        let (key, name) = (entry.row.key.clone(), entry.row.want.as_ref().map(|want| want.name.clone()));
        self.confirm(now, index);
        let retry_secs = retry_ms.map(|pause| pause.div_ceil(1_000));
        self.effects.news.push(News::Row { key, name, server, answer, retry_secs });
    }

    /// Has stored what is known of a row. Of one that no zone holds nothing new is known: what was stored before says where
    /// its content is, and stays for the day on which that zone is back.
    pub(super) fn confirm(&mut self, now: Now, index: u32) {
        let Some(lane) = self.entry(index).and_then(|entry| entry.lane) else { return };
        let site = self.site_of(lane);
        let Some(entry) = self.entry_mut(index) else { return };
        entry.stored = entry.row.generation;
        let row = confirmed_row(now, entry, site);
        self.effects.confirmed.push(row);
    }

    /// After a start: rows that no zone holds are told together, for a zone that was taken out can have held thousands.
    pub(super) fn tell_homeless(&mut self) {
        let homeless = |news: &mut News| matches!(news, News::Row { answer: LastAnswer::NoZone, .. });
        let mut keys: Vec<RowKey> = self
            .effects
            .news
            .extract_if(.., homeless)
            .filter_map(|news| if let News::Row { key, .. } = news { Some(key) } else { None })
            .collect();
        keys.sort();
        let rows = keys.len();
        if let Some(first) = keys.into_iter().next() {
            self.effects.news.push(News::NoZone { first, rows });
        }
    }

    pub(super) fn wait(&mut self, now: Now, index: u32, pause_ms: u64) {
        self.next_stamp += 1;
        let (stamp, due_ms) = (self.next_stamp, now.boot_ms.saturating_add(pause_ms));
        let Some(entry) = self.entry_mut(index) else { return };
        (entry.stamp, entry.phase) = (stamp, Phase::Waits(due_ms));
        self.timed.push(std::cmp::Reverse((due_ms, stamp, index)));
    }

    fn wake_pointers(&mut self, now: Now, index: u32) {
        if let Some(RowKey::Forward(name)) = self.entry(index).map(|entry| entry.row.key.clone()) {
            self.wake(now, &name);
        }
    }

    fn waiting_in(&self, lane: usize) -> usize {
        self.lanes[lane].fresh.len() + self.lanes[lane].retry.len()
    }
}

pub(super) fn confirmed_row(now: Now, entry: &Entry, site: Site) -> ConfirmedRow {
    ConfirmedRow {
        key: entry.row.key.clone(),
        generation: entry.row.generation,
        done: entry.phase == Phase::Done,
        holds: entry.held(),
        site: Some(site),
        last: entry.last,
        attempts: entry.attempts,
        at: entry.at,
        unsure: entry.unsure(now),
    }
}
