#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use dns::RecordType;

use super::*;
use crate::query::{HEADER, Outgoing};
use crate::{Heard, Reason};

fn key(number: u32) -> Key {
    Key::new(&format!("n{number:06}.example").parse().unwrap(), RecordType::A, false, false)
}

/// An answer of one address that lives for so long; `padding` makes it larger.
fn answer(key: &Key, ttl: u32) -> Answer {
    let sent = Outgoing::build(key, 0, false);
    let mut octets = sent.octets[..HEADER + sent.question().len()].to_vec();
    octets[2] = 0x81;
    (octets[7], octets[11]) = (1, 0);
    octets.extend_from_slice(&[0xc0, 12, 0, 1, 0, 1]);
    octets.extend_from_slice(&ttl.to_be_bytes());
    octets.extend_from_slice(&[0, 4, 192, 0, 2, 1]);
    let Ok(Heard::Answer(answer)) = Heard::read(&octets, &sent) else { panic!("no answer") };
    answer
}

/// A cache, and the hasher that its callers have.
struct Kept(Cache, RandomState);

impl Kept {
    fn get(&mut self, key: &Key, now: u32) -> Option<Found> {
        self.0.get(hash_of(&self.1, key), key, now).map(Found::owned)
    }

    fn put(&mut self, key: &Key, answer: Answer, now: u32) {
        self.0.put(hash_of(&self.1, key), key, &answer, now);
    }

    fn counts(&self) -> Counts {
        self.0.counts()
    }
}

fn cache(limits: Limits) -> Kept {
    let hasher = RandomState::new();
    Kept(Cache::new(limits, hasher.clone()), hasher)
}

fn failure() -> Answer {
    Answer::empty(Rcode::SERV_FAIL, 19, Some(Reason::new(Reason::UNREACHABLE, "nobody")))
}

#[test]
fn an_answer_is_kept_for_its_time_then_stale_then_gone() {
    let mut cache = cache(Limits { stale_secs: 100, ..Limits::default() });
    assert!(cache.get(&key(1), 5).is_none());
    cache.put(&key(1), answer(&key(1), 60), 10);
    let found = cache.get(&key(1), 69).unwrap();
    assert_eq!((found.age_secs, found.stale), (59, false));
    assert!(cache.get(&key(1), 70).unwrap().stale);
    assert!(cache.get(&key(1), 169).unwrap().stale);
    assert!(cache.get(&key(1), 170).is_none());
    assert_eq!(cache.counts().kept, 0);
    assert!(cache.get(&key(2), 10).is_none(), "another name");
}

#[test]
fn times_have_an_upper_and_a_lower_limit() {
    let limits = Limits { ttl_max: 100, ttl_min: 5, stale_secs: 0, ..Limits::default() };
    let mut cache = cache(limits);
    cache.put(&key(1), answer(&key(1), 1_000_000), 0);
    assert!(cache.get(&key(1), 99).is_some() && cache.get(&key(1), 100).is_none());
    for ttl in [0, 1] {
        cache.put(&key(2), answer(&key(2), ttl), 0);
        assert!(cache.get(&key(2), 4).is_some() && cache.get(&key(2), 5).is_none());
    }
    // RFC 2181 section 8: more than 31 bits mean nothing.
    cache.put(&key(3), answer(&key(3), u32::MAX), 0);
    assert!(cache.get(&key(3), 5).is_none());
}

#[test]
fn an_answer_without_time_is_not_kept() {
    let mut cache = cache(Limits::default());
    cache.put(&key(1), answer(&key(1), 0), 0);
    assert!(cache.get(&key(1), 0).is_none());
}

#[test]
fn what_is_asked_for_near_its_end_is_to_be_asked_anew_once() {
    let mut cache = cache(Limits::default());
    cache.put(&key(1), answer(&key(1), 100), 0);
    assert!(!cache.get(&key(1), 95).unwrap().refresh, "nobody asked for it before");
    assert!(cache.get(&key(1), 96).unwrap().refresh);
    assert!(!cache.get(&key(1), 97).unwrap().refresh, "said once");
    cache.put(&key(1), answer(&key(1), 100), 97);
    cache.get(&key(1), 98).unwrap();
    assert!(!cache.get(&key(1), 180).unwrap().refresh, "not near its end");
    assert!(cache.get(&key(1), 190).unwrap().refresh);
}

#[test]
fn rfc8767_a_failure_does_not_take_the_place_of_a_stale_answer() {
    let mut cache = cache(Limits::default());
    cache.put(&key(1), answer(&key(1), 10), 0);
    assert!(!cache.get(&key(1), 20).unwrap().unreachable);
    cache.put(&key(1), failure(), 20);
    let found = cache.get(&key(1), 49).unwrap();
    assert!(found.stale && found.unreachable && found.answer.rcode() == Rcode::NO_ERROR);
    assert!(!cache.get(&key(1), 50).unwrap().unreachable, "to be asked for again");
    // Once the stale answer is too old, the failure is all there is.
    cache.put(&key(1), failure(), 100_000);
    assert_eq!(cache.get(&key(1), 100_001).unwrap().answer.rcode(), Rcode::SERV_FAIL);
    assert!(cache.get(&key(1), 100_002).is_none(), "RFC 9520: for a moment only");
}

#[test]
fn what_is_kept_is_never_moved_to_a_larger_table_while_others_wait() {
    let limits = Limits { octets_max: 1 << 20, ..Limits::default() };
    let mut cache = cache(limits);
    cache.put(&key(0), answer(&key(0), 3_600), 0);
    let table = cache.0.table.allocation_size();
    for number in 1..20_000 {
        cache.put(&key(number), answer(&key(number), 3_600), number);
        assert_eq!(cache.0.table.allocation_size(), table, "after {number}");
    }
    assert!(table <= limits.octets_max / TABLE_PART && cache.counts().evicted > 0, "{table} {:?}", cache.counts());
}

#[test]
fn memory_has_a_limit_and_what_is_asked_for_stays() {
    let limits = Limits { octets_max: 1 << 20, ..Limits::default() };
    let mut cache = cache(limits);
    cache.put(&key(0), answer(&key(0), 3_600), 0);
    for number in 1..20_000 {
        cache.put(&key(number), answer(&key(number), 3_600), 0);
        assert!(cache.get(&key(0), 0).is_some(), "pushed out by number {number}");
        assert!(cache.counts().octets <= limits.octets_max);
    }
    let counts = cache.counts();
    assert_eq!(counts.kept as u64 + counts.evicted, 20_000);
    assert!(counts.kept > 5_000, "{counts:?}");
    cache.0.flush();
    assert!(cache.counts().kept == 0 && cache.counts().octets < 10_000, "{:?}", cache.counts());
    cache.put(&key(7), answer(&key(7), 3_600), 0);
    assert!(cache.get(&key(7), 0).is_some());
}

#[test]
fn one_answer_cannot_push_out_all_others() {
    let mut cache = cache(Limits { octets_max: 512, ..Limits::default() });
    cache.put(&key(1), answer(&key(1), 60), 0);
    assert_eq!(cache.counts().kept, 0);
}

#[test]
fn an_answer_of_one_address_takes_little_more_than_its_octets() {
    // Nearly full, since the table has room for all from the first on.
    let mut cache = cache(Limits { octets_max: 8 << 20, ..Limits::default() });
    let count = 80_000;
    for number in 0..count {
        cache.put(&key(number), answer(&key(number), 3_600), 0);
    }
    let counts = cache.counts();
    assert_eq!((counts.kept, counts.evicted), (count as usize, 0));
    // 22 of key, 16 of the record, 2 for where its time stands; what is beside them is the cache's own.
    assert!(counts.octets / counts.kept < 95, "{} octets each", counts.octets / counts.kept);
}

#[test]
fn an_answer_comes_back_as_it_went_in() {
    let mut cache = cache(Limits::default());
    let (mut plain, mut told) = (answer(&key(1), 60), failure());
    plain.authentic = true;
    told.reason = Some(Box::new(Reason::new(Reason::BOGUS, "f\u{fc}r niemanden")));
    cache.put(&key(1), plain.clone(), 7);
    cache.put(&key(2), told.clone(), 7);
    for (number, was) in [(1, plain), (2, told)] {
        let found = cache.get(&key(number), 7).unwrap();
        assert_eq!(found.answer.view(), was.view());
    }
}

/// Answers of all sizes against a cache, beside a list of what was put in last.
#[test]
fn whatever_is_put_in_is_found_as_it_is_or_not_at_all() {
    let limits = Limits { octets_max: 20_000, ..Limits::default() };
    let mut cache = cache(limits);
    let mut last: std::collections::HashMap<u32, (Answer, u32)> = std::collections::HashMap::new();
    let (mut found, mut state) = (0, 0x2545_f491_4f6c_dd1d_u64);
    for now in 0..40_000 {
        // A generator of Marsaglia's: the same numbers at each run.
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let number = (state >> 20) as u32 % 300;
        let key = key(number);
        if state & 3 == 0 {
            let mut answer = answer(&key, 1 + (state >> 40) as u32 % 3_000);
            let words = "x".repeat((state >> 50) as usize % 900);
            answer.reason = (state & 4 == 0).then(|| Box::new(Reason::new(3, words)));
            last.insert(number, (answer.clone(), now));
            cache.put(&key, answer, now);
        } else if let Some(kept) = cache.get(&key, now) {
            let (was, at) = &last[&number];
            assert_eq!(kept.answer.view(), was.view(), "number {number} at {now}");
            assert_eq!(kept.age_secs, now - at);
            found += 1;
        }
        assert!(cache.counts().octets < limits.octets_max + 5_000, "{:?}", cache.counts());
    }
    assert!(found > 1_000 && cache.counts().evicted > 1_000, "{found} {:?}", cache.counts());
}

#[test]
fn what_is_asked_for_is_spared_when_much_comes_in() {
    let mut cache = cache(Limits { octets_max: 1 << 20, ..Limits::default() });
    let often: Vec<u32> = (0..1_000).collect();
    for number in &often {
        cache.put(&key(*number), answer(&key(*number), 3_600), 0);
    }
    for number in 1_000..60_000 {
        cache.put(&key(number), answer(&key(number), 3_600), 0);
        let asked = &often[number as usize % 1_000];
        assert!(cache.get(&key(*asked), 0).is_some(), "{asked} is gone at {number}");
    }
}
