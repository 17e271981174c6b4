//! What is changed from the page, by mouse, by keyboard and on a phone: Chromium beside the daemon, a real client on its
//! link. What drives the browser is `tests/page/changes.mjs`, and `tests/page/story.mjs` for the whole of it in a row.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use crate::clients::{Client, Kind, Naming};
use crate::dig::{Dig, KEY_ALGORITHM, KEY_NAME, KEY_SECRET};
use crate::lan;
use crate::leasehold::{CONTROL, Leasehold};
use crate::netns::Lab;
use crate::packet::{self, Said};
use crate::page;
use crate::process::{Running, finish, succeed, wait_for};
use crate::servers::{self, DnsServer};
use crate::web_access;

const HOME: &str = r#"
[[subnet]]
prefix  = "192.168.30.0/24"
pools   = ["192.168.30.100-192.168.30.199"]
domain  = "home.example"
routers = ["192.168.30.1"]

[[zone]]
name = "home.example"

[[zone]]
name = "30.168.192.in-addr.arpa"
"#;
/// Beside the main file, as the host sees it.
const BESIDE: &str = "/run/leasehold.local.toml";
/// A dozen looks with axe, on a busy machine.
const PLAY: Duration = Duration::from_secs(300);

#[test]
fn a_lease_is_reserved_renamed_and_released_from_the_page_and_what_was_done_can_be_undone() {
    let lab = Lab::new();
    let server = lan::server(&lab);
    let phone = lan::client_host(&lab, &server, "phone");
    let mut daemon = Leasehold::start(&server, HOME);
    let dig = Dig::new(&server, SocketAddr::from(([192, 168, 30, 1], 53)));
    let mut client = Client::new(Kind::Udhcpc, &phone, Naming::Hostname("phone".to_owned()));
    let address = client.take();
    dig.wait_agree("phone.home.example", address);
    let words = address.to_string();
    let mut browser = page::drive_script("changes.mjs", page::PAGE, &lab, &server, "leases", &[Path::new(&words)]);
    let ended = browser.wait_end(PLAY);
    assert!(ended.success() && browser.log().contains("DONE"), "{}", browser.log());
    // In the end nothing is reserved, the lease is over, and DNS holds nothing of it.
    dig.wait_gone("carla.home.example", address);
    let beside = std::fs::read_to_string(server.path(BESIDE)).unwrap();
    assert!(!beside.contains("carla") && !beside.contains(&words), "{beside}");
    let told = succeed(&mut daemon.command(&["audit-log", "--socket", CONTROL]));
    for change in ["reserve", "take out what is reserved", "end the lease of"] {
        assert!(told.contains(change), "{change} is not in {told}");
    }
    client.vanish();
    daemon.stop();
}

#[test]
fn whoever_may_only_look_is_shown_nothing_to_press() {
    let lab = Lab::new();
    let server = lan::server(&lab);
    let phone = lan::client_host(&lab, &server, "phone");
    let mut daemon =
        Leasehold::start(&server, &format!("{HOME}\n[web]\nlisten = \"127.0.0.1:8067\"\nloopback_role = \"view\"\n"));
    let mut client = Client::new(Kind::Udhcpc, &phone, Naming::Hostname("phone".to_owned()));
    let words = client.take().to_string();
    let mut browser = page::drive_script("changes.mjs", page::PAGE, &lab, &server, "look-on", &[Path::new(&words)]);
    let ended = browser.wait_end(PLAY);
    assert!(ended.success() && browser.log().contains("DONE"), "{}", browser.log());
    client.vanish();
    daemon.stop();
}

#[test]
fn addresses_are_reserved_from_the_map_and_a_device_that_waits_is_approved() {
    let lab = Lab::new();
    let server = lan::server(&lab);
    let relay = page::relay(&lab, &server);
    let waits = HOME.replacen("routers", "unknown_clients = \"wait\"\nrouters", 1);
    let mut daemon = Leasehold::start(&server, &waits);
    let hardware = [2, 0, 0, 0, 0x40, 1];
    let mut tablet = page::asker(&relay, [192, 168, 30, 2]);
    let said = Said { hostname: Some("tablet".to_owned()), ..Said::new(packet::DISCOVER, 0, hardware) };
    wait_for("the device to be told of as one that waits", PLAY, || {
        assert!(tablet.ask(said.clone(), Duration::from_millis(500)).is_none(), "nobody has approved of it");
        let told = succeed(server.tool("curl").args(["-sS", &format!("{}/api/v1/devices", page::PAGE)]));
        told.contains("02:00:00:00:40:01").then_some(())
    });
    let prefix = Path::new("192.168.30.0/24");
    let mut browser = page::drive_script("changes.mjs", page::PAGE, &lab, &server, "subnet", &[prefix]);
    browser.wait_log("APPROVED", 1, PLAY);
    let address = page::take(&mut tablet, hardware, "tablet");
    assert_ne!(address, Ipv4Addr::new(192, 168, 30, 100), "that one is reserved");
    let ended = browser.wait_end(PLAY);
    assert!(ended.success() && browser.log().contains("DONE"), "{}", browser.log());
    let beside = std::fs::read_to_string(server.path(BESIDE)).unwrap();
    assert!(beside.contains("02:00:00:00:20:01") && beside.contains("printer"), "{beside}");
    daemon.stop();
}

/// The zones are a real BIND's.
const AT_BIND: &str = r#"
[[subnet]]
prefix  = "192.168.30.0/24"
pools   = ["192.168.30.100-192.168.30.199"]
domain  = "home.example"
routers = ["192.168.30.1"]

[[zone]]
name   = "home.example"
server = "192.168.30.9"
key    = "leasehold-key"

[[zone]]
name   = "30.168.192.in-addr.arpa"
server = "192.168.30.9"
key    = "leasehold-key"

[web]
listen = "127.0.0.1:8067"
tls    = true
"#;

#[test]
fn an_administrator_signs_in_reserves_renames_reads_why_a_name_is_refused_retries_and_releases() {
    let lab = Lab::new();
    let server = lan::server(&lab);
    let phone = lan::client_host(&lab, &server, "phone");
    let names = lan::client_host(&lab, &server, "names");
    names.ip("address add 192.168.30.9/24 dev eth0");
    let zones = ["home.example", "30.168.192.in-addr.arpa"];
    let mut bind = DnsServer::start(servers::Kind::Bind, &names, "192.168.30.9:53".parse().unwrap(), &zones);
    let dig = bind.dig();
    let password = "correct horse battery";
    let user = web_access::made(&server, &["password", "--user", "anna", "--role", "operate"], password);
    let key = format!("[[key]]\nname = \"{KEY_NAME}\"\nalgorithm = \"{KEY_ALGORITHM}\"\nsecret = \"{KEY_SECRET}\"\n");
    let mut daemon = Leasehold::start(&server, &format!("{AT_BIND}\n{user}\n{key}"));
    let words = [Path::new("anna"), Path::new(password), lab.directory()];
    let mut browser = page::drive_script("story.mjs", "https://127.0.0.1:8067", &lab, &server, "story", &words);
    let told = |browser: &mut Running, word: &str| browser.wait_log(word, 1, PLAY);
    told(&mut browser, "EMPTY");
    let mut client = Client::new(Kind::Udhcpc, &phone, Naming::Hostname("phone".to_owned()));
    let address = client.take();
    told(&mut browser, "RENAMED");
    dig.wait_agree("desk.home.example", address);
    wait_for("the former name to be gone", PLAY, || dig.addresses("phone.home.example").is_empty().then_some(()));
    let stranger = Ipv4Addr::new(192, 168, 30, 77);
    dig.nsupdate(&format!("update add laptop.home.example. 300 A {stranger}"));
    std::fs::write(lab.directory().join("taken"), "").unwrap();
    told(&mut browser, "REFUSED");
    assert_eq!(dig.addresses("laptop.home.example"), [stranger], "what was made by hand stays");
    let retried = |of: &str| finish(&mut daemon.command(&["dns", "retry", of, "--socket", CONTROL]));
    let (nobody, laptop) = (retried("nobody.home.example"), retried("laptop.home.example"));
    assert_eq!((nobody.status.code(), laptop.status.code()), (Some(1), Some(0)), "{nobody:?} {laptop:?}");
    assert!(String::from_utf8_lossy(&laptop.stdout).contains("one name or address is tried now"), "{laptop:?}");
    dig.nsupdate("update delete laptop.home.example. A");
    std::fs::write(lab.directory().join("freed"), "").unwrap();
    told(&mut browser, "RETRIED");
    dig.wait_agree("laptop.home.example", address);
    let ended = browser.wait_end(PLAY);
    assert!(ended.success() && browser.log().contains("DONE"), "{}", browser.log());
    let leases = daemon.leases();
    assert!(leases.iter().any(|lease| lease.address == address && lease.state == "released"), "{leases:?}");
    client.vanish();
    daemon.stop();
    bind.stop();
}
