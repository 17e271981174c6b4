//! Metrics as Prometheus reads them: made from the same status that the page shows.

use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;

use crate::model::{Status, Subnets};

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfSubnet {
    subnet: String,
    state: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Reason {
    reason: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct State {
    state: &'static str,
}

/// The text of `/metrics`.
pub(crate) fn text(status: &Status, subnets: &Subnets) -> String {
    let mut registry = Registry::with_prefix("leasehold");
    registry.register("build", "The version that runs", Info::new([("version", status.version.clone())]));
    let gauge = |value: u64| {
        let gauge = Gauge::<i64>::default();
        gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
        gauge
    };
    registry.register("start_time_seconds", "When the daemon started, in UTC seconds", gauge(status.started_at));
    addresses(&mut registry, subnets);
    let names = Family::<State, Gauge>::default();
    let totals = status.names;
    for (state, count) in [("done", totals.done), ("pending", totals.pending), ("refused", totals.refused)] {
        names.get_or_create(&State { state }).set(i64::try_from(count).unwrap_or(i64::MAX));
    }
    registry.register("dns_work", "Names and addresses by how they stand in DNS", names);
    let traffic = &status.traffic;
    registry.register("dhcp_messages_received", "DHCP messages received", counter(traffic.received));
    registry.register("dhcp_messages_sent", "DHCP replies sent", counter(traffic.sent));
    let dropped = Family::<Reason, Counter>::default();
    for (reason, count) in &traffic.dropped {
        dropped.get_or_create(&Reason { reason: reason.clone() }).inc_by(*count);
    }
    registry.register("dhcp_messages_dropped", "DHCP messages received and not answered", dropped);
    registry.register("store_transactions", "Transactions stored", counter(traffic.stored));
    registry.register("store_full", "Whether the lease store has no room", gauge(status.storage.full.into()));
    if let Some(bytes) = status.storage.bytes {
        registry.register("store_bytes", "Bytes that the lease store takes on disk", gauge(bytes));
    }
    if let Some(free) = status.storage.disk_free {
        registry.register("store_disk_free_bytes", "Bytes that are left on the disk of the lease store", gauge(free));
    }
    let attention = u64::try_from(status.verdict.attention.len()).unwrap_or(u64::MAX);
    registry.register("attention", "How many things need somebody", gauge(attention));
    let mut out = String::new();
    // A String takes everything.
    let _ = encode(&mut out, &registry);
    out
}

fn addresses(registry: &mut Registry, subnets: &Subnets) {
    let family = Family::<OfSubnet, Gauge>::default();
    for subnet in &subnets.subnets {
        let states = [
            ("pool", subnet.pool),
            ("free", subnet.free),
            ("bound", subnet.bound),
            ("offered", subnet.offered),
            ("quarantined", subnet.quarantined),
            ("reserved", subnet.reserved),
        ];
        for (state, count) in states {
            let labels = OfSubnet { subnet: subnet.prefix.clone(), state };
            family.get_or_create(&labels).set(i64::try_from(count).unwrap_or(i64::MAX));
        }
    }
    registry.register("addresses", "Addresses of a subnet by how they stand", family);
}

fn counter(value: u64) -> Counter<u64, AtomicU64> {
    let counter = Counter::default();
    counter.inc_by(value);
    counter
}
