//! Zones that are copies of other servers': taken in, withheld, shown again.

use std::collections::HashSet;
use std::sync::Arc;

use dns::{Fqdn, Rcode};
use store::rows::Row;
use tokio::sync::oneshot;
use zones::intake::Taken;
use zones::{Difference, Unavailable, Zone};

use super::{Decided, Keeping, ToStore, Waiting, ZoneKeeper};
use crate::committer::{Lane, Submission};

impl ZoneKeeper {
    /// Stores a transferred zone, all of it or nothing, and publishes it then; whether it is stored. `checked_at` is UTC
    /// seconds.
    pub async fn take_in(self: &Arc<Self>, taken: Taken, checked_at: u64) -> bool {
        let (to, stored) = oneshot::channel();
        // There may be a million of them: nobody else waits meanwhile.
        let rows = rows_of(&taken, checked_at);
        let is_decided = self.when_thawed(|state| match state.take_in(&taken, rows, to) {
            Decided::Waits(Some(to_store)) => {
                self.store(state, to_store);
                true
            }
            _ => false,
        });
        is_decided.await && stored.await == Ok(Rcode::NO_ERROR)
    }

    /// Stores that a primary is known to have nothing newer of a copy. Should it get lost, the copy expires a little earlier
    /// after a restart.
    pub fn checked(&self, id: &Fqdn, checked_at: u64) {
        let submission = Submission {
            // No decision rests on it, so that its refusal refuses nothing else.
            lane: Lane::Updater,
            epoch: 0,
            zones_epoch: None,
            stamp: self.clock.now().wall_secs,
            transactions: vec![vec![Row::ZoneCopy { zone: id.clone(), checked_at }]],
            done: Box::new(|_| ()),
        };
        drop(self.committer.try_submit(submission));
    }

    /// A zone cannot be answered from, from now on.
    pub async fn withhold(&self, id: &Fqdn, why: Unavailable) {
        self.when_thawed(|state| {
            state.authority.withhold(id, why);
            self.publish(state, Vec::new());
        })
        .await;
    }

    /// A zone that was withheld is answered from again.
    pub async fn show(&self, zone: &Zone) {
        self.when_thawed(|state| {
            state.authority.show(zone);
            self.publish(state, Vec::new());
        })
        .await;
    }
}

impl<T> Keeping<T> {
    /// Decides to take a transferred zone in; see [`Keeping::decide`]. `rows` are its own.
    pub fn take_in(&mut self, taken: &Taken, mut rows: Vec<Row>, to: T) -> Decided<T> {
        let Some((ticket, cut)) = self.authority.take_in(taken) else {
            return Decided::Answered(to, Rcode::SERV_FAIL);
        };
        self.waiting.push_back(Waiting { after: ticket, rcode: Rcode::NO_ERROR, to });
        let id = taken.zone.id();
        // A step that is larger than all that is kept cuts itself.
        let is_cut: HashSet<u32> = cut.iter().copied().collect();
        let is_kept = |difference: &&Arc<Difference>| !is_cut.contains(&difference.serial_after);
        rows.extend(cut.iter().map(|at| Row::ZoneDifferenceGone { zone: id.clone(), serial_after: *at }));
        let kept = taken.differences.iter().filter(is_kept).map(Arc::clone);
        rows.extend(kept.map(|difference| Row::ZoneDifference { zone: id.clone(), difference }));
        Decided::Waits(Some(ToStore { ticket, epoch: self.epoch, rows }))
    }
}

/// A transferred zone's rows, but for its steps.
fn rows_of(taken: &Taken, checked_at: u64) -> Vec<Row> {
    let id = taken.zone.id();
    let copy = Row::ZoneCopy { zone: id.clone(), checked_at };
    let sets = taken.sets.iter().map(|(name, rtype, set)| Row::ZoneSet {
        zone: id.clone(),
        name: name.clone(),
        rtype: *rtype,
        set: set.clone(),
    });
    std::iter::once(copy).chain(sets).collect()
}
