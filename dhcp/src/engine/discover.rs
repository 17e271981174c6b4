//! DISCOVER: an offer, or silence.

use std::net::Ipv4Addr;

use dns::Bytes;

use super::Engine;
use super::bind;
use super::choose::{self, Choice};
use super::exchange::Exchange;
use super::layers::Layers;
use super::offers::{Offer, OfferStanding};
use super::respond::{self, Terms, Told};
use crate::decision::Decision;
use crate::message::{DropReason, MessageType};
use crate::probing::ProbeNeeded;
use crate::reply::Reply;

impl Engine {
    /// RFC 2131 section 4.3.1. Nothing is stored: an offer is no commitment, but its address is kept from others for
    /// a while.
    pub(super) fn handle_discover(&mut self, exchange: &Exchange<'_>) -> Decision {
        let active = exchange.active(&self.book);
        if active.is_empty() {
            return Decision::drop(exchange.unserved(&self.book, &exchange.link));
        }
        if self.storage_full {
            return self.offer_stored(exchange, &active);
        }
        if let Some(id) = self.probe_under_way(exchange, &active) {
            return Decision { probe: Some(ProbeNeeded::UnderWay(id)), ..Decision::default() };
        }
        let Some(choice) = choose::choose(&mut self.book, exchange, &active) else {
            if choose::is_held_back(&self.book, exchange, &active) {
                return Decision::drop(DropReason::TooSoon);
            }
            return self.without_address(exchange, &active);
        };
        let delay_ms = choose::offer_delay_ms(&self.book, exchange, &active, choice);
        let held = choose::current(&self.book, exchange, &active).filter(|held| *held == choice);
        if held.is_none()
            && let Err(reason) = self.may_lease(exchange, choice, false)
        {
            return Decision::drop(reason);
        }
        let remembered = held.and_then(|held| self.book.record(held.address)?.cold.server_identifier_override());
        let Some(server_identifier) = exchange.server_identifier(&self.book, Some(choice.place), remembered) else {
            return Decision::drop(DropReason::NoServerAddress);
        };
        let layers = Layers::of(&self.book, exchange, choice.place, choice.address);
        let lease_secs = bind::lease_secs(&self.book, exchange, &layers, choice);

        self.book.withdraw_from(&exchange.link, &exchange.asker, Some(choice.address));
        let offer = self.offer_of(exchange, choice, lease_secs, server_identifier);
        if let Some(waiting) = self.probe_before_offer(exchange, choice, &offer) {
            return waiting;
        }
        // RFC 4039 section 3.1: a server that is set up for it answers such a DISCOVER with an ACK, and the address is
        // committed as by any ACK. One that is to let another server be first offers.
        if delay_ms == 0 && exchange.message.rapid_commit() && self.book.plan.subnet(choice.place).rapid_commit {
            return self.bind(exchange, choice);
        }
        // Its own binding too: that may end, or its commit may fail, before the client takes the offer.
        self.book.put_offer(offer, &exchange.asker);
        let told = self.name_to_offer(exchange, choice, lease_secs);
        let terms = Terms {
            message_type: MessageType::Offer,
            place: choice.place,
            yiaddr: choice.address,
            lease_secs: Some(lease_secs),
            told,
            server_identifier,
        };
        let (reply, destination) = self.reply_of(exchange, &terms);
        Decision { reply: Some((Reply { delay_ms, ..reply }, destination)), ..Decision::default() }
    }

    /// An offer of `choice` to the client.
    pub(super) fn offer_of(
        &self,
        exchange: &Exchange<'_>,
        choice: Choice,
        lease_secs: u32,
        server_identifier: Ipv4Addr,
    ) -> Offer {
        let hold_ms = u64::from(self.book.plan.settings.offer_hold_secs) * 1000;
        Offer {
            address: choice.address,
            hardware: exchange.message.hardware,
            client_id: exchange.message.client_id.clone(),
            relay: self.relay_of_offer(exchange, choice),
            lease_secs,
            server_identifier,
            port: exchange.port(&self.book),
            until_ms: exchange.now.boot_ms.saturating_add(hold_ms),
            standing: OfferStanding::Made,
        }
    }

    /// What an offer remembers of option 82, so that the client is known by it again.
    fn relay_of_offer(&self, exchange: &Exchange<'_>, choice: Choice) -> Bytes {
        if !self.book.plan.asks_where(choice.place) {
            return Bytes::default();
        }
        exchange.relay[..exchange.relay.len().min(bind::RELAY_AGENT_INFO_BYTES_MAX)].into()
    }

    /// No address is free. RFC 2563: a client that asks whether it may take an address of 169.254/16 by itself is told so
    /// by an OFFER whose yiaddr is 0, where it is configured to be told that it may not.
    fn without_address(&self, exchange: &Exchange<'_>, active: &[usize]) -> Decision {
        let refused = active.first().filter(|_| exchange.message.asks_auto_configure()).and_then(|place| {
            let server_identifier = exchange.server_identifier(&self.book, None, None)?;
            respond::build_auto_configure_refusal(&self.book, exchange, *place, server_identifier)
        });
        Decision { reply: refused, ..Decision::drop(DropReason::NoFreeAddress) }
    }

    /// RFC 4702 section 4: an OFFER may tell the client what its ACK will say. Only a client that speaks of names is told,
    /// so nobody else is asked about.
    fn name_to_offer(&self, exchange: &Exchange<'_>, choice: Choice, lease_secs: u32) -> Told {
        let (hostname, client_fqdn) = (exchange.message.hostname(), exchange.message.client_fqdn());
        if client_fqdn.is_none() && !respond::wants_host_name(exchange.message) {
            return Told::default();
        }
        let known = self.binding_at(exchange, choice);
        Told::of(bind::choose_name(&self.book, exchange, choice, lease_secs, hostname, client_fqdn, known))
    }

    /// With the storage full, only a client that has a stored lease can be served, and with no more than that.
    fn offer_stored(&mut self, exchange: &Exchange<'_>, active: &[usize]) -> Decision {
        let terms = choose::current(&self.book, exchange, active)
            .ok_or(DropReason::StorageFull)
            .and_then(|choice| self.terms_of_stored(exchange, choice, MessageType::Offer));
        match terms {
            Ok(terms) => Decision { reply: Some(self.reply_of(exchange, &terms)), ..Decision::default() },
            Err(reason) => Decision::drop(reason),
        }
    }
}
