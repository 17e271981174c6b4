//! Many clients behind one relay agent, all in one thread over one socket.
//!
//! ```text
//! Fresh --DISCOVER--> Selecting --OFFER, REQUEST--> Requesting --ACK--> Bound --REQUEST--> Renewing --ACK--> Bound
//!   ^                     |                             |                 |                    |
//!   |                     +-- too long: DISCOVER again -+                 |                    +-- NAK: a violation
//!   +------------- RELEASE, and a pause -----------------------------------+
//! ```
//!
//! Renewals come through the relay too, as a client's do in REBINDING. A client that got an ACK only ever asks for
//! that address again, so whatever the server forgets shows as a NAK, or as a lease that is not in its store.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::netns::Host;
use crate::packet::{self, Heard, Said};

/// How long a client waits for an answer before it asks again.
const RETRY: Duration = Duration::from_millis(400);
/// After so many REQUESTs without an answer a client starts over.
const REQUESTS_MAX: u32 = 4;
/// No load runs longer.
const LOAD_MAX: Duration = Duration::from_secs(3_600);
/// How often a load that is to finish is looked at.
const POLL: Duration = Duration::from_millis(20);
/// Bits of a transaction identifier that name the client; the others count its exchanges.
const CLIENT_BITS: u32 = 20;

/// What the clients do.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// How many there are.
    pub(crate) clients: u32,
    /// How many start each second, whatever the server does; `None`: as many as `in_flight` allows.
    pub(crate) starts_per_sec: Option<f64>,
    /// How many may wait for an answer at once.
    pub(crate) in_flight: usize,
    /// A bound client renews after this time, over and over.
    pub(crate) renew_after: Option<Duration>,
    /// Every n-th client releases after its first ACK and comes back a moment later.
    pub(crate) release_every: Option<u32>,
    /// Numbers the clients from here, so that a second load brings other ones.
    pub(crate) first: u32,
    /// How long a client waits for an answer before it asks again.
    pub(crate) retry: Duration,
    /// Under this domain: even clients tell their whole name by option 81, odd ones the label by option 12.
    pub(crate) domain: &'static str,
}

impl Plan {
    /// `clients` new leases at `rate` a second.
    pub(crate) fn arrivals(clients: u32, rate: f64) -> Self {
        Self {
            clients,
            starts_per_sec: Some(rate),
            in_flight: usize::MAX,
            renew_after: None,
            release_every: None,
            first: 0,
            retry: RETRY,
            domain: "nasir.xyz",
        }
    }

    /// The first label of a client's name.
    pub(crate) fn label(client: u32) -> String {
        format!("load{client:05}")
    }

    /// A client's hardware address.
    pub(crate) fn hardware(client: u32) -> [u8; 6] {
        let [_, a, b, c] = client.to_be_bytes();
        [0x02, 0x4c, 0x48, a, b, c]
    }
}

/// One ACK that reached a client.
#[derive(Clone, Debug)]
pub(crate) struct Acknowledged {
    pub(crate) client: u32,
    pub(crate) address: Ipv4Addr,
    /// UTC seconds at which the lease ends at the earliest: counted from when the request was sent.
    pub(crate) until: u64,
}

/// What happened, in order.
#[derive(Clone, Debug)]
pub(crate) enum Happened {
    Acknowledged(Acknowledged),
    Released { client: u32, address: Ipv4Addr },
    Refused { client: u32, address: Ipv4Addr },
}

/// All that happened to the clients of one load.
#[derive(Debug, Default)]
pub(crate) struct History {
    pub(crate) events: Vec<Happened>,
    /// How often a client asked again, since no answer had come.
    pub(crate) asked_again: usize,
}

impl History {
    /// What each client was last acknowledged and has not released, by client.
    pub(crate) fn held(&self) -> HashMap<u32, Acknowledged> {
        let mut held = HashMap::new();
        for event in &self.events {
            match event {
                Happened::Acknowledged(ack) => drop(held.insert(ack.client, ack.clone())),
                Happened::Released { client, .. } => drop(held.remove(client)),
                Happened::Refused { .. } => {}
            }
        }
        held
    }

    /// How many ACKs came.
    pub(crate) fn acknowledgements(&self) -> usize {
        self.events.iter().filter(|event| matches!(event, Happened::Acknowledged(_))).count()
    }

    /// What must never be: an address acknowledged to one client while another holds it, a client moved to another
    /// address, a NAK to a client that holds a lease.
    pub(crate) fn violations(&self) -> String {
        let mut found = String::new();
        let mut holders: HashMap<Ipv4Addr, u32> = HashMap::new();
        let mut addresses: HashMap<u32, Ipv4Addr> = HashMap::new();
        for event in &self.events {
            match *event {
                Happened::Acknowledged(Acknowledged { client, address, .. }) => {
                    if let Some(other) = holders.insert(address, client).filter(|other| *other != client) {
                        let _ = writeln!(found, "{address} acknowledged to {client} while {other} holds it");
                    }
                    if let Some(before) = addresses.insert(client, address).filter(|before| *before != address) {
                        let _ = writeln!(found, "{client} moved from {before} to {address}");
                    }
                }
                Happened::Released { client, address } => {
                    holders.remove(&address);
                    addresses.remove(&client);
                }
                Happened::Refused { client, address } => {
                    let _ = writeln!(found, "{client} holds {address} and got a NAK");
                }
            }
        }
        found
    }
}

#[derive(Clone, Copy, Debug)]
enum State {
    /// Speaks at this time.
    Fresh(Instant),
    Selecting,
    Requesting {
        offered: Ipv4Addr,
        server: Ipv4Addr,
        tries: u32,
    },
    Bound(Ipv4Addr),
    Renewing(Ipv4Addr),
}

struct Client {
    number: u32,
    state: State,
    /// When it speaks next, if nothing is heard before.
    due: Option<Instant>,
    /// Counts its exchanges: a late answer to an earlier one is not taken for this one's.
    exchange: u32,
    /// UTC seconds when its last REQUEST was first sent.
    asked_at: u64,
    acknowledged: u32,
}

/// The relay agent with its clients.
pub(crate) struct Load {
    socket: UdpSocket,
    giaddr: Ipv4Addr,
    server: SocketAddr,
    plan: Plan,
    clients: Vec<Client>,
    history: History,
}

impl Load {
    /// A relay agent at `giaddr` (an address of `host`), whose server is at `server`.
    pub(crate) fn new(host: &Host, giaddr: Ipv4Addr, server: Ipv4Addr, plan: Plan) -> Self {
        assert!(plan.first + plan.clients < 1 << CLIENT_BITS, "more clients than transaction identifiers");
        let socket = host.inside(|| UdpSocket::bind((giaddr, 67)).expect("the relay's port"));
        socket.set_read_timeout(Some(Duration::from_millis(2))).unwrap();
        Self { socket, giaddr, server: (server, 67).into(), plan, clients: Vec::new(), history: History::default() }
    }

    /// Runs until every client has been acknowledged once, but no longer than `within`.
    pub(crate) fn finish(self, within: Duration) -> History {
        self.run(&AtomicBool::new(false), within)
    }

    /// Runs while `body` does, also when it panics. Clients that neither renew nor release then still finish, within
    /// `more`.
    pub(crate) fn alongside<T>(self, more: Duration, body: impl FnOnce() -> T) -> (History, T) {
        let endless = self.is_endless();
        let stop = AtomicBool::new(false);
        thread::scope(|scope| {
            let running = scope.spawn(|| self.run(&stop, LOAD_MAX));
            let stopper = StopOnDrop(&stop);
            let value = body();
            if endless {
                drop(stopper);
            } else {
                let deadline = Instant::now() + more;
                while !running.is_finished() && Instant::now() < deadline {
                    thread::sleep(POLL);
                }
                drop(stopper);
            }
            (running.join().expect("the load does not panic"), value)
        })
    }

    fn is_endless(&self) -> bool {
        self.plan.renew_after.is_some() || self.plan.release_every.is_some()
    }

    fn run(mut self, stop: &AtomicBool, within: Duration) -> History {
        let started = Instant::now();
        while !stop.load(Ordering::Relaxed) && started.elapsed() < within {
            let now = Instant::now();
            self.admit(now, started);
            for index in 0..self.clients.len() {
                if self.clients[index].due.is_some_and(|due| due <= now) {
                    self.speak(index, now);
                }
            }
            self.listen();
            let bound = self.clients.iter().filter(|client| client.acknowledged > 0).count();
            if !self.is_endless() && bound == self.plan.clients as usize {
                break;
            }
        }
        self.history
    }

    /// Lets new clients in.
    fn admit(&mut self, now: Instant, started: Instant) {
        let waiting = self.clients.iter().filter(|client| !matches!(client.state, State::Bound(_))).count();
        let room = self.plan.in_flight.saturating_sub(waiting);
        let due = match self.plan.starts_per_sec {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "small and positive")]
            Some(rate) => ((now - started).as_secs_f64() * rate) as usize + 1,
            None => usize::MAX,
        };
        let wanted = due.min(self.plan.clients as usize).saturating_sub(self.clients.len()).min(room);
        for _ in 0..wanted {
            let number = self.plan.first + u32::try_from(self.clients.len()).unwrap();
            let state = State::Fresh(now);
            self.clients.push(Client { number, state, due: Some(now), exchange: 0, asked_at: 0, acknowledged: 0 });
        }
    }

    /// A client's time has come: its pause is over, or no answer came.
    fn speak(&mut self, index: usize, now: Instant) {
        let client = &mut self.clients[index];
        client.due = Some(now + self.plan.retry);
        let waits = matches!(client.state, State::Selecting | State::Requesting { .. } | State::Renewing(_));
        self.history.asked_again += usize::from(waits);
        match client.state {
            State::Fresh(at) if at > now => client.due = Some(at),
            State::Fresh(_) | State::Selecting => {
                client.exchange += 1;
                client.state = State::Selecting;
                self.send(index, packet::DISCOVER);
            }
            State::Requesting { tries, .. } if tries >= REQUESTS_MAX => {
                client.exchange += 1;
                client.state = State::Selecting;
                self.send(index, packet::DISCOVER);
            }
            State::Requesting { offered, server, tries } => {
                client.state = State::Requesting { offered, server, tries: tries + 1 };
                self.send(index, packet::REQUEST);
            }
            State::Bound(address) => {
                let releases = self.plan.release_every.is_some_and(|every| client.number.is_multiple_of(every));
                if releases && client.acknowledged == 1 {
                    // A RELEASE has no answer: from now on nobody knows whether the server heard it.
                    self.history.events.push(Happened::Released { client: client.number, address });
                    client.acknowledged += 1;
                    self.send(index, packet::RELEASE);
                    let client = &mut self.clients[index];
                    client.state = State::Fresh(now + RETRY);
                    client.due = Some(now + RETRY);
                } else {
                    client.exchange += 1;
                    client.state = State::Renewing(address);
                    client.asked_at = utc_secs();
                    self.send(index, packet::REQUEST);
                }
            }
            State::Renewing(_) => self.send(index, packet::REQUEST),
        }
    }

    fn send(&self, index: usize, kind: u8) {
        let client = &self.clients[index];
        let mut said = Said::new(kind, xid(client), Plan::hardware(client.number));
        match client.state {
            State::Requesting { offered, server, .. } => {
                (said.requested, said.server) = (Some(offered), Some(server));
            }
            State::Renewing(address) | State::Bound(address) => said.ciaddr = address,
            State::Fresh(_) | State::Selecting => {}
        }
        let label = Plan::label(client.number);
        if kind == packet::RELEASE {
            said.server = Some(self.server_ip());
        } else {
            said.giaddr = self.giaddr;
            if client.number.is_multiple_of(2) {
                said.fqdn = Some(format!("{label}.{}", self.plan.domain));
            } else {
                said.hostname = Some(label);
            }
        }
        // While the server is down the kernel may refuse to send; that is a lost packet like any other.
        let _ = self.socket.send_to(&said.encode(), self.server);
    }

    fn server_ip(&self) -> Ipv4Addr {
        match self.server.ip() {
            std::net::IpAddr::V4(address) => address,
            std::net::IpAddr::V6(_) => unreachable!("made from an IPv4 address"),
        }
    }

    /// Takes what has arrived, and waits a moment when nothing has.
    fn listen(&mut self) {
        let mut buffer = [0; 1500];
        for _ in 0..256 {
            // An error is a pause without a packet, or the word that a packet of ours found nobody.
            let Ok((length, _)) = self.socket.recv_from(&mut buffer) else { return };
            if let Some(heard) = Heard::decode(&buffer[..length]) {
                self.hear(&heard);
            }
        }
    }

    fn hear(&mut self, heard: &Heard) {
        let number = heard.xid & ((1 << CLIENT_BITS) - 1);
        let Some(index) = number.checked_sub(self.plan.first).map(|index| index as usize) else { return };
        let Some(client) = self.clients.get_mut(index).filter(|client| xid(client) == heard.xid) else { return };
        let now = Instant::now();
        match (heard.kind, client.state) {
            (packet::OFFER, State::Selecting) => {
                client.state = State::Requesting { offered: heard.yiaddr, server: heard.server, tries: 1 };
                client.due = Some(now + self.plan.retry);
                client.asked_at = utc_secs();
                self.send(index, packet::REQUEST);
            }
            (packet::ACK, State::Requesting { .. } | State::Renewing(_)) => {
                let until = client.asked_at + u64::from(heard.lease_secs);
                let ack = Acknowledged { client: number, address: heard.yiaddr, until };
                self.history.events.push(Happened::Acknowledged(ack));
                client.acknowledged += 1;
                client.state = State::Bound(heard.yiaddr);
                let releases = self.plan.release_every.is_some_and(|every| client.number.is_multiple_of(every));
                client.due = match self.plan.renew_after {
                    None if releases && client.acknowledged == 1 => Some(now + RETRY),
                    pause => pause.map(|pause| now + pause),
                };
            }
            (packet::NAK, State::Renewing(address)) => {
                self.history.events.push(Happened::Refused { client: number, address });
                client.state = State::Fresh(now + RETRY);
                client.due = Some(now + RETRY);
            }
            // An offer that the server gave to another client in the meantime, or forgot: start over.
            (packet::NAK, State::Requesting { .. }) => {
                client.state = State::Fresh(now);
                client.due = Some(now);
            }
            _ => {}
        }
    }
}

/// Ends a load when what runs beside it ends, in whatever way.
struct StopOnDrop<'a>(&'a AtomicBool);

impl Drop for StopOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn xid(client: &Client) -> u32 {
    (client.exchange << CLIENT_BITS) | client.number
}

/// The wall clock, as the daemon stores its times.
pub(crate) fn utc_secs() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970").as_secs()
}

#[test]
fn what_must_never_be_is_found_in_a_history() {
    let ack = |client, last| {
        let address = Ipv4Addr::new(10, 0, 0, last);
        Happened::Acknowledged(Acknowledged { client, address, until: 0 })
    };
    let released = |client, last| Happened::Released { client, address: Ipv4Addr::new(10, 0, 0, last) };
    let violations = |events| History { events, asked_again: 0 }.violations();
    assert_eq!(violations(vec![ack(1, 1), ack(2, 2), ack(1, 1), released(1, 1), ack(3, 1), ack(1, 4)]), "");
    assert!(violations(vec![ack(1, 1), ack(2, 1)]).contains("while 1 holds it"));
    assert!(violations(vec![ack(1, 1), ack(1, 2)]).contains("moved"));
    let refused = Happened::Refused { client: 1, address: Ipv4Addr::new(10, 0, 0, 1) };
    assert!(violations(vec![ack(1, 1), refused]).contains("NAK"));
}
