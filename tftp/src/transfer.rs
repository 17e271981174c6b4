//! One file on its way to one client.
//!
//! ```text
//!            OACK           ACK 0                    ACK of the last block
//! request ──▶ Offered ──────────────▶ Sending ─────────────────────────────▶ done
//!       └───── no options ────────────▲    │ ▲
//!                                          └─┘ ACK: the next window; silence: the same again, RETRIES_MAX times
//! ```

use std::ops::Range;

use crate::packet::{Granted, Packet, Wanted};

/// RFC 1350 section 2.
const BLOCK_BYTES_DEFAULT: u16 = 512;
/// What an Ethernet frame holds beside the headers of IP, UDP and TFTP. Boot roms put no fragments together.
pub const BLOCK_BYTES_MAX: u16 = 1468;
/// The most blocks that are under way at once. With the largest blocks some 90 kB.
pub const WINDOW_BLOCKS_MAX: u16 = 64;
/// How long the first answer is waited for; doubled each time, unless the client has named a time.
const TIMEOUT_MS: u64 = 1_000;
/// The longest that the doubling comes to.
const TIMEOUT_MS_MAX: u64 = 8_000;
/// The longest time of a client's own that is granted. Longer ones are left out of the OACK, for whoever asks and is not
/// heard again would keep its place for as many times that: 255 seconds for half an hour.
const TIMEOUT_SECS_GRANTED_MAX: u8 = 10;
/// How often the same is sent again before the client is given up.
const RETRIES_MAX: u32 = 5;

/// What is to be done next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// Nothing, until the client says something or [`Transfer::deadline_ms`] has passed.
    Wait,
    /// Send [`Transfer::granted`] as OACK.
    SendOptions,
    /// Send these blocks, counted from 1; [`Transfer::place_of`] says what they hold.
    Send(Range<u64>),
    /// The client has everything.
    Done,
    /// The client has said that it wants no more of it, with this error code. A boot rom that only asks for the length
    /// ends that way.
    Aborted(u16),
    /// The client has not been heard for too long.
    Lost,
}

/// See the module. Blocks are counted from 1 without end; on the wire are the last 16 bits, so that after 65,535
/// comes 0, as every client that reads large files has it.
#[derive(Clone, Debug)]
pub struct Transfer {
    granted: Granted,
    length: u64,
    block_bytes: u64,
    window_blocks: u64,
    timeout_ms: u64,
    is_timeout_fixed: bool,
    /// Whether the OACK is not acknowledged yet.
    offered: bool,
    /// The last block that the client has, and the last that was sent.
    acknowledged: u64,
    sent: u64,
    retries: u32,
    /// Whether the window was sent again because of what the client said: once is enough.
    repeated: bool,
    deadline_ms: u64,
}

impl Transfer {
    /// A file of `length` bytes is asked for; the first thing to do.
    #[must_use]
    pub fn start(wanted: Wanted, length: u64, now_ms: u64) -> (Self, Next) {
        let granted = Granted {
            // RFC 2348: "The specified value must be less than or equal to the value specified by the client."
            block_bytes: wanted.block_bytes.map(|bytes| bytes.min(BLOCK_BYTES_MAX)),
            // RFC 2349: the value must be the client's, so that one that is too long is not granted at all.
            timeout_secs: wanted.timeout_secs.filter(|secs| *secs <= TIMEOUT_SECS_GRANTED_MAX),
            length: wanted.length.then_some(length),
            window_blocks: wanted.window_blocks.map(|blocks| blocks.min(WINDOW_BLOCKS_MAX)),
        };
        let timeout_ms = granted.timeout_secs.map_or(TIMEOUT_MS, |secs| u64::from(secs) * 1_000);
        let mut transfer = Self {
            granted,
            length,
            block_bytes: granted.block_bytes.unwrap_or(BLOCK_BYTES_DEFAULT).into(),
            window_blocks: granted.window_blocks.unwrap_or(1).into(),
            timeout_ms,
            is_timeout_fixed: granted.timeout_secs.is_some(),
            offered: !granted.is_empty(),
            acknowledged: 0,
            sent: 0,
            retries: 0,
            repeated: false,
            deadline_ms: now_ms.saturating_add(timeout_ms),
        };
        let next = if transfer.offered { Next::SendOptions } else { transfer.send() };
        (transfer, next)
    }

    /// What the OACK tells.
    #[must_use]
    pub fn granted(&self) -> &Granted {
        &self.granted
    }

    /// When [`Transfer::handle_timeout`] is to be called.
    #[must_use]
    pub fn deadline_ms(&self) -> u64 {
        self.deadline_ms
    }

    /// The number of a block on the wire, and which of the file's bytes it holds.
    #[must_use]
    pub fn place_of(&self, block: u64) -> (u16, Range<u64>) {
        let start = (block - 1).saturating_mul(self.block_bytes).min(self.length);
        let end = (start + self.block_bytes).min(self.length);
        // The last 16 bits.
        ((block & 0xffff) as u16, start..end)
    }

    /// RFC 1350 section 6: a block with less than the agreed number of bytes ends the transfer; it may be empty.
    fn last_block(&self) -> u64 {
        self.length / self.block_bytes + 1
    }

    /// The client has said something.
    pub fn handle(&mut self, packet: &Packet<'_>, now_ms: u64) -> Next {
        match packet {
            Packet::Ack(block) => self.handle_ack(*block, now_ms),
            Packet::Error(code) => Next::Aborted(*code),
            Packet::Read(_) | Packet::Write | Packet::Other => Next::Wait,
        }
    }

    fn handle_ack(&mut self, block: u16, now_ms: u64) -> Next {
        if self.offered {
            // RFC 2347: the OACK is acknowledged by an ACK of block 0.
            if block != 0 {
                return Next::Wait;
            }
            self.offered = false;
            self.heard(now_ms);
            return self.send();
        }
        let ahead = u64::from(block.wrapping_sub((self.acknowledged & 0xffff) as u16));
        if ahead == 0 {
            // RFC 1123 section 4.2.3.1: an ACK that comes twice must not make a block go out twice. With a window it may
            // be how the client says that the window's first block is missing (RFC 7440 section 4): that is heard once.
            if self.window_blocks == 1 || self.repeated || self.sent == 0 {
                return Next::Wait;
            }
            self.repeated = true;
            return self.send();
        }
        if ahead > self.sent - self.acknowledged {
            return Next::Wait;
        }
        self.acknowledged += ahead;
        if self.acknowledged == self.last_block() {
            return Next::Done;
        }
        self.heard(now_ms);
        self.send()
    }

    /// [`Transfer::deadline_ms`] has passed.
    pub fn handle_timeout(&mut self, now_ms: u64) -> Next {
        if now_ms < self.deadline_ms {
            return Next::Wait;
        }
        if self.retries == RETRIES_MAX {
            return Next::Lost;
        }
        self.retries += 1;
        let wait_ms =
            if self.is_timeout_fixed { self.timeout_ms } else { (self.timeout_ms << self.retries).min(TIMEOUT_MS_MAX) };
        self.deadline_ms = now_ms.saturating_add(wait_ms);
        self.repeated = false;
        if self.offered { Next::SendOptions } else { self.send() }
    }

    fn heard(&mut self, now_ms: u64) {
        self.retries = 0;
        self.repeated = false;
        self.deadline_ms = now_ms.saturating_add(self.timeout_ms);
    }

    /// The window behind what is acknowledged.
    fn send(&mut self) -> Next {
        let first = self.acknowledged + 1;
        self.sent = (self.acknowledged + self.window_blocks).min(self.last_block());
        Next::Send(first..self.sent + 1)
    }
}

#[cfg(test)]
mod tests;
