//! Changes of the configuration while the daemon runs: who asks for them, and what is told.
//!
//! Whoever wants a change (SIGHUP, a command, the API) leaves an [`Order`]; whoever runs the daemon takes one at a time,
//! so that two changes never meet. The file is read and checked whole: a file with a fault changes nothing.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, oneshot};
use tracing::{error, info, warn};

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
}

impl ReloadView {
    /// Whether nothing keeps it from being taken over.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.refused.is_empty() && self.faults.is_none()
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

/// What is to be done.
#[derive(Debug)]
pub enum Order {
    /// Read the file again, and take it over unless that is only to be told.
    Reload {
        /// Only tell.
        dry_run: bool,
        /// What came of it, or why nothing could.
        to: oneshot::Sender<Result<ReloadView, String>>,
    },
}

/// Where orders are left. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Orders(mpsc::Sender<Order>);

/// A place for orders, and where they come out.
#[must_use]
pub fn orders() -> (Orders, mpsc::Receiver<Order>) {
    let (to, from) = mpsc::channel(ORDERS_MAX);
    (Orders(to), from)
}

impl Orders {
    /// Has the file read again.
    ///
    /// # Errors
    /// Why that is not possible, in words.
    pub async fn reload(&self, dry_run: bool) -> Result<ReloadView, String> {
        let (to, answer) = oneshot::channel();
        let ending = || "the daemon is ending".to_owned();
        self.0.send(Order::Reload { dry_run, to }).await.map_err(|_| ending())?;
        answer.await.map_err(|_| ending())?
    }
}

/// Carries orders out, for the file that the daemon was started with.
#[derive(Debug)]
pub struct Reloader {
    file: PathBuf,
}

impl Reloader {
    /// For this file.
    #[must_use]
    pub fn new(file: &Path) -> Self {
        Self { file: file.to_path_buf() }
    }

    /// Carries one out.
    pub async fn carry_out(&self, order: Order, daemon: &mut Daemon) {
        // Whoever asked may have gone.
        match order {
            Order::Reload { dry_run, to } => drop(to.send(self.reload(dry_run, daemon).await)),
        }
    }

    /// Reads the file again, as SIGHUP asks for, and tells in the log what came of it.
    pub async fn hang_up(&self, daemon: &mut Daemon) {
        match self.reload(false, daemon).await {
            Ok(view) if view.applied => {
                view.effects.iter().for_each(|effect| warn!("configuration: {effect}"));
                info!("the configuration was read again: {} changes are in force", view.changes.len());
            }
            Ok(view) if view.is_good() => info!("the configuration was read again: nothing is different"),
            Ok(view) => view.lines(false).iter().for_each(|line| error!("{line}")),
            Err(words) => error!("the configuration was not read again: {words}"),
        }
    }

    async fn reload(&self, dry_run: bool, daemon: &mut Daemon) -> Result<ReloadView, String> {
        let checked = match crate::commands::check::load_told(&self.file).map_err(|error| format!("{error:#}"))? {
            Ok(checked) => checked,
            Err(faults) => return Ok(ReloadView { faults: Some(faults), ..ReloadView::default() }),
        };
        let (config, warnings) = checked;
        let difference = daemon.difference(&config);
        let mut view = ReloadView {
            applied: false,
            changes: difference.changes.iter().map(ToString::to_string).collect(),
            effects: if difference.is_empty() { Vec::new() } else { daemon.effects(&config).await },
            refused: difference.refused,
            faults: None,
            warnings,
        };
        if dry_run || !view.is_good() {
            return Ok(view);
        }
        match daemon.reload(config).await {
            Ok(_) => view.applied = !view.changes.is_empty(),
            Err(why) => view.refused = why.lines().map(str::to_owned).collect(),
        }
        Ok(view)
    }
}
