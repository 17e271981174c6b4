//! How addresses are probed before they are offered.

use std::ops::RangeInclusive;

use dhcp::probing::{PastCap, ProbeWhen, Probing};

use super::scalars::finite_seconds;
use crate::fault::Findings;
use crate::file::At;
use crate::file::v1;

/// Shorter, and a machine on a wireless link has no time to answer; longer, and clients have given up.
const TIMEOUT_MS: RangeInclusive<u32> = 10..=10_000;
/// Each of them keeps a client's message in memory.
const AT_ONCE: RangeInclusive<u32> = 1..=4_096;
/// A client waits for one timeout after the other.
const IN_A_ROW: RangeInclusive<u32> = 1..=16;

/// The keys of `[dhcp]`.
pub(super) fn read(dhcp: &v1::Dhcp, findings: &mut Findings) -> Probing {
    let default = Probing::default();
    let mut number = |at: &Option<At<u32>>, key: &str, allowed: RangeInclusive<u32>, default: u32| {
        let Some(at) = at else { return default };
        if !allowed.contains(&at.value) {
            let (least, most) = (allowed.start(), allowed.end());
            findings.fault(
                at.span,
                format!("`{key}` is a number from {least} to {most}"),
                "out of range",
                format!("write a number such as {default}, or take the key out"),
            );
        }
        at.value
    };
    let timeout_ms = number(&dhcp.probe_timeout_ms, "probe_timeout_ms", TIMEOUT_MS, default.timeout_ms);
    let at_once_max = number(&dhcp.probes_at_once, "probes_at_once", AT_ONCE, default.at_once_max);
    let in_a_row_max = number(&dhcp.probes_in_a_row, "probes_in_a_row", IN_A_ROW, default.in_a_row_max);
    let rested = dhcp.probe_rested.as_ref().and_then(|at| finite_seconds(at, "probe_rested", findings));
    Probing {
        timeout_ms,
        at_once_max,
        past_cap: match dhcp.probes_past_cap {
            Some(v1::PastCap::Silence) => PastCap::Silence,
            Some(v1::PastCap::Offer) | None => PastCap::Offer,
        },
        in_a_row_max,
        rested_secs: rested.unwrap_or(default.rested_secs),
    }
}

/// A subnet's key, or that of `[dhcp]`.
pub(super) fn when(probe: Option<v1::Probe>) -> ProbeWhen {
    match probe {
        Some(v1::Probe::Off) | None => ProbeWhen::Off,
        Some(v1::Probe::Rested) => ProbeWhen::Rested,
        Some(v1::Probe::Always) => ProbeWhen::Always,
    }
}
