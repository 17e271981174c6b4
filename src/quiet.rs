//! Lines that anybody on the network can cause: told now and then, never as often as somebody sends.

use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long nothing more is told after a line.
const QUIET: Duration = Duration::from_secs(10);

/// Lets one line through, and the next only after ten seconds, with how many were kept back.
#[derive(Debug, Default)]
pub struct Quiet(Mutex<Told>);

#[derive(Debug, Default)]
struct Told {
    last: Option<Instant>,
    kept_back: u64,
}

/// How many lines were kept back since the last one, to end a line with: nothing for none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeptBack(u64);

impl fmt::Display for KeptBack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0 => Ok(()),
            more => write!(f, " (and {more} more before)"),
        }
    }
}

impl Quiet {
    /// Whether a line may be told now; `None` to keep it back.
    pub fn may_tell(&self) -> Option<KeptBack> {
        self.may_tell_at(Instant::now())
    }

    fn may_tell_at(&self, now: Instant) -> Option<KeptBack> {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if told.last.is_some_and(|last| now.duration_since(last) < QUIET) {
            told.kept_back += 1;
            return None;
        }
        told.last = Some(now);
        Some(KeptBack(std::mem::take(&mut told.kept_back)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_one_line_that_counts_the_rest() {
        let (quiet, start) = (Quiet::default(), Instant::now());
        assert_eq!(quiet.may_tell_at(start), Some(KeptBack(0)));
        assert_eq!(quiet.may_tell_at(start + Duration::from_secs(3)), None);
        assert_eq!(quiet.may_tell_at(start + Duration::from_secs(9)), None);
        assert_eq!(quiet.may_tell_at(start + QUIET), Some(KeptBack(2)));
        assert_eq!(quiet.may_tell_at(start + QUIET * 3), Some(KeptBack(0)));
        assert_eq!(format!("refused{}", KeptBack(2)), "refused (and 2 more before)");
        assert_eq!(format!("refused{}", KeptBack(0)), "refused");
    }
}
