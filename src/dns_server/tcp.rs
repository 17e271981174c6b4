//! Connections (RFC 7766): bounded in number, for each asker and in all, and in time; one request after the other on
//! each.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use hickory_proto::op::{Header, Message, MessageType, ResponseCode};
use hickory_proto::rr::Record;
use hickory_proto::serialize::binary::{BinDecodable as _, BinDecoder, BinEncoder};
use hickory_server::net::NetError;
use hickory_server::net::runtime::TokioTime;
use hickory_server::net::xfer::Protocol;
use hickory_server::server::{Request, RequestHandler as _, ResponseHandler, ResponseInfo};
use hickory_server::zone_handler::MessageResponse;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Mutex, OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::handler::Handler;
use crate::quiet::Quiet;

/// How many connections there are at once, over all addresses; more wait to be accepted.
const CONNECTIONS_MAX: usize = 256;
/// How many of them one asker has. RFC 7766 section 6.2.2 lets a server "limit the number of concurrent TCP connections
/// from the same IP address or subnet"; without that one host could keep all places and every other host off.
const CONNECTIONS_MAX_EACH: usize = 32;
/// How long a connection may be silent between two requests (RFC 7766 section 6.2.3 suggests seconds).
const IDLE: Duration = Duration::from_secs(10);
/// How long a request may take to arrive once it has begun, and a reply to be taken.
const PROGRESS: Duration = Duration::from_secs(10);
/// The pause after a failed accept (out of file descriptors), so that it is not tried in a tight loop.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The room for connections that all listeners share. Cheap to clone.
#[derive(Clone)]
pub(super) struct Slots {
    all: Arc<Semaphore>,
    /// Only of those who have any, so at most as many as there are connections.
    by_asker: Arc<std::sync::Mutex<HashMap<IpAddr, usize>>>,
}

/// One connection's place; dropping it gives it back.
struct Slot {
    slots: Slots,
    asker: IpAddr,
    _permit: OwnedSemaphorePermit,
}

impl Slots {
    pub(super) fn new() -> Self {
        Self { all: Arc::new(Semaphore::new(CONNECTIONS_MAX)), by_asker: Arc::default() }
    }

    /// A place for a connection from `source`; none when that asker has its share.
    fn take(&self, permit: OwnedSemaphorePermit, source: IpAddr) -> Option<Slot> {
        let asker = asker_of(source);
        let mut by_asker = self.by_asker.lock().unwrap_or_else(PoisonError::into_inner);
        let count = by_asker.entry(asker).or_default();
        if *count >= CONNECTIONS_MAX_EACH {
            return None;
        }
        *count += 1;
        Some(Slot { slots: self.clone(), asker, _permit: permit })
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut by_asker = self.slots.by_asker.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = by_asker.get_mut(&self.asker) {
            *count -= 1;
            if *count == 0 {
                by_asker.remove(&self.asker);
            }
        }
    }
}

/// Who is behind an address: of IPv6 a host has a /64 for itself.
fn asker_of(source: IpAddr) -> IpAddr {
    match source.to_canonical() {
        IpAddr::V4(v4) => IpAddr::V4(v4),
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX))),
    }
}

/// Accepts until told to stop.
pub(super) async fn serve(listener: TcpListener, handler: Handler, slots: Slots, mut stopped: watch::Receiver<bool>) {
    let mut connections = JoinSet::new();
    let refused = Quiet::default();
    loop {
        let accepted = tokio::select! {
            accepted = accept(&listener, &slots) => accepted,
            _ = stopped.changed() => return,
        };
        match accepted {
            Ok((stream, source, permit)) => {
                // Closed at once: the asker's others are answered all the same.
                let Some(slot) = slots.take(permit, source.ip()) else { continue };
                let handler = handler.clone();
                connections.spawn(async move {
                    if let Err(error) = converse(stream, source, &handler).await {
                        tracing::debug!(%error, %source, "a DNS connection ended early");
                    }
                    drop(slot);
                });
            }
            Err(error) => {
                if let Some(kept_back) = refused.may_tell() {
                    tracing::warn!(%error, "a DNS connection could not be accepted{kept_back}");
                }
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
        while connections.try_join_next().is_some() {}
    }
}

async fn accept(listener: &TcpListener, slots: &Slots) -> io::Result<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    let permit = Arc::clone(&slots.all).acquire_owned().await.map_err(io::Error::other)?;
    let (stream, source) = listener.accept().await?;
    Ok((stream, source, permit))
}

async fn converse(stream: TcpStream, source: SocketAddr, handler: &Handler) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let (mut reader, writer) = stream.into_split();
    let replies = Replies(Arc::new(Mutex::new(writer)));
    while let Some(octets) = read_message(&mut reader).await? {
        // Only what cannot be a request at all lacks the twelve octets of a header.
        let Ok(header) = Header::read(&mut BinDecoder::new(&octets)) else { return Ok(()) };
        if header.metadata.message_type == MessageType::Response {
            return Ok(());
        }
        // Hickory makes room for as many questions as are promised, up to 65,535, before it reads them.
        let read = (header.counts.queries <= 1).then(|| Request::from_bytes(octets, source, Protocol::Tcp));
        match read {
            Some(Ok(request)) => {
                handler.handle_request::<_, TokioTime>(&request, replies.clone()).await;
            }
            None | Some(Err(_)) => {
                let metadata = header.metadata;
                let refusal = Message::error_msg(metadata.id, metadata.op_code, ResponseCode::FormErr);
                return replies.write(&refusal.to_vec().map_err(io::Error::other)?).await;
            }
        }
    }
    Ok(())
}

/// The next message; none when the other side has nothing more to say.
async fn read_message(reader: &mut OwnedReadHalf) -> io::Result<Option<Vec<u8>>> {
    let length = match timeout(IDLE, reader.read_u16()).await {
        Err(_) => return Ok(None),
        Ok(Err(error)) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        Ok(length) => length?,
    };
    let mut octets = vec![0; usize::from(length)];
    timeout(PROGRESS, reader.read_exact(&mut octets)).await??;
    Ok(Some(octets))
}

/// Writes replies, each in full before the next, so that a slow reader slows the writer.
#[derive(Clone)]
struct Replies(Arc<Mutex<OwnedWriteHalf>>);

impl Replies {
    async fn write(&self, message: &[u8]) -> io::Result<()> {
        let length = u16::try_from(message.len()).map_err(io::Error::other)?;
        // RFC 7766 section 8: length and message in one write, so that they travel in one segment.
        let mut framed = Vec::with_capacity(message.len() + 2);
        framed.extend_from_slice(&length.to_be_bytes());
        framed.extend_from_slice(message);
        let mut writer = self.0.lock().await;
        timeout(PROGRESS, writer.write_all(&framed)).await?
    }
}

#[async_trait::async_trait]
impl ResponseHandler for Replies {
    async fn send_response<'a>(
        &mut self,
        response: MessageResponse<
            '_,
            'a,
            impl Iterator<Item = &'a Record> + Send + 'a,
            impl Iterator<Item = &'a Record> + Send + 'a,
            impl Iterator<Item = &'a Record> + Send + 'a,
            impl Iterator<Item = &'a Record> + Send + 'a,
        >,
    ) -> Result<ResponseInfo, NetError> {
        let mut octets = Vec::with_capacity(512);
        let mut encoder = BinEncoder::new(&mut octets);
        encoder.set_max_size(u16::MAX);
        let info = response.destructive_emit(&mut encoder)?;
        self.write(&octets).await?;
        Ok(info)
    }
}
