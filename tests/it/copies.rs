//! This server as a secondary of BIND and Knot: followed by NOTIFY and IXFR through updates, kills and restarts, handed on to
//! others, out of service when it expires, and refused where a key is wrong.

use std::net::{Ipv4Addr, SocketAddr};
use std::thread;
use std::time::Duration;

use crate::dig::{Dig, KEY_ALGORITHM, KEY_NAME, KEY_SECRET, Record};
use crate::field::{self, SERVER};
use crate::leasehold::{CONTROL, Leasehold};
use crate::netns::{Host, Lab};
use crate::process::{Running, finish, succeed, wait_for};

const ZONE: &str = "everything.example";
const BIND: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 2);
const KNOT: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 3);
/// Holds a copy of the copy.
const BEHIND: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 4);
const PATIENCE: Duration = Duration::from_secs(60);

fn dns(address: Ipv4Addr) -> SocketAddr {
    SocketAddr::new(address.into(), 53)
}

/// The daemon's configuration; `zone` stands in the zone.
fn config(zone: &str) -> String {
    format!(
        "[[key]]\nname = \"{KEY_NAME}\"\nsecret = \"{KEY_SECRET}\"\n\n\
         [dns]\nlisten = [\"{SERVER}\"]\nforward = false\n\n\
         [[zone]]\nname = \"{ZONE}\"\nkind = \"secondary\"\nallow_transfer = [\"key:{KEY_NAME}\"]\n{zone}\n"
    )
}

fn of_bind() -> String {
    format!("primaries = [{{ address = \"{BIND}\", key = \"{KEY_NAME}\" }}]\n")
}

/// A zone that has everything in it, with these times in its SOA record.
fn zone_file(times: &str) -> String {
    let text = include_str!("zones_beside_bind/everything.zone");
    let (before, after) = text.split_once("1h 15m 2w").expect("the times of the SOA record");
    format!("{before}{times}{after}")
}

/// BIND as a primary, which tells `SERVER` of changes at once.
fn start_bind(host: &Host, times: &str) -> Running {
    let zone = host.path("/var/cache/bind/primary.zone");
    if !zone.exists() {
        host.write("/var/cache/bind/primary.zone", &zone_file(times));
        host.write("/var/cache/bind/included.zone", include_str!("zones_beside_bind/included.zone"));
    }
    host.write(
        "/etc/bind/named.conf",
        &format!(
            "options {{\n\
               directory \"/var/cache/bind\"; pid-file none; session-keyfile none; recursion no; check-names primary ignore;\n\
               listen-on {{ {BIND}; }}; listen-on-v6 {{ none; }}; dnssec-validation no; notify-source {BIND};\n\
               notify explicit; notify-delay 0; serial-query-rate 1000;\n\
               allow-transfer {{ key {KEY_NAME}; }};\n\
             }};\n\
             controls {{ }};\n\
             key {KEY_NAME} {{ algorithm {KEY_ALGORITHM}; secret \"{KEY_SECRET}\"; }};\n\
             zone \"{ZONE}\" {{ type primary; file \"primary.zone\"; allow-update {{ key {KEY_NAME}; }};\n\
               also-notify {{ {SERVER} key {KEY_NAME}; }}; }};\n"
        ),
    );
    host.start("named", &["-g", "-n", "1", "-c", "/etc/bind/named.conf"])
}

/// Knot at `address`, with the zone as `zone` says.
fn start_knot(host: &Host, address: Ipv4Addr, zone: &str) -> Running {
    let (name, storage) = (format!("/etc/knot/{address}.conf"), format!("/var/lib/knot/{address}"));
    // Knot's own reader of zones does not know all that BIND's does; what comes over the wire it takes.
    let plain = format!(
        "$TTL 300\n$ORIGIN {ZONE}.\n@ SOA ns1 hostmaster 7 3600 60 86400 60\n NS ns1\nns1 A 192.0.2.53\nwww A 192.0.2.80\n"
    );
    host.write(&format!("{storage}/plain.zone"), &plain);
    host.write(
        &name,
        &format!(
            "server:\n  listen: {address}@53\n  rundir: {storage}\n  user: root:root\n  \
             udp-workers: 1\n  tcp-workers: 1\n  background-workers: 1\n\
             log:\n  - target: stderr\n    any: info\n\
             database:\n  storage: {storage}\n\
             key:\n  - id: {KEY_NAME}\n    algorithm: {KEY_ALGORITHM}\n    secret: {KEY_SECRET}\n\
             remote:\n  - id: leasehold\n    address: {SERVER}@53\n    via: {address}\n\
             acl:\n  - id: keyed\n    key: {KEY_NAME}\n    action: [transfer, update]\n  \
             - id: notified\n    address: {SERVER}\n    action: [notify, transfer]\n\
             zone:\n  - domain: {ZONE}\n    storage: {storage}\n    acl: [keyed, notified]\n    \
             semantic-checks: off\n{zone}"
        ),
    );
    host.start("knotd", &["-c", &name])
}

struct Network {
    server: Host,
    others: Host,
}

impl Network {
    fn new(lab: &Lab) -> Self {
        let (server, others) = field::hosts(lab);
        for address in [KNOT, BEHIND] {
            others.ip(&format!("address add {address}/16 dev eth0"));
        }
        Self { server, others }
    }

    fn dig(&self, address: Ipv4Addr) -> Dig<'_> {
        Dig::new(&self.others, dns(address))
    }

    fn serial(&self, address: Ipv4Addr) -> Option<u32> {
        self.dig(address).short(&[ZONE, "SOA"]).first()?.split_whitespace().nth(2)?.parse().ok()
    }

    /// Waits until all have the serial of the first, and proves that they hold the same zone. Returns it.
    fn wait_equal(&self, servers: &[Ipv4Addr], log: impl Fn() -> String) -> Vec<Record> {
        let (first, others) = servers.split_first().expect("servers");
        for other in others {
            wait_for(&format!("{other} has the serial of {first}\n{}", log()), PATIENCE, || {
                let serial = self.serial(*first)?;
                (self.serial(*other) == Some(serial)).then_some(())
            });
        }
        let zone_of = |address: Ipv4Addr| self.dig(address).transfer(ZONE);
        let zone = zone_of(*first);
        for other in others {
            let theirs = zone_of(*other);
            let differ = zone.iter().zip(&theirs).find(|(one, other)| one != other);
            assert!(zone == theirs, "{other}: {} records, {} at {first}; {differ:?}", theirs.len(), zone.len());
        }
        zone
    }
}

/// Changes that add, change and remove names, a sending each.
fn changes(from: usize, count: usize) -> Vec<String> {
    let one = |number: usize| {
        // A prime number of hosts, so that whichever gets texts loses them again: BIND takes a hundred records of a type.
        let (host, last) = (number * 7 % 61, number % 250 + 1);
        let change = match number % 5 {
            0 => format!("update delete h{host}.{ZONE}.\n"),
            1 => format!("update add h{host}.{ZONE}. {} TXT \"number {number}\"\n", 60 + number % 3),
            _ => format!("update delete h{host}.{ZONE}. A\nupdate add h{host}.{ZONE}. 60 A 192.0.2.{last}\n"),
        };
        format!("zone {ZONE}.\n{change}send\n")
    };
    (from..from + count).map(one).collect()
}

/// What `leasehold dns copies --json` says of the zone.
fn copy(leasehold: &Leasehold<'_>) -> serde_json::Value {
    let output = finish(&mut leasehold.command(&["dns", "copies", "--json", "--socket", CONTROL]));
    let listed: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    listed[0].clone()
}

#[test]
fn a_copy_of_bind_s_zone_stays_equal_through_updates_and_kills_and_is_handed_on_to_knot() {
    let count: usize = std::env::var("LEASEHOLD_COPY_UPDATES").map_or(300, |text| text.parse().unwrap());
    let lab = Lab::new();
    let network = Network::new(&lab);
    let bind = start_bind(&network.others, "3600 60 86400");
    let handed_on = format!("secondaries = [{{ address = \"{BEHIND}\" }}]\n");
    let mut leasehold = Leasehold::start(&network.server, &config(&(of_bind() + &handed_on)));
    let behind =
        start_knot(&network.others, BEHIND, "    master: leasehold\n    file: copy.zone\n    zonefile-sync: -1\n");
    let all = [BIND, SERVER, BEHIND];
    network.wait_equal(&all, || leasehold.log());
    let mut steps = 0;
    for from in (0..count).step_by(100) {
        let updates = changes(from, 100);
        thread::scope(|scope| {
            let sending = scope.spawn(|| network.dig(BIND).nsupdate_each(&updates));
            thread::sleep(Duration::from_millis(150 + (from / 100 % 3) as u64 * 100));
            steps += leasehold.log().matches(", by its changes").count();
            leasehold.kill();
            leasehold.resume();
            assert_eq!(sending.join().unwrap(), "");
        });
        network.wait_equal(&all, || leasehold.log() + &bind.log());
    }
    let zone = network.wait_equal(&all, || leasehold.log());
    steps += leasehold.log().matches(", by its changes").count();
    println!("{count} updates, {} records, followed by {steps} differences", zone.len());
    assert!(zone.iter().any(|record| record.owner.starts_with('h') && record.rtype == "A"), "the updates were made");
    // How many depends on how many updates a machine makes between two looks; Knot's below came by ours.
    assert!(steps > 0, "{}", leasehold.log());
    assert!(behind.count("IXFR, incoming") > 0, "the steps are handed on: {}", behind.log());
    // NOTIFY led to it: the SOA record says to ask once an hour.
    let shown = copy(&leasehold);
    assert_eq!((&shown["state"], &shown["primary"]), (&"fresh".into(), &format!("{BIND}:53").into()), "{shown}");
    leasehold.stop();
    leasehold.check_store();
}

#[test]
fn a_copy_is_served_without_its_primary_until_it_expires_and_again_when_that_is_back() {
    let lab = Lab::new();
    let network = Network::new(&lab);
    let mut bind = start_bind(&network.others, "1 1 1");
    let mut leasehold = Leasehold::start(&network.server, &config(&of_bind()));
    network.wait_equal(&[BIND, SERVER], || leasehold.log());
    bind.stop(PATIENCE);
    leasehold.stop();
    leasehold.resume();
    let name = format!("mail.{ZONE}");
    let asked = || network.dig(SERVER).raw(&["+edns=0", &name, "A"]);
    assert!(asked().contains("flags: qr aa"), "served from what is stored: {}", asked());
    assert!(leasehold.log().contains("the stored copy is served"), "{}", leasehold.log());
    // Ten and five seconds are the least that a refresh and a retry time are taken for, and an expiry time their sum.
    wait_for("the copy expires", PATIENCE, || asked().contains("status: SERVFAIL").then_some(()));
    assert!(asked().contains("EDE: 24"), "{}", asked());
    assert!(leasehold.log().contains("has expired"), "{}", leasehold.log());
    assert_eq!(copy(&leasehold)["state"], "expired");
    let status = succeed(&mut leasehold.command(&["status", "--socket", CONTROL]));
    assert!(status.contains(&format!("zone {ZONE}.: expired, copy, primaries {BIND}:53, serial")), "{status}");
    // Neither does a restart bring back what has expired.
    leasehold.stop();
    leasehold.resume();
    assert!(asked().contains("status: SERVFAIL"), "{}", asked());
    let _bind = start_bind(&network.others, "1 1 1");
    wait_for("the copy is served again", PATIENCE, || asked().contains("flags: qr aa").then_some(()));
    network.wait_equal(&[BIND, SERVER], || leasehold.log());
    leasehold.stop();
}

#[test]
fn a_wrong_key_is_refused_and_said_and_the_next_primary_is_asked() {
    let lab = Lab::new();
    let network = Network::new(&lab);
    let _bind = start_bind(&network.others, "3600 60 86400");
    let wrong = "[[key]]\nname = \"leasehold-key\"\nsecret = \"d3Jvbmcgd3Jvbmcgd3Jvbmcgd3Jvbmcgd3Jvbmcgd3I=\"\n";
    let text =
        config(&of_bind()).replace(&format!("[[key]]\nname = \"{KEY_NAME}\"\nsecret = \"{KEY_SECRET}\"\n"), wrong);
    let mut leasehold = Leasehold::start(&network.server, &text);
    let refused = || leasehold.log().contains("does not accept the key leasehold-key.: BADSIG").then_some(());
    wait_for("the refusal is told", PATIENCE, refused);
    let asked = network.dig(SERVER).raw(&["+edns=0", ZONE, "SOA"]);
    assert!(asked.contains("status: SERVFAIL") && asked.contains("EDE: 14"), "{asked}");
    let shown = copy(&leasehold);
    assert_eq!(shown["state"], "not-loaded");
    assert!(shown["error"].as_str().unwrap().contains("BADSIG"), "{shown}");
    leasehold.stop();

    // The right key, and a first primary that does not answer: Knot has the zone too.
    let _knot = start_knot(&network.others, KNOT, "    file: plain.zone\n    zonefile-sync: -1\n");
    let primaries =
        format!("primaries = [{{ address = \"10.77.0.9\" }}, {{ address = \"{KNOT}\", key = \"{KEY_NAME}\" }}]\n");
    Leasehold::rewrite(&network.server, &config(&primaries));
    leasehold.resume();
    network.wait_equal(&[KNOT, SERVER], || leasehold.log());
    assert_eq!(copy(&leasehold)["primary"], format!("{KNOT}:53"));

    // What Knot takes is had when it is ordered, since nobody tells this server of it.
    network.dig(KNOT).nsupdate(&format!("zone {ZONE}.\nupdate add ordered.{ZONE}. 60 A 192.0.2.77"));
    let told = succeed(&mut leasehold.command(&["dns", "refresh", ZONE, "--socket", CONTROL]));
    assert!(told.contains("fresh, copy of"), "{told}");
    assert_eq!(network.dig(SERVER).addresses(&format!("ordered.{ZONE}")), [Ipv4Addr::new(192, 0, 2, 77)]);
    network.wait_equal(&[KNOT, SERVER], || leasehold.log());
    let whole = succeed(&mut leasehold.command(&["dns", "refresh", "--whole", ZONE, "--socket", CONTROL]));
    assert!(whole.contains("fresh"), "{whole}");
    let other = finish(&mut leasehold.command(&["dns", "refresh", "other.example", "--socket", CONTROL]));
    assert!(String::from_utf8_lossy(&other.stderr).contains("is not a copy of another server's"), "{other:?}");
    leasehold.stop();
}

#[test]
fn strangers_cannot_say_that_a_zone_has_changed_and_updates_are_sent_to_the_primary() {
    let lab = Lab::new();
    let network = Network::new(&lab);
    let _bind = start_bind(&network.others, "3600 60 86400");
    let mut leasehold = Leasehold::start(&network.server, &config(&of_bind()));
    network.wait_equal(&[BIND, SERVER], || leasehold.log());
    // From the primary's address, and from another one; neither is signed.
    for (source, why) in [("10.77.0.2", "not signed with that primary's key"), ("10.77.0.4", "neither `primaries`")] {
        let notified = |zone: &str| network.dig(SERVER).raw(&["+opcode=notify", "-b", source, zone, "SOA"]);
        assert!(notified(ZONE).contains("status: REFUSED"), "{}", notified(ZONE));
        assert!(notified("other.example").contains("status: NOTAUTH"), "{}", notified("other.example"));
        wait_for("it is told", PATIENCE, || leasehold.log().contains(why).then_some(()));
        // Lines that anybody can cause are told once in ten seconds.
        leasehold.stop();
        leasehold.resume();
    }
    let update = format!("zone {ZONE}.\nupdate add new.{ZONE}. 60 A 192.0.2.1\nsend\n");
    assert!(network.dig(SERVER).nsupdate_each(&[update]).contains("REFUSED"));
    assert_eq!(network.dig(SERVER).rcode(&format!("new.{ZONE}"), "A").as_deref(), Some("NXDOMAIN"));
    // Who is no secondary does not get the zone either.
    let given = network.dig(SERVER).raw(&["-b", "10.77.0.4", ZONE, "AXFR"]);
    assert!(given.contains("Transfer failed"), "{given}");
    leasehold.stop();
}
