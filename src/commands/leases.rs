//! `leasehold leases`.

use std::cmp::Ordering;
use std::io::{IsTerminal, Write as _, stdout};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::bail;
use clap::{Args, ValueEnum};
use comfy_table::{ContentArrangement, Table, presets};
use ipnet::Ipv4Net;

use super::{NOT_FOUND, csv};
use crate::control::{LeaseView, Request, local_time};
use crate::history::views::hardware;

/// How often `--watch` looks.
const EVERY: Duration = Duration::from_secs(1);

/// Show the leases of the running daemon.
#[derive(Args, Debug)]
pub struct Leases {
    /// Where the daemon is.
    #[command(flatten)]
    pub daemon: super::Daemon,
    /// Also those that have ended and are kept for their client's return.
    #[arg(long)]
    pub all: bool,
    /// Only in this subnet.
    #[arg(long, value_name = "PREFIX")]
    pub subnet: Option<Ipv4Net>,
    /// Only with this in the name, or in what the client calls itself.
    #[arg(long, value_name = "PART")]
    pub name: Option<String>,
    /// Only of this hardware address, or of those that begin so.
    #[arg(long, value_name = "MAC")]
    pub mac: Option<String>,
    /// Only in this state.
    #[arg(long, value_name = "STATE")]
    pub state: Option<State>,
    /// In this order.
    #[arg(long, value_name = "ORDER", default_value = "address")]
    pub sort: Sort,
    /// The other way round.
    #[arg(long)]
    pub reverse: bool,
    /// Print comma-separated values.
    #[arg(long, conflicts_with_all = ["json", "watch"])]
    pub csv: bool,
    /// Show them again each second.
    #[arg(long, conflicts_with = "json")]
    pub watch: bool,
}

/// What a lease is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[allow(missing_docs, reason = "the names say it")]
pub enum State {
    Bound,
    Released,
    Expired,
    Quarantined,
}

impl State {
    fn word(self) -> &'static str {
        match self {
            Self::Bound => "bound",
            Self::Released => "released",
            Self::Expired => "expired",
            Self::Quarantined => "quarantined",
        }
    }
}

/// What leases are sorted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Sort {
    Address,
    Name,
    Mac,
    Expires,
    Renewed,
}

/// Runs it: 3 when nothing is found of what was asked for.
///
/// # Errors
/// When no daemon answers at the socket, or a hardware address cannot be read.
pub fn run(leases: &Leases) -> anyhow::Result<ExitCode> {
    let mac = leases.mac.as_deref().map(mac_digits).transpose()?;
    loop {
        let mut found: Vec<LeaseView> = leases.daemon.ask(&Request::Leases)?;
        found.retain(|lease| is_wanted(leases, mac.as_deref(), lease));
        found.sort_by(|one, other| order(leases.sort, one, other).then(one.address.cmp(&other.address)));
        if leases.reverse {
            found.reverse();
        }
        if leases.watch && stdout().is_terminal() {
            // To the upper left, and nothing below.
            print!("\x1b[H\x1b[2J");
        }
        print(leases, &found)?;
        if !leases.watch {
            // A server without leases is well; one that lacks what was asked for is told apart.
            let picked = leases.subnet.is_some() || leases.name.is_some() || mac.is_some() || leases.state.is_some();
            let missed = found.is_empty() && picked;
            return Ok(if missed { ExitCode::from(NOT_FOUND) } else { ExitCode::SUCCESS });
        }
        std::thread::sleep(EVERY);
    }
}

/// A hardware address, or its beginning, as lower-case digits.
fn mac_digits(text: &str) -> anyhow::Result<String> {
    let whole = hardware(text).map(|hardware| hardware.to_string());
    let text = whole.unwrap_or_else(|| text.to_owned());
    let digits: String =
        text.chars().filter(|c| !matches!(c, ':' | '-' | '.')).collect::<String>().to_ascii_lowercase();
    if digits.is_empty() || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        bail!("{text:?} is no hardware address, nor the beginning of one, such as 00:11:32");
    }
    Ok(digits)
}

fn is_wanted(leases: &Leases, mac: Option<&str>, lease: &LeaseView) -> bool {
    let state = match leases.state {
        Some(state) => lease.state == state.word(),
        None => leases.all || matches!(lease.state.as_str(), "bound" | "quarantined"),
    };
    let called = |part: &String| {
        let part = part.to_lowercase();
        lease.name.iter().chain([&lease.hostname]).any(|name| name.to_lowercase().contains(&part))
    };
    state
        && leases.subnet.is_none_or(|subnet| subnet.contains(&lease.address))
        && leases.name.as_ref().is_none_or(called)
        && mac.is_none_or(|mac| lease.hardware.replace(':', "").starts_with(mac))
}

fn order(sort: Sort, one: &LeaseView, other: &LeaseView) -> Ordering {
    let name = |lease: &LeaseView| (lease.name.is_none(), lease.name.clone());
    match sort {
        Sort::Address => Ordering::Equal,
        Sort::Name => name(one).cmp(&name(other)),
        Sort::Mac => one.hardware.cmp(&other.hardware),
        Sort::Expires => one.expires_at.unwrap_or(u64::MAX).cmp(&other.expires_at.unwrap_or(u64::MAX)),
        Sort::Renewed => one.renewed_at.cmp(&other.renewed_at),
    }
}

fn print(leases: &Leases, found: &[LeaseView]) -> anyhow::Result<()> {
    if leases.daemon.json {
        println!("{}", serde_json::to_string_pretty(found)?);
        return Ok(());
    }
    if leases.csv {
        return print_csv(found).or_else(|error| match error.kind() {
            // Whoever reads the lines has seen enough.
            std::io::ErrorKind::BrokenPipe => Ok(()),
            _ => Err(error.into()),
        });
    }
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    // Most networks have no relay, and their lists stay narrow.
    let is_placed = found.iter().any(|lease| lease.place.is_some());
    let header = ["ADDRESS", "STATE", "HARDWARE", "NAME", "EXPIRES"];
    table.set_header(header.into_iter().chain(is_placed.then_some("BEHIND")));
    for lease in found {
        let place = is_placed.then(|| lease.place.clone().unwrap_or_else(|| "-".to_owned()));
        let row = [
            lease.address.to_string(),
            lease.state.clone(),
            lease.hardware.clone(),
            lease.name.clone().unwrap_or_else(|| "-".to_owned()),
            lease.expires_at.map_or_else(|| "never".to_owned(), local_time),
        ];
        table.add_row(row.into_iter().chain(place));
    }
    println!("{table}");
    println!("{} leases", found.len());
    Ok(())
}

fn print_csv(found: &[LeaseView]) -> std::io::Result<()> {
    let mut out = std::io::BufWriter::new(stdout().lock());
    let header = [
        "address",
        "subnet",
        "state",
        "hardware",
        "client_id",
        "name",
        "hostname",
        "started",
        "renewed",
        "expires",
        "relay",
        "place",
    ];
    csv::line(&mut out, header)?;
    for lease in found {
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        let cells = [
            lease.address.to_string(),
            lease.subnet.clone(),
            lease.state.clone(),
            lease.hardware.clone(),
            text(&lease.client_id),
            text(&lease.name),
            lease.hostname.clone(),
            csv::time(lease.started_at),
            csv::time(lease.renewed_at),
            lease.expires_at.map(csv::time).unwrap_or_default(),
            lease.relay.map(|relay| relay.to_string()).unwrap_or_default(),
            text(&lease.place),
        ];
        csv::line(&mut out, cells.iter().map(String::as_str))?;
    }
    out.flush()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
mod tests {
    use super::*;

    #[test]
    fn a_hardware_address_is_read_in_every_notation_and_from_its_beginning() {
        for whole in ["00:11:32:AA:bb:cc", "00-11-32-aa-bb-cc", "0011.32aa.bbcc"] {
            assert_eq!(mac_digits(whole).unwrap(), "001132aabbcc");
        }
        assert_eq!(mac_digits("00:11").unwrap(), "0011");
        assert!(mac_digits("printer").is_err() && mac_digits("").is_err());
    }
}
