//! Reservations for hosts: by all that they can be known by, and for several interfaces of one.

use std::net::Ipv4Addr;
use std::sync::Arc;

use dhcp::client::ClientMessage;
use dhcp::decision::LeaseEventKind;
use dhcp::identity::ClientId;
use dhcp::options::code;
use dhcp::settings::{Reservation, ReservedFor, Settings, Subnet};

use crate::network::*;

const DUID: [u8; 10] = [0, 3, 0, 1, 2, 0, 0, 0, 0, 1];
const RELAY: Ipv4Addr = Ipv4Addr::new(192, 168, 30, 254);

fn reserving(reservations: impl IntoIterator<Item = Reservation>) -> Settings {
    let mut reservations: Vec<_> = reservations.into_iter().collect();
    reservations.sort_by_key(|one| one.address);
    settings([Subnet { reservations, ..subnet() }])
}

fn nth(n: u8) -> Ipv4Addr {
    [192, 168, 30, n].into()
}

fn hardware(n: u8) -> ReservedFor {
    ReservedFor::Hardware(mac(n))
}

/// An RFC 4361 identifier.
fn identified(iaid: u8, message: ClientMessage) -> ClientMessage {
    let id: Vec<u8> = [255, 0, 0, 0, iaid].into_iter().chain(DUID).collect();
    message.with(code::CLIENT_IDENTIFIER, id)
}

/// With circuit, remote and subscriber identifier.
fn at_port(message: ClientMessage, circuit: u8, remote: u8, subscriber: u8) -> ClientMessage {
    let option82 = [1, 1, circuit, 2, 1, remote, 6, 1, subscriber];
    ClientMessage { giaddr: RELAY, ..message }.with(code::RELAY_AGENT_INFORMATION, option82)
}

fn one(byte: u8) -> Box<[u8]> {
    [byte].into()
}

#[test]
fn a_duid_finds_its_reservation_from_whichever_interface_and_only_in_an_rfc_4361_identifier() {
    let mut server = Server::new(reserving([Reservation::new(nth(20), ReservedFor::Duid(DUID.into()))]));
    assert_eq!(server.hear(&identified(1, discover(1))).offered(), nth(20));
    let plain = discover(2).with(code::CLIENT_IDENTIFIER, DUID);
    assert_eq!(server.hear(&plain).offered(), FIRST);
}

#[test]
fn relays_words_find_reservations_and_the_narrower_place_goes_before_the_wider() {
    let port = ReservedFor::Port { circuit_id: one(1), remote_id: one(1) };
    let mut server = Server::new(reserving([
        Reservation::new(nth(23), ReservedFor::SubscriberId(one(3))),
        Reservation::new(nth(22), ReservedFor::RemoteId(one(2))),
        Reservation::new(nth(21), ReservedFor::CircuitId(one(1))),
        Reservation::new(nth(20), port),
        Reservation::new(nth(19), hardware(9)),
    ]));
    let mut offered = |n, circuit, remote, subscriber| {
        server.take(&from_relay(RELAY), &at_port(discover(n), circuit, remote, subscriber)).offered()
    };
    assert_eq!(offered(1, 1, 1, 3), nth(20), "both together");
    assert_eq!(offered(2, 1, 2, 3), nth(21), "the circuit before the remote");
    assert_eq!(offered(3, 5, 2, 3), nth(22), "the remote before the subscriber");
    assert_eq!(offered(4, 5, 5, 3), nth(23));
    assert_eq!(offered(5, 5, 5, 5), FIRST);
    assert_eq!(offered(9, 1, 1, 3), nth(19), "who it is goes before where it is");
}

#[test]
fn what_a_client_says_of_itself_counts_in_the_order_identifier_duid_hardware() {
    let whole: Box<[u8]> = [255, 0, 0, 0, 1].into_iter().chain(DUID).collect();
    let mut server = Server::new(reserving([
        Reservation::new(nth(20), ReservedFor::ClientId(ClientId(whole.into()))),
        Reservation::new(nth(21), ReservedFor::Duid(DUID.into())),
        Reservation::new(nth(22), hardware(1)),
    ]));
    assert_eq!(server.hear(&identified(1, discover(1))).offered(), nth(20));
    assert_eq!(server.hear(&identified(2, discover(1))).offered(), nth(21));
    assert_eq!(server.hear(&discover(1)).offered(), nth(22));
}

#[test]
fn a_client_known_by_its_port_is_known_by_it_when_it_renews_past_its_relay() {
    let mut server = Server::new(reserving([Reservation::new(nth(20), ReservedFor::CircuitId(one(1)))]));
    let way = from_relay(RELAY);
    let offered = server.take(&way, &at_port(discover(1), 1, 9, 9)).offered();
    assert_eq!(server.take(&way, &at_port(selecting(1, offered), 1, 9, 9)).acked(), nth(20));
    assert_eq!(server.take(&unicast(nth(20)), &extending(1, nth(20))).acked(), nth(20));
    // Nobody else is taken for it, from wherever it asks.
    assert!(server.take(&unicast(nth(20)), &extending(2, nth(20))).is_nak());
    assert!(server.hear(&selecting(2, nth(20))).is_nak());
    // At another port it is another place, and the address stays there.
    assert!(server.take(&way, &at_port(extending(1, nth(20)), 2, 9, 9)).is_nak());
}

#[test]
fn an_offer_by_port_holds_until_it_is_taken_and_against_new_settings() {
    let reserved = || reserving([Reservation::new(FIRST, ReservedFor::CircuitId(one(1)))]);
    let mut server = Server::new(reserved());
    let way = from_relay(RELAY);
    assert_eq!(server.take(&way, &at_port(discover(1), 1, 9, 9)).offered(), FIRST);
    server.engine.reconfigure(Arc::new(Settings { offer_hold_secs: 90, ..reserved() }), server.now);
    // Another device at that port does not get what is offered already.
    assert_eq!(server.take(&way, &at_port(discover(2), 1, 9, 9)).offered(), SECOND);
    assert_eq!(server.take(&way, &at_port(selecting(1, FIRST), 1, 9, 9)).acked(), FIRST);
}

#[test]
fn a_new_reservation_of_any_kind_moves_its_client_at_renewal() {
    let kinds_of_key = [
        ReservedFor::Duid(DUID.into()),
        ReservedFor::CircuitId(one(1)),
        ReservedFor::RemoteId(one(2)),
        ReservedFor::SubscriberId(one(3)),
        ReservedFor::Port { circuit_id: one(1), remote_id: one(2) },
    ];
    for key in kinds_of_key {
        let mut server = Server::plain();
        let way = from_relay(RELAY);
        let heard = |message| at_port(identified(1, message), 1, 2, 3);
        let former = server.take(&way, &heard(discover(1))).offered();
        server.take(&way, &heard(selecting(1, former))).acked();
        server.engine.reconfigure(Arc::new(reserving([Reservation::new(nth(20), key.clone())])), server.now);
        let renewing = server.take(&unicast(former), &identified(1, extending(1, former)));
        assert!(renewing.is_nak(), "{key:?}");
        assert!(server.take(&way, &heard(extending(1, former))).is_nak(), "{key:?}");
        assert_eq!(server.take(&way, &heard(discover(1))).offered(), nth(20), "{key:?}");
        let moved = server.take(&way, &heard(selecting(1, nth(20))));
        assert_eq!(kinds(&moved), [(LeaseEventKind::Released, former), (LeaseEventKind::Bound, nth(20))]);
    }
}

/// A notebook: wired, wireless.
fn notebook() -> Settings {
    reserving([Reservation { clients: vec![hardware(1), hardware(2)], ..Reservation::new(nth(20), hardware(1)) }])
}

#[test]
fn either_interface_of_a_host_gets_its_address_and_the_second_at_once_gets_one_from_the_pool() {
    let mut server = Server::new(notebook());
    assert_eq!(server.lease_to(1), nth(20));
    // Both at once: the first keeps it.
    assert_eq!(server.lease_to(2), FIRST);
    assert_eq!(server.hear(&extending(1, nth(20))).acked(), nth(20));
    assert_eq!(server.hear(&extending(2, FIRST)).acked(), FIRST);
    assert!(server.hear(&selecting(2, nth(20))).is_nak());
    // The cable is pulled and its lease has ended: the other moves when it renews.
    server.take(&unicast(nth(20)), &release(1, nth(20)));
    assert!(server.hear(&extending(2, FIRST)).is_nak());
    assert_eq!(server.lease_to(2), nth(20));
    assert_eq!(server.lease_to(1), SECOND);
}

#[test]
fn an_offer_to_one_interface_is_not_made_to_the_other() {
    let mut server = Server::new(notebook());
    assert_eq!(server.hear(&discover(1)).offered(), nth(20));
    assert_eq!(server.hear(&discover(2)).offered(), FIRST);
}

#[test]
fn a_boot_loader_and_its_system_share_a_reservation_though_they_call_themselves_otherwise() {
    let mut server = Server::new(notebook());
    assert_eq!(server.lease_to(1), nth(20));
    assert_eq!(server.hear(&identified(1, discover(1))).offered(), nth(20));
    assert_eq!(server.hear(&identified(1, selecting(1, nth(20)))).acked(), nth(20));
}

#[test]
fn a_reservation_without_an_address_leaves_its_client_in_the_pool_and_gives_it_its_options() {
    let mut named = Reservation { address: None, ..Reservation::new(nth(1), hardware(1)) };
    named.scope.options.0.insert(code::DOMAIN_NAME, b"own.example"[..].into());
    let mut server = Server::new(reserving([named, Reservation::new(nth(20), hardware(2))]));
    let asking = discover(1).with(code::PARAMETER_REQUEST_LIST, [code::DOMAIN_NAME]);
    let offer = server.hear(&asking);
    assert_eq!((offer.offered(), option(offer.reply(), code::DOMAIN_NAME)), (FIRST, Some(&b"own.example"[..])));
    assert_eq!(server.lease_to(1), FIRST);
    assert_eq!(server.lease_to(2), nth(20));
    assert_eq!(server.hear(&extending(1, FIRST)).acked(), FIRST);
}

#[test]
fn a_hundred_thousand_reservations_are_found_each() {
    let subnets = (0..10_u8).map(|third| {
        let reserve = |n: u16| {
            let [high, low] = n.to_be_bytes();
            let address = dhcp::identity::HardwareAddress::new(1, &[2, 7, 0, third, high, low]).unwrap();
            Reservation::new([10, third, high, low].into(), ReservedFor::Hardware(address))
        };
        let prefix = format!("10.{third}.0.0/16").parse().unwrap();
        Subnet { reservations: (1..=10_000).map(reserve).collect(), ..Subnet { prefix, pools: Vec::new(), ..subnet() } }
    });
    let mut server = Server::new(settings(subnets));
    for n in (1..=10_000_u16).step_by(997) {
        for third in 0..10_u8 {
            let [high, low] = n.to_be_bytes();
            let hardware = dhcp::identity::HardwareAddress::new(1, &[2, 7, 0, third, high, low]).unwrap();
            let relay = Ipv4Addr::new(10, third, 255, 1);
            let message = ClientMessage { hardware, giaddr: relay, ..discover(1) };
            assert_eq!(server.take(&from_relay(relay), &message).offered(), Ipv4Addr::from([10, third, high, low]));
        }
    }
}
