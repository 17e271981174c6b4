//! `leasehold events`.

use std::io::{self, IsTerminal, Write, stdout};
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use web::model::{Event, Events as Told, Level};

use crate::control::{self, Request, local_time};

/// How often it is looked for new events.
const EVERY: Duration = Duration::from_millis(300);
/// As many as the daemon remembers.
const EVENTS_MAX: usize = 1_024;

/// Show what happens to leases and names.
#[derive(Args, Debug)]
pub struct Events {
    /// Go on with what happens from now on.
    #[arg(long)]
    pub follow: bool,
    /// So many of the newest.
    #[arg(long, value_name = "NUMBER", default_value_t = 50)]
    pub limit: usize,
    /// Only these kinds: bound, renewed, released, expired, declined, conflict, renamed, published, dns-failed and others;
    /// with commas between.
    #[arg(long, value_name = "KIND", value_delimiter = ',')]
    pub kind: Vec<String>,
    /// Where the daemon is.
    #[command(flatten)]
    pub daemon: super::Daemon,
}

/// Runs it.
///
/// # Errors
/// When no daemon answers at the socket.
pub fn run(events: &Events) -> anyhow::Result<ExitCode> {
    let ask = |after, limit| control::ask::<Told>(&events.daemon.socket, &Request::Events { after, limit });
    let first = ask(None, EVENTS_MAX)?;
    let (mut run, mut last) = (first.run.clone(), first.events.first().map_or(0, |event| event.id));
    let wanted = |event: &&Event| events.kind.is_empty() || events.kind.contains(&event.kind);
    let mut shown: Vec<&Event> = first.events.iter().filter(wanted).take(events.limit).collect();
    shown.reverse();
    let printed = print(events, shown.into_iter());
    if !events.follow || is_gone(&printed)? {
        return Ok(ExitCode::SUCCESS);
    }
    loop {
        std::thread::sleep(EVERY);
        let told = ask(Some(last), EVENTS_MAX)?;
        // Another run counts anew.
        let told = if told.run == run { told } else { ask(None, EVENTS_MAX)? };
        if told.run == run && told.events.last().is_some_and(|oldest| oldest.id > last + 1) {
            eprintln!("leasehold: more happened than is remembered; some of it is not shown");
        }
        run.clone_from(&told.run);
        last = told.events.first().map_or(last, |event| event.id);
        if is_gone(&print(events, told.events.iter().rev().filter(wanted)))? {
            return Ok(ExitCode::SUCCESS);
        }
    }
}

/// Whether whoever reads the lines has seen enough.
fn is_gone(printed: &io::Result<()>) -> io::Result<bool> {
    match printed {
        Ok(()) => Ok(false),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(true),
        Err(error) => Err(error.kind().into()),
    }
}

fn print<'a>(events: &Events, list: impl Iterator<Item = &'a Event>) -> io::Result<()> {
    let mut out = stdout().lock();
    let colour = out.is_terminal() && std::env::var_os("NO_COLOR").is_none();
    for event in list {
        if events.daemon.json {
            serde_json::to_writer(&mut out, event)?;
            writeln!(out)?;
            continue;
        }
        let (on, off) = match event.level {
            Level::Bad if colour => ("\x1b[31m", "\x1b[0m"),
            Level::Warn if colour => ("\x1b[33m", "\x1b[0m"),
            _ => ("", ""),
        };
        let place = event.lease.as_ref().and_then(|lease| lease.place.as_ref());
        let place = place.map_or_else(String::new, |place| format!("  behind {place}"));
        let hardware = event.lease.as_ref().map_or_else(String::new, |lease| format!("  {}", lease.hardware));
        writeln!(
            out,
            "{}  {on}{:<10}{off}  {}  {}{hardware}{place}",
            local_time(event.at),
            event.kind,
            event.title,
            event.detail
        )?;
    }
    out.flush()
}
