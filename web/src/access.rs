//! Who asks, and what they may do.
//!
//! Reading order: [`Role`] and [`Actor`] (what everything else speaks of), [`accounts`](Accounts) (users and tokens of the
//! configuration), `sessions` (who has signed in), `guesses` (how often somebody may be wrong), [`passwords`], then
//! `callers`, which finds out who makes a request, and [`Access`], which holds all of it together.
//!
//! Everything here is values; time, randomness and what is told of it come through [`Surroundings`].

mod accounts;
mod callers;
mod guesses;
pub mod passwords;
mod sessions;

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;
use utoipa::ToSchema;

pub use self::accounts::{Accounts, Token, User, token_hash, token_text};
pub(crate) use self::callers::{Caller, Way, cookie_name};
use self::guesses::{Guesses, Held};
pub(crate) use self::sessions::{LASTS, text_of};
use self::sessions::{Opened, Sessions};

/// What somebody may do; each role may do what those before it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// See everything but secrets.
    View,
    /// Also change what comes and goes: reservations, leases, records, DNS work.
    Operate,
    /// Also change the server itself: its configuration, its store.
    Administer,
}

impl Role {
    /// All, the least first.
    pub const ALL: [Self; 3] = [Self::View, Self::Operate, Self::Administer];

    /// As it is written in the configuration and told by the API.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::View => "view",
            Self::Operate => "operate",
            Self::Administer => "administer",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl FromStr for Role {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|role| role.word() == word)
            .ok_or_else(|| format!("`{word}` is no role; roles are {}", Self::ALL.map(Self::word).join(", ")))
    }
}

/// Who changed something, for the audit log.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Actor {
    /// Somebody who has signed in.
    User {
        /// Their name in the configuration.
        name: String,
        /// Where they came from.
        #[schema(value_type = String)]
        address: IpAddr,
    },
    /// A script with a token.
    Token {
        /// The token's name in the configuration.
        name: String,
        /// Where it came from.
        #[schema(value_type = String)]
        address: IpAddr,
    },
    /// Somebody on this machine who did not have to sign in.
    Local {
        /// Their user number, where the system tells it.
        uid: Option<u32>,
    },
    /// The daemon itself: a file that changed, a time that came.
    Daemon,
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User { name, address } => write!(f, "{name} from {address}"),
            Self::Token { name, address } => write!(f, "token {name} from {address}"),
            Self::Local { uid: Some(0) } => f.write_str("root on this machine"),
            Self::Local { uid: Some(uid) } => write!(f, "user {uid} on this machine"),
            Self::Local { uid: None } => f.write_str("somebody on this machine"),
            Self::Daemon => f.write_str("the daemon"),
        }
    }
}

/// What a route asks of whoever comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Need {
    /// Nothing: it tells no more than that the server is there, or is how one signs in.
    Nobody,
    /// At least this role.
    Role(Role),
}

impl Need {
    /// See [`Role::View`].
    pub const VIEW: Self = Self::Role(Role::View);
    /// See [`Role::Operate`].
    pub const OPERATE: Self = Self::Role(Role::Operate);
    /// See [`Role::Administer`].
    pub const ADMINISTER: Self = Self::Role(Role::Administer);
}

/// Both ends of the connection that a request came by.
#[derive(Clone, Copy, Debug)]
pub struct Peer {
    /// Who asks.
    pub remote: SocketAddr,
    /// Where they came to.
    pub local: SocketAddr,
    /// Whether nobody between could read or change it.
    pub tls: bool,
}

/// Something about signing in that is worth a line in the log. No secret is in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Incident {
    /// Somebody has signed in.
    SignedIn {
        /// Who.
        name: String,
        /// From where.
        address: IpAddr,
    },
    /// Somebody has signed out.
    SignedOut {
        /// Who.
        name: String,
        /// From where.
        address: IpAddr,
    },
    /// Name and password do not belong together.
    WrongPassword {
        /// Whose password it is not; `None`: nobody has the name. (Then it is not told: now and then somebody types a
        /// password into the field of the name.)
        name: Option<String>,
        /// From where.
        address: IpAddr,
    },
    /// A token that is none of ours, is over, or may not be used from there.
    WrongToken {
        /// Why, in words; the token's name where it is known.
        why: String,
        /// From where.
        address: IpAddr,
    },
    /// So many attempts that the next ones have to wait.
    HeldOff {
        /// From where.
        address: IpAddr,
        /// How long.
        wait: Duration,
    },
}

/// What the rest of the world is to whoever judges requests.
pub trait Surroundings: Send + Sync + fmt::Debug {
    /// Time that only runs forwards, from whatever beginning.
    fn elapsed(&self) -> Duration;
    /// UTC seconds.
    fn wall_secs(&self) -> u64;
    /// Bytes that nobody can guess.
    fn random(&self) -> [u8; 32];
    /// Whose process on this machine holds the other end of a connection.
    fn uid_of(&self, peer: &Peer) -> Option<u32>;
    /// Tells the log.
    fn tell(&self, incident: &Incident);
}

/// Passwords that are hashed at once. Each takes some 20 MB and a tenth of a second of a processor.
const HASHES_AT_ONCE: usize = 2;
/// How many more wait for that; others are told to come again.
const HASHES_WAITING: usize = 8;

/// Who may come, who is here, and who was wrong too often.
#[derive(Clone, Debug)]
pub struct Access {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    accounts: RwLock<Arc<Accounts>>,
    sessions: Mutex<Sessions>,
    /// At names and passwords.
    guesses: Mutex<Guesses>,
    /// At tokens: whoever has a wrong one does not keep people at the same address from signing in.
    token_guesses: Mutex<Guesses>,
    surroundings: Arc<dyn Surroundings>,
    hashing: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
}

/// Why somebody could not sign in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum SignInFault {
    /// Name or password; it is not said which.
    Wrong,
    /// Too many attempts: come again after this.
    Wait(Duration),
    /// So many others sign in.
    Busy,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Access {
    /// Nobody has signed in yet.
    #[must_use]
    pub fn new(accounts: Accounts, surroundings: Arc<dyn Surroundings>) -> Self {
        Self {
            inner: Arc::new(Inner {
                accounts: RwLock::new(Arc::new(accounts)),
                sessions: Mutex::default(),
                guesses: Mutex::default(),
                token_guesses: Mutex::default(),
                surroundings,
                hashing: Arc::new(Semaphore::new(HASHES_AT_ONCE)),
                waiting: Arc::new(Semaphore::new(HASHES_AT_ONCE + HASHES_WAITING)),
            }),
        }
    }

    /// Other accounts from now on. Sessions of users who are gone, or have another password, end at once; other roles
    /// hold from the next request on.
    pub fn replace(&self, accounts: Accounts) {
        let accounts = Arc::new(accounts);
        *self.inner.accounts.write().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&accounts);
        locked(&self.inner.sessions).keep(&accounts);
    }

    /// Who may come.
    #[must_use]
    pub fn accounts(&self) -> Arc<Accounts> {
        Arc::clone(&self.inner.accounts.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn surroundings(&self) -> &dyn Surroundings {
        &*self.inner.surroundings
    }

    /// Signs somebody in: a new session, or why not. Waits for the hash of the password.
    pub(crate) async fn sign_in(&self, name: String, password: String, peer: &Peer) -> Result<Opened, SignInFault> {
        let address = peer.remote.ip().to_canonical();
        let Ok(_place) = Arc::clone(&self.inner.waiting).try_acquire_owned() else { return Err(SignInFault::Busy) };
        let elapsed = self.surroundings().elapsed();
        // Counted as wrong beforehand, so that many guesses at once are not free.
        let started = locked(&self.inner.guesses).start(&name, address, elapsed);
        if let Err(Held { wait, is_new }) = started {
            if is_new {
                self.surroundings().tell(&Incident::HeldOff { address, wait });
            }
            return Err(SignInFault::Wait(wait));
        }
        let user = self.accounts().user(&name).cloned();
        let known = user.as_ref().map(|user| user.name.clone());
        let hash = user.as_ref().map_or_else(|| self.accounts().hash_of_nobody(), |user| user.password_hash.clone());
        let Ok(turn) = Arc::clone(&self.inner.hashing).acquire_owned().await else { return Err(SignInFault::Busy) };
        let verified = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            passwords::verify(&password, &hash)
        });
        let is_right = verified.await.unwrap_or(false);
        // The accounts may have changed meanwhile: what was verified has to be the password still.
        let holds =
            |user: &User| self.accounts().user(&name).is_some_and(|now| now.password_hash == user.password_hash);
        match user.filter(|user| is_right && holds(user)) {
            Some(user) => {
                let elapsed = self.surroundings().elapsed();
                locked(&self.inner.guesses).right(&name, address, elapsed);
                let opened = locked(&self.inner.sessions).open(
                    &user,
                    elapsed,
                    self.surroundings().random(),
                    self.surroundings().random(),
                );
                self.surroundings().tell(&Incident::SignedIn { name, address });
                Ok(opened)
            }
            None => {
                self.surroundings().tell(&Incident::WrongPassword { name: known, address });
                Err(SignInFault::Wrong)
            }
        }
    }

    /// Ends a session.
    pub(crate) fn sign_out(&self, caller: &Caller) {
        if let Way::Session { key, .. } = &caller.way {
            locked(&self.inner.sessions).close(key);
            if let Some(Actor::User { name, address }) = &caller.actor {
                self.surroundings().tell(&Incident::SignedOut { name: name.clone(), address: *address });
            }
        }
    }

    /// Whether who asked then may still see things: for answers that go on.
    pub(crate) fn still_holds(&self, caller: &Caller) -> bool {
        let accounts = self.accounts();
        match &caller.way {
            Way::Session { key, .. } => {
                locked(&self.inner.sessions).is_open(key, self.surroundings().elapsed(), &accounts)
            }
            Way::Token { hash } => {
                accounts.token(hash).is_some_and(|token| token.is_valid_at(self.surroundings().wall_secs()))
            }
            Way::Local => accounts.loopback_role.is_some(),
            Way::Nobody => false,
        }
    }
}
