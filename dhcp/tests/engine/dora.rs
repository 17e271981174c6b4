//! DISCOVER, OFFER, REQUEST, ACK.

use dhcp::decision::LeaseEventKind;
use dhcp::destination::Destination;
use dhcp::lease::LeaseState;
use dhcp::options::code;

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
    assert_eq!(ack.store, server.engine.leases().collect::<Vec<_>>());
    let [lease] = &ack.store[..] else { panic!("one record") };
    assert_eq!((lease.state, lease.expires_at), (LeaseState::Bound, server.now.wall_secs + 3600));
    let options: Vec<u8> = ack.reply().options.iter().map(|(code, _)| *code).collect();
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
