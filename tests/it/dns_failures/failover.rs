//! Zones that have two servers: whatever happens to the preferred one, the other does its work, and gives it back.
//!
//! Two kinds of pairs. Two PowerDNS servers over one database are two primaries of one zone. A BIND secondary that hands
//! updates on to its primary (RFC 2136 section 6) can be the preferred one of the two, as the one that is nearer, or
//! the one that is left when the way to the primary is cut.

use std::time::{Duration, Instant};

use dns::Rcode;

use super::proxy::{Proxy, Seen, Trouble};
use super::site::{SETTLE, Site, at_two};
use crate::process::wait_for;
use crate::servers::{DnsServer, Kind};

/// Leases while the preferred server is away, and before that.
const STREAM: u8 = 40;
/// Messages for one row of the updater's, as `tests/simulation/world/messages.rs` reckons them.
const MESSAGES_PER_ROW: usize = 5;
/// The longest pause between two probes of one zone's server; see [`Site`].
const PROBE_MS: u128 = 400;

/// What happens to the preferred server.
#[derive(Clone, Copy, Debug)]
enum Hindrance {
    Killed,
    Says(Trouble),
    /// Before that it was slow: what it says no to may be on its way to it, and be made.
    SaysAfterSlowness(Trouble),
}

fn preferred<'site, 'lab>(site: &'site mut Site<'lab>) -> (&'site mut DnsServer<'lab>, &'site Proxy) {
    match &mut site.second {
        Some(second) if second.preferred => (&mut second.server, &second.proxy),
        _ => (&mut site.server, &site.proxy),
    }
}

fn seen(site: &Site<'_>) -> [Seen; 2] {
    let second = site.second.as_ref().expect("two servers");
    let mut seen = [site.proxy.seen(), second.proxy.seen()];
    if second.preferred {
        seen.swap(0, 1);
    }
    seen
}

fn hinder(site: &mut Site<'_>, hindrance: Hindrance) {
    match hindrance {
        Hindrance::Killed => preferred(site).0.kill(),
        Hindrance::Says(trouble) | Hindrance::SaysAfterSlowness(trouble) => preferred(site).1.set(trouble),
    }
    // Of two primaries the one that is there tells what the zones hold.
    if let Some(second) = site.second.as_mut().filter(|second| !second.preferred) {
        second.asked = matches!(hindrance, Hindrance::Killed);
    }
}

fn unhinder(site: &mut Site<'_>, hindrance: Hindrance) {
    match hindrance {
        Hindrance::Killed => preferred(site).0.resume(),
        Hindrance::Says(_) | Hindrance::SaysAfterSlowness(_) => preferred(site).1.set(Trouble::None),
    }
    site.second.iter_mut().for_each(|second| second.asked = false);
}

/// Leases come and change all the time; in their midst the preferred server is hindered. All names are right while it is,
/// and after it; the other server got the newest states, and not every one that there was; and then the preferred
/// one has the work again.
fn in_the_midst_of_a_stream(kind: Kind, second_preferred: bool, hindrance: Hindrance) {
    at_two(kind, second_preferred, |site| {
        if let Hindrance::SaysAfterSlowness(_) = hindrance {
            preferred(site).1.slow_down();
        }
        let began = Instant::now();
        let mut sets = 0;
        let mut set = |site: &mut Site<'_>, last: u8, lease: Option<(&str, u8)>| {
            site.set(last, lease);
            sets += 1;
            std::thread::sleep(Duration::from_millis(5));
        };
        for n in 2..=STREAM {
            if n == STREAM / 3 {
                hinder(site, hindrance);
            }
            set(site, n, Some((&format!("pc{n}"), n)));
        }
        // Now that it is away names change, and change again.
        for n in 2..=STREAM / 4 {
            for label in ["x", "y", "z"] {
                set(site, n, Some((&format!("{label}{n}"), n)));
            }
        }
        set(site, STREAM, None);
        set(site, STREAM - 1, None);
        set(site, STREAM + 1, Some((&format!("pc{STREAM}"), STREAM)));
        site.settle(&format!("{hindrance:?}: the other server does the work"));
        let [_, other] = seen(site);
        assert!(other.changes > 0, "{hindrance:?}: the other server was sent nothing");
        unhinder(site, hindrance);
        site.settle(&format!("{hindrance:?}: it is over"));
        preferred_again(site);
        let [first, other] = seen(site);
        // Each change touches a name that was, a name that is, and an address; what was under way is sent once more.
        let rows = 3 * (sets + 8);
        let changes = first.changes + other.changes;
        assert!(changes <= MESSAGES_PER_ROW * rows, "{hindrance:?}: {changes} messages for {rows} rows");
        let probes = first.probes + other.probes;
        // Of two zones; the pauses grow from 100 ms.
        let bound = 2 * usize::try_from(began.elapsed().as_millis() / PROBE_MS + 4).unwrap();
        assert!(probes <= bound, "{hindrance:?}: {probes} probes, and at most {bound} were due");
    });
}

/// Soon whole changes are made without a word to the other server.
fn preferred_again(site: &mut Site<'_>) {
    let mut round = 0;
    wait_for("the preferred server has the work again", SETTLE, || {
        let [_, before] = seen(site);
        round += 1;
        site.set(200, Some((&format!("late{round}"), 200)));
        site.settle("a change after it all");
        let [_, after] = seen(site);
        (before.changes == after.changes).then_some(())
    });
    site.assert_right("and stays so");
}

const SILENCE: Hindrance = Hindrance::Says(Trouble::Silence);
const LOST_ANSWERS: Hindrance = Hindrance::Says(Trouble::LoseAnswers);

const fn says(code: Rcode) -> Hindrance {
    Hindrance::Says(Trouble::Answer(code))
}

#[test]
fn failover_two_powerdns_primaries_the_preferred_one_is_killed() {
    in_the_midst_of_a_stream(Kind::PowerDns, false, Hindrance::Killed);
}

#[test]
fn failover_two_powerdns_primaries_the_preferred_one_is_behind_a_wall_that_drops() {
    in_the_midst_of_a_stream(Kind::PowerDns, false, SILENCE);
}

#[test]
fn failover_two_powerdns_primaries_the_preferred_ones_answers_are_lost() {
    in_the_midst_of_a_stream(Kind::PowerDns, false, LOST_ANSWERS);
}

#[test]
fn failover_two_powerdns_primaries_the_preferred_one_refuses() {
    in_the_midst_of_a_stream(Kind::PowerDns, false, says(Rcode::REFUSED));
}

#[test]
fn failover_two_powerdns_primaries_the_preferred_one_says_servfail() {
    in_the_midst_of_a_stream(Kind::PowerDns, false, says(Rcode::SERV_FAIL));
}

#[test]
fn failover_a_bind_secondary_that_forwards_is_killed_and_its_primary_does_the_work() {
    in_the_midst_of_a_stream(Kind::Bind, true, Hindrance::Killed);
}

#[test]
fn failover_a_bind_secondary_that_forwards_is_behind_a_wall_that_drops() {
    in_the_midst_of_a_stream(Kind::Bind, true, SILENCE);
}

#[test]
fn failover_the_answers_of_a_bind_secondary_that_forwards_are_lost() {
    in_the_midst_of_a_stream(Kind::Bind, true, LOST_ANSWERS);
}

#[test]
fn failover_a_bind_secondary_that_forwards_refuses() {
    in_the_midst_of_a_stream(Kind::Bind, true, says(Rcode::REFUSED));
}

#[test]
fn failover_a_bind_secondary_that_forwards_says_servfail() {
    in_the_midst_of_a_stream(Kind::Bind, true, says(Rcode::SERV_FAIL));
}

/// What it was sent before it refused is made after the primary was sent newer states.
#[test]
fn failover_a_slow_bind_secondary_makes_what_it_refused_or_said_servfail_to() {
    for code in [Rcode::REFUSED, Rcode::SERV_FAIL] {
        in_the_midst_of_a_stream(Kind::Bind, true, Hindrance::SaysAfterSlowness(Trouble::Answer(code)));
    }
}

/// The way from here to the primary is cut, and the one from its secondary is not.
#[test]
fn failover_a_bind_primary_behind_a_wall_is_updated_by_way_of_its_secondary() {
    in_the_midst_of_a_stream(Kind::Bind, false, SILENCE);
}

/// A secondary whose primary is gone does nothing; when the primary is back, all is made, whichever way.
#[test]
fn failover_with_the_bind_primary_killed_all_waits_and_the_newest_states_are_made_when_it_is_back() {
    for second_preferred in [false, true] {
        at_two(Kind::Bind, second_preferred, |site| {
            site.server.kill();
            for label in ["x", "y", "z"] {
                for n in 2..=20 {
                    site.set(n, Some((&format!("{label}{n}"), n)));
                }
            }
            site.set(1, None);
            site.wait_told("z2", &["does not answer", "SERVFAIL", "REFUSED"]);
            site.restart_updater();
            site.set(21, Some(("last", 21)));
            site.server.resume();
            site.settle("the primary is back");
            preferred_again(site);
        });
    }
}
