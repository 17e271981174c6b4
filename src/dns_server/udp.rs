//! Datagrams: plain questions about our zones are answered at once, octets to octets; whatever else comes (updates,
//! signatures, names for the forwarder, what is malformed) is the handler's, in tasks of which so many are at once.

use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use hickory_proto::op::{Header, Message, MessageType, ResponseCode};
use hickory_proto::rr::Record;
use hickory_proto::serialize::binary::{BinDecodable as _, BinDecoder, BinEncoder};
use hickory_server::net::NetError;
use hickory_server::net::runtime::TokioTime;
use hickory_server::net::xfer::Protocol;
use hickory_server::server::{Request, RequestHandler as _, ResponseHandler, ResponseInfo};
use hickory_server::zone_handler::MessageResponse;
use tokio::net::UdpSocket;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::handler::Handler;
use super::reply::{UDP_OCTETS_MAX, UDP_OCTETS_PLAIN};
use crate::quiet::Quiet;

/// Requests of one socket that wait for an upstream or the store at once; more are dropped, and asked again.
const WAITING_MAX: usize = 4_096;
/// Datagrams answered before others of this thread have their turn.
const IN_A_ROW: usize = 64;
/// The largest datagram there is, in octets.
const DATAGRAM_OCTETS_MAX: usize = 65_535;

/// Answers until told to stop.
pub(super) async fn serve(socket: UdpSocket, handler: Handler, mut stopped: watch::Receiver<bool>) {
    let socket = Arc::new(socket);
    let mut waiting = JoinSet::new();
    let dropped = Quiet::default();
    let mut octets = vec![0; DATAGRAM_OCTETS_MAX];
    let mut out = Vec::with_capacity(usize::from(UDP_OCTETS_MAX));
    loop {
        tokio::select! {
            // An error that only this tells is met again below.
            _ = socket.readable() => {}
            _ = stopped.changed() => return,
        }
        for _ in 0..IN_A_ROW {
            let (length, source) = match socket.try_recv_from(&mut octets) {
                Ok(received) => received,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => {
                    tracing::debug!(%error, "a DNS datagram could not be received");
                    break;
                }
            };
            let query = &octets[..length];
            if !can_be_answered(source) {
                continue;
            }
            if handler.answer_plain(query, source.ip(), &mut out) {
                send(&socket, &out, source).await;
                continue;
            }
            while waiting.try_join_next().is_some() {}
            if waiting.len() >= WAITING_MAX {
                if let Some(kept_back) = dropped.may_tell() {
                    tracing::warn!("{WAITING_MAX} DNS requests wait already: one of {source} was dropped{kept_back}");
                }
                continue;
            }
            waiting.spawn(request(query.to_vec(), source, Arc::clone(&socket), handler.clone()));
        }
        tokio::task::yield_now().await;
    }
}

/// Not those that nobody sends: port 0, no address and everybody's.
fn can_be_answered(source: SocketAddr) -> bool {
    let everybody = matches!(source.ip().to_canonical(), IpAddr::V4(v4) if v4.is_broadcast());
    source.port() != 0 && !source.ip().is_unspecified() && !everybody
}

async fn send(socket: &UdpSocket, octets: &[u8], to: SocketAddr) {
    let sent = match socket.try_send_to(octets, to) {
        Err(error) if error.kind() == ErrorKind::WouldBlock => socket.send_to(octets, to).await,
        sent => sent,
    };
    if let Err(error) = sent {
        tracing::debug!(%error, source = %to, "a DNS reply could not be sent");
    }
}

/// The general way of a request.
async fn request(octets: Vec<u8>, source: SocketAddr, socket: Arc<UdpSocket>, handler: Handler) {
    // Only what cannot be a request at all lacks the twelve octets of a header.
    let Ok(header) = Header::read(&mut BinDecoder::new(&octets)) else { return };
    // An answer to an answer would go round for ever.
    if header.metadata.message_type == MessageType::Response {
        return;
    }
    // Hickory makes room for as many questions as are promised, up to 65,535, before it reads them.
    let read = (header.counts.queries <= 1).then(|| Request::from_bytes(octets, source, Protocol::Udp));
    match read {
        Some(Ok(request)) => {
            let asked = request.edns.as_ref().map(|edns| edns.max_payload().clamp(UDP_OCTETS_PLAIN, UDP_OCTETS_MAX));
            let replies = Datagrams { socket, to: source, octets_max: asked.unwrap_or(UDP_OCTETS_PLAIN) };
            handler.handle_request::<_, TokioTime>(&request, replies).await;
        }
        None | Some(Err(_)) => {
            let metadata = header.metadata;
            let refusal = Message::error_msg(metadata.id, metadata.op_code, ResponseCode::FormErr);
            if let Ok(octets) = refusal.to_vec() {
                send(&socket, &octets, source).await;
            }
        }
    }
}

/// Sends replies of the handler.
#[derive(Clone)]
struct Datagrams {
    socket: Arc<UdpSocket>,
    to: SocketAddr,
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
        self.socket.send_to(&octets, self.to).await?;
        Ok(info)
    }
}
