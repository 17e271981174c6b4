//! TSIG keys (RFC 8945).

use std::fmt;

use crate::Fqdn;

/// The algorithm of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TsigAlgorithm {
    /// `hmac-sha256`
    HmacSha256,
    /// `hmac-sha384`
    HmacSha384,
    /// `hmac-sha512`
    HmacSha512,
}

/// A shared secret and its name.
#[derive(Clone, PartialEq, Eq)]
pub struct TsigKey {
    /// The key's name, as both sides must know it.
    pub name: Fqdn,
    /// Its algorithm.
    pub algorithm: TsigAlgorithm,
    /// The secret's bytes, decoded. Never printed.
    pub secret: Box<[u8]>,
}

impl fmt::Debug for TsigKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TsigKey").field("name", &self.name).field("algorithm", &self.algorithm).finish_non_exhaustive()
    }
}
