//! Lease times and the timers within a lease.

use dhcp::settings::LeaseTimes;

use super::scalars::{finite_seconds, seconds, show_seconds};
use crate::fault::Findings;
use crate::file::At;
use crate::file::kinds::Duration;
use crate::file::v1::{LeaseKeys, TimeKeys};

/// The lease time and its bounds as a table has them. `wider` are those of what is around it, which its own have to go
/// together with where both say something.
pub(super) fn lease_times(own: TimeKeys<'_>, wider: TimeKeys<'_>, findings: &mut Findings) -> LeaseTimes {
    let both = own.over(wider);
    let (written, least, most) = (both.lease_time, both.lease_time_min, both.lease_time_max);
    let read = |at: Option<&At<Duration>>, key: &str, findings: &mut Findings| {
        let secs = seconds(at?, findings)?;
        if secs == 0 { finite_seconds(at?, key, findings) } else { Some(secs) }
    };
    let default = read(written, "lease_time", findings);
    let (min, max) = (read(least, "lease_time_min", findings), read(most, "lease_time_max", findings));
    if let (Some(min), Some(max), Some(least), Some(most)) = (min, max, least, most)
        && min > max
    {
        findings
            .fault(
                least.span,
                format!(
                    "`lease_time_min` ({}) is more than `lease_time_max` ({})",
                    show_seconds(min),
                    show_seconds(max)
                ),
                "more than the most",
                "make it less than the other",
            )
            .see(most.span, "the most");
    } else if let (Some(default), Some(written)) = (default, written) {
        for (bound, at, key, wrong) in [
            (min, least, "lease_time_min", min.is_some_and(|min| default < min)),
            (max, most, "lease_time_max", max.is_some_and(|max| default > max)),
        ] {
            let (Some(bound), Some(at), true) = (bound, at, wrong) else { continue };
            let how = if default < bound { "less" } else { "more" };
            findings
                .fault(
                    written.span,
                    format!("`lease_time` ({}) is {how} than `{key}` ({})", show_seconds(default), show_seconds(bound)),
                    format!("{how} than `{key}`"),
                    format!("write a time that `{key}` allows, or change that"),
                )
                .see(at.span, "the bound");
        }
    }
    LeaseTimes {
        default: own.lease_time.and(default),
        min: own.lease_time_min.and(min),
        max: own.lease_time_max.and(max),
    }
}

/// T1 and T2 in thousandths of the lease time.
pub(super) fn timers(keys: LeaseKeys<'_>, findings: &mut Findings) -> (u16, u16) {
    let mut share = |at: Option<&At<f64>>, key: &str, default: u16| {
        let Some(at) = at else { return default };
        let permille = (at.value * 1000.0).round();
        if !(1.0..=999.0).contains(&permille) {
            findings.fault(
                at.span,
                format!("`{key}` is a share of the lease time, so it lies between 0 and 1"),
                "not a share",
                format!("write a number such as {}", f64::from(default) / 1000.0),
            );
            return default;
        }
        permille as u16
    };
    let (t1_at, t2_at) = (keys.t1, keys.t2);
    // RFC 2131 section 4.4.5: "T1 defaults to (0.5 * duration_of_lease). T2 defaults to (0.875 *
    // duration_of_lease)", and "T1 MUST be earlier than T2".
    let (t1, t2) = (share(t1_at, "t1", 500), share(t2_at, "t2", 875));
    if t1 >= t2
        && let Some(at) = t1_at.or(t2_at)
    {
        findings.fault(
            at.span,
            format!("`t1` ({}) must be less than `t2` ({})", f64::from(t1) / 1000.0, f64::from(t2) / 1000.0),
            "in the wrong order",
            "a client first renews (`t1`, usually 0.5), later asks any server (`t2`, usually 0.875)",
        );
    }
    (t1, t2)
}
