//! How many answers of a sort a prefix gets by datagram. Whoever can put another's address on a query would have us send
//! that one our answers: a limit for each prefix makes that not worth while.
//!
//! The table has a fixed size, so that a flood of made-up sources costs no memory: the entry that was used longest ago
//! gives way, and a prefix that is not in the table has all of its allowance.

use std::hash::{BuildHasher as _, RandomState};
use std::net::IpAddr;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use ipnet::IpNet;
use zones::Kind;

use super::shares::asker_of;

/// How answers are limited.
#[derive(Clone, Debug, Default)]
pub struct AnswerLimits {
    /// Answers a second of one sort, for one question, to one prefix; 0: as many as are asked for.
    pub per_second: u16,
    /// Every so manieth of those beyond says that the question is to be asked by a connection, which nobody can do in
    /// another's name; 0: none does, 1: each does.
    pub slip: u16,
    /// Who is not limited.
    pub exempt: Vec<IpNet>,
}

/// What becomes of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Send,
    /// Only the word to use a connection is sent.
    Truncate,
    Drop,
}

/// Prefixes that are counted: what one site has as a rule.
const PREFIX_V4: u8 = 24;
const PREFIX_V6: u8 = 56;
/// All answers to a prefix together may be so many times those of one sort.
const ALL: u32 = 10;
/// Entries; a power of two. With eight octets each, half a mebibyte.
const ENTRIES: usize = 1 << 16;
/// Entries that one hash may stand in.
const WAYS: usize = 4;
/// Ticks of a second. 32 bits of them wrap after three days.
const TICKS: u32 = 1 << 14;

/// The limiter. An entry is a tag of 32 bits and the time, in ticks, until which what was sent is paid for: each answer
/// adds its share of a second, and where a second is owed no answer is sent.
pub(super) struct RateLimiter {
    limits: AnswerLimits,
    entries: Box<[AtomicU64]>,
    hashes: RandomState,
    limited: AtomicU32,
}

impl RateLimiter {
    pub(super) fn new(limits: AnswerLimits) -> Self {
        let count = if limits.per_second == 0 { 0 } else { ENTRIES };
        let entries = (0..count).map(|_| AtomicU64::new(0)).collect();
        Self { limits, entries, hashes: RandomState::new(), limited: AtomicU32::new(0) }
    }

    /// Whether an answer to `question` (name, type and class in wire form) may go to `source`. `now` is in ticks of any
    /// clock that only goes on.
    pub(super) fn check(&self, now: u32, source: IpAddr, kind: Kind, question: &[u8]) -> Verdict {
        let source = source.to_canonical();
        if self.limits.per_second == 0 || self.limits.exempt.iter().any(|prefix| prefix.contains(&source)) {
            return Verdict::Send;
        }
        let (prefix, rate) = (prefix_of(source), u32::from(self.limits.per_second));
        // A name that is there is asked for itself. What is missing is made up, a new name each time.
        let mut lowered = [0; 260];
        let question = match (kind, lowered.get_mut(..question.len())) {
            (Kind::Answer | Kind::Empty, Some(place)) => {
                place.copy_from_slice(question);
                place.make_ascii_lowercase();
                &*place
            }
            _ => &[],
        };
        let sorts =
            [(self.hashes.hash_one((prefix, kind, question)), rate), (self.hashes.hash_one(prefix), rate * ALL)];
        if sorts.into_iter().all(|(hash, rate)| self.take(hash, rate, now)) { Verdict::Send } else { self.beyond() }
    }

    /// Whether a question of `source` is answered, of whatever sort; each asker is counted for itself. `now` as for
    /// [`Self::check`].
    pub(super) fn check_asker(&self, now: u32, source: IpAddr) -> Verdict {
        let source = source.to_canonical();
        if self.limits.per_second == 0 || self.limits.exempt.iter().any(|prefix| prefix.contains(&source)) {
            return Verdict::Send;
        }
        let hash = self.hashes.hash_one(asker_of(source));
        if self.take(hash, u32::from(self.limits.per_second), now) { Verdict::Send } else { self.beyond() }
    }

    /// What becomes of one too many.
    fn beyond(&self) -> Verdict {
        let nth = self.limited.fetch_add(1, Ordering::Relaxed);
        match u32::from(self.limits.slip) {
            0 => Verdict::Drop,
            slip if nth.is_multiple_of(slip) => Verdict::Truncate,
            _ => Verdict::Drop,
        }
    }

    /// Takes one of so many a second, if any is left.
    fn take(&self, hash: u64, rate: u32, now: u32) -> bool {
        let tag = (hash >> 32) as u32;
        let start = hash as usize % (ENTRIES / WAYS) * WAYS;
        let Some(ways) = self.entries.get(start..start + WAYS) else { return true };
        // How far ahead of now it is paid for. What claims more than can be owed is of long ago.
        let owed = |entry: u64| Some((entry as u32).wrapping_sub(now)).filter(|ahead| *ahead <= 2 * TICKS).unwrap_or(0);
        let found = ways.iter().find(|entry| (entry.load(Ordering::Relaxed) >> 32) as u32 == tag);
        let entry = found.or_else(|| ways.iter().min_by_key(|entry| owed(entry.load(Ordering::Relaxed))));
        let Some(entry) = entry else { return true };
        let before = if found.is_some() { owed(entry.load(Ordering::Relaxed)) } else { 0 };
        if before >= TICKS {
            return false;
        }
        let after = now.wrapping_add(before + TICKS / rate.clamp(1, TICKS));
        // Two threads at once: one of them goes uncounted, which a limit that is no exact one bears.
        entry.store(u64::from(tag) << 32 | u64::from(after), Ordering::Relaxed);
        true
    }
}

/// Ticks since `start`.
pub(super) fn ticks_since(start: std::time::Instant) -> u32 {
    let elapsed = start.elapsed();
    // The low bits: they wrap.
    (elapsed.as_secs() as u32).wrapping_mul(TICKS).wrapping_add(elapsed.subsec_nanos() / (1_000_000_000 / TICKS))
}

fn prefix_of(source: IpAddr) -> IpNet {
    let length = if source.is_ipv4() { PREFIX_V4 } else { PREFIX_V6 };
    IpNet::new(source, length).map_or_else(|_| IpNet::from(source), |net| net.trunc())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use std::net::Ipv4Addr;

    use super::*;

    fn limiter(per_second: u16, slip: u16) -> RateLimiter {
        RateLimiter::new(AnswerLimits { per_second, slip, exempt: vec!["192.0.2.0/24".parse().unwrap()] })
    }

    fn sent(limiter: &RateLimiter, now: u32, source: &str, kind: Kind, question: &[u8], count: usize) -> usize {
        let source = source.parse().unwrap();
        (0..count).filter(|_| limiter.check(now, source, kind, question) == Verdict::Send).count()
    }

    #[test]
    fn a_prefix_gets_so_many_a_second_of_each_sort() {
        let limiter = limiter(50, 0);
        for (source, kind, question) in [
            ("198.51.100.1", Kind::Answer, &b"\x01a\x00\x00\x01\x00\x01"[..]),
            ("198.51.100.2", Kind::Answer, b"\x01b\x00\x00\x01\x00\x01"),
            ("198.51.100.1", Kind::Missing, b"\x01c\x00\x00\x01\x00\x01"),
            ("203.0.113.1", Kind::Answer, b"\x01a\x00\x00\x01\x00\x01"),
            ("2001:db8::1", Kind::Answer, b"\x01a\x00\x00\x01\x00\x01"),
        ] {
            let first = sent(&limiter, 7, source, kind, question, 1_000);
            assert!((50..=51).contains(&first), "{source} {kind:?}: {first}");
            // A second later as many again; within it, what has come in meanwhile.
            assert_eq!(sent(&limiter, 7, source, kind, question, 10), 0);
            let half = sent(&limiter, 7 + TICKS / 2, source, kind, question, 1_000);
            assert!((24..=26).contains(&half), "{source}: {half}");
        }
        // Of the same prefix, and in other letters.
        assert_eq!(sent(&limiter, 7, "198.51.100.9", Kind::Answer, b"\x01A\x00\x00\x01\x00\x01", 10), 0);
        // Names that are not there share one allowance, whatever they are.
        assert_eq!(sent(&limiter, 7, "198.51.100.9", Kind::Missing, b"\x01z\x00\x00\x01\x00\x01", 10), 0);
        assert_eq!(sent(&limiter, 7, "192.0.2.1", Kind::Answer, b"\x01a\x00\x00\x01\x00\x01", 1_000), 1_000);
    }

    #[test]
    fn each_asker_has_so_many_questions_a_second_and_its_neighbour_has_its_own() {
        let limiter = limiter(10, 0);
        let answered = |source: &str| {
            let source = source.parse().unwrap();
            (0..100).filter(|_| limiter.check_asker(1, source) == Verdict::Send).count()
        };
        assert!((10..=11).contains(&answered("198.51.100.1")));
        assert!((10..=11).contains(&answered("198.51.100.2")), "of the same prefix");
        assert!((10..=11).contains(&answered("2001:db8::1")));
        assert_eq!(answered("2001:db8::2"), 0, "of IPv6 a host has a /64");
        assert_eq!(answered("192.0.2.1"), 100, "exempt");
    }

    #[test]
    fn a_prefix_gets_so_many_a_second_in_all() {
        let limiter = limiter(10, 0);
        let names = (0..1_000_u16).map(|number| [&[2][..], &number.to_be_bytes(), &[0, 0, 1, 0, 1]].concat());
        let all: usize = names.map(|name| sent(&limiter, 1, "198.51.100.1", Kind::Answer, &name, 1)).sum();
        assert!((100..=101).contains(&all), "{all}");
    }

    #[test]
    fn every_so_manieth_beyond_says_to_use_a_connection() {
        for (slip, expected) in [(0, 0), (1, 100), (2, 50), (10, 10)] {
            let limiter = limiter(1, slip);
            let source = Ipv4Addr::new(198, 51, 100, 1).into();
            while limiter.check(1, source, Kind::Error, b"") == Verdict::Send {}
            let told = (0..100).filter(|_| limiter.check(1, source, Kind::Error, b"") == Verdict::Truncate).count();
            assert_eq!(told, expected);
        }
    }

    #[test]
    fn a_million_prefixes_leave_the_table_as_large_and_the_flooded_one_limited() {
        let limiter = limiter(10, 0);
        let flooded = "198.51.100.1";
        assert!(sent(&limiter, 1, flooded, Kind::Answer, b"x", 1_000) <= 11);
        for number in 0..1_000_000_u32 {
            let source = Ipv4Addr::from_bits(number << 8).into();
            // Each is new to the table, and gets its answer.
            assert_eq!(limiter.check(2, source, Kind::Answer, b"x"), Verdict::Send, "{number}");
            if number % 100 == 0 {
                let more = sent(&limiter, 2, flooded, Kind::Answer, b"x", 1);
                assert_eq!(more, 0, "after {number}");
            }
        }
        assert_eq!(limiter.entries.len(), ENTRIES);
    }

    #[test]
    fn time_that_wraps_owes_nothing() {
        let limiter = limiter(10, 0);
        let late = u32::MAX - 10;
        assert!((10..=11).contains(&sent(&limiter, late, "198.51.100.1", Kind::Answer, b"x", 100)));
        assert_eq!(sent(&limiter, late, "198.51.100.1", Kind::Answer, b"x", 100), 0);
        assert!(sent(&limiter, late.wrapping_add(3 * TICKS), "198.51.100.1", Kind::Answer, b"x", 100) >= 10);
        // Days later, whatever the entry says.
        assert!(sent(&limiter, late.wrapping_sub(TICKS), "198.51.100.1", Kind::Answer, b"x", 100) >= 10);
    }
}
