//! Backups: one file each, made while the daemon runs and by command, the newest kept.

use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Context;
use config::settings::BackupSettings;
use serde::{Deserialize, Serialize};
use tracing::{info, warn};

use super::{Contents, Written, configuration};
use crate::reload::{Orders, refusal_words};

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

/// Makes backups for ever, as often as the settings say; one that is due when the daemon starts is made then. `orders`
/// tells the configuration, where it is in files: the main one goes in as it is in force by then, and the one beside it.
pub async fn keep_making(store: PathBuf, settings: BackupSettings, orders: Option<Orders>) {
    let Some(every) = settings.every_secs else { return std::future::pending().await };
    loop {
        let newest = list(&settings.directory).ok().and_then(|all| Some(all.first()?.made_at)).unwrap_or(0);
        let now = crate::clock::machine_wall_secs();
        // One of the future, of a clock that was wrong, is as good as none.
        let due = if newest > now { 0 } else { (newest + u64::from(every)).saturating_sub(now) };
        // Its first minute is not taken from a daemon that starts.
        tokio::time::sleep(Duration::from_secs(due.max(60))).await;
        let contents = Contents { configuration: configured(orders.as_ref()).await, ..Contents::default() };
        let (store, settings) = (store.clone(), settings.clone());
        let began = Instant::now();
        let made = on_a_thread(move || {
            let now = crate::clock::machine_wall_secs();
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
async fn configured(orders: Option<&Orders>) -> Vec<(String, String)> {
    let Some(orders) = orders else { return Vec::new() };
    match orders.texts().await {
        // The daemon's user need not be one who may read the main file, and somebody may be in the middle of editing it.
        Ok((main, beside)) => configuration::in_force(orders.file(), &main, &beside),
        Err(refusal) => {
            warn!("the backup is made without the configuration: {}", refusal_words(refusal));
            Vec::new()
        }
    }
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

    #[tokio::test]
    async fn a_backup_holds_the_configuration_in_force_where_its_file_cannot_be_read() {
        let directory = tempfile::tempdir().unwrap();
        let main = directory.path().join("site.toml");
        std::fs::write(&main, "# in force\n[[key]]\nsecret = \"abc\"\n").unwrap();
        std::fs::write(directory.path().join("site.local.toml"), "# beside\n").unwrap();
        let (_told, ending) = tokio::sync::watch::channel(None);
        let notifier = std::sync::Arc::new(crate::service::notify::Notifier::from_environment());
        let read = crate::config_files::Files::read(&main).ok();
        let reloader = crate::reload::Reloader::new(&main, read, crate::reload::Ending::new(ending), notifier);
        // Root reads every file, but none that is a directory.
        std::fs::remove_file(&main).unwrap();
        std::fs::create_dir(&main).unwrap();
        let (orders, mut from) = crate::reload::orders(&main);
        let answer = async {
            let Some(crate::reload::Order::Texts(to)) = from.recv().await else { panic!("another order") };
            drop(to.send(reloader.texts()));
        };
        let (files, ()) = tokio::join!(configured(Some(&orders)), answer);
        let expected = [("site.toml", "# in force\n[[key]]\nsecret = \"***\"\n"), ("site.local.toml", "# beside\n")];
        assert_eq!(files, expected.map(|(name, text)| (name.to_owned(), text.to_owned())));
        assert_eq!(configured(None).await, []);
    }
}
