//! How rows of the reconciler stand, as values that can leave the updater's task.

use std::collections::BTreeSet;

use ddns::Now;
use ddns::reconcile::{LastAnswer, Reconciler, RowStatus, Stage};
use ddns::settings::ZoneServer;
use ddns::wanted::{RowKey, Want};
use dns::Fqdn;

/// One row: see [`RowStatus`].
#[derive(Clone, Debug)]
pub struct RowFacts {
    /// The name, or the address of a PTR.
    pub key: RowKey,
    /// What DNS should hold; `None`: nothing, and something is still to be removed.
    pub want: Option<Want>,
    /// Where it is on its way.
    pub stage: Stage,
    /// The same in words, with what to do.
    pub words: String,
    /// What came back last.
    pub last: LastAnswer,
    /// Tries since the last success.
    pub attempts: u32,
    /// UTC seconds of the last answer; 0 for none.
    pub at: u64,
    /// The apex of its zone.
    pub apex: Option<Fqdn>,
    /// Who serves the zone.
    pub server: Option<ZoneServer>,
    /// The server of them that takes updates now, or is tried.
    pub used: Option<ZoneServer>,
    /// Since when the zone cannot be updated, in UTC seconds.
    pub down_since: Option<u64>,
    /// Seconds until the next try.
    pub next_try_secs: Option<u64>,
}

/// The rows of these keys, and of the addresses that are wanted for the names among them; by key.
#[must_use]
pub fn facts_of(reconciler: &Reconciler, keys: &[RowKey], now: Now) -> Vec<RowFacts> {
    let mut all: BTreeSet<RowKey> = keys.iter().cloned().collect();
    for key in keys.iter().filter(|key| matches!(key, RowKey::Forward(_))) {
        let want = reconciler.row(key).and_then(|row| row.row.into_owned().want);
        all.extend(want.into_iter().flat_map(|want| want.addresses.into_iter().map(RowKey::Reverse)));
    }
    all.iter().filter_map(|key| reconciler.row(key)).map(|row| fact_of(reconciler, row, now)).collect()
}

fn fact_of(reconciler: &Reconciler, row: RowStatus<'_>, now: Now) -> RowFacts {
    let zone = row.apex.and_then(|apex| reconciler.zones().find(|zone| zone.apex == apex));
    let next_try_secs = match row.stage {
        Stage::Waits { until_boot_ms } => Some(until_boot_ms.saturating_sub(now.boot_ms).div_ceil(1_000)),
        _ => None,
    };
    RowFacts {
        key: row.row.key.clone(),
        want: row.row.want.clone(),
        stage: row.stage,
        words: row.words(now),
        last: row.last,
        attempts: row.attempts,
        at: row.at,
        apex: row.apex.cloned(),
        server: row.server.cloned(),
        used: row.used.cloned(),
        down_since: zone.and_then(|zone| zone.down).map(|(since, _)| since),
        next_try_secs,
    }
}
