//! Leases with names in an embedded zone, decided, stored and told to the updater as the daemon does it, in batches and on
//! one thread: all of the way but sockets, threads and the replies' octets.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, bail};
use ddns::reconcile::Reconciler;
use ddns::wanted::WantedTable;
use dhcp::engine::Engine;
use dhcp::time::Now;
use leasehold::committer::CommitResult;
use leasehold::core::Core;
use leasehold::core::pipeline::{Arrival, BatchOutcome, Link, Output, Pipeline, Step};
use leasehold::embedded_zones::{self, StoredZones};
use leasehold::zone_keeper::Keeping;
use leasehold::zone_keeper::with_leases::WithLeases;
use store::{FileStorage, Options, Row, Store};
use zones::ZoneSet;

use super::{NOW, SERVER};
use crate::exchanges::leasehold_toml;
use crate::packet::{ACK, OFFER, Template, read_reply};

/// Datagrams of a batch: about as many as come together when 64 clients are in flight.
const BATCH: usize = 32;
const DOMAIN: &str = "bench.test";
/// In the subnet of [`leasehold_toml`].
const RELAY: Ipv4Addr = Ipv4Addr::new(10, 64, 0, 2);

/// The daemon's parts, and what goes between them.
pub(super) struct World {
    pipeline: Pipeline,
    zones: Option<Zones>,
    store: Store<FileStorage>,
    directory: PathBuf,
    template: Template,
    link: Arc<Link>,
    reply: Vec<u8>,
    /// What is done is counted.
    pub(super) counts: bool,
    ddns: Arc<ddns::settings::Settings>,
}

struct Zones {
    keeping: Keeping<()>,
    published: ZoneSet,
    reconciler: Reconciler,
}

impl World {
    /// With nothing leased. Without names nothing but the leases is decided and stored.
    pub(super) fn new(names: bool) -> anyhow::Result<Self> {
        let directory = std::env::temp_dir().join(format!("leasehold-micro-store-{}-{names}", std::process::id()));
        drop(std::fs::remove_dir_all(&directory));
        let text = leasehold_toml(&directory.display().to_string(), names);
        let config = match config::check(&text, "named.toml", &|_: &Path| Err("no file is named".to_owned())) {
            Ok(checked) => checked.config,
            Err(faults) => bail!("{}", config::render(&faults, &text, false)),
        };
        std::fs::create_dir_all(&directory)?;
        let (store, ..) = Store::open(FileStorage::new(directory.join("store")), &Options::default())?;
        let ddns = Arc::new(config.ddns);
        let engine = Engine::new(Arc::new(config.dhcp), [], NOW);
        let core = Core::with_engine(engine, Arc::clone(&ddns), WantedTable::default(), NOW);
        let zones = match names {
            true => {
                let stored = StoredZones::default();
                let zones = embedded_zones::load(&config.dns, stored, &[], NOW.wall_secs)?.zones;
                let reconciler = Reconciler::new(Arc::clone(&ddns));
                Some(Zones { keeping: Keeping::new(zones.clone()), published: zones, reconciler })
            }
            false => None,
        };
        let link =
            Arc::new(Link { name: "srv0".to_owned(), index: 1, addresses: vec![ipnet::Ipv4Net::new(SERVER, 24)?] });
        Ok(Self {
            pipeline: Pipeline::new(core),
            zones,
            store,
            directory,
            template: Template::new(RELAY, names.then_some(DOMAIN), None)?,
            link,
            reply: Vec::with_capacity(1500),
            counts: false,
            ddns,
        })
    }

    /// DISCOVER and REQUEST of these new clients; their addresses.
    pub(super) fn exchanges(&mut self, clients: &[u32]) -> anyhow::Result<Vec<(u32, Ipv4Addr)>> {
        let mut taken = Vec::with_capacity(clients.len());
        for crowd in clients.chunks(BATCH) {
            let asked = crowd.iter().map(|client| self.template.discover(*client, *client)).collect();
            let offered = self.ask(asked, OFFER)?;
            let asked = crowd.iter().zip(offered);
            let asked = asked.map(|(client, address)| self.template.select(*client, *client, address, SERVER));
            let asked = asked.collect();
            taken.extend(crowd.iter().copied().zip(self.ask(asked, ACK)?));
        }
        Ok(taken)
    }

    /// A renewal of each of these.
    pub(super) fn renewals(&mut self, clients: &[(u32, Ipv4Addr)]) -> anyhow::Result<()> {
        for crowd in clients.chunks(BATCH) {
            let asked = crowd.iter().map(|(client, address)| self.template.renew(*client, *client, *address)).collect();
            self.ask(asked, ACK)?;
        }
        Ok(())
    }

    /// Whether all that was leased is in the zones, and known to be.
    pub(super) fn check(&self, leases: usize) -> anyhow::Result<()> {
        let Some(zones) = &self.zones else { return Ok(()) };
        let found: usize = zones.published.zones().iter().map(|zone| zone.name_count()).sum();
        let rows = zones.reconciler.rows().filter(|row| row.stage == ddns::reconcile::Stage::Done).count();
        anyhow::ensure!(found > 2 * leases && rows == 2 * leases, "{found} names, {rows} rows, {leases} leases");
        Ok(())
    }

    /// Sends a batch; the addresses of the replies.
    fn ask(&mut self, messages: Vec<Vec<u8>>, awaited: u8) -> anyhow::Result<Vec<Ipv4Addr>> {
        let asked = messages.len();
        let arrival = |message: Vec<u8>| Arrival {
            link: Arc::clone(&self.link),
            source: (RELAY, 67),
            destination: SERVER,
            payload: message,
        };
        let arrivals: Vec<Arrival> = messages.into_iter().map(arrival).collect();
        let output = if self.counts { self.counted_batch(arrivals)? } else { self.batch(arrivals)? };
        anyhow::ensure!(output.departures.len() == asked, "{} replies to {asked} messages", output.departures.len());
        let mut addresses = Vec::with_capacity(asked);
        for departure in &output.departures {
            self.reply.clear();
            departure.reply.encode(&mut self.reply);
            match read_reply(&self.reply) {
                Some((_, kind, address, _)) if kind == awaited => addresses.push(address),
                _ => bail!("awaited {awaited} and got {:?}", departure.reply),
            }
        }
        Ok(addresses)
    }

    #[inline(never)]
    fn counted_batch(&mut self, arrivals: Vec<Arrival>) -> anyhow::Result<Output> {
        self.batch(arrivals)
    }

    // Not in line, so that a profile tells them apart.

    #[inline(never)]
    fn batch(&mut self, arrivals: Vec<Arrival>) -> anyhow::Result<Output> {
        let mut output = match self.pipeline.decide(NOW, arrivals) {
            Step::Finish(output) => output,
            Step::Submit(mut transactions, _) => {
                let with_leases = self.decide_zones(&mut transactions);
                self.commit(&transactions)?;
                drop(transactions);
                self.publish(with_leases);
                self.pipeline.complete(NOW, BatchOutcome::Committed)?
            }
        };
        self.tell_updater(&mut output)?;
        Ok(output)
    }

    #[inline(never)]
    fn decide_zones(&mut self, transactions: &mut Vec<Vec<Row>>) -> Option<WithLeases> {
        let zones = self.zones.as_mut()?;
        let decided = zones.keeping.decide_with_leases(&self.ddns, NOW.wall_secs, transactions);
        self.pipeline.names_written(decided.as_ref().map(|decided| decided.written.clone()).unwrap_or_default());
        decided
    }

    #[inline(never)]
    fn commit(&mut self, transactions: &[Vec<Row>]) -> anyhow::Result<()> {
        self.store.commit(NOW.wall_secs, transactions).context("the store")
    }

    #[inline(never)]
    fn publish(&mut self, with_leases: Option<WithLeases>) {
        if let Some((zones, decided)) = self.zones.as_mut().zip(with_leases) {
            zones.keeping.settle_with_leases(decided, CommitResult::Committed);
            zones.published = zones.keeping.published().clone();
        }
    }

    #[inline(never)]
    fn tell_updater(&mut self, output: &mut Output) -> anyhow::Result<()> {
        let Some(zones) = &mut self.zones else { return Ok(()) };
        let Now { boot_ms, wall_secs } = NOW;
        let now = ddns::Now { boot_ms, wall_secs };
        std::mem::take(&mut output.names).tell(now, &mut zones.reconciler);
        anyhow::ensure!(zones.reconciler.poll_send(now).is_none(), "something is to be sent");
        drop(zones.reconciler.take_effects());
        Ok(())
    }
}

impl Drop for World {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.directory));
    }
}
