#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;

use config::settings::DnsSettings;
use dns::Rdata;
use store::{Contents, FileStorage, Options, Store};
use zones::intake::{Incoming, take};
use zones::{Histories, NewZone, ZoneSet};

use super::*;
use crate::clock::Clock;
use crate::committer::Committer;
use crate::embedded_zones::StoredZones;
use crate::zone_intake::load::{LoadedCopies, StoredCopy, load};

const TEXT: &str =
    "[[zone]]\nname = \"copy.example\"\nkind = \"secondary\"\nprimaries = [{ address = \"192.0.2.1\" }]\n";
const LARGE: u32 = 60_000;

fn apex() -> Fqdn {
    "copy.example".parse().unwrap()
}

fn settings() -> DnsSettings {
    config::check(TEXT, "test.toml", &|_: &Path| Err(String::new())).unwrap().config.dns
}

fn open(directory: &Path) -> (Store<FileStorage>, Contents) {
    let (store, contents, _) = Store::open(FileStorage::new(directory), &Options::default()).unwrap();
    (store, contents)
}

/// A zone with so many names from this one on.
fn transferred(serial: u32, from: u32, names: u32) -> Taken {
    let zone = NewZone { serial, ..NewZone::new(apex(), "ns.copy.example".parse().unwrap(), vec![]) };
    let host = |number: u32| {
        let name: Fqdn = format!("host{number}.copy.example").parse().unwrap();
        Rrset::single(name, RecordType::A, 300, Rdata::a([192, 0, 2, 1].into()))
    };
    let sets = zone.rrsets().into_iter().chain((from..from + names).map(host));
    take(&apex(), None, Incoming::Whole(sets.collect())).unwrap().unwrap()
}

/// The copies that a start finds, how many sets were stored, and how many rows it writes.
fn start(directory: &Path) -> (LoadedCopies, usize) {
    let mut contents = open(directory).1;
    let sets = contents.zone_sets.len();
    let copies = std::mem::take(&mut contents.zone_copies);
    (load(&settings(), &mut StoredZones::take(&mut contents), copies), sets)
}

fn submission(done: oneshot::Sender<CommitResult>) -> Submission {
    let done = Box::new(move |result| done.send(result).unwrap());
    Submission { lane: Lane::Dhcp, epoch: 0, zones_epoch: None, stamp: 1, transactions: vec![], done }
}

/// Begins to store a large first copy, and gives it up once some of it is stored.
async fn begin(keeper: &Arc<ZoneKeeper>, committer: &Committer) {
    let taking = tokio::spawn({
        let keeper = Arc::clone(keeper);
        async move { keeper.take_in(transferred(5, 0, LARGE), true, 1_000).await }
    });
    // On this one thread it goes on until it waits for the store.
    for _ in 0..4 {
        tokio::task::yield_now().await;
        let (to, done) = oneshot::channel();
        committer.submit(submission(to)).await.unwrap();
        assert_eq!(done.await, Ok(CommitResult::Committed), "leases are committed meanwhile");
    }
    assert!(!taking.is_finished());
    assert!(keeper.published().load().get(&apex()).is_none(), "it is not served before it is stored");
    taking.abort();
    assert!(taking.await.is_err());
}

/// Half of a first copy is in this store when it is closed.
async fn crash_in_first_copy(store: Store<FileStorage>) {
    let (committer, thread) = Committer::start(store).unwrap();
    let keeper = ZoneKeeper::new(ZoneSet::new(), Histories::new(), committer.clone(), Clock::new(0));
    begin(&keeper, &committer).await;
    drop(keeper);
    committer.stop();
    thread.join().unwrap();
}

#[tokio::test]
async fn leases_are_committed_between_the_pieces_of_a_first_copy_and_a_crash_among_them_leaves_none_of_it() {
    let directory = tempfile::tempdir().unwrap();
    crash_in_first_copy(open(directory.path()).0).await;
    let (loaded, stored) = start(directory.path());
    assert!(stored > 1_000 && stored < LARGE as usize, "{stored}");
    assert!(matches!(&loaded.zones[&apex()], StoredCopy::Strewn(sets) if sets.len() == stored));
    assert_eq!(loaded.rows.len(), stored, "what is there of it goes");
}

#[tokio::test]
async fn a_first_copy_is_whole_once_it_is_served_and_nothing_is_left_of_one_that_was_given_up() {
    let directory = tempfile::tempdir().unwrap();
    let (committer, thread) = Committer::start(open(directory.path()).0).unwrap();
    let keeper = ZoneKeeper::new(ZoneSet::new(), Histories::new(), committer.clone(), Clock::new(0));
    begin(&keeper, &committer).await;
    // Of other names, so that whatever is left of the first would be seen.
    let taken = transferred(7, LARGE, LARGE / 2);
    let zone = taken.zone.clone();
    assert!(keeper.take_in(taken, true, 1_000).await);
    assert_eq!(keeper.published().load().get(&apex()), Some(&zone));
    assert!(keeper.strewn().is_empty());
    drop(keeper);
    committer.stop();
    thread.join().unwrap();
    let (loaded, stored) = start(directory.path());
    assert_eq!(stored, zone.rrsets().count());
    assert_eq!(loaded.zones, [(apex(), StoredCopy::Whole(zone, 1_000))].into());
    assert_eq!(loaded.rows, []);
}

/// A copy that cannot be read is marked as one still, until the first piece of the next.
#[tokio::test]
async fn the_mark_of_a_damaged_copy_does_not_stand_for_pieces_of_the_next() {
    let directory = tempfile::tempdir().unwrap();
    let (mut store, _) = open(directory.path());
    store.commit(1, [vec![Row::ZoneCopy { zone: apex(), checked_at: 900 }]]).unwrap();
    crash_in_first_copy(store).await;
    assert!(matches!(start(directory.path()).0.zones[&apex()], StoredCopy::Strewn(_)));
}

/// The disk was full when a start found half of a copy, so that it is still stored when there is room for the next.
#[tokio::test]
async fn what_a_start_could_not_take_away_is_no_part_of_the_next_copy() {
    let directory = tempfile::tempdir().unwrap();
    crash_in_first_copy(open(directory.path()).0).await;
    let found = start(directory.path()).0.zones.remove(&apex());
    let Some(StoredCopy::Strewn(sets)) = found else { panic!("half a copy: {found:?}") };
    let (committer, thread) = Committer::start(open(directory.path()).0).unwrap();
    let keeper = ZoneKeeper::new(ZoneSet::new(), Histories::new(), committer.clone(), Clock::new(0));
    keeper.know_strewn([(apex(), sets)].into());
    let taken = transferred(7, LARGE, 10);
    let zone = taken.zone.clone();
    assert!(keeper.take_in(taken, true, 1_000).await);
    drop(keeper);
    committer.stop();
    thread.join().unwrap();
    assert_eq!(start(directory.path()).0.zones, [(apex(), StoredCopy::Whole(zone, 1_000))].into());
}

#[tokio::test]
async fn the_last_room_of_a_disk_is_not_taken_from_leases_by_a_first_copy() {
    let directory = tempfile::tempdir().unwrap();
    drop(open(directory.path()));
    // With this in its place no room can be kept ahead, as on a full disk.
    let in_the_way = directory.path().join("spare");
    std::fs::remove_file(&in_the_way).unwrap();
    std::fs::create_dir(&in_the_way).unwrap();
    let (committer, thread) = Committer::start(open(directory.path()).0).unwrap();
    let keeper = ZoneKeeper::new(ZoneSet::new(), Histories::new(), committer.clone(), Clock::new(0));
    assert!(!keeper.take_in(transferred(5, 0, LARGE), true, 1_000).await);
    let (to, done) = oneshot::channel();
    committer.submit(submission(to)).await.unwrap();
    assert_eq!(done.await, Ok(CommitResult::Committed), "leases have what is left");
    std::fs::remove_dir(&in_the_way).unwrap();
    assert!(keeper.take_in(transferred(6, 0, LARGE), true, 1_000).await, "there is room again");
    drop(keeper);
    committer.stop();
    thread.join().unwrap();
}
