//! Reverse zones: which ones the subnets need, those that are made because nobody holds them, and their names.

use std::net::IpAddr;

use ::zones::{Sight, UpdatePolicy, zone_id};
use dns::{Fqdn, SetList};
use ipnet::Ipv4Net;

use super::{Server, Zone, Zones};
use crate::fault::{Findings, Span};
use crate::resolve::keys::plain;
use crate::settings::EmbeddedZone;

impl Zones {
    /// Adds the reverse zones that the subnets need and nobody holds: embedded beside an embedded forward zone,
    /// else it is asked who holds them.
    pub(in crate::resolve) fn add_reverse(&mut self, wanted: &[(Ipv4Net, Span, Fqdn)], findings: &mut Findings) {
        for (net, span, domain) in wanted {
            let missing = self.missing_reverse(*net, *span, findings);
            if missing.is_empty() || self.incomplete {
                continue;
            }
            match self.holding(domain).map(|zone| &zone.server) {
                Some(Server::Embedded(forward)) => {
                    let derived = self.derived_reverse(forward, missing, *span);
                    self.list.extend(derived);
                    self.protections.take();
                }
                Some(Server::Remote { servers, .. }) => {
                    let suggested = enclosing(*net, 24);
                    findings.absent(
                        *span,
                        format!("no zone holds the reverse names of {net}"),
                        "has no reverse zone",
                        format!(
                            "add a [[zone]] with `prefix = \"{suggested}\"` and `server = \"{}\"` (or without `server`, \
                             to hold it here); or write `reverse = \"none\"` in the subnet for no PTR records",
                            servers[0].ip()
                        ),
                    );
                }
                // A domain in a copy is reported where it is written.
                Some(Server::Secondary(_)) | None => {}
            }
        }
    }

    /// The prefixes of whole octets in `net` whose reverse names are in no zone yet. None, and a fault, where they are in a
    /// copy of another server's zone.
    fn missing_reverse(&self, net: Ipv4Net, span: Span, findings: &mut Findings) -> Vec<Ipv4Net> {
        let classless = self.classless.iter().find(|classless| classless.prefix.contains(&net));
        let copy = match classless {
            Some(classless) => self.copy_holding(&classless.parent),
            None => reverse_prefixes(net).find_map(|part| self.copy_holding(&reverse_apex(part))),
        };
        if let Some(apex) = copy {
            refuse_reverse(net, apex, span, findings);
        }
        if classless.is_some() || copy.is_some() {
            return Vec::new();
        }
        reverse_prefixes(net).filter(|part| self.holding(&reverse_apex(*part)).is_none()).collect()
    }

    /// Reverse zones of `parts`, as the zone `forward` of their names is: for the same views and updated by the same keys.
    fn derived_reverse(&self, forward: &EmbeddedZone, parts: Vec<Ipv4Net>, span: Span) -> Vec<Zone> {
        let views = self.views_with_leases(forward);
        let names: Vec<&str> =
            views.iter().flatten().filter_map(|at| self.view_names.get(*at)).map(|name| &**name).collect();
        let derived = parts.into_iter().map(|part| {
            let apex = reverse_apex(part);
            let id = views.as_ref().and_then(|_| zone_id::of_views(&apex, &names));
            let sight = Sight {
                id: id.unwrap_or_else(|| apex.clone()),
                apex: apex.clone(),
                views: views.clone(),
                leases: true,
                query: forward.sight.query.clone(),
                overlays: Vec::new(),
            };
            let zone = EmbeddedZone {
                apex: apex.clone(),
                records: SetList::default(),
                soa: None,
                // Rules are about names of the zone that has them.
                policy: UpdatePolicy { rules: Vec::new(), ..forward.policy.clone() },
                sight,
                self_by_lease: false,
                derived: true,
                ..forward.clone()
            };
            Zone { apex, span, server: Server::Embedded(Box::new(zone)) }
        });
        derived.collect()
    }
}

fn refuse_reverse(net: Ipv4Net, apex: &Fqdn, span: Span, findings: &mut Findings) {
    let apex = plain(apex);
    findings.fault(
        span,
        format!("the reverse names of {net} are in the zone `{apex}`, which is a copy of another server's"),
        "only its primary changes it",
        format!(
            "write `reverse = \"none\"` in the subnet, for no PTR records; or, in the zone `{apex}`, `server` with the \
             primary's address in place of `kind` and `primaries`, so that they are sent there"
        ),
    );
}

/// `net` cut or widened to whole octets, as reverse zones are: 10.0.0.0/12 is sixteen of length 16, and
/// 192.168.30.128/25 stands in one of length 24.
pub(in crate::resolve) fn reverse_prefixes(net: Ipv4Net) -> impl Iterator<Item = Ipv4Net> {
    let length = net.prefix_len().div_ceil(8).clamp(1, 3) * 8;
    let wide = enclosing(net, length);
    // `wide` is no longer than `length`, so the prefix can be divided.
    wide.subnets(length).into_iter().flatten()
}

/// `net`, or the prefix of `length_max` that it is in when it is longer than that.
pub(in crate::resolve) fn enclosing(net: Ipv4Net, length_max: u8) -> Ipv4Net {
    let length = net.prefix_len().min(length_max);
    Ipv4Net::new(net.addr(), length).map_or(net, |wide| wide.trunc())
}

/// The apex of the reverse zone of a prefix of whole octets.
pub(in crate::resolve) fn reverse_apex(net: Ipv4Net) -> Fqdn {
    let mut apex = Fqdn::reverse(IpAddr::V4(net.network()));
    for _ in net.prefix_len() / 8..4 {
        apex = apex.parent().unwrap_or(apex);
    }
    apex
}
