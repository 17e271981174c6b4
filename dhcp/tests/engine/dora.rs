//! DISCOVER, OFFER, REQUEST, ACK.

use dhcp::client::ClientMessage;
use dhcp::decision::LeaseEventKind;
use dhcp::destination::Destination;
use dhcp::identity::HardwareAddress;
use dhcp::lease::LeaseState;
use dhcp::options::code;
use dhcp::settings::Subnet;

use crate::network::*;

#[test]
fn a_client_gets_an_offer_and_then_a_lease() {
    let mut server = Server::plain();
    let offer = server.hear(&discover(1));
    assert_eq!(offer.offered(), FIRST);
    assert_eq!(offer.destination(), Destination::Frame { yiaddr: FIRST, hardware: mac(1) });
    assert_eq!((offer.reply().server_identifier, lease_secs(offer.reply())), (SERVER, Some(3600)));
    assert_eq!(server.state(FIRST), None);

    let ack = server.decide(&on_link(), &selecting(1, FIRST));
    assert_eq!(ack.acked(), FIRST);
    assert_eq!(kinds(&ack), [(LeaseEventKind::Bound, FIRST)]);
    let [event] = &ack.events[..] else { panic!("one record") };
    let lease = &event.lease;
    assert!(server.engine.leases().eq([lease.clone()]));
    assert_eq!((lease.state, lease.expires_at), (LeaseState::Bound, server.now.wall_secs + 3600));
    let options: Vec<u8> = ack.reply().options.iter().map(|(code, _)| code).collect();
    assert_eq!(
        options,
        [
            code::SUBNET_MASK,
            code::ROUTER,
            code::DOMAIN_NAME,
            code::IP_ADDRESS_LEASE_TIME,
            code::RENEWAL_TIME_VALUE,
            code::REBINDING_TIME_VALUE
        ]
    );
}

#[test]
fn offers_are_bounded_and_the_oldest_goes_first() {
    let most = 65_536_u32;
    let wide = Subnet {
        prefix: "10.0.0.0/8".parse().unwrap(),
        interfaces: vec!["eth0".into()],
        pools: vec![range([10, 16, 0, 0].into(), [10, 31, 255, 255].into())],
        ..subnet()
    };
    let mut server = Server::new(settings([wide]));
    let from = |n: u32| ClientMessage {
        hardware: HardwareAddress::new(1, &[&[4, 0][..], &n.to_be_bytes()].concat()).unwrap(),
        ..discover(0)
    };
    let first = server.hear(&from(0)).offered();
    // While it holds, asking for it is vain.
    let wanting = |n| from(n).with(code::REQUESTED_IP_ADDRESS, first.octets());
    assert_ne!(server.hear(&wanting(1)).offered(), first);
    server.pass(1);
    (2..=most).for_each(|n| drop(server.hear(&from(n))));
    assert_eq!(server.engine.subnet_counts().next().unwrap().offered, most as usize);
    assert_eq!(server.hear(&wanting(most + 1)).offered(), first);
}
