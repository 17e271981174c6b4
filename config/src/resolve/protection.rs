//! What keeps others from using the DNS server against somebody, and from using it up.

use std::collections::BTreeSet;

use ipnet::Ipv4Net;

use super::scalars::{finite_seconds, prefix};
use crate::fault::Findings;
use crate::file::At;
use crate::file::v1;
use crate::settings::DnsProtection;

/// The settings; `subnets` are our own, which are never limited.
pub(super) fn read(written: &v1::Dns, subnets: &[Ipv4Net], findings: &mut Findings) -> DnsProtection {
    let (limits, default) = (&written.limits, DnsProtection::default());
    let mut exempt: BTreeSet<Ipv4Net> = subnets.iter().copied().collect();
    let exempt_written: Vec<Ipv4Net> = limits.exempt.iter().flatten().filter_map(|at| prefix(at, findings)).collect();
    exempt.extend(&exempt_written);
    let connections = some(&limits.connections, "connections", default.connections, findings);
    let each = limits.connections_per_client.as_ref();
    if let Some(each) = each.filter(|each| each.value > connections) {
        findings.fault(
            each.span,
            format!("one client cannot have {} of {connections} connections", each.value),
            "more than there are",
            "write fewer, or more `connections`",
        );
    }
    let most = default.connections_per_client.min(connections);
    DnsProtection {
        cookies: written.cookies.unwrap_or_default(),
        answers_per_second: limits.answers_per_second.as_ref().map_or(default.answers_per_second, |at| at.value),
        slip: limits.slip.as_ref().map_or(default.slip, |at| at.value),
        questions_per_client: limits.questions_per_client.as_ref().map_or(default.questions_per_client, |at| at.value),
        exempt: exempt.into_iter().collect(),
        exempt_written,
        connections,
        connections_per_client: some(&limits.connections_per_client, "connections_per_client", most, findings),
        idle_secs: limits
            .idle
            .as_ref()
            .and_then(|at| finite_seconds(at, "idle", findings))
            .unwrap_or(default.idle_secs),
    }
}

/// A number that is not zero.
fn some(at: &Option<At<u16>>, key: &str, default: u16, findings: &mut Findings) -> u16 {
    let Some(at) = at else { return default };
    if at.value == 0 {
        findings.fault(
            at.span,
            format!("`{key}` cannot be zero: large answers and zone transfers come over TCP"),
            "zero",
            "write how many there may be",
        );
        return default;
    }
    at.value
}
