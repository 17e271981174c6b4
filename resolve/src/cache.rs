//! Answers until their time is over, and a while beyond it, in so many octets and no more.
//!
//! Entries stand one behind the other in one piece of memory ([`ring`]). What is not asked for makes room: the oldest goes,
//! and what was asked for since it came in or was last spared is put in again ("second chance"). That costs a bit for each,
//! where an order of all would be written at each question.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use dns::Rcode;
use hashbrown::HashTable;

use self::ring::{ASKED, Entry, REFRESHING, Ring, Room};
use crate::answer::{Answer, AnswerRef};
use crate::query::Key;

mod ring;

/// So many are spared when one comes in, at most: each was asked for since it was spared before, so that it is the questions
/// that pay for it; but one answer is not to wait for all of them.
const SPARED_MAX: usize = 1_024;
/// The part of the octets that the table has, and what one place of it takes.
const TABLE_PART: usize = 4;
const PLACE_OCTETS: usize = size_of::<u32>() + 1;

/// RFC 8767 section 5: "attempts to refresh from non-responsive or otherwise failing authoritative nameservers are
/// recommended to be done no more frequently than every 30 seconds".
const STALE_RETRY_SECS: u32 = 30;

/// More than this is not kept for putting entries together, in octets.
const SCRATCH_OCTETS: usize = 4_096;

/// What is kept, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Octets of memory.
    pub octets_max: usize,
    /// The longest time that an answer is believed, in seconds (RFC 8767 section 4: seven days at most).
    pub ttl_max: u32,
    /// The shortest, in seconds: against servers that give every answer none.
    pub ttl_min: u32,
    /// The longest time that something is believed not to be there (RFC 2308 section 5), in seconds.
    pub negative_ttl_max: u32,
    /// For how long an answer whose time is over is kept for the case that nobody can be asked (RFC 8767 section 5),
    /// in seconds; 0: not at all.
    pub stale_secs: u32,
    /// How long a failure is remembered (RFC 9520 section 3.2: one second at least, five minutes at most), in seconds.
    pub failure_secs: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            octets_max: 16 << 20,
            ttl_max: 86_400,
            ttl_min: 0,
            negative_ttl_max: 3_600,
            stale_secs: 86_400,
            failure_secs: 2,
        }
    }
}

/// An answer that is kept; `A`: the answer as a value ([`Found::owned`]), or where it is kept.
#[derive(Clone, Debug)]
pub struct Found<A = Arc<Answer>> {
    /// The answer.
    pub answer: A,
    /// How long ago it was heard, in seconds.
    pub age_secs: u32,
    /// Its time is over.
    pub stale: bool,
    /// It was asked for anew a moment ago and nobody answered: a stale answer goes out without waiting.
    pub unreachable: bool,
    /// Its end is near and it is asked for: it should be asked for anew before it is gone. Said once.
    pub refresh: bool,
}

impl Found<AnswerRef<'_>> {
    /// The same with the answer as a value.
    #[must_use]
    pub fn owned(self) -> Found {
        let Self { answer, age_secs, stale, unreachable, refresh } = self;
        // Its time was counted already: it is not put in again.
        Found { answer: Arc::new(answer.to_answer(0)), age_secs, stale, unreachable, refresh }
    }
}

/// What was counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Answers kept now.
    pub kept: usize,
    /// Octets that they take.
    pub octets: usize,
    /// How often one was taken out to make room.
    pub evicted: u64,
}

/// See the module. Hashes of keys are the caller's ([`hash_of`]), by the hasher that the cache was made with.
pub struct Cache {
    limits: Limits,
    hasher: RandomState,
    /// Room for all that it may hold is made with the first: one that grows moves all that is in it at once, and whoever
    /// asks in that millisecond waits.
    table: HashTable<u32>,
    places: usize,
    /// So many fit the table's part of the octets.
    kept_max: usize,
    ring: Ring,
    evicted: u64,
    /// Where an entry is put together.
    scratch: Vec<u8>,
}

/// The hash of a key.
#[must_use]
pub fn hash_of(hasher: &RandomState, key: &Key) -> u64 {
    hasher.hash_one(key.as_bytes())
}

impl Cache {
    /// An empty one. The hasher's keys are random, so that nobody can choose names that fall together.
    #[must_use]
    pub fn new(limits: Limits, hasher: RandomState) -> Self {
        let of_table = limits.octets_max / TABLE_PART;
        // A table has a power of two of places; this is the largest that fits.
        let places = (of_table / PLACE_OCTETS / 2 + 1).next_power_of_two();
        Self {
            limits,
            hasher,
            table: HashTable::new(),
            places,
            // What was taken out leaves marks, and a table that is half full of both grows instead of wiping them out; at
            // half of the seven eighths that are ever used it does not.
            kept_max: (places / 16 * 7).max(1),
            ring: Ring::new(limits.octets_max - of_table),
            evicted: 0,
            scratch: Vec::new(),
        }
    }

    /// What was counted.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let octets = self.ring.octets() + self.table.allocation_size() + self.scratch.capacity();
        Counts { kept: self.table.len(), octets, evicted: self.evicted }
    }

    /// The answer to `key`, when one is kept. `now` is in seconds, and never goes back.
    pub fn get(&mut self, hash: u64, key: &Key, now: u32) -> Option<Found<AnswerRef<'_>>> {
        let at = self.find(hash, key)?;
        let entry = self.ring.entry(at);
        if now >= entry.kept_until {
            self.remove(hash, at);
            return None;
        }
        let stale = now >= entry.fresh_until;
        let life = entry.fresh_until - entry.heard_at;
        // The last tenth of its life, when somebody had asked for it before: a name that is asked for once need not be
        // kept warm.
        let is_near = !stale && entry.has(ASKED) && life >= 10 && (entry.fresh_until - now) * 10 <= life;
        self.ring.set(at, if is_near { ASKED | REFRESHING } else { ASKED });
        Some(Found {
            answer: self.ring.answer(at, &entry),
            age_secs: now.saturating_sub(entry.heard_at),
            stale,
            unreachable: stale && now < entry.retry_at,
            refresh: is_near && !entry.has(REFRESHING),
        })
    }

    /// Keeps an answer that was heard at `now`, when it may be kept at all.
    pub fn put(&mut self, hash: u64, key: &Key, answer: &Answer, now: u32) {
        let life = self.life(answer);
        let known = self.find(hash, key).map(|at| (at, self.ring.entry(at)));
        // RFC 8767 section 5: a failure does not take the place of what was known before.
        let failed = is_failure(answer.rcode());
        if failed
            && let Some((at, entry)) = known
            && now < entry.kept_until
            && !is_failure(entry.rcode())
        {
            self.ring.set_retry_at(at, now.saturating_add(STALE_RETRY_SECS));
            return;
        }
        let stale_secs = if failed { 0 } else { self.limits.stale_secs };
        let fresh_until = now.saturating_add(life);
        let entry = Entry::new(key.as_bytes(), answer, [now, fresh_until, fresh_until.saturating_add(stale_secs)]);
        // An answer that would push out a good part of all others is not worth it.
        let is_kept = life > 0 && entry.len() <= self.ring.max() / 8;
        let mut octets = std::mem::take(&mut self.scratch);
        octets.clear();
        if is_kept {
            entry.write(key.as_bytes(), answer, &mut octets);
        }
        match known {
            Some((at, before)) if is_kept && before.len() == entry.len() => self.ring.replace(at, &octets),
            known => {
                if let Some((at, _)) = known {
                    self.remove(hash, at);
                }
                if is_kept {
                    self.insert(hash, &mut octets, now);
                }
            }
        }
        // One large answer is no reason to keep so much.
        octets.shrink_to(SCRATCH_OCTETS);
        self.scratch = octets;
    }

    /// Forgets everything.
    pub fn flush(&mut self) {
        self.table = HashTable::new();
        self.ring.clear();
    }

    /// How long an answer is fresh here, in seconds.
    fn life(&self, answer: &Answer) -> u32 {
        let limits = &self.limits;
        if is_failure(answer.rcode()) {
            return limits.failure_secs;
        }
        match answer.ttl_secs {
            // RFC 1035 section 3.2.1: "Zero values are interpreted to mean that the RR can only be used for the
            // transaction in progress".
            0 => limits.ttl_min,
            ttl if answer.negative => ttl.min(limits.negative_ttl_max).min(limits.ttl_max),
            ttl => ttl.min(limits.ttl_max).max(limits.ttl_min),
        }
    }

    fn find(&self, hash: u64, key: &Key) -> Option<u32> {
        self.table.find(hash, |at| self.ring.key(*at) == key.as_bytes()).copied()
    }

    /// Puts an entry in, whose octets are these; what it pushes out and is to be spared comes behind it.
    fn insert(&mut self, hash: u64, octets: &mut Vec<u8>, now: u32) {
        // Each spared one's hash, and where it begins among the octets.
        let mut coming = vec![(hash, 0)];
        loop {
            let oldest = match self.ring.room(octets.len()) {
                Room::Here if self.table.len() + coming.len() <= self.kept_max => break,
                Room::Here => match self.ring.oldest() {
                    Some(oldest) => oldest,
                    None => break,
                },
                Room::Behind(oldest) => oldest,
            };
            let entry = self.ring.entry(oldest);
            if entry.is_live() {
                let hash = self.hasher.hash_one(self.ring.key(oldest));
                self.remove(hash, oldest);
                // What was spared and what comes must stay a small part of all.
                let is_spared = entry.has(ASKED)
                    && now < entry.kept_until
                    && coming.len() <= SPARED_MAX
                    && octets.len() + entry.len() <= self.ring.max() / 4;
                if is_spared {
                    let start = octets.len();
                    coming.push((hash, start));
                    octets.extend_from_slice(self.ring.whole(oldest, &entry));
                    ring::spare(&mut octets[start..]);
                } else {
                    self.evicted += 1;
                }
            }
            self.ring.pop();
        }
        if self.table.capacity() == 0 {
            self.table = HashTable::with_capacity(self.places / 8 * 7);
        }
        let start = self.ring.append(octets);
        let (ring, hasher) = (&self.ring, &self.hasher);
        for (hash, at) in &coming {
            let at = (start + at) as u32;
            self.table.insert_unique(*hash, at, |at| hasher.hash_one(ring.key(*at)));
        }
    }

    fn remove(&mut self, hash: u64, at: u32) {
        if let Ok(entry) = self.table.find_entry(hash, |other| *other == at) {
            entry.remove();
        }
        self.ring.end(at);
    }
}

/// Whether nobody could answer: that is remembered for a moment only.
fn is_failure(rcode: Rcode) -> bool {
    !matches!(rcode, Rcode::NO_ERROR | Rcode::NX_DOMAIN | Rcode::YX_DOMAIN)
}

#[cfg(test)]
mod tests;
