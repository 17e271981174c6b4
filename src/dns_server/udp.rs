//! Datagrams: plain questions about our zones, and about what the forwarder knows, are answered at once, octets to octets. Others
//! for the forwarder are asked on the same thread; whatever else comes (updates, signatures, what is malformed) is the handler's,
//! on other threads. Both in tasks of which so many are at once.

mod batch;
mod threads;

use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use hickory_proto::op::{Header, Message, MessageType, ResponseCode};
use hickory_proto::rr::Record;
use hickory_proto::serialize::binary::{BinDecodable as _, BinDecoder, BinEncoder};
use hickory_server::net::NetError;
use hickory_server::net::xfer::Protocol;
use hickory_server::server::{Request, ResponseHandler, ResponseInfo};
use hickory_server::zone_handler::MessageResponse;
use nix::sys::socket::{SockaddrIn, SockaddrIn6};
use resolve::Transport;
use tokio::net::UdpSocket;
use tokio::runtime::Handle;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;

use self::batch::{Incoming, Local, Outgoing, Peer};
pub(super) use self::threads::{Threads, run_on};
use super::forward;
use super::handler::{Datagram, Handler, Live};
use super::reply::{UDP_OCTETS_MAX, UDP_OCTETS_PLAIN};
use super::shares::Shares;
use crate::quiet::Quiet;

/// Requests of one socket that wait for an upstream or the store at once; more are dropped, and asked again.
const WAITING_MAX: usize = 4_096;
/// And of one asker. One that asks for what nobody answers would keep all others out.
const WAITING_MAX_EACH: usize = 256;
/// How long an address that is listened on no more answers whom it has heard.
const DRAIN: Duration = Duration::from_secs(5);
/// Batches answered before others of this thread have their turn.
const IN_A_ROW: usize = 2;

/// A socket, and who waits until it is closed: dropped in this order.
pub(super) struct Open(pub(super) UdpSocket, pub(super) mpsc::Sender<()>);

/// Answers until told to stop: plain questions, also those that others are asked, on the thread that this runs on; all else on
/// `others`.
pub(super) async fn serve(open: Open, others: Handle, handler: Live, stopped: watch::Receiver<bool>) {
    let Open(socket, waits) = open;
    // The kernel tells this thread of what comes, whichever opened it.
    let here = socket.into_std().and_then(UdpSocket::from_std);
    let here = here.and_then(|socket| Ok((socket.local_addr()?, Open(socket, waits))));
    match here {
        Ok((SocketAddr::V6(own), socket)) => {
            serve_family::<SockaddrIn6>(socket, own.ip().is_unspecified(), others, (handler, stopped)).await
        }
        Ok((SocketAddr::V4(own), socket)) => {
            serve_family::<SockaddrIn>(socket, own.ip().is_unspecified(), others, (handler, stopped)).await
        }
        Err(error) => tracing::error!(%error, "a DNS socket cannot be served"),
    }
}

async fn serve_family<S: Peer + Send>(
    open: Open,
    many_addresses: bool,
    others: Handle,
    (handler, mut stopped): (Live, watch::Receiver<bool>),
) {
    let open = Arc::new(open);
    let socket = &open.0;
    let mut waiting = Waiting::new(others);
    let (mut incoming, mut outgoing) = (Incoming::<S>::new(many_addresses), Outgoing::new());
    loop {
        tokio::select! {
            // An error that only this tells is met again below.
            _ = socket.readable() => {}
            _ = stopped.changed() => return waiting.drain().await,
        }
        let handler = handler.load_full();
        let mut is_empty = false;
        for _ in 0..IN_A_ROW {
            is_empty = match incoming.receive(socket) {
                Ok(is_empty) => is_empty,
                // It is waited for above, where others have their turn.
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    is_empty = true;
                    break;
                }
                Err(error) => {
                    tracing::debug!(%error, "DNS datagrams could not be received");
                    break;
                }
            };
            let mut came = 0;
            for (query, peer, local) in incoming.iter() {
                came += 1;
                let source = peer.to_std();
                if !can_be_answered(source) {
                    continue;
                }
                let mut became = Datagram::Limited;
                outgoing.add(peer, local, |out| {
                    became = handler.answer_datagram(query, source.ip(), out);
                    became == Datagram::Answered
                });
                if let Datagram::Forward | Datagram::Other = became {
                    let is_plain = became == Datagram::Forward;
                    waiting.add((query, is_plain), Asker { open: Arc::clone(&open), source, local }, &handler);
                }
            }
            handler.counts().requests(Transport::Udp, came);
            outgoing.send(socket).await;
            if is_empty {
                break;
            }
        }
        if !is_empty {
            tokio::task::yield_now().await;
        }
    }
}

/// Requests that take the general way.
struct Waiting {
    tasks: JoinSet<()>,
    /// Where they run.
    others: Handle,
    shares: Shares,
    dropped: Quiet,
    dropped_of_one: Quiet,
}

impl Waiting {
    fn new(others: Handle) -> Self {
        let shares = Shares::new(WAITING_MAX_EACH);
        Self { tasks: JoinSet::new(), others, shares, dropped: Quiet::default(), dropped_of_one: Quiet::default() }
    }

    /// An address that is listened on no more still answers whom it has heard.
    async fn drain(mut self) {
        drop(timeout(DRAIN, async { while self.tasks.join_next().await.is_some() {} }).await);
    }

    /// `is_plain`: a plain question for the forwarder, which is asked on this thread: to go to another and back would take a good
    /// part of what asking takes.
    fn add(&mut self, (query, is_plain): (&[u8], bool), asker: Asker, handler: &Handler) {
        while self.tasks.try_join_next().is_some() {}
        let source = asker.source;
        if self.tasks.len() >= WAITING_MAX {
            if let Some(kept_back) = self.dropped.may_tell() {
                tracing::warn!("{WAITING_MAX} DNS requests wait already: one of {source} was dropped{kept_back}");
            }
            return;
        }
        let Some(share) = self.shares.take(source.ip()) else {
            if let Some(kept_back) = self.dropped_of_one.may_tell() {
                tracing::warn!("{WAITING_MAX_EACH} DNS requests of {source} wait already: one was dropped{kept_back}");
            }
            return;
        };
        let (query, handler, others) = (query.to_vec(), handler.clone(), self.others.clone());
        if is_plain {
            self.tasks.spawn(async move {
                let asks = forward::Asker { source: asker.source.ip(), transport: Transport::Udp };
                match handler.answer_forwarded(&query, asks).await {
                    Some(reply) => asker.answer(&reply).await,
                    None => drop(run_on(&others, request(query, asker, handler)).await),
                }
                drop(share);
            });
        } else {
            let request = request(query, asker, handler);
            let request = async move {
                request.await;
                drop(share);
            };
            self.tasks.spawn_on(request, &self.others);
        }
    }
}

/// Where a request came from, and by what its answer leaves.
#[derive(Clone)]
struct Asker {
    open: Arc<Open>,
    source: SocketAddr,
    local: Option<Local>,
}

impl Asker {
    async fn send(&self, octets: &[u8]) -> std::io::Result<()> {
        batch::send_one(&self.open.0, octets, self.source, self.local).await
    }

    async fn answer(&self, octets: &[u8]) {
        if let Err(error) = self.send(octets).await {
            tracing::debug!(%error, source = %self.source, "a DNS reply could not be sent");
        }
    }
}

/// Not those that nobody sends: port 0, no address and everybody's.
fn can_be_answered(source: SocketAddr) -> bool {
    let everybody = matches!(source.ip().to_canonical(), IpAddr::V4(v4) if v4.is_broadcast());
    source.port() != 0 && !source.ip().is_unspecified() && !everybody
}

/// The general way of a request.
async fn request(octets: Vec<u8>, asker: Asker, handler: Handler) {
    // Only what cannot be a request at all lacks the twelve octets of a header.
    let Ok(header) = Header::read(&mut BinDecoder::new(&octets)) else { return };
    // An answer to an answer would go round for ever.
    if header.metadata.message_type == MessageType::Response {
        return;
    }
    // Hickory makes room for as many questions as are promised, up to 65,535, before it reads them.
    let read = (header.counts.queries <= 1).then(|| Request::from_bytes(octets, asker.source, Protocol::Udp));
    match read {
        Some(Ok(request)) => {
            let asked = request.edns.as_ref().map(|edns| edns.max_payload().clamp(UDP_OCTETS_PLAIN, UDP_OCTETS_MAX));
            let mut replies = Datagrams { asker, octets_max: asked.unwrap_or(UDP_OCTETS_PLAIN) };
            handler.handle(&request, Transport::Udp, &mut replies).await;
        }
        None | Some(Err(_)) => {
            let metadata = header.metadata;
            let refusal = Message::error_msg(metadata.id, metadata.op_code, ResponseCode::FormErr);
            if let Ok(octets) = refusal.to_vec() {
                asker.answer(&octets).await;
            }
        }
    }
}

/// Sends replies of the handler.
#[derive(Clone)]
struct Datagrams {
    asker: Asker,
    octets_max: u16,
}

#[async_trait::async_trait]
impl ResponseHandler for Datagrams {
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
        let mut octets = Vec::with_capacity(usize::from(UDP_OCTETS_PLAIN));
        let mut encoder = BinEncoder::new(&mut octets);
        encoder.set_max_size(self.octets_max);
        let info = response.destructive_emit(&mut encoder)?;
        self.asker.send(&octets).await?;
        Ok(info)
    }
}
