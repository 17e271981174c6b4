//! A block list in any bytes.

#![no_main]

use std::hash::RandomState;

use libfuzzer_sys::fuzz_target;
use resolve::blocking::lines::{Line, parse, read};

fuzz_target!(|input: &[u8]| {
    let (listed, counts) = read(input, &RandomState::new());
    assert!(!listed.blocked.contains(&[0]), "the root is never listed: it would block everything");
    let mut blocked = 0;
    for line in input.split(|octet| *octet == b'\n') {
        match parse(line) {
            Line::Block(names, _) => {
                for name in names {
                    blocked += 1;
                    assert!(!name.is_root());
                    assert!(listed.blocked.contains(name.as_wire()), "what a line lists is listed");
                }
            }
            Line::Allow(name, _) => assert!(listed.allowed.contains(name.as_wire())),
            Line::Nothing | Line::Unknown => {}
        }
    }
    assert!(counts.blocked <= blocked, "each name is counted once");
});
