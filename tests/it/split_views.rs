//! Split horizon with whole zones: the same name twice, each zone for other views. Asked, transferred, updated and followed
//! from two subnets, with names of leases, through restarts and reloads; and beside a copy of another server's zone.
//!
//! Needs root, network namespaces, dhclient, BIND, Knot, `dig` and `nsupdate`.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use crate::clients::{Client, Kind, Naming};
use crate::dig::{Dig, KEY_ALGORITHM, KEY_NAME, KEY_SECRET};
use crate::lan;
use crate::leasehold::{CONTROL, Leasehold};
use crate::netns::{Host, Lab};
use crate::process::{finish, wait_for};
use crate::reserve::{asked, done, told};
use crate::upkeep::{dns, of_zone, wait_audit};

const PATIENCE: Duration = Duration::from_secs(60);
/// An asker's address and the server's, of the subnet that the view `inside` is of.
const INSIDE: (&str, &str) = ("192.168.30.5", "192.168.30.1");
/// The same of another subnet.
const OUTSIDE: (&str, &str) = ("203.0.113.5", "203.0.113.1");

/// `outside` stands in the zone for everybody else.
fn config(outside: &str) -> String {
    format!(
        "[[key]]\nname = \"{KEY_NAME}\"\nsecret = \"{KEY_SECRET}\"\n\
         [[key]]\nname = \"insider\"\nsecret = \"{KEY_SECRET}\"\n\
         [[view]]\nname = \"inside\"\nclients = [\"192.168.30.0/24\", \"key:insider\"]\n\
         [ddns]\ndomain = \"nasir.xyz\"\n\
         [[subnet]]\nprefix = \"192.168.30.0/24\"\npools = [\"192.168.30.100-192.168.30.199\"]\n\
         [[zone]]\nname = \"nasir.xyz\"\nviews = [\"inside\"]\nupdate_keys = [\"{KEY_NAME}\", \"insider\"]\n\
         records = [{{ name = \"www\", type = \"A\", data = \"192.168.30.80\" }}]\n\
         [[zone]]\nname = \"nasir.xyz\"\nupdate_keys = [\"{KEY_NAME}\"]\n{outside}\n\
         records = [{{ name = \"www\", type = \"A\", data = \"198.51.100.80\" }}]\n"
    )
}

const WITHOUT_LEASES: &str = "leases = false";

/// A host that is inside and outside.
fn asker(lab: &Lab, server: &Host) -> Host {
    let host = lan::client_host(lab, server, "asker");
    server.ip("address add 203.0.113.1/24 dev lan");
    host.ip("address add 192.168.30.5/24 dev eth0");
    host.ip("address add 203.0.113.5/24 dev eth0");
    host.ip("link set dev eth0 up");
    host
}

fn dig<'h>(host: &'h Host, (_, server): (&str, &str)) -> Dig<'h> {
    Dig::new(host, SocketAddr::new(server.parse().unwrap(), 53))
}

fn ask(host: &Host, from: (&str, &str), words: &[&str]) -> String {
    dig(host, from).raw(&[&["-b", from.0], words].concat())
}

fn addresses(host: &Host, from: (&str, &str), name: &str) -> Vec<String> {
    dig(host, from).short(&["-b", from.0, name, "A"])
}

fn serial(host: &Host, from: (&str, &str)) -> u32 {
    let soa = dig(host, from).short(&["-b", from.0, "nasir.xyz", "SOA"]);
    soa[0].split_whitespace().nth(2).unwrap().parse().unwrap()
}

fn key(name: &str) -> String {
    format!("{KEY_ALGORITHM}:{name}:{KEY_SECRET}")
}

#[test]
fn one_name_is_two_zones_for_two_subnets_each_asked_changed_and_transferred_by_its_own_clients() {
    let lab = Lab::new();
    let server = lan::server(&lab);
    let host = asker(&lab, &server);
    let mut daemon = Leasehold::start(&server, &config(WITHOUT_LEASES));
    let seen = |name: &str| [addresses(&host, INSIDE, name), addresses(&host, OUTSIDE, name)];
    for tcp in ["+notcp", "+tcp"] {
        assert!(ask(&host, INSIDE, &[tcp, "www.nasir.xyz"]).contains("\t192.168.30.80\n"));
        assert!(ask(&host, OUTSIDE, &[tcp, "www.nasir.xyz"]).contains("\t198.51.100.80\n"));
        assert!(ask(&host, OUTSIDE, &[tcp, "-y", &key("insider"), "www.nasir.xyz"]).contains("\t192.168.30.80\n"));
    }
    // An update changes the zone that its sender sees: by the address, and by the key that opens the view.
    let before = (serial(&host, INSIDE), serial(&host, OUTSIDE));
    dig(&host, INSIDE).nsupdate("zone nasir.xyz\nupdate add in.nasir.xyz 60 A 192.168.30.81");
    dig(&host, OUTSIDE).nsupdate("zone nasir.xyz\nupdate add out.nasir.xyz 60 A 198.51.100.81");
    assert_eq!(seen("in.nasir.xyz"), [vec!["192.168.30.81".to_owned()], vec![]]);
    assert_eq!(seen("out.nasir.xyz"), [vec![], vec!["198.51.100.81".to_owned()]]);
    assert_eq!((serial(&host, INSIDE), serial(&host, OUTSIDE)), (before.0 + 1, before.1 + 1));

    // So is a transfer, whole and by what was changed.
    let transfer =
        |from, key_name: &str, rtype: &str| ask(&host, from, &["+tcp", "-y", &key(key_name), "nasir.xyz", rtype]);
    let (inside, outside) = (transfer(INSIDE, KEY_NAME, "AXFR"), transfer(OUTSIDE, KEY_NAME, "AXFR"));
    assert!(inside.contains("192.168.30.81") && !inside.contains("198.51.100."), "{inside}");
    assert!(outside.contains("198.51.100.81") && !outside.contains("192.168.30.8"), "{outside}");
    assert!(transfer(OUTSIDE, "insider", "AXFR").contains("192.168.30.81"));
    let (inside, outside) = (
        transfer(INSIDE, KEY_NAME, &format!("IXFR={}", before.0)),
        transfer(OUTSIDE, KEY_NAME, &format!("IXFR={}", before.1)),
    );
    assert!(inside.contains("192.168.30.81") && !inside.contains("www.nasir.xyz"), "one step: {inside}");
    assert!(outside.contains("198.51.100.81") && !outside.contains("www.nasir.xyz"), "one step: {outside}");

    // Each keeps what is its own, and its serial.
    let serials = (serial(&host, INSIDE), serial(&host, OUTSIDE));
    for kill in [false, true] {
        if kill {
            daemon.kill()
        } else {
            daemon.stop()
        }
        daemon.resume();
        assert_eq!(seen("in.nasir.xyz"), [vec!["192.168.30.81".to_owned()], vec![]]);
        assert_eq!(seen("out.nasir.xyz"), [vec![], vec!["198.51.100.81".to_owned()]]);
        assert_eq!((serial(&host, INSIDE), serial(&host, OUTSIDE)), serials);
    }
    daemon.stop();
    daemon.check_store();
}

#[test]
fn names_of_leases_are_in_the_zones_that_have_them_and_come_and_go_with_the_configuration() {
    let lab = Lab::new();
    let server = lan::server(&lab);
    let (host, pc) = (asker(&lab, &server), lan::client_host(&lab, &server, "pc"));
    let mut daemon = Leasehold::start(&server, &config(WITHOUT_LEASES));
    let mut client = Client::new(Kind::Dhclient, &pc, Naming::Hostname("pc".to_owned()));
    let address = client.take().to_string();
    let seen = || [addresses(&host, INSIDE, "pc.nasir.xyz"), addresses(&host, OUTSIDE, "pc.nasir.xyz")];
    let wait = |what: &str, wanted: [Vec<String>; 2]| {
        wait_for(what, PATIENCE, || (seen() == wanted).then_some(()));
    };
    wait("the name is inside alone", [vec![address.clone()], vec![]]);
    // The reverse zone that was made for the subnet is for whoever sees the names.
    let pointer = |from| dig(&host, from).short(&["-b", from.0, "-x", &address]);
    wait_for("its pointer", PATIENCE, || (pointer(INSIDE) == ["pc.nasir.xyz."]).then_some(()));
    assert!(ask(&host, OUTSIDE, &["-x", &address]).contains("status: REFUSED"), "no zone of theirs");

    // Both zones, from now on; a name that somebody has put into the other one stays there.
    Leasehold::rewrite(&server, &config(""));
    let told = daemon.reload();
    assert!(told.contains("zone nasir.xyz."), "{told}");
    wait("the name is in both", [vec![address.clone()], vec![address.clone()]]);
    daemon.kill();
    daemon.resume();
    wait("and after a restart", [vec![address.clone()], vec![address.clone()]]);
    // Taken out of one again, by a start as by a reload.
    daemon.stop();
    Leasehold::rewrite(&server, &config(WITHOUT_LEASES));
    daemon.resume();
    wait("inside alone", [vec![address.clone()], vec![]]);
    Leasehold::rewrite(&server, &config(""));
    daemon.reload();
    wait("both again", [vec![address.clone()], vec![address.clone()]]);
    client.release();
    wait("the lease is over, and its name in none", [vec![], vec![]]);
    daemon.stop();
    daemon.check_store();
}

/// Somebody has made a record of a client's name in the zone of another view than that which names are decided in.
#[test]
fn a_record_by_hand_in_any_view_is_never_touched_and_audits_look_at_all_of_them() {
    let lab = Lab::new();
    let server = lan::server(&lab);
    let (host, pc) = (asker(&lab, &server), lan::client_host(&lab, &server, "pc"));
    let tv = lan::client_host(&lab, &server, "tv");
    let daemon = &mut Leasehold::start(&server, &config(""));
    let change = |from, lines: &str| dig(&host, from).nsupdate(&format!("zone nasir.xyz\n{lines}"));
    let seen = |name: &str| [INSIDE, OUTSIDE].map(|from| addresses(&host, from, name));
    let wait = |what: &str, name: &str, wanted: [&[&str]; 2]| {
        wait_for(what, PATIENCE, || (seen(name) == wanted.map(|all| all.to_vec())).then_some(()));
    };
    change(INSIDE, "update add pc.nasir.xyz 60 A 192.168.30.9");
    let mut client = Client::new(Kind::Dhclient, &pc, Naming::Hostname("pc".to_owned()));
    let address = client.take().to_string();
    let mut other = Client::new(Kind::Dhclient, &tv, Naming::Hostname("tv".to_owned()));
    let at_tv = other.take().to_string();
    wait("another name is in both", "tv.nasir.xyz", [&[&at_tv], &[&at_tv]]);
    // Its name is decided in the zone for all, and seen to be somebody else's in the other one.
    wait_audit(daemon, &["foreign pc.nasir.xyz."]);
    assert_eq!(seen("pc.nasir.xyz"), [vec!["192.168.30.9".to_owned()], vec![]]);
    let inside = "nasir.xyz. (view inside)";
    let (_, audit) = dns(daemon, &["audit"]);
    assert_eq!(of_zone(&audit, inside)["counts"]["foreign"], 1, "{audit}");
    assert_eq!(of_zone(&audit, "nasir.xyz.")["counts"]["foreign"], 0, "{audit}");
    // Lost and changed in the zone that follows: mended there, and what is somebody else's stays.
    change(INSIDE, "update delete tv.nasir.xyz A\nupdate add tv.nasir.xyz 60 A 192.168.30.8");
    wait_audit(daemon, &["changed tv.nasir.xyz.", "foreign pc.nasir.xyz."]);
    assert_eq!(dns(daemon, &["repair"]).0, 0);
    wait_audit(daemon, &["foreign pc.nasir.xyz."]);
    assert_eq!(seen("tv.nasir.xyz"), [[at_tv.clone()], [at_tv.clone()]]);
    change(INSIDE, "update delete tv.nasir.xyz");
    wait_audit(daemon, &["foreign pc.nasir.xyz.", "missing tv.nasir.xyz."]);
    assert_eq!(dns(daemon, &["repair", "--dry-run"]).0, 0);
    assert_eq!(seen("tv.nasir.xyz"), [vec![], vec![at_tv.clone()]], "a dry run changes nothing");
    assert_eq!(dns(daemon, &["resync", "--zone", "nasir.xyz"]).0, 0);
    wait("resync writes it too", "tv.nasir.xyz", [&[&at_tv], &[&at_tv]]);
    assert_eq!(seen("pc.nasir.xyz"), [vec!["192.168.30.9".to_owned()], vec![]]);
    // A client that leaves takes nothing of it along; one that comes once the name is free is in both.
    client.release();
    assert_eq!(seen("pc.nasir.xyz"), [vec!["192.168.30.9".to_owned()], vec![]]);
    change(INSIDE, "update delete pc.nasir.xyz");
    assert_eq!(client.take().to_string(), address);
    wait("the name is in both", "pc.nasir.xyz", [&[&address], &[&address]]);
    wait_audit(daemon, &[]);
    // By hand in the zone that names are decided in: the other one is not given what is written there.
    other.release();
    wait("its name is gone", "tv.nasir.xyz", [&[], &[]]);
    change(OUTSIDE, "update add tv.nasir.xyz 60 A 198.51.100.8");
    other.take();
    wait_audit(daemon, &["foreign tv.nasir.xyz."]);
    assert_eq!(dns(daemon, &["repair"]).0, 0);
    assert_eq!(seen("tv.nasir.xyz"), [vec![], vec!["198.51.100.8".to_owned()]]);
    // Adopted where it stands, it is the client's everywhere.
    change(OUTSIDE, &format!("update delete tv.nasir.xyz\nupdate add tv.nasir.xyz 60 A {at_tv}"));
    assert_eq!(dns(daemon, &["adopt", "tv.nasir.xyz"]).0, 0);
    wait("it is in both", "tv.nasir.xyz", [&[&at_tv], &[&at_tv]]);
    wait_audit(daemon, &[]);
    daemon.stop();
    daemon.check_store();
}

/// Adopted in the zone that follows, in the one that names are decided in, and in both.
#[test]
fn a_record_by_hand_in_a_zone_that_follows_is_adopted_there_and_is_the_clients_in_all() {
    let lab = Lab::new();
    let server = lan::server(&lab);
    let (host, tv) = (asker(&lab, &server), lan::client_host(&lab, &server, "tv"));
    let daemon = &mut Leasehold::start(&server, &config(""));
    let change = |from, lines: &str| dig(&host, from).nsupdate(&format!("zone nasir.xyz\n{lines}"));
    let seen = || [INSIDE, OUTSIDE].map(|from| addresses(&host, from, "tv.nasir.xyz"));
    let marks = || [INSIDE, OUTSIDE].map(|from| dig(&host, from).short(&["-b", from.0, "tv.nasir.xyz", "DHCID"]));
    let wait = |what: &str, wanted: [&[&str]; 2]| {
        wait_for(&format!("{what}: {:?}", seen()), PATIENCE, || {
            (seen() == wanted.map(|all| all.to_vec())).then_some(())
        });
    };
    let mut client = Client::new(Kind::Dhclient, &tv, Naming::Hostname("tv".to_owned()));
    let address = client.take().to_string();
    wait("it is in both", [&[&address], &[&address]]);
    let there = |address: &str| format!("update delete tv.nasir.xyz\nupdate add tv.nasir.xyz 60 A {address}");
    // What stands inside, what outside; whether that is exactly what is wanted, so that no name need be said.
    for (inside, outside, exact) in [
        (Some(&*address), None, true),
        (Some("192.168.30.8"), None, false),
        (Some("192.168.30.8"), Some(&*address), false),
        (Some(&*address), Some(&*address), true),
    ] {
        client.release();
        wait("its name is gone", [&[], &[]]);
        inside.iter().for_each(|data| change(INSIDE, &there(data)));
        outside.iter().for_each(|data| change(OUTSIDE, &there(data)));
        assert_eq!(client.take().to_string(), address);
        let foreign = inside.iter().chain(&outside).map(|_| "foreign tv.nasir.xyz.").collect::<Vec<_>>();
        wait_audit(daemon, &foreign);
        assert_eq!(marks(), [[""; 0]; 2], "nobody's host is it");
        let words: &[&str] = if exact { &["adopt", "--all-without-dhcid"] } else { &["adopt", "tv.nasir.xyz"] };
        let (code, view) = dns(daemon, words);
        assert_eq!(code, 0, "{inside:?} {outside:?}: {view}");
        wait("it is the client's in both", [&[&address], &[&address]]);
        wait_audit(daemon, &[]);
        let [at_home, follows] = marks();
        assert!(at_home.len() == 1 && at_home == follows, "{at_home:?} {follows:?}");
    }
    client.release();
    wait("its name is gone", [&[], &[]]);
    daemon.stop();
    daemon.check_store();
}

#[test]
fn records_of_several_zones_of_one_name_are_made_by_command_and_api_for_their_view() {
    let lab = Lab::new();
    let server = lan::server(&lab);
    let host = asker(&lab, &server);
    let mut daemon = Leasehold::start(&server, &config(WITHOUT_LEASES));
    let seen = |name: &str| [INSIDE, OUTSIDE].map(|from| addresses(&host, from, name));
    done(&daemon, &["record", "add", "nasir.xyz", "new", "A", "192.168.30.90", "--view", "inside"]);
    assert_eq!(seen("new.nasir.xyz"), [vec!["192.168.30.90".to_owned()], vec![]]);
    // Without a view the zone for all others is meant.
    done(&daemon, &["record", "add", "nasir.xyz", "new", "A", "198.51.100.90"]);
    assert_eq!(seen("new.nasir.xyz"), [["192.168.30.90"], ["198.51.100.90"]]);
    let (text, good) = told(&daemon, &["record", "add", "nasir.xyz", "x", "A", "192.0.2.1", "--view", "outside"]);
    assert!(!good && text.contains("no [[zone]] named nasir.xyz is for the view outside"), "{text}");
    let listed = done(&daemon, &["record", "list", "nasir.xyz", "--made"]);
    assert!(listed.contains("nasir.xyz (view inside)") && listed.contains("2 records"), "{listed}");
    // The API: each has its own version, and the page finds by the zone's id which were made so.
    let path = "zones/nasir.xyz/records/new/A";
    let get = |query: &str| asked(&server, "GET", &format!("{path}{query}"), None, &[]);
    let data = |(status, set): (u16, serde_json::Value)| (status, set["view"].clone(), set["data"][0].clone());
    assert_eq!(data(get("?view=inside")), (200, "inside".into(), "192.168.30.90".into()));
    assert_eq!(data(get("")), (200, serde_json::Value::Null, "198.51.100.90".into()));
    assert_eq!(get("?view=guests").0, 404);
    let version = crate::records::version(&server, &format!("{path}?view=inside"));
    assert_ne!(version, crate::records::version(&server, path));
    let put = |query: &str, data: &str| {
        let body = format!("{{\"data\":[\"{data}\"]}}");
        asked(&server, "PUT", &format!("{path}{query}"), Some(&body), &[&format!("if-match: {version}")]).0
    };
    assert_eq!(put("", "192.168.30.91"), 412, "the version is of the other view's");
    assert_eq!(put("?view=inside", "192.168.30.91"), 200);
    assert_eq!(put("?view=inside", "192.168.30.92"), 412, "somebody was first");
    assert_eq!(seen("new.nasir.xyz"), [["192.168.30.91"], ["198.51.100.90"]]);
    let (_, zones) = asked(&server, "GET", "zones", None, &[]);
    let of_name: Vec<&serde_json::Value> =
        zones["zones"].as_array().unwrap().iter().filter(|zone| zone["apex"] == "nasir.xyz").collect();
    assert_eq!(of_name.len(), 2, "{zones}");
    for zone in of_name {
        let (_, records) =
            asked(&server, "GET", &format!("zones/{}/records?q=new", zone["id"].as_str().unwrap()), None, &[]);
        let (row, inside) = (&records["rows"][0], zone["views"][0] == "inside");
        assert_eq!((&row["made"], records["total"].as_u64()), (&true.into(), Some(1)), "{records}");
        assert_eq!(row["data"], if inside { "192.168.30.91" } else { "198.51.100.90" }, "{records}");
    }
    let deleted = asked(&server, "DELETE", &format!("{path}?view=inside"), None, &[]).0;
    assert_eq!((deleted, seen("new.nasir.xyz")), (200, [vec![], vec!["198.51.100.90".to_owned()]]));
    daemon.stop();
    daemon.resume();
    assert_eq!(seen("new.nasir.xyz"), [vec![], vec!["198.51.100.90".to_owned()]]);
    done(&daemon, &["record", "remove", "nasir.xyz", "new", "A"]);
    assert_eq!(seen("new.nasir.xyz"), [vec![], Vec::<String>::new()]);
    daemon.stop();
    daemon.check_store();
}

#[test]
fn a_zone_that_becomes_one_of_a_view_keeps_what_it_has_and_never_shows_it_to_others() {
    let lab = Lab::new();
    let server = lan::server(&lab);
    let host = asker(&lab, &server);
    let one = |views: &str| {
        format!(
            "[dns]\nforward = false\n[[key]]\nname = \"{KEY_NAME}\"\nsecret = \"{KEY_SECRET}\"\n\
             [[view]]\nname = \"inside\"\nclients = [\"192.168.30.0/24\"]\n\
             [[zone]]\nname = \"nasir.xyz\"\nupdate_keys = [\"{KEY_NAME}\"]\n{views}"
        )
    };
    let other = "[[zone]]\nname = \"nasir.xyz\"\n";
    let mut daemon = Leasehold::start(&server, &one(""));
    dig(&host, INSIDE).nsupdate("zone nasir.xyz\nupdate add in.nasir.xyz 60 A 192.168.30.81");
    assert_eq!(addresses(&host, OUTSIDE, "in.nasir.xyz"), ["192.168.30.81"], "all see it");
    let before = serial(&host, INSIDE);
    let views = "views = [\"inside\"]\n";
    Leasehold::rewrite(&server, &one(views));
    daemon.reload();
    assert_eq!(addresses(&host, INSIDE, "in.nasir.xyz"), ["192.168.30.81"]);
    assert!(ask(&host, OUTSIDE, &["in.nasir.xyz"]).contains("status: REFUSED"));
    assert!(serial(&host, INSIDE) >= before);
    // A second one for all others begins with nothing of it, by a reload and by a start.
    for start in [false, true] {
        Leasehold::rewrite(&server, &(one(views) + other));
        if start {
            daemon.stop();
            daemon.resume();
        } else {
            daemon.reload();
        }
        assert_eq!(addresses(&host, INSIDE, "in.nasir.xyz"), ["192.168.30.81"]);
        assert!(ask(&host, OUTSIDE, &["in.nasir.xyz"]).contains("status: NXDOMAIN"));
    }
    daemon.stop();
    daemon.check_store();
}

#[test]
fn a_copy_and_a_zone_of_our_own_are_one_name_for_two_views() {
    let lab = Lab::new();
    let server = lan::server(&lab);
    let host = asker(&lab, &server);
    // The primary of the copy is another daemon of ours, at the inner address of the asker's host.
    let bind = format!(
        "options {{ directory \"/var/cache/bind\"; pid-file none; session-keyfile none; recursion no;\n\
           listen-on {{ 192.168.30.5; }}; listen-on-v6 {{ none; }}; dnssec-validation no; notify-source 192.168.30.5;\n\
           notify explicit; notify-delay 0; allow-transfer {{ key {KEY_NAME}; }}; }};\ncontrols {{ }};\n\
         key {KEY_NAME} {{ algorithm {KEY_ALGORITHM}; secret \"{KEY_SECRET}\"; }};\n\
         zone \"nasir.xyz\" {{ type primary; file \"inner.zone\"; allow-update {{ key {KEY_NAME}; }};\n\
           also-notify {{ 192.168.30.1 key {KEY_NAME}; }}; }};\n"
    );
    host.write("/etc/bind/named.conf", &bind);
    let zone = "$TTL 300\n@ SOA ns hostmaster 7 3600 60 86400 60\n NS ns\nns A 192.168.30.5\nwww A 192.168.30.80\n";
    host.write("/var/cache/bind/inner.zone", zone);
    let named = host.start("named", &["-g", "-n", "1", "-c", "/etc/bind/named.conf"]);
    let config = format!(
        "[[key]]\nname = \"{KEY_NAME}\"\nsecret = \"{KEY_SECRET}\"\n[dns]\nforward = false\n\
         [[view]]\nname = \"inside\"\nclients = [\"192.168.30.0/24\"]\n\
         [[zone]]\nname = \"nasir.xyz\"\nkind = \"secondary\"\nviews = [\"inside\"]\n\
         primaries = [{{ address = \"192.168.30.5\", key = \"{KEY_NAME}\" }}]\n\
         [[zone]]\nname = \"nasir.xyz\"\nupdate_keys = [\"{KEY_NAME}\"]\n\
         records = [{{ name = \"www\", type = \"A\", data = \"198.51.100.80\" }}]\n"
    );
    let mut daemon = Leasehold::start(&server, &config);
    let is_inside = |name: &str, address: &str| (addresses(&host, INSIDE, name) == [address]).then_some(());
    let what = || format!("the copy is served: {}{}", daemon.log(), named.log());
    wait_for(&what(), PATIENCE, || is_inside("www.nasir.xyz", "192.168.30.80"));
    assert_eq!(addresses(&host, OUTSIDE, "www.nasir.xyz"), ["198.51.100.80"]);
    // NOTIFY brings the copy up to date; the zone of our own takes updates, and the copy none.
    let primary = Dig::new(&host, "192.168.30.5:53".parse().unwrap());
    primary.nsupdate("zone nasir.xyz\nupdate add new.nasir.xyz 60 A 192.168.30.82");
    wait_for("the change is followed", PATIENCE, || is_inside("new.nasir.xyz", "192.168.30.82"));
    dig(&host, OUTSIDE).nsupdate("zone nasir.xyz\nupdate add out.nasir.xyz 60 A 198.51.100.81");
    assert_eq!(addresses(&host, OUTSIDE, "out.nasir.xyz"), ["198.51.100.81"]);
    assert!(ask(&host, OUTSIDE, &["new.nasir.xyz"]).contains("status: NXDOMAIN"));
    let refused =
        dig(&host, INSIDE).nsupdate_each(&["zone nasir.xyz\nupdate add x.nasir.xyz 60 A 192.0.2.1\nsend\n".to_owned()]);
    assert!(refused.contains("REFUSED"), "{refused}");
    let listed = |words: &[&str]| {
        let words = [&["dns"], words, &["--socket", CONTROL]].concat();
        String::from_utf8(finish(&mut daemon.command(&words)).stdout).unwrap()
    };
    assert!(listed(&["copies"]).contains("zone nasir.xyz. (view inside): fresh, copy of"), "{}", listed(&["copies"]));
    assert!(listed(&["refresh", "nasir.xyz"]).contains("fresh"), "the one copy of that name");
    // Both are there again at once, whoever is not.
    drop(named);
    daemon.stop();
    daemon.resume();
    assert_eq!(addresses(&host, INSIDE, "new.nasir.xyz"), ["192.168.30.82"]);
    assert_eq!(addresses(&host, OUTSIDE, "out.nasir.xyz"), ["198.51.100.81"]);
    daemon.stop();
    daemon.check_store();
}

#[test]
fn a_secondary_follows_the_zone_of_the_view_that_its_address_is_in() {
    let lab = Lab::new();
    let server = lan::server(&lab);
    let host = asker(&lab, &server);
    let with_secondaries = config("secondaries = [{ address = \"203.0.113.5\" }]").replacen(
        "views = [\"inside\"]\n",
        "views = [\"inside\"]\nsecondaries = [{ address = \"192.168.30.5\" }]\n",
        1,
    );
    let daemon = &mut Leasehold::start(&server, &with_secondaries);
    let mut secondaries = Vec::new();
    for (address, primary) in [INSIDE, OUTSIDE] {
        let (config, storage) = (format!("/etc/knot/{address}.conf"), format!("/var/lib/knot/{address}"));
        host.write(&format!("{storage}/.keep"), "");
        let text = format!(
            "server:\n  listen: {address}@53\n  rundir: {storage}\n  user: root:root\n  udp-workers: 1\n  tcp-workers: 1\n  \
             background-workers: 1\nlog:\n  - target: stderr\n    any: info\ndatabase:\n  storage: {storage}\n\
             remote:\n  - id: leasehold\n    address: {primary}@53\n    via: {address}\n\
             acl:\n  - id: notified\n    address: {primary}\n    action: notify\n\
             zone:\n  - domain: nasir.xyz\n    storage: {storage}\n    master: leasehold\n    acl: notified\n    \
             file: copy.zone\n    zonefile-sync: -1\n"
        );
        host.write(&config, &text);
        secondaries.push(host.start("knotd", &["-c", &config]));
    }
    let held = |(address, _): (&str, &str), name: &str| -> Vec<Ipv4Addr> {
        Dig::new(&host, SocketAddr::new(address.parse().unwrap(), 53)).addresses(name)
    };
    let address = |text: &str| -> Vec<Ipv4Addr> { vec![text.parse().unwrap()] };
    let log = || secondaries.iter().map(|knot| knot.log()).collect::<String>();
    for (from, www) in [(INSIDE, "192.168.30.80"), (OUTSIDE, "198.51.100.80")] {
        wait_for(&format!("a secondary has {www}: {}", log()), PATIENCE, || {
            (held(from, "www.nasir.xyz") == address(www)).then_some(())
        });
    }
    // Each is told of changes of its own.
    for (from, other, new) in [(INSIDE, OUTSIDE, "192.168.30.83"), (OUTSIDE, INSIDE, "198.51.100.83")] {
        let name = format!("new-{}.nasir.xyz", new.replace('.', "-"));
        dig(&host, from).nsupdate(&format!("zone nasir.xyz\nupdate add {name} 60 A {new}"));
        wait_for(&format!("a secondary follows {name}"), PATIENCE, || {
            (held(from, &name) == address(new)).then_some(())
        });
        assert!(held(other, &name).is_empty());
    }
    daemon.stop();
}
