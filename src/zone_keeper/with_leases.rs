//! New names of embedded zones, decided with their leases: stored in the same commit, under one sync, and published
//! before the ACK leaves.
//!
//! Only the plain case is taken here, a name and an address that nothing of ours was under before: one update each,
//! whose prerequisites say that nobody's is there. Whatever else is wanted, and whatever these prerequisites refuse, is
//! the updater's. What was written here is stored as confirmed with it, and the updater is told.
//!
//! All names of a submission become one change of each zone, in a transaction of its own behind those of the leases: a
//! crash can leave a lease without its name, which the updater then writes, and never a name without its lease.

use std::iter;
use std::sync::Arc;

use ddns::reconcile::ConfirmedRow;
use ddns::settings::{Settings, Site, ZoneRoute, ZoneServer};
use ddns::transaction::{FirstRecords, FirstWrites};
use ddns::wanted::{NewName, RowKey, Want, WantedRow};
use dns::{Fqdn, Rcode, RecordType, Update};
use store::rows::Row;
use zones::{AllowAll, ForLeases, Ticket, Together};

use super::{Keeping, by_lease};
use crate::committer::CommitResult;

/// Zone changes that are stored with leases.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WithLeases {
    /// The zones' epoch when they were decided.
    pub epoch: u64,
    /// The generations of the wanted rows that they make true, ascending.
    pub written: Vec<u64>,
    /// Records of former lease holders that go with them.
    pub departing: Vec<Update>,
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
        let Self { by_lease: open, written: by_holders, authority, .. } = &*self;
        let departing = by_lease::departures(settings, open, by_holders, authority.tentative(), transactions);
        // What is owed first: it must not take away what is written here.
        let due = self.owed.take_due();
        let mut together = self.authority.together();
        for update in due.iter().chain(&departing) {
            // One that no longer fits has nothing to take away.
            let _ = together.apply(update, &AllowAll);
        }
        let mut written = Written { rows: Vec::with_capacity(transactions.len()), generations: Vec::new(), at };
        let mut writes = FirstWrites::default();
        for transaction in transactions.iter() {
            let mut claimed: Vec<&Fqdn> = Vec::new();
            for row in transaction {
                let row = match row {
                    Row::Wanted(row) => row,
                    Row::WantedNew(new) => {
                        write_new(&mut together, &mut writes, settings, new, &mut written);
                        continue;
                    }
                    _ => continue,
                };
                let Some(want) = row.want.as_ref().filter(|want| is_plain(row, want, &claimed)) else { continue };
                let owner = settings.owner_of(&row.key);
                let Some(zone) = embedded_zone(settings, &row.key, &owner) else { continue };
                let home = together.home(&zone.apex);
                let home = home.as_ref().unwrap_or(&zone.apex);
                if !write(&mut together, &mut writes, settings, home, (row, want, &owner)) {
                    continue;
                }
                written.add(row, zone.site());
                if let RowKey::Forward(name) = &row.key {
                    claimed.push(name);
                }
            }
        }
        let (ticket, changes) = together.finish()?;
        self.owed.send(ticket, due);
        let Written { rows: confirmed, mut generations, .. } = written;
        generations.sort_unstable();
        let mut rows = Vec::with_capacity(2 * generations.len() + 3 * changes.len());
        self.add_rows(ticket, changes, None, &mut rows);
        rows.extend(confirmed);
        transactions.push(rows);
        Some(WithLeases { epoch: self.epoch, written: generations, departing, ticket })
    }

    /// Takes the outcome of the transactions; returns who is to be answered what, as [`Keeping::settle`] does.
    pub fn settle_with_leases(&mut self, with_leases: WithLeases, result: CommitResult) -> Vec<(T, Rcode)> {
        self.settle(with_leases.ticket, result)
    }
}

/// What was made true.
struct Written {
    /// The confirmed rows, to be stored.
    rows: Vec<Row>,
    /// The generations of the wanted ones.
    generations: Vec<u64>,
    /// UTC seconds.
    at: u64,
}

impl Written {
    fn add(&mut self, row: &WantedRow, site: Site) {
        self.generations.push(row.generation);
        self.rows.push(Row::Confirmed(ConfirmedRow::written(row, site, self.at)));
    }

    fn add_new(&mut self, new: &Arc<NewName>, sites: [Site; 2]) {
        self.generations.extend([new.generation, new.reverse_generation()]);
        self.rows.push(Row::ConfirmedNew { new: Arc::clone(new), sites, at: self.at });
    }
}

/// Decides what makes both rows of a new name true, as far as embedded zones hold them and it is not refused. The pointer
/// follows its name.
fn write_new(
    together: &mut Together<'_>,
    writes: &mut FirstWrites,
    settings: &Settings,
    new: &Arc<NewName>,
    written: &mut Written,
) {
    let key = RowKey::Forward(new.name.clone());
    let Some(zone) = embedded_zone(settings, &key, &new.name) else { return };
    let records = FirstRecords::of(new);
    // What is there already is asked about in the way of all rows.
    let refused =
        |together: &mut Together<'_>, writes: &mut FirstWrites, row: &WantedRow, zone: &Fqdn, owner: &Fqdn| {
            let want = row.want.as_ref();
            want.is_none_or(|want| !write_asking(together, writes, settings, zone, (row, want, owner)))
        };
    let home = together.home(&zone.apex);
    let home = home.as_ref().unwrap_or(&zone.apex);
    if !add(together, home, (&new.name, new.ttl_secs), records.of_name())
        && refused(together, writes, &new.forward(), home, &new.name)
    {
        return;
    }
    let (key, site) = (RowKey::Reverse(new.address), zone.site());
    let owner = settings.owner_of(&key);
    if let Some(zone) = embedded_zone(settings, &key, &owner) {
        let home = together.home(&zone.apex);
        let home = home.as_ref().unwrap_or(&zone.apex);
        if add(together, home, (&owner, new.ttl_secs), records.of_address())
            || !refused(together, writes, &new.reverse(), home, &owner)
        {
            return written.add_new(new, [site, zone.site()]);
        }
    }
    written.add(&new.forward(), site);
}

/// Decides what makes one row true. False: it is refused, and the updater's to do.
fn write(
    together: &mut Together<'_>,
    writes: &mut FirstWrites,
    settings: &Settings,
    zone: &Fqdn,
    (row, want, owner): (&WantedRow, &Want, &Fqdn),
) -> bool {
    let is_added = writes.records(&row.key, want).is_some_and(|((rtype, data), mark)| {
        // Types are in their order: a DHCID record's is the greatest of these.
        let marked = mark.iter().map(|mark| (RecordType::DHCID, &*mark.0));
        add(together, zone, (owner, want.ttl_secs), iter::once((rtype, &*data.0)).chain(marked))
    });
    is_added || write_asking(together, writes, settings, zone, (row, want, owner))
}

/// Puts the first records where nothing at all is, as nearly always, so that there is nothing to ask. False: something is,
/// or the zone takes no more.
fn add<'d>(
    together: &mut Together<'_>,
    zone: &Fqdn,
    owner: (&Fqdn, u32),
    records: impl Iterator<Item = (RecordType, &'d [u8])>,
) -> bool {
    together.add(zone, owner, records) == Ok(true)
}

/// Decides what makes one row true by the update that asks about what is there. False: it is refused, and the updater's to
/// do.
fn write_asking(
    together: &mut Together<'_>,
    writes: &mut FirstWrites,
    settings: &Settings,
    zone: &Fqdn,
    (row, want, owner): (&WantedRow, &Want, &Fqdn),
) -> bool {
    let update = writes.update(zone, &row.key, owner, want, settings.reverse);
    update.is_some_and(|update| together.apply(&update, &ForLeases).is_ok())
}

/// The transactions as they were before [`Keeping::decide_with_leases`].
pub fn take_back(transactions: &mut Vec<Vec<Row>>) {
    transactions.pop();
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
