//! The field of the endurance tests: a server with a /16, and a relay agent with many clients on a cable to it.

use std::net::{Ipv4Addr, SocketAddr};

use crate::dig::{KEY_NAME, KEY_SECRET};
use crate::netns::{Host, Lab};

/// The server, and what every client and the relay reach it by.
pub(crate) const SERVER: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 1);
/// The relay agent; within the subnet, outside the pool.
pub(crate) const RELAY: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 2);
/// Where a DNS server of the tests listens on the server's host.
pub(crate) const DNS: ([u8; 4], u16) = ([127, 0, 0, 1], 5300);
/// How long every lease is.
pub(crate) const LEASE_SECS: u32 = 3_600;
/// The zones of the field.
pub(crate) const ZONES: [&str; 2] = ["nasir.xyz", "77.10.in-addr.arpa"];

/// The two hosts, cabled: server and relay.
pub(crate) fn hosts(lab: &Lab) -> (Host, Host) {
    let (server, relay) = (lab.host("server"), lab.host("relay"));
    lab.cable(&server, "eth0", &relay, "eth0");
    server.ip(&format!("address add {SERVER}/16 dev eth0"));
    relay.ip(&format!("address add {RELAY}/16 dev eth0"));
    (server, relay)
}

/// The daemon's configuration with zones at the tests' DNS server, or embedded.
pub(crate) fn config(remote: bool) -> String {
    let (key, server) = if remote {
        let address = SocketAddr::from(DNS);
        (
            format!("[[key]]\nname = \"{KEY_NAME}\"\nsecret = \"{KEY_SECRET}\"\n\n"),
            format!("server = \"{address}\"\nkey = \"{KEY_NAME}\"\n"),
        )
    } else {
        (String::new(), String::new())
    };
    format!(
        "{key}[dhcp.limits]\npackets_per_client = \"unlimited\"\n\n[ddns]\ndomain = \"nasir.xyz\"\nretry_first = \"1s\"\nretry_max = \"2s\"\n\n\
         [[zone]]\nname = \"nasir.xyz\"\n{server}\n\
         [[zone]]\nprefix = \"10.77.0.0/16\"\n{server}\n\
         [[subnet]]\nprefix = \"10.77.0.0/16\"\npools = [\"10.77.1.0-10.77.250.255\"]\nlease_time = {LEASE_SECS}\n"
    )
}
