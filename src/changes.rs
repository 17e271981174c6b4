//! Who changed what, and when: the audit log.
//!
//! A line of JSON for each change, its CRC-32 in hexadecimal before it, in the file `changes/log` of the store's directory.
//! It is only added to, and on the disk before whoever asked is told. When it is long it is put aside, and the oldest of
//! those goes. A line that a crash tore is passed by.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, chown};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use tracing::warn;
use web::Actor;
use web::model::{Change, Changes, ChangesQuery, WINDOW};

use crate::quiet::Quiet;

/// The directory beneath that of the store.
const DIRECTORY: &str = "changes";
const LOG: &str = "log";
/// A longer file is put aside.
const FILE_OCTETS_MAX: u64 = 4 << 20;
/// Files put aside that are kept: tens of thousands of changes.
const ASIDE_MAX: usize = 4;
/// What is told of a change at most.
const WORDS_MAX: usize = 2_000;

/// The audit log of a store.
#[derive(Debug)]
pub struct ChangeLog {
    directory: PathBuf,
    /// One writes at a time; the number of the next change, once it is known.
    next: Mutex<Option<u64>>,
    not_written: Quiet,
}

impl ChangeLog {
    /// That of the store in `store`. Nothing is touched yet.
    #[must_use]
    pub fn new(store: &Path) -> Arc<Self> {
        Arc::new(Self { directory: store.join(DIRECTORY), next: Mutex::default(), not_written: Quiet::default() })
    }

    /// Notes a change, or an attempt: `what` was done, in words, and what came of it. Returns when it is on the disk; one that
    /// cannot be noted is told in the daemon's log, and done all the same.
    pub async fn note(self: &Arc<Self>, actor: Actor, what: String, result: Result<(), String>) {
        let log = Arc::clone(self);
        let noted =
            tokio::task::spawn_blocking(move || log.note_now(crate::clock::machine_wall_secs(), actor, what, result));
        // A panic there has been told.
        drop(noted.await);
    }

    /// The same, at once, at `now` (UTC seconds).
    pub fn note_now(&self, now: u64, actor: Actor, what: String, result: Result<(), String>) {
        let cut = |words: String| words.chars().take(WORDS_MAX).collect::<String>();
        let who = actor.to_string();
        let change = Change { id: 0, at: now, who, actor, what: cut(what), refused: result.err().map(cut) };
        if let Err(error) = self.write(change.clone())
            && let Some(kept_back) = self.not_written.may_tell()
        {
            warn!("the audit log cannot be written ({error}): {} by {}{kept_back}", change.what, change.who);
        }
    }

    fn write(&self, mut change: Change) -> io::Result<()> {
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        fs::DirBuilder::new().recursive(true).mode(0o750).create(&self.directory)?;
        let last = || self.read_all().ok().and_then(|all| all.last().map(|last| last.id)).unwrap_or(0);
        change.id = next.unwrap_or_else(|| last() + 1);
        let path = self.directory.join(LOG);
        let mut file = open(&path)?;
        if file.metadata()?.len() > FILE_OCTETS_MAX {
            drop(file);
            for number in (1..ASIDE_MAX).rev() {
                let from = self.directory.join(format!("{LOG}.{number}"));
                if from.exists() {
                    fs::rename(from, self.directory.join(format!("{LOG}.{}", number + 1)))?;
                }
            }
            fs::rename(&path, self.directory.join(format!("{LOG}.1")))?;
            file = open(&path)?;
        }
        let text = serde_json::to_string(&change)?;
        // A line of its own, also behind one that was torn.
        let line = format!("\n{:08x} {text}\n", crc32(text.as_bytes()));
        file.write_all(line.as_bytes())?;
        file.sync_data()?;
        *next = Some(change.id + 1);
        // Commands of root write beside the daemon's user.
        let owner = fs::metadata(self.directory.parent().unwrap_or(&self.directory))?;
        for made in [&self.directory, &path] {
            let is = fs::metadata(made)?;
            if nix::unistd::Uid::effective().is_root() && (is.uid(), is.gid()) != (owner.uid(), owner.gid()) {
                chown(made, Some(owner.uid()), Some(owner.gid()))?;
            }
        }
        Ok(())
    }

    /// Every change that is kept, the oldest first.
    fn read_all(&self) -> io::Result<Vec<Change>> {
        let mut all = Vec::new();
        let aside = (1..=ASIDE_MAX).rev().map(|number| format!("{LOG}.{number}"));
        for name in aside.chain([LOG.to_owned()]) {
            let mut text = Vec::new();
            match File::open(self.directory.join(name)) {
                Ok(mut file) => _ = file.read_to_end(&mut text)?,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            }
            all.extend(String::from_utf8_lossy(&text).lines().filter_map(read_line));
        }
        Ok(all)
    }

    /// The changes that are asked for, the newest first.
    ///
    /// # Errors
    /// What cannot be read, in words.
    pub fn changes(&self, query: &ChangesQuery) -> Result<Changes, String> {
        let unreadable = |error| format!("the audit log in {} cannot be read: {error}", self.directory.display());
        let all = self.read_all().map_err(unreadable)?;
        let most = query.limit.unwrap_or(WINDOW).clamp(1, WINDOW);
        let words = query.q.to_lowercase();
        let wanted = |change: &Change| {
            query.before.is_none_or(|before| change.id < before)
                && query.since.is_none_or(|since| change.at >= since)
                && query.until.is_none_or(|until| change.at <= until)
                && (words.is_empty()
                    || change.what.to_lowercase().contains(&words)
                    || change.who.to_lowercase().contains(&words))
        };
        let mut found = all.into_iter().rev().filter(wanted);
        let changes: Vec<Change> = found.by_ref().take(most).collect();
        let next = found.next().and_then(|_| changes.last()).map(|last| last.id);
        Ok(Changes { changes, next })
    }
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).mode(0o640).open(path)
}

fn read_line(line: &str) -> Option<Change> {
    let (sum, text) = line.split_once(' ')?;
    let right = u32::from_str_radix(sum, 16).ok()? == crc32(text.as_bytes());
    right.then(|| serde_json::from_str(text).ok())?
}

fn crc32(octets: &[u8]) -> u32 {
    let mut sum = flate2::Crc::new();
    sum.update(octets);
    sum.sum()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
mod tests {
    use super::*;

    fn all(log: &ChangeLog) -> Vec<(u64, String)> {
        let told = log.changes(&ChangesQuery::default()).unwrap().changes;
        told.into_iter().map(|change| (change.id, change.what)).collect()
    }

    #[test]
    fn changes_are_kept_over_restarts_and_a_torn_line_takes_no_other_with_it() {
        let directory = tempfile::tempdir().unwrap();
        let root = Actor::Local { uid: Some(0) };
        let log = ChangeLog::new(directory.path());
        log.note_now(5, root.clone(), "reserve 10.0.0.5".to_owned(), Ok(()));
        log.note_now(6, root.clone(), "release 10.0.0.6".to_owned(), Err("nobody has it".to_owned()));
        let path = directory.path().join("changes/log");
        let mut file = OpenOptions::new().append(true).open(&path).unwrap();
        file.write_all(b"\n01234567 {\"id\":3,\"at\"").unwrap();
        let log = ChangeLog::new(directory.path());
        log.note_now(7, Actor::Daemon, "started".to_owned(), Ok(()));
        assert_eq!(all(&log), [(3, "started".into()), (2, "release 10.0.0.6".into()), (1, "reserve 10.0.0.5".into())]);
        let refused =
            log.changes(&ChangesQuery { q: "ROOT".to_owned(), limit: Some(1), ..ChangesQuery::default() }).unwrap();
        assert_eq!((refused.changes[0].refused.as_deref(), refused.next), (Some("nobody has it"), Some(2)));
        // A line whose octets were changed is no change that anybody made.
        let text = fs::read_to_string(&path).unwrap().replace("10.0.0.5", "10.0.0.7");
        fs::write(&path, text).unwrap();
        assert_eq!(all(&log).len(), 2);
    }

    #[test]
    fn the_log_is_bounded_and_the_oldest_goes() {
        let directory = tempfile::tempdir().unwrap();
        let log = ChangeLog::new(directory.path());
        fs::create_dir(directory.path().join("changes")).unwrap();
        for round in 0..12_u64 {
            log.note_now(round, Actor::Daemon, format!("round {round}"), Ok(()));
            let mut file = OpenOptions::new().append(true).open(directory.path().join("changes/log")).unwrap();
            file.write_all(&vec![b'\n'; FILE_OCTETS_MAX as usize]).unwrap();
        }
        let files = fs::read_dir(directory.path().join("changes")).unwrap().count();
        assert_eq!(files, ASIDE_MAX + 1);
        assert_eq!(all(&log).len(), ASIDE_MAX + 1);
        assert_eq!(all(&log)[0], (12, "round 11".to_owned()));
    }
}
