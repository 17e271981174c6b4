//! The core: engine, wanted names and their rows as one value, still without socket, disk or clock.
//!
//! The daemon and the simulation drive this same code. One datagram goes in, [`Work`] comes out: the rows of one
//! transaction (leases and the DNS work they cause), a reply that must wait for their commit, and events that must
//! wait for it too. [`Core::settle`] takes the outcome and undoes what was decided upon a failed one.
//!
//! Architecture Invariant: a lease's rows and the rows of its DNS work are in one transaction, always.

mod claims;
pub mod explain;
mod names;
mod outcomes;
mod pass;
pub mod pipeline;
mod work;

use std::collections::VecDeque;
use std::net::Ipv4Addr;
use std::sync::Arc;

use ddns::grant::Terms;
use ddns::wanted::{NewName, RowKey, Undo, WantedTable};
use dhcp::decision::{CommitOutcome, Decision, Ingress, LeaseEvent, Ticket};
use dhcp::destination::Destination;
use dhcp::engine::Engine;
use dhcp::lease::Lease;
use dhcp::probing::{ProbeId, ProbeOutcome};
use dhcp::reply::Reply;
use dhcp::time::Now;
use faults::{Fault, planted};
use store::rows::Row;

use claims::{Changes, ReservedNames};
use pass::Pass;

pub use names::CoreNames;
pub use outcomes::Outcomes;
pub use work::{Gathered, Gathering, NameEvent, Transactions, Work};

/// Names one transaction towards [`Core::settle`]. They settle in the order in which they were given out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TransactionId(pub u64);

/// What a failed commit has to undo.
#[derive(Debug)]
struct Pending {
    id: TransactionId,
    /// In the order in which they were decided.
    tickets: [Option<Ticket>; 2],
    undo: Undos,
}

/// What takes a transaction's names back, the oldest change first.
#[derive(Debug, Default)]
struct Undos {
    /// With which there are no others.
    new: Option<Arc<NewName>>,
    wanted: Vec<Undo>,
    numbers: Vec<ddns::suffixes::Undo>,
}

/// Engine, wanted names and what is between decision and disk.
#[derive(Debug)]
pub struct Core {
    engine: Engine,
    wanted: WantedTable,
    settings: Arc<ddns::settings::Settings>,
    pending: VecDeque<Pending>,
    next_transaction: u64,
    reserved: ReservedNames,
    pass: Option<Pass>,
    outcomes: Outcomes,
}

impl Core {
    /// A core over what the store held.
    #[must_use]
    pub fn new(
        dhcp: Arc<dhcp::settings::Settings>,
        ddns: Arc<ddns::settings::Settings>,
        leases: Vec<Lease>,
        wanted: WantedTable,
        now: Now,
    ) -> Self {
        Self::with_seed(dhcp, ddns, leases, wanted, now, 0)
    }

    /// The same with a seed that nobody else knows: see [`Engine::with_seed`].
    #[must_use]
    pub fn with_seed(
        dhcp: Arc<dhcp::settings::Settings>,
        ddns: Arc<ddns::settings::Settings>,
        leases: Vec<Lease>,
        wanted: WantedTable,
        now: Now,
        seed: u64,
    ) -> Self {
        Self::with_engine(Engine::with_seed(dhcp, leases, now, seed), ddns, wanted, now)
    }

    /// The same with an engine that was made while the store was read.
    #[must_use]
    pub fn with_engine(engine: Engine, ddns: Arc<ddns::settings::Settings>, wanted: WantedTable, now: Now) -> Self {
        let subnets = &engine.settings().subnets;
        let named = subnets.iter().flat_map(|subnet| &subnet.reservations).any(|one| one.hostname.is_some());
        let named = named || !ddns.hosts.is_empty() || !ddns.stated.is_empty() || wanted.stated().next().is_some();
        let pass = (engine.leases().len() > 0 || named).then(Pass::default);
        let mut outcomes = Outcomes::new(&ddns, now);
        outcomes.lingering = engine.lingering().collect();
        Self {
            engine,
            outcomes,
            wanted,
            settings: ddns,
            pending: VecDeque::new(),
            next_transaction: 0,
            reserved: ReservedNames::default(),
            pass,
        }
    }

    /// The engine, to be asked.
    #[must_use]
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// The settings of names that decide now.
    #[must_use]
    pub fn ddns_settings(&self) -> &Arc<ddns::settings::Settings> {
        &self.settings
    }

    /// The wanted names, to be asked.
    #[must_use]
    pub fn wanted(&self) -> &WantedTable {
        &self.wanted
    }

    /// Swaps the settings between two datagrams. `own` are the machine's own addresses, which are never leased. What is
    /// reserved, and what running leases are called, is brought in line by [`Core::handle_timeout`], a part a call.
    pub fn reconfigure(
        &mut self,
        dhcp: Arc<dhcp::settings::Settings>,
        ddns: Arc<ddns::settings::Settings>,
        own: Vec<Ipv4Addr>,
        now: Now,
    ) {
        self.engine.set_own_addresses(own);
        if *self.engine.settings() != dhcp || self.settings != ddns {
            let former = (Arc::clone(self.engine.settings()), std::mem::replace(&mut self.settings, ddns));
            self.pass = Some(Pass::after(self.pass.take(), former));
            self.reserved = ReservedNames::default();
        }
        self.engine.reconfigure(dhcp, now);
    }

    /// See [`Engine::set_devices`].
    pub fn set_devices(&mut self, devices: Arc<dhcp::devices::Devices>) {
        self.engine.set_devices(devices);
    }

    /// Tells the engine whether anything can be stored.
    pub fn set_storage_full(&mut self, full: bool) {
        self.engine.set_storage_full(full);
    }

    /// Stops expiry while the machine's clock is known to be wrong.
    pub fn pause_expiry(&mut self) {
        self.engine.pause_expiry();
        self.outcomes.paused = true;
    }

    /// The clock is right again: what was loaded from the store runs out by wall time.
    pub fn resume_expiry(&mut self, now: Now) {
        self.engine.resume_expiry(now);
        (self.outcomes.paused, self.outcomes.now) = (false, now);
    }

    /// Decides on one datagram.
    pub fn handle_message(&mut self, now: Now, ingress: &Ingress<'_>, datagram: &[u8]) -> Work {
        self.outcomes.now = now;
        let names = CoreNames::new(&self.wanted, &self.settings, &self.outcomes);
        let decision = self.engine.handle_message(now, ingress, datagram, &names);
        let terms = names.into_terms();
        self.work_of(decision, &terms)
    }

    /// The same for one datagram of a batch: what follows is put behind what followed from those before it, and nothing is
    /// moved twice. `reply` takes the reply.
    pub fn handle_one_of(
        &mut self,
        now: Now,
        ingress: &Ingress<'_>,
        datagram: &[u8],
        gathering: &mut Gathering<'_>,
        reply: impl FnOnce(Reply, Destination),
    ) -> Gathered {
        self.outcomes.now = now;
        let names = CoreNames::new(&self.wanted, &self.settings, &self.outcomes);
        let decision = self.engine.handle_message(now, ingress, datagram, &names);
        let terms = names.into_terms();
        let is_plain = self.outcomes.lingering.is_empty()
            && decision
                .events
                .iter()
                .all(|event| self.concerns_no_name(event, &terms) || (terms.is_empty() && self.keeps_its_name(event)));
        if is_plain {
            return self.gather_plain(decision, gathering, reply);
        }
        if terms.is_empty()
            && let [event] = &*decision.events
            && let Some(new) = self.take_in_new(event)
        {
            return self.gather_new(decision, new, gathering, reply);
        }
        let work = self.work_of(decision, &terms);
        if work.transaction.is_some() {
            gathering.transactions.push(work.rows);
        }
        work.events.append_to(gathering.events);
        gathering.names.rows.extend(work.names);
        if let Some((message, destination)) = work.reply {
            reply(message, destination);
        }
        Gathered { transaction: work.transaction, probe: work.probe, dropped: work.dropped }
    }

    /// What [`Core::work_of`] comes to where no name changes.
    fn gather_plain(
        &mut self,
        decision: Decision,
        gathering: &mut Gathering<'_>,
        reply: impl FnOnce(Reply, Destination),
    ) -> Gathered {
        let Decision { reply: replied, events, dropped, probe, ticket } = decision;
        let mut transaction = None;
        if !events.is_empty() {
            if let Some(rows) = gathering.transactions.plain(gathering.left) {
                rows.extend(events.iter().map(|event| Row::Lease(event.lease.clone())));
            }
            transaction = Some(self.open_pending([ticket, None], Undos::default()));
            events.append_to(gathering.events);
        }
        if let Some((message, destination)) = replied {
            reply(message, destination);
        }
        Gathered { transaction, probe, dropped }
    }

    /// What [`Core::work_of`] comes to where a lease brings a new name and its address, and nothing else changes.
    fn gather_new(
        &mut self,
        decision: Decision,
        new: NewName,
        gathering: &mut Gathering<'_>,
        reply: impl FnOnce(Reply, Destination),
    ) -> Gathered {
        let Decision { reply: replied, events, dropped, probe, ticket } = decision;
        let new = Arc::new(new);
        // Each brings two rows.
        if let Some(rows) = gathering.transactions.plain(2 * gathering.left + 1) {
            rows.extend(events.iter().map(|event| Row::Lease(event.lease.clone())));
            rows.push(Row::WantedNew(Arc::clone(&new)));
        }
        events.append_to(gathering.events);
        gathering.names.new.push(Arc::clone(&new));
        let transaction = Some(self.open_pending([ticket, None], Undos { new: Some(new), ..Undos::default() }));
        if let Some((message, destination)) = replied {
            reply(message, destination);
        }
        Gathered { transaction, probe, dropped }
    }

    /// Takes what came of a probe, with the datagram that waits for it; see [`Engine::handle_probe_result`].
    pub fn handle_probe_result(
        &mut self,
        now: Now,
        result: (ProbeId, ProbeOutcome),
        again: Option<(&Ingress<'_>, &[u8])>,
    ) -> Vec<Work> {
        self.outcomes.now = now;
        let names = CoreNames::new(&self.wanted, &self.settings, &self.outcomes);
        let decisions = self.engine.handle_probe_result(now, result, again, &names);
        let terms = names.into_terms();
        decisions.into_iter().map(|decision| self.work_of(decision, &terms)).collect()
    }

    /// Ends a lease because its operator says so; dropped where there is none.
    pub fn release(&mut self, now: Now, address: Ipv4Addr) -> Work {
        self.outcomes.now = now;
        let decision = self.engine.release_by_hand(now, address);
        self.work_of(decision, &[])
    }

    /// When [`Core::handle_timeout`] wants to be called next, in boot milliseconds.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<u64> {
        if self.pass.is_some() {
            return Some(0);
        }
        self.engine.poll_timeout().into_iter().chain(self.outcomes.poll_timeout()).min()
    }

    /// Ends what has run out, at most `most` leases a call; then, after a start or with new settings, looks at as many
    /// leases and reservations for names that are to be others now.
    pub fn handle_timeout(&mut self, now: Now, most: usize) -> Vec<Work> {
        self.outcomes.now = now;
        let decisions = self.engine.handle_timeout(now, most);
        let mut works: Vec<Work> = decisions.into_iter().map(|decision| self.work_of(decision, &[])).collect();
        works.extend(self.outcomes_due(now, most.saturating_sub(works.len())));
        let left = most.saturating_sub(works.len());
        works.extend(self.go_on(left));
        works
    }

    /// The updater confirmed that DNS holds what `generation` of `key` wanted. A row that wants nothing is then gone.
    pub fn handle_settled_name(&mut self, key: &RowKey, generation: u64) -> Work {
        if !self.outcomes.foreign.is_empty()
            && let (RowKey::Forward(name), Some(row)) = (key, self.wanted.get(key))
            && let Some(want) = row.want.as_ref().filter(|_| row.generation == generation)
        {
            self.outcomes.foreign.forget(name, &want.identity);
        }
        let Some(undo) = self.wanted.remove_settled(key, generation) else { return Work::default() };
        let undos = Undos { wanted: vec![undo], ..Undos::default() };
        self.transaction(vec![Row::WantedGone(key.clone())], [None; 2], undos)
    }

    /// Takes the outcomes of the oldest unsettled transactions, up to and with `last`. `Failed` undoes them and
    /// everything decided since, newest first, because the newer ones were decided upon the older ones.
    pub fn settle(&mut self, last: TransactionId, outcome: CommitOutcome) {
        match outcome {
            CommitOutcome::Committed => {
                while let Some(pending) = self.pending.pop_front_if(|pending| pending.id <= last) {
                    for ticket in pending.tickets.into_iter().flatten() {
                        self.engine.settle(ticket, CommitOutcome::Committed);
                    }
                }
            }
            failed => {
                // A name may be among what is undone.
                self.pass = Some(Pass::anew());
                while let Some(pending) = self.pending.pop_back() {
                    if let Some(new) = &pending.undo.new {
                        self.wanted.revert_new(new);
                    }
                    for undo in pending.undo.wanted.into_iter().rev() {
                        self.wanted.revert(undo);
                    }
                    for undo in pending.undo.numbers.into_iter().rev() {
                        self.outcomes.suffixes.revert(undo);
                    }
                    for ticket in pending.tickets.into_iter().rev().flatten() {
                        self.engine.settle(ticket, failed);
                    }
                }
                self.outcomes.lingering = self.engine.lingering().collect();
            }
        }
    }

    /// How many transactions wait for their commit.
    #[must_use]
    pub fn unsettled(&self) -> usize {
        self.pending.len()
    }

    fn work_of(&mut self, decision: Decision, terms: &[Terms]) -> Work {
        let Decision { reply, mut events, dropped, probe, ticket } = decision;
        let mut yielded = self.make_way(&events);
        let mut changes = Changes::default();
        if !yielded.events.is_empty() {
            yielded.events.extend(std::mem::take(&mut events));
            events = yielded.events;
        }
        for event in events.iter() {
            if self.concerns_no_name(event, terms) {
                self.outcomes.lingering.remove(&event.lease.address);
            } else {
                self.take_in(event, terms, &mut changes);
            }
        }
        let numbers = std::mem::take(&mut changes.numbers);
        let (wanted, undo) = changes.into_rows();
        let leases = events.iter().map(|event| Row::Lease(event.lease.clone()));
        let mut rows: Vec<Row> = Vec::with_capacity(leases.len() + numbers.len() + wanted.len());
        rows.extend(leases);
        rows.extend(numbers);
        if !planted(Fault::DnsRowDropped) {
            rows.extend(wanted.iter().cloned().map(Row::Wanted));
        }
        let transaction = self.open_transaction(&rows, [ticket, yielded.ticket], undo);
        Work { transaction, rows, reply, events, names: wanted, probe, dropped }
    }

    /// Whether nothing had a name before an event, and nothing has one by it: most leases, where names are off. It is then
    /// passed over by all that is done for names ([`Core::take_in`]).
    fn concerns_no_name(&self, event: &LeaseEvent, terms: &[Terms]) -> bool {
        let address = event.lease.address;
        terms.is_empty()
            && event.lease.name.is_none()
            && event.previous.as_ref().is_none_or(|former| former.name.is_none())
            && self.engine.reservation_of(address).is_none()
            && self.settings.hosts.at(address.into()).is_none()
            && (self.wanted.is_empty() || self.wanted.get(&RowKey::Reverse(address.into())).is_none())
    }

    fn transaction(&mut self, rows: Vec<Row>, tickets: [Option<Ticket>; 2], undo: Undos) -> Work {
        let transaction = self.open_transaction(&rows, tickets, undo);
        Work { transaction, rows, ..Work::default() }
    }

    /// A transaction of these rows; nothing for none.
    fn open_transaction(&mut self, rows: &[Row], tickets: [Option<Ticket>; 2], undo: Undos) -> Option<TransactionId> {
        (!rows.is_empty()).then(|| self.open_pending(tickets, undo))
    }

    fn open_pending(&mut self, tickets: [Option<Ticket>; 2], undo: Undos) -> TransactionId {
        let id = TransactionId(self.next_transaction);
        self.next_transaction += 1;
        self.pending.push_back(Pending { id, tickets, undo });
        id
    }
}

#[cfg(test)]
mod mend_tests;
#[cfg(test)]
mod probe_tests;
#[cfg(test)]
mod reload_tests;
#[cfg(test)]
mod rename_tests;
#[cfg(test)]
mod reserved_tests;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod told_tests;
