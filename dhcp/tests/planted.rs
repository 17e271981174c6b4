//! The power of the random histories: each fault planted in the engine is found by them.
//! Run with `cargo test -p leasehold-dhcp --features planted-faults --test planted`.
#![cfg(feature = "planted-faults")]
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
#![allow(dead_code, reason = "the network is shared with the engine's other tests")]
#![allow(missing_docs, reason = "a test's name tells what it shows")]

use std::panic;

use faults::Fault;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

#[path = "engine/network.rs"]
mod network;
#[path = "engine/world.rs"]
mod world;

/// One test, for a planted fault is the whole process's.
#[test]
fn every_planted_fault_of_the_engine_is_found() {
    panic::set_hook(Box::new(|_| {}));
    let faults = [
        Fault::OfferReused,
        Fault::QuarantineForgotten,
        Fault::DeclineByAnyone,
        Fault::ReleaseByAnyone,
        Fault::UndoForgotten,
        Fault::ExpiryEarly,
        Fault::AckLongerThanStored,
        Fault::ReservedGivenAway,
        Fault::RenewalNotStored,
        Fault::OtherServersRequestTaken,
        Fault::FormerBindingKept,
        Fault::ProbeAnswerIgnored,
    ];
    let missed: Vec<_> = faults.into_iter().filter(|fault| !is_found(*fault)).collect();
    assert!(!is_found(Fault::None), "the histories find a fault where none was planted");
    let _ = panic::take_hook();
    assert_eq!(missed, []);
}

fn is_found(fault: Fault) -> bool {
    faults::plant(fault);
    let config = Config { cases: 20_000, max_shrink_iters: 0, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let histories = prop::collection::vec(world::step(), 1..150);
    let result = runner.run(&histories, |steps| {
        world::run(&steps);
        Ok(())
    });
    faults::plant(Fault::None);
    result.is_err()
}
