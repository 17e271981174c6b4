//! The open file's octets: frames of records, and where they end.

use crc32fast::Hasher;

use super::record::{self, Record};

const MAGIC: &[u8; 8] = b"LHHISTOP";
pub(crate) const HEADER: usize = 16;
const FRAME_HEADER: usize = 16;

/// The start of the open file of this number.
pub(crate) fn header(number: u64) -> [u8; HEADER] {
    let mut out = [0; HEADER];
    out[..8].copy_from_slice(MAGIC);
    out[8..].copy_from_slice(&number.to_le_bytes());
    out
}

/// Records, as octets one after the other, as a frame.
pub(crate) fn frame(number: u64, stamp: u64, records: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(FRAME_HEADER + records.len());
    out.resize(FRAME_HEADER, 0);
    out.extend_from_slice(records);
    out[..4].copy_from_slice(&(records.len() as u32).to_le_bytes());
    out[8..16].copy_from_slice(&stamp.to_le_bytes());
    let sum = checksum(number, &out);
    out[4..8].copy_from_slice(&sum.to_le_bytes());
    out
}

fn checksum(number: u64, frame: &[u8]) -> u32 {
    let mut hasher = Hasher::new();
    hasher.update(&number.to_le_bytes());
    hasher.update(&frame[..4]);
    hasher.update(&frame[8..]);
    hasher.finalize()
}

/// What an open file holds.
#[derive(Debug, Default)]
pub(crate) struct Read {
    pub(crate) records: Vec<Record>,
    /// UTC seconds: of the first frame and of the last.
    pub(crate) stamps: Option<(u64, u64)>,
    /// Beyond the last whole frame.
    pub(crate) end: usize,
    /// Bytes beyond it, which were torn.
    pub(crate) torn: usize,
}

/// Reads an open file as far as it is whole.
pub(crate) fn read(number: u64, bytes: &[u8]) -> Read {
    let mut read = Read::default();
    if bytes.get(..HEADER) != Some(&header(number)) {
        read.torn = bytes.len();
        return read;
    }
    read.end = HEADER;
    while let Some(frame) = frame_at(number, &bytes[read.end..]) {
        let stamp = frame[8..16].try_into().map_or(0, u64::from_le_bytes);
        read.records.extend(record::records(&frame[FRAME_HEADER..]));
        read.stamps = Some((read.stamps.map_or(stamp, |(first, _)| first), stamp));
        read.end += frame.len();
    }
    read.torn = bytes.len() - read.end;
    read
}

fn frame_at(number: u64, bytes: &[u8]) -> Option<&[u8]> {
    let length = u32::from_le_bytes(*bytes.first_chunk()?) as usize;
    let frame = bytes.get(..FRAME_HEADER.checked_add(length)?)?;
    let said = u32::from_le_bytes(*frame.get(4..)?.first_chunk()?);
    (checksum(number, frame) == said).then_some(frame)
}
