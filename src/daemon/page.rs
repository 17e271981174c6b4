//! The page and the HTTP API as the configuration wants them.

use std::sync::Arc;

use config::Config;
use tokio::sync::mpsc;
use web::Feed;

use crate::http::news::{LeaseNews, Telling, tell};
use crate::http::{DeskParts, Place, serve};
use crate::updater::Told;

/// What became of names, on its way to the page; what does not fit is not told there.
const NAME_NEWS_MAX: usize = 1_024;

/// A page whose address is bound, and where it hears what happens.
pub(super) struct Page {
    place: Place,
    leases: Arc<LeaseNews>,
    names: (mpsc::Sender<Told>, mpsc::Receiver<Told>),
}

impl Page {
    /// Binds the address; `None` when the configuration turns the page off.
    ///
    /// # Errors
    /// An address that the configuration names cannot be had.
    pub(super) async fn bind(config: &Config) -> anyhow::Result<Option<Self>> {
        let Some(settings) = &config.web else { return Ok(None) };
        let place = Place::bind(settings).await?;
        Ok(Some(Self { place, leases: Arc::default(), names: mpsc::channel(NAME_NEWS_MAX) }))
    }

    /// Where the DHCP service tells what happens to leases.
    pub(super) fn lease_news(&self) -> Arc<LeaseNews> {
        Arc::clone(&self.leases)
    }

    /// Where the updater tells what becomes of names.
    pub(super) fn name_news(&self) -> mpsc::Sender<Told> {
        self.names.0.clone()
    }

    /// Serves until dropped.
    pub(super) async fn serve(self, parts: DeskParts) {
        let Self { place, leases, names: (_, names) } = self;
        let now = parts.clock.now();
        // Another run has another moment of the boot, or another second.
        let feed = Arc::new(Feed::new(format!("{:x}{:x}", now.wall_secs, now.boot_ms)));
        let (config, clock) = (Arc::clone(&parts.config), parts.clock.clone());
        let telling = Telling { leases, names, feed: Arc::clone(&feed), config, clock };
        tokio::join!(serve(place, parts, feed), tell(telling));
    }
}
