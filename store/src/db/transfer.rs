//! A store's rows taken out whole, and put in the place of another's.
//!
//! [`copy`] only reads, also beside a running daemon: what it gives is one moment of the store, since the journal is an
//! order of whole transactions. [`replace`] works as a repair does: a new snapshot whose rename is the one step that puts the
//! new rows in force, and then the old files are moved aside.

use std::collections::BTreeMap;
use std::io;

use crate::journal::format::{Listing, ReadFault, take_lock};
use crate::journal::{Journal, OpenError, Options, names};
use crate::rows::{Row, RowFault, STREAMS};
use crate::storage::Storage;

use super::repair::write_rows;
use super::survey::Survey;

/// Rows by stream and key, as their octets.
pub type RawRows = BTreeMap<(u8, Vec<u8>), Vec<u8>>;

/// What [`copy`] found beside the rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Copied {
    /// How many rows.
    pub rows: u64,
    /// UTC seconds: the newest stamp.
    pub newest_stamp: u64,
}

/// Gives `visit` stream, key and value of each row of a store that may be in use, as it stood at one moment; also rows of
/// kinds that only a newer version knows.
///
/// # Errors
/// A store that is not there, damaged, or of another version.
pub fn copy<S: Storage>(storage: &S, mut visit: impl FnMut(u8, &[u8], &[u8])) -> Result<Copied, OpenError> {
    let fault = |fault: ReadFault| fault.into_open_error(storage.describe());
    let every: Vec<u8> = (0..=u8::MAX).collect();
    let mut loaded = super::read_beside(storage)?;
    let report = loaded.visit(&every, |stream, key, value| {
        if STREAMS.contains(&stream) {
            Row::read(stream, key, Some(value))?;
        }
        visit(stream, key, value);
        Ok(())
    });
    Ok(Copied { rows: report.map_err(fault)?.rows, newest_stamp: loaded.newest_stamp() })
}

/// Whether nobody uses a store, so that it can be replaced now.
///
/// # Errors
/// Who uses it.
pub fn is_free<S: Storage>(storage: &S, program: &str) -> Result<(), OpenError> {
    match take_lock(storage, program) {
        // A store that is not there is nobody's.
        Err(OpenError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other.map(drop),
    }
}

/// Puts `rows` in the place of everything that a store holds; makes the store when there is none. `now` is UTC seconds. The
/// old files are kept in a directory beneath the store's, whose name is told.
///
/// # Errors
/// See [`OpenError`]; the store is then as it was, or wholly replaced.
pub fn replace<S: Storage>(
    storage: &S,
    options: &Options,
    now: u64,
    rows: &RawRows,
    newest_stamp: u64,
) -> Result<String, OpenError> {
    let directory = storage.describe();
    let io = |file: &str, source| OpenError::io(directory.clone(), file, 0, source);
    storage.ensure().map_err(|source| match source.kind() {
        io::ErrorKind::NotFound => OpenError::NoDirectory { directory: directory.clone() },
        _ => io("the directory", source),
    })?;
    let listing = Listing::new(storage.list().map_err(|source| io("the directory", source))?);
    if listing.segments.is_empty() && listing.snapshots.is_empty() {
        drop(Journal::open(storage.clone(), options, &STREAMS, drop, |_, _, _| Ok(()))?);
    }
    let _lock = take_lock(storage, &options.program)?;
    let mut survey = Survey::new(storage).map_err(|fault| fault.into_open_error(directory.clone()))?;
    survey.rows.clear();
    survey.newest_stamp = survey.newest_stamp.max(newest_stamp.min(now));
    let all = rows.iter().map(|((stream, key), value)| (*stream, &key[..], &value[..]));
    write_rows(storage, &survey, options, now, all)?;
    let kept = crate::journal::format::keep_aside(storage, &survey.files, now);
    kept.map_err(|source| io(&names::kept(now), source))
}

/// A row from its octets.
///
/// # Errors
/// See [`RowFault`].
pub fn read_row(stream: u8, key: &[u8], value: &[u8]) -> Result<Row, RowFault> {
    Row::read(stream, key, Some(value))
}

/// Puts a row among others.
pub fn put_row(rows: &mut RawRows, row: &Row) {
    let (id, value) = super::repair::encoded(row);
    match value {
        Some(value) => _ = rows.insert(id, value),
        None => _ = rows.remove(&id),
    }
}
