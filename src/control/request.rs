//! What can be asked of the running daemon.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};
use web::model::{ChangesQuery, MachineWrite, PastQuery};

use super::RecordsRequest;

/// What can be asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Request {
    /// Every lease: a list of [`LeaseView`].
    Leases,
    /// The lease of an address: a [`LeaseView`], or nothing.
    LeaseAt {
        /// The address.
        address: Ipv4Addr,
    },
    /// Every name: a list of [`NameView`].
    Names,
    /// Counters and state: a [`StatusView`].
    Status,
    /// Why a name is what it is, or is not there: an [`Explanation`](crate::explain::views::Explanation). A name, an
    /// address or a hardware address, as text.
    Explain(String),
    /// Reserve an address: a [`ReloadView`](crate::reload::ReloadView).
    Reserve {
        /// What.
        reserve: ReserveRequest,
        /// Only tell what would change.
        dry_run: bool,
    },
    /// Take out what a client has reserved: a [`ReloadView`](crate::reload::ReloadView).
    Unreserve {
        /// Whose.
        client: String,
        /// In this subnet; `None`: everywhere.
        subnet: Option<Ipv4Net>,
        /// Only tell what would change.
        dry_run: bool,
    },
    /// Every static record: a list of [`StaticRecord`](web::model::StaticRecord).
    Records {
        /// Of this zone; `None`: of every one.
        zone: Option<String>,
    },
    /// Change static records: a [`ReloadView`](crate::reload::ReloadView).
    EditRecords {
        /// How.
        edit: RecordsRequest,
        /// Only tell what would change.
        dry_run: bool,
    },
    /// The machines of the configuration: [`Machines`](web::model::Machines).
    Machines,
    /// Put a machine: a [`ReloadView`](crate::reload::ReloadView).
    PutMachine {
        /// Its name.
        name: String,
        /// What it is.
        machine: MachineWrite,
        /// Only tell what would change.
        dry_run: bool,
    },
    /// Take a machine out: a [`ReloadView`](crate::reload::ReloadView).
    RemoveMachine {
        /// Its name.
        name: String,
        /// Only tell what would change.
        dry_run: bool,
    },
    /// End a lease: the [`LeaseView`] that it was.
    Release {
        /// Of this address.
        address: Ipv4Addr,
        /// Only while the client of this hardware address has it; `None`: whoever does.
        #[serde(default)]
        client: Option<String>,
    },
    /// Read the configuration again, and take it over: a [`ReloadView`](crate::reload::ReloadView).
    Reload {
        /// Only tell what would change.
        dry_run: bool,
    },
    /// Devices that nobody knew: a list of [`Device`](web::model::Device).
    Devices,
    /// Decide about one: a sentence.
    DecideDevice {
        /// Its hardware address.
        hardware: String,
        /// `approve`, `deny` or `forget`.
        verdict: String,
        /// Only while it is `waiting`, `approved` or `denied`; `None`: however it stands.
        #[serde(default)]
        state: Option<String>,
    },
    /// A part of the audit log: a [`Changes`](web::model::Changes).
    Changes(ChangesQuery),
    /// What happened lately, the newest first: an [`Events`](web::model::Events).
    Events {
        /// Only behind the event of this number.
        after: Option<u64>,
        /// So many at most.
        limit: usize,
    },
    /// A part of the history of leases: a [`Past`](web::model::Past).
    Past(PastQuery),
    /// Who had an address at a moment: a [`PastHolder`](web::model::PastHolder).
    PastHolder {
        /// The address.
        address: Ipv4Addr,
        /// UTC seconds.
        at: u64,
    },
    /// Write a new snapshot and drop old segments, while serving: a sentence.
    Compact,
    /// What was asked about names of others: a [`QueriesView`](crate::query_log::QueriesView).
    Queries {
        /// From this number on; `None`: the newest.
        from: Option<u64>,
    },
    /// How the DNS servers of every zone are doing: a list of [`ZoneServersView`].
    DnsServers,
    /// Compare zones with what they should hold: an [`AuditView`].
    DnsAudit {
        /// The zone; `None`: every one.
        zone: Option<String>,
    },
    /// Mend what is this server's: a [`MendView`].
    DnsRepair {
        /// The zone; `None`: every one.
        zone: Option<String>,
        /// Only tell what would be done.
        dry_run: bool,
        /// Also delete more than may be deleted unasked.
        yes: bool,
    },
    /// Take over records without DHCID: a [`MendView`].
    DnsAdopt {
        /// The zone; `None`: every one.
        zone: Option<String>,
        /// These names and addresses.
        names: Vec<String>,
        /// All whose data is exactly what is wanted.
        all_without_dhcid: bool,
        /// Only tell what would be done.
        dry_run: bool,
    },
    /// Delete what is held back since the configuration changed: a [`MendView`].
    DnsConfirmDeletions {
        /// The zone.
        zone: String,
        /// Only tell what would be done.
        dry_run: bool,
    },
    /// How the copies of other servers' zones stand: a list of [`ZoneCopyView`].
    DnsCopies,
    /// Ask the primaries of a copy now: a [`ZoneCopyView`], as it stands then.
    DnsRefresh {
        /// The zone.
        zone: String,
        /// Take it whole, whatever its serial is.
        whole: bool,
    },
    /// Try what waits for its next try now: a [`Retried`](web::model::Retried).
    DnsRetry {
        /// This name or address; `None`: everything.
        of: Option<String>,
    },
    /// Tell DNS every name anew: a [`MendView`].
    DnsResync {
        /// The zone; `None`: every one.
        zone: Option<String>,
        /// Only tell what would be done.
        dry_run: bool,
    },
}

/// What is to be reserved.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReserveRequest {
    /// Whom it is for: a hardware address, `hex:` or `text:` and a client identifier, or `duid:hex:` and a DUID.
    pub client: Option<String>,
    /// The address; `None`: one from the pools of `subnet`.
    pub address: Option<Ipv4Addr>,
    /// The subnet; `None`: the one that the address is in.
    pub subnet: Option<Ipv4Net>,
    /// The host's name.
    pub hostname: Option<String>,
    /// In place of all that: what this address's lease says.
    pub from_lease: Option<Ipv4Addr>,
}
