//! What an update changed, as the store keeps it.

use std::sync::Arc;

use dns::{Fqdn, RecordType, Rrset};

use crate::{Cut, Difference, Node};

/// One zone's step from one serial to the next. Storing every entry of `sets` (put, or delete) and all sets of `added` in
/// one transaction is storing the update; the SOA with the new serial is among them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ZoneChange {
    /// What the zone is known by; see [`crate::zone_id`].
    pub zone: Fqdn,
    /// Serial before.
    pub serial_before: u32,
    /// Serial after.
    pub serial_after: u32,
    /// Each changed set with its whole new content; `None`: the set is gone.
    pub sets: Vec<(Fqdn, RecordType, Option<Rrset>)>,
    /// Names that owned no records before, with all that they own now: shared with the zone, since most changes are of
    /// these alone.
    pub added: Vec<(Fqdn, Node)>,
    /// What the changed sets were; stored with them.
    pub difference: Arc<Difference>,
    /// Differences that are kept no more, of this zone or, for want of room, of others: their rows go with this change.
    pub cut: Vec<Cut>,
}

impl ZoneChange {
    /// Every changed set, whichever of the two lists has it.
    pub fn into_sets(self) -> impl Iterator<Item = (Fqdn, RecordType, Option<Rrset>)> {
        let sets_of = |(name, node): (Fqdn, Node)| {
            let sets: Vec<Rrset> = node.rrsets(&name).collect();
            sets.into_iter().map(|set| (set.name.clone(), set.rtype, Some(set)))
        };
        self.sets.into_iter().chain(self.added.into_iter().flat_map(sets_of))
    }
}
