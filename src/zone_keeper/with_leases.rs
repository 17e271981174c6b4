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
use ddns::settings::{Settings, Site, ZoneRoute, ZoneServer};
use ddns::transaction::FirstWrites;
use ddns::wanted::{RowKey, Want, WantedRow};
use dns::{Fqdn, Rcode, RecordType};
use store::rows::Row;
use zones::{AllowAll, Set, Ticket, Together};

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
        // Of each lease its name and its address.
        let mut confirmed: Vec<ConfirmedRow> = Vec::with_capacity(2 * transactions.len());
        let mut writes = FirstWrites::default();
        for transaction in transactions.iter() {
            let mut claimed: Vec<&Fqdn> = Vec::new();
            for row in transaction {
                let Row::Wanted(row) = row else { continue };
                let Some(want) = row.want.as_ref().filter(|want| is_plain(row, want, &claimed)) else { continue };
                let owner = settings.owner_of(&row.key);
                let Some(zone) = embedded_zone(settings, &row.key, &owner) else { continue };
                if !write(&mut together, &mut writes, settings, zone, (row, want, &owner)) {
                    continue;
                }
                confirmed.push(confirmed_row(row, want, zone.site(), at));
                if let RowKey::Forward(name) = &row.key {
                    claimed.push(name);
                }
            }
        }
        let (ticket, changes) = together.finish()?;
        let mut written: Vec<u64> = confirmed.iter().map(|row| row.generation).collect();
        written.sort_unstable();
        let mut rows = Vec::with_capacity(2 * confirmed.len() + 3 * changes.len());
        changes.into_iter().for_each(|change| rows_of(change, &mut rows));
        rows.extend(confirmed.into_iter().map(Row::Confirmed));
        transactions.push(rows);
        Some(WithLeases { epoch: self.epoch, written, ticket })
    }

    /// Takes the outcome of the transactions; returns who is to be answered what, as [`Keeping::settle`] does.
    pub fn settle_with_leases(&mut self, with_leases: WithLeases, result: CommitResult) -> Vec<(T, Rcode)> {
        self.settle(with_leases.ticket, result)
    }
}

/// Decides what makes one row true. False: it is refused, and the updater's to do.
fn write(
    together: &mut Together<'_>,
    writes: &mut FirstWrites,
    settings: &Settings,
    zone: &ZoneRoute,
    (row, want, owner): (&WantedRow, &Want, &Fqdn),
) -> bool {
    // Nearly always nothing at all is there, so that there is nothing to ask.
    if let Some(((rtype, rdata), mark)) = writes.records(&row.key, want) {
        let set = |rtype, rdata| Set { rtype, ttl: want.ttl_secs, rdata: [rdata].into() };
        let first = set(rtype, rdata);
        // Types are in their order: a DHCID record's is the greatest of these.
        let added = match mark.map(|mark| set(RecordType::DHCID, mark)) {
            Some(mark) => together.add(&zone.apex, owner, [first, mark]),
            None => together.add(&zone.apex, owner, [first]),
        };
        match added {
            Ok(true) => return true,
            Ok(false) => {}
            Err(_) => return false,
        }
    }
    let update = writes.update(&zone.apex, &row.key, owner, want, settings.reverse);
    update.is_some_and(|update| together.apply(&update, &AllowAll).is_ok())
}

/// The transactions as they were before [`Keeping::decide_with_leases`].
pub fn take_back(transactions: &mut Vec<Vec<Row>>) {
    transactions.pop();
}

/// What is known of DNS once the row's update is stored.
fn confirmed_row(row: &WantedRow, want: &Want, site: Site, at: u64) -> ConfirmedRow {
    ConfirmedRow {
        key: row.key.clone(),
        generation: row.generation,
        done: true,
        holds: Some(want.held()),
        site: Some(site),
        last: LastAnswer::Done,
        attempts: 0,
        at,
        unsure: None,
    }
}

/// Whether one update makes a row true: nothing of ours was there before, and a pointer does not have to wait. `claimed` are
/// the names whose forward rows were made true just now.
fn is_plain(row: &WantedRow, want: &Want, claimed: &[&Fqdn]) -> bool {
    let may_be = match &row.key {
        RowKey::Forward(_) => true,
        RowKey::Reverse(_) => !want.after_forward || claimed.contains(&&want.name),
        RowKey::Stated(..) => false,
    };
    may_be && want.addresses.len() == 1 && row.former.is_empty()
}

/// The zone of a row, where that is embedded.
fn embedded_zone<'s>(settings: &'s Settings, key: &RowKey, owner: &Fqdn) -> Option<&'s ZoneRoute> {
    let without = matches!(key, RowKey::Reverse(address) if !settings.has_reverse(*address));
    settings.zone_of(owner).filter(|zone| !without && zone.server == ZoneServer::Embedded)
}

#[cfg(test)]
mod tests;
