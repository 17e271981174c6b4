//! `leasehold export`, `import`, `restore` and `backup`.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use comfy_table::{ContentArrangement, Table, presets};
use config::Config;
use config::settings::{BackupSettings, Daemon};
use ipnet::Ipv4Net;

use super::NOT_FOUND;
use crate::clock::machine_wall_secs;
use crate::control::local_time;
use crate::transfer::{self, Contents, Plan, Purpose, backups};

/// Where the store is.
#[derive(Args, Debug)]
pub struct Place {
    /// The store's directory; else the one that the configuration names, else /var/lib/leasehold.
    #[arg(long, value_name = "DIR")]
    pub store: Option<PathBuf>,
    /// The configuration file.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

/// Write configuration, leases, reservations, DNS work and zones to one file. The daemon may run.
#[derive(Args, Debug)]
pub struct Export {
    /// The file to write.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Where they are; with `--config` the configuration goes in too.
    #[command(flatten)]
    pub place: Place,
    /// Only this subnet; may be repeated. Zones are left out then, but not what is wanted in them.
    #[arg(long, value_name = "PREFIX")]
    pub subnet: Vec<Ipv4Net>,
    /// With the secrets of the configuration, which are left out otherwise.
    #[arg(long, requires = "config")]
    pub with_secrets: bool,
    /// With the history of leases.
    #[arg(long)]
    pub with_history: bool,
    /// Write over a file that is there.
    #[arg(long)]
    pub force: bool,
}

/// Bring in what another server exported: all or nothing. The daemon must not run.
#[derive(Args, Debug)]
pub struct Import {
    /// The file.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Where it goes. A configuration is brought in when the file of `--config` is not there yet.
    #[command(flatten)]
    pub place: Place,
    /// Only this subnet; may be repeated. What is here of others stays.
    #[arg(long, value_name = "PREFIX")]
    pub subnet: Vec<Ipv4Net>,
    /// Only tell what would change.
    #[arg(long)]
    pub dry_run: bool,
}

/// Put a backup in the place of the store: all or nothing. The daemon must not run.
#[derive(Args, Debug)]
pub struct Restore {
    /// The file of a backup; see `leasehold backup list`.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Where it goes.
    #[command(flatten)]
    pub place: Place,
    /// Only tell what would change.
    #[arg(long)]
    pub dry_run: bool,
}

/// Backups.
#[derive(Debug, Subcommand)]
pub enum Backup {
    /// Make one now. The daemon may run.
    Now(Place),
    /// List them, the newest first.
    List(List),
}

/// List backups.
#[derive(Args, Debug)]
pub struct List {
    /// Where they are.
    #[command(flatten)]
    pub place: Place,
    /// Print JSON instead of a table.
    #[arg(long)]
    pub json: bool,
}

struct Found {
    store: PathBuf,
    backup: BackupSettings,
    config: Option<Config>,
}

impl Place {
    fn find(&self) -> anyhow::Result<Found> {
        let config = match self.config.as_deref().filter(|file| file.exists()) {
            None => None,
            Some(file) => match super::check::load(file)? {
                Ok(config) => Some(config),
                Err(report) => bail!("{} has faults:\n{report}", file.display()),
            },
        };
        let configured = config.as_ref().map_or_else(|| Daemon::default().store, |config| config.daemon.store.clone());
        let store = self.store.clone().unwrap_or(configured);
        let standard = BackupSettings { every_secs: None, keep: 24, directory: store.join("backups") };
        let backup = config.as_ref().and_then(|config| config.backup.clone()).unwrap_or(standard);
        Ok(Found { store, backup, config })
    }

    /// The configuration's files, by their names.
    fn texts(&self, with_secrets: bool) -> anyhow::Result<Vec<(String, String)>> {
        self.config.as_deref().map_or(Ok(Vec::new()), |file| transfer::configuration::texts(file, with_secrets))
    }
}

/// Runs `leasehold export`.
///
/// # Errors
/// A store or configuration that cannot be read, or a file that cannot be written.
pub fn export(export: &Export) -> anyhow::Result<ExitCode> {
    if export.file.exists() && !export.force {
        bail!("{} is there already: `--force` writes over it", export.file.display());
    }
    let found = export.place.find()?;
    let contents = Contents {
        configuration: export.place.texts(export.with_secrets)?,
        secrets: export.with_secrets,
        subnets: export.subnet.clone(),
        past: export.with_history,
    };
    let written = transfer::write(&found.store, &export.file, &contents, machine_wall_secs())?;
    println!("{}: {}, {} bytes", export.file.display(), written.words, written.bytes);
    let names: Vec<&str> = contents.configuration.iter().map(|(name, _)| &name[..]).collect();
    let names = names.join(" and ");
    match (names.is_empty(), export.with_secrets) {
        (true, _) => println!("without a configuration: `--config FILE` takes it in"),
        (false, false) => {
            println!("with {names}, secrets left out; so are files of keys and zones that are named there")
        }
        (false, true) => {
            println!("with {names}, secrets among it; files of keys and zones that are named there are left out")
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Runs `leasehold import`.
///
/// # Errors
/// A file that is damaged, a daemon that runs, a disk that fails: the store is then as it was.
pub fn import(import: &Import) -> anyhow::Result<ExitCode> {
    bring_in(&import.file, &import.place, &import.subnet, import.dry_run, Purpose::Import)
}

/// Runs `leasehold restore`.
///
/// # Errors
/// As [`import`].
pub fn restore(restore: &Restore) -> anyhow::Result<ExitCode> {
    bring_in(&restore.file, &restore.place, &[], restore.dry_run, Purpose::Restore)
}

fn bring_in(
    file: &Path,
    place: &Place,
    subnets: &[Ipv4Net],
    dry_run: bool,
    purpose: Purpose,
) -> anyhow::Result<ExitCode> {
    let archive = transfer::read(file)?;
    let head = |word: &str| archive.head.get(word).unwrap_or("?");
    let made = head("created").parse().map_or_else(|_| "?".to_owned(), local_time);
    println!("{}: made by {} at {made}; holds {}", file.display(), head("made_by"), head("holds"));
    let found = place.find()?;
    let shown = found.store.display();
    if !dry_run {
        transfer::must_be_free(&found.store)?;
    }
    let now = machine_wall_secs();
    let here = transfer::rows_of(&found.store).with_context(|| {
        format!(
            "what is in {shown} cannot be read, so that nothing is put in its place; `leasehold db repair` mends it"
        )
    })?;
    let plan = transfer::plan(&archive, &here, subnets, purpose, now);
    for line in plan.words.iter().chain(&unserved(&plan, found.config.as_ref())) {
        println!("  {line}");
    }
    if !plan.changes {
        println!("{shown}: holds all of it already; nothing was changed");
    } else if dry_run {
        println!("{shown}: nothing was changed (--dry-run)");
    } else {
        let verb = if purpose == Purpose::Restore { "restore" } else { "import" };
        let what = format!("{verb} {}", file.display());
        put(&found, &plan, &here, archive.head.get("newest_stamp"), what, now)?;
    }
    if let Some(file) = place.config.as_deref().filter(|_| !dry_run && purpose == Purpose::Import) {
        let told = transfer::configuration::lay_down(file, &archive.files)?;
        told.iter().for_each(|line| println!("{line}"));
    }
    if !dry_run {
        bring_devices(&found.store, &archive.files)?;
        bring_past(&found.store, &archive.past, now)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn put(
    found: &Found,
    plan: &Plan,
    here: &store::db::RawRows,
    stamp: Option<&str>,
    what: String,
    now: u64,
) -> anyhow::Result<()> {
    if !here.is_empty() {
        // One more than are kept: what was here must not push out what may be wanted back.
        let keep = found.backup.keep + 1;
        let (file, _) = backups::make(&found.store, &found.backup.directory, keep, &Contents::default(), now)
            .context("no backup of what is here can be made, so that nothing was changed")?;
        println!("a backup of what was here: {}", file.display());
    }
    let stamp = stamp.and_then(|stamp| stamp.parse().ok()).unwrap_or(0);
    let kept = transfer::put_in_force(&found.store, plan, stamp, now);
    let result = kept.as_ref().map(drop).map_err(|error| format!("{error:#}"));
    let actor = web::Actor::Local { uid: Some(nix::unistd::Uid::current().as_raw()) };
    crate::changes::ChangeLog::new(&found.store).note_now(now, actor, what, result);
    let kept = kept.with_context(|| format!("{} is as it was", found.store.display()))?;
    println!("{}: brought in; the files of before are in {}", found.store.display(), kept.display());
    Ok(())
}

/// Leases that the configuration of here does not serve.
fn unserved(plan: &Plan, config: Option<&Config>) -> Vec<String> {
    let Some(config) = config else { return Vec::new() };
    let served: Vec<Ipv4Net> = config.dhcp.subnets.iter().map(|subnet| subnet.prefix).collect();
    let leases = plan.rows.iter().filter_map(|((stream, key), value)| match store::db::read_row(*stream, key, value) {
        Ok(store::Row::Lease(lease)) => Some(lease),
        _ => None,
    });
    let left = leases.filter(|lease| !served.iter().any(|subnet| subnet.contains(&lease.address))).count();
    let words = format!("{left} leases are in subnets that the configuration of here does not serve: they run out");
    (left > 0).then_some(words).into_iter().collect()
}

/// What was decided of devices, where nothing was decided here.
fn bring_devices(store: &Path, files: &[(String, Vec<u8>)]) -> anyhow::Result<()> {
    let path = store.join(crate::devices::FILE);
    let Some((_, decided)) = files.iter().find(|(name, _)| name == crate::devices::FILE).filter(|_| !path.exists())
    else {
        return Ok(());
    };
    let unfinished = path.with_extension("json.new");
    std::fs::write(&unfinished, decided)?;
    std::fs::File::open(&unfinished)?.sync_all()?;
    let (made, owner) = (std::fs::metadata(&unfinished)?, std::fs::metadata(store)?);
    if made.uid() != owner.uid() {
        std::os::unix::fs::chown(&unfinished, Some(owner.uid()), Some(owner.gid()))?;
    }
    std::fs::rename(&unfinished, &path)?;
    println!("what was decided of unknown devices was brought in");
    Ok(())
}

/// History comes behind what is here.
fn bring_past(store: &Path, past: &[store::history::Record], now: u64) -> anyhow::Result<()> {
    if past.is_empty() {
        return Ok(());
    }
    let limits = store::history::Limits { keep_secs: u64::MAX, bytes_max: u64::MAX };
    let storage = store::FileStorage::new(crate::history::directory(store));
    let (mut writer, opened) = store::history::Writer::open(storage.clone(), limits)?;
    // What is here already, wherever it stands, is not written again.
    let key = |record: &store::history::Record| (record.identity(), record.kind, record.at);
    let mut unknown: std::collections::HashSet<_> = past.iter().map(key).collect();
    store::history::Reader::new(storage).each(|record| _ = unknown.remove(&key(&record)))?;
    let mut new: Vec<_> = past.iter().filter(|record| unknown.remove(&key(record))).cloned().collect();
    new.sort_by_key(|record| record.at);
    // What the power took of the history here is read again from the journal, also behind what is written now.
    if let Some(newest) = opened.newest.filter(|_| !new.is_empty()) {
        writer.begin_reading(newest.saturating_sub(store::history::SLACK_SECS))?;
    }
    for piece in new.chunks(10_000) {
        writer.append(now, piece)?;
    }
    writer.sync()?;
    println!("{} records of history were brought in", new.len());
    Ok(())
}

/// Runs `leasehold backup`.
///
/// # Errors
/// A store that cannot be read, or a directory that cannot be written.
pub fn backup(backup: &Backup) -> anyhow::Result<ExitCode> {
    match backup {
        Backup::Now(place) => {
            let found = place.find()?;
            let contents = Contents { configuration: place.texts(false)?, ..Contents::default() };
            let BackupSettings { directory, keep, .. } = &found.backup;
            let (file, written) = backups::make(&found.store, directory, *keep, &contents, machine_wall_secs())?;
            println!("{}: {}, {} bytes", file.display(), written.words, written.bytes);
            Ok(ExitCode::SUCCESS)
        }
        Backup::List(list) => {
            let found = list.place.find()?;
            let all = backups::list(&found.backup.directory)?;
            if list.json {
                println!("{}", serde_json::to_string_pretty(&all)?);
            } else {
                let mut table = Table::new();
                table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
                table.set_header(["MADE", "BYTES", "FILE"]);
                for one in &all {
                    table.add_row([local_time(one.made_at), one.bytes.to_string(), one.file.display().to_string()]);
                }
                println!("{table}\n{} backups", all.len());
            }
            Ok(if all.is_empty() { ExitCode::from(NOT_FOUND) } else { ExitCode::SUCCESS })
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

    use dhcp::identity::HardwareAddress;
    use dhcp::lease::LeaseState;
    use store::FileStorage;
    use store::history::{Kind, Limits, Record, Writer};

    use super::*;

    fn record(host: u8, at: u64) -> Record {
        Record {
            kind: Kind::Assigned,
            at,
            address: [10, 0, 0, host].into(),
            state: LeaseState::Bound,
            hardware: HardwareAddress::new(1, &[2, 0, 0, 0, 0, host]).unwrap(),
            client_id: None,
            started_at: at,
            renewed_at: at,
            expires_at: at + 3_600,
            hostname: dns::Bytes::default(),
            name: None,
            relay: std::net::Ipv4Addr::UNSPECIFIED,
            relay_agent_info: dns::Bytes::default(),
        }
    }

    #[test]
    fn what_the_history_lacked_before_an_import_is_read_after_it() {
        let directory = tempfile::tempdir().unwrap();
        let limits = Limits { keep_secs: u64::MAX, bytes_max: u64::MAX };
        let open = || {
            let storage = FileStorage::new(crate::history::directory(directory.path()));
            Writer::open(storage, limits).unwrap().0
        };
        open().append(5_000, &[record(1, 5_000)]).unwrap();
        bring_past(directory.path(), &[record(2, 70)], 1_000_000).unwrap();
        assert_eq!(open().begin_reading(999_400).unwrap(), 4_400);
    }
}
