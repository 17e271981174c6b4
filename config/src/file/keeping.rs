//! What is kept of what was: the history of leases, and backups.

use schemars::JsonSchema;
use serde::Deserialize;

use super::at::At;
use super::kinds::{Duration, FilePath, HowOften, SizeText};

/// The history of leases: who had which address when.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct History {
    /// What is kept: everything, nothing that a person could be known by, or nothing at all.
    pub record: Option<HistoryWord>,
    /// How long it is kept.
    pub keep: Option<At<Duration>>,
    /// How much room it may take on disk; the oldest goes first.
    pub max_size: Option<At<SizeText>>,
}

/// What of a lease goes into its history.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum HistoryWord {
    /// Everything.
    Whole,
    /// Addresses and identifiers, but neither names nor what a relay says of the place.
    Nameless,
    /// Nothing is kept.
    Off,
}

/// Backups that are made while the daemon runs.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Backup {
    /// How often one is made.
    pub every: Option<At<HowOften>>,
    /// How many are kept.
    pub keep: Option<At<u32>>,
    /// Where they are kept; else in `backups` in the store's directory.
    pub directory: Option<At<FilePath>>,
}
