//! Real clients take, renew, release, retake and abandon leases; `dig` and `dig -x` agree at every step, with the
//! embedded zones and with real DNS servers behind TSIG.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use crate::clients::{Client, Kind, Naming};
use crate::dig::{Dig, KEY_NAME, KEY_SECRET};
use crate::lan::{client_host, server};
use crate::leasehold::Leasehold;
use crate::netns::{Host, Lab};
use crate::process::wait_for;
use crate::servers::{self, DnsServer};

const SERVER: Ipv4Addr = Ipv4Addr::new(192, 168, 30, 1);
const DNS_PORT: u16 = 5300;
const PATIENCE: Duration = Duration::from_secs(20);

/// Who holds the zones.
#[derive(Clone, Copy)]
enum Zones {
    Embedded,
    At(servers::Kind),
}

/// The daemon's configuration, `[server]` aside: one subnet with leases of ten seconds, renewed after three.
fn config(zones: Zones) -> String {
    let (key, server) = match zones {
        Zones::Embedded => (String::new(), String::new()),
        Zones::At(_) => (
            format!("[[key]]\nname = \"{KEY_NAME}\"\nsecret = \"{KEY_SECRET}\"\n\n"),
            format!("server = \"127.0.0.1:{DNS_PORT}\"\nkey = \"{KEY_NAME}\"\n"),
        ),
    };
    format!(
        "{key}[ddns]\ndomain = \"nasir.xyz\"\nretry_first = \"1s\"\nretry_max = \"1s\"\nretry_conflict = \"1s\"\n\n\
         [[zone]]\nname = \"nasir.xyz\"\n{server}\n\
         [[zone]]\nprefix = \"192.168.30.0/24\"\n{server}\n\
         [[subnet]]\nprefix = \"192.168.30.0/24\"\npools = [\"192.168.30.100-192.168.30.199\"]\n\
         routers = [\"192.168.30.1\"]\nlease_time = \"10s\"\nlease_time_min = \"10s\"\nt1 = 0.3\nt2 = 0.9\n"
    )
}

fn start_dns(zones: Zones, host: &Host) -> Option<DnsServer<'_>> {
    let address = SocketAddr::from(([127, 0, 0, 1], DNS_PORT));
    match zones {
        Zones::Embedded => None,
        Zones::At(kind) => Some(DnsServer::start(kind, host, address, &["nasir.xyz", "30.168.192.in-addr.arpa"])),
    }
}

/// Asks whoever holds the zones, from the server's host.
fn dig(zones: Zones, host: &Host) -> Dig<'_> {
    match zones {
        Zones::Embedded => Dig::new(host, SocketAddr::from((SERVER, 53))),
        Zones::At(_) => Dig::new(host, SocketAddr::from(([127, 0, 0, 1], DNS_PORT))),
    }
}

/// The whole life of a lease.
fn lives(kind: Kind, naming: Naming, zones: Zones) {
    let lab = Lab::new();
    let server = server(&lab);
    let _dns = start_dns(zones, &server);
    let leasehold = Leasehold::start(&server, &config(zones));
    let dig = dig(zones, &server);
    let host = client_host(&lab, &server, "client");
    live(&mut Client::new(kind, &host, naming), &leasehold, &dig);
}

fn live(client: &mut Client<'_>, leasehold: &Leasehold<'_>, dig: &Dig<'_>) {
    let name = "client1.nasir.xyz";
    let first = client.take();
    dig.wait_agree(name, first);
    let expires_at = |address| leasehold.leases().iter().find(|lease| lease.address == address).unwrap().expires_at;

    let before = expires_at(first);
    // The stored times are whole seconds, and a client that renews at once gains less than one.
    wait_for("a renewal moves the end of the lease", PATIENCE, || {
        assert_eq!(client.renew(), first, "a renewal keeps the address");
        (expires_at(first) > before).then_some(())
    });
    dig.wait_agree(name, first);

    client.release();
    dig.wait_gone(name, first);

    assert_eq!(client.take(), first, "a client that comes back gets its address again");
    dig.wait_agree(name, first);

    client.vanish();
    dig.wait_gone(name, first);
    let lease = leasehold.leases().into_iter().find(|lease| lease.address == first);
    assert!(lease.is_none_or(|lease| lease.state == "expired"), "a lease that nobody renewed has ended");
}

fn hostname() -> Naming {
    Naming::Hostname("client1".to_owned())
}

fn fqdn() -> Naming {
    Naming::Fqdn("client1.nasir.xyz".to_owned())
}

const BIND: Zones = Zones::At(servers::Kind::Bind);

/// Tests of every client with both ways of telling its name.
macro_rules! lives {
    ($($test:ident: $kind:ident, $naming:ident, $zones:expr;)+) => {
        $(#[test]
        fn $test() {
            lives(Kind::$kind, $naming(), $zones);
        })+
    };
}

lives! {
    dhclient_with_option_81_and_embedded_zones: Dhclient, fqdn, Zones::Embedded;
    dhclient_with_option_12_and_embedded_zones: Dhclient, hostname, Zones::Embedded;
    dhclient_with_option_81_and_bind: Dhclient, fqdn, BIND;
    dhclient_with_option_12_and_bind: Dhclient, hostname, BIND;
    udhcpc_with_option_81_and_embedded_zones: Udhcpc, fqdn, Zones::Embedded;
    udhcpc_with_option_12_and_embedded_zones: Udhcpc, hostname, Zones::Embedded;
    udhcpc_with_option_81_and_bind: Udhcpc, fqdn, BIND;
    udhcpc_with_option_12_and_bind: Udhcpc, hostname, BIND;
    dhcpcd_with_option_81_and_embedded_zones: Dhcpcd, fqdn, Zones::Embedded;
    dhcpcd_with_option_12_and_embedded_zones: Dhcpcd, hostname, Zones::Embedded;
    dhcpcd_with_option_81_and_bind: Dhcpcd, fqdn, BIND;
    dhcpcd_with_option_12_and_bind: Dhcpcd, hostname, BIND;
    networkd_with_option_81_and_embedded_zones: Networkd, fqdn, Zones::Embedded;
    networkd_with_option_12_and_embedded_zones: Networkd, hostname, Zones::Embedded;
    networkd_with_option_81_and_bind: Networkd, fqdn, BIND;
    networkd_with_option_12_and_bind: Networkd, hostname, BIND;
    udhcpc_with_knot: Udhcpc, fqdn, Zones::At(servers::Kind::Knot);
    udhcpc_with_powerdns: Udhcpc, fqdn, Zones::At(servers::Kind::PowerDns);
}

#[test]
fn a_client_without_a_name_gets_a_lease_and_no_record() {
    let lab = Lab::new();
    let server = server(&lab);
    let leasehold = Leasehold::start(&server, &config(Zones::Embedded));
    let host = client_host(&lab, &server, "client");
    let mut client = Client::new(Kind::Udhcpc, &host, Naming::Silent);
    let address = client.take();
    assert_eq!(leasehold.leases().len(), 1);
    assert_eq!(dig(Zones::Embedded, &server).names(address), Vec::<String>::new());
}

/// A router between the clients' link and the server: ISC's relay agent, and unicast renewals past it.
fn lives_behind_relay(kind: Kind, zones: Zones) {
    let lab = Lab::new();
    let (server, router, host) = (lab.host("server"), lab.host("router"), lab.host("client"));
    lab.cable(&server, "lan", &router, "upper");
    lab.cable(&router, "lower", &host, "eth0");
    server.ip("address add 10.0.0.1/24 dev lan");
    // The embedded server is asked at the same address as everywhere here.
    server.ip("address add 192.168.31.1/32 dev lan");
    router.ip("address add 10.0.0.2/24 dev upper");
    router.ip("address add 192.168.30.1/24 dev lower");
    server.ip("route add 192.168.30.0/24 via 10.0.0.2");
    crate::process::succeed(router.tool("sysctl").args(["-qw", "net.ipv4.ip_forward=1"]));
    let _dns = start_dns(zones, &server);
    let leasehold = Leasehold::start(&server, &format!("{}interfaces = [\"lan\"]\n", config(zones)));
    let _relay = servers::start_relay(&router, "lower", "upper", Ipv4Addr::new(10, 0, 0, 1));
    let dig = match zones {
        Zones::Embedded => Dig::new(&server, SocketAddr::from(([10, 0, 0, 1], 53))),
        Zones::At(_) => dig(zones, &server),
    };
    live(&mut Client::new(kind, &host, fqdn()), &leasehold, &dig);
}

#[test]
fn dhclient_behind_the_isc_relay_with_bind() {
    lives_behind_relay(Kind::Dhclient, BIND);
}

#[test]
fn udhcpc_behind_the_isc_relay_with_embedded_zones() {
    lives_behind_relay(Kind::Udhcpc, Zones::Embedded);
}

/// Waits until the updater has been told that somebody else holds the name.
fn wait_conflict(leasehold: &Leasehold<'_>, name: &str) {
    wait_for(&format!("a conflict over {name} is told"), PATIENCE, || {
        let names = leasehold.names();
        names.iter().any(|view| view.key.trim_end_matches('.') == name && !view.done).then_some(())
    });
}

#[test]
fn an_address_record_made_by_hand_is_never_touched() {
    let lab = Lab::new();
    let server = server(&lab);
    let dns = start_dns(BIND, &server).unwrap();
    let dig = dns.dig();
    dig.nsupdate("update add client1.nasir.xyz. 300 A 10.9.9.9");
    let by_hand = dig.transfer("nasir.xyz");
    let leasehold = Leasehold::start(&server, &config(BIND));
    let host = client_host(&lab, &server, "client");
    let mut client = Client::new(Kind::Udhcpc, &host, hostname());
    client.take();
    wait_conflict(&leasehold, "client1.nasir.xyz");
    for _ in 0..3 {
        client.renew();
    }
    assert_eq!(
        leasehold.log().matches("client1.nasir.xyz. is not published").count(),
        1,
        "told once, not over and over"
    );
    client.release();
    // A client of another name shows that the updater has gone on since.
    let other_host = client_host(&lab, &server, "other");
    let mut other = Client::new(Kind::Udhcpc, &other_host, Naming::Hostname("client2".to_owned()));
    dig.wait_agree("client2.nasir.xyz", other.take());
    let now: Vec<_> = dig.transfer("nasir.xyz").into_iter().filter(|record| record.rtype != "SOA").collect();
    for record in by_hand.iter().filter(|record| record.rtype != "SOA") {
        assert!(now.contains(record), "{record:?} is gone: {now:?}");
    }
    let ours = |record: &&crate::dig::Record| record.owner == "client1.nasir.xyz.";
    assert_eq!(now.iter().filter(ours).count(), 1, "nothing was added to the name made by hand: {now:?}");
}

#[test]
fn a_pointer_record_made_by_hand_is_never_touched() {
    let lab = Lab::new();
    let server = server(&lab);
    let dns = start_dns(BIND, &server).unwrap();
    let dig = dns.dig();
    dig.nsupdate("update add 100.30.168.192.in-addr.arpa. 300 PTR printer.by-hand.example.");
    let one = config(BIND).replace("192.168.30.100-192.168.30.199", "192.168.30.100");
    let leasehold = Leasehold::start(&server, &one);
    let host = client_host(&lab, &server, "client");
    let mut client = Client::new(Kind::Udhcpc, &host, hostname());
    let address = client.take();
    wait_for("the name itself is there", PATIENCE, || (dig.addresses("client1.nasir.xyz") == [address]).then_some(()));
    wait_conflict(&leasehold, &address.to_string());
    assert_eq!(dig.names(address), ["printer.by-hand.example."]);
    client.release();
    wait_for("the name is gone", PATIENCE, || {
        (dig.rcode("client1.nasir.xyz", "A").as_deref() == Some("NXDOMAIN")).then_some(())
    });
    assert_eq!(dig.names(address), ["printer.by-hand.example."]);
}

/// The first client keeps its name; the second has a lease without one, until the name is free and it renews.
fn two_clients_with_one_name(zones: Zones) {
    let lab = Lab::new();
    let server = server(&lab);
    let _dns = start_dns(zones, &server);
    let _leasehold = Leasehold::start(&server, &config(zones).replace("\"10s\"", "\"60s\""));
    let dig = dig(zones, &server);
    let (first_host, second_host) = (client_host(&lab, &server, "first"), client_host(&lab, &server, "second"));
    let mut first = Client::new(Kind::Udhcpc, &first_host, hostname());
    let mut second = Client::new(Kind::Udhcpc, &second_host, hostname());
    let kept = first.take();
    dig.wait_agree("client1.nasir.xyz", kept);
    let other = second.take();
    assert_ne!(kept, other);
    // A third client's name shows that the updater has gone on since.
    let third_host = client_host(&lab, &server, "third");
    let mut third = Client::new(Kind::Udhcpc, &third_host, Naming::Hostname("client3".to_owned()));
    dig.wait_agree("client3.nasir.xyz", third.take());
    assert_eq!(dig.addresses("client1.nasir.xyz"), [kept], "the first client keeps its name");
    assert_eq!(dig.names(other), Vec::<String>::new());
    first.release();
    dig.wait_gone("client1.nasir.xyz", kept);
    second.renew();
    dig.wait_agree("client1.nasir.xyz", other);
}

#[test]
fn two_clients_with_one_name_and_embedded_zones() {
    two_clients_with_one_name(Zones::Embedded);
}

#[test]
fn two_clients_with_one_name_and_bind() {
    two_clients_with_one_name(BIND);
}
