//! The daemon `leasehold` and its command line.

use std::process::ExitCode;

use clap::Parser;
use leasehold::commands::Invocation;

fn main() -> ExitCode {
    Invocation::parse().execute()
}
