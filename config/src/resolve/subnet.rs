//! Subnets: each alone, then against the others.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use dhcp::devices::UnknownClients;
use dhcp::settings::{AddressRange, Allocator, BootpClients, NamingPart, Scope, SharedNetwork, Subnet};
use ipnet::Ipv4Net;

use super::hosts::Hosts;
use super::network::{self, Member, Networks};
use super::options::{DnsServers, Options};
use super::pools::{self, never_leased, show};
use super::reservation::{self, Around};
use super::scalars::prefix;
use super::scope::{self, Wider, With, Written, written};
use super::times::timers;
use super::{class, interfaces, naming, probing, second};
use crate::fault::{Findings, Span};
use crate::file::At;
use crate::file::v1::{self, Allocate, File, SubnetReverse};

/// The subnets and what the rest needs to know about them.
#[derive(Debug, Default)]
pub(super) struct Subnets {
    pub(super) list: Vec<Subnet>,
    /// Those that name a shared network, as they are written.
    pub(super) members: Vec<Member>,
    /// What the server itself gives to every client.
    pub(super) server: Scope,
    /// Subnets whose reverse zones are wanted, and where to complain when there is none.
    pub(super) reverse_wanted: Vec<(Ipv4Net, Span)>,
    /// Subnets in which no PTR records are to be kept, whoever holds the zone.
    pub(super) without_reverse: Vec<Ipv4Net>,
}

/// What a subnet can name.
#[derive(Clone, Copy)]
pub(super) struct Named<'a> {
    pub(super) classes: &'a class::Names,
    pub(super) networks: &'a Networks,
    pub(super) hosts: &'a Hosts,
}

/// What every subnet is read with.
struct Common<'a> {
    file: &'a File,
    named: Named<'a>,
    /// The options of `[dhcp]`.
    options: Options,
    /// What `[ddns]` says of names.
    naming: NamingPart,
    with: With<'a>,
}

pub(super) fn read(file: &File, named: Named<'_>, with: With<'_>, findings: &mut Findings) -> Subnets {
    let mut out = Subnets::default();
    let written =
        Written { options: file.dhcp.option_keys(), times: file.dhcp.time_keys(), naming: file.ddns.naming_keys() };
    let (server, options) = scope::read(written, Wider::default(), with, findings);
    // With a DNS server of our own, clients are told it unless something says otherwise.
    let own_dns = server.own_dns || (with.dns_enabled && options.dns.is_none());
    out.server = Scope { own_dns, ..server };
    second::check(file.dhcp.second_keys(), findings);
    let naming = out.server.naming.as_deref().cloned().unwrap_or_default();
    let common = Common { file, named, options, naming, with };
    let mut placed: Vec<(Ipv4Net, Span)> = Vec::new();
    for at in &file.subnet {
        let Some(subnet) = read_one(at, &common, &mut out, findings) else { continue };
        placed.push((subnet.prefix, prefix_span(at)));
        out.list.push(subnet);
    }
    check_overlaps(placed, findings);
    out.list.sort_by_key(|subnet| subnet.prefix);
    out.list.dedup_by_key(|subnet| subnet.prefix);
    out
}

/// Where a subnet is written, for what is said about all of it.
fn prefix_span(at: &At<v1::Subnet>) -> Span {
    at.value.prefix.as_ref().map_or(at.span, |prefix| prefix.span)
}

fn read_one(at: &At<v1::Subnet>, common: &Common<'_>, out: &mut Subnets, findings: &mut Findings) -> Option<Subnet> {
    let Common { file, named: Named { classes, networks, hosts }, with, .. } = *common;
    let (written, span) = (&at.value, prefix_span(at));
    let net = written.prefix.as_ref().and_then(|text| prefix(text, findings));
    if let Some(net) = net {
        check_prefix(net, span, findings);
    }
    let network = written.network.as_ref().and_then(|at| networks.get(at, findings));
    let around = network::table(file, written);
    let wider = wider_of(around, file);
    let keys = written!(written);
    let (scope, own) = scope::read(keys, wider, with, findings);
    let wider = Wider { times: keys.times.over(wider.times), naming: keys.naming.over(wider.naming) };
    let beneath_network = network.and_then(|network| networks.list.get(usize::from(network.0)));
    let parts = naming_parts(&scope, beneath_network, common);
    // In the place of a domain that was refused comes no other: what follows from that would be reported for nothing.
    let refused =
        wider.naming.domain.is_some_and(|at| naming::domain(at, with.zones, &mut Findings::default()).is_none());
    let naming = NamingPart::complete(parts.iter().copied()).filter(|_| !refused);
    let beneath = network.and_then(|network| networks.options(network)).cloned().unwrap_or_default();
    let merged = merge(merge(own, &beneath), &common.options);
    check_routers(&merged, net, findings);
    let placed = pools::read(&pools::written(written, findings), net, findings);
    let ranges = pools::without(&placed, written.exclude.as_deref().unwrap_or_default(), net, findings);
    let ranges = hosts.spare(ranges, &placed);
    let access = classes.access(
        written.allow.as_deref().or(file.dhcp.allow.as_deref()),
        written.deny.as_deref().or(file.dhcp.deny.as_deref()),
        findings,
    );
    second::check(written.second_keys(), findings);
    let second = [written.second_keys(), file.dhcp.second_keys()];
    let limits = (net, wider, second);
    let pools = pools::divide(&ranges, &placed, &written.pool, limits, classes, with, findings);
    let within =
        Around { prefix: net, naming: naming.as_ref(), wider: &parts, keys: wider.naming, pools: &pools, with };
    let (reservations, clients) = reservation::read(&written.reservation, &within, hosts, findings);
    let reserved: BTreeSet<Ipv4Addr> = reservations.iter().filter_map(|reservation| reservation.address).collect();
    check_servers_in_pools(&merged, &ranges, &reserved, findings);
    let wider = around.map_or_else(v1::LeaseKeys::default, v1::Network::lease_keys).over(file.dhcp.lease_keys());
    let lease = written.lease_keys().over(wider);
    let (renewal_permille, rebinding_permille) = timers(lease, findings);
    let links = interfaces(written.interfaces.as_deref(), findings);
    if reservations.is_empty() {
        warn_without_addresses(at, findings);
    }
    let net = net?;
    let named = pools.iter().any(|pool| pool.scope.domain().is_some())
        || reservations.iter().any(|reservation| reservation.host.is_some() && reservation.hostname.is_some())
        || hosts.by_hand_in(net).next().is_some();
    let publishes = naming.is_some() || named;
    match written.reverse.as_ref().map(|reverse| reverse.value) {
        Some(SubnetReverse::None) => out.without_reverse.push(net),
        Some(SubnetReverse::Auto) | None if publishes => out.reverse_wanted.push((net, span)),
        Some(SubnetReverse::Auto) | None => {}
    }
    if let (Some(network), Some(at)) = (network, &written.network) {
        out.members.push(Member { network, prefix: net, span: at.span, interfaces: links.clone(), clients });
    }
    Some(Subnet {
        network,
        interfaces: links,
        pools,
        allocate: allocator(written.allocate.or(file.dhcp.allocate)),
        reservations,
        active: written.active.unwrap_or(true),
        access,
        unknown_clients: unknown_clients(written.unknown_clients),
        scope,
        renewal_permille,
        rebinding_permille,
        ignore_client_id: lease.ignore_client_id.unwrap_or(false),
        always_broadcast: lease.always_broadcast.unwrap_or(false),
        refuse_unrelayed_option82: lease.refuse_unrelayed_option82.unwrap_or(false),
        rapid_commit: lease.rapid_commit.unwrap_or(false),
        probe: probing::when(lease.probe),
        bootp: bootp_clients(lease.bootp),
        naming,
        ..Subnet::new(net)
    })
}

/// The keys around a subnet's own: of its shared network, then of the server.
fn wider_of<'f>(around: Option<&'f v1::Network>, file: &'f File) -> Wider<'f> {
    Wider {
        times: around.map_or_else(v1::TimeKeys::default, v1::Network::time_keys).over(file.dhcp.time_keys()),
        naming: around.map_or_else(v1::NamingKeys::default, v1::Network::naming_keys).over(file.ddns.naming_keys()),
    }
}

/// What is said of names for a subnet, the narrowest first.
fn naming_parts<'p>(own: &'p Scope, network: Option<&'p SharedNetwork>, common: &'p Common<'_>) -> Vec<&'p NamingPart> {
    let scopes = [Some(own), network.map(|network| &network.scope)];
    scopes.into_iter().flatten().filter_map(|scope| scope.naming.as_deref()).chain([&common.naming]).collect()
}

/// Of a subnet without reservations that could be read: whether anything else in it is leased, as far as it is written.
fn warn_without_addresses(at: &At<v1::Subnet>, findings: &mut Findings) {
    let written = &at.value;
    let nothing = written.pools.is_none() && written.pool.is_empty() && written.reservation.is_empty();
    if nothing && !findings.has_lost_a_key(at.span) {
        findings.warn(
            prefix_span(at),
            "the subnet has neither pools nor reservations, so it leases nothing",
            "leases nothing",
            "add `pools = [\"first-last\"]`",
        );
    }
}

fn unknown_clients(written: Option<v1::UnknownWord>) -> UnknownClients {
    match written {
        None | Some(v1::UnknownWord::Serve) => UnknownClients::Serve,
        Some(v1::UnknownWord::Wait) => UnknownClients::Wait,
    }
}

fn bootp_clients(written: Option<v1::Bootp>) -> BootpClients {
    match written {
        None | Some(v1::Bootp::None) => BootpClients::Refused,
        Some(v1::Bootp::Reserved) => BootpClients::Reserved,
        Some(v1::Bootp::Dynamic) => BootpClients::Dynamic,
    }
}

fn allocator(written: Option<Allocate>) -> Allocator {
    match written {
        None | Some(Allocate::InTurn) => Allocator::InTurn,
        Some(Allocate::ByHash) => Allocator::ByHash,
        Some(Allocate::Random) => Allocator::Random,
    }
}

fn check_prefix(net: Ipv4Net, span: Span, findings: &mut Findings) {
    let range = AddressRange { first: net.network(), last: net.broadcast() };
    if net.prefix_len() < 8 {
        findings.fault(
            span,
            format!("a subnet of {net} would be a good part of the whole Internet"),
            "too short a length",
            "write the prefix of the link, such as 192.168.30.0/24",
        );
    } else if let Some((block, what)) = never_leased(range) {
        findings.fault(
            span,
            format!("the subnet {net} is in {block}: {what}"),
            format!("in {block}"),
            "write the prefix of the link, such as 192.168.30.0/24",
        );
    }
}

/// Own options over those of a wider table, for the checks that need both.
fn merge(own: Options, global: &Options) -> Options {
    let mut plain = global.plain.clone();
    plain.extend(own.plain);
    Options {
        plain,
        routers: own.routers.or_else(|| global.routers.clone()),
        routes: own.routes.or_else(|| global.routes.clone()),
        dns: own.dns.or_else(|| global.dns.clone()),
        ntp: own.ntp.or_else(|| global.ntp.clone()),
        vendor: own.vendor,
    }
}

/// Routers that clients cannot reach on their own link.
pub(super) fn check_routers(options: &Options, net: Option<Ipv4Net>, findings: &mut Findings) {
    let Some(net) = net else { return };
    let outside = |address: &Ipv4Addr| !net.contains(address) && !address.is_unspecified();
    if let Some((routers, span)) = &options.routers {
        for router in routers.iter().filter(|router| outside(router)) {
            findings.warn(
                *span,
                format!("the router {router} is not within the subnet {net}, so clients cannot reach it"),
                format!("outside {net}"),
                "write the router's address on this subnet",
            );
        }
    }
    if let Some((routes, span)) = &options.routes {
        for (to, via) in routes.iter().filter(|(_, via)| outside(via)) {
            findings.warn(
                *span,
                format!("the router {via} of the route to {to} is not within the subnet {net}"),
                format!("via {via}"),
                "write the router's address on this subnet, or 0.0.0.0 for \"on this link\"",
            );
        }
    }
}

/// An address that a router or server has must not be leased to a client as well.
fn check_servers_in_pools(
    options: &Options,
    pools: &[AddressRange],
    reserved: &BTreeSet<Ipv4Addr>,
    findings: &mut Findings,
) {
    let dns = match &options.dns {
        Some((DnsServers::Listed(servers), span)) => Some((servers, *span)),
        _ => None,
    };
    let routers = options.routers.as_ref().map(|(list, span)| (list, *span));
    let ntp = options.ntp.as_ref().map(|(list, span)| (list, *span));
    for (what, found) in [("router", routers), ("DNS server", dns), ("NTP server", ntp)] {
        let Some((list, span)) = found else { continue };
        for address in list.iter().filter(|address| !reserved.contains(address)) {
            let Some(pool) = pools.iter().find(|pool| (pool.first..=pool.last).contains(address)) else { continue };
            findings.fault(
                span,
                format!("the {what} {address} is in the pool {}, so a client could be given its address", show(*pool)),
                "in a pool",
                format!("add `exclude = [\"{address}\"]` to the subnet, or reserve the address for it"),
            );
        }
    }
}

fn check_overlaps(mut placed: Vec<(Ipv4Net, Span)>, findings: &mut Findings) {
    placed.sort_by_key(|(net, span)| (net.network(), net.prefix_len(), span.start));
    let mut widest: Option<(Ipv4Net, Span)> = None;
    for (net, span) in placed {
        match widest {
            Some((wide, wide_span)) if wide.contains(&net) => {
                let (span, other) = if span.start < wide_span.start { (wide_span, span) } else { (span, wide_span) };
                let message = if wide == net {
                    format!("the subnet {net} is defined twice")
                } else {
                    format!("two subnets overlap: {net} is a part of {wide}")
                };
                findings
                    .fault(
                        span,
                        message,
                        "overlaps another subnet",
                        "an address belongs to one subnet: make one of both, or mend a prefix",
                    )
                    .see(other, "the other subnet");
            }
            _ => widest = Some((net, span)),
        }
    }
}
