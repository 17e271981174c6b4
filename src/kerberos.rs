//! Security contexts with DNS servers (GSS-TSIG, RFC 3645): negotiated when an update is to be signed, kept while they
//! last, forgotten when the server has forgotten them.
//!
//! Kerberos itself is the system's library, behind the cargo feature `gss`. Without it no configuration asks for a context
//! ([`AVAILABLE`]).

#[cfg(feature = "gss")]
mod gssapi;
#[cfg(feature = "gss")]
mod keep;
#[cfg(feature = "gss")]
mod negotiate;
#[cfg(feature = "gss")]
pub(crate) use keep::Contexts;

/// Whether this program can sign with Kerberos tickets.
pub const AVAILABLE: bool = cfg!(feature = "gss");

#[cfg(not(feature = "gss"))]
mod without {
    use std::net::SocketAddr;
    use std::sync::Arc;

    use ddns::kerberos::{Gss, KerberosFault};
    use ddns::reconcile::Outcome;
    use dns::{Fqdn, SecurityContext, Signing};

    use crate::ddns_client::WallClock;

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
pub(crate) use without::Contexts;
