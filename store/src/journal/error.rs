//! Why a store does not open, in words that say what to do.

use std::fmt;
use std::io;

use crate::storage::LockError;

/// A place in the store that is not as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// The file's name in the store's directory.
    pub file: String,
    /// Where in the file, in bytes.
    pub offset: u64,
    /// What is wrong there.
    pub what: String,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at byte {}: {}", self.file, self.offset, self.what)
    }
}

/// Why a store does not open. Nothing is lost: the files are as they were.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Another daemon, or a `db` command that writes, holds it.
    #[error("the store {directory} is {lock}; stop that first, or give this one a directory of its own")]
    Locked {
        /// The store.
        directory: String,
        /// Who holds it.
        lock: LockError,
    },
    /// The directory's parent is missing.
    #[error("the store {directory} cannot be made: its parent directory is missing; make that, or correct the path")]
    NoDirectory {
        /// The store.
        directory: String,
    },
    /// There is no store to read.
    #[error("there is no store in {directory}; correct the path, or run the daemon once to make one")]
    NoStore {
        /// The directory.
        directory: String,
    },
    /// The user that runs this may not.
    #[error("no permission for {file} of the store {directory}; its owner must be the user that runs leasehold")]
    NoPermission {
        /// The store.
        directory: String,
        /// The file.
        file: String,
        /// What the system said.
        source: io::Error,
    },
    /// No room for what opening needs.
    #[error("the disk of the store {directory} is full: {file} needs {bytes} bytes; free some space and start again")]
    Full {
        /// The store.
        directory: String,
        /// What needs room.
        file: String,
        /// How much.
        bytes: u64,
    },
    /// A newer program wrote it.
    #[error(
        "the store {directory} was written by another version: {file} has format {format}, this program reads up to \
         {reads}; run the version that wrote it, or a newer one"
    )]
    OtherVersion {
        /// The store.
        directory: String,
        /// The file.
        file: String,
        /// Its format.
        format: u16,
        /// The newest format that this program reads.
        reads: u16,
    },
    /// It holds rows of a kind that must not be ignored and that this program does not know.
    #[error(
        "the store {directory} holds rows of stream {stream}, which this version does not know and must not ignore \
         (first in {file}); run the version that wrote it, or a newer one"
    )]
    UnknownStream {
        /// The store.
        directory: String,
        /// The first file that holds one.
        file: String,
        /// The stream.
        stream: u8,
    },
    /// It holds a row with a field that must not be ignored and that this program does not know.
    #[error(
        "the store {directory} holds a row that this version cannot read, in {file}: {what}; run the version that \
         wrote it, or a newer one"
    )]
    LaterRow {
        /// The store.
        directory: String,
        /// The file.
        file: String,
        /// What is unknown.
        what: String,
    },
    /// What was durable once is not as it was written.
    #[error(
        "the store {directory} is damaged: {damage}; run `leasehold db check` to see all of it, then \
         `leasehold db repair`, which keeps the damaged files"
    )]
    Damaged {
        /// The store.
        directory: String,
        /// The first place.
        damage: Damage,
    },
    /// The system failed.
    #[error("{file} of the store {directory} cannot be used; the system's log may say more about its disk")]
    Io {
        /// The store.
        directory: String,
        /// The file.
        file: String,
        /// What the system said.
        source: io::Error,
    },
}

impl OpenError {
    /// What the system said about `file`, sorted by what the operator can do about it.
    pub(crate) fn io(directory: String, file: &str, bytes: u64, source: io::Error) -> Self {
        let file = file.to_owned();
        if crate::storage::is_full(&source) {
            return Self::Full { directory, file, bytes };
        }
        match source.kind() {
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                Self::NoPermission { directory, file, source }
            }
            _ => Self::Io { directory, file, source },
        }
    }
}

/// Why a file could not be read as what it should be; the directory is added by who opens the store.
#[derive(Debug)]
pub(crate) enum ReadFault {
    Io { file: String, source: io::Error },
    OtherVersion { file: String, format: u16 },
    UnknownStream { file: String, stream: u8 },
    LaterRow { file: String, what: String },
    Damaged(Damage),
}

impl ReadFault {
    pub(crate) fn damaged(file: &str, offset: u64, what: impl Into<String>) -> Self {
        Self::Damaged(Damage { file: file.to_owned(), offset, what: what.into() })
    }

    pub(crate) fn io(file: &str) -> impl FnOnce(io::Error) -> Self + '_ {
        move |source| Self::Io { file: file.to_owned(), source }
    }

    pub(crate) fn into_open_error(self, directory: String) -> OpenError {
        match self {
            Self::Io { file, source } => OpenError::io(directory, &file, 0, source),
            Self::OtherVersion { file, format } => {
                OpenError::OtherVersion { directory, file, format, reads: super::superblock::FORMAT }
            }
            Self::UnknownStream { file, stream } => OpenError::UnknownStream { directory, file, stream },
            Self::LaterRow { file, what } => OpenError::LaterRow { directory, file, what },
            Self::Damaged(damage) => OpenError::Damaged { directory, damage },
        }
    }
}

impl fmt::Display for ReadFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io { file, source } => write!(f, "{file} cannot be read: {source}"),
            Self::OtherVersion { file, format } => write!(f, "{file} has format {format}, of another version"),
            Self::UnknownStream { file, stream } => write!(f, "{file} holds rows of the unknown stream {stream}"),
            Self::LaterRow { file, what } => write!(f, "{file} holds a row of a later version: {what}"),
            Self::Damaged(damage) => damage.fmt(f),
        }
    }
}
