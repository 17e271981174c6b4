//! What happens: taken from the DHCP service and the updater without holding them up, and told to the page.
//!
//! The DHCP service leaves its events in a bounded list and goes on; it wakes nobody more than some ten times a second,
//! and once a second while nobody watches, however many there are. What does not fit is counted, and told as so many more.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use config::Config;
use ddns::reconcile::News;
use ddns::wanted::RowKey;
use dhcp::decision::{LeaseEvent, LeaseEventKind};
use dhcp::identity::HardwareAddress;
use dhcp::lease::{Lease, LeaseState};
use dhcp::relay_info::Switches;
use tokio::sync::{Notify, mpsc};
use web::model::Level;
use web::{Feed, Given};

use super::leases::row_of;
use super::names::key_words;
use super::shown;
use crate::clock::Clock;
use crate::updater::Told;

/// Events that wait to be told: as many as the page remembers, since older ones would be pushed out at once.
const WAITING_MAX: usize = 1_024;
/// What happens within this time is told together, while somebody watches.
const TOGETHER: Duration = Duration::from_millis(100);
/// The same while nobody does: putting an event into words costs more than deciding on the lease did. So no more are put
/// into words then either.
const TOGETHER_UNWATCHED: Duration = Duration::from_secs(1);
const UNWATCHED_MAX: usize = 128;

/// Lease events on their way.
#[derive(Debug)]
pub struct LeaseNews {
    waiting: Mutex<Waiting>,
    /// Where they go: while somebody follows that, more events are kept.
    feed: Arc<Feed>,
    /// Somebody waits to be woken.
    sleeps: AtomicBool,
    wake: Notify,
}

#[derive(Debug, Default)]
struct Waiting {
    /// As they came: a batch is moved, and not its events.
    batches: VecDeque<Arc<Vec<LeaseEvent>>>,
    events: usize,
    left_out: usize,
}

/// What happened since the last time.
#[derive(Debug)]
struct Happened {
    batches: VecDeque<Arc<Vec<LeaseEvent>>>,
    /// So many of the first events are not told, since they are too many; they are among those left out.
    over: usize,
    left_out: usize,
}

impl Happened {
    /// Leaves out all but the newest ones.
    fn keep_newest(&mut self, most: usize) {
        let events: usize = self.batches.iter().map(|batch| batch.len()).sum();
        let over = events.saturating_sub(most).max(self.over);
        self.left_out += over - self.over;
        self.over = over;
    }

    fn events(&self) -> impl Iterator<Item = &LeaseEvent> {
        self.batches.iter().flat_map(|batch| batch.iter()).skip(self.over)
    }
}

impl Waiting {
    /// Keeps the newest `most`, and few more.
    fn push(&mut self, batch: Arc<Vec<LeaseEvent>>, most: usize) {
        self.events += batch.len();
        self.batches.push_back(batch);
        // A whole batch at a time, and never the newest.
        while let Some(oldest) = self.batches.front().map(|batch| batch.len()).filter(|len| self.events - len >= most) {
            self.batches.pop_front();
            self.events -= oldest;
            self.left_out += oldest;
        }
    }

    /// The newest ones that may be told, and how many are left out.
    fn into_happened(self) -> Happened {
        let over = self.events.saturating_sub(WAITING_MAX);
        Happened { batches: self.batches, over, left_out: self.left_out + over }
    }
}

impl LeaseNews {
    /// None yet, on their way to `feed`.
    #[must_use]
    pub fn new(feed: Arc<Feed>) -> Self {
        Self { waiting: Mutex::default(), feed, sleeps: AtomicBool::new(false), wake: Notify::new() }
    }

    /// Takes what happened. Never waits for who reads it.
    pub fn push(&self, events: Arc<Vec<LeaseEvent>>) {
        if events.is_empty() {
            return;
        }
        // What nobody will be told is let go at once, while it is near: its memory is that of the next batch.
        let most = if self.feed.is_watched() { WAITING_MAX } else { UNWATCHED_MAX };
        self.lock().push(events, most);
        if self.sleeps.swap(false, Ordering::AcqRel) {
            self.wake.notify_one();
        }
    }

    /// What happened since the last time; waits until something does.
    async fn take(&self) -> Happened {
        loop {
            let taken = std::mem::take(&mut *self.lock());
            if taken.events > 0 {
                return taken.into_happened();
            }
            self.sleeps.store(true, Ordering::Release);
            // Whatever came before that flag woke nobody.
            let came = self.lock().events > 0;
            if !came {
                self.wake.notified().await;
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where news comes from and goes to.
#[derive(Debug)]
pub struct Telling {
    /// From the DHCP service.
    pub leases: Arc<LeaseNews>,
    /// From the updater.
    pub names: mpsc::Receiver<Told>,
    /// To the page.
    pub feed: Arc<Feed>,
    /// Names for relay agents.
    pub config: Arc<ArcSwap<Config>>,
    /// The daemon's clock.
    pub clock: Clock,
}

/// Tells for ever.
pub async fn tell(telling: Telling) {
    let Telling { leases, mut names, feed, config, clock } = telling;
    loop {
        tokio::select! {
            mut happened = leases.take() => {
                if !feed.is_watched() {
                    happened.keep_newest(UNWATCHED_MAX);
                }
                let at = clock.now().wall_secs;
                let left_out = happened.left_out;
                let rest = (left_out > 0).then(|| Given {
                    at,
                    kind: "left-out",
                    level: Level::Info,
                    title: format!("{left_out} more"),
                    detail: "too many at once to be told one by one".to_owned(),
                    lease: None,
                });
                let switches = Arc::clone(&config.load().switches);
                feed.push(rest.into_iter().chain(happened.events().map(|event| of_lease(event, at, &switches))));
                tokio::time::sleep(if feed.is_watched() { TOGETHER } else { TOGETHER_UNWATCHED }).await;
            }
            Some(told) = names.recv() => feed.push([of_name(&told, clock.now().wall_secs)]),
        }
    }
}

/// A device that was never seen here before has a lease.
pub(crate) fn of_new_device(lease: &Lease, at: u64, switches: &Switches) -> Given {
    let detail = format!("{}, never seen here before, got {}", lease.hardware, lease.address);
    Given {
        at,
        kind: "new-device",
        level: Level::Info,
        title: who(lease),
        detail,
        lease: Some(row_of(lease, switches)),
    }
}

/// So many more devices that were never seen here before, too many at once to be told one by one.
pub(crate) fn of_new_devices(count: usize, at: u64) -> Given {
    let title = format!("{count} more");
    let detail = "devices that were never seen here before, too many at once to be told one by one".to_owned();
    Given { at, kind: "new-device", level: Level::Info, title, detail, lease: None }
}

/// A device that nobody knows wants an address, and waits for approval.
pub(crate) fn of_waiting_device(hardware: &HardwareAddress, hostname: &str, place: Option<&str>, at: u64) -> Given {
    let title = if hostname.is_empty() { hardware.to_string() } else { hostname.to_owned() };
    let behind = place.map_or_else(String::new, |place| format!(", behind {place}"));
    let detail = format!("{hardware}{behind} is not known, and waits for approval");
    Given { at, kind: "waiting", level: Level::Warn, title, detail, lease: None }
}

/// Who a lease is about: its name, else what the client calls itself, else its hardware address.
fn who(lease: &Lease) -> String {
    let name =
        lease.name.as_ref().and_then(|name| name.fqdn.first_label().map(|label| label.escape_ascii().to_string()));
    let hostname = (!lease.hostname.is_empty()).then(|| lease.hostname.escape_ascii().to_string());
    name.or(hostname).unwrap_or_else(|| lease.hardware.to_string())
}

fn of_lease(event: &LeaseEvent, at: u64, switches: &Switches) -> Given {
    let LeaseEvent { kind, lease, previous } = event;
    let address = lease.address;
    let returns = previous.as_ref().is_some_and(|previous| previous.state != LeaseState::Bound);
    let (kind, level, detail) = match kind {
        LeaseEventKind::Bound if returns => ("bound", Level::Ok, format!("has {address} again")),
        LeaseEventKind::Bound => ("bound", Level::Ok, format!("got {address}")),
        LeaseEventKind::Renewed => ("renewed", Level::Ok, format!("renewed {address}")),
        LeaseEventKind::Released => ("released", Level::Ok, format!("released {address}")),
        LeaseEventKind::Expired => ("expired", Level::Ok, format!("the lease of {address} ran out")),
        LeaseEventKind::Declined => ("declined", Level::Warn, format!("says that somebody else uses {address}")),
        LeaseEventKind::Conflict => ("conflict", Level::Warn, format!("answers at {address}, which it was not given")),
        LeaseEventKind::Renamed => match &lease.name {
            Some(name) => ("renamed", Level::Ok, format!("{address} is called {} now", shown(&name.fqdn))),
            None => ("renamed", Level::Ok, format!("{address} has no name any more")),
        },
        LeaseEventKind::NameEnded => ("name-ended", Level::Ok, format!("{address} gave up its name")),
    };
    Given { at, kind, level, title: who(lease), detail, lease: Some(row_of(lease, switches)) }
}

fn of_name(told: &Told, at: u64) -> Given {
    let given = |kind, level, title: String, detail| Given { at, kind, level, title, detail, lease: None };
    match told {
        Told::Done(key @ RowKey::Reverse(_)) => {
            given("published", Level::Ok, key_words(key), "points to its name in DNS".to_owned())
        }
        Told::Done(key) => given("published", Level::Ok, key_words(key), "is in DNS".to_owned()),
        Told::News(news) => {
            let title = match news {
                News::ZoneDown { apex, .. } | News::HeldBack { apex, .. } => shown(apex),
                News::ZoneBack { apex, .. } | News::Failover { apex, .. } | News::Preferred { apex, .. } => shown(apex),
                News::NoZone { first: key, .. } | News::Row { key, .. } => key_words(key),
            };
            let (kind, level) = match news {
                news if news.is_good() => ("dns", Level::Ok),
                News::Row { .. } | News::ZoneDown { .. } => ("dns-failed", Level::Bad),
                _ => ("dns-failed", Level::Warn),
            };
            given(kind, level, title, news.to_string())
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
mod tests {
    use super::*;
    use crate::http::leases::state_word;

    fn event(last: u8) -> LeaseEvent {
        let lease = Lease {
            address: [10, 0, 0, last].into(),
            subnet: "10.0.0.0/24".parse().unwrap(),
            state: LeaseState::Bound,
            hardware: HardwareAddress::new(1, &[0, 1, 2, 3, 4, last]).unwrap(),
            client_id: None,
            started_at: 1,
            renewed_at: 1,
            expires_at: 9,
            hostname: b"nas".as_slice().into(),
            client_fqdn: b"".as_slice().into(),
            name: None,
            relay: std::net::Ipv4Addr::UNSPECIFIED,
            relay_agent_info: b"".as_slice().into(),
            server_identifier_override: None,
        };
        LeaseEvent { kind: LeaseEventKind::Bound, lease, previous: None }
    }

    #[tokio::test]
    async fn more_news_than_anybody_reads_costs_no_more_memory_and_is_counted() {
        let feed = Arc::new(Feed::new("run".to_owned()));
        let news = LeaseNews::new(Arc::clone(&feed));
        let push = || (0..=u8::MAX).for_each(|last| news.push(Arc::new(vec![event(last); 8])));
        push();
        let happened = news.take().await;
        assert_eq!((happened.events().count(), happened.left_out), (UNWATCHED_MAX, 256 * 8 - UNWATCHED_MAX));
        // From the first event on, whoever reads it and when.
        let _follower = feed.watch();
        push();
        let mut happened = news.take().await;
        assert_eq!((happened.events().count(), happened.left_out), (WAITING_MAX, 256 * 8 - WAITING_MAX));
        happened.keep_newest(UNWATCHED_MAX);
        assert_eq!((happened.events().count(), happened.left_out), (UNWATCHED_MAX, 256 * 8 - UNWATCHED_MAX));
        happened.keep_newest(WAITING_MAX);
        assert_eq!(happened.events().count(), UNWATCHED_MAX);
    }

    #[tokio::test]
    async fn whoever_waits_is_woken_by_the_first_event() {
        let news = Arc::new(LeaseNews::new(Arc::new(Feed::new("run".to_owned()))));
        let waiting = {
            let news = Arc::clone(&news);
            tokio::spawn(async move { news.take().await.events().count() })
        };
        tokio::task::yield_now().await;
        news.push(Arc::new(vec![event(1)]));
        assert_eq!(waiting.await.unwrap(), 1);
    }

    #[test]
    fn a_lease_is_told_by_what_its_client_is_called() {
        let told = of_lease(&event(7), 5, &Switches::default());
        assert_eq!((told.title.as_str(), told.detail.as_str()), ("nas", "got 10.0.0.7"));
        assert_eq!(told.lease.unwrap().state, state_word(LeaseState::Bound));
    }
}
