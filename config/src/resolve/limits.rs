//! What one sender may cost, and who may ask for leases.

use dhcp::limits::{Limits, Rate};
use dhcp::settings::LeaseQueries;

use super::scalars::prefix;
use crate::fault::Findings;
use crate::file::At;
use crate::file::kinds::RateText;
use crate::file::v1;

/// Five packets a second for ever, or three hundred at once. A client that boots sends some ten, a client that is lost
/// one every few seconds.
const PACKETS_PER_CLIENT: Rate = Rate { count: 300, per_secs: 60 };
/// A machine with containers on its own hardware address takes a few dozen when it starts.
const NEW_LEASES_PER_CLIENT: Rate = Rate { count: 300, per_secs: 3_600 };

/// The limits. Those that would need to know how large a network is are off unless they are written.
pub(super) fn limits(written: &v1::Limits, findings: &mut Findings) -> Limits {
    let mut read = |at: &Option<At<RateText>>, key: &str, default| match at {
        None => default,
        Some(at) => rate(at, key, findings).unwrap_or(default),
    };
    Limits {
        packets_per_client: read(&written.packets_per_client, "packets_per_client", Some(PACKETS_PER_CLIENT)),
        packets_per_relay: read(&written.packets_per_relay, "packets_per_relay", None),
        new_leases_per_client: read(
            &written.new_leases_per_client,
            "new_leases_per_client",
            Some(NEW_LEASES_PER_CLIENT),
        ),
        new_leases_per_relay: read(&written.new_leases_per_relay, "new_leases_per_relay", None),
        leases_per_port: written.leases_per_port.as_ref().and_then(|at| {
            if at.value == 0 {
                findings.fault(
                    at.span,
                    "`leases_per_port` cannot be zero: no client behind a switch would get an address",
                    "zero",
                    "write how many leases a port may have, or take the key out for as many as it likes",
                );
            }
            Some(at.value).filter(|most| *most > 0)
        }),
    }
}

/// The outer `None`: it cannot be read. The inner: unlimited.
fn rate(at: &At<RateText>, key: &str, findings: &mut Findings) -> Option<Option<Rate>> {
    let text = at.value.0.trim();
    if text == "unlimited" {
        return Some(None);
    }
    let parsed = text.split_once('/').and_then(|(count, unit)| {
        let per_secs = match unit.trim() {
            "s" => 1,
            "m" => 60,
            "h" => 3_600,
            _ => return None,
        };
        Some(Rate { count: count.trim().parse().ok()?, per_secs })
    });
    match parsed {
        Some(rate) if rate.count > 0 => Some(Some(rate)),
        Some(_) => {
            findings.fault(
                at.span,
                format!("`{key}` cannot be zero: nobody would be answered"),
                "zero",
                "write how many in how long, such as \"300/m\", or \"unlimited\"",
            );
            None
        }
        None => {
            findings.fault(
                at.span,
                format!("`{text}` is not a rate"),
                "not a rate",
                "write a number, a slash and s, m or h for second, minute or hour, such as \"300/m\", or \"unlimited\"",
            );
            None
        }
    }
}

/// Who may ask for leases.
pub(super) fn leasequery(written: &v1::Leasequery, findings: &mut Findings) -> LeaseQueries {
    let mut allow = Vec::new();
    for at in written.allow.iter().flat_map(|list| &list.value) {
        let Some(net) = prefix(at, findings) else { continue };
        if net.prefix_len() == 0 {
            findings.warn(
                at.span,
                "everybody may ask who has which address, and with which hardware",
                "everybody",
                "name the prefixes of the equipment that asks",
            );
        }
        allow.push(net);
    }
    let bulk = written.bulk.as_ref().is_some_and(|bulk| bulk.value);
    if let Some(at) = written.bulk.as_ref().filter(|at| at.value && written.allow.is_none()) {
        findings.fault(
            at.span,
            "`bulk` is on, and nobody may ask",
            "nobody may ask",
            "add `allow` with the prefixes of the equipment that asks, such as [\"10.0.0.0/8\"]",
        );
    }
    LeaseQueries { bulk: bulk && !allow.is_empty(), allow }
}
