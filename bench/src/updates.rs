//! Names confirmed in BIND a second, in alternation, in one run.

use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use clap::Args;
use comfy_table::{CellAlignment, Table, presets};

use crate::hosts::{Hosts, Link};
use crate::names::{CLIENT, DOMAIN, REVERSE, SECRET, SERVER, print_versions, start_bind, start_kea};

/// While so long no further name arrives, those that have not are counted as missing.
const SILENCE: Duration = Duration::from_secs(10);

/// Names confirmed in BIND a second.
#[derive(Args, Debug)]
pub(crate) struct Updates {
    /// Names in each round.
    #[arg(long, default_value_t = 10_000)]
    names: u32,
    /// Rounds, in each of which all take turns.
    #[arg(long, default_value_t = 5)]
    rounds: u32,
    /// The generator's messages under way at once.
    #[arg(long, default_value_t = 16)]
    in_flight: usize,
    /// New clients of Kea with D2 in each round; 0 leaves it out.
    #[arg(long, default_value_t = 1_000)]
    kea: u32,
    /// Only a flood: so many leases, at `--rate`, and what of them arrives.
    #[arg(long)]
    flood: Option<u32>,
    /// Leases a second of the flood.
    #[arg(long, default_value_t = 5_000)]
    rate: u32,
    /// The daemon whose version is told.
    #[arg(long, default_value = "target/release/leasehold")]
    leasehold: PathBuf,
}

/// Names a second in each round, of one kind.
#[derive(Debug)]
struct Line {
    title: &'static str,
    by: &'static str,
    phase: &'static str,
    rates: Vec<f64>,
}

const LINES: [(&str, &str, &str); 10] = [
    ("generator, ten clients a message, new", "generator", "new"),
    ("generator, ten clients a message, returning", "generator", "returning"),
    ("generator, ten clients a message, all there", "generator", "forgotten"),
    ("generator, one client a message, new", "singles", "new"),
    ("generator, one client a message, returning", "singles", "returning"),
    ("generator, one client a message, all there", "singles", "forgotten"),
    ("Leasehold's updater, new", "updater", "new"),
    ("Leasehold's updater, returning", "updater", "returning"),
    ("Leasehold's updater, all there, its store lost", "updater", "forgotten"),
    ("Kea, D2, new", "kea", "new"),
];

impl Updates {
    pub(crate) fn run(&self) -> anyhow::Result<()> {
        if let Some(names) = self.flood {
            return self.flood(names);
        }
        let mut lines: Vec<Line> = LINES
            .iter()
            .filter(|(_, by, _)| *by != "kea" || self.kea > 0)
            .map(|(title, by, phase)| Line { title, by, phase, rates: Vec::new() })
            .collect();
        for round in 1..=self.rounds {
            for by in ["generator", "updater", "singles", "kea"] {
                if lines.iter().all(|line| line.by != by) {
                    continue;
                }
                eprintln!("round {round} of {}: {by}", self.rounds);
                let phases = if by == "kea" { self.with_kea()? } else { self.phases(by, self.names, &[])? };
                for (phase, rate) in phases {
                    for line in lines.iter_mut().filter(|line| line.by == by && line.phase == phase) {
                        eprintln!("  {}: {rate:.0}", line.title);
                        line.rates.push(rate);
                    }
                }
            }
        }
        print_versions(&self.leasehold);
        println!("{}", table(&lines, self.names, self.rounds));
        Ok(())
    }

    /// One load against a BIND of its own; the zones are looked at afterwards.
    fn phases(&self, by: &str, names: u32, more: &[&str]) -> anyhow::Result<Vec<(String, f64)>> {
        let hosts = Hosts::new(Link { server: SERVER, client: CLIENT, length: 16 })?;
        let dir = scratch()?;
        let bind = start_bind(&hosts, &dir)?;
        let this = std::env::current_exe()?;
        let (store, names_text, in_flight) =
            (dir.join("store").display().to_string(), names.to_string(), self.in_flight.to_string());
        let mut args = vec![
            "update-load",
            "--by",
            by,
            "--server",
            SERVER,
            "--domain",
            DOMAIN,
            "--reverse",
            REVERSE,
            "--secret",
            SECRET,
            "--names",
            &names_text,
            "--in-flight",
            &in_flight,
            "--store",
            &store,
        ];
        args.extend(more);
        let printed = hosts.ask(&this.to_string_lossy(), &args)?;
        let there = (records(&hosts, DOMAIN)?, records(&hosts, REVERSE)?);
        drop(bind);
        std::fs::remove_dir_all(&dir)?;
        if there != (names as usize, names as usize) {
            bail!("{by}: BIND holds {there:?} names and pointers, not {names} of each");
        }
        let mut phases = Vec::new();
        for line in printed.lines() {
            let words: Vec<&str> = line.split(' ').collect();
            let [phase, first, second] = words[..] else { bail!("the load printed {line:?}") };
            let (first, second): (f64, f64) = (first.parse()?, second.parse()?);
            match phase {
                "messages" => eprintln!("  {first} messages, then {second}"),
                "fed" => eprintln!("  all leases were there after {:.1} s, {second} events did not fit", first / 1e6),
                _ => phases.push((phase.to_owned(), first / (second / 1e6))),
            }
        }
        Ok(phases)
    }

    /// Every name of the flood is in BIND, or this fails.
    fn flood(&self, names: u32) -> anyhow::Result<()> {
        let rate = self.rate.to_string();
        let began = Instant::now();
        let phases = self.phases("flood", names, &["--rate", &rate])?;
        let (_, pace) = phases.first().context("the load told nothing")?;
        println!(
            "{names} leases at {} a second: all names, pointers and DHCIDs are right in BIND; {pace:.0} a second, {:.1} s in all",
            self.rate,
            began.elapsed().as_secs_f64()
        );
        Ok(())
    }

    /// New clients lease addresses from Kea, whose D2 writes their names; how many arrive, and how fast.
    fn with_kea(&self) -> anyhow::Result<Vec<(String, f64)>> {
        let hosts = Hosts::new(Link { server: SERVER, client: CLIENT, length: 16 })?;
        let dir = scratch()?;
        let bind = start_bind(&hosts, &dir)?;
        let kea = start_kea(&hosts, &dir)?;
        let this = std::env::current_exe()?;
        let clients = self.kea.to_string();
        let began = Instant::now();
        hosts.ask(
            &this.to_string_lossy(),
            &[
                "load",
                "--relay",
                CLIENT,
                "--server",
                SERVER,
                "--in-flight",
                "16",
                "--seconds",
                "60",
                "--clients",
                &clients,
                "--alone",
                "0",
                "--domain",
                DOMAIN,
                "--no-renewals",
            ],
        )?;
        let (mut there, mut last) = (0, Instant::now());
        while there < self.kea as usize && last.elapsed() < SILENCE {
            std::thread::sleep(Duration::from_millis(50));
            let now = records(&hosts, REVERSE)?;
            if now > there {
                (there, last) = (now, Instant::now());
            }
        }
        let elapsed = last.duration_since(began).as_secs_f64();
        eprintln!("  {there} of {} names arrived in {elapsed:.1} s", self.kea);
        drop(kea);
        drop(bind);
        std::fs::remove_dir_all(&dir)?;
        Ok(vec![("new".to_owned(), there as f64 / elapsed)])
    }
}

/// An empty directory of this run.
pub(crate) fn scratch() -> anyhow::Result<PathBuf> {
    let dir = std::env::temp_dir().join(format!("leasehold-bench-{}", std::process::id()));
    drop(std::fs::remove_dir_all(&dir));
    std::fs::create_dir_all(&dir)?;
    Ok(dir)
}

/// How many names of a zone have a record of a client and one DHCID beside it, by AXFR.
fn records(hosts: &Hosts, zone: &str) -> anyhow::Result<usize> {
    let key = format!("hmac-sha256:bench:{SECRET}");
    let server = format!("@{SERVER}");
    let output = Command::new("ip")
        .args(["netns", "exec", hosts.server_name(), "dig", &server, "-y", &key, zone, "AXFR", "+noall", "+answer"])
        .output()
        .context("running dig")?;
    let text = String::from_utf8_lossy(&output.stdout);
    let mut owners = std::collections::HashMap::<&str, (u32, u32)>::new();
    for line in text.lines() {
        let mut words = line.split_whitespace();
        let (owner, rtype) = (words.next().unwrap_or_default(), words.nth(2).unwrap_or_default());
        let counts = owners.entry(owner).or_default();
        match rtype {
            "A" | "PTR" => counts.0 += 1,
            "DHCID" => counts.1 += 1,
            _ => {}
        }
    }
    // The name server's own address has no DHCID; Kea writes one with the PTR too.
    Ok(owners.values().filter(|counts| **counts == (1, 1)).count())
}

fn table(lines: &[Line], names: u32, rounds: u32) -> String {
    let median = |line: &Line| {
        let mut rates = line.rates.clone();
        rates.sort_by(f64::total_cmp);
        rates.get(rates.len() / 2).copied().unwrap_or_default()
    };
    let beside = |phase: &str| lines.iter().find(|line| line.by == "generator" && line.phase == phase);
    let mut table = Table::new();
    table.load_style(presets::ASCII_MARKDOWN);
    table.set_header([
        format!("names a second, {rounds} rounds of {names}"),
        "median".to_owned(),
        "by round".to_owned(),
        "ratio".to_owned(),
        "ratio by round".to_owned(),
    ]);
    for line in lines {
        let base = beside(line.phase);
        let ratios: Vec<f64> = base
            .map(|base| line.rates.iter().zip(&base.rates).map(|(own, base)| own / base).collect())
            .unwrap_or_default();
        table.add_row([
            line.title.to_owned(),
            format!("{:.0}", median(line)),
            span(&line.rates, 0),
            format!("{:.2}", base.map_or(0.0, |base| median(line) / median(base))),
            span(&ratios, 2),
        ]);
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table.to_string()
}

fn span(values: &[f64], digits: usize) -> String {
    let least = values.iter().copied().fold(f64::INFINITY, f64::min);
    let most = values.iter().copied().fold(0.0, f64::max);
    format!("{least:.digits$}-{most:.digits$}")
}
