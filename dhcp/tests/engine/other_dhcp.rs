//! What later RFCs than 2131 ask of a server, relays apart.

use dhcp::client::ClientMessage;
use dhcp::destination::Destination;
use dhcp::options::code;
use dhcp::settings::{OptionSet, Settings, Subnet};

use crate::network::*;

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
    let mut server = Server::new(Settings { scope: giving(short), ..settings([subnet()]) });
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
    let mut server = Server::new(settings([Subnet { scope: giving(refusing), ..subnet() }]));
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
