//! Reservations of a subnet: each alone, and against the others.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::net::Ipv4Addr;

use dhcp::settings::{Naming, NamingPart, Pool, Reservation, ReservedFor, Scope, Ttl};
use dns::Fqdn;
use ipnet::Ipv4Net;

use super::clients;
use super::hosts::{Host, Hosts, Interface};
use super::keys::plain;
use super::naming;
use super::pools;
use super::scalars::address;
use super::scope::{self, Wider, With, written};
use crate::fault::{Findings, Span};
use crate::file::At;
use crate::file::v1;

/// What a subnet's reservations are checked against.
pub(super) struct Around<'a> {
    pub(super) prefix: Option<Ipv4Net>,
    pub(super) naming: Option<&'a Naming>,
    /// Where there is none: what the subnet and what is around it say of names.
    pub(super) wider: &'a [&'a NamingPart],
    /// The naming keys of the subnet and of what is around it.
    pub(super) keys: v1::NamingKeys<'a>,
    pub(super) pools: &'a [Pool],
    pub(super) with: With<'a>,
}

impl Around<'_> {
    /// The rules that hold for the name of a reservation.
    fn naming_of(&self, address: Option<Ipv4Addr>, own: Option<&NamingPart>) -> Option<Cow<'_, Naming>> {
        let pool = address.and_then(|address| self.pools.iter().find(|pool| pool.holds(address)));
        let pool = pool.and_then(|pool| pool.scope.naming.as_deref());
        NamingPart::narrow(own.into_iter().chain(pool), self.naming, self.wider.iter().copied())
    }
}

/// The reservations, sorted by address, and the clients that have an address.
pub(super) fn read(
    list: &[At<v1::Reservation>],
    around: &Around<'_>,
    hosts: &Hosts,
    findings: &mut Findings,
) -> (Vec<Reservation>, Clients) {
    let mut seen = Seen::default();
    let mut out: Vec<Reservation> = Vec::new();
    for (address, span) in around.prefix.iter().flat_map(|prefix| hosts.by_hand_in(*prefix)) {
        check_address(address, span, around.prefix, &mut seen, findings);
    }
    for at in list {
        let wider = Wider { naming: around.keys, ..Wider::default() };
        let (scope, options) = scope::read(written!(at.value), wider, around.with, findings);
        super::subnet::check_routers(&options, around.prefix, findings);
        check_gives(at, &scope, findings);
        out.extend(read_one(at, scope, around, &mut seen, findings));
    }
    for interface in around.prefix.iter().flat_map(|prefix| hosts.interfaces_in(*prefix)) {
        out.extend(of_host(interface, around, &mut seen, findings));
    }
    out.sort_by_key(|reservation| reservation.address);
    let addressed = out.iter().filter(|reservation| reservation.address.is_some());
    let clients = addressed.flat_map(|reservation| &reservation.clients);
    let clients = clients.filter_map(|client| seen.clients.remove_entry(client)).collect();
    (out, clients)
}

/// Clients that have a reservation, and where it is written.
pub(super) type Clients = HashMap<ReservedFor, Span>;

/// A reservation without an address has something else for its client.
fn check_gives(at: &At<v1::Reservation>, scope: &Scope, findings: &mut Findings) {
    let gives = at.value.address.is_some() || at.value.hostname.is_some() || *scope != Scope::default();
    if !gives && !findings.has_lost_a_key(at.span) {
        findings.absent(
            at.span,
            "the reservation gives its client nothing",
            "has neither an address nor a name",
            "add `address = \"192.168.30.10\"`, or `hostname` for a client that gets its address from the pools",
        );
    }
}

/// What earlier reservations have taken, and where.
#[derive(Default)]
struct Seen {
    addresses: BTreeMap<Ipv4Addr, Span>,
    clients: Clients,
    names: BTreeMap<Fqdn, Span>,
}

fn read_one(
    at: &At<v1::Reservation>,
    scope: Scope,
    around: &Around<'_>,
    seen: &mut Seen,
    findings: &mut Findings,
) -> Option<Reservation> {
    let written = &at.value;
    let reserved = written.address.as_ref().and_then(|text| read_address(text, around.prefix, seen, findings));
    let clients = read_clients(at, seen, findings);
    let hostname = written.hostname.as_ref().and_then(|text| {
        let naming = around.naming_of(reserved, scope.naming.as_deref());
        let (name, full) = naming::hostname(text, naming.as_deref(), around.with.zones, findings)?;
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
    if written.address.is_some() && reserved.is_none() {
        return None;
    }
    (!clients.is_empty()).then_some(Reservation { address: reserved, clients, hostname, host: None, scope })
}

/// The reservation of a host's interface.
fn of_host(
    interface: &Interface,
    around: &Around<'_>,
    seen: &mut Seen,
    findings: &mut Findings,
) -> Option<Reservation> {
    let Host { name, name_span, identity, ttl_secs, .. } = &*interface.host;
    let address = match interface.address {
        Some((address, span)) => Some(check_address(address, span, around.prefix, seen, findings)?),
        None => None,
    };
    let clients = take_clients(interface.clients.clone(), seen, findings);
    match seen.names.get(name) {
        Some(earlier) if earlier != name_span => {
            findings
                .fault(
                    *name_span,
                    format!("a reservation has the name `{}` too", plain(name)),
                    "again",
                    "write what the reservation says in the [[host]], or choose another name",
                )
                .see(*earlier, "here first");
        }
        _ => {
            seen.names.insert(name.clone(), *name_span);
        }
    }
    let naming = NamingPart { domain: name.parent(), ttl: ttl_secs.map(Ttl::Fixed), ..NamingPart::default() };
    let scope = Scope { naming: naming::boxed(naming), ..Scope::default() };
    let host = Some(Box::new(identity.clone()));
    (!clients.is_empty()).then(|| Reservation { address, clients, hostname: Some(plain(name)), host, scope })
}

fn read_address(
    at: &At<crate::file::kinds::Address>,
    prefix: Option<Ipv4Net>,
    seen: &mut Seen,
    findings: &mut Findings,
) -> Option<Ipv4Addr> {
    check_address(address(at, findings)?, at.span, prefix, seen, findings)
}

/// An address that is somebody's own; `None`: another's already.
fn check_address(
    reserved: Ipv4Addr,
    span: Span,
    prefix: Option<Ipv4Net>,
    seen: &mut Seen,
    findings: &mut Findings,
) -> Option<Ipv4Addr> {
    if let Some(prefix) = prefix {
        let (first, last) = pools::hosts(prefix);
        if !prefix.contains(&reserved) {
            findings.fault(
                span,
                format!("the reserved address {reserved} is not within its subnet {prefix}"),
                format!("outside {prefix}"),
                format!("choose an address from {first}-{last}"),
            );
        } else if !(first..=last).contains(&reserved) {
            let what = if reserved < first { "network" } else { "broadcast" };
            findings.fault(
                span,
                format!("{reserved} is the {what} address of {prefix}; no client can have it"),
                format!("the {what} address"),
                format!("choose an address from {first}-{last}"),
            );
        }
    }
    if let Some(earlier) = seen.addresses.get(&reserved) {
        findings
            .fault(
                span,
                format!("the address {reserved} is reserved twice"),
                "reserved again",
                "give one of the two another address, or take it out",
            )
            .see(*earlier, "reserved here first");
        return None;
    }
    seen.addresses.insert(reserved, span);
    Some(reserved)
}

/// Whom the reservation is for; empty when something is wrong with it.
fn read_clients(at: &At<v1::Reservation>, seen: &mut Seen, findings: &mut Findings) -> Vec<ReservedFor> {
    let written = clients::written(&at.value, findings);
    if written.is_empty() && !findings.has_lost_a_key(at.span) {
        findings.absent(
            at.span,
            "the reservation does not say for whom",
            "has none of `hardware`, `client_id`, `duid`, `circuit_id`, `remote_id`, `subscriber_id`",
            "add `hardware = \"52:54:00:12:34:56\"`, with the client's own address",
        );
    }
    take_clients(written, seen, findings)
}

/// Those of the clients that have no reservation in this subnet yet.
fn take_clients(written: Vec<clients::Written>, seen: &mut Seen, findings: &mut Findings) -> Vec<ReservedFor> {
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
