#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::net::{IpAddr, Ipv4Addr};
use std::sync::atomic::AtomicBool;
use std::sync::{Mutex, MutexGuard};
use std::time::Instant;

use ddns::reconcile::Reconciler;
use ddns::settings::ZoneRoute;
use ddns::wanted::{Claim, RowKey, WantedTable};
use dns::{Fqdn, HostIdentity, RecordType, Update};
use tokio::sync::oneshot;
use zones::{AllowAll, NewZone, Zone, ZoneAuthority, ZoneSet};

use super::*;
use crate::clock::Clock;
use crate::ddns_client::Timing;

fn name(text: &str) -> Fqdn {
    text.parse().unwrap()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Of 10.0.0.n.
fn claim(n: u8) -> Claim {
    Claim {
        name: name(&format!("pc{n}.lan")),
        identity: HostIdentity::from_hardware(1, &[2, 0, 0, 0, 0, n]),
        forward: true,
        reverse: true,
        ttl_secs: 600,
        guard: dns::ConflictGuard::default(),
    }
}

fn address(n: u8) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(10, 0, 0, n))
}

/// Zones as the daemon keeps them, stored nowhere; they fail while `failing` is set.
struct Zones {
    authority: Mutex<ZoneAuthority>,
    failing: AtomicBool,
}

impl Zones {
    fn has(&self, owner: &str, rtype: RecordType) -> bool {
        let authority = lock(&self.authority);
        let owner = name(owner);
        authority.committed().find(&owner).is_some_and(|zone| zone.rrset(&owner, rtype).is_some())
    }
}

impl EmbeddedZones for Zones {
    async fn update(&self, update: Update) -> Rcode {
        if self.failing.load(Ordering::Relaxed) {
            return Rcode::SERV_FAIL;
        }
        // As a commit does: it lets others run.
        tokio::task::yield_now().await;
        let mut authority = lock(&self.authority);
        let decision = authority.apply(&update, &AllowAll);
        if let Some(ticket) = decision.after {
            let _ = authority.settle(ticket, zones::Outcome::Committed);
        }
        decision.rcode
    }
}

/// The DHCP side: its table, and the rows that the updater stored.
#[derive(Default)]
struct Dhcp {
    table: Mutex<WantedTable>,
    stored: Mutex<Vec<Row>>,
    asked: Mutex<usize>,
}

impl WantedSource for Dhcp {
    async fn all(&self) -> Option<Vec<WantedRow>> {
        *lock(&self.asked) += 1;
        Some(lock(&self.table).iter().collect())
    }
}

impl RowSink for Dhcp {
    fn submit(&self, rows: Vec<Row>) {
        lock(&self.stored).extend(rows);
    }
}

struct Bench {
    zones: Arc<Zones>,
    dhcp: Arc<Dhcp>,
    events: mpsc::Sender<NameEvent>,
    overflowed: Arc<AtomicBool>,
    settled: mpsc::Receiver<Feedback>,
    questions: mpsc::Sender<UpdaterQuestion>,
    task: JoinHandle<()>,
}

impl Bench {
    fn start(channel_depth: usize) -> Self {
        let mut set = ZoneSet::new();
        let mut routes = Vec::new();
        for apex in ["lan", "10.in-addr.arpa"] {
            let new = NewZone::new(name(apex), name("ns.lan"), vec![IpAddr::from([127, 0, 0, 1])]);
            set.insert(Zone::from_sets(name(apex), new.rrsets()).unwrap());
            routes.push(ZoneRoute { apex: name(apex), server: ZoneServer::Embedded });
        }
        let settings = Arc::new(Settings { zones: routes.into(), ..Settings::default() });
        let zones = Arc::new(Zones { authority: Mutex::new(ZoneAuthority::new(set)), failing: AtomicBool::new(false) });
        let dhcp = Arc::new(Dhcp::default());
        let (events, events_out) = mpsc::channel(channel_depth);
        let (settled_in, settled) = mpsc::channel(4);
        let (questions, questions_out) = mpsc::channel(1);
        let overflowed = Arc::new(AtomicBool::new(false));
        let updater = Updater::new(UpdaterParts {
            reconciler: Reconciler::new(Arc::clone(&settings)),
            settings,
            client: Arc::new(UpdateClient::new(Arc::new(|| 0), Timing::default())),
            zones: Arc::clone(&zones),
            wanted: Arc::clone(&dhcp),
            sink: Arc::clone(&dhcp),
            clock: Clock::new(0),
            channels: UpdaterChannels {
                events: events_out,
                overflowed: Arc::clone(&overflowed),
                settled: settled_in,
                questions: questions_out,
            },
            inheritor: None,
        });
        let task = tokio::spawn(updater.run());
        Self { zones, dhcp, events, overflowed, settled, questions, task }
    }

    /// 10.0.0.n gets a lease, or loses it: as the DHCP service does, which never waits for the channel.
    fn lease(&self, n: u8, bound: bool) {
        let claim = claim(n);
        let (before, after) = if bound { (None, Some(claim)) } else { (Some(claim), None) };
        let applied = lock(&self.dhcp.table).apply(address(n), before, after);
        if self.events.try_send(NameEvent { rows: applied.rows, ..NameEvent::default() }).is_err() {
            self.overflowed.store(true, Ordering::Release);
        }
    }

    async fn settle(&mut self, names: usize) {
        for _ in 0..names {
            let told = tokio::time::timeout(Duration::from_secs(10), self.settled.recv()).await.unwrap().unwrap();
            let Feedback::Settled(key, generation) = told else { panic!("{told:?}") };
            let _ = lock(&self.dhcp.table).remove_settled(&key, generation);
        }
    }
}

#[tokio::test]
async fn a_lease_is_published_stored_and_settled_and_withdrawn() {
    let mut bench = Bench::start(16);
    bench.lease(1, true);
    bench.settle(2).await;
    assert!(bench.zones.has("pc1.lan", RecordType::A) && bench.zones.has("pc1.lan", RecordType::DHCID));
    assert!(bench.zones.has("1.0.0.10.in-addr.arpa", RecordType::PTR));
    let done = |row: &Row| matches!(row, Row::Confirmed(confirmed) if confirmed.done);
    assert_eq!(lock(&bench.dhcp.stored).iter().filter(|row| done(row)).count(), 2);
    bench.lease(1, false);
    bench.settle(2).await;
    assert!(!bench.zones.has("pc1.lan", RecordType::A) && !bench.zones.has("1.0.0.10.in-addr.arpa", RecordType::PTR));
    assert!(lock(&bench.dhcp.table).is_empty());
    assert_eq!(lock(&bench.dhcp.stored).iter().filter(|row| matches!(row, Row::ConfirmedGone(_))).count(), 2);
    drop(bench.events);
    bench.task.await.unwrap();
}

/// The channel is filled: the stored rows alone finish the work.
#[tokio::test]
async fn events_that_do_not_fit_lose_no_name() {
    let mut bench = Bench::start(2);
    for n in 1..=100 {
        bench.lease(n, true);
    }
    assert!(bench.overflowed.load(Ordering::Relaxed), "a single-threaded runtime has not run the updater yet");
    bench.settle(200).await;
    for n in 1..=100 {
        assert!(bench.zones.has(&format!("pc{n}.lan"), RecordType::A), "pc{n}");
        assert!(bench.zones.has(&format!("{n}.0.0.10.in-addr.arpa"), RecordType::PTR), "pc{n}");
    }
    assert!(!bench.overflowed.load(Ordering::Relaxed) && *lock(&bench.dhcp.asked) >= 1);
}

#[tokio::test]
async fn zones_that_cannot_store_are_tried_again_and_questions_are_answered_meanwhile() {
    let mut bench = Bench::start(16);
    bench.zones.failing.store(true, Ordering::Relaxed);
    bench.lease(1, true);
    let started = Instant::now();
    let words = loop {
        let (to, told) = oneshot::channel();
        bench.questions.send(UpdaterQuestion::Names(to)).await.unwrap();
        let names = told.await.unwrap();
        let row = names.iter().find(|one| matches!(one.key, RowKey::Forward(_)));
        match row {
            Some(row) if row.words.contains("SERVFAIL") => break row.words.clone(),
            _ => assert!(started.elapsed() < Duration::from_secs(10), "{names:?}"),
        }
        tokio::task::yield_now().await;
    };
    assert!(words.contains("tried again"), "{words}");
    bench.zones.failing.store(false, Ordering::Relaxed);
    bench.settle(2).await;
    assert!(bench.zones.has("pc1.lan", RecordType::A));
}

#[tokio::test]
async fn settled_names_wait_for_room_in_their_channel() {
    let mut bench = Bench::start(64);
    for n in 1..=50 {
        bench.lease(n, true);
    }
    // Longer than the channel is deep.
    while !bench.zones.has("50.0.0.10.in-addr.arpa", RecordType::PTR) {
        tokio::task::yield_now().await;
    }
    bench.settle(100).await;
}

#[tokio::test]
async fn news_of_names_in_dns_already_wait_for_company_and_keep_back_nothing() {
    let mut bench = Bench::start(16);
    let taken = async |bench: &Bench| {
        while bench.events.capacity() < bench.events.max_capacity() {
            tokio::task::yield_now().await;
        }
    };
    let mut waited = false;
    for n in 1..=50 {
        let claim = claim(n);
        let applied = lock(&bench.dhcp.table).apply(address(n), None, Some(claim));
        let written = applied.rows.iter().map(|row| row.generation).collect();
        let event = NameEvent { rows: applied.rows, written, ..NameEvent::default() };
        assert!(event.is_written());
        bench.events.try_send(event).unwrap();
        // The updater has every reason to look now, and its turn.
        for _ in 0..3 {
            tokio::task::yield_now().await;
        }
        waited |= bench.events.capacity() < bench.events.max_capacity();
        if n % 10 == 0 {
            taken(&bench).await;
        }
    }
    assert!(waited, "each was taken at once");
    bench.lease(51, true);
    while !bench.zones.has("51.0.0.10.in-addr.arpa", RecordType::PTR) {
        tokio::task::yield_now().await;
    }
    taken(&bench).await;
    bench.settle(2).await;
    assert!(!bench.zones.has("pc1.lan", RecordType::A), "what is written already is not written by the updater");
}
