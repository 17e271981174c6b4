//! BOOTP clients (RFC 951): one question, one answer, and an address for ever.

use super::Engine;
use super::choose::{self, Choice};
use super::exchange::Exchange;
use super::respond::{self, Terms};
use crate::decision::Decision;
use crate::message::{DropReason, MessageType};
use crate::settings::BootpClients;

impl Engine {
    /// RFC 1534 section 2: a DHCP server may serve BOOTP clients, from reservations or from its pools.
    ///
    /// A reservation needs no lease: nobody else is given its address, and the client never comes back to extend it. An
    /// address of a pool is leased without end, for a BOOTP client uses it for as long as it runs.
    pub(super) fn handle_bootp(&mut self, exchange: &Exchange<'_>) -> Decision {
        let serving = |engine: &Self, clients: &[BootpClients]| -> Vec<usize> {
            let active = exchange.active(&engine.book);
            active.into_iter().filter(|&place| clients.contains(&engine.book.plan.subnet(place).bootp)).collect()
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
            // What it holds is stored, and has no end that could be promised too late.
            return match choose::current(&self.book, exchange, &dynamic) {
                Some(choice) => self.answer_bootp(exchange, choice),
                None => Decision::drop(DropReason::StorageFull),
            };
        }
        match choose::choose(&mut self.book, exchange, &dynamic) {
            Some(choice) => self.bind(exchange, choice),
            None => Decision::drop(DropReason::NoFreeAddress),
        }
    }

    fn answer_bootp(&self, exchange: &Exchange<'_>, choice: Choice) -> Decision {
        let Some(server_identifier) = exchange.server_identifier(&self.book, Some(choice.place), None) else {
            return Decision::drop(DropReason::NoServerAddress);
        };
        let terms = Terms {
            message_type: MessageType::Bootp,
            place: choice.place,
            yiaddr: choice.address,
            lease_secs: None,
            client_fqdn: None,
            server_identifier,
        };
        Decision { reply: Some(respond::build_reply(&self.book, exchange, terms)), ..Decision::default() }
    }
}
