//! The history of leases: who had which address when.

use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// Which records of the history of leases.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct PastQuery {
    /// Of what: an address, a hardware address, a client identifier (`id:` and hexadecimal digits), a full name, or a host
    /// name.
    #[serde(default)]
    pub of: String,
    /// Only in this subnet, by its prefix.
    #[serde(default)]
    pub subnet: String,
    /// Not before, in UTC seconds.
    pub since: Option<u64>,
    /// Not after, in UTC seconds.
    pub until: Option<u64>,
    /// Only of these kinds, with commas between: `assigned`, `renewed`, `released`, `expired`, `declined`, `conflict`,
    /// `renamed`, `name-ended`.
    #[serde(default)]
    pub kind: String,
    /// Where an earlier answer ended, as its `next` said.
    #[serde(default)]
    pub after: String,
    /// How many to tell, 200 at most.
    #[param(minimum = 1, maximum = 200)]
    pub limit: Option<usize>,
}

/// Records of the history, the newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Past {
    /// The records.
    pub records: Vec<PastRow>,
    /// What to ask for `after` to get older ones; absent: there are none.
    pub next: Option<String>,
    /// Pieces of the history that are damaged, so that what they held is not told.
    pub damaged: usize,
}

/// One thing that happened to a lease.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PastRow {
    /// UTC seconds: when.
    pub at: u64,
    /// What: `assigned`, `renewed` (one for the renewals of a day in which nothing else changed), `released`, `expired`,
    /// `declined`, `conflict`, `renamed` or `name-ended`.
    pub kind: String,
    /// The address.
    #[schema(value_type = String)]
    pub address: Ipv4Addr,
    /// The client's hardware address.
    pub hardware: String,
    /// Option 61 in hexadecimal, when the client sent it.
    pub client_id: Option<String>,
    /// Option 12 as sent, made printable; empty for none.
    pub hostname: String,
    /// The name in DNS.
    pub name: Option<String>,
    /// UTC seconds: when the binding was made.
    pub started_at: u64,
    /// UTC seconds: the client's last sign of life.
    pub renewed_at: u64,
    /// UTC seconds: when it ends or ended; absent: never.
    pub expires_at: Option<u64>,
    /// The relay that it came by.
    #[schema(value_type = Option<String>)]
    pub relay: Option<Ipv4Addr>,
    /// Sub-option 1 of option 82, in hexadecimal.
    pub circuit_id: Option<String>,
    /// Sub-option 2 of option 82, in hexadecimal.
    pub remote_id: Option<String>,
    /// Behind which switch, in which VLAN and at which port the client was, as far as the configuration tells now.
    pub place: Option<String>,
}

/// Who had an address at a moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PastHolder {
    /// The address.
    #[schema(value_type = String)]
    pub address: Ipv4Addr,
    /// UTC seconds: the moment.
    pub at: u64,
    /// Whoever had it; absent: nobody that is known.
    pub holder: Option<PastRow>,
    /// UTC seconds: from when on it did.
    pub from: Option<u64>,
    /// UTC seconds: until when; absent: without an end.
    pub until: Option<u64>,
    /// UTC seconds: the last sign of life that is known of it.
    pub last_seen: Option<u64>,
}
