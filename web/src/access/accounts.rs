//! Users and tokens, as the configuration names them.

use std::net::IpAddr;

use sha2::{Digest as _, Sha256};

use super::{Role, passwords};

/// What a token begins with, so that a scanner of secrets in repositories knows it.
const TOKEN_MARK: &str = "lhd_";

/// Who may come.
#[derive(Clone, Debug, Default)]
pub struct Accounts {
    /// Who signs in.
    pub users: Vec<User>,
    /// What scripts come with.
    pub tokens: Vec<Token>,
    /// What everybody on this machine may do without signing in; `None`: nothing.
    pub loopback_role: Option<Role>,
    /// Names by which the server is asked for, beside those of loopback and addresses. Empty: any name where one has to
    /// sign in, none where not.
    pub names: Vec<String>,
}

/// Somebody who signs in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// What they write.
    pub name: String,
    /// What they may do.
    pub role: Role,
    /// Their password as argon2id has made it (a PHC string).
    pub password_hash: String,
}

/// What a script comes with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// What the log calls it.
    pub name: String,
    /// What it may be used for.
    pub role: Role,
    /// SHA-256 of its text.
    pub hash: [u8; 32],
    /// When it ends, in UTC seconds; `None`: never.
    pub expires_at: Option<u64>,
    /// Where it may be used from, first and last address of each block; empty: from everywhere.
    pub addresses: Vec<(IpAddr, IpAddr)>,
}

impl Token {
    /// Whether it is not over yet.
    #[must_use]
    pub fn is_valid_at(&self, wall_secs: u64) -> bool {
        self.expires_at.is_none_or(|end| wall_secs < end)
    }

    /// Whether it may be used from there.
    #[must_use]
    pub fn is_allowed_from(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.addresses.is_empty() || self.addresses.iter().any(|(first, last)| *first <= address && address <= *last)
    }
}

impl Accounts {
    /// Nobody has to sign in: every user of this machine may do this.
    #[must_use]
    pub fn open_to_this_machine(role: Role) -> Self {
        Self { loopback_role: Some(role), ..Self::default() }
    }

    /// Whether there is anybody who could sign in, or a token.
    #[must_use]
    pub fn any(&self) -> bool {
        !self.users.is_empty() || !self.tokens.is_empty()
    }

    /// The user of this name.
    #[must_use]
    pub fn user(&self, name: &str) -> Option<&User> {
        self.users.iter().find(|user| user.name == name)
    }

    /// The token of this hash. (Whoever finds out by the time it takes how a hash begins has learned nothing of the token.)
    #[must_use]
    pub fn token(&self, hash: &[u8; 32]) -> Option<&Token> {
        self.tokens.iter().find(|token| token.hash == *hash)
    }

    /// A hash that takes as long as that of a user, for names that nobody has: so that the time does not tell them apart.
    pub(super) fn hash_of_nobody(&self) -> String {
        let like = self.users.first().map(|user| user.password_hash.as_str());
        passwords::of_nobody(like)
    }
}

/// The text of a token, from 256 random bits.
#[must_use]
pub fn token_text(random: [u8; 32]) -> String {
    format!("{TOKEN_MARK}{}", super::sessions::text_of(&random))
}

/// What the configuration holds of a token: SHA-256, since nobody can guess 256 random bits however fast they hash.
#[must_use]
pub fn token_hash(text: &str) -> [u8; 32] {
    Sha256::digest(text.as_bytes()).into()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
mod tests {
    use super::*;

    #[test]
    fn a_token_has_an_end_and_places() {
        let block = ("10.0.0.0".parse().unwrap(), "10.0.0.255".parse().unwrap());
        let mut token =
            Token { name: "t".into(), role: Role::View, hash: [0; 32], expires_at: Some(100), addresses: vec![block] };
        assert!(token.is_valid_at(99) && !token.is_valid_at(100));
        for (address, allowed) in [("10.0.0.7", true), ("::ffff:10.0.0.7", true), ("10.0.1.0", false), ("::1", false)] {
            assert_eq!(token.is_allowed_from(address.parse().unwrap()), allowed, "{address}");
        }
        (token.expires_at, token.addresses) = (None, Vec::new());
        assert!(token.is_valid_at(u64::MAX) && token.is_allowed_from("::1".parse().unwrap()));
    }

    #[test]
    fn a_tokens_text_is_known_by_its_mark_and_has_all_its_bits() {
        let (one, other) = (token_text([1; 32]), token_text([2; 32]));
        assert!(one.starts_with("lhd_") && one.len() == 4 + 43 && one != other, "{one}");
        assert_ne!(token_hash(&one), token_hash(&other));
    }
}
