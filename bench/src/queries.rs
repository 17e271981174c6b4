//! Queries on one core: Leasehold's embedded zone beside BIND, Knot and NSD, in turns, asked by dnsperf.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::Args;
use comfy_table::{CellAlignment, Table, presets};

use crate::hosts::{Hosts, Link, Running};
use crate::names::{CLIENT, DOMAIN, SERVER, first_line};
use crate::query_servers::{SECRET, SERVERS, Server};

/// Zones larger than a file of queries are asked for so many of their names.
const QUERIES_MAX: u32 = 100_000;
/// Updates of one turn's file; dnsperf begins it again.
const UPDATES: u32 = 20_000;
/// Where hosts' addresses begin.
const FIRST_ADDRESS: u32 = 0x0a00_0000;

/// Queries on one core.
#[derive(Args, Debug)]
pub(crate) struct Queries {
    /// How many names the zones hold.
    #[arg(long, value_delimiter = ',', default_values_t = [1_000, 100_000])]
    names: Vec<u32>,
    /// Rounds; every server has its turn in each.
    #[arg(long, default_value_t = 5)]
    rounds: u32,
    /// How long each load lasts, in seconds.
    #[arg(long, default_value_t = 5)]
    secs: u32,
    /// Queries a second while the time to an answer is taken: the same for all.
    #[arg(long, default_value_t = 40_000)]
    pace: u32,
    /// Updates a second while queries are counted again; 0 leaves that out.
    #[arg(long, default_value_t = 1_000)]
    updates: u32,
    /// The core that the server has for itself; dnsperf has another.
    #[arg(long, default_value_t = 0)]
    server_core: u32,
    /// dnsperf's core.
    #[arg(long, default_value_t = 1)]
    client_core: u32,
    /// These alone.
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// The daemon to measure.
    #[arg(long, default_value = "target/release/leasehold")]
    leasehold: PathBuf,
}

/// What one turn of one server showed of one load.
#[derive(Clone, Copy, Debug, Default)]
struct Turn {
    per_second: f64,
    /// Processor time of the server, in microseconds.
    cpu_micros: f64,
    /// 99 of 100 answers came within so many microseconds, at the common pace.
    p99_micros: f64,
    lost: f64,
    resident_kib: u64,
}

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Load {
    There,
    Missing,
    WhileUpdated,
}

impl Load {
    fn title(self) -> &'static str {
        match self {
            Self::There => "there",
            Self::Missing => "NXDOMAIN",
            Self::WhileUpdated => "there, with updates",
        }
    }
}

type Turns = BTreeMap<(u32, Load, usize), Vec<Turn>>;

impl Queries {
    pub(crate) fn run(&self) -> anyhow::Result<()> {
        let leasehold = self
            .leasehold
            .canonicalize()
            .with_context(|| format!("{} is not there: run `cargo build --release` first", self.leasehold.display()))?;
        let chosen: Vec<usize> = (0..SERVERS.len())
            .filter(|at| self.only.is_empty() || self.only.iter().any(|only| only == SERVERS[*at].title()))
            .collect();
        if chosen.is_empty() {
            bail!("--only names none of {}", SERVERS.map(Server::title).join(", "));
        }
        let mut turns = Turns::new();
        for round in 1..=self.rounds {
            for names in &self.names {
                for at in &chosen {
                    eprintln!("round {round} of {}: {}, {names} names", self.rounds, SERVERS[*at].title());
                    for (load, turn) in self.turn(SERVERS[*at], &leasehold, *names)? {
                        eprintln!(
                            "  {}: {:.0}/s, {:.2} us, p99 {:.0} us, lost {:.0}, {} MiB",
                            load.title(),
                            turn.per_second,
                            turn.cpu_micros,
                            turn.p99_micros,
                            turn.lost,
                            turn.resident_kib / 1024
                        );
                        turns.entry((*names, load, *at)).or_default().push(turn);
                    }
                }
            }
        }
        for line in [
            first_line(&leasehold, &["--version"]),
            first_line(Path::new("/usr/sbin/named"), &["-v"]),
            first_line(Path::new("/usr/sbin/knotd"), &["-V"]),
            first_line(Path::new("/usr/sbin/nsd"), &["-v"]),
        ] {
            println!("{line}");
        }
        println!("{}", table(&turns));
        Ok(())
    }

    /// One server with a zone of its own, asked in every way.
    fn turn(&self, server: Server, leasehold: &Path, names: u32) -> anyhow::Result<Vec<(Load, Turn)>> {
        let hosts = Hosts::new(Link { server: SERVER, client: CLIENT, length: 16 })?;
        let dir = std::env::temp_dir().join(format!("leasehold-bench-{}", std::process::id()));
        drop(std::fs::remove_dir_all(&dir));
        std::fs::create_dir_all(&dir)?;
        write_inputs(&dir, names)?;
        let mut running = server.start(&hosts, &dir, leasehold, self.server_core)?;
        running.wait_until("answer", || {
            let asked = hosts.ask("dig", &[&format!("@{SERVER}"), "+short", "+tries=1", "+time=1", &host(names - 1)]);
            asked.is_ok_and(|printed| printed.starts_with("10."))
        })?;
        let mut found = Vec::new();
        for (load, file) in [(Load::There, "there"), (Load::Missing, "missing")] {
            found.push((load, self.measure(&hosts, &dir.join(file), &running)?));
        }
        if self.updates > 0 && server.takes_updates() {
            let mut updates = self.start_updates(&hosts, &dir)?;
            std::thread::sleep(Duration::from_millis(500));
            let measured = self.measure(&hosts, &dir.join("there"), &running);
            let told = ended(&mut updates)?;
            found.push((Load::WhileUpdated, measured?));
            eprintln!("  updates: {told}");
        }
        drop(running);
        std::fs::remove_dir_all(&dir)?;
        Ok(found)
    }

    /// As fast as it goes; then at the common pace, each answer's time taken.
    fn measure(&self, hosts: &Hosts, file: &Path, running: &Running) -> anyhow::Result<Turn> {
        let (file, secs) = (file.display().to_string(), self.secs.to_string());
        let core = self.client_core.to_string();
        let common = ["-c", &core, "dnsperf", "-s", SERVER, "-d", &file, "-l", &secs, "-e", "-q", "128"];
        let before = cpu_micros(running.id())?;
        let printed = hosts.ask("taskset", &common)?;
        let spent = cpu_micros(running.id())? - before;
        let completed = number(&printed, "Queries completed:")?;
        let pace = self.pace.to_string();
        let slow = hosts.ask("taskset", &[&common[..], &["-Q", &pace, "-v"]].concat())?;
        Ok(Turn {
            per_second: number(&printed, "Queries per second:")?,
            cpu_micros: spent / completed,
            p99_micros: quantile(&slow, 99).context("dnsperf told no times")? * 1e6,
            lost: number(&printed, "Queries lost:")?,
            resident_kib: resident_kib(running.id())?,
        })
    }

    fn start_updates(&self, hosts: &Hosts, dir: &Path) -> anyhow::Result<Child> {
        let (file, rate) = (dir.join("updates").display().to_string(), self.updates.to_string());
        // It is ended when the queries are counted, and lasts longer than both their parts.
        let secs = (self.secs * 3 + 10).to_string();
        let key = format!("hmac-sha256:bench:{SECRET}");
        let core = self.client_core.to_string();
        hosts.converse(
            "taskset",
            &["-c", &core, "dnsperf", "-u", "-s", SERVER, "-d", &file, "-l", &secs, "-Q", &rate, "-y", &key],
        )
    }
}

fn host(number: u32) -> String {
    format!("host{number}.{DOMAIN}")
}

/// The zone, the queries and the updates.
fn write_inputs(dir: &Path, names: u32) -> anyhow::Result<()> {
    let mut zone = format!(
        "$ORIGIN {DOMAIN}.\n$TTL 600\n@ SOA ns.{DOMAIN}. hostmaster.{DOMAIN}. 1 3600 600 86400 60\n@ NS ns\nns A {SERVER}\n"
    );
    for number in 0..names {
        writeln!(zone, "host{number} A {}", std::net::Ipv4Addr::from_bits(FIRST_ADDRESS + number))?;
    }
    std::fs::write(dir.join(format!("{DOMAIN}.zone")), zone)?;
    let (mut there, mut missing) = (String::new(), String::new());
    for nth in 0..names.min(QUERIES_MAX) {
        // A step that has no factor with the number: in no order, and each once.
        let number = u64::from(nth) * 7_919 % u64::from(names);
        writeln!(there, "host{number}.{DOMAIN} A")?;
        writeln!(missing, "missing{number}.{DOMAIN} A")?;
    }
    std::fs::write(dir.join("there"), there)?;
    std::fs::write(dir.join("missing"), missing)?;
    let mut updates = String::new();
    for number in 0..UPDATES {
        // Added and taken away in turns, so that every one changes the zone.
        let verb = if number % 2 == 0 { "add" } else { "delete" };
        let record = if number % 2 == 0 { " 600 A 10.99.0.1" } else { "" };
        writeln!(updates, "{DOMAIN}.\n{verb} dynamic{}{record}\nsend", number / 2)?;
    }
    Ok(std::fs::write(dir.join("updates"), updates)?)
}

/// Ends the updates; what became of them.
fn ended(updates: &mut Child) -> anyhow::Result<String> {
    use std::io::Read as _;
    // dnsperf prints what it has when it is interrupted.
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(i32::try_from(updates.id())?), nix::sys::signal::Signal::SIGINT)?;
    let mut printed = String::new();
    if let Some(output) = &mut updates.stdout {
        output.read_to_string(&mut printed)?;
    }
    updates.wait()?;
    let line = |start: &str| printed.lines().find_map(|line| line.trim().strip_prefix(start)).map(str::trim);
    let told = line("Updates per second:").zip(line("Response codes:"));
    let (rate, codes) = told.with_context(|| format!("no updates were sent: {printed}"))?;
    Ok(format!("{rate}/s, {codes}"))
}

/// The first number behind these words.
pub(crate) fn number(printed: &str, words: &str) -> anyhow::Result<f64> {
    let line = printed.lines().find_map(|line| line.trim().strip_prefix(words));
    let word = line.and_then(|rest| rest.split_whitespace().next());
    word.and_then(|word| word.parse().ok()).with_context(|| format!("dnsperf told no {words:?}: {printed}"))
}

/// The time, in seconds, within which so many of a hundred answers came: `> NOERROR name type seconds`.
pub(crate) fn quantile(printed: &str, percent: usize) -> Option<f64> {
    let times = printed.lines().filter(|line| line.starts_with("> ")).filter_map(|line| line.rsplit(' ').next());
    let mut times: Vec<f64> = times.filter_map(|word| word.parse().ok()).collect();
    times.sort_unstable_by(f64::total_cmp);
    times.get(times.len().saturating_sub(1) * percent / 100).copied()
}

/// A process and its children.
fn family(id: u32) -> Vec<u32> {
    let mut found = vec![id];
    let mut at = 0;
    while let Some(parent) = found.get(at) {
        let children = std::fs::read_to_string(format!("/proc/{parent}/task/{parent}/children")).unwrap_or_default();
        found.extend(children.split_whitespace().filter_map(|word| word.parse::<u32>().ok()));
        at += 1;
    }
    found
}

/// Processor time of a process and its children, in microseconds.
pub(crate) fn cpu_micros(id: u32) -> anyhow::Result<f64> {
    let mut ticks = 0.0;
    for id in family(id) {
        let stat = std::fs::read_to_string(format!("/proc/{id}/stat"))?;
        // Behind the name, which may hold anything: user and system time are the 12th and 13th words.
        let words: Vec<&str> = stat.rsplit_once(')').context("no name")?.1.split_whitespace().collect();
        for word in words.get(11..13).context("too few words")? {
            ticks += word.parse::<f64>()?;
        }
    }
    // The kernel counts in hundredths of a second for whoever reads this file.
    Ok(ticks * 10_000.0)
}

pub(crate) fn resident_kib(id: u32) -> anyhow::Result<u64> {
    let mut sum = 0;
    for id in family(id) {
        let status = std::fs::read_to_string(format!("/proc/{id}/status"))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or("0 kB");
        sum += line.trim().trim_end_matches(" kB").parse::<u64>()?;
    }
    Ok(sum)
}

pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// The medians of the rounds, each server beside BIND.
fn table(turns: &Turns) -> Table {
    let mut table = Table::new();
    table.load_style(presets::ASCII_MARKDOWN);
    table.set_header(["names", "asked", "server", "queries/s", "to BIND", "CPU us", "p99 us", "lost", "resident MiB"]);
    for ((names, load, at), rounds) in turns {
        let of = |value: fn(&Turn) -> f64| median(rounds.iter().map(value).collect());
        let bind = SERVERS.iter().position(|server| *server == Server::Bind);
        let beside = bind.and_then(|bind| turns.get(&(*names, *load, bind)));
        let beside = beside.map(|rounds| median(rounds.iter().map(|turn| turn.per_second).collect()));
        let ratio = beside.map_or_else(|| "-".to_owned(), |bind| format!("{:.2}", of(|turn| turn.per_second) / bind));
        table.add_row([
            names.to_string(),
            load.title().to_owned(),
            SERVERS[*at].title().to_owned(),
            format!("{:.0}", of(|turn| turn.per_second)),
            ratio,
            format!("{:.2}", of(|turn| turn.cpu_micros)),
            format!("{:.0}", of(|turn| turn.p99_micros)),
            format!("{:.0}", of(|turn| turn.lost)),
            format!("{:.1}", of(|turn| turn.resident_kib as f64 / 1024.0)),
        ]);
    }
    for column in table.column_iter_mut().skip(3) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}
