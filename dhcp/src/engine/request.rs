//! REQUEST, in the four client states of RFC 2131 table 4: ACK, NAK or silence.

use std::net::Ipv4Addr;

use faults::{Fault, planted};

use super::Engine;
use super::choose::{self, Choice};
use super::exchange::Exchange;
use super::respond;
use crate::decision::Decision;
use crate::message::DropReason;

/// What a REQUEST is about (RFC 2131 section 4.3.2 and table 4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ClientState {
    /// It takes an offer: server identifier and requested address are there.
    Selecting,
    /// It asks whether the address it remembers still holds: a requested address, no server identifier.
    InitReboot,
    /// It extends its lease with the server that gave it: ciaddr, sent by unicast.
    Renewing,
    /// It extends its lease with any server: ciaddr, sent by broadcast.
    Rebinding,
}

impl Engine {
    pub(super) fn handle_request(&mut self, exchange: &Exchange<'_>) -> Decision {
        let Some((state, address)) = classify(exchange) else {
            return Decision::drop(DropReason::NoAddressNamed);
        };
        if let Some(server_identifier) = exchange.message.server_identifier
            && !exchange.names_us(&self.book, server_identifier)
            && !planted(Fault::OtherServersRequestTaken)
        {
            // RFC 2131 section 3.1: "Those servers not selected by the DHCPREQUEST message use the message as
            // notification that the client has declined that server's offer."
            self.book.withdraw_from(&exchange.link, &exchange.asker, None);
            return Decision::drop(DropReason::OtherServer);
        }
        // Section 4.3.2: "If the DHCP server detects that the client is on the wrong net [...], then the server SHOULD
        // send a DHCPNAK message to the client." That needs no record of the client.
        let Some(place) = exchange.subnet_on_link(&self.book, address) else {
            return self.refuse(exchange, None, "the address is not of this network");
        };
        let choice = Choice { place, address };
        let is_served = exchange.serves(&self.book, place);
        if is_served && self.holds_undisputed(exchange, choice) {
            return self.bind(exchange, choice);
        }
        match state {
            _ if !is_served && (self.knows(exchange, choice) || names_this_server(state)) => {
                let words = match exchange.unserved(&self.book, &[place]) {
                    DropReason::SubnetInactive => "the network is not served any more",
                    _ => "the network is not for this client",
                };
                self.refuse(exchange, Some(place), words)
            }
            _ if !is_served => Decision::drop(exchange.unserved(&self.book, &[place])),
            ClientState::Selecting | ClientState::Renewing => self.grant(exchange, choice),
            ClientState::InitReboot | ClientState::Rebinding => self.verify(exchange, choice),
        }
    }

    /// Whether the address is the client's own by its binding, and nobody and nothing speaks against that. So it is with
    /// nearly every renewal, and then all that is asked below comes to its being bound again.
    fn holds_undisputed(&self, exchange: &Exchange<'_>, choice: Choice) -> bool {
        self.book.plan.reserves_nothing()
            && self.binding_at(exchange, choice).is_some()
            && self.book.offer(choice.address).is_none()
            && choose::may_have(&self.book, exchange, choice)
    }

    /// A client that addresses this server, by its identifier or by unicast. Also for an offer that is forgotten, or
    /// a lease whose record is lost, it may have the address while that is free and a client like this may have it.
    fn grant(&mut self, exchange: &Exchange<'_>, choice: Choice) -> Decision {
        if self.must_move(exchange, choice) {
            return self.refuse(exchange, Some(choice.place), "another address is reserved for this client");
        }
        if !choose::is_usable(&self.book, exchange, choice) {
            return self.refuse(exchange, Some(choice.place), "the address is not available to this client");
        }
        self.bind(exchange, choice)
    }

    /// A client that asks any server whether its address is right.
    fn verify(&mut self, exchange: &Exchange<'_>, choice: Choice) -> Decision {
        // RFC 2131 section 4.3.2: "If the DHCP server has no record of this client, then it MUST remain silent". The
        // client may be another server's, and what we once offered it, or gave it and got back, says nothing about
        // the address that it got there.
        if !self.knows(exchange, choice) {
            return Decision::drop(DropReason::UnknownClient);
        }
        // "If the network is correct, then the DHCP server should check if the client's notion of its IP address is
        // correct. If not, then the server SHOULD send a DHCPNAK message to the client."
        self.grant(exchange, choice)
    }

    /// Whether there is a record of this client that tells whether the address is its own: a binding or a reservation
    /// on this link, whatever its address, or an ended lease of this very address.
    fn knows(&self, exchange: &Exchange<'_>, Choice { place, address }: Choice) -> bool {
        let ignore = self.book.plan.subnet(place).ignore_client_id;
        self.book.record(address).is_some_and(|record| record.key().is(exchange.client(), ignore))
            || choose::bindings(&self.book, exchange, &exchange.link).next().is_some()
            || choose::reserved(&self.book, exchange, &exchange.link).is_some()
    }

    /// Whether the client's own address is another one: its binding is elsewhere on the link and it asks any server
    /// (so it is not taking an offer), or an address is reserved for it that it can have: not while the storage is
    /// full, since then it would only lose the one that it has.
    fn must_move(&self, exchange: &Exchange<'_>, choice: Choice) -> bool {
        if self.storage_full && choose::bindings(&self.book, exchange, &exchange.link).any(|held| held == choice) {
            return false;
        }
        let active = exchange.active(&self.book);
        let reserved = choose::reserved(&self.book, exchange, &active);
        // It holds the address, and no reservation calls it elsewhere: with two bindings from before a change of settings,
        // either may be renewed, and the other ends then.
        if reserved.is_none() && self.binding_at(exchange, choice).is_some() {
            return false;
        }
        let bound = || choose::current(&self.book, exchange, &active);
        let own = if exchange.message.server_identifier.is_some() { reserved } else { reserved.or_else(bound) };
        own.is_some_and(|own| own != choice)
    }

    fn refuse(&self, exchange: &Exchange<'_>, place: Option<usize>, words: &str) -> Decision {
        let place = place.or(exchange.link.first().copied());
        match exchange.server_identifier(&self.book, place, None) {
            Some(server_identifier) => {
                Decision { reply: Some(respond::build_nak(exchange, server_identifier, words)), ..Decision::default() }
            }
            None => Decision::drop(DropReason::NoServerAddress),
        }
    }
}

/// Tells the four states apart, with the address that each is about. `None`: it names none.
///
/// RFC 2131 section 4.3.2: SELECTING has a server identifier and a requested address; INIT-REBOOT a requested address
/// alone; RENEWING and REBINDING ciaddr alone, the one sent by unicast, the other by broadcast. Clients that put a
/// server identifier or a requested address beside their ciaddr when they renew are understood too.
///
/// What a relay hands on was broadcast, unless the relay's flag (RFC 5010) says that it came to it by unicast, as renewals
/// do to a relay that has put itself in our place (RFC 5107).
fn classify(exchange: &Exchange<'_>) -> Option<(ClientState, Ipv4Addr)> {
    let message = exchange.message;
    let ciaddr = Some(message.ciaddr).filter(|ciaddr| !ciaddr.is_unspecified());
    match (message.server_identifier, message.requested_ip_address, ciaddr) {
        (Some(_), Some(requested), _) => Some((ClientState::Selecting, requested)),
        (_, _, Some(ciaddr)) if exchange.client_sent_by_unicast() => Some((ClientState::Renewing, ciaddr)),
        (_, _, Some(ciaddr)) => Some((ClientState::Rebinding, ciaddr)),
        (None, Some(requested), None) => Some((ClientState::InitReboot, requested)),
        (_, None, None) => None,
    }
}

/// Whether the client turned to this server and to no other.
fn names_this_server(state: ClientState) -> bool {
    matches!(state, ClientState::Selecting | ClientState::Renewing)
}
