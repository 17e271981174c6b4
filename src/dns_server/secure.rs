//! Connections by TLS: DNS itself (RFC 7858), or HTTPS (RFC 8484) which carries it.
//!
//! Who may ask, what is seen and how many connections there may be is as with TCP. A handshake costs us more than whoever
//! begins it, so that there are bounds of their own to how many are under way and how long each may take.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use resolve::Transport;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use super::handler::Live;
use super::https;
use super::shares::Shares;
use super::tcp::{self, Slot};
use crate::tls::{Identity, TlsFault, alpn};

/// Handshakes under way at once; connections beyond are closed at once.
const HANDSHAKES_MAX: usize = 128;
/// And of one asker.
const HANDSHAKES_MAX_EACH: usize = 16;
/// How long one may take.
const HANDSHAKE: Duration = Duration::from_secs(5);

/// What is served by TLS, and where.
#[derive(Clone, Debug)]
pub struct Encrypted {
    /// The certificate.
    pub identity: Arc<Identity>,
    /// Where DNS over TLS is served.
    pub tls: Vec<SocketAddr>,
    /// Where DNS over HTTPS is.
    pub https: Vec<SocketAddr>,
    /// The path that it is asked at, from `/` on.
    pub https_path: String,
}

/// What connections by TLS begin with. Cheap to clone.
#[derive(Clone)]
pub(super) struct Secure {
    dot: TlsAcceptor,
    doh: TlsAcceptor,
    path: Arc<str>,
    handshakes: Arc<Semaphore>,
    shares: Shares,
}

impl Secure {
    pub(super) fn new(encrypted: &Encrypted) -> Result<Self, TlsFault> {
        let identity = &encrypted.identity;
        Ok(Self {
            dot: identity.server_config(&[alpn::DOT])?.into(),
            doh: identity.server_config(&[alpn::HTTP_2, alpn::HTTP_1])?.into(),
            path: encrypted.https_path.as_str().into(),
            handshakes: Arc::new(Semaphore::new(HANDSHAKES_MAX)),
            shares: Shares::new(HANDSHAKES_MAX_EACH),
        })
    }

    /// One connection, to its end.
    pub(super) async fn attend(
        self,
        stream: TcpStream,
        (source, transport): (SocketAddr, Transport),
        live: Live,
        slot: Slot,
    ) -> io::Result<()> {
        let places = self.shares.take(source.ip()).zip(self.handshakes.clone().try_acquire_owned().ok());
        let Some(place) = places else {
            live.load().counts().connection_refused();
            return Ok(());
        };
        let acceptor = if transport == Transport::Tls { &self.dot } else { &self.doh };
        // Where places are few, whoever only holds one loses it soon; an honest handshake is two round trips.
        let within = HANDSHAKE.min(4 * slot.idle());
        let accepted = timeout(within, acceptor.accept(stream)).await.unwrap_or_else(|late| Err(late.into()));
        drop(place);
        let stream = match accepted {
            Ok(stream) => stream,
            Err(error) => {
                live.load().counts().handshake_failed();
                return Err(error);
            }
        };
        if transport == Transport::Tls {
            return tcp::converse(stream, (source, transport), live, slot).await;
        }
        let is_http2 = stream.get_ref().1.alpn_protocol() == Some(alpn::HTTP_2);
        https::converse(stream, source, (self.path, is_http2), live, slot).await
    }
}
