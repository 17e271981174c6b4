//! Machines with one name for all their addresses: what each of their interfaces comes to.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::rc::Rc;

use ddns::hosts::ByHand;
use dhcp::settings::{AddressRange, Reservation, ReservedFor, Scope};
use dns::{ConflictGuard, Fqdn, HostIdentity};
use ipnet::Ipv4Net;

use super::keys::plain;
use super::naming;
use super::pools::{Placed, never_leased};
use super::scalars::{finite_seconds, prefix};
use super::zones::Zones;
use super::{clients, network};
use crate::fault::{Findings, Span};
use crate::file::At;
use crate::file::kinds::HostAddress;
use crate::file::v1::{self, File};

/// Time to live of what is configured by hand, as that of static records, in seconds.
const TTL_SECS_DEFAULT: u32 = 3_600;

/// A machine.
#[derive(Debug)]
pub(super) struct Host {
    pub(super) name: Fqdn,
    pub(super) name_span: Span,
    /// Whose the name is, at each of its addresses.
    pub(super) identity: HostIdentity,
    /// As written.
    pub(super) ttl_secs: Option<u32>,
}

/// An interface that has its address by DHCP.
#[derive(Debug)]
pub(super) struct Interface {
    pub(super) host: Rc<Host>,
    /// `None`: from the pools of whatever subnet it comes up in.
    pub(super) address: Option<(Ipv4Addr, Span)>,
    pub(super) clients: Vec<clients::Written>,
}

/// All machines of a file.
#[derive(Debug, Default)]
pub(super) struct Hosts {
    interfaces: Vec<Interface>,
    by_hand: Vec<(IpAddr, Span, Rc<Host>)>,
}

impl Hosts {
    /// The interfaces that a subnet is to know.
    pub(super) fn interfaces_in(&self, net: Ipv4Net) -> impl Iterator<Item = &Interface> {
        self.interfaces.iter().filter(move |one| one.address.is_none_or(|(address, _)| net.contains(&address)))
    }

    /// The addresses of a subnet that are configured by hand.
    pub(super) fn by_hand_in(&self, net: Ipv4Net) -> impl Iterator<Item = (Ipv4Addr, Span)> {
        self.by_hand.iter().filter_map(move |(address, span, _)| match address {
            IpAddr::V4(v4) if net.contains(v4) => Some((*v4, *span)),
            _ => None,
        })
    }

    /// The domain of a name in a subnet, where the subnet itself has none.
    pub(super) fn domain_in(&self, net: Ipv4Net) -> Option<Fqdn> {
        let mut here = self.by_hand.iter();
        let found = here.find(|(address, ..)| matches!(address, IpAddr::V4(v4) if net.contains(v4)));
        found.and_then(|(_, _, host)| host.name.parent())
    }

    /// The names that addresses have which are configured by hand.
    pub(super) fn names(&self) -> impl Iterator<Item = &Fqdn> {
        self.by_hand.iter().map(|(_, _, host)| &host.name)
    }

    /// The addresses that are configured by hand.
    pub(super) fn addresses(&self) -> impl Iterator<Item = IpAddr> {
        self.by_hand.iter().map(|(address, ..)| *address)
    }

    /// As the reconciler knows them.
    pub(super) fn settings(&self, guard: ConflictGuard) -> ddns::hosts::Hosts {
        let list = self.by_hand.iter().map(|(address, _, host)| ByHand {
            address: *address,
            name: host.name.clone(),
            identity: host.identity.clone(),
            ttl_secs: host.ttl_secs.unwrap_or(TTL_SECS_DEFAULT),
            guard,
        });
        ddns::hosts::Hosts::new(list.collect())
    }

    /// What is left of ranges when the addresses that are configured by hand are taken out.
    pub(super) fn spare(&self, ranges: Vec<AddressRange>, placed: &[Placed]) -> Vec<AddressRange> {
        let inside = |address: &Ipv4Addr| placed.iter().any(|(pool, _)| (pool.first..=pool.last).contains(address));
        let holes = self.by_hand.iter().filter_map(|(address, ..)| match address {
            IpAddr::V4(v4) => Some(*v4).filter(inside),
            IpAddr::V6(_) => None,
        });
        holes.fold(ranges, |left, hole| {
            let hole = AddressRange { first: hole, last: hole };
            left.into_iter().flat_map(|range| super::pools::cut(range, hole)).collect()
        })
    }
}

/// The machines, each alone and against each other.
pub(super) fn read(file: &File, zones: &Zones, findings: &mut Findings) -> Hosts {
    let mut out = Hosts::default();
    let mut names: BTreeMap<Fqdn, Span> = BTreeMap::new();
    let mut addresses: BTreeMap<IpAddr, Span> = BTreeMap::new();
    let places = Places::of(file);
    for at in &file.host {
        let Some(found) = read_one(at, &places, zones, findings) else { continue };
        let (name, span) = (found.name.clone(), found.name_span);
        if let Some(earlier) = names.get(&name) {
            findings
                .fault(
                    span,
                    format!("two hosts have the name `{}`", plain(&name)),
                    "again",
                    "write all interfaces of one machine in one [[host]], or choose another name",
                )
                .see(*earlier, "here first");
            continue;
        }
        names.insert(name, span);
        for (address, span) in &found.by_hand {
            if let Some(earlier) = addresses.insert(*address, *span) {
                findings
                    .fault(
                        *span,
                        format!("the address {address} is written twice"),
                        "again",
                        "take it out here or there: a machine has an address for itself",
                    )
                    .see(earlier, "here first");
            }
        }
        let Found { name, name_span, identity, ttl_secs, interfaces, by_hand } = found;
        let host = Rc::new(Host { name, name_span, identity, ttl_secs });
        out.by_hand.extend(by_hand.into_iter().map(|(address, span)| (address, span, Rc::clone(&host))));
        let interfaces = interfaces.into_iter();
        out.interfaces.extend(interfaces.map(|(address, clients)| Interface {
            host: Rc::clone(&host),
            address,
            clients,
        }));
    }
    out
}

/// An interface that has its address by DHCP: the address, if it is its own, and by what it is known.
type Leased = (Option<(Ipv4Addr, Span)>, Vec<clients::Written>);

struct Found {
    name: Fqdn,
    name_span: Span,
    identity: HostIdentity,
    ttl_secs: Option<u32>,
    interfaces: Vec<Leased>,
    by_hand: Vec<(IpAddr, Span)>,
}

/// Where addresses can be: the subnets as they are written, and the domains of each.
struct Places<'f> {
    file: &'f File,
    nets: Vec<(Ipv4Net, &'f v1::Subnet)>,
    /// Some subnet could not be read.
    incomplete: bool,
}

impl<'f> Places<'f> {
    fn of(file: &'f File) -> Self {
        // What is wrong with them is told where they are read.
        let net =
            |at: &'f At<v1::Subnet>| Some((prefix(at.value.prefix.as_ref()?, &mut Findings::default())?, &at.value));
        let nets: Vec<_> = file.subnet.iter().filter_map(net).collect();
        Self { file, incomplete: nets.len() < file.subnet.len(), nets }
    }

    fn holding(&self, address: Ipv4Addr) -> Option<&'f v1::Subnet> {
        self.nets.iter().find(|(net, _)| net.contains(&address)).map(|(_, subnet)| *subnet)
    }

    /// The domain that a name of one label is put under.
    fn domain(&self, address: Option<IpAddr>, zones: &Zones) -> Option<Fqdn> {
        let subnet = match address {
            Some(IpAddr::V4(v4)) => self.holding(v4),
            _ => None,
        };
        let around = subnet.and_then(|subnet| network::table(self.file, subnet));
        let keys = subnet.map_or_else(v1::NamingKeys::default, v1::Subnet::naming_keys);
        let keys = keys.over(around.map_or_else(v1::NamingKeys::default, v1::Network::naming_keys));
        naming::domain(keys.over(self.file.ddns.naming_keys()).domain?, zones, &mut Findings::default())
    }
}

fn read_one(at: &At<v1::Host>, places: &Places<'_>, zones: &Zones, findings: &mut Findings) -> Option<Found> {
    let written = &at.value;
    let mut by_hand = Vec::new();
    let mut interfaces = Vec::new();
    for text in written.address.iter().flat_map(At::each) {
        by_hand.extend(by_hand_at(&text, findings));
    }
    for interface in &written.interface {
        let clients = clients::of_interface(&interface.value, findings);
        match (&interface.value.address, clients.is_empty()) {
            (Some(text), true) => by_hand.extend(by_hand_at(text, findings)),
            (Some(text), false) => {
                interfaces.extend(leased_at(text, places, findings).map(|address| (Some(address), clients)));
            }
            (None, false) => interfaces.push((None, clients)),
            (None, true) => findings.absent(
                interface.span,
                "the interface has neither an address nor an identifier",
                "says nothing",
                "add `hardware = \"52:54:00:12:34:56\"` for one that has its address by DHCP, or `address` for one that \
                 is configured by hand",
            ),
        }
    }
    if written.address.is_none() && written.interface.is_empty() {
        findings.absent(
            at.span,
            "the host has no address",
            "has neither `address` nor a [[host.interface]]",
            "add `address = \"192.168.30.5\"` for a machine that is configured by hand, or a [[host.interface]]",
        );
    }
    let leased = interfaces.iter().filter_map(|(address, _)| address.map(|(v4, _)| IpAddr::V4(v4)));
    let addresses = by_hand.iter().map(|(address, _)| *address).chain(leased);
    let domain = match &written.domain {
        Some(domain) => Some(naming::domain(domain, zones, findings)?),
        None => addresses.map(Some).chain([None]).find_map(|address| places.domain(address, zones)),
    };
    let name_at = written.name.as_ref()?;
    let name = naming::host_name(name_at, domain.as_ref(), zones, findings)?;
    let ttl_secs = written.ttl.as_ref().and_then(|ttl| finite_seconds(ttl, "ttl", findings));
    let identity = identity(&name, &interfaces);
    Some(Found { name, name_span: name_at.span, identity, ttl_secs, interfaces, by_hand })
}

/// Whose the name is: what a reservation for all interfaces would say, and for a machine that has no identifier what its
/// name makes.
fn identity(name: &Fqdn, interfaces: &[Leased]) -> HostIdentity {
    let clients: Vec<ReservedFor> =
        interfaces.iter().flat_map(|(_, clients)| clients).filter_map(|(client, ..)| client.clone()).collect();
    let whole = Reservation { address: None, clients, hostname: None, host: None, scope: Scope::default() };
    whole.identity().unwrap_or_else(|| HostIdentity::of_name(name))
}

/// An address that a machine can have.
fn parsed(at: &At<HostAddress>, findings: &mut Findings) -> Option<IpAddr> {
    let Ok(address) = at.value.0.trim().parse::<IpAddr>() else {
        findings.fault(
            at.span,
            format!("`{}` is not an IP address", at.value.0),
            "not an address",
            "write an address such as 192.168.30.5 or 2001:db8::5",
        );
        return None;
    };
    let never = match address {
        IpAddr::V4(v4) => never_leased(AddressRange { first: v4, last: v4 }).map(|(_, what)| what),
        IpAddr::V6(v6) if v6.is_unspecified() || v6.is_multicast() || v6.is_loopback() => {
            Some("not an address that others reach it at")
        }
        IpAddr::V6(v6) if v6.is_unicast_link_local() => Some("link-local, which means nothing elsewhere"),
        IpAddr::V6(_) => None,
    };
    if let Some(what) = never {
        findings.fault(
            at.span,
            format!("no name can stand for {address}: {what}"),
            "not a host's",
            "write another one",
        );
        return None;
    }
    Some(address)
}

fn by_hand_at(at: &At<HostAddress>, findings: &mut Findings) -> Option<(IpAddr, Span)> {
    parsed(at, findings).map(|address| (address, at.span))
}

/// The address that an interface is given: in one of the subnets.
fn leased_at(at: &At<HostAddress>, places: &Places<'_>, findings: &mut Findings) -> Option<(Ipv4Addr, Span)> {
    let IpAddr::V4(v4) = parsed(at, findings)? else {
        findings.fault(
            at.span,
            "an interface with an identifier has an IPv4 address by DHCP",
            "not IPv4",
            "write the IPv6 address in a [[host.interface]] of its own, without an identifier",
        );
        return None;
    };
    if places.holding(v4).is_none() {
        if !places.incomplete {
            findings.absent(
                at.span,
                format!("the address {v4} is in no subnet, so no client can be given it"),
                "in no subnet",
                "add the [[subnet]], or take the identifier out where the address is configured at the machine itself",
            );
        }
        return None;
    }
    Some((v4, at.span))
}
