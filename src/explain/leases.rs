//! A lease's part of the story: what the client sent, what became of it by which rules, and why.

use ddns::choose::{ClientFqdn, Reason, Step};
use dhcp::lease::{Lease, LeaseState};
use dhcp::settings::ReservedFor;
use dns::naming::{
    AfterExpiry, ClientUpdates, ConflictGuard, ConflictOutcome, GeneratedName, Naming, ReplaceName, Ttl,
};

use super::moment;
use super::views::{LeaseStory, Policy, SentFqdn};
use crate::core::explain::{Holder, LeaseFacts, NamingFacts, ReservationFacts};

pub(super) fn story(facts: &LeaseFacts) -> LeaseStory {
    let LeaseFacts { lease, naming } = facts;
    let naming = naming.as_ref();
    let state = match lease.state {
        LeaseState::Bound => "bound",
        LeaseState::Released => "released",
        LeaseState::Expired => "expired",
        LeaseState::Quarantined => "quarantined",
    };
    LeaseStory {
        address: lease.address,
        subnet: lease.subnet.to_string(),
        state: state.to_owned(),
        hardware: lease.hardware.to_string(),
        client_id: lease.client_id.as_ref().map(ToString::to_string),
        ends_at: (lease.expires_at != u64::MAX).then_some(lease.expires_at),
        sent_hostname: (!lease.hostname.is_empty()).then(|| lease.hostname.escape_ascii().to_string()),
        sent_fqdn: sent_fqdn(&lease.client_fqdn),
        reserved_hostname: naming.and_then(|naming| naming.reserved.clone()),
        name: lease.name.as_ref().map(|name| name.fqdn.to_string()),
        decision: decision(lease, naming),
        cleaned: cleaned(lease, naming),
        steps: naming.map(steps).unwrap_or_default(),
        holder: naming.and_then(|naming| naming.holder.as_ref()).map(holder),
        policy: naming.map(|naming| policy(&naming.rules)),
    }
}

/// A reservation in a sentence.
pub(super) fn reservation(facts: &ReservationFacts) -> String {
    let ReservationFacts { subnet, address, hostname, clients } = facts;
    let address = address.map_or_else(|| "no address of its own".to_owned(), |address| address.to_string());
    let hostname = hostname.as_ref().map_or_else(|| "no name".to_owned(), |hostname| format!("the name {hostname}"));
    let clients: Vec<String> = clients.iter().map(client).collect();
    format!("{address} in {subnet}, with {hostname}, for {}", clients.join(" or "))
}

/// Of a lease that is over, since when and why.
pub(super) fn ended(lease: &LeaseStory) -> String {
    let at = lease.ends_at.map_or_else(|| "some time ago".to_owned(), moment);
    let what = if lease.state == "expired" { "ran out" } else { "was given back by its client" };
    format!("the lease of {} to {} {what} at {at}", lease.address, lease.hardware)
}

fn client(client: &ReservedFor) -> String {
    let hex = |data: &[u8]| data.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    match client {
        ReservedFor::Hardware(hardware) => format!("hardware address {hardware}"),
        ReservedFor::ClientId(id) => format!("client identifier {}", hex(&id.0)),
        ReservedFor::Duid(duid) => format!("DUID {}", hex(duid)),
        ReservedFor::CircuitId(id) => format!("circuit identifier {}", hex(id)),
        ReservedFor::RemoteId(id) => format!("remote identifier {}", hex(id)),
        ReservedFor::SubscriberId(id) => format!("subscriber identifier {}", hex(id)),
        ReservedFor::Port { circuit_id, remote_id } => {
            format!("circuit {} of the relay {}", hex(circuit_id), hex(remote_id))
        }
    }
}

fn sent_fqdn(data: &[u8]) -> Option<SentFqdn> {
    let sent = ClientFqdn::parse(data)?;
    let flags = *data.first()?;
    let labels: Vec<String> = sent.labels().iter().map(|label| label.escape_ascii().to_string()).collect();
    // RFC 4702 section 2.1: the bits N, E, O and S, the last being the least.
    Some(SentFqdn {
        name: labels.join("."),
        s: flags & 1 != 0,
        o: flags & 2 != 0,
        e: flags & 4 != 0,
        n: flags & 8 != 0,
    })
}

fn decision(lease: &Lease, naming: Option<&NamingFacts>) -> String {
    if lease.state != LeaseState::Bound {
        return match lease.name {
            Some(_) => "the lease is over, and its name outlives it (`after_expiry`)".to_owned(),
            None => "the lease is over, and its name with it".to_owned(),
        };
    }
    let Some(naming) = naming else {
        return "no names are kept there: neither its subnet nor what is around it names a domain, or no subnet of the \
                configuration holds it"
            .to_owned();
    };
    let had = lease.name.as_ref().map(|name| &name.fqdn);
    let mut words = reason(naming, lease);
    if let (Some(chosen), Some(wished)) = (&naming.chosen, &naming.wished)
        && chosen != wished
    {
        let by = naming.holder.as_ref().map_or_else(String::new, |held| format!(" by {}", holder(held)));
        words = format!("{words}, with a number behind it, as {wished} is or was taken{by} (`conflict`)");
    }
    if had != naming.chosen.as_ref() {
        return format!(
            "{words}; it has had {} since its last word, and this is what its next one leads to",
            match had {
                Some(name) => format!("the name {name}"),
                None => "no name".to_owned(),
            }
        );
    }
    words
}

fn reason(naming: &NamingFacts, lease: &Lease) -> String {
    let wished = naming.wished.as_ref().map_or_else(|| "its name".to_owned(), ToString::to_string);
    match naming.reason {
        Reason::Reservation => "the name is its reservation's".to_owned(),
        Reason::ClientFqdn => "the name is the one that the client sent as its full name (option 81)".to_owned(),
        Reason::Hostname => "the name is the host name that the client sent (option 12)".to_owned(),
        Reason::Generated if naming.rules.replace == ReplaceName::WhenAbsent => {
            "the name is a generated one: the client sent none that can be used".to_owned()
        }
        Reason::Generated => "the name is a generated one, whatever the client sends (`replace`)".to_owned(),
        Reason::NoName if lease.hostname.is_empty() && lease.client_fqdn.is_empty() => {
            "the client sent no name, and none is generated here (`generate`)".to_owned()
        }
        Reason::NoName => {
            "nothing of the name that the client sent can be used, and none is generated here (`generate`)".to_owned()
        }
        Reason::ClientDeclined => {
            "the client asked for no update of DNS (option 81 with N=1), and that is heeded here".to_owned()
        }
        Reason::UpdatesDenied => {
            "the client would write its own A record (option 81 with S=0), and such a client gets no records here \
             (`client_updates`)"
                .to_owned()
        }
        Reason::OutsideZones => {
            "the name lies in no zone of the configuration; add the zone, or choose a domain within one".to_owned()
        }
        Reason::Protected if naming.is_reserved => format!("{wished} is reserved for another host"),
        Reason::Protected => {
            "the name is protected: a zone's own, one of `protected` in [ddns], or this server's own".to_owned()
        }
        Reason::Taken => format!(
            "{wished} is taken: {}",
            naming.holder.as_ref().map_or_else(
                || "too many names or addresses wait for it, or somebody else has it".to_owned(),
                |held| format!("{} has it", holder(held)),
            )
        ),
        Reason::NothingToWrite => {
            "the client writes its own A record (option 81 with S=0), and no zone of the configuration holds the PTR"
                .to_owned()
        }
    }
}

fn holder(holder: &Holder) -> String {
    let addresses: Vec<String> = holder.addresses.iter().map(ToString::to_string).collect();
    let who = holder.hardware.map_or_else(|| "a host".to_owned(), |hardware| format!("the host {hardware}"));
    format!("{who} at {}", addresses.join(", "))
}

/// What led to the decision; the decision itself is told elsewhere.
fn steps(naming: &NamingFacts) -> Vec<String> {
    let told = naming.steps.iter().filter(|step| !matches!(step, Step::Outcome(_)));
    told.map(ToString::to_string).collect()
}

/// What became of the characters that were sent.
fn cleaned(lease: &Lease, naming: Option<&NamingFacts>) -> Option<String> {
    let naming = naming?;
    let (option, sent) = match naming.reason {
        Reason::ClientFqdn => ("option 81", ClientFqdn::parse(&lease.client_fqdn)?.labels().first()?.to_vec()),
        Reason::Hostname | Reason::Taken | Reason::Protected if !lease.hostname.is_empty() => {
            ("option 12", lease.hostname.split(|byte| *byte == b'.').next()?.to_vec())
        }
        _ => return None,
    };
    let became = naming.wished.as_ref().or(naming.chosen.as_ref())?.first_label()?;
    (sent != became).then(|| format!("\"{}\" of {option} became \"{}\"", sent.escape_ascii(), became.escape_ascii()))
}

fn policy(rules: &Naming) -> Policy {
    Policy {
        domain: rules.domain.to_string(),
        client_updates: match rules.client_updates {
            ClientUpdates::Override => "override",
            ClientUpdates::Allow => "allow",
            ClientUpdates::Ignore => "ignore",
            ClientUpdates::Deny => "deny",
        }
        .to_owned(),
        conflict_guard: guard(rules.guard).to_owned(),
        conflict: match rules.conflict {
            ConflictOutcome::Refuse => "refuse".to_owned(),
            ConflictOutcome::Suffix { keep_secs } => format!("suffix, kept for {keep_secs} s"),
            ConflictOutcome::TakeOver => "take-over".to_owned(),
        },
        ttl: match rules.ttl {
            Ttl::Rfc4702 => "after RFC 4702: ten minutes, or a third of the lease when that is less".to_owned(),
            Ttl::Fixed(secs) => format!("{secs} s"),
            Ttl::Share { percent, min_secs, max_secs } => {
                format!("{percent} percent of the lease, between {min_secs} s and {max_secs} s")
            }
        },
        after_expiry: match rules.after_expiry {
            AfterExpiry::AtOnce => "removed at once".to_owned(),
            AfterExpiry::Grace(secs) => format!("removed after {secs} s"),
            AfterExpiry::Keep => "kept until somebody else has the address or the name".to_owned(),
        },
        generate: match &rules.generate {
            None => "none".to_owned(),
            Some(GeneratedName::Address) => "by address".to_owned(),
            Some(GeneratedName::Hardware) => "by hardware address".to_owned(),
            Some(GeneratedName::Pattern(pattern)) => format!("by the pattern {pattern}"),
        },
    }
}

/// As the configuration names it.
pub(super) fn guard(guard: ConflictGuard) -> &'static str {
    match guard {
        ConflictGuard::CheckWithDhcid => "check-with-dhcid",
        ConflictGuard::NoCheckWithDhcid => "no-check-with-dhcid",
        ConflictGuard::CheckExistsWithDhcid => "check-exists-with-dhcid",
        ConflictGuard::NoCheckWithoutDhcid => "no-check-without-dhcid",
    }
}
