//! Measurements beside peers, in one run, as ratios. `bench/README.md` tells what each shows and what was measured.

mod figures;
mod generate;
mod hosts;
mod names;
mod packet;

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
    /// The generator behind `names`, run inside the clients' namespace.
    #[command(hide = true)]
    Generate(generate::Generate),
}

fn main() -> ExitCode {
    let outcome = match Invocation::parse().measurement {
        Measurement::Names(names) => names.run(),
        Measurement::Generate(generate) => generate.run(),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("leasehold-bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}
