//! INFORM: the options of a link, for a host that has its address already.

use super::Engine;
use super::exchange::Exchange;
use super::respond::Terms;
use crate::decision::Decision;
use crate::destination::Destination;
use crate::message::{DropReason, MessageType};

impl Engine {
    /// RFC 2131 section 4.3.5: "The server responds to a DHCPINFORM message by sending a DHCPACK message directly to
    /// the address given in the 'ciaddr' field of the DHCPINFORM message. The server MUST NOT send a lease expiration
    /// time to the client and SHOULD NOT fill in 'yiaddr'." No lease is touched.
    pub(super) fn handle_inform(&mut self, exchange: &Exchange<'_>) -> Decision {
        let message = exchange.message;
        let place = exchange.subnet_on_link(&self.book, message.ciaddr).or(exchange.link.first().copied());
        let Some(place) = place else { return Decision::drop(DropReason::NoSubnet) };
        if !self.book.plan.subnet(place).active {
            return Decision::drop(DropReason::SubnetInactive);
        }
        let Some(server_identifier) = exchange.server_identifier(&self.book, Some(place), None) else {
            return Decision::drop(DropReason::NoServerAddress);
        };
        let terms = Terms {
            message_type: MessageType::Ack,
            place,
            yiaddr: std::net::Ipv4Addr::UNSPECIFIED,
            lease_secs: None,
            told: self.binding_named(exchange, place).map(|lease| self.told_of(exchange, &lease)).unwrap_or_default(),
            server_identifier,
        };
        let (reply, mut destination) = self.reply_of(exchange, &terms);
        // Some hosts leave ciaddr empty. Their datagram's source is as good, and without that there is nowhere to go.
        if message.ciaddr.is_unspecified() && !exchange.is_relayed() {
            let source = exchange.ingress.source.0;
            if source.is_unspecified() {
                return Decision::drop(DropReason::NoAddressNamed);
            }
            destination = Destination::Client(source);
        }
        Decision { reply: Some((reply, destination)), ..Decision::default() }
    }
}
