//! What clients notice of a live compaction: how long exchanges take while one runs, beside those before and after.

use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::Args;
use comfy_table::{CellAlignment, Table, presets};

use crate::exchanges::{CORES, leasehold_toml, start_leasehold};
use crate::held::copy;
use crate::hosts::{Hosts, Link};
use crate::moment::{Sample, monotonic_us, read_samples};
use crate::names::first_line;
use crate::start::make_store;
use crate::updates::scratch;

const LINK: Link = Link { server: "10.64.0.1", client: "10.64.0.2", length: 10 };
/// The first address of the pool.
const FIRST: Ipv4Addr = Ipv4Addr::new(10, 65, 0, 0);
/// At the begin caches are cold on both sides: not counted.
const WARM_UP_US: u64 = 500_000;

/// A live compaction.
#[derive(Args, Debug)]
pub(crate) struct Compaction {
    /// Leases in the store that is compacted; a fifth of them stand in its segments.
    #[arg(long, default_value_t = 1_000_000)]
    leases: u32,
    /// Rounds; the table shows all of their exchanges together, and the ratio of each round.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Seconds of exchanges in each round. The compaction begins after a quarter of them.
    #[arg(long, default_value_t = 16)]
    seconds: u64,
    /// Exchanges under way at once.
    #[arg(long, default_value_t = 64)]
    in_flight: usize,
    /// The daemon's processors, as `taskset -c` takes them.
    #[arg(long, default_value = CORES[0])]
    processors: String,
    /// The daemon to measure.
    #[arg(long, default_value = "target/release/leasehold")]
    leasehold: PathBuf,
}

/// Exchanges of one kind, in microseconds, ascending, and the time in which they were.
#[derive(Debug, Default)]
struct Taken {
    micros: Vec<u64>,
    span_us: u64,
}

/// What one round showed.
#[derive(Debug)]
struct Round {
    without: Taken,
    during: Taken,
    /// What the daemon said that it did.
    words: String,
}

impl Compaction {
    pub(crate) fn run(&self) -> anyhow::Result<()> {
        let leasehold = self.leasehold.canonicalize().context("run `cargo build --release` first")?;
        let dir = scratch()?;
        let rounds = self.in_turns(&dir, &leasehold);
        drop(fs::remove_dir_all(&dir));
        let rounds = rounds?;
        println!("{}", first_line(&leasehold, &["--version"]));
        println!("{}", table(&rounds));
        Ok(())
    }

    fn in_turns(&self, dir: &Path, leasehold: &Path) -> anyhow::Result<Vec<Round>> {
        make_store(&dir.join("made"), FIRST, self.leases)?;
        (1..=self.rounds)
            .map(|number| {
                let round = self.measure(dir, leasehold)?;
                let (seconds, ratio) = (round.during.span_us as f64 / 1e6, round.ratio());
                eprintln!("round {number} of {}: {:.2} in {seconds:.2} s: {}", self.rounds, ratio, round.words);
                Ok(round)
            })
            .collect()
    }

    fn measure(&self, dir: &Path, leasehold: &Path) -> anyhow::Result<Round> {
        let hosts = Hosts::new(LINK)?;
        let place = dir.join("round");
        drop(fs::remove_dir_all(&place));
        copy(&dir.join("made"), &place.join("store"))?;
        let text = leasehold_toml(&place.display().to_string(), false);
        let running = start_leasehold(&hosts, &place, leasehold, &text)?;
        if self.processors != CORES[0] {
            // All threads that are there; those that begin later take after them.
            let id = running.id().to_string();
            Command::new("taskset").args(["-acp", &self.processors, &id]).output().context("running taskset")?;
        }
        let samples = place.join("samples");
        let this = std::env::current_exe()?;
        let (in_flight, seconds) = (self.in_flight.to_string(), self.seconds.to_string());
        let (this, samples_text) = (this.to_string_lossy(), samples.to_string_lossy());
        let mut args = vec!["-c", CORES[1], &this, "load", "--relay", LINK.client, "--server", LINK.server];
        args.extend(["--in-flight", &in_flight, "--seconds", &seconds, "--clients", "3000000", "--alone", "0"]);
        args.extend(["--no-renewals", "--samples", &samples_text]);
        let load = hosts.converse("taskset", &args)?;
        std::thread::sleep(Duration::from_millis(self.seconds * 250));
        let began = monotonic_us()?;
        let compacted = Command::new(leasehold)
            .args(["db", "compact", "--config", &place.join("leasehold.toml").to_string_lossy()])
            .output()
            .context("running `leasehold db compact`")?;
        let ended = monotonic_us()?;
        if !compacted.status.success() {
            bail!("no compaction: {}", String::from_utf8_lossy(&compacted.stderr));
        }
        if !load.wait_with_output()?.status.success() {
            bail!("the load failed");
        }
        let words = String::from_utf8_lossy(&compacted.stdout).trim().to_owned();
        Round::new(&read_samples(&samples)?, began, ended, words)
    }
}

impl Round {
    /// An exchange counts as one during the compaction when any moment of it was.
    fn new(samples: &[Sample], began: u64, ended: u64, words: String) -> anyhow::Result<Self> {
        let first = samples.iter().map(|sample| sample.ended_us - sample.micros).min().context("no exchange at all")?;
        let last = samples.iter().map(|sample| sample.ended_us).max().unwrap_or(first);
        let counted_from = first + WARM_UP_US;
        if ended >= last || began <= counted_from {
            bail!("the compaction did not end within the load: give it more --seconds");
        }
        let is_within = |sample: &Sample| sample.ended_us >= began && sample.ended_us - sample.micros <= ended;
        let (during, others): (Vec<Sample>, Vec<Sample>) = samples.iter().partition(|sample| is_within(sample));
        let taken = |samples: Vec<Sample>| {
            let mut micros: Vec<u64> = samples.iter().map(|sample| sample.micros).collect();
            micros.sort_unstable();
            micros
        };
        let without: Vec<Sample> = others.into_iter().filter(|sample| sample.ended_us > counted_from).collect();
        if during.is_empty() || without.is_empty() {
            bail!("no exchange ended during the compaction, or none without");
        }
        Ok(Self {
            without: Taken { micros: taken(without), span_us: last - counted_from - (ended - began) },
            during: Taken { micros: taken(during), span_us: ended - began },
            words,
        })
    }

    /// p99.9 during to p99.9 without.
    fn ratio(&self) -> f64 {
        self.during.at(9_990) as f64 / self.without.at(9_990).max(1) as f64
    }
}

impl Taken {
    fn of_all<'a>(all: impl Iterator<Item = &'a Self>) -> Self {
        let mut sum = Self::default();
        for taken in all {
            sum.micros.extend(&taken.micros);
            sum.span_us += taken.span_us;
        }
        sum.micros.sort_unstable();
        sum
    }

    fn at(&self, permyriad: usize) -> u64 {
        let last = self.micros.len().saturating_sub(1);
        self.micros.get(last * permyriad / 10_000).copied().unwrap_or(0)
    }
}

fn table(rounds: &[Round]) -> String {
    let without = Taken::of_all(rounds.iter().map(|round| &round.without));
    let during = Taken::of_all(rounds.iter().map(|round| &round.during));
    let ratios = rounds.iter().map(Round::ratio);
    let (least, most) = (ratios.clone().fold(f64::INFINITY, f64::min), ratios.fold(0.0, f64::max));
    let mut table = Table::new();
    table.load_style(presets::ASCII_MARKDOWN);
    table.set_header(["exchange, µs", "p50", "p99", "p99.9", "most", "p99.9 ratio", "by round", "exchanges/s", "s"]);
    for (title, taken, by_round) in
        [("without a compaction", &without, String::new()), ("during one", &during, format!("{least:.2}-{most:.2}"))]
    {
        let seconds = taken.span_us.max(1) as f64 / 1e6;
        table.add_row([
            title.to_owned(),
            taken.at(5_000).to_string(),
            taken.at(9_900).to_string(),
            taken.at(9_990).to_string(),
            taken.at(10_000).to_string(),
            format!("{:.2}", taken.at(9_990) as f64 / without.at(9_990).max(1) as f64),
            by_round,
            format!("{:.0}", taken.micros.len() as f64 / seconds),
            format!("{seconds:.1}"),
        ]);
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table.to_string()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn exchanges_that_touch_the_compaction_count_as_during_it() {
        let sample = |ended_us, micros| Sample { ended_us, micros };
        let samples = [
            sample(100, 10),
            sample(600_000, 20),
            sample(700_010, 30),
            sample(750_000, 40),
            sample(800_500, 600),
            sample(900_000, 50),
        ];
        let round = Round::new(&samples, 700_000, 800_000, String::new()).unwrap();
        assert_eq!(round.during.micros, [30, 40, 600]);
        assert_eq!(round.without.micros, [20, 50], "the first half second is not counted");
        assert!((round.ratio() - 40.0 / 20.0).abs() < 1e-9, "quantiles are exact ones of what is there");
        assert!(Round::new(&samples, 700_000, 900_000, String::new()).is_err(), "it did not end before the load");
    }
}
