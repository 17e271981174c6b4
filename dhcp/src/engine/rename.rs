//! Names chosen again while leases run: after a start, and when the settings changed. A lease can run for weeks, and what
//! the operator has changed must not wait for its client's next word.

use std::net::Ipv4Addr;

use super::Engine;
use super::bind::{self, Wish};
use super::naming::naming_classes;
use super::record::{Change, HotState};
use crate::class::ClassId;
use crate::decision::{Decision, Former, LeaseEventKind};
use crate::lease::Lease;
use crate::names::NameChooser;

/// How far [`Engine::rename_next`] came.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Renaming {
    /// The last address that was looked at, to go on from.
    pub at: Option<Ipv4Addr>,
    /// There is none after it.
    pub done: bool,
    /// How many records were looked at.
    pub looked: usize,
    /// The change of the last one; nothing when none of them is to be called otherwise.
    pub decision: Decision,
}

impl Engine {
    /// Looks at up to `most` records, by address, from the one after `after` on, for a binding that would get another
    /// name, or none, if its client renewed it now and said what it said last; stops at the first and renames it.
    ///
    /// Of which classes a client is, a lease does not tell. So a name that it can have by some class stays until its
    /// client's next word.
    ///
    /// Nothing is looked at while nothing can be stored. A binding in no subnet of the settings keeps its name until it ends, as one in an inactive subnet does.
    pub fn rename_next(&mut self, after: Option<Ipv4Addr>, most: usize, names: &dyn NameChooser) -> Renaming {
        let mut renaming = Renaming { at: after, ..Renaming::default() };
        if self.storage_full {
            return renaming;
        }
        while renaming.looked < most {
            let Some(record) = self.book.record_after(renaming.at) else {
                renaming.done = true;
                break;
            };
            let address = record.hot.address;
            (renaming.at, renaming.looked) = (Some(address), renaming.looked + 1);
            if let Some(decision) = self.rename(address, names) {
                renaming.decision = decision;
                break;
            }
        }
        renaming
    }

    /// As [`Engine::rename_next`], but of one address: `None` when it keeps its name, or has no binding.
    pub fn rename(&mut self, address: Ipv4Addr, names: &dyn NameChooser) -> Option<Decision> {
        let record = self.book.record(address).filter(|record| record.hot.state() == HotState::Bound)?;
        if self.storage_full {
            return None;
        }
        let place = self.book.plan.holding(address)?;
        let mut kept = record.kept();
        let wish = wish_of(&kept.lease);
        let ask = |class: Option<ClassId>| bind::ask_name(&self.book, names, place, &wish, class.into_iter()).name;
        let name = ask(None);
        if name == kept.lease.name || naming_classes(&self.book.plan).any(|class| ask(Some(class)) == kept.lease.name) {
            return None;
        }
        let previous = Former::from(&kept.lease);
        kept.lease.name = name;
        Some(self.write([Change { kept, kind: LeaseEventKind::Renamed, previous: Some(previous) }]))
    }
}

impl Engine {
    /// Asks `names` as [`Engine::rename_next`] would for the record of an address: by the rules that hold without
    /// classes, and, as long as the answer is not the name that the record has, once for each class with rules of its
    /// own. Changes nothing; for whoever wants to hear why a name is what it is. False when there is no record, or no
    /// subnet that holds it.
    pub fn ask_name_again(&self, address: Ipv4Addr, names: &dyn NameChooser) -> bool {
        let Some(record) = self.book.record(address) else { return false };
        let Some(place) = self.book.plan.holding(address) else { return false };
        let lease = record.lease();
        let wish = wish_of(&lease);
        let ask = |class: Option<ClassId>| bind::ask_name(&self.book, names, place, &wish, class.into_iter()).name;
        let _ = ask(None) == lease.name || naming_classes(&self.book.plan).any(|class| ask(Some(class)) == lease.name);
        true
    }
}

/// What the client said last.
pub(super) fn wish_of(lease: &Lease) -> Wish<'_> {
    let secs = lease.expires_at.saturating_sub(lease.renewed_at);
    Wish {
        hardware: lease.hardware,
        client_id: lease.client_id.as_ref(),
        relay: &lease.relay_agent_info,
        address: lease.address,
        lease_secs: if lease.expires_at == u64::MAX { u32::MAX } else { u32::try_from(secs).unwrap_or(u32::MAX) },
        hostname: &lease.hostname,
        client_fqdn: Some(&*lease.client_fqdn).filter(|fqdn| !fqdn.is_empty()),
        arrives: false,
    }
}
