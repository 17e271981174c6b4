//! Subnets: each alone, then against the others.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use dhcp::options::{self as build, code};
use dhcp::settings::{AddressRange, LeaseTime, OptionSet, Subnet};
use ipnet::Ipv4Net;

use super::keys::plain;
use super::options::{self, DnsServers, Options};
use super::pools::{self, never_leased, show};
use super::reservation::{self, Around};
use super::scalars::{INFINITE, finite_seconds, prefix, seconds, show_seconds};
use super::zones::Zones;
use super::{interfaces, naming};
use crate::fault::{Findings, Span};
use crate::file::At;
use crate::file::v1::{File, LeaseKeys, SubnetReverse};
use crate::settings::DnsSelf;

/// Twelve hours.
const LEASE_SECS_DEFAULT: u32 = 43_200;
/// What a client gets at least, unless the file says otherwise, in seconds.
const LEASE_SECS_MIN_DEFAULT: u32 = 120;
/// What a client gets at most, unless the file says otherwise: a day, in seconds.
const LEASE_SECS_MAX_DEFAULT: u32 = 86_400;

/// The subnets and what the rest needs to know about them.
#[derive(Debug, Default)]
pub(super) struct Subnets {
    pub(super) list: Vec<Subnet>,
    pub(super) dns_self: DnsSelf,
    /// Subnets whose reverse zones are wanted, and where to complain when there is none.
    pub(super) reverse_wanted: Vec<(Ipv4Net, Span)>,
}

pub(super) fn read(file: &File, zones: &Zones, dns_enabled: bool, findings: &mut Findings) -> Subnets {
    let mut out = Subnets::default();
    let global = options::read(file.dhcp.option_keys(), findings);
    check_own_dns(&global, dns_enabled, findings);
    let mut placed: Vec<(Ipv4Net, Span)> = Vec::new();
    for at in &file.subnet {
        let span = at.value.prefix.as_ref().map_or(at.span, |prefix| prefix.span);
        let Some(subnet) = read_one(at, file, &global, zones, dns_enabled, &mut out, findings) else { continue };
        placed.push((subnet.prefix, span));
        out.list.push(subnet);
    }
    check_overlaps(placed, findings);
    out.list.sort_by_key(|subnet| subnet.prefix);
    out.list.dedup_by_key(|subnet| subnet.prefix);
    out
}

fn read_one(
    at: &At<crate::file::v1::Subnet>,
    file: &File,
    global: &Options,
    zones: &Zones,
    dns_enabled: bool,
    out: &mut Subnets,
    findings: &mut Findings,
) -> Option<Subnet> {
    let written = &at.value;
    let prefix_span = written.prefix.as_ref().map_or(at.span, |prefix| prefix.span);
    let net = written.prefix.as_ref().and_then(|text| prefix(text, findings));
    if let Some(net) = net {
        check_prefix(net, prefix_span, findings);
    }
    let naming = naming::read(written.naming_keys(), file.ddns.naming_keys(), zones, findings);
    let merged = merge(options::read(written.option_keys(), findings), global);
    check_routers(&merged, net, findings);
    check_own_dns(&merged, dns_enabled, findings);
    let placed = pools::read(written.pools.as_deref().unwrap_or_default(), net, findings);
    let ranges = pools::without(&placed, written.exclude.as_deref().unwrap_or_default(), net, findings);
    let around = Around { prefix: net, naming: naming.as_ref(), zones, dns_enabled, options: &merged };
    let (reservations, own_dns) = reservation::read(&written.reservation, &around, findings);
    let reserved: BTreeSet<Ipv4Addr> = reservations.iter().map(|reservation| reservation.address).collect();
    check_servers_in_pools(&merged, &ranges, &reserved, findings);
    let lease_secs = lease_times(written.lease_keys(), file.dhcp.lease_keys(), findings);
    let (renewal_permille, rebinding_permille) = timers(written.lease_keys(), file.dhcp.lease_keys(), findings);
    let lease = written.lease_keys();
    let defaults = file.dhcp.lease_keys();
    let links = interfaces(written.interfaces.as_deref(), findings);
    if written.pools.is_none() && written.reservation.is_empty() {
        findings.warn(
            prefix_span,
            "the subnet has neither pools nor reservations, so it leases nothing",
            "leases nothing",
            "add `pools = [\"first-last\"]`",
        );
    }
    let net = net?;
    if naming.is_some() && written.reverse.as_ref().is_none_or(|reverse| reverse.value == SubnetReverse::Auto) {
        out.reverse_wanted.push((net, prefix_span));
    }
    let dns_self = match &merged.dns {
        Some((DnsServers::Own, _)) => true,
        Some((DnsServers::Listed(_), _)) => false,
        None => dns_enabled,
    };
    if dns_self {
        out.dns_self.subnets.insert(net);
    }
    out.dns_self.reservations.extend(own_dns);
    Some(Subnet {
        prefix: net,
        interfaces: links,
        pools: ranges,
        reservations,
        active: written.active.unwrap_or(true),
        lease_secs,
        renewal_permille,
        rebinding_permille,
        options: option_set(&merged, net, naming.as_ref()),
        ignore_client_id: lease.ignore_client_id.or(defaults.ignore_client_id).unwrap_or(false),
        always_broadcast: lease.always_broadcast.or(defaults.always_broadcast).unwrap_or(false),
        refuse_unrelayed_option82: lease
            .refuse_unrelayed_option82
            .or(defaults.refuse_unrelayed_option82)
            .unwrap_or(false),
        naming,
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

fn lease_times(own: LeaseKeys<'_>, global: LeaseKeys<'_>, findings: &mut Findings) -> LeaseTime {
    let written = own.lease_time.or(global.lease_time);
    let read = |at: Option<&At<crate::file::kinds::Duration>>, key: &str, findings: &mut Findings| {
        let secs = seconds(at?, findings)?;
        if secs == 0 { finite_seconds(at?, key, findings) } else { Some(secs) }
    };
    let least = own.lease_time_min.or(global.lease_time_min);
    let most = own.lease_time_max.or(global.lease_time_max);
    let default = read(written, "lease_time", findings);
    let (min, max) = (read(least, "lease_time_min", findings), read(most, "lease_time_max", findings));
    if let (Some(min), Some(max), Some(least), Some(most)) = (min, max, least, most)
        && min > max
    {
        findings
            .fault(
                least.span,
                format!(
                    "`lease_time_min` ({}) is more than `lease_time_max` ({})",
                    show_seconds(min),
                    show_seconds(max)
                ),
                "more than the most",
                "make it less than the other",
            )
            .see(most.span, "the most");
    } else if let (Some(default), Some(written)) = (default, written) {
        for (bound, at, key, wrong) in [
            (min, least, "lease_time_min", min.is_some_and(|min| default < min)),
            (max, most, "lease_time_max", max.is_some_and(|max| default > max)),
        ] {
            let (Some(bound), Some(at), true) = (bound, at, wrong) else { continue };
            let how = if default < bound { "less" } else { "more" };
            findings
                .fault(
                    written.span,
                    format!("`lease_time` ({}) is {how} than `{key}` ({})", show_seconds(default), show_seconds(bound)),
                    format!("{how} than `{key}`"),
                    format!("write a time that `{key}` allows, or change that"),
                )
                .see(at.span, "the bound");
        }
    }
    let fallback = LEASE_SECS_DEFAULT.clamp(min.unwrap_or(0), max.unwrap_or(INFINITE).max(min.unwrap_or(0)));
    let default = default.unwrap_or(fallback);
    LeaseTime {
        default,
        min: min.unwrap_or(LEASE_SECS_MIN_DEFAULT.min(default)),
        max: max.unwrap_or(LEASE_SECS_MAX_DEFAULT.max(default)),
    }
}

/// T1 and T2 in thousandths of the lease time.
fn timers(own: LeaseKeys<'_>, global: LeaseKeys<'_>, findings: &mut Findings) -> (u16, u16) {
    let mut share = |at: Option<&At<f64>>, key: &str, default: u16| {
        let Some(at) = at else { return default };
        let permille = (at.value * 1000.0).round();
        if !(1.0..=999.0).contains(&permille) {
            findings.fault(
                at.span,
                format!("`{key}` is a share of the lease time, so it lies between 0 and 1"),
                "not a share",
                format!("write a number such as {}", f64::from(default) / 1000.0),
            );
            return default;
        }
        permille as u16
    };
    let (t1_at, t2_at) = (own.t1.or(global.t1), own.t2.or(global.t2));
    // RFC 2131 section 4.4.5: "T1 defaults to (0.5 * duration_of_lease). T2 defaults to (0.875 *
    // duration_of_lease)", and "T1 MUST be earlier than T2".
    let (t1, t2) = (share(t1_at, "t1", 500), share(t2_at, "t2", 875));
    if t1 >= t2
        && let Some(at) = t1_at.or(t2_at)
    {
        findings.fault(
            at.span,
            format!("`t1` ({}) must be less than `t2` ({})", f64::from(t1) / 1000.0, f64::from(t2) / 1000.0),
            "in the wrong order",
            "a client first renews (`t1`, usually 0.5), later asks any server (`t2`, usually 0.875)",
        );
    }
    (t1, t2)
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
