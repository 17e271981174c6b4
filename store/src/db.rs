//! Check, compact, repair, dump: what the operator does to a store.
//!
//! Reading order: [`check`] and [`dump`] only read, also next to a running daemon; [`compact`] and [`repair`] take the
//! store and write. What a damaged store still tells is gathered by the survey (`survey`, `segments`).

mod dump;
mod mend;
mod repair;
mod segments;
mod survey;
mod transfer;

use std::io;

pub use dump::{DumpError, dump};
pub use repair::{AddressRange, RepairOptions, RepairReport, repair};
pub use survey::Loss;
pub use transfer::{Copied, RawRows, copy, is_free, put_row, read_row, replace};

use crate::journal::format::{Listing, Loaded, ReadFault};
use crate::journal::{CommitError, Compacted, CompactionError, Cut, Journal, JournalReport, OpenError, Options};
use crate::rows::{CONFIRMED, LEASES, Row, STREAMS, WANTED, ZONE_SETS};
use crate::storage::Storage;
use survey::Survey;

/// How often a look at a running daemon's files is begun again when they change under it.
const TRIES: u32 = 8;

/// What [`check`] found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CheckReport {
    /// Rows of each kind that are in force.
    pub counts: Counts,
    /// Transactions in the segments.
    pub transactions: u64,
    /// Segments.
    pub segments: u64,
    /// Rows of streams that this version does not know and may ignore.
    pub unknown_rows: u64,
    /// The end of the newest segment is not whole: a batch that is being written this moment, or one that was torn
    /// by a crash and never acknowledged. No damage.
    pub cut: Option<Cut>,
    /// All damage. Empty: the store is sound.
    pub losses: Vec<Loss>,
    /// UTC seconds: the newest stamp.
    pub newest_stamp: u64,
}

impl CheckReport {
    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.losses.is_empty()
    }
}

/// Rows of each kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Lease records, whatever their state.
    pub leases: u64,
    /// Wanted DNS content.
    pub wanted: u64,
    /// Confirmed DNS content.
    pub confirmed: u64,
    /// Sets of embedded zones.
    pub zone_sets: u64,
}

impl Counts {
    fn add(&mut self, stream: u8) {
        match stream {
            LEASES => self.leases += 1,
            WANTED => self.wanted += 1,
            CONFIRMED => self.confirmed += 1,
            ZONE_SETS => self.zone_sets += 1,
            _ => {}
        }
    }
}

/// Reads the whole store, verifies every checksum and reads every row. Writes nothing; a running daemon is not
/// disturbed.
///
/// # Errors
/// A store that is not there, not readable, or of another version. Damage is no error: the report lists it.
pub fn check<S: Storage>(storage: &S) -> Result<CheckReport, OpenError> {
    let mut counts = Counts::default();
    let looked = look(storage, |stream, _, _| counts.add(stream));
    match looked {
        Ok((report, newest_stamp)) => Ok(CheckReport {
            counts,
            transactions: report.transactions,
            segments: report.segments,
            unknown_rows: report.unknown_streams.values().sum(),
            cut: report.cut,
            losses: Vec::new(),
            newest_stamp,
        }),
        Err(OpenError::Damaged { .. } | OpenError::Io { .. }) => {
            let survey = Survey::new(storage).map_err(|fault| fault.into_open_error(storage.describe()))?;
            let mut report = CheckReport {
                transactions: survey.transactions,
                cut: survey.cut,
                losses: survey.losses,
                newest_stamp: survey.newest_stamp,
                ..CheckReport::default()
            };
            let live = survey.rows.iter().filter(|(_, known)| known.value.is_some());
            live.for_each(|((stream, _), _)| report.counts.add(*stream));
            Ok(report)
        }
        Err(other) => Err(other),
    }
}

/// The files of a store that may be in use, opened as they stood at one moment.
fn read_beside<S: Storage>(storage: &S) -> Result<Loaded<S>, OpenError> {
    let fault = |fault: ReadFault| fault.into_open_error(storage.describe());
    let mut tries = 0;
    loop {
        tries += 1;
        let listing = Listing::new(storage.list().map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => OpenError::NoStore { directory: storage.describe() },
            _ => fault(ReadFault::Io { file: "the directory".to_owned(), source }),
        })?);
        if listing.segments.is_empty() && listing.snapshots.is_empty() {
            return Err(OpenError::NoStore { directory: storage.describe() });
        }
        match Loaded::read(storage, &listing) {
            Ok(loaded) => return Ok(loaded),
            // A compaction removed a file after it was listed.
            Err(ReadFault::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound && tries < TRIES => {}
            // The end was read while it was written, or a file was removed between its neighbours' listing.
            Err(ReadFault::Damaged(_)) if tries < TRIES / 2 => {}
            Err(other) => return Err(fault(other)),
        }
    }
}

/// Gives `visit` each row in force, sorted by stream and key, from the files of a store that may be in use: what was
/// stored when the files were opened, or later. Also the newest stamp.
fn look<S: Storage>(storage: &S, mut visit: impl FnMut(u8, &[u8], Row)) -> Result<(JournalReport, u64), OpenError> {
    let fault = |fault: ReadFault| fault.into_open_error(storage.describe());
    let mut loaded = read_beside(storage)?;
    let report = loaded.visit(&STREAMS, |stream, key, value| {
        visit(stream, key, Row::read(stream, key, Some(value))?);
        Ok(())
    });
    Ok((report.map_err(fault)?, loaded.newest_stamp()))
}

/// Gives `take` each lease of a store that may be in use, as it stands: without a lock, and without a write.
///
/// # Errors
/// A store that is not there, damaged, or of another version.
pub fn leases<S: Storage>(storage: &S, mut take: impl FnMut(dhcp::lease::Lease)) -> Result<(), OpenError> {
    look(storage, |_, _, row| {
        if let Row::Lease(lease) = row {
            take(lease);
        }
    })
    .map(drop)
}

/// Why [`compact`] failed. The store is as before.
#[derive(Debug, thiserror::Error)]
pub enum CompactError {
    /// The store does not open.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// No new segment could be begun.
    #[error(transparent)]
    Begin(#[from] CommitError),
    /// The merge failed.
    #[error(transparent)]
    Compaction(#[from] CompactionError),
}

/// Merges all of a store that is not in use into one snapshot; `None` when there was nothing to merge. A running
/// daemon compacts by itself ([`crate::Store::begin_compaction`]).
///
/// # Errors
/// See [`CompactError`].
pub fn compact<S: Storage>(storage: S, options: &Options) -> Result<Option<Compacted>, CompactError> {
    let (mut journal, _) = Journal::open(storage, options, &STREAMS, drop, |stream, key, value| {
        Row::read(stream, key, Some(value))?;
        Ok(())
    })?;
    let mut all: Option<Compacted> = None;
    while let Some(compaction) = journal.begin_compaction()? {
        let done = compaction.run()?;
        let before = all.map_or(0, |all| all.bytes_before - all.bytes);
        let segments = all.map_or(0, |all| all.segments) + done.segments;
        all = Some(Compacted { segments, bytes_before: done.bytes_before + before, ..done });
    }
    Ok(all)
}
