//! `leasehold demo`.

use std::process::ExitCode;

use clap::Args;

/// Show the whole thing on loopback, without root and without a file.
#[derive(Args, Debug)]
pub struct Demo {
    /// End instead of serving on; exit code 0 only if both records resolved.
    #[arg(long)]
    pub once: bool,
}

/// Runs it.
///
/// # Errors
/// When the daemon does not start or the client gets no lease.
pub fn run(demo: Demo) -> anyhow::Result<ExitCode> {
    let _ = demo.once;
    anyhow::bail!("not yet")
}
