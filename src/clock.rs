//! The shell's clock: boot time and wall time read together.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use dhcp::time::Now;
use nix::time::{ClockId, clock_gettime};

/// Wall times below this (2025-01-01) are those of a machine without a battery that has not asked NTP yet.
const PLAUSIBLE_WALL_SECS: u64 = 1_735_689_600;

/// Reads both clocks. The wall time never falls below the newest stamp of the journal, because what was stored as
/// past must not become future again.
#[derive(Clone, Debug)]
pub struct Clock {
    floor_secs: Arc<AtomicU64>,
}

impl Clock {
    /// A clock that never tells a wall time below `newest_stamp` (UTC seconds).
    #[must_use]
    pub fn new(newest_stamp: u64) -> Self {
        Self { floor_secs: Arc::new(AtomicU64::new(newest_stamp)) }
    }

    /// Both clocks, now.
    #[must_use]
    pub fn now(&self) -> Now {
        let wall = machine_wall_secs();
        let floor = self.floor_secs.fetch_max(wall, Ordering::Relaxed);
        Now { boot_ms: boot_ms(), wall_secs: wall.max(floor) }
    }

    /// Whether the machine's wall clock is in the past: before any time that this program was made in, or before the
    /// journal's newest stamp at the start.
    #[must_use]
    pub fn is_in_the_past(&self) -> bool {
        let wall = machine_wall_secs();
        wall < PLAUSIBLE_WALL_SECS || wall < self.floor_secs.load(Ordering::Relaxed)
    }
}

/// The machine's wall clock as it is, in UTC seconds: what a signature's time is compared with.
#[must_use]
pub fn machine_wall_secs() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |passed| passed.as_secs())
}

/// Milliseconds since boot, suspended time included. A kernel without `CLOCK_BOOTTIME` does not run this program.
fn boot_ms() -> u64 {
    clock_gettime(ClockId::CLOCK_BOOTTIME).map_or(0, |time| {
        let secs = u64::try_from(time.tv_sec()).unwrap_or(0);
        let nanos = u64::try_from(time.tv_nsec()).unwrap_or(0);
        secs * 1_000 + nanos / 1_000_000
    })
}
