//! Reservations of a subnet: each alone, and against the others.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use dhcp::settings::{Naming, OptionSet, Reservation, ReservedFor, Scope};
use dns::Fqdn;
use ipnet::Ipv4Net;

use super::definitions::Definitions;
use super::keys::plain;
use super::naming;
use super::options::{self, DnsServers, Options};
use super::pools::hosts;
use super::scalars::{address, client_id, hardware};
use super::subnet::encode_routes;
use super::zones::Zones;
use crate::fault::{Findings, Span};
use crate::file::At;
use crate::file::kinds::WordOr;
use crate::file::v1;

/// What a subnet's reservations are checked against.
pub(super) struct Around<'a> {
    pub(super) prefix: Option<Ipv4Net>,
    pub(super) naming: Option<&'a Naming>,
    pub(super) zones: &'a Zones,
    pub(super) definitions: &'a Definitions,
    pub(super) dns_enabled: bool,
    /// The subnet's options with those of `[dhcp]` beneath.
    pub(super) options: &'a Options,
}

/// The reservations, sorted by address, and the addresses of those whose DNS server is this one.
pub(super) fn read(
    list: &[At<v1::Reservation>],
    around: &Around<'_>,
    findings: &mut Findings,
) -> (Vec<Reservation>, Vec<Ipv4Addr>) {
    let mut seen = Seen::default();
    let mut own_dns = Vec::new();
    let mut out: Vec<Reservation> = Vec::new();
    for at in list {
        let reservation = read_one(at, around, &mut seen, findings);
        let (scope, dns_self) = options_of(&at.value, around, findings);
        if let Some(reservation) = reservation {
            if dns_self {
                own_dns.extend(reservation.address);
            }
            out.push(Reservation { scope, ..reservation });
        }
    }
    out.sort_by_key(|reservation| reservation.address);
    (out, own_dns)
}

/// What earlier reservations have taken, and where.
#[derive(Default)]
struct Seen {
    addresses: BTreeMap<Ipv4Addr, Span>,
    clients: std::collections::HashMap<ReservedFor, Span>,
    names: BTreeMap<Fqdn, Span>,
}

fn read_one(
    at: &At<v1::Reservation>,
    around: &Around<'_>,
    seen: &mut Seen,
    findings: &mut Findings,
) -> Option<Reservation> {
    let written = &at.value;
    let reserved = written.address.as_ref().and_then(|text| read_address(text, around.prefix, seen, findings));
    let clients = read_clients(at, seen, findings);
    let hostname = written.hostname.as_ref().and_then(|text| {
        let (name, full) = naming::hostname(text, around.naming, around.zones, findings)?;
        if let Some(full) = full {
            if let Some(earlier) = seen.names.get(&full) {
                findings
                    .warn(
                        text.span,
                        format!("two reservations have the name `{}`", plain(&full)),
                        "again",
                        "whichever client comes first keeps the name; choose another one",
                    )
                    .see(*earlier, "here first");
            } else {
                seen.names.insert(full, text.span);
            }
        }
        Some(name)
    });
    let address = Some(reserved?);
    (!clients.is_empty()).then(|| Reservation { address, clients, hostname, scope: Scope::default() })
}

fn read_address(
    at: &At<crate::file::kinds::Address>,
    prefix: Option<Ipv4Net>,
    seen: &mut Seen,
    findings: &mut Findings,
) -> Option<Ipv4Addr> {
    let reserved = address(at, findings)?;
    if let Some(prefix) = prefix {
        let (first, last) = hosts(prefix);
        if !prefix.contains(&reserved) {
            findings.fault(
                at.span,
                format!("the reserved address {reserved} is not within its subnet {prefix}"),
                format!("outside {prefix}"),
                format!("choose an address from {first}-{last}"),
            );
        } else if !(first..=last).contains(&reserved) {
            let what = if reserved < first { "network" } else { "broadcast" };
            findings.fault(
                at.span,
                format!("{reserved} is the {what} address of {prefix}; no client can have it"),
                format!("the {what} address"),
                format!("choose an address from {first}-{last}"),
            );
        }
    }
    if let Some(earlier) = seen.addresses.get(&reserved) {
        findings
            .fault(
                at.span,
                format!("the address {reserved} is reserved twice"),
                "reserved again",
                "give one of the two another address, or take it out",
            )
            .see(*earlier, "reserved here first");
        return None;
    }
    seen.addresses.insert(reserved, at.span);
    Some(reserved)
}

/// Whom the reservation is for; empty when something is wrong with it.
fn read_clients(at: &At<v1::Reservation>, seen: &mut Seen, findings: &mut Findings) -> Vec<ReservedFor> {
    let hardware = at.value.hardware.iter().flat_map(At::each).map(|text| {
        (hardware(&text, findings).map(ReservedFor::Hardware), text.span, format!("hardware address {}", text.value.0))
    });
    let mut written: Vec<_> = hardware.collect();
    written.extend(at.value.client_id.iter().flat_map(At::each).map(|text| {
        (
            client_id(&text, findings).map(ReservedFor::ClientId),
            text.span,
            format!("client identifier {}", text.value.0),
        )
    }));
    if written.is_empty() {
        findings.absent(
            at.span,
            "the reservation does not say for whom",
            "has neither `hardware` nor `client_id`",
            "add `hardware = \"52:54:00:12:34:56\"`, with the client's own address",
        );
    }
    let mut clients = Vec::new();
    for (client, span, what) in written {
        let Some(client) = client else { continue };
        if let Some(earlier) = seen.clients.get(&client) {
            findings
                .fault(
                    span,
                    format!("the client with the {what} has two reservations in this subnet"),
                    "again",
                    "a client has one address in a subnet: take one of the two out",
                )
                .see(*earlier, "here first");
            continue;
        }
        seen.clients.insert(client.clone(), span);
        clients.push(client);
    }
    clients
}

/// An empty list takes an option of `[dhcp]` back in a subnet. The engine looks at a reservation's options before the
/// subnet's, so there it would be sent, empty.
fn check_not_empty(written: &v1::Reservation, findings: &mut Findings) {
    let empty = |span: Span, empty: bool| empty.then_some(span);
    let dns = written.dns_servers.as_ref();
    let lists = [
        written.routers.as_ref().and_then(|at| empty(at.span, at.value.is_empty())),
        written.ntp_servers.as_ref().and_then(|at| empty(at.span, at.value.is_empty())),
        written.domain_search.as_ref().and_then(|at| empty(at.span, at.value.is_empty())),
        written.routes.as_ref().and_then(|at| empty(at.span, at.value.is_empty())),
        dns.and_then(|at| empty(at.span, matches!(&at.value, WordOr::List(list) if list.is_empty()))),
    ];
    for span in lists.into_iter().flatten() {
        findings.fault(
            span,
            "a reservation cannot take an option of its subnet back",
            "empty",
            "write what this client is to be told instead, or take the key out",
        );
    }
}

/// The reservation's own options; true when its DNS server is this one.
fn options_of(written: &v1::Reservation, around: &Around<'_>, findings: &mut Findings) -> (Scope, bool) {
    let own = options::read(written.option_keys(), around.definitions, findings);
    check_not_empty(written, findings);
    super::subnet::check_routers(&own, around.prefix, findings);
    super::subnet::check_own_dns(&own, around.dns_enabled, findings);
    let mut set = own.plain.clone();
    if let Some((routers, _)) = &own.routers {
        set.insert(dhcp::options::code::ROUTER, dhcp::options::routers(routers));
    }
    if own.routers.is_some() || own.routes.is_some() {
        // Either changes what option 121 has to hold.
        let routers = own.routers.as_ref().or(around.options.routers.as_ref());
        let routes = own.routes.as_ref().or(around.options.routes.as_ref());
        encode_routes(&mut set, routers, routes);
    }
    if let Some((DnsServers::Listed(servers), _)) = &own.dns {
        set.insert(dhcp::options::code::DOMAIN_NAME_SERVER, dhcp::options::domain_name_servers(servers));
    }
    let scope = Scope { options: OptionSet(set), vendor: own.vendor, ..Scope::default() };
    (scope, matches!(own.dns, Some((DnsServers::Own, _))))
}
