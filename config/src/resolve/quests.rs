//! What has to be asked of remote servers: where the zones begin that names and PTR records go to.

use std::collections::{BTreeMap, HashSet};
use std::net::IpAddr;

use ddns::cuts::{Quest, Seeks};
use ddns::settings::{ZoneRoute, ZoneServer};
use dns::{Fqdn, Rrset};
use ipnet::Ipv4Net;

use super::zones::{Server, Zone, Zones, enclosing, reverse_apex, reverse_prefixes};

/// A subnet is asked for by its parts of length 24, unless it has more of them than this: then whole, and whoever cuts a
/// network of that size into zones writes them.
const PARTS_MAX: usize = 256;

/// The zones as far as they are known, and the quests for the rest.
pub(super) fn read<'d>(
    zones: &Zones,
    domains: impl Iterator<Item = &'d Fqdn>,
    reserved: &HashSet<Fqdn>,
    reverse: &[Ipv4Net],
    (by_hand, stated): (impl Iterator<Item = IpAddr>, &[Rrset]),
) -> (Vec<ZoneRoute>, Vec<Quest>) {
    let mut plan = Plan { zones, routes: BTreeMap::new(), quests: Vec::new(), asked: HashSet::new() };
    for zone in zones.list.iter().filter(|zone| !matches!(zone.server, Server::Secondary(_))) {
        plan.routes.insert(zone.apex.clone(), zone.route());
    }
    for apex in zones.list.iter().map(|zone| &zone.apex) {
        plan.seek(apex);
    }
    for domain in domains {
        plan.seek(domain);
    }
    let mut parents: Vec<Fqdn> = reserved.iter().filter_map(Fqdn::parent).collect();
    // Of a zone's own name the zone is asked for anyway.
    let beneath = |set: &&Rrset| !zones.list.iter().any(|zone| zone.apex == set.name);
    parents.extend(stated.iter().filter(beneath).filter_map(|set| set.name.parent()));
    parents.sort();
    parents.dedup();
    for parent in &parents {
        plan.seek(parent);
    }
    for net in reverse {
        plan.seek_reverse(*net);
    }
    // Where a subnet has the address, or a zone that holds it is written, nothing is added by this.
    let mut parents: Vec<Fqdn> = by_hand.filter_map(|address| Fqdn::reverse(address).parent()).collect();
    parents.sort();
    parents.dedup();
    for parent in &parents {
        plan.seek_beneath_or_at(parent);
    }
    let route = |(apex, server)| ZoneRoute { apex, server };
    (plan.routes.into_iter().map(route).collect(), plan.quests)
}

struct Plan<'z> {
    zones: &'z Zones,
    routes: BTreeMap<Fqdn, ZoneServer>,
    quests: Vec<Quest>,
    asked: HashSet<Fqdn>,
}

impl Plan<'_> {
    /// The zone of `name` is asked for, when its server is a remote one.
    fn seek(&mut self, name: &Fqdn) {
        let Some(zone) = self.zones.holding(name) else { return };
        let server = zone.route();
        if server == ZoneServer::Embedded || !self.asked.insert(name.clone()) {
            return;
        }
        let written = self.is_written(zone);
        if !written {
            // Until it is known better, the name itself stands for its zone.
            self.routes.insert(name.clone(), server.clone());
        }
        self.quests.push(Quest { seeks: Seeks::Zone(name.clone()), server, written });
    }

    fn seek_reverse(&mut self, net: Ipv4Net) {
        if self.zones.classless.iter().any(|classless| classless.prefix.contains(&net)) {
            return;
        }
        for part in reverse_prefixes(net) {
            self.seek(&reverse_apex(part));
        }
        if net.prefix_len() > 24 {
            let ordinary = Fqdn::reverse(IpAddr::V4(net.network()));
            let Some(zone) = self.zones.holding(&ordinary) else { return };
            let (server, written) = (zone.route(), self.is_written(zone));
            if server != ZoneServer::Embedded {
                self.quests.push(Quest { seeks: Seeks::Classless(net), server, written });
            }
            return;
        }
        let parts = enclosing(net, 24).subnets(24).into_iter().flatten();
        if 1_usize.checked_shl(u32::from(24 - net.prefix_len())).is_some_and(|parts| parts <= PARTS_MAX) {
            for part in parts {
                self.seek_beneath(&reverse_apex(part));
            }
        }
    }

    /// A zone may begin here, beneath one that is known or asked for.
    fn seek_beneath(&mut self, name: &Fqdn) {
        let Some(zone) = self.zones.holding(name) else { return };
        let server = zone.route();
        if server != ZoneServer::Embedded && self.asked.insert(name.clone()) {
            let written = self.is_written(zone);
            self.quests.push(Quest { seeks: Seeks::Zone(name.clone()), server, written });
        }
    }

    /// As [`Plan::seek`], where no written zone holds the name: then nothing is asked.
    fn seek_beneath_or_at(&mut self, name: &Fqdn) {
        if self.zones.holding(name).is_some_and(|zone| !self.is_written(zone)) {
            self.seek(name);
        }
    }

    /// Whether the file names the zone, and not only a server.
    fn is_written(&self, zone: &Zone) -> bool {
        self.zones.list.iter().any(|listed| listed.apex == zone.apex)
    }
}
