//! RFC 4039: a lease in two messages.

use dhcp::decision::{CommitOutcome, LeaseEventKind};
use dhcp::destination::Destination;
use dhcp::lease::LeaseState;
use dhcp::message::{DropReason, MessageType};
use dhcp::options::code;
use dhcp::settings::Subnet;

use crate::network::*;

fn server() -> Server {
    Server::new(settings([Subnet { rapid_commit: true, ..subnet() }]))
}

fn in_haste(n: u8) -> dhcp::client::ClientMessage {
    discover(n).with(code::RAPID_COMMIT, [])
}

#[test]
fn rfc4039_section_3_1_a_discover_that_asks_for_it_is_acknowledged_and_the_lease_is_stored() {
    let mut server = server();
    let ack = server.decide(&on_link(), &in_haste(1));
    assert_eq!(ack.acked(), FIRST);
    assert_eq!(ack.destination(), Destination::Frame { yiaddr: FIRST, hardware: mac(1) });
    assert_eq!(option(ack.reply(), code::RAPID_COMMIT), Some(&[][..]));
    assert_eq!((lease_secs(ack.reply()), ack.reply().server_identifier), (Some(3_600), SERVER));
    assert_eq!(kinds(&ack), [(LeaseEventKind::Bound, FIRST)]);
    assert!(server.engine.leases().eq(ack.events.iter().map(|event| event.lease.clone())));
    // As any ACK it waits for its commit, and is undone when that fails.
    server.engine.settle(ack.ticket.unwrap(), CommitOutcome::Failed);
    assert_eq!(server.state(FIRST), None);
    let address = server.hear(&in_haste(1)).acked();
    assert_eq!(server.state(address), Some(LeaseState::Bound));
    assert_eq!(server.engine.leases().len(), 1);
}

#[test]
fn rfc4039_the_option_survives_a_request_list_and_a_small_message() {
    let mut server = server();
    let ack = server.hear(&in_haste(1).with(code::PARAMETER_REQUEST_LIST, [3]));
    let mut bytes = Vec::new();
    assert!(ack.reply().encode(&mut bytes).is_empty());
    assert!(bytes[240..].windows(2).any(|pair| pair == [80, 0]));
    assert!(ack.reply().required.contains(&code::RAPID_COMMIT));
}

#[test]
fn rfc4039_a_client_that_does_not_ask_for_it_gets_an_offer_without_the_option() {
    let mut server = server();
    let offer = server.hear(&discover(1));
    assert_eq!(offer.offered(), FIRST);
    assert_eq!(option(offer.reply(), code::RAPID_COMMIT), None);
    let ack = server.hear(&selecting(1, FIRST).with(code::RAPID_COMMIT, []));
    assert_eq!(option(ack.reply(), code::RAPID_COMMIT), None, "an ACK to a REQUEST is an ordinary one");
}

#[test]
fn a_client_that_comes_back_in_haste_keeps_its_one_address() {
    let mut server = server();
    assert_eq!(server.hear(&in_haste(1)).acked(), FIRST);
    server.pass(60);
    let again = server.hear(&in_haste(1));
    assert_eq!((again.acked(), kinds(&again)), (FIRST, vec![(LeaseEventKind::Renewed, FIRST)]));
    assert_eq!(server.hear(&in_haste(2)).acked(), SECOND);
    // What another was offered is not given away in haste.
    let offered = server.hear(&discover(3)).offered();
    assert_ne!(server.hear(&in_haste(4)).acked(), offered);
}

#[test]
fn with_the_storage_full_nothing_is_committed_in_haste() {
    let mut server = server();
    server.hear(&in_haste(1));
    server.engine.set_storage_full(true);
    let offer = server.hear(&in_haste(1));
    assert_eq!(offer.reply().message_type, MessageType::Offer);
    assert_eq!(option(offer.reply(), code::RAPID_COMMIT), None);
    assert_eq!(server.hear(&in_haste(2)).silence(), DropReason::StorageFull);
}

#[test]
fn a_deactivated_or_used_up_subnet_is_silent_to_haste_too() {
    let inactive = Subnet { rapid_commit: true, active: false, ..subnet() };
    assert_eq!(Server::new(settings([inactive])).hear(&in_haste(1)).silence(), DropReason::SubnetInactive);
    let empty = Subnet { rapid_commit: true, pools: Vec::new(), ..subnet() };
    assert_eq!(Server::new(settings([empty])).hear(&in_haste(1)).silence(), DropReason::NoFreeAddress);
}
