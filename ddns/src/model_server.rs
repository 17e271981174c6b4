//! A DNS server for tests: the semantics of RFC 2136 over one flat set of records, as plainly as they can be written.

use std::collections::{BTreeMap, BTreeSet};

use dns::{Change, Fqdn, Prerequisite, Rcode, Rdata, RecordType, Update};

type Sets = BTreeMap<(Fqdn, RecordType), BTreeSet<Rdata>>;

/// All records of all zones.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ModelServer {
    sets: Sets,
}

impl ModelServer {
    /// RFC 2136 section 3: prerequisites, then all changes; or an RCODE and no change.
    pub(crate) fn apply(&mut self, update: &Update) -> Rcode {
        for prerequisite in &update.prerequisites {
            if let Some(failed) = self.failure_of(prerequisite) {
                return failed;
            }
        }
        for change in &update.changes {
            match change.clone() {
                Change::Add { name, rtype, rdata, .. } => {
                    self.sets.entry((name, rtype)).or_default().insert(rdata);
                }
                Change::DeleteRrset(name, rtype) => {
                    self.sets.remove(&(name, rtype));
                }
                Change::DeleteName(name) => self.sets.retain(|(owner, _), _| *owner != name),
                Change::DeleteRecord(name, rtype, rdata) => {
                    if let Some(set) = self.sets.get_mut(&(name, rtype)) {
                        set.remove(&rdata);
                    }
                }
            }
            self.sets.retain(|_, set| !set.is_empty());
        }
        Rcode::NO_ERROR
    }

    fn failure_of(&self, prerequisite: &Prerequisite) -> Option<Rcode> {
        let has = |name: &Fqdn, rtype: RecordType| self.sets.contains_key(&(name.clone(), rtype));
        let in_use = |name: &Fqdn| self.sets.keys().any(|(owner, _)| owner == name);
        match prerequisite {
            Prerequisite::RrsetExists(name, rtype) => (!has(name, *rtype)).then_some(Rcode::NX_RRSET),
            Prerequisite::RrsetIs(name, rtype, data) => {
                let wanted: BTreeSet<Rdata> = data.iter().cloned().collect();
                (self.sets.get(&(name.clone(), *rtype)) != Some(&wanted)).then_some(Rcode::NX_RRSET)
            }
            Prerequisite::RrsetAbsent(name, rtype) => has(name, *rtype).then_some(Rcode::YX_RRSET),
            Prerequisite::NameInUse(name) => (!in_use(name)).then_some(Rcode::NX_DOMAIN),
            Prerequisite::NameNotInUse(name) => in_use(name).then_some(Rcode::YX_DOMAIN),
        }
    }

    /// An operator's `nsupdate`.
    pub(crate) fn add_by_hand(&mut self, name: &str, rtype: RecordType, rdata: Rdata) {
        self.sets.entry((fqdn(name), rtype)).or_default().insert(rdata);
    }

    /// An operator's `nsupdate`.
    pub(crate) fn delete_by_hand(&mut self, name: &str, rtype: RecordType) {
        self.sets.remove(&(fqdn(name), rtype));
    }

    /// The records of a set, sorted.
    pub(crate) fn data(&self, name: &str, rtype: RecordType) -> Vec<Rdata> {
        self.sets.get(&(fqdn(name), rtype)).into_iter().flatten().cloned().collect()
    }

    /// Whether the name owns any record.
    pub(crate) fn is_in_use(&self, name: &str) -> bool {
        self.sets.keys().any(|(owner, _)| *owner == fqdn(name))
    }

    /// Every record, as `name type data`, but DHCIDs; sorted.
    pub(crate) fn plain(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for ((name, rtype), set) in &self.sets {
            for rdata in set.iter().filter(|_| *rtype != RecordType::DHCID) {
                let data = match (rdata.to_address(*rtype), rdata.to_name()) {
                    (Some(address), _) => address.to_string(),
                    (None, Some(target)) if *rtype == RecordType::PTR => target.to_string(),
                    _ => "...".to_owned(),
                };
                lines.push(format!("{name} {rtype} {data}"));
            }
        }
        lines.sort();
        lines
    }

    /// How many DHCID records there are.
    pub(crate) fn dhcid_count(&self) -> usize {
        self.sets.iter().filter(|((_, rtype), _)| *rtype == RecordType::DHCID).map(|(_, set)| set.len()).sum()
    }
}

fn fqdn(text: &str) -> Fqdn {
    text.parse().expect("a test's name is a name")
}
