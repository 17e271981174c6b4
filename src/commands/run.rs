//! `leasehold run`.

use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::Args;
use config::Config;
use config::settings::{LogFormat, LogLevel};
use ipnet::Ipv4Net;
use tokio::signal::unix::{SignalKind, signal};
use tracing::{info, warn};

use crate::commands::LogArgs;
use crate::daemon::{Daemon, DaemonError, socket_settings};
use crate::dhcp_sockets::{InterfaceInfo, InterfaceTable, select_served};
use crate::link_check::{self, find_servers};
use crate::logging;

/// How soon the daemon starts anew after its store failed; doubled each time, up to the maximum.
const RESTART_FIRST: Duration = Duration::from_millis(500);
const RESTART_MAX: Duration = Duration::from_secs(30);

/// Serve DHCP and DNS until told to stop.
#[derive(Args, Debug)]
pub struct Run {
    /// The configuration file.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["interface", "domain"])]
    pub config: Option<PathBuf>,
    /// Without a file: serve this interface, deriving the rest from it.
    #[arg(long, value_name = "NAME", requires = "domain", required_unless_present = "config")]
    pub interface: Option<String>,
    /// Without a file: the domain of the names.
    #[arg(long, value_name = "NAME", requires = "interface")]
    pub domain: Option<String>,
    /// Serve although another DHCP server answers on the link.
    #[arg(long)]
    pub beside_others: bool,
}

/// Runs it, until SIGTERM or SIGINT.
///
/// # Errors
/// Whatever keeps the daemon from starting, in words.
pub fn run(run: Run, log: &LogArgs) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    runtime.block_on(serve(run, log))
}

async fn serve(run: Run, log: &LogArgs) -> anyhow::Result<ExitCode> {
    // Before anything is opened, so that a signal that comes early still ends the daemon cleanly.
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let config = match &run.config {
        Some(file) => match super::check::load(file)? {
            Ok(config) => {
                logging::start(log, config.daemon.log, config.daemon.log_format)?;
                config
            }
            Err(report) => {
                eprint!("{report}");
                bail!("{} has faults; nothing was started", file.display());
            }
        },
        None => {
            logging::start(log, LogLevel::Info, LogFormat::Text)?;
            derive(&run)?
        }
    };
    tokio::select! {
        asked = ask_the_link(&config, &run) => asked?,
        _ = terminate.recv() => return Ok(ExitCode::SUCCESS),
        _ = interrupt.recv() => return Ok(ExitCode::SUCCESS),
    }
    let mut pause = RESTART_FIRST;
    loop {
        let mut daemon = Daemon::start(config.clone()).await?;
        let ended = tokio::select! {
            ended = daemon.ended() => ended,
            _ = terminate.recv() => {
                info!("told to stop (SIGTERM)");
                Ok(())
            }
            _ = interrupt.recv() => {
                info!("told to stop (SIGINT)");
                Ok(())
            }
        };
        daemon.stop().await;
        match ended {
            Ok(()) => return Ok(ExitCode::SUCCESS),
            Err(DaemonError::StoreFailed) => {
                warn!("starting anew from what the store holds, in {} ms", pause.as_millis());
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(RESTART_MAX);
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// A configuration from an interface's address and a domain.
fn derive(run: &Run) -> anyhow::Result<Config> {
    let (Some(interface), Some(domain)) = (&run.interface, &run.domain) else {
        bail!("give --config FILE, or --interface NAME with --domain NAME");
    };
    let table = InterfaceTable::snapshot().context("cannot list the interfaces")?;
    let Some(info) = table.by_name(interface) else {
        let there: Vec<&str> = table.iter().map(|info| info.name.as_str()).collect();
        bail!("there is no interface {interface}; there are: {}", there.join(", "));
    };
    let Some(address) = info.addresses.first() else {
        bail!("{interface} has no IPv4 address; give it one first (ip address add 192.168.30.1/24 dev {interface})");
    };
    let router = router_of(*address);
    match Config::from_interface(interface, *address, domain, router) {
        Ok(derived) => {
            info!("derived from {interface} ({address}); save it as a file to change it:\n{}", derived.text);
            Ok(derived.checked.config)
        }
        Err(refused) => bail!(
            "no configuration can be derived from {interface} and {domain}:\n{}",
            config::render(&refused.faults, &refused.text, false)
        ),
    }
}

/// Who is the router of our subnet: the machine's default gateway when it is in it; ourselves when we forward packets;
/// else nobody that we know of.
fn router_of(address: Ipv4Net) -> Option<Ipv4Addr> {
    let routes = std::fs::read_to_string("/proc/net/route").unwrap_or_default();
    let gateway = default_gateways(&routes).find(|gateway| address.contains(gateway));
    let forwards = || std::fs::read_to_string("/proc/sys/net/ipv4/ip_forward").is_ok_and(|text| text.trim() == "1");
    gateway.or_else(|| forwards().then(|| address.addr()))
}

/// The gateways of the default routes in the text of `/proc/net/route`: addresses there are hexadecimal, in the
/// machine's byte order.
fn default_gateways(routes: &str) -> impl Iterator<Item = Ipv4Addr> + '_ {
    routes.lines().skip(1).filter_map(|line| {
        let mut fields = line.split_ascii_whitespace().skip(1);
        let (destination, gateway) = (fields.next()?, fields.next()?);
        let gateway =
            u32::from_str_radix(gateway, 16).ok().filter(|gateway| destination == "00000000" && *gateway != 0)?;
        Some(Ipv4Addr::from(gateway.to_ne_bytes()))
    })
}

/// Two servers that do not know of each other lease one address twice: so the link is asked first.
async fn ask_the_link(config: &Config, run: &Run) -> anyhow::Result<()> {
    let table = InterfaceTable::snapshot().context("cannot list the interfaces")?;
    let (served, _): (Vec<Arc<InterfaceInfo>>, _) = select_served(&socket_settings(config), &table);
    let ports = (config.daemon.ports.server, config.daemon.ports.client);
    let found = match find_servers(&served, ports, random_xid(), link_check::WAIT).await {
        Ok(found) => found,
        Err(error) => {
            warn!("the link was not asked for other DHCP servers: {}", crate::words(&error));
            return Ok(());
        }
    };
    let named: Vec<String> = found.iter().map(ToString::to_string).collect();
    if named.is_empty() {
        return Ok(());
    }
    let named = named.join("; ");
    if run.config.is_none() && !run.beside_others {
        bail!("another DHCP server answers already: {named}. Stop it first, or serve beside it with --beside-others");
    }
    warn!("another DHCP server answers already: {named}. Two servers on one link must not lease the same addresses");
    Ok(())
}

fn random_xid() -> u32 {
    use std::hash::{BuildHasher, Hasher};
    // The standard library's hash seed is the randomness at hand; a transaction id needs no more.
    let seed = std::collections::hash_map::RandomState::new().build_hasher().finish();
    u32::try_from(seed & u64::from(u32::MAX)).unwrap_or(1)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail by panic")]
mod tests {
    use super::*;

    #[test]
    fn default_gateways_are_read_from_the_kernels_table() {
        let table = "Iface Destination Gateway Flags RefCnt Use Metric Mask MTU Window IRTT\n\
                     eth0 00000000 0101A8C0 0003 0 0 0 00000000 0 0 0\n\
                     eth0 0001A8C0 00000000 0001 0 0 0 00FFFFFF 0 0 0\n";
        let little = default_gateways(table).collect::<Vec<_>>();
        if cfg!(target_endian = "little") {
            assert_eq!(little, ["192.168.1.1".parse::<Ipv4Addr>().unwrap()]);
        }
        assert_eq!(default_gateways("Iface\nbroken").count(), 0);
    }
}
