//! TLS (RFC 8446, and RFC 5246 for those who know no newer): certificates of our own, and whom we trust.
//!
//! Reading order: `certificate` (a chain and its key, from PEM files or made by ourselves), [`Identity`] (the certificate in
//! force, which follows its files, and what a listener accepts connections with), [`Trust`] (what a client of ours believes).
//! rustls does the protocol, ring the arithmetic.
//!
//! A listener does three things: `let identity = Identity::load(source)?;` at the start, `tokio::spawn(identity.follow())` so
//! that a renewed file is taken up, and `TlsAcceptor::from(identity.server_config(&[alpn::HTTP_1]))`.

mod certificate;
mod identity;
mod trust;

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, LazyLock};

use rustls::crypto::CryptoProvider;

pub use self::certificate::CertificateSource;
pub use self::identity::Identity;
pub use self::trust::{Pin, Trust, client_config};

/// What a connection is for, as both sides name it (RFC 7301).
pub mod alpn {
    /// DNS over TLS (RFC 7858; the name is registered by IANA).
    pub const DOT: &[u8] = b"dot";
    /// HTTP/2 (RFC 9113).
    pub const HTTP_2: &[u8] = b"h2";
    /// HTTP/1.1 (RFC 9112).
    pub const HTTP_1: &[u8] = b"http/1.1";
}

/// Why there is no TLS. Each names the file and what mends it.
#[derive(Debug, thiserror::Error)]
pub enum TlsFault {
    /// A file cannot be read.
    #[error("{} cannot be read: {source}; is the path right, and may this program's user read it?", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file is far too long for what it should be.
    #[error("{} is no certificate and no key: it is longer than {octets_max} octets", .path.display())]
    TooLong {
        /// The file.
        path: PathBuf,
        /// How long it may be.
        octets_max: u64,
    },
    /// There is no certificate where one should be.
    #[error(
        "{} holds no certificate: it must be in PEM, with a line -----BEGIN CERTIFICATE----- (`openssl x509 -inform der` \
         makes it of DER)", .0.display()
    )]
    NoCertificate(PathBuf),
    /// There is no key where one should be.
    #[error(
        "{} holds no private key: it must be in PEM, with a line such as -----BEGIN PRIVATE KEY-----; where the key is in a \
         file of its own, name that too", .0.display()
    )]
    NoKey(PathBuf),
    /// The key has a password, which nobody is there to type.
    #[error("the key in {path} is encrypted: `openssl pkey -in {path} -out FILE` writes it without a password", path = .0.display())]
    EncryptedKey(PathBuf),
    /// The key is another certificate's.
    #[error(
        "the key in {} does not belong to the certificate in {}: take both from the same request, and put the server's own \
         certificate before those of its authorities", .key.display(), .certificate.display()
    )]
    KeyOfAnother {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's.
        key: PathBuf,
    },
    /// What is in a file is none of what can be used.
    #[error("{} cannot be used: {why}", .path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// Why, in the library's words.
        why: String,
    },
    /// A certificate of our own cannot be made or kept.
    #[error("no certificate of our own can be kept in {}: {why}", .path.display())]
    NotMade {
        /// Where.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// The machine trusts nobody.
    #[error(
        "this machine knows no certificate authority{why}: install its ca-certificates, or name a file of authorities or a pin"
    )]
    NoAuthorities {
        /// What the system said, behind a colon; or nothing.
        why: String,
    },
    /// The library refuses, which it does not.
    #[error("TLS cannot be had: {0}")]
    Library(String),
}

/// The arithmetic. One for all, so that no part depends on which was installed for the process.
static PROVIDER: LazyLock<Arc<CryptoProvider>> = LazyLock::new(|| Arc::new(rustls::crypto::ring::default_provider()));

/// The provider of cryptography, for libraries that make configurations of their own.
#[must_use]
pub fn provider() -> Arc<CryptoProvider> {
    Arc::clone(&PROVIDER)
}

#[cfg(test)]
mod tests;
