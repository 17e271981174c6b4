//! Reading, also beside a daemon that writes.

use std::io;
use std::net::Ipv4Addr;

use super::keys;
use super::known::Known;
use super::open_file;
use super::part::{Part, PartFault};
use super::query::{Position, Query};
use super::record::Record;
use super::writer::{Listing, open_name, part_name};
use crate::storage::{Storage, StorageFile};

/// So many keys of machines are read at most when they are brought into memory, 24 MB of them.
const KEYS_READ_MAX: usize = 4 * 1024 * 1024;

/// How often a file that was renamed or dropped meanwhile is looked for again.
const TRIES: usize = 4;

/// Records, the newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// Each with where it stands.
    pub records: Vec<(Position, Record)>,
    /// There may be more behind the last.
    pub more: bool,
    /// Pieces of files that cannot be read, and what they held is not told.
    pub damaged: usize,
}

/// A directory of history, to be asked.
#[derive(Clone, Debug)]
pub struct Reader<S: Storage> {
    storage: S,
}

impl<S: Storage> Reader<S> {
    /// The history in `storage`.
    #[must_use]
    pub fn new(storage: S) -> Self {
        Self { storage }
    }

    /// The newest records that a query takes, behind `after`, at most `most`. A history that was never begun has none.
    ///
    /// # Errors
    /// What the system says.
    pub fn newest(&self, query: &Query, after: Option<Position>, most: usize) -> io::Result<Page> {
        let mut page = Page::default();
        for number in self.numbers()?.into_iter().rev() {
            if after.is_some_and(|after| number > after.part) {
                continue;
            }
            let mut found = Vec::new();
            page.damaged += self.of_number(number, query, |record| {
                let position = Position { part: number, at: record.at, tie: tie(&record) };
                if after.is_none_or(|after| position < after) {
                    found.push((position, record));
                }
            })?;
            found.sort_by_key(|(position, _)| std::cmp::Reverse(*position));
            let room = most - page.records.len();
            page.more = found.len() > room;
            page.records.extend(found.into_iter().take(room));
            if page.more || page.records.len() == most {
                page.more = true;
                break;
            }
        }
        Ok(page)
    }

    /// The last record of an address up to a moment (UTC seconds), and the first after it: what
    /// [`super::holder_at`] needs.
    ///
    /// # Errors
    /// What the system says.
    pub fn around(&self, address: Ipv4Addr, moment: u64) -> io::Result<(Option<Record>, Option<Record>)> {
        let query = Query { address: Some(address), ..Query::default() };
        let (mut before, mut after): (Option<Record>, Option<Record>) = (None, None);
        for number in self.numbers()?.into_iter().rev() {
            // What was imported stands in the newest part whenever it happened, so that every part is looked at which may
            // hold something nearer to the moment than what is known.
            let nearest = Query {
                since: before.as_ref().map(|record| record.at),
                until: after.as_ref().map(|record| record.at),
                ..query.clone()
            };
            let mut found = Vec::new();
            self.of_number(number, &nearest, |record| found.push(record))?;
            // Written later, later in order.
            found.sort_by_key(|record| record.at);
            for record in found.into_iter().rev() {
                if record.at > moment {
                    after = Some(record);
                } else {
                    // Of one second, what was written last: parts are looked at from the newest on.
                    if before.as_ref().is_none_or(|known| known.at < record.at) {
                        before = Some(record);
                    }
                    break;
                }
            }
        }
        Ok((before, after))
    }

    /// Gives `take` every record, in no order that matters: how many pieces of files cannot be read.
    ///
    /// # Errors
    /// What the system says.
    pub fn each(&self, mut take: impl FnMut(Record)) -> io::Result<usize> {
        let mut damaged = 0;
        for number in self.numbers()? {
            damaged += self.of_number(number, &Query::default(), &mut take)?;
        }
        Ok(damaged)
    }

    /// Whether a machine or client is known to the history, up to `before` (UTC seconds).
    ///
    /// # Errors
    /// What the system says.
    pub fn knows(&self, query: &Query) -> io::Result<bool> {
        Ok(!self.newest(query, None, 1)?.records.is_empty())
    }

    /// The machines and clients that the history tells of, the newest parts first: those of very many are not all read.
    ///
    /// # Errors
    /// What the system says.
    pub fn known(&self) -> io::Result<Known> {
        let mut known = Known::default();
        let mut read = 0;
        for number in self.numbers()?.into_iter().rev() {
            if read >= KEYS_READ_MAX {
                known.lacks_some();
                break;
            }
            let part = match self.storage.open(&part_name(number), false) {
                Ok(file) => Part::open(file, number),
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                // The open file has no keys yet.
                Err(_) => {
                    let each = |record: Record| keys::of(&record, |key| _ = known.add(key));
                    self.of_number(number, &Query::default(), each)?;
                    continue;
                }
            };
            match part.and_then(|part| part.keys(|key| _ = known.add(key))) {
                Ok(keys) => read += keys,
                Err(PartFault::Io(error)) => return Err(error),
                // Whoever asks it finds nothing either.
                Err(PartFault::Damaged) => {}
            }
        }
        Ok(known)
    }

    fn numbers(&self) -> io::Result<Vec<u64>> {
        let names = match self.storage.list() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            names => names?,
        };
        let listing = Listing::new(names);
        let mut numbers: Vec<u64> = listing.parts.into_iter().chain(listing.open).collect();
        numbers.sort_unstable();
        Ok(numbers)
    }

    /// The records of a part, or of the open file of its number: how many pieces were damaged.
    fn of_number(&self, number: u64, query: &Query, mut take: impl FnMut(Record)) -> io::Result<usize> {
        for _ in 0..TRIES {
            match self.storage.open(&part_name(number), false) {
                Ok(file) => return of_part(file, number, query, take),
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                Err(_) => {}
            }
            match self.storage.open(&open_name(number), false) {
                Ok(file) => {
                    let mut bytes = vec![0; usize::try_from(file.size()?).unwrap_or(0)];
                    let length = file.read_at(0, &mut bytes)?;
                    let read = open_file::read(number, &bytes[..length]);
                    read.records.into_iter().filter(|record| query.takes(record)).for_each(&mut take);
                    return Ok(0);
                }
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                // It became a part between the two looks, or was dropped.
                Err(_) => {}
            }
        }
        Ok(0)
    }
}

fn of_part<F: StorageFile>(file: F, number: u64, query: &Query, take: impl FnMut(Record)) -> io::Result<usize> {
    let part = match Part::open(file, number) {
        Ok(part) => part,
        Err(PartFault::Damaged) => return Ok(1),
        Err(PartFault::Io(error)) => return Err(error),
    };
    if !query.may_be_within(part.header.earliest, part.header.latest) {
        return Ok(0);
    }
    match part.find(query, take) {
        Ok(damaged) => Ok(damaged),
        Err(PartFault::Damaged) => Ok(1),
        Err(PartFault::Io(error)) => Err(error),
    }
}

/// Tells records of one second apart, and is the same wherever they stand.
fn tie(record: &Record) -> u64 {
    u64::from(u32::from(record.address)) << 32 | record.identity() >> 36 << 4 | record.kind as u64
}
