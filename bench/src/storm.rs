//! The storm after a power cut: many clients come back at once, with the retries of RFC 2131. How long until the last
//! has its address, and until its name resolves; how much is served meanwhile, and in how much memory.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::Args;
use comfy_table::{CellAlignment, Table, presets};

use crate::hosts::{Hosts, Link, Running};
use crate::names::{CLIENT, DOMAIN, SERVER, print_versions, start_bind, start_kea, start_leasehold};
use crate::storm_load::WINDOW_US;
use crate::updates::scratch;

/// Clients return after a power cut.
#[derive(Args, Debug)]
pub(crate) struct Storm {
    #[arg(long, default_value_t = 50_000)]
    clients: u32,
    /// All first messages leave within so many milliseconds.
    #[arg(long, default_value_t = 2_000)]
    within_ms: u64,
    /// Seconds after which a client without an address gives up.
    #[arg(long, default_value_t = 60)]
    patience: u64,
    #[arg(long, default_value_t = 1)]
    rounds: u32,
    /// Only these servers, by a part of their names.
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Of the moments at which clients come and ask again.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The daemon to measure.
    #[arg(long, default_value = "target/release/leasehold")]
    leasehold: PathBuf,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Server {
    Kea,
    LeaseholdBind,
    LeaseholdZone,
}

const SERVERS: [(Server, &str); 3] = [
    (Server::Kea, "Kea, D2, BIND"),
    (Server::LeaseholdBind, "Leasehold, BIND"),
    (Server::LeaseholdZone, "Leasehold, own zone"),
];

/// What became of one storm.
#[derive(Clone, Debug, Default, PartialEq)]
struct Figures {
    /// Acknowledgements in each span of time, and the clients that still waited at its end.
    windows: Vec<(u64, u64)>,
    bound: u64,
    last_bound_us: u64,
    gave_up: u64,
    again: u64,
    refused: u64,
    named: u64,
    last_named_us: u64,
    /// Of the DHCP server and what writes its names, at most.
    peak_kb: u64,
    bind_peak_kb: u64,
}

impl Storm {
    pub(crate) fn run(&self) -> anyhow::Result<()> {
        let leasehold = self.leasehold.canonicalize().context("run `cargo build --release` first")?;
        let is_wanted = |title: &str| {
            self.only.is_empty() || self.only.iter().any(|part| title.to_lowercase().contains(&part.to_lowercase()))
        };
        let servers: Vec<_> = SERVERS.into_iter().filter(|(_, title)| is_wanted(title)).collect();
        let mut rows = Vec::new();
        for round in 1..=self.rounds {
            for (server, title) in &servers {
                eprintln!("round {round} of {}: {title}", self.rounds);
                let figures = self.measure(*server, &leasehold)?;
                println!("{title}: acknowledged in each quarter of a second: {}", figures.timeline());
                rows.push((*title, figures));
            }
        }
        print_versions(&leasehold);
        println!("{}", table(&rows, self.clients));
        Ok(())
    }

    fn measure(&self, server: Server, leasehold: &Path) -> anyhow::Result<Figures> {
        let hosts = Hosts::new(Link { server: SERVER, client: CLIENT, length: 16 })?;
        let dir = scratch()?;
        let bind = if server == Server::LeaseholdZone { None } else { Some(start_bind(&hosts, &dir)?) };
        let dhcp = match server {
            Server::Kea => start_kea(&hosts, &dir)?,
            Server::LeaseholdBind | Server::LeaseholdZone => {
                vec![start_leasehold(&hosts, &dir, leasehold, bind.is_some())?]
            }
        };
        let this = std::env::current_exe()?;
        let numbers = [u64::from(self.clients), self.within_ms, self.patience, self.seed].map(|it| it.to_string());
        let [clients, within, patience, seed] = &numbers;
        let mut args = vec!["storm-load", "--relay", CLIENT, "--server", SERVER, "--domain", DOMAIN];
        args.extend(["--clients", clients, "--within-ms", within, "--patience", patience, "--seed", seed]);
        let printed = hosts
            .ask(&this.to_string_lossy(), &args)
            .with_context(|| format!("the servers' logs are in {}", dir.display()))?;
        let mut figures = Figures::read(&printed).with_context(|| format!("the load said: {printed}"))?;
        let peak = |running: &Running| running.memory_kb("VmHWM");
        figures.peak_kb = dhcp.iter().map(peak).sum::<anyhow::Result<u64>>()?;
        figures.bind_peak_kb = bind.as_ref().map_or(Ok(0), peak)?;
        if figures.bound + figures.gave_up != u64::from(self.clients) {
            bail!("of {} clients {} got an address and {} gave up", self.clients, figures.bound, figures.gave_up);
        }
        drop((dhcp, bind));
        std::fs::remove_dir_all(&dir)?;
        Ok(figures)
    }
}

impl Figures {
    /// What the load printed: see `StormLoad::run`.
    fn read(printed: &str) -> Option<Self> {
        let mut figures = Self::default();
        for line in printed.lines() {
            let (name, numbers) = line.split_once(' ')?;
            let numbers: Vec<u64> = numbers.split(' ').map(str::parse).collect::<Result<_, _>>().ok()?;
            match (name, &numbers[..]) {
                ("window", [acks, waiting]) => figures.windows.push((*acks, *waiting)),
                ("bound", [bound, last, gave_up, again, refused]) => {
                    (figures.bound, figures.last_bound_us) = (*bound, *last);
                    (figures.gave_up, figures.again, figures.refused) = (*gave_up, *again, *refused);
                }
                ("named", [named, last]) => (figures.named, figures.last_named_us) = (*named, *last),
                _ => return None,
            }
        }
        Some(figures)
    }

    fn timeline(&self) -> String {
        let acks: Vec<String> = self.windows.iter().map(|(acks, _)| acks.to_string()).collect();
        acks.join(" ")
    }

    fn best(&self) -> u64 {
        self.windows.iter().map(|(acks, _)| *acks).max().unwrap_or(0)
    }

    /// The least that was served in a span of time in which more clients waited than the best one served, in percent of
    /// that one; `None` when there was no such span, because all were served as they came.
    fn least_percent(&self) -> Option<u64> {
        let best = self.best();
        let crowded = self.windows.windows(2).filter(|pair| pair[0].1 > best).map(|pair| pair[1].0);
        crowded.min().map(|least| least * 100 / best.max(1))
    }
}

fn table(rows: &[(&str, Figures)], clients: u32) -> String {
    let mut table = Table::new();
    table.load_style(presets::ASCII_MARKDOWN);
    table.set_header([
        &format!("{clients} clients"),
        "addresses",
        "last after s",
        "to first",
        "names",
        "last after s",
        "to first",
        "gave up",
        "sent again",
        "best/s",
        "least of best",
        "peak MB",
        "BIND's",
    ]);
    let seconds = |micros: u64| format!("{:.2}", micros as f64 / 1e6);
    let first = rows.first().map(|(_, figures)| figures.clone()).unwrap_or_default();
    let ratio = |own: u64, first: u64| format!("{:.3}", own as f64 / first.max(1) as f64);
    for (title, figures) in rows {
        table.add_row([
            (*title).to_owned(),
            figures.bound.to_string(),
            seconds(figures.last_bound_us),
            ratio(figures.last_bound_us, first.last_bound_us),
            figures.named.to_string(),
            seconds(figures.last_named_us),
            ratio(figures.last_named_us, first.last_named_us),
            figures.gave_up.to_string(),
            figures.again.to_string(),
            (figures.best() * 1_000_000 / WINDOW_US).to_string(),
            figures.least_percent().map_or_else(|| "-".to_owned(), |percent| format!("{percent}%")),
            (figures.peak_kb / 1_024).to_string(),
            (figures.bind_peak_kb / 1_024).to_string(),
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
    fn what_the_load_prints_becomes_rates_and_the_least_of_them_while_a_crowd_waits() {
        let printed = "window 100 900\nwindow 80 700\nwindow 20 500\nwindow 90 10\nwindow 10 0\nbound 300 1250000 2 7 1\n\
                       named 299 1300000\n";
        let figures = Figures::read(printed).unwrap();
        assert_eq!((figures.bound, figures.gave_up, figures.again, figures.refused), (300, 2, 7, 1));
        assert_eq!((figures.named, figures.last_named_us), (299, 1_300_000));
        assert_eq!(figures.least_percent(), Some(20), "in the last span nobody waited who could have been served");
        assert!(Figures::read("window 1").is_none());
        assert_eq!(Figures::read("window 5 0\nwindow 5 0").unwrap().least_percent(), None);
    }
}
