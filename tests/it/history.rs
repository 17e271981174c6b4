//! Who had which address when, with real clients: while the daemon runs, after it was killed, and from its files alone.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::Value;

use crate::clients::{Client, Kind, Naming};
use crate::leasehold::{CONTROL, Leasehold, STORE};
use crate::netns::Lab;
use crate::process::{finish, succeed, wait_for};

const PATIENCE: Duration = Duration::from_secs(20);
const CONFIG: &str = "[[zone]]\nname = \"lan.test\"\n\n[[subnet]]\nprefix = \"192.168.30.0/24\"\n\
                      pools = [\"192.168.30.100-192.168.30.199\"]\ndomain = \"lan.test\"\nlease_time = \"1h\"\n";

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

fn told(daemon: &Leasehold<'_>, words: &[&str]) -> Value {
    let all: Vec<&str> = [&["history"], words, &["--json", "--socket", CONTROL]].concat();
    serde_json::from_slice(&finish(&mut daemon.command(&all)).stdout).unwrap()
}

fn kinds(rows: &Value) -> Vec<&str> {
    rows.as_array().unwrap().iter().map(|row| row["kind"].as_str().unwrap()).collect()
}

#[test]
fn who_had_an_address_is_told_by_a_running_daemon_a_killed_one_and_its_files() {
    let lab = Lab::new();
    let (server, first, second) = (lab.host("server"), lab.host("first"), lab.host("second"));
    lab.cable(&server, "eth0", &first, "eth0");
    lab.cable(&server, "eth1", &second, "eth0");
    server.ip("link add name lan type bridge");
    for interface in ["eth0", "eth1"] {
        server.ip(&format!("link set {interface} master lan"));
    }
    server.ip("link set lan up");
    server.ip("address add 192.168.30.1/24 dev lan");
    let mut leasehold = Leasehold::start(&server, CONFIG);

    let mut alpha = Client::new(Kind::Udhcpc, &first, Naming::Hostname("alpha".to_owned()));
    let address = alpha.take().to_string();
    let during = now();
    let rows = told(&leasehold, &[&address]);
    assert_eq!(kinds(&rows), ["assigned"], "{rows}");
    assert_eq!((rows[0]["name"].as_str(), rows[0]["hostname"].as_str()), (Some("alpha.lan.test"), Some("alpha")));
    let hardware = rows[0]["hardware"].as_str().unwrap().to_owned();

    // What was acknowledged before a SIGKILL is in the journal, and read from there.
    let mut beta = Client::new(Kind::Udhcpc, &second, Naming::Hostname("beta".to_owned()));
    let other = beta.take().to_string();
    leasehold.kill();
    leasehold.resume();
    wait_for("the history has caught up", PATIENCE, || {
        (told(&leasehold, &["beta"]) != Value::Array(vec![])).then_some(())
    });
    assert_eq!(kinds(&told(&leasehold, &["beta.lan.test"])), ["assigned"], "once, however often it is read");
    assert_eq!(kinds(&told(&leasehold, &[&address])), ["assigned"]);

    std::thread::sleep(Duration::from_millis(4_000));
    alpha.release();
    wait_for("the release is told", PATIENCE, || {
        (kinds(&told(&leasehold, &[&hardware])) == ["released", "assigned"]).then_some(())
    });
    let holder = told(&leasehold, &[&address, "--at", &format!("{}s", now() - during)]);
    assert_eq!(holder["holder"]["hardware"].as_str(), Some(&*hardware), "{holder}");
    assert_eq!(holder["until"].as_u64().map(|until| until >= during), Some(true), "{holder}");
    // Nobody has it now: exit code 3.
    let nobody = finish(&mut leasehold.command(&["history", &address, "--at", "now", "--socket", CONTROL]));
    assert_eq!(nobody.status.code(), Some(3), "{}", String::from_utf8_lossy(&nobody.stdout));
    let unknown = finish(&mut leasehold.command(&["history", "nobody.lan.test", "--socket", CONTROL]));
    assert_eq!(unknown.status.code(), Some(3));

    leasehold.stop();
    // The files tell the same of a stopped server, the running lease among it.
    let from_files = ["history", "--csv", "--store", STORE];
    let csv = succeed(&mut leasehold.command(&from_files));
    assert_eq!(csv.lines().count(), 4, "{csv}");
    assert!(csv.starts_with("time,kind,address,hardware,name"), "{csv}");
    let held = succeed(&mut leasehold.command(&["history", &other, "--at", "now", "--store", STORE]));
    assert!(held.contains("(beta.lan.test) had"), "{held}");
}

#[test]
fn no_history_is_kept_where_the_configuration_says_so_and_no_names_where_it_says_that() {
    let lab = Lab::new();
    let (server, host) = (lab.host("server"), lab.host("client"));
    lab.cable(&server, "eth0", &host, "eth0");
    server.ip("address add 192.168.30.1/24 dev eth0");
    let mut leasehold = Leasehold::start(&server, &format!("[history]\nrecord = \"nameless\"\n\n{CONFIG}"));
    let mut client = Client::new(Kind::Udhcpc, &host, Naming::Hostname("alpha".to_owned()));
    let address = client.take().to_string();
    let rows = told(&leasehold, &[&address]);
    assert_eq!((rows[0]["name"].as_str(), rows[0]["hostname"].as_str()), (None, Some("")), "{rows}");
    leasehold.stop();
    let files = std::fs::read_dir(server.path(STORE).join("history")).unwrap().map(|entry| entry.unwrap().path());
    for file in files {
        let octets = std::fs::read(&file).unwrap();
        assert!(!octets.windows(5).any(|five| five == b"alpha"), "{}", file.display());
    }
    Leasehold::rewrite(&server, &format!("[history]\nrecord = \"off\"\n\n{CONFIG}"));
    leasehold.resume();
    let refused = finish(&mut leasehold.command(&["history", "--socket", CONTROL]));
    assert_eq!(refused.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("no history of leases is kept"));
    leasehold.stop();
}

#[test]
fn what_a_command_changes_is_noted_with_who_did_it() {
    let lab = Lab::new();
    let (server, host) = (lab.host("server"), lab.host("client"));
    lab.cable(&server, "eth0", &host, "eth0");
    server.ip("address add 192.168.30.1/24 dev eth0");
    let mut leasehold = Leasehold::start(&server, CONFIG);
    let log = |daemon: &Leasehold<'_>, place: [&str; 2]| {
        let output = finish(daemon.command(&["audit-log", "--json"]).args(place));
        let told: Value = serde_json::from_slice(&output.stdout).unwrap();
        (output.status.code(), told)
    };
    assert_eq!(log(&leasehold, ["--socket", CONTROL]).0, Some(3), "nobody has changed anything");
    finish(&mut leasehold.command(&["dns", "resync", "--zone", "nowhere.test", "--socket", CONTROL]));
    succeed(&mut leasehold.command(&["dns", "resync", "--dry-run", "--socket", CONTROL]));
    succeed(&mut leasehold.command(&["dns", "resync", "--zone", "lan.test", "--socket", CONTROL]));
    let (_, told) = log(&leasehold, ["--socket", CONTROL]);
    let told = told.as_array().unwrap();
    assert_eq!(told.len(), 2, "what only asks is none: {told:?}");
    assert_eq!(told[0]["what"], "tell DNS every name of the zone lan.test anew");
    assert_eq!((&told[0]["who"], &told[0]["refused"]), (&Value::from("root on this machine"), &Value::Null));
    assert!(told[1]["refused"].as_str().unwrap().contains("nowhere.test"), "{:?}", told[1]);
    leasehold.stop();
    assert_eq!(log(&leasehold, ["--store", STORE]).1.as_array().unwrap().len(), 2);
}

#[test]
fn leases_are_listed_as_they_are_asked_for_and_events_followed() {
    let lab = Lab::new();
    let (server, host) = (lab.host("server"), lab.host("client"));
    lab.cable(&server, "eth0", &host, "eth0");
    server.ip("address add 192.168.30.1/24 dev eth0");
    let mut leasehold = Leasehold::start(&server, CONFIG);
    let mut following = server.start(crate::leasehold::PROGRAM, &["events", "--follow", "--socket", CONTROL]);
    let mut client = Client::new(Kind::Udhcpc, &host, Naming::Hostname("alpha".to_owned()));
    let address = client.take().to_string();
    following.wait_log(&format!("got {address}"), 1, PATIENCE);
    // A device that was never here, once.
    following.wait_log("new-device", 1, PATIENCE);
    let listed = |words: &[&str]| {
        let all: Vec<&str> = [&["leases", "--socket", CONTROL], words].concat();
        let output = finish(&mut leasehold.command(&all));
        (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    for found in [&["--name", "ALP"][..], &["--subnet", "192.168.30.0/24", "--sort", "expires"], &["--state", "bound"]]
    {
        let (code, printed) = listed(found);
        assert!(code == Some(0) && printed.contains(&address), "{found:?}: {printed}");
    }
    for nothing in [&["--name", "beta"][..], &["--subnet", "10.0.0.0/8"], &["--state", "expired"], &["--mac", "ff:ff"]]
    {
        assert_eq!(listed(nothing).0, Some(3), "{nothing:?}");
    }
    assert_eq!(listed(&["--state", "lost"]).0, Some(2), "a wrong command line");
    let (_, csv) = listed(&["--csv"]);
    assert!(csv.starts_with("address,subnet,state,hardware") && csv.lines().count() == 2, "{csv}");
    leasehold.stop();
}

#[test]
fn a_device_that_nobody_knows_waits_until_it_is_approved_also_after_a_restart() {
    let lab = Lab::new();
    let (server, host) = (lab.host("server"), lab.host("client"));
    lab.cable(&server, "eth0", &host, "eth0");
    server.ip("address add 192.168.30.1/24 dev eth0");
    let mut leasehold = Leasehold::start(&server, &format!("{CONFIG}unknown_clients = \"wait\"\n"));
    let waiting = |daemon: &Leasehold<'_>| -> Value {
        let words = ["devices", "--waiting", "--json", "--socket", CONTROL];
        serde_json::from_slice(&finish(&mut daemon.command(&words)).stdout).unwrap()
    };
    let mut asking =
        host.start("udhcpc", &["-f", "-i", "eth0", "-t", "50", "-T", "1", "-A", "1", "-x", "hostname:alpha"]);
    wait_for("the device waits", PATIENCE, || (!waiting(&leasehold).as_array().unwrap().is_empty()).then_some(()));
    let told = waiting(&leasehold);
    assert_eq!((&told[0]["state"], &told[0]["hostname"]), (&Value::from("waiting"), &Value::from("alpha")), "{told}");
    let hardware = told[0]["hardware"].as_str().unwrap().to_owned();
    assert!(leasehold.leases().is_empty());
    succeed(&mut leasehold.command(&["approve", &hardware, "--socket", CONTROL]));
    asking.wait_log(" obtained from ", 1, PATIENCE);
    assert_eq!(waiting(&leasehold), Value::Array(vec![]));
    // The decision outlives the daemon, and can be another one.
    leasehold.kill();
    leasehold.resume();
    let words = ["devices", "--json", "--socket", CONTROL];
    let known: Value = serde_json::from_slice(&finish(&mut leasehold.command(&words)).stdout).unwrap();
    assert_eq!((&known[0]["state"], &known[0]["hardware"]), (&Value::from("approved"), &Value::from(&*hardware)));
    succeed(&mut leasehold.command(&["deny", &hardware, "--socket", CONTROL]));
    asking.signal(nix::sys::signal::Signal::SIGUSR1);
    wait_for("it is refused", PATIENCE, || {
        let all: Value = serde_json::from_slice(&finish(&mut leasehold.command(&words)).stdout).unwrap();
        (all[0]["times"].as_u64().unwrap() > 0 && all[0]["state"] == "denied").then_some(())
    });
    leasehold.stop();
}
