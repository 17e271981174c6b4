//! How names are made: the domain, host names, and whether a zone holds them.

use dhcp::settings::{ClientUpdates, GeneratedName, Naming, OutsideName, Ttl};
use dns::{Fqdn, NameError};

use super::keys::plain;
use super::scalars::{finite_seconds, name};
use super::zones::Zones;
use crate::fault::{Findings, Span};
use crate::file::At;
use crate::file::kinds::HostName;
use crate::file::v1::{self, NamingKeys};

/// The naming of a subnet: its own keys, then those of `[ddns]`. `None` without a domain, or with one that is in no
/// zone (reported).
pub(super) fn read(
    own: NamingKeys<'_>,
    global: NamingKeys<'_>,
    zones: &Zones,
    findings: &mut Findings,
) -> Option<Naming> {
    let ttl_secs = own.ttl.or(global.ttl).and_then(|ttl| finite_seconds(ttl, "ttl", findings));
    let at = own.domain.or(global.domain)?;
    let domain = name(at, findings)?;
    if zones.holding(&domain).is_none() {
        if !zones.incomplete {
            let text = plain(&domain);
            findings.absent(
                at.span,
                format!("the domain `{text}` is in no zone"),
                "in no zone",
                format!(
                    "add a [[zone]] with `name = \"{text}\"` (and `server = ...` if another server holds it); \
                     or, to tell clients the domain and publish nothing, write `domain_name` instead of `domain`"
                ),
            );
        }
        return None;
    }
    Some(Naming {
        outside: match own.outside.or(global.outside) {
            Some(v1::Outside::Refuse) => OutsideName::Refuse,
            Some(v1::Outside::FirstLabel) | None => OutsideName::FirstLabel,
        },
        client_updates: match own.client_updates.or(global.client_updates) {
            Some(v1::ClientUpdates::Allow) => ClientUpdates::Allow,
            Some(v1::ClientUpdates::Override) | None => ClientUpdates::Override,
        },
        generate: own.generate.or(global.generate).unwrap_or(false).then_some(GeneratedName::Address),
        ttl: ttl_secs.map_or(Ttl::Rfc4702, Ttl::Fixed),
        ..Naming::of_domain(domain)
    })
}

/// A reservation's host name as written, and the full name that it makes under `naming`.
pub(super) fn hostname(
    at: &At<HostName>,
    naming: Option<&Naming>,
    zones: &Zones,
    findings: &mut Findings,
) -> Option<(String, Option<Fqdn>)> {
    let text = at.value.0.trim();
    let stem = text.strip_suffix('.').unwrap_or(text);
    if let Some(why) = not_a_hostname(stem) {
        findings.fault(
            at.span,
            format!("`{text}` is not a host name: {why}"),
            "not a host name",
            "write letters, digits and hyphens, such as printer or printer.nasir.xyz",
        );
        return None;
    }
    let Some(naming) = naming else { return Some((stem.to_owned(), None)) };
    match full_name(stem, naming) {
        Ok(full) if zones.holding(&full).is_some() => {
            let domain = (full == naming.domain).then_some("the domain's own name");
            if let Some(why) = zones.protects(&full).or(domain) {
                findings.fault(
                    at.span,
                    format!("no client can have the name `{}`: it is {why}", plain(&full)),
                    why,
                    "choose another name",
                );
                return None;
            }
            Some((stem.to_owned(), Some(full)))
        }
        Ok(full) => {
            not_in_a_zone(&full, at.span, naming, zones, findings);
            None
        }
        Err(error) => {
            let domain = plain(&naming.domain);
            findings.fault(
                at.span,
                format!("`{text}` under `{domain}` is not a name: {error}"),
                "too long",
                "choose a shorter one",
            );
            None
        }
    }
}

/// One label is put under the domain; more are a full name.
pub(super) fn full_name(hostname: &str, naming: &Naming) -> Result<Fqdn, NameError> {
    if hostname.contains('.') { hostname.parse() } else { naming.domain.prepend_label(hostname.as_bytes()) }
}

fn not_in_a_zone(full: &Fqdn, span: Span, naming: &Naming, zones: &Zones, findings: &mut Findings) {
    if zones.incomplete {
        return;
    }
    let first = full.first_label().map(|label| String::from_utf8_lossy(label).into_owned()).unwrap_or_default();
    findings.absent(
        span,
        format!("the name `{}` is in no zone", plain(full)),
        "in no zone",
        format!("write \"{first}\" for {first}.{}, or add the [[zone]] that holds the name", plain(&naming.domain)),
    );
}

/// RFC 1123 section 2.1 with RFC 952: letters, digits and hyphens, no hyphen at either end of a label.
fn not_a_hostname(text: &str) -> Option<&'static str> {
    if text.is_empty() {
        return Some("it is empty");
    }
    if text.len() > 253 {
        return Some("it has more than 253 characters");
    }
    text.split('.').find_map(|label| {
        if label.is_empty() {
            Some("it has an empty part")
        } else if label.len() > 63 {
            Some("a part of it has more than 63 characters")
        } else if label.starts_with('-') || label.ends_with('-') {
            Some("a part of it begins or ends with a hyphen")
        } else if !label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
            Some("it has characters other than letters, digits and hyphens")
        } else {
            None
        }
    })
}
