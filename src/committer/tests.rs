//! The gate, and what is told when nothing is committed any more.

#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};

use store::Options;

use super::*;

#[test]
fn what_was_decided_upon_a_failed_submission_is_refused_until_the_next_epoch() {
    let mut gate = Gate::default();
    let old = submission(Lane::Dhcp, 1).0;
    let new = Submission { epoch: 1, ..submission(Lane::Dhcp, 1).0 };
    assert!(gate.take(&old));
    gate.refuse(&old);
    assert!(!gate.take(&old));
    assert!(gate.take(&submission(Lane::Zones, 1).0), "another lane decided upon nothing that failed");
    assert!(gate.take(&new));
    gate.refuse(&old);
    assert!(gate.take(&new), "a late refusal of the old epoch does not touch the new one");
}

#[test]
fn leases_with_zone_changes_stand_and_fall_with_both_lanes() {
    let both = Submission { zones_epoch: Some(0), ..submission(Lane::Dhcp, 1).0 };
    let mut gate = Gate::default();
    gate.refuse(&both);
    assert!(!gate.take(&submission(Lane::Dhcp, 1).0));
    assert!(!gate.take(&submission(Lane::Zones, 1).0));
    let mut gate = Gate::default();
    gate.refuse(&submission(Lane::Zones, 1).0);
    assert!(gate.take(&submission(Lane::Dhcp, 1).0));
    assert!(!gate.take(&both));
    assert!(!gate.take(&submission(Lane::Dhcp, 1).0), "it was decided upon leases that were just refused");
}

/// Of one group, in the order of submission: what is refused because of another lane is not told before what is stored.
#[test]
fn outcomes_are_told_in_the_order_of_submission() {
    let directory = tempfile::tempdir().unwrap();
    let (store, _, _) = Store::open(FileStorage::new(directory.path()), &Options::default()).unwrap();
    let mut commits = GroupCommit::new(store);
    let told = Arc::new(Mutex::new(Vec::new()));
    let submit = |number: usize, lane, zones_epoch| {
        let told = Arc::clone(&told);
        let done = Box::new(move |result| told.lock().unwrap().push((number, result)));
        Submission { zones_epoch, done, ..submission(lane, 1).0 }
    };
    commits.gate.refuse(&submission(Lane::Zones, 1).0);
    commits.commit(vec![
        submit(1, Lane::Dhcp, None),
        submit(2, Lane::Dhcp, Some(0)),
        submit(3, Lane::Updater, None),
        submit(4, Lane::Dhcp, None),
    ]);
    use CommitResult::{Committed, NoSpace};
    assert_eq!(*told.lock().unwrap(), [(1, Committed), (2, NoSpace), (3, Committed), (4, NoSpace)]);
}

fn submission(lane: Lane, rows: usize) -> (Submission, oneshot::Receiver<CommitResult>) {
    let (told, result) = oneshot::channel();
    let row = |last: usize| Row::LeaseGone(Ipv4Addr::from(u32::try_from(last).unwrap()));
    let submission = Submission {
        lane,
        epoch: 0,
        zones_epoch: None,
        stamp: 1_800_000_000,
        transactions: vec![(0..rows).map(row).collect()],
        done: Box::new(move |result| _ = told.send(result)),
    };
    (submission, result)
}

fn open(directory: &std::path::Path) -> (Committer, JoinHandle<()>) {
    let options = Options { segment_bytes: 16 * 1024, ..Options::default() };
    let (store, _, _) = Store::open(FileStorage::new(directory), &options).unwrap();
    Committer::start(store).unwrap()
}

#[tokio::test]
async fn a_store_that_fails_is_told_whoever_found_out() {
    let directory = tempfile::tempdir().unwrap();
    let (committer, thread) = open(directory.path());
    let (first, result) = submission(Lane::Updater, 1);
    committer.submit(first).await.unwrap();
    assert_eq!(result.await, Ok(CommitResult::Committed));
    // The next segment cannot get its name.
    std::fs::remove_dir_all(directory.path()).unwrap();
    let (second, result) = submission(Lane::Updater, 1_500);
    committer.submit(second).await.unwrap();
    assert_eq!(result.await, Ok(CommitResult::Failed));
    assert_eq!(committer.ended().await, End::StoreFailed);
    let (third, result) = submission(Lane::Dhcp, 1);
    committer.submit(third).await.unwrap();
    assert_eq!(result.await, Ok(CommitResult::Failed));
    committer.tell_to_stop().await;
    thread.join().unwrap();
}

#[tokio::test]
async fn a_committer_that_was_stopped_is_gone_and_what_came_before_is_stored() {
    let directory = tempfile::tempdir().unwrap();
    let (committer, thread) = open(directory.path());
    let (first, result) = submission(Lane::Dhcp, 1);
    committer.submit(first).await.unwrap();
    committer.tell_to_stop().await;
    assert_eq!(result.await, Ok(CommitResult::Committed));
    assert_eq!(committer.ended().await, End::Gone);
    thread.join().unwrap();
    let (later, _) = submission(Lane::Dhcp, 1);
    assert!(committer.submit(later).await.is_err());
    open(directory.path());
}
