//! Which zones there are and who serves them. Made by `config`, immutable.

use std::collections::HashSet;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use dns::name::ReverseName;
use dns::{Fqdn, NameSet, Rrset, TsigKey};
use ipnet::Ipv4Net;

use crate::cuts::{Classless, Quest};
use crate::hosts::Hosts;
use crate::kerberos::Gss;
use crate::routes::Routes;
use crate::takeover::Inherit;

/// All that naming and updating need to know.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Settings {
    /// The zones that are kept, forward and reverse; the longest match decides.
    pub zones: Routes,
    /// What has to be asked of servers before it is known where their zones begin. See [`crate::cuts`].
    pub quests: Vec<Quest>,
    /// Domains whose zones are not known yet: nothing is sent for the names in them.
    pub sought: Vec<Fqdn>,
    /// Prefixes of which it is not known yet whether their PTR records stand under aliases (RFC 2317): nothing is sent
    /// for their ordinary reverse names, since a server passes over a PTR record beside an alias in silence.
    pub sought_prefixes: Vec<Ipv4Net>,
    /// Prefixes whose PTR records stand in a zone of their own (RFC 2317).
    pub classless: Vec<Classless>,
    /// Names no client may take (the apexes and the server's own names are always protected).
    pub protected: NameSet,
    /// The full names of all reservations: only the client that a name is reserved for may take it.
    pub reserved: HashSet<Fqdn>,
    /// Machines that are configured by hand.
    pub hosts: Hosts,
    /// Records that the configuration states in zones of other servers, each name and type once, sorted by them.
    pub stated: Arc<[Rrset]>,
    /// Patterns that names are made by anywhere: what looks as one of them is no name that a client has by itself.
    pub patterns: Vec<Box<str>>,
    /// Prefixes whose addresses get no PTR record, also where a zone would hold it.
    pub without_reverse: Vec<Ipv4Net>,
    /// How PTR records are guarded.
    pub reverse: ReverseGuard,
    /// How long an answer is waited for, and how retries are spaced.
    pub retry: Retry,
    /// How zones are audited, and what may be done to them unasked.
    pub upkeep: Upkeep,
}

/// Audits, and what may be done unasked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Upkeep {
    /// Pause between two audits, in seconds; `None`: none is made unasked.
    pub audit_secs: Option<u32>,
    /// Such an audit mends what is ours.
    pub audit_repairs: bool,
    /// How much of a zone's names may be deleted in one go without being asked, of a hundred.
    pub delete_share_percent: u8,
    /// From which servers names are inherited.
    pub inherit: Inherit,
}

/// So many names may be deleted of any zone, however small.
pub const DELETE_FLOOR: usize = 10;

impl Default for Upkeep {
    fn default() -> Self {
        Self { audit_secs: None, audit_repairs: false, delete_share_percent: 20, inherit: Inherit::default() }
    }
}

impl Upkeep {
    /// Whether so many deletions of a zone's names (those to be deleted among them) are more than may be made unasked.
    #[must_use]
    pub fn is_too_much(&self, deletions: usize, names: usize) -> bool {
        deletions > DELETE_FLOOR
            && deletions.saturating_mul(100) > names.saturating_mul(self.delete_share_percent.into())
    }
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
        /// Addresses and ports of those that take its updates, the preferred one first; never empty. They serve one
        /// zone: what one of them took, all will have.
        servers: Arc<[SocketAddr]>,
        /// How every update is signed.
        auth: Auth,
    },
}

/// How updates are signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Auth {
    /// Not at all.
    Unsigned,
    /// With a key that both sides hold (RFC 8945).
    Tsig(Arc<TsigKey>),
    /// With a ticket of an account of ours (RFC 3645).
    Gss(Arc<Gss>),
}

impl Auth {
    /// The shared key; `None` where there is none.
    #[must_use]
    pub fn tsig(&self) -> Option<&Arc<TsigKey>> {
        match self {
            Self::Tsig(key) => Some(key),
            Self::Unsigned | Self::Gss(_) => None,
        }
    }

    /// Who signs, as the server knows them: the key's name, or the account's. `None`: nobody.
    #[must_use]
    pub fn signer(&self) -> Option<String> {
        match self {
            Self::Unsigned => None,
            Self::Tsig(key) => Some(key.name.to_string()),
            Self::Gss(gss) => Some(gss.principal.to_string()),
        }
    }
}

impl fmt::Display for Auth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unsigned => f.write_str("(the update is not signed)"),
            Self::Tsig(key) => write!(f, "key {}", key.name),
            Self::Gss(gss) => write!(f, "the ticket of {}", gss.principal),
        }
    }
}

impl ZoneServer {
    /// The preferred server; `None`: the embedded one.
    #[must_use]
    pub fn primary(&self) -> Option<SocketAddr> {
        match self {
            Self::Embedded => None,
            Self::Remote { servers, .. } => servers.first().copied(),
        }
    }

    /// A zone at one server.
    #[must_use]
    pub fn remote(server: SocketAddr, key: Option<Arc<TsigKey>>) -> Self {
        Self::Remote { servers: Arc::new([server]), auth: key.map_or(Auth::Unsigned, Auth::Tsig) }
    }
}

/// Which zone at which server a key was seen in. What is known of one says nothing about another: a zone that moved
/// to another server, or that a name is in since a zone was made beneath another, begins without our names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Site {
    /// How many labels the zone's apex has: it is the end of the key's own name.
    pub apex_labels: u8,
    /// The server; `None`: the embedded one.
    pub server: Option<SocketAddr>,
}

impl ZoneRoute {
    /// Which zone at which server it is.
    #[must_use]
    pub fn site(&self) -> Site {
        let server = self.server.primary();
        // A name has at most 127 labels.
        Site { apex_labels: u8::try_from(self.apex.label_count()).unwrap_or(u8::MAX), server }
    }
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
        self.zones.place_of(name).map(|place| &self.zones[place])
    }

    /// Whether a name is an apex, protected, or kept for a reservation.
    #[must_use]
    pub fn is_protected(&self, name: &Fqdn) -> bool {
        self.zones.has_apex(name) || self.protected.contains(name) || self.reserved.contains(name)
    }

    /// The zone that the PTR record of `address` is to be kept in; `None`: it is to have none.
    #[must_use]
    pub fn reverse_zone_of(&self, address: IpAddr) -> Option<&ZoneRoute> {
        if self.has_reverse(address) { self.zone_of(&self.reverse_name_of(address)) } else { None }
    }

    /// Whether there is such a zone.
    #[must_use]
    pub fn keeps_reverse(&self, address: IpAddr) -> bool {
        match address {
            // Asked of every message: without a name made for it.
            IpAddr::V4(v4) if self.classless.is_empty() => {
                self.has_reverse(address) && self.zones.place_of_wire(&ReverseName::of(v4)).is_some()
            }
            _ => self.reverse_zone_of(address).is_some(),
        }
    }

    /// Whether `address` is to have a PTR record, if a zone holds it.
    #[must_use]
    pub fn has_reverse(&self, address: IpAddr) -> bool {
        match address {
            IpAddr::V4(v4) => !self.without_reverse.iter().any(|prefix| prefix.contains(&v4)),
            IpAddr::V6(_) => true,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn a_share_of_a_zone_and_never_fewer_than_ten_names_may_go_unasked() {
        let upkeep = Upkeep::default();
        let asked: Vec<bool> = [(10, 10), (11, 20), (20, 100), (21, 100), (0, 0)]
            .map(|(deletions, names)| upkeep.is_too_much(deletions, names))
            .to_vec();
        assert_eq!(asked, [false, true, false, true, false]);
    }

    #[test]
    fn the_longest_apex_holds_a_name() {
        let route = |apex: &str| ZoneRoute { apex: apex.parse().unwrap(), server: ZoneServer::Embedded };
        let zones =
            vec![route("lan"), route("lab.lan"), route("168.192.in-addr.arpa"), route("30.168.192.in-addr.arpa")];
        let without_reverse = vec!["192.168.30.128/25".parse().unwrap()];
        let settings = Settings { zones: zones.into(), without_reverse, ..Settings::default() };
        let zone_of = |name: &str| settings.zone_of(&name.parse().unwrap()).map(|zone| zone.apex.to_string());
        assert_eq!(zone_of("pc.lan").as_deref(), Some("lan."));
        assert_eq!(zone_of("pc.lab.lan").as_deref(), Some("lab.lan."));
        assert_eq!(zone_of("lab.lan").as_deref(), Some("lab.lan."));
        assert_eq!(zone_of("pc.slan"), None);
        let reverse = |text: &str| settings.reverse_zone_of(text.parse().unwrap()).map(|zone| zone.apex.to_string());
        assert_eq!(reverse("192.168.30.7").as_deref(), Some("30.168.192.in-addr.arpa."));
        assert_eq!(reverse("192.168.3.7").as_deref(), Some("168.192.in-addr.arpa."));
        assert_eq!(reverse("10.0.0.1"), None);
        assert_eq!(reverse("192.168.30.200"), None, "though a zone would hold it");
    }
}
