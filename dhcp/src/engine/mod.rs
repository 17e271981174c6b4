//! The engine: a message in, a [`Decision`] out.
//!
//! Reading order: `exchange` (a message with all that it is decided by, and the link it came from), `admission` (who is
//! served, by classes), the five handlers `discover`, `request`, `decline`, `release` and `inform`, `choose` (which
//! address), `probe` (whether somebody uses it already), `bind` (making a lease record), `layers` (which scope wins), `respond` (making a reply) and `forms` (its options made ready), `expire` (what time
//! alone does), `rename` (what other settings do to names), `linger` (names that outlive their leases). Beneath them `book` holds what is known of every
//! address: `table` its records, `offers` what is offered, `pools` and `vacancies` what is free; and `pending` holds what a failed
//! commit would put back. Beneath the table: `slab` the records themselves (`record` and `cold` their parts),
//! [`arena::Addresses`], `chains` and `timers` how they are found.
//!
//! A record's life, as it is stored:
//!
//! ```text
//! (none) ──REQUEST──▶ Bound ◀──REQUEST── Released, Expired, or Quarantined whose time is over
//!                     Bound ──RELEASE, or another binding of the client on the link──▶ Released
//!                     Bound ──time──▶ Expired, with its name or without
//!                     Bound ──the holder's DECLINE──▶ Quarantined (beyond its share: Released)
//! any but Bound ──somebody answers a probe──▶ Quarantined
//! ```
//!
//! Each arrow is one decision with a ticket, and is undone when its commit fails.

use std::net::Ipv4Addr;
use std::sync::Arc;

use faults::{Fault, planted};

use crate::decision::{CommitOutcome, Decision, Ingress, LeaseEvent, LeaseEventKind, Ticket};
use crate::devices::Devices;
use crate::lease::Lease;
use crate::limits::LeaseGate;
use crate::message::{DropReason, Message, MessageType};
use crate::names::NameChooser;
use crate::options::code;
use crate::settings::{Reservation, Settings, Subnet};
use crate::time::Now;

mod admission;
mod bind;
mod bitmap;
mod book;
mod bootp;
mod chains;
mod choose;
mod client;
mod cold;
mod decline;
mod discover;
mod ends;
mod exchange;
mod expire;
pub mod explain;
mod forms;
mod inform;
mod layers;
mod leasequery;
mod linger;
mod machine;
mod naming;
mod offers;
mod pending;
mod plan;
mod pools;
mod probe;
mod record;
mod release;
mod rename;
mod request;
mod reserved;
mod respond;
mod slab;
mod table;
mod timers;
mod vacancies;
mod wide;

pub use book::{PoolCounts, SubnetCounts};
pub use layers::{Level, Source};
pub use leasequery::Page;
pub use rename::Renaming;

use book::Book;
use client::Client;
use exchange::Exchange;
use pending::Pending;
use probe::Probes;
use record::{Change, Kept};

/// The state of DHCPv4 service: leases, offers and free addresses. Decides, and does nothing.
#[derive(Debug)]
pub struct Engine {
    book: Book,
    pending: Pending,
    probes: Probes,
    new_leases: LeaseGate,
    storage_full: bool,
    expiry_paused: bool,
}

impl Engine {
    /// An engine over `leases`, as they were stored.
    pub fn new(settings: Arc<Settings>, leases: impl IntoIterator<Item = Lease>, now: Now) -> Self {
        Self::with_seed(settings, leases, now, 0)
    }

    /// The same with a seed that nobody else knows, for what is to look random ([`crate::settings::Allocator::Random`]) and
    /// for the tables that clients are looked up in, which nobody is to overfill. Without one, every engine gives the same
    /// addresses out in the same order.
    pub fn with_seed(settings: Arc<Settings>, leases: impl IntoIterator<Item = Lease>, now: Now, seed: u64) -> Self {
        let records = leases.into_iter().map(|lease| Kept::from_store(lease, now));
        let mut engine = Self {
            new_leases: LeaseGate::new(settings.limits),
            book: Book::new(settings, records, seed),
            pending: Pending::default(),
            probes: Probes::default(),
            storage_full: false,
            expiry_paused: false,
        };
        engine.time_lingering(now);
        engine
    }

    /// What was decided of devices that nobody knew, from now on.
    pub fn set_devices(&mut self, devices: Arc<Devices>) {
        self.book.devices = devices;
    }

    /// Decides on one datagram. Its own memory changes at once (tentatively, until `settle`), so that two
    /// clients of one batch cannot get one address.
    pub fn handle_message(
        &mut self,
        now: Now,
        ingress: &Ingress<'_>,
        datagram: &[u8],
        names: &dyn NameChooser,
    ) -> Decision {
        let mut message = Message::unread(datagram);
        match message.read(datagram, false) {
            Ok(()) => self.handle_parsed(now, ingress, &message, names),
            // RFC 1534 section 2: a message without option 53 is one of BOOTP.
            Err(DropReason::NoMessageType) => match Message::parse_bootp(datagram) {
                Ok(message) => self.handle_parsed(now, ingress, &message, names),
                Err(reason) => Decision::drop(reason),
            },
            Err(reason) => Decision::drop(reason),
        }
    }

    /// Decides on one message that was read already; otherwise as [`Engine::handle_message`].
    pub fn handle_parsed(
        &mut self,
        now: Now,
        ingress: &Ingress<'_>,
        message: &Message<'_>,
        names: &dyn NameChooser,
    ) -> Decision {
        self.book.lapse_offers(now.boot_ms);
        self.book.learn_own(ingress.addresses);
        if message.message_type == MessageType::LeaseQuery {
            return self.handle_leasequery(now, ingress, message);
        }
        let link = match exchange::link(&self.book, ingress, message) {
            Ok(link) => link,
            // The end of a lease concerns its record, also when its subnet has left the settings' links.
            Err(DropReason::NoSubnet) if message.message_type == MessageType::Release => exchange::Places::default(),
            Err(reason) => return Decision::drop(reason),
        };
        let remembered;
        let relay = match message.options.get(code::RELAY_AGENT_INFORMATION) {
            Some(relay) => relay,
            None => {
                remembered = exchange::remembered_relay(&self.book, ingress, message);
                &*remembered
            }
        };
        let classes = admission::classes(&self.book, ingress, message, relay, &link);
        let asker = self.book.asker(Client::of(message, relay));
        let server_identifier_override = exchange::server_identifier_override(message);
        let exchange =
            Exchange { now, ingress, message, names, link, relay, asker, classes, server_identifier_override };
        if let Some(reason) = exchange.refusal(&self.book) {
            return Decision::drop(reason);
        }
        match message.message_type {
            MessageType::Discover => self.handle_discover(&exchange),
            MessageType::Request => self.handle_request(&exchange),
            MessageType::Decline => self.handle_decline(&exchange),
            MessageType::Release => self.handle_release(&exchange),
            MessageType::Inform => self.handle_inform(&exchange),
            MessageType::Bootp => self.handle_bootp(&exchange),
            _ => Decision::drop(DropReason::ServerMessage),
        }
    }

    /// Takes the outcome of a decision's commit; `Failed` undoes it. Tickets settle in the order given out;
    /// after one failed, later ones that stand upon it must fail too.
    pub fn settle(&mut self, ticket: Ticket, outcome: CommitOutcome) {
        match outcome {
            CommitOutcome::Committed => self.pending.committed(ticket),
            CommitOutcome::Failed => {
                for (address, before) in self.pending.failed(ticket) {
                    if !planted(Fault::UndoForgotten) {
                        self.book.put_back(address, before.as_ref());
                        // What was offered upon the decision that is undone now may not be free after all.
                        self.book.withdraw_if_unfit(address);
                    }
                }
            }
        }
    }

    /// Takes new settings, between two batches. Leases stay, each with the subnet that now holds its address; offers
    /// that the new settings would not make are withdrawn.
    pub fn reconfigure(&mut self, settings: Arc<Settings>, now: Now) {
        // The machine's interfaces change more often than what follows from them, and working out what is free reads
        // every record.
        self.new_leases.reconfigure(settings.limits);
        if settings != self.book.plan.settings {
            self.book.replan(settings);
            self.time_lingering(now);
        }
        self.book.lapse_offers(now.boot_ms);
        self.book.withdraw_unfit();
    }

    /// The settings that decide now.
    #[must_use]
    pub fn settings(&self) -> &Arc<Settings> {
        &self.book.plan.settings
    }

    /// Says which addresses are the machine's own, on all interfaces, whenever that changes. They are never given
    /// out, and a client may name us by any of them (RFC 2131 section 4.1). Without this the engine learns the
    /// addresses of each interface from its messages' [`Ingress`], and forgets none.
    pub fn set_own_addresses(&mut self, addresses: impl IntoIterator<Item = Ipv4Addr>) {
        self.book.set_own(addresses.into_iter().collect());
    }

    /// Says whether nothing more can be stored. While it is so, a renewal is answered with what is left of the stored
    /// lease and never more, new leases get no answer, nothing expires, and INFORM goes on.
    ///
    /// Safe only with nothing in flight: settle every ticket first. The lease times are looked up in what is stored,
    /// but who holds which address is read from memory, where a change in flight stands as if it were stored.
    pub fn set_storage_full(&mut self, is_full: bool) {
        self.storage_full = is_full;
    }

    /// Every record, tentative changes included, by address.
    pub fn leases(&self) -> impl ExactSizeIterator<Item = Lease> {
        self.book.records().map(|record| record.lease())
    }

    /// Those that have a name.
    pub fn named_leases(&self) -> impl Iterator<Item = Lease> {
        self.book.records().filter(|record| record.cold.has_name()).map(|record| record.lease())
    }

    /// The record of one address, tentative changes included.
    #[must_use]
    pub fn lease(&self, address: Ipv4Addr) -> Option<Lease> {
        self.book.record(address).map(|record| record.lease())
    }

    /// The reservation of an address, whoever it is for, and its subnet.
    #[must_use]
    pub fn reservation_of(&self, address: Ipv4Addr) -> Option<(&Subnet, &Reservation)> {
        let place = self.book.plan.holding(address)?;
        Some((self.book.plan.subnet(place), self.book.plan.reservation_of(place, address)?))
    }

    /// Whether an address is reserved for the client of a lease, wherever that is.
    #[must_use]
    pub fn is_reserved_for(&self, address: Ipv4Addr, lease: &Lease) -> bool {
        let plan = &self.book.plan;
        let reservation = plan.holding(address).and_then(|place| plan.reservation_for(place, Client::of_lease(lease)));
        reservation.is_some_and(|reservation| reservation.address == Some(address))
    }

    /// How many addresses of each subnet stand how, in the order of the settings.
    pub fn subnet_counts(&self) -> impl Iterator<Item = SubnetCounts> {
        self.book.counts()
    }

    /// Changes records in memory, and makes the decision that has them stored. Nothing for nothing.
    fn write(&mut self, changes: impl IntoIterator<Item = Change>) -> Decision {
        let mut decision = Decision::default();
        changes.into_iter().for_each(|change| self.change(&mut decision, change));
        decision
    }

    /// Changes a record in memory, and has the decision store it too.
    fn change(&mut self, decision: &mut Decision, Change { kept, kind, previous }: Change) {
        let address = kept.lease.address;
        let ticket = *decision.ticket.get_or_insert_with(|| self.pending.open());
        self.pending.remember(ticket, address, self.book.record(address));
        let is_same = previous.as_ref().is_some_and(|former| former.same_since.is_some());
        match kind {
            LeaseEventKind::Renewed if is_same => self.book.renew(&kept),
            LeaseEventKind::Bound | LeaseEventKind::Renewed => self.book.bind(&kept),
            _ => self.book.set(&kept),
        }
        decision.events.push(LeaseEvent { kind, lease: kept.lease, previous });
    }
}
