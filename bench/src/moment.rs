//! A clock that is the same in every process, and what a load wrote down by it.

use std::path::Path;

use anyhow::Context;
use nix::time::{ClockId, clock_gettime};

/// Microseconds of the machine's monotonic clock.
pub(crate) fn monotonic_us() -> anyhow::Result<u64> {
    let now = clock_gettime(ClockId::CLOCK_MONOTONIC)?;
    Ok(u64::try_from(now.tv_sec() * 1_000_000 + now.tv_nsec() / 1_000)?)
}

/// One exchange: when it ended, by [`monotonic_us`], and how long it took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sample {
    pub(crate) ended_us: u64,
    pub(crate) micros: u64,
}

/// What the load wrote with `--samples`: the moment of its begin, then for each exchange the microseconds from there to
/// its end, and those that it took.
pub(crate) fn read_samples(path: &Path) -> anyhow::Result<Vec<Sample>> {
    let text = std::fs::read_to_string(path)?;
    let mut lines = text.lines();
    let began: u64 = lines.next().context("no samples")?.parse()?;
    let sample = |line: &str| {
        let (at, micros) = line.split_once(' ').with_context(|| format!("a sample reads {line:?}"))?;
        Ok(Sample { ended_us: began + at.parse::<u64>()?, micros: micros.parse()? })
    };
    lines.map(sample).collect()
}
