//! The log's lines about leases: one a lease that a person can read, as JSON on request.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::sync::Arc;

use ddns::suffixes::ASSIGNMENTS_MAX;
use dhcp::decision::{LeaseEvent, LeaseEventKind};
use dhcp::lease::LeaseState;
use dhcp::limits::BUCKETS_MAX;
use dhcp::message::{DropReason, Message};
use dhcp::options::code;
use dhcp::relay_info::{Switches, Whereabouts};
use dhcp::reply::Reply;
use tracing::{Level, debug, field, info, warn};

use crate::core::pipeline::Dropped;
use crate::quiet::Quiet;

/// What the lines need beside what they are about.
#[derive(Debug, Default)]
pub struct LeaseLog {
    /// Names for relay agents.
    switches: Arc<Switches>,
    used_up: Quiet,
    limited: Quiet,
    unlimited: Quiet,
    /// How many packets were known to have found the limits' table full.
    unlimited_told: u64,
    unnumbered: Quiet,
    /// For how many leases no number was known to be left.
    unnumbered_told: u64,
    /// Told once for each interface and relay.
    told: BTreeSet<(DropReason, String, Ipv4Addr)>,
}

/// Whether somebody sends or takes more than [dhcp.limits] allows.
fn is_limit(reason: DropReason) -> bool {
    use DropReason::{ClientLeaseLimit, ClientPacketLimit, PortLeaseLimit, RelayLeaseLimit, RelayPacketLimit};
    matches!(reason, ClientPacketLimit | RelayPacketLimit | ClientLeaseLimit | RelayLeaseLimit | PortLeaseLimit)
}

/// How much [`LeaseLog`] remembers to have told: past this, such reasons are told at debug level as the others are.
const TOLD_MAX: usize = 256;

impl LeaseLog {
    /// A log that knows switches by these names.
    #[must_use]
    pub fn new(switches: Arc<Switches>) -> Self {
        Self { switches, ..Self::default() }
    }

    /// One line for what happened to a lease.
    pub fn event(&self, event: &LeaseEvent) {
        // The words below cost more than many a decision: nothing is put together that nobody reads.
        let is_warned = matches!(event.kind, LeaseEventKind::Declined | LeaseEventKind::Conflict);
        if !is_warned && !tracing::enabled!(target: "lease", Level::INFO) {
            return;
        }
        let lease = &event.lease;
        let name = lease.name.as_ref().map_or_else(|| "without a name".to_owned(), |name| format!("as {}", name.fqdn));
        let (address, hardware) = (lease.address, lease.hardware);
        let place = Whereabouts::read(&self.switches, lease.relay, &lease.relay_agent_info, &hardware);
        let behind = place.map_or_else(String::new, |place| format!(", behind {place}"));
        let place = place.map(field::display);
        match event.kind {
            LeaseEventKind::Bound => {
                info!(target: "lease", { lease.address = %address, lease.hardware = %hardware, lease.place = place }, "{address} leased to {hardware} {name} for {}{behind}", span(lease.expires_at, lease.renewed_at));
            }
            LeaseEventKind::Renewed => {
                info!(target: "lease", { lease.address = %address, lease.hardware = %hardware, lease.place = place }, "{address} renewed by {hardware} {name} for {}{behind}", span(lease.expires_at, lease.renewed_at));
            }
            LeaseEventKind::Released => {
                info!(target: "lease", { lease.address = %address, lease.hardware = %hardware, lease.place = place }, "{address} released by {hardware}{behind}")
            }
            LeaseEventKind::Expired => {
                info!(target: "lease", { lease.address = %address, lease.hardware = %hardware, lease.place = place }, "{address} expired, was held by {hardware}{behind}")
            }
            LeaseEventKind::Renamed => {
                info!(target: "lease", { lease.address = %address, lease.hardware = %hardware, lease.place = place }, "{address}, held by {hardware}, is now {name}")
            }
            LeaseEventKind::NameEnded => {
                info!(target: "lease", { lease.address = %address, lease.hardware = %hardware, lease.place = place }, "{address}, whose lease has expired, has no name any more")
            }
            LeaseEventKind::Declined if lease.state == LeaseState::Quarantined => warn!(
                target: "lease", { lease.address = %address, lease.hardware = %hardware, lease.place = place },
                "{address} declined by {hardware}{behind}: somebody uses it already; it is kept from everyone for {}",
                span(lease.expires_at, lease.renewed_at)
            ),
            LeaseEventKind::Conflict => {
                let known = Some(hardware).filter(|hardware| !hardware.as_bytes().is_empty());
                let by = known.map_or_else(|| "somebody".to_owned(), |by| format!("the machine {by}"));
                warn!(
                    target: "lease", { lease.address = %address, lease.hardware = %hardware },
                    "{address} is used by {by}, without a lease: it is not offered, and kept from everyone for {}",
                    span(lease.expires_at, lease.renewed_at)
                )
            }
            LeaseEventKind::Declined => warn!(
                target: "lease", { lease.address = %address, lease.hardware = %hardware, lease.place = place },
                "{address} declined by {hardware}{behind}, which has declined too many already: only its own lease of it ends"
            ),
        }
    }

    /// One datagram that gets no answer. All are counted; told, as a rule, only at debug level, because whoever can send
    /// can repeat. What the operator has to mend is told louder, and kept from becoming a flood.
    pub fn dropped(&mut self, Dropped { reason, link, payload }: &Dropped) {
        let (reason, interface) = (*reason, &link.name);
        // Only what is told is read again.
        let sender = || sender(payload, &self.switches);
        let giaddr = giaddr(payload);
        if reason == DropReason::NoFreeAddress
            && let Some(kept_back) = self.used_up.may_tell()
        {
            warn!(target: "dhcp", %interface, "no answer: {reason}{}{kept_back}", sender());
        } else if is_limit(reason)
            && let Some(kept_back) = self.limited.may_tell()
        {
            warn!(target: "dhcp", %interface, "no answer: {reason}{}{kept_back}", sender());
        } else if is_first(&mut self.told, reason, interface, giaddr) {
            warn!(target: "dhcp", %interface, "no answer: {reason}{} (told once, and counted from now on)", sender());
        } else if tracing::enabled!(target: "dhcp", Level::DEBUG) {
            debug!(target: "dhcp", %interface, "no answer: {reason}{}", sender());
        }
    }

    /// How many packets since the start found no place in the table of the limits on packets.
    pub fn tell_unlimited(&mut self, packets: u64) {
        if packets > self.unlimited_told && self.unlimited.may_tell().is_some() {
            let more = packets - self.unlimited_told;
            self.unlimited_told = packets;
            warn!(
                target: "dhcp",
                "{more} packets were let through without a limit: so many hardware addresses send that the table of \
                 {BUCKETS_MAX} senders is full; `packets_per_relay` limits those that somebody makes up"
            );
        }
    }
}

impl LeaseLog {
    /// For how many leases since the start no number was left, where names are numbered.
    pub fn tell_unnumbered(&mut self, leases: u64) {
        if leases > self.unnumbered_told && self.unnumbered.may_tell().is_some() {
            let more = leases - self.unnumbered_told;
            self.unnumbered_told = leases;
            warn!(
                target: "dhcp",
                "{more} leases got no number behind their names, as all {ASSIGNMENTS_MAX} are given away or kept for hosts that \
                 are away: who is the first with a name has it, and others have none; a shorter `suffix_keep` frees numbers"
            );
        }
    }
}

/// Whether a mistake in the settings is met on an interface, or behind a relay, for the first time.
fn is_first(
    told: &mut BTreeSet<(DropReason, String, Ipv4Addr)>,
    reason: DropReason,
    interface: &str,
    giaddr: Ipv4Addr,
) -> bool {
    let of_settings =
        matches!(reason, DropReason::NoSubnet | DropReason::NoServerAddress | DropReason::UnrelayedOption82);
    of_settings && told.len() < TOLD_MAX && told.insert((reason, interface.to_owned(), giaddr))
}

/// The relay that a datagram names, readable or not; unspecified for none.
fn giaddr(payload: &[u8]) -> Ipv4Addr {
    // RFC 2131 section 2: the 25th to 28th byte.
    payload.get(24..28).and_then(dhcp::options::read_address).unwrap_or(Ipv4Addr::UNSPECIFIED)
}

/// Who a datagram is from, in words to end a sentence with; empty when it cannot be read.
fn sender(payload: &[u8], switches: &Switches) -> String {
    let Ok(message) = Message::parse(payload) else { return String::new() };
    let marks = message.options.get(code::RELAY_AGENT_INFORMATION).unwrap_or_default();
    let place = Whereabouts::read(switches, message.giaddr, marks, &message.hardware);
    let behind = place.map_or_else(String::new, |place| format!(", behind {place}"));
    format!("; sent by {}{behind}", message.hardware)
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
    use std::sync::Mutex;

    use dhcp::client::ClientMessage;
    use dhcp::identity::HardwareAddress;
    use dhcp::lease::Lease;
    use dhcp::message::MessageType;
    use dhcp::relay_info::{Switch, SwitchKey};

    use super::*;
    use crate::core::pipeline::Link;

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
        lines(|| LeaseLog::default().event(told))
    }

    fn lines(tell: impl FnOnce()) -> String {
        let written = Written::default();
        let to = written.clone();
        let subscriber = tracing_subscriber::fmt().with_writer(move || to.clone()).with_ansi(false).finish();
        tracing::subscriber::with_default(subscriber, tell);
        String::from_utf8(written.0.lock().unwrap().clone()).unwrap()
    }

    fn lease() -> Lease {
        Lease {
            address: "192.168.30.100".parse().unwrap(),
            subnet: "192.168.30.0/24".parse().unwrap(),
            state: LeaseState::Quarantined,
            hardware: HardwareAddress::new(1, &[2, 0, 0, 0, 0, 1]).unwrap(),
            client_id: None,
            started_at: 1_790_000_000,
            renewed_at: 1_790_000_000,
            expires_at: 1_790_000_000 + 86_405,
            hostname: dns::Bytes::default(),
            client_fqdn: dns::Bytes::default(),
            name: None,
            relay: [0; 4].into(),
            relay_agent_info: dns::Bytes::default(),
            server_identifier_override: None,
        }
    }

    fn dropped(reason: DropReason, interface: &str, payload: &[u8]) -> Dropped {
        let link = Arc::new(Link { name: interface.into(), index: 1, addresses: Vec::new() });
        Dropped { reason, link, payload: payload.into() }
    }

    #[test]
    fn rfc2131_section_4_3_3_the_operator_hears_of_a_decline() {
        let lease = lease();
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
        let mut log = LeaseLog::default();
        let drop = |reason, interface: &str| dropped(reason, interface, &[]);
        let told = lines(|| {
            for _ in 0..1_000 {
                log.dropped(&drop(DropReason::NoSubnet, "eth0"));
                log.dropped(&drop(DropReason::NoSubnet, "eth1"));
                log.dropped(&drop(DropReason::NoFreeAddress, "eth0"));
                log.dropped(&drop(DropReason::Truncated, "eth0"));
                log.dropped(&drop(DropReason::ClientPacketLimit, "eth0"));
                log.tell_unlimited(7);
            }
        });
        assert_eq!(told.lines().count(), 5, "{told}");
        assert_eq!(told.matches("more packets than `packets_per_client` allows").count(), 1);
        assert_eq!(told.matches("7 packets were let through without a limit").count(), 1);
        assert_eq!(told.matches("no subnet is configured").count(), 2);
        assert_eq!(told.matches("the pools are used up").count(), 1);
    }

    /// The marks of module 1, port 4 in VLAN 20 of the switch 00:1b:2c:3d:4e:5f.
    const MARKS: [u8; 18] = [1, 6, 0, 4, 0, 20, 1, 4, 2, 8, 0, 6, 0x00, 0x1B, 0x2C, 0x3D, 0x4E, 0x5F];

    fn named() -> LeaseLog {
        let mut switches = Switches::default();
        let ports = [("1/4".to_owned(), "room 204".to_owned())].into();
        let key = SwitchKey::Mac([0x00, 0x1B, 0x2C, 0x3D, 0x4E, 0x5F]);
        switches.add([key], Switch { name: "floor2-sw1".into(), ports });
        LeaseLog::new(Arc::new(switches))
    }

    #[test]
    fn a_leases_line_says_behind_which_switch_and_port_the_client_is() {
        let lease =
            Lease { state: LeaseState::Bound, relay: [10, 7, 0, 1].into(), relay_agent_info: MARKS.into(), ..lease() };
        let event = |kind| LeaseEvent { kind, lease: lease.clone(), previous: None };
        for (kind, words) in [
            (LeaseEventKind::Bound, "leased to 02:00:00:00:00:01 without a name for 1d, behind "),
            (LeaseEventKind::Renewed, "renewed by 02:00:00:00:00:01 without a name for 1d, behind "),
            (LeaseEventKind::Released, "released by 02:00:00:00:00:01, behind "),
            (LeaseEventKind::Expired, "was held by 02:00:00:00:00:01, behind "),
            (LeaseEventKind::Declined, "declined by 02:00:00:00:00:01, behind "),
        ] {
            let line = lines(|| named().event(&event(kind)));
            let whole = format!("{words}floor2-sw1, VLAN 20, module 1, port 4 (room 204)");
            assert!(line.contains(&whole), "{line}");
            let line = lines(|| LeaseLog::default().event(&event(kind)));
            assert!(line.contains(&format!("{words}switch 00:1b:2c:3d:4e:5f, VLAN 20, module 1, port 4")), "{line}");
        }
    }

    #[test]
    fn a_drop_is_told_once_for_each_relay_with_who_sent_it() {
        let mut log = named();
        let discover = |giaddr: [u8; 4]| {
            let hardware = HardwareAddress::new(1, &[2, 0, 0, 0, 0, 1]).unwrap();
            ClientMessage { giaddr: giaddr.into(), ..ClientMessage::new(MessageType::Discover, 1, hardware) }
        };
        let encoded = |message: &ClientMessage| {
            let mut bytes = Vec::new();
            message.encode(&mut bytes);
            bytes
        };
        let told = lines(|| {
            for giaddr in [[10, 7, 0, 1], [10, 8, 0, 1], [10, 7, 0, 1]] {
                let marked = discover(giaddr).with(code::RELAY_AGENT_INFORMATION, MARKS);
                log.dropped(&dropped(DropReason::NoSubnet, "eth0", &encoded(&marked)));
            }
            log.dropped(&dropped(DropReason::NoSubnet, "eth0", &encoded(&discover([10, 9, 0, 1]))));
        });
        let lines: Vec<&str> = told.lines().collect();
        assert_eq!(lines.len(), 3, "{told}");
        assert!(
            lines[0].contains("; sent by 02:00:00:00:00:01, behind floor2-sw1, VLAN 20, module 1, port 4"),
            "{told}"
        );
        assert!(lines[2].contains("; sent by 02:00:00:00:00:01, behind relay 10.9.0.1"), "{told}");
    }
}
