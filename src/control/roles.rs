//! What each request of a command needs of whoever sends it over HTTP. At the socket itself root and the daemon's own user
//! may all.

use web::Role;

use super::Request;

impl Request {
    /// The least role. A request that can be made without changing anything needs what making it in earnest needs, where
    /// it costs other servers' time.
    #[must_use]
    pub fn role(&self) -> Role {
        match self {
            Self::Leases
            | Self::LeaseAt { .. }
            | Self::Names
            | Self::Status
            | Self::Explain(_)
            | Self::Events { .. }
            | Self::Past(_)
            | Self::PastHolder { .. }
            | Self::Queries { .. }
            | Self::Devices
            | Self::Records { .. }
            | Self::Machines
            | Self::DnsServers
            | Self::DnsCopies => Role::View,
            Self::Changes(_)
            | Self::DecideDevice { .. }
            | Self::DnsAudit { .. }
            | Self::DnsRefresh { .. }
            | Self::DnsRepair { .. }
            | Self::DnsAdopt { .. }
            | Self::DnsConfirmDeletions { .. }
            | Self::DnsResync { .. }
            | Self::DnsRetry { .. }
            | Self::Reserve { .. }
            | Self::Unreserve { .. }
            | Self::EditRecords { .. }
            | Self::PutMachine { .. }
            | Self::RemoveMachine { .. }
            | Self::Release { .. } => Role::Operate,
            Self::Compact | Self::Reload { .. } => Role::Administer,
        }
    }
}
