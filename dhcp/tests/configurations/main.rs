//! Random configurations times random packets: nothing panics, the printed order of scopes holds, every address lies in
//! its subnet and no reserved one goes to another client; every reply is read by dhcproto, and all of a run's replies,
//! in one capture file, by tshark.
//!
//! `LEASEHOLD_CONFIGURATIONS` says how many (1,000; in full 10,000), `LEASEHOLD_CONFIGURATION` one seed alone.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

mod packets;
mod pcap;
mod promises;
mod random;
mod ready;
mod settings;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;

use dhcp::decision::{CommitOutcome, Decision};
use dhcp::destination::Destination;
use dhcp::engine::Engine;
use dhcp::names::NoNames;
use dhcp::time::Now;

use pcap::Capture;
use random::Random;

/// Packets for each configuration.
const PACKETS: usize = 40;

fn knob(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name} is a number")))
}

#[test]
fn random_configurations_keep_every_promise_and_tshark_reads_all_their_replies() {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("configurations.pcap");
    let mut capture = Capture::create(&path);
    let seeds = match knob("LEASEHOLD_CONFIGURATION") {
        Some(seed) => seed..seed + 1,
        None => 1..1 + knob("LEASEHOLD_CONFIGURATIONS").unwrap_or(1_000),
    };
    let (count, mut seen) = (seeds.end - seeds.start, Seen::default());
    for seed in seeds {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| run(seed, &mut capture, &mut seen))) {
            println!("LEASEHOLD_CONFIGURATION={seed} replays this configuration");
            std::panic::resume_unwind(panic);
        }
    }
    println!("{count} configurations, {seen:?}, {}", path.display());
    if count >= 500 {
        assert!(seen.is_everything(), "something never happened: {seen:?}");
    }
    capture.dissect();
}

/// How often what a run is meant to bring about came about.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    offers: usize,
    acks: usize,
    naks: usize,
    informed: usize,
    silences: usize,
    mutated: usize,
    reserved: usize,
    options_of: [usize; 6],
}

impl Seen {
    fn is_everything(&self) -> bool {
        let replies = [self.offers, self.acks, self.naks, self.informed, self.silences, self.mutated, self.reserved];
        replies.iter().chain(&self.options_of).all(|times| *times > 0)
    }
}

fn run(seed: u64, capture: &mut Capture, seen: &mut Seen) {
    let mut random = Random::new(seed);
    let settings = Arc::new(settings::settings(&mut random));
    let mut now = Now { boot_ms: 5_000_000, wall_secs: 1_790_000_000 };
    let mut engine = Engine::new(Arc::clone(&settings), [], now);
    let mut clients = packets::Clients::default();
    for _ in 0..PACKETS {
        let secs = random.below(400) as u64;
        now = Now { boot_ms: now.boot_ms + secs * 1_000, wall_secs: now.wall_secs + secs };
        for decision in engine.handle_timeout(now, usize::MAX) {
            settle(&mut engine, &decision, true);
        }
        let sent = packets::send(&mut random, &settings, &clients);
        let decision = engine.handle_message(now, &sent.ingress(), &sent.datagram, &NoNames);
        settle(&mut engine, &decision, !random.once_in(10));
        let Some((reply, destination)) = &decision.reply else {
            seen.silences += 1;
            continue;
        };
        let mut datagram = Vec::new();
        let dropped = reply.encode(&mut datagram);
        promises::read_by_dhcproto(reply, &datagram, &dropped);
        if sent.is_mutated {
            seen.mutated += 1;
            continue;
        }
        promises::keep(&settings, &sent, reply, seen);
        clients.hear(sent.client, reply);
        capture.add(seed, sent.server(), place(*destination), &datagram);
    }
}

fn settle(engine: &mut Engine, decision: &Decision, committed: bool) {
    if let Some(ticket) = decision.ticket {
        engine.settle(ticket, if committed { CommitOutcome::Committed } else { CommitOutcome::Failed });
    }
}

fn place(destination: Destination) -> (std::net::Ipv4Addr, u16) {
    match destination {
        // A port of the relay's own would not be taken for DHCP.
        Destination::Relay { address, .. } => (address, 67),
        Destination::Client(address) => (address, 68),
        Destination::Frame { yiaddr, .. } => (yiaddr, 68),
        Destination::Broadcast => (std::net::Ipv4Addr::BROADCAST, 68),
    }
}
