//! Random histories: messages, commits that fail, settings that change.

use proptest::prelude::*;

use crate::world;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]
    #[test]
    fn no_address_is_held_twice_and_memory_is_what_is_stored(steps in prop::collection::vec(world::step(), 1..150)) {
        world::run(&steps);
    }
}
