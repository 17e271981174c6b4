//! A context negotiated: tokens of the library and of the server carried to each other in TKEY records, over TCP.
//!
//! The library asks the KDC by itself and waits for it, so each of its steps runs on a thread of its own. How many of them
//! there are, and how long their outcome is waited for, has a limit.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::Duration;

use ddns::kerberos::{Gss, KerberosFault};
use ddns::reconcile::Outcome;
use dns::wire::{AnswerError, TkeyError, read_tkey_answer, tkey_query, verify_last};
use dns::{Fqdn, SecurityContext};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, oneshot};
use tokio::time::timeout;

use super::gssapi::{Established, Failure, Initiator, Step};
use crate::ddns_client::WallClock;
use crate::ddns_client::discover::{DiscoverError, zone_cut};

/// Questions to the server. Kerberos needs one, or two with SPNEGO's own last word.
const ROUNDS_MAX: usize = 8;
/// How long one step of the library is waited for. It tries each KDC several times, a second or more each.
const STEP_WAIT: Duration = Duration::from_secs(15);
/// How long the server may take to connect, and to each answer.
const SERVER_WAIT: Duration = Duration::from_secs(5);
/// Steps of the library under way at once, those that nobody waits for any more included.
const STEPS_MAX: usize = 4;
/// How long a server is asked to keep a context.
const ASKED_SECS: u32 = 86_400;
/// What is taken for the life of a context that says nothing of it.
const LIFE_MAX: Duration = Duration::from_secs(3_600);

static STEPS: LazyLock<Arc<Semaphore>> = LazyLock::new(|| Arc::new(Semaphore::new(STEPS_MAX)));

/// A context, and how long both sides keep it.
#[derive(Debug)]
pub(super) struct Negotiated {
    pub(super) context: Arc<dyn SecurityContext>,
    pub(super) lasts: Duration,
    /// The server's principal.
    pub(super) target: String,
}

/// Why there is none.
#[derive(Debug)]
pub(super) struct Trouble {
    /// For the row that waits.
    pub(super) outcome: Outcome,
    /// For the log, in the words of whoever failed.
    pub(super) words: String,
}

impl Trouble {
    fn of(fault: KerberosFault, words: impl Into<String>) -> Self {
        Self { outcome: Outcome::Kerberos(fault), words: words.into() }
    }

    fn silent(words: impl Into<String>) -> Self {
        Self { outcome: Outcome::Timeout, words: words.into() }
    }
}

/// A context of the library, as the messages need it.
struct Agreed {
    key_name: Fqdn,
    established: Mutex<Established>,
}

impl std::fmt::Debug for Agreed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Agreed").field("key_name", &self.key_name).finish_non_exhaustive()
    }
}

impl SecurityContext for Agreed {
    fn key_name(&self) -> &Fqdn {
        &self.key_name
    }

    fn sign(&self, octets: &[u8]) -> Option<Vec<u8>> {
        self.established.lock().unwrap_or_else(PoisonError::into_inner).sign(octets).ok()
    }

    fn verifies(&self, octets: &[u8], token: &[u8]) -> bool {
        self.established.lock().unwrap_or_else(PoisonError::into_inner).verifies(octets, token)
    }
}

/// Negotiates with `server`, which is asked for its name where the configuration does not tell it: the primary of `zone`.
pub(super) async fn negotiate(
    server: SocketAddr,
    gss: &Gss,
    zone: &Fqdn,
    wall_secs: &WallClock,
) -> Result<Negotiated, Trouble> {
    let target = match gss.service_of(server) {
        Some(service) => service.to_owned(),
        None => service_of_primary(server, gss, zone).await?,
    };
    let (principal, keytab, to) = (gss.principal.clone(), gss.keytab.clone(), target.clone());
    let first = move || {
        let begun = Initiator::new(&principal, &keytab, &to).and_then(|initiator| initiator.step(None));
        begun.map_err(|failure| looked_at(failure, &keytab))
    };
    let (mut initiator, mut step) = off_thread(first).await?;
    let mut talk = Talk { stream: connect(server).await?, key_name: key_name(), last: None, expires_at: None };
    let mut rounds = 0;
    loop {
        let token = match step {
            Step::Token(token) => token,
            Step::Done(established, token) => {
                if !token.is_empty() {
                    talk.ask(&token, wall_secs).await?;
                }
                return talk.conclude(established, target, wall_secs());
            }
        };
        rounds += 1;
        let Some(current) = initiator.take().filter(|_| rounds <= ROUNDS_MAX) else {
            return Err(Trouble::of(KerberosFault::Other, "the negotiation does not come to an end"));
        };
        let answer = talk.ask(&token, wall_secs).await?;
        (initiator, step) = off_thread(move || current.step(Some(&answer)).map_err(named)).await?;
    }
}

/// RFC 3645 section 3.1.1: "DNS@<target_server_name>", as Kerberos writes it; in the realm of our own account.
async fn service_of_primary(server: SocketAddr, gss: &Gss, zone: &Fqdn) -> Result<String, Trouble> {
    match zone_cut(server, zone).await {
        Ok(cut) if !cut.primary.is_root() => {
            let host = cut.primary.to_string();
            Ok(format!("DNS/{}@{}", host.trim_end_matches('.'), gss.realm()))
        }
        Err(error @ DiscoverError::NoAnswer { .. }) => Err(Trouble::silent(error.to_string())),
        Err(error) => Err(Trouble::of(KerberosFault::NoServerName, error.to_string())),
        Ok(_) => Err(Trouble::of(KerberosFault::NoServerName, "the zone's SOA record names no primary")),
    }
}

/// Unique, as RFC 2930 section 2.1 wants it; and ending as no name of a zone does, so that no message compresses it: neither
/// Windows (MS-GSSA section 3.1.5.4) nor Samba can read that in a TSIG record.
fn key_name() -> Fqdn {
    let text = format!("{:016x}.leasehold-gss", RandomState::new().build_hasher().finish());
    // Letters and digits: it is a name.
    text.parse().unwrap_or_else(|_| Fqdn::root())
}

async fn off_thread<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, (KerberosFault, String)> + Send + 'static,
) -> Result<T, Trouble> {
    let no_kdc = || Trouble::of(KerberosFault::NoKdc, format!("no answer within {} s", STEP_WAIT.as_secs()));
    let free = timeout(STEP_WAIT, Arc::clone(&STEPS).acquire_owned());
    // The semaphore is never closed.
    let Ok(Ok(permit)) = free.await else { return Err(no_kdc()) };
    let (to, from) = oneshot::channel();
    // No thread of the runtime: whoever ends it does not wait for a KDC.
    let spawned = std::thread::Builder::new().name("kerberos".to_owned()).spawn(move || {
        let _ = to.send(work());
        drop(permit);
    });
    if let Err(error) = spawned {
        return Err(Trouble::of(KerberosFault::Other, format!("no thread: {error}")));
    }
    match timeout(STEP_WAIT, from).await {
        Ok(Ok(Ok(done))) => Ok(done),
        Ok(Ok(Err((fault, words)))) => Err(Trouble::of(fault, words)),
        Ok(Err(_)) => Err(Trouble::of(KerberosFault::Other, "a step of the library was broken off")),
        Err(_) => Err(no_kdc()),
    }
}

fn named(failure: Failure) -> (KerberosFault, String) {
    (fault_of(&failure), failure.0)
}

/// The library says the same of a keytab that is not there and of one that lacks the principal: "no credentials".
fn looked_at(failure: Failure, keytab: &Path) -> (KerberosFault, String) {
    let said = failure.0.to_ascii_lowercase();
    if !["no credentials cache found", "no kerberos credentials available"].iter().any(|words| said.contains(words)) {
        return named(failure);
    }
    match std::fs::File::open(keytab) {
        Ok(_) => (KerberosFault::NotInKeytab, failure.0),
        Err(error) => (KerberosFault::Keytab, format!("{}: {error}", keytab.display())),
    }
}

/// Which of the faults that have a mend of their own the library speaks of. Its numbers differ by mechanism and are mapped
/// anew in each process, so its words are read; they are never translated here, as no locale is set.
fn fault_of(failure: &Failure) -> KerberosFault {
    let said = failure.0.to_ascii_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| said.contains(word));
    if says(&["clock skew"]) {
        KerberosFault::ClockSkew
    } else if says(&["cannot contact any kdc", "cannot find kdc", "cannot resolve", "cannot locate kdc"]) {
        KerberosFault::NoKdc
    } else if says(&["server not found in kerberos database", "server krbtgt"])
        || (said.starts_with("server ") && says(&["not found in kerberos database"]))
    {
        KerberosFault::UnknownService
    } else if says(&["not found in kerberos database", "revoked", "client's entry", "locked out"]) {
        KerberosFault::UnknownPrincipal
    } else if says(&["preauthentication failed", "decrypt integrity check failed", "password incorrect"]) {
        KerberosFault::WrongKey
    } else if says(&["no suitable keys", "key table entry not found", "no key table entry", "not found in keytab"]) {
        KerberosFault::NotInKeytab
    } else if says(&["keytab", "key table", "permission denied", "no such file"]) {
        KerberosFault::Keytab
    } else {
        KerberosFault::Other
    }
}

async fn connect(server: SocketAddr) -> Result<TcpStream, Trouble> {
    match timeout(SERVER_WAIT, TcpStream::connect(server)).await {
        Ok(Ok(stream)) => Ok(stream),
        Ok(Err(error)) => Err(Trouble::silent(format!("no connection: {error}"))),
        Err(_) => Err(Trouble::silent("no connection in time")),
    }
}

/// The connection that the tokens go over.
struct Talk {
    stream: TcpStream,
    key_name: Fqdn,
    /// The server's last answer, which must be signed.
    last: Option<Vec<u8>>,
    /// Until when the server keeps the context, in UTC seconds.
    expires_at: Option<u32>,
}

impl Talk {
    /// Carries a token to the server, and brings the one that it answers with.
    async fn ask(&mut self, token: &[u8], wall_secs: &WallClock) -> Result<Vec<u8>, Trouble> {
        let (id, now) = (crate::ddns_client::random_id(), wall_secs() as u32);
        let too_long = |_| Trouble::of(KerberosFault::Other, "the ticket does not fit a message");
        let query = tkey_query(&self.key_name, id, now, now.saturating_add(ASKED_SECS), token).map_err(too_long)?;
        let answered = timeout(SERVER_WAIT, exchange(&mut self.stream, &query)).await;
        let answer = match answered {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => return Err(Trouble::silent(format!("the connection broke: {error}"))),
            Err(_) => return Err(Trouble::silent("no answer to a TKEY query in time")),
        };
        match read_tkey_answer(&answer, &self.key_name, id) {
            Ok(read) => {
                self.expires_at = Some(read.expires_at);
                self.last = Some(answer);
                Ok(read.token)
            }
            Err(error @ TkeyError::Refused(_)) => Err(Trouble::of(KerberosFault::ServerRefused, error.to_string())),
            Err(error) => Err(Trouble { outcome: Outcome::BadAnswer, words: error.to_string() }),
        }
    }

    /// RFC 3645 section 3.1.3: the last answer's signature "MUST" be verified.
    fn conclude(self, established: Established, target: String, now: u64) -> Result<Negotiated, Trouble> {
        let lasts = established.left().unwrap_or(LIFE_MAX).min(Duration::from_secs(ASKED_SECS.into()));
        let agreed = Agreed { key_name: self.key_name, established: Mutex::new(established) };
        match verify_last(&self.last.unwrap_or_default(), &agreed, now) {
            Ok(()) => {}
            // The library sets its own clock by the KDC's, so this is the first to notice.
            Err(error @ AnswerError::Stale { .. }) => {
                return Err(Trouble::of(KerberosFault::ClockSkew, error.to_string()));
            }
            Err(error) => {
                let words = format!("the last word of the negotiation: {error}");
                return Err(Trouble { outcome: Outcome::BadAnswer, words });
            }
        }
        // Its clock may be some minutes off: a context that has no life left by ours is used, and will be refused in time.
        let kept = self.expires_at.map_or(u64::MAX, |at| u64::from(at).saturating_sub(now));
        let lasts = lasts.min(Duration::from_secs(kept.max(1)));
        Ok(Negotiated { context: Arc::new(agreed), lasts, target })
    }
}

/// RFC 1035 section 4.2.2.
async fn exchange(stream: &mut TcpStream, query: &[u8]) -> std::io::Result<Vec<u8>> {
    let length = u16::try_from(query.len()).map_err(std::io::Error::other)?;
    stream.write_all(&[&length.to_be_bytes()[..], query].concat()).await?;
    let mut answer = vec![0; usize::from(stream.read_u16().await?)];
    stream.read_exact(&mut answer).await?;
    Ok(answer)
}
