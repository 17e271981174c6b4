//! Relays: option 82, which link a client is on, and how a server that stands behind a relay is known.

use std::net::Ipv4Addr;

use dhcp::client::ClientMessage;
use dhcp::destination::Destination;
use dhcp::message::DropReason;
use dhcp::options::{code, relay_code};
use dhcp::settings::{Settings, Subnet};

use crate::network::*;

const RELAY: Ipv4Addr = Ipv4Addr::new(10, 7, 0, 1);

fn relayed(message: ClientMessage, marks: &[u8]) -> ClientMessage {
    let message = ClientMessage { giaddr: RELAY, hops: 1, ..message };
    if marks.is_empty() { message } else { message.with(code::RELAY_AGENT_INFORMATION, marks.to_vec()) }
}

/// One sub-option.
fn mark(code: u8, data: &[u8]) -> Vec<u8> {
    [&[code, u8::try_from(data.len()).unwrap()][..], data].concat()
}

fn campus() -> Settings {
    settings([subnet(), remote_subnet(7), remote_subnet(8)])
}

#[test]
fn rfc3046_option_82_is_echoed_verbatim_in_every_reply_and_kept_with_the_lease() {
    let mut server = Server::new(campus());
    let marks = [mark(relay_code::AGENT_CIRCUIT_ID, b"port 7"), mark(200, b"\0\xff")].concat();
    let offer = server.take(&from_relay(RELAY), &relayed(discover(1), &marks));
    let ack = server.take(&from_relay(RELAY), &relayed(selecting(1, offer.offered()), &marks));
    let nak = server.take(&from_relay(RELAY), &relayed(init_reboot(1, FIRST), &marks));
    assert!(nak.is_nak());
    for decision in [&offer, &ack, &nak] {
        assert_eq!(*decision.reply().relay_agent_info, marks);
    }
    let lease = &ack.events[0].lease;
    assert_eq!((lease.relay, &*lease.relay_agent_info), (RELAY, &marks[..]));
    // A renewal by the client itself comes past the relay, and leaves what is known of it.
    let renewed = server.take(&unicast(ack.acked()), &extending(1, ack.acked()));
    assert_eq!((renewed.events[0].lease.relay, &*renewed.events[0].lease.relay_agent_info), (RELAY, &marks[..]));
}

#[test]
fn rfc3046_option_82_of_a_snooping_switch_is_answered_and_echoed_unless_the_subnet_refuses() {
    let marks = mark(relay_code::AGENT_CIRCUIT_ID, b"port 7");
    let marked = || discover(1).with(code::RELAY_AGENT_INFORMATION, marks.clone());
    let mut server = Server::plain();
    assert_eq!(*server.hear(&marked()).reply().relay_agent_info, marks);
    let mut server = Server::new(settings([Subnet { refuse_unrelayed_option82: true, ..subnet() }]));
    assert_eq!(server.hear(&marked()).silence(), DropReason::UnrelayedOption82);
    assert_eq!(server.hear(&discover(1)).offered(), FIRST);
}

#[test]
fn rfc3527_link_selection_chooses_the_subnet_and_the_reply_still_goes_to_giaddr() {
    let mut server = Server::new(campus());
    let marks = mark(relay_code::LINK_SELECTION, &[10, 8, 0, 0]);
    let offer = server.take(&from_relay(RELAY), &relayed(discover(1), &marks));
    assert_eq!(offer.offered(), Ipv4Addr::new(10, 8, 0, 100));
    assert_eq!(offer.destination(), Destination::Relay { address: RELAY, port: 67 });
    // It goes before the client's own wish.
    let wish = |message: ClientMessage| message.with(code::SUBNET_SELECTION, [192, 168, 30, 0]);
    let offer = server.take(&from_relay(RELAY), &wish(relayed(discover(2), &marks)));
    assert_eq!(offer.offered(), Ipv4Addr::new(10, 8, 0, 101));
    // Without a relay nobody may select by it.
    let forged = discover(3).with(code::RELAY_AGENT_INFORMATION, marks);
    assert_eq!(server.hear(&forged).offered(), FIRST);
    // A subnet that we do not have.
    let unknown = mark(relay_code::LINK_SELECTION, &[10, 9, 0, 0]);
    assert_eq!(server.take(&from_relay(RELAY), &relayed(discover(4), &unknown)).silence(), DropReason::NoSubnet);
}

#[test]
fn rfc3011_subnet_selection_chooses_the_subnet_and_is_copied_into_the_reply() {
    let mut server = Server::new(campus());
    let wish = [10, 8, 0, 0];
    for way in [on_link(), from_relay(RELAY)] {
        let message = discover(1).with(code::SUBNET_SELECTION, wish).with(code::PARAMETER_REQUEST_LIST, [1]);
        let message = if way.destination == ALL { message } else { relayed(message, &[]) };
        let offer = server.take(&way, &message);
        assert_eq!(offer.offered(), Ipv4Addr::new(10, 8, 0, 100));
        assert_eq!(option(offer.reply(), code::SUBNET_SELECTION), Some(&wish[..]));
    }
    let unknown = discover(1).with(code::SUBNET_SELECTION, [10, 9, 0, 0]);
    assert_eq!(server.hear(&unknown).silence(), DropReason::NoSubnet);
}

#[test]
fn rfc5107_the_server_identifier_override_is_used_and_remembered_for_a_direct_renewal() {
    let mut server = Server::new(campus());
    let marks = mark(relay_code::SERVER_IDENTIFIER_OVERRIDE, &RELAY.octets());
    let offer = server.take(&from_relay(RELAY), &relayed(discover(1), &marks));
    let address = offer.offered();
    assert_eq!(offer.reply().server_identifier, RELAY);
    let request = init_reboot(1, address).with(code::SERVER_IDENTIFIER, RELAY.octets());
    let ack = server.take(&from_relay(RELAY), &relayed(request, &marks));
    assert_eq!((ack.acked(), ack.reply().server_identifier), (address, RELAY));
    assert_eq!(ack.events[0].lease.server_identifier_override, Some(RELAY));

    // The client renews, or releases, with the identifier it was told, and the relay's option is not there.
    for _ in 0..2 {
        let request = extending(1, address).with(code::SERVER_IDENTIFIER, RELAY.octets());
        let renewed = server.take(&unicast(address), &request);
        assert_eq!((renewed.acked(), renewed.reply().server_identifier), (address, RELAY));
        assert_eq!(renewed.events[0].lease.server_identifier_override, Some(RELAY));
    }
    let release = ClientMessage { options: Vec::new(), ..release(1, address) };
    let release = release.with(code::SERVER_IDENTIFIER, RELAY.octets());
    assert_eq!(server.take(&unicast(address), &release).events.len(), 1);
    // To another client that name means nothing.
    let stranger = init_reboot(2, [10, 7, 0, 101].into()).with(code::SERVER_IDENTIFIER, RELAY.octets());
    assert_eq!(server.take(&from_relay(RELAY), &relayed(stranger, &[])).silence(), DropReason::OtherServer);
}

#[test]
fn rfc5107_the_override_is_remembered_through_a_restart() {
    let mut server = Server::new(campus());
    let marks = mark(relay_code::SERVER_IDENTIFIER_OVERRIDE, &RELAY.octets());
    let offered = server.take(&from_relay(RELAY), &relayed(discover(1), &marks)).offered();
    server.take(&from_relay(RELAY), &relayed(selecting(1, offered), &marks)).acked();
    let stored: Vec<_> = server.engine.leases().collect();
    let mut server = Server::restarted(campus(), stored, server.now);
    let request = extending(1, offered).with(code::SERVER_IDENTIFIER, RELAY.octets());
    let renewed = server.take(&unicast(offered), &request);
    assert_eq!((renewed.acked(), renewed.reply().server_identifier), (offered, RELAY));
    assert_eq!((renewed.events[0].lease.relay, &*renewed.events[0].lease.relay_agent_info), (RELAY, &marks[..]));
}

/// A relay that has put itself in the server's place (RFC 5107) gets renewals by unicast and hands them on: without
/// the flag, nothing tells them from a client that asks every server.
#[test]
fn rfc5010_the_flag_tells_a_renewal_that_a_relay_handed_on_from_a_rebinding() {
    let address = Ipv4Addr::new(10, 7, 0, 100);
    let marks = |flags: &[u8]| {
        [mark(relay_code::FLAGS, flags), mark(relay_code::SERVER_IDENTIFIER_OVERRIDE, &RELAY.octets())].concat()
    };
    // To any server, about a lease that this one does not know: another may.
    for flags in [&[0][..], &[0x7F], &[], &[0x80, 0]] {
        let rebinding = relayed(extending(1, address), &marks(flags));
        assert_eq!(Server::new(campus()).take(&from_relay(RELAY), &rebinding).silence(), DropReason::UnknownClient);
    }
    // To this one: it may have the address, and the answer goes by the relay.
    let renewing = relayed(extending(1, address), &marks(&[0x80]));
    let renewed = Server::new(campus()).take(&from_relay(RELAY), &renewing);
    assert_eq!((renewed.acked(), renewed.reply().server_identifier), (address, RELAY));
    assert_eq!(renewed.destination(), Destination::Relay { address: RELAY, port: 67 });
    // Without a relay nobody may say so.
    let forged = extending(1, FIRST).with(code::RELAY_AGENT_INFORMATION, marks(&[0x80]));
    assert_eq!(Server::plain().hear(&forged).silence(), DropReason::UnknownClient);
}

#[test]
fn rfc3527_and_rfc5107_are_understood_by_the_numbers_that_ciscos_relays_give_them() {
    let mut server = Server::new(campus());
    let marks = [
        mark(relay_code::CISCO_LINK_SELECTION, &[10, 8, 0, 0]),
        mark(relay_code::VSS, b"\0blue"),
        mark(relay_code::VSS_CONTROL, &RELAY.octets()),
    ]
    .concat();
    let offer = server.take(&from_relay(RELAY), &relayed(discover(1), &marks));
    assert_eq!((offer.offered(), offer.reply().server_identifier), (Ipv4Addr::new(10, 8, 0, 100), RELAY));
    assert_eq!(*offer.reply().relay_agent_info, marks);
    // The assigned number goes before.
    let both =
        [mark(relay_code::CISCO_LINK_SELECTION, &[10, 8, 0, 0]), mark(relay_code::LINK_SELECTION, &[10, 7, 0, 0])];
    let offer = server.take(&from_relay(RELAY), &relayed(discover(2), &both.concat()));
    assert_eq!(offer.offered(), Ipv4Addr::new(10, 7, 0, 100));
}

/// RFC 6607 has a server that heeds the VPN take sub-option 152 out of its reply. This one does not heed it, so the relay
/// finds it there and knows.
#[test]
fn rfc6607_the_vss_control_sub_option_comes_back_because_the_vpn_is_not_heeded() {
    let mut server = Server::new(campus());
    let marks = [mark(relay_code::VSS, b"\0blue"), mark(relay_code::VSS_CONTROL, &[])].concat();
    let offer = server.take(&from_relay(RELAY), &relayed(discover(1), &marks));
    assert_eq!((*offer.reply().relay_agent_info).to_vec(), marks);
    assert_ne!(offer.reply().server_identifier, RELAY);
}

#[test]
fn rfc8357_the_reply_goes_to_the_port_that_the_relay_sent_from() {
    let mut server = Server::new(campus());
    let way = Way { source: (RELAY, 40_067), ..from_relay(RELAY) };
    let marks = mark(relay_code::RELAY_SOURCE_PORT, &[]);
    let offer = server.take(&way, &relayed(discover(1), &marks));
    assert_eq!(offer.destination(), Destination::Relay { address: RELAY, port: 40_067 });
    assert_eq!(*offer.reply().relay_agent_info, marks);
    assert_eq!(
        server.take(&way, &relayed(discover(2), &[])).destination(),
        Destination::Relay { address: RELAY, port: 67 }
    );
}
