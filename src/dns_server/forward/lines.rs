//! Datagrams to one upstream, by sockets that several questions share.
//!
//! A socket for each question would cost more than all else that is done for it. So questions go by a pool of them, each
//! with a port that the system chose at random, and each is given up after a few questions or a second: nobody has time to
//! find out a port before it is another one (RFC 5452 section 9.2). While there are few questions, each has a socket of its
//! own. A socket takes datagrams of the upstream's address alone, and an answer must repeat the number and the letters of a
//! question that waits there. No number is used twice by one socket, so that what comes late or twice is known for what it
//! is, and guesses are told from it.
//!
//! A few guesses, and what waits at that socket is asked by TCP, where nobody can guess; for a minute after the last of them
//! no two questions to that upstream share a socket ([`Guard`]).

use std::cell::RefCell;
use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::AsRawFd as _;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use dns::Rcode;
use nix::sys::socket::{MsgFlags, recv};
use resolve::query::Outgoing;
use resolve::upstreams::ATTEMPT_MS;
use resolve::{Heard, Lie, Said};
use tokio::io::Interest;
use tokio::net::UdpSocket;
use tokio::runtime::{Handle, Id};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::time::{Instant, timeout, timeout_at};

use super::transport::{Came, unreachable_or_silent};
use super::{count, lock};
use crate::quiet::Quiet;

/// Sockets that new questions go by at once.
const OPEN_MAX: usize = 32;
/// Questions of one socket. Opening one is then a small part of what they cost, and its port is soon another.
const QUESTIONS_MAX: usize = 128;
/// How long new questions go by one socket.
const TAKES: Duration = Duration::from_secs(1);
/// When it ends, whoever still waits.
const LIVES: Duration = Duration::from_millis(1_000 + ATTEMPT_MS + 100);
/// The largest datagram read, in octets. More than is asked for, since some servers do not look at that; what is larger is
/// no answer.
const OCTETS_MAX: usize = 4_096;
/// So many datagrams that are no answer, for one question or under numbers that nothing was asked under by its socket, and
/// somebody guesses: what waits there is asked by TCP.
const LIES_MAX: usize = 3;
/// And while the upstream is guarded.
const LIES_MAX_GUARDED: usize = 1;
/// How long after the last guess questions share no socket.
const GUARDED: Duration = Duration::from_secs(60);

/// See the module.
pub(super) struct Lines {
    upstream: SocketAddr,
    /// Each holds one while it is open.
    sockets: Arc<Semaphore>,
    random: RandomState,
    open: Mutex<Vec<Arc<Line>>>,
    /// Questions asked so far: what is chosen at random is a hash of it.
    asked: AtomicU64,
    guard: Arc<Guard>,
}

/// Whether somebody answers in an upstream's name.
#[derive(Default)]
struct Guard {
    /// Datagrams that came from its address and were no answer.
    forged: AtomicU64,
    until: Mutex<Option<Instant>>,
    told: Quiet,
    /// Sockets of one question that are open.
    alone: AtomicUsize,
}

impl Drop for Line {
    fn drop(&mut self) {
        self.guard.alone.fetch_sub(usize::from(self.is_alone), Ordering::Relaxed);
    }
}

/// One socket.
struct Line {
    upstream: SocketAddr,
    /// Where it is heard: what is asked there goes by it, so that its answer need not cross to another thread.
    home: Id,
    socket: UdpSocket,
    takes_until: Instant,
    /// It was opened for one question.
    is_alone: bool,
    /// So many datagrams that are no answer, and what waits there is asked otherwise.
    lies_max: usize,
    /// Somebody guesses here, or nobody hears what comes: it takes no more questions. Written while `waiting` is held.
    is_given_up: AtomicBool,
    waiting: Mutex<Waiting>,
    guard: Arc<Guard>,
    _permit: OwnedSemaphorePermit,
}

/// What was asked by a socket.
#[derive(Default)]
struct Waiting {
    /// By number; none: it is over, and the number is used.
    asked: HashMap<u16, Option<Open>>,
    /// How many of them are not over.
    open: usize,
    /// Datagrams with a number that nothing was asked under.
    strange: usize,
}

/// A question that waits.
struct Open {
    sent: Outgoing,
    /// It was asked again without EDNS.
    is_plain: bool,
    lies: usize,
    answer: oneshot::Sender<Came>,
}

/// A question that is asked; dropping it ends it.
struct Asked {
    line: Arc<Line>,
    id: u16,
}

impl Drop for Asked {
    fn drop(&mut self) {
        drop(lock(&self.line.waiting).end(self.id));
    }
}

thread_local! {
    /// Where datagrams are received, by every socket of a thread: nothing of it outlives one reading.
    static ROOM: RefCell<Box<[u8; OCTETS_MAX + 1]>> = RefCell::new(Box::new([0; OCTETS_MAX + 1]));
}

impl Lines {
    pub(super) fn new(upstream: SocketAddr, sockets: &Arc<Semaphore>) -> Arc<Self> {
        Arc::new(Self {
            upstream,
            sockets: Arc::clone(sockets),
            random: RandomState::new(),
            open: Mutex::default(),
            asked: AtomicU64::new(0),
            guard: Arc::default(),
        })
    }

    /// Datagrams that came from the upstream's address and were no answer, and whether that was a moment ago.
    pub(super) fn forged(&self) -> (u64, bool) {
        (self.guard.forged.load(Ordering::Relaxed), self.guard.is_up())
    }

    /// Where the open ones are heard.
    #[cfg(test)]
    pub(super) fn homes(&self) -> Vec<Id> {
        lock(&self.open).iter().map(|line| line.home).collect()
    }

    /// Asks by datagram, and waits for the answer as long as an attempt may take. `alone`: by a port of its own, and whatever
    /// else comes there does not end it.
    pub(super) async fn ask(self: &Arc<Self>, sent: &Outgoing, alone: bool) -> Came {
        let (line, asked, octets, answered) = loop {
            let (line, (answer, answered)) = (self.line(alone)?, oneshot::channel());
            // One that was given up meanwhile is not found again.
            if let Some((asked, octets)) = line.register(sent, &self.random, answer) {
                break (line, asked, octets, answered);
            }
        };
        let exchange = async {
            match line.socket.try_send(&octets) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => line.socket.send(&octets).await.map(drop),
                sent => sent.map(drop),
            }
            .map_err(|error| line.fail(&error))?;
            answered.await.unwrap_or(Err(Said::Nothing))
        };
        let came = timeout(Duration::from_millis(ATTEMPT_MS), exchange).await.unwrap_or(Err(Said::Nothing));
        drop(asked);
        came
    }

    /// The socket that the next question goes by: a new one while there are few, else any of them.
    fn line(self: &Arc<Self>, endures: bool) -> Result<Arc<Line>, Said> {
        let is_alone = endures || self.guard.is_up();
        let home = Handle::current();
        let is_near = |line: &&Arc<Line>| line.home == home.id();
        let mut open = lock(&self.open);
        open.retain(|line| line.takes());
        let near = open.iter().filter(is_near).count();
        // As many are left to connections as datagrams have.
        let taken = open.len() + self.guard.alone.load(Ordering::Relaxed);
        let has_room = taken == 0 || ((is_alone || near < OPEN_MAX) && self.sockets.available_permits() > taken);
        let room = has_room.then(|| Arc::clone(&self.sockets).try_acquire_owned().ok()).flatten();
        let Some(permit) = room else {
            if is_alone {
                return Err(Said::NotAsked);
            }
            // Not by the question's own number, which would tell a part of it.
            let random = self.random.hash_one(self.asked.fetch_add(1, Ordering::Relaxed));
            let pick = |count: usize| (random % count.max(1) as u64) as usize;
            let picked = open.iter().filter(is_near).nth(pick(near)).or_else(|| open.get(pick(open.len())));
            return picked.cloned().ok_or(Said::NotAsked);
        };
        let patience = match (endures, is_alone) {
            (true, _) => usize::MAX,
            (false, true) => LIES_MAX_GUARDED,
            (false, false) => LIES_MAX,
        };
        let opened = Line::open(self.upstream, permit, (is_alone, patience), (home.id(), &self.guard));
        let line = Arc::new(opened.map_err(|error| unreachable_or_silent(&error))?);
        if !is_alone {
            open.push(Arc::clone(&line));
        }
        let (listen, lines) = (Arc::clone(&line), Arc::downgrade(self));
        home.spawn(async move {
            listen.listen().await;
            // Nor is it kept open until somebody asks again: others have as few sockets.
            if let Some(lines) = lines.upgrade() {
                lock(&lines.open).retain(|line| !Arc::ptr_eq(line, &listen));
            }
        });
        Ok(line)
    }
}

impl Guard {
    fn is_up(&self) -> bool {
        lock(&self.until).is_some_and(|until| Instant::now() < until)
    }

    /// Somebody guesses: from now on no question to this upstream shares a socket.
    fn raise(&self, upstream: SocketAddr) {
        let before = lock(&self.until).replace(Instant::now() + GUARDED);
        if before.is_none_or(|before| before <= Instant::now())
            && let Some(kept_back) = self.told.may_tell()
        {
            let forged = self.forged.load(Ordering::Relaxed);
            tracing::warn!(
                %upstream, forged,
                "somebody sends answers in this upstream's name: questions go by a socket each, and by TCP{kept_back}"
            );
        }
    }
}

impl Line {
    /// A socket that is connected: the system gives it a random port, and it takes datagrams of the upstream alone.
    fn open(
        upstream: SocketAddr,
        permit: OwnedSemaphorePermit,
        (is_alone, lies_max): (bool, usize),
        (home, guard): (Id, &Arc<Guard>),
    ) -> io::Result<Self> {
        let any =
            if upstream.is_ipv4() { IpAddr::V4(Ipv4Addr::UNSPECIFIED) } else { IpAddr::V6(Ipv6Addr::UNSPECIFIED) };
        let socket = std::net::UdpSocket::bind((any, 0))?;
        socket.connect(upstream)?;
        socket.set_nonblocking(true)?;
        let socket = UdpSocket::from_std(socket)?;
        guard.alone.fetch_add(usize::from(is_alone), Ordering::Relaxed);
        Ok(Self {
            upstream,
            home,
            socket,
            lies_max,
            takes_until: Instant::now() + TAKES,
            is_alone,
            is_given_up: AtomicBool::new(false),
            waiting: Mutex::default(),
            guard: Arc::clone(guard),
            _permit: permit,
        })
    }

    /// Whether new questions may go by it.
    fn takes(&self) -> bool {
        self.has_place(&lock(&self.waiting))
    }

    fn has_place(&self, waiting: &Waiting) -> bool {
        let questions_max = if self.is_alone { 1 } else { QUESTIONS_MAX };
        Instant::now() < self.takes_until
            && !self.is_given_up.load(Ordering::Relaxed)
            && waiting.asked.len() < questions_max
    }

    /// Makes room for an answer; returns the question as it is to be sent, under a number of its own. None: nobody hears what
    /// comes here any more.
    fn register(
        self: &Arc<Self>,
        sent: &Outgoing,
        random: &RandomState,
        answer: oneshot::Sender<Came>,
    ) -> Option<(Asked, Vec<u8>)> {
        let mut waiting = lock(&self.waiting);
        if self.is_given_up.load(Ordering::Relaxed) {
            return None;
        }
        let mut id = sent.id();
        while waiting.asked.contains_key(&id) {
            // Not the next one: that could be guessed.
            id = random.hash_one((id, waiting.asked.len(), sent.question())) as u16;
            // A circle of numbers is left by this step.
            if waiting.asked.contains_key(&id) {
                id = id.wrapping_add(1);
            }
        }
        let sent = sent.clone().with_id(id);
        let octets = sent.octets.clone();
        waiting.asked.insert(id, Some(Open { sent, is_plain: false, lies: 0, answer }));
        waiting.open += 1;
        Some((Asked { line: Arc::clone(self), id }, octets))
    }

    /// Hears answers, and the word that nobody listens there, which comes without a datagram; until nobody waits and nobody
    /// else will.
    async fn listen(&self) {
        let end = Instant::now() + LIVES;
        // Whoever is not heard by then had no reason to be waited for any more when nobody waits.
        let mut look_at = self.takes_until;
        loop {
            match timeout_at(look_at, self.socket.ready(Interest::READABLE.add(Interest::ERROR))).await {
                Ok(Ok(_)) => self.receive(),
                Ok(Err(_)) => break,
                Err(_) if look_at >= end => break,
                Err(_) => look_at = end,
            }
            let waiting = lock(&self.waiting);
            if waiting.open == 0 && !self.has_place(&waiting) {
                // Said while nobody can begin to wait.
                return self.is_given_up.store(true, Ordering::Relaxed);
            }
        }
        let mut waiting = lock(&self.waiting);
        self.is_given_up.store(true, Ordering::Relaxed);
        waiting.end_all(Said::Nothing);
    }

    /// Reads what is there.
    fn receive(&self) {
        ROOM.with_borrow_mut(|room| {
            // One after the other: tokio knows no two at once here.
            for interest in [Interest::READABLE, Interest::ERROR] {
                loop {
                    let receive = || {
                        let length = recv(self.socket.as_raw_fd(), &mut room[..], MsgFlags::MSG_DONTWAIT)?;
                        self.hear(if length > OCTETS_MAX { &room[..2] } else { &room[..length] });
                        // Nobody waits for more, so that the kernel is not asked whether it has any: whatever it has is read
                        // before the next answer.
                        if lock(&self.waiting).open == 0 { Err(ErrorKind::WouldBlock.into()) } else { Ok(()) }
                    };
                    match self.socket.try_io(interest, receive) {
                        Ok(()) => {}
                        Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                        Err(error) => drop(self.fail(&error)),
                    }
                }
            }
        });
    }

    /// The system says that nobody listens there, or that there is no way: that belongs to no one question.
    fn fail(&self, error: &io::Error) -> Said {
        let said = unreachable_or_silent(error);
        lock(&self.waiting).end_all(said);
        said
    }

    /// One datagram.
    fn hear(&self, octets: &[u8]) {
        let mut waiting = lock(&self.waiting);
        let id = octets.first_chunk::<2>().map(|id| u16::from_be_bytes(*id));
        let lies_max = self.lies_max;
        let Some(open) = id.and_then(|id| waiting.asked.get_mut(&id)) else {
            count(&self.guard.forged);
            waiting.strange += 1;
            // Somebody tries numbers, at a port that they have found.
            if waiting.strange >= lies_max {
                self.is_given_up.store(true, Ordering::Relaxed);
                self.guard.raise(self.upstream);
                waiting.end_all(Said::Doubted);
            }
            return;
        };
        // It came late, or twice.
        let Some(question) = open else { return };
        let came = match Heard::read(octets, &question.sent) {
            // RFC 6891 section 7: "Responders that choose not to implement the protocol extensions ... MUST respond with
            // a return code (RCODE) of FORMERR": then it is asked without them.
            Ok(Heard::Refusal(Rcode::FORM_ERR | Rcode::NOT_IMP)) if !question.is_plain => {
                (question.sent, question.is_plain) = (question.sent.without_edns(), true);
                // A datagram may be lost on the way as well.
                let _ = self.socket.try_send(&question.sent.octets);
                return;
            }
            Ok(heard) => Ok(heard),
            // A server that does not keep the letters, or somebody who guesses: by a stream nobody can.
            Err(Lie::Letters) => Ok(Heard::Truncated),
            // Another one's may come before the true answer.
            Err(lie) => {
                tracing::debug!(upstream = %self.upstream, %lie, "a datagram is no answer");
                count(&self.guard.forged);
                question.lies += 1;
                if question.lies < lies_max {
                    return;
                }
                // What is malformed alone is more likely the upstream's own.
                if lie != Lie::Malformed {
                    self.guard.raise(self.upstream);
                }
                Err(Said::Doubted)
            }
        };
        let ended = id.and_then(|id| waiting.end(id));
        drop(waiting);
        if let Some(ended) = ended {
            // Whoever asked may have gone.
            let _ = ended.answer.send(came);
        }
    }
}

impl Waiting {
    fn end(&mut self, id: u16) -> Option<Open> {
        let ended = self.asked.get_mut(&id)?.take()?;
        self.open -= 1;
        Some(ended)
    }

    fn end_all(&mut self, said: Said) {
        for open in self.asked.values_mut().filter_map(Option::take) {
            let _ = open.answer.send(Err(said));
        }
        (self.open, self.strange) = (0, 0);
    }
}
