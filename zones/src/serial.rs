//! Serial number arithmetic (RFC 1982), 32 bits wide.

/// Whether `candidate` is greater than `current` (section 3.2). Numbers exactly half the space apart
/// compare neither way.
#[must_use]
pub fn is_newer(candidate: u32, current: u32) -> bool {
    let ahead = candidate.wrapping_sub(current);
    ahead != 0 && ahead < 1 << 31
}

/// The serial after `current` (section 3.1), never 0: RFC 2136 section 3.6 increments "by 1, skipping 0",
/// which some secondaries take for "no serial".
#[must_use]
pub fn next(current: u32) -> u32 {
    match current.wrapping_add(1) {
        0 => 1,
        next => next,
    }
}

/// A serial after all of these: the time in seconds where that is newer than each, else the next after `newest`, which is one
/// of them. Half the space is not newer: a time that is newer than `newest` need not be newer than what is behind it.
#[must_use]
pub fn leap(newest: u32, others: &[u32], now_secs: u32) -> u32 {
    let is_beyond = is_newer(now_secs, next(newest)) && others.iter().all(|other| is_newer(now_secs, *other));
    if is_beyond { now_secs } else { next(newest) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc1982_3_2_comparison_wraps() {
        assert!(is_newer(2, 1) && !is_newer(1, 2) && !is_newer(1, 1));
        assert!(is_newer(0, u32::MAX) && !is_newer(u32::MAX, 0));
        assert!(!is_newer(1 << 31, 0) && !is_newer(0, 1 << 31));
    }

    #[test]
    fn a_leap_takes_the_time_only_where_that_is_newer_than_all() {
        assert_eq!(leap(7, &[2], 1_000), 1_000);
        assert_eq!(leap(5_000, &[2], 1_000), 5_001);
        assert_eq!(leap(7, &[2], 8), 8, "the next");
        let (ours, theirs) = (10, 1 << 30);
        assert_eq!(leap(theirs, &[ours], (1 << 31) + 9), (1 << 31) + 9);
        for now_secs in [(1 << 31) + 10, (1 << 31) + (1 << 29)] {
            assert!(is_newer(now_secs, theirs) && !is_newer(now_secs, ours));
            assert_eq!(leap(theirs, &[ours], now_secs), theirs + 1);
        }
    }

    #[test]
    fn the_next_serial_is_newer_and_never_zero() {
        for serial in [0, 1, u32::MAX - 1, u32::MAX, 1 << 31] {
            assert!(is_newer(next(serial), serial));
            assert_ne!(next(serial), 0);
        }
    }
}
