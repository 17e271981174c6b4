//! RFC 2136 as values.

use crate::{Fqdn, Rdata, RecordType};

/// One dynamic update of one zone: all of it happens, or none (RFC 2136 section 3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Update {
    /// The zone's apex.
    pub zone: Fqdn,
    /// What must hold before (section 2.4).
    pub prerequisites: Vec<Prerequisite>,
    /// What changes, in this order (section 2.5).
    pub changes: Vec<Change>,
}

/// RFC 2136 section 2.4.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Prerequisite {
    /// 2.4.1: the set exists, whatever its data. Else NXRRSET.
    RrsetExists(Fqdn, RecordType),
    /// 2.4.2: the set exists with exactly this data. Else NXRRSET.
    RrsetIs(Fqdn, RecordType, Vec<Rdata>),
    /// 2.4.3: no such set. Else YXRRSET.
    RrsetAbsent(Fqdn, RecordType),
    /// 2.4.4: the name owns at least one record. Else NXDOMAIN.
    NameInUse(Fqdn),
    /// 2.4.5: the name owns no record. Else YXDOMAIN.
    NameNotInUse(Fqdn),
}

/// RFC 2136 section 2.5.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// 2.5.1: add one record to its set.
    Add {
        /// The owner.
        name: Fqdn,
        /// Its type.
        rtype: RecordType,
        /// Its time to live in seconds.
        ttl: u32,
        /// Its data.
        rdata: Rdata,
    },
    /// 2.5.2: delete the set.
    DeleteRrset(Fqdn, RecordType),
    /// 2.5.3: delete every set of the name.
    DeleteName(Fqdn),
    /// 2.5.4: delete one record from its set.
    DeleteRecord(Fqdn, RecordType, Rdata),
}
