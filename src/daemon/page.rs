//! The page and the HTTP API as the configuration wants them, and hooks, which hear of leases from the same feed.

use std::sync::Arc;

use arc_swap::ArcSwap;
use config::Config;
use tokio::sync::mpsc;
use web::Feed;

use crate::clock::Clock;
use crate::hooks;
use crate::http::news::{LeaseNews, Telling, tell};
use crate::http::{DeskParts, Place, serve};
use crate::updater::Told;

/// What became of names, on its way to the page; what does not fit is not told there.
const NAME_NEWS_MAX: usize = 1_024;

/// What happens, on its way to whoever wants to hear of it: the page, and commands.
pub(super) struct News {
    leases: Arc<LeaseNews>,
    names: (mpsc::Sender<Told>, mpsc::Receiver<Told>),
    feed: Arc<Feed>,
    /// Names this run.
    run: String,
}

impl News {
    /// Nothing has happened yet in the run that began at `now`.
    pub(super) fn new(now: dhcp::time::Now) -> Self {
        // Another run has another moment of the boot, or another second.
        let run = format!("{:x}{:x}", now.wall_secs, now.boot_ms);
        let feed = Arc::new(Feed::new(run.clone()));
        Self { leases: Arc::new(LeaseNews::new(Arc::clone(&feed))), names: mpsc::channel(NAME_NEWS_MAX), feed, run }
    }

    /// Where the DHCP service tells what happens to leases.
    pub(super) fn leases(&self) -> Arc<LeaseNews> {
        Arc::clone(&self.leases)
    }

    /// Where the updater tells what becomes of names.
    pub(super) fn names(&self) -> mpsc::Sender<Told> {
        self.names.0.clone()
    }

    /// What was told lately.
    pub(super) fn feed(&self) -> Arc<Feed> {
        Arc::clone(&self.feed)
    }

    /// Tells it, also to hooks, until dropped.
    pub(super) async fn tell(self, config: Arc<ArcSwap<Config>>, clock: Clock) {
        let Self { leases, names: (_, names), feed, run } = self;
        let hooks = hooks::follow(Arc::clone(&config), Arc::clone(&feed), &run);
        tokio::join!(tell(Telling { leases, names, feed, config, clock }), hooks);
    }
}

/// A page whose address is bound.
pub(super) struct Page {
    place: Place,
}

impl Page {
    /// Binds the address; `None` when the configuration turns the page off and has no hooks.
    ///
    /// # Errors
    /// An address that the configuration names cannot be had, or a certificate.
    pub(super) async fn bind(config: &Config) -> anyhow::Result<Option<Self>> {
        let Some(settings) = &config.web else { return Ok(None) };
        Ok(Some(Self { place: Place::bind(settings, &config.daemon.store).await? }))
    }

    /// Serves until dropped.
    pub(super) async fn serve(self, parts: DeskParts) {
        let feed = Arc::clone(&parts.responder.feed);
        serve(self.place, parts, feed).await;
    }
}
