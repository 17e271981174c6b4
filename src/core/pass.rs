//! The pass over leases and reservations that follows a start and new settings: names that are to be others now. It goes
//! on a part at a time between two batches, so that a hundred thousand reservations hold up nobody.
//!
//! 1. Running leases: those that would get another name now, or none.
//! 2. What was reserved by the settings before and is no more.
//! 3. What is reserved.
//! 4. What is configured by hand.
//! 5. Records that the configuration states, and those that it stated before.
//!
//! Names that are reserved are taken from whoever had them by the first step, so that the others find them free.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use ddns::wanted::{Claim, RowKey};
use dhcp::engine::Renaming;
use dhcp::settings::{Reservation, Settings, Subnet};
use faults::{Fault, planted};
use store::rows::Row;

use super::claims::{self, Changes};
use super::{Core, CoreNames, Work};

/// How many passes follow one another. The first takes names away, the second gives them to whom they are for; what a
/// chain of more than that leaves is set right by the next renewal.
const PASSES_MAX: u8 = 3;

/// So many former settings are compared with one after the other; with more, every row is looked at instead.
const FORMER_MAX: usize = 4;

/// Settings, and those of names with them.
type Former = (Arc<Settings>, Arc<ddns::settings::Settings>);

/// How far a pass is.
#[derive(Debug)]
pub(super) struct Pass {
    step: Step,
    /// What may be claimed no longer.
    left: Left,
    /// A name may be free now that was refused before.
    changed: bool,
    /// How many passes went before.
    before: u8,
    /// It follows a start or new settings: what it takes away, the configuration does.
    by_configuration: bool,
}

impl Default for Pass {
    fn default() -> Self {
        Self { step: Step::default(), left: Left::default(), changed: false, before: 0, by_configuration: true }
    }
}

#[derive(Clone, Copy, Debug)]
enum Step {
    /// The address that was looked at last.
    Leases(Option<Ipv4Addr>),
    /// By which of the former settings, and where in them.
    Left(usize, Place),
    Reserved(Place),
    /// How many of them were looked at.
    ByHand(usize),
    /// How many of them were looked at.
    Stated(usize),
}

impl Default for Step {
    fn default() -> Self {
        Self::Leases(None)
    }
}

/// A reservation, by the places of its subnet and of itself.
#[derive(Clone, Copy, Debug, Default)]
struct Place {
    subnet: usize,
    reservation: usize,
}

/// Where to look for claims that are none any more.
#[derive(Debug)]
enum Left {
    /// What these reserved.
    By(Vec<Former>),
    /// All rows.
    Rows,
    /// These, found among all rows.
    Found(Vec<(IpAddr, Claim)>),
}

impl Default for Left {
    fn default() -> Self {
        Self::By(Vec::new())
    }
}

impl Pass {
    /// A pass with new settings, while `running` may not have come to its end.
    pub(super) fn after(running: Option<Self>, former: Former) -> Self {
        let left = match running.map(|pass| pass.left) {
            None => Left::By(vec![former]),
            Some(Left::By(mut all)) if all.len() < FORMER_MAX => {
                all.push(former);
                Left::By(all)
            }
            Some(Left::By(_) | Left::Rows | Left::Found(_)) => Left::Rows,
        };
        Self { left, ..Self::default() }
    }

    /// A pass from its first step on.
    pub(super) fn again(running: Option<Self>) -> Self {
        // By itself it looks for names that other hosts took, or that turned out to be somebody else's in DNS.
        let by_configuration = running.as_ref().is_some_and(|pass| pass.by_configuration);
        Self { left: running.map(|pass| pass.left).unwrap_or_default(), by_configuration, ..Self::default() }
    }

    /// A pass that leaves these.
    pub(super) fn to_leave(claims: Vec<(IpAddr, Claim)>) -> Self {
        Self { left: Left::Found(claims), ..Self::default() }
    }

    /// A pass that knows nothing of what went before.
    pub(super) fn anew() -> Self {
        Self { left: Left::Rows, ..Self::default() }
    }
}

impl Place {
    /// The next reservation from here on.
    fn next(&mut self, settings: &Settings) -> Option<(usize, usize)> {
        loop {
            let subnet = settings.subnets.get(self.subnet)?;
            if self.reservation < subnet.reservations.len() {
                self.reservation += 1;
                return Some((self.subnet, self.reservation - 1));
            }
            *self = Self { subnet: self.subnet + 1, reservation: 0 };
        }
    }

    /// What the next reservation from here on claims, if anything, and after the last of them what is configured by hand.
    fn next_claim(&mut self, dhcp: &Settings, ddns: &ddns::settings::Settings) -> Option<Option<(IpAddr, Claim)>> {
        if let Some((subnet, reservation)) = self.next(dhcp) {
            let subnet = &dhcp.subnets[subnet];
            let claim = claims::reserved_claim(dhcp, ddns, subnet, &subnet.reservations[reservation]);
            return Some(claim.map(|(address, claim)| (address.into(), claim)));
        }
        // Behind the last subnet the second place counts those.
        let address = ddns.hosts.all().get(self.reservation)?.address;
        self.reservation += 1;
        Some(ddns.claim_by_hand(address).map(|claim| (address, claim)))
    }
}

impl Core {
    /// Goes on with the pass, looking at `most` leases and reservations.
    pub(super) fn go_on(&mut self, most: usize) -> Vec<Work> {
        let mut works = Vec::new();
        let mut left = most;
        while left > 0 {
            let Some(mut pass) = self.pass.take() else { break };
            self.wanted.set_configuring(pass.by_configuration);
            let (looked, done) = match pass.step {
                Step::Leases(after) => self.look_at_lease(&mut pass, after, left, &mut works),
                Step::Left(which, place) => self.look_at_left(&mut pass, which, place, left, &mut works),
                Step::Reserved(place) => self.look_at_reserved(&mut pass, place, left, &mut works),
                Step::ByHand(from) => self.look_at_hosts(&mut pass, from, left, &mut works),
                Step::Stated(from) => self.look_at_stated(&mut pass, from, left, &mut works),
            };
            self.wanted.set_configuring(false);
            let stuck = looked == 0 && !done;
            self.pass = match pass.step {
                _ if !done => Some(pass),
                Step::Leases(_) => Some(Pass { step: Step::Left(0, Place::default()), ..pass }),
                Step::Left(..) => Some(Pass { step: Step::Reserved(Place::default()), left: Left::default(), ..pass }),
                Step::Reserved(_) => Some(Pass { step: Step::ByHand(0), ..pass }),
                Step::ByHand(_) => Some(Pass { step: Step::Stated(0), ..pass }),
                Step::Stated(_) if pass.changed && pass.before + 1 < PASSES_MAX => {
                    let by_configuration = pass.by_configuration;
                    Some(Pass { before: pass.before + 1, by_configuration, ..Pass::default() })
                }
                Step::Stated(_) => None,
            };
            if stuck {
                break;
            }
            left = left.saturating_sub(looked);
        }
        works
    }

    fn look_at_lease(
        &mut self,
        pass: &mut Pass,
        after: Option<Ipv4Addr>,
        most: usize,
        works: &mut Vec<Work>,
    ) -> (usize, bool) {
        let names = CoreNames::new(&self.wanted, &self.settings, &self.outcomes);
        let Renaming { at, done, looked, decision } = self.engine.rename_next(after, most, &names);
        let terms = names.into_terms();
        pass.step = Step::Leases(at);
        if !decision.events.is_empty() {
            pass.changed = true;
            works.push(self.work_of(decision, &terms));
        }
        works.extend(self.keep_numbers(&terms));
        (looked, done)
    }

    fn look_at_left(
        &mut self,
        pass: &mut Pass,
        which: usize,
        mut place: Place,
        most: usize,
        works: &mut Vec<Work>,
    ) -> (usize, bool) {
        if matches!(pass.left, Left::Rows) {
            pass.left = Left::Found(self.unclaimed());
        }
        let mut changes = Changes::default();
        let mut looked = 0;
        let done = match &mut pass.left {
            Left::Found(found) => {
                while looked < most
                    && let Some((address, former)) = found.pop()
                {
                    looked += 1;
                    self.reclaim(address, [Some(former), None], &mut changes);
                }
                found.is_empty()
            }
            Left::By(all) => match all.get(which) {
                None => true,
                Some((dhcp, ddns)) => {
                    let over = loop {
                        let Some(former) = place.next_claim(dhcp, ddns) else { break true };
                        looked += 1;
                        if let Some((address, former)) = former.filter(|_| !planted(Fault::ReservedNotRenamed)) {
                            self.reclaim(address, [Some(former), None], &mut changes);
                        }
                        if looked >= most {
                            break false;
                        }
                    };
                    pass.step = if over { Step::Left(which + 1, Place::default()) } else { Step::Left(which, place) };
                    false
                }
            },
            Left::Rows => true,
        };
        pass.changed |= self.publish(changes, works);
        // The end of one of several settings is a step of its own.
        (looked.max(usize::from(!done)), done)
    }

    fn look_at_reserved(
        &mut self,
        pass: &mut Pass,
        mut place: Place,
        most: usize,
        works: &mut Vec<Work>,
    ) -> (usize, bool) {
        let settings = Arc::clone(self.engine.settings());
        let mut changes = Changes::default();
        let mut looked = 0;
        let done = loop {
            if looked >= most {
                break false;
            }
            let Some((subnet, reservation)) = place.next(&settings) else { break true };
            looked += 1;
            let subnet: &Subnet = &settings.subnets[subnet];
            let reservation: &Reservation = &subnet.reservations[reservation];
            if let Some((address, claim)) = claims::reserved_claim(&settings, &self.settings, subnet, reservation) {
                self.reserved.insert(&claim.name, address);
                let yielded = self.make_way_for(&claim);
                if !yielded.events.is_empty() {
                    // They are undone in turn: what was changed before comes before.
                    self.publish(std::mem::take(&mut changes), works);
                    works.push(self.work_of(yielded, &[]));
                }
                // It may have been claimed already: by a lease of the address that ended while the first step went on.
                self.reclaim(address.into(), [Some(claim), None], &mut changes);
            }
        };
        pass.step = Step::Reserved(place);
        self.publish(changes, works);
        (looked, done)
    }

    fn look_at_hosts(&mut self, pass: &mut Pass, from: usize, most: usize, works: &mut Vec<Work>) -> (usize, bool) {
        let settings = Arc::clone(&self.settings);
        let hosts = settings.hosts.all();
        let mut changes = Changes::default();
        let upto = hosts.len().min(from.saturating_add(most));
        for host in &hosts[from..upto] {
            if planted(Fault::HostForgotten) {
                continue;
            }
            let claim = settings.claim_by_hand(host.address);
            let yielded = claim.map(|claim| self.make_way_for(&claim)).unwrap_or_default();
            if !yielded.events.is_empty() {
                self.publish(std::mem::take(&mut changes), works);
                works.push(self.work_of(yielded, &[]));
            }
            let lease = match host.address {
                IpAddr::V4(v4) => claims::lease_claim(self.engine.lease(v4)),
                IpAddr::V6(_) => None,
            };
            self.reclaim(host.address, [lease, None], &mut changes);
        }
        pass.step = Step::ByHand(upto);
        self.publish(changes, works);
        (upto - from, upto == hosts.len())
    }

    fn look_at_stated(&mut self, pass: &mut Pass, from: usize, most: usize, works: &mut Vec<Work>) -> (usize, bool) {
        let settings = Arc::clone(&self.settings);
        let mut changes = Changes::default();
        if from == 0 {
            let is_stated = |key: &&RowKey| {
                let RowKey::Stated(name, rtype) = key else { return true };
                settings.stated.binary_search_by(|set| (&set.name, set.rtype).cmp(&(name, *rtype))).is_ok()
            };
            let left: Vec<RowKey> = self.wanted.stated().filter(|key| !is_stated(key)).cloned().collect();
            for key in left {
                changes.add(self.wanted.unstate(&key).undo);
            }
        }
        let upto = settings.stated.len().min(from.saturating_add(most));
        for set in &settings.stated[from..upto] {
            changes.add(self.wanted.state(set).undo);
        }
        pass.step = Step::Stated(upto);
        self.publish(changes, works);
        (upto - from, upto == settings.stated.len())
    }

    /// Makes one transaction of the changes; whether there are any.
    fn publish(&mut self, changes: Changes, works: &mut Vec<Work>) -> bool {
        let (rows, undo) = changes.into_rows();
        if rows.is_empty() {
            return false;
        }
        let mut work = self.transaction(rows.iter().cloned().map(Row::Wanted).collect(), [None; 2], undo);
        work.names = rows;
        works.push(work);
        true
    }
}
