//! Who is served at all, and in which subnets: by the classes that a message's sender is of.

use super::book::Book;
use super::client::Client;
use super::exchange::{self, Exchange};
use crate::class::{ClassSet, Fact, Facts, Verdict};
use crate::decision::Ingress;
use crate::devices::{DeviceVerdict, UnknownClients};
use crate::message::{DropReason, Message, MessageType};

/// The classes of a message's sender, on a link of these subnets; `relay` is what relays say of it.
pub(super) fn classes(
    book: &Book,
    ingress: &Ingress<'_>,
    message: &Message<'_>,
    relay: &[u8],
    link: &[usize],
) -> ClassSet {
    let classes = &book.plan.settings.classes;
    if classes.is_empty() {
        return ClassSet::default();
    }
    let has_reservation = |place: &usize| book.plan.reservation_for(*place, Client::of(message, relay)).is_some();
    classes.of(&Facts {
        message,
        relay,
        giaddr: exchange::relay_address(book, ingress, message),
        interface: ingress.interface,
        is_known: classes.asks(Fact::Reservation) && link.iter().any(has_reservation),
    })
}

impl Exchange<'_> {
    /// Why the sender's classes alone are a reason for silence.
    pub(super) fn refusal(&self, book: &Book) -> Option<DropReason> {
        let (verdict, _) = book.plan.settings.classes.verdict(&self.classes)?;
        let wants_address =
            matches!(self.message.message_type, MessageType::Discover | MessageType::Request | MessageType::Bootp);
        match verdict {
            Verdict::Drop => Some(DropReason::ClassDropped),
            Verdict::Deny if wants_address => Some(DropReason::ClassDenied),
            Verdict::Deny | Verdict::Serve => None,
        }
    }

    /// Whether this client may have an address of a subnet. One that admits none of its classes is to it what a
    /// deactivated subnet is to everyone.
    pub(super) fn serves(&self, book: &Book, place: usize) -> bool {
        let subnet = book.plan.subnet(place);
        subnet.active && subnet.access.admits(&self.classes) && self.unwelcome(book, place).is_none()
    }

    /// Why a client gets nothing in a subnet where those that nobody knows wait. Known is who has a record of a lease on this
    /// link, or a reservation, or an approval.
    fn unwelcome(&self, book: &Book, place: usize) -> Option<DropReason> {
        if book.plan.subnet(place).unknown_clients == UnknownClients::Serve {
            return None;
        }
        match book.devices.verdict(&self.message.hardware) {
            Some(DeviceVerdict::Approved) => return None,
            Some(DeviceVerdict::Denied) => return Some(DropReason::DeviceDenied),
            None => {}
        }
        let known = |place: &usize| {
            book.records_of(*place, &self.asker).next().is_some()
                || book.plan.reservation_for(*place, self.client()).is_some()
        };
        (!self.link.iter().any(known)).then_some(DropReason::WaitsForApproval)
    }

    /// Why none of these subnets is for this client.
    pub(super) fn unserved(&self, book: &Book, places: &[usize]) -> DropReason {
        let active = places.iter().any(|&place| book.plan.subnet(place).active);
        let admits =
            |place: usize| book.plan.subnet(place).active && book.plan.subnet(place).access.admits(&self.classes);
        if let Some(why) = places.iter().filter(|&&place| admits(place)).find_map(|&place| self.unwelcome(book, place))
        {
            return why;
        }
        if active { DropReason::ClassNotAllowed } else { DropReason::SubnetInactive }
    }
}
