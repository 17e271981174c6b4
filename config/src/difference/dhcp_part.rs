//! Subnets, their pools and reservations, classes, networks, and what holds for all of them.

use dhcp::settings::{AddressRange, Reservation, ReservedFor, Scope, Settings, Subnet};

use super::{Change, Verb, keyed, named, verb};

/// Reservations of one subnet that are told one by one; of more only how many there are.
const TOLD_MAX: usize = 1_000;

pub(super) fn compare(old: &Settings, new: &Settings, changes: &mut Vec<Change>) {
    let general = [
        ("options", scope_options(&old.scope) != scope_options(&new.scope)),
        ("lease times", old.scope.lease_secs != new.scope.lease_secs),
        ("names", old.scope.naming != new.scope.naming),
        ("boot", old.scope.boot != new.scope.boot),
        ("offer_hold", old.offer_hold_secs != new.offer_hold_secs),
        ("quarantine", old.quarantine_secs != new.quarantine_secs),
        ("declines_per_client", old.declines_per_client_max != new.declines_per_client_max),
        ("limits", old.limits != new.limits),
        ("conflict probes", old.probing != new.probing),
    ];
    let what = named(&general);
    if !what.is_empty() {
        changes.push(Change::new(Verb::Changed, "what holds for every subnet ([dhcp] and [ddns])", what));
    }
    if old.leasequery != new.leasequery {
        changes.push(Change::new(Verb::Changed, "who may ask for leases ([leasequery])", ""));
    }
    if old.classes != new.classes {
        changes.push(Change::new(Verb::Changed, "the classes of clients (`[[class]]`)", ""));
    }
    let networks =
        |settings: &Settings| -> Vec<String> { settings.networks.iter().map(|network| network.name.clone()).collect() };
    if old.networks != new.networks {
        let (before, after) = (networks(old), networks(new));
        let what = if before == after { String::new() } else { super::listed(&before, &after) };
        changes.push(Change::new(Verb::Changed, "the shared networks (`[[network]]`)", what));
    }
    let by_prefix = |settings: &'_ Settings| -> Vec<ipnet::Ipv4Net> {
        settings.subnets.iter().map(|subnet| subnet.prefix).collect()
    };
    keyed(
        by_prefix(old).into_iter().zip(&old.subnets),
        by_prefix(new).into_iter().zip(&new.subnets),
        |prefix, before, after| {
            let part = format!("subnet {prefix}");
            match (before, after) {
                (Some(before), Some(after)) => subnet(&part, before, after, changes),
                (_, Some(after)) => changes.push(Change::new(Verb::Added, part, size(after))),
                (Some(before), None) => changes.push(Change::new(Verb::Removed, part, size(before))),
                (None, None) => {}
            }
        },
    );
}

fn size(subnet: &Subnet) -> String {
    let ranges = ranges_words(&subnet.ranges());
    let pools = if ranges.is_empty() { "no pool".to_owned() } else { format!("pools {ranges}") };
    match subnet.reservations.len() {
        0 => pools,
        1 => format!("{pools}, 1 reservation"),
        many => format!("{pools}, {many} reservations"),
    }
}

fn scope_options(scope: &Scope) -> impl PartialEq + '_ {
    (&scope.options, scope.own_dns, &scope.vendor, &scope.always, &scope.never)
}

fn subnet(part: &str, old: &Subnet, new: &Subnet, changes: &mut Vec<Change>) {
    let (before, after) = (old.ranges(), new.ranges());
    if before != after {
        let what = format!("from {} to {}", or_none(ranges_words(&before)), or_none(ranges_words(&after)));
        changes.push(Change::new(Verb::Changed, format!("the pools of {part}"), what));
    }
    let rest = |subnet: &Subnet| {
        let pools = subnet.pools.iter().map(|pool| {
            let mut pool = pool.clone();
            pool.ranges.clear();
            pool
        });
        pools.collect::<Vec<_>>()
    };
    let fields = [
        ("what its pools say beside their addresses", before == after && rest(old) != rest(new)),
        ("served or not", old.active != new.active),
        ("shared network", old.network != new.network),
        ("interfaces", old.interfaces != new.interfaces),
        ("who may have an address", old.access != new.access),
        ("devices that nobody knows", old.unknown_clients != new.unknown_clients),
        ("options", scope_options(&old.scope) != scope_options(&new.scope)),
        ("lease times", old.scope.lease_secs != new.scope.lease_secs),
        ("boot", old.scope.boot != new.scope.boot),
        ("names", (&old.naming, &old.scope.naming) != (&new.naming, &new.scope.naming)),
        (
            "renewal times",
            (old.renewal_permille, old.rebinding_permille) != (new.renewal_permille, new.rebinding_permille),
        ),
        ("how addresses are chosen", old.allocate != new.allocate),
        ("conflict probes", old.probe != new.probe),
        ("BOOTP", old.bootp != new.bootp),
        (
            "how clients are known and answered",
            (old.ignore_client_id, old.always_broadcast, old.refuse_unrelayed_option82, old.rapid_commit)
                != (new.ignore_client_id, new.always_broadcast, new.refuse_unrelayed_option82, new.rapid_commit),
        ),
    ];
    let what = named(&fields);
    if !what.is_empty() {
        changes.push(Change::new(Verb::Changed, part, what));
    }
    reservations(part, old, new, changes);
}

fn reservations(part: &str, old: &Subnet, new: &Subnet, changes: &mut Vec<Change>) {
    let keys = |subnet: &Subnet| -> Vec<String> { subnet.reservations.iter().map(client_of).collect() };
    let mut found = Vec::new();
    keyed(
        keys(old).into_iter().zip(&old.reservations),
        keys(new).into_iter().zip(&new.reservations),
        |client, before, after| {
            let what = match (before, after) {
                (Some(before), Some(after))
                    if (before.address, &before.hostname) != (after.address, &after.hostname) =>
                {
                    format!("from {} to {}", place(before), place(after))
                }
                (Some(_), Some(_)) => "what it alone is given".to_owned(),
                (one, other) => one.or(other).map(place).unwrap_or_default(),
            };
            found.push(Change::new(verb(before, after), format!("the reservation for {client} in {part}"), what));
        },
    );
    if found.len() > TOLD_MAX {
        let count = |verb: Verb| found.iter().filter(|change| change.verb == verb).count();
        let (added, removed, changed) = (count(Verb::Added), count(Verb::Removed), count(Verb::Changed));
        let what = format!("{added} added, {removed} removed, {changed} changed");
        changes.push(Change::new(Verb::Changed, format!("the reservations in {part}"), what));
    } else {
        changes.extend(found);
    }
}

fn place(reservation: &Reservation) -> String {
    let address = reservation.address.map_or_else(|| "any address".to_owned(), |address| address.to_string());
    match &reservation.hostname {
        Some(name) => format!("{address} as {name}"),
        None => address,
    }
}

/// Whom a reservation is for, as the file writes it.
#[must_use]
pub fn client_of(reservation: &Reservation) -> String {
    let clients: Vec<String> = reservation.clients.iter().map(client_words).collect();
    clients.join(", ")
}

fn client_words(client: &ReservedFor) -> String {
    let hex = |octets: &[u8]| octets.iter().map(|octet| format!("{octet:02x}")).collect::<String>();
    match client {
        ReservedFor::Hardware(hardware) => hardware.to_string(),
        ReservedFor::ClientId(id) => format!("client-id {id}"),
        ReservedFor::Duid(duid) => format!("duid {}", hex(duid)),
        ReservedFor::CircuitId(id) => format!("circuit-id {}", hex(id)),
        ReservedFor::RemoteId(id) => format!("remote-id {}", hex(id)),
        ReservedFor::SubscriberId(id) => format!("subscriber-id {}", hex(id)),
        ReservedFor::Port { circuit_id, remote_id } => {
            format!("circuit-id {} of remote-id {}", hex(circuit_id), hex(remote_id))
        }
    }
}

fn ranges_words(ranges: &[AddressRange]) -> String {
    let words = ranges.iter().map(|range| {
        if range.first == range.last { range.first.to_string() } else { format!("{}-{}", range.first, range.last) }
    });
    words.collect::<Vec<_>>().join(", ")
}

fn or_none(words: String) -> String {
    if words.is_empty() { "none".to_owned() } else { words }
}
