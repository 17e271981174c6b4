//! What is around the engine: the core, through its pipeline, with names and without, and the rows of a commit.

use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, bail};
use ddns::wanted::WantedTable;
use dhcp::lease::Lease;
use leasehold::core::Core;
use leasehold::core::pipeline::{Arrival, BatchOutcome, Link, Output, Pipeline, Step};
use store::{FileStorage, Options, Row, Store};

use super::{NOW, RELAY, SERVER, lease, request_of};

/// Datagrams that come in one batch, and leases that are committed together: what 64 clients in flight make of it.
const BATCH: u32 = 16;

/// The daemon's way of a message without sockets and store: a batch decided, committed at once and its replies encoded.
pub(super) struct Piped {
    pipeline: Pipeline,
    link: Arc<Link>,
    replies: Vec<u8>,
}

impl Piped {
    /// `with_names`: every lease gets a name in an embedded zone.
    pub(super) fn new(held: u32, with_names: bool) -> anyhow::Result<Self> {
        let (domain, zone) = match with_names {
            true => ("domain = \"bench.test\"\n", "\n[[zone]]\nname = \"bench.test\"\n"),
            false => ("", ""),
        };
        let (first, last) = (super::address(0), Ipv4Addr::new(10, 31, 255, 239));
        let text = format!(
            "[server]\nstore = \"/nonexistent/store\"\ninterfaces = [\"srv0\"]\n\n[[subnet]]\nprefix = \"10.0.0.0/11\"\n\
             pools = [\"{first}-{last}\"]\nlease_time = \"1h\"\nrouters = [\"10.0.0.1\"]\n{domain}{zone}"
        );
        let config = match config::check(&text, "micro.toml", &|_: &Path| Err("no file is named".to_owned())) {
            Ok(checked) => checked.config,
            Err(faults) => bail!("{}", config::render(&faults, &text, false)),
        };
        let leases = (0..held).filter_map(|client| lease(11, client)).collect();
        let core = Core::new(Arc::new(config.dhcp), Arc::new(config.ddns), leases, WantedTable::default(), NOW);
        let mut pipeline = Pipeline::new(core);
        // What a start does once is no message's.
        while pipeline.poll_timeout() == Some(0) {
            let step = pipeline.expire(NOW, 4_096);
            commit(&mut pipeline, step)?;
        }
        let link = Link { name: "srv0".to_owned(), index: 1, addresses: vec![SERVER.into()] };
        Ok(Self { pipeline, link: Arc::new(link), replies: Vec::with_capacity(1 << 16) })
    }

    /// Has all clients take new leases, a batch of DISCOVERs and a batch of REQUESTs at a time.
    pub(super) fn exchange(&mut self, clients: std::ops::Range<u32>) -> anyhow::Result<()> {
        for from in clients.clone().step_by(BATCH as usize) {
            let batch = from..clients.end.min(from + BATCH);
            let discovers = batch.clone().map(|client| request_of(client, 1, None, None)).collect();
            let offered = self.ask(discovers)?;
            let requests = batch.zip(offered).map(|(client, offered)| request_of(client, 3, None, Some(offered)));
            self.ask(requests.collect())?;
        }
        Ok(())
    }

    /// Has these clients renew.
    pub(super) fn renew(&mut self, clients: &[(u32, Ipv4Addr)]) -> anyhow::Result<()> {
        for batch in clients.chunks(BATCH as usize) {
            self.ask(batch.iter().map(|(client, address)| request_of(*client, 3, Some(*address), None)).collect())?;
        }
        Ok(())
    }

    /// The addresses that the replies to these messages give.
    fn ask(&mut self, messages: Vec<Vec<u8>>) -> anyhow::Result<Vec<Ipv4Addr>> {
        let (asked, link) = (messages.len(), &self.link);
        let arrival =
            |payload: Vec<u8>| Arrival { link: Arc::clone(link), source: (RELAY, 67), destination: SERVER, payload };
        let arrivals = messages.into_iter().map(arrival).collect();
        let output = self.counted_batch(arrivals)?;
        let given: Vec<Ipv4Addr> = output.departures.iter().map(|departure| departure.reply.yiaddr).collect();
        anyhow::ensure!(given.len() == asked && !given.contains(&Ipv4Addr::UNSPECIFIED), "{given:?} of {asked}");
        Ok(given)
    }

    #[inline(never)]
    fn counted_batch(&mut self, arrivals: Vec<Arrival>) -> anyhow::Result<Output> {
        let step = self.pipeline.decide(NOW, arrivals);
        let output = commit(&mut self.pipeline, step)?;
        self.replies.clear();
        for departure in &output.departures {
            departure.reply.encode(&mut self.replies);
        }
        Ok(output)
    }
}

fn commit(pipeline: &mut Pipeline, step: Step) -> anyhow::Result<Output> {
    match step {
        Step::Finish(output) => Ok(output),
        Step::Submit(..) => Ok(pipeline.complete(NOW, BatchOutcome::Committed)?),
    }
}

/// A store, and leases to be written.
pub(super) struct Rows {
    store: Store<FileStorage>,
    leases: Vec<Lease>,
    // Taken away when it is dropped.
    dir: std::path::PathBuf,
}

impl Rows {
    pub(super) fn new(count: u32) -> anyhow::Result<Self> {
        let dir = std::env::temp_dir().join(format!("leasehold-micro-rows-{}", std::process::id()));
        std::fs::create_dir_all(&dir)?;
        let (store, ..) = Store::open(FileStorage::new(&dir), &Options::default())?;
        Ok(Self { store, leases: (0..count).filter_map(|client| lease(11, client)).collect(), dir })
    }

    /// Writes all leases, each a transaction, a batch a commit.
    pub(super) fn write(&mut self) -> anyhow::Result<()> {
        for leases in self.leases.chunks(BATCH as usize) {
            let rows: Vec<Vec<Row>> = leases.iter().map(|lease| vec![Row::Lease(lease.clone())]).collect();
            counted_commit(&mut self.store, &rows)?;
        }
        Ok(())
    }
}

impl Drop for Rows {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.dir));
    }
}

#[inline(never)]
fn counted_commit(store: &mut Store<FileStorage>, rows: &[Vec<Row>]) -> anyhow::Result<()> {
    store.commit(NOW.wall_secs, rows).context("committing")
}
