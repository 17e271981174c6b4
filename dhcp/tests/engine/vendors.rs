//! Options 43 and 125 by who made the client, and option 116 where there is no address.

use dhcp::client::ClientMessage;
use dhcp::decision::Decision;
use dhcp::destination::Destination;
use dhcp::message::{DropReason, MessageType};
use dhcp::options::code;
use dhcp::options::vendor::{VendorClass, VendorOptions};
use dhcp::settings::{OptionSet, Reservation, ReservedFor, Scope, Subnet};

use crate::network::*;

const ASKED: [u8; 2] = [code::VENDOR_SPECIFIC_INFORMATION, code::VENDOR_IDENTIFYING_VENDOR_SPECIFIC];

/// Sub-option 1 of 43 for this vendor class.
fn class(identifier: &str, byte: u8) -> VendorOptions {
    let classes = vec![(VendorClass::Is(identifier.as_bytes().into()), [1, 1, byte][..].into())];
    VendorOptions { classes, ..VendorOptions::default() }
}

fn asking(n: u8, vendor_class: &[u8]) -> ClientMessage {
    discover(n).with(code::PARAMETER_REQUEST_LIST, ASKED).with(code::VENDOR_CLASS_IDENTIFIER, vendor_class)
}

fn served(subnet: Subnet) -> Server {
    Server::new(settings([subnet]))
}

fn told(server: &mut Server, message: &ClientMessage, wanted: u8) -> Option<Vec<u8>> {
    option(server.hear(message).reply(), wanted).map(Vec::from)
}

#[test]
fn rfc2132_section_8_4_each_vendors_clients_get_their_own_option_43() {
    let mut vendor = class("MSFT 5.0", 2);
    vendor.classes.extend(class("phone", 3).classes);
    let mut server = served(Subnet { scope: Scope { vendor, ..subnet().scope }, ..subnet() });
    assert_eq!(told(&mut server, &asking(1, b"MSFT 5.0"), 43), Some(vec![1, 1, 2]));
    assert_eq!(told(&mut server, &asking(2, b"phone"), 43), Some(vec![1, 1, 3]));
    assert_eq!(told(&mut server, &asking(3, b"printer"), 43), None);
    let unasked = discover(4).with(code::PARAMETER_REQUEST_LIST, [1]).with(code::VENDOR_CLASS_IDENTIFIER, *b"phone");
    assert_eq!(told(&mut server, &unasked, 43), None, "it does not ask for it");
    let without_list = discover(5).with(code::VENDOR_CLASS_IDENTIFIER, *b"phone");
    assert_eq!(told(&mut server, &without_list, 43), Some(vec![1, 1, 3]), "it asks for nothing in particular");
}

#[test]
fn rfc3925_section_4_a_client_is_sent_the_data_of_the_enterprise_that_it_names() {
    let vendor =
        VendorOptions { enterprises: vec![(9, [1][..].into()), (4491, [2][..].into())], ..VendorOptions::default() };
    let mut server = served(Subnet { scope: Scope { vendor, ..subnet().scope }, ..subnet() });
    let cable = asking(1, b"docsis").with(code::VENDOR_IDENTIFYING_VENDOR_CLASS, [0, 0, 17, 139, 0]);
    assert_eq!(told(&mut server, &cable, 125), Some(vec![0, 0, 17, 139, 1, 2]));
    assert_eq!(told(&mut server, &asking(2, b"any"), 125).map(|data| data.len()), Some(12));
}

#[test]
fn the_narrower_scope_decides_by_vendor_or_plainly() {
    let plain = OptionSet([(43, [9][..].into())].into());
    let reserved = |n: u8, scope: Scope| Reservation {
        scope,
        ..reservation([192, 168, 30, 10 + n].into(), ReservedFor::Hardware(mac(n)))
    };
    let mut server = served(Subnet {
        scope: Scope { vendor: class("phone", 2), options: plain.clone(), ..subnet().scope },
        reservations: vec![
            reserved(1, Scope { vendor: class("phone", 7), ..Scope::default() }),
            reserved(2, giving(OptionSet([(43, [8][..].into())].into()))),
            reserved(3, Scope { vendor: class("printer", 7), ..Scope::default() }),
        ],
        ..subnet()
    });
    assert_eq!(told(&mut server, &asking(1, b"phone"), 43), Some(vec![1, 1, 7]), "the reservation's, by vendor");
    assert_eq!(told(&mut server, &asking(2, b"phone"), 43), Some(vec![8]), "the reservation's, whoever made it");
    assert_eq!(told(&mut server, &asking(3, b"phone"), 43), Some(vec![1, 1, 2]), "nothing of the reservation's fits");
    assert_eq!(told(&mut server, &asking(4, b"phone"), 43), Some(vec![1, 1, 2]), "by vendor before plainly");
    assert_eq!(told(&mut server, &asking(5, b"other"), 43), Some(vec![9]));
}

/// A subnet without an address to give, with this option 116.
fn full(auto_configure: Option<u8>) -> Server {
    let options = auto_configure.map(|value| (code::AUTO_CONFIGURE, [value][..].into())).into_iter().collect();
    served(Subnet { pools: Vec::new(), scope: giving(OptionSet(options)), ..subnet() })
}

fn asking_116() -> ClientMessage {
    discover(1).with(code::AUTO_CONFIGURE, [1]).with(code::CLIENT_IDENTIFIER, [1, 2, 3])
}

#[test]
fn rfc2563_a_client_that_asks_and_gets_no_address_is_told_not_to_choose_one() {
    let decision: Decision = full(Some(0)).hear(&asking_116());
    assert_eq!(decision.dropped, Some(DropReason::NoFreeAddress), "the operator hears of it all the same");
    let (reply, destination) = decision.reply.unwrap();
    assert_eq!((reply.message_type, reply.yiaddr, reply.server_identifier), (MessageType::Offer, ZERO, SERVER));
    assert_eq!(destination, Destination::Broadcast, "there is no address to send it to");
    assert_eq!(option(&reply, code::AUTO_CONFIGURE), Some(&[0][..]));
    assert_eq!(option(&reply, code::CLIENT_IDENTIFIER), Some(&[1, 2, 3][..]), "RFC 6842");
    assert_eq!(option(&reply, code::IP_ADDRESS_LEASE_TIME), None);
}

#[test]
fn rfc2563_silence_where_the_client_does_not_ask_or_may_choose_for_itself() {
    for (mut server, message) in
        [(full(Some(0)), discover(1)), (full(Some(1)), asking_116()), (full(None), asking_116())]
    {
        let decision = server.hear(&message);
        assert_eq!((decision.reply, decision.dropped), (None, Some(DropReason::NoFreeAddress)));
    }
}

#[test]
fn option_116_is_never_sent_where_a_scope_says_so_with_an_address_or_without() {
    let never = |pools| {
        let options = OptionSet([(code::AUTO_CONFIGURE, [0][..].into())].into());
        let scope = Scope { never: vec![code::AUTO_CONFIGURE], ..giving(options) };
        served(Subnet { pools, scope, ..subnet() }).hear(&asking_116())
    };
    assert_eq!(option(never(subnet().pools).reply(), code::AUTO_CONFIGURE), None);
    let full = never(Vec::new());
    assert_eq!((full.reply, full.dropped), (None, Some(DropReason::NoFreeAddress)));
}
