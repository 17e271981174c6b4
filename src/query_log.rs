//! The log of queries: what the forwarder was asked, told to commands and, where the configuration says so, to a file.
//!
//! Hosts are named by their leases when the log is read, a moment later where it is written to a file: so that answering a
//! question waits for nobody.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use config::settings::{Keeps, QueryLog as Settings};
use resolve::query_log::{Entry, Fate, QueryLog};
use resolve::{AnswerRef, Key, Transport};
use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, oneshot};

use crate::dhcp_service::Question;

/// How often the file is written.
const EVERY: Duration = Duration::from_secs(1);
/// So many lines are written, or told to a command, at once.
const AT_ONCE: usize = 2_000;
/// A file longer than this, in octets, is put aside.
const FILE_OCTETS_MAX: u64 = 16 << 20;
/// How many that were put aside are kept.
const FILES_ASIDE: u32 = 4;

/// The log, shared by those who answer and those who read.
#[derive(Debug)]
pub struct SharedLog {
    with_names: bool,
    entries: Mutex<QueryLog>,
}

/// A question, to be shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueryView {
    /// Its number; one more than that of the question before.
    pub number: u64,
    /// When, in milliseconds of UTC.
    pub at_ms: u64,
    /// Who asked.
    pub client: IpAddr,
    /// The name of that host's lease.
    pub host: Option<String>,
    /// Its hardware address.
    pub hardware: Option<String>,
    /// How: `udp`, `tcp`, `tls` or `https`.
    #[serde(default)]
    pub transport: String,
    /// For what; `None`: names are not remembered.
    pub name: Option<String>,
    /// For which type.
    #[serde(rename = "type")]
    pub rtype: String,
    /// `known`, `asked`, `stale`, `local`, `blocked` or `failed`.
    pub fate: String,
    /// The response code.
    pub rcode: String,
    /// Why: which list, or who did not answer.
    pub why: Option<String>,
}

/// A part of the log.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueriesView {
    /// Where to go on.
    pub next: u64,
    /// The questions, oldest first.
    pub list: Vec<QueryView>,
}

impl SharedLog {
    /// As the configuration wants it; none: nothing is remembered.
    #[must_use]
    pub fn new(settings: &Settings) -> Option<Arc<Self>> {
        let with_names = match settings.keeps {
            Keeps::Nothing => return None,
            Keeps::NoNames => false,
            Keeps::Everything => true,
        };
        Some(Arc::new(Self { with_names, entries: Mutex::new(QueryLog::new(settings.questions)) }))
    }

    /// Whether names are remembered.
    #[must_use]
    pub fn has_names(&self) -> bool {
        self.with_names
    }

    /// Remembers a question.
    pub fn note(&self, client: IpAddr, transport: Transport, key: &Key, fate: Fate, answer: AnswerRef<'_>) {
        let now = jiff::Timestamp::now().as_millisecond();
        // What is said of a failure can hold the name.
        let why = answer.reason.filter(|_| self.with_names || fate == Fate::Blocked);
        let entry = Entry {
            at_ms: u64::try_from(now).unwrap_or(0),
            client: client.to_canonical(),
            transport,
            name: self.with_names.then(|| key.fqdn()),
            rtype: key.rtype(),
            fate,
            rcode: answer.rcode(),
            why: why.map(|reason| reason.words.to_owned()),
        };
        self.entries.lock().unwrap_or_else(PoisonError::into_inner).push(entry);
    }

    /// The questions from a number on, a part of them; hosts are named by whoever serves leases. `from`: none for the
    /// newest ones.
    pub async fn read(&self, from: Option<u64>, service: &mpsc::Sender<Question>) -> QueriesView {
        let (entries, next) = {
            let log = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
            let from = from.unwrap_or_else(|| log.next().saturating_sub(AT_ONCE as u64));
            let (entries, next) = log.from(from, AT_ONCE);
            (entries.map(|(number, entry)| (number, entry.clone())).collect::<Vec<_>>(), next)
        };
        let hosts = hosts(entries.iter().map(|(_, entry)| entry.client), service).await;
        let list = entries.into_iter().map(|(number, entry)| {
            let (host, hardware) = hosts.get(&entry.client).cloned().unwrap_or_default();
            QueryView {
                number,
                at_ms: entry.at_ms,
                client: entry.client,
                host,
                hardware,
                transport: entry.transport.word().to_owned(),
                name: entry.name.as_ref().map(ToString::to_string),
                rtype: entry.rtype.to_string(),
                fate: entry.fate.word().to_owned(),
                rcode: entry.rcode.mnemonic().map_or_else(|| entry.rcode.0.to_string(), str::to_owned),
                why: entry.why,
            }
        });
        QueriesView { next, list: list.collect() }
    }

    /// Writes what is asked to a file, for ever.
    pub async fn write(self: Arc<Self>, path: PathBuf, service: mpsc::Sender<Question>) {
        let mut from = 0;
        let mut failing = false;
        loop {
            tokio::time::sleep(EVERY).await;
            let part = self.read(Some(from), &service).await;
            if part.list.is_empty() {
                continue;
            }
            from = part.next;
            let path = path.clone();
            let written = tokio::task::spawn_blocking(move || append(&path, &part.list)).await;
            match written {
                Ok(Ok(())) => failing = false,
                Ok(Err(error)) if !failing => {
                    failing = true;
                    tracing::warn!(
                        "the log of queries cannot be written: {error}; what is asked meanwhile is not in it"
                    );
                }
                _ => {}
            }
        }
    }
}

/// What leases say of who asked: a name, and a hardware address.
type Hosts = HashMap<IpAddr, (Option<String>, Option<String>)>;

async fn hosts(clients: impl Iterator<Item = IpAddr>, service: &mpsc::Sender<Question>) -> Hosts {
    let mut addresses: Vec<Ipv4Addr> = clients
        .filter_map(|client| match client {
            IpAddr::V4(v4) if !v4.is_loopback() => Some(v4),
            _ => None,
        })
        .collect();
    addresses.sort_unstable();
    addresses.dedup();
    if addresses.is_empty() {
        return Hosts::new();
    }
    let (to, leases) = oneshot::channel();
    // A service that is ending names nobody.
    let asked = service.send(Question::LeasesAt(addresses, to)).await.is_ok();
    let leases = if asked { leases.await.unwrap_or_default() } else { Vec::new() };
    let named = leases.iter().map(|lease| {
        let name = lease.name.as_ref().map(|name| name.fqdn.to_string());
        (IpAddr::V4(lease.address), (name, Some(lease.hardware.to_string())))
    });
    named.collect()
}

/// A line of JSON for each.
fn append(path: &Path, list: &[QueryView]) -> std::io::Result<()> {
    let mut lines = Vec::new();
    for view in list {
        serde_json::to_writer(&mut lines, view)?;
        lines.push(b'\n');
    }
    let mut file = open(path)?;
    if file.metadata()?.len() > FILE_OCTETS_MAX {
        drop(file);
        put_aside(path)?;
        file = open(path)?;
    }
    file.write_all(&lines)
}

/// Names that people asked for are nobody else's to read.
fn open(path: &Path) -> std::io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt as _;
    OpenOptions::new().create(true).append(true).mode(0o640).open(path)
}

/// `queries.log` becomes `queries.log.1`, that `.2`, and so on; the oldest goes.
fn put_aside(path: &Path) -> std::io::Result<()> {
    let aside = |number: u32| {
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".{number}"));
        PathBuf::from(name)
    };
    for number in (1..FILES_ASIDE).rev() {
        if aside(number).exists() {
            std::fs::rename(aside(number), aside(number + 1))?;
        }
    }
    std::fs::rename(path, aside(1))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn the_file_is_put_aside_when_it_is_long_and_the_oldest_goes() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("queries.log");
        let view = QueryView {
            number: 1,
            at_ms: 2,
            client: "10.0.0.1".parse().unwrap(),
            host: Some("pc.example".to_owned()),
            hardware: None,
            transport: "tls".to_owned(),
            name: None,
            rtype: "A".to_owned(),
            fate: "known".to_owned(),
            rcode: "NOERROR".to_owned(),
            why: None,
        };
        for round in 0..7 {
            append(&path, std::slice::from_ref(&view)).unwrap();
            let text = std::fs::read_to_string(&path).unwrap();
            assert_eq!(serde_json::from_str::<QueryView>(&text).unwrap(), view, "round {round}");
            OpenOptions::new().write(true).open(&path).unwrap().set_len(FILE_OCTETS_MAX + 1).unwrap();
        }
        append(&path, std::slice::from_ref(&view)).unwrap();
        let count = std::fs::read_dir(directory.path()).unwrap().count();
        assert_eq!(count, 1 + FILES_ASIDE as usize);
    }
}
