//! Whom a client of ours believes.

use std::path::PathBuf;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use sha2::{Digest as _, Sha256};

use super::{PROVIDER, TlsFault};

/// SHA-256 of a certificate's public key (SubjectPublicKeyInfo), as RFC 7858 section 4.2 pins servers. It outlives a renewed
/// certificate with the same key.
pub type Pin = [u8; 32];

/// Whom a client of ours believes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Trust {
    /// The authorities that this machine knows, for the server's name.
    System,
    /// The authorities in a PEM file, for the server's name. A certificate that is signed by itself can be one.
    File(PathBuf),
    /// A server with one of these keys, whatever its certificate says (RFC 7858 section 4.2).
    Pins(Vec<Pin>),
    /// A server with this key, whose certificate these authorities vouch for as well.
    Both(Box<Self>, Pin),
}

/// What connections to servers begin with: TLS 1.2 and 1.3, and these protocols, the preferred one first.
///
/// # Errors
/// [`TlsFault`]: a file that cannot be read or holds no certificate; a machine that knows no authorities.
pub fn client_config(trust: &Trust, protocols: &[&[u8]]) -> Result<Arc<ClientConfig>, TlsFault> {
    let builder = ClientConfig::builder_with_provider(Arc::clone(&PROVIDER)).with_safe_default_protocol_versions();
    let builder = builder.map_err(|error| TlsFault::Library(error.to_string()))?;
    let builder = match trust {
        Trust::System => builder.with_root_certificates(system()?),
        Trust::File(path) => builder.with_root_certificates(of_file(path)?),
        Trust::Pins(_) | Trust::Both(..) => {
            builder.dangerous().with_custom_certificate_verifier(Arc::new(pinned(trust)?))
        }
    };
    let mut config = builder.with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    Ok(Arc::new(config))
}

fn pinned(trust: &Trust) -> Result<Pinned, TlsFault> {
    let algorithms = PROVIDER.signature_verification_algorithms;
    let (roots, pins) = match trust {
        Trust::System => (Some(system()?), Vec::new()),
        Trust::File(path) => (Some(of_file(path)?), Vec::new()),
        Trust::Pins(pins) => (None, pins.clone()),
        Trust::Both(authorities, pin) => return Ok(Pinned { pins: vec![*pin], ..pinned(authorities)? }),
    };
    let authorities = roots.map(|roots| {
        let built = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&PROVIDER)).build();
        built.map_err(|error| TlsFault::Library(error.to_string()))
    });
    Ok(Pinned { pins, authorities: authorities.transpose()?, algorithms })
}

fn system() -> Result<RootCertStore, TlsFault> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    // Old authorities with encodings that nobody takes any more are left out by all.
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        let why = found.errors.first().map_or_else(String::new, |error| format!(": {error}"));
        return Err(TlsFault::NoAuthorities { why });
    }
    Ok(roots)
}

fn of_file(path: &PathBuf) -> Result<RootCertStore, TlsFault> {
    let text = std::fs::read(path).map_err(|source| TlsFault::Unreadable { path: path.clone(), source })?;
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&text) {
        let unusable = |why: String| TlsFault::Unusable { path: path.clone(), why };
        let certificate = certificate.map_err(|error| unusable(error.to_string()))?;
        roots.add(certificate).map_err(|error| unusable(error.to_string()))?;
    }
    if roots.is_empty() { Err(TlsFault::NoCertificate(path.clone())) } else { Ok(roots) }
}

/// Takes servers by their keys. Without authorities nothing else of the certificate counts: neither its name nor its time.
#[derive(Debug)]
struct Pinned {
    pins: Vec<Pin>,
    authorities: Option<Arc<WebPkiServerVerifier>>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if let Some(authorities) = &self.authorities {
            authorities.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)?;
        }
        let key = ParsedCertificate::try_from(end_entity)?.subject_public_key_info();
        let pin: Pin = Sha256::digest(key.as_ref()).into();
        if self.pins.contains(&pin) {
            Ok(ServerCertVerified::assertion())
        } else {
            Err(Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure))
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
