//! `leasehold audit-log`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use comfy_table::{ContentArrangement, Table, presets};
use web::model::{Change, Changes, ChangesQuery, WINDOW};

use super::{NOT_FOUND, moment};
use crate::changes::ChangeLog;
use crate::control::{Request, local_time};

/// Show who changed what.
#[derive(Args, Debug)]
pub struct AuditLog {
    /// A part of what was done, or of who did it; everything when left out.
    #[arg(value_name = "WORDS")]
    pub words: Option<String>,
    /// Not before.
    #[arg(long, value_name = "TIME")]
    pub since: Option<String>,
    /// Not after.
    #[arg(long, value_name = "TIME")]
    pub until: Option<String>,
    /// So many of the newest; 0 for all.
    #[arg(long, value_name = "NUMBER", default_value_t = 200)]
    pub limit: usize,
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
/// When no daemon answers, or a time cannot be understood.
pub fn run(log: &AuditLog) -> anyhow::Result<ExitCode> {
    let time = |text: &Option<String>| text.as_deref().map(moment::parse).transpose().map_err(anyhow::Error::msg);
    let mut query = ChangesQuery {
        q: log.words.clone().unwrap_or_default(),
        since: time(&log.since)?,
        until: time(&log.until)?,
        ..ChangesQuery::default()
    };
    let most = if log.limit == 0 { usize::MAX } else { log.limit };
    let mut found: Vec<Change> = Vec::new();
    loop {
        query.limit = Some((most - found.len()).min(WINDOW));
        let part: Changes = match &log.store {
            Some(store) => ChangeLog::new(store).changes(&query).map_err(anyhow::Error::msg)?,
            None => log.daemon.ask(&Request::Changes(query.clone()))?,
        };
        found.extend(part.changes);
        query.before = part.next;
        if query.before.is_none() || found.len() >= most {
            break;
        }
    }
    if log.daemon.json {
        println!("{}", serde_json::to_string_pretty(&found)?);
    } else {
        let mut table = Table::new();
        table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
        table.set_header(["TIME", "WHO", "WHAT", ""]);
        for change in &found {
            let result = change.refused.as_ref().map_or_else(String::new, |why| format!("refused: {why}"));
            table.add_row([local_time(change.at), change.who.clone(), change.what.clone(), result]);
        }
        println!("{table}\n{} changes", found.len());
    }
    Ok(if found.is_empty() { ExitCode::from(NOT_FOUND) } else { ExitCode::SUCCESS })
}
