//! BIND and Knot as secondaries of embedded zones: BIND by a key, Knot by its address, told by NOTIFY, following by IXFR
//! where the history reaches, through kills, restarts and an older store put back.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::thread;
use std::time::Duration;

use crate::dig::{Dig, KEY_ALGORITHM, KEY_NAME, KEY_SECRET, Record};
use crate::field::{self, SERVER};
use crate::leasehold::{Leasehold, STORE};
use crate::netns::{Host, Lab};
use crate::process::{Running, succeed, wait_for};

const ZONE: &str = "nasir.xyz";
const BIND: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 2);
const KNOT: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 3);
const PATIENCE: Duration = Duration::from_secs(90);
/// Updates between two kills.
const CHUNK: usize = 250;

fn dns(address: Ipv4Addr) -> SocketAddr {
    SocketAddr::new(address.into(), 53)
}

/// The daemon's configuration; `more` stands in the zone.
fn config(more: &str) -> String {
    format!(
        "[[key]]\nname = \"{KEY_NAME}\"\nsecret = \"{KEY_SECRET}\"\n\n\
         [[zone]]\nname = \"{ZONE}\"\nupdate_keys = [\"{KEY_NAME}\"]\n\
         secondaries = [{{ address = \"{BIND}\", key = \"{KEY_NAME}\" }}, {{ address = \"{KNOT}\" }}]\n{more}\n\
         [[subnet]]\nprefix = \"10.77.0.0/16\"\npools = [\"10.77.1.0-10.77.250.255\"]\ndomain = \"{ZONE}\"\n"
    )
}

fn start_bind(host: &Host) -> Running {
    host.write(
        "/etc/bind/named.conf",
        &format!(
            "options {{\n\
               directory \"/var/cache/bind\"; pid-file none; session-keyfile none; recursion no; notify no;\n\
               listen-on {{ {BIND}; }}; listen-on-v6 {{ none; }}; dnssec-validation no; transfer-source {BIND};\n\
               allow-transfer {{ key {KEY_NAME}; }};\n\
             }};\n\
             controls {{ }};\n\
             key {KEY_NAME} {{ algorithm {KEY_ALGORITHM}; secret \"{KEY_SECRET}\"; }};\n\
             zone \"{ZONE}\" {{ type secondary; file \"{ZONE}.zone\"; primaries {{ {SERVER} key {KEY_NAME}; }}; }};\n"
        ),
    );
    host.start("named", &["-g", "-n", "1", "-c", "/etc/bind/named.conf"])
}

fn start_knot(host: &Host) -> Running {
    host.write(
        "/etc/knot/knot.conf",
        &format!(
            "server:\n  listen: {KNOT}@53\n  rundir: /run\n  user: root:root\n  \
             udp-workers: 1\n  tcp-workers: 1\n  background-workers: 1\n\
             log:\n  - target: stderr\n    any: info\n\
             database:\n  storage: /var/lib/knot\n\
             key:\n  - id: {KEY_NAME}\n    algorithm: {KEY_ALGORITHM}\n    secret: {KEY_SECRET}\n\
             remote:\n  - id: primary\n    address: {SERVER}@53\n    via: {KNOT}\n\
             acl:\n  - id: keyed\n    key: {KEY_NAME}\n    action: transfer\n  \
             - id: notified\n    address: {SERVER}\n    action: notify\n\
             zone:\n  - domain: {ZONE}\n    storage: /var/lib/knot\n    file: {ZONE}.zone\n    master: primary\n    \
             acl: [keyed, notified]\n    zonefile-sync: -1\n    journal-content: all\n"
        ),
    );
    host.start("knotd", &["-c", "/etc/knot/knot.conf"])
}

/// The server's host, and the secondaries'.
struct Network {
    server: Host,
    others: Host,
}

impl Network {
    fn new(lab: &Lab) -> Self {
        let (server, others) = field::hosts(lab);
        others.ip(&format!("address add {KNOT}/16 dev eth0"));
        Self { server, others }
    }

    fn dig(&self, address: Ipv4Addr) -> Dig<'_> {
        Dig::new(&self.others, dns(address))
    }

    fn serial(&self, address: Ipv4Addr) -> Option<u32> {
        self.dig(address).short(&[ZONE, "SOA"]).first()?.split_whitespace().nth(2)?.parse().ok()
    }

    /// Sends updates in small parts, each again until the server, which is killed meanwhile, has made all of it. How
    /// often one was sent again.
    fn send(&self, updates: &[String]) -> usize {
        let mut again = 0;
        for part in updates.chunks(25) {
            while !self.dig(SERVER).nsupdate_each(part).is_empty() {
                again += 1;
                thread::sleep(Duration::from_millis(50));
            }
        }
        again
    }

    /// Waits until both secondaries have the server's serial, and proves that they hold the same zone. Returns it.
    fn wait_equal(&self, leasehold: &Leasehold<'_>) -> Vec<Record> {
        for secondary in [BIND, KNOT] {
            wait_for(&format!("{secondary} has the serial of {SERVER}\n{}", leasehold.log()), PATIENCE, || {
                let serial = self.serial(SERVER)?;
                (self.serial(secondary) == Some(serial)).then_some(())
            });
        }
        // From its own address: what it gives to the secondaries' is counted.
        let ours = Dig::new(&self.server, dns(SERVER)).transfer(ZONE);
        for secondary in [BIND, KNOT] {
            let theirs = self.dig(secondary).transfer(ZONE);
            let differ = ours.iter().zip(&theirs).find(|(one, other)| one != other);
            assert!(ours == theirs, "{secondary}: {} records, {} here; {differ:?}", theirs.len(), ours.len());
        }
        ours
    }
}

/// What the server gave away to a secondary since it was last started: zones whole, and by what was changed.
fn given(log: &str, to: Ipv4Addr) -> (usize, usize) {
    let of_zone = |line: &&str| line.contains(&format!("source={to}:")) && line.contains(&format!("zone={ZONE}."));
    let lines = || log.lines().filter(of_zone);
    (
        lines().filter(|line| line.contains(" zone transferred")).count(),
        lines().filter(|line| line.contains("what was changed transferred")).count(),
    )
}

/// Changes that add, change and remove names, a sending each.
fn changes(from: usize, count: usize) -> Vec<String> {
    let one = |number: usize| {
        let (host, last) = (number * 7 % 400, number % 250 + 1);
        let change = match number % 5 {
            0 => format!("update delete h{host}.{ZONE}.\n"),
            1 => format!("update add h{host}.{ZONE}. {} TXT \"number {number}\"\n", 60 + number % 3),
            _ => format!("update delete h{host}.{ZONE}. A\nupdate add h{host}.{ZONE}. 60 A 192.0.2.{last}\n"),
        };
        format!("zone {ZONE}.\n{change}send\n")
    };
    (from..from + count).map(one).collect()
}

#[test]
fn bind_and_knot_stay_equal_through_updates_and_kills_of_the_primary() {
    let count: usize = std::env::var("LEASEHOLD_TRANSFER_UPDATES").map_or(1_500, |text| text.parse().unwrap());
    let lab = Lab::new();
    let network = Network::new(&lab);
    let mut leasehold = Leasehold::start(&network.server, &config(""));
    let (bind, knot) = (start_bind(&network.others), start_knot(&network.others));
    network.wait_equal(&leasehold);
    let mut given_of: BTreeMap<Ipv4Addr, (usize, usize)> = BTreeMap::new();
    let mut add_up = |log: &str| {
        for secondary in [BIND, KNOT] {
            let (whole, changed) = given(log, secondary);
            let sum = given_of.entry(secondary).or_default();
            (sum.0, sum.1) = (sum.0 + whole, sum.1 + changed);
        }
    };
    let mut failed = 0;
    for from in (0..count).step_by(CHUNK) {
        let updates = changes(from, CHUNK);
        failed += thread::scope(|scope| {
            let sending = scope.spawn(|| network.send(&updates));
            // At another moment of each part.
            thread::sleep(Duration::from_millis(100 + (from / CHUNK % 5) as u64 * 60));
            add_up(&leasehold.log());
            leasehold.kill();
            leasehold.resume();
            sending.join().unwrap()
        });
    }
    let zone = network.wait_equal(&leasehold);
    add_up(&leasehold.log());
    println!("{count} updates, {failed} parts sent again, {} records, given {given_of:?}", zone.len());
    assert!(zone.len() > 200, "the updates were made");
    for (secondary, (whole, changed)) in given_of {
        assert_eq!(whole, 1, "{secondary} took the zone whole at its start alone");
        assert!(changed >= count / CHUNK, "{secondary} followed by {changed} differences");
    }
    assert!(bind.count(&format!("received notify for zone '{ZONE}'")) > 0, "{}", bind.log());
    assert!(knot.count("notify, incoming") > 0, "{}", knot.log());
    let begun = |kind: &str| knot.count(&format!("{kind}, incoming, remote {SERVER}@53, started"));
    assert!(begun("IXFR") >= count / CHUNK && begun("AXFR") == 1, "{}", knot.log());

    // A start without change changes no serial, and gives nobody anything.
    let serial = network.serial(SERVER);
    leasehold.stop();
    leasehold.resume();
    assert_eq!(network.serial(SERVER), serial);
    assert_eq!(network.wait_equal(&leasehold), zone);
    assert_eq!(given(&leasehold.log(), BIND), (0, 0));
    leasehold.stop();
    leasehold.check_store();
}

#[test]
fn secondaries_ahead_of_an_older_store_make_the_serial_leap_and_take_the_zone_whole() {
    let lab = Lab::new();
    let network = Network::new(&lab);
    let mut leasehold = Leasehold::start(&network.server, &config(""));
    let (_bind, _knot) = (start_bind(&network.others), start_knot(&network.others));
    network.dig(SERVER).nsupdate(&format!("zone {ZONE}.\nupdate add before.{ZONE}. 60 A 192.0.2.1"));
    network.wait_equal(&leasehold);
    leasehold.stop();
    let (store, copy) = (network.server.path(STORE), lab.directory().join("copy"));
    let copy_to = |from: &std::path::Path, to: &std::path::Path| {
        succeed(std::process::Command::new("rm").arg("-rf").arg(to));
        succeed(std::process::Command::new("cp").arg("-a").args([from, to]));
    };
    copy_to(&store, &copy);
    leasehold.resume();
    assert_eq!(network.dig(SERVER).nsupdate_each(&changes(0, 40)), "");
    network.wait_equal(&leasehold);
    let newest = network.serial(BIND).unwrap();
    leasehold.stop();
    copy_to(&copy, &store);
    leasehold.resume();
    wait_for("the serial leaps", PATIENCE, || {
        network.serial(SERVER).filter(|serial| zones::serial::is_newer(*serial, newest))
    });
    let zone = network.wait_equal(&leasehold);
    assert!(zone.iter().any(|record| record.owner == format!("before.{ZONE}.")));
    assert!(!zone.iter().any(|record| record.owner.starts_with('h') && record.rtype == "TXT"), "{zone:?}");
    assert!(leasehold.log().contains("as after an older store was put back"), "{}", leasehold.log());
    leasehold.stop();
}

#[test]
fn a_zone_of_200_000_records_transfers_whole_to_both() {
    let lab = Lab::new();
    let network = Network::new(&lab);
    let part = |letter: char| format!("$GENERATE 1-50000 {letter}$ A 192.0.2.1\n");
    network.server.write("/run/large.zone", &format!("$TTL 300\n{}", ('a'..='d').map(part).collect::<String>()));
    let mut leasehold = Leasehold::start(&network.server, &config("file = \"/run/large.zone\""));
    // At its second start the zone is stored, and nothing is written or compacted beside the transfers. Reading the file
    // took more than what is left of it: the peak begins anew (proc(5), clear_refs).
    leasehold.stop();
    leasehold.resume();
    std::fs::write(format!("/proc/{}/clear_refs", leasehold.process().pid()), "5").unwrap();
    let before = peak_kib(leasehold.process().pid());
    let (_bind, _knot) = (start_bind(&network.others), start_knot(&network.others));
    let zone = network.wait_equal(&leasehold);
    // The kernel counts roughly: a little less is possible too.
    let grown = peak_kib(leasehold.process().pid()).saturating_sub(before);
    println!("{} records; the daemon's memory grew by {grown} KiB at most, from {before}", zone.len());
    assert!(zone.len() > 200_000, "{}", zone.len());
    assert!(grown < 32 * 1024, "transfers took {grown} KiB");
    leasehold.stop();
}

/// The most memory that a process had resident since its start, or since that was cleared, in KiB.
fn peak_kib(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[test]
fn who_is_no_secondary_gets_no_zone_and_a_datagram_gets_the_difference_that_fits() {
    let lab = Lab::new();
    let network = Network::new(&lab);
    network.others.ip("address add 10.77.0.9/16 dev eth0");
    let mut leasehold = Leasehold::start(&network.server, &config("allow_transfer = [\"10.77.0.8/31\"]"));
    let ask = |source: &str, words: &[&str]| network.dig(SERVER).raw(&[&["-b", source], words].concat());
    let first = network.serial(SERVER).unwrap();
    network.dig(SERVER).nsupdate(&format!("zone {ZONE}.\nupdate add new.{ZONE}. 60 A 192.0.2.1"));
    for words in [&[ZONE, "AXFR"][..], &[ZONE, "IXFR=1"]] {
        assert!(ask("10.77.0.2", words).contains("Transfer failed"), "BIND is known by its key alone");
        assert!(!ask("10.77.0.3", words).contains("Transfer failed"), "Knot by its address");
        assert!(!ask("10.77.0.9", words).contains("Transfer failed"), "allowed");
    }
    let question = format!("IXFR={first}");
    for protocol in ["+tcp", "+notcp"] {
        let printed = ask("10.77.0.9", &[protocol, "+noall", "+answer", ZONE, &question]);
        let types: Vec<&str> = printed.lines().filter_map(|line| line.split_whitespace().nth(3)).collect();
        assert_eq!(types, ["SOA", "SOA", "SOA", "A", "SOA"], "{protocol}: {printed}");
    }
    // What does not fit a datagram is asked for over TCP.
    for number in 0..10 {
        let text = "x".repeat(200);
        network.dig(SERVER).nsupdate(&format!("zone {ZONE}.\nupdate add long{number}.{ZONE}. 60 TXT {text}"));
    }
    let printed = ask("10.77.0.9", &["+notcp", "+ignore", "+noall", "+answer", ZONE, &question]);
    assert_eq!(printed.lines().count(), 1, "{printed}");
    leasehold.stop();
}
