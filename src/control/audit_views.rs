//! Audits and repairs of zones, to be shown.

use serde::{Deserialize, Serialize};

/// What an audit found.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct AuditView {
    /// Each zone that was audited.
    pub zones: Vec<AuditZoneView>,
}

/// What an audit found in one zone.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct AuditZoneView {
    /// The apex.
    pub zone: String,
    /// Its server's address, or `embedded`.
    pub server: String,
    /// How it was read: `embedded`, `transfer`, or `queries`, which see no names but those that are known.
    pub how: String,
    /// Why it could not be read; the rest then says nothing.
    pub error: Option<String>,
    /// How many of each.
    pub counts: AuditCounts,
    /// Names of others: none of this server's business.
    pub others: usize,
    /// Those of them with a DHCID of an unknown host.
    pub others_with_dhcid: usize,
    /// Records read.
    pub records: usize,
    /// Records that were too many to be looked at.
    pub not_looked_at: usize,
    /// What is wrong.
    pub findings: Vec<AuditFindingView>,
    /// How many findings are not listed, because they are too many.
    pub not_listed: usize,
}

/// How many names and addresses stand how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditCounts {
    /// As they should.
    pub right: usize,
    /// On their way, or changed during the audit.
    pub under_way: usize,
    /// Not there.
    pub missing: usize,
    /// This server's, and not as it wrote them.
    pub changed: usize,
    /// This server's, and wanted no more.
    pub stale: usize,
    /// Somebody else's, where this server's should be.
    pub foreign: usize,
    /// A host of this server's at an address of another server's: nothing is wrong.
    #[serde(default)]
    pub elsewhere: usize,
}

impl AuditCounts {
    /// How many are wrong.
    #[must_use]
    pub fn wrong(&self) -> usize {
        self.missing + self.changed + self.stale + self.foreign
    }
}

/// One thing that is wrong.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct AuditFindingView {
    /// `missing`, `changed`, `stale`, `foreign` or `elsewhere`.
    pub kind: String,
    /// The name, or the address for its PTR.
    pub key: String,
    /// What should be there.
    pub wanted: String,
    /// What is there.
    pub found: String,
    /// Without DHCID, and exactly what is wanted.
    pub adoptable: bool,
}

/// What the last audit that was made unasked found.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct AuditSummary {
    /// When, in UTC seconds.
    pub at: u64,
    /// Of all zones together.
    pub counts: AuditCounts,
    /// Zones that could not be read.
    pub failed: Vec<String>,
    /// Zones that were not repaired, because too much would have been deleted.
    pub stopped: Vec<String>,
}

/// What was done, or would be.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct MendView {
    /// Nothing was done: this is what would be.
    pub dry_run: bool,
    /// Each zone.
    pub zones: Vec<MendZoneView>,
}

/// What was done in one zone, or would be.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct MendZoneView {
    /// The apex.
    pub zone: String,
    /// Why it could not be read.
    pub error: Option<String>,
    /// Each name or address and what is done about it.
    pub actions: Vec<String>,
    /// What is not done, and why.
    pub refused: Vec<String>,
    /// Why nothing was done at all, and how to have it done.
    pub stopped: Option<String>,
    /// Rows that are on their way now.
    pub done: usize,
}
