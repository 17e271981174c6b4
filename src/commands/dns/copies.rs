//! `leasehold dns copies` and `refresh`: zones that are copies of other servers'.

use std::process::ExitCode;

use clap::Args;

use crate::commands::Daemon;
use crate::control::{Request, ZoneCopyView};

/// Show the copies.
#[derive(Args, Debug)]
pub struct Copies {
    /// Where the daemon is.
    #[command(flatten)]
    pub daemon: Daemon,
}

/// Ask the primaries of a copy now.
#[derive(Args, Debug)]
pub struct Refresh {
    /// Where the daemon is.
    #[command(flatten)]
    pub daemon: Daemon,
    /// The zone.
    #[arg(value_name = "ZONE")]
    pub zone: String,
    /// Take it whole, whatever its serial is: an older one, too.
    #[arg(long)]
    pub whole: bool,
}

/// Shows how every copy stands.
pub(super) fn show(shown: &Copies) -> anyhow::Result<ExitCode> {
    let copies: Vec<ZoneCopyView> = shown.daemon.ask(&Request::DnsCopies)?;
    match shown.daemon.json {
        true => println!("{}", serde_json::to_string_pretty(&copies)?),
        false if copies.is_empty() => println!("no zone is a copy of another server's"),
        false => copies.iter().for_each(|copy| println!("{}", copy.line())),
    }
    Ok(code(copies.iter().all(ZoneCopyView::is_fresh)))
}

/// Has the primaries asked, and shows how the copy stands then.
pub(super) fn refresh(order: &Refresh) -> anyhow::Result<ExitCode> {
    let request = Request::DnsRefresh { zone: order.zone.clone(), whole: order.whole };
    let copy: ZoneCopyView = order.daemon.ask(&request)?;
    match order.daemon.json {
        true => println!("{}", serde_json::to_string_pretty(&copy)?),
        false => println!("{}", copy.line()),
    }
    Ok(code(copy.is_fresh()))
}

fn code(is_good: bool) -> ExitCode {
    if is_good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
