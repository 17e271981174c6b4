//! What a hostile client cannot do.

use dhcp::client::ClientMessage;
use dhcp::identity::HardwareAddress;
use dhcp::message::{DropReason, MessageType};
use dhcp::options::code;
use dhcp::settings::Subnet;

use crate::network::*;

/// A pool of 10.7.0.0/16, so that many leases and offers fit.
fn wide(ignore_client_id: bool) -> Subnet {
    Subnet {
        prefix: "10.7.0.0/16".parse().unwrap(),
        pools: vec![range([10, 7, 1, 0].into(), [10, 7, 200, 255].into())],
        ignore_client_id,
        ..subnet()
    }
}

fn relayed(message: ClientMessage) -> ClientMessage {
    ClientMessage { giaddr: [10, 7, 0, 1].into(), ..message }
}

fn station(n: u32) -> HardwareAddress {
    let [_, a, b, c] = n.to_be_bytes();
    HardwareAddress::new(1, &[6, 0, 0, a, b, c]).unwrap()
}

fn numbered(n: u32) -> [u8; 5] {
    let [a, b, c, d] = n.to_be_bytes();
    [0, a, b, c, d]
}

/// What a flood of made-up identities costs is measured by `cargo run --release -p leasehold-dhcp --example flood`; here
/// each of them is served like anybody else, and the honest client beside them too.
#[test]
fn many_identifiers_at_one_hardware_address_are_served_like_others() {
    const COUNT: u32 = 2_000;
    let mut server = Server::new(settings([wide(false)]));
    let way = from_relay([10, 7, 0, 1].into());
    let mut offered = std::collections::BTreeSet::new();
    for n in 0..COUNT {
        let message = discover(1).with(code::CLIENT_IDENTIFIER, numbered(n));
        assert!(offered.insert(server.take(&way, &relayed(message)).offered()), "one address for two identities");
    }
    let honest = ClientMessage { hardware: station(1), ..discover(1) };
    assert!(offered.insert(server.take(&way, &relayed(honest)).offered()));
}

#[test]
fn rfc4390_without_a_hardware_address_the_identifier_is_the_key_also_where_identifiers_are_ignored() {
    let mut server = Server::new(settings([Subnet { ignore_client_id: true, ..subnet() }]));
    let sends = |message: ClientMessage, id: u32| {
        let hardware = HardwareAddress::new(32, &[]).unwrap();
        ClientMessage { hardware, broadcast: true, ..message }.with(code::CLIENT_IDENTIFIER, numbered(id))
    };
    let first = server.hear(&sends(discover(1), 1)).offered();
    let second = server.hear(&sends(discover(1), 2)).offered();
    assert_ne!(first, second);
    assert_eq!(server.hear(&sends(discover(1), 1)).offered(), first, "the same client hears the same");
    assert_eq!(server.hear(&sends(selecting(1, first), 1)).acked(), first);
    assert!(server.hear(&sends(selecting(1, first), 2)).is_nak());
    assert_eq!(server.hear(&sends(selecting(1, second), 2)).acked(), second);
    assert_eq!(server.take(&unicast(first), &sends(extending(1, first), 1)).acked(), first);
    let nobody = ClientMessage { hardware: HardwareAddress::new(32, &[]).unwrap(), ..discover(1) };
    assert_eq!(server.hear(&nobody).silence(), DropReason::NoIdentity);
}

#[test]
fn what_relays_say_is_kept_up_to_a_limit_and_echoed_whole() {
    let mut server = Server::new(settings([wide(false)]));
    let way = from_relay([10, 7, 0, 1].into());
    // RFC 3396 lets an option have more than 255 bytes, by parts.
    let flood = (0..12).fold(selecting(1, [10, 7, 1, 9].into()), |message, _| {
        message.with(code::RELAY_AGENT_INFORMATION, [[200, 251].as_slice(), &[7; 251]].concat())
    });
    let decision = server.take(&way, &relayed(flood));
    decision.acked();
    assert_eq!(decision.reply().relay_agent_info.len(), 12 * 253);
    assert!(decision.events[0].lease.relay_agent_info.len() <= 1024);
}

#[test]
fn nobody_ends_the_lease_of_another() {
    let mut server = Server::plain();
    let address = server.lease_to(1);
    let before = server.engine.lease(address);
    for message in [release(2, address), decline(2, address)] {
        assert_eq!(server.hear(&message).silence(), DropReason::NotTheHolder);
        // Its own hardware address with another identifier is another client.
        let other = ClientMessage { hardware: mac(1), ..message }.with(code::CLIENT_IDENTIFIER, numbered(1));
        assert_eq!(server.hear(&other).silence(), DropReason::NotTheHolder);
    }
    let chosen_elsewhere = init_reboot(1, address).with(code::SERVER_IDENTIFIER, [192, 168, 30, 2]);
    assert_eq!(server.hear(&chosen_elsewhere).silence(), DropReason::OtherServer);
    assert_eq!(server.engine.lease(address), before);
}

#[test]
fn a_message_that_names_no_address_of_ours_is_not_taken_for_a_lease() {
    let mut server = Server::plain();
    for address in [ZERO, ALL, SERVER, [127, 0, 0, 1].into(), [224, 0, 0, 1].into(), [192, 168, 30, 255].into()] {
        let named = selecting(1, address);
        let decision = server.hear(&named);
        assert!(decision.events.is_empty() && decision.ticket.is_none(), "{address}");
        let renewing = server.take(&unicast(address), &extending(1, address));
        assert!(renewing.events.is_empty() && renewing.ticket.is_none(), "{address}");
        let ack = |decision: &dhcp::decision::Decision| {
            decision.reply.as_ref().is_some_and(|(reply, _)| reply.message_type == MessageType::Ack)
        };
        assert!(!ack(&decision) && !ack(&renewing), "{address}");
    }
}
