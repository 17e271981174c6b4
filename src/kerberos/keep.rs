//! The contexts that are in use, one for each server and account.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ddns::kerberos::{Gss, KerberosFault};
use ddns::reconcile::Outcome;
use dns::{Fqdn, SecurityContext, Signing};
use tokio::time::Instant;
use tracing::{info, warn};

use super::negotiate::{Negotiated, Trouble, negotiate};
use crate::ddns_client::WallClock;

/// How long a failure is believed: of many updates that want a context at once, the first asks.
const FAILURE_KEPT: Duration = Duration::from_secs(2);
/// So long before its end a context is negotiated anew, or a tenth of its life when that is shorter.
const RENEW_BEFORE: Duration = Duration::from_secs(60);
/// Servers and accounts that are remembered. A configuration has a handful; what former ones had goes when there are more.
const PLACES_MAX: usize = 64;

type PlaceKey = (SocketAddr, Arc<Gss>);

/// All contexts.
#[derive(Debug, Default)]
pub(crate) struct Contexts {
    places: Mutex<HashMap<PlaceKey, Arc<tokio::sync::Mutex<Place>>>>,
}

/// One server and one account. Whoever negotiates holds its lock; the others wait for what comes of it.
#[derive(Debug, Default)]
struct Place {
    current: Option<Current>,
    failed: Option<Failed>,
    told: Option<Outcome>,
}

#[derive(Debug)]
struct Failed {
    at: Instant,
    outcome: Outcome,
    words: String,
}

#[derive(Debug)]
struct Current {
    context: Arc<dyn SecurityContext>,
    renew_at: Instant,
    ends_at: Instant,
}

impl Contexts {
    /// A context with `server`, an old one while it lasts.
    ///
    /// # Errors
    /// What became of the update that was to be signed: nothing was sent.
    pub(crate) async fn signing(
        &self,
        server: SocketAddr,
        gss: &Arc<Gss>,
        zone: &Fqdn,
        wall_secs: &WallClock,
    ) -> Result<Signing, Outcome> {
        let place = self.place(server, gss);
        let mut place = place.lock().await;
        let now = Instant::now();
        if let Some(current) = place.current.as_ref().filter(|current| now < current.renew_at) {
            return Ok(Signing::Context(Arc::clone(&current.context)));
        }
        let lasting = place.current.take().filter(|current| now < current.ends_at);
        let failed = match &place.failed {
            Some(failed) if now.duration_since(failed.at) < FAILURE_KEPT => failed.outcome,
            _ => match negotiate(server, gss, zone, wall_secs).await {
                Ok(negotiated) => return Ok(place.take(server, gss, negotiated)),
                Err(trouble) => place.fail(server, gss, &trouble),
            },
        };
        // No new one, but the old one lasts yet: the KDC may be back in time.
        let Some(lasting) = lasting else { return Err(failed) };
        let signing = Signing::Context(Arc::clone(&lasting.context));
        place.current = Some(lasting);
        Ok(signing)
    }

    /// The server has forgotten this context, or does not believe it any more: the next one to sign negotiates anew.
    pub(crate) async fn forget(&self, server: SocketAddr, gss: &Arc<Gss>, context: &Arc<dyn SecurityContext>) {
        let place = self.place(server, gss);
        let mut place = place.lock().await;
        if place.current.as_ref().is_some_and(|current| Arc::ptr_eq(&current.context, context)) {
            place.current = None;
        }
    }

    /// What was said when a context with `server` could not be had, in the words of whoever failed.
    pub(crate) async fn trouble(&self, server: SocketAddr, gss: &Arc<Gss>) -> Option<String> {
        let place = self.place(server, gss);
        let place = place.lock().await;
        place.failed.as_ref().map(|failed| failed.words.clone())
    }

    fn place(&self, server: SocketAddr, gss: &Arc<Gss>) -> Arc<tokio::sync::Mutex<Place>> {
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (server, Arc::clone(gss));
        if places.len() >= PLACES_MAX && !places.contains_key(&key) {
            // Whoever is at one of them keeps it until it is done.
            places.clear();
        }
        Arc::clone(places.entry(key).or_default())
    }
}

impl Place {
    fn take(&mut self, server: SocketAddr, gss: &Gss, negotiated: Negotiated) -> Signing {
        let Negotiated { context, lasts, target } = negotiated;
        let now = Instant::now();
        let margin = RENEW_BEFORE.min(lasts / 10);
        if self.told.take().is_some() {
            info!("DNS: {server} accepts the ticket of {} again", gss.principal);
        }
        tracing::debug!("a context with {server} as {target} for {}, {} s", gss.principal, lasts.as_secs());
        self.failed = None;
        self.current =
            Some(Current { context: Arc::clone(&context), renew_at: now + lasts - margin, ends_at: now + lasts });
        Signing::Context(context)
    }

    /// Remembers a failure, and tells the library's own words when they are new.
    fn fail(&mut self, server: SocketAddr, gss: &Gss, trouble: &Trouble) -> Outcome {
        let outcome = trouble.outcome;
        self.failed = Some(Failed { at: Instant::now(), outcome, words: trouble.words.clone() });
        if self.told != Some(outcome) {
            self.told = Some(outcome);
            match outcome {
                Outcome::Kerberos(KerberosFault::Other) => {
                    warn!("DNS: no ticket of {} for {server}: {}", gss.principal, trouble.words);
                }
                Outcome::Kerberos(fault) => {
                    warn!("DNS: {}: {}", fault.words(gss, &server.to_string()), trouble.words);
                }
                _ => tracing::debug!("no context with {server}: {}", trouble.words),
            }
        }
        outcome
    }
}
