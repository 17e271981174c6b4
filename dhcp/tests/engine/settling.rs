//! Commits that fail, storage that is full, and time.

use std::sync::Arc;

use dhcp::decision::{CommitOutcome, LeaseEventKind};
use dhcp::engine::Engine;
use dhcp::lease::{Lease, LeaseState};
use dhcp::message::DropReason;
use dhcp::options::code;
use dhcp::time::Now;

use crate::network::*;

#[test]
fn a_failed_commit_returns_memory_to_what_is_stored() {
    let mut server = Server::plain();
    let offered = server.hear(&discover(1)).offered();
    let first = server.decide(&on_link(), &selecting(1, offered));
    // Nobody else can have it while the commit is under way.
    assert!(server.hear(&selecting(2, offered)).is_nak());
    server.engine.settle(first.ticket.unwrap(), CommitOutcome::Failed);
    assert_eq!((server.engine.leases().len(), server.engine.poll_timeout()), (0, None));
    assert_eq!(server.engine.subnet_counts().next().unwrap().free, 10);
    assert_eq!(server.hear(&selecting(2, offered)).acked(), offered);

    // A renewal that fails leaves the binding as it was, and its end.
    let stored = server.engine.lease(offered);
    let end = server.engine.poll_timeout();
    server.pass(1800);
    let renewal = server.decide(&on_link(), &extending(2, offered));
    assert_ne!(server.engine.lease(offered), stored);
    server.engine.settle(renewal.ticket.unwrap(), CommitOutcome::Failed);
    assert_eq!((server.engine.lease(offered), server.engine.poll_timeout()), (stored, end));
}

#[test]
fn a_renewal_that_says_nothing_else_is_told_as_such_and_changes_the_times_alone() {
    let mut server = Server::plain();
    let address = server.lease_to(1);
    let before = server.engine.lease(address).unwrap();
    server.pass(600);
    let renewal = server.take(&unicast(address), &extending(1, address));
    let [event] = &*renewal.events else { panic!("{renewal:?}") };
    let former = event.previous.as_ref().unwrap();
    assert_eq!((event.kind, former.same_since), (LeaseEventKind::Renewed, Some(before.renewed_at)));
    let after = server.engine.lease(address).unwrap();
    assert_eq!((after.renewed_at, after.expires_at), (before.renewed_at + 600, before.expires_at + 600));
    assert_eq!(Lease { renewed_at: before.renewed_at, expires_at: before.expires_at, ..after.clone() }, before);
    assert_eq!(event.lease, after);
    // What is stored and what time brings is the same as if all of it had been written again.
    let stored = Server::with_leases(settings([subnet()]), [after]);
    assert_eq!(server.engine.leases().collect::<Vec<_>>(), stored.engine.leases().collect::<Vec<_>>());
    server.pass(3_000);
    assert!(server.tick().is_empty(), "it was renewed");
    server.pass(600);
    assert_eq!(server.tick(), [(LeaseEventKind::Expired, address)]);

    // Another host name is another record.
    let address = server.lease_to(1);
    let named = server.take(&unicast(address), &extending(1, address).with(code::HOST_NAME, *b"other"));
    let [event] = &*named.events else { panic!("{named:?}") };
    assert_eq!((event.kind, event.previous.as_ref().unwrap().same_since), (LeaseEventKind::Renewed, None));
    assert_eq!(&*server.engine.lease(address).unwrap().hostname, b"other");
}

#[test]
fn decisions_upon_a_decision_that_failed_are_undone_with_it() {
    for newest_first in [false, true] {
        let mut server = Server::plain();
        let address = server.lease_to(1);
        let stored = server.engine.lease(address);
        // Released, given to another, declined by that: three commits in flight.
        let released = server.decide(&unicast(address), &release(1, address));
        let given = server.decide(&on_link(), &selecting(2, address));
        let declined = server.decide(&on_link(), &decline(2, address));
        assert_eq!(server.state(address), Some(LeaseState::Quarantined));
        let mut failed = [released, given, declined];
        if newest_first {
            failed.reverse();
        }
        for decision in failed {
            server.engine.settle(decision.ticket.unwrap(), CommitOutcome::Failed);
        }
        assert_eq!(server.engine.lease(address), stored);
        assert_eq!(server.engine.subnet_counts().next().unwrap().bound, 1);
    }
}

#[test]
fn what_was_committed_before_a_failure_stays() {
    let mut server = Server::plain();
    let first = server.decide(&on_link(), &selecting(1, FIRST));
    let second = server.decide(&on_link(), &extending(1, FIRST));
    server.engine.settle(first.ticket.unwrap(), CommitOutcome::Committed);
    let stored = first.events[0].lease.clone();
    server.engine.settle(second.ticket.unwrap(), CommitOutcome::Failed);
    assert_eq!(server.engine.lease(FIRST), Some(stored));
}

#[test]
fn with_the_storage_full_a_renewal_gets_what_is_left_of_the_stored_lease_and_never_more() {
    let mut server = Server::plain();
    let address = server.lease_to(1);
    let stored = server.engine.lease(address);
    server.engine.set_storage_full(true);
    server.pass(1000);
    for message in [extending(1, address), selecting(1, address), init_reboot(1, address)] {
        let ack = server.hear(&message);
        assert_eq!((ack.acked(), lease_secs(ack.reply())), (address, Some(2600)));
        assert!(ack.events.is_empty() && ack.ticket.is_none());
    }
    let offer = server.hear(&discover(1));
    assert_eq!((offer.offered(), lease_secs(offer.reply())), (address, Some(2600)));
    // New leases get no answer; INFORM goes on; nothing ends that could not be stored.
    assert_eq!(server.hear(&discover(2)).silence(), DropReason::StorageFull);
    assert_eq!(server.hear(&selecting(2, SECOND)).silence(), DropReason::StorageFull);
    assert_eq!(server.hear(&release(1, address)).silence(), DropReason::StorageFull);
    assert_eq!(server.hear(&decline(1, address)).silence(), DropReason::StorageFull);
    assert_eq!(server.hear(&inform(3, [192, 168, 30, 7].into())).acked(), ZERO);
    server.pass(2599);
    assert_eq!(server.hear(&extending(1, address)).silence(), DropReason::StorageFull);
    server.pass(10);
    assert_eq!((server.engine.poll_timeout(), server.tick()), (None, vec![]));
    assert_eq!(server.engine.lease(address), stored);
    server.engine.set_storage_full(false);
    assert_eq!(server.tick(), [(LeaseEventKind::Expired, address)]);
}

#[test]
fn with_the_storage_full_a_lease_that_is_not_stored_yet_promises_nothing() {
    let mut server = Server::plain();
    server.decide(&on_link(), &selecting(1, FIRST));
    server.engine.set_storage_full(true);
    assert_eq!(server.hear(&extending(1, FIRST)).silence(), DropReason::StorageFull);
    // A renewal under way does not count either.
    let mut server = Server::plain();
    let address = server.lease_to(1);
    server.pass(1800);
    server.decide(&on_link(), &extending(1, address));
    server.engine.set_storage_full(true);
    assert_eq!(lease_secs(server.hear(&extending(1, address)).reply()), Some(1800));
}

#[test]
fn expiry_follows_boot_time_while_running_and_wall_time_after_a_restart() {
    let mut server = Server::plain();
    let address = server.lease_to(1);
    // The wall clock jumps; the lease runs as long as the client thinks.
    server.now.wall_secs += 1_000_000;
    assert_eq!(server.tick(), []);
    server.now.boot_ms += 3_599_999;
    assert_eq!(server.tick(), []);
    server.now.boot_ms += 1;
    assert_eq!(server.tick(), [(LeaseEventKind::Expired, address)]);

    let mut server = Server::plain();
    let address = server.lease_to(1);
    let stored: Vec<_> = server.engine.leases().collect();
    let restarted = Now { boot_ms: 1000, wall_secs: server.now.wall_secs + 3000 };
    let mut engine = Engine::new(Arc::new(settings([subnet()])), stored.clone(), restarted);
    assert_eq!(engine.poll_timeout(), Some(1000 + 600_000));
    assert!(engine.handle_timeout(Now { boot_ms: 600_999, ..restarted }, 10).is_empty());
    // What ran out meanwhile is expired at once, and said to have ended when it did.
    let late = Now { boot_ms: 1000, wall_secs: server.now.wall_secs + 9000 };
    let mut engine = Engine::new(Arc::new(settings([subnet()])), stored, late);
    let expired = engine.handle_timeout(late, 10);
    assert_eq!(kinds(&expired[0]), [(LeaseEventKind::Expired, address)]);
    assert_eq!(expired[0].events[0].lease.expires_at, server.now.wall_secs + 3600);
}

#[test]
fn expiry_is_done_in_portions() {
    let mut server = Server::plain();
    let leased: Vec<_> = (1..=5).map(|n| server.lease_to(n)).collect();
    server.pass(4000);
    let portions: Vec<usize> = (0..4).map(|_| server.engine.handle_timeout(server.now, 2).len()).collect();
    assert_eq!(portions, [2, 2, 1, 0]);
    assert!(leased.iter().all(|address| server.state(*address) == Some(LeaseState::Expired)));
}

#[test]
fn a_clock_that_started_in_the_past_pauses_expiry_until_it_is_right() {
    let mut server = Server::plain();
    let loaded = server.lease_to(1);
    let stored: Vec<_> = server.engine.leases().collect();
    let wall_secs = server.now.wall_secs;
    // The shell never lets wall time go below the journal's newest stamp, so that it stands there.
    let mut server = Server::with_leases(settings([subnet()]), stored);
    server.now.wall_secs = wall_secs;
    server.engine.pause_expiry();
    assert!(server.engine.is_expiry_paused());
    let given = server.lease_to(2);
    server.pass(2000);
    server.hear(&extending(2, given)).acked();
    server.pass(3000);
    assert_eq!(server.tick(), []);
    // The time is known: half an hour had passed before the start. What was loaded has run out; what this run gave
    // has not.
    server.now.wall_secs += 1800;
    server.engine.resume_expiry(server.now);
    assert_eq!(server.tick(), [(LeaseEventKind::Expired, loaded)]);
    server.pass(600);
    assert_eq!(server.tick(), [(LeaseEventKind::Expired, given)]);
}
