//! How long a server with a million leases takes from its start to its first answer, and how much memory it then has:
//! each lease with host name, client identifier and the relay's data, read from the server's own store.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, bail};
use clap::Args;
use dhcp::identity::{ClientId, HardwareAddress};
use dhcp::lease::{Lease, LeaseState};
use nix::sys::socket::SockaddrIn;
use store::{FileStorage, Options, Row, Store};

use crate::batch::BatchSocket;
use crate::exchanges::{kea_conf, leasehold_toml};
use crate::hosts::{Hosts, Link, Running};
use crate::moment::monotonic_us;
use crate::packet::{OFFER, Template, read_reply};

const LINK: Link = Link { server: "10.64.0.1", client: "10.64.0.2", length: 10 };
/// The first address of the pool.
const FIRST: Ipv4Addr = Ipv4Addr::new(10, 65, 0, 0);
/// Leases of one commit while the store is made.
const AT_ONCE: usize = 1_000;

/// From the start with many leases to the first answer.
#[derive(Args, Debug)]
pub(crate) struct Start {
    #[arg(long, default_value_t = 1_000_000)]
    leases: u32,
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Kea too.
    #[arg(long)]
    kea: bool,
    /// The daemon to measure.
    #[arg(long, default_value = "target/release/leasehold")]
    leasehold: PathBuf,
}

/// Asks until somebody answers; run inside the clients' namespace.
#[derive(Args, Debug)]
pub(crate) struct FirstAnswer {
    #[arg(long)]
    relay: Ipv4Addr,
    #[arg(long)]
    server: Ipv4Addr,
}

impl Start {
    pub(crate) fn run(&self) -> anyhow::Result<()> {
        let leasehold = self.leasehold.canonicalize().context("run `cargo build --release` first")?;
        let dir = std::env::temp_dir().join(format!("leasehold-bench-{}", std::process::id()));
        drop(fs::remove_dir_all(&dir));
        fs::create_dir_all(dir.join("empty"))?;
        let result = self.in_turns(&dir, &leasehold);
        drop(fs::remove_dir_all(&dir));
        result
    }

    fn in_turns(&self, dir: &Path, leasehold: &Path) -> anyhow::Result<()> {
        make_store(&dir.join("store"), FIRST, self.leases)?;
        if self.kea {
            make_csv(&dir.join("leases.csv"), self.leases)?;
        }
        for round in 1..=self.rounds {
            for (title, dir) in [("Leasehold, empty", dir.join("empty")), ("Leasehold", dir.to_owned())] {
                let conf = dir.join("leasehold.toml");
                fs::write(&conf, leasehold_toml(&dir.display().to_string(), false))?;
                let program =
                    [&*leasehold.to_string_lossy(), "run", "--log", "info", "--config", &conf.to_string_lossy()]
                        .map(str::to_owned);
                tell(round, title, first_answer(&dir, &program)?);
            }
            if self.kea {
                let conf = dir.join("kea.conf");
                fs::write(&conf, kea_conf(&dir.display().to_string()))?;
                let program = ["kea-dhcp4", "-c", &conf.to_string_lossy()].map(str::to_owned);
                tell(round, "Kea, memfile", first_answer(dir, &program)?);
            }
        }
        Ok(())
    }
}

fn tell(round: usize, title: &str, (millis, kilobytes): (u64, u64)) {
    println!("round {round}: {title}: first answer after {millis} ms, {kilobytes} kB of resident memory");
}

/// Milliseconds from the program's start to its first answer, and the kilobytes that it then has.
fn first_answer(dir: &Path, program: &[String]) -> anyhow::Result<(u64, u64)> {
    let hosts = Hosts::new(LINK)?;
    let this = std::env::current_exe()?.to_string_lossy().into_owned();
    let shown = dir.display().to_string();
    let place =
        [("KEA_PIDFILE_DIR", shown.as_str()), ("KEA_LOCKFILE_DIR", &shown), ("KEA_LOGGER_DESTINATION", "stdout")];
    let args: Vec<&str> = program[1..].iter().map(String::as_str).collect();
    let began = monotonic_us()?;
    let running: Running = hosts.serve(&program[0], &args, &place, &dir.join("log"))?;
    let printed = hosts.ask(&this, &["first-answer", "--relay", LINK.client, "--server", LINK.server])?;
    let at: u64 = printed.trim().parse().context("no time of the first answer")?;
    Ok(((at - began) / 1_000, running.memory_kb("VmRSS")?))
}

impl FirstAnswer {
    /// Prints when the first answer came, in microseconds of the machine's monotonic clock.
    pub(crate) fn run(&self) -> anyhow::Result<()> {
        let mut socket = BatchSocket::bind(SocketAddrV4::new(self.relay, 67), Duration::from_millis(2))?;
        let template = Template::new(self.relay, None, None)?;
        let [a, b, c, d] = self.server.octets();
        let discover = [(template.discover(1, u32::MAX), SockaddrIn::new(a, b, c, d, 67))];
        let until = monotonic_us()? + 180_000_000;
        while monotonic_us()? < until {
            // Refused while nobody listens.
            _ = socket.send(&discover);
            if matches!(socket.receive(), Ok(true))
                && socket.datagrams().any(|(bytes, _)| read_reply(bytes).is_some_and(|reply| reply.1 == OFFER))
            {
                println!("{}", monotonic_us()?);
                return Ok(());
            }
        }
        bail!("no answer in 180 s")
    }
}

fn wall_secs() -> anyhow::Result<u64> {
    Ok(SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs())
}

/// As a server leaves it: most of it in a snapshot, a fifth renewed since. The leases are of `first` and the addresses
/// that follow.
pub(crate) fn make_store(dir: &Path, first: Ipv4Addr, leases: u32) -> anyhow::Result<()> {
    let now = wall_secs()?;
    let (mut store, _, _) = Store::open(FileStorage::new(dir), &Options::default())?;
    let commit = |store: &mut Store<FileStorage>, numbers: &[u32]| -> anyhow::Result<()> {
        let rows = numbers.iter().map(|number| Ok([Row::Lease(lease(first, *number, now)?)]));
        Ok(store.commit(now, rows.collect::<anyhow::Result<Vec<_>>>()?)?)
    };
    let all: Vec<u32> = (0..leases).collect();
    all.chunks(AT_ONCE).try_for_each(|numbers| commit(&mut store, numbers))?;
    while let Some(compaction) = store.begin_compaction()? {
        if compaction.run()?.segments < 2 {
            break;
        }
    }
    let renewed: Vec<u32> = (0..leases).step_by(5).collect();
    renewed.chunks(AT_ONCE).try_for_each(|numbers| commit(&mut store, numbers))
}

fn lease(first: Ipv4Addr, number: u32, now: u64) -> anyhow::Result<Lease> {
    let [_, a, b, c] = number.to_be_bytes();
    Ok(Lease {
        address: Ipv4Addr::from(u32::from(first) + number),
        subnet: "10.64.0.0/10".parse()?,
        state: LeaseState::Bound,
        hardware: HardwareAddress::new(1, &[2, 0, 0, a, b, c]).context("hardware")?,
        client_id: Some(ClientId([1, 2, 0, 0, a, b, c].into())),
        started_at: now,
        renewed_at: now,
        expires_at: now + 86_400,
        hostname: format!("host-{number:07}").into_bytes().into(),
        client_fqdn: dns::Bytes::default(),
        name: None,
        relay: Ipv4Addr::new(10, 64, 0, 2),
        relay_agent_info: b"\x01\x0Aport-00001\x02\x06switch".as_slice().into(),
        server_identifier_override: None,
    })
}

/// What Kea's memfile database holds of the same leases; the relay's data in the user context, as Kea does.
fn make_csv(path: &Path, leases: u32) -> anyhow::Result<()> {
    let expires = wall_secs()? + 86_400;
    let mut out = BufWriter::new(File::create(path)?);
    writeln!(
        out,
        "address,hwaddr,client_id,valid_lifetime,expire,subnet_id,fqdn_fwd,fqdn_rev,hostname,state,user_context"
    )?;
    let mut line = String::new();
    for number in 0..leases {
        let address = Ipv4Addr::from(u32::from(FIRST) + number);
        let [_, a, b, c] = number.to_be_bytes();
        line.clear();
        _ = write!(
            line,
            "{address},02:00:00:{a:02x}:{b:02x}:{c:02x},01:02:00:00:{a:02x}:{b:02x}:{c:02x},86400,{expires},1,0,0,"
        );
        _ = write!(
            line,
            "host-{number:07},0,{{ \"ISC\": {{ \"relay-agent-info\": \"0x010A706F72742D30303030310206737769746368\" }} }}"
        );
        writeln!(out, "{}", line.replace(", \"", "&#x2c \""))?;
    }
    Ok(out.flush()?)
}
