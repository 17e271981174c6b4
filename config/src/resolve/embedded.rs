//! What the file says about the contents of an embedded zone.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use ::zones::master::{self, MasterFile};
use dns::{Fqdn, RecordType, Rrset, Soa, TsigKey};

use super::access::{Access, OfZone, askers};
use super::keys::{Keys, ReadSecret};
use super::records::{Sets, records, relative};
use super::scalars::{finite_seconds, name, name_from, server_address};
use super::zones::{Server, Zones};
use crate::fault::{Findings, Span};
use crate::file::At;
use crate::file::kinds::FreeText;
use crate::file::v1;
use crate::settings::{EmbeddedZone, Secondary, Transfers};

/// Of SOA, NS and static records, in seconds.
const TTL_SECS_DEFAULT: u32 = 3_600;
/// See [`EmbeddedZone::negative_ttl_secs`].
const NEGATIVE_TTL_SECS: u32 = 60;

/// The zone's contents but for the names that depend on other zones; see [`fill_name_servers`].
pub(super) fn read(
    zone: &v1::Zone,
    apex: &Fqdn,
    (access, keys): (&Access<'_>, &Keys<'_>),
    files: &dyn ReadSecret,
    findings: &mut Findings,
) -> EmbeddedZone {
    let ttl_secs = zone.ttl.as_ref().and_then(|ttl| finite_seconds(ttl, "ttl", findings)).unwrap_or(TTL_SECS_DEFAULT);
    let ns = zone.ns.as_ref().and_then(|ns| name(ns, findings));
    let hostmaster = zone.hostmaster.as_ref().and_then(|text| mailbox(text, findings));
    let transfers = transfers(zone, keys, findings);
    let OfZone { mut sight, policy, update, keys } = access.of_zone(zone, apex, keys, findings);
    let mut filed = file_sets(zone, apex, ttl_secs, files, findings);
    let soa = filed.remove(&(apex.clone(), RecordType::SOA));
    let soa = soa.and_then(|set| Some((set.rdata.first()?.to_soa()?, set.ttl)));
    for at in zone.records.iter().flatten().filter_map(|at| at.value.views.as_ref()) {
        // Reported once, here.
        let _ = access.views_of(at, findings);
    }
    for view in 0..access.views.len() {
        let of_view = |record: &v1::Record| {
            let views = record.views.as_deref().unwrap_or_default();
            access.views_of(views, &mut Findings::default()).contains(&view)
        };
        let sets = records(zone, Sets::new(), (apex, ttl_secs), &of_view, findings);
        if !sets.is_empty() {
            sight.overlays.push((view, sets));
        }
    }
    let of_soa = |pick: fn(&Soa) -> &Fqdn| soa.as_ref().map(|(soa, _)| pick(soa).clone());
    EmbeddedZone {
        apex: apex.clone(),
        ns: ns.or(of_soa(|soa| &soa.mname)).unwrap_or_else(Fqdn::root),
        hostmaster: hostmaster.or(of_soa(|soa| &soa.rname)).unwrap_or_else(Fqdn::root),
        ttl_secs,
        negative_ttl_secs: NEGATIVE_TTL_SECS,
        records: records(zone, filed, (apex, ttl_secs), &|record| record.views.is_none(), findings)
            .into_iter()
            .collect(),
        soa,
        keys,
        policy,
        update,
        sight,
        self_by_lease: zone.self_by_lease.as_ref().is_some_and(|at| at.value),
        transfers,
        derived: false,
    }
}

/// Who has copies of the zone.
pub(super) fn transfers(zone: &v1::Zone, keys: &Keys<'_>, findings: &mut Findings) -> Transfers {
    let mut secondaries: Vec<Secondary> = Vec::new();
    let mut places: Vec<(SocketAddr, Span)> = Vec::new();
    for at in zone.secondaries.iter().flatten() {
        // One without an address is reported by its shape.
        let Some(written) = &at.value.address else { continue };
        let key = at.value.key.as_ref().and_then(|key| keys.get(key, findings));
        let Some(address) = server_address(written, 53, findings) else { continue };
        if let Some((_, earlier)) = places.iter().find(|(known, _)| *known == address) {
            findings
                .fault(
                    written.span,
                    format!("the secondary {address} stands here twice"),
                    "again",
                    "take one of the two out",
                )
                .see(*earlier, "first here");
            continue;
        }
        places.push((address, written.span));
        secondaries.push(Secondary { address, key });
    }
    let mut used: Vec<Arc<TsigKey>> = secondaries.iter().filter_map(|secondary| secondary.key.clone()).collect();
    let allowed = askers(zone.allow_transfer.as_deref().unwrap_or_default(), keys, findings, &mut used);
    if let Some(at) = zone.allow_transfer.iter().flatten().find(|at| at.value.0.trim().ends_with("/0")) {
        findings.warn(
            at.span,
            "whoever can reach the server may transfer the zone: every name and address in it",
            "everybody",
            "write the addresses of those who need it, or `key:` and the name of a key",
        );
    }
    Transfers { secondaries, notify_ns: zone.notify_ns.as_ref().is_some_and(|at| at.value), allowed, keys: used }
}

/// Gives every embedded zone that names no name server or hostmaster the default: `ns` and `hostmaster` of the zone
/// itself; for a reverse zone, of the first forward zone, since a name under in-addr.arpa would please nobody.
pub(super) fn fill_name_servers(zones: &mut Zones, _: &[At<v1::Zone>]) {
    let forward = zones.embedded().map(|zone| zone.apex.clone()).find(|apex| !apex.is_reverse());
    let forward_ns = zones.embedded().find(|zone| !zone.apex.is_reverse()).map(|zone| zone.ns.clone());
    for zone in zones.all_mut() {
        let Server::Embedded(zone) = &mut zone.server else { continue };
        let base = if zone.apex.is_reverse() { forward.as_ref().unwrap_or(&zone.apex) } else { &zone.apex };
        if zone.ns.is_root() {
            let shared = forward_ns.as_ref().filter(|ns| zone.apex.is_reverse() && !ns.is_root());
            zone.ns = shared.cloned().unwrap_or_else(|| under(b"ns", base));
        }
        if zone.hostmaster.is_root() {
            zone.hostmaster = under(b"hostmaster", base);
        }
    }
}

fn under(label: &[u8], base: &Fqdn) -> Fqdn {
    // Only a base of nearly 255 octets leaves no room; its own name then serves.
    base.prepend_label(label).unwrap_or_else(|_| base.clone())
}

/// A mail address as the SOA has it (RFC 1035 section 8): the local part is the first label.
fn mailbox(at: &At<FreeText>, findings: &mut Findings) -> Option<Fqdn> {
    let text = at.value.0.trim();
    let Some((local, domain)) = text.split_once('@') else { return name(at, findings) };
    let domain = name_from(domain, at.span, findings)?;
    let mailbox = domain.prepend_label(local.as_bytes()).ok();
    if mailbox.is_none() {
        findings.fault(
            at.span,
            format!("`{text}` is not a mail address"),
            "not a mail address",
            "write it like hostmaster@nasir.xyz",
        );
    }
    mailbox
}

/// The static records of a zone that another server holds.
pub(super) fn records_elsewhere(zone: &v1::Zone, apex: &Fqdn, findings: &mut Findings) -> Vec<Rrset> {
    let ttl_secs = zone.ttl.as_ref().and_then(|ttl| finite_seconds(ttl, "ttl", findings)).unwrap_or(TTL_SECS_DEFAULT);
    for at in zone.records.iter().flatten() {
        let Some(owner) = at.value.name.as_ref().filter(|_| is_ns(&at.value)) else { continue };
        let name = relative(&owner.value.0, owner.span, apex, &mut Findings::default());
        if name.as_ref() == Some(apex) {
            findings.fault(
                at.span,
                "the name servers of a zone that has a `server` are not ours to say",
                "NS of the zone itself",
                "take it out: the server that holds the zone decides that",
            );
        }
    }
    records(zone, Sets::new(), (apex, ttl_secs), &|_| true, findings)
}

fn is_ns(record: &v1::Record) -> bool {
    record.rtype.as_ref().is_some_and(|at| at.value.0.trim().eq_ignore_ascii_case("NS"))
}

/// What the zone's file holds, if it has one.
fn file_sets(zone: &v1::Zone, apex: &Fqdn, ttl_default: u32, files: &dyn ReadSecret, findings: &mut Findings) -> Sets {
    let Some(at) = &zone.file else { return Sets::new() };
    let path = Path::new(at.value.0.as_str());
    let within = path.parent().unwrap_or(Path::new(""));
    let mend = "mend it at that place in the zone's file (`named-checkzone` reads it too)";
    let text = match files.read_secret(path) {
        Ok(text) => text,
        Err(why) => {
            findings.fault(
                at.span,
                format!("the zone's file `{}` cannot be read: {why}", at.value.0),
                "not readable",
                "write the path of a master file, relative to the file that you are reading now",
            );
            return Sets::new();
        }
    };
    let file = MasterFile { text: &text, file: &at.value.0, apex, ttl_secs: ttl_default };
    let include = |path: &str| files.read_included(within, Path::new(path));
    match master::read(&file, &include) {
        Ok(sets) => sets.into_iter().map(|set| ((set.name.clone(), set.rtype), set)).collect(),
        Err(faults) => {
            for fault in faults {
                findings.fault(at.span, fault.to_string(), "a fault in this file", mend);
            }
            Sets::new()
        }
    }
}
