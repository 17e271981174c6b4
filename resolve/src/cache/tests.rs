#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use dns::RecordType;

use super::*;
use crate::query::{HEADER, Outgoing};
use crate::{Heard, Reason};

fn key(number: u32) -> Key {
    Key::new(&format!("n{number:06}.example").parse().unwrap(), RecordType::A, false, false)
}

/// An answer of one address that lives for so long; `padding` makes it larger.
fn answer(key: &Key, ttl: u32) -> Arc<Answer> {
    let sent = Outgoing::build(key, 0, false);
    let mut octets = sent.octets[..HEADER + sent.question().len()].to_vec();
    octets[2] = 0x81;
    (octets[7], octets[11]) = (1, 0);
    octets.extend_from_slice(&[0xc0, 12, 0, 1, 0, 1]);
    octets.extend_from_slice(&ttl.to_be_bytes());
    octets.extend_from_slice(&[0, 4, 192, 0, 2, 1]);
    let Ok(Heard::Answer(answer)) = Heard::read(&octets, &sent) else { panic!("no answer") };
    Arc::new(answer)
}

fn cache(limits: Limits) -> Cache {
    Cache::new(limits, RandomState::new())
}

fn failure() -> Arc<Answer> {
    Arc::new(Answer::empty(Rcode::SERV_FAIL, 19, Some(Reason::new(Reason::UNREACHABLE, "nobody"))))
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
    assert_eq!((cache.counts().kept, cache.counts().octets), (0, 0));
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
    assert!(counts.kept > 2_000, "{counts:?}");
    cache.flush();
    assert_eq!((cache.counts().kept, cache.counts().octets), (0, 0));
    cache.put(&key(7), answer(&key(7), 3_600), 0);
    assert!(cache.get(&key(7), 0).is_some());
}

#[test]
fn one_answer_cannot_push_out_all_others() {
    let mut cache = cache(Limits { octets_max: 1_024, ..Limits::default() });
    cache.put(&key(1), answer(&key(1), 60), 0);
    assert_eq!(cache.counts().kept, 0);
}
