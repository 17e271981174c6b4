#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use proptest::prelude::*;

use super::super::Wanted;
use super::*;

fn soa(serial: u32) -> Soa {
    let name = || "example".parse().unwrap();
    Soa { mname: name(), rname: name(), serial, refresh: 60, retry: 20, expire: 300, minimum: 5 }
}

fn failure(words: &str) -> Failure {
    Failure::from(words.to_owned())
}

/// One that has a copy with this serial, taken from the first primary at 1,000.
fn fresh(primaries: usize, serial: u32) -> Follower {
    let mut follower = Follower::new(primaries, None, 1_000);
    assert_eq!(follower.due(1_000), Some(Action::AskSerial { primary: 0 }));
    let fetch = follower.heard_serial(1_000, 0, Ok(serial));
    assert_eq!(fetch, Some(Action::Fetch { primary: 0, wanted: Wanted::Whole }));
    assert_eq!(follower.fetched(1_000, 0, Ok(Fetched::Zone(soa(serial)))), None);
    follower
}

#[test]
fn a_copy_is_asked_for_again_after_its_refresh_time_and_after_its_retry_time_when_nobody_answers() {
    let mut follower = fresh(1, 7);
    assert_eq!(follower.poll_timeout(), Some(61_000));
    assert_eq!(follower.due(60_999), None);
    assert_eq!(follower.due(61_000), Some(Action::AskSerial { primary: 0 }));
    assert_eq!(follower.heard_serial(61_000, 0, Ok(7)), None, "the same: fresh");
    assert_eq!(follower.standing().expires_ms, Some(361_000));
    assert_eq!(follower.due(121_000), Some(Action::AskSerial { primary: 0 }));
    assert_eq!(follower.heard_serial(128_000, 0, Err(failure("no answer"))), None);
    assert_eq!(follower.poll_timeout(), Some(148_000));
    assert_eq!(follower.standing().troubles, [(0, "no answer".to_owned(), 128_000)]);
    assert!(follower.standing().failing);
    assert_eq!(follower.due(148_000), Some(Action::AskSerial { primary: 0 }));
    let fetch = follower.heard_serial(148_000, 0, Ok(9));
    assert_eq!(fetch, Some(Action::Fetch { primary: 0, wanted: Wanted::Since(7) }));
    assert_eq!(follower.fetched(148_500, 0, Ok(Fetched::Zone(soa(9)))), None);
    let standing = follower.standing();
    assert_eq!((standing.serial, standing.checked_ms, standing.failing), (Some(9), Some(148_500), false));
    assert_eq!(standing.troubles, []);
}

#[test]
fn jitter_takes_up_to_a_quarter_of_a_wait() {
    let mut follower = fresh(1, 7);
    follower.due(61_000);
    follower.heard_serial(61_000, u32::MAX, Ok(7));
    let next = follower.poll_timeout().unwrap();
    assert!((106_000..106_010).contains(&next), "{next}");
}

#[test]
fn times_that_nobody_can_mean_are_bounded() {
    let nothing = Soa { refresh: 0, retry: 0, expire: 0, ..soa(7) };
    assert_eq!(times(&nothing), (10_000, 5_000, 15_000));
    let all = Soa { refresh: u32::MAX, retry: u32::MAX, expire: u32::MAX, ..soa(7) };
    assert_eq!(times(&all), (REFRESH_MS.1, RETRY_MS.1, EXPIRE_MS_MAX));
}

#[test]
fn the_next_primary_is_asked_when_one_fails_or_is_behind() {
    let mut follower = fresh(3, 7);
    assert_eq!(follower.due(61_000), Some(Action::AskSerial { primary: 0 }));
    let second = follower.heard_serial(61_000, 0, Err(failure("no answer")));
    assert_eq!(second, Some(Action::AskSerial { primary: 1 }));
    let third = follower.heard_serial(61_000, 0, Ok(6));
    assert_eq!(third, Some(Action::AskSerial { primary: 2 }));
    let told: Vec<(usize, String)> =
        follower.standing().troubles.into_iter().map(|(at, words, _)| (at, words)).collect();
    let behind = "it has the serial 6, which is older than 7 here";
    assert_eq!(told, [(0, "no answer".to_owned()), (1, behind.to_owned())]);
    assert_eq!(follower.heard_serial(61_000, 0, Ok(8)), Some(Action::Fetch { primary: 2, wanted: Wanted::Since(7) }));
    follower.fetched(61_000, 0, Ok(Fetched::Zone(soa(8))));
    let standing = follower.standing();
    assert_eq!((standing.from, standing.serial, standing.failing), (Some(2), Some(8), false));
    assert_eq!(standing.troubles.len(), 2, "what is wrong at the others is not forgotten");
}

#[test]
fn all_that_are_behind_do_not_keep_a_copy_fresh() {
    let mut follower = fresh(2, 7);
    follower.due(61_000);
    follower.heard_serial(61_000, 0, Ok(5));
    assert_eq!(follower.heard_serial(61_000, 0, Ok(6)), None);
    assert_eq!(follower.standing().checked_ms, Some(1_000));
    assert_eq!(follower.poll_timeout(), Some(81_000), "its retry time");
}

#[test]
fn changes_that_cannot_be_had_are_followed_by_the_whole_zone_once() {
    let mut follower = fresh(2, 7);
    follower.due(61_000);
    follower.heard_serial(61_000, 0, Ok(8));
    let odd = || Failure { words: "odd".to_owned(), ask_whole: true };
    let whole = follower.fetched(61_000, 0, Err(odd()));
    assert_eq!(whole, Some(Action::Fetch { primary: 0, wanted: Wanted::WholeIfNewer(7) }));
    assert_eq!(follower.fetched(61_000, 0, Err(odd())), Some(Action::AskSerial { primary: 1 }), "and no third time");
    follower.heard_serial(61_000, 0, Ok(8));
    assert_eq!(follower.fetched(61_000, 0, Err(failure("gone"))), None);
}

#[test]
fn a_copy_expires_and_is_then_taken_whatever_its_serial() {
    let mut follower = fresh(1, 7);
    let mut now = 1_000;
    while !follower.is_expired() {
        now = follower.poll_timeout().unwrap();
        if follower.due(now).is_some() {
            follower.heard_serial(now, 0, Err(failure("no answer")));
        }
        assert!(now <= 301_000);
    }
    assert_eq!(now, 301_000, "300 s after it was known to be right");
    now = follower.poll_timeout().unwrap();
    assert_eq!(follower.due(now), Some(Action::AskSerial { primary: 0 }));
    let fetch = follower.heard_serial(now, 0, Ok(3));
    assert_eq!(fetch, Some(Action::Fetch { primary: 0, wanted: Wanted::Whole }));
    follower.fetched(now, 0, Ok(Fetched::Zone(soa(3))));
    assert!(!follower.is_expired() && follower.standing().serial == Some(3));
}

#[test]
fn an_expired_copy_of_the_same_serial_is_served_again() {
    let mut follower = Follower::new(1, Some((&soa(7), 300)), 5_000);
    assert!(follower.is_expired());
    follower.due(5_000);
    assert_eq!(follower.heard_serial(5_000, 0, Ok(7)), None);
    assert!(!follower.is_expired());
}

#[test]
fn a_stored_copy_expires_when_it_would_have_without_the_restart() {
    let follower = Follower::new(1, Some((&soa(7), 100)), 500_000);
    assert!(!follower.is_expired());
    let standing = follower.standing();
    assert_eq!((standing.checked_ms, standing.expires_ms), (Some(400_000), Some(700_000)));
    assert_eq!(follower.poll_timeout(), Some(500_000), "and is asked for at once");
}

#[test]
fn without_a_zone_the_waits_grow() {
    let mut follower = Follower::new(1, None, 0);
    let mut waits = Vec::new();
    for _ in 0..10 {
        let now = follower.poll_timeout().unwrap();
        assert!(follower.due(now).is_some());
        follower.heard_serial(now, 0, Err(failure("no answer")));
        waits.push(follower.poll_timeout().unwrap() - now);
    }
    assert_eq!(waits, [2_000, 4_000, 8_000, 16_000, 32_000, 64_000, 128_000, 256_000, 300_000, 300_000]);
}

#[test]
fn rfc1996_a_notification_is_followed_once_however_often_it_comes() {
    let mut follower = fresh(2, 7);
    follower.notified(2_000, Some(1), Some(7));
    assert_eq!(follower.poll_timeout(), Some(61_000), "that serial is here");
    follower.notified(2_000, Some(1), Some(8));
    assert_eq!(follower.due(2_000), Some(Action::AskSerial { primary: 1 }), "who says so is asked first");
    for _ in 0..1_000 {
        follower.notified(2_001, Some(0), Some(9));
    }
    assert_eq!(follower.due(2_001), None, "one round at a time");
    follower.heard_serial(2_010, 0, Ok(8));
    follower.fetched(2_020, 0, Ok(Fetched::Zone(soa(8))));
    assert_eq!(follower.poll_timeout(), Some(2_500), "the next one begins a gap after this one");
    assert_eq!(follower.due(2_500), Some(Action::AskSerial { primary: 0 }));
    // What it said was taken by the round that was under way.
    follower.notified(2_501, Some(0), Some(9));
    follower.heard_serial(2_510, 0, Ok(9));
    follower.fetched(2_520, 0, Ok(Fetched::Zone(soa(9))));
    assert_eq!(follower.poll_timeout(), Some(62_520));
}

#[test]
fn an_older_serial_in_a_primary_s_name_does_not_hide_a_newer_one() {
    let mut follower = fresh(1, 7);
    follower.ask_now(2_000, false);
    follower.due(2_000);
    follower.notified(2_001, Some(0), Some(9));
    follower.notified(2_002, Some(0), Some(6));
    follower.heard_serial(2_010, 0, Ok(7));
    assert_eq!(follower.poll_timeout(), Some(2_500));
}

#[test]
fn notifications_after_a_failure_do_not_hurry() {
    let mut follower = fresh(1, 7);
    follower.notified(2_000, Some(0), None);
    follower.due(2_000);
    follower.heard_serial(3_000, 0, Err(failure("no answer")));
    follower.notified(3_001, Some(0), Some(8));
    assert_eq!(follower.poll_timeout(), Some(8_000));
}

#[test]
fn an_order_is_followed_at_once_and_may_take_an_older_zone() {
    let mut follower = fresh(1, 7);
    follower.ask_now(2_000, false);
    assert_eq!(follower.due(2_000), Some(Action::AskSerial { primary: 0 }));
    follower.ask_now(2_001, true);
    follower.heard_serial(2_002, 0, Ok(7));
    assert_eq!(follower.due(2_002), Some(Action::Fetch { primary: 0, wanted: Wanted::Whole }));
    follower.fetched(2_003, 0, Ok(Fetched::Zone(soa(5))));
    assert_eq!(follower.standing().serial, Some(5));
}

/// What may happen, by a number.
fn happen(follower: &mut Follower, pending: &mut Option<Action>, now: u64, what: u8, serial: u32) {
    match (what % 6, *pending) {
        (0, _) => follower.notified(now, Some(usize::from(what) % 4), Some(serial)),
        (1, _) => follower.ask_now(now, what > 128),
        (2, Some(Action::AskSerial { .. })) => *pending = follower.heard_serial(now, serial, Ok(serial)),
        (2, Some(Action::Fetch { .. })) => *pending = follower.fetched(now, serial, Ok(Fetched::Zone(soa(serial)))),
        (3, Some(Action::Fetch { .. })) => *pending = follower.fetched(now, serial, Ok(Fetched::Current(serial))),
        (_, Some(Action::AskSerial { .. })) => *pending = follower.heard_serial(now, serial, Err(failure("no"))),
        (_, Some(Action::Fetch { .. })) => {
            let failure = Failure { words: "no".to_owned(), ask_whole: what > 100 };
            *pending = follower.fetched(now, serial, Err(failure));
        }
        (_, None) => *pending = follower.due(now),
    }
}

proptest! {
    /// Whatever comes: one thing is asked for at a time, of a primary that there is; a round ends; one who has no word from
    /// its primaries is expired when its time is over, and something is always due.
    #[test]
    fn it_never_stands_still_and_never_serves_what_has_expired(
        events in prop::collection::vec((any::<u8>(), 0_u32..20, 0_u64..40_000), 1..200),
    ) {
        let mut follower = Follower::new(3, None, 0);
        let (mut now, mut pending) = (0, None);
        for (what, serial, passed) in events {
            now += passed;
            happen(&mut follower, &mut pending, now, what, serial);
            if let Some(Action::AskSerial { primary } | Action::Fetch { primary, .. }) = pending {
                prop_assert!(primary < 3);
            } else {
                let due = follower.poll_timeout();
                prop_assert!(due.is_some());
                prop_assert!(due.unwrap() <= now.saturating_add(REFRESH_MS.1));
            }
            let expired = follower.due(now);
            if pending.is_none() {
                pending = expired;
            } else {
                prop_assert_eq!(expired, None);
            }
            if let Some(checked) = follower.checked_ms() {
                prop_assert_eq!(follower.is_expired(), now >= checked + 300_000);
            }
        }
        // Nothing answers any more: a round ends after each primary was asked at most three times.
        let mut asked = 0;
        while let Some(action) = pending {
            asked += 1;
            pending = match action {
                Action::AskSerial { .. } => follower.heard_serial(now, 0, Err(failure("no"))),
                Action::Fetch { .. } => follower.fetched(now, 0, Err(Failure { words: String::new(), ask_whole: true })),
            };
        }
        prop_assert!(asked <= 9, "{}", asked);
    }
}
