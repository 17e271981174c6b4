//! Which subnet a client is in.

use dhcp::client::ClientMessage;
use dhcp::message::DropReason;
use dhcp::settings::Subnet;

use crate::network::*;

#[test]
fn an_interface_serves_the_subnets_that_it_has_addresses_in() {
    let mut server = Server::new(settings([subnet(), remote_subnet(7)]));
    let way = Way { addresses: vec!["10.7.0.1/24".parse().unwrap()], interface: "eth1", ..on_link() };
    assert_eq!(server.take(&way, &discover(1)).offered(), std::net::Ipv4Addr::new(10, 7, 0, 100));
    let none = Way { addresses: vec!["10.8.0.1/24".parse().unwrap()], ..way };
    assert_eq!(server.take(&none, &discover(1)).silence(), DropReason::NoSubnet);
    let unknown_relay = ClientMessage { giaddr: [10, 8, 0, 1].into(), ..discover(1) };
    assert_eq!(server.take(&way_of_relay(), &unknown_relay).silence(), DropReason::NoSubnet);
}

fn way_of_relay() -> Way {
    from_relay([10, 8, 0, 1].into())
}

#[test]
fn a_subnet_that_names_interfaces_is_served_there_and_nowhere_else() {
    let named = Subnet { interfaces: vec!["eth1".into()], ..subnet() };
    let mut server = Server::new(settings([named]));
    assert_eq!(server.hear(&discover(1)).silence(), DropReason::NoSubnet);
    let way = Way { interface: "eth1", addresses: vec!["172.31.0.1/24".parse().unwrap()], ..on_link() };
    let offer = server.take(&way, &discover(1));
    assert_eq!((offer.offered(), offer.reply().server_identifier), (FIRST, [172, 31, 0, 1].into()));
}

#[test]
fn of_several_subnets_on_a_link_the_next_is_used_when_one_is_full_and_a_binding_is_found_in_any() {
    let small = Subnet { pools: vec![range(FIRST, FIRST)], ..subnet() };
    let mut server = Server::new(settings([small, remote_subnet(7)]));
    let mut way = on_link();
    way.addresses.push("10.7.0.1/24".parse().unwrap());
    let far = std::net::Ipv4Addr::new(10, 7, 0, 100);
    server.take(&way, &selecting(1, FIRST)).acked();
    let offer = server.take(&way, &discover(2));
    assert_eq!((offer.offered(), offer.reply().server_identifier), (far, [10, 7, 0, 1].into()));
    server.take(&way, &selecting(2, far)).acked();
    server.take(&way, &release(1, FIRST));
    assert_eq!(server.take(&way, &discover(2)).offered(), far);
    // Both are this client's network; it has one lease on the link all the same.
    let moved = server.take(&way, &selecting(2, FIRST));
    assert_eq!(moved.acked(), FIRST);
    assert_eq!(server.state(far), Some(dhcp::lease::LeaseState::Released));
}

#[test]
fn a_routed_renewal_is_of_the_subnet_of_ciaddr() {
    let mut server = Server::new(settings([subnet(), remote_subnet(7)]));
    let relay = [10, 7, 0, 1].into();
    let offered = server.take(&from_relay(relay), &ClientMessage { giaddr: relay, ..discover(1) }).offered();
    server.take(&from_relay(relay), &ClientMessage { giaddr: relay, ..selecting(1, offered) }).acked();
    let renewed = server.take(&unicast(offered), &extending(1, offered));
    assert_eq!((renewed.acked(), renewed.reply().server_identifier), (offered, SERVER));
    // Broadcast on our own link, the same address is of the wrong network.
    assert!(server.hear(&extending(1, offered)).is_nak());
}

#[test]
fn our_own_addresses_and_a_subnets_edges_are_never_given_out() {
    let wide = Subnet { pools: vec![range([192, 168, 30, 0].into(), [192, 168, 30, 3].into())], ..subnet() };
    let third = std::net::Ipv4Addr::new(192, 168, 30, 3);
    let mut server = Server::new(settings([wide]));
    // The interface's own is known from the first message on, another's when it is said.
    server.engine.set_own_addresses([third]);
    assert_eq!(server.lease_to(1), std::net::Ipv4Addr::new(192, 168, 30, 2));
    assert_eq!(server.hear(&discover(3)).silence(), DropReason::NoFreeAddress);
    server.engine.set_own_addresses([]);
    assert_eq!(server.lease_to(2), third);
    assert_eq!(server.hear(&discover(3)).silence(), DropReason::NoFreeAddress);
}

#[test]
fn a_deactivated_subnet_answers_discover_with_silence_and_request_with_nak_and_keeps_its_leases() {
    let mut server = Server::plain();
    let address = server.lease_to(1);
    let stored: Vec<_> = server.engine.leases().collect();
    let inactive = settings([Subnet { active: false, ..subnet() }]);
    server.engine.reconfigure(std::sync::Arc::new(inactive), server.now);
    assert_eq!(server.hear(&discover(1)).silence(), DropReason::SubnetInactive);
    assert_eq!(server.hear(&discover(2)).silence(), DropReason::SubnetInactive);
    assert!(server.hear(&selecting(1, address)).is_nak());
    assert!(server.hear(&selecting(2, SECOND)).is_nak());
    assert!(server.take(&unicast(address), &extending(1, address)).is_nak());
    assert!(server.hear(&extending(1, address)).is_nak());
    assert!(server.hear(&init_reboot(1, address)).is_nak());
    // A client that another server may know is left to it.
    assert_eq!(server.hear(&init_reboot(2, SECOND)).silence(), DropReason::SubnetInactive);
    // Leases, and so names, stay until they end.
    assert_eq!(server.engine.leases().collect::<Vec<_>>(), stored);
    server.pass(3600);
    assert_eq!(server.tick(), [(dhcp::decision::LeaseEventKind::Expired, address)]);
}
