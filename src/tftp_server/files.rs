//! Files beneath the root.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{OFlag, OpenHow, ResolveFlag, openat2};
use tftp::packet::{Mode, netascii};

use super::TftpError;

/// The largest file that is sent as text: it is rewritten in memory.
const TEXT_BYTES_MAX: u64 = 1 << 20;

/// The directory, held open: it stays the same one when it is renamed.
#[derive(Debug)]
pub(super) struct Root(OwnedFd);

/// Why a file cannot be had.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unavailable {
    #[error("no such file")]
    NotFound,
    #[error("it is outside of the root")]
    Outside,
    #[error("it is not a file")]
    NotAFile,
    #[error("the daemon may not read it")]
    NotReadable,
    #[error("it is too long for the mode netascii; octet has no such limit")]
    TooLongForText,
    #[error("it cannot be read")]
    Other(#[source] io::Error),
}

/// What is being sent.
pub(super) enum Source {
    File(File, u64),
    Text(Vec<u8>),
}

impl Root {
    pub(super) fn open(path: &Path) -> Result<Self, TftpError> {
        let fault = |error| TftpError::Root(path.display().to_string(), error);
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let directory = std::fs::OpenOptions::new().read(true).custom_flags(flags.bits()).open(path).map_err(fault)?;
        let root = Self(directory.into());
        // A directory that cannot be searched would make every file a missing one.
        match root.open_beneath(Path::new("."), OFlag::O_RDONLY | OFlag::O_DIRECTORY) {
            Err(Errno::ENOSYS | Errno::EPERM) => Err(TftpError::NoOpenat2),
            Err(errno) => Err(fault(errno.into())),
            Ok(_) => Ok(root),
        }
    }

    fn open_beneath(&self, path: &Path, flags: OFlag) -> Result<OwnedFd, Errno> {
        // A named pipe would be waited for without O_NONBLOCK.
        let flags = flags | OFlag::O_CLOEXEC | OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
        let beneath = ResolveFlag::RESOLVE_BENEATH | ResolveFlag::RESOLVE_NO_MAGICLINKS;
        openat2(&self.0, path, OpenHow::new().flags(flags).resolve(beneath))
    }

    /// `path` is relative, without `..`. Links are followed as long as they stay below the root.
    pub(super) fn file(&self, path: &Path, mode: Mode) -> Result<Source, Unavailable> {
        let opened = self.open_beneath(path, OFlag::O_RDONLY).map_err(|errno| match errno {
            Errno::ENOENT | Errno::ENOTDIR | Errno::ENAMETOOLONG => Unavailable::NotFound,
            // Also a chain of links that does not end.
            Errno::EXDEV | Errno::ELOOP => Unavailable::Outside,
            Errno::EACCES | Errno::EPERM => Unavailable::NotReadable,
            Errno::ENXIO | Errno::ENODEV => Unavailable::NotAFile,
            errno => Unavailable::Other(errno.into()),
        })?;
        let file = File::from(opened);
        let metadata = file.metadata().map_err(Unavailable::Other)?;
        if !metadata.is_file() {
            return Err(Unavailable::NotAFile);
        }
        if mode != Mode::Netascii {
            return Ok(Source::File(file, metadata.len()));
        }
        if metadata.len() > TEXT_BYTES_MAX {
            return Err(Unavailable::TooLongForText);
        }
        let mut bytes = vec![0; usize::try_from(metadata.len()).unwrap_or(0)];
        file.read_exact_at(&mut bytes, 0).map_err(Unavailable::Other)?;
        Ok(Source::Text(netascii(&bytes)))
    }
}

impl Source {
    pub(super) fn length(&self) -> u64 {
        match self {
            Self::File(_, length) => *length,
            Self::Text(bytes) => bytes.len() as u64,
        }
    }

    /// Appends these bytes to `out`.
    ///
    /// # Errors
    /// The file has become shorter, or cannot be read.
    pub(super) fn read(&self, range: Range<u64>, out: &mut Vec<u8>) -> io::Result<()> {
        let bytes = usize::try_from(range.end - range.start).map_err(io::Error::other)?;
        match self {
            Self::File(file, _) => {
                let start = out.len();
                out.resize(start + bytes, 0);
                file.read_exact_at(&mut out[start..], range.start)
            }
            Self::Text(text) => {
                let start = usize::try_from(range.start).map_err(io::Error::other)?;
                out.extend_from_slice(&text[start..start + bytes]);
                Ok(())
            }
        }
    }
}
