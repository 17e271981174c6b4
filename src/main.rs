//! The daemon `leasehold` and its command line.

use std::process::ExitCode;

use clap::Parser;
use leasehold::commands::{Command, Invocation};

fn main() -> ExitCode {
    let invocation = Invocation::parse();
    leasehold::logging::start(&invocation);
    let outcome = match invocation.command {
        Command::Run(run) => leasehold::commands::run::run(run),
        Command::Check(check) => leasehold::commands::check::run(&check),
        Command::Leases(leases) => leasehold::commands::leases::run(&leases),
        Command::Dns(dns) => leasehold::commands::dns::run(&dns),
        Command::Db(db) => leasehold::commands::db::run(db),
        Command::Demo(demo) => leasehold::commands::demo::run(demo),
    };
    outcome.unwrap_or_else(|error| {
        // The chain, outermost first: what failed, to which file or server, and why.
        eprintln!("leasehold: {error:#}");
        ExitCode::FAILURE
    })
}
