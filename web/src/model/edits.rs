//! Changes of the configuration, and what they do.

use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::conditions::ETag;

/// A change, made or only told.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct Edited {
    /// It is in force now. False for a dry run, and where nothing is different.
    pub applied: bool,
    /// What is different, a line for each.
    pub changes: Vec<String>,
    /// What it does to leases that are there, a sentence for each.
    pub effects: Vec<String>,
    /// Why a running daemon cannot take it over, a sentence for each.
    pub refused: Vec<String>,
    /// What is wrong with the files, and what is probably not meant.
    pub faults: Vec<Fault>,
    /// The version of what was changed, as it is since; goes over the wire as `ETag`.
    #[serde(skip)]
    pub etag: Option<ETag>,
}

/// One thing wrong at one place of a file. Lines and columns count from 1; the end is exclusive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Fault {
    /// `fault`, or `warning`: then the file is taken all the same.
    pub severity: String,
    /// The file.
    pub file: String,
    /// Where it begins.
    pub line: usize,
    /// Where it begins, in characters.
    pub column: usize,
    /// Where it ends.
    pub end_line: usize,
    /// Where it ends, in characters.
    pub end_column: usize,
    /// What is wrong, in a sentence.
    pub message: String,
    /// A few words for the place itself.
    pub label: String,
    /// What to write instead.
    pub mend: String,
}

impl Edited {
    /// Why it is not in force, in a sentence; none where nothing keeps it from that.
    #[must_use]
    pub fn hindrance(&self) -> Option<String> {
        let faults = self.faults.iter().filter(|fault| fault.severity == "fault").map(|fault| {
            let Fault { file, line, column, message, label, .. } = fault;
            format!("{file}:{line}:{column}: {message} ({label})")
        });
        let all: Vec<String> = faults.chain(self.refused.iter().cloned()).collect();
        (!all.is_empty()).then(|| all.join("; "))
    }
}

/// Whether something is only to be told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct DryRun {
    /// Edited nothing, and tell what would change.
    #[serde(default)]
    pub dry_run: bool,
}

/// Which of several zones of one name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct OfView {
    /// A view of the zone that is meant; else it is the only one of its name, or the one for all others.
    pub view: Option<String>,
}

/// The same for a change.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ChangeOfView {
    /// A view of the zone that is meant; else it is the only one of its name, or the one for all others.
    pub view: Option<String>,
    /// Edited nothing, and tell what would change.
    #[serde(default)]
    pub dry_run: bool,
}

/// Which reservations; without any of these, all.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ReservationsQuery {
    /// Those of this client, as a key of this API; or those that `address` picks.
    pub client: Option<String>,
    /// The one of this address; or those that `client` picks.
    #[param(value_type = Option<String>)]
    pub address: Option<Ipv4Addr>,
}

/// What is reserved, but for what scopes and options the main file adds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Reservations {
    /// All of them, by subnet and address.
    pub reservations: Vec<Reservation>,
}

/// One reservation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Reservation {
    /// Whom it is for, each as a key of this API: a hardware address, `hex:` and a client identifier, `duid:hex:` and a
    /// DUID; other ways of knowing a client in words.
    pub clients: Vec<String>,
    /// The address; absent for one from the pools.
    #[schema(value_type = Option<String>)]
    pub address: Option<Ipv4Addr>,
    /// The subnet's prefix.
    pub subnet: String,
    /// The host's name.
    pub hostname: Option<String>,
    /// Whether it was made by a command, this API or the page, and can be changed so.
    pub made: bool,
}

/// A reservation to be put.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReservationWrite {
    /// The address; without it, the client gets one from the pools of `subnet`.
    #[schema(value_type = Option<String>)]
    pub address: Option<Ipv4Addr>,
    /// The subnet's prefix; else the one that the address is in.
    pub subnet: Option<String>,
    /// The host's name.
    pub hostname: Option<String>,
}

/// Which reservations of a client, and whether only to tell.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ReservationDelete {
    /// Only in the subnet of this prefix.
    pub subnet: Option<String>,
    /// Edited nothing, and tell what would change.
    #[serde(default)]
    pub dry_run: bool,
}

/// Whose lease is to be ended.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct LeaseRelease {
    /// The hardware address of the client that is meant; absent: of whoever has it.
    pub client: Option<String>,
}

/// Records to be put, in the place of those of this name and type.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RecordsWrite {
    /// The data of each, as in a zone file.
    #[schema(min_items = 1)]
    pub data: Vec<String>,
    /// Time to live in seconds; else the zone's.
    pub ttl: Option<u32>,
}

/// The static records of one name and type that were made by a command, this API or the page.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct RecordsSet {
    /// The zone.
    pub zone: String,
    /// The view that it was told to be for; absent: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub view: Option<String>,
    /// The owner's full name.
    pub name: String,
    /// The type.
    pub rtype: String,
    /// The data of each, as it is written.
    pub data: Vec<String>,
    /// Time to live in seconds; absent: the zone's.
    pub ttl: Option<u32>,
}

/// A record that the configuration states.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct StaticRecord {
    /// The zone.
    pub zone: String,
    /// The views that have this zone; none: all that have no other of its name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub views: Vec<String>,
    /// The owner's full name.
    pub name: String,
    /// The type.
    pub rtype: String,
    /// Time to live in seconds.
    pub ttl: u32,
    /// As in a master file.
    pub data: String,
    /// Whether it was made by a command, the API or the page, and can be changed so.
    pub made: bool,
}

/// Which records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordsKey {
    /// The zone's name.
    pub zone: String,
    /// Where several zones have that name: a view of the one that is meant; `None`: the only one, or the one for all others.
    pub view: Option<String>,
    /// The owner, relative to the zone, `@` for the zone itself.
    pub name: String,
    /// The type.
    pub rtype: String,
}

/// A file to be checked.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ConfigurationText {
    /// The file's text.
    pub text: String,
}

/// One of the configuration's files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileWord {
    /// The main file.
    Main,
    /// The one beside it that commands, the API and the page write.
    Local,
}

/// A file of the configuration as it is on the disk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct ConfigurationFile {
    /// Its name, as faults tell it.
    pub name: String,
    /// What it says, with `(left out: …)` for each secret; empty for a file that is not there.
    pub text: String,
}
