//! The TFTP server as the configuration wants it, and as the machine's addresses come and go.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use config::Config;
use tokio::sync::watch;
use tracing::warn;

use super::addresses::{is_here, listened};
use crate::dhcp_sockets::InterfaceTable;
use crate::tftp_server::{TftpError, TftpServer};

/// How often an address that could not be had is tried again though no interface has changed.
const LOOK_AGAIN: Duration = Duration::from_secs(5);

/// Opens the root and listens on the addresses that the machine has now. `None`: the configuration wants none.
///
/// # Errors
/// There is no such directory, or an address cannot be had though the machine has it.
pub(super) fn start(config: &Config, table: &InterfaceTable) -> Result<Option<TftpServer>, TftpError> {
    let Some(mut server) = open(config)? else { return Ok(None) };
    match server.listen(&wanted(config, table)).into_iter().next() {
        Some(error) => Err(error),
        None => Ok(Some(server)),
    }
}

/// Opens the root alone; `follow` listens.
///
/// # Errors
/// There is no such directory.
pub(super) fn open(config: &Config) -> Result<Option<TftpServer>, TftpError> {
    let Some(tftp) = &config.tftp else { return Ok(None) };
    let allowed = config.dhcp.subnets.iter().map(|subnet| subnet.prefix).collect();
    TftpServer::new(&tftp.root, allowed).map(Some)
}

fn wanted(config: &Config, table: &InterfaceTable) -> Vec<SocketAddr> {
    let Some(tftp) = &config.tftp else { return Vec::new() };
    let mut addresses = listened(config, &tftp.listen, table);
    addresses.retain(|address| is_here(address.ip(), table));
    addresses
}

/// Listens where the machine's addresses are, until it is dropped.
pub(super) async fn follow(
    mut server: TftpServer,
    config: Arc<Config>,
    mut interfaces: watch::Receiver<Arc<InterfaceTable>>,
) {
    let mut told = BTreeSet::new();
    loop {
        let table = Arc::clone(&interfaces.borrow_and_update());
        let errors: BTreeSet<String> =
            server.listen(&wanted(&config, &table)).iter().map(|error| crate::words(error)).collect();
        errors.difference(&told).for_each(|error| warn!("{error}; it is tried again"));
        told = errors;
        tokio::select! {
            () = tokio::time::sleep(LOOK_AGAIN) => {}
            // Once the DHCP service has ended, which ends the daemon, nothing changes any more.
            changed = interfaces.changed() => if changed.is_err() {
                std::future::pending::<()>().await;
            },
        }
    }
}
