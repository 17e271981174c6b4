//! What a DNS server of somebody else has to bear: so many messages for each change, and no more.
//!
//! A change is a wanted row that was stored with a new generation, or that a start found without knowing it done. It
//! buys [`MESSAGES_PER_CHANGE`] messages. A message that failed, because it or its answer got lost or because the server
//! refused everything, buys the same for each of its rows: they go again. But it does so only when its zone had not
//! failed less than [`PAUSE_MS`] before it was sent: whoever tries again without a pause pays with its changes, and soon
//! has none left. Renewals, comparisons, wanted rows that are read again and time itself buy nothing.

use std::collections::{BTreeMap, BTreeSet};

use ddns::reconcile::{Outcome, Send, SendTicket};
use dns::{Change, Fqdn, Prerequisite, Rcode, Update};
use store::rows::Row;

use super::{Checked, World};

/// A row has four steps at most: what was there is withdrawn (two), what is wanted is claimed, or else replaced. The
/// first goes in a message with others. Halved until each guilty row is alone, `n` rows take fewer than `2 n` messages;
/// so the first step costs two at most. After that a guilty row is known, and travels alone.
const MESSAGES_PER_CHANGE: u64 = 2 + 3;
/// The shortest pause between a failure and the next try, in milliseconds.
const PAUSE_MS: u64 = 500;

/// Messages and what paid for them.
#[derive(Default)]
pub(super) struct Messages {
    sent: u64,
    changes: u64,
    /// Rows that go again because their message failed.
    again: u64,
    /// Zone, time and rows of what is under way.
    under_way: BTreeMap<SendTicket, (Fqdn, u64, u64)>,
    /// When a zone's last failure was told of those that bought something.
    failed_at: BTreeMap<Fqdn, u64>,
}

impl World {
    /// Rows were stored.
    pub(super) fn pay_for_changes(&mut self, rows: &[Row]) {
        self.messages.changes += rows.iter().filter(|row| matches!(row, Row::Wanted(_))).count() as u64;
    }

    /// The server starts, and does not know what became of what was under way.
    pub(super) fn pay_for_start(&mut self) {
        self.messages.under_way.clear();
        self.messages.changes += self.model.unconfirmed() as u64;
    }

    /// An update leaves the updater. What the network does with it is not the updater's affair.
    pub(super) fn count_message(&mut self, send: &Send) -> Checked {
        let rows = owners(&send.update).len() as u64;
        let messages = &mut self.messages;
        messages.sent += 1;
        messages.under_way.insert(send.ticket, (send.update.zone.clone(), self.now, rows));
        let Messages { sent, changes, again, .. } = *messages;
        if sent > MESSAGES_PER_CHANGE * (changes + again) {
            return Err(format!(
                "the DNS server was sent {sent} messages for {changes} changes and {again} rows that had failed"
            ));
        }
        Ok(())
    }

    /// The updater hears how a message ended.
    pub(super) fn take_failure(&mut self, ticket: SendTicket, outcome: &Outcome) {
        let messages = &mut self.messages;
        let Some((zone, sent_at, rows)) = messages.under_way.remove(&ticket) else { return };
        let failed = match outcome {
            Outcome::Answer(code) => matches!(*code, Rcode::REFUSED | Rcode::SERV_FAIL | Rcode::NOT_AUTH),
            Outcome::TsigError(_) | Outcome::Timeout | Outcome::BadAnswer => true,
        };
        // What was under way when the zone failed could not know.
        let unknowing = |told_at: &u64| sent_at <= *told_at;
        let last = messages.failed_at.get(&zone);
        if !failed || !last.is_none_or(|told_at| unknowing(told_at) || sent_at >= told_at + PAUSE_MS) {
            return;
        }
        messages.again += rows;
        if last.is_none_or(|told_at| !unknowing(told_at)) {
            messages.failed_at.insert(zone, self.now);
        }
    }
}

/// The owner names of an update: one for each of its rows.
fn owners(update: &Update) -> BTreeSet<&Fqdn> {
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
