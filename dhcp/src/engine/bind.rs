//! Making bindings: the lease record, the client's name, and the end of what the client held before.

use std::net::Ipv4Addr;

use faults::{Fault, planted};

use super::Engine;
use super::book::Book;
use super::choose::{self, Choice};
use super::client::Client;
use super::exchange::Exchange;
use super::layers::Layers;
use super::naming::Rules;
use super::record::{Change, HotState, Kept, Marks, NEVER};
use super::rename::wish_of;
use super::respond::{self, Terms, Told};
use super::table::Record;
use crate::class::ClassId;
use crate::decision::{Decision, Former, LeaseEventKind};
use crate::destination::Destination;
use crate::identity::{ClientId, HardwareAddress};
use crate::lease::{Lease, LeaseState};
use crate::message::{DropReason, MessageType};
use crate::names::{NameAnswer, NameChooser, NameQuestion, host_identity};
use crate::options::code;
use crate::reply::Reply;

/// What is kept of option 82 with a lease. Relays send a few dozen bytes, but by RFC 3396 whoever can send could have a
/// whole datagram kept for every address.
pub(super) const RELAY_AGENT_INFO_BYTES_MAX: usize = 1024;

impl Engine {
    /// Binds the client to an address that it may have, for as long as it asked or was offered, and acknowledges it.
    /// Other addresses that it held on the link end with this: one client has one lease.
    pub(super) fn bind(&mut self, exchange: &Exchange<'_>, choice: Choice) -> Decision {
        if self.storage_full {
            return self.acknowledge_stored(exchange, choice);
        }
        let Choice { place, address } = choice;
        let binding = self.binding_at(exchange, choice);
        let is_renewed = binding.is_some();
        let remembered = binding.and_then(|binding| binding.cold.server_identifier_override());
        let Some(server_identifier) = exchange.server_identifier(&self.book, Some(place), remembered) else {
            return Decision::drop(DropReason::NoServerAddress);
        };
        if !is_renewed && let Err(reason) = self.may_lease(exchange, choice, true) {
            return Decision::drop(reason);
        }

        let layers = Layers::of(&self.book, exchange, place, address);
        let lease_secs = lease_secs(&self.book, exchange, &layers, choice);
        let record = self.book.record(address);
        let (lease, answer) = make_lease(&self.book, exchange, choice, lease_secs, record.filter(|_| is_renewed));
        let kind = if is_renewed { LeaseEventKind::Renewed } else { LeaseEventKind::Bound };
        let previous = record.map(|record| {
            let former = record.former();
            let is_same = is_renewed && record.says_the_same_as(&lease, former.name.as_ref());
            Former { same_since: is_same.then(|| record.hot.renewed_at()), ..former }
        });
        let shown_secs = if planted(Fault::AckLongerThanStored) { lease_secs.saturating_add(60) } else { lease_secs };
        let is_bootp = exchange.message.message_type == MessageType::Bootp;
        let terms = Terms {
            message_type: if is_bootp { MessageType::Bootp } else { MessageType::Ack },
            place,
            yiaddr: address,
            lease_secs: Some(shown_secs).filter(|_| !is_bootp),
            told: Told::of(answer),
            server_identifier,
        };
        let reply = respond::build_reply(&self.book, exchange, &layers, &terms);

        // Nearly every client that renews has nothing else on its link, so that it is not looked for.
        let has_others = !(is_renewed && exchange.link.len() == 1 && self.book.is_only_one(address));
        let ends = has_others && !planted(Fault::FormerBindingKept);
        let ended = if ends { self.end_others(exchange, address) } else { Vec::new() };
        self.book.withdraw_from(&exchange.link, &exchange.asker, Some(address));
        let finite = Some(lease_secs).filter(|secs| *secs != u32::MAX);
        let mut decision = Decision::default();
        ended.into_iter().for_each(|change| self.change(&mut decision, change));
        self.change(&mut decision, Change { kept: Kept::made_now(lease, finite, exchange.now), kind, previous });
        decision.reply = Some(reply);
        decision
    }

    /// The binding that the client has at an address.
    pub(super) fn binding_at(&self, exchange: &Exchange<'_>, choice: Choice) -> Option<Record<'_>> {
        self.book.record(choice.address).filter(|record| is_binding_of(&self.book, exchange, choice.place, *record))
    }

    /// Whether the limits let the client have a lease that it does not hold yet; `takes` says that it gets it now.
    pub(super) fn may_lease(&mut self, exchange: &Exchange<'_>, choice: Choice, takes: bool) -> Result<(), DropReason> {
        let most = self.book.plan.settings.limits.leases_per_port;
        if let (Some(most), Some(port)) = (most, exchange.port(&self.book)) {
            // What it was offered is counted already, and what it holds elsewhere on the link ends with this.
            let ignore = self.book.plan.subnet(choice.place).ignore_client_id;
            let offer = self.book.offer(choice.address);
            let counted = offer
                .is_some_and(|offer| offer.port == Some(port) && offer.client().is(exchange.client(), ignore))
                || choose::bindings(&self.book, exchange, &exchange.link).next().is_some();
            if !counted && self.book.at_port(port) >= most {
                return Err(DropReason::PortLeaseLimit);
            }
        }
        self.new_leases.admit(exchange.now.boot_ms, exchange.ingress, exchange.message, takes)
    }

    /// What the client holds on the link besides `but`, as it is to be when that ends.
    ///
    /// Two leases of one client come from a subnet that began to ignore client identifiers, from a reservation that
    /// was made or moved, or from a client that went from one subnet of its link to another.
    fn end_others(&self, exchange: &Exchange<'_>, but: Ipv4Addr) -> Vec<Change> {
        let mut ended = Vec::new();
        for &place in exchange.link.iter() {
            let bound = self.book.records_of(place, &exchange.asker);
            for other in bound.take_while(|record| record.hot.state() == HotState::Bound) {
                if other.hot.address != but {
                    let now = exchange.now.wall_secs;
                    ended.push(end(other.kept(), LeaseState::Released, now, LeaseEventKind::Released));
                }
            }
        }
        ended
    }

    /// With the storage full nothing can be promised beyond what is stored: a renewal is answered with what is left
    /// of the stored lease, and nothing else is answered.
    pub(super) fn acknowledge_stored(&mut self, exchange: &Exchange<'_>, choice: Choice) -> Decision {
        match self.terms_of_stored(exchange, choice, MessageType::Ack) {
            Ok(terms) => Decision { reply: Some(self.reply_of(exchange, &terms)), ..Decision::default() },
            Err(reason) => Decision::drop(reason),
        }
    }

    /// The reply that tells these terms.
    pub(super) fn reply_of(&self, exchange: &Exchange<'_>, terms: &Terms) -> (Reply, Destination) {
        // The answer to an INFORM is about the address that the client has.
        let address = if terms.yiaddr.is_unspecified() { exchange.message.ciaddr } else { terms.yiaddr };
        let layers = Layers::of(&self.book, exchange, terms.place, address);
        respond::build_reply(&self.book, exchange, &layers, terms)
    }

    /// What is left of the client's stored lease.
    ///
    /// # Errors
    /// It has none there, or nothing of it is left.
    pub(super) fn terms_of_stored(
        &self,
        exchange: &Exchange<'_>,
        Choice { place, address }: Choice,
        message_type: MessageType,
    ) -> Result<Terms, DropReason> {
        let stored = match self.pending.stored(address) {
            Some(before) => before.as_ref().map(|before| self.book.saved(before)),
            None => self.book.record(address),
        };
        let stored = stored.filter(|record| is_binding_of(&self.book, exchange, place, *record));
        let stored = stored.map(|record| record.kept());
        let left = stored.as_ref().map_or(0, |kept| kept.secs_left(exchange.now));
        // No lease shorter than this is worth a reply: T1 would have passed before it is read.
        if left < 2 {
            return Err(DropReason::StorageFull);
        }
        let lease = stored.map(|kept| kept.lease);
        let remembered = lease.as_ref().and_then(|lease| lease.server_identifier_override);
        let server_identifier =
            exchange.server_identifier(&self.book, Some(place), remembered).ok_or(DropReason::NoServerAddress)?;
        let layers = Layers::of(&self.book, exchange, place, address);
        let lease_secs = lease_secs(&self.book, exchange, &layers, Choice { place, address });
        let shown_secs = if planted(Fault::AckLongerThanStored) { lease_secs } else { lease_secs.min(left) };
        Ok(Terms {
            message_type,
            place,
            yiaddr: address,
            lease_secs: Some(shown_secs),
            told: lease.map(|lease| self.told_of(exchange, &lease)).unwrap_or_default(),
            server_identifier,
        })
    }

    /// What a client is told of the name of a lease that is not made now, when it asks for it.
    pub(super) fn told_of(&self, exchange: &Exchange<'_>, lease: &Lease) -> Told {
        let place = self.book.plan.holding(lease.address).filter(|_| respond::wants_host_name(exchange.message));
        let Some(place) = place.filter(|_| lease.name.is_some()) else { return Told::default() };
        let answer = ask_name(&self.book, exchange.names, place, &wish_of(lease), exchange.classes.iter());
        // Told is what is stored. What would be chosen now is stored first, and then told.
        if answer.name == lease.name { Told { client_fqdn: None, ..Told::of(answer) } } else { Told::default() }
    }

    /// The binding that a client has at the address that it says it has.
    pub(super) fn binding_named(&self, exchange: &Exchange<'_>, place: usize) -> Option<Lease> {
        let choice = Choice { place, address: exchange.message.ciaddr };
        self.binding_at(exchange, choice).map(|record| record.lease())
    }
}

/// The lease time for a client, in seconds; `u32::MAX`: without end.
///
/// RFC 2131 section 4.3.1: "If the client has requested a specific lease in the DHCPDISCOVER message [...] the server
/// may choose either to return the requested lease (if the lease is acceptable to local policy) or select another
/// lease." A client that takes an offer without naming a time takes the time that was offered.
pub(super) fn lease_secs(
    book: &Book,
    exchange: &Exchange<'_>,
    layers: &Layers<'_>,
    Choice { place, address }: Choice,
) -> u32 {
    // RFC 1534 section 2: a BOOTP client knows no lease times, and uses its address without end.
    if exchange.message.message_type == MessageType::Bootp {
        return u32::MAX;
    }
    let subnet = book.plan.subnet(place);
    let offered = book
        .offer(address)
        .filter(|offer| offer.client().is(exchange.client(), subnet.ignore_client_id))
        .map(|offer| offer.lease_secs);
    let wanted = exchange.message.lease_secs.or(offered);
    layers.lease_time().grant(wanted)
}

/// Whether a record is the client's binding.
pub(super) fn is_binding_of(book: &Book, exchange: &Exchange<'_>, place: usize, record: Record<'_>) -> bool {
    record.hot.state() == HotState::Bound
        && record.key().is(exchange.client(), book.plan.subnet(place).ignore_client_id)
}

/// Asks for the name that the client is to have; `known` is its binding at the address, when it has one.
pub(super) fn choose_name(
    book: &Book,
    exchange: &Exchange<'_>,
    Choice { place, address }: Choice,
    lease_secs: u32,
    hostname: &[u8],
    client_fqdn: Option<&[u8]>,
    known: Option<Record<'_>>,
) -> NameAnswer {
    let message = exchange.message;
    let says_the_same = |record: Record<'_>| {
        record.cold.hostname() == hostname && record.cold.client_fqdn() == client_fqdn.unwrap_or_default()
    };
    let wish = Wish {
        arrives: !known.is_some_and(says_the_same),
        hardware: message.hardware,
        client_id: message.client_id.as_ref(),
        relay: exchange.relay,
        address,
        lease_secs,
        hostname,
        client_fqdn,
    };
    ask_name(book, exchange.names, place, &wish, exchange.classes.iter())
}

/// What a name depends on, beside the settings.
pub(super) struct Wish<'a> {
    pub(super) hardware: HardwareAddress,
    pub(super) client_id: Option<&'a ClientId>,
    /// Option 82; empty for none.
    pub(super) relay: &'a [u8],
    pub(super) address: Ipv4Addr,
    pub(super) lease_secs: u32,
    pub(super) hostname: &'a [u8],
    pub(super) client_fqdn: Option<&'a [u8]>,
    /// See [`NameQuestion::arrives`].
    pub(super) arrives: bool,
}

/// Asks for a name by the rules that hold in subnet `place` for a client of `classes`.
pub(super) fn ask_name(
    book: &Book,
    names: &dyn NameChooser,
    place: usize,
    wish: &Wish<'_>,
    classes: impl Iterator<Item = ClassId>,
) -> NameAnswer {
    if book.plan.is_nameless() {
        return NameAnswer::default();
    }
    let subnet = book.plan.subnet(place);
    let client = Client { hardware: wish.hardware, id: wish.client_id.map(|id| &*id.0), relay: wish.relay };
    let rules = Rules::of(&book.plan, place, client, classes, wish.address);
    let Some(naming) = rules.naming else { return NameAnswer::default() };
    let own = || host_identity(wish.hardware, wish.client_id.filter(|_| !subnet.ignore_client_id));
    names.choose(&NameQuestion {
        hostname: wish.hostname,
        client_fqdn: wish.client_fqdn,
        reserved_hostname: rules.reserved,
        address: wish.address,
        hardware: wish.hardware.as_bytes(),
        lease_secs: wish.lease_secs,
        // One host, whichever of its interfaces asks.
        identity: rules.host.unwrap_or_else(own),
        arrives: wish.arrives,
        naming: &naming,
    })
}

fn make_lease(
    book: &Book,
    exchange: &Exchange<'_>,
    choice: Choice,
    lease_secs: u32,
    renewed: Option<Record<'_>>,
) -> (Lease, NameAnswer) {
    let message = exchange.message;
    let now = exchange.now.wall_secs;
    let sends_name = !message.hostname().is_empty() || message.client_fqdn().is_some();
    // A client that renews need not say its name again: it keeps the one it has.
    let (hostname, client_fqdn) = match renewed {
        Some(record) if !sends_name => {
            (record.cold.hostname(), Some(record.cold.client_fqdn()).filter(|fqdn| !fqdn.is_empty()))
        }
        _ => (message.hostname(), message.client_fqdn()),
    };
    let (hostname, client_fqdn) = (at_most_255(hostname), client_fqdn.map(at_most_255));
    let mut answer = choose_name(book, exchange, choice, lease_secs, hostname, client_fqdn, renewed);
    // RFC 4702 section 4: the server answers with the option only to a message that had it.
    answer.client_fqdn = answer.client_fqdn.filter(|_| message.client_fqdn().is_some());

    // A client that renews by itself comes past its relay: what the relay said of it stays true.
    let by_itself = renewed.filter(|_| !exchange.is_relayed() && exchange.is_unicast());
    let marks = message.options.get(code::RELAY_AGENT_INFORMATION).unwrap_or_default();
    let kept = marks.len().min(RELAY_AGENT_INFO_BYTES_MAX);
    let lease = Lease {
        address: choice.address,
        subnet: book.plan.subnet(choice.place).prefix,
        state: LeaseState::Bound,
        hardware: message.hardware,
        client_id: message.client_id.clone(),
        started_at: renewed.map_or(now, |record| record.hot.started_at()),
        renewed_at: now,
        expires_at: if let Some(record) = renewed.filter(|_| planted(Fault::RenewalNotStored)) {
            record.hot.expires_at()
        } else if lease_secs == u32::MAX {
            NEVER
        } else {
            now.saturating_add(lease_secs.into())
        },
        hostname: hostname.into(),
        client_fqdn: client_fqdn.unwrap_or_default().into(),
        name: answer.name.clone(),
        relay: by_itself.map_or(message.giaddr, |record| record.cold.relay()),
        relay_agent_info: by_itself.map_or(&marks[..kept], |record| record.cold.relay_agent_info()).into(),
        server_identifier_override: match by_itself {
            Some(record) => record.cold.server_identifier_override(),
            None => exchange.server_identifier_override,
        },
    };
    (lease, answer)
}

/// A binding that ends: as `state`, at `at` (UTC seconds). The client's parameters are kept for its return; DNS is to
/// hold nothing for it any more.
pub(super) fn end(kept: Kept, state: LeaseState, at: u64, kind: LeaseEventKind) -> Change {
    let previous = Some(Former::from(&kept.lease));
    let lease = Lease { state, expires_at: at, name: None, ..kept.lease };
    let kept = Kept { state: HotState::from(state), lease, deadline_ms: NEVER, marks: Marks::default() };
    Change { kept, kind, previous }
}

fn at_most_255(data: &[u8]) -> &[u8] {
    &data[..data.len().min(255)]
}
