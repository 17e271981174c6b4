//! A batch between its decision and its commit.

use ddns::reconcile::Feedback;
use dhcp::message::MessageType;
use dhcp::time::Now;
use store::rows::Row;

use super::{Arrival, Departure, Dropped, Output, TransactionId, Work};

/// What was decided together, and is done together once it is stored.
#[derive(Debug, Default)]
pub(super) struct Batch {
    /// The last of its transactions; `None` when it stores nothing.
    pub(super) last: Option<TransactionId>,
    pub(super) output: Output,
    /// What need not wait: an offer is no commitment, and a client that takes one which does not stand any more is
    /// refused, or not answered, as after a crash. Nothing is told of it.
    pub(super) offers: Output,
    /// What the rest was decided from.
    pub(super) arrivals: Vec<Arrival>,
    /// The settled names that it was decided from.
    pub(super) settled: Vec<Feedback>,
}

impl Batch {
    /// Decided now, with room for what as many datagrams lead to as a rule.
    pub(super) fn for_datagrams(count: usize, now: Now) -> Self {
        let (departures, events) = (Vec::with_capacity(count), Vec::with_capacity(count));
        let output = Output { departures, events, decided_at: now.wall_secs, ..Output::default() };
        Self { output, ..Self::default() }
    }

    /// Whether there is nothing in it but offers, which leave at once.
    pub(super) fn waits_for_nothing(&self) -> bool {
        let Output { departures, events, names, .. } = &self.output;
        let is_told = departures.is_empty() && events.is_empty() && names.is_empty();
        is_told && self.last.is_none() && self.arrivals.is_empty() && self.settled.is_empty()
    }

    pub(super) fn into_output(self) -> Output {
        Output { done: self.arrivals, ..self.output }.with(self.offers)
    }

    pub(super) fn take(
        &mut self,
        work: Work,
        arrival: Option<&Arrival>,
        transactions: &mut Vec<Vec<Row>>,
        dropped: &mut Vec<Dropped>,
    ) {
        if let Some(id) = work.transaction {
            self.last = Some(id);
            transactions.push(work.rows);
        }
        if let Some(arrival) = arrival {
            dropped.extend(work.dropped.map(|reason| Dropped::of(arrival, reason)));
            if let Some((reply, destination)) = work.reply {
                let is_offer = reply.message_type == MessageType::Offer;
                let output = if is_offer { &mut self.offers } else { &mut self.output };
                output.departures.push(Departure::answering(arrival, reply, destination));
            }
        }
        work.events.append_to(&mut self.output.events);
        self.output.names.rows.extend(work.names);
    }
}

impl Output {
    /// The same with these offers, behind.
    pub(super) fn with(mut self, offers: Self) -> Self {
        self.departures.extend(offers.departures);
        self.done.extend(offers.done);
        self
    }
}
