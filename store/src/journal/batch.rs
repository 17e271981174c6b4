//! Transactions on their way to the journal, in one buffer that is used again and again.

use super::frame::{ALIGN, BODY_MAX, FRAME_HEADER, ROW_HEADER, Seed, aligned, u32_at};

/// How much of the buffer is kept for the next batch.
const BUFFER_KEPT: usize = 1024 * 1024;

/// Transactions that are committed together: one append, one sync.
#[derive(Debug, Default)]
pub struct Batch {
    /// Whole frames; sequence, stamp, place and checksum are filled in when they are sealed.
    bytes: Vec<u8>,
    /// Where each frame begins.
    frames: Vec<usize>,
    /// A row or a transaction was longer than the format allows.
    too_large: bool,
}

impl Batch {
    /// An empty batch.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Forgets everything but the buffer, and of that what one great batch left.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.bytes.shrink_to(BUFFER_KEPT);
        self.frames.clear();
        self.too_large = false;
    }

    /// Whether there is nothing to store.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }

    /// Bytes that the batch takes in the journal.
    #[must_use]
    pub fn size(&self) -> usize {
        self.bytes.len()
    }

    /// Number of transactions.
    #[must_use]
    pub fn transactions(&self) -> usize {
        self.frames.len()
    }

    /// The rows of every transaction, in order: stream, key, value (`None`: gone).
    pub fn rows(&self) -> impl Iterator<Item = (u8, &[u8], Option<&[u8]>)> {
        self.frames.iter().flat_map(|&start| {
            let length = u32_at(&self.bytes, start).unwrap_or_default() as usize;
            let body = start + FRAME_HEADER;
            super::Rows::new(&self.bytes[body..body + length]).map(|row| (row.stream, row.key, row.value))
        })
    }

    pub(super) fn too_large(&self) -> bool {
        self.too_large
    }

    /// Begins a transaction; it is part of the batch once [`TransactionWriter::finish`] was called.
    pub fn transaction(&mut self) -> TransactionWriter<'_> {
        let start = self.bytes.len();
        self.bytes.resize(start + FRAME_HEADER, 0);
        TransactionWriter { batch: self, start, rows: 0, finished: false }
    }

    /// Fills in what only the journal knows. The number of the first frame is `sequence`.
    pub(crate) fn seal(&mut self, seed: Seed, sequence: u64, stamp: u64) -> &[u8] {
        for (place, &start) in (0_u32..).zip(&self.frames) {
            let length = u32_at(&self.bytes, start).unwrap_or_default() as usize;
            let frame = &mut self.bytes[start..start + FRAME_HEADER + length];
            frame[8..16].copy_from_slice(&(sequence + u64::from(place)).to_le_bytes());
            frame[16..24].copy_from_slice(&stamp.to_le_bytes());
            frame[24..28].copy_from_slice(&place.to_le_bytes());
            let checksum = seed.framed(frame);
            frame[4..8].copy_from_slice(&checksum.to_le_bytes());
        }
        &self.bytes
    }
}

/// One transaction being written. Dropped unfinished, it leaves no trace.
#[derive(Debug)]
pub struct TransactionWriter<'a> {
    batch: &'a mut Batch,
    start: usize,
    rows: u32,
    finished: bool,
}

impl TransactionWriter<'_> {
    /// A row; `key` and `value` append their bytes.
    pub fn put(&mut self, stream: u8, key: impl FnOnce(&mut Vec<u8>), value: impl FnOnce(&mut Vec<u8>)) {
        self.write(stream, key, Some(value));
    }

    /// A row is gone; `key` appends its key's bytes.
    pub fn delete(&mut self, stream: u8, key: impl FnOnce(&mut Vec<u8>)) {
        self.write(stream, key, None::<fn(&mut Vec<u8>)>);
    }

    fn write<V: FnOnce(&mut Vec<u8>)>(&mut self, stream: u8, key: impl FnOnce(&mut Vec<u8>), value: Option<V>) {
        let bytes = &mut self.batch.bytes;
        let header = bytes.len();
        bytes.extend_from_slice(&[stream, u8::from(value.is_none()), 0, 0, 0, 0, 0, 0]);
        key(bytes);
        let value_start = bytes.len();
        if let Some(value) = value {
            value(bytes);
        }
        let key_len = u16::try_from(value_start - header - ROW_HEADER);
        let value_len = u32::try_from(bytes.len() - value_start);
        if let (Ok(key_len), Ok(value_len)) = (key_len, value_len) {
            bytes[header + 2..header + 4].copy_from_slice(&key_len.to_le_bytes());
            bytes[header + 4..header + 8].copy_from_slice(&value_len.to_le_bytes());
            self.rows += 1;
        } else {
            self.batch.too_large = true;
        }
    }

    /// Makes it part of the batch. A transaction without rows is none.
    pub fn finish(mut self) {
        if self.rows == 0 {
            return;
        }
        self.finished = true;
        if faults::planted(faults::Fault::CommitHalfApplied) && self.rows > 1 {
            return self.finish_in_halves();
        }
        self.close_frame(self.start, self.rows);
    }

    fn close_frame(&mut self, start: usize, rows: u32) {
        let batch = &mut *self.batch;
        let body = batch.bytes.len() - start - FRAME_HEADER;
        batch.too_large |= body > BODY_MAX;
        let length = u32::try_from(body).unwrap_or(u32::MAX);
        batch.bytes[start..start + 4].copy_from_slice(&length.to_le_bytes());
        batch.bytes[start + 28..start + 32].copy_from_slice(&rows.to_le_bytes());
        batch.bytes.resize(aligned(batch.bytes.len()), 0);
        debug_assert!(batch.bytes.len().is_multiple_of(ALIGN), "frames begin at multiples of {ALIGN}");
        batch.frames.push(start);
    }

    /// The planted fault: the first row in one frame, the others in a second.
    fn finish_in_halves(&mut self) {
        let body = self.batch.bytes.split_off(self.start + FRAME_HEADER);
        let mut rows = super::Rows::new(&body);
        if let Some(first) = rows.next() {
            first.write(&mut self.batch.bytes);
        }
        self.close_frame(self.start, 1);
        let second = self.batch.bytes.len();
        self.batch.bytes.resize(second + FRAME_HEADER, 0);
        for row in rows {
            row.write(&mut self.batch.bytes);
        }
        self.close_frame(second, self.rows - 1);
    }
}

impl Drop for TransactionWriter<'_> {
    fn drop(&mut self) {
        if !self.finished {
            self.batch.bytes.truncate(self.start);
        }
    }
}
