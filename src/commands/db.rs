//! `leasehold db`.

use std::io::{self, Write, stdout};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use config::Config;
use store::db::{self, AddressRange, CheckReport, CompactError, DumpError, Loss, RepairOptions};
use store::storage::{FileStorage, LockError};
use store::{Compacted, OpenError, Options};

use super::terminal::with_progress;
use crate::control::{self, Request};

/// Losses are listed up to this many lines; the number of all is told.
const CONCERNS_SHOWN_MAX: usize = 50;

/// Look after the lease store.
#[derive(Debug, Subcommand)]
pub enum Db {
    /// Read everything and verify every checksum and row. A running daemon is not disturbed.
    Check(Place),
    /// Write a new snapshot and drop what it supersedes; by the daemon itself when it runs.
    Compact(Place),
    /// Make a new store from what can be read; the old one is kept, and each lost record is listed.
    Repair(Repair),
    /// Print every row as a line.
    Dump(Place),
}

/// Where the store is.
#[derive(Args, Debug)]
pub struct Place {
    /// The store's directory.
    #[arg(long, value_name = "DIR", conflicts_with = "config")]
    pub store: Option<PathBuf>,
    /// The configuration file that names it.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The control socket of a daemon that may be running.
    #[arg(long, value_name = "PATH")]
    pub socket: Option<PathBuf>,
}

/// Make a new store from what can be read.
#[derive(Args, Debug)]
pub struct Repair {
    /// Where the store is. With `--config`, the pools are known, and every address that may be concerned is quarantined.
    #[command(flatten)]
    pub place: Place,
    /// For how many hours suspect addresses are kept from everyone. No lease that was lost should run longer.
    #[arg(long, value_name = "HOURS", default_value_t = 24)]
    pub quarantine_hours: u64,
}

/// Runs it. The exit code of `check` is 0 only when nothing is damaged.
///
/// # Errors
/// When the store is not there, not readable, of another version, or in use where it must not be.
pub fn run(db: Db) -> anyhow::Result<ExitCode> {
    match db {
        Db::Check(place) => check(&place.find()?),
        Db::Compact(place) => compact(&place.find()?),
        Db::Dump(place) => dump(&place.find()?),
        Db::Repair(repair) => mend(&repair.place.find()?, repair.quarantine_hours),
    }
}

struct Found {
    storage: FileStorage,
    shown: String,
    socket: PathBuf,
    config: Option<Config>,
}

impl Place {
    fn find(&self) -> anyhow::Result<Found> {
        let config = match &self.config {
            None => None,
            Some(file) => match super::check::load(file)? {
                Ok(config) => Some(config),
                Err(report) => bail!("{} has faults:\n{report}", file.display()),
            },
        };
        let standard = config::settings::Daemon::default();
        let daemon = config.as_ref().map_or(&standard, |config| &config.daemon);
        let directory = self.store.clone().unwrap_or_else(|| daemon.store.clone());
        let socket = self.socket.clone().unwrap_or_else(|| daemon.control.clone());
        let shown = directory.display().to_string();
        Ok(Found { storage: FileStorage::new(directory), shown, socket, config })
    }
}

fn check(found: &Found) -> anyhow::Result<ExitCode> {
    let report = with_progress("reading the store", || db::check(&found.storage))?;
    let CheckReport { counts, transactions, segments, unknown_rows, cut, losses, .. } = &report;
    println!(
        "{}: {} leases, {} wanted and {} confirmed names, {} sets of embedded zones; {segments} segments with {transactions} transactions",
        found.shown, counts.leases, counts.wanted, counts.confirmed, counts.zone_sets
    );
    if *unknown_rows > 0 {
        println!("{unknown_rows} rows are of kinds that a newer version writes; they are kept");
    }
    if let Some(cut) = cut {
        println!(
            "the end of {} was torn at {} ({} bytes): nothing acknowledged was in it",
            cut.file, cut.offset, cut.bytes
        );
    }
    for loss in losses {
        print_loss(loss);
    }
    if losses.is_empty() {
        println!("nothing is damaged");
        return Ok(ExitCode::SUCCESS);
    }
    println!("damaged in {} places; stop the daemon and run `leasehold db repair`", losses.len());
    Ok(ExitCode::FAILURE)
}

fn print_loss(loss: &Loss) {
    let kind = if loss.restored { "one wrong byte, can be restored" } else { "lost" };
    println!("{}: {} bytes {kind}", loss.damage, loss.bytes);
    for line in loss.concerns.iter().take(CONCERNS_SHOWN_MAX) {
        println!("    {line}");
    }
    if loss.concerns.len() > CONCERNS_SHOWN_MAX {
        println!("    and {} more", loss.concerns.len() - CONCERNS_SHOWN_MAX);
    }
}

fn compact(found: &Found) -> anyhow::Result<ExitCode> {
    match with_progress("writing a snapshot", || db::compact(found.storage.clone(), &Options::default())) {
        Ok(None) => println!("{}: nothing to compact", found.shown),
        Ok(Some(done)) => {
            let Compacted { rows, bytes, segments, bytes_before } = done;
            println!(
                "{}: {rows} rows in {bytes} bytes take the place of {segments} segments, {bytes_before} bytes",
                found.shown
            );
        }
        Err(CompactError::Open(OpenError::Locked { lock: LockError::Held(_), .. })) => {
            let words: String = control::ask(&found.socket, &Request::Compact)
                .context("the store is in use, so its daemon has to compact it")?;
            println!("{}: {words}", found.shown);
        }
        Err(error) => return Err(error.into()),
    }
    Ok(ExitCode::SUCCESS)
}

fn dump(found: &Found) -> anyhow::Result<ExitCode> {
    let mut out = io::BufWriter::new(stdout().lock());
    let dumped = db::dump(&found.storage, |line| writeln!(out, "{line}"));
    match dumped {
        // Whoever read the lines has seen enough.
        Err(DumpError::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(ExitCode::SUCCESS),
        other => other?,
    }
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}

fn mend(found: &Found, quarantine_hours: u64) -> anyhow::Result<ExitCode> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |passed| passed.as_secs());
    let subnets = found.config.iter().flat_map(|config| &config.dhcp.subnets);
    let pools = subnets.flat_map(|subnet| {
        let range = |pool: &dhcp::settings::AddressRange| AddressRange {
            subnet: subnet.prefix,
            first: pool.first,
            last: pool.last,
        };
        subnet.pools.iter().flat_map(|pool| &pool.ranges).map(range)
    });
    let options = RepairOptions {
        open: Options::default(),
        now,
        quarantine_until: now.saturating_add(quarantine_hours.saturating_mul(3_600)),
        pools: pools.collect(),
    };
    let report = with_progress("making a new store", || db::repair(&found.storage, &options))?;
    for loss in &report.losses {
        print_loss(loss);
    }
    let Some(kept) = &report.kept else {
        println!("{}: sound, {} rows; nothing was changed", found.shown, report.rows);
        return Ok(ExitCode::SUCCESS);
    };
    println!("{}: a new store with {} rows; the old one is kept in {kept}", found.shown, report.rows);
    println!("{} addresses are in quarantine for {quarantine_hours} h", report.quarantined.len());
    for address in report.quarantined.iter().take(CONCERNS_SHOWN_MAX) {
        println!("    {address}");
    }
    if report.quarantined.len() > CONCERNS_SHOWN_MAX {
        println!("    and {} more", report.quarantined.len() - CONCERNS_SHOWN_MAX);
    }
    if report.not_quarantined > 0 {
        println!("{} more may be concerned and are not in quarantine", report.not_quarantined);
    }
    if found.config.is_none() {
        println!(
            "the pools are not known without --config: addresses in them that may be concerned are not in quarantine"
        );
    }
    Ok(ExitCode::SUCCESS)
}
