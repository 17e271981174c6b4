//! The certificate in force.

use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use rustls::crypto::ring::Ticketer;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use sha2::{Digest as _, Sha256};
use tracing::{info, warn};

use super::certificate::{CertificateSource, Loaded, Stamp};
use super::{PROVIDER, TlsFault};

/// How often the files are looked at.
const LOOKED_AT: Duration = Duration::from_secs(30);
/// What is wrong with a certificate that is used all the same is said again after so many looks: once a day.
const SAID_AGAIN: u32 = 2_880;

/// The certificate that a server shows, whoever asks. It follows its files ([`Identity::follow`]): connections that begin
/// from then on see the new one.
pub struct Identity {
    source: CertificateSource,
    in_force: ArcSwap<InForce>,
    /// Of the files as they were last read, also when what was read could not be used.
    stamp: Mutex<Stamp>,
}

struct InForce {
    certified: Arc<CertifiedKey>,
    not_after: SystemTime,
}

impl std::fmt::Debug for Identity {
    /// Never the key.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Identity").field("source", &self.source).finish_non_exhaustive()
    }
}

impl Identity {
    /// Reads the certificate, or makes it. What is wrong with one that can be used all the same (it has expired, everybody
    /// can read its key) is logged; so is the fingerprint of one of our own, since people are to compare it.
    ///
    /// # Errors
    /// [`TlsFault`]: a file that cannot be read, that holds nothing, or whose key is another's.
    pub fn load(source: CertificateSource) -> Result<Arc<Self>, TlsFault> {
        let stamp = source.stamp();
        let loaded = source.load(SystemTime::now())?;
        // Of a file that we have just made, as it is now.
        let stamp = if loaded.made { source.stamp() } else { stamp };
        let is_made = matches!(source, CertificateSource::SelfMade { .. });
        tell(&loaded);
        let in_force = ArcSwap::from_pointee(InForce::new(loaded));
        let identity = Arc::new(Self { source, in_force, stamp: Mutex::new(stamp) });
        if is_made {
            identity.tell_fingerprint();
        }
        Ok(identity)
    }

    /// What a listener accepts connections with: TLS 1.2 and 1.3, this certificate, and these protocols, the preferred one
    /// first. A client that names protocols and none of these is refused (RFC 7301 section 3.2); one that names none is not.
    ///
    /// # Errors
    /// [`TlsFault::Library`], which does not come with the algorithms that are built in.
    pub fn server_config(self: &Arc<Self>, protocols: &[&[u8]]) -> Result<Arc<ServerConfig>, TlsFault> {
        let builder = ServerConfig::builder_with_provider(Arc::clone(&PROVIDER));
        let builder = builder.with_safe_default_protocol_versions();
        let builder = builder.map_err(|error| TlsFault::Library(error.to_string()))?.with_no_client_auth();
        let mut config = builder.with_cert_resolver(Arc::clone(self) as Arc<dyn ResolvesServerCert>);
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
        // Sessions are taken up again by tickets that the client keeps: they cost us no memory.
        config.ticketer = Ticketer::new().map_err(|error| TlsFault::Library(error.to_string()))?;
        Ok(Arc::new(config))
    }

    /// SHA-256 of the certificate as browsers and `openssl x509 -fingerprint -sha256` show it: `AB:CD:..`.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        let in_force = self.in_force.load();
        let digest = in_force.certified.cert.first().map(|first| Sha256::digest(first.as_ref())).unwrap_or_default();
        let octets: Vec<String> = digest.iter().map(|octet| format!("{octet:02X}")).collect();
        octets.join(":")
    }

    /// When the certificate is no longer good.
    #[must_use]
    pub fn not_after(&self) -> SystemTime {
        self.in_force.load().not_after
    }

    /// Whether the certificate is one of our own making.
    #[must_use]
    pub fn is_self_made(&self) -> bool {
        matches!(self.source, CertificateSource::SelfMade { .. })
    }

    /// Looks at the files now and then: takes up what has changed, makes a certificate of our own anew before its end, and
    /// says what is wrong. Goes on until nobody holds the identity any more. What cannot be used is told, and the
    /// certificate stays as it was.
    pub fn follow(self: &Arc<Self>) -> impl Future<Output = ()> + Send + 'static {
        let identity = Arc::downgrade(self);
        async move {
            let mut looks = 0_u32;
            loop {
                tokio::time::sleep(LOOKED_AT).await;
                let Some(identity) = Weak::upgrade(&identity) else { return };
                looks += 1;
                let anyway = looks.is_multiple_of(SAID_AGAIN);
                // Files can be slow.
                let looked = tokio::task::spawn_blocking(move || identity.look(SystemTime::now(), anyway)).await;
                if let Err(error) = looked {
                    warn!("a certificate's files could not be looked at: {error}");
                }
            }
        }
    }

    /// One look. `anyway`: reads files that have not changed, to say again what is wrong with them.
    fn look(&self, now: SystemTime, anyway: bool) {
        let stamp = self.source.stamp();
        let mut before = self.stamp.lock().unwrap_or_else(PoisonError::into_inner);
        // One of our own tells by itself when it is to be made anew.
        if stamp == *before && !anyway && !self.is_self_made() {
            return;
        }
        let changed = stamp != *before;
        match self.source.load(now) {
            Ok(loaded) => {
                *before = if loaded.made { self.source.stamp() } else { stamp };
                if changed || anyway {
                    tell(&loaded);
                }
                if loaded.certified.cert != self.in_force.load().certified.cert {
                    self.in_force.store(Arc::new(InForce::new(loaded)));
                    info!("another certificate is shown from now on: {}", self.words());
                    if self.is_self_made() {
                        self.tell_fingerprint();
                    }
                }
            }
            Err(fault) => {
                if changed || anyway {
                    warn!("the certificate stays as it was: {fault}");
                }
                *before = stamp;
            }
        }
    }

    fn words(&self) -> String {
        let files: Vec<String> = self.source.files().iter().map(|file| file.display().to_string()).collect();
        files.join(", ")
    }

    fn tell_fingerprint(&self) {
        info!("the certificate in {} is signed by itself; its SHA-256 is {}", self.words(), self.fingerprint());
    }
}

impl InForce {
    fn new(loaded: Loaded) -> Self {
        Self { certified: Arc::new(loaded.certified), not_after: loaded.not_after }
    }
}

fn tell(loaded: &Loaded) {
    loaded.warnings.iter().for_each(|words| warn!("{words}"));
}

impl ResolvesServerCert for Identity {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.in_force.load().certified))
    }
}

impl Identity {
    /// The certificate that is shown now.
    #[cfg(test)]
    pub(super) fn shown(&self) -> Arc<CertifiedKey> {
        Arc::clone(&self.in_force.load().certified)
    }

    /// One look at this time.
    #[cfg(test)]
    pub(super) fn look_at(&self, now: SystemTime) {
        self.look(now, false);
    }
}
