//! The journal: key-value rows in tagged streams, one append and one fdatasync a batch.
//!
//! # The directory
//! ```text
//! lock                  held with flock while a daemon runs; process id and program inside
//! segment-0000000007    frames, appended; each name holds a valid superblock from the moment it has that name
//! snapshot-0000000005   every row as it stood when segment 5 began, sorted by stream and key
//! spare                 the next segment's space, reserved ahead; zeros, where there was time to write them
//! *.new                 being written; removed at the next opening
//! kept-1790000000/      what `repair` replaced, with the time when it did
//! ```
//! The naming rule is the manifest: the snapshot with the greatest number N is in force, and upon it the segments
//! N, N+1, .. up to the newest, without a gap; without a snapshot they begin with 1. Every file with a smaller number
//! is superseded and removed. So a compaction takes effect in one step, the rename of its snapshot. Segment N is
//! durable before snapshot N is written, so that a snapshot without its segment is damage, not an empty journal.
//!
//! # Numbers
//! All are little-endian. Every checksum is CRC-32 (IEEE) over the store's identity and the file's number before the
//! bytes themselves, so that bytes of another store, another file or an earlier use of the disk are never taken for
//! this file's.
//!
//! # Superblock: the first 4096 bytes of a segment and of a snapshot
//! ```text
//!    0  8  magic: "LHSEGMNT" or "LHSNAPSH"
//!    8  2  format version            these two never move, so that every version can refuse every other
//!   10  2  least reader version
//!   12  4  zero
//!   16 16  store identity
//!   32  8  number, as in the name
//!   40  8  segment: sequence of its first frame; snapshot: of the first frame not in it
//!   48  8  newest stamp known when it was written
//!   56  8  snapshot: UTC seconds of the repair that wrote it, else 0
//! 4092  4  checksum of the 4092 bytes before
//! ```
//! A change that older readers survive raises the format version alone; one that they would misread raises the
//! least reader version too, and they refuse to open.
//!
//! # Frame: one transaction
//! ```text
//!    0  4  length of the body
//!    4  4  checksum of bytes 0..4 and 8.. to the body's end
//!    8  8  sequence: one more than the frame before
//!   16  8  stamp: UTC seconds, never below the frame before
//!   24  4  place in its batch, from 0
//!   28  4  number of rows
//!   32  .. rows; then zeros to a multiple of 8
//! ```
//! # Row
//! ```text
//!    0  1  stream; bit 7: a reader that does not know the stream must not open the store
//!    1  1  flags; bit 0: the row is gone (no value follows)
//!    2  2  length of the key
//!    4  4  length of the value
//!    8  .. key, value
//! ```
//! # The end, and what is wrong beyond it
//! A segment's space is reserved and reads as zeros, so the end is where no valid frame of the expected sequence
//! follows. All zeros there: the end is clean. Something else: a batch that was never acknowledged was torn, or a
//! frame that was acknowledged is damaged. The difference is told by the frames after it: each knows the first
//! sequence of its batch, and everything before that was durable when it was written. A valid frame whose batch
//! began later than the missing one, or a later segment whose first sequence lies beyond it, proves damage: the
//! store refuses to open. Else the tail is cut, and the report says how much. It is cut by beginning a new segment
//! with the next commit, whose first sequence ends the old segment for good: nothing is erased, and no frame of the
//! torn batch can come back.
//!
//! The last batch is written again and synced at opening, before anything is built upon it: after a process was
//! killed between write and sync, or after a sync that failed, reads may show what the disk does not hold.
//!
//! # Snapshot: blocks after the superblock
//! ```text
//!    0  4  length of the body
//!    4  4  checksum of bytes 0..4 and 8.. to the body's end
//!    8  8  index of the block, from 0
//!   16  4  number of rows
//!   20  4  1: the last block, its body is the number of all rows (8 bytes); else 0
//!   24  .. rows, sorted by stream and key, none gone; then zeros to a multiple of 8
//! ```

mod batch;
mod commit;
mod compaction;
mod error;
mod frame;
mod loaded;
mod merge;
pub(crate) mod names;
mod opening;
mod segment;
mod snapshot;
mod superblock;
mod zeros;

pub use batch::{Batch, TransactionWriter};
pub use commit::{CommitError, Journal, Room};
pub use compaction::{Compacted, Compaction, CompactionError, Sizes, compaction_due};
pub use error::{Damage, OpenError};
pub use opening::{Cut, JournalReport, Options};
pub use zeros::Zeroing;

pub(crate) use loaded::Unreadable;

pub(crate) use frame::{RowRef, Rows};

/// The format's parts, for who reads damaged stores.
pub(crate) mod format {
    pub(crate) use super::error::ReadFault;
    pub(crate) use super::frame::{Frame, RowRef, Rows, Seed, u32_at};
    pub(crate) use super::loaded::{CRITICAL, Loaded};
    pub(crate) use super::names::Listing;
    pub(crate) use super::opening::{begin_segment, keep_aside, take_lock};
    pub(crate) use super::segment::find_frames;
    pub(crate) use super::snapshot::{BLOCK_HEADER, Block, SnapshotWriter, blocks_after};
    pub(crate) use super::superblock::{Kind, SUPERBLOCK, Superblock, SuperblockFault};
}

#[cfg(test)]
mod tests;
