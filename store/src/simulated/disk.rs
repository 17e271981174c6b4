//! The disk: what is seen, what is durable, and what lies between.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::io;
use std::ops::Range;

use super::plan::{Counters, Failure, Kind, Operation, Rates};
use super::random::Random;
use crate::storage::Holder;

/// What a disk writes wholly or not at all, most of the time.
const SECTOR: usize = 512;

/// How many operations the trace remembers.
const TRACE: usize = 4096;

#[derive(Debug, Default)]
struct File {
    name: String,
    seen: Vec<u8>,
    durable: Vec<u8>,
    pending: Vec<Write>,
    /// Reads that touch these bytes fail.
    unreadable: Option<Range<usize>>,
}

#[derive(Debug)]
struct Write {
    offset: usize,
    bytes: Vec<u8>,
}

#[derive(Clone, Debug)]
enum NameChange {
    Create(String, u64),
    Rename(String, String, u64),
    Remove(String),
}

#[derive(Debug)]
pub(super) struct Disk {
    random: Random,
    files: HashMap<u64, File>,
    names: BTreeMap<String, u64>,
    durable_names: BTreeMap<String, u64>,
    pending_names: Vec<NameChange>,
    next_inode: u64,
    epoch: u64,
    holder: Option<(u64, Holder)>,
    next_token: u64,
    operations: u64,
    plan: Vec<(u64, Failure)>,
    plan_next: Vec<(Kind, Failure)>,
    rates: Rates,
    capacity: Option<u64>,
    crashed: bool,
    counters: Counters,
    trace: VecDeque<Operation>,
}

fn io_error(what: &str) -> io::Error {
    io::Error::other(format!("simulated: {what}"))
}

impl Disk {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            random: Random::new(seed),
            files: HashMap::new(),
            names: BTreeMap::new(),
            durable_names: BTreeMap::new(),
            pending_names: Vec::new(),
            next_inode: 1,
            epoch: 0,
            holder: None,
            next_token: 1,
            operations: 0,
            plan: Vec::new(),
            plan_next: Vec::new(),
            rates: Rates::default(),
            capacity: None,
            crashed: false,
            counters: Counters::new(),
            trace: VecDeque::new(),
        }
    }

    pub(super) fn plan(&mut self, operation: u64, failure: Failure) {
        self.plan.push((operation, failure));
    }

    pub(super) fn plan_next(&mut self, kind: Kind, failure: Failure) {
        self.plan_next.push((kind, failure));
    }

    pub(super) fn set_rates(&mut self, rates: Rates) {
        self.rates = rates;
    }

    pub(super) fn calm(&mut self) {
        self.plan.clear();
        self.plan_next.clear();
        self.rates = Rates::default();
    }

    pub(super) fn set_capacity(&mut self, bytes: Option<u64>) {
        self.capacity = bytes;
    }

    pub(super) fn used(&self) -> u64 {
        self.names.values().filter_map(|inode| self.files.get(inode)).map(|file| file.seen.len() as u64).sum()
    }

    pub(super) fn operations(&self) -> u64 {
        self.operations
    }

    pub(super) fn crashed(&self) -> bool {
        self.crashed
    }

    pub(super) fn epoch(&self) -> u64 {
        self.epoch
    }

    pub(super) fn counters(&self) -> Counters {
        self.counters.clone()
    }

    pub(super) fn trace(&self) -> Vec<Operation> {
        self.trace.iter().cloned().collect()
    }

    pub(super) fn contents(&self, name: &str) -> Option<Vec<u8>> {
        Some(self.files.get(self.names.get(name)?)?.seen.clone())
    }

    pub(super) fn damage(&mut self, name: &str, change: impl FnOnce(&mut Vec<u8>)) -> bool {
        let Some(file) = self.names.get(name).and_then(|inode| self.files.get_mut(inode)) else { return false };
        change(&mut file.seen);
        file.durable.clone_from(&file.seen);
        file.pending.clear();
        true
    }

    pub(super) fn make_unreadable(&mut self, name: &str, bytes: Range<usize>) -> bool {
        let Some(file) = self.names.get(name).and_then(|inode| self.files.get_mut(inode)) else { return false };
        file.unreadable = Some(bytes);
        true
    }

    pub(super) fn fresh_id(&mut self) -> [u8; 16] {
        let (high, low) = (self.random.next_u64(), self.random.next_u64());
        ((u128::from(high) << 64) | u128::from(low)).to_le_bytes()
    }

    pub(super) fn alive(&self) -> io::Result<()> {
        if self.crashed { Err(io_error("the machine is down")) } else { Ok(()) }
    }

    pub(super) fn lock(&mut self, holder: Holder) -> Result<u64, Holder> {
        if let Some((_, holder)) = &self.holder {
            return Err(holder.clone());
        }
        let token = self.next_token;
        self.next_token += 1;
        self.holder = Some((token, holder));
        Ok(token)
    }

    pub(super) fn unlock(&mut self, token: u64) {
        self.holder = self.holder.take().filter(|(held, _)| *held != token);
    }

    pub(super) fn list(&self) -> io::Result<Vec<String>> {
        self.alive()?;
        Ok(self.names.keys().filter(|name| !name.contains('/')).cloned().collect())
    }

    /// Counts an operation, and decides whether it fails. A planned crash takes the machine down; the operation may
    /// still have an effect before.
    fn begin(&mut self, kind: Kind, file: &str, offset: u64, bytes: u64) -> io::Result<Option<Failure>> {
        self.alive()?;
        let number = self.operations;
        self.operations += 1;
        *self.counters.entry(kind).or_default() += 1;
        let planned = self.plan.iter().position(|(at, _)| *at == number).map(|i| self.plan.swap_remove(i).1);
        let by_kind = || {
            let at = self.plan_next.iter().position(|(wanted, _)| *wanted == kind)?;
            Some(self.plan_next.remove(at).1)
        };
        let failure = planned.or_else(by_kind).or_else(|| match kind {
            Kind::Write => self.random.once_in(self.rates.write).then_some(Failure::Io),
            Kind::Sync | Kind::SyncDir => self.random.once_in(self.rates.sync).then_some(Failure::Io),
            Kind::Create => self.random.once_in(self.rates.space).then_some(Failure::NoSpace),
            Kind::Rename | Kind::Remove => None,
        });
        self.crashed |= failure == Some(Failure::Crash);
        if self.trace.len() == TRACE {
            self.trace.pop_front();
        }
        self.trace.push_back(Operation { number, kind, file: file.to_owned(), offset, bytes, failure });
        Ok(failure)
    }

    /// The error of an operation that failed, after what it did all the same.
    fn end(failure: Option<Failure>) -> io::Result<()> {
        match failure {
            None => Ok(()),
            Some(Failure::Crash) => Err(io_error("the power failed")),
            Some(Failure::Io) => Err(io_error("input/output error")),
            Some(Failure::NoSpace) => Err(io::ErrorKind::StorageFull.into()),
        }
    }

    fn has_room(&self, bytes: u64) -> io::Result<()> {
        match self.capacity {
            // What lies within a file needs no room: a crash may bring back removed files, so that more is used than fits.
            Some(capacity) if bytes > 0 && self.used() + bytes > capacity => Err(io::ErrorKind::StorageFull.into()),
            _ => Ok(()),
        }
    }

    pub(super) fn create(&mut self, name: &str, len: u64) -> io::Result<u64> {
        let failure = self.begin(Kind::Create, name, 0, len)?;
        if matches!(failure, Some(Failure::Io | Failure::NoSpace)) {
            Self::end(failure)?;
        }
        self.has_room(len)?;
        let inode = self.next_inode;
        self.next_inode += 1;
        let seen = vec![0; usize::try_from(len).unwrap_or_default()];
        self.files.insert(inode, File { name: name.to_owned(), seen, ..File::default() });
        self.names.insert(name.to_owned(), inode);
        self.pending_names.push(NameChange::Create(name.to_owned(), inode));
        Self::end(failure)?;
        Ok(inode)
    }

    pub(super) fn open(&self, name: &str) -> io::Result<u64> {
        self.alive()?;
        self.names.get(name).copied().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    pub(super) fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        let failure = self.begin(Kind::Rename, from, 0, 0)?;
        // One that failed may have happened all the same.
        if failure == Some(Failure::NoSpace) || (failure == Some(Failure::Io) && self.random.once_in(2)) {
            Self::end(failure)?;
        }
        let inode = self.names.remove(from).ok_or(io::ErrorKind::NotFound)?;
        self.names.insert(to.to_owned(), inode);
        if let Some(file) = self.files.get_mut(&inode) {
            file.name = to.to_owned();
        }
        self.pending_names.push(NameChange::Rename(from.to_owned(), to.to_owned(), inode));
        Self::end(failure)
    }

    pub(super) fn remove(&mut self, name: &str) -> io::Result<()> {
        let failure = self.begin(Kind::Remove, name, 0, 0)?;
        if matches!(failure, Some(Failure::Io | Failure::NoSpace)) {
            Self::end(failure)?;
        }
        self.names.remove(name).ok_or(io::ErrorKind::NotFound)?;
        self.pending_names.push(NameChange::Remove(name.to_owned()));
        Self::end(failure)
    }

    pub(super) fn sync_dir(&mut self) -> io::Result<()> {
        let failure = self.begin(Kind::SyncDir, "", 0, 0)?;
        let done = match failure {
            None => self.pending_names.len(),
            Some(_) => self.random.index(self.pending_names.len() + 1),
        };
        for change in self.pending_names.drain(..done).collect::<Vec<_>>() {
            self.make_durable(change);
        }
        Self::end(failure)
    }

    fn make_durable(&mut self, change: NameChange) {
        match change {
            NameChange::Create(name, inode) => {
                self.durable_names.insert(name, inode);
            }
            NameChange::Rename(from, to, inode) => {
                if self.durable_names.get(&from) == Some(&inode) {
                    self.durable_names.remove(&from);
                }
                self.durable_names.insert(to, inode);
            }
            NameChange::Remove(name) => {
                self.durable_names.remove(&name);
            }
        }
    }

    fn file(&self, inode: u64) -> io::Result<&File> {
        self.alive()?;
        self.files.get(&inode).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    pub(super) fn size(&self, inode: u64) -> io::Result<u64> {
        Ok(self.file(inode)?.seen.len() as u64)
    }

    pub(super) fn read_at(&self, inode: u64, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let File { seen, unreadable, .. } = self.file(inode)?;
        let from = usize::try_from(offset).unwrap_or(usize::MAX).min(seen.len());
        let count = buffer.len().min(seen.len() - from);
        if unreadable.as_ref().is_some_and(|bad| bad.start < from + count && from < bad.end) {
            return Err(io_error("a sector cannot be read"));
        }
        buffer[..count].copy_from_slice(&seen[from..from + count]);
        Ok(count)
    }

    pub(super) fn write_at(&mut self, inode: u64, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let file = self.file(inode)?;
        let (name, size) = (file.name.clone(), file.seen.len());
        let offset_in = usize::try_from(offset).map_err(|_| io::ErrorKind::FileTooLarge)?;
        let failure = self.begin(Kind::Write, &name, offset, bytes.len() as u64)?;
        if failure == Some(Failure::NoSpace) {
            return Self::end(failure);
        }
        self.has_room((offset_in + bytes.len()).saturating_sub(size) as u64)?;
        let done = if failure.is_none() { bytes.len() } else { self.random.index(bytes.len() + 1) };
        if let Some(file) = self.files.get_mut(&inode) {
            put(&mut file.seen, offset_in, &bytes[..done]);
            file.pending.push(Write { offset: offset_in, bytes: bytes[..done].to_vec() });
        }
        Self::end(failure)
    }

    pub(super) fn sync_data(&mut self, inode: u64) -> io::Result<()> {
        let name = self.file(inode)?.name.clone();
        let failure = self.begin(Kind::Sync, &name, 0, 0)?;
        let Some(file) = self.files.get_mut(&inode) else { return Err(io::ErrorKind::NotFound.into()) };
        match failure {
            None => {
                let sizes = file.durable.len().max(file.seen.len());
                file.durable.resize(sizes, 0);
                for write in file.pending.drain(..) {
                    put(&mut file.durable, write.offset, &write.bytes);
                }
            }
            // Reads go on to show everything, and no later sync writes it: the pages are clean now.
            Some(_) => file.settle_by_chance(&mut self.random),
        }
        Self::end(failure)
    }

    pub(super) fn crash(&mut self) {
        let mut inodes: Vec<u64> = self.files.keys().copied().collect();
        inodes.sort_unstable();
        for inode in inodes {
            if let Some(file) = self.files.get_mut(&inode) {
                file.settle_by_chance(&mut self.random);
                file.seen.clone_from(&file.durable);
            }
        }
        let changes = std::mem::take(&mut self.pending_names);
        // Most file systems keep the order of names; nobody promises it.
        let ordered = !self.random.once_in(4);
        let kept = self.random.index(changes.len() + 1);
        for (index, change) in changes.into_iter().enumerate() {
            let survives = if ordered { index < kept } else { self.random.once_in(2) };
            if survives {
                self.make_durable(change);
            }
        }
        self.names = self.durable_names.clone();
        for (name, inode) in &self.names {
            if let Some(file) = self.files.get_mut(inode) {
                file.name.clone_from(name);
            }
        }
        let names = &self.names;
        self.files.retain(|inode, _| names.values().any(|named| named == inode));
        self.crashed = false;
        self.kill();
    }

    pub(super) fn kill(&mut self) {
        self.epoch += 1;
        self.holder = None;
    }
}

/// Writes into a vector as into a file.
fn put(into: &mut Vec<u8>, offset: usize, bytes: &[u8]) {
    if into.len() < offset + bytes.len() {
        into.resize(offset + bytes.len(), 0);
    }
    into[offset..offset + bytes.len()].copy_from_slice(bytes);
}

impl File {
    /// Of the writes that were not synced, some become durable: all, none, or of each sector the first few, the last
    /// of them perhaps in part.
    fn settle_by_chance(&mut self, random: &mut Random) {
        let writes = std::mem::take(&mut self.pending);
        let temper = random.below(4);
        if temper == 0 || (writes.is_empty() && self.durable.len() == self.seen.len()) {
            return;
        }
        // The length is as little promised as the bytes.
        let length = match random.below(3) {
            0 => self.durable.len(),
            1 => self.seen.len(),
            _ => self.durable.len() + random.index(self.seen.len().saturating_sub(self.durable.len()) + 1),
        };
        self.durable.resize(length.max(self.durable.len()), 0);
        let mut sectors: BTreeMap<usize, Vec<&[u8]>> = BTreeMap::new();
        let mut starts: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for write in &writes {
            let mut at = 0;
            while at < write.bytes.len() {
                let offset = write.offset + at;
                let sector = offset / SECTOR;
                let end = write.bytes.len().min(at + (sector + 1) * SECTOR - offset);
                sectors.entry(sector).or_default().push(&write.bytes[at..end]);
                starts.entry(sector).or_default().push(offset);
                at = end;
            }
        }
        for (sector, pieces) in sectors {
            let kept = if temper == 1 { pieces.len() } else { random.index(pieces.len() + 1) };
            let torn = temper == 3 && random.once_in(4);
            for (index, (piece, &offset)) in pieces.iter().zip(&starts[&sector]).take(kept).enumerate() {
                let mut piece = *piece;
                if torn && index + 1 == kept {
                    piece = &piece[..random.index(piece.len() + 1)];
                }
                // What lies beyond the length that survived is lost with it.
                let room = self.durable.len().saturating_sub(offset);
                if room > 0 {
                    put(&mut self.durable, offset, &piece[..piece.len().min(room)]);
                }
            }
        }
    }
}
