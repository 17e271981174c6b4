//! Names that a DNS server said are somebody else's: what the reconciler found out, remembered where names are chosen.

use std::collections::{HashMap, VecDeque};

use dns::{Fqdn, HostIdentity};

/// How many are remembered; the oldest are forgotten first. A forgotten one costs an update that finds it out anew.
pub const FOREIGN_MAX: usize = 16_384;

/// Names with whom they were refused to, and when that was last found, in UTC seconds.
#[derive(Debug, Default)]
pub struct ForeignNames {
    found: HashMap<(Fqdn, HostIdentity), u64>,
    /// The order in which they came, with what was forgotten since; at most twice as long as there are names.
    order: VecDeque<(Fqdn, HostIdentity)>,
    /// For how many seconds a find is believed.
    believed_secs: u64,
}

impl ForeignNames {
    /// None yet. A find is believed for `believed_secs`: longer than what pauses between two tries of the same name.
    #[must_use]
    pub fn new(believed_secs: u64) -> Self {
        Self { believed_secs, ..Self::default() }
    }

    /// A DNS server refused the name to this host. Whether that is news.
    pub fn remember(&mut self, name: &Fqdn, identity: &HostIdentity, now: u64) -> bool {
        let key = (name.clone(), identity.clone());
        let known = self.found.insert(key.clone(), now);
        if known.is_none() {
            self.order.push_back(key);
        }
        while self.found.len() > FOREIGN_MAX || self.order.len() > 2 * FOREIGN_MAX {
            let Some(oldest) = self.order.pop_front() else { break };
            self.found.remove(&oldest);
        }
        known.is_none_or(|at| !self.is_believed(at, now))
    }

    /// Whether none is remembered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// The host has the name now.
    pub fn forget(&mut self, name: &Fqdn, identity: &HostIdentity) {
        if !self.found.is_empty() && self.found.remove(&(name.clone(), identity.clone())).is_some() {
            self.order.retain(|(other, whose)| other != name || whose != identity);
        }
    }

    /// Whether the name is somebody else's in DNS, as far as is known.
    #[must_use]
    pub fn contains(&self, name: &Fqdn, identity: &HostIdentity, now: u64) -> bool {
        !self.found.is_empty()
            && self.found.get(&(name.clone(), identity.clone())).is_some_and(|at| self.is_believed(*at, now))
    }

    fn is_believed(&self, at: u64, now: u64) -> bool {
        now < at.saturating_add(self.believed_secs)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    fn host(n: u32) -> HostIdentity {
        HostIdentity::from_hardware(1, &n.to_be_bytes())
    }

    #[test]
    fn a_find_is_one_hosts_and_is_believed_for_a_time_or_until_it_is_over() {
        let mut foreign = ForeignNames::new(100);
        let pc: Fqdn = "pc.lan".parse().unwrap();
        assert!(foreign.remember(&pc, &host(1), 10));
        assert!(!foreign.remember(&pc, &host(1), 20));
        assert!(foreign.contains(&pc, &host(1), 119) && !foreign.contains(&pc, &host(2), 20));
        assert!(!foreign.contains(&pc, &host(1), 120));
        assert!(foreign.remember(&pc, &host(1), 200));
        foreign.forget(&pc, &host(1));
        assert!(!foreign.contains(&pc, &host(1), 200));
        assert!(foreign.order.is_empty());
    }

    #[test]
    fn the_oldest_are_forgotten_first() {
        let mut foreign = ForeignNames::new(100);
        let pc: Fqdn = "pc.lan".parse().unwrap();
        for n in 0..=FOREIGN_MAX as u32 {
            foreign.remember(&pc, &host(n), 10);
        }
        assert_eq!((foreign.found.len(), foreign.order.len()), (FOREIGN_MAX, FOREIGN_MAX));
        assert!(!foreign.contains(&pc, &host(0), 10) && foreign.contains(&pc, &host(1), 10));
    }
}
