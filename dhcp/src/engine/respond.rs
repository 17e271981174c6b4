//! Replies: header fields after RFC 2131 table 3, and which options they carry.

use std::net::Ipv4Addr;

use dns::Fqdn;

use super::book::Book;
use super::exchange::Exchange;
use super::layers::Layers;
use crate::destination::{Destination, destination};
use crate::message::{Message, MessageType};
use crate::names::NameAnswer;
use crate::options::{self, code};
use crate::reply::{BOOTP_MESSAGE_SIZE, Reply};
use crate::settings::Subnet;

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
    /// What it tells of the client's name.
    pub(super) told: Told,
    pub(super) server_identifier: Ipv4Addr,
}

/// What a client is told of its name: only what DNS is to hold.
#[derive(Default)]
pub(super) struct Told {
    /// The data of option 81 to reply with.
    pub(super) client_fqdn: Option<Box<[u8]>>,
    /// The name that is published.
    pub(super) name: Option<Fqdn>,
}

impl Told {
    pub(super) fn of(answer: NameAnswer) -> Self {
        let name = answer.name.filter(|_| !answer.foreign).map(|name| name.fqdn);
        Self { client_fqdn: answer.client_fqdn, name }
    }
}

/// Whether option 12 of the reply is of interest: the client asks for it, or tells its own.
pub(super) fn wants_host_name(message: &Message<'_>) -> bool {
    message.parameter_request_list.contains(&code::HOST_NAME) || !message.hostname().is_empty()
}

/// An OFFER or ACK, and where it goes.
pub(super) fn build_reply(book: &Book, exchange: &Exchange<'_>, terms: Terms) -> (Reply, Destination) {
    let message = exchange.message;
    let subnet = book.plan.subnet(terms.place);
    // The answer to an INFORM is about the address that the client has.
    let address = if terms.yiaddr.is_unspecified() { message.ciaddr } else { terms.yiaddr };
    let layers = Layers::of(book, exchange, terms.place, address);
    let reply = Reply {
        yiaddr: terms.yiaddr,
        // RFC 2131 table 3: 'siaddr' is the "IP address of next bootstrap server", 'sname' and 'file' are the server's
        // name and the boot file, or options.
        siaddr: layers.next_server().map_or(Ipv4Addr::UNSPECIFIED, |(_, address)| address),
        sname: layers.server_name().map(|(_, name)| name.into()).unwrap_or_default(),
        file: layers.boot_file().map(|(_, file)| file.into()).unwrap_or_default(),
        options: options_of(book, &layers, exchange, &terms),
        required: REQUIRED.into(),
        ..Reply::answering(message, terms.message_type, terms.server_identifier)
    };
    let reply = if terms.message_type == MessageType::Bootp { for_bootp(message, reply) } else { reply };
    let destination = destination(message, &reply, exchange.ingress.source.1, subnet.always_broadcast);
    (reply, destination)
}

/// The same for a client that knows nothing of DHCP.
///
/// RFC 1534 section 2: options that only DHCP knows are not for BOOTP clients, and RFC 951 gives them 64 bytes of vendor
/// area. `siaddr` is where they fetch their boot file: this server, unless another is set.
fn for_bootp(message: &Message<'_>, reply: Reply) -> Reply {
    let only_dhcp = |code: u8| (code::REQUESTED_IP_ADDRESS..=code::CLIENT_IDENTIFIER).contains(&code);
    let siaddr = Some(reply.siaddr).filter(|address| !address.is_unspecified()).unwrap_or(reply.server_identifier);
    Reply {
        siaddr,
        ciaddr: message.ciaddr,
        options: reply.options.into_iter().filter(|(code, _)| !only_dhcp(*code)).collect(),
        maximum_message_size: message.maximum_message_size.unwrap_or(BOOTP_MESSAGE_SIZE),
        ..reply
    }
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

/// An OFFER without an address, where option 116 is configured to say that the client may not choose one by itself
/// (RFC 2563). Nothing else is in it that would be of use to a host without an address.
pub(super) fn build_auto_configure_refusal(
    book: &Book,
    exchange: &Exchange<'_>,
    place: usize,
    server_identifier: Ipv4Addr,
) -> Option<(Reply, Destination)> {
    const DO_NOT_AUTO_CONFIGURE: [u8; 1] = [0];
    let message = exchange.message;
    let layers = Layers::of(book, exchange, place, Ipv4Addr::UNSPECIFIED);
    let wanted = Some(code::AUTO_CONFIGURE).filter(|code| !layers.is_never_sent(*code));
    let data = wanted.and_then(|code| layers.value(code)).filter(|data| **data == DO_NOT_AUTO_CONFIGURE)?;
    let mut reply = Reply::answering(message, MessageType::Offer, server_identifier);
    reply.options.push((code::AUTO_CONFIGURE, data));
    reply.options.extend(echoed(exchange));
    reply.required.push(code::CLIENT_IDENTIFIER);
    let always_broadcast = book.plan.subnet(place).always_broadcast;
    let destination = destination(message, &reply, exchange.ingress.source.1, always_broadcast);
    Some((reply, destination))
}

/// The option that goes back as it came.
fn echoed(exchange: &Exchange<'_>) -> Option<(u8, Box<[u8]>)> {
    // RFC 6842 section 3: "If the 'client identifier' option is present in a message received from a client, the
    // server MUST return the 'client identifier' option, unaltered, in its response message."
    exchange.message.client_id.as_ref().map(|client_id| (code::CLIENT_IDENTIFIER, client_id.0.clone()))
}

fn options_of(book: &Book, layers: &Layers<'_>, exchange: &Exchange<'_>, terms: &Terms) -> Vec<(u8, Box<[u8]>)> {
    let (message, subnet) = (exchange.message, book.plan.subnet(terms.place));
    let mut mandatory: Vec<(u8, Box<[u8]>)> = Vec::with_capacity(8);
    if let Some(lease_secs) = terms.lease_secs {
        mandatory.push((code::IP_ADDRESS_LEASE_TIME, options::seconds(lease_secs)));
        mandatory.extend(times(lease_secs, subnet).filter(|(code, _)| !layers.is_never_sent(*code)));
    }
    if !layers.is_never_sent(code::SUBNET_MASK) {
        mandatory.extend(layers.value(code::SUBNET_MASK).map(|mask| (code::SUBNET_MASK, mask)));
    }
    if let Some(client_fqdn) = &terms.told.client_fqdn {
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
        && !layers.is_never_sent(code::AUTO_CONFIGURE)
        && let Some(data) = layers.value(code::AUTO_CONFIGURE)
    {
        mandatory.push((code::AUTO_CONFIGURE, data));
    }
    // Those two are for the clients that ask, whatever is configured to be sent always (RFC 2563, RFC 8925).
    let for_those_that_ask = [code::AUTO_CONFIGURE, code::IPV6_ONLY_PREFERRED];
    let always = layers.always().into_iter().filter(|code| !for_those_that_ask.contains(code));
    // A client that tells its name is told how it is called instead.
    let named = Some(code::HOST_NAME).filter(|_| terms.told.name.is_some() && !message.hostname().is_empty());
    let always = always.chain(named);
    let lookup = |wanted| match wanted {
        code::AUTO_CONFIGURE => None,
        wanted if layers.is_never_sent(wanted) => None,
        code::HOST_NAME => host_name(book, layers, exchange, terms),
        wanted => layers.value(wanted),
    };
    options::in_requested_order(&message.parameter_request_list, || layers.codes(), always, lookup, mandatory)
}

/// Option 12 (RFC 2132 section 3.14: the name "may or may not be qualified with the local domain name"): the name that is
/// published, without the domain where that is what option 15 says. Where none is, the one that is reserved for the
/// client, or that the settings have for the option: those are the operator's words, not the client's.
fn host_name(book: &Book, layers: &Layers<'_>, exchange: &Exchange<'_>, terms: &Terms) -> Option<Box<[u8]>> {
    let Some(name) = &terms.told.name else {
        let reserved = book.plan.reservation_for(terms.place, exchange.client());
        let hostname = reserved.and_then(|reserved| reserved.hostname.as_deref());
        return hostname.map(|hostname| hostname.as_bytes().into()).or_else(|| layers.value(code::HOST_NAME));
    };
    let text = name.to_string();
    let full = text.strip_suffix('.').unwrap_or(&text);
    let told_domain = layers.find(code::DOMAIN_NAME).map(|(_, domain)| domain);
    let short = full
        .split_once('.')
        .filter(|(_, domain)| told_domain.is_some_and(|told| told.eq_ignore_ascii_case(domain.as_bytes())));
    Some(short.map_or(full, |(label, _)| label).as_bytes().into())
}

/// T1 and T2 (RFC 2131 section 4.4.5) of a lease that ends.
fn times(lease_secs: u32, subnet: &Subnet) -> impl Iterator<Item = (u8, Box<[u8]>)> {
    let part = move |permille: u16| {
        let secs = u64::from(lease_secs) * u64::from(permille.min(1000)) / 1000;
        options::seconds(u32::try_from(secs).unwrap_or(lease_secs))
    };
    let both =
        [(code::RENEWAL_TIME_VALUE, subnet.renewal_permille), (code::REBINDING_TIME_VALUE, subnet.rebinding_permille)];
    both.into_iter().filter(move |_| lease_secs != u32::MAX).map(move |(code, permille)| (code, part(permille)))
}
