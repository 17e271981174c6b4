//! How everything is.

use std::path::Path;

use ipnet::Ipv4Net;
use web::Refusal;
use web::model::{LeaseTotals, Level, Status, Storage, Traffic, Verdict};

use super::attention::{self, Seen};
use super::desk::Desk;
use crate::dns_server::DnsGauge;

impl Desk {
    pub(super) async fn make_status(&self) -> Result<Status, Refusal> {
        let (full, counts) = self.counts().await?;
        let (names, refused) = self.count_names().await?;
        let zones = self.parts.responder.servers().await.ok_or(Refusal::Ending)?;
        let held_back = self.parts.responder.held_back().await;
        let values = self.parts.responder.counters.values();
        let store = self.parts.config.load().daemon.store.clone();
        let measured = tokio::task::spawn_blocking(move || measure(&store)).await.unwrap_or_default();
        let mut leases = LeaseTotals::default();
        for subnet in &counts {
            leases.bound += subnet.bound;
            leases.pool += subnet.pool;
            leases.free += subnet.free;
            leases.quarantined += subnet.quarantined;
            leases.offered += subnet.offered;
        }
        let storage = Storage { full, ..measured };
        let dns = self.parts.responder.dns.as_ref().map(DnsGauge::figures);
        let pace = |prefix: Ipv4Net, free| self.pace(prefix, free);
        let attention = attention::list(&Seen {
            storage: &storage,
            counts: &counts,
            pace: &pace,
            zones: &zones,
            refused: &refused,
            up_secs: self.parts.clock.now().wall_secs.saturating_sub(self.started_at),
            held_back: &held_back,
            audit: self.parts.responder.auditor.load().last().as_ref(),
            forwarder: dns.as_ref().and_then(|dns| dns.forwarder.as_ref()),
        });
        let level = attention.iter().map(|one| one.level).max().unwrap_or(Level::Ok);
        Ok(Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            host: self.machine.clone(),
            now: self.parts.clock.now().wall_secs,
            started_at: self.started_at,
            verdict: Verdict {
                level,
                words: attention::verdict(attention.len()),
                detail: attention::whole(leases, names),
                attention,
            },
            leases,
            names,
            traffic: Traffic {
                received: values.received,
                sent: values.sent,
                dropped: values.dropped,
                stored: values.submitted,
            },
            storage,
            dns,
        })
    }
}

/// What the store takes, and what is left. What cannot be read is not told.
fn measure(store: &Path) -> Storage {
    let files = std::fs::read_dir(store).ok();
    let bytes = files.map(|files| files.flatten().filter_map(|file| Some(file.metadata().ok()?.len())).sum());
    let room = nix::sys::statvfs::statvfs(store).ok();
    // Both are of the C library's types, which differ between machines.
    #[allow(clippy::useless_conversion, reason = "their width differs between machines")]
    let disk_free = room.map(|room| u64::from(room.blocks_available()).saturating_mul(u64::from(room.fragment_size())));
    Storage { full: false, bytes, disk_free }
}
