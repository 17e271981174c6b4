//! How the daemon is asked: one bounded channel, and an answer for each question.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use crate::access::{Actor, Role};
use crate::conditions::{Conditions, ETag};
use crate::explanation::Explanation;
use crate::feed::Feed;
use crate::model::{
    Changes, ChangesQuery, Configuration, ConfigurationFile, Device, DeviceDecision, DnsRetry, DnsWork, DnsWorkQuery,
    Edited, FileWord, ForwarderFigures, History, Host, Hosts, HostsQuery, LeaseQuery, LeaseRow, Leases, MachineWrite,
    Machines, Past, PastHolder, PastQuery, Queries, QueriesQuery, Range, Records, RecordsKey, RecordsQuery, RecordsSet,
    RecordsWrite, ReservationWrite, Reservations, ReservationsQuery, Retried, Status, SubnetDetail, SubnetMap, Subnets,
    Zones,
};

/// Where an answer goes. Whoever asked may have gone; then nobody misses it.
pub type Reply<T> = oneshot::Sender<Result<T, Refusal>>;

/// A question of the page or of the API.
#[derive(Debug)]
#[allow(missing_docs, reason = "each is what its answer's type says")]
pub enum Ask {
    Status(Reply<Status>),
    Leases(LeaseQuery, Reply<Leases>),
    /// One host: by address, hardware address or name, as text.
    Host(String, Reply<Host>),
    /// Why a name is what it is, or is not there; as text.
    Explain(String, Reply<Explanation>),
    Subnets(Reply<Subnets>),
    /// By its prefix, such as `10.20.8.0/24`.
    Subnet(String, Reply<SubnetDetail>),
    /// The addresses of a subnet, from this one on.
    Map(String, Option<Ipv4Addr>, Reply<SubnetMap>),
    Zones(Reply<Zones>),
    /// Of the zone of this apex.
    Records(String, RecordsQuery, Reply<Records>),
    DnsWork(DnsWorkQuery, Reply<DnsWork>),
    History(Range, Reply<History>),
    /// The history of leases.
    Past(PastQuery, Reply<Past>),
    /// Devices that nobody knew.
    Devices(Reply<Vec<Device>>),
    /// One of them, by its hardware address, with the version of what is decided of it.
    Device(String, Reply<(ETag, Device)>),
    /// What somebody decides of the device of this hardware address; a sentence, and the version that it has led to.
    DecideDevice {
        hardware: String,
        decision: DeviceDecision,
        conditions: Conditions,
        actor: Actor,
        to: Reply<(ETag, String)>,
    },
    /// The audit log.
    Changes(ChangesQuery, Reply<Changes>),
    /// Who had an address at a moment, in UTC seconds.
    PastHolder(Ipv4Addr, u64, Reply<PastHolder>),
    Configuration(Reply<Configuration>),
    /// What a command asks at the control socket, of somebody whose role is known; as JSON, which is the daemon's own matter.
    Command(serde_json::Value, Role, Actor, Reply<serde_json::Value>),
    Hosts(HostsQuery, Reply<Hosts>),
    Queries(QueriesQuery, Reply<Queries>),
    Forwarder(Reply<ForwarderFigures>),
    /// With the version of what is made by commands, the API and the page.
    Reservations(ReservationsQuery, Reply<(ETag, Reservations)>),
    Reserve {
        key: String,
        written: ReservationWrite,
        dry_run: bool,
        conditions: Conditions,
        actor: Actor,
        to: Reply<Edited>,
    },
    Unreserve {
        key: String,
        subnet: Option<String>,
        dry_run: bool,
        conditions: Conditions,
        actor: Actor,
        to: Reply<Edited>,
    },
    /// Static records of one name and type that were made by commands, the API and the page, with their version.
    StaticRecords(RecordsKey, Reply<(ETag, RecordsSet)>),
    PutRecords {
        key: RecordsKey,
        written: RecordsWrite,
        dry_run: bool,
        conditions: Conditions,
        actor: Actor,
        to: Reply<Edited>,
    },
    DeleteRecords {
        key: RecordsKey,
        dry_run: bool,
        conditions: Conditions,
        actor: Actor,
        to: Reply<Edited>,
    },
    /// Try what waits for its next try now.
    RetryNames(DnsRetry, Actor, Reply<Retried>),
    /// With the version of what is made by commands, the API and the page.
    Machines(Reply<(ETag, Machines)>),
    PutMachine {
        name: String,
        written: MachineWrite,
        dry_run: bool,
        conditions: Conditions,
        actor: Actor,
        to: Reply<Edited>,
    },
    DeleteMachine {
        name: String,
        dry_run: bool,
        conditions: Conditions,
        actor: Actor,
        to: Reply<Edited>,
    },
    /// The lease of an address, with its version.
    Lease(Ipv4Addr, Reply<(ETag, LeaseRow)>),
    /// End the lease of this address; where a hardware address is told, only while it is that client's.
    Release {
        address: Ipv4Addr,
        client: Option<String>,
        conditions: Conditions,
        actor: Actor,
        to: Reply<LeaseRow>,
    },
    /// One of the configuration's files as it is on the disk, with its version.
    File(FileWord, Reply<(ETag, ConfigurationFile)>),
    PutFile {
        which: FileWord,
        text: String,
        dry_run: bool,
        conditions: Conditions,
        actor: Actor,
        to: Reply<Edited>,
    },
    /// Of this text as the main file.
    CheckConfiguration(String, Reply<Edited>),
    /// Take the files over as they are.
    Apply {
        dry_run: bool,
        actor: Actor,
        to: Reply<Edited>,
    },
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// There is no such thing; in words.
    NotFound(String),
    /// The question cannot be understood; in words.
    Bad(String),
    /// It is not known who asks, and has to be; in words.
    Unknown(String),
    /// Whoever asks may not; in words.
    Forbidden(String),
    /// What is asked for does not go with what is there; in words.
    Conflict(String),
    /// It was asked for of another version than there is: see [`Conditions`](crate::Conditions); in words.
    Changed(String),
    /// What was sent can be read, and is not what it has to be; in words.
    Unfit(String),
    /// Whoever asks was wrong too often, and has to wait so long.
    Wait(Duration),
    /// So many questions wait already.
    Busy,
    /// The daemon is ending.
    Ending,
}

/// The way to the daemon.
#[derive(Clone, Debug)]
pub struct Handle {
    asks: mpsc::Sender<Ask>,
    feed: Arc<Feed>,
}

impl Handle {
    /// A way, and the end of it that the daemon takes questions from; at most `waiting` of them wait.
    #[must_use]
    pub fn new(waiting: usize, feed: Arc<Feed>) -> (Self, mpsc::Receiver<Ask>) {
        let (asks, asked) = mpsc::channel(waiting);
        (Self { asks, feed }, asked)
    }

    /// What happened lately.
    #[must_use]
    pub fn feed(&self) -> &Arc<Feed> {
        &self.feed
    }

    /// Asks. A queue that is full is told at once, so that requests do not pile up behind it.
    ///
    /// # Errors
    /// [`Refusal`].
    pub async fn ask<T>(&self, question: impl FnOnce(Reply<T>) -> Ask) -> Result<T, Refusal> {
        let (to, answer) = oneshot::channel();
        self.asks.try_send(question(to)).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => Refusal::Busy,
            mpsc::error::TrySendError::Closed(_) => Refusal::Ending,
        })?;
        answer.await.unwrap_or(Err(Refusal::Ending))
    }
}
