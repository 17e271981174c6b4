//! Where the store's files live: a directory, behind a trait.
//!
//! Every byte that the store writes goes through [`Storage`] and [`StorageFile`], so that tests can tear, drop,
//! reorder and fail any write (`simulated`), and so that nothing above depends on paths or descriptors.
//!
//! What an implementation promises, and what it does not:
//! - A write is visible to reads at once and durable only after [`StorageFile::sync_data`]. Until then a crash may
//!   keep any part of it, in any order.
//! - A created, renamed or removed name is visible at once and durable only after [`Storage::sync_dir`].
//! - After a failed `sync_data` nobody knows which of the unsynced bytes are durable, and a second `sync_data` does
//!   not tell either: the system has marked them clean. Only writing them again does.

mod files;

use std::{fmt, io};

pub use files::{FileLock, FileStorage, PlainFile};

/// Why the store could not be taken for writing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LockError {
    /// Another process holds it.
    #[error("in use by {}", Holder::describe(.0.as_ref()))]
    Held(Option<Holder>),
    /// The lock file could not be made, opened or locked.
    #[error("its lock file cannot be taken")]
    Io(#[source] io::Error),
}

/// The process that holds a store, as its lock file says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// Its process id.
    pub pid: u32,
    /// The program, as it named itself.
    pub program: String,
}

impl Holder {
    fn describe(holder: Option<&Self>) -> String {
        match holder {
            Some(Self { pid, program }) => format!("process {pid} ({program})"),
            None => "another process".to_owned(),
        }
    }

    /// From the text of a lock file: the process id, a space, the program, a line end.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (pid, program) = text.trim_end().split_once(' ')?;
        Some(Self { pid: pid.parse().ok()?, program: program.to_owned() })
    }
}

/// A directory of files. Names are plain (`segment-0000000001`), or one directory deep (`kept-1/segment-0000000001`)
/// beneath one made by [`Storage::make_dir`]. Clones are handles to the same directory.
pub trait Storage: Clone + fmt::Debug + Send + 'static {
    /// An open file.
    type File: StorageFile;
    /// Holds the store for one process until it is dropped.
    type Lock: fmt::Debug + Send + Sync + 'static;

    /// The directory, for an operator's eyes.
    fn describe(&self) -> String;

    /// Makes the directory when it is missing and its parent is there.
    ///
    /// # Errors
    /// What the system says; `NotFound`: the parent is missing.
    fn ensure(&self) -> io::Result<()>;

    /// Takes the store for this process, named `program` to those who come later.
    ///
    /// # Errors
    /// [`LockError::Held`] with the holder's process id when another process has it.
    fn lock(&self, program: &str) -> Result<Self::Lock, LockError>;

    /// The plain names in the directory, in no order.
    ///
    /// # Errors
    /// What the system says.
    fn list(&self) -> io::Result<Vec<String>>;

    /// Makes a file of `len` bytes that read as zero, with the space for them reserved, so that writing them later
    /// cannot find the disk full. A file of that name is replaced.
    ///
    /// # Errors
    /// `StorageFull` or `QuotaExceeded` when there is no room (no file is left then); else what the system says.
    fn create(&self, name: &str, len: u64) -> io::Result<Self::File>;

    /// Opens a file for reading, and for writing when `writable`.
    ///
    /// # Errors
    /// What the system says.
    fn open(&self, name: &str, writable: bool) -> io::Result<Self::File>;

    /// Renames, replacing what had the name `to`.
    ///
    /// # Errors
    /// What the system says.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// Removes a name. Who has the file open keeps it.
    ///
    /// # Errors
    /// What the system says.
    fn remove(&self, name: &str) -> io::Result<()>;

    /// Makes a directory beneath this one; one that is there already is well.
    ///
    /// # Errors
    /// What the system says.
    fn make_dir(&self, name: &str) -> io::Result<()>;

    /// Makes every created, renamed and removed name durable.
    ///
    /// # Errors
    /// What the system says; which of them are durable is then unknown.
    fn sync_dir(&self) -> io::Result<()>;

    /// Sixteen bytes that no other store has: a new store's identity.
    ///
    /// # Errors
    /// What the system's source of randomness says.
    fn fresh_id(&self) -> io::Result<[u8; 16]>;
}

/// An open file of a [`Storage`].
pub trait StorageFile: fmt::Debug + Send + 'static {
    /// Its length in bytes.
    ///
    /// # Errors
    /// What the system says.
    fn size(&self) -> io::Result<u64>;

    /// Reads at `offset` until `buffer` is full or the file ends; how many bytes were read.
    ///
    /// # Errors
    /// What the system says.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize>;

    /// Writes all of `bytes` at `offset`, growing the file when it ends before.
    ///
    /// # Errors
    /// What the system says; a part of `bytes` may then be written.
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()>;

    /// Makes every byte written so far durable (fdatasync).
    ///
    /// # Errors
    /// What the system says; which of them are durable is then unknown.
    fn sync_data(&mut self) -> io::Result<()>;
}

/// Whether an error says that the disk, or the quota, is full.
#[must_use]
pub fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}
