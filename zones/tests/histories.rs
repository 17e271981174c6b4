//! Random histories of updates, commits, failures and crashes.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
#![allow(missing_docs, reason = "a test's name tells what it shows")]

use proptest::prelude::*;

#[path = "histories/world.rs"]
mod world;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn what_is_published_is_stored_and_what_was_told_holds(steps in prop::collection::vec(world::step(), 1..80)) {
        world::run(&steps);
    }
}
