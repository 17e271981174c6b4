//! How names are made: the domain, host names, and whether a zone holds them.

use dhcp::settings::{
    AfterExpiry, CleanUp, ClientUpdates, ConflictGuard, ConflictOutcome, GeneratedName, Naming, NamingPart,
    OutsideName, ReplaceName, ReservedRecords, Ttl,
};
use dns::{Fqdn, NameError};

use super::keys::plain;
use super::scalars::{finite_seconds, name};
use super::secondary;
use super::zones::Zones;
use crate::fault::{Findings, Span};
use crate::file::At;
use crate::file::kinds::{DomainName, Duration, HostName};
use crate::file::naming::{AfterExpiryValue, Generate, TtlShare, TtlValue};
use crate::file::v1::{self, NamingKeys};

/// For how long a host keeps its number when `suffix_keep` does not say: thirty days, in seconds.
const SUFFIX_KEEP_SECS: u32 = 30 * 86_400;
/// Bounds of a share of the lease time, in seconds: a minute and an hour.
const SHARE_SECS: (u32, u32) = (60, 3_600);
/// What a pattern can hold, and the most characters that each comes to: `255-255-255-255`, `255`, twelve hexadecimal
/// digits, and six.
const PLACEHOLDERS: [(&str, usize); 4] = [("address", 15), ("last", 3), ("mac", 12), ("mac6", 6)];

/// What a table says of names. `wider` are the keys of what is around it, as far as that is known.
pub(super) fn part(own: NamingKeys<'_>, wider: NamingKeys<'_>, zones: &Zones, findings: &mut Findings) -> NamingPart {
    check_replace(own, wider, findings);
    NamingPart {
        domain: own.domain.and_then(|at| domain(at, zones, findings)),
        clean: own.clean.map(|word| match word {
            v1::Clean::Hyphen => CleanUp::Hyphen,
            v1::Clean::Drop => CleanUp::Drop,
            v1::Clean::Refuse => CleanUp::Refuse,
        }),
        outside: own.outside.map(|word| match word {
            v1::Outside::Refuse => OutsideName::Refuse,
            v1::Outside::FirstLabel => OutsideName::FirstLabel,
        }),
        client_updates: own.client_updates.map(|word| match word {
            v1::ClientUpdates::Override => ClientUpdates::Override,
            v1::ClientUpdates::Allow => ClientUpdates::Allow,
            v1::ClientUpdates::Ignore => ClientUpdates::Ignore,
            v1::ClientUpdates::Deny => ClientUpdates::Deny,
        }),
        override_no_update: own.override_no_update,
        generate: own.generate.and_then(|at| generated(at, findings)),
        replace: own.replace.map(|at| match at.value {
            v1::Replace::WhenAbsent => ReplaceName::WhenAbsent,
            v1::Replace::Always => ReplaceName::Always,
            v1::Replace::WhenPresent => ReplaceName::WhenPresent,
        }),
        ttl: own.ttl.and_then(|at| ttl(at, findings)),
        guard: own.conflict_check.map(|word| match word {
            v1::ConflictCheck::CheckWithDhcid => ConflictGuard::CheckWithDhcid,
            v1::ConflictCheck::NoCheckWithDhcid => ConflictGuard::NoCheckWithDhcid,
            v1::ConflictCheck::CheckExistsWithDhcid => ConflictGuard::CheckExistsWithDhcid,
            v1::ConflictCheck::NoCheckWithoutDhcid => ConflictGuard::NoCheckWithoutDhcid,
        }),
        conflict: conflict(own, wider, findings),
        after_expiry: own.after_expiry.and_then(|at| after_expiry(at, findings)),
        reserved: own.reserved_names.map(|word| match word {
            v1::ReservedNames::Always => ReservedRecords::WhileConfigured,
            v1::ReservedNames::WhileLeased => ReservedRecords::WhileLeased,
        }),
    }
}

/// A part for a scope, which has none where a table says nothing.
pub(super) fn boxed(part: NamingPart) -> Option<Box<NamingPart>> {
    (!part.is_empty()).then(|| Box::new(part))
}

/// A domain that is in a zone; `None`: reported.
pub(super) fn domain(at: &At<DomainName>, zones: &Zones, findings: &mut Findings) -> Option<Fqdn> {
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
    if let Some(apex) = zones.copy_holding(&domain) {
        secondary::refuse_names(&format!("the domain `{}` is", plain(&domain)), apex, at.span, findings);
        return None;
    }
    Some(domain)
}

/// A rule of when to use names that are never made.
fn check_replace(own: NamingKeys<'_>, wider: NamingKeys<'_>, findings: &mut Findings) {
    let (Some(at), None) = (own.replace, own.over(wider).generate) else { return };
    if at.value != v1::Replace::WhenAbsent {
        findings.warn(
            at.span,
            "`replace` does nothing here: no name is made that could stand in another's place",
            "without `generate`",
            "add `generate = \"address\"`, `\"hardware\"` or a pattern",
        );
    }
}

fn generated(at: &At<Generate>, findings: &mut Findings) -> Option<Option<GeneratedName>> {
    match &at.value {
        Generate::Switch(on) => Some(on.then_some(GeneratedName::Address)),
        Generate::Text(text) if text == "address" => Some(Some(GeneratedName::Address)),
        Generate::Text(text) if text == "hardware" => Some(Some(GeneratedName::Hardware)),
        Generate::Text(text) => match not_a_pattern(text) {
            None => Some(Some(GeneratedName::Pattern(text.to_ascii_lowercase().into()))),
            Some(why) => {
                findings.fault(
                    at.span,
                    format!("`{text}` is no pattern for names: {why}"),
                    "not a pattern",
                    "write \"address\", \"hardware\", or letters, digits, hyphens and {address}, {last}, {mac} or \
                     {mac6}, such as \"dev-{mac6}\"",
                );
                None
            }
        },
    }
}

/// Why names cannot be made by it.
fn not_a_pattern(text: &str) -> Option<&'static str> {
    let (mut rest, mut length, mut placed) = (text, 0, false);
    while let Some(next) = rest.chars().next() {
        if next == '{' {
            let found = rest[1..].split_once('}').and_then(|(word, after)| {
                let (_, most) = PLACEHOLDERS.iter().find(|(known, _)| word.eq_ignore_ascii_case(known))?;
                Some((most, after))
            });
            let Some((most, after)) = found else { return Some("what stands in braces is not known") };
            (rest, length, placed) = (after, length + most, true);
        } else if next.is_ascii_alphanumeric() || next == '-' {
            (rest, length) = (&rest[1..], length + 1);
        } else {
            return Some("it has characters other than letters, digits and hyphens");
        }
    }
    if !placed {
        Some("every client would get the same name")
    } else if text.starts_with('-') || text.ends_with('-') {
        Some("it begins or ends with a hyphen")
    } else if length > 63 {
        Some("it could come to more than 63 characters")
    } else {
        None
    }
}

fn ttl(at: &At<TtlValue>, findings: &mut Findings) -> Option<Ttl> {
    match &at.value {
        TtlValue::Time(Duration::Text(text)) if text == "rfc4702" => Some(Ttl::Rfc4702),
        TtlValue::Time(time) => {
            finite_seconds(&At { value: time.clone(), span: at.span }, "ttl", findings).map(Ttl::Fixed)
        }
        TtlValue::Share(share) => share_of_lease(share, findings),
    }
}

fn share_of_lease(written: &TtlShare, findings: &mut Findings) -> Option<Ttl> {
    let share = written.share.as_ref()?;
    if !(1..=100).contains(&share.value) {
        findings.fault(share.span, "`share` is of a hundred", "not a share", "write a number between 1 and 100");
        return None;
    }
    let mut bound = |at: &Option<At<Duration>>, key: &str, default| {
        at.as_ref().map_or(Some(default), |at| finite_seconds(at, key, findings))
    };
    let min_secs = bound(&written.min, "min", SHARE_SECS.0.min(SHARE_SECS.1))?;
    let max_secs = bound(&written.max, "max", SHARE_SECS.1.max(min_secs))?;
    let min_secs = if written.min.is_none() { min_secs.min(max_secs) } else { min_secs };
    if let (Some(min), Some(max), true) = (&written.min, &written.max, min_secs > max_secs) {
        findings
            .fault(min.span, "`min` is more than `max`", "more than the most", "make it less than the other")
            .see(max.span, "the most");
        return None;
    }
    Some(Ttl::Share { percent: share.value, min_secs, max_secs })
}

/// A number's time belongs to the outcome, whichever of the two tables has it.
fn conflict(own: NamingKeys<'_>, wider: NamingKeys<'_>, findings: &mut Findings) -> Option<ConflictOutcome> {
    let both = own.over(wider);
    if own.conflict.is_none() && own.suffix_keep.is_none() {
        return None;
    }
    if let (Some(at), false) = (own.suffix_keep, both.conflict == Some(v1::Conflict::Suffix)) {
        findings.warn(
            at.span,
            "`suffix_keep` does nothing here: no name gets a number",
            "without numbers",
            "add `conflict = \"suffix\"`",
        );
    }
    match both.conflict? {
        v1::Conflict::Refuse => Some(ConflictOutcome::Refuse),
        v1::Conflict::TakeOver => Some(ConflictOutcome::TakeOver),
        v1::Conflict::Suffix => {
            let keep_secs = match both.suffix_keep {
                Some(at) => finite_seconds(at, "suffix_keep", findings)?,
                None => SUFFIX_KEEP_SECS,
            };
            Some(ConflictOutcome::Suffix { keep_secs })
        }
    }
}

fn after_expiry(at: &At<AfterExpiryValue>, findings: &mut Findings) -> Option<AfterExpiry> {
    match &at.value {
        AfterExpiryValue::Text(text) if text == "keep" => Some(AfterExpiry::Keep),
        AfterExpiryValue::Text(_) => Some(AfterExpiry::AtOnce),
        AfterExpiryValue::Grace(grace) => {
            finite_seconds(grace.grace.as_ref()?, "grace", findings).map(AfterExpiry::Grace)
        }
    }
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
        Ok(full) if let Some(apex) = zones.copy_holding(&full) => {
            secondary::refuse_names(&format!("the name `{}` is", plain(&full)), apex, at.span, findings);
            None
        }
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

/// The full name of a machine, which must be in a zone.
pub(super) fn host_name(
    at: &At<HostName>,
    domain: Option<&Fqdn>,
    zones: &Zones,
    findings: &mut Findings,
) -> Option<Fqdn> {
    let text = at.value.0.trim();
    let stem = text.strip_suffix('.').unwrap_or(text);
    let is_full = stem.contains('.') || stem.len() < text.len();
    if let (None, false, None) = (domain, is_full, not_a_hostname(stem)) {
        findings.absent(
            at.span,
            format!("the name `{stem}` is in no domain"),
            "without a domain",
            format!("write the full name, such as \"{stem}.nasir.xyz\", or add `domain`"),
        );
        return None;
    }
    let naming = Naming::of_domain(domain.cloned().unwrap_or_else(Fqdn::root));
    hostname(at, Some(&naming), zones, findings)?.1
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
