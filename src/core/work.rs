//! What follows from datagrams and from time: what is to be stored, sent and told.

use std::sync::Arc;

use ddns::reconcile::Reconciler;
use ddns::wanted::{NewName, WantedRow};
use dhcp::decision::{Events, LeaseEvent};
use dhcp::destination::Destination;
use dhcp::message::DropReason;
use dhcp::probing::ProbeNeeded;
use dhcp::reply::Reply;
use store::rows::Row;

use super::TransactionId;

/// What the DNS updater is told of one batch: the rows that want something else since.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NameEvent {
    /// New names. No row of `rows` that is about one of them is older.
    pub new: Vec<Arc<NewName>>,
    /// The other changed rows, as stored.
    pub rows: Vec<WantedRow>,
    /// Generations of those that an embedded zone holds already, ascending: they were stored with their leases.
    pub written: Vec<u64>,
}

impl NameEvent {
    /// Whether there is nothing to tell.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.new.is_empty() && self.rows.is_empty()
    }

    /// Whether an embedded zone holds all of it already, forward and reverse.
    #[must_use]
    pub fn is_written(&self) -> bool {
        let is_written = |generation: u64| self.written.binary_search(&generation).is_ok();
        self.new.iter().all(|new| is_written(new.generation) && is_written(new.reverse_generation()))
            && self.rows.iter().all(|row| is_written(row.generation))
    }

    /// Tells the updater's part that decides.
    pub fn tell(self, now: ddns::Now, reconciler: &mut Reconciler) {
        let Self { new, rows, written } = self;
        let is_written = |generation: u64| written.binary_search(&generation).is_ok();
        for new in new {
            let halves = [new.generation, new.reverse_generation()].map(is_written);
            reconciler.handle_new(now, &new, halves);
        }
        for row in rows {
            let is_written = is_written(row.generation);
            reconciler.handle_row(now, row, is_written);
        }
    }
}

/// All that follows from one datagram or one expiry. `events`, and a `reply` that is no OFFER, wait for the commit of
/// `rows`, and of everything decided before: an ACK that repeats an earlier one stores nothing and still stands on its
/// commit.
#[derive(Debug, Default)]
pub struct Work {
    /// Set when `rows` is not empty.
    pub transaction: Option<TransactionId>,
    /// To be stored all or none.
    pub rows: Vec<Row>,
    /// To be sent then.
    pub reply: Option<(Reply, Destination)>,
    /// What happened to leases, to be told then.
    pub events: Events,
    /// The rows that want something else since, for the updater.
    pub names: Vec<WantedRow>,
    /// The reply waits for this probe: the datagram is to be kept, and handed in again with what came of it.
    pub probe: Option<ProbeNeeded>,
    /// Why nothing is answered, when nothing is.
    pub dropped: Option<DropReason>,
}

/// A transaction of leases that change no name, or bring a new one, gets no further decision's once it has so many rows: each
/// by itself would cost the journal a frame, and all of a large batch would be lost together with a damaged one.
const PLAIN_ROWS_MAX: usize = 16;

/// What is to be stored of a batch.
#[derive(Debug, Default)]
pub struct Transactions {
    /// Each to be stored all or none, in this order.
    pub all: Vec<Vec<Row>>,
    /// The last one has nothing but leases that change no name, or bring a new one.
    last_is_plain: bool,
}

impl Transactions {
    /// One of its own.
    pub fn push(&mut self, rows: Vec<Row>) {
        self.all.push(rows);
        self.last_is_plain = false;
    }

    /// The one that leases which change no name, or bring a new one, are to be put into, all those of a decision with their
    /// names; `more` decisions may come.
    pub(super) fn plain(&mut self, more: usize) -> Option<&mut Vec<Row>> {
        let has_room = self.all.last().is_some_and(|last| last.len() < PLAIN_ROWS_MAX);
        if !(self.last_is_plain && has_room) {
            self.all.push(Vec::with_capacity(PLAIN_ROWS_MAX.min(1 + more)));
            self.last_is_plain = true;
        }
        self.all.last_mut()
    }
}

/// What follows from the datagrams of a batch, one after the other.
#[derive(Debug)]
pub struct Gathering<'b> {
    /// To be stored.
    pub transactions: &'b mut Transactions,
    /// How many datagrams of the batch are left.
    pub left: usize,
    /// What happened to leases, to be told once all of it is stored.
    pub events: &'b mut Vec<LeaseEvent>,
    /// What wants something else since, for the updater.
    pub names: &'b mut NameEvent,
}

/// The rest of [`Work`], of a datagram whose rows, events and reply were gathered.
#[derive(Clone, Copy, Debug)]
pub struct Gathered {
    /// See [`Work`].
    pub transaction: Option<TransactionId>,
    /// See [`Work`].
    pub probe: Option<ProbeNeeded>,
    /// See [`Work`].
    pub dropped: Option<DropReason>,
}
