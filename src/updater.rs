//! The updater: brings DNS to hold what is wanted. A task around a [`Reconciler`](ddns::reconcile::Reconciler), which decides everything.
//!
//! ```text
//! DHCP service ──events (rows)──▶ ┌─────────┐ ──Update──▶ UpdateClient ──▶ remote servers
//!        ◀──settled────────────── │ updater │ ──Update──▶ EmbeddedZones (a direct call)
//!        ◀──all wanted rows?───── └─────────┘ ──rows────▶ RowSink (confirmed rows, stored without a wait)
//! ```
//!
//! The channel of events is bounded and never waited for by its sender: an event that does not fit is dropped and a
//! flag raised, and the updater asks for all wanted rows. They are the truth; a row that it knows already changes
//! nothing. The same rows, read from the store, are what it begins with after a restart.
//!
//! Aborting the task at any point loses nothing: what was under way is sent again after the next start, and each update
//! is safe to repeat.

mod parts;
mod seeker;

use std::collections::{HashMap, HashSet, VecDeque};
use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use ddns::cuts::Cut;
use ddns::reconcile::{Effects, Feedback, News, Outcome, Send as Sending, SendTicket};
use ddns::settings::{Settings, ZoneRoute, ZoneServer};
use ddns::wanted::WantedRow;
use dns::{Fqdn, Rcode};
use store::rows::Row;
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, JoinSet};
use tracing::{debug, info, warn};

use crate::core::NameEvent;
use crate::ddns_client::UpdateClient;
use crate::ddns_client::cuts::Open;
use crate::ddns_client::discover::{PreflightReport, preflight};
use crate::departed_names;
use crate::explain::rows;
use crate::inheritor::Disputed;

pub use parts::{
    EmbeddedZones, Look, NameStatus, NewSettings, RowSink, Told, UpdaterChannels, UpdaterParts, UpdaterQuestion,
    WantedSource,
};
use seeker::Seeker;

/// Events taken in one go before updates are sent.
const EVENTS_PER_TURN: usize = 256;
/// Names found settled that wait for room in their channel. Beyond that they are settled after the next start.
const SETTLED_WAITING_MAX: usize = 262_144;
/// Reading all wanted rows holds the DHCP service up for a moment: under a load that overflows the channel again and
/// again, they are read no more often than this, in boot milliseconds.
const ASK_AGAIN_MS: u64 = 1_000;
/// How long an update of an embedded zone waits for company. A new name is there with its lease already, so that what
/// comes this way are confirmations, which nobody waits for, and removals. Without the pause they would run beside the
/// client's first question.
const EMBEDDED_PAUSE: Duration = Duration::from_millis(3);
/// How long news of names that are in DNS already wait for company: nothing has to be sent for them, and under a load they
/// come with each batch of leases, where waking for each costs more than what it tells.
const COMPANY: Duration = Duration::from_millis(4);
/// The longest sleep, when nothing is due.
const IDLE: Duration = Duration::from_secs(3_600);

/// See the module.
#[derive(Debug)]
pub struct Updater<W, S, Z> {
    parts: UpdaterParts<W, S, Z>,
    flights: JoinSet<Outcome>,
    tickets: HashMap<tokio::task::Id, SendTicket>,
    /// Of those that somebody wants to see a span of.
    #[cfg(feature = "otel")]
    attempts: HashMap<tokio::task::Id, crate::telemetry::Attempt>,
    /// All wanted rows, on their way.
    asked: Option<JoinHandle<Option<Vec<WantedRow>>>>,
    /// Boot milliseconds: not before this they are asked for again.
    ask_at: u64,
    settled: VecDeque<Feedback>,
    seeker: Seeker,
    /// The preflight of zones, told once for each.
    trial: JoinSet<()>,
    tried: HashSet<Fqdn>,
    told: Option<mpsc::Sender<Told>>,
    /// Whether the events taken last were of names in DNS already, all of them; none: there were none.
    only_written: Option<bool>,
}

impl<W: WantedSource, S: RowSink, Z: EmbeddedZones> Updater<W, S, Z> {
    /// An updater that is ready to run.
    #[must_use]
    pub fn new(parts: UpdaterParts<W, S, Z>) -> Self {
        let seeker = Seeker::new(&parts.settings);
        Self {
            parts,
            flights: JoinSet::new(),
            tickets: HashMap::new(),
            #[cfg(feature = "otel")]
            attempts: HashMap::new(),
            asked: None,
            ask_at: 0,
            settled: VecDeque::new(),
            seeker,
            trial: JoinSet::new(),
            tried: HashSet::new(),
            told: None,
            only_written: None,
        }
    }

    /// The same, also telling there what becomes of names. What does not fit is not told: it stands in the log.
    #[must_use]
    pub fn telling(mut self, told: Option<mpsc::Sender<Told>>) -> Self {
        self.told = told;
        self
    }

    /// Runs until the sender of events is gone.
    pub async fn run(mut self) {
        let settled_in = self.parts.channels.settled.clone();
        self.try_new_zones(&self.seeker.settings());
        loop {
            self.turn();
            let pause = self.pause();
            let waits = self.only_written.take() == Some(true);
            let pause = if waits { pause.min(COMPANY) } else { pause };
            tokio::select! {
                event = self.parts.channels.events.recv(), if !waits => match event {
                    Some(event) => self.take(event),
                    None => break,
                },
                Some(landed) = self.flights.join_next_with_id() => self.land(landed),
                rows = Self::arrived(&mut self.asked) => self.take_all(rows),
                answers = self.seeker.answered() => self.take_cuts(answers),
                Some(question) = self.parts.channels.questions.recv() => self.answer(question),
                room = settled_in.reserve(), if !self.settled.is_empty() => {
                    match (room, self.settled.pop_front()) {
                        (Ok(room), Some(settled)) => room.send(settled),
                        // Nobody takes them any more: the daemon is ending.
                        _ => break,
                    }
                }
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// Takes in what is there, sends what may be sent, and hands on what follows.
    fn turn(&mut self) {
        for _ in 0..EVENTS_PER_TURN {
            let Ok(event) = self.parts.channels.events.try_recv() else { break };
            self.take(event);
        }
        while let Some(landed) = self.flights.try_join_next_with_id() {
            self.land(landed);
        }
        // The flag is lowered before the rows are read: an overflow from now on raises it again.
        let may_ask = self.asked.is_none() && self.now().boot_ms >= self.ask_at;
        if may_ask && self.parts.channels.overflowed.swap(false, Ordering::AcqRel) {
            debug!("events overflowed: all wanted names are read again");
            let source = Arc::clone(&self.parts.wanted);
            self.asked = Some(tokio::spawn(async move { source.all().await }));
        }
        let now = self.now();
        self.seeker.ask(&self.parts.client, now.boot_ms);
        while let Some(sending) = self.parts.reconciler.poll_send(now) {
            self.dispatch(sending);
        }
        let effects = self.parts.reconciler.take_effects();
        if !effects.is_empty() {
            self.hand_on(effects);
        }
    }

    fn pause(&self) -> Duration {
        let boot_ms = self.now().boot_ms;
        let until = |due_ms: u64| Duration::from_millis(due_ms.saturating_sub(boot_ms));
        let asks = self.asked.is_none() && self.parts.channels.overflowed.load(Ordering::Acquire);
        let due = self.parts.reconciler.poll_timeout().into_iter().chain(asks.then_some(self.ask_at));
        let due = due.chain(self.seeker.due());
        due.min().map_or(IDLE, until).min(IDLE)
    }

    fn now(&self) -> ddns::Now {
        let now = self.parts.clock.now();
        ddns::Now { boot_ms: now.boot_ms, wall_secs: now.wall_secs }
    }

    fn take(&mut self, event: NameEvent) {
        let now = self.now();
        self.only_written = Some(self.only_written.unwrap_or(true) && event.is_written());
        event.tell(now, &mut self.parts.reconciler);
    }

    fn take_all(&mut self, rows: Option<Vec<WantedRow>>) {
        self.asked = None;
        let now = self.now();
        self.ask_at = now.boot_ms.saturating_add(ASK_AGAIN_MS);
        for row in rows.unwrap_or_default() {
            self.parts.reconciler.handle_wanted(now, row);
        }
    }

    async fn arrived(asked: &mut Option<JoinHandle<Option<Vec<WantedRow>>>>) -> Option<Vec<WantedRow>> {
        match asked {
            // A source that panicked knows nothing any more.
            Some(rows) => rows.await.unwrap_or_default(),
            None => pending().await,
        }
    }

    /// What servers said of their zones.
    fn take_cuts(&mut self, answers: Vec<(usize, Result<Cut, Open>)>) {
        let now = self.now();
        if self.seeker.take(now.boot_ms, answers) {
            self.rezone();
        }
    }

    /// Brings the names into the zones that are known now, and tries those that are new.
    fn rezone(&mut self) {
        let settings = self.seeker.settings();
        let now = self.now();
        let reconciler = std::mem::take(&mut self.parts.reconciler);
        self.parts.reconciler = reconciler.rezoned(Arc::clone(&settings), now);
        self.try_new_zones(&settings);
    }

    /// As a restart with these settings would have it, but for what is under way: it counts as a lost answer.
    fn reload(&mut self, new: NewSettings) {
        let NewSettings { settings, inheritor, published } = new;
        let now = self.now();
        self.seeker = Seeker::new(&settings);
        let first = if self.seeker.has_quests() { Arc::new(settings.unresolved()) } else { Arc::clone(&settings) };
        let reconciler = std::mem::take(&mut self.parts.reconciler);
        self.parts.reconciler = reconciler.reconfigured(first, now, |row, seen| {
            if let Some(want) = &row.want {
                departed_names::disprove_one(seen, &settings, want, &published);
            }
        });
        (self.parts.settings, self.parts.inheritor) = (settings, inheritor);
        self.try_new_zones(&self.seeker.settings());
    }

    fn try_new_zones(&mut self, settings: &Settings) {
        let fresh: Vec<_> =
            settings.zones.iter().filter(|zone| self.tried.insert(zone.apex.clone())).cloned().collect();
        if !fresh.is_empty() {
            self.trial.spawn(try_remote_zones(Arc::clone(&self.parts.client), fresh));
        }
    }

    fn dispatch(&mut self, sending: Sending) {
        let Sending { ticket, server, update } = sending;
        #[cfg(feature = "otel")]
        let attempt = crate::telemetry::attempt(self.parts.reconciler.rows_under_way(ticket), &server);
        let flight = match server {
            ZoneServer::Embedded => {
                let zones = Arc::clone(&self.parts.zones);
                self.flights.spawn(async move {
                    tokio::time::sleep(EMBEDDED_PAUSE).await;
                    Outcome::Answer(zones.update(update).await)
                })
            }
            ZoneServer::Remote { servers, auth } => {
                let client = Arc::clone(&self.parts.client);
                self.flights.spawn(async move {
                    let Some(server) = servers.first() else { return Outcome::Timeout };
                    client.send_as(*server, &auth, &update).await
                })
            }
        };
        #[cfg(feature = "otel")]
        attempt.into_iter().for_each(|attempt| _ = self.attempts.insert(flight.id(), attempt));
        self.tickets.insert(flight.id(), ticket);
    }

    fn land(&mut self, landed: Result<(tokio::task::Id, Outcome), tokio::task::JoinError>) {
        let (id, outcome) = match landed {
            Ok(landed) => landed,
            // A sender that panicked: what became of the update is not known, as with a lost answer.
            Err(error) => (error.id(), Outcome::BadAnswer),
        };
        #[cfg(feature = "otel")]
        self.attempts.remove(&id).into_iter().for_each(|attempt| attempt.ended(&outcome));
        if let Some(ticket) = self.tickets.remove(&id) {
            let now = self.now();
            if matches!(outcome, Outcome::Answer(Rcode::NOT_ZONE | Rcode::NOT_AUTH)) {
                self.seeker.doubt(now.boot_ms);
            }
            self.parts.reconciler.handle_outcome(now, ticket, outcome);
        }
    }

    fn hand_on(&mut self, mut effects: Effects) {
        if let Some(inheritor) = &self.parts.inheritor {
            // A former server's, perhaps: whoever has the lease hears of it only when it is not.
            let reconciler = &self.parts.reconciler;
            effects.foreign.retain(|(key, generation)| {
                let want = reconciler.row(key).and_then(|row| row.row.want.clone());
                let settings = reconciler.settings();
                let owner = settings.owner_of(key);
                let zone = settings.zone_index_of(&owner).map(|at| settings.zones[at].clone());
                let Some((want, zone)) = want.zip(zone) else { return true };
                let (key, generation) = (key.clone(), *generation);
                inheritor.try_send(Disputed { key, owner, generation, want, zone }).is_err()
            });
        }
        #[cfg(feature = "otel")]
        effects
            .confirmed
            .iter()
            .filter(|row| row.done && row.holds.is_some())
            .for_each(|row| crate::telemetry::published(&row.key));
        if let Some(told) = &self.told {
            let done = effects.confirmed.iter().filter(|row| row.done && row.holds.is_some());
            let done = done.map(|row| Told::Done(row.key.clone()));
            for one in done.chain(effects.news.iter().cloned().map(Told::News)) {
                drop(told.try_send(one));
            }
        }
        let settled = effects.take_feedback();
        let Effects { confirmed, gone, news, .. } = effects;
        let rows: Vec<Row> =
            confirmed.into_iter().map(Row::Confirmed).chain(gone.into_iter().map(Row::ConfirmedGone)).collect();
        if !rows.is_empty() {
            self.parts.sink.submit(rows);
        }
        for one in settled {
            self.feed_back(one);
        }
        for one in news {
            tell(&one);
        }
    }

    fn feed_back(&mut self, one: Feedback) {
        // In order: what waits goes first.
        let refused = if self.settled.is_empty() {
            self.parts.channels.settled.try_send(one).err().map(|error| match error {
                mpsc::error::TrySendError::Full(one) | mpsc::error::TrySendError::Closed(one) => one,
            })
        } else {
            Some(one)
        };
        if let Some(one) = refused
            && self.settled.len() < SETTLED_WAITING_MAX
        {
            self.settled.push_back(one);
        }
    }

    fn answer(&mut self, question: UpdaterQuestion) {
        // Whoever asked may have gone: then nobody misses the answer.
        match question {
            UpdaterQuestion::Servers(to) => drop(to.send(self.parts.reconciler.health(self.now()))),
            UpdaterQuestion::Settings(to) => drop(to.send(Arc::clone(self.parts.reconciler.settings()))),
            UpdaterQuestion::Audited(apex, to) => drop(to.send(self.parts.reconciler.audited(&apex).collect())),
            UpdaterQuestion::Mend(mends, to) => {
                let now = self.now();
                let mended = mends.into_iter().filter_map(|mend| self.parts.reconciler.mend(now, mend).then_some(()));
                _ = to.send(mended.count());
            }
            UpdaterQuestion::Foreign(key, generation) => self.feed_back(Feedback::Foreign(key, generation)),
            UpdaterQuestion::HeldBack(to) => drop(to.send(self.parts.reconciler.held_back())),
            UpdaterQuestion::ConfirmDeletions(zone, to) => {
                let now = self.now();
                _ = to.send(self.parts.reconciler.confirm_deletions(now, &zone));
            }
            UpdaterQuestion::TryNow(again, to) => {
                let now = self.now();
                _ = to.send(self.parts.reconciler.try_now(now, &again));
            }
            UpdaterQuestion::Resync(zone, to) => {
                let now = self.now();
                _ = to.send(self.parts.reconciler.resync(now, &zone));
            }
            UpdaterQuestion::Reload(new, to) => {
                self.reload(*new);
                _ = to.send(());
            }
            UpdaterQuestion::Names(to) => {
                let now = self.now();
                let names = self.parts.reconciler.rows().map(|row| NameStatus {
                    key: row.row.key.clone(),
                    want: row.row.want.clone(),
                    done: row.stage == ddns::reconcile::Stage::Done,
                    words: row.words(now),
                });
                drop(to.send(names.collect()));
            }
            UpdaterQuestion::Look(Look(look)) => look(&self.parts.reconciler, self.now()),
            UpdaterQuestion::Rows(keys, to) => {
                let _ = to.send(rows::facts_of(&self.parts.reconciler, &keys, self.now()));
            }
        }
    }
}

fn tell(news: &News) {
    if news.is_good() {
        info!("DNS: {news}");
    } else {
        warn!("DNS: {news}");
    }
}

/// Tells at the start what would keep updates from being made, rather than with the first name hours later.
async fn try_remote_zones(client: Arc<UpdateClient>, zones: Vec<ZoneRoute>) {
    for zone in &zones {
        let ZoneServer::Remote { servers, auth } = &zone.server else { continue };
        let Some(&server) = servers.first() else { continue };
        let result = preflight(&client, server, auth, &zone.apex).await;
        let report = PreflightReport { server, auth, apex: &zone.apex, result: &result };
        if result.is_ready() {
            info!("DNS: {report}");
        } else {
            warn!("DNS: {report}");
        }
    }
}

#[cfg(test)]
mod tests;
