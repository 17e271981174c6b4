//! What an update changed, as the store keeps it.

use std::sync::Arc;

use dns::{Fqdn, RecordType, Rrset};

use crate::Difference;

/// One zone's step from one serial to the next. Storing every `sets` entry (put, or delete) in one transaction
/// is storing the update; the SOA with the new serial is among them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ZoneChange {
    /// The apex.
    pub zone: Fqdn,
    /// Serial before.
    pub serial_before: u32,
    /// Serial after.
    pub serial_after: u32,
    /// Each changed set with its whole new content; `None`: the set is gone.
    pub sets: Vec<(Fqdn, RecordType, Option<Rrset>)>,
    /// What the changed sets were; stored with them.
    pub difference: Arc<Difference>,
    /// Differences that are kept no more, by the serial after them: their rows go with this change.
    pub cut: Vec<u32>,
}
