//! Lines that anybody on the network can cause: told now and then, never as often as somebody sends.

use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long nothing more is told after a line.
const QUIET: Duration = Duration::from_secs(10);

/// Lets one line through, or so many, and the next only ten seconds after the first, with how many were kept back.
#[derive(Debug, Default)]
pub struct Quiet {
    told: Mutex<Told>,
    /// How many beside the first.
    more: u32,
}

#[derive(Debug, Default)]
struct Told {
    first: Option<Instant>,
    /// How many beside that.
    more: u32,
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
    /// Lets `lines` through in ten seconds; at least one.
    #[must_use]
    pub fn after(lines: u32) -> Self {
        Self { more: lines.saturating_sub(1), ..Self::default() }
    }

    /// Whether a line may be told now; `None` to keep it back.
    pub fn may_tell(&self) -> Option<KeptBack> {
        self.may_tell_at(Instant::now())
    }

    fn may_tell_at(&self, now: Instant) -> Option<KeptBack> {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.first.is_some_and(|first| now.duration_since(first) < QUIET) {
            if told.more < self.more {
                told.more += 1;
                return Some(KeptBack(0));
            }
            told.kept_back += 1;
            return None;
        }
        (told.first, told.more) = (Some(now), 0);
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

    #[test]
    fn a_few_lines_are_all_told_where_they_are_of_use() {
        let (quiet, start) = (Quiet::after(3), Instant::now());
        let told = |at| (0..5).filter(|_| quiet.may_tell_at(at).is_some()).count();
        assert_eq!((told(start), told(start + QUIET / 2)), (3, 0));
        assert_eq!(quiet.may_tell_at(start + QUIET), Some(KeptBack(7)));
    }
}
