//! What `leasehold dns audit`, `repair` and their like say of a running daemon.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use dns::{Dhcid, HostIdentity, Rdata};
use serde_json::Value;

use crate::leasehold::{CONTROL, Leasehold};
use crate::process::{finish, wait_for};

const PATIENCE: Duration = Duration::from_secs(20);

/// `leasehold dns` with these words: its exit code and its JSON.
pub(crate) fn dns(daemon: &Leasehold<'_>, words: &[&str]) -> (i32, Value) {
    let all: Vec<&str> = [&["dns"], words, &["--json", "--socket", CONTROL]].concat();
    let output = finish(&mut daemon.command(&all));
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    let json = serde_json::from_str(&printed)
        .unwrap_or_else(|_| panic!("{words:?}: {printed}{}", String::from_utf8_lossy(&output.stderr)));
    (output.status.code().unwrap(), json)
}

/// `kind key` of each finding, sorted.
pub(crate) fn findings(audit: &Value) -> Vec<String> {
    let zones = audit["zones"].as_array().unwrap();
    let all = zones.iter().flat_map(|zone| zone["findings"].as_array().unwrap());
    let mut found: Vec<String> =
        all.map(|one| format!("{} {}", one["kind"].as_str().unwrap(), one["key"].as_str().unwrap())).collect();
    found.sort();
    found
}

/// The actions of a repair and the like, sorted.
pub(crate) fn actions(view: &Value) -> Vec<String> {
    let zones = view["zones"].as_array().unwrap();
    let all = zones.iter().flat_map(|zone| zone["actions"].as_array().unwrap());
    let mut actions: Vec<String> = all.map(|one| one.as_str().unwrap().to_owned()).collect();
    actions.sort();
    actions
}

/// What is told of one zone.
pub(crate) fn of_zone<'a>(view: &'a Value, zone: &str) -> &'a Value {
    view["zones"].as_array().unwrap().iter().find(|one| one["zone"] == zone).unwrap()
}

/// Waits until an audit finds these and nothing else.
pub(crate) fn wait_audit(daemon: &Leasehold<'_>, expected: &[&str]) {
    wait_for(&format!("the audit finds {expected:?}"), PATIENCE, || {
        let (_, audit) = dns(daemon, &["audit"]);
        (findings(&audit) == expected).then_some(())
    });
}

/// `zone held names` of what `leasehold status` tells to be held back.
pub(crate) fn held_back(daemon: &Leasehold<'_>) -> Vec<String> {
    let output = finish(&mut daemon.command(&["status", "--json", "--socket", CONTROL]));
    let status: Value = serde_json::from_slice(&output.stdout).unwrap();
    let held = status["held_back"].as_array().unwrap().iter();
    held.map(|zone| format!("{} {} {}", zone["zone"].as_str().unwrap(), zone["held"], zone["names"])).collect()
}

/// The data of a DHCID record of a client without a client identifier, as `nsupdate` takes it.
pub(crate) fn dhcid_of_hardware(hardware: &[u8; 6], name: &str) -> String {
    dhcid_of(&HostIdentity::from_hardware(1, hardware), name)
}

/// The data of a host's DHCID record, as `nsupdate` takes it.
pub(crate) fn dhcid_of(identity: &HostIdentity, name: &str) -> String {
    STANDARD.encode(&Rdata::dhcid(&Dhcid::new(identity, &name.parse().unwrap())).0)
}
