//! Zones that are copies of other servers': asked for, transferred, stored and served, and out of service when they expire.
//!
//! When whom is asked what is a value ([`zones::intake::Follower`]); so is what a transfer brings. Here are the sockets, the
//! clock and the store: `ask` (a primary's serial), `fetch` (a transfer), [`load`] (what was stored of the copies), and the
//! one task that joins them. Questions and transfers are tasks of their own, bounded in number; nothing waits for them.
//!
//! Architecture Invariant: a transferred zone is stored before it is served, all of it or nothing.

mod ask;
mod fetch;
pub mod load;
mod show;

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use config::settings::{DnsSettings, SecondaryZone};
use dns::{Fqdn, RecordType};
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::sleep;
use tracing::{error, info, warn};
use zones::intake::{Action, Failure, Fetched, Follower, Incoming, Taken, Wanted, take};
use zones::{Unavailable, Zone, ZoneSet, zone_id};

use self::load::StoredCopy;
use crate::clock::Clock;
use crate::control::ZoneCopyView;
use crate::dns_server::{Board, Notice};
use crate::zone_keeper::ZoneKeeper;

/// Transfers at once: each may hold as much as a zone's limits say.
const TRANSFERS_MAX: usize = 4;
/// Questions for a serial at once.
const QUESTIONS_MAX: usize = 32;
/// That a copy is fresh is stored anew when so many seconds have passed, or an eighth of the time until it expires.
const STORE_SECS: u64 = 300;
/// How long whoever gave an order waits for what became of it.
const ORDER_WAIT: Duration = Duration::from_secs(60);

/// What commands ask.
#[derive(Debug)]
pub enum IntakeQuestion {
    /// How every copy stands.
    Standings(oneshot::Sender<Vec<ZoneCopyView>>),
    /// Ask the primaries of this zone now, and tell what became of it.
    Refresh {
        /// The apex.
        zone: Fqdn,
        /// Take it whole, whatever its serial is.
        whole: bool,
        /// Takes how it stands then; or why nothing is asked, in words.
        to: oneshot::Sender<Result<ZoneCopyView, String>>,
    },
}

/// What a task found out.
enum Outcome {
    Serial(Result<u32, Failure>),
    Fetched(Result<(Fetched, Option<Zone>), Failure>),
}

/// One zone that is followed.
struct Followed {
    settings: Arc<SecondaryZone>,
    follower: Follower,
    /// The copy as it is stored.
    zone: Option<Zone>,
    /// Whether it is answered from.
    served: bool,
    /// When the store was told last that it is fresh, in UTC seconds.
    stored_at: u64,
    /// What was told last of what went wrong, by the places of the primaries.
    told: BTreeMap<usize, String>,
    /// Who waits for the end of the round that was ordered; true: for the one behind the one under way.
    ordered: Vec<(bool, oneshot::Sender<Result<ZoneCopyView, String>>)>,
}

/// Follows the primaries of all copies.
pub struct Intake {
    keeper: Arc<ZoneKeeper>,
    clock: Clock,
    board: Arc<Board>,
    questions: mpsc::Receiver<IntakeQuestion>,
    zones: Vec<Followed>,
    jobs: JoinSet<(usize, Outcome)>,
    transfers: Arc<Semaphore>,
    asking: Arc<Semaphore>,
}

/// Copies as they were loaded, until there is a keeper.
pub struct Copies {
    followed: Vec<Followed>,
    /// Of which zones what is stored that counts for nothing.
    strewn: HashMap<Fqdn, Vec<(Fqdn, RecordType)>>,
}

impl Copies {
    /// The copies of the configuration, with what is stored of them; each is put into `zones`, to be served or withheld.
    #[must_use]
    pub fn new(
        settings: &DnsSettings,
        mut loaded: BTreeMap<Fqdn, StoredCopy>,
        zones: &mut ZoneSet,
        clock: &Clock,
    ) -> Self {
        let (now, mut strewn) = (clock.now(), HashMap::new());
        let followed = settings.secondary.iter().map(|settings| {
            let stored = match loaded.remove(&settings.sight.id) {
                Some(StoredCopy::Whole(zone, checked_at)) => Some((zone, checked_at)),
                Some(StoredCopy::Strewn(sets)) => {
                    strewn.insert(settings.sight.id.clone(), sets);
                    None
                }
                None => None,
            };
            let soa = stored.as_ref().map(|(zone, at)| (zone.soa().0, now.wall_secs.saturating_sub(*at)));
            let loaded = soa.as_ref().map(|(soa, age_secs)| (soa, *age_secs));
            let follower = Follower::new(settings.primaries.len(), loaded, now.boot_ms);
            let served = stored.is_some() && !follower.is_expired();
            match &stored {
                Some((zone, _)) if served => zones.insert(zone.clone()),
                Some(_) => zones.withhold(&settings.sight.id, Unavailable::Expired),
                None => zones.withhold(&settings.sight.id, Unavailable::NotLoaded),
            }
            let (zone, stored_at) = stored.map_or((None, 0), |(zone, at)| (Some(zone), at));
            let settings = Arc::new(settings.clone());
            Followed { settings, follower, zone, served, stored_at, told: BTreeMap::new(), ordered: Vec::new() }
        });
        Self { followed: followed.collect(), strewn }
    }
}

impl Intake {
    /// Follows the primaries of `copies`; nothing is asked before [`Intake::run`].
    #[must_use]
    pub fn new(
        copies: Copies,
        keeper: Arc<ZoneKeeper>,
        clock: Clock,
        board: Arc<Board>,
        questions: mpsc::Receiver<IntakeQuestion>,
    ) -> Self {
        keeper.know_strewn(copies.strewn);
        Self {
            keeper,
            clock,
            board,
            questions,
            zones: copies.followed,
            jobs: JoinSet::new(),
            transfers: Arc::new(Semaphore::new(TRANSFERS_MAX)),
            asking: Arc::new(Semaphore::new(QUESTIONS_MAX)),
        }
    }

    /// Never ends, unless a task of it panics.
    pub async fn run(mut self) {
        for followed in &self.zones {
            followed.tell_start();
        }
        let board = Arc::clone(&self.board);
        loop {
            let now = self.now_ms();
            let next = self.zones.iter().filter_map(|followed| followed.follower.poll_timeout()).min();
            let wait = Duration::from_millis(next.map_or(60_000, |at| at.saturating_sub(now)));
            tokio::select! {
                () = sleep(wait) => {}
                Some(done) = self.jobs.join_next() => match done {
                    Ok((at, outcome)) => self.heard(at, outcome).await,
                    // The zone would wait for it for ever: the daemon is started anew.
                    Err(error) => {
                        error!("a task of a zone's transfer ended: {error}");
                        return;
                    }
                },
                notices = board.take() => self.noticed(notices),
                Some(question) = self.questions.recv() => self.answer(question),
            }
            self.go_on().await;
        }
    }

    fn now_ms(&self) -> u64 {
        self.clock.now().boot_ms
    }

    /// Begins whatever is due, and puts copies out of service that have expired.
    async fn go_on(&mut self) {
        let now = self.now_ms();
        for at in 0..self.zones.len() {
            let action = self.zones[at].follower.due(now);
            self.zones[at].follow_expiry(&self.keeper).await;
            if let Some(action) = action {
                self.begin(at, action);
            }
        }
    }

    fn begin(&mut self, at: usize, action: Action) {
        let Followed { settings, zone, .. } = &self.zones[at];
        let settings = Arc::clone(settings);
        match action {
            Action::AskSerial { primary } => {
                let slots = Arc::clone(&self.asking);
                self.jobs.spawn(async move {
                    let _slot = slots.acquire_owned().await;
                    (at, Outcome::Serial(ask::serial_of(&settings.primaries[primary], &settings.apex).await))
                });
            }
            Action::Fetch { primary, wanted } => {
                let (slots, keeper, before) = (Arc::clone(&self.transfers), Arc::clone(&self.keeper), zone.clone());
                let clock = self.clock.clone();
                self.jobs.spawn(async move {
                    let _slot = slots.acquire_owned().await;
                    (at, Outcome::Fetched(fetch(&settings, primary, wanted, before, &keeper, &clock).await))
                });
            }
        }
    }

    async fn heard(&mut self, at: usize, outcome: Outcome) {
        let (now, random) = (self.clock.now(), random());
        let followed = &mut self.zones[at];
        let next = match outcome {
            Outcome::Serial(outcome) => followed.follower.heard_serial(now.boot_ms, random, outcome),
            Outcome::Fetched(Ok((fetched, zone))) => {
                if let Some(zone) = zone {
                    followed.took(zone, now.wall_secs);
                }
                followed.follower.fetched(now.boot_ms, random, Ok(fetched))
            }
            Outcome::Fetched(Err(failure)) => followed.follower.fetched(now.boot_ms, random, Err(failure)),
        };
        followed.follow_expiry(&self.keeper).await;
        followed.follow_freshness(&self.keeper, now.wall_secs, now.boot_ms);
        followed.tell_trouble();
        match next {
            Some(action) => self.begin(at, action),
            None => self.round_ended(at),
        }
    }

    /// Tells those who wait for it.
    fn round_ended(&mut self, at: usize) {
        let view = show::view(&self.zones[at], &self.clock);
        let ordered = std::mem::take(&mut self.zones[at].ordered);
        for (later, to) in ordered {
            match later {
                true => self.zones[at].ordered.push((false, to)),
                // Whoever asked may have gone.
                false => _ = to.send(Ok(view.clone())),
            }
        }
    }

    fn noticed(&mut self, notices: BTreeMap<Fqdn, Notice>) {
        let now = self.now_ms();
        for (zone, Notice { source, serial }) in notices {
            let Some(followed) = self.zones.iter_mut().find(|followed| followed.settings.sight.id == zone) else {
                continue;
            };
            let at = |address: IpAddr| address.to_canonical() == source;
            let primary = followed.settings.primaries.iter().position(|primary| at(primary.address.ip()));
            followed.follower.notified(now, primary, serial);
        }
    }

    fn answer(&mut self, question: IntakeQuestion) {
        match question {
            IntakeQuestion::Standings(to) => {
                // Whoever asked may have gone.
                _ = to.send(self.zones.iter().map(|followed| show::view(followed, &self.clock)).collect());
            }
            IntakeQuestion::Refresh { zone, whole, to } => {
                let now = self.now_ms();
                // By the apex alone where that says which one.
                let one_of = |zones: &[Followed]| {
                    let with_apex = zones.iter().filter(|followed| followed.settings.apex == zone).count();
                    let is_it = |followed: &Followed| {
                        followed.settings.sight.id == zone || (followed.settings.apex == zone && with_apex == 1)
                    };
                    zones.iter().position(is_it)
                };
                let Some(followed) = one_of(&self.zones).and_then(|at| self.zones.get_mut(at)) else {
                    let known = self.zones.iter().map(|followed| followed.settings.sight.id.to_string());
                    let known: Vec<String> = known.collect();
                    let known = if known.is_empty() { "none is".to_owned() } else { known.join(", ") };
                    _ = to.send(Err(format!(
                        "the zone {zone} is not a copy of another server's here; of those: {known}"
                    )));
                    return;
                };
                let under_way = followed.follower.standing().next_ms.is_none();
                followed.follower.ask_now(now, whole);
                followed.ordered.retain(|(_, to)| !to.is_closed());
                followed.ordered.push((under_way, to));
            }
        }
    }
}

impl Followed {
    /// This zone is stored now; see `fetch`.
    fn took(&mut self, zone: Zone, wall_secs: u64) {
        // The first one is served by being stored. A former copy may have expired since, and been put out of service
        // together with this one: `follow_expiry` shows it then.
        self.served |= self.zone.is_none();
        (self.zone, self.stored_at) = (Some(zone), wall_secs);
    }

    async fn follow_expiry(&mut self, keeper: &ZoneKeeper) {
        let apex = zone_id::words(&self.settings.sight.id);
        let Some(zone) = &self.zone else { return };
        match (self.served, self.follower.is_expired()) {
            (true, true) => {
                keeper.withhold(&self.settings.sight.id, Unavailable::Expired).await;
                self.served = false;
                warn!(
                    "zone {apex} has expired: no primary was heard of it for longer than its SOA record allows; it is \
                     answered with SERVFAIL until one is"
                );
            }
            (false, false) => {
                keeper.show(zone).await;
                self.served = true;
                info!("zone {apex}, serial {}, is answered from again", zone.serial());
            }
            _ => {}
        }
    }

    /// Stores that the copy is fresh, now and then.
    fn follow_freshness(&mut self, keeper: &ZoneKeeper, wall_secs: u64, boot_ms: u64) {
        let (Some(checked_ms), Some(zone)) = (self.follower.checked_ms(), &self.zone) else { return };
        // Before a primary was heard the store knows better: the machine may have been started since.
        if self.follower.standing().from.is_none() {
            return;
        }
        let checked_at = wall_secs.saturating_sub(boot_ms.saturating_sub(checked_ms) / 1000);
        let pause = STORE_SECS.min(u64::from(zone.soa().0.expire) / 8);
        if checked_at > self.stored_at.saturating_add(pause) {
            keeper.checked(&self.settings.sight.id, checked_at);
            self.stored_at = checked_at;
        }
    }

    /// Tells what is wrong at which primary once, and when it is over.
    fn tell_trouble(&mut self) {
        let apex = zone_id::words(&self.settings.sight.id);
        let troubles = self.follower.standing().troubles.into_iter();
        let now: BTreeMap<usize, String> = troubles.map(|(primary, words, _)| (primary, words)).collect();
        for (at, primary) in self.settings.primaries.iter().enumerate() {
            match (now.get(&at), self.told.get(&at)) {
                (Some(words), told) if told != Some(words) => {
                    warn!("zone {apex}: it could not be had from the primary {}: {words}", primary.address);
                }
                (None, Some(_)) => info!("zone {apex}: the primary {} has it again", primary.address),
                _ => {}
            }
        }
        self.told = now;
    }

    fn tell_start(&self) {
        let apex = zone_id::words(&self.settings.sight.id);
        match &self.zone {
            Some(zone) if self.served => info!("zone {apex}: the stored copy is served, serial {}", zone.serial()),
            Some(zone) => warn!("zone {apex}: the stored copy, serial {}, has expired", zone.serial()),
            None => {
                info!("zone {apex}: nothing is stored of it yet; it is answered with SERVFAIL until it is transferred")
            }
        }
    }
}

/// Has the zone transferred, stored and published.
async fn fetch(
    settings: &Arc<SecondaryZone>,
    primary: usize,
    wanted: Wanted,
    before: Option<Zone>,
    keeper: &Arc<ZoneKeeper>,
    clock: &Clock,
) -> Result<(Fetched, Option<Zone>), Failure> {
    let primary = &settings.primaries[primary];
    let incoming = fetch::incoming(settings, primary, wanted, before.as_ref()).await?;
    if let Incoming::Current(serial) = incoming {
        return Ok((Fetched::Current(serial), None));
    }
    let by_changes = matches!(incoming, Incoming::Steps(_));
    let (id, old) = (settings.sight.id.clone(), before.clone());
    // A large zone takes a while.
    let taken = tokio::task::spawn_blocking(move || take(&id, old.as_ref(), incoming));
    let taken = taken.await.map_err(|error| Failure::from(error.to_string()))?;
    let taken = taken.map_err(|fault| Failure { words: fault.to_string(), ask_whole: by_changes })?;
    let Some(taken) = taken else { return Err("it gives nothing".to_owned().into()) };
    let (zone, changed) = (taken.zone.clone(), taken.sets.len());
    tell_signed(before.as_ref(), &taken);
    if !keeper.take_in(taken, before.is_none(), clock.now().wall_secs).await {
        return Err("it was transferred, and could not be stored".to_owned().into());
    }
    let (apex, serial, address) = (zone_id::words(&settings.sight.id), zone.serial(), primary.address);
    let how = if by_changes { "by its changes" } else { "whole" };
    match before.map(|zone| zone.serial()) {
        Some(from) => info!("zone {apex}: serial {from} to {serial} from {address}, {how}, {changed} sets changed"),
        None => info!("zone {apex}: serial {serial} from {address}, {changed} sets"),
    }
    Ok((Fetched::Zone(zone.soa().0), Some(zone)))
}

/// RFC 4034 section 2: a DNSKEY set at the apex says that the zone is signed.
fn tell_signed(before: Option<&Zone>, taken: &Taken) {
    const DNSKEY: RecordType = RecordType(48);
    let is_signed = |zone: &Zone| zone.set(zone.apex(), DNSKEY).is_some();
    if is_signed(&taken.zone) && !before.is_some_and(is_signed) {
        warn!(
            "zone {}: it is signed, and this server gives no signatures with its answers: whoever validates them finds them \
             bogus where the parent zone has a DS record",
            zone_id::words(taken.zone.id())
        );
    }
}

fn random() -> u32 {
    // The keys of a new hash map are random.
    RandomState::new().build_hasher().finish() as u32
}

/// How every copy stands; none while the daemon is ending.
pub async fn standings(questions: &mpsc::Sender<IntakeQuestion>) -> Vec<ZoneCopyView> {
    let (to, standings) = oneshot::channel();
    // Without copies nobody is there to answer.
    drop(questions.send(IntakeQuestion::Standings(to)).await);
    standings.await.unwrap_or_default()
}

/// Has the primaries of a zone asked now; how it stands then.
///
/// # Errors
/// Why nothing is asked, in words.
pub async fn refresh(
    questions: &mpsc::Sender<IntakeQuestion>,
    zone: &str,
    whole: bool,
) -> Result<ZoneCopyView, String> {
    let zone: Fqdn = zone.parse().map_err(|error| format!("`{zone}` is not a zone's name: {error}"))?;
    let (to, done) = oneshot::channel();
    let none = || format!("the zone {zone} is not a copy of another server's here; none is");
    questions.send(IntakeQuestion::Refresh { zone: zone.clone(), whole, to }).await.map_err(|_| none())?;
    match tokio::time::timeout(ORDER_WAIT, done).await {
        Ok(Ok(told)) => told,
        Ok(Err(_)) => Err("the daemon is ending".to_owned()),
        Err(_) => Err(format!("zone {zone}: a primary is asked; after a minute it is still under way")),
    }
}

#[cfg(test)]
mod tests;
