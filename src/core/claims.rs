//! Which name DNS should hold for an address: the one place that decides it, from leases, names that outlive them, and
//! reservations.
//!
//! The first of these that there is:
//!
//! 1. that of the machine which has the address by hand ([`ddns::hosts`]): whatever lease there is, nobody renews it;
//! 2. the binding's name, or none where the binding has none;
//! 3. the reservation's, unless its client has a lease at another address: the name is where the client is;
//! 4. the one that an expired lease has left ([`dhcp::settings::AfterExpiry`]).
//!
//! Whatever changes one of them goes through [`Core::reclaim`], which compares with nothing: it leaves all that the address
//! may have claimed and joins what it claims now, and leaving what is claimed still, or was never granted, changes no row.

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::{IpAddr, Ipv4Addr};

use ddns::grant::Terms;
use ddns::wanted::{Claim, ClaimRef, NewName, RowKey, Undo, WantedRow, WantedTable};
use dhcp::decision::{Decision, Former, LeaseEvent};
use dhcp::lease::{Lease, LeaseName, LeaseState};
use dhcp::settings::{Reservation, Settings, Subnet};
use dhcp::time::Now;
use dns::Fqdn;
use faults::{Fault, planted};

use super::pass::Pass;
use super::{Core, CoreNames, Outcomes, Undos, Work};
use store::rows::Row;

/// Where names of reservations are, so that a name that becomes free, or is taken, finds them. Filled as the pass over
/// the reservations goes on: what it has not come to yet, it sees as things stand when it comes. 12 bytes a reservation.
#[derive(Debug, Default)]
pub(super) struct ReservedNames(BTreeSet<(u64, u32)>);

impl ReservedNames {
    pub(super) fn insert(&mut self, name: &Fqdn, address: Ipv4Addr) {
        self.0.insert((hash(name), address.to_bits()));
    }

    /// The addresses that may be reserved under a name.
    fn of(&self, name: &Fqdn) -> Vec<Ipv4Addr> {
        if self.0.is_empty() {
            return Vec::new();
        }
        let hash = hash(name);
        self.0.range((hash, 0)..=(hash, u32::MAX)).map(|&(_, bits)| Ipv4Addr::from_bits(bits)).collect()
    }
}

/// SipHash with a fixed key: what is kept comes from the administrator alone, and what is found is looked at.
fn hash(name: &Fqdn) -> u64 {
    let mut hasher = DefaultHasher::new();
    name.hash(&mut hasher);
    hasher.finish()
}

/// Changed rows of one transaction; names come before addresses.
#[derive(Debug, Default)]
pub(super) struct Changes {
    rows: Vec<WantedRow>,
    /// What else is to be stored with them.
    pub(super) numbers: Vec<Row>,
    pub(super) undos: Undos,
}

impl Changes {
    pub(super) fn add(&mut self, mut undo: Undo) {
        for row in undo.take_rows() {
            match self.rows.iter_mut().find(|known| known.key == row.key) {
                Some(known) => *known = row,
                None => self.rows.push(row),
            }
        }
        if !undo.is_empty() {
            self.undos.wanted.push(undo);
        }
    }

    /// Each changed row once, as it is now.
    pub(super) fn into_rows(mut self) -> (Vec<WantedRow>, Undos) {
        self.rows.sort_unstable_by(|one, other| one.key.cmp(&other.key));
        (self.rows, self.undos)
    }
}

impl Core {
    /// Ends the names of expired leases that hosts want now. To be called when the engine has decided, and before the
    /// rows are changed.
    pub(super) fn make_way(&mut self, events: &[LeaseEvent]) -> Decision {
        if self.outcomes.lingering.is_empty() || planted(Fault::LingeringNeverYields) {
            return Decision::default();
        }
        let mut yielding: Vec<Ipv4Addr> = Vec::new();
        for event in events {
            let Some(claim) = bound_claim(&event.lease).filter(|claim| claim.forward) else { continue };
            let row = self.wanted.get(&RowKey::Forward(claim.name.clone()));
            let holders = row.as_ref().and_then(|row| row.want.as_ref()).into_iter().flat_map(|want| &want.addresses);
            let holders = holders.copied().chain(self.wanted.self_kept_by_others(&claim.name, &claim.identity));
            yielding.extend(holders.filter_map(|holder| match holder {
                IpAddr::V4(v4) if v4 != event.lease.address && self.outcomes.lingering.contains(&v4) => Some(v4),
                _ => None,
            }));
        }
        self.engine.end_names(&yielding)
    }

    /// Ends the names of expired leases that stand in the way of a reservation's.
    pub(super) fn make_way_for(&mut self, claim: &Claim) -> Decision {
        if self.outcomes.lingering.is_empty() || planted(Fault::LingeringNeverYields) {
            return Decision::default();
        }
        let row = self.wanted.get(&RowKey::Forward(claim.name.clone()));
        let want = row.as_ref().and_then(|row| row.want.as_ref()).filter(|want| want.identity != claim.identity);
        let holders = want.into_iter().flat_map(|want| want.addresses.iter().copied());
        let holders = holders.chain(self.wanted.self_kept_by_others(&claim.name, &claim.identity));
        let holders = holders.filter_map(|holder| match holder {
            IpAddr::V4(v4) if self.outcomes.lingering.contains(&v4) => Some(v4),
            _ => None,
        });
        let yielding: Vec<Ipv4Addr> = holders.collect();
        self.engine.end_names(&yielding)
    }

    /// Takes in what happened to a lease.
    pub(super) fn take_in(&mut self, event: &LeaseEvent, terms: &[Terms], changes: &mut Changes) {
        let address = event.lease.address;
        if event.lease.state == LeaseState::Expired && event.lease.name.is_some() {
            self.outcomes.lingering.insert(address);
        } else {
            self.outcomes.lingering.remove(&address);
        }
        if !terms.is_empty()
            && let Some(claim) = bound_claim(&event.lease).filter(|claim| takes_over(claim, terms))
        {
            let mut displacing = self.wanted.displace(&claim);
            let displaced = std::mem::take(&mut displacing.displaced);
            changes.add(displacing.undo);
            self.rename_soon(displaced);
        }
        let former = [event.previous.as_ref().and_then(claim_of_former), self.reserved_claim(address.into())];
        // A binding says it itself: its record need not be read once more.
        let claim = match event.lease.state {
            LeaseState::Bound if self.settings.hosts.is_empty() => bound_claim(&event.lease),
            _ => self.claim_at(address.into()),
        };
        self.reclaim_as(address.into(), former, claim, changes);
        self.take_numbers(event, terms, changes);
    }

    /// Takes in what happened to a lease where it is the plainest: the lease is new, and so is its name, which nothing else
    /// is about. Then [`Core::take_in`] comes to this. `None`: it is not, and nothing was changed.
    pub(super) fn take_in_new(&mut self, event: &LeaseEvent) -> Option<NewName> {
        let address = event.lease.address;
        let is_plain = event.previous.as_ref().is_none_or(|former| former.name.is_none())
            && self.outcomes.lingering.is_empty()
            && self.outcomes.suffixes.is_empty()
            && self.settings.hosts.is_empty()
            && self.engine.reservation_of(address).is_none()
            && !planted(Fault::DnsRowDropped);
        let name = bound_name(&event.lease).filter(|_| is_plain)?;
        if !self.reserved.of(&name.fqdn).is_empty() {
            return None;
        }
        self.wanted.begin(address.into(), claim_ref(name))
    }

    /// Whether a binding keeps the name that it had, which nothing else is about and whose rows are as they should be: a
    /// renewal, as a rule. Then [`Core::take_in`] changes nothing.
    pub(super) fn keeps_its_name(&self, event: &LeaseEvent) -> bool {
        let (address, name) = (event.lease.address, &event.lease.name);
        let had = event.previous.as_ref().filter(|former| former.state == LeaseState::Bound && former.name == *name);
        let is_plain = had.is_some()
            && self.outcomes.suffixes.is_empty()
            && self.settings.hosts.is_empty()
            && self.engine.reservation_of(address).is_none();
        bound_name(&event.lease).filter(|_| is_plain).is_some_and(|name| {
            self.wanted.stands(address.into(), claim_ref(name)) && self.reserved.of(&name.fqdn).is_empty()
        })
    }

    /// An address claims something else, perhaps: it claimed one of `former`, if anything. So may every address that is
    /// reserved under one of the names.
    pub(super) fn reclaim(&mut self, address: IpAddr, former: [Option<Claim>; 2], changes: &mut Changes) {
        let claim = self.claim_at(address);
        self.reclaim_as(address, former, claim, changes);
    }

    fn reclaim_as(&mut self, address: IpAddr, former: [Option<Claim>; 2], claim: Option<Claim>, changes: &mut Changes) {
        if self.reserved.0.is_empty() && self.settings.hosts.is_empty() {
            return self.apply(address, former, claim, changes);
        }
        let names: Vec<Fqdn> = former.iter().chain([&claim]).flatten().map(|claim| claim.name.clone()).collect();
        self.apply(address, former, claim, changes);
        let of_name =
            |name| self.reserved.of(name).into_iter().map(IpAddr::V4).chain(self.settings.hosts.addresses_of(name));
        let mut reserved: Vec<IpAddr> = names.iter().flat_map(of_name).collect();
        reserved.sort_unstable();
        reserved.dedup();
        for other in reserved.into_iter().filter(|other| *other != address) {
            if planted(Fault::ReservedNotRestored) {
                continue;
            }
            let claim = self.claim_at(other);
            let former = [self.reserved_claim(other), None];
            self.apply(other, former, claim, changes);
        }
    }

    fn apply(&mut self, address: IpAddr, former: [Option<Claim>; 2], claim: Option<Claim>, changes: &mut Changes) {
        let [first, second] = former;
        let Some(second) = second.filter(|second| Some(second) != claim.as_ref()) else {
            return changes.add(self.wanted.change(address, first, claim));
        };
        changes.add(self.wanted.change(address, first, claim.clone()));
        changes.add(self.wanted.change(address, Some(second), claim));
    }

    /// What DNS should hold for an address now.
    pub(super) fn claim_at(&self, address: IpAddr) -> Option<Claim> {
        if let Some(by_hand) = self.settings.claim_by_hand(address) {
            return Some(by_hand);
        }
        let IpAddr::V4(v4) = address else { return None };
        let lease = self.engine.lease(v4);
        if let Some(lease) = lease.as_ref().filter(|lease| lease.state == LeaseState::Bound) {
            return bound_claim(lease);
        }
        let reserved = self.reserved_claim(address).filter(|claim| !self.is_elsewhere(claim, v4));
        reserved.or_else(|| claim_of_record(&lease?))
    }

    /// Whether the client of a reservation has its name by a lease at another address. What other interfaces of its
    /// host have says nothing about this one.
    fn is_elsewhere(&self, claim: &Claim, address: Ipv4Addr) -> bool {
        let own = self.engine.reservation_of(address).map(|(_, reservation)| reservation);
        let own = own.filter(|reservation| reservation.host.is_some());
        let is_another = |lease: &Lease| {
            let Some(own) = own else { return false };
            // Where another interface has its own address, a key of another kind may be the same for both: a DUID is.
            let at_home = self.engine.reservation_of(lease.address).map(|(_, reservation)| reservation);
            match at_home.filter(|_| self.engine.is_reserved_for(lease.address, lease)) {
                Some(home) => !home.clients.iter().any(|client| own.clients.contains(client)),
                None => !self.engine.is_reserved_for(address, lease),
            }
        };
        let row = self.wanted.get(&RowKey::Forward(claim.name.clone()));
        let want = row.as_ref().and_then(|row| row.want.as_ref()).filter(|want| want.identity == claim.identity);
        let mut others = want.into_iter().flat_map(|want| &want.addresses).filter(|other| **other != address);
        others.any(|other| match other {
            IpAddr::V4(v4) => self.engine.lease(*v4).is_some_and(|lease| {
                bound_claim(&lease).is_some_and(|bound| bound.name == claim.name) && !is_another(&lease)
            }),
            IpAddr::V6(_) => false,
        })
    }

    /// The name that an address has by its reservation, wherever the reservation's host is.
    pub(super) fn reserved_claim(&self, address: IpAddr) -> Option<Claim> {
        let IpAddr::V4(v4) = address else { return None };
        let (subnet, reservation) = self.engine.reservation_of(v4)?;
        reserved_claim(self.engine.settings(), &self.settings, subnet, reservation).map(|(_, claim)| claim)
    }

    /// What leases claim and the stored rows do not want: nothing, but after a repair that lost rows. To be called once,
    /// before the first message; its rows are committed as any others.
    ///
    /// What the rows want and nothing claims, after such a repair or because what is reserved was edited while no daemon
    /// ran, is left by the pass that follows ([`Core::handle_timeout`]), as new reservations are joined by it.
    pub fn mend_wanted(&mut self) -> Work {
        let mut changes = Changes::default();
        // What is reserved, the pass sees to.
        let claims = |lease: &Lease| {
            let claim = claim_of_record(lease);
            claim.is_some() && claim == self.claim_at(lease.address.into())
        };
        let leases: Vec<Ipv4Addr> =
            self.engine.named_leases().filter(|lease| claims(lease)).map(|lease| lease.address).collect();
        for address in leases {
            self.reclaim(address.into(), [None, None], &mut changes);
        }
        let unclaimed = self.unclaimed();
        if !unclaimed.is_empty() {
            self.pass = Some(Pass::to_leave(unclaimed));
        }
        let numbers = self.mend_suffixes(&mut changes.undos);
        let (rows, undo) = changes.into_rows();
        self.transaction(rows.into_iter().map(Row::Wanted).chain(numbers).collect(), [None; 2], undo)
    }

    /// What rows want for addresses that do not claim it.
    pub(super) fn unclaimed(&self) -> Vec<(IpAddr, Claim)> {
        let mut found = Vec::new();
        for row in self.wanted.iter() {
            let Some(want) = &row.want else { continue };
            let forward = matches!(row.key, RowKey::Forward(_));
            for &address in &want.addresses {
                let claimed = self.claim_at(address).is_some_and(|claim| {
                    let kept = if forward { claim.forward } else { claim.reverse };
                    kept && claim.name == want.name && claim.identity == want.identity
                });
                if !claimed {
                    let (name, identity, ttl_secs) = (want.name.clone(), want.identity.clone(), want.ttl_secs);
                    let (guard, reverse) = (want.guard, !forward);
                    found.push((address, Claim { name, identity, forward, reverse, ttl_secs, guard }));
                }
            }
        }
        found.sort_by(|(one, a), (other, b)| (one, &a.name, a.forward).cmp(&(other, &b.name, b.forward)));
        found
    }
}

/// What an address claimed by hand that a lease's record may claim too.
pub(super) fn lease_claim(lease: Option<Lease>) -> Option<Claim> {
    claim_of_record(&lease?)
}

/// What a reservation claims while its host is away.
pub(super) fn reserved_claim(
    dhcp: &Settings,
    ddns: &ddns::settings::Settings,
    subnet: &Subnet,
    reservation: &Reservation,
) -> Option<(Ipv4Addr, Claim)> {
    // Who has the name now does not count: a reservation takes it as soon as it can.
    let (nobody, nothing) = (WantedTable::default(), Outcomes::new(ddns, Now { boot_ms: 0, wall_secs: 0 }));
    let names = CoreNames::new(&nobody, ddns, &nothing);
    dhcp::names::reserved_name(dhcp, subnet, reservation, &names).map(|(address, name)| (address, claim(name)))
}

/// What a record claims: a binding its name, and an expired lease the one that it has left.
fn claim_of_record(lease: &Lease) -> Option<Claim> {
    claim_of(lease.state, lease.name.as_ref())
}

fn claim_of_former(former: &Former) -> Option<Claim> {
    claim_of(former.state, former.name.as_ref())
}

fn claim_of(state: LeaseState, name: Option<&LeaseName>) -> Option<Claim> {
    name.filter(|_| matches!(state, LeaseState::Bound | LeaseState::Expired)).cloned().map(claim)
}

fn takes_over(claim: &Claim, terms: &[Terms]) -> bool {
    let takes = |terms: &Terms| matches!(terms, Terms::TakesOver { name, identity } if *name == claim.name && *identity == claim.identity);
    claim.forward && terms.iter().any(takes)
}

fn bound_claim(lease: &Lease) -> Option<Claim> {
    bound_name(lease).cloned().map(claim)
}

fn bound_name(lease: &Lease) -> Option<&LeaseName> {
    lease.name.as_ref().filter(|_| lease.state == LeaseState::Bound)
}

fn claim_ref(name: &LeaseName) -> ClaimRef<'_> {
    let LeaseName { fqdn: name, identity, forward, reverse, ttl_secs, guard } = name;
    ClaimRef { name, identity, forward: *forward, reverse: *reverse, ttl_secs: *ttl_secs, guard: *guard }
}

fn claim(name: LeaseName) -> Claim {
    let LeaseName { fqdn: name, identity, forward, reverse, ttl_secs, guard } = name;
    Claim { name, identity, forward, reverse, ttl_secs, guard }
}
