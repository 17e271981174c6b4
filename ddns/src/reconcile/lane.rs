//! A lane: the way to one zone at its server, with what waits to be sent and how the server is doing.
//!
//! ```text
//!            a failure that concerns the whole zone
//!      Up ───────────────────────────────────────────► Down ◄──┐ a probe fails: the next one later,
//!       ▲                                               │  └───┘ two seconds at most
//!       └───────────── any other answer ────────────────┘
//! ```
//!
//! Up, as many updates are under way as the server's share allows. Down, one at a time: when the probe is due, or at
//! once when a row is waiting that has never been tried (it may fare better than the ones that failed). What failed
//! waits in the queue, so that all of it goes out as soon as one answer comes.

use std::collections::VecDeque;

use faults::{Fault, planted};

use super::LastAnswer;
use super::batch::Ahead;
use super::hold::Hold;
use super::ways::Way;
use crate::settings::Retry;

/// The longest pause between two probes of a server that does not do its work, in milliseconds. Short, because it
/// bounds how long names stay missing after the server is back; one packet in that time burdens nobody.
const PROBE_PAUSE_MS_MAX: u64 = 2_000;
/// How many refusals in a row, without a success between, say that the server refuses the whole zone.
const REFUSALS_IN_ROW: usize = 3;
/// Of so many rows sent in turn, one is a retry even when rows that were never tried are waiting.
const RETRY_EVERY: u32 = 4;

/// A row in a queue: its index, and the stamp it had when it was queued. Another stamp by now: the place is void.
pub(super) type Place = (u32, u64);

#[derive(Debug, Default)]
pub(super) struct Lane {
    /// To the zone's servers, the preferred one first; never empty.
    pub(super) ways: Vec<Way>,
    /// Whose turn it is to be probed when all have failed.
    pub(super) turn: usize,
    /// What goes before every row of the queues; empty while the zone cannot be updated.
    pub(super) ahead: Ahead,
    /// Rows never tried with their present content.
    pub(super) fresh: VecDeque<Place>,
    /// Rows that failed before.
    pub(super) retry: VecDeque<Place>,
    /// Rows that wait for their own next try since the last success: it releases them.
    pub(super) failed: Vec<Place>,
    /// Of the last name whose state in DNS was not known and taken for the wrong one: it was ours already. So begins the
    /// next one whose state is not known. A whole zone of names is met that way when a store was lost, or taken over.
    pub(super) expects_ours: bool,
    pub(super) in_flight: u32,
    pub(super) hold: Hold,
    pub(super) health: Health,
    /// The ticket that came next when the last success came in: what was sent before it and failed says nothing
    /// about the server.
    succeeded_before: u64,
    /// The messages that were refused since the last success; pieces of one count once.
    refusals: Vec<u64>,
    turns: u32,
}

#[derive(Debug, Default)]
pub(super) enum Health {
    #[default]
    Up,
    Down {
        /// Why.
        cause: LastAnswer,
        /// Failed probes, the first failure included.
        failures: u32,
        /// UTC seconds of the first failure.
        since: u64,
        /// Boot milliseconds of the next probe.
        probe_ms: u64,
        /// Tickets from this one on are probes.
        marked: u64,
        /// The operator has been told.
        told: bool,
    },
}

impl Lane {
    /// An empty lane.
    pub(super) fn of(ways: Vec<Way>) -> Self {
        Self { ways, ..Self::default() }
    }

    /// Another server takes the zone's updates from now on: what the one before refused says nothing about it.
    pub(super) fn turned(&mut self) {
        self.refusals.clear();
    }

    /// Whether a row may be sent now.
    pub(super) fn may_send(&self, boot_ms: u64) -> bool {
        match &self.health {
            Health::Up => true,
            Health::Down { probe_ms, .. } => self.in_flight == 0 && (boot_ms >= *probe_ms || !self.fresh.is_empty()),
        }
    }

    /// A lane that is down is probed at once.
    pub(super) fn probe_now(&mut self, boot_ms: u64) {
        if let Health::Down { probe_ms, .. } = &mut self.health {
            *probe_ms = boot_ms.min(*probe_ms);
        }
    }

    /// When a row may be sent that may not be sent now, in boot milliseconds.
    pub(super) fn next_probe(&self) -> Option<u64> {
        match &self.health {
            Health::Down { probe_ms, .. } if self.in_flight == 0 && !self.retry.is_empty() => Some(*probe_ms),
            _ => None,
        }
    }

    /// The place whose turn it is; void ones included.
    pub(super) fn pop(&mut self) -> Option<Place> {
        self.turns = self.turns.wrapping_add(1);
        let retry_first = self.turns.is_multiple_of(RETRY_EVERY) && self.is_up();
        let (first, second) =
            if retry_first { (&mut self.retry, &mut self.fresh) } else { (&mut self.fresh, &mut self.retry) };
        first.pop_front().or_else(|| second.pop_front())
    }

    /// Whether the last answer showed the zone to be served.
    pub(super) fn is_up(&self) -> bool {
        matches!(self.health, Health::Up)
    }

    /// Whether an answer (or its absence) to `ticket`, a piece of `lineage`, concerns the whole zone, not the one row.
    pub(super) fn is_zone_wide(&mut self, ticket: u64, lineage: u64, answer: LastAnswer) -> bool {
        match answer {
            LastAnswer::Refused(dns::Rcode::REFUSED) => {
                if self.refusals.len() < REFUSALS_IN_ROW && !self.refusals.contains(&lineage) {
                    self.refusals.push(lineage);
                }
                !self.is_up() || self.refusals.len() >= REFUSALS_IN_ROW
            }
            LastAnswer::Timeout | LastAnswer::BadAnswer | LastAnswer::Kerberos(_) => self.succeeded_before <= ticket,
            LastAnswer::Refused(code) => is_zone_failure(code) && self.succeeded_before <= ticket,
            LastAnswer::None | LastAnswer::Done | LastAnswer::Conflict | LastAnswer::NoZone => false,
        }
    }

    /// Takes in a zone-wide failure; true when the operator should hear of it now.
    pub(super) fn fail(
        &mut self,
        now: crate::Now,
        next_ticket: u64,
        ticket: u64,
        answer: LastAnswer,
        retry: &Retry,
    ) -> bool {
        let pause = |failures| match planted(Fault::ProbedWithoutPause) {
            true => 0,
            false => backoff_ms(retry.first_ms, failures, PROBE_PAUSE_MS_MAX.min(retry.max_ms)),
        };
        match &mut self.health {
            up @ Health::Up => {
                // One lost packet is no news; a server that says no is.
                let told = !matches!(answer, LastAnswer::Timeout | LastAnswer::BadAnswer);
                *up = Health::Down {
                    cause: answer,
                    failures: 1,
                    since: now.wall_secs,
                    probe_ms: now.boot_ms + pause(1),
                    marked: next_ticket,
                    told,
                };
                told
            }
            // Sent before the first failure: it adds nothing.
            Health::Down { marked, .. } if ticket < *marked => false,
            Health::Down { cause, failures, probe_ms, marked, told, .. } => {
                *failures = failures.saturating_add(1);
                *probe_ms = now.boot_ms + pause(*failures);
                *marked = next_ticket;
                let news = !*told || *cause != answer;
                (*cause, *told) = (answer, true);
                news
            }
        }
    }

    /// Takes in an answer that shows the zone to be served; true when the operator heard of a failure before.
    /// The rows that waited for their own next try come back, to be tried at once, when the lane was down.
    pub(super) fn succeed(&mut self, next_ticket: u64) -> (bool, Vec<Place>) {
        self.succeeded_before = next_ticket;
        self.refusals.clear();
        let released = std::mem::take(&mut self.failed);
        match std::mem::take(&mut self.health) {
            Health::Up => (false, Vec::new()),
            Health::Down { told, .. } => (told, released),
        }
    }
}

/// Codes that say nothing about the one row.
pub(super) fn is_zone_failure(code: dns::Rcode) -> bool {
    use dns::Rcode;
    matches!(
        code,
        Rcode::SERV_FAIL
            | Rcode::NOT_IMP
            | Rcode::NOT_AUTH
            | Rcode::BAD_SIG
            | Rcode::BAD_KEY
            | Rcode::BAD_TIME
            | Rcode::BAD_TRUNC
    )
}

/// `first`, doubled with every failure after the first, at most `max`.
pub(super) fn backoff_ms(first: u64, failures: u32, max: u64) -> u64 {
    let doublings = failures.saturating_sub(1).min(32);
    first.max(1).saturating_mul(1 << doublings).min(max.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Now;

    #[test]
    fn pauses_double_up_to_a_ceiling() {
        let pauses: Vec<u64> = (1..=9).map(|failures| backoff_ms(500, failures, 60_000)).collect();
        assert_eq!(pauses, [500, 1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000]);
        assert_eq!(backoff_ms(500, u32::MAX, u64::MAX), 500 << 32);
    }

    #[test]
    fn a_lane_that_is_down_sends_one_at_a_time_and_never_waits_long() {
        let mut lane = Lane::default();
        let retry = Retry::default();
        lane.retry.push_back((1, 1));
        let mut boot_ms = 0;
        assert!(!lane.fail(Now { boot_ms, wall_secs: 0 }, 1, 0, LastAnswer::Timeout, &retry));
        for failures in 2..10 {
            let probe_ms = lane.next_probe().expect("something waits");
            assert!(probe_ms - boot_ms <= PROBE_PAUSE_MS_MAX);
            assert!(!lane.may_send(probe_ms - 1) && lane.may_send(probe_ms));
            boot_ms = probe_ms;
            // Told once.
            assert_eq!(
                lane.fail(Now { boot_ms, wall_secs: 0 }, failures, failures, LastAnswer::Timeout, &retry),
                failures == 2
            );
        }
        lane.fresh.push_back((2, 2));
        assert!(lane.may_send(boot_ms));
        lane.in_flight = 1;
        assert!(!lane.may_send(u64::MAX));
        lane.failed.push((3, 3));
        assert_eq!(lane.succeed(20), (true, vec![(3, 3)]));
        assert!(lane.may_send(boot_ms));
        // What was sent before that success and is lost says nothing about the server.
        assert!(!lane.is_zone_wide(19, 19, LastAnswer::Timeout));
        assert!(lane.is_zone_wide(20, 20, LastAnswer::Timeout));
    }

    #[test]
    fn one_refusal_is_the_rows_own_three_in_a_row_are_the_zones() {
        let mut lane = Lane::default();
        let refused = LastAnswer::Refused(dns::Rcode::REFUSED);
        let refusals = [0, 1, 2].map(|ticket| lane.is_zone_wide(ticket, ticket, refused));
        assert_eq!(refusals, [false, false, true]);
        let _ = lane.succeed(3);
        assert!(!lane.is_zone_wide(3, 3, refused));
        // Pieces of one message say no more than it does.
        assert!([4, 5, 6].iter().all(|piece| !lane.is_zone_wide(*piece, 3, refused)));
        assert!(lane.is_zone_wide(4, 4, LastAnswer::Refused(dns::Rcode::BAD_KEY)));
        assert!(!lane.is_zone_wide(4, 4, LastAnswer::Refused(dns::Rcode::NOT_ZONE)));
    }
}
