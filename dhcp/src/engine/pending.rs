//! Decisions whose commit has not been answered yet, and what they replaced.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use super::table::Saved;
use crate::decision::Ticket;

/// For every ticket in flight, what each record was before it. Bounded by what the shell lets be in flight.
#[derive(Debug, Default)]
pub(super) struct Pending {
    last: u64,
    addresses: BTreeMap<u64, Vec<Ipv4Addr>>,
    before: BTreeMap<(Ipv4Addr, u64), Option<Saved>>,
}

impl Pending {
    /// A new ticket.
    pub(super) fn open(&mut self) -> Ticket {
        self.last += 1;
        Ticket(self.last)
    }

    /// Notes what a ticket's decision replaced.
    pub(super) fn remember(&mut self, ticket: Ticket, address: Ipv4Addr, before: Option<Saved>) {
        self.addresses.entry(ticket.0).or_default().push(address);
        self.before.entry((address, ticket.0)).or_insert(before);
    }

    /// The stored version of a record that has changes in flight; `None` when it has none, so that memory holds it.
    pub(super) fn stored(&self, address: Ipv4Addr) -> Option<&Option<Saved>> {
        self.before.range((address, 0)..=(address, u64::MAX)).next().map(|(_, before)| before)
    }

    /// A ticket's records are stored: nothing is to be put back any more.
    pub(super) fn committed(&mut self, ticket: Ticket) {
        for address in self.addresses.remove(&ticket.0).unwrap_or_default() {
            self.before.remove(&(address, ticket.0));
        }
    }

    /// A ticket's records are not stored. Returns what memory is to put back. Where a later ticket has changed the
    /// same record, memory keeps that change for now, and what was before this ticket is what that one puts back.
    pub(super) fn failed(&mut self, ticket: Ticket) -> Vec<(Ipv4Addr, Option<Saved>)> {
        let mut put_back = Vec::new();
        for address in self.addresses.remove(&ticket.0).unwrap_or_default() {
            let Some(before) = self.before.remove(&(address, ticket.0)) else { continue };
            match self.before.range_mut((address, ticket.0)..=(address, u64::MAX)).next() {
                Some((_, later)) => *later = before,
                None => put_back.push((address, before)),
            }
        }
        put_back
    }
}
