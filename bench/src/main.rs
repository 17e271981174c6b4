//! Measurements beside peers, in one run, as ratios. `bench/README.md` tells what each shows and what was measured.

mod batch;
mod compaction;
mod counts;
mod exchanges;
mod figures;
mod forward;
mod generate;
mod held;
mod hosts;
mod load;
mod micro;
mod moment;
mod names;
mod packet;
mod queries;
mod query_servers;
mod reflect;
mod size;
mod start;
mod storm;
mod storm_load;
mod threads;
mod update_load;
mod updates;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Debug, Parser)]
#[command(name = "leasehold-bench", about)]
struct Invocation {
    #[command(subcommand)]
    measurement: Measurement,
}

#[derive(Debug, Subcommand)]
enum Measurement {
    /// From ACK received to name answered: Kea with D2 and BIND, Leasehold with BIND, Leasehold's own zone.
    Names(names::Names),
    /// Exchanges and renewals a second, relayed, and one client at a time: the machine's limit, Leasehold and its peers.
    Exchanges(exchanges::Exchanges),
    /// What a large configuration costs: processor time of an exchange.
    Size(size::Size),
    /// From the start with a million leases to the first answer, and resident memory.
    Start(start::Start),
    /// Exchanges a second beside a million leases held, and in a /12 pool 99% full, beside those of an empty store.
    Held(held::Held),
    /// What clients notice of a live compaction of a million leases: quantiles of exchanges during it and without.
    Compaction(compaction::Compaction),
    /// 50,000 clients come back within two seconds: until when all have addresses and names, beside Kea, D2 and BIND.
    Storm(storm::Storm),
    /// Names confirmed in BIND a second: a generator alone, Leasehold's updater, Kea with D2; and a flood of leases.
    Updates(updates::Updates),
    /// Queries on one core: Leasehold's embedded zone, BIND, Knot and NSD, asked by dnsperf.
    Queries(queries::Queries),
    /// Hits and misses of forwarders on one core: Leasehold, Unbound and dnsmasq over one NSD, asked by dnsperf.
    Forward(forward::Forward),
    /// The engine alone, reading and writing: time, allocations, instructions; or memory.
    Micro(micro::Micro),
    /// The generator behind `names`, run inside the clients' namespace.
    #[command(hide = true)]
    Generate(generate::Generate),
    /// The load behind `exchanges`, run inside the clients' namespace.
    #[command(hide = true)]
    Load(load::Load),
    /// The clients behind `storm`, run inside the clients' namespace.
    #[command(hide = true)]
    StormLoad(storm_load::StormLoad),
    /// What waits behind `start`, run inside the clients' namespace.
    #[command(hide = true)]
    FirstAnswer(start::FirstAnswer),
    /// The limit behind `exchanges`, run inside the servers' namespace.
    #[command(hide = true)]
    Reflect(reflect::Reflect),
    /// The loads behind `updates`, run inside the clients' namespace.
    #[command(hide = true)]
    UpdateLoad(update_load::UpdateLoad),
}

fn main() -> ExitCode {
    // The daemon is a part of this program too, so that the small runs among the tests need no other.
    if std::env::args().nth(1).is_some_and(|first| first == "run" || first == "db") {
        return leasehold::commands::Invocation::parse().execute();
    }
    let outcome = match Invocation::parse().measurement {
        Measurement::Names(names) => names.run(),
        Measurement::Exchanges(exchanges) => exchanges.run(),
        Measurement::Generate(generate) => generate.run(),
        Measurement::Load(load) => load.run(),
        Measurement::Reflect(reflect) => reflect.run(),
        Measurement::Micro(micro) => micro.run(),
        Measurement::Start(start) => start.run(),
        Measurement::FirstAnswer(first) => first.run(),
        Measurement::Size(size) => size.run(),
        Measurement::Held(held) => held.run(),
        Measurement::Compaction(compaction) => compaction.run(),
        Measurement::Storm(storm) => storm.run(),
        Measurement::StormLoad(load) => load.run(),
        Measurement::Queries(queries) => queries.run(),
        Measurement::Forward(forward) => forward.run(),
        Measurement::Updates(updates) => updates.run(),
        Measurement::UpdateLoad(load) => load.run(),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("leasehold-bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}
