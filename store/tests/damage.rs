//! Damage: never skipped in silence, always told by file and offset, and mended without giving anybody an address that
//! may be another's.
#![allow(clippy::unwrap_used, reason = "a failing step is a failing test")]

mod support;

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use dhcp::lease::{Lease, LeaseState};
use store::db::{AddressRange, RepairOptions, check, compact, dump, repair};
use store::simulated::{Failure, Random, SimStorage};
use store::storage::Storage;
use store::{OpenError, Row, Store};
use support::{Bench, lease, options};

const NOW: u64 = 1_800_000_000;
const UNTIL: u64 = 1_800_086_400;

fn repair_options() -> RepairOptions {
    let pool = AddressRange {
        subnet: "192.0.2.0/24".parse().unwrap(),
        first: Ipv4Addr::new(192, 0, 2, 0),
        last: Ipv4Addr::new(192, 0, 2, 40),
    };
    RepairOptions { open: options(), now: NOW, quarantine_until: UNTIL, pools: vec![pool] }
}

/// A snapshot, and two segments upon it.
fn well_used(seed: u64) -> Bench {
    let mut bench = Bench::new(seed);
    bench.open().unwrap();
    for _ in 0..30 {
        bench.commit().unwrap();
    }
    bench.compact();
    for _ in 0..70 {
        bench.commit().unwrap();
    }
    bench.store = None;
    bench
}

/// A copy of a disk: of all its files, nothing pending.
fn copy(disk: &SimStorage) -> SimStorage {
    let new = SimStorage::new(1);
    for name in disk.list().unwrap() {
        new.create(&name, 0).unwrap();
        new.sync_dir().unwrap();
        assert!(new.damage(&name, |bytes| *bytes = disk.contents(&name).unwrap()));
    }
    new
}

fn segments(disk: &SimStorage) -> Vec<String> {
    let mut names: Vec<String> = disk.list().unwrap().into_iter().filter(|name| name.starts_with("segment-")).collect();
    names.sort();
    names
}

fn leases(disk: &SimStorage) -> BTreeMap<Ipv4Addr, Lease> {
    let (_, contents, _) = Store::open(disk.clone(), &options()).unwrap();
    contents.leases.into_iter().map(|lease| (lease.address, lease)).collect()
}

/// Whatever byte is wrong: the store opens with all it held (perhaps without its last batch), or refuses and tells
/// where. Repaired it opens, and no address that was somebody's is free.
#[test]
fn a_wrong_byte_anywhere_is_harmless_or_told_and_mended() {
    let bench = well_used(5);
    let truth = leases(&bench.disk);
    let (mut refused, mut tried) = (0, 0);
    for name in bench.disk.list().unwrap().into_iter().filter(|name| name != "spare") {
        let used = bench.disk.contents(&name).unwrap().iter().rposition(|&byte| byte != 0).unwrap();
        for offset in (0..=used + 64).step_by(53) {
            let disk = copy(&bench.disk);
            disk.damage(&name, |bytes| {
                for byte in bytes.iter_mut().skip(offset).take(1 + offset % 2) {
                    *byte ^= 0x41;
                }
            });
            tried += 1;
            let place = format!("{name} at {offset}");
            match Store::open(disk.clone(), &options()) {
                Ok((_, contents, report)) => {
                    let held: BTreeMap<_, _> = contents.leases.into_iter().map(|l| (l.address, l)).collect();
                    assert!(held == truth || report.cut.is_some(), "{place}: changed in silence");
                    continue;
                }
                Err(OpenError::OtherVersion { file, .. }) => {
                    assert!(file == name && (8..12).contains(&offset), "{place}: {file}");
                    continue;
                }
                Err(OpenError::Damaged { damage, .. }) => assert_eq!(damage.file, name, "{place}: {damage}"),
                Err(other) => panic!("{place}: {other}"),
            }
            refused += 1;
            let report = check(&disk).unwrap();
            let repaired = repair(&disk, &repair_options()).unwrap_or_else(|error| panic!("{place}: {error}"));
            assert_eq!(report.losses, repaired.losses, "{place}");
            assert!(!report.is_sound() || repaired.kept.is_some(), "{place}");
            assert!(check(&disk).unwrap().is_sound(), "{place}");
            assert_mended(&truth, &leases(&disk), &place);
        }
    }
    assert!(refused * 2 > tried, "{refused} of {tried} refused");
}

fn assert_mended(truth: &BTreeMap<Ipv4Addr, Lease>, held: &BTreeMap<Ipv4Addr, Lease>, place: &str) {
    for (address, was) in truth {
        let now = held.get(address).unwrap_or_else(|| panic!("{place}: {address} is free, it was {was:?}"));
        match now.state {
            LeaseState::Quarantined => assert_eq!(now.expires_at, UNTIL, "{place}"),
            // An older binding may be believed where the loss leaves nothing newer.
            LeaseState::Bound => assert!(now.renewed_at <= was.renewed_at, "{place}"),
            other => panic!("{place}: {address} is {other:?}"),
        }
    }
}

#[test]
fn a_damaged_middle_is_told_by_file_and_offset_and_its_concern_is_listed() {
    let mut bench = Bench::new(1);
    bench.open().unwrap();
    let store = bench.store.as_mut().unwrap();
    for last in 0..10 {
        store.commit(NOW, &[vec![Row::Lease(lease(last, 7))]]).unwrap();
    }
    bench.store = None;
    // The frames are alike, so the fourth is easily found; the damage is in its value.
    let bytes = bench.disk.contents("segment-0000000001").unwrap();
    let used = bytes.iter().rposition(|&byte| byte != 0).unwrap() + 1 - 4096;
    let stride = used.div_ceil(10).next_multiple_of(8);
    let fourth = 4096 + 3 * stride;
    bench.disk.damage("segment-0000000001", |bytes| bytes[fourth + 32 + 8 + 5 + 32..][..2].fill(0xee));
    let refused = Store::open(bench.disk.clone(), &options()).unwrap_err();
    let text = refused.to_string();
    assert!(text.contains(&format!("segment-0000000001 at byte {fourth}: ")), "{text}");
    assert!(text.contains("leasehold db repair"), "{text}");
    let repaired = repair(&bench.disk, &repair_options()).unwrap();
    assert_eq!(repaired.losses.len(), 1);
    let loss = &repaired.losses[0];
    assert_eq!((loss.damage.offset, loss.transactions), (fourth as u64, Some((4, 4))));
    assert_eq!(loss.concerns, ["probably the lease of 192.0.2.3"]);
    // Anything may have been lost, so every address of the pool that is not bound since is suspect.
    let suspect: Vec<_> = [3].into_iter().chain(10..=40).map(|last| Ipv4Addr::new(192, 0, 2, last)).collect();
    assert_eq!(repaired.quarantined, suspect);
    assert_eq!(repaired.kept.as_deref(), Some("kept-1800000000"));
    assert!(bench.disk.contents("kept-1800000000/segment-0000000001").is_some());
    assert_eq!(leases(&bench.disk).len(), 9 + suspect.len());
}

#[test]
fn one_wrong_byte_in_a_transaction_is_put_right() {
    let mut bench = Bench::new(1);
    bench.open().unwrap();
    for last in 0..10 {
        bench.store.as_mut().unwrap().commit(NOW, &[vec![Row::Lease(lease(last, 7))]]).unwrap();
    }
    bench.store = None;
    let truth = leases(&bench.disk);
    bench.disk.damage("segment-0000000001", |bytes| bytes[4096 + 45] ^= 1);
    assert!(Store::open(bench.disk.clone(), &options()).is_err());
    let repaired = repair(&bench.disk, &repair_options()).unwrap();
    assert!(repaired.losses[0].restored && repaired.quarantined.is_empty());
    assert_eq!(repaired.losses[0].concerns, ["the lease of 192.0.2.0"]);
    assert_eq!(leases(&bench.disk), truth);
}

#[test]
fn a_missing_segment_or_snapshot_is_told() {
    let names: Vec<String> = well_used(2).disk.list().unwrap();
    let newest = segments(&well_used(2).disk).pop().unwrap();
    // Of the newest segment nothing that is left knows.
    for name in names.iter().filter(|&name| name.contains("0000") && *name != newest) {
        let bench = well_used(2);
        let truth = leases(&bench.disk);
        bench.disk.remove(name).unwrap();
        let opened = Store::open(bench.disk.clone(), &options()).map(drop).unwrap_err();
        assert!(matches!(opened, OpenError::Damaged { .. }), "{name}: {opened}");
        let repaired = repair(&bench.disk, &repair_options()).unwrap();
        assert!(!repaired.losses.is_empty());
        assert_mended(&truth, &leases(&bench.disk), name);
    }
}

#[test]
fn a_sound_store_is_not_changed_by_a_repair() {
    let bench = well_used(3);
    let before: Vec<_> = bench.disk.list().unwrap();
    let report = repair(&bench.disk, &repair_options()).unwrap();
    assert_eq!((report.kept, report.losses.len()), (None, 0));
    assert_eq!(bench.disk.list().unwrap(), before);
}

#[test]
fn a_repair_interrupted_anywhere_loses_nothing_more() {
    let bench = well_used(4);
    let truth = leases(&bench.disk);
    let damaged = segments(&bench.disk)[0].clone();
    bench.disk.damage(&damaged, |bytes| bytes[5000] ^= 0xff);
    let old = bench.disk.contents(&damaged).unwrap();
    for operation in 0.. {
        let disk = copy(&bench.disk);
        disk.fail_at(disk.operations() + operation, Failure::Crash);
        let done = repair(&disk, &repair_options()).is_ok();
        disk.calm();
        disk.crash();
        if matches!(Store::open(disk.clone(), &options()), Err(OpenError::Damaged { .. })) {
            repair(&disk, &repair_options()).unwrap();
        }
        assert_mended(&truth, &leases(&disk), &format!("operation {operation}"));
        let kept = disk.contents(&format!("kept-{NOW}/{damaged}"));
        assert_eq!(kept.as_ref(), Some(&old), "operation {operation}: the old file is kept");
        if done {
            assert!(operation > 8);
            break;
        }
    }
}

#[test]
fn a_repair_is_refused_while_a_daemon_runs() {
    let mut bench = well_used(6);
    bench.open().unwrap();
    let other = bench.disk.as_process(99);
    let refused = repair(&other, &repair_options()).unwrap_err();
    assert!(refused.to_string().contains("is in use by process 1 (leasehold)"), "{refused}");
    assert!(check(&other).unwrap().is_sound(), "looking is allowed");
}

#[test]
fn a_store_of_another_version_is_refused() {
    let bench = well_used(7);
    let name = segments(&bench.disk)[0].clone();
    bench.disk.damage(&name, |bytes| bytes[8..12].copy_from_slice(&[9, 0, 9, 0]));
    for refused in [
        Store::open(bench.disk.clone(), &options()).map(drop).unwrap_err(),
        check(&bench.disk).map(drop).unwrap_err(),
        repair(&bench.disk, &repair_options()).map(drop).unwrap_err(),
    ] {
        let text = refused.to_string();
        assert!(text.contains("another version") && text.contains("format 9"), "{text}");
    }
}

#[test]
fn an_offline_compaction_keeps_every_row() {
    let bench = well_used(8);
    let truth = leases(&bench.disk);
    let done = compact(bench.disk.clone(), &options()).unwrap().unwrap();
    assert_eq!(done.rows, truth.len() as u64);
    assert!(done.bytes < done.bytes_before);
    assert_eq!(leases(&bench.disk), truth);
    assert!(compact(bench.disk.clone(), &options()).unwrap().is_none(), "nothing is left to merge");
    let report = check(&bench.disk).unwrap();
    assert_eq!((report.counts.leases, report.transactions), (truth.len() as u64, 0));
}

#[test]
fn a_dump_has_a_line_for_each_row() {
    let mut bench = Bench::new(9);
    bench.open().unwrap();
    let odd = Lease { hostname: b"caf\xe9 \"x\""[..].into(), expires_at: 9, ..lease(5, 0) };
    bench.store.as_mut().unwrap().commit(NOW, &[vec![Row::Lease(lease(1, 4)), Row::Lease(odd)]]).unwrap();
    let mut lines = Vec::new();
    dump(&bench.disk, |line| {
        lines.push(line.to_owned());
        Ok(())
    })
    .unwrap();
    assert_eq!(
        lines,
        [
            r#"{"row":"lease","address":"192.0.2.1","subnet":"192.0.2.0/24","state":"bound","htype":1,"hardware":"02:00:00:00:00:01","started_at":1,"renewed_at":4,"hostname":"hhhhhhhhh"}"#,
            r#"{"row":"lease","address":"192.0.2.5","subnet":"192.0.2.0/24","state":"bound","htype":1,"hardware":"02:00:00:00:00:05","started_at":1,"renewed_at":0,"expires_at":9,"hostname":"hex:636166e920227822"}"#,
        ]
    );
}

#[test]
fn sectors_that_cannot_be_read_are_told_and_mended() {
    let bench = well_used(11);
    let truth = leases(&bench.disk);
    for name in bench.disk.list().unwrap().into_iter().filter(|name| name.contains("0000")) {
        let disk = copy(&bench.disk);
        disk.make_unreadable(&name, 4096..4608);
        assert!(matches!(Store::open(disk.clone(), &options()), Err(OpenError::Io { file, .. }) if file == name));
        assert!(!check(&disk).unwrap().is_sound());
        repair(&disk, &repair_options()).unwrap();
        assert_mended(&truth, &leases(&disk), &name);
    }
}

/// Whatever stands in the files: looking, repairing and opening end in words, not in a panic.
#[test]
fn whatever_stands_in_the_files_nothing_panics() {
    let bench = well_used(12);
    let names = bench.disk.list().unwrap();
    for seed in 0..300 {
        let mut random = Random::new(seed);
        let disk = copy(&bench.disk);
        for _ in 0..1 + random.below(4) {
            let name = &names[random.index(names.len())];
            let other = disk.contents(&names[random.index(names.len())]).unwrap();
            disk.damage(name, |bytes| {
                let at = random.index(bytes.len());
                let end = (at + random.index(3000)).min(bytes.len());
                match random.below(5) {
                    0 => bytes.truncate(at),
                    1 => bytes[at..end].fill(0),
                    2 => bytes[at..end].iter_mut().for_each(|byte| *byte = random.next_u64() as u8),
                    // Bytes of another place or file, as a confused disk gives them.
                    3 => bytes
                        .splice(at..end, other.iter().copied().skip(random.index(9000)).take(end - at))
                        .for_each(drop),
                    _ => bytes.resize(bytes.len() + random.index(9000), 0xff),
                }
            });
        }
        let _ = check(&disk);
        if repair(&disk, &repair_options()).is_ok() {
            let opened = Store::open(disk.clone(), &options());
            assert!(opened.is_ok(), "seed {seed}: {}", opened.unwrap_err());
        }
    }
}

#[test]
fn a_look_into_an_empty_directory_says_that_there_is_no_store() {
    let disk = SimStorage::new(0);
    assert!(matches!(check(&disk), Err(OpenError::NoStore { .. })));
    assert!(matches!(repair(&disk, &repair_options()), Err(OpenError::NoStore { .. })));
}
