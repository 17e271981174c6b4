//! What comes of names that several hosts want, from the answer to the engine's question to the lease's transaction:
//! numbers that are assigned with the lease, names that change hands, and what DNS servers said is somebody else's.

use std::collections::{BTreeSet, VecDeque};
use std::net::{IpAddr, Ipv4Addr};

use ddns::foreign::ForeignNames;
use ddns::grant::Terms;
use ddns::reconcile::{ConfirmedRow, LastAnswer};
use ddns::suffixes::{Assignment, Changed, SuffixRow, SuffixTable};
use ddns::wanted::RowKey;
use dhcp::decision::{Former, LeaseEvent};
use dhcp::lease::{Lease, LeaseName, LeaseState};
use dhcp::time::Now;
use dns::{Fqdn, HostIdentity};
use faults::{Fault, planted};
use store::rows::Row;

use super::claims::Changes;
use super::pass::Pass;
use super::{Core, CoreNames, Undos, Work};

/// How many leases wait to be called otherwise. Where more do, all leases are looked at instead.
const RENAMES_MAX: usize = 4_096;

/// What the core remembers of names that several hosts want.
#[derive(Debug)]
pub struct Outcomes {
    pub(super) suffixes: SuffixTable,
    pub(super) foreign: ForeignNames,
    /// Addresses whose last leases have expired and left their names: these yield to whoever wants them.
    pub(super) lingering: BTreeSet<Ipv4Addr>,
    /// Leases whose name changed hands, or is somebody else's in DNS.
    renames: VecDeque<Ipv4Addr>,
    /// Leases for which no number was left.
    unnumbered: u64,
    /// The machine's clock is known to be wrong: nothing runs out.
    pub(super) paused: bool,
    /// When the core was last told the time.
    pub(super) now: Now,
}

impl Outcomes {
    /// Nothing is known yet.
    #[must_use]
    pub fn new(settings: &ddns::settings::Settings, now: Now) -> Self {
        // Twice the pause between two tries, so that the next try says it again before it is forgotten.
        let believed_secs = settings.retry.conflict_ms.saturating_mul(2) / 1_000 + 60;
        Self {
            suffixes: SuffixTable::default(),
            foreign: ForeignNames::new(believed_secs),
            lingering: BTreeSet::new(),
            renames: VecDeque::new(),
            unnumbered: 0,
            paused: false,
            now,
        }
    }

    /// When something is to be done, in boot milliseconds.
    pub(super) fn poll_timeout(&self) -> Option<u64> {
        if !self.renames.is_empty() {
            return Some(0);
        }
        let free_at = self.suffixes.next_free_at().filter(|_| !self.paused)?;
        let secs = free_at.saturating_sub(self.now.wall_secs);
        Some(self.now.boot_ms.saturating_add(secs.saturating_mul(1_000)))
    }
}

impl Core {
    /// Takes the stored numbers behind names. To be called once, before anything is decided.
    #[must_use]
    pub fn with_suffixes(mut self, rows: Vec<Assignment>) -> Self {
        let leases: Vec<Lease> = if rows.is_empty() { Vec::new() } else { self.engine.named_leases().collect() };
        self.outcomes.suffixes = SuffixTable::load(rows, leases.iter().filter_map(name_of));
        self
    }

    /// Takes what DNS servers refused when the store was last written: so the first answer after a start is as true as the
    /// last one before it, also while no server can be asked. The next tries tell whether it is still so. To be called
    /// once, before anything is decided.
    #[must_use]
    pub fn with_refusals<'r>(mut self, seen: impl IntoIterator<Item = &'r ConfirmedRow>) -> Self {
        let refused =
            |row: &&ConfirmedRow| row.last == LastAnswer::Conflict && !row.done && !planted(Fault::RefusalsForgotten);
        for row in seen.into_iter().filter(refused) {
            let RowKey::Forward(name) = &row.key else { continue };
            // Of another generation: it may have been refused to another host.
            let current = self.wanted.get(&row.key).filter(|wanted| wanted.generation == row.generation);
            if let Some(want) = current.and_then(|wanted| wanted.want) {
                // From now on: however long ago it was told, nothing else has been told since.
                self.outcomes.foreign.remember(name, &want.identity, self.outcomes.now.wall_secs);
            }
        }
        self
    }

    /// For how many leases since the start no number was left, where names are numbered.
    #[must_use]
    pub fn unnumbered(&self) -> u64 {
        self.outcomes.unnumbered
    }

    /// The numbers behind names, to be asked.
    #[must_use]
    pub fn suffixes(&self) -> &SuffixTable {
        &self.outcomes.suffixes
    }

    /// DNS did not take what `generation` of `key` wanted, because the name is somebody else's there. The host is told so
    /// from now on, and where the policy gives it another name, it gets that at once.
    pub fn handle_foreign_name(&mut self, key: &RowKey, generation: u64) {
        let RowKey::Forward(name) = key else { return };
        let row = self.wanted.get(key).filter(|row| row.generation == generation);
        let Some(want) = row.as_ref().and_then(|row| row.want.as_ref()) else { return };
        if self.outcomes.foreign.remember(name, &want.identity, self.outcomes.now.wall_secs) {
            let addresses = want.addresses.clone();
            self.rename_soon(addresses);
        }
    }

    /// What numbers become by one event of a lease: stored with it.
    pub(super) fn take_numbers(&mut self, event: &LeaseEvent, terms: &[Terms], changes: &mut Changes) {
        let mut changed = Changed::default();
        let (before, after) = (event.previous.as_ref().and_then(name_of_former), name_of(&event.lease));
        // Nobody tries the name any more, so that nobody would find out that it is free again. A reservation goes on trying.
        if let (Some((name, identity)), None) = (before, after)
            && self.wanted.owner_of(name).as_ref() != Some(identity)
        {
            self.outcomes.foreign.forget(name, identity);
        }
        let numbered = terms.iter().filter_map(|terms| match terms {
            Terms::Numbered(assignment) => Some(assignment),
            Terms::TakesOver { .. } | Terms::NumbersUsedUp => None,
        });
        self.outcomes.unnumbered += terms.iter().filter(|one| **one == Terms::NumbersUsedUp).count() as u64;
        if let Some((name, identity)) = after {
            for assignment in numbered.filter(|one| one.identity == *identity && one.name().as_ref() == Some(name)) {
                changed.and(self.outcomes.suffixes.assign(assignment.clone()));
            }
        }
        changed.and(self.outcomes.suffixes.lease_changed(before, after, self.outcomes.now.wall_secs));
        let rows = self.rows_of(changed, &mut changes.undos);
        changes.numbers.extend(rows);
    }

    /// Names that run out and leases that are to be called otherwise, at most `most` together.
    pub(super) fn outcomes_due(&mut self, now: Now, most: usize) -> Vec<Work> {
        let mut works = Vec::new();
        while works.len() < most {
            let Some(address) = self.outcomes.renames.pop_front() else { break };
            let names = CoreNames::new(&self.wanted, &self.settings, &self.outcomes);
            let decision = self.engine.rename(address, &names);
            let terms = names.into_terms();
            works.extend(decision.map(|decision| self.work_of(decision, &terms)));
            works.extend(self.keep_numbers(&terms));
        }
        if !self.outcomes.paused {
            let over = self.outcomes.suffixes.expire(now.wall_secs, most.saturating_sub(works.len()));
            works.extend(self.work_of_numbers(over));
        }
        works
    }

    /// Hosts that have the names by which they were looked at hold the numbers that go with them: of bindings that ran
    /// before the policy was so. A name that the host has by hand alone counts no lease, and no number ends with it.
    pub(super) fn keep_numbers(&mut self, terms: &[Terms]) -> Option<Work> {
        let mut changed = Changed::default();
        for terms in terms {
            let Terms::Numbered(assignment) = terms else { continue };
            let Some(name) = assignment.name() else { continue };
            if !self.is_leased(&name, &assignment.identity) {
                continue;
            }
            let host = Some((&name, &assignment.identity));
            changed.and(self.outcomes.suffixes.assign(assignment.clone()));
            changed.and(self.outcomes.suffixes.lease_changed(host, host, self.outcomes.now.wall_secs));
        }
        self.work_of_numbers(changed)
    }

    /// Whether a binding of the host has the name.
    fn is_leased(&self, name: &Fqdn, identity: &HostIdentity) -> bool {
        let row = self.wanted.get(&RowKey::Forward(name.clone()));
        let want = row.and_then(|row| row.want).filter(|want| want.identity == *identity);
        let has_it = |address: &IpAddr| match address {
            IpAddr::V4(v4) => self.engine.lease(*v4).is_some_and(|lease| name_of(&lease) == Some((name, identity))),
            IpAddr::V6(_) => false,
        };
        want.is_some_and(|want| want.addresses.iter().any(has_it))
    }

    /// Numbers whose leases were lost by a repair: kept from now on as if their hosts had just left.
    pub(super) fn mend_suffixes(&mut self, undos: &mut Undos) -> Vec<Row> {
        let changed = self.outcomes.suffixes.mend(self.outcomes.now.wall_secs);
        self.rows_of(changed, undos)
    }

    fn work_of_numbers(&mut self, changed: Changed) -> Option<Work> {
        let mut undos = Undos::default();
        let rows = self.rows_of(changed, &mut undos);
        (!rows.is_empty()).then(|| self.transaction(rows, [None; 2], undos))
    }

    fn rows_of(&mut self, changed: Changed, undos: &mut Undos) -> Vec<Row> {
        if !changed.undo.is_empty() {
            undos.numbers.push(changed.undo);
        }
        let row = |row| match row {
            SuffixRow::Is(assignment) => Row::Suffix(assignment),
            SuffixRow::Gone(base, identity) => Row::SuffixGone(base, identity),
        };
        changed.rows.into_iter().map(row).collect()
    }

    pub(super) fn rename_soon(&mut self, addresses: Vec<IpAddr>) {
        for address in addresses {
            let IpAddr::V4(address) = address else { continue };
            if self.outcomes.renames.len() >= RENAMES_MAX {
                self.outcomes.renames.clear();
                self.pass = Some(Pass::again(self.pass.take()));
            }
            if !self.outcomes.renames.contains(&address) {
                self.outcomes.renames.push_back(address);
            }
        }
    }
}

/// The name that a binding has.
fn name_of(lease: &Lease) -> Option<(&Fqdn, &HostIdentity)> {
    lease.name.as_ref().filter(|_| lease.state == LeaseState::Bound).map(LeaseName::host)
}

/// The name that it had.
fn name_of_former(former: &Former) -> Option<(&Fqdn, &HostIdentity)> {
    former.name.as_ref().filter(|_| former.state == LeaseState::Bound).map(LeaseName::host)
}

#[cfg(test)]
mod tests;
