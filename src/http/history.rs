//! Figures over time, kept in memory from the start on: an hour closely, a day and a week less so.

use std::collections::VecDeque;
use std::sync::PoisonError;
use std::time::Duration;

use ipnet::Ipv4Net;
use web::model::{self, Range};

use super::desk::Desk;

/// How often is looked, in seconds.
const LOOK_SECS: u32 = 10;
/// Seconds between two points of a range, and how many points it has.
const RANGES: [(Range, u32, usize); 3] = [(Range::Hour, 10, 361), (Range::Day, 300, 289), (Range::Week, 1_800, 337)];
/// The pace of a subnet is told by how it was so long ago, in seconds, looked at so often.
const PACE_SECS: u64 = 3_600;
const PACE_STEP_SECS: u64 = 300;
/// Less than this says nothing of a pace.
const PACE_SECS_MIN: u64 = 600;
/// Subnets whose pace is known; more have none.
const PACED_MAX: usize = 512;

/// One look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Look {
    at: u64,
    leases: u32,
    /// Counters since the start.
    received: u64,
    sent: u64,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct History {
    /// In the order of [`RANGES`].
    points: [VecDeque<Look>; 3],
    /// How many addresses of each subnet's pools were free.
    free: VecDeque<(u64, Vec<(Ipv4Net, usize)>)>,
}

impl History {
    fn take(&mut self, look: Look, free: Vec<(Ipv4Net, usize)>) {
        for (points, (_, step, most)) in self.points.iter_mut().zip(RANGES) {
            // A look comes a little early or late.
            let due = points.back().is_none_or(|last| look.at + u64::from(LOOK_SECS) / 2 >= last.at + u64::from(step));
            if due {
                if points.len() == most {
                    points.pop_front();
                }
                points.push_back(look);
            }
        }
        if self.free.back().is_none_or(|(at, _)| look.at >= at + PACE_STEP_SECS) {
            while self.free.front().is_some_and(|(at, _)| at + PACE_SECS < look.at) {
                self.free.pop_front();
            }
            self.free.push_back((look.at, free));
        }
    }

    fn figures(&self, range: Range) -> model::History {
        let place = RANGES.iter().position(|(one, ..)| *one == range).unwrap_or_default();
        let (points, step_secs) = (&self.points[place], RANGES[place].1);
        let mut figures = model::History { step_secs, ..model::History::default() };
        // A rate is between two points, so that the first one has none.
        for (before, point) in points.iter().zip(points.iter().skip(1)) {
            let secs = point.at.saturating_sub(before.at).max(1) as f64;
            let rate = |now: u64, then: u64| (now.saturating_sub(then) as f64 / secs * 100.0).round() / 100.0;
            figures.at.push(point.at);
            figures.leases.push(point.leases);
            figures.received.push(rate(point.received, before.received));
            figures.sent.push(rate(point.sent, before.sent));
        }
        figures
    }

    fn pace(&self, prefix: Ipv4Net, free_now: usize, now: u64) -> Option<Pace> {
        let (at, subnets) = self.free.front().filter(|(at, _)| at + PACE_SECS_MIN <= now)?;
        let (_, free_then) = subnets.iter().find(|(one, _)| *one == prefix)?;
        let secs = now - at;
        let gone = i64::try_from(*free_then).ok()? - i64::try_from(free_now).ok()?;
        Some(Pace { gone, secs, free: free_now })
    }
}

/// How fast the addresses of a subnet go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pace {
    /// How many more are taken than before; fewer, below zero.
    gone: i64,
    /// Before: so many seconds ago.
    secs: u64,
    free: usize,
}

impl Pace {
    pub(super) fn words(self) -> String {
        let minutes = self.secs / 60;
        match self.gone {
            0 => "steady".to_owned(),
            gone if minutes >= 55 => format!("{gone:+} in an hour"),
            gone => format!("{gone:+} in {minutes} min"),
        }
    }

    /// In how many seconds nothing is left when it goes on so; `None`: not within a day.
    pub(super) fn full_in_secs(self) -> Option<u64> {
        let gone = u64::try_from(self.gone).ok().filter(|gone| *gone > 0)?;
        let secs = (self.free as u64).saturating_mul(self.secs) / gone;
        (secs < 86_400).then_some(secs)
    }
}

impl Desk {
    /// Looks now and then, for ever.
    pub(super) async fn sample(&self) {
        let mut ticks = tokio::time::interval(Duration::from_secs(u64::from(LOOK_SECS)));
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            // Whoever ends says so by not answering; then there is nothing to look at.
            let Ok((_, counts)) = self.counts().await else { return };
            let values = self.parts.responder.counters.values();
            let look = Look {
                at: self.parts.clock.now().wall_secs,
                leases: u32::try_from(counts.iter().map(|counts| counts.bound).sum::<usize>()).unwrap_or(u32::MAX),
                received: values.received,
                sent: values.sent,
            };
            let free = counts.iter().take(PACED_MAX).map(|counts| (counts.prefix, counts.free)).collect();
            self.history.lock().unwrap_or_else(PoisonError::into_inner).take(look, free);
        }
    }

    pub(super) fn figures(&self, range: Range) -> model::History {
        self.history.lock().unwrap_or_else(PoisonError::into_inner).figures(range)
    }

    pub(super) fn pace(&self, prefix: Ipv4Net, free: usize) -> Option<Pace> {
        let now = self.parts.clock.now().wall_secs;
        self.history.lock().unwrap_or_else(PoisonError::into_inner).pace(prefix, free, now)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
mod tests {
    use super::*;

    fn looked(hours: u64) -> History {
        let mut history = History::default();
        let prefix = "10.0.0.0/24".parse().unwrap();
        for tick in 0..hours * 360 {
            let at = 1_000_000 + tick * 10;
            let look = Look { at, leases: tick as u32, received: tick * 20, sent: tick * 10 };
            history.take(look, vec![(prefix, 200_usize.saturating_sub((tick / 36) as usize))]);
        }
        history
    }

    #[test]
    fn figures_are_rates_between_two_points_and_of_one_length() {
        let history = looked(30);
        for (range, step, most) in RANGES {
            let figures = history.figures(range);
            assert_eq!(figures.at.len(), (most - 1).min((30 * 3_600 / step - 1) as usize), "{range:?}");
            assert_eq!((figures.leases.len(), figures.sent.len()), (figures.at.len(), figures.at.len()));
            assert!(figures.received.iter().all(|rate| *rate == 2.0), "{:?}", figures.received);
            assert!(figures.at.windows(2).all(|two| two[1] - two[0] == u64::from(step)), "{range:?}");
        }
    }

    #[test]
    fn the_pace_of_a_subnet_tells_when_it_is_full() {
        let history = looked(2);
        let prefix = "10.0.0.0/24".parse().unwrap();
        let (at, subnets) = history.free.back().unwrap();
        let pace = history.pace(prefix, subnets[0].1, *at).unwrap();
        assert_eq!(pace.words(), "+10 in an hour");
        assert_eq!(pace.full_in_secs(), Some((subnets[0].1 as u64) * 360));
        assert_eq!(Pace { gone: 0, secs: 3_600, free: 5 }.words(), "steady");
        assert_eq!(Pace { gone: -3, secs: 1_200, free: 5 }.words(), "-3 in 20 min");
        assert_eq!(Pace { gone: -3, secs: 1_200, free: 5 }.full_in_secs(), None);
        assert_eq!(looked(1).pace(prefix, 3, 1_000_100), None, "too little is known");
    }
}
