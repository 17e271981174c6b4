//! The rows of some subnets: their leases, and what is wanted in DNS for them.
//!
//! Zones stay where they are: one zone holds names of many subnets. The server that takes the rows brings its own zones to
//! what they want when it starts.

use std::collections::BTreeSet;
use std::net::IpAddr;

use ddns::wanted::{RowKey, WantedRow};
use dns::Fqdn;
use ipnet::Ipv4Net;
use store::Row;
use store::db::{RawRows, read_row};

fn within(subnets: &[Ipv4Net], address: IpAddr) -> bool {
    matches!(address, IpAddr::V4(address) if subnets.iter().any(|subnet| subnet.contains(&address)))
}

/// The rows about these subnets.
#[must_use]
pub fn of_subnets(rows: &RawRows, subnets: &[Ipv4Net]) -> RawRows {
    let names = names_in(rows, subnets);
    let belongs = |row: &Row| match row {
        Row::Lease(lease) => within(subnets, lease.address.into()),
        Row::Wanted(row) => is_wanted_in(row, subnets, &names),
        Row::Suffix(assignment) => names.iter().any(|name| name.first_label() == assignment.base.first_label()),
        _ => false,
    };
    let read = |((stream, key), value): &(&(u8, Vec<u8>), &Vec<u8>)| read_row(*stream, key, value).ok();
    let kept = rows.iter().filter(|row| read(row).is_some_and(|row| belongs(&row)));
    kept.map(|(id, value)| (id.clone(), value.clone())).collect()
}

/// `here` with the rows of these subnets taken out and `theirs` put in.
#[must_use]
pub fn put_subnets(here: &RawRows, theirs: &RawRows, subnets: &[Ipv4Net]) -> RawRows {
    let names = names_in(here, subnets);
    let goes = |row: &Row| match row {
        Row::Lease(lease) => within(subnets, lease.address.into()),
        Row::Wanted(row) => is_wanted_in(row, subnets, &names),
        _ => false,
    };
    let mut rows = here.clone();
    rows.retain(|(stream, key), value| !read_row(*stream, key, value).is_ok_and(|row| goes(&row)));
    rows.extend(theirs.iter().map(|(id, value)| (id.clone(), value.clone())));
    rows
}

/// The names that leases of these subnets have.
fn names_in(rows: &RawRows, subnets: &[Ipv4Net]) -> BTreeSet<Fqdn> {
    let leases = rows.iter().filter_map(|((stream, key), value)| match read_row(*stream, key, value) {
        Ok(Row::Lease(lease)) if within(subnets, lease.address.into()) => Some(lease.name?.fqdn),
        _ => None,
    });
    leases.collect()
}

/// Whether a wanted row is of these subnets alone: a name that has addresses elsewhere too belongs to both, and stays where
/// it is.
fn is_wanted_in(row: &WantedRow, subnets: &[Ipv4Net], names: &BTreeSet<Fqdn>) -> bool {
    match &row.key {
        RowKey::Reverse(address) => within(subnets, *address),
        RowKey::Forward(name) => match &row.want {
            Some(want) => !want.addresses.is_empty() && want.addresses.iter().all(|address| within(subnets, *address)),
            None => names.contains(name),
        },
        RowKey::Stated(..) => false,
    }
}
