//! The page and the HTTP API, as far as they are the daemon's: the crate `web` has routes, connections and files, and
//! asks here by a bounded channel.
//!
//! Reading order: `place` (where it is served, and for whom), `surroundings` (what whoever judges requests knows of the
//! machine), `desk` (takes questions and has them answered, so many at once), then what answers them: `status` and
//! `attention` (is all well?), `leases` and `search` (windows of a list that is not copied), `hosts`, `queries`,
//! `subnets`, `zones`, `names`
//! (DNS work); [`news`] (what happens, from the DHCP service and the updater to the page) and `history` (figures over
//! time).
//!
//! Architecture Invariant: what the page asks for by itself holds the DHCP service up no longer than it takes to look at
//! some hundred leases; whoever wants to see more comes again. (The story of a name that nothing is known of looks at all
//! leases, as `leasehold explain` does.)

mod attention;
mod changes;
mod desk;
mod history;
mod hosts;
mod leases;
pub(crate) mod machines;
mod names;
pub mod news;
mod place;
mod queries;
mod search;
mod status;
mod subnets;
mod surroundings;
mod zones;

use std::sync::Arc;
use std::time::Duration;

use config::Config;
use tokio::net::TcpListener;
use tracing::info;
use web::{Access, Feed, Handle, Server};

pub use self::desk::{Desk, DeskParts};
pub use self::place::{Place, accounts};
use self::surroundings::Machine;
pub(crate) use self::surroundings::random;

/// Questions that wait; more are told to come again.
const ASKS_MAX: usize = 64;
/// How soon a default address that could not be had is tried again.
const AGAIN: Duration = Duration::from_secs(30);
/// How soon a configuration that was read again holds for who may come.
const SOON: Duration = Duration::from_millis(250);

/// Serves the page until dropped.
pub async fn serve(place: Place, parts: DeskParts, feed: Arc<Feed>) {
    let scheme = place.scheme();
    let Place { mut listener, address, redirect, identity, tls } = place;
    let (handle, asked) = Handle::new(ASKS_MAX, Arc::clone(&feed));
    let people = |config: &Config| config.web.as_ref().map(accounts).unwrap_or_default();
    let live = Arc::clone(&parts.config);
    let mut known = live.load_full();
    let access = Access::new(people(&known), Arc::new(Machine::new()));
    let desk = Arc::new(Desk::new(parts, feed));
    let serving = async {
        let listener = loop {
            if let Some(listener) = listener.take() {
                break listener;
            }
            tokio::time::sleep(AGAIN).await;
            listener = TcpListener::bind(address).await.ok();
        };
        info!("the page is at {scheme}://{address}/");
        web::serve(Server { listener, handle, access: access.clone(), tls }).await;
    };
    // Who may come follows a configuration that is read again.
    let admitting = async {
        loop {
            tokio::time::sleep(SOON).await;
            let now = live.load_full();
            if !Arc::ptr_eq(&known, &now) {
                access.replace(people(&now));
                known = now;
            }
        }
    };
    let sending_on = async {
        if let Some(listener) = redirect {
            web::redirect(listener, address.port()).await;
        }
    };
    let following = async {
        if let Some(identity) = identity {
            identity.follow().await;
        }
    };
    tokio::join!(serving, admitting, sending_on, following, desk.answer(asked), desk.sample());
}

/// A name as people write it: without the last dot.
pub(crate) fn shown(name: &dns::Fqdn) -> String {
    let text = name.to_string();
    match text.strip_suffix('.') {
        Some(short) if !short.is_empty() => short.to_owned(),
        _ => text,
    }
}
