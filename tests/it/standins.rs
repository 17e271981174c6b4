//! The harness itself, proved against ISC dhcpd: what fails here is no fault of Leasehold's.

use std::net::Ipv4Addr;
use std::time::Duration;

use crate::clients::{Client, Kind, Naming};
use crate::load::{Load, Plan};
use crate::netns::{Host, Lab};
use crate::process::Running;
use crate::servers::{self, DnsServer};

fn dhcpd(server: &Host) -> Running {
    server.write(
        "/etc/dhcp/dhcpd.conf",
        "authoritative; ddns-update-style none; subnet 10.0.0.0 netmask 255.255.255.0 { } default-lease-time 40; max-lease-time 40;\n\
         subnet 192.168.30.0 netmask 255.255.255.0 {\n\
           range 192.168.30.100 192.168.30.199; option routers 192.168.30.1;\n\
           option dhcp-renewal-time 3; option dhcp-rebinding-time 35;\n\
         }\n",
    );
    server.write("/var/lib/dhcp/dhcpd.leases", "");
    let mut running = server.start("dhcpd", &["-4", "-f", "-d", "--no-pid", "eth0"]);
    running.wait_log("Sending on   LPF/eth0", 1, Duration::from_secs(10));
    running
}

fn lives_with_dhcpd(kind: Kind, naming: Naming, witness: &str) {
    let lab = Lab::new();
    let (server, host) = (lab.host("server"), lab.host("client"));
    lab.cable(&server, "eth0", &host, "eth0");
    server.ip("address add 192.168.30.1/24 dev eth0");
    let dhcpd = dhcpd(&server);
    let mut client = Client::new(kind, &host, naming);

    let first = client.take();
    assert!(Ipv4Addr::new(192, 168, 30, 100) <= first && first <= Ipv4Addr::new(192, 168, 30, 199));
    let requests = dhcpd.count("DHCPREQUEST for");
    assert_eq!(client.renew(), first);
    assert!(dhcpd.count("DHCPREQUEST for") > requests, "a renewal reached the server");
    client.release();
    assert_eq!(dhcpd.count("DHCPRELEASE of"), 1);
    assert_eq!(client.take(), first, "dhcpd gives a client its last address again");
    assert!(dhcpd.log().contains(witness), "{witness:?} in the server's log:\n{}", dhcpd.log());
    client.vanish();
    assert_eq!(client.address(), None);
}

#[test]
fn dhclient_is_driven() {
    lives_with_dhcpd(Kind::Dhclient, Naming::Hostname("client1".into()), "(client1) via eth0");
}

#[test]
fn udhcpc_is_driven() {
    lives_with_dhcpd(Kind::Udhcpc, Naming::Hostname("client2".into()), "(client2) via eth0");
}

#[test]
fn dhcpcd_is_driven() {
    lives_with_dhcpd(Kind::Dhcpcd, Naming::Hostname("client3".into()), "(client3) via eth0");
}

#[test]
fn networkd_is_driven() {
    lives_with_dhcpd(Kind::Networkd, Naming::Hostname("client4".into()), "(client4) via eth0");
}

fn takes_signed_updates(kind: servers::Kind) {
    let lab = Lab::new();
    let host = lab.host("dns");
    let address = "127.0.0.1:5300".parse().unwrap();
    let mut server = DnsServer::start(kind, &host, address, &["nasir.xyz", "30.168.192.in-addr.arpa"]);
    let dig = server.dig();
    let first = dig.serial("nasir.xyz");

    dig.nsupdate(
        "prereq nxdomain client1.nasir.xyz.\n\
         update add client1.nasir.xyz. 60 A 192.168.30.100\n\
         update add client1.nasir.xyz. 60 TYPE49 \\# 3 010203",
    );
    dig.nsupdate("update add 100.30.168.192.in-addr.arpa. 60 PTR client1.nasir.xyz.");
    dig.wait_agree("client1.nasir.xyz", Ipv4Addr::new(192, 168, 30, 100));
    assert_ne!(dig.serial("nasir.xyz"), first);
    let records = dig.transfer("nasir.xyz");
    let of_type = |rtype: &str| records.iter().filter(|record| record.rtype == rtype).count();
    assert_eq!((of_type("A"), of_type("DHCID"), of_type("SOA")), (1, 1, 1), "{records:?}");
    assert_eq!(dig.rcode("client2.nasir.xyz", "A").as_deref(), Some("NXDOMAIN"));

    server.kill();
    assert_eq!(dig.rcode("client1.nasir.xyz", "A"), None);
    server.resume();
    dig.wait_agree("client1.nasir.xyz", Ipv4Addr::new(192, 168, 30, 100));
    dig.nsupdate("update delete client1.nasir.xyz.");
    dig.nsupdate("update delete 100.30.168.192.in-addr.arpa. PTR");
    dig.wait_gone("client1.nasir.xyz", Ipv4Addr::new(192, 168, 30, 100));
    server.stop();
}

#[test]
fn bind_takes_signed_updates() {
    takes_signed_updates(servers::Kind::Bind);
}

#[test]
fn knot_takes_signed_updates() {
    takes_signed_updates(servers::Kind::Knot);
}

#[test]
fn powerdns_takes_signed_updates() {
    takes_signed_updates(servers::Kind::PowerDns);
}

#[test]
fn a_lease_comes_through_the_relay() {
    let lab = Lab::new();
    let (server, router, host) = (lab.host("server"), lab.host("router"), lab.host("client"));
    lab.cable(&server, "eth0", &router, "up");
    lab.cable(&router, "down", &host, "eth0");
    server.ip("address add 10.0.0.1/24 dev eth0");
    router.ip("address add 10.0.0.2/24 dev up");
    router.ip("address add 192.168.30.1/24 dev down");
    server.ip("route add 192.168.30.0/24 via 10.0.0.2");
    let dhcpd = dhcpd(&server);
    let _relay = servers::start_relay(&router, "down", "up", Ipv4Addr::new(10, 0, 0, 1));
    let mut client = Client::new(Kind::Udhcpc, &host, Naming::Silent);
    client.take();
    assert!(dhcpd.log().contains("via 192.168.30.1"), "{}", dhcpd.log());
}

#[test]
fn a_load_of_clients_is_served() {
    let lab = Lab::alone();
    let (server, relay) = (lab.host("server"), lab.host("relay"));
    lab.cable(&server, "eth0", &relay, "eth0");
    server.ip("address add 192.168.30.1/24 dev eth0");
    relay.ip("address add 192.168.30.2/24 dev eth0");
    let _dhcpd = dhcpd(&server);
    let plan = Plan::arrivals(60, 100.0);
    let load = Load::new(&relay, Ipv4Addr::new(192, 168, 30, 2), Ipv4Addr::new(192, 168, 30, 1), plan);
    let history = load.finish(Duration::from_secs(30));
    assert_eq!(history.held().len(), 60);
    assert_eq!(history.violations(), "");
}
