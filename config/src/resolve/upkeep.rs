//! `[ddns]`: audits, and what may be done to zones unasked.

use ddns::settings::Upkeep;
use ddns::takeover::Inherit;

use super::scalars::parse_duration;
use crate::fault::Findings;
use crate::file::At;
use crate::file::kinds::{HowOften, PercentText};
use crate::file::v1;

/// The shortest pause between two audits or backups: each reads everything.
const PAUSE_SECS_MIN: u32 = 60;

pub(super) fn read(written: &v1::Ddns, findings: &mut Findings) -> Upkeep {
    let defaults = Upkeep::default();
    let audit_secs = match &written.audit {
        None => None,
        Some(at) => match at.value.0.trim() {
            "never" => None,
            "hourly" => Some(3_600),
            "daily" => Some(86_400),
            "weekly" => Some(7 * 86_400),
            _ => pause(at, findings),
        },
    };
    if let Some(repairs) = written.audit_repairs.as_ref().filter(|at| at.value)
        && audit_secs.is_none()
    {
        findings.fault(
            repairs.span,
            "`audit_repairs` without an `audit` repairs nothing",
            "no audit is made",
            "write how often one is to be made, such as `audit = \"daily\"`",
        );
    }
    let delete_share_percent =
        written.delete_share_max.as_ref().and_then(|at| percent(at, findings)).unwrap_or(defaults.delete_share_percent);
    let inherits = |server| written.inherit.iter().flatten().any(|one| *one == server);
    Upkeep {
        audit_secs,
        audit_repairs: written.audit_repairs.as_ref().is_some_and(|at| at.value),
        delete_share_percent,
        inherit: Inherit { kea: inherits(v1::FormerServer::Kea), isc_dhcpd: inherits(v1::FormerServer::IscDhcpd) },
    }
}

/// How often, in seconds.
pub(super) fn pause(at: &At<HowOften>, findings: &mut Findings) -> Option<u32> {
    let written = at.value.0.trim();
    let secs = parse_duration(written).filter(|secs| (PAUSE_SECS_MIN..u32::MAX).contains(secs));
    if secs.is_none() {
        findings.fault(
            at.span,
            format!("`{written}` does not say how often"),
            "not a pause of a minute or more",
            "write \"hourly\", \"daily\", \"weekly\", a length of time such as \"6h\", or \"never\"",
        );
    }
    secs
}

fn percent(at: &At<PercentText>, findings: &mut Findings) -> Option<u8> {
    let written = at.value.0.trim();
    let share = written.strip_suffix('%').and_then(|number| number.trim().parse().ok()).filter(|share| *share <= 100);
    if share.is_none() {
        findings.fault(
            at.span,
            format!("`{written}` is not a share of a hundred"),
            "not a share",
            "write a number from 0 to 100 and a percent sign, such as \"20%\"",
        );
    }
    share
}
