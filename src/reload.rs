//! Changes of the configuration while the daemon runs: who asks for them, and what is told.
//!
//! Whoever wants a change (SIGHUP, a command, the API) leaves an [`Order`]; whoever runs the daemon takes one at a time,
//! so that two changes never meet. The files are read and checked whole: a file with a fault changes nothing.
//!
//! A reservation or a record that is put or taken out is a change of the file beside the main one: that file is written
//! first, and then taken over with the main file as it is in force, which somebody may be editing. Where it cannot be taken
//! over the former text is put back.

use std::path::{Path, PathBuf};

use config::Config;
use config::beside::edit::{Edit, EditError, edited};
use config::beside::{AllFound, Found, unreadable};
use config::hidden::restored;
use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, oneshot};
use tracing::{error, info, warn};
use web::model::{Edited, Fault};
use web::{Actor, Refusal};

use crate::config_files::{Files, Which, write_or_put_back};
use crate::control::APPLY_WORDS;
use crate::daemon::Daemon;

/// Orders that wait; more wait to be left.
const ORDERS_MAX: usize = 16;

/// What came of reading the configuration again, to be shown.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReloadView {
    /// It is in force now.
    pub applied: bool,
    /// What is different, a line for each.
    pub changes: Vec<String>,
    /// What it does to leases that are there, a sentence for each.
    pub effects: Vec<String>,
    /// Why it cannot be taken over, a sentence for each; then nothing has changed.
    pub refused: Vec<String>,
    /// What is wrong with the file, drawn as `leasehold check` does; then nothing has changed.
    pub faults: Option<String>,
    /// What is probably not meant in it, drawn so.
    pub warnings: Option<String>,
    /// All of both, as `leasehold check --json` tells them.
    #[serde(default)]
    pub found: Vec<serde_json::Value>,
    /// What the file says since that was to be changed, and in a dry run what it says; none where something is wrong.
    #[serde(skip)]
    pub text: Option<String>,
}

impl ReloadView {
    fn of_faults(found: &AllFound) -> Self {
        Self { faults: Some(found.render(false)), found: list(found), ..Self::default() }
    }

    /// Whether nothing keeps it from being taken over.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.refused.is_empty() && self.faults.is_none()
    }

    /// As the API tells it.
    #[must_use]
    pub fn edited(self) -> Edited {
        let Self { applied, changes, effects, refused, found, .. } = self;
        // Made by the same crate that they are read here from.
        let faults: Vec<Fault> = found.into_iter().filter_map(|one| serde_json::from_value(one).ok()).collect();
        Edited { applied, changes, effects, refused, faults, etag: None }
    }

    /// What came of it, for the audit log.
    ///
    /// # Errors
    /// Why it was not taken over.
    pub fn outcome(&self) -> Result<(), String> {
        match self.is_good() {
            true => Ok(()),
            false => Err(self.clone().edited().hindrance().unwrap_or_else(|| "the files have faults".to_owned())),
        }
    }

    /// In lines for people.
    #[must_use]
    pub fn lines(&self, dry_run: bool) -> Vec<String> {
        let mut lines: Vec<String> = Vec::new();
        lines.extend(self.warnings.iter().chain(&self.faults).map(|drawn| drawn.trim_end().to_owned()));
        if self.faults.is_some() {
            lines.push("the file has faults: the daemon goes on as before".to_owned());
            return lines;
        }
        lines.extend(self.changes.iter().cloned());
        lines.extend(self.effects.iter().map(|effect| format!("note: {effect}")));
        lines.extend(self.refused.iter().map(|why| format!("refused: {why}")));
        lines.push(match (self.refused.is_empty(), self.changes.is_empty(), dry_run) {
            (false, ..) => "nothing was changed: the daemon goes on as before".to_owned(),
            (true, true, _) => "nothing is different from what is in force".to_owned(),
            (true, false, true) => "nothing was changed: this was a dry run".to_owned(),
            (true, false, false) => "all of it is in force now".to_owned(),
        });
        lines
    }
}

/// Whether a change may be made to this text of the file beside the main one; asked in the same breath as it is made.
pub type Guard = Box<dyn FnOnce(&str) -> Result<(), Refusal> + Send>;

/// What is to be done.
pub enum Order {
    /// Read the files again, and take them over unless that is only to be told.
    Reload {
        /// Only tell.
        dry_run: bool,
        /// What came of it, or why nothing could.
        to: oneshot::Sender<Result<ReloadView, Refusal>>,
    },
    /// Change the file beside the main one, and take it over.
    Edit {
        /// The changes, all or none.
        edits: Vec<Edit>,
        /// Only tell.
        dry_run: bool,
        /// Refuses it, where somebody else has changed the file.
        guard: Guard,
        /// What came of it, or why nothing could.
        to: oneshot::Sender<Result<ReloadView, Refusal>>,
    },
    /// Put a text in the place of one of the files, and take it over.
    Write {
        /// Which.
        which: Which,
        /// The text; of the main file without its secrets, as it was told.
        text: String,
        /// Only tell.
        dry_run: bool,
        /// Refuses it, where somebody else has changed the file.
        guard: Guard,
        /// What came of it, or why nothing could.
        to: oneshot::Sender<Result<ReloadView, Refusal>>,
    },
    /// Tell both files as they are on the disk.
    Files(oneshot::Sender<Result<Files, Refusal>>),
    /// Tell what this text would change as the main file.
    Check {
        /// The text.
        text: String,
        /// What came of it.
        to: oneshot::Sender<Result<ReloadView, Refusal>>,
    },
    /// Tell what the file beside the main one says; empty when there is none.
    Beside(oneshot::Sender<Result<String, Refusal>>),
}

/// Where orders are left. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Orders(mpsc::Sender<Order>);

impl std::fmt::Debug for Order {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Order")
    }
}

/// A place for orders, and where they come out.
#[must_use]
pub fn orders() -> (Orders, mpsc::Receiver<Order>) {
    let (to, from) = mpsc::channel(ORDERS_MAX);
    (Orders(to), from)
}

impl Orders {
    /// Has the files read again.
    ///
    /// # Errors
    /// Why that is not possible.
    pub async fn reload(&self, dry_run: bool) -> Result<ReloadView, Refusal> {
        self.give(|to| Order::Reload { dry_run, to }).await
    }

    /// Has the file beside the main one changed.
    ///
    /// # Errors
    /// Why that is not possible.
    pub async fn edit(&self, edits: Vec<Edit>, dry_run: bool, guard: Guard) -> Result<ReloadView, Refusal> {
        self.give(|to| Order::Edit { edits, dry_run, guard, to }).await
    }

    /// Has one of the files replaced.
    ///
    /// # Errors
    /// Why that is not possible.
    pub async fn write(&self, which: Which, text: String, dry_run: bool, guard: Guard) -> Result<ReloadView, Refusal> {
        self.give(|to| Order::Write { which, text, dry_run, guard, to }).await
    }

    /// Both files as they are on the disk.
    ///
    /// # Errors
    /// They cannot be read.
    pub async fn files(&self) -> Result<Files, Refusal> {
        self.give(Order::Files).await
    }

    /// Has a text checked.
    ///
    /// # Errors
    /// The daemon is ending.
    pub async fn check(&self, text: String) -> Result<ReloadView, Refusal> {
        self.give(|to| Order::Check { text, to }).await
    }

    /// What the file beside the main one says.
    ///
    /// # Errors
    /// It cannot be read.
    pub async fn beside(&self) -> Result<String, Refusal> {
        self.give(Order::Beside).await
    }

    async fn give<T>(&self, order: impl FnOnce(oneshot::Sender<Result<T, Refusal>>) -> Order) -> Result<T, Refusal> {
        let (to, answer) = oneshot::channel();
        self.0.send(order(to)).await.map_err(|_| Refusal::Ending)?;
        answer.await.map_err(|_| Refusal::Ending)?
    }
}

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

/// Carries orders out, for the file that the daemon was started with.
#[derive(Debug)]
pub struct Reloader {
    file: PathBuf,
    /// As they are in force.
    in_force: Option<Files>,
}

impl Reloader {
    /// For this file, which is in force as it is now.
    #[must_use]
    pub fn new(file: &Path) -> Self {
        Self { file: file.to_path_buf(), in_force: Files::read(file).ok() }
    }

    /// Carries one out.
    pub async fn carry_out(&mut self, order: Order, daemon: &mut Daemon) {
        // Whoever asked may have gone.
        match order {
            Order::Reload { dry_run, to } => drop(to.send(Ok(self.reload(dry_run, daemon).await))),
            Order::Edit { edits, dry_run, guard, to } => {
                drop(to.send(self.edit(&edits, dry_run, guard, daemon).await));
            }
            Order::Write { which, text, dry_run, guard, to } => {
                drop(to.send(self.write(which, &text, dry_run, guard, daemon).await));
            }
            Order::Files(to) => drop(to.send(self.on_the_disk())),
            Order::Check { text, to } => {
                let files = self.read().map(|files| files.with_main(&text));
                drop(to.send(Ok(take_over(files.as_ref(), true, daemon).await)));
            }
            Order::Beside(to) => drop(to.send(self.beside())),
        }
    }

    /// Reads the files again, as SIGHUP asks for, and tells in the log what came of it.
    pub async fn hang_up(&mut self, daemon: &mut Daemon) {
        let view = self.reload(false, daemon).await;
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

    fn read(&self) -> Result<Files, AllFound> {
        Files::read(&self.file).map_err(|error| unreadable(&self.file.display().to_string(), &format!("{error:#}")))
    }

    fn on_the_disk(&self) -> Result<Files, Refusal> {
        Files::read(&self.file).map_err(|error| Refusal::Conflict(format!("{error:#}")))
    }

    fn beside(&self) -> Result<String, Refusal> {
        let files = self.on_the_disk()?;
        files.beside().map(str::to_owned).map_err(Refusal::Conflict)
    }

    async fn reload(&mut self, dry_run: bool, daemon: &mut Daemon) -> ReloadView {
        let files = self.read();
        let view = take_over(files.as_ref(), dry_run, daemon).await;
        if let Ok(files) = files
            && view.is_good()
            && !dry_run
        {
            self.in_force = Some(files);
        }
        view
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
        let told = take_over(Ok(&files), true, daemon).await;
        if dry_run || !told.is_good() || text == former {
            return Ok(ReloadView { text: told.is_good().then_some(former), ..told });
        }
        write_or_put_back(Which::Beside, &files, &now, Files::write_beside).map_err(Refusal::Conflict)?;
        let mut view = take_over(Ok(&files), false, daemon).await;
        if view.is_good() {
            self.in_force = Some(files);
            view.text = Some(text);
        } else if let Err(error) = now.write_beside() {
            error!("{} could not be put back: {error}", now.beside_name());
        }
        Ok(view)
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
        let told = take_over(Ok(&files), true, daemon).await;
        if dry_run || !told.is_good() {
            return Ok(ReloadView { text: told.is_good().then_some(former), ..told });
        }
        let is_new = files.text(which) != Ok(&former);
        if is_new {
            write_or_put_back(which, &files, &now, |files| files.write(which)).map_err(Refusal::Conflict)?;
        }
        // The same text is taken over too: somebody may have written it and not applied it.
        let mut view = take_over(Ok(&files), false, daemon).await;
        if view.is_good() {
            view.text = files.text(which).ok().map(str::to_owned);
            self.in_force = Some(files);
        } else if is_new && let Err(error) = now.write(which) {
            error!("{} could not be put back: {error}", now.name(which));
        }
        Ok(view)
    }
}

/// Checks the files, tells what they change, and takes them over unless that is only to be told.
async fn take_over(files: Result<&Files, &AllFound>, dry_run: bool, daemon: &mut Daemon) -> ReloadView {
    let (config, warnings): (Config, AllFound) = match files.map_err(Clone::clone).and_then(Files::check) {
        Ok(checked) => checked,
        Err(found) => {
            return ReloadView::of_faults(&found);
        }
    };
    let difference = daemon.difference(&config);
    let mut view = ReloadView {
        applied: false,
        changes: difference.changes.iter().map(ToString::to_string).collect(),
        effects: if difference.is_empty() { Vec::new() } else { daemon.effects(&config).await },
        refused: difference.refused,
        faults: None,
        warnings: (!warnings.is_empty()).then(|| warnings.render(false)),
        found: list(&warnings),
        text: None,
    };
    if dry_run || !view.is_good() {
        return view;
    }
    match daemon.reload(config).await {
        Ok(_) => view.applied = !view.changes.is_empty(),
        Err(why) => view.refused = why.lines().map(str::to_owned).collect(),
    }
    view
}

fn list(found: &AllFound) -> Vec<serde_json::Value> {
    found.to_json().as_array().cloned().unwrap_or_default()
}
