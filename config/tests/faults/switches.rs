//! Names for switches.

use dhcp::identity::HardwareAddress;
use dhcp::relay_info::Whereabouts;

use super::{and, config, refused};

/// The words about a client behind `giaddr` 10.7.0.1, with these two identifiers in option 82.
fn words(switches: &str, circuit: &[u8], remote: &[u8]) -> String {
    let config = config(&and(switches));
    let mark = |code: u8, data: &[u8]| [&[code, u8::try_from(data.len()).unwrap()][..], data].concat();
    let marks = [mark(1, circuit), mark(2, remote)].concat();
    let client = HardwareAddress::new(1, &[2, 0, 0, 0, 0, 1]).unwrap();
    Whereabouts::read(&config.switches, [10, 7, 0, 1].into(), &marks, &client).unwrap().to_string()
}

#[test]
fn a_switch_is_named_by_any_spelling_of_its_remote_identifier_or_as_a_relay() {
    let ports = "ports = { \"1/4\" = \"room 204\", \"Gi1/0/5\" = \"printer\" }";
    let circuit = &[0, 4, 0, 20, 1, 4];
    let mac = [0x00, 0x1B, 0x2C, 0x3D, 0x4E, 0x5F];
    let expected = "floor2-sw1, VLAN 20, module 1, port 4 (room 204)";
    for (known_by, remote) in [
        ("remote_id = \"00:1b:2c:3d:4e:5f\"", &[&[0, 6][..], &mac].concat()[..]),
        ("remote_id = \"001B.2C3D.4E5F\"", &mac),
        ("remote_id = \"hex:00:06:00:1b:2c:3d:4e:5f\"", &mac),
        ("remote_id = \"hex:0009ff\"", &[0, 9, 0xFF]),
        ("remote_id = \"sw1.floor2\"", b"\x01\x0asw1.floor2"),
        ("remote_id = \"10.0.0.7\"", &[10, 0, 0, 7]),
        ("relay = \"10.7.0.1\"", b"nobody"),
    ] {
        let switch = format!("[[switch]]\nname = \"floor2-sw1\"\n{known_by}\n{ports}\n");
        assert_eq!(words(&switch, circuit, remote), expected, "{known_by}");
    }
    let switch = format!("[[switch]]\nname = \"floor2-sw1\"\nrelay = \"10.7.0.1\"\n{ports}\n");
    assert_eq!(words(&switch, b"Gi1/0/5", b""), "floor2-sw1, port Gi1/0/5 (printer)");
}

#[test]
fn a_switch_that_nothing_is_known_of() {
    refused(
        &and("[[switch]]\nname = \"sw\""),
        &[("7:1", "[[switch]]", "the switch does not say what it is known by", "leasehold leases")],
    );
    refused(
        &and("[[switch]]\nrelay = \"10.7.0.1\""),
        &[("7:1", "[[switch]]", "`name` is missing in [[switch]]", "add `name")],
    );
}

#[test]
fn two_switches_that_are_known_by_the_same() {
    refused(
        &and("[[switch]]\nname = \"a\"\nremote_id = \"00:1b:2c:3d:4e:5f\"\n\
              [[switch]]\nname = \"b\"\nremote_id = \"001b.2c3d.4e5f\""),
        &[("12:13", "\"001b.2c3d.4e5f\"", "another switch is known by the same", "one [[switch]]")],
    );
}

#[test]
fn texts_that_no_log_can_take() {
    let switch = |key: &str| and(&format!("[[switch]]\nrelay = \"10.7.0.1\"\n{key}"));
    refused(&switch("name = \"\""), &[("9:8", "\"\"", "the name of a switch is empty", "short text")]);
    refused(
        &switch("name = \"a\\u001b[31m\""),
        &[("9:8", "\"a\\u001b[31m\"", "the name of a switch has control characters", "short text")],
    );
    let long = "x".repeat(65);
    refused(
        &switch(&format!("name = \"a\"\nports = {{ \"4\" = \"{long}\" }}")),
        &[("10:17", &format!("\"{long}\""), "the name of a port has 65 bytes, of 64 at most", "short text")],
    );
    refused(
        &switch("name = \"a\"\nremote_id = \"hex:1\""),
        &[("10:13", "\"hex:1\"", "`1` is not a run of bytes in hexadecimal", "hex:00:06")],
    );
}
