//! Crash consistency: whatever the disk does, every acknowledged transaction is there wholly, none is there by half,
//! and they are there in order.
#![allow(clippy::unwrap_used, reason = "a failing step is a failing test")]

mod support;

use store::simulated::{Failure, Kind, Rates};
use store::{CommitError, CompactionError, OpenError, Row, Store};
use support::{Bench, day, options};

/// The same day again and again, with this mishap at every operation of it.
fn at_every_operation(seeds: std::ops::Range<u64>, steps: u64, failure: Failure) {
    for seed in seeds {
        let operations = day(seed, steps, |_| ()).unwrap();
        for operation in 0..operations {
            let outcome = day(seed, steps, |disk| disk.fail_at(operation, failure));
            assert!(outcome.is_ok(), "seed {seed}, {failure:?} at operation {operation}: {outcome:?}");
        }
    }
}

#[test]
fn a_crash_at_every_operation_loses_nothing_acknowledged() {
    at_every_operation(0..12, 120, Failure::Crash);
}

#[test]
fn an_error_at_every_operation_loses_nothing_acknowledged() {
    at_every_operation(100..104, 120, Failure::Io);
}

#[test]
fn a_full_disk_at_every_operation_loses_nothing_acknowledged() {
    at_every_operation(200..204, 120, Failure::NoSpace);
}

#[test]
fn many_crashes_and_failures_lose_nothing_acknowledged() {
    for seed in 1000..2000 {
        let outcome = day(seed, 150, |disk| {
            disk.fail_randomly(Rates { write: 40, sync: 40, space: 10 });
            (0..20).for_each(|nth| disk.fail_at(17 + nth * 41 + seed % 41, Failure::Crash));
        });
        assert!(outcome.is_ok(), "seed {seed}: {outcome:?}");
    }
}

#[test]
fn a_crash_at_every_operation_of_a_compaction_loses_nothing() {
    for seed in 0..4 {
        for operation in 0.. {
            let mut bench = Bench::new(seed);
            bench.open().unwrap();
            // A snapshot and segments upon it, so that the compaction merges both and removes both.
            for _ in 0..40 {
                bench.commit().unwrap();
            }
            bench.compact();
            for _ in 0..40 {
                bench.commit().unwrap();
            }
            let start = bench.disk.operations();
            bench.disk.fail_at(start + operation, Failure::Crash);
            bench.compact();
            let crashed = bench.disk.crashed();
            bench.store = None;
            bench.disk.calm();
            bench.disk.crash();
            bench.open().unwrap_or_else(|fault| panic!("seed {seed}, operation {operation}: {fault:?}"));
            if !crashed {
                assert!(operation > 8, "a compaction takes more operations");
                break;
            }
        }
    }
}

#[test]
fn a_failed_sync_ends_the_handle_and_opening_again_tells_what_is_held() {
    for seed in 0..200 {
        let mut bench = Bench::new(seed);
        bench.open().unwrap();
        for _ in 0..5 {
            bench.commit().unwrap();
        }
        bench.disk.fail_next(Kind::Sync, Failure::Io);
        assert!(matches!(bench.commit(), Err(CommitError::Failed { .. })));
        assert!(matches!(bench.store.as_mut().unwrap().commit(0, &[vec![]]), Err(CommitError::AfterFailure)));
        // What the reopened store shows is acknowledged from then on, though the disk never had some of it.
        bench.open().unwrap();
        bench.commit().unwrap();
        bench.store = None;
        bench.disk.crash();
        bench.open().unwrap_or_else(|fault| panic!("seed {seed}: {fault:?}"));
    }
}

#[test]
fn what_was_torn_off_never_comes_back() {
    for seed in 0..300 {
        let mut bench = Bench::new(seed);
        bench.open().unwrap();
        bench.commit().unwrap();
        // Frames all alike, so that the next one could end just where one of the torn batch begins.
        bench.disk.fail_next(Kind::Sync, Failure::Crash);
        let torn = (0..8).map(|last| vec![(last, Some(40_000 + 4 * u64::from(last)))]).collect();
        bench.commit_these(torn).unwrap_err();
        bench.disk.crash();
        bench.open().unwrap();
        bench.commit_these(vec![vec![(23, Some(50_000))]]).unwrap();
        bench.open().unwrap_or_else(|fault| panic!("seed {seed}: {fault:?}"));
    }
}

#[test]
fn a_full_disk_is_found_before_anything_is_written() {
    let mut bench = Bench::new(7);
    bench.open().unwrap();
    bench.disk.set_capacity(Some(bench.disk.used()));
    let mut committed = 0;
    let refused = loop {
        let before = bench.disk.counters().get(&Kind::Write).copied();
        match bench.commit() {
            Ok(()) => committed += 1,
            Err(error) => {
                assert_eq!(bench.disk.counters().get(&Kind::Write).copied(), before);
                break error;
            }
        }
    };
    assert!(matches!(refused, CommitError::NoSpace { .. }), "{refused}");
    assert!(committed > 20, "two segments were reserved, {committed} batches found room");
    assert!(!bench.store.as_ref().unwrap().failed());
    // Opening again on the full disk loses nothing, and space makes the same store go on.
    bench.open().unwrap();
    let _ = bench.commit();
    assert!(!bench.store.as_ref().unwrap().failed());
    bench.disk.set_capacity(None);
    bench.commit().unwrap();
    bench.open().unwrap();
}

#[test]
fn a_full_disk_gives_way_to_a_compaction() {
    let mut bench = Bench::new(8);
    bench.open().unwrap();
    bench.disk.set_capacity(Some(92 * 1024));
    while bench.commit().is_ok() {}
    assert!(!bench.store.as_ref().unwrap().room().spare);
    bench.compact();
    for _ in 0..20 {
        bench.commit().unwrap();
    }
    bench.open().unwrap();
}

#[test]
fn a_batch_is_one_write_and_one_sync() {
    let mut bench = Bench::new(9);
    bench.open().unwrap();
    let before = bench.disk.counters();
    let batch: Vec<Vec<Row>> = (0..64).map(|last| vec![Row::Lease(support::lease(last, 1))]).collect();
    bench.store.as_mut().unwrap().commit(0, &batch).unwrap();
    let after = bench.disk.counters();
    let more = |kind| after.get(&kind).unwrap_or(&0) - before.get(&kind).unwrap_or(&0);
    assert_eq!([Kind::Write, Kind::Sync, Kind::SyncDir, Kind::Create].map(more), [1, 1, 0, 0]);
}

#[test]
fn a_batch_longer_than_a_segment_gets_one_of_its_own() {
    let mut bench = Bench::new(10);
    bench.open().unwrap();
    let batch: Vec<Vec<Row>> = (0..400).map(|nth| vec![Row::Lease(support::lease((nth % 200) as u8, 240))]).collect();
    let store = bench.store.as_mut().unwrap();
    store.commit(5, &batch).unwrap();
    store.commit(6, &[vec![Row::Lease(support::lease(201, 3))]]).unwrap();
    drop(bench.store.take());
    bench.disk.crash();
    let (_, contents, _) = Store::open(bench.disk.clone(), &options()).unwrap();
    assert_eq!(contents.leases.len(), 201);
    assert_eq!(contents.newest_stamp, 6);
}

#[test]
fn commits_go_on_while_a_compaction_runs() {
    for seed in 0..20 {
        let mut bench = Bench::new(seed);
        bench.open().unwrap();
        for _ in 0..200 {
            bench.commit().unwrap();
        }
        for _ in 0..5 {
            let compaction = bench.store.as_mut().unwrap().begin_compaction().unwrap().unwrap();
            assert!(bench.store.as_mut().unwrap().begin_compaction().unwrap().is_none(), "one at a time");
            let thread = std::thread::spawn(move || compaction.run());
            for _ in 0..40 {
                bench.commit().unwrap();
            }
            assert!(thread.join().unwrap().is_ok());
        }
        bench.store = None;
        bench.disk.crash();
        bench.open().unwrap();
    }
}

#[test]
fn a_compaction_keeps_the_store_from_being_opened_until_it_ends() {
    let mut bench = Bench::new(3);
    bench.open().unwrap();
    for _ in 0..50 {
        bench.commit().unwrap();
    }
    let compaction = bench.store.as_mut().unwrap().begin_compaction().unwrap().unwrap();
    bench.store = None;
    assert!(bench.open().is_err());
    assert!(compaction.run().is_err(), "the journal was closed");
    bench.open().unwrap();
}

#[test]
fn closing_ends_a_running_compaction_and_the_store_opens_again_at_once() {
    for seed in 0..20 {
        let mut bench = Bench::new(seed);
        bench.open().unwrap();
        for _ in 0..300 {
            bench.commit().unwrap();
        }
        let compaction = bench.store.as_mut().unwrap().begin_compaction().unwrap().unwrap();
        let (started, running) = std::sync::mpsc::channel();
        let thread = std::thread::spawn(move || {
            started.send(()).unwrap();
            compaction.run()
        });
        running.recv().unwrap();
        // Begun but perhaps not yet running, it still holds the store.
        while let Err(fault) = bench.open() {
            assert!(matches!(fault, support::Fault::Open(OpenError::Locked { .. })), "{fault:?}");
        }
        let _ = thread.join().unwrap();
        bench.commit().unwrap();
    }
}

#[test]
fn a_compaction_that_failed_is_not_due_again_at_once() {
    let mut bench = Bench::new(4);
    bench.open().unwrap();
    while !bench.store.as_ref().unwrap().compaction_due(false) {
        bench.commit().unwrap();
    }
    let store = bench.store.as_mut().unwrap();
    let compaction = store.begin_compaction().unwrap().unwrap();
    bench.disk.fail_next(Kind::Create, Failure::NoSpace);
    assert!(matches!(compaction.run(), Err(CompactionError::NoSpace { .. })));
    let store = bench.store.as_ref().unwrap();
    assert!(!store.compaction_due(false));
    while !bench.store.as_ref().unwrap().compaction_due(false) {
        bench.commit().unwrap();
    }
    bench.store.as_mut().unwrap().begin_compaction().unwrap().unwrap().run().unwrap();
    bench.open().unwrap();
}

#[test]
fn zeros_are_written_to_the_spare_and_never_to_what_became_of_it() {
    let mut bench = Bench::new(11);
    bench.open().unwrap();
    let writes = |bench: &Bench| bench.disk.counters().get(&Kind::Write).copied().unwrap_or(0);
    let before = writes(&bench);
    let store = bench.store.as_mut().unwrap();
    let whole = store.begin_zeroing().unwrap();
    assert!(store.begin_zeroing().is_none(), "once for each spare");
    whole.run();
    assert!(writes(&bench) > before);
    assert!(bench.disk.contents("spare").unwrap().iter().all(|&byte| byte == 0));

    // The next spare becomes a segment when half of it is written.
    let take_spare = |bench: &mut Bench| {
        let segments =
            |bench: &Bench| (1..40).rev().find(|n| bench.disk.contents(&format!("segment-{n:010}")).is_some());
        let newest = segments(bench);
        while segments(bench) == newest {
            bench.commit().unwrap();
        }
    };
    take_spare(&mut bench);
    let mut half = bench.store.as_mut().unwrap().begin_zeroing().unwrap();
    assert!(half.step());
    take_spare(&mut bench);
    let before = writes(&bench);
    assert!(!half.step());
    assert_eq!(writes(&bench), before);

    // One that is left from a store that was closed writes nothing to what another opening makes of the spare.
    let mut left = bench.store.as_mut().unwrap().begin_zeroing().unwrap();
    bench.open().unwrap();
    take_spare(&mut bench);
    assert!(!left.step());
    bench.store = None;
    bench.disk.crash();
    bench.open().unwrap();
}
