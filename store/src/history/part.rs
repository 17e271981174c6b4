//! A part as octets: made of records, and asked.

use std::io;

use crc32fast::Hasher;

use super::packed::Packed;
use super::query::Query;
use super::record::{self, Record};
use crate::storage::StorageFile;

const MAGIC: &[u8; 8] = b"LHHISTRY";
const FORMAT: u16 = 1;
pub(crate) const HEADER: usize = 64;
/// Bytes before a block's records.
const BLOCK_HEADER: usize = 8;
/// A block is closed when it reaches this: one read that costs little more than the way to the disk.
const BLOCK_TARGET: usize = 16 * 1024;
/// Keys by their first byte.
const BUCKETS: usize = 256;
const KEY: usize = 6;
/// No part that we wrote is longer; what says so is damaged.
const PART_MAX: u64 = 1 << 30;

/// What a part says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) number: u64,
    pub(crate) records: u32,
    /// Times of records, UTC seconds.
    pub(crate) earliest: u64,
    pub(crate) latest: u64,
    /// When the last was written.
    pub(crate) newest: u64,
    blocks: u32,
    index_at: u32,
    index_crc: u32,
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..at + 4).and_then(|octets| octets.try_into().ok()).map_or(0, u32::from_le_bytes)
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    bytes.get(at..at + 8).and_then(|octets| octets.try_into().ok()).map_or(0, u64::from_le_bytes)
}

impl Header {
    /// From the first bytes of a file; `None`: it is no part of this number that this version can read.
    fn read(bytes: &[u8], number: u64) -> Option<Self> {
        let bytes = bytes.get(..HEADER)?;
        let readable = u16::from_le_bytes([bytes[10], bytes[11]]) <= FORMAT;
        let sound = &bytes[..8] == MAGIC && crc32fast::hash(&bytes[..60]) == u32_at(bytes, 60);
        let header = Self {
            records: u32_at(bytes, 12),
            number: u64_at(bytes, 16),
            earliest: u64_at(bytes, 24),
            latest: u64_at(bytes, 32),
            newest: u64_at(bytes, 40),
            blocks: u32_at(bytes, 48),
            index_at: u32_at(bytes, 52),
            index_crc: u32_at(bytes, 56),
        };
        (readable && sound && header.number == number).then_some(header)
    }

    fn write(&self, out: &mut [u8]) {
        out[..8].copy_from_slice(MAGIC);
        out[8..10].copy_from_slice(&FORMAT.to_le_bytes());
        out[10..12].copy_from_slice(&FORMAT.to_le_bytes());
        out[12..16].copy_from_slice(&self.records.to_le_bytes());
        for (at, number) in [(16, self.number), (24, self.earliest), (32, self.latest), (40, self.newest)] {
            out[at..at + 8].copy_from_slice(&number.to_le_bytes());
        }
        for (at, number) in [(48, self.blocks), (52, self.index_at), (56, self.index_crc)] {
            out[at..at + 4].copy_from_slice(&number.to_le_bytes());
        }
        let sum = crc32fast::hash(&out[..60]);
        out[60..64].copy_from_slice(&sum.to_le_bytes());
    }

    fn index_len(&self) -> usize {
        self.blocks as usize * 8 + BUCKETS * 8
    }
}

/// The octets of a part of these records, in their order.
pub(crate) fn build(number: u64, records: &Packed, newest: u64) -> Vec<u8> {
    let sorted = records.sorted();
    let mut out = Vec::with_capacity(HEADER + records.octets().len() * 5 / 4);
    out.resize(HEADER, 0);
    let mut index = Vec::new();
    // Each in front of the number of its block, which has two octets.
    let mut hashes: Vec<u64> = Vec::new();
    let mut blocks = 0_u32;
    let mut rest = sorted.iter().peekable();
    while let Some(first) = rest.peek() {
        let at = out.len();
        index.extend_from_slice(&first.address.to_le_bytes());
        index.extend_from_slice(&(at as u32).to_le_bytes());
        out.extend_from_slice(&[0; BLOCK_HEADER]);
        // The keys have room for so many blocks; the last takes what is left, which no part of ours gets to.
        while let Some(entry) = rest.next_if(|_| out.len() - at < BLOCK_TARGET || blocks >= u32::from(u16::MAX)) {
            out.extend_from_slice(records.octets_of(entry));
            hashes.extend(records.keys_of(entry).iter().map(|hash| u64::from(*hash) << 16 | u64::from(blocks)));
        }
        let length = (out.len() - at - BLOCK_HEADER) as u32;
        out[at..at + 4].copy_from_slice(&length.to_le_bytes());
        let sum = block_crc(number, &out[at + BLOCK_HEADER..]);
        out[at + 4..at + 8].copy_from_slice(&sum.to_le_bytes());
        blocks += 1;
        // Nobody waits for a part, and whoever wants the processor meanwhile is to have it at once.
        std::thread::yield_now();
    }
    hashes.sort_unstable();
    hashes.dedup();
    let mut table = Vec::with_capacity(hashes.len() * KEY);
    let (mut end, mut start) = (0, 0);
    for bucket in 0..BUCKETS {
        while let Some(hash) = hashes.get(end).filter(|hash| (*hash >> 40) as usize <= bucket) {
            table.extend_from_slice(&((hash >> 16) as u32).to_le_bytes());
            table.extend_from_slice(&(*hash as u16).to_le_bytes());
            end += 1;
        }
        index.extend_from_slice(&(end as u32).to_le_bytes());
        index.extend_from_slice(&crc32fast::hash(&table[start..]).to_le_bytes());
        start = table.len();
    }
    let header = Header {
        number,
        records: records.len() as u32,
        earliest: sorted.iter().map(|entry| entry.at).min().unwrap_or(0),
        latest: sorted.iter().map(|entry| entry.at).max().unwrap_or(0),
        newest,
        blocks,
        index_at: out.len() as u32,
        index_crc: crc32fast::hash(&index),
    };
    out.extend_from_slice(&index);
    out.extend_from_slice(&table);
    header.write(&mut out);
    out
}

fn block_crc(number: u64, body: &[u8]) -> u32 {
    let mut hasher = Hasher::new();
    hasher.update(&number.to_le_bytes());
    hasher.update(body);
    hasher.finalize()
}

/// Why a part does not tell what it held.
#[derive(Debug)]
pub(crate) enum PartFault {
    /// The system failed.
    Io(io::Error),
    /// It is damaged, or of a later version.
    Damaged,
}

impl From<io::Error> for PartFault {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// A part's file, open for reading.
#[derive(Debug)]
pub(crate) struct Part<F> {
    file: F,
    pub(crate) header: Header,
}

impl<F: StorageFile> Part<F> {
    /// Reads the header.
    pub(crate) fn open(file: F, number: u64) -> Result<Self, PartFault> {
        let mut bytes = [0; HEADER];
        let read = file.read_at(0, &mut bytes)?;
        let header = Header::read(&bytes[..read], number).ok_or(PartFault::Damaged)?;
        Ok(Self { file, header })
    }

    /// Gives `take` every key, as far as the keys can be read; how many there were.
    pub(crate) fn keys(&self, mut take: impl FnMut(u32)) -> Result<usize, PartFault> {
        let index = self.read(u64::from(self.header.index_at), self.header.index_len())?;
        if crc32fast::hash(&index) != self.header.index_crc {
            return Err(PartFault::Damaged);
        }
        let count = u32_at(&index, index.len() - 8) as usize;
        let at = u64::from(self.header.index_at) + index.len() as u64;
        let table = self.read(at, count * KEY)?;
        table.chunks_exact(KEY).for_each(|entry| take(u32_at(entry, 0)));
        Ok(count)
    }

    /// Gives `take` each record that the query takes, of the blocks that may hold some: how many blocks were damaged.
    pub(crate) fn find(&self, query: &Query, mut take: impl FnMut(Record)) -> Result<usize, PartFault> {
        let index = self.read(u64::from(self.header.index_at), self.header.index_len())?;
        if crc32fast::hash(&index) != self.header.index_crc {
            return self.search(query, &mut take);
        }
        let (places, buckets) = index.split_at(self.header.blocks as usize * 8);
        let by_key = self.blocks_of_any(query.keys(), buckets)?;
        let addresses = query.addresses();
        let mut damaged = 0;
        for block in 0..self.header.blocks as usize {
            let least = u32_at(places, block * 8);
            // The next block's least address may be this one's greatest.
            let most = if block + 1 < self.header.blocks as usize { u32_at(places, block * 8 + 8) } else { u32::MAX };
            let within = addresses.is_none_or(|(first, last)| least <= last && first <= most);
            let named = by_key.as_ref().is_none_or(|blocks| blocks.binary_search(&(block as u16)).is_ok());
            if within && named {
                damaged += usize::from(!self.block(u64::from(u32_at(places, block * 8 + 4)), query, &mut take)?);
            }
        }
        Ok(damaged)
    }

    /// The blocks with records of any of these keys, sorted; `None` when every block may have some.
    fn blocks_of_any(&self, keys: Option<Vec<u32>>, buckets: &[u8]) -> Result<Option<Vec<u16>>, PartFault> {
        let Some(keys) = keys else { return Ok(None) };
        let mut all = Vec::new();
        for key in keys {
            let Some(blocks) = self.blocks_of(key, buckets)? else { return Ok(None) };
            all.extend(blocks);
        }
        all.sort_unstable();
        Ok(Some(all))
    }

    /// The blocks with records of a key, sorted; `None` when the keys cannot be trusted.
    fn blocks_of(&self, key: u32, buckets: &[u8]) -> Result<Option<Vec<u16>>, PartFault> {
        let bucket = (key >> 24) as usize;
        let start = if bucket == 0 { 0 } else { u32_at(buckets, bucket * 8 - 8) } as usize;
        let end = u32_at(buckets, bucket * 8) as usize;
        let at = u64::from(self.header.index_at) + (self.header.index_len() + start * KEY) as u64;
        let table = self.read(at, end.saturating_sub(start) * KEY)?;
        if crc32fast::hash(&table) != u32_at(buckets, bucket * 8 + 4) {
            return Ok(None);
        }
        let keys = table.chunks_exact(KEY).filter(|entry| u32_at(entry, 0) == key);
        let mut blocks: Vec<u16> = keys.map(|entry| u16::from_le_bytes([entry[4], entry[5]])).collect();
        blocks.sort_unstable();
        Ok(Some(blocks))
    }

    /// One block; false: it is damaged.
    fn block(&self, at: u64, query: &Query, take: &mut impl FnMut(Record)) -> Result<bool, PartFault> {
        let header = self.read(at, BLOCK_HEADER)?;
        let length = u32_at(&header, 0) as usize;
        if at + (BLOCK_HEADER + length) as u64 > u64::from(self.header.index_at) {
            return Ok(false);
        }
        let body = self.read(at + BLOCK_HEADER as u64, length)?;
        if block_crc(self.header.number, &body) != u32_at(&header, 4) {
            return Ok(false);
        }
        record::records(&body).filter(|record| query.takes(record)).for_each(take);
        Ok(true)
    }

    /// Every block, one after the other, where the index is damaged.
    fn search(&self, query: &Query, take: &mut impl FnMut(Record)) -> Result<usize, PartFault> {
        let (mut at, mut damaged) = (HEADER as u64, 1);
        while at < u64::from(self.header.index_at) {
            let length = u32_at(&self.read(at, BLOCK_HEADER)?, 0);
            damaged += usize::from(!self.block(at, query, take)?);
            at += BLOCK_HEADER as u64 + u64::from(length);
        }
        Ok(damaged)
    }

    fn read(&self, at: u64, length: usize) -> Result<Vec<u8>, PartFault> {
        if length as u64 > PART_MAX {
            return Err(PartFault::Damaged);
        }
        let mut bytes = vec![0; length];
        match self.file.read_at(at, &mut bytes)? == length {
            true => Ok(bytes),
            false => Err(PartFault::Damaged),
        }
    }
}
