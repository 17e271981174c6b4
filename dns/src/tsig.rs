//! TSIG keys (RFC 8945).

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;

use crate::Fqdn;

/// How far two clocks may be apart, in seconds. RFC 8945 section 10: "RECOMMENDED ... 300 seconds".
pub const FUDGE_SECS: u16 = 300;

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

/// Why a key cannot be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TsigKeyError {
    /// Not one of the algorithms above.
    #[error("the algorithm is not one of hmac-sha256, hmac-sha384, hmac-sha512")]
    Algorithm,
    /// The secret is not base64 (RFC 4648 section 4), or is empty.
    #[error("the secret is not base64 text")]
    Secret,
}

impl TsigKey {
    /// A key from its secret as `tsig-keygen` prints it: base64, white space ignored.
    ///
    /// # Errors
    /// [`TsigKeyError::Secret`].
    pub fn from_base64(name: Fqdn, algorithm: TsigAlgorithm, secret: &str) -> Result<Self, TsigKeyError> {
        let text: String = secret.split_whitespace().collect();
        let bytes = base64::engine::general_purpose::STANDARD.decode(text).map_err(|_| TsigKeyError::Secret)?;
        if bytes.is_empty() {
            return Err(TsigKeyError::Secret);
        }
        Ok(Self { name, algorithm, secret: bytes.into_boxed_slice() })
    }
}

impl fmt::Debug for TsigKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TsigKey").field("name", &self.name).field("algorithm", &self.algorithm).finish_non_exhaustive()
    }
}

impl FromStr for TsigAlgorithm {
    type Err = TsigKeyError;

    /// The names of RFC 8945 section 6, in any case, with or without a final dot.
    fn from_str(text: &str) -> Result<Self, TsigKeyError> {
        match text.trim_end_matches('.').to_ascii_lowercase().as_str() {
            "hmac-sha256" => Ok(Self::HmacSha256),
            "hmac-sha384" => Ok(Self::HmacSha384),
            "hmac-sha512" => Ok(Self::HmacSha512),
            _ => Err(TsigKeyError::Algorithm),
        }
    }
}

impl fmt::Display for TsigAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::HmacSha256 => "hmac-sha256",
            Self::HmacSha384 => "hmac-sha384",
            Self::HmacSha512 => "hmac-sha512",
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn a_secret_is_read_from_base64_and_never_printed() {
        let key =
            TsigKey::from_base64("k.example".parse().unwrap(), TsigAlgorithm::HmacSha256, " c2Vj cmV0\n").unwrap();
        assert_eq!(&*key.secret, b"secret");
        assert!(!format!("{key:?}").contains("secret"));
        for bad in ["", "%%%", "c2Vjc"] {
            assert_eq!(
                TsigKey::from_base64(Fqdn::root(), TsigAlgorithm::HmacSha256, bad).unwrap_err(),
                TsigKeyError::Secret
            );
        }
    }

    #[test]
    fn algorithms_are_named_as_in_rfc8945_6() {
        for algorithm in [TsigAlgorithm::HmacSha256, TsigAlgorithm::HmacSha384, TsigAlgorithm::HmacSha512] {
            assert_eq!(algorithm.to_string().parse(), Ok(algorithm));
        }
        assert_eq!("HMAC-SHA256.".parse(), Ok(TsigAlgorithm::HmacSha256));
        assert_eq!("hmac-md5".parse::<TsigAlgorithm>(), Err(TsigKeyError::Algorithm));
    }
}
