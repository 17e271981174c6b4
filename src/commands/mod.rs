//! The command line, one file for each command.

pub mod audit_log;
pub mod check;
pub mod completions;
pub mod csv;
pub mod db;
pub mod demo;
pub mod devices;
pub mod dns;
pub mod edit;
pub mod events;
pub mod explain;
pub mod export;
pub mod history;
pub mod leases;
pub mod mac;
pub mod machine;
pub mod man;
pub mod moment;
pub mod queries;
pub mod record;
pub mod reload;
pub mod reserve;
pub mod run;
pub mod status;
pub mod terminal;
pub mod web;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand, ValueEnum};
use config::settings;
use serde::de::DeserializeOwned;

use crate::control::{self, Request};
use crate::remote::Remote;

/// DHCP and DNS in one daemon: a client takes a lease and its name resolves.
#[derive(Debug, Parser)]
#[command(name = "leasehold", version, about, propagate_version = true)]
pub struct Invocation {
    /// What is said of the log here wins over what the configuration file says.
    #[command(flatten)]
    pub log: LogArgs,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

impl Invocation {
    /// Does it, and says what failed.
    #[must_use]
    pub fn execute(self) -> ExitCode {
        execute(self.command, &self.log).unwrap_or_else(|error| {
            // The chain, outermost first: what failed, to which file or server, and why.
            eprintln!("leasehold: {error:#}");
            ExitCode::FAILURE
        })
    }
}

fn execute(command: Command, log: &LogArgs) -> anyhow::Result<ExitCode> {
    // `run` starts the log once it knows what its file says of it; the others only tell what fails.
    if !matches!(command, Command::Run(_)) {
        crate::logging::start(log, settings::LogLevel::Error, settings::LogFormat::Text)?;
    }
    match command {
        Command::Run(run) => run::run(run, log),
        Command::Check(check) => check::run(&check),
        Command::Leases(leases) => leases::run(&leases),
        Command::Dns(dns) => dns::run(&dns),
        Command::Explain(explain) => explain::run(&explain),
        Command::Devices(one) => devices::run(&one),
        Command::Approve(one) => devices::decide(&one, "approve"),
        Command::Deny(one) => devices::decide(&one, "deny"),
        Command::Mac(mac) => mac::run(&mac),
        Command::Events(events) => events::run(&events),
        Command::AuditLog(log) => audit_log::run(&log),
        Command::History(history) => history::run(&history),
        Command::Queries(queries) => queries::run(&queries),
        Command::Record(record) => record::run(&record),
        Command::Reload(reload) => reload::run(&reload),
        Command::Reserve(asked) => reserve::reserve(&asked),
        Command::Unreserve(asked) => reserve::unreserve(&asked),
        Command::Release(asked) => reserve::release(&asked),
        Command::Machine(one) => machine::run(&one),
        Command::Status(status) => status::run(&status),
        Command::Export(one) => export::export(&one),
        Command::Import(one) => export::import(&one),
        Command::Backup(one) => export::backup(&one),
        Command::Restore(one) => export::restore(&one),
        Command::Web(web) => web::run(&web),
        Command::Db(db) => db::run(db),
        Command::Demo(demo) => demo::run(demo),
        Command::Completions(completions) => completions::run(&completions),
        Command::Man(man) => man::run(&man),
    }
}

/// The exit code for scripts where what was asked for is not there. Faults are 1, a wrong command line is 2.
pub const NOT_FOUND: u8 = 3;

/// How much is logged, and how.
#[derive(Args, Clone, Debug, Default)]
pub struct LogArgs {
    /// How the log is written (to standard error); else as the configuration file says, else text.
    #[arg(long, value_enum, global = true)]
    pub log_format: Option<LogFormat>,
    /// What is logged: error, warn, info, debug or trace, also by part ("info,ddns=debug").
    #[arg(long, value_name = "LEVEL", global = true)]
    pub log: Option<String>,
}

/// How the log is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// One line that a person can read.
    Text,
    /// One JSON object a line.
    Json,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve DHCP and DNS until told to stop.
    Run(run::Run),
    /// Check a configuration file: every fault with file, line, column and the mend.
    Check(check::Check),
    /// Show the leases of the running daemon.
    Leases(leases::Leases),
    /// Show which names DNS does not hold yet, and why.
    Dns(dns::Dns),
    /// Tell why a name is what it is, or is not there; or what a packet would lead to under a configuration.
    Explain(explain::Explain),
    /// Show devices that nobody knew: who waits for approval, and what was decided.
    Devices(devices::Devices),
    /// Serve a device that waits.
    Approve(devices::Decide),
    /// Give a device no address where unknown ones wait.
    Deny(devices::Decide),
    /// Tell which hardware address has an address, and how that is known.
    Mac(mac::Mac),
    /// Show what happens to leases and names.
    Events(events::Events),
    /// Show who changed what.
    AuditLog(audit_log::AuditLog),
    /// Show who had which address when.
    History(history::History),
    /// Show what the running daemon was asked about names of others, and what became of it.
    Queries(queries::Queries),
    /// Have the running daemon read its configuration file again.
    Reload(reload::Reload),
    /// Reserve an address for a client.
    Reserve(reserve::Reserve),
    /// Take out a reservation that was made so.
    Unreserve(reserve::Unreserve),
    /// Show, add and remove static records.
    #[command(subcommand)]
    Record(record::Record),
    /// End a lease.
    Release(reserve::Release),
    /// Machines with one name for all their addresses.
    #[command(subcommand)]
    Machine(machine::Machine),
    /// Show how the running daemon stands.
    Status(status::Status),
    /// Write all that the server holds to one file.
    Export(export::Export),
    /// Bring in what another server exported.
    Import(export::Import),
    /// Make and list backups.
    #[command(subcommand)]
    Backup(export::Backup),
    /// Put a backup in the place of the store.
    Restore(export::Restore),
    /// Make a user or a token for the page and the HTTP API.
    #[command(subcommand)]
    Web(web::Web),
    /// Look after the lease store.
    #[command(subcommand)]
    Db(db::Db),
    /// Show the whole thing on loopback, without root and without a file.
    Demo(demo::Demo),
    /// Print what a shell needs to complete commands and options.
    Completions(completions::Completions),
    /// Write the manual: a page for each command.
    Man(man::Man),
}

/// How a command finds the running daemon.
#[derive(Args, Clone, Debug)]
pub struct Daemon {
    /// The daemon's control socket.
    #[arg(long, value_name = "PATH", default_value = crate::control::DEFAULT_SOCKET, conflicts_with = "server")]
    pub socket: PathBuf,
    /// Or another machine's.
    #[command(flatten)]
    pub remote: Remote,
    /// Print JSON instead of a table.
    #[arg(long)]
    pub json: bool,
}

impl Daemon {
    /// Asks it.
    ///
    /// # Errors
    /// When nobody answers there, or the answer is an error, told in words.
    pub fn ask<T: DeserializeOwned>(&self, request: &Request) -> anyhow::Result<T> {
        self.remote.ask(request).unwrap_or_else(|| control::ask(&self.socket, request))
    }
}
