//! The updater against a real BIND: names are there soon after their leases, and an outage loses none.
//!
//! Needs what the update client's tests need.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use ddns::reconcile::{ConfirmedRow, Feedback, Reconciler};
use ddns::settings::{Settings, ZoneRoute, ZoneServer};
use ddns::wanted::{Claim, WantedRow, WantedTable};
use dns::{HostIdentity, Rcode, Update};
use leasehold::clock::Clock;
use leasehold::core::NameEvent;
use leasehold::ddns_client::{Timing, UpdateClient};
use leasehold::updater::{
    EmbeddedZones, NameStatus, RowSink, Updater, UpdaterChannels, UpdaterParts, UpdaterQuestion, WantedSource,
};
use store::rows::Row;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use crate::ddns_client::{Bind, key, name, wall_secs};
use crate::dig::{KEY_NAME, KEY_SECRET};

const PATIENCE: Duration = Duration::from_secs(30);

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The DHCP side and the store, in memory.
#[derive(Default)]
pub(crate) struct Dhcp {
    table: Mutex<WantedTable>,
    confirmed: Mutex<Vec<ConfirmedRow>>,
}

impl WantedSource for Dhcp {
    async fn all(&self) -> Option<Vec<WantedRow>> {
        Some(lock(&self.table).iter().cloned().collect())
    }
}

impl RowSink for Dhcp {
    fn submit(&self, rows: Vec<Row>) {
        for row in rows {
            match row {
                Row::Confirmed(row) => lock(&self.confirmed).push(row),
                Row::ConfirmedGone(gone) => lock(&self.confirmed).retain(|row| row.key != gone),
                other => panic!("not the updater's: {other:?}"),
            }
        }
    }
}

struct NoZones;

impl EmbeddedZones for NoZones {
    async fn update(&self, update: Update) -> Rcode {
        panic!("no zone is embedded here: {update:?}")
    }
}

/// An updater that runs, and what is around it.
pub(crate) struct Bench {
    dhcp: Arc<Dhcp>,
    settings: Arc<Settings>,
    events: mpsc::Sender<NameEvent>,
    questions: mpsc::Sender<UpdaterQuestion>,
    overflowed: Arc<AtomicBool>,
    settled: mpsc::Receiver<Feedback>,
    task: JoinHandle<()>,
}

impl Bench {
    fn start(server: SocketAddr) -> Self {
        let key = Some(Arc::new(key(KEY_NAME, KEY_SECRET)));
        let route = |apex| ZoneRoute { apex: name(apex), server: ZoneServer::remote(server, key.clone()) };
        let zones = vec![route("forward.example"), route("10.in-addr.arpa")];
        Self::over(Arc::new(Settings { zones, ..Settings::default() }), Arc::default())
    }

    fn over(settings: Arc<Settings>, dhcp: Arc<Dhcp>) -> Self {
        Self::sending(settings, dhcp, UpdateClient::new(Arc::new(wall_secs), Timing::default()))
    }

    /// An updater over what the DHCP side wants and what is stored, which sends by `client`. To be called in a runtime.
    pub(crate) fn sending(settings: Arc<Settings>, dhcp: Arc<Dhcp>, client: UpdateClient) -> Self {
        let wanted: Vec<WantedRow> = lock(&dhcp.table).iter().cloned().collect();
        let confirmed = lock(&dhcp.confirmed).clone();
        let clock = Clock::new(0);
        let now = clock.now();
        let now = ddns::Now { boot_ms: now.boot_ms, wall_secs: now.wall_secs };
        let (events, events_out) = mpsc::channel(64);
        let (settled_in, settled) = mpsc::channel(64);
        let (questions, questions_out) = mpsc::channel(1);
        let overflowed = Arc::new(AtomicBool::new(false));
        let updater = Updater::new(UpdaterParts {
            reconciler: Reconciler::load(Arc::clone(&settings), now, wanted, confirmed),
            settings: Arc::clone(&settings),
            client: Arc::new(client),
            zones: Arc::new(NoZones),
            wanted: Arc::clone(&dhcp),
            sink: Arc::clone(&dhcp),
            clock,
            channels: UpdaterChannels {
                events: events_out,
                overflowed: Arc::clone(&overflowed),
                settled: settled_in,
                questions: questions_out,
            },
        });
        Self { dhcp, settings, events, questions, overflowed, settled, task: tokio::spawn(updater.run()) }
    }

    /// The process is killed and started again, with what was stored.
    fn restart(self) -> Self {
        let (settings, dhcp) = (Arc::clone(&self.settings), self.kill());
        Self::over(settings, dhcp)
    }

    /// The process is killed; what it had stored stays.
    pub(crate) fn kill(self) -> Arc<Dhcp> {
        self.task.abort();
        self.dhcp
    }

    /// The lease of an address changes, and with it what is claimed for it.
    pub(crate) fn change(&self, address: Ipv4Addr, before: Option<Claim>, after: Option<Claim>) {
        let applied = lock(&self.dhcp.table).apply(IpAddr::V4(address), before, after);
        if self.events.try_send(NameEvent { rows: applied.rows, written: Vec::new() }).is_err() {
            self.overflowed.store(true, Ordering::Release);
        }
    }

    /// How every name and address stands. Not to be called in a runtime.
    pub(crate) fn names(&self) -> Vec<NameStatus> {
        let (to, names) = oneshot::channel();
        self.questions.blocking_send(UpdaterQuestion::Names(to)).expect("the updater runs");
        names.blocking_recv().expect("the updater answers")
    }

    fn lease(&self, n: u16) {
        let [high, low] = n.to_be_bytes();
        let claim = Claim {
            name: name(&format!("pc{n}.forward.example")),
            identity: HostIdentity::from_hardware(1, &[2, 0, 0, 0, high, low]),
            forward: true,
            reverse: true,
            ttl_secs: 600,
            guard: dns::ConflictGuard::default(),
        };
        self.change(Ipv4Addr::new(10, 0, high, low), None, Some(claim));
    }

    /// Waits until so many keys are as wanted.
    async fn settle(&mut self, keys: usize) {
        for done in 0..keys {
            let settled = tokio::time::timeout(PATIENCE, self.settled.recv()).await;
            assert!(matches!(settled, Ok(Some(Feedback::Settled(..)))), "{done} of {keys} names are there");
        }
    }
}

/// "BIND stopped ...: all names are there afterwards, A and PTR. The same with the daemon killed in the middle."
#[test]
fn names_nothing_is_lost_while_bind_is_stopped_and_the_updater_is_killed() {
    let bind = Bind::start();
    bind.beside(async || {
        let mut bench = Bench::start(bind.address);
        for n in 1..=100 {
            bench.lease(n);
        }
        bench.settle(200).await;
        // These two wait, and nobody else has anything to do meanwhile.
        bind.stop();
        for n in 101..=400 {
            bench.lease(n);
            // A load of a hundred leases a second.
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        bench = bench.restart();
        bind.resume();
        let back = Instant::now();
        bench.settle(600).await;
        assert!(back.elapsed() < Duration::from_secs(8), "all is there {:?} after BIND was back", back.elapsed());
        bench.task.abort();
    });
    for n in [1_u16, 100, 101, 250, 400] {
        let [high, low] = n.to_be_bytes();
        let (owner, address) = (format!("pc{n}.forward.example"), format!("10.0.{high}.{low}"));
        assert_eq!(bind.dig(&[owner.as_str()]), address);
        assert_eq!(bind.dig(&["-x", address.as_str()]), format!("{owner}."));
    }
}
