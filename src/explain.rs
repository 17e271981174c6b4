//! Why a name is what it is, or is not there: what leases, reservations and settings say ([`crate::core::explain`]) and
//! how DNS stands ([`rows`]), put together to one story. Values in, values out; the daemon's parts are asked by
//! [`crate::responder`], and `leasehold explain` prints what comes of it.

mod leases;
mod records;
pub mod rows;
pub mod views;

use std::collections::BTreeSet;
use std::net::IpAddr;

use ddns::reconcile::STATED_TYPES;
use ddns::settings::Settings;
use ddns::wanted::RowKey;
use dhcp::identity::HardwareAddress;
use dhcp::lease::LeaseState;
use dns::Fqdn;

use self::rows::RowFacts;
use self::views::{Explanation, LeaseStory};
use crate::control::local_time;
use crate::core::explain::{Facts, LeaseFacts, Subject};

/// What a person asked about: an address, a hardware address, or else a name.
///
/// # Errors
/// It is none of them; in words.
pub fn subject(asked: &str, settings: &Settings) -> Result<Subject, String> {
    let asked = asked.trim();
    if let Ok(address) = asked.parse::<IpAddr>() {
        return Ok(Subject::Address(address));
    }
    if let Some(hardware) = hardware(asked) {
        return Ok(Subject::Hardware(hardware));
    }
    let name: Fqdn =
        asked.parse().map_err(|error| format!("{asked:?} is no name, address or hardware address: {error}"))?;
    // `100.30.168.192.in-addr.arpa` means the address, and so does the name that it is an alias of.
    let address = match settings.key_of(&name) {
        Some(RowKey::Reverse(address)) => Some(address),
        _ => name.to_reverse_address(),
    };
    Ok(address.map_or(Subject::Name(name), Subject::Address))
}

/// Six octets in hexadecimal, with colons or hyphens between.
fn hardware(text: &str) -> Option<HardwareAddress> {
    let separator = if text.contains(':') { ':' } else { '-' };
    let octets: Option<Vec<u8>> = text
        .split(separator)
        .map(|octet| (octet.len() == 2).then(|| u8::from_str_radix(octet, 16).ok()).flatten())
        .collect();
    octets.filter(|octets| octets.len() == 6).and_then(|octets| HardwareAddress::new(1, &octets))
}

/// Which rows belong to a story.
#[must_use]
pub fn keys_of(subject: &Subject, facts: &Facts) -> Vec<RowKey> {
    let mut keys: BTreeSet<RowKey> = facts.names.iter().cloned().map(RowKey::Forward).collect();
    let stated = |name: &Fqdn| STATED_TYPES.map(|rtype| RowKey::Stated(name.clone(), rtype));
    keys.extend(facts.names.iter().flat_map(stated));
    keys.extend(facts.addresses.iter().map(|address| RowKey::Reverse(IpAddr::V4(*address))));
    if let Subject::Address(address) = subject {
        keys.insert(RowKey::Reverse(*address));
    }
    keys.into_iter().collect()
}

/// The whole story.
#[must_use]
pub fn explain(asked: &str, subject: &Subject, facts: &Facts, rows: &[RowFacts], settings: &Settings) -> Explanation {
    let leases: Vec<LeaseStory> = facts.leases.iter().map(leases::story).collect();
    Explanation {
        asked: asked.to_owned(),
        verdict: match subject {
            Subject::Name(name) => of_name(name, facts, &leases, rows, settings),
            Subject::Address(address) => of_address(*address, facts, &leases, rows, settings),
            Subject::Hardware(hardware) => of_hardware(*hardware, &leases),
        },
        leases,
        reservations: facts.reservations.iter().map(leases::reservation).collect(),
        records: rows.iter().map(|row| records::story(row, settings)).collect(),
        left_out: facts.left_out,
        elsewhere: None,
    }
}

fn of_name(asked: &Fqdn, facts: &Facts, leases: &[LeaseStory], rows: &[RowFacts], settings: &Settings) -> String {
    let row = facts.names.iter().find_map(|name| {
        let key = RowKey::Forward(name.clone());
        rows.iter().find(|row| row.key == key).map(|row| (name, row))
    });
    if let Some((name, row)) = row {
        return records::forward(name, row);
    }
    let stated = rows.iter().find(|row| matches!(&row.key, RowKey::Stated(name, _) if facts.names.contains(name)));
    if let Some(row) = stated {
        return records::stated(row);
    }
    let name = facts.names.first().unwrap_or(asked);
    // The client writes its own A record, perhaps.
    let only_reverse = |one: &&LeaseFacts| {
        one.lease.state == LeaseState::Bound && one.lease.name.as_ref().is_some_and(|name| !name.forward)
    };
    if let Some(one) = facts.leases.iter().find(only_reverse) {
        let address = one.lease.address;
        return format!(
            "{name}: the client of {address} writes its own A record (option 81 with S=0), this server the PTR"
        );
    }
    let refused = |one: &&LeaseStory| one.state == "bound" && one.name.is_none();
    if let Some(one) = leases.iter().find(refused) {
        return format!("{name} is not published for {}: {}", one.address, one.decision);
    }
    if let Some(one) = leases.iter().find(|one| one.state == "bound") {
        return format!("the client of {} that sent this name is called otherwise: {}", one.address, one.decision);
    }
    if let Some(one) = leases.iter().find(|one| matches!(one.state.as_str(), "expired" | "released")) {
        return format!("{name} is not published: {}", leases::ended(one));
    }
    if !facts.reservations.is_empty() {
        return format!("{name} is reserved, and not published: its host has no lease");
    }
    nothing_claims(name, settings)
}

/// What can be said of a name that no lease and no reservation has.
fn nothing_claims(name: &Fqdn, settings: &Settings) -> String {
    if settings.is_sought(name) {
        return format!(
            "{name}: no lease or reservation has it, and its zone is not known yet: the DNS server is asked where it begins"
        );
    }
    let Some(zone) = settings.zone_index_of(name).map(|at| &settings.zones[at]) else {
        return format!("{name}: no zone of the configuration holds it, and no lease or reservation has it");
    };
    if zone.apex == *name {
        return format!("{name} is a zone's own name: no client can have it");
    }
    if settings.protected.contains(name) {
        return format!(
            "{name} is protected (`protected` in [ddns], or this server's own name): no client can have it"
        );
    }
    format!(
        "nothing claims {name}: no lease and no reservation has it, and no client that has a lease sent such a name; what its \
         zone {} holds of it, if anything, is not this server's",
        zone.apex
    )
}

fn of_address(address: IpAddr, facts: &Facts, leases: &[LeaseStory], rows: &[RowFacts], settings: &Settings) -> String {
    if let Some(host) = settings.hosts.at(address) {
        let told = format!("{address} is configured by hand at {}, and given to no client", host.name);
        return match rows.iter().find(|row| row.key == RowKey::Reverse(address)) {
            Some(row) => format!("{told}; {}", records::reverse(row)),
            None => format!("{told}; no zone of the configuration holds its PTR"),
        };
    }
    let Some(one) = leases.first() else {
        let place = match facts.subnet {
            Some((prefix, true)) => format!("it is of a pool of {prefix}"),
            Some((prefix, false)) => format!("it is of {prefix}, and of no pool there"),
            None => "no subnet of the configuration holds it".to_owned(),
        };
        return format!("{address} has no lease: {place}");
    };
    let name = match (&one.name, one.state.as_str()) {
        (_, "expired" | "released") => format!("{address}: {}", leases::ended(one)),
        (_, "quarantined") => format!("{address} is in quarantine: somebody else was found to use it"),
        (Some(name), _) => format!("{address} is leased to {} as {name}", one.hardware),
        (None, _) => format!("{address} is leased to {} and has no name: {}", one.hardware, one.decision),
    };
    let reverse = rows.iter().find(|row| row.key == RowKey::Reverse(address));
    match reverse {
        Some(row) => format!("{name}; {}", records::reverse(row)),
        None if one.state == "bound" && one.name.is_some() => {
            let why = match settings.reverse_zone_of(address) {
                None => "no zone of the configuration holds its PTR, or its subnet is to have none",
                Some(_) => "its PTR is not this server's",
            };
            format!("{name}; {why}")
        }
        None => name,
    }
}

fn of_hardware(hardware: HardwareAddress, leases: &[LeaseStory]) -> String {
    let running = leases.iter().filter(|one| one.state == "bound").count();
    match (running, leases.len()) {
        (_, 0) => format!("{hardware} has no lease and had none that is remembered"),
        (0, _) => format!("{hardware} has no lease now; what it had is told below"),
        (1, _) => format!("{hardware} has one lease"),
        (many, _) => format!("{hardware} has {many} leases"),
    }
}

/// A moment as people read it.
fn moment(utc_secs: u64) -> String {
    local_time(utc_secs)
}

#[cfg(test)]
mod tests;
