//! Somebody took an address of the pool by hand: the daemon notices before it offers it, or the client does after.

use std::net::Ipv4Addr;
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::clients::{Client, Kind, Naming};
use crate::leasehold::{CONTROL, Leasehold};
use crate::netns::{Host, Lab};
use crate::packet::{self, Heard, Said};
use crate::process::{finish, succeed, wait_for};
use crate::servers::start_relay;
use crate::wire::Wire;

/// The first address of the pool, which is what a new client is offered.
const FIRST: Ipv4Addr = Ipv4Addr::new(192, 168, 30, 100);
const SECOND: Ipv4Addr = Ipv4Addr::new(192, 168, 30, 101);
const PATIENCE: Duration = Duration::from_secs(30);

fn config(probe: &str, timeout_ms: u32) -> String {
    format!(
        "[dhcp]\nprobe = \"{probe}\"\nprobe_timeout_ms = {timeout_ms}\n\n\
         [[subnet]]\nprefix = \"192.168.30.0/24\"\npools = [\"192.168.30.100-192.168.30.199\"]\n\
         routers = [\"192.168.30.1\"]\ninterfaces = [\"lan\"]\n"
    )
}

/// A host whose interface is a switch for the hosts that are put on it.
fn switch(lab: &Lab, name: &str, interface: &str) -> Host {
    let host = lab.host(name);
    host.ip(&format!("link add name {interface} type bridge forward_delay 0 stp_state 0"));
    host.ip(&format!("link set dev {interface} addrgenmode none"));
    host.ip(&format!("address add 192.168.30.1/24 dev {interface}"));
    host.ip(&format!("link set dev {interface} up"));
    host
}

/// A host on such a switch.
fn plugged(lab: &Lab, switch: &Host, interface: &str, name: &str) -> Host {
    let host = lab.host(name);
    lab.cable(&host, "eth0", switch, name);
    switch.ip(&format!("link set dev {name} master {interface}"));
    host
}

/// Takes an address that nobody gave to it.
fn squat(host: &Host, address: Ipv4Addr) {
    host.ip(&format!("address add {address}/24 dev eth0"));
    host.ip("route add default via 192.168.30.1");
}

fn hardware(host: &Host) -> String {
    let shown = host.ip("-o link show dev eth0");
    shown.split_whitespace().skip_while(|word| *word != "link/ether").nth(1).expect("a hardware address").to_owned()
}

/// State and hardware address of what the daemon keeps of an address.
fn kept(leasehold: &Leasehold<'_>, address: Ipv4Addr) -> (String, String) {
    let lease = leasehold.leases().into_iter().find(|lease| lease.address == address);
    let lease = lease.unwrap_or_else(|| panic!("nothing is known of {address}"));
    (lease.state, lease.hardware)
}

#[test]
fn rfc2131_section_3_1_a_squatter_on_the_link_is_found_by_arp_and_told_with_its_hardware_address() {
    let lab = Lab::new();
    let server = switch(&lab, "server", "lan");
    let squatter = plugged(&lab, &server, "lan", "squatter");
    let host = plugged(&lab, &server, "lan", "client");
    squat(&squatter, FIRST);
    let mut leasehold = Leasehold::start(&server, &config("rested", 1000));
    assert_eq!(Client::new(Kind::Udhcpc, &host, Naming::Silent).take(), SECOND);

    let (squatter, client) = (hardware(&squatter), hardware(&host));
    assert_eq!(kept(&leasehold, FIRST), ("quarantined".to_owned(), squatter.clone()));
    assert_eq!(kept(&leasehold, SECOND), ("bound".to_owned(), client));
    let shown = succeed(&mut leasehold.command(&["leases", "--all", "--socket", CONTROL]));
    let line = shown.lines().find(|line| line.contains("192.168.30.100")).expect("a line of the address");
    assert!(line.contains("quarantined") && line.contains(&squatter), "{shown}");
    let told = format!("{FIRST} is used by the machine {squatter}, without a lease");
    leasehold.process().wait_log(&told, 1, PATIENCE);
}

#[test]
fn rfc2131_section_3_1_a_squatter_behind_a_relay_is_found_by_icmp() {
    let lab = Lab::new();
    let server = lab.host("server");
    let router = switch(&lab, "router", "lower");
    lab.cable(&server, "lan", &router, "upper");
    server.ip("address add 10.0.0.1/24 dev lan");
    router.ip("address add 10.0.0.2/24 dev upper");
    server.ip("route add 192.168.30.0/24 via 10.0.0.2");
    succeed(router.tool("sysctl").args(["-qw", "net.ipv4.ip_forward=1"]));
    let squatter = plugged(&lab, &router, "lower", "squatter");
    let host = plugged(&lab, &router, "lower", "client");
    squat(&squatter, FIRST);
    let _relay = start_relay(&router, "lower", "upper", Ipv4Addr::new(10, 0, 0, 1));
    let mut leasehold = Leasehold::start(&server, &config("rested", 1000));
    assert_eq!(Client::new(Kind::Udhcpc, &host, Naming::Silent).take(), SECOND);

    assert_eq!(kept(&leasehold, FIRST).0, "quarantined");
    assert_eq!(kept(&leasehold, SECOND), ("bound".to_owned(), hardware(&host)));
    // Whose it is an echo reply does not tell.
    leasehold.process().wait_log(&format!("{FIRST} is used by somebody, without a lease"), 1, PATIENCE);
}

/// Released a moment ago, the address has not rested and is not probed; meanwhile a stranger took it.
#[test]
fn rfc2131_section_3_1_udhcpc_declines_what_a_stranger_took_after_the_probe_and_gets_another() {
    let lab = Lab::new();
    let server = switch(&lab, "server", "lan");
    let squatter = plugged(&lab, &server, "lan", "squatter");
    let host = plugged(&lab, &server, "lan", "client");
    let mut leasehold = Leasehold::start(&server, &config("rested", 200));
    let arguments = ["-f", "-i", "eth0", "-a500", "-t", "20", "-T", "1", "-A", "1"];
    let mut client = host.start("udhcpc", &arguments);
    let obtained = |address: Ipv4Addr| format!("lease of {address} obtained from 192.168.30.1");
    client.wait_log(&obtained(FIRST), 1, PATIENCE);
    client.signal(Signal::SIGUSR2);
    leasehold.process().wait_log(&format!("{FIRST} released by"), 1, PATIENCE);

    squat(&squatter, FIRST);
    // Without an address, as a client asks: 1 says that somebody has it.
    let arping =
        finish(host.tool("busybox").args(["arping", "-D", "-c", "2", "-w", "5", "-I", "eth0", "192.168.30.100"]));
    assert_eq!(arping.status.code(), Some(1), "{arping:?}");
    client.signal(Signal::SIGUSR1);
    client.wait_log(&obtained(SECOND), 1, PATIENCE);
    let hardware = hardware(&host);
    leasehold.process().wait_log(&format!("{FIRST} declined by {hardware}"), 1, PATIENCE);
    assert_eq!(kept(&leasehold, FIRST), ("quarantined".to_owned(), hardware.clone()));
    assert_eq!(kept(&leasehold, SECOND), ("bound".to_owned(), hardware));
    wait_for("the other address, and no other, on the interface", PATIENCE, || {
        let shown = host.ip("-4 -o address show dev eth0");
        (shown.matches(" inet ").count() == 1 && shown.contains("inet 192.168.30.101/24")).then_some(())
    });
}

/// One wire carries everything, so the order in which the answers come is the order in which they were sent.
#[test]
fn while_an_address_is_probed_only_the_client_that_would_be_offered_it_waits() {
    const HOLDER: [u8; 6] = [2, 0, 0, 0, 0, 0xb];
    const NEWCOMER: [u8; 6] = [2, 0, 0, 0, 0, 0xa];
    let lab = Lab::new();
    let (server, clients) = (lab.host("server"), lab.host("clients"));
    lab.cable(&server, "lan", &clients, "eth0");
    server.ip("address add 192.168.30.1/24 dev lan");
    let wire = Wire::open(&clients, "eth0");
    let say = |said: &Said| wire.broadcast(None, &said.encode());
    let hear = || {
        let heard = Heard::decode(&wire.next_reply().0.payload).expect("a reply");
        (heard.xid, heard.kind, heard.yiaddr)
    };

    let mut leasehold = Leasehold::start(&server, &config("off", 5000));
    let select = |xid: u32| {
        let server = Some(Ipv4Addr::new(192, 168, 30, 1));
        Said { requested: Some(FIRST), server, ..Said::new(packet::REQUEST, xid, HOLDER) }
    };
    say(&Said::new(packet::DISCOVER, 1, HOLDER));
    assert_eq!(hear(), (1, packet::OFFER, FIRST));
    say(&select(1));
    assert_eq!(hear(), (1, packet::ACK, FIRST));
    clients.ip(&format!("address add {FIRST}/24 dev eth0"));
    leasehold.stop();
    Leasehold::rewrite(&server, &config("always", 5000));
    leasehold.resume();

    say(&Said::new(packet::DISCOVER, 2, NEWCOMER));
    assert_eq!(wire.next_arp_probe(), SECOND);
    // Rebinding, restarted with its address remembered, restarted with nothing.
    say(&Said { ciaddr: FIRST, ..Said::new(packet::REQUEST, 3, HOLDER) });
    assert_eq!(hear(), (3, packet::ACK, FIRST));
    say(&Said { requested: Some(FIRST), ..Said::new(packet::REQUEST, 4, HOLDER) });
    assert_eq!(hear(), (4, packet::ACK, FIRST));
    say(&Said::new(packet::DISCOVER, 5, HOLDER));
    assert_eq!(hear(), (5, packet::OFFER, FIRST));
    say(&select(5));
    assert_eq!(hear(), (5, packet::ACK, FIRST));
    assert_eq!(hear(), (2, packet::OFFER, SECOND), "nobody answered for the address");
}
