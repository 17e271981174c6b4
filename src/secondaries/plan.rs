//! Who is told of which serial, and when: a value; time comes in as milliseconds.
//!
//! ```text
//!            published(newer)            due                   heard
//!   quiet ────────────────────▶ waits ─────────▶ told, waits ─────────▶ quiet, or waits when newer was published
//!     ▲                                            │   ▲
//!     │              the last wait is over         │   │ a wait is over: again
//!     └────────────────────────────────────────────┘───┘
//! ```

use std::net::SocketAddr;

use dns::Fqdn;

use super::Secondary;

/// How long an answer is waited for before each repetition, in milliseconds. After the last it is given up until the next
/// change: the secondary asks by itself at its refresh.
const WAITS_MS: [u64; 5] = [2_000, 4_000, 8_000, 16_000, 30_000];
/// One secondary is not told of one zone again within so many milliseconds, however fast it changes.
pub const GAP_MS: u64 = 500;

/// Whom to tell what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tell {
    /// The apex.
    pub zone: Fqdn,
    /// Whom.
    pub target: Secondary,
    /// The newest serial.
    pub serial: u32,
    /// Not to be told any more: it has not answered.
    pub last: bool,
}

/// One entry for each zone and secondary.
#[derive(Debug, Default)]
pub struct Plan {
    tellings: Vec<Telling>,
}

#[derive(Debug)]
struct Telling {
    zone: Fqdn,
    target: Secondary,
    serial: u32,
    /// The serial that the last message said, and that an answer is for.
    sent: Option<u32>,
    /// What it is known to have heard, or was given up with.
    settled: Option<u32>,
    /// How many messages went without an answer.
    attempts: usize,
    /// When it may be told.
    next_at: u64,
    sent_at: Option<u64>,
}

impl Plan {
    /// A zone has this serial now, and these servers hold copies of it.
    pub fn published(&mut self, now: u64, zone: &Fqdn, serial: u32, targets: &[Secondary]) {
        self.tellings.retain(|telling| telling.zone != *zone || targets.contains(&telling.target));
        for target in targets {
            let known = self.tellings.iter_mut().find(|one| one.zone == *zone && one.target.address == target.address);
            let Some(telling) = known else {
                self.tellings.push(Telling {
                    zone: zone.clone(),
                    target: target.clone(),
                    serial,
                    sent: None,
                    settled: None,
                    attempts: 0,
                    next_at: now,
                    sent_at: None,
                });
                continue;
            };
            let was_quiet = telling.settled == Some(telling.serial);
            telling.serial = serial;
            if was_quiet {
                telling.next_at = telling.sent_at.map_or(now, |at| now.max(at + GAP_MS));
            }
        }
    }

    /// Whom to tell now; what is returned counts as sent.
    pub fn due(&mut self, now: u64) -> Vec<Tell> {
        let due = self.tellings.iter_mut().filter(|one| one.settled != Some(one.serial) && one.next_at <= now);
        let tell = |telling: &mut Telling| {
            let wait = WAITS_MS.get(telling.attempts);
            match wait {
                Some(wait) => {
                    telling.attempts += 1;
                    (telling.sent, telling.sent_at, telling.next_at) = (Some(telling.serial), Some(now), now + wait);
                }
                None => (telling.settled, telling.attempts) = (Some(telling.serial), 0),
            }
            let (zone, target) = (telling.zone.clone(), telling.target.clone());
            Tell { zone, target, serial: telling.serial, last: wait.is_none() }
        };
        due.map(tell).collect()
    }

    /// A secondary has answered.
    pub fn heard(&mut self, now: u64, zone: &Fqdn, from: SocketAddr) {
        let of = self.tellings.iter_mut().filter(|one| one.zone == *zone && one.target.address == from);
        for telling in of {
            telling.settled = telling.sent;
            telling.attempts = 0;
            telling.next_at = telling.sent_at.map_or(now, |at| now.max(at + GAP_MS));
        }
    }

    /// When [`Plan::due`] has something next.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<u64> {
        self.tellings.iter().filter(|one| one.settled != Some(one.serial)).map(|one| one.next_at).min()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    fn zone() -> Fqdn {
        "example".parse().unwrap()
    }

    fn secondary(last: u8) -> Secondary {
        Secondary { address: SocketAddr::from(([192, 0, 2, last], 53)), key: None }
    }

    fn serials(plan: &mut Plan, now: u64) -> Vec<u32> {
        plan.due(now).into_iter().map(|tell| tell.serial).collect()
    }

    #[test]
    fn a_thousand_changes_a_second_are_two_messages_a_second() {
        let mut plan = Plan::default();
        let mut told = Vec::new();
        for now in 0..10_000 {
            plan.published(now, &zone(), now as u32 + 1, &[secondary(1)]);
            for tell in plan.due(now) {
                told.push(tell.serial);
                plan.heard(now + 1, &zone(), tell.target.address);
            }
        }
        assert_eq!(told.len(), 20, "{told:?}");
        assert!(told.is_sorted());
        // And the last serial of all is told in the end.
        let at = plan.poll_timeout().unwrap();
        assert!(at <= 10_000 + GAP_MS);
        assert_eq!(serials(&mut plan, at), [10_000]);
        plan.heard(at, &zone(), secondary(1).address);
        assert_eq!(plan.poll_timeout(), None);
    }

    #[test]
    fn rfc1996_3_6_who_does_not_answer_is_told_again_and_given_up_until_the_next_change() {
        let mut plan = Plan::default();
        plan.published(0, &zone(), 7, &[secondary(1), secondary(2)]);
        assert_eq!(serials(&mut plan, 0), [7, 7]);
        plan.heard(10, &zone(), secondary(2).address);
        let mut messages = 1;
        let end = loop {
            let at = plan.poll_timeout().unwrap();
            let [tell] = &plan.due(at)[..] else { panic!("one") };
            assert_eq!(tell.target, secondary(1));
            if tell.last {
                break at;
            }
            messages += 1;
        };
        assert_eq!((messages, end), (5, 60_000));
        assert_eq!(plan.poll_timeout(), None);
        plan.published(70_000, &zone(), 8, &[secondary(1), secondary(2)]);
        assert_eq!(serials(&mut plan, 70_000), [8, 8]);
    }

    #[test]
    fn a_silent_secondary_gains_no_messages_by_many_changes() {
        let mut plan = Plan::default();
        let mut messages = 0;
        for now in 0..60_000 {
            plan.published(now, &zone(), now as u32, &[secondary(1)]);
            messages += plan.due(now).len();
        }
        assert_eq!(messages, 5);
    }

    #[test]
    fn a_secondary_that_is_none_any_more_is_told_nothing() {
        let mut plan = Plan::default();
        plan.published(0, &zone(), 7, &[secondary(1)]);
        plan.published(0, &zone(), 8, &[]);
        assert_eq!(plan.poll_timeout(), None);
        // An answer that comes for nobody changes nothing.
        plan.heard(1, &zone(), secondary(1).address);
        assert!(plan.due(1_000_000).is_empty());
    }
}
