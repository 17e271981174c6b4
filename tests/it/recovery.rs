//! What goes wrong while the daemon serves, and passes: nothing is lost, and it goes on by itself.
//!
//! Needs root, network namespaces, a loop device, `faketime`.

use std::fs;
use std::io::Read;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use store::storage::FileStorage;
use store::{Options, Store};

use crate::asker::Asker;
use crate::dig::Dig;
use crate::field::{self, LEASE_SECS, RELAY, SERVER};
use crate::full_disk::fill;
use crate::leasehold::{CONFIG, Leasehold, STORE};
use crate::load::{Load, Plan, utc_secs};
use crate::netns::Lab;
use crate::packet;
use crate::process::{Running, finish, succeed, wait_for};
use crate::servers::{DnsServer, Kind};
use crate::wire::Wire;

const PATIENCE: Duration = Duration::from_secs(20);
const SECOND_RELAY: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 3);
/// No client: a number that no test gives out.
const NEWCOMER: u32 = 9_000;

/// Makes a store whose first segment has room for some leases, and for a batch of them.
fn make_small_store(directory: &Path) {
    let options = Options { segment_bytes: 48 * 1024, ..Options::default() };
    drop(Store::open(FileStorage::new(directory), &options).unwrap());
}

/// What a client was last told, and until when at least it may use the address.
#[derive(Clone, Copy, Debug)]
struct Promise {
    client: u32,
    address: Ipv4Addr,
    until: u64,
}

/// New clients take leases until the daemon says why it gives none any more. Whoever gets no answer before asks again: a busy
/// kernel may have dropped what was said.
fn take_until_told(asker: &mut Asker, leasehold: &Leasehold<'_>, told: &str) -> Vec<Promise> {
    let mut promises = Vec::new();
    let deadline = Instant::now() + 3 * PATIENCE;
    for client in 0..500 {
        loop {
            if leasehold.log().contains(told) {
                return promises;
            }
            assert!(Instant::now() < deadline, "nothing is said of {told:?}:\n{}", leasehold.log());
            let asked_at = utc_secs();
            let heard = asker.take(client, Duration::from_millis(700)).filter(|heard| heard.kind == packet::ACK);
            if let Some(heard) = heard {
                let until = asked_at + u64::from(heard.lease_secs);
                promises.push(Promise { client, address: heard.yiaddr, until });
                break;
            }
        }
    }
    panic!("the store never filled up");
}

/// The bound leases of a store that no daemon holds: hardware address, address, end.
fn dumped(leasehold: &Leasehold<'_>) -> Vec<(String, Ipv4Addr, u64)> {
    let printed = succeed(&mut leasehold.command(&["db", "dump", "--store", STORE]));
    let rows = printed.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).expect("a row"));
    let leases = rows.filter(|row| row["row"] == "lease" && row["state"] == "bound");
    let read = |row: serde_json::Value| {
        let text = |key: &str| row[key].as_str().unwrap().to_owned();
        (text("hardware"), text("address").parse().unwrap(), row["expires_at"].as_u64().unwrap())
    };
    leases.map(read).collect()
}

fn hardware(client: u32) -> String {
    Plan::hardware(client).map(|byte| format!("{byte:02x}")).join(":")
}

fn assert_kept(promises: &[Promise], stored: &[(String, Ipv4Addr, u64)]) {
    for Promise { client, address, until } in promises {
        let kept = stored.iter().any(|(who, at, end)| *who == hardware(*client) && at == address && end >= until);
        assert!(kept, "{client} was promised {address} until {until}, and the store has {stored:?}");
    }
}

#[test]
fn a_full_disk_promises_nothing_that_is_not_stored_and_all_goes_on_once_there_is_room_under_load_too() {
    let lab = Lab::new();
    let (server, relay) = field::hosts(&lab);
    relay.ip(&format!("address add {SECOND_RELAY}/16 dev eth0"));
    let place = lab.disk(&server, STORE, 16);
    make_small_store(&place);
    fill(&place);
    let mut leasehold = Leasehold::start(&server, &field::config(false));
    let mut asker = Asker::new(&relay, RELAY, true);
    let promises = take_until_told(&mut asker, &leasehold, "the lease store has no room");
    assert!(promises.len() > 1, "{promises:?}");
    leasehold.process().wait_log("the lease store has no room", 1, PATIENCE);
    for Promise { client, address, until } in &promises {
        let asked_at = utc_secs();
        let answer = asker.renew(*client, *address).expect("a renewal is answered");
        assert_eq!((answer.kind, answer.yiaddr), (packet::ACK, *address));
        // A second for the clock's seconds, which are not the daemon's.
        assert!(asked_at + u64::from(answer.lease_secs) <= until + 2, "{client} was promised more than is stored");
        assert!(answer.lease_secs + 60 > LEASE_SECS, "{client} was promised {} s", answer.lease_secs);
    }
    let newcomer = asker.take(NEWCOMER, Duration::from_millis(700));
    assert!(newcomer.is_none(), "a new client got {newcomer:?}");

    // Room comes back while clients ask without a pause.
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let (stop, relay, held) = (&stop, &relay, promises[0]);
        scope.spawn(move || {
            let mut asker = Asker::new(relay, SECOND_RELAY, true);
            while !stop.load(Ordering::Relaxed) {
                asker.renew(held.client, held.address).expect("a renewal is answered");
            }
        });
        fs::remove_file(place.join("filler")).unwrap();
        let answer =
            wait_for("a new client is served again", PATIENCE, || asker.take(NEWCOMER, Duration::from_millis(700)));
        assert_eq!(answer.kind, packet::ACK);
        stop.store(true, Ordering::Relaxed);
    });
    assert_eq!(leasehold.log().matches("the lease store has room again").count(), 1, "{}", leasehold.log());
    leasehold.kill();
    let stored = dumped(&leasehold);
    assert_kept(&promises, &stored);
    assert!(stored.iter().any(|(who, ..)| *who == hardware(NEWCOMER)));
    leasehold.check_store();
}

#[test]
fn with_a_full_disk_no_unstored_ack_was_ever_sent() {
    let lab = Lab::new();
    let (server, relay) = field::hosts(&lab);
    let place = lab.disk(&server, STORE, 16);
    make_small_store(&place);
    fill(&place);
    let mut leasehold = Leasehold::start(&server, &field::config(false));
    // Many at once, so that some are decided beside those that find no room; and not all in one batch, which is stored
    // whole or not at all.
    let plan = Plan { starts_per_sec: None, in_flight: 24, ..Plan::arrivals(64, 0.0) };
    let history = Load::new(&relay, RELAY, SERVER, plan).finish(Duration::from_secs(8));
    assert_eq!(history.violations(), "");
    let held = history.held();
    assert!(!held.is_empty() && held.len() < 64, "{} of 64 clients hold a lease", held.len());
    leasehold.kill();
    let stored = dumped(&leasehold);
    let promises: Vec<Promise> =
        held.into_values().map(|ack| Promise { client: ack.client, address: ack.address, until: ack.until }).collect();
    assert_kept(&promises, &stored);
    leasehold.check_store();
}

#[test]
fn a_crowd_that_runs_over_the_kernels_queue_is_told_and_who_asks_afterwards_is_served() {
    let lab = Lab::new();
    let (server, relay) = field::hosts(&lab);
    let mut leasehold = Leasehold::start(&server, &field::config(false));
    let wire = Wire::open(&relay, "eth0");
    leasehold.process().signal(Signal::SIGSTOP);
    // Four mebibytes of queue hold some ten thousand of them.
    (0..20_000).for_each(|_| wire.broadcast(None, &[0; 300]));
    leasehold.process().signal(Signal::SIGCONT);
    // Until the daemon has read the queue, the kernel drops what this client says too, so it says it again.
    let mut asker = Asker::new(&relay, RELAY, true);
    let answer = wait_for("it is served", PATIENCE, || asker.take(NEWCOMER, Duration::from_millis(700)));
    assert_eq!(answer.kind, packet::ACK);
    leasehold.process().wait_log("the kernel has dropped", 1, PATIENCE);
}

#[test]
fn after_a_failed_write_the_daemon_starts_anew_by_itself_with_every_lease_and_its_dns_port() {
    let lab = Lab::new();
    let (server, relay) = field::hosts(&lab);
    let place = server.path(STORE);
    fs::create_dir_all(place.parent().unwrap()).unwrap();
    make_small_store(&place);
    let mut leasehold = Leasehold::start(&server, &field::config(false));
    // The next segment is this file, opened already: it cannot be given its name any more.
    wait_for("the next segment's space", PATIENCE, || place.join("spare").exists().then_some(()));
    fs::remove_file(place.join("spare")).unwrap();
    let mut asker = Asker::new(&relay, RELAY, true);
    let promises = take_until_told(&mut asker, &leasehold, "starting anew from what the store holds");
    leasehold.process().wait_log(": ready: ", 2, PATIENCE);
    let log = leasehold.log();
    assert_eq!(log.matches("starting anew from what the store holds, in 500 ms").count(), 1, "{log}");
    for Promise { client, address, .. } in &promises {
        let answer = asker.renew(*client, *address).expect("a renewal is answered");
        assert_eq!((answer.kind, answer.yiaddr), (packet::ACK, *address));
    }
    let answer = asker.take(NEWCOMER, PATIENCE);
    assert_eq!(answer.map(|heard| heard.kind), Some(packet::ACK));
    Dig::new(&relay, SocketAddr::from((SERVER, 53))).wait_serves("nasir.xyz");
    leasehold.stop();
    assert_kept(&promises, &dumped(&leasehold));
    leasehold.check_store();
}

#[test]
fn sigterm_under_load_ends_at_once_with_code_0_and_keeps_what_was_promised() {
    let lab = Lab::new();
    let (server, relay) = field::hosts(&lab);
    let mut leasehold = Leasehold::start(&server, &field::config(false));
    let plan = Plan {
        starts_per_sec: None,
        in_flight: 32,
        renew_after: Some(Duration::from_millis(50)),
        ..Plan::arrivals(200, 0.0)
    };
    let load = Load::new(&relay, RELAY, SERVER, plan);
    let (history, took) = load.alongside(Duration::ZERO, || {
        // However long that takes here, there are leases to be kept, and more are under way.
        wait_for("leases", PATIENCE, || (leasehold.leases().len() > 60).then_some(()));
        let told = Instant::now();
        // It must end with code 0.
        leasehold.stop();
        told.elapsed()
    });
    // Alone it takes some milliseconds; a unit that does not end is killed after 90 seconds.
    assert!(took < Duration::from_secs(10), "{took:?}");
    assert_eq!(history.violations(), "");
    let held = history.held();
    assert!(held.len() > 50, "{} leases", held.len());
    let promises: Vec<Promise> =
        held.into_values().map(|ack| Promise { client: ack.client, address: ack.address, until: ack.until }).collect();
    assert_kept(&promises, &dumped(&leasehold));
    leasehold.check_store();
}

/// Starts the daemon with the machine's clock as `file` says, read anew each time.
fn launch_by_clock(leasehold: &Leasehold<'_>, file: &str) -> Running {
    let mut command = leasehold.command(&[]);
    // `command` ends in the program itself: the environment is handed on to it.
    command.args(["run", "--config", CONFIG]);
    command.env("LD_PRELOAD", "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1");
    command.env("FAKETIME_TIMESTAMP_FILE", file).env("FAKETIME_NO_CACHE", "1").env("DONT_FAKE_MONOTONIC", "1");
    Running::start("leasehold by a false clock", &mut command)
}

#[test]
fn while_the_machines_clock_is_in_the_past_no_stored_lease_expires_and_the_log_says_so() {
    let lab = Lab::new();
    let (server, relay) = field::hosts(&lab);
    let config = field::config(false).replace(&format!("lease_time = {LEASE_SECS}"), "lease_time = 3");
    let mut leasehold = Leasehold::start(&server, &config);
    let taken = Asker::new(&relay, RELAY, true).take(1, Duration::from_secs(20)).expect("a lease");
    leasehold.kill();

    server.write("/run/clock", "-100d");
    let clock = server.path("/run/clock");
    let mut running = launch_by_clock(&leasehold, "/run/clock");
    running.wait_log(": ready: ", 1, PATIENCE);
    running.wait_log("the machine's clock is in the past", 1, PATIENCE);
    // By boot time the lease has long run out.
    let until = Instant::now() + Duration::from_secs(4);
    wait_for("four seconds", PATIENCE, || {
        let state = leasehold.leases().into_iter().find(|lease| lease.address == taken.yiaddr).unwrap().state;
        assert_eq!(state, "bound");
        (Instant::now() > until).then_some(())
    });
    fs::write(&clock, "+0").unwrap();
    running.wait_log("the machine's clock is set: leases expire from now on", 1, PATIENCE);
    running.wait_log(&format!("{} expired", taken.yiaddr), 1, PATIENCE);
    assert!(running.stop(PATIENCE).success());
}

#[test]
fn a_machine_whose_resolv_conf_is_written_later_forwards_from_then_on() {
    let lab = Lab::new();
    let (server, relay) = field::hosts(&lab);
    let _upstream = DnsServer::start(Kind::Bind, &relay, (RELAY, 53).into(), &["elsewhere.example"]);
    let mut leasehold = Leasehold::start(&server, &field::config(false));
    let ask = || {
        let mut dig = relay.tool("dig");
        dig.args(["@10.77.0.1", "+recurse", "+tries=1", "+time=2", "elsewhere.example", "NS"]);
        String::from_utf8(finish(&mut dig).stdout).unwrap()
    };
    assert!(ask().contains("status: REFUSED"), "{}", ask());
    // As a DHCP client of the uplink does; ourselves are left out.
    server.write("/etc/resolv.conf", &format!("nameserver {SERVER}\nnameserver {RELAY}\n"));
    wait_for("other names are answered", PATIENCE, || ask().contains("ns.tests.example.").then_some(()));
    assert!(leasehold.log().contains(&format!("names outside of the zones are asked of {RELAY}\n")));
    leasehold.stop();
}

#[test]
fn a_log_that_nobody_reads_any_more_does_not_end_the_daemon() {
    let lab = Lab::new();
    let (server, relay) = field::hosts(&lab);
    let leasehold = Leasehold::prepare(&server, &field::config(false));
    let mut child = leasehold.command(&["run", "--config", CONFIG]).stderr(Stdio::piped()).spawn().unwrap();
    let mut pipe = child.stderr.take().unwrap();
    let mut log = Vec::new();
    wait_for("leasehold serves", PATIENCE, || {
        let mut some = [0; 512];
        let length = pipe.read(&mut some).unwrap();
        log.extend_from_slice(&some[..length]);
        String::from_utf8_lossy(&log).contains(": ready: ").then_some(())
    });
    drop(pipe);
    let mut asker = Asker::new(&relay, RELAY, true);
    for client in 0..5 {
        assert_eq!(asker.take(client, Duration::from_secs(20)).map(|heard| heard.kind), Some(packet::ACK));
    }
    succeed(Command::new("kill").arg(child.id().to_string()));
    assert!(wait_for("leasehold ends", PATIENCE, || child.try_wait().unwrap()).success());
}

#[test]
fn unsigned_updates_do_not_flood_the_log() {
    let lab = Lab::new();
    let (server, relay) = field::hosts(&lab);
    let mut leasehold = Leasehold::start(&server, &field::config(false));
    let socket = relay.inside(|| UdpSocket::bind((RELAY, 0)).unwrap());
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    // RFC 2136 section 2: opcode 5, one zone, nothing else; its answer is REFUSED (5).
    let header: [u8; 12] = [0, 7, 0x28, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    let update = [&header[..], b"\x05nasir\x03xyz\x00", &[0, 6, 0, 1]].concat();
    for _ in 0..200 {
        socket.send_to(&update, (SERVER, 53)).unwrap();
        let mut answer = [0; 512];
        socket.recv(&mut answer).unwrap();
        assert_eq!(answer[3] & 0x0f, 5);
    }
    let told = "was refused: it is not signed";
    leasehold.process().wait_log(told, 1, PATIENCE);
    assert_eq!(leasehold.log().matches(told).count(), 1, "{}", leasehold.log());
    leasehold.stop();
}
