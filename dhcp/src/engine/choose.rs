//! Which address a client is offered (RFC 2131 section 4.3.1).

use std::net::Ipv4Addr;

use super::book::Book;
use super::exchange::Exchange;
use super::record::HotState;
use crate::few::Few;
use crate::settings::Pool;

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
    known(book, exchange, places)
        .or_else(|| previous(book, exchange, places))
        .or_else(|| requested(book, exchange, places))
        .or_else(|| offered(book, exchange, places))
        .or_else(|| fresh(book, exchange, places))
}

/// What the client has here: its reservation, else its binding.
pub(super) fn known(book: &Book, exchange: &Exchange<'_>, places: &[usize]) -> Option<Choice> {
    reserved(book, exchange, places).or_else(|| current(book, exchange, places))
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
    // One loop in the other and no chain of adapters: every message comes by here.
    for &place in places {
        for record in book.records_of(place, &exchange.asker) {
            let choice = Choice { place, address: record.hot.address };
            if record.hot.state() != HotState::Bound {
                break;
            }
            if may_have(book, exchange, choice) {
                return Some(choice);
            }
        }
    }
    None
}

/// All bindings of the client on the link, whether it may keep them or not.
pub(super) fn bindings<'a>(
    book: &'a Book,
    exchange: &'a Exchange<'a>,
    places: &'a [usize],
) -> impl Iterator<Item = Choice> + 'a {
    places.iter().flat_map(move |&place| {
        book.records_of(place, &exchange.asker)
            .take_while(|record| record.hot.state() == HotState::Bound)
            .map(move |record| Choice { place, address: record.hot.address })
    })
}

pub(super) fn previous(book: &Book, exchange: &Exchange<'_>, places: &[usize]) -> Option<Choice> {
    let ended = places.iter().flat_map(|&place| {
        book.records_of(place, &exchange.asker)
            .filter(|record| matches!(record.hot.state(), HotState::Released | HotState::Expired))
            .filter(|record| !record.hot.marks().shunned)
            .map(move |record| (record.hot.expires_at(), Choice { place, address: record.hot.address }))
    });
    let usable = ended.filter(|(_, choice)| is_usable(book, exchange, *choice) && is_open(book, exchange, *choice));
    usable.max_by_key(|(ended_at, _)| *ended_at).map(|(_, choice)| choice)
}

pub(super) fn requested(book: &Book, exchange: &Exchange<'_>, places: &[usize]) -> Option<Choice> {
    let address = exchange.message.requested_ip_address?;
    let place = exchange.subnet_on_link(book, address).filter(|place| places.contains(place))?;
    // An address that it has just declined, it does not get for having asked.
    let ignore = book.plan.subnet(place).ignore_client_id;
    let shunned = book
        .record(address)
        .is_some_and(|record| record.hot.marks().shunned && record.client().is(exchange.client(), ignore));
    Some(Choice { place, address })
        .filter(|choice| !shunned && is_usable(book, exchange, *choice) && is_open(book, exchange, *choice))
}

pub(super) fn offered(book: &Book, exchange: &Exchange<'_>, places: &[usize]) -> Option<Choice> {
    let mut offers = places.iter().flat_map(|&place| {
        book.offers_to(place, &exchange.asker).map(move |offer| Choice { place, address: offer.address })
    });
    offers.find(|choice| is_usable(book, exchange, *choice))
}

/// From the first subnet that has an address left: so a shared network's subnets are filled one after the other.
fn fresh(book: &mut Book, exchange: &Exchange<'_>, places: &[usize]) -> Option<Choice> {
    places.iter().find_map(|&place| {
        let pools = &book.plan.subnet(place).pools;
        let open = pools
            .iter()
            .enumerate()
            .filter(|(_, pool)| pool.access.admits(&exchange.classes) && has_tried_enough(exchange, pool));
        let open: Few<usize, 8> = open.map(|(number, _)| number).collect();
        book.free_address(place, &open, exchange.client()).map(|address| Choice { place, address })
    })
}

/// Whether the pool of an address offers to a client that has nothing here yet.
fn is_open(book: &Book, exchange: &Exchange<'_>, choice: Choice) -> bool {
    pool_of(book, choice).is_none_or(|pool| has_tried_enough(exchange, pool))
}

/// Whether the client has tried for as long as the pool wants: until then another server is to serve it.
fn has_tried_enough(exchange: &Exchange<'_>, pool: &Pool) -> bool {
    let secs = exchange.message.secs;
    // RFC 2131 section 2 has the field in network order, but there are clients that fill it in the other one. A number
    // of whole 256 seconds is more likely one of those.
    let secs = if secs & 0xFF == 0 { secs.swap_bytes() } else { secs };
    secs >= pool.min_secs
}

/// Whether a pool of the link would have offered to the client, had it tried for longer.
pub(super) fn is_held_back(book: &Book, exchange: &Exchange<'_>, places: &[usize]) -> bool {
    let holds_back = |pool: &Pool| pool.access.admits(&exchange.classes) && !has_tried_enough(exchange, pool);
    places.iter().any(|&place| book.plan.subnet(place).pools.iter().any(holds_back))
}

/// How long the offer of an address waits before it is sent, in milliseconds: not at all for a client that has something
/// here.
pub(super) fn offer_delay_ms(book: &Book, exchange: &Exchange<'_>, places: &[usize], choice: Choice) -> u32 {
    let delay_ms = pool_of(book, choice).map_or(0, |pool| pool.offer_delay_ms);
    if delay_ms > 0 && known(book, exchange, places) == Some(choice) { 0 } else { delay_ms }
}

/// Whether the client may have the address, and nobody else has it.
pub(super) fn is_usable(book: &Book, exchange: &Exchange<'_>, choice: Choice) -> bool {
    let client = exchange.client();
    may_have(book, exchange, choice) && book.is_available(choice.place, client, choice.address)
}

/// Whether the client may have the address at all: it is reserved for it, or in a pool that admits it and reserved for
/// nobody. What is reserved for a client, no pool keeps from it.
pub(super) fn may_have(book: &Book, exchange: &Exchange<'_>, choice: Choice) -> bool {
    let admits = |pool: &Pool| pool.access.admits(&exchange.classes);
    book.allows(choice.place, exchange.client(), choice.address)
        && (pool_of(book, choice).is_none_or(admits)
            || book.plan.reservation_of(choice.place, choice.address).is_some())
}

fn pool_of(book: &Book, Choice { place, address }: Choice) -> Option<&Pool> {
    book.plan.subnet(place).pools.get(book.pool_of(place, address)?)
}
