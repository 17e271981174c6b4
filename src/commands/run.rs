//! `leasehold run`.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use clap::Args;
use config::Config;
use config::settings::{LogFormat, LogLevel};
use ipnet::Ipv4Net;
use store::OpenError;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, watch};
use tracing::{error, info, warn};

use crate::commands::LogArgs;
use crate::config_files::Files;
use crate::daemon::{Daemon, DaemonError, socket_settings};
use crate::dhcp_sockets::{InterfaceInfo, InterfaceTable, SocketError, select_served};
use crate::dns_server::BindError;
use crate::link_check::{self, FoundServer, find_servers};
use crate::logging;
use crate::reload::{self, Ending, Order, Reloader};
use crate::service::confinement::confine;
use crate::service::notify::{Notifier, Word, watched_every};
use crate::service::watchdog::{self, Watched};

/// How soon the daemon starts anew after its store failed; doubled each time, up to the maximum.
const RESTART_FIRST: Duration = Duration::from_millis(500);
const RESTART_MAX: Duration = Duration::from_secs(30);
/// A daemon that ran so long was well.
const LONG_RUN: Duration = Duration::from_secs(60);

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
    crate::memory::keep_little();
    let config = configured(&run, log)?;
    crate::descriptors::raise_limit();
    // Before there is a second thread: see `service`.
    let files = run.config.as_deref().and_then(|file| Files::read(file).ok());
    confine(&config, run.config.as_deref(), files.as_ref().map(Files::main).unwrap_or_default())?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    runtime.block_on(serve(run, config, files))
}

/// The configuration, and the log as it says.
fn configured(run: &Run, log: &LogArgs) -> anyhow::Result<Config> {
    match &run.config {
        Some(file) => match super::check::load(file)? {
            Ok(config) => {
                logging::start(log, config.daemon.log, config.daemon.log_format)?;
                Ok(config)
            }
            Err(report) => {
                eprint!("{report}");
                bail!("{} has faults; nothing was started", file.display());
            }
        },
        None => {
            logging::start(log, LogLevel::Info, LogFormat::Text)?;
            derive(run)
        }
    }
}

async fn serve(run: Run, config: Config, files: Option<Files>) -> anyhow::Result<ExitCode> {
    // Before anything is opened, so that a signal that comes early still ends the daemon cleanly.
    let terminate = signal(SignalKind::terminate())?;
    let interrupt = signal(SignalKind::interrupt())?;
    let hang_up = signal(SignalKind::hangup())?;
    let mut told = Told::follow(terminate, interrupt, hang_up);
    if !config.serves_dhcp() {
        info!("no DHCP is served: the configuration has no [[subnet]]");
    } else if run.config.is_some() {
        // What is heard is only told, so nobody waits for it: the asking comes first, the answers meanwhile.
        tokio::spawn(warn_of_others(config.clone()));
    } else {
        tokio::select! {
            found = find_others(&config) => refuse_others(&found, run.beside_others)?,
            _ = told.stop() => return Ok(ExitCode::SUCCESS),
        }
    }
    serve_until_told(config, run.config.as_deref(), files, told).await
}

/// What signals have said: that the daemon is to end, or to read its file again. They are taken by a task of their own, so
/// that whatever is being done meanwhile is left for one that ends the daemon.
struct Told {
    ending: Ending,
    hang_up: mpsc::Receiver<()>,
}

impl Told {
    fn follow(mut terminate: Signal, mut interrupt: Signal, mut hang_up: Signal) -> Self {
        let (ending, told) = watch::channel(None);
        // Several that come together are one.
        let (read_again, hung_up) = mpsc::channel(1);
        tokio::spawn(async move {
            loop {
                let name = tokio::select! {
                    _ = terminate.recv() => "SIGTERM",
                    _ = interrupt.recv() => "SIGINT",
                    _ = hang_up.recv() => {
                        _ = read_again.try_send(());
                        continue;
                    }
                };
                _ = ending.send(Some(name));
            }
        });
        Self { ending: Ending::new(told), hang_up: hung_up }
    }

    /// Waits for a signal that ends the daemon: its name.
    async fn stop(&mut self) -> &'static str {
        self.ending.told().await
    }
}

/// Runs the daemon. When its store fails another one is started from what the disk holds, as often as it takes.
/// `files` are those that are in force, read while that was still allowed.
async fn serve_until_told(
    mut config: Config,
    file: Option<&Path>,
    files: Option<Files>,
    mut told: Told,
) -> anyhow::Result<ExitCode> {
    let mut pauses = Pauses::default();
    let notifier = Arc::new(Notifier::from_environment());
    let mut reloader = file.map(|file| Reloader::new(file, files, told.ending.clone(), Arc::clone(&notifier)));
    loop {
        let started = Instant::now();
        let (orders, mut ordered) = file.map(reload::orders).unzip();
        let pause = match Daemon::start_with(config.clone(), orders).await {
            Ok(mut daemon) => {
                notifier.tell(&[Word::Ready, Word::Status(&crate::daemon::summary(&config))]);
                // By a task of its own: it is fed also while a configuration is checked.
                let feeding = tokio::spawn(fed(Arc::clone(&notifier), daemon.watched()));
                let ended = loop {
                    tokio::select! {
                        ended = daemon.ended() => break ended,
                        signal = told.ending.told() => {
                            info!("told to stop ({signal})");
                            notifier.tell(&[Word::Stopping]);
                            break Ok(());
                        },
                        Some(()) = told.hang_up.recv() => match &mut reloader {
                            Some(reloader) => reloader.hang_up(&mut daemon).await,
                            None => {
                                info!("told to read the configuration again (SIGHUP), but it was started without a file");
                            }
                        },
                        Some(order) = next(&mut ordered) => if let Some(reloader) = &mut reloader {
                            reloader.carry_out(order, &mut daemon).await;
                        },
                    }
                };
                feeding.abort();
                config = daemon.config();
                daemon.stop().await;
                match ended {
                    Ok(()) => return Ok(ExitCode::SUCCESS),
                    Err(DaemonError::StoreFailed) => pauses.next(started.elapsed()),
                    Err(error) => return Err(error.into()),
                }
            }
            // The first time somebody looks on, and sees why; later, what keeps the store from opening may pass.
            Err(error) if pauses.has_begun() && may_pass(&error) => {
                error!("{error:#}");
                pauses.next(started.elapsed())
            }
            Err(error) => return Err(error),
        };
        let words = format!("starting anew from what the store holds, in {} ms", pause.as_millis());
        warn!("{words}");
        notifier.tell(&[Word::Status(&words)]);
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            signal = told.stop() => {
                info!("told to stop ({signal})");
                return Ok(ExitCode::SUCCESS);
            }
        }
    }
}

/// The next order; never, where nobody can give any.
async fn next(ordered: &mut Option<mpsc::Receiver<Order>>) -> Option<Order> {
    match ordered {
        Some(ordered) => ordered.recv().await,
        None => std::future::pending().await,
    }
}

/// Feeds the service manager's watchdog, where it has one.
async fn fed(notifier: Arc<Notifier>, watched: Watched) {
    if let Some(every) = watched_every().filter(|_| notifier.is_heard()) {
        match watchdog::feed(&notifier, every, watched).await {}
    }
}

/// Whether what keeps the daemon from starting anew may pass without anybody's help: a disk, or a lock or a port that the
/// one before has not given back yet.
fn may_pass(error: &anyhow::Error) -> bool {
    let store =
        matches!(error.downcast_ref(), Some(OpenError::Full { .. } | OpenError::Io { .. } | OpenError::Locked { .. }));
    let dns = matches!(error.downcast_ref(), Some(BindError::PortUsed { .. }));
    let dhcp = matches!(error.downcast_ref(), Some(SocketError::PortUsed { .. }));
    store || dns || dhcp
}

/// How long to wait before each new start.
#[derive(Debug, Default)]
struct Pauses {
    last: Option<Duration>,
}

impl Pauses {
    fn has_begun(&self) -> bool {
        self.last.is_some()
    }

    /// After a run of this length: doubled each time, from the beginning after a long one.
    fn next(&mut self, ran: Duration) -> Duration {
        let next = match self.last {
            Some(last) if ran < LONG_RUN => (last * 2).min(RESTART_MAX),
            _ => RESTART_FIRST,
        };
        self.last = Some(next);
        next
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

/// Asks the served links which DHCP servers are there beside us. Two servers that do not know of each other lease one
/// address twice.
async fn find_others(config: &Config) -> Vec<FoundServer> {
    let table = match InterfaceTable::snapshot() {
        Ok(table) => table,
        Err(error) => {
            warn!("the link was not asked for other DHCP servers: the interfaces cannot be listed: {error}");
            return Vec::new();
        }
    };
    let (served, _): (Vec<Arc<InterfaceInfo>>, _) = select_served(&socket_settings(config), &table);
    let ports = (config.daemon.ports.server, config.daemon.ports.client);
    match find_servers(&served, ports, random_xid(), link_check::WAIT).await {
        // We may serve already, and two of our interfaces may be on one link.
        Ok(mut found) => {
            found.retain(|server| !table.is_ours(server.source));
            found
        }
        Err(error) => {
            warn!("the link was not asked for other DHCP servers: {}", crate::words(&error));
            Vec::new()
        }
    }
}

fn shown(found: &[FoundServer]) -> String {
    let named: Vec<String> = found.iter().map(ToString::to_string).collect();
    named.join("; ")
}

/// Without a file nobody has said that this server is to be on this link.
fn refuse_others(found: &[FoundServer], beside_others: bool) -> anyhow::Result<()> {
    if found.is_empty() {
        return Ok(());
    }
    let named = shown(found);
    if !beside_others {
        bail!("another DHCP server answers already: {named}. Stop it first, or serve beside it with --beside-others");
    }
    warn!("{ANOTHER_ANSWERS}: {named}. {TWO_ON_A_LINK}");
    Ok(())
}

async fn warn_of_others(config: Config) {
    let found = find_others(&config).await;
    if !found.is_empty() {
        warn!("{ANOTHER_ANSWERS}: {}. {TWO_ON_A_LINK}", shown(&found));
    }
}

const ANOTHER_ANSWERS: &str = "another DHCP server answers already";
const TWO_ON_A_LINK: &str = "Two servers on one link must not lease the same addresses";

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
    use crate::port_holder::PortHolder;

    #[test]
    fn pauses_double_up_to_a_maximum_and_begin_again_after_a_long_run() {
        let mut pauses = Pauses::default();
        assert!(!pauses.has_begun());
        let short: Vec<u128> = (0..8).map(|_| pauses.next(Duration::from_secs(1)).as_millis()).collect();
        assert_eq!(short, [500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000]);
        assert_eq!(pauses.next(LONG_RUN), RESTART_FIRST);
    }

    #[test]
    fn what_may_pass_by_itself_is_told_from_what_somebody_has_to_mend() {
        let held = || SocketError::PortUsed { port: 67, interface: None, holder: PortHolder::Unknown };
        assert!(may_pass(&anyhow::Error::new(held()).context("cannot serve DHCP")));
        let address = "127.0.0.1:53".parse().unwrap();
        assert!(may_pass(&BindError::PortUsed { address, key: "`listen`", holder: PortHolder::Unknown }.into()));
        assert!(!may_pass(&BindError::NoPermission(address).into()));
        assert!(may_pass(&OpenError::Full { directory: "d".into(), file: "f".into(), bytes: 1 }.into()));
        assert!(!may_pass(&OpenError::NoStore { directory: "d".into() }.into()));
        assert!(!may_pass(&anyhow::anyhow!("something else")));
    }

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
