//! Exchanges and renewals a second, in alternation, in one run.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail};
use clap::Args;
use comfy_table::{CellAlignment, Table, presets};

use crate::counts::{Counting, Counts};
use crate::hosts::{Hosts, Link, Running};
use crate::names::first_line;
use crate::threads::Threads;

const SERVER: &str = "10.64.0.1";
const CLIENT: &str = "10.64.0.2";
const LINK: Link = Link { server: SERVER, client: CLIENT, length: 10 };
/// dhcpd and dnsmasq slow down with the size of their pools, or with their leases: they get small ones.
const SMALL_POOL: u32 = 16_384;
const SMALL_POOL_CLIENTS: u32 = 12_000;
/// The server's processor, and the clients'.
pub(crate) const CORES: [&str; 2] = ["0", "1"];

/// Exchanges and renewals a second.
#[derive(Args, Debug)]
pub(crate) struct Exchanges {
    /// The most seconds of each phase: one at a time, exchanges, renewals.
    #[arg(long, default_value_t = 4)]
    seconds: u64,
    /// Rounds; the table shows the median of each figure.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Exchanges under way at once.
    #[arg(long, default_value_t = 64)]
    in_flight: usize,
    /// New clients one at a time.
    #[arg(long, default_value_t = 2_000)]
    alone: u32,
    /// Count what the servers' threads do for each exchange, by `perf stat`, instead of how many they manage a second.
    #[arg(long)]
    instructions: bool,
    /// Give the servers so many processors, the clients' among them, and tell what each of their threads took of one.
    #[arg(long, default_value_t = 1)]
    cores: u32,
    /// Tell what each of the servers' threads took, also where they have one processor.
    #[arg(long)]
    threads: bool,
    /// Only these servers, by a part of their names.
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// The daemon to measure.
    #[arg(long, default_value = "target/release/leasehold")]
    leasehold: PathBuf,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Server {
    Reflector(&'static str),
    Leasehold { names: bool },
    Kea,
    Dhcpd,
    Dnsmasq,
}

const SERVERS: [(Server, &str); 8] = [
    (Server::Reflector("batch"), "limit: a sync for each batch"),
    (Server::Leasehold { names: false }, "Leasehold"),
    (Server::Leasehold { names: true }, "Leasehold, names in its own zone"),
    (Server::Kea, "Kea, memfile, no sync"),
    (Server::Dhcpd, "ISC dhcpd"),
    (Server::Dnsmasq, "dnsmasq"),
    (Server::Reflector("never"), "limit: no sync"),
    (Server::Reflector("each"), "limit: a sync for each ACK"),
];

/// What the load said of one phase.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Figure {
    pub(crate) per_second: u64,
    pub(crate) p50: u64,
    pub(crate) p99: u64,
    pub(crate) again: u64,
    pub(crate) refused: u64,
}

#[derive(Debug, Default)]
struct Found {
    alone: Vec<Figure>,
    exchanges: Vec<Figure>,
    renewals: Vec<Figure>,
    /// By phase.
    counts: Vec<(String, Counts)>,
    /// By phase, of the last round.
    threads: Vec<(String, String)>,
}

impl Exchanges {
    pub(crate) fn run(&self) -> anyhow::Result<()> {
        let leasehold = self
            .leasehold
            .canonicalize()
            .with_context(|| format!("{} is not there: run `cargo build --release` first", self.leasehold.display()))?;
        let wanted = |title: &str| {
            self.only.is_empty() || self.only.iter().any(|part| title.to_lowercase().contains(&part.to_lowercase()))
        };
        let servers: Vec<_> = SERVERS.into_iter().filter(|(_, title)| wanted(title)).collect();
        let mut found: Vec<Found> = servers.iter().map(|_| Found::default()).collect();
        for round in 1..=self.rounds {
            for ((server, title), found) in servers.iter().zip(&mut found) {
                eprintln!("round {round} of {}: {title}", self.rounds);
                if let Err(error) = self.measure(*server, &leasehold, found) {
                    eprintln!("  left out: {error:#}");
                }
            }
        }
        println!("{}", first_line(&leasehold, &["--version"]));
        println!("Kea {}", first_line(Path::new("/usr/sbin/kea-dhcp4"), &["-v"]));
        println!("ISC dhcpd {}", first_line(Path::new("/usr/sbin/dhcpd"), &["--version"]));
        println!("{}", first_line(Path::new("/usr/sbin/dnsmasq"), &["--version"]));
        let rows: Vec<_> = servers.iter().map(|(_, title)| *title).zip(&found).collect();
        println!("{}", if self.instructions { counts_table(&rows) } else { table(&rows) });
        for (title, found) in &rows {
            for (phase, shares) in &found.threads {
                println!("{title}, {phase}: {shares}");
            }
        }
        Ok(())
    }

    fn measure(&self, server: Server, leasehold: &Path, found: &mut Found) -> anyhow::Result<()> {
        let hosts = Hosts::new(LINK)?;
        let dir = std::env::temp_dir().join(format!("leasehold-bench-{}", std::process::id()));
        drop(std::fs::remove_dir_all(&dir));
        std::fs::create_dir_all(&dir)?;
        let running = start(server, &hosts, &dir, leasehold)?;
        if self.cores > 1 {
            // All threads that are there; those that begin later take after them.
            let processors = format!("0-{}", self.cores - 1);
            let args = ["-acp", &processors, &running.id().to_string()];
            Command::new("taskset").args(args).output().context("running taskset")?;
        }
        let is_small = matches!(server, Server::Dhcpd | Server::Dnsmasq);
        let clients = if is_small { SMALL_POOL_CLIENTS - self.alone } else { 3_000_000 };
        let this = std::env::current_exe()?;
        let numbers =
            [self.in_flight.to_string(), self.seconds.to_string(), clients.to_string(), self.alone.to_string()];
        let this = this.to_string_lossy();
        let [in_flight, seconds, clients, alone] = &numbers;
        let mut args = vec![
            "-c",
            CORES[1],
            &this,
            "load",
            "--relay",
            CLIENT,
            "--server",
            SERVER,
            "--in-flight",
            in_flight,
            "--seconds",
            seconds,
            "--clients",
            clients,
            "--alone",
            alone,
        ];
        if server == (Server::Leasehold { names: true }) {
            args.extend(["--domain", "bench.test"]);
        }
        let printed = if self.instructions {
            args.push("--step");
            count(&hosts, &dir, &running, &args).map(|(printed, counts)| {
                found.counts.extend(counts);
                printed
            })
        } else if self.threads || self.cores > 1 {
            args.push("--step");
            found.threads.clear();
            watch(&hosts, &running, &args, &mut found.threads)
        } else {
            hosts.ask("taskset", &args)
        };
        let printed = printed.with_context(|| format!("the server's log is in {}", dir.display()))?;
        drop(running);
        std::fs::remove_dir_all(&dir)?;
        for line in printed.lines() {
            eprintln!("  {line}");
            let (name, figure) = read(line).with_context(|| format!("the load said: {line}"))?;
            match name {
                "alone" => found.alone.push(figure),
                "exchanges" => found.exchanges.push(figure),
                _ => found.renewals.push(figure),
            }
        }
        Ok(())
    }
}

/// Runs the load phase by phase, and counts during each what the server does; returns what the load printed, and the
/// counts of each phase.
pub(crate) fn count(
    hosts: &Hosts,
    dir: &Path,
    server: &Running,
    args: &[&str],
) -> anyhow::Result<(String, Vec<(String, Counts)>)> {
    let mut found = Vec::new();
    let begin = |_| {
        let mut counting = Counting::attach(server.id(), dir)?;
        counting.begin()?;
        Ok(counting)
    };
    let printed = stepwise(hosts, args, begin, |counting, _, phase, done| {
        found.push((phase.to_owned(), counting.end()?.of_each(done)));
        Ok(())
    })?;
    Ok((printed, found))
}

/// The same, but tells what each thread of the server took of a processor, and the load itself.
fn watch(hosts: &Hosts, server: &Running, args: &[&str], found: &mut Vec<(String, String)>) -> anyhow::Result<String> {
    let begin = |load| Ok((Threads::of(server.id())?, Threads::of(load)?));
    stepwise(hosts, args, begin, |(server_before, load_before), load, phase, _| {
        let (server, load) = (Threads::of(server.id())?, Threads::of(load)?);
        let (server, load) = (server.shares_since(&server_before), load.shares_since(&load_before));
        found.push((phase.to_owned(), format!("server: {server}; clients: {load}")));
        Ok(())
    })
}

/// Runs the load phase by phase, `begin` before each with the load's process, and `end` after it with what `begin` gave,
/// the load's process, the phase's name and what was done in it.
fn stepwise<T>(
    hosts: &Hosts,
    args: &[&str],
    begin: impl Fn(u32) -> anyhow::Result<T>,
    mut end: impl FnMut(T, u32, &str, u64) -> anyhow::Result<()>,
) -> anyhow::Result<String> {
    let mut load = hosts.converse("taskset", args)?;
    let mut input = load.stdin.take().context("no standard input")?;
    let mut output = BufReader::new(load.stdout.take().context("no standard output")?);
    let mut printed = String::new();
    loop {
        let began = begin(load.id());
        // A load that has ended reads nothing more.
        drop(writeln!(input));
        let begins = printed.len();
        if output.read_line(&mut printed)? == 0 {
            break;
        }
        let (phase, _) = read(printed[begins..].trim_end()).context("the load said something else")?;
        let done = printed[begins..].split(' ').nth(1).and_then(|done| done.parse().ok()).unwrap_or(0);
        end(began?, load.id(), phase, done)?;
    }
    if !load.wait()?.success() {
        bail!("the load failed");
    }
    Ok(printed)
}

/// A line of the load: see `Load::run`.
pub(crate) fn read(line: &str) -> Option<(&str, Figure)> {
    let (name, numbers) = line.split_once(' ')?;
    let numbers: Vec<u64> = numbers.split(' ').map(str::parse).collect::<Result<_, _>>().ok()?;
    let [done, micros, p50, p99, _, again, refused] = numbers.try_into().ok()?;
    let per_second = (done * 1_000_000).checked_div(micros).unwrap_or(0);
    Some((name, Figure { per_second, p50, p99, again, refused }))
}

fn table(rows: &[(&str, &Found)]) -> String {
    let of = |figures: &[Figure], what: fn(&Figure) -> u64| -> Option<u64> {
        let mut sorted: Vec<u64> = figures.iter().map(what).collect();
        sorted.sort_unstable();
        sorted.get(sorted.len() / 2).copied()
    };
    let rate: fn(&Figure) -> u64 = |figure| figure.per_second;
    let find = |part: &str| rows.iter().find(|(title, _)| title.contains(part)).map(|(_, found)| *found);
    let ratio = |ours: Option<u64>, theirs: Option<u64>| match (ours, theirs) {
        (Some(ours), Some(theirs)) if theirs > 0 => {
            let hundredths = (ours * 100 + theirs / 2) / theirs;
            format!("{}.{:02}", hundredths / 100, hundredths % 100)
        }
        _ => "-".to_owned(),
    };
    let shown = |value: Option<u64>| value.map_or_else(|| "-".to_owned(), |value| value.to_string());
    let (limit, each, kea) = (find("a sync for each batch"), find("a sync for each ACK"), find("Kea"));
    let mut table = Table::new();
    table.load_style(presets::ASCII_MARKDOWN);
    table.set_header([
        "server",
        "exchanges/s",
        "to Kea",
        "to limit",
        "p99 µs",
        "renewals/s",
        "to limit",
        "alone p50 µs",
        "to limit/ACK",
        "again",
        "refused",
    ]);
    for (title, found) in rows {
        let (new, renewed, alone) =
            (of(&found.exchanges, rate), of(&found.renewals, rate), of(&found.alone, |figure| figure.p50));
        let all = || found.alone.iter().chain(&found.exchanges).chain(&found.renewals);
        table.add_row([
            (*title).to_owned(),
            shown(new),
            ratio(new, kea.and_then(|kea| of(&kea.exchanges, rate))),
            ratio(new, limit.and_then(|limit| of(&limit.exchanges, rate))),
            shown(of(&found.exchanges, |figure| figure.p99)),
            shown(renewed),
            ratio(renewed, limit.and_then(|limit| of(&limit.renewals, rate))),
            shown(alone),
            ratio(alone, each.and_then(|each| of(&each.alone, |figure| figure.p50))),
            all().map(|figure| figure.again).sum::<u64>().to_string(),
            all().map(|figure| figure.refused).sum::<u64>().to_string(),
        ]);
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table.to_string()
}

/// A row for each server and phase; of several rounds the one with the median of instructions.
fn counts_table(rows: &[(&str, &Found)]) -> String {
    let mut table = Table::new();
    table.load_style(presets::ASCII_MARKDOWN);
    table.set_header([
        "server",
        "each of",
        "user instr.",
        "kernel instr.",
        "cycles",
        "system calls",
        "switches",
        "CPU µs",
    ]);
    for (title, found) in rows {
        for phase in ["alone", "exchanges", "renewals"] {
            let mut of_phase: Vec<Counts> =
                found.counts.iter().filter(|(name, _)| name == phase).map(|(_, counts)| *counts).collect();
            of_phase.sort_by(|a, b| (a.user + a.kernel).total_cmp(&(b.user + b.kernel)));
            let Some(counts) = of_phase.get(of_phase.len() / 2) else { continue };
            let whole = |value: f64| format!("{value:.0}");
            let parts = |value: f64| format!("{value:.2}");
            table.add_row([
                (*title).to_owned(),
                phase.to_owned(),
                whole(counts.user),
                whole(counts.kernel),
                whole(counts.cycles),
                parts(counts.calls),
                parts(counts.switches),
                parts(counts.micros),
            ]);
        }
    }
    for column in table.column_iter_mut().skip(2) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table.to_string()
}

fn start(server: Server, hosts: &Hosts, dir: &Path, leasehold: &Path) -> anyhow::Result<Running> {
    let shown = dir.display().to_string();
    let log = dir.join("log");
    let small = format!("10.65.0.0 10.65.{}.255", SMALL_POOL / 256 - 1);
    let write = |name: &str, text: String| -> anyhow::Result<String> {
        let path = dir.join(name);
        std::fs::write(&path, text)?;
        Ok(path.to_string_lossy().into_owned())
    };
    let this = std::env::current_exe()?.to_string_lossy().into_owned();
    let program: Vec<String> = match server {
        Server::Reflector(sync) => {
            let file = format!("{shown}/records");
            [&this, "reflect", "--server", SERVER, "--sync", sync, "--file", &file].map(str::to_owned).into()
        }
        Server::Leasehold { names } => {
            return start_leasehold(hosts, dir, leasehold, &leasehold_toml(&shown, names));
        }
        Server::Kea => {
            let conf = write("kea.conf", kea_conf(&shown))?;
            ["kea-dhcp4", "-c", &conf].map(str::to_owned).into()
        }
        Server::Dhcpd => {
            let text = format!(
                "authoritative; ping-check false; default-lease-time 3600; max-lease-time 3600;\n\
                 subnet 10.64.0.0 netmask 255.192.0.0 {{ range {small}; }}\n"
            );
            let (conf, leases) = (write("dhcpd.conf", text)?, write("dhcpd.leases", String::new())?);
            let pid = format!("{shown}/dhcpd.pid");
            ["dhcpd", "-4", "-f", "-q", "-cf", &conf, "-lf", &leases, "-pf", &pid, "srv0"].map(str::to_owned).into()
        }
        Server::Dnsmasq => {
            let range = small.replace(' ', ",");
            let text = format!(
                "port=0\ndhcp-range={range},255.192.0.0,1h\ndhcp-lease-max=20000\ndhcp-leasefile={shown}/leases\nno-ping\n\
                 dhcp-authoritative\nquiet-dhcp\ninterface=srv0\nuser=root\nno-resolv\nno-hosts\n"
            );
            let conf = write("dnsmasq.conf", text)?;
            ["dnsmasq", "-k", "-C", &conf].map(str::to_owned).into()
        }
    };
    let place =
        [("KEA_PIDFILE_DIR", shown.as_str()), ("KEA_LOCKFILE_DIR", &shown), ("KEA_LOGGER_DESTINATION", "stdout")];
    serve(hosts, &program, &place, &log)
}

/// Starts the daemon with a configuration; everything of it lies in `dir`.
pub(crate) fn start_leasehold(hosts: &Hosts, dir: &Path, leasehold: &Path, text: &str) -> anyhow::Result<Running> {
    let conf = dir.join("leasehold.toml");
    std::fs::write(&conf, text)?;
    let (leasehold, conf) = (leasehold.to_string_lossy(), conf.to_string_lossy());
    let program = [&*leasehold, "run", "--log", "warn", "--config", &conf].map(str::to_owned);
    serve(hosts, &program, &[], &dir.join("log"))
}

/// Starts a program on the servers' processor, and waits until it listens.
fn serve(hosts: &Hosts, program: &[String], env: &[(&str, &str)], log: &Path) -> anyhow::Result<Running> {
    let args: Vec<&str> = ["-c", CORES[0]].into_iter().chain(program.iter().map(String::as_str)).collect();
    let mut running = hosts.serve("taskset", &args, env, log)?;
    let listens = || {
        let found =
            Command::new("ip").args(["netns", "exec", hosts.server_name(), "ss", "-Hlun", "sport = :67"]).output();
        found.is_ok_and(|output| !output.stdout.is_empty())
    };
    running.wait_until("socket", listens)?;
    // Sockets open a moment before the first answer.
    std::thread::sleep(std::time::Duration::from_millis(500));
    Ok(running)
}

pub(crate) fn leasehold_toml(dir: &str, names: bool) -> String {
    let (domain, zone) = match names {
        true => ("domain = \"bench.test\"\n", "[[zone]]\nname = \"bench.test\"\n"),
        false => ("", ""),
    };
    format!(
        "[server]\nstore = \"{dir}/store\"\ncontrol = \"{dir}/control.sock\"\n\n[[subnet]]\nprefix = \"10.64.0.0/10\"\n\
         pools = [\"10.65.0.0-10.127.255.254\"]\nlease_time = \"1h\"\n{domain}\n{zone}"
    )
}

pub(crate) fn kea_conf(dir: &str) -> String {
    format!(
        r#"{{"Dhcp4": {{"interfaces-config": {{"interfaces": ["srv0/{SERVER}"], "dhcp-socket-type": "udp"}},
        "lease-database": {{"type": "memfile", "persist": true, "name": "{dir}/leases.csv", "lfc-interval": 0}},
        "valid-lifetime": 3600,
        "subnet4": [{{"subnet": "10.64.0.0/10", "pools": [{{"pool": "10.65.0.0 - 10.127.255.254"}}]}}],
        "loggers": [{{"name": "kea-dhcp4", "severity": "WARN", "output_options": [{{"output": "stdout"}}]}}]}}}}"#
    )
}
