//! DNS servers of somebody else: RFC 2136 semantics by `zones`, and the faults of a network before each. They serve the
//! same zones: what one of them took, all have.

use dns::{Fqdn, Rcode, Rrset, Update};
use zones::{AllowAll, NewZone, Zone, ZoneSet, apply};

#[derive(Clone, Debug)]
pub(crate) struct Remote {
    pub(crate) zones: ZoneSet,
    /// One for each server, the preferred one first.
    pub(crate) doors: Vec<Door>,
}

/// How one of the servers is doing.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Door {
    pub(crate) up: bool,
    /// While set, every update is answered with this.
    pub(crate) refuses: Option<Rcode>,
}

impl Door {
    pub(crate) const WELL: Self = Self { up: true, refuses: None };
}

impl Remote {
    pub(crate) fn new(apexes: &[&Fqdn], servers: usize) -> Self {
        let mut zones = ZoneSet::new();
        for apex in apexes {
            zones.insert(new_zone(apex));
        }
        Self { zones, doors: vec![Door::WELL; servers] }
    }

    /// `None`: that server is down.
    pub(crate) fn update(&mut self, door: usize, update: &Update) -> Option<Rcode> {
        let Door { up, refuses } = self.doors[door];
        if !up {
            return None;
        }
        if let Some(code) = refuses {
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
