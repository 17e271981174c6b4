//! `leasehold demo`.

use std::io::{Write, stdout};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::Args;
use tokio::signal::unix::{SignalKind, signal};

use crate::daemon::Daemon;
use crate::demo::{Outcome, Setting, tell_story};

/// Show the whole thing on loopback, without root and without a file.
///
/// The daemon serves on 127.0.0.1 and on high ports; a built-in client behind a built-in relay takes a lease, and its
/// name resolves. Everything else is left as it is, and nothing remains afterwards.
#[derive(Args, Debug)]
pub struct Demo {
    /// End instead of serving on; exit code 0 only if both records resolved.
    #[arg(long)]
    pub once: bool,
}

/// Runs it.
///
/// # Errors
/// When the daemon does not start or the client gets no lease.
pub fn run(demo: Demo) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    runtime.block_on(show(demo))
}

async fn show(demo: Demo) -> anyhow::Result<ExitCode> {
    // Before anything is opened, so that a signal that comes early still ends it cleanly.
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let setting = Setting::new()?;
    let text = setting.configuration();
    let no_secrets = |path: &Path| Err(format!("{} is none of the demonstration's", path.display()));
    let config = match config::check(&text, "the demonstration's configuration", &no_secrets) {
        Ok(checked) => checked.config,
        Err(faults) => bail!("{}", config::render(&faults, &text, false)),
    };
    let mut daemon = Daemon::start(config).await?;
    let ended = tokio::select! {
        outcome = tell(&setting, demo.once) => outcome,
        ended = daemon.ended() => Err(ended.err().map_or_else(|| anyhow::anyhow!("the daemon has ended"), Into::into)),
        _ = terminate.recv() => Ok(ExitCode::SUCCESS),
        _ = interrupt.recv() => Ok(ExitCode::SUCCESS),
    };
    daemon.stop().await;
    // After the daemon, whose store is in it.
    drop(setting);
    ended
}

/// Tells the story; then, unless it is for once, which commands to try, and goes on for ever.
async fn tell(setting: &Setting, once: bool) -> anyhow::Result<ExitCode> {
    let mut out = stdout();
    let (dhcp, dns) = (setting.dhcp(), setting.dns());
    writeln!(out, "Leasehold serves 192.168.30.0/24 and the zone nasir.xyz: DHCP on {dhcp}, DNS on {dns}.\n")?;
    let outcome = tell_story(dhcp, SocketAddr::V4(dns), &mut out).await?;
    if once {
        return Ok(if outcome.is_complete() { ExitCode::SUCCESS } else { ExitCode::FAILURE });
    }
    tell_commands(&mut out, setting, &outcome)?;
    std::future::pending().await
}

fn tell_commands(out: &mut impl Write, setting: &Setting, outcome: &Outcome) -> std::io::Result<()> {
    let program = std::env::current_exe().unwrap_or_else(|_| PathBuf::from("leasehold"));
    let (program, socket) = (program.display(), setting.control());
    let (server, port, address) = (*setting.dns().ip(), setting.dns().port(), outcome.address);
    let name = outcome.name.to_string();
    let name = name.trim_end_matches('.');
    writeln!(out, "\nThe page is at http://{}/", setting.page())?;
    writeln!(out, "\nServing until interrupted (Ctrl-C). From another terminal:")?;
    writeln!(out, "  dig @{server} -p {port} +noall +answer {name}")?;
    writeln!(out, "  dig @{server} -p {port} +noall +answer -x {address}")?;
    writeln!(out, "  {program} leases --socket {}", socket.display())?;
    writeln!(out, "  {program} status --socket {}", socket.display())?;
    writeln!(out, "  {program} dns --all --socket {}", socket.display())
}
