//! From what a client sent to the name that DNS should hold for it (RFC 4702), and to what the client is told.
//!
//! A pure function: [`choose`] takes what the client sent, the subnet's rules, the zones, and [`Holders`], who know
//! which names other hosts hold. The order of precedence is: the reservation's name, option 81, option 12, a name
//! made from the address.

mod client_fqdn;
mod label;

use std::net::IpAddr;

use dns::{Fqdn, HostIdentity};

pub use client_fqdn::ClientFqdn;
pub use dns::naming::{ClientUpdates, ConflictGuard, GeneratedName, Naming, OutsideName, Ttl};
pub use label::{clean_label, clean_labels};

use crate::grant::{Grant, Holders};
use crate::settings::Settings;

/// RFC 4702 section 5: no less than ten minutes. In seconds.
const TTL_SECS_MIN: u32 = 600;

/// Names that clients send without meaning them, or that other programs trust: a client never gets them, a
/// reservation may. RFC 6761 section 6.3 (localhost); web proxies and tunnels are looked up as the other two.
const UNCLAIMABLE: [&[u8]; 3] = [b"localhost", b"wpad", b"isatap"];

/// What is known of a client's wish for a name.
#[derive(Clone, Debug)]
pub struct Question<'a> {
    /// Option 12, as sent; empty for none.
    pub hostname: &'a [u8],
    /// Option 81, as sent; `None` when absent.
    pub client_fqdn: Option<&'a [u8]>,
    /// The reservation's name, which wins over what the client sends.
    pub reserved_hostname: Option<&'a str>,
    /// The address it will have.
    pub address: IpAddr,
    /// How long the lease will run, in seconds.
    pub lease_secs: u32,
    /// Who asks.
    pub identity: HostIdentity,
    /// The subnet's rules.
    pub naming: &'a Naming,
}

/// The decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// What DNS should hold; `None`: nothing.
    pub name: Option<ChosenName>,
    /// The data of the option 81 to reply with; `None` when the client sent none (RFC 4702 section 4: a server includes
    /// the option only if the client did).
    pub client_fqdn: Option<Box<[u8]>>,
    /// How the name came about, or why there is none.
    pub reason: Reason,
}

/// A name and which records the server keeps for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChosenName {
    /// The full name.
    pub fqdn: Fqdn,
    /// Whose it is.
    pub identity: HostIdentity,
    /// The server keeps the A record.
    pub forward: bool,
    /// The server keeps the PTR record.
    pub reverse: bool,
    /// Time to live of both, in seconds.
    pub ttl_secs: u32,
    /// How the A record is guarded in DNS.
    pub guard: ConflictGuard,
}

/// How a name came about, or why none is published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The reservation's name.
    Reservation,
    /// Option 81.
    ClientFqdn,
    /// Option 12.
    Hostname,
    /// Made from the address.
    Generated,
    /// Nothing usable was sent, and the subnet generates none.
    NoName,
    /// The client asked for no update (option 81 with N=1).
    ClientDeclined,
    /// The name lies in no zone of ours.
    OutsideZones,
    /// The name is an apex, a protected name, or kept for a reservation.
    Protected,
    /// Another host holds the name.
    Taken,
    /// The name leaves nothing for the server to write: the client writes A, and there is no reverse zone.
    NothingToWrite,
}

/// Decides on one client's name. `holders` tell what comes of a name that another host holds.
#[must_use]
pub fn choose(question: &Question<'_>, settings: &Settings, holders: &dyn Holders) -> Answer {
    let sent = question.client_fqdn.and_then(ClientFqdn::parse);
    let (name, reason, foreign) = match chosen(question, sent.as_ref(), settings, holders) {
        Ok((name, source, foreign)) => (Some(name), source, foreign),
        Err(refusal) => (None, refusal, false),
    };
    let client_fqdn = sent.map(|sent| {
        // What somebody else has in DNS is tried again, but until then nothing is written.
        let told = name.as_ref().filter(|_| !foreign);
        let writes_a = told.is_some_and(|name| name.forward);
        sent.build_reply(writes_a, told.is_some(), told.map(|name| &name.fqdn))
    });
    Answer { name, client_fqdn, reason }
}

fn chosen(
    question: &Question<'_>,
    sent: Option<&ClientFqdn<'_>>,
    settings: &Settings,
    holders: &dyn Holders,
) -> Result<(ChosenName, Reason, bool), Reason> {
    // RFC 4702 section 3.4: with N=1 the client asks that the server make no DNS update on its behalf. A reservation
    // names the host, it does not overrule that wish.
    if sent.is_some_and(|sent| sent.no_updates) {
        return Err(Reason::ClientDeclined);
    }
    let (fqdn, source) = candidate(question, sent, settings)?;
    let own_reservation = source == Reason::Reservation;
    if is_protected(&fqdn, question.naming, settings, own_reservation) {
        return Err(Reason::Protected);
    }
    let (fqdn, foreign) = match holders.grant(&fqdn, &question.identity, source) {
        Grant::Granted(fqdn) => (fqdn, false),
        Grant::Foreign(fqdn) => (fqdn, true),
        Grant::Taken => return Err(Reason::Taken),
    };
    // RFC 4702 section 4: a server may be configured to write the A record though the client would. Windows clients
    // send S=0 and N=0 by default, and resolve nowhere if that is followed to the letter.
    let client_writes_a =
        sent.is_some_and(|sent| !sent.server_updates_a) && question.naming.client_updates == ClientUpdates::Allow;
    let forward = !client_writes_a;
    let reverse = settings.reverse_zone_of(question.address).is_some();
    if !forward && !reverse {
        return Err(Reason::NothingToWrite);
    }
    let ttl_secs = ttl_secs_of(question.naming.ttl, question.lease_secs);
    let (identity, guard) = (question.identity.clone(), question.naming.guard);
    Ok((ChosenName { fqdn, identity, forward, reverse, ttl_secs, guard }, source, foreign))
}

/// The name that the client would have if nobody else wanted it, and where it comes from.
fn candidate(
    question: &Question<'_>,
    sent: Option<&ClientFqdn<'_>>,
    settings: &Settings,
) -> Result<(Fqdn, Reason), Reason> {
    if let Some(reserved) = question.reserved_hostname {
        let labels = clean_labels(&client_fqdn::ascii_labels(reserved.as_bytes()));
        if !labels.is_empty() {
            return placed(&labels, question.naming, settings).map(|fqdn| (fqdn, Reason::Reservation));
        }
    }
    // RFC 4702 section 3.1: where a client sends both, the Client FQDN option counts and the Host Name option does not.
    // Option 12 is still looked at when option 81 leaves the name to the server.
    let by_option_81 = sent.map(|sent| (clean_labels(&sent.labels), Reason::ClientFqdn));
    let by_option_12 = (clean_labels(&client_fqdn::ascii_labels(question.hostname)), Reason::Hostname);
    let usable = |labels: &[Vec<u8>]| match labels.first() {
        None => false,
        Some(first) => !UNCLAIMABLE.contains(&first.as_slice()) && !is_generated(first),
    };
    for (labels, source) in by_option_81.into_iter().chain([by_option_12]) {
        if usable(&labels) {
            return placed(&labels, question.naming, settings).map(|fqdn| (fqdn, source));
        }
    }
    if question.naming.generate.is_none() {
        return Err(Reason::NoName);
    }
    let label = generated_label(question.address).into_bytes();
    placed(&[label], question.naming, settings).map(|fqdn| (fqdn, Reason::Generated))
}

/// Puts cleaned labels into a zone: one label goes under the subnet's domain; several are a full name where they lie
/// in a zone of ours, and else what [`Naming::outside`] says.
fn placed(labels: &[Vec<u8>], naming: &Naming, settings: &Settings) -> Result<Fqdn, Reason> {
    let in_forward_zone = |name: &Fqdn| settings.zone_of(name).is_some_and(|zone| !zone.apex.is_reverse());
    let (first, more) = labels.split_first().ok_or(Reason::NoName)?;
    if !more.is_empty() {
        // A name of more than 255 octets is in no zone.
        if let Some(full) = Fqdn::from_labels(labels).ok().filter(in_forward_zone) {
            return Ok(full);
        }
        if naming.outside == OutsideName::Refuse {
            return Err(Reason::OutsideZones);
        }
    }
    naming.domain.prepend_label(first).ok().filter(in_forward_zone).ok_or(Reason::OutsideZones)
}

/// Whether no client may take the name.
fn is_protected(name: &Fqdn, naming: &Naming, settings: &Settings, own_reservation: bool) -> bool {
    *name == naming.domain
        || settings.zones.iter().any(|zone| zone.apex == *name)
        || settings.protected.contains(name)
        || (!own_reservation && settings.reserved.contains(name))
}

/// RFC 4702 section 5: the TTL is no more than a third of the lease time and no less than ten minutes. Ten minutes
/// wherever both hold, so that a lease of another length changes no record; where they cannot both hold, the third
/// wins, because a record that outlives its lease is wrong.
fn ttl_secs_of(ttl: Ttl, lease_secs: u32) -> u32 {
    match ttl {
        Ttl::Rfc4702 => TTL_SECS_MIN.min(lease_secs / 3),
        Ttl::Fixed(secs) => secs,
        Ttl::Share { percent, min_secs, max_secs } => {
            let share = u64::from(lease_secs) * u64::from(percent) / 100;
            u32::try_from(share).unwrap_or(u32::MAX).min(max_secs).max(min_secs)
        }
    }
}

/// `host-192-168-30-100`; for IPv6 the eight groups in hexadecimal.
fn generated_label(address: IpAddr) -> String {
    match address {
        IpAddr::V4(v4) => {
            let [a, b, c, d] = v4.octets();
            format!("host-{a}-{b}-{c}-{d}")
        }
        IpAddr::V6(v6) => {
            let groups: Vec<String> = v6.segments().iter().map(|group| format!("{group:x}")).collect();
            format!("host-{}", groups.join("-"))
        }
    }
}

/// Whether a label is one that we make from an IPv4 address. A client that learnt such a name as its own sends it
/// back from its next address, where it would be wrong: it counts as no name.
fn is_generated(label: &[u8]) -> bool {
    let Some(rest) = label.strip_prefix(b"host-") else { return false };
    let octets: Vec<&[u8]> = rest.split(|octet| *octet == b'-').collect();
    octets.len() == 4
        && octets.iter().all(|octet| std::str::from_utf8(octet).is_ok_and(|text| text.parse::<u8>().is_ok()))
}

#[cfg(test)]
mod tests;
