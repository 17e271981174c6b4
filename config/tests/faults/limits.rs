//! What one sender may cost, and who may ask for leases.

use dhcp::limits::{Limits, Rate};

use super::{GOOD, and, config, refused, warned};

#[test]
fn limits_are_generous_unless_they_are_written() {
    let limits = config(GOOD).dhcp.limits;
    assert_eq!(
        limits,
        Limits {
            packets_per_client: Some(Rate { count: 300, per_secs: 60 }),
            new_leases_per_client: Some(Rate { count: 300, per_secs: 3_600 }),
            ..Limits::default()
        }
    );
    let written = config(&and("[dhcp.limits]\npackets_per_client = \"20/s\"\npackets_per_relay = \"5000 / m\"\n\
                               new_leases_per_client = \"unlimited\"\nnew_leases_per_relay = \"100/h\"\n\
                               leases_per_port = 8\n"));
    assert_eq!(
        written.dhcp.limits,
        Limits {
            packets_per_client: Some(Rate { count: 20, per_secs: 1 }),
            packets_per_relay: Some(Rate { count: 5_000, per_secs: 60 }),
            new_leases_per_client: None,
            new_leases_per_relay: Some(Rate { count: 100, per_secs: 3_600 }),
            leases_per_port: Some(8),
        }
    );
}

#[test]
fn limits_that_are_none() {
    for bad in ["many", "20", "20/d", "/s", "-1/s", "99999999999/s", ""] {
        refused(
            &and(&format!("[dhcp.limits]\npackets_per_client = \"{bad}\"")),
            &[("8:22", &format!("\"{bad}\""), &format!("`{bad}` is not a rate"), "\"300/m\"")],
        );
    }
    refused(
        &and("[dhcp.limits]\nnew_leases_per_relay = \"0/h\"\nleases_per_port = 0"),
        &[
            ("8:24", "\"0/h\"", "`new_leases_per_relay` cannot be zero: nobody would be answered", "\"unlimited\""),
            (
                "9:19",
                "0",
                "`leases_per_port` cannot be zero: no client behind a switch would get an address",
                "take the key out",
            ),
        ],
    );
}

#[test]
fn nobody_may_ask_for_leases_unless_it_is_allowed() {
    let asked = config(GOOD).dhcp.leasequery;
    assert_eq!((asked.allow.len(), asked.bulk), (0, false));
    let asked =
        config(&and("[leasequery]\nallow = [\"10.7.0.0/24\", \"192.168.30.2/32\"]\nbulk = true\n")).dhcp.leasequery;
    assert_eq!((asked.allow.len(), asked.bulk), (2, true));
}

#[test]
fn leasequery_keys_that_contradict_each_other() {
    refused(
        &and("[leasequery]\nbulk = true"),
        &[("8:8", "true", "`bulk` is on, and nobody may ask", "[\"10.0.0.0/8\"]")],
    );
    refused(
        &and("[leasequery]\nallow = [\"10.7.0.1/24\"]"),
        &[("8:10", "\"10.7.0.1/24\"", "`10.7.0.1/24` has bits set beyond its length", "10.7.0.0/24")],
    );
    warned(
        &and("[leasequery]\nallow = [\"0.0.0.0/0\"]"),
        &[("8:10", "\"0.0.0.0/0\"", "everybody may ask who has which address, and with which hardware", "prefixes")],
    );
}
