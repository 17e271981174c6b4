//! What must hold for names: what is served is stored, what was made by hand stays, and once all is quiet DNS holds
//! what the leases say and nothing else.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use dhcp::lease::{Lease, LeaseState};
use dns::{Fqdn, HostIdentity, Rcode, Rdata, RecordType, Rrset};
use zones::ZoneSet;

use super::{Checked, World};
use crate::remote::contents;
use crate::words::lease_in_brief;

/// A name that should be in DNS, of a lease or a reservation.
struct Owned<'a> {
    address: Ipv4Addr,
    name: &'a Fqdn,
    identity: &'a HostIdentity,
    forward: bool,
    reverse: bool,
}

/// For how long after a start a refusal of before is believed without a word from the DNS server.
const BELIEVED_MS: u64 = 60_000;

type Sets = BTreeMap<(Fqdn, RecordType), Vec<Rdata>>;

/// What the world remembers of zones.
#[derive(Default)]
pub(super) struct Names {
    /// Which of the plan's records by hand are there.
    by_hand: Vec<usize>,
    /// Serial and contents of each embedded zone as last served.
    served: BTreeMap<Fqdn, (u32, Vec<Rrset>)>,
    /// Names that were known to be refused to a host when the server last started, with the generations that were, and
    /// until when that is believed.
    refused: (Vec<(Fqdn, HostIdentity, u64)>, u64),
}

impl World {
    /// What the store tells of names that are somebody else's, at a start.
    pub(super) fn note_refusals(&mut self) {
        self.names.refused = (self.model.refused(), self.now + BELIEVED_MS);
    }

    /// Whether a host is told that it has a name which the store tells to be refused to it, and nothing else since.
    pub(super) fn is_refused(&self, name: &Fqdn, identity: &HostIdentity) -> bool {
        let (refused, until) = &self.names.refused;
        let told = |one: &&(Fqdn, HostIdentity, u64)| one.0 == *name && one.1 == *identity;
        let stands = || self.model.refused().iter().any(|now| refused.iter().find(told) == Some(now));
        // A clock that jumps ends belief before its time.
        *until > self.now && !self.plan.clock_jumps && refused.iter().any(|one| told(&one)) && stands()
    }

    fn zones(&self) -> Option<&ZoneSet> {
        if self.plan.settings.embedded {
            Some(self.server.as_ref()?.zones.published())
        } else {
            Some(&self.remote.zones)
        }
    }

    pub(super) fn made_by_hand(&mut self, number: usize, rcode: Rcode) {
        self.note(|| format!("record {number} by hand: {rcode:?}"));
        if rcode == Rcode::NO_ERROR {
            self.count("record made by hand");
            self.names.by_hand.push(number);
        }
    }

    /// The first record of the plan that is not made yet.
    pub(super) fn to_be_made(&self) -> Option<usize> {
        (0..self.plan.by_hand.len()).find(|number| !self.names.by_hand.contains(number))
    }

    /// A record whose maker heard no answer, because the server died, may be there all the same.
    pub(super) fn find_made_by_hand(&mut self) {
        let Some(zones) = self.zones() else { return };
        let is_there = |number: &usize| {
            let set = &self.plan.by_hand[*number].1;
            zones.find(&set.name).and_then(|zone| zone.rrset(&set.name, set.rtype)).as_ref() == Some(set)
        };
        let found: Vec<usize> = (0..self.plan.by_hand.len()).filter(is_there).collect();
        for number in found {
            if !self.names.by_hand.contains(&number) {
                self.names.by_hand.push(number);
            }
        }
    }

    fn made(&self) -> impl Iterator<Item = &Rrset> {
        self.names.by_hand.iter().map(|number| &self.plan.by_hand[*number].1)
    }

    /// Made by hand, and nobody else's to touch: by a guard that asks nothing, the addresses of names are replaced.
    fn foreign(&self) -> impl Iterator<Item = &Rrset> {
        let checks = self.plan.guard().checks();
        self.made().filter(move |set| checks || set.rtype != RecordType::A)
    }

    /// A record that someone made by hand is never overwritten and never removed.
    pub(super) fn check_by_hand(&self) -> Checked {
        let Some(zones) = self.zones() else { return Ok(()) };
        for set in self.foreign() {
            let found = zones.find(&set.name).and_then(|zone| zone.rrset(&set.name, set.rtype));
            if found.as_ref() != Some(set) {
                return Err(format!("a record made by hand, {set:?}, has become {found:?}"));
            }
        }
        Ok(())
    }

    /// Embedded zones are served as they are stored, and a changed zone has a newer serial.
    pub(super) fn check_served(&mut self) -> Checked {
        if !self.plan.settings.embedded {
            return Ok(());
        }
        let Some(server) = &mut self.server else { return Ok(()) };
        if !std::mem::take(&mut server.zones_touched) {
            return Ok(());
        }
        for route in &self.plan.settings.ddns.zones {
            let apex = &route.apex;
            let zone = server.zones.published().get(apex).ok_or("a zone is not served")?;
            let found = contents(server.zones.published(), apex);
            let mut stored: Vec<&Rrset> = self.model.zone_sets(apex).filter(|set| set.name != *apex).collect();
            stored.sort_by(|a, b| (&a.name, a.rtype).cmp(&(&b.name, b.rtype)));
            if !stored.iter().copied().eq(&found) {
                return Err(format!("{apex} is served as {found:?} and stored as {stored:?}"));
            }
            let serial = zone.serial();
            if let Some((old_serial, old)) = self.names.served.get(apex)
                && *old != found
                && !zones::serial::is_newer(serial, *old_serial)
            {
                return Err(format!("{apex} has changed, and its serial went from {old_serial} to {serial}"));
            }
            self.names.served.insert(apex.clone(), (serial, found));
        }
        self.check_by_hand()
    }

    /// Leases end at any moment, so the moment at which DNS agrees is waited for: a minute, the longest pause between
    /// two tries, is enough.
    pub(super) fn await_dns(&mut self, when: &str) -> Checked {
        for _ in 0..20 {
            self.confirm_deletions();
            if self.check_dns(when).is_ok() {
                return Ok(());
            }
            self.run_until(self.now + 3_500)?;
        }
        self.check_dns(when)
    }

    fn wanted_sets(&self) -> Sets {
        let mut wanted = Sets::new();
        for set in self.foreign() {
            wanted.insert((set.name.clone(), set.rtype), set.rdata.clone());
        }
        let foreign: Vec<&Fqdn> = self.foreign().map(|set| &set.name).collect();
        for set in self.plan.settings.ddns.stated.iter().filter(|set| !foreign.contains(&&set.name)) {
            wanted.insert((set.name.clone(), set.rtype), set.rdata.clone());
        }
        for owned in self.of_leases().chain(self.of_reservations()) {
            let Owned { address, name, identity, forward, reverse: points } = owned;
            let dhcid = dns::Dhcid::new(identity, name).0;
            if forward {
                // The name is somebody else's, so no PTR may lead to it.
                if foreign.contains(&name) {
                    continue;
                }
                let (rtype, data) = Rdata::address(address.into());
                wanted.entry((name.clone(), rtype)).or_default().push(data);
                if self.plan.guard().writes_dhcid() {
                    wanted.insert((name.clone(), RecordType::DHCID), vec![dhcid.clone()]);
                }
            }
            let reverse = Fqdn::reverse(address.into());
            if points && !foreign.contains(&&reverse) {
                wanted.insert((reverse.clone(), RecordType::PTR), vec![Rdata::ptr(name)]);
                wanted.insert((reverse, RecordType::DHCID), vec![dhcid]);
            }
        }
        wanted.values_mut().for_each(|rdata| rdata.sort());
        wanted
    }

    /// What leases have: those that run, and those that have expired and left their names where nothing is reserved.
    fn of_leases(&self) -> impl Iterator<Item = Owned<'_>> {
        let reserved: Vec<Ipv4Addr> = self.reserved().map(|(address, ..)| address).collect();
        self.model.leases().filter_map(move |lease| {
            let left = lease.state == LeaseState::Expired && !reserved.contains(&lease.address);
            let name = lease.name.as_ref().filter(|_| left || lease.state == LeaseState::Bound)?;
            let (forward, reverse) = (name.forward, name.reverse);
            Some(Owned { address: lease.address, name: &name.fqdn, identity: &name.identity, forward, reverse })
        })
    }

    /// What is reserved: at its address as long as nobody has a lease of that, and its host none elsewhere.
    fn of_reservations(&self) -> impl Iterator<Item = Owned<'_>> {
        self.reserved().filter_map(|(address, name, identity)| {
            let runs = |lease: &&Lease| lease.state == LeaseState::Bound;
            let is_elsewhere = self.model.leases().filter(runs).any(|lease| {
                lease.address == address
                    || lease.name.as_ref().is_some_and(|other| other.forward && other.fqdn == *name)
            });
            (!is_elsewhere).then_some(Owned { address, name, identity, forward: true, reverse: true })
        })
    }

    /// The names that are the reservations' own, by the settings of the moment.
    fn reserved(&self) -> impl Iterator<Item = (Ipv4Addr, &Fqdn, &HostIdentity)> {
        self.plan.reserved.iter().map(|(address, name, identity)| (*address, name, identity))
    }

    /// DNS holds what the leases say, what was made by hand, and nothing else.
    fn check_dns(&self, when: &str) -> Checked {
        let Some(zones) = self.zones() else { return Err(format!("no server runs {when}")) };
        let wanted = self.wanted_sets();
        let routes = self.plan.settings.ddns.zones.iter();
        let mut found: Sets = routes
            .flat_map(|route| contents(zones, &route.apex))
            .map(|Rrset { name, rtype, rdata, .. }| ((name, rtype), rdata))
            .collect();
        // Whether a host has had its name meanwhile is not remembered here.
        for set in self.made().filter(|set| !self.foreign().any(|other| other == *set)) {
            let key = (set.name.clone(), set.rtype);
            if !wanted.contains_key(&key) && found.get(&key) == Some(&set.rdata) {
                found.remove(&key);
            }
        }
        let Some(key) = wanted.keys().chain(found.keys()).find(|key| wanted.get(key) != found.get(key)) else {
            return Ok(());
        };
        let leases: Vec<String> = self.model.leases().map(lease_in_brief).collect();
        let (name, rtype) = key;
        let (wanted, found) = (wanted.get(key), found.get(key));
        Err(format!("DNS {when}: {name} {rtype:?} should be {wanted:?} and is {found:?}\n{}", leases.join("\n")))
    }

    /// Whenever the server takes everything for done, it is.
    pub(super) fn check_settled(&mut self) -> Checked {
        let now = self.clock();
        if self.server.as_ref().is_some_and(|server| server.is_settled(now)) {
            self.count("DNS compared in the turmoil");
            self.check_dns("when the server takes it for done")?;
        }
        self.check_memory()
    }

    /// What the server remembers is what is stored.
    pub(super) fn check_memory(&self) -> Checked {
        let Some(server) = self.server.as_ref().filter(|server| server.is_idle()) else { return Ok(()) };
        let core = server.pipeline.core();
        let mut leases: Vec<Lease> = core.engine().leases().collect();
        leases.sort_by_key(|lease| lease.address);
        let stored: Vec<Lease> = self.model.leases().cloned().collect();
        if leases != stored {
            return Err(format!("the engine remembers {leases:?}, stored is {stored:?}"));
        }
        let mut wanted: Vec<_> = core.wanted().iter().map(|row| (row.key, row.generation, row.want)).collect();
        wanted.sort_by(|a, b| a.0.cmp(&b.0));
        let stored: Vec<_> = self.model.wanted().cloned().map(|row| (row.key, row.generation, row.want)).collect();
        if wanted == stored { Ok(()) } else { Err(format!("wanted names {wanted:?}, stored are {stored:?}")) }
    }
}
