//! The updater's half of the server, as `src/updater.rs` has it.

use ddns::reconcile::{Outcome, Send, SendTicket, Stage};
use ddns::settings::ZoneServer;
use dhcp::time::Now;
use dns::{Rcode, Update};
use leasehold::zone_keeper::Decided;
use store::rows::Row;
use zones::AllowAll;

use super::{Asked, Asker, Doings, Server, Whose, ddns_now};
use crate::rng::Rng;
use crate::words::brief;

/// How often in a thousand times the committer's queue has no place for what the updater found out.
const ROWS_LOST_PERMILLE: u64 = 20;

/// For how long others keep the updater's task from its next turn at most, in milliseconds.
const BUSY_MS_MAX: u64 = 3_000;

impl Server {
    /// Takes in what is there, sends what may be sent, and hands on what follows.
    pub(super) fn update(&mut self, now: Now, rng: &mut Rng, doings: &mut Doings) {
        self.heard = false;
        if rng.permille(self.settings.updater_busy_permille) {
            self.updater_busy_until = now.boot_ms + rng.below(BUSY_MS_MAX);
        }
        if self.overflowed && matches!(self.asked, Asked::No) {
            // Lowered before the rows are read: an overflow from now on raises it again.
            self.overflowed = false;
            self.asked = Asked::Waiting;
        }
        // Events and the rows that were asked for come by two ways: either may be read first.
        let rows_first = rng.permille(500);
        if rows_first {
            self.take_asked(now);
        }
        while let Some(event) = self.events.pop_front() {
            event.tell(ddns_now(now), &mut self.reconciler);
        }
        if !rows_first {
            self.take_asked(now);
        }
        while let Some(send) = self.reconciler.poll_send(ddns_now(now)) {
            match send.server {
                ZoneServer::Remote { .. } => doings.sends.push(send),
                ZoneServer::Embedded => self.update_embedded(now, send),
            }
        }
        self.hand_on(now, rng);
    }

    fn take_asked(&mut self, now: Now) {
        if !matches!(self.asked, Asked::Answered(_, arrive_at) if arrive_at <= now.boot_ms) {
            return;
        }
        if let Asked::Answered(rows, _) = std::mem::replace(&mut self.asked, Asked::No) {
            self.happened.push("all wanted rows read again");
            for row in rows {
                self.reconciler.handle_wanted(ddns_now(now), row);
            }
        }
    }

    fn update_embedded(&mut self, now: Now, send: Send) {
        self.update_zone(now, &send.update, Asker::Updater(send.ticket));
    }

    /// An update of an embedded zone, whoever makes it.
    fn update_zone(&mut self, now: Now, update: &Update, asker: Asker) {
        self.zones_touched = true;
        let words = brief(update);
        match self.zones.decide(update, &AllowAll, asker) {
            Decided::Answered(asker, rcode) => {
                self.notes.push(format!("zone {words}: {rcode:?}"));
                self.told_of_zone(now, asker, rcode, &mut Doings::default());
            }
            Decided::Waits(change) => {
                self.notes.push(format!("zone {words}: waits, stores={}", change.is_some()));
                if let Some(change) = change {
                    self.submit(now, Whose::Zones(change.ticket), change.epoch, vec![change.rows]);
                }
            }
        }
    }

    /// Somebody who holds a key updates an embedded zone. What is answered at once changed nothing.
    pub(crate) fn update_from_outside(&mut self, now: Now, number: usize, update: &Update) {
        self.update_zone(now, update, Asker::Outside(number));
    }

    pub(super) fn told_of_zone(&mut self, now: Now, asker: Asker, rcode: Rcode, doings: &mut Doings) {
        match asker {
            Asker::Updater(ticket) => self.answer(now, ticket, Outcome::Answer(rcode)),
            Asker::Outside(number) => doings.answers.push((number, rcode)),
        }
    }

    /// Nothing is under way, and the updater takes everything for done.
    pub(crate) fn is_settled(&self, now: Now) -> bool {
        self.pipeline.is_idle()
            && self.pipeline.core().poll_timeout().is_none_or(|at| at > now.boot_ms)
            && self.events.is_empty()
            && !self.overflowed
            && matches!(self.asked, Asked::No)
            && self.reconciler.rows().all(|row| row.stage == Stage::Done)
    }

    /// An update ended.
    pub(crate) fn answer(&mut self, now: Now, ticket: SendTicket, outcome: Outcome) {
        self.reconciler.handle_outcome(ddns_now(now), ticket, outcome);
        self.heard = true;
    }

    fn hand_on(&mut self, now: Now, rng: &mut Rng) {
        let mut effects = self.reconciler.take_effects();
        self.settled.extend(effects.take_feedback());
        let mut rows: Vec<Row> = effects.confirmed.into_iter().map(Row::Confirmed).collect();
        rows.extend(effects.gone.into_iter().map(Row::ConfirmedGone));
        if rng.permille(ROWS_LOST_PERMILLE) {
            self.happened.push("confirmed rows lost");
        } else if !rows.is_empty() {
            self.submit(now, Whose::Updater, 0, vec![rows]);
        }
    }
}
