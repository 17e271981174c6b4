//! The audit that is made unasked.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use tracing::{info, warn};

use super::act::stops;
use super::view::counts;
use super::{Audited, Auditor};
use crate::control::{AuditCounts, AuditSummary};

/// The first one is made so long after the start, at most: names of before the start are confirmed by then.
const FIRST_AFTER: Duration = Duration::from_secs(300);

impl Auditor {
    /// Audits all zones again and again, `every` seconds apart.
    pub async fn run(self: Arc<Self>, every: Duration, repairs: bool) {
        tokio::time::sleep(every.min(FIRST_AFTER)).await;
        loop {
            self.audit_unasked(repairs).await;
            tokio::time::sleep(every).await;
        }
    }

    /// What the last audit that was made unasked found.
    #[must_use]
    pub fn last(&self) -> Option<AuditSummary> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn audit_unasked(&self, repairs: bool) {
        let Ok(zones) = self.zones(None).await else { return };
        let _turn = self.turn.lock().await;
        // The daemon is ending: nobody misses the audit.
        let Ok(audited) = self.audit_zones(zones).await else { return };
        let summary = self.tell(&audited, repairs);
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(summary);
        if repairs && let Ok(view) = self.repair_audited(audited, false, false).await {
            for zone in view.zones.iter().filter(|zone| zone.done > 0) {
                info!("audit: zone {}: {} names are mended", zone.zone, zone.done);
            }
        }
    }

    fn tell(&self, audited: &[Audited], repairs: bool) -> AuditSummary {
        let mut sum = AuditCounts::default();
        let mut failed = Vec::new();
        let mut stopped = Vec::new();
        for one in audited {
            let (apex, zone) = (&one.zone.apex, one.words());
            let findings = match &one.result {
                Ok(findings) => findings,
                Err(why) => {
                    warn!("audit: zone {zone} could not be read: {why}");
                    failed.push(zone);
                    continue;
                }
            };
            let AuditCounts { right, under_way, missing, changed, stale, foreign, elsewhere } = counts(findings);
            sum.right += right;
            sum.under_way += under_way;
            sum.missing += missing;
            sum.changed += changed;
            sum.stale += stale;
            sum.foreign += foreign;
            sum.elsewhere += elsewhere;
            if missing + changed + stale + foreign == 0 {
                info!("audit: zone {zone} holds what it should: {right} names and addresses");
                continue;
            }
            warn!(
                "audit: zone {zone}: {missing} missing, {changed} changed, {stale} stale, {foreign} foreign; {right} are \
                 right (leasehold dns audit --zone {apex} lists them)"
            );
            if repairs && let Some(why) = stops(&self.parts.settings.upkeep, findings) {
                warn!("audit: zone {zone} is not repaired: {why} (leasehold dns repair --zone {apex})");
                stopped.push(zone);
            }
        }
        AuditSummary { at: (self.parts.wall_secs)(), counts: sum, failed, stopped }
    }
}
