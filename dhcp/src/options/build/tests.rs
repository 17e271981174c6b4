#![allow(clippy::unwrap_used, reason = "a test that fails here says why")]

use dhcproto::v4::{DhcpOption, OptionCode, borrowed::DhcpOptionIterator};
use proptest::prelude::*;

use super::*;
use crate::options::code;

fn fqdn(text: &str) -> Fqdn {
    Fqdn::from_labels(text.split('.').map(str::as_bytes)).unwrap()
}

fn prefix(text: &str) -> Ipv4Net {
    text.parse().unwrap()
}

/// What dhcproto reads in an option's data, once it is split as a reply splits it.
fn oracle(code: u8, data: &[u8]) -> DhcpOption {
    let mut field = Vec::new();
    for part in data.chunks(255) {
        field.extend_from_slice(&[code, u8::try_from(part.len()).unwrap()]);
        field.extend_from_slice(part);
    }
    DhcpOptionIterator::new(&field).next().unwrap().into_option().unwrap()
}

#[test]
fn a_prefix_gives_mask_and_broadcast_address() {
    assert_eq!(*subnet_mask(prefix("10.1.0.0/20")), [255, 255, 240, 0]);
    assert_eq!(*broadcast_address(prefix("10.1.0.0/20")), [10, 1, 15, 255]);
}

#[test]
fn a_domain_is_sent_without_its_final_dot_and_without_nul() {
    assert_eq!(*domain_name("home.example."), *b"home.example");
    assert_eq!(*domain_name("home.example"), *b"home.example");
}

#[test]
fn rfc8925_section_3_4_the_wait_is_300_seconds_at_least() {
    assert_eq!(*ipv6_only_preferred(0), [0, 0, 1, 44]);
    assert_eq!(*ipv6_only_preferred(1800), [0, 0, 7, 8]);
}

#[test]
fn rfc3442_examples_of_destination_descriptors() {
    let router = Ipv4Addr::new(10, 0, 0, 1);
    let cases: [(&str, &[u8]); 7] = [
        ("0.0.0.0/0", &[0]),
        ("10.0.0.0/8", &[8, 10]),
        ("10.0.0.0/24", &[24, 10, 0, 0]),
        ("10.17.0.0/16", &[16, 10, 17]),
        ("10.27.129.0/24", &[24, 10, 27, 129]),
        ("10.229.0.128/25", &[25, 10, 229, 0, 128]),
        ("10.198.122.47/32", &[32, 10, 198, 122, 47]),
    ];
    for (destination, descriptor) in cases {
        let data = classless_static_routes(&[(prefix(destination), router)], None);
        assert_eq!(data.strip_suffix(&[10, 0, 0, 1]), Some(descriptor), "{destination}");
    }
}

#[test]
fn rfc3442_the_default_route_goes_inside_option_121() {
    let router = Ipv4Addr::new(10, 0, 0, 1);
    let data = classless_static_routes(&[(prefix("192.168.9.7/24"), router)], Some(router));
    assert_eq!(*data, [24, 192, 168, 9, 10, 0, 0, 1, 0, 10, 0, 0, 1], "bits outside the mask are zero");
    let other = Ipv4Addr::new(10, 0, 0, 254);
    let own = classless_static_routes(&[(prefix("0.0.0.0/0"), other)], Some(router));
    assert_eq!(*own, [0, 10, 0, 0, 254], "a default route of the administrator's own stays alone");
}

#[test]
fn rfc3397_section_2_a_tail_that_was_written_is_pointed_to() {
    // The example of RFC 3397 section 2.
    let names = [fqdn("eng.apple.com"), fqdn("marketing.apple.com")];
    let expected = b"\x03eng\x05apple\x03com\x00\x09marketing\xC0\x04";
    assert_eq!(*domain_search(&names), *expected);
    assert_eq!(*domain_search(&[fqdn("a.b"), fqdn("a.b")]), *b"\x01a\x01b\x00\xC0\x00");
}

#[test]
fn typed_options_read_equal_in_dhcproto() {
    let servers = [Ipv4Addr::new(192, 168, 30, 1), Ipv4Addr::new(9, 9, 9, 9)];
    let router = servers[0];
    let routes = [(prefix("10.0.0.0/8"), servers[1])];
    let cases = [
        (code::SUBNET_MASK, subnet_mask(prefix("10.1.0.0/20")), DhcpOption::SubnetMask([255, 255, 240, 0].into())),
        (code::ROUTER, routers(&servers), DhcpOption::Router(servers.to_vec())),
        (code::DOMAIN_NAME_SERVER, domain_name_servers(&servers), DhcpOption::DomainNameServer(servers.to_vec())),
        (code::NETWORK_TIME_PROTOCOL_SERVERS, ntp_servers(&servers), DhcpOption::NtpServers(servers.to_vec())),
        (code::DOMAIN_NAME, domain_name("lan."), DhcpOption::DomainName("lan".into())),
        (
            code::BROADCAST_ADDRESS,
            broadcast_address(prefix("10.0.0.0/8")),
            DhcpOption::BroadcastAddr([10, 255, 255, 255].into()),
        ),
        (code::INTERFACE_MTU, interface_mtu(1492), DhcpOption::InterfaceMtu(1492)),
        (code::IP_ADDRESS_LEASE_TIME, seconds(7200), DhcpOption::AddressLeaseTime(7200)),
        (code::RENEWAL_TIME_VALUE, seconds(3600), DhcpOption::Renewal(3600)),
        (code::REBINDING_TIME_VALUE, seconds(6300), DhcpOption::Rebinding(6300)),
        (
            code::CLASSLESS_STATIC_ROUTE,
            classless_static_routes(&routes, Some(router)),
            DhcpOption::ClasslessStaticRoute(vec![routes[0], (Ipv4Net::default(), router)]),
        ),
    ];
    for (code, data, expected) in cases {
        assert_eq!(oracle(code, &data), expected);
    }
}

#[test]
fn our_codes_are_those_of_dhcproto_where_it_has_them_right() {
    let pairs = [
        (code::SUBNET_MASK, OptionCode::SubnetMask),
        (code::ROUTER, OptionCode::Router),
        (code::DOMAIN_NAME_SERVER, OptionCode::DomainNameServer),
        (code::HOST_NAME, OptionCode::Hostname),
        (code::DOMAIN_NAME, OptionCode::DomainName),
        (code::INTERFACE_MTU, OptionCode::InterfaceMtu),
        (code::BROADCAST_ADDRESS, OptionCode::BroadcastAddr),
        (code::STATIC_ROUTE, OptionCode::StaticRoutingTable),
        (code::NETWORK_TIME_PROTOCOL_SERVERS, OptionCode::NtpServers),
        (code::VENDOR_SPECIFIC_INFORMATION, OptionCode::VendorExtensions),
        (code::REQUESTED_IP_ADDRESS, OptionCode::RequestedIpAddress),
        (code::IP_ADDRESS_LEASE_TIME, OptionCode::AddressLeaseTime),
        (code::OPTION_OVERLOAD, OptionCode::OptionOverload),
        (code::DHCP_MESSAGE_TYPE, OptionCode::MessageType),
        (code::SERVER_IDENTIFIER, OptionCode::ServerIdentifier),
        (code::PARAMETER_REQUEST_LIST, OptionCode::ParameterRequestList),
        (code::MESSAGE, OptionCode::Message),
        (code::MAXIMUM_DHCP_MESSAGE_SIZE, OptionCode::MaxMessageSize),
        (code::RENEWAL_TIME_VALUE, OptionCode::Renewal),
        (code::REBINDING_TIME_VALUE, OptionCode::Rebinding),
        (code::VENDOR_CLASS_IDENTIFIER, OptionCode::ClassIdentifier),
        (code::CLIENT_IDENTIFIER, OptionCode::ClientIdentifier),
        (code::TFTP_SERVER_NAME, OptionCode::TFTPServerName),
        (code::BOOTFILE_NAME, OptionCode::BootfileName),
        (code::USER_CLASS, OptionCode::UserClass),
        (code::RAPID_COMMIT, OptionCode::RapidCommit),
        (code::CLIENT_FQDN, OptionCode::ClientFQDN),
        (code::RELAY_AGENT_INFORMATION, OptionCode::RelayAgentInformation),
        (code::CLIENT_SYSTEM_ARCHITECTURE, OptionCode::ClientSystemArchitecture),
        (code::CAPTIVE_PORTAL, OptionCode::CaptivePortal),
        (code::AUTO_CONFIGURE, OptionCode::DisableSLAAC),
        (code::SUBNET_SELECTION, OptionCode::SubnetSelection),
        (code::DOMAIN_SEARCH, OptionCode::DomainSearch),
        (code::CLASSLESS_STATIC_ROUTE, OptionCode::ClasslessStaticRoute),
    ];
    for (ours, theirs) in pairs {
        assert_eq!(ours, u8::from(theirs), "{theirs:?}");
    }
    // RFC 8925 section 3.1: "option-code: [...] 108". dhcproto says 106.
    assert_eq!(code::IPV6_ONLY_PREFERRED, 108);
}

prop_compose! {
    fn any_fqdn()(labels in proptest::collection::vec("[a-c]{1,3}|[a-z0-9-]{1,63}", 1..4)) -> Fqdn {
        Fqdn::from_labels(&labels).unwrap()
    }
}

proptest! {
    #[test]
    fn compressed_search_lists_read_equal_in_dhcproto(names in proptest::collection::vec(any_fqdn(), 1..12)) {
        let DhcpOption::DomainSearch(read) = oracle(code::DOMAIN_SEARCH, &domain_search(&names)) else {
            panic!("another option")
        };
        let read: Vec<_> = read.iter().map(|name| Fqdn::from_labels(name.iter()).unwrap()).collect();
        prop_assert_eq!(read, names);
    }

    #[test]
    fn classless_routes_read_equal_in_dhcproto(
        routes in proptest::collection::vec((any::<u32>(), 0_u8..=32, any::<u32>()), 1..20),
    ) {
        let routes: Vec<_> = routes
            .into_iter()
            .map(|(address, len, router)| (Ipv4Net::new(address.into(), len).unwrap().trunc(), router.into()))
            .collect();
        let data = classless_static_routes(&routes, None);
        prop_assert_eq!(oracle(code::CLASSLESS_STATIC_ROUTE, &data), DhcpOption::ClasslessStaticRoute(routes));
    }
}
