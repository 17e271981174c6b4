//! The load: clients behind one relay, so many exchanges in flight, each answered one making room for the next.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::bail;
use clap::Args;
use nix::sys::socket::SockaddrIn;

use crate::batch::{BATCH, BatchSocket};
use crate::moment::monotonic_us;
use crate::packet::{ACK, OFFER, Place, Template, read_reply};

/// A message without an answer for so long is sent again.
const AGAIN: Duration = Duration::from_secs(1);
/// How long the last answers of a phase are waited for, so that none comes in the next one.
const LAST_ANSWERS: Duration = Duration::from_secs(3);

/// The client that asks whether releases were taken.
const PACER: u32 = u32::MAX;

/// Makes clients take leases, then renew them.
#[derive(Args, Debug)]
pub(crate) struct Load {
    /// Our own address, the relay's.
    #[arg(long)]
    relay: Ipv4Addr,
    #[arg(long)]
    server: Ipv4Addr,
    /// Exchanges under way at once.
    #[arg(long)]
    in_flight: usize,
    /// The most seconds of each phase.
    #[arg(long)]
    seconds: u64,
    /// The most new clients.
    #[arg(long)]
    clients: u32,
    /// New clients one at a time, before the others.
    #[arg(long)]
    alone: u32,
    /// The domain of the clients' full names in option 81; none: no names.
    #[arg(long)]
    domain: Option<String>,
    /// Subnets in which clients take turns, by link selection; none: the relay's own.
    #[arg(long)]
    subnets: Option<u32>,
    /// Leave out the renewals.
    #[arg(long)]
    no_renewals: bool,
    /// After so many new clients all of them release their leases, which is not timed: in a pool that is nearly full
    /// there is room for few at once.
    #[arg(long)]
    portion: Option<u32>,
    /// Write when each exchange ended and how long it took: see [`crate::moment::read_samples`].
    #[arg(long)]
    samples: Option<PathBuf>,
    /// Begin each phase when a line is read from standard input.
    #[arg(long)]
    step: bool,
}

/// What a phase came to.
#[derive(Debug)]
struct Phase {
    began: Instant,
    until: Instant,
    done: u64,
    /// Until the last that counted.
    elapsed: Duration,
    /// Of each exchange: microseconds from the phase's begin to its end, and what it took.
    ends: Vec<(u64, u32)>,
    again: u64,
    refused: u64,
}

/// One exchange under way.
#[derive(Clone, Copy, Debug)]
struct Flight {
    client: u32,
    /// Of a renewal, or as offered.
    address: Ipv4Addr,
    /// Whose offer it takes.
    server: Option<Ipv4Addr>,
    awaits: u8,
    began: Instant,
    sent: Instant,
}

struct Clients {
    to: SockaddrIn,
    socket: BatchSocket,
    template: Template,
    /// Who holds which address.
    held: HashMap<Ipv4Addr, u32>,
    /// In the order in which they were bound.
    bound: Vec<(u32, Ipv4Addr)>,
    next: u32,
    last_xid: u32,
    /// Who answered last.
    server: Ipv4Addr,
}

impl Load {
    /// Prints a line for each phase: its name, what was done, microseconds elapsed, p50, p99, p99.9 in microseconds,
    /// messages sent again, and refusals.
    pub(crate) fn run(&self) -> anyhow::Result<()> {
        let [a, b, c, d] = self.server.octets();
        let mut clients = Clients {
            to: SockaddrIn::new(a, b, c, d, 67),
            socket: BatchSocket::bind(SocketAddrV4::new(self.relay, 67), Duration::from_millis(100))?,
            template: Template::new(self.relay, self.domain.as_deref(), self.subnets.map(|subnets| Place { subnets }))?,
            held: HashMap::new(),
            bound: Vec::new(),
            next: 1,
            last_xid: 0,
            server: self.server,
        };
        let long = Duration::from_secs(self.seconds);
        if self.alone > 0 {
            self.await_step()?;
            clients.phase(1, self.alone.into(), long, false)?.print("alone");
        }
        self.await_step()?;
        let began_us = monotonic_us()?;
        let new = match self.portion {
            Some(portion) => clients.in_portions(self.in_flight, portion, self.clients.into(), long)?,
            None => clients.phase(self.in_flight, self.clients.into(), long, false)?,
        };
        if let Some(path) = &self.samples {
            new.write_samples(began_us, path)?;
        }
        new.print("exchanges");
        if !self.no_renewals {
            self.await_step()?;
            clients.phase(self.in_flight, u64::MAX, long, true)?.print("renewals");
        }
        Ok(())
    }

    fn await_step(&self) -> anyhow::Result<()> {
        if self.step {
            std::io::stdin().read_line(&mut String::new())?;
        }
        Ok(())
    }
}

impl Template {
    fn of(&self, xid: u32, flight: &Flight) -> Vec<u8> {
        match (flight.awaits, flight.server) {
            (OFFER, _) => self.discover(xid, flight.client),
            (_, Some(server)) => self.select(xid, flight.client, flight.address, server),
            (_, None) => self.renew(xid, flight.client, flight.address),
        }
    }
}

impl Phase {
    fn lasting(long: Duration) -> Self {
        let began = Instant::now();
        Self { began, until: began + long, done: 0, elapsed: Duration::ZERO, ends: Vec::new(), again: 0, refused: 0 }
    }

    /// An answer that comes after the phase's end is not counted.
    fn count(&mut self, began: Instant, now: Instant) {
        if now <= self.until {
            self.done += 1;
            self.elapsed = now - self.began;
            let at = u64::try_from(self.elapsed.as_micros()).unwrap_or(u64::MAX);
            self.ends.push((at, u32::try_from((now - began).as_micros()).unwrap_or(u32::MAX)));
        }
    }

    /// One more portion of it.
    fn append(&mut self, portion: Self) {
        self.done += portion.done;
        self.elapsed += portion.elapsed;
        self.ends.extend(portion.ends);
        self.again += portion.again;
        self.refused += portion.refused;
    }

    fn write_samples(&self, began_us: u64, path: &Path) -> anyhow::Result<()> {
        let mut out = BufWriter::new(File::create(path)?);
        writeln!(out, "{began_us}")?;
        for (at, micros) in &self.ends {
            writeln!(out, "{at} {micros}")?;
        }
        Ok(out.flush()?)
    }

    fn print(self, name: &str) {
        let mut micros: Vec<u32> = self.ends.iter().map(|(_, micros)| *micros).collect();
        micros.sort_unstable();
        let at = |permyriad: usize| {
            let last = micros.len().saturating_sub(1);
            micros.get(last * permyriad / 10_000).copied().unwrap_or(0)
        };
        println!(
            "{name} {} {} {} {} {} {} {}",
            self.done,
            self.elapsed.as_micros(),
            at(5_000),
            at(9_900),
            at(9_990),
            self.again,
            self.refused
        );
    }
}

impl Clients {
    /// Runs exchanges (or renewals of what is bound) until `most` are done or the time is over. What is under way then
    /// is finished and not counted.
    fn phase(&mut self, in_flight: usize, most: u64, long: Duration, renewals: bool) -> anyhow::Result<Phase> {
        if renewals && self.bound.is_empty() {
            bail!("no client got a lease, so that none can renew");
        }
        let mut phase = Phase::lasting(long);
        let mut flights: HashMap<u32, Flight> = HashMap::with_capacity(in_flight);
        // A client that renews twice at once would take one answer for the other.
        let room = if renewals { in_flight.min(self.bound.len()) } else { in_flight };
        let mut looked = phase.began;
        let mut begun = 0;
        let mut out = Vec::with_capacity(in_flight);
        loop {
            let now = Instant::now();
            while now < phase.until && flights.len() < room && begun < most {
                let flight = self.begin(renewals.then_some(begun), now);
                begun += 1;
                self.last_xid = self.last_xid.wrapping_add(1);
                out.push((self.template.of(self.last_xid, &flight), self.to));
                flights.insert(self.last_xid, flight);
            }
            if now - looked > AGAIN / 10 {
                looked = now;
                for (xid, flight) in flights.iter_mut().filter(|(_, flight)| now - flight.sent > AGAIN) {
                    flight.sent = now;
                    phase.again += 1;
                    out.push((self.template.of(*xid, flight), self.to));
                }
            }
            self.socket.send(&out)?;
            out.clear();
            if flights.is_empty() || now > phase.until + LAST_ANSWERS {
                return Ok(phase);
            }
            if self.socket.receive()? {
                self.take(&mut flights, &mut out, &mut phase)?;
            }
        }
    }

    /// New clients, a portion after the other; between two of them all leases are released, and only what the exchanges
    /// took counts.
    fn in_portions(&mut self, in_flight: usize, portion: u32, most: u64, long: Duration) -> anyhow::Result<Phase> {
        let mut all = Phase::lasting(long);
        while all.elapsed < long && all.done < most {
            let phase = self.phase(in_flight, portion.into(), long, false)?;
            if phase.done == 0 {
                bail!("of a portion of {portion} clients none got a lease");
            }
            all.append(phase);
            self.release_all()?;
        }
        Ok(all)
    }

    /// Each lease is given back. Nothing answers a RELEASE, so that a DISCOVER behind each crowd of them tells when the
    /// server has taken them.
    fn release_all(&mut self) -> anyhow::Result<()> {
        self.held.clear();
        let bound = std::mem::take(&mut self.bound);
        for crowd in bound.chunks(BATCH - 1) {
            self.last_xid = self.last_xid.wrapping_add(1);
            let xid = self.last_xid;
            let release = |(client, address): &(u32, Ipv4Addr)| {
                (self.template.release(xid, *client, *address, self.server), self.to)
            };
            self.socket.send(&crowd.iter().map(release).collect::<Vec<_>>())?;
            let asked = (self.template.discover(xid, PACER), self.to);
            let until = Instant::now() + LAST_ANSWERS;
            let mut answered = false;
            while !answered {
                if Instant::now() > until {
                    bail!("the server says nothing after leases were released");
                }
                self.socket.send(std::slice::from_ref(&asked))?;
                answered = self.socket.receive()?
                    && self.socket.datagrams().any(|(bytes, _)| read_reply(bytes).is_some_and(|reply| reply.0 == xid));
            }
        }
        Ok(())
    }

    fn begin(&mut self, renews: Option<u64>, now: Instant) -> Flight {
        match renews {
            Some(turn) => {
                let (client, address) = self.bound[turn as usize % self.bound.len()];
                Flight { client, address, server: None, awaits: ACK, began: now, sent: now }
            }
            None => {
                let client = self.next;
                self.next += 1;
                let address = Ipv4Addr::UNSPECIFIED;
                Flight { client, address, server: None, awaits: OFFER, began: now, sent: now }
            }
        }
    }

    fn take(
        &mut self,
        flights: &mut HashMap<u32, Flight>,
        out: &mut Vec<(Vec<u8>, SockaddrIn)>,
        phase: &mut Phase,
    ) -> anyhow::Result<()> {
        let now = Instant::now();
        for (bytes, _) in self.socket.datagrams() {
            let Some((xid, kind, address, server)) = read_reply(bytes) else { continue };
            let Some(flight) = flights.get_mut(&xid) else { continue };
            match (flight.awaits, kind) {
                (OFFER, OFFER) => {
                    self.server = server;
                    *flight = Flight { address, server: Some(server), awaits: ACK, sent: now, ..*flight };
                    out.push((self.template.of(xid, flight), self.to));
                }
                (ACK, ACK) if address == flight.address => {
                    if flight.server.is_some() {
                        if let Some(other) = self.held.insert(address, flight.client) {
                            bail!("{address} was given to client {} and to client {other}", flight.client);
                        }
                        self.bound.push((flight.client, address));
                    }
                    phase.count(flight.began, now);
                    flights.remove(&xid);
                }
                (ACK, OFFER) => {}
                (ACK, _) => {
                    phase.refused += 1;
                    flights.remove(&xid);
                }
                _ => {}
            }
        }
        Ok(())
    }
}
