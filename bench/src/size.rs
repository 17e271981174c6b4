//! What a large configuration costs: processor time of an exchange with 10,000 subnets, 100,000 reservations and 200
//! classes, beside that with one of each.

use std::fmt::Write as _;
use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, bail};
use clap::Args;
use comfy_table::{CellAlignment, Table, presets};
use dhcp::decision::{CommitOutcome, Ingress};
use dhcp::engine::Engine;
use dhcp::names::NoNames;
use dhcp::settings::Settings;
use dhcp::time::Now;
use nix::time::{ClockId, clock_gettime};

use crate::exchanges::start_leasehold;
use crate::hosts::{Hosts, Link};
use crate::packet::{ACK, OFFER, Place, Template, read_reply};

const SERVER: Ipv4Addr = Ipv4Addr::new(10, 64, 0, 1);
const RELAY: Ipv4Addr = Ipv4Addr::new(10, 64, 0, 2);
const LINK: Link = Link { server: "10.64.0.1", client: "10.64.0.2", length: 10 };
/// Exchanges with one engine or one daemon; then a new one is made. Six for each of 10,000 subnets, and as many as the
/// pool of a single one holds.
const EXCHANGES: u32 = 60_000;
/// Those of the engine alone that are not counted: the memory that reading the file has left is put in order by them.
const WARM_UP: u32 = 20_000;

/// What a large configuration costs.
#[derive(Args, Debug)]
pub(crate) struct Size {
    /// Rounds; the table shows medians.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Leave out the daemon: the engine alone.
    #[arg(long)]
    engine_only: bool,
    /// The daemon to measure.
    #[arg(long, default_value = "target/release/leasehold")]
    leasehold: PathBuf,
}

/// How much of everything.
#[derive(Clone, Copy, Debug)]
struct Much {
    title: &'static str,
    subnets: u32,
    reservations: u32,
    /// By equality or prefix.
    plain_classes: u32,
    /// By sub-string.
    searching_classes: u32,
}

const SIZES: [Much; 2] = [
    Much { title: "one of each", subnets: 1, reservations: 1, plain_classes: 1, searching_classes: 0 },
    Much {
        title: "10,000 subnets, 100,000 reservations, 200 classes",
        subnets: 10_000,
        reservations: 100_000,
        plain_classes: 150,
        searching_classes: 50,
    },
];

/// Nanoseconds of processor time an exchange, by size and round.
#[derive(Debug, Default)]
struct Found {
    engine: Vec<u64>,
    daemon: Vec<u64>,
}

impl Size {
    pub(crate) fn run(&self) -> anyhow::Result<()> {
        let mut found = [Found::default(), Found::default()];
        let dir = std::env::temp_dir().join(format!("leasehold-bench-{}", std::process::id()));
        for round in 1..=self.rounds {
            for (much, found) in SIZES.iter().zip(&mut found) {
                eprintln!("round {round} of {}: {}", self.rounds, much.title);
                drop(fs::remove_dir_all(&dir));
                fs::create_dir_all(&dir)?;
                let text = much.toml(&dir);
                found.engine.push(in_engine(*much, settings(&text)?)?);
                if !self.engine_only {
                    found.daemon.push(self.in_daemon(*much, &text, &dir)?);
                }
            }
        }
        drop(fs::remove_dir_all(&dir));
        println!("{}", table(&found));
        Ok(())
    }

    fn in_daemon(&self, much: Much, text: &str, dir: &Path) -> anyhow::Result<u64> {
        let hosts = Hosts::new(LINK)?;
        let leasehold = self.leasehold.canonicalize().context("run `cargo build --release` first")?;
        let running = start_leasehold(&hosts, dir, &leasehold, text)?;
        let before = cpu_of(running.id())?;
        let this = std::env::current_exe()?;
        let (clients, subnets) = (EXCHANGES.to_string(), much.subnets.to_string());
        let printed = hosts.ask(
            &this.to_string_lossy(),
            &[
                "load",
                "--relay",
                LINK.client,
                "--server",
                LINK.server,
                "--in-flight",
                "16",
                "--seconds",
                "30",
                "--clients",
                &clients,
                "--alone",
                "0",
                "--no-renewals",
                "--subnets",
                &subnets,
            ],
        )?;
        let spent = cpu_of(running.id())? - before;
        let done: Option<u64> =
            printed.lines().find_map(|line| line.strip_prefix("exchanges ")?.split(' ').next()?.parse().ok());
        match done {
            Some(done) if done == u64::from(EXCHANGES) => Ok(spent / done),
            _ => bail!("not every client got a lease: {printed}"),
        }
    }
}

impl Much {
    /// Subnet `n` is 10.65.0.0/24 and on; a single one is a /16, so that it holds every client.
    fn toml(&self, dir: &Path) -> String {
        let dir = dir.display();
        let mut text =
            format!("[server]\nstore = \"{dir}/store\"\ncontrol = \"{dir}/control.sock\"\ninterfaces = [\"srv0\"]\n\n");
        for n in 0..self.plain_classes {
            // A third each: vendor class by prefix, circuit by equality, hardware by prefix.
            let condition = match n % 3 {
                0 => format!("option = 60, prefix = \"vendor-{n:03}\""),
                1 => format!("circuit_id = \"port-{n:05}\""),
                _ => format!("hardware = \"02:{n:02x}:01\""),
            };
            self.class(&mut text, &format!("plain-{n}"), &condition);
        }
        for n in 0..self.searching_classes {
            self.class(&mut text, &format!("searching-{n}"), &format!("option = 12, contains = \"room-{n:02}-\""));
        }
        let each = self.reservations / self.subnets;
        for n in 0..self.subnets {
            let [_, b, c, _] = (0x0A41_0000 + (n << 8)).to_be_bytes();
            let (prefix, pool) = match self.subnets {
                1 => ("10.65.0.0/16".to_owned(), "10.65.1.0-10.65.255.250".to_owned()),
                _ => (format!("10.{b}.{c}.0/24"), format!("10.{b}.{c}.20-10.{b}.{c}.250")),
            };
            _ = write!(
                text,
                "[[subnet]]\nprefix = \"{prefix}\"\npools = [\"{pool}\"]\nlease_time = \"1h\"\nrouters = [\"10.{b}.{c}.1\"]\n\
                 dns_servers = [\"192.0.2.53\"]\n"
            );
            for host in 0..each {
                _ = write!(
                    text,
                    "[[subnet.reservation]]\naddress = \"10.{b}.{c}.{}\"\nhardware = \"06:00:{b:02x}:{c:02x}:00:{host:02x}\"\n",
                    host + 2
                );
            }
        }
        text
    }

    fn class(&self, text: &mut String, name: &str, condition: &str) {
        _ = write!(text, "[[class]]\nname = \"{name}\"\nmatch = {{ {condition} }}\n\n");
    }
}

fn settings(text: &str) -> anyhow::Result<Settings> {
    match config::check(text, "size.toml", &|_: &Path| Err("no file is named".to_owned())) {
        Ok(checked) => Ok(checked.config.dhcp),
        Err(faults) => bail!("{}", config::render(&faults, text, false)),
    }
}

/// Processor time of an exchange within the engine, in nanoseconds: DISCOVER and REQUEST, decided and settled.
fn in_engine(much: Much, settings: Settings) -> anyhow::Result<u64> {
    let now = Now { boot_ms: 1_000, wall_secs: 1_800_000_000 };
    let mut engine = Engine::new(Arc::new(settings), Vec::new(), now);
    let template = Template::new(RELAY, None, Some(Place { subnets: much.subnets }))?;
    let addresses = ["10.64.0.1/10".parse()?];
    let ingress = Ingress { interface: "srv0", addresses: &addresses, source: (RELAY, 67), destination: SERVER };
    let mut bytes = Vec::new();
    let mut began = clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID)?;
    for client in 1..=EXCHANGES {
        if client == WARM_UP {
            began = clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID)?;
        }
        let mut ask = |datagram: &[u8], awaited: u8| -> anyhow::Result<Ipv4Addr> {
            let decision = engine.handle_message(now, &ingress, datagram, &NoNames);
            if let Some(ticket) = decision.ticket {
                engine.settle(ticket, CommitOutcome::Committed);
            }
            let (reply, _) = decision.reply.with_context(|| format!("no reply: {:?}", decision.dropped))?;
            bytes.clear();
            reply.encode(&mut bytes);
            match read_reply(&bytes) {
                Some((_, kind, address, _)) if kind == awaited => Ok(address),
                other => bail!("client {client} awaited {awaited} and got {other:?}"),
            }
        };
        let address = ask(&template.discover(client, client), OFFER)?;
        ask(&template.select(client, client, address, SERVER), ACK)?;
    }
    let spent = clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID)? - began;
    let nanos = u64::try_from(spent.tv_sec() * 1_000_000_000 + spent.tv_nsec())?;
    Ok(nanos / u64::from(EXCHANGES - WARM_UP))
}

/// Processor time of all threads of a process so far, in nanoseconds.
fn cpu_of(pid: u32) -> anyhow::Result<u64> {
    let mut sum = 0;
    for task in fs::read_dir(format!("/proc/{pid}/task"))? {
        let text = fs::read_to_string(task?.path().join("schedstat"))?;
        sum += text.split(' ').next().unwrap_or_default().parse::<u64>().context("schedstat")?;
    }
    Ok(sum)
}

fn median(values: &[u64]) -> Option<u64> {
    let mut sorted = values.to_vec();
    sorted.sort_unstable();
    sorted.get(sorted.len() / 2).copied()
}

fn table(found: &[Found; 2]) -> String {
    let mut table = Table::new();
    table.load_style(presets::ASCII_MARKDOWN);
    table.set_header(["processor time of an exchange, ns", "engine alone", "ratio", "whole daemon", "ratio"]);
    let [one, _] = found;
    let ratio = |ours: Option<u64>, theirs: Option<u64>| match (ours, theirs) {
        (Some(ours), Some(theirs)) if theirs > 0 => {
            format!("{}.{:02}", ours / theirs, (ours % theirs) * 100 / theirs)
        }
        _ => "-".to_owned(),
    };
    let shown = |value: Option<u64>| value.map_or_else(|| "-".to_owned(), |value| value.to_string());
    for (much, found) in SIZES.iter().zip(found) {
        let (engine, daemon) = (median(&found.engine), median(&found.daemon));
        table.add_row([
            much.title.to_owned(),
            shown(engine),
            ratio(engine, median(&one.engine)),
            shown(daemon),
            ratio(daemon, median(&one.daemon)),
        ]);
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table.to_string()
}
