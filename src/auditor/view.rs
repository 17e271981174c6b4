//! What an audit found, in words and as commands show it.

use ddns::audit::{Found, Kind, ZoneFindings};
use ddns::settings::ZoneServer;
use ddns::wanted::{RowKey, Want};
use dns::RecordType;

use super::Audited;
use crate::control::{AuditCounts, AuditFindingView, AuditView, AuditZoneView};

/// Findings listed of one zone; the counts are of all.
const LISTED_MAX: usize = 10_000;

pub(super) fn audit_view(audited: &[Audited]) -> AuditView {
    AuditView { zones: audited.iter().map(zone_view).collect() }
}

fn zone_view(audited: &Audited) -> AuditZoneView {
    let server = match (&audited.zone.server, audited.zone.server.primary()) {
        (ZoneServer::Embedded, _) => "embedded".to_owned(),
        (_, Some(address)) => address.to_string(),
        (_, None) => "none".to_owned(),
    };
    let mut view =
        AuditZoneView { zone: audited.words(), server, how: audited.how.to_owned(), ..AuditZoneView::default() };
    match &audited.result {
        Err(why) => view.error = Some(why.clone()),
        Ok(found) => {
            view.counts = counts(found);
            view.others = found.others;
            view.others_with_dhcid = found.others_with_dhcid;
            view.records = found.records;
            view.not_looked_at = found.left_out;
            view.not_listed = found.findings.len().saturating_sub(LISTED_MAX);
            view.findings = found
                .findings
                .iter()
                .take(LISTED_MAX)
                .map(|finding| AuditFindingView {
                    kind: kind_word(finding.kind).to_owned(),
                    key: key_words(&finding.key),
                    wanted: finding.want.as_ref().map_or("nothing".to_owned(), |want| want_words(&finding.key, want)),
                    found: found_words(&finding.found),
                    adoptable: finding.adoptable,
                })
                .collect();
        }
    }
    view
}

pub(super) fn counts(found: &ZoneFindings) -> AuditCounts {
    let of = |kind| found.findings.iter().filter(|finding| finding.kind == kind).count();
    AuditCounts {
        right: found.right,
        under_way: found.under_way,
        missing: of(Kind::Missing),
        changed: of(Kind::Changed),
        stale: of(Kind::Stale),
        foreign: of(Kind::Foreign),
        elsewhere: of(Kind::Elsewhere),
    }
}

fn kind_word(kind: Kind) -> &'static str {
    match kind {
        Kind::Missing => "missing",
        Kind::Changed => "changed",
        Kind::Stale => "stale",
        Kind::Foreign => "foreign",
        Kind::Elsewhere => "elsewhere",
    }
}

pub(super) fn key_words(key: &RowKey) -> String {
    match key {
        RowKey::Forward(name) => name.to_string(),
        RowKey::Reverse(address) => address.to_string(),
        RowKey::Stated(name, rtype) => format!("{name} {rtype}"),
    }
}

pub(super) fn want_words(key: &RowKey, want: &Want) -> String {
    let ttl = want.ttl_secs;
    match key {
        RowKey::Reverse(_) => format!("PTR {} (ttl {ttl})", want.name),
        RowKey::Stated(_, rtype) => format!("{} (ttl {ttl})", want.stated_words(*rtype)),
        RowKey::Forward(_) => {
            let addresses: Vec<String> = want.addresses.iter().map(ToString::to_string).collect();
            format!("A {} (ttl {ttl})", addresses.join(", "))
        }
    }
}

pub(super) fn found_words(found: &[Found]) -> String {
    if found.is_empty() {
        return "nothing".to_owned();
    }
    let words = |one: &Found| match (one.rdata.to_address(one.rtype), one.rtype) {
        (Some(address), rtype) => format!("{rtype} {address} (ttl {})", one.ttl),
        (None, RecordType::PTR) => match one.rdata.to_name() {
            Some(name) => format!("PTR {name} (ttl {})", one.ttl),
            None => "PTR".to_owned(),
        },
        (None, RecordType::DHCID) => one.rtype.to_string(),
        (None, rtype) => format!("{rtype} {} (ttl {})", one.rdata.words(rtype), one.ttl),
    };
    found.iter().map(words).collect::<Vec<_>>().join(", ")
}
