//! Zones that are copies of other servers': where they come from, and what cannot be said of them.

use std::net::SocketAddr;
use std::sync::Arc;

use ::zones::Sight;
use ::zones::intake::Limits;
use dns::{Fqdn, TsigKey};
use ipnet::Ipv4Net;

use super::access::{Access, OfZone, askers};
use super::embedded;
use super::keys::{Keys, plain};
use super::scalars::{finite_seconds, server_address};
use crate::fault::{Findings, Span};
use crate::file::At;
use crate::file::v1::{self, ZoneKind};
use crate::settings::{Primary, SecondaryZone};

/// Primaries of one zone.
const PRIMARIES_MAX: usize = 16;
/// `records_max`: the most that can be written.
const RECORDS_MAX: u32 = 100_000_000;
/// One transaction of the store holds no more.
const MIB_MAX: u32 = 128;

/// Whether the zone is written to be a copy of another server's. What is only for such a zone, and written in another, is
/// reported.
pub(super) fn is_secondary(zone: &v1::Zone, findings: &mut Findings) -> bool {
    if zone.kind.as_ref().is_some_and(|kind| kind.value == ZoneKind::Secondary) {
        return true;
    }
    let only = [
        ("primaries", zone.primaries.as_ref().map(|at| at.span)),
        ("allow_notify", zone.allow_notify.as_ref().and_then(|list| list.first()).map(|at| at.span)),
        ("records_max", zone.records_max.as_ref().map(|at| at.span)),
        ("transfer_mib_max", zone.transfer_mib_max.as_ref().map(|at| at.span)),
        ("transfer_time_max", zone.transfer_time_max.as_ref().map(|at| at.span)),
    ];
    for (key, place) in only {
        let Some(place) = place else { continue };
        findings.fault(
            place,
            format!("`{key}` is for zones that are copies of another server's"),
            "not a secondary zone",
            "add `kind = \"secondary\"` to the zone, or take it out",
        );
    }
    false
}

/// The zone with this apex.
pub(super) fn read(
    at: &At<v1::Zone>,
    span: Span,
    apex: &Fqdn,
    (access, keys): (&Access<'_>, &Keys<'_>),
    findings: &mut Findings,
) -> SecondaryZone {
    let zone = &at.value;
    refuse_others(zone, findings);
    let primaries = primaries(zone, span, keys, findings);
    let transfers = embedded::transfers(zone, keys, findings);
    let OfZone { sight, keys: mut used, .. } = access.of_zone(zone, apex, keys, findings);
    let sight = Sight { leases: false, ..sight };
    let notify = askers(zone.allow_notify.as_deref().unwrap_or_default(), keys, findings, &mut used);
    used.extend(primaries.iter().filter_map(|primary| primary.key.clone()));
    used.sort_by(|one: &Arc<TsigKey>, other| one.name.cmp(&other.name));
    used.dedup_by(|one, other| one.name == other.name);
    let limits = limits(zone, findings);
    SecondaryZone { apex: apex.clone(), primaries, notify, limits, keys: used, sight, transfers }
}

/// What the primary decides.
fn refuse_others(zone: &v1::Zone, findings: &mut Findings) {
    let others = [
        ("server", zone.server.as_ref().map(|at| at.span)),
        ("key", zone.key.as_ref().map(|at| at.span)),
        ("gss", zone.gss.as_ref().map(|at| at.span)),
        ("update_keys", zone.update_keys.as_ref().and_then(|list| list.first()).map(|key| key.span)),
        ("update", zone.update.first().map(|rule| rule.span)),
        ("self_by_lease", zone.self_by_lease.as_ref().map(|at| at.span)),
        ("allow_update", zone.allow_update.as_ref().and_then(|list| list.first()).map(|at| at.span)),
        ("deny_update", zone.deny_update.as_ref().and_then(|list| list.first()).map(|at| at.span)),
        ("leases", zone.leases.as_ref().map(|at| at.span)),
        ("ns", zone.ns.as_ref().map(|at| at.span)),
        ("hostmaster", zone.hostmaster.as_ref().map(|at| at.span)),
        ("ttl", zone.ttl.as_ref().map(|at| at.span)),
        ("file", zone.file.as_ref().map(|at| at.span)),
        ("records", zone.records.as_ref().and_then(|list| list.first()).map(|at| at.span)),
    ];
    for (key, place) in others {
        let Some(place) = place else { continue };
        let mend = match key {
            "server" | "key" | "gss" => {
                "take it out, and name the server in `primaries`; or take `kind` out, for a zone that the server holds alone"
            }
            _ => "take it out: the primary decides that",
        };
        findings.fault(place, format!("`{key}` is not for a copy of another server's zone"), "not ours to say", mend);
    }
}

fn primaries(zone: &v1::Zone, span: Span, keys: &Keys<'_>, findings: &mut Findings) -> Vec<Primary> {
    let mend = "add `primaries = [{ address = \"192.0.2.53\" }]` with the addresses of the servers that have the zone";
    let Some(written) = &zone.primaries else {
        findings.absent(span, "nobody is named whom the zone is taken from", "has no `primaries`", mend);
        return Vec::new();
    };
    if written.value.is_empty() {
        findings.fault(written.span, "nobody is named whom the zone is taken from", "empty", mend);
    }
    let mut primaries: Vec<Primary> = Vec::new();
    let mut places: Vec<(SocketAddr, Span)> = Vec::new();
    for at in &written.value {
        // One without an address is reported by its shape.
        let Some(address) = at.value.address.as_ref() else { continue };
        let key = at.value.key.as_ref().and_then(|key| keys.get(key, findings));
        let place = address.span;
        let Some(address) = server_address(address, 53, findings) else { continue };
        if address.ip().is_unspecified() {
            findings.fault(place, "no server has this address", "not a server's address", "write its address");
            continue;
        }
        if let Some((_, earlier)) = places.iter().find(|(known, _)| *known == address) {
            let mend = "take one of the two out";
            findings
                .fault(place, format!("the primary {address} stands here twice"), "again", mend)
                .see(*earlier, "first here");
            continue;
        }
        if places.len() == PRIMARIES_MAX {
            let mend = "take some out: each of them is asked when those before it fail";
            findings.fault(place, format!("a zone has {PRIMARIES_MAX} primaries at most"), "one more", mend);
            break;
        }
        places.push((address, place));
        primaries.push(Primary { address, key });
    }
    primaries
}

fn limits(zone: &v1::Zone, findings: &mut Findings) -> Limits {
    let defaults = Limits::default();
    let mut number = |at: &Option<At<u32>>, key: &str, most: u32| {
        let at = at.as_ref()?;
        if (1..=most).contains(&at.value) {
            return Some(at.value as usize);
        }
        let (message, mend) =
            (format!("`{key}` is at least 1 and at most {most}"), format!("write a number up to {most}"));
        findings.fault(at.span, message, "out of bounds", mend);
        None
    };
    let records = number(&zone.records_max, "records_max", RECORDS_MAX).unwrap_or(defaults.records);
    let mib = number(&zone.transfer_mib_max, "transfer_mib_max", MIB_MAX);
    let time = zone.transfer_time_max.as_ref();
    let time = time.and_then(|at| finite_seconds(at, "transfer_time_max", findings));
    Limits {
        records,
        octets: mib.map_or(defaults.octets, |mib| mib * 1024 * 1024),
        time_ms: time.map_or(defaults.time_ms, |secs| u64::from(secs) * 1000),
    }
}

/// Names of leases, of hosts and of reservations are kept in zones of this server's own or sent to a server; never into a
/// copy.
pub(super) fn refuse_names(what: &str, apex: &Fqdn, span: Span, findings: &mut Findings) {
    let apex = plain(apex);
    findings.fault(
        span,
        format!("{what} in the zone `{apex}`, which is a copy of another server's"),
        "only its primary changes it",
        format!(
            "in the zone `{apex}`, write `server` with the primary's address in place of `kind` and `primaries`, so that names \
             are sent there; or choose another zone"
        ),
    );
}

/// The prefix whose PTR records a reverse zone holds.
pub(super) fn prefix_of(apex: &Fqdn) -> Option<Ipv4Net> {
    let count = apex.label_count().checked_sub(2).filter(|count| (1..=4).contains(count))?;
    let mut octets = [0; 4];
    let labels: Vec<&[u8]> = apex.labels().take(count).collect();
    for (octet, label) in octets.iter_mut().zip(labels.iter().rev()) {
        *octet = std::str::from_utf8(label).ok()?.parse().ok()?;
    }
    let net = Ipv4Net::new(octets.into(), 8 * count as u8).ok()?;
    (super::zones::reverse_apex(net) == *apex).then_some(net)
}
