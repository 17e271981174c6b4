//! How names are made and guarded in a part of the network: one value, made by `config`, carried by the DHCP settings
//! to the engine, which only hands it on, and understood by `ddns`.

mod part;

pub use part::NamingPart;

use crate::Fqdn;

/// The rules that hold for one client: those of its reservation, its classes, its pool, its subnet and what is around
/// that, put together from their [`NamingPart`]s.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Naming {
    /// The domain that a bare host name is put under.
    pub domain: Fqdn,
    /// What becomes of characters that a host name cannot have.
    pub clean: CleanUp,
    /// A client's full name outside every zone of ours: keep its first label under `domain`, or publish nothing.
    pub outside: OutsideName,
    /// Who writes the A record when the client wants to write it itself (option 81 with S=0).
    pub client_updates: ClientUpdates,
    /// A client's wish for no update at all (option 81 with N=1) is overruled.
    pub override_no_update: bool,
    /// The name of a client without a usable one; `None`: it gets none.
    pub generate: Option<GeneratedName>,
    /// When a generated name stands in the place of the one that the client sent.
    pub replace: ReplaceName,
    /// Time to live of the records.
    pub ttl: Ttl,
    /// How a name that others may hold is guarded in DNS.
    pub guard: ConflictGuard,
    /// What comes of a name that another host holds.
    pub conflict: ConflictOutcome,
    /// What becomes of a name when its lease has expired. A released one goes at once.
    pub after_expiry: AfterExpiry,
    /// When a reservation's records are there.
    pub reserved: ReservedRecords,
}

impl Naming {
    /// The rules that hold where nothing else is written.
    #[must_use]
    pub fn of_domain(domain: Fqdn) -> Self {
        Self {
            domain,
            clean: CleanUp::Hyphen,
            outside: OutsideName::FirstLabel,
            client_updates: ClientUpdates::Override,
            override_no_update: false,
            generate: None,
            replace: ReplaceName::WhenAbsent,
            ttl: Ttl::Rfc4702,
            guard: ConflictGuard::CheckWithDhcid,
            conflict: ConflictOutcome::Refuse,
            after_expiry: AfterExpiry::AtOnce,
            reserved: ReservedRecords::WhileConfigured,
        }
    }
}

/// See [`Naming::clean`]. A label that is a word of another script is written in ASCII first (RFC 5891), so that it has
/// none of these characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CleanUp {
    /// Each run of them between two that stay becomes one hyphen.
    Hyphen,
    /// They are left out.
    Drop,
    /// A name with any of them counts as none.
    Refuse,
}

/// See [`Naming::outside`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutsideName {
    /// `pc.other.example` becomes `pc` under the domain.
    FirstLabel,
    /// Nothing is published.
    Refuse,
}

/// See [`Naming::client_updates`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientUpdates {
    /// The server writes the A record all the same, and says so with O=1.
    Override,
    /// The client writes its A record, the server its PTR.
    Allow,
    /// Option 81 is not looked at, and not answered: option 12 names the client, and the server writes both records.
    Ignore,
    /// A client that wants to write its own A record gets no records at all (N=1, O=0).
    Deny,
}

/// See [`Naming::generate`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GeneratedName {
    /// `host-192-168-30-100`.
    Address,
    /// `host-02-00-5e-10-00-01`.
    Hardware,
    /// A pattern of one label, checked by `config`: `{address}`, `{last}` (the address' last octet), `{mac}`, `{mac6}`
    /// (its last six digits) and letters, digits and hyphens.
    Pattern(Box<str>),
}

/// See [`Naming::replace`]. As Kea's `ddns-replace-client-name`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplaceName {
    /// A client that sent no usable name gets the generated one.
    WhenAbsent,
    /// Every client without a reservation's name gets the generated one.
    Always,
    /// A client that sent a name gets the generated one in its place; one that sent none gets none.
    WhenPresent,
}

/// See [`Naming::ttl`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ttl {
    /// RFC 4702 section 5: a third of the lease time at most, ten minutes where that allows.
    Rfc4702,
    /// So many seconds.
    Fixed(u32),
    /// A share of the lease time between two bounds.
    Share {
        /// Of a hundred.
        percent: u8,
        /// In seconds.
        min_secs: u32,
        /// In seconds.
        max_secs: u32,
    },
}

/// How a forward name is guarded in DNS: what must hold before it is written, by the names that Kea gave the policies
/// (`ddns-conflict-resolution-mode`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ConflictGuard {
    /// RFC 4703: the name is free, or its DHCID is this host's.
    #[default]
    CheckWithDhcid,
    /// No question is asked: the addresses of the name are replaced, and a DHCID is written beside them.
    NoCheckWithDhcid,
    /// The name is free, or has a DHCID, whosever it is; a name without DHCID is somebody's own.
    CheckExistsWithDhcid,
    /// No question is asked, and no DHCID is written.
    NoCheckWithoutDhcid,
}

impl ConflictGuard {
    /// A number for stores; see [`ConflictGuard::from_code`].
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::CheckWithDhcid => 0,
            Self::NoCheckWithDhcid => 1,
            Self::CheckExistsWithDhcid => 2,
            Self::NoCheckWithoutDhcid => 3,
        }
    }

    /// The guard of a number.
    #[must_use]
    pub fn from_code(code: u8) -> Option<Self> {
        [Self::CheckWithDhcid, Self::NoCheckWithDhcid, Self::CheckExistsWithDhcid, Self::NoCheckWithoutDhcid]
            .get(usize::from(code))
            .copied()
    }

    /// Whether anything is asked before a name is written.
    #[must_use]
    pub fn checks(self) -> bool {
        matches!(self, Self::CheckWithDhcid | Self::CheckExistsWithDhcid)
    }

    /// The one of the two that asks for more.
    #[must_use]
    pub fn stricter(self, other: Self) -> Self {
        let order = [Self::CheckWithDhcid, Self::CheckExistsWithDhcid, Self::NoCheckWithDhcid];
        order.into_iter().find(|guard| [self, other].contains(guard)).unwrap_or(Self::NoCheckWithoutDhcid)
    }

    /// Whether a DHCID is written beside the addresses.
    #[must_use]
    pub fn writes_dhcid(self) -> bool {
        self != Self::NoCheckWithoutDhcid
    }
}

/// See [`Naming::conflict`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConflictOutcome {
    /// The client that comes second has no name.
    Refuse,
    /// It has the name with a number behind it (`pc-2`), the same one whenever it comes back.
    Suffix {
        /// For how many seconds after its last lease a host keeps its number.
        keep_secs: u32,
    },
    /// The client that came last has the name.
    TakeOver,
}

/// See [`Naming::after_expiry`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AfterExpiry {
    /// Its records go at once.
    AtOnce,
    /// They go after so many seconds.
    Grace(u32),
    /// They stay until somebody else has the address or the name.
    Keep,
}

/// See [`Naming::reserved`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReservedRecords {
    /// As long as the reservation is in the configuration, whether its host is there or not.
    WhileConfigured,
    /// As long as its host has a lease.
    WhileLeased,
}
