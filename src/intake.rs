//! What has arrived and is not decided yet: who goes first when a crowd waits.
//!
//! A client alone passes through. When more arrive than are decided, as after a power cut, the order matters: each
//! DISCOVER that is served makes a REQUEST, and if that one has to stand behind all DISCOVERs, or finds the kernel's queue
//! full of them, its client has to ask again and the work was for nothing. So the queue is kept here, where it can be
//! looked at:
//!
//! - What ends an exchange goes before what begins one, but leaves a share for those, on each link.
//! - A message that its client sends again takes the place of the first one: nobody is served twice, and nobody loses its
//!   place by asking again. It is the same message only if its type and its client identifier are, too: several clients
//!   can share a hardware address, and nothing of another type can push out what waits. So a DISCOVER stays that waits
//!   while its client's REQUEST comes: anybody could have sent that one.
//! - Each link has its own queues, and all take turns: a flood on one does not keep the others waiting.
//! - Each queue has an end in messages and bytes. What does not fit is dropped and counted, and its client asks again.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher as _, Hash as _, Hasher as _, RandomState};
use std::sync::Arc;

use crate::core::pipeline::{Arrival, Link};

/// Messages of one kind that wait on one link: those of a large building, each client with one.
pub const WAITING_MAX: usize = 16_384;
/// Their bytes.
pub const WAITING_BYTES_MAX: usize = 8 << 20;
/// From so many on, a queue looks whether a message repeats one that waits. Before, none waits for long.
const CROWD_MIN: usize = 64;
/// Of a crowd's batch this share is left for messages that begin an exchange.
const SHARE_OF_BEGINNINGS: usize = 4;

/// See the module.
#[derive(Debug, Default)]
pub struct Intake {
    links: Vec<Waiting>,
    /// Whose turn is first.
    turn: usize,
    hasher: RandomState,
    counts: IntakeCounts,
}

/// What became of messages that were not taken as they came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IntakeCounts {
    /// A later message of the same client took their place.
    pub repeated: u64,
    /// There was no room for them.
    pub crowded_out: u64,
}

/// What waits on one link.
#[derive(Debug)]
struct Waiting {
    link: Arc<Link>,
    /// DISCOVER and BOOTP requests.
    beginnings: Queue,
    /// All others.
    others: Queue,
}

#[derive(Debug, Default)]
struct Queue {
    /// With who sent it, while a crowd waits.
    arrivals: VecDeque<(Arrival, Option<u64>)>,
    /// The number of the first of them.
    first: u64,
    bytes: usize,
    /// Who has which number, while a crowd waits.
    places: HashMap<u64, u64>,
}

impl Intake {
    /// Whether nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.links.iter().all(|waiting| waiting.count() == 0)
    }

    /// What was counted so far.
    #[must_use]
    pub fn counts(&self) -> IntakeCounts {
        self.counts
    }

    /// Takes a message in; whether there was room for it.
    pub fn put(&mut self, arrival: Arrival) -> bool {
        let at = match self.links.iter().position(|waiting| waiting.link.index == arrival.link.index) {
            Some(at) => at,
            None => {
                // A link that has gone is forgotten as soon as nothing waits on it.
                self.links.retain(|waiting| waiting.count() > 0);
                let (beginnings, others) = (Queue::default(), Queue::default());
                self.links.push(Waiting { link: Arc::clone(&arrival.link), beginnings, others });
                self.links.len() - 1
            }
        };
        let Waiting { beginnings, others, .. } = &mut self.links[at];
        let crowd = beginnings.count() >= CROWD_MIN || others.count() >= CROWD_MIN;
        let who = crowd.then(|| who(&self.hasher, &arrival)).flatten();
        let queue = if begins_an_exchange(&arrival.payload) { beginnings } else { others };
        let put = queue.put(arrival, who);
        match put {
            Put::New => {}
            Put::Repeated => self.counts.repeated += 1,
            Put::NoRoom => self.counts.crowded_out += 1,
        }
        !matches!(put, Put::NoRoom)
    }

    /// The next ones to be decided, at most so many.
    pub fn take(&mut self, most: usize) -> Vec<Arrival> {
        let waiting: usize = self.links.iter().map(Waiting::count).sum();
        let mut taken = Vec::with_capacity(most.min(waiting));
        while taken.len() < most {
            // Each link as much as the others, and what one leaves is for those that have more. Never less than what a
            // share of beginnings can be taken of: where links are many, some wait for the next batch.
            let crowd = self.links.iter().filter(|waiting| waiting.count() > 0).count();
            let Some(share) = (most - taken.len()).checked_div(crowd) else { break };
            let share = (share / SHARE_OF_BEGINNINGS).max(1) * SHARE_OF_BEGINNINGS;
            for _ in 0..self.links.len() {
                if taken.len() == most {
                    break;
                }
                let at = self.turn % self.links.len();
                self.turn = at + 1;
                self.links[at].take(share.min(most - taken.len()), &mut taken);
            }
        }
        taken
    }
}

impl Waiting {
    fn count(&self) -> usize {
        self.beginnings.count() + self.others.count()
    }

    fn take(&mut self, most: usize, into: &mut Vec<Arrival>) {
        let kept = (most / SHARE_OF_BEGINNINGS).min(self.beginnings.count());
        let others = self.others.take(most - kept, into);
        self.beginnings.take(most - others, into);
    }
}

enum Put {
    New,
    Repeated,
    NoRoom,
}

impl Queue {
    fn count(&self) -> usize {
        self.arrivals.len()
    }

    fn put(&mut self, arrival: Arrival, who: Option<u64>) -> Put {
        let place = who.and_then(|who| self.places.get(&who)).and_then(|number| number.checked_sub(self.first));
        if let Some((former, _)) = place.and_then(|place| self.arrivals.get_mut(usize::try_from(place).ok()?)) {
            let bytes = self.bytes - former.payload.len() + arrival.payload.len();
            if bytes > WAITING_BYTES_MAX {
                return Put::NoRoom;
            }
            self.bytes = bytes;
            *former = arrival;
            return Put::Repeated;
        }
        let bytes = self.bytes + arrival.payload.len();
        if self.count() >= WAITING_MAX || bytes > WAITING_BYTES_MAX {
            return Put::NoRoom;
        }
        if let Some(who) = who {
            self.places.insert(who, self.first + self.arrivals.len() as u64);
        }
        self.bytes = bytes;
        self.arrivals.push_back((arrival, who));
        Put::New
    }

    /// Moves the first ones, at most so many; how many there were.
    fn take(&mut self, most: usize, into: &mut Vec<Arrival>) -> usize {
        let taken = most.min(self.count());
        for (arrival, who) in self.arrivals.drain(..taken) {
            if let Some(who) = who {
                self.places.remove(&who);
            }
            self.bytes -= arrival.payload.len();
            into.push(arrival);
        }
        self.first += taken as u64;
        // A crowd's room is not kept.
        if self.arrivals.is_empty() && self.arrivals.capacity() > 2 * CROWD_MIN {
            (self.arrivals, self.places) = Default::default();
        }
        taken
    }
}

/// Where the fixed header's fields lie (RFC 2131 section 2), and where options begin.
const XID: std::ops::Range<usize> = 4..8;
const GIADDR: std::ops::Range<usize> = 24..28;
const CHADDR: std::ops::Range<usize> = 28..44;
const OPTIONS: usize = 240;

/// The cookie before the options.
const COOKIE: std::ops::Range<usize> = 236..240;

const PAD: u8 = 0;
const MESSAGE_TYPE: u8 = 53;
const CLIENT_IDENTIFIER: u8 = 61;
const END: u8 = 255;

/// Who sent what, by all that makes it another message for another client: transaction, relay, hardware address, type and
/// client identifier. `None`: it is not long enough to say, or its hardware has no address.
fn who(hasher: &RandomState, arrival: &Arrival) -> Option<u64> {
    let header = arrival.payload.get(..OPTIONS)?;
    if header[2] == 0 {
        return None;
    }
    let mut state = hasher.build_hasher();
    // With operation, hardware type and its length, so that junk is no repetition.
    (&header[..3], &header[XID], &header[GIADDR], &header[CHADDR], &header[COOKIE]).hash(&mut state);
    arrival.source.hash(&mut state);
    // Each time that they stand there: a long option can come in parts (RFC 3396).
    options(&arrival.payload)
        .filter(|(code, _)| matches!(*code, MESSAGE_TYPE | CLIENT_IDENTIFIER))
        .for_each(|option| option.hash(&mut state));
    Some(state.finish())
}

/// Whether it is a DISCOVER, or has no option 53 at all. What is malformed passes for such a one: the decoder tells.
fn begins_an_exchange(payload: &[u8]) -> bool {
    const DISCOVER: u8 = 1;
    let kind = options(payload).find_map(|(code, data)| match data {
        [kind] if code == MESSAGE_TYPE => Some(*kind),
        _ => None,
    });
    kind.is_none_or(|kind| kind == DISCOVER)
}

/// The options that are whole, up to the end or to one that is not.
fn options(payload: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    let mut rest = payload.get(OPTIONS..).unwrap_or_default();
    std::iter::from_fn(move || {
        while let [PAD, after @ ..] = rest {
            rest = after;
        }
        match rest {
            [END, ..] => None,
            [code, length, after @ ..] => {
                let (data, after) = after.split_at_checked(usize::from(*length))?;
                rest = after;
                Some((*code, data))
            }
            _ => None,
        }
    })
}

#[cfg(test)]
mod tests;
