//! Answers until their time is over, and a while beyond it, in so many octets and no more.
//!
//! What is not asked for makes room: a hand goes round the answers and takes the first that nobody has asked for since it
//! came by ("second chance"). That costs a bit for each, where an order of all would be written at each question.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use dns::Rcode;
use hashbrown::HashTable;

use crate::answer::Answer;
use crate::query::Key;

/// What a kept answer takes beside its octets and its key, in octets: its slot, its place in the table, two counts.
const SLOT_OCTETS: usize = size_of::<Slot>() + 8 + 16;

/// RFC 8767 section 5: "attempts to refresh from non-responsive or otherwise failing authoritative nameservers are
/// recommended to be done no more frequently than every 30 seconds".
const STALE_RETRY_SECS: u32 = 30;

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
            octets_max: 32 << 20,
            ttl_max: 86_400,
            ttl_min: 0,
            negative_ttl_max: 3_600,
            stale_secs: 86_400,
            failure_secs: 2,
        }
    }
}

/// An answer that was kept.
#[derive(Clone, Debug)]
pub struct Found {
    /// The answer.
    pub answer: Arc<Answer>,
    /// How long ago it was heard, in seconds.
    pub age_secs: u32,
    /// Its time is over.
    pub stale: bool,
    /// It was asked for anew a moment ago and nobody answered: a stale answer goes out without waiting.
    pub unreachable: bool,
    /// Its end is near and it is asked for: it should be asked for anew before it is gone. Said once.
    pub refresh: bool,
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

struct Slot {
    key: Box<[u8]>,
    answer: Arc<Answer>,
    /// Seconds of the caller's clock.
    heard_at: u32,
    /// Until when it is fresh, and until when it is kept.
    fresh_until: u32,
    kept_until: u32,
    /// Nobody answered when it was asked for anew: before then it is not asked for again.
    retry_at: u32,
    /// Asked for since the hand came by.
    asked: bool,
    /// The hint to ask anew was given.
    refreshing: bool,
}

/// See the module.
pub struct Cache {
    limits: Limits,
    hasher: RandomState,
    table: HashTable<u32>,
    slots: Vec<Option<Slot>>,
    free: Vec<u32>,
    hand: usize,
    octets: usize,
    evicted: u64,
}

impl Cache {
    /// An empty one. The hasher's keys are random, so that nobody can choose names that fall together.
    #[must_use]
    pub fn new(limits: Limits, hasher: RandomState) -> Self {
        Self {
            limits,
            hasher,
            table: HashTable::new(),
            slots: Vec::new(),
            free: Vec::new(),
            hand: 0,
            octets: 0,
            evicted: 0,
        }
    }

    /// What was counted.
    #[must_use]
    pub fn counts(&self) -> Counts {
        Counts { kept: self.table.len(), octets: self.octets, evicted: self.evicted }
    }

    /// The answer to `key`, when one is kept. `now` is in seconds, and never goes back.
    pub fn get(&mut self, key: &Key, now: u32) -> Option<Found> {
        let hash = self.hasher.hash_one(key.as_bytes());
        let at = *self.table.find(hash, |at| is_of(&self.slots, *at, key.as_bytes()))?;
        let slot = self.slots[at as usize].as_mut()?;
        if now >= slot.kept_until {
            self.remove(at);
            return None;
        }
        let stale = now >= slot.fresh_until;
        let life = slot.fresh_until - slot.heard_at;
        // The last tenth of its life, when somebody had asked for it before: a name that is asked for once need not be
        // kept warm.
        let is_near = !stale && slot.asked && life >= 10 && (slot.fresh_until - now) * 10 <= life;
        let refresh = is_near && !slot.refreshing;
        slot.refreshing |= is_near;
        slot.asked = true;
        Some(Found {
            answer: Arc::clone(&slot.answer),
            age_secs: now.saturating_sub(slot.heard_at),
            stale,
            unreachable: stale && now < slot.retry_at,
            refresh,
        })
    }

    /// Keeps an answer that was heard at `now`, when it may be kept at all.
    pub fn put(&mut self, key: &Key, answer: Arc<Answer>, now: u32) {
        let life = self.life(&answer);
        let hash = self.hasher.hash_one(key.as_bytes());
        let known = self.table.find(hash, |at| is_of(&self.slots, *at, key.as_bytes())).copied();
        // RFC 8767 section 5: a failure does not take the place of what was known before.
        let failed = is_failure(&answer);
        if let Some(at) = known {
            if failed
                && let Some(slot) = self.slots[at as usize].as_mut()
                && now < slot.kept_until
                && !is_failure(&slot.answer)
            {
                slot.retry_at = now.saturating_add(STALE_RETRY_SECS);
                return;
            }
            self.remove(at);
        }
        let octets = SLOT_OCTETS + key.as_bytes().len() + answer.octets();
        // An answer that would push out a good part of all others is not worth it.
        if life == 0 || octets > self.limits.octets_max / 8 {
            return;
        }
        while self.octets + octets > self.limits.octets_max {
            self.evict();
        }
        let stale_secs = if failed { 0 } else { self.limits.stale_secs };
        let slot = Slot {
            key: key.as_bytes().into(),
            answer,
            heard_at: now,
            fresh_until: now.saturating_add(life),
            kept_until: now.saturating_add(life).saturating_add(stale_secs),
            retry_at: 0,
            asked: false,
            refreshing: false,
        };
        self.insert(hash, slot, octets);
    }

    /// Forgets everything.
    pub fn flush(&mut self) {
        self.table.clear();
        self.slots.clear();
        self.free.clear();
        (self.hand, self.octets) = (0, 0);
    }

    /// How long an answer is fresh here, in seconds.
    fn life(&self, answer: &Answer) -> u32 {
        let limits = &self.limits;
        if is_failure(answer) {
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

    fn insert(&mut self, hash: u64, slot: Slot, octets: usize) {
        let at = match self.free.pop() {
            Some(at) => at,
            None => {
                self.slots.push(None);
                (self.slots.len() - 1) as u32
            }
        };
        self.slots[at as usize] = Some(slot);
        self.octets += octets;
        let (slots, hasher) = (&self.slots, &self.hasher);
        self.table
            .insert_unique(hash, at, |at| slots[*at as usize].as_ref().map_or(0, |slot| hasher.hash_one(&*slot.key)));
    }

    fn remove(&mut self, at: u32) {
        let Some(slot) = self.slots[at as usize].take() else { return };
        let hash = self.hasher.hash_one(&*slot.key);
        if let Ok(entry) = self.table.find_entry(hash, |other| *other == at) {
            entry.remove();
        }
        self.octets -= SLOT_OCTETS + slot.key.len() + slot.answer.octets();
        self.free.push(at);
    }

    /// Takes out one that nobody asked for since the hand came by. There is one, or what was asked for before the
    /// second round.
    fn evict(&mut self) {
        for _ in 0..=2 * self.slots.len() {
            self.hand = (self.hand + 1) % self.slots.len().max(1);
            match self.slots.get_mut(self.hand) {
                Some(Some(slot)) if slot.asked => slot.asked = false,
                Some(Some(_)) => {
                    self.evicted += 1;
                    self.remove(self.hand as u32);
                    return;
                }
                _ => {}
            }
        }
    }
}

/// Whether nobody could answer: that is remembered for a moment only.
fn is_failure(answer: &Answer) -> bool {
    !matches!(answer.rcode(), Rcode::NO_ERROR | Rcode::NX_DOMAIN | Rcode::YX_DOMAIN)
}

fn is_of(slots: &[Option<Slot>], at: u32, key: &[u8]) -> bool {
    slots[at as usize].as_ref().is_some_and(|slot| *slot.key == *key)
}

#[cfg(test)]
mod tests;
