//! Connections (RFC 7766): bounded in number, for each asker and in all, in time, and in what is answered on each at
//! once. Requests are answered as they come to be, not in the order of their asking (section 6.2.1.1).

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use dns::{keepalive, padding};
use hickory_proto::op::{Header, Message, MessageType, ResponseCode};
use hickory_proto::rr::Record;
use hickory_proto::serialize::binary::{BinDecodable as _, BinDecoder, BinEncoder};
use hickory_server::net::NetError;
use hickory_server::net::xfer::Protocol;
use hickory_server::server::{Request, ResponseHandler, ResponseInfo};
use hickory_server::zone_handler::MessageResponse;
use resolve::Transport;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Mutex, OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::counts::Counts;
use super::forward::Asker;
use super::handler::Live;
use super::shares::{Share, Shares};
use crate::quiet::Quiet;

/// Requests of one connection that wait for an upstream, the store or the reader of a transfer at once; the next is read
/// when one of them is done.
pub(super) const WAITING_MAX: usize = 32;
/// And how many octets they come to.
pub(super) const WAITING_OCTETS_MAX: usize = 128 << 10;
/// How long a request may take to arrive once it has begun, and a reply to be taken.
pub(super) const PROGRESS: Duration = Duration::from_secs(10);
/// How long a connection may be silent when few places are left: so those who only hold them lose them first.
const IDLE_WHEN_FULL: Duration = Duration::from_millis(500);
/// The pause after a failed accept (out of file descriptors), so that it is not tried in a tight loop.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How connections are limited.
#[derive(Clone, Copy, Debug)]
pub struct ConnectionLimits {
    /// How many there are at once, over all addresses; more wait to be accepted.
    pub all: usize,
    /// How many of them one asker has. RFC 7766 section 6.2.2 lets a server "limit the number of concurrent TCP
    /// connections from the same IP address or subnet"; without that one host could keep all places and every other off.
    pub each: usize,
    /// How long a connection may be silent between two requests (RFC 7766 section 6.2.3 suggests seconds).
    pub idle: Duration,
}

impl Default for ConnectionLimits {
    fn default() -> Self {
        Self { all: 256, each: 32, idle: Duration::from_secs(10) }
    }
}

/// The room for connections that all listeners share. Cheap to clone.
#[derive(Clone)]
pub(super) struct Slots {
    limits: ConnectionLimits,
    all: Arc<Semaphore>,
    shares: Shares,
}

/// One connection's place; dropping it gives it back.
pub(super) struct Slot {
    slots: Slots,
    _share: Share,
    _permit: OwnedSemaphorePermit,
}

impl Slots {
    pub(super) fn new(limits: ConnectionLimits) -> Self {
        Self { limits, all: Arc::new(Semaphore::new(limits.all)), shares: Shares::new(limits.each) }
    }

    /// A place for a connection from `source`; none when that asker has its share.
    fn take(&self, permit: OwnedSemaphorePermit, source: IpAddr) -> Option<Slot> {
        let share = self.shares.take(source)?;
        Some(Slot { slots: self.clone(), _share: share, _permit: permit })
    }
}

impl Slot {
    /// How long its connection may be silent now. RFC 7766 section 6.2.3: "a server under heavy load" may close earlier.
    pub(super) fn idle(&self) -> Duration {
        let Slots { limits, all, .. } = &self.slots;
        if all.available_permits() * 4 < limits.all { limits.idle.min(IDLE_WHEN_FULL) } else { limits.idle }
    }
}

/// Accepts until told to stop; each connection is `attend`ed to by a task of its own.
pub(super) async fn serve<A, F>(
    listener: TcpListener,
    (slots, counts): (Slots, Arc<Counts>),
    mut stopped: watch::Receiver<bool>,
    attend: A,
) where
    A: Fn(TcpStream, SocketAddr, Slot) -> F,
    F: Future<Output = io::Result<()>> + Send + 'static,
{
    let mut connections = JoinSet::new();
    let refused = Quiet::default();
    loop {
        let accepted = tokio::select! {
            accepted = accept(&listener, &slots) => accepted,
            _ = stopped.changed() => break,
        };
        match accepted {
            Ok((stream, source, permit)) => {
                // Closed at once: the asker's others are answered all the same.
                let Some(slot) = slots.take(permit, source.ip()) else {
                    counts.connection_refused();
                    continue;
                };
                let attended = attend(stream, source, slot);
                connections.spawn(async move {
                    if let Err(error) = attended.await {
                        tracing::debug!(%error, %source, "a DNS connection ended early");
                    }
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
    // An address that is listened on no more: who is connected may finish, and finds a silent connection closed in time.
    drop(listener);
    while connections.join_next().await.is_some() {}
}

async fn accept(listener: &TcpListener, slots: &Slots) -> io::Result<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    let permit = Arc::clone(&slots.all).acquire_owned().await.map_err(io::Error::other)?;
    let (stream, source) = listener.accept().await?;
    stream.set_nodelay(true)?;
    Ok((stream, source, permit))
}

/// Answers what comes by a stream of messages, each behind its length.
pub(super) async fn converse<S>(
    stream: S,
    (source, transport): (SocketAddr, Transport),
    live: Live,
    slot: Slot,
) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let asker = Asker { source: source.ip(), transport };
    let (mut reader, writer) = tokio::io::split(stream);
    let mut replies = Replies { writer: Arc::new(Mutex::new(Some(writer))), padded: false, stays: None };
    let (mut waiting, octets_left) = (JoinSet::new(), Arc::new(Semaphore::new(WAITING_OCTETS_MAX)));
    let mut out = Vec::new();
    while let Some(octets) = read_message(&mut reader, slot.idle()).await? {
        while waiting.try_join_next().is_some() {}
        // An answer to an answer would go round for ever. And only what cannot be a request at all lacks a header.
        let Ok(header) = Header::read(&mut BinDecoder::new(&octets)) else { break };
        if header.metadata.message_type == MessageType::Response {
            break;
        }
        let handler = live.load_full();
        handler.counts().requests(transport, 1);
        replies.padded = transport.is_encrypted() && padding::is_asked(&octets);
        replies.stays = keepalive::is_asked(&octets).then(|| slot.idle());
        if handler.answer_stream(&octets, source.ip(), &mut out) {
            replies.write(&mut out).await?;
            continue;
        }
        // Hickory makes room for as many questions as are promised, up to 65,535, before it reads them.
        let length = octets.len();
        let read = (header.counts.queries <= 1).then(|| Request::from_bytes(octets, source, Protocol::Tcp));
        let Some(Ok(request)) = read else {
            let metadata = header.metadata;
            let refusal = Message::error_msg(metadata.id, metadata.op_code, ResponseCode::FormErr);
            return replies.write(&mut refusal.to_vec().map_err(io::Error::other)?).await;
        };
        if waiting.len() >= WAITING_MAX {
            waiting.join_next().await;
        }
        // At most 65,535, so that they are there in the end.
        let room = Arc::clone(&octets_left).acquire_many_owned(length as u32).await.map_err(io::Error::other)?;
        let mut replies = replies.clone();
        waiting.spawn(async move {
            match handler.answer_forwarded(request.as_slice(), asker).await {
                // Whoever does not take it has gone: that is found by the reader too.
                Some(mut reply) => drop(replies.write(&mut reply).await),
                None => drop(handler.handle(&request, transport, &mut replies).await),
            }
            drop(room);
        });
    }
    // Who has no more to ask may still wait for answers.
    while waiting.join_next().await.is_some() {}
    replies.end().await
}

/// The next message; none when the other side has nothing more to say.
async fn read_message(reader: &mut (impl AsyncRead + Unpin), idle: Duration) -> io::Result<Option<Vec<u8>>> {
    let length = match timeout(idle, reader.read_u16()).await {
        Err(_) => return Ok(None),
        Ok(Err(error)) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        Ok(length) => length?,
    };
    let mut octets = vec![0; usize::from(length)];
    timeout(PROGRESS, reader.read_exact(&mut octets)).await??;
    Ok(Some(octets))
}

/// Writes replies, each in full before the next, so that a slow reader slows the writer.
struct Replies<S> {
    /// None: a reply was cut off, and what came behind it would be taken for a part of it.
    writer: Arc<Mutex<Option<WriteHalf<S>>>>,
    /// Their length is not to tell what they say (RFC 8467).
    padded: bool,
    /// How long the connection may be silent, where its other side wants to know (RFC 7828).
    stays: Option<Duration>,
}

impl<S> Clone for Replies<S> {
    fn clone(&self) -> Self {
        Self { writer: Arc::clone(&self.writer), padded: self.padded, stays: self.stays }
    }
}

impl<S: AsyncWrite> Replies<S> {
    async fn write(&self, message: &mut Vec<u8>) -> io::Result<()> {
        if let Some(timeout) = self.stays {
            keepalive::tell(message, timeout);
        }
        if self.padded {
            padding::pad(message, padding::ANSWER_BLOCK);
        }
        let length = u16::try_from(message.len()).map_err(io::Error::other)?;
        // RFC 7766 section 8: length and message in one write, so that they travel in one segment.
        let mut framed = Vec::with_capacity(message.len() + 2);
        framed.extend_from_slice(&length.to_be_bytes());
        framed.extend_from_slice(message);
        let mut place = self.writer.lock().await;
        let mut writer = place.take().ok_or(io::ErrorKind::BrokenPipe)?;
        timeout(PROGRESS, async {
            writer.write_all(&framed).await?;
            writer.flush().await
        })
        .await??;
        *place = Some(writer);
        Ok(())
    }

    /// Nothing more is said: TLS tells it to the other side.
    async fn end(&self) -> io::Result<()> {
        match self.writer.lock().await.take() {
            Some(mut writer) => timeout(PROGRESS, writer.shutdown()).await?,
            None => Ok(()),
        }
    }
}

#[async_trait::async_trait]
impl<S: AsyncWrite + Send + 'static> ResponseHandler for Replies<S> {
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
        self.write(&mut octets).await?;
        Ok(info)
    }
}
