//! Lease events told outside of this server: posted to an address, or given to a program.
//!
//! Reading order: here who is told what and in which order, [`deliver`] for one delivery, [`sign`] for what proves that a post
//! is ours. What happens comes from the same feed as the page's events, which never holds up the DHCP service; each hook has
//! a queue of its own, so that one that hangs keeps nothing from the others. A full queue leaves out its oldest events, and
//! says how many.

pub mod deliver;
pub mod sign;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use config::Config;
use config::settings::HookSettings;
use serde::Serialize;
use tokio::sync::Notify;
use tracing::{info, warn};
use web::Feed;
use web::model::{Event, LeaseRow};

use self::deliver::{Delivery, Failure};
use crate::quiet::Quiet;

/// The first pause before a delivery is tried again; doubled each time, up to the maximum.
const PAUSE_FIRST: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_secs(60);
/// How often it is looked whether a reload has changed the hooks.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// What is told, as JSON.
#[derive(Clone, Debug, Serialize)]
pub struct Telling<'a> {
    /// `bound`, `renewed`, `released`, `expired`, `declined`, `conflict` or `renamed`.
    pub event: &'a str,
    /// Names the event: the daemon's run and a number that goes up. Whoever sees one twice has it already.
    pub id: String,
    /// When, in UTC seconds.
    pub at: u64,
    /// What happened, in few words.
    pub words: String,
    /// The machine that the daemon runs on.
    pub server: &'a str,
    /// How many events before this one were left out, since more waited than may.
    pub left_out: u64,
    /// The lease as it was since.
    pub lease: &'a LeaseRow,
}

/// Events that wait for one hook.
#[derive(Debug, Default)]
struct Waiting {
    events: VecDeque<Arc<Event>>,
    left_out: u64,
}

/// One hook's queue.
#[derive(Debug)]
struct Queue {
    most: usize,
    waiting: Mutex<Waiting>,
    came: Notify,
}

impl Queue {
    fn new(most: usize) -> Self {
        Self { most: most.max(1), waiting: Mutex::default(), came: Notify::new() }
    }

    /// Takes an event; how many had to make room.
    fn push(&self, event: Arc<Event>) -> u64 {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.events.push_back(event);
        let over = waiting.events.len().saturating_sub(self.most);
        waiting.events.drain(..over);
        waiting.left_out += over as u64;
        drop(waiting);
        self.came.notify_one();
        over as u64
    }

    /// Some were forgotten before they could be taken.
    fn missed(&self, count: u64) {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).left_out += count;
    }

    /// The oldest, and how many were left out before it.
    async fn take(&self) -> (Arc<Event>, u64) {
        loop {
            {
                let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some(event) = waiting.events.pop_front() {
                    return (event, std::mem::take(&mut waiting.left_out));
                }
            }
            self.came.notified().await;
        }
    }
}

/// Tells the hooks of the configuration of now, for ever; what waits for hooks that a reload changes is left out. `run`
/// names this run of the daemon.
pub async fn follow(config: Arc<ArcSwap<Config>>, feed: Arc<Feed>, run: &str) {
    let machine = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let mut hooks = config.load().hooks.clone();
    // Leases may have been given before this is first polled: whoever has hooks hears of them all.
    let mut handed_out = 0;
    loop {
        let changed = async {
            while config.load().hooks == hooks {
                tokio::time::sleep(LOOK_AGAIN).await;
            }
        };
        tokio::select! {
            () = tell(&hooks, Arc::clone(&feed), &mut handed_out, run, machine.trim()) => {}
            () = changed => {}
        }
        if hooks.is_empty() {
            // Of what happened before there was a hook, none is told.
            handed_out = *feed.watch().borrow();
        }
        hooks.clone_from(&config.load().hooks);
    }
}

/// Tells every hook of what is behind the event of the number `handed_out`, for ever, and keeps that number. `run` names this
/// run of the daemon, `server` its machine.
pub async fn tell(hooks: &[HookSettings], feed: Arc<Feed>, handed_out: &mut u64, run: &str, server: &str) {
    if hooks.is_empty() {
        // Whoever follows the feed has every event put into words, which costs more than its lease did.
        return std::future::pending().await;
    }
    let queues: Vec<(Queue, &HookSettings)> = hooks.iter().map(|hook| (Queue::new(hook.queue), hook)).collect();
    let telling = queues.iter().map(|(queue, hook)| tell_one(hook, queue, run, server));
    tokio::join!(hand_out(&queues, &feed, handed_out), futures_util::future::join_all(telling));
}

/// From the feed to the queues.
async fn hand_out(queues: &[(Queue, &HookSettings)], feed: &Feed, at: &mut u64) {
    let mut newest = feed.watch();
    let full = Quiet::default();
    loop {
        while *newest.borrow_and_update() > *at {
            let Some(events) = feed.since(*at) else {
                // What is remembered yet is told.
                let forgotten = feed.forgotten().max(*at);
                queues.iter().for_each(|(queue, _)| queue.missed(forgotten - *at));
                *at = forgotten;
                continue;
            };
            *at = events.last().map_or(*at, |event| event.id);
            for event in events.into_iter().filter(|event| event.lease.is_some()) {
                let wanted = queues.iter().filter(|(_, hook)| hook.events.iter().any(|one| one.word() == event.kind));
                for (queue, hook) in wanted {
                    if queue.push(Arc::clone(&event)) > 0
                        && let Some(kept_back) = full.may_tell()
                    {
                        warn!(
                            "more events wait for the hook {} than may: the oldest are left out{kept_back}",
                            hook.name
                        );
                    }
                }
            }
        }
        if newest.changed().await.is_err() {
            // The feed lives as long as the daemon.
            return std::future::pending().await;
        }
    }
}

/// One event after the other, so that they arrive in their order.
async fn tell_one(hook: &HookSettings, queue: &Queue, run: &str, server: &str) {
    let mut failing = false;
    loop {
        let (event, left_out) = queue.take().await;
        let Some(lease) = &event.lease else { continue };
        let telling = Telling {
            event: &event.kind,
            id: format!("{run}-{}", event.id),
            at: event.at,
            words: format!("{} {}", event.title, event.detail),
            server,
            left_out,
            lease,
        };
        let Ok(body) = serde_json::to_vec(&telling) else { continue };
        let delivery = Delivery::new(hook, &telling, body);
        match deliver_with_patience(hook, &delivery).await {
            Ok(()) if std::mem::take(&mut failing) => info!("the hook {} takes events again", hook.name),
            Ok(()) => {}
            Err(why) => {
                // The first of a row is told; what follows is the same until it is mended.
                if !std::mem::replace(&mut failing, true) {
                    warn!("the hook {} was not told that {}: {why}", hook.name, telling.words);
                }
            }
        }
    }
}

/// Tries as often as the hook says; a refusal for good is not tried again.
async fn deliver_with_patience(hook: &HookSettings, delivery: &Delivery) -> Result<(), String> {
    let mut pause = PAUSE_FIRST;
    let mut tries = 0;
    loop {
        let failure = match delivery.send().await {
            Ok(()) => return Ok(()),
            Err(failure) => failure,
        };
        match failure {
            Failure::ForGood(why) => return Err(why),
            Failure::ForNow(why) if tries >= hook.retries => return Err(format!("{why} (tried {} times)", tries + 1)),
            Failure::ForNow(_) => {}
        }
        tries += 1;
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(PAUSE_MAX);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use std::collections::BTreeSet;

    use config::settings::{HookEvent, HookTarget};
    use web::Given;
    use web::model::DnsState;

    use super::*;

    fn row(address: u8) -> LeaseRow {
        LeaseRow {
            address: [192, 0, 2, address].into(),
            subnet: "192.0.2.0/24".to_owned(),
            state: "bound".to_owned(),
            reserved: false,
            hardware: "02:00:00:00:00:01".to_owned(),
            client_id: None,
            hostname: String::new(),
            name: None,
            dns: DnsState::None,
            started_at: 0,
            renewed_at: 0,
            expires_at: None,
            relay: None,
            place: None,
            relay_marks: None,
            version: String::new(),
        }
    }

    fn event(id: u64) -> Arc<Event> {
        let (kind, title, detail) = ("bound".to_owned(), String::new(), String::new());
        Arc::new(Event { id, at: 0, kind, level: web::model::Level::Ok, title, detail, lease: None })
    }

    fn hook() -> HookSettings {
        HookSettings {
            name: "one".to_owned(),
            target: HookTarget::Command("/bin/true".into(), Vec::new()),
            secret: None,
            events: BTreeSet::from([HookEvent::Bound]),
            timeout_secs: 1,
            retries: 0,
            queue: 8,
        }
    }

    fn happened(address: u8) -> Given {
        Given {
            at: 0,
            kind: "bound",
            level: web::model::Level::Ok,
            title: String::new(),
            detail: String::new(),
            lease: Some(row(address)),
        }
    }

    #[tokio::test]
    async fn without_a_hook_nobody_follows_what_happens() {
        let feed = Arc::new(Feed::new("run".to_owned()));
        let mut handed_out = 0;
        let telling = tell(&[], Arc::clone(&feed), &mut handed_out, "run", "server");
        tokio::pin!(telling);
        assert!(futures_util::poll!(&mut telling).is_pending());
        assert!(!feed.is_watched());
    }

    #[tokio::test]
    async fn what_happened_before_anybody_looked_is_handed_out_once() {
        let feed = Feed::new("run".to_owned());
        let hook = hook();
        let (queues, mut handed_out) = ([(Queue::new(8), &hook)], 0);
        for address in 1..=2 {
            // A reload looks anew: neither is the lease that came between left out, nor is another told twice.
            feed.push([happened(address)]);
            assert!(futures_util::poll!(std::pin::pin!(hand_out(&queues, &feed, &mut handed_out))).is_pending());
            let (event, left_out) = queues[0].0.take().await;
            assert_eq!((event.lease.as_ref().unwrap().address.octets()[3], left_out), (address, 0));
        }
        let more = tokio::time::timeout(Duration::from_millis(20), queues[0].0.take()).await;
        assert!(more.is_err(), "there is no more");
    }

    #[tokio::test]
    async fn of_more_events_than_are_remembered_those_that_are_are_handed_out() {
        let feed = Feed::new("run".to_owned());
        let hook = hook();
        let (queues, mut handed_out) = ([(Queue::new(10_000), &hook)], 0);
        feed.push((0..2_000).map(|_| happened(1)));
        assert!(futures_util::poll!(std::pin::pin!(hand_out(&queues, &feed, &mut handed_out))).is_pending());
        let (first, left_out) = queues[0].0.take().await;
        assert_eq!((first.id, left_out, handed_out), (977, 976, 2_000));
        let mut last = first.id;
        while last < 2_000 {
            let (event, left_out) = queues[0].0.take().await;
            assert_eq!((event.id, left_out), (last + 1, 0));
            last = event.id;
        }
    }

    #[tokio::test]
    async fn a_full_queue_leaves_out_the_oldest_and_says_how_many() {
        let queue = Queue::new(3);
        let left_out: u64 = (1..=5).map(|id| queue.push(event(id))).sum();
        assert_eq!(left_out, 2);
        queue.missed(10);
        let (first, left_out) = queue.take().await;
        assert_eq!((first.id, left_out), (3, 12));
        assert_eq!((queue.take().await.0.id, queue.take().await.0.id), (4, 5));
        let waits = tokio::time::timeout(Duration::from_millis(20), queue.take()).await;
        assert!(waits.is_err(), "there is no more");
    }
}
