//! `leasehold history`.

use std::io::{self, Write, stdout};
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::Args;
use comfy_table::{ContentArrangement, Table, presets};
use dhcp::relay_info::Switches;
use web::model::{Past, PastHolder, PastQuery, PastRow, WINDOW};

use super::{NOT_FOUND, csv, moment};
use crate::control::{Request, local_time};
use crate::history::answers;

/// Show who had which address when.
#[derive(Args, Debug)]
pub struct History {
    /// An address, a hardware address, a client identifier (id:0102..), or a name; everything when left out.
    #[arg(value_name = "WHAT")]
    pub of: Option<String>,
    /// Who had the address then: 2026-11-22, "2026-11-22 14:30", 14:30, 2h (ago).
    #[arg(long, value_name = "TIME", conflicts_with_all = ["since", "until", "kind", "limit", "csv"], requires = "of")]
    pub at: Option<String>,
    /// Not before.
    #[arg(long, value_name = "TIME")]
    pub since: Option<String>,
    /// Not after.
    #[arg(long, value_name = "TIME")]
    pub until: Option<String>,
    /// Only in this subnet.
    #[arg(long, value_name = "PREFIX")]
    pub subnet: Option<String>,
    /// Only these: assigned, renewed, released, expired, declined, conflict, renamed, name-ended; with commas between.
    #[arg(long, value_name = "KIND")]
    pub kind: Option<String>,
    /// So many of the newest; 0 for all.
    #[arg(long, value_name = "NUMBER", default_value_t = 200)]
    pub limit: usize,
    /// Print comma-separated values.
    #[arg(long, conflicts_with = "json")]
    pub csv: bool,
    /// Read the files of this store, whose daemon need not run.
    #[arg(long, value_name = "DIR", conflicts_with = "socket")]
    pub store: Option<PathBuf>,
    /// Where the daemon is.
    #[command(flatten)]
    pub daemon: super::Daemon,
}

/// Runs it: 3 when nothing is found.
///
/// # Errors
/// When no daemon answers, or what is asked for cannot be understood.
pub fn run(history: &History) -> anyhow::Result<ExitCode> {
    match &history.at {
        Some(at) => who(history, moment::parse(at).map_err(anyhow::Error::msg)?),
        None => list(history),
    }
}

fn list(history: &History) -> anyhow::Result<ExitCode> {
    let time = |text: &Option<String>| text.as_deref().map(moment::parse).transpose().map_err(anyhow::Error::msg);
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let mut query = PastQuery {
        of: text(&history.of),
        subnet: text(&history.subnet),
        since: time(&history.since)?,
        until: time(&history.until)?,
        kind: text(&history.kind),
        ..PastQuery::default()
    };
    let mut left = if history.limit == 0 { usize::MAX } else { history.limit };
    let mut printed = Printed::new(history)?;
    let mut damaged = 0;
    loop {
        query.limit = Some(left.min(WINDOW));
        let part = past(history, &query)?;
        damaged += part.damaged;
        left -= part.records.len();
        // Whoever reads the lines may have seen enough.
        match printed.rows(&part.records) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(ExitCode::SUCCESS),
            other => other?,
        }
        match part.next {
            Some(next) if left > 0 => query.after = next,
            next => {
                let found = printed.end(next.is_some())?;
                if damaged > 0 {
                    eprintln!("leasehold: {damaged} pieces of the history are damaged; what they held is not shown");
                }
                return Ok(if found { ExitCode::SUCCESS } else { ExitCode::from(NOT_FOUND) });
            }
        }
    }
}

fn past(history: &History, query: &PastQuery) -> anyhow::Result<Past> {
    match &history.store {
        Some(store) => answers::past(store, query, &Switches::default()).map_err(anyhow::Error::msg),
        None => history.daemon.ask(&Request::Past(query.clone())),
    }
}

fn who(history: &History, at: u64) -> anyhow::Result<ExitCode> {
    let of = history.of.as_deref().unwrap_or_default();
    let Ok(address) = of.parse::<Ipv4Addr>() else {
        bail!("`--at` asks who had an address: {of:?} is none; `--until` shows what happened up to a time")
    };
    let found: PastHolder = match &history.store {
        Some(store) => {
            let lease = stored_lease(store, address)?;
            answers::holder(store, address, at, lease.as_ref(), &Switches::default()).map_err(anyhow::Error::msg)?
        }
        None => history.daemon.ask(&Request::PastHolder { address, at })?,
    };
    if history.daemon.json {
        println!("{}", serde_json::to_string_pretty(&found)?);
    } else {
        println!("{}", words(&found));
    }
    Ok(if found.holder.is_some() { ExitCode::SUCCESS } else { ExitCode::from(NOT_FOUND) })
}

/// What a stopped store says of an address now.
fn stored_lease(store: &std::path::Path, address: Ipv4Addr) -> anyhow::Result<Option<dhcp::lease::Lease>> {
    let mut found = None;
    let storage = store::FileStorage::new(store);
    store::db::leases(&storage, |lease| {
        if lease.address == address {
            found = Some(lease);
        }
    })
    .with_context(|| format!("the store {} cannot be read", store.display()))?;
    Ok(found)
}

fn words(found: &PastHolder) -> String {
    let (address, at) = (found.address, local_time(found.at));
    let Some(row) = &found.holder else { return format!("nobody that is known had {address} at {at}") };
    let name = row.name.clone().or_else(|| (!row.hostname.is_empty()).then(|| row.hostname.clone()));
    let called = name.map_or_else(String::new, |name| format!(" ({name})"));
    let from = found.from.map_or_else(String::new, |from| format!(", from {}", local_time(from)));
    let until = found.until.map_or_else(String::new, |until| format!(" to {}", local_time(until)));
    let seen = found.last_seen.map_or_else(String::new, |seen| format!("; last heard of at {}", local_time(seen)));
    let id = row.client_id.as_ref().map_or_else(String::new, |id| format!("\nclient identifier {id}"));
    let place = row.place.as_ref().map_or_else(String::new, |place| format!("\nbehind {place}"));
    format!("{}{called} had {address} at {at}{from}{until}{seen}{id}{place}", row.hardware)
}

const COLUMNS: [&str; 13] = [
    "time",
    "kind",
    "address",
    "hardware",
    "name",
    "hostname",
    "client_id",
    "started",
    "renewed",
    "ends",
    "relay",
    "circuit_id",
    "remote_id",
];

/// How the rows are printed.
enum Printed {
    Json(Vec<PastRow>),
    Csv(usize),
    Table(Vec<PastRow>),
}

impl Printed {
    fn new(history: &History) -> io::Result<Self> {
        if history.daemon.json {
            return Ok(Self::Json(Vec::new()));
        }
        if history.csv {
            csv::line(&mut stdout().lock(), COLUMNS)?;
            return Ok(Self::Csv(0));
        }
        Ok(Self::Table(Vec::new()))
    }

    fn rows(&mut self, rows: &[PastRow]) -> io::Result<()> {
        match self {
            Self::Json(kept) | Self::Table(kept) => kept.extend_from_slice(rows),
            Self::Csv(count) => {
                let mut out = io::BufWriter::new(stdout().lock());
                for row in rows {
                    let text = |text: &Option<String>| text.clone().unwrap_or_default();
                    let cells = [
                        csv::time(row.at),
                        row.kind.clone(),
                        row.address.to_string(),
                        row.hardware.clone(),
                        text(&row.name),
                        row.hostname.clone(),
                        text(&row.client_id),
                        csv::time(row.started_at),
                        csv::time(row.renewed_at),
                        row.expires_at.map(csv::time).unwrap_or_default(),
                        row.relay.map(|relay| relay.to_string()).unwrap_or_default(),
                        text(&row.circuit_id),
                        text(&row.remote_id),
                    ];
                    csv::line(&mut out, cells.iter().map(String::as_str))?;
                }
                out.flush()?;
                *count += rows.len();
            }
        }
        Ok(())
    }

    /// Whether anything was found.
    fn end(self, more: bool) -> anyhow::Result<bool> {
        match self {
            Self::Json(rows) => {
                println!("{}", serde_json::to_string_pretty(&rows)?);
                Ok(!rows.is_empty())
            }
            Self::Csv(count) => Ok(count > 0),
            Self::Table(rows) => {
                println!("{}", table(&rows));
                let more = if more { "; there are older ones (`--limit 0` shows all)" } else { "" };
                println!("{} records{more}", rows.len());
                Ok(!rows.is_empty())
            }
        }
    }
}

fn table(rows: &[PastRow]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    let placed = rows.iter().any(|row| row.place.is_some());
    let header = ["TIME", "WHAT", "ADDRESS", "HARDWARE", "NAME", "SINCE"];
    table.set_header(header.into_iter().chain(placed.then_some("BEHIND")));
    for row in rows {
        let hostname = (!row.hostname.is_empty()).then(|| row.hostname.clone());
        let cells = [
            local_time(row.at),
            row.kind.clone(),
            row.address.to_string(),
            row.hardware.clone(),
            row.name.clone().or(hostname).unwrap_or_else(|| "-".to_owned()),
            local_time(row.started_at),
        ];
        let place = placed.then(|| row.place.clone().unwrap_or_else(|| "-".to_owned()));
        table.add_row(cells.into_iter().chain(place));
    }
    table
}
