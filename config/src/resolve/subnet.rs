//! Subnets: each alone, then against the others.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use dhcp::options::vendor::VendorOptions;
use dhcp::options::{self as build, code};
use dhcp::settings::{AddressRange, BootpClients, OptionSet, Scope, Subnet};
use ipnet::Ipv4Net;

use super::definitions::Definitions;
use super::keys::plain;
use super::network::Networks;
use super::options::{self, DnsServers, Options};
use super::pools::{self, never_leased, show};
use super::reservation::{self, Around};
use super::scalars::prefix;
use super::times::{lease_times, timers};
use super::zones::Zones;
use super::{class, interfaces, naming, probing};
use crate::fault::{Findings, Span};
use crate::file::At;
use crate::file::v1::{self, File, SubnetReverse};
use crate::settings::DnsSelf;

/// The subnets and what the rest needs to know about them.
#[derive(Debug, Default)]
pub(super) struct Subnets {
    pub(super) list: Vec<Subnet>,
    pub(super) dns_self: DnsSelf,
    /// Subnets whose reverse zones are wanted, and where to complain when there is none.
    pub(super) reverse_wanted: Vec<(Ipv4Net, Span)>,
    /// Subnets in which no PTR records are to be kept, whoever holds the zone.
    pub(super) without_reverse: Vec<Ipv4Net>,
}

/// What a subnet can name.
#[derive(Clone, Copy)]
pub(super) struct Named<'a> {
    pub(super) zones: &'a Zones,
    pub(super) classes: &'a class::Names,
    pub(super) networks: &'a Networks,
    pub(super) definitions: &'a Definitions,
}

/// What every subnet is read with.
struct Common<'a> {
    file: &'a File,
    named: Named<'a>,
    /// The options of `[dhcp]`.
    options: Options,
    dns_enabled: bool,
}

pub(super) fn read(file: &File, named: Named<'_>, dns_enabled: bool, findings: &mut Findings) -> Subnets {
    let mut out = Subnets::default();
    let options = options::read(file.dhcp.option_keys(), named.definitions, findings);
    check_own_dns(&options, dns_enabled, findings);
    let common = Common { file, named, options, dns_enabled };
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
    let Common { file, named: Named { zones, classes, networks, definitions }, dns_enabled, .. } = *common;
    let (written, span) = (&at.value, prefix_span(at));
    let net = written.prefix.as_ref().and_then(|text| prefix(text, findings));
    if let Some(net) = net {
        check_prefix(net, span, findings);
    }
    let naming = naming::read(written.naming_keys(), file.ddns.naming_keys(), zones, findings);
    let merged = merge(options::read(written.option_keys(), definitions, findings), &common.options);
    check_routers(&merged, net, findings);
    check_own_dns(&merged, dns_enabled, findings);
    let placed = pools::read(&pools::written(written, findings), net, findings);
    let ranges = pools::without(&placed, written.exclude.as_deref().unwrap_or_default(), net, findings);
    let network = written.network.as_ref().and_then(|at| networks.get(at, findings));
    let access = classes.access(
        written.allow.as_deref().or(file.dhcp.allow.as_deref()),
        written.deny.as_deref().or(file.dhcp.deny.as_deref()),
        findings,
    );
    let pools = pools::divide(&ranges, &placed, &written.pool, classes, findings);
    let around = Around { prefix: net, naming: naming.as_ref(), zones, definitions, dns_enabled, options: &merged };
    let (reservations, own_dns) = reservation::read(&written.reservation, &around, findings);
    let reserved: BTreeSet<Ipv4Addr> = reservations.iter().filter_map(|reservation| reservation.address).collect();
    check_servers_in_pools(&merged, &ranges, &reserved, findings);
    let (own, defaults) = (written.lease_keys(), file.dhcp.lease_keys());
    let lease_secs = lease_times(written.time_keys(), file.dhcp.time_keys(), findings);
    let (renewal_permille, rebinding_permille) = timers(own, defaults, findings);
    let links = interfaces(written.interfaces.as_deref(), findings);
    if written.pools.is_none()
        && written.pool.is_empty()
        && written.reservation.is_empty()
        && !findings.has_lost_a_key(at.span)
    {
        findings.warn(
            span,
            "the subnet has neither pools nor reservations, so it leases nothing",
            "leases nothing",
            "add `pools = [\"first-last\"]`",
        );
    }
    let net = net?;
    match written.reverse.as_ref().map(|reverse| reverse.value) {
        Some(SubnetReverse::None) => out.without_reverse.push(net),
        Some(SubnetReverse::Auto) | None if naming.is_some() => out.reverse_wanted.push((net, span)),
        Some(SubnetReverse::Auto) | None => {}
    }
    if merged.dns.as_ref().map_or(dns_enabled, |(servers, _)| *servers == DnsServers::Own) {
        out.dns_self.subnets.insert(net);
    }
    out.dns_self.reservations.extend(own_dns);
    let switch = |own: Option<bool>, default: Option<bool>| own.or(default).unwrap_or(false);
    Some(Subnet {
        network,
        interfaces: links,
        pools,
        reservations,
        active: written.active.unwrap_or(true),
        access,
        scope: Scope {
            options: option_set(&merged, net, naming.as_ref()),
            vendor: merged.vendor,
            lease_secs: lease_secs.into(),
            ..Scope::default()
        },
        renewal_permille,
        rebinding_permille,
        ignore_client_id: switch(own.ignore_client_id, defaults.ignore_client_id),
        always_broadcast: switch(own.always_broadcast, defaults.always_broadcast),
        refuse_unrelayed_option82: switch(own.refuse_unrelayed_option82, defaults.refuse_unrelayed_option82),
        rapid_commit: switch(own.rapid_commit, defaults.rapid_commit),
        probe: probing::when(own.probe.or(defaults.probe)),
        bootp: match own.bootp.or(defaults.bootp) {
            None | Some(v1::Bootp::None) => BootpClients::Refused,
            Some(v1::Bootp::Reserved) => BootpClients::Reserved,
            Some(v1::Bootp::Dynamic) => BootpClients::Dynamic,
        },
        naming,
        ..Subnet::new(net)
    })
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

/// Own options over those of `[dhcp]`.
fn merge(own: Options, global: &Options) -> Options {
    let mut plain = global.plain.clone();
    plain.extend(own.plain);
    Options {
        plain,
        routers: own.routers.or_else(|| global.routers.clone()),
        routes: own.routes.or_else(|| global.routes.clone()),
        dns: own.dns.or_else(|| global.dns.clone()),
        ntp: own.ntp.or_else(|| global.ntp.clone()),
        vendor: if own.vendor == VendorOptions::default() { global.vendor.clone() } else { own.vendor },
    }
}

/// The options as they are sent, with what follows from the prefix and the domain.
fn option_set(merged: &Options, net: Ipv4Net, naming: Option<&dhcp::settings::Naming>) -> OptionSet {
    let mut set = BTreeMap::new();
    set.insert(code::SUBNET_MASK, build::subnet_mask(net));
    if net.prefix_len() < 31 {
        set.insert(code::BROADCAST_ADDRESS, build::broadcast_address(net));
    }
    if let Some(naming) = naming {
        set.insert(code::DOMAIN_NAME, build::domain_name(&plain(&naming.domain)));
    }
    set.extend(merged.plain.clone());
    if let Some((routers, _)) = &merged.routers {
        set.insert(code::ROUTER, build::routers(routers));
    }
    if let Some((DnsServers::Listed(servers), _)) = &merged.dns {
        set.insert(code::DOMAIN_NAME_SERVER, build::domain_name_servers(servers));
    }
    encode_routes(&mut set, merged.routers.as_ref(), merged.routes.as_ref());
    // An empty list says that the option is not sent, whatever `[dhcp]` has.
    set.retain(|_, data| !data.is_empty());
    OptionSet(set)
}

/// Option 121, with the default route in it: RFC 3442: "the DHCP client MUST ignore the Router option" beside it.
pub(super) fn encode_routes(
    set: &mut BTreeMap<u8, Box<[u8]>>,
    routers: Option<&(Vec<Ipv4Addr>, Span)>,
    routes: Option<&(Vec<(Ipv4Net, Ipv4Addr)>, Span)>,
) {
    let Some((routes, _)) = routes else { return };
    if routes.is_empty() {
        return;
    }
    let default = routers.and_then(|(routers, _)| routers.first().copied());
    set.insert(code::CLASSLESS_STATIC_ROUTE, build::classless_static_routes(routes, default));
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

pub(super) fn check_own_dns(options: &Options, dns_enabled: bool, findings: &mut Findings) {
    if let (Some((DnsServers::Own, span)), false) = (&options.dns, dns_enabled) {
        findings.absent(
            *span,
            "clients cannot be told this server as their DNS server: the embedded one does not run",
            "does not run",
            "list the addresses of your DNS servers, or add a [[zone]] without `server`, or `enabled = true` in [dns]",
        );
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
