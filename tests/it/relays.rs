//! Real relay agents between clients and server: a lease is taken through the relay, renewed past it, and released, and
//! all the while it is known where the client is.

use std::net::Ipv4Addr;
use std::time::Duration;

use crate::clients::{Client, Kind, Naming};
use crate::leasehold::{Lease, Leasehold};
use crate::netns::{Host, Lab};
use crate::process::{Running, succeed, wait_for};

const SERVER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
/// The router's address on the clients' link.
const LOWER: Ipv4Addr = Ipv4Addr::new(192, 168, 30, 1);
/// The router's address on the server's link.
const UPPER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);
const PATIENCE: Duration = Duration::from_secs(20);

/// One relayed subnet; the router is a row of the table of switches.
const CONFIG: &str = "[[subnet]]\nprefix = \"192.168.30.0/24\"\npools = [\"192.168.30.100-192.168.30.199\"]\n\
                      routers = [\"192.168.30.1\"]\nlease_time = \"60s\"\nlease_time_min = \"10s\"\n\
                      interfaces = [\"lan\"]\n\
                      [[switch]]\nname = \"north-router\"\nrelay = \"192.168.30.1\"\n\
                      ports = { \"lower\" = \"floor 2\" }\n";

/// Server, router and client in a row; the router passes on.
struct Row {
    server: Host,
    router: Host,
    client: Host,
}

impl Row {
    fn new(lab: &Lab) -> Self {
        let (server, router, client) = (lab.host("server"), lab.host("router"), lab.host("client"));
        lab.cable(&server, "lan", &router, "upper");
        lab.cable(&router, "lower", &client, "eth0");
        server.ip(&format!("address add {SERVER}/24 dev lan"));
        router.ip(&format!("address add {UPPER}/24 dev upper"));
        router.ip(&format!("address add {LOWER}/24 dev lower"));
        server.ip(&format!("route add 192.168.30.0/24 via {UPPER}"));
        passes_on(&router);
        Self { server, router, client }
    }
}

fn passes_on(router: &Host) {
    succeed(router.tool("sysctl").args(["-qw", "net.ipv4.ip_forward=1"]));
}

/// ISC's relay agent, with option 82 and what `words` add: at least what the interface towards the server is for.
fn dhcrelay(router: &Host, words: &[&str], server: Ipv4Addr) -> Running {
    let server = server.to_string();
    let always = ["-4", "-d", "--no-pid", "-a", "-id", "lower"];
    let mut relay = router.start("dhcrelay", &[&always, words, &[&server]].concat());
    relay.wait_log("Sending on   Socket/fallback", 1, PATIENCE);
    relay
}

fn only_lease(leasehold: &Leasehold<'_>) -> Lease {
    let mut leases = leasehold.leases();
    assert_eq!(leases.len(), 1, "{leases:?}");
    leases.remove(0)
}

/// Takes a lease, renews it, restarts the server, releases it. Through all of it the lease is of `giaddr` and the client
/// at `place`. Once the lease is taken the relays end: they see what they route, and pass copies of renewals on.
///
/// So nobody passes on what the client then broadcasts, and it must be one that asks again by unicast (RFC 2131, 4.4.5),
/// as dhcpcd does. udhcpc asks so once, and loses an answer that comes too early: it sends from a connected socket, on the
/// port where another one of its own listens, and then closes it. Until then the kernel hands what the server sends to the
/// connected one, which is never read; on a busy machine the ACK can be there before udhcpc's turn to close it.
fn lives(server: &Host, client: &Host, giaddr: Ipv4Addr, place: &str, relays: Vec<Running>) {
    let mut leasehold = Leasehold::start(server, CONFIG);
    let is_placed = |lease: &Lease| {
        assert_eq!((lease.relay, lease.place.as_deref()), (Some(giaddr), Some(place)), "{lease:?}");
    };
    let mut client = Client::new(Kind::Dhcpcd, client, Naming::Silent);
    let address = client.take();
    assert_eq!(address, Ipv4Addr::new(192, 168, 30, 100));
    let taken = only_lease(&leasehold);
    is_placed(&taken);
    assert!(leasehold.log().contains(&format!(", behind {place}")), "the log says where the client is");

    drop(relays);
    // The stored times are whole seconds, and a client that renews at once gains less than one.
    let renewed = wait_for("a renewal moves the end of the lease", PATIENCE, || {
        assert_eq!(client.renew(), address, "a renewal keeps the address");
        Some(only_lease(&leasehold)).filter(|lease| lease.expires_at > taken.expires_at)
    });
    is_placed(&renewed);

    leasehold.stop();
    leasehold.resume();
    is_placed(&only_lease(&leasehold));
    assert_eq!(client.renew(), address, "a server that was started anew knows the lease");
    is_placed(&only_lease(&leasehold));

    client.release();
    wait_for("the lease is released", PATIENCE, || (only_lease(&leasehold).state == "released").then_some(()));
    is_placed(&only_lease(&leasehold));
}

#[test]
fn iscs_relay_with_option_82_names_the_port_and_renewals_go_past_it() {
    let lab = Lab::new();
    let row = Row::new(&lab);
    let relay = dhcrelay(&row.router, &["-iu", "upper"], SERVER);
    lives(&row.server, &row.client, LOWER, "north-router, port lower (floor 2)", vec![relay]);
}

/// The relay puts its upper address into giaddr and says by sub-option 5 which link the client is on.
#[test]
fn rfc3527_iscs_relay_with_link_selection_is_answered_at_its_other_address() {
    let lab = Lab::new();
    let row = Row::new(&lab);
    let relay = dhcrelay(&row.router, &["-U", "upper"], SERVER);
    lives(&row.server, &row.client, UPPER, "relay 10.0.0.2, port lower", vec![relay]);
}

#[test]
fn dnsmasq_as_a_relay() {
    let lab = Lab::new();
    let row = Row::new(&lab);
    let relayed = format!("--dhcp-relay={LOWER},{SERVER}");
    let words = ["--keep-in-foreground", "--log-facility=-", "--conf-file=/dev/null", "--port=0", "--user=root"];
    let mut relay = row.router.start("dnsmasq", &[&words[..], &[&relayed]].concat());
    relay.wait_log("DHCP relay", 1, PATIENCE);
    lives(&row.server, &row.client, LOWER, "north-router", vec![relay]);
}

#[test]
fn dhcp_helper_as_a_relay() {
    let lab = Lab::new();
    let row = Row::new(&lab);
    // It goes into the background by itself, once its socket is there, and ends with the laboratory.
    let server = SERVER.to_string();
    let words = ["-s", &server, "-i", "lower", "-u", "root", "-r", "/run/dhcp-helper.pid"];
    succeed(row.router.command(&dhcp_helper()).args(words));
    lives(&row.server, &row.client, LOWER, "north-router", Vec::new());
}

/// Debian's package refuses to stand beside those of ISC, so `./test` unpacks it to a directory of its own.
fn dhcp_helper() -> String {
    let unpacked = concat!(env!("CARGO_MANIFEST_DIR"), "/target/peers/usr/sbin/dhcp-helper");
    let is_there = std::path::Path::new(unpacked).exists();
    if is_there { unpacked.to_owned() } else { "dhcp-helper".to_owned() }
}

/// A relay behind a relay: the first one's word about the port counts, and the answer goes to it.
#[test]
fn two_of_iscs_relays_in_a_row_append_and_the_first_ones_port_counts() {
    let lab = Lab::new();
    let (server, second) = (lab.host("server"), lab.host("second"));
    let (first, client) = (lab.host("first"), lab.host("client"));
    lab.cable(&server, "lan", &second, "upper");
    lab.cable(&second, "lower", &first, "upper");
    lab.cable(&first, "lower", &client, "eth0");
    server.ip(&format!("address add {SERVER}/24 dev lan"));
    second.ip(&format!("address add {UPPER}/24 dev upper"));
    second.ip("address add 10.1.0.1/24 dev lower");
    first.ip("address add 10.1.0.2/24 dev upper");
    first.ip(&format!("address add {LOWER}/24 dev lower"));
    server.ip(&format!("route add default via {UPPER}"));
    second.ip("route add 192.168.30.0/24 via 10.1.0.2");
    first.ip("route add default via 10.1.0.1");
    passes_on(&second);
    passes_on(&first);
    let last = dhcrelay(&second, &["-m", "append", "-iu", "upper"], SERVER);
    let nearest = dhcrelay(&first, &["-iu", "upper"], Ipv4Addr::new(10, 1, 0, 1));
    lives(&server, &client, LOWER, "north-router, port lower (floor 2)", vec![nearest, last]);
}
