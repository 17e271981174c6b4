//! A store on a bad disk, beside a simple model of what it must hold.
#![allow(dead_code, unreachable_pub, reason = "each test binary uses a part")]

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use dhcp::identity::HardwareAddress;
use dhcp::lease::{Lease, LeaseState};
use store::simulated::{Random, SimStorage};
use store::{CommitError, OpenError, Options, Row, Store};

/// Few, so that rows are replaced and removed often.
const ADDRESSES: u64 = 24;

/// What the store holds: an address and the one number that tells each version of its lease.
pub type State = BTreeMap<u8, u64>;

/// Puts and removals of one transaction.
pub type Transaction = Vec<(u8, Option<u64>)>;

pub fn lease(last: u8, version: u64) -> Lease {
    Lease {
        address: Ipv4Addr::new(192, 0, 2, last),
        subnet: "192.0.2.0/24".parse().unwrap(),
        state: LeaseState::Bound,
        hardware: HardwareAddress::new(1, &[2, 0, 0, 0, 0, last]).unwrap(),
        client_id: None,
        started_at: 1,
        renewed_at: version,
        expires_at: u64::MAX,
        // Some long, so that frames span sectors; most alike, so that what a cut left behind could fit in again.
        hostname: vec![b'h'; [9, 9, 9, 240][(version % 4) as usize]].into(),
        client_fqdn: dns::Bytes::default(),
        name: None,
        relay: Ipv4Addr::UNSPECIFIED,
        relay_agent_info: dns::Bytes::default(),
        server_identifier_override: None,
    }
}

pub fn rows(transaction: &Transaction) -> Vec<Row> {
    let row = |&(last, version): &(u8, Option<u64>)| match version {
        Some(version) => Row::Lease(lease(last, version)),
        None => Row::LeaseGone(Ipv4Addr::new(192, 0, 2, last)),
    };
    transaction.iter().map(row).collect()
}

pub fn apply(state: &mut State, transaction: &Transaction) {
    for &(last, version) in transaction {
        match version {
            Some(version) => state.insert(last, version),
            None => state.remove(&last),
        };
    }
}

pub fn options() -> Options {
    // The least there is: segments end often.
    Options { segment_bytes: 16 * 1024, ..Options::default() }
}

/// The store, its disk, and what was acknowledged.
pub struct Bench {
    pub disk: SimStorage,
    pub random: Random,
    pub store: Option<Store<SimStorage>>,
    pub acknowledged: State,
    /// Sent to the store, but neither acknowledged nor refused: it may hold the first few of these.
    pub unknown: Vec<Transaction>,
    pub stamp: u64,
    version: u64,
}

impl Bench {
    pub fn new(seed: u64) -> Self {
        Self {
            disk: SimStorage::new(seed),
            random: Random::new(seed ^ 0x5eed),
            store: None,
            acknowledged: State::new(),
            unknown: Vec::new(),
            stamp: 1_790_000_000,
            // Every version takes two octets.
            version: 1000,
        }
    }

    pub fn transaction(&mut self) -> Transaction {
        let rows = 1 + self.random.below(4) / 2;
        (0..rows)
            .map(|_| {
                let last = self.random.below(ADDRESSES) as u8;
                self.version += 1;
                (last, (!self.random.once_in(4)).then_some(self.version))
            })
            .collect()
    }

    /// Opens the store and compares; what it holds is acknowledged from then on. The error is the store's, or what it
    /// holds wrongly.
    pub fn open(&mut self) -> Result<(), Fault> {
        self.store = None;
        let (store, contents, _) = Store::open(self.disk.clone(), &options()).map_err(Fault::Open)?;
        let mut held = State::new();
        for found in &contents.leases {
            let last = found.address.octets()[3];
            if *found != lease(last, found.renewed_at) {
                return Err(Fault::Wrong(format!("the lease of {} was changed", found.address)));
            }
            held.insert(last, found.renewed_at);
        }
        let mut possible = self.acknowledged.clone();
        let mut unknown = std::mem::take(&mut self.unknown).into_iter();
        while possible != held {
            let Some(next) = unknown.next() else {
                return Err(Fault::Wrong(format!("holds {held:?}, acknowledged was {:?}", self.acknowledged)));
            };
            apply(&mut possible, &next);
        }
        if contents.newest_stamp > self.stamp {
            return Err(Fault::Wrong("a stamp from the future".to_owned()));
        }
        self.acknowledged = held;
        self.store = Some(store);
        Ok(())
    }

    /// Commits a batch of its own making.
    pub fn commit(&mut self) -> Result<(), CommitError> {
        let count = 1 + self.random.below(3);
        let batch = (0..count).map(|_| self.transaction()).collect();
        self.commit_these(batch)
    }

    /// Commits this batch.
    pub fn commit_these(&mut self, batch: Vec<Transaction>) -> Result<(), CommitError> {
        self.stamp += self.random.below(3);
        let rows: Vec<Vec<Row>> = batch.iter().map(rows).collect();
        let store = self.store.as_mut().expect("the store is open");
        let outcome = store.commit(self.stamp, &rows);
        match &outcome {
            Ok(()) => batch.iter().for_each(|transaction| apply(&mut self.acknowledged, transaction)),
            Err(CommitError::Failed { .. }) => self.unknown = batch,
            // Nothing was changed.
            Err(_) => {}
        }
        outcome
    }

    /// Compacts, with commits before the merged files take effect. Failures are the disk's.
    pub fn compact(&mut self) {
        let store = self.store.as_mut().expect("the store is open");
        let Ok(Some(compaction)) = store.begin_compaction() else { return };
        for _ in 0..self.random.below(3) {
            let _ = self.commit();
        }
        let _ = compaction.run();
    }

    /// Writes zeros to the spare, with commits between the steps, some of which may take it meanwhile.
    pub fn write_zeros(&mut self) {
        let Some(mut zeroing) = self.store.as_mut().expect("the store is open").begin_zeroing() else { return };
        while zeroing.step() {
            for _ in 0..self.random.below(24) {
                let _ = self.commit();
            }
        }
    }

    /// One step of a day: mostly commits, now and then a compaction, zeros written ahead or an orderly restart.
    pub fn step(&mut self) -> Result<(), Fault> {
        match self.random.below(24) {
            0 => self.compact(),
            1 => {
                self.store = None;
                return if self.disk.crashed() { Ok(()) } else { self.open() };
            }
            2 => self.write_zeros(),
            _ => drop(self.commit()),
        }
        Ok(())
    }
}

/// What a run finds.
#[derive(Debug)]
pub enum Fault {
    Open(OpenError),
    Wrong(String),
}

/// A day of `steps`, with a mishap planned beforehand by `plan`; the store is opened again whenever it failed, the
/// power restored whenever it went. At the end the power fails once more.
pub fn day(seed: u64, steps: u64, plan: impl FnOnce(&SimStorage)) -> Result<u64, Fault> {
    let mut bench = Bench::new(seed);
    plan(&bench.disk);
    for _ in 0..steps {
        if bench.disk.crashed() {
            bench.store = None;
            bench.disk.crash();
        }
        if bench.store.as_ref().is_none_or(Store::failed) {
            match bench.open() {
                // The mishap may hit the opening itself; nothing may be lost by it.
                Err(Fault::Open(OpenError::Io { .. } | OpenError::Full { .. })) => continue,
                other => other?,
            }
        }
        if let Err(Fault::Wrong(what)) = bench.step() {
            return Err(Fault::Wrong(what));
        }
    }
    let operations = bench.disk.operations();
    bench.store = None;
    bench.disk.calm();
    bench.disk.crash();
    bench.open()?;
    Ok(operations)
}
