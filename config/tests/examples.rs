//! The files in `examples/` can be served with as they stand.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;

/// The secret files that examples name do not exist where tests run.
fn secret(_: &Path) -> Result<String, String> {
    Ok("MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=".to_owned())
}

#[test]
fn every_example_is_without_fault_or_warning() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples");
    let mut checked = 0;
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "toml") {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        match config::check(&text, &path.to_string_lossy(), &secret) {
            Ok(done) => {
                assert!(done.warnings.is_empty(), "{}", config::render(&done.warnings, &text, false));
                let serves = !done.config.dhcp.subnets.is_empty() || !done.config.dns.zones.is_empty();
                assert!(serves, "{} serves nothing", path.display());
            }
            Err(faults) => panic!("{}", config::render(&faults, &text, false)),
        }
        checked += 1;
    }
    assert!(checked >= 4, "no examples were found");
}
