//! RFC 4388: who has what, for those who may ask.

use dhcp::client::ClientMessage;
use dhcp::decision::Decision;
use dhcp::destination::Destination;
use dhcp::engine::Page;
use dhcp::identity::{ClientId, HardwareAddress};
use dhcp::leasequery::Query;
use dhcp::message::{DropReason, MessageType};
use dhcp::options::code;
use dhcp::settings::{LeaseQueries, Settings};

use crate::network::*;

/// The access concentrator that asks.
const ASKER: std::net::Ipv4Addr = std::net::Ipv4Addr::new(10, 7, 0, 1);

fn server() -> Server {
    let leasequery = LeaseQueries { allow: vec!["10.7.0.0/24".parse().unwrap()], bulk: true };
    Server::new(Settings { leasequery, ..settings([subnet(), remote_subnet(7)]) })
}

fn asking() -> ClientMessage {
    ClientMessage { giaddr: ASKER, ..ClientMessage::new(MessageType::LeaseQuery, 0x77, HardwareAddress::NONE) }
}

fn by_address(address: std::net::Ipv4Addr) -> ClientMessage {
    ClientMessage { ciaddr: address, ..asking() }
}

fn by_hardware(n: u8) -> ClientMessage {
    ClientMessage { hardware: mac(n), ..asking() }
}

fn ask(server: &mut Server, message: &ClientMessage) -> Decision {
    let decision = server.take(&from_relay(ASKER), message);
    assert!(decision.events.is_empty(), "a question changes nothing");
    decision
}

fn told(decision: &Decision) -> MessageType {
    decision.reply().message_type
}

#[test]
fn rfc4388_section_6_4_1_by_address_it_is_active_unassigned_or_unknown() {
    let mut server = server();
    let address = server.lease_to(1);
    server.pass(600);
    let active = ask(&mut server, &by_address(address));
    assert_eq!(told(&active), MessageType::LeaseActive);
    assert_eq!((active.reply().ciaddr, active.reply().hardware, active.reply().xid), (address, mac(1), 0x77));
    assert_eq!((lease_secs(active.reply()), active.reply().server_identifier), (Some(3_000), SERVER));
    assert_eq!(active.destination(), Destination::Relay { address: ASKER, port: 67 });
    assert_eq!(option(active.reply(), code::CLIENT_LAST_TRANSACTION_TIME), Some(&600_u32.to_be_bytes()[..]));

    let unassigned = ask(&mut server, &by_address(SECOND));
    assert_eq!((told(&unassigned), unassigned.reply().ciaddr), (MessageType::LeaseUnassigned, SECOND));
    assert_eq!(lease_secs(unassigned.reply()), None);
    let elsewhere = [172, 16, 0, 1].into();
    assert_eq!(told(&ask(&mut server, &by_address(elsewhere))), MessageType::LeaseUnknown);

    server.take(&unicast(address), &release(1, address));
    assert_eq!(told(&ask(&mut server, &by_address(address))), MessageType::LeaseUnassigned);
}

#[test]
fn rfc4388_section_6_4_1_by_hardware_and_identifier_of_several_the_one_heard_last() {
    let mut server = server();
    let identified = |message: ClientMessage| message.with(code::CLIENT_IDENTIFIER, [0, 7, 7]);
    let first = server.hear(&identified(discover(1))).offered();
    server.hear(&identified(selecting(1, first)));
    server.pass(100);
    let relayed = |message| ClientMessage { giaddr: ASKER, ..message };
    let second = server.take(&from_relay(ASKER), &relayed(identified(discover(1)))).offered();
    let taken = server.take(&from_relay(ASKER), &relayed(identified(selecting(1, second))));
    assert_eq!(taken.acked(), second);
    // A client of the same hardware without the identifier is another one.
    let third = server.lease_to(1);

    let by_id = ask(&mut server, &identified(asking()));
    assert_eq!((told(&by_id), by_id.reply().ciaddr), (MessageType::LeaseActive, second));
    let both = [first.octets(), second.octets()].concat();
    let mut associated: Vec<_> = option(by_id.reply(), code::ASSOCIATED_IP).unwrap().chunks(4).collect();
    associated.sort_by_key(|address| *address != first.octets());
    assert_eq!(associated.concat(), both);

    let by_mac = ask(&mut server, &by_hardware(1));
    assert_eq!(told(&by_mac), MessageType::LeaseActive);
    let associated = option(by_mac.reply(), code::ASSOCIATED_IP).unwrap();
    assert_eq!(associated.len(), 12, "whatever identifier each has, {third} too");
    assert_eq!(told(&ask(&mut server, &by_hardware(9))), MessageType::LeaseUnknown);
    server.pass(4_000);
    server.tick();
    assert_eq!(told(&ask(&mut server, &by_hardware(1))), MessageType::LeaseUnknown, "none of them holds any more");
}

#[test]
fn rfc4388_section_6_4_2_option_82_of_the_lease_is_told_and_not_the_askers() {
    let mut server = server();
    let marks = [1, 2, b'p', b'1'];
    let relayed = |message| ClientMessage { giaddr: ASKER, ..message }.with(code::RELAY_AGENT_INFORMATION, marks);
    let address = server.take(&from_relay(ASKER), &relayed(discover(1))).offered();
    server.take(&from_relay(ASKER), &relayed(selecting(1, address)));
    let all = ask(&mut server, &by_address(address));
    assert_eq!(*all.reply().relay_agent_info, marks);
    let other = by_address(address).with(code::PARAMETER_REQUEST_LIST, [51]);
    let other = ask(&mut server, &other.with(code::RELAY_AGENT_INFORMATION, [1, 1, b'x']));
    assert_eq!(*other.reply().relay_agent_info, [0_u8; 0]);
    let codes: Vec<u8> = other.reply().options.iter().map(|(code, _)| code).collect();
    assert_eq!(codes, [51]);
}

#[test]
fn rfc4388_section_7_who_may_not_ask_meets_silence() {
    let mut server = server();
    let address = server.lease_to(1);
    let stranger = [172, 16, 0, 9].into();
    let asked = ClientMessage { giaddr: stranger, ..by_address(address) };
    assert_eq!(server.take(&from_relay(stranger), &asked).silence(), DropReason::LeasequeryRefused);
    // The answer would go to giaddr: whoever may ask cannot send it elsewhere, nor a stranger to one who may.
    assert_eq!(server.take(&from_relay(ASKER), &asked).silence(), DropReason::LeasequeryRefused);
    let silence = server.take(&from_relay(stranger), &by_address(address)).silence();
    assert_eq!(silence, DropReason::LeasequeryRefused);
    let mut closed = Server::plain();
    assert_eq!(closed.take(&from_relay(ASKER), &by_address(address)).silence(), DropReason::LeasequeryRefused);
}

#[test]
fn rfc4388_section_6_2_a_question_has_a_giaddr_and_one_key() {
    let mut server = server();
    let without = ClientMessage { giaddr: ZERO, ..by_address(FIRST) };
    let two = ClientMessage { hardware: mac(1), ..by_address(FIRST) };
    let remote = asking().with(code::RELAY_AGENT_INFORMATION, [2, 1, b'r']);
    for message in [without, two, asking(), remote] {
        assert_eq!(server.take(&from_relay(ASKER), &message).silence(), DropReason::LeasequeryMalformed);
    }
}

#[test]
fn rfc6926_what_is_told_in_bulk_comes_in_pages_that_end() {
    let mut server = server();
    let marks = [2, 1, b'r', 12, 1, b'x'];
    for n in 1..=5 {
        server.lease_to(n);
    }
    let relayed = |message| ClientMessage { giaddr: ASKER, ..message }.with(code::RELAY_AGENT_INFORMATION, marks);
    let behind = server.take(&from_relay(ASKER), &relayed(discover(6))).offered();
    server.take(&from_relay(ASKER), &relayed(selecting(6, behind)));

    let all = |server: &Server, query: &Query, most| {
        let (mut found, mut pages, mut after) = (Vec::new(), 0, None);
        loop {
            let Page { bindings, next, .. } = server.engine.leases_page(server.now, query, after, most);
            assert!(bindings.len() <= most);
            found.extend(bindings.iter().map(|binding| binding.lease.address));
            pages += 1;
            let Some(next) = next else { return (found, pages) };
            after = Some(next);
        }
    };
    let stored: Vec<_> = server.engine.leases().map(|lease| lease.address).collect();
    assert_eq!(stored.len(), 6);
    for (most, pages) in [(1, 7), (2, 4), (4, 2), (100, 1)] {
        assert_eq!(all(&server, &Query::All, most), (stored.clone(), pages));
    }
    assert_eq!(all(&server, &Query::RemoteId(b"r"[..].into()), 2).0, [behind]);
    assert_eq!(all(&server, &Query::RelayId(b"x"[..].into()), 2).0, [behind]);
    assert_eq!(all(&server, &Query::RelayId(b"r"[..].into()), 2).0, [ZERO; 0]);
    assert_eq!(all(&server, &Query::Hardware(mac(6)), 2), (vec![behind], 1));
    assert_eq!(all(&server, &Query::ClientId(ClientId([1, 2].into())), 2).0, [ZERO; 0]);
    let page = server.engine.leases_page(server.now, &Query::Address([172, 16, 0, 1].into()), None, 9);
    assert_eq!(page, Page::default());
    assert!(server.engine.leases_page(server.now, &Query::Address(FIRST), None, 9).is_ours);
}

#[test]
fn what_is_told_in_bulk_is_what_is_stored() {
    let mut server = server();
    let offered = server.hear(&discover(1)).offered();
    let told = |server: &Server| server.engine.leases_page(server.now, &Query::All, None, 9).bindings.len();
    let bound = server.decide(&on_link(), &selecting(1, offered));
    assert_eq!(told(&server), 0, "its commit is under way");
    server.engine.settle(bound.ticket.unwrap(), dhcp::decision::CommitOutcome::Committed);
    assert_eq!(told(&server), 1);
    let released = server.decide(&unicast(offered), &release(1, offered));
    let page = server.engine.leases_page(server.now, &Query::All, None, 9);
    assert!(page.bindings[0].is_active(), "its end is not stored yet");
    server.engine.settle(released.ticket.unwrap(), dhcp::decision::CommitOutcome::Committed);
    let page = server.engine.leases_page(server.now, &Query::All, None, 9);
    assert!(!page.bindings[0].is_active());
}
