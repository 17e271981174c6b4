//! Names that outlive their leases ([`AfterExpiry`]): the record of the lease that expired keeps its name, and is stored
//! with it, so that a restart changes nothing.
//!
//! ```text
//! Bound ──time──▶ Expired with its name ──grace over, another host wants the name──▶ Expired without
//! Bound ──RELEASE──▶ Released, always without
//! ```
//!
//! When the grace ends follows from the record's end and the settings of the moment.

use std::net::Ipv4Addr;

use faults::{Fault, planted};

use super::Engine;
use super::bind;
use super::naming::after_expiry;
use super::record::{self, Change, HotState, Kept, NEVER};
use crate::decision::{Decision, Former, LeaseEventKind};
use crate::lease::LeaseState;
use crate::settings::AfterExpiry;
use crate::time::Now;

impl Engine {
    /// The addresses whose last leases have expired and left their names.
    pub fn lingering(&self) -> impl Iterator<Item = Ipv4Addr> {
        let records = self.book.records();
        records
            .filter(|record| record.hot.state() == HotState::Expired && record.cold.has_name())
            .map(|r| r.hot.address)
    }

    /// Ends the names that expired leases left at these addresses. Nothing where there is none.
    pub fn end_names(&mut self, addresses: &[Ipv4Addr]) -> Decision {
        let ended = addresses.iter().filter_map(|&address| {
            let record = self.book.record(address)?;
            let lingers = record.hot.state() == HotState::Expired && record.cold.has_name();
            lingers.then(|| without_name(record.kept()))
        });
        let ended: Vec<Change> = ended.collect();
        self.write(ended)
    }

    /// A binding that has run out, with its name where that outlives it.
    pub(super) fn expired(&self, kept: Kept, now: Now) -> Change {
        let name = kept.lease.name.clone();
        let at = kept.lease.expires_at.min(now.wall_secs);
        let mut change = bind::end(kept, LeaseState::Expired, at, LeaseEventKind::Expired);
        let kept = &mut change.kept;
        let policy = after_expiry(&self.book.plan, kept.lease.address);
        if name.is_some() && policy != AfterExpiry::AtOnce {
            kept.lease.name = name;
            kept.deadline_ms = match policy {
                AfterExpiry::Grace(secs) => now.boot_ms.saturating_add(u64::from(secs) * 1_000),
                AfterExpiry::AtOnce | AfterExpiry::Keep => NEVER,
            };
        }
        change
    }

    /// A name whose grace is over.
    pub(super) fn end_of_grace(kept: Kept) -> Change {
        without_name(kept)
    }

    /// Works out anew when the names of expired leases end, which other settings make otherwise.
    pub(super) fn time_lingering(&mut self, now: Now) {
        let ends: Vec<_> = self
            .lingering()
            .filter_map(|address| {
                let record = self.book.record(address)?;
                let deadline = match after_expiry(&self.book.plan, address) {
                    _ if planted(Fault::GraceForgotten) => NEVER,
                    AfterExpiry::AtOnce => now.boot_ms,
                    AfterExpiry::Grace(secs) => {
                        record::deadline_by_wall(record.hot.expires_at().saturating_add(secs.into()), now)
                    }
                    AfterExpiry::Keep => NEVER,
                };
                Some((address, deadline))
            })
            .collect();
        for (address, deadline) in ends {
            self.book.set_deadline(address, deadline);
        }
    }
}

fn without_name(mut kept: Kept) -> Change {
    let previous = Former::from(&kept.lease);
    kept.lease.name = None;
    kept.deadline_ms = NEVER;
    Change { kept, kind: LeaseEventKind::NameEnded, previous: Some(previous) }
}
