//! What an update changed, as the store keeps it.

use dns::{Fqdn, RecordType, Rrset};

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
}
