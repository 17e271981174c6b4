//! Names given with a number behind them where several hosts say the same one: `pc`, `pc-2`, `pc-3`. A number is
//! assigned once, stored with the host's identity, and the host's for as long as it has a lease and for a set time after:
//! whoever comes back first, each gets its own again. The name itself is number one, and kept like the others.
//!
//! [`SuffixTable`] is the DHCP side's copy of all assignments. Each change returns the rows to be stored in the lease's
//! transaction; when that commit fails, [`SuffixTable::revert`] takes the change back, the newest first.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use dns::{Fqdn, HostIdentity, LABEL_OCTETS_MAX};

/// How many assignments there are at most; 65,536 hosts that are there, and as many that are kept a number for. When all
/// are given away, a host that has none yet is treated as under [`dns::naming::ConflictOutcome::Refuse`], until one
/// becomes free: [`SuffixTable::is_full`] says so.
pub const ASSIGNMENTS_MAX: usize = 131_072;
/// The highest number behind a name.
pub const NUMBER_MAX: u32 = 9_999;

/// One host's number under one name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assignment {
    /// The name that the host says, in full.
    pub base: Fqdn,
    /// Who.
    pub identity: HostIdentity,
    /// One: the name itself.
    pub number: u32,
    /// For how many seconds after its last lease ended the host keeps the number.
    pub keep_secs: u32,
    /// UTC seconds of the end of its last lease under that name; `None`: it has one.
    pub left_at: Option<u64>,
}

impl Assignment {
    /// The name that the host has by it; `None` when it does not fit into 255 octets.
    #[must_use]
    pub fn name(&self) -> Option<Fqdn> {
        numbered(&self.base, self.number)
    }

    fn free_at(&self) -> Option<u64> {
        self.left_at.map(|at| at.saturating_add(self.keep_secs.into()))
    }
}

/// `pc-2.lan` for two and `pc.lan`, and `pc.lan` for one. A first label that the number makes longer than 63 octets loses
/// its end. `None` when the name does not fit into 255 octets.
#[must_use]
pub fn numbered(base: &Fqdn, number: u32) -> Option<Fqdn> {
    if number == 1 {
        return Some(base.clone());
    }
    let (&length, rest) = base.as_wire().split_first()?;
    let (stem, _) = rest.split_at_checked(length.into())?;
    let suffix = format!("-{number}");
    let mut stem = &stem[..stem.len().min(LABEL_OCTETS_MAX - suffix.len())];
    // "a--2" is what nobody would look for.
    while let [shorter @ .., b'-'] = stem {
        stem = shorter;
    }
    base.parent()?.prepend_label(&[stem, suffix.as_bytes()].concat()).ok()
}

type Host = (Fqdn, HostIdentity);

#[derive(Clone, Debug)]
struct Entry {
    assignment: Assignment,
    /// How many leases of the host have the name now.
    leases: u32,
}

/// All assignments. Memory: some 400 octets for each, of which there are at most [`ASSIGNMENTS_MAX`].
#[derive(Debug, Default)]
pub struct SuffixTable {
    entries: HashMap<Host, Entry>,
    /// Who has which number under a name.
    numbers: HashMap<Fqdn, BTreeMap<u32, HostIdentity>>,
    /// Whose an assigned name is: the name that it says, and who it is.
    by_name: HashMap<Fqdn, Host>,
    /// Those whose host is away, by when they are free.
    leaving: BTreeSet<(u64, Fqdn, HostIdentity)>,
}

/// A row to be stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SuffixRow {
    /// The assignment, as it is now.
    Is(Assignment),
    /// The name and the host of one that is over.
    Gone(Fqdn, HostIdentity),
}

/// Takes one change back: each touched assignment as it was.
#[derive(Debug, Default)]
pub struct Undo(Vec<(Host, Option<Entry>)>);

impl Undo {
    /// Whether there is nothing to take back.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// What a change came to.
#[derive(Debug, Default)]
#[must_use]
pub struct Changed {
    /// To be stored in the transaction that the change belongs to.
    pub rows: Vec<SuffixRow>,
    /// Takes the change back.
    pub undo: Undo,
}

impl SuffixTable {
    /// A table of what the store holds; `names` are those that leases have, with whose they are. More rows than
    /// [`ASSIGNMENTS_MAX`] are no more than an earlier version wrote, and all are taken.
    #[must_use]
    pub fn load<'a>(
        rows: impl IntoIterator<Item = Assignment>,
        names: impl IntoIterator<Item = (&'a Fqdn, &'a HostIdentity)>,
    ) -> Self {
        let mut table = Self::default();
        for assignment in rows {
            let host = (assignment.base.clone(), assignment.identity.clone());
            table.set(&host, Some(Entry { assignment, leases: 0 }));
        }
        for (name, identity) in names {
            if let Some(entry) = table.host_of(name, identity).and_then(|host| table.entries.get_mut(&host)) {
                entry.leases += 1;
            }
        }
        table
    }

    /// The number of a host under the name that it says.
    #[must_use]
    pub fn number(&self, base: &Fqdn, identity: &HostIdentity) -> Option<u32> {
        self.entries.get(&(base.clone(), identity.clone())).map(|entry| entry.assignment.number)
    }

    /// The assignment by which somebody has `name`, whether it is there or away.
    #[must_use]
    pub fn holder(&self, name: &Fqdn) -> Option<&Assignment> {
        self.entries.get(self.by_name.get(name)?).map(|entry| &entry.assignment)
    }

    /// Numbers under `base` that nobody has, the lowest first.
    pub fn free_numbers(&self, base: &Fqdn) -> impl Iterator<Item = u32> + '_ {
        let taken = self.numbers.get(base);
        (1..=NUMBER_MAX).filter(move |number| taken.is_none_or(|taken| !taken.contains_key(number)))
    }

    /// Whether no further host can be assigned a number.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.entries.len() >= ASSIGNMENTS_MAX
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Every assignment, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &Assignment> {
        self.entries.values().map(|entry| &entry.assignment)
    }

    /// Assigns, in the place of another number that the host has under the name. Nothing changes where it is assigned
    /// already, and where somebody else has the number or the name that it makes.
    pub fn assign(&mut self, assignment: Assignment) -> Changed {
        let host = (assignment.base.clone(), assignment.identity.clone());
        let mut changed = Changed::default();
        let Some(name) = assignment.name() else { return changed };
        let known = self.entries.get(&host);
        let same = known.is_some_and(|entry| {
            entry.assignment.number == assignment.number && entry.assignment.keep_secs == assignment.keep_secs
        });
        let whose = self.by_name.get(&name).filter(|other| **other != host).cloned();
        let foreign = whose.as_ref().is_some_and(|(_, identity)| *identity != assignment.identity);
        if same || foreign || (known.is_none() && self.is_full()) {
            return changed;
        }
        // Those that the host has by another number have another name.
        let leases = known.filter(|entry| entry.assignment.number == assignment.number).map_or(0, |entry| entry.leases);
        // The host says its numbered name by now: it is one name, and one assignment.
        if let Some(earlier) = whose {
            self.put(earlier, None, &mut changed);
        }
        self.put(host, Some(Entry { assignment, leases }), &mut changed);
        changed
    }

    /// A lease has the name `after` and no longer `before`, each with whose it is. `now` is UTC seconds.
    pub fn lease_changed(
        &mut self,
        before: Option<(&Fqdn, &HostIdentity)>,
        after: Option<(&Fqdn, &HostIdentity)>,
        now: u64,
    ) -> Changed {
        let mut changed = Changed::default();
        if self.entries.is_empty() {
            return changed;
        }
        let (before, after) = match before == after {
            // A renewal: but of a name that was assigned only now, or to which an assignment was lost.
            true => (None, after.filter(|(name, identity)| self.leases(name, identity) == Some(0))),
            false => (before, after),
        };
        if let Some(host) = after.and_then(|(name, identity)| self.host_of(name, identity))
            && let Some(mut entry) = self.entries.get(&host).cloned()
        {
            (entry.leases, entry.assignment.left_at) = (entry.leases.saturating_add(1), None);
            self.put(host, Some(entry), &mut changed);
        }
        if let Some(host) = before.and_then(|(name, identity)| self.host_of(name, identity))
            && let Some(mut entry) = self.entries.get(&host).cloned()
        {
            entry.leases = entry.leases.saturating_sub(1);
            if entry.leases == 0 {
                entry.assignment.left_at = Some(now);
            }
            self.put(host, Some(entry), &mut changed);
        }
        changed
    }

    /// When the first assignment is free, in UTC seconds.
    #[must_use]
    pub fn next_free_at(&self) -> Option<u64> {
        self.leaving.first().map(|(at, ..)| *at)
    }

    /// Frees what is over by `now` (UTC seconds), at most `most` of it.
    pub fn expire(&mut self, now: u64, most: usize) -> Changed {
        let over = self.leaving.iter().take_while(|(at, ..)| *at <= now).take(most);
        let hosts: Vec<Host> = over.map(|(_, base, identity)| (base.clone(), identity.clone())).collect();
        let mut changed = Changed::default();
        for host in hosts {
            self.put(host, None, &mut changed);
        }
        changed
    }

    /// Assignments whose host has no lease by the name, and is not known to have left: after a repair that lost rows.
    /// From `now` on they are kept as if it had left then.
    pub fn mend(&mut self, now: u64) -> Changed {
        let lost = |entry: &&Entry| entry.leases == 0 && entry.assignment.left_at.is_none();
        let entries: Vec<Entry> = self.entries.values().filter(lost).cloned().collect();
        let mut changed = Changed::default();
        for mut entry in entries {
            entry.assignment.left_at = Some(now);
            let host = (entry.assignment.base.clone(), entry.assignment.identity.clone());
            self.put(host, Some(entry), &mut changed);
        }
        changed
    }

    /// Takes a change back whose commit failed. Changes made since must have been taken back before.
    pub fn revert(&mut self, undo: Undo) {
        for (host, before) in undo.0.into_iter().rev() {
            self.set(&host, before);
        }
    }

    fn host_of(&self, name: &Fqdn, identity: &HostIdentity) -> Option<Host> {
        self.by_name.get(name).filter(|(_, whose)| whose == identity).cloned()
    }

    fn leases(&self, name: &Fqdn, identity: &HostIdentity) -> Option<u32> {
        self.entries.get(&self.host_of(name, identity)?).map(|entry| entry.leases)
    }

    fn put(&mut self, host: Host, entry: Option<Entry>, changed: &mut Changed) {
        let row = entry.as_ref().map(|entry| entry.assignment.clone());
        let before = self.set(&host, entry);
        if before.as_ref().map(|entry| &entry.assignment) != row.as_ref() {
            changed.rows.push(match row {
                Some(assignment) => SuffixRow::Is(assignment),
                None => SuffixRow::Gone(host.0.clone(), host.1.clone()),
            });
        }
        changed.undo.0.push((host, before));
    }

    /// Replaces an assignment and what leads to it; returns the one that was there.
    fn set(&mut self, host: &Host, entry: Option<Entry>) -> Option<Entry> {
        let (base, identity) = host;
        let before = self.entries.remove(host);
        if let Some(Entry { assignment, .. }) = &before {
            if let Some(numbers) = self.numbers.get_mut(base) {
                numbers.remove(&assignment.number);
                if numbers.is_empty() {
                    self.numbers.remove(base);
                }
            }
            if let Some(name) = assignment.name() {
                self.by_name.remove(&name);
            }
            if let Some(at) = assignment.free_at() {
                self.leaving.remove(&(at, base.clone(), identity.clone()));
            }
        }
        if let Some(entry) = entry {
            let assignment = &entry.assignment;
            self.numbers.entry(base.clone()).or_default().insert(assignment.number, identity.clone());
            if let Some(name) = assignment.name() {
                self.by_name.insert(name, host.clone());
            }
            if let Some(at) = assignment.free_at() {
                self.leaving.insert((at, base.clone(), identity.clone()));
            }
            self.entries.insert(host.clone(), entry);
        }
        before
    }
}

impl Changed {
    /// This and what was changed after it, as one.
    pub fn and(&mut self, later: Self) {
        self.rows.extend(later.rows);
        self.undo.0.extend(later.undo.0);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    const DAY: u32 = 86_400;

    fn name(text: &str) -> Fqdn {
        text.parse().unwrap()
    }

    fn host(n: u8) -> HostIdentity {
        HostIdentity::from_hardware(1, &[2, 0, 0, 0, 0, n])
    }

    fn number(base: &str, who: u8, number: u32) -> Assignment {
        Assignment { base: name(base), identity: host(who), number, keep_secs: DAY, left_at: None }
    }

    /// Hosts 1 and 2 came in this order, and each has a lease.
    fn table() -> SuffixTable {
        let mut table = SuffixTable::default();
        for (who, text) in [(1, "pc.lan"), (2, "pc-2.lan")] {
            let _ = table.assign(number("pc.lan", who, who.into()));
            let _ = table.lease_changed(None, Some((&name(text), &host(who))), 100);
        }
        table
    }

    fn stored(table: &SuffixTable) -> Vec<String> {
        let mut all: Vec<String> = table.iter().map(|a| format!("{} {:?}", a.name().unwrap(), a.left_at)).collect();
        all.sort();
        all
    }

    #[test]
    fn a_number_goes_behind_the_first_label_which_is_cut_where_it_would_be_too_long() {
        assert_eq!(numbered(&name("pc.lan"), 1), Some(name("pc.lan")));
        assert_eq!(numbered(&name("pc.lan"), 12), Some(name("pc-12.lan")));
        let long = format!("{}.lan", "a".repeat(63));
        assert_eq!(numbered(&name(&long), 2), Some(name(&format!("{}-2.lan", "a".repeat(61)))));
        let hyphens = format!("{}--{}.lan", "a".repeat(59), "b".repeat(2));
        assert_eq!(numbered(&name(&hyphens), 2), Some(name(&format!("{}-2.lan", "a".repeat(59)))));
        // 255 octets: there is no room for a number.
        let labels = vec!["a".repeat(61); 4].join(".");
        let longest = format!("{labels}.aaaa");
        assert_eq!(name(&longest).as_wire().len(), 254);
        assert_eq!(numbered(&name(&longest), 2), None);
    }

    #[test]
    fn a_host_keeps_its_number_while_it_is_away_and_for_a_set_time() {
        let mut table = table();
        let pc = name("pc.lan");
        let left = table.lease_changed(Some((&pc, &host(1))), None, 1_000);
        assert_eq!(left.rows, [SuffixRow::Is(Assignment { left_at: Some(1_000), ..number("pc.lan", 1, 1) })]);
        assert_eq!(table.free_numbers(&pc).next(), Some(3));
        assert_eq!(table.next_free_at(), Some(1_000 + u64::from(DAY)));
        assert!(table.expire(u64::from(DAY), 9).rows.is_empty());
        let gone = table.expire(1_000 + u64::from(DAY), 9);
        assert_eq!(gone.rows, [SuffixRow::Gone(pc.clone(), host(1))]);
        // The other one keeps its own; the next host that comes gets the free one.
        assert_eq!((table.number(&pc, &host(2)), table.free_numbers(&pc).next()), (Some(2), Some(1)));
    }

    #[test]
    fn a_renewal_costs_no_row_and_a_return_ends_the_keeping() {
        let mut table = table();
        let pc = name("pc.lan");
        assert!(table.lease_changed(Some((&pc, &host(1))), Some((&pc, &host(1))), 500).rows.is_empty());
        assert!(table.assign(number("pc.lan", 1, 1)).rows.is_empty());
        let _ = table.lease_changed(Some((&pc, &host(1))), None, 1_000);
        let back = table.lease_changed(None, Some((&pc, &host(1))), 2_000);
        assert_eq!(back.rows, [SuffixRow::Is(number("pc.lan", 1, 1))]);
        assert_eq!(table.next_free_at(), None);
    }

    #[test]
    fn one_host_with_two_leases_leaves_with_the_last() {
        let mut table = table();
        let pc = name("pc.lan");
        let _ = table.lease_changed(None, Some((&pc, &host(1))), 200);
        assert!(table.lease_changed(Some((&pc, &host(1))), None, 1_000).rows.is_empty());
        assert_eq!(table.lease_changed(Some((&pc, &host(1))), None, 2_000).rows.len(), 1);
    }

    #[test]
    fn a_number_is_another_hosts_only_once_it_is_free() {
        let mut table = table();
        assert!(table.assign(number("pc.lan", 3, 2)).rows.is_empty());
        // Nor is the name that a number makes, by whatever way.
        assert!(table.assign(number("pc-2.lan", 3, 1)).rows.is_empty());
        assert_eq!(table.holder(&name("pc-2.lan")).map(|a| &a.identity), Some(&host(2)));
        // Its own host may say it: then it is one name, and one row.
        let said = table.assign(number("pc-2.lan", 2, 1));
        assert_eq!(said.rows, [SuffixRow::Gone(name("pc.lan"), host(2)), SuffixRow::Is(number("pc-2.lan", 2, 1))]);
        table.revert(said.undo);
        assert_eq!(stored(&table), ["pc-2.lan. None", "pc.lan. None"]);
    }

    #[test]
    fn what_was_not_stored_is_taken_back_newest_first() {
        let mut table = table();
        let before = stored(&table);
        let pc = name("pc.lan");
        let mut undos = vec![table.lease_changed(Some((&pc, &host(1))), None, 1_000).undo];
        undos.push(table.expire(u64::MAX, 9).undo);
        undos.push(table.assign(number("pc.lan", 3, 1)).undo);
        undos.push(table.lease_changed(None, Some((&pc, &host(3))), 1_100).undo);
        undos.into_iter().rev().for_each(|undo| table.revert(undo));
        assert_eq!((stored(&table), table.next_free_at()), (before, None));
        assert_eq!(table.leases(&pc, &host(1)), Some(1));
    }

    #[test]
    fn what_is_loaded_is_as_it_was_and_rows_whose_lease_was_lost_run_out() {
        let rows: Vec<Assignment> = table().iter().cloned().collect();
        let (pc, one) = (name("pc.lan"), host(1));
        let mut loaded = SuffixTable::load(rows, [(&pc, &one)]);
        let mended = loaded.mend(5_000);
        assert_eq!(mended.rows, [SuffixRow::Is(Assignment { left_at: Some(5_000), ..number("pc.lan", 2, 2) })]);
        assert_eq!(stored(&loaded), ["pc-2.lan. Some(5000)", "pc.lan. None"]);
    }
}
