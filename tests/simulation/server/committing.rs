//! The committer's half of the server: everything that was submitted since the last time in one group.

use dhcp::time::Now;
use dns::Rcode;
use leasehold::committer::{CommitResult, Lane, Submission};
use leasehold::core::pipeline::BatchOutcome;
use leasehold::zone_keeper::with_leases::WithLeases;
use store::rows::Row;
use zones::Ticket;

use super::{Asker, Doings, Room, Server};

/// Who submitted.
pub(crate) enum Whose {
    /// What the daemon stores before it serves.
    Start,
    /// With what is new in the zones by these leases.
    Dhcp(Option<WithLeases>),
    Updater,
    Zones(Ticket),
}

impl Server {
    /// Stores what must be stored before anything is served. Without room the daemon serves all the same.
    pub(super) fn commit_first(&mut self, now: Now, rows: Vec<Row>) -> Doings {
        if rows.is_empty() {
            return Doings::default();
        }
        self.submit(now, Whose::Start, 0, vec![rows]);
        self.commit(now)
    }

    pub(super) fn submit(&mut self, now: Now, whose: Whose, epoch: u64, transactions: Vec<Vec<Row>>) {
        let number = self.next_submission;
        self.next_submission += 1;
        let lane = match whose {
            Whose::Dhcp(_) => Lane::Dhcp,
            Whose::Updater => Lane::Updater,
            Whose::Start | Whose::Zones(_) => Lane::Zones,
        };
        let results = std::sync::Arc::clone(&self.results);
        let zones_epoch = match &whose {
            Whose::Dhcp(with_leases) => with_leases.as_ref().map(|with_leases| with_leases.epoch),
            _ => None,
        };
        let done = move |result| results.lock().expect("nobody panics with it").push((number, result));
        self.on_the_way.insert(number, (whose, transactions.clone()));
        let stamp = now.wall_secs;
        self.submitted.push(Submission { lane, epoch, zones_epoch, stamp, transactions, done: Box::new(done) });
    }

    /// Whether there is something for the committer.
    pub(crate) fn has_submitted(&self) -> bool {
        !self.submitted.is_empty() || self.room == Room::Asked
    }

    pub(crate) fn commit(&mut self, now: Now) -> Doings {
        let mut doings = Doings::default();
        if self.room == Room::Asked {
            self.room = Room::Answered(self.commits.has_room());
        }
        if self.submitted.len() > 1 {
            self.happened.push("group commit");
        }
        self.commits.commit(std::mem::take(&mut self.submitted));
        let told = std::mem::take(&mut *self.results.lock().expect("nobody panics with it"));
        for (number, result) in told {
            let Some((whose, transactions)) = self.on_the_way.remove(&number) else { continue };
            match result {
                CommitResult::Committed => doings.committed.extend(transactions),
                CommitResult::NoSpace => self.happened.push("no room"),
                CommitResult::Failed => doings.died.get_or_insert_default().extend(transactions),
            }
            self.tell(now, whose, result, &mut doings);
        }
        if doings.died.is_none() && self.commits.compaction_due(false) {
            self.begin_compaction();
        }
        if let Some(mut zeroing) = self.commits.begin_zeroing() {
            // As its own thread would; it may be overtaken by commits after any step.
            while zeroing.step() {}
        }
        doings
    }

    fn tell(&mut self, now: Now, whose: Whose, result: CommitResult, doings: &mut Doings) {
        match whose {
            Whose::Start | Whose::Updater => {}
            Whose::Dhcp(with_leases) => {
                if let Some(with_leases) = with_leases {
                    let told = self.zones.settle_with_leases(with_leases, result);
                    self.tell_of_zones(now, told, doings);
                }
                self.outcomes.push_back(match result {
                    CommitResult::Committed => BatchOutcome::Committed,
                    CommitResult::NoSpace => BatchOutcome::NoSpace,
                    CommitResult::Failed => BatchOutcome::Failed,
                });
            }
            Whose::Zones(ticket) => {
                let told = self.zones.settle(ticket, result);
                self.tell_of_zones(now, told, doings);
            }
        }
    }

    fn tell_of_zones(&mut self, now: Now, told: Vec<(Asker, Rcode)>, doings: &mut Doings) {
        self.zones_touched = true;
        for (asker, rcode) in told {
            self.told_of_zone(now, asker, rcode, doings);
        }
    }

    pub(crate) fn begin_compaction(&mut self) {
        if self.compaction.is_none() {
            // Without room it is not begun; a store that failed tells so at its next commit.
            self.compaction = self.commits.begin_compaction().unwrap_or_default();
        }
    }

    /// Runs the compaction that was begun, as its own thread would some time later.
    pub(crate) fn run_compaction(&mut self) {
        if let Some(compaction) = self.compaction.take() {
            // It may find the disk full or failing; then the store is as before.
            let ended = if compaction.run().is_ok() { "compaction" } else { "compaction failed" };
            self.happened.push(ended);
        }
    }
}
