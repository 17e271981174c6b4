//! A master file in any text.

#![no_main]

use dns::Fqdn;
use dns::wire::rdata_to_hickory;
use libfuzzer_sys::fuzz_target;
use zones::Zone;
use zones::master::{self, FAULTS_MAX, MasterFile, generate};

/// So many numbers of one `$GENERATE` are looked at here: its records are many by intent.
const NUMBERS: usize = 50;

fuzz_target!(|text: &str| {
    if let Some((range, template)) = text.split_once(' ') {
        let range = generate::Range::read(range);
        for number in range.into_iter().flat_map(generate::Range::numbers).take(NUMBERS) {
            let _ = generate::substitute(template, number);
        }
    }
    if text.to_ascii_uppercase().contains("$GENERATE") {
        return;
    }
    let apex: Fqdn = "example.".parse().expect("a name");
    let include = |path: &str| {
        assert!(!path.starts_with('/') && path.split('/').all(|part| part != ".."), "{path} leaves the directory");
        Ok("www A 192.0.2.1\n".to_owned())
    };
    match master::read(&MasterFile { text, file: "zone", apex: &apex, ttl_secs: 3600 }, &include) {
        Ok(sets) => {
            for set in &sets {
                assert!(set.name.is_within(&apex), "{} is not in the zone", set.name);
                for rdata in &set.rdata {
                    assert!(rdata_to_hickory(set.rtype, rdata).is_ok(), "{} {:?} {rdata:?} was read, and cannot be served", set.name, set.rtype);
                }
            }
            let _ = Zone::from_sets(apex, sets);
        }
        Err(faults) => {
            assert!((1..=FAULTS_MAX).contains(&faults.len()));
            let lines = text.lines().count().max(1) + 1;
            assert!(faults.iter().all(|fault| fault.column > 0 && fault.file != "zone" || fault.line <= lines));
        }
    }
});
