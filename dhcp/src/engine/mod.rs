//! The engine: a message in, a [`Decision`] out.

use std::sync::Arc;

use crate::decision::{CommitOutcome, Decision, Ingress, Ticket};
use crate::lease::Lease;
use crate::names::NameChooser;
use crate::settings::Settings;
use crate::time::Now;

/// The state of DHCPv4 service: leases, offers and free addresses. Decides, and does nothing.
#[derive(Debug)]
pub struct Engine {
    settings: Arc<Settings>,
}

impl Engine {
    /// An engine over `leases`, as they were stored.
    pub fn new(settings: Arc<Settings>, leases: impl IntoIterator<Item = Lease>, now: Now) -> Self {
        let _ = (leases, now);
        Self { settings }
    }

    /// Decides on one datagram. Its own memory changes at once (tentatively, until `settle`), so that two
    /// clients of one batch cannot get one address.
    pub fn handle_message(
        &mut self,
        now: Now,
        ingress: &Ingress<'_>,
        datagram: &[u8],
        names: &dyn NameChooser,
    ) -> Decision {
        let _ = (now, ingress, datagram, names, &self.settings);
        unimplemented!()
    }

    /// Takes the outcome of a decision's commit; `Failed` undoes it. Tickets settle in the order given out;
    /// after one failed, later ones that stand upon it must fail too.
    pub fn settle(&mut self, ticket: Ticket, outcome: CommitOutcome) {
        let _ = (ticket, outcome);
        unimplemented!()
    }

    /// When `handle_timeout` wants to be called next (boot milliseconds).
    #[must_use]
    pub fn poll_timeout(&self) -> Option<u64> {
        unimplemented!()
    }

    /// Expires what has run out, at most `most` leases a call (call again while it returns a full batch).
    pub fn handle_timeout(&mut self, now: Now, most: usize) -> Vec<Decision> {
        let _ = (now, most);
        unimplemented!()
    }
}
