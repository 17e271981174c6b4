//! Records that holders of leases wrote by themselves (`self_by_lease`), at the end of what gave them the right.
//!
//! Such a record goes when its lease ends or gets another name, and when the server begins to keep the name itself: it
//! would take the record for somebody else's. It goes in the transaction that says so. Under names that the configuration
//! states nothing goes: what is there is the administrator's, even if it says the same.

use std::collections::HashSet;

use ddns::settings::{Settings, ZoneServer};
use ddns::wanted::{RowKey, WantedRow, WantedTable};
use dns::{Fqdn, Update};
use std::net::IpAddr;
use store::rows::Row;
use zones::ZoneSet;
use zones::by_lease::departure;

/// What goes with these transactions from the zones that are `open` to leases.
pub(super) fn departures(
    settings: &Settings,
    open: &HashSet<Fqdn>,
    zones: &ZoneSet,
    transactions: &[Vec<Row>],
) -> Vec<Update> {
    if open.is_empty() {
        return Vec::new();
    }
    let left = transactions.iter().flatten().flat_map(|row| match row {
        Row::Wanted(row) => left_behind(row),
        // The server keeps the name from now on.
        Row::WantedNew(new) => vec![(new.name.clone(), new.address)],
        _ => Vec::new(),
    });
    updates(settings, open, zones, left)
}

/// What should have gone before a crash, which can lose what goes behind the end of a lease: former names that are not
/// known to be gone. Names that the server keeps there by now are its own.
pub(super) fn missed(settings: &Settings, open: &HashSet<Fqdn>, zones: &ZoneSet, wanted: &WantedTable) -> Vec<Update> {
    if open.is_empty() {
        return Vec::new();
    }
    let is_reverse = |row: &WantedRow| matches!(row.key, RowKey::Reverse(_)) && !row.former.is_empty();
    let left = wanted.iter().filter(is_reverse).flat_map(|row| left_behind(&row));
    let is_kept = |name: &Fqdn, address: &IpAddr| {
        let row = wanted.get(&RowKey::Forward(name.clone()));
        row.and_then(|row| row.want).is_some_and(|want| want.addresses.contains(address))
    };
    updates(settings, open, zones, left.filter(|(name, address)| !is_kept(name, address)))
}

fn updates(
    settings: &Settings,
    open: &HashSet<Fqdn>,
    zones: &ZoneSet,
    left: impl Iterator<Item = (Fqdn, IpAddr)>,
) -> Vec<Update> {
    let updates = |(name, address): (Fqdn, IpAddr)| -> Vec<Update> {
        // Names of static records, of views too, and name servers are among the protected ones; apexes are not.
        if settings.protected.contains(&name) || zones.ids_of(&name).iter().any(|id| zones.get(id).is_some()) {
            return Vec::new();
        }
        let route = settings.zone_of(&name).filter(|route| route.server == ZoneServer::Embedded);
        let (Some(route), IpAddr::V4(address)) = (route, address) else { return Vec::new() };
        // A client may have written into whichever it sees.
        let ids = zones.ids_of(&route.apex).iter().filter(|id| open.contains(*id));
        ids.filter_map(|id| departure(zones.get(id)?, &name, address)).collect()
    };
    left.flat_map(updates).collect()
}

/// Names and addresses that a row says are no longer their client's own to keep.
fn left_behind(row: &WantedRow) -> Vec<(Fqdn, IpAddr)> {
    match (&row.key, &row.want) {
        // The lease has ended, or has another name now.
        (RowKey::Reverse(address), want) => {
            let now = want.as_ref().map(|want| &want.name);
            let former = row.former.iter().map(|held| &held.name).filter(|name| Some(*name) != now);
            former.map(|name| (name.clone(), *address)).collect()
        }
        // The server keeps the name from now on.
        (RowKey::Forward(name), Some(want)) => want.addresses.iter().map(|address| (name.clone(), *address)).collect(),
        (RowKey::Forward(_) | RowKey::Stated(..), _) => Vec::new(),
    }
}
