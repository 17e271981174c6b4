//! What keeps the daemon from serving: each is told in plain words that say what to do, once, and loses nothing.
//!
//! Needs root, network namespaces, `dig`. What goes wrong while it serves is in `recovery`.

use std::fs::{self, Permissions};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::asker::Asker;
use crate::dig::{Dig, KEY_SECRET};
use crate::field::{self, RELAY, SERVER};
use crate::leasehold::{CONFIG, Leasehold, PROGRAM, STORE};
use crate::netns::{Host, Lab};
use crate::packet;
use crate::process::{Running, finish, wait_for};

const PATIENCE: Duration = Duration::from_secs(20);

/// What a program that must end with exit code 1 says on standard error.
fn refusal(command: &mut Command) -> String {
    let output = finish(command);
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{told}{}", String::from_utf8_lossy(&output.stdout));
    told
}

fn run(host: &Host) -> Command {
    let mut command = host.command(PROGRAM);
    command.args(["run", "--config", CONFIG]);
    command
}

/// The one line that the program ends with.
fn last_words(told: &str) -> &str {
    told.lines().rfind(|line| line.starts_with("leasehold: ")).unwrap_or_else(|| panic!("no last words:\n{told}"))
}

#[test]
fn a_bad_file_is_refused_with_the_place_of_each_fault_and_nothing_is_started() {
    let lab = Lab::new();
    let (server, _relay) = field::hosts(&lab);
    Leasehold::prepare(
        &server,
        "[[subnet]]\nprefix = \"10.77.0.0/16\"\npool = [\"10.77.1.0-10.77.1.9\"]\nlease_time = \"soon\"\n",
    );
    let told = refusal(&mut run(&server));
    assert!(told.contains("write `pools = [\"first-last\"]` for ranges alone"), "{told}");
    for place in [":8:9", ":9:14"] {
        assert!(told.contains(&format!("{CONFIG}{place}")), "no {place} in:\n{told}");
    }
    assert_eq!(last_words(&told), format!("leasehold: {CONFIG} has faults; nothing was started"));
    assert!(!server.path(STORE).exists(), "a store was made");
    let check = finish(server.command(PROGRAM).args(["check", CONFIG]));
    assert_eq!(check.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&check.stdout).contains(": 2 faults"), "{check:?}");
}

#[test]
fn a_file_that_is_not_there_or_not_text_is_told() {
    let lab = Lab::new();
    let host = lab.host("host");
    let told = refusal(&mut run(&host));
    let expected = format!("leasehold: cannot read the configuration {CONFIG}: ");
    assert!(told.starts_with(&expected) && told.lines().count() == 1, "{told}");
    fs::write(host.path(CONFIG), b"[server]\n# caf\xe9\n").unwrap();
    let told = refusal(&mut run(&host));
    assert!(told.contains("not text in UTF-8") && told.contains(&format!("{CONFIG}:2:6")), "{told}");
}

#[test]
fn the_examples_are_without_fault() {
    let lab = Lab::new();
    for secret in ["leasehold.key", "leasehold-key.secret", "administrators.key", "admin.key", "certbot.key"] {
        let path = lab.directory().join(secret);
        fs::write(&path, KEY_SECRET).unwrap();
        fs::set_permissions(path, Permissions::from_mode(0o600)).unwrap();
    }
    let here = lab.directory().to_str().unwrap();
    let mut checked = 0;
    for entry in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("examples")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "toml") {
            let text = fs::read_to_string(&path).unwrap();
            let copy = lab.directory().join(path.file_name().unwrap());
            fs::write(&copy, text.replace("/etc/leasehold", here)).unwrap();
            let output = finish(Command::new(PROGRAM).arg("check").arg(&copy));
            let told = String::from_utf8_lossy(&output.stdout).into_owned();
            if text.contains("gss ") && !cfg!(feature = "gss") {
                // Nothing else is wrong with it.
                assert!(told.contains("built without Kerberos") && told.contains(": 1 fault"), "{told}");
            } else {
                assert!(output.status.success(), "{told}");
            }
            checked += 1;
        }
    }
    assert!(checked >= 4);
}

#[test]
fn a_log_level_that_is_none_is_refused() {
    let lab = Lab::new();
    let host = lab.host("host");
    Leasehold::prepare(&host, &field::config(false));
    let told = refusal(run(&host).args(["--log", "verbose"]));
    assert!(told.starts_with("leasehold: --log \"verbose\" cannot be read; write error, warn, info"), "{told}");
}

/// This process, as the kernel names it.
fn myself() -> String {
    let name = fs::read_to_string("/proc/self/comm").unwrap();
    format!("{} (process {})", name.trim(), std::process::id())
}

/// A program that another test starts has our sockets as well, until it is another program: for a moment it is a holder too.
fn refused_with(server: &Host, expected: &str) {
    let refused = || last_words(&refusal(&mut run(server))).to_owned();
    let told = (0..4).map(|_| refused()).find(|told| told == expected);
    assert_eq!(told.unwrap_or_else(refused), expected);
}

#[test]
fn a_used_port_is_told_with_its_holder_and_is_served_once_it_is_free() {
    let lab = Lab::new();
    let (server, relay) = field::hosts(&lab);
    let mut leasehold = Leasehold::prepare(&server, &field::config(false));

    let dhcp = server.inside(|| UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 67)).unwrap());
    let expected = format!(
        "leasehold: cannot serve DHCP: UDP port 67 on eth0 is already used by {}: stop it, or give it other interfaces",
        myself()
    );
    refused_with(&server, &expected);
    drop(dhcp);

    let holders: [&dyn Fn() -> Box<dyn Send>; 2] =
        [&|| Box::new(server.inside(|| UdpSocket::bind((SERVER, 53)).unwrap())), &|| {
            Box::new(server.inside(|| TcpListener::bind((Ipv4Addr::UNSPECIFIED, 53)).unwrap()))
        }];
    for hold in holders {
        let held = hold();
        let expected = format!(
            "leasehold: cannot serve DNS on {SERVER}: port 53 is already used by {}: stop it, or serve DNS elsewhere \
             (`listen` or `port` in [dns])",
            myself()
        );
        refused_with(&server, &expected);
        drop(held);
    }

    leasehold.resume();
    let answer = Asker::new(&relay, RELAY, true).take(1, Duration::from_secs(20));
    assert_eq!(answer.map(|heard| heard.kind), Some(packet::ACK));
    leasehold.stop();
    leasehold.check_store();
}

#[test]
fn a_missing_interface_is_told_and_served_with_its_names_as_soon_as_it_appears() {
    let lab = Lab::new();
    let (server, relay) = (lab.host("server"), lab.host("relay"));
    let config = format!("interfaces = [\"eth7\"]\n\n{}", field::config(false));
    let mut leasehold = Leasehold::start(&server, &config);
    let told = "interface eth7 does not exist; there are: lo; it is served as soon as it appears";
    assert_eq!(leasehold.log().matches(told).count(), 1, "{}", leasehold.log());

    lab.cable(&server, "eth7", &relay, "eth0");
    relay.ip(&format!("address add {RELAY}/16 dev eth0"));
    server.ip(&format!("address add {SERVER}/16 dev eth7"));
    leasehold.process().wait_log(&format!("DNS is served on {SERVER}:53 too"), 1, PATIENCE);
    leasehold.process().wait_log("serving interface=\"eth7\"", 1, PATIENCE);
    let answer = Asker::new(&relay, RELAY, true).take(2, Duration::from_secs(20));
    assert_eq!(answer.map(|heard| heard.kind), Some(packet::ACK));

    // The name server's own address follows the interface's.
    let dig = Dig::new(&relay, SocketAddr::from((SERVER, 53)));
    let ns = |expected: &[Ipv4Addr]| {
        wait_for("the name server's addresses", PATIENCE, || (dig.addresses("ns.nasir.xyz") == expected).then_some(()));
    };
    ns(&[SERVER]);
    let second = Ipv4Addr::new(10, 77, 0, 9);
    server.ip(&format!("address add {second}/16 dev eth7"));
    ns(&[SERVER, second]);
    assert_eq!(Dig::new(&relay, SocketAddr::from((second, 53))).addresses("ns.nasir.xyz"), [SERVER, second]);
    leasehold.stop();
}

#[test]
fn a_dns_address_that_the_machine_does_not_have_yet_is_served_once_it_has() {
    let lab = Lab::new();
    let (server, relay) = field::hosts(&lab);
    let later = Ipv4Addr::new(10, 77, 0, 9);
    let config = format!("[dns]\nlisten = [\"{later}\"]\n\n{}", field::config(false));
    let mut leasehold = Leasehold::start(&server, &config);
    let told = format!("DNS is not served on {later}:53 yet: no interface has this address; it is served once one has");
    leasehold.process().wait_log(&told, 1, PATIENCE);
    server.ip(&format!("address add {later}/16 dev eth0"));
    leasehold.process().wait_log(&format!("DNS is served on {later}:53 too"), 1, PATIENCE);
    Dig::new(&relay, SocketAddr::from((later, 53))).wait_serves("nasir.xyz");
    assert_eq!(leasehold.log().matches(&told).count(), 1);
    leasehold.stop();
}

#[test]
fn a_store_in_use_is_refused_by_name_and_its_daemon_goes_on() {
    let lab = Lab::new();
    let (server, relay) = field::hosts(&lab);
    let mut leasehold = Leasehold::start(&server, &field::config(false));
    let told = refusal(&mut run(&server));
    let expected = format!(
        "leasehold: the store {STORE} is in use by process {} (leasehold); stop that first, or give this one a \
         directory of its own",
        leasehold.process().pid()
    );
    assert_eq!(last_words(&told), expected);
    let answer = Asker::new(&relay, RELAY, true).take(3, Duration::from_secs(20));
    assert_eq!(answer.map(|heard| heard.kind), Some(packet::ACK));
    leasehold.stop();
}

/// The store's files with what is in them.
fn files(directory: &Path) -> Vec<(String, Vec<u8>)> {
    // What is kept beside the store, as its history, has directories of its own.
    let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap());
    let named = entries
        .filter(|entry| entry.file_type().unwrap().is_file())
        .map(|entry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap()));
    let mut files: Vec<_> = named.filter(|(name, _)| name != "lock").collect();
    files.sort();
    files
}

#[test]
fn a_store_of_another_version_is_refused_and_left_as_it_is() {
    let lab = Lab::new();
    let (server, relay) = field::hosts(&lab);
    let mut leasehold = Leasehold::start(&server, &field::config(false));
    let mut asker = Asker::new(&relay, RELAY, true);
    let taken = asker.take(4, Duration::from_secs(20)).expect("a lease");
    leasehold.stop();

    let segment = server.path(STORE).join("segment-0000000001");
    let ours = fs::read(&segment).unwrap();
    let mut theirs = ours.clone();
    // "format version, least reader version": a later program that this one cannot read after.
    theirs[8..12].copy_from_slice(&[99, 0, 99, 0]);
    fs::write(&segment, &theirs).unwrap();
    let before = files(&server.path(STORE));
    let told = refusal(&mut run(&server));
    let expected =
        format!("leasehold: the store {STORE} was written by another version: segment-0000000001 has format 99");
    assert!(last_words(&told).starts_with(&expected), "{told}");
    assert!(told.contains("run the version that wrote it, or a newer one"), "{told}");
    assert_eq!(files(&server.path(STORE)), before, "the store was touched");

    fs::write(&segment, &ours).unwrap();
    leasehold.resume();
    let renewed = asker.renew(4, taken.yiaddr).expect("a renewal is answered");
    assert_eq!((renewed.kind, renewed.yiaddr), (packet::ACK, taken.yiaddr));
    leasehold.stop();
}

#[test]
fn a_disk_without_room_for_a_new_store_is_told() {
    let lab = Lab::new();
    let (server, _relay) = field::hosts(&lab);
    Leasehold::prepare(&server, &field::config(false));
    lab.disk(&server, STORE, 2);
    let told = refusal(&mut run(&server));
    assert!(last_words(&told).starts_with(&format!("leasehold: the disk of the store {STORE} is full: ")), "{told}");
    assert!(told.contains("free some space and start again"), "{told}");
}

/// `leasehold run` without a file; the standard store is the laboratory's own.
fn start_without_a_file(host: &Host, words: &[&str]) -> Running {
    let script = "mount -t tmpfs none /var/lib && exec \"$@\"";
    let own = ["-c", script, "sh", PROGRAM, "run", "--interface", "eth0", "--domain", "other.example"];
    host.start("sh", &[&own[..], words].concat())
}

#[test]
fn without_a_file_another_server_on_the_link_is_named_and_nothing_is_served() {
    let lab = Lab::new();
    let (server, other) = field::hosts(&lab);
    let mut leasehold = Leasehold::start(&server, &field::config(false));
    let named = format!("another DHCP server answers already: DHCP server {SERVER} on eth0");

    let mut refused = start_without_a_file(&other, &[]);
    refused.wait_log("or serve beside it with --beside-others", 1, PATIENCE);
    assert_eq!(refused.wait_end(PATIENCE).code(), Some(1), "{}", refused.log());
    assert!(refused.log().contains(&format!("leasehold: {named}")), "{}", refused.log());
    assert!(!refused.log().contains(": ready: "), "{}", refused.log());

    let mut beside = start_without_a_file(&other, &["--beside-others"]);
    beside.wait_log(": ready: ", 1, PATIENCE);
    assert!(beside.log().contains(&named), "{}", beside.log());
    assert!(beside.stop(PATIENCE).success());
    leasehold.stop();
}

#[test]
fn with_a_file_another_server_on_the_link_is_warned_of_and_nobody_waits_for_that() {
    let lab = Lab::new();
    let (server, other) = field::hosts(&lab);
    let mut first = Leasehold::start(&server, &field::config(false));
    let mut second = Leasehold::start(&other, &field::config(false));
    assert!(!second.log().contains("another DHCP server"), "it waited for the link:\n{}", second.log());
    let named = format!("another DHCP server answers already: DHCP server {SERVER} on eth0");
    second.process().wait_log(&named, 1, PATIENCE);
    second.stop();
    first.stop();
}
