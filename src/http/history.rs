//! Figures over time: an hour closely, a day and a week less so. They are also written beside the lease store now and then, so
//! that a restart does not empty the plots. Losing them costs a plot, so nothing waits for the disk, and nothing fails by it.

use std::collections::VecDeque;
use std::path::Path;
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

/// The file beside the lease store, how often it is written, in looks, and how long it is at most, in octets.
const FILE: &str = "figures";
const LOOKS_PER_WRITE: u32 = 30;
const FILE_OCTETS_MAX: u64 = 1 << 20;

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

impl History {
    /// A line for each point: the place of its range, and what was seen.
    fn text(&self) -> String {
        let of_range = |(place, points): (usize, &VecDeque<Look>)| -> String {
            let line = |look: &Look| format!("{place} {} {} {} {}\n", look.at, look.leases, look.received, look.sent);
            points.iter().map(line).collect()
        };
        self.points.iter().enumerate().map(of_range).collect()
    }

    /// What was written; lines that are none, or not of the past, are left out.
    fn of_text(text: &str, now: u64) -> Self {
        let mut history = Self::default();
        for line in text.lines() {
            let mut numbers = line.split(' ').map(str::parse::<u64>);
            let mut next = || numbers.next()?.ok();
            let (Some(place), Some(at), Some(leases), Some(received), Some(sent)) =
                (next(), next(), next(), next(), next())
            else {
                continue;
            };
            let look = Look { at, leases: u32::try_from(leases).unwrap_or(u32::MAX), received, sent };
            let place = usize::try_from(place).unwrap_or(usize::MAX);
            let (Some(points), Some((_, _, most))) = (history.points.get_mut(place), RANGES.get(place)) else {
                continue;
            };
            let follows = points.back().is_none_or(|last| last.at < at) && at <= now;
            if follows && points.len() < *most {
                points.push_back(look);
            }
        }
        history
    }
}

fn read(path: &Path) -> Option<String> {
    let is_ours = std::fs::metadata(path).is_ok_and(|found| found.is_file() && found.len() <= FILE_OCTETS_MAX);
    is_ours.then(|| std::fs::read_to_string(path).ok())?
}

/// In the place of the former file, whole or not at all.
fn write(path: &Path, text: &str) -> std::io::Result<()> {
    let beside = path.with_extension("new");
    std::fs::write(&beside, text)?;
    std::fs::rename(&beside, path)
}

impl Desk {
    /// Takes up what was written before the start.
    async fn remember(&self, path: &Path) {
        let (path, now) = (path.to_path_buf(), self.parts.clock.now().wall_secs);
        if let Ok(Some(text)) = tokio::task::spawn_blocking(move || read(&path)).await {
            *self.history.lock().unwrap_or_else(PoisonError::into_inner) = History::of_text(&text, now);
        }
    }

    /// Looks now and then, for ever.
    pub(super) async fn sample(&self) {
        let path = self.parts.config.load().daemon.store.join(FILE);
        self.remember(&path).await;
        let mut looks = 0_u32;
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
            let text = {
                let mut history = self.history.lock().unwrap_or_else(PoisonError::into_inner);
                history.take(look, free);
                looks = looks.wrapping_add(1);
                looks.is_multiple_of(LOOKS_PER_WRITE).then(|| history.text())
            };
            if let Some(text) = text {
                let path = path.clone();
                // A full disk keeps the former file; what is in memory is shown all the same.
                drop(tokio::task::spawn_blocking(move || write(&path, &text)).await);
            }
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
    fn figures_outlive_a_restart_and_a_file_that_is_none_does_no_harm() {
        let history = looked(30);
        let now = history.points[0].back().unwrap().at;
        let again = History::of_text(&history.text(), now);
        assert_eq!(again.points, history.points);
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(FILE);
        assert_eq!(read(&path), None);
        write(&path, &history.text()).unwrap();
        assert_eq!(read(&path).unwrap(), history.text());
        // Another start, with counters from 0 and an hour later: no rate is negative or enormous.
        let mut later = again;
        later.take(Look { at: now + 3_600, leases: 3, received: 5, sent: 5 }, Vec::new());
        assert_eq!(later.figures(Range::Hour).received.last(), Some(&0.0));
        let past = History::of_text(&history.text(), now - 7_200);
        let is_past = |points: &VecDeque<Look>| points.back().is_none_or(|last| last.at <= now - 7_200);
        assert!(past.points.iter().all(is_past) && !past.points[1].is_empty(), "the clock was set back");
        for bad in ["", "x", "9 1 1 1 1\n", "0 5 1 1\n", "0 5 1 1 1\n0 4 1 1 1\n", "0 -1 1 1 1"] {
            assert!(History::of_text(bad, now).points.iter().all(|points| points.len() < 2), "{bad}");
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
