//! SIGKILL at random moments under load, over and over on one store: nothing acknowledged is lost or changed, no
//! address is held by two clients, and the store stays whole. (What was never synced survives SIGKILL too: for that
//! see `trace.rs` and the simulation.)

use std::collections::{HashMap, HashSet};
use std::net::Ipv4Addr;
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::field::{self, RELAY, SERVER};
use crate::leasehold::{Lease, Leasehold};
use crate::load::{Acknowledged, Happened, History, Load, Plan};
use crate::netns::Lab;

/// The longest life between two kills.
const LIFE_MS_MAX: u64 = 600;
/// Every so many kills the store is checked while nothing runs.
const CHECK_EVERY: u32 = 5;

/// SplitMix64 with a seed that is printed.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % limit
    }
}

fn number_from_environment(name: &str, otherwise: u64) -> u64 {
    match std::env::var(name) {
        Ok(text) => text.parse().unwrap_or_else(|error| panic!("{name}={text}: {error}")),
        Err(_) => otherwise,
    }
}

/// What the store has lost or changed of what was acknowledged.
fn differences(history: &History, stored: &[Lease]) -> Vec<String> {
    let mut found = Vec::new();
    let bound: Vec<&Lease> = stored.iter().filter(|lease| lease.state == "bound").collect();
    let by_address: HashMap<Ipv4Addr, &Lease> = bound.iter().map(|lease| (lease.address, *lease)).collect();
    let addresses: HashSet<Ipv4Addr> = bound.iter().map(|lease| lease.address).collect();
    if addresses.len() != bound.len() {
        found.push(format!("{} leases on {} addresses", bound.len(), addresses.len()));
    }
    for (client, ack) in history.held() {
        let hardware = Plan::hardware(client).map(|byte| format!("{byte:02x}")).join(":");
        match by_address.get(&ack.address) {
            None => found.push(format!("{} of client {client} is missing", ack.address)),
            Some(lease) if !lease.hardware.eq_ignore_ascii_case(&hardware) => {
                found.push(format!("{} of client {client} ({hardware}) is stored for {}", ack.address, lease.hardware));
            }
            Some(lease) if lease.expires_at < ack.until => found.push(format!(
                "{} of client {client} ends at {} and was acknowledged until {}",
                ack.address, lease.expires_at, ack.until
            )),
            Some(_) => {}
        }
    }
    found
}

#[test]
fn nothing_acknowledged_is_lost_when_killed_at_random_moments() {
    let kills = u32::try_from(number_from_environment("LEASEHOLD_KILLS", 50)).unwrap();
    let clock = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().subsec_nanos();
    let seed = number_from_environment("LEASEHOLD_KILL_SEED", u64::from(clock));
    println!("{kills} kills, LEASEHOLD_KILL_SEED={seed}");
    let mut random = Random(seed);

    let lab = Lab::alone();
    let (server, relay) = field::hosts(&lab);
    let mut leasehold = Leasehold::start(&server, &field::config(false));
    let plan = Plan {
        starts_per_sec: None,
        in_flight: 8,
        renew_after: Some(Duration::from_millis(1_500)),
        release_every: Some(5),
        ..Plan::arrivals(20_000, 0.0)
    };
    let load = Load::new(&relay, RELAY, SERVER, plan);
    let (history, ()) = load.alongside(Duration::ZERO, || {
        for kill in 1..=kills {
            thread::sleep(Duration::from_millis(random.below(LIFE_MS_MAX)));
            leasehold.kill();
            if kill % CHECK_EVERY == 0 {
                leasehold.check_store();
            }
            // Some lives end before the daemon serves.
            if random.below(4) == 0 { leasehold.launch() } else { leasehold.resume() }
        }
        leasehold.wait_ready();
    });
    println!("{} acknowledgements, {} leases held", history.acknowledgements(), history.held().len());
    assert_eq!(history.violations(), "");
    let differences = differences(&history, &leasehold.leases());
    assert!(differences.is_empty(), "{} differences:\n{}", differences.len(), differences.join("\n"));
    assert!(history.held().len() > kills as usize, "the daemon lived long enough between the kills to be of use");
    leasehold.stop();
    leasehold.check_store();
}

#[test]
fn a_lease_that_is_missing_moved_or_shortened_is_found() {
    let address = Ipv4Addr::new(10, 77, 1, 1);
    let ack = Acknowledged { client: 1, address, until: 1_000 };
    let history = History { events: vec![Happened::Acknowledged(ack)], ..History::default() };
    let right = Lease {
        address,
        state: "bound".to_owned(),
        hardware: "02:4c:48:00:00:01".to_owned(),
        expires_at: 1_000,
        relay: None,
        place: None,
    };
    assert_eq!(differences(&history, std::slice::from_ref(&right)), Vec::<String>::new());
    assert_eq!(differences(&history, &[]).len(), 1, "missing");
    assert_eq!(differences(&history, &[Lease { state: "released".to_owned(), ..right.clone() }]).len(), 1, "ended");
    assert_eq!(differences(&history, &[Lease { expires_at: 999, ..right.clone() }]).len(), 1, "shortened");
    let other = Lease { hardware: "02:4c:48:00:00:02".to_owned(), ..right.clone() };
    assert_eq!(differences(&history, std::slice::from_ref(&other)).len(), 1, "another's");
    assert_eq!(differences(&history, &[right, other]).len(), 2, "two holders, and the last is another");
}
