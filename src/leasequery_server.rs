//! Bulk leasequery (RFC 6926): who has what, told in streams over TCP to those whom `[leasequery]` allows.
//!
//! Each connection is a task that asks the DHCP service for one page of leases, writes it, and only then asks for the
//! next. So a requester that reads slowly waits for itself alone, and a million leases never hold up the service: a page
//! is the work of a fraction of a millisecond, taken in turn with the clients' datagrams.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use arc_swap::ArcSwap;
use dhcp::engine::Page;
use dhcp::leasequery::Query;
use dhcp::leasequery::bulk::{self, BadQuery, BulkQuery, Frames};
use dhcp::message::DropReason;
use ipnet::Ipv4Net;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tracing::{debug, warn};

use crate::counters::Counters;
use crate::dhcp_service::Question;
use crate::quiet::Quiet;

/// Connections at once; more wait to be accepted. RFC 6926 section 9.2 has a server limit them, and suggests ten.
const CONNECTIONS_MAX: usize = 10;
/// Queries that one connection is answered before it is closed.
const QUERIES_MAX: usize = 1_000;
/// Leases that are looked at for one page.
const PAGE_LEASES: usize = 256;
/// How long a connection may be silent between two queries, and take to send one.
const IDLE: Duration = Duration::from_secs(120);
/// How long a requester may take to make room for one page.
const PROGRESS: Duration = Duration::from_secs(30);
/// The pause after a failed accept (out of file descriptors), so that it is not tried in a tight loop.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// See the module.
#[derive(Debug)]
pub struct LeaseQueryServer {
    listener: TcpListener,
    asked: Asked,
}

/// Who may ask, and who knows the answers. Cheap to clone.
#[derive(Clone, Debug)]
struct Asked {
    allow: Arc<ArcSwap<Vec<Ipv4Net>>>,
    questions: mpsc::Sender<Question>,
    counters: Arc<Counters>,
}

impl LeaseQueryServer {
    /// Listens on TCP `port` of every address, for those in `allow`.
    ///
    /// # Errors
    /// The port is used, or we may not.
    pub async fn bind(
        port: u16,
        allow: &[Ipv4Net],
        questions: mpsc::Sender<Question>,
        counters: Arc<Counters>,
    ) -> anyhow::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).await;
        let listener = listener.with_context(|| {
            format!("cannot listen on TCP port {port} for bulk leasequery (`bulk` in [leasequery] turns it off)")
        })?;
        Ok(Self {
            listener,
            asked: Asked { allow: Arc::new(ArcSwap::from_pointee(allow.to_vec())), questions, counters },
        })
    }

    /// Who may ask; whoever holds it can change that.
    #[must_use]
    pub fn allowed(&self) -> Arc<ArcSwap<Vec<Ipv4Net>>> {
        Arc::clone(&self.asked.allow)
    }

    /// Serves until dropped.
    pub async fn serve(self) {
        let permits = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        let mut connections = JoinSet::new();
        let quiet = Quiet::default();
        loop {
            let Ok(permit) = Arc::clone(&permits).acquire_owned().await else { return };
            match self.listener.accept().await {
                Ok((stream, from)) => {
                    // Closed without a word: who may not ask need not hear that there is something to ask.
                    if !self.asked.allows(from) {
                        self.asked.counters.dropped(DropReason::LeasequeryRefused);
                        continue;
                    }
                    let asked = self.asked.clone();
                    connections.spawn(converse(stream, from, asked, permit));
                }
                Err(error) => {
                    if let Some(kept_back) = quiet.may_tell() {
                        warn!(%error, "a connection for bulk leasequery could not be accepted{kept_back}");
                    }
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
            while connections.try_join_next().is_some() {}
        }
    }
}

impl Asked {
    fn allows(&self, from: SocketAddr) -> bool {
        match from.ip() {
            IpAddr::V4(address) => self.allow.load().iter().any(|prefix| prefix.contains(&address)),
            IpAddr::V6(_) => false,
        }
    }

    /// The next page, and the wall time at which it was true; `None` when the service is gone.
    async fn page(&self, query: &Query, after: Option<Ipv4Addr>) -> Option<(Page, u64)> {
        let (to, answer) = oneshot::channel();
        self.questions.send(Question::LeasesPage(query.clone(), after, PAGE_LEASES, to)).await.ok()?;
        answer.await.ok()
    }
}

async fn converse(stream: TcpStream, from: SocketAddr, asked: Asked, permit: OwnedSemaphorePermit) {
    let (mut answered, mut outcome) = (0, Ok(()));
    if let Ok(SocketAddr::V4(own)) = stream.local_addr() {
        let (mut reader, mut writer) = stream.into_split();
        let mut frames = Frames::default();
        while answered < QUERIES_MAX {
            match next_message(&mut reader, &mut frames).await {
                Ok(Some(message)) => outcome = answer(&message, &asked, *own.ip(), &mut writer).await,
                Ok(None) => break,
                Err(error) => outcome = Err(error),
            }
            if outcome.is_err() {
                break;
            }
            answered += 1;
        }
    }
    if let Err(error) = outcome {
        debug!(%error, %from, "a bulk leasequery connection ended early");
    }
    debug!(%from, answered, "a bulk leasequery connection has ended");
    drop(permit);
}

/// The next whole message; `None` when the requester has nothing more to ask, or is silent.
async fn next_message(reader: &mut OwnedReadHalf, frames: &mut Frames) -> io::Result<Option<Vec<u8>>> {
    let read = async {
        loop {
            if let Some(message) = frames.next_message().map_err(io::Error::other)? {
                return Ok(Some(message));
            }
            // Just what belongs to this message is read: what follows waits in the kernel, which bounds it.
            let mut piece = vec![0; frames.missing()];
            match reader.read(&mut piece).await? {
                0 => return Ok(None),
                read => _ = frames.take(&piece[..read]),
            }
        }
    };
    timeout(IDLE, read).await.unwrap_or(Ok(None))
}

/// Answers one message in full.
async fn answer(message: &[u8], asked: &Asked, own: Ipv4Addr, writer: &mut OwnedWriteHalf) -> io::Result<()> {
    let mut out = Vec::new();
    match BulkQuery::parse(message).map_err(io::Error::other)? {
        Ok(query) => answer_query(&query, asked, own, writer).await,
        Err(BadQuery { xid, status, words }) => {
            bulk::done(&mut out, xid, Some((status, words)), own);
            write(writer, &out).await
        }
    }
}

async fn answer_query(query: &BulkQuery, asked: &Asked, own: Ipv4Addr, writer: &mut OwnedWriteHalf) -> io::Result<()> {
    let (mut after, mut out) = (None, Vec::new());
    loop {
        let Some((page, wall_secs)) = asked.page(&query.query, after).await else {
            out.clear();
            bulk::done(&mut out, query.xid, Some((bulk::StatusCode::QueryTerminated, "the server is ending")), own);
            return write(writer, &out).await;
        };
        out.clear();
        for binding in page.bindings.iter().filter(|binding| query.wants(binding)) {
            bulk::found(&mut out, query, binding, wall_secs, own);
        }
        if let (Query::Address(address), []) = (&query.query, &page.bindings[..]) {
            match page.is_ours {
                true => bulk::unassigned(&mut out, query, *address, wall_secs, own),
                false => bulk::unknown(&mut out, query, *address, own),
            }
        }
        if page.next.is_none() {
            bulk::done(&mut out, query.xid, None, own);
        }
        write(writer, &out).await?;
        after = page.next;
        if after.is_none() {
            return Ok(());
        }
    }
}

async fn write(writer: &mut OwnedWriteHalf, bytes: &[u8]) -> io::Result<()> {
    timeout(PROGRESS, writer.write_all(bytes)).await?
}
