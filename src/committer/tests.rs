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

#[tokio::test]
async fn what_a_rush_put_off_is_compacted_when_all_is_quiet() {
    let directory = tempfile::tempdir().unwrap();
    let (committer, thread) = open(directory.path());
    let files = |prefix: &str| {
        let names = std::fs::read_dir(directory.path()).unwrap().map(|file| file.unwrap().file_name());
        names.filter(|name| name.to_string_lossy().starts_with(prefix)).count()
    };
    // More than four segments, fewer than a rush may fill.
    while files("segment-") < 8 {
        let (next, result) = submission(Lane::Updater, 200);
        committer.submit(next).await.unwrap();
        assert_eq!(result.await, Ok(CommitResult::Committed));
    }
    // Nobody commits any more; a slow disk may have ended the rush before.
    let compacted = async {
        while files("snapshot-") == 0 || files("segment-") >= 8 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), compacted).await.unwrap();
    committer.tell_to_stop().await;
    thread.join().unwrap();
}

/// Who submits alone, told on which thread.
fn told_where(to: &Arc<Mutex<Vec<Option<String>>>>) -> Submission {
    let to = Arc::clone(to);
    let done = Box::new(move |result| {
        assert_eq!(result, CommitResult::Committed);
        to.lock().unwrap().push(std::thread::current().name().map(str::to_owned));
    });
    Submission { done, ..submission(Lane::Dhcp, 1).0 }
}

#[tokio::test]
async fn who_submits_alone_commits_on_its_own_thread_once_the_disk_is_known_to_be_quick() {
    let directory = tempfile::tempdir().unwrap();
    let (committer, thread) = open(directory.path());
    let told = Arc::default();
    committer.commit_alone(told_where(&told)).unwrap();
    let (behind, result) = submission(Lane::Updater, 1);
    committer.submit(behind).await.unwrap();
    assert_eq!(result.await, Ok(CommitResult::Committed));
    assert_eq!(*told.lock().unwrap(), [Some("committer".to_owned())], "nothing was known of the disk");

    // As many as it takes for slow ones to be forgotten, on a machine that is busy.
    let here = std::thread::current().name().map(str::to_owned);
    let mut tries = 0;
    while told.lock().unwrap().last() != Some(&here) {
        tries += 1;
        assert!(tries < 10_000, "no commit was made here");
        let before = told.lock().unwrap().len();
        committer.commit_alone(told_where(&told)).unwrap();
        while told.lock().unwrap().len() == before {
            tokio::task::yield_now().await;
        }
    }
    committer.tell_to_stop().await;
    thread.join().unwrap();
    let (_, contents, _) = Store::open(FileStorage::new(directory.path()), &Options::default()).unwrap();
    assert_eq!(contents.next_sequence, told.lock().unwrap().len() as u64 + 2, "each was stored, and the first is 1");
    assert!(committer.commit_alone(submission(Lane::Dhcp, 1).0).is_err(), "the committer has stopped");
}

#[test]
fn nobody_goes_before_what_waits() {
    let directory = tempfile::tempdir().unwrap();
    let (store, _, _) = Store::open(FileStorage::new(directory.path()), &Options::default()).unwrap();
    let hands = Hands::new(GroupCommit::new(store));
    let alone = || hands.commit_alone(submission(Lane::Dhcp, 1).0).is_ok();
    hands.with(Held::take_for_quick).unwrap();
    assert!(alone());
    hands.one_more();
    assert!(!alone(), "another submission waits");
    hands.one_less();
    hands.with(Held::take_for_quick).unwrap();
    assert!(alone());
    assert!(!hands.with(|_| alone()).unwrap(), "another thread has the store");
    hands.close();
    assert!(!alone() && hands.with(|_| ()).is_none(), "nothing is committed any more");
}

#[test]
fn a_store_that_a_panic_left_is_gone() {
    let directory = tempfile::tempdir().unwrap();
    let (store, _, _) = Store::open(FileStorage::new(directory.path()), &Options::default()).unwrap();
    let hands = Hands::new(GroupCommit::new(store));
    std::thread::scope(|scope| {
        assert!(scope.spawn(|| hands.with(|_| panic!("on purpose"))).join().is_err());
    });
    assert!(hands.with(|_| ()).is_none());
}
