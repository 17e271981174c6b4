//! Entries of a cache one behind the other in one piece of memory, the oldest giving way to the newest.
//!
//! ```text
//!        tail          head                       head         tail            end
//!   ┌─────┬─────────────┬─────────┐        ┌───────┬────────────┬───────────────┬──┐
//!   │     │ oldest ▸ newest  free │        │ ▸ newest    free   │ oldest ▸      │  │
//!   └─────┴─────────────┴─────────┘        └───────┴────────────┴───────────────┴──┘
//! ```
//!
//! An entry of its own allocations would take some 200 octets more than it holds, and what the allocator loses between them
//! comes on top; here it takes [`HEADER`] octets more. What is taken out stays where it is until the tail comes by.

use crate::answer::{Answer, AnswerRef};
use crate::reason::ReasonRef;

/// Octets of an entry before its key.
pub(super) const HEADER: usize = 34;

/// What is known of an entry beside its key and its answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Entry {
    /// Octets of all of it.
    len: u32,
    key_len: u16,
    flags: u8,
    rcode: u8,
    /// Seconds of the caller's clock.
    pub(super) heard_at: u32,
    /// Until when it is fresh, and until when it is kept.
    pub(super) fresh_until: u32,
    pub(super) kept_until: u32,
    /// Nobody answered when it was asked for anew: before then it is not asked for again.
    pub(super) retry_at: u32,
    body: u16,
    question: u16,
    counts: [u16; 3],
}

/// It is in the table.
const LIVE: u8 = 1;
/// Asked for since the tail came by.
pub(super) const ASKED: u8 = 2;
/// The hint to ask anew was given.
pub(super) const REFRESHING: u8 = 4;
const AUTHENTIC: u8 = 8;
const NEGATIVE: u8 = 16;
const HAS_REASON: u8 = 32;
const HAS_ALIAS: u8 = 64;

impl Entry {
    /// Of an answer, with its times.
    pub(super) fn new(key: &[u8], answer: &Answer, [heard_at, fresh_until, kept_until]: [u32; 3]) -> Self {
        let view = answer.view();
        let bit = |set: bool, bit: u8| if set { bit } else { 0 };
        let reason = view.reason.map_or(0, |reason| 2 + reason.words.len());
        Self {
            // A message has 65,535 octets at most, and words are some hundred.
            len: (HEADER + key.len() + view.octets.len() + reason) as u32,
            key_len: key.len() as u16,
            flags: LIVE
                | bit(view.authentic, AUTHENTIC)
                | bit(view.negative, NEGATIVE)
                | bit(view.has_alias, HAS_ALIAS)
                | bit(view.reason.is_some(), HAS_REASON),
            rcode: view.rcode,
            heard_at,
            fresh_until,
            kept_until,
            retry_at: 0,
            body: view.body,
            question: view.question,
            counts: view.counts,
        }
    }

    /// Octets of all of it.
    pub(super) fn len(&self) -> usize {
        self.len as usize
    }

    pub(super) fn is_live(&self) -> bool {
        self.flags & LIVE != 0
    }

    pub(super) fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    pub(super) fn rcode(&self) -> dns::Rcode {
        dns::Rcode(u16::from(self.rcode))
    }

    /// All of it as octets, at the end of `out`.
    pub(super) fn write(&self, key: &[u8], answer: &Answer, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.header());
        out.extend_from_slice(key);
        let view = answer.view();
        out.extend_from_slice(view.octets);
        if let Some(reason) = view.reason {
            out.extend_from_slice(&reason.code.to_le_bytes());
            out.extend_from_slice(reason.words.as_bytes());
        }
    }

    fn header(&self) -> [u8; HEADER] {
        let mut octets = [0; HEADER];
        octets[..4].copy_from_slice(&self.len.to_le_bytes());
        octets[4..6].copy_from_slice(&self.key_len.to_le_bytes());
        (octets[FLAGS_AT], octets[7]) = (self.flags, self.rcode);
        let times = [self.heard_at, self.fresh_until, self.kept_until, self.retry_at];
        for (at, time) in (8..RETRY_AT + 4).step_by(4).zip(times) {
            octets[at..at + 4].copy_from_slice(&time.to_le_bytes());
        }
        let [first, second, third] = self.counts;
        for (at, number) in (24..).step_by(2).zip([self.body, self.question, first, second, third]) {
            octets[at..at + 2].copy_from_slice(&number.to_le_bytes());
        }
        octets
    }

    fn read(octets: &[u8; HEADER]) -> Self {
        let short = |at: usize| u16::from_le_bytes([octets[at], octets[at + 1]]);
        let long = |at: usize| u32::from_le_bytes([octets[at], octets[at + 1], octets[at + 2], octets[at + 3]]);
        Self {
            len: long(0),
            key_len: short(4),
            flags: octets[FLAGS_AT],
            rcode: octets[7],
            heard_at: long(8),
            fresh_until: long(12),
            kept_until: long(16),
            retry_at: long(RETRY_AT),
            body: short(24),
            question: short(26),
            counts: [short(28), short(30), short(32)],
        }
    }
}

/// Where these stand in the header.
const FLAGS_AT: usize = 6;
const RETRY_AT: usize = 20;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Ring {
    octets: Vec<u8>,
    max: usize,
    head: usize,
    tail: usize,
    /// Where the upper entries end while the newer ones stand beneath the older.
    end: usize,
    is_wrapped: bool,
}

/// Whether there is room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Room {
    /// There is.
    Here,
    /// The oldest, which is here, has to go first.
    Behind(u32),
}

impl Ring {
    /// An empty one, of so many octets at most.
    pub(super) fn new(max: usize) -> Self {
        // Places are named by four octets.
        Self { max: max.min(u32::MAX as usize), ..Self::default() }
    }

    /// The most that it takes, in octets.
    pub(super) fn max(&self) -> usize {
        self.max
    }

    /// What it takes, in octets.
    pub(super) fn octets(&self) -> usize {
        self.octets.len()
    }

    /// Whether `need` octets can be appended now. They must be less than all of it.
    pub(super) fn room(&mut self, need: usize) -> Room {
        if !self.is_wrapped && self.tail == self.head {
            (self.head, self.tail) = (0, 0);
        }
        if !self.is_wrapped && self.head + need > self.max {
            (self.end, self.head, self.is_wrapped) = (self.head, 0, true);
        }
        match self.is_wrapped && self.head + need > self.tail {
            true => Room::Behind(self.tail as u32),
            false => Room::Here,
        }
    }

    /// The oldest.
    pub(super) fn oldest(&self) -> Option<u32> {
        (self.is_wrapped || self.tail < self.head).then_some(self.tail as u32)
    }

    /// The oldest goes.
    pub(super) fn pop(&mut self) {
        self.tail += self.entry(self.tail as u32).len();
        if self.is_wrapped && self.tail >= self.end {
            (self.tail, self.is_wrapped) = (0, false);
        }
    }

    /// Appends entries for which [`Self::room`] has room; returns where.
    pub(super) fn append(&mut self, entries: &[u8]) -> usize {
        let (at, end) = (self.head, self.head + entries.len());
        if end > self.octets.len() {
            // Half as much again, so that little is moved and nothing is taken for long that is not used.
            if end > self.octets.capacity() {
                let wanted = (end + end / 2).clamp(4_096, self.max.max(end));
                self.octets.reserve_exact(wanted - self.octets.len());
            }
            self.octets.resize(end, 0);
        }
        self.octets[at..end].copy_from_slice(entries);
        self.head = end;
        at
    }

    /// Puts an entry of the same length in the place of one.
    pub(super) fn replace(&mut self, at: u32, entry: &[u8]) {
        let at = at as usize;
        self.octets[at..at + entry.len()].copy_from_slice(entry);
    }

    /// What is known of the one that begins here.
    pub(super) fn entry(&self, at: u32) -> Entry {
        let octets = self.octets.get(at as usize..).and_then(<[u8]>::first_chunk);
        // Nobody asks for what is not there.
        octets.map(Entry::read).unwrap_or_default()
    }

    /// All octets of one.
    pub(super) fn whole(&self, at: u32, entry: &Entry) -> &[u8] {
        &self.octets[at as usize..at as usize + entry.len()]
    }

    /// The key of one.
    pub(super) fn key(&self, at: u32) -> &[u8] {
        let at = at as usize;
        let len = usize::from(u16::from_le_bytes([self.octets[at + 4], self.octets[at + 5]]));
        &self.octets[at + HEADER..at + HEADER + len]
    }

    /// The answer of one.
    pub(super) fn answer(&self, at: u32, entry: &Entry) -> AnswerRef<'_> {
        let start = HEADER + usize::from(entry.key_len);
        let places: usize = entry.counts.iter().map(|count| 2 * usize::from(*count)).sum();
        let (octets, reason) = self.whole(at, entry)[start..].split_at(usize::from(entry.body) + places);
        let reason = reason.split_first_chunk().filter(|_| entry.has(HAS_REASON)).map(|(code, words)| ReasonRef {
            code: u16::from_le_bytes(*code),
            // It was text when it came in.
            words: std::str::from_utf8(words).unwrap_or_default(),
        });
        AnswerRef {
            octets,
            body: entry.body,
            question: entry.question,
            counts: entry.counts,
            rcode: entry.rcode,
            authentic: entry.has(AUTHENTIC),
            negative: entry.has(NEGATIVE),
            has_alias: entry.has(HAS_ALIAS),
            reason,
        }
    }

    /// One is not in the table any more.
    pub(super) fn end(&mut self, at: u32) {
        self.octets[at as usize + FLAGS_AT] &= !LIVE;
    }

    pub(super) fn set(&mut self, at: u32, flags: u8) {
        self.octets[at as usize + FLAGS_AT] |= flags;
    }

    pub(super) fn set_retry_at(&mut self, at: u32, retry_at: u32) {
        let at = at as usize + RETRY_AT;
        self.octets[at..at + 4].copy_from_slice(&retry_at.to_le_bytes());
    }

    /// Nothing is left.
    pub(super) fn clear(&mut self) {
        *self = Self::new(self.max);
    }
}

/// Makes the octets of one that was taken out those of one that comes in again, and was not asked for since.
pub(super) fn spare(entry: &mut [u8]) {
    entry[FLAGS_AT] = entry[FLAGS_AT] & !ASKED | LIVE;
}
