//! The page in a real browser: Chromium beside the daemon, in its network namespace.
//!
//! What drives it is `tests/page/drive.mjs`; this plays the network's part. Screenshots go to `target/page`, and with
//! `LEASEHOLD_REWRITE_SCREENSHOTS=1` to `docs/screenshots`.

use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

use crate::asker::Asker;
use crate::clients::{Client, Kind, Naming};
use crate::lan;
use crate::leasehold::{Leasehold, STORE};
use crate::load::{Load, Plan};
use crate::netns::{Host, Lab};
use crate::packet::{self, Said};
use crate::process::{Running, finish, succeed, wait_for};
use crate::servers::{self, DnsServer};
use crate::web_access;

const CONFIG: &str = r#"# The home network.
[[subnet]]
prefix  = "192.168.30.0/24"
pools   = ["192.168.30.100-192.168.30.199"]
domain  = "home.example"
routers = ["192.168.30.1"]

[[subnet.reservation]]
address  = "192.168.30.12"
hardware = "02:00:00:00:10:02"
hostname = "nas"

[[subnet.reservation]]
address  = "192.168.30.150"
hardware = "02:00:00:00:10:99"
hostname = "scanner"

# Guests, behind a relay.
[[subnet]]
prefix     = "10.20.8.0/24"
pools      = ["10.20.8.10-10.20.8.33"]
domain     = "guests.home.example"
lease_time = "1h"

# The laboratory: another server has its zone.
[[subnet]]
prefix  = "10.20.12.0/24"
pools   = ["10.20.12.10-10.20.12.200"]
domain  = "lab.example.net"
reverse = "none"

[[zone]]
name = "home.example"

[[zone]]
name   = "lab.example.net"
server = "192.168.30.9"
key    = "ddns-home"

[[key]]
name   = "ddns-home"
secret = "c2VjcmV0IG9mIDMyIGJ5dGVzLCBmb3IgYSB0ZXN0ISE="

[dns]
upstreams = ["192.168.30.9"]

[resolver]
log = "whole"

[[block]]
name = "adverts"
file = "/etc/bind/adverts.txt"
"#;

/// The page, as the daemon serves it unasked.
pub(crate) const PAGE: &str = "http://127.0.0.1:8067";
const PATIENCE: Duration = Duration::from_secs(60);
/// Four looks at a dozen views, each with a run of axe.
const LOOKS: Duration = Duration::from_secs(400);

const AT_HOME: [&str; 12] = [
    "maria-iphone",
    "nas",
    "doorbell",
    "lt-4471",
    "thermostat",
    "tv-hall",
    "kiosk-lobby",
    "esp-garden",
    "printer-3f",
    "anna-pixel",
    "vacuum",
    "bench-07",
];

/// Where npm has put what drives the browser.
fn modules() -> PathBuf {
    let modules = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/page-tests/node_modules");
    assert!(
        modules.join("playwright-core").is_dir() && modules.join("axe-core").is_dir(),
        "the tests of the page need playwright-core and axe-core in {}: run ./test page, which installs them",
        modules.display()
    );
    modules
}

fn get(host: &Host, path: &str) -> Value {
    let text = succeed(host.tool("curl").args(["-sS", "--max-time", "20", &format!("{PAGE}{path}")]));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{path}: {error}: {text}"))
}

/// A relay agent's host, with an address in each of the networks behind it.
pub(crate) fn relay(lab: &Lab, server: &Host) -> Host {
    let relay = lan::client_host(lab, server, "relay");
    relay.ip("address add 192.168.30.2/24 dev eth0");
    for (address, prefix) in [("10.20.8.1", "10.20.8.0/24"), ("10.20.12.1", "10.20.12.0/24")] {
        relay.ip(&format!("address add {address}/24 dev lo"));
        server.ip(&format!("route add {prefix} via 192.168.30.2"));
    }
    relay
}

/// Clients behind one of the relay's addresses.
pub(crate) fn asker(relay: &Host, address: [u8; 4]) -> Asker {
    Asker::new(relay, address.into(), true).of(Ipv4Addr::new(192, 168, 30, 1))
}

/// A client of this hardware address and name takes a lease.
pub(crate) fn take(asker: &mut Asker, hardware: [u8; 6], hostname: &str) -> Ipv4Addr {
    let patience = Duration::from_secs(10);
    let said = |kind| Said { hostname: Some(hostname.to_owned()), ..Said::new(kind, 0, hardware) };
    let offer = asker.ask(said(packet::DISCOVER), patience).unwrap_or_else(|| panic!("no offer for {hostname}"));
    let request = Said { requested: Some(offer.yiaddr), server: Some(offer.server), ..said(packet::REQUEST) };
    let answer = asker.ask(request, patience).unwrap_or_else(|| panic!("no answer for {hostname}"));
    assert_eq!(answer.kind, packet::ACK, "{hostname}");
    answer.yiaddr
}

/// What the views are looked at with: a home, guests whose subnet is nearly full, and a zone whose server refuses.
fn fill(relay: &Host) {
    let mut home = asker(relay, [192, 168, 30, 2]);
    for (at, name) in AT_HOME.iter().enumerate() {
        take(&mut home, [2, 0, 0, 0, 0x10, at as u8 + 1], name);
    }
    let mut guests = asker(relay, [10, 20, 8, 1]);
    for at in 0..22 {
        take(&mut guests, [2, 0, 0, 0, 0x20, at], &format!("guest-{at}"));
    }
    let mut laboratory = asker(relay, [10, 20, 12, 1]);
    for at in 0..3 {
        take(&mut laboratory, [2, 0, 0, 0, 0x30, at], &format!("probe-{at}"));
    }
}

/// Names of others that a host asks for: one that is there, one that is not, one that is blocked and one that nobody
/// answers for.
fn ask_for_names(host: &Host) {
    for asked in ["example.org", "www.example.org", "ads.example", "video.example.com", "ads.example", "example.org"] {
        finish(host.tool("dig").args(["@192.168.30.1", "+tries=1", "+time=6", asked]));
    }
}

/// An hour and a day as a daemon that ran before has written them down: leases that come and go, and their messages.
fn seed_figures(host: &Host) {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let mut text = String::new();
    for (range, step, points) in [(0, 10, 360_u64), (1, 300, 288)] {
        let mut received = 0;
        for point in 0..points {
            let wave = ((point as f64 / points as f64 - 0.35) * std::f64::consts::TAU).sin();
            received += step / 3 + (step as f64 * (1.0 + wave) / 5.0) as u64 + (point * 37) % 5;
            let (at, leases) = (now - (points - point) * step, (25.0 + 13.0 * wave) as u64);
            text.push_str(&format!("{range} {at} {leases} {received} {}\n", received * 9 / 10));
        }
    }
    host.write(&format!("{STORE}/figures"), &text);
}

/// Every metric that a query of the dashboard in `examples` names.
fn dashboards_metrics() -> Vec<String> {
    let text =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/grafana/leasehold.json")).unwrap();
    let dashboard: Value = serde_json::from_str(&text).unwrap();
    let panels = dashboard["panels"].as_array().unwrap().iter();
    let targets = panels.flat_map(|panel| panel["targets"].as_array().unwrap());
    let queries = targets.map(|target| target["expr"].as_str().unwrap().to_owned());
    let list = dashboard["templating"]["list"].as_array().unwrap().iter();
    let variables = list.filter_map(|one| one["query"]["query"].as_str().map(str::to_owned));
    let mut names: Vec<String> = queries.chain(variables).flat_map(|query| metric_names(&query)).collect();
    names.sort();
    names.dedup();
    names
}

fn metric_names(query: &str) -> Vec<String> {
    let words = query.split(|one: char| !one.is_ascii_alphanumeric() && one != '_');
    words.filter(|word| word.starts_with("leasehold_")).map(str::to_owned).collect()
}

pub(crate) fn pictures() -> PathBuf {
    let directory = match std::env::var_os("LEASEHOLD_REWRITE_SCREENSHOTS") {
        Some(_) => "docs/screenshots",
        None => "target/page",
    };
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join(directory);
    fs::create_dir_all(&directory).unwrap();
    directory
}

pub(crate) fn drive(lab: &Lab, server: &Host, what: &str, more: &[&Path]) -> Running {
    drive_at(PAGE, lab, server, what, more)
}

fn drive_at(url: &str, lab: &Lab, server: &Host, what: &str, more: &[&Path]) -> Running {
    drive_script("drive.mjs", url, lab, server, what, more)
}

/// Has a script of `tests/page` play over the page at `url`, in the server's namespace.
pub(crate) fn drive_script(script: &str, url: &str, lab: &Lab, server: &Host, what: &str, more: &[&Path]) -> Running {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/page").join(script);
    let mut command = server.tool("node");
    command.arg(script).args([what, url]).arg(modules()).args(more);
    command.env("HOME", lab.directory());
    Running::start("the browser", &mut command)
}

#[test]
fn a_lease_shows_live_on_the_page_and_no_view_has_a_fault() {
    let lab = Lab::new();
    let server = lan::server(&lab);
    let phone = lan::client_host(&lab, &server, "phone");
    let relay = relay(&lab, &server);
    // It knows no key of ours, and says so.
    let names = lan::client_host(&lab, &server, "names");
    names.ip("address add 192.168.30.9/24 dev eth0");
    let mut bind = DnsServer::start(
        servers::Kind::Bind,
        &names,
        "192.168.30.9:53".parse().unwrap(),
        &["lab.example.net", "example.org"],
    );
    server.write("/etc/bind/adverts.txt", "ads.example\n");
    let mut daemon = Leasehold::prepare(&server, CONFIG);
    seed_figures(&server);
    daemon.resume();
    let go = lab.directory().join("go");
    let mut browser = drive(&lab, &server, "views", &[&pictures(), &go]);
    browser.wait_log("EMPTY", 1, PATIENCE);
    let mut client = Client::new(Kind::Udhcpc, &phone, Naming::Hostname("phone".to_owned()));
    let address = client.take();
    browser.wait_log("SEEN", 1, PATIENCE);
    let found = get(&server, "/api/v1/leases?q=phone");
    assert_eq!(found["rows"][0]["address"], address.to_string(), "{found}");
    fill(&relay);
    ask_for_names(&phone);
    let asked = get(&server, "/api/v1/queries?q=phone&fate=blocked");
    assert_eq!((&asked["remembered"], &asked["total"]), (&true.into(), &2.into()), "{asked}");
    assert_eq!(asked["rows"][0]["why"], "listed in adverts", "{asked}");
    assert_eq!(asked["rows"][0]["host"], "phone.home.example", "{asked}");
    let forwarder = get(&server, "/api/v1/forwarder");
    let list = &forwarder["blocks"][0];
    assert_eq!((&list["name"], &list["names"], &list["blocked"]), (&"adverts".into(), &1.into(), &2.into()), "{list}");
    assert_eq!((&list["most"][0]["name"], &list["most"][0]["count"]), (&"ads.example".into(), &2.into()), "{list}");
    assert!(list["as_of"].as_u64() > Some(1_600_000_000) && list["trouble"].is_null(), "{list}");
    assert!(!forwarder["upstreams"].as_array().unwrap().is_empty(), "{forwarder}");
    wait_for("the refusing server to be told of", PATIENCE, || {
        let status = get(&server, "/api/v1/status");
        let attention = status["verdict"]["attention"].as_array().unwrap().clone();
        let told = |one: &Value| {
            one["title"].as_str().unwrap().starts_with("lab.example.net cannot be updated at 192.168.30.9:53")
                && one["way"]["path"] == "/zones/lab.example.net"
        };
        attention.iter().any(told).then_some(())
    });
    fs::write(&go, "").unwrap();
    let ended = browser.wait_end(LOOKS);
    assert!(ended.success() && browser.log().contains("DONE"), "{}", browser.log());
    client.release();
    wait_for("the end of the lease", PATIENCE, || {
        let found = get(&server, "/api/v1/leases?q=phone&state=released");
        (found["total"] == 1).then_some(())
    });
    daemon.stop();
    bind.stop();
}

#[test]
fn records_the_configuration_and_the_history_are_worked_with_on_the_page() {
    let lab = Lab::new();
    let server = lan::server(&lab);
    let phone = lan::client_host(&lab, &server, "phone");
    server.write("/etc/bind/adverts.txt", "ads.example\n");
    let split = "[[view]]\nname = \"inside\"\nclients = [\"192.168.30.0/24\"]\n\
                 [[zone]]\nname = \"split.example\"\nviews = [\"inside\"]\n[[zone]]\nname = \"split.example\"\n";
    let mut daemon = Leasehold::start(&server, &format!("{CONFIG}\n{split}"));
    let mut client = Client::new(Kind::Udhcpc, &phone, Naming::Hostname("phone".to_owned()));
    let address = client.take();
    let mut browser = drive(&lab, &server, "forms", &[&pictures(), Path::new(&address.to_string())]);
    let ended = browser.wait_end(LOOKS);
    assert!(ended.success() && browser.log().contains("DONE"), "{}", browser.log());
    // What was done there stands in the files, with the secret that the page never saw.
    let main = fs::read_to_string(server.path(crate::leasehold::CONFIG)).unwrap();
    assert!(main.contains("192.168.30.189") && main.contains("c2Vjcm"), "{main}");
    let beside = crate::reserve::beside(&server);
    assert!(!beside.contains("192.168.30.8"), "{beside}");
    assert!(
        beside.contains("zone = \"split.example\"\nview = \"inside\"\nname = \"www\"") && beside.contains("30.98"),
        "{beside}"
    );
    let noted = get(&server, "/api/v1/changes?limit=50").to_string();
    for what in ["put the records A of www in the zone home.example", "write the main file of the configuration"] {
        assert!(noted.contains(what), "{what}: {noted}");
    }
    client.release();
    daemon.stop();
}

#[test]
fn somebody_signs_in_sees_a_lease_arrive_and_signs_out() {
    let lab = Lab::new();
    let server = lan::server(&lab);
    let phone = lan::client_host(&lab, &server, "phone");
    let password = "correct horse battery";
    let user = web_access::made(&server, &["password", "--user", "anna", "--role", "operate"], password);
    let web = "[web]\nlisten = \"127.0.0.1:8067\"\ntls = true\n";
    let home = CONFIG.split("# Guests").next().unwrap();
    let mut daemon = Leasehold::start(&server, &format!("{home}\n[[zone]]\nname = \"home.example\"\n{web}\n{user}"));
    let words = [&pictures(), Path::new("anna"), Path::new(password)];
    let mut browser = drive_at("https://127.0.0.1:8067", &lab, &server, "door", &words);
    browser.wait_log("EMPTY", 1, 2 * PATIENCE);
    let mut client = Client::new(Kind::Udhcpc, &phone, Naming::Hostname("phone".to_owned()));
    client.take();
    browser.wait_log("SEEN", 1, PATIENCE);
    let ended = browser.wait_end(LOOKS);
    assert!(ended.success() && browser.log().contains("DONE"), "{}", browser.log());
    client.release();
    daemon.stop();
}

#[test]
fn thousands_of_leases_are_a_few_rows_to_the_browser_from_the_first_to_the_last() {
    let leases: u32 = std::env::var("LEASEHOLD_PAGE_LEASES").map_or(2_000, |many| many.parse().unwrap());
    let lab = Lab::new();
    let server = lan::server(&lab);
    let relay = relay(&lab, &server);
    relay.ip("address add 10.32.0.1/12 dev lo");
    server.ip("route add 10.32.0.0/12 via 192.168.30.2");
    let wide =
        "[[subnet]]\nprefix = \"10.32.0.0/12\"\npools = [\"10.32.0.10-10.47.255.0\"]\ndomain = \"home.example\"\n";
    let mut daemon = Leasehold::start(&server, &format!("{CONFIG}\n{wide}"));
    let plan = Plan { in_flight: 200, ..Plan::arrivals(leases, 1_000.0) };
    let load = Load::new(&relay, Ipv4Addr::new(10, 32, 0, 1), Ipv4Addr::new(192, 168, 30, 1), plan);
    let history = load.finish(Duration::from_secs(u64::from(leases) / 100 + 60));
    assert_eq!(history.violations(), "");
    let mut browser = drive(&lab, &server, "many", &[Path::new(&leases.to_string())]);
    let ended = browser.wait_end(2 * PATIENCE);
    assert!(ended.success() && browser.log().contains("DONE"), "{}", browser.log());
    // How long the first view took: seen with --nocapture, and judged by whoever looks.
    println!("{}", browser.log());
    daemon.stop();
}

#[test]
fn the_api_tells_what_the_network_holds() {
    let lab = Lab::new();
    let server = lan::server(&lab);
    let relay = relay(&lab, &server);
    let mut daemon = Leasehold::start(&server, CONFIG);
    fill(&relay);
    // One that is no message at all, so that something is counted as not answered.
    relay.inside(|| std::net::UdpSocket::bind("192.168.30.2:0").unwrap().send_to(b"junk", "192.168.30.1:67").unwrap());
    let all = get(&server, "/api/v1/leases?limit=10");
    assert_eq!((all["total"].as_u64(), all["rows"].as_array().map(Vec::len)), (Some(37), Some(10)), "{all}");
    for (written, total) in
        [("02:00:00:00:10:02", 1), ("0200.0000.1002", 1), ("02-00-00-00-10", 12), ("guest-", 22), ("10.20.12.", 3)]
    {
        let found = get(&server, &format!("/api/v1/leases?q={written}"));
        assert_eq!(found["total"], total, "{written}: {found}");
    }
    let by_name = get(&server, "/api/v1/leases?subnet=192.168.30.0/24&sort=-name");
    let names: Vec<&str> = by_name["rows"].as_array().unwrap().iter().filter_map(|row| row["name"].as_str()).collect();
    assert!(names.len() == 12 && names.windows(2).all(|two| two[0] >= two[1]), "{names:?}");
    let nas = get(&server, "/api/v1/hosts/nas.home.example");
    assert_eq!(
        (nas["leases"][0]["address"].as_str(), nas["leases"][0]["reserved"].as_bool()),
        (Some("192.168.30.12"), Some(true))
    );
    assert_eq!(nas["leases"][0]["dns"], "done", "{nas}");
    let guests = get(&server, "/api/v1/subnets/10.20.8.0/24");
    assert_eq!((guests["subnet"]["free"].as_u64(), guests["subnet"]["bound"].as_u64()), (Some(2), Some(22)));
    let map = get(&server, "/api/v1/subnets/192.168.30.0/24/map");
    let cells = map["cells"].as_str().unwrap();
    assert_eq!((cells.len(), &cells[12..13], &cells[150..151], &cells[5..6]), (256, "B", "r", "-"), "{cells}");
    let records = get(&server, "/api/v1/zones/home.example/records?q=doorbell");
    assert_eq!(
        (records["rows"][0]["rtype"].as_str(), records["rows"][0]["origin"].as_str()),
        (Some("A"), Some("lease")),
        "{records}"
    );
    let shown = get(&server, "/api/v1/configuration");
    assert!(!shown["text"].as_str().unwrap().contains("c2Vjcm"), "a secret is shown");
    let metrics = succeed(server.tool("curl").args(["-sS", &format!("{PAGE}/metrics")]));
    assert!(metrics.contains("leasehold_addresses{") && metrics.trim_end().ends_with("# EOF"), "{metrics}");
    let asked = dashboards_metrics();
    assert!(asked.len() > 10, "{asked:?}");
    for metric in asked {
        let is_there = |line: &str| line.strip_prefix(metric.as_str()).is_some_and(|rest| rest.starts_with(['{', ' ']));
        assert!(metrics.lines().any(is_there), "the dashboard asks for {metric}, which is not in {metrics}");
    }
    let hosts = get(&server, "/api/v1/hosts?limit=5");
    assert_eq!((&hosts["total"], hosts["rows"].as_array().map(Vec::len)), (&37.into(), Some(5)), "{hosts}");
    let found = get(&server, "/api/v1/hosts?q=0200.0000.1002");
    assert_eq!((&found["total"], &found["rows"][0]["title"]), (&1.into(), &"nas.home.example".into()), "{found}");
    assert_eq!(found["rows"][0]["private_hardware"], true, "{found}");
    let asked = get(&server, "/api/v1/queries");
    assert_eq!((&asked["remembered"], &asked["total"]), (&true.into(), &0.into()), "{asked}");
    daemon.stop();
}

#[test]
fn a_page_that_is_asked_for_and_cannot_be_served_is_told_and_one_that_is_not_is_not_missed() {
    let lab = Lab::new();
    let server = lan::server(&lab);
    let holder = server.inside(|| std::net::TcpListener::bind("127.0.0.1:8067").unwrap());
    let mut daemon = Leasehold::start(&server, CONFIG);
    assert!(daemon.log().contains("the page is not served: 127.0.0.1:8067 cannot be had"), "{}", daemon.log());
    daemon.stop();
    Leasehold::rewrite(&server, &format!("[web]\nlisten = \"127.0.0.1:8067\"\n\n{CONFIG}"));
    daemon.launch();
    daemon.process().wait_log("cannot serve the page on 127.0.0.1:8067 (`listen` in [web])", 1, PATIENCE);
    assert!(!daemon.process().wait_end(PATIENCE).success());
    drop(holder);
}
