//! What follows the machine while the daemon runs: the engine's settings and own addresses, where the DNS server
//! listens, whom it asks about other names, and the addresses under its own names.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use config::Config;
use dns::Rcode;
use resolve::{Transport, Upstream};
use tokio::sync::{Mutex, mpsc, oneshot, watch};
use tracing::{info, warn};
use zones::AllowAll;

use super::addresses::{dhcp_settings, dns_addresses, encrypted_addresses, is_here, listen_addresses, own_addresses};
use super::dns::{tell_upstreams, upstreams};
use crate::dhcp_service::Question;
use crate::dhcp_sockets::InterfaceTable;
use crate::dns_server::DnsServerHandle;
use crate::embedded_zones::own_name_updates;
use crate::zone_keeper::ZoneKeeper;

/// How often we look though no interface has changed: at resolv.conf, and at what did not succeed before.
const LOOK_AGAIN: Duration = Duration::from_secs(5);

/// A machine that is followed by a task, and whose configuration can be exchanged between two looks.
pub(super) type Followed = Arc<Mutex<Machine>>;

/// See the module. It owns the DNS server, since that is what follows most.
pub(super) struct Machine {
    config: Arc<Config>,
    questions: mpsc::Sender<Question>,
    keeper: Arc<ZoneKeeper>,
    pub(super) dns: Option<DnsServerHandle>,
    /// What the engine was told last.
    engine: (dhcp::settings::Settings, Vec<Ipv4Addr>),
    /// What our own names hold.
    own_names: Vec<IpAddr>,
    upstreams: Vec<Upstream>,
    /// Where DNS is not served and why, so that each is told once.
    failing: BTreeMap<SocketAddr, String>,
}

impl std::fmt::Debug for Machine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Machine").finish_non_exhaustive()
    }
}

impl Machine {
    /// As everything was started by `table`.
    pub(super) fn new(
        config: Arc<Config>,
        table: &InterfaceTable,
        questions: mpsc::Sender<Question>,
        keeper: Arc<ZoneKeeper>,
        dns: Option<DnsServerHandle>,
    ) -> Self {
        Self {
            engine: (dhcp_settings(&config, table), own_addresses(table)),
            own_names: dns_addresses(&config, table),
            upstreams: upstreams(&config, table),
            failing: BTreeMap::new(),
            config,
            questions,
            keeper,
            dns,
        }
    }

    /// Another configuration, whose settings the engine has been told already.
    pub(super) fn reconfigure(&mut self, config: Arc<Config>, table: &InterfaceTable) {
        self.engine = (dhcp_settings(&config, table), own_addresses(table));
        self.own_names = dns_addresses(&config, table);
        self.upstreams = upstreams(&config, table);
        self.failing.clear();
        self.config = config;
    }

    /// Follows the machine until told to stop; then the DNS server is ended.
    pub(super) async fn follow(
        followed: Followed,
        mut interfaces: watch::Receiver<Arc<InterfaceTable>>,
        mut stopped: oneshot::Receiver<()>,
    ) {
        loop {
            let table = Arc::clone(&interfaces.borrow_and_update());
            tokio::select! {
                _ = &mut stopped => break,
                () = async { followed.lock().await.look(&table).await } => {}
            }
            tokio::select! {
                _ = &mut stopped => break,
                () = tokio::time::sleep(LOOK_AGAIN) => {}
                changed = interfaces.changed() => if changed.is_err() {
                    // The DHCP service has ended, and with it the watch.
                    let _ = (&mut stopped).await;
                    break;
                },
            }
        }
        let server = followed.lock().await.dns.take();
        if let Some(server) = server {
            server.shutdown().await;
        }
    }

    async fn look(&mut self, table: &InterfaceTable) {
        // Taking settings in costs the engine a look at every lease: an interface that is none of its own must not.
        let engine = (dhcp_settings(&self.config, table), own_addresses(table));
        if engine != self.engine {
            let (settings, own) = engine.clone();
            if self.questions.send(Question::Reconfigure(Arc::new(settings), own)).await.is_ok() {
                self.engine = engine;
            }
        }
        if self.dns.is_some() {
            self.listen(table);
            self.follow_upstreams(table);
            self.follow_own_names(table).await;
        }
    }

    /// Listens on addresses that came, and tries those again that could not be had.
    fn listen(&mut self, table: &InterfaceTable) {
        let Some(server) = &mut self.dns else { return };
        let plain = listen_addresses(&self.config, table).into_iter().map(|address| (Transport::Tcp, address));
        let wanted: Vec<_> = plain.chain(encrypted_addresses(&self.config, table)).collect();
        self.failing.retain(|address, _| wanted.iter().any(|place| place.1 == *address));
        for (transport, address) in wanted {
            let (by, is_served) = match transport {
                Transport::Tls => (" by TLS", server.encrypted_addrs().contains(&(transport, address))),
                Transport::Https => (" by HTTPS", server.encrypted_addrs().contains(&(transport, address))),
                Transport::Udp | Transport::Tcp => ("", server.local_addrs().contains(&address)),
            };
            if is_served {
                continue;
            }
            let words = if is_here(address.ip(), table) {
                let listened = match transport {
                    Transport::Udp | Transport::Tcp => server.listen(address),
                    Transport::Tls | Transport::Https => server.listen_encrypted(transport, address),
                };
                match listened {
                    Ok(address) => {
                        info!("DNS is served{by} on {address} too");
                        self.failing.remove(&address);
                        continue;
                    }
                    Err(error) => format!("{}; it is tried again", crate::words(&error)),
                }
            } else {
                format!(
                    "DNS is not served{by} on {address} yet: no interface has this address; it is served once one has"
                )
            };
            if self.failing.get(&address) != Some(&words) {
                warn!("{words}");
                self.failing.insert(address, words);
            }
        }
    }

    fn follow_upstreams(&mut self, table: &InterfaceTable) {
        let now = upstreams(&self.config, table);
        if let Some(server) = &self.dns
            && now != self.upstreams
        {
            server.set_upstreams(&now);
            tell_upstreams(&self.config, &now);
            self.upstreams = now;
        }
    }

    /// Whoever asks for the name server's address hears the present one. While there is none the last one stays.
    async fn follow_own_names(&mut self, table: &InterfaceTable) {
        let now = dns_addresses(&self.config, table);
        if now == self.own_names || now.is_empty() {
            return;
        }
        for update in own_name_updates(&self.config.dns, &now) {
            // With a full disk it is tried again, like everything here.
            if self.keeper.update(&update, &AllowAll).await != Rcode::NO_ERROR {
                return;
            }
        }
        self.own_names = now;
    }
}
