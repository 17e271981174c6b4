//! The crash tests have the power to find what they look for: each fault of the journal, planted alone, is found
//! within a few days of the simulated disk.
#![allow(clippy::unwrap_used, reason = "a failing step is a failing test")]

mod support;

use faults::{Fault, plant};
use store::simulated::{Failure, Rates, SimStorage};
use support::day;

fn mishaps(seed: u64) -> impl FnOnce(&SimStorage) {
    move |disk| {
        disk.fail_randomly(Rates { write: 60, sync: 60, space: 20 });
        (0..20).for_each(|nth| disk.fail_at(17 + nth * 41 + seed % 41, Failure::Crash));
    }
}

/// One test, because a fault is planted for the whole process.
#[test]
fn each_planted_fault_of_the_journal_is_found() {
    for fault in [
        Fault::CommitHalfApplied,
        Fault::SyncSkipped,
        Fault::TornTailAccepted,
        Fault::CompactionDropsLiveRow,
        Fault::TombstoneLost,
        Fault::RenameWithoutDirSync,
    ] {
        plant(fault);
        let found = (0..10_000).find_map(|seed| Some((seed, day(seed, 150, mishaps(seed)).err()?)));
        plant(Fault::None);
        let (seed, found) = found.unwrap_or_else(|| panic!("{fault:?} was not found"));
        println!("{fault:?} is found with seed {seed}: {found:?}");
        assert!(day(seed, 150, mishaps(seed)).is_ok(), "seed {seed} fails without {fault:?} too");
    }
}
