//! How a copy stands, to be shown.

use super::Followed;
use crate::clock::Clock;
use crate::control::ZoneCopyView;

pub(super) fn view(followed: &Followed, clock: &Clock) -> ZoneCopyView {
    let now = clock.now();
    let standing = followed.follower.standing();
    // Boot milliseconds as UTC seconds.
    let wall = |ms: u64| match ms.checked_sub(now.boot_ms) {
        Some(ahead) => now.wall_secs.saturating_add(ahead / 1000),
        None => now.wall_secs.saturating_sub((now.boot_ms - ms) / 1000),
    };
    let settings = &followed.settings;
    let address = |at: usize| settings.primaries.get(at).map(|primary| primary.address.to_string());
    let state = match (&followed.zone, standing.expired) {
        (None, _) => "not-loaded",
        (Some(_), true) => "expired",
        (Some(_), false) if standing.failing => "stale",
        (Some(_), false) => "fresh",
    };
    let error_at = standing.troubles.iter().map(|(.., at)| wall(*at)).max();
    let errors = standing.troubles.into_iter().map(|(at, words, _)| {
        let address = address(at).unwrap_or_default();
        format!("{address}: {words}")
    });
    let errors: Vec<String> = errors.collect();
    ZoneCopyView {
        zone: settings.sight.id.to_string(),
        state: state.to_owned(),
        primaries: settings.primaries.iter().map(|primary| primary.address.to_string()).collect(),
        primary: standing.from.and_then(address),
        serial: standing.serial,
        names: followed.zone.as_ref().map(zones::Zone::name_count),
        // What was stored may be older than the machine's start.
        checked_at: standing.checked_ms.map(|ms| if ms == 0 { followed.stored_at } else { wall(ms) }),
        next_at: standing.next_ms.map(|ms| wall(ms).max(now.wall_secs)),
        expires_at: standing.expires_ms.map(wall),
        error: (!errors.is_empty()).then(|| errors.join("; ")),
        error_at,
    }
}
