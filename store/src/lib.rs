//! The lease store: a journal of tagged rows; one append and one fdatasync a batch.
//!
//! Reading order: [`storage`] (the trait through which every write goes, and files), [`journal`] (the format, its
//! segments, snapshots and recovery), [`rows`] (leases, DNS work and zone records as tagged fields), [`Store`] (what
//! the daemon opens and commits to), [`db`] (check, compact, repair, dump).

pub mod archive;
pub mod db;
pub mod history;
pub mod journal;
pub mod rows;
#[cfg(any(test, feature = "simulated"))]
pub mod simulated;
pub mod storage;
mod store;

pub use journal::{CommitError, Compacted, Compaction, CompactionError, Damage, OpenError, Options, Room, Sizes};
pub use rows::{Row, RowFault};
pub use storage::FileStorage;
pub use store::{Contents, OpenReport, Store};
