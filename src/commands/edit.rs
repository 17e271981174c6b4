//! What every command is told that changes the file beside the configuration, and how it shows what came of it.

use std::process::ExitCode;

use clap::Args;

use crate::control::Request;
use crate::reload::ReloadView;

/// A change of that file, which is in force at once.
#[derive(Args, Debug)]
pub struct Editing {
    /// Where the daemon is.
    #[command(flatten)]
    pub daemon: super::Daemon,
    /// Only show what would change, and what that does to leases.
    #[arg(long)]
    pub dry_run: bool,
}

impl Editing {
    /// Has it made as `request` says, or only told, and shows what came of it. The exit code is 1 when it was refused.
    ///
    /// # Errors
    /// When no daemon answers, or the file cannot be changed so.
    pub(super) fn make(&self, request: impl FnOnce(bool) -> Request) -> anyhow::Result<ExitCode> {
        let view: ReloadView = self.daemon.ask(&request(self.dry_run))?;
        if self.daemon.json {
            println!("{}", serde_json::to_string_pretty(&view)?);
        } else {
            view.lines(self.dry_run).iter().for_each(|line| println!("{line}"));
        }
        Ok(if view.is_good() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}
