//! The control socket: commands ask the running daemon. One line of JSON each way.
//!
//! Only root and the daemon's own user can open it (mode 0600 in a directory of the daemon's).

mod audit_views;
mod copy_views;
mod records;
mod request;
mod roles;
mod server_views;
mod views;
mod words;

use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixListener;
use tokio::sync::Semaphore;
use web::Actor;

use crate::reload::ReloadView;

pub use self::audit_views::{
    AuditCounts, AuditFindingView, AuditSummary, AuditView, AuditZoneView, MendView, MendZoneView,
};

pub use self::copy_views::ZoneCopyView;
pub use self::records::{RecordsAct, RecordsRequest};
pub use self::request::{Request, ReserveRequest};
pub use self::server_views::{ServerView, ZoneServersView};
pub use self::views::{HeldBackView, LeaseView, NameView, PoolView, RelayView, StatusView, SubnetView};
use self::words::request_words;
pub(crate) use self::words::{
    APPLY_WORDS, decision_words, put_machine_words, release_words, remove_machine_words, retry_words, unreserve_words,
};

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

/// The daemon's answer.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answer<T> {
    /// What was asked for.
    Ok(T),
    /// Why not, in words.
    Error(String),
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
    use std::net::Ipv4Addr;

    use web::model::{ChangesQuery, MachineWrite};

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
