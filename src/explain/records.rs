//! DNS's part of the story: zone, server, key, what the last update asked for and what came back.

use ddns::reconcile::{LastAnswer, Stage};
use ddns::settings::{ReverseGuard, Settings, ZoneServer};
use ddns::wanted::{RowKey, Want};
use dns::{ConflictGuard, Fqdn};

use super::leases::guard;
use super::rows::RowFacts;
use super::views::RecordStory;

pub(super) fn story(row: &RowFacts, settings: &Settings) -> RecordStory {
    let (key, rtype) = match &row.key {
        RowKey::Forward(name) => (name.to_string(), "A".to_owned()),
        RowKey::Reverse(address) => (address.to_string(), "PTR".to_owned()),
        RowKey::Stated(name, rtype) => (name.to_string(), rtype.to_string()),
    };
    let (servers, key_name) = match &row.server {
        Some(ZoneServer::Remote { servers, auth }) => {
            let servers = servers.iter().map(ToString::to_string).collect();
            (Some(servers), auth.signer())
        }
        Some(ZoneServer::Embedded) | None => (None, None),
    };
    let several = servers.as_ref().is_some_and(|servers: &Vec<String>| servers.len() > 1);
    RecordStory {
        key,
        owner: settings.owner_of(&row.key).to_string(),
        rtype,
        wanted: row.want.as_ref().map(|want| content(want, &row.key)),
        ttl_secs: row.want.as_ref().map(|want| want.ttl_secs),
        done: row.stage == Stage::Done,
        state: row.words.clone(),
        zone: row.apex.as_ref().map(ToString::to_string),
        used: row.used.as_ref().filter(|_| several).and_then(ZoneServer::primary).map(|server| server.to_string()),
        servers,
        key_name,
        prerequisite: match &row.key {
            RowKey::Forward(_) => of_forward(row),
            RowKey::Reverse(_) => of_reverse(row, settings.reverse),
            RowKey::Stated(..) => of_stated(row),
        },
        found: None,
        answered_at: (row.at != 0).then_some(row.at),
        tries: row.attempts,
        next_try_secs: row.next_try_secs,
        zone_down_since: row.down_since,
    }
}

/// A name's row in a sentence.
pub(super) fn forward(name: &Fqdn, row: &RowFacts) -> String {
    match &row.want {
        Some(want) if row.stage == Stage::Done => {
            format!("{name} is published: DNS holds {}", content(want, &row.key))
        }
        Some(want) => format!("{name} is not in DNS yet ({} is wanted): {}", content(want, &row.key), row.words),
        None => format!("{name} is nobody's any more, and is being removed from DNS: {}", row.words),
    }
}

/// A sentence about records that the configuration states.
pub(super) fn stated(row: &RowFacts) -> String {
    let owner = match &row.key {
        RowKey::Forward(name) | RowKey::Stated(name, _) => name.to_string(),
        RowKey::Reverse(address) => address.to_string(),
    };
    match &row.want {
        Some(want) if row.stage == Stage::Done => {
            format!("{owner} is stated in the configuration: DNS holds {}", content(want, &row.key))
        }
        Some(want) => {
            let wanted = content(want, &row.key);
            format!("{owner} is stated in the configuration ({wanted}), and not in DNS yet: {}", row.words)
        }
        None => format!("{owner} is stated no more, and is being removed from DNS: {}", row.words),
    }
}

/// An address' row in a sentence.
pub(super) fn reverse(row: &RowFacts) -> String {
    match &row.want {
        Some(want) if row.stage == Stage::Done => format!("its PTR names {}", want.name),
        Some(want) => format!("its PTR to {} is not in DNS yet: {}", want.name, row.words),
        None => format!("its PTR is being removed from DNS: {}", row.words),
    }
}

fn content(want: &Want, key: &RowKey) -> String {
    match key {
        RowKey::Reverse(_) => format!("PTR {}", want.name),
        RowKey::Stated(_, rtype) => want.stated_words(*rtype),
        RowKey::Forward(_) => {
            let of = |v4: bool| -> Vec<String> {
                want.addresses.iter().filter(|address| address.is_ipv4() == v4).map(ToString::to_string).collect()
            };
            let families = [("A", of(true)), ("AAAA", of(false))];
            let parts: Vec<String> = families
                .iter()
                .filter(|(_, addresses)| !addresses.is_empty())
                .map(|(rtype, addresses)| format!("{rtype} {}", addresses.join(", ")))
                .collect();
            parts.join(" and ")
        }
    }
}

/// What the update of a name asks for before it changes anything, and what the last answer says of that.
fn of_forward(row: &RowFacts) -> String {
    let Some(want) = &row.want else {
        return "its records go only where their DHCID is this host's (RFC 4703 section 5.5)".to_owned();
    };
    let asked = match want.guard {
        ConflictGuard::CheckWithDhcid => {
            "the name must be free, or its DHCID this host's (RFC 4703 sections 5.3.1 and 5.3.2)"
        }
        ConflictGuard::CheckExistsWithDhcid => "the name must be free, or have a DHCID, whosever it is",
        ConflictGuard::NoCheckWithDhcid => "nothing is asked: the addresses are replaced, and a DHCID is written",
        ConflictGuard::NoCheckWithoutDhcid => "nothing is asked: the addresses are replaced, and no DHCID is written",
    };
    let met = match row.last {
        LastAnswer::Done if want.guard.checks() => "; it was so",
        LastAnswer::Conflict => match want.guard {
            ConflictGuard::CheckExistsWithDhcid => {
                "; it was not so: the name is there (YXDOMAIN) and has no DHCID (NXRRSET)"
            }
            _ => {
                "; it was not so: the name is there (YXDOMAIN), and its DHCID is another host's, or it has none because it \
                 was made by hand (NXRRSET)"
            }
        },
        LastAnswer::Refused(_) | LastAnswer::Timeout | LastAnswer::BadAnswer | LastAnswer::Kerberos(_) => {
            "; the last answer did not come as far as telling"
        }
        _ => "",
    };
    format!("{}: {asked}{met}", guard(want.guard))
}

/// The same of records that the configuration states.
fn of_stated(row: &RowFacts) -> String {
    let asked = match &row.want {
        Some(_) => {
            "nothing of the name and type may be there, or exactly what was written before (RFC 2136 sections 2.4.2 and 2.4.3)"
        }
        None => "they go only while they are exactly as they were written (RFC 2136 section 2.4.2)",
    };
    let met = match row.last {
        LastAnswer::Done => "; it was so",
        LastAnswer::Conflict => "; it was not so: other records are there",
        _ => "",
    };
    format!("{asked}{met}")
}

fn of_reverse(row: &RowFacts, guard: ReverseGuard) -> String {
    let asked = match (guard, &row.want) {
        (ReverseGuard::Dhcid, Some(_)) => "the address must have no PTR and no DHCID, or this host's DHCID",
        (ReverseGuard::Dhcid, None) => "its PTR goes only where its DHCID is this host's",
        (ReverseGuard::Rfc4703, Some(_)) => "nothing is asked: the PTR is replaced (RFC 4703 section 5.4)",
        (ReverseGuard::Rfc4703, None) => "its PTR goes only where it names this host (RFC 4703 section 5.5)",
    };
    let met = match row.last {
        LastAnswer::Done if guard == ReverseGuard::Dhcid => "; it was so",
        LastAnswer::Conflict => "; it was not so: somebody else's PTR is there, or one made by hand (YXRRSET, NXRRSET)",
        _ => "",
    };
    format!("{asked}{met}")
}
