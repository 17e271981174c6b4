//! The log's lines about leases: one a lease that a person can read, as JSON on request.

use dhcp::decision::{LeaseEvent, LeaseEventKind};
use dhcp::message::DropReason;
use dhcp::reply::Reply;
use tracing::{debug, info, warn};

/// One line for what happened to a lease.
pub fn event(event: &LeaseEvent) {
    let lease = &event.lease;
    let name = lease.name.as_ref().map_or_else(|| "without a name".to_owned(), |name| format!("as {}", name.fqdn));
    let (address, hardware) = (lease.address, lease.hardware);
    match event.kind {
        LeaseEventKind::Bound => {
            info!(target: "lease", { lease.address = %address, lease.hardware = %hardware }, "{address} leased to {hardware} {name} for {}", span(lease.expires_at, lease.renewed_at));
        }
        LeaseEventKind::Renewed => {
            info!(target: "lease", { lease.address = %address, lease.hardware = %hardware }, "{address} renewed by {hardware} {name} for {}", span(lease.expires_at, lease.renewed_at));
        }
        LeaseEventKind::Released => {
            info!(target: "lease", { lease.address = %address, lease.hardware = %hardware }, "{address} released by {hardware}")
        }
        LeaseEventKind::Expired => {
            info!(target: "lease", { lease.address = %address, lease.hardware = %hardware }, "{address} expired, was held by {hardware}")
        }
        LeaseEventKind::Declined => warn!(
            target: "lease", { lease.address = %address, lease.hardware = %hardware },
            "{address} declined by {hardware}: somebody uses it already; it is kept from everyone for {}",
            span(lease.expires_at, lease.renewed_at)
        ),
    }
}

/// A datagram that gets no answer. Counted always; told only at debug level, because whoever can send can repeat.
pub fn dropped(reason: DropReason, interface: &str) {
    debug!(target: "dhcp", %interface, "no answer: {reason}");
}

/// Options that did not fit into a reply.
pub fn left_out(reply: &Reply, codes: &[u8]) {
    debug!(target: "dhcp", hardware = %reply.hardware, ?codes, "options left out: the client takes {} bytes", reply.maximum_message_size);
}

/// A span of time as people say it.
#[must_use]
pub fn span(until: u64, from: u64) -> String {
    if until == u64::MAX {
        return "ever".to_owned();
    }
    let secs = until.saturating_sub(from);
    match (secs / 86_400, secs / 3_600 % 24, secs / 60 % 60, secs % 60) {
        (0, 0, 0, s) => format!("{s}s"),
        (0, 0, m, 0) => format!("{m}m"),
        (0, 0, m, s) => format!("{m}m{s}s"),
        (0, h, 0, _) => format!("{h}h"),
        (0, h, m, _) => format!("{h}h{m}m"),
        (d, 0, ..) => format!("{d}d"),
        (d, h, ..) => format!("{d}d{h}h"),
    }
}
