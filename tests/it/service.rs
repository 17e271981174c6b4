//! The daemon as a service: what it tells the service manager, when its watchdog is fed, what it gives up, and the unit.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::asker::Asker;
use crate::clients::{Client, Kind, Naming};
use crate::field::{self, RELAY};
use crate::lan;
use crate::leasehold::{Leasehold, STORE};
use crate::netns::Lab;
use crate::process::{finish, succeed, wait_for};

const PATIENCE: Duration = Duration::from_secs(20);
/// As the daemon sees the manager's socket.
const NOTIFY: &str = "/run/notify";
const LAN: &str = "[[subnet]]\nprefix = \"192.168.30.0/24\"\npools = [\"192.168.30.100-192.168.30.199\"]\n\
                   domain = \"home.example\"\nrouters = [\"192.168.30.1\"]\n[[zone]]\nname = \"home.example\"\n";

/// The service manager's side of the socket.
struct Manager {
    socket: UnixDatagram,
}

impl Manager {
    fn at(path: &Path) -> Self {
        let socket = UnixDatagram::bind(path).unwrap();
        fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
        Self { socket }
    }

    /// The next datagram; `None`: none comes in that time.
    fn hears(&self, within: Duration) -> Option<String> {
        self.socket.set_read_timeout(Some(within)).unwrap();
        let mut buffer = [0; 4_096];
        let length = self.socket.recv(&mut buffer).ok()?;
        Some(String::from_utf8(buffer[..length].to_vec()).unwrap())
    }

    /// Waits until a datagram says so.
    fn waits_for(&self, word: &str) -> String {
        wait_for(word, PATIENCE, || {
            self.hears(Duration::from_secs(5)).filter(|said| said.lines().any(|line| line.starts_with(word)))
        })
    }

    /// Nothing that was said before is left.
    fn forgets(&self) {
        while self.hears(Duration::from_millis(5)).is_some() {}
    }
}

/// A line of `/proc/PID/status`.
fn status_of(pid: u32, key: &str) -> String {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'));
    line.unwrap_or_else(|| panic!("no {key} in {text}")).split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn the_manager_is_told_and_the_watchdog_is_fed_only_while_leases_can_be_stored() {
    let lab = Lab::alone();
    let (server, relay) = field::hosts(&lab);
    let disk = lab.disk(&server, STORE, 96);
    let manager = Manager::at(&server.path(NOTIFY));
    let mut daemon = Leasehold::prepare(&server, &field::config(false));
    let socket = format!("NOTIFY_SOCKET={NOTIFY}");
    daemon.launch_under(&["env", &socket, "WATCHDOG_USEC=2000000"]);
    let ready = manager.waits_for("READY=1");
    assert!(ready.contains("\nSTATUS=subnets "), "{ready}");
    for _ in 0..3 {
        manager.waits_for("WATCHDOG=1");
    }
    let mut asker = Asker::new(&relay, RELAY, true);
    assert!(asker.take(1, PATIENCE).is_some(), "a client is served");

    // Every write to the disk hangs now, and with it the thread that stores what this client is promised.
    succeed(Command::new("fsfreeze").arg("--freeze").arg(&disk));
    let frozen = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        assert!(asker.take(2, Duration::from_secs(2)).is_none(), "nothing is promised that cannot be stored");
        daemon.process().wait_log("has not answered for", 1, PATIENCE);
        manager.forgets();
        assert_eq!(manager.hears(Duration::from_secs(4)), None, "the watchdog is fed though nothing is stored");
    }));
    succeed(Command::new("fsfreeze").arg("--unfreeze").arg(&disk));
    frozen.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    manager.waits_for("WATCHDOG=1");
    assert!(asker.take(2, PATIENCE).is_some(), "the client is served when the disk answers");
    daemon.stop();
    manager.waits_for("STOPPING=1");
}

#[test]
fn root_becomes_the_user_keeps_two_capabilities_and_serves_confined() {
    let lab = Lab::new();
    let server = lan::server(&lab);
    let host = lan::client_host(&lab, &server, "phone");
    let mut daemon = Leasehold::start(&server, &format!("[service]\nuser = \"nobody\"\n{LAN}"));
    let pid = daemon.process().pid();
    let nobody = succeed(Command::new("id").args(["-u", "nobody"])).trim().to_owned();
    assert_eq!(status_of(pid, "Uid"), [nobody.as_str(); 4].join(" "));
    assert_eq!(status_of(pid, "CapEff"), "0000000000002400", "NET_BIND_SERVICE and NET_RAW");
    assert_eq!(status_of(pid, "CapBnd"), "0000000000002400");
    assert_eq!(status_of(pid, "NoNewPrivs"), "1");
    assert_eq!(status_of(pid, "Seccomp"), "2", "a filter");
    for thread in fs::read_dir(format!("/proc/{pid}/task")).unwrap() {
        let text = fs::read_to_string(thread.unwrap().path().join("status")).unwrap();
        assert!(text.contains("Seccomp:\t2") && text.contains("CapPrm:\t0000000000002400"), "{text}");
    }
    let shown = succeed(&mut daemon.command(&["status"]));
    let words = "runs as nobody with CAP_NET_BIND_SERVICE CAP_NET_RAW, confined by landlock (version ";
    assert!(shown.contains(words) && shown.contains(") and seccomp\n"), "{shown}");
    let mut client = Client::new(Kind::Udhcpc, &host, Naming::Hostname("phone".to_owned()));
    let address = client.take();
    let resolved = succeed(server.tool("dig").args(["+short", "@192.168.30.1", "phone.home.example"]));
    assert_eq!(resolved.trim(), address.to_string());
    daemon.stop();
    // Started again by the same root on what belongs to the user by now.
    daemon.resume();
    assert_eq!(client.renew(), address);
    daemon.stop();
}

/// A file that never comes, such as one on another machine that is away: a pipe that nobody writes to.
#[test]
fn the_watchdog_is_fed_and_sigterm_obeyed_while_a_configuration_is_checked() {
    let lab = Lab::new();
    let server = lan::server(&lab);
    let host = lan::client_host(&lab, &server, "phone");
    let manager = Manager::at(&server.path(NOTIFY));
    let mut daemon = Leasehold::prepare(&server, LAN);
    let socket = format!("NOTIFY_SOCKET={NOTIFY}");
    daemon.launch_under(&["env", &socket, "WATCHDOG_USEC=2000000"]);
    manager.waits_for("READY=1");
    // What `Type=notify-reload` asks for (sd_notify(3)).
    for by_signal in [true, false] {
        let before = leasehold::service::notify::monotonic_micros();
        match by_signal {
            true => daemon.process().signal(Signal::SIGHUP),
            false => _ = daemon.reload(),
        }
        let told = manager.waits_for("RELOADING=1");
        let since = told.lines().find_map(|line| line.strip_prefix("MONOTONIC_USEC=")?.parse::<u64>().ok()).unwrap();
        assert!((before..=leasehold::service::notify::monotonic_micros()).contains(&since), "{before} {told}");
        assert!(manager.waits_for("READY=1").contains("\nSTATUS="), "by a signal: {by_signal}");
    }
    succeed(Command::new("mkfifo").arg(server.path("/run/hangs")));
    Leasehold::rewrite(&server, &format!("{LAN}[[key]]\nname = \"k\"\nsecret_file = \"/run/hangs\"\n"));
    daemon.process().signal(Signal::SIGHUP);
    manager.waits_for("RELOADING=1");
    manager.forgets();
    for _ in 0..4 {
        let said = manager.hears(PATIENCE);
        assert_eq!(said.as_deref(), Some("WATCHDOG=1"), "it is fed, and has not taken anything over");
    }
    let mut client = Client::new(Kind::Udhcpc, &host, Naming::Hostname("phone".to_owned()));
    client.take();
    daemon.stop();
    manager.waits_for("STOPPING=1");
}

/// Without the page, and in directories that are not there yet: what is written there is written by the daemon's user.
#[test]
fn directories_outside_of_the_store_are_made_for_the_user_and_backups_hold_both_files() {
    let lab = Lab::new();
    let server = lan::server(&lab);
    let host = lan::client_host(&lab, &server, "phone");
    host.ip("address add 192.168.30.7/24 dev eth0");
    fs::create_dir(server.path("/run/shared")).unwrap();
    let config = format!(
        "[service]\nuser = \"nobody\"\n[web]\nenabled = false\n[backup]\ndirectory = \"/run/shared/deep/backups\"\n\
         [dns]\nupstreams = [\"192.168.30.9\"]\n[resolver]\nlog = \"whole\"\nlog_file = \"/run/logs/queries.log\"\n{LAN}"
    );
    let mut daemon = Leasehold::prepare(&server, &config);
    let made = "[[reservation]]\nhardware = \"02:00:00:00:00:07\"\naddress = \"192.168.30.17\"\n";
    server.write("/run/leasehold.local.toml", made);
    daemon.resume();
    let nobody: u32 = succeed(Command::new("id").args(["-u", "nobody"])).trim().parse().unwrap();
    let owner = |path: &str| fs::metadata(server.path(path)).unwrap().uid();
    assert_eq!(owner("/run/shared"), 0, "one that was there is whoever's it was");
    for path in ["/run/shared/deep", "/run/shared/deep/backups", "/run/logs"] {
        assert_eq!(owner(path), nobody, "{path}");
    }
    finish(host.tool("dig").args(["@192.168.30.1", "+tries=1", "+time=2", "away.example.net"]));
    wait_for("the log of questions", PATIENCE, || {
        fs::read_to_string(server.path("/run/logs/queries.log")).ok().filter(|log| log.contains("away.example.net"))
    });
    // The first one is made a minute after the start.
    let file = wait_for("a backup", Duration::from_secs(150), || {
        let entries = fs::read_dir(server.path("/run/shared/deep/backups")).unwrap();
        entries.map(|entry| entry.unwrap().path()).find(|path| path.extension().is_some_and(|end| end == "backup"))
    });
    let held = finish(Command::new("zcat").arg(file)).stdout;
    let held = String::from_utf8_lossy(&held);
    assert!(
        held.contains("leasehold.toml\0[server]") && held.contains("leasehold.local.toml\0[[reservation]]"),
        "{held}"
    );
    daemon.stop();
}

#[test]
fn the_sandbox_can_be_turned_off_and_a_user_that_is_not_there_keeps_it_from_starting() {
    let lab = Lab::new();
    let server = lan::server(&lab);
    let mut daemon = Leasehold::start(&server, &format!("[service]\nsandbox = \"off\"\n{LAN}"));
    assert_eq!(status_of(daemon.process().pid(), "Seccomp"), "0");
    let shown = succeed(&mut daemon.command(&["status"]));
    let words = "runs as root with every capability, confined by nothing; `sandbox = \"off\"` in [service]";
    assert!(shown.contains(words), "{shown}");
    daemon.stop();
    Leasehold::rewrite(&server, &format!("[service]\nuser = \"nobody-knows\"\n{LAN}"));
    let refused = finish(&mut daemon.command(&["run", "--config", crate::leasehold::CONFIG]));
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && said.contains("there is no user nobody-knows"), "{said}");
    assert!(said.contains("useradd --system"), "{said}");
}

#[test]
fn the_unit_is_exposed_by_no_more_than_2() {
    let unit = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/systemd/leasehold.service");
    let told = succeed(Command::new("systemd-analyze").args(["security", "--no-pager", "--offline=true"]).arg(&unit));
    let level = told.lines().find_map(|line| line.split("Overall exposure level for leasehold.service: ").nth(1));
    let level: f64 = level.and_then(|words| words.split(' ').next()?.parse().ok()).unwrap_or_else(|| panic!("{told}"));
    assert!(level <= 2.0, "{told}");
    // What it would be without the unit's own measures: the figure is one that can be missed.
    let bare = "[Service]\nExecStart=/usr/bin/leasehold run\n";
    let lab = Lab::new();
    let path = lab.directory().join("bare.service");
    fs::write(&path, bare).unwrap();
    let told = succeed(Command::new("systemd-analyze").args(["security", "--no-pager", "--offline=true"]).arg(&path));
    assert!(told.contains("UNSAFE"), "{told}");
}

#[test]
fn the_units_command_line_and_directories_are_those_of_the_program() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/systemd");
    let unit = fs::read_to_string(directory.join("leasehold.service")).unwrap();
    let start = unit.lines().find_map(|line| line.strip_prefix("ExecStart=/usr/bin/leasehold ")).unwrap();
    let words: Vec<&str> = start.split(' ').collect();
    use clap::Parser as _;
    leasehold::commands::Invocation::try_parse_from(["leasehold"].into_iter().chain(words)).unwrap();
    let defaults = config::settings::Daemon::default();
    assert_eq!(defaults.store, Path::new("/var/lib/leasehold"));
    assert!(unit.contains("StateDirectory=leasehold\n") && unit.contains("RuntimeDirectory=leasehold\n"));
    assert!(defaults.control.starts_with("/run/leasehold"));
    let users = fs::read_to_string(directory.join("leasehold.sysusers.conf")).unwrap();
    assert!(users.lines().any(|line| line.starts_with("u leasehold ")) && unit.contains("\nUser=leasehold\n"));
}
