//! `leasehold dns`.

use std::process::ExitCode;

use clap::Args;
use comfy_table::{ContentArrangement, Table, presets};

use crate::control::{self, NameView, Request};

/// Show which names DNS does not hold yet, and why.
#[derive(Args, Debug)]
pub struct Dns {
    /// Where the daemon is.
    #[command(flatten)]
    pub daemon: super::Daemon,
    /// Also the names that are as they should be.
    #[arg(long)]
    pub all: bool,
}

/// Runs it.
///
/// # Errors
/// When no daemon answers at the socket.
pub fn run(dns: &Dns) -> anyhow::Result<ExitCode> {
    let mut names: Vec<NameView> = control::ask(&dns.daemon.socket, &Request::Names)?;
    names.retain(|name| dns.all || !name.done);
    if dns.daemon.json {
        println!("{}", serde_json::to_string_pretty(&names)?);
        return Ok(ExitCode::SUCCESS);
    }
    if names.is_empty() {
        println!("DNS holds every name that it should");
        return Ok(ExitCode::SUCCESS);
    }
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(["NAME", "WANTED", "STATE"]);
    for name in &names {
        table.add_row([name.key.clone(), name.wanted.clone(), name.state.clone()]);
    }
    println!("{table}");
    Ok(ExitCode::SUCCESS)
}
