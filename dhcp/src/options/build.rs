//! Builds option data.

use std::net::Ipv4Addr;

use dns::Fqdn;
use ipnet::Ipv4Net;

use super::IPV6_ONLY_WAIT_SECS_MIN;

/// Addresses one after another, as in every option that lists some (3, 6, 42, ...).
#[must_use]
pub fn addresses(addresses: &[Ipv4Addr]) -> Box<[u8]> {
    addresses.iter().flat_map(Ipv4Addr::octets).collect()
}

/// Option 1 (RFC 2132 section 3.3), of the subnet's prefix.
#[must_use]
pub fn subnet_mask(prefix: Ipv4Net) -> Box<[u8]> {
    addresses(&[prefix.netmask()])
}

/// Option 3 (RFC 2132 section 3.5), "in order of preference".
#[must_use]
pub fn routers(routers: &[Ipv4Addr]) -> Box<[u8]> {
    addresses(routers)
}

/// Option 6 (RFC 2132 section 3.8), "in order of preference".
#[must_use]
pub fn domain_name_servers(servers: &[Ipv4Addr]) -> Box<[u8]> {
    addresses(servers)
}

/// Option 15 (RFC 2132 section 3.17): the domain as text. The final dot is left out, since clients write the
/// text into their resolver's file as it is.
#[must_use]
pub fn domain_name(domain: &str) -> Box<[u8]> {
    text(domain.strip_suffix('.').unwrap_or(domain))
}

/// Option 28 (RFC 2132 section 5.3), of the subnet's prefix.
#[must_use]
pub fn broadcast_address(prefix: Ipv4Net) -> Box<[u8]> {
    addresses(&[prefix.broadcast()])
}

/// Option 42 (RFC 2132 section 8.3), "in order of preference".
#[must_use]
pub fn ntp_servers(servers: &[Ipv4Addr]) -> Box<[u8]> {
    addresses(servers)
}

/// Option 26 (RFC 2132 section 5.1). "The minimum legal value for the MTU is 68."
#[must_use]
pub fn interface_mtu(bytes: u16) -> Box<[u8]> {
    bytes.max(68).to_be_bytes().into()
}

/// A time in seconds, as in options 51, 58 and 59.
#[must_use]
pub fn seconds(seconds: u32) -> Box<[u8]> {
    seconds.to_be_bytes().into()
}

/// Option 108 (RFC 8925 section 3.1): for how long the client leaves IPv4 alone.
#[must_use]
pub fn ipv6_only_preferred(wait_secs: u32) -> Box<[u8]> {
    // RFC 8925 section 3.4: "MIN_V6ONLY_WAIT: The lower boundary for V6ONLY_WAIT. Value: 300 seconds".
    seconds(wait_secs.max(IPV6_ONLY_WAIT_SECS_MIN))
}

/// Text as in options 12, 15, 56, 66, 67 and 114. RFC 2132 section 2: "Options containing NVT ASCII data SHOULD
/// NOT include a trailing NULL".
#[must_use]
pub fn text(text: &str) -> Box<[u8]> {
    text.as_bytes().into()
}

/// Option 121 (RFC 3442): each route as prefix length, the prefix's significant octets and the router.
///
/// RFC 3442: "If the DHCP server returns both a Classless Static Routes option and a Router option, the DHCP
/// client MUST ignore the Router option." So the default route belongs in here: `default_router` is added
/// unless the routes already have one.
#[must_use]
pub fn classless_static_routes(routes: &[(Ipv4Net, Ipv4Addr)], default_router: Option<Ipv4Addr>) -> Box<[u8]> {
    let has_default = routes.iter().any(|(destination, _)| destination.prefix_len() == 0);
    let default = default_router.filter(|_| !has_default).map(|router| (Ipv4Net::default(), router));
    let mut data = Vec::new();
    for (destination, router) in routes.iter().copied().chain(default) {
        let significant = usize::from(destination.prefix_len()).div_ceil(8);
        data.push(destination.prefix_len());
        // Only the octets that the mask reaches are sent, the bits outside it as zero.
        data.extend_from_slice(&destination.network().octets()[..significant]);
        data.extend_from_slice(&router.octets());
    }
    data.into()
}

/// Option 121 with a default route by `router` added, unless `data` has one already.
#[must_use]
pub fn with_default_route(data: &[u8], router: Option<Ipv4Addr>) -> Box<[u8]> {
    let mut rest = data;
    while let Some((&length, after)) = rest.split_first() {
        if length == 0 {
            return data.into();
        }
        rest = after.get(usize::from(length).div_ceil(8) + 4..).unwrap_or_default();
    }
    let default = router.map(|router| [&[0][..], &router.octets()].concat());
    [data, default.as_deref().unwrap_or_default()].concat().into()
}

/// Option 119 (RFC 3397): the search list, compressed after RFC 1035 section 4.1.4.
#[must_use]
pub fn domain_search<'n>(names: impl IntoIterator<Item = &'n Fqdn>) -> Box<[u8]> {
    let mut data = Vec::new();
    // Where each name's tail was written: the tail, and the offset that a pointer to it holds.
    let mut written: Vec<(&'n [u8], u16)> = Vec::new();
    for name in names {
        let mut tail = name.as_wire();
        while let [len @ 1..=63, rest @ ..] = tail {
            if let Some(&(_, offset)) = written.iter().find(|(known, _)| *known == tail) {
                data.extend_from_slice(&(0xC000 | offset).to_be_bytes());
                break;
            }
            // A pointer has 14 bits; a tail that lies beyond them is never pointed to.
            if let Some(offset) = u16::try_from(data.len()).ok().filter(|offset| *offset < 0x4000) {
                written.push((tail, offset));
            }
            let (label, after) = rest.split_at(usize::from(*len).min(rest.len()));
            data.push(*len);
            data.extend_from_slice(label);
            tail = after;
        }
        // Not so after a pointer, which ends a name by itself.
        if tail == [0] {
            data.push(0);
        }
    }
    data.into()
}

#[cfg(test)]
mod tests;
