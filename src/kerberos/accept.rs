//! Security contexts that others negotiate with our DNS server (RFC 3645 section 4): each begins with a token in a TKEY
//! query, ends as a principal's name and a signature, and is forgotten when it expires or too many are there.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use dns::{Fqdn, SecurityContext};

use super::gssapi::{Accepting, Established, Half, Taken};

/// How many complete contexts are kept; the oldest goes first. A client whose context is gone hears BADKEY, and negotiates
/// another.
const CONTEXTS_MAX: usize = 1_024;
/// How many negotiations are under way; the oldest goes first.
const HALVES_MAX: usize = 64;
/// How long a context is good at most, whatever its ticket says.
const LIFE_MAX: Duration = Duration::from_secs(3_600);

/// What comes of a token.
#[derive(Debug)]
pub(crate) enum Answered {
    /// The other side goes on with this token.
    GoesOn(Vec<u8>),
    /// It is complete: the last token, who they are, what signs the answer, and for how long it is good.
    Complete(Vec<u8>, Arc<Accepted>, Duration),
    /// The name is another context's.
    NameTaken,
    /// The library did not accept the token, in its words.
    Refused(String),
}

/// A complete context with a client.
pub(crate) struct Accepted {
    name: Fqdn,
    principal: String,
    /// When it is forgotten, though its ticket may last longer.
    until: Instant,
    context: Mutex<Established>,
}

impl fmt::Debug for Accepted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Accepted").field("name", &self.name).field("principal", &self.principal).finish_non_exhaustive()
    }
}

impl Accepted {
    /// Who it is with, and their realm.
    pub(crate) fn principal(&self) -> &str {
        &self.principal
    }

    fn lock(&self) -> MutexGuard<'_, Established> {
        self.context.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn left(&self) -> Option<Duration> {
        left_of(self.lock().left(), self.until, Instant::now())
    }
}

impl SecurityContext for Accepted {
    fn key_name(&self) -> &Fqdn {
        &self.name
    }

    fn sign(&self, octets: &[u8]) -> Option<Vec<u8>> {
        self.lock().sign(octets).ok()
    }

    fn verifies(&self, octets: &[u8], token: &[u8]) -> bool {
        self.left().is_some() && self.lock().verifies(octets, token)
    }
}

/// How long a context is good yet: as long as its ticket, and not beyond `until`.
fn left_of(ticket: Option<Duration>, until: Instant, now: Instant) -> Option<Duration> {
    let ours = until.checked_duration_since(now).filter(|left| !left.is_zero());
    Some(ticket?.min(ours?))
}

/// All contexts with clients.
pub(crate) struct Acceptor {
    library: Accepting,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Under way, the oldest first.
    halves: VecDeque<(Fqdn, Half)>,
    /// In the order of their completion.
    order: VecDeque<Fqdn>,
    complete: HashMap<Fqdn, Arc<Accepted>>,
}

impl fmt::Debug for Acceptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Acceptor").finish_non_exhaustive()
    }
}

impl Acceptor {
    /// For the services whose keys the keytab holds.
    ///
    /// # Errors
    /// Why they cannot be used, in the library's words.
    pub(crate) fn new(keytab: &Path) -> Result<Self, String> {
        let library = Accepting::new(keytab).map_err(|failure| failure.0)?;
        Ok(Self { library, state: Mutex::default() })
    }

    /// The context of this name, while it is good.
    pub(crate) fn context(&self, name: &Fqdn) -> Option<Arc<Accepted>> {
        let found = self.lock().complete.get(name).cloned()?;
        found.left().map(|_| found)
    }

    /// Takes a client's token for the context `name`.
    pub(crate) fn take(&self, name: &Fqdn, token: &[u8]) -> Answered {
        let half = {
            let mut state = self.lock();
            // RFC 2930 section 2.5.1: a name that is in use is BADNAME. One that has expired may be taken again.
            if state.complete.get(name).is_some_and(|context| context.left().is_some()) {
                return Answered::NameTaken;
            }
            let at = state.halves.iter().position(|(of, _)| of == name);
            at.and_then(|at| state.halves.remove(at)).map(|(_, half)| half)
        };
        match self.library.step(half, token) {
            Err(failure) => Answered::Refused(failure.0),
            Ok(Taken::GoesOn(half, token)) => {
                let mut state = self.lock();
                if state.halves.len() >= HALVES_MAX {
                    state.halves.pop_front();
                }
                state.halves.push_back((name.clone(), half));
                Answered::GoesOn(token)
            }
            Ok(Taken::Complete { context, principal, token }) => {
                let Some(left) = context.left() else { return Answered::Refused("the ticket has expired".to_owned()) };
                let left = left.min(LIFE_MAX);
                let (name, until) = (name.clone(), Instant::now() + left);
                let accepted = Arc::new(Accepted { name, principal, until, context: Mutex::new(context) });
                self.lock().keep(Arc::clone(&accepted));
                Answered::Complete(token, accepted, left)
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn keep(&mut self, context: Arc<Accepted>) {
        if self.order.len() >= CONTEXTS_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.complete.remove(&oldest);
        }
        self.order.retain(|name| *name != context.name);
        self.order.push_back(context.name.clone());
        self.complete.insert(context.name.clone(), context);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_context_is_good_for_an_hour_at_most_whatever_its_ticket_says() {
        let (began, day) = (Instant::now(), Some(Duration::from_secs(86_400)));
        let until = began + LIFE_MAX;
        assert_eq!(left_of(day, until, began), Some(LIFE_MAX));
        assert_eq!(left_of(day, until, began + Duration::from_secs(3_599)), Some(Duration::from_secs(1)));
        assert_eq!(left_of(day, until, until), None);
        assert_eq!(left_of(Some(Duration::from_secs(9)), until, began), Some(Duration::from_secs(9)));
        assert_eq!(left_of(None, until, began), None);
    }
}
