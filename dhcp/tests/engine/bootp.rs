//! BOOTP clients (RFC 951, RFC 1534).

use std::sync::Arc;

use dhcp::class::{Class, Classes, Condition, Fact, Test, Verdict};
use dhcp::client::ClientMessage;
use dhcp::decision::{CommitOutcome, Decision, Ingress, LeaseEventKind};
use dhcp::message::{DropReason, MessageType};
use dhcp::names::NoNames;
use dhcp::options::code;
use dhcp::probing::{ProbeNeeded, ProbeOutcome, ProbeWhen};
use dhcp::reply::Reply;
use dhcp::settings::{BootpClients, ReservedFor, Settings, Subnet};

use crate::network::*;

fn server(bootp: BootpClients) -> Server {
    let reservations = vec![reservation([192, 168, 30, 9].into(), ReservedFor::Hardware(mac(9)))];
    Server::new(settings([Subnet { bootp, reservations, ..subnet() }]))
}

/// A request without option 53, as a BOOTP client sends it: 64 bytes of vendor area.
fn request(n: u8) -> Vec<u8> {
    let mut bytes = Vec::new();
    ClientMessage::new(MessageType::Bootp, 0x77, mac(n)).encode(&mut bytes);
    assert_eq!((bytes.len(), bytes[240]), (300, 255));
    bytes
}

fn hear(server: &mut Server, n: u8) -> Decision {
    let bytes = request(n);
    let way = on_link();
    let ingress = Ingress {
        interface: way.interface,
        addresses: &way.addresses,
        source: way.source,
        destination: way.destination,
    };
    let decision = server.engine.handle_message(server.now, &ingress, &bytes, &NoNames);
    if let Some(ticket) = decision.ticket {
        server.engine.settle(ticket, CommitOutcome::Committed);
    }
    decision
}

fn codes(reply: &Reply) -> Vec<u8> {
    let mut bytes = Vec::new();
    reply.encode(&mut bytes);
    assert_eq!(bytes.len(), 300, "RFC 951: a vendor area of 64 bytes");
    let (mut codes, mut at) = (Vec::new(), 240);
    while bytes[at] != 255 {
        codes.push(bytes[at]);
        at += 2 + usize::from(bytes[at + 1]);
    }
    codes
}

#[test]
fn bootp_is_not_served_unless_the_subnet_says_so() {
    assert_eq!(hear(&mut server(BootpClients::Refused), 9).silence(), DropReason::NoMessageType);
    assert_eq!(hear(&mut server(BootpClients::Reserved), 1).silence(), DropReason::BootpRefused);
}

#[test]
fn rfc1534_a_reservation_answers_a_bootp_client_without_a_lease_and_without_dhcp_options() {
    for bootp in [BootpClients::Reserved, BootpClients::Dynamic] {
        let mut server = server(bootp);
        let decision = hear(&mut server, 9);
        let reply = decision.reply();
        assert_eq!((reply.yiaddr, reply.siaddr, reply.xid), ([192, 168, 30, 9].into(), SERVER, 0x77));
        assert!(decision.events.is_empty() && decision.ticket.is_none());
        assert_eq!(codes(reply), [code::SUBNET_MASK, code::ROUTER, code::DOMAIN_NAME]);
    }
}

#[test]
fn rfc1534_a_bootp_client_of_the_pool_has_its_address_without_end() {
    let mut server = server(BootpClients::Dynamic);
    let first = hear(&mut server, 1);
    assert_eq!((first.reply().yiaddr, kinds(&first)), (FIRST, vec![(LeaseEventKind::Bound, FIRST)]));
    assert_eq!(first.events[0].lease.expires_at, u64::MAX);
    assert_eq!(codes(first.reply()), [code::SUBNET_MASK, code::ROUTER, code::DOMAIN_NAME]);
    server.pass(10_000_000);
    assert_eq!(server.tick(), []);
    assert_eq!(hear(&mut server, 1).reply().yiaddr, FIRST);
    assert_eq!(server.lease_to(2), SECOND, "DHCP clients are served beside it");
    server.engine.set_storage_full(true);
    assert_eq!(hear(&mut server, 1).reply().yiaddr, FIRST);
    assert_eq!(hear(&mut server, 3).silence(), DropReason::StorageFull);
}

#[test]
fn with_the_storage_full_a_lease_that_ends_is_not_given_to_a_bootp_client_for_ever() {
    let mut server = server(BootpClients::Dynamic);
    assert_eq!(server.lease_to(1), FIRST);
    server.engine.set_storage_full(true);
    assert_eq!(hear(&mut server, 1).silence(), DropReason::StorageFull);
    server.engine.set_storage_full(false);
    assert_eq!(hear(&mut server, 1).events[0].lease.expires_at, u64::MAX);
}

#[test]
fn an_address_is_probed_before_a_bootp_client_gets_it_for_ever() {
    let places = Subnet { bootp: BootpClients::Dynamic, probe: ProbeWhen::Rested, ..subnet() };
    let mut server = Server::new(settings([places]));
    let probe = |decision: &Decision| match decision.probe {
        Some(ProbeNeeded::Start(request)) if decision.reply.is_none() => request,
        other => panic!("no probe begins: {other:?}"),
    };
    let first = probe(&hear(&mut server, 1));
    assert_eq!(first.address, FIRST);
    assert_eq!(hear(&mut server, 1).probe, Some(ProbeNeeded::UnderWay(first.id)));
    let way = on_link();
    let ingress = Ingress {
        interface: way.interface,
        addresses: &way.addresses,
        source: way.source,
        destination: way.destination,
    };
    let bytes = request(1);
    let again = Some((&ingress, &bytes[..]));
    // Somebody has it: quarantine, and the next address is probed.
    let squatter = ProbeOutcome::Taken(Some(mac(77)));
    let decisions = server.engine.handle_probe_result(server.now, (first.id, squatter), again, &NoNames);
    let [conflict, next] = &decisions[..] else { panic!("two decisions") };
    assert_eq!(kinds(conflict), [(LeaseEventKind::Conflict, FIRST)]);
    let second = probe(next);
    assert_eq!(second.address, SECOND);
    let decisions = server.engine.handle_probe_result(server.now, (second.id, ProbeOutcome::Free), again, &NoNames);
    let [answer] = &decisions[..] else { panic!("one decision") };
    assert_eq!((answer.reply().yiaddr, kinds(answer)), (SECOND, vec![(LeaseEventKind::Bound, SECOND)]));
    // What it has is not probed: it would answer itself.
    assert_eq!(hear(&mut server, 1).reply().yiaddr, SECOND);
}

#[test]
fn rfc951_what_does_not_fit_into_the_vendor_area_is_left_out() {
    let mut long = subnet();
    long.bootp = BootpClients::Dynamic;
    long.scope.options.0.insert(code::DOMAIN_NAME, [b'a'; 80].into());
    let mut server = Server::new(settings([long]));
    let decision = hear(&mut server, 1);
    assert_eq!(codes(decision.reply()), [code::SUBNET_MASK, code::ROUTER]);
    let mut bytes = Vec::new();
    assert_eq!(decision.reply().encode(&mut bytes), [code::DOMAIN_NAME]);
}

#[test]
fn a_bootp_client_of_a_denied_class_gets_no_address() {
    let hardware = Condition::Is(Fact::Hardware, Test::Equal(mac(9).as_bytes().into()));
    for (verdict, reason) in [(Verdict::Deny, DropReason::ClassDenied), (Verdict::Drop, DropReason::ClassDropped)] {
        let mut server = server(BootpClients::Dynamic);
        let banned = Class { verdict, ..Class::new("banned", hardware.clone()) };
        let classes = Classes::compile(vec![banned]).unwrap();
        let settings = Settings { classes, ..(**server.engine.settings()).clone() };
        server.engine.reconfigure(Arc::new(settings), server.now);
        assert_eq!(hear(&mut server, 9).silence(), reason);
        assert_eq!(hear(&mut server, 1).reply().yiaddr, FIRST);
    }
}
