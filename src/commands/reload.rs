//! `leasehold reload`.

use std::process::ExitCode;

use clap::Args;

use crate::control::Request;
use crate::reload::ReloadView;

/// Have the running daemon read its configuration file again, and take it over as a whole or not at all.
#[derive(Args, Debug)]
pub struct Reload {
    /// Where the daemon is.
    #[command(flatten)]
    pub daemon: super::Daemon,
    /// Only show what would change, and what that does to leases.
    #[arg(long)]
    pub dry_run: bool,
}

/// Runs it. The exit code is 1 when the file has faults, or cannot be taken over.
///
/// # Errors
/// When no daemon answers at the socket.
pub fn run(reload: &Reload) -> anyhow::Result<ExitCode> {
    let view: ReloadView = reload.daemon.ask(&Request::Reload { dry_run: reload.dry_run })?;
    if reload.daemon.json {
        println!("{}", serde_json::to_string_pretty(&view)?);
    } else {
        view.lines(reload.dry_run).iter().for_each(|line| println!("{line}"));
    }
    Ok(if view.is_good() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
