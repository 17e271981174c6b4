//! The client side of DNS: updates to remote servers, and what is asked of them beforehand.
//!
//! [`UpdateClient`] sends one RFC 2136 update and says how it ended, as the reconciler wants to hear it. hickory-proto
//! makes and reads the messages; the sockets are our own, because the outcome must say more than hickory-net's client
//! tells: BADSIG, BADKEY and BADTIME apart, an answer that is not signed apart from none, and every retransmission the
//! same signed message, so that a lost answer is not followed by a second transaction of our own making.
//! [`discover`] asks with hickory-net's client: which zone a name is in, and whether its server would take updates.

pub mod cuts;
pub mod discover;
mod exchange;
pub mod read;

use std::collections::HashMap;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ddns::reconcile::Outcome;
use ddns::settings::Auth;
use dns::wire::{PendingAnswer, WireError, sign, sign_request, update_to_message};
use dns::{Fqdn, Rcode, Signing, TsigKey, Update};
use hickory_proto::op::Message;
use tokio::net::UdpSocket;
use tracing::{debug, error};

use crate::kerberos::Contexts;
use exchange::{Exchange, Received};

/// The longest message sent over UDP. 1,232 octets pass every path without fragments (the DNS flag day of 2020).
const UDP_OCTETS_MAX: usize = 1_232;
/// Idle sockets kept for one server; as many as it is sent updates at once.
const IDLE_SOCKETS_MAX: usize = 16;

/// When an update is sent again, and when it is given up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timing {
    /// How long each sending waits for an answer; the same signed message goes out at the start of each.
    pub waits: Vec<Duration>,
    /// How long one exchange over TCP may take in all.
    pub tcp: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self { waits: [1, 2, 2].map(Duration::from_secs).to_vec(), tcp: Duration::from_secs(5) }
    }
}

/// Tells UTC seconds, for signatures.
pub type WallClock = Arc<dyn Fn() -> u64 + Send + Sync>;

/// Sends updates. Cheap to share; every exchange has a socket of its own while it lasts, so answers cannot be taken for
/// one another's.
pub struct UpdateClient {
    wall_secs: WallClock,
    timing: Timing,
    idle: Mutex<HashMap<SocketAddr, Vec<UdpSocket>>>,
    contexts: Contexts,
    messages: AtomicU64,
}

impl fmt::Debug for UpdateClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UpdateClient").field("timing", &self.timing).finish_non_exhaustive()
    }
}

impl UpdateClient {
    /// A client whose signatures carry the time that `wall_secs` tells.
    #[must_use]
    pub fn new(wall_secs: WallClock, timing: Timing) -> Self {
        Self { wall_secs, timing, idle: Mutex::default(), contexts: Contexts::default(), messages: AtomicU64::new(0) }
    }

    /// How many updates were to be sent so far, each counted once however often its message was repeated.
    #[must_use]
    pub fn messages(&self) -> u64 {
        self.messages.load(Ordering::Relaxed)
    }

    /// Sends `update` to `server`, signed when there is a key, and waits for the answer, about five seconds at most.
    ///
    /// Over UDP; over TCP when the message is long or the answer was truncated. An answer counts only when it is about
    /// this update and signed as the update was (RFC 8945 section 5.3); until one does, the wait goes on.
    pub async fn send(&self, server: SocketAddr, key: Option<&TsigKey>, update: &Update) -> Outcome {
        self.messages.fetch_add(1, Ordering::Relaxed);
        self.send_signed(server, update, true, |message, now| sign_request(message, key, now)).await
    }

    /// [`UpdateClient::send`], signed in whichever way the zone's server wants.
    ///
    /// Signed by a security context it goes over TCP: a message that is sent again has a signature that came before, which
    /// the server refuses as a replay. A server that has forgotten the context (it was started anew) is told so by BADKEY;
    /// then one more context is negotiated, and the update goes out once more.
    pub async fn send_as(&self, server: SocketAddr, auth: &Auth, update: &Update) -> Outcome {
        let Auth::Gss(gss) = auth else { return self.send(server, auth.tsig().map(AsRef::as_ref), update).await };
        self.messages.fetch_add(1, Ordering::Relaxed);
        let mut outcome = Outcome::BadAnswer;
        for _ in 0..2 {
            let signing = match self.signing(server, auth, &update.zone).await {
                Ok(signing) => signing,
                Err(failed) => return failed,
            };
            outcome = self.send_signed(server, update, false, |message, now| sign(message, &signing, now)).await;
            let refused = matches!(outcome, Outcome::TsigError(Rcode::BAD_KEY | Rcode::BAD_SIG));
            if let Signing::Context(context) = &signing
                && (refused || outcome == Outcome::BadAnswer)
            {
                self.contexts.forget(server, gss, context).await;
            }
            // Whether an update was made that nobody could believe the answer to is not known.
            if !refused {
                break;
            }
        }
        outcome
    }

    /// What signs questions to `server` about `zone`; a security context is negotiated where there is none yet.
    ///
    /// # Errors
    /// What became of a message that was to be signed by a context: none was sent.
    pub async fn signing(&self, server: SocketAddr, auth: &Auth, zone: &Fqdn) -> Result<Signing, Outcome> {
        match auth {
            Auth::Unsigned => Ok(Signing::Unsigned),
            Auth::Tsig(key) => Ok(Signing::Shared(Arc::clone(key))),
            Auth::Gss(gss) => self.contexts.signing(server, gss, zone, &self.wall_secs).await,
        }
    }

    /// Why there is no security context with `server`, in the words of the Kerberos library or of the server.
    pub async fn trouble(&self, server: SocketAddr, auth: &Auth) -> Option<String> {
        match auth {
            Auth::Gss(gss) => self.contexts.trouble(server, gss).await,
            Auth::Unsigned | Auth::Tsig(_) => None,
        }
    }

    /// The server does not know the context that signed, if one did: the next to ask has another.
    pub async fn forget(&self, server: SocketAddr, auth: &Auth, signing: &Signing) {
        if let (Auth::Gss(gss), Signing::Context(context)) = (auth, signing) {
            self.contexts.forget(server, gss, context).await;
        }
    }

    async fn send_signed(
        &self,
        server: SocketAddr,
        update: &Update,
        over_udp: bool,
        sign: impl FnOnce(Message, u64) -> Result<(Vec<u8>, PendingAnswer), WireError>,
    ) -> Outcome {
        let signed = update_to_message(update, random_id()).and_then(|message| sign(message, (self.wall_secs)()));
        let (octets, pending) = match signed {
            Ok(signed) => signed,
            // It will be forgotten, and the update tried again with another.
            Err(WireError::ContextExpired) => return Outcome::TsigError(Rcode::BAD_KEY),
            Err(error) => {
                error!("an update of zone {} cannot be put into a message: {error}", update.zone);
                return Outcome::BadAnswer;
            }
        };
        let exchange = Exchange { octets: &octets, pending: &pending, zone: &update.zone, wall_secs: &self.wall_secs };
        if over_udp && octets.len() <= UDP_OCTETS_MAX {
            let Some(socket) = self.socket(server).await else { return Outcome::Timeout };
            match exchange.over_udp(&socket, &self.timing.waits).await {
                Received::Outcome(outcome) => {
                    // A socket on which an answer may still come is not used again.
                    if matches!(outcome, Outcome::Answer(_) | Outcome::TsigError(_)) {
                        self.keep(server, socket);
                    }
                    return outcome;
                }
                Received::Truncated => {}
            }
        }
        match tokio::time::timeout(self.timing.tcp, exchange.over_tcp(server)).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(error)) => {
                debug!("no exchange with {server} over TCP: {error}");
                Outcome::Timeout
            }
            Err(_) => Outcome::Timeout,
        }
    }

    /// An idle socket, or a new one. Each is bound to a random port and takes datagrams of its server alone.
    async fn socket(&self, server: SocketAddr) -> Option<UdpSocket> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).get_mut(&server).and_then(Vec::pop);
        if idle.is_some() {
            return idle;
        }
        let any = match server.ip() {
            IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        };
        let opened = async {
            let socket = UdpSocket::bind((any, 0)).await?;
            socket.connect(server).await?;
            Ok::<_, std::io::Error>(socket)
        };
        opened.await.inspect_err(|error| debug!("no socket to {server}: {error}")).ok()
    }

    fn keep(&self, server: SocketAddr, socket: UdpSocket) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let sockets = idle.entry(server).or_default();
        if sockets.len() < IDLE_SOCKETS_MAX {
            sockets.push(socket);
        }
    }
}

/// RFC 5452 section 9.2: an ID that nobody can guess. The standard library's hasher is keyed from the system's random
/// source.
pub(crate) fn random_id() -> u16 {
    use std::hash::{BuildHasher, Hasher, RandomState};
    RandomState::new().build_hasher().finish() as u16
}
