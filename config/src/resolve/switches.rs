//! Switches by name: known by their remote identifier or by their address as a relay.

use std::collections::{BTreeMap, HashMap};
use std::net::Ipv4Addr;

use dhcp::relay_info::{RemoteId, Switch, SwitchKey, Switches, read_mac};

use super::scalars::{address, hex};
use crate::fault::{Findings, Span};
use crate::file::At;
use crate::file::kinds::FreeText;
use crate::file::v1;

/// A name is shown in a column and in every line of the log about a lease.
const NAME_BYTES_MAX: usize = 64;

pub(super) fn read(list: &[At<v1::Switch>], findings: &mut Findings) -> Switches {
    let mut switches = Switches::default();
    let mut seen: HashMap<SwitchKey, Span> = HashMap::new();
    for at in list {
        let written = &at.value;
        let keys = keys(at, findings);
        for (key, span) in &keys {
            if let Some(earlier) = seen.get(key) {
                findings
                    .fault(
                        *span,
                        "another switch is known by the same",
                        "again",
                        "write what this switch sends, or put both into one [[switch]]",
                    )
                    .see(*earlier, "here first");
            } else {
                seen.insert(key.clone(), *span);
            }
        }
        let name = written.name.as_ref().and_then(|text| shown(text, "the name of a switch", findings));
        let ports = ports(written, findings);
        if let Some(name) = name {
            switches.add(keys.into_iter().map(|(key, _)| key), Switch { name, ports });
        }
    }
    switches
}

/// What the switch is known by, and where that stands.
fn keys(at: &At<v1::Switch>, findings: &mut Findings) -> Vec<(SwitchKey, Span)> {
    let written = &at.value;
    if written.remote_id.is_none() && written.relay.is_none() {
        findings.absent(
            at.span,
            "the switch does not say what it is known by",
            "has neither `remote_id` nor `relay`",
            "add `remote_id = \"00:1b:2c:3d:4e:5f\"`, as `leasehold leases` shows it, or `relay` with its address",
        );
    }
    let remote = written.remote_id.as_ref().and_then(|text| Some((remote_id(text, findings)?, text.span)));
    let relay = written.relay.as_ref().and_then(|text| Some((SwitchKey::Relay(address(text, findings)?), text.span)));
    remote.into_iter().chain(relay).collect()
}

fn remote_id(at: &At<FreeText>, findings: &mut Findings) -> Option<SwitchKey> {
    let text = at.value.0.trim();
    if let Some(digits) = text.strip_prefix("hex:") {
        let bytes = hex(digits.trim()).filter(|bytes| !bytes.is_empty() && bytes.len() <= 255);
        if bytes.is_none() {
            findings.fault(
                at.span,
                format!("`{digits}` is not a run of bytes in hexadecimal"),
                "not hexadecimal",
                "write `hex:` and two digits for each byte, such as hex:00:06:00:1b:2c:3d:4e:5f",
            );
        }
        return bytes.map(|bytes| SwitchKey::of(&RemoteId::read(&bytes)));
    }
    if let Some(mac) = read_mac(text) {
        return Some(SwitchKey::Mac(mac));
    }
    match text.parse::<Ipv4Addr>() {
        Ok(address) => Some(SwitchKey::Address(address)),
        Err(_) => shown(at, "a remote identifier", findings).map(|text| SwitchKey::Text(text.into())),
    }
}

fn ports(written: &v1::Switch, findings: &mut Findings) -> BTreeMap<String, String> {
    let rows = written.ports.iter().flatten();
    let read = rows.filter_map(|(port, name)| {
        Some((shown(port, "a port", findings)?, shown(name, "the name of a port", findings)?))
    });
    read.collect()
}

/// A text that a log can take.
fn shown(at: &At<FreeText>, what: &str, findings: &mut Findings) -> Option<String> {
    let text = at.value.0.trim();
    let (fault, label) = if text.is_empty() {
        (format!("{what} is empty"), "empty")
    } else if text.len() > NAME_BYTES_MAX {
        (format!("{what} has {} bytes, of {NAME_BYTES_MAX} at most", text.len()), "too long")
    } else if text.chars().any(char::is_control) {
        (format!("{what} has control characters"), "not printable")
    } else {
        return Some(text.to_owned());
    };
    findings.fault(at.span, fault, label, "write a short text that a line of the log can hold");
    None
}
