//! What a DNS server of somebody else has to bear: so many messages for each change, and no more.
//!
//! A change is a wanted row that was stored with a new generation, or that a start found without knowing it done. It
//! buys [`MESSAGES_PER_CHANGE`] messages, and where there are many fewer: [`MESSAGES_OF_MANY`], beside
//! [`MESSAGES_FREE`] in all. A message that failed, because it or its answer got lost or because the server
//! refused everything, buys the same for each of its rows: they go again. But it does so only when its zone had not
//! failed less than [`PAUSE_MS`] before it was sent to that server: whoever tries again without a pause pays with its
//! changes, and soon has none left. A name that is somebody else's buys them when it is tried again after the pause that
//! the settings tell, and not before. Renewals, comparisons, wanted rows that are read again and time itself buy nothing.
//!
//! Empty messages, by which a server that was passed over is asked whether it is there again, are counted apart: each server is
//! asked about one zone no oftener than the first pause between two tries allows.
//!
//! A row that turned out to be the guilty one of a message travels alone, until it is done or the server starts anew.

use std::collections::{BTreeMap, BTreeSet};

use ddns::reconcile::{Outcome, Send, SendTicket};
use dns::{Change, Fqdn, Prerequisite, Rcode, Update};
use store::rows::Row;

use super::{Checked, World};

/// A row has four steps at most: what was there is withdrawn (two), what is wanted is claimed, or else replaced. The
/// first goes in a message with others. Halved until each guilty row is alone, `n` rows take fewer than `2 n` messages;
/// so the first step costs two at most. After that a guilty row is known, and travels alone.
const MESSAGES_PER_CHANGE: u64 = 2 + 3;
/// Not every change needs all of that: just above what the worst worlds do.
const MESSAGES_OF_MANY: u64 = 3;
/// What a few changes may cost beyond that.
const MESSAGES_FREE: u64 = 100;
/// The shortest pause between a failure and the next try, in milliseconds.
const PAUSE_MS: u64 = 500;
/// With fewer changes the first steps of a few rows are the whole of it.
const MANY_CHANGES: u64 = 50;

/// Messages and what paid for them.
#[derive(Default)]
pub(super) struct Messages {
    sent: u64,
    changes: u64,
    /// Rows that go again because their message failed, or because the pause after a conflict is over.
    again: u64,
    /// What is under way.
    under_way: BTreeMap<SendTicket, UnderWay>,
    /// When a zone's last failure at a server was told of those that bought something.
    failed_at: BTreeMap<(Fqdn, usize), u64>,
    /// When a server was last asked about a zone whether it is there again.
    probed_at: BTreeMap<(Fqdn, usize), u64>,
    /// Names that failed by themselves.
    guilty: BTreeSet<Fqdn>,
    /// When somebody else was last found to have the name.
    conflict_at: BTreeMap<Fqdn, u64>,
    /// Messages with something in them that went to another than the preferred server.
    pub(super) past_the_preferred: u64,
}

struct UnderWay {
    zone: Fqdn,
    door: usize,
    sent_at: u64,
    owners: BTreeSet<Fqdn>,
}

/// How many names and addresses a row changes.
fn changes_of(row: &Row) -> u64 {
    match row {
        Row::Wanted(_) => 1,
        Row::WantedNew(_) => 2,
        _ => 0,
    }
}

impl World {
    /// Rows were stored.
    pub(super) fn pay_for_changes(&mut self, rows: &[Row]) {
        self.messages.changes += rows.iter().map(changes_of).sum::<u64>();
    }

    /// The server starts, and does not know what became of what was under way.
    pub(super) fn pay_for_start(&mut self) {
        self.messages.under_way.clear();
        self.messages.guilty.clear();
        self.messages.probed_at.clear();
        self.messages.changes += self.model.unconfirmed() as u64;
    }

    /// Messages for a thousand changes, when there were many; how many messages there were, and how many changes.
    pub(crate) fn messages(&self) -> (u64, u64, u64) {
        let Messages { sent, changes, again, .. } = self.messages;
        let paid = changes + again;
        (if paid < MANY_CHANGES { 0 } else { sent * 1_000 / paid }, sent, paid)
    }

    /// An update leaves the updater. What the network does with it is not the updater's affair.
    pub(super) fn count_message(&mut self, send: &Send, door: usize) -> Checked {
        let zone = send.update.zone.clone();
        let owners: BTreeSet<Fqdn> = owners(&send.update).into_iter().cloned().collect();
        if owners.is_empty() {
            self.count("probe of a DNS server");
            let asked = self.messages.probed_at.insert((zone.clone(), door), self.now);
            return match asked.filter(|at| at + PAUSE_MS > self.now) {
                Some(_) => Err(format!("the DNS server {door} was asked about {zone} twice within {PAUSE_MS} ms")),
                None => Ok(()),
            };
        }
        let messages = &mut self.messages;
        let guilty = owners.iter().find(|owner| messages.guilty.contains(owner));
        if let Some(guilty) = guilty.filter(|_| owners.len() > 1) {
            return Err(format!("{guilty} failed by itself, and travels with {} others", owners.len() - 1));
        }
        messages.sent += 1;
        messages.past_the_preferred += u64::from(door > 0);
        messages.under_way.insert(send.ticket, UnderWay { zone, door, sent_at: self.now, owners });
        let Messages { sent, changes, again, .. } = *messages;
        let paid = changes + again;
        if sent > (MESSAGES_PER_CHANGE * paid).min(MESSAGES_OF_MANY * paid + MESSAGES_FREE) {
            return Err(format!(
                "the DNS server was sent {sent} messages for {changes} changes and {again} rows that had failed"
            ));
        }
        Ok(())
    }

    /// The updater hears how a message ended.
    pub(super) fn take_failure(&mut self, ticket: SendTicket, outcome: &Outcome) {
        let messages = &mut self.messages;
        let Some(UnderWay { zone, door, sent_at, owners }) = messages.under_way.remove(&ticket) else { return };
        let failed = match outcome {
            Outcome::Answer(code) if matches!(*code, Rcode::REFUSED | Rcode::SERV_FAIL | Rcode::NOT_AUTH) => true,
            Outcome::Answer(code) => return self.take_answer(owners, *code),
            Outcome::TsigError(_) | Outcome::Timeout | Outcome::BadAnswer | Outcome::Kerberos(_) => true,
        };
        let at = (zone, door);
        // What was under way when the zone failed could not know.
        let unknowing = |told_at: &u64| sent_at <= *told_at;
        let last = messages.failed_at.get(&at);
        if !failed || !last.is_none_or(|told_at| unknowing(told_at) || sent_at >= told_at + PAUSE_MS) {
            return;
        }
        messages.again += owners.len() as u64;
        if last.is_none_or(|told_at| !unknowing(told_at)) {
            messages.failed_at.insert(at, self.now);
        }
    }

    /// An answer about a message's rows. Of one that is alone it says which row it is about.
    fn take_answer(&mut self, owners: BTreeSet<Fqdn>, code: Rcode) {
        let messages = &mut self.messages;
        let alone = owners.len() == 1;
        let pause_ms = self.plan.settings.ddns.retry.conflict_ms;
        for owner in owners {
            if code == Rcode::NO_ERROR {
                messages.guilty.remove(&owner);
            } else if alone {
                messages.guilty.insert(owner.clone());
                let before = messages.conflict_at.insert(owner, self.now);
                if before.is_some_and(|before| self.now >= before + pause_ms) {
                    messages.again += 1;
                    *self.tally.entry("a conflict tried again").or_default() += 1;
                }
            }
        }
    }
}

/// The owner names of an update: one for each of its rows.
pub(super) fn owners(update: &Update) -> BTreeSet<&Fqdn> {
    let asked = update.prerequisites.iter().map(|prerequisite| match prerequisite {
        Prerequisite::RrsetIs(name, ..)
        | Prerequisite::RrsetExists(name, _)
        | Prerequisite::RrsetAbsent(name, _)
        | Prerequisite::NameInUse(name)
        | Prerequisite::NameNotInUse(name) => name,
    });
    let changed = update.changes.iter().map(|change| match change {
        Change::Add { name, .. }
        | Change::DeleteRecord(name, ..)
        | Change::DeleteRrset(name, _)
        | Change::DeleteName(name) => name,
    });
    asked.chain(changed).collect()
}
