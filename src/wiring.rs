//! What joins the daemon's parts: the updater's view of store, service and zones.

use std::sync::Arc;

use ddns::wanted::WantedRow;
use dns::{Rcode, Update};
use store::rows::Row;
use tokio::sync::{mpsc, oneshot};
use tracing::warn;
use zones::ForLeases;

use crate::clock::Clock;
use crate::committer::{CommitResult, Committer, Lane, Submission};
use crate::dhcp_service::Question;
use crate::quiet::Quiet;
use crate::updater::{EmbeddedZones, RowSink, WantedSource};
use crate::zone_keeper::ZoneKeeper;

/// Asks the DHCP service for all wanted rows.
#[derive(Debug)]
pub struct ServiceRows(pub mpsc::Sender<Question>);

impl WantedSource for ServiceRows {
    async fn all(&self) -> Option<Vec<WantedRow>> {
        let (to, rows) = oneshot::channel();
        self.0.send(Question::Wanted(to)).await.ok()?;
        rows.await.ok()
    }
}

/// Hands the updater's rows to the committer.
#[derive(Debug)]
pub struct CommitterSink {
    committer: Committer,
    /// Stamps the rows.
    clock: Clock,
    /// With a full disk every confirmed name would be told.
    not_stored: Arc<Quiet>,
}

impl CommitterSink {
    /// A sink.
    #[must_use]
    pub fn new(committer: Committer, clock: Clock) -> Self {
        Self { committer, clock, not_stored: Arc::default() }
    }
}

impl RowSink for CommitterSink {
    fn submit(&self, rows: Vec<Row>) {
        let not_stored = Arc::clone(&self.not_stored);
        let submission = Submission {
            lane: Lane::Updater,
            epoch: 0,
            zones_epoch: None,
            stamp: self.clock.now().wall_secs,
            transactions: vec![rows],
            done: Box::new(move |result| {
                if result == CommitResult::NoSpace {
                    tell_not_stored(&not_stored, "for want of room");
                }
            }),
        };
        if self.committer.try_submit(submission).is_err() {
            tell_not_stored(&self.not_stored, "since the store's queue is full");
        }
    }
}

fn tell_not_stored(quiet: &Quiet, why: &str) {
    if let Some(kept_back) = quiet.may_tell() {
        warn!("what DNS was found to hold is not stored {why}: it is asked again after a restart{kept_back}");
    }
}

/// The embedded zones as the updater sees them.
#[derive(Debug)]
pub struct KeptZones(pub Arc<ZoneKeeper>);

impl EmbeddedZones for KeptZones {
    async fn update(&self, mut update: Update) -> Rcode {
        update.zone = self.0.home(&update.zone);
        self.0.update(&update, &ForLeases).await
    }
}
