//! A small proxy between the updater and its server, which makes the network's trouble: answers that are lost, cut
//! short or others than the server's. It holds the server's key, so that what it says itself is signed as the server's
//! word.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use dns::Rcode;
use dns::wire::verify_request;
use hickory_proto::op::{Message, OpCode, ResponseCode};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::runtime::Runtime;

use crate::ddns_client::{key, wall_secs};
use crate::dig::{KEY_NAME, KEY_SECRET};
use crate::process::wait_for;

/// How long the server's answer to a datagram is waited for.
const ANSWER_WAIT: Duration = Duration::from_secs(5);
const OCTETS_MAX: usize = 4_096;
const UPDATE: u8 = 5;
/// How long a slow way takes at least, and how much more for each of 256.
const SLOW_MS: (u64, u64) = (150, 2);

/// What becomes of an update. Whatever else is asked passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// It passes, and its answer too.
    None,
    /// The server gets it, and its answer is lost.
    LoseAnswers,
    /// The server gets it; of its answer there is a cut one by UDP, and by TCP the whole.
    Truncate,
    /// It never gets there; the answer is this code.
    Answer(Rcode),
    /// By UDP the answer is a cut one, and by TCP only the first half of the message gets to the server.
    CutTcp,
    /// Nothing gets there and nothing comes back, whatever is asked: as behind a wall that drops.
    Silence,
}

/// How many different updates came, however often each was sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    /// With something in them.
    pub(crate) changes: usize,
    /// Empty ones: is the server there?
    pub(crate) probes: usize,
}

/// See the module.
pub(crate) struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    upstream: SocketAddr,
    trouble: Mutex<Trouble>,
    /// Updates by UDP are a while on their way, each a different one.
    slow: AtomicBool,
    /// Updates that met the trouble since it began.
    met: AtomicUsize,
    /// Every update that came, and of which kind.
    seen: Mutex<(HashSet<Vec<u8>>, Seen)>,
}

impl Proxy {
    /// Listens at `address` by UDP and TCP, in the network of the runtime's threads.
    pub(crate) fn start(runtime: &Runtime, address: SocketAddr, upstream: SocketAddr) -> Self {
        let shared = Arc::new(Shared {
            upstream,
            trouble: Mutex::new(Trouble::None),
            slow: AtomicBool::new(false),
            met: AtomicUsize::new(0),
            seen: Mutex::default(),
        });
        let (udp, tcp) = (Arc::clone(&shared), Arc::clone(&shared));
        let opened = runtime.spawn(async move {
            let (socket, listener) = (UdpSocket::bind(address).await?, TcpListener::bind(address).await?);
            tokio::spawn(udp.serve_udp(socket));
            tokio::spawn(tcp.serve_tcp(listener));
            Ok::<_, std::io::Error>(())
        });
        runtime.block_on(opened).unwrap().unwrap();
        Self { address, shared }
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on this becomes of updates.
    pub(crate) fn set(&self, trouble: Trouble) {
        *self.shared.trouble.lock().unwrap_or_else(PoisonError::into_inner) = trouble;
        self.shared.met.store(0, Ordering::Relaxed);
    }

    /// From now on updates by UDP overtake one another, and the server gets them after they were sent again, or said no to.
    pub(crate) fn slow_down(&self) {
        self.shared.slow.store(true, Ordering::Relaxed);
    }

    /// What came since the start.
    pub(crate) fn seen(&self) -> Seen {
        self.shared.seen.lock().unwrap_or_else(PoisonError::into_inner).1
    }

    /// Waits until so many updates met the trouble.
    pub(crate) fn wait_met(&self, times: usize, within: Duration) {
        wait_for("updates meet the trouble", within, || {
            (self.shared.met.load(Ordering::Relaxed) >= times).then_some(())
        });
    }
}

impl Shared {
    /// What becomes of this message; counted when it is trouble.
    fn trouble_for(&self, message: &[u8]) -> Trouble {
        let is_update = message.get(2).is_some_and(|flags| (flags >> 3) & 0xf == UPDATE);
        let trouble = *self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        if is_update {
            self.note(message);
        }
        if is_update || trouble == Trouble::Silence { trouble } else { Trouble::None }
    }

    /// RFC 2136 section 2.2: the counts of prerequisites and of changes.
    fn note(&self, update: &[u8]) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.0.insert(update.to_vec()) {
            let is_empty = update.get(6..10).is_none_or(|counts| counts == [0; 4]);
            *(if is_empty { &mut seen.1.probes } else { &mut seen.1.changes }) += 1;
        }
    }

    fn count(&self) {
        self.met.fetch_add(1, Ordering::Relaxed);
    }

    async fn serve_udp(self: Arc<Self>, socket: UdpSocket) {
        let socket = Arc::new(socket);
        let mut octets = vec![0; OCTETS_MAX];
        loop {
            // "Connection refused", from a datagram of before, is no reason to end.
            let Ok((length, from)) = socket.recv_from(&mut octets).await else { continue };
            let (shared, socket) = (Arc::clone(&self), Arc::clone(&socket));
            let request = octets[..length].to_vec();
            tokio::spawn(async move {
                if let Some(answer) = shared.answer_datagram(&request).await {
                    drop(socket.send_to(&answer, from).await);
                }
            });
        }
    }

    async fn answer_datagram(&self, request: &[u8]) -> Option<Vec<u8>> {
        match self.trouble_for(request) {
            Trouble::None => {
                if self.slow.load(Ordering::Relaxed) {
                    // The message's ID is random, and the same when it is sent again.
                    let (least, more) = SLOW_MS;
                    let id = request.get(1).copied().unwrap_or_default();
                    tokio::time::sleep(Duration::from_millis(least + more * u64::from(id))).await;
                }
                self.ask(request).await
            }
            Trouble::LoseAnswers => {
                self.ask(request).await;
                self.count();
                None
            }
            Trouble::Truncate => {
                self.ask(request).await?;
                self.count();
                Some(signed_answer(request, Rcode::NO_ERROR, true))
            }
            Trouble::Answer(code) => {
                self.count();
                Some(signed_answer(request, code, false))
            }
            Trouble::CutTcp => Some(signed_answer(request, Rcode::NO_ERROR, true)),
            Trouble::Silence => {
                self.count();
                None
            }
        }
    }

    /// The server's own answer.
    async fn ask(&self, request: &[u8]) -> Option<Vec<u8>> {
        let socket = UdpSocket::bind("127.0.0.1:0").await.ok()?;
        socket.connect(self.upstream).await.ok()?;
        socket.send(request).await.ok()?;
        let mut answer = vec![0; OCTETS_MAX];
        let length = tokio::time::timeout(ANSWER_WAIT, socket.recv(&mut answer)).await.ok()?.ok()?;
        answer.truncate(length);
        Some(answer)
    }

    async fn serve_tcp(self: Arc<Self>, listener: TcpListener) {
        loop {
            let Ok((stream, _)) = listener.accept().await else { continue };
            let shared = Arc::clone(&self);
            // A connection that breaks is trouble enough.
            tokio::spawn(async move { drop(shared.converse(stream).await) });
        }
    }

    async fn converse(&self, mut stream: TcpStream) -> std::io::Result<()> {
        let request = read_framed(&mut stream).await?;
        let trouble = self.trouble_for(&request);
        if trouble == Trouble::Silence {
            self.count();
            // Until whoever asked gives up.
            drop(read_framed(&mut stream).await);
            return Ok(());
        }
        let mut server = TcpStream::connect(self.upstream).await?;
        match trouble {
            Trouble::Answer(code) => {
                self.count();
                return write_framed(&mut stream, &signed_answer(&request, code, false)).await;
            }
            Trouble::CutTcp => {
                let framed = framed(&request);
                server.write_all(&framed[..framed.len() / 2]).await?;
                self.count();
                // Until the server is gone, and its connection with it.
                let mut nothing = [0];
                drop(server.read(&mut nothing).await);
                return Ok(());
            }
            Trouble::LoseAnswers => {
                write_framed(&mut server, &request).await?;
                read_framed(&mut server).await?;
                self.count();
                return Ok(());
            }
            Trouble::None | Trouble::Truncate | Trouble::Silence => {}
        }
        write_framed(&mut server, &request).await?;
        let answer = read_framed(&mut server).await?;
        write_framed(&mut stream, &answer).await
    }
}

/// RFC 1035 section 4.2.2: "The message is prefixed with a two byte length field".
fn framed(message: &[u8]) -> Vec<u8> {
    let length = u16::try_from(message.len()).unwrap();
    [&length.to_be_bytes()[..], message].concat()
}

async fn write_framed(stream: &mut TcpStream, message: &[u8]) -> std::io::Result<()> {
    stream.write_all(&framed(message)).await
}

async fn read_framed(stream: &mut TcpStream) -> std::io::Result<Vec<u8>> {
    let mut message = vec![0; usize::from(stream.read_u16().await?)];
    stream.read_exact(&mut message).await?;
    Ok(message)
}

/// An answer without content, signed as the server would sign it.
fn signed_answer(raw: &[u8], code: Rcode, truncated: bool) -> Vec<u8> {
    let (keys, now) = ([key(KEY_NAME, KEY_SECRET)], wall_secs());
    let request = Message::from_vec(raw).expect("the updater's message is one");
    let signature = request.signature().expect("the updater signs");
    let verified = verify_request(raw, signature, &keys, now);
    let mut signer = verified.unwrap_or_else(|_| panic!("the updater signs with our key")).signer;
    let mut answer = Message::error_msg(request.id, OpCode::Update, ResponseCode::from(0, code.0 as u8));
    answer.metadata.truncation = truncated;
    let signature = signer.sign(&answer.to_vec().unwrap(), now).unwrap();
    answer.set_signature(signature);
    answer.to_vec().unwrap()
}
