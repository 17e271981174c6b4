//! Datagrams to one upstream, by sockets that several questions share.
//!
//! A socket for each question would cost more than all else that is done for it. So questions go by a few at a time, each
//! with a port that the system chose at random, and each is given up after so many questions or so long: nobody has time to
//! find out a port before it is another one (RFC 5452 section 9.2). A socket takes datagrams of the upstream's address
//! alone, and an answer must repeat the number and the letters of a question that waits there. No number is used twice by
//! one socket, so that what comes late or twice is known for what it is, and guesses are told from it.

use std::cell::RefCell;
use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::AsRawFd as _;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use dns::Rcode;
use nix::sys::socket::{MsgFlags, recv};
use resolve::query::Outgoing;
use resolve::upstreams::ATTEMPT_MS;
use resolve::{Heard, Lie, Said};
use tokio::io::Interest;
use tokio::net::UdpSocket;
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::time::{Instant, timeout, timeout_at};

use super::lock;
use super::transport::{Came, unreachable_or_silent};

/// Sockets that new questions go by at once.
const OPEN_MAX: usize = 8;
/// Questions of one socket. A number of sixteen bits is then still one of many.
const QUESTIONS_MAX: usize = 1_024;
/// How long new questions go by one socket.
const TAKES: Duration = Duration::from_secs(2);
/// When it ends, whoever still waits.
const LIVES: Duration = Duration::from_millis(2_000 + ATTEMPT_MS + 100);
/// The largest datagram read, in octets. More than is asked for, since some servers do not look at that; what is larger is
/// no answer.
const OCTETS_MAX: usize = 4_096;
/// So many datagrams for one question that are no answer, and the attempt is over: somebody guesses.
const LIES_MAX: usize = 16;

/// See the module.
pub(super) struct Lines {
    upstream: SocketAddr,
    /// Each holds one while it is open.
    sockets: Arc<Semaphore>,
    runtime: Handle,
    random: RandomState,
    open: Mutex<Vec<Arc<Line>>>,
}

/// One socket.
struct Line {
    upstream: SocketAddr,
    socket: UdpSocket,
    takes_until: Instant,
    waiting: Mutex<Waiting>,
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
            runtime: Handle::current(),
            random: RandomState::new(),
            open: Mutex::default(),
        })
    }

    /// Asks by datagram, and waits for the answer as long as an attempt may take.
    pub(super) async fn ask(&self, sent: &Outgoing) -> Came {
        let line = self.line(sent.id()).map_err(|error| unreachable_or_silent(&error))?;
        let (answer, answered) = oneshot::channel();
        let (asked, octets) = line.register(sent, &self.random, answer);
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

    /// The socket that the next question goes by: a new one while there are few, else any of them, as `random` says.
    fn line(&self, random: u16) -> io::Result<Arc<Line>> {
        let mut open = lock(&self.open);
        open.retain(|line| line.takes());
        // As many are left to connections as datagrams have.
        let has_room = open.is_empty() || (open.len() < OPEN_MAX && self.sockets.available_permits() > open.len());
        let room = has_room.then(|| Arc::clone(&self.sockets).try_acquire_owned().ok()).flatten();
        let Some(permit) = room else {
            let any = usize::from(random) % open.len().max(1);
            return open.get(any).cloned().ok_or_else(|| io::Error::from_raw_os_error(nix::libc::EMFILE));
        };
        let line = Arc::new(Line::open(self.upstream, permit)?);
        open.push(Arc::clone(&line));
        self.runtime.spawn(Arc::clone(&line).listen());
        Ok(line)
    }
}

impl Line {
    /// A socket that is connected: the system gives it a random port, and it takes datagrams of the upstream alone.
    fn open(upstream: SocketAddr, permit: OwnedSemaphorePermit) -> io::Result<Self> {
        let any =
            if upstream.is_ipv4() { IpAddr::V4(Ipv4Addr::UNSPECIFIED) } else { IpAddr::V6(Ipv6Addr::UNSPECIFIED) };
        let socket = std::net::UdpSocket::bind((any, 0))?;
        socket.connect(upstream)?;
        socket.set_nonblocking(true)?;
        Ok(Self {
            upstream,
            socket: UdpSocket::from_std(socket)?,
            takes_until: Instant::now() + TAKES,
            waiting: Mutex::default(),
            _permit: permit,
        })
    }

    /// Whether new questions may go by it.
    fn takes(&self) -> bool {
        Instant::now() < self.takes_until && lock(&self.waiting).asked.len() < QUESTIONS_MAX
    }

    /// Makes room for an answer; returns the question as it is to be sent, under a number of its own.
    fn register(
        self: &Arc<Self>,
        sent: &Outgoing,
        random: &RandomState,
        answer: oneshot::Sender<Came>,
    ) -> (Asked, Vec<u8>) {
        let mut waiting = lock(&self.waiting);
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
        (Asked { line: Arc::clone(self), id }, octets)
    }

    /// Hears answers, and the word that nobody listens there, which comes without a datagram; until nobody waits and nobody
    /// else will.
    async fn listen(self: Arc<Self>) {
        let end = Instant::now() + LIVES;
        while let Ok(Ok(_)) = timeout_at(end, self.socket.ready(Interest::READABLE.add(Interest::ERROR))).await {
            self.receive();
            if !self.takes() && lock(&self.waiting).open == 0 {
                return;
            }
        }
        lock(&self.waiting).end_all(Said::Nothing);
    }

    /// Reads what is there.
    fn receive(&self) {
        ROOM.with_borrow_mut(|room| {
            // One after the other: tokio knows no two at once here.
            for interest in [Interest::READABLE, Interest::ERROR] {
                loop {
                    let receive = || Ok(recv(self.socket.as_raw_fd(), &mut room[..], MsgFlags::MSG_DONTWAIT)?);
                    match self.socket.try_io(interest, receive) {
                        Ok(length) if length > OCTETS_MAX => self.hear(&room[..2]),
                        Ok(length) => self.hear(&room[..length]),
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
        let Some(open) = id.and_then(|id| waiting.asked.get_mut(&id)) else {
            waiting.strange += 1;
            // Somebody tries numbers. Whoever waits is told, and goes elsewhere; the more wait, the more are right.
            if waiting.strange >= LIES_MAX * waiting.open.max(1) {
                waiting.end_all(Said::Lied);
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
                question.lies += 1;
                if question.lies < LIES_MAX {
                    return;
                }
                Err(Said::Lied)
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
