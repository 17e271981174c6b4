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
    fn the_next_serial_is_newer_and_never_zero() {
        for serial in [0, 1, u32::MAX - 1, u32::MAX, 1 << 31] {
            assert!(is_newer(next(serial), serial));
            assert_ne!(next(serial), 0);
        }
    }
}
