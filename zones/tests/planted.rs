//! The power of the random histories: each fault planted in the zones is found by them.
//! Run with `cargo test -p leasehold-zones --features planted-faults --test planted`.
#![cfg(feature = "planted-faults")]
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
#![allow(missing_docs, reason = "a test's name tells what it shows")]

use std::panic;

use faults::Fault;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

#[path = "histories/world.rs"]
mod world;

/// One test, for a planted fault is the whole process's.
#[test]
fn every_planted_fault_of_the_zones_is_found() {
    panic::set_hook(Box::new(|_| {}));
    let faults =
        [Fault::ZoneFailureKept, Fault::ZonePublishedUnstored, Fault::ZoneDecidedUponPublished, Fault::ZoneSerialStays];
    let missed: Vec<_> = faults.into_iter().filter(|fault| !is_found(*fault)).collect();
    assert!(!is_found(Fault::None), "the histories find a fault where none was planted");
    let _ = panic::take_hook();
    assert_eq!(missed, []);
}

fn is_found(fault: Fault) -> bool {
    faults::plant(fault);
    let config = Config { cases: 500, max_shrink_iters: 0, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let histories = prop::collection::vec(world::step(), 1..80);
    let result = runner.run(&histories, |steps| {
        world::run(&steps);
        Ok(())
    });
    faults::plant(Fault::None);
    result.is_err()
}
