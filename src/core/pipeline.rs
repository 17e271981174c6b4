//! The pipeline: batches between decision and commit, still without socket, disk or clock.
//!
//! ```text
//! arrivals ──decide──▶ in flight ──complete(Committed)──▶ Output: replies leave, events are published
//!                        │  └─────complete(NoSpace)────▶ undone, decided again by an engine that stores nothing
//!                        └────────complete(Failed)─────▶ StoreFailed: the whole pipeline is made anew from disk
//! ```
//!
//! Batches complete in the order in which they were decided. One that stores nothing still waits while another is in
//! flight, because an ACK that repeats an earlier one stands on that one's commit. Offers wait for nothing.
//!
//! Architecture Invariant: no reply that acknowledges a lease is in an [`Output`] before its commit.

mod batch;
mod datagrams;

use std::collections::{BTreeMap, VecDeque};
use std::net::Ipv4Addr;
use std::sync::Arc;

use ddns::reconcile::Feedback;
use dhcp::decision::{CommitOutcome, LeaseEvent};
use dhcp::limits::PacketGate;
use dhcp::message::{DropReason, MessageType};
use dhcp::probing::{ProbeId, ProbeNeeded, ProbeOutcome, ProbeRequest};
use dhcp::reply::Reply;
use dhcp::time::Now;
use faults::{Fault, planted};
use store::rows::Row;

use batch::Batch;
pub use datagrams::{Arrival, Departure, Dropped, Link};

use super::{Core, Gathering, NameEvent, TransactionId, Transactions, Work};

/// Batches decided but not committed. One is syncing; the others share the next sync, and are decided as they come, so that
/// their offers leave at once. More would only add latency.
pub const BATCHES_IN_FLIGHT_MAX: usize = 4;

/// What may be done now that a batch is committed, or needed no commit.
#[derive(Debug, Default)]
pub struct Output {
    /// To be sent, in this order.
    pub departures: Vec<Departure>,
    /// What happened to leases, to be told.
    pub events: Vec<LeaseEvent>,
    /// For the updater; without rows it need not be told.
    pub names: NameEvent,
    /// The datagrams that it follows from, which nobody needs any more: what they are kept in can be used again.
    pub done: Vec<Arrival>,
    /// UTC seconds: what happened to leases was stored then or later.
    pub decided_at: u64,
}

/// What a decided batch asks for.
#[derive(Debug)]
pub enum Step {
    /// Commit these, then call [`Pipeline::complete`]. Each inner list is stored all or none. What may be done before
    /// stands beside it: offers.
    Submit(Vec<Vec<Row>>, Output),
    /// Nothing to be stored, and nothing in flight or nothing but offers: done already.
    Finish(Output),
}

/// How a submitted batch ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BatchOutcome {
    /// On stable storage.
    Committed,
    /// Surely not stored, for want of room.
    NoSpace,
    /// Perhaps stored, perhaps not.
    Failed,
}

/// Nothing more may be acknowledged until the state is rebuilt from disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a write to the lease store failed; nothing is acknowledged until it has been opened anew")]
pub struct StoreFailed;

/// An address to be asked, and the link that its client is on or came by.
#[derive(Clone, Debug)]
pub struct Probe {
    /// What to ask.
    pub request: ProbeRequest,
    /// Where the DISCOVER came in.
    pub link: Arc<Link>,
}

/// See the module.
#[derive(Debug)]
pub struct Pipeline {
    core: Core,
    in_flight: VecDeque<Batch>,
    /// Outcomes still to come for batches that were already given up for want of room.
    abandoned: usize,
    epoch: u64,
    storage_full: bool,
    dropped: Vec<Dropped>,
    /// Names whose end found no room: settled again once there is. At most what was in flight then.
    unsettled: Vec<Feedback>,
    /// DISCOVERs that wait for a probe: one for each that is under way.
    waiting: BTreeMap<ProbeId, Arrival>,
    /// Probes to be made, until [`Pipeline::take_probes`].
    probes: Vec<Probe>,
    /// What a sender may send.
    gate: PacketGate,
}

impl Pipeline {
    /// An empty pipeline before `core`.
    #[must_use]
    pub fn new(core: Core) -> Self {
        Self {
            gate: PacketGate::new(core.engine().settings().limits),
            core,
            in_flight: VecDeque::new(),
            abandoned: 0,
            epoch: 0,
            storage_full: false,
            dropped: Vec::new(),
            unsettled: Vec::new(),
            waiting: BTreeMap::new(),
            probes: Vec::new(),
        }
    }

    /// Engine and wanted names, to be asked.
    #[must_use]
    pub fn core(&self) -> &Core {
        &self.core
    }

    /// The same, for tests that look beneath.
    #[cfg(test)]
    pub(super) fn core_mut(&mut self) -> &mut Core {
        &mut self.core
    }

    /// Swaps the settings between two batches, and says which addresses are the machine's own.
    pub fn reconfigure(
        &mut self,
        dhcp: Arc<dhcp::settings::Settings>,
        ddns: Arc<ddns::settings::Settings>,
        own: Vec<Ipv4Addr>,
        now: Now,
    ) {
        self.gate.reconfigure(dhcp.limits);
        self.core.reconfigure(dhcp, ddns, own, now);
    }

    /// What was decided of devices that nobody knew, from now on.
    pub fn set_devices(&mut self, devices: Arc<dhcp::devices::Devices>) {
        self.core.set_devices(devices);
    }

    /// How many packets found the table of the limits full, and were let through.
    #[must_use]
    pub fn unlimited(&self) -> u64 {
        self.gate.unlimited()
    }

    /// For how many leases no number was left.
    #[must_use]
    pub fn unnumbered(&self) -> u64 {
        self.core.unnumbered()
    }

    /// Whether another batch may be decided.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.in_flight.len() < BATCHES_IN_FLIGHT_MAX
    }

    /// Whether nothing is in flight.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.in_flight.is_empty() && self.abandoned == 0
    }

    /// The epoch of decisions made now: a submission of an older epoch than the last failure's must not be stored.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Whether the store is taken to have no room.
    #[must_use]
    pub fn storage_full(&self) -> bool {
        self.storage_full
    }

    /// The store has room again.
    pub fn room_again(&mut self) {
        self.storage_full = false;
        self.core.set_storage_full(false);
    }

    /// Datagrams that got no answer since the last call, to be counted.
    pub fn take_dropped(&mut self) -> impl Iterator<Item = Dropped> + '_ {
        self.dropped.drain(..)
    }

    /// Decides on a batch of datagrams. Those past a limit are dropped before they are decoded.
    pub fn decide(&mut self, now: Now, mut arrivals: Vec<Arrival>) -> Step {
        arrivals.retain(|arrival| {
            let admitted = self.gate.admit(now.boot_ms, &arrival.ingress(), &arrival.payload);
            if let Err(reason) = admitted {
                self.dropped.push(Dropped::of(arrival, reason));
            }
            admitted.is_ok()
        });
        let mut batch = Batch::for_datagrams(arrivals.len(), now);
        let mut transactions = Transactions::default();
        let mut left = arrivals.len();
        batch.arrivals.reserve(left);
        for arrival in arrivals {
            left -= 1;
            let Batch { output: Output { departures, events, names, .. }, offers, .. } = &mut batch;
            let gathering = &mut Gathering { transactions: &mut transactions, left, events, names };
            let mut is_offer = false;
            let reply = |reply: Reply, destination| {
                is_offer = reply.message_type == MessageType::Offer;
                let leaving = if is_offer { &mut offers.departures } else { departures };
                leaving.push(Departure::answering(&arrival, reply, destination));
            };
            let told = self.core.handle_one_of(now, &arrival.ingress(), &arrival.payload, gathering, reply);
            debug_assert!(!(is_offer && told.transaction.is_some()), "an offer stores nothing");
            batch.last = told.transaction.or(batch.last);
            self.wait_for(told.probe, &arrival);
            self.dropped.extend(told.dropped.map(|reason| Dropped::of(&arrival, reason)));
            let kept = if is_offer { &mut batch.offers.done } else { &mut batch.arrivals };
            kept.push(arrival);
        }
        self.step(batch, transactions.all)
    }

    /// Probes to be made since the last call. They wait for no commit, and no other client waits for them.
    pub fn take_probes(&mut self) -> impl Iterator<Item = Probe> + '_ {
        self.probes.drain(..)
    }

    /// What came of probes: decided upon as a batch of datagrams is, since each brings back the DISCOVER that waited.
    pub fn take_probe_results(&mut self, now: Now, results: &[(ProbeId, ProbeOutcome)]) -> Step {
        let mut batch = Batch::for_datagrams(0, now);
        let mut transactions = Vec::new();
        for result in results {
            self.take_probe_result(now, *result, &mut batch, &mut transactions);
        }
        self.step(batch, transactions)
    }

    fn take_probe_result(
        &mut self,
        now: Now,
        result: (ProbeId, ProbeOutcome),
        batch: &mut Batch,
        transactions: &mut Vec<Vec<Row>>,
    ) {
        if !self.core.engine().takes_probe_result(result.0, result.1) {
            return;
        }
        let arrival = self.waiting.remove(&result.0);
        let ingress = arrival.as_ref().map(Arrival::ingress);
        let again = ingress.as_ref().zip(arrival.as_ref()).map(|(ingress, arrival)| (ingress, &*arrival.payload));
        let offers = batch.offers.departures.len();
        for work in self.core.handle_probe_result(now, result, again) {
            if let Some(arrival) = &arrival {
                self.wait_for(work.probe, arrival);
            }
            batch.take(work, arrival.as_ref(), transactions, &mut self.dropped);
        }
        let is_offered = batch.offers.departures.len() > offers;
        let kept = if is_offered { &mut batch.offers.done } else { &mut batch.arrivals };
        kept.extend(arrival);
    }

    /// Keeps a DISCOVER that waits for a probe, in the place of an earlier one of the same client.
    fn wait_for(&mut self, probe: Option<ProbeNeeded>, arrival: &Arrival) {
        let Some(probe) = probe else { return };
        self.waiting.insert(probe.id(), arrival.clone());
        if let ProbeNeeded::Start(request) = probe {
            self.probes.push(Probe { request, link: Arc::clone(&arrival.link) });
        }
    }

    /// Stops expiry: the machine's clock is known to be wrong, so that what is stored cannot be told to have run out.
    pub fn pause_expiry(&mut self) {
        self.core.pause_expiry();
    }

    /// The clock is right again: what was loaded from the store runs out by wall time.
    pub fn resume_expiry(&mut self, now: Now) {
        self.core.resume_expiry(now);
    }

    /// When [`Pipeline::expire`] wants to be called next, in boot milliseconds. While the store has no room,
    /// only for the probes under way.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<u64> {
        match self.storage_full {
            // What was under way goes on, and its clients get silence.
            true => self.core.engine().next_probe_end(),
            false if !self.unsettled.is_empty() => Some(0),
            false => self.core.poll_timeout(),
        }
    }

    /// Ends what has run out, at most `most` leases a call, and settles the names that found no room before. Probes that
    /// nobody has answered by now are over: what was heard must be told before.
    pub fn expire(&mut self, now: Now, most: usize) -> Step {
        let mut batch = Batch::for_datagrams(0, now);
        let mut transactions = Vec::new();
        while let Some(id) = self.core.engine().overdue_probe(now) {
            self.take_probe_result(now, (id, ProbeOutcome::Free), &mut batch, &mut transactions);
        }
        if !self.storage_full {
            let settled = std::mem::take(&mut self.unsettled);
            let mut works = self.core.handle_timeout(now, most);
            works.extend(self.settled_works(&settled));
            batch.settled = settled;
            for work in works {
                batch.take(work, None, &mut transactions, &mut self.dropped);
            }
        }
        self.step(batch, transactions)
    }

    /// Ends a lease because its operator says so.
    ///
    /// # Errors
    /// There is none, or no room to store its end.
    pub fn release(&mut self, now: Now, address: Ipv4Addr) -> Result<Step, DropReason> {
        let work = self.core.release(now, address);
        if let Some(reason) = work.dropped {
            return Err(reason);
        }
        let (mut batch, mut transactions) = (Batch::for_datagrams(0, now), Vec::new());
        batch.take(work, None, &mut transactions, &mut self.dropped);
        Ok(self.step(batch, transactions))
    }

    /// The updater found this out.
    pub fn settle_names(&mut self, names: &[Feedback]) -> Step {
        let mut batch = Batch { settled: names.to_vec(), ..Batch::default() };
        let mut transactions = Vec::new();
        for work in self.settled_works(names) {
            batch.take(work, None, &mut transactions, &mut self.dropped);
        }
        self.step(batch, transactions)
    }

    fn settled_works(&mut self, names: &[Feedback]) -> Vec<Work> {
        let mut works = Vec::new();
        for feedback in names {
            match feedback {
                Feedback::Settled(key, generation) => works.push(self.core.handle_settled_name(key, *generation)),
                Feedback::Foreign(key, generation) => self.core.handle_foreign_name(key, *generation),
            }
        }
        works
    }

    fn step(&mut self, mut batch: Batch, transactions: Vec<Vec<Row>>) -> Step {
        if transactions.is_empty() && (self.in_flight.is_empty() || batch.waits_for_nothing()) {
            return Step::Finish(batch.into_output());
        }
        let offers = std::mem::take(&mut batch.offers);
        let early = match planted(Fault::AckBeforeSync) {
            true => std::mem::take(&mut batch.output).with(offers),
            false => offers,
        };
        self.in_flight.push_back(batch);
        Step::Submit(transactions, early)
    }

    /// The names of the batch that was submitted last, as far as embedded zones hold them once it is committed: the
    /// generations of their rows, ascending.
    pub fn names_written(&mut self, generations: Vec<u64>) {
        if let Some(batch) = self.in_flight.back_mut() {
            batch.output.names.written = generations;
        }
    }

    /// Takes the outcome of the oldest submitted batch.
    ///
    /// # Errors
    /// [`StoreFailed`] for [`BatchOutcome::Failed`]: what the batch wrote may or may not be on disk.
    pub fn complete(&mut self, now: Now, outcome: BatchOutcome) -> Result<Output, StoreFailed> {
        if outcome == BatchOutcome::Failed {
            return Err(StoreFailed);
        }
        if self.abandoned > 0 {
            self.abandoned -= 1;
            return Ok(Output::default());
        }
        let Some(batch) = self.in_flight.pop_front() else { return Ok(Output::default()) };
        if outcome == BatchOutcome::Committed {
            if let Some(last) = batch.last {
                self.core.settle(last, CommitOutcome::Committed);
            }
            return Ok(batch.into_output());
        }
        Ok(self.without_room(now, batch))
    }

    /// No room: everything in flight is undone and decided again by an engine that knows that nothing can be stored.
    /// Renewals get what is left of their leases, new clients get silence, INFORM goes on. What had run out, and names
    /// that were settled, come again once there is room.
    fn without_room(&mut self, now: Now, first: Batch) -> Output {
        self.storage_full = true;
        self.epoch += 1;
        self.core.settle(TransactionId(u64::MAX), CommitOutcome::Failed);
        self.core.set_storage_full(true);
        // The outcomes of the others in flight are still to come, and the committer refuses them by their epoch.
        self.abandoned += self.in_flight.len();
        let mut abandoned: Vec<Batch> = std::iter::once(first).chain(self.in_flight.drain(..)).collect();
        self.unsettled.extend(abandoned.iter_mut().flat_map(|batch| batch.settled.drain(..)));
        let mut again = Batch::default();
        for arrival in abandoned.iter().flat_map(|batch| &batch.arrivals) {
            let work = self.core.handle_message(now, &arrival.ingress(), &arrival.payload);
            if work.transaction.is_some() {
                // An engine that knows of the full store stores nothing; were it otherwise, silence is the safe answer.
                self.core.settle(TransactionId(u64::MAX), CommitOutcome::Failed);
                continue;
            }
            again.take(work, Some(arrival), &mut Vec::new(), &mut self.dropped);
        }
        again.into_output()
    }
}

#[cfg(test)]
mod tests;
