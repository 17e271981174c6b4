//! The DHCP service: the loop between sockets, pipeline and committer.
//!
//! It only moves values: datagrams to [`Pipeline::decide`], transactions to the committer, outcomes to
//! [`Pipeline::complete`], replies to the sockets and events into the updater's channel. What may happen before what is
//! the pipeline's to decide. What the kernel holds is taken out of its queue before the next batch is decided, and waits
//! in the [`Intake`], where a crowd has an order. What is ready is taken in a fair order, so that a flood of datagrams
//! holds up neither expiry nor the question whether a full store has room again.

mod done;
mod look;
mod parts;
mod reload;

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use ddns::wanted::WantedRow;
use dhcp::lease::Lease;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, Sleep};
use tracing::{info, warn};
use web::Refusal;

use crate::clock::{Clock, GoesOn, Pause};
use crate::committer::{CommitResult, Lane, NotTaken, Submission};
use crate::core::pipeline::{Arrival, BATCHES_IN_FLIGHT_MAX, Departure, Link, Pipeline, Step};
use crate::counters::Counters;
use crate::delayed::Delayed;
use crate::devices::DeviceDesk;
use crate::dhcp_sockets::{BATCH_MAX, Batch, DhcpSender, DhcpSockets, InterfaceInfo};
use crate::history::HistoryFeed;
use crate::http::news::LeaseNews;
use crate::intake::Intake;
use crate::lease_log::LeaseLog;
use crate::prober::{ProbeResult, Prober};
use crate::quiet::Quiet;

pub use look::Look;
pub use parts::{Commit, Question, ReleaseGuard, Reload, ServiceChannels, ServiceError, Storing, ToRelease};

/// Leases ended in one go, so that a mass expiry does not hold up the clients.
const EXPIRIES_PER_TURN: usize = 256;
/// Names whose end is confirmed, taken in one go.
const SETTLED_PER_TURN: usize = 256;
/// Batches decided one after the other before all else is looked at again.
const TURNS_OF_A_CROWD: u32 = 8;
/// Datagrams' buffers that are kept for the next ones: those of the batches under way. What held a longer one is not.
const BUFFERS_KEPT_MAX: usize = (BATCHES_IN_FLIGHT_MAX + 1) * BATCH_MAX;
const BUFFER_BYTES_MAX: usize = 1_500;
/// Batches taken from the sockets before one is decided.
const RECEIVES_PER_TURN: usize = 16;
/// Interfaces whose values are kept ready; an interface that changes gets a new value.
const LINKS_KEPT_MAX: usize = 64;
/// How often a store without room is asked again, and the machine's clock is looked at while it is wrong, in boot
/// milliseconds.
const LOOK_AGAIN_MS: u64 = 1_000;
/// The longest sleep: a machine that was suspended notices then what has run out meanwhile.
const SLEEP_MAX: Duration = Duration::from_secs(30);

/// Takes batches as long as there are some, each of which tells how many of its messages found room. When none did, the
/// queues are full: more is only taken to be dropped, while those wait that are decided in that time. A queue that has
/// room yet keeps it going, since REQUESTs may stand behind a flood of DISCOVERs.
fn while_room(mut take: impl FnMut() -> Option<usize>) {
    for _ in 0..RECEIVES_PER_TURN {
        if take().is_none_or(|kept| kept == 0) {
            return;
        }
    }
}

/// See the module.
#[derive(Debug)]
pub struct DhcpService {
    sockets: DhcpSockets,
    sender: DhcpSender,
    /// What has arrived and is not decided yet.
    intake: Intake,
    crowded: Quiet,
    links: Vec<(Arc<InterfaceInfo>, Arc<Link>)>,
    pipeline: Pipeline,
    clock: Clock,
    storing: Storing,
    counters: Arc<Counters>,
    channels: ServiceChannels,
    // Unbounded in type only: at most one outcome for each of the few batches in flight.
    outcomes: (mpsc::UnboundedSender<CommitResult>, mpsc::UnboundedReceiver<CommitResult>),
    /// Who wants every committed row: answered when nothing is in flight.
    rows_wanted: Vec<oneshot::Sender<Vec<WantedRow>>>,
    /// Leases that are to end, and those that have, to be told when nothing is in flight.
    to_release: VecDeque<ToRelease>,
    released: Vec<(Lease, oneshot::Sender<Result<Lease, Refusal>>)>,
    /// Another configuration, taken when nothing is in flight.
    reloads: VecDeque<Reload>,
    /// The store without room was asked.
    room: Option<oneshot::Receiver<bool>>,
    expiry: Pause,
    /// Boot milliseconds: when a full store is asked again, or a wrong clock looked at.
    look_at: u64,
    stopping: bool,
    log: LeaseLog,
    prober: Prober,
    probe_results: Vec<ProbeResult>,
    /// Offers that are to let another server be first.
    delayed: Delayed,
    /// Replies of a batch as bytes, one after the other.
    payloads: Vec<u8>,
    /// Buffers for datagrams.
    buffers: Vec<Vec<u8>>,
    /// For the page.
    told: Option<Arc<LeaseNews>>,
    /// For the history of leases.
    history: Option<Arc<HistoryFeed>>,
    /// Takes those who wait for approval.
    devices: Option<Arc<DeviceDesk>>,
}

impl DhcpService {
    /// A service that is ready to run.
    #[must_use]
    pub fn new(
        sockets: DhcpSockets,
        pipeline: Pipeline,
        clock: Clock,
        storing: Storing,
        counters: Arc<Counters>,
        channels: ServiceChannels,
        log: LeaseLog,
    ) -> Self {
        let outcomes = mpsc::unbounded_channel();
        // Any number will do that another program is not likely to ask with.
        let prober = Prober::new(sockets.interfaces(), (clock.now().boot_ms & 0xffff) as u16 ^ 0x4c48);
        Self {
            sender: sockets.sender(),
            intake: Intake::default(),
            crowded: Quiet::default(),
            prober,
            probe_results: Vec::new(),
            sockets,
            links: Vec::new(),
            pipeline,
            clock,
            storing,
            counters,
            channels,
            outcomes,
            rows_wanted: Vec::new(),
            to_release: VecDeque::new(),
            released: Vec::new(),
            reloads: VecDeque::new(),
            room: None,
            expiry: Pause::No,
            look_at: 0,
            stopping: false,
            log,
            delayed: Delayed::default(),
            payloads: Vec::new(),
            buffers: Vec::new(),
            told: None,
            history: None,
            devices: None,
        }
    }

    /// The same, also telling what happens to leases there.
    #[must_use]
    pub fn telling(mut self, told: Option<Arc<LeaseNews>>) -> Self {
        self.told = told;
        self
    }

    /// The same, also leaving what happens to leases for their history.
    #[must_use]
    pub fn remembering(mut self, history: Option<Arc<HistoryFeed>>) -> Self {
        self.history = history;
        self
    }

    /// The same, also telling who waits for approval.
    #[must_use]
    pub fn admitting(mut self, devices: Arc<DeviceDesk>) -> Self {
        self.devices = Some(devices);
        self
    }

    /// Serves until told to stop.
    ///
    /// # Errors
    /// When the store failed: whoever runs the service opens the store anew and makes another.
    pub async fn run(mut self) -> Result<(), ServiceError> {
        let mut settled = Vec::new();
        let mut received = Batch::new();
        let alarm = tokio::time::sleep(SLEEP_MAX);
        tokio::pin!(alarm);
        let mut turns = 0;
        self.begin_expiry();
        loop {
            // First, since they make room for all else.
            while let Ok(result) = self.outcomes.1.try_recv() {
                self.complete(result)?;
            }
            if self.pipeline.is_idle() {
                self.tell_wanted_rows();
                self.tell_released();
                while let Some(reload) = self.reloads.pop_front() {
                    self.reload(reload, &mut received).await;
                }
            }
            if self.stopping && self.pipeline.is_idle() {
                return Ok(());
            }
            if self.pipeline.has_room() && !self.stopping {
                self.end_leases().await?;
            }
            let is_asked = !(self.rows_wanted.is_empty() && self.released.is_empty() && self.reloads.is_empty());
            let room = self.pipeline.has_room() && !self.stopping && !is_asked;
            self.drain_sockets(&mut received);
            let deciding = room && !self.intake.is_empty();
            if deciding && turns < TURNS_OF_A_CROWD {
                turns += 1;
                self.decide().await?;
                continue;
            }
            turns = 0;
            let settling = room && !self.pipeline.storage_full();
            let due = self.due_in();
            set(alarm.as_mut(), due);
            tokio::select! {
                Some(result) = self.outcomes.1.recv() => self.complete(result)?,
                Some(question) = self.channels.questions.recv() => self.answer(question),
                has_room = asked(&mut self.room) => self.take_room(has_room),
                () = self.sockets.receive(&mut received), if !self.stopping => { self.take_in(&received); }
                () = std::future::ready(()), if deciding => {}
                1.. = self.channels.settled.recv_many(&mut settled, SETTLED_PER_TURN), if settling => {
                    let step = self.pipeline.settle_names(&settled);
                    settled.clear();
                    self.step(step).await?;
                }
                () = self.prober.heard(&mut self.probe_results), if room => self.take_probe_results().await?,
                () = ring(due, alarm.as_mut()), if room => self.turn().await?,
            }
        }
    }

    /// Takes what the kernel holds, so that its queue does not run over while a crowd is decided.
    fn drain_sockets(&mut self, received: &mut Batch) {
        while_room(|| (!self.stopping && self.sockets.try_receive(received)).then(|| self.take_in(received)));
    }

    /// Owned copies: what cannot be decided now waits, and a batch that finds no room is decided again. How many there was
    /// room for.
    fn take_in(&mut self, received: &Batch) -> usize {
        let before = self.intake.counts();
        let mut kept = 0;
        for datagram in received.iter() {
            #[cfg(feature = "otel")]
            crate::telemetry::arrived(datagram.payload);
            let mut payload = self.buffers.pop().unwrap_or_default();
            payload.clear();
            payload.extend_from_slice(datagram.payload);
            let arrival = Arrival {
                link: self.link_of(datagram.interface),
                source: datagram.source,
                destination: datagram.destination,
                payload,
            };
            kept += usize::from(self.intake.put(arrival));
        }
        Counters::add(&self.counters.received, received.len());
        let counts = self.intake.counts();
        if counts != before {
            let more = |now: u64, before: u64| usize::try_from(now - before).unwrap_or(usize::MAX);
            Counters::add(&self.counters.repeated, more(counts.repeated, before.repeated));
            Counters::add(&self.counters.crowded_out, more(counts.crowded_out, before.crowded_out));
            if counts.crowded_out > before.crowded_out
                && let Some(kept_back) = self.crowded.may_tell()
            {
                warn!("more DHCP messages wait than may: some were dropped, and their clients ask again{kept_back}");
            }
        }
        kept
    }

    /// Decides on those whose turn it is.
    async fn decide(&mut self) -> Result<(), ServiceError> {
        let arrivals = self.intake.take(BATCH_MAX);
        #[cfg(feature = "otel")]
        crate::telemetry::deciding(&arrivals);
        let alone = arrivals.len() == 1 && self.intake.is_empty() && self.pipeline.is_idle();
        let step = self.pipeline.decide(self.clock.now(), arrivals);
        self.step_on(step, alone).await
    }

    /// How long until [`DhcpService::turn`] has something to do.
    fn due_in(&self) -> Duration {
        let looking = self.expiry != Pause::No || (self.pipeline.storage_full() && self.room.is_none());
        let due = self.pipeline.poll_timeout().into_iter().chain(looking.then_some(self.look_at));
        let due = due.chain(self.delayed.next_due()).min();
        let until = |at: u64| Duration::from_millis(at.saturating_sub(self.clock.now().boot_ms));
        due.map_or(SLEEP_MAX, until).min(SLEEP_MAX)
    }

    /// Time has passed: send what was delayed, expire leases, ask whether a full store has room again, look at a clock that was wrong.
    async fn turn(&mut self) -> Result<(), ServiceError> {
        let now = self.clock.now();
        let due: Vec<Departure> = std::iter::from_fn(|| self.delayed.take_due(now.boot_ms)).collect();
        self.send(&due);
        if now.boot_ms >= self.look_at {
            self.look_at = now.boot_ms.saturating_add(LOOK_AGAIN_MS);
            if let Some(why) = self.expiry.look(&self.clock) {
                self.resume_expiry(why);
            }
            if self.pipeline.storage_full() && self.room.is_none() {
                self.room = self.storing.committer.ask_for_room();
            }
        }
        // What was heard in time counts, also when nobody had the time to take it.
        self.prober.try_heard(&mut self.probe_results);
        self.forget_idle_results();
        if !self.probe_results.is_empty() {
            return self.take_probe_results().await;
        }
        if self.pipeline.poll_timeout().is_none_or(|at| at > now.boot_ms) {
            return Ok(());
        }
        let step = self.pipeline.expire(now, EXPIRIES_PER_TURN);
        self.step(step).await
    }

    /// Forgets what ends no probe: answers that repeat, or come too late. Whoever floods a link with them would else
    /// keep [`DhcpService::turn`] from all that waits for time to pass.
    fn forget_idle_results(&mut self) {
        let engine = self.pipeline.core().engine();
        self.probe_results.retain(|(id, outcome)| engine.takes_probe_result(*id, *outcome));
    }

    async fn take_probe_results(&mut self) -> Result<(), ServiceError> {
        self.forget_idle_results();
        if self.probe_results.is_empty() {
            return Ok(());
        }
        let step = self.pipeline.take_probe_results(self.clock.now(), &self.probe_results);
        self.probe_results.clear();
        self.step(step).await
    }

    fn begin_expiry(&mut self) {
        self.expiry = Pause::at_start(&self.clock);
        if self.expiry != Pause::No {
            warn!(
                "the machine's clock is in the past, so that it cannot tell which leases have run out: none expires \
                 until it is set"
            );
            self.pipeline.pause_expiry();
        }
    }

    fn resume_expiry(&mut self, why: GoesOn) {
        match why {
            GoesOn::ClockIsRight => info!("the machine's clock is set: leases expire from now on"),
            GoesOn::WaitedLongEnough => warn!(
                "the machine's clock is still in the past: leases expire from now on by the time that passes, later \
                 than they should"
            ),
        }
        self.pipeline.resume_expiry(self.clock.now());
    }

    fn take_room(&mut self, has_room: bool) {
        self.room = None;
        if has_room && self.pipeline.storage_full() {
            info!("the lease store has room again: leases are given as before");
            self.pipeline.room_again();
        }
    }

    async fn step(&mut self, step: Step) -> Result<(), ServiceError> {
        self.step_on(step, false).await
    }

    /// Does what a step asks for. What is `alone`, with nothing before it and nobody waiting, may be committed at once: then
    /// no thread has to be woken, and whoever comes meanwhile waits for one sync.
    async fn step_on(&mut self, step: Step, alone: bool) -> Result<(), ServiceError> {
        for dropped in self.pipeline.take_dropped() {
            self.counters.dropped(dropped.reason);
            if let Some(devices) = &self.devices {
                devices.note(&dropped, self.clock.now().wall_secs);
            }
            self.log.dropped(&dropped);
        }
        for probe in self.pipeline.take_probes() {
            self.prober.ask(&probe);
        }
        self.log.tell_unlimited(self.pipeline.unlimited());
        self.log.tell_unnumbered(self.pipeline.unnumbered());
        match step {
            Step::Finish(output) => self.finish(output),
            Step::Submit(transactions, early) => {
                Counters::add(&self.counters.submitted, transactions.len());
                let outcomes = self.outcomes.0.clone();
                let submission = Submission {
                    lane: Lane::Dhcp,
                    epoch: self.pipeline.epoch(),
                    zones_epoch: None,
                    stamp: self.clock.now().wall_secs,
                    transactions,
                    // The receiver is gone only when the service is, and then nobody waits for the outcome.
                    done: Box::new(move |result| _ = outcomes.send(result)),
                };
                let storing = &self.storing;
                match storing.zones.submit_leases(&storing.ddns, submission, alone) {
                    Ok(written) => self.pipeline.names_written(written),
                    Err(NotTaken(submission)) => {
                        storing.committer.submit(submission).await.map_err(|_| ServiceError::CommitterGone)?;
                    }
                }
                // Now that the disk has its work.
                self.finish(early);
            }
        }
        Ok(())
    }

    fn link_of(&mut self, info: &Arc<InterfaceInfo>) -> Arc<Link> {
        if let Some((_, link)) = self.links.iter().find(|(known, _)| Arc::ptr_eq(known, info)) {
            return Arc::clone(link);
        }
        if self.links.len() >= LINKS_KEPT_MAX {
            self.links.clear();
        }
        let link = Link { name: info.name.clone(), index: info.index, addresses: info.addresses.clone() };
        let link = Arc::new(link);
        self.links.push((Arc::clone(info), Arc::clone(&link)));
        link
    }

    /// While nothing is in flight every row is committed.
    fn tell_wanted_rows(&mut self) {
        for to in self.rows_wanted.drain(..) {
            // Whoever asked may have gone.
            drop(to.send(self.pipeline.core().wanted().iter().collect()));
        }
    }

    fn answer(&mut self, question: Question) {
        match question {
            // Whoever asked may have gone: then nobody misses the answer.
            Question::Leases(to) => drop(to.send(self.pipeline.core().engine().leases().collect())),
            Question::LeasesAt(addresses, to) => {
                let engine = self.pipeline.core().engine();
                drop(to.send(addresses.into_iter().filter_map(|address| engine.lease(address)).collect()));
            }
            Question::LeasesPage(query, after, most, to) => {
                let now = self.clock.now();
                drop(to.send((self.pipeline.core().engine().leases_page(now, &query, after, most), now.wall_secs)));
            }
            Question::Explain(subject, to) => drop(to.send(self.pipeline.core().explain(&subject))),
            Question::Wanted(to) => self.rows_wanted.push(to),
            Question::Status(to) => {
                let subnets = self.pipeline.core().engine().subnet_counts().collect();
                drop(to.send((self.pipeline.storage_full(), subnets)));
            }
            Question::Look(look) => look.at(self.pipeline.core(), self.clock.now()),
            Question::Reconfigure(settings, own) => {
                let ddns = Arc::clone(&self.storing.ddns);
                self.pipeline.reconfigure(settings, ddns, own, self.clock.now());
            }
            Question::Release(release) => self.to_release.push_back(release),
            Question::Reload(reload) => self.reloads.push_back(*reload),
            Question::Devices(devices) => self.pipeline.set_devices(devices),
            Question::Stop => self.stopping = true,
        }
    }
}

/// The answer of a store that was asked for room; waits for ever when it was not.
async fn asked(room: &mut Option<oneshot::Receiver<bool>>) -> bool {
    match room {
        // A committer that has ended has none.
        Some(answer) => answer.await.unwrap_or(false),
        None => std::future::pending().await,
    }
}

/// Sets the alarm when it would ring too late. One that rings early costs a look, and setting it for each batch more.
fn set(mut alarm: Pin<&mut Sleep>, due: Duration) {
    let at = Instant::now() + due;
    if at < alarm.deadline() || alarm.is_elapsed() {
        alarm.as_mut().reset(at);
    }
}

/// Ready at once for nothing: whatever is due now does not wait until the runtime looks at its clock.
async fn ring(due: Duration, alarm: Pin<&mut Sleep>) {
    if !due.is_zero() {
        alarm.await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_more_is_taken_from_the_sockets_when_the_queues_are_full() {
        let taken = |batches: &[Option<usize>]| {
            let mut calls = 0;
            while_room(|| {
                calls += 1;
                batches.get(calls - 1).copied().unwrap_or(Some(BATCH_MAX))
            });
            calls
        };
        assert_eq!(taken(&[]), RECEIVES_PER_TURN);
        assert_eq!(taken(&[Some(64), Some(1), Some(0)]), 3);
        assert_eq!(taken(&[Some(64), None]), 2);
    }
}
