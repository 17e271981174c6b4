//! `leasehold status`.

use std::process::ExitCode;

use clap::Args;
use comfy_table::{ContentArrangement, Table, presets};

use crate::control::{self, Request, StatusView};

/// Show how the running daemon stands: subnets' use, the store, and what was counted.
#[derive(Args, Debug)]
pub struct Status {
    /// Where the daemon is.
    #[command(flatten)]
    pub daemon: super::Daemon,
}

/// Runs it. The exit code is 1 while the store has no room.
///
/// # Errors
/// When no daemon answers at the socket.
pub fn run(status: &Status) -> anyhow::Result<ExitCode> {
    let view: StatusView = status.daemon.ask(&Request::Status)?;
    let code = if view.storage_full { ExitCode::FAILURE } else { ExitCode::SUCCESS };
    if status.daemon.json {
        println!("{}", serde_json::to_string_pretty(&view)?);
        return Ok(code);
    }
    println!("leasehold {}", view.version);
    view.confinement.iter().for_each(|confinement| println!("{confinement}"));
    if view.storage_full {
        println!("the disk of the lease store is full: renewals get what is left of their leases, new clients nothing");
    }
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(["SUBNET", "POOL", "FREE", "BOUND", "OFFERED", "QUARANTINED"]);
    for subnet in &view.subnets {
        let counts = [subnet.pool, subnet.free, subnet.bound, subnet.offered, subnet.quarantined];
        table.add_row(std::iter::once(subnet.prefix.clone()).chain(counts.map(|count| count.to_string())));
    }
    match view.subnets.is_empty() {
        true => println!("no subnet: no DHCP is served"),
        false => println!("{table}"),
    }
    for line in view.zones.iter().flat_map(|zone| zone.lines(false)) {
        println!("{line}");
    }
    for copy in &view.copies {
        println!("{}", copy.line());
    }
    if let Some(audit) = &view.audit {
        let c = &audit.counts;
        println!(
            "zones audited at {}: {} right, {} missing, {} changed, {} stale, {} foreign",
            control::local_time(audit.at),
            c.right,
            c.missing,
            c.changed,
            c.stale,
            c.foreign
        );
        for zone in &audit.failed {
            println!("zone {zone} could not be read");
        }
        for zone in &audit.stopped {
            println!("zone {zone} is not repaired: too much would be deleted (leasehold dns repair --zone {zone})");
        }
    }
    for held in &view.held_back {
        let zone = &held.zone;
        println!(
            "zone {zone}: {} of {} names are wanted no more since the configuration changed, and not deleted (leasehold dns \
             confirm-deletions {zone})",
            held.held, held.names
        );
    }
    let counters = &view.counters;
    println!("{} datagrams received, {} replies sent since the start", counters.received, counters.sent);
    if counters.repeated > 0 {
        println!(
            "{} waited in a crowd until their clients had asked again: the later ones were served",
            counters.repeated
        );
    }
    if counters.crowded_out > 0 {
        println!("{} not answered: more waited than may", counters.crowded_out);
    }
    for (reason, count) in &counters.dropped {
        println!("{count} not answered: {reason}");
    }
    Ok(code)
}
