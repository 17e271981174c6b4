//! BOOTP clients (RFC 951): one question, one answer, and an address for ever.

use super::Engine;
use super::choose::{self, Choice};
use super::exchange::Exchange;
use super::respond::Terms;
use crate::decision::Decision;
use crate::message::{DropReason, MessageType};
use crate::probing::ProbeNeeded;
use crate::settings::BootpClients;

impl Engine {
    /// RFC 1534 section 2: a DHCP server may serve BOOTP clients, from reservations or from its pools.
    ///
    /// A reservation needs no lease: nobody else is given its address, and the client never comes back to extend it. An
    /// address of a pool is leased without end, for a BOOTP client uses it for as long as it runs.
    pub(super) fn handle_bootp(&mut self, exchange: &Exchange<'_>) -> Decision {
        let serving = |engine: &Self, clients: &[BootpClients]| -> Vec<usize> {
            let active = exchange.active(&engine.book);
            active.iter().copied().filter(|&place| clients.contains(&engine.book.plan.subnet(place).bootp)).collect()
        };
        let either = serving(self, &[BootpClients::Reserved, BootpClients::Dynamic]);
        if either.is_empty() {
            return Decision::drop(DropReason::NoMessageType);
        }
        if let Some(choice) = choose::reserved(&self.book, exchange, &either) {
            return self.answer_bootp(exchange, choice);
        }
        let dynamic = serving(self, &[BootpClients::Dynamic]);
        if dynamic.is_empty() {
            return Decision::drop(DropReason::BootpRefused);
        }
        if self.storage_full {
            return match choose::current(&self.book, exchange, &dynamic) {
                Some(choice) => self.answer_stored_bootp(exchange, choice),
                None => Decision::drop(DropReason::StorageFull),
            };
        }
        if let Some(id) = self.probe_under_way(exchange, &dynamic) {
            return Decision { probe: Some(ProbeNeeded::UnderWay(id)), ..Decision::default() };
        }
        let Some(choice) = choose::choose(&mut self.book, exchange, &dynamic) else {
            return Decision::drop(DropReason::NoFreeAddress);
        };
        let is_held = choose::current(&self.book, exchange, &dynamic) == Some(choice);
        let waits = if is_held { None } else { self.before_bootp_lease(exchange, choice) };
        waits.unwrap_or_else(|| self.bind(exchange, choice))
    }

    /// What goes before a new lease: the limits, and the probe that goes before an offer. A BOOTP client never declines,
    /// and keeps an address that somebody else uses for ever. `None`: it may be leased now.
    fn before_bootp_lease(&mut self, exchange: &Exchange<'_>, choice: Choice) -> Option<Decision> {
        if let Err(reason) = self.may_lease(exchange, choice, false) {
            return Some(Decision::drop(reason));
        }
        let server_identifier = exchange.server_identifier(&self.book, Some(choice.place), None)?;
        let offer = self.offer_of(exchange, choice, u32::MAX, server_identifier);
        self.probe_before_offer(exchange, choice, &offer)
    }

    /// What is stored cannot be made longer now: a lease that the client has by DHCP ends, and is none to use for ever.
    fn answer_stored_bootp(&self, exchange: &Exchange<'_>, choice: Choice) -> Decision {
        match self.terms_of_stored(exchange, choice, MessageType::Bootp) {
            Ok(terms) if terms.lease_secs == Some(u32::MAX) => self.answer_bootp(exchange, choice),
            Ok(_) => Decision::drop(DropReason::StorageFull),
            Err(reason) => Decision::drop(reason),
        }
    }

    fn answer_bootp(&self, exchange: &Exchange<'_>, choice: Choice) -> Decision {
        let Some(server_identifier) = exchange.server_identifier(&self.book, Some(choice.place), None) else {
            return Decision::drop(DropReason::NoServerAddress);
        };
        let held = self.book.record(choice.address).filter(|record| record.client().is(exchange.client(), false));
        let terms = Terms {
            message_type: MessageType::Bootp,
            place: choice.place,
            yiaddr: choice.address,
            lease_secs: None,
            told: held.map(|record| self.told_of(exchange, &record.kept().lease)).unwrap_or_default(),
            server_identifier,
        };
        Decision { reply: Some(self.reply_of(exchange, &terms)), ..Decision::default() }
    }
}
