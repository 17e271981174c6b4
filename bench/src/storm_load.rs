//! Clients that all come at once, each with the patience of RFC 2131: it asks again after 4 s, 8 s and so on, each time
//! one second more or less, and gives up after a while. Beside them somebody asks DNS for their names, in the order in
//! which they got their addresses.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, VecDeque};
use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use clap::Args;
use dns::Fqdn;
use nix::sys::socket::SockaddrIn;

use crate::batch::{BATCH, BatchSocket};
use crate::packet::{ACK, OFFER, Template, is_answered, query, read_reply};

/// RFC 2131 section 4.1: "the delay before the first retransmission SHOULD be 4 seconds randomized by the value of a
/// uniform random number chosen from the range -1 to +1 ... The retransmission delay SHOULD be doubled with subsequent
/// retransmissions up to a maximum of 64 seconds."
const FIRST_DELAY_US: u64 = 4_000_000;
const DELAY_MAX_US: u64 = 64_000_000;
const JITTER_US: u64 = 1_000_000;
/// RFC 2131 section 3.1 step 5: "a client retransmitting as described in section 4.1 might retransmit the DHCPREQUEST
/// message four times" before it begins anew.
const REQUESTS_MAX: u8 = 5;
/// Names asked for at once: few, so that the questions are no load of their own.
const QUESTIONS_MAX: usize = 16;
/// A name that is not there yet is asked for again so much later.
const ASK_AGAIN: Duration = Duration::from_millis(20);
/// A name that is missing for so long lets others pass.
const PASS_AFTER: Duration = Duration::from_secs(2);
/// While so long no further name appears, those that have not are counted as missing.
const SILENCE: Duration = Duration::from_secs(20);
/// Acknowledgements are counted by such spans.
pub(crate) const WINDOW_US: u64 = 250_000;

/// The clients of a storm.
#[derive(Args, Debug)]
pub(crate) struct StormLoad {
    #[arg(long)]
    relay: Ipv4Addr,
    #[arg(long)]
    server: Ipv4Addr,
    #[arg(long)]
    clients: u32,
    /// All first messages leave within so many milliseconds.
    #[arg(long)]
    within_ms: u64,
    /// Seconds after which a client without an address gives up.
    #[arg(long)]
    patience: u64,
    /// The domain of the clients' full names in option 81; none: no names.
    #[arg(long)]
    domain: Option<String>,
    #[arg(long)]
    seed: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Waiting,
    Selecting,
    Requesting { address: Ipv4Addr, server: Ipv4Addr },
    Bound,
    GaveUp,
}

#[derive(Clone, Copy, Debug)]
struct Client {
    state: State,
    /// Microseconds from the storm's begin to its first message.
    began_us: u64,
    /// Messages sent in this state.
    sent: u8,
    /// What is in the queue of times for an earlier message says nothing.
    turn: u32,
}

/// What became of them.
#[derive(Debug, Default)]
struct Outcome {
    bound: u32,
    last_bound_us: u64,
    gave_up: u32,
    again: u64,
    refused: u64,
    /// Acknowledgements in each span of [`WINDOW_US`], and the clients without an address that had begun by its end.
    windows: Vec<(u32, u32)>,
}

struct Storm<'a> {
    load: &'a StormLoad,
    template: Template,
    to: SockaddrIn,
    clients: Vec<Client>,
    /// When a client's next message is due, which client, and its turn.
    due: BinaryHeap<Reverse<(u64, u32, u32)>>,
    held: HashMap<Ipv4Addr, u32>,
    random: u64,
    begun: u32,
    outcome: Outcome,
    out: Vec<(Vec<u8>, SockaddrIn)>,
}

impl StormLoad {
    /// Prints a line `window ACKS WAITING` for each quarter of a second, then `bound N MICROS GAVE_UP AGAIN REFUSED`, and
    /// with names `named N MICROS`: until the last address and the last name, from the storm's begin.
    pub(crate) fn run(&self) -> anyhow::Result<()> {
        let [a, b, c, d] = self.server.octets();
        let mut socket = BatchSocket::bind(SocketAddrV4::new(self.relay, 67), Duration::from_millis(1))?;
        let mut storm = Storm {
            load: self,
            template: Template::new(self.relay, self.domain.as_deref(), None)?,
            to: SockaddrIn::new(a, b, c, d, 67),
            clients: Vec::new(),
            due: BinaryHeap::new(),
            held: HashMap::new(),
            // Xorshift must not begin with zero.
            random: self.seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1,
            begun: 0,
            outcome: Outcome::default(),
            out: Vec::new(),
        };
        storm.gather();
        let began = Instant::now();
        let mut names = self.domain.as_deref().map(|domain| Names::new(self, domain, began)).transpose()?;
        while !storm.is_over() {
            storm.turn(micros(began));
            socket.send(&storm.out)?;
            storm.out.clear();
            if socket.receive()? {
                let now = micros(began);
                for (bytes, _) in socket.datagrams() {
                    if let Some(bound) = storm.take(now, bytes)?
                        && let Some(names) = &mut names
                    {
                        names.waiting.push_back(bound);
                    }
                }
            }
            if let Some(names) = &mut names {
                names.turn()?;
            }
        }
        storm.print();
        if let Some(mut names) = names {
            names.finish()?;
            println!("named {} {}", names.found, names.last.as_micros());
        }
        Ok(())
    }
}

impl Storm<'_> {
    /// Every client gets the moment of its first message.
    fn gather(&mut self) {
        for number in 0..self.load.clients {
            let began_us = self.random() % (self.load.within_ms * 1_000).max(1);
            self.clients.push(Client { state: State::Waiting, began_us, sent: 0, turn: 0 });
            self.due.push(Reverse((began_us, number, 0)));
        }
    }

    fn random(&mut self) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random
    }

    fn is_over(&self) -> bool {
        self.outcome.bound + self.outcome.gave_up == self.load.clients
    }

    /// Sends what is due; at most a batch, so that answers are read in between.
    fn turn(&mut self, now: u64) {
        while let Some(Reverse((at, number, turn))) = self.due.peek().copied()
            && at <= now
            && self.out.len() < BATCH
        {
            self.due.pop();
            if self.clients[number as usize].turn == turn {
                self.ask(now, number);
            }
        }
        self.window(now);
    }

    fn ask(&mut self, now: u64, number: u32) {
        let mut client = self.clients[number as usize];
        match client.state {
            State::Bound | State::GaveUp => return,
            State::Waiting => {
                client.state = State::Selecting;
                self.begun += 1;
            }
            _ if now - client.began_us > self.load.patience * 1_000_000 => {
                self.clients[number as usize].state = State::GaveUp;
                self.outcome.gave_up += 1;
                return;
            }
            State::Requesting { .. } if client.sent >= REQUESTS_MAX => {
                (client.state, client.sent) = (State::Selecting, 0);
            }
            State::Selecting | State::Requesting { .. } => {}
        }
        self.outcome.again += u64::from(client.sent > 0);
        self.send(now, number, client);
    }

    fn send(&mut self, now: u64, number: u32, mut client: Client) {
        let jitter = self.random() % (2 * JITTER_US);
        let delay = (FIRST_DELAY_US << client.sent.min(4)).min(DELAY_MAX_US) + jitter - JITTER_US;
        client.sent += 1;
        client.turn += 1;
        self.due.push(Reverse((now + delay, number, client.turn)));
        // One number more than its place: it is transaction, hardware address and name.
        let id = number + 1;
        let mut message = match client.state {
            State::Requesting { address, server } => self.template.select(id, id, address, server),
            _ => self.template.discover(id, id),
        };
        let secs = u16::try_from((now - client.began_us) / 1_000_000).unwrap_or(u16::MAX);
        message[8..10].copy_from_slice(&secs.to_be_bytes());
        self.out.push((message, self.to));
        self.clients[number as usize] = client;
    }

    /// The client that has its address now.
    fn take(&mut self, now: u64, bytes: &[u8]) -> anyhow::Result<Option<u32>> {
        let Some((xid, kind, address, server)) = read_reply(bytes) else { return Ok(None) };
        let Some(number) = xid.checked_sub(1).filter(|number| *number < self.load.clients) else { return Ok(None) };
        let client = self.clients[number as usize];
        match (client.state, kind) {
            (State::Selecting, OFFER) => {
                let state = State::Requesting { address, server };
                self.send(now, number, Client { state, sent: 0, ..client });
            }
            (State::Requesting { address: offered, .. }, ACK) if offered == address => {
                if let Some(other) = self.held.insert(address, number) {
                    bail!("{address} was given to client {number} and to client {other}");
                }
                self.window(now);
                self.clients[number as usize].state = State::Bound;
                self.outcome.bound += 1;
                self.outcome.last_bound_us = now;
                if let Some(window) = self.outcome.windows.last_mut() {
                    window.0 += 1;
                }
                return Ok(Some(number));
            }
            (State::Requesting { .. }, kind) if kind != OFFER && kind != ACK => {
                self.outcome.refused += 1;
                self.send(now, number, Client { state: State::Selecting, sent: 0, ..client });
            }
            _ => {}
        }
        Ok(None)
    }

    /// Opens the windows up to now.
    fn window(&mut self, now: u64) {
        let waiting = self.begun - self.outcome.bound - self.outcome.gave_up;
        while self.outcome.windows.len() as u64 <= now / WINDOW_US {
            if let Some(window) = self.outcome.windows.last_mut() {
                window.1 = waiting;
            }
            self.outcome.windows.push((0, 0));
        }
    }

    fn print(&self) {
        for (acks, waiting) in &self.outcome.windows {
            println!("window {acks} {waiting}");
        }
        let Outcome { bound, last_bound_us, gave_up, again, refused, .. } = &self.outcome;
        println!("bound {bound} {last_bound_us} {gave_up} {again} {refused}");
    }
}

/// Asks DNS for names.
struct Names<'a> {
    domain: &'a str,
    socket: UdpSocket,
    began: Instant,
    /// Clients whose names were not seen yet, the one that got its address first in front.
    waiting: VecDeque<u32>,
    asked: Vec<Asked>,
    next_id: u16,
    found: u32,
    last: Duration,
    last_at: Instant,
}

/// A name that is asked for.
struct Asked {
    client: u32,
    since: Instant,
    last: Instant,
    /// Of all questions for it, so that a late answer counts.
    id: u16,
}

impl<'a> Names<'a> {
    fn new(load: &StormLoad, domain: &'a str, began: Instant) -> anyhow::Result<Self> {
        let socket = UdpSocket::bind(SocketAddrV4::new(load.relay, 0))?;
        socket.connect((load.server, 53))?;
        socket.set_nonblocking(true)?;
        Ok(Self {
            domain,
            socket,
            began,
            waiting: VecDeque::new(),
            asked: Vec::new(),
            next_id: 0,
            found: 0,
            last: Duration::ZERO,
            last_at: began,
        })
    }

    fn turn(&mut self) -> anyhow::Result<()> {
        let mut buffer = [0; 1_500];
        loop {
            match self.socket.recv(&mut buffer) {
                Ok(length) => self.take(&buffer[..length]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                // Refused, while nobody listens.
                Err(error) if error.kind() == ErrorKind::ConnectionRefused => break,
                Err(error) => return Err(error).context("receiving answers"),
            }
        }
        let now = Instant::now();
        let passing = self.asked.extract_if(.., |asked| now - asked.since > PASS_AFTER);
        self.waiting.extend(passing.map(|asked| asked.client));
        while self.asked.len() < QUESTIONS_MAX
            && let Some(client) = self.waiting.pop_front()
        {
            self.next_id = self.next_id.wrapping_add(1);
            self.asked.push(Asked { client, since: now, last: now - ASK_AGAIN, id: self.next_id });
        }
        for asked in self.asked.iter_mut().filter(|asked| now - asked.last >= ASK_AGAIN) {
            asked.last = now;
            let name: Fqdn = format!("c{:09}.{}", asked.client + 1, self.domain).parse().context("the domain")?;
            // One that does not leave is asked again.
            drop(self.socket.send(&query(asked.id, &name)));
        }
        Ok(())
    }

    fn take(&mut self, bytes: &[u8]) {
        if let Some(at) = self.asked.iter().position(|asked| is_answered(asked.id, bytes)) {
            self.asked.swap_remove(at);
            self.found += 1;
            (self.last, self.last_at) = (self.began.elapsed(), Instant::now());
        }
    }

    /// Until all are found, or none was for long.
    fn finish(&mut self) -> anyhow::Result<()> {
        let began = Instant::now();
        while !(self.asked.is_empty() && self.waiting.is_empty()) && self.last_at.max(began).elapsed() < SILENCE {
            self.turn()?;
            std::thread::sleep(Duration::from_micros(200));
        }
        Ok(())
    }
}

fn micros(began: Instant) -> u64 {
    u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX)
}
