//! A real directory.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt, OpenOptionsExt, lchown};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nix::errno::Errno;
use nix::fcntl::{FallocateFlags, Flock, FlockArg, fallocate};
use nix::unistd::Uid;

use super::{Holder, LockError, Storage, StorageFile};

/// The lock's file. It stays when its holder ends: the lock counts, not the file.
const LOCK_FILE: &str = "lock";

/// Leases tell who was where and when: not for everybody's eyes.
const DIR_MODE: u32 = 0o750;
const FILE_MODE: u32 = 0o640;

/// How much is written at once where the file system cannot reserve space.
const ZEROS: usize = 64 * 1024;

/// A directory of a file system.
#[derive(Clone, Debug)]
pub struct FileStorage {
    directory: Arc<Path>,
}

impl FileStorage {
    /// The store in `directory`. Nothing is touched yet.
    #[must_use]
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self { directory: directory.into().into() }
    }

    /// The directory.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// Root gives what it makes to the directory's owner: `leasehold db repair` as root must not leave files that the
    /// daemon's user cannot open.
    fn give_to_owner(&self, made: &Path) -> io::Result<()> {
        if !Uid::effective().is_root() {
            return Ok(());
        }
        let owner = fs::metadata(&*self.directory)?;
        let is = fs::symlink_metadata(made)?;
        if (is.uid(), is.gid()) == (owner.uid(), owner.gid()) {
            return Ok(());
        }
        lchown(made, Some(owner.uid()), Some(owner.gid()))
    }
}

/// Holds the directory's lock.
#[derive(Debug)]
pub struct FileLock {
    _file: Flock<File>,
}

/// An open file of a directory.
#[derive(Debug)]
pub struct PlainFile {
    file: File,
}

impl Storage for FileStorage {
    type File = PlainFile;
    type Lock = FileLock;

    fn describe(&self) -> String {
        self.directory.display().to_string()
    }

    fn ensure(&self) -> io::Result<()> {
        match fs::DirBuilder::new().mode(DIR_MODE).create(&self.directory) {
            Ok(()) => sync_directory(self.directory.parent().unwrap_or(Path::new("/"))),
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists && self.directory.is_dir() => Ok(()),
            Err(e) => Err(e),
        }
    }

    fn lock(&self, program: &str) -> Result<FileLock, LockError> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(FILE_MODE)
            .open(self.path(LOCK_FILE))
            .map_err(LockError::Io)?;
        self.give_to_owner(&self.path(LOCK_FILE)).map_err(LockError::Io)?;
        let mut file = match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(file) => file,
            Err((mut file, Errno::EWOULDBLOCK)) => {
                let mut text = String::new();
                // The holder may be writing its name this moment; then it stays unnamed.
                let read = file.read_to_string(&mut text);
                return Err(LockError::Held(read.ok().and_then(|_| Holder::parse(&text))));
            }
            Err((_, errno)) => return Err(LockError::Io(errno.into())),
        };
        file.set_len(0)
            .and_then(|()| writeln!(&mut *file, "{} {program}", std::process::id()))
            // A full disk must not keep the daemon from its leases; the next one is then refused without a name.
            .or_else(|e| if super::is_full(&e) { Ok(()) } else { Err(e) })
            .map_err(LockError::Io)?;
        Ok(FileLock { _file: file })
    }

    fn list(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.directory)? {
            // A name that is not UTF-8 is none of ours.
            if let Ok(name) = entry?.file_name().into_string() {
                names.push(name);
            }
        }
        Ok(names)
    }

    fn create(&self, name: &str, len: u64) -> io::Result<PlainFile> {
        let path = self.path(name);
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(true).mode(FILE_MODE).open(&path)?;
        if let Err(e) = self.give_to_owner(&path).and_then(|()| reserve(&file, len)) {
            // What could not be reserved whole must not keep what it got.
            let _ = fs::remove_file(&path);
            return Err(e);
        }
        Ok(PlainFile { file })
    }

    fn open(&self, name: &str, writable: bool) -> io::Result<PlainFile> {
        Ok(PlainFile { file: OpenOptions::new().read(true).write(writable).open(self.path(name))? })
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.path(from), self.path(to))?;
        // A name in a directory beneath is that directory's to make durable.
        match to.split_once('/') {
            Some((directory, _)) => sync_directory(&self.path(directory)),
            None => Ok(()),
        }
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        fs::remove_file(self.path(name))
    }

    fn make_dir(&self, name: &str) -> io::Result<()> {
        match fs::DirBuilder::new().mode(DIR_MODE).create(self.path(name)) {
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            Err(e) => Err(e),
            Ok(()) => self.give_to_owner(&self.path(name)),
        }
    }

    fn sync_dir(&self) -> io::Result<()> {
        sync_directory(&self.directory)
    }

    fn fresh_id(&self) -> io::Result<[u8; 16]> {
        let mut id = [0; 16];
        File::open("/dev/urandom")?.read_exact(&mut id)?;
        Ok(id)
    }
}

fn sync_directory(directory: &Path) -> io::Result<()> {
    let directory = if directory.as_os_str().is_empty() { Path::new(".") } else { directory };
    File::open(directory)?.sync_all()
}

/// Reserves `len` bytes. Where the file system cannot (fallocate unsupported), zeros are written instead.
fn reserve(file: &File, len: u64) -> io::Result<()> {
    if len == 0 {
        return Ok(());
    }
    let signed = i64::try_from(len).map_err(|_| io::Error::from(io::ErrorKind::FileTooLarge))?;
    loop {
        match fallocate(file, FallocateFlags::empty(), 0, signed) {
            Ok(()) => return Ok(()),
            Err(Errno::EINTR) => {}
            Err(Errno::EOPNOTSUPP | Errno::ENOSYS) => break,
            Err(errno) => return Err(errno.into()),
        }
    }
    let zeros = vec![0; ZEROS];
    let mut at = 0;
    while at < len {
        let part = usize::try_from(len - at).map_or(ZEROS, |rest| rest.min(ZEROS));
        file.write_all_at(&zeros[..part], at)?;
        at += part as u64;
    }
    file.sync_data()
}

impl StorageFile for PlainFile {
    fn size(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let mut done = 0;
        while done < buffer.len() {
            match self.file.read_at(&mut buffer[done..], offset + done as u64) {
                Ok(0) => break,
                Ok(n) => done += n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        Ok(done)
    }

    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all_at(bytes, offset)
    }

    fn sync_data(&mut self) -> io::Result<()> {
        self.file.sync_data()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failing step is a failing test")]
mod tests {
    use super::*;

    #[test]
    fn a_second_holder_is_refused_by_process_and_program() {
        let dir = tempfile::tempdir().unwrap();
        let storage = FileStorage::new(dir.path());
        let first = storage.lock("leasehold").unwrap();
        let refused = storage.lock("leasehold").unwrap_err();
        assert_eq!(refused.to_string(), format!("in use by process {} (leasehold)", std::process::id()));
        drop(first);
        storage.lock("leasehold").unwrap();
    }

    #[test]
    fn a_created_file_reads_as_zeros_and_takes_writes() {
        let dir = tempfile::tempdir().unwrap();
        let storage = FileStorage::new(dir.path().join("new"));
        storage.ensure().unwrap();
        storage.ensure().unwrap();
        let mut file = storage.create("f", 100_000).unwrap();
        file.write_at(99_990, b"0123456789").unwrap();
        file.sync_data().unwrap();
        let mut back = [1; 20];
        assert_eq!(file.read_at(99_980, &mut back).unwrap(), 20);
        assert_eq!(&back, b"\0\0\0\0\0\0\0\0\0\x000123456789");
        assert_eq!(file.read_at(99_995, &mut back).unwrap(), 5);
        assert_eq!(file.size().unwrap(), 100_000);
        storage.rename("f", "g").unwrap();
        storage.sync_dir().unwrap();
        assert_eq!(storage.list().unwrap(), ["g"]);
    }

    #[test]
    fn a_directory_without_a_parent_is_not_made() {
        let dir = tempfile::tempdir().unwrap();
        let storage = FileStorage::new(dir.path().join("a/b"));
        assert_eq!(storage.ensure().unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
