//! Several subnets on one link.

use std::net::Ipv4Addr;
use std::sync::Arc;

use dhcp::client::ClientMessage;
use dhcp::decision::LeaseEventKind;
use dhcp::message::DropReason;
use dhcp::options::code;
use dhcp::settings::{NetworkId, OptionSet, ReservedFor, Scope, Settings, SharedNetwork, Subnet};

use crate::network::*;

const RELAY: Ipv4Addr = Ipv4Addr::new(10, 7, 0, 1);
const SECONDARY: Ipv4Addr = Ipv4Addr::new(10, 8, 0, 100);

/// 192.168.30.0/24 with two addresses and 10.7.0.0/24 and 10.8.0.0/24 with one each, as `order` says, on one link.
fn network(order: &[&str]) -> Settings {
    let member = |subnet: Subnet, first: Ipv4Addr, last: Ipv4Addr| Subnet {
        network: Some(NetworkId(0)),
        pools: vec![range(first, last)],
        ..subnet
    };
    let router = |subnet: Subnet, router: [u8; 4]| {
        let options = OptionSet([(code::ROUTER, router.into())].into());
        Subnet { scope: Scope { options, ..subnet.scope }, ..subnet }
    };
    let members = [
        member(subnet(), FIRST, SECOND),
        router(member(remote_subnet(7), [10, 7, 0, 100].into(), [10, 7, 0, 100].into()), [10, 7, 0, 1]),
        router(member(remote_subnet(8), SECONDARY, SECONDARY), [10, 8, 0, 1]),
    ];
    let order = order.iter().map(|prefix| prefix.parse().unwrap()).collect();
    let office = SharedNetwork { name: "office".into(), order, ..SharedNetwork::default() };
    Settings { networks: vec![office], ..settings(members) }
}

fn relayed(message: ClientMessage) -> ClientMessage {
    ClientMessage { giaddr: RELAY, ..message }
}

#[test]
fn when_a_subnet_is_full_the_next_of_its_network_is_used_in_the_order_written() {
    let mut server = Server::new(network(&["10.8.0.0/24", "10.7.0.0/24"]));
    let leased: Vec<_> = (1..=4).map(|n| server.lease_to(n)).collect();
    assert_eq!(leased, [FIRST, SECOND, SECONDARY, [10, 7, 0, 100].into()]);
    assert_eq!(server.hear(&discover(5)).silence(), DropReason::NoFreeAddress);
}

#[test]
fn mask_and_router_follow_the_subnet_of_the_leased_address() {
    let mut server = Server::new(network(&[]));
    (1..=2).for_each(|n| _ = server.lease_to(n));
    let asking = discover(3).with(code::PARAMETER_REQUEST_LIST, [code::SUBNET_MASK, code::ROUTER]);
    let offer = server.hear(&asking);
    assert_eq!(offer.offered(), Ipv4Addr::from([10, 7, 0, 100]));
    assert_eq!(option(offer.reply(), code::SUBNET_MASK), Some(&[255, 255, 255, 0][..]));
    assert_eq!(option(offer.reply(), code::ROUTER), Some(&[10, 7, 0, 1][..]));
    // The server is reached at the address that its interface has.
    assert_eq!(offer.reply().server_identifier, SERVER);
}

#[test]
fn a_client_keeps_its_address_whichever_subnet_of_the_network_it_is_in() {
    let mut server = Server::new(network(&[]));
    let third = (1..=3).map(|n| server.lease_to(n)).last().unwrap();
    assert_eq!(third, Ipv4Addr::from([10, 7, 0, 100]));
    server.take(&unicast(FIRST), &release(1, FIRST));
    // There is an address in the first subnet again, and yet:
    assert_eq!(server.hear(&discover(3)).offered(), third);
    assert_eq!(server.hear(&init_reboot(3, third)).acked(), third);
    assert_eq!(server.hear(&extending(3, third)).acked(), third);
    assert_eq!(server.take(&unicast(third), &extending(3, third)).acked(), third);
}

#[test]
fn init_reboot_with_an_address_of_another_subnet_of_the_network_is_not_the_wrong_network() {
    let mut server = Server::new(network(&[]));
    // No record of the client, but the network is right: another server may know it.
    assert_eq!(server.hear(&init_reboot(9, SECONDARY)).silence(), DropReason::UnknownClient);
    assert!(server.hear(&init_reboot(9, [10, 9, 0, 100].into())).is_nak());
    let apart = Settings { networks: Vec::new(), ..network(&[]) };
    let apart = apart.subnets.into_iter().map(|subnet| Subnet { network: None, ..subnet });
    server.engine.reconfigure(Arc::new(settings(apart)), server.now);
    assert!(server.hear(&init_reboot(9, SECONDARY)).is_nak());
}

#[test]
fn a_relays_subnet_is_filled_first_and_its_secondary_subnets_after_it() {
    let mut server = Server::new(network(&["192.168.30.0/24", "10.8.0.0/24"]));
    let lease = |server: &mut Server, n| {
        let offered = server.take(&from_relay(RELAY), &relayed(discover(n))).offered();
        assert_eq!(server.take(&from_relay(RELAY), &relayed(selecting(n, offered))).acked(), offered);
        offered
    };
    let leased: Vec<_> = (1..=4).map(|n| lease(&mut server, n)).collect();
    assert_eq!(leased, [[10, 7, 0, 100].into(), FIRST, SECOND, SECONDARY]);
    // A secondary address is renewed by unicast, and asked for through the relay.
    assert_eq!(server.take(&unicast(SECONDARY), &extending(4, SECONDARY)).acked(), SECONDARY);
    assert_eq!(server.take(&from_relay(RELAY), &relayed(init_reboot(4, SECONDARY))).acked(), SECONDARY);
}

#[test]
fn link_selection_and_subnet_selection_name_the_network_by_any_of_its_subnets() {
    let mut server = Server::new(network(&[]));
    // RFC 3527's sub-option, from a relay that is in no subnet of ours.
    let elsewhere = Ipv4Addr::new(172, 16, 0, 1);
    let selecting_link =
        |n| ClientMessage { giaddr: elsewhere, ..discover(n) }.with(code::RELAY_AGENT_INFORMATION, [5, 4, 10, 8, 0, 0]);
    assert_eq!(server.take(&from_relay(elsewhere), &selecting_link(1)).offered(), SECONDARY);
    assert_eq!(server.take(&from_relay(elsewhere), &selecting_link(2)).offered(), Ipv4Addr::from([10, 7, 0, 100]));
    // RFC 3011's option.
    let selecting_subnet = discover(3).with(code::SUBNET_SELECTION, [10, 8, 0, 0]);
    assert_eq!(server.hear(&selecting_subnet).offered(), FIRST, "the subnet named is full, and so is the next");
}

#[test]
fn a_reservation_in_any_subnet_of_the_network_is_the_clients_and_a_client_elsewhere_moves_to_it() {
    let mut server = Server::new(network(&[]));
    let former = server.lease_to(1);
    let mut changed = network(&[]);
    let reserved = Ipv4Addr::new(10, 8, 0, 7);
    for subnet in changed.subnets.iter_mut().filter(|subnet| subnet.prefix.contains(&reserved)) {
        subnet.reservations = vec![reservation(reserved, ReservedFor::Hardware(mac(1)))];
    }
    server.engine.reconfigure(Arc::new(changed), server.now);
    assert!(server.hear(&extending(1, former)).is_nak());
    assert_eq!(server.hear(&discover(1)).offered(), reserved);
    let moved = server.hear(&selecting(1, reserved));
    assert_eq!(kinds(&moved), [(LeaseEventKind::Released, former), (LeaseEventKind::Bound, reserved)]);
}

#[test]
fn a_network_names_the_interface_for_all_of_its_subnets() {
    let mut changed = network(&[]);
    changed.networks[0].interfaces = vec!["eth1".into()];
    let mut server = Server::new(changed);
    assert_eq!(server.hear(&discover(1)).silence(), DropReason::NoSubnet);
    let eth1 = Way { interface: "eth1", addresses: vec!["172.16.0.1/24".parse().unwrap()], ..on_link() };
    assert_eq!(server.take(&eth1, &discover(1)).offered(), Ipv4Addr::from([10, 7, 0, 100]));
    // Named by the interface alone, they are filled in the order written, and not in that of their prefixes.
    let mut ordered = network(&["192.168.30.0/24", "10.8.0.0/24"]);
    ordered.networks[0].interfaces = vec!["eth1".into()];
    let mut server = Server::new(ordered);
    let offered: Vec<_> = (1..=4).map(|n| server.take(&eth1, &discover(n)).offered()).collect();
    assert_eq!(offered, [FIRST, SECOND, SECONDARY, [10, 7, 0, 100].into()]);
}

#[test]
fn a_subnet_out_of_service_is_left_out_and_its_clients_move_within_the_network() {
    let mut server = Server::new(network(&[]));
    let former = server.lease_to(1);
    let mut changed = network(&[]);
    for subnet in changed.subnets.iter_mut().filter(|subnet| subnet.prefix.contains(&former)) {
        subnet.active = false;
    }
    server.engine.reconfigure(Arc::new(changed), server.now);
    assert!(server.take(&unicast(former), &extending(1, former)).is_nak());
    assert_eq!(server.lease_to(1), Ipv4Addr::from([10, 7, 0, 100]));
}
