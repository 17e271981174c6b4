//! DHCP options by name and by number, to the bytes that are sent.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use dhcp::options::vendor::VendorOptions;
use dhcp::options::{self as build, IPV6_ONLY_WAIT_SECS_MIN, code};
use dns::Fqdn;
use ipnet::Ipv4Net;

use super::definitions::Definitions;
use super::named_options;
use super::scalars::{INFINITE, address, addresses, name, prefix, seconds};
use super::vendor;
use crate::fault::{Findings, Span};
use crate::file::At;
use crate::file::kinds::{Address, WordOr};
use crate::file::v1::{OptionKeys, Route};

/// The options of one table, as bytes, and what must be seen together with other tables.
#[derive(Clone, Debug, Default)]
pub(super) struct Options {
    /// All but 6, 3 and 121. An empty value stands for "not sent".
    pub(super) plain: BTreeMap<u8, Box<[u8]>>,
    /// Routers, and where they are written.
    pub(super) routers: Option<(Vec<Ipv4Addr>, Span)>,
    /// Classless routes, and where they are written.
    pub(super) routes: Option<(Vec<(Ipv4Net, Ipv4Addr)>, Span)>,
    /// DNS servers, and where they are written.
    pub(super) dns: Option<(DnsServers, Span)>,
    /// Options 43 and 125, by who made the client.
    pub(super) vendor: VendorOptions,
    /// NTP servers, for the check against pools.
    pub(super) ntp: Option<(Vec<Ipv4Addr>, Span)>,
}

/// The DNS servers that clients are told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum DnsServers {
    /// This server.
    Own,
    /// These.
    Listed(Vec<Ipv4Addr>),
}

/// `definitions` say what the names among `options` stand for.
pub(super) fn read(keys: OptionKeys<'_>, definitions: &Definitions, findings: &mut Findings) -> Options {
    let mut plain = BTreeMap::new();
    if let Some(mask) = keys.mask {
        plain.extend(read_mask(mask, findings).map(|mask| (code::SUBNET_MASK, build::addresses(&[mask]))));
    }
    if let Some(broadcast) = keys.broadcast {
        let broadcast = address(broadcast, findings);
        plain.extend(broadcast.map(|broadcast| (code::BROADCAST_ADDRESS, build::addresses(&[broadcast]))));
    }
    if let Some(domain) = keys.domain_name {
        let domain = name(domain, findings);
        plain.extend(domain.map(|domain| (code::DOMAIN_NAME, build::domain_name(&domain.to_string()))));
    }
    if let Some(search) = keys.domain_search {
        let names: Vec<Fqdn> = search.value.iter().filter_map(|at| name(at, findings)).collect();
        plain.insert(code::DOMAIN_SEARCH, build::domain_search(&names));
    }
    let ntp = keys.ntp_servers.map(|servers| (addresses(&servers.value, findings), servers.span));
    if let Some((servers, _)) = &ntp {
        plain.insert(code::NETWORK_TIME_PROTOCOL_SERVERS, build::ntp_servers(servers));
    }
    if let Some(mtu) = keys.mtu {
        if mtu.value < 68 {
            // RFC 2132 section 5.1: "The minimum legal value for the MTU is 68."
            findings.fault(
                mtu.span,
                "an MTU is at least 68",
                "too small",
                "write the link's MTU in bytes, such as 1500",
            );
        }
        plain.insert(code::INTERFACE_MTU, build::interface_mtu(mtu.value));
    }
    if let Some(wait) = keys.ipv6_only
        && let Some(secs) = seconds(wait, findings)
    {
        if secs < IPV6_ONLY_WAIT_SECS_MIN || secs == INFINITE {
            findings.fault(
                wait.span,
                "`ipv6_only` is at least 300 seconds (RFC 8925 section 3.4), and not infinite",
                "out of range",
                "write a time such as \"30m\"",
            );
        }
        plain.insert(code::IPV6_ONLY_PREFERRED, build::ipv6_only_preferred(secs));
    }
    for (at, number) in [(keys.tftp_server_name, code::TFTP_SERVER_NAME), (keys.boot_file_name, code::BOOTFILE_NAME)] {
        plain.extend(at.map(|at| (number, build::text(&at.value.0))));
    }
    if let Some(options) = keys.options {
        named_options::read(options, definitions, &mut plain, findings);
    }
    Options {
        vendor: keys.vendor.map(|list| vendor::read(list, definitions, findings)).unwrap_or_default(),
        plain,
        routers: keys.routers.map(|list| (addresses(&list.value, findings), list.span)),
        routes: keys.routes.map(|list| (read_routes(&list.value, findings), list.span)),
        dns: keys.dns_servers.map(|servers| (read_dns(&servers.value, findings), servers.span)),
        ntp,
    }
}

fn read_mask(at: &At<Address>, findings: &mut Findings) -> Option<Ipv4Addr> {
    let mask = address(at, findings)?;
    let bits = mask.to_bits();
    if bits.leading_ones() + bits.trailing_zeros() < 32 {
        findings.fault(
            at.span,
            format!("`{mask}` is not a subnet mask"),
            "has a hole in it",
            "write a mask whose ones all come first, such as 255.255.255.0; without `mask`, it is the prefix's own",
        );
        return None;
    }
    Some(mask)
}

fn read_dns(servers: &WordOr<crate::file::kinds::OwnAddress, Address>, findings: &mut Findings) -> DnsServers {
    match servers {
        WordOr::Word(_) => DnsServers::Own,
        WordOr::List(list) => DnsServers::Listed(addresses(list, findings)),
    }
}

fn read_routes(list: &[At<Route>], findings: &mut Findings) -> Vec<(Ipv4Net, Ipv4Addr)> {
    list.iter()
        .filter_map(|route| {
            let to = route.value.to.as_ref().and_then(|to| prefix(to, findings));
            let via = route.value.via.as_ref().and_then(|via| address(via, findings));
            Some((to?, via?))
        })
        .collect()
}

/// The key that sets an option, where it has one: such an option cannot be set among `options`.
#[must_use]
pub fn own_key(option_code: u8) -> Option<&'static str> {
    Some(match option_code {
        code::SUBNET_MASK => "mask",
        code::ROUTER => "routers",
        code::DOMAIN_NAME_SERVER => "dns_servers",
        code::DOMAIN_NAME => "domain_name",
        code::INTERFACE_MTU => "mtu",
        code::BROADCAST_ADDRESS => "broadcast",
        code::NETWORK_TIME_PROTOCOL_SERVERS => "ntp_servers",
        code::IP_ADDRESS_LEASE_TIME => "lease_time",
        code::RENEWAL_TIME_VALUE => "t1",
        code::REBINDING_TIME_VALUE => "t2",
        code::TFTP_SERVER_NAME => "tftp_server_name",
        code::BOOTFILE_NAME => "boot_file_name",
        code::IPV6_ONLY_PREFERRED => "ipv6_only",
        code::DOMAIN_SEARCH => "domain_search",
        code::CLASSLESS_STATIC_ROUTE => "routes",
        code::HOST_NAME => "hostname",
        _ => return None,
    })
}
