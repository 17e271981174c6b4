//! What devices do that clients of the textbook do not.

use std::net::Ipv4Addr;

use dhcp::client::{ClientMessage, ServerMessage};
use dhcp::decision::{Decision, LeaseEventKind};
use dhcp::destination::Destination;
use dhcp::options::code;
use dhcp::settings::{LeaseTime, OptionSet, ReservedFor, Settings, Subnet};
use dhcp::time::Now;

use crate::network::*;

fn reserving() -> Settings {
    settings([Subnet {
        reservations: vec![reservation([192, 168, 30, 20].into(), ReservedFor::Hardware(mac(1)))],
        ..subnet()
    }])
}

fn identified(message: ClientMessage, id: &[u8; 5]) -> ClientMessage {
    message.with(code::CLIENT_IDENTIFIER, *id)
}

#[test]
fn a_machine_with_a_reservation_keeps_its_address_when_its_boot_loader_and_its_system_name_themselves_otherwise() {
    let mut server = Server::new(reserving());
    let address = [192, 168, 30, 20].into();
    // The boot loader asks, and asks again under the name that its next stage has.
    assert_eq!(server.hear(&identified(discover(1), b"\0pxe1")).offered(), address);
    assert_eq!(server.hear(&identified(discover(1), b"\0ipxe")).offered(), address);
    assert_eq!(server.hear(&identified(selecting(1, address), b"\0ipxe")).acked(), address);
    // The system has another identifier, or none.
    assert_eq!(server.hear(&identified(discover(1), b"\0os_1")).offered(), address);
    let bound = server.hear(&identified(selecting(1, address), b"\0os_1"));
    assert_eq!((bound.acked(), kinds(&bound)), (address, vec![(LeaseEventKind::Bound, address)]));
    assert_eq!(server.hear(&discover(1)).offered(), address);
    assert_eq!(server.take(&unicast(address), &identified(extending(1, address), b"\0os_1")).acked(), address);
    assert_eq!(server.hear(&init_reboot(1, address)).acked(), address);
    // Another machine is another machine, whatever it calls itself.
    assert_ne!(server.hear(&identified(discover(2), b"\0os_1")).offered(), address);
    assert!(server.hear(&identified(selecting(2, address), b"\0os_1")).is_nak());
}

#[test]
fn with_the_storage_full_a_client_with_a_new_reservation_keeps_its_stored_lease() {
    let mut server = Server::plain();
    let address = server.lease_to(1);
    server.engine.reconfigure(std::sync::Arc::new(reserving()), server.now);
    server.engine.set_storage_full(true);
    server.pass(1000);
    // What it would be moved to cannot be stored, so that a NAK would leave it without any address.
    let ack = server.take(&unicast(address), &extending(1, address));
    assert_eq!((ack.acked(), lease_secs(ack.reply())), (address, Some(2600)));
    let offered = server.hear(&discover(1)).offered();
    assert_eq!((offered, server.hear(&selecting(1, offered)).acked()), (address, address));
    server.engine.set_storage_full(false);
    assert!(server.take(&unicast(address), &extending(1, address)).is_nak());
}

#[test]
fn a_client_that_comes_home_from_many_networks_has_its_address_there_still() {
    let mut server = Server::new(settings((1..=60).map(remote_subnet).chain([subnet()])));
    let visit = |server: &mut Server, n: u8| {
        let relay = [10, n, 0, 1].into();
        let from = |message: ClientMessage| ClientMessage { giaddr: relay, ..message };
        let offered = server.take(&from_relay(relay), &from(discover(1))).offered();
        server.take(&from_relay(relay), &from(selecting(1, offered))).acked()
    };
    (1..=60).for_each(|n| _ = visit(&mut server, n));
    server.lease_to(9);
    let home = server.lease_to(1);
    server.pass(4000);
    server.tick();
    assert_eq!(server.hear(&init_reboot(1, home)).acked(), home, "an ended lease of this very address is a record");
    server.take(&unicast(home), &release(1, home));
    assert_eq!(server.hear(&discover(1)).offered(), home);
}

#[test]
fn a_client_that_left_its_relay_is_told_a_server_that_it_can_reach() {
    let mut server = Server::plain();
    let relay = Ipv4Addr::new(192, 168, 30, 3);
    let marks = [[11, 4].as_slice(), &relay.octets()].concat();
    let from = |message: ClientMessage| {
        ClientMessage { giaddr: relay, ..message }.with(code::RELAY_AGENT_INFORMATION, marks.clone())
    };
    let way = from_relay(relay);
    let address = server.take(&way, &from(discover(1))).offered();
    let ack = server.take(&way, &from(selecting(1, address)));
    assert_eq!(ack.reply().server_identifier, relay);
    // RFC 5107: by itself it still finds us by the relay's name.
    let renewed = server.take(&unicast(address), &extending(1, address));
    assert_eq!(renewed.reply().server_identifier, relay);
    // Heard on our own link, without the relay, the client is to turn to us; and we know the name that we told it.
    let rebound = server.hear(&extending(1, address));
    assert_eq!(rebound.reply().server_identifier, SERVER);
    let released = server.take(&unicast(address), &release(1, address));
    assert_eq!(kinds(&released), [(LeaseEventKind::Released, address)]);
    let offer = server.hear(&discover(1));
    assert_eq!(offer.reply().server_identifier, SERVER);
}

#[test]
fn rfc2131_section_4_4_5_t1_is_before_t2_and_that_before_the_end_also_of_short_leases() {
    for secs in [4, 5, 7, 60, u32::MAX - 1] {
        let lease = LeaseTime { default: secs, min: 1, max: secs };
        let mut server = Server::new(settings([Subnet { scope: lasting(lease), ..subnet() }]));
        let offer = server.hear(&discover(1));
        let read = |wanted| u32::from_be_bytes(option(offer.reply(), wanted).unwrap().try_into().unwrap());
        let [t1, t2] = [code::RENEWAL_TIME_VALUE, code::REBINDING_TIME_VALUE].map(read);
        assert!(0 < t1 && t1 < t2 && t2 < secs, "{t1}, {t2} of {secs}");
    }
}

fn sent(decision: &Decision) -> (Vec<u8>, Vec<u8>) {
    let mut bytes = Vec::new();
    let left_out = decision.reply().encode(&mut bytes);
    (bytes, left_out)
}

#[test]
fn a_camera_that_takes_hardly_anything_gets_what_it_cannot_do_without() {
    let long = OptionSet([(code::ROUTER, SERVER.octets().into()), (224, vec![7; 600].into())].into());
    let mut server = Server::new(settings([Subnet { scope: giving(long), ..subnet() }]));
    for size in [0_u16, 1, 300, 575, 576] {
        let asks = discover(1)
            .with(code::MAXIMUM_DHCP_MESSAGE_SIZE, size.to_be_bytes())
            .with(code::PARAMETER_REQUEST_LIST, [224, code::SUBNET_MASK, code::ROUTER]);
        let offer = server.hear(&asks);
        let (bytes, left_out) = sent(&offer);
        // RFC 2132 section 9.10: 576 octets, headers of IP and UDP included, are taken by everyone.
        assert!(bytes.len() <= 576 - 28, "{size}: {} bytes", bytes.len());
        assert_eq!(left_out, [224]);
        let read = ServerMessage::parse(&bytes).unwrap();
        let codes = [code::SUBNET_MASK, code::ROUTER, code::IP_ADDRESS_LEASE_TIME, code::SERVER_IDENTIFIER];
        assert!(codes.iter().all(|code| read.options.contains(*code)));
    }
}

#[test]
fn client_identifiers_of_every_length_are_kept_apart_or_ignored() {
    let mut server = Server::plain();
    let with = |id: &[u8]| discover(1).with(code::CLIENT_IDENTIFIER, id);
    let plain = server.hear(&discover(1)).offered();
    // RFC 2132 section 9.14: "its minimum length is 2". Less is no identifier.
    for short in [&[][..], &[1]] {
        assert_eq!(server.hear(&with(short)).offered(), plain);
    }
    let longest = [7; 255];
    let offer = server.hear(&with(&longest));
    assert_ne!(offer.offered(), plain);
    let (bytes, left_out) = sent(&offer);
    assert_eq!((bytes.len() <= 576 - 28, left_out), (true, vec![]));
    assert_eq!(ServerMessage::parse(&bytes).unwrap().options.get(code::CLIENT_IDENTIFIER), Some(&longest[..]));
    // One byte more, which only RFC 3396's parts can carry, is no identifier either.
    let too_long = with(&longest).with(code::CLIENT_IDENTIFIER, [7]);
    assert_eq!(server.hear(&too_long).offered(), plain);
}

#[test]
fn two_machines_with_one_client_identifier_are_one_client() {
    // RFC 2131 section 4.2 leaves no choice; where machines were cloned, the subnet can ignore identifiers.
    let mut server = Server::plain();
    let address = server.hear(&identified(discover(1), b"\0same")).offered();
    server.hear(&identified(selecting(1, address), b"\0same")).acked();
    assert_eq!(server.hear(&identified(discover(2), b"\0same")).offered(), address);
    let taken = server.hear(&identified(selecting(2, address), b"\0same"));
    assert_eq!((taken.acked(), taken.events[0].lease.hardware), (address, mac(2)));
    assert_eq!(server.engine.leases().count(), 1);
}

#[test]
fn clocks_near_the_ends_of_their_numbers_end_no_lease_early() {
    for (boot_ms, wall_secs) in [(0, 0), (u64::MAX / 2, u64::MAX / 2000), (u64::MAX - 10, u64::MAX - 10)] {
        for secs in [300, u32::MAX - 1, u32::MAX] {
            let lease = LeaseTime { default: secs, min: 1, max: u32::MAX };
            let with = || settings([Subnet { scope: lasting(lease), ..subnet() }]);
            let now = Now { boot_ms, wall_secs };
            let mut server = Server::restarted(with(), [], now);
            let address = server.lease_to(1);
            assert_eq!(server.tick(), []);
            assert_eq!(server.hear(&extending(1, address)).acked(), address);
            server.engine.set_storage_full(true);
            assert_eq!(server.hear(&extending(1, address)).acked(), address);
            let stored: Vec<_> = server.engine.leases().collect();
            let mut server = Server::restarted(with(), stored, now);
            assert_eq!(server.hear(&extending(1, address)).acked(), address);
            assert_eq!(server.tick(), []);
        }
    }
}

#[test]
fn a_renewal_past_the_relay_is_answered_by_its_own_way_and_forgets_nothing_of_the_relay() {
    let relay = Ipv4Addr::new(10, 7, 0, 1);
    let from = |message: ClientMessage| {
        ClientMessage { giaddr: relay, ..message }.with(code::RELAY_AGENT_INFORMATION, *b"\x01\x03ge1")
    };
    let mut server = Server::new(settings([subnet(), remote_subnet(7)]));
    let address = server.take(&from_relay(relay), &from(discover(1))).offered();
    server.take(&from_relay(relay), &from(selecting(1, address))).acked();
    // Its source is the client, it has no giaddr, and it comes in by an interface on another subnet.
    let renewed = server.take(&unicast(address), &extending(1, address));
    assert_eq!((renewed.acked(), renewed.destination()), (address, Destination::Client(address)));
    let lease = &renewed.events[0].lease;
    assert_eq!((lease.relay, &*lease.relay_agent_info), (relay, &b"\x01\x03ge1"[..]));
    // Through the relay again when it rebinds.
    let rebound = server.take(&from_relay(relay), &from(extending(1, address)));
    assert_eq!((rebound.acked(), rebound.destination()), (address, Destination::Relay { address: relay, port: 67 }));
    let released = server.take(&unicast(address), &release(1, address));
    assert_eq!(kinds(&released), [(LeaseEventKind::Released, address)]);
}
