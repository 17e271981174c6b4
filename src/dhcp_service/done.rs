//! What is done when a batch is committed: its events are published, its replies leave, and it is told to whoever listens.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use dhcp::decision::LeaseEvent;
use tracing::error;

use super::{BUFFER_BYTES_MAX, BUFFERS_KEPT_MAX, DhcpService, ServiceError};
use crate::committer::CommitResult;
use crate::core::NameEvent;
use crate::core::pipeline::{Arrival, BatchOutcome, Departure, Output};
use crate::counters::Counters;
use crate::dhcp_sockets::Outgoing;
use crate::lease_log;

impl DhcpService {
    pub(super) fn complete(&mut self, result: CommitResult) -> Result<(), ServiceError> {
        let outcome = match result {
            CommitResult::Committed => BatchOutcome::Committed,
            CommitResult::Failed => BatchOutcome::Failed,
            CommitResult::NoSpace => {
                if !self.pipeline.storage_full() {
                    error!(
                        "the lease store has no room: a renewal gets what is left of its lease, a new client no answer"
                    );
                }
                Counters::add(&self.counters.no_space, 1);
                // They may have been made upon what is undone now.
                self.delayed.clear();
                BatchOutcome::NoSpace
            }
        };
        let output = self.pipeline.complete(self.clock.now(), outcome)?;
        self.finish(output);
        Ok(())
    }

    /// Publishes what happened, and sends what waited for the commit. The events first: the updater is another thread,
    /// and while it wakes and signs its updates the replies leave.
    pub(super) fn finish(&mut self, output: Output) {
        let Output { departures, events, names, done, decided_at } = output;
        #[cfg(feature = "otel")]
        let stored = crate::telemetry::stored(&done, &events, &names);
        if !names.is_empty() {
            self.publish(names);
        }
        self.depart(departures);
        #[cfg(feature = "otel")]
        stored.into_iter().for_each(crate::telemetry::Stored::sent);
        self.keep_buffers(done);
        // The log last: nobody waits for it.
        for event in &events {
            self.log.event(event);
        }
        if !events.is_empty() {
            self.remember(events, decided_at);
        }
    }

    /// Leaves what happened for the history and the page: both read the same.
    fn remember(&self, mut events: Vec<LeaseEvent>, decided_at: u64) {
        // There may be room in it for many more, and it may wait for long.
        if events.capacity() > 2 * events.len() {
            events.shrink_to_fit();
        }
        let events = Arc::new(events);
        if let Some(history) = &self.history {
            history.push(self.clock.now().wall_secs, decided_at, &events);
        }
        if let Some(told) = &self.told {
            told.push(events);
        }
    }

    fn keep_buffers(&mut self, done: Vec<Arrival>) {
        let buffers = done.into_iter().map(|arrival| arrival.payload);
        let room = BUFFERS_KEPT_MAX.saturating_sub(self.buffers.len());
        self.buffers.extend(buffers.filter(|buffer| buffer.capacity() <= BUFFER_BYTES_MAX).take(room));
    }

    /// An event that does not fit into the channel is not lost: its rows are stored, and the updater reads them when it
    /// sees the flag.
    fn publish(&self, event: NameEvent) {
        if self.channels.events.try_send(event).is_err() {
            Counters::add(&self.counters.events_overflowed, 1);
            self.channels.overflowed.store(true, Ordering::Release);
            // The updater may have emptied the channel and looked at the flag in between. An event after the flag
            // wakes it; when there is no room for that, others wait there that do.
            drop(self.channels.events.try_send(NameEvent::default()));
        }
    }

    /// Sends what need not wait.
    pub(super) fn depart(&mut self, mut departures: Vec<Departure>) {
        if departures.iter().any(|departure| departure.reply.delay_ms > 0) {
            let now = self.clock.now().boot_ms;
            departures = departures.into_iter().filter_map(|departure| self.delayed.keep(now, departure)).collect();
        }
        self.send(&departures);
    }

    /// All of them together, so that those that go the same way leave by one system call.
    pub(super) fn send(&mut self, departures: &[Departure]) {
        self.payloads.clear();
        let mut ends = Vec::with_capacity(departures.len());
        for Departure { reply, .. } in departures {
            let left_out = reply.encode(&mut self.payloads);
            if !left_out.is_empty() {
                lease_log::left_out(reply, &left_out);
            }
            ends.push(self.payloads.len());
        }
        let mut rest = &self.payloads[..];
        let mut outgoing = Vec::with_capacity(departures.len());
        let mut start = 0;
        for (departure, end) in departures.iter().zip(ends) {
            let (payload, others) = rest.split_at(end - start);
            let Departure { link, destination, reply, .. } = departure;
            let source = departure.source().unwrap_or(reply.server_identifier);
            outgoing.push(Outgoing { payload, destination: *destination, interface: link.index, source });
            (rest, start) = (others, end);
        }
        self.sender.send(&outgoing);
        Counters::add(&self.counters.sent, departures.len());
    }
}
