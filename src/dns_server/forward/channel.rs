//! Upstreams by TLS (RFC 7858) and by HTTPS (RFC 8484): one connection to each, kept while it is used, on which questions
//! follow each other without waiting for answers.
//!
//! A connection that the other side has closed meanwhile is noticed when it is used: that question goes out once more, by a
//! new one. One that has fallen silent is given up with the first question that nobody answers.

use std::collections::HashMap;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use dns::padding;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper::{Method, Request, Response, StatusCode, header};
use hyper_util::rt::{TokioExecutor, TokioIo};
use resolve::query::Outgoing;
use resolve::upstreams::ATTEMPT_MS;
use resolve::{Over, Said, Upstream};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::transport::{Came, read, unreachable_or_silent};
use crate::dns_server::udp::run_on;
use crate::quiet::Quiet;
use crate::tls::{TlsFault, Trust, alpn, client_config};

/// A connection that nobody has used for so long is not trusted to be there: servers and routers forget them.
const UNUSED_MAX: Duration = Duration::from_secs(10);
/// Questions of one connection that wait for their answers.
const WAITING_MAX: usize = 1_024;
/// The longest message (RFC 8484 section 6), in octets.
const MESSAGE_OCTETS_MAX: usize = 65_535;
const MESSAGE: &str = "application/dns-message";

/// Whom upstreams' certificates are believed by.
#[derive(Clone, Debug)]
pub struct UpstreamTls {
    trust: Trust,
    /// Of those that have no pin; none: there are no others.
    unpinned: Option<Configs>,
}

/// For TLS, and for HTTPS.
#[derive(Clone, Debug)]
struct Configs {
    dot: Arc<ClientConfig>,
    doh: Arc<ClientConfig>,
}

impl Configs {
    fn new(trust: &Trust) -> Result<Self, TlsFault> {
        let (dot, doh) = (client_config(trust, &[alpn::DOT])?, client_config(trust, &[alpn::HTTP_2, alpn::HTTP_1])?);
        Ok(Self { dot, doh })
    }
}

impl UpstreamTls {
    /// # Errors
    /// [`TlsFault`]: the authorities cannot be read.
    pub fn new(trust: &Trust) -> Result<Self, TlsFault> {
        Ok(Self { trust: trust.clone(), unpinned: Some(Configs::new(trust)?) })
    }

    /// For upstreams that are known by their keys alone, where the machine need know no authorities.
    #[must_use]
    pub fn of_pins() -> Self {
        Self { trust: Trust::System, unpinned: None }
    }

    /// What connections to an upstream begin with.
    fn configs(&self, upstream: &Upstream) -> Result<Configs, TlsFault> {
        match (upstream.pin, upstream.has_name(), &self.unpinned) {
            (Some(pin), false, _) => Configs::new(&Trust::Pins(vec![pin])),
            (Some(pin), true, _) => Configs::new(&Trust::Both(Box::new(self.trust.clone()), pin)),
            (None, _, Some(unpinned)) => Ok(unpinned.clone()),
            (None, _, None) => Configs::new(&self.trust),
        }
    }
}

/// See the module.
pub(super) struct Channel {
    upstream: Upstream,
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
    /// None: by TLS without HTTP.
    http: Option<Http>,
    line: tokio::sync::Mutex<Option<Line>>,
    not_believed: Quiet,
    /// Where connections are made and heard.
    runtime: Handle,
}

struct Http {
    path: String,
    authority: String,
}

/// A connection that is open.
#[derive(Clone)]
struct Line {
    way: Way,
    used: Instant,
    /// Answers that came by it.
    heard: Arc<AtomicU64>,
}

#[derive(Clone)]
enum Way {
    Dot(mpsc::Sender<Asked>),
    Http2(http2::SendRequest<Full<Bytes>>),
    /// One question at a time.
    Http1(Arc<tokio::sync::Mutex<http1::SendRequest<Full<Bytes>>>>),
}

/// A question on its way by a connection that several share.
struct Asked {
    octets: Vec<u8>,
    answer: oneshot::Sender<Vec<u8>>,
}

impl Channel {
    /// None: this upstream is asked without TLS, or nobody says whom to believe.
    pub(super) fn new(upstream: &Upstream, tls: Option<&UpstreamTls>) -> Option<Arc<Self>> {
        let tls = tls.filter(|_| !matches!(upstream.over, Over::Datagrams | Over::Tcp))?;
        let Configs { dot, doh } = match tls.configs(upstream) {
            Ok(configs) => configs,
            Err(error) => {
                tracing::error!("the upstream {upstream} cannot be asked: {error}");
                return None;
            }
        };
        let (config, name, http) = match &upstream.over {
            Over::Datagrams | Over::Tcp => return None,
            Over::Tls { name } => (dot, name, None),
            Over::Https { name, path } => (doh, name, Some(path.clone())),
        };
        let shown = match name {
            Some(name) => ServerName::try_from(name.clone()).ok()?,
            None => ServerName::from(upstream.address.ip()),
        };
        let http = http.map(|path| {
            let authority = match name {
                Some(name) => format!("{name}:{}", upstream.address.port()),
                None => upstream.address.to_string(),
            };
            Http { path, authority }
        });
        Some(Arc::new(Self {
            upstream: upstream.clone(),
            config,
            name: shown,
            http,
            line: tokio::sync::Mutex::new(None),
            not_believed: Quiet::default(),
            runtime: Handle::current(),
        }))
    }

    /// Asks, by the connection that is there or by a new one.
    pub(super) async fn ask(self: &Arc<Self>, sent: &Outgoing) -> Came {
        // RFC 8484 section 4.1: "DoH clients ... SHOULD use a DNS ID of 0". The stream of TLS has numbers of its own.
        let sent = sent.clone().with_id(0);
        let mut octets = sent.octets.clone();
        padding::pad(&mut octets, padding::QUESTION_BLOCK);
        match timeout(Duration::from_millis(ATTEMPT_MS), self.exchange(&octets)).await {
            Ok(Ok(answer)) => read(&answer, &sent),
            Ok(Err(error)) => Err(unreachable_or_silent(&error)),
            Err(_) => Err(Said::Nothing),
        }
    }

    async fn exchange(self: &Arc<Self>, octets: &[u8]) -> io::Result<Vec<u8>> {
        let mut is_second = false;
        loop {
            let (line, is_new) = self.line().await?;
            // Dropped with the question when nobody answers it in time.
            let guard =
                Unheard { channel: self, heard: Arc::clone(&line.heard), before: line.heard.load(Ordering::Relaxed) };
            let answered = self.by(&line.way, octets).await;
            match answered {
                Ok(answer) => {
                    line.heard.fetch_add(1, Ordering::Relaxed);
                    guard.done();
                    return Ok(answer);
                }
                Err(error) => {
                    self.forget(&line.heard).await;
                    guard.done();
                    if is_new || is_second {
                        return Err(error);
                    }
                    is_second = true;
                }
            }
        }
    }

    /// The connection, and whether it was made just now.
    async fn line(self: &Arc<Self>) -> io::Result<(Line, bool)> {
        let mut place = self.line.lock().await;
        if let Some(line) = place.as_mut().filter(|line| line.is_open()) {
            line.used = Instant::now();
            return Ok((line.clone(), false));
        }
        *place = None;
        let channel = Arc::clone(self);
        // A handshake takes a thread for longer than datagrams may wait.
        let connected = run_on(&self.runtime, async move { channel.connect().await }).await;
        let way = connected.unwrap_or_else(|| Err(io::ErrorKind::ConnectionAborted.into()))?;
        let line = Line { way, used: Instant::now(), heard: Arc::default() };
        *place = Some(line.clone());
        Ok((line, true))
    }

    async fn forget(&self, heard: &Arc<AtomicU64>) {
        let mut place = self.line.lock().await;
        if place.as_ref().is_some_and(|line| Arc::ptr_eq(&line.heard, heard)) {
            *place = None;
        }
    }

    async fn connect(&self) -> io::Result<Way> {
        let stream = TcpStream::connect(self.upstream.address).await?;
        stream.set_nodelay(true)?;
        let connected = TlsConnector::from(Arc::clone(&self.config)).connect(self.name.clone(), stream).await;
        let stream = match connected {
            Ok(stream) => stream,
            Err(error) => {
                if let Some(kept_back) = self.not_believed.may_tell() {
                    tracing::warn!("the upstream {} is not spoken to by TLS: {error}{kept_back}", self.upstream);
                }
                // Whoever shows a wrong certificate is as good as not there.
                return Err(io::Error::new(io::ErrorKind::ConnectionRefused, error));
            }
        };
        if self.http.is_none() {
            let (asks, asked) = mpsc::channel(WAITING_MAX);
            tokio::spawn(converse(stream, asked));
            return Ok(Way::Dot(asks));
        }
        if stream.get_ref().1.alpn_protocol() == Some(alpn::HTTP_2) {
            let shaken = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await;
            let (sender, connection) = shaken.map_err(io::Error::other)?;
            tokio::spawn(connection);
            Ok(Way::Http2(sender))
        } else {
            let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
            tokio::spawn(connection);
            Ok(Way::Http1(Arc::new(tokio::sync::Mutex::new(sender))))
        }
    }

    async fn by(&self, way: &Way, octets: &[u8]) -> io::Result<Vec<u8>> {
        match way {
            Way::Dot(asks) => {
                let (answer, answered) = oneshot::channel();
                let gone = |_| io::Error::from(io::ErrorKind::ConnectionReset);
                asks.send(Asked { octets: octets.to_vec(), answer }).await.map_err(|_| gone(()))?;
                answered.await.map_err(|_| gone(()))
            }
            Way::Http2(sender) => {
                let mut sender = sender.clone();
                sender.ready().await.map_err(io::Error::other)?;
                let request = self.request(octets, true)?;
                body_of(sender.send_request(request).await.map_err(io::Error::other)?).await
            }
            Way::Http1(sender) => {
                let mut sender = sender.lock().await;
                sender.ready().await.map_err(io::Error::other)?;
                let request = self.request(octets, false)?;
                body_of(sender.send_request(request).await.map_err(io::Error::other)?).await
            }
        }
    }

    /// RFC 8484 section 4.1, by POST: what is asked is in nobody's log of addresses.
    fn request(&self, octets: &[u8], is_http2: bool) -> io::Result<Request<Full<Bytes>>> {
        let Some(Http { path, authority }) = &self.http else { return Err(io::ErrorKind::Unsupported.into()) };
        let request = Request::builder().method(Method::POST);
        let request = if is_http2 {
            request.uri(format!("https://{authority}{path}"))
        } else {
            request.uri(path.as_str()).header(header::HOST, authority.as_str())
        };
        let request = request.header(header::CONTENT_TYPE, MESSAGE).header(header::ACCEPT, MESSAGE);
        request.body(Full::new(Bytes::copy_from_slice(octets))).map_err(io::Error::other)
    }
}

impl Line {
    fn is_open(&self) -> bool {
        self.used.elapsed() < UNUSED_MAX
            && match &self.way {
                Way::Dot(asks) => !asks.is_closed(),
                Way::Http2(sender) => !sender.is_closed(),
                Way::Http1(sender) => sender.try_lock().map_or(true, |sender| !sender.is_closed()),
            }
    }
}

/// A question whose asker gives up takes the connection with it when nothing has come by that since.
struct Unheard<'c> {
    channel: &'c Channel,
    heard: Arc<AtomicU64>,
    before: u64,
}

impl Unheard<'_> {
    fn done(mut self) {
        self.before = u64::MAX;
    }
}

impl Drop for Unheard<'_> {
    fn drop(&mut self) {
        if self.before == self.heard.load(Ordering::Relaxed)
            // Whoever holds it connects anew, or uses what is there.
            && let Ok(mut place) = self.channel.line.try_lock()
            && place.as_ref().is_some_and(|line| Arc::ptr_eq(&line.heard, &self.heard))
        {
            *place = None;
        }
    }
}

async fn body_of(response: Response<Incoming>) -> io::Result<Vec<u8>> {
    if response.status() != StatusCode::OK {
        return Err(io::Error::other(format!("HTTP status {}", response.status())));
    }
    let body = Limited::new(response.into_body(), MESSAGE_OCTETS_MAX).collect().await.map_err(io::Error::other)?;
    Ok(body.to_bytes().to_vec())
}

/// Questions that wait for their answers, by the numbers that they have on this connection.
type Waiting = Mutex<HashMap<u16, oneshot::Sender<Vec<u8>>>>;

/// One connection by TLS: questions go out as they come, answers in whatever order (RFC 7766 section 6.2.1.1).
async fn converse(stream: TlsStream<TcpStream>, mut asked: mpsc::Receiver<Asked>) {
    let (mut reader, mut writer) = tokio::io::split(stream);
    let waiting = Waiting::default();
    let write = async {
        let mut number = 0_u16;
        while let Some(Asked { mut octets, answer }) = asked.recv().await {
            {
                let mut waiting = waiting.lock().unwrap_or_else(PoisonError::into_inner);
                waiting.retain(|_, answer| !answer.is_closed());
                if waiting.len() >= WAITING_MAX {
                    continue;
                }
                while waiting.contains_key(&number) {
                    number = number.wrapping_add(1);
                }
                waiting.insert(number, answer);
            }
            octets[..2].copy_from_slice(&number.to_be_bytes());
            number = number.wrapping_add(1);
            // A question is shorter than a thousand octets, padding included.
            let mut framed = (octets.len() as u16).to_be_bytes().to_vec();
            framed.extend_from_slice(&octets);
            writer.write_all(&framed).await?;
            writer.flush().await?;
        }
        writer.shutdown().await
    };
    let read = async {
        loop {
            let mut octets = vec![0; usize::from(reader.read_u16().await?)];
            reader.read_exact(&mut octets).await?;
            let Some(number) = octets.first_chunk::<2>().map(|number| u16::from_be_bytes(*number)) else {
                return Err(io::Error::from(io::ErrorKind::InvalidData));
            };
            let answer = waiting.lock().unwrap_or_else(PoisonError::into_inner).remove(&number);
            octets[..2].fill(0);
            if let Some(answer) = answer {
                // Whoever asked may have gone.
                let _ = answer.send(octets);
            }
        }
    };
    // Whoever waits yet is told by the end of it.
    let _: io::Result<()> = tokio::select! { ended = write => ended, ended = read => ended };
}
