//! The control socket: commands ask the running daemon. One line of JSON each way.
//!
//! Only root and the daemon's own user can open it (mode 0600 in a directory of the daemon's).

mod audit_views;
mod copy_views;
mod records;
mod roles;
mod server_views;

use std::io::{BufRead, BufReader, Write};
use std::net::Ipv4Addr;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use ipnet::Ipv4Net;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixListener;
use tokio::sync::Semaphore;
use web::Actor;
use web::model::{ChangesQuery, MachineWrite, PastQuery};

use crate::reload::ReloadView;

pub use self::audit_views::{
    AuditCounts, AuditFindingView, AuditSummary, AuditView, AuditZoneView, MendView, MendZoneView,
};

pub use self::copy_views::ZoneCopyView;
pub use self::records::{RecordsAct, RecordsRequest};
pub use self::server_views::{ServerView, ZoneServersView};

/// Where the daemon listens unless its configuration says otherwise.
pub const DEFAULT_SOCKET: &str = "/run/leasehold/control.sock";
/// A request longer than this is nobody's.
const REQUEST_BYTES_MAX: u64 = 4_096;
/// Connections served at once; more wait in the listen queue.
const CONNECTIONS_MAX: usize = 16;
/// A connection that says nothing for so long is closed.
const REQUEST_WAIT: Duration = Duration::from_secs(5);

/// An answer that is not taken in so long is dropped.
const ANSWER_WAIT: Duration = Duration::from_secs(30);

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

/// The daemon's answer.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answer<T> {
    /// What was asked for.
    Ok(T),
    /// Why not, in words.
    Error(String),
}

/// A lease, to be shown.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LeaseView {
    /// The address.
    pub address: Ipv4Addr,
    /// The subnet's prefix.
    pub subnet: String,
    /// `bound`, `released`, `expired` or `quarantined`.
    pub state: String,
    /// The client's hardware address.
    pub hardware: String,
    /// Option 61 in hexadecimal, when the client sent it.
    pub client_id: Option<String>,
    /// Option 12 as sent, made printable; empty for none.
    pub hostname: String,
    /// The published name.
    pub name: Option<String>,
    /// UTC seconds.
    pub started_at: u64,
    /// UTC seconds.
    pub renewed_at: u64,
    /// UTC seconds; `None`: never.
    pub expires_at: Option<u64>,
    /// The relay it came by.
    pub relay: Option<Ipv4Addr>,
    /// Behind which switch, in which VLAN and at which port the client is, in words.
    pub place: Option<String>,
    /// Option 82.
    pub relay_agent_info: Option<RelayView>,
    /// The server identifier that the relay asked for (RFC 5107).
    pub server_identifier_override: Option<Ipv4Addr>,
}

/// What a relay agent said of a client, to be shown.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RelayView {
    /// All of it.
    pub words: String,
    /// Sub-option 1 in hexadecimal.
    pub circuit_id: Option<String>,
    /// Sub-option 2 in hexadecimal.
    pub remote_id: Option<String>,
    /// Sub-option 6 in hexadecimal.
    pub subscriber_id: Option<String>,
    /// The switch's name in the configuration.
    pub switch: Option<String>,
    /// The VLAN, where the circuit identifier tells it.
    pub vlan: Option<u16>,
    /// The port as a `[[switch]]` names it in `ports`.
    pub port: Option<String>,
    /// What is behind the port, from the configuration.
    pub port_name: Option<String>,
}

/// A name's or an address's DNS work, to be shown.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct NameView {
    /// The name, or the address for its PTR.
    pub key: String,
    /// What DNS should hold.
    pub wanted: String,
    /// Whether DNS holds it.
    pub done: bool,
    /// What happened and what to do, in words.
    pub state: String,
}

/// The daemon's state, to be shown.
#[derive(Debug, Serialize, Deserialize)]
pub struct StatusView {
    /// The version.
    pub version: String,
    /// Whether the store has no room.
    pub storage_full: bool,
    /// Each subnet's addresses.
    pub subnets: Vec<SubnetView>,
    /// How the DNS servers of every zone are doing.
    #[serde(default)]
    pub zones: Vec<ZoneServersView>,
    /// How the copies of other servers' zones stand.
    #[serde(default)]
    pub copies: Vec<ZoneCopyView>,
    /// What the last audit of the zones that was made unasked found.
    #[serde(default)]
    pub audit: Option<AuditSummary>,
    /// What a changed configuration would delete, and does not without being confirmed.
    #[serde(default)]
    pub held_back: Vec<HeldBackView>,
    /// Counts since the start.
    pub counters: crate::counters::CounterValues,
    /// The DNS server.
    #[serde(default)]
    pub dns: Option<web::model::DnsFigures>,
    /// What the daemon has given up.
    #[serde(default)]
    pub confinement: Option<crate::service::confinement::ConfinementView>,
}

/// What is held back of a zone, to be shown.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct HeldBackView {
    /// The apex.
    pub zone: String,
    /// How many names and addresses are not deleted.
    pub held: usize,
    /// Of how many.
    pub names: usize,
}

/// How many addresses of a subnet stand how, to be shown.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SubnetView {
    /// The prefix.
    pub prefix: String,
    /// Addresses in its pools.
    pub pool: usize,
    /// Those that a new client could get now.
    pub free: usize,
    /// Held by clients, reserved ones included.
    pub bound: usize,
    /// Declined, and kept from everyone.
    pub quarantined: usize,
    /// Offered, and not taken yet.
    pub offered: usize,
    /// Its pools, each alone.
    #[serde(default)]
    pub pools: Vec<PoolView>,
}

/// How the addresses of a pool stand.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PoolView {
    /// Its ranges, first and last address with a hyphen between.
    pub ranges: Vec<String>,
    /// Addresses in it.
    pub pool: usize,
    /// Those that a new client could get now.
    pub free: usize,
}

/// Answers requests: the daemon.
pub trait Responder: Send + Sync + 'static {
    /// The answer to one request, as JSON.
    fn respond(&self, request: Request) -> impl Future<Output = Answer<serde_json::Value>> + Send;

    /// Notes what `actor` changed, or tried to, and what came of it. Returns when it is kept.
    fn noted(&self, actor: Actor, what: String, result: Result<(), String>) -> impl Future<Output = ()> + Send;
}

/// The listening socket; its file is removed on drop.
#[derive(Debug)]
pub struct ControlSocket {
    listener: UnixListener,
    path: PathBuf,
}

impl ControlSocket {
    /// Binds the socket at `path`, making its directory and taking the place of a dead daemon's file. The store's lock
    /// has already shown that no other daemon of this store runs.
    ///
    /// # Errors
    /// When the directory cannot be made or the socket not bound, or another daemon answers there.
    pub fn bind(path: &Path) -> anyhow::Result<Self> {
        if let Some(directory) = path.parent() {
            std::fs::create_dir_all(directory)
                .with_context(|| format!("cannot make the directory {} of the control socket", directory.display()))?;
        }
        if UnixStream::connect(path).is_ok() {
            bail!(
                "another daemon answers at the control socket {}; give this one its own (`control` in [server])",
                path.display()
            );
        }
        remove_leftover(path)?;
        let listener =
            UnixListener::bind(path).with_context(|| format!("cannot bind the control socket {}", path.display()))?;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))
            .with_context(|| format!("cannot protect the control socket {}", path.display()))?;
        Ok(Self { listener, path: path.to_path_buf() })
    }

    /// Serves until dropped.
    pub async fn serve(self, responder: Arc<impl Responder>) {
        let permits = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        loop {
            let Ok(permit) = Arc::clone(&permits).acquire_owned().await else { return };
            let Ok((stream, _)) = self.listener.accept().await else {
                // Out of file descriptors, most likely: a pause lets some be closed.
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            };
            let responder = Arc::clone(&responder);
            tokio::spawn(async move {
                let _permit = permit;
                // Whoever closed the connection early misses the answer, and nobody else does.
                drop(converse(stream, &*responder).await);
            });
        }
    }
}

impl Drop for ControlSocket {
    fn drop(&mut self) {
        // Nothing depends on it: the next start takes the place of a leftover.
        drop(std::fs::remove_file(&self.path));
    }
}

/// A socket that nobody answers at is a dead daemon's. Anything else is somebody's file.
fn remove_leftover(path: &Path) -> anyhow::Result<()> {
    match std::fs::symlink_metadata(path) {
        Ok(found) if found.file_type().is_socket() => std::fs::remove_file(path)
            .with_context(|| format!("cannot remove the control socket {} of an earlier run", path.display())),
        Ok(_) => bail!(
            "{} is not a socket, and is left as it is: name another place for the control socket (`control` in [server])",
            path.display()
        ),
        // When there is none, there is nothing to do; else binding tells what is wrong.
        Err(_) => Ok(()),
    }
}

async fn converse(stream: tokio::net::UnixStream, responder: &impl Responder) -> std::io::Result<()> {
    // Who asks is known by the system's word (SO_PEERCRED), not by theirs.
    let actor = Actor::Local { uid: stream.peer_cred().ok().map(|peer| peer.uid()) };
    let (reading, mut writing) = stream.into_split();
    let mut line = String::new();
    let mut reader = tokio::io::BufReader::new(reading.take(REQUEST_BYTES_MAX));
    if tokio::time::timeout(REQUEST_WAIT, reader.read_line(&mut line)).await.is_err() {
        return Ok(());
    }
    let answer = match serde_json::from_str(&line) {
        Ok(request) => obey(request, actor, responder).await,
        Err(error) => Answer::Error(format!("the request cannot be read: {error}")),
    };
    let mut text = serde_json::to_vec(&answer)?;
    text.push(b'\n');
    // Whoever asks and does not read keeps its place only so long.
    tokio::time::timeout(ANSWER_WAIT, writing.write_all(&text)).await?
}

/// Does what `actor` asks for, and notes what it changes.
pub async fn obey(request: Request, actor: Actor, responder: &impl Responder) -> Answer<serde_json::Value> {
    let change = request_words(&request);
    let of_configuration = matches!(
        request,
        Request::Reload { .. }
            | Request::Reserve { .. }
            | Request::Unreserve { .. }
            | Request::PutMachine { .. }
            | Request::RemoveMachine { .. }
            | Request::EditRecords { .. }
    );
    let answer = responder.respond(request).await;
    if let Some(what) = change {
        let result = match &answer {
            // A configuration that was refused is an answer too, and tells why.
            Answer::Ok(view) if of_configuration => {
                ReloadView::deserialize(view).map_err(|error| error.to_string()).and_then(|view| view.outcome())
            }
            Answer::Ok(_) => Ok(()),
            Answer::Error(words) => Err(words.clone()),
        };
        responder.noted(actor, what, result).await;
    }
    answer
}

/// What a request changes, in words for the audit log; `None`: it only asks.
fn request_words(request: &Request) -> Option<String> {
    let of = |zone: &Option<String>| {
        zone.as_ref().map_or_else(|| "every zone".to_owned(), |zone| format!("the zone {zone}"))
    };
    match request {
        Request::Reload { dry_run: false } => Some(APPLY_WORDS.to_owned()),
        Request::DecideDevice { hardware, verdict, .. } => Some(decision_words(hardware, verdict)),
        Request::Compact => Some("compact the lease store".to_owned()),
        Request::DnsRepair { zone, dry_run: false, yes } => {
            let also = if *yes { ", also deleting more than may be deleted unasked" } else { "" };
            Some(format!("repair {}{also}", of(zone)))
        }
        Request::DnsAdopt { zone, names, all_without_dhcid, dry_run: false } => {
            let what = if *all_without_dhcid { "all records without DHCID".to_owned() } else { names.join(", ") };
            Some(format!("adopt {what} in {}", of(zone)))
        }
        Request::DnsConfirmDeletions { zone, dry_run: false } => {
            Some(format!("confirm what is held back from being deleted in the zone {zone}"))
        }
        Request::DnsRetry { of } => Some(retry_words(of.as_deref())),
        Request::DnsResync { zone, dry_run: false } => Some(format!("tell DNS every name of {} anew", of(zone))),
        Request::Reserve { reserve, dry_run: false } => Some(reserve.words()),
        Request::Unreserve { client, subnet, dry_run: false } => Some(unreserve_words(client, subnet.as_ref())),
        Request::EditRecords { edit, dry_run: false } => Some(edit.words()),
        Request::PutMachine { name, machine, dry_run: false } => Some(put_machine_words(name, machine)),
        Request::RemoveMachine { name, dry_run: false } => Some(remove_machine_words(name)),
        Request::Release { address, .. } => Some(release_words(*address)),
        Request::DnsRefresh { zone, whole } => {
            Some(format!("refresh the copy of the zone {zone}{}", if *whole { ", whole" } else { "" }))
        }
        Request::Reload { dry_run: true }
        | Request::Reserve { dry_run: true, .. }
        | Request::Unreserve { dry_run: true, .. }
        | Request::EditRecords { dry_run: true, .. }
        | Request::Records { .. }
        | Request::PutMachine { dry_run: true, .. }
        | Request::RemoveMachine { dry_run: true, .. }
        | Request::Machines
        | Request::DnsRepair { dry_run: true, .. }
        | Request::DnsAdopt { dry_run: true, .. }
        | Request::DnsConfirmDeletions { dry_run: true, .. }
        | Request::DnsResync { dry_run: true, .. }
        | Request::Leases
        | Request::LeaseAt { .. }
        | Request::Devices
        | Request::Names
        | Request::Status
        | Request::Explain(_)
        | Request::Changes(_)
        | Request::Events { .. }
        | Request::Past(_)
        | Request::PastHolder { .. }
        | Request::Queries { .. }
        | Request::DnsServers
        | Request::DnsAudit { .. }
        | Request::DnsCopies => None,
    }
}

impl ReserveRequest {
    /// In words for the audit log.
    pub(crate) fn words(&self) -> String {
        let Self { client, address, subnet, hostname, from_lease } = self;
        let mut words = "reserve".to_owned();
        let mut say = |before: &str, what: Option<String>| {
            if let Some(what) = what {
                words.extend([" ", before, &what]);
            }
        };
        say("", address.map(|address| address.to_string()));
        say("in ", subnet.map(|subnet| subnet.to_string()));
        say("for ", client.clone());
        say("as its lease says ", from_lease.map(|address| address.to_string()));
        say("by the name ", hostname.clone());
        words
    }
}

/// Taking the files over, in words for the audit log.
pub(crate) const APPLY_WORDS: &str = "read the configuration again, and take it over";

/// Taking a reservation out, in words for the audit log.
pub(crate) fn unreserve_words(client: &str, subnet: Option<&impl std::fmt::Display>) -> String {
    let of = subnet.map(|subnet| format!(" in {subnet}")).unwrap_or_default();
    format!("take out what is reserved for {client}{of}")
}

/// Trying DNS work now, in words for the audit log.
pub(crate) fn retry_words(of: Option<&str>) -> String {
    format!("try {} in DNS now", of.unwrap_or("all that waits for its next try"))
}

/// Putting a machine, in words for the audit log.
pub(crate) fn put_machine_words(name: &str, machine: &MachineWrite) -> String {
    let leased = machine.interfaces.iter().map(|one| {
        let address = one.address.as_ref().map(|address| format!(" at {address}")).unwrap_or_default();
        format!("{}{address}", one.clients.join(" "))
    });
    let all: Vec<String> = machine.addresses.iter().cloned().chain(leased).collect();
    format!("put the machine {name}: {}", all.join(", "))
}

/// Taking one out, in words for the audit log.
pub(crate) fn remove_machine_words(name: &str) -> String {
    format!("take out the machine {name}")
}

/// Deciding about a device, in words for the audit log.
pub(crate) fn decision_words(hardware: &str, verdict: &str) -> String {
    format!("{verdict} the device {hardware}")
}

/// Ending a lease, in words for the audit log.
pub(crate) fn release_words(address: Ipv4Addr) -> String {
    format!("end the lease of {address}")
}

/// Asks the daemon at `socket`.
///
/// # Errors
/// When nobody answers there, or the answer is an error, told in words.
pub fn ask<T: DeserializeOwned>(socket: &Path, request: &Request) -> anyhow::Result<T> {
    let mut stream = UnixStream::connect(socket).with_context(|| {
        format!("no daemon answers at {}: is `leasehold run` running, and is --socket right?", socket.display())
    })?;
    let mut text = serde_json::to_vec(request)?;
    text.push(b'\n');
    stream.write_all(&text)?;
    let mut line = String::new();
    let read = || BufReader::new(stream).read_line(&mut line);
    crate::commands::terminal::with_progress("waiting for the daemon", read)?;
    match serde_json::from_str::<Answer<T>>(&line).context("the daemon's answer cannot be read")? {
        Answer::Ok(value) => Ok(value),
        Answer::Error(words) => bail!("{words}"),
    }
}

/// A stored time as local time, for tables.
#[must_use]
pub fn local_time(utc_secs: u64) -> String {
    i64::try_from(utc_secs).ok().and_then(|secs| jiff::Timestamp::from_second(secs).ok()).map_or_else(
        || "never".to_owned(),
        |at| at.to_zoned(jiff::tz::TimeZone::system()).strftime("%Y-%m-%d %H:%M:%S").to_string(),
    )
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_dead_daemons_socket_is_replaced_a_living_ones_and_a_file_are_not() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("made/control.sock");
        let living = ControlSocket::bind(&path).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let refused = ControlSocket::bind(&path).unwrap_err().to_string();
        assert!(refused.contains("another daemon answers at the control socket"), "{refused}");
        drop(living);
        assert!(!path.exists());
        // As SIGKILL leaves it.
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        drop(ControlSocket::bind(&path).unwrap());
        std::fs::write(&path, "precious").unwrap();
        let refused = ControlSocket::bind(&path).unwrap_err().to_string();
        assert!(refused.contains("is not a socket, and is left as it is"), "{refused}");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "precious");
    }

    /// Every request that changes something, or needs more than `view`; and one that only asks.
    fn requests() -> Vec<Request> {
        let (zone, dry_run) = ("nasir.xyz".to_owned(), false);
        let address = Ipv4Addr::new(10, 0, 0, 5);
        let records = RecordsRequest {
            view: Some("inside".to_owned()),
            act: RecordsAct::Add,
            zone: zone.clone(),
            name: "www".to_owned(),
            rtype: "A".to_owned(),
            data: vec!["10.0.0.1".to_owned()],
            ttl_secs: None,
        };
        vec![
            Request::Status,
            Request::Reserve { reserve: ReserveRequest::default(), dry_run },
            Request::Unreserve { client: "00:11:32:aa:bb:cc".to_owned(), subnet: None, dry_run },
            Request::EditRecords { edit: records, dry_run },
            Request::Records { zone: None },
            Request::PutMachine { name: "nas".to_owned(), machine: MachineWrite::default(), dry_run },
            Request::RemoveMachine { name: "nas".to_owned(), dry_run },
            Request::Release { address, client: None },
            Request::DecideDevice { hardware: "00:11:32:aa:bb:cc".to_owned(), verdict: "deny".to_owned(), state: None },
            Request::Reload { dry_run },
            Request::Changes(ChangesQuery::default()),
            Request::Compact,
            Request::DnsAudit { zone: None },
            Request::DnsRepair { zone: None, dry_run, yes: false },
            Request::DnsAdopt { zone: None, names: Vec::new(), all_without_dhcid: true, dry_run },
            Request::DnsConfirmDeletions { zone: zone.clone(), dry_run },
            Request::DnsRefresh { zone, whole: false },
            Request::DnsResync { zone: None, dry_run },
            Request::DnsRetry { of: None },
        ]
    }

    #[test]
    fn every_request_that_needs_more_than_view_has_words_for_the_audit_log() {
        for request in requests() {
            // These two only ask: the one tells who did what, the other costs other servers' time.
            let asks = matches!(request, Request::Changes(_) | Request::DnsAudit { .. });
            let changes = request.role() > web::Role::View && !asks;
            assert_eq!(request_words(&request).is_some(), changes, "{request:?}");
        }
    }

    /// Who, what, and what came of it.
    type Noted = (Actor, String, Result<(), String>);

    /// Answers all alike, and keeps what is noted.
    struct Alike(serde_json::Value, std::sync::Mutex<Vec<Noted>>);

    impl Responder for Alike {
        async fn respond(&self, _: Request) -> Answer<serde_json::Value> {
            Answer::Ok(self.0.clone())
        }

        async fn noted(&self, actor: Actor, what: String, result: Result<(), String>) {
            self.1.lock().unwrap().push((actor, what, result));
        }
    }

    #[tokio::test]
    async fn a_refused_reload_is_noted_as_refused() {
        let root = Actor::Local { uid: Some(0) };
        let refused = ReloadView { refused: vec!["the store cannot be another".to_owned()], ..Default::default() };
        let found = vec![serde_json::json!({ "severity": "warning" })];
        let faulty = ReloadView { faults: Some("drawn".to_owned()), found, ..Default::default() };
        let good = ReloadView { applied: true, ..Default::default() };
        for (view, result) in [
            (refused, Err("the store cannot be another".to_owned())),
            (faulty, Err("the files have faults".to_owned())),
            (good, Ok(())),
        ] {
            let responder = Alike(serde_json::to_value(view).unwrap(), std::sync::Mutex::default());
            obey(Request::Reload { dry_run: false }, root.clone(), &responder).await;
            assert_eq!(responder.1.into_inner().unwrap(), [(root.clone(), APPLY_WORDS.to_owned(), result)]);
        }
        let responder = Alike(serde_json::Value::Null, std::sync::Mutex::default());
        obey(Request::Reload { dry_run: true }, root, &responder).await;
        assert!(responder.1.into_inner().unwrap().is_empty(), "a dry run changes nothing");
    }
}
