//! Identifiers as switches send them, bytes that nobody means, and the words for both.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use proptest::prelude::*;

use super::*;
use crate::identity::HardwareAddress;

const SWITCH: [u8; 6] = [0x00, 0x1B, 0x2C, 0x3D, 0x4E, 0x5F];

fn circuit(data: &[u8]) -> String {
    CircuitId::read(data).to_string()
}

fn remote(data: &[u8]) -> String {
    RemoteId::read(data).to_string()
}

fn client() -> HardwareAddress {
    HardwareAddress::new(1, &[2, 0, 0, 0, 0, 1]).unwrap()
}

/// One sub-option.
fn mark(code: u8, data: &[u8]) -> Vec<u8> {
    [&[code, u8::try_from(data.len()).unwrap()][..], data].concat()
}

#[test]
fn ciscos_circuit_identifier_is_vlan_module_and_port() {
    assert_eq!(CircuitId::read(&[0, 4, 0, 20, 1, 4]), CircuitId::Port { vlan: 20, module: 1, port: 4 });
    assert_eq!(circuit(&[0, 4, 0x0F, 0xFE, 0, 48]), "VLAN 4094, module 0, port 48");
    // No switch has such a VLAN.
    assert_eq!(circuit(&[0, 4, 0xFF, 0xFF, 1, 4]), "circuit 0x0004ffff0104");
    assert_eq!(circuit(&[0, 4, 0, 0, 1, 4]), "circuit 0x000400000104");
    assert_eq!(circuit(&[0, 4, 0, 20, 1]), "circuit 0x0004001401");
}

#[test]
fn ciscos_configured_texts_stand_behind_a_type_and_a_length() {
    assert_eq!(circuit(b"\x01\x08room-204"), "port room-204");
    assert_eq!(remote(b"\x01\x0afloor2-sw1"), "floor2-sw1");
    assert_eq!(remote(b"\x01\x0bfloor2-sw1"), "0x010b666c6f6f72322d737731", "a length that is wrong");
    assert_eq!(circuit(b"\x01\x02\x1b["), "circuit 0x01021b5b");
}

#[test]
fn interface_names_are_read_with_the_vlan_that_some_switches_append() {
    for (text, words) in [
        ("Gi1/0/4", "port Gi1/0/4"),
        ("eth0", "port eth0"),
        ("1/1/12", "port 1/1/12"),
        ("ge-0/0/1.0:20", "VLAN 20, port ge-0/0/1.0"),
        ("ge-0/0/1.0:vlan20", "VLAN 20, port ge-0/0/1.0"),
        ("irb:VLAN-20", "VLAN 20, port irb"),
        ("ge-0/0/1.0:staff", "port ge-0/0/1.0:staff"),
        ("ge-0/0/1:4095", "port ge-0/0/1:4095"),
        ("sw1 eth 0/1/7:100", "VLAN 100, port \"sw1 eth 0/1/7\""),
        ("1:7", "port 1:7"),
        ("00:1b:2c:3d:4e:22", "port 00:1b:2c:3d:4e:22"),
        (":20", "port :20"),
    ] {
        assert_eq!(circuit(text.as_bytes()), words);
    }
    assert_eq!(circuit(b"eth0\0"), "port eth0", "a zero at the end is no part of a name");
}

#[test]
fn hp_sends_the_ports_number_and_mikrotiks_relay_its_interfaces_hardware_address() {
    assert_eq!(circuit(&[0, 24]), "port 24");
    assert_eq!(circuit(b"A1"), "port A1");
    assert_eq!(circuit(&[0x50, 3, 0, 1, 0, 1]), "interface 50:03:00:01:00:01");
}

#[test]
fn a_remote_identifier_is_a_hardware_address_an_address_or_a_text() {
    for mac in [&[&[0, 6][..], &SWITCH].concat()[..], &SWITCH, b"00:1B:2C:3D:4E:5F", b"00-1b-2c-3d-4e-5f"] {
        assert_eq!(RemoteId::read(mac), RemoteId::Mac(SWITCH));
    }
    for mac in ["001b.2c3d.4e5f", "001b2c3d4e5f"] {
        assert_eq!(RemoteId::read(mac.as_bytes()), RemoteId::Mac(SWITCH));
    }
    assert_eq!(remote(&SWITCH), "00:1b:2c:3d:4e:5f");
    assert_eq!(remote(&[10, 0, 0, 7]), "10.0.0.7");
    assert_eq!(remote(b"floor2"), "floor2", "six letters are a name");
    for text in ["00:1b-2c:3d-4e:5f", "001b.2c3d4e.5f", "zz:1b:2c:3d:4e:5f", "123456789012"] {
        assert_eq!(RemoteId::read(text.as_bytes()), RemoteId::Text(text));
    }
    assert_eq!(remote(&[0, 6, 1, 2, 3]), "0x0006010203");
    assert_eq!(remote(&[]), "(empty)");
}

#[test]
fn what_is_shown_has_a_limit_and_no_control_characters() {
    assert_eq!(remote(b"\x1b[31mred"), "0x1b5b33316d726564");
    assert_eq!(remote(b"a \"b\" \\"), r#""a \"b\" \\""#);
    assert_eq!(remote(&[b'x'; 255]), format!("{}...", "x".repeat(64)));
    assert_eq!(remote(&[7; 255]), format!("0x{}...", "07".repeat(32)));
    let many = mark(200, &[]).repeat(400);
    let shown = RelayAgentInfo(&many).to_string();
    assert_eq!(shown.matches("sub-option 200 (empty)").count(), 16);
    assert!(shown.ends_with("; ..."), "{shown}");
}

#[test]
fn every_sub_option_is_told_by_its_name() {
    for (code, data, words) in [
        (1, &[0, 4, 0, 20, 1, 4][..], "circuit VLAN 20, module 1, port 4"),
        (1, &[0, 9], "circuit port 9"),
        (1, &[0, 9, 9], "circuit 0x000909"),
        (2, b"floor2-sw1", "remote floor2-sw1"),
        (4, &[0, 0, 0, 1], "DOCSIS device class 0x00000001"),
        (5, &[10, 8, 0, 0], "link selection 10.8.0.0"),
        (6, b"room 204", "subscriber \"room 204\""),
        (7, &[1, 3, 97], "RADIUS attributes 0x010361"),
        (8, &[0; 20], "authentication (20 bytes, not checked)"),
        (9, &[0, 0, 0, 9, 2, 1, 0], "vendor 9 0x0100"),
        (9, &[0, 0, 9], "sub-option 9 0x000009"),
        (10, &[0x80], "client sent by unicast"),
        (10, &[0], "client sent by broadcast"),
        (11, &[10, 7, 0, 1], "server identifier 10.7.0.1"),
        (12, b"r1", "relay identifier r1"),
        (13, &[1], "sub-option 13 0x01"),
        (19, &[], "answer to the relay's own port"),
        (150, &[10, 8, 0, 0], "link selection (Cisco) 10.8.0.0"),
        (151, b"\0blue", "VPN blue"),
        (151, &[1, 2], "VPN 0x0102"),
        (152, &[], "VPN not honoured"),
        (152, &[10, 7, 0, 1], "server identifier (Cisco) 10.7.0.1"),
    ] {
        assert_eq!(RelayAgentInfo(&mark(code, data)).to_string(), words);
    }
    let cut = [mark(1, b"eth0"), vec![2, 9, 1]].concat();
    assert_eq!(RelayAgentInfo(&cut).to_string(), "circuit port eth0; 3 bytes that cannot be read");
    assert_eq!(RelayAgentInfo(&[1]).to_string(), "1 bytes that cannot be read");
    assert_eq!(RelayAgentInfo(&[]).to_string(), "");
}

/// A table of one switch under `keys`, with a name for one port.
fn table(keys: &[SwitchKey], port: &str) -> Switches {
    let mut switches = Switches::default();
    let ports = [(port.to_owned(), "room 204".to_owned())].into();
    switches.add(keys.iter().cloned(), Switch { name: "floor2-sw1".into(), ports });
    switches
}

fn words(switches: &Switches, giaddr: [u8; 4], marks: &[u8]) -> Option<String> {
    Whereabouts::read(switches, giaddr.into(), marks, &client()).map(|found| found.to_string())
}

#[test]
fn where_a_client_is_is_told_with_names_from_the_table() {
    let marks = [mark(1, &[0, 4, 0, 20, 1, 4]), mark(2, &[&[0, 6][..], &SWITCH].concat())].concat();
    let named = table(&[SwitchKey::Mac(SWITCH)], "1/4");
    let unnamed = Switches::default();
    let told = |switches| words(switches, [10, 7, 0, 1], &marks);
    assert_eq!(told(&named).unwrap(), "floor2-sw1, VLAN 20, module 1, port 4 (room 204)");
    assert_eq!(told(&unnamed).unwrap(), "switch 00:1b:2c:3d:4e:5f, VLAN 20, module 1, port 4");
    let other_port = table(&[SwitchKey::Mac(SWITCH)], "1/5");
    assert_eq!(told(&other_port).unwrap(), "floor2-sw1, VLAN 20, module 1, port 4");
    // The relay's own name is used where the switch behind it has none.
    let router = table(&[SwitchKey::Relay([10, 7, 0, 1].into())], "eth1");
    assert_eq!(words(&router, [10, 7, 0, 1], &mark(1, b"eth1")).unwrap(), "floor2-sw1, port eth1 (room 204)");
    assert_eq!(words(&unnamed, [10, 7, 0, 1], &mark(1, b"eth1")).unwrap(), "relay 10.7.0.1, port eth1");
    assert_eq!(words(&unnamed, [10, 7, 0, 1], &[]).unwrap(), "relay 10.7.0.1");
    assert_eq!(words(&unnamed, [0; 4], &mark(1, &[0, 24])).unwrap(), "port 24");
    assert_eq!(words(&unnamed, [0; 4], &mark(6, b"4711")).unwrap(), "subscriber 4711");
    assert_eq!(words(&unnamed, [0; 4], &mark(10, &[0])), None);
    assert_eq!(words(&named, [0; 4], &[]), None);
}

#[test]
fn a_switch_is_found_by_any_spelling_of_what_it_sends() {
    let marks = |remote: &[u8]| [mark(1, &[0, 4, 0, 20, 0, 4]), mark(2, remote)].concat();
    let told = |key: SwitchKey, remote: &[u8]| words(&table(&[key], "4"), [0; 4], &marks(remote)).unwrap();
    let expected = "floor2-sw1, VLAN 20, module 0, port 4 (room 204)";
    assert_eq!(told(SwitchKey::Mac(SWITCH), &SWITCH), expected);
    assert_eq!(told(SwitchKey::Mac(SWITCH), b"001b.2c3d.4e5f"), expected);
    assert_eq!(told(SwitchKey::Text("sw".into()), b"\x01\x02sw"), expected);
    assert_eq!(told(SwitchKey::Text("sw".into()), b"sw"), expected);
    assert_eq!(told(SwitchKey::Address([10, 0, 0, 7].into()), &[10, 0, 0, 7]), expected);
    assert_eq!(told(SwitchKey::Bytes([9, 9].into()), &[9, 9]), expected);
    assert_eq!(told(SwitchKey::Mac(*b"floor2"), b"floor2"), expected, "a hardware address that looks like text");
}

#[test]
fn a_remote_identifier_that_repeats_the_client_is_no_switch() {
    let marks = [mark(1, b"ether2"), mark(2, client().as_bytes())].concat();
    assert_eq!(words(&Switches::default(), [10, 7, 0, 1], &marks).unwrap(), "relay 10.7.0.1, port ether2");
}

fn relay_information() -> impl Strategy<Value = Vec<u8>> {
    let data = prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..40),
        proptest::collection::vec(0x20_u8..0x7F, 0..255),
        (any::<[u8; 4]>()).prop_map(|port| [&[0, 4][..], &port].concat()),
        "[ -~]{0,60}:[vlan0-9]{0,9}".prop_map(String::into_bytes),
    ];
    let whole = proptest::collection::vec((any::<u8>(), data).prop_map(|(code, data)| mark(code, &data)), 0..24);
    prop_oneof![whole.prop_map(|marks| marks.concat()), proptest::collection::vec(any::<u8>(), 0..1100)]
}

proptest! {
    #[test]
    fn whatever_comes_is_shown_in_printable_ascii_within_a_limit(marks in relay_information(), giaddr: [u8; 4]) {
        let whole = RelayAgentInfo(&marks).to_string();
        let place = words(&table(&[SwitchKey::Mac(SWITCH)], "1/4"), giaddr, &marks).unwrap_or_default();
        for (shown, limit) in [(whole, 16 * 170 + 100), (place, 600)] {
            prop_assert!(shown.bytes().all(|byte| matches!(byte, b' '..=b'~')), "{shown:?}");
            prop_assert!(shown.len() <= limit, "{}", shown.len());
        }
    }
}
