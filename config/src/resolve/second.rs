//! The keys of the second of two servers that share a subnet.

use dhcp::settings::Pool;

use crate::fault::Findings;
use crate::file::At;
use crate::file::v1::SecondKeys;

/// The longest that an offer may wait, in milliseconds: clients collect offers for a few seconds.
const OFFER_DELAY_MS_MAX: u32 = 10_000;
/// What a client's `secs` hardly ever reaches: most give up, or begin anew, before.
const MIN_SECS_USUAL_MAX: u16 = 60;

/// Sets what a pool says, else its subnet, else `[dhcp]`: the narrowest first.
pub(super) fn hold_back(pool: Pool, places: [SecondKeys<'_>; 3]) -> Pool {
    let delay = places.iter().find_map(|keys| keys.offer_delay_ms).map_or(0, |at| at.value);
    let secs = places.iter().find_map(|keys| keys.min_secs).map_or(0, |at| at.value);
    Pool { offer_delay_ms: delay, min_secs: secs, ..pool }
}

/// Reports what no client waits for.
pub(super) fn check(keys: SecondKeys<'_>, findings: &mut Findings) {
    let SecondKeys { offer_delay_ms, min_secs } = keys;
    if let Some(At { value, span }) = offer_delay_ms.filter(|at| at.value > OFFER_DELAY_MS_MAX) {
        findings.fault(
            *span,
            format!("no client waits for an offer for {value} milliseconds"),
            "too long",
            format!("write 1000 or so, and not more than {OFFER_DELAY_MS_MAX}"),
        );
    }
    if let Some(At { value, span }) = min_secs.filter(|at| at.value > MIN_SECS_USUAL_MAX) {
        findings.warn(
            *span,
            format!("few clients try for {value} seconds: this server would hardly ever help out"),
            "long",
            "write 4 or so: a client's second or third try",
        );
    }
}
