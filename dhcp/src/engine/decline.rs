//! DECLINE: quarantine, without a reply.

use faults::{Fault, planted};

use super::Engine;
use super::bind;
use super::exchange::Exchange;
use super::record::{Change, HotState, Kept};
use crate::decision::{Decision, LeaseEventKind};
use crate::lease::LeaseState;
use crate::message::DropReason;

impl Engine {
    /// RFC 2131 section 4.3.3: "If the server receives a DHCPDECLINE message, the client has discovered through some
    /// other means that the suggested network address is already in use. The server MUST mark the network address as
    /// not available and SHOULD notify the local system administrator of a possible configuration problem." The
    /// event is the notice; there is no reply.
    pub(super) fn handle_decline(&mut self, exchange: &Exchange<'_>) -> Decision {
        let Some(address) = exchange.message.requested_ip_address else {
            return Decision::drop(DropReason::NoAddressNamed);
        };
        if exchange.message.server_identifier.is_some_and(|named| !exchange.names_us(&self.book, named)) {
            return Decision::drop(DropReason::OtherServer);
        }
        let held = self.binding_of(exchange, address, planted(Fault::DeclineByAnyone));
        let Some((place, kept)) = held else { return Decision::drop(DropReason::NotTheHolder) };
        if self.storage_full {
            return Decision::drop(DropReason::StorageFull);
        }
        let settings = &self.book.plan.settings;
        // One client cannot take the pool out of service: beyond its share its lease ends, and that is all.
        let quarantined = self
            .book
            .records_of(place, &exchange.asker)
            .filter(|record| {
                record.hot.state() == HotState::Quarantined && record.hot.deadline_ms() > exchange.now.boot_ms
            })
            .count();
        let within_share = quarantined < settings.declines_per_client_max as usize;
        let now = exchange.now.wall_secs;
        let change = if within_share && !planted(Fault::QuarantineForgotten) {
            let secs = settings.quarantine_secs;
            let until = now.saturating_add(secs.into());
            let change = bind::end(kept, LeaseState::Quarantined, until, LeaseEventKind::Declined);
            Change { kept: Kept::made_now(change.kept.lease, Some(secs), exchange.now), ..change }
        } else {
            let mut change = bind::end(kept, LeaseState::Released, now, LeaseEventKind::Declined);
            change.kept.marks.shunned = true;
            change
        };
        self.book.withdraw(address);
        self.write([change])
    }
}
