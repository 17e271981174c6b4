//! Metrics as Prometheus reads them: made from the same status that the page shows.

use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;

use crate::model::{DnsFigures, ForwarderFigures, Status, Subnets};

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

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfTransport {
    transport: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfFate {
    fate: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfResult {
    result: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfUpstream {
    upstream: String,
    domains: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfList {
    list: String,
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
    if let Some(dns) = &status.dns {
        of_dns(&mut registry, dns);
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

fn of_dns(registry: &mut Registry, dns: &DnsFigures) {
    let requests = Family::<OfTransport, Counter>::default();
    for (transport, count) in &dns.requests {
        requests.get_or_create(&OfTransport { transport: transport.clone() }).inc_by(*count);
    }
    registry.register("dns_requests", "DNS requests by how they came", requests);
    let refused = "DNS connections closed at once, since their asker had its share";
    registry.register("dns_connections_refused", refused, counter(dns.connections_refused));
    registry.register("dns_handshakes_failed", "DNS connections that came to no TLS", counter(dns.handshakes_failed));
    registry.register("dns_http_refused", "HTTP requests that held no DNS message", counter(dns.http_refused));
    registry.register(
        "zone_steps",
        "Steps of zones that are kept, for transfers of differences",
        whole(dns.past.steps),
    );
    registry.register("zone_steps_bytes", "Bytes that they take", whole(dns.past.octets));
    let crowded = "Steps of zones that are kept no more because those of other zones took their room";
    registry.register("zone_steps_crowded_out", crowded, counter(dns.past.crowded_out));
    if let Some(forwarder) = &dns.forwarder {
        of_forwarder(registry, forwarder);
    }
}

fn of_forwarder(registry: &mut Registry, forwarder: &ForwarderFigures) {
    let questions = Family::<OfFate, Counter>::default();
    for (fate, count) in &forwarder.questions {
        questions.get_or_create(&OfFate { fate: fate.clone() }).inc_by(*count);
    }
    registry.register("forward_questions", "Questions about names of others by what became of them", questions);
    let refreshed = "Answers of others asked for anew before their end";
    registry.register("forward_refreshed", refreshed, counter(forwarder.refreshed));
    let validated = Family::<OfResult, Counter>::default();
    for (result, count) in &forwarder.validated {
        validated.get_or_create(&OfResult { result: result.clone() }).inc_by(*count);
    }
    registry.register("forward_validated", "Answers of others by what came of their signatures", validated);
    registry.register("forward_cache_answers", "Answers of others that are kept", whole(forwarder.kept));
    registry.register("forward_cache_bytes", "Bytes that they take", whole(forwarder.kept_octets));
    let evicted = "Answers of others that made room before their time was over";
    registry.register("forward_cache_evicted", evicted, counter(forwarder.evicted));
    let (well, forged) = (Family::<OfUpstream, Gauge>::default(), Family::<OfUpstream, Counter>::default());
    for one in &forwarder.upstreams {
        let labels = OfUpstream { upstream: one.upstream.clone(), domains: one.domains.join(" ") };
        well.get_or_create(&labels).set((one.state == "well").into());
        forged.get_or_create(&labels).inc_by(one.forged);
    }
    let told = "Datagrams that came from the address of a server that is asked and were no answers";
    registry.register("forward_upstream_forged", told, forged);
    registry.register("forward_upstream_well", "Whether a server that is asked answers in time", well);
    let (names, trouble) = (Family::<OfList, Gauge>::default(), Family::<OfList, Gauge>::default());
    for list in &forwarder.blocks {
        let labels = OfList { list: list.name.clone() };
        names.get_or_create(&labels).set(i64::try_from(list.names).unwrap_or(i64::MAX));
        trouble.get_or_create(&labels).set(list.trouble.is_some().into());
    }
    registry.register("block_list_names", "Names of a block list", names);
    registry.register("block_list_trouble", "Whether a block list could not be read or fetched", trouble);
}

fn whole(value: usize) -> Gauge {
    let gauge = Gauge::<i64>::default();
    gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
    gauge
}

fn counter(value: u64) -> Counter<u64, AtomicU64> {
    let counter = Counter::default();
    counter.inc_by(value);
    counter
}
