//! `leasehold dns audit`, `repair`, `adopt`, `retry`, `resync`, `confirm-deletions` and `servers`.

use std::process::ExitCode;

use clap::Args;
use comfy_table::{ContentArrangement, Table, presets};
use web::model::Retried;

use super::Action;
use crate::commands::Daemon;
use crate::control::{AuditView, AuditZoneView, MendView, MendZoneView, Request, ZoneServersView};

/// Something is wrong, or was not done.
const FOUND: u8 = 1;
/// It could not be found out.
const FAILED: u8 = 2;

/// Which zones are meant.
#[derive(Args, Debug)]
pub struct Zones {
    /// Where the daemon is.
    #[command(flatten)]
    pub daemon: Daemon,
    /// This zone only.
    #[arg(long, value_name = "NAME")]
    pub zone: Option<String>,
}

/// Which zones are changed, or would be.
#[derive(Args, Debug)]
pub struct Change {
    /// Which zones.
    #[command(flatten)]
    pub zones: Zones,
    /// Only tell what would be done.
    #[arg(long)]
    pub dry_run: bool,
}

/// Compare zones with what they should hold.
#[derive(Args, Debug)]
pub struct Audit {
    /// Which zones.
    #[command(flatten)]
    pub zones: Zones,
}

/// Mend what is this server's.
#[derive(Args, Debug)]
pub struct Repair {
    /// Which zones.
    #[command(flatten)]
    pub change: Change,
    /// Also delete more of a zone than may be deleted without being asked (`delete_share_max`).
    #[arg(long)]
    pub yes: bool,
}

/// Take over records without DHCID.
#[derive(Args, Debug)]
pub struct Adopt {
    /// Which zones.
    #[command(flatten)]
    pub change: Change,
    /// All whose data is exactly what is wanted.
    #[arg(long, required_unless_present = "names")]
    pub all_without_dhcid: bool,
    /// These names, and addresses for their PTR records, whatever data they have now.
    #[arg(value_name = "NAME|ADDRESS")]
    pub names: Vec<String>,
}

/// Delete what is held back.
#[derive(Args, Debug)]
pub struct ConfirmDeletions {
    /// Where the daemon is.
    #[command(flatten)]
    pub daemon: Daemon,
    /// The zone.
    #[arg(value_name = "ZONE")]
    pub zone: String,
    /// Only tell what would be done.
    #[arg(long)]
    pub dry_run: bool,
}

/// Tell DNS every name anew.
#[derive(Args, Debug)]
pub struct Resync {
    /// Which zones.
    #[command(flatten)]
    pub change: Change,
}

/// Try now what waits for its next try.
#[derive(Args, Debug)]
pub struct Retry {
    /// Where the daemon is.
    #[command(flatten)]
    pub daemon: Daemon,
    /// This name or address; else everything.
    #[arg(value_name = "NAME|ADDRESS")]
    pub of: Option<String>,
}

/// Show how the DNS servers of each zone are doing.
#[derive(Args, Debug)]
pub struct Servers {
    /// Where the daemon is.
    #[command(flatten)]
    pub daemon: Daemon,
}

/// Runs it. Failures are told here, because they have an exit code of their own.
pub(super) fn run(action: &Action) -> ExitCode {
    let done = match action {
        Action::Audit(Audit { zones }) => audited(zones),
        Action::Repair(Repair { change, yes }) => {
            mended(change, |zone, dry_run| Request::DnsRepair { zone, dry_run, yes: *yes })
        }
        Action::Adopt(Adopt { change, all_without_dhcid, names }) => {
            let (names, all_without_dhcid) = (names.clone(), *all_without_dhcid);
            mended(change, |zone, dry_run| Request::DnsAdopt { zone, names, all_without_dhcid, dry_run })
        }
        Action::ConfirmDeletions(ConfirmDeletions { daemon, zone, dry_run }) => {
            show_done(daemon, &Request::DnsConfirmDeletions { zone: zone.clone(), dry_run: *dry_run })
        }
        Action::Resync(Resync { change }) => mended(change, |zone, dry_run| Request::DnsResync { zone, dry_run }),
        Action::Retry(retry) => retried(retry),
        Action::Servers(Servers { daemon }) => servers(daemon),
        // Of `copies`.
        Action::Copies(_) | Action::Refresh(_) => return ExitCode::SUCCESS,
    };
    done.unwrap_or_else(|error| {
        eprintln!("leasehold: {error:#}");
        ExitCode::from(FAILED)
    })
}

fn retried(retry: &Retry) -> anyhow::Result<ExitCode> {
    let Retried { rows } = retry.daemon.ask(&Request::DnsRetry { of: retry.of.clone() })?;
    if retry.daemon.json {
        println!("{}", serde_json::to_string_pretty(&Retried { rows })?);
    } else {
        println!(
            "{}",
            match rows {
                0 => "nothing waits for its next try".to_owned(),
                1 => "one name or address is tried now".to_owned(),
                rows => format!("{rows} names and addresses are tried now"),
            }
        );
    }
    Ok(ExitCode::from(if rows == 0 { FOUND } else { 0 }))
}

/// Tells which servers do their work, and fails when one does not.
fn servers(daemon: &Daemon) -> anyhow::Result<ExitCode> {
    let zones: Vec<ZoneServersView> = daemon.ask(&Request::DnsServers)?;
    if daemon.json {
        println!("{}", serde_json::to_string_pretty(&zones)?);
    } else {
        zones.iter().flat_map(|zone| zone.lines(false)).for_each(|line| println!("{line}"));
    }
    let failing = zones.iter().flat_map(|zone| &zone.servers).any(|server| server.failing_since.is_some());
    Ok(ExitCode::from(if failing { FOUND } else { 0 }))
}

fn audited(zones: &Zones) -> anyhow::Result<ExitCode> {
    let view: AuditView = zones.daemon.ask(&Request::DnsAudit { zone: zones.zone.clone() })?;
    if zones.daemon.json {
        println!("{}", serde_json::to_string_pretty(&view)?);
    } else {
        show_audit(&view);
    }
    let failed = view.zones.iter().any(|zone| zone.error.is_some());
    let found = view.zones.iter().any(|zone| zone.counts.wrong() > 0);
    Ok(ExitCode::from(if failed {
        FAILED
    } else if found {
        FOUND
    } else {
        0
    }))
}

fn show_audit(view: &AuditView) {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(["", "NAME", "WANTED", "FOUND"]);
    let mut adoptable = 0;
    for finding in view.zones.iter().flat_map(|zone| &zone.findings) {
        adoptable += usize::from(finding.adoptable);
        table.add_row([&finding.kind, &finding.key, &finding.wanted, &finding.found]);
    }
    if table.row_iter().next().is_some() {
        println!("{table}\n");
    }
    for zone in &view.zones {
        println!("{}", zone_words(zone));
    }
    if adoptable > 0 {
        println!(
            "{adoptable} of the foreign ones have no DHCID and are exactly what is wanted: `leasehold dns adopt \
             --all-without-dhcid` takes them over"
        );
    }
}

fn zone_words(zone: &AuditZoneView) -> String {
    let AuditZoneView { zone: apex, server, how, error, counts, .. } = zone;
    if let Some(error) = error {
        return format!("{apex} at {server} could not be read: {error}");
    }
    let mut words = format!(
        "{apex} at {server} ({how}): {} right, {} missing, {} changed, {} stale, {} foreign, {} under way",
        counts.right, counts.missing, counts.changed, counts.stale, counts.foreign, counts.under_way
    );
    if counts.elsewhere > 0 {
        words += &format!("; {} at an address of another server's", counts.elsewhere);
    }
    if zone.others > 0 {
        words += &format!("; {} other names, {} of them with a DHCID", zone.others, zone.others_with_dhcid);
    }
    if how == "queries" {
        words += "; the server allows no zone transfer, so that stale names cannot be seen";
    }
    if zone.not_listed > 0 {
        words += &format!("; {} findings more are not listed", zone.not_listed);
    }
    if zone.not_looked_at > 0 {
        words += &format!("; {} records were too many to be looked at", zone.not_looked_at);
    }
    words
}

fn mended(change: &Change, request: impl FnOnce(Option<String>, bool) -> Request) -> anyhow::Result<ExitCode> {
    let Change { zones, dry_run } = change;
    show_done(&zones.daemon, &request(zones.zone.clone(), *dry_run))
}

fn show_done(daemon: &Daemon, request: &Request) -> anyhow::Result<ExitCode> {
    let view: MendView = daemon.ask(request)?;
    if daemon.json {
        println!("{}", serde_json::to_string_pretty(&view)?);
    } else {
        for zone in &view.zones {
            show_mended(zone, view.dry_run);
        }
    }
    let failed = view.zones.iter().any(|zone| zone.error.is_some());
    let undone = view.zones.iter().any(|zone| zone.stopped.is_some() || !zone.refused.is_empty());
    Ok(ExitCode::from(if failed {
        FAILED
    } else if undone {
        FOUND
    } else {
        0
    }))
}

fn show_mended(zone: &MendZoneView, dry_run: bool) {
    let MendZoneView { zone: apex, error, actions, refused, stopped, done } = zone;
    if let Some(error) = error {
        println!("{apex} could not be read: {error}");
        return;
    }
    for action in actions {
        println!("{action}");
    }
    for refused in refused {
        println!("{refused}");
    }
    match stopped {
        Some(why) => println!("{apex} nothing is done: {why}"),
        None if dry_run => println!("{apex} {} to be done", actions.len()),
        None => println!("{apex} {done} on their way (leasehold dns shows them)"),
    }
}
