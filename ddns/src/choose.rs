//! From what a client sent to the name that DNS should hold for it (RFC 4702), and to what the client is told.
//!
//! A pure function: [`choose`] takes what the client sent, the subnet's rules, the zones, and [`Holders`], who know
//! which names other hosts hold. The order of precedence is: the reservation's name, a name that the server makes where
//! it is to replace others, option 81, option 12, and a name that the server makes where nothing else is there.
//! [`explain_choice`] tells the way, by the same functions.

mod client_fqdn;
mod generated;
mod idna;
mod label;
mod told;

use std::borrow::Cow;
use std::net::IpAddr;

use dns::{Bytes, Fqdn, HostIdentity};

pub use client_fqdn::ClientFqdn;
pub use dns::naming::{CleanUp, ClientUpdates, ConflictGuard, GeneratedName, Naming, OutsideName, ReplaceName, Ttl};
pub use label::clean_label;
use label::clean_labels;
use told::Listener;
pub use told::{NameSource, Step, Unusable};

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
    /// Its hardware address; empty when it has none.
    pub hardware: &'a [u8],
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
    pub client_fqdn: Option<Bytes>,
    /// How the name came about, or why there is none.
    pub reason: Reason,
    /// The name is somebody else's in DNS: it is tried again now and then, and the client is told of none meanwhile.
    pub foreign: bool,
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
    /// Made by the server.
    Generated,
    /// Nothing usable was sent, and the subnet generates none.
    NoName,
    /// The client asked for no update (option 81 with N=1).
    ClientDeclined,
    /// The client wants to write its own A record, and whoever wants that gets no records.
    UpdatesDenied,
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
    decide(question, settings, holders, &mut ())
}

/// Decides as [`choose`] does, and tells why.
#[must_use]
pub fn explain_choice(question: &Question<'_>, settings: &Settings, holders: &dyn Holders) -> (Answer, Vec<Step>) {
    let mut steps = Vec::new();
    let answer = decide(question, settings, holders, &mut steps);
    steps.push(Step::Outcome(answer.reason));
    (answer, steps)
}

fn decide(question: &Question<'_>, settings: &Settings, holders: &dyn Holders, listener: &mut impl Listener) -> Answer {
    let sent = question.client_fqdn.and_then(ClientFqdn::parse);
    if let Some(ClientFqdn { server_updates_a, no_updates, wire, .. }) = sent {
        listener.hear(|| Step::Flags { server_updates_a, no_updates, wire });
    }
    let ignores = question.naming.client_updates == ClientUpdates::Ignore;
    if ignores && sent.is_some() {
        listener.hear(|| Step::ClientFqdnIgnored);
    }
    let sent = sent.filter(|_| !ignores);
    let (name, reason, foreign) = match chosen(question, sent.as_ref(), settings, holders, listener) {
        Ok((name, source, foreign)) => (Some(name), source, foreign),
        Err(refusal) => (None, refusal, false),
    };
    let client_fqdn = sent.map(|sent| {
        // What somebody else has in DNS is tried again, but until then nothing is written.
        let told = name.as_ref().filter(|_| !foreign);
        let writes_a = told.is_some_and(|name| name.forward);
        sent.build_reply(writes_a, told.is_some(), told.map(|name| &name.fqdn))
    });
    Answer { name, client_fqdn, reason, foreign }
}

fn chosen(
    question: &Question<'_>,
    sent: Option<&ClientFqdn<'_>>,
    settings: &Settings,
    holders: &dyn Holders,
    listener: &mut impl Listener,
) -> Result<(ChosenName, Reason, bool), Reason> {
    let naming = question.naming;
    let forward = writes_forward(sent, naming, listener)?;
    let (fqdn, source) = candidate(question, sent, settings, listener)?;
    let own_reservation = source == Reason::Reservation;
    if is_protected(&fqdn, naming, settings, own_reservation) {
        return Err(Reason::Protected);
    }
    let (fqdn, foreign) = granted(&fqdn, question, (source, forward), holders, listener)?;
    let reverse = settings.keeps_reverse(question.address);
    if !forward && !reverse {
        return Err(Reason::NothingToWrite);
    }
    let ttl_secs = ttl_secs_of(naming.ttl, question.lease_secs);
    let (identity, guard) = (question.identity.clone(), naming.guard);
    Ok((ChosenName { fqdn, identity, forward, reverse, ttl_secs, guard }, source, foreign))
}

/// The name that the client has in the end, and whether it is somebody else's in DNS.
///
/// # Errors
/// Another host has it.
fn granted(
    wished: &Fqdn,
    question: &Question<'_>,
    (source, forward): (Reason, bool),
    holders: &dyn Holders,
    listener: &mut impl Listener,
) -> Result<(Fqdn, bool), Reason> {
    let (name, foreign) = match holders.grant(wished, &question.identity, source, forward) {
        Grant::Granted(name) => (name, false),
        Grant::Foreign(name) => (name, true),
        Grant::Taken => return Err(Reason::Taken),
    };
    if name != *wished {
        listener.hear(|| Step::InItsPlace { wished: wished.clone(), given: name.clone() });
    }
    if foreign {
        listener.hear(|| Step::Foreign(name.clone()));
    }
    Ok((name, foreign))
}

/// Whether the server writes the A record, by the flags of option 81.
///
/// # Errors
/// It writes nothing at all.
fn writes_forward(
    sent: Option<&ClientFqdn<'_>>,
    naming: &Naming,
    listener: &mut impl Listener,
) -> Result<bool, Reason> {
    let Some(sent) = sent else { return Ok(true) };
    // RFC 4702 section 3.4: with N=1 the client asks that the server make no DNS update on its behalf. A reservation
    // names the host, it does not overrule that wish; the operator may.
    if sent.no_updates {
        if !naming.override_no_update {
            return Err(Reason::ClientDeclined);
        }
        listener.hear(|| Step::NoUpdateOverridden);
        return Ok(true);
    }
    if sent.server_updates_a {
        return Ok(true);
    }
    // RFC 4702 section 4: a server may be configured to write the A record though the client would. Windows clients
    // send S=0 and N=0 by default, and resolve nowhere if that is followed to the letter.
    match naming.client_updates {
        ClientUpdates::Deny => Err(Reason::UpdatesDenied),
        ClientUpdates::Allow => {
            listener.hear(|| Step::UpdateLeftToClient);
            Ok(false)
        }
        ClientUpdates::Override | ClientUpdates::Ignore => {
            listener.hear(|| Step::UpdateOverridden);
            Ok(true)
        }
    }
}

/// The name that the client would have if nobody else wanted it, and where it comes from.
fn candidate<L: Listener>(
    question: &Question<'_>,
    sent: Option<&ClientFqdn<'_>>,
    settings: &Settings,
    listener: &mut L,
) -> Result<(Fqdn, Reason), Reason> {
    let naming = question.naming;
    if !L::LISTENS
        && let Some(name) = plain_candidate(question, sent, settings)
    {
        return Ok((name, Reason::ClientFqdn));
    }
    if let Some(reserved) = question.reserved_hostname {
        let labels = client_fqdn::ascii_labels(reserved.as_bytes());
        // The operator wrote it, so that it is mended where it has to be, and never refused.
        let cleaned = clean_labels(&labels, CleanUp::Hyphen).unwrap_or_default();
        listener.hear(|| found(NameSource::Reservation, &labels, Some(&cleaned)));
        if !cleaned.is_empty() {
            return placed(&cleaned, naming, settings, listener).map(|fqdn| (fqdn, Reason::Reservation));
        }
    }
    let (own, was_sent) = sent_by_client(question, sent, settings, listener);
    let makes = naming.generate.is_some()
        && match naming.replace {
            ReplaceName::WhenAbsent => own.is_none(),
            ReplaceName::Always => true,
            ReplaceName::WhenPresent => was_sent,
        };
    if makes {
        if own.is_some() {
            listener.hear(|| Step::Replaced);
        }
        let made = naming.generate.as_ref().and_then(|form| generated::make(form, question.address, question.hardware));
        let label = made.and_then(|made| clean_label(made.as_bytes(), CleanUp::Hyphen)).ok_or(Reason::NoName)?;
        return placed(&[Cow::Owned(label)], naming, settings, listener).map(|fqdn| (fqdn, Reason::Generated));
    }
    let (labels, source) =
        own.filter(|_| naming.generate.is_none() || naming.replace == ReplaceName::WhenAbsent).ok_or(Reason::NoName)?;
    placed(&labels, naming, settings, listener).map(|fqdn| (fqdn, source))
}

/// What [`candidate`] comes to where a client sends its full name in a zone of ours, in wire form and with nothing to be
/// cleaned, as most do that send option 81: the octets that it sent are the name. It may be so too where this is `None`.
fn plain_candidate(question: &Question<'_>, sent: Option<&ClientFqdn<'_>>, settings: &Settings) -> Option<Fqdn> {
    let makes_none = question.naming.generate.is_none() && settings.patterns.is_empty();
    let wire = sent.filter(|_| makes_none && question.reserved_hostname.is_none())?.plain_name()?;
    let first = wire.get(1..1 + usize::from(*wire.first()?))?;
    // An address begins with digits alone, and a name that is made with a word that others begin with too.
    let is_usual = first.iter().any(u8::is_ascii_lowercase)
        && !UNCLAIMABLE.contains(&first)
        && !generated::is_made(first, std::iter::empty());
    let zone = settings.zones.place_of_wire(wire).filter(|_| is_usual)?;
    if settings.zones[zone].apex.is_reverse() {
        return None;
    }
    Fqdn::from_wire(wire).ok()
}

/// The cleaned labels of a name that a client sent, and where it was.
type Sent<'q> = (Vec<Cow<'q, [u8]>>, Reason);

/// The labels of the name that the client sent, if it is usable; and whether it sent anything of the kind.
///
/// RFC 4702 section 3.1: where a client sends both, the Client FQDN option counts and the Host Name option does not.
/// Option 12 is still looked at when option 81 leaves the name to the server.
fn sent_by_client<'q>(
    question: &Question<'q>,
    sent: Option<&ClientFqdn<'q>>,
    settings: &Settings,
    listener: &mut impl Listener,
) -> (Option<Sent<'q>>, bool) {
    let by_option_81 = sent.map(|sent| (NameSource::ClientFqdn, Reason::ClientFqdn, Some(sent)));
    let by_option_12 = (NameSource::Hostname, Reason::Hostname, None);
    let mut was_sent = false;
    for (source, reason, option_81) in by_option_81.into_iter().chain([by_option_12]) {
        // Nobody looks at option 12 where option 81 will do.
        let raw = option_81.map_or_else(|| client_fqdn::ascii_labels(question.hostname), ClientFqdn::labels);
        let cleaned = clean_labels(&raw, question.naming.clean);
        if !raw.is_empty() {
            listener.hear(|| found(source, &raw, cleaned.as_deref()));
        }
        match usable(&raw, cleaned, settings, question.naming) {
            Ok(labels) => return (Some((labels, reason)), true),
            Err(why) => {
                was_sent |= why != Unusable::Empty;
                listener.hear(|| Step::NotUsable(source, why));
            }
        }
    }
    (None, was_sent)
}

fn found(source: NameSource, raw: &[&[u8]], cleaned: Option<&[Cow<'_, [u8]>]>) -> Step {
    let sent = raw.iter().map(|label| idna::decode(label)).collect::<Vec<_>>().join(".");
    let labels = cleaned.unwrap_or_default().iter().map(|label| String::from_utf8_lossy(label));
    Step::Found { source, sent, cleaned: labels.collect::<Vec<_>>().join(".") }
}

/// The labels of a name that a client sent.
///
/// # Errors
/// They are no name.
fn usable<'q>(
    raw: &[&[u8]],
    cleaned: Option<Vec<Cow<'q, [u8]>>>,
    settings: &Settings,
    naming: &Naming,
) -> Result<Vec<Cow<'q, [u8]>>, Unusable> {
    let labels = cleaned.ok_or(Unusable::Refused)?;
    let Some(first) = labels.first() else { return Err(Unusable::Empty) };
    let is_octet = |label: &&[u8]| std::str::from_utf8(label).is_ok_and(|text| text.parse::<u8>().is_ok());
    if raw.len() == 4 && raw.iter().all(is_octet) {
        return Err(Unusable::Address);
    }
    if UNCLAIMABLE.contains(&&**first) {
        return Err(Unusable::Unclaimable);
    }
    let own = match &naming.generate {
        Some(GeneratedName::Pattern(pattern)) => Some(&**pattern),
        _ => None,
    };
    let patterns = own.into_iter().chain(settings.patterns.iter().map(|pattern| &**pattern));
    if generated::is_made(first, patterns) {
        return Err(Unusable::Generated);
    }
    Ok(labels)
}

/// Puts cleaned labels into a zone: one label goes under the domain; several are a full name where they lie in a zone of
/// ours, and else what [`Naming::outside`] says.
fn placed(
    labels: &[Cow<'_, [u8]>],
    naming: &Naming,
    settings: &Settings,
    listener: &mut impl Listener,
) -> Result<Fqdn, Reason> {
    let forward_zone = |name: &Fqdn| settings.zone_of(name).filter(|zone| !zone.apex.is_reverse());
    let (first, more) = labels.split_first().ok_or(Reason::NoName)?;
    if !more.is_empty() {
        // A name of more than 255 octets is in no zone.
        if let Some(full) = Fqdn::from_labels(labels).ok()
            && let Some(zone) = forward_zone(&full)
        {
            listener.hear(|| Step::InZone { name: full.clone(), apex: zone.apex.clone() });
            return Ok(full);
        }
        if naming.outside == OutsideName::Refuse {
            return Err(Reason::OutsideZones);
        }
        listener.hear(|| {
            let from = labels.iter().map(|label| String::from_utf8_lossy(label)).collect::<Vec<_>>().join(".");
            Step::Moved { from, domain: naming.domain.clone() }
        });
    }
    let name = naming.domain.prepend_label(first).map_err(|_| Reason::OutsideZones)?;
    let zone = forward_zone(&name).ok_or(Reason::OutsideZones)?;
    listener.hear(|| Step::InZone { name: name.clone(), apex: zone.apex.clone() });
    Ok(name)
}

/// Whether no client may take the name.
fn is_protected(name: &Fqdn, naming: &Naming, settings: &Settings, own_reservation: bool) -> bool {
    *name == naming.domain
        || settings.zones.has_apex(name)
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

#[cfg(test)]
mod tests;
