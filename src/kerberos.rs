//! Security contexts with DNS servers (GSS-TSIG, RFC 3645): negotiated when an update is to be signed, kept while they
//! last, forgotten when the server has forgotten them. And those that clients negotiate with our own server (`accept`).
//!
//! Kerberos itself is the system's library, behind the cargo feature `gss`. Without it no configuration asks for a context
//! ([`AVAILABLE`]).

#[cfg(feature = "gss")]
mod accept;
#[cfg(feature = "gss")]
mod gssapi;
#[cfg(feature = "gss")]
mod keep;
#[cfg(feature = "gss")]
mod negotiate;
#[cfg(feature = "gss")]
pub(crate) use accept::{Accepted, Acceptor, Answered};
#[cfg(feature = "gss")]
pub(crate) use keep::Contexts;

/// Whether this program can sign with Kerberos tickets.
pub const AVAILABLE: bool = cfg!(feature = "gss");

#[cfg(not(feature = "gss"))]
mod without {
    use std::net::SocketAddr;
    use std::path::Path;
    use std::sync::Arc;
    use std::time::Duration;

    use ddns::kerberos::{Gss, KerberosFault};
    use ddns::reconcile::Outcome;
    use dns::{Fqdn, SecurityContext, Signing};

    use crate::ddns_client::WallClock;

    /// Nobody can be one.
    #[derive(Debug)]
    pub(crate) enum Accepted {}

    impl Accepted {
        pub(crate) fn principal(&self) -> &str {
            match *self {}
        }
    }

    impl SecurityContext for Accepted {
        fn key_name(&self) -> &Fqdn {
            match *self {}
        }

        fn sign(&self, _octets: &[u8]) -> Option<Vec<u8>> {
            match *self {}
        }

        fn verifies(&self, _octets: &[u8], _token: &[u8]) -> bool {
            match *self {}
        }
    }

    /// What would come of a token.
    #[derive(Debug)]
    #[expect(dead_code, reason = "what is told with the feature alone")]
    pub(crate) enum Answered {
        GoesOn(Vec<u8>),
        Complete(Vec<u8>, Arc<Accepted>, Duration),
        NameTaken,
        Refused(String),
    }

    /// There is none either.
    #[derive(Debug)]
    pub(crate) enum Acceptor {}

    impl Acceptor {
        /// The configuration has been refused long before.
        pub(crate) fn new(_keytab: &Path) -> Result<Self, String> {
            Err("this leasehold was built without Kerberos".to_owned())
        }

        pub(crate) fn context(&self, _name: &Fqdn) -> Option<Arc<Accepted>> {
            match *self {}
        }

        pub(crate) fn take(&self, _name: &Fqdn, _token: &[u8]) -> Answered {
            match *self {}
        }
    }

    /// There are none.
    #[derive(Debug, Default)]
    pub(crate) struct Contexts {}

    impl Contexts {
        /// The configuration has been refused long before.
        pub(crate) async fn signing(
            &self,
            _server: SocketAddr,
            _gss: &Arc<Gss>,
            _zone: &Fqdn,
            _wall_secs: &WallClock,
        ) -> Result<Signing, Outcome> {
            Err(Outcome::Kerberos(KerberosFault::Other))
        }

        /// Nobody has failed.
        pub(crate) async fn trouble(&self, _server: SocketAddr, _gss: &Arc<Gss>) -> Option<String> {
            None
        }

        /// Nothing to forget.
        pub(crate) async fn forget(&self, _server: SocketAddr, _gss: &Arc<Gss>, _context: &Arc<dyn SecurityContext>) {}
    }
}
#[cfg(not(feature = "gss"))]
pub(crate) use without::{Accepted, Acceptor, Answered, Contexts};
