//! `leasehold dns`.

mod copies;
mod upkeep;

use std::process::ExitCode;

use clap::{Args, Subcommand};
use comfy_table::{ContentArrangement, Table, presets};

use crate::control::{NameView, Request, ZoneCopyView, ZoneServersView};

/// Show which names DNS does not hold yet, and why; compare zones with what they should hold, and mend them.
#[derive(Args, Debug)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Dns {
    /// Something else than to show names.
    #[command(subcommand)]
    pub action: Option<Action>,
    /// Where the daemon is.
    #[command(flatten)]
    pub daemon: super::Daemon,
    /// Also the names that are as they should be.
    #[arg(long)]
    pub all: bool,
}

/// What is done about whole zones.
#[derive(Debug, Subcommand)]
pub enum Action {
    /// Compare zones with what they should hold: what is missing, changed by hand, stale or foreign. Exit code 1 when
    /// something is, 2 when a zone could not be read.
    Audit(upkeep::Audit),
    /// Write anew what is missing or changed, and delete what is stale. Foreign records are never touched.
    Repair(upkeep::Repair),
    /// Take over records without DHCID that stand where this server's should.
    Adopt(upkeep::Adopt),
    /// Delete what a changed configuration no longer wants and `leasehold status` tells to be held back.
    ConfirmDeletions(upkeep::ConfirmDeletions),
    /// Try now what was refused, or what no server answered for, instead of at its next try. Exit code 1 when nothing waits.
    Retry(upkeep::Retry),
    /// Tell DNS every name anew.
    Resync(upkeep::Resync),
    /// Show how the DNS servers of each zone are doing: which is in use, which is passed over, since when, its last answer
    /// and the next try. Exit code 1 when one does not do its work.
    Servers(upkeep::Servers),
    /// Show the zones that are copies of other servers': from which primary, which serial, when it was checked last and is
    /// next, when it expires, and what went wrong. Exit code 1 when one is not fresh.
    Copies(copies::Copies),
    /// Ask the primaries of a copy now. Exit code 1 when it is not fresh then.
    Refresh(copies::Refresh),
}

/// Runs it.
///
/// # Errors
/// When no daemon answers at the socket.
pub fn run(dns: &Dns) -> anyhow::Result<ExitCode> {
    if let Some(action) = &dns.action {
        return match action {
            Action::Copies(shown) => copies::show(shown),
            Action::Refresh(order) => copies::refresh(order),
            action => Ok(upkeep::run(action)),
        };
    }
    let mut names: Vec<NameView> = dns.daemon.ask(&Request::Names)?;
    names.retain(|name| dns.all || !name.done);
    if dns.daemon.json {
        println!("{}", serde_json::to_string_pretty(&names)?);
        return Ok(ExitCode::SUCCESS);
    }
    let zones: Vec<ZoneServersView> = dns.daemon.ask(&Request::DnsServers)?;
    for line in zones.iter().flat_map(|zone| zone.lines(true)) {
        println!("{line}");
    }
    let copies: Vec<ZoneCopyView> = dns.daemon.ask(&Request::DnsCopies)?;
    for copy in copies.iter().filter(|copy| dns.all || !copy.is_fresh()) {
        println!("{}", copy.line());
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
