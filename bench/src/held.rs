//! Exchanges a second with many leases held, and with a pool that is nearly full, beside those on an empty store: new
//! clients in portions that release their leases untimed, so that each pool stays as full as it was.

use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::Args;
use comfy_table::{CellAlignment, Table, presets};

use crate::counts::Counts;
use crate::exchanges::{CORES, Figure, count, read, start_leasehold};
use crate::hosts::{Hosts, Link};
use crate::names::first_line;
use crate::start::make_store;
use crate::updates::scratch;

const LINK: Link = Link { server: "10.64.0.1", client: "10.64.0.2", length: 10 };
/// The first address of every pool.
const FIRST: Ipv4Addr = Ipv4Addr::new(10, 80, 0, 0);
/// The last address of the pools that are not nearly full.
const LAST: Ipv4Addr = Ipv4Addr::new(10, 127, 255, 254);
/// How much of the full pool is leased.
const FULL_PERCENT: u32 = 99;

/// Exchanges a second beside many leases.
#[derive(Args, Debug)]
pub(crate) struct Held {
    /// Leases held by the second store.
    #[arg(long, default_value_t = 1_000_000)]
    leases: u32,
    /// Addresses of the pool of which 99% are leased: a /12.
    #[arg(long, default_value_t = 1 << 20)]
    pool: u32,
    /// Clients between two releases. They and the leased ones must fit into the pool.
    #[arg(long, default_value_t = 4_000)]
    portion: u32,
    /// Seconds that count of each store and round.
    #[arg(long, default_value_t = 4)]
    seconds: u64,
    /// Rounds, in each of which all stores take turns.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Exchanges under way at once.
    #[arg(long, default_value_t = 64)]
    in_flight: usize,
    /// Count instructions of an exchange and its release by `perf stat` besides: they hardly change from run to run.
    #[arg(long)]
    instructions: bool,
    /// The daemon to measure.
    #[arg(long, default_value = "target/release/leasehold")]
    leasehold: PathBuf,
}

/// A store that is there at the start, and its pool.
#[derive(Debug)]
struct Kind {
    title: String,
    store: &'static str,
    leases: u32,
    last: Ipv4Addr,
    figures: Vec<Figure>,
    counts: Vec<Counts>,
    resident_kb: u64,
}

impl Held {
    pub(crate) fn run(&self) -> anyhow::Result<()> {
        let leasehold = self.leasehold.canonicalize().context("run `cargo build --release` first")?;
        let leased = u32::try_from(u64::from(self.pool) * u64::from(FULL_PERCENT) / 100)?;
        if leased + self.portion > self.pool {
            bail!("a portion of {} does not fit beside {leased} leases of {}", self.portion, self.pool);
        }
        let kind = |title: String, store, leases, last| Kind {
            title,
            store,
            leases,
            last,
            figures: Vec::new(),
            counts: Vec::new(),
            resident_kb: 0,
        };
        let mut kinds = [
            kind("empty store".to_owned(), "empty", 0, LAST),
            kind(format!("{} leases held", self.leases), "held", self.leases, LAST),
            kind(
                format!("{leased} leases in a pool of {}", self.pool),
                "full",
                leased,
                Ipv4Addr::from(u32::from(FIRST) + self.pool - 1),
            ),
        ];
        let dir = scratch()?;
        let result = self.in_turns(&dir, &leasehold, &mut kinds);
        drop(fs::remove_dir_all(&dir));
        result?;
        println!("{}", first_line(&leasehold, &["--version"]));
        println!("{}", table(&kinds));
        if self.instructions {
            println!("{}", counts_table(&kinds));
        }
        Ok(())
    }

    fn in_turns(&self, dir: &Path, leasehold: &Path, kinds: &mut [Kind]) -> anyhow::Result<()> {
        for kind in kinds.iter() {
            make_store(&dir.join(kind.store), FIRST, kind.leases)?;
        }
        for round in 1..=self.rounds {
            for kind in kinds.iter_mut() {
                self.measure(dir, leasehold, kind)?;
                if let Some(figure) = kind.figures.last() {
                    eprintln!("round {round} of {}: {}: {} a second", self.rounds, kind.title, figure.per_second);
                }
            }
        }
        Ok(())
    }

    fn measure(&self, dir: &Path, leasehold: &Path, kind: &mut Kind) -> anyhow::Result<()> {
        let hosts = Hosts::new(LINK)?;
        let round = dir.join("round");
        drop(fs::remove_dir_all(&round));
        copy(&dir.join(kind.store), &round.join("store"))?;
        let shown = round.display();
        let text = format!(
            "[server]\nstore = \"{shown}/store\"\ncontrol = \"{shown}/control.sock\"\n\n[dhcp.limits]\npackets_per_client = \"unlimited\"\n\n\
             [[subnet]]\nprefix = \"10.64.0.0/10\"\npools = [\"{FIRST}-{}\"]\nlease_time = \"1h\"\n",
            kind.last
        );
        let running = start_leasehold(&hosts, &round, leasehold, &text)?;
        let this = std::env::current_exe()?;
        let (in_flight, seconds, portion) =
            (self.in_flight.to_string(), self.seconds.to_string(), self.portion.to_string());
        let this = this.to_string_lossy();
        let mut args = vec!["-c", CORES[1], &this, "load", "--relay", LINK.client, "--server", LINK.server];
        args.extend(["--in-flight", &in_flight, "--seconds", &seconds, "--clients", "4294967290", "--alone", "0"]);
        args.extend(["--portion", &portion, "--no-renewals"]);
        let printed = if self.instructions {
            args.push("--step");
            let (printed, counts) = count(&hosts, &round, &running, &args)?;
            kind.counts.extend(counts.into_iter().map(|(_, counts)| counts));
            printed
        } else {
            hosts.ask("taskset", &args)?
        };
        let figure = printed.lines().find_map(read).with_context(|| format!("the load said: {printed}"))?.1;
        if figure.refused > 0 {
            bail!("{}: {} clients were refused", kind.title, figure.refused);
        }
        kind.figures.push(figure);
        kind.resident_kb = running.memory_kb("VmRSS")?;
        Ok(())
    }
}

/// A round changes its store, so that each begins with a copy.
pub(crate) fn copy(store: &Path, to: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(store)? {
        let entry = entry?;
        fs::copy(entry.path(), to.join(entry.file_name()))?;
    }
    Ok(())
}

/// In thousandths.
fn median(mut values: Vec<u64>) -> u64 {
    values.sort_unstable();
    values.get(values.len() / 2).copied().unwrap_or(0)
}

fn table(kinds: &[Kind]) -> String {
    let of = |kind: &Kind, what: fn(&Figure) -> u64| kind.figures.iter().map(what).collect::<Vec<u64>>();
    let mut table = Table::new();
    table.load_style(presets::ASCII_MARKDOWN);
    table.set_header(["", "exchanges/s", "to empty", "by round", "p50 µs", "p99 µs", "again", "resident MB"]);
    for kind in kinds {
        let rates = of(kind, |figure| figure.per_second);
        let empty = kinds.first().map(|first| of(first, |figure| figure.per_second)).unwrap_or_default();
        // Neighbours in time are compared, since the machine's pace changes.
        let ratios: Vec<u64> =
            rates.iter().zip(&empty).filter_map(|(own, empty)| (own * 1_000).checked_div(*empty)).collect();
        let shown = |thousandths: u64| format!("{}.{:02}", thousandths / 1_000, thousandths % 1_000 / 10);
        let span = ratios.iter().min().zip(ratios.iter().max());
        table.add_row([
            kind.title.clone(),
            median(rates).to_string(),
            shown(median(ratios.clone())),
            span.map_or_else(String::new, |(least, most)| format!("{}-{}", shown(*least), shown(*most))),
            median(of(kind, |figure| figure.p50)).to_string(),
            median(of(kind, |figure| figure.p99)).to_string(),
            of(kind, |figure| figure.again).iter().sum::<u64>().to_string(),
            (kind.resident_kb / 1_024).to_string(),
        ]);
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table.to_string()
}

/// Of the round with the median of instructions.
fn counts_table(kinds: &[Kind]) -> String {
    let mut table = Table::new();
    table.load_style(presets::ASCII_MARKDOWN);
    table.set_header([
        "of an exchange and its release",
        "own instr.",
        "to empty",
        "kernel's",
        "cycles",
        "system calls",
    ]);
    let middle = |kind: &Kind| {
        let mut counts = kind.counts.clone();
        counts.sort_by(|a, b| a.user.total_cmp(&b.user));
        counts.get(counts.len() / 2).copied().unwrap_or_default()
    };
    let empty = kinds.first().map(middle).unwrap_or_default();
    for kind in kinds {
        let counts = middle(kind);
        table.add_row([
            kind.title.clone(),
            format!("{:.0}", counts.user),
            format!("{:.2}", counts.user / empty.user),
            format!("{:.0}", counts.kernel),
            format!("{:.0}", counts.cycles),
            format!("{:.2}", counts.calls),
        ]);
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table.to_string()
}
