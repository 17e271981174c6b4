#![allow(clippy::unwrap_used, reason = "a test that fails here says why")]

use dhcproto::Encodable;
use dhcproto::v4::{DhcpOption, borrowed::DhcpOptionIterator};
use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::options::kind::{BYTES, I32, Kind, Number, U16};
use crate::options::registry::{OPTIONS, by_code, by_name, spaces};

fn kind(name: &str) -> &'static Kind {
    &by_name(name).unwrap().kind
}

fn bytes(kind: &Kind, value: &Value) -> Vec<u8> {
    encode(kind, value).unwrap().into()
}

fn fqdn(text: &str) -> Fqdn {
    text.parse().unwrap()
}

fn a_name() -> impl Strategy<Value = Fqdn> {
    "[a-z]{1,9}(\\.[a-z]{1,9}){0,3}".prop_map(|text| fqdn(&text))
}

fn an_address() -> impl Strategy<Value = Ipv4Addr> {
    any::<u32>().prop_map(Ipv4Addr::from)
}

fn a_route() -> impl Strategy<Value = (Ipv4Net, Ipv4Addr)> {
    (an_address(), 0..=32_u8, an_address()).prop_map(|(to, len, via)| (Ipv4Net::new(to, len).unwrap().trunc(), via))
}

fn data(min: usize, max: usize) -> impl Strategy<Value = Box<[u8]>> {
    vec(any::<u8>(), min..=max).prop_map(Vec::into_boxed_slice)
}

fn a_number(kind: Number) -> BoxedStrategy<i64> {
    if kind.words.is_empty() {
        (kind.min..=kind.max).boxed()
    } else {
        proptest::sample::select(kind.words.iter().map(|(value, _)| *value).collect::<Vec<_>>()).boxed()
    }
}

fn a_resolver() -> impl Strategy<Value = Resolver> {
    let parameters = prop::collection::btree_map(any::<u16>(), data(0, 9), 0..3);
    (any::<u16>(), a_name(), vec(an_address(), 0..3), parameters).prop_map(|(priority, name, addresses, parameters)| {
        let parameters = if addresses.is_empty() { Vec::new() } else { parameters.into_iter().collect() };
        Resolver { priority, name, addresses, parameters }
    })
}

/// Any value of a kind.
fn a_value(kind: &Kind) -> BoxedStrategy<Value> {
    match *kind {
        Kind::Empty => Just(Value::Empty).boxed(),
        Kind::Bool => any::<bool>().prop_map(Value::Bool).boxed(),
        Kind::Number(kind) => a_number(kind).prop_map(Value::Number).boxed(),
        Kind::Numbers(kind) => vec(a_number(kind), 1..9).prop_map(Value::Numbers).boxed(),
        Kind::Address => an_address().prop_map(Value::Address).boxed(),
        Kind::Addresses => vec(an_address(), 1..9).prop_map(Value::Addresses).boxed(),
        Kind::MaybeAddresses => vec(an_address(), 0..9).prop_map(Value::Addresses).boxed(),
        Kind::AddressPairs => vec((an_address(), an_address()), 1..9).prop_map(Value::AddressPairs).boxed(),
        Kind::Ipv6Address => any::<u128>().prop_map(|bits| Value::Ipv6Address(bits.into())).boxed(),
        Kind::Text => "[ -~äöü]{1,60}".prop_map(Value::Text).boxed(),
        Kind::Texts { .. } => vec("[ -~]{1,60}", 1..4).prop_map(Value::Texts).boxed(),
        Kind::Name => a_name().prop_map(|name| Value::Names(vec![name])).boxed(),
        Kind::Names { .. } => vec(a_name(), 1..9).prop_map(Value::Names).boxed(),
        Kind::Routes => vec(a_route(), 1..9).prop_map(Value::Routes).boxed(),
        Kind::NamesOrAddresses => {
            prop_oneof![vec(a_name(), 1..5).prop_map(Value::Names), vec(an_address(), 1..5).prop_map(Value::Addresses)]
                .boxed()
        }
        Kind::AddressLists => vec(vec(an_address(), 1..4), 1..4).prop_map(Value::AddressLists).boxed(),
        Kind::Resolvers => vec(a_resolver(), 1..4).prop_map(Value::Resolvers).boxed(),
        Kind::Uuid => any::<(u8, [u8; 16])>().prop_map(|(kind, bytes)| Value::Uuid(kind, bytes)).boxed(),
        Kind::Bytes { min, max } => data(min.into(), usize::from(max).min(60)).prop_map(Value::Bytes).boxed(),
        Kind::Record(fields) => {
            fields.iter().map(|field| a_value(&field.kind)).collect::<Vec<_>>().prop_map(Value::Record).boxed()
        }
        Kind::Suboptions(space) => proptest::sample::subsequence(space.to_vec(), 1..=space.len().min(4))
            .prop_flat_map(|known| {
                known.into_iter().map(|one| a_value(&one.kind).prop_map(move |v| (one.code, v))).collect::<Vec<_>>()
            })
            .prop_map(Value::Suboptions)
            .boxed(),
        Kind::Enterprises => vec((any::<u32>(), data(0, 60)), 1..4).prop_map(Value::Enterprises).boxed(),
    }
}

/// What dhcproto makes of an option's data, written again by dhcproto. `None`: it cannot read it.
fn through_dhcproto(code: u8, data: &[u8]) -> Option<(DhcpOption, Vec<u8>)> {
    let mut field = Vec::new();
    for part in data.chunks(255) {
        field.extend([code, u8::try_from(part.len()).unwrap()]);
        field.extend(part);
    }
    let option = DhcpOptionIterator::new(&field).next()?.into_option().ok()?;
    let written = option.to_vec().ok()?;
    let mut joined = Vec::new();
    let mut rest = written.as_slice();
    while let [_, len, after @ ..] = rest {
        let (part, after) = after.split_at(usize::from(*len));
        joined.extend(part);
        rest = after;
    }
    Some((option, joined))
}

#[test]
fn any_value_of_any_option_is_read_as_it_was_written() {
    for definition in OPTIONS.iter().chain(spaces::VENDORS.iter().flat_map(|vendor| vendor.options)) {
        let config = ProptestConfig { cases: 32, failure_persistence: None, ..ProptestConfig::default() };
        let mut runner = proptest::test_runner::TestRunner::new(config);
        let round_trip = runner.run(&a_value(&definition.kind), |value| {
            let data = encode(&definition.kind, &value).unwrap();
            prop_assert_eq!(decode(&definition.kind, &data), Some(value));
            Ok(())
        });
        round_trip.unwrap_or_else(|error| panic!("{}: {error}", definition.name));
    }
}

/// Options that dhcproto reads otherwise: 0 and 255 have no data; it takes one architecture in 93 (RFC 4578 section 2.1
/// lists them), one address in 150 (RFC 5859 lists them); and 81 and 82 are only ever echoed.
const DHCPROTO_DIFFERS: &[u8] = &[0, 81, 82, 93, 150, 255];

#[test]
fn dhcproto_reads_what_we_write_and_writes_the_same() {
    let typed = std::cell::Cell::new(0);
    let mut others = Vec::new();
    for definition in OPTIONS.iter().filter(|definition| !DHCPROTO_DIFFERS.contains(&definition.code)) {
        let config = ProptestConfig { cases: 16, failure_persistence: None, ..ProptestConfig::default() };
        let mut runner = proptest::test_runner::TestRunner::new(config);
        let same = runner.run(&a_value(&definition.kind), |value| {
            let data = encode(&definition.kind, &value).unwrap();
            if data.is_empty() {
                return Ok(());
            }
            let read = through_dhcproto(definition.code, &data);
            prop_assert!(read.is_some(), "dhcproto cannot read {:?}", data);
            let (option, written) = read.unwrap();
            if !matches!(option, DhcpOption::Unknown(_)) {
                typed.set(typed.get() + 1);
            }
            // It writes a name that ends as an earlier one does with a pointer (RFC 1035 section 4.1.4), also where we do not.
            let names = kind("domain_search");
            let same_names = matches!(value, Value::Names(_)) && decode(names, &written) == decode(names, &data);
            prop_assert!(same_names || *data == *written, "{:?} and {:?}", data, written);
            Ok(())
        });
        if let Err(error) = same {
            others.push(format!("{} {}: {error}", definition.code, definition.name));
        }
    }
    assert!(others.is_empty(), "{}", others.join("\n"));
    assert!(typed.get() > 500, "dhcproto knew only {}", typed.get());
}

proptest! {
    #[test]
    fn any_bytes_are_read_and_shown_without_a_panic(code in any::<u8>(), data in vec(any::<u8>(), 0..300)) {
        prop_assert!(!show(code, &data).is_empty() || data.is_empty());
        if let Some(definition) = by_code(code)
            && let Some(value) = decode(&definition.kind, &data)
            && let Ok(again) = encode(&definition.kind, &value)
        {
            prop_assert_eq!(decode(&definition.kind, &again), Some(value));
        }
    }
}

#[test]
fn rfc1035_section_4_1_4_a_pointer_leads_backwards_or_the_option_is_refused() {
    let search = kind("domain_search");
    let names = Value::Names(vec![fqdn("eng.apple.com"), fqdn("marketing.apple.com")]);
    assert_eq!(decode(search, b"\x03eng\x05apple\x03com\x00\x09marketing\xC0\x04"), Some(names));
    for bad in [&b"\xC0\x00"[..], b"\x01a\xC0\x00", b"\x01a\xC0\x02", b"\x01a", b"\x40a\x00", b"\x01a\xC0"] {
        assert_eq!(decode(search, bad), None, "{bad:?}");
    }
    let many = [&b"\x01a\x00"[..], &[0xC0, 0].repeat(200)].concat();
    assert_eq!(decode(search, &many), None, "more names than anybody searches");
}

#[test]
fn rfc3361_section_3_examples_of_sip_servers() {
    let servers = kind("sip_servers");
    let names = Value::Names(vec![fqdn("example.com"), fqdn("example.net")]);
    assert_eq!(bytes(servers, &names), b"\x00\x07example\x03com\x00\x07example\x03net\x00");
    let addresses = Value::Addresses(vec![Ipv4Addr::new(192, 0, 2, 1)]);
    assert_eq!(bytes(servers, &addresses), [1, 192, 0, 2, 1]);
    assert_eq!(decode(servers, &[2, 0]), None, "an encoding that is not defined");
}

#[test]
fn rfc9463_section_5_1_a_resolver_without_addresses_ends_after_its_name() {
    let resolvers = kind("v4_dnr");
    let only_named = Resolver { priority: 1, name: fqdn("dns.example"), addresses: Vec::new(), parameters: Vec::new() };
    let data = bytes(resolvers, &Value::Resolvers(vec![only_named.clone()]));
    assert_eq!(data, b"\x00\x10\x00\x01\x0D\x03dns\x07example\x00");
    let full = Resolver {
        addresses: vec![Ipv4Addr::new(192, 0, 2, 53)],
        parameters: vec![(1, b"\x03dot"[..].into())],
        ..only_named.clone()
    };
    let data = bytes(resolvers, &Value::Resolvers(vec![full]));
    assert_eq!(data, b"\x00\x1D\x00\x01\x0D\x03dns\x07example\x00\x04\xC0\x00\x02\x35\x00\x01\x00\x04\x03dot");
    let lost = Resolver { parameters: vec![(1, b"\x03dot"[..].into())], ..only_named };
    assert_eq!(encode(resolvers, &Value::Resolvers(vec![lost])), Err(EncodeError::TooShort));
}

#[test]
fn rfc3925_data_of_an_enterprise_fits_its_length_byte() {
    let classes = kind("vendor_identifying_vendor_specific_information");
    let of = |len: usize| Value::Enterprises(vec![(4491, vec![7; len].into())]);
    assert_eq!(bytes(classes, &of(2)), [0, 0, 0x11, 0x8B, 2, 7, 7]);
    assert_eq!(encode(classes, &of(256)), Err(EncodeError::TooLong));
    assert_eq!(decode(classes, &[0, 0, 0x11, 0x8B, 3, 7, 7]), None);
}

#[test]
fn numbers_keep_to_their_bounds_and_their_words() {
    assert_eq!(bytes(&I32, &Value::Number(-18_000)), (-18_000_i32).to_be_bytes());
    assert_eq!(decode(&I32, &[0xFF, 0xFF, 0xB9, 0xB0]), Some(Value::Number(-18_000)));
    assert_eq!(encode(&U16, &Value::Number(65_536)), Err(EncodeError::OutOfRange));
    assert_eq!(encode(kind("interface_mtu"), &Value::Number(67)), Err(EncodeError::OutOfRange));
    assert_eq!(encode(kind("netbios_node_type"), &Value::Number(3)), Err(EncodeError::OutOfRange));
    assert_eq!(decode(kind("netbios_node_type"), &[3]), Some(Value::Number(3)), "the network may say what it likes");
}

#[test]
fn bytes_are_the_way_out_for_every_kind() {
    let raw = Value::Bytes([1, 2, 3][..].into());
    assert_eq!(bytes(kind("router"), &raw), [1, 2, 3]);
    assert_eq!(encode(kind("geoconf"), &raw), Err(EncodeError::TooShort));
    assert_eq!(encode(&BYTES, &Value::Bool(true)), Err(EncodeError::WrongKind));
}

#[test]
fn options_are_shown_by_name_and_value() {
    let shown = |code: u8, data: &[u8]| format!("{} {}", name_of(code), show(code, data));
    for (code, data, expected) in [
        (3, &[192, 0, 2, 1, 192, 0, 2, 2][..], "router 192.0.2.1, 192.0.2.2"),
        (46, &[8], "netbios_node_type h-node"),
        (46, &[3], "netbios_node_type 3"),
        (60, b"MSFT 5.0\0", "vendor_class_identifier \"MSFT 5.0\""),
        (60, b"a\x1b[2J\n", "vendor_class_identifier \"a\\u{1b}[2J\\n\""),
        (12, b"\xff", "host_name hex:ff"),
        (53, &[1], "dhcp_message_type discover"),
        (
            82,
            &[1, 2, 7, 8, 5, 4, 10, 0, 0, 0],
            "relay_agent_information agent_circuit_id hex:07:08, link_selection 10.0.0.0",
        ),
        (119, b"\x01a\x00\x01b\xC0\x00", "domain_search a, b.a"),
        (121, &[24, 192, 0, 2, 10, 0, 0, 1], "classless_static_route 192.0.2.0/24 via 10.0.0.1"),
        (3, &[192, 0, 2], "router hex:c0:00:02"),
        (230, &[1], "option 230 hex:01"),
        (94, &[1, 3, 16], "client_network_interface_identifier type 1, major 3, minor 16"),
        (80, &[], "rapid_commit yes"),
    ] {
        assert_eq!(shown(code, data), expected);
    }
}
