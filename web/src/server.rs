//! Connections: so many at once and from one address, and each only as long as it asks.

use std::collections::HashMap;
use std::io::{self, IoSlice};
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::Service as _;
use hyper::{Request, Response, StatusCode, header};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::Sleep;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;

use crate::access::{Access, Peer};
use crate::{Handle, router};

/// Connections at once; more wait in the listen queue. A browser opens six at most.
const CONNECTIONS_MAX: usize = 64;
/// Of those, from one address beyond this machine (one /64 of IPv6): nobody alone keeps all others out.
const CONNECTIONS_OF_ONE: usize = 16;
/// The head of a request must have come by then, and a connection that asks nothing more is closed after it.
const HEAD_WAIT: Duration = Duration::from_secs(20);
/// TLS must be agreed upon by then.
const HANDSHAKE_WAIT: Duration = Duration::from_secs(10);
/// What is sent must be taken by then, or the connection is closed: answers are long, and whoever never reads them would
/// keep a place for ever.
const WRITE_WAIT: Duration = Duration::from_secs(30);
/// Bytes of a request's head that are read.
const HEAD_BYTES_MAX: usize = 16 * 1_024;
/// What a connection of TLS begins with (RFC 8446 section 5.1).
const HANDSHAKE: u8 = 0x16;

/// A listening socket and what is served on it.
#[derive(Debug)]
pub struct Server {
    /// Where it listens.
    pub listener: TcpListener,
    /// Whom it asks.
    pub handle: Handle,
    /// Who may come.
    pub access: Access,
    /// TLS; `None`: everything can be read on the way.
    pub tls: Option<Tls>,
}

/// How TLS is spoken.
#[derive(Clone, Debug)]
pub struct Tls {
    /// The certificate and the protocols. One that is renewed is the configuration's own matter.
    pub config: Arc<ServerConfig>,
    /// Whether browsers are told to come by TLS only from now on.
    pub hsts: bool,
}

/// Serves until dropped; with it all connections end.
pub async fn serve(server: Server) {
    let Server { listener, handle, access, tls } = server;
    let router = router(handle, access, tls.as_ref().is_some_and(|tls| tls.hsts));
    accept(listener, |stream, remote, local| converse(stream, remote, local, router.clone(), tls.clone())).await;
}

/// Sends whoever comes without TLS to the port that has it, until dropped.
pub async fn redirect(listener: TcpListener, port: u16) {
    accept(listener, |stream, _, _| async move { send_elsewhere(stream, port).await }).await;
}

async fn accept<F: Future<Output = ()> + Send + 'static>(
    listener: TcpListener,
    mut talk: impl FnMut(TcpStream, SocketAddr, SocketAddr) -> F,
) {
    let slots = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let crowd = Crowd::default();
    let mut connections = JoinSet::new();
    loop {
        let Ok(slot) = Arc::clone(&slots).acquire_owned().await else { return };
        while connections.try_join_next().is_some() {}
        let Ok((stream, remote)) = listener.accept().await else {
            // Out of file descriptors, most likely: a pause lets some be closed.
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        let (Ok(local), Some(place)) = (stream.local_addr(), crowd.place(remote.ip())) else { continue };
        let talking = talk(stream, remote, local);
        connections.spawn(async move {
            let _held = (slot, place);
            talking.await;
        });
    }
}

/// How many connections each address has.
#[derive(Clone, Debug, Default)]
struct Crowd(Arc<Mutex<HashMap<IpAddr, usize>>>);

/// One of them; given back when dropped.
#[derive(Debug)]
struct Place(Crowd, IpAddr);

impl Crowd {
    fn place(&self, address: IpAddr) -> Option<Place> {
        let address = match address.to_canonical() {
            IpAddr::V6(v6) if !v6.is_loopback() => Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX)).into(),
            other => other,
        };
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(address).or_default();
        if *count >= CONNECTIONS_OF_ONE && !address.is_loopback() {
            return None;
        }
        *count += 1;
        Some(Place(self.clone(), address))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut counts = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&self.1) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.1);
            }
        }
    }
}

/// A stream whose writing fails once nothing of it was taken for so long.
#[derive(Debug)]
struct Impatient<S> {
    stream: S,
    wait: Duration,
    /// Runs while a write waits.
    until: Option<Pin<Box<Sleep>>>,
}

impl<S> Impatient<S> {
    fn new(stream: S, wait: Duration) -> Self {
        Self { stream, wait, until: None }
    }

    fn judge(&mut self, wrote: Poll<io::Result<usize>>, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        if wrote.is_ready() {
            self.until = None;
            return wrote;
        }
        let wait = self.wait;
        let until = self.until.get_or_insert_with(|| Box::pin(tokio::time::sleep(wait)));
        until.as_mut().poll(cx).map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Impatient<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Impatient<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let wrote = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.judge(wrote, cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let wrote = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.judge(wrote, cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    // A socket has nothing to flush: what waits, waits in a write.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

async fn converse(stream: TcpStream, remote: SocketAddr, local: SocketAddr, router: Router, tls: Option<Tls>) {
    let peer = Peer { remote, local, tls: tls.is_some() };
    let Some(tls) = tls else { return answer(Impatient::new(stream, WRITE_WAIT), peer, router).await };
    let mut first = [0];
    // Whoever wrote `http://` by mistake is helped on.
    match tokio::time::timeout(HANDSHAKE_WAIT, stream.peek(&mut first)).await {
        Ok(Ok(1)) if first[0] != HANDSHAKE => return send_elsewhere(stream, local.port()).await,
        Ok(Ok(1)) => {}
        _ => return,
    }
    let acceptor = TlsAcceptor::from(tls.config);
    let stream = Impatient::new(stream, WRITE_WAIT);
    if let Ok(Ok(stream)) = tokio::time::timeout(HANDSHAKE_WAIT, acceptor.accept(stream)).await {
        answer(stream, peer, router).await;
    }
}

fn connection() -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEAD_WAIT).max_buf_size(HEAD_BYTES_MAX);
    builder
}

async fn answer(stream: impl AsyncRead + AsyncWrite + Unpin, peer: Peer, router: Router) {
    let router = TowerToHyperService::new(router);
    let service = hyper::service::service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(peer);
        router.call(request)
    });
    // Whoever sends nonsense or goes early misses the answer, and nobody else does.
    drop(connection().serve_connection(TokioIo::new(stream), service).await);
}

/// Answers with the same place by `https://`.
async fn send_elsewhere(stream: TcpStream, port: u16) {
    let service = hyper::service::service_fn(move |request: Request<Incoming>| async move {
        let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
        let mut response = Response::new(Body::empty());
        let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
        let place = host.and_then(|host| elsewhere(host, port, path)).and_then(|place| place.parse().ok());
        match place {
            Some(place) => {
                *response.status_mut() = StatusCode::PERMANENT_REDIRECT;
                response.headers_mut().insert(header::LOCATION, place);
            }
            None => *response.status_mut() = StatusCode::BAD_REQUEST,
        }
        response.headers_mut().insert(header::CONNECTION, header::HeaderValue::from_static("close"));
        Ok::<_, std::convert::Infallible>(response)
    });
    let stream = TokioIo::new(Impatient::new(stream, WRITE_WAIT));
    drop(connection().keep_alive(false).serve_connection(stream, service).await);
}

/// Where the same is by TLS; `None` for what is no host.
fn elsewhere(host: &str, port: u16, path: &str) -> Option<String> {
    let name = crate::guard::without_port(host);
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b':' | b'[' | b']' | b'_');
    if name.is_empty() || !name.bytes().all(is_name) || !path.starts_with('/') {
        return None;
    }
    Some(match port {
        443 => format!("https://{name}{path}"),
        port => format!("https://{name}:{port}{path}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_comes_without_tls_is_sent_to_the_same_place_with_it() {
        assert_eq!(elsewhere("dhcp.lan:80", 8_067, "/leases?q=a").as_deref(), Some("https://dhcp.lan:8067/leases?q=a"));
        assert_eq!(elsewhere("[fd00::1]", 443, "/").as_deref(), Some("https://[fd00::1]/"));
        for (host, path) in [("", "/"), ("a@evil.example", "/"), ("a/b", "/"), ("a b", "/"), ("dhcp.lan", "*")] {
            assert_eq!(elsewhere(host, 443, path), None, "{host} {path}");
        }
    }

    #[tokio::test]
    async fn who_takes_no_answer_loses_the_connection() {
        use tokio::io::AsyncWriteExt as _;
        let router = Router::new().fallback(|| async { "long".repeat(100_000) });
        let (mut client, server) = tokio::io::duplex(1_024);
        let here = "127.0.0.1:9".parse().expect("an address");
        let peer = Peer { remote: here, local: here, tls: false };
        client.write_all(b"GET / HTTP/1.1\r\nhost: here\r\n\r\n").await.expect("room for it");
        let answering = answer(Impatient::new(server, Duration::from_millis(50)), peer, router);
        tokio::time::timeout(Duration::from_secs(10), answering).await.expect("the connection ends");
        drop(client);
    }

    #[test]
    fn nobody_beyond_this_machine_takes_all_places() {
        let crowd = Crowd::default();
        let take = |address: &str| crowd.place(address.parse().expect("an address"));
        let mut held: Vec<_> = (0..CONNECTIONS_OF_ONE).map(|_| take("2001:db8::1").expect("a place")).collect();
        assert!(take("2001:db8::2").is_none() && take("2001:db8:0:1::1").is_some());
        held.pop();
        assert!(take("2001:db8::2").is_some());
        drop(held);
        let here: Vec<_> = (0..CONNECTIONS_MAX).map(|_| take("127.0.0.1")).collect();
        assert!(here.iter().all(Option::is_some));
        drop(here);
        assert!(crowd.0.lock().expect("no panic").is_empty());
    }
}
