//! A small share of the measurements that need a daemon, so that they work when they are wanted. What they measure here
//! says nothing: the daemon is not optimised, and other tests run beside it. They need root, as network namespaces do.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::process::Command;

/// It is its own daemon: a crate's tests cannot name another one's program.
const BENCH: &str = env!("CARGO_BIN_EXE_leasehold-bench");

/// What a measurement prints.
fn measure(args: &[&str]) -> String {
    let output = Command::new(BENCH).args(args).args(["--leasehold", BENCH]).output().unwrap();
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{args:?}: {printed}\n{}", String::from_utf8_lossy(&output.stderr));
    printed
}

/// The cells of the row that begins so.
fn row(printed: &str, title: &str) -> Vec<String> {
    let line = printed.lines().find(|line| line.starts_with(&format!("| {title}")));
    let line = line.unwrap_or_else(|| panic!("no row {title:?} in\n{printed}"));
    line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect()
}

#[test]
fn held_leases_and_a_pool_that_is_nearly_full_are_measured_beside_an_empty_store() {
    let printed = measure(&[
        "held",
        "--leases",
        "3000",
        "--pool",
        "8192",
        "--portion",
        "64",
        "--seconds",
        "1",
        "--rounds",
        "1",
        "--in-flight",
        "16",
    ]);
    for title in ["empty store", "3000 leases held", "8110 leases in a pool of 8192"] {
        let cells = row(&printed, title);
        assert!(cells[1].parse::<u64>().unwrap() > 0, "{printed}");
        assert_ne!(cells[2], "0.00", "{printed}");
    }
}

#[test]
fn exchanges_during_a_compaction_are_measured_beside_others() {
    let printed = measure(&["compaction", "--leases", "20000", "--seconds", "4", "--rounds", "1", "--in-flight", "8"]);
    for title in ["without a compaction", "during one"] {
        let cells = row(&printed, title);
        assert!(cells[1].parse::<u64>().unwrap() > 0 && cells[3].parse::<u64>().unwrap() > 0, "{printed}");
    }
}

#[test]
fn in_a_storm_every_client_gets_its_address_and_its_name_and_none_gives_up() {
    let printed = measure(&["storm", "--clients", "2000", "--within-ms", "200", "--only", "own zone"]);
    let cells = row(&printed, "Leasehold, own zone");
    assert_eq!((&*cells[1], &*cells[4], &*cells[7]), ("2000", "2000", "0"), "{printed}");
}
