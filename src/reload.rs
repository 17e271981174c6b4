//! Changes of the configuration while the daemon runs: who asks for them, and what is told.
//!
//! Whoever wants a change (SIGHUP, a command, the API) leaves an [`Order`]; whoever runs the daemon takes one at a time,
//! so that two changes never meet. The files are read and checked whole: a file with a fault changes nothing.
//!
//! Reading and checking take as long as the disk does, and may take a while for a long file: they are done on a thread of
//! their own, and left where the daemon is told to end meanwhile. What follows is done to its end.
//!
//! A reservation or a record that is put or taken out is a change of the file beside the main one: that file is written
//! first, and then taken over with the main file as it is in force, which somebody may be editing. Where it cannot be taken
//! over the former text is put back.

mod orders;
mod view;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use config::Config;
use config::beside::edit::{Edit, EditError, edited};
use config::beside::{AllFound, Found, unreadable};
use config::hidden::restored;
use tokio::sync::{oneshot, watch};
use tracing::{error, info, warn};
use web::{Actor, Refusal};

use crate::config_files::{Files, Which, write_or_put_back};
use crate::control::APPLY_WORDS;
use crate::daemon::Daemon;
use crate::service::notify::{Notifier, Word, monotonic_micros};

pub use self::orders::{Guard, Order, Orders, orders};
pub use self::view::ReloadView;

/// A refusal in words, for commands.
#[must_use]
pub fn refusal_words(refusal: Refusal) -> String {
    match refusal {
        Refusal::NotFound(words)
        | Refusal::Bad(words)
        | Refusal::Unknown(words)
        | Refusal::Forbidden(words)
        | Refusal::Conflict(words)
        | Refusal::Changed(words)
        | Refusal::Unfit(words) => words,
        Refusal::Wait(_) | Refusal::Busy => "the daemon is busy; try again".to_owned(),
        Refusal::Ending => "the daemon is ending".to_owned(),
    }
}

/// Whether the daemon was told to end.
#[derive(Clone, Debug)]
pub struct Ending(watch::Receiver<Option<&'static str>>);

impl Ending {
    /// As it is told there: by the name of a signal.
    #[must_use]
    pub fn new(told: watch::Receiver<Option<&'static str>>) -> Self {
        Self(told)
    }

    /// Waits until it was; by what.
    pub async fn told(&mut self) -> &'static str {
        match self.0.wait_for(Option::is_some).await {
            Ok(name) => name.unwrap_or_default(),
            // Whoever would tell is gone.
            Err(_) => std::future::pending().await,
        }
    }

    /// Does something that may be left at any moment; `None`: it was left, since the daemon is to end.
    async fn unless_told<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        let mut ending = self.clone();
        tokio::select! {
            done = work => Some(done),
            _ = ending.told() => None,
        }
    }
}

/// Carries orders out, for the file that the daemon was started with.
#[derive(Debug)]
pub struct Reloader {
    file: PathBuf,
    /// As they are in force.
    in_force: Option<Files>,
    ending: Ending,
    notifier: Arc<Notifier>,
}

impl Reloader {
    /// For this file, which is in force as `in_force` has it: read by whoever could, since the daemon's user need not be able to.
    /// A service manager is told of what is taken over.
    #[must_use]
    pub fn new(file: &Path, in_force: Option<Files>, ending: Ending, notifier: Arc<Notifier>) -> Self {
        Self { file: file.to_path_buf(), in_force, ending, notifier }
    }

    /// Carries one out.
    pub async fn carry_out(&mut self, order: Order, daemon: &mut Daemon) {
        // Whoever asked may have gone.
        match order {
            Order::Reload { dry_run, to } => drop(to.send(self.reload(dry_run, daemon).await.ok_or(Refusal::Ending))),
            Order::Edit { edits, dry_run, guard, to } => {
                drop(to.send(self.edit(&edits, dry_run, guard, daemon).await));
            }
            Order::Write { which, text, dry_run, guard, to } => {
                drop(to.send(self.write(which, &text, dry_run, guard, daemon).await));
            }
            Order::Files(to) => drop(to.send(self.on_the_disk())),
            Order::Check { text, to } => {
                let file = self.file.clone();
                let read = move || read(&file).map(|files| files.with_main(&text));
                let view = self.told_of(read, daemon).await.map(|(view, _)| view);
                drop(to.send(view.ok_or(Refusal::Ending)));
            }
            Order::Beside(to) => drop(to.send(self.beside())),
            Order::Texts(to) => drop(to.send(self.texts())),
        }
    }

    /// Reads the files again, as SIGHUP asks for, and tells in the log what came of it.
    pub async fn hang_up(&mut self, daemon: &mut Daemon) {
        let Some(view) = self.reload(false, daemon).await else { return };
        // The system does not tell who sent the signal.
        daemon.changes().note(Actor::Daemon, format!("{APPLY_WORDS} (SIGHUP)"), view.outcome()).await;
        if view.applied {
            view.effects.iter().for_each(|effect| warn!("configuration: {effect}"));
            info!("the configuration was read again: {} changes are in force", view.changes.len());
        } else if view.is_good() {
            info!("the configuration was read again: nothing is different");
        } else {
            view.lines(false).iter().for_each(|line| error!("{line}"));
        }
    }

    fn on_the_disk(&self) -> Result<Files, Refusal> {
        Files::read(&self.file).map_err(|error| Refusal::Conflict(format!("{error:#}")))
    }

    fn beside(&self) -> Result<String, Refusal> {
        let files = self.on_the_disk()?;
        files.beside().map(str::to_owned).map_err(Refusal::Conflict)
    }

    /// Of one that cannot be read, both as they are in force.
    pub(crate) fn texts(&self) -> Result<(String, String), Refusal> {
        let now = match (self.on_the_disk(), &self.in_force) {
            (Ok(now), _) => now,
            (Err(_), Some(in_force)) => in_force.clone(),
            (Err(refusal), None) => return Err(refusal),
        };
        let main = self.in_force.as_ref().unwrap_or(&now).main();
        Ok((main.to_owned(), now.beside().map_err(Refusal::Conflict)?.to_owned()))
    }

    /// `None`: the daemon is to end, and nothing has changed.
    async fn reload(&mut self, dry_run: bool, daemon: &mut Daemon) -> Option<ReloadView> {
        if !dry_run {
            self.notifier.tell(&[Word::Reloading(monotonic_micros())]);
        }
        let file = self.file.clone();
        let (mut view, checked) = self.told_of(move || read(&file), daemon).await?;
        if let Some((files, config)) = checked.filter(|_| !dry_run && view.is_good()) {
            take_over(&mut view, config, daemon).await;
            if view.is_good() {
                self.in_force = Some(files);
            }
        }
        if !dry_run {
            self.notifier.tell(&[Word::Ready, Word::Status(&crate::daemon::summary(&daemon.config()))]);
        }
        Some(view)
    }

    async fn edit(
        &mut self,
        edits: &[Edit],
        dry_run: bool,
        guard: Guard,
        daemon: &mut Daemon,
    ) -> Result<ReloadView, Refusal> {
        let now = self.on_the_disk()?;
        let former = now.beside().map_err(Refusal::Conflict)?.to_owned();
        guard(&former)?;
        let refused = |error: EditError| match error {
            EditError::Absent(words) => Refusal::NotFound(words),
            other => Refusal::Conflict(other.to_string()),
        };
        let text = edits.iter().try_fold(former.clone(), |text, edit| edited(&text, edit)).map_err(refused)?;
        // Somebody may be in the middle of editing the main file.
        let files = self.with_main_in_force(&now).with_beside(&text);
        let (mut view, checked) = self.told_of(move || Ok(files), daemon).await.ok_or(Refusal::Ending)?;
        let Some((files, config)) = checked.filter(|_| !dry_run && view.is_good() && text != former) else {
            view.text = view.is_good().then_some(former);
            return Ok(view);
        };
        still_says(&self.file, Which::Beside, &former)?;
        write_or_put_back(Which::Beside, &files, &now, Files::write_beside).map_err(Refusal::Conflict)?;
        take_over(&mut view, config, daemon).await;
        if view.is_good() {
            self.in_force = Some(files);
            view.text = Some(text);
        } else if let Err(error) = now.write_beside() {
            error!("{} could not be put back: {error}", now.beside_name());
        }
        Ok(view)
    }

    /// Reads and checks files, and tells what they change; with them what they come to, where nothing is wrong with them.
    /// `None`: the daemon is to end.
    async fn told_of(
        &self,
        read: impl FnOnce() -> Result<Files, AllFound> + Send + 'static,
        daemon: &Daemon,
    ) -> Option<(ReloadView, Option<(Files, Config)>)> {
        let checked = self.ending.unless_told(aside(move || {
            let files = read()?;
            files.check().map(|(config, warnings)| (files, config, warnings))
        }));
        let (files, config, warnings) = match checked.await? {
            Ok(checked) => checked,
            Err(found) => {
                return Some((ReloadView::of_faults(&found), None));
            }
        };
        let difference = daemon.difference(&config);
        let effects = match difference.is_empty() {
            true => Vec::new(),
            false => self.ending.unless_told(daemon.effects(&config)).await?,
        };
        let view = ReloadView {
            applied: false,
            changes: difference.changes.iter().map(ToString::to_string).collect(),
            effects,
            refused: difference.refused,
            faults: None,
            warnings: (!warnings.is_empty()).then(|| warnings.render(false)),
            found: list(&warnings),
            text: None,
        };
        Some((view, Some((files, config))))
    }
}

impl Reloader {
    fn with_main_in_force(&self, now: &Files) -> Files {
        match &self.in_force {
            Some(in_force) => now.clone().with_main_of(in_force),
            None => now.clone(),
        }
    }

    async fn write(
        &mut self,
        which: Which,
        text: &str,
        dry_run: bool,
        guard: Guard,
        daemon: &mut Daemon,
    ) -> Result<ReloadView, Refusal> {
        let now = self.on_the_disk()?;
        let former = now.text(which).map_err(Refusal::Conflict)?.to_owned();
        guard(&former)?;
        let files = match which {
            Which::Beside => self.with_main_in_force(&now).with_beside(text),
            Which::Main => match restored(text, &former, now.name(which)) {
                Ok(restored) => now.with_restored(restored),
                Err(faults) => {
                    return Ok(ReloadView::of_faults(&AllFound(vec![Found { faults, text: text.to_owned() }])));
                }
            },
        };
        let (mut view, checked) = self.told_of(move || Ok(files), daemon).await.ok_or(Refusal::Ending)?;
        let Some((files, config)) = checked.filter(|_| !dry_run && view.is_good()) else {
            view.text = view.is_good().then_some(former);
            return Ok(view);
        };
        let is_new = files.text(which) != Ok(&former);
        if is_new {
            still_says(&self.file, which, &former)?;
            write_or_put_back(which, &files, &now, |files| files.write(which)).map_err(Refusal::Conflict)?;
        }
        // The same text is taken over too: somebody may have written it and not applied it.
        take_over(&mut view, config, daemon).await;
        if view.is_good() {
            view.text = files.text(which).ok().map(str::to_owned);
            self.in_force = Some(files);
        } else if is_new && let Err(error) = now.write(which) {
            error!("{} could not be put back: {error}", now.name(which));
        }
        Ok(view)
    }
}

fn read(file: &Path) -> Result<Files, AllFound> {
    Files::read(file).map_err(|error| unreadable(&file.display().to_string(), &format!("{error:#}")))
}

/// Refuses to write over what somebody has saved with an editor while a change was checked.
fn still_says(file: &Path, which: Which, former: &str) -> Result<(), Refusal> {
    let now = Files::read(file).map_err(|error| Refusal::Conflict(format!("{error:#}")))?;
    match now.text(which) == Ok(former) {
        true => Ok(()),
        false => Err(Refusal::Changed(format!(
            "{} was saved by somebody else while this change was checked: read it again",
            now.name(which)
        ))),
    }
}

/// Takes over what was checked and told of.
async fn take_over(view: &mut ReloadView, config: Config, daemon: &mut Daemon) {
    match daemon.reload(config).await {
        Ok(_) => view.applied = !view.changes.is_empty(),
        Err(why) => view.refused = why.lines().map(str::to_owned).collect(),
    }
}

/// On a thread of its own, which keeps nothing from ending: a file that does not come, such as one on another machine, is
/// waited for by nobody but this thread.
async fn aside<T: Send + 'static>(work: impl FnOnce() -> Result<T, AllFound> + Send + 'static) -> Result<T, AllFound> {
    let (to, done) = oneshot::channel();
    let name = "configuration";
    let begun = std::thread::Builder::new().name(name.to_owned()).spawn(move || drop(to.send(work())));
    match begun {
        Ok(_) => done.await.unwrap_or_else(|_| Err(unreadable(name, "the check has failed, as the log tells"))),
        Err(error) => Err(unreadable(name, &error.to_string())),
    }
}

fn list(found: &AllFound) -> Vec<serde_json::Value> {
    found.to_json().as_array().cloned().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

    use super::*;

    #[test]
    fn what_an_editor_saved_while_a_change_was_checked_is_not_written_over() {
        let folder = tempfile::tempdir().unwrap();
        let main = folder.path().join("leasehold.toml");
        std::fs::write(&main, "# former").unwrap();
        assert!(still_says(&main, Which::Main, "# former").is_ok());
        assert!(still_says(&main, Which::Beside, "").is_ok(), "none is there yet");
        std::fs::write(&main, "# by an editor").unwrap();
        std::fs::write(folder.path().join("leasehold.local.toml"), "# by an editor").unwrap();
        for (which, former) in [(Which::Main, "# former"), (Which::Beside, "")] {
            assert!(matches!(still_says(&main, which, former), Err(Refusal::Changed(_))));
        }
    }
}
