//! Boot time and wall time, together.

/// One reading of both clocks. Running, expiry follows `boot_ms`; what is stored is `wall_secs`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// Milliseconds since the machine booted, suspended time included. Never goes back.
    pub boot_ms: u64,
    /// UTC seconds since 1970. The shell never lets it go below the journal's newest stamp.
    pub wall_secs: u64,
}
