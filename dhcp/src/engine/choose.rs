//! Which address a client is offered (RFC 2131 section 4.3.1).

use std::net::Ipv4Addr;

use super::book::Book;
use super::exchange::Exchange;
use super::record::HotState;

/// An address, and the subnet it lies in by place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Choice {
    pub(super) place: usize,
    pub(super) address: Ipv4Addr,
}

/// Chooses among the link's subnets in `places`; `None`: there is nothing to give.
///
/// A reservation goes before everything, while nobody else holds its address. Then, with the words of RFC 2131
/// section 4.3.1: "The client's current address as recorded in the client's current binding, ELSE the client's
/// previous address as recorded in the client's (now expired or released) binding, if that address is in the server's
/// pool of available addresses and not already allocated, ELSE the address requested in the 'Requested IP Address'
/// option, if that address is valid and not already allocated, ELSE a new address allocated from the server's pool of
/// available addresses". Before the last, what the client was offered already: a repeated DISCOVER hears the same.
pub(super) fn choose(book: &mut Book, exchange: &Exchange<'_>, places: &[usize]) -> Option<Choice> {
    reserved(book, exchange, places)
        .or_else(|| current(book, exchange, places))
        .or_else(|| previous(book, exchange, places))
        .or_else(|| requested(book, exchange, places))
        .or_else(|| offered(book, exchange, places))
        .or_else(|| fresh(book, places))
}

/// The client's reservation, if nobody else has its address for now.
pub(super) fn reserved(book: &Book, exchange: &Exchange<'_>, places: &[usize]) -> Option<Choice> {
    let client = exchange.client();
    places.iter().find_map(|&place| {
        let address = book.plan.reservation_for(place, client)?.address?;
        book.is_available(place, client, address).then_some(Choice { place, address })
    })
}

/// The client's binding, if it may keep it.
pub(super) fn current(book: &Book, exchange: &Exchange<'_>, places: &[usize]) -> Option<Choice> {
    bindings(book, exchange, places).find(|choice| book.allows(choice.place, exchange.client(), choice.address))
}

/// All bindings of the client on the link, whether it may keep them or not.
pub(super) fn bindings<'a>(
    book: &'a Book,
    exchange: &'a Exchange<'a>,
    places: &'a [usize],
) -> impl Iterator<Item = Choice> + 'a {
    places.iter().flat_map(move |&place| {
        book.records_of(place, exchange.client())
            .take_while(|record| record.hot.state == HotState::Bound)
            .map(move |record| Choice { place, address: record.hot.address })
    })
}

fn previous(book: &Book, exchange: &Exchange<'_>, places: &[usize]) -> Option<Choice> {
    let client = exchange.client();
    let ended = places.iter().flat_map(|&place| {
        book.records_of(place, client)
            .filter(|record| matches!(record.hot.state, HotState::Released | HotState::Expired))
            .filter(|record| !record.hot.marks.shunned)
            .map(move |record| (record.hot.expires_at, Choice { place, address: record.hot.address }))
    });
    let usable = ended.filter(|(_, choice)| is_usable(book, exchange, *choice));
    usable.max_by_key(|(ended_at, _)| *ended_at).map(|(_, choice)| choice)
}

fn requested(book: &Book, exchange: &Exchange<'_>, places: &[usize]) -> Option<Choice> {
    let address = exchange.message.requested_ip_address?;
    let place = exchange.subnet_on_link(book, address).filter(|place| places.contains(place))?;
    // An address that it has just declined, it does not get for having asked.
    let ignore = book.plan.subnet(place).ignore_client_id;
    let shunned = book
        .record(address)
        .is_some_and(|record| record.hot.marks.shunned && record.client().is(exchange.client(), ignore));
    Some(Choice { place, address }).filter(|choice| !shunned && is_usable(book, exchange, *choice))
}

fn offered(book: &Book, exchange: &Exchange<'_>, places: &[usize]) -> Option<Choice> {
    let mut offers = places.iter().flat_map(|&place| {
        book.offers_to(place, exchange.client()).map(move |offer| Choice { place, address: offer.address })
    });
    offers.find(|choice| is_usable(book, exchange, *choice))
}

fn fresh(book: &mut Book, places: &[usize]) -> Option<Choice> {
    places.iter().find_map(|&place| book.free_address(place).map(|address| Choice { place, address }))
}

/// Whether the client may have the address, and nobody else has it.
pub(super) fn is_usable(book: &Book, exchange: &Exchange<'_>, choice: Choice) -> bool {
    let client = exchange.client();
    book.allows(choice.place, client, choice.address) && book.is_available(choice.place, client, choice.address)
}
