//! A storage in memory that behaves as badly as a disk may: for tests.
//!
//! Every file has two faces: what reads see, and what is durable. Between them lie the writes that were not synced.
//! [`SimStorage::crash`] drops, tears and reorders those: sector by sector some of the writes to it survive, the last
//! of them perhaps in part, whatever became of other sectors. Names that were made, renamed or removed without a
//! `sync_dir` survive as a prefix, or as any subset. After a failed sync some of the writes are durable and some are
//! not, reads show all of them, and no later sync makes up for it.
//!
//! All randomness comes from the seed: the same seed and the same calls give the same disk.

mod disk;
mod plan;
mod random;

use std::io;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use disk::Disk;
pub use plan::{Counters, Failure, Kind, Operation, Rates};
pub use random::Random;

use crate::storage::{Holder, LockError, Storage, StorageFile};

/// A directory in memory. Clones are handles to the same one.
#[derive(Clone, Debug)]
pub struct SimStorage {
    disk: Arc<Mutex<Disk>>,
    process: u32,
}

/// An open file in memory. A crash or a kill makes it useless.
#[derive(Debug)]
pub struct SimFile {
    disk: Arc<Mutex<Disk>>,
    inode: u64,
    epoch: u64,
    writable: bool,
}

/// Holds a [`SimStorage`].
#[derive(Debug)]
pub struct SimLock {
    disk: Arc<Mutex<Disk>>,
    token: u64,
}

impl Drop for SimLock {
    fn drop(&mut self) {
        lock(&self.disk).unlock(self.token);
    }
}

fn lock(disk: &Mutex<Disk>) -> MutexGuard<'_, Disk> {
    disk.lock().unwrap_or_else(PoisonError::into_inner)
}

impl SimStorage {
    /// An empty directory whose mishaps follow from `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { disk: Arc::new(Mutex::new(Disk::new(seed))), process: 1 }
    }

    /// The same directory, as another process sees it.
    #[must_use]
    pub fn as_process(&self, process: u32) -> Self {
        Self { disk: Arc::clone(&self.disk), process }
    }

    fn disk(&self) -> MutexGuard<'_, Disk> {
        lock(&self.disk)
    }

    /// The power fails and comes back: what was not synced is dropped, torn or reordered. Open files and locks are
    /// gone.
    pub fn crash(&self) {
        self.disk().crash();
    }

    /// The process is killed: nothing is lost, but open files and locks are gone.
    pub fn kill(&self) {
        self.disk().kill();
    }

    /// Plans `failure` for the operation that has this number, counted as [`SimStorage::operations`] does.
    pub fn fail_at(&self, operation: u64, failure: Failure) {
        self.disk().plan(operation, failure);
    }

    /// Plans `failure` for the next operation of this kind.
    pub fn fail_next(&self, kind: Kind, failure: Failure) {
        self.disk().plan_next(kind, failure);
    }

    /// From now on operations fail at random, so often.
    pub fn fail_randomly(&self, rates: Rates) {
        self.disk().set_rates(rates);
    }

    /// Forgets every failure that was planned or made frequent and has not come yet.
    pub fn calm(&self) {
        self.disk().calm();
    }

    /// Bytes that all files together may take; `None`: no limit.
    pub fn set_capacity(&self, bytes: Option<u64>) {
        self.disk().set_capacity(bytes);
    }

    /// Bytes that all files take.
    #[must_use]
    pub fn used(&self) -> u64 {
        self.disk().used()
    }

    /// The number of the next operation. Operations are what changes files or names, and syncs; reads are none.
    #[must_use]
    pub fn operations(&self) -> u64 {
        self.disk().operations()
    }

    /// Whether a planned crash came: every operation fails until [`SimStorage::crash`].
    #[must_use]
    pub fn crashed(&self) -> bool {
        self.disk().crashed()
    }

    /// How many operations of each kind there were.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.disk().counters()
    }

    /// The last operations, oldest first; at most 4096.
    #[must_use]
    pub fn trace(&self) -> Vec<Operation> {
        self.disk().trace()
    }

    /// A file's bytes as reads see them.
    #[must_use]
    pub fn contents(&self, name: &str) -> Option<Vec<u8>> {
        self.disk().contents(name)
    }

    /// Changes a file durably behind the store's back, as a failing disk does. Whether there is such a file.
    pub fn damage(&self, name: &str, change: impl FnOnce(&mut Vec<u8>)) -> bool {
        self.disk().damage(name, change)
    }

    /// From now on reads that touch these bytes of a file fail, as bad sectors do. Whether there is such a file.
    pub fn make_unreadable(&self, name: &str, bytes: Range<usize>) -> bool {
        self.disk().make_unreadable(name, bytes)
    }
}

impl Storage for SimStorage {
    type File = SimFile;
    type Lock = SimLock;

    fn describe(&self) -> String {
        "(simulated)".to_owned()
    }

    fn ensure(&self) -> io::Result<()> {
        self.disk().alive()
    }

    fn lock(&self, program: &str) -> Result<SimLock, LockError> {
        let mut disk = self.disk();
        disk.alive().map_err(LockError::Io)?;
        let token = disk.lock(Holder { pid: self.process, program: program.to_owned() });
        let token = token.map_err(|holder| LockError::Held(Some(holder)))?;
        drop(disk);
        Ok(SimLock { disk: Arc::clone(&self.disk), token })
    }

    fn list(&self) -> io::Result<Vec<String>> {
        self.disk().list()
    }

    fn create(&self, name: &str, len: u64) -> io::Result<SimFile> {
        let mut disk = self.disk();
        let inode = disk.create(name, len)?;
        let epoch = disk.epoch();
        drop(disk);
        Ok(SimFile { disk: Arc::clone(&self.disk), inode, epoch, writable: true })
    }

    fn open(&self, name: &str, writable: bool) -> io::Result<SimFile> {
        let disk = self.disk();
        let inode = disk.open(name)?;
        let epoch = disk.epoch();
        drop(disk);
        Ok(SimFile { disk: Arc::clone(&self.disk), inode, epoch, writable })
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.disk().rename(from, to)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.disk().remove(name)
    }

    fn make_dir(&self, _name: &str) -> io::Result<()> {
        // A name's first part is no more than a part of it here.
        self.disk().alive()
    }

    fn sync_dir(&self) -> io::Result<()> {
        self.disk().sync_dir()
    }

    fn fresh_id(&self) -> io::Result<[u8; 16]> {
        Ok(self.disk().fresh_id())
    }
}

impl SimFile {
    fn disk(&self) -> io::Result<MutexGuard<'_, Disk>> {
        let disk = lock(&self.disk);
        if disk.epoch() != self.epoch {
            return Err(io::Error::other("the process that had this file open is gone"));
        }
        Ok(disk)
    }

    fn disk_for_writing(&self) -> io::Result<MutexGuard<'_, Disk>> {
        if self.writable { self.disk() } else { Err(io::ErrorKind::PermissionDenied.into()) }
    }
}

impl StorageFile for SimFile {
    fn size(&self) -> io::Result<u64> {
        self.disk()?.size(self.inode)
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        self.disk()?.read_at(self.inode, offset, buffer)
    }

    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.disk_for_writing()?.write_at(self.inode, offset, bytes)
    }

    fn sync_data(&mut self) -> io::Result<()> {
        self.disk_for_writing()?.sync_data(self.inode)
    }
}
