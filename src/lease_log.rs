//! The log's lines about leases: one a lease that a person can read, as JSON on request.

use std::collections::BTreeSet;

use dhcp::decision::{LeaseEvent, LeaseEventKind};
use dhcp::lease::LeaseState;
use dhcp::message::DropReason;
use dhcp::reply::Reply;
use tracing::{debug, info, warn};

use crate::quiet::Quiet;

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
        LeaseEventKind::Renamed => {
            info!(target: "lease", { lease.address = %address, lease.hardware = %hardware }, "{address}, held by {hardware}, is now {name}")
        }
        LeaseEventKind::Declined if lease.state == LeaseState::Quarantined => warn!(
            target: "lease", { lease.address = %address, lease.hardware = %hardware },
            "{address} declined by {hardware}: somebody uses it already; it is kept from everyone for {}",
            span(lease.expires_at, lease.renewed_at)
        ),
        LeaseEventKind::Declined => warn!(
            target: "lease", { lease.address = %address, lease.hardware = %hardware },
            "{address} declined by {hardware}, which has declined too many already: only its own lease of it ends"
        ),
    }
}

/// Datagrams that get no answer. All are counted; told, as a rule, only at debug level, because whoever can send can
/// repeat. What the operator has to mend is told louder, and kept from becoming a flood.
#[derive(Debug, Default)]
pub struct Drops {
    used_up: Quiet,
    /// Told once for each interface.
    told: BTreeSet<(DropReason, String)>,
}

/// How much [`Drops`] remembers to have told: past this, such reasons are told at debug level as the others are.
const TOLD_MAX: usize = 256;

impl Drops {
    /// One datagram that gets no answer, and the interface that it came by.
    pub fn tell(&mut self, reason: DropReason, interface: &str) {
        if reason == DropReason::NoFreeAddress
            && let Some(kept_back) = self.used_up.may_tell()
        {
            warn!(target: "dhcp", %interface, "no answer: {reason}{kept_back}");
        } else if self.is_first(reason, interface) {
            warn!(target: "dhcp", %interface, "no answer: {reason} (told once, and counted from now on)");
        } else {
            debug!(target: "dhcp", %interface, "no answer: {reason}");
        }
    }

    /// Whether a mistake in the settings is met on an interface for the first time.
    fn is_first(&mut self, reason: DropReason, interface: &str) -> bool {
        let of_settings =
            matches!(reason, DropReason::NoSubnet | DropReason::NoServerAddress | DropReason::UnrelayedOption82);
        of_settings && self.told.len() < TOLD_MAX && self.told.insert((reason, interface.to_owned()))
    }
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use std::io::{self, Write};
    use std::sync::{Arc, Mutex};

    use dhcp::identity::HardwareAddress;
    use dhcp::lease::Lease;

    use super::*;

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl Write for Written {
        fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(octets)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// The log's lines about an event.
    fn logged(told: &LeaseEvent) -> String {
        lines(|| event(told))
    }

    fn lines(tell: impl FnOnce()) -> String {
        let written = Written::default();
        let to = written.clone();
        let subscriber = tracing_subscriber::fmt().with_writer(move || to.clone()).with_ansi(false).finish();
        tracing::subscriber::with_default(subscriber, tell);
        String::from_utf8(written.0.lock().unwrap().clone()).unwrap()
    }

    #[test]
    fn rfc2131_section_4_3_3_the_operator_hears_of_a_decline() {
        let lease = Lease {
            address: "192.168.30.100".parse().unwrap(),
            subnet: "192.168.30.0/24".parse().unwrap(),
            state: LeaseState::Quarantined,
            hardware: HardwareAddress::new(1, &[2, 0, 0, 0, 0, 1]).unwrap(),
            client_id: None,
            started_at: 1_790_000_000,
            renewed_at: 1_790_000_000,
            expires_at: 1_790_000_000 + 86_405,
            hostname: Box::default(),
            client_fqdn: Box::default(),
            name: None,
            relay: [0; 4].into(),
            relay_agent_info: Box::default(),
            server_identifier_override: None,
        };
        let released = Lease { state: LeaseState::Released, expires_at: 1_790_000_005, ..lease.clone() };
        let declined = |lease| logged(&LeaseEvent { kind: LeaseEventKind::Declined, lease, previous: None });
        let told = declined(lease);
        assert_eq!(told.lines().count(), 1);
        for part in ["WARN", "192.168.30.100 declined by 02:00:00:00:00:01", "kept from everyone for 1d"] {
            assert!(told.contains(part), "{told}");
        }
        // Past its share a client takes no further address out of the pool, and nobody is told otherwise.
        let told = declined(released);
        assert!(told.contains("WARN") && told.contains("declined too many"), "{told}");
        assert!(!told.contains("kept from everyone"), "{told}");
    }

    #[test]
    fn what_the_operator_has_to_mend_is_told_and_a_flood_of_it_is_not() {
        let mut drops = Drops::default();
        let told = lines(|| {
            for _ in 0..1_000 {
                drops.tell(DropReason::NoSubnet, "eth0");
                drops.tell(DropReason::NoSubnet, "eth1");
                drops.tell(DropReason::NoFreeAddress, "eth0");
                drops.tell(DropReason::Truncated, "eth0");
            }
        });
        assert_eq!(told.lines().count(), 3, "{told}");
        assert_eq!(told.matches("no subnet is configured").count(), 2);
        assert_eq!(told.matches("the pools are used up").count(), 1);
    }
}
