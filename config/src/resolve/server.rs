//! The daemon's own settings, those of the embedded DNS server, and retrying.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::PathBuf;

use ddns::settings::{Retry, ReverseGuard};
use dns::{Fqdn, RecordType};
use ipnet::Ipv4Net;

use super::access::askers;
use super::encrypted;
use super::gss;
use super::keys::Keys;
use super::protection;
use super::scalars::{finite_seconds, name, prefix, server_address};
use super::zones::Zones;
use super::{interfaces, resolver};
use crate::fault::{Fault, Findings, Span};
use crate::file::At;
use crate::file::kinds::{FilePath, WordOr};
use crate::file::v1;
use crate::settings::{Daemon, DnsSettings, Forward, Listen, LogFormat, LogLevel, Ports, Upstreams};

pub(super) fn daemon(written: &v1::Server, findings: &mut Findings) -> Daemon {
    let defaults = Daemon::default();
    let ports = Ports::default();
    let mut port = |at: &Option<At<u16>>, default| at.as_ref().map_or(default, |at| nonzero_port(at, findings));
    let ports = Ports {
        server: port(&written.server_port, ports.server),
        client: port(&written.client_port, ports.client),
        relay: port(&written.relay_port, ports.relay),
    };
    Daemon {
        interfaces: interfaces(written.interfaces.as_deref(), findings),
        store: written.store.as_ref().map_or(defaults.store, |at| path(at, findings)),
        control: written.control.as_ref().map_or(defaults.control, |at| path(at, findings)),
        log: written.log.unwrap_or(LogLevel::Info),
        log_format: written.log_format.unwrap_or(LogFormat::Text),
        ports,
    }
}

fn nonzero_port(at: &At<u16>, findings: &mut Findings) -> u16 {
    if at.value == 0 {
        findings.fault(at.span, "0 is not a port", "not a port", "write a number from 1 to 65535");
    }
    at.value
}

fn path(at: &At<FilePath>, findings: &mut Findings) -> PathBuf {
    if at.value.0.trim().is_empty() {
        findings.fault(at.span, "the path is empty", "empty", "write a path such as \"/var/lib/leasehold\"");
    }
    PathBuf::from(&at.value.0)
}

/// Whether the embedded DNS server runs: as written; else when a zone is embedded or `[dns]` has anything to say.
pub(super) fn dns_enabled(file: &v1::File, zones: &Zones, findings: &mut Findings) -> bool {
    let written = &file.dns;
    let Some(enabled) = &written.enabled else {
        let configured = written.listen.is_some()
            || written.port.is_some()
            || written.forward.is_some()
            || written.upstreams.is_some()
            || written.forward_for.is_some()
            || written.deny_forward.is_some()
            || written.tls_listen.is_some()
            || written.https_listen.is_some()
            || !file.forward.is_empty()
            || !file.block.is_empty();
        return configured || zones.embedded().next().is_some() || zones.secondary().next().is_some();
    };
    if !enabled.value {
        for zone in &zones.list {
            use super::zones::Server;
            if let Server::Secondary(_) = zone.server {
                findings
                    .fault(
                        zone.span,
                        "the zone is held here as a copy, and the embedded DNS server is turned off",
                        "nobody serves it",
                        "take the zone out, or take `enabled = false` out of [dns]",
                    )
                    .see(enabled.span, "turned off here");
            }
            if let Server::Embedded(_) = zone.server {
                findings
                    .fault(
                        zone.span,
                        "the zone has no `server`, and the embedded DNS server is turned off",
                        "nobody serves it",
                        "add `server = \"...\"` to the zone, or take `enabled = false` out of [dns]",
                    )
                    .see(enabled.span, "turned off here");
            }
        }
    }
    enabled.value
}

/// Whether clients that are told this server can reach it. Option 6 has room for addresses, none for ports.
pub(super) fn check_reach(written: &v1::Dns, settings: &DnsSettings, findings: &mut Findings) {
    let reachable = |address: &SocketAddr| address.port() == 53 && !address.ip().is_loopback();
    match &settings.listen {
        Listen::Interfaces { port } if *port != 53 => {
            let span = written.port.as_ref().map_or_else(Span::default, |at| at.span);
            findings.warn(
                span,
                format!("clients ask DNS servers at port 53, so they will not find the embedded one at port {port}"),
                "not 53",
                "take `port` out, or tell clients another server with `dns_servers` that forwards to this one",
            );
        }
        Listen::Addresses(list) if !list.iter().any(reachable) => {
            let span = written.listen.as_ref().and_then(|list| list.first()).map_or_else(Span::default, |at| at.span);
            findings.warn(
                span,
                "clients are told this server as their DNS server, and cannot reach it at any of these addresses",
                "not for clients",
                "listen on an address that clients can reach, at port 53; or tell them another server with `dns_servers`",
            );
        }
        _ => {}
    }
}

/// The embedded DNS server, for the zones as they finally are.
pub(super) fn dns(
    file: &v1::File,
    enabled: bool,
    zones: &Zones,
    (subnets, keys): (&[Ipv4Net], &Keys<'_>),
    findings: &mut Findings,
) -> DnsSettings {
    let written = &file.dns;
    let port = written.port.as_ref().map_or(53, |at| nonzero_port(at, findings));
    let listen = match &written.listen {
        Some(list) => Listen::Addresses(list.iter().filter_map(|at| server_address(at, port, findings)).collect()),
        None => Listen::Interfaces { port },
    };
    let mut held: Vec<_> = zones.embedded().cloned().collect();
    held.sort_by(|one, other| (&one.apex, &one.sight.id).cmp(&(&other.apex, &other.sight.id)));
    let mut secondary: Vec<_> = zones.secondary().cloned().collect();
    secondary.sort_by(|one, other| (&one.apex, &one.sight.id).cmp(&(&other.apex, &other.sight.id)));
    DnsSettings {
        enabled,
        secondary,
        own_names: own_names(zones),
        zones: held,
        views: Vec::new(),
        gss_keytab: gss::own_keytab(written.gss_keytab.as_ref(), keys, findings),
        forward: forward(file, &listen, enabled, (subnets, keys), findings),
        protection: protection::read(written, subnets, findings),
        encrypted: encrypted::read(written, &listen, findings),
        listen,
    }
}

fn forward(
    file: &v1::File,
    listen: &Listen,
    enabled: bool,
    (subnets, keys): (&[Ipv4Net], &Keys<'_>),
    findings: &mut Findings,
) -> Option<Forward> {
    let written = &file.dns;
    let upstreams = match &written.upstreams {
        None => Upstreams::ResolvConf,
        Some(At { value: WordOr::Word(_), .. }) => Upstreams::ResolvConf,
        Some(At { value: WordOr::List(list), span }) => {
            if list.is_empty() {
                findings.fault(
                    *span,
                    "`upstreams` names nobody",
                    "empty",
                    "write \"resolv.conf\", or addresses; or `forward = false` to ask nobody",
                );
            }
            let servers = list.iter().filter_map(|at| {
                let server = resolver::upstream(at, findings)?;
                if matches!(listen, Listen::Addresses(own) if own.contains(&server.address)) {
                    findings.fault(
                        at.span,
                        format!("{} is this server itself: a question would go round for ever", server.address),
                        "ourselves",
                        "write the address of another DNS server",
                    );
                }
                Some(server)
            });
            Upstreams::Servers(servers.collect())
        }
    };
    let mut allowed: BTreeSet<Ipv4Net> = subnets.iter().copied().collect();
    allowed.extend(written.forward_for.iter().flatten().filter_map(|at| prefix(at, findings)));
    let wanted = written.forward.as_ref().is_none_or(|forward| forward.value);
    // A key says nothing here: whether a name is asked of others is decided before signatures are.
    let denied = askers(written.deny_forward.as_deref().unwrap_or_default(), keys, findings, &mut Vec::new());
    let resolver = resolver::read(file, enabled && wanted, findings);
    (enabled && wanted).then(|| Forward { upstreams, allowed: allowed.into_iter().collect(), denied, resolver })
}

/// Name servers of embedded zones that are in an embedded zone and have no address written there.
fn own_names(zones: &Zones) -> Vec<Fqdn> {
    let has_address = |name: &Fqdn| {
        let of_type = |rtype| zones.embedded().any(|zone| zone.records.has(name, rtype));
        [RecordType::A, RecordType::AAAA, RecordType::CNAME].into_iter().any(of_type)
    };
    let ours = |name: &Fqdn| matches!(zones.holding(name), Some(zone) if matches!(zone.server, super::zones::Server::Embedded(_)));
    let names: BTreeSet<Fqdn> =
        zones.embedded().map(|zone| zone.ns.clone()).filter(|name| ours(name) && !has_address(name)).collect();
    names.into_iter().collect()
}

pub(super) fn protected(written: &v1::Ddns, findings: &mut Findings) -> Vec<Fqdn> {
    written.protected.iter().flatten().filter_map(|at| name(at, findings)).collect()
}

pub(super) fn reverse_guard(written: &v1::Ddns) -> ReverseGuard {
    match written.reverse {
        Some(v1::ReverseGuard::Rfc4703) => ReverseGuard::Rfc4703,
        Some(v1::ReverseGuard::Dhcid) | None => ReverseGuard::Dhcid,
    }
}

pub(super) fn retry(written: &v1::Ddns, findings: &mut Findings) -> Retry {
    let defaults = Retry::default();
    let mut millis = |at: &Option<At<_>>, key: &str, default| {
        at.as_ref().and_then(|at| finite_seconds(at, key, findings)).map_or(default, |secs| u64::from(secs) * 1_000)
    };
    let retry = Retry {
        first_ms: millis(&written.retry_first, "retry_first", defaults.first_ms),
        max_ms: millis(&written.retry_max, "retry_max", defaults.max_ms),
        conflict_ms: millis(&written.retry_conflict, "retry_conflict", defaults.conflict_ms),
    };
    if retry.first_ms > retry.max_ms
        && let Some(at) = written.retry_first.as_ref().or(written.retry_max.as_ref())
    {
        let fault: &mut Fault = findings.fault(
            at.span,
            "`retry_first` is longer than `retry_max`",
            "longer than the longest",
            "make `retry_first` the shorter one",
        );
        if let Some(max) = written.retry_max.as_ref().filter(|max| max.span != at.span) {
            fault.see(max.span, "the longest");
        }
    }
    retry
}
