//! Dependencies go downwards only (ARCHITECTURE.md): the manifests say so.

use std::collections::BTreeSet;
use std::path::Path;

/// What each crate may know of ours.
const MAY_KNOW: [(&str, &[&str]); 11] = [
    ("arena", &[]),
    ("faults", &[]),
    ("dns", &["faults"]),
    ("dhcp", &["arena", "dns", "faults"]),
    ("ddns", &["arena", "dns", "faults"]),
    ("zones", &["dns", "faults"]),
    ("resolve", &["dns", "faults"]),
    ("tftp", &[]),
    ("web", &[]),
    ("store", &["dhcp", "ddns", "zones", "dns", "faults"]),
    ("config", &["dhcp", "ddns", "zones", "resolve", "dns", "faults"]),
];

/// Crates of others that bring sockets, disks, clocks or randomness: no protocol core may know them.
const SHELL_ONLY: [&str; 9] =
    ["tokio", "nix", "socket2", "rtnetlink", "hickory-server", "hickory-client", "rand", "tempfile", "etherparse"];

fn dependencies(member: &str) -> BTreeSet<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(member).join("Cargo.toml");
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut inside = false;
    let mut found = BTreeSet::new();
    for line in text.lines() {
        if line.starts_with('[') {
            inside = line == "[dependencies]";
        } else if inside && let Some(name) = line.split(['.', ' ', '=']).next().filter(|name| !name.is_empty()) {
            found.insert(name.to_owned());
        }
    }
    assert!(matches!(member, "arena" | "faults") || !found.is_empty(), "{member} has dependencies, and none was read");
    found
}

#[test]
fn dependencies_go_downwards_only() {
    let ours: BTreeSet<&str> = MAY_KNOW.iter().map(|(name, _)| *name).collect();
    for (member, may_know) in MAY_KNOW {
        let known = dependencies(member);
        let upward = known.iter().find(|name| ours.contains(name.as_str()) && !may_know.contains(&name.as_str()));
        assert_eq!(upward, None, "{member} knows what is not beneath it");
    }
}

#[test]
fn protocol_cores_know_no_sockets_disks_or_clocks() {
    for member in ["arena", "dns", "dhcp", "ddns", "zones", "resolve", "tftp", "config", "faults"] {
        let known = dependencies(member);
        for foreign in SHELL_ONLY {
            assert!(!known.contains(foreign), "{member} knows {foreign}, which belongs to the shell");
        }
    }
}
