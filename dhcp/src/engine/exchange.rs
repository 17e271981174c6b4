//! One message with all that it is decided by: when and how it came, who sent it, and which link that is.

use std::net::Ipv4Addr;

use super::book::Book;
use super::client::{Asker, Client};
use super::record::HotState;
use super::table::Record;
use crate::class::ClassSet;
use crate::decision::Ingress;
use crate::few::Few;
use crate::limits::port_key;
use crate::message::{DropReason, Message};
use crate::names::NameChooser;
use crate::options::code;
use crate::time::Now;

/// Subnets, by their places in the settings: those of one link are few.
pub(super) type Places = Few<usize, 4>;

/// What every handler reads.
pub(super) struct Exchange<'a> {
    pub(super) now: Now,
    pub(super) ingress: &'a Ingress<'a>,
    pub(super) message: &'a Message<'a>,
    pub(super) names: &'a dyn NameChooser,
    /// The subnets on the client's link, in the order in which they are to be tried; by place in the settings.
    pub(super) link: Places,
    /// The classes that the client is of.
    pub(super) classes: ClassSet,
    /// What relays and switches say of the client: the data of option 82, of the message or as it is remembered.
    pub(super) relay: &'a [u8],
    /// Who asks.
    pub(super) asker: Asker<'a>,
    /// RFC 5107: what the relay wants as server identifier.
    pub(super) server_identifier_override: Option<Ipv4Addr>,
}

impl<'a> Exchange<'a> {
    pub(super) fn client(&self) -> Client<'a> {
        self.asker.client
    }

    pub(super) fn is_relayed(&self) -> bool {
        !self.message.giaddr.is_unspecified()
    }

    /// Whether it was sent to one of our addresses, not to all.
    pub(super) fn is_unicast(&self) -> bool {
        sent_to(self.ingress).is_some()
    }

    /// Whether the client itself sent to one address, ours or its relay's, as far as anybody tells.
    pub(super) fn client_sent_by_unicast(&self) -> bool {
        if self.is_relayed() {
            return self.message.relay_agent_info().sent_by_unicast() == Some(true);
        }
        self.is_unicast()
    }

    /// Those subnets of the link that are in service for this client.
    pub(super) fn active(&self, book: &Book) -> Places {
        self.link.iter().copied().filter(|&place| self.serves(book, place)).collect()
    }

    /// The port of a switch that the client is behind, where leases are counted by port.
    pub(super) fn port(&self, book: &Book) -> Option<u64> {
        book.plan.settings.limits.leases_per_port?;
        let marks = self.message.options.get(code::RELAY_AGENT_INFORMATION).unwrap_or_default();
        port_key(self.message.giaddr, marks)
    }

    /// The subnet on the link that holds an address.
    pub(super) fn subnet_on_link(&self, book: &Book, address: Ipv4Addr) -> Option<usize> {
        book.plan.holding(address).filter(|place| self.link.contains(place))
    }

    /// Whether `address` names this server. Any address of ours does.
    ///
    /// RFC 2131 section 4.1: "A DHCP server with multiple network addresses MUST be prepared to to accept any of its
    /// network addresses as identifying that server in a DHCP message."
    pub(super) fn names_us(&self, book: &Book, address: Ipv4Addr) -> bool {
        let ours = self.ingress.addresses.iter().any(|net| net.addr() == address)
            || book.is_own(address)
            || (self.is_unicast() && self.ingress.destination == address)
            || self.server_identifier_override == Some(address);
        // A client tells us the identifier that we told it, also when the relay has changed its mind since.
        ours || self.link.iter().any(|&place| {
            book.offers_to(place, &self.asker).any(|offer| offer.server_identifier == address)
                || book
                    .records_of(place, &self.asker)
                    .any(|record| record.cold.server_identifier_override() == Some(address))
        })
    }

    /// The server identifier of a reply to a client of subnet `place`; `remembered` is the one that a relay wanted
    /// when the lease was made: it stands as long as the client turns to us by itself, by unicast, and no longer when
    /// it is heard on our own link. `None`: this interface has no address yet.
    ///
    /// RFC 2131 section 4.1: "If the server is multi-homed, the server MUST choose an address [...] that is reachable
    /// from the client."
    pub(super) fn server_identifier(
        &self,
        book: &Book,
        place: Option<usize>,
        remembered: Option<Ipv4Addr>,
    ) -> Option<Ipv4Addr> {
        let addresses = self.ingress.addresses;
        let sent_to = sent_to(self.ingress);
        let first = addresses.first().map(|net| net.addr());
        if self.is_relayed() {
            return self.server_identifier_override.or(sent_to).or(first);
        }
        let in_subnet = place.and_then(|place| {
            let prefix = book.plan.subnet(place).prefix;
            addresses.iter().map(|net| net.addr()).find(|address| prefix.contains(address))
        });
        remembered.filter(|_| sent_to.is_some()).or(in_subnet).or(sent_to).or(first)
    }
}

/// RFC 5107: what the relay wants as server identifier. Only a relay can want it.
pub(super) fn server_identifier_override(message: &Message<'_>) -> Option<Ipv4Addr> {
    message.relay_agent_info().server_identifier_override().filter(|_| !message.giaddr.is_unspecified())
}

/// The subnets on the client's link: that which the message names or came from, and the others of its shared network.
///
/// RFC 2131 section 4.3.1: the address is chosen "from the subnet from which the message was received (if 'giaddr' is
/// 0) or from the address of the relay agent that forwarded the message ('giaddr' when not 0)".
///
/// # Errors
/// No subnet of ours is there, or a snooping switch's mark is refused there.
pub(super) fn link(book: &Book, ingress: &Ingress<'_>, message: &Message<'_>) -> Result<Places, DropReason> {
    let plan = &book.plan;
    let one = |address| {
        let place = plan.holding(address).ok_or(DropReason::NoSubnet)?;
        Ok(plan.link_of(place).collect())
    };
    if !message.giaddr.is_unspecified() {
        // RFC 3527 section 3: "When the DHCP server is allocating an address and this sub-option is present, then the
        // DHCP server MUST allocate the address on" that subnet's link. The relay knows better than the client, whose
        // wish is RFC 3011's option.
        let selected = message.relay_agent_info().link_selection().or(message.subnet_selection());
        return one(selected.unwrap_or(message.giaddr));
    }
    let link = if let Some(selected) = message.subnet_selection() {
        one(selected)?
    } else {
        // RFC 2131 section 4.3.2, of a renewing client: "the DHCP server will trust the value in 'ciaddr'". Its
        // message may have come through routers.
        let routed = Some(message.ciaddr).filter(|ciaddr| !ciaddr.is_unspecified() && sent_to(ingress).is_some());
        match routed.and_then(|ciaddr| plan.holding(ciaddr)) {
            Some(place) => plan.link_of(place).collect(),
            None => link_of_interface(book, ingress),
        }
    };
    if link.is_empty() {
        return Err(DropReason::NoSubnet);
    }
    // A switch that snoops inserts option 82 and leaves giaddr alone. RFC 3046 section 2.1 lets relays drop that; a
    // server answers, unless the subnet's setting says otherwise.
    let marked = message.options.contains(code::RELAY_AGENT_INFORMATION);
    if marked && link.iter().any(|&place| plan.subnet(place).refuse_unrelayed_option82) {
        return Err(DropReason::UnrelayedOption82);
    }
    Ok(link)
}

/// Those that the interface has an address in, in the order of its addresses, then those that name it: each with the
/// others of its shared network.
fn link_of_interface(book: &Book, ingress: &Ingress<'_>) -> Places {
    let plan = &book.plan;
    let mut link = Places::default();
    let by_address = ingress.addresses.iter().filter_map(|net| plan.holding(net.addr()));
    let by_address = by_address.filter(|&place| plan.follows_addresses(place, ingress.interface));
    let by_address = by_address.flat_map(|place| plan.link_of(place));
    // A name says of no subnet that it is the first to be filled: the network's order does.
    let by_name = plan.naming(ingress.interface).iter().flat_map(|&place| plan.network_of(place));
    for place in by_address.chain(by_name) {
        if !link.contains(&place) {
            link.push(place);
        }
    }
    link
}

/// What a relay said of a client that now turns to us by itself, and so past its relay: what it said stays true.
pub(super) fn remembered_relay(book: &Book, ingress: &Ingress<'_>, message: &Message<'_>) -> Box<[u8]> {
    extended_by_itself(book, ingress, message).map(|record| record.cold.relay_agent_info().into()).unwrap_or_default()
}

/// The relay that a client is behind: the one that hands its message on, or handed on what its binding was made upon.
pub(super) fn relay_address(book: &Book, ingress: &Ingress<'_>, message: &Message<'_>) -> Ipv4Addr {
    extended_by_itself(book, ingress, message).map_or(message.giaddr, |record| record.cold.relay())
}

/// The binding of a client that turns to us past any relay, with the address that it has.
fn extended_by_itself<'b>(book: &'b Book, ingress: &Ingress<'_>, message: &Message<'_>) -> Option<Record<'b>> {
    let by_itself = message.giaddr.is_unspecified() && sent_to(ingress).is_some();
    let record = book.record(message.ciaddr).filter(|_| by_itself)?;
    let ignore = book.plan.subnet(book.plan.holding(message.ciaddr)?).ignore_client_id;
    let holds = record.hot.state() == HotState::Bound && record.client().is(Client::of(message, &[]), ignore);
    holds.then_some(record)
}

/// The address of ours that a datagram was sent to; `None` for a broadcast, also for one directed at a network, as
/// relays may be told to send them.
pub(super) fn sent_to(ingress: &Ingress<'_>) -> Option<Ipv4Addr> {
    let to = ingress.destination;
    let to_all = to.is_unspecified() || to.is_broadcast() || to.is_multicast();
    let to_network = ingress.addresses.iter().any(|net| net.prefix_len() < 31 && net.broadcast() == to);
    (!to_all && !to_network).then_some(to)
}
