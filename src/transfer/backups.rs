//! Backups: one file each, made while the daemon runs and by command, the newest kept.

use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Context;
use config::settings::BackupSettings;
use serde::{Deserialize, Serialize};
use tracing::{info, warn};

use super::{Contents, Written, configuration};

const BEGIN: &str = "leasehold-";
const END: &str = ".backup";
/// How soon after a failure it is tried again.
const TRY_AGAIN: Duration = Duration::from_secs(300);

/// A backup, to be shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupView {
    /// Its file.
    pub file: PathBuf,
    /// When it was made, in UTC seconds.
    pub made_at: u64,
    /// Its octets.
    pub bytes: u64,
}

/// The backups in a directory, the newest first; one that is not there has none.
///
/// # Errors
/// What the system says.
pub fn list(directory: &Path) -> io::Result<Vec<BackupView>> {
    let entries = match std::fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry?;
        if let Some(made_at) = entry.file_name().to_str().and_then(made_at) {
            found.push(BackupView { file: entry.path(), made_at, bytes: entry.metadata()?.len() });
        }
    }
    found.sort_by_key(|backup| std::cmp::Reverse(backup.made_at));
    Ok(found)
}

fn name(now: u64) -> String {
    let at = i64::try_from(now).ok().and_then(|now| jiff::Timestamp::from_second(now).ok()).unwrap_or_default();
    format!("{BEGIN}{}{END}", at.strftime("%Y%m%dT%H%M%SZ"))
}

fn made_at(name: &str) -> Option<u64> {
    let time = name.strip_prefix(BEGIN)?.strip_suffix(END)?;
    let at = jiff::civil::DateTime::strptime("%Y%m%dT%H%M%SZ", time).ok()?.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
    u64::try_from(at.timestamp().as_second()).ok()
}

/// Makes one of the store in `store`, and removes the oldest beyond `keep`.
///
/// # Errors
/// A store that cannot be read, or a disk that fails; no file is left then.
pub fn make(
    store: &Path,
    directory: &Path,
    keep: usize,
    contents: &Contents,
    now: u64,
) -> anyhow::Result<(PathBuf, Written)> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory)
        .with_context(|| format!("cannot make the directory {} of backups", directory.display()))?;
    // One that was made in this second stays, and this one takes the next second's name.
    let file = (now..).map(|second| directory.join(name(second))).find(|file| !file.exists());
    let file = file.context("no name is left for a backup")?;
    let written = super::write(store, &file, contents, now)?;
    for old in list(directory)?.into_iter().skip(keep.max(1)) {
        std::fs::remove_file(&old.file).with_context(|| format!("cannot remove {}", old.file.display()))?;
    }
    Ok((file, written))
}

/// Makes backups for ever, as often as the settings say; one that is due when the daemon starts is made then. `file` is the
/// main file of the configuration, where there is one: it goes in with the one beside it, as they are on the disk by then.
pub async fn keep_making(store: PathBuf, settings: BackupSettings, file: Option<PathBuf>) {
    let Some(every) = settings.every_secs else { return std::future::pending().await };
    loop {
        let newest = list(&settings.directory).ok().and_then(|all| Some(all.first()?.made_at)).unwrap_or(0);
        let now = crate::clock::machine_wall_secs();
        // One of the future, of a clock that was wrong, is as good as none.
        let due = if newest > now { 0 } else { (newest + u64::from(every)).saturating_sub(now) };
        // Its first minute is not taken from a daemon that starts.
        tokio::time::sleep(Duration::from_secs(due.max(60))).await;
        let (store, settings, file) = (store.clone(), settings.clone(), file.clone());
        let began = Instant::now();
        let made = on_a_thread(move || {
            let now = crate::clock::machine_wall_secs();
            let contents = Contents { configuration: configured(file.as_deref()), ..Contents::default() };
            make(&store, &settings.directory, settings.keep, &contents, now)
        });
        match made.await {
            Ok((file, written)) => {
                info!(
                    "backup {}: {}, {} bytes, in {:.1?}",
                    file.display(),
                    written.words,
                    written.bytes,
                    began.elapsed()
                );
            }
            Err(error) => {
                warn!("no backup was made, and it is tried again: {error:#}");
                tokio::time::sleep(TRY_AGAIN).await;
            }
        }
    }
}

/// A backup of leases is worth having without the configuration, too.
fn configured(file: Option<&Path>) -> Vec<(String, String)> {
    let Some(file) = file else { return Vec::new() };
    configuration::texts(file, false).unwrap_or_else(|error| {
        warn!("the backup is made without the configuration: {error:#}");
        Vec::new()
    })
}

/// On a thread of its own that stands back behind the others.
///
/// # Errors
/// What the work says.
pub async fn on_a_thread<T: Send + 'static>(
    work: impl FnOnce() -> anyhow::Result<T> + Send + 'static,
) -> anyhow::Result<T> {
    const NICE: i32 = 10;
    let (to, done) = tokio::sync::oneshot::channel();
    std::thread::Builder::new().name("backup".to_owned()).spawn(move || {
        _ = rustix::process::nice(NICE);
        // Whoever asked may have gone.
        drop(to.send(work()));
    })?;
    done.await.context("the thread of the backup has ended")?
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
mod tests {
    use super::*;

    #[test]
    fn a_backup_s_name_tells_its_time() {
        assert_eq!(name(1_790_000_000), "leasehold-20260921T141320Z.backup");
        assert_eq!(made_at(&name(1_790_000_000)), Some(1_790_000_000));
        assert_eq!(made_at("leasehold-yesterday.backup"), None);
        assert_eq!(made_at(".leasehold-20260921T141320Z.backup.7.new"), None);
    }

    #[test]
    fn the_newest_are_kept_and_nothing_else_is_removed() {
        let directory = tempfile::tempdir().unwrap();
        let store = directory.path().join("store");
        drop(store::Store::open(store::FileStorage::new(&store), &store::Options::default()).unwrap());
        let backups = directory.path().join("backups");
        std::fs::create_dir(&backups).unwrap();
        std::fs::write(backups.join("notes.txt"), "mine").unwrap();
        for hour in 0..5 {
            make(&store, &backups, 3, &Contents::default(), 1_790_000_000 + hour * 3_600).unwrap();
        }
        let kept: Vec<u64> =
            list(&backups).unwrap().iter().map(|backup| (backup.made_at - 1_790_000_000) / 3_600).collect();
        assert_eq!(kept, [4, 3, 2]);
        assert!(backups.join("notes.txt").exists());
    }
}
