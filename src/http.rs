//! The page and the HTTP API, as far as they are the daemon's: the crate `web` has routes, connections and files, and
//! asks here by a bounded channel.
//!
//! Reading order: `desk` (takes questions and has them answered, so many at once), then what answers them: `status` and
//! `attention` (is all well?), `leases` and `search` (windows of a list that is not copied), `subnets`, `zones`, `names`
//! (DNS work); [`news`] (what happens, from the DHCP service and the updater to the page) and `history` (figures over
//! time).
//!
//! Architecture Invariant: what the page asks for by itself holds the DHCP service up no longer than it takes to look at
//! some hundred leases; whoever wants to see more comes again. (The story of a name that nothing is known of looks at all
//! leases, as `leasehold explain` does.)

mod attention;
mod desk;
mod history;
mod leases;
mod names;
pub mod news;
mod search;
mod status;
mod subnets;
mod surroundings;
mod zones;

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use config::settings::WebSettings;
use tokio::net::TcpListener;
use tracing::{info, warn};
use web::access::{Accounts, Role};
use web::{Access, Feed, Handle, Server};

pub use self::desk::{Desk, DeskParts};
use self::surroundings::Machine;

/// Questions that wait; more are told to come again.
const ASKS_MAX: usize = 64;
/// How soon a default address that could not be had is tried again.
const AGAIN: Duration = Duration::from_secs(30);

/// A bound socket, or an address that is to be had later.
#[derive(Debug)]
pub struct Place {
    listener: Option<TcpListener>,
    address: SocketAddr,
}

impl Place {
    /// Binds the address. One that nobody has asked for and that is taken, or that the machine does not have, is tried
    /// again later: addresses and names are worth more than the page.
    ///
    /// # Errors
    /// An address that the configuration names cannot be had.
    pub async fn bind(settings: &WebSettings) -> anyhow::Result<Self> {
        let address = settings.listen;
        match TcpListener::bind(address).await {
            Ok(listener) => Ok(Self { address: listener.local_addr().unwrap_or(address), listener: Some(listener) }),
            Err(error) if settings.is_written => {
                let held = match error.kind() {
                    ErrorKind::AddrInUse => format!(": {} has it", crate::port_holder::find_address_holder(address)),
                    _ => String::new(),
                };
                Err(error).with_context(|| format!("cannot serve the page on {address} (`listen` in [web]){held}"))
            }
            Err(error) => {
                warn!("the page is not served: {address} cannot be had ({error}); `listen` in [web] names another one");
                Ok(Self { listener: None, address })
            }
        }
    }
}

/// Serves the page until dropped.
pub async fn serve(place: Place, parts: DeskParts, feed: Arc<Feed>) {
    let Place { mut listener, address } = place;
    let (handle, asked) = Handle::new(ASKS_MAX, Arc::clone(&feed));
    let desk = Arc::new(Desk::new(parts, feed));
    let access = Access::new(Accounts::open_to_this_machine(Role::Administer), Arc::new(Machine::new()));
    let serving = async {
        let listener = loop {
            if let Some(listener) = listener.take() {
                break listener;
            }
            tokio::time::sleep(AGAIN).await;
            listener = TcpListener::bind(address).await.ok();
        };
        info!("the page is at http://{address}/");
        web::serve(Server { listener, handle, access, tls: None }).await;
    };
    tokio::join!(serving, desk.answer(asked), desk.sample());
}

/// A name as people write it: without the last dot.
fn shown(name: &dns::Fqdn) -> String {
    let text = name.to_string();
    match text.strip_suffix('.') {
        Some(short) if !short.is_empty() => short.to_owned(),
        _ => text,
    }
}
