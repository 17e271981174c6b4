//! Who has signed in. Kept in memory: a daemon that starts anew has everybody sign in again.

use std::collections::HashMap;
use std::time::Duration;

use sha2::{Digest as _, Sha256};

use super::{Accounts, User};

/// Sessions at once; the one that was not used for the longest time makes room.
const SESSIONS_MAX: usize = 512;
/// Sessions of one user at once.
const SESSIONS_OF_USER: usize = 16;
/// A session that nobody uses ends after this.
const IDLE: Duration = Duration::from_secs(12 * 3_600);
/// A session ends after this, however much it is used.
pub(crate) const LASTS: Duration = Duration::from_secs(7 * 86_400);

/// SHA-256 of a session's text: who reads this memory has no session by it.
pub(crate) type Key = [u8; 32];

#[derive(Debug)]
struct Session {
    user: String,
    /// What the user's password was.
    password_hash: String,
    csrf: String,
    opened: Duration,
    used: Duration,
}

/// A session that has begun.
#[derive(Debug)]
pub(crate) struct Opened {
    /// What the cookie holds.
    pub(crate) text: String,
    pub(crate) csrf: String,
    pub(crate) user: User,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Sessions {
    open: HashMap<Key, Session>,
}

impl Sessions {
    pub(super) fn open(&mut self, user: &User, now: Duration, id: [u8; 32], csrf: [u8; 32]) -> Opened {
        self.open.retain(|_, session| session.holds(now));
        let of_user = self.open.values().filter(|session| session.user == user.name).count();
        if of_user >= SESSIONS_OF_USER {
            self.make_room(|session| session.user == user.name);
        } else if self.open.len() >= SESSIONS_MAX {
            self.make_room(|_| true);
        }
        let (text, csrf) = (text_of(&id), text_of(&csrf));
        let session = Session {
            user: user.name.clone(),
            password_hash: user.password_hash.clone(),
            csrf: csrf.clone(),
            opened: now,
            used: now,
        };
        self.open.insert(key_of(&text), session);
        Opened { text, csrf, user: user.clone() }
    }

    fn make_room(&mut self, among: impl Fn(&Session) -> bool) {
        let oldest = self.open.iter().filter(|(_, session)| among(session)).min_by_key(|(_, session)| session.used);
        if let Some(key) = oldest.map(|(key, _)| *key) {
            self.open.remove(&key);
        }
    }

    /// Whose session this is and the word that its changes carry; it is used by that. It is nobody's where the user has
    /// another password by now: one that was opened just as the password changed was not there yet to be ended.
    pub(super) fn use_one(&mut self, key: &Key, now: Duration, accounts: &Accounts) -> Option<(String, String)> {
        let session = self.open.get_mut(key)?;
        if !session.holds(now) || !session.is_of(accounts) {
            self.open.remove(key);
            return None;
        }
        session.used = now;
        Some((session.user.clone(), session.csrf.clone()))
    }

    /// Whether it is open; it is not used by that.
    pub(super) fn is_open(&self, key: &Key, now: Duration, accounts: &Accounts) -> bool {
        self.open.get(key).is_some_and(|session| session.holds(now) && session.is_of(accounts))
    }

    pub(super) fn close(&mut self, key: &Key) {
        self.open.remove(key);
    }

    /// Ends the sessions of users who are gone or have another password.
    pub(super) fn keep(&mut self, accounts: &Accounts) {
        self.open.retain(|_, session| session.is_of(accounts));
    }
}

impl Session {
    fn holds(&self, now: Duration) -> bool {
        now.saturating_sub(self.used) < IDLE && now.saturating_sub(self.opened) < LASTS
    }

    /// Whether its user is there and has the password still that it was opened with.
    fn is_of(&self, accounts: &Accounts) -> bool {
        accounts.user(&self.user).is_some_and(|user| user.password_hash == self.password_hash)
    }
}

pub(super) fn key_of(text: &str) -> Key {
    Sha256::digest(text.as_bytes()).into()
}

/// Bits as text that fits in a header (base64url without padding, RFC 4648 section 5).
pub(crate) fn text_of(bits: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = String::with_capacity(bits.len().div_ceil(3) * 4);
    for three in bits.chunks(3) {
        let octet = |at: usize| u32::from(three.get(at).copied().unwrap_or(0));
        let group = octet(0) << 16 | octet(1) << 8 | octet(2);
        for at in 0..=three.len() {
            text.push(char::from(LETTERS[(group >> (18 - 6 * at) & 63) as usize]));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::Role;
    use super::*;

    fn user(name: &str) -> User {
        User { name: name.to_owned(), role: Role::View, password_hash: "one".to_owned() }
    }

    fn id(number: usize) -> [u8; 32] {
        let mut id = [0; 32];
        id[..8].copy_from_slice(&number.to_le_bytes());
        id
    }

    fn open(sessions: &mut Sessions, name: &str, now: Duration, number: usize) -> Key {
        key_of(&sessions.open(&user(name), now, id(number), id(0)).text)
    }

    fn accounts() -> Accounts {
        Accounts { users: vec![user("a")], ..Accounts::default() }
    }

    const HOUR: Duration = Duration::from_secs(3_600);

    #[test]
    fn text_is_what_rfc_4648_says() {
        for (bits, text) in [(&b""[..], ""), (b"f", "Zg"), (b"fo", "Zm8"), (b"foo", "Zm9v"), (b"\xff\xff", "__8")] {
            assert_eq!(text_of(bits), text);
        }
        assert_eq!(text_of(&[0; 32]).len(), 43);
    }

    #[test]
    fn a_session_ends_when_it_is_not_used_and_after_a_week() {
        let mut sessions = Sessions::default();
        let idle = open(&mut sessions, "a", Duration::ZERO, 1);
        assert!(sessions.use_one(&idle, 11 * HOUR, &accounts()).is_some());
        assert!(sessions.use_one(&idle, 22 * HOUR, &accounts()).is_some(), "each use counts");
        assert!(sessions.use_one(&idle, 35 * HOUR, &accounts()).is_none());
        let used = open(&mut sessions, "a", Duration::ZERO, 3);
        for hours in (0..7 * 24).step_by(6) {
            assert!(sessions.use_one(&used, HOUR * hours, &accounts()).is_some(), "{hours}");
        }
        assert!(sessions.use_one(&used, 7 * 24 * HOUR, &accounts()).is_none());
    }

    #[test]
    fn sessions_end_with_the_password_and_with_the_user() {
        let mut sessions = Sessions::default();
        let keys = [("a", 1), ("b", 2), ("c", 3)].map(|(name, number)| open(&mut sessions, name, HOUR, number));
        let other = User { password_hash: "two".into(), ..user("b") };
        sessions.keep(&Accounts { users: vec![user("a"), other], ..Accounts::default() });
        assert_eq!(keys.map(|key| sessions.open.contains_key(&key)), [true, false, false]);
    }

    #[test]
    fn a_session_of_a_former_password_is_nobodys() {
        let mut sessions = Sessions::default();
        let other = User { password_hash: "two".into(), ..user("a") };
        let accounts = Accounts { users: vec![other], ..Accounts::default() };
        sessions.keep(&accounts);
        // It was verified before the password changed, and is opened after.
        let key = open(&mut sessions, "a", HOUR, 1);
        assert!(!sessions.is_open(&key, HOUR, &accounts));
        assert!(sessions.use_one(&key, HOUR, &accounts).is_none());
    }

    #[test]
    fn so_many_sessions_are_open_and_the_one_least_lately_used_makes_room() {
        let mut sessions = Sessions::default();
        let at = |number: usize| Duration::from_secs(number as u64);
        let keys: Vec<Key> = (0..SESSIONS_OF_USER).map(|number| open(&mut sessions, "a", at(number), number)).collect();
        sessions.use_one(&keys[0], at(100), &accounts());
        open(&mut sessions, "a", at(101), 100);
        assert!(sessions.is_open(&keys[0], at(101), &accounts()) && !sessions.is_open(&keys[1], at(101), &accounts()));
        for number in 0..2 * SESSIONS_MAX {
            open(&mut sessions, &format!("u{number}"), at(200 + number), 1_000 + number);
        }
        assert_eq!(sessions.open.len(), SESSIONS_MAX);
    }
}
