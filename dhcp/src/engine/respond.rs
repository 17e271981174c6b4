//! Replies: header fields after RFC 2131 table 3, and which options they carry.

use std::borrow::Cow;
use std::net::Ipv4Addr;

use dns::{Bytes, Fqdn};

use super::book::Book;
use super::exchange::Exchange;
use super::forms::Gap;
use super::layers::Layers;
use crate::destination::{Destination, destination};
use crate::message::{Message, MessageType};
use crate::names::NameAnswer;
use crate::options::{self, OptionData, OptionList, code};
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
    pub(super) client_fqdn: Option<Bytes>,
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
pub(super) fn build_reply(
    book: &Book,
    exchange: &Exchange<'_>,
    layers: &Layers<'_>,
    terms: &Terms,
) -> (Reply, Destination) {
    let message = exchange.message;
    let subnet = book.plan.subnet(terms.place);
    let reply = Reply {
        yiaddr: terms.yiaddr,
        // RFC 2131 table 3: 'siaddr' is the "IP address of next bootstrap server", 'sname' and 'file' are the server's
        // name and the boot file, or options.
        siaddr: layers.next_server().map_or(Ipv4Addr::UNSPECIFIED, |(_, address)| address),
        sname: layers.server_name().map(|(_, name)| name.into()).unwrap_or_default(),
        file: layers.boot_file().map(|(_, file)| file.into()).unwrap_or_default(),
        options: options_of(book, layers, exchange, terms),
        required: Cow::Borrowed(&REQUIRED),
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
fn for_bootp(message: &Message<'_>, mut reply: Reply) -> Reply {
    let only_dhcp = |code: u8| (code::REQUESTED_IP_ADDRESS..=code::CLIENT_IDENTIFIER).contains(&code);
    let siaddr = Some(reply.siaddr).filter(|address| !address.is_unspecified()).unwrap_or(reply.server_identifier);
    reply.options.retain(|code| !only_dhcp(code));
    Reply {
        siaddr,
        ciaddr: message.ciaddr,
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
    reply.options.push(code::MESSAGE, words.as_bytes());
    echo_identifier(&mut reply, exchange);
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
    reply.options.push(code::AUTO_CONFIGURE, &data);
    echo_identifier(&mut reply, exchange);
    let always_broadcast = book.plan.subnet(place).always_broadcast;
    let destination = destination(message, &reply, exchange.ingress.source.1, always_broadcast);
    Some((reply, destination))
}

/// The option that goes back as it came.
fn echoed<'e>(exchange: &Exchange<'e>) -> Option<&'e [u8]> {
    // RFC 6842 section 3: "If the 'client identifier' option is present in a message received from a client, the
    // server MUST return the 'client identifier' option, unaltered, in its response message."
    exchange.message.client_id.as_ref().map(|client_id| &*client_id.0)
}

fn echo_identifier(reply: &mut Reply, exchange: &Exchange<'_>) {
    echoed(exchange).into_iter().for_each(|id| reply.options.push(code::CLIENT_IDENTIFIER, id));
    reply.required = Cow::Borrowed(&[code::CLIENT_IDENTIFIER]);
}

/// What follows from the lease and the message, not from the settings alone. It is sent though the client does not ask for
/// it, in this order.
pub(super) const OWN: [u8; 9] = [
    code::IP_ADDRESS_LEASE_TIME,
    code::RENEWAL_TIME_VALUE,
    code::REBINDING_TIME_VALUE,
    code::SUBNET_MASK,
    code::CLIENT_FQDN,
    code::CLIENT_IDENTIFIER,
    code::RAPID_COMMIT,
    code::SUBNET_SELECTION,
    code::AUTO_CONFIGURE,
];

/// So many thousandths of a time; 1000 at most.
fn part_of(secs: u32, permille: u16) -> u32 {
    u32::try_from(u64::from(secs) * u64::from(permille) / 1000).unwrap_or(secs)
}

/// The data of an option of [`OWN`], where there is any.
fn own<'d>(
    subnet: &Subnet,
    layers: &'d Layers<'_>,
    exchange: &Exchange<'d>,
    terms: &'d Terms,
    wanted: u8,
) -> Option<OptionData<'d>> {
    let message = exchange.message;
    let seconds = |secs: u32| OptionData::Word(secs.to_be_bytes());
    // T1 and T2 (RFC 2131 section 4.4.5) of a lease that ends.
    let part = |permille: u16| {
        let lease_secs = terms.lease_secs.filter(|secs| *secs != u32::MAX && !layers.is_never_sent(wanted))?;
        Some(seconds(part_of(lease_secs, permille.min(1000))))
    };
    match wanted {
        code::IP_ADDRESS_LEASE_TIME => terms.lease_secs.map(seconds),
        code::RENEWAL_TIME_VALUE => part(subnet.renewal_permille),
        code::REBINDING_TIME_VALUE => part(subnet.rebinding_permille),
        code::SUBNET_MASK if !layers.is_never_sent(wanted) => layers.value(wanted),
        code::CLIENT_FQDN => terms.told.client_fqdn.as_deref().map(OptionData::Lent),
        code::CLIENT_IDENTIFIER => echoed(exchange).map(OptionData::Lent),
        // RFC 4039 section 3.1: the ACK to a DISCOVER carries the option, and no other message does.
        code::RAPID_COMMIT => {
            let is_rapid = message.message_type == MessageType::Discover && terms.message_type == MessageType::Ack;
            is_rapid.then_some(OptionData::Lent(&[]))
        }
        // RFC 3011 section 2: a server that heeds the option "MUST return an identical copy" of it.
        code::SUBNET_SELECTION => {
            message.subnet_selection().and_then(|_| message.options.get(wanted)).map(OptionData::Lent)
        }
        // RFC 2563 section 2: a client that sends the option in its DISCOVER is told whether it may choose an address of
        // 169.254/16 by itself; no other client is.
        code::AUTO_CONFIGURE => {
            let is_told = message.asks_auto_configure() && terms.message_type == MessageType::Offer;
            Some(wanted).filter(|code| is_told && !layers.is_never_sent(*code)).and_then(|code| layers.value(code))
        }
        _ => None,
    }
}

/// Of the options that are sent always, those that are sent to clients that did not ask. The others are for those that do,
/// whatever is configured (RFC 2563, RFC 8925).
pub(super) fn unasked(always: &[u8]) -> impl Iterator<Item = u8> {
    let for_those_that_ask = [code::AUTO_CONFIGURE, code::IPV6_ONLY_PREFERRED];
    always.iter().copied().filter(move |code| !for_those_that_ask.contains(code))
}

fn options_of(book: &Book, layers: &Layers<'_>, exchange: &Exchange<'_>, terms: &Terms) -> OptionList {
    let (message, subnet) = (exchange.message, book.plan.subnet(terms.place));
    // A client that tells its name is told how it is called instead.
    let is_named = terms.told.name.is_some() && !message.hostname().is_empty();
    let of_scopes = |wanted| match wanted {
        code::AUTO_CONFIGURE => None,
        wanted if layers.is_never_sent(wanted) => None,
        code::HOST_NAME => host_name(book, layers, exchange, terms),
        wanted => layers.value(wanted),
    };
    let lookup = |wanted| own(subnet, layers, exchange, terms, wanted).or_else(|| of_scopes(wanted));
    let list = &*message.parameter_request_list;
    if layers.are_wide() {
        let fill = |gap, options: &mut OptionList| {
            let wanted = match gap {
                Gap::Time(code, permille) => match terms.lease_secs {
                    // Of a lease without end neither T1 nor T2 is told.
                    Some(secs) if secs != u32::MAX => {
                        return options.push(code, &part_of(secs, permille).to_be_bytes());
                    }
                    _ => code,
                },
                Gap::Sent(code) if !message.options.contains(code) => return,
                Gap::NameUnasked if !is_named => return,
                Gap::Sent(code) | Gap::Code(code) => code,
                Gap::NameUnasked => code::HOST_NAME,
            };
            if let Some(data) = lookup(wanted) {
                options.push(wanted, &data);
            }
        };
        if let Some(options) = book.plan.forms().options((terms.place, subnet), list, layers, fill) {
            return options;
        }
    }
    let named = Some(code::HOST_NAME).filter(|_| is_named);
    options::in_requested_order(list, || layers.codes(), &OWN, unasked(&layers.always()).chain(named), lookup)
}

/// Option 12 (RFC 2132 section 3.14: the name "may or may not be qualified with the local domain name"): the name that is
/// published, without the domain where that is what option 15 says. Where none is, the one that is reserved for the
/// client, or that the settings have for the option: those are the operator's words, not the client's.
fn host_name<'d>(
    book: &'d Book,
    layers: &'d Layers<'_>,
    exchange: &Exchange<'_>,
    terms: &Terms,
) -> Option<OptionData<'d>> {
    let Some(name) = &terms.told.name else {
        let reserved = book.plan.reservation_for(terms.place, exchange.client());
        let hostname = reserved.and_then(|reserved| reserved.hostname.as_deref());
        return hostname
            .map(|hostname| OptionData::Lent(hostname.as_bytes()))
            .or_else(|| layers.value(code::HOST_NAME));
    };
    let text = name.to_string();
    let full = text.strip_suffix('.').unwrap_or(&text);
    let told_domain = layers.find(code::DOMAIN_NAME).map(|(_, domain)| domain);
    let short = full
        .split_once('.')
        .filter(|(_, domain)| told_domain.is_some_and(|told| told.eq_ignore_ascii_case(domain.as_bytes())));
    Some(OptionData::Made(short.map_or(full, |(label, _)| label).as_bytes().into()))
}
