//! Reservations, and what becomes of leases when they change.

use std::net::Ipv4Addr;
use std::sync::Arc;

use dhcp::decision::LeaseEventKind;
use dhcp::identity::ClientId;
use dhcp::lease::LeaseState;
use dhcp::message::DropReason;
use dhcp::options::code;
use dhcp::settings::{OptionSet, Reservation, ReservedFor, Settings, Subnet};

use crate::network::*;

const OUTSIDE: Ipv4Addr = Ipv4Addr::new(192, 168, 30, 20);

fn reserving(reservations: impl IntoIterator<Item = (Ipv4Addr, ReservedFor)>) -> Settings {
    let reservations = reservations.into_iter().map(|(address, client)| reservation(address, client)).collect();
    settings([Subnet { reservations, ..subnet() }])
}

fn hardware(n: u8) -> ReservedFor {
    ReservedFor::Hardware(mac(n))
}

#[test]
fn a_reservation_is_found_by_hardware_address_or_client_identifier_inside_or_outside_the_pools() {
    let id = b"\0host"[..].into();
    let mut server = Server::new(reserving([(OUTSIDE, hardware(1)), (SECOND, ReservedFor::ClientId(ClientId(id)))]));
    assert_eq!(server.lease_to(1), OUTSIDE);
    let identified = discover(9).with(code::CLIENT_IDENTIFIER, *b"\0host");
    assert_eq!(server.hear(&identified).offered(), SECOND);
    // The hardware address counts whatever identifier is sent; where both match, the identifier does.
    let other = discover(1).with(code::CLIENT_IDENTIFIER, *b"\0other");
    server.take(&unicast(OUTSIDE), &release(1, OUTSIDE));
    assert_eq!(server.hear(&other).offered(), OUTSIDE);
    let both = discover(1).with(code::CLIENT_IDENTIFIER, *b"\0host");
    assert_eq!(server.hear(&both).offered(), SECOND);
}

#[test]
fn a_reserved_address_is_given_to_nobody_else() {
    let mut server = Server::new(reserving([(OUTSIDE, hardware(1)), (FIRST, hardware(2))]));
    for address in [OUTSIDE, FIRST] {
        let wanting = discover(3).with(code::REQUESTED_IP_ADDRESS, address.octets());
        assert_eq!(server.hear(&wanting).offered(), SECOND);
        assert!(server.hear(&selecting(3, address)).is_nak());
    }
    let others: Vec<_> = (3..12).map(|n| server.lease_to(n)).collect();
    assert!(!others.contains(&FIRST) && !others.contains(&OUTSIDE));
    assert_eq!(server.hear(&discover(99)).silence(), DropReason::NoFreeAddress);
    assert_eq!(server.lease_to(2), FIRST);
}

#[test]
fn a_reservations_options_win_over_the_subnets_and_those_over_everyones() {
    let set = |domain: &[u8], more: u8| OptionSet([(code::DOMAIN_NAME, domain.into()), (more, [1][..].into())].into());
    let own = Reservation { scope: giving(set(b"own", 201)), ..reservation(OUTSIDE, hardware(1)) };
    let subnet = Subnet { reservations: vec![own], scope: giving(set(b"subnet", 202)), ..subnet() };
    let mut server = Server::new(Settings { scope: giving(set(b"all", 203)), ..settings([subnet]) });
    let told = |server: &mut Server, n| {
        let offer = server.hear(&discover(n));
        let domain = option(offer.reply(), code::DOMAIN_NAME).map(<[u8]>::to_vec);
        (domain.unwrap(), [201, 202, 203].map(|code| option(offer.reply(), code).is_some()))
    };
    assert_eq!(told(&mut server, 1), (b"own".to_vec(), [true, true, true]));
    assert_eq!(told(&mut server, 2), (b"subnet".to_vec(), [false, true, true]));
}

#[test]
fn a_client_that_gets_a_reservation_is_naked_at_renewal_and_moves() {
    let mut server = Server::plain();
    let former = server.lease_to(1);
    server.engine.reconfigure(Arc::new(reserving([(OUTSIDE, hardware(1))])), server.now);
    assert!(server.take(&unicast(former), &extending(1, former)).is_nak());
    assert!(server.hear(&extending(1, former)).is_nak());
    assert!(server.hear(&init_reboot(1, former)).is_nak());
    assert_eq!(server.hear(&discover(1)).offered(), OUTSIDE);
    let moved = server.hear(&selecting(1, OUTSIDE));
    assert_eq!(kinds(&moved), [(LeaseEventKind::Released, former), (LeaseEventKind::Bound, OUTSIDE)]);
    assert_eq!((moved.events.len(), server.state(former)), (2, Some(LeaseState::Released)));
}

#[test]
fn an_address_that_becomes_reserved_stays_with_its_holder_until_the_lease_ends() {
    let mut server = Server::plain();
    let address = server.lease_to(2);
    server.engine.reconfigure(Arc::new(reserving([(address, hardware(1))])), server.now);
    // The client it is for gets another meanwhile, and keeps that while it must.
    let meanwhile = server.lease_to(1);
    assert_ne!(meanwhile, address);
    assert_eq!(server.hear(&extending(1, meanwhile)).acked(), meanwhile);
    // The holder cannot extend, and is offered another.
    assert!(server.take(&unicast(address), &extending(2, address)).is_nak());
    assert_eq!(server.state(address), Some(LeaseState::Bound));
    assert_ne!(server.hear(&discover(2)).offered(), address);
    server.pass(3600);
    server.tick();
    assert_eq!(server.hear(&discover(1)).offered(), address);
}

#[test]
fn a_holder_that_moves_away_frees_a_reserved_address_at_once() {
    let mut server = Server::plain();
    let address = server.lease_to(2);
    server.engine.reconfigure(Arc::new(reserving([(address, hardware(1))])), server.now);
    let other = server.lease_to(2);
    assert_ne!(other, address);
    assert_eq!(server.state(address), Some(LeaseState::Released));
    assert_eq!(server.lease_to(1), address);
}

#[test]
fn an_address_that_leaves_the_pools_is_naked_at_renewal() {
    let mut server = Server::plain();
    let address = server.lease_to(1);
    let shrunk = Subnet { pools: vec![range(SECOND, SECOND)], ..subnet() };
    server.engine.reconfigure(Arc::new(settings([shrunk])), server.now);
    assert!(server.take(&unicast(address), &extending(1, address)).is_nak());
    assert_eq!(server.hear(&discover(1)).offered(), SECOND);
}

#[test]
fn a_declined_reservation_is_replaced_from_the_pool_while_it_is_in_quarantine() {
    let mut server = Server::new(reserving([(OUTSIDE, hardware(1))]));
    assert_eq!(server.lease_to(1), OUTSIDE);
    server.hear(&decline(1, OUTSIDE));
    assert_eq!(server.lease_to(1), FIRST);
    server.pass(3000);
    assert_eq!(server.hear(&extending(1, FIRST)).acked(), FIRST);
    server.pass(86_400);
    server.tick();
    assert_eq!(server.lease_to(1), OUTSIDE);
}
