//! New names of embedded zones, decided with their leases: stored in the same commit, under one sync, and published
//! before the ACK leaves.
//!
//! Only the plain case is taken here, a name and an address that nothing of ours was under before: one update each,
//! whose prerequisites say that nobody's is there. Whatever else is wanted, and whatever these prerequisites refuse, is
//! the updater's. What was written here is stored as confirmed with it, and the updater is told.
//!
//! All names of a submission become one change of each zone, in a transaction of its own behind those of the leases: a
//! crash can leave a lease without its name, which the updater then writes, and never a name without its lease.

use ddns::reconcile::{ConfirmedRow, LastAnswer};
use ddns::settings::{Settings, ZoneRoute, ZoneServer};
use ddns::transaction::{Ending, Plan, Step, Transaction};
use ddns::wanted::{Held, RowKey, Want, WantedRow};
use dns::{Fqdn, Rcode, Update};
use store::rows::Row;
use zones::{AllowAll, Ticket};

use super::{Keeping, by_lease, rows_of};
use crate::committer::CommitResult;

/// Zone changes that are stored with leases.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WithLeases {
    /// The zones' epoch when they were decided.
    pub epoch: u64,
    /// The generations of the wanted rows that they make true, ascending.
    pub written: Vec<u64>,
    ticket: Ticket,
}

impl<T> Keeping<T> {
    /// Decides what is new in the embedded zones by these transactions and adds it to them, behind. What comes back, if
    /// anything is, goes to [`Keeping::settle_with_leases`] with the outcome of all of them together. They must be
    /// submitted before anything else is decided. `at` is UTC seconds.
    pub fn decide_with_leases(
        &mut self,
        settings: &Settings,
        at: u64,
        transactions: &mut Vec<Vec<Row>>,
    ) -> Option<WithLeases> {
        let departing = by_lease::departures(settings, &self.by_lease, self.authority.tentative(), transactions);
        let mut together = self.authority.together();
        for update in departing {
            // One that no longer fits has nothing to take away.
            let _ = together.apply(&update, &AllowAll);
        }
        let mut confirmed: Vec<ConfirmedRow> = Vec::new();
        for transaction in transactions.iter() {
            let mut claimed: Vec<&Fqdn> = Vec::new();
            for row in transaction {
                let Row::Wanted(row) = row else { continue };
                let Some((want, update)) = only_update(settings, row, &claimed) else { continue };
                if together.apply(&update, &AllowAll).is_err() {
                    continue;
                }
                confirmed.push(confirmed_row(settings, row, want, &update.zone, at));
                if let RowKey::Forward(name) = &row.key {
                    claimed.push(name);
                }
            }
        }
        let (ticket, changes) = together.finish()?;
        let mut written: Vec<u64> = confirmed.iter().map(|row| row.generation).collect();
        written.sort_unstable();
        let mut rows: Vec<Row> = changes.into_iter().flat_map(rows_of).collect();
        rows.extend(confirmed.into_iter().map(Row::Confirmed));
        transactions.push(rows);
        Some(WithLeases { epoch: self.epoch, written, ticket })
    }

    /// Takes the outcome of the transactions; returns who is to be answered what, as [`Keeping::settle`] does.
    pub fn settle_with_leases(&mut self, with_leases: WithLeases, result: CommitResult) -> Vec<(T, Rcode)> {
        self.settle(with_leases.ticket, result)
    }
}

/// The transactions as they were before [`Keeping::decide_with_leases`].
pub fn take_back(transactions: &mut Vec<Vec<Row>>) {
    transactions.pop();
}

/// What is known of DNS once the row's update is stored.
fn confirmed_row(settings: &Settings, row: &WantedRow, want: &Want, zone: &Fqdn, at: u64) -> ConfirmedRow {
    let Want { name, identity, addresses, guard, .. } = want.clone();
    ConfirmedRow {
        key: row.key.clone(),
        generation: row.generation,
        done: true,
        holds: Some(Held { name, identity, addresses, guard }),
        site: settings.zones.iter().find(|route| route.apex == *zone).map(ZoneRoute::site),
        last: LastAnswer::Done,
        attempts: 0,
        at,
        unsure: None,
    }
}

/// The one update that makes a row true, when the row is new and its zone embedded. `claimed` are the names whose
/// forward rows were made true just now.
fn only_update<'r>(settings: &Settings, row: &'r WantedRow, claimed: &[&Fqdn]) -> Option<(&'r Want, Update)> {
    let want = row.want.as_ref().filter(|want| want.addresses.len() == 1 && row.former.is_empty())?;
    let zone = match &row.key {
        RowKey::Forward(name) => settings.zone_of(name),
        RowKey::Reverse(_) if want.after_forward && !claimed.contains(&&want.name) => None,
        RowKey::Reverse(address) => settings.reverse_zone_of(*address),
        RowKey::Stated(..) => None,
    };
    let zone = zone.filter(|zone| zone.server == ZoneServer::Embedded)?;
    let plan = Plan {
        zone: zone.apex.clone(),
        key: row.key.clone(),
        want: Some(want.clone()),
        former: Vec::new(),
        held: false,
        guard: settings.reverse,
    };
    let (mut transaction, Step::Send(update)) = Transaction::start_at(plan, settings.owner_of(&row.key)) else {
        return None;
    };
    // All that is to be done in one step, or the updater does it.
    (transaction.next(Rcode::NO_ERROR) == Step::Finished(Ending::Done)).then_some((want, update))
}

#[cfg(test)]
mod tests;
