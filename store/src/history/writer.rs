//! Writing: the open file, parts that take its place, and what is dropped.

use std::io;

use super::open_file;
use super::packed::Packed;
use super::part::{self, Part, PartFault};
use super::query::Query;
use super::record::{self, Record};
use super::retention::{Limits, PartSize, dropped};
use crate::storage::{Storage, StorageFile};

/// Records in a part. More make fewer files to look into, and a longer while in which their order is made.
const PART_RECORDS: usize = 32 * 1024;
/// A part holds no more than this share of the time that is kept, so that what is older than that goes in time.
const KEPT_SHARE: u64 = 30;
const PART_SECS_MIN: u64 = 3_600;

const UNFINISHED: &str = ".new";
/// Stands there while the journal is read, with the time from which it is.
const UNREAD: &str = "unread-since";

pub(super) fn part_name(number: u64) -> String {
    format!("part-{number:010}")
}

pub(super) fn open_name(number: u64) -> String {
    format!("open-{number:010}")
}

/// What a directory of history holds, each sorted by number.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Listing {
    pub(super) parts: Vec<u64>,
    /// Open files that no part has taken the place of: one, as a rule.
    pub(super) open: Vec<u64>,
    /// What is of no use any more.
    pub(super) leftovers: Vec<String>,
}

impl Listing {
    pub(super) fn new(names: Vec<String>) -> Self {
        let mut listing = Self::default();
        for name in names {
            let number = |prefix: &str| name.strip_prefix(prefix).and_then(|number| number.parse::<u64>().ok());
            if name.ends_with(UNFINISHED) {
                listing.leftovers.push(name);
            } else if let Some(number) = number("part-").filter(|number| part_name(*number) == name) {
                listing.parts.push(number);
            } else if let Some(number) = number("open-").filter(|number| open_name(*number) == name) {
                listing.open.push(number);
            }
        }
        listing.parts.sort_unstable();
        listing.open.sort_unstable();
        let replaced = |number: &u64| listing.parts.binary_search(number).is_ok();
        listing
            .leftovers
            .extend(listing.open.iter().filter(|number| replaced(number)).map(|number| open_name(*number)));
        listing.open.retain(|number| listing.parts.binary_search(number).is_err());
        listing
    }
}

/// What opening found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Opened {
    /// Records in the open file and the newest part: what tells whether something is written already.
    pub recent: Vec<Record>,
    /// UTC seconds: when the last record was written; none: there is no history.
    pub newest: Option<u64>,
    /// Bytes that were torn off the end.
    pub torn: usize,
}

/// What was dropped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// Parts older than is kept.
    pub aged: usize,
    /// Parts that there was no room for.
    pub large: usize,
}

/// The history, open for writing: one at a time.
#[derive(Debug)]
pub struct Writer<S: Storage> {
    storage: S,
    _lock: S::Lock,
    limits: Limits,
    parts: Vec<PartSize>,
    number: u64,
    file: Option<S::File>,
    offset: u64,
    /// What the open file holds.
    records: Packed,
    /// What is to be written next.
    gathered: Packed,
    /// UTC seconds: of its first frame and its last.
    stamps: Option<(u64, u64)>,
    dirty: bool,
    /// What [`UNREAD`] says.
    unread_since: Option<u64>,
}

impl<S: Storage> Writer<S> {
    /// Opens the history in `storage`, making the directory when it is missing.
    ///
    /// # Errors
    /// What the system says; also when another writes.
    pub fn open(storage: S, limits: Limits) -> io::Result<(Self, Opened)> {
        storage.ensure()?;
        let lock = storage.lock("leasehold").map_err(io::Error::other)?;
        let names = storage.list()?;
        let unread_since = names.iter().any(|name| name == UNREAD).then(|| unread_since(&storage)).transpose()?;
        let listing = Listing::new(names);
        for name in &listing.leftovers {
            storage.remove(name)?;
        }
        let mut opened = Opened::default();
        let mut parts = Vec::new();
        for &number in &listing.parts {
            let file = storage.open(&part_name(number), false)?;
            let bytes = file.size()?;
            // One that cannot be read is kept as long as those around it: somebody may want to look at it.
            let newest = parts.last().map_or(0, |part: &PartSize| part.newest);
            let newest = Part::open(file, number).map_or(newest, |part| part.header.newest);
            parts.push(PartSize { number, bytes, newest });
        }
        opened.newest = parts.last().map(|part| part.newest);
        if let Some(last) = parts.last() {
            let file = storage.open(&part_name(last.number), false)?;
            let found = Part::open(file, last.number)
                .and_then(|part| part.find(&Query::default(), |record| opened.recent.push(record)));
            match found {
                Ok(_) | Err(PartFault::Damaged) => {}
                Err(PartFault::Io(error)) => return Err(error),
            }
        }
        let newest_number = listing.parts.iter().chain(&listing.open).max().copied().unwrap_or(0);
        let mut writer = Self {
            storage,
            _lock: lock,
            limits,
            parts,
            number: newest_number + 1,
            file: None,
            offset: 0,
            records: Packed::default(),
            gathered: Packed::default(),
            stamps: None,
            dirty: false,
            unread_since,
        };
        for number in listing.open {
            writer.go_on_with(number, &mut opened)?;
        }
        Ok((writer, opened))
    }

    /// Takes up an open file of an earlier run; one that is torn becomes a part at once.
    fn go_on_with(&mut self, number: u64, opened: &mut Opened) -> io::Result<()> {
        if self.file.is_some() {
            self.seal()?;
        }
        let file = self.storage.open(&open_name(number), true)?;
        let size = usize::try_from(file.size()?).map_err(|_| io::ErrorKind::FileTooLarge)?;
        let mut bytes = vec![0; size];
        let length = file.read_at(0, &mut bytes)?;
        let read = open_file::read(number, &bytes[..length]);
        opened.torn += read.torn;
        opened.newest = read.stamps.map(|(_, last)| last).max(opened.newest);
        (self.number, self.file, self.offset) = (number, Some(file), read.end as u64);
        read.records.iter().for_each(|record| self.records.push(record));
        self.stamps = read.stamps;
        opened.recent.extend(read.records);
        if read.torn > 0 || read.end == 0 {
            self.seal()?;
        }
        Ok(())
    }

    /// Appends records, written at `stamp` (UTC seconds). They can be read at once, and survive the end of the process;
    /// the power's only after [`Writer::sync`].
    ///
    /// # Errors
    /// What the system says; the records are then not written, or torn at the end of the file.
    pub fn append(&mut self, stamp: u64, records: &[Record]) -> io::Result<()> {
        records.iter().for_each(|record| self.gather(record));
        self.write(stamp)
    }

    /// Takes a record that [`Writer::write`] is to write.
    pub fn gather(&mut self, record: &Record) {
        self.gathered.push(record);
    }

    /// How many it is to write.
    #[must_use]
    pub fn gathered(&self) -> usize {
        self.gathered.len()
    }

    /// Writes what was gathered, in one piece; otherwise as [`Writer::append`].
    ///
    /// # Errors
    /// As there.
    pub fn write(&mut self, stamp: u64) -> io::Result<()> {
        let gathered = std::mem::take(&mut self.gathered);
        if gathered.is_empty() {
            return Ok(());
        }
        if self.is_full(stamp) {
            self.seal()?;
        }
        let file = match &mut self.file {
            Some(file) => file,
            None => {
                let mut file = self.storage.create(&open_name(self.number), 0)?;
                let header = open_file::header(self.number);
                file.write_at(0, &header)?;
                self.storage.sync_dir()?;
                self.offset = header.len() as u64;
                self.file.insert(file)
            }
        };
        let frame = open_file::frame(self.number, stamp, gathered.octets());
        file.write_at(self.offset, &frame)?;
        self.offset += frame.len() as u64;
        self.dirty = true;
        self.records.append(&gathered);
        self.stamps = Some((self.stamps.map_or(stamp, |(first, _)| first), stamp));
        Ok(())
    }

    /// Gives `take` every record that may have been written at `since` (UTC seconds) or later; what is damaged is passed
    /// by.
    ///
    /// # Errors
    /// What the system says.
    pub fn each_since(&self, since: u64, mut take: impl FnMut(&Record)) -> io::Result<()> {
        for part in self.parts.iter().filter(|part| part.newest >= since) {
            let file = self.storage.open(&part_name(part.number), false)?;
            let found =
                Part::open(file, part.number).and_then(|part| part.find(&Query::default(), |record| take(&record)));
            match found {
                Ok(_) | Err(PartFault::Damaged) => {}
                Err(PartFault::Io(error)) => return Err(error),
            }
        }
        if self.stamps.is_some_and(|(_, last)| last >= since) {
            record::records(self.records.octets()).for_each(|record| take(&record));
        }
        Ok(())
    }

    fn is_full(&self, now: u64) -> bool {
        let secs = (self.limits.keep_secs / KEPT_SHARE).max(PART_SECS_MIN);
        self.records.len() >= PART_RECORDS || self.stamps.is_some_and(|(first, _)| now > first.saturating_add(secs))
    }

    /// Brings what was appended to the disk.
    ///
    /// # Errors
    /// What the system says.
    pub fn sync(&mut self) -> io::Result<()> {
        if let Some(file) = self.file.as_mut().filter(|_| self.dirty) {
            file.sync_data()?;
            self.dirty = false;
        }
        Ok(())
    }

    /// Notes on the disk that the journal is to be read from `since` on (UTC seconds). What it has merged comes in the
    /// order of addresses, so that the newest record does not tell how far the reading came before it was cut off. Gives
    /// from when on it is to be read: earlier, where an earlier reading did not come to its end.
    ///
    /// # Errors
    /// What the system says.
    pub fn begin_reading(&mut self, since: u64) -> io::Result<u64> {
        if let Some(earlier) = self.unread_since.filter(|earlier| *earlier <= since) {
            return Ok(earlier);
        }
        let unfinished = format!("{UNREAD}{UNFINISHED}");
        let mut file = self.storage.create(&unfinished, 0)?;
        file.write_at(0, since.to_string().as_bytes())?;
        file.sync_data()?;
        self.storage.rename(&unfinished, UNREAD)?;
        self.storage.sync_dir()?;
        self.unread_since = Some(since);
        Ok(since)
    }

    /// Notes that all of it was read and written.
    ///
    /// # Errors
    /// What the system says; it is then read once more.
    pub fn end_reading(&mut self) -> io::Result<()> {
        // Else the power could take what was written, and leave that it was.
        self.sync()?;
        if self.unread_since.is_some() {
            self.storage.remove(UNREAD)?;
            self.unread_since = None;
        }
        Ok(())
    }

    /// Makes the open file a part, and begins another with the next record.
    fn seal(&mut self) -> io::Result<()> {
        let records = std::mem::take(&mut self.records);
        let newest = self.stamps.take().map_or(0, |(_, last)| last);
        self.file = None;
        self.dirty = false;
        let (number, old) = (self.number, open_name(self.number));
        self.number += 1;
        if records.is_empty() {
            return self.storage.remove(&old);
        }
        let octets = part::build(number, &records, newest);
        let unfinished = format!("{}{UNFINISHED}", part_name(number));
        let mut file = self.storage.create(&unfinished, 0)?;
        file.write_at(0, &octets)?;
        file.sync_data()?;
        self.storage.rename(&unfinished, &part_name(number))?;
        self.storage.sync_dir()?;
        self.storage.remove(&old)?;
        self.parts.push(PartSize { number, bytes: octets.len() as u64, newest });
        Ok(())
    }

    /// Drops what is too old, and the oldest of what is too much.
    ///
    /// # Errors
    /// What the system says.
    pub fn sweep(&mut self, now: u64) -> io::Result<Swept> {
        if self.is_full(now) && !self.records.is_empty() {
            self.seal()?;
        }
        let (aged, large) = dropped(&self.parts, self.offset, &self.limits, now);
        for part in self.parts.drain(..aged + large) {
            match self.storage.remove(&part_name(part.number)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(Swept { aged, large })
    }

    /// Other limits from now on.
    pub fn set_limits(&mut self, limits: Limits) {
        self.limits = limits;
    }

    /// How many bytes the history takes.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.offset + self.parts.iter().map(|part| part.bytes).sum::<u64>()
    }
}

/// From when on the journal is to be read; all of it where the file cannot be understood.
fn unread_since<S: Storage>(storage: &S) -> io::Result<u64> {
    let mut digits = [0; 20];
    let length = storage.open(UNREAD, false)?.read_at(0, &mut digits)?;
    Ok(std::str::from_utf8(&digits[..length]).ok().and_then(|digits| digits.parse().ok()).unwrap_or(0))
}
