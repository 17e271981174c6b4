//! `leasehold leases`.

use std::process::ExitCode;

use clap::Args;
use comfy_table::{ContentArrangement, Table, presets};

use crate::control::{self, LeaseView, Request};

/// Show the leases of the running daemon.
#[derive(Args, Debug)]
pub struct Leases {
    /// Where the daemon is.
    #[command(flatten)]
    pub daemon: super::Daemon,
    /// Also those that have ended and are kept for their client's return.
    #[arg(long)]
    pub all: bool,
}

/// Runs it.
///
/// # Errors
/// When no daemon answers at the socket.
pub fn run(leases: &Leases) -> anyhow::Result<ExitCode> {
    let mut found: Vec<LeaseView> = control::ask(&leases.daemon.socket, &Request::Leases)?;
    found.retain(|lease| leases.all || matches!(lease.state.as_str(), "bound" | "quarantined"));
    found.sort_by_key(|lease| lease.address);
    if leases.daemon.json {
        println!("{}", serde_json::to_string_pretty(&found)?);
        return Ok(ExitCode::SUCCESS);
    }
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    // Most networks have no relay, and their lists stay narrow.
    let is_placed = found.iter().any(|lease| lease.place.is_some());
    let header = ["ADDRESS", "STATE", "HARDWARE", "NAME", "EXPIRES"];
    table.set_header(header.into_iter().chain(is_placed.then_some("BEHIND")));
    for lease in &found {
        let place = is_placed.then(|| lease.place.clone().unwrap_or_else(|| "-".to_owned()));
        let row = [
            lease.address.to_string(),
            lease.state.clone(),
            lease.hardware.clone(),
            lease.name.clone().unwrap_or_else(|| "-".to_owned()),
            lease.expires_at.map_or_else(|| "never".to_owned(), control::local_time),
        ];
        table.add_row(row.into_iter().chain(place));
    }
    println!("{table}");
    println!("{} leases", found.len());
    Ok(ExitCode::SUCCESS)
}
