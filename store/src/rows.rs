//! Rows: what the journal holds, typed.

use std::net::Ipv4Addr;

use ddns::reconcile::ConfirmedRow;
use ddns::wanted::{RowKey, WantedRow};
use dhcp::lease::Lease;
use dns::{Fqdn, RecordType, Rrset};

/// One write. Each replaces what the store held under the same stream and key; several in one transaction are
/// stored all or none.
#[derive(Clone, Debug, PartialEq)]
pub enum Row {
    /// Stream of leases, by address.
    Lease(Lease),
    /// The lease record of an address is gone.
    LeaseGone(Ipv4Addr),
    /// Stream of wanted DNS content, by row key. Written by the DHCP side only.
    Wanted(WantedRow),
    /// A wanted row is gone: it wanted nothing, and that is confirmed.
    WantedGone(RowKey),
    /// Stream of confirmed DNS content, by row key. Written by the updater only.
    Confirmed(ConfirmedRow),
    /// A confirmed row is gone.
    ConfirmedGone(RowKey),
    /// Stream of embedded zone content, by apex, owner and type; `None`: the set is gone.
    ZoneSet {
        /// The apex.
        zone: Fqdn,
        /// The owner.
        name: Fqdn,
        /// The type.
        rtype: RecordType,
        /// The whole set.
        set: Option<Rrset>,
    },
}
