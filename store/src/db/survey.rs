//! What can still be read of a damaged store, and what cannot.
//!
//! Nothing is believed that its checksum does not vouch for. Where something is missing, the search goes on behind
//! it, and a [`Loss`] says where, how much, and as far as bytes without a right checksum can tell, what it concerned.

use std::collections::BTreeMap;
use std::io;
use std::ops::Range;

use super::segments::survey_segments;
use crate::journal::format::{
    BLOCK_HEADER, Block, CRITICAL, Kind, Listing, ReadFault, RowRef, Rows, SUPERBLOCK, Seed, Superblock,
    SuperblockFault, blocks_after,
};
use crate::journal::{Cut, Damage, names};
use crate::rows::{Row, RowFault, STREAMS, describe_key};
use crate::storage::{Storage, StorageFile};

/// How many keys a loss lists.
const CONCERNS_MAX: usize = 1000;

/// Read at once; where that fails, page by page.
const PIECE: usize = 1024 * 1024;
const PAGE: usize = 4096;

/// Stream and key.
pub(super) type RowId = (u8, Vec<u8>);

/// A part of the store that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loss {
    /// Where, and what is wrong there.
    pub damage: Damage,
    /// How many bytes.
    pub bytes: u64,
    /// The numbers of the transactions that were there, first and last; `None` for a part of a snapshot.
    pub transactions: Option<(u64, u64)>,
    /// What it concerned, as far as its keys can be read or its neighbours tell; at most 1000 lines.
    pub concerns: Vec<String>,
    /// One byte was wrong, and which is certain: `repair` restores what was there, and nothing is lost.
    pub restored: bool,
    pub(super) scope: Scope,
    /// Keys read from bytes that no checksum vouches for.
    pub(super) guessed: Vec<RowId>,
}

/// Which rows a loss may have held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Scope {
    /// These, and no others.
    Keys(Vec<RowId>),
    /// Those between two keys of the sorted snapshot; `None`: from its start, or to its end.
    Between(Option<RowId>, Option<RowId>),
    /// Any.
    Unknown,
}

/// The last state that is known of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Known {
    /// `None`: it is gone.
    pub(super) value: Option<Vec<u8>>,
    /// The transaction that wrote it; 0: it comes from the snapshot.
    pub(super) sequence: u64,
}

/// What can be read of a store.
#[derive(Debug, Default)]
pub(super) struct Survey {
    pub(super) store_id: [u8; 16],
    pub(super) rows: BTreeMap<RowId, Known>,
    pub(super) losses: Vec<Loss>,
    pub(super) cut: Option<Cut>,
    pub(super) transactions: u64,
    pub(super) next_sequence: u64,
    pub(super) newest_stamp: u64,
    /// Greater than the number of every file.
    pub(super) next_number: u64,
    /// Every segment and snapshot, superseded ones included.
    pub(super) files: Vec<String>,
}

/// A file in memory, unreadable pages as zeros, and its superblock when that is sound.
#[derive(Debug)]
pub(super) struct Bytes {
    pub(super) name: String,
    pub(super) number: u64,
    pub(super) bytes: Vec<u8>,
    /// What the disk did not give.
    pub(super) unreadable: Vec<Range<usize>>,
    pub(super) superblock: Option<Superblock>,
}

impl Survey {
    /// Reads all that can be read. Writes nothing.
    ///
    /// # Errors
    /// Files of another version, and rows that this version must not ignore: nothing may be decided about those.
    pub(super) fn new<S: Storage>(storage: &S) -> Result<Self, ReadFault> {
        let listing = Listing::new(storage.list().map_err(ReadFault::io("the directory"))?);
        let mut survey = Self::default();
        let snapshot = match listing.snapshot() {
            Some(number) => Some(survey.read(storage, Kind::Snapshot, number)?),
            None => None,
        };
        let mut segments = Vec::new();
        for number in listing.live() {
            segments.push(survey.read(storage, Kind::Segment, number)?);
        }
        let files = listing.segments.iter().map(|&n| names::segment(n));
        survey.files = files.chain(listing.snapshots.iter().map(|&n| names::snapshot(n))).collect();
        survey.next_number = listing.segments.iter().chain(&listing.snapshots).max().map_or(1, |newest| newest + 1);
        let superblock = snapshot.iter().chain(&segments).find_map(|file| file.superblock);
        let Some(superblock) = superblock else {
            let damage = Damage { file: storage.describe(), offset: 0, what: "no file has a sound superblock".into() };
            return Err(ReadFault::Damaged(damage));
        };
        survey.store_id = superblock.store_id;
        survey.next_sequence = 1;
        if let Some(file) = &snapshot {
            survey.snapshot(file)?;
            survey.next_sequence = file.superblock.map_or(1, |found| found.sequence);
            survey.newest_stamp = file.superblock.map_or(0, |found| found.newest_stamp);
        }
        let first_known = snapshot.as_ref().is_none_or(|file| file.superblock.is_some());
        survey_segments(&mut survey, segments, listing.first(), first_known)?;
        Ok(survey)
    }

    fn read<S: Storage>(&mut self, storage: &S, kind: Kind, number: u64) -> Result<Bytes, ReadFault> {
        let name = match kind {
            Kind::Segment => names::segment(number),
            Kind::Snapshot => names::snapshot(number),
        };
        let (bytes, unreadable) = read_what_can_be(storage, &name).map_err(ReadFault::io(&name))?;
        let superblock = match Superblock::read(&bytes, kind, number) {
            Ok(superblock) => Some(superblock),
            Err(SuperblockFault::OtherVersion(format)) => return Err(ReadFault::OtherVersion { file: name, format }),
            Err(SuperblockFault::Damaged(what)) => {
                let bytes = SUPERBLOCK.min(bytes.len()) as u64;
                self.lose(&name, 0, bytes, what, None, Scope::Keys(Vec::new()));
                None
            }
        };
        Ok(Bytes { name, number, bytes, unreadable, superblock })
    }

    pub(super) fn seed(&self, file: &Bytes) -> Seed {
        Seed::new(&self.store_id, file.number)
    }

    pub(super) fn lose(
        &mut self,
        file: &str,
        offset: u64,
        bytes: u64,
        what: impl Into<String>,
        transactions: Option<(u64, u64)>,
        scope: Scope,
    ) {
        let concerns = match &scope {
            Scope::Keys(keys) => concerns(keys.iter().map(|(stream, key)| (*stream, key.as_slice()))),
            Scope::Between(from, to) => {
                let describe = |id: &Option<RowId>, otherwise: &str| {
                    id.as_ref().map_or_else(|| otherwise.to_owned(), |(stream, key)| describe_key(*stream, key))
                };
                let (from, to) = (describe(from, "the first row"), describe(to, "the last row"));
                vec![format!("everything between {from} and {to}")]
            }
            Scope::Unknown => Vec::new(),
        };
        let damage = Damage { file: file.to_owned(), offset, what: what.into() };
        self.losses.push(Loss { damage, bytes, transactions, concerns, restored: false, scope, guessed: Vec::new() });
    }

    /// Takes the rows of a body whose checksum is right.
    pub(super) fn take(&mut self, body: &[u8], file: &str, offset: u64, sequence: u64) -> Result<(), ReadFault> {
        let mut rows = Rows::new(body);
        for row in rows.by_ref() {
            self.take_row(&row, file, offset, sequence)?;
        }
        if !rows.ended_well() {
            self.lose(file, offset, body.len() as u64, "the rows do not fill their place", None, Scope::Unknown);
        }
        Ok(())
    }

    fn take_row(&mut self, row: &RowRef<'_>, file: &str, offset: u64, sequence: u64) -> Result<(), ReadFault> {
        let id = (row.stream, row.key.to_vec());
        if STREAMS.contains(&row.stream) {
            match Row::read(row.stream, row.key, row.value) {
                Ok(_) => {}
                Err(fault @ RowFault::Later(_)) => {
                    return Err(ReadFault::LaterRow { file: file.to_owned(), what: fault.to_string() });
                }
                Err(fault) => {
                    let numbers = Some((sequence, sequence)).filter(|_| sequence > 0);
                    self.lose(file, offset, row.size(), fault.to_string(), numbers, Scope::Keys(vec![id]));
                    return Ok(());
                }
            }
        } else if row.stream & CRITICAL != 0 {
            return Err(ReadFault::UnknownStream { file: file.to_owned(), stream: row.stream });
        }
        self.rows.insert(id, Known { value: row.value.map(<[u8]>::to_vec), sequence });
        Ok(())
    }

    fn snapshot(&mut self, file: &Bytes) -> Result<(), ReadFault> {
        let seed = self.seed(file);
        let mut at = SUPERBLOCK.min(file.bytes.len());
        let mut index = 0;
        let mut before: Option<RowId> = None;
        loop {
            let block = Block::read(&file.bytes[at..], seed).filter(|block| block.whole && block.index == index);
            if let Some(block) = block {
                if block.last {
                    return Ok(());
                }
                self.take(block.body, &file.name, at as u64, 0)?;
                before = Rows::new(block.body).last().map(|row| (row.stream, row.key.to_vec()));
                at += block.stride().min(file.bytes.len() - at);
                index += 1;
                continue;
            }
            let next = blocks_after(&file.bytes, seed, at, index);
            let end = next.map_or(file.bytes.len(), |(offset, _)| offset);
            let after = next.filter(|(_, block)| !block.last).and_then(|(_, block)| Rows::new(block.body).next());
            let after = after.map(|row| (row.stream, row.key.to_vec()));
            let what = "a block of the snapshot does not match its checksum";
            let scope = Scope::Between(before.take(), after);
            self.lose(&file.name, at as u64, (end - at) as u64, what, None, scope);
            let Some((offset, block)) = next else { return Ok(()) };
            let body = file.bytes.get(at + BLOCK_HEADER..offset).unwrap_or_default();
            self.guess(Rows::new(body));
            at = offset;
            index = block.index;
        }
    }

    /// Adds to the last loss what its bytes, which no checksum vouches for, say that it concerned.
    pub(super) fn guess<'a>(&mut self, rows: impl Iterator<Item = RowRef<'a>>) {
        let Some(loss) = self.losses.last_mut() else { return };
        let readable = rows.filter(|row| Row::read(row.stream, row.key, None).is_ok());
        loss.guessed = readable.map(|row| (row.stream, row.key.to_vec())).collect();
        let lines = concerns(loss.guessed.iter().map(|(stream, key)| (*stream, key.as_slice())));
        loss.concerns.extend(lines.into_iter().map(|line| format!("probably {line}")));
        loss.concerns.truncate(CONCERNS_MAX);
    }
}

impl Survey {
    /// Says of the last loss that these of its rows are restored.
    pub(super) fn restore<'a>(&mut self, rows: impl Iterator<Item = RowRef<'a>>) {
        let Some(loss) = self.losses.last_mut() else { return };
        loss.restored = true;
        loss.concerns.extend(concerns(rows.map(|row| (row.stream, row.key))));
        loss.concerns.truncate(CONCERNS_MAX);
    }
}

fn concerns<'a>(keys: impl Iterator<Item = (u8, &'a [u8])>) -> Vec<String> {
    keys.take(CONCERNS_MAX).map(|(stream, key)| describe_key(stream, key)).collect()
}

/// A file's bytes, with zeros where the disk does not give them, and where that is.
fn read_what_can_be<S: Storage>(storage: &S, name: &str) -> io::Result<(Vec<u8>, Vec<Range<usize>>)> {
    let file = storage.open(name, false)?;
    let mut bytes = vec![0; usize::try_from(file.size()?).unwrap_or(usize::MAX)];
    let mut unreadable = Vec::new();
    let length = bytes.len();
    for start in (0..length).step_by(PIECE) {
        let piece = start..length.min(start + PIECE);
        if read_exactly(&file, &mut bytes, piece.clone()).is_err() {
            for start in piece.clone().step_by(PAGE) {
                let page = start..piece.end.min(start + PAGE);
                if read_exactly(&file, &mut bytes, page.clone()).is_err() {
                    bytes[page.clone()].fill(0);
                    unreadable.push(page);
                }
            }
        }
    }
    Ok((bytes, unreadable))
}

fn read_exactly<F: StorageFile>(file: &F, into: &mut [u8], range: Range<usize>) -> io::Result<()> {
    let start = range.start as u64;
    let wanted = range.len();
    match file.read_at(start, &mut into[range])? {
        read if read == wanted => Ok(()),
        _ => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}
