//! Shared networks, and the subnets that name them.

use dhcp::settings::{NetworkId, SharedNetwork};
use ipnet::Ipv4Net;

use super::class::check_name;
use super::interfaces;
use super::options::Options;
use super::reservation::Clients;
use super::scope::{self, Wider, With, written};
use crate::fault::{Findings, Span};
use crate::file::At;
use crate::file::kinds::NetworkName;
use crate::file::suggest::nearest;
use crate::file::v1;

/// The shared networks of a file, in the order in which they are written.
#[derive(Debug, Default)]
pub(super) struct Networks {
    pub(super) list: Vec<SharedNetwork>,
    /// Their options as they are written, in the same order.
    options: Vec<Options>,
    spans: Vec<Span>,
    /// Some network's name could not be read, so a name that is not here may have been meant by it.
    unnamed: bool,
}

pub(super) fn read(file: &v1::File, with: With<'_>, findings: &mut Findings) -> Networks {
    let mut out = Networks::default();
    for at in &file.network {
        let interfaces = interfaces(at.value.interfaces.as_deref(), findings);
        let wider = Wider { times: file.dhcp.time_keys(), naming: file.ddns.naming_keys() };
        let (scope, options) = scope::read(written!(at.value), wider, with, findings);
        let Some(written) = &at.value.name else {
            out.unnamed = true;
            continue;
        };
        let name = written.value.0.clone();
        check_name(&name, "network", written.span, findings);
        if let Some(earlier) = out.list.iter().position(|network| network.name == name) {
            findings
                .fault(
                    written.span,
                    format!("the network `{name}` is defined twice"),
                    "defined again",
                    "take one of them out, or give it another name",
                )
                .see(out.spans[earlier], "defined here first");
        }
        out.list.push(SharedNetwork { name, scope, interfaces, order: Vec::new() });
        out.options.push(options);
        out.spans.push(written.span);
    }
    if let (true, Some(span)) = (u16::try_from(out.list.len()).is_err(), out.spans.last()) {
        findings.fault(*span, "there are more than 65,535 networks", "too many", "make fewer networks");
    }
    out
}

/// The table of the network that a subnet names.
pub(super) fn table<'f>(file: &'f v1::File, subnet: &v1::Subnet) -> Option<&'f v1::Network> {
    let wanted = subnet.network.as_ref()?;
    let named = |at: &&At<v1::Network>| at.value.name.as_ref().is_some_and(|name| name.value == wanted.value);
    file.network.iter().find(named).map(|at| &at.value)
}

impl Networks {
    /// A network's options as they are written.
    pub(super) fn options(&self, id: NetworkId) -> Option<&Options> {
        self.options.get(usize::from(id.0))
    }

    /// The network that `at` names; reported when there is none.
    pub(super) fn get(&self, at: &At<NetworkName>, findings: &mut Findings) -> Option<NetworkId> {
        let found = self.list.iter().position(|network| network.name == at.value.0);
        if found.is_none() && !self.unnamed {
            let names: Vec<&str> = self.list.iter().map(|network| network.name.as_str()).collect();
            let mend = match nearest(&at.value.0, &names) {
                Some(name) => format!("did you mean \"{name}\"?"),
                None => format!("add a [[network]] with `name = \"{}\"`", at.value.0),
            };
            findings.absent(at.span, format!("the network `{}` is not defined", at.value.0), "no such network", mend);
        }
        found.and_then(|place| u16::try_from(place).ok()).map(NetworkId)
    }
}

/// A subnet that names a shared network.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) network: NetworkId,
    pub(super) prefix: Ipv4Net,
    /// Where it names the network.
    pub(super) span: Span,
    pub(super) interfaces: Vec<String>,
    /// Clients that have an address reserved in it.
    pub(super) clients: Clients,
}

/// The networks with their subnets, which are filled in the order in which they are written.
pub(super) fn joined(networks: Networks, members: &[Member], findings: &mut Findings) -> Vec<SharedNetwork> {
    let Networks { mut list, spans, .. } = networks;
    for ((place, network), span) in list.iter_mut().enumerate().zip(spans) {
        let members: Vec<&Member> = members.iter().filter(|member| usize::from(member.network.0) == place).collect();
        if members.is_empty() && !findings.refuses() {
            findings.warn(
                span,
                format!("no subnet is a part of the network `{}`", network.name),
                "without subnets",
                format!("write `network = \"{}\"` in its subnets, or take it out", network.name),
            );
        }
        check_interfaces(network, span, &members, findings);
        check_clients(network, &members, findings);
        network.order = members.iter().map(|member| member.prefix).collect();
    }
    list
}

/// A shared network is one link.
fn check_interfaces(network: &SharedNetwork, span: Span, members: &[&Member], findings: &mut Findings) {
    let sorted = |interfaces: &[String]| {
        let mut sorted = interfaces.to_vec();
        sorted.sort();
        sorted
    };
    let own = (!network.interfaces.is_empty()).then(|| (sorted(&network.interfaces), span));
    let theirs = members.iter().filter(|member| !member.interfaces.is_empty());
    let mut named = own.into_iter().chain(theirs.map(|member| (sorted(&member.interfaces), member.span)));
    let Some((first, first_span)) = named.next() else { return };
    for (interfaces, span) in named.filter(|(interfaces, _)| *interfaces != first) {
        findings
            .fault(
                span,
                format!(
                    "the network `{}` is one link, but this subnet is on {}, and not on {}",
                    network.name,
                    interfaces.join(", "),
                    first.join(", ")
                ),
                "on another interface",
                "write the interfaces in the [[network]] alone, or take this subnet out of it",
            )
            .see(first_span, "the other interfaces");
    }
}

/// A client has one address on a link.
fn check_clients(network: &SharedNetwork, members: &[&Member], findings: &mut Findings) {
    for (place, member) in members.iter().enumerate() {
        for other in &members[..place] {
            let (few, many) =
                if member.clients.len() < other.clients.len() { (member, other) } else { (other, member) };
            for (client, span) in &few.clients {
                let Some(more) = many.clients.get(client) else { continue };
                let (first, second) = if span.start < more.start { (*span, *more) } else { (*more, *span) };
                findings
                    .fault(
                        second,
                        format!(
                            "the client has an address in {} and in {}, which are both of the network `{}`",
                            other.prefix, member.prefix, network.name
                        ),
                        "again",
                        "a client has one address on a link: take one of the two out",
                    )
                    .see(first, "here first");
            }
        }
    }
}
