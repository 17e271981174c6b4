//! Which address a new client gets, and when: allocators, and two servers that share a subnet.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::sync::Arc;

use dhcp::class::{Class, ClassId, Classes, Condition, Fact, Test};
use dhcp::client::ClientMessage;
use dhcp::engine::Engine;
use dhcp::message::DropReason;
use dhcp::options::code;
use dhcp::settings::{Access, Allocator, Pool, ReservedFor, Settings, Subnet};

use crate::network::*;

fn allocating(allocate: Allocator) -> Settings {
    let pool = range([192, 168, 30, 10].into(), [192, 168, 30, 249].into());
    settings([Subnet { allocate, pools: vec![pool], ..subnet() }])
}

fn offers(server: &mut Server, clients: impl IntoIterator<Item = u8>) -> Vec<Ipv4Addr> {
    clients.into_iter().map(|n| server.hear(&discover(n)).offered()).collect()
}

#[test]
fn by_hash_a_client_is_offered_the_same_address_by_servers_that_know_nothing_of_each_other() {
    let [mut one, mut other] = [(); 2].map(|()| Server::new(allocating(Allocator::ByHash)));
    // In another order, so that where two clients' hashes meet, they may differ.
    let first = offers(&mut one, 0..40);
    let mut second = offers(&mut other, (0..40).rev());
    second.reverse();
    let same = first.iter().zip(&second).filter(|(one, other)| one == other).count();
    assert!(same >= 30, "{same} of 40");
    assert_eq!(first.iter().collect::<BTreeSet<_>>().len(), 40);
    // The whole identifier is the key: a machine's second interface has an address of its own.
    let interface =
        |iaid| discover(1).with(code::CLIENT_IDENTIFIER, [255, 0, 0, 0, iaid, 0, 3, 0, 1, 2, 0, 0, 0, 0, 1]);
    assert_ne!(one.hear(&interface(1)).offered(), one.hear(&interface(2)).offered());
}

#[test]
fn at_random_the_seed_decides_and_every_address_is_given_out_before_one_is_missing() {
    let seeded = |seed| {
        let mut server = Server::new(allocating(Allocator::Random));
        server.engine = Engine::with_seed(server.engine.settings().clone(), [], server.now, seed);
        let all = offers(&mut server, 0..240);
        assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), 240);
        assert_eq!(server.hear(&discover(240)).silence(), DropReason::NoFreeAddress);
        all
    };
    assert_eq!(seeded(1), seeded(1));
    let same = seeded(2).iter().zip(&seeded(3)).filter(|(one, other)| one == other).count();
    assert!(same < 24, "{same}");
}

#[test]
fn whichever_the_allocator_a_client_keeps_what_it_has_and_gets_back_what_it_had() {
    for allocate in [Allocator::InTurn, Allocator::ByHash, Allocator::Random] {
        let mut server = Server::new(allocating(allocate));
        let leased: Vec<_> = (0..20).map(|n| server.lease_to(n)).collect();
        assert_eq!(offers(&mut server, 0..20), leased);
        server.take(&unicast(leased[7]), &release(7, leased[7]));
        offers(&mut server, 20..120);
        assert_eq!(server.hear(&discover(7)).offered(), leased[7], "{allocate:?}");
    }
}

/// The second server of a split scope: two addresses, offered late.
fn second_server() -> Settings {
    let pool = Pool { offer_delay_ms: 700, min_secs: 4, ..range(FIRST, SECOND) };
    let reserved = reservation([192, 168, 30, 20].into(), ReservedFor::Hardware(mac(1)));
    settings([Subnet { pools: vec![pool], reservations: vec![reserved], ..subnet() }])
}

fn trying_for(secs: u16, message: ClientMessage) -> ClientMessage {
    ClientMessage { secs, ..message }
}

#[test]
fn a_second_server_offers_only_to_a_client_that_has_tried_for_long_enough_and_then_late() {
    let mut server = Server::new(second_server());
    assert_eq!(server.hear(&discover(2)).silence(), DropReason::TooSoon);
    assert_eq!(server.hear(&trying_for(3, discover(2))).silence(), DropReason::TooSoon);
    // Neither by asking for an address does a client come sooner.
    let wanting = discover(2).with(code::REQUESTED_IP_ADDRESS, SECOND.octets());
    assert_eq!(server.hear(&wanting).silence(), DropReason::TooSoon);
    let offer = server.hear(&trying_for(4, discover(2)));
    assert_eq!((offer.offered(), offer.reply().delay_ms), (FIRST, 700));
    let ack = server.hear(&trying_for(4, selecting(2, FIRST)));
    assert_eq!((ack.acked(), ack.reply().delay_ms), (FIRST, 0), "who takes the offer is not kept waiting");
}

#[test]
fn a_client_that_fills_secs_in_the_wrong_byte_order_is_understood() {
    let mut server = Server::new(second_server());
    assert_eq!(server.hear(&trying_for(0x0300, discover(2))).silence(), DropReason::TooSoon);
    assert_eq!(server.hear(&trying_for(0x0400, discover(2))).offered(), FIRST);
}

#[test]
fn a_second_server_answers_at_once_whom_it_knows() {
    let mut server = Server::new(second_server());
    let reserved = server.hear(&discover(1));
    assert_eq!((reserved.offered(), reserved.reply().delay_ms), ([192, 168, 30, 20].into(), 0));
    server.hear(&trying_for(9, discover(2)));
    server.hear(&selecting(2, FIRST));
    let bound = server.hear(&discover(2));
    assert_eq!((bound.offered(), bound.reply().delay_ms), (FIRST, 0));
    let renewed = server.take(&unicast(FIRST), &extending(2, FIRST));
    assert_eq!((renewed.acked(), renewed.reply().delay_ms), (FIRST, 0));
    // An ended lease is the first server's by now, as far as this one can tell.
    server.take(&unicast(FIRST), &release(2, FIRST));
    assert_eq!(server.hear(&discover(2)).silence(), DropReason::TooSoon);
}

#[test]
fn a_pool_that_holds_back_leaves_the_others_of_its_subnet_alone() {
    let held_back = Pool { min_secs: 60, ..range(FIRST, FIRST) };
    let late = Pool { offer_delay_ms: 100, ..range(SECOND, SECOND) };
    let mut server = Server::new(settings([Subnet { pools: vec![held_back, late], ..subnet() }]));
    let offer = server.hear(&discover(1));
    assert_eq!((offer.offered(), offer.reply().delay_ms), (SECOND, 100));
    assert_eq!(server.hear(&discover(2)).silence(), DropReason::TooSoon);
    assert_eq!(server.hear(&trying_for(60, discover(2))).offered(), FIRST);
    assert_eq!(server.hear(&trying_for(60, discover(3))).silence(), DropReason::NoFreeAddress);
}

#[test]
fn free_addresses_are_counted_for_each_pool() {
    let pools = vec![range(FIRST, FIRST), range(SECOND, [192, 168, 30, 109].into())];
    let mut server = Server::new(settings([Subnet { pools, ..subnet() }]));
    let counted = |server: &Server| {
        let counts = server.engine.subnet_counts().next().unwrap();
        (counts.pool, counts.free, counts.pools.iter().map(|pool| (pool.pool, pool.free)).collect::<Vec<_>>())
    };
    assert_eq!(counted(&server), (10, 10, vec![(1, 1), (9, 9)]));
    (1..=3).for_each(|n| _ = server.lease_to(n));
    assert_eq!(counted(&server), (10, 7, vec![(1, 0), (9, 7)]));
    server.engine.reconfigure(Arc::new(settings([subnet()])), server.now);
    assert_eq!(counted(&server), (10, 7, vec![(10, 7)]));
}

/// A pool of the first address for guests, who are client number 2, and one of the others for all but them.
fn for_guests() -> Settings {
    let guests = Condition::Is(Fact::Hardware, Test::Equal([2, 0, 0, 0, 0, 2].into()));
    let classes = Classes::compile(vec![Class::new("guests", guests)]).unwrap();
    let (allow, deny) = (vec![ClassId(0)], vec![ClassId(0)]);
    let theirs = Pool { access: Access { allow, ..Access::default() }, ..range(FIRST, FIRST) };
    let others = Pool { access: Access { deny, ..Access::default() }, ..range(SECOND, [192, 168, 30, 109].into()) };
    Settings { classes, ..settings([Subnet { pools: vec![theirs, others], ..subnet() }]) }
}

#[test]
fn a_pool_takes_those_that_it_allows_and_none_that_it_denies() {
    let mut server = Server::new(for_guests());
    assert_eq!(server.lease_to(1), SECOND);
    let wanting = |n, address: Ipv4Addr| discover(n).with(code::REQUESTED_IP_ADDRESS, address.octets());
    assert_ne!(server.hear(&wanting(3, FIRST)).offered(), FIRST);
    assert!(server.hear(&selecting(3, FIRST)).is_nak());
    assert_eq!(server.hear(&wanting(2, [192, 168, 30, 109].into())).offered(), FIRST);
    assert_eq!(server.lease_to(2), FIRST);
    assert_eq!(server.hear(&extending(2, FIRST)).acked(), FIRST);
}

#[test]
fn a_client_that_may_no_longer_have_its_address_is_moved_when_it_renews() {
    let mut server = Server::plain();
    assert_eq!(server.lease_to(1), FIRST);
    server.engine.reconfigure(Arc::new(for_guests()), server.now);
    assert!(server.take(&unicast(FIRST), &extending(1, FIRST)).is_nak());
    assert!(server.hear(&init_reboot(1, FIRST)).is_nak());
    assert_eq!(server.lease_to(1), SECOND);
    assert_eq!(server.lease_to(2), FIRST, "what it had is free");
}

#[test]
fn what_is_reserved_for_a_client_no_pool_keeps_from_it() {
    let mut settings = for_guests();
    settings.subnets[0].reservations = vec![reservation(SECOND, ReservedFor::Hardware(mac(2)))];
    let mut server = Server::new(settings);
    assert_eq!(server.lease_to(2), SECOND);
    assert_eq!(server.hear(&extending(2, SECOND)).acked(), SECOND);
}
