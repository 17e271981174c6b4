//! Relays, and what later RFCs ask of a server.

use std::net::Ipv4Addr;

use dhcp::client::ClientMessage;
use dhcp::destination::Destination;
use dhcp::message::DropReason;
use dhcp::options::{code, relay_code};
use dhcp::settings::{OptionSet, Settings, Subnet};

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
    let lease = &ack.store[0];
    assert_eq!((lease.relay, &*lease.relay_agent_info), (RELAY, &marks[..]));
    // A renewal by the client itself comes past the relay, and leaves what is known of it.
    let renewed = server.take(&unicast(ack.acked()), &extending(1, ack.acked()));
    assert_eq!((renewed.store[0].relay, &*renewed.store[0].relay_agent_info), (RELAY, &marks[..]));
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
    assert_eq!(ack.store[0].server_identifier_override, Some(RELAY));

    // The client renews, or releases, with the identifier it was told, and the relay's option is not there.
    for _ in 0..2 {
        let request = extending(1, address).with(code::SERVER_IDENTIFIER, RELAY.octets());
        let renewed = server.take(&unicast(address), &request);
        assert_eq!((renewed.acked(), renewed.reply().server_identifier), (address, RELAY));
        assert_eq!(renewed.store[0].server_identifier_override, Some(RELAY));
    }
    let release = ClientMessage { options: Vec::new(), ..release(1, address) };
    let release = release.with(code::SERVER_IDENTIFIER, RELAY.octets());
    assert_eq!(server.take(&unicast(address), &release).store.len(), 1);
    // To another client that name means nothing.
    let stranger = init_reboot(2, [10, 7, 0, 101].into()).with(code::SERVER_IDENTIFIER, RELAY.octets());
    assert_eq!(server.take(&from_relay(RELAY), &relayed(stranger, &[])).silence(), DropReason::OtherServer);
}

#[test]
fn rfc6842_the_client_identifier_is_echoed_unaltered_in_offer_ack_and_nak() {
    let id = b"\xff\0\0\0\x01\0\x02weird\0".to_vec();
    let identified = |message: ClientMessage| message.with(code::CLIENT_IDENTIFIER, id.clone());
    for ignore_client_id in [false, true] {
        let mut server = Server::new(settings([Subnet { ignore_client_id, ..subnet() }]));
        let offer = server.hear(&identified(discover(1)).with(code::PARAMETER_REQUEST_LIST, [1, 3]));
        let ack = server.hear(&identified(selecting(1, offer.offered())));
        let nak = server.hear(&identified(init_reboot(1, SECOND)));
        assert!(nak.is_nak());
        for decision in [offer, ack, nak] {
            assert_eq!(option(decision.reply(), code::CLIENT_IDENTIFIER), Some(&id[..]));
            assert!(decision.reply().required.contains(&code::CLIENT_IDENTIFIER));
        }
    }
}

#[test]
fn rfc3396_repeated_options_are_read_as_one() {
    let mut server = Server::plain();
    let halves =
        discover(1).with(code::CLIENT_IDENTIFIER, *b"\0o").with(12, *b"pc").with(code::CLIENT_IDENTIFIER, *b"ne");
    let offered = server.hear(&halves).offered();
    let whole = discover(2).with(code::CLIENT_IDENTIFIER, *b"\0one");
    assert_eq!(server.hear(&whole).offered(), offered);
}

#[test]
fn rfc8925_option_108_is_sent_only_when_requested_and_is_300_seconds_at_least() {
    let short = OptionSet([(code::IPV6_ONLY_PREFERRED, 5_u32.to_be_bytes()[..].into())].into());
    let mut server = Server::new(Settings { options: short, ..settings([subnet()]) });
    assert_eq!(option(server.hear(&discover(1)).reply(), code::IPV6_ONLY_PREFERRED), None);
    let other = discover(1).with(code::PARAMETER_REQUEST_LIST, [1, 3]);
    assert_eq!(option(server.hear(&other).reply(), code::IPV6_ONLY_PREFERRED), None);
    let asking = discover(1).with(code::PARAMETER_REQUEST_LIST, [1, code::IPV6_ONLY_PREFERRED]);
    let told = server.hear(&asking);
    assert_eq!(option(told.reply(), code::IPV6_ONLY_PREFERRED), Some(&300_u32.to_be_bytes()[..]));
}

#[test]
fn rfc2563_a_client_that_asks_is_told_whether_it_may_configure_itself() {
    let refusing = OptionSet([(code::AUTO_CONFIGURE, [0][..].into())].into());
    let mut server = Server::new(settings([Subnet { options: refusing, ..subnet() }]));
    let asking = discover(1).with(code::AUTO_CONFIGURE, [1]);
    assert_eq!(option(server.hear(&asking).reply(), code::AUTO_CONFIGURE), Some(&[0][..]));
    assert_eq!(option(server.hear(&discover(1)).reply(), code::AUTO_CONFIGURE), None);
    let mut server = Server::plain();
    assert_eq!(option(server.hear(&asking).reply(), code::AUTO_CONFIGURE), None);
}

/// A client that offers two messages instead of four takes four from a server that does not take up the offer.
#[test]
fn rfc4039_a_discover_with_rapid_commit_is_answered_by_an_offer() {
    let mut server = Server::plain();
    let offer = server.hear(&discover(1).with(code::RAPID_COMMIT, []));
    assert_eq!((offer.offered(), option(offer.reply(), code::RAPID_COMMIT)), (FIRST, None));
    assert_eq!(server.engine.leases().len(), 0);
}

#[test]
fn always_broadcast_broadcasts_to_clients_on_the_wire_whatever_their_flag() {
    let mut server = Server::new(settings([Subnet { always_broadcast: true, ..subnet() }]));
    let offer = server.hear(&discover(1));
    assert_eq!(offer.destination(), Destination::Broadcast);
    server.hear(&selecting(1, offer.offered()));
    let renewed = server.take(&unicast(FIRST), &extending(1, FIRST));
    assert_eq!(renewed.destination(), Destination::Client(FIRST));
}
