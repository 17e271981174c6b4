//! All that a server holds, as one file and back: export, import, backups and their restoring.
//!
//! Reading is done beside a running daemon, since the journal tells one moment of the store. Writing needs it stopped, and
//! is one step: the new rows are written beside the old ones and put in force by one rename (`store::db::replace`).

pub mod backups;
pub mod configuration;
pub mod differences;
pub mod scope;
pub mod serials;

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use ipnet::Ipv4Net;
use store::FileStorage;
use store::archive::{self, Archive, ArchiveWriter, Head};
use store::db::{self, RawRows};
use store::history::{Query, Reader};

/// Leases tell who was where and when, and configurations hold keys: not for everybody's eyes.
const MODE: u32 = 0o600;
/// Records of history that are read at once.
const PAST_AT_ONCE: usize = 10_000;

/// What goes into a file.
#[derive(Clone, Debug, Default)]
pub struct Contents {
    /// The files of the configuration, the main one first: their names, and their texts as they are to be written.
    pub configuration: Vec<(String, String)>,
    /// Whether those texts have their secrets.
    pub secrets: bool,
    /// Only these subnets; empty: everything.
    pub subnets: Vec<Ipv4Net>,
    /// With the history of leases.
    pub past: bool,
}

/// What was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// Octets of the file.
    pub bytes: u64,
    /// What is in it, in words.
    pub words: String,
}

/// Writes what the store in `store` holds to `file`, which takes its name only when it is whole and on the disk.
///
/// # Errors
/// A store that cannot be read, or a file that cannot be written; nothing is left of it then.
pub fn write(store: &Path, file: &Path, contents: &Contents, now: u64) -> anyhow::Result<Written> {
    let name = file.file_name().and_then(|name| name.to_str()).context("the file has no name")?;
    let unfinished = file.with_file_name(format!(".{name}.{}.new", std::process::id()));
    let written = write_to(store, &unfinished, contents, now).and_then(|words| {
        fs::rename(&unfinished, file)?;
        let directory = file.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        File::open(directory)?.sync_all()?;
        Ok(Written { bytes: fs::metadata(file)?.len(), words })
    });
    if written.is_err() {
        // There may be none yet.
        drop(fs::remove_file(&unfinished));
    }
    written.with_context(|| format!("{} cannot be written", file.display()))
}

fn write_to(store: &Path, file: &Path, contents: &Contents, now: u64) -> anyhow::Result<String> {
    let storage = FileStorage::new(store);
    let mut rows = RawRows::new();
    let copied = db::copy(&storage, |stream, key, value| _ = rows.insert((stream, key.to_vec()), value.to_vec()));
    let copied = copied?;
    if !contents.subnets.is_empty() {
        rows = scope::of_subnets(&rows, &contents.subnets);
    }
    let counts = differences::Counts::of(&rows);
    let mut head = Head::default();
    head.say("made_by", concat!("leasehold ", env!("CARGO_PKG_VERSION")));
    head.say("created", now);
    head.say("newest_stamp", copied.newest_stamp);
    if !contents.subnets.is_empty() {
        let subnets: Vec<String> = contents.subnets.iter().map(ToString::to_string).collect();
        head.say("subnets", subnets.join(", "));
    }
    head.say("secrets", contents.secrets);
    head.say("holds", counts.words());
    let out = OpenOptions::new().write(true).create(true).truncate(true).mode(MODE).open(file)?;
    let out = GzEncoder::new(BufWriter::new(out), Compression::default());
    let mut writer = ArchiveWriter::new(out, &head)?;
    for (name, text) in &contents.configuration {
        writer.file(name, text.as_bytes())?;
    }
    match fs::read(store.join(crate::devices::FILE)) {
        Ok(decided) => writer.file(crate::devices::FILE, &decided)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error.into()),
    }
    for ((stream, key), value) in &rows {
        writer.row(*stream, key, value)?;
    }
    let past = if contents.past { write_past(store, &contents.subnets, &mut writer)? } else { 0 };
    let out = writer.finish()?.finish()?;
    out.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
    let past = if past > 0 { format!(", {past} records of history") } else { String::new() };
    Ok(format!("{}{past}", counts.words()))
}

fn write_past<W: Write>(store: &Path, subnets: &[Ipv4Net], writer: &mut ArchiveWriter<W>) -> anyhow::Result<usize> {
    let reader = Reader::new(FileStorage::new(crate::history::directory(store)));
    let (mut after, mut written) = (None, 0);
    loop {
        let page = reader.newest(&Query::default(), after, PAST_AT_ONCE)?;
        for (_, record) in &page.records {
            if subnets.is_empty() || subnets.iter().any(|subnet| subnet.contains(&record.address)) {
                writer.past(record)?;
                written += 1;
            }
        }
        match page.records.last() {
            Some((position, _)) if page.more => after = Some(*position),
            _ => return Ok(written),
        }
    }
}

/// Reads a file that was written so.
///
/// # Errors
/// One that is not there, damaged, or of a later version.
pub fn read(file: &Path) -> anyhow::Result<Archive> {
    let shown = || format!("{} is not taken", file.display());
    let from = File::open(file).with_context(shown)?;
    archive::read(GzDecoder::new(BufReader::new(from))).with_context(shown)
}

/// How an archive is put in the place of what a store holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// From another server: its zones keep their serials where they can.
    Import,
    /// From an earlier time of this one: every zone's serial leaps beyond what was served since.
    Restore,
}

/// What is to be done to a store.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// Its rows then.
    pub rows: RawRows,
    /// What changes, in words, a line each.
    pub words: Vec<String>,
    /// Whether anything does.
    pub changes: bool,
}

/// What the rows of an archive come to in a store that holds `here`.
#[must_use]
pub fn plan(archive: &Archive, here: &RawRows, subnets: &[Ipv4Net], purpose: Purpose, now: u64) -> Plan {
    let said: Vec<Ipv4Net> = archive
        .head
        .get("subnets")
        .into_iter()
        .flat_map(|said| said.split(", "))
        .filter_map(|one| one.parse().ok())
        .collect();
    let chosen = if subnets.is_empty() { said } else { subnets.to_vec() };
    let mut words = Vec::new();
    let rows = if chosen.is_empty() {
        let mut rows = archive.rows.clone();
        serials::keep_other_zones(&mut rows, here);
        for moved in serials::carry(&mut rows, here, purpose == Purpose::Restore, now) {
            words.push(moved.words());
        }
        rows
    } else {
        scope::put_subnets(here, &scope::of_subnets(&archive.rows, &chosen), &chosen)
    };
    let mut found = differences::words(here, &rows);
    found.append(&mut words);
    Plan { changes: rows != *here, rows, words: found }
}

/// The rows of a store; none for one that is not there yet.
///
/// # Errors
/// One that is damaged or of another version.
pub fn rows_of(store: &Path) -> anyhow::Result<RawRows> {
    let mut rows = RawRows::new();
    match db::copy(&FileStorage::new(store), |stream, key, value| {
        _ = rows.insert((stream, key.to_vec()), value.to_vec())
    }) {
        Ok(_) => Ok(rows),
        Err(store::OpenError::NoStore { .. }) => Ok(BTreeMap::new()),
        Err(error) => Err(error.into()),
    }
}

/// Puts a plan in force: all of it or nothing. What was there is kept in the directory that is told, and in the file of a
/// backup when there was anything.
///
/// # Errors
/// A daemon that runs, or a disk that fails; the store is then as it was.
pub fn put_in_force(store: &Path, plan: &Plan, newest_stamp: u64, now: u64) -> anyhow::Result<PathBuf> {
    let storage = FileStorage::new(store);
    let kept = db::replace(&storage, &store::Options::default(), now, &plan.rows, newest_stamp)?;
    Ok(store.join(kept))
}

/// Whether a store can be replaced now.
///
/// # Errors
/// A daemon uses it.
pub fn must_be_free(store: &Path) -> anyhow::Result<()> {
    if store.is_dir()
        && let Err(error) = db::is_free(&FileStorage::new(store), "leasehold")
    {
        bail!("{error:#}: stop the daemon first; it starts from what was brought in");
    }
    Ok(())
}
