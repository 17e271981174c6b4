//! TSIG keys (RFC 8945), and what can stand in place of one.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use base64::Engine as _;
use hmac::{Hmac, KeyInit, Mac};

use crate::Fqdn;

/// How far two clocks may be apart, in seconds. RFC 8945 section 10: "RECOMMENDED ... 300 seconds".
pub const FUDGE_SECS: u16 = 300;

/// The algorithm of a key: the HMACs of RFC 8945 section 6.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TsigAlgorithm {
    /// `hmac-md5`, on the wire `HMAC-MD5.SIG-ALG.REG.INT`. "MUST NOT" be used; old servers know nothing else.
    HmacMd5,
    /// `hmac-sha1`, not recommended.
    HmacSha1,
    /// `hmac-sha224`
    HmacSha224,
    /// `hmac-sha256`
    HmacSha256,
    /// `hmac-sha256-128`: the first half of what SHA-256 makes.
    HmacSha256Half,
    /// `hmac-sha384`
    HmacSha384,
    /// `hmac-sha384-192`: the first half of what SHA-384 makes.
    HmacSha384Half,
    /// `hmac-sha512`
    HmacSha512,
    /// `hmac-sha512-256`: the first half of what SHA-512 makes.
    HmacSha512Half,
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

/// A security context that signs in place of a shared secret (GSS-TSIG, RFC 3645). Who negotiated it also knows its
/// state, so signing can fail.
pub trait SecurityContext: fmt::Debug + Send + Sync {
    /// The name by which the other side knows it: that of the TKEY record it was negotiated with.
    fn key_name(&self) -> &Fqdn;

    /// RFC 3645 section 5.1: the token of GSS_GetMIC over `octets`. `None`: it has expired, or is of no use any more.
    fn sign(&self, octets: &[u8]) -> Option<Vec<u8>>;

    /// RFC 3645 section 5.2: whether GSS_VerifyMIC accepts `token` for `octets`.
    fn verifies(&self, octets: &[u8], token: &[u8]) -> bool;
}

/// What signs a request, and judges its answer.
#[derive(Clone, Debug, Default)]
pub enum Signing {
    /// Nothing does.
    #[default]
    Unsigned,
    /// A key that both sides hold.
    Shared(Arc<TsigKey>),
    /// A context that both sides have negotiated.
    Context(Arc<dyn SecurityContext>),
}

impl Signing {
    /// Whether requests carry a signature, and answers must.
    #[must_use]
    pub fn signs(&self) -> bool {
        !matches!(self, Self::Unsigned)
    }
}

/// Why a key cannot be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TsigKeyError {
    /// Not one of the algorithms above.
    #[error("the algorithm is not one of the HMACs of RFC 8945")]
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
            "hmac-md5.sig-alg.reg.int" => Ok(Self::HmacMd5),
            text => Self::ALL.into_iter().find(|one| one.name() == text).ok_or(TsigKeyError::Algorithm),
        }
    }
}

impl TsigAlgorithm {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::HmacMd5,
        Self::HmacSha1,
        Self::HmacSha224,
        Self::HmacSha256,
        Self::HmacSha256Half,
        Self::HmacSha384,
        Self::HmacSha384Half,
        Self::HmacSha512,
        Self::HmacSha512Half,
    ];

    /// Its name as people write it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::HmacMd5 => "hmac-md5",
            Self::HmacSha1 => "hmac-sha1",
            Self::HmacSha224 => "hmac-sha224",
            Self::HmacSha256 => "hmac-sha256",
            Self::HmacSha256Half => "hmac-sha256-128",
            Self::HmacSha384 => "hmac-sha384",
            Self::HmacSha384Half => "hmac-sha384-192",
            Self::HmacSha512 => "hmac-sha512",
            Self::HmacSha512Half => "hmac-sha512-256",
        }
    }

    /// How many octets its MACs have.
    #[must_use]
    pub fn mac_octets(self) -> usize {
        match self {
            Self::HmacMd5 | Self::HmacSha256Half => 16,
            Self::HmacSha1 => 20,
            Self::HmacSha384Half => 24,
            Self::HmacSha224 => 28,
            Self::HmacSha256 | Self::HmacSha512Half => 32,
            Self::HmacSha384 => 48,
            Self::HmacSha512 => 64,
        }
    }
}

impl TsigKey {
    /// The MAC of `octets`.
    #[must_use]
    pub fn mac(&self, octets: &[u8]) -> Vec<u8> {
        let mut mac = self.with_hash(&Compute(octets));
        mac.truncate(self.algorithm.mac_octets());
        mac
    }

    /// Whether `mac` is the whole MAC of `octets`. Takes the same time wherever they differ.
    #[must_use]
    pub fn verifies(&self, octets: &[u8], mac: &[u8]) -> bool {
        mac.len() == self.algorithm.mac_octets() && self.with_hash(&Verify(octets, mac))
    }

    fn with_hash<W: WithHash>(&self, work: &W) -> W::Out {
        match self.algorithm {
            TsigAlgorithm::HmacMd5 => work.run::<Hmac<md5::Md5>>(&self.secret),
            TsigAlgorithm::HmacSha1 => work.run::<Hmac<sha1::Sha1>>(&self.secret),
            TsigAlgorithm::HmacSha224 => work.run::<Hmac<sha2::Sha224>>(&self.secret),
            TsigAlgorithm::HmacSha256 | TsigAlgorithm::HmacSha256Half => work.run::<Hmac<sha2::Sha256>>(&self.secret),
            TsigAlgorithm::HmacSha384 | TsigAlgorithm::HmacSha384Half => work.run::<Hmac<sha2::Sha384>>(&self.secret),
            TsigAlgorithm::HmacSha512 | TsigAlgorithm::HmacSha512Half => work.run::<Hmac<sha2::Sha512>>(&self.secret),
        }
    }
}

/// What is done with whatever hash the key has.
trait WithHash {
    type Out;
    fn run<M: Mac + KeyInit>(&self, secret: &[u8]) -> Self::Out;
}

struct Compute<'a>(&'a [u8]);
struct Verify<'a>(&'a [u8], &'a [u8]);

impl WithHash for Compute<'_> {
    type Out = Vec<u8>;

    fn run<M: Mac + KeyInit>(&self, secret: &[u8]) -> Vec<u8> {
        // RFC 2104 section 2: "The key for HMAC can be of any length".
        M::new_from_slice(secret)
            .map_or_else(|_| Vec::new(), |mac| mac.chain_update(self.0).finalize().into_bytes().to_vec())
    }
}

impl WithHash for Verify<'_> {
    type Out = bool;

    fn run<M: Mac + KeyInit>(&self, secret: &[u8]) -> bool {
        M::new_from_slice(secret).is_ok_and(|mac| mac.chain_update(self.0).verify_truncated_left(self.1).is_ok())
    }
}

impl fmt::Display for TsigAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
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
        for algorithm in TsigAlgorithm::ALL {
            assert_eq!(algorithm.to_string().parse(), Ok(algorithm));
        }
        assert_eq!("HMAC-SHA256.".parse(), Ok(TsigAlgorithm::HmacSha256));
        assert_eq!("HMAC-MD5.SIG-ALG.REG.INT.".parse(), Ok(TsigAlgorithm::HmacMd5));
        assert_eq!("gss-tsig".parse::<TsigAlgorithm>(), Err(TsigKeyError::Algorithm));
    }

    /// RFC 2202 sections 2 and 3, RFC 4231 section 4.3 and RFC 4868 section 2.7.2: test case 2 of each.
    #[test]
    fn rfc4231_each_hmac_makes_the_macs_of_the_test_vectors() {
        let data = b"what do ya want for nothing?";
        for (algorithm, mac) in [
            (TsigAlgorithm::HmacMd5, "750c783e6ab0b503eaa86e310a5db738"),
            (TsigAlgorithm::HmacSha1, "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79"),
            (TsigAlgorithm::HmacSha224, "a30e01098bc6dbbf45690f3a7e9e6d0f8bbea2a39e6148008fd05e44"),
            (TsigAlgorithm::HmacSha256, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"),
            (TsigAlgorithm::HmacSha256Half, "5bdcc146bf60754e6a042426089575c7"),
            (
                TsigAlgorithm::HmacSha384,
                "af45d2e376484031617f78d2b58a6b1b9c7ef464f5a01b47e42ec3736322445e8e2240ca5e69e2c78b3239ecfab21649",
            ),
            (TsigAlgorithm::HmacSha384Half, "af45d2e376484031617f78d2b58a6b1b9c7ef464f5a01b47"),
            (
                TsigAlgorithm::HmacSha512,
                "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea2505549758bf75c05a994a6d034f65f8f0e6fdcaeab1a3\
                 4d4a6b4b636e070a38bce737",
            ),
            (TsigAlgorithm::HmacSha512Half, "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea250554"),
        ] {
            let key = TsigKey { name: Fqdn::root(), algorithm, secret: (*b"Jefe").into() };
            let made = key.mac(data);
            let hex: String = made.iter().map(|octet| format!("{octet:02x}")).collect();
            assert_eq!(hex, mac, "{algorithm}");
            assert_eq!(made.len(), algorithm.mac_octets());
            assert!(key.verifies(data, &made));
            assert!(!key.verifies(data, &made[..made.len() - 1]), "{algorithm}: cut");
            let mut wrong = made.clone();
            wrong[0] ^= 1;
            assert!(!key.verifies(data, &wrong) && !key.verifies(b"other", &made));
        }
    }
}
