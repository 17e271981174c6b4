#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::mpsc as told;

use store::{FileStorage, Options, Store};
use zones::{Histories, NewZone};

use super::*;
use crate::committer::Committer;

const TEXT: &str =
    "[[zone]]\nname = \"copy.example\"\nkind = \"secondary\"\nprimaries = [{ address = \"192.0.2.1\" }]\n";

fn apex() -> Fqdn {
    "copy.example".parse().unwrap()
}

fn zone(serial: u32) -> Zone {
    NewZone { serial, ..NewZone::new(apex(), "ns.copy.example".parse().unwrap(), vec![]) }.build().unwrap()
}

/// A transfer that takes long to store: meanwhile nobody has heard of a primary for longer than the zone's SOA record allows.
#[tokio::test]
async fn a_copy_that_expires_while_a_newer_one_is_being_stored_is_answered_from_once_that_is_had() {
    let directory = tempfile::tempdir().unwrap();
    let (store, _, _) = Store::open(FileStorage::new(directory.path()), &Options::default()).unwrap();
    let (committer, thread) = Committer::start(store).unwrap();
    let clock = Clock::new(0);
    let config = config::check(TEXT, "test.toml", &|_: &std::path::Path| Err(String::new())).unwrap().config;
    let (first, second) = (zone(5), zone(6));
    let (mut zones, now) = (ZoneSet::new(), clock.now());
    let stored = BTreeMap::from([(apex(), StoredCopy::Whole(first.clone(), now.wall_secs))]);
    let mut followed = Copies::new(&config.dns, stored, &mut zones, &clock).followed.pop().unwrap();
    let keeper = ZoneKeeper::new(zones, Histories::new(), committer.clone(), clock.clone());
    let served = || keeper.published().load().get(&apex()).map(Zone::serial);
    assert_eq!((served(), followed.served), (Some(5), true));

    followed.follower.ask_now(now.boot_ms, false);
    assert!(matches!(followed.follower.due(now.boot_ms), Some(Action::AskSerial { primary: 0 })));
    assert!(matches!(followed.follower.heard_serial(now.boot_ms, 0, Ok(6)), Some(Action::Fetch { .. })));
    let taken = take(&apex(), Some(&first), Incoming::Whole(second.rrsets().collect())).unwrap().unwrap();
    // The store hangs.
    let (begun, begins) = told::channel();
    let (release, held) = told::channel::<()>();
    let hanging = committer.clone();
    let holder = std::thread::spawn(move || {
        let hold = || {
            begun.send(()).unwrap();
            // Ends with the sender.
            _ = held.recv();
        };
        hanging.hold(hold).unwrap();
    });
    begins.recv().unwrap();
    let taking = tokio::spawn({
        let (keeper, at) = (Arc::clone(&keeper), now.wall_secs);
        async move { keeper.take_in(taken, false, at).await }
    });
    // On this one thread it goes on until it waits for the store.
    tokio::task::yield_now().await;
    assert_eq!(served(), Some(5));
    let late = now.boot_ms + u64::from(NewZone::EXPIRE_SECS) * 1_000 + 1;
    assert!(followed.follower.due(late).is_none(), "the transfer is under way");
    followed.follow_expiry(&keeper).await;
    assert_eq!((served(), followed.served), (None, false), "it has expired");
    drop(release);
    holder.join().unwrap();
    assert!(taking.await.unwrap(), "the newer one is stored");
    assert_eq!(served(), None, "and answered from once it is known to be fresh");

    followed.took(second.clone(), now.wall_secs);
    assert!(followed.follower.fetched(late, 0, Ok(Fetched::Zone(second.soa().0))).is_none());
    followed.follow_expiry(&keeper).await;
    assert_eq!((served(), followed.served, followed.follower.is_expired()), (Some(6), true, false));
    drop(keeper);
    committer.stop();
    thread.join().unwrap();
    let (_, contents, _) = Store::open(FileStorage::new(directory.path()), &Options::default()).unwrap();
    let soa = contents.zone_sets.iter().find(|(id, set)| *id == apex() && set.rtype == RecordType::SOA);
    assert_eq!(soa.unwrap().1.rdata[0].to_soa().unwrap().serial, 6);
}
