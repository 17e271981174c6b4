//! RELEASE: the lease ends, without a reply.

use std::net::Ipv4Addr;

use faults::{Fault, planted};

use super::Engine;
use super::bind;
use super::exchange::Exchange;
use super::record::{HotState, Kept};
use crate::decision::{Decision, LeaseEventKind};
use crate::lease::LeaseState;
use crate::message::DropReason;
use crate::time::Now;

impl Engine {
    /// RFC 2131 section 4.3.4: "Upon receipt of a DHCPRELEASE message, the server marks the network address as not
    /// allocated. The server SHOULD retain a record of the client's initialization parameters for possible reuse in
    /// response to subsequent requests from the client." A missing server identifier is tolerated.
    pub(super) fn handle_release(&mut self, exchange: &Exchange<'_>) -> Decision {
        let message = exchange.message;
        if message.ciaddr.is_unspecified() {
            return Decision::drop(DropReason::NoAddressNamed);
        }
        if message.server_identifier.is_some_and(|named| !exchange.names_us(&self.book, named)) {
            return Decision::drop(DropReason::OtherServer);
        }
        // Section 4.4.6: the client is identified by "its 'client identifier', or 'chaddr' and network address".
        let held = self.binding_of(exchange, message.ciaddr, planted(Fault::ReleaseByAnyone));
        let Some((_, kept)) = held else { return Decision::drop(DropReason::NotTheHolder) };
        if self.storage_full {
            return Decision::drop(DropReason::StorageFull);
        }
        let released = bind::end(kept, LeaseState::Released, exchange.now.wall_secs, LeaseEventKind::Released);
        self.book.withdraw(message.ciaddr);
        self.write([released])
    }

    /// Ends the binding of an address because its operator says so, as a RELEASE of its holder would.
    pub fn release_by_hand(&mut self, now: Now, address: Ipv4Addr) -> Decision {
        let bound = self.book.record(address).filter(|record| record.hot.state() == HotState::Bound);
        let Some(kept) = bound.map(|record| record.kept()) else { return Decision::drop(DropReason::NotTheHolder) };
        if self.storage_full {
            return Decision::drop(DropReason::StorageFull);
        }
        let released = bind::end(kept, LeaseState::Released, now.wall_secs, LeaseEventKind::Released);
        self.book.withdraw(address);
        self.write([released])
    }

    /// The binding of an address, with its subnet's place, when this client holds it, or `anyone`.
    pub(super) fn binding_of(&self, exchange: &Exchange<'_>, address: Ipv4Addr, anyone: bool) -> Option<(usize, Kept)> {
        let place = self.book.plan.holding(address)?;
        let record = self.book.record(address).filter(|record| record.hot.state() == HotState::Bound)?;
        (anyone || bind::is_binding_of(&self.book, exchange, place, record)).then(|| (place, record.kept()))
    }
}
