//! A DNS server of somebody else: RFC 2136 semantics by `zones`, and the faults of a network before it.

use dns::{Fqdn, Rcode, Rrset, Update};
use zones::{AllowAll, NewZone, Zone, ZoneSet, apply};

#[derive(Clone, Debug)]
pub(crate) struct Remote {
    pub(crate) zones: ZoneSet,
    pub(crate) up: bool,
    /// While set, every update is answered with this.
    pub(crate) refuses: Option<Rcode>,
}

impl Remote {
    pub(crate) fn new(apexes: &[&Fqdn]) -> Self {
        let mut zones = ZoneSet::new();
        for apex in apexes {
            zones.insert(new_zone(apex));
        }
        Self { zones, up: true, refuses: None }
    }

    /// `None`: it is down.
    pub(crate) fn update(&mut self, update: &Update) -> Option<Rcode> {
        if !self.up {
            return None;
        }
        if let Some(code) = self.refuses {
            return Some(code);
        }
        let Some(zone) = self.zones.get(&update.zone) else { return Some(Rcode::NOT_AUTH) };
        match apply(zone, update, &AllowAll) {
            Ok((zone, _)) => {
                self.zones.insert(zone);
                Some(Rcode::NO_ERROR)
            }
            Err(code) => Some(code),
        }
    }
}

fn new_zone(apex: &Fqdn) -> Zone {
    let primary = "ns.sim.test".parse().expect("a name");
    NewZone::new(apex.clone(), primary, Vec::new()).build().expect("a zone")
}

/// Every set of a zone but those at its apex, sorted.
pub(crate) fn contents(zones: &ZoneSet, apex: &Fqdn) -> Vec<Rrset> {
    let zone = zones.get(apex).expect("the zone is there");
    let mut sets: Vec<Rrset> = zone.rrsets().filter(|set| set.name != *apex).collect();
    sets.sort_by(|a, b| (&a.name, a.rtype).cmp(&(&b.name, b.rtype)));
    sets
}
