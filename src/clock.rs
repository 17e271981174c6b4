//! The shell's clock: boot time and wall time read together, and what is done while the machine's clock is wrong.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use dhcp::time::Now;
use nix::time::{ClockId, clock_gettime};

/// Wall times below this (2025-01-01) are those of a machine without a battery that has not asked NTP yet.
const PLAUSIBLE_WALL_SECS: u64 = 1_735_689_600;
/// A machine's clock may be so much behind the journal's newest stamp without being taken for wrong: it was set by a
/// little, or drifted while the machine was off.
const BEHIND_SECS_MAX: u64 = 60;

/// Reads both clocks. The wall time never falls below the newest stamp of the journal, because what was stored as
/// past must not become future again.
///
/// While the machine's clock is behind what was told before, time goes on at half its speed, until the machine's has
/// caught up: it neither jumps back nor stands still, and a lease never ends early by it.
#[derive(Clone, Debug)]
pub struct Clock {
    told: Arc<Mutex<Told>>,
    newest_stamp: u64,
}

/// The last wall time told, in milliseconds, and the boot time then: [`Clock`] without the machine.
#[derive(Clone, Copy, Debug)]
pub struct Told {
    wall_ms: u64,
    boot_ms: u64,
}

impl Told {
    /// Never to be below `newest_stamp` (UTC seconds).
    #[must_use]
    pub fn new(newest_stamp: u64, boot_ms: u64) -> Self {
        Self { wall_ms: newest_stamp.saturating_mul(1_000), boot_ms }
    }

    /// The wall time to tell at `boot_ms`, when the machine's clock shows `machine_ms`.
    pub fn advance(&mut self, boot_ms: u64, machine_ms: u64) -> u64 {
        let passed = boot_ms.saturating_sub(self.boot_ms);
        let wall_ms = machine_ms.max(self.wall_ms.saturating_add(passed / 2));
        if wall_ms > self.wall_ms {
            *self = Self { wall_ms, boot_ms: boot_ms.max(self.boot_ms) };
        }
        self.wall_ms
    }
}

impl Clock {
    /// A clock that never tells a wall time below `newest_stamp` (UTC seconds).
    #[must_use]
    pub fn new(newest_stamp: u64) -> Self {
        Self { told: Arc::new(Mutex::new(Told::new(newest_stamp, boot_ms()))), newest_stamp }
    }

    /// Both clocks, now.
    #[must_use]
    pub fn now(&self) -> Now {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let boot_ms = boot_ms();
        Now { boot_ms, wall_secs: told.advance(boot_ms, machine_wall_ms()) / 1_000 }
    }

    /// Whether the machine's wall clock is in the past: before any time that this program was made in, or clearly
    /// before the journal's newest stamp at the start.
    #[must_use]
    pub fn is_in_the_past(&self) -> bool {
        is_in_the_past(machine_wall_secs(), self.newest_stamp)
    }
}

/// Whether a machine's wall clock (UTC seconds) is in the past; see [`Clock::is_in_the_past`].
#[must_use]
pub fn is_in_the_past(machine_secs: u64, newest_stamp: u64) -> bool {
    machine_secs < PLAUSIBLE_WALL_SECS || machine_secs.saturating_add(BEHIND_SECS_MAX) < newest_stamp
}

/// The machine's wall clock as it is, in UTC seconds: what others' times, a signature's for one, are compared with.
#[must_use]
pub fn machine_wall_secs() -> u64 {
    machine_wall_ms() / 1_000
}

fn machine_wall_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |passed| u64::try_from(passed.as_millis()).unwrap_or(u64::MAX))
}

/// Milliseconds since boot, suspended time included. A kernel without `CLOCK_BOOTTIME` does not run this program.
pub(crate) fn boot_ms() -> u64 {
    clock_gettime(ClockId::CLOCK_BOOTTIME).map_or(0, |time| {
        let secs = u64::try_from(time.tv_sec()).unwrap_or(0);
        let nanos = u64::try_from(time.tv_nsec()).unwrap_or(0);
        secs * 1_000 + nanos / 1_000_000
    })
}

/// Boot milliseconds for which expiry is paused at most. Whoever has no NTP at all must not lose the pool to clients
/// that have gone.
const PAUSE_MS_MAX: u64 = 3_600_000;

/// What becomes of expiry at the start: paused while the machine's clock is in the past, since it cannot tell then
/// what has run out meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pause {
    /// Leases expire.
    No,
    /// None expires; paused at this boot time.
    Since(u64),
}

/// Why expiry goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GoesOn {
    /// The machine's clock is plausible.
    ClockIsRight,
    /// It was not for an hour. From then on, a stored lease is taken to have that left which it had when this program
    /// last ran: it may end late, never early.
    WaitedLongEnough,
}

impl Pause {
    /// At the start.
    #[must_use]
    pub fn at_start(clock: &Clock) -> Self {
        Self::begin(clock.now().boot_ms, clock.is_in_the_past())
    }

    /// At the start, at `boot_ms`, by a clock that is in the past or is not.
    #[must_use]
    pub fn begin(boot_ms: u64, in_the_past: bool) -> Self {
        if in_the_past { Self::Since(boot_ms) } else { Self::No }
    }

    /// Looks again; `Some` once, when the pause ends with this.
    pub fn look(&mut self, clock: &Clock) -> Option<GoesOn> {
        self.decide(clock.now().boot_ms, clock.is_in_the_past())
    }

    /// Looks again at `boot_ms`, by a clock that is in the past or is not.
    pub fn decide(&mut self, boot_ms: u64, in_the_past: bool) -> Option<GoesOn> {
        let Self::Since(since) = *self else { return None };
        let why = match in_the_past {
            false => GoesOn::ClockIsRight,
            true if boot_ms.saturating_sub(since) >= PAUSE_MS_MAX => GoesOn::WaitedLongEnough,
            true => return None,
        };
        *self = Self::No;
        Some(why)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wall_time_follows_the_machines_clock_and_never_goes_back() {
        let mut told = Told { wall_ms: 10_000, boot_ms: 0 };
        assert_eq!(told.advance(1_000, 20_000), 20_000);
        assert_eq!(told.advance(2_000, 21_000), 21_000);
        assert_eq!(told.advance(2_500, 25_000), 25_000, "set forward");
        assert_eq!(told.advance(3_000, 22_000), 25_250, "set back: half speed");
        assert_eq!(told.advance(9_000, 28_250), 28_250, "until the machine's has caught up");
        assert_eq!(told.advance(10_000, 29_250), 29_250);
    }

    #[test]
    fn time_goes_on_by_small_steps_while_the_machines_clock_is_in_the_past() {
        let mut told = Told { wall_ms: 1_800_000_000_000, boot_ms: 0 };
        for boot_ms in 1..=60_000 {
            told.advance(boot_ms, boot_ms);
        }
        assert_eq!(told.wall_ms, 1_800_000_030_000);
    }

    #[test]
    fn a_clock_is_in_the_past_before_this_program_or_clearly_before_the_newest_stamp() {
        let newest = 1_800_000_000;
        assert!(is_in_the_past(0, 0));
        assert!(is_in_the_past(newest - 3_600, newest));
        assert!(!is_in_the_past(newest - 30, newest));
        assert!(!is_in_the_past(newest + 1, newest));
        assert!(Clock::new(u64::MAX / 1_000).is_in_the_past());
        assert!(!Clock::new(0).is_in_the_past());
    }

    #[test]
    fn a_pause_ends_once_when_the_clock_is_right_or_after_an_hour() {
        let mut pause = Pause::Since(5);
        assert_eq!(pause.decide(1_000, true), None);
        assert_eq!(pause.decide(2_000, false), Some(GoesOn::ClockIsRight));
        assert_eq!(pause.decide(3_000, false), None);
        assert_eq!(pause.decide(4_000, true), None, "a clock that is set back later pauses nothing");
        let mut pause = Pause::Since(5);
        assert_eq!(pause.decide(3_600_005, true), Some(GoesOn::WaitedLongEnough));
        assert_eq!(Pause::at_start(&Clock::new(0)), Pause::No);
    }
}
