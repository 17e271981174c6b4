//! Replies: header fields after RFC 2131 table 3, and which options they carry.

use std::net::Ipv4Addr;

use super::book::Book;
use super::exchange::Exchange;
use crate::destination::{Destination, destination};
use crate::message::MessageType;
use crate::options::{self, IPV6_ONLY_WAIT_SECS_MIN, code};
use crate::reply::Reply;
use crate::settings::{OptionSet, Subnet};

/// Options of an OFFER or ACK that are never dropped for want of room.
const REQUIRED: [u8; 6] = [
    code::IP_ADDRESS_LEASE_TIME,
    code::RENEWAL_TIME_VALUE,
    code::REBINDING_TIME_VALUE,
    code::CLIENT_IDENTIFIER,
    code::SUBNET_SELECTION,
    code::RAPID_COMMIT,
];

/// What an OFFER or ACK tells.
pub(super) struct Terms {
    pub(super) message_type: MessageType,
    /// The subnet, by place.
    pub(super) place: usize,
    /// 0.0.0.0 for the answer to an INFORM.
    pub(super) yiaddr: Ipv4Addr,
    /// Seconds; `None` for the answer to an INFORM.
    pub(super) lease_secs: Option<u32>,
    /// The data of option 81 to reply with.
    pub(super) client_fqdn: Option<Box<[u8]>>,
    pub(super) server_identifier: Ipv4Addr,
}

/// An OFFER or ACK, and where it goes.
pub(super) fn build_reply(book: &Book, exchange: &Exchange<'_>, terms: Terms) -> (Reply, Destination) {
    let message = exchange.message;
    let subnet = book.plan.subnet(terms.place);
    let reply = Reply {
        yiaddr: terms.yiaddr,
        options: options_of(book, exchange, &terms),
        required: REQUIRED.into(),
        ..Reply::answering(message, terms.message_type, terms.server_identifier)
    };
    let destination = destination(message, &reply, exchange.ingress.source.1, subnet.always_broadcast);
    (reply, destination)
}

/// A NAK, and where it goes. `words` tell the client's user why (option 56).
///
/// RFC 2131 table 3: in a NAK ciaddr, yiaddr and siaddr are 0; it has no lease time; a server identifier it must have.
pub(super) fn build_nak(exchange: &Exchange<'_>, server_identifier: Ipv4Addr, words: &str) -> (Reply, Destination) {
    let message = exchange.message;
    let mut reply = Reply::answering(message, MessageType::Nak, server_identifier);
    // Section 4.3.2: "If 'giaddr' is set in the DHCPREQUEST message, [...] the server MUST set the broadcast bit in
    // the DHCPNAK, so that the relay agent will broadcast the DHCPNAK to the client, because the client may not have a
    // correct network address or subnet mask, and the client may not be answering ARP requests."
    reply.broadcast |= exchange.is_relayed();
    reply.options.push((code::MESSAGE, words.as_bytes().into()));
    reply.options.extend(echoed(exchange));
    reply.required.push(code::CLIENT_IDENTIFIER);
    let destination = destination(message, &reply, exchange.ingress.source.1, false);
    (reply, destination)
}

/// Options that go back as they came.
fn echoed(exchange: &Exchange<'_>) -> Vec<(u8, Box<[u8]>)> {
    let message = exchange.message;
    let mut echoed = Vec::new();
    // RFC 6842 section 3: "If the 'client identifier' option is present in a message received from a client, the
    // server MUST return the 'client identifier' option, unaltered, in its response message."
    if let Some(client_id) = &message.client_id {
        echoed.push((code::CLIENT_IDENTIFIER, client_id.0.clone()));
    }
    echoed
}

fn options_of(book: &Book, exchange: &Exchange<'_>, terms: &Terms) -> Vec<(u8, Box<[u8]>)> {
    let message = exchange.message;
    let subnet = book.plan.subnet(terms.place);
    let own = OptionSet::default();
    let own =
        book.plan.reservation_for(terms.place, exchange.client()).map_or(&own, |reserved| &reserved.scope.options);
    let configured = Configured::new(&book.plan.settings.scope.options, subnet, own);

    let mut mandatory: Vec<(u8, Box<[u8]>)> = Vec::with_capacity(8);
    if let Some(lease_secs) = terms.lease_secs {
        mandatory.push((code::IP_ADDRESS_LEASE_TIME, options::seconds(lease_secs)));
        mandatory.extend(times(lease_secs, subnet));
    }
    mandatory.push((code::SUBNET_MASK, configured.get(code::SUBNET_MASK).unwrap_or_default().into()));
    if let Some(client_fqdn) = &terms.client_fqdn {
        mandatory.push((code::CLIENT_FQDN, client_fqdn.clone()));
    }
    mandatory.extend(echoed(exchange));
    // RFC 4039 section 3.1: the ACK to a DISCOVER carries the option, and no other message does.
    if message.message_type == MessageType::Discover && terms.message_type == MessageType::Ack {
        mandatory.push((code::RAPID_COMMIT, Box::default()));
    }
    // RFC 3011 section 2: a server that heeds the option "MUST return an identical copy" of it.
    if let (Some(_), Some(data)) = (message.subnet_selection(), message.options.get(code::SUBNET_SELECTION)) {
        mandatory.push((code::SUBNET_SELECTION, data.into()));
    }
    // RFC 2563 section 2: a client that sends the option in its DISCOVER is told whether it may choose an address of
    // 169.254/16 by itself; no other client is.
    if message.asks_auto_configure()
        && terms.message_type == MessageType::Offer
        && let Some(data) = configured.get(code::AUTO_CONFIGURE)
    {
        mandatory.push((code::AUTO_CONFIGURE, data.into()));
    }
    let all = configured.codes();
    let lookup = |wanted: u8| configured.get(wanted).filter(|_| wanted != code::AUTO_CONFIGURE);
    options::in_requested_order(&message.parameter_request_list, all, lookup, mandatory)
}

/// T1 and T2 (RFC 2131 section 4.4.5) of a lease that ends.
fn times(lease_secs: u32, subnet: &Subnet) -> Vec<(u8, Box<[u8]>)> {
    if lease_secs == u32::MAX {
        return Vec::new();
    }
    let part = |permille: u16| {
        let secs = u64::from(lease_secs) * u64::from(permille.min(1000)) / 1000;
        options::seconds(u32::try_from(secs).unwrap_or(lease_secs))
    };
    vec![
        (code::RENEWAL_TIME_VALUE, part(subnet.renewal_permille)),
        (code::REBINDING_TIME_VALUE, part(subnet.rebinding_permille)),
    ]
}

/// The configured options of one client: those of its reservation, then the subnet's, then everyone's, then what
/// follows from the subnet's prefix.
struct Configured<'a> {
    levels: [&'a OptionSet; 3],
    mask: Box<[u8]>,
    broadcast: Box<[u8]>,
    /// Option 108, raised to what RFC 8925 allows.
    ipv6_only: Option<Box<[u8]>>,
}

impl<'a> Configured<'a> {
    fn new(everyone: &'a OptionSet, subnet: &'a Subnet, own: &'a OptionSet) -> Self {
        let levels = [own, &subnet.scope.options, everyone];
        // RFC 8925 section 3.4: "MIN_V6ONLY_WAIT: The lower boundary for V6ONLY_WAIT. Value: 300 seconds".
        let ipv6_only = Self::find(levels, code::IPV6_ONLY_PREFERRED)
            .and_then(options::read_u32)
            .map(|secs| options::seconds(secs.max(IPV6_ONLY_WAIT_SECS_MIN)));
        Self {
            levels,
            mask: options::subnet_mask(subnet.prefix),
            broadcast: options::broadcast_address(subnet.prefix),
            ipv6_only,
        }
    }

    fn get(&self, wanted: u8) -> Option<&[u8]> {
        match (wanted, Self::find(self.levels, wanted)) {
            (code::IPV6_ONLY_PREFERRED, _) => self.ipv6_only.as_deref(),
            (_, Some(data)) => Some(data),
            (code::SUBNET_MASK, None) => Some(&self.mask),
            (code::BROADCAST_ADDRESS, None) => Some(&self.broadcast),
            (_, None) => None,
        }
    }

    fn find(levels: [&'a OptionSet; 3], wanted: u8) -> Option<&'a [u8]> {
        levels.into_iter().find_map(|level| level.0.get(&wanted)).map(|data| &**data)
    }

    /// What a client without a request list is given.
    fn codes(&self) -> Vec<u8> {
        let configured = self.levels.iter().flat_map(|level| level.0.keys().copied());
        let mut codes: Vec<u8> = configured.collect();
        codes.sort_unstable();
        codes.dedup();
        codes
    }
}
