//! The history of leases: who had which address when, beside the journal and derived from what it committed.
//!
//! The journal holds what stands now; this holds what was. It is written behind the commits, by nobody that a client
//! waits for, and what a crash takes from its end is read again from the journal ([`journal_leases`]).
//!
//! # The directory `history` of a store
//! ```text
//! part-0000000007   records of some time, sorted by address, with an index; never written again
//! open-0000000008   the records since: frames, appended
//! *.new             being written; removed at the next opening
//! ```
//! Numbers go up with time. A part takes the place of the open file of its number; where both are there, the part counts.
//! Whole parts are dropped when they are too old, or all together too large ([`retention`]).
//!
//! # The open file
//! ```text
//!    0  8  magic "LHHISTOP"
//!    8  8  number, as in the name
//! ```
//! and then frames:
//! ```text
//!    0  4  length of the body
//!    4  4  CRC-32 of the number of the file (8 bytes), bytes 0..4 and 8.. to the body's end
//!    8  8  stamp: UTC seconds when it was written
//!   16  .. records: length (4), fields
//! ```
//! The end is where no valid frame follows. What lies beyond was torn by a crash; a file with such an end is made a part
//! at the next opening, so that nothing is written behind it.
//!
//! # A part
//! ```text
//!    0  8  magic "LHHISTRY"
//!    8  2  format version, 1                 these two never move
//!   10  2  least reader version, 1
//!   12  4  number of records
//!   16  8  number, as in the name
//!   24  8  the earliest time of a record, UTC seconds
//!   32  8  the latest
//!   40  8  the stamp of the last frame that went into it
//!   48  4  number of blocks
//!   52  4  where the index begins
//!   56  4  CRC-32 of the index
//!   60  4  CRC-32 of bytes 0..60
//!   64  .. blocks: length (4), CRC-32 of number and body (4), records as above
//!          the index: for each block its least address and its offset (4 + 4); for each value of a key's first byte
//!          where its keys end, counted in keys, and their CRC-32 (256 x (4 + 4))
//!          keys: hash (4) and block (2), sorted: whose records the block holds, by hardware address, name and client
//!          identifier
//! ```
//! All numbers are little-endian. So who had an address is one search in a small table a part, and what a machine had is
//! one slice of the keys, however many records there are.

mod coalesce;
mod keys;
mod known;
mod open_file;
mod packed;
mod part;
mod query;
mod reader;
mod record;
mod retention;
mod since;
mod told;
mod writer;

pub use coalesce::{Coalesce, is_told_already};
pub use known::{Known, Sight};
pub use query::{Holder, Position, Query, holder_at};
pub use reader::{Page, Reader};
pub use record::{Kind, Record};
pub(crate) use record::{push, records};
pub use retention::{Limits, PartSize, dropped};
pub(crate) use since::compacted;
pub use since::{SLACK_SECS, journal_leases};
pub use writer::{Opened, Swept, Writer};

/// The directory of the history beneath that of the store.
pub const DIRECTORY: &str = "history";

#[cfg(test)]
mod tests;
