//! From what is written to what it comes to. Every function reports what it finds and goes on with the rest.

mod access;
mod class;
mod clients;
mod definitions;
mod embedded;
mod encrypted;
mod gss;
mod hooks;
mod hosts;
mod keeping;
mod key_file;
mod keys;
mod limits;
mod named_options;
mod naming;
mod network;
mod option_value;
mod options;
pub(crate) mod pools;
mod probing;
mod protection;
mod quests;
mod raw_option;
mod records;
mod reservation;
mod resolver;
mod scalars;
mod scope;
mod second;
mod secondary;
mod server;
mod service;
mod subnet;
mod switches;
mod tftp;
mod times;
mod upkeep;
mod vendor;
pub(crate) mod web;
mod zones;

pub use keys::ReadSecret;
pub use options::own_key;
pub(crate) use records::{record_data, relative};
pub use scalars::parse_duration;

use std::collections::HashSet;
use std::sync::Arc;

use dhcp::class::Classes;
use dhcp::settings::{Scope, Settings, SharedNetwork, Subnet};
use dns::Fqdn;
use ipnet::Ipv4Net;

use crate::fault::{Findings, Span};
use crate::file::At;
use crate::file::kinds::InterfaceName;
use crate::file::v1::File;
use crate::settings::{Config, Ports};

/// Addresses of a client that declines one after another stop being taken out of the pool at this number.
const DECLINES_PER_CLIENT_MAX: u32 = 3;
/// For how long an offered address is held, in seconds.
const OFFER_HOLD_SECS: u32 = 60;
/// For how long a declined address is kept from everyone: a day, in seconds.
const QUARANTINE_SECS: u32 = 86_400;

/// The configuration that `file` comes to. Only of use when nothing found refuses the file.
pub(crate) fn resolve(file: &File, secrets: &dyn ReadSecret, findings: &mut Findings) -> Config {
    check_version(file, findings);
    let daemon = server::daemon(&file.server, findings);
    check_interfaces(file, &daemon.interfaces, findings);
    let keys = keys::read(&file.key, secrets, findings);
    let access = access::read(&file.view, &file.dns, &keys, findings);
    let mut zones = zones::read(&file.zone, &file.ddns, (&access, &keys), secrets, findings);
    zones.protected = server::protected(&file.ddns, findings);
    let dns_enabled = server::dns_enabled(file, &zones, findings);
    let classes = class::names(&file.class, findings);
    let definitions = definitions::read(&file.option, findings);
    let with = scope::With { definitions: &definitions, zones: &zones, dns_enabled };
    let networks = network::read(file, with, findings);
    let hosts = hosts::read(file, &zones, findings);
    let named = subnet::Named { classes: &classes, networks: &networks, hosts: &hosts };
    let subnets = subnet::read(file, named, with, findings);
    let networks = network::joined(networks, &subnets.members, findings);
    let classes = class::read(&file.class, &classes, file.ddns.naming_keys(), with, findings);
    zones.add_reverse(&reverse_wanted(&subnets, &hosts), findings);
    let prefixes: Vec<Ipv4Net> = subnets.list.iter().map(|subnet| subnet.prefix).collect();
    // A server of DNS alone leases nothing, and knows it.
    if file.subnet.is_empty() && !dns_enabled && !findings.refuses() {
        findings.warn(
            Span::default(),
            "the file has no [[subnet]], so nothing is leased",
            "no subnet",
            "add a [[subnet]] with its prefix and pools, or a [[zone]] for DNS alone",
        );
    }
    let mut dns = server::dns(file, dns_enabled, &zones, (&prefixes, &keys), findings);
    dns.views = access.views;
    let default_ports = daemon.ports == Ports::default();
    let dhcp = dhcp(file, (subnets.server, networks, classes, subnets.list), findings);
    let protected = protected(&zones, &dhcp);
    for zone in &mut dns.zones {
        zone.policy.protected = protected.within(&zone.apex);
    }
    let mut reserved = reserved(&dhcp);
    reserved.extend(hosts.names().cloned());
    let reverse: Vec<Ipv4Net> = subnets.reverse_wanted.iter().map(|(net, _)| *net).collect();
    let guard = dhcp.scope.naming.as_ref().and_then(|naming| naming.guard).unwrap_or_default();
    let stated = zones.stated();
    let (routes, quests) = quests::read(&zones, dhcp.domains(), &reserved, &reverse, (hosts.addresses(), &stated));
    let ddns = ddns::settings::Settings {
        zones: routes.into(),
        quests,
        sought: Vec::new(),
        sought_prefixes: Vec::new(),
        classless: zones.classless.clone(),
        protected,
        reserved,
        hosts: hosts.settings(guard),
        stated: stated.into(),
        patterns: dhcp.patterns(),
        // Of a machine that is configured by hand, a copy has the PTR record when its primary has.
        without_reverse: {
            let copies = zones.secondary().filter_map(|zone| secondary::prefix_of(&zone.apex));
            subnets.without_reverse.into_iter().chain(copies).collect()
        },
        reverse: server::reverse_guard(&file.ddns),
        retry: server::retry(&file.ddns, findings),
        upkeep: upkeep::read(&file.ddns, findings),
    };
    let config = Config {
        dns,
        ddns,
        dhcp,
        switches: Arc::new(switches::read(&file.switch, findings)),
        tftp: file.tftp.as_ref().and_then(|at| tftp::read(&at.value, findings)),
        web: web::read(&file.web, secrets, findings),
        history: keeping::history(&file.history, findings),
        backup: keeping::backup(&file.backup, &daemon.store, findings),
        daemon,
        service: service::read(&file.service, findings),
        hooks: hooks::read(&file.hook, secrets, findings),
    };
    // With ports of its own the daemon is being tried out, and real clients do not hear it anyway.
    if default_ports && config.dhcp.subnets.iter().any(|subnet| config.tells_own_dns(subnet)) {
        server::check_reach(&file.dns, &config.dns, findings);
    }
    config
}

fn check_version(file: &File, findings: &mut Findings) {
    if let Some(version) = file.version.as_ref().filter(|version| version.value != 1) {
        findings.fault(
            version.span,
            format!("version {} of this file is not known", version.value),
            "not known",
            "write `version = 1`, or run a newer leasehold",
        );
    }
}

/// The subnets whose PTR records need a zone, where each is written, and a domain of the names that these lead to.
fn reverse_wanted(subnets: &subnet::Subnets, hosts: &hosts::Hosts) -> Vec<(Ipv4Net, Span, Fqdn)> {
    let wanted = subnets.reverse_wanted.iter().filter_map(|(net, span)| {
        let subnet = subnets.list.iter().find(|subnet| subnet.prefix == *net)?;
        Some((*net, *span, subnet.domains().next().cloned().or_else(|| hosts.domain_in(*net))?))
    });
    wanted.collect()
}

/// The engine's settings: what `[dhcp]` and `[leasequery]` say, around what stands beneath them.
fn dhcp(
    file: &File,
    (scope, networks, classes, subnets): (Scope, Vec<SharedNetwork>, Classes, Vec<Subnet>),
    findings: &mut Findings,
) -> Settings {
    let seconds = |at: &Option<At<_>>, key: &str, default, findings: &mut Findings| {
        at.as_ref().and_then(|at| scalars::finite_seconds(at, key, findings)).unwrap_or(default)
    };
    let written = &file.dhcp;
    Settings {
        scope,
        networks,
        classes,
        offer_hold_secs: seconds(&written.offer_hold, "offer_hold", OFFER_HOLD_SECS, findings),
        quarantine_secs: seconds(&written.quarantine, "quarantine", QUARANTINE_SECS, findings),
        declines_per_client_max: written.declines_per_client.as_ref().map_or(DECLINES_PER_CLIENT_MAX, |at| at.value),
        probing: probing::read(written, findings),
        subnets,
        limits: limits::limits(&written.limits, findings),
        leasequery: limits::leasequery(&file.leasequery, findings),
    }
}

/// Names that no client may take: those of the file, those that static records and our name servers have, and the
/// domains that names are put under.
fn protected(zones: &zones::Zones, dhcp: &Settings) -> dns::NameSet {
    let mut names = zones.protected.clone();
    // The apexes are protected anyway.
    names.extend(dhcp.domains().filter(|domain| !zones.list.iter().any(|zone| zone.apex == **domain)).cloned());
    for zone in zones.embedded() {
        names.push(zone.ns.clone());
    }
    let apexes: HashSet<&Fqdn> = zones.list.iter().map(|zone| &zone.apex).collect();
    names.extend(zones.record_names().filter(|name| !apexes.contains(name)));
    names.into_iter().collect()
}

/// The full names of all reservations.
fn reserved(settings: &Settings) -> HashSet<Fqdn> {
    let subnets = settings.subnets.iter();
    let list = subnets.flat_map(|subnet| subnet.reservations.iter().map(move |reservation| (subnet, reservation)));
    list.filter_map(|(subnet, reservation)| {
        let naming = settings.reserved_naming(subnet, reservation)?;
        naming::full_name(reservation.hostname.as_deref()?, &naming).ok()
    })
    .collect()
}

/// A subnet's interface that the daemon does not serve on.
fn check_interfaces(file: &File, served: &[String], findings: &mut Findings) {
    let named = file.subnet.iter().flat_map(|subnet| subnet.value.interfaces.iter().flatten());
    for at in named.filter(|at| !served.is_empty() && !served.contains(&at.value.0)) {
        findings.warn(
            at.span,
            format!("the interface {} is not among those of [server], so the subnet is not served there", at.value.0),
            "not served",
            "add it to `interfaces` in [server], or take that key out",
        );
    }
}

/// Interface names that Linux can have.
fn interfaces(list: Option<&[At<InterfaceName>]>, findings: &mut Findings) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for at in list.unwrap_or_default() {
        let text = at.value.0.as_str();
        // The kernel's dev_valid_name: fewer than 16 bytes, no slash, colon or white space, not "." or "..".
        let valid = (1..16).contains(&text.len())
            && !matches!(text, "." | "..")
            && !text.contains(|c: char| c == '/' || c == ':' || c.is_whitespace());
        if valid {
            names.push(text.to_owned());
        } else {
            findings.fault(
                at.span,
                format!("`{text}` is not the name of an interface"),
                "not an interface",
                "write a name as `ip link` shows it, such as eth0",
            );
        }
    }
    names.dedup();
    names
}
