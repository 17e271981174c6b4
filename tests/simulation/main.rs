//! The deterministic simulation: the whole server in seeded worlds, against a simple model.
//!
//! `LEASEHOLD_SEEDS` says how many worlds (10,000 by default), `LEASEHOLD_FIRST_SEED` from which seed on,
//! `LEASEHOLD_SEED` replays one. A failing seed is printed, with the last lines of its world's log
//! (`LEASEHOLD_LOG_LINES`: how many).
#![allow(clippy::unwrap_used, reason = "a simulation that cannot go on panics")]

mod client;
mod model;
mod packet;
mod plan;
#[cfg(feature = "planted-faults")]
mod planted;
mod remote;
mod rng;
mod server;
mod words;
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};

use world::World;

/// A planted fault is the whole process's: with one, no test runs beside another.
#[cfg(feature = "planted-faults")]
static ALONE: std::sync::Mutex<()> = std::sync::Mutex::new(());

/// How near worlds came to the bound on messages.
#[derive(Default)]
struct MostMessages {
    /// Messages for each change, in thousandths, among worlds with many changes; and in which world.
    permille: u64,
    seed: u64,
    /// All messages and all changes of all worlds.
    sent: u64,
    paid: u64,
}

static MOST_MESSAGES: std::sync::Mutex<MostMessages> =
    std::sync::Mutex::new(MostMessages { permille: 0, seed: 0, sent: 0, paid: 0 });

impl MostMessages {
    fn note(&mut self, seed: u64, world: &World) {
        let (permille, sent, paid) = world.messages();
        if permille > self.permille {
            (self.permille, self.seed) = (permille, seed);
        }
        self.sent += sent;
        self.paid += paid;
    }
}

/// Worlds in the ordinary test command.
const SEEDS: u64 = 10_000;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name} is a number")))
}

/// Runs one world; the violated rule and its log when there is one.
fn run(seed: u64, verbose: bool) -> Result<Vec<String>, (String, Vec<String>)> {
    let mut world = World::new(seed, verbose);
    match catch_unwind(AssertUnwindSafe(|| world.run())) {
        Ok(Ok(())) => {
            MOST_MESSAGES.lock().unwrap_or_else(std::sync::PoisonError::into_inner).note(seed, &world);
            Ok(world.log)
        }
        Ok(Err(violation)) => Err((violation, world.log)),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().cloned();
            let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
            Err((format!("panic: {}", text.unwrap_or_default()), world.log))
        }
    }
}

/// The least of the seeds that fails, and how.
fn first_failure(seeds: std::ops::Range<u64>) -> Option<(u64, String)> {
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get).min(4);
    let next = AtomicU64::new(seeds.start);
    let search = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds.end {
                return None;
            }
            if let Err((violation, _)) = run(seed, false) {
                next.store(seeds.end, Ordering::Relaxed);
                return Some((seed, violation));
            }
        }
    };
    std::thread::scope(|scope| {
        let searches: Vec<_> = (0..threads).map(|_| scope.spawn(search)).collect();
        searches.into_iter().filter_map(|search| search.join().unwrap()).min()
    })
}

fn report(seed: u64) -> String {
    let shown = usize::try_from(number("LEASEHOLD_LOG_LINES").unwrap_or(40)).unwrap();
    match run(seed, true) {
        Ok(_) => format!("seed {seed} failed, and does not when it is run again"),
        Err((violation, log)) => {
            let tail = &log[log.len().saturating_sub(shown)..];
            format!("{}\nseed {seed}: {violation}\nreplay it with LEASEHOLD_SEED={seed}", tail.join("\n"))
        }
    }
}

#[test]
fn no_world_breaks_a_promise() {
    #[cfg(feature = "planted-faults")]
    let _alone = ALONE.lock();
    if let Some(seed) = number("LEASEHOLD_SEED") {
        assert!(run(seed, false).is_ok(), "{}", report(seed));
        return;
    }
    let first = number("LEASEHOLD_FIRST_SEED").unwrap_or(1);
    let seeds = number("LEASEHOLD_SEEDS").unwrap_or(SEEDS);
    if let Some((seed, _)) = first_failure(first..first + seeds) {
        panic!("{}", report(seed));
    }
    println!("{seeds} worlds from seed {first}, no promise broken");
    let most = MOST_MESSAGES.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    println!(
        "{} messages to DNS servers for {} changes and rows that had failed; at most {} for a thousand of them, with seed {}",
        most.sent, most.paid, most.permille, most.seed
    );
}

/// What has to happen in a few worlds: one in which it cannot shows nothing.
const HAPPENINGS: [&str; 48] = [
    "ACK",
    "ACK in the other network",
    "ACK of INFORM",
    "DNS compared in the turmoil",
    "DNS server down",
    "NAK",
    "OFFER",
    "a block of reservations",
    "a conflict tried again",
    "address in quarantine",
    "all wanted rows read again",
    "clock jumped back",
    "clock jumped forward",
    "compaction",
    "compaction failed",
    "confirmed rows lost",
    "deletions held back and confirmed",
    "event overflowed",
    "expiry paused",
    "expiry resumed",
    "failed commit",
    "group commit",
    "lease bound or renewed",
    "lease expired",
    "lease released",
    "name left by an expired lease",
    "no room",
    "number kept or given",
    "option 81 told",
    "power failure",
    "prerequisite failed",
    "probe of a DNS server",
    "process killed",
    "record made by hand",
    "reservation of a host that is away",
    "reservation of a host with two interfaces",
    "reservation renamed",
    "room again",
    "rule for expired leases changed",
    "rule for reservations changed",
    "start failed",
    "stored, never acknowledged",
    "update done",
    "update done, answer lost",
    "update lost",
    "update refused",
    "update sent twice",
    "update to the second DNS server",
];

#[test]
fn everything_happens_in_some_world() {
    #[cfg(feature = "planted-faults")]
    let _alone = ALONE.lock();
    let mut tally = world::Tally::new();
    for seed in 1..=200 {
        let mut world = World::new(seed, false);
        assert_eq!(world.run(), Ok(()), "seed {seed}");
        for (what, times) in world.tally {
            *tally.entry(what).or_default() += times;
        }
    }
    tally.iter().for_each(|(what, times)| println!("{times:>7} {what}"));
    let missing: Vec<&str> = HAPPENINGS.into_iter().filter(|what| !tally.contains_key(what)).collect();
    assert_eq!(missing, Vec::<&str>::new());
}

#[test]
fn a_seed_is_a_world() {
    #[cfg(feature = "planted-faults")]
    let _alone = ALONE.lock();
    for seed in 1..=10 {
        assert_eq!(run(seed, true), run(seed, true), "seed {seed} is not the same world twice");
    }
}
