//! Decisions whose commit has not been answered yet, and what they replaced.

use std::collections::VecDeque;
use std::net::Ipv4Addr;

use super::table::{Record, Saved};
use crate::decision::Ticket;

/// So many rooms are kept, of some 50 bytes each: those of a few batches.
const ROOMS_MAX: usize = 1024;

/// For every ticket in flight, what each record was before it, in the order in which the tickets were given out. Bounded
/// by what the shell lets be in flight.
#[derive(Debug, Default)]
pub(super) struct Pending {
    last: u64,
    changes: VecDeque<Change>,
    /// Rooms for what is to be put back, that are used again.
    rooms: Vec<Vec<u8>>,
}

/// One record that a ticket's decision replaced.
#[derive(Debug)]
struct Change {
    ticket: u64,
    address: Ipv4Addr,
    /// `None`: there was none.
    before: Option<Saved>,
}

impl Pending {
    /// A new ticket.
    pub(super) fn open(&mut self) -> Ticket {
        self.last += 1;
        Ticket(self.last)
    }

    /// Notes what the newest ticket's decision replaced. Of several changes of one record the first counts.
    pub(super) fn remember(&mut self, ticket: Ticket, address: Ipv4Addr, before: Option<Record<'_>>) {
        let mut of_ticket = self.changes.iter().rev().take_while(|change| change.ticket == ticket.0);
        if !of_ticket.any(|change| change.address == address) {
            let before = before.map(|before| before.saved(self.rooms.pop().unwrap_or_default()));
            self.changes.push_back(Change { ticket: ticket.0, address, before });
        }
    }

    /// The stored version of a record that has changes in flight; `None` when it has none, so that memory holds it.
    /// Looks through all that is in flight: asked while nothing can be stored, and by leasequeries.
    pub(super) fn stored(&self, address: Ipv4Addr) -> Option<&Option<Saved>> {
        self.changes.iter().find(|change| change.address == address).map(|change| &change.before)
    }

    /// A ticket's records are stored: nothing is to be put back any more.
    pub(super) fn committed(&mut self, ticket: Ticket) {
        // Tickets settle in their order, so that it is the first as a rule.
        while let Some(change) = self.changes.pop_front_if(|change| change.ticket == ticket.0) {
            self.keep_room(change);
        }
        if self.changes.front().is_some_and(|change| change.ticket < ticket.0) {
            self.take(ticket).into_iter().for_each(|change| self.keep_room(change));
        }
    }

    fn keep_room(&mut self, change: Change) {
        let room = change.before.map(Saved::into_room);
        self.rooms.extend(room.filter(|_| self.rooms.len() < ROOMS_MAX));
    }

    /// A ticket's records are not stored. Returns what memory is to put back. Where a later ticket has changed the
    /// same record, memory keeps that change for now, and what was before this ticket is what that one puts back.
    pub(super) fn failed(&mut self, ticket: Ticket) -> Vec<(Ipv4Addr, Option<Saved>)> {
        let mut put_back = Vec::new();
        for Change { address, before, .. } in self.take(ticket) {
            let later = self.changes.iter_mut().filter(|change| change.ticket > ticket.0);
            match later.into_iter().find(|change| change.address == address) {
                Some(later) => later.before = before,
                None => put_back.push((address, before)),
            }
        }
        put_back
    }

    fn take(&mut self, ticket: Ticket) -> Vec<Change> {
        let from = self.changes.partition_point(|change| change.ticket < ticket.0);
        let to = self.changes.partition_point(|change| change.ticket <= ticket.0);
        self.changes.drain(from..to).collect()
    }
}
