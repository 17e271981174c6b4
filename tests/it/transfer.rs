//! All of a server as one file: from one to another, and back to an earlier time of itself.

use std::net::{Ipv4Addr, SocketAddr};
use std::process::Stdio;
use std::time::Duration;

use crate::clients::{Client, Kind, Naming};
use crate::dig::Dig;
use crate::leasehold::{CONFIG, CONTROL, Leasehold, STORE};
use crate::netns::{Host, Lab};
use crate::process::{finish, succeed};

const ZONE: &str = "lan.test";
const REVERSE: &str = "30.168.192.in-addr.arpa";
const SETTINGS: &str = "[[zone]]\nname = \"lan.test\"\nallow_transfer = [\"192.168.30.1\"]\nrecords = [{ name = \"www\", type = \"A\", data = \"192.0.2.7\" }]\n\
                        [[zone]]\nname = \"30.168.192.in-addr.arpa\"\nallow_transfer = [\"192.168.30.1\"]\n\n\
                        [[subnet]]\nprefix = \"192.168.30.0/24\"\npools = [\"192.168.30.100-192.168.30.199\"]\n\
                        domain = \"lan.test\"\nlease_time = \"1h\"\n";
/// The file, as each server sees it.
const FILE: &str = "/run/export";

/// The file beside the main one.
const BESIDE: &str = "/run/leasehold.local.toml";

/// Two servers on one bridge with two clients; only one of them has the subnet's address at a time.
struct Site {
    old: Host,
    new: Host,
    clients: [Host; 2],
}

fn site(lab: &Lab) -> Site {
    let (middle, old, new) = (lab.host("middle"), lab.host("old"), lab.host("new"));
    let clients = [lab.host("first"), lab.host("second")];
    middle.ip("link add name lan type bridge");
    for (index, host) in [&old, &new, &clients[0], &clients[1]].into_iter().enumerate() {
        lab.cable(&middle, &format!("eth{index}"), host, "eth0");
        middle.ip(&format!("link set eth{index} master lan"));
    }
    middle.ip("link set lan up");
    Site { old, new, clients }
}

fn serve(host: &Host) -> Dig<'_> {
    host.ip("address add 192.168.30.1/24 dev eth0");
    Dig::new(host, SocketAddr::from(([192, 168, 30, 1], 53)))
}

/// Every record of both zones, SOA included.
fn zones(dig: &Dig<'_>) -> Vec<String> {
    let transfer = |zone| {
        let printed = dig.raw(&["+noall", "+answer", "+onesoa", zone, "AXFR"]);
        let mut records: Vec<String> = printed
            .lines()
            .filter(|line| !line.starts_with(';') && !line.is_empty())
            .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
            .collect();
        assert!(records.len() > 3, "no transfer of {zone}: {printed}");
        records.sort();
        records
    };
    [transfer(ZONE), transfer(REVERSE)].concat()
}

fn hand_over(from: &Host, to: &Host) {
    std::fs::copy(from.path(FILE), to.path(FILE)).unwrap();
}

#[test]
fn every_client_keeps_address_and_name_and_every_zone_answers_the_same_on_another_server() {
    let lab = Lab::new();
    let site = site(&lab);
    let dig = serve(&site.old);
    let made = "[[record]]\nzone = \"lan.test\"\nname = \"made\"\ntype = \"A\"\ndata = \"192.0.2.8\"\n";
    site.old.write(BESIDE, made);
    let mut old = Leasehold::start(&site.old, SETTINGS);
    let mut alpha = Client::new(Kind::Udhcpc, &site.clients[0], Naming::Hostname("alpha".to_owned()));
    let mut beta = Client::new(Kind::Dhclient, &site.clients[1], Naming::Hostname("beta".to_owned()));
    let (first, second) = (alpha.take(), beta.take());
    dig.wait_agree("alpha.lan.test", first);
    dig.wait_agree("beta.lan.test", second);
    let before = zones(&dig);
    // What is asked of the history is written first: otherwise the last half second of it is not in the file yet.
    succeed(&mut old.command(&["history", &first.to_string(), "--at", "now", "--socket", CONTROL]));
    // From beside the running daemon.
    let told = succeed(&mut old.command(&["export", FILE, "--config", CONFIG, "--with-history"]));
    assert!(told.contains("2 leases (2 bound)") && told.contains("records of history"), "{told}");
    assert_eq!(zones(&dig), before, "nothing was disturbed");
    old.stop();
    site.old.ip("address flush dev eth0");

    let dig = serve(&site.new);
    let mut new = Leasehold::prepare(&site.new, SETTINGS);
    hand_over(&site.old, &site.new);
    let tried = succeed(&mut new.command(&["import", FILE, "--config", CONFIG, "--dry-run"]));
    assert!(tried.contains("2 leases come in") && tried.contains("alpha.lan.test"), "{tried}");
    assert!(!site.new.path(STORE).exists(), "a dry run changes nothing");
    succeed(&mut new.command(&["import", FILE, "--config", CONFIG]));
    // What commands, the API and the page have made comes with the file that it was made for.
    assert_eq!(std::fs::read_to_string(site.new.path(BESIDE)).unwrap(), made);
    let again = succeed(&mut new.command(&["import", FILE, "--config", CONFIG]));
    assert!(again.contains("holds all of it already"), "{again}");
    assert!(again.contains("0 records of history were brought in"), "{again}");
    new.check_store();
    new.resume();
    assert_eq!(zones(&dig), before, "serials and all");
    assert_eq!(dig.addresses("made.lan.test"), [Ipv4Addr::new(192, 0, 2, 8)]);
    // A renewal at the new server, and a client that was away and comes back.
    assert_eq!(alpha.renew(), first);
    beta.vanish();
    let mut beta = Client::new(Kind::Dhclient, &site.clients[1], Naming::Hostname("beta".to_owned()));
    assert_eq!(beta.take(), second);
    dig.wait_agree("alpha.lan.test", first);
    dig.wait_agree("beta.lan.test", second);
    assert_eq!(new.leases().len(), 2);
    let refused = finish(&mut new.command(&["import", FILE, "--config", CONFIG]));
    assert_eq!(refused.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("stop the daemon first"), "{refused:?}");
    new.stop();
    let history = succeed(&mut new.command(&["history", "alpha", "--store", STORE]));
    assert_eq!(history.matches("assigned").count(), 1, "{history}");
}

#[test]
fn chosen_subnets_come_in_beside_what_is_there_and_get_their_names() {
    let lab = Lab::new();
    let site = site(&lab);
    let dig = serve(&site.old);
    let mut old = Leasehold::start(&site.old, SETTINGS);
    let mut alpha = Client::new(Kind::Udhcpc, &site.clients[0], Naming::Hostname("alpha".to_owned()));
    let first = alpha.take();
    dig.wait_agree("alpha.lan.test", first);
    let all = ["export", FILE, "--store", STORE, "--subnet", "192.168.30.0/24"];
    succeed(&mut old.command(&all));
    old.stop();
    site.old.ip("address flush dev eth0");
    // The other server has zones of its own already, and a lease elsewhere would stay: here only the zones.
    let dig = serve(&site.new);
    let mut new = Leasehold::start(&site.new, SETTINGS);
    assert_eq!(dig.addresses("alpha.lan.test"), Vec::<Ipv4Addr>::new());
    let serial = dig.serial(ZONE);
    new.stop();
    hand_over(&site.old, &site.new);
    let told = succeed(&mut new.command(&["import", FILE, "--config", CONFIG]));
    assert!(told.contains("1 leases come in") && told.contains("a backup of what was here"), "{told}");
    new.resume();
    dig.wait_agree("alpha.lan.test", first);
    assert!(dig.serial(ZONE) > serial);
    assert_eq!(alpha.renew(), first);
    new.stop();
}

/// SIGKILL at many moments of an import: the store is what it was, or what the file brings, and always whole.
#[test]
fn an_import_that_is_killed_leaves_what_was_there() {
    let lab = Lab::new();
    let site = site(&lab);
    serve(&site.old);
    let mut old = Leasehold::start(&site.old, SETTINGS);
    let mut alpha = Client::new(Kind::Udhcpc, &site.clients[0], Naming::Hostname("alpha".to_owned()));
    alpha.take();
    old.stop();
    // A file with many leases, so that there is something to interrupt: those of here with others beside them.
    let dump = |daemon: &Leasehold<'_>| succeed(&mut daemon.command(&["db", "dump", "--store", STORE]));
    succeed(&mut old.command(&["export", FILE, "--store", STORE]));
    let theirs = dump(&old);
    site.old.ip("address flush dev eth0");
    serve(&site.new);
    let mut new = Leasehold::start(&site.new, SETTINGS);
    let mut beta = Client::new(Kind::Udhcpc, &site.clients[1], Naming::Hostname("beta".to_owned()));
    beta.take();
    new.stop();
    hand_over(&site.old, &site.new);
    let ours = dump(&new);
    let store = site.new.path(STORE);
    let aside = store.with_extension("aside");
    succeed(std::process::Command::new("cp").arg("-a").arg(&store).arg(&aside));
    let leases = |text: &str| text.lines().filter(|line| line.contains("lease")).map(str::to_owned).collect::<Vec<_>>();
    let (mut kept, mut taken) = (0, 0);
    for moment in 0..60_u64 {
        std::fs::remove_dir_all(&store).unwrap();
        succeed(std::process::Command::new("cp").arg("-a").arg(&aside).arg(&store));
        let mut command = new.command(&["import", FILE, "--store", STORE]);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(Duration::from_micros(moment * 1_500));
        // It may have ended; what it started has its process id, as nothing stands between.
        drop(child.kill());
        child.wait().unwrap();
        new.check_store();
        let found = leases(&dump(&new));
        match (found == leases(&ours), found == leases(&theirs)) {
            (true, false) => kept += 1,
            (false, true) => taken += 1,
            other => panic!("at moment {moment}: {other:?}\n{}", found.join("\n")),
        }
    }
    assert!(kept > 0, "no import was killed before its end");
    // And it can be done again.
    succeed(&mut new.command(&["import", FILE, "--store", STORE]));
    assert_eq!(leases(&dump(&new)), leases(&theirs));
    eprintln!("killed imports: {kept} left what was there, {taken} had brought everything in");
}

#[test]
fn a_backup_is_restored_and_serials_leap_beyond_what_was_served_since() {
    let lab = Lab::new();
    let site = site(&lab);
    let dig = serve(&site.old);
    let mut daemon = Leasehold::start(&site.old, SETTINGS);
    let mut alpha = Client::new(Kind::Udhcpc, &site.clients[0], Naming::Hostname("alpha".to_owned()));
    let first = alpha.take();
    dig.wait_agree("alpha.lan.test", first);
    // Beside the running daemon.
    succeed(&mut daemon.command(&["backup", "now", "--config", CONFIG]));
    let listed = succeed(&mut daemon.command(&["backup", "list", "--config", CONFIG, "--json"]));
    let listed: serde_json::Value = serde_json::from_str(&listed).unwrap();
    let file = listed[0]["file"].as_str().unwrap().to_owned();
    // Then more happens, which the restore undoes.
    let mut beta = Client::new(Kind::Udhcpc, &site.clients[1], Naming::Hostname("beta".to_owned()));
    let second = beta.take();
    dig.wait_agree("beta.lan.test", second);
    let served = dig.serial(ZONE);
    let refused = finish(&mut daemon.command(&["restore", &file, "--config", CONFIG]));
    assert_eq!(refused.status.code(), Some(1), "the daemon runs");
    daemon.stop();
    let told = succeed(&mut daemon.command(&["restore", &file, "--config", CONFIG]));
    assert!(told.contains("1 leases of here go") && told.contains("goes on from the serial"), "{told}");
    daemon.resume();
    dig.wait_agree("alpha.lan.test", first);
    assert_eq!(dig.addresses("beta.lan.test"), Vec::<Ipv4Addr>::new());
    assert!(zones::serial::is_newer(dig.serial(ZONE), served), "{} after {served}", dig.serial(ZONE));
    // What was there before the restore is a backup too.
    daemon.stop();
    let listed = succeed(&mut daemon.command(&["backup", "list", "--config", CONFIG]));
    assert!(listed.contains("2 backups"), "{listed}");
}
