//! Forwarders on one core: Leasehold, Unbound and dnsmasq over the same NSD, in turns, asked by dnsperf.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, bail};
use clap::Args;
use comfy_table::{CellAlignment, Table, presets};

use crate::hosts::{Hosts, Link, Running};
use crate::names::{CLIENT, SERVER, first_line};
use crate::queries::{cpu_micros, median, number, quantile, resident_kib};

/// What the upstream serves. Not beneath `test`, which forwarders answer themselves.
const DOMAIN: &str = "bench.example";
/// Where the upstream listens, in the servers' namespace.
const UPSTREAM: &str = "127.0.0.1";
const UPSTREAM_PORT: u16 = 5300;

/// Forwarders on one core.
#[derive(Args, Debug)]
pub(crate) struct Forward {
    /// How many names are asked for again and again, all of them in the cache.
    #[arg(long, default_value_t = 1_000)]
    names: u32,
    /// How many names are asked for once. More than any server answers in `secs`, or some would be hits.
    #[arg(long, default_value_t = 1_000_000)]
    misses: u32,
    /// Rounds; every server has its turn in each.
    #[arg(long, default_value_t = 5)]
    rounds: u32,
    /// How long each load lasts, in seconds.
    #[arg(long, default_value_t = 5)]
    secs: u32,
    /// Queries a second while the time to an answer is taken: hits, and misses.
    #[arg(long, default_value_t = 20_000)]
    pace: u32,
    /// As `pace`, for misses.
    #[arg(long, default_value_t = 2_000)]
    misses_pace: u32,
    /// The core that the forwarder has for itself; dnsperf and the upstream have another.
    #[arg(long, default_value_t = 0)]
    server_core: u32,
    /// dnsperf's and the upstream's core.
    #[arg(long, default_value_t = 1)]
    client_core: u32,
    /// The forwarder has half of its core while rates are taken; a loop without end has the other half. So it is the
    /// forwarder that is at its end, and not dnsperf.
    #[arg(long)]
    half: bool,
    /// These alone.
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// The daemon to measure.
    #[arg(long, default_value = "target/release/leasehold")]
    leasehold: PathBuf,
}

/// A forwarder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Forwarder {
    Unbound,
    Dnsmasq,
    Leasehold,
}

const FORWARDERS: [Forwarder; 3] = [Forwarder::Unbound, Forwarder::Dnsmasq, Forwarder::Leasehold];

impl Forwarder {
    fn title(self) -> &'static str {
        match self {
            Self::Unbound => "Unbound",
            Self::Dnsmasq => "dnsmasq",
            Self::Leasehold => "Leasehold",
        }
    }

    fn start(self, hosts: &Hosts, dir: &Path, leasehold: &Path, core: u32) -> anyhow::Result<Running> {
        let (file, text) = match self {
            Self::Unbound => ("unbound.conf", unbound_conf(dir)),
            Self::Dnsmasq => ("dnsmasq.conf", dnsmasq_conf()),
            Self::Leasehold => ("leasehold.toml", leasehold_toml(dir)),
        };
        let conf = dir.join(file);
        std::fs::write(&conf, text)?;
        let (conf, core) = (conf.display().to_string(), core.to_string());
        let (leasehold, conf_file) = (leasehold.display().to_string(), format!("--conf-file={conf}"));
        let words: &[&str] = match self {
            Self::Unbound => &["unbound", "-d", "-c", &conf],
            Self::Dnsmasq => &["dnsmasq", "-k", &conf_file],
            Self::Leasehold => &[&leasehold, "run", "--log", "info", "--config", &conf],
        };
        hosts.serve("taskset", &[&["-c", &core], words].concat(), &[], &dir.join("forwarder.log"))
    }
}

/// Without validation, as the others here; with a cache larger than the names.
fn unbound_conf(dir: &Path) -> String {
    let dir = dir.display();
    format!(
        "server:\n  interface: {SERVER}\n  num-threads: 1\n  username: \"\"\n  chroot: \"\"\n  directory: \"{dir}\"\n  \
         pidfile: \"{dir}/unbound.pid\"\n  use-syslog: no\n  access-control: 0.0.0.0/0 allow\n  \
         do-not-query-localhost: no\n  module-config: \"iterator\"\n  msg-cache-size: 64m\n  rrset-cache-size: 128m\n  \
         outgoing-range: 8192\n  num-queries-per-thread: 4096\n\
         remote-control:\n  control-enable: no\n\
         forward-zone:\n  name: \".\"\n  forward-addr: {UPSTREAM}@{UPSTREAM_PORT}\n"
    )
}

fn dnsmasq_conf() -> String {
    format!(
        "no-resolv\nno-hosts\nno-daemon\nuser=root\nlisten-address={SERVER}\nbind-interfaces\n\
         server={UPSTREAM}#{UPSTREAM_PORT}\ncache-size=100000\ndns-forward-max=10000\n"
    )
}

fn leasehold_toml(dir: &Path) -> String {
    let dir = dir.display();
    format!(
        "[server]\nstore = \"{dir}/store\"\ncontrol = \"{dir}/control.sock\"\n\n[[subnet]]\nprefix = \"10.9.0.0/16\"\n\
         pools = [\"10.9.1.0-10.9.2.250\"]\n\n[dns]\nlisten = [\"{SERVER}\"]\n\
         upstreams = [\"{UPSTREAM}:{UPSTREAM_PORT}\"]\n\n[resolver]\ncache_mib = 192\n"
    )
}

fn nsd_conf(dir: &Path) -> String {
    let dir = dir.display();
    format!(
        "server:\n  ip-address: {UPSTREAM}@{UPSTREAM_PORT}\n  username: \"\"\n  server-count: 1\n  zonesdir: \"{dir}\"\n  \
         pidfile: \"{dir}/nsd.pid\"\n  zonelistfile: \"{dir}/zone.list\"\n  xfrdfile: \"{dir}/xfrd.state\"\n  \
         database: \"\"\n  rrl-ratelimit: 0\nremote-control:\n  control-enable: no\n\
         zone:\n  name: {DOMAIN}\n  zonefile: {DOMAIN}.zone\n"
    )
}

/// What one turn of one server showed of one load.
#[derive(Clone, Copy, Debug, Default)]
struct Turn {
    per_second: f64,
    cpu_micros: f64,
    p99_micros: f64,
    lost: f64,
    resident_kib: u64,
}

type Turns = BTreeMap<(&'static str, Forwarder), Vec<Turn>>;

impl Forward {
    pub(crate) fn run(&self) -> anyhow::Result<()> {
        let leasehold = self
            .leasehold
            .canonicalize()
            .with_context(|| format!("{} is not there: run `cargo build --release` first", self.leasehold.display()))?;
        let is_chosen =
            |server: &Forwarder| self.only.is_empty() || self.only.iter().any(|only| only == server.title());
        let chosen: Vec<Forwarder> = FORWARDERS.into_iter().filter(is_chosen).collect();
        if chosen.is_empty() {
            bail!("--only names none of {}", FORWARDERS.map(Forwarder::title).join(", "));
        }
        let mut turns = Turns::new();
        for round in 1..=self.rounds {
            for server in &chosen {
                eprintln!("round {round} of {}: {}", self.rounds, server.title());
                for (load, turn) in self.turn(*server, &leasehold)? {
                    eprintln!(
                        "  {load}: {:.0}/s, {:.2} us, p99 {:.0} us, lost {:.0}, {} MiB",
                        turn.per_second,
                        turn.cpu_micros,
                        turn.p99_micros,
                        turn.lost,
                        turn.resident_kib / 1024
                    );
                    turns.entry((load, *server)).or_default().push(turn);
                }
            }
        }
        for line in [
            first_line(&leasehold, &["--version"]),
            first_line(Path::new("/usr/sbin/unbound"), &["-V"]),
            first_line(Path::new("/usr/sbin/dnsmasq"), &["--version"]),
            first_line(Path::new("/usr/sbin/nsd"), &["-v"]),
        ] {
            println!("{line}");
        }
        println!("{}", table(&turns));
        Ok(())
    }

    fn turn(&self, server: Forwarder, leasehold: &Path) -> anyhow::Result<Vec<(&'static str, Turn)>> {
        let hosts = Hosts::new(Link { server: SERVER, client: CLIENT, length: 16 })?;
        let dir = std::env::temp_dir().join(format!("leasehold-bench-{}", std::process::id()));
        drop(std::fs::remove_dir_all(&dir));
        std::fs::create_dir_all(&dir)?;
        self.write_inputs(&dir)?;
        std::fs::write(dir.join("nsd.conf"), nsd_conf(&dir))?;
        let (conf, core) = (dir.join("nsd.conf").display().to_string(), self.client_core.to_string());
        let upstream = hosts.serve("taskset", &["-c", &core, "nsd", "-d", "-c", &conf], &[], &dir.join("nsd.log"))?;
        let mut running = server.start(&hosts, &dir, leasehold, self.server_core)?;
        running.wait_until("answer", || {
            let asked =
                hosts.ask("dig", &[&format!("@{SERVER}"), "+short", "+tries=1", "+time=1", &format!("host0.{DOMAIN}")]);
            asked.is_ok_and(|printed| printed.starts_with("10."))
        })?;
        // Once through, so that all are known.
        let warm = dir.join("hits").display().to_string();
        hosts.ask("dnsperf", &["-s", SERVER, "-d", &warm, "-n", "2", "-q", "16"])?;
        let hits = self.measure(&hosts, [&dir.join("hits"), &dir.join("hits")], self.pace, &running)?;
        let files = [&dir.join("misses"), &dir.join("more-misses")];
        let misses = self.measure(&hosts, files, self.misses_pace, &running)?;
        drop(running);
        drop(upstream);
        std::fs::remove_dir_all(&dir)?;
        Ok(vec![("hits", hits), ("misses", misses)])
    }

    /// As fast as it goes; then, with the second file, at the common pace, each answer's time taken.
    fn measure(&self, hosts: &Hosts, files: [&PathBuf; 2], pace: u32, running: &Running) -> anyhow::Result<Turn> {
        let [fast, slow] = files.map(|file| file.display().to_string());
        let (core, secs, pace) = (self.client_core.to_string(), self.secs.to_string(), pace.to_string());
        let common = |file| ["-c", &core, "dnsperf", "-s", SERVER, "-d", file, "-l", &secs, "-e", "-q", "128"];
        let server_core = self.server_core.to_string();
        let endless = || Command::new("taskset").args(["-c", &server_core, "yes"]).stdout(Stdio::null()).spawn();
        let before = cpu_micros(running.id())?;
        let beside = self.half.then(endless).transpose().context("starting a loop without end")?;
        let printed = hosts.ask("taskset", &common(&fast));
        if let Some(mut beside) = beside {
            beside.kill()?;
            beside.wait()?;
        }
        let spent = cpu_micros(running.id())? - before;
        let printed = printed?;
        let slow = hosts.ask("taskset", &[&common(&slow)[..], &["-Q", &pace, "-v"]].concat())?;
        Ok(Turn {
            per_second: number(&printed, "Queries per second:")?,
            cpu_micros: spent / number(&printed, "Queries completed:")?,
            p99_micros: quantile(&slow, 99).context("dnsperf told no times")? * 1e6,
            lost: number(&printed, "Queries lost:")?,
            resident_kib: resident_kib(running.id())?,
        })
    }

    /// The upstream's zone; names asked for again and again; names asked for once.
    fn write_inputs(&self, dir: &Path) -> anyhow::Result<()> {
        let mut zone =
            format!("$ORIGIN {DOMAIN}.\n$TTL 3600\n@ SOA ns hostmaster 1 3600 600 86400 60\n@ NS ns\nns A 10.0.0.1\n");
        let mut hits = String::new();
        for number in 0..self.names {
            writeln!(zone, "host{number} A {}", std::net::Ipv4Addr::from_bits(0x0a00_0000 + number))?;
            writeln!(hits, "host{}.{DOMAIN} A", u64::from(number) * 7_919 % u64::from(self.names))?;
        }
        zone.push_str("*.once A 10.1.1.1\n");
        std::fs::write(dir.join(format!("{DOMAIN}.zone")), zone)?;
        std::fs::write(dir.join("hits"), hits)?;
        for (file, label) in [("misses", "a"), ("more-misses", "b")] {
            let mut misses = String::new();
            for number in 0..self.misses {
                writeln!(misses, "{label}{number}.once.{DOMAIN} A")?;
            }
            std::fs::write(dir.join(file), misses)?;
        }
        Ok(())
    }
}

/// The medians of the rounds, Leasehold beside the faster of the others.
fn table(turns: &Turns) -> Table {
    let mut table = Table::new();
    table.load_style(presets::ASCII_MARKDOWN);
    table.set_header([
        "asked",
        "server",
        "queries/s",
        "to the faster peer",
        "CPU us",
        "p99 us",
        "lost",
        "resident MiB",
    ]);
    for ((load, server), rounds) in turns {
        let of = |rounds: &[Turn], value: fn(&Turn) -> f64| median(rounds.iter().map(value).collect());
        let peers = turns.iter().filter(|((other, peer), _)| other == load && *peer != Forwarder::Leasehold);
        let fastest = peers.map(|(_, rounds)| of(rounds, |turn| turn.per_second)).fold(f64::NAN, f64::max);
        table.add_row([
            (*load).to_owned(),
            server.title().to_owned(),
            format!("{:.0}", of(rounds, |turn| turn.per_second)),
            format!("{:.2}", of(rounds, |turn| turn.per_second) / fastest),
            format!("{:.2}", of(rounds, |turn| turn.cpu_micros)),
            format!("{:.0}", of(rounds, |turn| turn.p99_micros)),
            format!("{:.0}", of(rounds, |turn| turn.lost)),
            format!("{:.1}", of(rounds, |turn| turn.resident_kib as f64 / 1024.0)),
        ]);
    }
    for column in table.column_iter_mut().skip(2) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}
