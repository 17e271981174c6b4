//! What a changed configuration deletes: no more than the operator's share of a zone, unless he says so.

use std::collections::{BTreeMap, BTreeSet};

use ddns::reconcile::Send;
use ddns::settings::DELETE_FLOOR;
use ddns::wanted::{RowKey, WantedRow};
use dns::{Change, Fqdn};

use super::messages::owners;
use super::{Checked, World};

/// So many more may seem to be deleted: what a host gave up itself, and the configuration withdrew before its removal was
/// sent, is taken for the configuration's.
const SLACK: usize = 2;

/// Deletions since the server's start.
#[derive(Default)]
pub(super) struct Holds {
    /// Of which zone, which rows, in which generation.
    deleted: BTreeMap<Fqdn, BTreeSet<(RowKey, u64)>>,
    /// What the operator was asked about and meant.
    confirmed: BTreeSet<RowKey>,
    /// How many rows there were at most at once.
    rows_max: usize,
}

fn is_withdrawn(row: &WantedRow) -> bool {
    row.want.is_none() && row.by_configuration
}

impl World {
    pub(super) fn note_names(&mut self) {
        self.holds.rows_max = self.holds.rows_max.max(self.model.wanted().count());
    }

    /// An update leaves the updater.
    pub(super) fn count_deletions(&mut self, send: &Send) -> Checked {
        let settings = &self.plan.settings.ddns;
        // What writes something there was made before the withdrawal was heard of.
        let written = |owner: &&Fqdn| {
            send.update.changes.iter().any(|change| matches!(change, Change::Add { name, .. } if name == *owner))
        };
        let owners: BTreeSet<&Fqdn> = owners(&send.update).into_iter().filter(|owner| !written(owner)).collect();
        let deletes = |row: &&WantedRow| is_withdrawn(row) && owners.contains(&settings.owner_of(&row.key));
        let deleted = self.model.wanted().filter(deletes).map(|row| (row.key.clone(), row.generation));
        let of_zone = self.holds.deleted.entry(send.update.zone.clone()).or_default();
        of_zone.extend(deleted.filter(|(key, _)| !self.holds.confirmed.contains(key)));
        let (deleted, names) = (of_zone.len(), self.holds.rows_max + of_zone.len());
        let percent = usize::from(settings.upkeep.delete_share_percent);
        if deleted > DELETE_FLOOR + SLACK && deleted * 100 > names * percent {
            return Err(format!("{deleted} names of {} were deleted, and nobody was asked", send.update.zone));
        }
        Ok(())
    }

    /// The operator confirms whatever he is asked about.
    pub(super) fn confirm_deletions(&mut self) {
        let now = self.clock();
        let Some(server) = &mut self.server else { return };
        let confirmed = server.confirm_deletions(now);
        if confirmed.is_empty() {
            return;
        }
        self.count("deletions held back and confirmed");
        self.note(|| format!("confirmed: {} deletions", confirmed.len()));
        self.holds.confirmed.extend(confirmed);
        self.schedule();
    }
}
