//! Classes: who is served at all, and where.

use std::net::Ipv4Addr;
use std::sync::Arc;

use dhcp::class::{Class, ClassId, Classes, Condition, Fact, Test, Verdict};
use dhcp::client::ClientMessage;
use dhcp::lease::LeaseState;
use dhcp::message::DropReason;
use dhcp::options::code;
use dhcp::settings::{Access, ReservedFor, Settings, Subnet};

use crate::network::*;

/// Phones: their class is 0. Clients with a reservation: 1. Those behind port 7 of a switch: 2.
fn classes(phones: Verdict) -> Classes {
    let vendor = Condition::Is(Fact::Option(code::VENDOR_CLASS_IDENTIFIER), Test::Prefix((*b"phone").into()));
    let port = Condition::Is(Fact::CIRCUIT_ID, Test::Equal((*b"port 7").into()));
    let declared = [
        Class { verdict: phones, ..Class::new("phones", vendor) },
        Class::new("known", Condition::has(Fact::Reservation)),
        Class::new("port", port),
    ];
    Classes::compile(declared.into()).unwrap()
}

const PHONES: ClassId = ClassId(0);
const KNOWN: ClassId = ClassId(1);
const PORT: ClassId = ClassId(2);

fn with_phones(verdict: Verdict) -> Settings {
    Settings { classes: classes(verdict), ..settings([subnet()]) }
}

fn phone(message: ClientMessage) -> ClientMessage {
    message.with(code::VENDOR_CLASS_IDENTIFIER, *b"phone 7960")
}

fn allow(class: ClassId) -> Access {
    Access { allow: vec![class], deny: Vec::new() }
}

fn deny(class: ClassId) -> Access {
    Access { allow: Vec::new(), deny: vec![class] }
}

#[test]
fn nothing_comes_of_a_message_of_a_dropped_class() {
    let mut server = Server::new(with_phones(Verdict::Serve));
    let held = server.hear(&phone(discover(1))).offered();
    assert_eq!(server.hear(&phone(selecting(1, held))).acked(), held);
    server.engine.reconfigure(Arc::new(with_phones(Verdict::Drop)), server.now);
    for message in
        [discover(1), selecting(1, held), extending(1, held), release(1, held), decline(1, held), inform(1, held)]
    {
        assert_eq!(server.take(&unicast(held), &phone(message)).silence(), DropReason::ClassDropped);
    }
    assert_eq!(server.state(held), Some(LeaseState::Bound));
    // The same host, while it does not say that it is a phone.
    assert_eq!(server.take(&unicast(held), &extending(1, held)).acked(), held);
}

#[test]
fn a_denied_class_gets_no_address_and_gives_back_what_it_has() {
    let mut server = Server::new(with_phones(Verdict::Serve));
    let held = server.hear(&phone(discover(1))).offered();
    server.hear(&phone(selecting(1, held))).acked();
    server.engine.reconfigure(Arc::new(with_phones(Verdict::Deny)), server.now);
    for message in [discover(1), selecting(1, held), init_reboot(1, held), extending(1, held)] {
        assert_eq!(server.take(&unicast(held), &phone(message)).silence(), DropReason::ClassDenied);
    }
    assert_eq!(server.take(&unicast(held), &phone(inform(1, held))).acked(), ZERO);
    server.take(&unicast(held), &phone(release(1, held)));
    assert_eq!(server.state(held), Some(LeaseState::Released));
}

#[test]
fn a_subnet_for_known_clients_is_for_those_with_a_reservation() {
    let outside = Ipv4Addr::new(192, 168, 30, 20);
    let reservations = vec![reservation(outside, ReservedFor::Hardware(mac(1)))];
    let known_only = Subnet { access: allow(KNOWN), reservations, ..subnet() };
    let mut server = Server::new(Settings { classes: classes(Verdict::Serve), ..settings([known_only]) });
    assert_eq!(server.lease_to(1), outside);
    assert_eq!(server.hear(&discover(2)).silence(), DropReason::ClassNotAllowed);
    assert!(server.hear(&selecting(2, FIRST)).is_nak());
    // Another server on the link may serve the others.
    assert_eq!(server.hear(&init_reboot(2, FIRST)).silence(), DropReason::ClassNotAllowed);
}

#[test]
fn of_a_links_subnets_a_client_gets_one_that_admits_its_classes() {
    let apart = [Subnet { access: deny(PHONES), ..subnet() }, Subnet { access: allow(PHONES), ..remote_subnet(7) }];
    let mut server = Server::new(Settings { classes: classes(Verdict::Serve), ..settings(apart) });
    let mut way = on_link();
    way.addresses.push("10.7.0.1/24".parse().unwrap());
    assert_eq!(server.take(&way, &discover(1)).offered(), FIRST);
    assert_eq!(server.take(&way, &phone(discover(2))).offered(), Ipv4Addr::new(10, 7, 0, 100));
    assert!(server.take(&way, &phone(selecting(2, FIRST))).is_nak());
}

#[test]
fn a_client_that_its_subnet_no_longer_admits_is_moved_away_at_renewal() {
    let with = |access| Settings { classes: classes(Verdict::Serve), ..settings([Subnet { access, ..subnet() }]) };
    let mut server = Server::new(with(Access::default()));
    let held = server.hear(&phone(discover(1))).offered();
    server.hear(&phone(selecting(1, held))).acked();
    server.engine.reconfigure(Arc::new(with(deny(PHONES))), server.now);
    assert!(server.take(&unicast(held), &phone(extending(1, held))).is_nak());
    assert!(server.hear(&phone(init_reboot(1, held))).is_nak());
    assert_eq!(server.hear(&phone(discover(1))).silence(), DropReason::ClassNotAllowed);
}

#[test]
fn what_a_relay_says_of_a_port_decides_too() {
    let far = Ipv4Addr::new(10, 7, 0, 1);
    let port_only = Subnet { access: allow(PORT), ..remote_subnet(7) };
    let mut server = Server::new(Settings { classes: classes(Verdict::Serve), ..settings([port_only]) });
    let relayed = |circuit: &[u8]| {
        let option = [&[1, u8::try_from(circuit.len()).unwrap()], circuit].concat();
        ClientMessage { giaddr: far, ..discover(1) }.with(code::RELAY_AGENT_INFORMATION, option)
    };
    assert_eq!(server.take(&from_relay(far), &relayed(b"port 8")).silence(), DropReason::ClassNotAllowed);
    let leased = server.take(&from_relay(far), &relayed(b"port 7")).offered();
    assert_eq!(leased, Ipv4Addr::new(10, 7, 0, 100));
    // It renews past its relay. What that said stays true.
    let marks = discover(1).with(code::RELAY_AGENT_INFORMATION, *b"\x01\x06port 7").options;
    let mut taking = ClientMessage { giaddr: far, ..selecting(1, leased) };
    taking.options.extend(marks);
    assert_eq!(server.take(&from_relay(far), &taking).acked(), leased);
    assert_eq!(server.take(&unicast(leased), &extending(1, leased)).acked(), leased);
}

#[test]
fn a_client_behind_a_relay_is_of_the_relays_class_when_it_renews_past_it() {
    let far = Ipv4Addr::new(10, 7, 0, 1);
    let behind = Condition::Is(Fact::Giaddr, Test::Equal(far.octets().into()));
    let classes = Classes::compile(vec![Class::new("behind", behind)]).unwrap();
    let subnets = [Subnet { access: allow(ClassId(0)), ..remote_subnet(7) }];
    let mut server = Server::new(Settings { classes, ..settings(subnets) });
    let relayed = |message| ClientMessage { giaddr: far, ..message };
    let leased = server.take(&from_relay(far), &relayed(discover(1))).offered();
    assert_eq!(server.take(&from_relay(far), &relayed(selecting(1, leased))).acked(), leased);
    // The second renewal too: the first did not make the relay forgotten.
    for _ in 0..2 {
        assert_eq!(server.take(&unicast(leased), &extending(1, leased)).acked(), leased);
    }
    assert!(server.take(&unicast(leased), &extending(2, leased)).is_nak(), "nothing is remembered of another client");
}
