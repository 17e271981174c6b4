//! `leasehold dns audit`, `repair`, `adopt` and `resync` against a real BIND and against embedded zones.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use dns::HostIdentity;
use serde_json::Value;

use crate::clients::{Client, Kind, Naming};
use crate::dig::{Dig, KEY_NAME, KEY_SECRET, Record};
use crate::lan::{client_host, server};
use crate::leasehold::{CONTROL, Leasehold, STORE};
use crate::netns::{Host, Lab};
use crate::process::{finish, wait_for};
use crate::servers::{self, DnsServer};
use crate::upkeep::{actions, dhcid_of, dhcid_of_hardware, dns, findings, held_back, of_zone, wait_audit};

const PATIENCE: Duration = Duration::from_secs(20);
const ZONES: [&str; 2] = ["nasir.xyz", "30.168.192.in-addr.arpa"];

/// With the zones at BIND, or embedded; `ddns` are keys of `[ddns]`.
fn config(at_bind: bool, ddns: &str) -> String {
    let (key, server) = if at_bind {
        (
            format!("[[key]]\nname = \"{KEY_NAME}\"\nsecret = \"{KEY_SECRET}\"\n\n"),
            format!("server = \"127.0.0.1:5300\"\nkey = \"{KEY_NAME}\"\n"),
        )
    } else {
        (String::new(), String::new())
    };
    format!(
        "{key}[ddns]\ndomain = \"nasir.xyz\"\n{ddns}\n\
         [[zone]]\nname = \"nasir.xyz\"\n{server}\n\
         [[zone]]\nprefix = \"192.168.30.0/24\"\n{server}\n\
         [[subnet]]\nprefix = \"192.168.30.0/24\"\npools = [\"192.168.30.100-192.168.30.199\"]\nlease_time = \"10m\"\n"
    )
}

fn bind(server: &Host) -> DnsServer<'_> {
    DnsServer::start(servers::Kind::Bind, server, SocketAddr::from(([127, 0, 0, 1], 5300)), &ZONES)
}

/// Both zones but for their SOA records.
fn records(dig: &Dig<'_>) -> Vec<Record> {
    ZONES.iter().flat_map(|zone| dig.transfer(zone)).filter(|record| record.rtype != "SOA").collect()
}

fn take<'lab>(host: &'lab Host, name: &str) -> (Client<'lab>, Ipv4Addr) {
    let mut client = Client::new(Kind::Udhcpc, host, Naming::Hostname(name.to_owned()));
    let address = client.take();
    (client, address)
}

/// Damage of each kind by hand; what is ours is mended, what is not stays, and what has no DHCID is adopted.
#[test]
fn users_stale_records_are_left_behind() {
    let lab = Lab::new();
    let server = server(&lab);
    let bind = bind(&server);
    let dig = bind.dig();
    let hosts: Vec<Host> = (1..=4).map(|n| client_host(&lab, &server, &format!("c{n}"))).collect();
    // A leftover: the store that knew of it is gone.
    let mut daemon = Leasehold::start(&server, &config(true, ""));
    let (mut client, address) = take(&hosts[3], "old");
    dig.wait_agree("old.nasir.xyz", address);
    daemon.stop();
    client.vanish();
    std::fs::remove_dir_all(server.path(STORE)).unwrap();
    daemon.resume();
    let (_four, at_four) = take(&hosts[3], "pc4");
    let others: Vec<_> = (0..3).map(|n| take(&hosts[n], &format!("pc{}", n + 1))).collect();
    for (n, (_, address)) in others.iter().enumerate() {
        dig.wait_agree(&format!("pc{}.nasir.xyz", n + 1), *address);
    }
    wait_for("pc4 is there", PATIENCE, || (dig.addresses("pc4.nasir.xyz") == [at_four]).then_some(()));
    assert_eq!(at_four, address, "the client keeps its address");
    dig.nsupdate("update add by-hand.nasir.xyz. 300 A 10.9.9.9\nupdate add pc1.nasir.xyz. 300 TXT \"by hand\"");
    let pointer = address.to_string();
    wait_audit(&daemon, &[&format!("changed {pointer}"), "stale old.nasir.xyz."]);

    dig.nsupdate(
        "update delete pc1.nasir.xyz. A\nupdate delete pc1.nasir.xyz. DHCID\nupdate delete pc1.nasir.xyz. TXT",
    );
    dig.nsupdate("update delete pc2.nasir.xyz. A\nupdate add pc2.nasir.xyz. 300 A 10.9.9.8");
    dig.nsupdate("update delete pc3.nasir.xyz. DHCID");
    let damaged = records(&dig);
    let (code, audit) = dns(&daemon, &["audit"]);
    let all = [
        &format!("changed {pointer}"),
        "changed pc2.nasir.xyz.",
        "foreign pc3.nasir.xyz.",
        "missing pc1.nasir.xyz.",
        "stale old.nasir.xyz.",
    ];
    assert_eq!((code, findings(&audit)), (1, all.map(str::to_owned).to_vec()));
    let forward = of_zone(&audit, "nasir.xyz.");
    assert_eq!((&forward["how"], &forward["others"]), (&"transfer".into(), &2.into()), "the apex and by-hand");

    let (code, dry) = dns(&daemon, &["repair", "--dry-run"]);
    assert_eq!((code, actions(&dry).len()), (0, 4), "{dry}");
    assert_eq!(records(&dig), damaged, "a dry run changes nothing");
    let (code, done) = dns(&daemon, &["repair"]);
    assert_eq!((code, actions(&done)), (0, actions(&dry)));
    wait_audit(&daemon, &["foreign pc3.nasir.xyz."]);
    let (code, done) = dns(&daemon, &["adopt", "--all-without-dhcid", "--dry-run"]);
    assert_eq!((code, actions(&done).len()), (0, 1), "{done}");
    wait_audit(&daemon, &["foreign pc3.nasir.xyz."]);
    let (code, done) = dns(&daemon, &["adopt", "--all-without-dhcid"]);
    assert_eq!((code, actions(&done).len()), (0, 1), "{done}");
    wait_audit(&daemon, &[]);
    assert_eq!(dns(&daemon, &["audit"]).0, 0);
    for (n, address) in others.iter().map(|(_, address)| *address).chain([at_four]).enumerate() {
        dig.wait_agree(&format!("pc{}.nasir.xyz", n + 1), address);
    }
    let whole = records(&dig);
    assert_eq!(whole.len(), 4 * 4 + 2 + 1, "A, DHCID, PTR and DHCID of each, NS, and by-hand: {whole:?}");
    assert_eq!(dig.addresses("by-hand.nasir.xyz"), [Ipv4Addr::new(10, 9, 9, 9)]);
}

/// It outlives the lease, a repair and a resync, until it is adopted by its name.
#[test]
fn users_an_expiring_lease_deleted_a_record_made_by_hand() {
    let lab = Lab::new();
    let server = server(&lab);
    let bind = bind(&server);
    let dig = bind.dig();
    dig.nsupdate("update add pc1.nasir.xyz. 300 A 10.9.9.9");
    let daemon = Leasehold::start(&server, &config(true, ""));
    let host = client_host(&lab, &server, "c1");
    let (mut client, _) = take(&host, "pc1");
    wait_audit(&daemon, &["foreign pc1.nasir.xyz."]);
    client.release();
    wait_audit(&daemon, &[]);
    assert_eq!(dig.addresses("pc1.nasir.xyz"), [Ipv4Addr::new(10, 9, 9, 9)]);
    let address = client.take();
    wait_audit(&daemon, &["foreign pc1.nasir.xyz."]);
    assert_eq!(dns(&daemon, &["repair"]).0, 0);
    assert_eq!(dns(&daemon, &["adopt", "--all-without-dhcid"]).0, 0, "its address is another");
    let (_, sent) = dns(&daemon, &["resync"]);
    assert_eq!(of_zone(&sent, "nasir.xyz.")["done"], 1, "{sent}");
    wait_audit(&daemon, &["foreign pc1.nasir.xyz."]);
    assert_eq!(dig.addresses("pc1.nasir.xyz"), [Ipv4Addr::new(10, 9, 9, 9)]);
    let (code, done) = dns(&daemon, &["adopt", "pc1.nasir.xyz", "nobody.nasir.xyz"]);
    assert_eq!((code, actions(&done).len()), (1, 1), "the other name is told as not adopted: {done}");
    dig.wait_agree("pc1.nasir.xyz", address);
    wait_audit(&daemon, &[]);
}

#[test]
fn a_large_zone_is_read_by_transfer_and_one_without_transfer_by_queries() {
    let lab = Lab::new();
    let server = server(&lab);
    let mut bind = bind(&server);
    let dig = bind.dig();
    bind.stop();
    let file = server.path("/var/lib/bind/nasir.xyz.zone");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, format!("{text}$GENERATE 1-20000 other$ A 10.1.2.3\n")).unwrap();
    bind.resume();
    let daemon = Leasehold::start(&server, &config(true, ""));
    let host = client_host(&lab, &server, "c1");
    let (_client, address) = take(&host, "pc1");
    dig.wait_agree("pc1.nasir.xyz", address);
    wait_audit(&daemon, &[]);
    let (code, audit) = dns(&daemon, &["audit", "--zone", "nasir.xyz"]);
    let zone = &audit["zones"][0];
    let seen = [&zone["how"], &zone["others"], &zone["counts"]["right"]];
    assert_eq!((code, seen), (0, [&"transfer".into(), &20_001.into(), &1.into()]), "{audit}");

    bind.stop();
    let named = server.path("/etc/bind/named.conf");
    let text = std::fs::read_to_string(&named).unwrap();
    std::fs::write(&named, text.replace(&format!("allow-transfer {{ key {KEY_NAME}; }}"), "allow-transfer { none; }"))
        .unwrap();
    bind.resume();
    dig.nsupdate("update delete pc1.nasir.xyz.");
    let (code, audit) = dns(&daemon, &["audit"]);
    assert_eq!((code, findings(&audit)), (1, vec!["missing pc1.nasir.xyz.".to_owned()]));
    assert_eq!((&audit["zones"][0]["how"], &audit["zones"][1]["how"]), (&"queries".into(), &"queries".into()));
    assert_eq!(dns(&daemon, &["repair"]).0, 0);
    dig.wait_agree("pc1.nasir.xyz", address);
    bind.kill();
    let (code, audit) = dns(&daemon, &["audit"]);
    assert_eq!(code, 2, "{audit}");
    assert!(audit["zones"][0]["error"].is_string(), "{audit}");
}

#[test]
fn embedded_zones_are_audited_and_an_audit_unasked_is_told_by_status() {
    let lab = Lab::new();
    let server = server(&lab);
    let daemon = Leasehold::start(&server, &config(false, "audit = \"1m\"\naudit_repairs = true\n"));
    let host = client_host(&lab, &server, "c1");
    let (_client, address) = take(&host, "pc1");
    Dig::new(&server, SocketAddr::from(([192, 168, 30, 1], 53))).wait_agree("pc1.nasir.xyz", address);
    wait_audit(&daemon, &[]);
    let (code, audit) = dns(&daemon, &["audit"]);
    assert_eq!((code, &audit["zones"][0]["how"]), (0, &"embedded".into()));
    wait_for("the audit unasked", Duration::from_secs(100), || {
        let mut asked = daemon.command(&["status", "--json", "--socket", CONTROL]);
        let status: Value = serde_json::from_slice(&finish(&mut asked).stdout).unwrap();
        (status["audit"]["counts"]["right"] == 2).then_some(())
    });
}

/// The zones with so many reservations, each of which has a name.
fn with_reservations(at_bind: bool, reservations: std::ops::Range<u8>) -> String {
    let reserved = reservations.map(|n| {
        format!(
            "\n[[subnet.reservation]]\naddress = \"192.168.30.{}\"\nhardware = \"02:00:00:00:00:{n:02x}\"\nhostname = \
             \"host{n}\"\n",
            20 + n
        )
    });
    format!("{}{}", config(at_bind, ""), reserved.collect::<String>())
}

fn restart_with(leasehold: &mut Leasehold<'_>, host: &Host, config: &str) {
    leasehold.stop();
    Leasehold::rewrite(host, config);
    leasehold.resume();
}

/// A configuration that lost its reservations deletes nothing until that is confirmed; with them back, all is as it was.
#[test]
fn names_a_configuration_that_lost_its_reservations_empties_no_zone_unasked() {
    for at_bind in [false, true] {
        let lab = Lab::new();
        let server = server(&lab);
        let dns_server = at_bind.then(|| bind(&server));
        let (whole, lost) = (with_reservations(at_bind, 1..31), with_reservations(at_bind, 30..31));
        let mut leasehold = Leasehold::start(&server, &whole);
        let done = |daemon: &Leasehold<'_>| {
            let names = daemon.names();
            (names.len() == 60 && names.iter().all(|name| name.done)).then_some(())
        };
        wait_for("all names are there", PATIENCE, || done(&leasehold));
        let own = Dig::new(&server, SocketAddr::from(([192, 168, 30, 1], 53)));
        let dig = dns_server.as_ref().map_or(own, DnsServer::dig);
        let there = || {
            let is_there =
                |n: &u8| dig.addresses(&format!("host{n}.nasir.xyz")) == [Ipv4Addr::new(192, 168, 30, 20 + n)];
            (1..31).filter(is_there).count()
        };
        assert_eq!(there(), 30);
        let serial = dig.serial("nasir.xyz");
        let expected = ["30.168.192.in-addr.arpa. 29 30", "nasir.xyz. 29 30"];
        restart_with(&mut leasehold, &server, &lost);
        wait_for("it is held back", PATIENCE, || (held_back(&leasehold) == expected).then_some(()));
        assert!(leasehold.log().contains("29 of 30 names of zone nasir.xyz"), "{}", leasehold.log());
        // And after another start.
        restart_with(&mut leasehold, &server, &lost);
        wait_for("it is held back still", PATIENCE, || (held_back(&leasehold).len() == 2).then_some(()));
        assert_eq!(there(), 30);
        // An embedded zone may get a new serial by a start.
        assert!(!at_bind || dig.serial("nasir.xyz") == serial, "nothing was sent");
        // The former file comes back.
        restart_with(&mut leasehold, &server, &whole);
        wait_for("all is done", PATIENCE, || done(&leasehold));
        assert_eq!((there(), held_back(&leasehold).len()), (30, 0));
        // This time it is meant.
        restart_with(&mut leasehold, &server, &lost);
        wait_for("it is held back", PATIENCE, || (held_back(&leasehold).len() == 2).then_some(()));
        let (code, dry) = dns(&leasehold, &["confirm-deletions", "nasir.xyz", "--dry-run"]);
        assert_eq!((code, actions(&dry).len(), there()), (0, 29, 30));
        let (code, confirmed) = dns(&leasehold, &["confirm-deletions", "nasir.xyz"]);
        assert_eq!((code, &of_zone(&confirmed, "nasir.xyz.")["done"]), (0, &Value::from(29)));
        wait_for("they are gone", PATIENCE, || (there() == 1).then_some(()));
        assert_eq!(held_back(&leasehold).len(), 1, "the other zone is asked about by itself");
    }
}

/// Under each policy: what it wrote itself is right, a number behind a name included; what is gone comes back; and what
/// others wrote, with a DHCID or without, beside it and at the same addresses, stays.
#[test]
fn each_conflict_policy_is_audited_and_mended_as_it_writes() {
    for policy in ["check-with-dhcid", "check-exists-with-dhcid", "no-check-with-dhcid", "no-check-without-dhcid"] {
        let lab = Lab::new();
        let server = server(&lab);
        let bind = bind(&server);
        let dig = bind.dig();
        let keys = format!("conflict = \"suffix\"\nconflict_check = \"{policy}\"\n");
        let daemon = Leasehold::start(&server, &config(true, &keys));
        let hosts: Vec<Host> = (1..=2).map(|n| client_host(&lab, &server, &format!("c{n}"))).collect();
        let clients: Vec<_> = hosts.iter().map(|host| take(host, "pc")).collect();
        wait_for(&format!("{policy}: both are done"), PATIENCE, || {
            let names = daemon.names();
            (names.len() == 4 && names.iter().all(|name| name.done)).then_some(())
        });
        for (name, (_, address)) in ["pc.nasir.xyz", "pc-2.nasir.xyz"].into_iter().zip(&clients) {
            dig.wait_agree(name, *address);
        }
        let theirs = dhcid_of_hardware(&[2, 9, 9, 9, 9, 9], "theirs.nasir.xyz");
        let same = clients[0].1;
        dig.nsupdate(&format!(
            "update add by-hand.nasir.xyz. 300 A {same}\nupdate add theirs.nasir.xyz. 300 A {same}\n\
             update add theirs.nasir.xyz. 300 DHCID {theirs}"
        ));
        wait_audit(&daemon, &[]);
        let whole = records(&dig);
        let marked = whole.iter().filter(|record| record.rtype == "DHCID" && record.owner.starts_with("pc")).count();
        assert_eq!(marked, if policy == "no-check-without-dhcid" { 0 } else { 2 }, "{whole:?}");
        dig.nsupdate("update delete pc.nasir.xyz.\nupdate delete pc-2.nasir.xyz. A");
        let (_, audit) = dns(&daemon, &["audit"]);
        let second = if policy == "no-check-without-dhcid" { "missing" } else { "changed" };
        let mut expected = ["missing pc.nasir.xyz.".to_owned(), format!("{second} pc-2.nasir.xyz.")];
        expected.sort();
        assert_eq!(findings(&audit), expected, "{policy}");
        assert_eq!(dns(&daemon, &["repair"]).0, 0);
        wait_audit(&daemon, &[]);
        assert_eq!(records(&dig), whole, "{policy}");
    }
}

/// A store that was lost has left more leftovers than may be deleted unasked.
#[test]
fn a_repair_that_would_delete_too_much_stops_and_goes_on_when_told() {
    let lab = Lab::new();
    let server = server(&lab);
    let bind = bind(&server);
    let dig = bind.dig();
    let daemon = Leasehold::start(&server, &config(true, ""));
    let host = client_host(&lab, &server, "c1");
    let (_client, address) = take(&host, "pc1");
    dig.wait_agree("pc1.nasir.xyz", address);
    let hardware: Vec<u8> =
        daemon.leases()[0].hardware.split(':').map(|octet| u8::from_str_radix(octet, 16).unwrap()).collect();
    let identity = HostIdentity::from_client_id(&[&[1][..], &hardware].concat());
    let leftover = |n: u8| {
        let name = format!("old{n}.nasir.xyz");
        format!(
            "update add {name}. 300 A 192.168.30.{n}\nupdate add {name}. 300 DHCID {}\n",
            dhcid_of(&identity, &name)
        )
    };
    dig.nsupdate((1..=11).map(leftover).collect::<String>().trim_end());
    let damaged = records(&dig);
    for words in [&["repair"][..], &["repair", "--dry-run"]] {
        let (code, told) = dns(&daemon, words);
        let zone = of_zone(&told, "nasir.xyz.");
        assert!(code == 1 && zone["stopped"].as_str().unwrap().contains("it would delete 11 of 12 names"), "{told}");
    }
    assert_eq!(records(&dig), damaged, "nothing is deleted");
    assert_eq!(dns(&daemon, &["repair", "--yes"]).0, 0);
    wait_audit(&daemon, &[]);
    assert_eq!(records(&dig).iter().filter(|record| record.owner.starts_with("old")).count(), 0);
}
