//! The loads behind `updates`: a generator that does nothing else, and Leasehold's updater fed by its own event path.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, bail};
use clap::{Args, ValueEnum};
use ddns::builder;
use ddns::reconcile::{Feedback, Outcome, Reconciler};
use ddns::settings::{Settings, ZoneRoute, ZoneServer};
use ddns::wanted::{Claim, Want, WantedRow, WantedTable};
use dns::{ConflictGuard, Fqdn, HostIdentity, Rcode, TsigAlgorithm, TsigKey, Update};
use leasehold::clock::Clock;
use leasehold::committer::Committer;
use leasehold::core::NameEvent;
use leasehold::ddns_client::{Timing, UpdateClient};
use leasehold::updater::{EmbeddedZones, Updater, UpdaterChannels, UpdaterParts, UpdaterQuestion, WantedSource};
use leasehold::wiring::CommitterSink;
use store::storage::FileStorage;
use store::{Options, Store};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// What the daemon has between its DHCP service and its updater.
const EVENTS_MAX: usize = 4_096;
/// How many clients the generator puts into one message.
const ROWS_PER_MESSAGE: usize = 10;
/// Names that are not confirmed for so long count as lost.
const PATIENCE: Duration = Duration::from_secs(60);

/// Updates of many names.
#[derive(Args, Debug)]
pub(crate) struct UpdateLoad {
    #[arg(long)]
    by: By,
    /// The DNS server's address.
    #[arg(long)]
    server: Ipv4Addr,
    #[arg(long)]
    domain: Fqdn,
    #[arg(long)]
    reverse: Fqdn,
    /// The secret of the key `bench`.
    #[arg(long)]
    secret: String,
    #[arg(long)]
    names: u32,
    /// Messages of the generator that are under way at once.
    #[arg(long, default_value_t = 16)]
    in_flight: usize,
    /// Leases a second; none: as many as go.
    #[arg(long)]
    rate: Option<u32>,
    /// Where the updater's rows are stored.
    #[arg(long)]
    store: Option<std::path::PathBuf>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum By {
    /// Messages of ten clients each.
    Generator,
    /// Messages of one client each.
    Singles,
    /// Leasehold's updater.
    Updater,
    /// The updater, with a lease every so often, whether it comes along or not.
    Flood,
}

/// What a phase came to, as it is printed: its name, names confirmed, microseconds.
fn tell(phase: &str, names: u32, began: Instant) {
    println!("{phase} {names} {}", began.elapsed().as_micros());
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn wall_secs() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

impl UpdateLoad {
    /// Prints a line for each phase.
    pub(crate) fn run(&self) -> anyhow::Result<()> {
        let runtime = match self.by {
            // A thread of its own is all that a generator needs, and nothing then moves between cores.
            By::Generator | By::Singles => tokio::runtime::Builder::new_current_thread().enable_all().build()?,
            // As the daemon has it.
            By::Updater | By::Flood => {
                tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?
            }
        };
        match self.by {
            By::Generator => runtime.block_on(self.generate(ROWS_PER_MESSAGE)),
            By::Singles => runtime.block_on(self.generate(1)),
            By::Updater => runtime.block_on(self.update()),
            By::Flood => runtime.block_on(self.flood()),
        }
    }

    fn key(&self) -> anyhow::Result<TsigKey> {
        Ok(TsigKey::from_base64("bench".parse()?, TsigAlgorithm::HmacSha256, &self.secret)?)
    }

    /// 10.9.1.0 and those after it.
    fn address(number: u32) -> IpAddr {
        IpAddr::V4(Ipv4Addr::from_bits(u32::from(Ipv4Addr::new(10, 9, 1, 0)) + number))
    }

    fn claim(&self, number: u32, ttl_secs: u32) -> anyhow::Result<Claim> {
        let [_, a, b, c] = number.to_be_bytes();
        Ok(Claim {
            name: format!("client-{number:06}.{}", self.domain).parse()?,
            identity: HostIdentity::from_hardware(1, &[2, 0, 0, a, b, c]),
            forward: true,
            reverse: true,
            ttl_secs,
            guard: ConflictGuard::default(),
        })
    }

    /// So many clients in one message, new ones or such as are there: their names, then their addresses.
    fn messages(&self, first: u32, rows: usize, ttl_secs: u32, returning: bool) -> anyhow::Result<[Update; 2]> {
        let merge = |whole: Option<Update>, next: Update| match whole {
            Some(mut whole) => {
                whole.prerequisites.extend(next.prerequisites);
                whole.changes.extend(next.changes);
                Some(whole)
            }
            None => Some(next),
        };
        let (mut forward, mut reverse) = (None, None);
        for number in (first..self.names).take(rows) {
            let Claim { name, identity, ttl_secs, guard, .. } = self.claim(number, ttl_secs)?;
            let address = Self::address(number);
            let want = Want { name, identity, addresses: vec![address], ttl_secs, after_forward: false, guard };
            let owner = Fqdn::reverse(address);
            let (name, pointer) = if returning {
                let pointer = builder::build_pointer_refresh(&self.reverse, &owner, &want);
                (builder::build_replace(&self.domain, &want, &[]), pointer)
            } else {
                let pointer = builder::build_pointer_claim(&self.reverse, &owner, &want);
                (builder::build_claim(&self.domain, &want), pointer)
            };
            (forward, reverse) = (merge(forward, name), merge(reverse, pointer));
        }
        forward.zip(reverse).map(|(forward, reverse)| [forward, reverse]).context("no clients")
    }

    async fn generate(&self, rows: usize) -> anyhow::Result<()> {
        let (client, key) =
            (Arc::new(UpdateClient::new(Arc::new(wall_secs), Timing::default())), Arc::new(self.key()?));
        let server = SocketAddr::from((self.server, 53));
        for (phase, ttl_secs, returning) in [("new", 600, false), ("returning", 601, true), ("forgotten", 601, true)] {
            let all = (0..self.names).step_by(rows).map(|first| self.messages(first, rows, ttl_secs, returning));
            let mut all = all.collect::<anyhow::Result<Vec<_>>>()?.into_iter();
            let mut under_way = tokio::task::JoinSet::new();
            let began = Instant::now();
            loop {
                while under_way.len() < self.in_flight
                    && let Some(messages) = all.next()
                {
                    let (client, key) = (Arc::clone(&client), Arc::clone(&key));
                    under_way.spawn(async move {
                        for update in messages {
                            let outcome = client.send(server, Some(&key), &update).await;
                            if outcome != Outcome::Answer(Rcode::NO_ERROR) {
                                bail!("the generator got {outcome:?}");
                            }
                        }
                        Ok(())
                    });
                }
                let Some(done) = under_way.join_next().await else { break };
                done??;
            }
            tell(phase, self.names, began);
        }
        Ok(())
    }

    async fn update(&self) -> anyhow::Result<()> {
        let mut rig = Rig::start(self, Arc::default())?;
        for (phase, ttl_secs) in [("new", 600), ("returning", 601)] {
            let events = self.events(&rig.rows, ttl_secs, |number| (ttl_secs > 600).then_some((number, 600)))?;
            let began = Instant::now();
            let feed = rig.events.clone();
            let fed = tokio::spawn(async move {
                for event in events {
                    if feed.send(event).await.is_err() {
                        break;
                    }
                }
            });
            rig.settled(self.names).await?;
            tell(phase, self.names, began);
            fed.await?;
        }
        let messages = rig.messages();
        rig.end().await;
        // The store is lost, DNS is not: nothing is known of names that are all there.
        let mut rig = Rig::start(self, Arc::default())?;
        let events = self.events(&rig.rows, 601, |_| None)?;
        let began = Instant::now();
        let feed = rig.events.clone();
        let fed = tokio::spawn(async move {
            for event in events {
                if feed.send(event).await.is_err() {
                    break;
                }
            }
        });
        rig.settled(self.names).await?;
        tell("forgotten", self.names, began);
        fed.await?;
        println!("messages {messages} {}", rig.messages());
        rig.end().await;
        Ok(())
    }

    /// The events of all leases, made beforehand: the DHCP side makes them on another thread.
    fn events(
        &self,
        rows: &Mutex<WantedTable>,
        ttl_secs: u32,
        before: impl Fn(u32) -> Option<(u32, u32)>,
    ) -> anyhow::Result<Vec<NameEvent>> {
        let mut table = lock(rows);
        (0..self.names)
            .map(|number| {
                let before = before(number).map(|(number, ttl)| self.claim(number, ttl)).transpose()?;
                let applied = table.apply(Self::address(number), before, Some(self.claim(number, ttl_secs)?));
                Ok(NameEvent { rows: applied.rows, ..NameEvent::default() })
            })
            .collect()
    }

    /// Leases come at their rate; what does not fit into the channel is dropped, as the DHCP service drops it.
    async fn flood(&self) -> anyhow::Result<()> {
        let rate = f64::from(self.rate.context("--rate")?);
        let mut rig = Rig::start(self, Arc::default())?;
        let (rows, events, overflowed) = (Arc::clone(&rig.rows), rig.events.clone(), Arc::clone(&rig.overflowed));
        let claims = (0..self.names).map(|number| self.claim(number, 600)).collect::<anyhow::Result<Vec<_>>>()?;
        let began = Instant::now();
        let feeder = std::thread::spawn(move || {
            let mut dropped = 0;
            for (number, claim) in (0..).zip(claims) {
                let due = began + Duration::from_secs_f64(f64::from(number) / rate);
                std::thread::sleep(due.saturating_duration_since(Instant::now()));
                let applied = lock(&rows).apply(Self::address(number), None, Some(claim));
                if events.try_send(NameEvent { rows: applied.rows, ..NameEvent::default() }).is_err() {
                    overflowed.store(true, Ordering::Release);
                    dropped += 1;
                }
            }
            (began.elapsed(), dropped)
        });
        rig.settled(self.names).await?;
        tell("flood", self.names, began);
        let (fed, dropped) = feeder.join().map_err(|_| anyhow::anyhow!("the feeder panicked"))?;
        println!("messages {} 0", rig.messages());
        println!("fed {} {dropped}", fed.as_micros());
        rig.end().await;
        Ok(())
    }
}

/// The DHCP side's rows, in the place of the DHCP service.
struct Rows(Arc<Mutex<WantedTable>>);

impl WantedSource for Rows {
    async fn all(&self) -> Option<Vec<WantedRow>> {
        Some(lock(&self.0).iter().collect())
    }
}

struct NoZones;

impl EmbeddedZones for NoZones {
    async fn update(&self, _: Update) -> Rcode {
        Rcode::NOT_AUTH
    }
}

/// A running updater with all that it has in the daemon, but the DHCP service.
struct Rig {
    rows: Arc<Mutex<WantedTable>>,
    events: mpsc::Sender<NameEvent>,
    overflowed: Arc<AtomicBool>,
    settled: mpsc::Receiver<Feedback>,
    _questions: mpsc::Sender<UpdaterQuestion>,
    client: Arc<UpdateClient>,
    task: JoinHandle<()>,
    committer: (Committer, std::thread::JoinHandle<()>),
}

impl Rig {
    fn start(load: &UpdateLoad, rows: Arc<Mutex<WantedTable>>) -> anyhow::Result<Self> {
        let place = load.store.as_ref().context("--store")?;
        drop(std::fs::remove_dir_all(place));
        let (store, ..) = Store::open(FileStorage::new(place), &Options::default())?;
        let (committer, thread) = Committer::start(store)?;
        let key = Arc::new(load.key()?);
        let server = SocketAddr::from((load.server, 53));
        let route =
            |apex: &Fqdn| ZoneRoute { apex: apex.clone(), server: ZoneServer::remote(server, Some(Arc::clone(&key))) };
        let zones = vec![route(&load.domain), route(&load.reverse)];
        let settings = Arc::new(Settings { zones: zones.into(), ..Settings::default() });
        let client = Arc::new(UpdateClient::new(Arc::new(wall_secs), Timing::default()));
        let clock = Clock::new(0);
        let (events, events_out) = mpsc::channel(EVENTS_MAX);
        let (settled_in, settled) = mpsc::channel(EVENTS_MAX);
        let (questions, questions_out) = mpsc::channel(1);
        let overflowed = Arc::new(AtomicBool::new(false));
        let updater = Updater::new(UpdaterParts {
            inheritor: None,
            reconciler: Reconciler::new(Arc::clone(&settings)),
            settings,
            client: Arc::clone(&client),
            zones: Arc::new(NoZones),
            wanted: Arc::new(Rows(Arc::clone(&rows))),
            sink: Arc::new(CommitterSink::new(committer.clone(), clock.clone())),
            clock,
            channels: UpdaterChannels {
                events: events_out,
                overflowed: Arc::clone(&overflowed),
                settled: settled_in,
                questions: questions_out,
            },
        });
        let task = tokio::spawn(updater.run());
        let committer = (committer, thread);
        Ok(Self { rows, events, overflowed, settled, _questions: questions, client, task, committer })
    }

    /// Waits until so many names and their addresses are confirmed.
    async fn settled(&mut self, names: u32) -> anyhow::Result<()> {
        for done in 0..2 * names {
            match tokio::time::timeout(PATIENCE, self.settled.recv()).await {
                Ok(Some(Feedback::Settled(..))) => {}
                _ => bail!("{done} of {} rows are confirmed, and no further one came", 2 * names),
            }
        }
        Ok(())
    }

    fn messages(&self) -> u64 {
        self.client.messages()
    }

    async fn end(self) {
        self.task.abort();
        drop(self.task.await);
        let (committer, thread) = self.committer;
        committer.stop();
        drop(thread.join());
    }
}
