//! `leasehold queries`.

use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use comfy_table::{ContentArrangement, Table, presets};

use crate::control::{self, Request};
use crate::query_log::{QueriesView, QueryView};

/// How often it is looked for new questions.
const EVERY: Duration = Duration::from_millis(500);

/// Show what the running daemon was asked about names of others, by whom, and what became of it.
#[derive(Args, Debug)]
pub struct Queries {
    /// Where the daemon is.
    #[command(flatten)]
    pub daemon: super::Daemon,
    /// Go on with those that are asked from now on.
    #[arg(long)]
    pub follow: bool,
    /// Only what was blocked.
    #[arg(long)]
    pub blocked: bool,
}

/// Runs it.
///
/// # Errors
/// When no daemon answers at the socket, or it remembers no questions.
pub fn run(queries: &Queries) -> anyhow::Result<ExitCode> {
    let ask = |from| queries.daemon.ask::<QueriesView>(&Request::Queries { from });
    let is_wanted = |view: &QueryView| !queries.blocked || view.fate == "blocked";
    let mut part = ask(None)?;
    if !queries.follow {
        part.list.retain(is_wanted);
        if queries.daemon.json {
            println!("{}", serde_json::to_string_pretty(&part.list)?);
        } else {
            println!("{}\n{} questions", table(&part.list), part.list.len());
        }
        return Ok(ExitCode::SUCCESS);
    }
    loop {
        for view in part.list.iter().filter(|view| is_wanted(view)) {
            if queries.daemon.json {
                println!("{}", serde_json::to_string(view)?);
            } else {
                println!("{}", cells(view).join("  "));
            }
        }
        std::thread::sleep(EVERY);
        part = ask(Some(part.next))?;
    }
}

fn table(list: &[QueryView]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(["TIME", "CLIENT", "HOST", "BY", "NAME", "TYPE", "", "ANSWER", "WHY"]);
    for view in list {
        table.add_row(cells(view));
    }
    table
}

fn cells(view: &QueryView) -> [String; 9] {
    let or_none = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
    let host = view.host.clone().or_else(|| view.hardware.clone());
    [
        control::local_time(view.at_ms / 1_000),
        view.client.to_string(),
        or_none(&host),
        view.transport.clone(),
        or_none(&view.name),
        view.rtype.clone(),
        view.fate.clone(),
        view.rcode.clone(),
        or_none(&view.why),
    ]
}
