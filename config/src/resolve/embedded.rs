//! What the file says about the contents of an embedded zone.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::path::Path;

use ::zones::master::{self, MasterFile};
use dns::{Fqdn, Rdata, RecordType, Rrset, Soa};

use super::keys::{Keys, ReadSecret, plain};
use super::scalars::{finite_seconds, name, name_from};
use super::zones::{Server, Zones};
use crate::fault::{Findings, Span};
use crate::file::At;
use crate::file::kinds::FreeText;
use crate::file::v1::{self, RecordKind};
use crate::settings::EmbeddedZone;

/// Of SOA, NS and static records, in seconds.
const TTL_SECS_DEFAULT: u32 = 3_600;
/// See [`EmbeddedZone::negative_ttl_secs`].
const NEGATIVE_TTL_SECS: u32 = 60;

/// The zone's contents but for the names that depend on other zones; see [`fill_name_servers`].
pub(super) fn read(
    zone: &v1::Zone,
    apex: &Fqdn,
    keys: &Keys<'_>,
    files: &dyn ReadSecret,
    findings: &mut Findings,
) -> EmbeddedZone {
    let ttl_secs = zone.ttl.as_ref().and_then(|ttl| finite_seconds(ttl, "ttl", findings)).unwrap_or(TTL_SECS_DEFAULT);
    let ns = zone.ns.as_ref().and_then(|ns| name(ns, findings));
    let hostmaster = zone.hostmaster.as_ref().and_then(|text| mailbox(text, findings));
    let update_keys = zone.update_keys.iter().flatten().filter_map(|at| keys.get(at, findings)).collect();
    let mut filed = file_sets(zone, apex, ttl_secs, files, findings);
    let soa = filed.remove(&(apex.clone(), RecordType::SOA));
    let soa = soa.and_then(|set| Some((set.rdata.first()?.to_soa()?, set.ttl)));
    let of_soa = |pick: fn(&Soa) -> &Fqdn| soa.as_ref().map(|(soa, _)| pick(soa).clone());
    EmbeddedZone {
        apex: apex.clone(),
        ns: ns.or(of_soa(|soa| &soa.mname)).unwrap_or_else(Fqdn::root),
        hostmaster: hostmaster.or(of_soa(|soa| &soa.rname)).unwrap_or_else(Fqdn::root),
        ttl_secs,
        negative_ttl_secs: NEGATIVE_TTL_SECS,
        records: records(zone, filed, apex, ttl_secs, findings),
        soa,
        update_keys,
        derived: false,
    }
}

/// Gives every embedded zone that names no name server or hostmaster the default: `ns` and `hostmaster` of the zone
/// itself; for a reverse zone, of the first forward zone, since a name under in-addr.arpa would please nobody.
pub(super) fn fill_name_servers(zones: &mut Zones, _: &[At<v1::Zone>]) {
    let forward = zones.embedded().map(|zone| zone.apex.clone()).find(|apex| !apex.is_reverse());
    let forward_ns = zones.embedded().find(|zone| !zone.apex.is_reverse()).map(|zone| zone.ns.clone());
    for zone in &mut zones.list {
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
        let Some(owner) = at.value.name.as_ref().filter(|_| at.value.rtype == Some(RecordKind::Ns)) else { continue };
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
    records(zone, Sets::new(), apex, ttl_secs, findings)
}

type Sets = BTreeMap<(Fqdn, RecordType), Rrset>;

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

/// The static records as sets: those of `filed`, and those that the configuration itself has.
fn records(zone: &v1::Zone, filed: Sets, apex: &Fqdn, ttl_default: u32, findings: &mut Findings) -> Vec<Rrset> {
    let mut sets = filed;
    let mut placed: Vec<(Fqdn, RecordType, Span)> = Vec::new();
    for at in zone.records.iter().flatten() {
        let record = &at.value;
        let (Some(owner), Some(kind), Some(data)) = (&record.name, record.rtype, &record.data) else { continue };
        let ttl = record.ttl.as_ref().and_then(|ttl| finite_seconds(ttl, "ttl", findings)).unwrap_or(ttl_default);
        let Some(owner_name) = relative(&owner.value.0, owner.span, apex, findings) else { continue };
        if !owner_name.is_within(apex) {
            findings.fault(
                owner.span,
                format!("`{}` is not within the zone `{}`", owner.value.0, plain(apex)),
                "outside the zone",
                "write the name relative to the zone, such as \"www\", or \"@\" for the zone itself",
            );
            continue;
        }
        let Some((rtype, rdata)) = record_data(kind, data, apex, findings) else { continue };
        placed.push((owner_name.clone(), rtype, at.span));
        sets.entry((owner_name.clone(), rtype))
            .and_modify(|set| {
                // RFC 2181 section 5.2: the records of a set have one TTL.
                set.ttl = set.ttl.min(ttl);
                set.insert(rdata.clone());
            })
            .or_insert_with(|| Rrset::single(owner_name, rtype, ttl, rdata));
    }
    check_aliases(&sets, &placed, apex, findings);
    sets.into_values().collect()
}

/// RFC 1034 section 3.6.2: "If a CNAME RR is present at a node, no other data should be present".
fn check_aliases(sets: &Sets, placed: &[(Fqdn, RecordType, Span)], apex: &Fqdn, findings: &mut Findings) {
    for ((owner, rtype), set) in sets {
        if *rtype != RecordType::CNAME {
            continue;
        }
        let others = sets.keys().any(|(name, other)| name == owner && other != rtype);
        if others || owner == apex || set.rdata.len() > 1 {
            let span = placed.iter().rev().find(|(name, kind, _)| name == owner && kind == rtype);
            findings.fault(
                span.map_or_else(Span::default, |(_, _, span)| *span),
                format!("`{}` has a CNAME record and other records", plain(owner)),
                "an alias stands alone",
                "give the alias a name of its own, or take the other records out (RFC 1034 section 3.6.2)",
            );
        }
    }
}

/// A name in a zone file: `@` is the apex, without a final dot it is relative to the apex.
fn relative(text: &str, span: Span, apex: &Fqdn, findings: &mut Findings) -> Option<Fqdn> {
    let text = text.trim();
    if text == "@" {
        return Some(apex.clone());
    }
    // A wildcard (RFC 4592) is the one name with a character of its own.
    let (wildcard, stem) = match text.strip_prefix("*.") {
        Some(stem) => (true, stem),
        None if text == "*" => return apex.prepend_label(b"*").ok(),
        None => (false, text),
    };
    let name = name_from(stem, span, findings)?;
    let full = if text.ends_with('.') { Ok(name) } else { name.concat(apex) };
    let full = full.and_then(|full| if wildcard { full.prepend_label(b"*") } else { Ok(full) });
    match full {
        Ok(full) => Some(full),
        Err(error) => {
            findings.fault(span, format!("`{text}` is not a name: {error}"), "not a name", "choose a shorter one");
            None
        }
    }
}

fn record_data(
    kind: RecordKind,
    at: &At<FreeText>,
    apex: &Fqdn,
    findings: &mut Findings,
) -> Option<(RecordType, Rdata)> {
    let text = at.value.0.trim();
    let parts: Vec<&str> = text.split_whitespace().collect();
    let mut target = |text: &str| relative(text, at.span, apex, findings);
    let (rtype, example, rdata) = match kind {
        RecordKind::A => (RecordType::A, "192.168.30.2", text.parse::<Ipv4Addr>().ok().map(Rdata::a)),
        RecordKind::Aaaa => (RecordType::AAAA, "2001:db8::2", text.parse::<Ipv6Addr>().ok().map(Rdata::aaaa)),
        RecordKind::Cname => return Some((RecordType::CNAME, Rdata::cname(&target(text)?))),
        RecordKind::Ns => return Some((RecordType::NS, Rdata::ns(&target(text)?))),
        RecordKind::Ptr => return Some((RecordType::PTR, Rdata::ptr(&target(text)?))),
        RecordKind::Txt => (RecordType::TXT, "any text", Some(Rdata::txt(&[text]))),
        RecordKind::Mx => {
            let rdata = match parts.as_slice() {
                [preference, exchange] => match preference.parse() {
                    Ok(preference) => Some(Rdata::mx(preference, &target(exchange)?)),
                    Err(_) => None,
                },
                _ => None,
            };
            (RecordType::MX, "10 mail", rdata)
        }
        RecordKind::Srv => {
            let rdata = match parts.as_slice() {
                [priority, weight, port, host] => match (priority.parse(), weight.parse(), port.parse()) {
                    (Ok(priority), Ok(weight), Ok(port)) => Some(Rdata::srv(priority, weight, port, &target(host)?)),
                    _ => None,
                },
                _ => None,
            };
            (RecordType::SRV, "0 5 5060 sip", rdata)
        }
    };
    if rdata.is_none() {
        findings.fault(
            at.span,
            format!("`{text}` is not {rtype} data"),
            "wrong data",
            format!("write it like \"{example}\""),
        );
    }
    Some((rtype, rdata?))
}
