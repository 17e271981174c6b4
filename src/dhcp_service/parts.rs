//! What the service is asked and made of.

use std::net::Ipv4Addr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use ddns::reconcile::Feedback;
use ddns::wanted::WantedRow;
use dhcp::devices::Devices;
use dhcp::engine::{Page, SubnetCounts};
use dhcp::lease::Lease;
use dhcp::leasequery::Query;
use dhcp::relay_info::Switches;
use tokio::sync::{mpsc, oneshot};
use web::Refusal;

use super::look::Look;
use crate::committer::Committer;
use crate::core::NameEvent;
use crate::core::explain::{Facts, Subject};
use crate::dhcp_sockets::SocketSettings;
use crate::zone_keeper::ZoneKeeper;

/// A question to the running service.
#[derive(Debug)]
pub enum Question {
    /// Every lease record.
    Leases(oneshot::Sender<Vec<Lease>>),
    /// The records of these addresses.
    LeasesAt(Vec<Ipv4Addr>, oneshot::Sender<Vec<Lease>>),
    /// A part of the answer to a bulk leasequery: the leases above an address, so many of them looked at; and the wall
    /// time at which it is true.
    LeasesPage(Query, Option<Ipv4Addr>, usize, oneshot::Sender<(Page, u64)>),
    /// What is known of a name, an address or a hardware address.
    Explain(Subject, oneshot::Sender<Facts>),
    /// Every wanted row that is committed.
    Wanted(oneshot::Sender<Vec<WantedRow>>),
    /// Whether the store has no room, and how the subnets' addresses stand.
    Status(oneshot::Sender<(bool, Vec<SubnetCounts>)>),
    /// Looks at the core between two batches.
    Look(Look),
    /// What was decided of devices that nobody knew.
    Devices(Arc<Devices>),
    /// New settings, and the machine's own addresses on all interfaces.
    Reconfigure(Arc<dhcp::settings::Settings>, Vec<Ipv4Addr>),
    /// End a lease because its operator says so.
    Release(ToRelease),
    /// Another configuration.
    Reload(Box<Reload>),
    /// End, once what is under way is committed and sent.
    Stop,
}

/// A lease that is to end because its operator says so.
pub struct ToRelease {
    /// Whose address.
    pub address: Ipv4Addr,
    /// What is to hold of the lease; asked in the step that ends it, with nothing where nobody holds the address.
    pub guard: ReleaseGuard,
    /// The lease that it was, once its end is committed.
    pub to: oneshot::Sender<Result<Lease, Refusal>>,
}

/// See [`ToRelease::guard`].
pub type ReleaseGuard = Box<dyn FnOnce(Option<&Lease>) -> Result<(), Refusal> + Send>;

impl std::fmt::Debug for ToRelease {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ToRelease {{ {} }}", self.address)
    }
}

/// Another configuration for the service. Nothing is decided from when what was in flight is committed until it is in
/// force, or refused; what arrives meanwhile waits.
pub struct Reload {
    /// Which interfaces are served.
    pub sockets: SocketSettings,
    /// For the engine.
    pub dhcp: Arc<dhcp::settings::Settings>,
    /// For names.
    pub ddns: Arc<ddns::settings::Settings>,
    /// The machine's own addresses.
    pub own: Vec<Ipv4Addr>,
    /// Names for relay agents.
    pub switches: Arc<Switches>,
    /// What else must succeed, with every wanted row as it is committed: it is asked once sockets are open. An error
    /// refuses the configuration.
    pub commit: Commit,
    /// What came of it.
    pub done: oneshot::Sender<Result<(), String>>,
}

/// See [`Reload::commit`].
pub type Commit = Box<dyn FnOnce(Vec<WantedRow>) -> Pin<Box<dyn Future<Output = Result<(), String>> + Send>> + Send>;

impl std::fmt::Debug for Reload {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Reload")
    }
}

/// Why the service ended other than by [`Question::Stop`].
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    /// Whoever runs the service opens the store anew and makes another.
    #[error(transparent)]
    StoreFailed(#[from] crate::core::pipeline::StoreFailed),
    /// The committer's thread is gone.
    #[error("the committer has stopped")]
    CommitterGone,
}

/// The channels that the service serves.
#[derive(Debug)]
pub struct ServiceChannels {
    /// Lease events to the DNS updater, bounded.
    pub events: mpsc::Sender<NameEvent>,
    /// Raised when an event did not fit: the updater then asks for every wanted row.
    pub overflowed: Arc<AtomicBool>,
    /// Names that the updater found settled.
    pub settled: mpsc::Receiver<Feedback>,
    /// Questions.
    pub questions: mpsc::Receiver<Question>,
}

/// Where the service stores leases, and new names with them.
#[derive(Debug)]
pub struct Storing {
    /// The committer.
    pub committer: Committer,
    /// The embedded zones: a new name is in them before the ACK leaves.
    pub zones: Arc<ZoneKeeper>,
    /// Which zones are embedded.
    pub ddns: Arc<ddns::settings::Settings>,
}
