//! What operations there are, and what may go wrong with them.

use std::collections::BTreeMap;

/// What goes wrong with an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The power fails in the middle of it.
    Crash,
    /// It fails with an input/output error; how much of it was done is left to chance.
    Io,
    /// It finds the disk full, and nothing is done.
    NoSpace,
}

/// The kinds of operations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A file is made.
    Create,
    /// Bytes are written.
    Write,
    /// A file is synced.
    Sync,
    /// A name changes.
    Rename,
    /// A name goes.
    Remove,
    /// The directory is synced.
    SyncDir,
}

/// One operation of the trace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operation {
    /// Its number.
    pub number: u64,
    /// What it was.
    pub kind: Kind,
    /// The file's name at that time; empty for the directory.
    pub file: String,
    /// Where, for a write.
    pub offset: u64,
    /// How many bytes, for a write or a creation.
    pub bytes: u64,
    /// What went wrong with it.
    pub failure: Option<Failure>,
}

/// How many operations of each kind there were, failed ones included.
pub type Counters = BTreeMap<Kind, u64>;

/// How often operations fail by themselves: once in so many; 0: never.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rates {
    /// Writes that fail.
    pub write: u64,
    /// Syncs that fail, of files and of the directory.
    pub sync: u64,
    /// Creations that find the disk full.
    pub space: u64,
}
