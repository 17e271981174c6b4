//! Snapshots: written block by block, read block by block.

use std::io;

use super::error::ReadFault;
use super::frame::{ALIGN, BODY_MAX, RowRef, Seed, aligned, u32_at, u64_at};
use super::names;
use super::segment::read_superblock;
use super::superblock::{Kind, SUPERBLOCK, Superblock};
use crate::storage::StorageFile;

/// Bytes before a block's rows.
pub(crate) const BLOCK_HEADER: usize = 24;

/// A block is closed when its rows reach this many bytes: great reads, and little lost with one bad block.
const BLOCK_TARGET: usize = 256 * 1024;

/// Synced after so many bytes, so that a live compaction never hands the disk much work at once: a sync of the journal
/// has to wait for as much as that. Four mebibytes were to be felt, and less than a block brings nothing.
const SYNC_EVERY: u64 = BLOCK_TARGET as u64;

/// One block as read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Block<'a> {
    pub(crate) index: u64,
    pub(crate) rows: u32,
    pub(crate) last: bool,
    pub(crate) body: &'a [u8],
    pub(crate) whole: bool,
}

impl<'a> Block<'a> {
    /// The block at the start of `bytes`; `None` when they cannot hold one.
    pub(crate) fn read(bytes: &'a [u8], seed: Seed) -> Option<Self> {
        let length = u32_at(bytes, 0)? as usize;
        if length == 0 || length > BODY_MAX {
            return None;
        }
        let all = bytes.get(..BLOCK_HEADER + length)?;
        Some(Self {
            index: u64_at(all, 8)?,
            rows: u32_at(all, 16)?,
            last: u32_at(all, 20)? == 1,
            body: &all[BLOCK_HEADER..],
            whole: u32_at(all, 4)? == seed.framed(all),
        })
    }

    /// Bytes to the next block.
    pub(crate) fn stride(&self) -> usize {
        aligned(BLOCK_HEADER + self.body.len())
    }
}

/// Writes a snapshot.
#[derive(Debug)]
pub(crate) struct SnapshotWriter<F> {
    file: F,
    seed: Seed,
    offset: u64,
    synced: u64,
    buffer: Vec<u8>,
    rows: u32,
    blocks: u64,
    total: u64,
}

impl<F: StorageFile> SnapshotWriter<F> {
    pub(crate) fn new(mut file: F, superblock: &Superblock) -> io::Result<Self> {
        file.write_at(0, &superblock.write())?;
        let mut buffer = Vec::with_capacity(BLOCK_HEADER + BLOCK_TARGET + 4096);
        buffer.resize(BLOCK_HEADER, 0);
        let offset = SUPERBLOCK as u64;
        Ok(Self { file, seed: superblock.seed(), offset, synced: 0, buffer, rows: 0, blocks: 0, total: 0 })
    }

    /// Appends a row; rows come sorted by stream and key.
    pub(crate) fn push(&mut self, stream: u8, key: &[u8], value: &[u8]) -> io::Result<()> {
        if !(RowRef { stream, key, value: Some(value) }).write(&mut self.buffer) {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a row is longer than the format allows"));
        }
        self.rows += 1;
        self.total += 1;
        if self.buffer.len() >= BLOCK_HEADER + BLOCK_TARGET { self.close_block(false) } else { Ok(()) }
    }

    fn close_block(&mut self, last: bool) -> io::Result<()> {
        let length = u32::try_from(self.buffer.len() - BLOCK_HEADER)
            .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "a block is longer than the format allows"))?;
        self.buffer[0..4].copy_from_slice(&length.to_le_bytes());
        self.buffer[8..16].copy_from_slice(&self.blocks.to_le_bytes());
        self.buffer[16..20].copy_from_slice(&self.rows.to_le_bytes());
        self.buffer[20..24].copy_from_slice(&u32::from(last).to_le_bytes());
        let checksum = self.seed.framed(&self.buffer);
        self.buffer[4..8].copy_from_slice(&checksum.to_le_bytes());
        self.buffer.resize(aligned(self.buffer.len()), 0);
        self.file.write_at(self.offset, &self.buffer)?;
        self.offset += self.buffer.len() as u64;
        self.blocks += 1;
        self.rows = 0;
        self.buffer.clear();
        self.buffer.resize(BLOCK_HEADER, 0);
        if self.offset - self.synced >= SYNC_EVERY {
            self.file.sync_data()?;
            self.synced = self.offset;
        }
        Ok(())
    }

    /// Ends the snapshot and syncs it: its length in bytes and its number of rows.
    pub(crate) fn finish(mut self) -> io::Result<(u64, u64)> {
        if self.rows > 0 {
            self.close_block(false)?;
        }
        self.buffer.extend_from_slice(&self.total.to_le_bytes());
        self.close_block(true)?;
        self.file.sync_data()?;
        Ok((self.offset, self.total))
    }
}

/// Reads a snapshot from its start to its end mark.
#[derive(Debug)]
pub(crate) struct SnapshotReader<F> {
    pub(crate) name: String,
    pub(crate) superblock: Superblock,
    pub(crate) size: u64,
    file: F,
    seed: Seed,
    offset: u64,
    buffer: Vec<u8>,
    next_index: u64,
    rows: u64,
    done: bool,
}

impl<F: StorageFile> SnapshotReader<F> {
    pub(crate) fn new(file: F, number: u64) -> Result<Self, ReadFault> {
        let name = names::snapshot(number);
        let mut first = vec![0; SUPERBLOCK];
        let read = file.read_at(0, &mut first).map_err(ReadFault::io(&name))?;
        let size = file.size().map_err(ReadFault::io(&name))?;
        let superblock = read_superblock(&first[..read], &name, Kind::Snapshot, number)?;
        let seed = superblock.seed();
        let offset = SUPERBLOCK as u64;
        Ok(Self { name, superblock, size, file, seed, offset, buffer: Vec::new(), next_index: 0, rows: 0, done: false })
    }

    /// The next block's rows and the block's offset; `None` after the last.
    pub(crate) fn next_block(&mut self) -> Result<Option<(&[u8], u64)>, ReadFault> {
        if self.done {
            return Ok(None);
        }
        let at = self.offset;
        let damaged = |what: &str| ReadFault::damaged(&self.name, at, what);
        let mut header = [0; BLOCK_HEADER];
        let read = self.file.read_at(at, &mut header).map_err(ReadFault::io(&self.name))?;
        let length = u32_at(&header[..read], 0).filter(|_| read == BLOCK_HEADER).map(|length| length as usize);
        let room = self.size.saturating_sub(at + BLOCK_HEADER as u64);
        let Some(length) = length.filter(|&l| l <= BODY_MAX && l as u64 <= room) else {
            return Err(damaged("the snapshot ends before its last block"));
        };
        self.buffer.resize(BLOCK_HEADER + length, 0);
        self.buffer[..BLOCK_HEADER].copy_from_slice(&header);
        let body_at = at + BLOCK_HEADER as u64;
        let read = self.file.read_at(body_at, &mut self.buffer[BLOCK_HEADER..]).map_err(ReadFault::io(&self.name))?;
        let block = Block::read(&self.buffer[..BLOCK_HEADER + read], self.seed)
            .filter(|block| block.whole && block.index == self.next_index)
            .ok_or_else(|| damaged("a block of the snapshot does not match its checksum"))?;
        self.offset += block.stride() as u64;
        self.next_index += 1;
        if block.last {
            if u64_at(block.body, 0) != Some(self.rows) {
                return Err(damaged("the snapshot holds another number of rows than it says"));
            }
            self.done = true;
            return Ok(None);
        }
        self.rows += u64::from(block.rows);
        Ok(Some((&self.buffer[BLOCK_HEADER..], at)))
    }
}

/// Whole blocks of later indexes than `index`, anywhere in `bytes` beyond `offset`.
pub(crate) fn blocks_after(bytes: &[u8], seed: Seed, offset: usize, index: u64) -> Option<(usize, Block<'_>)> {
    let most = index.saturating_add((bytes.len() / BLOCK_HEADER) as u64);
    (offset..bytes.len()).step_by(ALIGN).find_map(|at| {
        let rest = &bytes[at..];
        u64_at(rest, 8).filter(|&found| found > index && found <= most)?;
        Some((at, Block::read(rest, seed).filter(|block| block.whole)?))
    })
}
