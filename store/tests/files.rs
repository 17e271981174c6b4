//! The store in a real directory.
#![allow(clippy::unwrap_used, reason = "a failing step is a failing test")]

use std::net::Ipv4Addr;

use dhcp::identity::HardwareAddress;
use dhcp::lease::{Lease, LeaseState};
use store::db::{RepairOptions, check, dump, repair};
use store::{FileStorage, OpenError, Options, Row, Store};

fn lease(last: u8, expires_at: u64) -> Lease {
    Lease {
        address: Ipv4Addr::new(192, 0, 2, last),
        subnet: "192.0.2.0/24".parse().unwrap(),
        state: LeaseState::Bound,
        hardware: HardwareAddress::new(1, &[2, 0, 0, 0, 0, last]).unwrap(),
        client_id: None,
        started_at: 1,
        renewed_at: 2,
        expires_at,
        hostname: b"host"[..].into(),
        client_fqdn: dns::Bytes::default(),
        name: None,
        relay: Ipv4Addr::UNSPECIFIED,
        relay_agent_info: dns::Bytes::default(),
        server_identifier_override: None,
    }
}

fn small() -> Options {
    Options { segment_bytes: 16 * 1024, ..Options::default() }
}

#[test]
fn what_was_committed_is_there_after_opening_again() {
    let dir = tempfile::tempdir().unwrap();
    let storage = FileStorage::new(dir.path().join("store"));
    let (mut store, contents, report) = Store::open(storage.clone(), &small()).unwrap();
    assert!(report.created && contents.leases.is_empty());
    for round in 0..50 {
        let batch: Vec<Vec<Row>> = (0..10).map(|last| vec![Row::Lease(lease(last, 1000 + round))]).collect();
        store.commit(round, &batch).unwrap();
    }
    store.commit(7, &[vec![Row::LeaseGone(Ipv4Addr::new(192, 0, 2, 3))]]).unwrap();
    drop(store);
    let (mut store, contents, report) = Store::open(storage.clone(), &small()).unwrap();
    assert_eq!(contents.leases, [0, 1, 2, 4, 5, 6, 7, 8, 9].map(|last| lease(last, 1049)));
    assert_eq!((contents.newest_stamp, contents.next_sequence), (49, 502));
    assert_eq!((report.cut, report.transactions), (None, 501));
    assert!(report.segments > 1);
    let compacted = store.begin_compaction().unwrap().unwrap().run().unwrap();
    assert_eq!(compacted.rows, 9);
    drop(store);
    let (_store, after, report) = Store::open(storage, &small()).unwrap();
    assert_eq!((after, report.transactions, report.segments), (contents, 0, 1));
}

#[test]
fn leases_are_handed_on_as_they_are_read_to_who_knows_the_newest_stamp() {
    let dir = tempfile::tempdir().unwrap();
    let storage = FileStorage::new(dir.path().join("store"));
    let mut stamps = Vec::new();
    let (mut store, ..) = Store::open_with(storage.clone(), &small(), |stamp| {
        stamps.push(stamp);
        |lease| panic!("a new store holds no lease: {lease:?}")
    })
    .unwrap();
    let batch: Vec<Vec<Row>> = (0..10).map(|last| vec![Row::Lease(lease(last, 1_000))]).collect();
    store.commit(77, &batch).unwrap();
    drop(store);
    let mut leases = Vec::new();
    let (_store, contents, _) = Store::open_with(storage, &small(), |stamp| {
        stamps.push(stamp);
        |lease| leases.push(lease)
    })
    .unwrap();
    assert_eq!(leases, (0..10).map(|last| lease(last, 1_000)).collect::<Vec<_>>());
    assert_eq!((contents.leases, contents.newest_stamp, stamps), (Vec::new(), 77, vec![0, 77]));
}

#[test]
fn a_second_daemon_is_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let storage = FileStorage::new(dir.path());
    let _first = Store::open(storage.clone(), &Options::default()).unwrap();
    let refused = Store::open(storage, &Options::default()).unwrap_err();
    let (path, pid) = (dir.path().display(), std::process::id());
    assert_eq!(
        refused.to_string(),
        format!(
            "the store {path} is in use by process {pid} (leasehold); stop that first, or give this one a directory \
             of its own"
        )
    );
}

#[test]
fn a_missing_parent_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let refused = Store::open(FileStorage::new(dir.path().join("a/b")), &Options::default()).unwrap_err();
    assert!(matches!(refused, OpenError::NoDirectory { .. }), "{refused}");
}

#[test]
fn looking_at_a_running_daemons_store_neither_disturbs_it_nor_cries_damage() {
    let dir = tempfile::tempdir().unwrap();
    let storage = FileStorage::new(dir.path().join("store"));
    let (mut store, ..) = Store::open(storage.clone(), &small()).unwrap();
    let daemon = std::thread::spawn(move || {
        for round in 0..3000 {
            store.commit(round, &[vec![Row::Lease(lease((round % 50) as u8, round))]]).unwrap();
            if store.compaction_due(false) {
                store.begin_compaction().unwrap().unwrap().run().unwrap();
            }
        }
    });
    let mut looks = 0;
    while !daemon.is_finished() {
        let report = check(&storage).unwrap();
        assert!(report.is_sound(), "{:?}", report.losses);
        let mut lines = 0;
        dump(&storage, |_| {
            lines += 1;
            Ok(())
        })
        .unwrap();
        assert!(lines >= report.counts.leases);
        looks += 1;
    }
    daemon.join().unwrap();
    assert!(looks > 3);
    let (_, contents, _) = Store::open(storage, &small()).unwrap();
    assert_eq!(contents.leases.len(), 50);
}

#[test]
fn a_repaired_directory_keeps_the_old_files() {
    let dir = tempfile::tempdir().unwrap();
    let storage = FileStorage::new(dir.path());
    let (mut store, ..) = Store::open(storage.clone(), &small()).unwrap();
    for last in 0..20 {
        store.commit(1, &[vec![Row::Lease(lease(last, 9))]]).unwrap();
    }
    drop(store);
    let segment = dir.path().join("segment-0000000001");
    let mut bytes = std::fs::read(&segment).unwrap();
    bytes[5000..5100].fill(0x55);
    std::fs::write(&segment, &bytes).unwrap();
    let options = RepairOptions { open: small(), now: 77, quarantine_until: 99, pools: Vec::new() };
    let report = repair(&storage, &options).unwrap();
    assert_eq!(report.losses[0].damage.file, "segment-0000000001");
    assert_eq!(std::fs::read(dir.path().join("kept-77/segment-0000000001")).unwrap(), bytes);
    let (_, contents, _) = Store::open(storage, &small()).unwrap();
    assert!(contents.leases.len() >= 18);
}

#[test]
fn a_directory_that_may_not_be_written_is_named() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o555)).unwrap();
    match Store::open(FileStorage::new(dir.path()), &small()) {
        // Root may do everything.
        Ok(_) => {}
        Err(refused) => assert!(matches!(refused, OpenError::NoPermission { .. }), "{refused}"),
    }
}
