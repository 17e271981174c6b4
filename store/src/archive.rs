//! All that a server holds in one piece: what `leasehold export` writes, and backups are.
//!
//! # The octets
//! ```text
//!    0  16  "LEASEHOLD EXPORT" and then sections:
//!    0   4  what it is: "HEAD", "FILE", "ROWS", "PAST", "END."
//!    4   8  length of the body, little-endian
//!   12   4  CRC-32 of kind, length and body
//!   16   .. body
//! ```
//! `HEAD` comes first: lines of a word, a colon and a value, so that a person sees what it is. `format` says which reader it
//! needs. `FILE` is a name, a zero octet and its contents. `ROWS` are rows of the store, in the form of its journal; `PAST`
//! records of the history of leases. `END.` comes last, with the number of sections before it in eight octets: where it is
//! missing, the rest is missing too. Sections of other kinds are of a later version and passed by.
//!
//! Compression is the matter of whoever writes the file.

use std::io::{self, Read, Write};

use crate::db::RawRows;
use crate::history::Record;
use crate::journal::{RowRef, Rows};

const MAGIC: &[u8; 16] = b"LEASEHOLD EXPORT";
/// The form of this version.
pub const FORMAT: u32 = 1;
/// Rows are written in pieces of about so many octets.
const PIECE: usize = 1 << 20;
/// A longer section is none of ours.
const SECTION_MAX: u64 = 256 << 20;

/// What an archive says of itself: words and values, in their order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Head(pub Vec<(String, String)>);

impl Head {
    /// Adds a value. Line ends in it become spaces.
    pub fn say(&mut self, word: &str, value: impl ToString) {
        self.0.push((word.to_owned(), value.to_string().replace(['\n', '\r'], " ")));
    }

    /// What it says under a word.
    #[must_use]
    pub fn get(&self, word: &str) -> Option<&str> {
        self.0.iter().find(|(found, _)| found == word).map(|(_, value)| &value[..])
    }

    fn read(body: &[u8]) -> Option<Self> {
        let lines = std::str::from_utf8(body).ok()?.lines();
        let pairs = lines.map(|line| line.split_once(": ").map(|(word, value)| (word.to_owned(), value.to_owned())));
        pairs.collect::<Option<Vec<_>>>().map(Self)
    }
}

/// What an archive holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Archive {
    /// What it says of itself.
    pub head: Head,
    /// Files of the configuration, by name.
    pub files: Vec<(String, Vec<u8>)>,
    /// Rows of the store.
    pub rows: RawRows,
    /// The history of leases, when it was asked for.
    pub past: Vec<Record>,
}

/// Why octets are no archive.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ArchiveError {
    /// The system failed, or the compression is damaged.
    #[error("it cannot be read")]
    Io(#[from] io::Error),
    /// It begins with something else.
    #[error("it is no export of Leasehold")]
    NotOne,
    /// A later version wrote it.
    #[error("it is of format {0}, which only a later version reads")]
    Later(String),
    /// Octets are wrong, or missing.
    #[error("it is damaged: {0}; nothing of it is used")]
    Damaged(&'static str),
}

/// Writes an archive, piece by piece.
#[derive(Debug)]
pub struct ArchiveWriter<W> {
    out: W,
    sections: u64,
    rows: Vec<u8>,
    past: Vec<u8>,
}

impl<W: Write> ArchiveWriter<W> {
    /// Begins with what it says of itself; the format is added.
    ///
    /// # Errors
    /// What the system says.
    pub fn new(mut out: W, head: &Head) -> io::Result<Self> {
        out.write_all(MAGIC)?;
        let mut writer = Self { out, sections: 0, rows: Vec::new(), past: Vec::new() };
        let mut text = format!("format: {FORMAT}\n");
        head.0.iter().for_each(|(word, value)| text.push_str(&format!("{word}: {value}\n")));
        writer.section(b"HEAD", text.as_bytes())?;
        Ok(writer)
    }

    /// Adds a file.
    ///
    /// # Errors
    /// What the system says.
    pub fn file(&mut self, name: &str, contents: &[u8]) -> io::Result<()> {
        let body = [name.as_bytes(), &[0], contents].concat();
        self.section(b"FILE", &body)
    }

    /// Adds a row.
    ///
    /// # Errors
    /// What the system says.
    pub fn row(&mut self, stream: u8, key: &[u8], value: &[u8]) -> io::Result<()> {
        if !(RowRef { stream, key, value: Some(value) }).write(&mut self.rows) {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a row is longer than the format allows"));
        }
        if self.rows.len() < PIECE {
            return Ok(());
        }
        let rows = std::mem::take(&mut self.rows);
        self.section(b"ROWS", &rows)
    }

    /// Adds a record of the history.
    ///
    /// # Errors
    /// What the system says.
    pub fn past(&mut self, record: &Record) -> io::Result<()> {
        crate::history::push(record, &mut self.past);
        if self.past.len() < PIECE {
            return Ok(());
        }
        let past = std::mem::take(&mut self.past);
        self.section(b"PAST", &past)
    }

    /// Ends it.
    ///
    /// # Errors
    /// What the system says.
    pub fn finish(mut self) -> io::Result<W> {
        let (rows, past) = (std::mem::take(&mut self.rows), std::mem::take(&mut self.past));
        self.section(b"ROWS", &rows)?;
        if !past.is_empty() {
            self.section(b"PAST", &past)?;
        }
        let sections = self.sections.to_le_bytes();
        self.section(b"END.", &sections)?;
        self.out.flush()?;
        Ok(self.out)
    }

    fn section(&mut self, kind: &[u8; 4], body: &[u8]) -> io::Result<()> {
        let length = (body.len() as u64).to_le_bytes();
        self.out.write_all(kind)?;
        self.out.write_all(&length)?;
        self.out.write_all(&checksum(kind, &length, body).to_le_bytes())?;
        self.sections += 1;
        self.out.write_all(body)
    }
}

fn checksum(kind: &[u8], length: &[u8], body: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    for part in [kind, length, body] {
        hasher.update(part);
    }
    hasher.finalize()
}

/// Reads a whole archive; what is damaged anywhere is refused as a whole.
///
/// # Errors
/// See [`ArchiveError`].
pub fn read(mut from: impl Read) -> Result<Archive, ArchiveError> {
    let mut magic = [0; 16];
    match from.read_exact(&mut magic) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Err(ArchiveError::NotOne),
        other => other?,
    }
    if &magic != MAGIC {
        return Err(ArchiveError::NotOne);
    }
    let mut archive = Archive::default();
    let mut sections = 0_u64;
    loop {
        let (kind, body) = section(&mut from)?;
        match &kind {
            b"HEAD" if sections == 0 => {
                archive.head = Head::read(&body).ok_or(ArchiveError::Damaged("its head is no text"))?;
                let format = archive.head.get("format").unwrap_or_default();
                if format.parse::<u32>().is_ok_and(|format| format > FORMAT) {
                    return Err(ArchiveError::Later(format.to_owned()));
                }
            }
            _ if sections == 0 => return Err(ArchiveError::Damaged("its head is missing")),
            b"FILE" => {
                let end =
                    body.iter().position(|&octet| octet == 0).ok_or(ArchiveError::Damaged("a file has no name"))?;
                let name = String::from_utf8_lossy(&body[..end]).into_owned();
                archive.files.push((name, body[end + 1..].to_vec()));
            }
            b"ROWS" => {
                let mut rows = Rows::new(&body);
                let each = rows.by_ref().filter_map(|row| Some(((row.stream, row.key.to_vec()), row.value?.to_vec())));
                archive.rows.extend(each);
                if !rows.ended_well() {
                    return Err(ArchiveError::Damaged("a row cannot be read"));
                }
            }
            b"PAST" => archive.past.extend(crate::history::records(&body)),
            b"END." if body == sections.to_le_bytes() => return Ok(archive),
            b"END." => return Err(ArchiveError::Damaged("sections are missing")),
            _ => {}
        }
        sections += 1;
    }
}

fn section(from: &mut impl Read) -> Result<([u8; 4], Vec<u8>), ArchiveError> {
    let cut = |error: io::Error| match error.kind() {
        io::ErrorKind::UnexpectedEof => ArchiveError::Damaged("it ends too early"),
        _ => ArchiveError::Io(error),
    };
    let mut header = [0; 16];
    from.read_exact(&mut header).map_err(cut)?;
    let length = u64::from_le_bytes(header[4..12].try_into().unwrap_or_default());
    if length > SECTION_MAX {
        return Err(ArchiveError::Damaged("a section is longer than any"));
    }
    // Nothing is reserved for a length that nothing follows.
    let mut body = Vec::new();
    from.take(length).read_to_end(&mut body).map_err(cut)?;
    if body.len() as u64 != length {
        return Err(ArchiveError::Damaged("it ends too early"));
    }
    let said = u32::from_le_bytes(header[12..16].try_into().unwrap_or_default());
    if checksum(&header[..4], &header[4..12], &body) != said {
        return Err(ArchiveError::Damaged("a checksum is wrong"));
    }
    Ok(([header[0], header[1], header[2], header[3]], body))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failing step is a failing test")]
mod tests {
    use proptest::collection::{btree_map, vec};
    use proptest::prelude::*;

    use super::*;

    fn written(files: &[(String, Vec<u8>)], rows: &RawRows) -> Vec<u8> {
        let mut head = Head::default();
        head.say("created", "2026-11-22");
        let mut writer = ArchiveWriter::new(Vec::new(), &head).unwrap();
        files.iter().for_each(|(name, contents)| writer.file(name, contents).unwrap());
        rows.iter().for_each(|((stream, key), value)| writer.row(*stream, key, value).unwrap());
        writer.finish().unwrap()
    }

    proptest! {
        #[test]
        fn an_archive_comes_back_whole(
            files in vec(("[a-z./]{1,9}", any::<Vec<u8>>()), 0..3),
            rows in btree_map((any::<u8>(), any::<Vec<u8>>()), any::<Vec<u8>>(), 0..9),
        ) {
            let archive = read(&written(&files, &rows)[..]).unwrap();
            prop_assert_eq!(archive.head.get("created"), Some("2026-11-22"));
            prop_assert_eq!((archive.files, archive.rows), (files, rows));
        }

        /// One wrong octet, or a missing end, is never a smaller archive.
        #[test]
        fn what_is_damaged_is_refused_as_a_whole(
            rows in btree_map((any::<u8>(), any::<Vec<u8>>()), any::<Vec<u8>>(), 1..5), at: prop::sample::Index, bit in 0_u8..8,
            cut in any::<bool>(),
        ) {
            let mut octets = written(&[], &rows);
            let at = at.index(octets.len());
            if cut { octets.truncate(at) } else { octets[at] ^= 1_u8 << bit }
            prop_assert!(read(&octets[..]).is_err());
        }

        #[test]
        fn any_octets_are_an_archive_or_none(octets: Vec<u8>) {
            let _ = read(&[MAGIC, &octets[..]].concat()[..]);
        }
    }

    #[test]
    fn a_later_format_is_told() {
        let mut writer = ArchiveWriter { out: MAGIC.to_vec(), sections: 0, rows: Vec::new(), past: Vec::new() };
        writer.section(b"HEAD", b"format: 2\n").unwrap();
        assert!(matches!(read(&writer.finish().unwrap()[..]), Err(ArchiveError::Later(format)) if format == "2"));
    }
}
