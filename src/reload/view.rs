//! What came of reading the configuration again, to be shown.

use config::beside::AllFound;
use serde::{Deserialize, Serialize};
use web::model::{Edited, Fault};

use super::list;

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
    pub(super) fn of_faults(found: &AllFound) -> Self {
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
