//! Orders about the configuration: who leaves one waits for what comes of it.

use std::path::Path;
use std::sync::Arc;

use config::beside::edit::Edit;
use tokio::sync::{mpsc, oneshot};
use web::Refusal;

use super::ReloadView;
use crate::config_files::{Files, Which};

/// Orders that wait; more wait to be left.
const ORDERS_MAX: usize = 16;

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
    /// Tell what the main file says as it is in force, and the one beside it.
    Texts(oneshot::Sender<Result<(String, String), Refusal>>),
}

/// Where orders are left. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Orders {
    to: mpsc::Sender<Order>,
    file: Arc<Path>,
}

impl std::fmt::Debug for Order {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Order")
    }
}

/// A place for orders about the configuration of this file, and where they come out.
#[must_use]
pub fn orders(file: &Path) -> (Orders, mpsc::Receiver<Order>) {
    let (to, from) = mpsc::channel(ORDERS_MAX);
    (Orders { to, file: Arc::from(file) }, from)
}

impl Orders {
    /// The main file of the configuration.
    #[must_use]
    pub fn file(&self) -> &Path {
        &self.file
    }

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

    /// What the main file says as it is in force, and the one beside it.
    ///
    /// # Errors
    /// They cannot be read.
    pub async fn texts(&self) -> Result<(String, String), Refusal> {
        self.give(Order::Texts).await
    }

    async fn give<T>(&self, order: impl FnOnce(oneshot::Sender<Result<T, Refusal>>) -> Order) -> Result<T, Refusal> {
        let (to, answer) = oneshot::channel();
        self.to.send(order(to)).await.map_err(|_| Refusal::Ending)?;
        answer.await.map_err(|_| Refusal::Ending)?
    }
}
