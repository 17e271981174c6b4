//! Zones are found, not guessed: names and PTR records stand in the zones that really hold them.
//!
//! Needs root, network namespaces, `named`, `knotd`, `pdns_server` and `dig`.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use crate::asker::Asker;
use crate::dig::{KEY_NAME, KEY_SECRET, Record};
use crate::field::{self, DNS};
use crate::leasehold::{CONTROL, Leasehold, STORE};
use crate::load::Plan;
use crate::netns::{Host, Lab};
use crate::packet::{self, Said};
use crate::process::{succeed, wait_for};
use crate::servers::{DnsServer, Kind};
use crate::upkeep::{actions, dhcid_of_hardware, dns, findings, wait_audit};

const PATIENCE: Duration = Duration::from_secs(30);
/// A zone and one beneath it, forward; a /16 and a /24 of it; a /24 of which the upper half is delegated after RFC 2317.
const ZONES: [&str; 6] = [
    "nasir.xyz",
    "sub.nasir.xyz",
    "168.192.in-addr.arpa",
    "30.168.192.in-addr.arpa",
    "2.0.192.in-addr.arpa",
    "128-25.2.0.192.in-addr.arpa",
];
/// The subnets: prefix, the server's address, the relay's, what is leased, the domain.
const SUBNETS: [(&str, &str, Ipv4Addr, &str, &str); 3] = [
    ("192.0.2.128/25", "192.0.2.254/25", Ipv4Addr::new(192, 0, 2, 253), "192.0.2.140-192.0.2.149", "sub.nasir.xyz"),
    (
        "192.168.30.0/24",
        "192.168.30.1/24",
        Ipv4Addr::new(192, 168, 30, 2),
        "192.168.30.140-192.168.30.149",
        "nasir.xyz",
    ),
    (
        "192.168.40.0/24",
        "192.168.40.1/24",
        Ipv4Addr::new(192, 168, 40, 2),
        "192.168.40.140-192.168.40.149",
        "office.nasir.xyz",
    ),
];

fn hosts(lab: &Lab) -> (Host, Host) {
    let (server, relay) = field::hosts(lab);
    for (prefix, own, other, ..) in SUBNETS {
        let length = prefix.split_once('/').unwrap().1;
        server.ip(&format!("address add {own} dev eth0"));
        relay.ip(&format!("address add {other}/{length} dev eth0"));
    }
    (server, relay)
}

fn subnets() -> String {
    let subnet = |(prefix, _, _, pool, domain): &(&str, &str, Ipv4Addr, &str, &str)| {
        format!("[[subnet]]\nprefix = \"{prefix}\"\npools = [\"{pool}\"]\ndomain = \"{domain}\"\n")
    };
    SUBNETS.iter().map(subnet).collect()
}

fn key() -> String {
    format!("[[key]]\nname = \"{KEY_NAME}\"\nsecret = \"{KEY_SECRET}\"\n")
}

/// Of all zones the file knows only the server.
fn server_alone() -> String {
    let address = SocketAddr::from(DNS);
    format!("[ddns]\nserver = \"{address}\"\nkey = \"{KEY_NAME}\"\ngenerate = true\n{}{}", key(), subnets())
}

/// The file names the wide zones, and the server has more.
fn wide_zones() -> String {
    let at = format!("server = \"{}\"\nkey = \"{KEY_NAME}\"\n", SocketAddr::from(DNS));
    format!(
        "[ddns]\ngenerate = true\n{}[[zone]]\nname = \"nasir.xyz\"\n{at}[[zone]]\nprefix = \"192.168.0.0/16\"\n{at}\
         [[zone]]\nprefix = \"192.0.2.0/24\"\n{at}{}",
        key(),
        subnets()
    )
}

/// What `$GENERATE 129-254 $ CNAME $.128-25` makes.
fn delegate_without_a_class(bind: &DnsServer<'_>) {
    let aliases: String = (129..=254)
        .map(|n| format!("update add {n}.2.0.192.in-addr.arpa. 300 CNAME {n}.128-25.2.0.192.in-addr.arpa.\n"))
        .collect();
    bind.dig().nsupdate(aliases.trim_end());
}

fn lease_one_in_each(relay: &Host, client: u32) {
    for (at, (_, _, giaddr, ..)) in SUBNETS.iter().enumerate() {
        let heard = Asker::new(relay, *giaddr, true).take(client + at as u32, Duration::from_secs(20));
        assert_eq!(heard.map(|heard| heard.kind), Some(packet::ACK), "{giaddr}");
    }
}

fn wait_done(leasehold: &Leasehold<'_>) {
    let told = || {
        let names = leasehold.names();
        (names.len() >= 6 && names.iter().all(|name| name.done)).then_some(())
    };
    wait_for("every name is done", PATIENCE, told);
}

/// Each name and each PTR in the zone that holds it, and nowhere else. Three addresses and three PTRs in all.
fn stand_in_their_own_zones(bind: &DnsServer<'_>) {
    let of = |zone: &str, rtype: &str| -> Vec<String> {
        let records = bind.dig().transfer(zone);
        records.into_iter().filter(|record| record.rtype == rtype).map(|record| record.owner).collect()
    };
    let ends = |owners: Vec<String>, end: &str| {
        assert!(owners.len() == 1 && owners[0].trim_end_matches('.').ends_with(end), "{owners:?} in {end}");
    };
    ends(of("sub.nasir.xyz", "A"), ".sub.nasir.xyz");
    let forward = of("nasir.xyz", "A");
    assert_eq!(forward.len(), 2, "{forward:?}");
    assert_eq!(forward.iter().filter(|owner| owner.contains(".office.nasir.xyz")).count(), 1, "{forward:?}");
    ends(of("128-25.2.0.192.in-addr.arpa", "PTR"), ".128-25.2.0.192.in-addr.arpa");
    assert_eq!(of("2.0.192.in-addr.arpa", "PTR"), Vec::<String>::new());
    ends(of("30.168.192.in-addr.arpa", "PTR"), ".30.168.192.in-addr.arpa");
    ends(of("168.192.in-addr.arpa", "PTR"), ".40.168.192.in-addr.arpa");
}

fn are_found(kind: Kind, config: &str) {
    let lab = Lab::new();
    let (server, relay) = hosts(&lab);
    let mut dns = DnsServer::start(kind, &server, SocketAddr::from(DNS), &ZONES);
    delegate_without_a_class(&dns);
    let mut leasehold = Leasehold::start(&server, config);
    lease_one_in_each(&relay, 1);
    wait_done(&leasehold);
    stand_in_their_own_zones(&dns);

    // What is there is known after a start, too: no zone's serial moves.
    let serials = || ZONES.map(|zone| dns.dig().serial(zone));
    let before = serials();
    leasehold.stop();
    leasehold.resume();
    wait_done(&leasehold);
    std::thread::sleep(Duration::from_secs(1));
    assert_eq!(serials(), before);
    leasehold.stop();
    dns.stop();
}

#[test]
fn users_reverse_zones_other_than_8_16_24_are_found_with_bind() {
    are_found(Kind::Bind, &server_alone());
}

#[test]
fn users_reverse_zones_other_than_8_16_24_are_found_with_knot() {
    are_found(Kind::Knot, &server_alone());
}

#[test]
fn users_reverse_zones_other_than_8_16_24_are_found_with_powerdns() {
    are_found(Kind::PowerDns, &server_alone());
}

#[test]
fn zones_beneath_those_that_are_written_are_found() {
    are_found(Kind::Bind, &wide_zones());
}

#[test]
fn a_server_that_is_away_at_the_start_delays_names_and_no_lease() {
    let lab = Lab::new();
    let (server, relay) = hosts(&lab);
    let mut dns = DnsServer::start(Kind::Bind, &server, SocketAddr::from(DNS), &ZONES);
    delegate_without_a_class(&dns);
    dns.stop();
    let mut leasehold = Leasehold::start(&server, &server_alone());
    lease_one_in_each(&relay, 1);
    let names = leasehold.names();
    assert!(names.iter().any(|name| name.state.contains("its zone is not known yet")), "{names:?}");
    leasehold.process().wait_log(": 127.0.0.1:5300 does not answer; it is asked again", 1, PATIENCE);
    dns.resume();
    wait_done(&leasehold);
    stand_in_their_own_zones(&dns);
    leasehold.stop();
    dns.stop();
}

#[test]
fn a_zone_without_a_class_that_is_written_is_kept_embedded_too() {
    let lab = Lab::new();
    let (server, relay) = hosts(&lab);
    let (prefix, _, giaddr, pool, domain) = SUBNETS[0];
    let config = format!(
        "[ddns]\ngenerate = true\n[[zone]]\nname = \"{domain}\"\n\
         [[zone]]\nname = \"128-25.2.0.192.in-addr.arpa\"\nprefix = \"{prefix}\"\n\
         [[subnet]]\nprefix = \"{prefix}\"\npools = [\"{pool}\"]\ndomain = \"{domain}\"\n"
    );
    let mut leasehold = Leasehold::start(&server, &config);
    let heard = Asker::new(&relay, giaddr, true).take(1, Duration::from_secs(20)).unwrap();
    let last = heard.yiaddr.octets()[3];
    let dig = crate::dig::Dig::new(&relay, SocketAddr::from((field::SERVER, 53)));
    let rcode = dig.rcode(&format!("{last}.128-25.2.0.192.in-addr.arpa"), "PTR");
    assert_eq!(rcode.as_deref(), Some("NOERROR"));
    leasehold.stop();
}

/// Every record of every zone but the SOA records, whose serials move.
fn all_records(bind: &DnsServer<'_>) -> Vec<Record> {
    ZONES.iter().flat_map(|zone| bind.dig().transfer(zone)).filter(|record| record.rtype != "SOA").collect()
}

/// Where the PTR record of the lease in the delegated half stands, and the last octet of its address.
fn delegated_pointer(bind: &DnsServer<'_>) -> (String, u8) {
    let records = bind.dig().transfer("128-25.2.0.192.in-addr.arpa");
    let owner = records.into_iter().find(|record| record.rtype == "PTR").unwrap().owner;
    let last = owner.split('.').next().unwrap().parse().unwrap();
    (owner, last)
}

/// In zones that only the server knows, with PTR records under the aliases of a classless delegation (RFC 2317).
#[test]
fn zones_that_were_found_are_audited_and_mended_where_their_records_stand() {
    let lab = Lab::new();
    let (server, relay) = hosts(&lab);
    let mut bind = DnsServer::start(Kind::Bind, &server, SocketAddr::from(DNS), &ZONES);
    delegate_without_a_class(&bind);
    let dig = bind.dig();
    let leasehold = Leasehold::start(&server, &server_alone());
    lease_one_in_each(&relay, 1);
    wait_done(&leasehold);
    wait_audit(&leasehold, &[]);
    let whole = all_records(&bind);
    let (alias, last) = delegated_pointer(&bind);
    let address = format!("192.0.2.{last}");
    let printed = succeed(&mut leasehold.command(&["explain", &alias, "--json", "--socket", CONTROL]));
    let told: serde_json::Value = serde_json::from_str(&printed).unwrap();
    let pointer = told["records"].as_array().unwrap().iter().find(|record| record["rtype"] == "PTR").unwrap();
    assert_eq!((&pointer["key"], &pointer["owner"]), (&address.clone().into(), &alias.clone().into()));

    // One is gone; one of a known host is left behind; and where no alias stands is a record like ours.
    let of_host = |name: &str| dhcid_of_hardware(&Plan::hardware(1), name);
    dig.nsupdate(&format!("update delete {alias}"));
    let old = of_host("old.sub.nasir.xyz");
    let left =
        |owner: &str| format!("update add {owner} 300 PTR old.sub.nasir.xyz.\nupdate add {owner} 300 DHCID {old}");
    dig.nsupdate(&left("145.128-25.2.0.192.in-addr.arpa."));
    dig.nsupdate(&left("128.2.0.192.in-addr.arpa."));
    let expected = [format!("missing {address}"), "stale 192.0.2.145".to_owned()];
    let (code, audit) = dns(&leasehold, &["audit"]);
    assert_eq!((code, findings(&audit)), (1, expected.to_vec()), "{audit}");
    let (code, done) = dns(&leasehold, &["repair"]);
    assert_eq!((code, actions(&done).len()), (0, 2), "{done}");
    wait_audit(&leasehold, &[]);
    let mut mended = all_records(&bind);
    mended.retain(|record| record.owner != "128.2.0.192.in-addr.arpa.");
    assert_eq!(mended, whole, "mended there, and nowhere else");

    // By its name or by its alias: adopted where it stands.
    for named in [alias.clone(), format!("{last}.2.0.192.in-addr.arpa")] {
        dig.nsupdate(&format!("update delete {alias} DHCID"));
        wait_audit(&leasehold, &[&format!("foreign {address}")]);
        let (code, done) = dns(&leasehold, &["adopt", &named]);
        assert_eq!((code, actions(&done).len()), (0, 1), "{done}");
        wait_audit(&leasehold, &[]);
    }
    // Without zone transfers each name is asked for.
    bind.stop();
    let named = server.path("/etc/bind/named.conf");
    let text = std::fs::read_to_string(&named).unwrap();
    let transfers = format!("allow-transfer {{ key {KEY_NAME}; }}");
    std::fs::write(&named, text.replace(&transfers, "allow-transfer { none; }")).unwrap();
    bind.resume();
    wait_audit(&leasehold, &[]);
    dig.nsupdate(&format!("update delete {alias}"));
    let (_, audit) = dns(&leasehold, &["audit"]);
    assert_eq!(findings(&audit), [format!("missing {address}")]);
    assert_eq!(dns(&leasehold, &["resync"]).0, 0);
    wait_audit(&leasehold, &[]);
}

/// As ISC dhcpd left it: without a DHCID. As Kea left it: with one of the hardware address, where we take the client
/// identifier.
#[test]
fn pointers_of_a_former_server_are_inherited_under_their_aliases() {
    for (inherit, by_kea) in [("isc-dhcpd", false), ("kea", true)] {
        let lab = Lab::new();
        let (server, relay) = hosts(&lab);
        let bind = DnsServer::start(Kind::Bind, &server, SocketAddr::from(DNS), &ZONES);
        delegate_without_a_class(&bind);
        let dig = bind.dig();
        let config = server_alone()
            .replace("[ddns]", &format!("[ddns]\ninherit = [\"{inherit}\"]"))
            .replace(SUBNETS[0].3, "192.0.2.140-192.0.2.140");
        let mut leasehold = Leasehold::start(&server, &config);
        let take = || {
            let mut asker = Asker::new(&relay, SUBNETS[0].2, true);
            let said = |kind| Said {
                client_id: Some(vec![0, 7, 7, 7]),
                hostname: Some("pc".to_owned()),
                ..Said::new(kind, 0, Plan::hardware(1))
            };
            let offer = asker.ask(said(packet::DISCOVER), Duration::from_secs(20)).unwrap();
            let asked = Said { requested: Some(offer.yiaddr), server: Some(offer.server), ..said(packet::REQUEST) };
            assert_eq!(asker.ask(asked, Duration::from_secs(20)).unwrap().kind, packet::ACK);
        };
        let wait_done = |leasehold: &Leasehold<'_>| {
            wait_for("name and PTR are done", PATIENCE, || {
                let names = leasehold.names();
                (names.len() == 2 && names.iter().all(|name| name.done)).then_some(())
            });
        };
        take();
        wait_done(&leasehold);
        let whole = all_records(&bind);
        leasehold.stop();
        std::fs::remove_dir_all(server.path(STORE)).unwrap();
        let alias = "140.128-25.2.0.192.in-addr.arpa.";
        dig.nsupdate(&format!("update delete {alias} DHCID"));
        if by_kea {
            let theirs = dhcid_of_hardware(&Plan::hardware(1), "pc.sub.nasir.xyz");
            dig.nsupdate(&format!("update add {alias} 300 DHCID {theirs}"));
        }
        assert_ne!(all_records(&bind), whole);
        leasehold.resume();
        take();
        wait_done(&leasehold);
        assert_eq!(all_records(&bind), whole, "{inherit}: ours again, and nothing else has changed");
        wait_audit(&leasehold, &[]);
        assert!(
            leasehold.log().contains(&format!("DNS: {alias} was written for the same client")),
            "{}",
            leasehold.log()
        );
    }
}
