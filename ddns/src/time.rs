//! Boot time and wall time, together.

/// One reading of both clocks. Pauses follow boot time; what is stored and shown is wall time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// Milliseconds since the machine booted. Never goes back.
    pub boot_ms: u64,
    /// UTC seconds since 1970.
    pub wall_secs: u64,
}
