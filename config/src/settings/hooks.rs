//! Whom lease events are told.

use std::collections::BTreeSet;
use std::path::PathBuf;

use crate::file::v1::HookEvent;

/// Somebody who is told of lease events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HookSettings {
    /// What the log calls it.
    pub name: String,
    /// Who.
    pub target: HookTarget,
    /// Of what.
    pub events: BTreeSet<HookEvent>,
    /// What is signed with; `None`: nothing is.
    pub secret: Option<HookSecret>,
    /// How long one delivery may take, in seconds.
    pub timeout_secs: u32,
    /// How often a delivery that failed is tried again.
    pub retries: u32,
    /// How many events wait at most.
    pub queue: usize,
}

/// Where lease events go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HookTarget {
    /// Posted to this address.
    Url(String),
    /// To the standard input of this program, with its arguments.
    Command(PathBuf, Vec<String>),
}

impl HookTarget {
    /// In few words, without what may be a secret: of an address only the host.
    #[must_use]
    pub fn shown(&self) -> String {
        match self {
            Self::Url(url) => {
                let rest = url.split_once("://").map_or(url.as_str(), |(_, rest)| rest);
                let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
                host.rsplit_once('@').map_or(host, |(_, host)| host).to_owned()
            }
            Self::Command(program, _) => program.display().to_string(),
        }
    }
}

/// What posts are signed with. It is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct HookSecret(pub Vec<u8>);

impl std::fmt::Debug for HookSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("HookSecret(left out)")
    }
}

impl HookEvent {
    /// What somebody is told of who does not say: what begins, what ends, and what needs somebody.
    pub const USUAL: [Self; 5] = [Self::Bound, Self::Released, Self::Expired, Self::Declined, Self::Conflict];

    /// The word of the file, which is also that of the page's events.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Bound => "bound",
            Self::Renewed => "renewed",
            Self::Released => "released",
            Self::Expired => "expired",
            Self::Declined => "declined",
            Self::Conflict => "conflict",
            Self::Renamed => "renamed",
        }
    }
}
