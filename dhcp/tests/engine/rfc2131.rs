//! What RFC 2131 says of a server, line by line. Where replies go and how they are encoded is shown beside
//! `destination` and `reply` too; here it is shown of whole decisions.

use dhcp::client::ClientMessage;
use dhcp::decision::LeaseEventKind;
use dhcp::destination::Destination;
use dhcp::lease::LeaseState;
use dhcp::message::{DropReason, MessageType};
use dhcp::options::code;

use crate::network::*;

const RELAY: std::net::Ipv4Addr = std::net::Ipv4Addr::new(10, 7, 0, 1);
const ELSEWHERE: std::net::Ipv4Addr = std::net::Ipv4Addr::new(172, 16, 0, 9);

fn relayed(message: ClientMessage) -> ClientMessage {
    ClientMessage { giaddr: RELAY, hops: 1, ..message }
}

fn with_remote() -> Server {
    Server::new(settings([subnet(), remote_subnet(7)]))
}

#[test]
fn rfc2131_section_4_1_replies_go_to_giaddr_then_ciaddr_then_all_then_yiaddr_at_chaddr() {
    let mut server = with_remote();
    let by_relay = server.take(&from_relay(RELAY), &relayed(ClientMessage { broadcast: true, ..discover(1) }));
    assert_eq!(by_relay.destination(), Destination::Relay { address: RELAY, port: 67 });
    assert_eq!(by_relay.reply().giaddr, RELAY);

    let flagged = server.hear(&ClientMessage { broadcast: true, ..discover(2) });
    assert_eq!((flagged.destination(), flagged.reply().broadcast), (Destination::Broadcast, true));

    let address = server.lease_to(3);
    let unflagged = server.hear(&discover(3));
    assert_eq!(unflagged.destination(), Destination::Frame { yiaddr: address, hardware: mac(3) });
    let renewed = server.take(&unicast(address), &ClientMessage { broadcast: true, ..extending(3, address) });
    assert_eq!((renewed.acked(), renewed.destination()), (address, Destination::Client(address)));
}

#[test]
fn rfc2131_section_4_1_a_nak_with_giaddr_0_is_always_broadcast_also_to_a_renewing_client() {
    let mut server = Server::plain();
    let address = server.lease_to(1);
    let refused = server.take(&unicast(address), &extending(2, address));
    assert!(refused.is_nak());
    assert_eq!(refused.destination(), Destination::Broadcast);
}

#[test]
fn rfc2131_section_4_3_2_a_relayed_nak_has_the_broadcast_flag_set_whatever_the_clients_flag_was() {
    let mut server = with_remote();
    let refused = server.take(&from_relay(RELAY), &relayed(init_reboot(1, FIRST)));
    assert!(refused.is_nak() && refused.reply().broadcast);
    assert_eq!(refused.destination(), Destination::Relay { address: RELAY, port: 67 });
    let refused = server.hear(&init_reboot(1, ELSEWHERE));
    assert!(refused.is_nak() && !refused.reply().broadcast);
}

#[test]
fn rfc2131_section_4_3_2_init_reboot_on_the_wrong_network_is_naked_also_without_a_record() {
    let mut server = Server::plain();
    assert!(server.hear(&init_reboot(1, ELSEWHERE)).is_nak());
    let address = server.lease_to(2);
    assert!(server.hear(&init_reboot(2, ELSEWHERE)).is_nak());
    assert_eq!(server.state(address), Some(LeaseState::Bound));
    // Through a relay of another network the right address is wrong too.
    let mut server = with_remote();
    server.lease_to(1);
    assert!(server.take(&from_relay(RELAY), &relayed(init_reboot(1, FIRST))).is_nak());
}

#[test]
fn rfc2131_section_4_3_2_init_reboot_with_the_wrong_address_is_naked() {
    let mut server = Server::plain();
    server.lease_to(1);
    assert!(server.hear(&init_reboot(1, SECOND)).is_nak());
    let right = server.hear(&init_reboot(1, FIRST));
    assert_eq!((right.acked(), kinds(&right)), (FIRST, vec![(LeaseEventKind::Renewed, FIRST)]));
}

#[test]
fn rfc2131_section_4_3_2_init_reboot_without_a_record_of_the_client_meets_silence() {
    let mut server = Server::plain();
    assert_eq!(server.hear(&init_reboot(1, FIRST)).silence(), DropReason::UnknownClient);
    // Also when another client has the address: this client's may be from another server.
    server.lease_to(2);
    assert_eq!(server.hear(&init_reboot(1, FIRST)).silence(), DropReason::UnknownClient);
}

#[test]
fn rfc2131_section_4_3_2_an_offer_or_a_released_lease_is_no_record_of_another_servers_address() {
    let mut server = Server::plain();
    server.hear(&discover(1)).offered();
    assert_eq!(server.hear(&init_reboot(1, SECOND)).silence(), DropReason::UnknownClient);
    let mut server = Server::plain();
    server.lease_to(1);
    server.take(&unicast(FIRST), &release(1, FIRST));
    assert_eq!(server.hear(&init_reboot(1, SECOND)).silence(), DropReason::UnknownClient);
    // Of its own address it is one.
    assert_eq!(server.hear(&init_reboot(1, FIRST)).acked(), FIRST);
}

#[test]
fn rfc2131_table_4_selecting_init_reboot_renewing_and_rebinding_are_told_apart() {
    let mut server = Server::plain();
    // The same client, without a record: what each state makes of that tells which was seen.
    assert_eq!(server.hear(&init_reboot(1, FIRST)).silence(), DropReason::UnknownClient);
    assert_eq!(server.hear(&extending(1, FIRST)).silence(), DropReason::UnknownClient);
    assert_eq!(server.hear(&selecting(1, FIRST)).acked(), FIRST);
    let renewed = server.take(&unicast(FIRST), &extending(1, FIRST));
    assert_eq!((renewed.acked(), renewed.destination()), (FIRST, Destination::Client(FIRST)));
    let rebound = server.hear(&extending(1, FIRST));
    assert_eq!((rebound.acked(), rebound.reply().ciaddr), (FIRST, FIRST));
    // A rebinding client with another client's address has no record here; with a record it is told.
    assert_eq!(server.hear(&extending(2, FIRST)).silence(), DropReason::UnknownClient);
    server.lease_to(2);
    assert!(server.hear(&extending(2, FIRST)).is_nak());
    // A renewing client turned to this server alone, so it hears at once that it cannot have the address.
    assert!(server.take(&unicast(FIRST), &extending(3, FIRST)).is_nak());
}

#[test]
fn rfc2131_table_4_a_request_with_neither_address_is_malformed_and_dropped() {
    let mut server = Server::plain();
    let request = ClientMessage { message_type: MessageType::Request, ..discover(1) };
    assert_eq!(server.hear(&request).silence(), DropReason::NoAddressNamed);
    let named = request.with(code::SERVER_IDENTIFIER, SERVER.octets());
    assert_eq!(server.hear(&named).silence(), DropReason::NoAddressNamed);
}

#[test]
fn rfc2131_section_4_1_any_address_of_ours_is_accepted_as_server_identifier() {
    let other = [10, 99, 0, 1];
    let naming_other = |n| init_reboot(n, FIRST).with(code::SERVER_IDENTIFIER, other);
    let mut server = Server::plain();
    assert_eq!(server.hear(&naming_other(1)).silence(), DropReason::OtherServer);
    server.engine.set_own_addresses([SERVER, other.into()]);
    let ack = server.hear(&naming_other(1));
    assert_eq!(ack.acked(), FIRST);
    // The answer names the address that the client reaches.
    assert_eq!(ack.reply().server_identifier, SERVER);
    // A second address of the interface is known by itself.
    let mut way = on_link();
    way.addresses.push("10.98.0.1/24".parse().unwrap());
    let second = init_reboot(2, SECOND).with(code::SERVER_IDENTIFIER, [10, 98, 0, 1]);
    assert_eq!(server.take(&way, &second).acked(), SECOND);
}

#[test]
fn rfc2131_section_4_1_the_server_identifier_is_one_that_the_client_can_reach() {
    let mut server = with_remote();
    let mut way = on_link();
    way.addresses.insert(0, "172.31.0.1/24".parse().unwrap());
    assert_eq!(server.take(&way, &discover(1)).reply().server_identifier, SERVER);
    // A relay reached us by the address that it sent to.
    let to_second = Way { destination: [172, 31, 0, 1].into(), ..way };
    let offer = server.take(&to_second, &relayed(discover(2)));
    assert_eq!(offer.reply().server_identifier, to_second.destination);
    // A NAK carries one too.
    let refused = server.take(&to_second, &relayed(init_reboot(2, FIRST)));
    assert!(refused.is_nak());
    assert_eq!(refused.reply().server_identifier, to_second.destination);
    // A relay may send to the network's broadcast address, which is nobody's identifier.
    let directed = Way { destination: [192, 168, 30, 255].into(), ..on_link() };
    assert_eq!(server.take(&directed, &relayed(discover(2))).reply().server_identifier, SERVER);
    // An interface without an address cannot answer.
    let nameless = Way { addresses: Vec::new(), ..on_link() };
    let mut server = Server::new(settings([dhcp::settings::Subnet { interfaces: vec!["eth0".into()], ..subnet() }]));
    assert_eq!(server.take(&nameless, &discover(1)).silence(), DropReason::NoServerAddress);
}

#[test]
fn rfc2131_table_3_a_nak_has_no_addresses_and_no_lease_time_and_an_ack_copies_ciaddr() {
    let mut server = Server::plain();
    let address = server.lease_to(1);
    let nak = server.hear(&extending(1, SECOND));
    assert!(nak.is_nak());
    let reply = nak.reply();
    assert_eq!((reply.ciaddr, reply.yiaddr, reply.siaddr, lease_secs(reply)), (ZERO, ZERO, ZERO, None));
    assert_eq!(reply.xid, 0x1001);
    assert!(reply.options.iter().all(|(code, _)| code == code::MESSAGE));
    let ack = server.hear(&extending(1, address));
    assert_eq!((ack.reply().ciaddr, ack.reply().yiaddr, ack.reply().secs), (address, address, 0));
    let offer = server.hear(&ClientMessage { ciaddr: address, ..discover(1) });
    assert_eq!((offer.offered(), offer.reply().ciaddr), (address, ZERO));
}

#[test]
fn rfc2131_section_4_3_1_address_choice_is_current_binding_then_previous_then_requested_then_pool() {
    let requesting = |n, address: std::net::Ipv4Addr| discover(n).with(code::REQUESTED_IP_ADDRESS, address.octets());
    let mut server = Server::plain();
    let wanted = [192, 168, 30, 105].into();
    // From the pool; then the binding, against what is requested; then the previous binding likewise.
    assert_eq!(server.lease_to(1), FIRST);
    assert_eq!(server.hear(&requesting(1, wanted)).offered(), FIRST);
    server.take(&unicast(FIRST), &release(1, FIRST));
    assert_eq!(server.hear(&requesting(1, wanted)).offered(), FIRST);
    // A previous binding that another has now is none; then what is requested counts.
    server.pass(61);
    assert_eq!(server.hear(&init_reboot(9, FIRST).with(code::SERVER_IDENTIFIER, SERVER.octets())).acked(), FIRST);
    assert_eq!(server.hear(&requesting(1, wanted)).offered(), wanted);
    // Taken, of another network, or outside the pools: not heeded.
    for unusable in [FIRST, wanted, [192, 168, 30, 50].into(), ELSEWHERE, SERVER] {
        let offered = server.hear(&requesting(2, unusable)).offered();
        assert!(offered != unusable && offered != FIRST && offered != wanted);
    }
}

#[test]
fn rfc2131_section_4_3_1_an_expired_binding_is_offered_again_to_its_client() {
    let mut server = Server::plain();
    let address = server.lease_to(1);
    server.pass(3600);
    assert_eq!(server.tick(), [(LeaseEventKind::Expired, address)]);
    assert_eq!(server.state(address), Some(LeaseState::Expired));
    // Others get addresses that nobody had before it.
    assert_eq!(server.lease_to(2), SECOND);
    assert_eq!(server.hear(&discover(1)).offered(), address);
}

#[test]
fn rfc2131_section_4_3_1_an_offered_address_is_not_offered_again_for_a_while() {
    let mut server = Server::new(settings([dhcp::settings::Subnet { pools: vec![range(FIRST, FIRST)], ..subnet() }]));
    assert_eq!(server.hear(&discover(1)).offered(), FIRST);
    // The same client hears the same; another nothing, until the offer lapses.
    assert_eq!(server.hear(&discover(1)).offered(), FIRST);
    assert_eq!(server.hear(&discover(2)).silence(), DropReason::NoFreeAddress);
    assert!(server.hear(&selecting(2, FIRST)).is_nak());
    server.pass(59);
    assert_eq!(server.hear(&discover(2)).silence(), DropReason::NoFreeAddress);
    assert_eq!(server.engine.poll_timeout(), Some(server.now.boot_ms + 1000));
    server.pass(1);
    assert_eq!(server.hear(&discover(2)).offered(), FIRST);
}

#[test]
fn rfc2131_section_3_1_the_binding_is_to_be_stored_before_the_ack_leaves() {
    let mut server = Server::plain();
    let offered = server.hear(&discover(1)).offered();
    let decision = server.decide(&on_link(), &selecting(1, offered));
    // The record goes with the ACK in one decision, whose reply waits for its ticket.
    assert!(decision.ticket.is_some());
    let [event] = &decision.events[..] else { panic!("one record") };
    let stored = &event.lease;
    assert_eq!((stored.address, stored.hardware, stored.state), (offered, mac(1), LeaseState::Bound));
    assert_eq!(stored.expires_at, server.now.wall_secs + u64::from(lease_secs(decision.reply()).unwrap()));
}

#[test]
fn rfc2131_section_3_1_a_request_that_names_another_server_withdraws_our_offer_at_once_and_commits_nothing() {
    let mut server = Server::new(settings([dhcp::settings::Subnet { pools: vec![range(FIRST, FIRST)], ..subnet() }]));
    server.hear(&discover(1)).offered();
    let elsewhere = init_reboot(1, FIRST).with(code::SERVER_IDENTIFIER, [192, 168, 30, 2]);
    assert_eq!(server.hear(&elsewhere).silence(), DropReason::OtherServer);
    assert_eq!(server.engine.leases().len(), 0);
    assert_eq!(server.hear(&discover(2)).offered(), FIRST);
}

#[test]
fn rfc2131_section_3_1_a_request_for_an_offer_no_longer_remembered_is_acknowledged_if_it_names_us_and_is_free() {
    // A restart, between the offer and the request.
    let mut server = Server::plain();
    let ack = server.hear(&selecting(1, SECOND));
    assert_eq!((ack.acked(), kinds(&ack)), (SECOND, vec![(LeaseEventKind::Bound, SECOND)]));
    assert!(server.hear(&selecting(2, SECOND)).is_nak(), "it is not free");
    assert!(server.hear(&selecting(2, [192, 168, 30, 200].into())).is_nak(), "it is in no pool");
    server.hear(&discover(3)).offered();
    assert!(server.hear(&selecting(2, FIRST)).is_nak(), "it is offered to another");
}

#[test]
fn rfc2131_messages_that_only_servers_send_are_dropped() {
    let mut server = Server::plain();
    for message_type in [MessageType::Offer, MessageType::Ack, MessageType::Nak] {
        let message = ClientMessage { message_type, ..discover(1) };
        assert_eq!(server.hear(&message).silence(), DropReason::ServerMessage);
    }
}

#[test]
fn rfc2131_section_3_1_a_client_that_declines_its_address_is_offered_another_next() {
    let mut server = Server::plain();
    let address = server.lease_to(1);
    server.hear(&decline(1, address));
    assert_ne!(server.hear(&discover(1)).offered(), address);
    // Also one that asks for it, and one past its share of quarantine, while there is another.
    let mut server = Server::new(dhcp::settings::Settings { declines_per_client_max: 0, ..settings([subnet()]) });
    let address = server.lease_to(1);
    server.hear(&decline(1, address));
    let again = discover(1).with(code::REQUESTED_IP_ADDRESS, address.octets());
    assert_ne!(server.hear(&again).offered(), address);
}

#[test]
fn rfc2131_section_4_3_3_a_declined_address_is_unavailable_durably_and_the_operator_hears_of_it() {
    let mut server = Server::plain();
    let address = server.lease_to(1);
    let decision = server.hear(&decline(1, address));
    assert!(decision.reply.is_none(), "there is no reply");
    assert_eq!(kinds(&decision), [(LeaseEventKind::Declined, address)]);
    let [event] = &decision.events[..] else { panic!("one record") };
    let record = &event.lease;
    assert_eq!(record.state, LeaseState::Quarantined);
    assert_eq!((record.expires_at, &record.name), (server.now.wall_secs + 86_400, &None));
    // Nobody gets it: not by asking, not by being the last, and not after a restart.
    let stored: Vec<_> = server.engine.leases().collect();
    let mut server = Server::with_leases(settings([subnet()]), stored);
    let wanting = discover(2).with(code::REQUESTED_IP_ADDRESS, address.octets());
    assert_ne!(server.hear(&wanting).offered(), address);
    assert!(server.hear(&selecting(2, address)).is_nak());
    let others: Vec<_> = (2..11).map(|n| server.lease_to(n)).collect();
    assert!(!others.contains(&address));
    assert_eq!(server.hear(&discover(99)).silence(), DropReason::NoFreeAddress);
    // When its time is over it is free again.
    server.pass(86_400);
    server.tick();
    assert_eq!(server.engine.subnet_counts().next().unwrap().quarantined, 0);
    assert!(server.engine.subnet_counts().next().unwrap().free > 0);
    assert_eq!(server.hear(&selecting(50, address)).acked(), address);
}

#[test]
fn rfc2131_section_4_3_3_only_the_holder_of_the_lease_can_decline_it() {
    let mut server = Server::plain();
    let address = server.lease_to(1);
    assert_eq!(server.hear(&decline(2, address)).silence(), DropReason::NotTheHolder);
    // An address that is nobody's, or only offered, cannot be declined either.
    assert_eq!(server.hear(&decline(2, SECOND)).silence(), DropReason::NotTheHolder);
    let offered = server.hear(&discover(3)).offered();
    assert_eq!(server.hear(&decline(3, offered)).silence(), DropReason::NotTheHolder);
    let elsewhere = ClientMessage { options: Vec::new(), ..decline(1, address) }
        .with(code::REQUESTED_IP_ADDRESS, address.octets())
        .with(code::SERVER_IDENTIFIER, [192, 168, 30, 2]);
    assert_eq!(server.hear(&elsewhere).silence(), DropReason::OtherServer);
    assert_eq!(server.state(address), Some(LeaseState::Bound));
}

#[test]
fn rfc2131_section_4_3_3_one_client_cannot_drain_a_pool_by_declining() {
    let mut server = Server::plain();
    for _ in 0..20 {
        let address = server.lease_to(1);
        let decision = server.hear(&decline(1, address));
        assert_eq!(kinds(&decision), [(LeaseEventKind::Declined, address)]);
    }
    let counts = server.engine.subnet_counts().next().unwrap();
    assert_eq!((counts.quarantined, counts.free, counts.bound), (3, 7, 0));
    // Another client has its own share.
    let address = server.lease_to(2);
    server.hear(&decline(2, address));
    assert_eq!(server.state(address), Some(LeaseState::Quarantined));
}

#[test]
fn rfc2131_section_4_3_4_release_needs_client_and_ciaddr_to_match_and_keeps_the_parameters() {
    let mut server = Server::plain();
    let named = |message: ClientMessage| message.with(code::HOST_NAME, b"pc"[..].to_vec());
    let address = server.hear(&discover(1)).offered();
    server.hear(&named(selecting(1, address))).acked();
    assert_eq!(server.take(&unicast(address), &release(2, address)).silence(), DropReason::NotTheHolder);
    assert_eq!(server.take(&unicast(address), &release(1, SECOND)).silence(), DropReason::NotTheHolder);
    assert_eq!(server.take(&unicast(address), &release(1, ZERO)).silence(), DropReason::NoAddressNamed);
    assert_eq!(server.state(address), Some(LeaseState::Bound));

    let released = server.take(&unicast(address), &release(1, address));
    assert!(released.reply.is_none(), "there is no reply");
    assert_eq!(kinds(&released), [(LeaseEventKind::Released, address)]);
    let lease = server.engine.lease(address).unwrap();
    assert_eq!((lease.state, &*lease.hostname, lease.hardware), (LeaseState::Released, &b"pc"[..], mac(1)));
    assert_eq!(lease.expires_at, server.now.wall_secs);
    assert_eq!(server.hear(&discover(1)).offered(), address);
    // A second time there is nothing to release.
    assert_eq!(server.take(&unicast(address), &release(1, address)).silence(), DropReason::NotTheHolder);
}

#[test]
fn rfc2131_section_4_3_4_a_release_without_server_identifier_is_tolerated_and_another_servers_is_not_ours() {
    let mut server = Server::plain();
    let address = server.lease_to(1);
    let anonymous = ClientMessage { options: Vec::new(), ..release(1, address) };
    let elsewhere = anonymous.clone().with(code::SERVER_IDENTIFIER, [192, 168, 30, 2]);
    assert_eq!(server.hear(&elsewhere).silence(), DropReason::OtherServer);
    assert_eq!(kinds(&server.take(&unicast(address), &anonymous)), [(LeaseEventKind::Released, address)]);
}

#[test]
fn rfc2131_section_4_3_5_inform_is_answered_by_unicast_without_lease_and_touches_nothing() {
    let mut server = Server::plain();
    let leased = server.lease_to(1);
    let before: Vec<_> = server.engine.leases().collect();
    for address in [leased, [192, 168, 30, 7].into()] {
        let ack = server.hear(&ClientMessage { broadcast: true, ..inform(1, address) });
        assert!(ack.events.is_empty() && ack.ticket.is_none());
        assert_eq!((ack.acked(), ack.reply().ciaddr), (ZERO, address));
        assert_eq!(ack.destination(), Destination::Client(address));
        assert_eq!(lease_secs(ack.reply()), None);
        assert_eq!(option(ack.reply(), code::RENEWAL_TIME_VALUE), None);
        assert_eq!(option(ack.reply(), code::ROUTER), Some(&SERVER.octets()[..]));
    }
    assert_eq!(server.engine.leases().collect::<Vec<_>>(), before);
    // Past a relay too; and a host that leaves ciaddr empty is answered where it sent from.
    let mut server = with_remote();
    let host = [10, 7, 0, 20].into();
    let by_relay = server.take(&from_relay(RELAY), &relayed(inform(1, host)));
    assert_eq!(by_relay.destination(), Destination::Client(host));
    let sparing = server.take(&unicast(FIRST), &inform(1, ZERO));
    assert_eq!(sparing.destination(), Destination::Client(FIRST));
    assert_eq!(server.hear(&inform(1, ZERO)).silence(), DropReason::NoAddressNamed);
}

#[test]
fn rfc2131_section_4_2_the_client_identifier_when_sent_is_the_key() {
    let identified = |message: ClientMessage, id: &[u8]| message.with(code::CLIENT_IDENTIFIER, id.to_vec());
    let mut server = Server::plain();
    let first = server.hear(&identified(discover(1), b"\0one")).offered();
    server.hear(&identified(selecting(1, first), b"\0one")).acked();
    // Another card, the same identifier: the same client.
    assert_eq!(server.hear(&identified(discover(2), b"\0one")).offered(), first);
    // The same card, another identifier or none: another client.
    assert_ne!(server.hear(&identified(discover(1), b"\0two")).offered(), first);
    assert_ne!(server.hear(&discover(1)).offered(), first);
    assert_eq!(server.take(&unicast(first), &release(1, first)).silence(), DropReason::NotTheHolder);
    assert!(server.take(&unicast(first), &extending(1, first)).is_nak());
}

#[test]
fn rfc2131_section_3_5_the_parameter_request_list_decides_which_options_are_sent_and_in_what_order() {
    let mut server = Server::plain();
    let wanting = |list: &[u8]| discover(1).with(code::PARAMETER_REQUEST_LIST, list.to_vec());
    let told = |server: &mut Server, list: &[u8]| -> Vec<u8> {
        server.hear(&wanting(list)).reply().options.iter().map(|(code, _)| code).collect()
    };
    assert_eq!(told(&mut server, &[15, 59, 1, 3, 28, 42]), [15, 59, 1, 3, 28, 51, 58]);
    // RFC 2132 section 3.3: the mask goes before the router.
    assert_eq!(told(&mut server, &[3, 15]), [1, 3, 15, 51, 58, 59]);
    assert_eq!(option(server.hear(&wanting(&[28])).reply(), 28), Some(&[192, 168, 30, 255][..]));
}

#[test]
fn rfc2131_section_3_3_a_lease_without_end_is_one() {
    let endless = dhcp::settings::LeaseTime { default: u32::MAX, min: 300, max: u32::MAX };
    let mut server = Server::new(settings([dhcp::settings::Subnet { scope: lasting(endless), ..subnet() }]));
    let address = server.hear(&discover(1)).offered();
    let ack = server.hear(&selecting(1, address));
    assert_eq!(lease_secs(ack.reply()), Some(u32::MAX));
    assert_eq!(option(ack.reply(), code::RENEWAL_TIME_VALUE), None);
    assert_eq!((ack.events[0].lease.expires_at, server.engine.poll_timeout()), (u64::MAX, None));
    // Also after a restart.
    let stored: Vec<_> = server.engine.leases().collect();
    let mut server =
        Server::with_leases(settings([dhcp::settings::Subnet { scope: lasting(endless), ..subnet() }]), stored);
    server.pass(1 << 40);
    assert_eq!(server.tick(), []);
}

#[test]
fn rfc2131_section_4_3_1_lease_time_is_what_was_asked_within_bounds_or_what_was_offered() {
    let mut server = Server::plain();
    let asking = |secs| discover(1).with(code::IP_ADDRESS_LEASE_TIME, secs_option(secs));
    for (asked, given) in [(1800, 1800), (1, 300), (u32::MAX, 86_400)] {
        assert_eq!(lease_secs(server.hear(&asking(asked)).reply()), Some(given));
    }
    // RFC 2131 section 4.4.5: T1 is half of it, T2 seven eighths.
    let offer = server.hear(&asking(1800));
    assert_eq!(option(offer.reply(), code::RENEWAL_TIME_VALUE), Some(&900_u32.to_be_bytes()[..]));
    assert_eq!(option(offer.reply(), code::REBINDING_TIME_VALUE), Some(&1575_u32.to_be_bytes()[..]));
    // The request need not repeat it.
    assert_eq!(lease_secs(server.hear(&selecting(1, offer.offered())).reply()), Some(1800));
}
