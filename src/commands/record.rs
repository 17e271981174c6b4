//! `leasehold record`.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use comfy_table::{ContentArrangement, Table, presets};
use web::model::StaticRecord;

use super::NOT_FOUND;
use super::edit::Editing;
use crate::control::{RecordsAct, RecordsRequest, Request};

/// Static records of zones: in zones held here, and in those of other servers.
#[derive(Subcommand, Debug)]
pub enum Record {
    /// Show them, whichever file they are in.
    List(List),
    /// Put records beside those of their name and type. They are written to the file beside the configuration, and in
    /// force at once.
    Add(Change),
    /// Put records in the place of those of their name and type that were made so.
    Set(Change),
    /// Take records out that were made so.
    Remove(Remove),
}

/// Which static records are shown.
#[derive(Args, Debug)]
pub struct List {
    /// Only of this zone.
    #[arg(value_name = "ZONE")]
    pub zone: Option<String>,
    /// Only those that a command, the API or the page has made.
    #[arg(long)]
    pub made: bool,
    /// Where the daemon is.
    #[command(flatten)]
    pub daemon: super::Daemon,
}

/// Whose records.
#[derive(Args, Debug)]
pub struct Which {
    /// The zone.
    #[arg(value_name = "ZONE")]
    pub zone: String,
    /// The owner: relative to the zone, @ for the zone itself, or a full name.
    #[arg(value_name = "NAME")]
    pub name: String,
    /// The type, such as A, AAAA, CNAME, MX or TXT.
    #[arg(value_name = "TYPE")]
    pub rtype: String,
    /// Where several zones have this name: a view of the one that is meant; else it is the one for all others.
    #[arg(long, value_name = "VIEW")]
    pub view: Option<String>,
}

/// Records that are put.
#[derive(Args, Debug)]
pub struct Change {
    /// Whose.
    #[command(flatten)]
    pub which: Which,
    /// The data of each record as in a zone file: 192.168.30.2, or "10 mail" for MX.
    #[arg(value_name = "DATA", required = true)]
    pub data: Vec<String>,
    /// Time to live (60, 5m, 1h); else the zone's, or that of the records beside it.
    #[arg(long, value_name = "TIME", value_parser = ttl)]
    pub ttl: Option<u32>,
    /// How it is made.
    #[command(flatten)]
    pub editing: Editing,
}

/// Records that are taken out.
#[derive(Args, Debug)]
pub struct Remove {
    /// Whose.
    #[command(flatten)]
    pub which: Which,
    /// Only those with this data; else all of the name and type.
    #[arg(value_name = "DATA")]
    pub data: Vec<String>,
    /// How it is made.
    #[command(flatten)]
    pub editing: Editing,
}

fn ttl(text: &str) -> Result<u32, String> {
    let parsed = text.parse().ok().or_else(|| config::parse_duration(text));
    parsed.filter(|secs| (1..=i32::MAX as u32).contains(secs)).ok_or_else(|| "write it as 60, 5m or 1h".to_owned())
}

/// Runs it. The exit code is 1 when a change was refused, 3 when there is nothing to be shown.
///
/// # Errors
/// When no daemon answers, or there is no such zone or record.
pub fn run(record: &Record) -> anyhow::Result<ExitCode> {
    match record {
        Record::List(asked) => list(asked),
        Record::Add(asked) => change(asked, RecordsAct::Add),
        Record::Set(asked) => change(asked, RecordsAct::Set),
        Record::Remove(asked) => {
            let edit = request(&asked.which, RecordsAct::Remove, asked.data.clone(), None);
            asked.editing.make(|dry_run| Request::EditRecords { edit, dry_run })
        }
    }
}

fn change(asked: &Change, act: RecordsAct) -> anyhow::Result<ExitCode> {
    let edit = request(&asked.which, act, asked.data.clone(), asked.ttl);
    asked.editing.make(|dry_run| Request::EditRecords { edit, dry_run })
}

fn request(which: &Which, act: RecordsAct, data: Vec<String>, ttl_secs: Option<u32>) -> RecordsRequest {
    let Which { zone, name, rtype, view } = which;
    let (name, rtype) = (owner(name, zone), rtype.to_uppercase());
    RecordsRequest { act, zone: zone.clone(), view: view.clone(), name, rtype, data, ttl_secs }
}

/// A name that ends as the zone does is meant to be full, though a zone file would read it otherwise without its last dot.
fn owner(name: &str, zone: &str) -> String {
    let (full, apex) = (name.trim_end_matches('.').to_lowercase(), zone.trim_end_matches('.').to_lowercase());
    match full.strip_suffix(&apex) {
        Some("") => "@".to_owned(),
        Some(before) if before.ends_with('.') => before.trim_end_matches('.').to_owned(),
        _ => name.to_owned(),
    }
}

fn list(asked: &List) -> anyhow::Result<ExitCode> {
    let mut found: Vec<StaticRecord> = asked.daemon.ask(&Request::Records { zone: asked.zone.clone() })?;
    found.retain(|record| record.made || !asked.made);
    if asked.daemon.json {
        println!("{}", serde_json::to_string_pretty(&found)?);
    } else {
        let mut table = Table::new();
        table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
        table.set_header(["NAME", "TTL", "TYPE", "DATA", "ZONE", "FILE"]);
        for StaticRecord { zone, views, name, rtype, ttl, data, made } in &found {
            let zone = &if views.is_empty() { zone.clone() } else { format!("{zone} (view {})", views.join("+")) };
            let file = if *made { "beside" } else { "main" };
            table.add_row([name, &ttl.to_string(), rtype, data, zone, file]);
        }
        println!("{table}\n{} records", found.len());
    }
    Ok(if found.is_empty() { ExitCode::from(NOT_FOUND) } else { ExitCode::SUCCESS })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_name_without_its_last_dot_is_not_put_beneath_the_zone_again() {
        for (name, expected) in [
            ("www", "www"),
            ("www.lan", "www"),
            ("WWW.Lan.", "www"),
            ("lan", "@"),
            ("@", "@"),
            ("a.b", "a.b"),
            ("milan", "milan"),
            ("www.other.", "www.other."),
        ] {
            assert_eq!(owner(name, "lan."), expected, "{name}");
        }
    }

    #[test]
    fn a_time_to_live_is_seconds_or_a_length_of_time() {
        assert_eq!((ttl("60"), ttl("5m"), ttl("1h")), (Ok(60), Ok(300), Ok(3_600)));
        for wrong in ["0", "infinite", "x", "-1", "4294967295"] {
            assert!(ttl(wrong).is_err(), "{wrong}");
        }
    }
}
