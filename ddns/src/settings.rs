//! Which zones there are and who serves them. Made by `config`, immutable.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use dns::{Fqdn, TsigKey};

/// All that naming and updating need to know.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Settings {
    /// The zones that are kept, forward and reverse; the longest match decides.
    pub zones: Vec<ZoneRoute>,
    /// Names no client may take (the apexes and the server's own names are always protected).
    pub protected: Vec<Fqdn>,
    /// How PTR records are guarded.
    pub reverse: ReverseGuard,
    /// How long an answer is waited for, and how retries are spaced.
    pub retry: Retry,
}

/// One zone and its server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ZoneRoute {
    /// The apex.
    pub apex: Fqdn,
    /// Who serves it.
    pub server: ZoneServer,
}

/// Where a zone's updates go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ZoneServer {
    /// The embedded server.
    Embedded,
    /// An RFC 2136 server.
    Remote {
        /// Address and port of the primary.
        address: SocketAddr,
        /// Signs every update when set.
        key: Option<Arc<TsigKey>>,
    },
}

/// See RFC 4703 section 5.4.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum ReverseGuard {
    /// Ours by default: the PTR carries a DHCID, guarded by "no PTR there" or "the DHCID matches".
    #[default]
    Dhcid,
    /// `reverse = "rfc4703"`: delete, then add, without a prerequisite.
    Rfc4703,
}

/// Retrying.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retry {
    /// The first pause, in milliseconds.
    pub first_ms: u64,
    /// The longest pause, in milliseconds.
    pub max_ms: u64,
    /// Pause after a conflict (somebody else owns the name), in milliseconds.
    pub conflict_ms: u64,
}

impl Default for Retry {
    fn default() -> Self {
        Self { first_ms: 500, max_ms: 60_000, conflict_ms: 3_600_000 }
    }
}

impl Settings {
    /// The zone that holds `name`: the longest apex that it is within.
    #[must_use]
    pub fn zone_of(&self, name: &Fqdn) -> Option<&ZoneRoute> {
        let _ = name;
        unimplemented!()
    }

    /// The zone that holds the reverse name of `address`.
    #[must_use]
    pub fn reverse_zone_of(&self, address: IpAddr) -> Option<&ZoneRoute> {
        let _ = address;
        unimplemented!()
    }
}
