//! New names of embedded zones, decided with their leases: one transaction, one sync, and published before the ACK
//! leaves.
//!
//! The updater need not know of it. It finds the name there, as after a crash between writing and confirming, sees its
//! own DHCID and confirms it. So only the plain case is taken here, a name and an address that nothing of ours was under
//! before: one update each, whose prerequisites say that nobody's is there. Whatever else is wanted, and whatever these
//! prerequisites refuse, is the updater's.

use ddns::settings::{Settings, ZoneServer};
use ddns::transaction::{Plan, Step, Transaction};
use ddns::wanted::{RowKey, WantedRow};
use dns::{Fqdn, Rcode, Update};
use store::rows::Row;
use zones::{AllowAll, Decision, Ticket};

use super::{Keeping, rows_of};
use crate::committer::CommitResult;

/// Zone changes that are stored in the transactions of leases.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WithLeases {
    /// The zones' epoch when they were decided.
    pub epoch: u64,
    tickets: Vec<Ticket>,
}

impl<T> Keeping<T> {
    /// Decides what is new in the embedded zones by these transactions and adds it to them. What comes back, if
    /// anything is, goes to [`Keeping::settle_with_leases`] with the outcome of all of them together. They must be
    /// submitted before anything else is decided.
    pub fn decide_with_leases(&mut self, settings: &Settings, transactions: &mut [Vec<Row>]) -> Option<WithLeases> {
        let mut tickets = Vec::new();
        for transaction in transactions {
            let mut added = Vec::new();
            let mut claimed: Vec<&Fqdn> = Vec::new();
            for row in transaction.iter() {
                let Row::Wanted(row) = row else { continue };
                let Some(update) = only_update(settings, row, &claimed) else { continue };
                let decision = self.authority.apply(&update, &AllowAll);
                let Decision { rcode: Rcode::NO_ERROR, change: Some(change), after: Some(ticket) } = decision else {
                    continue;
                };
                tickets.push(ticket);
                added.extend(rows_of(change));
                if let RowKey::Forward(name) = &row.key {
                    claimed.push(name);
                }
            }
            transaction.extend(added);
        }
        (!tickets.is_empty()).then_some(WithLeases { epoch: self.epoch, tickets })
    }

    /// Takes the outcome of the transactions; returns who is to be answered what, as [`Keeping::settle`] does.
    pub fn settle_with_leases(&mut self, with_leases: WithLeases, result: CommitResult) -> Vec<(T, Rcode)> {
        with_leases.tickets.into_iter().flat_map(|ticket| self.settle(ticket, result)).collect()
    }
}

/// The transactions as they were before [`Keeping::decide_with_leases`].
pub fn take_back(transactions: &mut [Vec<Row>]) {
    for transaction in transactions {
        transaction.retain(|row| !matches!(row, Row::ZoneSet { .. }));
    }
}

/// The one update that makes a row true, when the row is new and its zone embedded. `claimed` are the names whose
/// forward rows were made true just now.
fn only_update(settings: &Settings, row: &WantedRow, claimed: &[&Fqdn]) -> Option<Update> {
    let want = row.want.as_ref().filter(|want| want.addresses.len() == 1 && row.former.is_empty())?;
    let zone = match &row.key {
        RowKey::Forward(name) => settings.zone_of(name),
        RowKey::Reverse(_) if want.after_forward && !claimed.contains(&&want.name) => None,
        RowKey::Reverse(address) => settings.reverse_zone_of(*address),
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
    match Transaction::start_at(plan, settings.owner_of(&row.key)) {
        (_, Step::Send(update)) => Some(update),
        (_, Step::Finished(_)) => None,
    }
}

#[cfg(test)]
mod tests;
