//! The daemon `leasehold` and its command line.

use std::process::ExitCode;

use clap::Parser;
use config::settings::{LogFormat, LogLevel};
use leasehold::commands::{Command, Invocation, LogArgs, check, db, demo, dns, explain, leases, run};
use leasehold::logging;

fn main() -> ExitCode {
    let Invocation { log, command } = Invocation::parse();
    execute(command, &log).unwrap_or_else(|error| {
        // The chain, outermost first: what failed, to which file or server, and why.
        eprintln!("leasehold: {error:#}");
        ExitCode::FAILURE
    })
}

fn execute(command: Command, log: &LogArgs) -> anyhow::Result<ExitCode> {
    // `run` starts the log once it knows what its file says of it; the others only tell what fails.
    if !matches!(command, Command::Run(_)) {
        logging::start(log, LogLevel::Error, LogFormat::Text)?;
    }
    match command {
        Command::Run(run) => run::run(run, log),
        Command::Check(check) => check::run(&check),
        Command::Leases(leases) => leases::run(&leases),
        Command::Dns(dns) => dns::run(&dns),
        Command::Explain(explain) => explain::run(&explain),
        Command::Status(status) => leasehold::commands::status::run(&status),
        Command::Db(db) => db::run(db),
        Command::Demo(demo) => demo::run(demo),
    }
}
