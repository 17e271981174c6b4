//! The updater against a real BIND: names are there soon after their leases, and an outage loses none.
//!
//! Needs what the update client's tests need.

use std::collections::BTreeSet;
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
        Some(lock(&self.table).iter().collect())
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

/// A name in the forward zone, of the host with this number.
fn claim(label: &str, host: u16) -> Claim {
    let [high, low] = host.to_be_bytes();
    Claim {
        name: name(&format!("{label}.forward.example")),
        identity: HostIdentity::from_hardware(1, &[2, 0, 0, 0, high, low]),
        forward: true,
        reverse: true,
        ttl_secs: 600,
        guard: dns::ConflictGuard::default(),
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
        Self::over(Arc::new(Settings { zones: zones.into(), ..Settings::default() }), Arc::default())
    }

    fn over(settings: Arc<Settings>, dhcp: Arc<Dhcp>) -> Self {
        Self::sending(settings, dhcp, UpdateClient::new(Arc::new(wall_secs), Timing::default()))
    }

    /// An updater over what the DHCP side wants and what is stored, which sends by `client`. To be called in a runtime.
    pub(crate) fn sending(settings: Arc<Settings>, dhcp: Arc<Dhcp>, client: UpdateClient) -> Self {
        let wanted: Vec<WantedRow> = lock(&dhcp.table).iter().collect();
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
            inheritor: None,
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
        if self.events.try_send(NameEvent { rows: applied.rows, ..NameEvent::default() }).is_err() {
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
        self.change(Ipv4Addr::new(10, 0, high, low), None, Some(claim(&format!("pc{n}"), n)));
    }

    /// Waits until so many keys are as wanted.
    async fn settle(&mut self, keys: usize) {
        let mut done = 0;
        while done < keys {
            match tokio::time::timeout(PATIENCE, self.settled.recv()).await {
                Ok(Some(Feedback::Settled(..))) => done += 1,
                // Somebody else's: told, and of no weight here.
                Ok(Some(Feedback::Foreign(..))) => {}
                _ => panic!("{done} of {keys} names are there"),
            }
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

/// The records that updates made: owner, type and data, but DHCIDs without their data.
fn written(bind: &Bind, zone: &str) -> BTreeSet<String> {
    let mut written = BTreeSet::new();
    for line in bind.transfer(zone).lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[..] {
            [owner, _, _, "DHCID", ..] => assert!(written.insert(format!("{owner} DHCID")), "{owner} has two DHCIDs"),
            [owner, _, _, rtype @ ("A" | "PTR"), data] => assert!(written.insert(format!("{owner} {rtype} {data}"))),
            _ => {}
        }
    }
    written
}

/// What both zones hold when these names have these addresses.
fn expected(names: impl IntoIterator<Item = (String, [u8; 4])>) -> [BTreeSet<String>; 2] {
    let mut zones = [BTreeSet::new(), BTreeSet::new()];
    for (label, [a, b, c, d]) in names {
        let (host, reverse) = (format!("{label}.forward.example."), format!("{d}.{c}.{b}.{a}.in-addr.arpa."));
        zones[0].extend([format!("{host} A {a}.{b}.{c}.{d}"), format!("{host} DHCID")]);
        zones[1].extend([format!("{reverse} PTR {host}"), format!("{reverse} DHCID")]);
    }
    zones
}

/// "A flood of 50,000 leases in 10 s ends with all 50,000 names right" (`bench/README.md` has the whole of it): leases come
/// far faster than the channel of events takes them, so that most events are dropped, and every name is there all the same.
#[test]
fn names_every_name_of_a_flood_of_leases_is_right_in_bind() {
    const LEASES: u16 = 4_000;
    let bind = Bind::start();
    bind.beside(async || {
        let mut bench = Bench::start(bind.address);
        let mut overflowed = false;
        for n in 1..=LEASES {
            bench.lease(n);
            overflowed |= bench.overflowed.load(Ordering::Acquire);
            if n % 200 == 0 {
                tokio::task::yield_now().await;
            }
        }
        assert!(overflowed, "the flood was none");
        bench.settle(2 * usize::from(LEASES)).await;
        bench.task.abort();
    });
    let names = (1..=LEASES).map(|n| (format!("pc{n}"), [10, 0, n.to_be_bytes()[0], n.to_be_bytes()[1]]));
    let [forward, reverse] = expected(names);
    assert!(written(&bind, "forward.example") == forward, "the forward zone holds something else");
    assert!(written(&bind, "10.in-addr.arpa") == reverse, "the reverse zone holds something else");
}

/// Two Leaseholds update the same zones, each for its own leases; hosts of both want some names.
#[test]
fn names_two_leaseholds_update_one_zone_and_leave_each_others_names_alone() {
    const OWN: u16 = 150;
    const CONTESTED: u16 = 20;
    let bind = Bind::start();
    bind.beside(async || {
        let (mut first, mut second) = (Bench::start(bind.address), Bench::start(bind.address));
        for n in 0..CONTESTED {
            first.change(Ipv4Addr::new(10, 1, 1, n as u8), None, Some(claim(&format!("both{n}"), 1_000 + n)));
        }
        first.settle(2 * usize::from(CONTESTED)).await;
        for n in 0..OWN {
            first.change(Ipv4Addr::new(10, 1, 0, n as u8), None, Some(claim(&format!("first{n}"), n)));
            second.change(Ipv4Addr::new(10, 2, 0, n as u8), None, Some(claim(&format!("second{n}"), 5_000 + n)));
            if n < CONTESTED {
                second.change(Ipv4Addr::new(10, 2, 1, n as u8), None, Some(claim(&format!("both{n}"), 6_000 + n)));
            }
        }
        first.settle(2 * usize::from(OWN)).await;
        second.settle(2 * usize::from(OWN)).await;
        // The first one's leases end; the second one's contested names are ended too, which never were.
        for n in 0..OWN {
            first.change(Ipv4Addr::new(10, 1, 0, n as u8), Some(claim(&format!("first{n}"), n)), None);
            if n < CONTESTED {
                second.change(Ipv4Addr::new(10, 2, 1, n as u8), Some(claim(&format!("both{n}"), 6_000 + n)), None);
            }
        }
        first.settle(2 * usize::from(OWN)).await;
        // A contested PTR was never asked for: its name's row, and its own, want nothing any more.
        second.settle(2 * usize::from(CONTESTED)).await;
        first.task.abort();
        second.task.abort();
    });
    let kept = (0..CONTESTED).map(|n| (format!("both{n}"), [10, 1, 1, n as u8]));
    let [forward, reverse] = expected(kept.chain((0..OWN).map(|n| (format!("second{n}"), [10, 2, 0, n as u8]))));
    assert_eq!(written(&bind, "forward.example"), forward);
    assert_eq!(written(&bind, "10.in-addr.arpa"), reverse);
}
